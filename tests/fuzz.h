/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz.h - what the fuzzers share: a claim that stops the run, and input in
 * a block of exactly its size, so that a read at its end is seen.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "deep.h"

/* Stops where a claim about the code does not hold. */
#define MUST(claim) \
	((claim) ? (void)0 : must_failed(#claim, __FILE__, __LINE__))

int	LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static inline void
must_failed(const char *claim, const char *file, int line)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
	abort();
}

/* The octets in a block of their own; free() the p of it. */
static inline struct deep_str
exact_copy(const void *data, size_t n)
{
	struct deep_str text = { NULL, n };
	char *block = malloc(n > 0 ? n : 1);

	MUST(block != NULL);
	if (n > 0)
		memcpy(block, data, n);
	text.p = block;
	return text;
}

/* Whether a slice is empty or lies inside the whole. */
static inline int
is_inside(struct deep_str slice, struct deep_str whole)
{
	if (slice.p == NULL)
		return slice.n == 0;
	return slice.p >= whole.p && slice.p <= whole.p + whole.n &&
	    slice.n <= (size_t)(whole.p + whole.n - slice.p);
}

static inline int
is_same(struct deep_str a, struct deep_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* What is warned of goes nowhere; the fuzzer's own words stay. */
static inline void
be_quiet(void)
{
	FILE *nowhere = fopen("/dev/null", "w");

	MUST(nowhere != NULL);
	stderr = nowhere;
}

/* Seconds of processor time. */
static inline double
seconds_used(void)
{
	struct timespec t;

	MUST(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

#endif
