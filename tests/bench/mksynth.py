#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# mksynth.py MEBIOCTETS [SEED] - writes an mbox of success reports (RFC 3464)
# of at least that size to standard output: text of its own, the same for the
# same seed, about nine Received fields in a report, in the words of many MTAs.

import random
import sys

ESMTPS = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256",
          "ECDHE-ECDSA-AES256-GCM-SHA384", "DHE-RSA-AES256-SHA",
          "ECDHE-RSA-CHACHA20-POLY1305", "AES256-GCM-SHA384")
IANA = ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_DHE_RSA_WITH_AES_256_CBC_SHA")
TLS13 = ("TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256",
         "TLS_CHACHA20_POLY1305_SHA256")
GROUPS = ("X25519", "ECDHE (P-256)", "x25519", "X25519MLKEM768")
WORDS = ("the report of the meeting is in the folder and needs your answer "
         "before the week ends please send back what you have read so far").split()

BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

# f, b: from and by; a: address; i: queue id; u: recipient; s, t, n: suites of
# TLS 1.2, of 1.3 and by IANA's name; g: group; d: date
DIALECTS = (
    "from {f} ({f} [{a}])\n"
    "\t(using TLSv1.3 with cipher {t} (256/256 bits)\n"
    "\t key-exchange {g} server-signature RSA-PSS (2048 bits) server-digest SHA256)\n"
    "\t(No client certificate requested)\n"
    "\tby {b} (Postfix) with ESMTPS id {i}\n\tfor <{u}>; {d} (UTC)",
    "from {f} ({f} [{a}])\n"
    "\t(using TLSv1.2 with cipher {s} (256/256 bits))\n"
    "\t(Client did not present a certificate)\n"
    "\tby {b} (Postfix) with ESMTPS id {i}\n\tfor <{u}>; {d}",
    "from {f} ({f} [{a}])\n\tby {b} (Postfix) with ESMTP id {i}\n\tfor <{u}>; {d}",
    "by {b} (Postfix, from userid 1000)\n\tid {i}; {d}",
    "from [{a}] (helo={f})\n\tby {b} with esmtps  (TLS1.3) tls {t}\n"
    "\t(Exim 4.98.2)\n\t(envelope-from <{u}>)\n\tid {i}\n\tfor {u};\n\t{d}",
    "from {f} ([{a}])\n\tby {b} with esmtps (TLS1.2:ECDHE_RSA_AES_256_GCM_SHA384:256)\n"
    "\t(Exim 4.92)\n\tid {i}\n\tfor {u}; {d}",
    "from {f} ({f}. [{a}])\n        by {b} with ESMTPS id {i}\n"
    "        for <{u}>\n"
    "        (version=TLS1_3 cipher={t} bits=256/256);\n        {d} (PDT)",
    "from {f} ({a}) by {b}\n ({a}) with Microsoft SMTP Server (version=TLS1_2,\n"
    " cipher={n}) id 15.20.1.2; {d}",
    "from {f} ({f} [{a}])\n\tby {b} (8.17.1/8.17.1) with ESMTPS id {i}\n"
    "\t(version=TLSv1.2 cipher={s} bits=256 verify=NOT)\n\tfor <{u}>; {d}",
    "from {f} ({f} [{a}])\n\tby {b} (OpenSMTPD) with ESMTPS id {i}"
    " (TLSv1.3:{t}:256:NO)\n\tfor <{u}>;\n\t{d} (UTC)",
    "from {f} ([{a}])\n  by {b} with ESMTP/TLS/{s}; {d}",
    "from {f} ({f} [{a}]) by\n {b} with ESMTP with STARTTLS (version=TLSv1.2,\n"
    " cipher={n}) id us-{i}; {d}",
    "from {f} ([{a}])\n\tby {b} ([{a}]) via tcp with ESMTPS id {i} (TLS1.3 {t})\n"
    "\tfor <{u}>;\n\t{d}",
    "from {f} ([{a}])\n\tby {b} with LMTP\n\tid {i}\n\t(envelope-from <{u}>)\n"
    "\tfor <{u}>; {d}",
    "from unknown (HELO {f}) ({a})\n  by {b} with {s} encrypted SMTP; {d}",
)
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")  # 1 November 2026 is one


def date(minutes):
    """RFC 5322 date, so many minutes into November 2026."""
    day = minutes // 1440
    return "%s, %d Nov 2026 %02d:%02d:%02d +0000" % (
        DAYS[day % 7], day + 1, minutes // 60 % 24, minutes % 60, minutes % 59)


def trace(pick, minutes, count, user):
    """Received fields, the newest first, of a chain of that many hosts."""
    hosts = ["host%d.%s" % (pick.randrange(5000), pick.choice(
        ("example.org", "example.net", "example.com"))) for _ in range(count + 1)]
    fields = []
    for k in range(count):
        fields.append("Received: " + pick.choice(DIALECTS).format(
            f=hosts[k], b=hosts[k + 1], u=user, d=date(minutes + k),
            a="%s.%d" % (pick.choice(("192.0.2", "198.51.100", "203.0.113")),
                         pick.randrange(1, 255)),
            i="%012X" % pick.getrandbits(48), s=pick.choice(ESMTPS),
            t=pick.choice(TLS13), n=pick.choice(IANA), g=pick.choice(GROUPS)))
    return "\n".join(reversed(fields)) + "\n"


def token(pick, octets):
    """So many octets that look like a signature, folded."""
    text = "".join(pick.choice(BASE64) for _ in range(octets))
    return "\n\t".join(text[i:i + 64] for i in range(0, octets, 64))


def others(pick, minutes):
    """The fields that stand between the trace fields of today's mail: on real
    ones they are two thirds of the header."""
    domain = pick.choice(("example.org", "example.net", "example.com"))
    fields = [
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=s1;\n\t"
        "h=from:to:subject:date:message-id:mime-version;\n\tbh=%s=;\n\tb=%s" % (
            domain, token(pick, 43), token(pick, 344)),
        "ARC-Seal: i=1; a=rsa-sha256; t=%d; cv=none; d=%s; s=arc;\n\tb=%s" % (
            1793520000 + minutes * 60, domain, token(pick, 344)),
        "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=%s; s=arc;\n\t"
        "h=from:subject:date:to;\n\tbh=%s=;\n\tb=%s" % (domain, token(pick, 43), token(pick, 344)),
        "ARC-Authentication-Results: i=1; mx.%s; dkim=pass header.i=@%s;\n\t"
        "spf=pass smtp.mailfrom=bounce@%s; dmarc=pass header.from=%s" % ((domain,) * 4),
        "Authentication-Results: mx.%s;\n\tdkim=pass (2048-bit key) header.d=%s header.s=s1;\n\t"
        "spf=pass (sender permitted) smtp.mailfrom=bounce@%s;\n\tdmarc=pass header.from=%s" % (
            (domain,) * 4),
        "X-Spam-Status: No, score=-2.1 required=5.0 tests=BAYES_00,DKIM_SIGNED,\n\t"
        "DKIM_VALID,DKIM_VALID_AU,SPF_PASS autolearn=ham version=4.0.0",
        "X-Report-Abuse: " + token(pick, 1400),
        "List-Unsubscribe: <https://lists.%s/u/%s>" % (domain, token(pick, 60).replace("\n\t", "")),
        "References: " + "\n\t".join("<%s@%s>" % (token(pick, 40), domain) for _ in range(12)),
        "MIME-Version: 1.0", "Precedence: list", "X-Mailer: Example 12.3",
    ]
    pick.shuffle(fields)
    return "\n".join(fields) + "\n"


def report(pick, number):
    """A report, whose returned part is the header alone or the message."""
    minutes = pick.randrange(28 * 1440)
    sender = "user%d@example.org" % pick.randrange(1000)
    user = "box%d@example.net" % pick.randrange(1000)
    host = "mx%d.example.net" % pick.randrange(50)
    edge = "%08x.%d/%s" % (pick.getrandbits(32), number, host)
    whole = pick.random() < 0.25
    body = "\n".join(" ".join(pick.choice(WORDS) for _ in range(11))
                     for _ in range(pick.randrange(4, 40)))
    return (
        "From MAILER-DAEMON %s Nov %2d %02d:%02d:00 2026\n" % (
            DAYS[minutes // 1440 % 7], minutes // 1440 + 1, minutes // 60 % 24,
            minutes % 60) +
        "Return-Path: <>\n" + trace(pick, minutes + 9, pick.randrange(2, 5), sender) +
        "Date: %s\nFrom: Mail Delivery System <MAILER-DAEMON@%s>\n"
        "Subject: Successful Mail Delivery Report\nTo: %s\n"
        "Auto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status;\n"
        "\tboundary=\"%s\"\nMessage-Id: <%d@%s>\n\n"
        "This is a MIME-encapsulated message.\n\n"
        "--%s\nContent-Type: text/plain; charset=us-ascii\n\n"
        "This is the mail system at host %s.\n\nYour message was delivered to"
        " the address below.\n\n<%s>: delivered to mailbox\n\n"
        "--%s\nContent-Type: message/delivery-status\n\n"
        "Reporting-MTA: dns; %s\nArrival-Date: %s\n\n"
        "Final-Recipient: rfc822; %s\nOriginal-Recipient: rfc822;%s\n"
        "Action: delivered\nStatus: 2.0.0\n\n"
        "--%s\nContent-Type: %s\n\n" % (
            date(minutes + 9), host, sender, edge, number, host, edge, host, user,
            edge, host, date(minutes + 8), user, user, edge,
            "message/rfc822" if whole else "text/rfc822-headers") +
        trace(pick, minutes, pick.randrange(4, 9), user) + others(pick, minutes) +
        "From: %s\nTo: %s\nSubject: number %d\nMessage-ID: <%d@example.org>\n"
        "Date: %s\n\n" % (sender, user, number, number, date(minutes)) +
        (body + "\n" if whole else "") + "--%s--\n\n" % edge)


def main():
    wanted = int(sys.argv[1]) * 1024 * 1024
    pick = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 20261102)
    size = number = 0
    while size < wanted:
        number += 1
        text = report(pick, number)
        size += len(text)
        sys.stdout.write(text)
    print("%d reports, %d octets" % (number, size), file=sys.stderr)


main()
