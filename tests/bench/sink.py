# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
sink.py: tests/bench/load as the other side of a benchmark, in the world of a lab: it
takes mail over TLS, keeps none of it, and counts.
"""
import os
import subprocess

import lab

LOAD = os.path.dirname(os.path.abspath(__file__)) + "/load"
SINK = "10.9.0.50"


class Sink:
    def __init__(self, it, name):
        made = it.certificate(name)
        self.process = subprocess.Popen(("nsenter", "--net=/proc/%d/ns/net" %
            it.world.pid, LOAD, "sink", SINK, "25", made["certificate"], made["key"]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True)
        it.listens(SINK)

    def count(self):
        """(messages, TLS sessions)"""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        numbers = [int(one) for one in self.process.stdout.readline().split()]
        return numbers[0], numbers[3]

    def wait(self, number, pause=0.01):
        if not lab.wait(lambda: self.count()[0] >= number, 300, pause):
            raise RuntimeError("only %d of %d messages came" % (self.count()[0], number))
