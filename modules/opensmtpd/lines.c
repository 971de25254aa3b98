/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * lines.c - lines from smtpd and to it (smtpd-filters(7), smtpd-tables(7)):
 * fields apart by "|", a line ends with LF.
 *
 * A line may hold any octets, NUL too.  One that is longer than what is held
 * is given in parts, so that mail of any shape passes; nothing is dropped, and
 * nothing grows without bound.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "option.h"
#include "osmtpd.h"

#define READ_SIZE	65536	/* octets: what a read(2) is given room for */
#define OUTLET_KEPT	(4 * OSMTPD_OUT_FULL)	/* octets of room that an outlet keeps */

int
text_add(struct text *text, const char *p, size_t n)
{
	size_t	room;
	char	*new;

	if (n > text->room - text->n) {
		room = text->room > 0 ? text->room : 4096;
		while (room - text->n < n) {
			if (room > (size_t)-1 / 2)
				return -1;
			room *= 2;
		}
		if ((new = realloc(text->p, room)) == NULL)
			return -1;
		text->p = new;
		text->room = room;
	}
	if (n > 0)
		memcpy(text->p + text->n, p, n);
	text->n += n;
	return 0;
}

void
text_free(struct text *text)
{
	free(text->p);
	memset(text, 0, sizeof(*text));
}

/* Gives all whole lines, and parts of one that is too long. */
static void
give(struct intake *intake, intake_line *line, void *context)
{
	struct text	*text = &intake->text;
	struct deep_str	 here;
	const char	*nl;

	while (intake->at < text->n) {
		here.p = text->p + intake->at;
		nl = memchr(here.p, '\n', text->n - intake->at);
		if (nl == NULL) {
			here.n = text->n - intake->at;
			if (here.n < OSMTPD_LINE_MAX)
				break;
			line(context, here, !intake->long_line, 0);
			intake->long_line = 1;
			intake->at = text->n;
			break;
		}
		here.n = (size_t)(nl - here.p);
		intake->at += here.n + 1;
		line(context, here, !intake->long_line, 1);
		intake->long_line = 0;
	}
	if (intake->at == text->n) {
		intake->at = text->n = 0;
	} else if (intake->at > 0) {
		memmove(text->p, text->p + intake->at, text->n - intake->at);
		text->n -= intake->at;
		intake->at = 0;
	}
}

int
intake_give(struct intake *intake, const char *p, size_t n, intake_line *line,
    void *context)
{
	if (text_add(&intake->text, p, n) == -1)
		return -1;
	give(intake, line, context);
	return 1;
}

int
intake_read(struct intake *intake, int fd, intake_line *line, void *context)
{
	struct text	*text = &intake->text;
	size_t		 kept = text->n;
	ssize_t		 n;

	/* room without a copy: what is added is read over */
	if (text->room - text->n < READ_SIZE) {
		size_t	 room = text->n + 2 * (size_t)READ_SIZE;
		char	*new = realloc(text->p, room);

		if (new == NULL) {
			sleep(1);	/* what does not fit now is there later */
			return 1;
		}
		text->p = new;
		text->room = room;
	}
	n = read(fd, text->p + kept, text->room - kept);
	if (n == 0)
		return 0;
	if (n == -1)
		return errno == EAGAIN || errno == EINTR || errno == ENOMEM ? 1 : -1;
	text->n += (size_t)n;
	give(intake, line, context);
	return 1;
}

size_t
outlet_waiting(const struct outlet *outlet)
{
	return outlet->text.n - outlet->at;
}

int
outlet_flush(struct outlet *outlet)
{
	struct text	*text = &outlet->text;
	ssize_t		 n;

	while (outlet->at < text->n) {
		n = write(outlet->fd, text->p + outlet->at, text->n - outlet->at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN ? 0 : -1;
		outlet->at += (size_t)n;
	}
	outlet->at = text->n = 0;
	if (text->room > OUTLET_KEPT)
		text_free(text);
	return 0;
}

void
outlet_add(struct outlet *outlet, const char *p, size_t n)
{
	struct text	*text = &outlet->text;
	struct pollfd	 ready = { outlet->fd, POLLOUT, 0 };

	/* room in front of what waits, before room behind it */
	if (outlet->at > 0 && n > text->room - text->n) {
		memmove(text->p, text->p + outlet->at, text->n - outlet->at);
		text->n -= outlet->at;
		outlet->at = 0;
	}
	while (text_add(text, p, n) == -1) {
		size_t	before = outlet_waiting(outlet);

		if (before == 0 || outlet_flush(outlet) == -1)
			return;
		if (outlet_waiting(outlet) == before)
			poll(&ready, 1, 1000);
	}
}

struct deep_str
line_part(struct deep_str *rest)
{
	struct deep_str	 part = *rest;
	const char	*bar;

	if (rest->p == NULL)
		return part;
	bar = memchr(rest->p, '|', rest->n);
	if (bar == NULL) {
		rest->p = NULL;
		rest->n = 0;
	} else {
		part.n = (size_t)(bar - part.p);
		rest->n -= part.n + 1;
		rest->p = bar + 1;
	}
	return part;
}

int
line_hex(struct deep_str s, uint64_t *value)
{
	static const char	digits[] = "0123456789abcdef";
	const char		*digit;
	size_t			 i;

	*value = 0;
	if (s.p == NULL || s.n == 0 || s.n > 16)
		return -1;
	for (i = 0; i < s.n; i++) {
		if (s.p[i] >= '0' && s.p[i] <= '9') {
			*value = *value << 4 | (uint64_t)(s.p[i] - '0');
			continue;
		}
		digit = s.p[i] == '\0' ? NULL :
		    strchr(digits, s.p[i] >= 'A' && s.p[i] <= 'F' ? s.p[i] | 0x20 : s.p[i]);
		if (digit == NULL)
			return -1;
		*value = *value << 4 | (uint64_t)(digit - digits);
	}
	return 0;
}

int64_t
now_ms(void)
{
	struct timespec	t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		return 0;
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int	to_syslog;

void
say_to_syslog(const char *name)
{
	openlog(name, LOG_NDELAY | LOG_PID, LOG_MAIL);
	to_syslog = 1;
}

void
say(const char *format, ...)
{
	char	line[DEEP_EVENT_MAX + 2];
	va_list	ap;
	int	n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (n < 0)
		return;
	if (to_syslog)
		syslog(LOG_NOTICE, "%s", line);
	n = (int)strlen(line);
	line[n++] = '\n';
	/* one write(2), and no matter if there is no room for it */
	if (write(STDERR_FILENO, line, (size_t)n) == -1)
		return;
}

int
bad_option(const char *program, char *argv[])
{
	char	letter[3];

	fprintf(stderr, "%s: \"%s\" is no option, or lacks what it takes; see %s --help\n", program,
	    deep_wrong_word(argv, letter), program);
	return EX_USAGE;
}
