# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# shellcheck shell=sh
#
# tap.sh - what a test written in sh says to prove(1), as tap.h does for C.  It
# is read with ". tests/tap.sh" from the top of the tree; $work is a folder that
# goes when the test ends, and a failed check shows the end of $work/log.

count=0 failures=0
work=$(mktemp -d "${TMPDIR:-/tmp}/test.XXXXXX") || exit 1
trap 'rm -rf "$work"' 0
trap 'exit 1' 1 2 15
: >"$work/log"

ok()			# STATUS NAME
{
	count=$((count + 1))
	if [ "$1" = 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		failures=$((failures + 1))
		[ ! -s "$work/log" ] || tail -n 20 "$work/log" | sed 's/^/# /' >&2
	fi
}

skip()			# REASON NAME
{
	count=$((count + 1))
	echo "ok $count - $2 # SKIP $1"
}

is()			# GOT EXPECTED NAME
{
	[ "$1" = "$2" ]
	same=$?
	[ $same = 0 ] || printf '     got: "%s"\nexpected: "%s"\n' "$1" "$2" >"$work/log"
	ok $same "$3"
}
