#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# deeplatch(8) with a real store: each command, what it answers where something is
# wrong, and who may do what.

cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

LC_ALL=C
TZ=UTC
export LC_ALL TZ
unset SUDO_USER DOAS_USER
chmod 755 "$work"

if ! [ -x ./deeplatch ]; then
	echo '1..0 # skip deeplatch is not built'
	exit 0
fi
cat >"$work/deep.conf" <<END
[store]
url = sqlite:$work/store/latches.db
shadow = $work/store/shadow.db
[policy]
exempt = old.example
[mode]
tls-pfs = warn
[group pool]
hosts = smart1.example, smart2.example
END

# d ARGUMENT ...: deeplatch; its output is in $work/out, its errors in $work/log.
d()
{
	./deeplatch -f "$work/deep.conf" "$@" >"$work/out" 2>"$work/log" </dev/null
	status=$?
}

exits()			# STATUS NAME
{
	[ "$status" = "$1" ] || echo "status $status" >>"$work/log"
	[ "$status" = "$1" ]
	ok $? "$2"
}

says()			# out | log  PATTERN NAME
{
	grep -q -e "$2" "$work/$1"
	found=$?
	[ "$1" = log ] || [ $found = 0 ] || cp "$work/out" "$work/log"
	ok $found "$3"
}

lacks()			# out | log  PATTERN NAME
{
	! grep -q -e "$2" "$work/$1"
	ok $? "$3"
}

# Before there is a store.

d list
exits 69 'no store: status 69'
says log "latches.db: there is no store; make it with \"deeplatch init\"" 'what to do'
[ ! -e "$work/store" ]
ok $? 'and none was made'
d stats --prometheus "$work/deep.prom"
exits 69 'stats without a store: status 69'
is "$(grep '^deep_store_readable' "$work/deep.prom")" 'deep_store_readable 0' \
    'the file for Prometheus says so'

d init
exits 0 'init'
says out "^made $work/store/latches.db, for uid $(id -u) and gid $(id -g)\$" 'it says what it made'
is "$(stat -c %a "$work/store/latches.db" "$work/store" | tr '\n' ' ')" '660 2770 ' 'modes'
cp "$work/deep.conf" "$work/kept.conf"
mkdir -m 755 "$work/beside"
printf '[store]\nurl = sqlite:%s/beside/latches.db\n' "$work" >"$work/deep.conf"
d init
exits 0 'init in a folder that is there'
says log "^deeplatch: warning: $work/beside: was there and is left as it is" \
    'warns of its mode'
mv "$work/kept.conf" "$work/deep.conf"
d init
exits 73 'init again: status 73'
says log 'is there already and is left as it is' 'it says so'
d init --owner nobody-at-all
exits 67 'init with an unknown user: status 67'
says log 'there is no user "nobody-at-all"' 'it says so'
d list
exits 1 'an empty store: list has nothing'
d verify
exits 0 'an empty store is sound'

# Words of the command line.

./deeplatch --help >"$work/out" 2>&1
is $? 0 '--help'
for command in init list show check reset exempt purge export import verify stats log expiry; do
	says out "^  $command " "--help has $command"
	./deeplatch $command --help >"$work/options" 2>&1
	is $? 0 "$command --help"
	is "$(./deeplatch $command -h x 2>&1)" "$(cat "$work/options")" "$command -h"
	# each option is in the manual, in SYNOPSIS and in the text
	grep -o -e '--[a-z-]*' "$work/options" | sort -u | while read -r option; do
		grep -q -e "Fl -${option#--}\\>" modules/admin/deeplatch.8 || echo "$option"
	done >"$work/log"
	[ ! -s "$work/log" ]
	ok $? "the manual has the options of $command"
done
grep -o 'Fl -[a-z-]*' modules/admin/deeplatch.8 | sed 's/Fl //' | sort -u >"$work/told"
{
	./deeplatch --help
	for command in init list show check reset exempt purge export import verify stats log expiry; do
		./deeplatch $command --help
	done
} | grep -o -e '--[a-z-]*' | sed 's/^-//' | sort -u >"$work/given"
is "$(comm -23 "$work/told" "$work/given" | tr '\n' ' ')" '' 'the manual has no option beside'
./deeplatch --version >"$work/out"
is "$(cat "$work/out")" "deeplatch $(./configure --version | sed 's/.* //')" '--version'
for wrong in '' frobnicate 'list x' 'list --frobnicate' 'show' 'show a.example b.example' 'check' \
    'reset' 'exempt' 'exempt frobnicate' 'exempt add' 'purge x' 'export x' 'verify x' 'log x' \
    'stats x' 'stats --json --prometheus x' 'init x' 'show 192.0.2.1' 'show a..b' \
    'show --service mail a.example' 'list --latch tls13' 'list --age 3x' 'list --mode on' \
    'check --tls x a.example' 'check --cert a.example' 'check --bypass x a.example' \
    'reset --keep tls10 --all --reason x a.example' 'reset --only tls10, --reason x a.example' \
    'log --since yesterday' 'import --format csv' 'expiry' 'expiry --days x f' 'expiry --days 3651 f'; do
	# shellcheck disable=SC2086
	d $wrong
	exits 64 "status 64: deeplatch $wrong"
	is "$(grep -c '^deeplatch: ' "$work/log") $(wc -l <"$work/log")" '1 1' \
	    'and says why, after its name'
done
d list --frobnicate
is "$(cat "$work/log")" \
    'deeplatch: "--frobnicate" is no option, or lacks what it takes; see deeplatch list --help' \
    'an unknown option: one line'
d list --latch
is "$(cat "$work/log")" \
    'deeplatch: "--latch" is no option, or lacks what it takes; see deeplatch list --help' \
    'so is one without its value'
d purge -x
is "$(cat "$work/log")" \
    'deeplatch: "-x" is no option, or lacks what it takes; see deeplatch purge --help' \
    'and a letter'
d show unknown.example
exits 1 'show: status 1 where nothing is known'
is "$(cat "$work/out")" 'nothing is known of unknown.example (relay)' 'it says so'
d reset --reason x unknown.example
exits 1 'reset: status 1 where nothing is known'
is "$(cat "$work/out")" 'nothing is known of unknown.example (relay)' 'it says so'

printf '[policy]\nconfrim = 3\n' >"$work/bad.conf"
./deeplatch -f "$work/bad.conf" list >"$work/out" 2>"$work/log"
is $? 78 'a fault in deep.conf: status 78'
says log "bad.conf:2: \\[policy\\] has no key \"confrim\"; see deep.conf(5)" 'and where'
./deeplatch -f "$work/none.conf" list >"$work/out" 2>"$work/log"
is $? 78 'no such deep.conf: status 78'

# Import of an export, and what list and show make of it.

now=$(date +%s)
old=$((now - 100 * 86400)) week=$((now - 7 * 86400)) day=$((now - 86400))
held()			# FIRST CONFIRMED ENFORCED CONTRADICTED N
{
	printf '{"first":%d,"confirmed":%d,"window":%d,"enforced":%d,"contradicted":%d,' \
	    "$1" "$2" "$1" "$3" "$4"
	printf '"confirmations":%d,"contradictions":%d,"in_window":%d}' "$5" $(($4 > 0)) "$5"
}
good()			# NAME SERVICE EXEMPT: a name with three latches and two hosts
{
	printf '{"name":"%s","service":"%s","exempt":%d,"latches":{' "$1" "$2" "$3"
	printf '"tls10":%s,' "$(held $old $day $old 0 9)"
	printf '"tls11":%s,' "$(held $old $day $old 0 9)"
	printf '"tls12":%s,' "$(held $week $day $week $now 5)"
	printf '"tls-pfs":%s},"hosts":[' "$(held $day $day 0 0 1)"
	printf '{"name":"mx1.%s","satisfied":["tls10","tls11","tls12","tls-pfs"],"first":%d,' \
	    "$1" $old
	printf '"last":%d,"sessions":7},{"name":"mx2.%s","satisfied":["tls10","tls11"],' $day "$1"
	printf '"first":%d,"last":%d,"sessions":2}]}\n' $week $now
}
head='{"format":"deeplatch","version":1}'
{
	echo "$head"
	good a.example relay 0
	good b.example submission $week
	printf '{"name":"c.example","service":"relay","exempt":0,"latches":{"tls10":%s,' \
	    "$(held $old $old $old 0 3)"
	printf '"tls13":%s},"hosts":[]}\n' "$(held $old $old $old 0 3)"
	good pool relay 0
} >"$work/export"
d import --dry-run "$work/export"
exits 0 'import --dry-run'
says out '^would take 4 names$' 'it says how many'
d list
exits 1 'and takes nothing'
d import "$work/export"
exits 0 'import of an export'
says out '^took 4 names$' 'it says how many'
d export
exits 0 'export'
cp "$work/out" "$work/again"
diff "$work/export" "$work/again" >"$work/log"
ok $? 'export gives what import took, octet for octet'
d import "$work/export"
d export
diff "$work/export" "$work/out" >"$work/log"
ok $? 'D3.1-9: to import it again changes nothing'
d verify
exits 0 'all records are sound'

names()			# ARGUMENT ...: what list shows, the names only
{
	d list "$@"
	sed '1d; s/ .*//' "$work/out" | tr '\n' ' '
}
is "$(names)" 'a.example b.example c.example pool ' 'D3.3-6: list'
is "$(names --latch tls-pfs)" 'a.example b.example pool ' 'list --latch'
is "$(names --latch tls-cert)" '' 'list --latch, none'
is "$(names --age 90d)" 'c.example ' 'list --age'
is "$(names --mode warn)" 'a.example b.example pool ' 'list --mode'
is "$(names --mode off)" '' 'list --mode, none'
is "$(names --required)" 'a.example c.example pool ' 'list --required: not who is exempt'
is "$(names --required --latch tls10)" 'a.example c.example pool ' 'list --required --latch'
is "$(names --required --latch tls-pfs)" '' 'list --required --latch, on probation'
is "$(names --contradicted)" 'a.example b.example pool ' 'list --contradicted'
is "$(names --probation)" 'a.example b.example pool ' 'list --probation'
is "$(names --exempt)" 'b.example ' 'list --exempt'
is "$(names --name '[ab].*')" 'a.example b.example ' 'list --name'
is "$(names --service submission)" 'b.example ' 'list --service'
is "$(names --latch tls-pfs --name '*.example' --service relay)" 'a.example ' \
    'list with several'
d list --name nothing
exits 1 'list: status 1 where there is nothing'
d list --name a.example
says out '^a.example  *relay .*enforced in part.*tls10 tls11 tls12 tls-pfs  missing: tls12$' \
    'a line of list'
if command -v jq >/dev/null; then
	d list --json
	is "$(jq -r 'select(.contradicted == ["tls12"]) | .name' "$work/out" | tr '\n' ' ')" \
	    'a.example b.example pool ' 'list --json'
	is "$(jq -r 'select(.name == "a.example") | .required | join(" ")' "$work/out")" \
	    'tls10 tls11 tls12' 'required in it'
else
	skip 'jq is not installed' 'list --json'
	skip 'jq is not installed' 'required in it'
fi

d show a.example
exits 0 'show'
says out '^required tls10 tls11 tls12$' 'what is required'
says out "^  tls12  *enforced  *$(date -d @$week +%F) $(date -d @$day +%FT%TZ)  *5  $(date -d @$now +%FT%TZ) 1\$" \
    'since when, last confirmed, last missing'
says out '^  tls-pfs  *warn  ' 'a mode'
says out "^  mx1.a.example  *last $(date -d @$day +%FT%TZ), 7 sessions\$" 'a host'
says out "^  mx2.a.example  *last $(date -d @$now +%FT%TZ), 2 sessions, lacks tls12 tls-pfs\$" \
    'what a host lacks'
d show c.example
says out '^  tls13  *not known  ' 'D3.1-9: a latch without a row is shown'
for command in show 'reset --dry-run'; do
	# shellcheck disable=SC2086
	d $command b.example
	exits 1 "$command: nothing of that service"
	says log "it is known for submission: see deeplatch ${command%% *} --service submission b.example\$" \
	    "$command: and which service it is known for"
done
d show --service submission B.Example.
says out "^exempt by hand, since $(date -d @$week +%FT%TZ)\$" 'an exempt name'
d show old.example
exits 1 'show: status 1 where nothing is known'
says out '^exempt by deep.conf$' 'exempt by deep.conf'
lacks out LATCH 'and no head of a table that has no row'
for command in show check 'reset --reason x' 'exempt add --reason x' 'exempt remove --reason x'; do
	# shellcheck disable=SC2086
	d $command smart1.example
	says log "smart1.example is a host of the group pool, whose latches it has: see deeplatch ${command%% --*} pool\$" \
	    "D5.7-4: $command: a host has the latches of its group"
done
d show --json a.example
if command -v jq >/dev/null; then
	is "$(jq -r '.latches["tls12"].confirmations, (.hosts | length), (.waiting | length)' \
	    "$work/out" | tr '\n' ' ')" '5 2 0 ' 'show --json'
else
	skip 'jq is not installed' 'show --json'
fi

# check: nothing changes, the status tells.

tls13=TLSv1.3:TLS_AES_256_GCM_SHA384:256
d check a.example --tls $tls13
exits 0 'check: TLS 1.3 goes'
says out '^decision   goes$' 'and says so'
d check a.example
exits 1 'check: clear text is refused'
says out '^  4.7.10 security latch of a.example not met by any mail exchanger: missing tls10 tls11 tls12; to accept that: deeplatch reset --all a.example$' \
    'D3.3-8: with the line that the mail server logs'
d check a.example --host mx9.a.example --tls TLSv1.1:AES128-SHA:128
exits 1 'check: TLS 1.1 is refused'
says out 'not met by mx9.a.example: missing tls12; to accept that: deeplatch reset a.example$' \
    'and names the host'
d check a.example --tls TLSv1.2:AES128-GCM-SHA256:128
exits 2 'check: without forward secrecy it goes, with doubts'
says out '^  tls-pfs is missing: it is on probation$\|^  tls-pfs is missing: its mode is warn$' \
    'and says why'
d check a.example --bypass tlsrpt
exits 2 'X-15: a report of TLS failures goes'
says out 'missing: the message is a report of TLS failures' 'and says why'
d check a.example --bypass tls-required-no
exits 2 'X-14: so does TLS-Required: No'
d check --service submission b.example
exits 2 'check: exempt'
says out 'missing: the name is exempt' 'and says why'
d check unknown.example
exits 0 'check: nothing is known'
d check a.example --tls TLSv1.3:TLS_NEW:256
exits 1 'check: an unknown suite'
says log 'the suite in "TLSv1.3:TLS_NEW:256" is not known' 'is told'
d check --json a.example
if command -v jq >/dev/null; then
	is "$(jq -r '.decision, (.failed | join(" "))' "$work/out" | tr '\n' ' ')" \
	    'refused tls10 tls11 tls12 ' 'check --json'
else
	skip 'jq is not installed' 'check --json'
fi

# reset.

d reset a.example
exits 64 'reset without a reason: status 64'
says log 'a reason is needed, for the log; say --reason TEXT' 'it says so'
d reset --reason ' ' a.example
exits 64 'reset with an empty reason: status 64'
d reset --dry-run a.example
exits 0 'D3.3-6: reset --dry-run'
says out '^a.example: would forget tls11 tls12 tls-pfs, keeps tls10$' 'D3.3-7: keeps tls10'
d export
diff "$work/export" "$work/out" >"$work/log"
ok $? 'and changes nothing'
d reset --reason 'they told us' a.example bad..name
exits 64 'one bad name of two'
d export
diff "$work/export" "$work/out" >"$work/log"
ok $? 'and nothing is reset'
SUDO_USER=alice
export SUDO_USER
d reset --reason 'they told us' a.example
unset SUDO_USER
exits 0 'D3.3-6: reset'
says out '^a.example: forgot tls11 tls12 tls-pfs, keeps tls10$' 'D3.3-7: keeps tls10'
says out 'exim -qf' 'it says what Exim needs'
says out 'smtpctl schedule all' 'and OpenSMTPD'
d check a.example --tls TLSv1:AES128-SHA:128
exits 0 'D3.3-6: delivery works then'
d check a.example
exits 1 'D3.3-7: but not in clear text'
who=$(id -un)
[ "$(id -u)" != 0 ] || who='alice as root'
d log --kind reset
exits 0 'D3.3-6: it is logged'
says out "^$(date +%Y).*Z reset  *a.example: tls11 tls12 tls-pfs by $who: they told us\$" \
    'with who and why'
d show a.example
says out "reset: tls11 tls12 tls-pfs by $who: they told us" 'show has it too'
d reset --reason again a.example
exits 1 'reset: status 1 where there is nothing to forget'
lacks out 'exim' 'and nothing to do'
d reset --service submission --keep tls10,tls12 --reason x b.example
exits 0 'reset --keep'
says out '^b.example: forgot tls-pfs, keeps tls10 tls11 tls12$' 'D3.3-7: with what is implied'
d reset --service submission --only tls11 --reason x b.example
exits 1 'reset --only of what another latch implies'
says log 'tls11 is implied by a latch that would be kept' 'is told'
d reset --service submission --only tls12,tls-cert --reason x b.example
says out '^b.example: forgot tls12, keeps tls10 tls11$' 'D3.3-11: reset --only'
d reset --service submission --all --reason x b.example
says out '^b.example: forgot tls10 tls11, keeps nothing$' 'reset --all'
d show pool
says out '^  mx1.pool' 'hosts stay'
d reset --all --reason x pool
d list --name pool
exits 1 'reset --all leaves nothing of a name'

# What a module has noted: what waits, and which hosts it leaves out.

if command -v python3 >/dev/null; then
	d import "$work/again"
	python3 - "$work/store/latches.db" $((now + 9999)) <<'END' >"$work/log" 2>&1
import sqlite3, sys
store = sqlite3.connect(sys.argv[1])
for kind, key, sub, text in (
        ("held", "a.example", "1a2b3c4d user@a.example", "4.7.10 tls12\x1b[2J"),
        ("failed", "a.example", "mx1.a.example", ""), ("exim-bad", "a.example", "192.0.2.1", ""),
        ("failed", "b.example", "mx1.b.example", "")):
    store.execute("INSERT INTO note (kind, key, sub, text, expires) VALUES (?, ?, ?, ?, ?)",
                  (kind, key, sub, text, int(sys.argv[2])))
store.commit()
END
	ok $? 'notes of a module'
	d show a.example
	says out '^  1a2b3c4d user@a.example 4.7.10 tls12.*2J$' 'show: what waits'
	lacks out "$(printf '\033')" 'and no escape of it'
	d reset --only tls-pfs --reason x a.example
	is "$(python3 -c 'import sqlite3, sys
print(*(key for key, in sqlite3.connect(sys.argv[1]).execute(
    "SELECT key FROM note WHERE kind IN (\"failed\", \"exim-bad\")")))' "$work/store/latches.db")" \
	    b.example 'D3.3-6: reset lets hosts that were left out be tried'
	d reset --reason x a.example
else
	for name in notes show escape reset; do
		skip 'python3 is not installed' "notes of a module: $name"
	done
fi

# exempt.

d exempt add --reason 'new cluster' a.example c.example
exits 0 'exempt add'
says out '^a.example: its latches are recorded, and not enforced$' 'it says so'
d exempt add --reason x a.example
exits 1 'again: status 1'
d check a.example
exits 2 'nothing is refused then'
d exempt list
exits 0 'exempt list'
says out '^a.example  *relay  *by hand, since ' 'by hand'
says out '^old.example  *each  *by deep.conf$' 'and by deep.conf'
d exempt remove --reason finished a.example c.example
exits 0 'exempt remove'
d check a.example
exits 1 'it is refused again'
d exempt add --reason x old.example
d exempt remove --reason x old.example
says log 'old.example: is still exempt by deep.conf' 'a list in deep.conf is told of'
is "$(cat "$work/out")" 'old.example: no longer exempt by hand' 'and its latches are not said to be enforced'
d log --kind unexempt
says out 'unexempt  *old.example by .*: x$' 'the end of one is logged as its own kind'
d log --kind exempt
exits 0 'it is logged'
says out 'a.example .*: new cluster$' 'with the reason'
d exempt add a.example
exits 64 'exempt without a reason: status 64'

# On a terminal a reason is asked for, and long work is seen.

if script -q -e -c true /dev/null >/dev/null 2>&1 </dev/null; then
	on_terminal()	# INPUT COMMAND: with standard input and errors on a terminal
	{
		printf '%b' "$1" | script -q -e -c "$2" /dev/null >"$work/out" 2>&1
		status=$?
	}
	# the terminal is read once there is a prompt
	on_terminal 'moved away\n' "./deeplatch -f $work/deep.conf exempt add t.example"
	exits 0 'a reason from a terminal'
	says out '^Why (for the log): ' 'is asked for'
	d log --name t.example
	says out ': moved away$' 'and logged'
	on_terminal '\n' "./deeplatch -f $work/deep.conf exempt remove t.example"
	exits 64 'an empty one is none'
	d exempt remove --reason x t.example
	mkfifo "$work/slow"
	{
		echo "$head"
		good slow.example relay 0 >"$work/record"
		yes "$(cat "$work/record")" | head -n 100
		sleep 2.2
		yes "$(cat "$work/record")" | head -n 100
	} >"$work/slow" &
	on_terminal '' "./deeplatch -f $work/deep.conf import --dry-run $work/slow"
	wait
	exits 0 'work of more than two seconds'
	says out '[0-9][0-9]* names, [0-9]* s ' 'is seen on a terminal'
	says out 'would take 200 names' 'and comes to its end'
	rm "$work/slow"
else
	for name in reason prompt log empty work progress end; do
		skip 'script(1) is not there, or gets no terminal' "on a terminal: $name"
	done
fi

# log: filters, and nothing raw.

esc=$(printf '\033')
d reset --all --reason "a${esc}]0;x
b" c.example
d log --name 'c.*' --kind reset
says out 'by .*: a\\^\[\]0;x\\nb\|: a\\033\]0;x\\nb$\|a\\M' 'a control in a reason is escaped'
lacks out "$esc" 'and no escape is left'
d log --since 1h
exits 0 'log --since a time'
d log --since "$(date -d @$((now + 86400)) +%F)"
exits 1 'log --since a day to come'
d log --since "$(date -d @$((now - 60)) +%FT%TZ)"
exits 0 'log --since a moment'
d log --json
if command -v jq >/dev/null; then
	is "$(jq -r 'select(.text == "they told us") | .latches | join(" ")' "$work/out")" \
	    'tls11 tls12 tls-pfs' 'log --json'
else
	skip 'jq is not installed' 'log --json'
fi

# purge.

{
	echo "$head"
	printf '{"name":"gone.example","service":"relay","exempt":0,"latches":{"tls10":%s},' \
	    "$(held $((now - 300 * 86400)) $((now - 200 * 86400)) 0 0 3)"
	printf '"hosts":[]}\n'
} | ./deeplatch -f "$work/deep.conf" import >"$work/out" 2>"$work/log"
is $? 0 'import from standard input'
d list --name gone.example
says out '^gone.example  *relay  *-  *-  *nothing held' 'an expired latch is not held'
d purge --dry-run
exits 0 'purge --dry-run'
says out '^1 latch would go$' 'D3.1-5: what has expired'
d show gone.example
exits 0 'is still there'
d purge
says out '^1 latch had expired and went$' 'D3.1-5: purge'
d show gone.example
exits 1 'and is gone then'
d show a.example
exits 0 'D3.1-6: what has not expired is there'

# Refusals, as a module logs them.

if command -v python3 >/dev/null; then
	python3 - "$work/store/latches.db" "$now" <<'END'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
now = int(sys.argv[2])
for kind, time, span, count in ("refused", now - 500 * 86400, 60, 3), ("refused", now - 7200, 600, 9):
    db.execute("INSERT INTO log (time, kind, name, service, host, latches, who, text, span, count)"
               " VALUES (?, ?, 'a.example', 0, 'mx1.a.example', 7, 'exim', '1a2b', ?, ?)",
               (time, kind, span, count))
db.commit()
END
	is $? 0 'two refusals, each again and again'
	d log --kind refused --since 3h
	says out "refused  *a.example mx1.a.example: tls10 tls11 tls12 by exim: 1a2b (9 times, last $(date -d @$((now - 6600)) +%FT%TZ))\$" \
	    'the same one again is one line'
	d log --kind refused --json
	says out '"count":9,' 'log --json: how often'
	says out "\"last\":$((now - 6600))," 'log --json: and when last'
	d purge --dry-run
	says out '^1 old entry of the log would go$' 'purge --dry-run: a refusal of 500 days ago'
	d purge
	says out '^1 old entry of the log went$' 'purge: it goes'
	d log --kind refused
	is "$(wc -l <"$work/out")" 1 'and the other one stays'
	d log --kind reset
	exits 0 'and so does what was done by hand'
else
	for name in written again often last purge gone other reset; do
		skip 'python3 is not installed' "refusals in the log: $name"
	done
fi

# Whose name made tls-cert.

reference()		# NAME MEMBERS
{
	printf '{"name":"%s","service":"relay","exempt":0,"latches":{"tls-cert":%s},"hosts":[]}\n' \
	    "$1" "$(held $week $day 0 0 2 | sed "s/}\$/$2}/")"
}
{
	echo "$head"
	reference host.example ',"by":"host","host":"mx1.example.net"'
	reference name.example ',"by":"domain"'
} >"$work/references"
d import "$work/references"
exits 0 'import of whose name made tls-cert'
d show host.example
says out '^tls-cert by the name of the host mx1.example.net$' 'D3.2-7: show: of the MX host'
d show name.example
says out '^tls-cert by the name itself$' 'D3.2-7: show: of the domain'
d show --json host.example
says out '"by":"host","host":"mx1.example.net"' 'D3.2-7: show --json'
d export
for name in host name; do
	is "$(grep "\"$name.example\"" "$work/out")" "$(grep "\"$name.example\"" "$work/references")" \
	    "D3.2-7: export: $name"
done
d verify
exits 0 'all of it is sound'
for bad in ',"by":"nobody"' ',"by":"host"' ',"by":"host","host":"MX 1"' ',"by":"domain","host":"a"'; do
	{
		echo "$head"
		reference bad.example "$bad"
	} >"$work/references"
	d import "$work/references"
	exits 65 "import: not with $bad"
done

# Own certificates.

if command -v openssl >/dev/null; then
	for days in 13 15 -1; do
		openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/cert$days" \
		    -subj "/CN=mail$days.example" -days 1 2>/dev/null
		# a date of its own: openssl 3.0 takes none for req -x509
		openssl req -new -key "$work/key" -subj "/CN=mail$days.example" -out "$work/csr" 2>/dev/null
		# ... and 3.5 no negative one for x509, but a date
		openssl x509 -req -in "$work/csr" -signkey "$work/key" -days "$days" \
		    -out "$work/cert$days" 2>/dev/null ||
		openssl x509 -req -in "$work/csr" -signkey "$work/key" \
		    -not_before 20200101000000Z -not_after 20200201000000Z \
		    -out "$work/cert$days" 2>/dev/null
	done
	d expiry "$work/cert15"
	exits 0 'DA-5: expiry: 15 days to go'
	says out "cert15: CN = mail15.example expires 20.*Z, in 1[45] days\$" 'it says how many'
	d expiry "$work/cert15" "$work/cert13"
	exits 1 'DA-5: expiry: 13 days to go'
	says out 'cert13: CN = mail13.example expires 20.*Z, in 1[23] days: renew it$' 'it says so'
	d expiry --days 12 "$work/cert13"
	exits 0 'DA-5: expiry: --days'
	d expiry --days 12 "$work/cert-1"
	exits 1 'DA-5: expiry: it has expired'
	says out 'cert-1: CN = mail-1.example expired 20' 'it says so'
	cat "$work/cert15" "$work/cert13" >"$work/chain"
	d expiry "$work/chain"
	exits 1 'DA-5: expiry: each of a file'
	is "$(wc -l <"$work/out")" 2 'both of them'
	sed '3s/.*/!/' "$work/cert13" >"$work/bad"
	d expiry "$work/bad"
	exits 65 'expiry: what cannot be read'
	d expiry "$work/key"
	exits 65 'expiry: no certificate'
else
	skip 'openssl is not installed' 'DA-5: expiry'
fi
d expiry "$work/nowhere"
exits 66 'expiry: no such file'

# Imports of others.

cat >"$work/tls_policy" <<'END'
# a comment
p1.example	encrypt
p2.example	encrypt protocols=>=TLSv1.2 ciphers=high
p3.example	encrypt protocols=!SSLv2:!SSLv3:!TLSv1
p4.example	secure match=nexthop:dot-nexthop
p5.example	dane-only
p6.example	verify protocols=TLSv1.3
p7.example	may
p8.example	none
p9.example	dane
[relay.example]	encrypt
[smart.example]:587	encrypt
.p10.example	encrypt
bad..name	encrypt
END
d import --format postfix "$work/tls_policy"
exits 0 'import of a table of Postfix'
says out '^took 8 names, passed over 5$' 'it says how many'
says log "tls_policy:13: passed over: \".p10.example\" speaks of sub-domains" 'a parent domain'
says log "tls_policy:14: passed over: \"bad..name\" is no domain" 'a bad name'
latches()		# NAME [SERVICE]
{
	d list --name "$1" --service "${2:-relay}"
	sed -n '2s/.*enforced *\(in part\)* *//p' "$work/out"
}
is "$(latches p1.example)" 'tls10' 'encrypt'
is "$(latches p2.example)" 'tls10 tls11 tls12' 'protocols=>=TLSv1.2'
is "$(latches p3.example)" 'tls10 tls11' 'protocols=!TLSv1'
is "$(latches p4.example)" 'tls10 tls-cert' 'secure'
is "$(latches p5.example)" 'tls10 tls-dane-tlsa' 'dane-only'
is "$(latches p6.example)" 'tls10 tls11 tls12 tls-cert' 'verify, TLS 1.3'
is "$(latches relay.example)" 'tls10' 'a host in brackets'
is "$(latches smart.example submission)" 'tls10' 'a port of submission'
d import --format postfix --probation "$work/tls_policy"
d check p1.example
exits 1 'what is enforced stays so'
d import "$work/tls_policy"
exits 65 'without --format it is no export: status 65'
says log 'for a table of Postfix say --format postfix' 'and what to say'
printf 'q1.example encrypt\n' >"$work/tls_policy"
d import --format postfix --probation "$work/tls_policy"
d check q1.example
exits 2 'with --probation nothing is refused yet'
printf 'q1.example encrypt\nq2.example always\n' >"$work/tls_policy"
d import --format postfix "$work/tls_policy"
exits 65 'a level that there is not: status 65'
says log "tls_policy:2: \"always\" is no level of TLS" 'and where'
printf 'q1.example encrypt\n  protocols=x\n' >"$work/tls_policy"
d import --format postfix "$work/tls_policy"
exits 65 'a line that goes on: status 65'

mkdir "$work/domaininfo"
printf 'name: "ch1.example"\nincoming_sec_level: TLS_CLIENT\noutgoing_sec_level: TLS_SECURE\n' \
    >"$work/domaininfo/s:ch1.example"
printf 'name:  "ch2.example"\noutgoing_sec_level:  TLS_INSECURE\n' >"$work/domaininfo/s:ch2.example"
printf 'name: "ch3.example"\n' >"$work/domaininfo/s:ch3.example"
d import --format chasquid "$work/domaininfo"
exits 0 'import of a folder of chasquid'
says out '^took 3 names$' 'it says how many'
is "$(latches ch1.example)" 'tls10 tls-cert' 'TLS_SECURE'
is "$(latches ch1.example inbound)" 'tls10' 'TLS_CLIENT'
is "$(latches ch2.example)" 'tls10' 'TLS_INSECURE'
is "$(latches ch3.example)" '' 'PLAIN'
printf 'name: "ch4.example"\noutgoing_sec_level: TLS_WOW\n' >"$work/domaininfo/s:ch4.example"
d import --format chasquid "$work/domaininfo"
exits 65 'a level that there is not: status 65'
says log 'ch4.example: outgoing_sec_level: a level that is not known' 'and where'
d import --format chasquid "$work/tls_policy"
exits 65 'a file in place of a folder'
d import "$work/domaininfo"
exits 65 'a folder in place of a file'
says log '--format chasquid' 'what to do'
d import "$work/nowhere"
exits 66 'no such file: status 66'
printf 'before.example encrypt\n' >"$work/tls_policy"
d import --format postfix "$work/tls_policy" "$work/nowhere"
exits 66 'no such file behind one that is there'
says log "^deeplatch: $work/nowhere: No such file" 'which one'
is "$(cat "$work/out") $(latches before.example)" 'took 1 name tls10' 'what was taken before stays'
: >"$work/tls_policy"
d import "$work/tls_policy"
exits 65 'an empty file is no export: status 65'
says log 'tls_policy: empty, and an export never is' 'it says so'
d import --format postfix "$work/tls_policy"
exits 0 'and a table of Postfix may be empty'
printf '[smart1.example]:25 secure\n[lone.example] encrypt\nsmart2.example encrypt\n' \
    >"$work/tls_policy"
d import --format postfix "$work/tls_policy"
is "$(names --latch tls-cert --name pool)$(names --name smart1.example)" 'pool ' \
    'D5.7-4: a host in brackets counts for its group'
is "$(latches lone.example),$(latches smart2.example)" 'tls10,tls10' \
    'one that is of none for itself, and so does a domain'

# Hostile JSON: told with its line, nothing taken.

d export
cp "$work/out" "$work/export"
bad()			# NAME TEXT: as the second line
{
	printf '%s\n%s\n' "$head" "$2" >"$work/bad"
	d import "$work/bad"
	[ $status = 65 ] && grep -q "bad:2: " "$work/log" && [ "$(wc -l <"$work/log")" = 1 ]
	ok $? "status 65, with the line: $1"
}
one=$(good x.example relay 0)
bad 'no JSON' '{'
bad 'no object' '[]'
bad 'a key twice' '{"name":"x.example","name":"y.example"}'
bad 'nothing' '{}'
bad 'an upper-case name' "$(echo "$one" | sed 's/"x.example"/"X.example"/')"
bad 'an address for a name' "$(echo "$one" | sed 's/"x.example"/"192.0.2.1"/')"
bad 'a line end in a name' "$(echo "$one" | sed 's/"x.example"/"x\\nexample"/')"
bad 'an unknown service' "$(echo "$one" | sed 's/"relay"/"mail"/')"
bad 'a negative time' "$(echo "$one" | sed 's/"first":[0-9]*/"first":-1/')"
bad 'a time of the far future' "$(echo "$one" | sed 's/"confirmed":[0-9]*/"confirmed":99999999999/')"
bad 'a fraction' "$(echo "$one" | sed 's/"window":[0-9]*/"window":1.5/')"
bad 'a huge number' "$(echo "$one" | sed 's/"window":[0-9]*/"window":99999999999999999999/')"
bad 'a text for a number' "$(echo "$one" | sed 's/"in_window":[0-9]*/"in_window":"1"/')"
bad 'a member beside' "$(echo "$one" | sed 's/"in_window":/"x":1,"in_window":/')"
bad 'a latch with a bad name' "$(echo "$one" | sed 's/"tls-pfs":/"tls_pfs":/')"
bad 'a control in a host' "$(echo "$one" | sed 's/"mx1/"m\\u001bx1/')"
bad 'a host twice' "$(echo "$one" | sed 's/"mx2\./"mx1./')"
bad 'a host with an unknown latch' "$(echo "$one" | sed 's/\["tls10"/["tls99"/')"
bad 'a control in the name' '{"name":"\u001b[2J","service":"relay","exempt":0,"latches":{},"hosts":[]}'
lacks log "$esc" 'which does not reach the terminal'
d export
diff "$work/export" "$work/out" >"$work/log"
ok $? 'nothing of all that was taken'
echo '{"format":"other","version":1}' >"$work/bad"
d import "$work/bad"
exits 65 'a file of another kind'
echo '{"format":"deeplatch","version":2}' >"$work/bad"
d import "$work/bad"
exits 65 'an export of another version'
{ echo "$head"; head -c 300000 /dev/zero | tr '\0' ' '; } >"$work/bad"
d import "$work/bad"
exits 65 'a line of 300,000 octets'
says log 'a line of more than 262144 octets' 'is told'
printf '%s\n\0\n' "$head" >"$work/bad"
d import "$work/bad"
exits 65 'a NUL'

# stats.

d stats
exits 0 'stats'
says out '^  tls10  *[1-9]' 'counts of a latch'
d stats --json
if command -v jq >/dev/null; then
	is "$(jq -r '.names | keys | join(" ")' "$work/out")" 'access inbound relay submission' \
	    'stats --json'
else
	skip 'jq is not installed' 'stats --json'
fi
d stats --prometheus "$work/deep.prom"
exits 0 'stats --prometheus'
[ ! -s "$work/out" ]
ok $? 'prints nothing'
is "$(stat -c %a "$work/deep.prom")" 644 'the file can be read by all'
awk '
/^# HELP [a-z_]+ ./ { help[$3]++; next }
/^# TYPE [a-z_]+ gauge$/ { type[$3]++; if (!help[$3]) print "no help: " $0; next }
/^[a-z_]+({[a-z]+="[a-z0-9-]+"(,[a-z]+="[a-z0-9-]+")*})? [0-9]+$/ {
	name = $1
	sub(/{.*/, "", name)
	if (type[name] != 1) print "no type: " $0
	if (seen[$1]++) print "twice: " $0
	n++
	next
}
{ print "not of the format: " $0 }
END { if (n < 40) print "only " n }' "$work/deep.prom" >"$work/log"
[ ! -s "$work/log" ]
ok $? 'it is of the text format of Prometheus'
is "$(grep '^deep_store_readable' "$work/deep.prom")" 'deep_store_readable 1' 'readable'
d stats --prometheus "$work/nowhere/deep.prom"
exits 73 'a folder that there is not: status 73'
find "$work" -name 'deep.prom.*' >"$work/log"
[ ! -s "$work/log" ]
ok $? 'nothing is left beside'

# The output cannot be written.

if [ -c /dev/full ]; then
	./deeplatch -f "$work/deep.conf" list >/dev/full 2>"$work/log"
	is $? 74 'a full disk: status 74'
	./deeplatch -f "$work/deep.conf" export >/dev/full 2>"$work/log"
	is $? 74 'in the midst of an export too'
else
	skip 'there is no /dev/full' 'a full disk'
	skip 'there is no /dev/full' 'in the midst of an export too'
fi

# Another user.

if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	chmod 644 "$work/deep.conf"
	top=$(pwd)
	cp deeplatch "$work/deeplatch"
	chmod 755 "$work/deeplatch"
	as_nobody()	# ARGUMENT ...
	{
		(cd / && setpriv --reuid=65534 --regid=65534 --clear-groups "$work/deeplatch" \
		    -f "$work/deep.conf" "$@") >"$work/out" 2>"$work/log" </dev/null
		status=$?
	}
	as_nobody list
	exits 69 'another user: status 69'
	says log 'latches.db.*ermi' 'and what he lacks'
	as_nobody reset --reason x a.example
	exits 69 'nor may he reset'
	cd "$top" || exit 1
	chown -R 65534:65534 "$work/store"
	as_nobody list
	exits 0 'the owner may'
	as_nobody reset --all --reason x p1.example
	exits 0 'the owner may reset'
	SUDO_USER=mallory
	export SUDO_USER
	as_nobody exempt add --reason x p2.example
	unset SUDO_USER
	d log --name p2.example --kind exempt
	says out ' by nobody: x$' 'and cannot say that he is another'
	is "$(stat -c %U "$work/store/"* | sort -u)" nobody 'root leaves no file of its own behind'
else
	for name in 'status 69' 'what he lacks' reset owner 'owner resets' 'who' 'files'; do
		skip 'needs root and setpriv' "another user: $name"
	done
fi

# A damaged store is told, and never taken for an empty one.

d verify
exits 0 'verify'
cp -r "$work/store" "$work/kept"
dd if=/dev/zero of="$work/store/latches.db" bs=4096 seek=1 count=200 conv=notrunc 2>/dev/null
rm -f "$work/store/latches.db-wal" "$work/store/latches.db-shm"
d list
[ $status = 69 ] || [ $status = 1 ]
is $status 69 'a damaged store: list answers 69'
d verify
[ $status = 69 ] || [ $status = 1 ]
ok $? 'and verify does not call it sound'
lacks out 'all are sound' 'nor says so'
rm -rf "$work/store"
mv "$work/kept" "$work/store"

# A store in Redis, and what is left of it while that is away.

redis=
for program in redis-server valkey-server redis-check-rdb; do
	[ -n "$redis" ] || redis=$(command -v $program)
done
if [ -n "$redis" ]; then
	# redis-check-rdb of redis-tools is the same program by another name
	ln -s "$redis" "$work/redis-server"
	mkdir "$work/redis"
	"$work/redis-server" --port 0 --unixsocket "$work/redis/socket" --dir "$work/redis" \
	    --save '' >"$work/redis/log" 2>&1 &
	pid=$!
	n=0
	while [ ! -S "$work/redis/socket" ] && [ $n -lt 600 ]; do
		sleep 0.1
		n=$((n + 1))
	done
	cp "$work/deep.conf" "$work/kept.conf"
	printf '[store]\nurl = redis+unix://%s\nshadow = %s\nnetwork = 10000\n' \
	    "$work/redis/socket" \
	    "$work/redis/state/shadow.db" >"$work/deep.conf"
	d init
	exits 0 'Redis: init'
	says out "^made $work/redis/state/shadow.db" 'makes its shadow'
	d import "$work/export"
	exits 0 'Redis: import'
	d export
	diff "$work/export" "$work/out" >"$work/log"
	ok $? 'Redis: export gives what import took'
	d reset --reason moved p2.example
	says out '^p2.example: forgot tls11 tls12, keeps tls10$' 'D3.3-7: Redis: reset'
	d log --kind reset
	says out 'p2.example: tls11 tls12 by .*: moved$' 'Redis: it is logged'
	d verify
	exits 0 'Redis: all records are sound'
	d stats --prometheus "$work/redis/prom"
	is "$(grep '^deep_store_warning' "$work/redis/prom")" 'deep_store_warning 0' \
	    'Redis: no warning to be seen from outside'
	kill $pid
	wait $pid
	d list --name p2.example
	exits 0 'Redis away: list'
	says out ' tls10$' 'has what is known'
	says log '^deeplatch: warning: .*is away' 'with a warning'
	d stats --prometheus "$work/redis/prom"
	is "$(grep -E '^deep_store_(readable|warning)' "$work/redis/prom" | tr '\n' ' ')" \
	    'deep_store_readable 1 deep_store_warning 1 ' 'that can be seen from outside'
	mv "$work/kept.conf" "$work/deep.conf"
else
	for name in init shadow import export reset log verify metric away known warning \
	    outside; do
		skip 'redis-tools is not installed' "Redis: $name"
	done
fi

# The units of systemd run what there is.

for unit in contrib/systemd/*.service; do
	line=$(sed -n 's|^ExecStart=/usr/sbin/deeplatch ||p' "$unit" |
	    sed "s|/var/lib/prometheus/node-exporter|$work|")
	# shellcheck disable=SC2086
	d $line
	[ -n "$line" ] && [ -f "${unit%.service}.timer" ]
	ok $? "$unit: its timer, and what it starts"
	exits 0 "$unit: deeplatch $line"
done

echo "1..$count"
[ $failures = 0 ]
