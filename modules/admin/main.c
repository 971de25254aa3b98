/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * main.c - deeplatch(8): which command it is, what it is given, and the exit status.
 *
 * It never makes a store but by "init", and never goes on with one that it could not
 * read.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "admin.h"

const struct command commands[] = {
	{ "init", run_init, "[--owner USER] [--group GROUP]", "make the store" },
	{ "list", run_list, "[--latch ID] [--age TIME] [--mode MODE] [--required] [--contradicted] "
	    "[--probation] [--exempt] [--name PATTERN] [--service SERVICE] [--json]",
	    "what is held, a line for each name" },
	{ "show", run_show, "[--service SERVICE] [--json] DOMAIN", "all that is known of a name" },
	{ "check", run_check, "[--service SERVICE] [--tls WORDS] [--cert] [--dane] [--no-tlsa] "
	    "[--resumed] [--host HOST] [--bypass WHAT] [--json] DOMAIN",
	    "what would be decided for a session, and why" },
	{ "reset", run_reset, "[--service SERVICE] [--keep LATCHES | --only LATCHES | --all] "
	    "[--reason TEXT] [--dry-run] DOMAIN ...", "forget latches, but tls10" },
	{ "exempt", run_exempt, "add | remove [--service SERVICE] [--reason TEXT] DOMAIN ... | "
	    "list [--json]", "names whose latches are not enforced" },
	{ "purge", run_purge, "[--dry-run]", "take out what has expired" },
	{ "export", run_export, "", "all of the store as lines of JSON" },
	{ "import", run_import, "[--format FORMAT] [--probation] [--dry-run] [FILE | FOLDER ...]",
	    "take latches from elsewhere" },
	{ "verify", run_verify, "", "look at every record" },
	{ "stats", run_stats, "[--json | --prometheus FILE]", "how many of what" },
	{ "log", run_log, "[--since TIME] [--kind KIND] [--name PATTERN] [--json]",
	    "refusals, resets and exemptions" },
	{ "expiry", run_expiry, "[--days NUMBER] FILE ...", "when own certificates expire" },
	{ NULL, NULL, NULL, NULL }
};

static void
help(void)
{
	const struct command	*command;

	fputs("usage: deeplatch [-f FILE] COMMAND [OPTION ...] [ARGUMENT ...]\n"
	    "  -f, --config FILE  in place of the system's deep.conf\n"
	    "  -h, --help\n"
	    "  -V, --version\n"
	    "Commands:\n", stdout);
	for (command = commands; command->name != NULL; command++)
		printf("  %-8s %s\n", command->name, command->what);
	fputs("deeplatch COMMAND --help shows the options of one; see deeplatch(8)\n", stdout);
}

void
usage_of(const char *name)
{
	const struct command	*command = commands;

	while (command->name != NULL && strcmp(command->name, name) != 0)
		command++;
	errx(EX_USAGE, "usage: deeplatch [-f FILE] %s %s", name,
	    command->name == NULL ? "" : command->usage);
}

void
bad_option(const char *name, char *argv[])
{
	char	letter[3] = { '-', (char)optopt, '\0' };
	char	*word = optind > 0 ? argv[optind - 1] : letter;

	/* getopt_long(3) has gone past a long option, and not always past a letter */
	if (strncmp(word, "--", 2) != 0)
		word = letter;
	errx(EX_USAGE, "\"%s\" is no option, or lacks what it takes; see deeplatch%s%s --help", word,
	    name[0] == '\0' ? "" : " ", name);
}

void
store_failed(struct admin *admin)
{
	progress_end(&admin->progress);
	errx(EX_UNAVAILABLE, "%s", deep_store_error(admin->store));
}

void
store_warns(const struct admin *admin)
{
	if (deep_store_warning(admin->store)[0] != '\0')
		warnx("warning: %s", deep_store_warning(admin->store));
}

void
say_group(const struct admin *admin, const char *command, const struct deep_key *key)
{
	struct deep_key	group;

	if (deep_key_host(&group, key->service, admin->config, deep_str(key->name)) == DEEP_YES &&
	    strcmp(group.name, key->name) != 0)
		warnx("%s is a host of the group %s, whose latches it has: see deeplatch %s %s",
		    key->name, group.name, command, group.name);
}

/* A smarthost's latches are those of submission, and who asks may not know. */
void
say_services(const struct admin *admin, const char *command, const struct deep_key *key)
{
	static struct deep_record	record;
	struct deep_key			other = *key;
	int				service;

	for (service = DEEP_RELAY; service <= DEEP_INBOUND; service++) {
		other.service = (enum deep_service)service;
		if (other.service != key->service &&
		    deep_store_get(admin->store, &other, &record) == DEEP_YES)
			warnx("it is known for %s: see deeplatch %s --service %s %s",
			    deep_service_name(other.service), command, deep_service_name(other.service),
			    key->name);
	}
}

void
open_store(struct admin *admin)
{
	if ((admin->store = deep_store_new()) == NULL)
		errx(EX_OSERR, "no memory");
	deep_store_watch(admin->store, progress_watch, &admin->progress);
	if (deep_store_open(admin->store, admin->config) != DEEP_YES)
		store_failed(admin);
	store_warns(admin);
}

/* The options before the command; the command's own are left to it. */
static const struct command *
read_options(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "config", required_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const struct command		*command = commands;
	int				 c;

	while ((c = getopt_long(argc, argv, "+f:hV", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			admin->file = optarg;
			break;
		case 'h':
			help();
			return NULL;
		case 'V':
			printf("deeplatch %d.%d.%d\n", DEEP_VERSION >> 16, DEEP_VERSION >> 8 & 0xff,
			    DEEP_VERSION & 0xff);
			return NULL;
		default:
			bad_option("", argv);
		}
	}
	if (optind == argc)
		errx(EX_USAGE, "no command is given; see deeplatch --help");
	while (command->name != NULL && strcmp(command->name, argv[optind]) != 0)
		command++;
	if (command->name == NULL)
		errx(EX_USAGE, "there is no command \"%s\"; see deeplatch --help", argv[optind]);
	return command;
}

static void
read_config(struct admin *admin)
{
	if ((admin->config = deep_config_new()) == NULL)
		errx(EX_OSERR, "no memory");
	switch (deep_config_read(admin->config, admin->file)) {
	case DEEP_YES:
	case DEEP_NO:
		return;
	default:
		errx(EX_CONFIG, "%s", deep_config_error(admin->config));
	}
}

int
main(int argc, char *argv[])
{
	const struct command	*command;
	struct admin		 admin;
	int			 status = DONE, first;

	memset(&admin, 0, sizeof(admin));
	admin.now = time(NULL);
	opterr = 0;			/* bad_option() says it, with the program's name */
	command = read_options(&admin, argc, argv);
	if (command != NULL) {
		first = optind;
		optind = 0;		/* glibc: begin again, with the command as argv[0] */
		if (argc - first > 1 && (strcmp(argv[first + 1], "--help") == 0 ||
		    strcmp(argv[first + 1], "-h") == 0))
			printf("usage: deeplatch [-f FILE] %s %s\n", command->name, command->usage);
		else {
			read_config(&admin);
			status = command->run(&admin, argc - first, argv + first);
		}
	}
	deep_store_free(admin.store);
	deep_config_free(admin.config);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		status = EX_IOERR;
	}
	return status;
}
