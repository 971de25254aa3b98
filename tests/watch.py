#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# watch.py - "deeptrace watch" on a Maildir that reports arrive in: what it says
# of a path that got worse, better, or came late; what it keeps; and whom it tells.

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from tap import done, ok

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
deeptrace = os.path.join(root, "deeptrace")
PATIENCE = 60  # seconds until something that should happen is given up
TLS13 = " (using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits))"
TLS12 = " (using TLSv1.2 with cipher AES128-SHA (128/128 bits))"


def report(minute, tls="", protocol="ESMTP", sender="alice@example.org", to="bob@example.net", host="mx.example.org"):
    return ("Received: from mx.example.net by mx.example.org with ESMTPS; Mon, 2 Nov 2026 10:%02d:00 +0000\n"
            "Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n"
            "Reporting-MTA: dns; mx.example.net\n\nFinal-Recipient: rfc822; %s\nAction: delivered\n"
            "Status: 2.0.0\n\n--x\nContent-Type: text/rfc822-headers\n\nReturn-Path: <%s>\n"
            "Received: from %s%s by mx.example.net with %s; Mon, 2 Nov 2026 10:00:00 +0000\n"
            "Message-ID: <x@y>\n\n--x--\n" % (minute, to, sender, host, tls, protocol))


work = tempfile.mkdtemp(prefix="watch.")
box, state = os.path.join(work, "box"), os.path.join(work, "state")
for sub in "cur", "new", "tmp":
    os.makedirs(os.path.join(box, sub))
number = 0


def deliver(text, sub="new"):
    """As a Maildir wants it: written in tmp, then moved."""
    global number
    number += 1
    name = "%d.test" % (1000 + number)
    with open(os.path.join(box, "tmp", name), "w", encoding="utf-8") as out:
        out.write(text)
    os.rename(os.path.join(box, "tmp", name), os.path.join(box, sub, name))
    return os.path.join(sub, name)


def once(*more):
    run = subprocess.run([deeptrace, "watch", "-1", "-S", state, *more, box], capture_output=True, text=True,
                         check=False, timeout=2 * PATIENCE)
    return [json.loads(line) for line in run.stdout.splitlines()], run


watcher = None
try:
    deliver(report(1, TLS13, "ESMTPS"))
    deliver("Subject: no report\n\nx\n")
    events, run = once()
    ok(run.returncode == 0 and [e["event"] for e in events] == ["new"] and events[0]["from"] == "example.org"
       and events[0]["to"] == "example.net" and events[0]["now"]["verdict"] == "strong" and events[0]["was"] is None,
       "a first path is new", (events, run.stderr))
    events, run = once()
    ok(events == [], "what was read before is not told again", events)
    deliver(report(2))
    events, run = once("-l", "stderr")
    ok([e["event"] for e in events] == ["worse"] and events[0]["was"]["verdict"] == "strong"
       and events[0]["now"]["verdict"] == "clear" and "mx.example.net" in events[0]["worst"],
       "a clear path after a strong one is worse", events)
    ok("path worse: example.org > example.net: was strong, is clear (hop 1, mx.example.org > mx.example.net)"
       in run.stderr, "and a line says so", run.stderr)
    deliver(report(3))
    events, run = once("-l", "stderr")
    ok([e["event"] for e in events] == ["same"] and run.stderr == "", "the next one is the same, and no line", events)
    deliver(report(4, TLS13, "ESMTPS"))
    events, run = once()
    ok([e["event"] for e in events] == ["better"], "a strong one is better", events)
    deliver(report(5, TLS12, "ESMTPS"))
    events, run = once()
    ok([e["event"] for e in events] == ["worse"] and events[0]["now"]["verdict"] == "strong"
       and "tls-pfs" not in events[0]["now"]["latches"], "a latch that is lost is worse, if the verdict is the same",
       events)
    deliver(report(5, TLS13, "ESMTPS", to="carol@example.com"))
    events, run = once()
    ok([(e["event"], e["to"]) for e in events] == [("new", "example.com")], "another domain is another path", events)
    events, run = once("-l", "stderr", "-S", os.path.join(work, "fresh"))
    ok("worse" in [e["event"] for e in events] and run.stderr == "",
       "what got worse before the first start is written, but not logged", (events, run.stderr))
    kept = [json.loads(line) for line in open(os.path.join(state, "paths"), encoding="utf-8")]
    ok({(p["from"], p["to"], p["verdict"]) for p in kept[:-1]} == {("example.org", "example.net", "strong"),
                                                            ("example.org", "example.com", "strong")} and kept[-1] == {"pairs": 2},
       "both are kept, and how many they are", kept)

    # As it arrives; with a mail to somebody.

    program, sent = os.path.join(work, "sendmail"), os.path.join(work, "sent")
    with open(program, "w", encoding="utf-8") as out:
        out.write("#!/bin/sh\necho \"$@\" >'%s.arguments'\ncat >'%s.part' && mv '%s.part' '%s'\n" % ((sent,) * 4))
    os.chmod(program, 0o755)
    watcher = subprocess.Popen([deeptrace, "watch", "-S", state, "-l", "stderr", "-e", "postmaster@example.org", "-p",
                                program, box], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    os.set_blocking(watcher.stdout.fileno(), False)
    pending = ""

    def there():
        """What stands in the pipe."""
        try:
            return os.read(watcher.stdout.fileno(), 1 << 16).decode()
        except BlockingIOError:
            return ""

    def wait_for(n):
        """The next n events, or what came until then."""
        global pending
        end = time.monotonic() + PATIENCE
        while pending.count("\n") < n and time.monotonic() < end and watcher.poll() is None:
            pending += there()
            time.sleep(0.02)
        lines = pending.splitlines()
        pending = "".join(line + "\n" for line in lines[n:])
        return [json.loads(line) for line in lines[:n]]

    # ready once both folders are watched, which is behind the lock
    end, watched = time.monotonic() + PATIENCE, 0
    while watched < 2 and time.monotonic() < end and watcher.poll() is None:
        watched = 0
        for fd in os.listdir("/proc/%d/fdinfo" % watcher.pid):
            try:
                with open("/proc/%d/fdinfo/%s" % (watcher.pid, fd), encoding="ascii") as info:
                    watched += info.read().count("inotify wd:")
            except OSError:
                pass
        time.sleep(0.02)
    other = subprocess.run([deeptrace, "watch", "-1", "-S", state, box], capture_output=True, text=True, check=False)
    ok(other.returncode == 75 and "another deeptrace watches" in other.stderr, "one watches a folder of state", other)
    deliver(report(6))
    events = wait_for(1)
    ok([e["event"] for e in events] == ["worse"], "a report that arrives is read", events)
    end = time.monotonic() + PATIENCE
    while not os.path.exists(sent) and time.monotonic() < end:
        time.sleep(0.02)
    mail = open(sent, encoding="utf-8").read() if os.path.exists(sent) else ""
    ok("To: postmaster@example.org\nSubject: A mail path got worse\nAuto-Submitted: auto-generated\n" in mail
       and "was strong, is clear" in mail and "1" in mail, "postmaster gets a mail", mail)
    ok(os.path.exists(sent) and open(sent + ".arguments", encoding="utf-8").read() == "-i -- postmaster@example.org\n", "by sendmail -i")
    name = deliver(report(7, TLS13, "ESMTPS"))
    os.rename(os.path.join(box, name), os.path.join(box, "cur", os.path.basename(name) + ":2,S"))
    events = wait_for(1)
    ok([e["event"] for e in events] == ["better"], "one that a mail program moves at once is read once", events)
    deliver(report(2, TLS12, "ESMTPS"))
    deliver(report(8, TLS13, "ESMTPS", host="\x1b[31mmx.example.org"))
    events = wait_for(2)
    ok([e["event"] for e in events] == ["late", "same"], "an old report changes nothing", events)
    for minute in range(9, 59):
        deliver(report(minute, TLS13, "ESMTPS"))
    events = wait_for(50)
    ok(len(events) == 50 and {e["event"] for e in events} == {"same"}, "fifty at once are all read", len(events))
    watcher.send_signal(signal.SIGTERM)
    watcher.wait(PATIENCE)
    said = watcher.stderr.read()
    ok(watcher.returncode == 0 and said.count("path worse") == 1 and "\x1b" not in said, "SIGTERM ends it well", said)
    ok(pending + there() == "", "and nothing was told twice")
    watcher.stdout.close()
    watcher.stderr.close()
    watcher = None

    # Only what was asked for; and what it cannot do.

    deliver(report(59))
    events, run = once("--mine")
    ok({e["event"] for e in events} == {"unasked"} and all(set(e) == {"event", "file"} for e in events),
       "--mine: a report that nobody asked for is said to be one, and changes nothing", events[:2])
    events, run = once("-q", "-l", "stderr")
    ok(events == [] and "was strong, is clear" in run.stderr, "-q: the line alone", run)
    with open(os.path.join(state, "paths"), encoding="utf-8") as kept:
        whole = kept.read()
    for name, text, says in (
            ("what is no JSON", whole.replace("{", "not json\n{", 1), ": is no pair of domains"),
            ("a pair without its verdict", whole.replace('"verdict"', '"verdikt"', 1), ": is no pair of domains"),
            ("a verdict that there is not", whole.replace('"strong"', '"secure"'), ": is no pair of domains"),
            ("a latch that there is not", whole.replace('"tls12"', '"tls99"', 1), ": is no pair of domains"),
            ("a file cut within a line", whole[:len(whole) // 3], ": is no pair of domains"),
            ("a file cut between two lines", whole[:whole.rindex('{"pairs"')], "does not end as it was written"),
            ("an empty file", "", ":0: does not end as it was written"),
            ("a line too few", whole[whole.index("\n") + 1:], "does not end as it was written"),
            ("more behind the end", whole + "x", "does not end as it was written"),
            ("a line without end", whole.rstrip("\n") + " " * 5000 + "\n", "does not end as it was written")):
        ok(text != whole, "control: %s is another file" % name)
        with open(os.path.join(state, "paths"), "w", encoding="utf-8") as out:
            out.write(text)
        events, run = once()
        with open(os.path.join(state, "paths"), encoding="utf-8") as kept:
            left = kept.read()
        ok(run.returncode == 78 and says in run.stderr and run.stderr.count("\n") == 1 and events == [] and left == text,
           "%s is no empty start: it stops, and leaves it as it is" % name, run)
    with open(os.path.join(state, "paths"), "w", encoding="utf-8") as out:
        out.write(whole)
    events, run = once()
    ok(run.returncode in (0, 1) and events == [], "put back, it goes on, and tells nothing twice", (run, events))
    run = subprocess.run([deeptrace, "watch", "-1", "-S", os.path.join(work, "s2"), work], capture_output=True,
                         text=True, check=False)
    ok(run.returncode == 66 and "is it a Maildir?" in run.stderr, "a folder that is no Maildir", run)
    run = subprocess.run([deeptrace, "watch"], capture_output=True, text=True, check=False)
    ok(run.returncode == 64, "no folder at all")
finally:
    if watcher is not None:
        watcher.kill()
        watcher.wait()
    shutil.rmtree(work, ignore_errors=True)
done()
