#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# D4-1, D4-3, X-8, X-9, X-10: real mail through real servers.  Exim, OpenSMTPD
# and two Postfix stand in a network of their own (192.0.2.0/24 on a loopback
# that nobody else sees), messages with NOTIFY=SUCCESS RET=HDRS go through them,
# and what ./deeptrace says of each success DSN is held against the servers'
# settings and logs.  tests/chain/run has the routes, the servers' files lie in
# tests/chain/etc.
#
# Needs root (several users, mounts) and the packages of tests/chain/fetch, which
# it never fetches itself unless DEEP_CHAIN_FETCH=1; skips where one is missing.
# DEEP_CHAIN_KEEP=folder keeps the DSNs and the logs there.

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1

skip() {
	echo "1..0 # SKIP $*"
	exit 0
}

[ "$(id -u)" = 0 ] || skip "needs root: the servers run as several users"
for tool in unshare mount chroot ip python3 openssl; do
	command -v $tool >/dev/null || skip "$tool is missing"
done
offline=-n
[ "${DEEP_CHAIN_FETCH:-0}" = 0 ] || offline=
root=$(tests/chain/fetch $offline 2>&1) || skip "$root"
why=$(unshare --net --mount --uts --ipc --pid --fork true 2>&1) || skip "$why"

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
# All servers are children of this process's child and end with it.
unshare --net --mount --uts --ipc --pid --fork --kill-child \
    python3 tests/chain/run "$root" "$work"
