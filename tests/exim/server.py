# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
server.py: Exim with the latches, in the jail of a lab: a plain configuration that
deep-exim(8) has set up, messages into it, and what it says and knows afterwards.
"""
import json
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP + "/tests/lab")
import lab      # pylint: disable=wrong-import-position

CONF = r"""
primary_hostname = mta.lab.test
domainlist local_domains = local.test
keep_environment =
trusted_users = alice : Debian-exim
log_selector = +tls_cipher +tls_certificate_verified +pid
remote_max_parallel = 2
smtp_accept_max = 0
tls_certificate = /etc/exim4/server.pem
tls_privatekey = /etc/exim4/server.key
tls_advertise_hosts = *
chunking_advertise_hosts =
hostlist relay_from_hosts = 10.9.0.0/24
%(main)s
acl_smtp_rcpt = acl_rcpt
acl_smtp_data = acl_data

begin acl
acl_rcpt:
%(rcpt)s
  accept
acl_data:
%(data)s
  accept

begin routers
%(routers)s
dnslookup:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  ignore_target_hosts = 0.0.0.0 : 127.0.0.0/8
  no_more
local:
  driver = accept
  domains = +local_domains
  transport = box

begin transports
remote_smtp:
  driver = smtp
  command_timeout = 8s
  data_timeout = 20s
%(smtp)s
smarthost:
  driver = smtp
box:
  driver = appendfile
  file = /var/mail/box
  user = alice
  message_prefix = "From MARK\n"

begin retry
* * %(retry)s
"""
PARTS = {"main": "", "rcpt": "", "data": "", "routers": "", "smtp": "", "retry": "F,1d,1s"}
ROOTS = ("bookworm", "trixie", "exim-openssl")
STRICT = "[policy]\nprofile = strict\n"     # enforced from the first transfer


def wanted(names, it, openssl):
    """Parts of a test: all, or for the Exim with OpenSSL these; DEEP_ONLY: only those."""
    return (os.environ.get("DEEP_ONLY") or (openssl if it.name == "exim-openssl" else
        names)).split()


class Server:
    """conf: deep.conf; parts: what stands at these places of CONF; setup: with latches."""
    def __init__(self, it, conf=STRICT, setup=True, **parts):
        self.it, self.parts = it, dict(PARTS, **parts)
        it.folder_of("/var/lib/deep-exim")
        it.run("sh", "-c", "rm -rf /var/lib/deep /var/lib/deep-exim /var/mail/box "
            "/var/spool/exim4/* /var/log/exim4/*", check=True)
        made = it.certificate("mta.lab.test")
        it.install(made["certificate"], "/etc/exim4/server.pem")
        it.install(made["key"], "/etc/exim4/server.key", 0o640, 0, 102)
        self.configure(conf)
        self.write()
        if setup:
            got = it.run("deep-exim", "setup", "-y")
            if got.returncode:
                raise RuntimeError("deep-exim setup: %s%s" % (got.stdout, got.stderr))

    def configure(self, conf):
        self.it.write("/etc/deep.conf", conf)

    def write(self):
        self.it.write("/etc/exim4/exim4.conf", CONF % self.parts)

    def change(self, old, new):
        """In the configuration as it stands."""
        text = self.it.read("/etc/exim4/exim4.conf")
        assert old in text, old
        self.it.write("/etc/exim4/exim4.conf", text.replace(old, new))

    def daemon(self, *args):
        """The daemon, when it takes connections."""
        self.it.falls_silent()
        daemon = self.it.start("exim", "/usr/sbin/exim4", "-bdf", *args)
        self.it.listens(lab.INSIDE)
        return daemon

    def send(self, *to, sender="alice@local.test", text="Subject: x\n\nx\n", queue=False,
        args=()):
        """Answers the message's id when the first attempt is over."""
        before = set(self.queued_ever())
        got = self.it.run("exim4", "-odq" if queue else "-odf", "-oi", *args, "-f", sender,
            *to, input=text, user="alice")
        new = [one for one in self.queued_ever() if one not in before]
        if got.returncode or len(new) < 1:
            raise RuntimeError("exim4: %s%s\n%s" % (got.stdout, got.stderr, self.log()))
        return new[0]

    def queued_ever(self):
        return re.findall(r"(?:\[\d+\] )?(\S+) <= (?!<>)", self.log())

    def run_queue(self, *args):
        self.it.run("exim4", *(args or ("-q",)))
        # re-used connections are delivered by processes of their own
        lab.wait(lambda: not self.busy())

    def busy(self):
        found = 0
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/cmdline" % name, "rb") as file:
                        words = file.read().split(b"\0")
                except OSError:
                    continue
                found += words[0].endswith(b"exim4") and b"-bdf" not in words
        return found

    def queue(self):
        """Ids of the messages that wait."""
        return re.findall(r"^ *\S+ +\S+ (\S+) <", self.it.run("exim4", "-bp").stdout, re.M)

    def log(self):
        return self.it.read("/var/log/exim4/mainlog")

    def panic(self):
        return self.it.read("/var/log/exim4/paniclog")

    def lines(self, *words):
        return [line for line in self.log().split("\n") if all(one in line
            for one in words)]

    def events(self, kind, **facts):
        """The "deep:" lines of a kind, as dictionaries."""
        found = []
        for line in self.lines("deep: event=" + kind):
            event = dict(re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line.split("deep: ")[1]))
            if all(event.get(key) == value for key, value in facts.items()):
                found.append(event)
        return found

    def show(self, domain, service="relay"):
        """The record of a name, as deeplatch has it."""
        for line in self.it.run("deeplatch", "list", "--json").stdout.splitlines():
            record = json.loads(line)
            if record.get("name") == domain and record.get("service") == service:
                return record
        return {}

    def held(self, domain, service="relay"):
        """What is held of a name, by the module's own answer."""
        got = self.it.run("exim4", "-be", "${dlfunc{/usr/libexec/deep/deep-exim.so}{latches}"
            "{%s}{%s}}" % (domain, service))
        return tuple(got.stdout.split())

    def reset(self, domain, *args):
        return self.it.run("deeplatch", "reset", *(args or ("--all",)), "--reason", "test",
            domain, check=True)

    def box(self):
        """The messages in the local mailbox."""
        return self.it.read("/var/mail/box").split("From MARK\n")[1:]


def clear(mark, it, domain=None):
    """What was said of an envelope outside of TLS since then; must be empty."""
    said = [one for one in it.events(mark, "command") if not one["tls"] and
        one["line"].split(" ")[0].upper() in ("MAIL", "RCPT", "DATA", "BDAT")]
    if domain:
        numbers = {one["connection"] for one in said if "@" + domain in one["line"]}
        said = [one for one in said if one["connection"] in numbers]
    return [one["line"] for one in said]
