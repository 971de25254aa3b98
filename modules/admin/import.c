/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * import.c - "deeplatch import": takes latches from an export, from a chasquid or from a
 * Postfix.  What is known already is joined with it, and nothing of either is lost.
 *
 * A fault ends it: the line is named, and what was taken before stays, which does no harm
 * when the file is taken again.
 */
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin.h"

#define LINE_OCTETS	(256 * 1024)	/* of one line: a record with all its hosts is less */
#define SMALL_FILE	65536		/* of one file of a folder: one domain */

static const struct format {
	const char	*name;
	int		(*line)(struct import *, const char *, size_t);	/* of a file; or ... */
	int		(*whole)(struct import *, const char *, size_t); /* of a folder's files */
} formats[] = {
	{ "json", read_json_line, NULL },
	{ "postfix", read_postfix_line, NULL },
	{ "chasquid", NULL, read_chasquid_file },
	{ NULL, NULL, NULL }
};

static void
complain(const struct import *import, const char *what, const char *format, va_list arguments)
{
	char	text[512];

	vsnprintf(text, sizeof(text), format, arguments);
	fprintf(stderr, "%s: ", getprogname());
	say_word(stderr, import->file);
	if (import->line != 0)
		fprintf(stderr, ":%u", import->line);
	fprintf(stderr, ": %s", what);
	say_word(stderr, text);
	putc('\n', stderr);
}

void
import_bad(struct import *import, const char *format, ...)
{
	va_list	arguments;

	progress_end(&import->progress);
	va_start(arguments, format);
	complain(import, "", format, arguments);
	va_end(arguments);
	import->failed = 1;
}

void
import_note(struct import *import, const char *format, ...)
{
	va_list	arguments;

	progress_end(&import->progress);
	va_start(arguments, format);
	complain(import, "passed over: ", format, arguments);
	va_end(arguments);
	import->passed_over++;
}

int
import_take(struct import *import, const struct deep_key *key, const struct deep_record *record)
{
	enum deep_status	answer = DEEP_YES;

	if (!import->dry_run)
		answer = deep_store_put(import->admin->store, key, record, import->admin->now);
	progress_end(&import->admin->progress);
	if (answer == DEEP_FAIL) {
		progress_end(&import->progress);
		warnx("%s", deep_store_error(import->admin->store));
		import->failed = EX_UNAVAILABLE;
		return 0;
	}
	if (answer == DEEP_LIMIT) {
		import_bad(import, "the store is full; raise [store] entries in deep.conf");
		return 0;
	}
	import->taken++;
	progress_step(&import->progress);
	return 1;
}

/*
 * What was enforced elsewhere is enforced here from now on; on probation it begins where
 * that is asked for.
 */
int
import_latches(struct import *import, enum deep_service service, struct deep_str name,
    int is_host, deep_latches set)
{
	const int64_t		 now = import->admin->now;
	struct deep_record	 record;
	struct deep_key		 key;
	unsigned		 n;

	if ((is_host ? deep_key_host(&key, service, import->admin->config, name) :
	    deep_key(&key, service, name)) != DEEP_YES) {
		import_note(import, "\"%.*s\" is no domain", (int)(name.n < 255 ? name.n : 255), name.p);
		return 1;
	}
	memset(&record, 0, sizeof(record));
	set = deep_latches_close(set);
	for (n = 0; n < DEEP_LATCHES; n++) {
		if (!(set & 1u << n))
			continue;
		record.latch[n].first = record.latch[n].confirmed = record.latch[n].window = now;
		record.latch[n].confirmations = record.latch[n].in_window = 1;
		record.latch[n].enforced = import->probation ? 0 : now;
	}
	return import_take(import, &key, &record);
}

static void
import_lines(struct import *import, const struct format *format, FILE *stream)
{
	char	*line = malloc(LINE_OCTETS + 2);
	size_t	 n;
	int	 go_on = 1;

	if (line == NULL)
		errx(EX_OSERR, "no memory");
	while (go_on && fgets(line, LINE_OCTETS + 2, stream) != NULL) {
		import->line++;
		n = strlen(line);
		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		else if (!feof(stream)) {
			import_bad(import, n > LINE_OCTETS ? "a line of more than %d octets; it is no "
			    "such file" : "a NUL octet; it is no such file (of %d octets a line)",
			    LINE_OCTETS);
			break;
		}
		go_on = format->line(import, line, n);
	}
	if (ferror(stream)) {
		import->line = 0;
		import_bad(import, "cannot be read: %s", strerror(errno));
	} else if (import->line == 0 && format->line == read_json_line)
		import_bad(import, "empty, and an export never is; the program that wrote it failed");
	free(line);
}

static int
import_small(struct import *import, const struct format *format, const char *path)
{
	static char	text[SMALL_FILE + 1];
	FILE		*stream = fopen(path, "re");
	size_t		 n = 0;
	int		 go_on = 0;

	import->file = path;
	if (stream == NULL) {
		import_bad(import, "%s", strerror(errno));
		return 0;
	}
	n = fread(text, 1, sizeof(text), stream);
	if (ferror(stream))
		import_bad(import, "cannot be read: %s", strerror(errno));
	else if (n > SMALL_FILE)
		import_bad(import, "more than %d octets; it is no such file", SMALL_FILE);
	else
		go_on = format->whole(import, text, n);
	fclose(stream);
	return go_on;
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
import_folder(struct import *import, const struct format *format, const char *folder)
{
	struct dirent	**entry;
	char		 path[4096];
	int		 n = scandir(folder, &entry, is_visible, alphasort), i, go_on = 1;

	if (n == -1) {
		import_bad(import, "%s", strerror(errno));
		return;
	}
	for (i = 0; i < n; i++) {
		if (go_on && snprintf(path, sizeof(path), "%s/%s", folder, entry[i]->d_name) <
		    (int)sizeof(path))
			go_on = import_small(import, format, path);
		free(entry[i]);
	}
	free(entry);
	import->file = folder;
}

static void
import_path(struct import *import, const struct format *format, const char *path)
{
	struct stat	 status;
	FILE		*stream;

	import->file = path;
	import->line = 0;
	if (strcmp(path, "-") == 0) {
		import->file = "standard input";
		if (format->line == NULL)
			import_bad(import, "this format is of a folder; give its path");
		else
			import_lines(import, format, stdin);
		return;
	}
	if ((stream = fopen(path, "re")) == NULL || fstat(fileno(stream), &status) == -1) {
		/* no err(3): what the files before it had is not committed yet */
		import_bad(import, "%s", strerror(errno));
		import->failed = EX_NOINPUT;
		if (stream != NULL)
			fclose(stream);
		return;
	}
	if (S_ISDIR(status.st_mode) != (format->whole != NULL))
		import_bad(import, format->whole != NULL ?
		    "a file, but this format is of a folder of chasquid" :
		    "a folder, but this format is of a file; for chasquid's say --format chasquid");
	else if (format->whole != NULL)
		import_folder(import, format, path);
	else
		import_lines(import, format, stream);
	fclose(stream);
}

static const struct format *
find_format(const char *name)
{
	const struct format	*format = formats;

	while (format->name != NULL && strcmp(format->name, name) != 0)
		format++;
	if (format->name == NULL)
		errx(EX_USAGE, "\"%s\" is no format; there are json, postfix, chasquid", name);
	return format;
}

static int
finish(struct import *import)
{
	progress_end(&import->progress);
	/* The names of a moment before the store failed went with it: how many is not known. */
	if (import->failed == EX_UNAVAILABLE) {
		(void)deep_store_bulk(import->admin->store, 0);
		return EX_UNAVAILABLE;
	}
	if (!import->dry_run && deep_store_bulk(import->admin->store, 0) == DEEP_FAIL)
		store_failed(import->admin);
	printf("%s %" PRIu64 " %s", import->dry_run ? "would take" : "took", import->taken,
	    import->taken == 1 ? "name" : "names");
	if (import->passed_over > 0)
		printf(", passed over %" PRIu64, import->passed_over);
	putchar('\n');
	if (import->failed == 0)
		return DONE;
	return import->failed == 1 ? EX_DATAERR : import->failed;
}

int
run_import(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "format", required_argument, NULL, 'F' },
		{ "probation", no_argument, NULL, 'p' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	const struct format		*format = &formats[0];
	struct import			 import;
	int				 c;

	memset(&import, 0, sizeof(import));
	import.admin = admin;
	while ((c = getopt_long(argc, argv, "n", options, NULL)) != -1) {
		if (c == 'F')
			format = find_format(optarg);
		else if (c == 'p')
			import.probation = 1;
		else if (c == 'n')
			import.dry_run = 1;
		else
			bad_option("import", argv);
	}
	open_store(admin);
	progress_start(&import.progress, "names");
	if (!import.dry_run && deep_store_bulk(admin->store, 1) == DEEP_FAIL)
		store_failed(admin);
	if (optind == argc)
		import_path(&import, format, "-");
	for (; optind < argc && !import.failed; optind++)
		import_path(&import, format, argv[optind]);
	return finish(&import);
}
