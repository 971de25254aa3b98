/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_field.c - one text as a header (RFC 5322 2.2), as a folded value, as a
 * list of latches (draft-newman-email-deep-00 5.3) and as a date (RFC 5322
 * 3.3): reading always goes on, no answer is half one, and what is written can
 * be read again.
 *
 * An input of up to REPEAT_MAX octets is also repeated up to DEEP_FIELD_MAX
 * where the sum of its octets is a multiple of REPEAT_ONE_IN, and read as a
 * list of latches: that shows work that grows with the square.
 */
#include "fuzz.h"

#define INPUT_MAX	(128 * 1024)	/* octets: twice what a field may have */
#define REPEAT_MAX	24		/* octets */
#define REPEAT_ONE_IN	8
#define SECONDS_MAX	0.4		/* for DEEP_FIELD_MAX octets; an honest list takes 0.01 */
#define OTHER_MAX	64		/* words that are taken for latches */

static void
check_unfold(struct deep_str value)
{
	struct deep_str flat;
	size_t size, i;
	char *buf;
	int n = deep_unfold(NULL, 0, value);

	if (n < 0) {
		MUST(value.n > DEEP_FIELD_MAX);
		return;
	}
	MUST((size_t)n <= value.n);
	for (i = 0; i < 4; i++) {
		const size_t sizes[] = { 1, (size_t)n / 2 + 1, (size_t)n, (size_t)n + 1 };

		if ((size = sizes[i]) == 0)
			continue;
		buf = malloc(size);
		MUST(buf != NULL);
		buf[0] = 'x';
		MUST(deep_unfold(buf, size, value) == n);
		if ((size_t)n >= size) {
			MUST(buf[0] == '\0');
		} else {
			MUST(buf[n] == '\0' && memchr(buf, '\n', (size_t)n) == NULL);
			flat.p = buf;
			flat.n = (size_t)n;
			MUST(deep_unfold(NULL, 0, flat) == n);
		}
		free(buf);
	}
}

static void
check_fields(struct deep_str text)
{
	struct deep_str rest = text, before;
	struct deep_field field;
	struct deep_fault fault;
	enum deep_status answer;

	for (;;) {
		before = rest;
		fault.at = 0;
		fault.why = NULL;
		answer = deep_field_next(&rest, &field, &fault);
		MUST(rest.p + rest.n == before.p + before.n && rest.n <= before.n);
		MUST(is_inside(field.name, before) && is_inside(field.value, before));
		if (answer == DEEP_NO && rest.n == 0)
			break;
		MUST(rest.n < before.n);		/* goes on */
		if (answer != DEEP_NO) {
			struct deep_str whole = { before.p, before.n - rest.n };
			struct deep_field again;

			MUST(deep_field_read(whole, &again, NULL) == answer);
			MUST(memcmp(&again, &field, sizeof(field)) == 0);
		}
		if (answer == DEEP_NO)
			continue;			/* the body, taken for another header */
		if (answer != DEEP_YES)
			MUST(fault.why != NULL && fault.at <= before.n);
		MUST((field.name.n == 0) == (answer == DEEP_BAD));
		MUST(answer != DEEP_LIMIT || field.value.n <= DEEP_FIELD_MAX);
		MUST(answer != DEEP_YES || field.value.n <= DEEP_FIELD_MAX);
		if (field.value.n > 0) {
			MUST(strchr(" \t\r\n", field.value.p[0]) == NULL ||
			    field.value.p[0] == '\0');
			check_unfold(field.value);
		}
	}
	check_unfold(text);
}

/* Writes these, reads them, and writes what was read: the same text. */
static void
check_emit(const struct deep_str *other, size_t nother, int must_work)
{
	struct deep_str again[OTHER_MAX + 8], rest;
	size_t nagain = 0, i, k;
	char *buf, *buf2;
	int n = deep_latches_emit(NULL, 0, DEEP_LATCH_NONE, other, nother);

	if (n < 0) {
		/* only what is empty or has no place on a line is refused */
		for (k = i = 0; i < nother; i++)
			k += other[i].n + 1;
		MUST(!must_work || nother == 0 || k > 900);
		return;
	}
	buf = malloc((size_t)n + 1);
	buf2 = malloc((size_t)n + 1);
	MUST(buf != NULL && buf2 != NULL);
	MUST(deep_latches_emit(buf2, (size_t)n, DEEP_LATCH_NONE, other, nother) == n);
	MUST(buf2[0] == '\0');
	MUST(deep_latches_emit(buf, (size_t)n + 1, DEEP_LATCH_NONE, other, nother) == n);
	MUST(strlen(buf) == (size_t)n && strpbrk(buf, "\r\n") == NULL);
	rest = deep_str(buf);
	while (nagain < sizeof(again) / sizeof(again[0]) &&
	    deep_latch_next(&rest, &again[nagain], NULL) == DEEP_YES)
		MUST(deep_latch_valid(again[nagain++]));
	MUST(rest.n == 0);
	for (i = 0; i < nother; i++) {
		char id[DEEP_LATCH_MAX + 1];

		MUST(deep_latch_valid(other[i]));
		memcpy(id, other[i].p, other[i].n);
		id[other[i].n] = '\0';
		for (k = 0; k < nagain && !deep_is(again[k], id); k++)
			continue;
		MUST(k < nagain);
	}
	MUST(deep_latches_emit(buf2, (size_t)n + 1, DEEP_LATCH_NONE, again, nagain) == n);
	MUST(strcmp(buf, buf2) == 0);
	free(buf);
	free(buf2);
}

static void
check_latches(struct deep_str text)
{
	struct deep_str rest = text, before, valid[OTHER_MAX], word[OTHER_MAX], id;
	struct deep_fault fault;
	enum deep_status answer;
	size_t nvalid = 0, nword = 0;
	const char *p = text.p, *end = text.p + text.n, *stop;

	for (;;) {
		before = rest;
		fault.at = 0;
		fault.why = NULL;
		if ((answer = deep_latch_next(&rest, &id, &fault)) == DEEP_NO)
			break;
		MUST(is_inside(id, before) && id.n > 0 && rest.n < before.n);
		if (answer == DEEP_YES) {
			MUST(deep_latch_valid(id));
			if (nvalid < OTHER_MAX)
				valid[nvalid++] = id;
		} else {
			MUST(fault.why != NULL && fault.at <= before.n);
		}
	}
	check_emit(valid, nvalid, 1);
	/* any octets between blanks: refused, or they come back */
	while (p < end && nword < OTHER_MAX) {
		stop = memchr(p, ' ', (size_t)(end - p));
		if (stop == NULL)
			stop = end;
		word[nword].p = p;
		word[nword++].n = (size_t)(stop - p);
		p = stop < end ? stop + 1 : end;
	}
	check_emit(word, nword, 0);
}

static void
check_time(const uint8_t *data, size_t n)
{
	struct deep_str rest = { NULL, DEEP_FIELD_MAX }, id;
	char *buf = malloc(DEEP_FIELD_MAX);
	double begin;
	size_t i;

	MUST(buf != NULL);
	for (i = 0; i < DEEP_FIELD_MAX; i++)
		buf[i] = (char)data[i % n];
	rest.p = buf;
	begin = seconds_used();
	while (deep_latch_next(&rest, &id, NULL) != DEEP_NO)
		MUST(seconds_used() - begin < SECONDS_MAX);
	free(buf);
}

/* What is written is in UTC to the second, of years that can be read. */
static void
check_date_emit(const struct deep_date *date)
{
	char text[32], small[20];
	struct deep_date again;
	struct deep_str rest;
	int n = deep_date_emit(text, sizeof(text), date);

	MUST(deep_date_emit(small, sizeof(small), date) == n && small[0] == '\0');
	if (n < 0) {
		MUST(text[0] == '\0');
		MUST(date->utc < -2208988800 || date->utc > 253402300799);
		return;
	}
	MUST(strlen(text) == (size_t)n);
	rest = exact_copy(text, (size_t)n);
	text[0] = rest.p[0];
	if (deep_date_next(&rest, &again, NULL) == DEEP_YES) {
		MUST(rest.n == 0);
		MUST(again.utc == date->utc);
		MUST(again.nsec == 0 && again.zone == 0 && again.zone_known);
		free((char *)(uintptr_t)(rest.p - n));
	} else {
		MUST(date->utc < -2208988800);		/* 1900-01-01 */
		free((char *)(uintptr_t)rest.p);
	}
}

static void
check_date(struct deep_str text)
{
	struct deep_str rest = text;
	struct deep_date date;
	struct deep_fault fault = { 0, NULL };
	enum deep_status answer = deep_date_next(&rest, &date, &fault);

	MUST(is_inside(rest, text) && rest.p + rest.n == text.p + text.n);
	if (answer == DEEP_YES) {
		MUST(rest.n < text.n);
		MUST(date.nsec >= 0 && date.nsec <= 999999999);
		MUST(date.zone > -24 * 60 && date.zone < 24 * 60);
		MUST(date.utc >= -2208988800 - 86400 && date.utc <= 253402300799 + 86400);
		check_date_emit(&date);
	} else {
		MUST(answer == DEEP_NO || (answer == DEEP_BAD && fault.why != NULL &&
		    fault.at <= text.n));
		MUST(rest.n == text.n || answer == DEEP_NO);
	}
	if (text.n == sizeof(date.utc)) {	/* any number at all */
		memset(&date, 0, sizeof(date));
		memcpy(&date.utc, text.p, sizeof(date.utc));
		check_date_emit(&date);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_str text;
	size_t sum = 0, i;

	if (n > INPUT_MAX)
		return 0;
	text = exact_copy(data, n);
	check_fields(text);
	check_latches(text);
	check_date(text);
	for (i = 0; i < n; i++)
		sum += data[i];
	if (n > 0 && n <= REPEAT_MAX && sum % REPEAT_ONE_IN == 0)
		check_time(data, n);
	free((char *)(uintptr_t)text.p);
	return 0;
}
