/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * input.c - mboxes, single messages and folders, written to a temporary folder
 * and read back: one row a file, then what needs more than a row.
 */
#include <sys/resource.h>
#include <sys/stat.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer.h"
#include "tap.h"

#define ENVELOPE	"From anna@example.org Mon Nov 23 09:39:00 2026\n"
#define A		"Subject: a\n\none\n"
#define B		"Subject: b\n\ntwo\n"

static const struct row {
	const char	*name;
	const char	*text;
	const char	*messages;	/* "|" behind each, no empty line before */
} rows[] = {
	{ "one message", A, A "|" },
	{ "one message with an envelope inside", A "\n" ENVELOPE B, A "\n" ENVELOPE B
	  "|" },
	{ "an mbox of one", ENVELOPE A, A "|" },
	{ "an mbox of two", ENVELOPE A "\n" ENVELOPE B "\n", A "|" B "|" },
	{ "no line end at the end", ENVELOPE A "\n" ENVELOPE "Subject: b\n\ntwo",
	  A "|Subject: b\n\ntwo|" },
	{ "no empty line before it", ENVELOPE A ENVELOPE B, A ENVELOPE B "|" },
	{ "\"From my point of view\"", ENVELOPE A "\nFrom my point of view\n\n"
	  "From May to June\n",
	  A "\nFrom my point of view\n\nFrom May to June\n|" },
	{ "\"From Monday on at 10:30\"", ENVELOPE A "\nFrom Monday on at 10:30 we\n",
	  A "\nFrom Monday on at 10:30 we\n|" },
	{ "a sender that is missing", "From - Mon Nov 23 09:39:00 2026\n" A "\n"
	  "From  Mon Nov 23 09:39 2026\n" B, A "|" B "|" },
	{ "a date as in a header", "From x Mon, 23 Nov 2026 09:39:00 +0000\n" A "\n"
	  "From x Mon, 23 Nov 2026 09:39:00 +0000\n" B, A "|" B "|" },
	{ "no date in the first line", "From -\n" A, A "|" },
	{ ">From before the header", ENVELOPE ">From x Mon Nov 23 09:39:00 2026\n" A, A
	  "|" },
	{ ">From in the body stays", ENVELOPE A "\n>From x Mon Nov 23 09:39:00 2026\n",
	  A "\n>From x Mon Nov 23 09:39:00 2026\n|" },
	{ "CRLF", "From x Mon Nov 23 09:39:00 2026\r\nSubject: a\r\n\r\none\r\n\r\n"
	  "From x Mon Nov 23 09:39:00 2026\r\nSubject: b\r\n\r\ntwo\r\n",
	  "Subject: a\r\n\r\none\r\n|Subject: b\r\n\r\ntwo\r\n|" },
	{ "CR alone", "From x Mon Nov 23 09:39:00 2026\rSubject: a\r\rone\r\r"
	  "From x Mon Nov 23 09:39:00 2026\rSubject: b\r\rtwo\r", A "|" B "|" },
	{ "CR inside a line stays", "Subject: a\rb\n\none\r\n", "Subject: a\rb\n\n"
	  "one\r\n|" },
	{ "Content-Length over an envelope", ENVELOPE "Content-Length: 52\n\none\n\n"
	  ENVELOPE
	  "\n" ENVELOPE B, "Content-Length: 52\n\none\n\n" ENVELOPE "|" B "|" },
	{ "Content-Length to the end", ENVELOPE "Content-Length: 52\n\none\n\n"
	  ENVELOPE,
	  "Content-Length: 52\n\none\n\n" ENVELOPE "|" },
	{ "Content-Length that leads elsewhere", ENVELOPE "Content-Length: 20\n\none\n"
	  "\n" ENVELOPE
	  B, "Content-Length: 20\n\none\n|" B "|" },
	{ "Content-Length beyond the end", ENVELOPE "Content-Length: 99999999\n\none\n"
	  "\n" ENVELOPE
	  B, "Content-Length: 99999999\n\none\n|" B "|" },
	{ "Content-Length that is none", ENVELOPE
	  "Content-Length: 99999999999999999999999\n\n"
	  "one\n\n" ENVELOPE B, "Content-Length: 99999999999999999999999\n\none\n|" B
	  "|" },
	{ "an empty line", "\n", "\n|" },
	{ "empty lines before the header", "\n\r\n\n" B, B "|" },
	{ "a byte order mark", "\xef\xbb\xbf" B, B "|" },
	{ "both", "\xef\xbb\xbf\r\n" B, B "|" },
	{ "a mark in an mbox is text", ENVELOPE "\xef\xbb\xbf" B, "\xef\xbb\xbf" B "|" },
	{ "nothing", "", "" },
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

static char folder[] = "/tmp/deep-input.XXXXXX";

static const char *
path(const char *name)
{
	static char buf[2][256];
	static int i;

	i = !i;
	snprintf(buf[i], sizeof(buf[i]), "%s/%s", folder, name);
	return buf[i];
}

static void
put(const char *name, const char *text, size_t n)
{
	FILE *file = fopen(path(name), "w");

	if (file == NULL || fwrite(text, 1, n, file) != n || fclose(file) != 0)
		plan_skip_all("%s: cannot be written", name);
}

/* All messages, "|" behind each; the empty line that stands before an envelope
 * may be there or not. */
static const char *
get(const char *name)
{
	static char buf[4096];
	struct input *in = input_open(name);
	struct message message;
	size_t n = 0;

	while (in != NULL && input_next(in, &message) == DEEP_YES) {
		if (n + message.text.n + 2 > sizeof(buf))
			return "more than was thought";
		memcpy(buf + n, message.text.p, message.text.n);
		n += message.text.n;
		buf[n++] = '|';
	}
	buf[n] = '\0';
	input_close(in);
	return buf;
}

/* Removes an empty line before each "|". */
static const char *
without_empty_line(const char *text)
{
	static char buf[4096];
	size_t n = 0;

	for (; *text != '\0'; text++) {
		if (*text == '|' && n > 2 && buf[n - 1] == '\n') {
			if (buf[n - 2] == '\n')
				n--;
			else if (buf[n - 2] == '\r' && buf[n - 3] == '\n')
				n -= 2;
		}
		buf[n++] = *text;
	}
	buf[n] = '\0';
	return buf;
}

static void
check_folder(void)
{
	char expected[512];
	struct message message;
	struct input *in;

	mkdir(path("maildir"), 0700);
	mkdir(path("maildir/cur"), 0700);
	mkdir(path("maildir/new"), 0700);
	mkdir(path("maildir/tmp"), 0700);
	put("maildir/cur/2:2,S", B, strlen(B));
	put("maildir/new/1", A, strlen(A));
	put("maildir/tmp/0", "Subject: t\n\n", 12);
	put("maildir/cur/.hidden", "Subject: h\n\n", 12);
	is(get(path("maildir")), A "|" B "|", "a Maildir: new and cur, not tmp");
	in = input_open(path("maildir"));
	input_next(in, &message);
	input_next(in, &message);
	snprintf(expected, sizeof(expected), "%s/maildir/cur/2:2,S", folder);
	is(message.file, expected, "the name of the file in it");
	is_int(message.offset, 0, "and the offset");
	input_close(in);

	mkdir(path("plain"), 0700);
	mkdir(path("plain/c.dir"), 0700);
	put("plain/b.eml", A, strlen(A));
	put("plain/d", ENVELOPE B "\n" ENVELOPE A, strlen(ENVELOPE B "\n" ENVELOPE A));
	put("plain/c.dir/x", "Subject: x\n\n", 12);
	is(without_empty_line(get(path("plain"))), A "|" B "|" A "|",
	    "a folder: its files, not those of folders in it");
	mkdir(path("nothing"), 0700);
	is(get(path("nothing")), "", "a folder without files");
}

static void
check_offsets(void)
{
	struct message message;
	struct input *in;

	put("offsets", ENVELOPE A "\n" ENVELOPE B, strlen(ENVELOPE A "\n" ENVELOPE B));
	in = input_open(path("offsets"));
	is_int(input_next(in, &message), DEEP_YES, "the first");
	is_int(message.offset, 0, "begins at 0");
	is_int(input_next(in, &message), DEEP_YES, "the second");
	is_int(message.offset, strlen(ENVELOPE A "\n"), "begins at its envelope");
	is_int(input_next(in, &message), DEEP_NO, "no third");
	is_int(input_next(in, &message), DEEP_NO, "the end stays");
	input_close(in);
}

static void
check_standard_input(void)
{
	int fd, kept = dup(STDIN_FILENO);

	put("stdin", ENVELOPE A "\n" ENVELOPE B, strlen(ENVELOPE A "\n" ENVELOPE B));
	fd = open(path("stdin"), O_RDONLY);
	dup2(fd, STDIN_FILENO);
	close(fd);
	is(without_empty_line(get("-")), A "|" B "|", "standard input");
	dup2(kept, STDIN_FILENO);
	close(kept);
}

/* An mbox with a small message, one of n octets, and a small one. */
static void
check_size(size_t n, int mbox, int truncated)
{
	char *text = malloc(n);
	FILE *file = fopen(path("large"), "w");
	struct message message;
	struct input *in;
	size_t i;

	for (i = 0; i < n; i += 64)
		memcpy(text + i,
		    "Subject: 3456789012345678901234567890123456789012345678901234"
		    "567\n", n - i < 64 ? n - i : 64);
	text[n - 1] = '\n';
	if (mbox)
		fputs(ENVELOPE A "\n" ENVELOPE, file);
	fwrite(text, 1, n, file);
	if (mbox)
		fputs("\n" ENVELOPE B, file);
	fclose(file);

	in = input_open(path("large"));
	if (mbox)
		input_next(in, &message);
	is_int(input_next(in, &message), DEEP_YES, "%zu octets", n);
	if (message.text.n == n + 1)
		message.text.n--;	/* the empty line behind it */
	is_int(message.text.n, truncated ? MESSAGE_MAX : n, "%zu octets: kept", n);
	is_int(message.truncated, truncated, "%zu octets: truncated", n);
	ok(memcmp(message.text.p, text, message.text.n) == 0,
	    "%zu octets: are the same", n);
	if (mbox) {
		is_int(input_next(in, &message), DEEP_YES, "%zu octets: the next one",
		    n);
		is_str(message.text, B, "%zu octets: the next one is whole", n);
	}
	is_int(input_next(in, &message), DEEP_NO, "%zu octets: the end", n);
	input_close(in);
	free(text);
	unlink(path("large"));
}

/* 40000 messages of growing size, so that each kind of place in the buffer
 * becomes the end of a block. */
static void
check_many(void)
{
	FILE *file = fopen(path("many"), "w");
	struct message message;
	struct input *in;
	long long at = 0;
	int i, j, wrong = 0;

	for (i = 0; i < 40000; i++) {
		fprintf(file, ENVELOPE "Subject: %d\n\n", i);
		for (j = 0; j < i % 97; j++)
			fputc(j % 9 == 8 ? '\n' : 'x', file);
		fputs("\n\n", file);
	}
	fclose(file);
	in = input_open(path("many"));
	for (i = 0; input_next(in, &message) == DEEP_YES; i++) {
		char expected[64];
		int n = snprintf(expected, sizeof(expected), "Subject: %d\n\n", i);

		if (message.text.n < (size_t)n || memcmp(message.text.p, expected,
		    (size_t)n) != 0 || message.offset != at)
			wrong++;
		at += (long long)strlen(ENVELOPE) + n + i % 97 + 2;
	}
	is_int(i, 40000, "many: all messages");
	is_int(wrong, 0, "many: each at its place");
	input_close(in);
	unlink(path("many"));
}

/* Content-Length fields that all point far away must not be expensive. */
static void
check_hostile(void)
{
	FILE *file = fopen(path("hostile"), "w");
	struct message message;
	struct rusage before, after;
	struct input *in;
	int i;

	for (i = 0; i < 200000; i++)
		fputs(ENVELOPE "Content-Length: 15000000\n\nx\n\n", file);
	fclose(file);
	getrusage(RUSAGE_SELF, &before);
	in = input_open(path("hostile"));
	for (i = 0; input_next(in, &message) == DEEP_YES; i++)
		continue;
	getrusage(RUSAGE_SELF, &after);
	input_close(in);
	is_int(i, 200000, "hostile lengths: all messages");
	cmp_ok(after.ru_utime.tv_sec - before.ru_utime.tv_sec, <, 10,
	    "hostile lengths: not quadratic");
	unlink(path("hostile"));
}

int
main(void)
{
	char command[64];
	size_t i;

	if (mkdtemp(folder) == NULL)
		plan_skip_all("no temporary folder");
	for (i = 0; i < NROW; i++) {
		put("row", rows[i].text, strlen(rows[i].text));
		is(without_empty_line(get(path("row"))), rows[i].messages, "%s",
		    rows[i].name);
	}
	put("nul", "Subject: a\0b\n\n\0\n", 16);
	is_int(strlen(get(path("nul"))), 10, "a NUL survives");
	check_folder();
	check_offsets();
	check_standard_input();
	check_many();
	check_hostile();
	check_size(MESSAGE_MAX, 1, 0);
	check_size((size_t)MESSAGE_MAX + 1, 1, 1);
	check_size((size_t)MESSAGE_MAX + 3 * 1024 * 1024 + 17, 1, 1);
	check_size(MESSAGE_MAX, 0, 0);
	check_size((size_t)MESSAGE_MAX + 1, 0, 1);
	ok(input_open(path("is-not-there")) == NULL, "a file that is not there");
	input_close(NULL);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	ok(system(command) == 0, "the temporary folder is gone");
	return done_testing();
}
