#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# deep-smtpd check - proves that a system with OpenSMTPD keeps security latches.
# The manual is deep-smtpd(8).  It changes nothing, and sends no mail.

set -u
LC_ALL=C
export LC_ALL
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

usage()
{
	cat <<-END
	usage: deep-smtpd check [-t] [-c deep.conf] [-f smtpd.conf]
	       deep-smtpd -h | -V
	  -c FILE      the latches' configuration, by default %sysconfdir%/deep.conf
	  -f FILE      smtpd's, by default /etc/smtpd.conf
	  -t, --test   also hand a message to deep-relay, up to RCPT
	  -h, --help
	  -V, --version
	END
}

wrong=0
right()
{
	echo "ok: $*"
}
wrong()
{
	echo "wrong: $*"
	wrong=$((wrong + 1))
}
note()
{
	echo "note: $*"
}

case ${1-} in
check)
	shift ;;
-h|--help)
	usage
	exit 0 ;;
-V|--version)
	echo 'deep-smtpd %version%'
	exit 0 ;;
'')
	usage >&2
	exit 64 ;;
*)
	echo "deep-smtpd: \"$1\" is no command and no option; see deep-smtpd --help" >&2
	exit 64 ;;
esac
deep=%sysconfdir%/deep.conf conf=/etc/smtpd.conf try=
while [ $# -gt 0 ]; do
	case $1 in
	-t|--test)	try=1 ;;
	-c|-f)
		[ $# -gt 1 ] || { usage >&2; exit 64; }
		if [ "$1" = -c ]; then deep=$2; else conf=$2; fi
		shift ;;
	*)	echo "deep-smtpd: \"$1\" is no option; see deep-smtpd --help" >&2
		exit 64 ;;
	esac
	shift
done

command -v smtpd >/dev/null || {
	echo 'deep-smtpd: smtpd is not here; install OpenSMTPD' >&2
	exit 66
}
[ -r "$conf" ] || {
	echo "deep-smtpd: $conf cannot be read; name the configuration with -f" >&2
	exit 66
}
work=$(mktemp -d "${TMPDIR:-/tmp}/deep-smtpd.XXXXXX") || exit 66
trap 'rm -rf "$work"' 0
trap 'exit 1' 1 2 15

# The version.

version=$(smtpd -h 2>&1 | sed -n 's/.*OpenSMTPD \([0-9][0-9]*\.[0-9][0-9]*\).*/\1/p' | head -n 1)
major=${version%%.*} minor=${version#*.}
case $version in
'')	wrong 'smtpd -h does not say which version it is' ; major=0 minor=0 ;;
*)	right "smtpd is version $version" ;;
esac
at_least()		# MAJOR MINOR
{
	[ "$major" -gt "$1" ] || { [ "$major" = "$1" ] && [ "$minor" -ge "$2" ]; }
}
at_least 6 6 || wrong "smtpd $version has no filters of this kind; take 6.6 or later"
at_least 7 6 || note "no table-deep before 7.6: deep-relay is a smarthost, all recipients of a \
message in one transaction"
at_least 7 0 || note "no tls clause in Received before 7.0, and no TLS on listeners where 6.8 \
stands on OpenSSL 3; Debian 12 has 7.4 in its backports"

if smtpd -n -f "$conf" >"$work/out" 2>&1; then
	right "smtpd takes $conf"
else
	wrong "smtpd does not take $conf: $(head -n 1 "$work/out")"
fi

# What stands in smtpd.conf: a line a statement, comments gone, quotes kept.

awk '
{ line = line $0 }
/\\$/ { sub(/\\$/, " ", line); next }
{
	out = ""; quoted = 0
	for (i = 1; i <= length(line); i++) {
		c = substr(line, i, 1)
		if (c == "\"") quoted = !quoted
		if (c == "#" && !quoted) break
		out = out c
	}
	gsub(/^[ \t]+|[ \t]+$/, "", out)
	if (out != "") print out
	line = ""
}' "$conf" >"$work/conf"

# "NAME|COMMAND|USER" of each filter that is filter-deep.
sed -n 's/^filter[ 	][ 	]*"\{0,1\}\([^ 	"]*\)"\{0,1\}[ 	].*proc-exec[ 	]*"\([^"]*filter-deep[^"]*\)"\(.*\)/\1|\2|\3/p' \
    "$work/conf" | sed 's/|[^|]*user[ 	]*"\{0,1\}\([a-zA-Z0-9_.-]*\).*$/|\1/' >"$work/filters"
names=$(sed 's/|.*//' "$work/filters" | tr '\n' ' ')
# chains that have one of them
for name in $names; do
	sed -n "s/^filter[ 	][ 	]*\"\{0,1\}\([^ 	\"]*\)\"\{0,1\}[ 	].*chain.*[{ 	,\"]${name}[\" 	,}].*/\1/p" \
	    "$work/conf"
done >"$work/chains"
names="$names$(tr '\n' ' ' <"$work/chains")"
if [ -s "$work/filters" ]; then
	right "filter-deep is a filter: $names"
else
	wrong "no filter of $conf is filter-deep; see filter-deep(8) and the examples in \
%datadir%/deep"
fi

# has_filter LINE: whether the statement names one of these filters.
has_filter()
{
	for one in $names; do
		case " $1 " in
		*" filter \"$one\" "*|*" filter $one "*|*"	filter \"$one\" "*)
			return 0 ;;
		esac
	done
	return 1
}

listens=0
while read -r line; do
	case $line in
	'listen on socket'*)
		listens=1
		if has_filter "$line"; then
			right 'the DSNs of smtpd pass filter-deep'
		else
			wrong 'DSNs will not name latches: write listen on socket filter "deep"'
		fi ;;
	action*relay*)
		action=$(echo "$line" | sed 's/^action[ 	]*"\{0,1\}\([^ 	"]*\).*/\1/')
		if has_filter "$line"; then
			right "action $action has the filter"
		else
			wrong "action $action has no filter-deep: nothing is learnt or noted from it"
		fi
		host=$(echo "$line" | sed -n 's/.*[ 	]host[ 	]*"\{0,1\}\([^ 	"]*\).*/\1/p')
		case $host in
		''|*://127.*|*://\[127.*|*://\[::1\]*|*://localhost*|*@127.*) ;;
		*)
			bare=$(echo "$host" | sed 's|.*//||; s|.*@||; s|:[0-9]*$||')
			if grep -q "filter-deep.*[ ]-n" "$work/filters" ||
			    grep -q "^smarthosts.*$bare" "$deep" 2>/dev/null; then
				right "the smarthost $bare is not learnt from"
			else
				wrong "the smarthost $bare would be learnt from: name it in \
smarthosts of $deep, or give action $action a filter with -n"
			fi ;;
		esac
		echo "$line" >>"$work/relays" ;;
	esac
done <"$work/conf"
[ $listens = 1 ] || wrong 'DSNs will not name latches: write listen on socket filter "deep"'

# Two actions with different TLS and one ca: smtpd 7.x would mix them up.
if at_least 7 0 && [ -s "$work/relays" ]; then
	shared=$(sed -n 's/^action[ 	]*"\{0,1\}\([^ 	"]*\).*[ 	]tls\([ 	].*\)$/\1|\2/p' \
	    "$work/relays" | awk -F'|' '
	{
		ca = "none"; if (match($2, /ca[ \t]+"?[^ \t"]+/)) ca = substr($2, RSTART, RLENGTH)
		how = ($2 ~ /no-verify/ ? "no-verify " : "verify ")
		if (match($2, /ciphers[ \t]+"[^"]*"/)) how = how substr($2, RSTART, RLENGTH)
		if (match($2, /protocols[ \t]+"[^"]*"/)) how = how substr($2, RSTART, RLENGTH)
		if (ca in seen && seen[ca] != how) print first[ca] " and " $1
		else { seen[ca] = how; first[ca] = $1 }
	}')
	if [ -n "$shared" ]; then
		wrong "actions with different TLS would share sessions: $shared; give each a ca \
of its own name"
	else
		right 'no two actions with different TLS share a session'
	fi
fi

# The programs, asked as smtpd asks them.

as()			# USER COMMAND: with standard input; as this one where it cannot be
{
	if [ "$(id -u)" = 0 ] && [ -n "$1" ] && [ "$1" != root ]; then
		perl -e '
			my ($user, $command) = @ARGV;
			my @entry = getpwnam($user) or die "there is no user $user\n";
			my @groups = $entry[3];
			while (my @group = getgrent) {
				push @groups, $group[2] if grep { $_ eq $user } split / /, $group[3];
			}
			$( = $entry[3];
			$) = join " ", $entry[3], @groups;
			$< = $> = $entry[2];
			exec "/bin/sh", "-c", $command;' "$1" "$2"
	else
		sh -c "$2"
	fi
}
# reads_not USER: what a program said of the store in $work/err, which ends in what is wrong
# with its modes; of the user that is not in the group also how he gets there.
reads_not()
{
	grep -m 1 'event=alarm' "$work/err" || head -n 1 "$work/err"
	path=$(sed -n 's/.*text="\(\/[^:]*\): .*/\1/p' "$work/err" | head -n 1)
	[ -e "$path" ] || return 0
	# shellcheck disable=SC2012
	group=$(ls -ld "$path" | awk '{ print $4 }')
	case " $(id -nG "$1" 2>/dev/null) " in
	*" $group "*)	;;
	*)	[ "$group" = root ] || echo "; usermod -a -G $group $1" ;;
	esac
}
libexec=%libexecdir%/opensmtpd
for place in /usr/libexec/opensmtpd /usr/local/libexec/opensmtpd /usr/libexec/smtpd; do
	[ ! -d "$place" ] || { libexec=$place; break; }
done
smtpd_user=_smtpd
id opensmtpd >/dev/null 2>&1 && smtpd_user=opensmtpd

while IFS='|' read -r name command user; do
	case $command in
	/*)	;;
	*)	command=$libexec/$command ;;
	esac
	[ -n "$user" ] || user=$smtpd_user
	printf 'config|smtpd-version|%s\nconfig|subsystem|smtp-in\nconfig|subsystem|smtp-out\nconfig|ready\n' \
	    "$version" | as "$user" "exec $command" >"$work/out" 2>"$work/err"
	if grep -q -x 'register|ready' "$work/out"; then
		right "filter $name starts as $user"
	else
		wrong "filter $name does not start as $user: $(head -n 1 "$work/err")"
	fi
	! grep -q 'event=alarm' "$work/err" || wrong "filter $name: $(reads_not "$user" | tr -d '\n')"
done <"$work/filters"

relay=
tables=$(sed -n 's/^table[ 	][ 	]*"\{0,1\}\([^ 	"]*\)"\{0,1\}[ 	][ 	]*"\{0,1\}deep:\([^ 	"]*\).*/\1|\2/p' \
    "$work/conf")
if [ -n "$tables" ]; then
	for table in $tables; do
		name=${table%%|*} file=${table#*|}
		# a machine that is busy may take longer for one answer than the table waits
		{
			printf 'config|tablename|%s\nconfig|ready\n' "$name"
			printf 'table|0.1|1.0|%s|lookup|relayhost|0000000a|deep-smtpd.invalid\n' "$name"
			for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
				printf 'table|0.1|1.0|%s|check|domain|0000000b|deep-smtpd.invalid\n' "$name"
			done
		} | as "$smtpd_user" "exec $libexec/table-deep $file" >"$work/out" 2>"$work/err"
		if grep -q -x 'register|ready' "$work/out"; then
			right "table $name starts as $smtpd_user"
		else
			wrong "table $name does not start as $smtpd_user: $(head -n 1 "$work/err")"
		fi
		if grep -q -x 'check-result|0000000b|not-found' "$work/out"; then
			right "table $name reads the store"
		else
			[ -s "$work/err" ] || sed -n 's/^check-result|0000000b|error|//p' "$work/out" \
			    >"$work/err"
			wrong "table $name cannot read the store: $(reads_not "$smtpd_user" | tr -d '\n')"
		fi
		relay=$(sed -n 's|^lookup-result.0000000a.found.smtp+notls://||p' "$work/out" |
		    tr -d '[]')
	done
elif at_least 7 6; then
	note "no table-deep: latches are kept by the actions of smtpd alone, or deep-relay is a \
smarthost"
fi
[ -n "$relay" ] || relay=$(sed -n 's|.*[ 	]host[ 	]*"\{0,1\}smtp+notls://\[\{0,1\}\(127\.[0-9.]*\)\]\{0,1\}\(:[0-9]*\).*|\1\2|p' \
    "$work/conf" | head -n 1)

# The store.

if command -v deeplatch >/dev/null; then
	if deeplatch -f "$deep" verify >"$work/out" 2>&1; then
		right 'the store is sound'
	else
		wrong "the store: $(tail -n 1 "$work/out")"
	fi
else
	wrong 'deeplatch is not here; install it to see and to reset latches'
fi

# What runs.

if smtpctl show status >"$work/out" 2>&1; then
	right 'smtpd runs'
	# shellcheck disable=SC2009
	if ps -A -o args 2>/dev/null | grep -v grep | grep -q 'filter-deep'; then
		right 'filter-deep runs in it'
	elif command -v ps >/dev/null; then
		wrong 'smtpd runs without filter-deep; start it again'
	fi
else
	note "smtpd does not run, or only root may ask it: $(head -n 1 "$work/out")"
fi

# deep-relay, where mail is sent to.

# talk ADDRESS PORT COMMAND ...: each reply's last line.
talk()
{
	perl -MIO::Socket::INET -e '
		my ($address, $port, @say) = @ARGV;
		my $s = IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port,
		    Timeout => 10) or die "$!\n";
		$s->autoflush(1);
		alarm(260);
		for my $command ("", @say) {
			print $s "$command\r\n" if $command ne "";
			my $line = "";
			while (defined($line = <$s>) && $line =~ /^...-/) { }
			die "closed\n" unless defined $line;
			$line =~ s/[^ -~]//g;
			print "$line\n";
		}' "$@" 2>&1
}
if [ -n "$relay" ]; then
	address=${relay%:*} port=${relay##*:}
	set -- "$address" "$port" "EHLO deep-smtpd.invalid"
	[ -z "$try" ] || set -- "$@" 'MAIL FROM:<>' 'RCPT TO:<check@deep-smtpd.invalid>'
	talk "$@" QUIT >"$work/out"
	if [ "$(head -n 2 "$work/out" | grep -c '^2')" = 2 ]; then
		right "deep-relay answers on $relay"
	else
		wrong "deep-relay does not answer on $relay: $(head -n 1 "$work/out"); start it, and \
let it listen on the net of [table]"
		try=			# nobody to be tried
	fi
	if [ -n "$try" ]; then
		case $(sed -n 4p "$work/out") in
		[45]*)	right "a domain without a mail exchanger is refused: $(sed -n 4p "$work/out")" ;;
		*)	wrong "a domain without a mail exchanger got: $(sed -n 4p "$work/out")" ;;
		esac
	fi
else
	note "smtpd sends nothing to deep-relay: tls-cert and tls-dane-tlsa are not learnt, and \
latches are kept only where an action asks for them"
fi

if [ $wrong = 0 ]; then
	echo 'all is as it has to be'
else
	echo "$wrong wrong"
	exit 1
fi
