#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# probe.py - "deeptrace probe" against a scripted server on 127.0.0.1 and a
# scripted "sendmail -bs", and "deeptrace --mine" on the reports that come back,
# the true and the forged ones.  Requirement D5.4-4, X-13, X-17.

import base64
import json
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading

from tap import done, ok, skip_all

PATIENCE = 60  # seconds until something that should happen is given up
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
deeptrace = os.path.join(root, "deeptrace")


if shutil.which("openssl") is None:
    skip_all("openssl is not installed")

work = tempfile.mkdtemp(prefix="probe.")
state = os.path.join(work, "state")


def certificate(name, subject):
    key, cert = os.path.join(work, name + ".key"), os.path.join(work, name + ".pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=" + subject],
                   check=True, capture_output=True)
    return key, cert


class Server(threading.Thread):
    """One SMTP session after another; what each said is in sessions."""

    def __init__(self, pair, dsn=True, starttls=True, inject=b"", refuse=(), keywords=(), password=None):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pair, self.dsn, self.starttls, self.inject, self.refuse = pair, dsn, starttls, inject, refuse
        self.keywords, self.password = keywords, password
        self.sessions = []
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            said = {"commands": [], "text": None, "tls": None, "over": threading.Event()}
            self.sessions.append(said)
            try:
                self.serve(connection, said)
            except (OSError, ssl.SSLError) as fault:
                said["fault"] = str(fault)
            finally:
                connection.close()
                said["over"].set()

    def settle(self):
        """All that was said has been noted: the sessions that were begun are over."""
        for said in self.sessions:
            said["over"].wait(PATIENCE)

    def serve(self, connection, said):
        connection.settimeout(PATIENCE)
        stream = connection.makefile("rb")

        def put(text):
            connection.sendall(text.encode() + b"\r\n")
        put("220-peer.example.net ESMTP\r\n220 at your service")
        while True:
            line = stream.readline()
            if not line:
                return
            line = line.decode("utf-8").rstrip("\r\n")
            said["commands"].append(line)
            verb = line.split(" ")[0].split(":")[0].upper()
            if verb in self.refuse:
                put("550 5.7.1 not here \x1b[31m")
            elif verb == "EHLO":
                lines = ["peer.example.net hello", "PIPELINING"]
                if self.starttls and said["tls"] is None:
                    lines.append("STARTTLS")
                if self.dsn:
                    lines.append("DSN")
                lines += self.keywords if said["tls"] else ()
                lines.append("8BITMIME")
                put("\r\n".join("250-" + x for x in lines[:-1]) + "\r\n250 " + lines[-1])
            elif verb == "STARTTLS":
                connection.sendall(b"220 go ahead\r\n" + self.inject)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.pair[1], self.pair[0])
                connection = context.wrap_socket(connection, server_side=True)
                stream = connection.makefile("rb")
                said["tls"] = connection.version()
            elif verb == "AUTH":
                words = line.split(" ")
                given = words[2:]
                if words[1] == "LOGIN":
                    for question in "VXNlcm5hbWU6", "UGFzc3dvcmQ6":
                        put("334 " + question)
                        given.append(stream.readline().decode("ascii").rstrip("\r\n"))
                given = [base64.b64decode(x) for x in given]
                said["auth"] = words[1], b"\0".join(given).lstrip(b"\0"), said["tls"]
                put("235 in" if said["auth"][1] == b"alice\0" + self.password else "535 5.7.8 no")
            elif verb == "DATA":
                put("354 go on")
                text = b""
                while True:
                    line = stream.readline()
                    if line in (b".\r\n", b""):
                        break
                    text += line[1:] if line.startswith(b"..") else line
                said["text"] = text
                put("250 taken")
            elif verb == "QUIT":
                put("221 bye")
                return
            else:
                put("250 fine")

    def close(self):
        self.listener.close()


def probe(server, *more, to="bob@example.net", folder=None):
    where = ["--smtp", "127.0.0.1:%d" % server.port] if server is not None else []
    run = subprocess.run([deeptrace, "probe", "-S", folder or state, "-f", "alice@example.org", "-w", str(PATIENCE),
                          *where, *more, to], capture_output=True, text=True, check=False, timeout=5 * PATIENCE)
    if server is not None:
        server.settle()
    return run


try:
    good = certificate("good", "IP:127.0.0.1")
    wrong = certificate("wrong", "DNS:other.example.net")

    # The message, and what asks for the report.

    server = Server(good)
    run = probe(server, "-C", good[1])
    said = server.sessions[0]
    ok(run.returncode == 0 and said["text"] is not None and said["tls"] in ("TLSv1.2", "TLSv1.3"),
       "D5.4-4: a probe is sent over STARTTLS", run.stderr)
    mail = [c for c in said["commands"] if c.startswith("MAIL")][0]
    envid = re.fullmatch(r"MAIL FROM:<alice@example\.org> RET=HDRS ENVID=(\S+)", mail)
    ok(envid is not None, "D5.4-4: RET=HDRS and an ENVID", mail)
    envid = envid.group(1)
    ok(len(envid) <= 38 and re.fullmatch("[A-Za-z0-9._-]+", envid), "X-13: of at most 38 safe characters", envid)
    ok("RCPT TO:<bob@example.net> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;bob@example.net" in said["commands"],
       "D5.4-4: NOTIFY=SUCCESS,DELAY,FAILURE and ORCPT", said["commands"])
    starttls = said["commands"].index("STARTTLS")
    ok(said["commands"][starttls + 1].startswith("EHLO") and said["commands"].index(mail) > starttls,
       "EHLO is said again behind STARTTLS, and nothing before it", said["commands"])
    ok(run.stdout.startswith(envid + "  bob@example.net  TLSv1.") and "certificate verified" in run.stdout,
       "it says by what way it went", run.stdout)
    message_id = re.search(rb"^Message-ID: (<\S+>)\r$", said["text"], re.M).group(1).decode()
    ok(b"\n" not in said["text"].replace(b"\r\n", b"") and envid[16:].encode() not in said["text"]
       and re.search(rb"^Date: \w{3}, \d\d \w{3} \d{4} [\d:]{8} \+0000\r$", said["text"], re.M),
       "the text has CRLF, a date, and not the secret part of the envelope id")
    ok(stat.S_IMODE(os.stat(os.path.join(state, "key")).st_mode) == 0o600
       and stat.S_IMODE(os.stat(os.path.join(state, "probes")).st_mode) == 0o600
       and stat.S_IMODE(os.stat(state).st_mode) == 0o700, "the key and the probes are nobody else's to read")
    probe(server, "-C", good[1], to="carol+x=y@example.net")
    ok(any("ORCPT=rfc822;carol+2Bx+3Dy@example.net" in c for c in server.sessions[1]["commands"]),
       "the original recipient is written as xtext (RFC 3461 4)", server.sessions[1]["commands"])
    second = re.search(r"ENVID=(\S+)", " ".join(server.sessions[1]["commands"])).group(1)
    ok(second != envid, "two probes have two envelope ids")

    # What keeps it from being sent.

    def nothing(name, server, *more, status=None, says=""):
        run = probe(server, *more[:-1], to=more[-1]) if more and "@" in more[-1] else probe(server, *more)
        sent = [c for s in server.sessions for c in s["commands"] if c.startswith(("MAIL", "DATA"))]
        if "RCPT" in server.refuse:
            sent = [c for c in sent if c == "DATA"]
        ok(run.returncode == status and says in run.stderr and not sent and run.stdout == "", name,
           (run.returncode, run.stderr, server.sessions))
        ok("\x1b" not in run.stderr and run.stderr.count("\n") == 1, name + ": one line, and no control in it", run.stderr)
        server.close()

    nothing("a server without DSN gets nothing", Server(good, dsn=False), "-C", good[1], status=69,
            says="does not announce DSN")
    nothing("nor one without STARTTLS", Server(good, starttls=False), "-C", good[1], status=69, says="STARTTLS")
    nothing("nor one whose certificate is unknown", Server(good), status=77, says="certificate")
    nothing("nor one whose certificate is for another name", Server(wrong), "-C", wrong[1], status=77,
            says="certificate")
    nothing("X-17: what comes before TLS ends it", Server(good, inject=b"250 DSN\r\n"), "-C", good[1], status=76,
            says="behind its answer to STARTTLS")
    nothing("a refusal is told", Server(good, refuse=("RCPT",)), "-C", good[1], status=69, says="not here")
    plain = Server(good, starttls=False)
    run = probe(plain, "-T", "may", folder=os.path.join(work, "other"))
    ok(run.returncode == 0 and "without TLS" in run.stdout, "--tls may goes on without TLS, and says so", run.stderr)
    loose = Server(wrong)
    run = probe(loose, "-T", "encrypt", folder=os.path.join(work, "other"))
    ok(run.returncode == 0 and "certificate not verified" in run.stdout, "--tls encrypt takes any certificate", run)
    for address in "bob", "bob@example.net\r\nRCPT TO:<x@example.net>", "b ob@example.net", "<bob@example.net>", "@x.example":
        run = probe(plain, to=address)
        ok(run.returncode == 64, "refused as an address: %r" % address, run)
    # A user and a password (RFC 4954, RFC 4616).

    secret = os.path.join(work, "password")
    with open(secret, "w", encoding="utf-8") as out:
        out.write("open \u00e9 sesame\nsecond line\n")
    os.chmod(secret, 0o600)
    key = "open \u00e9 sesame".encode()
    for method in "PLAIN", "LOGIN":
        asks = Server(good, keywords=("AUTH " + method,), password=key)
        run = probe(asks, "-C", good[1], "-u", "alice", "-P", secret, folder=os.path.join(work, "other"))
        said = asks.sessions[0]
        ok(run.returncode == 0 and said["auth"][:2] == (method, b"alice\0" + key) and said["auth"][2]
           and [c.split(" ")[0] for c in said["commands"]].index("AUTH") > said["commands"].index("STARTTLS"),
           "AUTH %s, over TLS" % method, (run, said))
        asks.close()
    both = Server(good, keywords=("AUTH CRAM-MD5 LOGIN PLAIN", "AUTH=LOGIN"), password=key)
    probe(both, "-C", good[1], "-u", "alice", "-P", secret, folder=os.path.join(work, "other"))
    ok(both.sessions[0]["auth"][0] == "PLAIN", "of both PLAIN", both.sessions)
    both.close()
    with_user = ("-u", "alice", "-P", secret)
    nothing("AUTH: a wrong password", Server(good, keywords=("AUTH PLAIN",), password=b"other"), "-C", good[1],
            *with_user, status=77, says="the user was refused: 535")
    nothing("AUTH: none that is known", Server(good, keywords=("AUTH CRAM-MD5 PLAINER",)), "-C", good[1], *with_user,
            status=69, says="neither AUTH PLAIN nor AUTH LOGIN")
    unknown = Server(wrong, keywords=("AUTH PLAIN",), password=key)
    nothing("AUTH: not to a certificate that does not do", unknown, "-C", wrong[1], *with_user, status=77,
            says="certificate")
    ok("auth" not in unknown.sessions[0], "AUTH: and no password either", unknown.sessions)
    for level in "encrypt", "may":
        run = probe(plain, "-T", level, *with_user)
        ok(run.returncode == 64 and "--tls verify" in run.stderr, "AUTH: not with --tls " + level, run)
    os.chmod(secret, 0o640)
    run = probe(plain, *with_user)
    ok(run.returncode == 78 and "others can read" in run.stderr and "sesame" not in run.stderr,
       "AUTH: a file that others can read is refused", run)
    os.chmod(secret, 0o600)
    for words in ("-u", "alice"), ("-P", secret), ("-u", "alice", "-P", "/nonexistent/password"), (
            "-u", "alice", "-P", "/dev/null"):
        run = probe(plain, *words)
        ok(run.returncode in (64, 66, 78) and run.stderr.count("\n") == 1, "AUTH: %s" % " ".join(words[2:] or words), run)

    # Addresses beyond ASCII (RFC 6531, RFC 6533).

    local = "j\u00fcrgen+x@ex\u00e4mple.net"
    nothing("SMTPUTF8: a server without it gets nothing", Server(good), "-C", good[1], local, status=69,
            says="does not announce SMTPUTF8")
    takes = Server(good, keywords=("SMTPUTF8",))
    run = probe(takes, "-C", good[1], to=local)
    said = takes.sessions[0]
    utf8_id = re.search(r"ENVID=(\S+) BODY=8BITMIME SMTPUTF8$", [c for c in said["commands"] if c.startswith("MAIL")][0])
    ok(run.returncode == 0 and utf8_id and ("RCPT TO:<%s> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=utf-8;"
       "j\\x{FC}rgen\\x{2B}x@ex\\x{E4}mple.net" % local) in said["commands"]
       and ("To: <%s>\r\n" % local).encode() in said["text"], "SMTPUTF8: the original recipient as RFC 6533 has it",
       (run, said))
    utf8_about = re.search(rb"^Message-ID: (<\S+>)\r$", said["text"], re.M).group(1).decode()
    takes.close()
    domain = Server(good)
    run = probe(domain, "-C", good[1], to="bob@ex\u00e4mple.net")
    ok(run.returncode == 0 and any(c.startswith("RCPT TO:<bob@xn--exmple-cua.net> ") for c in
       domain.sessions[0]["commands"]), "a domain beyond ASCII alone needs no SMTPUTF8", domain.sessions)
    domain.close()
    for address in "j\u00fc\u202ergen@example.net", "j\u00fc rgen@example.net":
        run = probe(plain, to=address)
        ok(run.returncode == 64 and run.stderr.isascii(), "refused as an address: %a" % address, run)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        run = subprocess.run([deeptrace, "probe", "-S", state, "-f", "alice@example.org", "-w", "1", "-s",
                              "127.0.0.1:%d" % silent.getsockname()[1], "bob@example.net"],
                             capture_output=True, text=True, check=False, timeout=2 * PATIENCE)
    ok(run.returncode == 75 and "no answer for 1 seconds" in run.stderr, "a server that is silent is given up", run)

    # sendmail -bs

    script = os.path.join(work, "sendmail")
    with open(script, "w", encoding="utf-8") as out:
        out.write("""#!%s
import sys
assert sys.argv[1:] == ["-bs"]
log = open(%r, "w", buffering=1)  # a line is there before its answer
print("220 here", end="\\r\\n", flush=True)
data = False
for line in sys.stdin:
    line = line.rstrip("\\r\\n")
    log.write(line + "\\n")
    if data:
        if line != ".":
            continue
        data = False
    if line == "DATA":
        data = True
        print("354 go on", end="\\r\\n", flush=True)
    elif line.startswith("EHLO"):
        print("250-here\\r\\n250 DSN", end="\\r\\n", flush=True)
    else:
        print("250 fine", end="\\r\\n", flush=True)
    if line == "QUIT":
        break
""" % (sys.executable, os.path.join(work, "bs.log")))
    os.chmod(script, 0o755)
    run = probe(None, "-p", script, folder=os.path.join(work, "other"))
    with open(os.path.join(work, "bs.log"), encoding="utf-8") as log:
        lines = log.read().splitlines()
    ok(run.returncode == 0 and any(" RET=HDRS ENVID=dt1." in x for x in lines) and lines[-1] == "QUIT",
       "through sendmail -bs", (run, lines))
    run = probe(None, "-p", "/nonexistent/sendmail", folder=os.path.join(work, "other"))
    ok(run.returncode == 69 and "/nonexistent/sendmail" in run.stderr, "a program that is not there is told", run)

    # Reports.

    def report(envid, recipient="bob@example.net", about=message_id, final=None):
        groups = "Original-Recipient: rfc822;%s\n" % recipient if recipient else ""
        return ("Received: from mx.example.net by mx.example.org with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\n"
                "Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n"
                "Reporting-MTA: dns; mx.example.net\n%s\n%sFinal-Recipient: rfc822; %s\nAction: delivered\n"
                "Status: 2.0.0\n\n--x\nContent-Type: text/rfc822-headers\n\n"
                "Received: from mx.example.org (using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits)) "
                "by mx.example.net with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\nMessage-ID: %s\n\n--x--\n"
                % ("Original-Envelope-Id: %s\n" % envid if envid else "", groups, final or recipient, about))

    def mine(text, folder=state):
        run = subprocess.run([deeptrace, "-f", "json", "--mine", "-S", folder], input=text, capture_output=True,
                             text=True, check=False)
        record = json.loads(run.stdout)
        return record.get("probe", {}).get("state"), record, run.returncode

    found, record, status = mine(report(envid))
    ok(found == "asked" and record["probe"]["to"] == "bob@example.net" and record["probe"]["sent"] and status == 0
       and record["path"]["complete"], "D5.4-4: the report of a probe is known", (found, record["path"], status))
    ok(mine(report(envid, recipient=None, final="BOB@example.net"))[0] == "asked",
       "by its final recipient where there is no original one")
    again = re.sub(r"^Original-Recipient: .*$", r"Original-Recipient: utf-8; j\\x{FC}rgen\\x{2B}x@xn--exmple-cua.net",
                   report(utf8_id.group(1), about=utf8_about), flags=re.M)
    ok(mine(again)[0] == "asked", "RFC 6533: so is that of an address beyond ASCII", mine(again))
    forged = envid[:20] + ("A" if envid[20] != "A" else "B") + envid[21:]
    rows = [("forged", report(forged), "a changed envelope id is forged"),
            ("forged", report(envid[:-1]), "so is a shorter one"),
            ("forged", report("dt1." + "A" * 34), "so is an invented one"),
            ("forged", report(envid.swapcase()[:4].lower() + envid.swapcase()[4:]), "so is one of other case"),
            ("unasked", report("something-else"), "somebody else's envelope id was not asked for"),
            ("unasked", report(None), "nor was a report without one"),
            ("other", report(envid, recipient="eve@example.net"), "another recipient is another report"),
            ("other", report(envid, about="<invented@example.org>"), "so is another message")]
    for wanted, text, name in rows:
        found, record, status = mine(text)
        ok(found == wanted and status == 2 and wanted + "-report" in record["path"]["why"], "D5.4-4: " + name,
           (found, record["path"], status))
    os.rename(os.path.join(state, "probes"), os.path.join(state, "kept"))
    ok(mine(report(envid))[0] == "unremembered", "without the probes the key still knows its envelope ids")
    os.rename(os.path.join(state, "kept"), os.path.join(state, "probes"))
    ok(mine(report(envid), os.path.join(work, "other"))[0] == "forged", "another key does not")
    for form in "text", "html":
        run = subprocess.run([deeptrace, "-f", form, "--mine", "-S", state], input=report(forged),
                             capture_output=True, text=True, check=False)
        ok("Forged" in run.stdout and "forged-report" in run.stdout, form + ": a forged report is said to be one")
    run = subprocess.run([deeptrace, "-f", "json", "-m", "-S", state], input="Subject: x\n\n", capture_output=True,
                         text=True, check=False)
    ok("probe" not in json.loads(run.stdout), "what is no report has no probe")
    run = subprocess.run([deeptrace, "-f", "json"], input=report(envid), capture_output=True, text=True, check=False)
    ok("probe" not in json.loads(run.stdout), "without --mine nothing is said of probes")

    # The folder.

    os.chmod(os.path.join(state, "key"), 0o644)
    run = subprocess.run([deeptrace, "--mine", "-S", state], input=report(envid), capture_output=True, text=True,
                         check=False)
    ok(run.returncode == 78 and "others can read this key" in run.stderr, "a key that others can read is refused", run)
    os.chmod(os.path.join(state, "key"), 0o600)
    with open(os.path.join(state, "probes"), "a", encoding="utf-8") as out:
        out.write("{broken\n")
    run = subprocess.run([deeptrace, "-q", "--mine", "-S", state], input=report(envid), capture_output=True,
                         text=True, check=False)
    ok(run.returncode == 0 and run.stdout == "strong\n" and "probes:5:" in run.stderr,
       "a broken line is told with its number, and the others count", run)
    run = subprocess.run([deeptrace, "--mine", "-S", os.path.join(work, "nowhere")], input=report(envid),
                         capture_output=True, text=True, check=False)
    ok(run.returncode == 78 and "deeptrace probe" in run.stderr, "--mine without a key says how to make one", run)
    environment = dict(os.environ, XDG_STATE_HOME=os.path.join(work, "xdg"))
    subprocess.run([deeptrace, "probe", "-f", "a@example.org", "-p", script, "b@example.net"], env=environment,
                   capture_output=True, check=False)
    ok(os.path.isfile(os.path.join(work, "xdg/deeptrace/key")), "$XDG_STATE_HOME/deeptrace is the folder")
    os.chdir(work)
    shutil.copy(os.path.join(root, "contrib/sample-success.eml"), os.path.join(work, "probe"))
    run = subprocess.run([deeptrace, "-q", "./probe"], capture_output=True, text=True, check=False)
    ok(run.stdout == "clear\n", "./probe is a file", run)
    os.chdir(root)
    for each in server, plain, loose:
        each.close()
finally:
    shutil.rmtree(work, ignore_errors=True)
done()
