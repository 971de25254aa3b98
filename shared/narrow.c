/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * narrow.c - what to offer to a server that has latches, as OpenSSL and GnuTLS are told
 * it in text, so that one which could meet them does, and what a latch rules out is
 * never on the wire.
 *
 * draft-newman-email-deep-00 section 5.3: no MD5, no RC4, forward secrecy only, no
 * lower version than the latched one.
 *
 * It never offers more than it was given, and decides nothing: the session is
 * still compared after the handshake.
 */
#include <stdio.h>
#include <string.h>

#include "deep.h"

/* What an exclusion is called in either library; each row is excluded by one of its latches. */
static const struct rule {
	deep_latches	 by;
	const char	*openssl;	/* suffix of a cipher list; NULL: see deep_narrow_version() */
	const char	*gnutls;	/* suffix of a priority string */
} rules[] = {
	{ DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12, NULL, ":-VERS-TLS1.0" },
	{ DEEP_LATCH_TLS12, NULL, ":-VERS-TLS1.1" },
	{ DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12, ":!eNULL:!LOW:!3DES",
	    ":-NULL:-3DES-CBC" },
	{ DEEP_LATCH_CERT, ":!aNULL", ":-ANON-DH:-ANON-ECDH" },
	{ DEEP_LATCH_NOMD5, ":!MD5", ":-MD5" },
	{ DEEP_LATCH_NORC4, ":!RC4", ":-ARCFOUR-128" },
	{ DEEP_LATCH_PFS, ":!kRSA:!kPSK:!kRSAPSK:!kSRP:!kGOST",
	    ":-RSA:-PSK:-RSA-PSK" },
};
#define NRULE	(sizeof(rules) / sizeof(rules[0]))

static int
put_rules(char *buf, size_t size, const char *base, deep_latches required, int gnutls)
{
	const char	*suffix;
	size_t		 n = strlen(base), length, i;

	if (size > 0)
		buf[0] = '\0';
	if (required & ~DEEP_LATCH_ALL)
		return -1;
	if (n < size)
		memcpy(buf, base, n);
	for (i = 0; i < NRULE; i++) {
		suffix = gnutls ? rules[i].gnutls : rules[i].openssl;
		if (!(rules[i].by & required) || suffix == NULL)
			continue;
		length = strlen(suffix);
		if (n + length < size)
			memcpy(buf + n, suffix, length);
		n += length;
	}
	if (size > 0)
		buf[n < size ? n : 0] = '\0';
	return (int)n;
}

/* DEFAULT:!MD5:!RC4 */
int
deep_narrow_openssl(char *buf, size_t size, deep_latches required)
{
	return put_rules(buf, size, "DEFAULT", required, 0);
}

/* NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-RSA */
int
deep_narrow_gnutls(char *buf, size_t size, deep_latches required)
{
	return put_rules(buf, size, "NORMAL", required, 1);
}

int
deep_narrow_version(deep_latches required)
{
	if (required & DEEP_LATCH_TLS12)
		return DEEP_TLS1_2;
	return required & DEEP_LATCH_TLS11 ? DEEP_TLS1_1 : DEEP_TLS1_0;
}
