/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * show.c - "deeplatch show": all that is known of a name: its latches and since when, its
 * MX hosts and what each lacks, the last refusals, and what waits because of them where a
 * module has left a note of it.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"

#define ENTRIES		5	/* of the log that are shown */

struct show {
	struct admin		*admin;
	struct deep_key		 key;
	struct deep_record	 record;
	struct deep_policy	 policy;
	deep_latches		 held;
	enum deep_status	 answer;	/* of the store: YES, a latch is known */
	int			 json;
	/* the last entries of the log, a ring */
	struct deep_entry	 entry[ENTRIES];
	uint64_t		 nentry;
	uint64_t		 nwaiting;
	json_t			*waiting;
};

static const char *
state_of(const struct show *show, unsigned n)
{
	const struct deep_held	*held = &show->record.latch[n];

	if (!(show->held & 1u << n))
		return "expired";
	if (show->policy.mode[n] != DEEP_ENFORCE)
		return mode_name(show->policy.mode[n]);
	if (deep_policy_required(&show->policy, &show->record, 0) & 1u << n)
		return "enforced";
	return held->enforced != 0 ? "not enforced" : "on probation";
}

static void
show_latches(const struct show *show)
{
	const struct deep_held	*held;
	char			 first[TIME_OCTETS], confirmed[TIME_OCTETS], missing[TIME_OCTETS];
	unsigned		 n;
	size_t			 i;

	if (show->answer == DEEP_YES)
		printf("  %-14s %-13s %-10s %-20s %5s  %-20s %s\n", "LATCH", "STATE", "SINCE",
		    "CONFIRMED", "TIMES", "LAST MISSING", "TIMES");
	for (n = 0; n < DEEP_LATCHES; n++) {
		held = &show->record.latch[n];
		if (held->first == 0)
			continue;
		printf("  %-14s %-13s %-10s %-20s %5u  %-20s %u\n", deep_latch_name(n),
		    state_of(show, n), say_date(first, held->first),
		    say_time(confirmed, held->confirmed), (unsigned)held->confirmations,
		    say_time(missing, held->contradicted), (unsigned)held->contradictions);
	}
	for (i = 0; i < show->record.nother; i++)
		printf("  %-14s %-13s %-10s %-20s\n", show->record.other[i].id, "not known",
		    say_date(first, show->record.other[i].held.first),
		    say_time(confirmed, show->record.other[i].held.confirmed));
}

/* draft 3.2: which name the certificate was right for. */
static void
show_reference(const struct show *show)
{
	if (show->record.cert_by == DEEP_BY_DOMAIN)
		printf("tls-cert by the name itself\n");
	else if (show->record.cert_by == DEEP_BY_HOST)
		printf("tls-cert by the name of the host%s%s\n",
		    show->record.cert_host[0] == '\0' ? "" : " ", show->record.cert_host);
}

static void
show_hosts(const struct show *show)
{
	const struct deep_seen	*host;
	char			 last[TIME_OCTETS];
	deep_latches		 missing;
	size_t			 i;

	if (show->record.nhost > 0)
		printf("hosts\n");
	for (i = 0; i < show->record.nhost; i++) {
		host = &show->record.host[i];
		missing = show->held & ~deep_latches_close(host->satisfied);
		printf("  %-32s last %s, %u session%s", host->name, say_time(last, host->last),
		    (unsigned)host->sessions, host->sessions == 1 ? "" : "s");
		if (missing != DEEP_LATCH_NONE) {
			fputs(", lacks ", stdout);
			say_latches(stdout, missing, " ", "");
		}
		putchar('\n');
	}
}

static int
keep_entry(void *data, const struct deep_entry *entry)
{
	struct show	*show = data;

	if (strcmp(entry->key.name, show->key.name) == 0 &&
	    entry->key.service == show->key.service)
		show->entry[show->nentry++ % ENTRIES] = *entry;
	return 0;
}

static void
show_entries(const struct show *show)
{
	const struct deep_entry	*entry;
	char			 when[TIME_OCTETS];
	uint64_t		 i = show->nentry > ENTRIES ? show->nentry - ENTRIES : 0;

	if (show->nentry > 0)
		printf("log%s\n", show->nentry > ENTRIES ? ", the last of it" : "");
	for (; i < show->nentry; i++) {
		entry = &show->entry[i % ENTRIES];
		printf("  %s %s", say_time(when, entry->time), entry->kind);
		say_entry(stdout, entry);
	}
}

static int
show_waiting(void *data, const char *sub, const char *text)
{
	struct show	*show = data;

	if (show->nwaiting++ == 0 && !show->json)
		printf("waiting\n");
	if (show->json)
		return json_array_append_new(show->waiting,
		    json_pack("{s:o, s:o}", "id", text_json(sub), "text", text_json(text)));
	fputs("  ", stdout);
	say_word(stdout, sub);
	if (text[0] != '\0') {
		putchar(' ');
		say_word(stdout, text);
	}
	putchar('\n');
	return 0;
}

static const char *
exempt_by(const struct show *show)
{
	if (show->policy.exempt && show->record.exempt != 0)
		return "deep.conf, and by hand";
	return show->policy.exempt ? "deep.conf" : "hand";
}

static void
show_text(struct show *show)
{
	char		now[TIME_OCTETS];
	deep_latches	required = deep_policy_required(&show->policy, &show->record, 0);

	printf("%s %s\n", show->key.name, deep_service_name(show->key.service));
	if (show->policy.exempt || show->record.exempt != 0) {
		printf("exempt by %s", exempt_by(show));
		if (show->record.exempt != 0)
			printf(", since %s", say_time(now, show->record.exempt));
		putchar('\n');
	}
	fputs("required ", stdout);
	say_latches(stdout, required, " ", "nothing");
	putchar('\n');
	show_latches(show);
	show_reference(show);
	show_hosts(show);
	show_entries(show);
}

static void
show_json(struct show *show)
{
	json_t	*value = record_json(&show->key, &show->record);

	if (value != NULL) {
		json_object_set_new(value, "held", latches_json(show->held));
		json_object_set_new(value, "required",
		    latches_json(deep_policy_required(&show->policy, &show->record, 0)));
		json_object_set_new(value, "exempt_by_conf", json_boolean(show->policy.exempt));
		json_object_set_new(value, "waiting", show->waiting);
	}
	json_line(stdout, value);
}

int
run_show(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "service", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	static struct show		show;
	enum deep_service		service = DEEP_RELAY;
	int				c;

	show.admin = admin;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			service = service_of(optarg);
		else if (c == 'j')
			show.json = 1;
		else
			bad_option("show", argv);
	}
	if (argc - optind != 1)
		usage_of("show");
	show.key = key_of(service, argv[optind]);
	deep_policy_of(&show.policy, admin->config, show.key.name);
	open_store(admin);
	show.answer = deep_store_hosts(admin->store, &show.key, &show.record);
	if (show.answer == DEEP_FAIL ||
	    deep_store_log_each(admin->store, 0, keep_entry, &show) == DEEP_FAIL)
		store_failed(admin);
	show.held = deep_record_held(&show.record, &show.policy);
	if (show.json && (show.waiting = json_array()) == NULL)
		json_line(stdout, NULL);
	if (show.answer == DEEP_NO && !show.json && !show.policy.exempt && show.record.exempt == 0)
		printf("nothing is known of %s (%s)\n", show.key.name, deep_service_name(service));
	else if (!show.json)
		show_text(&show);
	if (deep_note_each(admin->store, "held", show.key.name, admin->now, show_waiting,
	    &show) == DEEP_FAIL)
		store_failed(admin);
	if (show.json)
		show_json(&show);
	else if (show.answer == DEEP_NO) {
		say_group(admin, "show", &show.key);
		say_services(admin, "show", &show.key);
	}
	return show.answer == DEEP_YES ? DONE : NOTHING;
}
