#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
exim: deliveries of a real Exim with the latches, by what deep-exim(8) set up: what is
learnt, what is refused, and what becomes of the message.  That no MAIL was said is
read in the log of the other side.  DEEP_ATTACK: messages of the attack [60];
DEEP_DELIVERIES: with and without the module [80].
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/exim", HERE + "/lab"]
import attack
import lab
import matrix
from lab import ok, same
from server import ROOTS, Server, STRICT, clear, wanted

ALL = matrix.MODERN
OFFER = "DEEP_OWN_CIPHERS = ${lookup{$domain}lsearch{/etc/exim4/offer}}\n"
BEGIN = "# Security latches, by deep-exim"


def latches(text):
    return tuple(text.split(","))


def offers(it, made, gnutls=None, openssl=None):
    """What Exim offers to each of them, in the words of its library: "own" ciphers."""
    it.write("/etc/exim4/offer", "".join("%s: %s\n" % (scene.domain, openssl or
        scene.row.openssl if it.name == "exim-openssl" else gnutls or scene.row.gnutls or
        "NORMAL") for scene in made))


def scenes(it, rows):
    made = [matrix.Scene(it, "d%d" % number, "10.9.0.%d" % (11 + number), row)
        for number, row in enumerate(rows)]
    it.dns({name: types for scene in made for name, types in scene.records.items()})
    offers(it, made)
    return made


def two_of_one_host(it):
    """Two domains whose mail one host takes."""
    it.dns({"d1.lab.test": {"MX": "10 mx1.lab.test."}, "d2.lab.test": {"MX":
        "10 mx1.lab.test."}, "mx1.lab.test": {"A": "10.9.0.11"}})


def learn(it):
    """The latches that one transfer sets are those of the table."""
    for profile in ("modern", "strict") if it.name == "bookworm" else ("modern",):
        exim = Server(it, STRICT if profile == "strict" else "")
        exim.change(BEGIN, OFFER + BEGIN)
        # what the library cannot do is no row of it: OpenSSL has no RC4, MD5 and 3DES
        made = scenes(it, [row for row in matrix.LEARN if row.openssl or
            it.name != "exim-openssl"])
        mark = it.mark()
        exim.send(*["user@" + one.domain for one in made])
        same(len(it.events(mark, "message")), len(made), "%s: %s: all are delivered" %
            (it.name, profile), exim.log())
        for scene in made:
            row = scene.row
            same(exim.held(scene.domain), getattr(row, profile), "%s: %s, %s: %s" % (
                ", ".join(row.ids), it.name, profile, row.name), *exim.lines(scene.domain))


def learn_not(it):
    """D3.1-8: a transfer, not a connection; and nothing from callouts."""
    exim = Server(it, rcpt="  accept domains = d2.lab.test\n    verify = recipient/callout\n"
        "  accept domains = d3.lab.test\n    verify = recipient/callout=use_sender,hold")
    it.dns({"d%d.lab.test" % number: {"MX": "10 mx1.lab.test."} for number in range(1, 6)})
    it.add_records({"mx1.lab.test": {"A": "10.9.0.11"}, "mx2.lab.test": {"A": "10.9.0.12"},
        "d4.lab.test": {"MX": "10 mx2.lab.test."}})
    it.dns()
    it.peer("10.9.0.11", name="mx1.lab.test", recipients={"no@.*": "550 5.1.1 no"})
    it.peer("10.9.0.12", name="mx2.lab.test", replies={".": "550 5.7.1 no"})
    exim.send("no@d1.lab.test")
    exim.send("user@d4.lab.test")
    same(exim.held("d1.lab.test"), (), "D3.1-8: %s: each recipient refused: nothing is set" %
        it.name, exim.log())
    same(exim.held("d4.lab.test"), (), "D3.1-8: %s: the message refused: nothing is set" %
        it.name)
    exim.configure(STRICT + "set = handshake\n")
    exim.send("no@d1.lab.test")
    same(exim.held("d1.lab.test"), ALL, "D5.3-5: %s: set = handshake: it is set" % it.name)
    exim.configure(STRICT)
    # callouts, in the reception of a message from the network
    daemon = exim.daemon()
    mark = it.mark()
    smtp(it, "d2.lab.test", quit_after="RCPT")
    same([one for one in it.verbs(mark) if one.endswith("RCPT")], ["tls:RCPT"],
        "%s: a callout was made" % it.name, exim.log())
    same(exim.held("d2.lab.test"), (), "%s: and nothing is learnt from it" % it.name)
    # a callout whose connection is kept for the delivery
    mark = it.mark()
    smtp(it, "d3.lab.test")
    same(len(it.wait_events(1, mark)), 1, "%s: delivered by the connection of a callout" %
        it.name, exim.log())
    it.stop(daemon)
    exim.run_queue()
    same(len(exim.queue()), 0, "%s: once, and nothing waits" % it.name, exim.log())
    # the latch holds in callouts too
    exim.send("user@d2.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    mark = it.mark()
    daemon = exim.daemon()
    smtp(it, "d2.lab.test", quit_after="RCPT")
    it.stop(daemon)
    same(clear(mark, it), [], "D3.1-4: %s: no MAIL in a callout that fails a latch" % it.name)


def smtp(it, domain, quit_after=""):
    """A message from the network to user@domain, or its beginning; the replies."""
    script = """
import socket, sys
s = socket.create_connection((sys.argv[1], 25), 20)
s.settimeout(40)
f = s.makefile("rb")
def reply():
    while True:
        line = f.readline()
        print(line.decode().rstrip())
        if line[3:4] != b"-":
            return
reply()
for line in sys.stdin.read().split("|"):
    s.sendall(line.encode() + b"\\r\\n")
    reply()
"""
    lines = ["EHLO client.lab.test", "MAIL FROM:<bob@client.lab.test>",
        "RCPT TO:<user@%s>" % domain]
    if not quit_after:
        lines += ["DATA", "Subject: x\r\n\r\nx\r\n."]
    got = subprocess.run(("nsenter", "--net=/proc/%d/ns/net" % it.world.pid, sys.executable,
        "-c", script, lab.INSIDE), input="|".join(lines + ["QUIT"]).encode(),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180)
    return got.stdout.decode()


def enforce(it):
    """What fails is refused before MAIL, waits, comes back with the reason, or goes."""
    exim = Server(it, STRICT + "[mode]\ntls-cert = enforce\n")
    exim.change(BEGIN, OFFER + BEGIN)
    rows = matrix.ENFORCE
    made = scenes(it, [row.before for row in rows])
    offers(it, made, "NORMAL:+VERS-TLS1.1:+VERS-TLS1.0", "ALL:@SECLEVEL=0")
    exim.send(*["user@" + one.domain for one in made])
    held = {one.domain: exim.held(one.domain) for one in made}
    for scene, row in zip(made, rows):
        scene.become(row)
    mark = it.mark()
    message = exim.send(*["user@" + one.domain for one in made])
    for scene, row in zip(made, rows):
        name = "%s: %s: %s" % (", ".join(row.ids), it.name, row.name)
        events = exim.events("refused", name=scene.domain)
        ok(len(events) == 1 and latches(events[0]["latches"]) in row.names(held[scene.domain]),
            name, events, row.names(held[scene.domain]))
    same([one for one in it.verbs(mark) if one.endswith("MAIL")], [],
        "D3.3-1: %s: no MAIL on the wire, in clear or under TLS" % it.name)
    same(it.events(mark, "message"), [], "%s: no message on the wire" % it.name)
    ok(message in exim.queue(), "D3.3-5: %s: it waits" % it.name)
    got = it.run("deeplatch", "show", made[0].domain).stdout
    ok(message in got, "%s: deeplatch show has the message that waits" % it.name, got)
    hellos = [one for one in it.events(mark, "hello") if one["address"] in
        [scene.address for scene, row in zip(made, rows) if matrix.PFS in held[scene.domain]]]
    weak = {"0x002F", "0x0035", "0x009C", "0x009D", "0x000A", "0x0004", "0x0005", "0x003C"}
    ok(hellos and not [one for one in hellos if weak & set(one["suites"]) or
        set(one["versions"]) & {"TLSv1", "TLSv1.1"}], "D5.3-8, D5.3-9, D5.3-10, D5.3-12: "
        "%s: what is ruled out is not offered" % it.name, *hellos[:3])
    # the queue, the time-out, the bounce
    exim.run_queue()
    mark = it.mark()
    exim.run_queue("-qf")
    same(it.events(mark, "connect"), [], "%s: the hosts are left alone for a while" % it.name)
    same(len(exim.lines("deep_hold_dnslookup defer", "4.7.10")) >= len(made), True,
        "D3.3-5: %s: the queue says why" % it.name)
    exim.change("F,1d,1s", "F,1s,1s")
    lab.wait(lambda: exim.run_queue() or not exim.queue())
    boxes = exim.box()
    same(len(boxes), 1, "%s: one bounce after the time-out" % it.name, exim.log())
    check_bounce(it, boxes[0] if boxes else "", {scene.domain: held[scene.domain] for scene in
        made})
    # the administrator accepts it, or the other side mends it
    exim.change("F,1s,1s", "F,1d,1s")
    again = exim.send("again@" + made[0].domain, "again@" + made[7].domain)
    got = it.run("deeplatch", "show", made[0].domain).stdout
    ok(again in got, "%s: deeplatch show has another one" % it.name, got)
    exim.reset(made[0].domain)
    made[7].again()
    mark = it.mark()
    exim.configure(STRICT + "[mode]\ntls-cert = enforce\n[exim]\nleave-out = 1s\n")
    exim.run_queue("-qf")
    same([one["recipients"] for one in it.events(mark, "message")], [["again@" +
        made[0].domain]], "D3.3-6: %s: after the reset it goes at once, in clear text" %
        it.name, exim.log())
    got = it.run("deeplatch", "show", made[0].domain).stdout
    ok(got and again not in got, "%s: deeplatch show has it no longer" % it.name, got)


def check_bounce(it, text, held):
    """D3.3-8 to D3.3-10: read back by deeptrace."""
    it.write("/tmp/bounce", text)
    got = it.run("deeptrace", "-f", "json", "/tmp/bounce")
    try:
        report = json.loads(got.stdout.splitlines()[0])
    except (ValueError, IndexError):
        report = {}
    groups = (report.get("dsn") or {}).get("recipients", [])
    found = {}
    for group in groups:
        address = group.get("final") or ""
        found[address.split("@")[-1]] = group
    same(sorted(found), sorted(held), "%s: the bounce has a group for each" % it.name,
        got.stdout[:2000], got.stderr, text[:3000])
    for domain in held:
        group = found.get(domain, {})
        ok(group.get("status") == "4.7.10" and group.get("latches") and
            set(group["latches"]) <= set(held[domain]), "D3.3-8, D3.3-9: %s: %s: %s" %
            (it.name, domain, group.get("latches")), group)


def elsewhere(it):
    """D3.3-1: another MX host takes it; D3.3-5: other domains on the host are not held."""
    exim = Server(it)
    it.dns({"d1.lab.test": {"MX": ["10 mx1.lab.test.", "20 mx2.lab.test."]},
        "d2.lab.test": {"MX": "10 mx1.lab.test."}, "mx1.lab.test": {"A": "10.9.0.11",
        "AAAA": "fd09::11"}, "mx2.lab.test": {"A": "10.9.0.12"}})
    for address in "10.9.0.11", "fd09::11", "10.9.0.12":
        it.peer(address, name="mx2.lab.test" if address[-2:] == "12" else "mx1.lab.test")
    exim.send("user@d1.lab.test")
    same(exim.held("d1.lab.test"), ALL, "%s: d1 has latches" % it.name)
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    it.peer("fd09::11", name="mx1.lab.test", starttls=False)
    mark = it.mark()
    exim.send("user@d1.lab.test", "user@d2.lab.test")
    same([one["recipients"] for one in it.events(mark, "message")], [["user@d2.lab.test"]],
        "D5.5-2: %s: a domain without latches on the same host is not held up" % it.name)
    exim.run_queue()
    exim.run_queue()
    same([(one["address"], one["recipients"]) for one in it.events(mark, "message")][1:],
        [("10.9.0.12", ["user@d1.lab.test"])], "D3.3-1: %s: the second MX host takes it" %
        it.name, exim.log())
    same(clear(mark, it, "d1.lab.test"), [], "%s: nothing in clear" % it.name)
    mark = it.mark()
    exim.send("next@d1.lab.test")
    same([(one["address"], one["recipients"]) for one in it.events(mark, "message")],
        [("10.9.0.12", ["next@d1.lab.test"])], "%s: and the next message at once" % it.name)


def reuse(it):
    """One connection for many messages, each of them checked; the facts go along."""
    exim = Server(it)
    it.dns({"d%d.lab.test" % number: {"MX": "10 mx1.lab.test."} for number in range(1, 5)})
    it.add_records({"mx1.lab.test": {"A": "10.9.0.11"}})
    it.dns()
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.send("user@d1.lab.test")
    mark = it.mark()
    for number in range(8):
        exim.send("u%d@d%d.lab.test" % (number, 1 + number % 2), queue=True)
    exim.run_queue("-qq")
    same((len(it.wait_events(8, mark)), len(it.events(mark, "connect"))), (8, 1),
        "D5.5-2: %s: 8 messages to two domains by one connection" % it.name, exim.log())
    same(len(exim.events("refused")), 0, "%s: none is refused" % it.name, exim.log())
    same(exim.held("d2.lab.test"), ALL, "D5.5-2: %s: each of the domains has learnt" %
        it.name)
    # a connection in clear, made for a domain without latches, is no way around
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    mark = it.mark()
    for number in range(8):
        exim.send("v%d@d%d.lab.test" % (number, 4 - number % 4), queue=True)
    exim.run_queue("-qq")
    same(sorted(one["recipients"][0] for one in it.wait_events(4, mark)), ["v%d@d%d.lab.test" %
        (number, 4 - number % 4) for number in (0, 1, 4, 5)],
        "D3.1-4: %s: the domains without latches alone" % it.name, exim.log())
    ok("d1.lab.test" not in str(clear(mark, it)) and "d2.lab.test" not in
        str(clear(mark, it)), "D3.1-4: %s: a clear connection is not passed on to them" %
        it.name)
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def early(it):
    """PIPECONNECT: EHLO, and MAIL behind it, before the other side has said a word."""
    exim = Server(it)
    exim.change("  command_timeout = 8s", "  command_timeout = 8s\n  hosts_pipe_connect = *")
    exim.change("log_selector = ", "log_selector = +pipelining ")
    keywords = ["PIPELINING", "8BITMIME", "PIPECONNECT"]
    two_of_one_host(it)

    def peer(**more):
        it.peer("10.9.0.11", **dict({"name": "mx1.lab.test", "keywords": keywords,
            "tls_keywords": keywords, "certificate": it.certificate("mx1.lab.test", "valid",
            ("d1.lab.test", "d2.lab.test"))}, **more))

    def remembered(domain, what):
        """By one message Exim learns what the host can; the next one makes use of it."""
        exim.send("user@" + domain)
        lab.wait(lambda: not exim.queue() or exim.run_queue("-qf"))
        mark = it.mark()
        message = exim.send("user@" + domain)
        same(len(it.events(mark, "message")), 1, "%s: PIPECONNECT: %s" % (it.name, what),
            *exim.log().split("\n")[-8:])
        ok(exim.lines(message + " =>", " L* "), "%s: and it was used" % it.name,
            *exim.lines(message))

    def refused(domain, what):
        mark = it.mark()
        exim.send("user@" + domain)
        same(([one for one in it.verbs(mark) if one.endswith("MAIL")],
            len(exim.queue())), ([], 1), "%s: PIPECONNECT: %s: no MAIL, and it waits" %
            (what, it.name), *exim.log().split("\n")[-8:])
        it.run("sh", "-c", "rm -f /var/spool/exim4/input/*")

    peer()
    exim.configure(STRICT + "[mode]\ntls-cert = enforce\n[exim]\nleave-out = 1s\n")
    remembered("d1.lab.test", "a first delivery")
    same(exim.held("d1.lab.test"), matrix.order(ALL + (matrix.CERT,)),
        "D3.1-8: %s: PIPECONNECT: learnt from" % it.name)
    for what, more in (("D3.1-4: STARTTLS is gone", {"starttls": False}),
        ("D3.1-4: 454 to STARTTLS", {"starttls": "454 4.7.0 no"}),
        ("D3.3-1: no forward secrecy", {"max": "1.2", "ciphers": "AES128-GCM-SHA256"}),
        ("D3.3-1: TLS 1.1", {"min": "1.1", "max": "1.1"}),
        ("D3.3-11: an expired certificate", {"certificate": "expired"})):
        peer(**more)
        refused("d1.lab.test", what)
        # what Exim remembers may be that it has no TLS: refused once more, then it asks
        peer()
        remembered("d1.lab.test", "the host is good again")
    # what is remembered of the host is that it has no TLS, from another domain's mail
    peer(starttls=False)
    remembered("d2.lab.test", "in clear, to a domain without latches")
    refused("d1.lab.test", "D3.1-4: the host is known to have no TLS")
    ok(exim.events("refused", name="d1.lab.test"), "%s: and the log has why" % it.name)
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def cutthrough(it):
    """Delivery while the message is received; and callouts that are kept for it."""
    exim = Server(it, rcpt="  accept domains = !local.test\n    control = "
        "cutthrough_delivery\n    verify = recipient")
    two_of_one_host(it)
    it.peer("10.9.0.11", name="mx1.lab.test")
    for filtered in True, False:
        what = "%s: cutthrough%s" % (it.name, "" if filtered else " without transport_filter")
        if not filtered:
            exim.reset("d2.lab.test")
            it.peer("10.9.0.11", name="mx1.lab.test")
            text = it.read("/etc/exim4/exim4.conf").split("smarthost:")
            it.write("/etc/exim4/exim4.conf", text[0].replace(
                ".include /usr/share/deep/exim-dsn.conf\n", "") + "smarthost:" + text[1])
        exim.send("user@d1.lab.test")
        daemon = exim.daemon()
        mark = it.mark()
        smtp(it, "d2.lab.test", quit_after="RCPT")
        same([one for one in it.verbs(mark) if one.endswith("RCPT")], ["tls:RCPT"],
            what + ": RCPT is passed on, or called out", exim.log())
        smtp(it, "d2.lab.test")
        same(len(it.wait_events(1, mark)), 1, what + ": delivered", exim.log())
        lab.wait(lambda: not exim.busy())
        same(exim.held("d2.lab.test"), ALL if filtered else (), what + (": learnt from" if
            filtered else ": nothing is learnt from it"), exim.log())
        same(len(exim.lines(" >> user@d2.lab.test")), 0 if filtered else 1, what + (
            ": Exim gave it up" if filtered else ": while it was received"), exim.log())
        it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
        mark = it.mark()
        said = smtp(it, "d1.lab.test")
        lab.wait(lambda: exim.events("refused", name="d1.lab.test"))
        lab.wait(lambda: not exim.busy())
        same(clear(mark, it), [], "D3.1-4: %s: a latch: no MAIL" % what, said, exim.log())
        ok(exim.events("refused", name="d1.lab.test"), what + ": and the log has why",
            exim.log())
        it.stop(daemon)
        it.run("sh", "-c", "rm -f /var/spool/exim4/input/*; : >/var/log/exim4/mainlog")
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def asked_for(it):
    """Mail that passes latches by, modes, exempt domains."""
    exim = Server(it)
    it.dns({"d1.lab.test": {"MX": "10 mx1.lab.test."}, "mx1.lab.test": {"A": "10.9.0.11"}})
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.send("user@d1.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    report = "TLS-Report-Domain: d1.lab.test\nTLS-Report-Submitter: lab.test\n" \
        "Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=b\n\n--b--\n"
    for name, text, conf, goes in (
        ("X-14: TLS-Required: No", "TLS-Required: No\n\nx\n", "", True),
        ("X-14: another value of it", "TLS-Required: Yes\n\nx\n", "", False),
        ("X-14: where it is not honoured", "TLS-Required: No\n\nx\n",
            "tls-required-no = ignore\n", False),
        ("X-15: a TLSRPT report", report, "", True),
        ("X-15: its fields without the report", report.replace("tlsrpt", "other"), "", False),
        ("X-15: where it is not honoured", report, "tlsrpt = ignore\n", False),
        ("an exempt domain", "\nx\n", "exempt = d1.lab.test\n", True),
        ("mode observe", "\nx\n", "[domain d1.lab.test]\nall = observe\n", True),
        ("mode warn", "\nx\n", "[domain d1.lab.test]\nall = warn\n", True),
        ("mode enforce", "\nx\n", "", False)):
        exim.configure(STRICT + conf)
        mark = it.mark()
        exim.send("user@d1.lab.test", text="Subject: x\n" + text)
        exim.run_queue("-qf") if not goes else None
        same(len(it.events(mark, "message")), 1 if goes else 0, "%s: %s" % (name, it.name),
            *exim.log().split("\n")[-6:])
        it.run("sh", "-c", "rm -f /var/spool/exim4/input/*")
    ok(exim.events("warned", name="d1.lab.test", host="mx1.lab.test"),
        "D3.1-10: %s: mode warn says so in the log" % it.name)
    ok(len(exim.events("bypassed", name="d1.lab.test")) >= 2,
        "%s: what was passed by is in the log" % it.name)
    # probation: the default profile refuses nothing at first
    exim.configure("")
    exim.reset("d1.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.send("user@d1.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    mark = it.mark()
    exim.send("user@d1.lab.test")
    same(len(it.events(mark, "message")), 1, "%s: on probation nothing is refused" % it.name)
    ok(exim.events("contradicted", name="d1.lab.test"), "%s: but it is in the log" % it.name)


def broken(it):
    """What cannot be told is deferred, and says so: never clear text."""
    exim = Server(it)
    two_of_one_host(it)
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.send("user@d1.lab.test")
    same(it.run("stat", "-c", "%U:%G %a", "/var/lib/deep/latches.db").stdout,
        "Debian-exim:Debian-exim 660\n", "%s: the store has kept its owner" % it.name)
    for name, do, undo in (
        ("no store", "mv /var/lib/deep /var/lib/away", "mv /var/lib/away /var/lib/deep"),
        ("a store that is none", "cp -a /var/lib/deep /var/lib/away; rm -f /var/lib/deep/*-*; "
            "echo nonsense >/var/lib/deep/latches.db",
            "rm -r /var/lib/deep; mv /var/lib/away /var/lib/deep"),
        ("permissions", "chown root /var/lib/deep; chmod 700 /var/lib/deep",
            "chown Debian-exim /var/lib/deep; chmod 2770 /var/lib/deep"),
        ("a bad deep.conf", "echo '[policy]' >/etc/deep.conf; echo nonsense=1 >>/etc/deep.conf",
            "printf '[policy]\\nprofile = strict\\n' >/etc/deep.conf"),
        ("no deep-exim.so", "mv /usr/libexec/deep/deep-exim.so /tmp/away",
            "mv /tmp/away /usr/libexec/deep/deep-exim.so")):
        it.run("sh", "-c", do, check=True)
        mark = it.mark()
        # root reads it for the routers: what is to be written is what cannot be
        exim.send("user@d2.lab.test" if name == "permissions" else "user@d1.lab.test")
        exim.run_queue("-qf")
        same([one for one in it.verbs(mark) if one.endswith("MAIL")], [],
            "%s: %s: no MAIL" % (it.name, name), exim.log()[-2000:])
        same(len(exim.queue()), 1, "%s: %s: it waits" % (it.name, name), exim.log()[-2000:])
        if "so" not in name:
            same(len(exim.events("alarm")), 2, "%s: %s: an alarm is in the log, once for each "
                "of two attempts" % (it.name, name), exim.log()[-2000:])
        what = {"a bad deep.conf": "deep: deep.conf cannot be read", "no deep-exim.so":
            "dlopen"}.get(name, "deep: the store of security latches cannot be read")
        same(len(exim.lines("== user@", " defer ", what)), 2, "%s: %s: and why it waits" %
            (it.name, name), exim.log()[-2000:])
        if "so" in name:
            same(len(exim.lines("dlopen")), 4, "%s: %s: in two lines an attempt, no more" %
                (it.name, name), exim.log()[-4000:])
            exim.send("user@nowhere.lab.test")
            same(len(exim.box()), 1, "%s: %s: a bounce of something else comes all the same" %
                (it.name, name), exim.log()[-2000:])
        it.run("sh", "-c", undo + "; : >/var/log/exim4/mainlog", check=True)
        mark = it.mark()
        exim.run_queue("-qf")
        same(len(it.wait_events(1, mark)), 1, "%s: %s: mended, it goes" % (it.name, name),
            exim.log(), exim.panic()[-500:])


def full(it):
    """A disk that is full: what is known is enforced, what is not goes, with an alarm."""
    exim = Server(it)
    two_of_one_host(it)
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.send("user@d1.lab.test")
    it.run("cp", "-a", "/var/lib/deep", "/var/lib/away", check=True)
    lab.command("mount", "-t", "tmpfs", "-o", "size=400k,mode=2770,uid=102,gid=102", "full",
        it.path("/var/lib/deep"))
    it.run("sh", "-c", "cp -a /var/lib/away/* /var/lib/deep; cat /dev/zero >/var/lib/deep/fill")
    mark = it.mark()
    message = exim.send("user@d2.lab.test")
    same(len(it.events(mark, "message")), 1, "%s: full: a domain without latches gets its mail" %
        it.name, exim.log())
    alarms = exim.events("alarm", id=message)
    ok(len(alarms) == 1 and "full" in alarms[0]["text"], "%s: full: with one alarm" % it.name,
        exim.log())
    got = it.run("deep-exim", "check")
    ok("BAD   store: its file system is full" in got.stdout, "%s: full: deep-exim check tells" %
        it.name, got.stdout)
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    mark = it.mark()
    message = exim.send("user@d1.lab.test")
    same((clear(mark, it), exim.queue(), len(exim.events("alarm", id=message))),
        ([], [message], 1), "D3.1-4: %s: full: a latch is enforced, and its mail waits, with "
        "one alarm" % it.name, exim.log())
    lab.command("umount", it.path("/var/lib/deep"))
    it.peer("10.9.0.11", name="mx1.lab.test")
    mark = it.mark()
    exim.run_queue("-qf")
    same((len(it.events(mark, "message")), exim.queue()), (1, []), "%s: full: mended, it goes" %
        it.name, exim.log())


def smarthost(it):
    """D3.1-2: by way of a smarthost its own name is the key, and no other."""
    exim = Server(it, STRICT + "[group pool]\nhosts = smart2.lab.test\n", routers="""
smart:
  driver = manualroute
  transport = smarthost
  host_find_failed = defer
  route_list = s1.test smart.lab.test ; s2.test smart2.lab.test ; \
    s3.test smart.lab.test:smart2.lab.test ; s4.test nowhere.lab.test
mine:
  driver = redirect
  domains = mine.test
  data = alice@local.test
""")
    it.dns({"smart.lab.test": {"A": "10.9.0.31"}, "smart2.lab.test": {"A": "10.9.0.32"}})
    it.peer("10.9.0.31", name="smart.lab.test", certificate="selfsigned")
    it.peer("10.9.0.32", name="smart2.lab.test", certificate="selfsigned")
    exim.send("user@s1.test", "user@s2.test")
    same((exim.held("smart.lab.test"), exim.held("s1.test"), exim.held("smart2.lab.test")),
        (ALL, (), ()), "D3.1-2: %s: the smarthost's name" % it.name, exim.log())
    ok(exim.events("learnt", name="pool"), "D5.7-4: %s: or that of its group" % it.name)
    exim.send("user@s4.test")
    ok(exim.lines("user@s4.test R=deep_hold_smart defer", "no host of router smart"),
        "%s: a host without an address: it waits" % it.name, exim.log())
    it.run("sh", "-c", "rm -f /var/spool/exim4/input/*")
    it.peer("10.9.0.31", name="smart.lab.test", starttls=False)
    mark = it.mark()
    message = exim.send("user@s1.test")
    exim.run_queue()
    same(clear(mark, it), [], "D3.1-4: %s: it is enforced" % it.name)
    same(exim.queue(), [message], "%s: it waits" % it.name, exim.log())
    ok(exim.lines(message, "R=deep_hold_smart defer", "4.7.10 security latch of "
        "smart.lab.test", "missing tls10 ", "deeplatch reset --all smart.lab.test"),
        "D3.3-5: %s: and the log has why, in a line" % it.name, exim.log())
    # the same router, while it leaves the host out: mail that is not for it, and two hosts
    mark = it.mark()
    exim.send("user@s3.test", "user@mine.test")
    same(([one["address"] for one in it.events(mark, "message")], len(exim.box())),
        (["10.9.0.32"], 1), "D3.3-1: %s: the next host of a route takes it, and the next "
        "router what is not for this one" % it.name, exim.log())
    exim.change("F,1d,1s", "F,1s,1s")
    it.run("rm", "/var/mail/box")
    lab.wait(lambda: exim.run_queue() or not exim.queue())
    bounce = "".join(exim.box())
    check_bounce(it, bounce, {"s1.test": ALL})
    ok("deeplatch reset --all smart.lab.test" in " ".join(bounce.split()), "D3.3-8: %s: "
        "and its text has the reason" % it.name, bounce[:3000])


def under_attack(it):
    """STARTTLS stripped from half of the connections, text injected into others."""
    exim = Server(it, STRICT + "[exim]\nleave-out = 1s\n")
    exim.change("\nbegin acl", "\nsmtp_accept_queue_per_connection = 0\n"
        "smtp_accept_max_per_connection = 0\nbegin acl")
    number = int(os.environ.get("DEEP_ATTACK", "60"))
    runners = []

    def submit(messages):
        it.run("exim4", "-odq", "-bS", input=attack.batch(messages), check=True)

    def kick():
        runners[:] = [one for one in runners if one.poll() is None]
        while len(runners) < 3:
            runners.append(subprocess.Popen(it.words(("exim4", "-qf")),
                env=it.environment(None)))

    scene = attack.Attack(it, submit, kick, together=True)
    it.dns(scene.records)
    scene.latch()
    scene.run(number, 120 + number)
    for one in runners:
        one.wait(120)
    scene.check("D3.1-4")
    lab.wait(lambda: not exim.busy())
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def results(exim, it, number):
    """Deliveries to hosts of all kinds: what the log says of each, and what they cost."""
    it.dns({name: types for kind in range(8) for name, types in {
        "t%d.lab.test" % kind: {"MX": ["10 mx%d.lab.test." % kind] + (["20 mx0.lab.test."]
            if kind == 6 else [])},
        "mx%d.lab.test" % kind: {"A": "10.9.0.%d" % (41 + kind)}}.items()})
    for kind, profile in enumerate(({}, {"max": "1.2"}, {"starttls": False},
        {"starttls": "454 4.7.0 no"}, {"recipients": {".*": "550 5.1.1 no"}},
        {"recipients": {".*": "451 4.2.1 later"}}, None, {"certificate": "expired"})):
        if profile is None:
            it.gone("10.9.0.%d" % (41 + kind))
        else:
            it.peer("10.9.0.%d" % (41 + kind), name="mx%d.lab.test" % kind, **profile)
    messages = [("alice@local.test", "u%d@t%d.lab.test" % (one, one % 8),
        "Message-ID: <%d@lab.test>\r\nSubject: x\r\n\r\nx\r\n" % one) for one in range(number)]
    exim.change("\nbegin acl", "\nsmtp_accept_queue_per_connection = 0\n"
        "smtp_accept_max_per_connection = 0\nbegin acl")
    it.run("exim4", "-odq", "-bS", input=attack.batch(messages), check=True, seconds=300)
    it.run("exim4", "-q", seconds=1200)
    lab.wait(lambda: not exim.busy(), 120)
    found = {}
    for line in exim.log().split("\n"):
        match = re.search(r"\] \S+ (=>|\*\*|==) (u\d+@t\d.lab.test)(.*)", line)
        if match and match.group(2) not in found:
            rest = re.sub(r"\]\*", "]", match.group(3))
            rest = re.sub(r" CV=\w+| DN=\S+| defer \(-5[23]\).*", "", rest)
            found[match.group(2)] = match.group(1) + rest
    return found


def transparency(it):
    """With every latch only observed, deliveries are what they are without the module."""
    number = int(os.environ.get("DEEP_DELIVERIES", "80"))
    without = results(Server(it, setup=False), it, number)
    exim = Server(it, "[mode]\n" + "".join("%s = observe\n" % one for one in
        matrix.REGISTRY))
    observed = results(exim, it, number)
    wrong = [(one, without.get(one), observed.get(one)) for one in sorted(set(without) |
        set(observed)) if (without.get(one) or "")[:2] != (observed.get(one) or "")[:2]]
    same((len(without), wrong), (number, []), "%s: %d deliveries end as without the module" %
        (it.name, number), *wrong[:5])
    wrong = [(one, without[one], observed[one]) for one in sorted(without) if
        one in observed and without[one].startswith("=>") and without[one] != observed[one]]
    same(wrong, [], "%s: by the same host, session and reply" % it.name, *wrong[:5])
    ok(exim.events("learnt"), "%s: and something was learnt" % it.name)
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def test(it):
    it.build()
    for name in wanted("learn learn_not enforce elsewhere reuse early cutthrough asked_for broken "
        "full smarthost transparency under_attack", it, "learn learn_not enforce reuse early"):
        globals()[name](it)


if __name__ == "__main__":
    lab.main(test, roots=ROOTS)
