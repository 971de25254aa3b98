#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""Real Received fields, if there are any beside the project: every value is
read without losing a clause, the version and suite that are written in a value
of a known dialect come out, and no TLS is claimed where none is written (D4-1).

What is written is found here by regular expressions of this file's own, and
suites are named by the alias table that lies beside the fields, so that nothing
of the program under test is asked."""
import collections
import csv
import json
import os
import re
import subprocess
import sys
import tempfile

top = os.environ.get("DEEP_TOP") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
corpus = os.environ.get("DEEP_CORPUS") or os.path.join(top, "..", "shared", "corpus")
data = os.path.join(corpus, "..", "data")
tsv = os.path.join(corpus, "received.tsv")
if not os.path.exists(tsv):
    print("1..0 # SKIP no corpus: ../shared is not there")
    sys.exit(0)

number = failed = 0


def ok(passed, what):
    global number, failed
    number += 1
    failed += not passed
    print("%s %d - %s" % ("ok" if passed else "not ok", number, what))


VERSION = re.compile(r"(?<![\w.-])(TLSv1/SSLv3|TLS\\Tls1[0-3]|TLS-?v?1[._]?[0-3](?![\d.])|TLSv?1(?![\d.])|Tls1[0-3]|SSLv[23])"
                     r"(?![\w])")
SUITE = re.compile(r"(?:^|[ ,(=:/])"
                   r"([A-Z][A-Za-z0-9]*(?:[-_]+[A-Za-z0-9]+){1,12}|OTHER)(?=[\s:;,)]|$)")


def names():
    """Each spelling of a suite in the alias table, and what it means."""
    table = {}
    with open(os.path.join(data, "cipher-aliases.csv"), newline="") as f:
        for row in csv.DictReader(f):
            for key in ("iana", "openssl", "gnutls"):
                for name in (row[key] or "").split("/"):
                    if name:
                        table.setdefault(name.upper(), row["iana"])
                        if key == "gnutls" and name.startswith("TLS_"):
                            table.setdefault(name[4:].upper(), row["iana"])
    table["AEAD-AES256-GCM-SHA384"] = table["TLS13_AES_256_GCM_SHA384"] = "TLS_AES_256_GCM_SHA384"
    table["AEAD-AES128-GCM-SHA256"] = table["TLS13_AES_128_GCM_SHA256"] = "TLS_AES_128_GCM_SHA256"
    table["AEAD-CHACHA20-POLY1305-SHA256"] = "TLS_CHACHA20_POLY1305_SHA256"
    table["EDH-RSA-DES-CBC3-SHA"] = "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA"
    return table


def normal_version(text):
    text = text.replace("TLS\\", "")
    if text == "TLSv1/SSLv3":
        return text
    digits = re.sub(r"\D", "", text)
    if text.startswith("SSL"):
        return "SSLv" + digits
    return "TLSv1." + (digits[1] if len(digits) > 1 else "0")


def written(value, table):
    """(version, suite) as a careful reader finds them; None: not written."""
    # addresses, names of hosts and ids say nothing
    text = re.sub(r"<[^>]*>|\[[0-9A-Fa-f.:]+\]", " ", value)
    version = VERSION.search(text)
    suite = None
    for match in SUITE.finditer(text):
        token = re.sub(r"_P(256|384|521)$", "", match.group(1)).upper()
        if token in table:
            suite = table[token]
            break
        parts = token.split("__")
        if len(parts) == 3 and version:
            end = "SHA384" if parts[2] == "AES_256_GCM" else "SHA256"
            if normal_version(version.group(1)) == "TLSv1.3":
                suite = "TLS_%s_%s" % (parts[2], end)
            else:
                suite = "TLS_%s_%s_WITH_%s_%s" % (parts[0].split("_")[0], parts[1].split("_")[0],
                                                  parts[2], end)
            break
    return (normal_version(version.group(1)) if version else None, suite)


table = names()
rows = []
with open(tsv, encoding="utf-8", errors="surrogateescape") as f:
    for line in f:
        if not line.startswith("# "):
            rows.append(line.rstrip("\n").split("\t", 2))

with tempfile.NamedTemporaryFile(suffix=".mbox") as mbox:
    for _, _, value in rows:
        mbox.write(b"From a@example.org Mon Nov  2 10:00:00 2026\nReceived: ")
        mbox.write(value.encode("utf-8", "surrogateescape") + b"\n\n\n")
    mbox.flush()
    run = subprocess.run([os.path.join(top, "deeptrace"), "--format", "json", mbox.name],
                         stdout=subprocess.PIPE, check=False)
out = [json.loads(line) for line in run.stdout.splitlines()]
ok(run.returncode < 64, "deeptrace ends well")
ok(len(out) == len(rows), "one answer for each of %d values (%d)" % (len(rows), len(out)))

count = collections.Counter()
wrong = []
for (dialect, seen, value), answer in zip(rows, out):
    if len(answer["hops"]) != 1:
        wrong.append(("hops", value, answer["hops"]))
        continue
    hop = answer["hops"][0]
    tls = hop["tls"] or {"version": None, "suite": None, "code": None}
    # clauses: whatever stands in front of the date as a keyword and a value, outside comments
    bare, depth = "", 0
    for c in value:
        depth += c == "("
        if depth == 0:
            bare += c
        depth -= c == ")" and depth > 0
    bare = bare.split(";")[0]
    for key in ("from", "by", "id", "for"):
        if re.search(r"(?:^|\s)%s\s+[^\s;]" % key, bare) and depth == 0 and "Received:" not in value:
            count["clauses"] += 1
            if hop[key] is None and not re.search(r"\b%s\s+(with|by|id|for|from)\b" % key, bare):
                wrong.append((key + " lost", value, hop))
    if re.search(r"\d [A-Z][a-z]{2} \d{2,4} \d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d", value):
        count["dates"] += 1
        if hop["date"] is None:
            count["dates lost"] += 1
            wrong.append(("date lost", value, hop["flags"]))
    text = hop["evidence"] not in (None, "with")
    if dialect in ("-", "RESIDUAL"):
        count["values without TLS text"] += 1
        if text:
            wrong.append(("TLS claimed", value, hop))
        continue
    count["values with TLS text"] += 1
    version, suite = written(value, table)
    if version is not None:
        count["versions"] += 1
        if version == "TLSv1/SSLv3":
            good = tls["version"] == "TLSv1.2" and "version-inferred" in hop["flags"] or \
                "version-ambiguous" in hop["flags"] or tls["version"] is None
        else:
            good = tls["version"] == version
        count["versions right"] += good
        if not good:
            wrong.append(("version %s" % version, value, tls))
    elif tls["version"] is not None and "version-inferred" not in hop["flags"]:
        wrong.append(("version out of nothing", value, tls))
    if suite is not None:
        count["suites"] += 1
        count["suites right"] += tls["suite"] == suite
        if tls["suite"] != suite:
            wrong.append(("suite %s" % suite, value, tls))
    elif tls["code"] is not None:
        wrong.append(("suite out of nothing", value, tls))

for key in sorted(count):
    print("# %s: %d" % (key, count[key]))
for what, value, got in wrong[:40]:
    print("# %s: %s\n#   got %s" % (what, value[:400], got))
ok(count["clauses"] > 5000 and not [w for w in wrong if "lost" in w[0]], "no clause and no date is lost")
ok(count["versions"] > 800 and count["versions"] == count["versions right"],
   "every version that is written comes out")
ok(count["suites"] > 800 and count["suites"] == count["suites right"],
   "every suite that is written comes out")
ok(not [w for w in wrong if "nothing" in w[0] or "claimed" in w[0]], "nothing is claimed that is not written")
ok(not [w for w in wrong if w[0] == "hops"], "one hop for each value")
print("1..%d" % number)
sys.exit(failed != 0)
