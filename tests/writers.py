#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# writers.py - what each form of output emits for hostile messages is read back
# by a parser that is not ours: JSON by json and by the schema that ships
# (python3-jsonschema), HTML by html.parser, CSV by csv, DOT by Graphviz; the
# text of Mermaid is held against the grammar in mermaid.c (tests/browser.py
# gives it to Mermaid itself).  The messages are made from a seed.
#
#	SEED=n		another seed [1]

import csv
import html.parser
import io
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

from tap import done, ok, skip, skip_all

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
deeptrace = os.path.join(root, "deeptrace")
seed = int(os.environ.get("SEED", "1"))
MESSAGES = 150


if shutil.which("time") is None:
    skip_all("time is not installed")

# Messages: pieces that mean something to one of the forms, in all places.

PIECES = ["<script>alert(1)</script>", "</style>", "<!--", "-->", "]]>", "&lt;", "&#60;", "&", "'", '"', "\\",
          "\\N", "\\\"", "\\u0022", "`", "```", "end", "#35;", "#quot;", "%%{init:{}}%%", "-->|x|", "[\"", "\"]",
          "{", "}", "|", ";", "=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", ",=1", ";=1", "\t=1",
          "\uff1d1", "\x00", "\x1b[31m", "\x7f", "\u202e", "\u2066", "\u200f", "\ufeff", "\U000e0041",
          "\u00e9", "\u4e2d\u6587", "\U0001f512", "\u05d0", "\ufffe", "javascript:", "onload=x", "(", ")", "((",
          "mail.example.org", "[192.0.2.1]", "::1", "TLSv1.3", "TLS_AES_128_GCM_SHA256", "x" * 300, ".", "..",
          b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80"]
CLAUSES = [b"from %s (%s [192.0.2.%d])", b"by %s (%s)", b"with %s", b"with ESMTPS", b"with ESMTP", b"with LMTP",
           b"id %s", b"for <%s>", b"via %s", b"(using TLSv1.3 with cipher %s (256/256 bits) key-exchange %s)",
           b"tls %s group %s", b"(version=TLSv1.2 cipher=%s bits=%d/256)", b"(%s)", b"(TLSv1.2:%s:256:NO)"]
HOSTS = [b"a.example.org", b"b.example.net", b"c.example.co.uk", b"localhost", b"[192.0.2.7]", b"d.example.com"]


def piece(r):
    if r.random() < 0.5:
        return r.choice(HOSTS)
    made = b""
    for _ in range(r.randint(1, 3)):
        p = r.choice(PIECES)
        made += p if isinstance(p, bytes) else p.encode("utf-8", "surrogatepass")
    return made.replace(b"\n", b"")


def fill(r, form):
    return re.sub(rb"%[sd]", lambda m: piece(r) if m.group() == b"%s" else str(r.randint(1, 254)).encode(), form)


def received(r):
    parts = [fill(r, c) for c in CLAUSES[:2] if r.random() < 0.9]
    parts += [fill(r, r.choice(CLAUSES)) for _ in range(r.randint(0, 4))]
    if r.random() < 0.1:
        r.shuffle(parts)
    date = b"; Mon, %d Nov 2026 10:%02d:00 +0000" % (r.randint(1, 28), r.randint(0, 59))
    return b"Received: " + b"\n\t".join(parts) + (date if r.random() < 0.9 else b"") + b"\n"


def message(r):
    chain = b"".join(received(r) for _ in range(r.randint(0, 6)))
    if r.random() < 0.5:
        chain = (b"Authentication-Results: mx.example.org; dkim=pass header.d=" + piece(r) + b" reason=\"" + piece(r)
                 + b"\"; spf=" + piece(r) + b"; " + piece(r) + b"=" + piece(r) + b"\n") + chain
    about = b"Message-ID: <" + piece(r) + b">\nSubject: x\n"
    if r.random() < 0.4:
        return chain + about + b"\nbody\n"
    group = b"".join(
        b"\n" + b"".join(name + b": " + kind + piece(r) + b"\n" for name, kind in (
            (b"Final-Recipient", b"rfc822; "), (b"Original-Recipient", b"utf-8;"), (b"Action", b""),
            (b"Status", b""), (b"Remote-MTA", b"dns; "), (b"Diagnostic-Code", b"smtp; "),
            (b"SMTP-Security-Latch", b"tls10 ")) if r.random() < 0.8) for _ in range(r.randint(0, 3)))
    return (received(r) + about + b"Content-Type: multipart/report; boundary=x\n\n--x\n"
            b"Content-Type: message/delivery-status\n\nReporting-MTA: dns; " + piece(r)
            + b"\nOriginal-Envelope-Id: " + piece(r) + b"\nArrival-Date: Mon, 2 Nov 2026 10:00:00 +0000\n"
            + group + b"\n--x\nContent-Type: text/rfc822-headers\n\n" + chain + about + b"\n--x--\n")


generator = random.Random(seed)
mbox = b"".join(b"From x Mon Nov  2 10:00:00 2026\n" + message(generator) + b"\n" for _ in range(MESSAGES))
work = tempfile.mkdtemp(prefix="writers.")
box = os.path.join(work, "hostile.mbox")
with open(box, "wb") as out:
    out.write(mbox)
with open(os.path.join(root, "contrib/sample-success.eml"), "rb") as source:
    sample = source.read()
HIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
                    "\ufeff\ufff0-\ufffb\U000e0000-\U000e0fff]")


def written(form, *more):
    run = subprocess.run([deeptrace, "--format", form, *more, box], capture_output=True, check=False,
                         env=dict(os.environ, LC_ALL="C"))
    ok(run.returncode in (0, 1, 2, 3) and run.stderr == b"", "%s is written%s" % (form, " ".join(("",) + more)),
       run.stderr)
    return run.stdout


def strict(data, form):
    """As UTF-8, with nothing that hides."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as fault:
        ok(False, form + ": UTF-8", fault)
        return ""
    hidden = HIDDEN.search(text)
    ok(hidden is None, form + ": UTF-8, without controls and bidi controls", hidden)
    return text


# JSON and its schema.

lines = strict(written("json", "--trust", "example.org", "--authserv-id", "mx.example.org"), "json").splitlines()
records = [json.loads(line) for line in lines]
ok(len(records) == MESSAGES, "json: a line a message", len(records))
with open(os.path.join(root, "analyzer/deeptrace.schema.json"), encoding="utf-8") as source:
    schema = json.load(source)


def words(file, begin, end=r"\};"):
    with open(os.path.join(root, "analyzer", file), encoding="utf-8") as text:
        return set(re.findall(r'"([^"]*)"', re.search(begin + r"(.*?)" + end, text.read(), re.S).group(1)))


ok(set(schema["$defs"]["hop"]["properties"]["flags"]["items"]["enum"]) == words("hop.c", r"flag_names\[FLAGS\] ="),
   "schema: the flags are those of hop.c")
ok(set(schema["$defs"]["verdict"]["enum"]) == words("hop.c", r"verdict_names\[\] ="),
   "schema: the verdicts are those of hop.c")
with open(os.path.join(root, "analyzer/words.in"), encoding="utf-8") as text:
    ok(set(schema["properties"]["path"]["properties"]["why"]["items"]["enum"])
       == set(re.findall(r'^WHY\("([^"]*)"', text.read(), re.M)), "schema: the why-words are those of words.in")
try:
    import jsonschema
except ImportError:
    jsonschema = None
if jsonschema is None or not hasattr(jsonschema, "Draft202012Validator"):
    skip("python3-jsonschema is not installed, or older than 4", "schema: every record is valid")
    skip("python3-jsonschema is not installed, or older than 4", "schema: what is not valid is refused")
else:
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    faults = [f for r in records for f in validator.iter_errors(r)]
    ok(not faults, "schema: every record is valid", faults[:2])

    def broken(change):
        record = json.loads(json.dumps(next(r for r in records if r["kind"] == "dsn" and r["hops"])))
        change(record)
        return not validator.is_valid(record)
    ok(broken(lambda r: r.pop("path")) and broken(lambda r: r.update(extra=1))
       and broken(lambda r: r["hops"][0].update(verdict="secret"))
       and broken(lambda r: r["hops"][0].update(date="yesterday"))
       and broken(lambda r: r.update(kind="message"))
       and broken(lambda r: r["hops"][0].pop("trusted"))
       and broken(lambda r: r["path"]["why"].append("because")), "schema: what is not valid is refused")
ok(all("auth" in r for r in records) and any(len(r["auth"]) > 1 for r in records), "json: results of one's own server")
hops = sum(len(r["hops"]) for r in records)
ok(hops > 200 and len({h["verdict"] for r in records for h in r["hops"]}) >= 5,
   "the messages have hops of at least five verdicts (%d hops)" % hops)

# HTML.

VOID = {"meta", "br"}
TAGS = VOID | set("""html head title style body main section article footer h1 h2 h3 p a div span b strong bdi ul li
    dl dt dd table caption thead tbody tr th td time code pre details summary figure figcaption nav ol svg symbol
    use path circle rect line g text tspan desc defs pattern""".split())
ATTRIBUTES = set("""lang charset http-equiv content name class id href role aria-label aria-labelledby aria-hidden
    tabindex scope colspan datetime width height viewbox x y x1 x2 y1 y2 cx cy r rx d fill stroke stroke-width
    stroke-dasharray stroke-linecap stroke-linejoin text-anchor xmlns data-lane data-stop data-hop data-from data-to data-time data-label dx
    patternunits transform points""".split())


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.bad, self.text, self.ids, self.links = [], [], [], [], []

    def element(self, tag, attributes):
        if tag not in TAGS:
            self.bad.append("<%s>" % tag)
        names = [a for a, _ in attributes]
        self.bad += [a for a in names if a not in ATTRIBUTES or names.count(a) > 1]
        for name, value in attributes:
            if name == "id":
                self.ids.append(value)
            if name == "href":
                self.links.append(value)

    def handle_starttag(self, tag, attributes):
        self.element(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.element(tag, attributes)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append("</%s>" % tag)

    def handle_comment(self, data):
        self.bad.append("comment")

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)


def parse_page(data, name):
    parser = Page()
    text = strict(data, name)
    parser.feed(text)
    parser.close()
    ok(not parser.bad and not parser.open, name + ": elements in pairs, only those of the form", parser.bad[:5])
    ok(len(parser.ids) == len(set(parser.ids)), name + ": each id is there once",
       [i for i in parser.ids if parser.ids.count(i) > 1][:5])
    ok(all(link.startswith("#") and link[1:] in parser.ids for link in parser.links),
       name + ": each link leads to a place in the page", [x for x in parser.links if x[1:] not in parser.ids][:5])
    ok(len(re.findall("<style>", text)) == 1 and "default-src 'none'" in text, name + ": one sheet, and the policy")
    return "".join(parser.text)


page = parse_page(written("html", "--trust", "example.org", "-a", "mx.example.org"), "html")
# The page of many messages is as large for many more, and so is the memory it takes.


def made_page(size):
    text = subprocess.run([sys.executable, os.path.join(root, "tests/bench/mksynth.py"), str(size)],
                          capture_output=True, check=True).stdout
    with open(os.path.join(work, "many.mbox"), "wb") as made:
        made.write(text)
    with open(os.path.join(work, "many.html"), "wb") as made:
        # GNU time, for a process of Python's own children begins with Python's memory
        run = subprocess.run(["time", "-f", "%M", deeptrace, "-f", "html", os.path.join(work, "many.mbox")],
                             stdout=made, stderr=subprocess.PIPE, check=False)
    with open(os.path.join(work, "many.html"), "rb") as made:
        return text.count(b"\nFrom ") + 1, made.read(), int(run.stderr.split()[-1])


few, small, little = made_page(4)
many, large, much = made_page(24)
ok(many > 5 * few and len(large) < 2 * len(small) + (1 << 20) and much < little + 16 * 1024,
   "html: %d messages take no more than %d (page %d and %d octets, memory %d and %d KiB)"
   % (many, few, len(large), len(small), much, little))
ok(str(many)[:-3] + "\u202f" + "%03d" % (many % 1000) in large.decode()[:20000], "html: and are all counted")
parse_page(large, "html of many")
summary = os.path.join(work, "summary.json")
with open(summary, "wb") as made:
    subprocess.run([deeptrace, "--summary", "json", os.path.join(work, "many.mbox")], stdout=made, check=False)
merged = subprocess.run([deeptrace, "merge", "--html", summary, summary], capture_output=True, check=False)
ok(merged.returncode == 0 and str(2 * many)[:-3] + "\u202f" + "%03d" % (2 * many % 1000)
   in merged.stdout.decode()[:20000], "merge --html: a page of what several runs counted", merged.stderr)
parse_page(merged.stdout, "merge --html")
single = 0
for i, record in enumerate(records):
    if not record["hops"] or single >= 12:
        continue
    single += 1
    begin = record["source"]["offset"]
    end = records[i + 1]["source"]["offset"] if i + 1 < len(records) else len(mbox)
    run = subprocess.run([deeptrace, "-f", "html"], input=mbox[begin:end], capture_output=True, check=False)
    parser = Page()
    parser.feed(run.stdout.decode("utf-8"))
    if parser.bad or parser.open or HIDDEN.search("".join(parser.text)):
        ok(False, "html: message at %d" % begin, parser.bad)
        break
else:
    ok(single == 12, "html: twelve messages, each a page of its own")

# CSV.

table = strict(written("csv"), "csv")
ok(table.count("\r\n") == table.count("\n"), "csv: lines end in CRLF (RFC 4180)")
rows = list(csv.reader(io.StringIO(table, newline=""), strict=True))
ok(len(rows) == hops + 1 and {len(r) for r in rows} == {len(rows[0])}, "csv: a line a hop, all of one length",
   (len(rows), hops, {len(r) for r in rows}))
NUMBERS = {"offset", "hops", "n", "delay_s", "bits"}
RUNS = re.compile("^ *[=+\\-@\uff1d\uff0b\uff0d\uff20]")
AFTER = re.compile("[;,|\"\t] *[=+\\-@\uff1d\uff0b\uff0d\uff20]")
bad = [(k, v) for r in rows[1:] for k, v in zip(rows[0], r)
       if k not in NUMBERS and (RUNS.match(v) or AFTER.search(v) or "\n" in v)]
ok(not bad, "csv: no field begins as a formula, at whatever character it is split", bad[:5])
ok(any(v.startswith("'=") for r in rows[1:] for v in r) or seed != 1, "csv: and some would have")
ok(all(re.fullmatch(r"-?\d*", r[rows[0].index(k)]) for r in rows[1:] for k in NUMBERS), "csv: numbers are numbers")


def same(field, value):
    """A field against JSON's: without the apostrophes, and what is hidden as U+FFFD."""
    value = "" if value is None else HIDDEN.sub("\ufffd", value.replace("\t", " "))
    return re.sub("'+(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])", "", field) == re.sub(
        "'+(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])", "", value)


flat = [(record, hop) for record in records for hop in record["hops"]]
differ = [(key, row[rows[0].index(key)], hop[key]) for (record, hop), row in zip(flat, rows[1:])
          for key in ("from", "from_ip", "by", "via", "with", "id", "for", "verdict", "date", "dialect", "evidence")
          if not same(row[rows[0].index(key)], hop[key])]
ok(not differ, "csv: the same hops as in JSON", differ[:5])

# DOT.

graphs = strict(written("dot"), "dot")
ok(graphs.count("digraph path {") == MESSAGES, "dot: a graph a message")
if shutil.which("dot") is None or shutil.which("gvpr") is None:
    skip("graphviz is not installed", "dot: Graphviz reads it")
    skip("graphviz is not installed", "dot: an edge a hop")
    skip("graphviz is not installed", "dot: a backslash stands for itself")
    skip("graphviz is not installed", "dot: the sample is drawn")
else:
    # gvpr reads without drawing: the drawing of 2.42 itself falls over some graphs
    run = subprocess.run(["gvpr", 'BEG_G { print("G") } N { print("N ", $.label) } E { print("E ", $.label) }'],
                         input=graphs.encode(), capture_output=True, check=False)
    answer = run.stdout.decode("utf-8", "replace")
    edges = [len(re.findall(r"^E  *\d+ \w+\\l", graph, re.M)) for graph in re.split("^G$", answer, flags=re.M)[1:]]
    ok(run.returncode == 0 and run.stderr == b"" and len(edges) == MESSAGES, "dot: Graphviz reads it",
       (run.stderr.decode()[:500], len(edges)))
    ok(edges == [len(r["hops"]) for r in records], "dot: an edge a hop",
       [(a, len(r["hops"])) for a, r in zip(edges, records) if a != len(r["hops"])][:5])
    ok(re.search(r"^N .*\\\\N", answer, re.M) is not None,
       "dot: a backslash stands for itself")
    run = subprocess.run([deeptrace, "-f", "dot"], input=sample, capture_output=True, check=False)
    run = subprocess.run(["dot", "-Tsvg"], input=run.stdout, capture_output=True, check=False)
    drawn = run.stdout.decode()
    ok(run.returncode == 0 and drawn.count('class="edge"') == 4 and drawn.count('class="cluster"') == 3
       and "&lt;sample&#45;1@laptop.example.org&gt;: clear" in drawn, "dot: the sample is drawn", run.stderr)

# Mermaid: the grammar of mermaid.c, line by line.

chart = strict(written("mermaid"), "mermaid").splitlines()
TEXT = r'"(?:[A-Za-z0-9 ._-]|#\d+;)*"'
GRAMMAR = re.compile(r"flowchart TB|    subgraph m\d+d\d+ \[%s\]|        m\d+h\d+\[%s\]|    end|    m\d+n\[%s\]|"
                     r"    m\d+(?:h\d+|b\(\(\" \"\)\)) (?:---|==>|-->|-\.-|-\.->|-\.-x)\|%s\| m\d+h\d+" % ((TEXT,) * 4))
wrong = [line for line in chart if not GRAMMAR.fullmatch(line)]
ok(not wrong, "mermaid: every line is of the grammar", wrong[:5])
ok(sum(bool(re.match(r"    m\d+\S+.* [-=.>x]+\|\"\d+ ", line)) for line in chart) == hops, "mermaid: a link a hop")

# Text, and the verdict alone.

text = written("text")
ok(all(0x20 <= c < 0x7f or c == 10 for c in text), "text: printable ASCII in the C locale")
run = subprocess.run([deeptrace, "-q", box], capture_output=True, text=True, check=False)
ok(run.stdout.splitlines() == [r["path"]["verdict"] + ("" if r["path"]["complete"] else " incomplete")
                               for r in records], "-q: the verdict alone, a line a message")

shutil.rmtree(work)
done()
