#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3
#
# D4-1, D4-3, X-8, X-9, X-10: real mail through real servers.  Exim, OpenSMTPD
# and two Postfix stand in a network of their own (192.0.2.0/24 on a loopback
# that nobody else sees), messages with NOTIFY=SUCCESS RET=HDRS go through them,
# and what ./deeptrace says of each success DSN is held against the servers'
# settings and logs.  tests/chain/run has the routes, the servers' files lie in
# tests/chain/etc.
#
# Needs root (several users, mounts) and the root "trixie" of tests/lab/fetch, which
# it never fetches itself; skips where something is missing.  DEEP_CHAIN_KEEP=folder
# keeps the DSNs and the logs there.

cd "$(dirname "$0")/.." || exit 1
exec python3 tests/chain/run
