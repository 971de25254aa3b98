#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
relay_attack: deep-relay(8) under an attacker on the wire, and under kill -9, with a
client that does what a queue does: it gives a message again until it hears 2xx.

	DEEP_RELAY_MESSAGES	messages past the attacker [60]
	DEEP_RELAY_KILLS	kills of a worker in mid-DATA [12]
"""
import collections
import os
import random
import signal
import smtplib
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "lab"), os.path.join(HERE, "relay")]
import lab
import matrix
import stand
from lab import ok, same
from stand import Client, Relay, deliver, latch_field, raw, answer

MESSAGES = int(os.environ.get("DEEP_RELAY_MESSAGES", "60"))
KILLS = int(os.environ.get("DEEP_RELAY_KILLS", "12"))


def attacker(it, relay):
    """
    Half of the sessions with the host are stripped of STARTTLS, a fifth of the others
    get text behind the 220.  a is latched, b (the same way) is not.
    """
    it.peer("10.9.0.11", name="mx1.plain.test")
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "b.plain.test":
        {"MX": "10 mx2.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"},
        "mx2.plain.test": {"A": "10.9.0.13"}})
    relay.again()
    deliver("u@a.plain.test")
    ok(lab.wait(lambda: relay.held("a.plain.test")), "a.plain.test is latched")
    it.add_records({"mx1.plain.test": {"A": "10.9.0.12"}})
    it.dns()
    it.middle("10.9.0.12", to="10.9.0.11", strip=0.5, inject=0.2, seed=7)
    it.middle("10.9.0.13", to="10.9.0.11", strip=1.0, how="454", seed=8)
    mark = it.mark()
    waiting = collections.deque(["a%d" % n for n in range(MESSAGES)] +
        ["b%d" % n for n in range(MESSAGES // 5)])
    lock = threading.Lock()
    tries = collections.Counter()
    wrong = []

    def queue():
        while True:
            with lock:
                if not waiting:
                    return
                number = waiting.popleft()
                tries[number] += 1
            try:
                replies, text = deliver("u@%s.plain.test" % number[0], number=number)
            except (OSError, smtplib.SMTPException) as error:
                replies, text = [(0, str(error).encode())], None
            if text and text[0] == 250:
                continue
            if replies[0][0] != 451 or not (latch_field(replies[0][1]) == matrix.MODERN or
                matrix.CERT in (latch_field(replies[0][1]) or ())):
                wrong.append((number, replies, text))
            with lock:
                if tries[number] < 60:
                    waiting.append(number)
    threads = [threading.Thread(target=queue) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    got = collections.Counter(one["id"].strip("<>") for one in it.wait_events(
        MESSAGES + MESSAGES // 5, mark))
    clear = [one for one in it.events(mark, "message") if not one["tls"] and
        one["id"].startswith("<a")]
    seen = [one for one in it.events(mark, "seen") if "@a.plain.test" in
        str(one["recipients"])]
    stripped = len(it.events(mark, "stripped"))
    injected = len(it.events(mark, "injected"))
    same((clear, seen), ([], []), "%d messages, %d stripped and %d injected sessions: none of a "
        "latched domain in clear" % (MESSAGES, stripped, injected))
    same(sorted(set("a%d" % n for n in range(MESSAGES)) - set(got)), [], "none is lost")
    same([number for number, count in got.items() if count > 1], [], "none arrives twice")
    same(len([number for number in got if number[0] == "b"]), MESSAGES // 5,
        "mail of a domain without latches arrives, in clear")
    same(wrong, [], "what is refused says 451 and the latches")
    ok(stripped > MESSAGES // 4 and injected > 0, "the attacker was there")


def kills(it, relay):
    """kill -9 of the workers while a text is under way, or its reply is awaited."""
    it.peer("10.9.0.11", name="mx1.plain.test", delay={".": 0.15})
    it.dns({"a.plain.test": {"MX": "10 mx1.plain.test."}, "mx1.plain.test": {"A": "10.9.0.11"}})
    relay.again()
    mark = it.mark()
    chance = random.Random(11)
    killed = 0
    given = []
    for n in range(KILLS):
        number = "k%d" % n
        given.append(number)
        attempt = 0
        while True:
            attempt += 1
            try:
                sock, file = raw()
                sock.sendall(b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<u@a.plain.test>\r\n"
                    b"DATA\r\n")
                codes = [answer(file)[:3] for _ in range(4)]
                if codes[3] != b"354":
                    sock.close()
                    continue
                sock.sendall(b"Message-ID: <%s>\r\n\r\n" % number.encode() + b"x" * 70 + b"\r\n")
                if attempt == 1:
                    late = chance.random() < 0.5
                    if late:
                        sock.sendall(b"x\r\n.\r\n")
                        time.sleep(chance.random() * 0.3)
                    for pid in relay.children()[1::2]:
                        try:
                            os.kill(pid, signal.SIGKILL)
                        except ProcessLookupError:
                            continue
                    killed += 1
                    if not late:
                        sock.sendall(b"x\r\n.\r\n")
                else:
                    sock.sendall(b"x\r\n.\r\n")
                code = answer(file)[:3]
                sock.close()
                if code == b"250":
                    break
            except OSError:
                pass
            if attempt > 200:
                break
            time.sleep(0.02)
    got = collections.Counter(one["id"].strip("<>") for one in it.wait_events(len(given), mark))
    twice = sum(count - 1 for count in got.values())
    same(sorted(set(given) - set(got)), [], "%d kills in mid-DATA: every message arrives" % killed)
    ok(twice <= killed, "D5.7: %d arrive twice, not more than were killed" % twice)


PARTS = (attacker, kills)


def test(it):
    it.build()
    it.dns({})
    relay = Relay(it)
    for part in PARTS:
        if os.environ.get("DEEP_RELAY_PART", part.__name__) != part.__name__:
            continue
        part(it, relay)
        relay.stop()
        ok("AddressSanitizer" not in relay.log(), "no fault of memory", relay.log()[-3000:])


if __name__ == "__main__":
    lab.main(test)
