# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
world.py LOG: all that is outside of the MTA under test, in one process: SMTP servers
that do what their profile says (a "peer"), and an attacker between the MTA and a
peer (a "middle").  Each address has one profile.  Reads lines of JSON from its
standard input, {"address": A, "port": P, "profile": {...} or null}, answers each
with a line, and writes what happens to LOG, a line of JSON an event.  lab.py starts
it and describes the profiles.
"""
import hashlib
import json
import os
import random
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gnutls

PATIENCE = 60           # seconds without a word from the other side
VERSIONS = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
NUMBERS = {0x300: "SSLv3", 0x301: "TLSv1", 0x302: "TLSv1.1", 0x303: "TLSv1.2",
    0x304: "TLSv1.3"}
PEER = {"starttls": True, "implicit": False, "backend": "openssl", "min": "1.2",
    "max": "1.3", "ciphers": None, "curve": None, "priority": None, "dh": None,
    "certificate": None, "key": None, "tickets": True, "handshake": "ok",
    "early": "", "keywords": ["PIPELINING", "SIZE 50000000", "8BITMIME", "DSN",
    "ENHANCEDSTATUSCODES"], "tls_keywords": None, "greeting": "220 {name} ESMTP",
    "name": "peer.test", "replies": {}, "recipients": {}, "delay": {}, "drop": None,
    "drop_after": None, "keep": None, "serve": None}
MIDDLE = {"to": None, "to_port": 25, "strip": 0.0, "how": "ehlo", "inject": 0.0,
    "text": "250 2.0.0 injected\r\n", "seed": 1}


class Log:
    def __init__(self, path):
        self.file = open(path, "a", buffering=1)
        self.lock = threading.Lock()

    def __call__(self, event, **facts):
        line = json.dumps(dict(facts, event=event, time=round(time.time(), 6)))
        with self.lock:
            self.file.write(line + "\n")


class Closed(Exception):
    pass


def grease(number):
    return number & 0x0F0F == 0x0A0A and number >> 8 == number & 0xFF


def parse_hello(data):
    """
    What a ClientHello offers.  Suites and groups without GREASE and without the
    signalling values 0x00FF and 0x5600, as numbers; versions as names.
    """
    body = data[9:]
    legacy = struct.unpack_from("!H", body)[0]
    at = 34
    at += 1 + body[at]
    length = struct.unpack_from("!H", body, at)[0]
    suites = struct.unpack_from("!%dH" % (length // 2), body, at + 2)
    at += 2 + length
    at += 1 + body[at]
    hello = {"legacy": NUMBERS.get(legacy, hex(legacy)), "versions": None,
        "suites": ["0x%04X" % suite for suite in suites
            if not grease(suite) and suite not in (0x00FF, 0x5600)],
        "groups": [], "sni": None, "ticket": False, "alpn": False}
    if at + 2 <= len(body):
        end = at + 2 + struct.unpack_from("!H", body, at)[0]
        at += 2
        while at + 4 <= end:
            kind, length = struct.unpack_from("!HH", body, at)
            value = body[at + 4:at + 4 + length]
            at += 4 + length
            if kind == 0 and length > 5:
                hello["sni"] = value[5:5 + struct.unpack_from("!H", value, 3)[0]] \
                    .decode("ascii", "replace")
            elif kind == 10:
                hello["groups"] = ["0x%04X" % group for group in struct.unpack_from(
                    "!%dH" % ((length - 2) // 2), value, 2) if not grease(group)]
            elif kind == 16:
                hello["alpn"] = True
            elif kind == 35:
                hello["ticket"] = length > 0
            elif kind == 41:
                hello["ticket"] = True
            elif kind == 43:
                hello["versions"] = [NUMBERS.get(version, hex(version)) for version in
                    struct.unpack_from("!%dH" % (value[0] // 2), value, 1)
                    if not grease(version)]
    if hello["versions"] is None:       # before TLS 1.3: all up to this one, it may be
        hello["versions"] = [hello["legacy"]]
    return hello


class Stream:
    """A socket, in clear or TLS, read by lines."""
    def __init__(self, sock):
        self.sock = self.io = sock
        self.buffer = b""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO,
            struct.pack("@ll", PATIENCE, 0))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO,
            struct.pack("@ll", PATIENCE, 0))

    def more(self):
        try:
            data = self.io.recv(65536)
        except (OSError, ssl.SSLError) as error:
            raise Closed(str(error))
        if not data:
            raise Closed("end")
        self.buffer += data

    def line(self):
        """One line with its end."""
        while b"\n" not in self.buffer:
            if len(self.buffer) > 1 << 20:
                raise Closed("a line without an end")
            self.more()
        line, newline, self.buffer = self.buffer.partition(b"\n")
        return line + newline

    def exactly(self, size):
        while len(self.buffer) < size:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def send(self, data):
        try:
            self.io.sendall(data)
        except (OSError, ssl.SSLError) as error:
            raise Closed(str(error))

    def hello(self):
        """The ClientHello, left where it is."""
        wait = socket.MSG_PEEK | socket.MSG_WAITALL
        try:
            head = self.sock.recv(5, wait)
            if len(head) < 5 or head[0] != 22:
                return None, head
            record = self.sock.recv(5 + struct.unpack("!H", head[3:])[0], wait)
            return parse_hello(record), record
        except (OSError, struct.error, IndexError):
            return None, b""

    def close(self):
        steps = [self.io.close, self.sock.close]
        if isinstance(self.io, ssl.SSLSocket):      # with a close_notify
            self.io.settimeout(0.5)
            steps.insert(0, self.io.unwrap)
        for step in steps:
            try:
                step()
            except (OSError, ValueError):
                pass


class Peer:
    """One address: a profile, and what is made of it once."""
    def __init__(self, address, port, profile, log):
        unknown = set(profile) - set(PEER)
        if unknown:
            raise ValueError("no such key of a peer: %s" % ", ".join(sorted(unknown)))
        self.address, self.port, self.log = address, port, log
        self.profile = dict(PEER, **profile)
        self.context = None
        can = self.profile["starttls"] is True or self.profile["implicit"] or \
            str(self.profile["starttls"]).startswith("220")
        if can and self.profile["backend"] == "openssl":
            self.context = self.make_context()

    def make_context(self):
        profile = self.profile
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        old = profile["min"] < "1.2" or profile["max"] < "1.2"
        ciphers = profile["ciphers"] or ("DEFAULT" if not old else "ALL")
        if "@" not in ciphers:
            ciphers += ":@SECLEVEL=0"
        context.set_ciphers(ciphers)
        context.minimum_version = VERSIONS[min(profile["min"], profile["max"])]
        context.maximum_version = VERSIONS[profile["max"]]
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
        if not profile["tickets"]:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0
        if profile["dh"]:
            context.load_dh_params(profile["dh"])
        if profile["curve"]:
            context.set_ecdh_curve(profile["curve"])
        context.load_cert_chain(profile["certificate"], profile["key"])
        return context

    def accept(self, sock, client, number):
        session = Dialogue(self, Stream(sock), client, number)
        try:
            session.run()
            why = "quit"
        except Closed as error:
            why = str(error)
        session.stream.close()
        session.note("disconnect", why=why)


class Dialogue:
    """One connection to a peer."""
    def __init__(self, peer, stream, client, number):
        self.profile, self.peer, self.stream = peer.profile, peer, stream
        self.client, self.number = client, number
        self.taken = 0          # messages of this connection
        self.tls = None
        self.reset()

    def note(self, event, **facts):
        self.peer.log(event, connection=self.number, address=self.peer.address,
            port=self.peer.port, **facts)

    def reset(self):
        self.sender, self.recipients, self.options = None, [], {}

    def reply(self, text):
        self.note("reply", line=text.rsplit("\r\n", 1)[-1], tls=bool(self.tls))
        self.stream.send(text.encode() + b"\r\n")

    def run(self):
        profile = self.profile
        self.note("connect", client=self.client)
        if profile["implicit"]:
            self.handshake()
        self.wait("greeting")
        if profile["drop"] == "greeting":
            raise Closed("dropped at the greeting")
        self.reply(profile["greeting"].format(**profile))
        while True:
            line = self.stream.line().decode("utf-8", "surrogateescape").rstrip("\r\n")
            self.note("command", line=line, tls=bool(self.tls), ahead=len(self.stream.buffer))
            verb = line.split(" ")[0].upper()
            self.wait(verb)
            if profile["drop"] == verb or (verb == "MAIL" and profile["drop_after"] and
                self.taken >= profile["drop_after"]):
                raise Closed("dropped at " + verb)
            if verb in profile["replies"] and verb not in ("STARTTLS", "RCPT"):
                self.reply(profile["replies"][verb])
                if verb == "BDAT":
                    self.stream.exactly(int(line.split()[1]))
                if profile["replies"][verb].startswith("421"):
                    raise Closed("421")
                continue
            if not self.obey(verb, line):
                return

    def wait(self, verb):
        seconds = self.profile["delay"].get(verb)
        if seconds:
            time.sleep(seconds)

    def obey(self, verb, line):
        profile = self.profile
        if verb in ("EHLO", "HELO", "LHLO"):
            self.reset()
            words = [profile["name"]]
            if verb != "HELO":
                words += profile["tls_keywords"] if self.tls and \
                    profile["tls_keywords"] is not None else profile["keywords"]
                if profile["starttls"] and not self.tls:
                    words.append("STARTTLS")
            self.reply("\r\n".join("250" + (" " if word is words[-1] else "-") + word
                for word in words))
        elif verb == "STARTTLS":
            self.starttls()
        elif verb == "MAIL":
            match = re.match(r"MAIL FROM: ?<(.*?)>(.*)", line, re.I)
            if not match:
                self.reply("501 5.5.4 MAIL FROM:<address>")
                return True
            self.sender, self.options = match.group(1), {"mail": match.group(2).strip()}
            self.reply("250 2.1.0 ok")
        elif verb == "RCPT":
            self.rcpt(line)
        elif verb == "DATA":
            if not self.recipients:
                self.reply("503 5.5.1 no recipient")
                return True
            self.reply("354 go on")
            self.data()
        elif verb == "BDAT":
            self.bdat(line)
        elif verb == "RSET":
            self.reset()
            self.reply("250 2.0.0 ok")
        elif verb == "NOOP":
            self.reply("250 2.0.0 ok")
        elif verb == "QUIT":
            self.reply("221 2.0.0 bye")
            return False
        else:
            self.reply("502 5.5.1 what?")
        return True

    def rcpt(self, line):
        match = re.match(r"RCPT TO: ?<(.*?)>(.*)", line, re.I)
        if not match or self.sender is None:
            self.reply("503 5.5.1 MAIL first, then RCPT TO:<address>")
            return
        address = match.group(1)
        for pattern, answer in self.profile["recipients"].items():
            if re.fullmatch(pattern, address):
                self.reply(answer)
                if not answer.startswith("2"):
                    return
                break
        else:
            self.reply(self.profile["replies"].get("RCPT", "250 2.1.5 ok"))
            if "RCPT" in self.profile["replies"]:
                return
        self.recipients.append(address)
        self.options.setdefault("rcpt", {})[address] = match.group(2).strip()

    def data(self):
        lines = []
        while True:
            line = self.stream.line()
            if line == b".\r\n":
                break
            if line in (b".\n", b".\r"):
                self.note("bare", what="a dot with a bare end of line")
            lines.append(line[1:] if line.startswith(b".") else line)
        self.end(b"".join(lines))

    def bdat(self, line):
        words = line.split()
        body = self.stream.exactly(int(words[1]))
        self.chunks = getattr(self, "chunks", b"") + body
        if words[-1].upper() != "LAST":
            self.reply("250 2.0.0 ok")
            return
        body, self.chunks = self.chunks, b""
        self.end(body, bdat=True)

    def end(self, body, **facts):
        """After the last byte of a message."""
        self.wait(".")
        drop = self.profile["drop"]
        answer = self.profile["replies"].get(".", "250 2.0.0 taken")
        header = body.split(b"\r\n\r\n")[0].decode("utf-8", "replace")
        found = re.search(r"^Message-ID:\s*(\S+)", header, re.I | re.M)
        if drop == ".":
            self.note("dropped", sender=self.sender, recipients=self.recipients)
            raise Closed("dropped at the dot")
        if answer.startswith("2"):
            self.taken += 1
            digest = hashlib.sha256(body).hexdigest()
            self.note("message", sender=self.sender, recipients=self.recipients,
                options=self.options, id=found and found.group(1), sha256=digest,
                body=hashlib.sha256(body.partition(b"\r\n\r\n")[2]).hexdigest(),
                size=len(body), tls=self.tls, **facts)
            if self.profile["keep"]:
                with open("%s/%s.eml" % (self.profile["keep"], digest), "wb") as file:
                    file.write(body)
        self.reset()
        if drop == "accepted":  # taken, and the client never hears it
            raise Closed("dropped after the message was taken")
        self.reply(answer)

    def starttls(self):
        profile = self.profile
        if self.tls or not profile["starttls"]:
            self.reply("503 5.5.1 not now")
            return
        answer = profile["starttls"] if isinstance(profile["starttls"], str) else \
            "220 2.0.0 go ahead"
        if profile["early"]:
            self.note("early", text=profile["early"])
            answer += "\r\n" + profile["early"].rstrip("\r\n")
        self.reply(answer)
        if not answer.startswith("220"):
            return
        if self.stream.buffer:
            self.note("pipelined", text=self.stream.buffer.decode("latin-1"))
            self.stream.buffer = b""
        self.handshake()
        self.reset()

    def handshake(self):
        profile, stream = self.profile, self.stream
        if profile["handshake"] == "close":
            raise Closed("no handshake: closed")
        if profile["handshake"] == "garbage":
            stream.send(b"454 4.7.0 this is not TLS\r\n" * 3)
            raise Closed("no handshake: garbage")
        hello, raw = stream.hello()
        if hello:
            self.note("hello", **hello)
        else:
            self.note("nohello", bytes=raw[:200].decode("latin-1"))
        if profile["handshake"] == "abort":
            stream.send(bytes((21, 3, 1, 0, 2, 2, 40)))     # alert: handshake_failure
            raise Closed("no handshake: alert")
        if profile["handshake"] == "hang":
            while stream.sock.recv(65536):
                pass
            raise Closed("no handshake: silence")
        try:
            if profile["backend"] == "gnutls":
                stream.io = gnutls.Session(stream.sock, profile["priority"],
                    profile["certificate"], profile["key"])
                version, suite, group = stream.io.facts()
                resumed = False
            else:
                stream.io = self.peer.context.wrap_socket(stream.sock, server_side=True)
                suite, _, _ = stream.io.cipher()
                version, group = stream.io.version(), None
                resumed = stream.io.session_reused
        except (OSError, ssl.SSLError) as error:
            self.note("tls-failed", error=str(error))
            raise Closed("handshake: %s" % error)
        self.tls = {"version": version, "suite": suite, "group": group,
            "resumed": resumed, "hello": bool(hello)}
        self.note("tls", **self.tls)


class Middle:
    """
    Between a client and a peer.  A share of the connections is stripped: the client
    is not told of STARTTLS ("how": "ehlo"), or gets 454 to it ("how": "454"), and what
    it then says in clear is logged.  Into a share of the others text is injected right
    behind the 220 to STARTTLS.  Which ones: by seed and the order of connections.
    """
    def __init__(self, address, port, profile, log):
        unknown = set(profile) - set(MIDDLE)
        if unknown:
            raise ValueError("no such key of a middle: %s" % ", ".join(sorted(unknown)))
        self.address, self.port, self.log = address, port, log
        self.profile = dict(MIDDLE, **profile)
        self.random = random.Random(self.profile["seed"])
        self.lock = threading.Lock()

    def accept(self, sock, client, number):
        profile = self.profile
        with self.lock:
            strip = self.random.random() < profile["strip"]
            inject = self.random.random() < profile["inject"] and not strip

        def note(event, **facts):
            self.log(event, connection=number, address=self.address, port=self.port,
                middle=True, **facts)
        note("connect", client=client, strip=strip, inject=inject)
        near = Stream(sock)
        why = "end"
        far = None
        try:
            far = Stream(socket.create_connection((profile["to"], profile["to_port"]),
                10))
            far.sock.settimeout(None)
            self.relay(near, far, strip, inject, note)
        except (Closed, OSError) as error:
            why = str(error)
        near.close()
        if far:
            far.close()
        note("disconnect", why=why)

    def answer(self, far):
        lines = []
        while True:
            line = far.line()
            lines.append(line)
            if line[3:4] != b"-":
                return lines

    def relay(self, near, far, strip, inject, note):
        near.send(b"".join(self.answer(far)))
        envelope = {"sender": None, "recipients": []}
        while True:
            line = near.line()
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            verb = text.split(" ")[0].upper()
            note("clear", line=text)
            if verb == "STARTTLS" and strip:
                near.send(b"454 4.7.0 TLS not available\r\n")
                continue
            far.send(line)
            lines = self.answer(far)
            if verb == "EHLO" and strip and self.profile["how"] == "ehlo":
                kept = [one for one in lines if one[4:].strip().upper() != b"STARTTLS"]
                if len(kept) < len(lines):
                    note("stripped")
                kept[-1] = kept[-1][:3] + b" " + kept[-1][4:]
                lines = kept
            if verb == "STARTTLS" and lines[-1].startswith(b"220"):
                if inject:
                    note("injected", text=self.profile["text"])
                    lines.append(self.profile["text"].encode())
                near.send(b"".join(lines))
                self.copy(near, far)
                return
            near.send(b"".join(lines))
            if verb == "MAIL":
                envelope = {"sender": text[10:].strip(), "recipients": []}
            elif verb == "RCPT":
                envelope["recipients"].append(text[8:].strip())
            elif verb == "DATA" and lines[-1].startswith(b"354"):
                self.body(near, far, envelope, note)
            elif verb == "QUIT":
                return

    def body(self, near, far, envelope, note):
        digest, found = hashlib.sha256(), None
        while True:
            line = near.line()
            far.send(line)
            if line == b".\r\n":
                break
            match = re.match(rb"Message-ID:\s*(\S+)", line, re.I)
            if match and not found:
                found = match.group(1).decode("utf-8", "replace")
            digest.update(line[1:] if line.startswith(b".") else line)
        note("seen", id=found, sha256=digest.hexdigest(), **envelope)
        near.send(b"".join(self.answer(far)))

    def copy(self, near, far):
        for one, other in ((near, far), (far, near)):
            if one.buffer:
                other.send(one.buffer)
        pair = {near.sock: far.sock, far.sock: near.sock}
        while True:
            ready, _, _ = select.select(list(pair), (), (), PATIENCE)
            if not ready:
                raise Closed("silence")
            for sock in ready:
                data = sock.recv(65536)
                if not data:
                    return
                pair[sock].sendall(data)


class World:
    def __init__(self, log):
        self.log = log
        self.places = {}        # (address, port): what is there
        self.listeners = {}
        self.count = 0
        self.lock = threading.Lock()

    def put(self, order):
        key = order["address"], order.get("port", 25)
        profile = order.get("profile")
        if profile is None:
            self.places.pop(key, None)
            listener = self.listeners.pop(key, None)
            if listener:
                listener.shutdown(socket.SHUT_RDWR)
                listener.close()
            return
        kind = Middle if "to" in profile else Peer
        self.places[key] = kind(key[0], key[1], profile, self.log)
        if key not in self.listeners:
            family = socket.AF_INET6 if ":" in key[0] else socket.AF_INET
            listener = socket.socket(family)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(key)
            listener.listen(512)
            self.listeners[key] = listener
            threading.Thread(target=self.listen, args=(key, listener),
                daemon=True).start()

    def listen(self, key, listener):
        while True:
            try:
                sock, client = listener.accept()
            except OSError:
                return
            place = self.places.get(key)
            if not place:
                sock.close()
                return
            with self.lock:
                self.count += 1
                number = self.count
            threading.Thread(target=place.accept, args=(sock, client[0], number),
                daemon=True).start()


def main():
    log = Log(sys.argv[1])
    world = World(log)
    threading.stack_size(1 << 18)
    for line in sys.stdin:
        try:
            world.put(json.loads(line))
            print("ok", flush=True)
        except Exception as error:      # pylint: disable=broad-except
            print("%s: %s" % (type(error).__name__, error), flush=True)
    os._exit(0)


main()
