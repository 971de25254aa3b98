#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# "make install" into an empty folder: a program that knows no more than
# "pkg-config deep" compiles, links with either library, and runs; the library
# exports deep_ and nothing else; "make uninstall" takes all of it away.

cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

variable()
{
	make -s --no-print-directory show VAR="$1" 2>/dev/null
}

if ! [ -f Makefile ]; then
	echo '1..0 # skip not configured: run ./configure'
	exit 0
fi
unset MAKEFLAGS MAKELEVEL MFLAGS

root=$work/root
CC=$(variable CC)
NM=$(variable NM)
flags="$(variable SANITIZE) $(variable CPPFLAGS) $(variable CFLAGS)"
libdir=$(variable libdir)
version=$(variable version)
includedir=$(variable includedir)
pkg_config=$(variable PKG_CONFIG)

make -s install DESTDIR="$root" >"$work/log" 2>&1
status=$?
ok $status 'make install'
if [ $status != 0 ]; then
	echo "1..$count"
	exit 1
fi

for file in "$(variable bindir)/deeptrace" "$(variable libexecdir)/deep/deeptrace-probe" \
    "$includedir/deep.h" \
    "$libdir/libdeep.a" "$libdir/libdeep.so.$version" "$libdir/pkgconfig/deep.pc" \
    "$(variable datarootdir)/deep/deeptrace.schema.json"; do
	[ -f "$root$file" ] && [ ! -L "$root$file" ]
	ok $? "installed: ${file##*/}"
done
is "$(ldd ./deeptrace | grep -c -e libssl -e libcrypto)" 0 'deeptrace starts without OpenSSL'
[ -d "$root$(variable localstatedir)/lib" ]
ok $? 'installed: the folder in which deeplatch makes its own'
is "$(readlink "$root$libdir/libdeep.so")" libdeep.so.0 'libdeep.so is a link'
is "$(readlink "$root$libdir/libdeep.so.0")" "libdeep.so.$version" 'libdeep.so.0 is a link'

# The contract of pkg-config, for a program outside of this tree.
PKG_CONFIG_PATH=$root$libdir/pkgconfig
export PKG_CONFIG_PATH
is "$($pkg_config --modversion deep 2>&1)" "$version" 'pkg-config --modversion'
case $($pkg_config --cflags deep) in
*BSD*|*bsd*)	ok 1 'no flag of the build leaks into the program' ;;
*)		ok 0 'no flag of the build leaks into the program' ;;
esac

cat >"$work/program.c" <<'END'
#include <stdio.h>
#include <string.h>

#include <deep.h>

int
main(void)
{
	char	key[DEEP_DOMAIN_MAX + 1];
	int	n;

	n = deep_domain_key(key, sizeof(key), deep_str("MX.B\xc3\xbc" "cher.example."));
	printf("%06x %d %s %s %d\n", (unsigned)deep_version(), n, key,
	    deep_tls_version_name(DEEP_TLS1_2), deep_is(deep_str("Tls"), "TLS"));
	return deep_version() != DEEP_VERSION;
}
END
answer='000100 24 mx.xn--bcher-kva.example TLSv1.2 1'
case $version in
0.1.0)	;;
*)	answer="$(printf '%02d%02d%02d' "$(echo "$version" | cut -d. -f1)" \
	    "$(echo "$version" | cut -d. -f2)" \
	    "$(echo "$version" | cut -d. -f3)")${answer#000100}" ;;
esac

# The folder of an installed library is not in the linker's own path, but those of
# the libraries it needs are, so that the sysroot goes before deep's folders only.
cflags=$($pkg_config --cflags deep | sed "s|-I$includedir|-I$root$includedir|")
[ -n "$cflags" ] || cflags=-I$root$includedir
libs="-L$root$libdir $($pkg_config --libs deep | sed "s|-L$libdir||")"

# libdeep.a with shared libraries below it: "pkg-config --static" names what those
# are made of too (libunistring below libidn2), which nobody needs here.
needs=$($pkg_config --print-requires-private deep | sed 's/ .*//')
# shellcheck disable=SC2086
static="-L$root$libdir -l:libdeep.a $($pkg_config --libs $needs)
    $(sed -n 's/^Libs.private: *//p' "$root$libdir/pkgconfig/deep.pc")"

# shellcheck disable=SC2086
$CC -Wall -Werror $flags $cflags -o "$work/shared" "$work/program.c" $libs \
    >"$work/log" 2>&1
ok $? 'a program compiles against the shared library'
is "$(LD_LIBRARY_PATH=$root$libdir "$work/shared" 2>&1)" "$answer" 'and runs'
ldd "$work/shared" 2>&1 | grep -q 'libdeep\.so\.0'
ok $? 'and needs libdeep.so.0'

# shellcheck disable=SC2086
$CC -Wall -Werror $flags $cflags -o "$work/static" "$work/program.c" $static \
    >"$work/log" 2>&1
ok $? 'a program compiles against the static library'
is "$("$work/static" 2>&1)" "$answer" 'and runs'
ldd "$work/static" 2>&1 | grep -q libdeep
[ $? = 1 ]
ok $? 'and needs no libdeep.so'

# What the shared library shows to others.
library=$root$libdir/libdeep.so.$version
is "$(objdump -p "$library" | sed -n 's/^ *SONAME *//p')" libdeep.so.0 'soname'
$NM -D --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $2, $3 }' |
    sort >"$work/exports"
grep -v -e '^A DEEP_0$' -e '^T deep_[a-z0-9_]*$' "$work/exports" >"$work/log"
[ ! -s "$work/log" ]
ok $? 'exports deep_ functions and nothing else'
tr -c 'A-Za-z0-9_' '\n' <shared/deep.h >"$work/words"
sed -n 's/^T //p' "$work/exports" | while read -r symbol; do
	grep -q -x "$symbol" "$work/words" || echo "$symbol is not in deep.h"
done >"$work/log"
[ ! -s "$work/log" ]
ok $? 'exports only what deep.h declares'
grep -o '\<deep_[a-z0-9_]*(' shared/deep.h | tr -d '(' | sort -u |
    while read -r symbol; do
	grep -q -x "T $symbol" "$work/exports" || echo "$symbol is not exported"
done >"$work/log"
[ ! -s "$work/log" ]
ok $? 'exports all that deep.h declares'

# deep.h stands alone, also in C++ where there is a compiler.
printf '#include <deep.h>\nint main(void) { return 0; }\n' >"$work/alone.c"
# shellcheck disable=SC2086
$CC -std=c99 -Wall -Wextra -pedantic -Werror $cflags -c -o "$work/alone.o" "$work/alone.c" \
    >"$work/log" 2>&1
ok $? 'deep.h needs nothing before it'

make -s uninstall DESTDIR="$root" >"$work/log" 2>&1
ok $? 'make uninstall'
find "$root" ! -type d >"$work/log"
[ ! -s "$work/log" ]
ok $? 'nothing is left'

echo "1..$count"
[ $failures = 0 ]
