/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * reset.c - "deeplatch reset": forgets latches of a name, by hand, with a reason that
 * is logged.  As the draft asks (3.3), it keeps one by default: tls10.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin.h"

struct reset {
	struct admin		*admin;
	enum deep_service	 service;
	int			 by;		/* 'k', 'o', 'a'; 0: the default */
	deep_latches		 latches;	/* of --keep or --only */
	int			 dry_run;
	char			 who[NAME_OCTETS];
	const char		*reason;
	int			 done;
};

static void
say_forgotten(struct reset *reset, const struct deep_key *key, deep_latches forgotten,
    deep_latches left)
{
	progress_end(&reset->admin->progress);
	printf("%s: %s ", key->name, reset->dry_run ? "would forget" : "forgot");
	say_latches(stdout, forgotten, " ", "nothing");
	fputs(", keeps ", stdout);
	say_latches(stdout, left, " ", "nothing");
	putchar('\n');
}

/* Notes of hosts that a module leaves out for a while, by kind; the key is the name. */
static const char *const left_out[] = { "failed", "exim-bad" };

static void
drop_failed(const struct reset *reset, const struct deep_key *key)
{
	size_t	i;

	for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++)
		if (deep_note_drop(reset->admin->store, left_out[i], key->name, NULL) == DEEP_FAIL)
			store_failed(reset->admin);
}

static void
reset_name(struct reset *reset, const char *domain)
{
	static struct deep_record	record;
	struct deep_key			key = key_of(reset->service, domain);
	deep_latches			held, keep, forgotten = DEEP_LATCH_NONE;
	enum deep_status		answer;

	answer = deep_store_get(reset->admin->store, &key, &record);
	/* a damaged record is reset too, and with all of it forgotten */
	if (answer == DEEP_FAIL && reset->by != 'a')
		errx(EX_UNAVAILABLE, "%s; \"deeplatch reset --all\" forgets a record that cannot be "
		    "read", deep_store_error(reset->admin->store));
	if (answer == DEEP_NO) {
		printf("nothing is known of %s (%s)\n", key.name, deep_service_name(key.service));
		say_group(reset->admin, "reset", &key);
		say_services(reset->admin, "reset", &key);
		if (!reset->dry_run)
			drop_failed(reset, &key);
		return;
	}
	held = answer == DEEP_FAIL ? DEEP_LATCH_ALL : deep_record_held(&record, NULL);
	keep = reset->by == 'k' ? reset->latches : reset->by == 'o' ? held & ~reset->latches :
	    reset->by == 'a' ? DEEP_LATCH_NONE : DEEP_LATCH_TLS10;
	keep = deep_latches_close(keep);
	forgotten = held & ~keep;
	if (reset->by == 'o' && (reset->latches & held & keep) != DEEP_LATCH_NONE) {
		fprintf(stderr, "%s: %s: ", getprogname(), key.name);
		say_latches(stderr, reset->latches & held & keep, " ", "");
		fputs(" is implied by a latch that would be kept\n", stderr);
	}
	if (!reset->dry_run) {
		answer = deep_store_reset(reset->admin->store, &key, keep, reset->who,
		    reset->reason, reset->admin->now, &forgotten);
		if (answer == DEEP_FAIL)
			store_failed(reset->admin);
		drop_failed(reset, &key);
	}
	say_forgotten(reset, &key, forgotten, held & keep);
	if (forgotten != DEEP_LATCH_NONE)
		reset->done = 1;
}

/* The queue does not know of it. */
static void
say_next(void)
{
	fputs("What waits in a queue goes at its next try.  To try now:\n"
	    "  Exim       exim -qf            all of it, or exim -M ID for one message: a\n"
	    "                                 plain -q waits for the time in the retry database\n"
	    "  OpenSMTPD  smtpctl schedule all\n", stdout);
}

static void
read_options(struct reset *reset, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "service", required_argument, NULL, 's' },
		{ "keep", required_argument, NULL, 'k' },
		{ "only", required_argument, NULL, 'o' },
		{ "all", no_argument, NULL, 'a' },
		{ "reason", required_argument, NULL, 'r' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	int				 c;

	while ((c = getopt_long(argc, argv, "n", options, NULL)) != -1) {
		switch (c) {
		case 's':
			reset->service = service_of(optarg);
			break;
		case 'k':
		case 'o':
		case 'a':
			if (reset->by != 0)
				errx(EX_USAGE, "give one of --keep, --only and --all");
			reset->by = c;
			if (c != 'a')
				reset->latches = latches_of(optarg);
			break;
		case 'r':
			reset->reason = optarg;
			break;
		case 'n':
			reset->dry_run = 1;
			break;
		default:
			bad_option("reset", argv);
		}
	}
	if (optind == argc)
		usage_of("reset");
}

int
run_reset(struct admin *admin, int argc, char *argv[])
{
	struct reset	reset;
	char		reason[256];
	int		i;

	memset(&reset, 0, sizeof(reset));
	reset.admin = admin;
	reset.service = DEEP_RELAY;
	read_options(&reset, argc, argv);
	for (i = optind; i < argc; i++)		/* all are right before one is reset */
		(void)key_of(reset.service, argv[i]);
	open_store(admin);
	if (!reset.dry_run) {
		who_am_i(reset.who);
		reset.reason = reason_of(reset.reason, reason, sizeof(reason));
	}
	for (i = optind; i < argc; i++)
		reset_name(&reset, argv[i]);
	if (reset.done && !reset.dry_run)
		say_next();
	return reset.done ? DONE : NOTHING;
}
