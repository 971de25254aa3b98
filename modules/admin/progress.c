/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * progress.c - how far it is, on standard error, where that is a terminal and the
 * work takes longer than two seconds.  Nothing else ever reads it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "admin.h"

#define PATIENCE	2000	/* milliseconds until the first line */
#define BETWEEN		500	/* and from one to the next */
#define EVERY		64	/* steps between two looks at the clock */

static int64_t
milliseconds(void)
{
	struct timespec	t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) == -1)
		return 0;
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
progress_start(struct progress *progress, const char *what)
{
	memset(progress, 0, sizeof(*progress));
	progress->what = what;
	progress->start = milliseconds();
	progress->on = isatty(STDERR_FILENO);
}

void
progress_step(struct progress *progress)
{
	int64_t	now;

	if (++progress->count % EVERY != 0 || !progress->on)
		return;
	now = milliseconds();
	if (now - progress->start < PATIENCE || now - progress->shown < BETWEEN)
		return;
	progress->shown = now;
	fprintf(stderr, "\r%" PRIu64 " %s, %" PRId64 " s \033[K", progress->count, progress->what,
	    (now - progress->start) / 1000);
}

void
progress_end(struct progress *progress)
{
	if (progress->shown != 0)
		fputs("\r\033[K", stderr);
	progress->shown = 0;
}

void
progress_watch(void *data, const char *what)
{
	struct progress	*progress = data;

	if (progress->what == NULL || strcmp(progress->what, what) != 0) {
		progress_end(progress);
		progress_start(progress, what);
	}
	progress_step(progress);
}
