#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# The simulation (tests/sim/sim.c) prints what deep.conf(5) says that it prints, the
# same each time (DA-4, X-18), and the sentences there about the defaults are borne out by it.

cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

[ -x tests/sim/sim ] || {
	echo '1..0 # SKIP tests/sim/sim is not built: make tests/sim/sim'
	exit 0
}
# Five worlds, each by itself and all of them; DEEP_SHORT: small ones, which no manual
# tells of.  Both tables at a time.
tests/sim/sim -e -n 5 ${DEEP_SHORT:+-d 1000} rules >"$work/rules.each" &
tests/sim/sim -e -n 5 ${DEEP_SHORT:+-d 1000} sweep >"$work/sweep.each"
ok $? 'sim -e -n 5 sweep'
wait $!
ok $? 'sim -e -n 5 rules'
for table in rules sweep; do
	sed -n '/^[0-9]* domains, seeds /,$p' "$work/$table.each" >"$work/$table"
	is "$(grep -c ' domains, [0-9]* messages, seed [1-5]$' "$work/$table.each")" 5 \
	    "sim -e -n 5 $table prints each of them"
done
tests/sim/sim -d 1000 -n 5 rules >"$work/one"
tests/sim/sim -d 1000 -e -n 5 rules | sed -n '/ domains, seeds /,$p' >"$work/two"
[ -s "$work/one" ] && cmp -s "$work/one" "$work/two"
ok $? 'and without -e only the last'
for seed in 1 2 3 4 5; do
	tests/sim/sim -d 1000 -s $seed rules
done >"$work/one"
tests/sim/sim -d 1000 -e -n 5 rules | sed '/ domains, seeds /,$d' >"$work/two"
[ -s "$work/one" ] && cmp -s "$work/one" "$work/two"
ok $? 'each as by itself'
tests/sim/sim -d 5000 rules >"$work/one"
tests/sim/sim -d 5000 rules >"$work/two"
cmp -s "$work/one" "$work/two"
ok $? 'the same seed gives the same bytes'
tests/sim/sim -d 5000 -s 2 rules >"$work/two"
! cmp -s "$work/one" "$work/two"
ok $? 'another seed does not'

tests/sim/sim world >"$work/world"
is "$(grep -c ' = ' "$work/world")" "$(grep -c '^WORLD(' tests/sim/world.in)" \
    'sim world prints each assumption'
grep -A 1 ' = ' "$work/world" | grep -q '^	$' && status=1 || status=0
ok $status 'with its reason'
for bad in '' 'nothing' '-d 0 rules' '-n 0 rules' '-n 100 rules' '-x rules' 'rules sweep'; do
	# shellcheck disable=SC2086
	tests/sim/sim $bad >"$work/log" 2>&1
	is $? 64 "sim $bad: the usage"
done

if [ -n "${DEEP_SHORT-}" ]; then	# the same numbers everywhere: once is enough
	echo '# what deep.conf(5) says of the simulation is for the whole run'
	echo "1..$count"
	[ $failures = 0 ]
	exit
fi

# Line by line in one literal display of the manual.
for table in rules sweep; do
	awk -v table="$work/$table" '
		BEGIN { while ((getline line <table) > 0) want[n++] = line }
		$0 == want[at] && n { if (++at == n) found = 1; next }
		{ at = $0 == want[0] }
		END { exit !found }' shared/deep.conf.5
	ok $? "the table in deep.conf(5) is what \"sim -n 5 $table\" prints"
done

# The sentences of the manual, in each world by itself.
sed '/ domains, seeds /,$d' "$work/rules.each" >"$work/one"
# RULE COLUMN: of each world.  rule, deferred, in 10000, a day +, returned, resets,
# stripped, prevented, in 100.
column()
{
	awk -v rule="$1" -v column="$2" '$1 == rule { print $column }' "$work/one"
}
# always NAME CONDITION A B: for the values of two columns side by side.
always()
{
	paste "$3" "$4" | awk "{ n++ } !($2) { print; bad = 1 } END { exit bad || n != 5 }" \
	    >"$work/log"
	ok $? "$1"
}
for rule in nothing strict default; do
	for at in 2 5 7 8; do
		column $rule $at >"$work/$rule.$at"
	done
done
always 'without latches nothing is deferred' '$1 == 0 && $2 == 0' "$work/nothing.2" "$work/nothing.8"
always 'the defaults defer less than a third of what strict does' '$1 > 0 && 3 * $1 < $2' \
    "$work/default.2" "$work/strict.2"
always 'and return less than a sixtieth' '60 * $1 <= $2' "$work/default.5" "$work/strict.5"
always 'and prevent more than 85 in 100 of what it prevents' '100 * $1 > 85 * $2' \
    "$work/default.8" "$work/strict.8"
always 'fewer messages are stripped in all' '$1 < $2' "$work/default.7" "$work/nothing.7"
sed -e '/ domains, seeds /,$d' -e 's/^\([0-9]\), \([0-9]*h\)/\1,\2/' "$work/sweep.each" \
    >"$work/one"
for rule in 2,168h 3,72h 3,24h; do
	for at in 2 5 7 9; do
		column $rule $at >"$work/$rule.$at"
	done
done
always '2 over 168 hours defer less' '$1 < $2' "$work/2,168h.2" "$work/3,72h.2"
always 'return less' '$1 < $2' "$work/2,168h.5" "$work/3,72h.5"
always 'prevent about as much' '$1 > $2 - 1 && $1 < $2 + 3' "$work/2,168h.9" "$work/3,72h.9"
is "$(head -n 1 "$work/2,168h.9") $(head -n 1 "$work/3,72h.9")" '85.4 85.6' \
    'but less in the first of the worlds'
always 'and more go in clear' '1000 * $1 >= 1005 * $2 && 100 * $1 <= 109 * $2' \
    "$work/2,168h.7" "$work/3,72h.7"
always 'with 24 hours three times as many and more are returned' '$1 >= 3 * $2' \
    "$work/3,24h.5" "$work/3,72h.5"

echo "1..$count"
[ $failures = 0 ]
