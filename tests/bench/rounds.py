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


def halves(large, folder):
    """The mbox in two, at the boundary that is next to its middle."""
    with open(large, "rb") as text:
        whole = text.read()
    cut = whole.index(b"\n\nFrom ", len(whole) // 2) + 2
    paths = [folder + "/half.1", folder + "/half.2"]
    for path, part in zip(paths, (whole[:cut], whole[cut:])):
        with open(path, "wb") as out:
            out.write(part)
    return paths


def run(command, paths):
    """One process for each path, all at once.  Seconds, the sum of the peaks of
    resident memory in MiB, and what a tool that counts said.  GNU time
    reports the memory of the child alone: a fork of this process would count
    its own.  grep must not write to /dev/null, which it notices, and then it
    stops at the first match."""
    out = subprocess.DEVNULL if "deeptrace" in command[0] else subprocess.PIPE
    begin = time.perf_counter()
    children = [subprocess.Popen(["/usr/bin/time", "-f", "%M"] + command + [path],
                                 stdout=out, stderr=subprocess.PIPE) for path in paths]
    ended = [child.communicate() for child in children]
    took = time.perf_counter() - begin
    # deeptrace tells by 1 to 3 what it found, grep by 1 that it found nothing
    for child, (_, said) in zip(children, ended):
        if child.returncode > 3:
            sys.exit("%s: status %d\n%s" % (
                command[0], child.returncode, said.decode(errors="replace")))
    memory = sum(int(err.split()[-1]) for _, err in ended) / 1024
    return took, memory, (ended[0][0] or b"").decode().strip()


def main():
    rounds, folder = int(sys.argv[1]), sys.argv[2]
    large, small = folder + "/large", folder + "/small"
    json = ["./deeptrace", "--format", "json"]
    # what two cores of this machine can do at most, beside what -j 2 makes of them
    beside = halves(large, folder)
    tools = [("deeptrace --format json", json, [large]),
             ("deeptrace -j 2", json + ["-j", "2"], [large]),
             ("deeptrace -j 2 --unordered", json + ["-j", "2", "--unordered"], [large]),
             ("two, half the file each", json, beside),
             ("deeptrace --summary json", ["./deeptrace", "--summary", "json"], [large]),
             ("gmime_walk", [folder + "/gmime_walk"], [large]),
             ("pyemail.py, scaled", [sys.executable, "tests/bench/pyemail.py"], [small]),
             ("grep -c '^Received:'", ["grep", "-c", "^Received:"], [large]),
             ("wc -l", ["wc", "-l"], [large]),
             ("deeptrace, small file", json, [small])]
    tools = [tool for tool in tools
             if "/" not in tool[1][0] or os.access(tool[1][0], os.X_OK)]
    for path in [large, small] + beside:  # into the page cache
        with open(path, "rb") as text:
            while text.read(MIB):
                pass
    seconds = {name: [] for name, _, _ in tools}
    memory = dict.fromkeys(seconds, 0.0)
    said = dict.fromkeys(seconds, "")
    for _ in range(rounds):
        for name, command, paths in tools:
            took, peak, said[name] = run(command, paths)
            seconds[name].append(took)
            memory[name] = max(memory[name], peak)

    sizes = {path: os.path.getsize(path) / MIB for path in [large, small] + beside}
    print("%d rounds, medians; large %.1f MiB, small %.1f MiB; "
          "pyemail.py reads the small one, its time is scaled to the large one" % (
              rounds, sizes[large], sizes[small]))
    print("%-26s %9s %17s %9s %7s %9s" % (
        "tool", "seconds", "least to most", "MiB/s", "ratio", "peak MiB"))
    first = None
    for name, _, paths in tools:
        size = sum(sizes[path] for path in paths)
        factor = sizes[large] / size if "scaled" in name else 1
        median = statistics.median(seconds[name]) * factor
        first = first or median
        print("%-26s %9.3f %8.3f %8.3f %9.1f %7.2f %9.1f" % (
            name, median, min(seconds[name]) * factor, max(seconds[name]) * factor,
            size * factor / median, median / first, memory[name]))
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    one = middle["deeptrace --format json"]
    for text, ratio in (
            ("times the throughput of GMime", middle.get("gmime_walk", 0) / one),
            ("times the time of grep -c", one / middle["grep -c '^Received:'"]),
            ("times as fast with -j 2", one / middle["deeptrace -j 2"]),
            ("times as fast, two processes side by side", one / middle["two, half the file each"])):
        print("deeptrace: %.2f %s" % (ratio, text))
    for name, text in said.items():  # that they read the same
        if text:
            print("%s: %s" % (name, text))


main()
