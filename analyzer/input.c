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
 * What is packed with gzip, xz or Zstandard is undone (stream.c); offsets are of
 * the text then.
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
#include "octets.h"
#include "utf8.h"

#define BLOCK_SIZE	(256 * 1024)
#define TAIL_SIZE	(16 * 1024)	/* of those behind the end of a slice */
#define SLACK		64	/* octets behind what was read that may be looked at */

struct input {
	char		*path;		/* as given, or of the file of a folder */
	char		**file;		/* of a folder, sorted */
	size_t		 nfile, next_file;
	unsigned	 is_folder : 1, started : 1, is_mbox : 1, only_cr : 1, at_end :
	    1;
	unsigned	 cut : 1;	/* the rest of a message is to be skipped */
	unsigned	 broken : 1;	/* a read error is to be answered */
	int		 fd;
	struct stream	*stream;
	uint64_t	 used;		/* octets of files that are closed */
	int64_t		 from, to;	/* messages that begin before or behind are another's */
	char		*buf;
	size_t		 size, have;	/* octets of room, octets read */
	size_t		 at;		/* where the next message begins */
	int64_t		 base;		/* offset in the file of buf[0] */
	/* find_boundary(); octets behind at: of the line at hand, of what was looked
	 * at, and of the lines that are noted */
	size_t		 line, searched, noted;
	unsigned	 begun : 1;	/* the first line was looked at */
	unsigned	 noting : 1, has_length : 1;
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
		in->stream = stream_new(in->fd, in->path);
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
	in->stream = stream_new(in->fd, in->path);
	return in;
failed:
	input_close(in);
	return NULL;
}

/* Reads one more block behind what is there; 0 at the end, or after an error. */
static int
fill(struct input *in)
{
	size_t i, want = BLOCK_SIZE;
	int64_t left;
	ssize_t n;

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

		in->buf = room_grow(in->buf, in->have, size + SLACK);
		in->size = size;
	}
	left = in->to - in->base - (int64_t)in->have;
	if (in->to > 0 && left < BLOCK_SIZE - TAIL_SIZE)	/* to the end of the last message */
		want = left < 0 ? TAIL_SIZE : (size_t)left + TAIL_SIZE;
	n = stream_read(in->stream, in->buf + in->have, want);
	if (n <= 0) {		/* what came before an error is a message, too */
		in->at_end = 1;
		in->broken = n < 0;
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
	memset(in->buf + in->have, 0, SLACK);
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

/* Bit n: octet n is a LF, and not the last octet.  The buffer has SLACK octets of
 * room behind its end. */
static uint64_t
line_ends(const char *p, const char *end)
{
	const unsigned char lf = '\n';
	uint64_t bits;

	bits = octets_four(octets_at(p) == lf, octets_at(p + 16) == lf, octets_at(p + 32) == lf,
	    octets_at(p + 48) == lf);
	return end - p > 64 ? bits : bits & ((UINT64_C(1) << (end - p - 1)) - 1);
}

/* Is the "F" at p, where a line begins, that of an envelope behind an empty line? */
static int
is_next_message(const struct input *in, const char *begin, const char *p)
{
	const char *end = in->buf + in->have;

	return end - p >= 5 && memcmp(p, "From ", 5) == 0 && p - begin > 1 &&
	    (p[-2] == '\n' || (p[-2] == '\r' && p - begin > 2 && p[-3] == '\n')) &&
	    is_envelope(p, end);
}

/*
 * Goes on through the lines of the message at in->at as far as the buffer
 * reaches, notes where they begin (lines.c), and stops at a "From "
 * line behind an empty one.  1: at in->line.  0: not yet.
 */
static int
find_boundary(struct input *in)
{
	const char *begin, *end, *p, *line;
	struct line_note *notes = noted_lines.note;
	size_t n = noted_lines.n;
	unsigned kind, watch = LINE_C | (in->is_mbox ? LINE_F : 0);
	uint64_t ends;
	int found = 0, noting = in->noting;

	if (in->at == in->have)
		return 0;
	begin = in->buf + in->at;
	end = in->buf + in->have;
	if (!in->begun) {
		in->begun = 1;
		if (noting)
			n = line_note(notes, n, 0, line_kinds[(unsigned char)*begin] & ~(unsigned)LINE_ON);
	}
	for (p = begin + in->searched; p < end; p += 64) {
		if (noting && n >= NOTED_LINES) {
			noting = 0;
			in->noting = 0;
			in->noted = notes[n - 1].at;
		}
		for (ends = line_ends(p, end); ends != 0; ends &= ends - 1) {
			line = p + __builtin_ctzll(ends) + 1;
			kind = line_kinds[(unsigned char)*line];
			if (kind & watch) {
				if (end - line < 300 && !in->at_end)
					goto stop;	/* too little to see */
				if (kind == LINE_F && (found = is_next_message(in, begin, line)))
					goto stop;
				if (kind == LINE_C && end - line > 14 && (line[8] | 0x20) == 'l' &&
				    strncasecmp(line, "Content-Length", 14) == 0)
					in->has_length = 1;
			}
			if (noting)
				n = line_note(notes, n, (size_t)(line - begin), kind);
		}
	}
	line = end;
stop:
	/* a line that begins where the buffer ends, or that is too short, is looked at again */
	in->line = (size_t)(line - begin);
	in->searched = in->line - 1;
	if (noting)
		in->noted = found || in->at_end ? in->line : notes[n - 1].at;
	noted_lines.n = n;
	return found;
}

/* Leaves out what is behind a message that was cut at MESSAGE_MAX. */
static void
skip_rest(struct input *in)
{
	int answer = 1;

	in->cut = 0;
	in->noting = 0;
	in->at = in->have > 320 ? in->have - 320 : 0; /* a boundary may begin there */
	for (;;) {
		in->line = in->searched = 0;
		in->begun = 0;
		if (in->is_mbox && find_boundary(in)) {
			in->at += in->line;
			if (in->base + (int64_t)in->at >= in->from)
				return;
			continue;	/* the next one, then */
		}
		if (answer <= 0) { /* the last octets were looked at, too */
			in->at = in->have;
			return;
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

/* Those before the header of a message that went through an editor: a byte order mark,
 * empty lines. */
static size_t
margin_length(const char *text, size_t n)
{
	static const char mark[] = "\xef\xbb\xbf";
	size_t at = n >= strlen(mark) && memcmp(text, mark, strlen(mark)) == 0 ? strlen(mark) : 0;

	while (at < n && (text[at] == '\n' || (text[at] == '\r' && at + 1 < n && text[at + 1] == '\n')))
		at++;
	return at < n ? at : 0;
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
	size_t end, skip, stop = 0;
	int found, answer = 1;

	memset(message, 0, sizeof(*message));
	lines_forget();
	if (in->cut)
		skip_rest(in);
	in->line = in->searched = in->noted = 0;
	in->begun = in->has_length = 0;
	in->noting = 1;
	for (;;) {
		found = find_boundary(in);
		/* the envelope behind the longest message has to be seen */
		if (found || answer <= 0 || in->have - in->at > (size_t)MESSAGE_MAX + BLOCK_SIZE)
			break;
		answer = fill(in);
	}
	end = found ? in->line : in->have - in->at;
	if (end == 0) {
		answer = in->broken;
		in->broken = 0;
		return answer ? DEEP_BAD : DEEP_NO;
	}
	message->file = in->path;
	message->offset = in->base + (int64_t)in->at;
	skip = in->is_mbox ? envelope_length(in->buf + in->at, end) :
	    margin_length(in->buf + in->at, end);
	if (found && in->has_length) {
		size_t announced = announced_end(in->buf + in->at + skip, end - skip);

		/* a "From " line inside a body whose length is told */
		if (announced > 0 && skip + announced > end && skip + announced <
		    MESSAGE_MAX) {
			while (in->have - in->at < skip + announced + 320 && fill(in) > 0)
				continue;
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
	lines_cover(message->text.p - skip, message->text, in->noted);
	return DEEP_YES;
}

static void
close_file(struct input *in)
{
	in->used = input_position(in);
	stream_free(in->stream);
	in->stream = NULL;
	if (in->fd > STDIN_FILENO)
		close(in->fd);
	in->fd = -1;
}

static int
open_next_file(struct input *in)
{
	close_file(in);
	if (!in->is_folder || in->next_file == in->nfile)
		return 0;
	free(in->path);
	in->path = in->file[in->next_file];
	in->file[in->next_file++] = NULL;
	in->started = in->is_mbox = in->only_cr = in->at_end = in->cut = in->broken = 0;
	in->have = in->at = 0;
	in->base = in->from = 0;
	if ((in->fd = open(in->path, O_RDONLY | O_CLOEXEC)) == -1) {
		warn("%s", visible(in->path));
		return -1;
	}
	in->stream = stream_new(in->fd, in->path);
	return 1;
}

int64_t
input_tell(const struct input *in, const char **file)
{
	*file = in->path;
	return in->base + (int64_t)in->at;
}

uint64_t
input_position(const struct input *in)
{
	return in->used + (in->stream == NULL ? 0 : stream_position(in->stream));
}

/* So many octets on: 0, or -1: they are not there. */
static int
go_to(struct input *in, int64_t offset)
{
	char text[4096];
	int64_t left = offset;
	ssize_t n;

	if (!stream_is_packed(in->stream)) {
		if (stream_go_to(in->stream, offset) != 0)
			return -1;
	} else {
		for (; left > 0; left -= n) {
			n = stream_read(in->stream, text, left < (int64_t)sizeof(text) ?
			    (size_t)left : sizeof(text));
			if (n <= 0)
				return -1;
		}
	}
	in->base = offset;
	return 0;
}

size_t
input_find(const struct input *in, const char *file)
{
	size_t i = in->next_file;

	/* the folder itself: none of its files was begun */
	while (strcmp(file, in->path) != 0 && i < in->nfile && by_name(&in->file[i], &file) < 0)
		i++;
	return i;
}

int
input_continue(struct input *in, const char *file, int64_t offset)
{
	if (in->is_folder) {
		in->next_file = input_find(in, file);
		/* a file that has gone meanwhile, read or not, was not the last one */
		if (in->next_file == in->nfile || strcmp(in->file[in->next_file], file) != 0)
			return 0;
		if (open_next_file(in) <= 0)
			return -1;
	}
	return offset > 0 ? go_to(in, offset) : 0;
}

struct input *
input_slice(const char *path, int64_t from, int64_t to, int exact)
{
	struct input *in = input_open(path);

	if (in == NULL)
		return NULL;
	in->to = to;
	if (from == 0)
		return in;
	/* an empty line is two octets, or three, before the envelope */
	in->base = exact ? from : from - 3;
	if (in->stream == NULL || stream_go_to(in->stream, in->base) != 0) {
		warn("%s", visible(path));
		input_close(in);
		return NULL;
	}
	if (!exact) {
		in->started = in->is_mbox = in->cut = 1;
		in->from = from;
		skip_rest(in);
	}
	return in;
}

const char *const *
input_files(const struct input *in, size_t *n)
{
	*n = in->nfile;
	return in->is_folder ? (const char *const *)in->file : NULL;
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
	lines_forget();
	close_file(in);
	while (in->nfile > 0)
		free(in->file[--in->nfile]);
	free(in->file);
	free(in->path);
	room_free(in->buf);
	free(in);
}
