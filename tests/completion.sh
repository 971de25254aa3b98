#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# completion: what deeplatch(8) and deep-exim(8) complete in a real bash, against what
# the programs themselves say that they take.

cd "$(dirname "$0")/.." || exit 1
. tests/tap.sh

if ! command -v bash >/dev/null; then
	echo '1..0 # SKIP bash is not installed'
	exit 0
fi
printf '[store]\nurl = sqlite:%s/store/latches.db\n' "$work" >"$work/deep.conf"
d()
{
	./deeplatch -f "$work/deep.conf" "$@" >"$work/log" 2>&1 </dev/null
}
printf 'ch1.example encrypt\nch2.example encrypt\n' >"$work/policy"
d init && d import --format postfix "$work/policy"
ok $? 'a store with two names'

cat >"$work/complete" <<'END'
for completion in modules/*/*.bash; do
	. "$completion"
done
PATH=.:$PATH
COMP_WORDS=("$@")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMPREPLY=()
"_${1//-/_}"
echo "${COMPREPLY[*]}"
END
completion_of()		# WORD ...: what may stand in place of the last one
{
	bash "$work/complete" "$@" 2>&1
}
completes()		# EXPECTED WORD ...
{
	expected=$1
	shift
	is "$(completion_of "$@")" "$expected" "completion: $*"
}

# The command is completed, and so are the options in $work/given.
has()			# PROGRAM COMMAND
{
	completion_of "$1" "$(echo "$2" | cut -c 1-3)" | tr ' ' '\n' | grep -q -x -e "$2"
	ok $? "$1: completion has $2"
	completion_of "$1" "$2" -- | tr ' ' '\n' | sed '/^$/d' | sort -u >"$work/told"
	is "$(cat "$work/told")" "$(cat "$work/given")" "$1: completion has its options: $2"
}

completes 'show stats' deeplatch s
completes 'verify' deeplatch v
completes '--keep' deeplatch reset --k
completes 'tls10 tls11 tls12' deeplatch list --latch tls1
completes 'enforce' deeplatch list --mode e
completes 'postfix' deeplatch import --format p
completes 'add remove list' deeplatch exempt ''
completes 'tls-required-no tlsrpt' deeplatch check --bypass tls
completes 'ch1.example ch2.example' deeplatch -f "$work/deep.conf" show ch
completes 'refused reset' deeplatch log --kind re
for command in init list show check reset exempt purge export import verify stats log expiry; do
	./deeplatch $command --help | grep -o -e '--[a-z-]*' | sort -u >"$work/given"
	has deeplatch $command
done

completes 'setup' deep-exim s
completes '--dry-run' deep-exim setup --d
completes '--help' deep-exim --h
completes "$work/policy" deep-exim check -c "$work/pol"
completes 'undo' deep-exim -y u
mkdir "$work/bin"
printf '#!/bin/sh\nexec ./deeplatch -f "%s" "$@"\n' "$work/deep.conf" >"$work/bin/deeplatch"
chmod 755 "$work/bin/deeplatch"
sed -i "s|^PATH=.*|PATH=$work/bin:.:\$PATH|" "$work/complete"
completes 'ch1.example ch2.example' deep-exim check ch
completes 'ch2.example' deep-exim check -c "$work/policy" ch2
for command in setup undo check; do
	# the usage has them by their letters, the manual by both
	for letter in $(./deep-exim --help | sed -n "s/.*deep-exim $command //p" | grep -o -e '-[a-z]'); do
		sed -n "s/^\.It Fl ${letter#-} , -\([a-z-]*\).*/--\1/p" modules/exim/deep-exim.8
	done | sort -u >"$work/given"
	has deep-exim $command
done

echo "1..$count"
[ $failures = 0 ]
