/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * exempt.c - "deeplatch exempt": names whose latches are recorded and not enforced.
 * What is said here is in the store, with who and why in its log, and holds for each
 * server of the site; the list in deep.conf is of one host and stands until it is edited.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin.h"

struct listing {
	struct admin	*admin;
	int		 json;
	uint64_t	 shown;
};

static int
list_exempt(void *data, const struct deep_key *key, const struct deep_record *record)
{
	struct listing	*list = data;
	char		 since[TIME_OCTETS];

	if (record->exempt == 0)
		return 0;
	list->shown++;
	if (list->json)
		json_line(stdout, json_pack("{s:s, s:s, s:s, s:I}", "name", key->name,
		    "service", deep_service_name(key->service), "by", "hand",
		    "since", (json_int_t)record->exempt));
	else
		printf("%-32s %-10s by hand, since %s\n", key->name, deep_service_name(key->service),
		    say_time(since, record->exempt));
	return ferror(stdout);
}

/* Those of deep.conf, which are of each service. */
static void
list_configured(struct listing *list)
{
	const char	*names = deep_config_text(list->admin->config, "policy", "exempt");
	struct deep_key	 key;
	struct deep_str	 name;

	for (; *names != '\0'; names += name.n + (names[name.n] == ' ')) {
		name.p = names;
		name.n = strcspn(names, " ");
		if (deep_key(&key, DEEP_RELAY, name) != DEEP_YES)
			continue;
		list->shown++;
		if (list->json)
			json_line(stdout, json_pack("{s:s, s:n, s:s}", "name", key.name, "service",
			    "by", "deep.conf"));
		else
			printf("%-32s %-10s by deep.conf\n", key.name, "each");
	}
}

static int
run_list_exempt(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	struct listing			list = { admin, 0, 0 };
	int				c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'j')
			bad_option("exempt", argv);
		list.json = 1;
	}
	if (optind != argc)
		usage_of("exempt");
	open_store(admin);
	list_configured(&list);
	if (deep_store_each(admin->store, list_exempt, &list) == DEEP_FAIL)
		store_failed(admin);
	return list.shown > 0 ? DONE : NOTHING;
}

static int
change(struct admin *admin, const struct deep_key *key, int on, const char *who,
    const char *reason)
{
	struct deep_policy	policy;
	enum deep_status	status;

	say_group(admin, on ? "exempt add" : "exempt remove", key);
	status = deep_store_exempt(admin->store, key, on, who, reason, admin->now);
	progress_end(&admin->progress);
	switch (status) {
	case DEEP_FAIL:
		store_failed(admin);
	case DEEP_NO:
		printf("%s: is %s already\n", key->name, on ? "exempt" : "not exempt");
		return 0;
	default:
		deep_policy_of(&policy, admin->config, key->name);
		printf("%s: %s\n", key->name, on ? "its latches are recorded, and not enforced" :
		    policy.exempt ? "no longer exempt by hand" : "its latches are enforced again");
		return 1;
	}
}

static int
run_change(struct admin *admin, int on, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "service", required_argument, NULL, 's' },
		{ "reason", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 }
	};
	enum deep_service		service = DEEP_RELAY;
	struct deep_key			key;
	struct deep_policy		policy;
	const char			*given = NULL, *reason;
	char				who[NAME_OCTETS], buf[256];
	int				c, i, changed = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			service = service_of(optarg);
		else if (c == 'r')
			given = optarg;
		else
			bad_option("exempt", argv);
	}
	if (optind == argc)
		usage_of("exempt");
	for (i = optind; i < argc; i++)
		(void)key_of(service, argv[i]);
	open_store(admin);
	who_am_i(who);
	reason = reason_of(given, buf, sizeof(buf));
	for (i = optind; i < argc; i++) {
		key = key_of(service, argv[i]);
		changed |= change(admin, &key, on, who, reason);
		deep_policy_of(&policy, admin->config, key.name);
		if (!on && policy.exempt)
			warnx("%s: is still exempt by deep.conf; take it out of [policy] exempt there",
			    key.name);
	}
	return changed ? DONE : NOTHING;
}

int
run_exempt(struct admin *admin, int argc, char *argv[])
{
	if (argc >= 2 && strcmp(argv[1], "list") == 0)
		return run_list_exempt(admin, argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "add") == 0)
		return run_change(admin, 1, argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "remove") == 0)
		return run_change(admin, 0, argc - 1, argv + 1);
	usage_of("exempt");
}
