/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * purge.c - "deeplatch purge": takes out what has expired (draft 3.1), by the store's
 * clock and the retention of deep.conf.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "admin.h"

int
run_purge(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "dry-run", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	struct deep_gone		gone = { 0, 0 };
	int				c, dry_run = 0;

	while ((c = getopt_long(argc, argv, "n", options, NULL)) != -1) {
		if (c != 'n')
			bad_option("purge", argv);
		dry_run = 1;
	}
	if (optind != argc)
		usage_of("purge");
	open_store(admin);
	if (deep_store_purge(admin->store, admin->config, admin->now, dry_run, &gone) == DEEP_FAIL)
		store_failed(admin);
	progress_end(&admin->progress);
	printf("%" PRIu64 " %s %s\n", gone.latches, gone.latches == 1 ? "latch" : "latches",
	    dry_run ? "would go" : "had expired and went");
	if (gone.entries > 0)
		printf("%" PRIu64 " old %s of the log %s\n", gone.entries,
		    gone.entries == 1 ? "entry" : "entries", dry_run ? "would go" : "went");
	return DONE;
}
