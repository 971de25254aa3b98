#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# pyemail.py MBOX - for the benchmark: what gmime_walk.c does, with the email
# package of Python: all parts, and the values of the Received fields of each
# message and of what a report gives back.

import email
import sys


def messages(path):
    """One message at a time, as octets; the mbox quotes nothing."""
    lines = []
    with open(path, "rb") as mbox:
        for line in mbox:
            if line.startswith(b"From ") and lines:
                yield b"".join(lines)
                lines = []
            elif not line.startswith(b"From "):
                lines.append(line)
    if lines:
        yield b"".join(lines)


def main():
    count = parts = fields = octets = 0
    for text in messages(sys.argv[1]):
        count += 1
        for part in email.message_from_bytes(text).walk():
            parts += 1
            if part.get_content_type() == "text/rfc822-headers":
                part = email.message_from_string(part.get_payload())
            for value in part.get_all("Received", ()):
                fields += 1
                octets += len(value)
    print("%d messages, %d parts, %d Received fields of %d octets" % (
        count, parts, fields, octets))


main()
