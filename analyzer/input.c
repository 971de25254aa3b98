/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * input.c - messages out of files, standard input, mboxes (RFC 4155, and the
 * mboxo, mboxrd and mboxcl forms) and folders.
 *
 * A file that begins with "From " is an mbox, any other is one message.  An
 * mbox ends a message at an empty line with a line behind it that begins with
 * "From " and holds a month and a time of day.  A Content-Length is believed
 * where it leads exactly to such a line or to the end of the file, and over
 * others on the way.  A folder with cur and new in it is a Maildir: the files
 * of both, by name, tmp left out; of any other folder all regular files that
 * are not hidden.  Files whose lines end in CR alone are read as if in LF.
 *
 * One buffer holds the message at hand; it grows with the longest message, up
 * to MESSAGE_MAX, and not with the file.
 */
#include <sys/stat.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "analyzer.h"
#include "utf8.h"

#define BLOCK_SIZE	(512 * 1024)

struct input {
	char		*path;		/* as given, or of the file of a folder */
	char		**file;		/* of a folder, sorted */
	size_t		 nfile, next_file;
	unsigned	 is_folder : 1, started : 1, is_mbox : 1, only_cr : 1, at_end :
	    1;
	unsigned	 cut : 1;	/* the rest of a message is to be skipped */
	int		 fd;
	char		*buf;
	size_t		 size, have;	/* octets of room, octets read */
	size_t		 at;		/* where the next message begins */
	int64_t		 base;		/* offset in the file of buf[0] */
};

static int
by_name(const void *a, const void *b)
{
	const char *one = *(char *const *)a, *two = *(char *const *)b;
	const char *one_name = strrchr(one, '/'), *two_name = strrchr(two, '/');
	int order = 0;

	if (one_name != NULL && two_name != NULL)
		order = strcmp(one_name, two_name);
	return order != 0 ? order : strcmp(one, two);
}

static int
list_folder(struct input *in, const char *path, const char *sub)
{
	char folder[4096];
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	if (snprintf(folder, sizeof(folder), "%s%s%s", path, *sub != '\0' ? "/" : "",
	    sub) >=
	    (int)sizeof(folder)) {
		warnx("%s: the name is too long", visible(path));
		return -1;
	}
	if ((dir = opendir(folder)) == NULL) {
		warn("%s", visible(folder));
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char *name;

		if (entry->d_name[0] == '.' || asprintf(&name, "%s/%s", folder,
		    entry->d_name) == -1)
			continue;
		if (stat(name, &st) != 0 || !S_ISREG(st.st_mode)) {
			free(name);
			continue;
		}
		if (in->nfile % 256 == 0) {
			char **larger = reallocarray(in->file, in->nfile + 256,
			    sizeof(*in->file));

			if (larger == NULL)
				err(EX_OSERR, NULL);
			in->file = larger;
		}
		in->file[in->nfile++] = name;
	}
	closedir(dir);
	return 0;
}

static int
is_folder(const char *path, const char *sub)
{
	char folder[4096];
	struct stat st;

	return snprintf(folder, sizeof(folder), "%s/%s", path, sub) < (int)sizeof(folder) &&
	    stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
}

struct input *
input_open(const char *path)
{
	struct input *in = calloc(1, sizeof(*in));
	struct stat st;

	if (in == NULL || (in->path = strdup(strcmp(path, "-") == 0 ? "-" : path)) ==
	    NULL)
		err(EX_OSERR, NULL);
	in->fd = -1;
	if (strcmp(path, "-") == 0) {
		in->fd = STDIN_FILENO;
		return in;
	}
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		in->is_folder = 1;
		if (is_folder(path, "cur") && is_folder(path, "new")) {
			if (list_folder(in, path, "new") != 0 || list_folder(in, path,
			    "cur") != 0)
				goto failed;
		} else if (list_folder(in, path, "") != 0) {
			goto failed;
		}
		if (in->file != NULL)
			qsort(in->file, in->nfile, sizeof(*in->file), by_name);
		return in;
	}
	if ((in->fd = open(path, O_RDONLY | O_CLOEXEC)) == -1) {
		warn("%s", visible(path));
		goto failed;
	}
	return in;
failed:
	input_close(in);
	return NULL;
}

/* Reads one more block behind what is there; 0 at the end, -1 after an error. */
static int
fill(struct input *in)
{
	ssize_t n;
	size_t i;

	if (in->at_end)
		return 0;
	if (in->at > 0) {
		memmove(in->buf, in->buf + in->at, in->have - in->at);
		in->have -= in->at;
		in->base += (int64_t)in->at;
		in->at = 0;
	}
	if (in->size - in->have < BLOCK_SIZE) {
		size_t size = in->size < 2 * BLOCK_SIZE ? 2 * BLOCK_SIZE : in->size * 2;
		char *larger;

		if ((larger = realloc(in->buf, size)) == NULL)
			err(EX_OSERR, "%s", visible(in->path));
		in->buf = larger;
		in->size = size;
	}
	do {
		n = read(in->fd, in->buf + in->have, BLOCK_SIZE);
	} while (n == -1 && errno == EINTR);
	if (n == -1) {
		warn("%s", visible(in->path));
		in->at_end = 1;
		return -1;
	}
	if (n == 0) {
		in->at_end = 1;
		return 0;
	}
	if (!in->started) {
		in->started = 1;
		in->is_mbox = n >= 5 && memcmp(in->buf, "From ", 5) == 0;
		in->only_cr = memchr(in->buf, '\r', (size_t)n) != NULL &&
		    memchr(in->buf, '\n', (size_t)n) == NULL;
	}
	for (i = in->have; in->only_cr && i < in->have + (size_t)n; i++) {
		if (in->buf[i] == '\r')
			in->buf[i] = '\n';
	}
	in->have += (size_t)n;
	return 1;
}

/* Does a "From " line begin at p, as an mbox has it? */
static int
is_envelope(const char *p, const char *end)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	const char *nl = memchr(p, '\n', (size_t)(end - p)), *q;
	int month = 0, i;

	if (nl == NULL)
		nl = end;
	if (nl - p > 300)
		nl = p + 300;
	for (q = p + 5; q + 5 <= nl; q++) {
		for (i = 0; !month && *q == ' ' && i < 12; i++)
			month = memcmp(q + 1, months + i * 3, 3) == 0;
		if (month && q[2] == ':' && q[0] >= '0' && q[0] <= '2' && q[1] >= '0' &&
		    q[1] <= '9' && q[3] >= '0' && q[3] <= '5' && q[4] >= '0' && q[4] <=
		    '9')
			return 1;
	}
	return 0;
}

/* Where a Content-Length leads, from the start of the message's text; 0: nowhere. */
static size_t
announced_end(const char *text, size_t n)
{
	struct deep_str rest = { text, n };
	struct deep_field field;
	long long length = -1;
	size_t i;

	while (deep_field_next(&rest, &field, NULL) != DEEP_NO) {
		if (field.name.n != strlen("Content-Length") ||
		    !deep_is(field.name, "Content-Length") || field.value.n > 9)
			continue;
		length = field.value.n > 0 ? 0 : -1;
		for (i = 0; i < field.value.n && length >= 0; i++)
			length = field.value.p[i] >= '0' && field.value.p[i] <= '9' ?
			    length * 10 + (field.value.p[i] - '0') : -1;
	}
	return length < 0 ? 0 : (size_t)(rest.p - text) + (size_t)length;
}

/* Is a message boundary at this place of the buffer: the end, or an envelope
 * line that at most one line end stands before? */
static int
is_boundary(const struct input *in, size_t at)
{
	const char *end = in->buf + in->have;

	if (at < in->have && in->buf[at] == '\r')
		at++;
	if (at < in->have && in->buf[at] == '\n')
		at++;
	if (at >= in->have)
		return in->at_end && at == in->have;
	return in->have - at >= 5 && memcmp(in->buf + at, "From ", 5) == 0 &&
	    is_envelope(in->buf + at, end);
}

/* The octets up to the "From " line behind the message at in->at, or to the
 * end; as far as the buffer reaches.  from: how many need not be looked at. */
static int
find_boundary(const struct input *in, size_t from, size_t *found)
{
	const char *begin = in->buf + in->at, *end = in->buf + in->have, *p;

	for (p = begin + from; p < end &&
	    (p = memmem(p, (size_t)(end - p), "\nFrom ", 6)) != NULL; p++) {
		/* an empty line before it, and enough behind it to see */
		if (end - p < 300 && !in->at_end)
			return 0;
		if (p > begin && (p[-1] == '\n' || (p[-1] == '\r' && p - begin > 1 &&
		    p[-2] == '\n')) &&
		    is_envelope(p + 1, end)) {
			*found = (size_t)(p + 1 - begin);
			return 1;
		}
	}
	return 0;
}

/* Leaves out what is behind a message that was cut at MESSAGE_MAX. */
static enum deep_status
skip_rest(struct input *in)
{
	size_t end;
	int answer = 1;

	in->cut = 0;
	in->at = in->have > 320 ? in->have - 320 : 0; /* a boundary may begin there */
	for (;;) {
		if (in->is_mbox && find_boundary(in, 0, &end)) {
			in->at += end;
			return DEEP_YES;
		}
		if (answer <= 0) { /* the last octets were looked at, too */
			in->at = in->have;
			return answer == 0 ? DEEP_NO : DEEP_BAD;
		}
		if (in->have - in->at > 320)
			in->at = in->have - 320;
		answer = fill(in);
	}
}

/* The octets of the envelope line at the start of a message, and of ">From "
 * lines that were put between it and the header. */
static size_t
envelope_length(const char *text, size_t n)
{
	const char *p = text, *end = text + n, *nl;

	do {
		nl = memchr(p, '\n', (size_t)(end - p));
		p = nl == NULL ? end : nl + 1;
	} while (end - p > 6 && memcmp(p, ">From ", 6) == 0);
	return (size_t)(p - text);
}

/* The octets of a text without the empty line that an mbox puts behind it. */
static size_t
without_empty_line(const char *text, size_t n)
{
	size_t less = n;

	if (less > 0 && text[less - 1] == '\n')
		less--;
	if (less > 0 && text[less - 1] == '\r')
		less--;
	return less < n && less > 0 && text[less - 1] == '\n' ? less : n;
}

static enum deep_status
next_of_file(struct input *in, struct message *message)
{
	size_t searched = 0, end = 0, skip = 0, stop = 0;
	int found = 0, answer = 1;

	memset(message, 0, sizeof(*message));
	if (in->cut && skip_rest(in) == DEEP_BAD)
		return DEEP_BAD;
	while (!found) {
		size_t here = in->have - in->at;

		if (in->is_mbox && here > searched) {
			found = find_boundary(in, searched, &end);
			searched = here > 320 ? here - 320 : 0;
		}
		/* the envelope behind the longest message has to be seen */
		if (found || answer <= 0 || here > (size_t)MESSAGE_MAX + BLOCK_SIZE)
			break;
		answer = fill(in);
		if (answer < 0)
			return DEEP_BAD;
		if (!in->is_mbox)
			searched = 0;
	}
	if (!found)
		end = in->have - in->at;
	if (end == 0)
		return DEEP_NO;
	message->file = in->path;
	message->offset = in->base + (int64_t)in->at;
	if (in->is_mbox)
		skip = envelope_length(in->buf + in->at, end);
	if (found) {
		size_t announced = announced_end(in->buf + in->at + skip, end - skip);

		/* a "From " line inside a body whose length is told */
		if (announced > 0 && skip + announced > end && skip + announced <
		    MESSAGE_MAX) {
			while (in->have - in->at < skip + announced + 320 && (answer =
			    fill(in)) > 0)
				continue;
			if (answer < 0)
				return DEEP_BAD;
			if (in->at + skip + announced <= in->have &&
			    is_boundary(in, in->at + skip + announced)) {
				stop = end = skip + announced;
				if (in->at + end < in->have && in->buf[in->at + end] ==
				    '\r')
					end++;
				if (in->at + end < in->have && in->buf[in->at + end] ==
				    '\n')
					end++;
			}
		}
	}
	message->text.p = in->buf + in->at + skip;
	if (found && stop == 0)
		stop = skip + without_empty_line(message->text.p, end - skip);
	message->text.n = (found ? stop : end) - skip;
	in->at += end;
	if (message->text.n > MESSAGE_MAX) {
		message->text.n = MESSAGE_MAX;
		message->truncated = 1;
		in->cut = !found;
	}
	return DEEP_YES;
}

static int
open_next_file(struct input *in)
{
	if (in->fd != -1)
		close(in->fd);
	in->fd = -1;
	if (!in->is_folder || in->next_file == in->nfile)
		return 0;
	free(in->path);
	in->path = in->file[in->next_file];
	in->file[in->next_file++] = NULL;
	in->started = in->is_mbox = in->only_cr = in->at_end = in->cut = 0;
	in->have = in->at = 0;
	in->base = 0;
	if ((in->fd = open(in->path, O_RDONLY | O_CLOEXEC)) == -1) {
		warn("%s", visible(in->path));
		return -1;
	}
	return 1;
}

enum deep_status
input_next(struct input *in, struct message *message)
{
	enum deep_status answer;
	int opened;

	for (;;) {
		if (in->fd != -1) {
			answer = next_of_file(in, message);
			if (answer == DEEP_YES)
				return DEEP_YES;
			if (answer == DEEP_BAD) {
				in->at = in->have;
				return DEEP_BAD;
			}
		}
		if ((opened = open_next_file(in)) <= 0)
			return opened == 0 ? DEEP_NO : DEEP_BAD;
	}
}

void
input_close(struct input *in)
{
	if (in == NULL)
		return;
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	while (in->nfile > 0)
		free(in->file[--in->nfile]);
	free(in->file);
	free(in->path);
	free(in->buf);
	free(in);
}
