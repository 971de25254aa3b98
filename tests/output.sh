#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# output.sh - what deeptrace lets through to a terminal and into JSON, and its
# exit status where input or output is not what it should be.

cd "${DEEP_TOP:-$(dirname "$0")/..}" || exit 1
. tests/tap.sh

status()	# WANTED NAME COMMAND ...
{
	wanted=$1 name=$2
	shift 2
	"$@" >"$work/out" 2>"$work/err"
	is $? "$wanted" "$name: exit status"
}

# ESC, C1, U+202E, U+FEFF, U+E0041 and octets that are no UTF-8, in every place
bad=$(printf '\033[31m\302\233\342\200\256\357\273\277\363\240\201\201\377\300\257\177')
date='Mon, 2 Nov 2026 10:00:00 +0000'
{
	printf 'Received: from a%s (b%s [192.0.2.1]) by c%s with ESMTP id d%s for <e%s>; %s\n' \
	    "$bad" "$bad" "$bad" "$bad" "$bad" "$date"
	printf 'Message-ID: <f%s@example.org>\nContent-Type: multipart/report; boundary=x\n\n' "$bad"
	printf -- '--x\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; g%s\n\n' "$bad"
	printf 'Final-Recipient: rfc822; h%s@example.org\nAction: i%s\nStatus: 2.0.0\n' "$bad" "$bad"
	printf 'Diagnostic-Code: smtp; j%s\nSMTP-Security-Latch: tls10 k%s\n\n' "$bad" "$bad"
	printf -- '--x\nContent-Type: text/rfc822-headers\n\n'
	printf 'Message-ID: <f%s@example.org>\n' "$bad"
	printf 'Received: from l%s by m%s with ESMTPS (version=n%s cipher=o%s bits=1/1); %s\n\n--x--\n' \
	    "$bad" "$bad" "$bad" "$bad" "$date"
} >"$work/hostile.eml"

for locale in C C.UTF-8; do
	LC_ALL=$locale ./deeptrace "$work/hostile.eml" >"$work/out" 2>&1
	[ -s "$work/out" ] && python3 -c '
import sys, unicodedata
text = open(sys.argv[1], "rb").read().decode("utf-8")
sys.exit(any(c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in text))
' "$work/out"
	ok $? "$locale: text is UTF-8 without controls, bidi or format characters"
done
LC_ALL=C.UTF-8 ./deeptrace "$work/hostile.eml" | grep -q '\\033\[31m'
ok $? 'what was hostile is shown as vis(3) shows it'
./deeptrace --format json "$work/hostile.eml" >"$work/out"
python3 -c '
import json, sys, unicodedata
raw = open(sys.argv[1], "rb").read().decode("utf-8")
answer = json.loads(raw)
assert "\u202e" in answer["message_id"] and "\u001b" in answer["hops"][0]["from"]
assert answer["message_id"].endswith("@example.org>"), answer["message_id"]
sys.exit(any(c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp") for c in raw))
' "$work/out"
ok $? 'JSON: the characters come back, and none is there raw'

cp contrib/sample-success.eml "$work/good.eml"
printf 'Subject: x\n\ny\n' >"$work/none.eml"
: >"$work/empty"
status 64 'an option that is none' ./deeptrace --frob
status 66 'a name with ESC that is not there' ./deeptrace "$work/a$(printf '\033[31m')"
! grep -q "$(printf '\033')" "$work/err"
ok $? 'and no ESC on standard error'
status 3 'no Received field' ./deeptrace "$work/none.eml"
grep -q 'path incomplete: no-received' "$work/out"
ok $? 'and the path is said to be incomplete'
status 3 'an empty file' ./deeptrace "$work/empty"
status 1 'a clear hop' ./deeptrace "$work/good.eml" "$work/empty"
if [ -w /dev/full ]; then
	./deeptrace --help >/dev/full 2>/dev/null
	[ $? = 74 ]
	ok $? '--help into a full disk: exit status 74'
	./deeptrace "$work/good.eml" >/dev/full 2>/dev/null
	[ $? = 74 ]
	ok $? 'a report into a full disk: exit status 74'
fi
mkdir -p "$work/folder/cur" "$work/maildir/cur" "$work/maildir/new" "$work/maildir/tmp"
cp "$work/good.eml" "$work/folder/"
cp "$work/good.eml" "$work/maildir/new/1"
cp "$work/good.eml" "$work/maildir/cur/2:2,S"
cp "$work/good.eml" "$work/maildir/tmp/3"
status 1 'a folder with cur but without new' ./deeptrace --format json "$work/folder"
[ "$(wc -l <"$work/out")" = 1 ]
ok $? 'is a folder of files'
status 1 'a Maildir' ./deeptrace --format json "$work/maildir"
[ "$(wc -l <"$work/out")" = 2 ]
ok $? 'is read without its tmp'
printf 'x comment "y" ^(?<vers>y)\n' >"$work/rows"
status 78 'a dialect with a group of an unknown name' ./deeptrace --dialects "$work/rows" "$work/good.eml"
{
	printf 'Received: from a by b with ESMTPS (%70000s) id 1; %s\n\n' x "$date"
} >"$work/long.eml"
./deeptrace --format json "$work/long.eml" | grep -q '"flags":\[.*"limit"\].*"field-limit"'
ok $? 'a field over the limit is flagged, and so is the path'
./deeptrace "$work/good.eml" "$work/hostile.eml" | grep -q "$(printf '\033')"
[ $? = 1 ]
ok $? 'no colours but on a terminal'
echo "1..$count"
[ $failures = 0 ]
