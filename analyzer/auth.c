/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * auth.c - what the reader's own mail server found about DKIM, SPF and ARC, from
 * its Authentication-Results fields (RFC 8601 2.2):
 *
 *	authres-payload = [CFWS] authserv-id [CFWS version] (no-result / 1*resinfo)
 *	resinfo    = [CFWS] ";" methodspec [CFWS reasonspec] [CFWS 1*propspec]
 *	methodspec = [CFWS] method [ [CFWS] "/" [CFWS] version ] [CFWS] "=" [CFWS] result
 *	reasonspec = "reason" [CFWS] "=" [CFWS] value
 *	propspec   = ptype [CFWS] "." [CFWS] property [CFWS] "=" pvalue
 *
 * Anybody can write such a field.  Counted are those of the one authserv-id that
 * the reader names, and of these only the ones at the top of the header: no
 * deeper than the fields that stand between the Received field by which the
 * message came in from outside and the next one.  That host has to remove the
 * fields of its own name that come in (RFC 8601 5); of what is left, the topmost
 * field that has a method decides it.  Never verifies anything itself.
 */
#include <string.h>

#include "analyzer.h"
#include "word.h"

#define FIELDS_MAX	100	/* Authentication-Results fields that are looked at */

/* How many Received fields, from the top, one's own hosts wrote. */
static size_t
own_fields(const struct path *path)
{
	size_t i, n = 0;

	for (i = path->nhop; i-- > 0; n++) {
		const struct hop *hop = &path->hop[i];

		if (hop->has_trust ? !hop->trusted : n > 0 && path->hop[i + 1].verdict != VERDICT_LOCAL)
			break;
	}
	return n;
}

static struct deep_str
unquoted(struct deep_str text)
{
	if (text.n > 1 && text.p[0] == '"' && text.p[text.n - 1] == '"') {
		text.p++;
		text.n -= 2;
	}
	return text;
}

/* "name=value", its blanks and comments left out, off the front of a resinfo. */
static enum deep_status
pair_next(struct deep_str *rest, struct deep_str *name, struct deep_str *value)
{
	struct deep_word word;
	const char *equals;
	int wants_value = 0;

	name->p = value->p = NULL;
	name->n = value->n = 0;
	while (deep_word_next(rest, &word, NULL) != DEEP_NO) {
		struct deep_str text = word.text;

		if (word.kind == DEEP_COMMENT)
			continue;
		if (word.kind == DEEP_SPECIAL)
			return DEEP_NO;
		if (wants_value) {
			*value = unquoted(text);
			return DEEP_YES;
		}
		equals = memchr(text.p, '=', text.n);
		if (equals == NULL || word.kind == DEEP_QUOTED) {
			/* "dkim / 1 = pass", "smtp . mailfrom = x": the first word names it */
			if (name->p == NULL)
				*name = text;
			continue;
		}
		if (equals > text.p && name->p == NULL) {
			name->p = text.p;
			name->n = (size_t)(equals - text.p);
		}
		if (name->p == NULL)
			continue;	/* "= x" without a name */
		value->p = equals + 1;
		value->n = (size_t)(text.p + text.n - value->p);
		*value = unquoted(*value);
		if (value->n > 0)
			return DEEP_YES;
		wants_value = 1;
	}
	return DEEP_NO;
}

/* One resinfo, its semicolon cut; NO: "none", or none that can be read. */
static enum deep_status
result_read(struct deep_str text, struct auth_result *result)
{
	struct deep_str name, value;
	const char *slash;

	memset(result, 0, sizeof(*result));
	if (pair_next(&text, &result->method, &result->result) != DEEP_YES)
		return DEEP_NO;
	if ((slash = memchr(result->method.p, '/', result->method.n)) != NULL)
		result->method.n = (size_t)(slash - result->method.p);
	if (result->method.n == 0)
		return DEEP_NO;
	while (pair_next(&text, &name, &value) == DEEP_YES) {
		if (deep_is(name, "reason")) {
			result->reason = value;
		} else if (result->nproperty < AUTH_PROPERTY_MAX) {
			result->property[result->nproperty].name = name;
			result->property[result->nproperty++].value = value;
		}
	}
	return DEEP_YES;
}

/* The text up to the next semicolon that is in no comment and no quoted string. */
static struct deep_str
until_semicolon(struct deep_str *rest)
{
	struct deep_str part = *rest;
	struct deep_word word;

	while (deep_word_next(rest, &word, NULL) != DEEP_NO) {
		if (word.kind == DEEP_SPECIAL && *word.text.p == ';') {
			part.n = (size_t)(word.text.p - part.p);
			return part;
		}
	}
	return part;
}

static int
is_decided(const struct auth *auth, size_t before, struct deep_str method)
{
	size_t i;

	for (i = 0; i < before; i++) {
		if (auth->result[i].method.n == method.n &&
		    strncasecmp(auth->result[i].method.p, method.p, method.n) == 0)
			return 1;
	}
	return 0;
}

static void
field_read(struct auth *auth, struct deep_str value, const char *authserv)
{
	struct deep_str rest = value, id = until_semicolon(&rest);
	struct deep_word word;
	size_t before = auth->nresult;

	do {
		if (deep_word_next(&id, &word, NULL) == DEEP_NO)
			return;
	} while (word.kind == DEEP_COMMENT);
	if (!deep_is(unquoted(word.text), authserv))
		return;
	auth->found = 1;
	while (rest.n > 0 && auth->nresult < AUTH_MAX) {
		struct deep_str part = until_semicolon(&rest);

		if (result_read(part, &auth->result[auth->nresult]) == DEEP_YES &&
		    !is_decided(auth, before, auth->result[auth->nresult].method))
			auth->result[auth->nresult++].raw = value;
	}
}

void
auth_read(struct auth *auth, struct deep_str header, const struct path *path, const char *authserv,
    struct arena *arena)
{
	size_t own = own_fields(path), received = 0;
	struct deep_str rest = header;
	struct deep_field field;
	enum deep_status answer;
	int fields = 0;

	memset(auth, 0, sizeof(*auth));
	auth->result = arena_get(arena, AUTH_MAX * sizeof(*auth->result));
	if (rest.n > HEADER_MAX)
		rest.n = HEADER_MAX;
	while ((answer = deep_field_next(&rest, &field, NULL)) != DEEP_NO) {
		if (answer == DEEP_BAD)
			continue;
		if (deep_is(field.name, "Received") && received++ == own)
			break;
		if (!deep_is(field.name, "Authentication-Results"))
			continue;
		if (fields++ == FIELDS_MAX)
			break;
		while (field.value.n > 0 && deep_space(*field.value.p)) {
			field.value.p++;
			field.value.n--;
		}
		field_read(auth, flat(field.value, arena), authserv);
	}
}
