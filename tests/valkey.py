#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
valkey: the shared store (draft 5.5) with Valkey in place of Redis, on Debian 13: the tests of
the store run with its server, and deeplatch speaks TLS to it, which Debian 12's hiredis
cannot.
"""
import os
import sys
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab")]
import lab
from lab import ok, same

SERVER = "/usr/bin/valkey-server"
PORT = 6390
EXPORT = """{"format":"deeplatch","version":1}
{"name":"a.example","service":"relay","exempt":0,"latches":{"tls10":{"first":%d,"confirmed":%d,\
"window":%d,"enforced":0,"contradicted":0,"confirmations":1,"contradictions":0,"in_window":1}},\
"hosts":[]}
"""


def unit_tests(it):
    """tests/store.c and tests/storeredis.c, built in the root, with Valkey."""
    for name in "store", "storeredis":
        it.run("make", "-s", "-C", "/deep", "tests/%s.t" % name, seconds=1200, check=True)
        got = it.run("/deep/tests/%s.t" % name, env={"DEEP_REDIS_SERVER": SERVER,
            "DEEP_TOP": "/deep"}, seconds=1200)
        lines = got.stdout.splitlines()
        bad = [line for line in lines if line.startswith("not ok") or
            "# skip no redis" in line.lower()]
        good = [line for line in lines if line.startswith("ok")]
        ok(got.returncode == 0 and not bad and len(good) > 100,
            "D5.5-1: %s.c with Valkey: %d checks" % (name, len(good)),
            "\n".join(bad + [got.stderr[-2000:]]))


def answers(it, *words):
    """What deeplatch says to this command."""
    return it.run("deeplatch", "-f", "/etc/deep.conf", *words)


def start(it, certificate):
    for what in "certificate", "key":
        with open(certificate[what], "rb") as file:
            it.write("/etc/valkey/" + what, file.read(), mode=0o600)
    server = it.start("valkey", SERVER, "--port", "0", "--tls-port", str(PORT), "--bind",
        "127.0.0.1", "--save", "", "--tls-cert-file", "/etc/valkey/certificate",
        "--tls-key-file", "/etc/valkey/key", "--tls-auth-clients", "no",
        "--tls-ca-cert-file", "/etc/ssl/certs/ca-certificates.crt", "--dir", "/tmp")
    it.listens("127.0.0.1", PORT)
    return server


def with_tls(it):
    """rediss:// with a certificate that is right, and with two that are not."""
    it.write("/etc/hosts", it.read("/etc/hosts") + "127.0.0.1 store.lab.test\n")
    it.write("/etc/deep.conf", "[store]\nurl = rediss://store.lab.test:%d\n"
        "shadow = /var/lib/deep/shadow.db\nnetwork = 20000\n" % PORT)
    server = start(it, it.certificate("store.lab.test", "valid"))
    got = answers(it, "init")
    same(got.returncode, 0, "rediss: init, with a certificate that is right")
    now = int(time.time()) - 60
    got = it.run("deeplatch", "-f", "/etc/deep.conf", "import", input=EXPORT % (now, now, now))
    same((got.returncode, got.stdout.strip()), (0, "took 1 name"), "rediss: import")
    got = it.run("valkey-cli", "--tls", "--cacert", "/etc/ssl/certs/ca-certificates.crt",
        "-h", "store.lab.test", "-p", str(PORT), "HEXISTS", "deep:relay:a.example", "l:tls10")
    same(got.stdout.strip(), "1", "rediss: it is in the server")
    got = answers(it, "verify")
    same((got.returncode, got.stderr), (0, ""), "rediss: verify")
    it.stop(server)

    got = answers(it, "verify")
    same(got.returncode, 69, "away: verify does not say that all is well")
    ok("is away" in got.stderr and "the records of the server were not" in got.stderr,
        "away: it says so", got.stderr)
    got = answers(it, "show", "a.example")
    ok(got.returncode == 0 and "tls10" in got.stdout and "is away" in got.stderr,
        "away: the shadow answers", got.stdout + got.stderr)

    for kind, name in ("selfsigned", "store.lab.test"), ("valid", "other.lab.test"):
        server = start(it, it.certificate(name, kind))
        got = answers(it, "reset", "--all", "--reason", "x", "a.example")
        ok(got.returncode == 69 and "certificate" in got.stderr,
            "rediss: not with a certificate that is %s, of %s" % (kind, name), got.stderr)
        it.stop(server)
    server = start(it, it.certificate("store.lab.test", "valid"))
    got = answers(it, "reset", "--all", "--reason", "x", "a.example")
    same(got.returncode, 0, "rediss: and with the right one again")
    it.stop(server)


def test(it):
    it.build()
    version = it.run(SERVER, "--version").stdout
    ok(version.startswith("Valkey server"), "Valkey: " + version.split(" sha")[0].strip())
    unit_tests(it)
    with_tls(it)


if __name__ == "__main__":
    lab.main(test, roots=("valkey",))
