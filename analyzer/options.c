/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * options.c - the command line of deeptrace(1), and how its outputs look.
 */
#include <sys/ioctl.h>

#include <err.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "option.h"
#include "scale.h"
#include "stats.h"
#include "summary.h"
#include "utf8.h"

#define COLUMNS_MAX	10000		/* of a terminal */

/* options that have no letter */
enum { UNORDERED = 256, PROGRESS, NO_PROGRESS, RESUME, SUMMARY, STATS };

void
usage(FILE *out)
{
	fputs("usage: deeptrace [-f form] [-q] [-r latch,...] [-t host,...] [-d file]\n"
	    "                 [-a name] [-m] [-S folder] [file ...]\n"
	    "  -f, --format form        text, html, json, csv, dot or mermaid (text)\n"
	    "  -q, --quiet              the verdict alone\n"
	    "  -r, --require latch,...  what every hop must satisfy, such as tls12,tls-pfs\n"
	    "  -t, --trust host,...     hosts and domains whose Received fields are trusted\n"
	    "  -d, --dialects file      more rows of TLS dialects\n"
	    "  -j, --jobs n             so many processes; --unordered: as they come\n"
	    "      --summary json       counts instead of messages; deeptrace merge file ...\n"
	    "      --stats dialects     how well the rows fit what is read\n"
	    "      --resume file        go on where an interrupted run stopped\n"
	    "      --progress, --no-progress  [where standard error is a terminal]\n"
	    "  -a, --authserv-id name   show what this server of yours found about DKIM, SPF, ARC\n"
	    "  -m, --mine               say of each report whether a probe of yours asked for it\n"
	    "  -S, --state folder       where the key and the probes are\n"
	    "  -h, --help               this text\n"
	    "  -V, --version            the version\n"
	    "Files are messages, mboxes or Maildir folders; \"-\" or none is standard input.\n"
	    "Exit status: 0 all hops strong or local, 1 some weak, clear or plain tls,\n"
	    "2 unknown or incomplete, 3 no Received chain, 64 and up errors.\n", out);
}

void
wrong_option(const char *command, char *argv[])
{
	char letter[3];

	errx(EX_USAGE, "\"%s\" is no option, or lacks what it takes; see deeptrace%s --help",
	    visible(deep_wrong_word(argv, letter)), command);
}

static void
require(struct settings *set, char *list)
{
	char *name;

	while ((name = strsep(&list, ", ")) != NULL) {
		deep_latches latch = deep_latch_find(deep_str(name));

		if (*name == '\0')
			continue;
		if (latch == DEEP_LATCH_NONE)
			errx(EX_USAGE, "--require: \"%s\" is no latch; there are tls10, tls11, tls12, "
			    "tls-nomd5, tls-norc4, tls-pfs", visible(name));
		if (latch & (DEEP_LATCH_CERT | DEEP_LATCH_DANE))
			errx(EX_USAGE, "--require: no Received field tells whether the server's "
			    "certificate was verified, so %s can never be shown", name);
		set->require |= latch;
		set->has_require = 1;
	}
	set->require = deep_latches_close(set->require);
}

void
trust_add(struct trust *trusted, char *list)
{
	char *name;

	while ((name = strsep(&list, ", ")) != NULL) {
		if (*name == '\0')
			continue;
		trusted->host = reallocarray(trusted->host, trusted->nhost + 1,
		    sizeof(*trusted->host));
		if (trusted->host == NULL)
			err(EX_OSERR, NULL);
		if (deep_domain_key(trusted->host[trusted->nhost], sizeof(*trusted->host),
		    deep_str(name)) < 0)
			errx(EX_USAGE, "--trust: \"%s\" is no host name", visible(name));
		trusted->nhost++;
	}
}

void
style_find(void)
{
	const char *no_color = getenv("NO_COLOR"), *columns = getenv("COLUMNS"), *error = "unset";
	struct winsize size;
	locale_t locale;

	style.colour = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
	if (columns != NULL)
		style.columns = (unsigned)strtonum(columns, 1, COLUMNS_MAX, &error);
	if (error != NULL && isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		style.columns = size.ws_col;
	/* the process itself stays in the C locale, where vis(3) sees octets */
	if ((locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0)) != (locale_t)0) {
		style.utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
		freelocale(locale);
	}
}

/* The options that say how much is done at once, and in what order. */
static int
scale_option(struct settings *set, int c, const char *value)
{
	const char *error;

	switch (c) {
	case 'j':
		set->jobs = (int)strtonum(value, 1, JOBS_MAX, &error);
		if (error != NULL)
			errx(EX_USAGE, "--jobs: \"%s\" is %s; 1 to %d", visible(value), error, JOBS_MAX);
		return 1;
	case UNORDERED:
		set->unordered = 1;
		return 1;
	case PROGRESS:
	case NO_PROGRESS:
		set->progress = c == PROGRESS;
		return 1;
	case RESUME:
		set->resume = value;
		return 1;
	case SUMMARY:
		if (strcmp(value, "json") != 0)
			errx(EX_USAGE, "--summary: there is json, not \"%s\"", visible(value));
		if (set->summary == NULL)
			set->summary = summary_new();
		return 1;
	case STATS:
		if (strcmp(value, "dialects") != 0)
			errx(EX_USAGE, "--stats: there is dialects, not \"%s\"", visible(value));
		if (set->stats == NULL)
			set->stats = stats_new();
		return 1;
	default:
		return 0;
	}
}

/* What does not go together. */
static void
scale_check(struct settings *set)
{
	int each = set->output->end == NULL && set->summary == NULL && set->stats == NULL;

	if (set->summary != NULL && set->stats != NULL)
		errx(EX_USAGE, "--summary and --stats: one of them");
	if (set->resume != NULL && set->unordered)
		errx(EX_USAGE, "--resume needs the output in order, without --unordered");
	if (set->resume != NULL && !each && set->summary == NULL)
		errx(EX_USAGE, "--resume: --format text, json or csv, -q, or --summary");
	if (!each && set->summary == NULL && set->stats == NULL)
		set->jobs = 1;		/* these make one document of all messages */
}

int
options_read(struct settings *set, int argc, char *argv[])
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "require", required_argument, NULL, 'r' },
		{ "trust", required_argument, NULL, 't' },
		{ "dialects", required_argument, NULL, 'd' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "unordered", no_argument, NULL, UNORDERED },
		{ "progress", no_argument, NULL, PROGRESS },
		{ "no-progress", no_argument, NULL, NO_PROGRESS },
		{ "resume", required_argument, NULL, RESUME },
		{ "summary", required_argument, NULL, SUMMARY },
		{ "stats", required_argument, NULL, STATS },
		{ "authserv-id", required_argument, NULL, 'a' },
		{ "mine", no_argument, NULL, 'm' },
		{ "state", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	const char *folder = NULL;
	int c, mine = 0;

	set->output = &output_text;
	set->progress = -1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "f:qr:t:d:j:a:mS:hV", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			if ((set->output = output_find(optarg)) == NULL)
				errx(EX_USAGE, "--format: there is %s, not \"%s\"", output_names(),
				    visible(optarg));
			break;
		case 'q':
			set->output = &output_quiet;
			break;
		case 'r':
			require(set, optarg);
			break;
		case 't':
			trust_add(&set->trust, optarg);
			break;
		case 'd':
			if (dialects_add(set->dialects, optarg) != 0)
				return EX_CONFIG;
			break;
		case 'a':
			set->authserv = optarg;
			break;
		case 'm':
			mine = 1;
			break;
		case 'S':
			folder = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			printf("deeptrace %d.%d.%d, TLS registries of %s\n", DEEP_VERSION >> 16,
			    DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff, deep_registry_date());
			return 0;
		default:
			if (scale_option(set, c, optarg))
				break;
			wrong_option("", argv);
		}
	}
	scale_check(set);
	if (mine && (set->state = state_open(folder, 0)) == NULL)
		return EX_CONFIG;
	style_find();
	return GO_ON;
}
