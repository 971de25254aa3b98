# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
matrix.py: which latches a delivery sets, and which ones fail later, as data that the
tests of every module walk.  The values follow from the draft's section 3.2 and the
classification of suites by number (strong: 128 bits or more; MD5, RC4, forward
secrecy); they are not taken from what any module answers.

A row of LEARN or ENFORCE is set up by Scene.
"""
TLS10, TLS11, TLS12, CERT, DANE, NOMD5, NORC4, PFS = REGISTRY = ("tls10", "tls11",
    "tls12", "tls-cert", "tls-dane-tlsa", "tls-nomd5", "tls-norc4", "tls-pfs")
NONE = ()
V12 = (TLS10, TLS11, TLS12)
GOOD = (NOMD5, NORC4)
MODERN = V12 + GOOD + (PFS,)
# What a client can be narrowed to before it connects (D5.3-8 to D5.3-12).
NARROWING = V12 + GOOD + (PFS,)
GNUTLS = "NONE:+COMP-NULL:+SIGN-ALL:+GROUP-ALL:"


def order(latches):
    """In the order of the registry."""
    latches = set(latches)
    return tuple(latch for latch in REGISTRY if latch in latches)


def without(latches, *gone):
    return tuple(latch for latch in latches if latch not in gone)


class Learn:
    """
    ids             of CONFORMANCE
    peer            its profile (see lab.py)
    certificate     its kind
    names           "both" the domain and the MX host, "domain" or "mx" only
    zone            "lab.test" (signed) or "plain.test"
    tlsa            None, "ee" (3 1 1) or "ta" (2 1 1)
    gnutls          a priority string with which a GnuTLS client offers what is needed
    openssl         cipher list of an OpenSSL client; None: Debian's OpenSSL cannot
    lowest          the lowest version that the client must offer
    version         that is negotiated
    modern, strict  what one delivery sets, by profile of deep.conf
    """
    def __init__(self, name, ids, modern, strict=None, peer=None, certificate="selfsigned",
        names="both", zone="plain.test", tlsa=None, gnutls=None, openssl="DEFAULT",
        lowest="1.2", version="TLSv1.2"):
        self.name, self.ids, self.peer = name, ids, peer or {}
        self.certificate, self.names, self.zone, self.tlsa = certificate, names, zone, tlsa
        self.gnutls, self.openssl, self.lowest = gnutls, openssl, lowest
        self.version = version
        self.modern = order(modern)
        self.strict = order(modern if strict is None else strict)


def weak(name, ids, version, priority, strict=NONE, openssl=None):
    """A suite that only GnuTLS still has (NULL: also OpenSSL)."""
    number = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2"}[version]
    priority = GNUTLS + "+VERS-TLS%s:%s" % (number, priority)
    return Learn(name, ids, NONE, strict, {"backend": "gnutls", "priority": priority},
        gnutls=priority, openssl=openssl, lowest=number, version=version)


LEARN = (
    # Versions.  Below 1.2 a client that is narrowed, or built so, gets no session.
    Learn("TLS 1.0, ECDHE", ("D3.2-1", "D5.5-2"), (TLS10, PFS) + GOOD,
        peer={"min": "1.0", "max": "1.0", "ciphers": "ECDHE-RSA-AES128-SHA"},
        gnutls="NORMAL:+VERS-TLS1.0", openssl="DEFAULT:@SECLEVEL=0", lowest="1.0",
        version="TLSv1"),
    Learn("TLS 1.1, ECDHE", ("D3.2-2",), (TLS10, TLS11, PFS) + GOOD,
        peer={"min": "1.1", "max": "1.1", "ciphers": "ECDHE-RSA-AES256-SHA"},
        gnutls="NORMAL:+VERS-TLS1.1", openssl="DEFAULT:@SECLEVEL=0", lowest="1.1",
        version="TLSv1.1"),
    Learn("TLS 1.2, ECDHE", ("D3.2-3", "D3.2-11"), MODERN,
        peer={"max": "1.2", "ciphers": "ECDHE-RSA-AES128-GCM-SHA256"}),
    Learn("TLS 1.3", ("D3.2-3", "D3.2-11"), MODERN, peer={"min": "1.3"},
        version="TLSv1.3"),
    # Key exchange.
    Learn("RSA key exchange", ("D3.2-11", "D5.3-6"), without(MODERN, PFS),
        peer={"max": "1.2", "ciphers": "AES128-SHA"}, gnutls="NORMAL",
        openssl="DEFAULT:AES128-SHA"),
    Learn("DHE key exchange", ("D3.2-11", "D5.3-5"), MODERN,
        peer={"max": "1.2", "ciphers": "DHE-RSA-AES128-SHA", "dh": True},
        gnutls="NORMAL", openssl="DEFAULT:DHE-RSA-AES128-SHA"),
    Learn("ECDHE, ChaCha20-Poly1305", ("D3.2-4", "D3.2-11"), MODERN,
        peer={"max": "1.2", "ciphers": "ECDHE-RSA-CHACHA20-POLY1305"}),
    # Weak suites: nothing by default; RC4 with 128 bits was strong in 2013.
    weak("RC4-MD5", ("D3.2-4", "D3.2-9", "D3.2-10"), "TLSv1.2", "+RSA:+ARCFOUR-128:+MD5",
        V12),
    weak("RC4-SHA", ("D3.2-4", "D3.2-10"), "TLSv1.2", "+RSA:+ARCFOUR-128:+SHA1",
        V12 + (NOMD5,)),
    weak("3DES", ("D3.2-4",), "TLSv1.2", "+RSA:+3DES-CBC:+SHA1"),
    weak("NULL", ("D3.2-4",), "TLSv1.2", "+ECDHE-RSA:+NULL:+SHA1",
        openssl="ECDHE-RSA-NULL-SHA:@SECLEVEL=0"),
    # Certificates.
    Learn("valid certificate", ("D3.2-6", "D5.3-4"), MODERN + (CERT,),
        certificate="valid", version="TLSv1.3"),
    Learn("valid certificate, MX by DNSSEC", ("D3.2-6", "D5.3-4"), MODERN + (CERT,),
        certificate="valid", zone="lab.test", version="TLSv1.3"),
    Learn("valid certificate, for the domain only", ("D3.2-7",), MODERN + (CERT,),
        certificate="valid", names="domain", version="TLSv1.3"),
    Learn("valid certificate, for the MX host only, MX by DNSSEC", ("D3.2-7",),
        MODERN + (CERT,), MODERN, certificate="valid", names="mx", zone="lab.test",
        version="TLSv1.3"),
    Learn("valid certificate, for the MX host only, MX by plain DNS", ("D3.2-7",),
        MODERN, certificate="valid", names="mx", version="TLSv1.3"),
    Learn("expired certificate", ("D3.2-5", "D3.2-6", "D5.3-2"), MODERN,
        certificate="expired", version="TLSv1.3"),
    Learn("self-signed certificate", ("D3.2-5", "D3.2-6", "D5.3-2"), MODERN,
        certificate="selfsigned", version="TLSv1.3"),
    Learn("certificate of another name", ("D3.2-5", "D3.2-6"), MODERN,
        certificate="wrongname", version="TLSv1.3"),
    Learn("certificate of an authority that is not trusted", ("D3.2-6",), MODERN,
        certificate="otherca", version="TLSv1.3"),
    # DANE: what it says holds instead of the web's authorities (RFC 7672).
    Learn("DANE-EE, self-signed", ("D3.2-8", "D5.3-7"), MODERN + (DANE,),
        zone="lab.test", tlsa="ee", version="TLSv1.3"),
    Learn("DANE-TA, an authority that is not trusted", ("D3.2-8", "D5.3-7"),
        MODERN + (DANE,), certificate="otherca", zone="lab.test", tlsa="ta",
        version="TLSv1.3"),
)


class Enforce:
    """
    before          a row of LEARN: what the peer was when the latches were set
    after           what is changed in the peer's profile then
    certificate     the kind of its certificate then, None: unchanged
    tlsa            False: the TLSA record is gone
    failed          latches that a client misses which offers all it ever did
    handshake       there is no session then: a client that narrows its offer cannot
                    know why, and names all that narrowed it (FACTS 4.3)
    proved          DNSSEC proves that the TLSA record is gone: a client that sees the
                    proof lets go of tls-dane-tlsa and delivers, one that cannot refuses
    """
    def __init__(self, name, ids, before, failed, after=None, certificate=None, tlsa=True,
        handshake=False, proved=False):
        self.proved = proved
        self.name, self.ids, self.before = name, ids, before
        self.after, self.certificate, self.tlsa = after or {}, certificate, tlsa
        self.failed, self.handshake = order(failed), handshake

    def names(self, held):
        """Both right answers, for a client that held these latches."""
        failed = order(latch for latch in self.failed if latch in held)
        if not self.handshake:
            return (failed,)
        return (failed, order(latch for latch in held if latch in
            NARROWING + self.failed), order(held))


def learn(name):
    return next(row for row in LEARN if row.name == name)


STRONG, CHECKED = learn("TLS 1.3"), learn("valid certificate, MX by DNSSEC")
ENFORCE = (
    Enforce("STARTTLS not offered", ("D3.1-4", "D3.3-1"), STRONG, MODERN,
        {"starttls": False}),
    Enforce("454 to STARTTLS", ("D3.1-4", "D3.3-1"), STRONG, MODERN,
        {"starttls": "454 4.7.0 TLS not available due to temporary reason"}),
    Enforce("connection closed instead of a handshake", ("D3.3-1",), STRONG, MODERN,
        {"handshake": "close"}, handshake=True),
    Enforce("handshake aborted by an alert", ("D3.3-1",), STRONG, MODERN,
        {"handshake": "abort"}, handshake=True),
    Enforce("no TLS behind the 220", ("D3.3-1",), STRONG, MODERN,
        {"handshake": "garbage"}, handshake=True),
    Enforce("plain text behind the 220", ("X-17",), STRONG, MODERN,
        {"early": "250 2.0.0 early"}, handshake=True),
    Enforce("TLS 1.1 after TLS 1.3", ("D3.3-1", "D5.3-12"), STRONG, (TLS12,),
        {"min": "1.1", "max": "1.1"}, handshake=True),
    Enforce("TLS 1.0 after TLS 1.3", ("D3.3-1", "D5.3-12"), STRONG, (TLS11, TLS12),
        {"min": "1.0", "max": "1.0"}, handshake=True),
    Enforce("no forward secrecy after TLS 1.3", ("D3.3-1", "D5.3-10"), STRONG, (PFS,),
        {"min": "1.2", "max": "1.2", "ciphers": "AES128-GCM-SHA256:AES128-SHA"},
        handshake=True),
    Enforce("3DES after TLS 1.3", ("D3.2-4", "D3.3-1"), STRONG, MODERN,
        dict(backend="gnutls", priority=GNUTLS + "+VERS-TLS1.2:+RSA:+3DES-CBC:+SHA1"),
        handshake=True),
    Enforce("certificate expired after tls-cert", ("D3.3-11",), CHECKED, (CERT,),
        certificate="expired"),
    Enforce("self-signed certificate after tls-cert", ("D3.3-1",), CHECKED, (CERT,),
        certificate="selfsigned"),
    Enforce("certificate of another name after tls-cert", ("D3.3-1",), CHECKED, (CERT,),
        certificate="wrongname"),
    Enforce("TLSA gone", ("D3.3-1", "DA-8"), learn("DANE-EE, self-signed"), (DANE,),
        tlsa=False, proved=True),
)


class Scene:
    """
    A domain with one MX host at an address of the world, as a row wants it:

        scene = Scene(it, "d1", "10.9.0.11", row)       # d1.plain.test or d1.lab.test
        it.dns(scene.records)                           # of several: dict(a, **b)
        ... deliver to "user@" + scene.domain ...
        scene.become(enforce_row)
    """
    def __init__(self, it, label, address, row):
        self.it, self.row, self.address = it, row, address
        self.domain = label + "." + row.zone
        self.mx = "mx-%s.%s" % (label, row.zone)
        self.profile = dict(row.peer, name=self.mx)
        self.made = self.certificate(row.certificate)
        self.gone = False       # the TLSA record
        self.records = {self.domain: {"MX": "10 %s." % self.mx},
            self.mx: {"A": address}}
        if row.tlsa:
            self.records["_25._tcp." + self.mx] = {"TLSA": it.tlsa(self.made,
                3 if row.tlsa == "ee" else 2)}
        it.peer(address, certificate=self.made, **self.profile)

    def certificate(self, kind):
        names = {"both": (self.mx, self.domain), "domain": (self.domain,),
            "mx": (self.mx,)}[self.row.names]
        return self.it.certificate(names[0], kind, names[1:])

    def become(self, row):
        """The peer, and its TLSA record, are now as this row of ENFORCE says."""
        if row.certificate:
            self.made = self.certificate(row.certificate)
        self.profile.update(row.after)
        if "backend" in row.after:
            self.profile.pop("min", None)
        self.it.peer(self.address, certificate=self.made, **self.profile)
        if not row.tlsa:
            self.gone = True
            self.it.add_records({"_25._tcp." + self.mx: {"TLSA": []}})
            self.it.dns()

    def again(self):
        """As it was at first."""
        self.profile = dict(self.row.peer, name=self.mx)
        self.made = self.certificate(self.row.certificate)
        self.it.peer(self.address, certificate=self.made, **self.profile)
        if self.gone:
            self.it.add_records(self.records)
            self.it.dns()
            self.gone = False
