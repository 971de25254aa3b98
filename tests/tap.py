# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# tap.py - what a test written in Python says to prove(1), as tap.h does for C:
# "import tap", checks, and tap.done() at the end.

import sys

count = failures = 0


def ok(good, name, why=""):
    """A check; why is shown where it failed."""
    global count, failures
    count += 1
    print("%s %d - %s" % ("ok" if good else "not ok", count, name), flush=True)
    if not good:
        failures += 1
        print("\n".join("# " + line for line in str(why)[:3000].splitlines()), file=sys.stderr)


def skip(why, name):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, name, why), flush=True)


def skip_all(why):
    print("1..0 # skip " + why)
    sys.exit(0)


def done():
    print("1..%d" % count)
    sys.exit(failures > 0)
