/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_form.c - Received fields, one a line or folded, each read behind those before it and
 * then again by somebody who has seen none: the same answer.
 */
#include "fuzz.h"

#include "hops.h"

#define INPUT_MAX	8192	/* octets */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct dialects *used, *fresh;
	static struct arena *arena;
	struct deep_str text, line;
	const char *p, *end, *nl;

	if (used == NULL) {
		used = dialects_new();
		fresh = dialects_new();
		arena = arena_new();
	}
	if (n > INPUT_MAX)
		return 0;
	text = exact_copy(data, n);
	forms_forget(dialects_forms(used));
	for (p = text.p, end = p + n; p < end; p = nl + 1) {
		struct hop hop, other;
		const char *what;

		for (nl = p; nl < end && (*nl != '\n' || (end - nl > 1 && (nl[1] == ' ' || nl[1] == '\t'))); nl++)
			continue;
		line.p = p;
		line.n = (size_t)(nl - p);
		hop_read(&hop, line, used, arena);
		forms_forget(dialects_forms(fresh));
		hop_read(&other, line, fresh, arena);
		other.dialect = hop.dialect == NULL || other.dialect == NULL ? other.dialect :
		    strcmp(hop.dialect, other.dialect) == 0 ? hop.dialect : other.dialect;
		if ((what = hops_differ(&hop, &other)) != NULL)
			must_failed(what, __FILE__, __LINE__);
	}
	arena_reset(arena);
	free((char *)(uintptr_t)text.p);
	return 0;
}
