/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * suite.c - cipher suites, groups and versions: every row and every spelling
 * is found; what the rows say is compared with OpenSSL, with GnuTLS, with the
 * registry's own table where it is at hand, and with a table made by hand.
 *
 * D3.2-4 (strong), D3.2-9 (MD5), D3.2-10 (RC4), D3.2-11 (forward secrecy),
 * D4-3 (the IANA name), D4-6 (groups).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deep.h"
#include "tap.h"

#define REGISTRY	"../shared/data/tls-parameters-4.csv"
#define OPENSSL	"openssl ciphers -V -stdname " \
			"ALL:COMPLEMENTOFALL@SECLEVEL=0 2>/dev/null"
#define GNUTLS		"gnutls-cli --list 2>/dev/null"

#define P	DEEP_SUITE_PFS
#define A	DEEP_SUITE_AEAD
#define M	DEEP_SUITE_MD5
#define R	DEEP_SUITE_RC4
#define Z	DEEP_SUITE_NULL
#define E	DEEP_SUITE_EXPORT
#define O	DEEP_SUITE_ANON
#define S	DEEP_SUITE_SCSV

#define KX(kx, auth)	DEEP_KX_##kx, DEEP_AUTH_##auth
static const struct known {
	unsigned	code;
	const char	*name;
	enum deep_kx	kx;
	enum deep_auth	auth;
	int		bits;
	int		flags;
	int		needs;
} known[] = {
	{ 0x0000, "TLS_NULL_WITH_NULL_NULL", KX(NULL, NULL), 0, Z | O, DEEP_SSL3 },
	{ 0x0001, "TLS_RSA_WITH_NULL_MD5", KX(RSA, RSA), 0, Z | M, DEEP_SSL3 },
	{ 0x0003, "TLS_RSA_EXPORT_WITH_RC4_40_MD5",
	    KX(RSA, RSA), 40, E | R | M, DEEP_SSL3 },
	{ 0x0004, "TLS_RSA_WITH_RC4_128_MD5", KX(RSA, RSA), 128, R | M, DEEP_SSL3 },
	{ 0x0005, "TLS_RSA_WITH_RC4_128_SHA", KX(RSA, RSA), 128, R, DEEP_SSL3 },
	{ 0x0006, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5",
	    KX(RSA, RSA), 40, E | M, DEEP_SSL3 },
	{ 0x0007, "TLS_RSA_WITH_IDEA_CBC_SHA", KX(RSA, RSA), 128, 0, DEEP_SSL3 },
	{ 0x0009, "TLS_RSA_WITH_DES_CBC_SHA", KX(RSA, RSA), 56, 0, DEEP_SSL3 },
	{ 0x000a, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", KX(RSA, RSA), 112, 0, DEEP_SSL3 },
	{ 0x000d, "TLS_DH_DSS_WITH_3DES_EDE_CBC_SHA", KX(DH, DSS), 112, 0, DEEP_SSL3 },
	{ 0x0014, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA",
	    KX(DHE, RSA), 40, P | E, DEEP_SSL3 },
	{ 0x0016, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", KX(DHE, RSA), 112, P, DEEP_SSL3 },
	{ 0x0017, "TLS_DH_anon_EXPORT_WITH_RC4_40_MD5",
	    KX(DHE, NULL), 40, P | E | R | M | O, DEEP_SSL3 },
	{ 0x0018, "TLS_DH_anon_WITH_RC4_128_MD5",
	    KX(DHE, NULL), 128, P | R | M | O, DEEP_SSL3 },
	{ 0x0025, "TLS_KRB5_WITH_IDEA_CBC_MD5", KX(KRB5, KRB5), 128, M, DEEP_SSL3 },
	{ 0x0026, "TLS_KRB5_EXPORT_WITH_DES_CBC_40_SHA",
	    KX(KRB5, KRB5), 40, E, DEEP_SSL3 },
	{ 0x002c, "TLS_PSK_WITH_NULL_SHA", KX(PSK, PSK), 0, Z, DEEP_SSL3 },
	{ 0x002f, "TLS_RSA_WITH_AES_128_CBC_SHA", KX(RSA, RSA), 128, 0, DEEP_SSL3 },
	{ 0x0033, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", KX(DHE, RSA), 128, P, DEEP_SSL3 },
	{ 0x003d, "TLS_RSA_WITH_AES_256_CBC_SHA256", KX(RSA, RSA), 256, 0, DEEP_TLS1_2 },
	{ 0x0088, "TLS_DHE_RSA_WITH_CAMELLIA_256_CBC_SHA",
	    KX(DHE, RSA), 256, P, DEEP_SSL3 },
	{ 0x0092, "TLS_RSA_PSK_WITH_RC4_128_SHA", KX(RSA_PSK, RSA), 128, R, DEEP_SSL3 },
	{ 0x0096, "TLS_RSA_WITH_SEED_CBC_SHA", KX(RSA, RSA), 128, 0, DEEP_SSL3 },
	{ 0x009f, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384",
	    KX(DHE, RSA), 256, P | A, DEEP_TLS1_2 },
	{ 0x00a0, "TLS_DH_RSA_WITH_AES_128_GCM_SHA256",
	    KX(DH, RSA), 128, A, DEEP_TLS1_2 },
	{ 0x00a7, "TLS_DH_anon_WITH_AES_256_GCM_SHA384",
	    KX(DHE, NULL), 256, P | A | O, DEEP_TLS1_2 },
	{ 0x00aa, "TLS_DHE_PSK_WITH_AES_128_GCM_SHA256",
	    KX(DHE_PSK, PSK), 128, P | A, DEEP_TLS1_2 },
	{ 0x00af, "TLS_PSK_WITH_AES_256_CBC_SHA384", KX(PSK, PSK), 256, 0, DEEP_TLS1_0 },
	{ 0x00c6, "TLS_SM4_GCM_SM3", KX(TLS13, ANY), 128, P | A, DEEP_TLS1_3 },
	{ 0x00ff, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV", KX(NULL, NULL), 0, S, DEEP_SSL3 },
	{ 0x1301, "TLS_AES_128_GCM_SHA256", KX(TLS13, ANY), 128, P | A, DEEP_TLS1_3 },
	{ 0x1302, "TLS_AES_256_GCM_SHA384", KX(TLS13, ANY), 256, P | A, DEEP_TLS1_3 },
	{ 0x1303, "TLS_CHACHA20_POLY1305_SHA256",
	    KX(TLS13, ANY), 256, P | A, DEEP_TLS1_3 },
	{ 0x1305, "TLS_AES_128_CCM_8_SHA256", KX(TLS13, ANY), 128, P | A, DEEP_TLS1_3 },
	{ 0x1306, "TLS_AEGIS_256_SHA512", KX(TLS13, ANY), 256, P | A, DEEP_TLS1_3 },
	{ 0x5600, "TLS_FALLBACK_SCSV", KX(NULL, NULL), 0, S, DEEP_SSL3 },
	{ 0xc004, "TLS_ECDH_ECDSA_WITH_AES_128_CBC_SHA",
	    KX(ECDH, ECDSA), 128, 0, DEEP_SSL3 },
	{ 0xc010, "TLS_ECDHE_RSA_WITH_NULL_SHA", KX(ECDHE, RSA), 0, P | Z, DEEP_SSL3 },
	{ 0xc011, "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
	    KX(ECDHE, RSA), 128, P | R, DEEP_SSL3 },
	{ 0xc019, "TLS_ECDH_anon_WITH_AES_256_CBC_SHA",
	    KX(ECDHE, NULL), 256, P | O, DEEP_SSL3 },
	{ 0xc01b, "TLS_SRP_SHA_RSA_WITH_3DES_EDE_CBC_SHA",
	    KX(SRP, RSA), 112, 0, DEEP_SSL3 },
	{ 0xc01d, "TLS_SRP_SHA_WITH_AES_128_CBC_SHA", KX(SRP, SRP), 128, 0, DEEP_SSL3 },
	{ 0xc028, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384",
	    KX(ECDHE, RSA), 256, P, DEEP_TLS1_2 },
	{ 0xc02b, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	    KX(ECDHE, ECDSA), 128, P | A, DEEP_TLS1_2 },
	{ 0xc031, "TLS_ECDH_RSA_WITH_AES_128_GCM_SHA256",
	    KX(ECDH, RSA), 128, A, DEEP_TLS1_2 },
	{ 0xc03c, "TLS_RSA_WITH_ARIA_128_CBC_SHA256", KX(RSA, RSA), 128, 0, DEEP_TLS1_2 },
	{ 0xc09f, "TLS_DHE_RSA_WITH_AES_256_CCM", KX(DHE, RSA), 256, P | A, DEEP_TLS1_2 },
	{ 0xc0aa, "TLS_PSK_DHE_WITH_AES_128_CCM_8",
	    KX(DHE_PSK, PSK), 128, P | A, DEEP_TLS1_2 },
	{ 0xc0b0, "TLS_ECCPWD_WITH_AES_128_GCM_SHA256",
	    KX(ECCPWD, PWD), 128, P | A, DEEP_TLS1_2 },
	{ 0xc0b4, "TLS_SHA256_SHA256", KX(TLS13, ANY), 0, P | Z, DEEP_TLS1_3 },
	{ 0xc0b5, "TLS_SHA384_SHA384", KX(TLS13, ANY), 0, P | Z, DEEP_TLS1_3 },
	{ 0xc100, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_CTR_OMAC",
	    KX(GOST, GOST), 256, 0, DEEP_TLS1_2 },
	{ 0xc103, "TLS_GOSTR341112_256_WITH_KUZNYECHIK_MGM_L",
	    KX(TLS13, ANY), 256, P | A, DEEP_TLS1_3 },
	{ 0xcca8, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	    KX(ECDHE, RSA), 256, P | A, DEEP_TLS1_2 },
	{ 0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
	    KX(PSK, PSK), 256, A, DEEP_TLS1_2 },
	{ 0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
	    KX(ECDHE_PSK, PSK), 128, P | A, DEEP_TLS1_2 },
};

#define NONE	0x10000		/* no suite */
static const struct spelt {
	const char	*text;
	int		 version;
	unsigned	 code;
	const char	*group;
} spelt[] = {
	{ "tls_rsa_with_aes_128_cbc_sha", 0, 0x002f, NULL },
	{ "0x1302", 0, 0x1302, NULL },
	{ "0XcCa8", 0, 0xcca8, NULL },
	{ "0x0a0a", 0, NONE, NULL },
	{ "0x130", 0, NONE, NULL },
	{ "0x13020", 0, NONE, NULL },
	{ "0x13g2", 0, NONE, NULL },
	/* OpenSSL, of all times */
	{ "EDH-RSA-DES-CBC3-SHA", 0, 0x0016, NULL },
	{ "DHE-RSA-DES-CBC3-SHA", 0, 0x0016, NULL },
	{ "AECDH-AES256-SHA", 0, 0xc019, NULL },
	{ "ADH-AES256-GCM-SHA384", 0, 0x00a7, NULL },
	{ "EXP-RC4-MD5", 0, 0x0003, NULL },
	{ "ECDHE-RSA-CHACHA20-POLY1305", 0, 0xcca8, NULL },
	{ "ECDHE-RSA-CHACHA20-POLY1305-OLD", 0, 0xcc13, NULL },
	{ "DHE-RSA-CAMELLIA256-SHA", 0, 0x0088, NULL },
	{ "DES-CBC3-SHA", 0, 0x000a, NULL },
	{ "RC4-MD5", 0, 0x0004, NULL },
	{ "SRP-RSA-AES-128-CBC-SHA", 0, 0xc01e, NULL },
	{ "GOST2001-GOST89-GOST89", 0, 0x0081, NULL },
	{ "SEED-SHA", 0, 0x0096, NULL },
	{ "IDEA-CBC-SHA", 0, 0x0007, NULL },
	{ "ECDHE-RSA-AES128-GCM-SHA256", DEEP_TLS1_3, 0xc02f, NULL },
	/* LibreSSL, rustls, Java, mbed TLS */
	{ "AEAD-AES256-GCM-SHA384", 0, 0x1302, NULL },
	{ "AEAD-AES128-GCM-SHA256", 0, 0x1301, NULL },
	{ "AEAD-CHACHA20-POLY1305-SHA256", 0, 0x1303, NULL },
	{ "TLS13_AES_256_GCM_SHA384", 0, 0x1302, NULL },
	{ "TLS13_RSA_WITH_AES_128_CBC_SHA", 0, NONE, NULL },
	{ "SSL_RSA_WITH_RC4_128_MD5", 0, 0x0004, NULL },
	{ "TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", 0, 0xc030, NULL },
	/* Schannel */
	{ "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256_P256", 0, 0xc027, "secp256r1" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384_P384", 0, 0xc028, "secp384r1" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384_P521", 0, 0xc028, "secp521r1" },
	{ "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA_P384", 0, 0xc014, "secp384r1" },
	{ "TLS_ECDHE_RSA_WITH_NOTHING_P384", 0, NONE, NULL },
	/* GnuTLS, three parts */
	{ "ECDHE_RSA_AES_256_GCM_SHA384", DEEP_TLS1_2, 0xc030, NULL },
	{ "ECDHE_RSA_AES_256_GCM_SHA384", 0, 0xc030, NULL },
	{ "ECDHE_RSA_AES_128_GCM_SHA256", DEEP_TLS1_3, 0x1301, NULL },
	{ "TLS_ECDHE_RSA_AES_256_GCM_SHA384", DEEP_TLS1_3, 0x1302, NULL },
	{ "ECDHE_RSA_CHACHA20_POLY1305", DEEP_TLS1_3, 0x1303, NULL },
	{ "DHE_RSA_AES_128_CCM", DEEP_TLS1_3, 0x1304, NULL },
	{ "DHE_RSA_AES_256_CCM", DEEP_TLS1_3, 0xc09f, NULL },
	{ "RSA_AES_128_GCM_SHA256", DEEP_TLS1_3, 0x009c, NULL },
	{ "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", DEEP_TLS1_3, 0xc02f, NULL },
	{ "RSA_AES_128_CBC_SHA1", 0, 0x002f, NULL },
	{ "TLS_RSA_AES_128_CBC_SHA1", 0, 0x002f, NULL },
	{ "RSA_AES_256_CBC_SHA", 0, 0x0035, NULL },
	{ "RSA_ARCFOUR_128_MD5", 0, 0x0004, NULL },
	{ "RSA_ARCFOUR_MD5", 0, 0x0004, NULL },
	{ "RSA_3DES_EDE_CBC_SHA1", 0, 0x000a, NULL },
	{ "DH_ANON_AES_128_CBC_SHA1", 0, 0x0034, NULL },
	{ "ECDH_ANON_AES_256_CBC_SHA1", 0, 0xc019, NULL },
	{ "DHE_RSA_AES_256_CBC_SHA256", 0, 0x006b, NULL },
	/* GnuTLS since 3.6, as Exim writes it */
	{ "ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_128_GCM",
	    DEEP_TLS1_3, 0x1301, "x25519" },
	{ "ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_128_GCM",
	    DEEP_TLS1_2, 0xc02f, "x25519" },
	{ "ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_128_GCM", 0, NONE, "x25519" },
	{ "ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_128_GCM",
	    DEEP_TLS_SOME, NONE, "x25519" },
	{ "ECDHE_SECP256R1__RSA_SHA256__AES_256_GCM", 0, 0xc030, "secp256r1" },
	{ "ECDHE_SECP256R1__RSA_SHA256__AES_256_GCM", DEEP_TLS1_3, 0x1302, "secp256r1" },
	{ "ECDHE_SECP256R1__ECDSA_SECP256R1_SHA256__CHACHA20_POLY1305",
	    DEEP_TLS1_2, 0xcca9, "secp256r1" },
	{ "ECDHE_SECP256R1__ECDSA_SECP256R1_SHA256__CHACHA20_POLY1305",
	    DEEP_TLS1_3, 0x1303, "secp256r1" },
	{ "ECDHE_X25519__EDDSA_ED25519__AES_256_GCM", DEEP_TLS1_2, 0xc02c, "x25519" },
	{ "ECDHE_X25519__RSA_SHA256__AES_256_CBC__SHA1", 0, 0xc014, "x25519" },
	{ "ECDHE_SECP384R1__ECDSA_SHA384__AES_256_CBC__SHA384", 0, 0xc024, "secp384r1" },
	{ "ECDHE_X25519__AES_256_CBC__SHA1", DEEP_TLS1_0, NONE, "x25519" },
	{ "ECDHE_X25519__AES_256_GCM", DEEP_TLS1_2, NONE, "x25519" },
	{ "ECDHE_X25519__AES_256_GCM", DEEP_TLS1_3, 0x1302, "x25519" },
	{ "X25519__AES_256_GCM", DEEP_TLS1_3, NONE, NULL },
	{ "DHE_FFDHE2048__RSA_SHA256__AES_128_GCM", DEEP_TLS1_2, 0x009e, "ffdhe2048" },
	{ "DHE_FFDHE2048__RSA_PSS_RSAE_SHA256__AES_128_CCM",
	    DEEP_TLS1_3, 0x1304, "ffdhe2048" },
	{ "DHE_CUSTOM2048__RSA_SHA256__AES_128_GCM", DEEP_TLS1_2, 0x009e, NULL },
	{ "ECDHE_X25519_MLKEM768__RSA_PSS_RSAE_SHA256__AES_256_GCM",
	    DEEP_TLS1_3, 0x1302, "X25519MLKEM768" },
	{ "HYBRID_X25519_MLKEM768__RSA_PSS_RSAE_SHA256__AES_256_GCM",
	    DEEP_TLS1_3, 0x1302, "X25519MLKEM768" },
	{ "HYBRID_SECP384R1_MLKEM1024__ECDSA_SECP384R1_SHA384__AES_128_GCM", 0, 0x1301,
	    "SecP384r1MLKEM1024" },
	{ "HYBRID_X25519_MLKEM768__RSA_PSS_RSAE_SHA256__AES_256_GCM", DEEP_TLS1_2, NONE,
	    "X25519MLKEM768" },
	{ "HYBRID__RSA_PSS_RSAE_SHA256__AES_256_GCM", DEEP_TLS1_3, 0x1302, NULL },
	{ "RSA__AES_128_GCM", DEEP_TLS1_2, 0x009c, NULL },
	{ "RSA__AES_128_GCM", 0, 0x009c, NULL },
	{ "RSA__ARCFOUR_128__SHA1", DEEP_TLS1_2, 0x0005, NULL },
	{ "RSA__3DES_CBC__SHA1", DEEP_TLS1_0, 0x000a, NULL },
	{ "RSA__CAMELLIA_256_GCM", 0, 0xc07b, NULL },
	{ "RSA__", 0, NONE, NULL },
	{ "__", 0, NONE, NULL },
	{ "RSA__A__B__C__D", 0, NONE, NULL },
	{ "RSA__SHA1__SHA1__SHA1", 0, NONE, NULL },
	/* not names of a suite */
	{ "", 0, NONE, NULL },
	{ "ke-RSA-AES256-SHAnnn", 0, NONE, NULL },
	{ "TLS_ECDHE_WITH_AES256_SHA384", 0, NONE, NULL },
	{ "AES-256-GCM", 0, NONE, NULL },
	{ "Aes256", 0, NONE, NULL },
	{ "OTHER", 0, NONE, NULL },
	{ "TLS_", 0, NONE, NULL },
	{ "SSL_", 0, NONE, NULL },
	{ "_P256", 0, NONE, NULL },
	{ "TLS_RSA_WITH_AES_128_CBC_SHA ", 0, NONE, NULL },
	{ "TLS_AES256-SHA", 0, NONE, NULL },
};

static const struct {
	unsigned	 code;
	const char	*whose;
	const char	*text;
} names[] = {
#define NAME(code, whose, spelling) { code, #whose, spelling },
#include "suites.in"
};
static const struct {
	int		 version;
	const char	*text;
} versions[] = {
#define VERSION(spelling, version, seen) { version, spelling },
#include "versions.in"
};
#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static unsigned
code_of(const struct deep_suite *suite)
{
	return suite == NULL ? NONE : suite->code;
}

static unsigned
find(const char *text)
{
	return code_of(deep_suite_find(deep_str(text), 0, NULL));
}

static unsigned
test_rows(void)
{
	const struct deep_suite	*suite;
	char			 text[64], raised[80];
	unsigned		 n = 0, registered = 0, bad = 0, last = 0;
	size_t			 i, j;

	for (suite = deep_suite_each(NULL); suite != NULL;
	    suite = deep_suite_each(suite), n++) {
		if (n > 0 && suite->code <= last) {
			diag("0x%04X is out of order", (unsigned)suite->code);
			bad++;
		}
		last = suite->code;
		if (deep_suite_code(suite->code) != suite ||
		    find(suite->name) != last ||
		    (suite->openssl != NULL && find(suite->openssl) != last) ||
		    (suite->gnutls != NULL && find(suite->gnutls) != last)) {
			diag("%s: not found by all of its names", suite->name);
			bad++;
		}
		if (suite->recommended != '-')
			registered++;
		/* D4-3: the name where there is one, else the number */
		(void)deep_suite_emit(text, sizeof(text), suite->code);
		if (find(text) != last ||
		    (suite->recommended == '-') != (strncmp(text, "0x", 2) == 0)) {
			diag("%s: emitted as %s", suite->name, text);
			bad++;
		}
		if (strchr("YND-", suite->recommended) == NULL ||
		    suite->bits > 256 || suite->needs < DEEP_SSL3 ||
		    (suite->bits == 0) !=
		    ((suite->flags & (DEEP_SUITE_NULL | DEEP_SUITE_SCSV)) != 0) ||
		    ((suite->flags & DEEP_SUITE_EXPORT) && suite->bits > 56) ||
		    (strstr(suite->name, "_MD5") != NULL) !=
		    ((suite->flags & DEEP_SUITE_MD5) != 0) ||
		    (strstr(suite->name, "_RC4_") != NULL) !=
		    ((suite->flags & DEEP_SUITE_RC4) != 0) ||
		    (strstr(suite->name, "_EXPORT") != NULL) !=
		    ((suite->flags & DEEP_SUITE_EXPORT) != 0)) {
			diag("%s: a row that contradicts itself", suite->name);
			bad++;
		}
	}
	is_int(bad, 0, "D4-3 all %u rows stand in order and are found", n);

	for (i = bad = 0; i < COUNT(names); i++) {
		for (j = 0; j < sizeof(raised) - 1 && names[i].text[j] != '\0'; j++)
			raised[j] = names[i].text[j] >= 'a' && names[i].text[j] <= 'z' ?
			    (char)(names[i].text[j] - 'a' + 'A') : names[i].text[j];
		raised[j] = '\0';
		if (find(names[i].text) != names[i].code ||
		    find(raised) != names[i].code) {
			diag("%s (%s): not found", names[i].text, names[i].whose);
			bad++;
		}
	}
	is_int(bad, 0, "all %u spellings are found, case apart", (unsigned)COUNT(names));

	for (i = n = 0; i < 0x10000; i++) {
		suite = deep_suite_code((uint16_t)i);
		if (suite != NULL && suite->code == i)
			n++;
	}
	is_int(n, (long long)(registered + 20), "no other number has a row");
	return registered;
}

static void
test_known(void)
{
	const struct deep_suite	*s;
	size_t			 i;

	for (i = 0; i < COUNT(known); i++) {
		s = deep_suite_code((uint16_t)known[i].code);
		if (!ok(s != NULL && strcmp(s->name, known[i].name) == 0 &&
		    s->kx == known[i].kx && s->auth == known[i].auth &&
		    s->bits == known[i].bits && s->flags == known[i].flags &&
		    s->needs == known[i].needs,
		    "D3.2-4 D3.2-9 D3.2-10 D3.2-11 %s", known[i].name) && s != NULL)
			diag("kx %d auth %d bits %d flags 0x%x needs 0x%x", s->kx,
			    s->auth, s->bits, (unsigned)s->flags, (unsigned)s->needs);
	}
}

static void
test_spelt(void)
{
	const struct deep_group	*group;
	size_t			 i;

	for (i = 0; i < COUNT(spelt); i++) {
		group = deep_group_code(1);
		is_int(code_of(deep_suite_find(deep_str(spelt[i].text),
		    spelt[i].version, &group)), spelt[i].code, "\"%s\" with 0x%04x",
		    spelt[i].text, (unsigned)spelt[i].version);
		is(group == NULL ? NULL : group->name, spelt[i].group,
		    "\"%s\" with 0x%04x: its group", spelt[i].text,
		    (unsigned)spelt[i].version);
	}
}

static void
test_hostile(void)
{
	static const char	 nul[] = "TLS_AES_128_GCM_SHA256\0X";
	struct deep_str		 s = { NULL, 0 };
	char			*big, text[8];
	size_t			 n;

	ok(deep_suite_find(s, 0, NULL) == NULL, "no text");
	ok(deep_group_find(s) == NULL, "no text for a group");
	is_int(deep_tls_version(s), 0, "no text for a version");
	s.p = nul;
	s.n = sizeof(nul) - 1;
	ok(deep_suite_find(s, 0, NULL) == NULL, "a NUL inside");
	s.n = sizeof("TLS_AES_128_GCM_SHA256");
	ok(deep_suite_find(s, 0, NULL) == NULL, "a NUL behind");
	if ((big = malloc(DEEP_FIELD_MAX)) == NULL)
		abort();
	memset(big, 'A', DEEP_FIELD_MAX);
	s.p = big;
	s.n = DEEP_FIELD_MAX;
	ok(deep_suite_find(s, 0, NULL) == NULL, "64 KiB of A");
	ok(deep_group_find(s) == NULL, "64 KiB of A for a group");
	memset(big, '_', DEEP_FIELD_MAX);
	ok(deep_suite_find(s, 0, NULL) == NULL, "64 KiB of _");
	/* Every length around the longest name, and nothing behind it is read. */
	free(big);
	for (n = 1; n <= 200; n++) {
		if ((big = malloc(n)) == NULL)
			abort();
		memset(big, 'T', n);
		memcpy(big, "ECDHE_X25519__RSA_", n < 18 ? n : 18);
		s.p = big;
		s.n = n;
		(void)deep_suite_find(s, DEEP_TLS1_3, NULL);
		memcpy(big, "TLS13_", n < 6 ? n : 6);
		(void)deep_suite_find(s, 0, NULL);
		free(big);
	}
	is_int(deep_suite_emit(text, sizeof(text), 0x1399), 6, "no row: six octets");
	is(text, "0x1399", "and they are its number");
	is_int(deep_suite_emit(text, 6, 0xfffe), 6, "no room for the NUL");
	is(text, "", "and nothing is written");
	is_int(deep_suite_emit(NULL, 0, 0x1301), 22, "no room at all");
}

/* What OpenSSL says, in the words of ciphers(1). */
static int
same_as_openssl(const struct deep_suite *s, const char *version, const char *kx,
    const char *au, const char *enc, const char *mac)
{
	static const struct {
		enum deep_kx	 kx;
		const char	*text;
	} kxs[] = {
		{ DEEP_KX_RSA, "RSA" }, { DEEP_KX_DHE, "DH" }, { DEEP_KX_ECDHE, "ECDH" },
		{ DEEP_KX_PSK, "PSK" }, { DEEP_KX_RSA_PSK, "RSAPSK" },
		{ DEEP_KX_DHE_PSK, "DHEPSK" }, { DEEP_KX_ECDHE_PSK, "ECDHEPSK" },
		{ DEEP_KX_SRP, "SRP" }, { DEEP_KX_TLS13, "any" },
		{ DEEP_KX_GOST, "GOST" }
	}, auths[] = {
		{ (enum deep_kx)DEEP_AUTH_NULL, "None" },
		{ (enum deep_kx)DEEP_AUTH_RSA, "RSA" },
		{ (enum deep_kx)DEEP_AUTH_DSS, "DSS" },
		{ (enum deep_kx)DEEP_AUTH_ECDSA, "ECDSA" },
		{ (enum deep_kx)DEEP_AUTH_PSK, "PSK" },
		{ (enum deep_kx)DEEP_AUTH_SRP, "SRP" },
		{ (enum deep_kx)DEEP_AUTH_ANY, "any" }
	};
	const char	*bits = strchr(enc, '(');
	int		 floor, good = 0;
	size_t		 i;

	for (i = 0; i < COUNT(kxs); i++)
		good += s->kx == kxs[i].kx && strcmp(kx, kxs[i].text) == 0;
	for (i = 0; i < COUNT(auths); i++)
		good += s->auth == (uint8_t)auths[i].kx && strcmp(au, auths[i].text) == 0;
	if (good != 2)
		return 0;
	/* OpenSSL gives the length of a 3DES key */
	if (s->bits != (bits == NULL ? 0 : atoi(bits + 1)) &&
	    !(strncmp(enc, "3DES", 4) == 0 && s->bits == 112))
		return 0;
	if ((strcmp(enc, "None") == 0) != ((s->flags & DEEP_SUITE_NULL) != 0) ||
	    (strncmp(enc, "RC4", 3) == 0) != ((s->flags & DEEP_SUITE_RC4) != 0) ||
	    (strcmp(mac, "MD5") == 0) != ((s->flags & DEEP_SUITE_MD5) != 0) ||
	    (strcmp(mac, "AEAD") == 0) != ((s->flags & DEEP_SUITE_AEAD) != 0) ||
	    (strcmp(au, "None") == 0) != ((s->flags & DEEP_SUITE_ANON) != 0))
		return 0;
	floor = deep_tls_version(deep_str(version));
	return floor >= DEEP_TLS1_2 ? s->needs == floor : s->needs <= floor ||
	    (floor == DEEP_SSL3 && s->needs == DEEP_SSL3);
}

static void
test_openssl(void)
{
	const struct deep_suite	*suite;
	FILE			*pipe = popen(OPENSSL, "r");
	char			 line[512], iana[80], name[80], version[16];
	char			 kx[16], au[16], enc[40], mac[16];
	unsigned		 high, low, n = 0, bad = 0;

	while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL) {
		if (sscanf(line, " 0x%2x,0x%2x - %79s - %79s %15s Kx=%15s Au=%15s "
		    "Enc=%39s Mac=%15s", &high, &low, iana, name, version, kx, au,
		    enc, mac) != 9)
			continue;
		n++;
		suite = deep_suite_code((uint16_t)(high << 8 | low));
		if (suite == NULL || strcmp(suite->name, iana) != 0 ||
		    suite->openssl == NULL || strcmp(suite->openssl, name) != 0 ||
		    !same_as_openssl(suite, version, kx, au, enc, mac)) {
			diag("differs: %s", line);
			bad++;
		}
	}
	if (pipe == NULL || (pclose(pipe), n == 0))
		skip(1, "openssl(1) tells no suites");
	else
		is_int(bad, 0, "D4-3 %u suites as OpenSSL knows them", n);
}

static void
test_gnutls(void)
{
	static const struct {
		const char	*text;
		enum deep_kx	 kx;
	} kxs[] = {		/* longer ones first */
		{ "ECDHE_PSK_", DEEP_KX_ECDHE_PSK }, { "ECDHE_", DEEP_KX_ECDHE },
		{ "ECDH_ANON_", DEEP_KX_ECDHE }, { "DH_ANON_", DEEP_KX_DHE },
		{ "DHE_PSK_", DEEP_KX_DHE_PSK }, { "DHE_", DEEP_KX_DHE },
		{ "RSA_PSK_", DEEP_KX_RSA_PSK }, { "RSA_", DEEP_KX_RSA },
		{ "PSK_", DEEP_KX_PSK }, { "SRP_", DEEP_KX_SRP },
		{ "GOST", DEEP_KX_GOST }, { "", DEEP_KX_TLS13 }
	};
	const struct deep_suite	*suite;
	FILE			*pipe = popen(GNUTLS, "r");
	char			 line[8192], name[80], version[16];
	unsigned		 high, low, n = 0, bad = 0;
	int			 floor;
	size_t			 i;

	while (pipe != NULL && fgets(line, sizeof(line), pipe) != NULL) {
		if (sscanf(line, "TLS_%79s 0x%2x, 0x%2x %15s", name, &high, &low,
		    version) != 4)
			continue;
		n++;
		for (i = 0; strncmp(name, kxs[i].text, strlen(kxs[i].text)) != 0;)
			i++;
		suite = deep_suite_code((uint16_t)(high << 8 | low));
		floor = deep_tls_version(deep_str(version));
		if (suite == NULL || suite->gnutls == NULL ||
		    strcmp(suite->gnutls, name) != 0 || suite->kx != kxs[i].kx ||
		    deep_suite_find(deep_str(name), 0, NULL) != suite ||
		    suite->needs > (floor != DEEP_TLS1_0 ? floor : DEEP_TLS1_0) ||
		    (floor == DEEP_TLS1_3) != (suite->needs == DEEP_TLS1_3)) {
			diag("differs: %s", line);
			bad++;
		}
	}
	if (pipe == NULL || (pclose(pipe), n == 0))
		skip(1, "gnutls-cli(1) tells no suites");
	else
		is_int(bad, 0, "%u suites as GnuTLS knows them", n);
}

static void
test_registry(unsigned registered)
{
	const struct deep_suite	*suite;
	FILE			*file = fopen(REGISTRY, "r");
	char			 line[1024], name[80], dtls, recommended;
	unsigned		 high, low, n = 0, bad = 0;

	if (file == NULL) {
		skip(2, "no %s", REGISTRY);
		return;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "\"0x%2x,0x%2x\",%79[^,],%c,%c", &high, &low, name,
		    &dtls, &recommended) != 5 || strncmp(name, "TLS_", 4) != 0)
			continue;
		n++;
		suite = deep_suite_code((uint16_t)(high << 8 | low));
		if (suite == NULL || strcmp(suite->name, name) != 0 ||
		    suite->recommended != recommended) {
			diag("differs: %s", line);
			bad++;
		}
	}
	(void)fclose(file);
	is_int(bad, 0, "D4-3 rows as in the registry");
	is_int(registered, n, "and as many");
}

static void
test_groups(void)
{
	static const struct {
		const char	*text;
		int		 code;
	} spellings[] = {
		{ "X25519", 29 }, { "X448", 30 }, { "P-256", 23 }, { "P-384", 24 },
		{ "P-521", 25 }, { "prime256v1", 23 }, { "X9_62_prime256v1", 23 },
		{ "SECP256R1", 23 }, { "FFDHE2048", 256 }, { "x25519_kyber768", 25497 },
		{ "X25519Kyber768Draft00", 25497 }, { "X25519-MLKEM768", 4588 },
		{ "SECP256R1-MLKEM768", 4587 }, { "SecP384r1MLKEM1024", 4589 },
		{ "DiffieHellmanEllipticKey384", 0 }, { "2048", 0 }, { "", 0 }
	};
	const struct deep_group	*group;
	unsigned		 n = 0, bad = 0;
	int			 last = 0;
	size_t			 i;

	for (group = deep_group_each(NULL); group != NULL;
	    group = deep_group_each(group), n++) {
		if (group->code <= last || deep_group_code(group->code) != group ||
		    deep_group_find(deep_str(group->name)) != group ||
		    strchr("YND", group->recommended) == NULL ||
		    group->name[strcspn(group->name, " (")] != '\0') {
			diag("group %s", group->name);
			bad++;
		}
		last = group->code;
	}
	is_int(bad, 0, "D4-6 all %u groups stand in order and are found", n);
	for (i = 0; i < COUNT(spellings); i++) {
		group = deep_group_find(deep_str(spellings[i].text));
		is_int(group == NULL ? 0 : group->code, spellings[i].code,
		    "D4-6 group \"%s\"", spellings[i].text);
	}
	group = deep_group_code(4588);
	ok(group != NULL && group->hybrid && group->bits == 128, "X25519MLKEM768");
	group = deep_group_code(29);
	ok(group != NULL && !group->hybrid && group->bits == 128 &&
	    group->recommended == 'Y', "x25519");
	ok(deep_group_code(0x0a0a) == NULL, "GREASE is no group");
}

static void
test_versions(void)
{
	static const struct {
		const char	*text;
		int		 version;
	} spellings[] = {
		{ "TLSv1.3", DEEP_TLS1_3 }, { "tls1_2", DEEP_TLS1_2 },
		{ "TLS1", DEEP_TLS1_0 }, { "TLSv1", DEEP_TLS1_0 },
		{ "TLS-1.0", DEEP_TLS1_0 }, { "Tls12", DEEP_TLS1_2 },
		{ "TLS\\Tls12", DEEP_TLS1_2 }, { "Tls", DEEP_TLS_SOME },
		{ "SSL", DEEP_TLS_SOME }, { "SSLv3", DEEP_SSL3 }, { "SSLv2", DEEP_SSL2 },
		{ "TLSv1/SSLv3", DEEP_TLS_LABEL }, { "TLS1.x", 0 }, { "TLSv1.4", 0 },
		{ "DTLSv1.2", 0 }, { "DTLS1.3", 0 }, { "", 0 }, { "TLSv1.2 ", 0 }
	};
	static const int six[] = { DEEP_SSL2, DEEP_SSL3, DEEP_TLS1_0, DEEP_TLS1_1,
	    DEEP_TLS1_2, DEEP_TLS1_3 };
	size_t	i;

	for (i = 0; i < COUNT(versions); i++)
		is_int(deep_tls_version(deep_str(versions[i].text)),
		    versions[i].version, "version \"%s\"", versions[i].text);
	for (i = 0; i < COUNT(spellings); i++)
		is_int(deep_tls_version(deep_str(spellings[i].text)),
		    spellings[i].version, "version \"%s\"", spellings[i].text);
	for (i = 0; i < COUNT(six); i++)
		is_int(deep_tls_version(deep_str(deep_tls_version_name(six[i]))), six[i],
		    "version 0x%04x and back", (unsigned)six[i]);
	is(deep_tls_version_name(DEEP_TLS1_2), "TLSv1.2", "0x0303 is TLSv1.2");
	ok(deep_tls_version_name(DEEP_TLS_SOME) == NULL &&
	    deep_tls_version_name(DEEP_TLS_LABEL) == NULL &&
	    deep_tls_version_name(0) == NULL, "the others have no name");
	ok(strncmp(deep_registry_date(), "20", 2) == 0, "a date of the registry");
}

int
main(void)
{
	unsigned	registered;

	registered = test_rows();
	test_known();
	test_spelt();
	test_hostile();
	test_openssl();
	test_gnutls();
	test_registry(registered);
	test_groups();
	test_versions();
	return done_testing();
}
