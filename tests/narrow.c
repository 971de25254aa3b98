/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * narrow.c - tests of shared/narrow.c, against the libraries that are told: the
 * suites that OpenSSL puts into a ClientHello, and those that GnuTLS lists for a
 * priority string.
 */
#include <openssl/bio.h>
#include <openssl/ssl.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deep.h"
#include "tap.h"

#define HELLO_MAX	4096

struct offer {			/* what a client offers */
	uint16_t	suite[512];
	size_t		nsuite;
	int		lowest, highest;	/* versions */
};

static unsigned
two(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

/* RFC 8446 4.1.2, out of the record that the client sends first. */
static int
read_hello(struct offer *offer, const unsigned char *p, size_t n)
{
	const unsigned char	*end = p + n, *extension;
	unsigned		 i, length;

	memset(offer, 0, sizeof(*offer));
	if (n < 5 + 4 + 2 + 32 + 1 || p[0] != 22 || p[5] != 1)
		return 0;
	p += 5 + 4;
	offer->highest = (int)two(p);
	p += 2 + 32;
	p += 1 + p[0];				/* session id */
	length = two(p);
	for (i = 0, p += 2; i < length; i += 2, p += 2)
		if (two(p) != 0x00ff && two(p) != 0x5600 && offer->nsuite < 512)
			offer->suite[offer->nsuite++] = (uint16_t)two(p);
	p += 1 + p[0];				/* compression */
	for (p += 2; p + 4 <= end; p = extension + length) {
		extension = p + 4;
		length = two(p + 2);
		if (two(p) != 43)		/* supported_versions */
			continue;
		for (i = 1; i < length; i += 2) {
			int	version = (int)two(extension + i);

			if (offer->lowest == 0 || version < offer->lowest)
				offer->lowest = version;
			if (version > offer->highest)
				offer->highest = version;
		}
	}
	return offer->nsuite > 0;
}

/* The ClientHello of a connection; 0: it sends none. */
static int
hello_of(struct offer *offer, SSL *ssl)
{
	unsigned char	bytes[HELLO_MAX];
	BIO		*in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	int		 n;

	SSL_set_bio(ssl, in, out);
	SSL_set_connect_state(ssl);
	SSL_do_handshake(ssl);
	n = BIO_read(out, bytes, sizeof(bytes));
	return n > 0 && read_hello(offer, bytes, (size_t)n);
}

/* What an offered suite breaks of what is latched (D5.3-8 to D5.3-10). */
static const char *
broken(uint16_t code, deep_latches required)
{
	const struct deep_suite	*suite = deep_suite_code(code);

	if (suite == NULL)
		return "without a row";
	if (required & DEEP_LATCH_NOMD5 && suite->flags & DEEP_SUITE_MD5)
		return "with MD5";
	if (required & DEEP_LATCH_NORC4 && suite->flags & DEEP_SUITE_RC4)
		return "with RC4";
	if (required & DEEP_LATCH_PFS && !(suite->flags & DEEP_SUITE_PFS) &&
	    suite->kx != DEEP_KX_TLS13)
		return "without forward secrecy";
	if (required & (DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12) && suite->bits < 128)
		return "without strength";
	return NULL;
}

static int
is_clean(const struct offer *offer, deep_latches required)
{
	const char	*why;
	size_t		 i;

	for (i = 0; i < offer->nsuite; i++)
		if ((why = broken(offer->suite[i], required)) != NULL) {
			diag("0x%04x is offered, %s", offer->suite[i], why);
			return 0;
		}
	return offer->nsuite > 0;
}

static int
has(const struct offer *offer, uint16_t code)
{
	size_t	i;

	for (i = 0; i < offer->nsuite; i++)
		if (offer->suite[i] == code)
			return 1;
	return 0;
}

static SSL *
client(SSL_CTX *context, const char *list, int least)
{
	SSL	*ssl = SSL_new(context);

	SSL_set_security_level(ssl, 0);
	SSL_set_min_proto_version(ssl, least);
	if (list != NULL && !SSL_set_cipher_list(ssl, list))
		fail("OpenSSL does not take the list %s", list);
	return ssl;
}

/* deep_narrow_ssl() and deep_narrow_openssl(), for every set of latches. */
static void
test_openssl(void)
{
	SSL_CTX		*context = SSL_CTX_new(TLS_client_method());
	struct offer	 wide, narrow, listed;
	deep_latches	 set;
	char		 list[256];
	int		 clean = 1, lowest = 1, subset = 1, kept = 1, taken = 1, clean_list = 1;
	size_t		 i;
	SSL		*ssl;

	ssl = client(context, "ALL:COMPLEMENTOFALL", DEEP_TLS1_0);
	if (!hello_of(&wide, ssl))
		fail("a ClientHello");
	SSL_free(ssl);
	ok(has(&wide, 0x002f) && has(&wide, 0x0001) && has(&wide, 0xc02f) && has(&wide, 0x1301),
	    "without narrowing: RSA, NULL-MD5, ECDHE and TLS 1.3 are offered");
	is_int(wide.lowest, DEEP_TLS1_0, "and TLS 1.0");
	for (set = 0; set <= DEEP_LATCH_ALL; set++) {
		ssl = client(context, "ALL:COMPLEMENTOFALL", DEEP_TLS1_0);
		taken &= deep_narrow_ssl(ssl, set) == 0;
		if (!hello_of(&narrow, ssl))
			fail("a ClientHello for %#x", set);
		SSL_free(ssl);
		clean &= is_clean(&narrow, set);
		lowest &= narrow.lowest == deep_narrow_version(set);
		for (i = 0; i < narrow.nsuite; i++)
			subset &= has(&wide, narrow.suite[i]);
		for (i = 0; i < wide.nsuite; i++)
			if (broken(wide.suite[i], set) == NULL && !has(&narrow, wide.suite[i]) &&
			    !(deep_suite_code(wide.suite[i])->flags &
			    (DEEP_SUITE_NULL | DEEP_SUITE_ANON))) {
				diag("%#x: 0x%04x is not offered", set, wide.suite[i]);
				kept = 0;
			}

		if (deep_narrow_openssl(list, sizeof(list), set) <= 0) {
			fail("a list for %#x", set);
			continue;
		}
		ssl = client(context, list, DEEP_TLS1_0);
		if (!hello_of(&listed, ssl))
			fail("a ClientHello of the list for %#x", set);
		SSL_free(ssl);
		clean_list &= is_clean(&listed, set);
	}
	ok(taken, "every set of latches can be narrowed to");
	ok(clean, "D5.3-8, D5.3-9, D5.3-10: ClientHello has no suite that a latch rules out");
	ok(lowest, "D5.3-11, D5.3-12: nor a version below the latched one");
	ok(subset, "no suite that was not offered before");
	ok(kept, "all the others are still there");
	ok(clean_list, "D5.3-8, D5.3-9, D5.3-10: the same of a context with the cipher list");

	/* Never wider than what the caller has set. */
	ssl = client(context, "AES256-SHA:ECDHE-RSA-AES128-SHA", DEEP_TLS1_2);
	is_int(deep_narrow_ssl(ssl, DEEP_LATCH_PFS | DEEP_LATCH_TLS10), 0, "a caller's own list");
	if (!hello_of(&narrow, ssl))
		fail("a ClientHello");
	ok(has(&narrow, 0xc013) && !has(&narrow, 0x0035) && !has(&narrow, 0xc02f),
	    "is narrowed, and not widened");
	is_int(narrow.lowest, DEEP_TLS1_2, "nor is its lowest version");
	SSL_free(ssl);
	ssl = client(context, "AES256-SHA", DEEP_TLS1_0);
	is_int(deep_narrow_ssl(ssl, DEEP_LATCH_PFS), 0, "nothing left below TLS 1.3");
	if (!hello_of(&narrow, ssl))
		fail("a ClientHello");
	is_int(narrow.lowest, DEEP_TLS1_3, "is TLS 1.3 alone");
	SSL_free(ssl);
	ssl = client(context, "AES256-SHA", DEEP_TLS1_0);
	SSL_set_ciphersuites(ssl, "");
	is_int(deep_narrow_ssl(ssl, DEEP_LATCH_PFS), -1, "nothing left at all");
	ok(strcmp(SSL_get_cipher_list(ssl, 0), "AES256-SHA") == 0, "changes nothing");
	SSL_free(ssl);
	ssl = client(context, NULL, DEEP_TLS1_0);
	is_int(deep_narrow_ssl(ssl, 0x100u), -1, "a bit that is no latch");
	SSL_free(ssl);
	SSL_CTX_free(context);
}

/* "TLS_ECDHE_RSA_AES_128_GCM_SHA256  0xc0, 0x2f  TLS1.2", and "Protocols: VERS-TLS1.3, ..." */
static int
list_gnutls(struct offer *offer, const char *priority)
{
	char		 command[512], line[512];
	FILE		*pipe;
	const char	*p;
	unsigned	 high, low;

	memset(offer, 0, sizeof(*offer));
	snprintf(command, sizeof(command), "gnutls-cli -l --priority '%s' 2>&1", priority);
	if ((pipe = popen(command, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), pipe) != NULL) {
		if ((p = strstr(line, "0x")) != NULL && sscanf(p, "%x, %x", &high, &low) == 2 &&
		    offer->nsuite < 512)
			offer->suite[offer->nsuite++] = (uint16_t)(high << 8 | low);
		if (strncmp(line, "Protocols:", 10) != 0)
			continue;
		if (strstr(line, "VERS-TLS1.2") != NULL)
			offer->lowest = DEEP_TLS1_2;
		if (strstr(line, "VERS-TLS1.1") != NULL)
			offer->lowest = DEEP_TLS1_1;
		if (strstr(line, "VERS-TLS1.0") != NULL)
			offer->lowest = DEEP_TLS1_0;
	}
	return pclose(pipe) == 0;
}

static void
test_gnutls(void)
{
	static const deep_latches bits[] = { DEEP_LATCH_TLS10, DEEP_LATCH_TLS12, DEEP_LATCH_NOMD5,
	    DEEP_LATCH_NORC4, DEEP_LATCH_PFS, DEEP_LATCH_CERT };
	static const deep_latches some[] = { DEEP_LATCH_TLS11, DEEP_LATCH_DANE, DEEP_LATCH_ALL };
	struct offer	offer;
	deep_latches	set;
	char		priority[512], wide[600];
	size_t		i, n;

	if (!list_gnutls(&offer, "NORMAL")) {
		skip(1, "gnutls-cli is not installed");
		return;
	}
	for (n = 0; n < 64 + sizeof(some) / sizeof(some[0]); n++) {
		for (set = 0, i = 0; i < 6; i++)
			if (n & 1u << i)
				set |= bits[i];
		if (n >= 64)
			set = some[n - 64];
		if (deep_narrow_gnutls(priority, sizeof(priority), set) <= 0) {
			fail("a priority string for %#x", set);
			continue;
		}
		/* On top of all that the library still has. */
		snprintf(wide, sizeof(wide), "NORMAL:+ARCFOUR-128:+3DES-CBC:+MD5:+RSA:+PSK:+RSA-PSK:"
		    "+VERS-TLS1.0:+VERS-TLS1.1%s", priority + strlen("NORMAL"));
		ok(list_gnutls(&offer, wide) && is_clean(&offer, set),
		    "D5.3-8, D5.3-9, D5.3-10: GnuTLS, %s", priority);
		is_int(offer.lowest, deep_narrow_version(set), "D5.3-12: and its lowest version");
	}
}

static void
test_emit(void)
{
	char	list[256], small[64];
	int	n;

	is_int(deep_narrow_openssl(list, sizeof(list), 0), 7, "nothing required");
	is(list, "DEFAULT", "is the default");
	deep_narrow_gnutls(list, sizeof(list), 0);
	is(list, "NORMAL", "and GnuTLS's");
	n = deep_narrow_gnutls(list, sizeof(list), DEEP_LATCH_ALL);
	cmp_ok(n, <, 256, "the longest list is shorter than the manual says");
	is_int((long long)strlen(list), n, "and whole");
	memset(small, 'x', sizeof(small));
	is_int(deep_narrow_gnutls(small, sizeof(small), DEEP_LATCH_ALL), n, "too small a buffer");
	is(small, "", "is left empty");
	is_int(deep_narrow_gnutls(NULL, 0, DEEP_LATCH_ALL), n, "counted without one");
	is_int(deep_narrow_openssl(list, sizeof(list), 0x100u), -1, "a bit that is no latch");
	is(list, "", "leaves nothing");
	is_int(deep_narrow_version(0), DEEP_TLS1_0, "D5.3-12: lowest versions");
	is_int(deep_narrow_version(DEEP_LATCH_TLS10), DEEP_TLS1_0, "tls10");
	is_int(deep_narrow_version(DEEP_LATCH_TLS11), DEEP_TLS1_1, "tls11");
	is_int(deep_narrow_version(DEEP_LATCH_TLS12), DEEP_TLS1_2, "tls12");
	is_int(deep_narrow_version(DEEP_LATCH_ALL), DEEP_TLS1_2, "all");
}

int
main(void)
{
	test_emit();
	test_openssl();
	test_gnutls();
	return done_testing();
}
