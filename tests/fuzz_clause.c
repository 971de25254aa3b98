/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_clause.c - the tls clause of Received (RFC 8314 4.3): what is read can
 * be written and read again, and what is written can be read.
 *
 * Input: an octet for the column and the line end, then text.  The text is
 * read as clauses; cut at its first "|" it is a suite and a group to write.
 */
#include "fuzz.h"

static const char *const line_ends[] = { "\n", "\r\n" };

/* Columns of the line with its tabs: the first line begins at column. */
static void
check_lines(struct deep_str clause, size_t column, size_t longest_part)
{
	size_t i;

	for (i = 0; i <= clause.n; i++) {
		if (i == clause.n || clause.p[i] == '\n' || clause.p[i] == '\r') {
			/* only a part that has no place on a line alone may pass */
			MUST(column <= DEEP_FOLD_AT || longest_part + 8 > DEEP_FOLD_AT ||
			    i == 0);
			if (i < clause.n && clause.p[i] == '\r')
				i++;
			column = 0;
		} else if (clause.p[i] == '\t') {
			column = (column / 8 + 1) * 8;
		} else {
			column++;
		}
	}
}

static void
check_emit(struct deep_str suite, struct deep_str group, unsigned choice, int must_work)
{
	const char *eol = line_ends[choice & 1];
	size_t column = choice >> 1, size, part, longest;
	struct deep_str clause, rest;
	struct deep_tls again;
	char *buf, *small;
	int n;

	n = deep_tls_emit(NULL, 0, column, eol, suite, group);
	if (n < 0) {
		MUST(!must_work || suite.n > 128 || group.n > 128);
		buf = malloc(8);
		MUST(buf != NULL);
		buf[0] = 'x';
		MUST(deep_tls_emit(buf, 8, column, eol, suite, group) == -1 && buf[0] == '\0');
		free(buf);
		return;
	}
	size = (size_t)n + 1;
	buf = malloc(size);
	MUST(buf != NULL);
	MUST(deep_tls_emit(buf, size, column, eol, suite, group) == n);
	MUST(strlen(buf) == (size_t)n);
	/* never half an answer */
	for (part = 1; part < size; part += part < 4 ? 1 : 13) {
		small = malloc(part);
		MUST(small != NULL);
		MUST(deep_tls_emit(small, part, column, eol, suite, group) == n);
		MUST(small[0] == '\0');
		free(small);
	}
	/* an allow-list of its own: reading and writing could be wrong alike */
	MUST(strspn(buf, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789_- \t\r\n") == (size_t)n);
	clause.p = buf;
	clause.n = (size_t)n;
	longest = strlen("tls ") + suite.n;
	if (group.n > 0 && strlen("group ") + group.n > longest)
		longest = strlen("group ") + group.n;
	check_lines(clause, column, longest);

	rest = exact_copy(buf, (size_t)n);
	small = (char *)(uintptr_t)rest.p;
	MUST(deep_tls_next(&rest, &again, NULL) == DEEP_YES);
	MUST(rest.n == 0);
	MUST(is_same(again.suite, suite));
	MUST(is_same(again.group, group));
	free(small);
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_str text, rest, before, suite, group;
	struct deep_tls tls;
	struct deep_fault fault;
	enum deep_status answer;
	const char *cut;
	unsigned choice;

	if (n == 0 || n > 4096)
		return 0;
	choice = data[0];
	text = exact_copy(data + 1, n - 1);

	rest = text;
	for (;;) {
		before = rest;
		fault.at = 0;
		answer = deep_tls_next(&rest, &tls, &fault);
		if (answer != DEEP_YES) {
			MUST(answer == DEEP_NO || answer == DEEP_BAD);
			MUST(rest.p == before.p && rest.n == before.n);
			MUST(answer == DEEP_NO || fault.at <= before.n);
			break;
		}
		MUST(is_inside(rest, before) && rest.n < before.n);
		MUST(rest.p + rest.n == before.p + before.n);
		MUST(is_inside(tls.suite, before) && tls.suite.n > 0);
		MUST(is_inside(tls.group, before));
		check_emit(tls.suite, tls.group, choice, 1);
	}

	suite = text;
	group.p = NULL;
	group.n = 0;
	if (text.n > 0 && (cut = memchr(text.p, '|', text.n)) != NULL) {
		suite.n = (size_t)(cut - text.p);
		group.p = cut + 1;
		group.n = text.n - suite.n - 1;
	}
	check_emit(suite, group, choice, 0);
	free((char *)(uintptr_t)text.p);
	return 0;
}
