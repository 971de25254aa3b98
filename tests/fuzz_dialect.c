/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_dialect.c - any text at all places that the rows of dialects.in look
 * at, and as a whole field: the facts lie inside the text, and each answer is
 * one that its type knows.
 */
#include "fuzz.h"

#include "analyzer.h"

#define INPUT_MAX	(64 * 1024)	/* octets: no comment is longer than a field */

static void
check_places(struct dialects *dialects, struct deep_str text)
{
	struct finding found;
	enum deep_status answer;
	int place, fact;

	for (place = 0; place < PLACES; place++) {
		memset(&found, 0, sizeof(found));
		answer = dialects_match(dialects, (enum place)place, text, &found);
		MUST(answer == DEEP_YES || answer == DEEP_NO);
		if (answer == DEEP_NO)
			continue;
		MUST(found.dialect != NULL && found.dialect[0] != '\0');
		MUST(found.place == (enum place)place);
		MUST(found.says <= SAYS_OTHER);
		for (fact = 0; fact < FACTS; fact++) {
			MUST(is_inside(found.fact[fact], text));
			MUST((found.fact[fact].p == NULL) == (found.fact[fact].n == 0));
		}
	}
}

static void
check_hop(struct dialects *dialects, struct deep_str value, struct arena *arena)
{
	struct hop hop;

	memset(&hop, 0, sizeof(hop));
	hop_read(&hop, value, dialects, arena);
	MUST(hop.verdict <= VERDICT_CLEAR);
	MUST(hop.client <= CLIENT_VERIFIED);
	MUST(hop.flags >> FLAGS == 0);
	MUST(hop.bits >= 0);
	MUST((hop.latches & ~DEEP_LATCH_ALL) == 0);
	MUST(hop.is_tls || hop.latches == DEEP_LATCH_NONE);
	MUST(hop.version == 0 || deep_tls_version_name(hop.version) != NULL);
	MUST(hop.verdict != VERDICT_STRONG || (hop.is_tls && hop.suite != NULL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct dialects *dialects;
	static struct arena *arena;
	struct deep_str text;

	if (dialects == NULL) {
		dialects = dialects_new();
		arena = arena_new();
	}
	if (n > INPUT_MAX)
		return 0;
	text = exact_copy(data, n);
	check_places(dialects, text);
	check_hop(dialects, text, arena);
	arena_reset(arena);
	free((char *)(uintptr_t)text.p);
	return 0;
}
