/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_merge.c - any octets as what --summary json wrote: refused, or written again as
 * a summary that says the same when it is read.
 */
#include "fuzz.h"

#include "summary.h"

#define INPUT_MAX	(128 * 1024)	/* octets */

static char *
written(struct summary *summary, size_t *n)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, n);

	MUST(out != NULL);
	summary_write(out, summary);
	MUST(fclose(out) == 0);
	return text;
}

static int
take(struct summary *summary, const void *text, size_t n)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, n, "r");
	int answer;

	MUST(in != NULL);
	answer = summary_read(summary, in, "fuzz");
	fclose(in);
	return answer;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int quiet;
	struct summary *summary = summary_new(), *again = summary_new();
	size_t length, other;
	char *one, *two;

	if (!quiet)
		be_quiet();
	quiet = 1;
	if (n > 0 && n <= INPUT_MAX && take(summary, data, n) == 0) {
		one = written(summary, &length);
		MUST(take(again, one, length) == 0);
		two = written(again, &other);
		MUST(length == other && memcmp(one, two, length) == 0);
		free(one);
		free(two);
	}
	summary_free(summary);
	summary_free(again);
	return 0;
}
