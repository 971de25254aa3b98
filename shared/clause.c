/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * clause.c - the tls clause of Received (RFC 8314 4.3; draft-newman-email-deep-00
 * section 4, whose form without a group is the same).  The ABNF is in deep.h.
 *
 * Never writes what the grammar has no place for, never guesses a name.
 */
#include <stdio.h>
#include <string.h>

#include "deep.h"
#include "word.h"

/* dh-group, or tls-cipher-name where dash is 0. */
static int
is_name(struct deep_str s, int dash)
{
	size_t i;

	if (s.n == 0 || !deep_alpha(s.p[0]))
		return 0;
	for (i = 1; i < s.n; i++) {
		if (!deep_alpha(s.p[i]) && !deep_digit(s.p[i]) && s.p[i] != '_' &&
		    !(dash && s.p[i] == '-'))
			return 0;
	}
	return 1;
}

/* tls-cipher-hex */
static int
is_hex(struct deep_str s)
{
	size_t i;

	if (s.n != 6 || s.p[0] != '0' || deep_lower(s.p[1]) != 'x')
		return 0;
	for (i = 2; i < s.n; i++) {
		if (!deep_digit(s.p[i]) && !(deep_lower(s.p[i]) >= 'a' && deep_lower(s.p[i]) <= 'f'))
			return 0;
	}
	return 1;
}

/* The next word that is no comment; its comments belong to CFWS. */
static enum deep_status
next(struct deep_str *rest, struct deep_word *word)
{
	enum deep_status answer;

	do {
		answer = deep_word_next(rest, word, NULL);
	} while (answer == DEEP_YES && word->kind == DEEP_COMMENT);
	return answer;
}

enum deep_status
deep_tls_next(struct deep_str *rest, struct deep_tls *tls, struct deep_fault *fault)
{
	struct deep_str here = *rest, behind;
	struct deep_word word;

	memset(tls, 0, sizeof(*tls));
	if (next(&here, &word) != DEEP_YES || !deep_is(word.text, "tls"))
		return DEEP_NO;
	/* FWS: no comment between the keyword and its value */
	if (deep_word_next(&here, &word, NULL) != DEEP_YES ||
	    (!is_name(word.text, 0) && !is_hex(word.text))) {
		deep_blame(fault, (size_t)(here.p - rest->p) - word.text.n,
		    "the tls clause names no cipher suite");
		return DEEP_BAD;
	}
	tls->suite = word.text;
	behind = here;
	if (next(&here, &word) == DEEP_YES && deep_is(word.text, "group")) {
		if (deep_word_next(&here, &word, NULL) != DEEP_YES || !is_name(word.text, 1)) {
			deep_blame(fault, (size_t)(here.p - rest->p) - word.text.n,
			    "the group clause names no group");
			*rest = behind;
			return DEEP_YES;
		}
		tls->group = word.text;
		behind = here;
	}
	*rest = behind;
	return DEEP_YES;
}

/* " tls SUITE", " tls SUITE group GROUP", each part folded where it would pass
 * DEEP_FOLD_AT. */
int
deep_tls_emit(char *buf, size_t size, size_t column, const char *eol,
    struct deep_str suite, struct deep_str group)
{
	char text[512];
	const char *gap;
	size_t n = 0, part;

	if (size > 0)
		buf[0] = '\0';
	if ((!is_name(suite, 0) && !is_hex(suite)) || suite.n > 128 ||
	    (group.n > 0 && (!is_name(group, 1) || group.n > 128)) ||
	    (strcmp(eol, "\n") != 0 && strcmp(eol, "\r\n") != 0))
		return -1;
	part = strlen(" tls ") + suite.n;
	gap = " ";
	if (column > 0 && column + part > DEEP_FOLD_AT) {
		n = (size_t)snprintf(text, sizeof(text), "%s", eol);
		gap = "\t";
		column = 7;			/* a tab is eight, and counts as one in part */
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%stls %.*s", gap, (int)suite.n, suite.p);
	column += part;
	if (group.n > 0) {
		gap = " ";
		if (column + strlen(" group ") + group.n > DEEP_FOLD_AT) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", eol);
			gap = "\t";
		}
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%sgroup %.*s", gap,
		    (int)group.n, group.p);
	}
	if (n < size)
		memcpy(buf, text, n + 1);
	return (int)n;
}
