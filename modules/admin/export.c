/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * export.c - "deeplatch export": each record of the store as a line of JSON, for
 * "deeplatch import" and for other programs.  The first line says what it is.
 */
#include <getopt.h>
#include <stdio.h>

#include "admin.h"

static int
export_record(void *data, const struct deep_key *key, const struct deep_record *record)
{
	json_line(stdout, record_json(key, record));
	progress_step(data);
	return ferror(stdout);
}

int
run_export(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = { { NULL, 0, NULL, 0 } };
	struct progress			progress;
	enum deep_status		answer;

	if (getopt_long(argc, argv, "", options, NULL) != -1)
		bad_option("export", argv);
	if (optind != argc)
		usage_of("export");
	open_store(admin);
	json_line(stdout, json_pack("{s:s, s:i}", "format", "deeplatch", "version", 1));
	progress_start(&progress, "names");
	answer = deep_store_each(admin->store, export_record, &progress);
	progress_end(&progress);
	if (answer == DEEP_FAIL)
		store_failed(admin);
	return DONE;
}
