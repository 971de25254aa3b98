#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# The house: what stands at the top, what configure takes, refuses and logs.
# configure is run in a copy; the tree stays as it is.

cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
. tests/tap.sh

has()			# FILE PATTERN NAME
{
	grep -q -e "$2" "$work/$1"
	ok $? "$3"
}


# configure [NAME=value ... --] ARGUMENT ...: in a copy, with this environment.
mkdir -p "$work/shared"
cp configure Makefile.in "$work/"
cp shared/deep.pc.in "$work/shared/"
configure()
{
	(cd "$work" && rm -f Makefile config.log shared/deep.pc &&
	    sh ./configure "$@" >log 2>&1)
}

# A compiler that has everything, where the question is what becomes of the arguments.
willing=CC=true

value()			# of a variable in the Makefile that was made
{
	sed -n "s/^$1[	 ]*= *//p" "$work/Makefile"
}

# The top level is fixed.

fixed='.ci .clang-format .clang-tidy .gitignore LICENSE Makefile.in README analyzer
configure contrib modules shared tests'
if [ -e .git ] && command -v git >/dev/null; then
	git -c safe.directory="$top" ls-files --cached --others --exclude-standard
else
	find . -path ./.git -prune -o -type f -print | sed 's|^\./||' |
	    grep -v -x -e Makefile -e config.log -e failed.log \
	    -e configure.local -e 'libdeep\..*' -e deeptrace -e 'deep-.*\.tar\.gz' \
	    -e deeptrace-probe -e deeplatch -e deep-dsn-filter -e deep-exim \
	    -e 'deep-exim\.so' \
	    -e filter-deep -e table-deep -e deep-smtpd -e deep-relay
fi | sed 's|/.*||' | LC_ALL=C sort -u | tr '\n' ' ' >"$work/top"
is "$(cat "$work/top")" "$(echo "$fixed" | tr '\n' ' ')" 'the top level'
# shellcheck disable=SC2012
is "$(ls .ci)" run '.ci holds run'
for script in configure .ci/run contrib/setup contrib/ci contrib/dist tests/run; do
	sh -n "$script" 2>"$work/log"
	ok $? "$script is sh"
	[ -x "$script" ]
	ok $? "$script can be run"
done

# One version.

version=$(./configure --version | sed 's/.* //')
number=$(sed -n 's/^#define DEEP_VERSION[	 ]*0x\([0-9a-f]*\).*/\1/p' shared/deep.h)
is "$number" "$(echo "$version" | awk -F. '{ printf "%02x%02x%02x", $1, $2, $3 }')" \
    "configure and deep.h agree on the version $version"

# A plain run.

configure
ok $? 'configure'
is "$(value CFLAGS)" '-O2 -g' 'CFLAGS by default'
is "$(value prefix)" /usr/local 'prefix by default'
for probe in 'libssl >= 3.0' 'libcrypto >= 3.0' 'libpcre2-8 >= ' 'libbsd-overlay >= ' \
    'libidn2 >= ' 'C99 compiler: ' 'test harness: ' 'manual linter' 'GNU make: ' \
    'pcre2_jit_compile' '^[$] .*-Wl,-z,relro' '^[$] .*-fstack-protector-strong'; do
	has config.log "$probe" "config.log has the probe: $probe"
done
asked=$(grep -c '^\$ ' "$work/config.log")
answered=$(grep -c '^=> [0-9]' "$work/config.log")
is "$answered" $((asked - 1)) 'each command in config.log has its outcome'
find "$work" -name '*conftest*' -o -name 'probe*' >"$work/log"
[ ! -s "$work/log" ]
ok $? 'no probe is left behind'
grep -n '@[a-zA-Z_]*@' "$work/Makefile" "$work/shared/deep.pc" >"$work/log"
[ ! -s "$work/log" ]
ok $? 'all is filled in'

# The environment does not leak.

CFLAGS=-DLEAK CC=/nonexistent LDFLAGS=-lleak CPPFLAGS=-ILEAK PKG_CONFIG=false \
    prefix=/leak libdir=/leak PKG_CONFIG_LIBDIR=/leak bindir=leak configure
ok $? 'configure with a bad environment'
grep -i leak "$work/Makefile" "$work/shared/deep.pc" >"$work/log"
[ ! -s "$work/log" ]
ok $? 'nothing of it is in what was made'
CFLAGS=-DLEAK configure $willing
has log 'note: CFLAGS in the environment is ignored' 'it says so'
has config.log 'note: CFLAGS in the environment is ignored' 'and logs it'

configure CFLAGS='-O1 -DONE="1"' LDFLAGS=-L/tmp CC=cc
ok $? 'configure CFLAGS=... LDFLAGS=... CC=...'
is "$(value CFLAGS)" '-O1 -DONE="1"' 'CFLAGS as given'
is "$(value LDFLAGS)" -L/tmp 'LDFLAGS as given'
printf 'CFLAGS="-O1 -DLOCAL"\nprefix=/local\n' >"$work/configure.local"
configure --prefix=/argument $willing
is "$(value CFLAGS) $(value prefix)" '-O1 -DLOCAL /argument' \
    'configure.local is read, arguments win'
rm "$work/configure.local"

# As debhelper calls it.

# shellcheck disable=SC2016
configure --build=x86_64-linux-gnu --prefix=/usr '--includedir=${prefix}/include' \
    '--mandir=${prefix}/share/man' '--infodir=${prefix}/share/info' --sysconfdir=/etc \
    --localstatedir=/var --disable-option-checking --disable-silent-rules \
    '--libdir=${prefix}/lib/x86_64-linux-gnu' --runstatedir=/run \
    '--libexecdir=${prefix}/libexec' \
    --disable-maintainer-mode --disable-dependency-tracking
ok $? 'as debhelper calls it'
is "$(value libdir)" /usr/lib/x86_64-linux-gnu 'libdir'
is "$(value mandir)" /usr/share/man 'mandir'
grep -q -x 'libdir=${prefix}/lib/x86_64-linux-gnu' "$work/shared/deep.pc"
ok $? 'libdir in deep.pc'
if grep -q warning "$work/log"; then ok 1 'without a warning'
else ok 0 'without a warning'; fi
configure --host=x86_64-linux-gnu --build=x86_64-linux-gnu --prefix /two/words \
    --bindir=/b --sbindir=/s --enable-frobnicate --without-x --with-y=z $willing
ok $? 'unknown --enable and --with are accepted'
has log 'warning: unknown option --enable-frobnicate' 'with a warning'
is "$(value prefix) $(value bindir) $(value sbindir)" '/two/words /b /s' 'the others count'
for bad in --frobnicate frobnicate --prefix=relative '--prefix=/a b' \
    '--libdir=${nowhere}/lib' --prefix; do
	configure "$bad"
	[ $? = 1 ] && [ ! -f "$work/Makefile" ]
	ok $? "refused: $bad"
done
for option in --help --version; do
	configure $option && [ -s "$work/log" ] && [ ! -f "$work/config.log" ]
	ok $? "$option prints and touches nothing"
done

# What is missing is named, all of it at once.

configure PKG_CONFIG=false
is $? 1 'without pkg-config: status 1'
[ ! -f "$work/Makefile" ]
ok $? 'no Makefile is made'
for package in pkg-config libssl-dev libpcre2-dev libbsd-dev nettle-dev libidn2-dev libsqlite3-dev \
    libhiredis-dev libinih-dev libjansson-dev libpsl-dev libevent-dev zlib1g-dev \
    liblzma-dev libzstd-dev; do
	has log "(Debian: $package)" "$package is named"
done
has log "^  apt-get install pkg-config libssl-dev libpcre2-dev libbsd-dev nettle-dev libidn2-dev \
libsqlite3-dev libhiredis-dev libinih-dev libjansson-dev libpsl-dev libevent-dev \
zlib1g-dev liblzma-dev libzstd-dev\$" \
    'one line installs all'
has config.log 'apt-get install' 'config.log has it too'
configure CC=/nonexistent/cc PROVE=/nonexistent/prove
is $? 1 'without a compiler and prove: status 1'
has log '^  apt-get install gcc libc6-dev perl$' 'both are named'

# What else it is asked for.

configure --enable-werror --enable-sanitize
ok $? '--enable-werror --enable-sanitize'
grep '^BASE_FLAGS' -A 4 "$work/Makefile" | grep -q -e '-Werror'
ok $? 'BASE_FLAGS has -Werror'
grep -q '^ALL_CFLAGS.*-fsanitize=address,undefined' "$work/Makefile" ||
    grep -q '^SANITIZE.*-fsanitize=address,undefined' "$work/Makefile"
ok $? 'the sanitizers are on'

# "make" after a change of Makefile.in asks configure the same again.
configure --prefix=/again CFLAGS='-O1 -DX="$$y"' $willing
mkdir "$work/analyzer" "$work/tests"
touch -d '+1 minute' "$work/Makefile.in" 2>/dev/null
(cd "$work" && unset MAKEFLAGS MAKELEVEL MFLAGS; touch -d '-1 hour' Makefile &&
    cp configure c && mv c configure && chmod +x configure &&
    touch -d '-1 minute' Makefile.in configure shared/deep.pc.in &&
    make -s show VAR=prefix) >"$work/log" 2>&1
is "$(tail -n 1 "$work/log")" /again 'a new Makefile.in keeps the arguments'

echo "1..$count"
[ $failures = 0 ]
