/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * latch.c - what a session proves, against what a domain has proved before,
 * and the list in the SMTP-Security-Latch field of a delivery status.
 *
 * draft-newman-email-deep-00 sections 3.1 to 3.3 and 5.3; RFC 9325 4.1 for the
 * effective strength of a cipher; RFC 3464 2.1.1 for comments in the field.
 *
 * It never stores a latch, never lowers one, and never looks at a name: what
 * a suite is worth stands in suites.in, what a latch states in latches.in.
 */
#include <string.h>

#include "deep.h"

#define STRONG_BITS	128	/* "a symmetric key of at least 128 bits", draft 3.2 */
#define LINE_MAX_OCTETS	998	/* one line of a message, RFC 5322 2.1.1 */
/* The list is never folded, so that "SMTP-Security-Latch: " and it are one line. */
#define LIST_MAX	(LINE_MAX_OCTETS - (sizeof(DEEP_LATCH_FIELD ": ") - 1))

static const struct latch {
	deep_latches	 bit;
	const char	*id;
} latches[] = {
#define LATCH(bit, id, states, section)	{ bit, id },
#include "latches.in"
#undef LATCH
};
#define NLATCH	(sizeof(latches) / sizeof(latches[0]))

/* A list that is being written: what does not fit is counted only. */
struct list {
	char	*buf;
	size_t	 size;
	size_t	 length;
};

/*
 * Whether anything can be concluded from the session at all.  SSL is no TLS;
 * a version that is not in versions.in is none that we know to be better; a
 * suite without a row may be without encryption, and a signal (SCSV) is never
 * negotiated.
 */
static int
is_known(const struct deep_session *session)
{
	if (session == NULL || session->suite == NULL ||
	    session->suite->flags & DEEP_SUITE_SCSV)
		return 0;
	switch (session->version) {
	case DEEP_TLS_SOME:
	case DEEP_TLS_LABEL:
	case DEEP_TLS1_0:
	case DEEP_TLS1_1:
	case DEEP_TLS1_2:
	case DEEP_TLS1_3:
		return 1;
	default:
		return 0;
	}
}

static int
is_strong(const struct deep_session *session)
{
	const struct deep_suite	*suite = session->suite;

	if (suite->bits < STRONG_BITS)
		return 0;
	if (suite->flags & (DEEP_SUITE_NULL | DEEP_SUITE_EXPORT))
		return 0;
	return session->strict || !(suite->flags & DEEP_SUITE_RC4);
}

/*
 * The chain, and one of the two names: that of the domain, or, where the letter of
 * 2013 is not asked for, that of the MX host, which then has to have come by a way
 * that nobody could forge (RFC 7672 1.3.2).  "Verified" alone may mean a match of
 * TLSA, which tells nothing of a chain.
 */
static int
has_certificate(const struct deep_session *session)
{
	const int	verified = session->verified && !session->dane_ok;

	if (!session->chain_ok && !verified)
		return 0;
	return session->name_ok ||
	    (!session->strict && session->host_safe && (session->host_ok || verified));
}

deep_latches
deep_latches_satisfied(const struct deep_session *session)
{
	const struct deep_suite	*suite;
	deep_latches		 set = DEEP_LATCH_NONE;

	if (!is_known(session))
		return DEEP_LATCH_NONE;
	suite = session->suite;
	if (is_strong(session)) {
		/* The two versions without a number are below DEEP_TLS1_0. */
		if (session->version >= DEEP_TLS1_0)
			set |= DEEP_LATCH_TLS10;
		if (session->version >= DEEP_TLS1_1)
			set |= DEEP_LATCH_TLS11;
		if (session->version >= DEEP_TLS1_2)
			set |= DEEP_LATCH_TLS12;
		if (!(suite->flags & DEEP_SUITE_MD5))
			set |= DEEP_LATCH_NOMD5;
		if (!(suite->flags & DEEP_SUITE_RC4))
			set |= DEEP_LATCH_NORC4;
		if (suite->flags & DEEP_SUITE_PFS || session->version == DEEP_TLS1_3)
			set |= DEEP_LATCH_PFS;
	}
	if (!(suite->flags & DEEP_SUITE_ANON)) {
		if (has_certificate(session))
			set |= DEEP_LATCH_CERT;
		if (session->dane_ok)
			set |= DEEP_LATCH_DANE;
	}
	return set;
}

/*
 * A resumed session of TLS 1.2 or lower tells of the keys and checks of an
 * older one (RFC 9325 3.4): it may satisfy what is stored, but adds nothing.
 */
deep_latches
deep_latches_settable(const struct deep_session *session)
{
	if (session != NULL && session->resumed)
		return DEEP_LATCH_NONE;
	return deep_latches_satisfied(session);
}

deep_latches
deep_latches_close(deep_latches set)
{
	if (set & DEEP_LATCH_TLS12)
		set |= DEEP_LATCH_TLS11;
	if (set & DEEP_LATCH_TLS11)
		set |= DEEP_LATCH_TLS10;
	return set;
}

deep_latches
deep_latches_failed(deep_latches stored, const struct deep_session *session)
{
	return deep_latches_close(stored) & DEEP_LATCH_ALL &
	    ~deep_latches_satisfied(session);
}

/* In the C locale, whatever the caller's is. */
static int
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char
to_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static int
is_same(struct deep_str a, struct deep_str b)
{
	size_t	i;

	if (a.n != b.n)
		return 0;
	for (i = 0; i < a.n; i++)
		if (to_lower(a.p[i]) != to_lower(b.p[i]))
			return 0;
	return 1;
}

deep_latches
deep_latch_find(struct deep_str id)
{
	size_t	i;

	for (i = 0; i < NLATCH; i++)
		if (deep_is(id, latches[i].id))
			return latches[i].bit;
	return DEEP_LATCH_NONE;
}

const char *
deep_latch_name(unsigned n)
{
	return n < NLATCH ? latches[n].id : NULL;
}

/*
 *	security-latch-id = ALPHA *31(ALPHA / DIGIT / "-")
 */
int
deep_latch_valid(struct deep_str id)
{
	size_t	i;

	if (id.n == 0 || id.n > DEEP_LATCH_MAX || !is_alpha(id.p[0]))
		return 0;
	for (i = 1; i < id.n; i++)
		if (!is_alpha(id.p[i]) && !is_digit(id.p[i]) && id.p[i] != '-')
			return 0;
	return 1;
}

/*
 *	smtp-security-latch = "SMTP-Security-Latch:" CFWS security-latch-id
 *			      *(FWS security-latch-id)
 *
 * What is given begins behind the colon.  Comments may stand anywhere, and
 * part two ids as white space does (RFC 3464 2.1.1, RFC 5322 4).
 */
enum deep_status
deep_latch_next(struct deep_str *rest, struct deep_str *id, struct deep_fault *fault)
{
	const struct deep_str	 start = *rest;
	struct deep_word	 word;
	struct deep_fault	 inner;
	enum deep_status	 status;
	size_t			 before;

	id->p = NULL;
	id->n = 0;
	do {
		before = start.n - rest->n;
		inner.at = 0;
		inner.why = "";
		status = deep_word_next(rest, &word, &inner);
	} while (status == DEEP_YES && word.kind == DEEP_COMMENT);
	if (status == DEEP_NO)
		return DEEP_NO;
	*id = word.text;
	if (status == DEEP_BAD && word.kind == DEEP_COMMENT) {
		/* unclosed: nothing behind it is told from it, and a list of them
		 * would be read to its end for each */
		rest->p += rest->n;
		rest->n = 0;
	}
	if (status != DEEP_YES) {
		if (fault != NULL) {
			fault->at = before + inner.at;
			fault->why = inner.why;
		}
		return status;
	}
	if (deep_latch_valid(word.text))
		return DEEP_YES;
	if (fault != NULL) {
		fault->at = (size_t)(word.text.p - start.p);
		fault->why = "not a security-latch-id";
	}
	return DEEP_BAD;
}

static void
add_id(struct list *list, struct deep_str id)
{
	size_t	i;

	if (list->length > 0) {
		if (list->length < list->size)
			list->buf[list->length] = ' ';
		list->length++;
	}
	for (i = 0; i < id.n; i++, list->length++)
		if (list->length < list->size)
			list->buf[list->length] = to_lower(id.p[i]);
}

/*
 * The line that this makes, behind "SMTP-Security-Latch: ":
 *
 *	tls10 tls12 new-one
 *
 * In lower case, each id once, one space between two, no folds; what would
 * not fit in one line of a message is refused.
 */
int
deep_latches_emit(char *buf, size_t size, deep_latches set,
    const struct deep_str *other, size_t nother)
{
	struct list	list = { buf, size, 0 };
	size_t		i, j;

	if (set & ~DEEP_LATCH_ALL)
		goto refuse;
	for (i = 0; i < nother; i++) {
		if (!deep_latch_valid(other[i]))
			goto refuse;
		set |= deep_latch_find(other[i]);
	}
	for (i = 0; i < NLATCH; i++)
		if (set & latches[i].bit)
			add_id(&list, deep_str(latches[i].id));
	for (i = 0; i < nother; i++) {
		if (deep_latch_find(other[i]) != DEEP_LATCH_NONE)
			continue;
		for (j = 0; j < i; j++)
			if (is_same(other[j], other[i]))
				break;
		if (j < i)
			continue;
		add_id(&list, other[i]);
		if (list.length > LIST_MAX)
			goto refuse;
	}
	if (list.length == 0)
		goto refuse;
	if (size > 0)
		buf[list.length < size ? list.length : 0] = '\0';
	return (int)list.length;
refuse:
	if (size > 0)
		buf[0] = '\0';
	return -1;
}
