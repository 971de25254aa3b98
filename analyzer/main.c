/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * main.c - deeptrace: which command it is, and the exit status.  The manual is
 * deeptrace(1).
 */
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "analyzer.h"
#include "stats.h"
#include "summary.h"

#ifndef DEEP_LIBEXECDIR
#define DEEP_LIBEXECDIR	"/usr/libexec"
#endif

static int
trace(int argc, char *argv[])
{
	struct settings set;
	int status;

	memset(&set, 0, sizeof(set));
	set.dialects = dialects_new();
	status = options_read(&set, argc, argv);
	if (status == GO_ON)
		status = run(&set, argv + optind, argc - optind);
	dialects_free(set.dialects);
	summary_free(set.summary);
	stats_free(set.stats);
	state_close(set.state);
	free(set.trust.host);
	return status;
}

/* A program of its own (probe_main.c): beside this one where it was built, else where
 * it was installed. */
static int
probe(int argc, char *argv[])
{
	static char self[] = "deeptrace";
	static const char name[] = "/deeptrace-probe";
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));

	(void)argc;
	argv[0] = self;			/* what its messages begin with */
	if (n > 0) {
		path[n] = '\0';
		if ((slash = strrchr(path, '/')) != NULL) {
			memcpy(slash, name, sizeof(name));
			(void)execv(path, argv);
		}
	}
	(void)execv(DEEP_LIBEXECDIR "/deep/deeptrace-probe", argv);
	err(EX_OSFILE, DEEP_LIBEXECDIR "/deep/deeptrace-probe: install deeptrace again");
}

/* A file of such a name is given as ./probe. */
static const struct command {
	const char	*name;
	int		(*run)(int argc, char *argv[]);	/* argv[0]: the name */
} commands[] = {
	{ "merge", merge },
	{ "probe", probe }, { "watch", watch_command },
	{ NULL, trace }
};

int
main(int argc, char *argv[])
{
	const struct command *command = commands;
	int status;

	while (command->name != NULL && (argc < 2 || strcmp(argv[1], command->name) != 0))
		command++;
	if (command->name != NULL)
		status = command->run(argc - 1, argv + 1);
	else
		status = command->run(argc, argv);
	return output_end(status);
}
