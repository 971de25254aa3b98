#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
relay.py [ROUNDS [-v]]: how quickly mail goes through deep-relay, side by side in one run:
2,000 small messages and 100 of 5 MB, over TLS to one sink,

	direct			from a source that speaks to the sink itself
	a bare proxy		from that source, through one that copies octets (below)
	deep-relay		from that source, through deep-relay
	Postfix, OpenSMTPD	from their queues, by their own clients
	Postfix by deep-relay	from their queues, through deep-relay
	OpenSMTPD by deep-relay

	DEEP_BENCH_WAYS		these of them alone: direct,deep-relay

Then the memory that deep-relay takes for a session.

The source and the sink are tests/bench/load.  Postfix and OpenSMTPD are given all
messages first, held back, and timed from their release to the last message at the sink;
OpenSMTPD gets a tenth of them, and its time is that of all at the same speed.  CPU is
that of all processes at both ends and between, and what of it is deep-relay's own.
The source speaks in the clear to deep-relay, and does not encrypt as it does to the sink:
that work is deep-relay's then, and the way over loopback, written and read once more, is
what the machine asks for.  How much that is is measured too: a bare proxy (tests/bench/load)
has the same two connections, the same TLS, large buffers, and looks at nothing; what it
loses against direct no proxy can have.  With two cores and a sink that does nothing with a
message, CPU is what messages a second come from; on a machine that does other things too it
is the figure to look at.  Needs root and the root "trixie" of
tests/lab/fetch.
"""
import os
import re
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(HERE)
sys.path.insert(0, TESTS + "/lab")
import lab
from sink import LOAD, SINK, Sink

TO, BY = "user@sink.lab.test", "user@by.lab.test"
PORT, BARE = 10025, 10024       # of deep-relay, and of the bare proxy
# Messages, octets, messages on one connection of the source.
SIZES = (("2,000 of 2 KB, 20 a connection", 2000, 2000, 20),
    ("2,000 of 2 KB, a connection each", 2000, 2000, 1),
    ("100 of 5 MB, 10 a connection", 100, 5000000, 10))
SESSIONS = 200
RELAY = """[store]
url = sqlite:/var/lib/deep/latches.db

[policy]
confirm = 1
confirm-over = 0

[relay]
listen = 127.0.0.1:%d
name = relay.lab.test
user = deeprelay
trust-anchor = /etc/deep.anchors
domain-sessions = 1000
""" % PORT
POSTFIX = """compatibility_level = 3.6
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix.log
myhostname = mta.lab.test
mydestination =
inet_interfaces = 127.0.0.1
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
message_size_limit = 20000000
smtpd_recipient_restrictions = check_client_access static:HOLD, permit_mynetworks, reject
smtp_tls_security_level = encrypt
initial_destination_concurrency = 20
transport_maps = inline:{ { by.lab.test = clear:[127.0.0.1]:%d } }
""" % PORT
SMTPD = """smtp max-message-size 20M
listen on 127.0.0.1 port 2525
action "out" relay tls no-verify
action "by" relay host "smtp+notls://127.0.0.1:%d"
match from any for domain "by.lab.test" action "by"
match from any for any action "out"
""" % PORT


def source(address, port, number, size, each, *more, to=TO):
    got = subprocess.run((LOAD, "source", "-n", str(number), "-s", str(size), "-c",
        str(10 if each == 10 else 20), "-p", str(each)) + more + (address, str(port), to),
        stdout=subprocess.PIPE, universal_newlines=True).stdout.split()
    if len(got) != 3 or int(got[2]) or int(got[1]) != number:
        raise RuntimeError("%s:%s took %s" % (address, port, got))
    return float(got[0])


def deep_relay(it):
    it.user("deeprelay", 210)
    it.folder_of("/var/lib/deep", 210, 210, 0o750)
    it.write("/etc/deep.conf", RELAY)
    it.write("/etc/deep.anchors", "".join(line + "\n" for line in re.findall(
        r'trust-anchor: "(.*)"', it.read("/etc/unbound/lab.conf"))))
    it.run("deeplatch", "init", "--owner", "deeprelay", "--group", "deeprelay",
        check=True)
    process = it.start("relay", "/usr/sbin/deep-relay")
    it.listens("127.0.0.1", PORT)
    return process


def postfix(it):
    it.write("/etc/postfix/main.cf", POSTFIX)
    it.write("/etc/postfix/master.cf", lab.read(TESTS + "/chain/etc/master.cf") +
        "pickup unix n - n 60 1 pickup\n")
    for path, user, group, mode in (("/var/spool/postfix", 0, 0, 0o755),
        ("/var/lib/postfix", 101, 0, 0o700), ("/var/spool/postfix/pid", 0, 0, 0o755),
        ("/var/spool/postfix/public", 101, 105, 0o710),
        ("/var/spool/postfix/maildrop", 101, 105, 0o730)) + tuple(
        ("/var/spool/postfix/" + name, 101, 0, 0o700) for name in ("active", "bounce",
        "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
        "trace")):
        it.folder_of(path, user, group, mode)
    it.start("postfix", "/usr/lib/postfix/sbin/master", "-d",
        env={"MAIL_CONFIG": "/etc/postfix"})
    it.listens("127.0.0.1", 25)


def run_postfix(it, sink, to, number, size, each):
    source("127.0.0.1", 25, number, size, each, to=to)
    before = sink.count()[0]
    USED.append(cpu())
    start = time.monotonic()
    it.run("postsuper", "-H", "ALL", check=True)
    it.run("postqueue", "-f", check=True)
    sink.wait(before + number)
    return time.monotonic() - start


def run_smtpd(it, sink, to, number, size, each):
    it.run("smtpctl", "pause", "mta", check=True)
    number //= 10       # it takes them in much more slowly than it sends them
    source("127.0.0.1", 2525, number, size, each, to=to)
    before = sink.count()[0]
    USED.append(cpu())
    start = time.monotonic()
    it.run("smtpctl", "resume", "mta", check=True)
    sink.wait(before + number)
    return 10 * (time.monotonic() - start)


USED = []               # where a way has a part that is not timed: its CPU up to there


def cpu(parent=None):
    """Seconds of all processes that there are here, and of those that are gone; or of the
    children of one."""
    ticks = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            words = lab.read("/proc/%s/stat" % entry).rpartition(")")[2].split()
            if parent is None or (words and int(words[1]) == parent):
                ticks += sum(int(one) for one in words[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory(pid):
    """KiB of a process and all its children, what they share counted once."""
    total = 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open("/proc/%s/stat" % entry) as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
            if int(entry) != pid and parent != pid:
                continue
            with open("/proc/%s/smaps_rollup" % entry) as file:
                total += sum(int(line.split()[1]) for line in file
                    if line.startswith("Pss:"))
        except (OSError, ValueError):
            pass
    return total


def bench(it):
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    it.build()
    it.ttl = 300
    it.dns({"sink.lab.test": {"MX": "10 mx.sink.lab.test."},
        "by.lab.test": {"MX": "10 mx.sink.lab.test."},
        "mx.sink.lab.test": {"A": SINK}})
    sink = Sink(it, "mx.sink.lab.test")
    relay = deep_relay(it)
    bare = subprocess.Popen((LOAD, "proxy", "127.0.0.1", str(BARE), SINK, "25"),
        stdin=subprocess.PIPE)
    it.listens("127.0.0.1", BARE)
    postfix(it)
    it.write("/etc/smtpd.conf", SMTPD)
    it.start("smtpd", "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd.conf")
    it.listens("127.0.0.1", 2525)
    ways = (("direct", lambda *a: source(SINK, 25, *a, "-t")),
        ("a bare proxy", lambda *a: source("127.0.0.1", BARE, *a)),
        ("deep-relay", lambda *a: source("127.0.0.1", PORT, *a)),
        ("Postfix", lambda *a: run_postfix(it, sink, TO, *a)),
        ("Postfix by deep-relay", lambda *a: run_postfix(it, sink, BY, *a)),
        ("OpenSMTPD", lambda *a: run_smtpd(it, sink, TO, *a)),
        ("OpenSMTPD by deep-relay", lambda *a: run_smtpd(it, sink, BY, *a)))
    only = os.environ.get("DEEP_BENCH_WAYS")
    if only:
        ways = [way for way in ways if way[0] in only.split(",")]
    for to in TO, BY:
        source("127.0.0.1", PORT, 1, 100, 1, to=to)     # the latches are there
    for what, number, size, each in SIZES:
        times = {name: [] for name, _ in ways}
        used = {name: [] for name, _ in ways}
        own = {name: [] for name, _ in ways}
        for _ in range(rounds):
            for name, way in ways:
                if each == 1 and name not in ("direct", "a bare proxy", "deep-relay"):
                    continue    # they make connections as they please, see above
                before = sink.count()
                USED[:] = [cpu()]
                begin = cpu(relay.pid)
                times[name].append(way(number, size, each))
                there = number // 10 if name.startswith("OpenSMTPD") else number
                used[name].append((cpu() - USED[-1]) * number / there)
                own[name].append((cpu(relay.pid) - begin) * number / there)
                if "-v" in sys.argv:
                    lab.diag("%s %s %.2f s, CPU %.2f s" % (what, name, times[name][-1],
                        used[name][-1]))
                if sink.count()[0] - before[0] != there:
                    raise RuntimeError("%s: %r" % (name, sink.count()))
        for name in (name for name, _ in ways if times[name]):
            beside = name.split(" by ")[0] if " by " in name else "direct"
            if not times.get(beside):
                beside = name
            middle, first = (statistics.median(times[one]) for one in (name, beside))
            work, least = (statistics.median(used[one]) for one in (name, beside))
            lab.diag("%-32s %-23s %7.2f s %7.1f messages a second, %5.1f %% of %s (%s); "
                "CPU %.2f s, %.1f %%, deep-relay's %.2f s" % (what, name, middle, number / middle,
                100 * first / middle, beside, " ".join("%.2f" % one for one in
                times[name]), work, 100 * work / least,
                statistics.median(own[name])))
        if times.get("a bare proxy") and times.get("deep-relay"):
            shares = [statistics.median(one["deep-relay"]) / statistics.median(
                one["a bare proxy"]) for one in (times, used)]
            lab.diag("%-32s deep-relay: %.1f %% of the messages a second of a bare proxy, at "
                "%.1f %% of its CPU" % (what, 100 / shares[0], 100 * shares[1]))
    bare.stdin.close()
    bare.wait()
    idle = memory(relay.pid)
    held = subprocess.Popen((LOAD, "source", "-w", "-c", str(SESSIONS), "127.0.0.1",
        str(PORT), TO), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    there = held.stdout.readline().split()
    full = memory(relay.pid)
    held.stdin.close()
    held.wait()
    if int(there[0]) != SESSIONS:
        raise RuntimeError("deep-relay took %s sessions" % there)
    lab.diag("memory of deep-relay: %d KB idle, %.0f KB a session (%d sessions past RCPT, "
        "each with its own to the sink)" % (idle, (full - idle) / SESSIONS, SESSIONS))
    lab.ok(True, "measured")


lab.main(bench, ("trixie",))
