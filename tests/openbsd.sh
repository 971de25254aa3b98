#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# openbsd.sh - what filter-deep and table-deep do on OpenBSD alone, pledge(2) and
# unveil(2), compiled here with two functions in their place that tell what they are
# asked: that it compiles, and what is given up, by whom and in which order.

. tests/tap.sh

cat >"$work/calls.h" <<'END'
int	pledge(const char *, const char *);
int	unveil(const char *, const char *);
END
cat >"$work/calls.c" <<'END'
#include <stdio.h>
#include "calls.h"

static int
tell(const char *what, const char *a, const char *b)
{
	fprintf(stderr, "%s(%s, %s)\n", what, a != NULL ? a : "NULL", b != NULL ? b : "NULL");
	return 0;
}

int
pledge(const char *promises, const char *exec)
{
	return tell("pledge", promises, exec);
}

int
unveil(const char *path, const char *rights)
{
	return tell("unveil", path, rights);
}
END
cc=$(make -s show VAR=CC)
cflags=$(make -s show VAR=ALL_CFLAGS)
ldflags=$(make -s show VAR=ALL_LDFLAGS)
libs=$(make -s show VAR=SHARED_LIBS)
others=$(make -s show VAR=OSMTPD_OBJECTS | tr ' ' '\n' | grep -v -e '/keep\.o$' -e '/worker\.o$')
status=0
for source in shared/confine.c modules/opensmtpd/keep.c modules/opensmtpd/worker.c \
    modules/opensmtpd/filter_main.c modules/opensmtpd/table_main.c; do
	# shellcheck disable=SC2086
	$cc $cflags -Werror -U__linux__ -D__OpenBSD__ -include "$work/calls.h" -c \
	    -o "$work/$(basename "$source" .c).o" "$source" >>"$work/log" 2>&1 || status=1
done
ok $status 'it compiles without a warning'
status=0
# shellcheck disable=SC2086
for program in filter table; do
	$cc $cflags -I"$work" $ldflags -o "$work/$program-deep" "$work/${program}_main.o" \
	    "$work/keep.o" "$work/worker.o" "$work/confine.o" "$work/calls.c" $others \
	    libdeep.a $libs \
	    >>"$work/log" 2>&1 || status=1
done
ok $status 'and is linked'

cat >"$work/deep.conf" <<END
[store]
url = sqlite:$work/store/latches.db
[filter]
user = $(id -un)
END
./deeplatch -f "$work/deep.conf" init >>"$work/log" 2>&1 || exit 1
printf 'config|smtpd-version|7.6.0\nconfig|ready\n' |
    "$work/filter-deep" -f "$work/deep.conf" >"$work/out" 2>"$work/filter"
is "$?" 0 'filter-deep runs'
printf 'config|tablename|x\nconfig|ready\n' |
    "$work/table-deep" "$work/deep.conf" >"$work/out" 2>"$work/table"
is "$?" 0 'table-deep runs'
for program in filter table; do
	cat "$work/$program" >"$work/log"
	# the calls of its first process, in their order, among those of the other one
	is "$(grep -n -x -e 'unveil(/, )' -e 'pledge(stdio, NULL)' "$work/$program" |
	    sed 's/.*://' | tr '\n' ';')" 'unveil(/, );pledge(stdio, NULL);' \
	    "$program: the first process gives up all files, and then all but stdio"
	grep -q -x "unveil($work/store, rwc)" "$work/$program"
	ok $? "$program: who has the store keeps its folder, to write"
	grep -q -x 'unveil(/etc, r)' "$work/$program"
	ok $? "$program: the resolver's, to read"
	is "$(grep -c 'unveil(.*, [rc]*w[rc]*)$' "$work/$program")" 1 "$program: and none else to write"
	last=$(grep -n -x 'unveil(NULL, NULL)' "$work/$program" | tail -n 1 | cut -d : -f 1)
	cat "$work/$program" >"$work/log"
	tail -n "+${last:-999}" "$work/$program" |
	    grep -q -x 'pledge(stdio rpath wpath cpath fattr flock inet unix dns, NULL)'
	ok $? "$program: and pledges what SQLite, Redis and the resolver need, behind that"
done

echo "1..$count"
[ "$failures" = 0 ]
