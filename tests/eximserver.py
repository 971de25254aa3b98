#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
eximserver: a real Exim that receives: the tls clause of its Received field, read back
by deeptrace; contrib/exim/exim-server.conf; and mail from domains that used TLS before.
"""
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/exim", HERE + "/lab"]
import lab
from lab import ok, same
from server import ROOTS, Server, STRICT, TOP, wanted

# Runs in the world: one message over a session of the kind that is asked for, or a
# try of a handshake; prints the suite by OpenSSL's name, or what went wrong.
CLIENT = r"""
import smtplib, ssl, sys
port, low, high, ciphers, curve, sender, text = sys.argv[1:8]
try:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    versions = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
        "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if ciphers:
        context.set_ciphers(ciphers + ":@SECLEVEL=0")
    if curve:
        context.set_ecdh_curve(curve)
    if low:
        context.minimum_version = versions[low]
        context.maximum_version = versions[high]
    if port == "465":
        smtp = smtplib.SMTP_SSL("10.9.0.1", 465, "client.lab.test", context=context,
            timeout=60)
    else:
        smtp = smtplib.SMTP("10.9.0.1", int(port), "client.lab.test", timeout=60)
    smtp.ehlo()
    if low and port != "465":
        smtp.starttls(context=context)
        smtp.ehlo()
        print("STARTTLS again" if smtp.has_extn("starttls") else "", end="")
    if not low:
        print("offered" if smtp.has_extn("starttls") else "not offered", end="")
    else:
        print(smtp.sock.cipher()[0], end="")
    if text:
        smtp.sendmail(sender, ["alice@local.test"], text)
    smtp.quit()
except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
    print("refused: %s" % error, end="")
"""


def client(it, low="", high="", ciphers="", curve="", port=25, text="Subject: x\n\nx\n",
    sender="bob@sender.test"):
    return subprocess.run(("nsenter", "--net=/proc/%d/ns/net" % it.world.pid,
        sys.executable, "-c", CLIENT, str(port), low, high or low, ciphers, curve, sender,
        text), stdout=subprocess.PIPE, timeout=180).stdout.decode()


def received(exim):
    """The first Received field of the newest message in the box, in one line."""
    # it may be seen before all of it is written
    lab.wait(lambda: "\n\n" in "".join(exim.box()[-1:]))
    found = re.search(r"^Received: (.*?)\n(?=\S)", "".join(exim.box()[-1:]), re.M | re.S)
    return re.sub(r"\s+", " ", found.group(1)) if found else "none"


def clauses(it):
    exim = Server(it)
    # what the server's own library would pick is left to it: old ones too
    exim.change("tls_advertise_hosts = *", "tls_advertise_hosts = *\n.ifdef _HAVE_GNUTLS\n"
        "tls_require_ciphers = NORMAL:+VERS-TLS1.0:+VERS-TLS1.1\n.else\n"
        "tls_require_ciphers = ALL:@SECLEVEL=0\nopenssl_options = +no_sslv2\n.endif")
    daemon = exim.daemon()
    for low, ciphers, curve, suite, group in (
        ("1.3", "", "X25519", "TLS_AES_256_GCM_SHA384", "x25519"),
        ("1.3", "", "prime256v1", "TLS_AES_256_GCM_SHA384", "secp256r1"),
        ("1.2", "ECDHE-RSA-AES128-GCM-SHA256", "prime256v1",
            "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "secp256r1"),
        ("1.2", "ECDHE-RSA-CHACHA20-POLY1305", "X25519",
            "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "x25519"),
        ("1.2", "AES128-GCM-SHA256", "", "TLS_RSA_WITH_AES_128_GCM_SHA256", None),
        ("1.2", "DHE-RSA-AES128-SHA", "", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", None),
        ("1.0", "ECDHE-RSA-AES256-SHA", "prime256v1",
            "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "secp256r1")):
        it.run("rm", "-f", "/var/mail/box")
        name = "D4-2, D4-3, D4-6, D5.2-9: %s: TLS %s, %s" % (it.name, low, suite)
        said = client(it, low, ciphers=ciphers, curve=curve)
        if "refused" in said and it.name == "exim-openssl" and ciphers.startswith("DHE"):
            continue            # this one needs a file of parameters there
        field = received(exim) if "refused" not in said else said
        openssl = it.name == "exim-openssl"
        clause = "tls " + suite + (" group " + group if group and not openssl else "")
        ok(" for alice@local.test %s; " % clause in field, name + ", behind for (D4-7)", field,
            said)
        it.write("/tmp/message", exim.box()[-1] if exim.box() else "")
        hop = json.loads(it.run("deeptrace", "-f", "json", "/tmp/message").stdout or "{}") \
            .get("hops", [{}])[0]
        same((hop.get("tls") or {}).get("suite"), suite, name + ", as deeptrace reads it")
    it.run("rm", "-f", "/var/mail/box")
    client(it)
    field = received(exim)
    ok(" tls " not in field and "for alice@local.test;" in field, "D4-2: %s: no clause "
        "without TLS" % it.name, field)
    ok(exim.lines("<=", "X=TLS1.3:"), "D5.2-10: %s: TLS is in the log" % it.name)
    it.stop(daemon)
    # a suite that no table names
    for words, expected in (("TLS1.3:0x1399:128", "tls 0x1399"), ("TLS1.3:nonsense:128", ""),
        ("", "")):
        got = it.run("exim4", "-be", "${dlfunc{/usr/libexec/deep/deep-exim.so}{clause}{%s}}" %
            words).stdout.strip()
        same(got, expected, "D4-4: %s: the clause of %r" % (it.name, words))
    # without the object mail is still received
    it.run("mv", "/usr/libexec/deep/deep-exim.so", "/tmp/away")
    daemon = exim.daemon()
    it.run("rm", "-f", "/var/mail/box")
    said = client(it, "1.3")
    ok("for alice@local.test" in received(exim), "%s: no deep-exim.so: mail is received" %
        it.name, said)
    it.stop(daemon)
    it.run("mv", "/tmp/away", "/usr/libexec/deep/deep-exim.so")


def profile(it):
    """contrib/exim/exim-server.conf, and the letter of 2013."""
    exim = Server(it)
    it.install(TOP + "/contrib/exim/exim-server.conf", "/etc/exim4/server.conf")
    text = it.read("/etc/exim4/exim4.conf")
    text = re.sub(r"^tls_(certificate|privatekey|advertise_hosts) .*\n", "", text,
        flags=re.M)
    head = "DEEP_CERTIFICATE = /etc/exim4/server.pem\nDEEP_PRIVATE = /etc/exim4/server.key\n"
    for letter in "", "DEEP_2013 = yes\n":
        it.write("/etc/exim4/exim4.conf", letter + head + ".include /etc/exim4/server.conf\n" +
            text)
        daemon = exim.daemon()
        what = "%s: %s" % (it.name, "2013" if letter else "2026")
        same(client(it, text=""), "offered", "D5.2-6: %s: STARTTLS is offered" % what)
        same(client(it, "1.3", text=""), "TLS_AES_256_GCM_SHA384",
            "D5.1-1: %s: TLS 1.3, and STARTTLS is not offered again" % what)
        same(client(it, "1.2", ciphers="DEFAULT", text="")[:6], "ECDHE-",
            "D5.2-3: %s: TLS 1.2 with forward secrecy" % what)
        same(client(it, "1.2", ciphers="AES128-GCM-SHA256:AES128-SHA:"
            "ECDHE-RSA-AES128-GCM-SHA256", text=""), "ECDHE-RSA-AES128-GCM-SHA256",
            "D5.2-3: %s: and prefers it" % what)
        same(client(it, "1.3", port=465, text=""), "TLS_AES_256_GCM_SHA384",
            "D5.2-6: %s: implicit TLS at 465" % what)
        for version in "1.0", "1.1":
            ok("refused" in client(it, version, ciphers="ALL", text=""),
                "D5.1-1: %s: no TLS %s" % (what, version))
        same(client(it, "1.2", ciphers="AES128-SHA", text="") == "AES128-SHA", bool(letter),
            "D5.1-2: %s: TLS_RSA_WITH_AES_128_CBC_SHA" % what)
        if letter and it.name != "exim-openssl":
            same(client(it, "1.2", ciphers="AES128-SHA:DHE-RSA-AES128-SHA", text=""),
                "DHE-RSA-AES128-SHA", "D5.2-1: %s: DHE before RSA" % what)
        elif not letter:
            ok("refused" in client(it, "1.2", ciphers="DHE-RSA-AES128-SHA", text=""),
                "D5.1-3: %s: no DHE with CBC" % what)
        it.run("mv", "/etc/exim4/server.key", "/etc/exim4/server.away")
        same(client(it, text=""), "not offered", "D5.2-8: %s: no key: STARTTLS is not "
            "offered" % what)
        it.run("mv", "/etc/exim4/server.away", "/etc/exim4/server.key")
        it.stop(daemon)


def inbound(it):
    """A domain that passes SPF and used TLS is expected to use it again."""
    acl = r"""
  warn set acl_m_deep_in = ${dlfunc{/usr/libexec/deep/deep-exim.so}{inbound}\
        {$sender_address_domain}{tls=$tls_in_cipher}{$spf_result}{$message_exim_id}}
  defer condition = ${if eq{$acl_m_deep_in}{}{no}{yes}}
        message = $acl_m_deep_in
"""
    exim = Server(it, data="  warn spf = pass\n" + acl)
    it.dns({"sender.test": {"TXT": '"v=spf1 ip4:10.9.0.0/24 -all"', "MX": "10 mx.sender.test.",
        "A": "10.9.0.40"}, "mx.sender.test": {"A": "10.9.0.40"},
        "other.test": {"TXT": '"v=spf1 -all"'}}, zones={"sender.test": "plain",
        "other.test": "plain"})
    daemon = exim.daemon()
    client(it, "1.3")
    same(exim.held("sender.test", "inbound"), (), "%s: inbound is off by default" % it.name)
    exim.configure(STRICT + "[exim]\ninbound = observe\n")
    client(it, "1.3", sender="bob@other.test")
    same(exim.held("other.test", "inbound"), (), "%s: without a pass of SPF nothing is learnt" %
        it.name)
    client(it, "1.3")
    ok("tls10" in exim.held("sender.test", "inbound"), "%s: with one it is" % it.name,
        exim.log())
    ok("refused" not in client(it), "%s: observe: clear text is taken" % it.name)
    ok(exim.events("warned", name="sender.test", service="inbound"), "%s: and logged" % it.name,
        exim.log())
    exim.configure(STRICT + "[exim]\ninbound = reject\n")
    said = client(it)
    ok("451" in said and "4.7.10" in said, "%s: reject: clear text is refused for now" %
        it.name, said)
    ok("refused" not in client(it, "1.2", ciphers="DEFAULT"), "%s: TLS is taken" % it.name)
    ok("refused" not in client(it, sender="bob@other.test"), "%s: and others in clear" %
        it.name)
    it.run("mv", "/var/lib/deep", "/var/lib/away")
    ok("4.3.0" in client(it), "%s: no store: deferred" % it.name)
    ok(exim.events("alarm"), "%s: and an alarm" % it.name)
    it.run("mv", "/var/lib/away", "/var/lib/deep")
    same(exim.panic(), "", "%s: the panic log is empty" % it.name)
    it.stop(daemon)


def test(it):
    it.build()
    it.dns({"client.lab.test": {"A": "10.9.0.40"}})
    for name in wanted("clauses profile inbound", it, "clauses profile"):
        globals()[name](it)


if __name__ == "__main__":
    lab.main(test, roots=ROOTS)
