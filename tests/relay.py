#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
relay: deep-relay(8) between a client and the hosts of the lab (D5.7-1 to D5.7-4): the
learn and enforce matrices, routes, DANE, IPv6, IDN, the protocol on both sides, the
store's faults, reload, drain, metrics, and "relayed" reports.

	DEEP_RELAY_PART		these of its parts alone: protocol,kept
	DEEP_RELAY_SANITIZE	1: with AddressSanitizer and UndefinedBehaviorSanitizer
"""
import email
import email.policy
import hashlib
import os
import re
import signal
import socket
import stat
import sys
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lab"), os.path.join(HERE, "relay")]
import lab
import matrix
import stand
from lab import ok, same
from stand import Client, Relay, answer, deliver, delivered, ends, latch_field, raw, settled

TLS13 = {"min": "1.3"}


def message(size, number=0):
    """A text whose lines are as they should be, about so long."""
    line = b"%08d 0123456789 abcdefghijklmnopqrstuvwxyz .. ABCDEFGHIJKLMNOPQRSTUVWX\r\n"
    body = b"".join(line % n for n in range(number, number + max(1, size // 74)))
    return b"Message-ID: <m%d@test>\r\nSubject: %d\r\n\r\n" % (number, size) + body


def learn(it, relay):
    """One delivery to each row sets what the table says, and no more."""
    scenes = []
    for n, row in enumerate(matrix.LEARN):
        scenes.append(matrix.Scene(it, "d%d" % n, "10.9.0.%d" % (11 + n), row))
    records = {}
    for scene in scenes:
        records.update(scene.records)
    it.dns(records)
    relay.again()
    for scene in scenes:
        row = scene.row
        mark = it.mark()
        replies, text = deliver("u@" + scene.domain)
        got = it.wait_events(1, mark)
        # what is below TLS 1.2, or has no suite of OpenSSL's, gets no session
        reachable = row.lowest >= "1.2" and row.openssl is not None and row.name != "NULL"
        expected = row.modern if reachable else ()
        lab.wait(lambda: relay.held(scene.domain) == expected)
        ok(text and text[0] == 250 and len(got) == 1 and
            relay.held(scene.domain) == expected and bool(got[0]["tls"]) == reachable,
            "%s: %s: %s" % (" ".join(row.ids), row.name, " ".join(expected) or "no latch"),
            replies, text, relay.held(scene.domain), got)
        if scene.row.tlsa:
            same(relay.log().count("host=%s" % scene.mx) > 0, True, "D5.3-7: by DANE")
    ok("d0.plain.test" in relay.log(), "D3.1-2: the key is the domain, not the MX host")
    same([scene.mx for scene in scenes if relay.held(scene.mx)], [],
        "D3.1-2: no MX host is a key")


def enforce(it, relay):
    """Each row of the table: no MAIL, 451 with the latches, next time it is well again."""
    scenes = {}
    records = {}
    for n, row in enumerate((matrix.STRONG, matrix.CHECKED,
        matrix.learn("DANE-EE, self-signed"))):
        scenes[row.name] = matrix.Scene(it, "e%d" % n, "10.9.0.%d" % (41 + n), row)
        records.update(scenes[row.name].records)
    it.dns(records)
    relay.again()
    for scene in scenes.values():
        deliver("u@" + scene.domain)
        lab.wait(lambda: relay.held(scene.domain) == scene.row.modern)
        same(relay.held(scene.domain), scene.row.modern, "%s is latched" % scene.domain)
    for row in matrix.ENFORCE:
        scene = scenes[row.before.name]
        scene.become(row)
        mark = it.mark()
        replies, text = deliver("u@" + scene.domain)
        named = latch_field(replies[0][1]) if replies else None
        what = "%s: %s" % (" ".join(row.ids), row.name)
        if row.name == "TLSA gone":
            # Proved by DNSSEC, that takes the demand away (FACTS 4.8): DANE decides.
            same(text and text[0], 250, what + ": proved absence releases")
        else:
            ok(replies[0][0] == 451 and replies[0][1].startswith(b"4.7.10 security latch of "
                + scene.domain.encode()) and named in row.names(scene.row.modern) and
                text is None, "%s: D3.3-5, D3.3-8: 451 4.7.10, %s" % (what, named), replies)
            verbs = it.verbs(mark)
            ok("MAIL" not in verbs and "tls:MAIL" not in verbs,
                what + ": D3.3-1: no MAIL on the wire", verbs)
            ok(any("event=refused" in line and "name=" + scene.domain in line
                for line in relay.log().splitlines()), what + ": D3.1-10: a line in the log")
        scene.again()
    relay.again()
    for scene in scenes.values():
        same(deliver("u@" + scene.domain)[1][0], 250, "%s: well again" % scene.domain)
    # What is offered to a latched host (D5.3-8 to D5.3-12).
    mark = it.mark()
    deliver("u@" + scenes["TLS 1.3"].domain)
    hello = it.events(mark, "hello")[-1]
    rsa = [suite for suite in hello["suites"] if suite in ("0x002F", "0x0035", "0x003C",
        "0x003D", "0x009C", "0x009D", "0x0005", "0x0004", "0x000A")]
    same(rsa, [], "D5.3-8, D5.3-9, D5.3-10: only suites with forward secrecy are offered")
    ok(set(hello["versions"]) <= {"TLSv1.2", "TLSv1.3"}, "D5.3-12: TLS 1.2 at least",
        hello["versions"])
    same(hello["sni"], scenes["TLS 1.3"].mx, "SNI is the MX host")


def routes(it, relay):
    """MX by preference, the next one for a latch, implicit, null, loops, IPv6, IDN."""
    for n in range(11, 16):
        it.peer("10.9.0.%d" % n, name="mx%d.plain.test" % n)
    it.peer("fd09::21", name="six.lab.test")
    it.peer("10.9.0.22", name="mx.xn--bcher-kva.test")
    records = {"mx%d.plain.test" % n: {"A": "10.9.0.%d" % n} for n in range(11, 16)}
    records.update({
        "two.plain.test": {"MX": ["10 mx11.plain.test.", "20 mx12.plain.test."]},
        "direct.plain.test": {"A": "10.9.0.13"},
        "null.plain.test": {"MX": "0 ."},
        "loop.plain.test": {"MX": ["10 mx14.plain.test.", "20 relay.lab.test.",
            "30 mx15.plain.test."]},
        "self.plain.test": {"MX": ["20 relay.lab.test.", "30 mx15.plain.test."]},
        "noaddress.plain.test": {"MX": "10 nothing.plain.test."},
        "six.lab.test": {"AAAA": "fd09::21", "MX": "10 six.lab.test."},
        "b.bogus.test": {"A": "10.9.0.11"},
        "xn--bcher-kva.lab.test": {"MX": "10 mx.xn--bcher-kva.lab.test."},
        "mx.xn--bcher-kva.lab.test": {"A": "10.9.0.22"},
        "callsitself.plain.test": {"MX": "10 mx15.plain.test."}})
    it.dns(records)
    relay.again()

    def peers(mark):
        return [one["address"] for one in it.wait_events(1, mark)]

    mark = it.mark()
    deliver("u@two.plain.test")
    same(peers(mark), ["10.9.0.11"], "the MX of the lowest preference")
    it.gone("10.9.0.11")
    mark = it.mark()
    deliver("u@two.plain.test")
    same(peers(mark), ["10.9.0.12"], "the next one where it is not there")
    it.peer("10.9.0.11", name="mx11.plain.test", starttls=False)
    mark = it.mark()
    replies, text = deliver("u@two.plain.test")
    ok(text and text[0] == 250 and peers(mark) == ["10.9.0.12"] and
        "MAIL" not in it.verbs(mark), "D3.3-1: the next MX where a latch is missing",
        replies, it.verbs(mark))
    it.peer("10.9.0.12", name="mx12.plain.test", max="1.2", ciphers="AES128-SHA")
    replies, text = deliver("u@two.plain.test")
    ok(replies[0][0] == 451 and b"SMTP-Security-Latch" in replies[0][1] and text is None,
        "deferred only when all fail", replies)
    mark = it.mark()
    deliver("u@direct.plain.test")
    same(peers(mark), ["10.9.0.13"], "RFC 5321 5.1: no MX, so the domain's own address")
    for domain, code, words in (("null.plain.test", 556, b"5.1.10"),
        ("nothing.test", 550, b"5.1.2"), ("noaddress.plain.test", 550, b"5.4.4"),
        ("b.bogus.test", 451, b"4.4.3"), ("self.plain.test", 554, b"5.4.6")):
        replies, _ = deliver("u@" + domain)
        ok(replies[0][0] == code and replies[0][1].startswith(words),
            "%s: %d %s" % (domain, code, words.decode()), replies)
        ok(": no way to %s: %d %s" % (domain, code, replies[0][1].decode()) in relay.log(),
            "and the log has it, before the client", relay.log()[-600:])
    mark = it.mark()
    deliver("u@loop.plain.test")
    same(peers(mark), ["10.9.0.14"], "RFC 5321 5.1: a host before us in the list is taken")
    it.peer("10.9.0.15", name="relay.lab.test")
    replies, _ = deliver("u@callsitself.plain.test")
    same((replies[0][0], replies[0][1][:5]), (554, b"5.4.6"), "a host that is ourselves")
    mark = it.mark()
    deliver("u@six.lab.test")
    same([one["address"] for one in it.wait_events(1, mark)], ["fd09::21"], "IPv6")
    lab.wait(lambda: relay.held("six.lab.test"))
    same(relay.held("six.lab.test"), matrix.order(matrix.MODERN + (matrix.CERT,)),
        "IPv6: latches are learnt")
    mark = it.mark()
    client = Client()
    client.mail("a@sender.test")
    same(client.rcpt("u@xn--bcher-kva.lab.test")[0], 250, "IDN: A-labels")
    client.close()
    sock, file = raw()
    it.peer("10.9.0.22", name="mx.xn--bcher-kva.lab.test", keywords=["PIPELINING",
        "SMTPUTF8", "8BITMIME", "SIZE"])
    sock.sendall(b"EHLO c.test\r\nMAIL FROM:<\xc3\xa4@sender.test> SMTPUTF8\r\n"
        b"RCPT TO:<u@b\xc3\xbccher.lab.test>\r\nDATA\r\n")
    got = [answer(file)[:3] for _ in range(4)]
    sock.sendall("Subject: ä\r\n\r\nx\r\n.\r\n".encode())
    got.append(answer(file)[:3])
    same(got, [b"250", b"250", b"250", b"354", b"250"], "RFC 6531: U-labels in RCPT")
    lab.wait(lambda: relay.held("xn--bcher-kva.lab.test"))
    same(relay.held("xn--bcher-kva.lab.test"), matrix.order(matrix.MODERN + (matrix.CERT,)),
        "IDN: the key is the A-label")
    sock.close()
    it.peer("10.9.0.22", name="mx.xn--bcher-kva.lab.test")
    client = Client()
    client.mail("a@sender.test", ["SMTPUTF8"])
    code, said = client.rcpt("u@xn--bcher-kva.lab.test")
    same((code, said[:5]), (550, b"5.6.7"), "RFC 6531: a host without SMTPUTF8")
    client.close()
    mark = it.mark()
    replies, text = deliver("u@[10.9.0.13]")
    ok(text and text[0] == 250 and peers(mark) == ["10.9.0.13"], "an address literal",
        replies, text)
    same(relay.held("10.9.0.13") + relay.held("[10.9.0.13]"), (),
        "D3.1-2: a literal is no key")
    replies, text = deliver("u@[IPv6:fd09::21]")
    same(text and text[0], 250, "an IPv6 literal")


def dane(it, relay):
    """RFC 7672: what TLSA records ask for, whether a latch is held or not."""
    good = it.certificate("mx1.lab.test", "selfsigned")
    other = it.certificate("mx2.lab.test", "valid", key="another")
    it.peer("10.9.0.11", name="mx1.lab.test", certificate=good)
    it.peer("10.9.0.12", name="mx2.lab.test", certificate=other)
    it.peer("10.9.0.13", name="mx3.lab.test", starttls=False)
    it.peer("10.9.0.14", name="mx4.lab.test", certificate=good)
    it.peer("10.9.0.15", name="mx6.plain.test", certificate=good)
    tlsa = it.tlsa(good)
    it.dns({"match.lab.test": {"MX": "10 mx1.lab.test."},
        "mismatch.lab.test": {"MX": "10 mx2.lab.test."},
        "clear.lab.test": {"MX": "10 mx3.lab.test."},
        "unusable.lab.test": {"MX": "10 mx4.lab.test."},
        "cname.lab.test": {"MX": "10 alias.lab.test."},
        "insecure.plain.test": {"MX": "10 mx5.plain.test."},
        "nexttry.lab.test": {"MX": ["10 mx2.lab.test.", "20 mx1.lab.test."]},
        "alias.lab.test": {"CNAME": "mx1.lab.test."},
        "halfway.lab.test": {"MX": "10 half.lab.test."},
        "halfbad.lab.test": {"MX": "10 half2.lab.test."},
        "unsigned.lab.test": {"MX": "10 half.plain.test."},
        "half.lab.test": {"CNAME": "mx6.plain.test."}, "half2.lab.test": {"CNAME":
            "mx6.plain.test."}, "half.plain.test": {"CNAME": "mx6.plain.test."},
        "_25._tcp.half.lab.test": {"TLSA": tlsa}, "mx6.plain.test": {"A": "10.9.0.15"},
        "_25._tcp.half2.lab.test": {"TLSA": "3 1 1 " + "11" * 32},
        "_25._tcp.half.plain.test": {"TLSA": "3 1 1 " + "11" * 32},
        "_25._tcp.mx6.plain.test": {"TLSA": "3 1 1 " + "11" * 32},
        "mx1.lab.test": {"A": "10.9.0.11"}, "_25._tcp.mx1.lab.test": {"TLSA": tlsa},
        "mx2.lab.test": {"A": "10.9.0.12"}, "_25._tcp.mx2.lab.test": {"TLSA": tlsa},
        "mx3.lab.test": {"A": "10.9.0.13"}, "_25._tcp.mx3.lab.test": {"TLSA": tlsa},
        "mx4.lab.test": {"A": "10.9.0.14"}, "_25._tcp.mx4.lab.test": {"TLSA":
            "1 1 1 " + "00" * 32},
        "mx5.plain.test": {"A": "10.9.0.13"}, "_25._tcp.mx5.plain.test": {"TLSA": tlsa}})
    relay.again()
    for domain, held, what in (("match.lab.test", True, "a match"),
        ("cname.lab.test", True, "RFC 7672 2.2.2: through a CNAME"),
        ("halfway.lab.test", True, "RFC 7672 2.2.2: at a CNAME whose target is unsigned"),
        ("unsigned.lab.test", False, "RFC 7672 2.2.2: not at one that is unsigned itself"),
        ("nexttry.lab.test", True, "the next host where the first one does not match")):
        replies, text = deliver("u@" + domain)
        lab.wait(lambda: relay.held(domain))        # one session sets all that it shows
        ok(text and text[0] == 250 and ("tls-dane-tlsa" in relay.held(domain)) == held,
            "D3.2-8: " + what, replies, relay.held(domain))
    for domain in "mismatch.lab.test", "clear.lab.test", "halfbad.lab.test":
        mark = it.mark()
        replies, text = deliver("u@" + domain)
        ok(replies[0][0] == 451 and replies[0][1].startswith(b"4.7.5") and text is None and
            not any("MAIL" in verb for verb in it.verbs(mark)),
            "RFC 7672 2.2: %s is deferred" % domain, replies)
    replies, text = deliver("u@unusable.lab.test")
    ok(text and text[0] == 250 and "tls12" in lab.wait(lambda: relay.held(
        "unusable.lab.test")) and "tls-dane-tlsa" not in relay.held("unusable.lab.test"),
        "RFC 7672 2.2: unusable records ask for TLS only", replies)
    same(deliver("u@insecure.plain.test")[1][0], 250,
        "RFC 7672 2.1: without DNSSEC a TLSA record asks for nothing")


def protocol(it, relay):
    """What passes through, and what does not."""
    it.peer("10.9.0.11", name="mx1.plain.test", recipients={"no@.*": "550 5.1.1 no such user",
        "later@.*": "452 4.2.2 full"}, keep=it.work + "/kept")
    it.peer("10.9.0.12", name="mx2.plain.test")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"},
        "b.plain.test": {"MX": "10 mx2.plain.test."}, "mx2.plain.test": {"A": "10.9.0.12"}})
    relay.again(relay="return = 10.9.0.30:25")

    client = Client()
    same(sorted(client.esmtp_features), ["8bitmime", "chunking", "dsn", "enhancedstatuscodes",
        "pipelining", "size", "smtputf8"], "D5.7-1: what is offered")
    mark = it.mark()
    replies, text = client.mail_to("u@a.plain.test", "no@a.plain.test", "later@a.plain.test",
        "v@a.plain.test", options=["SIZE=100", "BODY=8BITMIME", "RET=HDRS", "ENVID=QQ314"],
        rcpt_options=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;w@a.plain.test"])
    same([code for code, _ in replies], [250, 550, 452, 250], "replies to RCPT pass through")
    same(replies[1][1] + b"|" + replies[2][1], b"5.1.1 no such user|4.2.2 full",
        "with their enhanced codes")
    same(text, (250, b"2.0.0 taken"), "and that to the text")
    got = it.wait_events(1, mark)[0]
    same(got["recipients"], ["u@a.plain.test", "v@a.plain.test"], "the recipients")
    same(got["options"], {"mail": "SIZE=612 BODY=8BITMIME RET=HDRS ENVID=QQ314", "rcpt": {
        "u@a.plain.test": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;w@a.plain.test",
        "v@a.plain.test": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;w@a.plain.test"}},
        "RFC 3461: NOTIFY, ORCPT, RET, ENVID, SIZE, BODY are passed on")

    lines = relay.events("relayed")
    ok(lines and re.search(r"deep: event=relayed name=a\.plain\.test service=relay "
        r"host=mx1\.plain\.test latches=[a-z0-9,-]+ id=[0-9a-f]+ text=\"address=10\.9\.0\.11 "
        r"tls=TLSv1\.3:TLS_AES_256_GCM_SHA384:\w+ certificate=mx1\.plain\.test recipients=2 "
        r"octets=\d+ reply=250 2\.0\.0 taken\"$", lines[-1]), "the line of a decision is as "
        "deep-relay(8) shows it", lines[-1:])

    # One domain a transaction.
    mark = it.mark()
    replies, text = client.mail_to("u@a.plain.test", "u@b.plain.test", "v@a.plain.test")
    same([(code, said[:5]) for code, said in replies], [(250, b"2.1.5"), (452, b"4.5.3"),
        (250, b"2.1.5")], "a recipient of another domain: 452 4.5.3")
    same(text and text[0], 250, "the transaction goes on")
    replies, text = client.mail_to("no@a.plain.test", "u@b.plain.test")
    same([code for code, _ in replies] + [text[0]], [550, 250, 250],
        "the domain is that of the first recipient who is accepted")
    client.quit()

    # Replies to MAIL and DATA are passed on where they can be.
    it.peer("10.9.0.12", name="mx2.plain.test", replies={"MAIL": "552 5.3.4 too big"})
    same(deliver("u@b.plain.test")[0], [(552, b"5.3.4 too big")], "the reply to MAIL, at RCPT")
    it.peer("10.9.0.12", name="mx2.plain.test", keywords=["SIZE"], replies={"MAIL":
        "552 5.3.4 too big"})
    same(deliver("u@b.plain.test")[0], [(552, b"5.3.4 too big")], "without PIPELINING too")
    it.peer("10.9.0.12", name="mx2.plain.test", replies={"DATA": "451 4.3.0 not now"})
    client = Client()
    client.mail("a@sender.test")
    client.rcpt("u@b.plain.test")
    same(client.docmd("DATA"), (451, b"4.3.0 not now"), "the reply to DATA")
    client.quit()
    it.peer("10.9.0.12", name="mx2.plain.test", replies={".": "554 5.7.1 no\x07\x80"})
    same(deliver("u@b.plain.test")[1], (554, b"5.7.1 no???"),
        "the reply to the text, without its controls")
    ok(relay.events("failed") and "reply=554 5.7.1 no" in relay.events("failed")[-1],
        "event=failed where the host said 5xx", relay.events("failed"))
    it.peer("10.9.0.12", name="mx2.plain.test", replies={".": "452 4.2.2 full"})
    same(deliver("u@b.plain.test")[1][0], 452, "4xx behind the text")
    ok(relay.events("deferred") and "reply=452 4.2.2 full" in relay.events("deferred")[-1],
        "event=deferred where it said 4xx", relay.events("deferred"))
    it.peer("10.9.0.12", name="mx2.plain.test", replies={".": "250 fine"})
    same(deliver("u@b.plain.test")[1], (250, b"2.0.0 fine"), "RFC 2034: a code where it had none")
    it.peer("10.9.0.12", name="mx2.plain.test", keywords=[])
    mark = it.mark()
    client = Client()
    same(client.mail_to("u@b.plain.test", options=["BODY=8BITMIME", "SIZE=10"])[1][0], 250,
        "a host without extensions")
    same(it.wait_events(1, mark)[0]["options"], {"mail": "", "rcpt": {"u@b.plain.test": ""}},
        "gets no parameters")
    client.quit()

    # The text comes out as it went in, behind our field.
    for name, text in (("dots", b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\n...\r\n\r\n.\r\n"),
        ("an empty body", b"Subject: x\r\n\r\n"), ("nothing", b""),
        ("no line end", b"Subject: x\r\n\r\nx"), ("8 bit", b"Subject: x\r\n\r\n\xff\xfe\0\x80\r\n"),
        ("a long line", b"Subject: x\r\n\r\n" + b"x" * 300000 + b"\r\n"),
        ("5 MB", message(5000000))):
        mark = it.mark()
        sock, file = raw()
        stuffed = re.sub(rb"(?m)^\.", b"..", text)
        if stuffed and not stuffed.endswith(b"\r\n"):
            stuffed += b"\r\n"
            text += b"\r\n"
        sock.sendall(b"EHLO c.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
            b"DATA\r\n" )
        codes = [answer(file)[:3] for _ in range(4)]
        sock.sendall(stuffed + b".\r\n")
        codes.append(answer(file)[:3])
        got = it.wait_events(1, mark)[0]
        with open("%s/kept/%s.eml" % (it.work, got["sha256"]), "rb") as kept:
            whole = kept.read()
        head, _, rest = whole.partition(b"+0000\r\n")
        ok(codes[-1] == b"250" and rest == text and head.startswith(b"Received: from c.test ("),
            "DATA, %s: the same octets behind one Received field (X-1)" % name, codes,
            len(rest), len(text), whole[:300])
        sock.sendall(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n")
        answer(file), answer(file)
        mark = it.mark()
        third = len(text) // 3
        sock.sendall(b"BDAT %d\r\n" % third + text[:third] + b"BDAT %d LAST\r\n" %
            (len(text) - third) + text[third:])
        codes = [answer(file)[:3] for _ in range(2)]
        got = it.wait_events(1, mark)[0]
        with open("%s/kept/%s.eml" % (it.work, got["sha256"]), "rb") as kept:
            rest = kept.read().partition(b"+0000\r\n")[2]
        ok(codes == [b"250", b"250"] and rest == text, "BDAT, %s: the same (RFC 3030)" % name,
            codes, len(rest), len(text))
        sock.close()
    field = head + b"+0000\r\n"
    ok(re.fullmatch(rb"Received: from c\.test \(\[127\.0\.0\.1\]\)\r\n\tby relay\.lab\.test with "
        rb"ESMTP id [0-9a-f]+\r\n\tfor <u@a\.plain\.test>;\r\n\t\w{3}, \d\d \w{3} \d{4} "
        rb"\d\d:\d\d:\d\d \+0000\r\n", field), "D5.7-3, D4-2: our field; no tls clause without TLS",
        field)

    # Smuggling: only CRLF.CRLF ends a text, whatever else looks like it.
    for name, middle in (("LF.LF", b"\n.\n"), ("LF.CRLF", b"\n.\r\n"), ("CR.CR", b"\r.\r"),
        ("CRLF.LF", b"\r\n.\n"), ("CRLF.CR", b"\r\n.\r"), ("LF.CR LF", b"\n.\r\n\r\n"),
        ("CR LF.CRLF", b"\r.\r\n"), ("CRLF.CR CRLF", b"\r\n.\r\r\n")):
        mark = it.mark()
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
            b"DATA\r\n")
        for _ in range(4):
            answer(file)
        sock.sendall(b"Subject: x\r\n\r\nx" + middle + b"MAIL FROM:<evil@sender.test>\r\n"
            b"RCPT TO:<u@a.plain.test>\r\nDATA\r\nSubject: evil\r\n\r\nevil\r\n.\r\nNOOP\r\n")
        codes = answer(file)[:3], answer(file)[:3]
        sock.close()
        settled(it, mark)
        got = it.events(mark, "message")
        with open("%s/kept/%s.eml" % (it.work, got[0]["sha256"]), "rb") as kept:
            whole = kept.read()
        ok(codes == (b"250", b"250") and len(got) == 1 and b"evil@sender" in whole and
            not re.search(rb"(?<!\r)\n|\r(?!\n)", whole) and not it.events(mark, "bare"),
            "smuggling by %s: one message, line ends mended" % name, codes, got)

    # A client that has said all, QUIT too, and closes its side, hears the replies.
    it.peer("10.9.0.12", name="mx2.plain.test", delay={".": 0.3})
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\n")
    answer(file)
    sock.sendall(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@b.plain.test>\r\nBDAT 19 LAST\r\n"
        b"Subject: x\r\n\r\nxyz\r\nQUIT\r\n")
    sock.shutdown(socket.SHUT_WR)
    same([answer(file)[:3] for _ in range(4)], [b"250", b"250", b"250", b"221"],
        "QUIT in the same packet as the text, and the client's side closed behind it")
    sock.close()
    it.peer("10.9.0.12", name="mx2.plain.test")

    # Commands.
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\n" + b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
        b"RCPT TO:<no@a.plain.test>\r\nRCPT TO:<v@a.plain.test>\r\nDATA\r\n")
    codes = [answer(file)[:3] for _ in range(6)]
    same(codes, [b"250", b"250", b"250", b"550", b"250", b"354"], "RFC 2920: replies in order")
    sock.close()
    for wrong, code in ((b"<v@a.plain.test> NOTIFY=FOO", b"501"), (b"<v@a.plain.test> X=1", b"555"),
        (b"v@a.plain.test", b"501")):
        mark = it.mark()
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
            b"RCPT TO:%s\r\nRCPT TO:<w@a.plain.test>\r\nDATA\r\n" % wrong)
        codes = [answer(file)[:3] for _ in range(6)]
        sock.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
        codes.append(answer(file)[:3])
        same(codes, [b"250", b"250", b"250", code, b"250", b"354", b"250"], "RFC 2920: so is the "
            "one to RCPT TO:%s, which no host is asked for" % wrong.decode())
        same([one["recipients"] for one in it.wait_events(1, mark)],
            [["u@a.plain.test", "w@a.plain.test"]], "and the others get it")
        sock.close()

    # What is pipelined towards us is pipelined towards the host, with nobody to get it too.
    for what, sender, profile, codes in (
        ("RCPT refused", b"a@sender.test", {"recipients": {".*": "550 5.1.1 no"}},
            [b"250", b"550", b"550", b"554", b"250"]),
        ("MAIL refused", b"a@sender.test", {"replies": {"MAIL": "550 5.7.1 no"}},
            [b"250", b"550", b"550", b"554", b"250"]),
        ("354 with nobody to get it", b"a@sender.test", {"recipients": {".*": "550 5.1.1 no"},
            "replies": {"DATA": "354 go on"}}, [b"250", b"550", b"550", b"554", b"250"]),
        ("DATA refused", b"a@sender.test", {"replies": {"DATA": "451 4.3.0 no"}},
            [b"250", b"250", b"250", b"451", b"250"])):
        it.peer("10.9.0.12", name="mx2.plain.test", **profile)
        mark = it.mark()
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\n")
        answer(file)
        sock.sendall(b"MAIL FROM:<%s>\r\nRCPT TO:<u@b.plain.test>\r\nRCPT TO:<v@b.plain.test>"
            b"\r\nDATA\r\n" % sender)
        got = [answer(file)[:3] for _ in range(4)]
        sock.sendall(b"NOOP\r\n")
        got.append(answer(file)[:3])
        same(got, codes, "RFC 2920 3.1: DATA behind RCPT at once, %s" % what)
        sock.close()
        settled(it, mark)
        same(it.events(mark, "message"), [], "%s: nothing is delivered" % what)
    it.peer("10.9.0.12", name="mx2.plain.test")
    mark = it.mark()
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@b.plain.test>\r\n"
        b"RCPT TO:<v@b.plain.test>\r\nDATA\r\n")
    same([answer(file)[:3] for _ in range(5)], [b"250"] * 4 + [b"354"], "all of it at once")
    sock.close()
    settled(it, mark)
    lines = [(one["line"][:4], one["ahead"] > 0) for one in it.events(mark, "command") if
        one["tls"]]
    same(lines[1:5], [("MAIL", True), ("RCPT", True), ("RCPT", True), ("DATA", False)],
        "the host gets it at once too")
    same(it.events(mark, "message"), [], "D5.7: a client that goes away behind DATA: no message")

    # A client whose kernel holds the last small piece until the one before is acknowledged.
    # An acknowledgment that is delayed is so each time, but for some at the beginning of a
    # connection; a machine that is busy is not so each time.
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\n")
    answer(file)
    took = []
    while len(took) < 5 or min(took[4:]) >= 0.03 and len(took) < 100:
        for line in (b"MAIL FROM:<a@sender.test>", b"RCPT TO:<u@a.plain.test>", b"DATA"):
            sock.sendall(line + b"\r\n")
            answer(file)
        begin = time.time()
        sock.sendall(b"Subject: x\r\n\r\n" + b"x" * 70 + b"\r\n")
        sock.sendall(b".\r\n")
        if answer(file)[:3] != b"250":
            break
        took.append(time.time() - begin)
    sock.close()
    ok(len(took) > 4 and min(took[4:]) < 0.03, "no delayed acknowledgment of 40 ms stands in a text's way", took)

    # Limits of a command line.
    for size, reply in ((4096, b"250"), (4097, b"500")):
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\n")
        answer(file)
        sock.sendall(b"NOOP " + b"x" * (size - 5) + b"\r\n")
        same(answer(file)[:3], reply, "[relay] line: %d octets" % size)
        sock.close()

    for line, reply in ((b"RCPT TO:<u@a.plain.test>", b"503"), (b"DATA", b"503"),
        (b"MAIL FROM:a@b", b"501"), (b"MAIL FROM:<a@b> FOO=1", b"555"),
        (b"MAIL FROM:<a@b> SIZE=x", b"501"), (b"NOOP", b"250"), (b"VRFY u", b"252"),
        (b"FOO", b"500"), (b"AUTH PLAIN AA==", b"500"), (b"STARTTLS", b"502"),
        (b"x" * 5000, b"500"), (b"MAIL FROM:<a\0b@c>", b"500"), (b"MAIL FROM:<a@b>\rX", b"500"),
        (b"EHLO", b"501"), (b"BDAT 5\r\n12345", b"503"), (b"RSET", b"250"),
        ("MAIL FROM:<ä@b>".encode(), b"553"), (b"QUIT", b"221")):
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\n" + line + b"\r\n")
        answer(file)
        got = answer(file)
        same(got[:3], reply, "a command: %r" % line[:30])
        sock.close()
    for rcpt, reply in ((b"<u>", b"550"), (b"<>", b"501"), (b"<u@a..b>", b"501"), (b"u@b", b"501"),
        (b"<@x.test:u@a.plain.test>", b"250"), (b'<"a b"@a.plain.test>', b"250"),
        (b"<u@a.plain.test> NOTIFY=FOO", b"501"), (b"<u@[1.2.3]>", b"550")):
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\nMAIL FROM:<>\r\nRCPT TO:" + rcpt + b"\r\n")
        answer(file), answer(file)
        same(answer(file)[:3], reply, "RCPT TO:%s" % rcpt.decode())
        sock.close()

    # 2xx comes only behind the host's own.
    it.peer("10.9.0.12", name="mx2.plain.test", delay={".": 1.0})
    begin = time.time()
    same(deliver("u@b.plain.test")[1][0], 250, "a slow host")
    cut = time.time() - begin
    ok(cut >= 1.0, "D5.7: 2xx to the dot only behind the host's own", cut)
    for drop, what in (("MAIL", "at MAIL"), ("DATA", "at DATA"), (".", "at the dot"),
        ("accepted", "behind the message")):
        it.peer("10.9.0.12", name="mx2.plain.test", drop=drop)
        replies, text = deliver("u@b.plain.test")
        code = (text or replies[0])[0]
        same(code, 451, "a host that goes away %s: 451" % what)
    it.peer("10.9.0.12", name="mx2.plain.test", replies={"EHLO": "502 5.5.1 what?"})
    same(deliver("u@b.plain.test")[0][0][0], 451, "EHLO refused: HELO, and then a latch is missing")


class Scripted(threading.Thread):
    """A host at our own address, 10.9.0.1, that says what it is told to."""
    def __init__(self, data, after=b""):
        super().__init__(daemon=True)
        self.data, self.after = data, after
        self.listener = socket.create_server((lab.INSIDE, 25))
        self.start()

    def run(self):
        sock = self.listener.accept()[0]
        try:
            self.talk(sock)
        except OSError:     # deep-relay hangs up on a reply that does not fit
            pass
        sock.close()

    def talk(self, sock):
        sock.sendall(b"220 scripted\r\n")
        for line in sock.makefile("rb"):
            if line[:4].upper() != b"DATA":
                sock.sendall(b"250 ok\r\n")
                continue
            sock.sendall(self.data)
            if self.after:
                sock.recv(65536)
                break

    def stop(self):
        self.listener.close()
        self.join(30)


def odd_hosts(it, relay):
    """2xx is never said that was not said to the text; a host may go at any time."""
    relay.again(workers=1)
    begin = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@[10.9.0.1]>\r\n"
    text = b"Subject: x\r\n\r\nx\r\n"
    worker = relay.all_children(2)[1]
    for reply in b"250 2.0.0 ok\r\n", b"251 ok\r\n", b"300 ok\r\n":
        host = Scripted(reply)
        sock, file = raw()
        sock.sendall(begin + b"BDAT %d LAST\r\n" % len(text) + text)
        got = [answer(file)[:3] for _ in range(4)]
        same(got[2:], [b"250", b"451"], "%s to DATA, the client says BDAT: deferred" %
            reply[:3].decode())
        sock.close()
        host.stop()
        host = Scripted(reply)
        sock, file = raw()
        sock.sendall(begin + b"DATA\r\n")
        same([answer(file)[:3] for _ in range(4)][2:], [b"250", b"451"],
            "%s to DATA, the client says DATA: deferred" % reply[:3].decode())
        sock.close()
        host.stop()
    since = len(relay.log())
    host = Scripted(b"354 go on\r\n", after=b"close")
    sock, file = raw()
    sock.sendall(begin + b"BDAT %d\r\n" % len(text) + text)
    got = [answer(file)[:3] for _ in range(4)]
    host.stop()
    ok(lab.wait(lambda: "the host closed the connection" in relay.log()[since:]),
        "a host closes between two chunks")
    sock.sendall(b"BDAT 3\r\ny\r\n" + b"BDAT 3 LAST\r\nz\r\n" + b"NOOP\r\n")
    got += [answer(file)[:3] for _ in range(3)]
    same(got, [b"250"] * 5 + [b"451", b"250"], "the last chunk is deferred, the session goes on")
    sock.close()
    same(relay.children()[1], worker, "and the worker is the same")


def kept(it, relay):
    """Sessions that are kept for the next message; their latches are looked at again."""
    it.peer("10.9.0.11", name="mx1.plain.test")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"},
        "b.plain.test": {"MX": "10 mx1.plain.test."}})
    relay.again(relay="keep = 30s", workers=1)
    mark = it.mark()
    client = Client()
    same([client.mail_to("u@a.plain.test")[1][0] for _ in range(3)], [250] * 3, "three messages")
    client.quit()
    same(deliver("u@a.plain.test")[1][0], 250, "and one of another client")
    same(len(it.events(mark, "connect")), 1, "in one session with the host")
    deliver("u@b.plain.test")
    same(len(it.events(mark, "connect")), 2, "D3.1-2: another domain, another session")
    same(ends(it, mark), [], "both are kept")
    client = Client()
    client.mail_to("u@a.plain.test")
    it.peer("10.9.0.11", name="mx1.plain.test", drop="MAIL")
    same(client.mail_to("u@a.plain.test")[1][0], 250, "a kept session lives by its own profile")
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    client.rset()
    it.peer("10.9.0.11", name="mx1.plain.test")
    same(client.mail_to("u@a.plain.test")[1][0], 250, "behind RSET")
    client.quit()
    it.peer("10.9.0.11", name="mx1.plain.test")
    relay.again(relay="keep = 1s", workers=1)
    mark = it.mark()
    same(deliver("u@a.plain.test")[1][0], 250, "a session that is kept for a second")
    settled(it, mark)
    same(ends(it, mark), ["quit"], "is left then, with QUIT")
    relay.again(relay="keep = 30s", workers=1)
    it.peer("10.9.0.11", name="mx1.plain.test", replies={"RSET": "421 4.3.2 bye"})
    client = Client()
    client.mail_to("u@a.plain.test")
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    client.rset()
    same(client.mail_to("u@a.plain.test")[1][0], 250,
        "a kept session that the host closes is no fault")
    client.quit()
    relay.again(relay="keep = 30s\nlife = 2s", workers=1)
    it.peer("10.9.0.11", name="mx1.plain.test")
    client = Client()
    for _ in range(20):     # unless the machine let it grow old in between
        mark, begin = it.mark(), time.time()
        client.mail_to("u@a.plain.test")
        client.mail_to("u@a.plain.test")
        if time.time() - begin < 2:
            break
        time.sleep(2)
    same(len(it.events(mark, "connect")), 1, "[relay] life: a young session is used again")
    time.sleep(2)
    client.mail_to("u@a.plain.test")
    client.mail_to("u@a.plain.test")
    same(len(it.events(mark, "connect")), 2, "one that is too old is not")
    client.quit()
    # A session that the host closes just when DATA, pipelined, is on its way to it.
    relay.again(relay="keep = 30s", workers=1)
    it.peer("10.9.0.11", name="mx1.plain.test", drop_after=1)
    mark = it.mark()
    for n in range(4):
        if n == 3:      # and the next one is of another kind
            it.peer("10.9.0.11", name="mx1.plain.test", drop_after=1, keywords=[])
        sock, file = raw()
        sock.sendall(b"EHLO c.test\r\nMAIL FROM:<a@sender.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
            b"RCPT TO:<v@a.plain.test>\r\nDATA\r\n")
        same([answer(file)[:3] for _ in range(5)], [b"250"] * 4 + [b"354"],
            "a kept session that is closed at MAIL: once more, with DATA (%d)" % n)
        sock.sendall(b"Subject: x\r\n\r\nx\r\n.\r\n")
        same(answer(file)[:3], b"250", "and its text")
        sock.close()
    same([one["recipients"] for one in it.wait_events(4, mark)],
        [["u@a.plain.test", "v@a.plain.test"]] * 4, "four messages, none twice")
    same(len(it.events(mark, "connect")), 4, "in four sessions")


def tls_side(it, relay):
    """STARTTLS for clients, and the tls clause that goes with it (D5.2-6, D4-2 to D4-7)."""
    import ssl
    made = it.certificate("relay.lab.test")
    for source, name in ((made["certificate"], "cert.pem"), (made["key"], "key.pem")):
        it.install(source, "/etc/deep/" + name, 0o640, 0, 210)
    it.peer("10.9.0.11", name="mx1.plain.test", keep=it.work + "/kept")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    relay.again(relay="certificate = /etc/deep/cert.pem\nkey = /etc/deep/key.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = Client()
    ok("starttls" in client.esmtp_features, "D5.2-6: STARTTLS is offered")
    client.starttls(context=context)
    client.ehlo()
    ok("starttls" not in client.esmtp_features, "RFC 3207: not under TLS")
    mark = it.mark()
    same(client.mail_to("u@a.plain.test")[1][0], 250, "a message under TLS")
    client.quit()
    got = it.wait_events(1, mark)[0]
    with open("%s/kept/%s.eml" % (it.work, got["sha256"]), "rb") as kept:
        field = kept.read()
    ok(re.search(rb" with ESMTPS id [0-9a-f]+\r\n\tfor <u@a\.plain\.test>\r\n\ttls "
        rb"TLS_AES_256_GCM_SHA384 group (secp256r1|x25519|X25519MLKEM768);\r\n", field),
        "D5.7-3, D4-2, D4-3, D4-6, D4-7: the tls clause", field[:400])
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\n")
    answer(file)
    sock.sendall(b"STARTTLS\r\nMAIL FROM:<early@sender.test>\r\n")
    same(answer(file)[:3], b"220", "STARTTLS with a command behind it")
    tls = context.wrap_socket(sock)
    tls.sendall(b"RCPT TO:<u@a.plain.test>\r\n")
    same(tls.recv(100)[:3], b"503", "X-17: what was said before TLS is forgotten")
    tls.close()
    relay.stop()
    it.write("/etc/deep/key.pem", "nonsense")
    got = it.run("/usr/sbin/deep-relay", "-f", "/etc/deep/deep.conf")
    ok(got.returncode == 78 and "certificate" in got.stderr,
        "D5.2-8: a certificate without its key: it does not start", got.returncode, got.stderr)


def header_decides(it, relay):
    """TLS-Required: No and TLSRPT pass a latch by (X-14, X-15), where hold is on."""
    it.peer("10.9.0.11", name="mx1.plain.test", **TLS13)
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    no = b"TLS-Required: No\r\nSubject: x\r\n\r\n" + b"x" * 100 + b"\r\n"
    report = b"TLS-Report-Domain: a.plain.test\r\nTLS-Report-Submitter: b.test\r\n\r\nx\r\n"
    relay.again()
    deliver("u@a.plain.test")
    lab.wait(lambda: relay.held("a.plain.test"))
    it.peer("10.9.0.11", name="mx1.plain.test", starttls=False)
    same(deliver("u@a.plain.test", text=no)[0][0][0], 451,
        "by default anybody's mail is refused at RCPT")
    for sender, text, code in (("postmaster@sender.test", no, 250),
        ("Noreply-SMTP-TLS-Reporting@sender.test", report, 250),
        ("postmaster@sender.test", b"Subject: x\r\n\r\nx\r\n", 451)):
        replies, said = deliver("u@a.plain.test", sender=sender, text=text)
        same((replies[0][0], said[0]), (250, code),
            "X-14, X-15: hold = listed: %s is heard out: %d" % (sender, code))
    relay.again(relay="hold-senders = boss@sender.test")
    same([deliver("u@a.plain.test", sender=one, text=no)[0][0][0] for one in
        ("boss@sender.test", "boss@other.test", "postmaster@sender.test")], [250, 451, 451],
        "hold-senders: one address, and no other")
    relay.again(relay="hold = no")
    same(deliver("u@a.plain.test", sender="postmaster@sender.test", text=no)[0][0][0], 451,
        "hold = no: refused at RCPT")
    relay.again(relay="hold = yes")
    for name, text in (("TLS-Required: No", no), ("a report of TLS failures", report),
        ("TLS-Required: No, 1 MB", no + b"y" * 70 + b"\r\n" * 10 + message(1000000))):
        mark = it.mark()
        replies, said = deliver("u@a.plain.test", text=text)
        ok(replies[0][0] == 250 and said[0] == 250 and it.wait_events(1, mark)[0]["tls"] is None,
            "X-14, X-15: %s: delivered in clear" % name, replies, said)
    ok(relay.events("bypassed"), "and said in the log")
    mark = it.mark()
    replies, said = deliver("u@a.plain.test", "v@a.plain.test")
    ok([code for code, _ in replies] == [250, 452] and said[0] == 451 and
        latch_field(said[1]) == matrix.MODERN and not any("MAIL" in verb for verb in
        it.verbs(mark)), "without it: 451 behind the text, and no MAIL on the wire", replies, said)
    sock, file = raw()
    sock.sendall(b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@a.plain.test>\r\nBDAT %d\r\n" %
        len(no) + no + b"BDAT 0 LAST\r\n")
    same([answer(file)[:3] for _ in range(5)], [b"250"] * 5, "X-14: with BDAT")
    sock.close()
    it.peer("10.9.0.11", name="mx1.plain.test", starttls=False, recipients={".*": "550 5.1.1 no"})
    replies, said = deliver("u@a.plain.test", text=no)
    same((replies[0][0], said), (250, (550, b"5.1.1 no")), "its refusal comes behind the text")
    # TLSA is passed by too, in a session that is nobody else's.
    it.peer("10.9.0.12", name="mx2.lab.test", certificate="valid")
    it.add_records({"t.lab.test": {"MX": "10 mx2.lab.test."}, "mx2.lab.test":
        {"A": "10.9.0.12"}, "_25._tcp.mx2.lab.test": {"TLSA": "3 1 1 " + "11" * 32}})
    it.dns()
    relay.again(relay="keep = 30s", workers=1)
    client = Client()
    replies, said = client.mail_to("u@t.lab.test", sender="postmaster@sender.test", text=no)
    same((replies[0][0], said[0]), (250, 250), "X-14: TLSA that is not met, passed by")
    replies, said = client.mail_to("u@t.lab.test")
    client.quit()
    same((replies[0][0], replies[0][1][:5], said), (451, b"4.7.5", None),
        "RFC 7672 2.2: its session is not kept for mail that asks for TLSA")
    relay.again(relay="hold = yes", policy="tls-required-no = ignore")
    it.peer("10.9.0.11", name="mx1.plain.test", starttls=False)
    same(deliver("u@a.plain.test", text=no)[1][0], 451, "X-14: unless deep.conf says ignore")


def check_returned(it, text, returned, sender):
    """The report of this text gives back its header, and no more (X-7)."""
    mark = it.mark()
    sock, file = raw()
    sock.sendall(b"EHLO c.test\r\nMAIL FROM:<%s>\r\nRCPT TO:<u@a.plain.test> NOTIFY=SUCCESS\r\n"
        b"DATA\r\n" % sender.encode())
    codes = [answer(file)[:3] for _ in range(4)]
    sock.sendall(text + b".\r\n")
    codes.append(answer(file)[:3])
    sock.close()
    same(codes, [b"250"] * 3 + [b"354", b"250"], "%d octets with NOTIFY=SUCCESS" % len(text))
    got = it.wait_events(1, mark, address="10.9.0.30")
    with open("%s/kept/%s.eml" % (it.work, got[0]["sha256"]), "rb") as kept:
        whole = kept.read()
    same(whole.split(b"Content-Type: text/rfc822-headers\r\n\r\n")[-1].rpartition(b"\r\n--")[0],
        returned, "X-7: its header is returned, its body is not")


def reports(it, relay):
    """X-8: "relayed" where NOTIFY=SUCCESS ends at a host without DSN."""
    it.peer("10.9.0.11", name="mx1.plain.test", keywords=["PIPELINING"])
    it.peer("10.9.0.12", name="mx2.plain.test")
    it.peer("10.9.0.30", name="mta.plain.test", keep=it.work + "/kept", starttls=False)
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"},
        "b.plain.test": {"MX": "10 mx2.plain.test."}, "mx2.plain.test": {"A": "10.9.0.12"}})
    relay.again()
    ok("dsn" not in Client().esmtp_features, "without [relay] return DSN is not offered")
    relay.again(relay="return = 10.9.0.30:25")
    mark = it.mark()
    client = Client()
    same(client.mail_to("u@a.plain.test", "v@a.plain.test", sender="s@sender.test", options=[
        "RET=HDRS", "ENVID=a+2Bb"], rcpt_options=["NOTIFY=SUCCESS", "ORCPT=rfc822;o+2Bp@a.test"],
        text="Subject: hello\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n")[1][0], 250, "a message")
    got = it.wait_events(1, mark, address="10.9.0.30")
    same((got[0]["sender"], got[0]["recipients"]), ("", ["s@sender.test"]),
        "X-8: a report, with a null sender")
    same(got[0]["options"]["rcpt"]["s@sender.test"], "NOTIFY=NEVER", "RFC 3461 6.3")
    with open("%s/kept/%s.eml" % (it.work, got[0]["sha256"]), "rb") as kept:
        whole = kept.read()
    report = email.message_from_bytes(whole, policy=email.policy.default)
    same((report.get_content_type(), report.get_param("report-type")),
        ("multipart/report", "delivery-status"), "X-10: multipart/report")
    parts = list(report.iter_parts())
    groups = parts[1].get_payload()
    same([part.get_content_type() for part in parts], ["text/plain", "message/delivery-status",
        "text/rfc822-headers"], "RFC 6522: three parts")
    same((groups[0]["Original-Envelope-Id"], groups[0]["Reporting-MTA"]),
        ("a+b", "dns;relay.lab.test"), "X-13: the envelope id is decoded")
    same([(one["Action"], one["Final-Recipient"], one["Original-Recipient"], one["Remote-MTA"],
        one["Status"]) for one in groups[1:]], [("relayed", "rfc822;u@a.plain.test",
        "rfc822;o+p@a.test", "dns;mx1.plain.test", "2.1.9"), ("relayed", "rfc822;v@a.plain.test",
        "rfc822;o+p@a.test", "dns;mx1.plain.test", "2.1.9")], "X-8: Action: relayed")
    ok("Subject: hello" in parts[2].get_payload() and "body" not in parts[2].get_payload(),
        "X-7: the header is returned, the body is not", parts[2].get_payload())
    mark = it.mark()
    client.mail_to("u@b.plain.test", rcpt_options=["NOTIFY=SUCCESS"])
    client.mail_to("u@a.plain.test", rcpt_options=["NOTIFY=FAILURE"])
    client.mail_to("u@a.plain.test", sender="", rcpt_options=["NOTIFY=NEVER"])
    client.mail_to("u@a.plain.test", sender="last@sender.test", rcpt_options=["NOTIFY=SUCCESS"])
    client.quit()
    # They are handed over in the order of their messages: none is to come behind this one.
    it.wait_events(1, mark, address="10.9.0.30", recipients=["last@sender.test"])
    same([one["recipients"] for one in it.events(mark, "message", address="10.9.0.30")],
        [["last@sender.test"]], "none where the host has DSN, or nobody asked")

    # Of a message that was held until its header was known, too, and of one without any.
    relay.again(relay="return = 10.9.0.30:25")
    deliver("u@a.plain.test")
    ok(lab.wait(lambda: relay.held("a.plain.test")), "a.plain.test is latched")
    it.peer("10.9.0.11", name="mx1.plain.test", keywords=["PIPELINING"], starttls=False)
    no = b"TLS-Required: No\r\nSubject: held\r\n"
    for text in b"\r\nbody 1\r\n\r\nbody 2\r\n", b"\r\nbody 1\r\n\r\n" + message(200000):
        check_returned(it, no + text, no, "postmaster@sender.test")
    it.peer("10.9.0.11", name="mx1.plain.test", keywords=["PIPELINING"])
    check_returned(it, b"\r\nbody 1\r\n\r\nbody 2\r\n", b"", "s@sender.test")


def store(it, relay):
    """A store that cannot be read: defer and alarm; one that is locked stops nobody else."""
    import sqlite3
    it.peer("10.9.0.11", name="mx1.plain.test")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    relay.again()
    same(deliver("u@a.plain.test")[1][0], 250, "with its store")
    path = it.path("/var/lib/deep/latches.db")
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    begin = time.time()
    got = [deliver("u@a.plain.test") for _ in range(3)]
    took = time.time() - begin
    lock.execute("COMMIT")
    lock.close()
    ok(all(text and text[0] == 250 for _, text in got) and took < 50,   # store-timeout: 60 s
        "a store that another holds locked stops no mail (%.1f s)" % took, got)
    ok(lab.wait(lambda: delivered("u@a.plain.test")), "unlocked: it goes on")
    relay.stop()
    os.rename(path, path + ".away")
    relay.start()
    replies, text = deliver("u@a.plain.test")
    ok(replies[0][0] == 451 and replies[0][1].startswith(b"4.3.0") and text is None,
        "a store that is gone: 451, never \"nothing is known\"", replies)
    ok(relay.events("alarm"), "and an alarm")
    os.rename(path + ".away", path)
    ok(lab.wait(lambda: delivered("u@a.plain.test")), "back again: it goes on by itself")
    with open(path, "r+b") as file:
        file.write(b"\0" * 4096)
    relay.again()
    same(deliver("u@a.plain.test")[0][0][0], 451, "a store that is damaged: 451")
    relay.stop()
    for name in os.listdir(os.path.dirname(path)):
        os.unlink(os.path.join(os.path.dirname(path), name))
    relay.create()


def facts(it, relay):
    """What a session showed waits for a store that is slow, and is not lost in silence."""
    many = 150          # more than a socket takes
    domains = ["f%d.plain.test" % n for n in range(many)]
    it.peer("10.9.0.11", name="mx1.plain.test")
    records = {domain: {"MX": "10 mx1.plain.test."} for domain in domains}
    records["mx1.plain.test"] = {"A": "10.9.0.11"}
    it.dns(records)
    more = {"relay": "metrics = 127.0.0.1:9825\nsessions = 1000\nstore-timeout = 60000",
        "workers": 1}

    def begin():
        """Sessions past RCPT, so that the store is not asked any more."""
        clients = []
        for domain in domains:
            clients.append(Client())
            clients[-1].mail("a@sender.test")
            clients[-1].rcpt("u@" + domain)
        return clients

    def give(clients):
        return [client.data("Subject: x\r\n\r\nx\r\n")[0] for client in clients]

    def lost():
        text = urllib.request.urlopen("http://127.0.0.1:9825/metrics").read().decode()
        return int(re.search(r"^deep_relay_facts_lost_total (\d+)$", text, re.M).group(1))

    def keeper_of_it():
        return relay.all_children(3)[0]         # a worker, the metrics

    def learnt():
        return {line.split(" name=")[1].split()[0] for line in relay.events("learnt")}

    relay.again(**more)
    clients = begin()
    keeper = keeper_of_it()
    os.kill(keeper, signal.SIGSTOP)
    same(give(clients), [250] * many, "a store that stands still stops no text")
    os.kill(keeper, signal.SIGCONT)
    lab.wait(lambda: learnt() >= set(domains))
    same((sorted(set(domains) - learnt()), lost()), ([], 0),
        "D3.2-1: %d sessions at once: what each showed is learnt" % many)
    for client in clients:
        client.close()

    relay.forget(*domains)
    clients = begin()
    os.kill(keeper, signal.SIGSTOP)
    give(clients)
    for client in clients:
        client.close()
    os.kill(keeper, signal.SIGKILL)
    alarm = "what %d sessions showed is lost: the store's process is gone" % many
    ok(lab.wait(lambda: any(alarm in line for line in relay.events("alarm"))) and
        lab.wait(lambda: lost() == many),
        "what waits for a store's process that dies is counted, with an alarm", lost())

    # The end of the worker is not that of what it said.
    relay.again(**more)
    keeper = keeper_of_it()
    client = Client()
    client.mail("a@sender.test")
    client.rcpt("u@f0.plain.test")
    os.kill(keeper, signal.SIGSTOP)
    client.data("Subject: x\r\n\r\nx\r\n")
    client.close()
    relay.signal(signal.SIGTERM)
    lab.wait(lambda: relay.children() == [keeper])
    os.kill(keeper, signal.SIGCONT)
    ok(lab.wait(lambda: relay.process.poll() is not None) and relay.process.returncode == 0 and
        "tls12" in relay.held("f0.plain.test"),
        "stopped with a fact on its way to the store: it is learnt", relay.log()[-600:])
    relay.process = None


def running(it, relay):
    """Reload, drain, death of a worker and of a keeper, limits, peers, metrics, options."""
    it.peer("10.9.0.11", name="mx1.plain.test", delay={"RCPT": 0.0})
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    relay.again(relay="metrics = 127.0.0.1:9825\nsessions = 3\nrecipients = 100",
        listen="127.0.0.0/8:10025 [::1]:10025", workers=1)
    client = Client(host="127.83.7.9")
    same(client.mail_to("u@a.plain.test")[1][0], 250, "any address of 127.0.0.0/8")
    six = Client(host="::1")
    same(six.mail_to("u@a.plain.test")[1][0], 250, "[::1]")
    six.quit()
    refused = True
    try:
        socket.create_connection(("10.9.0.1", 10025), 3).recv(1)
    except OSError:
        pass
    else:
        sock = socket.create_connection(("10.9.0.1", 10025), 3)
        refused = sock.recv(10) == b""
        sock.close()
    ok(refused, "never an open relay: no address but loopback's")
    got = it.run("bash", "-c", "exec 3<>/dev/tcp/10.9.0.1/10025 && head -c 3 <&3", world=True)
    ok("220" not in got.stdout, "nor from another host", got.stdout)
    more = [client]
    for _ in range(2):
        more.append(Client())
    sock, file = None, None
    with socket.create_connection(("127.0.0.1", 10025)) as sock:
        same(sock.recv(3), b"421", "sessions: one more than the limit")
    codes = []
    more[1].mail("a@sender.test")
    for n in range(101):
        codes.append(more[1].rcpt("u%d@a.plain.test" % n)[0])
    same((codes[:100], codes[100]), ([250] * 100, 452), "recipients: one more than the limit")
    text = urllib.request.urlopen("http://127.0.0.1:9825/metrics").read().decode()
    values = dict(re.findall(r"^deep_relay_(\w+) (\d+)$", text, re.M))
    ok(values["messages_total"] == "2" and values["clients"] == "3" and
        "# TYPE deep_relay_messages_total counter" in text, "metrics", text)
    manual = lab.read(HERE + "/../modules/relay/deep-relay.8")
    same(sorted(re.findall(r"^\.It Cm (\w+)\n", manual[manual.index(".Ss Metrics"):
        manual.index(".Sh EXIT STATUS")], re.M)), sorted(values), "deep-relay(8) has each metric")
    for one in more:
        one.close()

    # Sessions towards a domain, of one worker.
    it.add_records({"b.plain.test": {"MX": "10 mx1.plain.test."}})
    it.dns()
    relay.again(relay="domain-sessions = 2\nmetrics = 127.0.0.1:9825",
        listen="127.0.0.0/8:10025 [::1]:10025", workers=1)
    more = [Client() for _ in range(4)]
    said = []
    for one, domain in zip(more, ("a", "a", "a", "b")):
        one.mail("a@sender.test")
        said.append(one.rcpt("u@%s.plain.test" % domain))
    same([code for code, _ in said], [250, 250, 451, 250],
        "domain-sessions: one more than the limit is deferred, another domain is not")
    same(said[2][1], b"4.3.2 too many sessions with a.plain.test, come again", "and told why")
    same(more[0].data("Subject: x\r\n\r\nx\r\n")[0], 250, "those that there are go on")
    more[0].close()
    ok(lab.wait(lambda: more[2].rcpt("u@a.plain.test")[0] == 250),
        "when one has ended there is room for another")
    for one in more:
        one.close()

    def clients():
        text = urllib.request.urlopen("http://127.0.0.1:9825/metrics").read().decode()
        return int(re.search(r"^deep_relay_clients (\d+)$", text, re.M).group(1))
    ok(lab.wait(lambda: clients() == 0), "all clients are gone")

    # Reload: the last good configuration stays; sessions under way end well.
    client = Client()
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    it.write("/etc/deep/deep.conf", "[relay]\nnonsense = 1\n")
    relay.signal(signal.SIGHUP)
    ok(lab.wait(lambda: "not reloaded" in relay.log()), "SIGHUP: a bad configuration is refused")
    same(deliver("u@a.plain.test")[1][0], 250, "the old one goes on")
    relay.configure(relay="recipients = 100", listen="127.0.0.0/8:10025 [::1]:10025")
    relay.signal(signal.SIGHUP)
    ok(lab.wait(lambda: "]: reloaded" in relay.log()), "SIGHUP: a good one")
    same(deliver("u@a.plain.test")[1][0], 250, "the new one serves")
    same(client.data("Subject: x\r\n\r\nx\r\n")[0], 250, "a transaction from before ends well")
    client.close()

    # The file that it finds by itself goes away, as while an editor writes it anew.
    relay.stop()
    it.write("/etc/deep.conf", it.read("/etc/deep/deep.conf"))
    relay.start(conf=None)
    same(deliver("u@a.plain.test")[1][0], 250, "/etc/deep.conf is found")
    os.rename(it.jail + "/etc/deep.conf", it.jail + "/etc/deep.gone")
    relay.signal(signal.SIGHUP)
    ok(lab.wait(lambda: "that was read is gone" in relay.log()),
        "SIGHUP: without the file that was read", relay.log()[-600:])
    same(deliver("u@a.plain.test")[1][0], 250, "what was read goes on")
    relay.again()

    # Death of children.
    for what in "worker", "keeper":
        pids = relay.all_children(4)        # two workers, each with its keeper
        victim = pids[1] if what == "worker" else pids[0]
        os.kill(victim, signal.SIGKILL)
        ok(lab.wait(lambda: victim not in relay.children() and len(relay.children()) >= 2),
            "a %s that dies is replaced" % what, pids, relay.children())
        ok(lab.wait(lambda: delivered("u@a.plain.test")), "and mail goes on")

    # Drain.
    client = Client()
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    idle, file = raw()
    relay.signal(signal.SIGTERM)
    same(answer(file)[:3], b"421", "SIGTERM: 421 to who has no transaction")
    same(client.data("Subject: x\r\n\r\nx\r\n")[0], 250, "a transaction under way ends well")
    ok(lab.wait(lambda: relay.process.poll() is not None) and relay.process.returncode == 0,
        "and then it is gone", relay.process.poll())
    relay.process = None
    relay.start()
    client = Client()
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    relay.signal(signal.SIGTERM)        # the client has 300 s for its next command
    ok(lab.wait(lambda: relay.process.poll() is not None), "drain has an end", relay.log()[-600:])
    relay.process = None

    # Options.
    for words, status, said in ((("--version",), 0, "deep-relay "), (("--help",), 0, "usage: "),
        (("-x",), 64, "\"-x\" is no option"), (("x",), 64, "\"x\": it takes no names"),
        (("-n", "-f", "/etc/deep/deep.conf"), 0, "good"), (("-n", "-f", "/nowhere"), 78, "/nowhere")):
        got = it.run("/usr/sbin/deep-relay", *words)
        ok(got.returncode == status and said in got.stdout + got.stderr,
            "deep-relay %s: status %d" % (" ".join(words), status), got)

    relay.start()

    def status():
        found = "".join(lab.read("/proc/%d/status" % pid) for pid in relay.children())
        return "NoNewPrivs:\t1" in found and "NoNewPrivs:\t0" not in found and \
            "Uid:\t0" not in found
    ok(lab.wait(status), "its own user, no new privileges")
    relay.stop()


# A clock that runs a hundred times as fast, for who waits by it.
HURRY = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/epoll.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *t)
{
	static int (*real)(clockid_t, struct timespec *);
	long long n;
	int got;
	if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
	got = real(which, t);
	if (got || which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) return got;
	n = (t->tv_sec * 1000000000LL + t->tv_nsec) * 100;
	t->tv_sec = n / 1000000000; t->tv_nsec = n % 1000000000;
	return 0;
}
int epoll_wait(int fd, struct epoll_event *events, int n, int ms)
{
	static int (*real)(int, struct epoll_event *, int, int);
	if (!real) real = dlsym(RTLD_NEXT, "epoll_wait");
	return real(fd, events, n, ms > 0 ? (ms + 99) / 100 : ms);
}
"""


def timeouts(it, relay):
    """RFC 5321 4.5.3.2: how long each step may take, by a clock that hurries."""
    if stand.SANITIZE:
        lab.diag("a library that is loaded first does not go with a sanitizer")
        return
    it.write("/tmp/hurry.c", HURRY)
    it.run("gcc", "-shared", "-fPIC", "-O1", "-o", "/usr/lib/hurry.so", "/tmp/hurry.c", "-ldl",
        check=True)
    steps = (("greeting", 300), ("EHLO", 300), ("STARTTLS", 120), ("MAIL", 300), ("RCPT", 300),
        ("DATA", 120), (".", 600))
    records = {}
    for n in range(len(steps) + 2):
        it.peer("10.9.0.%d" % (11 + n), name="mx%d.plain.test" % n,
            delay={steps[n][0]: 30} if n < len(steps) else {})
        records["t%d.plain.test" % n] = {"MX": "10 mx%d.plain.test." % n}
        records["mx%d.plain.test" % n] = {"A": "10.9.0.%d" % (11 + n)}
    it.dns(records)
    # Two hosts accept the connection and say nothing in the handshake: of one the domain is
    # latched, of the other nothing is known.
    latched, unknown = ("t%d.plain.test" % n for n in (len(steps), len(steps) + 1))
    relay.again()
    deliver("u@" + latched)
    ok(lab.wait(lambda: relay.held(latched)), "%s is latched" % latched)
    for n in len(steps), len(steps) + 1:
        it.peer("10.9.0.%d" % (11 + n), name="mx%d.plain.test" % n, handshake="hang")
    relay.stop()
    relay.configure(relay="route-timeout = 3600s\nstore-timeout = 60000\nconnect-timeout = 300s")
    relay.start(env={"LD_PRELOAD": "/usr/lib/hurry.so"})
    took, marks = {}, {}

    def one(domain):
        """How long the reply took that was no 2xx or 3xx, or the one to RCPT."""
        sock, file = raw()
        for line in ("EHLO c.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<u@%s>" % domain,
            "DATA", "Subject: x\r\n\r\nx\r\n."):
            begin = time.time()
            sock.sendall(line.encode() + b"\r\n")
            reply = answer(file)
            if reply[:1] not in (b"2", b"3") or domain == unknown and "RCPT" in line:
                took[domain] = (reply, time.time() - begin)
                break
        sock.close()

    def idle(name):
        sock, file = raw()
        begin = time.time()
        file.read()
        took[name] = (b"", time.time() - begin)
        sock.close()
    expected = {"t%d.plain.test" % n: (b"451", seconds, "RFC 5321 4.5.3.2: %d s for %s" %
        (seconds, step)) for n, (step, seconds) in enumerate(steps)}
    expected.update({latched: (b"451", 60, "60 s for a handshake in which the host is silent"),
        unknown: (b"250", 60, "the same where nothing is latched"),
        "idle": (b"", 300, "RFC 5321 4.5.3.2.7: 300 s for a client's command")})

    def in_time(name):
        code, seconds, _ = expected[name]
        reply, real = took.get(name, (b"none", 0))
        return reply[:3] == code and seconds * 0.0095 <= real <= seconds * 0.01 + 1
    # By that clock a machine that is busy for a moment is so for minutes, but not each time.
    for _ in range(10):
        names = [name for name in expected if not in_time(name)]
        marks.update((name, it.mark()) for name in names)
        threads = [threading.Thread(target=idle if name == "idle" else one, args=(name,))
            for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name, (_, _, what) in expected.items():
        ok(in_time(name), what, took.get(name))
    ok(b"4.7.10" in took[latched][0] and latch_field(took[latched][0].strip()), "D3.3-1, D3.3-5: "
        "the latched domain is deferred, with its latches", took[latched])
    same([one["line"] for one in it.events(marks[latched], "command", address="10.9.0.%d" %
        (11 + len(steps))) if one["line"].startswith("MAIL")], [], "and no MAIL in clear")


# Holds the sockets as systemd does, and starts deep-relay again when it ends.
STARTER = r"""
use Socket; use POSIX;
$^F = 100;
socket(my $inet, PF_INET, SOCK_STREAM, 0) or die;
setsockopt($inet, SOL_SOCKET, SO_REUSEADDR, 1);
bind($inet, sockaddr_in(10026, inet_aton("127.0.0.1"))) or die "bind: $!";
listen($inet, 100) or die;
socket(my $unix, PF_UNIX, SOCK_STREAM, 0) or die;
unlink("/run/deep-relay.sock");
bind($unix, sockaddr_un("/run/deep-relay.sock")) or die "bind: $!";
listen($unix, 100) or die;
POSIX::dup2(fileno($inet), 13); POSIX::dup2(fileno($unix), 14);
POSIX::dup2(13, 3); POSIX::dup2(14, 4);
POSIX::close($_) for 5 .. 20;
for (1 .. 2) {
	my $pid = fork();
	if ($pid == 0) {
		@ENV{qw(LISTEN_PID LISTEN_FDS LISTEN_FDNAMES)} = ($$, 2, "a:b");
		exec("/usr/sbin/deep-relay", "-f", "/etc/deep/deep.conf") or die;
	}
	open(my $to, ">", "/run/starter.pid.$_"); print $to $pid; close($to);
	waitpid($pid, 0);
	print "deep-relay ended: $?\n";
	sleep(1);
}
"""


def activation(it, relay):
    """Sockets that systemd hands over: in place of listen, over reloads and restarts."""
    it.peer("10.9.0.11", name="mx1.plain.test")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    relay.configure()
    for n in 1, 2:
        try:
            os.unlink(it.path("/run/starter.pid.%d" % n))
        except FileNotFoundError:
            pass
    starter = it.start("starter", "perl", "-e", STARTER)

    def log():
        return it.read("/var/log/starter.out")

    def pid(number):
        text = lab.wait(lambda: lab.read(it.path("/run/starter.pid.%d" % number)))
        return int(text)

    def by(where, number):
        if isinstance(where, int):
            sock = socket.create_connection(("127.0.0.1", where), 30)
        else:
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(30)
            sock.connect(where)
        file = sock.makefile("rb")
        got = [answer(file)[:3]]
        for line in ("EHLO c.test", "MAIL FROM:<a@sender.test>", "RCPT TO:<u@a.plain.test>",
            "DATA", "Message-ID: <%s@x>\r\n\r\nx\r\n." % number, "QUIT"):
            sock.sendall(line.encode() + b"\r\n")
            got.append(answer(file)[:3])
        sock.close()
        return got == [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]
    first = pid(1)
    ok(by(10026, 1), "LISTEN_FDS: a TCP socket that was handed over", log()[-500:])
    ok(by(it.path("/run/deep-relay.sock"), 2), "and a Unix socket")
    refused = False
    try:
        socket.create_connection(("127.0.0.1", 10025), 3).close()
    except OSError:
        refused = True
    ok(refused, "[relay] listen is not listened on then")
    relay.configure(listen="127.0.0.1:10077", relay="recipients = 100")
    os.kill(first, signal.SIGHUP)
    ok(lab.wait(lambda: "]: reloaded" in log()), "SIGHUP, with another listen", log()[-500:])
    ok(by(10026, 3) and by(it.path("/run/deep-relay.sock"), 4), "the sockets stay what they are")
    # Stopped in mid-transaction: drained; who comes meanwhile waits for the next one.
    client = Client(port=10026)
    client.mail("a@sender.test")
    client.rcpt("u@a.plain.test")
    os.kill(first, signal.SIGTERM)
    lab.wait(lambda: log().count("listens no more") == 4)       # two were reloaded before
    sock = socket.create_connection(("127.0.0.1", 10026), 30)
    same(client.data("Subject: x\r\n\r\nx\r\n")[0], 250, "a transaction under way ends well")
    same(sock.makefile("rb").readline()[:3], b"220",
        "who came while it was stopped is served by the next one, not sent away")
    sock.close()
    ok(pid(2) != first and "deep-relay ended: 0" in log(), "which is another process", log()[-900:])
    ok(by(10026, 5) and by(it.path("/run/deep-relay.sock"), 6), "and serves both sockets")
    ok(os.path.exists(it.path("/run/deep-relay.sock")), "the Unix socket is not unlinked")
    os.kill(pid(2), signal.SIGTERM)
    ok(lab.wait(lambda: log().count("deep-relay ended: 0") == 2), "SIGTERM: status 0 again")
    it.stop(starter)
    unit(it)


def unit(it):
    """The unit files are what systemd understands, and leave the store's folder as it is."""
    it.write("/etc/deep/unit.conf", "[store]\nurl = sqlite:/var/lib/unit/latches.db\n")
    it.run("deeplatch", "-f", "/etc/deep/unit.conf", "init", "--owner", "deeprelay", "--group",
        "deeprelay", check=True)
    same(re.findall(r"^StateDirectoryMode=(.*)$", lab.read(HERE +
        "/../contrib/relay/deep-relay.service"), re.M), ["%o" % stat.S_IMODE(os.stat(
        it.path("/var/lib/unit")).st_mode)], "the unit's folder has the mode of deeplatch init")
    if not it.run("sh", "-c", "command -v systemd-analyze").stdout:
        lab.diag("this root has no systemd-analyze: the unit is not looked at here")
        return
    for name in "deep-relay.service", "deep-relay.socket":
        it.install(HERE + "/../contrib/relay/" + name, "/etc/systemd/system/" + name)
    got = it.run("systemd-analyze", "verify", "--man=no",
        "/etc/systemd/system/deep-relay.service", "/etc/systemd/system/deep-relay.socket")
    ours = [line for line in (got.stdout + got.stderr).splitlines() if "deep-relay" in line]
    same((got.returncode, ours), (0, []), "systemd-analyze verify has nothing to say")


def next_hop(it, relay):
    """D5.7-4: one list of back ends, one set of latches, all domains in one transaction."""
    it.peer("10.9.0.11", name="back1.plain.test")
    it.dns({"back1.plain.test": {"A": "10.9.0.11"}, "x.plain.test": {"MX": "10 no.plain.test."}})
    relay.again(relay="next-hop = back1.plain.test",
        more="[group backend]\nhosts = back1.plain.test back2.plain.test\n")
    mark = it.mark()
    replies, text = deliver("u@x.plain.test", "u@y.plain.test")
    ok([code for code, _ in replies] == [250, 250] and text[0] == 250 and
        it.wait_events(1, mark)[0]["recipients"] == ["u@x.plain.test", "u@y.plain.test"],
        "next-hop: all domains in one transaction", replies)
    lab.wait(lambda: relay.held("backend"))
    same(relay.held("backend"), matrix.order(matrix.MODERN + (matrix.CERT,)),
        "D5.7-4: the latches are the group's")


PARTS = (learn, enforce, routes, dane, protocol, odd_hosts, kept, tls_side, header_decides, reports, next_hop,
    facts, running, activation, timeouts, store)


def test(it):
    it.build(*stand.OPTIONS)
    it.dns({})
    os.mkdir(it.work + "/kept")
    relay = Relay(it)
    for part in PARTS:
        if part.__name__ not in os.environ.get("DEEP_RELAY_PART", part.__name__).split(","):
            continue
        lab.diag(part.__name__)
        relay.configure()
        part(it, relay)
        relay.stop()
        for kind in ("AddressSanitizer", "LeakSanitizer", "runtime error",
            "which cannot be written"):
            ok(kind not in relay.log(), "%s: no %s" % (part.__name__, kind),
                relay.log()[-3000:])


if __name__ == "__main__":
    lab.main(test, roots=("bookworm", "trixie"))
