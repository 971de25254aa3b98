/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * session.c - tests of shared/session.c: handshakes in memory, between two
 * ends of OpenSSL, with certificates that are made here.  No network, no file.
 */
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <time.h>

#include "deep.h"
#include "tap.h"

#define TLS10	DEEP_LATCH_TLS10
#define TLS11	(DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11)
#define TLS12	(DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12)
#define CERT	DEEP_LATCH_CERT
#define DANE	DEEP_LATCH_DANE
#define NO	(DEEP_LATCH_NOMD5 | DEEP_LATCH_NORC4)
#define PFS	DEEP_LATCH_PFS

#define DAY	(24L * 60 * 60)

enum certificate { GOOD, WRONG, SELF, EXPIRED, NCERTIFICATE };

/* How the client verifies, over and above its trust in the authority. */
#define NO_NAME	1		/* no reference name was set */
#define TLSA	2		/* DANE-EE(3) SPKI(1) SHA-256(1) of the certificate */
#define BAD_TLSA 4		/* the same of another key */
#define TLSA_0	8		/* PKIX-TA(0) of the authority */
#define TLSA_2	16		/* DANE-TA(2) of the authority */
#define NO_CA	32		/* the client does not trust the authority */

static EVP_PKEY	*key, *other_key;
static X509	*authority, *certificates[NCERTIFICATE];

static void
add_extension(X509 *certificate, int nid, const char *value)
{
	X509V3_CTX	 context;
	X509_EXTENSION	*extension;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	X509_add_ext(certificate, extension, -1);
	X509_EXTENSION_free(extension);
}

/* issuer NULL: signed by itself. */
static X509 *
make_certificate(long serial, const char *subject, const char *host, X509 *issuer,
    long from, long until, EVP_PKEY *owner)
{
	X509		*certificate = X509_new();
	X509_NAME	*name = X509_get_subject_name(certificate);
	char		 san[128];

	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from);
	X509_gmtime_adj(X509_getm_notAfter(certificate), until);
	X509_set_pubkey(certificate, owner);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)subject, -1, -1, 0);
	X509_set_issuer_name(certificate,
	    issuer == NULL ? name : X509_get_subject_name(issuer));
	if (host != NULL) {
		strcpy(san, "DNS:");
		strcat(san, host);
		add_extension(certificate, NID_subject_alt_name, san);
	} else
		add_extension(certificate, NID_basic_constraints, "critical,CA:TRUE");
	X509_sign(certificate, key, EVP_sha256());
	return certificate;
}

static void
make_certificates(void)
{
	key = EVP_RSA_gen(2048);
	other_key = EVP_RSA_gen(2048);
	authority = make_certificate(1, "An authority", NULL, NULL, -DAY, 30 * DAY, key);
	certificates[GOOD] = make_certificate(2, "good", "mx.example.org", authority,
	    -DAY, DAY, other_key);
	certificates[WRONG] = make_certificate(3, "wrong", "mx.example.net", authority,
	    -DAY, DAY, other_key);
	/* Its key signs as the authority's does, with another name. */
	certificates[SELF] = make_certificate(4, "itself", "mx.example.org", NULL,
	    -DAY, DAY, key);
	certificates[EXPIRED] = make_certificate(5, "expired", "mx.example.org",
	    authority, -3 * DAY, -DAY, other_key);
}

static void
free_certificates(void)
{
	int	i;

	for (i = 0; i < NCERTIFICATE; i++)
		X509_free(certificates[i]);
	X509_free(authority);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other_key);
}

/* The SHA-256 of a certificate's SubjectPublicKeyInfo. */
static void
add_tlsa(SSL *ssl, int usage, X509 *certificate)
{
	unsigned char	 digest[EVP_MAX_MD_SIZE], *spki = NULL;
	unsigned int	 length = 0;
	int		 n;

	n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
	EVP_Digest(spki, (size_t)n, digest, &length, EVP_sha256(), NULL);
	OPENSSL_free(spki);
	if (SSL_dane_tlsa_add(ssl, (uint8_t)usage, 1, 1, digest, length) <= 0)
		diag("SSL_dane_tlsa_add failed");
}

static SSL_CTX *
make_context(const SSL_METHOD *method, int version, const char *ciphers)
{
	SSL_CTX	*context = SSL_CTX_new(method);

	SSL_CTX_set_security_level(context, 0);
	SSL_CTX_set_min_proto_version(context, version);
	SSL_CTX_set_max_proto_version(context, version);
	if (ciphers != NULL && !SSL_CTX_set_cipher_list(context, ciphers)) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

/* Both ends over a pair of BIOs; 1: both are done. */
static int
shake_hands(SSL *client, SSL *server)
{
	char	octet;
	int	turn;

	for (turn = 0; turn < 20; turn++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
		if (SSL_is_init_finished(client) && SSL_is_init_finished(server)) {
			/* TLS 1.3 hands out tickets behind the handshake. */
			SSL_read(client, &octet, 1);
			return 1;
		}
	}
	return 0;
}

static const struct row {
	const char		*what;
	int			 version;
	const char		*ciphers;	/* NULL: the default */
	const char		*suite;
	enum certificate	 certificate;
	int			 how;
	deep_latches		 latches;
	deep_latches		 resumed;	/* of the same session resumed */
} rows[] = {
	{ "D3.2-3 D3.2-6 ECDHE with AEAD", DEEP_TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256",
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", GOOD, 0,
	    TLS12 | NO | PFS | CERT, TLS12 | NO | PFS },
	{ "D5.3-6 static RSA", DEEP_TLS1_2, "AES128-SHA",
	    "TLS_RSA_WITH_AES_128_CBC_SHA", GOOD, 0, TLS12 | NO | CERT, TLS12 | NO },
	{ "D5.3-5 DHE", DEEP_TLS1_2, "DHE-RSA-AES128-SHA",
	    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", GOOD, 0,
	    TLS12 | NO | PFS | CERT, TLS12 | NO | PFS },
	{ "D3.2-2 TLS 1.1", DEEP_TLS1_1, "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA",
	    GOOD, 0, TLS11 | NO | CERT, TLS11 | NO },
	{ "D3.2-1 TLS 1.0", DEEP_TLS1_0, "AES128-SHA", "TLS_RSA_WITH_AES_128_CBC_SHA",
	    GOOD, 0, TLS10 | NO | CERT, TLS10 | NO },
	{ "D5.3-5 DHE in TLS 1.0", DEEP_TLS1_0, "DHE-RSA-AES128-SHA",
	    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", GOOD, 0,
	    TLS10 | NO | PFS | CERT, TLS10 | NO | PFS },
	{ "D3.2-11 TLS 1.3", DEEP_TLS1_3, NULL, "TLS_AES_256_GCM_SHA384", GOOD, 0,
	    TLS12 | NO | PFS | CERT, TLS12 | NO | PFS },
	{ "D3.2-4 no encryption", DEEP_TLS1_2, "ECDHE-RSA-NULL-SHA",
	    "TLS_ECDHE_RSA_WITH_NULL_SHA", GOOD, 0, CERT, 0 },
	{ "D3.2-5 anonymous", DEEP_TLS1_2, "AECDH-AES128-SHA",
	    "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", GOOD, 0,
	    TLS12 | NO | PFS, TLS12 | NO | PFS },
	{ "D3.2-6 another name", DEEP_TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256",
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", WRONG, 0,
	    TLS12 | NO | PFS, TLS12 | NO | PFS },
	{ "D3.2-6 no reference name", DEEP_TLS1_2, "ECDHE-RSA-AES128-GCM-SHA256",
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", GOOD, NO_NAME,
	    TLS12 | NO | PFS, TLS12 | NO | PFS },
	{ "D3.2-5 D5.3-2 signed by itself", DEEP_TLS1_3, NULL, "TLS_AES_256_GCM_SHA384",
	    SELF, 0, TLS12 | NO | PFS, TLS12 | NO | PFS },
	{ "D3.3-11 D5.3-2 expired", DEEP_TLS1_3, NULL, "TLS_AES_256_GCM_SHA384",
	    EXPIRED, 0, TLS12 | NO | PFS, TLS12 | NO | PFS },
	{ "D3.2-6 an authority that is not trusted", DEEP_TLS1_2, "AES128-SHA",
	    "TLS_RSA_WITH_AES_128_CBC_SHA", GOOD, NO_CA, TLS12 | NO, TLS12 | NO },
	{ "D3.2-8 DANE-EE, signed by itself: no tls-cert", DEEP_TLS1_3, NULL,
	    "TLS_AES_256_GCM_SHA384", SELF, TLSA, TLS12 | NO | PFS | DANE, 0 },
	{ "D3.2-8 DANE-EE in TLS 1.2", DEEP_TLS1_2, "AES128-SHA",
	    "TLS_RSA_WITH_AES_128_CBC_SHA", SELF, TLSA, TLS12 | NO | DANE, 0 },
	{ "D3.2-8 DANE-EE, expired, another name (RFC 7672 3.1.1)", DEEP_TLS1_3, NULL,
	    "TLS_AES_256_GCM_SHA384", EXPIRED, TLSA, TLS12 | NO | PFS | DANE, 0 },
	{ "D3.2-8 DANE-EE of another key", DEEP_TLS1_3, NULL,
	    "TLS_AES_256_GCM_SHA384", SELF, BAD_TLSA, TLS12 | NO | PFS, 0 },
	{ "D3.2-8 DANE-TA, not trusted otherwise: no tls-cert", DEEP_TLS1_3, NULL,
	    "TLS_AES_256_GCM_SHA384", GOOD, TLSA_2 | NO_CA, TLS12 | NO | PFS | DANE, 0 },
	{ "D3.2-6 D3.2-8 PKIX-TA proves the chain too", DEEP_TLS1_3, NULL,
	    "TLS_AES_256_GCM_SHA384", GOOD, TLSA_0, TLS12 | NO | PFS | DANE | CERT, 0 },
};

static SSL *
make_client(SSL_CTX *context, const struct row *row)
{
	SSL	*ssl;
	int	 dane = row->how & (TLSA | BAD_TLSA | TLSA_0 | TLSA_2);

	ssl = SSL_new(context);
	SSL_set_connect_state(ssl);
	if (dane && SSL_dane_enable(ssl, "mx.example.org") <= 0)
		diag("SSL_dane_enable failed");
	if (!dane && !(row->how & NO_NAME))
		SSL_set1_host(ssl, "mx.example.org");
	if (row->how & (TLSA | BAD_TLSA)) {
		/* RFC 7672 3.1.1: no name and no date counts */
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		add_tlsa(ssl, 3, row->how & TLSA ?
		    certificates[row->certificate] : certificates[WRONG]);
	}
	if (row->how & TLSA_0)
		add_tlsa(ssl, 0, authority);
	if (row->how & TLSA_2)
		add_tlsa(ssl, 2, authority);
	return ssl;
}

static SSL *
make_server(SSL_CTX *context, SSL *client)
{
	SSL	*ssl = SSL_new(context);
	BIO	*here, *there;

	BIO_new_bio_pair(&here, 65536, &there, 65536);
	SSL_set_accept_state(ssl);
	SSL_set_bio(client, here, here);
	SSL_set_bio(ssl, there, there);
	return ssl;
}

static void
test_row(const struct row *row)
{
	SSL_CTX			*client_context, *server_context;
	SSL			*client = NULL, *server = NULL;
	SSL_SESSION		*old = NULL;
	struct deep_session	 session;

	client_context = make_context(TLS_client_method(), row->version, row->ciphers);
	server_context = make_context(TLS_server_method(), row->version, row->ciphers);
	if (client_context == NULL || server_context == NULL) {
		skip(1, "%s: this OpenSSL has no %s", row->what, row->ciphers);
		goto done;
	}
	SSL_CTX_set_dh_auto(server_context, 1);
	SSL_CTX_use_certificate(server_context, certificates[row->certificate]);
	SSL_CTX_use_PrivateKey(server_context,
	    row->certificate == SELF ? key : other_key);
	SSL_CTX_add1_chain_cert(server_context, authority);
	if (!(row->how & NO_CA))
		X509_STORE_add_cert(SSL_CTX_get_cert_store(client_context), authority);
	SSL_CTX_set_verify(client_context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_dane_enable(client_context);
	SSL_CTX_set_session_id_context(server_context, (const unsigned char *)"deep", 4);

	client = make_client(client_context, row);
	server = make_server(server_context, client);
	memset(&session, 0xff, sizeof(session));
	deep_session_ssl(&session, client);
	is_int(session.version, 0, "%s: not connected", row->what);
	is_int(deep_latches_satisfied(&session), 0, "%s: nothing before the handshake",
	    row->what);
	if (!shake_hands(client, server)) {
		ok(0, "%s: the handshake", row->what);
		ERR_print_errors_fp(stderr);
		goto done;
	}
	deep_session_ssl(&session, client);
	is_int(session.version, row->version, "%s: the version", row->what);
	is(session.suite == NULL ? NULL : session.suite->name, row->suite,
	    "%s: the suite", row->what);
	ok(!session.resumed && !session.strict, "%s: not resumed", row->what);
	is_int(deep_latches_satisfied(&session), row->latches, "%s: satisfied",
	    row->what);
	is_int(deep_latches_settable(&session), row->latches, "%s: settable", row->what);
	deep_session_ssl(&session, server);
	is_int(session.version, row->version, "%s: the server's version", row->what);
	ok(!session.chain_ok && !session.name_ok && !session.dane_ok,
	    "%s: no certificate, nothing verified", row->what);
	if (row->resumed == 0)
		goto done;

	old = SSL_get1_session(client);
	SSL_shutdown(client);
	SSL_shutdown(server);
	SSL_free(client);
	SSL_free(server);
	client = make_client(client_context, row);
	server = make_server(server_context, client);
	SSL_set_session(client, old);
	ok(shake_hands(client, server), "%s: the second handshake", row->what);
	ok(SSL_session_reused(client), "%s: resumed", row->what);
	deep_session_ssl(&session, client);
	is_int(session.resumed, row->version <= DEEP_TLS1_2,
	    "D3.2-11 %s: resumed is said of TLS 1.2 and lower", row->what);
	is_int(deep_latches_satisfied(&session), row->resumed,
	    "%s: satisfied when resumed", row->what);
	is_int(deep_latches_settable(&session),
	    row->version <= DEEP_TLS1_2 ? 0 : row->resumed,
	    "%s: settable when resumed", row->what);
done:
	SSL_SESSION_free(old);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_context);
	SSL_CTX_free(server_context);
}

/*
 * The words of mail servers: Exim with GnuTLS and with OpenSSL, OpenSMTPD.
 */
static const struct {
	const char	*words;
	enum deep_status answer;
	int		 version;
	const char	*suite;		/* NULL: unknown */
	const char	*group;
	int		 like, resumed;
	deep_latches	 satisfied;
} words[] = {
	{ "", DEEP_YES, 0, NULL, NULL, 0, 0, 0 },
	{ "TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256", DEEP_YES, DEEP_TLS1_3,
	    "TLS_AES_256_GCM_SHA384", "x25519", 0, 0, TLS12 | NO | PFS },
	{ "TLS1.3:ECDHE_SECP256R1__RSA_PSS_RSAE_SHA256__AES_256_GCM:256", DEEP_YES, DEEP_TLS1_3,
	    "TLS_AES_256_GCM_SHA384", "secp256r1", 0, 0, TLS12 | NO | PFS },
	{ "TLS1.3:DHE_FFDHE2048__RSA_PSS_RSAE_SHA256__AES_128_CCM:128", DEEP_YES, DEEP_TLS1_3,
	    "TLS_AES_128_CCM_SHA256", "ffdhe2048", 0, 0, TLS12 | NO | PFS },
	{ "TLS1.2:DHE_FFDHE2048__RSA_SHA256__AES_128_GCM:128", DEEP_YES, DEEP_TLS1_2,
	    "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256", "ffdhe2048", 0, 0, TLS12 | NO | PFS },
	{ "TLS1.2:ECDHE_X25519__RSA_PSS_RSAE_SHA256__CHACHA20_POLY1305:256", DEEP_YES, DEEP_TLS1_2,
	    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "x25519", 0, 0, TLS12 | NO | PFS },
	{ "TLS1.2:RSA__AES_128_GCM:128", DEEP_YES, DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_GCM_SHA256",
	    NULL, 0, 0, TLS12 | NO },
	{ "TLS1.2:RSA__ARCFOUR_128__SHA1:128", DEEP_YES, DEEP_TLS1_2, "TLS_RSA_WITH_RC4_128_SHA",
	    NULL, 0, 0, 0 },
	/* 192 bits, says GnuTLS */
	{ "TLS1.0:RSA__3DES_CBC__SHA1:192", DEEP_YES, DEEP_TLS1_0, "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
	    NULL, 0, 0, 0 },
	/* no signature below TLS 1.2 */
	{ "TLS1.0:ECDHE_X25519__AES_256_CBC__SHA1:256", DEEP_YES, DEEP_TLS1_0,
	    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", "x25519", 1, 0, TLS10 | NO | PFS },
	{ "TLS1.1:DHE_FFDHE2048__AES_128_CBC__SHA1:128", DEEP_YES, DEEP_TLS1_1,
	    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", "ffdhe2048", 1, 0, TLS11 | NO | PFS },
	/* nor in a resumed session */
	{ "TLS1.2:ECDHE_X25519__AES_256_GCM:256", DEEP_YES, DEEP_TLS1_2,
	    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "x25519", 1, 1, TLS12 | NO | PFS },
	{ "TLS1.3:(AES_256_GCM:256", DEEP_YES, DEEP_TLS1_3, "TLS_AES_256_GCM_SHA384", NULL, 0, 0,
	    TLS12 | NO | PFS },
	{ "TLS1:ECDHE-RSA-AES256-SHA:256", DEEP_YES, DEEP_TLS1_0,
	    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", NULL, 0, 0, TLS10 | NO | PFS },
	{ "TLS1.2:AES128-GCM-SHA256:128", DEEP_YES, DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_GCM_SHA256",
	    NULL, 0, 0, TLS12 | NO },
	{ "TLS1.3:TLS_AES_256_GCM_SHA384:256", DEEP_YES, DEEP_TLS1_3, "TLS_AES_256_GCM_SHA384", NULL,
	    0, 0, TLS12 | NO | PFS },
	{ "TLSv1.3:TLS_AES_256_GCM_SHA384:256", DEEP_YES, DEEP_TLS1_3, "TLS_AES_256_GCM_SHA384",
	    NULL, 0, 0, TLS12 | NO | PFS },
	{ "TLSv1.2:ECDHE-RSA-AES128-GCM-SHA256", DEEP_YES, DEEP_TLS1_2,
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", NULL, 0, 0, TLS12 | NO | PFS },
	/* nothing is concluded from what is not known */
	{ "TLSv1.3:TLS_NEW_AND_SHINY:256", DEEP_YES, DEEP_TLS1_3, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:(NULL:0", DEEP_YES, DEEP_TLS1_3, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:__:0", DEEP_YES, DEEP_TLS1_3, NULL, NULL, 0, 0, 0 },
	{ "TLS1.2:ECDHE_X25519__NOT_SO__SHA1:1", DEEP_YES, DEEP_TLS1_2, NULL, "x25519", 0, 0, 0 },
	{ "TLSv1.3", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:(:256", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ ":TLS_AES_256_GCM_SHA384:256", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv9:TLS_AES_256_GCM_SHA384:256", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:TLS_AES_256_GCM_SHA384:", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:TLS_AES_256_GCM_SHA384:99999", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "TLSv1.3:TLS_AES 256:256", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
	{ "no", DEEP_BAD, 0, NULL, NULL, 0, 0, 0 },
};

static void
test_words(void)
{
	struct deep_session		 session;
	const struct deep_group		*group;
	size_t				 i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		memset(&session, 0xff, sizeof(session));
		is_int(deep_session_words(&session, deep_str(words[i].words), &group), words[i].answer,
		    "words '%s'", words[i].words);
		is_int(session.version, words[i].version, "words %zu: version", i);
		is(session.suite == NULL ? NULL : session.suite->name, words[i].suite,
		    "words %zu: suite", i);
		is(group == NULL ? NULL : group->name, words[i].group, "words %zu: group", i);
		is_int(session.like, words[i].like, "words %zu: like", i);
		is_int(session.resumed, words[i].resumed, "words %zu: resumed", i);
		is_int(deep_latches_satisfied(&session), words[i].satisfied,
		    "D3.2-4: words %zu: latches", i);
		ok(!session.chain_ok && !session.name_ok && !session.host_ok && !session.host_safe &&
		    !session.verified && !session.dane_ok && !session.no_tlsa && !session.strict,
		    "words %zu: all else is the caller's", i);
	}
	is_int(deep_session_words(&session, deep_str(words[1].words), NULL), DEEP_YES,
	    "the group may be NULL");
}

int
main(void)
{
	struct deep_session	session;
	size_t			i;

	memset(&session, 0xff, sizeof(session));
	deep_session_ssl(&session, NULL);
	is_int(session.version, 0, "no SSL is no session");
	make_certificates();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		test_row(&rows[i]);
	free_certificates();
	test_words();
	return done_testing();
}
