#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# rounds.py ROUNDS FOLDER - the timing of tests/bench/run: runs each tool once
# a round on the files "large" and "small" of the folder, and prints medians,
# their ratio to deeptrace, and the most memory that each tool held.

import os
import statistics
import subprocess
import sys
import time

MIB = 1024 * 1024


def run(command):
    """Seconds, peak resident memory in MiB, and what a tool that counts said.
    GNU time reports the memory of the child alone: a fork of this process
    would count its own.  grep must not write to /dev/null, which it notices,
    and then it stops at the first match."""
    out = subprocess.DEVNULL if "deeptrace" in command[0] else subprocess.PIPE
    begin = time.perf_counter()
    done = subprocess.run(["/usr/bin/time", "-f", "%M"] + command,
                          stdout=out, stderr=subprocess.PIPE, check=False)
    took = time.perf_counter() - begin
    # deeptrace tells by 1 to 3 what it found, grep by 1 that it found nothing
    if done.returncode > 3:
        sys.exit("%s: status %d\n%s" % (
            command[0], done.returncode, done.stderr.decode(errors="replace")))
    said = (done.stdout or b"").decode().strip()
    return took, int(done.stderr.split()[-1]) / 1024, said


def main():
    rounds, folder = int(sys.argv[1]), sys.argv[2]
    large, small = folder + "/large", folder + "/small"
    tools = [("deeptrace --format json", ["./deeptrace", "--format", "json"], large),
             ("deeptrace -j 2", ["./deeptrace", "--format", "json", "-j", "2"], large),
             ("deeptrace --summary json", ["./deeptrace", "--summary", "json"], large),
             ("gmime_walk", [folder + "/gmime_walk"], large),
             ("pyemail.py, scaled", [sys.executable, "tests/bench/pyemail.py"], small),
             ("grep -c '^Received:'", ["grep", "-c", "^Received:"], large),
             ("wc -l", ["wc", "-l"], large),
             ("deeptrace, small file", ["./deeptrace", "--format", "json"], small)]
    tools = [tool for tool in tools
             if "/" not in tool[1][0] or os.access(tool[1][0], os.X_OK)]
    for path in large, small:  # into the page cache
        with open(path, "rb") as text:
            while text.read(MIB):
                pass
    seconds = {name: [] for name, _, _ in tools}
    memory = dict.fromkeys(seconds, 0.0)
    said = dict.fromkeys(seconds, "")
    for _ in range(rounds):
        for name, command, path in tools:
            took, peak, said[name] = run(command + [path])
            seconds[name].append(took)
            memory[name] = max(memory[name], peak)

    sizes = {path: os.path.getsize(path) / MIB for path in (large, small)}
    print("%d rounds, medians; large %.1f MiB, small %.1f MiB; "
          "pyemail.py reads the small one, its time is scaled to the large one" % (
              rounds, sizes[large], sizes[small]))
    print("%-24s %9s %17s %9s %7s %9s" % (
        "tool", "seconds", "least to most", "MiB/s", "ratio", "peak MiB"))
    first = None
    for name, _, path in tools:
        factor = sizes[large] / sizes[path] if "scaled" in name else 1
        median = statistics.median(seconds[name]) * factor
        first = first or median
        print("%-24s %9.3f %8.3f %8.3f %9.1f %7.2f %9.1f" % (
            name, median, min(seconds[name]) * factor, max(seconds[name]) * factor,
            sizes[path] * factor / median, median / first, memory[name]))
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    one = middle["deeptrace --format json"]
    for text, ratio in (
            ("times the throughput of GMime", middle.get("gmime_walk", 0) / one),
            ("times the time of grep -c", one / middle["grep -c '^Received:'"]),
            ("times as fast with -j 2", one / middle["deeptrace -j 2"])):
        print("deeptrace: %.2f %s" % (ratio, text))
    for name, text in said.items():  # that they read the same
        if text:
            print("%s: %s" % (name, text))


main()
