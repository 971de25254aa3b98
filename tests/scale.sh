#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3 jq
#
# scale.sh - deeptrace over archives: several processes, packed input, counts
# that are put together, runs that are interrupted, progress, and memory.

cd "${DEEP_TOP:-$(dirname "$0")/..}" || exit 1
. tests/tap.sh

trace()
{
	./deeptrace "$@" 2>"$work/log"
}

same()		# NAME: $work/a and $work/b
{
	[ -s "$work/a" ] && cmp "$work/a" "$work/b" >"$work/log" 2>&1
	ok $? "$1"
}

# 10 MiB in ten slices; then a body of 6 MiB whose Content-Length leads over
# what looks like boundaries, so that slices begin inside it.
python3 tests/bench/mksynth.py 10 >"$work/box" 2>/dev/null || exit 1
python3 - "$work/trap" <<'END'
import sys
one = ("From a@example.org Mon Nov  2 10:00:00 2026\n"
       "Received: from a.example.org by b.example.net with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\n"
       "Message-ID: <%d@example.org>\n")
body = "".join("x\n\n" + one % n + "\nquoted\n" for n in range(36000)) + "\n"
with open(sys.argv[1], "w") as out:
    for n in range(3):
        out.write(one % (10 ** 6 + n) + "Content-Length: %d\n\n" % len(body) + body + "\n")
    for n in range(2000):
        out.write(one % (2 * 10 ** 6 + n) + "\nbody\n\n")
END

# --- Several processes.

for form in json text csv; do
	trace -f $form "$work/box" >"$work/a"
	trace -j 2 -f $form "$work/box" >"$work/b"
	same "-j 2 --format $form: as one process writes it"
done
trace -f json "$work/trap" >"$work/a"
is "$(grep -c . "$work/a")" 2003 'Content-Length leads over boundaries in bodies'
trace -j 3 -f json "$work/trap" >"$work/b"
same '-j 3: a slice that began inside a body is done again'
trace -j 2 --unordered -f json "$work/box" | sort >"$work/b"
trace -f json "$work/box" | sort >"$work/a"
same '-j 2 --unordered: the same lines'

# Behind head(1) it ends as other programs do, by SIGPIPE and without a word.
(./deeptrace -j 2 -f json "$work/box" 2>"$work/log"; echo $? >"$work/status") | head -n 1 >"$work/a"
is "$(cat "$work/status"):$(cat "$work/log")" 141: '-j 2: nobody reads on'

# What each process has to be told of: hosts, results, probes, rows of a file.
mkdir -m 700 "$work/mine"
printf '%064d\n' 0 >"$work/mine/key"
chmod 600 "$work/mine/key"
printf '{"envid":"a","from":"a@example.org","to":"b@example.net","message_id":"<1@example.org>","sent":1}\n' \
    >"$work/mine/probes"
printf 'ours with "LMTP" ^LMTP$\n' >"$work/rows"
trace -f json "$work/box" >"$work/plain"
for more in '-a mx.example.org' "-m -S $work/mine" '-t example.org' "-d $work/rows"; do
	# shellcheck disable=SC2086
	trace $more -f json "$work/box" >"$work/a"
	! cmp -s "$work/plain" "$work/a"
	ok $? "$more changes what is written"
	# shellcheck disable=SC2086
	trace $more -j 2 -f json "$work/box" >"$work/b"
	same "-j 2 $more: as one process writes it"
done
trace -r tls12,tls-pfs -j 2 -q "$work/box" >"$work/b"
two=$?
trace -r tls12,tls-pfs -q "$work/box" >"$work/a"
is "$two" "$?" '-j 2 --require: the exit status of one process'
same '-j 2 --require: its lines'
mkdir -p "$work/dir/cur" "$work/dir/new" "$work/dir/tmp"
python3 - "$work" <<'END'
import sys
number = 0
for text in open(sys.argv[1] + "/box").read(1500000).split("\n\nFrom ")[:-1]:
    number += 1
    with open("%s/dir/%s/%d.x" % (sys.argv[1], "cur" if number % 3 else "new", number), "w") as out:
        out.write(text.split("\n", 1)[1] + "\n")
END
: >"$work/empty"
trace -f json "$work/dir" "$work/box" "$work/empty" contrib/sample-success.eml >"$work/a"
one=$?
trace -j 2 -f json "$work/dir" "$work/box" "$work/empty" contrib/sample-success.eml >"$work/b"
is $? $one '-j 2: the exit status of one process'
same '-j 2: a Maildir by files, an mbox by slices, an empty file, a message'
./deeptrace -j 2 -f json - <"$work/box" >"$work/b"
sed "s,\"file\":\"$work/box\",\"file\":\"-\"," "$work/a" | grep '"file":"-"' >"$work/c"
mv "$work/c" "$work/a"
same '-j 2: standard input'
trace -j 2 "$work/is-not-there" contrib/sample-success.eml >/dev/null
is $? 66 '-j 2: a file that is not there'
trace -j 65 "$work/box"
is $? 64 '-j 65: refused'

# --- Packed.

trace -f json - <"$work/box" >"$work/a"
gzip -c "$work/box" >"$work/box.1"
xz -0 -c "$work/box" >"$work/box.2"
zstd -q -c "$work/box" >"$work/box.3"
for n in 1 2 3; do
	name=$(printf 'gzip\nxz\nZstandard\n' | sed -n ${n}p)
	trace -f json - <"$work/box.$n" >"$work/b"
	same "$name, by its first octets"
	cat "$work/box.$n" "$work/box.$n" | trace -f json - >"$work/b"
	is "$(grep -c . "$work/b")" $(($(grep -c . "$work/a") * 2)) "$name: two behind each other"
	head -c 200000 "$work/box.$n" >"$work/cut"
	trace -f json "$work/cut" >"$work/b"
	is $? 66 "$name, truncated: exit status"
	[ "$(grep -c . "$work/b")" -gt 40 ] &&
	    grep -q "/cut: the $name data end early at octet 200000 of the file; [0-9]* octets of text came before" \
		"$work/log"
	ok $? "$name, truncated: what came before, and what was read"
	{ head -c 200000 "$work/box.$n"; printf 'nonsense%.0s' 1 2 3 4 5 6 7 8 9; tail -c +200300 "$work/box.$n"; } \
	    >"$work/cut"
	trace -f json "$work/cut" >"$work/b"
	is $? 66 "$name, damaged: exit status"
	grep -q "/cut: the $name data " "$work/log"
	ok $? "$name, damaged: is said"
done
{ cat "$work/box.1"; echo 'something else'; } | trace -f json - >"$work/b"
grep -q 'gzip data are followed by something else' "$work/log"
ok $? 'gzip and something else behind it: is said'

memory()	# COMMAND ...: KiB, in $kib
{
	/usr/bin/time -f %M -o "$work/kib" "$@" >/dev/null 2>&1
	kib=$(tail -n 1 "$work/kib")
}
if make -s show VAR=SANITIZE 2>/dev/null | grep -q sanitize; then
	skip 'sanitized build: memory is measured in the plain one' 'memory of one process'
	skip 'sanitized build: memory is measured in the plain one' 'memory and a bomb'
else
	memory ./deeptrace -f json "$work/box" "$work/box.1" "$work/box.2"
	[ "$kib" -lt 16384 ]
	ok $? "memory of one process: $kib KiB, under 16 MiB"
	# 512 MiB of one line, 0.5 MiB packed: a message is kept up to 64 MiB
	head -c 536870912 /dev/zero | gzip -1 >"$work/bomb"
	memory ./deeptrace -f json "$work/bomb"
	[ "$kib" -lt 200000 ]
	ok $? "a bomb of 512 MiB: $kib KiB, under 200 MB"
	rm -f "$work/bomb"
fi

# --- Counts.

trace --summary json "$work/box" "$work/dir" "$work/trap" >"$work/a"
trace -j 2 --summary json "$work/box" "$work/dir" "$work/trap" >"$work/b"
same '--summary json: -j 2 counts as one process'
for part in box dir trap; do
	trace --summary json "$work/$part" >"$work/$part.json"
done
trace merge "$work/trap.json" "$work/box.json" "$work/dir.json" >"$work/b"
same 'merge: as one run over everything, in any order'
trace merge "$work/trap.json" "$work/box.json" >"$work/c"
cat "$work/dir.json" "$work/c" | trace merge - >"$work/b"
same 'merge of a merge, and of several in one file'
jq -e '(.tables.kind.rows | map(.n | add) | add) == 4000 + '"$(($(./deeptrace -f json "$work/box" \
    "$work/dir" "$work/trap" 2>/dev/null | grep -c .) - 4000))" "$work/a" >"$work/log" 2>&1
ok $? 'each message is counted once'
for bad in '{"summary":2,"tables":{},"worst":[]}' '{"summary":1,"tables":{},"worst":[]}' '[1' '' \
    '{"summary":1}'; do
	printf '%s\n' "$bad" >"$work/bad.json"
	trace merge "$work/box.json" "$work/bad.json" >"$work/b"
	[ $? = 65 ] && ! [ -s "$work/b" ] && grep -q 'bad.json: ' "$work/log"
	ok $? "merge refuses '$bad'"
done
sed 's/"clear":[0-9]*/"clear":-1/' "$work/box.json" >"$work/bad.json"
trace merge "$work/bad.json" >"$work/b"
is $? 65 'merge refuses counts below 0'
trace merge
is $? 64 'merge without a file'
trace merge "$work/is-not-there"
is $? 66 'merge: a file that is not there'

# --- Dialects.

{
	for n in 1 2 3; do
		printf 'From a Mon Nov  2 10:00:00 2026\nReceived: from a%s.example.org (a [192.0.2.%s])\n' $n $n
		printf '\tby b.example.net with SMTP id 4A%s (sealed by TLS1.%s); Mon, 2 Nov 2026 10:00:00 +0000\n' $n $n
		printf 'Received: from a (a [192.0.2.%s]) (using TLSv1.2 with cipher AES128-SHA (128/128 bits))\n' $n
		printf '\tby b.example.net (not using TLS) with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\n\n'
	done
} >"$work/dialects"
trace --stats dialects -f json "$work/dialects" >"$work/out"
is "$(jq -c '[.fields, .matched, .missed, .contradictions]' "$work/out")" \
    '[6,[{"dialect":"postfix-using","fields":3,"at_most_over":0}],[{"shape":"from H (a [H]) by H with SMTP id X (sealed by TLS9.9); D","fields":3,"at_most_over":0}],[{"shape":"from a (a [H]) (using TLSv9.9 with cipher AES9-SHA (9/9 bits)) by H (not using TLS) with ESMTPS; D","fields":3,"at_most_over":0}]]' \
    '--stats dialects: rows, shapes that matched none, contradictions'
trace --stats dialects "$work/dialects" >"$work/out"
grep -q '^         3  from H (a \[H\]) by H with SMTP id X (sealed by TLS9.9); D$' "$work/out"
ok $? '--stats dialects: text'
trace --stats dialects "$work/box" >"$work/a"
trace --stats dialects -j 2 "$work/box" >"$work/b"
same '--stats dialects: -j 2 counts as one process'

# --- Interrupted, and gone on with.  The reader takes one line, and the rest when it is
# told to, so that the run is in the midst of its work until then.

there()		# FILE: it comes, within a minute
{
	tries=600
	until [ -e "$1" ] || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done
}

begin()		# ARGUMENT ...: a run whose output goes to $work/out; $run, $reader
{
	rm -f "$work/begun" "$work/go"
	{
		IFS= read -r line && printf '%s\n' "$line"
		: >"$work/begun"
		there "$work/go"
		cat
	} <"$work/pipe" >>"$work/out" &
	reader=$!
	./deeptrace "$@" -f json "$work/dir" "$work/box" >"$work/pipe" 2>"$work/log" &
	run=$!
	there "$work/begun"
}

end()		# $status
{
	: >"$work/go"
	wait "$run"
	status=$?
	wait "$reader"
}

mkfifo "$work/pipe"
interrupted_run()	# JOBS
{
	begin -j "$1" --resume "$work/state"
	kill -TERM "$run" 2>/dev/null
	end
}
trace -f json "$work/dir" "$work/box" >"$work/a"
for jobs in 1 2; do
	: >"$work/out"
	rm -f "$work/state"
	interrupted_run $jobs
	is $status 75 "-j $jobs: interrupted, exit status"
	grep -q 'interrupted after [0-9]* messages, at octet [0-9]* of .*; the same command goes on from ' \
	    "$work/log"
	ok $? "-j $jobs: how far it came is said"
	python3 -c 'import json, sys
for line in open(sys.argv[1]):
    json.loads(line)' "$work/out" 2>"$work/log"
	ok $? "-j $jobs: what was written is whole"
	interrupted_run "$jobs"
	./deeptrace -j "$jobs" --resume "$work/state" -f json "$work/dir" "$work/box" >>"$work/out" \
	    2>"$work/log"
	cp "$work/out" "$work/b"
	same "-j $jobs: all runs together wrote what one writes"
	! [ -e "$work/state" ]
	ok $? "-j $jobs: the state is gone when all is done"
done
: >"$work/out"
interrupted_run 1
cp "$work/state" "$work/kept"
printf 'half a li' >>"$work/out"
jq -c ".output = $(wc -c <"$work/out") - 9" "$work/kept" >"$work/state"
./deeptrace --resume "$work/state" -f json "$work/dir" "$work/box" >>"$work/out" 2>"$work/log"
cp "$work/out" "$work/b"
same 'what a run that died had written behind its state is cut off'
cp "$work/kept" "$work/state"
trace --resume "$work/state" -f json "$work/dir" >/dev/null
[ $? = 65 ] && grep -q 'is of a run with other files' "$work/log"
ok $? '--resume: other arguments are refused'
echo '{}' >"$work/state"
trace --resume "$work/state" -f json "$work/dir" >/dev/null
is $? 65 '--resume: a file that is no state'
jq -c '.offset = 5000 | .file = "'"$work/box"'" | .input = 1 | .output = null' "$work/kept" >"$work/state"
trace --resume "$work/state" -f json "$work/dir" "$work/box" >/dev/null
[ $? = 65 ] && grep -q 'does not fit the file that is there now' "$work/log"
ok $? '--resume: another file under the same name'
rm -f "$work/state"
trace --resume "$work/state" -f json - <"$work/box"
is $? 64 '--resume: not from standard input'
trace --resume "$work/state" --unordered "$work/box"
is $? 64 '--resume: not --unordered'
trace --resume "$work/state" -f html "$work/box"
is $? 64 '--resume: not a page'

# The second process waits for its turn, and is killed: the others stop.
: >"$work/out"
begin -j 2
tries=600
until [ "$(ps -o pid= --ppid "$run" | wc -l)" = 2 ] || [ $((tries -= 1)) = 0 ]; do sleep 0.1; done
kill -KILL "$(ps -o pid= --ppid "$run" --sort pid | tail -n 1)"
end
is $status 75 '-j 2, a process is killed: exit status'
grep -q 'a process of -j ended early; what was written before it is whole' "$work/log"
ok $? '-j 2, a process is killed: is said'
head -n "$(grep -c . "$work/out")" "$work/a" | cmp - "$work/out" >"$work/log" 2>&1
ok $? '-j 2, a process is killed: what was written is whole'

# --- Progress.

trace --no-progress -f json "$work/box" >/dev/null
! grep -q 'MiB' "$work/log"
ok $? 'no progress where it is not wanted'
trace -f json "$work/box" >/dev/null
! grep -q 'MiB' "$work/log"
ok $? 'no progress where there is no terminal'
trace --progress -f json "$work/box" >/dev/null
tr '\r' '\n' <"$work/log" |
    grep -q '^deeptrace: 10.0 of 10.0 MiB, 100 %, [0-9.]* MiB/s, 0:00:00 left, [0-9]* messages'
ok $? '--progress: octets, part, rate, time left'
python3 - "$work" <<'END' >"$work/log" 2>&1
import os, pty, sys
pid, fd = pty.fork()
if pid == 0:
    out = os.open(os.devnull, os.O_WRONLY)
    os.dup2(out, 1)
    os.execv("./deeptrace", ["deeptrace", "-f", "json", sys.argv[1] + "/box"])
said = b""
try:
    while True:
        more = os.read(fd, 4096)
        if not more:
            break
        said += more
except OSError:
    pass
os.waitpid(pid, 0)
sys.exit(b"of 10.0 MiB, " not in said)
END
ok $? 'progress where standard error is a terminal'

echo "1..$count"
[ "$failures" = 0 ]
