# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
stand.py: what the tests of deep-relay stand on, beside the lab: the daemon in the
jail with a configuration, the latches that it holds, and a client that hands it mail.
"""
import json
import os
import re
import smtplib
import socket
import warnings

import lab
import matrix

warnings.simplefilter("ignore", DeprecationWarning)
PORT = 10025
# deep-relay with AddressSanitizer and UndefinedBehaviorSanitizer, leaks too.
SANITIZE = bool(os.environ.get("DEEP_RELAY_SANITIZE"))
# What stands where a part says nothing else: no session is kept, and a machine that is busy
# for some seconds makes no "451 the store did not answer in time" of it.
USUAL = ("keep = 0", "store-timeout = 60000")
OPTIONS = ("--enable-sanitize", "CFLAGS=-O1 -g1") if SANITIZE else ()
CONF = """[store]
url = sqlite:/var/lib/deep/latches.db
timeout = 500

[policy]
confirm = 1
confirm-over = 0
{policy}

[mode]
tls-cert = enforce

[relay]
listen = {listen}
name = relay.lab.test
user = deeprelay
workers = {workers}
trust-anchor = /etc/deep/anchors
{usual}
drain = 5s
{relay}

{more}
"""


class Relay:
    """deep-relay in the jail of a lab; its DNS has to be there."""
    def __init__(self, it, policy="", relay="", more="", listen="127.0.0.1:%d" % PORT,
        workers=2):
        self.it = it
        self.process = None
        it.user("deeprelay", 210)
        it.folder_of("/etc/deep")
        it.folder_of("/var/lib/deep", 210, 210, 0o750)
        self.anchors()
        self.configure(policy, relay, more, listen, workers)
        self.create()

    def deeplatch(self, *words):
        return self.it.run("deeplatch", "-f", "/etc/deep/deep.conf", *words, check=True).stdout

    def create(self):
        self.deeplatch("init", "--owner", "deeprelay", "--group", "deeprelay")

    def anchors(self):
        conf = self.it.read("/etc/unbound/lab.conf")
        self.it.write("/etc/deep/anchors", "".join(line + "\n" for line in
            re.findall(r'trust-anchor: "(.*)"', conf)))

    def configure(self, policy="", relay="", more="", listen="127.0.0.1:%d" % PORT,
        workers=2):
        self.it.write("/etc/deep/deep.conf", CONF.format(policy=policy, relay=relay,
            more=more, listen=listen, workers=workers, usual="\n".join(line for line in
            USUAL if line.split(" =")[0] + " =" not in relay)))

    def start(self, *words, ready=PORT, env=None, conf="/etc/deep/deep.conf"):
        """conf: None, and it looks for /etc/deep.conf itself."""
        # A process that has changed its user cannot be looked into for leaks.
        more = {"user": "deeprelay", "env": {"ASAN_OPTIONS": "detect_leaks=1:"
            "detect_stack_use_after_return=1:strict_string_checks=1",
            "UBSAN_OPTIONS": "print_stacktrace=1"}} if SANITIZE else {"env": env}
        self.process = self.it.start("relay", "/usr/sbin/deep-relay", *(["-f", conf] if conf
            else []), *words, **more)
        if ready:
            self.it.listens("127.0.0.1", ready)
        return self

    def stop(self, **more):
        if self.process:
            self.it.stop(self.process, **more)
        self.process = None

    def again(self, **configuration):
        self.stop()
        self.anchors()
        if configuration:
            self.configure(**configuration)
        return self.start()

    def log(self):
        return self.it.read("/var/log/relay.out")

    def events(self, kind):
        return [line for line in self.log().splitlines()
            if "deep: event=%s " % kind in line]

    def held(self, domain):
        """The latches of a domain, in the order of the registry."""
        for line in self.deeplatch("export").splitlines():
            record = json.loads(line)
            if record.get("name") == domain and record.get("service") == "relay":
                return matrix.order(record.get("latches", {}))
        return ()

    def forget(self, *domains):
        self.deeplatch("reset", "--all", "--reason", "test", *domains)

    def signal(self, number):
        os.kill(self.process.pid, number)

    def children(self):
        """The pids of its processes but the first, in the order of their start."""
        found = []
        for pid in os.listdir("/proc"):
            stat = lab.read("/proc/%s/stat" % pid) if pid.isdigit() else ""
            words = stat.rpartition(")")[2].split()
            if words and words[0] != "Z" and int(words[1]) == self.process.pid:
                found.append((int(words[19]), int(pid)))
        return [pid for _, pid in sorted(found)]


    def all_children(self, number):
        """The same, once there are so many."""
        found = []

        def enough():
            found[:] = self.children()
            return len(found) == number
        if not lab.wait(enough):
            raise RuntimeError("%d children of deep-relay, not %d\n%s" % (len(found), number,
                self.log()[-2000:]))
        return found


class Client(smtplib.SMTP):
    """A session with deep-relay."""
    def __init__(self, port=PORT, host="127.0.0.1", name="client.lab.test", timeout=60):
        super().__init__(host, port, local_hostname=name, timeout=timeout)
        self.ehlo()

    def mail_to(self, *recipients, sender="a@sender.test", options=(), rcpt_options=(),
        text="Subject: x\r\n\r\nx\r\n", number=""):
        """The replies to RCPT and to the text (None: not so far)."""
        said = self.mail(sender, options)
        if said[0] != 250:
            return [said], None
        replies = [self.rcpt(one, rcpt_options) for one in recipients]
        if not any(code == 250 for code, _ in replies):
            self.rset()
            return replies, None
        if number:
            text = "Message-ID: <%s>\r\n" % number + text
        try:
            return replies, self.data(text)
        except smtplib.SMTPDataError as error:
            return replies, (error.smtp_code, error.smtp_error)


def deliver(*recipients, **more):
    """One message in a session of its own; the replies as Client.mail_to()."""
    client = Client()
    got = client.mail_to(*recipients, **more)
    try:
        client.quit()
    except (smtplib.SMTPException, OSError):
        pass
    return got


def delivered(*recipients, **more):
    """Whether a message was taken; what becomes of the session is no fault."""
    try:
        text = deliver(*recipients, **more)[1]
    except (smtplib.SMTPException, OSError):
        return False
    return text is not None and text[0] == 250


def ends(it, since):
    """How the sessions with hosts that began there have ended, those that have."""
    began = {event["connection"] for event in it.events(since, "connect")}
    return [event["why"] for event in it.events(since, "disconnect")
        if event["connection"] in began]


def settled(it, since):
    """Waits until all sessions with hosts that began there are over, and logged."""
    return lab.wait(lambda: ends(it, since) and
        len(ends(it, since)) == len(it.events(since, "connect")))


def latch_field(reply):
    """The latches of "(SMTP-Security-Latch: ...)" in a reply."""
    found = re.search(rb"\(SMTP-Security-Latch: ([a-z0-9 -]+)\)", reply)
    return tuple(found.group(1).decode().split()) if found else None


def raw(port=PORT, host="127.0.0.1"):
    """A bare session: (socket, file) behind the greeting."""
    sock = socket.create_connection((host, port), 30)
    file = sock.makefile("rb")
    file.readline()
    return sock, file


def answer(file):
    """One reply, all its lines."""
    lines = []
    while True:
        line = file.readline()
        lines.append(line)
        if line[3:4] != b"-":
            return b"".join(lines)
