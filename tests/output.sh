#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3
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

# The picture on terminals of any width: the same words, each row within it.
unset COLUMNS
{
	for n in 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1; do
		printf 'Received: from h%d.d%d.example (h%d.d%d.example [192.0.2.%d]) (using TLSv1.3 with cipher\n' \
		    $n $((n / 2)) $n $((n / 2)) $n
		printf '\tTLS_AES_256_GCM_SHA384 (256/256 bits) key-exchange X25519) by h%d.d%d.example\n' \
		    $((n + 1)) $(((n + 1) / 2))
		printf '\twith ESMTPS id %d; Mon, 2 Nov 2026 10:%02d:00 +0000\n' $n $((59 - n))
	done
	printf '\nx\n'
} >"$work/fifteen.eml"
for locale in C C.UTF-8; do
	LC_ALL=$locale ./deeptrace -t d8.example "$work/fifteen.eml" >"$work/wide"
	for width in 80 100 132 1000; do
		COLUMNS=$width LC_ALL=$locale ./deeptrace -t d8.example "$work/fifteen.eml" >"$work/out"
		python3 -c '
import re, sys
wide, made = (open(name, encoding="utf-8").read() for name in sys.argv[1:3])
width = int(sys.argv[3])
words = lambda text: [w for w in text.split() if re.search("[A-Za-z0-9(]", w) and w != "H"]
rows = made.split("\n\n", 1)[1].split("\n")
assert words(wide) == words(made), (words(wide), words(made))
assert all(len(r) <= width for r in rows), max(rows, key=len)
assert width > 200 or max(len(r) for r in wide.split("\n")) > width
# a row that goes on has the line of its hop beside it
assert all(len(r) - len(r.lstrip()) < 20 for r in rows if r.strip()), rows
' "$work/wide" "$work/out" $width 2>"$work/err"
		ok $? "$locale: fifteen hops on $width columns" || sed 's/^/# /' "$work/err"
	done
done
[ "$(LC_ALL=C ./deeptrace "$work/fifteen.eml" | head -n 1 | cut -c 1-7)" = 'strong ' ]
ok $? 'the first line sums it up'
long=$(printf '%0250d.d.example.com' 0 | sed 's/0\{50\}/&./g')
printf 'Received: from x.example.org by %s with ESMTP; %s\n\nx\n' "$long" "$date" >"$work/name.eml"
LC_ALL=C ./deeptrace "$work/name.eml" | grep -q '^ .*o .*00\.\..*\.d\.example\.com'
ok $? 'of a long name the end stays'

printf 'Subject: x\n\ny\n' >"$work/none.eml"
: >"$work/empty"
status 64 'an option that is none' ./deeptrace --frob
for words in --frob -x -f --format 'probe --frob' probe 'probe -Z x@example.org' watch 'watch a b' 'watch --frob a' \
    'merge --frob x' merge 'merge --html'; do
	# shellcheck disable=SC2086
	status 64 "deeptrace $words" ./deeptrace $words
	[ "$(wc -l <"$work/err")" = 1 ] && [ ! -s "$work/out" ] && grep -q -e '; see deeptrace.* --help$' "$work/err"
	ok $? 'one line: what is wrong, and where to read on'
done
for command in '' probe watch merge; do
	# shellcheck disable=SC2086
	status 0 "deeptrace $command --help" ./deeptrace $command --help
	[ ! -s "$work/err" ] && grep -q '^usage: deeptrace' "$work/out"
	ok $? 'on standard output'
done
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
