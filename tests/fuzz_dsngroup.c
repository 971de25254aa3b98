/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_dsngroup.c - any text as the fields of a recipient (RFC 3464 2.3): what
 * is asked for stands in the answer once, all other lines stay, and a second
 * change changes nothing.
 */
#include "fuzz.h"

static const char *const statuses[] = { NULL, "4.7.10", "5.7.10" };
static const char *const actions[] = { NULL, "failed", "delayed" };
static const char *const diagnostics[] = { NULL, "smtp; 451 4.7.10 a latch" };

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_dsngroup_change	 change;
	struct deep_dsngroup		 group;
	struct deep_str			 text, once;
	char				*buf, *again, address[1024];
	int				 length;

	if (n < 1)
		return 0;
	change.status = statuses[data[0] % 3];
	change.action = actions[data[0] / 3 % 3];
	change.diagnostic = diagnostics[data[0] / 9 % 2];
	change.latches = data[0] & 0x80 ? DEEP_LATCH_TLS12 | DEEP_LATCH_PFS : DEEP_LATCH_NONE;
	text = exact_copy(data + 1, n - 1);
	deep_dsngroup_read(&group, text, NULL);
	MUST(is_inside(group.final, text) && is_inside(group.status, text) &&
	    is_inside(group.latches, text) && is_inside(group.original, text));
	deep_dsngroup_address(address, sizeof(address), group.final);
	length = deep_dsngroup_emit(NULL, 0, text, &change);
	if (length < 0) {
		MUST(text.n == 0 || text.n > DEEP_FIELD_MAX);
		free((char *)text.p);
		return 0;
	}
	buf = malloc((size_t)length + 1);
	MUST(buf != NULL);
	MUST(deep_dsngroup_emit(buf, (size_t)length + 1, text, &change) == length);
	once.p = buf;
	once.n = (size_t)length;
	if (group.latches.p != NULL) {
		MUST(is_same(once, text));
	} else {
		struct deep_dsngroup after;

		deep_dsngroup_read(&after, once, NULL);
		if (change.latches != DEEP_LATCH_NONE) {
			MUST(deep_is(after.latches, "tls12 tls-pfs"));
			if (once.n <= DEEP_FIELD_MAX) {
				again = malloc((size_t)length + 1);
				MUST(again != NULL);
				MUST(deep_dsngroup_emit(again, (size_t)length + 1, once,
				    &change) == length);
				MUST(memcmp(again, buf, (size_t)length) == 0);
				free(again);
			}
		}
		MUST((group.final.p == NULL) == (after.final.p == NULL));
		if (group.final.p != NULL)
			MUST(is_same(group.final, after.final));
	}
	free(buf);
	free((char *)text.p);
	return 0;
}
