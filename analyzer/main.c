/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * main.c - deeptrace: options, the loop over messages, and the exit status.
 * The manual is deeptrace(1).
 */
#include <err.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "analyzer.h"
#include "utf8.h"

/* the exit status of a run, besides those of sysexits(3) */
enum { ALL_STRONG, SOME_WEAK, INCOMPLETE, NO_CHAIN };

struct settings {
	const struct output	*output;
	struct trust		 trust;
	deep_latches		 require;
	unsigned		 has_require : 1;
	unsigned		 seen[NO_CHAIN + 1];	/* messages by what they came to */
	unsigned		 failed : 1;		/* an input could not be read */
};

static void
usage(FILE *out)
{
	fputs("usage: deeptrace [-f text|json] [-r latch,...] [-t host,...] [-d file] [file ...]\n"
	    "  -f, --format text|json   what to write (text)\n"
	    "  -r, --require latch,...  what every hop must satisfy, such as tls12,tls-pfs\n"
	    "  -t, --trust host,...     hosts and domains whose Received fields are trusted\n"
	    "  -d, --dialects file      more rows of TLS dialects\n"
	    "  -h, --help               this text\n"
	    "  -V, --version            the version\n"
	    "Files are messages, mboxes or Maildir folders; \"-\" or none is standard input.\n"
	    "Exit status: 0 all hops strong or local, 1 some weak, clear or plain tls,\n"
	    "2 unknown or incomplete, 3 no Received chain, 64 and up errors.\n", out);
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

static void
trust(struct settings *set, char *list)
{
	struct trust *trusted = &set->trust;
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

static int
outcome(const struct settings *set, const struct path *path)
{
	size_t i;
	int worst = path->complete ? ALL_STRONG : INCOMPLETE;

	if (path->nhop == 0)
		return NO_CHAIN;
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];

		if (hop->verdict == VERDICT_LOCAL)
			continue;
		if (set->has_require) {
			if ((hop->latches & set->require) != set->require)
				return SOME_WEAK;
		} else if (hop->verdict == VERDICT_UNKNOWN) {
			worst = INCOMPLETE;
		} else if (hop->verdict != VERDICT_STRONG) {
			return SOME_WEAK;
		}
	}
	return worst;
}

static void
analyse(struct settings *set, const struct message *message, struct dialects *dialects,
    struct arena *arena)
{
	struct analysis a;

	memset(&a, 0, sizeof(a));
	a.source = message;
	a.is_dsn = dsn_read(message->text, arena, &a.dsn) == DEEP_YES;
	if (a.is_dsn) {
		path_read(&a.path, a.dsn.returned, &a.dsn, &set->trust, dialects, arena);
		path_read(&a.way_back, message->text, NULL, &set->trust, dialects, arena);
	} else {
		path_read(&a.path, message->text, NULL, &set->trust, dialects, arena);
	}
	if (message->truncated)
		path_lacks(&a.path, "message-limit");
	a.message_id = a.is_dsn && a.dsn.returned.p == NULL ? a.way_back.message_id :
	    a.path.message_id;
	set->seen[outcome(set, &a.path)]++;
	set->output->show(stdout, &a);
}

static void
run(struct settings *set, const char *path, struct dialects *dialects, struct arena *arena)
{
	struct input *input = input_open(path);
	struct message message;
	enum deep_status answer;
	int none = 1;

	if (input == NULL) {
		set->failed = 1;
		return;
	}
	while ((answer = input_next(input, &message)) != DEEP_NO) {
		none = 0;
		if (answer == DEEP_YES)
			analyse(set, &message, dialects, arena);
		else
			set->failed = 1;
		arena_reset(arena);
	}
	if (none)
		set->seen[NO_CHAIN]++;
	input_close(input);
}

int
main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "require", required_argument, NULL, 'r' },
		{ "trust", required_argument, NULL, 't' },
		{ "dialects", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	static const int by_weight[] = { SOME_WEAK, INCOMPLETE, NO_CHAIN };
	struct settings set;
	struct dialects *dialects = dialects_new();
	struct arena *arena = arena_new();
	const char *no_color;
	locale_t locale;
	int c, status = ALL_STRONG;
	size_t i;

	memset(&set, 0, sizeof(set));
	set.output = &output_text;
	while ((c = getopt_long(argc, argv, "f:r:t:d:hV", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			if ((set.output = output_find(optarg)) == NULL)
				errx(EX_USAGE, "--format: there is text and json, not \"%s\"", visible(optarg));
			break;
		case 'r':
			require(&set, optarg);
			break;
		case 't':
			trust(&set, optarg);
			break;
		case 'd':
			if (dialects_add(dialects, optarg) != 0) {
				status = EX_CONFIG;
				goto done;
			}
			break;
		case 'h':
			usage(stdout);
			goto done;
		case 'V':
			printf("deeptrace %d.%d.%d, TLS registries of %s\n", DEEP_VERSION >> 16,
			    DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff, deep_registry_date());
			goto done;
		default:
			usage(stderr);
			status = EX_USAGE;
			goto done;
		}
	}
	no_color = getenv("NO_COLOR");
	style.colour = isatty(STDOUT_FILENO) && (no_color == NULL || *no_color == '\0');
	/* the process itself stays in the C locale, where vis(3) sees octets */
	if ((locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0)) != (locale_t)0) {
		style.utf8 = strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0;
		freelocale(locale);
	}
	if (optind == argc)
		run(&set, "-", dialects, arena);
	for (; optind < argc; optind++)
		run(&set, argv[optind], dialects, arena);
	for (i = sizeof(by_weight) / sizeof(by_weight[0]); i-- > 0; ) {
		if (set.seen[by_weight[i]] > 0)
			status = by_weight[i];
	}
	if (set.failed)
		status = EX_NOINPUT;
done:
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		status = EX_IOERR;
	}
	dialects_free(dialects);
	arena_free(arena);
	free(set.trust.host);
	return status;
}
