/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_received.c - any text as a Received field (RFC 5321 4.4): every slice
 * lies inside it, the counts keep their limits, the result says the same as
 * its parts, and the time grows with the length and no faster.
 *
 * Input: the value.  One of up to REPEAT_MAX octets is also repeated up to
 * INPUT_MAX where the sum of its octets is a multiple of REPEAT_ONE_IN: that
 * is what shows work that grows with the square, but it takes its time.
 */
#include "fuzz.h"

#define INPUT_MAX	(128 * 1024)	/* octets: twice what a field may have */
#define REPEAT_MAX	24		/* octets */
#define REPEAT_ONE_IN	8
#define SECONDS_MAX	0.4		/* for INPUT_MAX octets; an honest one takes 0.01 */

static void
check_clause(const struct deep_clause *clause, struct deep_str value)
{
	MUST(clause->kind <= DEEP_START);
	MUST(is_inside(clause->name, value));
	MUST(is_inside(clause->value, value));
	MUST(is_inside(clause->all, value));
	if (clause->value.n > 0)
		MUST(is_inside(clause->value, clause->all));
	if (clause->name.n > 0)
		MUST(is_inside(clause->name, clause->all));
}

static void
check_value(struct deep_str value, struct deep_received *field)
{
	struct deep_fault fault = { 0, NULL };
	struct deep_str behind = value;
	enum deep_status answer;
	double begin = seconds_used();
	size_t i, k;

	answer = deep_received_parse(value, field, &fault);
	MUST(seconds_used() - begin < SECONDS_MAX);
	MUST(answer <= DEEP_LIMIT);
	if (answer == DEEP_BAD || answer == DEEP_LIMIT)
		MUST(fault.why != NULL && fault.at <= value.n);
	MUST(value.n <= DEEP_FIELD_MAX || answer == DEEP_LIMIT);
	MUST(field->nclause >= 1 && field->nclause <= DEEP_CLAUSE_MAX);
	MUST(field->ncomment <= DEEP_COMMENT_MAX);
	for (i = 0; i < field->nclause; i++) {
		const struct deep_clause *clause = &field->clause[i];

		check_clause(clause, value);
		if (clause->all.p == NULL)
			continue;
		/* one behind the other */
		MUST(is_inside(clause->all, behind));
		behind.n = (size_t)(value.p + value.n - (clause->all.p + clause->all.n));
		behind.p = clause->all.p + clause->all.n;
	}
	for (i = 0; i < field->ncomment; i++) {
		MUST(field->comment[i].kind <= DEEP_START);
		MUST(is_inside(field->comment[i].text, value));
	}
	for (i = 0; i < DEEP_OTHER; i++) {
		if (field->the[i].name.p == NULL)
			continue;
		MUST(field->the[i].kind == (enum deep_clause_kind)i);
		for (k = 0; field->clause[k].kind != (enum deep_clause_kind)i; k++)
			MUST(k + 1 < field->nclause);
		MUST(field->clause[k].all.p == field->the[i].all.p);
	}
	MUST(is_inside(field->tls.suite, value));
	MUST(is_inside(field->tls.group, value));
	MUST(is_inside(field->date_text, value));
	if (field->date_text.p != NULL) {
		struct deep_date date;

		behind = field->date_text;
		MUST(deep_date_next(&behind, &date, NULL) == DEEP_YES);
		MUST(date.utc == field->date.utc && date.zone == field->date.zone);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct deep_received field, unfolded;
	struct deep_str value, flat;
	size_t sum = 0, i;
	char *buf;
	int length;

	if (n > INPUT_MAX)
		return 0;
	value = exact_copy(data, n);
	check_value(value, &field);
	length = deep_unfold(NULL, 0, value);
	MUST(length >= 0 ? (size_t)length <= n : n > DEEP_FIELD_MAX);
	if (length >= 0) {
		buf = malloc((size_t)length + 1);
		MUST(buf != NULL);
		MUST(deep_unfold(buf, (size_t)length + 1, value) == length);
		flat = exact_copy(buf, (size_t)length);
		check_value(flat, &unfolded);
		free((char *)(uintptr_t)flat.p);
		free(buf);
	}
	free((char *)(uintptr_t)value.p);

	for (i = 0; i < n; i++)
		sum += data[i];
	if (n > 0 && n <= REPEAT_MAX && sum % REPEAT_ONE_IN == 0) {
		buf = malloc(INPUT_MAX);
		MUST(buf != NULL);
		for (i = 0; i < INPUT_MAX; i++)
			buf[i] = (char)data[i % n];
		value.p = buf;
		value.n = INPUT_MAX;
		check_value(value, &field);
		free(buf);
	}
	return 0;
}
