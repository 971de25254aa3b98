# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
lab.py: what the end-to-end tests stand on.  A test in Python imports it, calls
lab.main() and gets a Lab: a root of unpacked Debian packages to chroot into (the
"jail"), a network of its own with a second namespace beside it (the "world") where
scripted SMTP servers and an attacker live, DNS with DNSSEC, and certificates.

Nothing leaves the namespaces, and all that was started ends with them.  Needs root;
without it, or without the root in the cache, the test is skipped with a reason.
"""
import bisect
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
PATIENCE = 60           # seconds until something that should happen is given up
INSIDE = "10.9.0.1"     # the MTA under test; the world has .11 to .99
INSIDE6 = "fd09::1"     # the world: fd09::11 to fd09::99
WORLD = range(11, 100)
DNS_PORT = 5353         # of nsd; unbound is at 53
ZONES = {"lab.test": "signed", "plain.test": "plain", "bogus.test": "bogus",
    "0.9.10.in-addr.arpa": "plain",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.9.0.d.f.ip6.arpa": "plain"}
USERS = (("root", 0), ("daemon", 1), ("mail", 8), ("nobody", 65534), ("postfix", 101),
    ("Debian-exim", 102), ("opensmtpd", 103), ("opensmtpq", 104), ("alice", 1001),
    ("bob", 1002))
GROUPS = USERS[:3] + (("nogroup", 65534),) + USERS[4:] + (("postdrop", 105),)

# TAP.

count = failed = 0


def diag(text):
    for line in str(text).rstrip("\n").split("\n"):
        print("#", line.expandtabs(8), flush=True)


def ok(condition, what, *wrong):
    """One check; "wrong" is shown where it fails."""
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if condition else "not ", count, what), flush=True)
    if not condition:
        failed += 1
        for text in wrong:
            diag(text)
    return condition


def same(got, expected, what, *wrong):
    return ok(got == expected, what, "got: %r" % (got,), "expected: %r" % (expected,),
        *wrong)


def skip(why, what="the rest"):
    global count
    count += 1
    print("ok %d - %s # SKIP %s" % (count, what, why), flush=True)


def done():
    """The plan; answers the exit status."""
    print("1..%d" % count, flush=True)
    return 1 if failed or not count else 0


# Waiting: always for something, never longer than said.

def wait(condition, seconds=PATIENCE, pause=0.02):
    """What condition() answers as soon as that is true, or its last answer."""
    end = time.monotonic() + seconds
    while True:
        answer = condition()
        if answer or time.monotonic() > end:
            return answer
        time.sleep(pause)


def read(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def command(*words, **more):
    """On this host, not in the jail; raises where it fails, with what it said."""
    got = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, **more)
    if got.returncode:
        raise RuntimeError("%s: status %d\n%s" % (" ".join(words), got.returncode,
            got.stdout.decode(errors="replace")))
    return got.stdout.decode(errors="replace")


# From outside into the namespaces.

def skip_all(why):
    print("1..0 # SKIP " + " ".join(str(why).split()))
    sys.exit(0)


def main(test, roots=("bookworm",), hostname="mta.lab.test"):
    """
    Runs test(lab) once for each root, side by side, each in namespaces of its own,
    prints TAP and ends the program.  A root that the cache does not have is skipped.
    DEEP_LAB_ROOTS="NAME ..." runs it in these only; DEEP_LAB_KEEP=folder keeps the logs.
    """
    if os.environ.get("DEEP_LAB_INSIDE"):
        sys.exit(inside(test, hostname))
    if os.geteuid():
        skip_all("needs root: the servers run as several users")
    for tool in "unshare", "mount", "ip", "nsenter", "chroot", "openssl":
        if not shutil.which(tool):
            skip_all(tool + " is missing")
    folders, missing = {}, {}
    for name in os.environ.get("DEEP_LAB_ROOTS", "").split() or roots:
        try:
            folders[name] = command(HERE + "/fetch", "-n", name).strip()
        except RuntimeError as error:
            missing[name] = " ".join(str(error).split("\n", 1)[1].split())
    try:
        command("unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--fork",
            "true")
    except RuntimeError as error:
        skip_all(str(error).split("\n", 1)[1])
    if not folders:
        skip_all(" ".join(missing.values()))
    for number in signal.SIGTERM, signal.SIGHUP, signal.SIGINT:     # takes the rest along
        signal.signal(number, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="lab.") as above:
        os.chmod(above, 0o755)
        started = []
        try:
            for name, folder in folders.items():
                started.append(start_root(above + "/" + name, name, folder))
            for name, process, tap in started:
                status = process.wait()
                if not tell(tap) or status and not failed:
                    ok(False, "%s: the test came to its end" % name, "status %d" % status)
        finally:
            for _, process, _ in started:
                process.kill()
    for name, why in missing.items():
        skip(why, "all of " + name)
    sys.exit(done())


def start_root(work, name, folder):
    """The test in this root, as a process whose TAP goes into a file."""
    os.mkdir(work)
    with open(work + "/tap", "w") as tap:
        # A shell as process 1 buries whom the servers leave behind.
        return name, subprocess.Popen(("unshare", "--net", "--mount", "--uts", "--ipc",
            "--pid", "--mount-proc", "--fork", "--kill-child", "sh", "-c",
            '"$@"; exit $?', "lab", sys.executable) + tuple(sys.argv), stdout=tap,
            env=dict(os.environ, DEEP_LAB_INSIDE=json.dumps({"name": name,
            "folder": folder, "work": work}), PYTHONDONTWRITEBYTECODE="1")), work + "/tap"


def tell(tap):
    """Prints the TAP of a root with the numbers of the whole; was its plan there?"""
    global count, failed
    planned = False
    for line in read(tap).splitlines():
        check = re.match(r"(not )?ok \d+(.*)", line)
        if check:
            count += 1
            failed += bool(check.group(1))
            line = "%sok %d%s" % (check.group(1) or "", count, check.group(2))
        elif re.match(r"1\.\.\d", line):
            planned = True
            continue
        print(line, flush=True)
    return planned


def inside(test, hostname):
    place = json.loads(os.environ["DEEP_LAB_INSIDE"])
    lab = Lab(place["name"], place["folder"], place["work"], hostname)
    try:
        test(lab)
    except Exception:   # pylint: disable=broad-except
        import traceback
        ok(False, "%s: no exception" % place["name"], traceback.format_exc())
    if failed:
        lab.show_logs()
    keep = os.environ.get("DEEP_LAB_KEEP")
    if keep:
        lab.keep("%s/%s" % (keep, place["name"]))
    return done()


class Lab:
    """
    name            "bookworm", "trixie" ...
    jail            the folder of the root: write in it as you like, it goes
    work            a folder of this host, for the test's own files
    """
    def __init__(self, name, folder, work, hostname):
        self.name, self.folder, self.work = name, folder, work
        self.jail = work + "/root"
        self.processes = []
        self.records, self.zones, self.ttl = {}, dict(ZONES), 0
        self.certificates = {}
        self.peers = {}
        self.servers = ()
        self.log_lines, self.log_starts, self.log_end = [], [], 0
        self.world = None
        self.make_jail(hostname)
        self.make_network(hostname)

    # The jail.

    def make_jail(self, hostname):
        command("mount", "--make-rprivate", "/")
        memory = self.work + "/memory"
        for path in self.jail, memory:
            os.mkdir(path)
        command("mount", "-t", "tmpfs", "-o", "mode=755", "lab", memory)
        os.mkdir(memory + "/upper")
        os.mkdir(memory + "/below")
        command("mount", "-t", "overlay", "-o", "lowerdir=%s,upperdir=%s/upper,"
            "workdir=%s/below" % (self.folder, memory, memory), "lab", self.jail)
        command("mount", "-t", "proc", "proc", self.jail + "/proc")
        command("mount", "-t", "tmpfs", "-o", "mode=755", "dev", self.jail + "/dev")
        for name in "null", "zero", "full", "random", "urandom":
            open(self.jail + "/dev/" + name, "w").close()
            command("mount", "--bind", "/dev/" + name, self.jail + "/dev/" + name)
        os.symlink("/proc/self/fd", self.jail + "/dev/fd")
        os.makedirs(self.jail + "/dev/shm")
        os.chmod(self.jail + "/dev/shm", 0o1777)
        self.folder_of("/tmp", mode=0o1777)
        self.folder_of("/root", mode=0o700)
        self.write("/etc/passwd", "".join("%s:x:%d:%d::/:/bin/%s\n" % (user, number,
            dict(GROUPS).get(user, number), "false" if number else "sh")
            for user, number in USERS))
        self.write("/etc/group", "".join("%s:x:%d:\n" % group for group in GROUPS))
        self.write("/etc/services", "smtp 25/tcp mail\nsubmission 587/tcp\n"
            "submissions 465/tcp\n")
        self.write("/etc/nsswitch.conf", "passwd: files\ngroup: files\n"
            "hosts: files dns\nservices: files\n")
        self.write("/etc/hosts", "127.0.0.1 localhost\n%s %s %s\n" % (INSIDE, hostname,
            hostname.split(".")[0]))
        self.write("/etc/hostname", hostname + "\n")
        self.write("/etc/mailname", hostname + "\n")
        self.write("/etc/resolv.conf", "nameserver 127.0.0.1\n"
            "options trust-ad edns0 timeout:2 attempts:2\n")
        for path, user, group, mode in (
            ("/var/log", 0, 0, 0o755), ("/var/tmp", 0, 0, 0o1777),
            ("/var/lib", 0, 0, 0o755), ("/var/mail", 0, 8, 0o1777),
            ("/var/log/exim4", 102, 102, 0o750), ("/var/spool/exim4", 102, 102, 0o750),
            ("/run/exim4", 102, 102, 0o755), ("/run/opensmtpd", 0, 0, 0o755),
            ("/var/lib/opensmtpd/empty", 0, 0, 0o755),
            ("/var/spool/smtpd", 0, 0, 0o711), ("/var/spool/smtpd/corrupt", 104, 0, 0o700),
            ("/var/spool/smtpd/incoming", 104, 0, 0o700),
            ("/var/spool/smtpd/purge", 104, 0, 0o700),
            ("/var/spool/smtpd/queue", 104, 0, 0o700),
            ("/var/spool/smtpd/temporary", 104, 0, 0o700),
            ("/var/spool/smtpd/offline", 0, 104, 0o770)):
            self.folder_of(path, user, group, mode)
        smtpctl = self.jail + "/usr/sbin/smtpctl"   # which asks for that
        if os.path.exists(smtpctl):
            os.chown(smtpctl, 0, dict(GROUPS)["opensmtpq"])
            os.chmod(smtpctl, 0o2755)
        if not os.path.lexists(self.jail + "/var/run"):
            os.symlink("/run", self.jail + "/var/run")
        # The jail's only authority.
        self.write("/etc/ssl/certs/ca-certificates.crt", read(self.ca()["certificate"]))

    def path(self, path):
        """Of a path in the jail, the path outside of it."""
        return self.jail + path

    def folder_of(self, path, user=0, group=0, mode=0o755):
        os.makedirs(self.jail + path, exist_ok=True)
        os.chown(self.jail + path, user, group)
        os.chmod(self.jail + path, mode)

    def write(self, path, text, mode=0o644, user=0, group=0):
        """A file in the jail, and the folders above it."""
        os.makedirs(os.path.dirname(self.jail + path), exist_ok=True)
        with open(self.jail + path, "wb" if isinstance(text, bytes) else "w") as file:
            file.write(text)
        os.chown(self.jail + path, user, group)
        os.chmod(self.jail + path, mode)
        return path

    def read(self, path):
        """Of a file in the jail; "" where there is none."""
        return read(self.jail + path)

    def install(self, source, path, mode=0o644, user=0, group=0):
        """A file of this host into the jail."""
        with open(source, "rb") as file:
            return self.write(path, file.read(), mode, user, group)

    def user(self, name, number, groups=()):
        """A further user of the jail, with a group of the same name and number."""
        with open(self.jail + "/etc/passwd", "a") as file:
            file.write("%s:x:%d:%d::/:/bin/false\n" % (name, number, number))
        lines = read(self.jail + "/etc/group").splitlines() + [
            "%s:x:%d:" % (name, number)]
        for at, line in enumerate(lines):
            if line.split(":")[0] in groups:
                lines[at] += ("" if line.endswith(":") else ",") + name
        self.write("/etc/group", "\n".join(lines) + "\n")

    def words(self, words, world=False, user=None):
        prefix = []
        if world:
            prefix = ["nsenter", "--net=/proc/%d/ns/net" % self.world.pid]
        prefix += ["chroot"] + (["--userspec=" + user] if user else []) + [self.jail]
        return prefix + [str(word) for word in words]

    def environment(self, env):
        return dict({"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
            "LC_ALL": "C", "TZ": "UTC0", "HOME": "/root"}, **(env or {}))

    def run(self, *words, input=None, env=None, user=None, world=False,
        seconds=3 * PATIENCE, check=False):
        """
        A command in the jail to its end.  Answers what subprocess.run() does, with
        .stdout and .stderr as text.  check: raises where its status is not 0.
        """
        got = subprocess.run(self.words(words, world, user), input=input if input is None
            or isinstance(input, bytes) else input.encode(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=self.environment(env), timeout=seconds,
            **({} if input is not None else {"stdin": subprocess.DEVNULL}))
        got.stdout = got.stdout.decode(errors="replace")
        got.stderr = got.stderr.decode(errors="replace")
        if check and got.returncode:
            raise RuntimeError("%s: status %d\n%s%s" % (" ".join(map(str, words)),
                got.returncode, got.stdout, got.stderr))
        return got

    def start(self, name, *words, env=None, user=None, world=False):
        """A server in the jail; what it says goes to /var/log/NAME.out."""
        with open(self.jail + "/var/log/%s.out" % name, "a") as log:
            process = subprocess.Popen(self.words(words, world, user),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=self.environment(env), start_new_session=True)
        process.name = name
        self.processes.append(process)
        return process

    def stop(self, process, how=signal.SIGTERM, seconds=10):
        """Ends it, by SIGKILL where it does not end in time; answers its status."""
        if process.poll() is None:
            process.send_signal(how)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait(seconds)
        if process in self.processes:
            self.processes.remove(process)
        return process.returncode

    def listens(self, address, port=25, seconds=PATIENCE, world=False):
        """Waits until something accepts connections there; raises where nothing does."""
        def here():
            try:
                socket.create_connection((address, port), 2).close()
                return True
            except OSError:
                return False

        def there():
            return not subprocess.call(("nsenter", "--net=/proc/%d/ns/net" %
                self.world.pid, sys.executable, "-c", "import socket, sys\n"
                "socket.create_connection((sys.argv[1], int(sys.argv[2])), 2).close()",
                address, str(port)), stderr=subprocess.DEVNULL)
        if not wait(there if world else here, seconds):
            raise RuntimeError("nothing listens at %s port %d" % (address, port))

    def falls_silent(self, port=25, seconds=PATIENCE):
        """
        Waits until nothing listens at the port, at any address of the jail: a child of a
        server that was stopped may hold its socket for a moment, and the next cannot bind.
        """
        def silent():
            return not [line for name in ("tcp", "tcp6") for line in
                read("/proc/self/net/" + name).splitlines()[1:] if line.split()[3] == "0A" and
                line.split()[1].endswith(":%04X" % port)]
        if not wait(silent, seconds):
            raise RuntimeError("something still listens at port %d" % port)

    # This project, built for the jail.

    def build(self, *options, install=True):
        """
        Configures (with these options) and makes this tree within the root, out of
        tree and only what has changed; it is then at /deep, and, unless install is
        false, installed with --prefix=/usr, --sysconfdir=/etc, --localstatedir=/var.
        Roots that stand on one Debian share a build: what lies above its compiler and
        its libraries is servers alone.
        """
        below = self.folder.split(":")[-2:]
        key = hashlib.sha256("\0".join([TOP] + below + list(options)).encode())
        build = "%s/build-%s-%s" % (os.path.dirname(below[0]),
            os.path.basename(below[-1]).split("-")[0], key.hexdigest()[:12])
        os.makedirs(build, exist_ok=True)
        self.forget_builds(os.path.dirname(build))
        with open(build + "/of", "w") as file:
            file.write(TOP)
        os.makedirs(self.jail + "/deep", exist_ok=True)
        command("mount", "--bind", build, self.jail + "/deep")
        with open(build + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.copy_sources(build)
            words = ("./configure", "-q", "--prefix=/usr", "--sysconfdir=/etc",
                "--localstatedir=/var") + options
            if self.read("/deep/configured") != repr(words) or \
                not os.path.exists(build + "/Makefile"):
                self.in_build(*words)
                self.write("/deep/configured", repr(words))
            self.in_build("make", "-s", "-j%d" % (os.cpu_count() or 1), "all")
            if install:
                self.in_build("make", "-s", "install")
        if install:
            self.run("ldconfig")

    def forget_builds(self, cache):
        """Those of trees that are no more."""
        for name in os.listdir(cache):
            top = read("%s/%s/of" % (cache, name))
            if name.startswith("build-") and top and not os.path.isdir(top):
                shutil.rmtree("%s/%s" % (cache, name), ignore_errors=True)

    def in_build(self, *words):
        self.run("sh", "-c", 'cd /deep && exec "$@"', "sh", *words, seconds=600,
            check=True)

    def copy_sources(self, build):
        """What make needs, where it differs; what is gone here goes there too."""
        wanted = set()
        for place in ("configure", "Makefile.in", "shared", "modules", "analyzer",
            "contrib", "tests"):
            for folder, folders, names in os.walk(os.path.join(TOP, place)) if \
                os.path.isdir(os.path.join(TOP, place)) else ((TOP, [], [place]),):
                folders[:] = [one for one in folders if one not in ("lab", "seeds",
                    "__pycache__")]
                for name in names:
                    if not re.search(r"\.(o|d|t|pyc)$", name) and name + ".in" not in \
                        names and open(os.path.join(folder, name), "rb").read(4) != \
                        b"\x7fELF":
                        wanted.add(os.path.relpath(os.path.join(folder, name), TOP))
        for name in sorted(wanted):
            source, target = os.path.join(TOP, name), os.path.join(build, name)
            with open(source, "rb") as file:
                data = file.read()
            try:
                with open(target, "rb") as file:
                    if file.read() == data:
                        continue
            except OSError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(data)
            os.chmod(target, os.stat(source).st_mode & 0o777)
        for folder, folders, names in os.walk(build):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), build)
                if re.search(r"\.(c|h|in|map)$", name) and path not in wanted:
                    os.unlink(os.path.join(folder, name))

    # The network.

    def make_network(self, hostname):
        if ctypes.CDLL(None).sethostname(hostname.encode(), len(hostname)):
            raise OSError("sethostname")
        self.log_path = self.work + "/world.jsonl"
        open(self.log_path, "w").close()
        self.world = subprocess.Popen(("unshare", "--net", sys.executable,
            "-W", "ignore::DeprecationWarning", HERE + "/world.py", self.log_path), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, universal_newlines=True)
        own = os.readlink("/proc/self/ns/net")
        if not wait(lambda: os.readlink("/proc/%d/ns/net" % self.world.pid) != own):
            raise RuntimeError("no second network namespace")
        command("ip", "link", "set", "lo", "up")
        command("ip", "link", "add", "inside", "type", "veth", "peer", "name", "world",
            "netns", str(self.world.pid))
        batch = "address add %s/24 dev inside\naddress add %s/64 dev inside nodad\n" \
            "link set inside up\n" % (INSIDE, INSIDE6)
        subprocess.run(("ip", "-batch", "-"), input=batch.encode(), check=True)
        batch = "link set lo up\nlink set world up\n" + "".join("address add 10.9.0.%d/24 "
            "dev world\naddress add fd09::%d/64 dev world nodad\n" % (number, number)
            for number in WORLD)
        subprocess.run(("nsenter", "--net=/proc/%d/ns/net" % self.world.pid, "ip",
            "-batch", "-"), input=batch.encode(), check=True)

    # Certificates.

    def key(self, name="rsa"):
        """The path of a private key; "ec..." is P-256, any other name RSA 2048."""
        path = "%s/%s.key" % (self.work, name)
        if not os.path.exists(path):
            command(*("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out"
                if name.startswith("ec") else
                "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out").split(),
                path)
            os.chmod(path, 0o644)
        return path

    def ca(self, name="ca"):
        """An authority, as certificate() answers; the jail trusts the one named "ca"."""
        path = "%s/%s.pem" % (self.work, name)
        key = self.key("rsa-" + name)
        if not os.path.exists(path):
            command("openssl", "req", "-x509", "-new", "-key", key, "-sha256", "-days",
                "30", "-subj", "/CN=lab authority " + name, "-addext",
                "keyUsage=critical,keyCertSign,cRLSign", "-out", path)
        return {"certificate": path, "key": key, "leaf": path, "ca": path}

    def certificate(self, name, kind="valid", names=(), key="rsa"):
        """
        {"certificate": leaf and authority, "key", "leaf", "ca"}: paths on this host.
        kind: valid, expired, selfsigned, wrongname (for other.invalid), otherca.
        names: further DNS names of it, beside "name".
        """
        which = (name, kind, tuple(names), key)
        if which in self.certificates:
            return self.certificates[which]
        if kind not in ("valid", "expired", "selfsigned", "wrongname", "otherca"):
            raise ValueError("no such kind of certificate: " + kind)
        base = "%s/%s" % (self.work, hashlib.sha256(repr(which).encode()).hexdigest()[:16])
        ca = self.ca("otherca" if kind == "otherca" else "ca")
        if kind == "wrongname":
            name, names = "other.invalid", ()
        alternatives = ",".join("DNS:" + one for one in (name,) + tuple(names))
        with open(base + ".cnf", "w") as file:
            file.write("[ca]\ndefault_ca=d\n[d]\ndatabase=%s.db\nnew_certs_dir=%s\n"
                "rand_serial=yes\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
                "x509_extensions=x\n[p]\ncommonName=supplied\n[x]\n"
                "basicConstraints=CA:FALSE\nsubjectAltName=%s\n"
                "extendedKeyUsage=serverAuth,clientAuth\n" % (base, self.work,
                alternatives))
        open(base + ".db", "w").close()
        command("openssl", "req", "-new", "-key", self.key(key), "-subj",
            "/CN=" + name[:60], "-out", base + ".csr")
        now = time.time()
        begin, end = (now - 90 * 86400, now - 86400) if kind == "expired" else \
            (now - 86400, now + 30 * 86400)
        stamp = "%Y%m%d%H%M%SZ"
        signer = ["-selfsign", "-keyfile", self.key(key)] if kind == "selfsigned" else \
            ["-cert", ca["certificate"], "-keyfile", ca["key"]]
        command("openssl", "ca", "-batch", "-notext", "-config", base + ".cnf", "-in",
            base + ".csr", "-out", base + ".leaf", "-startdate",
            time.strftime(stamp, time.gmtime(begin)), "-enddate",
            time.strftime(stamp, time.gmtime(end)), *signer)
        with open(base + ".pem", "w") as file:
            file.write(read(base + ".leaf"))
            if kind != "selfsigned":
                file.write(read(ca["certificate"]))
        made = {"certificate": base + ".pem", "key": self.key(key), "leaf": base + ".leaf",
            "ca": ca["certificate"]}
        self.certificates[which] = made
        return made

    def tlsa(self, certificate, usage=3, selector=1, matching=1):
        """The text of a TLSA record: usage 3 (DANE-EE) of the leaf, 2 of its authority."""
        file = certificate["ca" if usage in (0, 2) else "leaf"]
        if selector == 1:
            words = ("sh", "-c", 'openssl x509 -in "$1" -noout -pubkey | '
                'openssl pkey -pubin -outform DER', "sh", file)
        else:
            words = ("openssl", "x509", "-in", file, "-outform", "DER")
        data = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
        if matching:
            data = hashlib.new({1: "sha256", 2: "sha512"}[matching], data).digest()
        return "%d %d %d %s" % (usage, selector, matching, data.hex())

    # DNS.

    def dns(self, records=None, zones=None):
        """
        Starts nsd and unbound, or starts them again with other records.  records:
        {"d1.lab.test": {"MX": "10 mx1.lab.test."}, "mx1.lab.test": {"A": [...]}};
        one value or a list of them.  It replaces all records that were there.
        zones: {name: kind} of more zones, kind "signed", "plain" or "bogus" (unsigned, with a trust
        anchor: every answer is SERVFAIL); there are lab.test, plain.test, bogus.test
        and the reverse zones of both networks.  All other names do not exist.
        Time to live is self.ttl, 0, and each call empties the cache.
        """
        if records is not None:
            self.records = {}
            self.add_records(records)
        self.zones.update(zones or {})
        zones = self.zones
        for server in self.servers:
            self.stop(server)
        self.folder_of("/etc/nsd/zones")
        self.folder_of("/var/lib/nsd")
        anchors = []
        for zone, kind in zones.items():
            self.write_zone(zone, zones)
            if kind in ("signed", "bogus"):
                anchors.append(self.sign(zone, kind))
        self.write("/etc/nsd/lab.conf", "server:\n\tip-address: 127.0.0.1@%d\n"
            "\tusername: \"\"\n\tchroot: \"\"\n\tzonesdir: \"/etc/nsd/zones\"\n"
            "\tdatabase: \"\"\n\tpidfile: \"\"\n\txfrdfile: \"\"\n\tzonelistfile: "
            "\"/var/lib/nsd/zones\"\n\txfrdir: \"/var/lib/nsd\"\n\tserver-count: 1\n"
            "remote-control:\n\tcontrol-enable: no\n" % DNS_PORT + "".join(
            "zone:\n\tname: %s\n\tzonefile: %s%s\n" % (zone, zone,
            ".signed" if kind == "signed" else "") for zone, kind in zones.items()))
        self.write("/etc/unbound/lab.conf", "server:\n\tinterface: 127.0.0.1\n"
            "\tinterface: %s\n\taccess-control: 10.9.0.0/24 allow\n\tusername: \"\"\n"
            "\tchroot: \"\"\n\tdirectory: \"\"\n\tpidfile: \"\"\n\tuse-syslog: no\n"
            "\tlogfile: \"\"\n\tdo-daemonize: no\n\tdo-not-query-localhost: no\n"
            "\ttrust-anchor-signaling: no\n\tmodule-config: "
            "\"validator iterator\"\n\tlocal-zone: \".\" static\n%s%s"
            "remote-control:\n\tcontrol-enable: no\n%s" % (INSIDE,
            "".join("\tlocal-zone: \"%s.\" transparent\n" % zone for zone in zones),
            "".join("\ttrust-anchor: \"%s\"\n" % anchor for anchor in anchors),
            "".join("stub-zone:\n\tname: \"%s\"\n\tstub-addr: 127.0.0.1@%d\n" % (zone,
            DNS_PORT) for zone in zones)))
        self.servers = (self.start("nsd", "nsd", "-d", "-c", "/etc/nsd/lab.conf"),
            self.start("unbound", "unbound", "-d", "-c", "/etc/unbound/lab.conf"))
        for port in DNS_PORT, 53:   # drill would wait 5 seconds for the one that is late
            self.listens("127.0.0.1", port)
        for zone in zones:
            if zones[zone] != "bogus" and not wait(lambda zone=zone: "\tSOA\t" in
                self.ask(zone, "SOA").stdout, pause=0.01):
                raise RuntimeError("no DNS for %s:\n%s%s" % (zone,
                    self.read("/var/log/nsd.out"), self.read("/var/log/unbound.out")))

    def add_records(self, records):
        """To those that are there; a type that is there is replaced, [] removes it."""
        for name, types in records.items():
            for kind, values in types.items():
                if isinstance(values, str):
                    values = [values]
                self.records.setdefault(name, {})[kind] = list(values)

    def ask(self, name, kind):
        """What "drill -D NAME TYPE" says, by way of unbound."""
        return self.run("drill", "-D", "@127.0.0.1", name, kind)

    def write_zone(self, zone, zones):
        lines = ["$ORIGIN %s." % zone, "$TTL %d" % self.ttl,
            "@ SOA ns.%s. root.%s. 1 3600 600 86400 0" % (zone, zone), "@ NS localhost."]
        for name, types in sorted(self.records.items()):
            name = name.rstrip(".")
            home = max((one for one in zones if name == one or name.endswith("." + one)),
                key=len, default=None)
            if home is None:
                raise ValueError("no zone for the name " + name)
            if home == zone:
                lines += ["%s. %s %s" % (name, kind, value)
                    for kind, values in types.items() for value in values]
        self.write("/etc/nsd/zones/" + zone, "\n".join(lines) + "\n")

    def sign(self, zone, kind):
        """Signs it; answers its trust anchor."""
        there = "/etc/nsd/keys/" + zone
        if not os.path.isdir(self.jail + there):
            self.folder_of(there)
            self.run("sh", "-c", 'cd "$1" && ldns-keygen -a ECDSAP256SHA256 -k "$2"',
                "sh", there, zone, check=True)
        names = [name for name in os.listdir(self.jail + there) if name.endswith(".key")]
        if kind == "signed":
            self.run("ldns-signzone", "-f", "/etc/nsd/zones/%s.signed" % zone,
                "/etc/nsd/zones/" + zone, "%s/%s" % (there, names[0][:-4]), check=True)
        return self.read("%s/%s" % (there, names[0])).split(";")[0].strip() \
            .replace("\t", " ")

    # The world.

    def order(self, address, port, profile):
        self.world.stdin.write(json.dumps({"address": address, "port": port,
            "profile": profile}) + "\n")
        self.world.stdin.flush()
        answer = self.world.stdout.readline().strip()
        if answer != "ok":
            raise RuntimeError("world: " + (answer or "it has died"))

    def peer(self, address, port=25, **profile):
        """
        An SMTP server at an address of the world, or the same one with another
        profile from its next connection on.  What is not given is as the table PEER
        in world.py says.  name: how it calls itself; certificate: a kind, or what
        certificate() answered.
        """
        profile.setdefault("name", "mx%s.lab.test" % address.rsplit(".", 1)[-1])
        made = profile.pop("certificate", "valid")
        if isinstance(made, str):
            made = self.certificate(profile["name"], made)
        profile["certificate"], profile["key"] = made["certificate"], made["key"]
        if profile.get("dh") is True:
            profile["dh"] = self.dh()
        self.order(address, port, profile)
        return made

    def middle(self, address, to, port=25, **profile):
        """
        An attacker at an address of the world before the peer at "to".  strip, inject:
        shares of the connections; how: "ehlo" or "454"; seed; see Middle in world.py.
        """
        self.order(address, port, dict(profile, to=to))

    def gone(self, address, port=25):
        """Nobody listens there any more."""
        self.order(address, port, None)

    def dh(self):
        path = self.work + "/dh.pem"
        if not os.path.exists(path):
            command("openssl", "genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt",
                "group:ffdhe2048", "-out", path)
        return path

    def mark(self):
        """Where the world's log is now, for events()."""
        return os.path.getsize(self.log_path)

    def events(self, since=0, event=None, **facts):
        """What happened in the world: dictionaries that have these facts."""
        with open(self.log_path, "rb") as file:     # only what is new is parsed
            file.seek(self.log_end)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.log_starts.append(self.log_end)
                self.log_lines.append(json.loads(line))
                self.log_end += len(line)
        return [line for line in self.log_lines[bisect.bisect_left(self.log_starts, since):]
            if (event is None or line["event"] == event) and
            all(line.get(key) == value for key, value in facts.items())]

    def wait_events(self, number=1, since=0, seconds=PATIENCE, event="message", **facts):
        """Waits for that many; answers those that there are."""
        wait(lambda: len(self.events(since, event, **facts)) >= number, seconds)
        return self.events(since, event, **facts)

    def verbs(self, since=0, **facts):
        """The commands that peers were given, as "EHLO" or, under TLS, "tls:EHLO"."""
        return [("tls:" if one["tls"] else "") + one["line"].split(" ")[0].upper()
            for one in self.events(since, "command", **facts)]

    # Logs.

    def logs(self):
        """The paths of all logs in the jail."""
        found = []
        for folder, _, names in os.walk(self.jail + "/var/log"):
            found += [os.path.join(folder, name) for name in names]
        return sorted(found)

    def show_logs(self, lines=40):
        """After a failure: the end of each log, for whoever reads the test's output."""
        for path in self.logs() + [self.log_path]:
            text = read(path).rstrip("\n").split("\n")
            if text == [""]:
                continue
            diag("---- the end of %s" % path.replace(self.jail, ""))
            for line in text[-lines:]:
                diag(line[:600])

    def keep(self, folder):
        os.makedirs(folder, exist_ok=True)
        for path in self.logs() + [self.log_path]:
            shutil.copyfile(path, folder + "/" + os.path.basename(path))
