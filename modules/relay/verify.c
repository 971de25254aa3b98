/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * verify.c - OpenSSL's contexts, and what a handshake proved: the chain and
 * the name (RFC 5280, RFC 9525, RFC 7817; draft section 3.2, tls-cert) and
 * TLSA records (RFC 7672), each for itself.
 *
 * A handshake never fails for what a certificate lacks: that is judged behind
 * it, by what is latched (draft 5.3).  Sessions are never resumed, so that no
 * property is inherited from an older one.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "relay.h"

/* A name in the subject counts for nothing, "*" only as a whole label. */
#define NAME_FLAGS	(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | \
			    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)

static SSL_CTX *
context(const SSL_METHOD *method)
{
	SSL_CTX	*ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		return NULL;
	/* Narrowing, in libdeep, lowers or raises this for one connection. */
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
	    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
	    SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* A record's head and body, and what follows it, by one read(2). */
	SSL_CTX_set_read_ahead(ctx, 1);
	return ctx;
}

static const char *
reason(void)
{
	unsigned long	code = ERR_peek_last_error();
	const char	*text = code == 0 ? NULL : ERR_reason_error_string(code);

	return text == NULL ? "unknown fault" : text;
}

struct ssl_ctx_st *
verify_client(const struct settings *settings, char why[256])
{
	SSL_CTX		*ctx = context(TLS_client_method());
	struct stat	 st;
	int		 answer = 1;

	if (ctx == NULL || SSL_CTX_dane_enable(ctx) != 1) {
		snprintf(why, 256, "OpenSSL: %s", reason());
		SSL_CTX_free(ctx);
		return NULL;
	}
	/* Weak keys are better than none where nothing is asked for (RFC 7435). */
	SSL_CTX_set_security_level(ctx, 1);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (settings->authorities[0] != '\0') {
		if (stat(settings->authorities, &st) == 0 && S_ISDIR(st.st_mode))
			answer = SSL_CTX_load_verify_dir(ctx, settings->authorities);
		else
			answer = SSL_CTX_load_verify_file(ctx, settings->authorities);
	}
	if (answer != 1) {
		snprintf(why, 256, "[relay] authorities: %.120s: %s; name a file of certificates "
		    "(Debian: ca-certificates), or nothing", settings->authorities, reason());
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

struct ssl_ctx_st *
verify_server(const struct settings *settings, char why[256])
{
	SSL_CTX	*ctx = context(TLS_server_method());

	if (ctx == NULL || SSL_CTX_use_certificate_chain_file(ctx, settings->certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, settings->key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		snprintf(why, 256, "[relay] certificate, key: %.80s, %.80s: %s",
		    settings->certificate, settings->key, reason());
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
	return ctx;
}

/*
 * PKIX-TA(0) and PKIX-EE(1) are not usable between relays (RFC 7672 3.1.3);
 * OpenSSL says of the others which of them it can use.
 */
static size_t
add_records(SSL *ssl, const struct dns_tlsa *tlsa, size_t n)
{
	size_t	i, usable = 0;

	for (i = 0; i < n; i++) {
		if (tlsa[i].usage != 2 && tlsa[i].usage != 3)
			continue;
		if (SSL_dane_tlsa_add(ssl, tlsa[i].usage, tlsa[i].selector, tlsa[i].matching,
		    tlsa[i].data, tlsa[i].length) > 0)
			usable++;
	}
	ERR_clear_error();
	return usable;
}

struct ssl_st *
verify_new(struct ssl_ctx_st *ctx, const struct verify_names *names, deep_latches required,
    const struct dns_tlsa *tlsa, size_t n, size_t *usable)
{
	SSL	*ssl = SSL_new(ctx);

	*usable = 0;
	if (ssl == NULL)
		return NULL;
	if (n > 0) {
		if (SSL_dane_enable(ssl, names->host) != 1)
			goto bad;
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		SSL_set_hostflags(ssl, NAME_FLAGS);
		if (SSL_add1_host(ssl, names->domain) != 1)
			goto bad;
		*usable = add_records(ssl, tlsa, n);
	}
	if (names->host[0] != '\0' && SSL_set_tlsext_host_name(ssl, names->host) != 1)
		goto bad;
	if (deep_narrow_ssl(ssl, required) != 0)
		goto bad;
	return ssl;
bad:
	ERR_clear_error();
	SSL_free(ssl);
	return NULL;
}

/* The chain up to an authority of ours, whatever TLSA records say. */
static int
chain_is_good(SSL *ssl, X509 *certificate)
{
	X509_STORE_CTX	*ctx = X509_STORE_CTX_new();
	int		 good = 0;

	if (ctx != NULL && X509_STORE_CTX_init(ctx,
	    SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), certificate,
	    SSL_get_peer_cert_chain(ssl)) == 1 &&
	    X509_STORE_CTX_set_default(ctx, "ssl_server") == 1)
		good = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	return good;
}

static int
is_for(X509 *certificate, const char *name)
{
	return name[0] != '\0' &&
	    X509_check_host(certificate, name, strlen(name), NAME_FLAGS, NULL) == 1;
}

void
verify_facts(struct ssl_st *ssl, const struct verify_names *names, struct deep_session *session,
    char matched[DEEP_DOMAIN_MAX + 1])
{
	X509		*certificate;
	uint8_t		 usage = 0;
	int		 dane;

	deep_session_ssl(session, ssl);
	matched[0] = '\0';
	certificate = SSL_get0_peer_certificate(ssl);
	dane = session->dane_ok &&
	    SSL_get0_dane_tlsa(ssl, &usage, NULL, NULL, NULL, NULL) >= 0 && usage >= 2;
	session->dane_ok = dane ? 1 : 0;
	session->no_tlsa = names->no_tlsa;
	session->chain_ok = session->name_ok = 0;
	if (certificate == NULL)
		return;
	session->chain_ok = chain_is_good(ssl, certificate) ? 1 : 0;
	session->name_ok = is_for(certificate, names->domain) ? 1 : 0;
	session->host_ok = is_for(certificate, names->host) ? 1 : 0;
	session->host_safe = names->host_safe;
	if (session->name_ok || session->host_ok)
		snprintf(matched, DEEP_DOMAIN_MAX + 1, "%s",
		    session->name_ok ? names->domain : names->host);
}
