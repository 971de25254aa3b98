/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * session.c - the facts of a session, for latch.c, out of the words that a mail
 * server has for it.
 *
 * draft-newman-email-deep-00 section 3.2.
 *
 * It never takes a suite for the version, and never believes a number of bits.
 */
#include <stdio.h>
#include <string.h>

#include "deep.h"
#include "word.h"

/*
 *	words	= version ":" suite [ ":" bits ]
 *	bits	= 1*4DIGIT
 *
 * What stands for the bits is not believed: GnuTLS says 192 of 3DES.
 */
static enum deep_status
cut_words(struct deep_str words, struct deep_str *version, struct deep_str *suite)
{
	const char	*end = words.p + words.n, *colon;
	size_t		 i;

	if ((colon = memchr(words.p, ':', words.n)) == NULL)
		return DEEP_BAD;
	version->p = words.p;
	version->n = (size_t)(colon - words.p);
	suite->p = colon + 1;
	suite->n = (size_t)(end - suite->p);
	if ((colon = memchr(suite->p, ':', suite->n)) != NULL) {
		suite->n = (size_t)(colon++ - suite->p);
		if (colon == end || end - colon > 4)
			return DEEP_BAD;
		for (i = 0; colon + i < end; i++)
			if (!deep_digit(colon[i]))
				return DEEP_BAD;
	}
	/* what Exim makes of GnuTLS's description of a resumed session: "(AES_256_GCM" */
	if (suite->n > 0 && suite->p[0] == '(') {
		suite->p++;
		suite->n--;
	}
	for (i = 0; i < suite->n; i++)
		if (suite->p[i] <= ' ' || suite->p[i] > '~')
			return DEEP_BAD;
	return suite->n > 0 ? DEEP_YES : DEEP_BAD;
}

/* A cipher alone is a suite in TLS 1.3: "AES_256_GCM". */
static const struct deep_suite *
find_cipher(struct deep_str text, int version)
{
	const struct deep_suite	*suite = NULL;

	if (version != DEEP_TLS1_3)
		return NULL;
	while ((suite = deep_suite_each(suite)) != NULL)
		if (suite->needs == DEEP_TLS1_3 && suite->bits > 0 &&
		    deep_is(text, suite->cipher))
			return suite;
	return NULL;
}

/*
 * GnuTLS names no signature below TLS 1.2, and none of a resumed session:
 * "ECDHE_X25519__AES_256_GCM".  The suites that this may be differ in the way the
 * server is authenticated, and are else the same, or nothing is concluded.
 */
static const struct deep_suite *
find_unsigned(struct deep_str text, int version, const struct deep_group **group,
    int *like)
{
	static const char *const signatures[] = { "RSA_SHA256", "ECDSA_SHA256", "DSA_SHA256" };
	const struct deep_suite	*found = NULL, *suite;
	const struct deep_group	*named;
	char			 whole[128];
	size_t			 i, at;
	int			 n;

	for (at = 0; at + 2 < text.n; at++)
		if (text.p[at] == '_' && text.p[at + 1] == '_')
			break;
	if (at + 2 >= text.n || text.n > sizeof(whole) / 2)
		return NULL;
	for (i = 0; i < sizeof(signatures) / sizeof(signatures[0]); i++) {
		n = snprintf(whole, sizeof(whole), "%.*s__%s%.*s", (int)at, text.p,
		    signatures[i], (int)(text.n - at), text.p + at);
		if (n < 0 || (size_t)n >= sizeof(whole))
			return NULL;
		suite = deep_suite_find(deep_str(whole), version, &named);
		if (suite == NULL || suite == found)
			continue;
		if (found == NULL) {
			found = suite;
			if (group != NULL)
				*group = named;
		} else if (suite->flags != found->flags || suite->bits != found->bits)
			return NULL;
		else
			*like = 1;
	}
	return found;
}

enum deep_status
deep_session_words(struct deep_session *session, struct deep_str words,
    const struct deep_group **group)
{
	const struct deep_group	*named = NULL;
	struct deep_str		 version, suite;
	int			 number, like = 0;

	memset(session, 0, sizeof(*session));
	if (group != NULL)
		*group = NULL;
	if (words.n == 0)
		return DEEP_YES;
	if (cut_words(words, &version, &suite) != DEEP_YES ||
	    (number = deep_tls_version(version)) == 0)
		return DEEP_BAD;
	session->version = number;
	if ((session->suite = deep_suite_find(suite, number, &named)) == NULL)
		session->suite = find_cipher(suite, number);
	if (session->suite == NULL) {
		session->suite = find_unsigned(suite, number, &named, &like);
		session->like = like ? 1 : 0;
		session->resumed = session->suite != NULL && number == DEEP_TLS1_2;
	}
	if (group != NULL)
		*group = named;
	return DEEP_YES;
}
