/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * progress.c - how far a run has come, on a line of a terminal that is written
 * over, and the signals that stop a run between two messages.
 *
 * Never writes where standard error is no terminal, unless it is asked to.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "scale.h"

#define EACH	0.5		/* seconds between two lines */
#define MIB	(1024.0 * 1024.0)

volatile sig_atomic_t interrupted;

static void
stop(int number)
{
	(void)number;
	interrupted = 1;
}

void
signals_catch(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action, old;
	size_t i;

	memset(&action, 0, sizeof(action));
	action.sa_handler = stop;
	/* what is being written is written; a second signal ends it all */
	action.sa_flags = SA_RESTART | (int)SA_RESETHAND;
	sigemptyset(&action.sa_mask);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			(void)sigaction(signals[i], &action, NULL);
	}
}

double
seconds_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
		return 0;
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void
progress_start(struct progress *progress, int wanted, char *const *path, int npath)
{
	const char *const *file;
	struct input *in;
	struct stat st;
	size_t n, k;
	int i;

	memset(progress, 0, sizeof(*progress));
	progress->begin = progress->last = seconds_now();
	progress->shown = wanted > 0 || (wanted < 0 && isatty(STDERR_FILENO) &&
	    !isatty(STDOUT_FILENO));
	if (!progress->shown)
		return;
	for (i = 0; i < npath; i++) {
		if (strcmp(path[i], "-") == 0 || stat(path[i], &st) != 0) {
			progress->unknown = 1;
		} else if (S_ISREG(st.st_mode)) {
			progress->total += (uint64_t)st.st_size;
		} else if ((in = S_ISDIR(st.st_mode) ? input_open(path[i]) : NULL) != NULL) {
			file = input_files(in, &n);
			for (k = 0; k < n; k++)
				progress->total += stat(file[k], &st) == 0 ? (uint64_t)st.st_size : 0;
			input_close(in);
		} else {
			progress->unknown = 1;
		}
	}
}

static void
line(const struct progress *progress, double now, const char *end)
{
	double done = (double)progress->done / MIB, all = (double)progress->total / MIB;
	double took = now - progress->begin;
	double rate = took > 0 ? (done - (double)progress->before / MIB) / took : 0;
	long left = rate > 0 ? (long)((all - done) / rate + 0.5) : 0;

	if (progress->unknown || progress->total == 0)
		fprintf(stderr, "\rdeeptrace: %.1f MiB, %.1f MiB/s, %llu messages\033[K%s", done, rate,
		    (unsigned long long)progress->messages, end);
	else
		fprintf(stderr, "\rdeeptrace: %.1f of %.1f MiB, %.0f %%, %.1f MiB/s, %ld:%02ld:%02ld "
		    "left, %llu messages\033[K%s", done, all, done * 100 / all, rate, left / 3600,
		    left / 60 % 60, left % 60, (unsigned long long)progress->messages, end);
	fflush(stderr);
}

void
progress_show(struct progress *progress)
{
	double now;

	if (!progress->shown)
		return;
	now = seconds_now();
	if (now - progress->last < EACH)
		return;
	progress->last = now;
	line(progress, now, "");
}

void
progress_end(struct progress *progress)
{
	if (progress->shown)
		line(progress, seconds_now(), "\n");
}
