/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * bench_suite.c - prints how long it takes to look a cipher suite up by each
 * of its names and by its code: the median over RUNS runs, in nanoseconds.
 * No test; nothing fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "deep.h"

#define RUNS	21
#define ROUNDS	400		/* through all names in a run */

static const struct {
	const char	*text;
	size_t		 length;
	uint16_t	 code;
} names[] = {
#define NAME(code, whose, spelling) { spelling, sizeof(spelling) - 1, code },
#include "suites.in"
};
#define NNAME	(sizeof(names) / sizeof(names[0]))

static double
now(void)
{
	struct timespec	t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
	double	x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int
main(void)
{
	double		by_name[RUNS], by_code[RUNS], from;
	struct deep_str	name;
	unsigned	found = 0;
	size_t		run, round, i;

	for (run = 0; run < RUNS; run++) {
		from = now();
		for (round = 0; round < ROUNDS; round++)
			for (i = 0; i < NNAME; i++) {
				name.p = names[i].text;
				name.n = names[i].length;
				found += deep_suite_find(name, 0, NULL) != NULL;
			}
		by_name[run] = (now() - from) / (double)(ROUNDS * NNAME);
		from = now();
		for (round = 0; round < ROUNDS; round++)
			for (i = 0; i < NNAME; i++)
				found += deep_suite_code(names[i].code) != NULL;
		by_code[run] = (now() - from) / (double)(ROUNDS * NNAME);
	}
	qsort(by_name, RUNS, sizeof(double), compare);
	qsort(by_code, RUNS, sizeof(double), compare);
	printf("by name %.1f ns, by code %.1f ns "
	    "(median of %d runs, %u names, %u found)\n",
	    by_name[RUNS / 2], by_code[RUNS / 2], RUNS, (unsigned)NNAME,
	    found / (2 * RUNS * ROUNDS));
	return 0;
}
