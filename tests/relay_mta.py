#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
relay_mta: Postfix and Exim in front of deep-relay(8), set up as contrib/relay says: a
message to four recipients of three domains, of which one is latched and stripped of
STARTTLS.  The others arrive, that one waits with the reason in the server's log, and
arrives after a reset (D3.1-4, D3.3-1, D3.3-5, D3.3-6).
"""
import os
import smtplib
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lab"), os.path.join(HERE, "relay")]
import lab
import matrix
from lab import ok, same
from stand import Relay, deliver

MAIN = """compatibility_level = 3.6
queue_directory = /var/spool/postfix-f
data_directory = /var/lib/postfix-f
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
shlib_directory = /usr/lib/postfix
meta_directory = /etc/postfix-f
mail_owner = postfix
setgid_group = postdrop
maillog_file = /var/log/postfix-f.log
multi_instance_enable = yes
myhostname = mta.lab.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
minimal_backoff_time = 1s
maximal_backoff_time = 3s
{snippet}
"""
EXIM = """primary_hostname = mta.lab.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = 25
domainlist local_domains = mta.lab.test
acl_smtp_rcpt = accept
log_file_path = /var/log/exim4/%slog
tls_advertise_hosts =
dsn_advertise_hosts = *
begin routers
{routers}
begin transports
{transports}
begin retry
* * F,1h,2s
"""


def part(text, begin, end=None):
    """The lines of a snippet between two of its comments, without comments."""
    lines = text.splitlines()
    at = next(n for n, line in enumerate(lines) if begin in line)
    found = []
    for line in lines[at + 1:]:
        if end and end in line:
            break
        if not line.startswith("#"):
            found.append(line)
    return "\n".join(found)


def postfix(it):
    snippet = lab.read(HERE + "/../contrib/relay/postfix.cf")
    service = "\n".join(line[1:].lstrip() if line.lstrip("#\t ").startswith("deep ") else
        line[1:] for line in snippet.splitlines() if line.startswith("#\tdeep unix") or
        line.startswith("#\t\t-o"))
    ok("deep unix" in service, "contrib/relay/postfix.cf has the service")
    settings = "\n".join(line for line in snippet.splitlines() if not line.startswith("#"))
    it.folder_of("/etc/postfix-f")
    it.write("/etc/postfix-f/main.cf", MAIN.format(snippet=settings))
    it.write("/etc/postfix-f/master.cf", lab.read(HERE + "/chain/etc/master.cf").split(
        "587")[0] + "cleanup" + lab.read(HERE + "/chain/etc/master.cf").split("\ncleanup", 1)[1]
        + service.replace("deep unix - - y", "deep unix - - n") + "\npickup unix n - n 60 1 pickup\n")
    spool = "/var/spool/postfix-f"
    it.folder_of(spool)
    it.folder_of("/var/lib/postfix-f", 101, 0, 0o700)
    it.folder_of(spool + "/pid")
    for queue in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold",
        "incoming", "private", "saved", "trace"):
        it.folder_of(spool + "/" + queue, 101, 0, 0o700)
    it.folder_of(spool + "/public", 101, 105, 0o710)
    it.folder_of(spool + "/maildrop", 101, 105, 0o730)
    server = it.start("postfix", "/usr/lib/postfix/sbin/master", "-c", "/etc/postfix-f", "-d",
        env={"MAIL_CONFIG": "/etc/postfix-f"})
    return server, "/var/log/postfix-f.log"


def exim(it):
    snippet = lab.read(HERE + "/../contrib/relay/exim.conf")
    it.write("/etc/exim4/exim4.conf", EXIM.format(
        routers=part(snippet, "begin routers", "begin transports"),
        transports=part(snippet, "begin transports", "deep.conf:")).replace("%slog", "%slog"))
    server = it.start("exim", "/usr/sbin/exim4", "-bdf", "-q2s")
    return server, "/var/log/exim4/mainlog"


def through(it, relay, name, start):
    labels = {label: "%s-%s.plain.test" % (label, name) for label in "abc"}
    addresses = {"a": "10.9.0.11", "b": "10.9.0.12", "c": "10.9.0.13"}
    records = {}
    for label, domain in labels.items():
        it.peer(addresses[label], name="mx-" + domain)
        records[domain] = {"MX": "10 mx-%s." % domain}
        records["mx-" + domain] = {"A": addresses[label]}
    it.dns(records)
    relay.again(relay="return = 127.0.0.1:25")
    deliver("u@" + labels["c"])
    ok(lab.wait(lambda: relay.held(labels["c"])), "%s: c is latched" % name)
    it.peer(addresses["c"], name="mx-" + labels["c"], starttls=False)
    it.falls_silent()
    server, log = start(it)
    it.listens("127.0.0.1", 25)
    mark = it.mark()
    client = smtplib.SMTP("127.0.0.1", 25, timeout=30)
    client.sendmail("s@mta.lab.test", ["u1@" + labels["a"], "u2@" + labels["a"],
        "u3@" + labels["b"], "u4@" + labels["c"]], b"Subject: x\r\nMessage-ID: <1@%s>\r\n\r\nx\r\n"
        % name.encode())
    client.quit()

    def got():
        return sorted(one for event in it.events(mark, "message") for one in event["recipients"])
    first = sorted(("u1@" + labels["a"], "u2@" + labels["a"], "u3@" + labels["b"]))
    lab.wait(lambda: got() == first)
    same(got(), first, "%s: the recipients of the other two domains get it" % name)
    ok("452 4.5.3" not in it.read(log), "%s: each domain has its transaction at once, none is "
        "told to come again" % name, it.read(log)[-2000:])
    ok(lab.wait(lambda: "SMTP-Security-Latch: tls10 tls11 tls12" in it.read(log)),
        "%s: D3.3-5, D3.3-8: the third waits, and the log says why" % name, it.read(log)[-2000:])
    clear = [one["line"] for one in it.events(mark, "command", address=addresses["c"])
        if one["line"].startswith("MAIL")]
    same(clear, [], "%s: D3.3-1: no MAIL in the clear" % name)
    relay.forget(labels["c"])
    last = sorted(first + ["u4@" + labels["c"]])
    if name == "postfix":
        it.run("postqueue", "-c", "/etc/postfix-f", "-f")
    lab.wait(lambda: got() == last)
    same(got(), last, "%s: D3.3-6: after a reset it arrives, and nothing twice" % name)
    it.stop(server)


def test(it):
    it.build()
    it.dns({})
    relay = Relay(it)
    for name, start in (("exim", exim), ("postfix", postfix)):
        through(it, relay, name, start)
        relay.stop()


if __name__ == "__main__":
    lab.main(test)
