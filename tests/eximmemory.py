#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
eximmemory: deep-exim.so and deep-dsn-filter under valgrind, in deliveries of a real
Exim: what is learnt, refused, held, passed on and reported, in each process that Exim
makes of itself.  No fault of memory, nothing lost, and no descriptor that a process or
its child still has at its end, may be of ours.  DEEP_LAB_KEEP has valgrind's words.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/exim", HERE + "/lab"]
import lab
from lab import ok, same
from server import Server, STRICT

VALGRIND = ("valgrind", "-q", "--trace-children=yes", "--leak-check=full",
    "--show-leak-kinds=definite", "--track-fds=yes", "--num-callers=50", "--error-limit=no",
    "--log-file=/var/log/valgrind/%p")
# ... and what Exim opened for a line of ours, its log, is its own.
OURS = r"deep-exim\.so|deep_exim\.c|deep-dsn-filter|dsn_(filter|stream)\.c"
ALL = ("tls10", "tls11", "tls12", "tls-nomd5", "tls-norc4", "tls-pfs")


class Watched:
    """Runs of Exim under valgrind, and what that says of our files."""
    def __init__(self, it, exim):
        self.it, self.exim = it, exim

    def run(self, what, *words, input=None):
        it = self.it
        it.run("sh", "-c", "rm -rf /var/log/valgrind; mkdir -m 1777 /var/log/valgrind",
            check=True)
        # valgrind does not go along into a program that changes its user
        os.chmod(it.path("/usr/sbin/exim4"), 0o755)
        got = it.run(*VALGRIND, "/usr/sbin/exim4", *words, input=input, seconds=600)
        lab.wait(lambda: not self.busy(), 120)
        os.chmod(it.path("/usr/sbin/exim4"), 0o4755)
        logs = sorted(os.listdir(it.path("/var/log/valgrind")))
        bad = []
        for name in logs:
            text = re.sub(r"^==\d+== ?", "", it.read("/var/log/valgrind/" + name), flags=re.M)
            bad += [block for block in re.split(r"\n\s*\n", text) if re.search(OURS, block)
                and not re.search(r"Open file descriptor \d+: /var/log/exim4/", block)]
        same(bad, [], "%s: %s: %d processes without a fault, a loss or a descriptor of ours" %
            (it.name, what, len(logs)), *bad[:3])
        return got

    def busy(self):
        """Whether a process of Exim is left, under valgrind."""
        return "/usr/sbin/exim4" in self.it.run("sh", "-c", "for one in /proc/[0-9]*; do tr "
            "'\\0' ' ' <$one/cmdline; echo; done 2>/dev/null | grep ^valgrind || :").stdout


def test(it):
    it.build("--disable-relay")
    exim = Server(it, STRICT + "[exim]\nleave-out = 1d\n",
        rcpt="  accept domains = d3.lab.test\n    verify = recipient/callout")
    it.dns({"d%d.lab.test" % number: {"MX": "10 mx1.lab.test."} for number in range(1, 4)})
    it.add_records({"mx1.lab.test": {"A": "10.9.0.11"}})
    it.dns()
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.change("user = alice", "user = Debian-exim")   # as what it then runs
    exim.change("command_timeout = 8s", "command_timeout = 2m")     # valgrind takes its time
    watched = Watched(it, exim)
    exim.send("user@d1.lab.test", queue=True)
    mark = it.mark()
    watched.run("learn", "-q")
    same((len(it.events(mark, "message")), exim.held("d1.lab.test")), (1, ALL),
        "D3.1-8: %s: delivered and learnt under valgrind" % it.name, exim.log())
    for number in range(6):
        exim.send("u%d@d%d.lab.test" % (number, 1 + number % 2), queue=True)
    mark = it.mark()
    watched.run("one connection, passed on", "-qq")
    got = len(it.wait_events(6, mark)), len(it.events(mark, "connect"))
    ok(got[0] == 6 and got[1] < 6, "%s: 6 messages by %d connections" % (it.name, got[1]),
        exim.log())
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    message = exim.send("user@d1.lab.test", queue=True)
    mark = it.mark()
    watched.run("refused", "-q")
    same((len(exim.events("refused", id=message)), [one for one in it.verbs(mark) if
        one.endswith("MAIL")]), (1, []), "D3.1-4: %s: refused under valgrind" % it.name,
        exim.log())
    watched.run("held by its router", "-qf")
    ok(exim.lines(message, "deep_hold_dnslookup defer"), "%s: held" % it.name, exim.log())
    exim.change("F,1d,1s", "F,1s,1s")
    lab.wait(lambda: False, 1.5)                # until it is too old
    watched.run("bounced, by way of the filter", "-q")
    text = "".join(exim.box())
    ok("\nStatus: 4.7.10\nSMTP-Security-Latch: tls10" in text, "D3.3-9: %s: with the field" %
        it.name, text, exim.log())
    exim.send("user@d3.lab.test", queue=True)
    it.peer("10.9.0.11", name="mx1.lab.test")
    exim.run_queue("-qf")
    it.peer("10.9.0.11", name="mx1.lab.test", starttls=False)
    got = watched.run("a callout", "-bs", input="EHLO x\r\nMAIL FROM:<a@local.test>\r\n"
        "RCPT TO:<user@d3.lab.test>\r\nQUIT\r\n")
    ok(exim.events("refused", name="d3.lab.test"), "%s: the callout is refused" % it.name,
        got.stdout, exim.log())
    calls = ("{latches}{d1.lab.test}", "{refusal}{d1.lab.test}{tls=}{route=mx}",
        "{clause}{TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256}",
        "{inbound}{d1.lab.test}{tls=}{pass}{}",
        "{narrow}{d1.lab.test}{}{route=mx}{gnutls}{}", "{hosts}{d1.lab.test}{route=mx}{;}")
    got = watched.run("the other functions", "-be", *("${dlfunc{/usr/libexec/deep/deep-exim.so}"
        "%s}" % one for one in calls))
    ok("missing tls10" in got.stdout and "-VERS-TLS1.0" in got.stdout, "%s: they answer" %
        it.name, got.stdout, got.stderr)


if __name__ == "__main__":
    lab.main(test, roots=("valgrind",))
