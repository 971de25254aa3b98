#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
#
# browser.py - the pages of --format html in a real browser without a window
# (Chromium by way of chromedriver and WebDriver): they load, nothing is said on
# the console, no request leaves the page, axe-core finds no fault in light and
# dark, what is hostile in a header stays text, and the lanes, hosts and arrows
# of the picture stand where they should.  What --format mermaid writes is read
# by mermaid itself.
#
# Skipped where chromium or chromedriver is not installed, or where
# tests/browser/fetch has not been run.

import base64
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

from tap import done, ok, skip_all

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
deeptrace = os.path.join(root, "deeptrace")
PATIENCE = 60  # seconds until something that should happen is given up


class Browser:
    """A session of WebDriver, with its own driver and its own empty profile."""

    FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-dev-shm-usage", "--force-color-profile=srgb",
             "--window-size=1240,1600"]

    def __init__(self, folder):
        self.log = open(os.path.join(folder, "driver.log"), "w+")
        self.driver = subprocess.Popen(
            [shutil.which("chromedriver"), "--port=0"], stdout=subprocess.PIPE,
            stderr=self.log, text=True, start_new_session=True)
        port = None
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                port = found.group(1)
                break
        if port is None:
            raise RuntimeError("chromedriver did not start")
        self.drain = threading.Thread(target=self.driver.stdout.read, daemon=True)
        self.drain.start()
        self.base = "http://127.0.0.1:%s/session" % port
        options = {"args": self.FLAGS + ["--user-data-dir=" + os.path.join(folder, "profile")],
                   "binary": shutil.which("chromium")}
        answer = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.base += "/" + answer["sessionId"]
        self.call("POST", "/timeouts", {"script": 2000 * PATIENCE, "pageLoad": 4000 * PATIENCE})

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5 * PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as fault:
            raise RuntimeError(fault.read().decode()[:2000]) from None

    def open(self, url):
        self.call("POST", "/se/log", {"type": "browser"})
        self.call("POST", "/se/log", {"type": "performance"})
        self.call("POST", "/url", {"url": url})

    def run(self, script, *args):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(args)})

    def run_async(self, script, *args):
        return self.call("POST", "/execute/async", {"script": script, "args": list(args)})

    def devtools(self, command, **params):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": params})

    def console(self):
        return self.call("POST", "/se/log", {"type": "browser"})

    def requests(self):
        """The addresses that the page asked for, those of the page's own text left out."""
        asked = []
        for entry in self.call("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent" and not \
                    message["params"]["documentURL"].startswith("chrome:"):
                asked.append(message["params"]["request"]["url"])
        return asked

    def hears(self, what, of):
        """Whether console() or requests() comes to hold it: what a page sets off is
        told when the page has been there for a moment."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if any(of(entry) for entry in what()):
                return True
            time.sleep(0.05)
        return False

    def close(self):
        try:
            self.call("DELETE", "")
        except (OSError, RuntimeError):
            pass
        # the driver leads a session of its own, so that its browser goes with it
        try:
            os.killpg(self.driver.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.driver.wait(PATIENCE)
        self.log.close()


def page(name, *arguments, data=None):
    """What deeptrace makes of it, in a file; answers its name."""
    made = os.path.join(work, name)
    with open(made, "wb") as out:
        run = subprocess.run([deeptrace, "--format", "html", *arguments], stdout=out,
                             input=data, stderr=subprocess.PIPE, check=False)
    ok(run.returncode in (0, 1, 2, 3) and not run.stderr, "%s is written" % name, run.stderr)
    return made


GEOMETRY = r"""
const box = e => { const r = e.getBoundingClientRect();
    return { x: r.x, y: r.y, right: r.right, bottom: r.bottom, width: r.width, height: r.height }; };
const svg = document.querySelector('svg.path');
const toPage = (p, e) => { const q = new DOMPoint(p.x, p.y).matrixTransform(e.getScreenCTM());
    return { x: q.x, y: q.y }; };
return {
  svg: box(svg),
  lanes: [...svg.querySelectorAll('g.lane')].map(g => ({ name: g.dataset.lane,
      box: box(g.querySelector('rect')), head: box(g.querySelector('text')) })),
  hosts: [...svg.querySelectorAll('g.host')].map(g => ({ n: +g.dataset.stop,
      name: g.querySelector('text').firstChild.textContent, box: box(g.querySelector('rect')),
      texts: [...g.querySelectorAll('text')].map(box) })),
  hops: [...svg.querySelectorAll('g.hop')].map(g => { const a = g.querySelector('path.arrow');
      return { n: +g.dataset.hop, from: +g.dataset.from, to: +g.dataset.to,
        dashes: a.getAttribute('stroke-dasharray'), symbol: g.querySelector('use').getAttribute('href'),
        start: toPage(a.getPointAtLength(0), a), end: toPage(a.getPointAtLength(1e6), a),
        label: [...g.querySelectorAll('text')].map(t => t.textContent),
        labels: [...g.querySelectorAll('text')].filter(t => t.textContent).map(box),
        claim: g.querySelector('.claim') !== null,
        badge: box(g.querySelector('circle.badge')) }; }),
  gaps: svg.querySelectorAll('g.gap').length,
  end: svg.querySelector('g.end text') && svg.querySelector('g.end text').textContent,
};
"""


def overlap(a, b):
    return a["x"] < b["right"] and b["x"] < a["right"] and a["y"] < b["bottom"] and b["y"] < a["bottom"]


def check_geometry(browser, name, lanes, hops, slim=False):
    """lanes: their names; hops: (verdict, lane of the sender, lane of the taker).
    slim: the hosts' names stand beside the lanes."""
    g = browser.run(GEOMETRY)
    ok([lane["name"] for lane in g["lanes"]] == lanes, name + ": one lane a domain, in the order "
       "of the path", [lane["name"] for lane in g["lanes"]])
    ok(all(a["box"]["right"] <= b["box"]["x"] for a, b in zip(g["lanes"], g["lanes"][1:])),
       name + ": lanes stand side by side, none on another")
    ok(all(l["head"]["x"] >= l["box"]["x"] and l["head"]["right"] <= l["box"]["right"]
           for l in g["lanes"]), name + ": each lane's name stands inside it")

    def lane_of(box):
        middle = (box["x"] + box["right"]) / 2
        return [i for i, l in enumerate(g["lanes"])
                if l["box"]["x"] <= box["x"] and box["right"] <= l["box"]["right"]
                and l["box"]["y"] < box["y"] and box["bottom"] < l["box"]["bottom"]
                and l["box"]["x"] < middle < l["box"]["right"]]
    where = [lane_of(h["box"]) for h in g["hosts"]]
    ok(all(len(w) == 1 for w in where), name + ": each host stands inside one lane", where)
    if slim:
        ok(all(t["x"] > g["lanes"][-1]["box"]["right"] and t["right"] <= g["svg"]["right"]
               and t["y"] < h["box"]["bottom"] and h["box"]["y"] < t["bottom"]
               for h in g["hosts"] for t in h["texts"]), name + ": a host's name stands beside the lanes, "
           "at the height of its box", [h["texts"] for h in g["hosts"]])
    else:
        ok(all(t["x"] >= h["box"]["x"] and t["right"] <= h["box"]["right"]
               for h in g["hosts"] for t in h["texts"]), name + ": a host's name stands inside its box",
           [h["name"] for h in g["hosts"]])
    ok(all(a["box"]["bottom"] < b["box"]["y"] for a, b in zip(g["hosts"], g["hosts"][1:])),
       name + ": time goes down")
    ok([h["n"] for h in g["hops"]] == list(range(1, len(hops) + 1)), name + ": one arrow a hop")
    good = True
    for hop, (verdict, sender, taker) in zip(g["hops"], hops):
        a, b = g["hosts"][hop["from"]]["box"], g["hosts"][hop["to"]]["box"]
        begins = hop["from"] == hop["to"]
        good = good and lanes[where[hop["to"]][0]] == taker and lanes[where[hop["from"]][0]] == sender
        good = good and hop["symbol"] == "#s-" + verdict and (" %s " % verdict) in hop["label"][0] + " "
        good = good and (begins or (abs(hop["start"]["y"] - a["bottom"]) < 2
                                    and a["x"] < hop["start"]["x"] < a["right"]))
        good = good and b["y"] - 14 < hop["end"]["y"] < b["y"] and b["x"] < hop["end"]["x"] < b["right"]
        if not good:
            break
    ok(good, name + ": each arrow goes from its host to the next, with its verdict's word and symbol",
       g["hops"])
    ok(all(l["x"] > g["lanes"][-1]["box"]["right"] and l["right"] <= g["svg"]["right"]
           for h in g["hops"] for l in h["labels"]), name + ": labels stand beside the lanes, inside "
       "the picture", [(h["n"], h["labels"]) for h in g["hops"]])
    ok(g["svg"]["width"] <= 1100, name + ": the picture fits the page", g["svg"])
    everything = [l for h in g["hops"] for l in h["labels"]] + [t for h in g["hosts"] for t in h["texts"]]
    ok(not any(overlap(a, b) for i, a in enumerate(everything) for b in everything[:i]),
       name + ": no label lies on another")
    ok(all(abs((h["badge"]["y"] + h["badge"]["bottom"]) / 2
               - (h["labels"][0]["y"] + h["labels"][-1]["bottom"]) / 2) < 16 for h in g["hops"]),
       name + ": a label stands at the height of its arrow")
    return g


def check_quiet(browser, url, name):
    said = browser.console()
    ok(said == [], name + ": nothing on the console", said)
    asked = [u for u in browser.requests() if u != url]
    ok(asked == [], name + ": no request but for the page", asked)


def check_axe(browser, name):
    for scheme in "light", "dark":
        browser.devtools("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}])
        browser.run(axe)
        answer = browser.run_async(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, { resultTypes: ['violations'] }).then("
            "r => done({ bad: r.violations.map(v => [v.id, v.nodes.length,"
            "v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary)]), passed: r.passes.length,"
            "contrast: r.passes.filter(p => p.id === 'color-contrast').length }), e => done(String(e)));")
        ok(isinstance(answer, dict) and answer["bad"] == [] and answer["passed"] > 10
           and answer["contrast"] == 1, "%s: axe-core finds no fault, %s" % (name, scheme),
           json.dumps(answer, indent=1))
    browser.devtools("Emulation.setEmulatedMedia", features=[])


def check_text_only(browser, name):
    """Nothing but what html.c writes: no script, no handler, no address."""
    found = browser.run(r"""
        const bad = [];
        const allowed = new Set(('html head meta title style body main section article footer h1 h2 h3 ' +
            'p a div span b strong bdi br ul li dl dt dd table caption thead tbody tr th td time code pre ' +
            'details summary figure figcaption nav ol svg symbol use path circle rect line g text tspan desc ' +
            'defs pattern').split(' '));
        for (const e of document.querySelectorAll('*')) {
            if (!allowed.has(e.localName)) bad.push('<' + e.localName + '>');
            for (const a of e.attributes) {
                if (/^on|^style$|^src/.test(a.name)) bad.push(a.name);
                if (/href/.test(a.name) && !/^#[a-z][a-z0-9-]*$/.test(a.value)) bad.push(a.value);
            }
        }
        return { bad: bad.slice(0, 10), scripts: document.scripts.length, pwned: window.pwned === undefined,
            sheets: document.styleSheets.length, text: document.documentElement.textContent };""")
    ok(found["bad"] == [] and found["scripts"] == 0 and found["pwned"] and found["sheets"] == 1,
       name + ": no element, handler or address but the page's own", found["bad"])
    odd = re.search("[\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\x00-\x08\x0b-\x1f\x7f-\x9f]",
                    found["text"])
    ok(odd is None, name + ": no control and no bidi control", odd and repr(odd))
    return found["text"]


def hostile():
    bad = ("<script>window.pwned=1</script><img src=x onerror=window.pwned=1>\" onload='window.pwned=1' "
           "</style></title><svg onload=window.pwned=1><a href=javascript:window.pwned=1>&lt;&#60; ]]>--> "
           "\u202egnp.\u2066\u200f\x1b[31m \xad{{7*7}}").encode() + b"\xff\xfe\xc0\xaf\x80"
    date = b"Mon, 2 Nov 2026 10:00:00 +0000"

    def received(host, by):
        return (b"Received: from " + host + bad.replace(b" ", b"") + b".example.net (" + bad.replace(b"(", b"")
                .replace(b")", b"") + b" [192.0.2.1]) by " + by + bad.replace(b" ", b"") + b".example.org with "
                b"ESMTPS (version=" + bad.replace(b" ", b"") + b" cipher=" + bad.replace(b" ", b"")
                + b" bits=1/1) id " + bad + b" for <" + bad + b">; " + date + b"\n")
    return (received(b"a", b"b") + b"Message-ID: <" + bad + b">\n"
            b"Content-Type: multipart/report; boundary=x\n\n--x\nContent-Type: message/delivery-status\n\n"
            b"Reporting-MTA: dns; " + bad + b"\nOriginal-Envelope-Id: " + bad + b"\nArrival-Date: " + bad
            + b"\n\nFinal-Recipient: rfc822; " + bad + b"\nOriginal-Recipient: rfc822; b" + bad + b"\nAction: "
            + bad + b"\nStatus: " + bad + b"\nRemote-MTA: dns; " + bad + b"\nDiagnostic-Code: smtp; " + bad
            + b"\nSMTP-Security-Latch: " + bad + b"\n\n--x\nContent-Type: text/rfc822-headers\n\nMessage-ID: <"
            + bad + b">\n" + received(b"d", b"e") + received(b"f", b"g")
            + b"Received: from " + b"<b>" * 350000 + b" by h.example.org with ESMTP; " + date + b"\n"
            + b"\n--x--\n")


CLAIMS = b"""Received: from relay.example.net (relay.example.net [192.0.2.3]) by mx.example.org with ESMTPS
\t(version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256/256); Mon, 2 Nov 2026 10:00:03 +0000
Received: from a.example.com (a.example.com [192.0.2.2]) by b.example.co.uk (Postfix) with SMTP id 1;
\tMon, 2 Nov 2026 10:00:02 +0000
Received: from c.example.com by a.example.com with ESMTPS id 2; Mon, 2 Nov 2026 10:00:01 +0000
Received: by c.example.com (Postfix, from userid 1000) id 3; Mon, 2 Nov 2026 10:00:00 +0000

x
"""

def fifteen():
    """The hops that are wanted, for check_geometry(), and the message."""
    hosts = ["laptop.local", "submission.mail.verwaltung.stadt-m\u00fcnchen.example",
             "mx-out-01.very-long-name-of-a-relay-in-the-eu-central-1-zone-b.compute.provider.example.com",
             "filter.example.org", "q7.example.org", "archive.example.org", "out.example.org",
             "listserv.uni-heidelberg.de", "relay1.uni-heidelberg.de", "mx.example.tw", "mx.\u4f8b\u3048.jp",
             "gw.example.co.uk", "in.example.co.uk", "store3.example.co.uk", "lmtp.example.co.uk",
             "mbox.example.co.uk"]
    lanes = ["laptop.local", "xn--stadt-mnchen-jlb.example", "example.com"] + ["example.org"] * 4 \
        + ["uni-heidelberg.de"] * 2 + ["example.tw", "xn--r8jz45g.jp"] + ["example.co.uk"] * 5
    kinds = [("strong", "ESMTPS", "(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits) "
              "key-exchange X25519MLKEM768 server-signature RSA-PSS (2048 bits))"),
             ("strong", "ESMTPS", "(using TLSv1.2 with cipher ECDHE-RSA-CHACHA20-POLY1305 (256/256 bits))"),
             ("tls", "ESMTPS", ""), ("weak", "ESMTPS", "(using TLSv1 with cipher RC4-MD5 (128/128 bits))"),
             ("clear", "ESMTP", "")]
    wanted, fields = [], []
    for i in range(15):
        verdict, word, how = kinds[i % 5] if i < 14 else ("local", "LMTP", "")
        wanted.append((verdict, lanes[i], lanes[i + 1]))
        fields.insert(0, "Received: from %s (%s [2001:db8:1234:5678:9abc:def0:0:%d]) %s by %s with %s id A%d; Mon, "
                      "2 Nov 2026 10:%02d:00 +0000\n" % (hosts[i], hosts[i], i + 1, how, hosts[i + 1], word, i, i))
    return wanted, ("".join(fields) + "Message-ID: <fifteen@example.org>\n\nx\n").encode()


work = tempfile.mkdtemp(prefix="browser.")
browser = None
try:
    for tool in "chromium", "chromedriver":
        if shutil.which(tool) is None:
            skip_all(tool + " is not installed")
    fetched = subprocess.run(["sh", os.path.join(root, "tests/browser/fetch"), "-n"],
                             capture_output=True, text=True, check=False)
    if fetched.returncode != 0:
        skip_all(fetched.stderr.strip())
    with open(os.path.join(fetched.stdout.strip(), "axe.min.js"), encoding="utf-8") as source:
        axe = source.read()
    browser = Browser(work)
    os.chdir(root)

    # The two checks below can fail: a page that asks for something, and one that may not.
    control = os.path.join(work, "control.html")
    with open(control, "w", encoding="utf-8") as out:
        out.write("<!DOCTYPE html><img src='file:///nonexistent.png'>")
    browser.open("file://" + control)
    ok(browser.hears(browser.requests, lambda url: url == "file:///nonexistent.png"), "control: a request is seen")
    with open(control, "w", encoding="utf-8") as out:
        out.write("<!DOCTYPE html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
                  "<img src='file:///nonexistent.png'>")
    browser.open("file://" + control)
    ok(browser.hears(browser.console, lambda entry: "Content Security Policy" in entry["message"]),
       "control: and so is one that the policy refused")

    # One message: the sample.
    sample = page("sample.html", "contrib/sample-success.eml")
    url = "file://" + sample
    browser.open(url)
    check_quiet(browser, url, "sample")
    ok("1 of 4 hops over a network is recorded as not encrypted" in check_text_only(browser, "sample"),
       "sample: says it in a sentence")
    g = check_geometry(browser, "sample", ["", "example.org", "example.net"], [
        ("strong", "", "example.org"), ("strong", "example.org", "example.org"),
        ("strong", "example.org", "example.net"), ("clear", "example.net", "example.net")])
    ok(g["end"] == "delivered", "sample: the end that the report tells of", g["end"])
    ok([h["label"][1] for h in g["hops"]][:3] == [
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_AES_256_GCM_SHA384"] and "x25519" in g["hops"][2]["label"][2]
       and "TLSv1.2" in g["hops"][1]["label"][0] and "+2 s" in g["hops"][1]["label"][0],
       "sample: version, suite, group and delay stand at the arrow", [h["label"] for h in g["hops"]])
    raw = browser.run("return [...document.querySelectorAll('tr.raw pre')].map(e => e.textContent)")
    ok("from [192.0.2.10] (helo=laptop.example.org)\n\tby mail.example.org" in raw[0] and len(raw) == 9,
       "sample: the field behind each hop, as it is folded", raw[:1])
    groups = browser.run("return [...document.querySelectorAll('pre')].map(e => e.textContent).filter(t =>"
                         "/^(Reporting-MTA|Final-Recipient)/.test(t))")
    ok(groups == ["Reporting-MTA: dns; store.example.net\nOriginal-Envelope-Id: sample-1\n"
                  "X-Postfix-Queue-ID: BF142AC\nX-Postfix-Sender: rfc822; alice@example.org\n"
                  "Arrival-Date: Mon,  2 Nov 2026 09:15:06 +0000 (UTC)",
                  "Final-Recipient: rfc822; bob@example.net\nOriginal-Recipient: rfc822;bob@example.net\n"
                  "Action: delivered\nStatus: 2.0.0\nDiagnostic-Code: X-Postfix; delivery via virtual: "
                  "delivered to maildir"], "sample: the fields of the report and of the recipient as they stand", groups)
    check_axe(browser, "sample")

    # On paper there is nothing to open: all is shown.
    heights = ("return [...document.querySelectorAll('pre, tr.raw p, details table')].map("
               "e => e.checkVisibility({ contentVisibilityAuto: true }) ? e.getBoundingClientRect().height : 0)")
    screen = browser.run(heights)
    browser.devtools("Emulation.setEmulatedMedia", media="print")
    browser.run_async("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")
    paper = browser.run(heights)
    wide = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
    browser.devtools("Emulation.setEmulatedMedia", media="")
    ok(len(paper) == len(screen) > 15 and min(paper) > 10 and sum(h == 0 for h in screen) > 10,
       "print: fields, flags and the way back are shown without being opened", (screen, paper))
    ok(wide[0] <= wide[1], "print: nothing stands out at the side", wide)
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    check_axe(browser, "sample, all opened")
    pdf = browser.devtools("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)
    ok(base64.b64decode(pdf["data"]).startswith(b"%PDF-"), "sample: it can be printed")
    browser.devtools("Emulation.setDeviceMetricsOverride", width=390, height=800, deviceScaleFactor=2,
                     mobile=True)
    narrow = browser.run(r"""return [...document.querySelectorAll('table.cards')].map(t => ({
        fits: t.scrollWidth <= t.parentElement.clientWidth,
        labels: [...t.querySelectorAll('tbody tr:first-child td[data-label]')].map(
            c => getComputedStyle(c, '::before').content) }))""")
    ok(len(narrow) == 3 and all(t["fits"] for t in narrow) and '"Verdict"' in narrow[0]["labels"],
       "sample: on a narrow screen a hop is a list, and nothing of it is out of sight", narrow)
    ok(browser.run("return document.documentElement.scrollWidth <= innerWidth"),
       "sample: on a narrow screen the page itself does not scroll sideways",
       browser.run("return [document.documentElement.scrollWidth, innerWidth]"))
    browser.devtools("Emulation.clearDeviceMetricsOverride")

    # Claims, a gap, an unknown, a public suffix of two labels.
    claims = page("claims.html", "--trust", "example.org", "-", data=CLAIMS)
    url = "file://" + claims
    browser.open(url)
    check_quiet(browser, url, "claims")
    g = check_geometry(browser, "claims", ["example.com", "example.co.uk", "example.net", "example.org"], [
        ("local", "example.com", "example.com"), ("tls", "example.com", "example.com"),
        ("clear", "example.com", "example.co.uk"), ("strong", "example.net", "example.org")])
    ok(g["gaps"] == 1, "claims: the gap is drawn as one", g["gaps"])
    ok([h["claim"] for h in g["hops"]] == [True, True, True, False], "claims: what is only claimed has a "
       "broken ring", [h["claim"] for h in g["hops"]])
    ok(all("only a claim" in h["label"][2] for h in g["hops"][:3]) and "claim" not in g["hops"][3]["label"][2],
       "claims: and the words for it")
    ok(len({h["dashes"] for h in g["hops"]}) == 4, "claims: four verdicts have four lines",
       [h["dashes"] for h in g["hops"]])
    check_axe(browser, "claims")

    # Fifteen hops through eight domains, long names, another script.
    wanted, chain = fifteen()
    made = page("fifteen.html", "--trust", "example.co.uk", "-", data=chain)
    url = "file://" + made
    browser.open(url)
    check_quiet(browser, url, "fifteen")
    check_text_only(browser, "fifteen")
    g = check_geometry(browser, "fifteen", ["laptop.local", "xn--stadt-mnchen-jlb.example", "example.com",
                       "example.org", "uni-heidelberg.de", "example.tw", "xn--r8jz45g.jp", "example.co.uk"],
                       wanted, slim=True)
    heads = browser.run("return [...document.querySelectorAll('g.lane text')].map(e => e.lastChild.textContent)")
    ok(heads[1] == "stadt-m\u00fcnchen.example" and heads[6] == "\u4f8b\u3048.jp",
       "fifteen: a domain is written as its hosts write it", heads)
    ok(all(h["name"].endswith(n) for h, n in zip(g["hosts"][1:3], ("m\u00fcnchen.example", "example.com"))),
       "fifteen: of a long name the end stays", [h["name"] for h in g["hosts"]])
    ok(browser.run("return [...document.querySelectorAll('.scroll')].every(e => e.scrollWidth <= e.clientWidth)"),
       "fifteen: nothing has to be scrolled to")
    check_axe(browser, "fifteen")

    # Hostile headers.
    made = page("hostile.html", "-", data=hostile())
    url = "file://" + made
    browser.open(url)
    check_quiet(browser, url, "hostile")
    text = check_text_only(browser, "hostile")
    ok("<script>window.pwned=1</script><img" in text and "</style></title>" in text, "hostile: it stays text")
    ok("U+202E" in text and "U+001B" in text and "0xFF" in text, "hostile: what is hidden is named")
    ok("<b><b><b>" in text, "hostile: a field of 1 MiB is there")
    check_axe(browser, "hostile")

    # Many messages: the overview, its chart, and links that lead to the messages.
    boxed = b"".join(b"From x Mon Nov  2 10:00:00 2026\n" + m + b"\n" for m in (
        open("contrib/sample-success.eml", "rb").read(), CLAIMS, CLAIMS.replace(b"Nov 2026", b"Dec 2026"), hostile()))
    made = page("many.html", "-", data=boxed)
    url = "file://" + made
    browser.open(url)
    check_quiet(browser, url, "many")
    check_text_only(browser, "many")
    check_axe(browser, "many")
    bars = browser.run(r"""return [...document.querySelectorAll('svg.bars g.bar[data-time]')].map(g => ({
        time: g.dataset.time, title: g.querySelector('title').textContent,
        parts: [...g.querySelectorAll('rect')].map(r => ({ verdict: r.getAttribute('class'), x: r.getBBox().x,
            y: r.getBBox().y, h: r.getBBox().height, fill: getComputedStyle(r).fill })) }))""")
    ok([b["time"] for b in bars] == ["2026-11", "2026-12"], "many: a bar a month", bars)
    ok(bars[0]["title"].startswith("2026-11: strong 4 tls 1 ") and "clear 2" in bars[0]["title"],
       "many: a bar tells its figures", bars[0]["title"])
    ok(all(abs(a["y"] - b["y"] - b["h"]) < 0.1 and a["x"] == b["x"] for bar in bars
           for a, b in zip(bar["parts"], bar["parts"][1:])), "many: the parts of a bar stand on each other")
    ok(len({p["fill"] for bar in bars for p in bar["parts"]})
       == len({p["verdict"] for bar in bars for p in bar["parts"]})
       and all("url(" in p["fill"] for bar in bars for p in bar["parts"] if p["verdict"] in ("clear", "tls")),
       "many: verdicts differ by pattern, not by colour alone")
    found = browser.run(r"""const rows = id => [...document.querySelectorAll('[aria-labelledby="' + id + '"] tbody tr')].map(
        r => [...r.children].map(c => c.textContent.trim()));
        return { worst: rows('worst'), pair: rows('pair'), h1: document.querySelector('h1').textContent,
            messages: document.querySelectorAll('article').length,
            links: [...document.querySelectorAll('main a')].map(a => document.querySelector(a.hash) !== null) };""")
    ok(found["h1"] == "How 4 messages travelled" and found["messages"] == 4, "many: all four are there", found)
    ok([r[0] for r in found["worst"]] == ["clear"] * 3 + ["unknown"], "many: the worst paths", found["worst"])
    ok(["example.com", "example.co.uk", "2", "-", "2", "100.0 %"] in [r[:6] for r in found["pair"]],
       "many: the pair of domains with clear hops", found["pair"])
    ok(len(found["links"]) > 10 and all(found["links"]), "many: every link leads to a message")
    parts = browser.run(r"""
        const rows = box => box === null ? null : [...box.querySelectorAll('tbody tr')].map(r => ({
            head: r.children[0].textContent.trim(), cells: [...r.children].slice(1).map(c => c.textContent.trim()),
            leads: [...r.querySelectorAll('a')].filter(a => document.querySelector(a.hash).localName === 'article').length }));
        const of = id => rows(document.querySelector('[aria-labelledby="' + id + '"]'));
        return { totals: rows(document.querySelector('[aria-label="Totals by verdict"]')),
            time: rows(document.querySelector('[aria-label="Hops over time"]')), worst: of('worst'), pair: of('pair'),
            version: of('version'), suite: of('suite'), group: of('group'), why: of('why'), flag: of('flag'),
            numbers: [...document.querySelectorAll('ul.totals li')].map(e => e.textContent),
            nav: [...document.querySelectorAll('nav a')].map(a => document.querySelector(a.hash) !== null) };""")
    ok(parts["numbers"][0] == "4messages" and parts["numbers"][3] == "15hops", "many: totals", parts["numbers"])
    ok([r["head"] for r in parts["totals"]] == ["strong", "tls", "unknown", "weak", "clear", "local"]
       and {r["head"]: r["cells"][2] for r in parts["totals"]}["clear"] == "3"
       and all(r["leads"] == (r["cells"][0] != "-") for r in parts["totals"]),
       "many: each verdict with its paths and hops, and a message that shows it", parts["totals"])
    ok([r["head"] for r in parts["time"]] == ["2026-11", "2026-12"] and parts["time"][0]["cells"][:5]
       == ["4", "1", "2", "-", "2"], "many: the figures of the chart", parts["time"])
    ok({"TLSv1.3": "2", "TLSv1.2": "3"}.items() <= {r["head"]: r["cells"][0] for r in parts["version"]}.items(),
       "many: versions", parts["version"])
    ok(any(r["head"] == "TLS_AES_256_GCM_SHA384" and r["cells"][0] == "1" for r in parts["suite"])
       and any(r["head"] == "x25519" for r in parts["group"]), "many: suites and groups", parts["suite"])
    ok(any(r["head"].startswith("gap") for r in parts["why"]) and any(r["head"].startswith("gap") for r in parts["flag"]),
       "many: what is missing, and what is odd", (parts["why"], parts["flag"]))
    for part in "time", "worst", "pair", "version", "suite", "group", "why", "flag":
        ok(parts[part] and all(r["leads"] == 1 for r in parts[part]), "many: each line of %s leads to a message" % part,
           parts[part])
    ok(len(parts["nav"]) == 10 and all(parts["nav"]), "many: and the list at the top to its parts", parts["nav"])

    # One clear message at the end of many others is still on the page.
    strong = b"From x Mon Nov  2 10:00:00 2026\n" + CLAIMS.split(b"Received: from a.example.com")[0] + b"\nx\n\n"
    clear = b"From x Mon Nov  2 10:00:00 2026\nReceived: from a.example.com by b.example.org with HTTPX; " \
        b"Mon, 2 Nov 2026 10:00:00 +0000\nMessage-ID: <last@example.org>\n\nx\n\n"
    browser.open("file://" + page("first.html", "-", data=strong * 700 + clear))
    found = browser.run("""return [...document.querySelectorAll('[aria-label="Totals by verdict"] tbody a')].map(
        a => [a.hash, document.querySelector(a.hash) !== null])""")
    ok(found == [["#m1", True], ["#m701", True]], "many: the first of each verdict is shown in full", found)

    # Over HTTP, so that a request would be seen by a server too.
    asked = []

    class Server(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *args):
            pass
    served = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), lambda *a: Server(*a, directory=work))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/sample.html" % served.server_address[1]
    browser.open(url)
    check_quiet(browser, url, "over HTTP")
    ok(asked == ["/sample.html"], "over HTTP: the server was asked once", asked)
    served.shutdown()
    served.server_close()

    # Mermaid reads its own language.
    shutil.copy(os.path.join(fetched.stdout.strip(), "mermaid.min.js"), work)
    blank = os.path.join(work, "blank.html")
    with open(blank, "w", encoding="utf-8") as out:
        out.write("<!DOCTYPE html><meta charset=utf-8><title>x</title><body><script src=mermaid.min.js></script></body>")
    browser.open("file://" + blank)
    for name, data, hops in ("sample", None, 4), ("claims", CLAIMS, 4), ("hostile", hostile(), 3):
        run = subprocess.run([deeptrace, "-f", "mermaid", "-" if data else "contrib/sample-success.eml"],
                             input=data, stdout=subprocess.PIPE, check=False)
        answer = browser.run_async("""
            const [text, id, done] = arguments;
            mermaid.initialize({ startOnLoad: false });
            mermaid.parse(text).then(() => mermaid.render(id, text)).then(r => {
                document.body.innerHTML = r.svg;
                done({ labels: document.querySelectorAll('.edgeLabels .edgeLabel .edgeLabel').length ||
                    document.querySelectorAll('.edgeLabel foreignObject').length,
                    edges: document.querySelectorAll('.edgePaths path').length,
                    text: document.body.textContent, pwned: window.pwned !== undefined });
            }, e => done(String(e)));""", run.stdout.decode(), name)
        ok(isinstance(answer, dict) and answer["edges"] >= hops and not answer["pwned"],
           "mermaid: %s is read and drawn, an edge a hop" % name, json.dumps(answer)[:1500])
        if name == "hostile":
            ok("<script>window.pwned=1</script>" in answer["text"], "mermaid: what is hostile stays text",
               answer["text"][:500])
finally:
    if browser is not None:
        browser.close()
    shutil.rmtree(work, ignore_errors=True)
done()
