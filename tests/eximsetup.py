#!/usr/bin/env python3
# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
eximsetup: deep-exim(8) in Debian's split and unsplit configuration and in a plain
one: it shows, asks, changes, is content the second time, checks, and undoes.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE + "/exim", HERE + "/lab"]
import lab
from lab import ok, same
from server import CONF, PARTS, ROOTS, wanted

ANSWERS = """dc_eximconfig_configtype='internet'
dc_other_hostnames='local.test'
dc_local_interfaces=''
dc_readhost=''
dc_relay_domains=''
dc_minimaldns='false'
dc_relay_nets=''
dc_smarthost=''
CFILEMODE='644'
dc_use_split_config='%s'
dc_hide_mailname=''
dc_mailname_in_oh='true'
dc_localdelivery='mail_spool'
"""
OWN = """
OWN_ACL = mine
acl_not_smtp=OWN_ACL
received_header_text = Received: mine
dns_dnssec_ok = 1
"""


def tree(it):
    """What is below /etc, with modes and owners."""
    return it.run("sh", "-c", "cd /etc; find exim4 deep.conf -type f -exec stat -c '%n %a %U' "
        "{} + -exec cksum {} + | sort").stdout


def round_trip(it, name, edited):
    it.run("sh", "-c", "rm -rf /var/lib/deep /var/lib/deep-exim")
    before = tree(it)
    got = it.run("deep-exim", "setup", "-n")
    same((got.returncode, tree(it)), (0, before), "%s: -n changes nothing" % name, got.stdout,
        got.stderr)
    for one in edited:
        ok("+++ " + one in got.stdout, "%s: the diff has %s" % (name, one))
    got = it.run("deep-exim", "setup")
    same((got.returncode, tree(it)), (64, before), "%s: nobody to ask, nothing changed" % name,
        got.stdout[-500:], got.stderr)
    got = it.run("deep-exim", "check")
    ok(got.returncode == 78 and "BAD   transport remote_smtp" in got.stdout and
        "BAD   router dnslookup" in got.stdout and "BAD   store" in got.stdout and
        "deep-exim setup puts them in" in got.stdout, "%s: check says what is missing" % name,
        got.stdout, got.stderr)
    got = it.run("deep-exim", "setup", "--yes")
    same(got.returncode, 0, "%s: set up" % name, got.stdout, got.stderr)
    after = tree(it)
    got = it.run("deep-exim", "check")
    ok(got.returncode == 0 and "store: Debian-exim can read it" in got.stdout,
        "%s: check is content with a store that has nothing yet" % name, got.stdout,
        got.stderr)
    got = it.run("deep-exim", "setup", "--yes")
    ok(got.returncode == 0 and "all is set up" in got.stdout and tree(it) == after,
        "%s: the second time nothing changes" % name, got.stdout, got.stderr)
    older(it, name, after)
    got = it.run("deep-exim", "check", "d1.lab.test")
    same((got.returncode, "BAD" in got.stdout), (0, False), "%s: check finds all in place" %
        name, got.stdout, got.stderr)
    ok("d1.lab.test holds: nothing" in got.stdout and "clear text would be taken" in
        got.stdout, "%s: and what a domain holds" % name, got.stdout)
    same(it.run("stat", "-c", "%U:%G %a", "/var/lib/deep", "/var/lib/deep/latches.db").stdout,
        "Debian-exim:Debian-exim 2770\nDebian-exim:Debian-exim 660\n", "%s: the store" % name)
    deliver(it, name)
    return before


def older(it, name, after):
    """By a version that was installed elsewhere, and had fewer pieces."""
    it.run("sh", "-c", "cp -R /usr/share/deep /usr/share/older; find /etc/exim4 "
        "/var/lib/deep-exim/after -type f -exec sed -i 's,^.include /usr/share/deep/,.include "
        "/usr/share/older/,; /exim-narrow.conf/d; /exim-names.conf/d; /^  host_all_ignored = "
        "pass/d; /^  pass_router = deep_hold/d' {} + -exec sed -i -z "
        "'s,\\ndeep_next_[a-z_]*:\\n[^\\n]*\\n\\ndeep_hold_[a-z_]*:\\n[^\\n]*nohost.conf\\n,,g' "
        "{} +; [ ! -f /etc/exim4/update-exim4.conf.conf ] || update-exim4.conf", check=True)
    ok(tree(it) != after, "%s: an older version's configuration" % name)
    got = it.run("deep-exim", "setup", "--yes")
    same((got.returncode, tree(it)), (0, after), "%s: is brought up to this one" % name,
        got.stdout, got.stderr)
    it.run("rm", "-r", "/usr/share/older")


def deliver(it, name):
    mark = it.mark()
    it.run("exim4", "-odf", "-f", "alice@local.test", "user@d1.lab.test", input="\nx\n",
        user="alice")
    same(len(it.events(mark, "message")), 1, "%s: a message goes out" % name,
        it.read("/var/log/exim4/mainlog"), it.read("/var/log/exim4/paniclog"))
    got = it.run("deep-exim", "check", "d1.lab.test")
    ok("d1.lab.test holds: tls10 tls11 tls12" in got.stdout and "required of it: nothing" in
        got.stdout, "%s: and is learnt from" % name, got.stdout)


def between(it, name, path):
    """What comes to a file between two set-ups, by hand or with a package, is kept."""
    it.run("deep-exim", "setup", "-y")
    text = it.read(path)
    mine = text.replace("begin retry", "# by hand\nbegin retry") if "begin retry" in text \
        else "# by hand\n" + text
    it.write(path, mine.replace(".include /usr/share/deep/exim-narrow.conf\n", ""))
    got = it.run("deep-exim", "setup", "-y")
    same((got.returncode, it.read(path)), (0, mine), "%s: a later set-up, of a file that was "
        "changed by hand" % name, got.stderr)
    got = it.run("deep-exim", "undo", "-n")
    same((got.returncode, it.read(path)), (0, mine), "%s: undo -n changes nothing" % name,
        got.stderr)
    got = it.run("deep-exim", "undo", "-y")
    own = it.read(path)
    ok(got.returncode == 0 and own.count("# by hand\n") == 1 and "share/deep" not in own,
        "%s: undo keeps what was changed between" % name, got.stdout, got.stderr)
    for again in False, True:
        it.run("deep-exim", "setup", "-y")
        it.write(path, own + "# of the package\n")
        if again:
            got = it.run("deep-exim", "setup", "-y")
            ok(got.returncode == 0 and "share/deep" in it.read(path),
                "%s: set up again after a package has brought its own" % name, got.stderr)
        got = it.run("deep-exim", "undo", "-y")
        same((got.returncode, it.read(path)), (0, own + "# of the package\n"),
            "%s: undo leaves what a package has brought%s" % (name, ", set up again" if again
            else ""), got.stderr)
    it.write(path, own.replace("# by hand\n", ""))
    it.run("cp", "-p", "-R", "/etc/exim4", "/etc/kept", check=True)
    it.run("deep-exim", "setup", "-y")
    it.run("sh", "-c", "rm -r /etc/exim4/*; mv /usr/sbin/update-exim4.conf /tmp", check=True)
    got = it.run("deep-exim", "undo", "-y")
    same((got.returncode, it.run("ls", "/etc/exim4").stdout), (0, ""), "%s: undo when Debian's "
        "packages are gone" % name, got.stderr)
    it.run("sh", "-c", "mv /etc/kept/* /etc/exim4; rmdir /etc/kept; mv /tmp/update-exim4.conf "
        "/usr/sbin; update-exim4.conf", check=True)


def undo(it, name, before):
    got = it.run("deep-exim", "undo", "-y", "-c", "/etc/exim4/other.conf")
    same(got.returncode, 66, "%s: undo: of a file that was not changed" % name, got.stderr)
    # also where Exim takes it no longer: somebody has removed the files before
    it.run("mv", "/usr/share/deep", "/usr/share/away", check=True)
    got = it.run("deep-exim", "check")
    ok(got.returncode == 78 and "exim-main.conf" in got.stderr and "undo" in got.stderr,
        "%s: check without the pieces: what to do" % name, got.stdout, got.stderr)
    got = it.run("deep-exim", "undo", "-y", "-c", "/etc/exim4/exim4.conf")
    it.run("mv", "/usr/share/away", "/usr/share/deep", check=True)
    same((got.returncode, tree(it)), (0, before), "%s: undo: as it was" % name, got.stdout,
        got.stderr)
    got = it.run("deep-exim", "undo", "-y")
    same(got.returncode, 66, "%s: nothing more to undo" % name, got.stderr)


def debian(it):
    it.install("/usr/bin/getopt", "/usr/bin/getopt", 0o755)     # update-exim4.conf's
    it.user("uucp", 10)
    it.user("adm", 4)
    it.folder_of("/var/lib/exim4")
    for split in "true", "false":
        name = "%s: %s" % (it.name, "split" if split == "true" else "unsplit")
        it.write("/etc/exim4/update-exim4.conf.conf", ANSWERS % split)
        it.write("/etc/deep.conf", "")
        it.run("sh", "-c", "rm -rf /var/lib/exim4/* /etc/exim4/exim4.conf /var/spool/exim4/*;"
            "update-exim4.conf.template --run --nobackup && update-exim4.conf", check=True)
        # 10.9.0.0/24 is private, which Debian's router ignores
        it.write("/etc/exim4/conf.d/main/000_lab" if split == "true" else "/tmp/none",
            "ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = <; 127.0.0.0/8\n")
        if split == "false":
            it.run("sed", "-i", "1iROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = <; 127.0.0.0/8",
                "/etc/exim4/exim4.conf.template", check=True)
        it.run("update-exim4.conf", check=True)
        conf = "/etc/exim4/conf.d/" if split == "true" else None
        before = round_trip(it, name, (conf + "main/00_deep", conf +
            "router/200_exim4-config_primary", conf + "transport/30_exim4-config_remote_smtp",
            conf + "acl/00_exim4-config_header") if conf else
            ("/etc/exim4/exim4.conf.template",))
        # a change by hand in between is kept
        path = conf + "router/200_exim4-config_primary" if conf else \
            "/etc/exim4/exim4.conf.template"
        text = it.read(path)
        it.write(path, text + "# by hand\n")
        it.run("cp", path, "/tmp/changed")
        got = it.run("deep-exim", "undo", "-y")
        ok(got.returncode == 0 and it.read(path).endswith("# by hand\n") and "DEEP_" not in
            it.read(path).replace("ROUTER_", ""), "%s: undo keeps a change by hand" % name,
            got.stdout[-800:], got.stderr)
        it.write(path, it.read(path)[:-len("# by hand\n")])
        same(tree(it), before, "%s: and nothing else is left" % name)
        if split == "true":
            it.write(path + ".dpkg-dist", text)
            got = it.run("deep-exim", "setup", "-n")
            ok("200_exim4-config_primary\n" in got.stdout and "dpkg-dist" not in got.stdout,
                "%s: what dpkg leaves beside it is none of it" % name, got.stdout)
            it.run("rm", path + ".dpkg-dist")
            path = conf + "transport/30_exim4-config_remote_smtp"
        between(it, name, path)
        same(tree(it), before, "%s: and nothing else is left of that" % name)
        if split == "false":
            it.write("/etc/exim4/exim4.conf.localmacros",
                "ROUTER_DNSLOOKUP_IGNORE_TARGET_HOSTS = 127.0.0.0/8\n")
            it.run("sed", "-i", "1d", path, check=True)
            got = it.run("deep-exim", "setup", "-n")
            ok("note: router dnslookup: the separator" in got.stdout and "TARGET_HOSTS ; DEEP"
                not in got.stdout, "%s: a macro that has another separator elsewhere" % name,
                got.stdout, got.stderr)
            it.run("rm", "/etc/exim4/exim4.conf.localmacros")
        if split == "true":
            it.run("deep-exim", "setup", "-y")
            it.run("sh", "-c", "echo nonsense >>/etc/exim4/conf.d/main/000_lab", check=True)
            got = it.run("deep-exim", "undo", "-y")
            ok(got.returncode == 70 and "latches are out" in got.stderr, "%s: undo with a "
                "fault elsewhere: what is left to do" % name, got.stderr)
            it.run("rm", "/etc/exim4/conf.d/main/000_lab")


def by_hand(it, name):
    """What setup does not edit: it says so, and what the manual says then works."""
    own = "  authenticated_sender = %srelay@lab.test\n  event_action = %s\n"
    check = "${dlfunc{DEEP_SO}{check}{$domain}{DEEP_SESSION}{DEEP_MESSAGE}{DEEP_NAMES}}"
    event = "${dlfunc{DEEP_SO}{event}{$event_name}{$domain}{DEEP_SESSION}{DEEP_MESSAGE}}"
    passed = "${dlfunc{DEEP_SO}{passed}{DEEP_SESSION}{DEEP_NAMES}}"
    it.write("/etc/exim4/included.conf", "partner:\n  driver = smtp\n")
    conf = CONF.replace("keep_environment =\n", "").replace("box:\n  driver",
        ".include /etc/exim4/included.conf\nbox:\n  driver")
    conf = conf.replace("0.0.0.0 : 127.0.0.0/8", '"<; 127.0.0.0/8"')
    parts = dict(PARTS, main="acl_not_smtp = ${if bool{yes}{mine}}",
        smtp="  # tls_require_ciphers, event_action: none\n")
    text = (conf % parts).replace("smarthost:\n  driver = smtp\n",
        "smarthost:\n  driver = smtp\n" + own % ("", "no"))
    it.write("/etc/exim4/exim4.conf", text)
    got = it.run("deep-exim", "setup", "-n")
    notes = [line for line in got.stdout.splitlines() if line.startswith("note: ")]
    same(([line.split(": ")[1] for line in notes], got.returncode),
        (["router dnslookup", "section transports", "transport smarthost", "acl_not_smtp"], 0),
        "%s: a note for each thing that is not edited" % name, got.stdout, got.stderr)
    ok(".include /usr/share/deep/exim-narrow.conf" in got.stdout, "%s: a comment is no option" %
        name, got.stdout)
    got = it.run("deep-exim", "check")
    ok("Exim version" in got.stdout.split("\n")[0], "%s: check with Exim's warning" % name,
        got.stdout)
    it.write("/etc/exim4/exim4.conf", text.replace(own % ("", "no"), "  multi_domain = false\n"
        "  hosts_noproxy_tls = %s\n" % passed + own % (check, event + "no")))
    got = it.run("deep-exim", "setup", "-y")
    ok(got.returncode == 0 and "transport smarthost" not in got.stdout,
        "%s: no note where both calls are there by hand" % name, got.stdout, got.stderr)
    got = it.run("deep-exim", "check")
    ok("ok    transport smarthost" in got.stdout and "BAD   transport partner" in got.stdout,
        "%s: and check is content with it, but not with what is included" % name, got.stdout)


def plain(it):
    name = it.name + ": plain"
    it.run("sh", "-c", "rm -rf /etc/exim4/conf.d /etc/exim4/update-exim4.conf.conf "
        "/var/spool/exim4/* /etc/exim4/exim4.conf.template")
    made = it.certificate("mta.lab.test")
    it.install(made["certificate"], "/etc/exim4/server.pem")
    it.install(made["key"], "/etc/exim4/server.key", 0o640, 0, 102)
    it.write("/etc/deep.conf", "")
    it.write("/etc/exim4/exim4.conf", CONF % PARTS)
    before = round_trip(it, name, ("/etc/exim4/exim4.conf",))
    undo(it, name, before)
    # what the administrator has himself stays
    text = CONF % dict(PARTS, main=OWN, smtp="  tls_require_ciphers = NORMAL\n  multi_domain")
    text = text.replace("begin acl\n", "begin acl\nmine:\n  accept\n")
    it.write("/etc/exim4/exim4.conf", text)
    got = it.run("deep-exim", "setup", "-y")
    ok(got.returncode == 0 and "note: transport remote_smtp: has tls_require_ciphers" in
        got.stdout, "%s: what is his own stays, with a note" % name, got.stdout, got.stderr)
    ok("transport smarthost" not in got.stdout and "acl_not_smtp" not in "".join(line for line
        in got.stdout.splitlines() if line.startswith("note")), "%s: and no other" % name,
        got.stdout)
    text = it.read("/etc/exim4/exim4.conf")
    ok("mine:\n.include /usr/share/deep/exim-dsnacl.conf" in text and "DEEP_KEEP_RECEIVED" in
        text and "DEEP_KEEP_DNSSEC" in text and "multi_domain" not in text,
        "%s: his ACL, his Received" % name, text)
    same(it.run("exim4", "-bV").returncode, 0, "%s: Exim takes it" % name)
    got = it.run("deep-exim", "check")
    same(got.returncode, 0, "%s: check is content" % name, got.stdout)
    it.write("/etc/exim4/exim4.conf", text.replace(".include /usr/share/deep/exim-dsnacl.conf",
        ""))
    got = it.run("deep-exim", "check")
    ok(got.returncode == 78 and "mine does not call dsn" in got.stdout, "%s: check finds an "
        "ACL without its statement" % name, got.stdout)
    by_hand(it, name)
    it.write("/etc/exim4/exim4.conf", text.replace("exim-transport.conf", "exim-dsn.conf", 1))
    ok(it.run("deep-exim", "check").returncode == 78, "%s: check finds a fault" % name)
    # a configuration that Exim does not take
    it.write("/etc/exim4/exim4.conf", "nonsense = 1\n" + CONF % PARTS)
    got = it.run("deep-exim", "setup", "-y")
    ok(got.returncode == 78 and "nonsense" in got.stderr, "%s: a broken one is left alone" %
        name, got.stderr)
    # exim4-daemon-light
    it.run("mv", "/usr/sbin/exim4", "/usr/sbin/heavy")
    it.write("/usr/sbin/exim4", "#!/bin/sh\n/usr/sbin/heavy \"$@\" | sed "
        "'s/Expand_dlfunc//'\n", 0o755)
    it.write("/etc/exim4/exim4.conf", CONF % PARTS)
    got = it.run("deep-exim", "setup", "-y")
    it.run("mv", "/usr/sbin/heavy", "/usr/sbin/exim4")
    ok(got.returncode == 69 and "exim4-daemon-heavy" in got.stderr,
        "%s: an Exim without dlfunc: the package is named" % name, got.stdout, got.stderr)
    it.run("sed", "s,^conf=.*,conf=/usr/local/etc/deep.conf,; w /tmp/elsewhere",
        "/usr/sbin/deep-exim", check=True)
    got = it.run("sh", "/tmp/elsewhere", "check")
    ok("/etc/deep.conf is not read: mv" in got.stdout, "%s: a deep.conf that is not where it "
        "is read" % name, got.stdout, got.stderr)
    for words, status in ((("--help",), 0), (("--version",), 0), ((), 64), (("nonsense",), 64),
        (("setup", "--nonsense"), 64), (("check", "-n"), 64), (("check", "-y"), 64)):
        same(it.run("deep-exim", *words).returncode, status, "%s: deep-exim %s" % (name,
            " ".join(words)))
    got = it.run("deep-exim", "check", "no such domain")
    ok(got.returncode == 64 and "no such domain" in got.stderr, "%s: no domain" % name,
        got.stdout, got.stderr)
    same(it.run("deep-exim", "setup", "-y", user="alice").returncode, 77, "%s: not root" %
        name)
    store(it, name)


def store(it, name):
    """One that is there, and cannot be read: it is not to be made."""
    got = it.run("deep-exim", "setup", "-n", user="alice")
    ok(got.returncode == 0 and "Permission denied" in got.stdout and "To be made" not in
        got.stdout, "%s: a store that only root can read" % name, got.stdout, got.stderr)
    before = tree(it)
    for what, said, do, undo in (
        ("a store that is none", "/var/lib/deep/latches.db: damaged", "mv /var/lib/deep "
            "/var/lib/away; mkdir /var/lib/deep; echo nonsense >/var/lib/deep/latches.db",
            "rm -r /var/lib/deep; mv /var/lib/away /var/lib/deep"),
        ("a bad deep.conf", "/etc/deep.conf:1", "echo nonsense = 1 >/etc/deep.conf",
            ": >/etc/deep.conf")):
        it.run("sh", "-c", do, check=True)
        got = it.run("deep-exim", "setup", "-y")
        checked = it.run("deep-exim", "check").stdout
        it.run("sh", "-c", undo, check=True)
        ok(got.returncode == 78 and said in got.stderr and "To be made" not in got.stdout and
            tree(it) == before, "%s: set up with %s: nothing is changed" % (name, what),
            got.stdout[-300:], got.stderr)
        where = "deep.conf" if "conf" in what else "store"
        ok("BAD   %s: %s" % (where, said) in checked and "ok    %s" % where not in checked,
            "%s: check with %s" % (name, what), checked)
    it.run("sh", "-c", "cd /usr/libexec/deep; mv deep-exim.so /tmp; head -c 20000 "
        "/tmp/deep-exim.so >deep-exim.so", check=True)
    got = it.run("deep-exim", "check")
    it.run("mv", "/tmp/deep-exim.so", "/usr/libexec/deep", check=True)
    ok(re.search("BAD .*deep-exim.so cannot be loaded: [a-z]", got.stdout), "%s: check with an "
        "object that is cut off" % name, got.stdout)


def libraries(program):
    return re.findall(r"/[^ ]*/libcap[^ ]*", lab.command("ldd", program))


def test(it):
    it.build()
    for path in ["/usr/bin/setpriv"] + libraries("/usr/bin/setpriv"):     # deep-exim check's
        if not os.path.exists(it.path(path)):
            it.install(path, path, 0o755)
    it.dns({"d1.lab.test": {"MX": "10 mx1.lab.test."}, "mx1.lab.test": {"A": "10.9.0.11"}})
    it.peer("10.9.0.11", name="mx1.lab.test")
    for name in wanted("debian plain", it, "plain"):
        globals()[name](it)


if __name__ == "__main__":
    lab.main(test, roots=ROOTS)
