#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""Received fields written in another way that means the same come to the same facts:
the examples of dialects.in, and real ones if there are any beside the project (D4-1).
Folds, blanks, comments and capitals change nothing; hosts, ids and addresses that look
like words of TLS change nothing that is said about TLS."""
import json
import os
import re
import subprocess
import tempfile

import tap

top = os.environ.get("DEEP_TOP") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
corpus = os.environ.get("DEEP_CORPUS") or os.path.join(top, "..", "shared", "corpus")
tsv = os.path.join(corpus, "received.tsv")

KEYWORDS = (b"from", b"by", b"via", b"with", b"id", b"for")


def read(values):
    """The only hop of each."""
    with tempfile.NamedTemporaryFile(suffix=".mbox") as mbox:
        for value in values:
            mbox.write(b"From a@example.org Mon Nov  2 10:00:00 2026\nReceived: " + value +
                       b"\n\n\n")
        mbox.flush()
        run = subprocess.run([os.path.join(top, "deeptrace"), "--format", "json", mbox.name],
                             stdout=subprocess.PIPE, check=False)
    hops = [json.loads(line)["hops"] for line in run.stdout.splitlines()]
    return [hop[0] if len(hop) == 1 else None for hop in hops]


def capitals(value):
    """Keywords, where they stand outside of comments and brackets."""
    words, depth = [], 0
    for word in value.split(b" "):
        words.append(word.upper() if depth == 0 and word.lower() in KEYWORDS else word)
        depth += len(re.findall(rb"[(\[]", word)) - len(re.findall(rb"[)\]]", word))
    return b" ".join(words)


def before_by(text):
    return lambda value: re.sub(rb"^(from [^()]*\([^()]*\)) by ", lambda match: match.group(1) +
                                b" " + text + b" by ", value, count=1)


def mixed(value):
    gaps = (b"\n\t", b" ", b"\t ", b"\r\n  ", b"  ", b" \n ")
    words = value.split(b" ")
    return b"".join(word + gaps[i % len(gaps)] for i, word in enumerate(words)).rstrip()


SAME = (
    ("folded at each blank", lambda value: value.replace(b" ", b"\n\t")),
    ("folded with CRLF", lambda value: value.replace(b" ", b"\r\n ")),
    ("tabs", lambda value: value.replace(b" ", b"\t")),
    ("two blanks for one", lambda value: value.replace(b" ", b"  ")),
    ("folds, tabs and blanks by turns", mixed),
    ("blanks and a fold at the end", lambda value: value + b"  \n\t"),
    ("capitals", capitals),
    ("a nested comment", before_by(b"(a (nested (one)))")),
    ("a comment beyond ASCII", before_by(b"(Gr\xc3\xbc\xc3\x9fe, na\xefve)")),
    ("a comment behind the date", lambda value: value + b" (local (summer) time)"),
    ("a comment before the date",
     lambda value: re.sub(rb"^([^;]*);( [A-Z0-9][^;()]*)$", rb"\1 (as told);\2", value)),
    ("no blank behind the semicolon",
     lambda value: re.sub(rb"^([^;]*); ([^;]*)$", rb"\1;\2", value)),
)
NAMES = (b"tls.example.com", b"cipher-host.example", b"using.tls.example", b"TLSv1.2.example",
         b"TLS", b"SSL", b"SSLv3", b"TLS1.3", b"AES256-SHA", b"TLS_AES_256_GCM_SHA384",
         b"TLSv1.2:AES256-SHA", b"encrypted", b"STARTTLS", b"not-using-TLS", b"version=TLSv1.3",
         b"[IPv6:2001:db8::25]", b"h\xc3\xb6st.example", b"a_b.example", b"[", b"a;b")
IDS = (b"TLSv1.2", b"AES256-SHA", b"using", b"tls", b"S9TLS+x/=.-", b"[TLS]", b"<x@TLSv1.2>")
RCPTS = (b"<tls@using.example>", b"<a@example.org>, <b@example.org>", b"TLSv1.3", b"AES256-SHA",
         b'"TLS AES256-SHA"@example.org', b"<using TLSv1.2>")


def in_place(old, new):
    return lambda value: value.replace(old, new)


def new_for(rcpt):
    return lambda value: re.sub(rb" for <?user@example\.org>?", lambda _: b" for " + rcpt, value)


def flat(hop):
    return {key: re.sub(r"\s+", " ", value).lower() if isinstance(value, str) else value
            for key, value in hop.items()}


def about_tls(hop):
    facts = {key: hop[key] for key in ("verdict", "evidence", "dialect", "tls")}
    # a name may be none, or break the grammar: that is not about TLS
    facts["flags"] = [flag for flag in hop["flags"] if flag not in ("no-from", "no-by", "fault")]
    return facts


def compare(values, before, name, change, facts):
    changed = [change(value) for value in values]
    wrong, n = [], 0
    for old, new, first, second in zip(values, changed, before, read(changed)):
        if old == new or first is None:
            continue
        n += 1
        if second is None:
            wrong.append((new, "no hop"))
        else:
            were, are = facts(first), facts(second)
            if were != are:
                wrong.append((new, [(key, were[key], are[key])
                                    for key in were if were[key] != are[key]]))
    tap.ok(n > 0 and not wrong, "%s: %d fields" % (name, n),
           "\n".join("%r\n  %s" % pair for pair in wrong[:5]))


def same_facts(values, what):
    before = read(values)
    tap.ok(len(before) == len(values), "%s: one answer for each of %d" % (what, len(values)))
    for name, change in SAME:
        compare(values, before, "%s, %s" % (what, name), change, flat)


with open(os.path.join(top, "analyzer", "dialects.in"), encoding="utf-8") as table:
    texts = re.findall(r'^    "((?:from|by) (?:[^"\\]|\\.)*)",$', table.read(), re.M)
examples = [re.sub(r"\\(.)", r"\1", text).encode() for text in texts]
tap.ok(len(examples) > 80, "%d examples" % len(examples))
same_facts(examples, "examples")
start = read(examples)
for host in NAMES:
    compare(examples, start, "from %r" % host, in_place(b"a.example.net", host), about_tls)
    compare(examples, start, "by %r" % host, in_place(b"by b.example.net", b"by " + host),
            about_tls)
for text in IDS:
    compare(examples, start, "id %r" % text, in_place(b" id 4A", b" id " + text), about_tls)
for text in RCPTS:
    compare(examples, start, "for %r" % text, new_for(text), about_tls)

if os.path.exists(tsv):
    with open(tsv, "rb") as f:
        rows = [line.rstrip(b"\n").split(b"\t", 2)[2] for line in f if not line.startswith(b"# ")]
    # a date that is none is part of what stands before it, with its blanks and comments
    same_facts([row for row in rows if b"; ??" not in row], "real fields")
else:
    tap.skip("no corpus: ../shared is not there", "real fields")
tap.done()
