/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * list.c - "deeplatch list": a line for each name, those that all filters let through.
 *
 *	NAME         SERVICE  LATCHES       SINCE       CONFIRMED   STATE
 *	example.org  relay    tls10 tls-pfs 2026-08-01  2026-11-20  enforced
 */
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include <err.h>

#include "admin.h"

struct list {
	struct admin	*admin;
	/* filters */
	deep_latches	 latches;	/* any of these is held */
	int64_t		 age;		/* not confirmed for this long; -1: none */
	int		 mode;		/* a latch that is held has it; -1: none */
	int		 service;	/* -1: each */
	const char	*name;		/* a pattern */
	int		 required, contradicted, probation, exempt;
	/* output */
	int		 json;
	uint64_t	 shown;
	struct progress	 progress;
};

struct summary {
	deep_latches	held, proved, contradicted;
	int64_t		first, confirmed;
};

static void
sum_up(struct summary *sum, const struct deep_record *record, const struct deep_policy *policy)
{
	const struct deep_held	*held;
	unsigned		 n;

	memset(sum, 0, sizeof(*sum));
	sum->held = deep_record_held(record, policy);
	for (n = 0; n < DEEP_LATCHES; n++) {
		held = &record->latch[n];
		if (held->first == 0 || !(sum->held & 1u << n))
			continue;
		if (held->enforced != 0)
			sum->proved |= 1u << n;
		/* seen missing since it was last there */
		if (held->contradicted != 0 && held->contradicted >= held->confirmed)
			sum->contradicted |= 1u << n;
		if (sum->first == 0 || held->first < sum->first)
			sum->first = held->first;
		if (held->confirmed > sum->confirmed)
			sum->confirmed = held->confirmed;
	}
}

static int
has_mode(const struct deep_policy *policy, deep_latches held, int mode)
{
	unsigned	n;

	for (n = 0; n < DEEP_LATCHES; n++)
		if (held & 1u << n && (int)policy->mode[n] == mode)
			return 1;
	return 0;
}

static int
is_wanted(const struct list *list, const struct deep_key *key, const struct deep_record *record,
    const struct deep_policy *policy, const struct summary *sum)
{
	if (list->service >= 0 && (int)key->service != list->service)
		return 0;
	if (list->name != NULL && fnmatch(list->name, key->name, 0) != 0)
		return 0;
	if (list->latches != DEEP_LATCH_NONE && !(list->latches & sum->held))
		return 0;
	if (list->age >= 0 && (sum->confirmed == 0 ||
	    list->admin->now - sum->confirmed < list->age))
		return 0;
	if (list->mode >= 0 && !has_mode(policy, sum->held, list->mode))
		return 0;
	if (list->required && !(deep_policy_required(policy, record, 0) &
	    (list->latches != DEEP_LATCH_NONE ? list->latches : sum->held)))
		return 0;
	if (list->contradicted && sum->contradicted == DEEP_LATCH_NONE)
		return 0;
	if (list->probation && (sum->held & ~sum->proved) == DEEP_LATCH_NONE)
		return 0;
	return !list->exempt || record->exempt != 0 || policy->exempt;
}

static const char *
state_of(const struct deep_record *record, const struct deep_policy *policy,
    const struct summary *sum)
{
	if (record->exempt != 0 || policy->exempt)
		return "exempt";
	if (sum->held == DEEP_LATCH_NONE)
		return "nothing held";
	if (deep_policy_required(policy, record, 0) == DEEP_LATCH_NONE)
		return sum->proved == DEEP_LATCH_NONE ? "on probation" : "not enforced";
	return (sum->held & ~sum->proved) == DEEP_LATCH_NONE ? "enforced" : "enforced in part";
}

static int
list_record(void *data, const struct deep_key *key, const struct deep_record *record)
{
	struct list		*list = data;
	struct deep_policy	 policy;
	struct summary		 sum;
	char			 since[TIME_OCTETS], confirmed[TIME_OCTETS];
	json_t			*value;

	progress_step(&list->progress);
	deep_policy_of(&policy, list->admin->config, key->name);
	sum_up(&sum, record, &policy);
	if (!is_wanted(list, key, record, &policy, &sum))
		return 0;
	progress_end(&list->progress);
	list->shown++;
	if (list->json) {
		if ((value = record_json(key, record)) != NULL) {
			json_object_set_new(value, "held", latches_json(sum.held));
			json_object_set_new(value, "required",
			    latches_json(deep_policy_required(&policy, record, 0)));
			json_object_set_new(value, "contradicted", latches_json(sum.contradicted));
			json_object_set_new(value, "state",
			    json_string(state_of(record, &policy, &sum)));
		}
		json_line(stdout, value);
		return ferror(stdout);
	}
	if (list->shown == 1)
		printf("%-32s %-10s %-10s %-10s %-16s %s\n", "NAME", "SERVICE", "SINCE", "CONFIRMED",
		    "STATE", "LATCHES");
	printf("%-32s %-10s %-10s %-10s %-16s ", key->name, deep_service_name(key->service),
	    say_date(since, sum.first), say_date(confirmed, sum.confirmed),
	    state_of(record, &policy, &sum));
	say_latches(stdout, sum.held, " ", "-");
	if (sum.contradicted != DEEP_LATCH_NONE) {
		fputs("  missing: ", stdout);
		say_latches(stdout, sum.contradicted, " ", "");
	}
	putchar('\n');
	return ferror(stdout);
}

static int
mode_of(const char *text)
{
	int	mode;

	for (mode = DEEP_OFF; mode <= DEEP_ENFORCE; mode++)
		if (strcmp(text, mode_name((enum deep_mode)mode)) == 0)
			return mode;
	errx(EX_USAGE, "\"%s\" is no mode; there are off, observe, warn, enforce", text);
}

static void
read_options(struct list *list, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "latch", required_argument, NULL, 'l' },
		{ "age", required_argument, NULL, 'a' },
		{ "mode", required_argument, NULL, 'm' },
		{ "required", no_argument, NULL, 'r' },
		{ "contradicted", no_argument, NULL, 'c' },
		{ "probation", no_argument, NULL, 'p' },
		{ "exempt", no_argument, NULL, 'e' },
		{ "name", required_argument, NULL, 'n' },
		{ "service", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	int				 c;

	list->age = list->mode = list->service = -1;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			list->latches |= latches_of(optarg);
			break;
		case 'a':
			list->age = age_of(optarg);
			break;
		case 'm':
			list->mode = mode_of(optarg);
			break;
		case 'r':
			list->required = 1;
			break;
		case 'c':
			list->contradicted = 1;
			break;
		case 'p':
			list->probation = 1;
			break;
		case 'e':
			list->exempt = 1;
			break;
		case 'n':
			list->name = optarg;
			break;
		case 's':
			list->service = (int)service_of(optarg);
			break;
		case 'j':
			list->json = 1;
			break;
		default:
			bad_option("list", argv);
		}
	}
	if (optind != argc)
		usage_of("list");
}

int
run_list(struct admin *admin, int argc, char *argv[])
{
	struct list		list;
	enum deep_status	answer;

	memset(&list, 0, sizeof(list));
	list.admin = admin;
	read_options(&list, argc, argv);
	open_store(admin);
	progress_start(&list.progress, "names");
	answer = deep_store_each(admin->store, list_record, &list);
	progress_end(&list.progress);
	if (answer == DEEP_FAIL)
		store_failed(admin);
	return list.shown > 0 ? DONE : NOTHING;
}
