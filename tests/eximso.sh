#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# eximso: what deep-exim.so asks of the process that loads it, and what it shows to
# it.  Exim has no check of either: a symbol of Exim that is another one in the next
# version ends the process that delivers.

cd "$(dirname "$0")/.." || exit 2
. tests/tap.sh

if nm -D deep-exim.so | grep -q __asan; then
	echo '1..0 # SKIP sanitized build: it needs more of its process'
	exit 0
fi
so=./deep-exim.so

functions='check clause dsn event hold hosts inbound latches narrow passed refusal'
is "$(nm -D --defined-only $so | awk '{ print $3 }' | sort | tr '\n' ' ')" \
    "$functions " 'it shows its functions and nothing else'
is "$(ldd -r $so 2>&1 | grep -c 'undefined symbol')" 0 \
    'its libraries have all that it needs: nothing comes from Exim'
is "$(nm -D $so | awk '$1 == "w" { print $2 }' | grep -v -e '^_ITM_' -e '^__gmon_start__' \
    -e '^__cxa_finalize' -e '@' | sort | tr '\n' ' ')" 'log_write ' \
    'but log_write, which is weak'
# Each delivery loads it: OpenSSL, which is most of what the linker had to do, is for
# Redis with TLS alone.
is "$(readelf -d $so | grep -c -e 'NEEDED.*\[libssl\.' -e 'NEEDED.*\[libcrypto\.')" \
    "$(($(make -s show VAR=SHARED_LIBS | grep -c hiredis_ssl) * 2))" \
    'it needs OpenSSL for Redis with TLS, and else not'

# Exim up to 4.98 has no NULL behind eight arguments, and takes no more.
is "$(cat modules/exim/*.conf.in modules/exim/exim-deep.8 modules/exim/deep-exim.sh |
    perl -ne 'while (/dlfunc\{[^{}]*\}\{[^{}]*\}((\{(?:[^{}]|(?2))*\})*)/g) {
	my ($all, $n, $depth) = ($1, 0, 0);
	for (split //, $all) { $n++ if $_ eq "{" && !$depth; $depth += ($_ eq "{") - ($_ eq "}") }
	print "$n\n" }' | sort -n | tail -n 1)" 5 'no call has more than five arguments'
for name in $functions; do
	grep -q "^\.It Ic $name\b" modules/exim/exim-deep.8
	ok $? "exim-deep(8) has $name"
done
echo "1..$count"
[ $failures = 0 ]
