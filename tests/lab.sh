#!/bin/sh
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
# Needs: python3
#
# The lab that the end-to-end tests stand on does what they believe of it: see
# tests/lab/selftest.  Needs root, and the roots of tests/lab/fetch in the cache.

cd "$(dirname "$0")/.." || exit 1
exec python3 tests/lab/selftest
