/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * session_ssl.c - the facts of a session, for latch.c, of a connection of OpenSSL.
 *
 * draft-newman-email-deep-00 section 3.2; RFC 5280 and RFC 7817 (chain and
 * name), RFC 7672 (DANE).
 *
 * A file of its own, so that a program linked with libdeep.a that has no connection
 * starts without OpenSSL.  It never verifies anything itself, never changes the
 * session, and never asks a suite for the version: OpenSSL calls AES128-SHA "SSLv3"
 * whatever is in use.
 */
#include <openssl/ssl.h>

#include <string.h>

#include "deep.h"

/*
 * A match of DANE-TA(2) or DANE-EE(3) makes the verify result X509_V_OK
 * without any authority of ours having signed, so that the result tells of
 * the chain only where the match, if any, was PKIX-TA(0) or PKIX-EE(1).
 */
static int
is_pkix(SSL *ssl, int dane)
{
	uint8_t	usage = 0;

	if (!dane)
		return 1;
	if (SSL_get0_dane_tlsa(ssl, &usage, NULL, NULL, NULL, NULL) < 0)
		return 0;
	return usage == 0 || usage == 1;
}

void
deep_session_ssl(struct deep_session *session, struct ssl_st *ssl)
{
	const SSL_CIPHER	*cipher;
	int			 valid, dane;

	memset(session, 0, sizeof(*session));
	if (ssl == NULL || !SSL_is_init_finished(ssl))
		return;
	if ((cipher = SSL_get_current_cipher(ssl)) == NULL)
		return;
	session->version = SSL_version(ssl);
	session->suite = deep_suite_code(SSL_CIPHER_get_protocol_id(cipher));
	session->resumed = SSL_session_reused(ssl) && session->version <= DEEP_TLS1_2;
	valid = SSL_get0_peer_certificate(ssl) != NULL &&
	    SSL_get_verify_result(ssl) == X509_V_OK;
	dane = valid && SSL_get0_dane_authority(ssl, NULL, NULL) >= 0;
	session->chain_ok = valid && is_pkix(ssl, dane);
	session->name_ok = SSL_get0_peername(ssl) != NULL;
	session->dane_ok = dane ? 1 : 0;
}
