#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
smtpdproc.py: filter-deep and table-deep as processes, asked as smtpd asks them.  They
outlive garbage, huge lines, and a store that is locked, gone, damaged or killed; lines
of mail never wait for the store; they end at the end of their input.
"""
import os
import pwd
import random
import re
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
count = failed = 0
WORK = tempfile.mkdtemp(prefix="smtpdproc.")
CONF = WORK + "/deep.conf"
GOOD = WORK + "/good.conf"      # a copy of it
STORE = WORK + "/store/latches.db"
# LeakSanitizer looks into /proc at the end, which these processes have given up by then:
# it would turn their exit status into 1.  tests/filter.c, table.c and bounce.c look for
# leaks in the same code, and memory() below for what grows.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
HELLO = ("config|smtpd-version|7.6.0\nconfig|protocol|0.7\nconfig|subsystem|smtp-in\n"
    "config|subsystem|smtp-out\nconfig|admd|x\nconfig|ready\n")
PATIENCE = 60                   # seconds until something that should happen is given up
ALLOWANCE = 0.05                # seconds that the machine may take over those of the program
WORDS = "TLSv1.3:TLS_AES_256_GCM_SHA384:256"


def ok(good, name, *why):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if good else "not ", count, name), flush=True)
    if not good:
        failed += 1
        for line in "\n".join(map(str, why)).splitlines()[-30:]:
            print("# " + line, file=sys.stderr)
    return good


class Program:
    def __init__(self, *words, hello=HELLO, user=None):
        self.log = open(WORK + "/log", "w+")
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log, bufsize=0, user=user)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.got = b""
        self.say(hello)
        self.wait(lambda got: b"register|ready\n" in got)
        self.got = b""

    def say(self, text):
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            _, writable, _ = select.select([], [self.process.stdin], [], 0)
            self.read(0)
            if writable:
                data = data[os.write(self.process.stdin.fileno(), data[:4096]):]
            else:
                time.sleep(0.001)

    def read(self, seconds):
        if select.select([self.process.stdout], [], [], seconds)[0]:
            self.got += os.read(self.process.stdout.fileno(), 1 << 20)

    def wait(self, condition, seconds=PATIENCE):
        """Seconds until what came is so; None: it was not in time."""
        began = time.monotonic()
        while not condition(self.got):
            if time.monotonic() - began > seconds or self.process.poll() is not None:
                return None
            self.read(0.05)
        return time.monotonic() - began

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def heard(self, text, seconds=PATIENCE, since=0):
        """Whether standard error has this in time, behind so many characters."""
        began = time.monotonic()
        while text not in self.said()[since:]:
            if time.monotonic() - began > seconds:
                return False
            time.sleep(0.02)
        return True

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "it did not end"


def family(pid):
    """The processes below this one."""
    found = []
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % name) as file:
                parent = int(file.read().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            found += [int(name)] + family(int(name))
    return found


def store_process(pid):
    """Who has the store: the keeper's only child, which may be there in a moment only."""
    end = time.monotonic() + PATIENCE
    while len(family(pid)) != 2 and time.monotonic() < end:
        time.sleep(0.02)
    return family(pid)[1]


def are_gone(pids):
    """Whether these processes end."""
    end = time.monotonic() + PATIENCE
    while any(os.path.exists("/proc/%d" % pid) for pid in pids):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def write_conf(store=STORE, more=""):
    with open(CONF + ".new", "w") as file:
        file.write("[store]\nurl = sqlite:%s\ntimeout = 300\n[policy]\nconfirm = 1\n"
            "confirm-over = 0s\n[filter]\nreceived = yes\npatience = 60000\nuser = %s\n%s" %
            (store, pwd.getpwuid(os.getuid()).pw_name, more))
    os.rename(CONF + ".new", CONF)


def new_store():
    shutil.rmtree(WORK + "/store", ignore_errors=True)
    write_conf()
    subprocess.run(("./deeplatch", "-f", CONF, "init"), check=True,
        stdout=subprocess.DEVNULL)


def event(direction, name, *rest, sid="5897442e47505513"):
    return "|".join(("report|0.7|1.000000", direction, name, sid) + rest) + "\n"


def delivery(domain, words=WORDS, sid="5897442e47505513"):
    """A message that is delivered."""
    out = lambda *rest: event("smtp-out", *rest, sid=sid)
    return (out("link-connect", "mx." + domain, "pass", "10.53.0.1:1", "10.53.0.2:25") +
        out("protocol-server", "220 hello") + (out("link-tls", words) if words else "") +
        out("protocol-client", "MAIL FROM:<a@b.test>") + out("protocol-server", "250 ok") +
        out("tx-begin", "2be0d60f") + out("protocol-client", "RCPT TO:<u@%s>" % domain) +
        out("protocol-server", "250 ok") + out("tx-commit", "2be0d60f", "9") +
        out("link-disconnect"))


def held(address, sid="2222222222222222"):
    """A recipient that deep-relay holds back."""
    out = lambda *rest: event("smtp-out", *rest, sid=sid)
    domain = address.split("@")[1]
    return (out("link-connect", "x", "pass", "127.0.0.1:1", "127.64.1.1:10025") +
        out("tx-begin", "2be0d60f") + out("protocol-client", "RCPT TO:<%s>" % address) +
        out("protocol-server", "451 4.7.10 security latch of %s not met by mx1.%s: missing "
        "tls12 tls-pfs; to accept that: deeplatch reset %s" % (domain, domain, domain)))


def data(text, token="00000000000000aa", sid="1111111111111111"):
    return "filter|0.7|1.000000|smtp-in|data-line|%s|%s|%s\n" % (sid, token, text)


def dsn(name):
    """A DSN of smtpd on its way."""
    with open("tests/seeds/bounce/" + name) as file:
        lines = file.read().split("\n")[:-1]
    return (event("smtp-in", "link-connect", "vm", "pass", "unix:/s", "unix:/s") +
        event("smtp-in", "tx-begin", "b5649f5d") + event("smtp-in", "tx-mail", "b5649f5d",
        "ok", "") + "".join(data(line, sid="5897442e47505513") for line in lines)), lines


def flows(filter, name):
    """Lines of data come back, whatever the store does, and goes on to do meanwhile."""
    filter.got = b""
    filter.say("".join(data("line %d" % i) for i in range(2000)))
    took = filter.wait(lambda got: got.count(b"\n") >= 2000)
    ok(took is not None, "%s: lines of data flow" % name, took,
        filter.said())
    filter.got = b""


def exported(file=None):
    done = subprocess.run(("./deeplatch", "-f", file or CONF, "export"),
        stdout=subprocess.PIPE, universal_newlines=True)
    return set(re.findall(r'"name":"([^"]*)"', done.stdout))


def noted(domain, text, seconds=PATIENCE):
    """Whether deeplatch shows that this waits."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if text in subprocess.run(("./deeplatch", "-f", CONF, "show", domain),
            stdout=subprocess.PIPE, universal_newlines=True).stdout:
            return True
        time.sleep(0.1)
    return False


def learnt(*domains, seconds=PATIENCE, file=None):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if set(domains) <= exported(file):
            return True
        time.sleep(0.1)
    return False


def filter_process():
    new_store()
    filter = Program("./filter-deep", "-f", CONF)
    filter.say(delivery("a.test"))
    ok(learnt("a.test"), "D5.5-1: it learns", filter.said())
    ok(filter.heard("event=learnt name=a.test"), "and says so", filter.said())
    flows(filter, "as it is")

    # Longer than the store's own patience, so that it gives up on what waits.
    lock = sqlite3.connect(STORE, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    there = ["l%d.test" % i for i in range(20)]
    filter.say("".join(map(delivery, there)) + held("w@w.test"))
    flows(filter, "the store is locked")
    ok(filter.heard("event=alarm"), "which is told", filter.said())
    text, lines = dsn("expired")
    filter.got = b""
    filter.say(text)
    took = filter.wait(lambda got: got.count(b"\n") >= len(lines))
    ok(took is not None and [line.split("|", 3)[3] for line in
        filter.got.decode().split("\n")[:-1]] == lines,
        "a DSN of others passes as it was", took, filter.got)
    os.kill(store_process(filter.process.pid), signal.SIGKILL)
    ok(filter.heard("died"), "who waits for the store is killed, which is told", filter.said())
    filter.say(delivery("after.test"))
    lock.execute("ROLLBACK")
    lock.close()
    ok(learnt("after.test", *there), "nothing of what was learnt meanwhile is lost", exported(),
        filter.said())
    ok(noted("w.test", "w@w.test"), "nor who was held back", filter.said())

    filter.got = b""
    filter.say(held("u1@a.test"))
    text, lines = dsn("expired")
    filter.say(text)
    filter.wait(lambda got: b"|.\n" in got)
    ok(b"|SMTP-Security-Latch: tls12 tls-pfs\n" in filter.got and
        b"|Status: 4.7.10\n" in filter.got, "D3.3-8, D3.3-9: a DSN names the latches",
        filter.got, filter.said())

    worker = store_process(filter.process.pid)
    below = family(filter.process.pid)
    ok(below[1:] == [worker], "a keeper and a process with the store", below)
    os.kill(worker, signal.SIGKILL)
    flows(filter, "the one with the store is gone")
    filter.say(delivery("k.test"))
    ok(learnt("k.test"), "and another is there, with what waited", filter.said())
    for pid in [filter.process.pid] + family(filter.process.pid):
        os.kill(pid, signal.SIGHUP)
    flows(filter, "SIGHUP to all of them")

    for suffix in "", "-wal", "-shm":
        if os.path.exists(STORE + suffix):
            os.unlink(STORE + suffix)
    there = ["n%d.test" % i for i in range(20)]
    before = len(filter.said())
    filter.say("".join(map(delivery, there)))
    ok(filter.heard("event=alarm", since=before), "the store is gone: an alarm", filter.said())
    ok(not os.path.exists(STORE), "and none is made")
    flows(filter, "the store is gone")
    new_store()
    ok(learnt(*there), "a new store, in a new folder, gets all that was learnt", exported(),
        filter.said())

    # The configuration, while it runs.
    shutil.copy(CONF, GOOD)
    write_conf(more="nonsense\n")
    for i in range(PATIENCE):
        filter.say(delivery("c%d.test" % i))
        if filter.heard("deep.conf:", 1):
            break
    ok(filter.heard("deep.conf:", 0), "a configuration that becomes wrong is told", filter.said())
    filter.say(delivery("good.test"))
    ok(learnt("good.test", file=GOOD), "the last good one is in force", filter.said())
    write_conf(WORK + "/other/latches.db")
    subprocess.run(("./deeplatch", "-f", CONF, "init"), check=True,
        stdout=subprocess.DEVNULL)
    for i in range(PATIENCE):
        filter.say(delivery("o%d.test" % i))
        if learnt("o%d.test" % i, seconds=1):
            break
    ok(learnt("o%d.test" % i), "another store that it names is used", exported(), filter.said())
    write_conf()
    for i in range(PATIENCE):
        filter.say(delivery("p%d.test" % i))
        if learnt("p%d.test" % i, seconds=1):
            break
    ok(learnt("p%d.test" % i), "and the first one again", exported(), filter.said())
    before = len(filter.said())
    for suffix in "", "-wal":       # what a process has read stays good: so twice
        if suffix:
            os.kill(store_process(filter.process.pid), signal.SIGKILL)
        if os.path.exists(STORE + suffix):
            with open(STORE + suffix, "r+b") as file:
                file.write(b"\xff" * max(os.path.getsize(STORE + suffix), 4096))
        filter.say("".join(delivery("b%d.test" % i) for i in range(5)))
        flows(filter, "the store is damaged")
    ok(filter.heard("event=alarm", since=before), "which is told", filter.said())
    ok(filter.process.poll() is None, "it lives")
    store_process(filter.process.pid)
    below = family(filter.process.pid)
    ok(filter.end() == 0, "and ends with its input")
    ok(len(below) == 2 and are_gone(below), "with all that it started", below)

    with open(CONF, "a") as file:
        file.write("nonsense\n")
    os.chmod(WORK, 0o755)
    os.chmod(CONF, 0o644)
    filter = Program("./filter-deep", "-f", CONF, user=None if os.getuid() else 65534)
    ok(filter.heard("deep.conf:"), "a configuration that is wrong is told", filter.said())
    flows(filter, "even so")
    ok(filter.end() == 0, "and it ends with its input")


def garbage():
    """Each line of a transcript, changed."""
    new_store()
    rand = random.Random(20261124)
    transcript = (delivery("a.test") + dsn("delayed")[0] + dsn("full")[0] +
        delivery("b.test", None) + event("smtp-in", "link-connect", "c.test", "pass",
        "192.0.2.1:1", "192.0.2.2:25") + event("smtp-in", "link-tls", WORDS) +
        event("smtp-in", "tx-mail", "b5649f5d", "ok", "x@y.test") +
        "filter|0.7|1.0|smtp-in|mail-from|5897442e47505513|00000000000000aa|x\n" +
        event("smtp-in", "tx-rcpt", "1", "ok", "x") + event("smtp-in", "timeout") +
        event("smtp-in", "no-such-event", "1")).encode().split(b"\n")
    changed = []
    for line in transcript * 12:
        what = rand.randrange(9)
        line = bytearray(line)
        if what == 0 and line:
            line[rand.randrange(len(line))] = rand.randrange(256)
        elif what == 1:
            line = line[:rand.randrange(len(line) + 1)]
        elif what == 2:
            line += bytes(rand.randrange(256) for _ in range(rand.randrange(200)))
        elif what == 3:
            line = line.replace(b"|", b"||", 1)
        elif what == 4:
            line = line.replace(b"|", b"", 1)
        elif what == 5:
            line = bytearray(rand.randrange(256) for _ in range(rand.randrange(300)))
        elif what == 6 and rand.randrange(20) == 0:
            line += b"x" * rand.choice((4095, 65536, 262143, 262144, 262145, 700000))
        changed.append(bytes(line))
    for words in (("./filter-deep", "-f", CONF), ("./table-deep", CONF)):
        hello = HELLO if "filter" in words[0] else "config|tablename|tls12\nconfig|ready\n"
        program = Program(*words, hello=hello)
        program.say(b"\n".join(changed) + b"\n")
        if "filter" in words[0]:
            program.got = b""
            program.say(data("alive"))
            took = program.wait(lambda got: b"|alive\n" in got)
        else:
            program.got = b""
            program.say("table|0.1|1.0|tls12|lookup|relayhost|0000abcd|a.test\n")
            took = program.wait(lambda got: b"lookup-result|0000abcd|found|" in got)
        ok(took is not None, "%s outlives %d lines of garbage" % (words[0], len(changed)),
            program.said())
        ok(program.end() == 0, "and ends with its input")


def kilobytes(pid):
    """What a process and those below it have in memory."""
    total = 0
    for one in [pid] + family(pid):
        with open("/proc/%d/status" % one) as file:
            total += int(re.search(r"^VmRSS:\s*(\d+)", file.read(), re.M).group(1))
    return total


def memory():
    """Sessions, notifications and refusals by the thousand leave nothing behind."""
    name = "memory does not grow with what has passed"
    with open("Makefile") as file:
        if re.search(r"^SANITIZE.*-fsanitize", file.read(), re.M):
            ok(True, name + " # SKIP sanitized build: memory is measured in the plain one")
            return
    new_store()
    filter = Program("./filter-deep", "-f", CONF)
    text, lines = dsn("expired")

    def rounds(number):
        for i in range(number):
            sid = "%016x" % (1 + i * 7919)
            filter.got = b""
            filter.say((held("u%d@a.test" % (i % 50), sid) + delivery("a.test", sid=sid) +
                text).replace("5897442e47505513", sid))
            if filter.wait(lambda got: b"|.\n" in got) is None:
                return 1 << 30
            filter.say(event("smtp-in", "link-disconnect", sid=sid))
        return kilobytes(filter.process.pid)
    first = rounds(400)
    second = rounds(1200)
    ok(first < 1 << 20 and second - first < 512, name, first, second, filter.said())
    filter.end()


def table_process():
    new_store()
    hello = "config|smtpd-version|7.6.0\nconfig|tablename|tls-pfs\nconfig|ready\n"
    table = Program("./table-deep", CONF, hello=hello)

    def ask(kind, domain, number):
        table.got = b""
        start = time.monotonic()            # before it can have begun to count
        table.say("table|0.1|1.0|tls-pfs|%s|%08x|%s\n" % (kind, number, domain))
        table.wait(lambda got: got.endswith(b"\n"))
        return table.got.decode().strip().split("|", 2)[-1], time.monotonic() - start

    def decided(domain):
        """The answer, of a store that was there in time: 40 ms are little where all else runs."""
        end = time.monotonic() + PATIENCE
        while True:
            answer, _ = ask("check|domain", domain, 1)
            if "did not answer in" not in answer or time.monotonic() > end:
                return answer

    places = {}
    for i in range(200):
        places[i], _ = ask("lookup|relayhost", "d%d.test" % i, i)
    ok(len(set(places.values())) == 200 and all(re.match(
        r"found\|smtp\+notls://\[127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d+\.\d+\]:10025$",
        place) for place in places.values()), "200 domains, 200 addresses", places)
    filter = Program("./filter-deep", "-f", CONF)
    filter.say(delivery("a.test"))
    ok(learnt("a.test"), "a domain is learnt", filter.said())
    filter.end()
    ok(decided("a.test") == "found", "it has to have tls-pfs")
    ok(decided("z.test") == "not-found", "another has not")
    lock = sqlite3.connect(STORE, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    answers = [ask("lookup|relayhost", "n%d.test" % i, i) for i in range(50)]
    ok(all(answer.startswith("found|") for answer, _ in answers) and
        min(took for _, took in answers) < 0.02, "the store is locked: addresses all the same",
        answers)
    lock.execute("ROLLBACK")
    lock.close()

    # Who has the store stands still, as in a read that does not come back.  smtpd waits
    # for a table, so that the deadline is its own: poll(2) gets what is left of it (which
    # tests/backlog.c proves by a clock of its own).  Here it is measured, in real time and
    # with the allowance that a busy machine needs.
    worker = store_process(table.process.pid)
    os.kill(worker, signal.SIGSTOP)
    asked = [ask("check|domain", "a.test", 100 + i) for i in range(20)]
    ok(all(answer == "error|the latch store did not answer in 40 ms" for answer, _ in asked),
        "the store stands still: errors of the table", asked)
    took = sorted(seconds for _, seconds in asked)
    ok(0.039 <= took[0] < 0.05 + ALLOWANCE,
        "each of them in 50 ms, and %d ms for a busy machine: from %.1f to %.1f ms, half below "
        "%.1f" % (ALLOWANCE * 1000, took[0] * 1000, took[-1] * 1000, took[len(took) // 2] * 1000))
    asked = [ask("lookup|relayhost", "still%d.test" % i, 200 + i) for i in range(20)]
    ok(all(answer.startswith("found|") for answer, _ in asked) and
        min(seconds for _, seconds in asked) < 0.02, "addresses do not wait for it", asked)
    os.kill(worker, signal.SIGCONT)
    ok(decided("a.test") == "found", "it goes on: domains are found again")
    for pid in [table.process.pid] + family(table.process.pid):
        os.kill(pid, signal.SIGHUP)
    os.kill(worker, signal.SIGKILL)
    ok(ask("lookup|relayhost", "m.test", 3)[0].startswith("found|"),
        "without the other process too, and SIGHUP is nothing to it")
    ok(table.end() == 0, "it ends with its input")
    table = Program("./table-deep", CONF, hello=hello)
    again = {i: ask("lookup|relayhost", "d%d.test" % i, i)[0] for i in range(200)}
    ok(again == places, "each domain keeps its address over a restart")
    for suffix in "", "-wal", "-shm":
        if os.path.exists(STORE + suffix):
            os.unlink(STORE + suffix)
    ok(ask("check|domain", "a.test", 4)[0].startswith("error|"),
        "the store is gone: an error, never \"not found\"")
    table.end()


try:
    if not os.access("./deeplatch", os.X_OK):
        print("1..0 # SKIP deeplatch is not built")
        sys.exit(0)
    filter_process()
    garbage()
    memory()
    table_process()
finally:
    shutil.rmtree(WORK, ignore_errors=True)
print("1..%d" % count)
sys.exit(1 if failed else 0)
