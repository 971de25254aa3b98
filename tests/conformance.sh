#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# Each row of the table of requirements that the library or deeplatch(8) has to meet,
# in its parts on latches (draft 3.1 to 3.3), is carried by a test that names its id in
# what it prints.  The table is beside the tree, with the corpus.

cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

table=${DEEP_CORPUS:-../shared}/spec/CONFORMANCE.md
if ! [ -r "$table" ]; then
	echo "1..0 # skip no ../shared: the table of requirements is there"
	exit 0
fi

# | Id | section | level | requirement | components | test | remark |, below "## B." to "## D."
awk -F '|' '
	/^## / { part = substr($0, 4, 2) }
	part ~ /^[BCD]\.$/ && $2 ~ /^ D[0-9.]+-[0-9]+ $/ && $6 ~ /LIB|ADM/ {
		gsub(/ /, "", $2)
		print $2
	}' "$table" >"$work/ids"
[ "$(wc -l <"$work/ids")" -ge 20 ]
ok $? 'the table has its rows'

# What a test prints stands in quotes; what a comment says does not count.
cat tests/*.c tests/*.sh tests/*.py tests/lab/*.py |
    sed 's/^[[:space:]]*#.*//; s|^[[:space:]]*\*.*||' >"$work/tests"
while read -r id; do
	pattern=$(echo "$id" | sed 's/\./\\./g')
	grep -q "[\"'].*\\<$pattern\\>" "$work/tests" || echo "$id" >"$work/log"
	[ ! -s "$work/log" ]
	ok $? "$id is carried by a test"
	: >"$work/log"
done <"$work/ids"

echo "1..$count"
[ $failures = 0 ]
