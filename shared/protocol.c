/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * protocol.c - the protocol words of the with clause (RFC 5321 4.4, RFC 3848,
 * RFC 6531 and what is seen), one row each in protocols.in.
 */
#include <stddef.h>

#include "deep.h"
#include "word.h"

static const struct deep_protocol protocols[] = {
#define PROTOCOL(name, says, registered, auth, lmtp, source) \
	{ name, DEEP_SAYS_##says, registered, auth, lmtp, source },
#include "protocols.in"
#undef PROTOCOL
};

/* The lengths of their names: looked at first. */
static const unsigned char lengths[] = {
#define PROTOCOL(name, says, registered, auth, lmtp, source)	sizeof(name) - 1,
#include "protocols.in"
#undef PROTOCOL
};

static const struct deep_protocol *
row(struct deep_str name)
{
	size_t i;

	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (lengths[i] == name.n && deep_lower(protocols[i].name[0]) == deep_lower(name.p[0]) &&
		    deep_is(name, protocols[i].name))
			return &protocols[i];
	}
	return NULL;
}

const struct deep_protocol *
deep_protocol_find(struct deep_str value)
{
	const struct deep_protocol *found = NULL;
	struct deep_str rest = value, head;
	struct deep_word word;
	int words;

	/* by one word, two, three: the longest that has a row */
	for (words = 0; words < 3 && deep_word_next(&rest, &word, NULL) == DEEP_YES; words++) {
		const struct deep_protocol *longer;

		if (word.kind != DEEP_ATOM)
			break;
		head.p = value.p;
		while (head.p < word.text.p && deep_space(*head.p))
			head.p++;
		if (words > 0)
			head.p = value.p;
		head.n = (size_t)(word.text.p + word.text.n - head.p);
		if ((longer = row(head)) != NULL)
			found = longer;
	}
	return found;
}

const struct deep_protocol *
deep_protocol_each(const struct deep_protocol *previous)
{
	size_t next = previous == NULL ? 0 : (size_t)(previous - protocols) + 1;

	return next < sizeof(protocols) / sizeof(protocols[0]) ? &protocols[next] : NULL;
}
