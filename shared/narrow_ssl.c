/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * narrow_ssl.c - the same as narrow.c, of a connection of OpenSSL, by the suites that
 * it would offer.
 *
 * draft-newman-email-deep-00 section 5.3: no MD5, no RC4, forward secrecy only, no
 * lower version than the latched one.
 *
 * A file of its own, so that a program linked with libdeep.a that has no connection
 * starts without OpenSSL.  It never offers more than it was given, and decides nothing:
 * the session is still compared after the handshake.
 */
#include <openssl/ssl.h>

#include <string.h>

#include "deep.h"

#define LIST_OCTETS	8192	/* of a cipher list: 200 names of 40 octets */

/* Whether a session of TLS 1.2 with this suite could meet what is required, its certificate
 * apart.  A suite without a row could meet nothing. */
static int
could_meet(const SSL_CIPHER *cipher, deep_latches required)
{
	struct deep_session	session;

	memset(&session, 0, sizeof(session));
	session.version = DEEP_TLS1_2;
	session.suite = deep_suite_code(SSL_CIPHER_get_protocol_id(cipher));
	session.chain_ok = session.name_ok = session.dane_ok = 1;
	session.strict = 1;		/* no more is left out than any policy would */
	return deep_latches_failed(required, &session) == DEEP_LATCH_NONE;
}

int
deep_narrow_ssl(struct ssl_st *ssl, deep_latches required)
{
	const STACK_OF(SSL_CIPHER)	*ciphers = SSL_get_ciphers(ssl);
	const SSL_CIPHER		*cipher;
	const char			*name;
	char				 list[LIST_OCTETS];
	int				 i, version = deep_narrow_version(required);
	size_t				 n = 0, length;
	int				 modern = 0, dropped = 0;

	if (required & ~DEEP_LATCH_ALL)
		return -1;
	for (i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
		cipher = sk_SSL_CIPHER_value(ciphers, i);
		/* those of TLS 1.3 are set in another list, and meet all but a certificate */
		if (strcmp(SSL_CIPHER_get_version(cipher), "TLSv1.3") == 0) {
			modern = 1;
			continue;
		}
		if (!could_meet(cipher, required)) {
			dropped = 1;
			continue;
		}
		name = SSL_CIPHER_get_name(cipher);
		length = strlen(name);
		if (n + 1 + length >= sizeof(list))
			return -1;
		if (n > 0)
			list[n++] = ':';
		memcpy(list + n, name, length);
		n += length;
	}
	list[n] = '\0';
	if (n == 0 && !modern)
		return -1;
	if (n == 0)
		version = DEEP_TLS1_3;
	else if (dropped && !SSL_set_cipher_list(ssl, list))
		return -1;
	if (SSL_get_min_proto_version(ssl) >= version)
		return 0;
	return SSL_set_min_proto_version(ssl, version) ? 0 : -1;
}
