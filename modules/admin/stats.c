/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * stats.c - "deeplatch stats": how many names, latches and events there are, for people,
 * as JSON, or for the textfile collector of Prometheus' node_exporter, whose file is
 * written aside and renamed, so that it is never seen half written.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin.h"

#define DAY		86400
#define KINDS		16	/* kinds of events that are told apart */
#define NSERVICE	4

/* How a latch of a name stands; each held one is counted under one of these. */
enum state { ENFORCED, PROBATION, OBSERVED, NSTATE };
static const char *const states[NSTATE] = { "enforced", "probation", "observed" };

struct stats {
	struct admin	*admin;
	uint64_t	 names[NSERVICE];
	uint64_t	 latches[DEEP_LATCHES][NSTATE];
	uint64_t	 contradicted[DEEP_LATCHES];	/* missing when last seen */
	uint64_t	 exempt, hosts, mixed;		/* names with hosts that differ */
	struct {
		char		 name[16];
		uint64_t	 day, all;
	}		 kind[KINDS];
	size_t		 nkind;
	int64_t		 clock;
	struct progress	 progress;
};

static int
count_record(void *data, const struct deep_key *key, const struct deep_record *record)
{
	struct stats		*stats = data;
	const struct deep_held	*latch;
	struct deep_policy	 policy;
	deep_latches		 held, required;
	unsigned		 n;
	size_t			 i;
	int			 mixed = 0;

	progress_step(&stats->progress);
	deep_policy_of(&policy, stats->admin->config, key->name);
	held = deep_record_held(record, &policy);
	required = deep_policy_required(&policy, record, 0);
	if (held != DEEP_LATCH_NONE && (size_t)key->service < NSERVICE)
		stats->names[key->service]++;
	for (n = 0; n < DEEP_LATCHES; n++) {
		latch = &record->latch[n];
		if (!(held & 1u << n))
			continue;
		stats->latches[n][required & 1u << n ? ENFORCED :
		    policy.mode[n] == DEEP_ENFORCE && latch->enforced == 0 ? PROBATION : OBSERVED]++;
		if (latch->contradicted != 0 && latch->contradicted >= latch->confirmed)
			stats->contradicted[n]++;
	}
	stats->exempt += record->exempt != 0 || policy.exempt;
	stats->hosts += record->nhost;
	for (i = 1; i < record->nhost; i++)
		mixed |= record->host[i].satisfied != record->host[0].satisfied;
	stats->mixed += mixed != 0;
	stats->clock = record->clock;
	return 0;
}

static int
count_entry(void *data, const struct deep_entry *entry)
{
	struct stats	*stats = data;
	size_t		 i;

	for (i = 0; i < stats->nkind && strcmp(stats->kind[i].name, entry->kind) != 0; i++)
		continue;
	if (i == stats->nkind) {
		if (i == KINDS)
			return 0;
		(void)strlcpy(stats->kind[i].name, entry->kind, sizeof(stats->kind[i].name));
		stats->nkind++;
	}
	stats->kind[i].all++;
	stats->kind[i].day += entry->time > stats->admin->now - DAY;
	return 0;
}

static uint64_t
all_names(const struct stats *stats)
{
	uint64_t	sum = 0;
	size_t		i;

	for (i = 0; i < NSERVICE; i++)
		sum += stats->names[i];
	return sum;
}

static void
stats_text(const struct stats *stats)
{
	unsigned	n;
	size_t		i;

	printf("%" PRIu64 " %s of at most %" PRId64 "\n", all_names(stats),
	    all_names(stats) == 1 ? "name" : "names",
	    deep_config_number(stats->admin->config, "store", "entries"));
	for (i = 0; i < NSERVICE; i++)
		if (stats->names[i] > 0)
			printf("  %-14s %10" PRIu64 "\n", deep_service_name((enum deep_service)i),
			    stats->names[i]);
	printf("  %-14s %10" PRIu64 "\n", "exempt", stats->exempt);
	printf("%" PRIu64 " hosts; %" PRIu64 " names with hosts that differ\n", stats->hosts,
	    stats->mixed);
	printf("%-16s %10s %10s %10s %10s\n", "latch", "enforced", "probation", "observed",
	    "missing");
	for (n = 0; n < DEEP_LATCHES; n++)
		printf("  %-14s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 "\n",
		    deep_latch_name(n), stats->latches[n][ENFORCED], stats->latches[n][PROBATION],
		    stats->latches[n][OBSERVED], stats->contradicted[n]);
	printf("%-16s %10s %10s\n", "log", "last day", "all");
	for (i = 0; i < stats->nkind; i++) {
		fputs("  ", stdout);
		say_word(stdout, stats->kind[i].name);
		printf("%*s %10" PRIu64 " %10" PRIu64 "\n",
		    (int)(14 - strlen(stats->kind[i].name) % 15), "", stats->kind[i].day,
		    stats->kind[i].all);
	}
}

static void
stats_json(const struct stats *stats)
{
	json_t		*value = json_object(), *latches = json_object(), *names = json_object();
	json_t		*log = json_object();
	unsigned	 n;
	size_t		 i;

	for (i = 0; i < NSERVICE; i++)
		json_object_set_new(names, deep_service_name((enum deep_service)i),
		    json_integer((json_int_t)stats->names[i]));
	for (n = 0; n < DEEP_LATCHES; n++)
		json_object_set_new(latches, deep_latch_name(n), json_pack("{s:I, s:I, s:I, s:I}",
		    states[ENFORCED], (json_int_t)stats->latches[n][ENFORCED],
		    states[PROBATION], (json_int_t)stats->latches[n][PROBATION],
		    states[OBSERVED], (json_int_t)stats->latches[n][OBSERVED],
		    "missing", (json_int_t)stats->contradicted[n]));
	for (i = 0; i < stats->nkind; i++)
		json_object_set_new(log, stats->kind[i].name, json_pack("{s:I, s:I}",
		    "last_day", (json_int_t)stats->kind[i].day,
		    "all", (json_int_t)stats->kind[i].all));
	json_object_set_new(value, "names", names);
	json_object_set_new(value, "limit",
	    json_integer(deep_config_number(stats->admin->config, "store", "entries")));
	json_object_set_new(value, "exempt", json_integer((json_int_t)stats->exempt));
	json_object_set_new(value, "hosts", json_integer((json_int_t)stats->hosts));
	json_object_set_new(value, "mixed", json_integer((json_int_t)stats->mixed));
	json_object_set_new(value, "latches", latches);
	json_object_set_new(value, "log", log);
	json_line(stdout, value);
}

/*
 * Prometheus: the text format of version 0.0.4.
 */
static void
metric(FILE *stream, const char *name, const char *help)
{
	fprintf(stream, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void
write_metrics(const struct stats *stats, int readable, FILE *stream)
{
	unsigned	n;
	size_t		i;
	int		state;

	metric(stream, "deep_store_readable", "1: the store could be read");
	fprintf(stream, "deep_store_readable %d\n", readable);
	metric(stream, "deep_stats_timestamp_seconds", "When this was written");
	fprintf(stream, "deep_stats_timestamp_seconds %" PRId64 "\n", stats->admin->now);
	if (!readable)
		return;
	metric(stream, "deep_store_warning", "1: it could, but deeplatch stats warns of it");
	fprintf(stream, "deep_store_warning %d\n",
	    deep_store_warning(stats->admin->store)[0] != '\0');
	metric(stream, "deep_names", "Names that hold a latch");
	for (i = 0; i < NSERVICE; i++)
		fprintf(stream, "deep_names{service=\"%s\"} %" PRIu64 "\n",
		    deep_service_name((enum deep_service)i), stats->names[i]);
	metric(stream, "deep_names_limit", "Names that are kept at most");
	fprintf(stream, "deep_names_limit %" PRId64 "\n",
	    deep_config_number(stats->admin->config, "store", "entries"));
	metric(stream, "deep_names_exempt", "Names whose latches are not enforced");
	fprintf(stream, "deep_names_exempt %" PRIu64 "\n", stats->exempt);
	metric(stream, "deep_names_mixed", "Names with MX hosts that differ in what they offer");
	fprintf(stream, "deep_names_mixed %" PRIu64 "\n", stats->mixed);
	metric(stream, "deep_hosts", "MX hosts that are known");
	fprintf(stream, "deep_hosts %" PRIu64 "\n", stats->hosts);
	metric(stream, "deep_latches", "Latches that are held, by how they stand");
	for (n = 0; n < DEEP_LATCHES; n++)
		for (state = 0; state < NSTATE; state++)
			fprintf(stream, "deep_latches{latch=\"%s\",state=\"%s\"} %" PRIu64 "\n",
			    deep_latch_name(n), states[state], stats->latches[n][state]);
	metric(stream, "deep_latches_missing", "Latches that were missing when last seen");
	for (n = 0; n < DEEP_LATCHES; n++)
		fprintf(stream, "deep_latches_missing{latch=\"%s\"} %" PRIu64 "\n",
		    deep_latch_name(n), stats->contradicted[n]);
	metric(stream, "deep_events_last_day", "Entries of the log in 24 hours");
	for (i = 0; i < stats->nkind; i++)
		if (strspn(stats->kind[i].name, "abcdefghijklmnopqrstuvwxyz") ==
		    strlen(stats->kind[i].name))
			fprintf(stream, "deep_events_last_day{kind=\"%s\"} %" PRIu64 "\n",
			    stats->kind[i].name, stats->kind[i].day);
}

static void
write_file(const struct stats *stats, int readable, const char *path)
{
	char	aside[4096];
	FILE	*stream = NULL;
	int	file;

	if (snprintf(aside, sizeof(aside), "%s.XXXXXX", path) >= (int)sizeof(aside))
		errx(EX_CANTCREAT, "%s: the path is too long", path);
	if ((file = mkstemp(aside)) == -1)
		err(EX_CANTCREAT, "%s", aside);
	if (fchmod(file, 0644) == 0 && (stream = fdopen(file, "w")) != NULL) {
		write_metrics(stats, readable, stream);
		if (fflush(stream) == 0 && !ferror(stream) && fsync(file) == 0 &&
		    rename(aside, path) == 0) {
			fclose(stream);
			return;
		}
	}
	warn("%s", path);
	if (stream != NULL)
		fclose(stream);
	unlink(aside);
	exit(EX_IOERR);
}

int
run_stats(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "prometheus", required_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 }
	};
	static struct stats		stats;
	const char			*path = NULL;
	int				c, json = 0, readable;

	stats.admin = admin;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			json = 1;
		else if (c == 'p')
			path = optarg;
		else
			bad_option("stats", argv);
	}
	if (optind != argc || (json && path != NULL))
		usage_of("stats");
	if ((admin->store = deep_store_new()) == NULL)
		errx(EX_OSERR, "no memory");
	progress_start(&stats.progress, "names");
	readable = deep_store_open(admin->store, admin->config) == DEEP_YES &&
	    deep_store_each(admin->store, count_record, &stats) != DEEP_FAIL &&
	    deep_store_log_each(admin->store, 0, count_entry, &stats) != DEEP_FAIL;
	progress_end(&stats.progress);
	/* whoever watches the file is told too */
	if (path != NULL)
		write_file(&stats, readable, path);
	if (!readable)
		store_failed(admin);
	store_warns(admin);
	if (json)
		stats_json(&stats);
	else if (path == NULL)
		stats_text(&stats);
	return DONE;
}
