#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
exim.py [ROUNDS]: what the latches add to a delivery by Exim, side by side in one run:
deliveries over TLS to one sink without deep-exim.so, with it where all is only
observed, and where all is enforced; with a connection for each message, and with one
for many; over a link that takes no time, and over one of 10 ms there and back (slow.py),
as no link is without any.  These are messages that wait in the queue, which one process
goes through; and, over either link, messages that the daemon takes in by SMTP and
delivers at once, one after the other, by a process that it starts for each: there the
time is that from the client's connection to the sink.  To that, what it would cost
without the module to give up using connections again, which is what Exim's own way to a
check before each MAIL is (hosts_nopass_tls).

The ways take turns, and what counts is the median, over the rounds, of the ratio to
what stood beside it in the same round.  A round is told on stderr when it is over; the
five of the default are to fit in some four minutes.  CPU is that of all processes of
Exim, user and system, as their parents and process 1 of the lab are told.  Needs root
and the root "bookworm" of tests/lab/fetch, and a machine that does nothing else.
"""
import os
import resource
import smtplib
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path[:0] = [TESTS + "/lab", TESTS + "/exim"]
import attack
import lab
import matrix
from server import Server, STRICT
from sink import SINK, Sink

ROUNDS, MESSAGES, WARM_UP = 5, 60, 10
FAR, FAR_MESSAGES, ONE_WAY = "10.9.0.51", 20, 0.005
# In the same profile: else tls-cert is learnt in one, contradicted in the other, and what
# is measured is the store being written to with each message.
OBSERVE = STRICT + "[mode]\n" + "".join("%s = observe\n" % one for one in matrix.REGISTRY)
WITHOUT, OBSERVED, ENFORCED = "without", "observe", "enforce"
NO_REUSE = "without, hosts_nopass_tls"
NEAR_DOMAIN, FAR_DOMAIN = "sink.lab.test", "far.lab.test"
AT_ONCE = None
QUEUES = (("a connection for each", "-q", NEAR_DOMAIN, MESSAGES,
        (WITHOUT, OBSERVED, ENFORCED)),
    ("one connection for many", "-qq", NEAR_DOMAIN, MESSAGES,
        (WITHOUT, OBSERVED, ENFORCED, NO_REUSE)),
    ("10 ms, one for each", "-q", FAR_DOMAIN, FAR_MESSAGES, (WITHOUT, OBSERVED, ENFORCED)),
    ("10 ms, one for many", "-qq", FAR_DOMAIN, FAR_MESSAGES,
        (WITHOUT, OBSERVED, ENFORCED, NO_REUSE)),
    ("at once", AT_ONCE, NEAR_DOMAIN, FAR_MESSAGES, (WITHOUT, OBSERVED, ENFORCED)),
    ("10 ms, at once", AT_ONCE, FAR_DOMAIN, FAR_MESSAGES, (WITHOUT, OBSERVED, ENFORCED)))


def spent():
    """Seconds of CPU of the processes that have ended below this one, or below 1."""
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open("/proc/1/stat") as file:
        words = file.read().rsplit(")", 1)[1].split()
    return mine.ru_utime + mine.ru_stime + (int(words[13]) + int(words[14])) / \
        os.sysconf("SC_CLK_TCK")


def in_and_out(exim, sink, domain, messages):
    """Seconds for messages that come by SMTP one after the other, each until the sink has
    it: Exim takes 200 ms to end a session.  Nobody is told what CPU the processes take
    that its daemon does not wait for."""
    daemon = exim.daemon()
    before, taken = sink.count()[0], 0
    for number in range(messages):
        start = time.monotonic()
        with smtplib.SMTP(lab.INSIDE, 25, "client.lab.test", timeout=lab.PATIENCE) as client:
            client.sendmail("alice@local.test", ["u%d@%s" % (number, domain)],
                "Subject: x\r\n\r\nx\r\n")
            sink.wait(before + number + 1, 0.001)
            taken += time.monotonic() - start
    lab.wait(lambda: not exim.busy(), 60, 0.005)
    exim.it.stop(daemon)
    return (taken,)


def from_queue(it, exim, sink, how, domain, messages):
    """Seconds, and seconds of CPU, for messages that are queued before."""
    it.run("exim4", "-odq", "-bS", check=True, input=attack.batch([("alice@local.test",
        "u%d@%s" % (number, domain), "Subject: x\r\n\r\nx\r\n") for number in
        range(messages)]), seconds=300)
    before, cpu, start = sink.count()[0], spent(), time.monotonic()
    it.run("exim4", how, seconds=300)
    sink.wait(before + messages)
    lab.wait(lambda: not exim.busy(), 60, 0.005)
    return time.monotonic() - start, spent() - cpu


def deliver(it, exim, sink, how, domain, messages):
    taken = in_and_out(exim, sink, domain, messages) if how is AT_ONCE else \
        from_queue(it, exim, sink, how, domain, messages)
    if exim.queue() or exim.panic():
        raise RuntimeError("%s\n%s" % (exim.log()[-3000:], exim.panic()))
    return taken


def bench(it):
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    it.build()
    it.ttl = 300
    it.dns({NEAR_DOMAIN: {"MX": "10 mx.sink.lab.test."}, "mx.sink.lab.test": {"A": SINK},
        FAR_DOMAIN: {"MX": "10 mx.far.lab.test."}, "mx.far.lab.test": {"A": FAR}})
    sink = Sink(it, "mx.sink.lab.test")
    with subprocess.Popen(("nsenter", "--net=/proc/%d/ns/net" % it.world.pid, sys.executable,
            HERE + "/slow.py", FAR, SINK, str(ONE_WAY))) as slow:
        try:
            it.listens(FAR)
            if slow.poll() is not None:     # and not another that listens there
                raise RuntimeError("there is no slow link")
            measure(it, sink, rounds)
        finally:
            slow.terminate()


def measure(it, sink, rounds):
    limits = "\nsmtp_accept_queue_per_connection = 0\nsmtp_accept_max_per_connection = 0\n"
    exim = Server(it, setup=False, main=limits)
    plain = it.read("/etc/exim4/exim4.conf")
    exim = Server(it, main=limits)
    latched = it.read("/etc/exim4/exim4.conf")
    for domain in NEAR_DOMAIN, FAR_DOMAIN:  # the latches are there
        exim.send("user@" + domain)
    ways = {WITHOUT: (plain, ""), OBSERVED: (latched, OBSERVE), ENFORCED: (latched, STRICT),
        NO_REUSE: (plain.replace("  command_timeout", "  hosts_nopass_tls = *\n"
        "  command_timeout"), "")}
    for what, how, domain, messages, names in QUEUES:
        taken = {name: [] for name in names}
        for number in range(rounds + 1):
            count = messages if number else WARM_UP
            for at in range(len(names)):
                name = names[(at + number) % len(names)]
                it.write("/etc/exim4/exim4.conf", ways[name][0])
                exim.configure(ways[name][1])
                got = deliver(it, exim, sink, how, domain, count)
                if number:
                    taken[name].append([1000 * one / count for one in got])
            if number:
                print("# %s, round %d of %d: %s" % (what, number, rounds, ", ".join(
                    "%s %.1f ms" % (name, taken[name][-1][0]) for name in names)),
                    file=sys.stderr, flush=True)
        for name in names:
            tell(what, name, taken[name], taken[WITHOUT])
        if NO_REUSE in names:
            tell(what, ENFORCED + ", beside the latter", taken[ENFORCED], taken[NO_REUSE])
    lab.ok(True, "measured")


def tell(what, name, taken, beside):
    """Medians of [ms, ms of CPU] a message, and of their ratios round by round."""
    line = "%-24s %-27s" % (what, name)
    for part, unit in enumerate(("ms a message", "ms of CPU")[:len(taken[0])]):
        line += " %7.2f %s %+6.1f %%  " % (statistics.median(one[part] for one in taken), unit,
            100 * statistics.median(one[part] / other[part] for one, other in
            zip(taken, beside)) - 100)
    lab.diag(line.rstrip())


lab.main(bench, ("bookworm",))
