#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
eximdsn: delivery status notifications of a real Exim for mail that a latch held back
(D3.3-8 to D3.3-10): delayed, failed beside other failures, larger than the memory of
the filter, signed by DKIM, to another host, SMTPUTF8; and those that stay as they are.
"""
import email
import email.policy
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/exim", HERE + "/lab"]
import lab
from lab import ok, same
from server import ROOTS, Server, STRICT, wanted

ALL = "tls10 tls11 tls12 tls-nomd5 tls-norc4 tls-pfs"
NONE = {"Status": "no group", "SMTP-Security-Latch": "no group", "Action": "no group"}


def groups(text):
    """By an independent parser: {final recipient: group}, and the type of the part."""
    message = email.message_from_string(text, policy=email.policy.compat32)
    for part in message.walk():
        if part.get_content_type() in ("message/delivery-status",
            "message/global-delivery-status"):
            break
    else:
        return {}, ""
    if part.is_multipart():
        parts = part.get_payload()
    else:
        parts = [email.message_from_string(one) for one in re.split(r"\n\n+",
            part.get_payload().strip())]
    return {one["Final-Recipient"].split(";")[1].strip(): one for one in parts
        if one["Final-Recipient"]}, part.get_content_type()


def notice(exim, address):
    """The newest notification that has a group of this recipient; "": there is none."""
    return next((text for text in reversed(exim.box()) if address in groups(text)[0]), "")


def prepare(it, **parts):
    exim = Server(it, **parts)
    it.dns({"d1.lab.test": {"MX": "10 mx1.lab.test."}, "d2.lab.test": {"MX":
        "10 mx2.lab.test."}, "mx1.lab.test": {"A": "10.9.0.11"}, "mx2.lab.test": {"A":
        "10.9.0.12"}, "back.lab.test": {"MX": "10 mx2.lab.test."}})
    it.folder_of("/tmp/keep")
    it.peer("10.9.0.11", name="mx1.lab.test")
    it.peer("10.9.0.12", name="mx2.lab.test", recipients={"no@.*": "550 5.1.1 no"},
        keep=it.path("/tmp/keep"))
    exim.send("user@d1.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    return exim


def expire(exim, it):
    exim.run_queue()
    exim.change("F,1d,1s", "F,1s,1s")
    lab.wait(lambda: exim.run_queue() or not exim.queue())
    exim.change("F,1s,1s", "F,1d,1s")


def delayed_and_failed(it):
    exim = prepare(it)
    exim.change("\nbegin acl", "\ndelay_warning = 1s\nbegin acl")
    exim.send("user@d1.lab.test", "no@d2.lab.test")
    ok(lab.wait(lambda: exim.run_queue() or (notice(exim, "no@d2.lab.test") and
        notice(exim, "user@d1.lab.test"))), "%s: a bounce of d2, and a warning of d1" % it.name,
        exim.log())
    boxes = exim.box()
    found = {}
    for text in boxes:
        found.update(groups(text)[0])
    group = found.get("no@d2.lab.test", NONE)
    same((group["Status"], group["SMTP-Security-Latch"], group["Action"]), ("5.0.0", None,
        "failed"), "D3.3-9: %s: another failure stays as it was" % it.name, *boxes)
    group = found.get("user@d1.lab.test", NONE)
    same((group["Status"], group["SMTP-Security-Latch"], group["Action"]), ("4.7.10", ALL,
        "delayed"), "D3.3-8, D3.3-9: %s: the delayed one" % it.name, *boxes)
    # two domains held and failed together with one that fails for another reason
    it.run("rm", "-f", "/var/mail/box")
    exim.change("\ndelay_warning = 1s\n", "\n")
    exim.send("a@d1.lab.test", "b@d1.lab.test", queue=False)
    expire(exim, it)            # of the first message too, which is still held
    text = notice(exim, "a@d1.lab.test")
    found, kind = groups(text)
    same(kind, "message/delivery-status", "%s: a delivery status" % it.name, *exim.box())
    for name in "a@d1.lab.test", "b@d1.lab.test":
        group = found.get(name, NONE)
        same((group["Status"], group["SMTP-Security-Latch"]), ("4.7.10", ALL),
            "D3.3-10: %s: %s" % (it.name, name), text)
    ok("security latch of d1.lab.test" in text and "deeplatch reset" in text,
        "%s: its text says what and what to do" % it.name, text)
    # the latch is met again, then the other side says no: its own reply stands
    it.run("rm", "-f", "/var/mail/box")
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.configure(STRICT + "[exim]\nleave-out = 1s\n")
    exim.reset("d1.lab.test")
    exim.send("user@d1.lab.test")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    exim.send("no@d1.lab.test")
    ok(exim.queue(), "%s: a message is held" % it.name)
    it.peer("10.9.0.11", name="mx1.lab.test", recipients={"no@.*": "550 5.1.1 no"})
    lab.wait(lambda: exim.run_queue("-qf") or notice(exim, "no@d1.lab.test"))
    group = groups(notice(exim, "no@d1.lab.test"))[0].get("no@d1.lab.test", NONE)
    same((group["Status"], group["SMTP-Security-Latch"]), ("5.0.0", None),
        "D3.3-9: %s: a refusal by the other side, after the latch was met" % it.name)
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)


def large(it):
    """Returned whole, and much larger than what the filter holds."""
    exim = prepare(it)
    exim.change("\nbegin acl", "\nbounce_return_size_limit = 0\nbegin acl")
    body = "".join("%063d\n" % number for number in range(600000))
    exim.send("user@d1.lab.test", text="Subject: large\n\n" + body)
    # the filter may use as much memory as it needs, and not more than 64 MiB
    it.run("mv", "/usr/libexec/deep/deep-dsn-filter", "/usr/libexec/deep/filter")
    it.write("/usr/libexec/deep/deep-dsn-filter", "#!/bin/sh\nulimit -v 65536\n"
        "exec /usr/libexec/deep/filter \"$@\"\n", 0o755)
    expire(exim, it)
    it.run("mv", "/usr/libexec/deep/filter", "/usr/libexec/deep/deep-dsn-filter")
    text = (exim.box() or [""])[-1]
    group = groups(text[:100000])[0].get("user@d1.lab.test", NONE)
    same(group["SMTP-Security-Latch"], ALL, "%s: a bounce of %d MiB" % (it.name,
        len(text) >> 20))
    ok(body[-64 * 1000:] in text and body[:64 * 1000] in text and len(text) > len(body),
        "%s: with the whole message" % it.name)


def signed(it):
    """D3.3-9: to another host, and what DKIM signs is what goes out."""
    exim = prepare(it)
    it.install(it.key("rsa-dkim"), "/etc/exim4/dkim.key", 0o640, 0, 102)
    exim.change("command_timeout = 8s", "command_timeout = 8s\n  dkim_domain = mta.lab.test\n"
        "  dkim_selector = s\n  dkim_private_key = /etc/exim4/dkim.key\n"
        "  dkim_canon = simple")
    exim.send("user@d1.lab.test", sender="writer@back.lab.test")
    mark = it.mark()
    expire(exim, it)
    got = it.wait_events(1, mark, address="10.9.0.12")
    same([one["sender"] for one in got], [""], "%s: the bounce went to another host" % it.name,
        exim.log())
    path = max(glob.glob(it.path("/tmp/keep/*.eml")), key=os.path.getmtime)
    with open(path, "rb") as file:
        data = file.read()
    group = groups(data.decode().replace("\r\n", "\n"))[0]["user@d1.lab.test"]
    same((group["Status"], group["SMTP-Security-Latch"]), ("4.7.10", ALL),
        "D3.3-9: %s: with the field" % it.name)
    import base64
    import hashlib
    body = data.split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n") + b"\r\n"
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    signature = re.search(rb"^DKIM-Signature:.*?\r\n(?=\S)", data, re.M | re.S)
    same(re.search(r"bh=([^;]*)", re.sub(r"\s", "", signature.group(0).decode())).group(1)
        if signature else "no signature", digest,
        "%s: DKIM signed the body that was sent" % it.name)
    ok(got[0]["tls"], "%s: and it went by TLS" % it.name)


def unicode(it):
    """SMTPUTF8: message/global-delivery-status."""
    exim = prepare(it)
    exim.change("\nbegin acl", "\nsmtputf8_advertise_hosts = *\nbegin acl")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False, keywords=["PIPELINING",
        "8BITMIME", "SMTPUTF8"])
    daemon = exim.daemon()
    said = it.run("sh", "-c", "printf 'EHLO localhost\\r\\nMAIL FROM:<alice@local.test> SMTPUTF8"
        "\\r\\nRCPT TO:<j\\303\\266rg@d1.lab.test>\\r\\nDATA\\r\\nSubject: \\303\\266\\r\\n\\r\\nx"
        "\\r\\n.\\r\\nQUIT\\r\\n' | exim4 -bs", env={"LC_ALL": "C.UTF-8"}, user="alice")
    lab.wait(lambda: exim.events("refused", name="d1.lab.test"))
    it.stop(daemon)
    expire(exim, it)
    text = (exim.box() or [""])[-1]
    kind = groups(text)[1]
    same(kind, "message/global-delivery-status", "%s: SMTPUTF8: its type" % it.name, said,
        exim.log(), text)
    ok(re.search("Final-Recipient: [a-z0-9-]+;j\u00f6rg@d1.lab.test\nStatus: 4.7.10\n"
        "SMTP-Security-Latch: %s\n\n" % ALL, text), "D3.3-9: %s: SMTPUTF8: the field" %
        it.name, text)


def test(it):
    it.build()
    for name in wanted("delayed_and_failed large signed unicode", it, "delayed_and_failed"):
        globals()[name](it)


if __name__ == "__main__":
    lab.main(test, roots=ROOTS)
