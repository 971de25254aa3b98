#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
opensmtpd.py: filter-deep and table-deep with the OpenSMTPD of Debian 12 (6.8), of its
backports (7.4) and of Debian 13 (7.6): latches learnt from what smtpd delivers itself,
DSNs that name the latch, the tls clause, a table that gives each domain an address;
and that smtpd outlives what becomes of the store and what strangers say.

	DEEP_SMTPD_PART	only this part, the name of its function
"""
import difflib
import email
import json
import os
import random
import re
import signal
import smtplib
import socket
import socketserver
import sqlite3
import ssl
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab"))
import lab
from lab import ok, same

WARN = 2            # seconds until smtpd tells of a delay
TTL = 3600          # and until it gives up: nothing ends by itself in here, see grow_old()
REFUSAL = ("451 4.7.10 security latch of {0} not met by mx.{0}: missing tls12 tls-pfs; to "
    "accept that: deeplatch reset {0} (SMTP-Security-Latch: tls12 tls-pfs)")
NATIVE = """\
filter "deep" proc-exec "{program}" user {user} group {user}
listen on socket filter "deep"
{listen}
bounce warn-interval %ds
queue ttl %ds
action "local" maildir "/var/mail/%%{{user.username}}"
{actions}
match from any for local action "local"
{matches}
match from any for any action "out"
""" % (WARN, TTL)
DEEP = """\
[policy]
confirm = 1
confirm-over = 0s
[store]
url = sqlite:{folder}/latches.db
timeout = 1000
[filter]
patience = 60000
{filter}
"""


class Relay(socketserver.ThreadingTCPServer):
    """Stands for deep-relay: holds the recipients of held.test domains back."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, port):
        self.held = set()
        self.seen = []          # (address that was asked, sender, recipients)
        super().__init__((address, port), RelaySession)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class RelaySession(socketserver.StreamRequestHandler):
    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self):
        self.say("220 relay ESMTP")
        sender, recipients = None, []
        for line in self.rfile:
            verb = line.split(b" ")[0].strip().upper()
            if verb == b"EHLO":
                self.say("250-relay\r\n250 DSN")
            elif verb == b"MAIL":
                sender, recipients = line.decode().strip(), []
                self.say("250 2.1.0 ok")
            elif verb == b"RCPT":
                address = line.decode().split("<")[1].split(">")[0]
                domain = address.split("@")[1]
                if domain in self.server.held:
                    self.say(REFUSAL.format(domain))
                else:
                    recipients.append(address)
                    self.say("250 2.1.5 ok")
            elif verb == b"DATA" and not recipients:
                self.say("554 5.5.1 no recipients")
            elif verb == b"DATA":
                self.say("354 go")
                for text in self.rfile:
                    if text == b".\r\n":
                        break
                self.server.seen.append((self.connection.getsockname()[0], sender,
                    recipients))
                self.say("250 2.0.0 ok")
            elif verb == b"QUIT":
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 ok")


def old(it):
    return it.name == "bookworm"


def set_up(it, filter_rows="", listen="", actions='action "out" relay filter "deep"',
    matches="", user="deep", folder="/var/lib/deep",
    program="/usr/libexec/opensmtpd/filter-deep"):
    """smtpd with these settings; a store that is new."""
    it.write("/etc/deep.conf", DEEP.format(filter=filter_rows, folder=folder))
    new_store(it, folder)
    it.write("/etc/smtpd.conf", NATIVE.format(listen=listen, actions=actions,
        matches=matches, user=user, program=program))
    it.run("find", "/var/spool/smtpd", "-type", "f", "-delete")
    it.run("rm", "-rf", "/var/mail/alice")
    return begin(it)


def begin(it):
    it.falls_silent()
    server = it.start("smtpd", "/usr/sbin/smtpd", "-d", "-v", "-f", "/etc/smtpd.conf")
    if not lab.wait(lambda: os.path.exists(it.path("/var/run/smtpd.sock")) and
            it.run("smtpctl", "show", "status").returncode == 0):
        raise RuntimeError("smtpd does not start")
    return server


def end(it, server):
    """Stops smtpd, all its processes."""
    it.stop(server)
    if not lab.wait(lambda: not [name for name in os.listdir("/proc") if
        lab.read("/proc/%s/comm" % name) == "smtpd\n"]):
        raise RuntimeError("smtpd does not end")


def grow_old(it, server):
    """What waits in the queue comes to its end: smtpd starts again, TTL later for all of it."""
    end(it, server)
    aged = 0
    for folder, _, names in os.walk(it.path("/var/spool/smtpd/queue")):
        for name in names:
            text = lab.read(os.path.join(folder, name))
            old = re.sub(r"(?m)^ctime: (\d+)$", lambda found: "ctime: %d" %
                (int(found.group(1)) - TTL - 1), text)
            if re.fullmatch("[0-9a-f]{16}", name) and old != text:
                with open(os.path.join(folder, name), "w") as file:
                    file.write(old)
                aged += 1
    ok(aged, "an hour passes for what waits in the queue")
    return begin(it)


def new_store(it, folder="/var/lib/deep"):
    it.run("rm", "-rf", folder, check=True)
    it.run("deeplatch", "-f", "/etc/deep.conf", "init", "--owner", "deep", "--group", "deep",
        check=True)


def submit(it, *recipients, fields="", user="alice", sender="alice@mta.lab.test"):
    """A message of a local user, through smtpd's socket."""
    return it.run("/tmp/sendmail", "-f", sender, *recipients, user=user,
        input="From: <%s>\nTo: <%s>\nSubject: one\n%s\nhello\n" % (sender, recipients[0],
        fields), check=True)


def schedule_all(it, recipient):
    """smtpctl schedule all, once the scheduler knows of what waits for this recipient.

    A daemon that has just begun answers before it has read its queue."""
    if not lab.wait(lambda: recipient in it.run("smtpctl", "show", "queue").stdout):
        raise RuntimeError("nothing waits for " + recipient)
    it.run("smtpctl", "schedule", "all", check=True)


def learnt(it):
    """{name: latches} of the store."""
    said = it.run("deeplatch", "-f", "/etc/deep.conf", "export").stdout
    found = {}
    for line in said.splitlines():
        record = json.loads(line)
        if "name" in record:
            found[record["name"]] = sorted(record.get("latches", {}))
    return found


def mailbox(it, user, number, seconds=lab.PATIENCE):
    """The messages of a user's box, when there are so many."""
    folder = it.path("/var/mail/%s/new" % user)

    def there():
        names = os.listdir(folder) if os.path.isdir(folder) else []
        return names if len(names) >= number else None
    names = lab.wait(there, seconds) or []
    messages = []
    for name in sorted(names):
        with open(os.path.join(folder, name), "rb") as file:
            messages.append(email.message_from_binary_file(file))
    return messages


def empty(it, user):
    it.run("rm", "-rf", "/var/mail/" + user)


def groups(message):
    """The recipients of a DSN: {address: fields}."""
    for part in message.walk():
        if part.get_content_type() == "message/delivery-status":
            return {group["Final-Recipient"].split(";")[1].strip(): group
                for group in part.get_payload() if group["Final-Recipient"]}
    return {}


def alive(it, server, name):
    ok(server.poll() is None and it.run("smtpctl", "show", "status").returncode == 0, name)


def native(it):
    """smtpd delivers: latches are learnt, and a DSN names those that are missed."""
    records = {}
    for number, name in (11, "d1"), (12, "d2"), (13, "d3"), (14, "d4"):
        records["%s.lab.test" % name] = {"MX": "10 mx%d.lab.test." % number}
        records["mx%d.lab.test" % number] = {"A": "10.9.0.%d" % number}
        records["%d.0.9.10.in-addr.arpa" % number] = {"PTR": "mx%d.lab.test." % number}
    it.dns(records)
    it.peer("10.9.0.11", name="mx11.lab.test", min="1.3")
    it.peer("10.9.0.12", name="mx12.lab.test", max="1.2", ciphers="AES128-GCM-SHA256")
    it.peer("10.9.0.13", name="mx13.lab.test", starttls=False)
    it.peer("10.9.0.14", name="mx14.lab.test", recipients={".*": "550 5.1.1 no"})
    server = set_up(it, actions='ca "l1" cert "/etc/ssl/certs/ca-certificates.crt"\n'
        'action "tls" relay tls no-verify ca "l1" filter "deep"\n'
        'action "out" relay filter "deep"',
        matches='match from any for domain "t1.lab.test" action "tls"')
    mark = it.mark()
    for name in "d1", "d2", "d3":
        submit(it, "u@%s.lab.test" % name)
    it.wait_events(3, mark, event="message")
    pfs = ["tls-nomd5", "tls-norc4", "tls-pfs", "tls10", "tls11", "tls12"]
    same(lab.wait(lambda: len(learnt(it)) == 2 and learnt(it)),
        {"d1.lab.test": pfs, "d2.lab.test": [id for id in pfs if id != "tls-pfs"]},
        "D5.5-1, D5.5-2: %s learns from what it delivers; from clear text it learns nothing" %
        it.name)
    submit(it, "u@d4.lab.test")
    same(len(mailbox(it, "alice", 1)), 1, "a DSN of another reason")
    for message in mailbox(it, "alice", 1):
        same(message.get_content_type(), "multipart/mixed", "is as smtpd made it")
    empty(it, "alice")
    alive(it, server, "smtpd runs")
    it.stop(server)


def changed(it):
    """Of the DSNs that passed the filter, by what stood in front of it and behind it: for
    each the lines that went away, and those that came; None: it is still on its way."""
    before, after, order = {}, {}, []
    for name, found, lead in (("in", before, 5), ("out", after, 1)):
        text = it.read("/var/log/filter.%s" % name)
        for line in text.split("\n"):
            part = line.split("|", lead + 2)
            if (part[0], part[4:5]) == ("filter", ["data-line"]) or \
                part[0] == "filter-dataline":
                found.setdefault(part[lead], []).append(part[lead + 2])
                if lead == 5 and part[5] not in order:
                    order.append(part[5])
    result = []
    for sid in order:
        if not any(line.startswith("Subject: Delivery status") for line in before[sid]):
            continue
        there = after.get(sid, [])
        if before[sid][-1:] != ["."] or there[-1:] != ["."]:
            return None
        gone, new = [], []
        for tag, a, b, c, d in difflib.SequenceMatcher(None, before[sid], there,
            autojunk=False).get_opcodes():
            if tag != "equal":
                gone += before[sid][a:b]
                new += there[c:d]
        result.append((gone, new))
    return result


def kind_of(line):
    """The field of a line, or its first letters."""
    return line.split(":")[0] if re.match(r"[A-Z][A-Za-z-]*: ", line) else line[:11]


def native_dsn(it):
    """smtpd's own action enforces TLS: its DSNs say so, and are else as they were."""
    it.add_records({"e1.lab.test": {"MX": "10 mx15.lab.test."},
        "mx15.lab.test": {"A": "10.9.0.15"},
        "15.0.9.10.in-addr.arpa": {"PTR": "mx15.lab.test."}})
    it.dns()
    it.peer("10.9.0.15", name="mx15.lab.test")
    it.write("/usr/bin/watched-filter", "#!/bin/sh\ntee -a /var/log/filter.in | "
        "/usr/libexec/opensmtpd/filter-deep | tee -a /var/log/filter.out\n", mode=0o755)
    for name in "in", "out":
        it.write("/var/log/filter." + name, "", mode=0o666)
    server = set_up(it, program="/usr/bin/watched-filter", actions=
        'ca "l1" cert "/etc/ssl/certs/ca-certificates.crt"\n'
        'action "tls" relay tls no-verify ca "l1" filter "deep"\n'
        'action "out" relay filter "deep"',
        matches='match from any for domain "e1.lab.test" action "tls"')
    mark = it.mark()
    submit(it, "u@e1.lab.test")
    it.wait_events(1, mark, event="message")
    ok(lab.wait(lambda: "tls12" in learnt(it).get("e1.lab.test", ())),
        "native: the latches of a domain with an action that asks for TLS")
    end(it, server)                 # and its session, which it would use again
    server = begin(it)
    it.peer("10.9.0.15", name="mx15.lab.test", starttls=False)
    submit(it, "u1@e1.lab.test")
    new = {"Content-Type", "\tboundary=\"", "Status", "Diagnostic-Code",
        "SMTP-Security-Latch"}
    gone = {"Content-Type", "Status"}
    for action, status in ("delayed", "4.0.0"), ("failed", "5.4.7"):
        if action == "failed":
            server = grow_old(it, server)
        found = [(message, group) for message in mailbox(it, "alice", 1)
            for group in groups(message).items()]
        same([(message.get_content_type(), message["Subject"].split()[-1], address,
            group["Action"], group["Status"]) for message, (address, group) in found],
            [("multipart/report", action, "u1@e1.lab.test", action, "4.7.10")],
            "D3.3-8: native: a DSN, %s, of a session broken off for want of TLS" % action)
        for message, (address, group) in found:
            ok("tls12" in group["SMTP-Security-Latch"].split(), "D3.3-9: with the latches",
                group)
            ok(" ".join(group["Diagnostic-Code"].split()).startswith("X-DEEP; 4.7.10 security "
                "latch of e1.lab.test not met by mx15.lab.test"), "and why", group)
            said = it.run("deeptrace", "-f", "json", input=message.as_bytes())
            dsn = (json.loads(said.stdout or "{}").get("dsn") or {}).get("recipients")
            ok(dsn and dsn[0]["action"] == action and dsn[0]["status"].startswith("4.7.10")
                and "tls12" in dsn[0]["latches"], "deeptrace reads it so", said.stdout)
        number = 1 if action == "delayed" else 2
        # tee(1) writes to smtpd first, and to the file then
        lab.wait(lambda: len(changed(it) or ()) == number)
        lines = changed(it) or []
        same(len(lines), number, "it passed the filter")
        for away, came in lines[-1:]:
            if action == "failed" and old(it):
                status = "4.4.7"
                gone |= {"Subject", "Action", "    A messa", "    list of", "    Please ",
                    "    The mes", "    You DO ", ""}
                new |= {"Subject", "Action", "    An erro", "    the fol"}
            same(({kind_of(line) for line in away}, [line for line in away
                if line.startswith("Status")]), (gone, ["Status: " + status]),
                "what smtpd said that is said in another way")
            folded = [line for line in came if line.startswith("\t") and
                not line.startswith("\tboundary")]
            same({kind_of(line) for line in came if line not in folded}, new,
                "and what is said in its place", *came)
        empty(it, "alice")
    alive(it, server, "smtpd runs")
    it.stop(server)


def filters(it):
    """The filter-deep processes: {pid: parent}."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open("/proc/%s/stat" % name) as file:
                words = file.read().rsplit(")", 1)
        except OSError:
            continue
        if words[0].endswith("(filter-deep"):
            found[int(name)] = int(words[1].split()[1])
    return found


def with_store(it):
    """The process that has the store, when it is there."""
    def there():
        all = filters(it)
        return [pid for pid, parent in all.items() if all.get(parent) in all]
    return lab.wait(there)[0]


def survival(it):
    """What becomes of the store, while smtpd runs and delivers."""
    folder = "/var/small/deep"
    it.folder_of("/var/small")
    lab.command("mount", "-t", "tmpfs", "-o", "size=1m,mode=755", "small",
        it.path("/var/small"))
    records = {"mx16.lab.test": {"A": "10.9.0.16"},
        "16.0.9.10.in-addr.arpa": {"PTR": "mx16.lab.test."}}
    for i in range(30):
        records["s%d.lab.test" % i] = {"MX": "10 mx16.lab.test."}
    it.add_records(records)
    it.dns()
    it.peer("10.9.0.16", name="mx16.lab.test")
    server = set_up(it, folder=folder)
    store = it.path(folder + "/latches.db")
    number = 0

    def deliver(what, more=1):
        """Messages to domains of their own, which arrive, and that in time."""
        nonlocal number
        mark = it.mark()
        names = ["s%d.lab.test" % (number + i) for i in range(more)]
        number += more
        for name in names:
            submit(it, "u@" + name)
        arrived = it.wait_events(more, mark, event="message")
        same(len(arrived), more, "%s: mail goes on" % what)
        return names

    def told(since, words="event=alarm"):
        return lab.wait(lambda: words in it.read("/var/log/smtpd.out")[since:])

    def known(names, what):
        ok(lab.wait(lambda: set(names) <= set(learnt(it))),
            "%s: what was learnt meanwhile is there" % what, learnt(it), names)
        alive(it, server, "and smtpd runs")

    known(deliver("the store is well"), "the store is well")

    with open(it.path("/var/small/fill"), "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    since = len(it.read("/var/log/smtpd.out"))
    names = deliver("the store's disk is full", 6)
    ok(told(since), "which is told", it.read("/var/log/smtpd.out")[since:])
    os.unlink(it.path("/var/small/fill"))
    known(names, "the disk has room again")

    lock = sqlite3.connect(store, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    since = len(it.read("/var/log/smtpd.out"))
    names = deliver("the store is locked", 3)
    ok(told(since), "which is told", it.read("/var/log/smtpd.out")[since:])
    os.kill(with_store(it), signal.SIGKILL)
    ok(told(since, "died"), "who has the store is killed, which is told")
    names += deliver("who has the store is killed")
    lock.execute("ROLLBACK")
    lock.close()
    known(names, "the lock is gone")

    since = len(it.read("/var/log/smtpd.out"))
    for suffix in "", "-wal", "-shm":
        if os.path.exists(store + suffix):
            os.unlink(store + suffix)
    names = deliver("the store is gone", 2)
    ok(told(since), "which is told", it.read("/var/log/smtpd.out")[since:])
    ok(not os.path.exists(store), "and none is made")
    new_store(it, folder)
    known(names, "there is a store again")

    since = len(it.read("/var/log/smtpd.out"))
    os.kill(with_store(it), signal.SIGKILL)
    for suffix in "", "-wal":
        if os.path.exists(store + suffix):
            with open(store + suffix, "r+b") as file:
                file.write(b"\xff" * max(os.path.getsize(store + suffix), 4096))
    names = deliver("the store is damaged", 2)
    ok(told(since), "which is told", it.read("/var/log/smtpd.out")[since:])
    new_store(it, folder)
    known(names, "there is a good one again")

    since = len(it.read("/var/log/smtpd.out"))
    good = it.read("/etc/deep.conf")
    it.write("/etc/deep.conf", good + "nonsense\n")
    for pid in filters(it):
        os.kill(pid, signal.SIGHUP)
    names = []
    while not names or number < 29 and "deep.conf:" not in \
        it.read("/var/log/smtpd.out")[since:]:
        names += deliver("deep.conf becomes wrong, and SIGHUP to all")
        time.sleep(0.5)
    ok(told(since, "deep.conf:"), "which is told")
    names += deliver("deep.conf is wrong")
    it.write("/etc/deep.conf", good)
    known(names, "the last good one stayed in force")
    it.stop(server)
    ok(lab.wait(lambda: not filters(it)), "no process outlives smtpd", filters(it))
    lab.command("umount", it.path("/var/small"))


class Garbage(socketserver.ThreadingTCPServer):
    """Takes mail, or says something else."""
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, address, port):
        self.random = random.Random(20261124)
        self.seen = 0
        super().__init__((address, port), GarbageSession)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class GarbageSession(socketserver.StreamRequestHandler):
    def say(self, good):
        rand = self.server.random
        what = rand.randrange(32)
        self.wfile.write((
            bytes(rand.randrange(256) for _ in range(rand.randrange(300))) + b"\r\n",
            b"x" * rand.choice((1000, 2047, 2048, 65536, 300000)) + b"\r\n",
            good[:3] + b"-a|b||c|\r\n" + good[:3] + b" |\x00|" + bytes(range(128, 256)) +
                b"\r\n",
            b"451 4.7.10 security latch of | not met by |: missing tls12|tls-pfs (SMTP-Security-"
                b"Latch: tls12 |\r\n",
            b"-1 \r\n", b"", b"550\r\n", b"250-" * 200 + b"\r\n")[what] if what < 8 else
            good + b"\r\n")

    def handle(self):
        try:
            self.say(b"220 x")
            for line in self.rfile:
                verb = line[:4].upper()
                self.server.seen += 1
                if verb == b"QUIT":
                    return
                self.say(b"354 go" if verb == b"DATA" else b"250 ok")
                if verb == b"DATA":
                    for text in self.rfile:
                        if text == b".\r\n":
                            break
                    self.say(b"250 2.0.0 ok")
        except OSError:
            pass


def strangers(it):
    """What servers and clients say that is no SMTP, through a living smtpd."""
    garbage = Garbage("0.0.0.0", 2526)
    # An address each, as smtpd does without one that was wrong for a while.
    hosts = ["10.9.1.%d" % (i + 1) for i in range(20)] + ["127.9.9.%d" % i for i in range(20)]
    for host in hosts[:20]:
        lab.command("ip", "address", "add", host + "/32", "dev", "lo")
    server = set_up(it, filter_rows="received = yes\ninbound = reject",
        listen='listen on 10.9.0.1 filter "deep"',
        actions="".join('action "g%d" relay host "smtp://%s:2526" filter "deep"\n' % (i, host)
            for i, host in enumerate(hosts)) + 'action "out" relay filter "deep"',
        matches="\n".join('match from any for domain "g%d.test" action "g%d"' % (i, i)
            for i in range(len(hosts))))
    it.listens("10.9.0.1", 25)
    since = len(it.read("/var/log/smtpd.out"))
    rand = random.Random(20261125)
    for i in range(len(hosts)):
        submit(it, *["u%d@g%d.test" % (j, i) for j in range(i % 4 + 1)])
    lines = (b"EHLO a|b|c", b"HELO x", b"MAIL FROM:<a|b@c|d>", b"MAIL FROM:<>",
        b"RCPT TO:<alice@mta.lab.test>", b"RCPT TO:<|>", b"RSET", b"NOOP |", b"AUTH |", b"DATA",
        b"\x00\xff\xfe|", b"x" * 1900, b"x" * 5000, b"filter|0.7|1|smtp-in|data-line|1|2|3")
    for i in range(24):
        try:
            with socket.create_connection(("10.9.0.1", 25), timeout=5) as client:
                client.settimeout(0.1)
                said = [b"EHLO client.test"] if i % 2 else []
                if i % 4 == 1:
                    said += [b"MAIL FROM:<a@b.test>", b"RCPT TO:<alice@mta.lab.test>", b"DATA",
                        b"Received: |\r\n\tby x (OpenSMTPD) with ESMTP id 00000000;", b"",
                        bytes(rand.randrange(1, 256) for _ in range(3000)),
                        b"y" * 60000, b"a\x00b\nc", b"|" * 900, b"."]
                said += [rand.choice(lines) for _ in range(12)]
                for line in said:
                    client.sendall(line + b"\r\n")
                    if line in (b"DATA", b".") or i % 4 != 1:
                        try:
                            client.recv(65536)
                        except socket.timeout:
                            pass
        except OSError:
            pass
    ok(lab.wait(lambda: garbage.seen > 60), "servers have said what is no SMTP, %d times" % garbage.seen)
    ok(server.poll() is None, "smtpd lives", it.read("/var/log/smtpd.out")[-2000:])
    same(len(filters(it)), 3, "so does filter-deep, the process that it began with")
    ok("died" not in it.read("/var/log/smtpd.out")[since:], "none of them was started again")
    empty(it, "alice")
    submit(it, "alice@mta.lab.test")
    same(len(mailbox(it, "alice", 1)) > 0, True, "and mail goes on")
    alive(it, server, "smtpd runs")
    it.stop(server)
    garbage.shutdown()
    garbage.server_close()


def privileges(it):
    """Started by root it becomes another user, in an empty folder."""
    it.add_records({"p1.lab.test": {"MX": "10 mx17.lab.test."},
        "mx17.lab.test": {"A": "10.9.0.17"},
        "17.0.9.10.in-addr.arpa": {"PTR": "mx17.lab.test."}})
    it.dns()
    it.peer("10.9.0.17", name="mx17.lab.test", recipients={"no@.*": "550 5.1.1 no"})
    it.folder_of("/var/nothing")
    server = set_up(it, filter_rows="user = deep\nchroot = /var/nothing", user="root")
    all = lab.wait(lambda: len(filters(it)) == 3 and filters(it)) or {}
    first = [pid for pid, parent in all.items() if parent not in all]
    status = {}

    def settled():
        """Who stands behind the process that smtpd started drops what it had a bit later."""
        for pid in all:
            status[pid] = lab.read("/proc/%d/status" % pid)
        return not [pid for pid in first + [with_store(it)] if not
            re.search(r"^NoNewPrivs:\s*1$", status.get(pid, ""), re.M)]
    lab.wait(settled)
    same({re.search(r"^Uid:\s*(.*)$", text, re.M).group(1) for text in status.values()},
        {"201\t201\t201\t201"}, "none of the three is root any more")
    same({re.search(r"^CapEff:\s*(.*)$", text, re.M).group(1) for text in status.values()},
        {"0" * 16}, "nor has any of root's powers")
    for pid in first:
        same(os.readlink("/proc/%d/root" % pid), it.path("/var/nothing"),
            "the first one sees an empty folder")
    ok(settled(), "and no program gives it more, nor who has the store")
    mark = it.mark()
    submit(it, "u@p1.lab.test")
    it.wait_events(1, mark, event="message")
    ok(lab.wait(lambda: "tls12" in learnt(it).get("p1.lab.test", ())), "it learns")
    submit(it, "no@p1.lab.test")
    same(len(mailbox(it, "alice", 1)), 1, "DSNs pass")
    alive(it, server, "smtpd runs")
    it.stop(server)


def held(it):
    """deep-relay's word for a recipient comes into the DSN, over a restart of smtpd too."""
    relay = Relay("127.0.0.1", 10025)
    relay.held.add("held.test")
    server = set_up(it, actions='action "out" relay host "smtp+notls://127.0.0.1:10025" '
        'filter "deep"')
    submit(it, "u1@held.test", "u2@free.test", "u3@held.test")
    same(bool(lab.wait(lambda: relay.seen)), True, "the other recipient is served")
    messages = mailbox(it, "alice", 1)
    same(len(messages), 1, "a DSN of the delay")
    for message in messages:
        same(message.get_content_type(), "multipart/report", "X-10: is multipart/report")
        same(message.get_param("report-type"), "delivery-status", "of delivery-status")
        found = groups(message)
        same(sorted(found), ["u1@held.test", "u3@held.test"], "of the two")
        for address, group in found.items():
            same((group["Action"], group["Status"], group["SMTP-Security-Latch"]),
                ("delayed", "4.7.10", "tls12 tls-pfs"), "D3.3-8, D3.3-9: " + address)
            ok(" ".join(group["Diagnostic-Code"].split()).startswith(
                "smtp; 451 4.7.10 security latch of held.test not met by"),
                "and why", group["Diagnostic-Code"])
    show = lambda: it.run("deeplatch", "-f", "/etc/deep.conf", "show", "held.test").stdout
    ok(lab.wait(lambda: "u1@held.test" in show() and "u3@held.test" in show()),
        "deeplatch shows what waits", show())
    empty(it, "alice")
    server = grow_old(it, server)
    messages = mailbox(it, "alice", 1)
    same(len(messages), 1, "a DSN of the end, after a restart")
    for message in messages:
        same(message["Subject"], "Delivery status notification: failed", "is a failure")
        ok("temporary failure" not in message.as_string(), "and says nothing else")
        for address, group in groups(message).items():
            same((group["Action"], group["Status"], group["SMTP-Security-Latch"]),
                ("failed", "4.7.10", "tls12 tls-pfs"), "D3.3-8, D3.3-9: " + address)
    same(learnt(it), {}, "nothing is learnt from deep-relay's address")
    alive(it, server, "smtpd runs")
    it.stop(server)
    relay.shutdown()
    relay.server_close()


def received(it):
    """The tls clause in smtpd's own Received, on a listener with TLS (7.x)."""
    pair = it.certificate("mta.lab.test")
    it.install(pair["certificate"], "/etc/mta.pem", 0o600)
    it.install(pair["key"], "/etc/mta.key", 0o600)
    it.add_records({"1.0.9.10.in-addr.arpa": {"PTR": "mta.lab.test."},
        "mta.lab.test": {"A": "10.9.0.1"}})
    it.dns()
    server = set_up(it, filter_rows="received = yes\ninbound = reject", listen=
        'pki mta.lab.test cert "/etc/mta.pem"\npki mta.lab.test key "/etc/mta.key"\n'
        'listen on 10.9.0.1 tls pki mta.lab.test filter "deep"')
    it.listens("10.9.0.1", 25)
    body = "From: <a@b.test>\nSubject: x\n\n" + "y" * 3000 + "\n..\n.z\n"
    for version, number in (("1.3", 1), ("1.2", 2)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version = context.maximum_version = {
            "1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}[version]
        smtp = smtplib.SMTP("10.9.0.1", 25, "client.test", timeout=60)
        smtp.starttls(context=context)
        suite = smtp.sock.cipher()[0]
        smtp.sendmail("a@b.test", ["alice@mta.lab.test"], body.encode())
        smtp.quit()
        messages = mailbox(it, "alice", 1)
        for message in messages:
            field = " ".join(message["Received"].split())
            name = suite if version == "1.3" else "TLS_" + suite.replace("-", "_") \
                .replace("RSA_", "RSA_WITH_").replace("AES256", "AES_256")
            ok(" for <alice@mta.lab.test> tls %s; " % name in field,
                "D4-2, D4-3, D4-7, D5.2-9: TLS %s" % version, field)
            ok(message.get_payload().strip() == body.split("\n\n", 1)[1].strip(),
                "the rest is as it was")
        empty(it, "alice")
    ok(lab.wait(lambda: "tls12" in learnt(it).get("mta.lab.test", ())), "the client is known")
    smtp = smtplib.SMTP("10.9.0.1", 25, "client.test", timeout=60)
    smtp.ehlo()
    code, words = smtp.docmd("MAIL FROM:<a@b.test>")
    same(code, 451, "a client that used TLS has to use it again")
    ok(words.startswith(b"4.7.10") and b"tls12" not in words,
        "and is not told which latches", words)
    smtp.close()
    it.run("deeplatch", "-f", "/etc/deep.conf", "reset", "--all", "--service", "inbound",
        "--reason", "test", "mta.lab.test", input="")
    smtp = smtplib.SMTP("10.9.0.1", 25, "client.test", timeout=60)
    smtp.ehlo()
    same(smtp.docmd("MAIL FROM:<a@b.test>")[0], 250, "until it is reset")
    smtp.close()
    alive(it, server, "smtpd runs")
    it.stop(server)


def inbound(it):
    """The levels for clients that used TLS before: observe, reject; and what 6.8 gets."""
    it.add_records({"1.0.9.10.in-addr.arpa": {"PTR": "mta.lab.test."},
        "mta.lab.test": {"A": "10.9.0.1"}})
    it.dns()
    lead = "report|0.7|1.0|smtp-in|"
    transcript = "config|smtpd-version|7.6.0\nconfig|subsystem|smtp-in\nconfig|ready\n" + "".join(
        lead + "%s|00000000000000aa%s\n" % event for event in (
            ("link-connect", "|mta.lab.test|pass|10.9.0.1:1|10.9.0.1:25"),
            ("link-tls", "|TLSv1.3:TLS_AES_256_GCM_SHA384:256"), ("tx-begin", "|4ef05b3a"),
            ("tx-mail", "|4ef05b3a|ok|a@b.test"), ("tx-commit", "|4ef05b3a|9")))
    for level, code in ("observe", 250), ("reject", 451):
        since = len(it.read("/var/log/smtpd.out"))
        server = set_up(it, filter_rows="received = yes\ninbound = " + level,
            listen='listen on 10.9.0.1 filter "deep"')
        it.listens("10.9.0.1", 25)
        # 6.8 cannot take the message over TLS that would teach this
        it.run("/usr/libexec/opensmtpd/filter-deep", "-f", "/etc/deep.conf", user="deep",
            input=transcript, check=True)
        ok("tls12" in learnt(it).get("mta.lab.test", ()), "a client is known to use TLS")
        smtp = smtplib.SMTP("10.9.0.1", 25, "client.test", timeout=60)
        smtp.ehlo()
        same(smtp.docmd("MAIL FROM:<a@b.test>")[0], code, "inbound = %s" % level)
        smtp.close()
        event = "event=%s name=mta.lab.test service=inbound" % (
            "warned" if level == "observe" else "refused")
        ok(lab.wait(lambda: event in it.read("/var/log/smtpd.out")[since:]),
            "is told: " + event, it.read("/var/log/smtpd.out")[since:])
        same("received = yes is refused" in it.read("/var/log/smtpd.out")[since:], old(it),
            "the tls clause is refused, with a warning, by 6.8 alone")
        alive(it, server, "smtpd runs")
        it.stop(server)


def table(it):
    """table-deep gives each domain an address, and so a transaction (7.6)."""
    relay = Relay("0.0.0.0", 10025)
    relay.held.add("held.test")
    server = set_up(it, actions='table latchmx deep:/etc/deep.conf\n'
        'action "out" relay domain <latchmx> filter "deep"')
    submit(it, "u1@one.test", "u2@two.test", "u3@one.test", "u4@held.test")
    lab.wait(lambda: len(relay.seen) >= 2)
    same(sorted(sorted(recipients) for _, _, recipients in relay.seen),
        [["u1@one.test", "u3@one.test"], ["u2@two.test"]],
        "D3.3-9: one transaction for each domain, the third waits")
    ok(len({address for address, _, _ in relay.seen}) == 2 and all(
        address.startswith("127.") for address, _, _ in relay.seen),
        "each on an address of its own", relay.seen)
    found = [groups(message) for message in mailbox(it, "alice", 1)]
    same([(list(group), [fields["SMTP-Security-Latch"] for fields in group.values()])
        for group in found], [(["u4@held.test"], ["tls12 tls-pfs"])],
        "D3.3-9: a DSN for that one")
    said = it.run("deep-smtpd", "check")
    ok("ok: table latchmx reads the store" in said.stdout and
        "ok: filter deep starts as deep" in said.stdout and
        "ok: deep-relay answers on 127." in said.stdout and
        "wrong" not in said.stdout and said.returncode == 0,
        "deep-smtpd check: all is right", said.stdout, said.stderr)
    before = {name: place for place, _, recipients in relay.seen
        for name in {address.split("@")[1] for address in recipients}}
    end(it, server)
    relay.held.clear()
    server = begin(it)
    schedule_all(it, "u4@held.test")
    submit(it, "v@one.test")
    lab.wait(lambda: len(relay.seen) >= 4)
    after = {address.split("@")[1]: place for place, _, recipients in relay.seen[2:]
        for address in recipients}
    same(after.get("one.test"), before.get("one.test"), "the address outlives a restart")
    ok("held.test" in after, "what waited is delivered", after)
    alive(it, server, "smtpd runs")
    it.stop(server)
    relay.shutdown()
    relay.server_close()


def start_relay(it, more=""):
    """deep-relay, by the deep.conf that there is and these settings of its own."""
    it.write("/etc/deep.conf", it.read("/etc/deep.conf") + "[relay]\n"
        "listen = 127.0.0.0/8:10025\nuser = deep\nworkers = 1\nresolver = 127.0.0.1\n"
        "inet = ipv4\nkeep = 0\nstore-timeout = 60000\ntrust-anchor = /etc/anchors\n" + more)
    # what the lab's unbound trusts: its zones are signed by nobody else
    it.write("/etc/anchors", "".join(line + "\n" for line in
        re.findall(r'trust-anchor: "(.*)"', it.read("/etc/unbound/lab.conf"))))
    relay = it.start("deep-relay", "/usr/sbin/deep-relay")
    it.listens("127.0.0.1", 10025)
    return relay


def hold(it):
    """[relay] hold = yes: the refusal comes behind the text, DSNs name the latches even so."""
    it.dns({"h.lab.test": {"MX": "10 mx24.lab.test."}, "mx24.lab.test": {"A": "10.9.0.24"}})
    it.peer("10.9.0.24", name="mx24.lab.test")
    server = set_up(it, actions='action "out" relay host "smtp+notls://127.0.0.1:10025" '
        'filter "deep"')
    relay = start_relay(it, "hold = yes\n")
    mark = it.mark()
    submit(it, "u@h.lab.test")
    it.wait_events(1, mark, event="message")
    ok(lab.wait(lambda: "tls12" in learnt(it).get("h.lab.test", ())), "hold: deep-relay learns")
    it.peer("10.9.0.24", name="mx24.lab.test", starttls=False)
    mark = it.mark()
    submit(it, "u1@h.lab.test")
    for action in "delayed", "failed":
        found = [(address, fields["Action"], fields["Status"], "tls12" in
            fields["SMTP-Security-Latch"].split()) for message in mailbox(it, "alice", 1)
            for address, fields in groups(message).items()]
        same(found, [("u1@h.lab.test", action, "4.7.10", True)],
            "D3.3-8, D3.3-9: hold = yes: a DSN, %s, names the latches" % action)
        empty(it, "alice")
        if action == "delayed":
            server = grow_old(it, server)
    same([verb for verb in it.verbs(mark) if verb.endswith("MAIL")], [],
        "D3.3-1: and the host was given no MAIL")
    submit(it, "u2@h.lab.test", fields="TLS-Required: No\n")
    same([(event["recipients"], event["tls"]) for event in it.wait_events(1, mark,
        event="message")], [(["u2@h.lab.test"], None)], "X-14: who asks for it is passed by")
    alive(it, server, "smtpd runs")
    it.stop(server)
    it.stop(relay)


def architecture(it):
    """
    smtpd, filter-deep, table-deep and deep-relay together: of three domains one is
    latched and loses STARTTLS.
    """
    records = {}
    for number, name in (21, "a"), (22, "b"), (23, "c"):
        mx = "mx%d.lab.test" % number
        records["%s.lab.test" % name] = {"MX": "10 %s." % mx}
        records[mx] = {"A": "10.9.0.%d" % number}
        it.peer("10.9.0.%d" % number, name=mx)
    it.dns(records)
    server = set_up(it, actions='table latchmx deep:/etc/deep.conf\n'
        'action "out" relay domain <latchmx> filter "deep"')
    relay = start_relay(it)
    mark = it.mark()
    submit(it, "u@a.lab.test")
    it.wait_events(1, mark, event="message")
    ok("tls12" in (lab.wait(lambda: learnt(it).get("a.lab.test")) or ()),
        "D5.7-2: deep-relay learns")
    it.peer("10.9.0.21", name="mx21.lab.test", starttls=False)
    mark = it.mark()
    submit(it, "u1@a.lab.test", "u2@b.lab.test", "u3@c.lab.test", "u4@b.lab.test")
    arrived = it.wait_events(2, mark, event="message")
    same(sorted(sorted(event["recipients"]) for event in arrived),
        [["u2@b.lab.test", "u4@b.lab.test"], ["u3@c.lab.test"]],
        "D3.1-4, D3.3-5: of four recipients of three domains the two others' arrive")
    same(["u1@a.lab.test" in event.get("recipients", ()) for event in
        it.events(mark, "message")], [False, False], "D3.3-1: the third waits")
    messages = mailbox(it, "alice", 1)
    found = [groups(message) for message in messages]
    same([list(group) for group in found], [["u1@a.lab.test"]], "a DSN of the delay")
    for group in found:
        ok("tls12" in group["u1@a.lab.test"]["SMTP-Security-Latch"].split() and
            group["u1@a.lab.test"]["Status"] == "4.7.10" and
            group["u1@a.lab.test"]["Action"] == "delayed",
            "D3.3-8, D3.3-9: with the latches", str(group["u1@a.lab.test"]))
    said = it.run("deep-smtpd", "check", "-t")
    ok(said.returncode == 0 and "ok: a domain without a mail exchanger is refused" in
        said.stdout, "deep-smtpd check -t: all is right", said.stdout, said.stderr)
    empty(it, "alice")

    show = lambda: it.run("deeplatch", "-f", "/etc/deep.conf", "show", "a.lab.test").stdout
    ok(lab.wait(lambda: "u1@a.lab.test" in show()), "deeplatch shows that it waits", show())
    mark = it.mark()
    said = it.run("deeplatch", "-f", "/etc/deep.conf", "reset", "--all", "--reason", "test",
        "a.lab.test", input="")
    ok("smtpctl schedule all" in said.stdout, "reset tells what to do next", said.stdout)
    schedule_all(it, "u1@a.lab.test")
    arrived = it.wait_events(1, mark, event="message")
    same([event["recipients"] for event in arrived], [["u1@a.lab.test"]],
        "D3.3-6: and is delivered after a reset")
    ok(lab.wait(lambda: "u1@a.lab.test" not in show()), "and waits no longer", show())

    # What waits to its end, and what deeptrace says of the DSN.
    it.peer("10.9.0.21", name="mx21.lab.test")
    mark = it.mark()
    submit(it, "u@a.lab.test")
    it.wait_events(1, mark, event="message")
    lab.wait(lambda: "tls12" in learnt(it).get("a.lab.test", ()))
    it.peer("10.9.0.21", name="mx21.lab.test", starttls=False)
    empty(it, "alice")
    mark = it.mark()
    submit(it, "u5@a.lab.test")
    same(len(mailbox(it, "alice", 1)), 1, "a DSN of its delay")
    server = grow_old(it, server)
    messages = [message for message in mailbox(it, "alice", 2)
        if groups(message).get("u5@a.lab.test", {}).get("Action") == "failed"]
    same(len(messages), 1, "it expires")
    for message in messages:
        said = it.run("deeptrace", "-f", "json", input=message.as_bytes())
        dsn = (json.loads(said.stdout or "{}").get("dsn") or {}).get("recipients")
        ok(dsn and dsn[0]["action"] == "failed" and dsn[0]["status"].startswith("4.7.10") and
            "tls12" in dsn[0]["latches"], "deeptrace reads the latches in the DSN of the end",
            said.stdout, said.stderr)
    same(it.events(mark, "message"), [], "D3.1-4: nothing of it in clear")
    alive(it, server, "smtpd runs")
    it.stop(server)
    it.stop(relay)


def example(it):
    """The example of this version is taken by it, with its comments and without."""
    name = {"bookworm": "6.8", "backports": "7.4", "trixie": "7.6"}[it.name]
    text = it.read("/usr/share/deep/smtpd-%s.conf" % name).replace("eth0", "10.9.0.1")
    pair = it.certificate("mx.example.org")
    it.install(pair["certificate"], "/etc/ssl/mx.example.org.pem", 0o600)
    it.install(pair["key"], "/etc/ssl/private/mx.example.org.key", 0o600)
    it.write("/etc/aliases", "root: alice\n")
    it.run("mkdir", "-p", "/etc/mail")
    # its tables are written as it says, of a store in which there is nothing yet, and which goes
    script = "".join(line[2:] + "\n" for line in text.split("\n") if line.startswith("#\t"))
    if it.name != "trixie":
        it.write("/etc/deep.conf", DEEP.format(filter="", folder="/var/lib/deep"))
        new_store(it)
        it.run("sh", "-c", script)
        written = it.read("/etc/mail/tls10")
        same(written, "deep.invalid\n", "smtpd-%s.conf: a table of no domains" % name)
        it.run("rm", "-rf", "/var/lib/deep", check=True)
        it.run("sh", "-c", script)
        same(it.read("/etc/mail/tls10"), written, "which stays where there is no store")
    it.write("/etc/smtpd.conf", text)
    said = it.run("smtpd", "-n", "-f", "/etc/smtpd.conf")
    ok(said.returncode == 0, "smtpd-%s.conf is taken" % name, said.stderr, said.stdout)
    if it.name != "trixie":
        lines = [line[1:] if line.startswith(("#ca", "#table", "#action", "#match")) else line
            for line in text.split("\n") if not line.startswith(("action \"out\"",
            "match from local for any", "match auth"))]
        it.write("/etc/smtpd.conf", "\n".join(lines))
        said = it.run("smtpd", "-n", "-f", "/etc/smtpd.conf")
        ok(said.returncode == 0, "and what stands in its comments", said.stderr)


def check(it):
    """deep-smtpd check says what is wrong."""
    it.write("/etc/smtpd.conf", """\
filter "deep" proc-exec "filter-deep" user deep group deep
listen on socket
ca "one" cert "/etc/ssl/certs/ca-certificates.crt"
action "local" maildir
action "out" relay host "smtp://smart.test" filter "deep"
action "a" relay tls ca "one" filter "deep"
action "b" relay tls no-verify ca "one"
match from any for local action "local"
match from any for any action "out"
""")
    it.write("/etc/deep.conf", DEEP.format(filter="", folder="/var/lib/deep"))
    it.run("rm", "-rf", "/var/lib/deep")
    said = it.run("deep-smtpd", "check")
    same(said.returncode, 1, "deep-smtpd check: something is wrong")
    for words in ("wrong: DSNs will not name latches", "wrong: the smarthost smart.test",
        "wrong: action b has no filter-deep", "wrong: the store"):
        ok(words in said.stdout, words, said.stdout, said.stderr)
    ok('write listen on socket filter "deep"\n' in said.stdout, "and what to write", said.stdout)
    if not old(it):
        ok("wrong: actions with different TLS would share sessions: a and b" in said.stdout,
            "sessions that would be shared", said.stdout)
    it.write("/etc/smtpd.conf", 'action "out" relay\nmatch from any for any action "out"\n')
    said = it.run("deep-smtpd", "check")
    where = re.search("the examples in (/.*)\n", said.stdout)
    ok(where and "smtpd-7.6.conf" in os.listdir(it.path(where.group(1))),
        "without the filter: where examples are", said.stdout)


def modes(it):
    """Of a store that the table cannot use deep-smtpd check says what is in the way, no more."""
    it.write("/etc/deep.conf", DEEP.format(filter="", folder="/var/lib/deep"))
    it.write("/etc/smtpd.conf", 'filter "deep" proc-exec "filter-deep" user deep group deep\n'
        'listen on socket filter "deep"\ntable latchmx deep:/etc/deep.conf\n'
        'action "out" relay domain <latchmx> filter "deep"\nmatch from any for any action "out"\n')
    new_store(it)
    group = it.read("/etc/group")
    for command, words, hint in (("true", None, ""),
        # what SQLite needs beside the file is there, and who may not make it can use it
        ("chmod 755 /var/lib/deep", None, ""),
        ("chown root /var/lib/deep; rm /var/lib/deep/latches.db-*", "may not write to it", ""),
        ("chown deep /var/lib/deep; chmod 2770 /var/lib/deep; chmod 640 /var/lib/deep/latches.db", "of mode 0660", ""),
        ("chmod 660 /var/lib/deep/latches.db; chgrp root /var/lib/deep", "and of its folder", ""),
        ("chgrp deep /var/lib/deep; sed -i 's/:opensmtpd$/:/' /etc/group", "of the group",
            "; usermod -a -G deep opensmtpd")):
        it.run("sh", "-c", command, check=True)
        said = it.run("deep-smtpd", "check")
        line = [one for one in said.stdout.splitlines() if "latchmx" in one and "the store" in one]
        ok(len(line) == 1 and (words or "ok: ") in line[0] and
            line[0].endswith(hint) and ("usermod" in line[0]) == bool(hint),
            "deep-smtpd check, %s: %s" % (command, (words or "all is right") + hint), *line)
    it.write("/etc/group", group)


def test(it):
    it.user("deep", 201)
    # the user of smtpd's tables reads the store
    it.write("/etc/group", it.read("/etc/group").replace("deep:x:201:\n",
        "deep:x:201:opensmtpd\n"))
    it.run("ln", "-s", "/usr/sbin/smtpctl", "/tmp/sendmail", check=True)
    it.run("chgrp", "opensmtpq", "/usr/sbin/smtpctl", check=True)
    it.run("chmod", "2555", "/usr/sbin/smtpctl", check=True)
    it.build()
    parts = [native, held, inbound, hold, check, example]
    if it.name != "backports":
        parts += [native_dsn, survival, strangers]
    if not old(it):
        parts.append(received)
    if it.name == "trixie":
        parts += [table, architecture, privileges, modes]
    only = os.environ.get("DEEP_SMTPD_PART")
    for part in parts:
        if only in (None, part.__name__):
            part(it)


lab.main(test, roots=tuple(sys.argv[1:]) or ("bookworm", "backports", "trixie"))
