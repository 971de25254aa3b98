# Copyright (c) 2026 the DEEP authors
# SPDX-License-Identifier: ISC
"""
The server's side of TLS by GnuTLS, through ctypes: for what Debian's OpenSSL can no
longer do (RC4, MD5, 3DES, NULL).  A Session has what the peer needs of a Python
ssl.SSLSocket, no more.  Never verifies a client, never resumes.
"""
import ctypes

CERTIFICATE, SERVER, PEM = 1, 1, 1
library = None


def load():
    """The library, with the signatures of what is called."""
    global library
    if library:
        return library
    library = ctypes.CDLL("libgnutls.so.30")
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, arguments in (
        ("gnutls_init", number, (pointer, ctypes.c_uint)),
        ("gnutls_deinit", None, (pointer,)),
        ("gnutls_strerror", text, (number,)),
        ("gnutls_error_is_fatal", number, (number,)),
        ("gnutls_priority_set_direct", number, (pointer, text, pointer)),
        ("gnutls_certificate_allocate_credentials", number, (pointer,)),
        ("gnutls_certificate_free_credentials", None, (pointer,)),
        ("gnutls_certificate_set_x509_key_file", number, (pointer, text, text, number)),
        ("gnutls_certificate_set_known_dh_params", number, (pointer, number)),
        ("gnutls_sec_param_get_name", text, (number,)),
        ("gnutls_credentials_set", number, (pointer, number, pointer)),
        ("gnutls_transport_set_int2", None, (pointer, number, number)),
        ("gnutls_handshake", number, (pointer,)),
        ("gnutls_bye", number, (pointer, number)),
        ("gnutls_record_recv", ctypes.c_ssize_t, (pointer, pointer, ctypes.c_size_t)),
        ("gnutls_record_send", ctypes.c_ssize_t, (pointer, pointer, ctypes.c_size_t)),
        ("gnutls_protocol_get_version", number, (pointer,)),
        ("gnutls_protocol_get_name", text, (number,)),
        ("gnutls_ciphersuite_get", text, (pointer,)),
        ("gnutls_group_get", number, (pointer,)),
        ("gnutls_group_get_name", text, (number,))):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class Error(OSError):
    pass


class Session:
    def __init__(self, sock, priority, certificate, key):
        gnutls = load()
        self.sock = sock
        self.session, self.credentials = ctypes.c_void_p(), ctypes.c_void_p()
        self.check(gnutls.gnutls_certificate_allocate_credentials(
            ctypes.byref(self.credentials)))
        self.check(gnutls.gnutls_certificate_set_x509_key_file(self.credentials,
            certificate.encode(), key.encode(), PEM))
        medium = [number for number in range(100)
            if gnutls.gnutls_sec_param_get_name(number) == b"Medium"]
        self.check(gnutls.gnutls_certificate_set_known_dh_params(self.credentials,
            medium[0]))
        self.check(gnutls.gnutls_init(ctypes.byref(self.session), SERVER))
        self.check(gnutls.gnutls_priority_set_direct(self.session, priority.encode(),
            None))
        self.check(gnutls.gnutls_credentials_set(self.session, CERTIFICATE,
            self.credentials))
        gnutls.gnutls_transport_set_int2(self.session, sock.fileno(), sock.fileno())
        while True:
            status = gnutls.gnutls_handshake(self.session)
            if status >= 0:
                return
            if gnutls.gnutls_error_is_fatal(status):
                self.check(status)

    def check(self, status):
        if status < 0:
            raise Error(library.gnutls_strerror(status).decode())
        return status

    def facts(self):
        """Version, IANA suite, group or None."""
        version = library.gnutls_protocol_get_name(
            library.gnutls_protocol_get_version(self.session)).decode()
        group = library.gnutls_group_get(self.session)
        return (version.replace("TLS", "TLSv").replace("v1.0", "v1"),
            library.gnutls_ciphersuite_get(self.session).decode(),
            library.gnutls_group_get_name(group).decode().lower() if group else None)

    def recv(self, size):
        buffer = ctypes.create_string_buffer(size)
        while True:
            got = library.gnutls_record_recv(self.session, buffer, size)
            if got >= 0 or library.gnutls_error_is_fatal(int(got)):
                return buffer.raw[:self.check(got)]

    def sendall(self, data):
        while data:
            sent = library.gnutls_record_send(self.session, data, len(data))
            if sent < 0 and not library.gnutls_error_is_fatal(int(sent)):
                continue
            data = data[self.check(sent):]

    def close(self):
        if self.session:
            library.gnutls_bye(self.session, 1)
            library.gnutls_deinit(self.session)
            library.gnutls_certificate_free_credentials(self.credentials)
            self.session = None
        self.sock.close()
