#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3 parallel ip rsync
#
# hosts.sh - deeptrace over two hosts with GNU parallel and ssh, as the manual
# says: two network namespaces, each with an sshd of the test's own keys and
# configuration; the counts put together are those of one run.

cd "${DEEP_TOP:-$(dirname "$0")/..}" || exit 1
. tests/tap.sh

sshd=$(command -v sshd || echo /usr/sbin/sshd)
if [ "$(id -u)" != 0 ] || ! [ -x "$sshd" ] ||
    ! ip netns add "deep-probe-$$" 2>/dev/null; then
	echo '1..0 # SKIP needs root, network namespaces and sshd'
	exit 0
fi
ip netns del "deep-probe-$$"
master=deep-m$$ servers=
close_all()
{
	for pid in $servers; do
		kill "$pid" 2>/dev/null
	done
	for n in m a b; do
		ip netns del "deep-$n$$" 2>/dev/null
	done
	rm -rf "$work"
}
trap close_all 0

# One bridge in the master's namespace, a host at each end.
chmod 755 "$work"
{
	ip netns add "$master" &&
	    ip -n "$master" link set lo up &&
	    ip -n "$master" link add bridge type bridge &&
	    ip -n "$master" addr add 10.99.0.1/24 dev bridge &&
	    ip -n "$master" link set bridge up
	for n in a b; do
		ip netns add "deep-$n$$"
		ip -n "$master" link add "to-$n" type veth peer name eth0 netns "deep-$n$$"
		ip -n "$master" link set "to-$n" master bridge up
		ip -n "deep-$n$$" link set lo up
		ip -n "deep-$n$$" link set eth0 up
	done
	ip -n "deep-a$$" addr add 10.99.0.2/24 dev eth0
	ip -n "deep-b$$" addr add 10.99.0.3/24 dev eth0
	ssh-keygen -q -t ed25519 -N '' -f "$work/key"
	ssh-keygen -q -t ed25519 -N '' -f "$work/host"
} >"$work/log" 2>&1
ok $? 'two hosts and a key'
cp "$work/key.pub" "$work/authorized"
cat >"$work/sshd.conf" <<-END
	Port 2222
	HostKey $work/host
	AuthorizedKeysFile $work/authorized
	AuthenticationMethods publickey
	PermitRootLogin yes
	StrictModes no
	UsePAM no
	PidFile none
	MaxStartups 100
END
cat >"$work/ssh.conf" <<-END
	Host *
		Port 2222
		User root
		IdentityFile $work/key
		IdentitiesOnly yes
		UserKnownHostsFile $work/known
		StrictHostKeyChecking accept-new
		LogLevel ERROR
END
for n in a b; do
	# its folder for privilege separation is in a /run of its own
	ip netns exec "deep-$n$$" unshare -m sh -c '
		mount -t tmpfs tmpfs /run && mkdir /run/sshd && exec "$@"' - \
	    "$sshd" -D -e -f "$work/sshd.conf" >"$work/sshd-$n.log" 2>&1 &
	servers="$servers $!"
done
remote()	# HOST COMMAND ...
{
	ip netns exec "$master" ssh -F "$work/ssh.conf" "$@"
}
for host in 10.99.0.2 10.99.0.3; do
	tries=0
	until remote $host true 2>"$work/log" || [ $tries = 600 ]; do
		tries=$((tries + 1))
		sleep 0.1
	done
	is "$(remote $host ip -br addr show dev eth0 2>"$work/log" | grep -o '10\.99\.0\.[23]')" $host \
	    "a shell on $host"
done

# Three parts of an archive; they travel to the hosts and the counts come back.
mkdir "$work/master" "$work/far"
for n in 1 2 3; do
	python3 tests/bench/mksynth.py 1 "$n" >"$work/master/part$n.mbox" 2>/dev/null
done
top=$(pwd)
cd "$work/master" || exit 1
"$top/deeptrace" --summary json part*.mbox >"$work/one" 2>"$work/log"
[ -s "$work/one" ]
ok $? 'one run over everything'
HOME=$work/master ip netns exec "$master" parallel --will-cite --no-notice --jobs 1 \
    --ssh "ssh -F $work/ssh.conf" --sshlogin 10.99.0.2,10.99.0.3 --workdir "$work/far" \
    --transferfile '{}' --return '{}.json' --cleanup \
    "$top/deeptrace --summary json {} >{}.json; echo \$? {} \$(ip -br addr show dev eth0 | grep -o '10\.99\.0\.[23]')" \
    ::: part*.mbox >"$work/said" 2>"$work/log"
ok $? 'parallel runs deeptrace on both hosts'
is "$(awk '{ print $3 }' "$work/said" | sort -u | tr '\n' ' ')" '10.99.0.2 10.99.0.3 ' 'and both worked'
is "$(awk '{ print $2 }' "$work/said" | sort | tr '\n' ' ')" \
    'part1.mbox part2.mbox part3.mbox ' 'each part was done once'
"$top/deeptrace" merge part*.mbox.json >"$work/merged" 2>"$work/log"
cmp "$work/one" "$work/merged" >>"$work/log" 2>&1
ok $? 'merge: the counts of one run over everything, octet for octet'
is "$(find "$work/far" -type f 2>/dev/null | wc -l | tr -d ' ')" 0 'nothing is left on the hosts'
cd "$top" || exit 1

echo "1..$count"
[ "$failures" = 0 ]
