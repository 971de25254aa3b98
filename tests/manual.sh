#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# The manuals: they are clean, they name all that there is and nothing else,
# and their examples do what they say.

cd "$(dirname "$0")/.." || exit 1
top=$(pwd)
. tests/tap.sh

LC_ALL=C
export LC_ALL
unset NO_COLOR

value()			# of a variable of the Makefile
{
	(unset MAKEFLAGS MAKELEVEL MFLAGS; ${MAKE:-make} -s show VAR="$1" 2>/dev/null)
}

page=analyzer/deeptrace.1
library=shared/deep.3
configuration=shared/deep.conf.5
admin=modules/admin/deeplatch.8
guide=analyzer/deeptrace-guide.7
for file in $page $guide $library $configuration $admin; do
	[ -s "$file" ]
	ok $? "$file is there"
done

# They are clean.

mandoc=$(value MANDOC)
command -v "${mandoc:=mandoc}" >/dev/null || mandoc=
for file in $page $guide $library $configuration $admin; do
	if [ -z "$mandoc" ]; then
		skip 'mandoc is not installed' "$file: lint"
		continue
	fi
	$mandoc -T lint -W warning "$file" >"$work/log" 2>&1
	ok $? "$file: lint"
done

# plain FILE: the text of a page without macros' arguments being parsed: "\-"
# and "\e" undone, all else as it stands.
plain()
{
	sed -e '/^\.\\"/d' -e 's/\\-/-/g' -e 's/\\&//g' -e 's/\\e/\\/g' "$1"
}
plain $page >"$work/page"
plain $library >"$work/library"
plain $guide >"$work/guide"

# every NAME PAGE WHAT: each line of $work/NAME is a word of PAGE.
every()
{
	while read -r name; do
		grep -q -w -e "$name" "$work/$2" || echo "missing: $name"
	done <"$work/$1" >"$work/log"
	[ -s "$work/$1" ] && [ ! -s "$work/log" ]
	ok $? "$3 ($(wc -l <"$work/$1" | tr -d ' '))"
}

# The options.

if [ -x ./deeptrace ]; then
	./deeptrace --help >"$work/help" 2>&1
	is $? 0 'deeptrace --help'
	sed -n 's/^ *\(-[a-zA-Z]\), \(--[a-z-]*\).*/\1 \2/p' "$work/help" |
	    sort >"$work/given"
	# ".It Fl f , Fl -format ..." of OPTIONS
	sed '/^\.Sh OPTIONS/,/^\.Sh PROBE/!d' "$work/page" |
	    sed -n 's/^\.It Fl \([a-zA-Z]\) , Fl \(-[a-z-]*\).*/-\1 -\2/p' | sort >"$work/told"
	[ -s "$work/given" ]
	ok $? '--help lists options'
	is "$(cat "$work/told")" "$(cat "$work/given")" \
	    'OPTIONS and --help have the same options'
	short=$(sed -n 's/.*getopt_long(argc, argv, "\([^"]*\)".*/\1/p' analyzer/options.c |
	    tr -d ':' | sed 's/./-&\n/g' | sort | tr -d '\n')
	is "$(sed 's/ .*//' "$work/told" | tr -d '\n')" "$short" \
	    'and getopt_long(3) is asked for these'
	for command in probe watch; do
		./deeptrace $command --help >"$work/help" 2>&1
		is $? 0 "deeptrace $command --help"
		sed -n 's/^ *\(-[a-zA-Z0-9]\), \(--[a-z-]*\).*/\1 \2/p' "$work/help" | sort >"$work/given"
		title=$(echo $command | tr '[:lower:]' '[:upper:]')
		sed "/^\\.Sh $title/,/^\\.Sh [^$(echo $title | cut -c1)]/!d" "$work/page" |
		    sed -n 's/^\.It Fl \([a-zA-Z0-9]\) , Fl \(-[a-z-]*\).*/-\1 -\2/p' | sort >"$work/told"
		[ -s "$work/given" ]
		ok $? "$command --help lists options"
		is "$(cat "$work/told")" "$(cat "$work/given")" \
		    "$title and $command --help have the same options"
		short=$(sed -n 's/.*getopt_long(argc, argv, "\([^"]*\)".*/\1/p' analyzer/$command.c |
		    tr -d ':' | sed 's/./-&\n/g' | sort | tr -d '\n')
		is "$(sed 's/ .*//' "$work/told" | tr -d '\n')" "$short" \
		    'and getopt_long(3) is asked for these'
	done
else
	skip 'deeptrace is not built' 'options'
fi

# Words of the output.

strings()		# FROM TO FILE: the string constants between two lines
{
	awk -v from="$1" -v to="$2" '$0 ~ from { inside = 1 } inside { print }
	    inside && $0 ~ to { exit }' "$3" | grep -o '"[^"]*"' | tr -d '"'
}
strings '^const char [*]const flag_names' '};' analyzer/hop.c >"$work/flags"
sed '/^\.Sh OUTPUT/,/^\.Sh JSON/!d' "$work/page" >"$work/output"
every flags output 'OUTPUT has every flag of hop.c'
is "$(wc -l <"$work/flags" | tr -d ' ')" \
    "$(sed -n 's/^#define FLAGS[	 ]*//p' analyzer/analyzer.h)" 'and that is all of them'
sed -n '/^\.Ss Flags/,/^\.Ss Why/s/^\.It Cm //p' "$work/output" | sort >"$work/told"
is "$(cat "$work/told")" "$(sort "$work/flags")" 'and it has no others'
strings '^const char [*]const verdict_names' '};' analyzer/hop.c >"$work/verdicts"
every verdicts output 'OUTPUT has every verdict'
# what path_lacks() is given, the words of a "?:" too
cat analyzer/path.c analyzer/run.c | tr '\n' ' ' | grep -o 'path_lacks([^;]*;' | grep -o '"[^"]*"' |
    tr -d '"' | sort -u >"$work/why"
every why output 'OUTPUT has every why-word of path.c'
for kind in FLAG WHY; do
	sed -n "s/^$kind(\"\([^\"]*\)\".*/\1/p" analyzer/words.in | sort >"$work/told"
	if [ $kind = FLAG ]; then sort "$work/flags"; else cat "$work/why"; fi >"$work/wanted"
	is "$(cat "$work/told")" "$(cat "$work/wanted")" "words.in has a sentence for each $kind"
done
sed -n '/^\.Ss Why/,/^\.Sh/s/^\.It Cm //p' "$work/output" | sed 's/ , /\n/g' |
    sort -u >"$work/told"
is "$(cat "$work/told")" "$(cat "$work/why")" 'and it has no others'

# The keys of the JSON form.

sed '/^\.Sh JSON/,/^\.Sh ENV/!d' "$work/page" >"$work/json"
grep -o '\(KEY\|FIRST\|MEMBER\)([&a-z]*, "[a-z_]*"' analyzer/json.c |
    sed 's/.*"\([a-z_]*\)".*/\1/' | sort -u >"$work/keys"
every keys json 'JSON has every key of json.c'
strings '^const char [*]const client_names' '};' analyzer/hop.c >"$work/clients"
every clients json 'JSON has every state of client_cert'

# Limits: the name and the figure.

limits()		# FILE: "NAME figure" of each, products worked out
{
	sed -n 's/^#define[	 ]*\([A-Z_]*_MAX\|DEEP_FOLD_AT\)[	 ]*\([^/]*\).*/\1 \2/p' "$1" |
	    while read -r name figure; do
		eval "echo $name \$(($figure))"
	done
}
# of the library those at its head: the others are not met by the analyzer
sed '/^enum deep_status/q' shared/deep.h >"$work/head.h"
{
	limits analyzer/analyzer.h
	limits "$work/head.h"
} >"$work/limits"
while read -r name figure; do
	if [ "$figure" -ge 1048576 ]; then figure="$((figure / 1048576)) MiB"; fi
	sed -n "/^\\.It Dv $name\$/{n;p;q;}" "$work/page" | grep -q -w "^$figure" ||
	    echo "$name: not $figure"
done <"$work/limits" >"$work/log"
[ -s "$work/limits" ] && [ ! -s "$work/log" ]
ok $? "LIMITS has every limit and its figure ($(wc -l <"$work/limits" | tr -d ' '))"
limits shared/deep.h >"$work/limits"
while read -r name figure; do
	sed -n "/^\\.It Dv $name\$/{n;p;q;}" "$work/library" | grep -q -w "^$figure" ||
	    echo "$name: not $figure"
done <"$work/limits" >"$work/log"
[ -s "$work/limits" ] && [ ! -s "$work/log" ]
ok $? "so has deep.3 ($(wc -l <"$work/limits" | tr -d ' '))"

# The library: whatever deep.h declares.

sed -e 's|/\*.*\*/||g' -e '/\/\*/,/\*\//d' shared/deep.h >"$work/header"
grep -o 'deep_[a-z0-9_]*(' "$work/header" | tr -d '(' | sort -u >"$work/functions"
grep -o 'DEEP_[A-Z0-9_]*' "$work/header" | grep -v -x DEEP_H | sort -u >"$work/constants"
grep -o '\(struct\|enum\) deep_[a-z0-9_]*' "$work/header" | sort -u >"$work/types"
every functions library 'deep.3 has every function'
every constants library 'deep.3 has every macro and constant'
every types library 'deep.3 has every type'
sed -n 's/^\.Fn \(deep_[a-z0-9_]*\) ".*/\1/p' "$work/library" | sort -u >"$work/told"
is "$(cat "$work/told")" "$(cat "$work/functions")" 'SYNOPSIS has these functions only'
sed -n 's/^\.Nm \(deep_[a-z0-9_]*\).*/\1/p' "$work/library" | sort -u >"$work/told"
is "$(cat "$work/told")" "$(cat "$work/functions")" 'and so has NAME'
grep -o 'DEEP_[A-Z0-9_]*[A-Z0-9]' "$work/library" | sort -u |
    grep -v -x -e DEEP_SUITE >"$work/told"
grep -v -x -F -f "$work/constants" "$work/told" >"$work/log"
[ ! -s "$work/log" ]
ok $? 'deep.3 has no constant that is not in deep.h'
# members of structs: the last word before ";" or "[", or " : 1;"
sed -n '/^struct [a-z_]* {/,/^}/s/^	[a-z].*[	 *]\([a-z_]*\)\(\[.*\]\)*\( : 1\)*;.*/\1/p' \
    shared/deep.h | sort -u >"$work/members"
every members library 'deep.3 has every member of a struct'

# The types of the functions: SYNOPSIS beside deep.h, a compiler sees what differs.

{
	echo '#include "deep.h"'
	sed -n -e 's/^\.Ft //p' -e '/^\.Fn deep_[a-z0-9_]* "/{
		s/^\.Fn \([a-z0-9_]*\) "\(.*\)"$/\1(\2);/
		s/" "/, /g
		p
	}' "$work/library"
} >"$work/synopsis.c"
is "$(grep -c ');$' "$work/synopsis.c")" "$(wc -l <"$work/functions" | tr -d ' ')" \
    'SYNOPSIS has a prototype for each'
cc=$(value CC)
${cc:-cc} -std=c99 -Werror -fsyntax-only -Ishared "$work/synopsis.c" >"$work/log" 2>&1
ok $? 'and it is that of deep.h'

# The programs of deep.3, and what it says they print.

awk -v work="$work" '
/^\.Bd -literal/ { inside = 1; name = ""; next }
/^\.Ed/ { inside = 0; prints = 0; next }
/^It prints:/ { prints = 1; next }
inside && prints { print > (work "/program" n ".expected"); next }
inside && /^#include/ && name == "" { name = work "/program" ++n ".c" }
inside && name != "" { print > name }
' "$work/library"
# shellcheck disable=SC2010
is "$(ls "$work" | grep -c '^program.*\.c$')" 2 'deep.3 has two programs'
flags="$(value SANITIZE) $(value LDFLAGS)"
libs=$(value SHARED_LIBS)
for n in 1 2; do
	program=$work/program$n
	if [ ! -f libdeep.a ]; then
		skip 'libdeep.a is not built' "program $n"
		continue
	fi
	# shellcheck disable=SC2086
	${cc:-cc} -std=c99 -Wall -Wextra -Werror -pedantic $flags -Ishared -o "$program" \
	    "$program.c" libdeep.a $libs >"$work/log" 2>&1
	ok $? "program $n is compiled without a warning"
	"$program" >"$program.out" 2>"$work/log"
	is $? 0 "program $n runs"
	diff -u "$program.expected" "$program.out" >"$work/log" 2>&1
	ok $? "program $n prints what the page says"
done

# The sessions of EXAMPLES in deeptrace.1, and all of the guide: a line behind "$ " is a command, one
# behind "> " goes on with it, all else is output.  "..." as a line stands for
# any lines, at the end of a line for the rest of it; runs of blanks are equal.
# After "$ cat FILE" stands what the file is to hold.

mkdir "$work/run"
cp contrib/sample-success.eml "$work/run/"
awk -v work="$work" '
function quote(s) { gsub(/\047/, "\047\\\047\047", s); return "\047" s "\047" }
function flush() {
	if (command == "")
		return
	print "s=$?; printf \"%s\\n\" " quote(shown) >script
	print "(exit $s)" >script
	print command >script
	command = ""
}
/^\.Sh/ { examples = /EXAMPLES/ || FILENAME ~ /guide/ }
!examples { next }
/^\.Bd -literal$/ { inside = 1; script = work "/session" ++n ".sh"; next }
/^\.Ed/ { if (inside) { flush(); close(script) } inside = file = 0; next }
!inside { next }
{ print > (work "/session" n ".expected") }
/^\$ / {
	flush()
	file = ""
	shown = $0
	command = substr($0, 3)
	if (command ~ /^cat [a-z.]*$/)
		file = work "/run/" substr(command, 5)
	next
}
/^> / { shown = shown "\n" $0; command = command "\n" substr($0, 3); next }
file != "" { print > file }
' "$work/page" "$work/guide"
matches()		# EXPECTED GOT
{
	awk '
	function squeeze(s) { gsub(/[ \t]+/, " ", s); return s }
	function same(want, have) {
		if (want ~ /[^ ]\.\.\.$/)
			return index(have, substr(want, 1, length(want) - 3)) == 1
		return want == have
	}
	FILENAME == ARGV[1] { want[++nwant] = squeeze($0); next }
	{ have[++nhave] = squeeze($0) }
	END {
		for (i = k = 1; i <= nwant; i++) {
			if (want[i] ~ /^ *\.\.\.$/) {
				any = 1
				continue
			}
			while (any && k <= nhave && !same(want[i], have[k]))
				k++
			if (k > nhave || !same(want[i], have[k])) {
				print "expected: " want[i]
				print "got: " have[k]
				exit 1
			}
			any = 0
			k++
		}
		if (!any && k <= nhave) {
			print "got besides: " have[k]
			exit 1
		}
	}' "$1" "$2"
}

n=0
for script in "$work"/session*.sh; do
	[ -f "$script" ] || break
	n=$((n + 1))
	session=${script%.sh}
	name=$(sed -n "s/^[$] \\(deeptrace.*\\)/\\1/p" "$session.expected" | head -n 1)
	missing=
	for tool in jq python3; do
		! grep -q -e "^$tool " -e "| $tool " "$script" || command -v $tool >/dev/null ||
		    missing=$tool
	done
	if [ ! -x ./deeptrace ]; then
		skip 'deeptrace is not built' "session: $name"
	elif [ -n "$missing" ]; then
		skip "$missing is not installed" "session: $name"
	else
		(cd "$work/run" && PATH="$top:$PATH" sh "$script") >"$session.out" 2>&1 </dev/null
		matches "$session.expected" "$session.out" >"$work/log"
		ok $? "session: $name"
	fi
done
[ $n -ge 8 ]
ok $? "EXAMPLES has sessions ($n)"
for file in letter relayed; do
	cmp "$work/run/$file.eml" contrib/$file.eml >"$work/log" 2>&1
	ok $? "contrib/$file.eml is what the guide shows"
done

# The four results that are no error, and the errors of a wrong call.

status()		# EXPECTED NAME ARGUMENT ...: deeptrace's exit status
{
	expected=$1 name=$2
	shift 2
	./deeptrace "$@" >"$work/out" 2>"$work/log" </dev/null
	is $? "$expected" "exit status $expected: $name"
	sed -n '/^\.Sh EXIT/,/^\.Sh EX[A]/p' "$work/page" | grep -q -x "\\.It $expected"
	ok $? "EXIT STATUS has $expected"
}
field='by b.example.org with ESMTP'
printf 'Received: from a.example.net ([192.0.2.1]) (using TLSv1.3 with %s; %s\n\n' \
    "cipher TLS_AES_128_GCM_SHA256 (128/128 bits)) ${field}S" \
    'Mon, 2 Nov 2026 10:00:00 +0000' \
    >"$work/strong"
printf 'Received: from a.example.net ([192.0.2.1]) by b.example.org; %s\n\n' \
    'Mon, 2 Nov 2026 10:00:00 +0000' >"$work/unknown"
printf 'Subject: none\n\n' >"$work/none"
if [ -x ./deeptrace ]; then
	status 0 'all strong' "$work/strong"
	status 1 'a clear hop' contrib/sample-success.eml
	status 2 'an unknown hop' "$work/unknown"
	status 3 'no chain' "$work/none"
	status 3 'no message' /dev/null
	status 1 '1 before 2 before 3' "$work/none" "$work/unknown" \
	    contrib/sample-success.eml "$work/strong"
	status 2 '2 before 3' "$work/none" "$work/unknown" "$work/strong"
	status 3 '3 before 0' "$work/none" "$work/strong"
	status 64 'an unknown option' --frobnicate
	status 64 'tls-cert can never be required' --require tls-cert "$work/strong"
	status 66 'no such file' "$work/nowhere" "$work/strong"
	[ -s "$work/out" ]
	ok $? 'and the next one was read'
	status 78 'no such file of dialects' -d "$work/nowhere" "$work/strong"
	status 78 'a row that is none' -d "$work/none" "$work/strong"
else
	skip 'deeptrace is not built' 'exit status'
fi

# EX_OSFILE is that of a child that could not become another program.
sed -n 's/.*\(EX_[A-Z]*\).*/\1/p' analyzer/*.c | grep -v EX_OSFILE | sort -u >"$work/exits"
every exits page 'EXIT STATUS has each status of sysexits.h that the source has'

# The other programs: what is wrong with a command line takes one line.

for words in 'filter-deep --frob' 'filter-deep -x' 'filter-deep -f' 'filter-deep a' 'table-deep --frob' \
    'table-deep a b' 'deep-relay --frob' 'deep-relay -f' 'deep-relay a' 'deep-dsn-filter --frob' \
    'deep-dsn-filter a b' 'deep-smtpd --frob' 'deep-exim --frob' 'deeplatch --frob'; do
	program=${words%% *}
	if [ ! -x "./$program" ]; then
		skip "$program is not built" "$words: one line"
		continue
	fi
	# shellcheck disable=SC2086
	./$program ${words#* } >"$work/out" 2>"$work/err" </dev/null
	status=$?
	[ $status = 64 ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" = 1 ] &&
	    grep -q "^$program: .*; see $program --help\$" "$work/err"
	ok $? "$words: one line, exit status 64" || sed 's/^/# /' "$work/err"
done

# One word is never used: nothing in a header deserves it.

word=secur
word=${word}e
if [ -x ./deeptrace ]; then
	./deeptrace contrib/sample-success.eml "$work/strong" "$work/unknown" >"$work/said"
	for form in json html csv dot mermaid; do
		./deeptrace -f $form contrib/sample-success.eml "$work/strong" >>"$work/said"
	done
	./deeptrace probe --help >>"$work/said"
	./deeptrace watch --help >>"$work/said"
	./deeptrace --help >>"$work/said"
	[ -s "$work/said" ]
	ok $? 'deeptrace has an output'
else
	: >"$work/said"
fi
for file in $page $guide $library $configuration $admin "$work/said"; do
	# but for the levels of Postfix and of chasquid that are called so
	grep -n -i "$word" "$file" | grep -v 'tls-cert too' >"$work/log"
	[ ! -s "$work/log" ]
	ok $? "\"$word\" is not in ${file##*/}"
done

echo "1..$count"
[ $failures = 0 ]
