#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3 jq
#
# postgresql.sh - contrib/postgresql with a server of the test's own: on a Unix
# socket in the test's folder, as a user without rights, stopped at the end.

cd "${DEEP_TOP:-$(dirname "$0")/..}" || exit 1
. tests/tap.sh

bin=
for folder in /usr/lib/postgresql/*/bin; do
	[ ! -x "$folder/initdb" ] || bin=$folder
done
if [ -z "$bin" ]; then
	echo '1..0 # SKIP no PostgreSQL'
	exit 0
fi
plainly()	# COMMAND ...: as nobody, for the server does not run as root
{
	if [ "$(id -u)" = 0 ]; then
		(cd / && setpriv --reuid=nobody --regid=nogroup --clear-groups "$@")
	else
		(cd / && "$@")
	fi
}
stop()
{
	[ ! -f "$work/db/postmaster.pid" ] ||
	    plainly "$bin/pg_ctl" -D "$work/db" -m immediate -w stop >/dev/null 2>&1
	rm -rf "$work"
}
trap stop 0
mkdir "$work/db" "$work/socket"
chmod 755 "$work"
[ "$(id -u)" != 0 ] || chown nobody:nogroup "$work/db" "$work/socket"
plainly "$bin/initdb" -D "$work/db" -U mail -A trust -E UTF8 --locale=C --no-sync >"$work/log" 2>&1 &&
    plainly "$bin/pg_ctl" -D "$work/db" -w -t 300 -l "$work/socket/log" \
	-o "-k $work/socket -c listen_addresses='' -c fsync=off" start >>"$work/log" 2>&1
ok $? 'a server in the folder of the test'

sql()
{
	psql -X -q -A -t -v ON_ERROR_STOP=1 -h "$work/socket" -U mail -d postgres "$@"
}
sql -f contrib/postgresql/schema.sql -f contrib/postgresql/queries.sql >"$work/log" 2>&1
ok $? 'schema.sql and queries.sql'
sql -f contrib/postgresql/schema.sql >"$work/log" 2>&1
ok $? 'schema.sql a second time'

# Two MiB of reports, and one message with all that needs an escape.
python3 tests/bench/mksynth.py 2 >"$work/box" 2>/dev/null
printf 'Received: from a"b\\c\t\001\377.example.org by d.example.net with SMTP; Mon, 2 Nov 2026 10:00:00 +0000\n\n' \
    >"$work/odd.eml"
./deeptrace -f json "$work/box" "$work/odd.eml" contrib/sample-success.eml >"$work/lines" 2>/dev/null
sql -f contrib/postgresql/load.sql <"$work/lines" >"$work/log" 2>&1
ok $? 'load.sql takes the lines'
is "$(sql -c 'SELECT count(*) FROM message')" "$(wc -l <"$work/lines" | tr -d ' ')" 'each line is a row'
sql -c 'SELECT doc FROM message ORDER BY id' | jq -S -c . >"$work/a"
jq -S -c . "$work/lines" >"$work/b"
cmp "$work/a" "$work/b" >"$work/log" 2>&1
ok $? 'and no octet of it is lost'
{ tail -n 1 "$work/lines"; echo '{"no":"trace"}'; } >"$work/bad"
! sql -f contrib/postgresql/load.sql <"$work/bad" >"$work/log" 2>&1
ok $? 'a line that is no trace is refused'
is "$(sql -c 'SELECT count(*) FROM message')" "$(wc -l <"$work/lines" | tr -d ' ')" 'and nothing of its load stays'

# The five questions, asked of the lines by jq(1) too.
is "$(sql -c 'SELECT sum(messages), sum(good), sum(tls), sum(unknown), sum(weak), sum(clear), sum(incomplete)
    FROM audit_by_month')" \
    "$(jq -s -r '[length, (map(.path.verdict) | (map(select(. == "strong" or . == "local")) | length),
	(map(select(. == "tls")) | length), (map(select(. == "unknown")) | length),
	(map(select(. == "weak")) | length), (map(select(. == "clear")) | length)),
	(map(select(.path.complete | not)) | length)] | map(tostring) | join("|")' "$work/lines")" \
    '1: messages by month and verdict'
is "$(sql -c "SELECT sum(hops) FROM audit_clear_pairs")|$(sql -c "SELECT hops FROM audit_clear_pairs
    WHERE from_domain = 'example.org' AND by_domain = 'example.net'")" \
    "$(jq -s -r '[.[].hops[] | select(.verdict == "clear")] | [length, (map(select(
	((.from // "") | ascii_downcase | endswith("example.org")) and
	((.by // "") | ascii_downcase | endswith("example.net")))) | length)] | map(tostring) | join("|")' "$work/lines")" \
    '2: pairs without TLS'
is "$(sql -c 'SELECT sum(hops) FROM audit_old_tls')" \
    "$(jq -s '[.[].hops[] | select(.verdict == "weak" or (.flags | index("obsolete")))] | length' "$work/lines")" \
    '3: old TLS'
is "$(sql -c 'SELECT coalesce(sum(reports), 0) FROM audit_blind_recipients')" \
    "$(jq -s '[.[] | select(.dsn != null) | (.dsn.recipients | length) * (.path.why | length)] | add // 0' "$work/lines")" \
    '4: recipients whose way is not seen to the end'
for day in 1 2 3; do
	case $day in
	2)	how='ESMTP' ;;
	*)	how='ESMTPS (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)' ;;
	esac
	printf 'Received: from was.example.org (was.example.org [192.0.2.1]) by good.example.net (OpenSMTPD) with %s; %s Nov 2026 10:00:00 +0000\n\n' \
	    "$how" $day >"$work/$day.eml"
done
./deeptrace -f json "$work/1.eml" "$work/2.eml" "$work/3.eml" 2>/dev/null |
    sql -f contrib/postgresql/load.sql
is "$(sql -c "SELECT by, worse, to_char(last_strong AT TIME ZONE 'UTC', 'DD'),
	to_char(last_worse AT TIME ZONE 'UTC', 'DD')
    FROM audit_downgrades WHERE \"from\" = 'was.example.org'")" 'good.example.net|1|03|02' \
    '5: a pair of hosts that was strong and then was not'

echo "1..$count"
[ "$failures" = 0 ]
