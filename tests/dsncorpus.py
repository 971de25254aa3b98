#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# dsncorpus.py - the groups of delivery-status parts in real bounces, as
# Python's email package finds them, against those that dsn_read() finds
# (tests/dump_dsn).  Prints each difference; fails on a group that only Python
# finds, unless EXCUSED names the file and the reason.  Requirements.
#
# The corpus is ../shared/corpus or $DEEP_CORPUS; without it the test is skipped.

import collections
import email
import json
import os
import re
import subprocess
import sys

TIME = 5		# seconds for one file
INNER = "a bounce of a bounce: the group stands in the returned message"
EXCUSED = {	# file name: how many groups Python alone finds, and why
    "lhost-sendmail-13.eml": (1, "its field is called 'ction', we read it as Action"),
    "lhost-sendmail-38.eml": (1, INNER),
    "lhost-sendmail-41.eml": (1, INNER),
    "rhost-yahooinc-03.eml": (1, INNER),
}

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
corpus = os.environ.get("DEEP_CORPUS", os.path.join(root, "..", "shared", "corpus"))
folder = os.path.join(corpus, "dsn")
driver = os.environ.get("DUMP_DSN", os.path.join(root, "tests", "dump_dsn"))

STATUS = ("message/delivery-status", "message/global-delivery-status")
ENVELOPE = re.compile(rb"\n\r?\n(?=From [^\n]*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
                      rb"[^\n]*\d\d?:\d\d)")


def messages(data):
    """The messages of a file: an mbox begins with "From "."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if not data.startswith(b"From "):
        return [data] if data else []
    return [m.split(b"\n", 1)[-1] for m in ENVELOPE.split(data)]


def plain(value):
    """A field's value in one line, without its comments."""
    value = " ".join(str(value).split())
    while True:
        shorter = re.sub(r"\([^()]*\)", "", value)
        if shorter == value:
            return value.strip()
        value = shorter


def address(value):
    value = " ".join(str(value).split())
    kind, semicolon, rest = value.partition(";")
    if semicolon and kind.strip().lower() in ("rfc822", "utf-8"):
        value = rest.strip()
    if value.startswith("<") and value.endswith(">"):
        value = value[1:-1]
    return value


def word(value):
    return (plain(value).split() or [""])[0]


def groups(message):
    """(final, action, status) of each block that says one of them."""
    found = []
    for part in message.walk():
        if part.get_content_type() not in STATUS:
            continue
        blocks = part.get_payload()
        if not isinstance(blocks, list):	# global-delivery-status
            text = part.get_payload(decode=True) or b""
            text = text.replace(b"\r\n", b"\n")
            blocks = [email.message_from_bytes(b) for b in re.split(rb"\n\n+", text)]
        elif part.get("Content-Transfer-Encoding", "").strip().lower() in (
                "quoted-printable", "base64"):
            copy = email.message.Message()
            copy["Content-Transfer-Encoding"] = part["Content-Transfer-Encoding"]
            copy.set_payload("\n".join(b.as_string() for b in blocks))
            text = copy.get_payload(decode=True).replace(b"\r\n", b"\n")
            blocks = [email.message_from_bytes(b) for b in re.split(rb"\n\n+", text)]
        for block in blocks:
            if isinstance(block, str):
                continue
            group = (address(block.get("Final-Recipient", "")),
                     word(block.get("Action", "")).lower(),
                     word(block.get("Status", "")))
            if any(group) or "Original-Recipient" in block:
                found.append(group)
    return found


def same_octets(text):
    """Python's surrogates for 8-bit octets, as the driver writes them."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def main():
    if not os.path.isdir(folder):
        print("1..0 # SKIP no corpus: ../shared is not there")
        return 0
    if not os.path.exists(driver):
        print("1..0 # SKIP no tests/dump_dsn: it is not built")
        return 0
    files = sorted(os.path.join(where, name)
                   for where, _, names in os.walk(folder) for name in names
                   if not name.startswith("."))
    print("1..%d" % len(files))
    total = collections.Counter()
    failed = 0
    for number, path in enumerate(files, 1):
        name = os.path.relpath(path, folder)
        complaint = []
        with open(path, "rb") as file:
            data = file.read()
        theirs = collections.Counter()
        for text in messages(data):
            total["messages by Python"] += 1
            for group in groups(email.message_from_bytes(text)):
                theirs[tuple(same_octets(g) for g in group)] += 1
        ours = collections.Counter()
        try:
            run = subprocess.run([driver, path], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, timeout=TIME)
            if run.returncode != 0:
                complaint.append("exit %d: %s" % (run.returncode, run.stderr[-300:]))
            else:
                answer = json.loads(run.stdout)
                ours.update(tuple(g) for g in answer["groups"])
                for key in ("messages", "dsns", "inline", "returned"):
                    total[key] += answer[key]
        except subprocess.TimeoutExpired:
            complaint.append("longer than %d s" % TIME)
        except ValueError as why:
            complaint.append("no JSON: %s" % why)
        total["files"] += 1
        total["groups by Python"] += sum(theirs.values())
        total["groups by us"] += sum(ours.values())
        excused, why = EXCUSED.get(os.path.basename(name), (0, ""))
        for group in (theirs - ours).elements():
            total["only Python"] += 1
            excused -= 1
            print("# only Python: %s %r%s" % (name, group,
                                              " - " + why if excused >= 0 else ""))
            if excused < 0:
                complaint.append("a group is missing: %r" % (group,))
        for group in (ours - theirs).elements():
            total["only we"] += 1
            print("# only we: %s %r" % (name, group))
        print("%s %d - %s" % ("not ok" if complaint else "ok", number, name))
        for line in complaint:
            print("# " + line)
        failed += bool(complaint)
    for key, count in total.items():
        print("# %s: %d" % (key, count))
    return failed > 0


sys.exit(main())
