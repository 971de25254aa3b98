/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * lines.c - where the lines of a text begin that do not go on with the line
 * before, and which of them tell something: the empty ones, those that may be a
 * boundary, and those that may begin a field that is read (RFC 5322 2.2,
 * RFC 2046 5.1.1).
 *
 * Input.c goes through each message once, in search of its end, and notes
 * where such lines begin; who reads the message afterwards steps from one to
 * the next of them, and never looks for the end of a line again.  A
 * text that nobody has gone through (a decoded part) is gone through with
 * memchr(3), to the same effect.  What is noted is a hint: a line that begins
 * with the right octet, no more.
 *
 * The notes are of one text at a time, and in static memory: at most
 * NOTED_LINES, what lies behind them is gone through like any other text.
 */
#include <string.h>

#include "analyzer.h"

const unsigned char line_kinds[256] = {
	['\n'] = LINE_EMPTY, ['\r'] = LINE_EMPTY, ['-'] = LINE_DASH, ['F'] = LINE_F,
	['R'] = LINE_R, ['r'] = LINE_R, ['M'] = LINE_M, ['m'] = LINE_M,
	['C'] = LINE_C, ['c'] = LINE_C, [' '] = LINE_ON, ['\t'] = LINE_ON
};

struct lines noted_lines;

static struct {
	const char	*text;		/* NULL: there are no notes */
	const char	*end;		/* of what they cover; a line begins there */
	const char	*base;
	size_t		 here;		/* the note that the last answer came from */
} noted;

void
lines_forget(void)
{
	noted.text = NULL;
	noted_lines.n = 0;
}

void
lines_cover(const char *base, struct deep_str text, size_t covered)
{
	noted.base = base;
	noted.text = text.p;
	noted.end = base + covered;
	if (noted.end > text.p + text.n)
		noted.end = text.p + text.n;
	noted.here = 0;
}

/* The first note that is not before the place. */
static size_t
seek(size_t at)
{
	size_t low = 0, high = noted_lines.n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (noted_lines.note[middle].at < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* As line_next(); *stop is where the next line begins that does not go on with
 * this one, NULL where the notes do not tell. */
static const char *
find(const char *p, const char *end, unsigned kinds, const char **stop)
{
	size_t i, at;

	*stop = NULL;
	if (noted.text != NULL && p >= noted.text && p < noted.end &&
	    (p == noted.text || p[-1] == '\n')) {
		at = (size_t)(p - noted.base);
		i = noted.here;
		if (i > noted_lines.n || (i > 0 && noted_lines.note[i - 1].at >= at))
			i = seek(at);
		while (i < noted_lines.n && noted_lines.note[i].at < at)
			i++;
		while (i < noted_lines.n && !(noted_lines.note[i].kind & kinds))
			i++;
		if (i < noted_lines.n && noted.base + noted_lines.note[i].at < noted.end) {
			noted.here = i;
			p = noted.base + noted_lines.note[i].at;
			if (p < end && i + 1 < noted_lines.n && noted_lines.note[i + 1].at <= (size_t)(end - noted.base))
				*stop = noted.base + noted_lines.note[i + 1].at;
			return p < end ? p : end;
		}
		p = noted.end;
	}
	for (; p < end; p = line_end(p, end)) {
		if (line_kinds[(unsigned char)*p] & kinds)
			return p;
	}
	return end;
}

const char *
line_next(const char *p, const char *end, unsigned kinds)
{
	const char *stop;

	return find(p, end, kinds, &stop);
}

enum deep_status
field_of(struct deep_str *rest, unsigned kinds, struct deep_field *field)
{
	const char *end, *p, *stop;
	enum deep_status answer;

	if (rest->p == NULL)
		return DEEP_NO;
	end = rest->p + rest->n;
	do {
		p = find(rest->p, end, kinds | LINE_EMPTY, &stop);
		if (stop == NULL || line_kinds[(unsigned char)*p] & LINE_EMPTY) {
			rest->n = (size_t)(end - p);
			rest->p = p;
			answer = deep_field_next(rest, field, NULL);
		} else {
			struct deep_str whole = { p, (size_t)(stop - p) };

			rest->n = (size_t)(end - stop);
			rest->p = stop;
			answer = deep_field_read(whole, field, NULL);
		}
	} while (answer == DEEP_BAD);
	return answer;
}
