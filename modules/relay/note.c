/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * note.c - what is said, one line each: to syslog(3), facility mail, or to
 * standard error with the priority in front as systemd reads it.
 *
 * What a worker says in one turn of its loop goes to standard error in one piece: at
 * the end of the turn, before a client hears what became of its text, or at once
 * where it is a warning or worse.
 *
 * Names and texts come from the network: a control never reaches the log.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "relay.h"

#define LINE_MAX_OCTETS	(DEEP_EVENT_MAX + 64)	/* an event, and what goes ahead of it */

static int	syslogs, gathers;
static long	pid;
static char	gathered[LINE_MAX_OCTETS];
static size_t	ngathered;

void
note_open(int to_syslog)
{
	syslogs = to_syslog;
	note_process();
	if (to_syslog)
		openlog("deep-relay", LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
note_process(void)
{
	pid = (long)getpid();
}

long
note_pid(void)
{
	return pid;
}

void
note_gather(void)
{
	gathers = 1;
}

void
note_flush(void)
{
	size_t	n = ngathered;

	ngathered = 0;
	if (n > 0 && write(STDERR_FILENO, gathered, n) == -1)
		return;			/* nobody listens; there is nothing to be done */
}

static void
put(int priority, char *line)
{
	char	out[LINE_MAX_OCTETS], *p;
	int	n;

	for (p = line; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p == 0x7f)
			*p = '?';
	}
	if (syslogs) {
		syslog(priority, "%s", line);
		return;
	}
	/* No line is in two writes, so that processes do not mix theirs. */
	n = snprintf(out, sizeof(out), "<%d>deep-relay[%ld]: %s\n", priority, pid, line);
	if (n <= 0 || (size_t)n >= sizeof(out))
		return;
	if (ngathered + (size_t)n > sizeof(gathered))
		note_flush();
	memcpy(gathered + ngathered, out, (size_t)n);
	ngathered += (size_t)n;
	if (!gathers || priority <= LOG_WARNING)
		note_flush();
}

void
note(int priority, const char *format, ...)
{
	char	line[DEEP_EVENT_MAX];
	va_list	ap;

	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	put(priority, line);
}

void
note_event(const char *kind, const struct deep_key *key, struct deep_str host, struct deep_str id,
    deep_latches latches, const char *text)
{
	struct deep_event	event;
	char			line[DEEP_EVENT_MAX + 1];
	int			n, priority = LOG_INFO;

	memset(&event, 0, sizeof(event));
	event.kind = kind;
	event.key = key;
	event.host = host;
	event.id = id;
	event.latches = latches;
	event.text = text != NULL && text[0] == '\0' ? NULL : text;
	if (strcmp(kind, "alarm") == 0 || strcmp(kind, "full") == 0)
		priority = LOG_ERR;
	else if (strcmp(kind, "refused") == 0 || strcmp(kind, "warned") == 0 ||
	    strcmp(kind, "bypassed") == 0)
		priority = LOG_WARNING;
	n = deep_event_emit(line, sizeof(line), &event);
	if (n < 0 || (size_t)n >= sizeof(line))
		snprintf(line, sizeof(line), "deep: event=%s, which cannot be written", kind);
	put(priority, line);
}
