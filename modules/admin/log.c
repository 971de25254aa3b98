/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * log.c - "deeplatch log": what the store has logged, oldest first: refusals and what
 * was missing, and what was changed by hand, by whom and why.
 */
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"

struct log {
	const char	*kind, *name;	/* NULL: each */
	int		 json;
	uint64_t	 shown;
};

static int
show_entry(void *data, const struct deep_entry *entry)
{
	struct log	*log = data;
	const char	*service = deep_service_name(entry->key.service);
	char		 when[TIME_OCTETS];

	if ((log->kind != NULL && strcmp(entry->kind, log->kind) != 0) ||
	    (log->name != NULL && fnmatch(log->name, entry->key.name, 0) != 0))
		return 0;
	log->shown++;
	if (log->json) {
		json_line(stdout, json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
		    "time", (json_int_t)entry->time, "last", (json_int_t)entry->last,
		    "count", (json_int_t)entry->count, "kind", entry->kind, "name", entry->key.name,
		    "service", service == NULL ? "" : service, "host", text_json(entry->host),
		    "latches", latches_json(entry->latches),
		    "who", text_json(entry->who), "text", text_json(entry->text)));
		return ferror(stdout);
	}
	printf("%s %-12s %s", say_time(when, entry->time), entry->kind,
	    entry->key.name[0] == '\0' ? "-" : entry->key.name);
	if (service != NULL && entry->key.service != DEEP_RELAY)
		printf(" %s", service);
	say_entry(stdout, entry);
	return ferror(stdout);
}

int
run_log(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "since", required_argument, NULL, 's' },
		{ "kind", required_argument, NULL, 'k' },
		{ "name", required_argument, NULL, 'n' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct log			log = { NULL, NULL, 0, 0 };
	int64_t				since = 0;
	int				c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			since = since_of(optarg, admin->now);
			break;
		case 'k':
			log.kind = optarg;
			break;
		case 'n':
			log.name = optarg;
			break;
		case 'j':
			log.json = 1;
			break;
		default:
			bad_option("log", argv);
		}
	}
	if (optind != argc)
		usage_of("log");
	open_store(admin);
	if (deep_store_log_each(admin->store, since, show_entry, &log) == DEEP_FAIL)
		store_failed(admin);
	return log.shown > 0 ? DONE : NOTHING;
}
