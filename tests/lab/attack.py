# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
attack.py: many messages past an attacker who strips STARTTLS from half of the
connections and injects plain text behind it in others.  Half of the domains are
latched before.  What must hold afterwards: nothing to a latched domain was seen in
clear, nothing is lost, nothing came twice.  The MTA under test is the caller's.
"""
import hashlib

import lab
from lab import diag, ok, same

PAIRS = 4               # latched domains, and as many that are not


def batch(messages):
    """What "exim -bS", or a server that is sent it all at once, takes."""
    return "EHLO client.test\r\n" + "".join("MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n%s"
        ".\r\n" % message for message in messages) + "QUIT\r\n"


class Attack:
    """
    submit(sender, recipient, text) gives a message to the MTA, or, where "together" is
    set, submit([(sender, recipient, text) ...]) all of them at once, as batch() writes
    them; kick() makes it try what waits, and is called every two seconds or so (None:
    it does so itself).

        attack = Attack(it, submit, kick)
        it.dns(attack.records)
        attack.latch()                  # with a policy that enforces at once
        attack.run(500)
        attack.check("D3.1-4")
    """
    def __init__(self, it, submit, kick=None, seed=1, zone="plain.test", together=False):
        self.it, self.submit, self.kick, self.seed = it, submit, kick, seed
        self.together = together
        self.records, self.places = {}, []
        self.sent = {}          # message id: (recipient's domain, hash of the body)
        self.mark = None
        for number in range(2 * PAIRS):
            domain = "%s%d.%s" % ("free" if number % 2 else "latched", number, zone)
            near, far = "10.9.0.%d" % (60 + number), "10.9.0.%d" % (70 + number)
            self.records[domain] = {"MX": "10 mx.%s." % domain}
            self.records["mx." + domain] = {"A": near}
            self.places.append((domain, near, far, number % 2 == 0))
            it.peer(far, name="mx." + domain, certificate="selfsigned")
            it.middle(near, far)

    def domains(self, latched):
        return [domain for domain, _, _, is_latched in self.places
            if is_latched == latched]

    def message(self, number, domain):
        body = "message %d\r\n" % number
        name = "<attack-%d-%d@lab.test>" % (self.seed, number)
        self.sent[name] = domain, hashlib.sha256(body.encode()).hexdigest()
        return ("sender@lab.test", "user@" + domain, "From: <sender@lab.test>\r\n"
            "To: <user@%s>\r\nSubject: attack\r\nMessage-ID: %s\r\n"
            "Date: Tue, 01 Dec 2026 12:00:00 +0000\r\n\r\n%s" % (domain, name, body))

    def send(self, messages):
        if self.together:
            self.submit(messages)
        else:
            for message in messages:
                self.submit(*message)

    def latch(self):
        """A first message to each domain that is to be latched, without an attacker."""
        mark = self.it.mark()
        domains = self.domains(True)
        self.send([self.message(-1 - number, domain)
            for number, domain in enumerate(domains)])
        got = self.wait(len(domains), mark)
        same(sorted(one["tls"]["version"] if one["tls"] else None for one in got),
            ["TLSv1.3"] * len(domains), "the latches are set by TLS 1.3")

    def wait(self, number, mark, seconds=lab.PATIENCE):
        last = [0]

        def all_there():
            got = self.it.events(mark, "message")
            last[0] += 1
            if self.kick and len(got) < number and last[0] % 20 == 0:
                self.kick()
            return len({one["id"] for one in got}) >= number
        lab.wait(all_there, seconds, 0.1)
        return self.it.events(mark, "message")

    def run(self, messages=500, seconds=180):
        """Sends them in turn to all domains, and waits until all have arrived."""
        for number, (_, near, far, _) in enumerate(self.places):
            self.it.middle(near, far, strip=0.5, inject=0.5, seed=self.seed + number,
                how="454" if number % 4 > 1 else "ehlo")
        self.mark = self.it.mark()
        self.send([self.message(number, self.places[number % len(self.places)][0])
            for number in range(messages)])
        got = self.wait(messages, self.mark, seconds)
        diag("%d messages, %d arrivals, %d connections, %d of them stripped, %d injected" %
            (messages, len(got), len(self.it.events(self.mark, "connect", middle=True)),
            len(self.it.events(self.mark, "connect", strip=True)),
            len(self.it.events(self.mark, "injected"))))
        return got

    def check(self, ids, duplicates=0):
        """duplicates: so many may have come twice, after the MTA was killed."""
        got = self.it.events(self.mark, "message")
        latched = set(self.domains(True))
        arrived = [one["id"] for one in got]
        wanted = {name for name in self.sent if not name.startswith("<attack-%d--" %
            self.seed)}
        home = {one["id"]: one["recipients"][0].split("@")[1] for one in got}

        def seen(to_latched):
            return [one for one in self.it.events(self.mark, "seen") if any(
                to.strip("<>").split("@")[1] in latched for to in one["recipients"]) ==
                to_latched]
        same(seen(True), [], "%s: nothing to a latched domain was read in clear" % ids)
        same([one["id"] for one in got if home[one["id"]] in latched and not one["tls"]],
            [], "%s: nor did it arrive in clear" % ids)
        clear = [one for one in self.it.events(self.mark, "clear") if
            one["line"].upper().startswith("MAIL FROM")]
        same(len(clear), len(seen(False)), "%s: no MAIL in clear but for those to the "
            "other domains" % ids)
        ok(seen(False), "the attacker did read mail to other domains: %d" %
            len(seen(False)))
        same(sorted(wanted - set(arrived)), [], "%s: nothing is lost" % ids)
        twice = sorted({name for name in arrived if arrived.count(name) > 1})
        ok(len(twice) <= duplicates, "%s: at most %d came twice" % (ids, duplicates), twice)
        same([one["id"] for one in got if one["id"] in wanted and
            (home[one["id"]], one["body"]) != self.sent[one["id"]]], [],
            "%s: each as it was sent, where it was sent to" % ids)
