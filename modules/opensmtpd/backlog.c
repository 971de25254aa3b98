/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * backlog.c - what the store has to take and could not yet: requests that are
 * answered by nobody and that are not to be lost, in memory that the keeper shares
 * with each process that it starts.  So neither a store that is locked, full or
 * away loses one, nor the death of the process that has it.
 *
 * A ring of octets, in front of each request its length.  Places only grow, and one
 * is moved when what it is for is there, so that a process may be killed at any
 * point: then a request is served twice, which changes nothing.  One that has killed
 * two processes is given up.  Where there is no room the oldest goes.
 */
#include <sys/mman.h>

#include <stdlib.h>
#include <string.h>

#include "osmtpd.h"

#define DEATHS	2	/* of processes while they served one request */

struct backlog {
	size_t	first, end;	/* octets since the beginning: taken off, put in */
	size_t	count;		/* of requests, to be told */
	int	tries;		/* of the first one, by processes that did not end it */
	char	ring[OSMTPD_BACKLOG];
};

/* What follows sees what was written before, whatever the compiler makes of it. */
#define MOVE(place, to)	__atomic_store_n(&(place), (to), __ATOMIC_RELEASE)

static void
copy_in(struct backlog *backlog, size_t at, const void *from, size_t n)
{
	size_t	here = at % OSMTPD_BACKLOG, part;

	part = n < OSMTPD_BACKLOG - here ? n : OSMTPD_BACKLOG - here;
	memcpy(backlog->ring + here, from, part);
	memcpy(backlog->ring, (const char *)from + part, n - part);
}

static void
copy_out(void *to, const struct backlog *backlog, size_t at, size_t n)
{
	size_t	here = at % OSMTPD_BACKLOG, part;

	part = n < OSMTPD_BACKLOG - here ? n : OSMTPD_BACKLOG - here;
	memcpy(to, backlog->ring + here, part);
	memcpy((char *)to + part, backlog->ring, n - part);
}

/* The request at this place: its octets, or 0. */
static size_t
read_at(const struct backlog *backlog, size_t at, char *buf, size_t size)
{
	size_t	n = 0;

	if (at == backlog->end)
		return 0;
	copy_out(&n, backlog, at, sizeof(n));
	if (n == 0 || n > size || n > backlog->end - at - sizeof(n))
		return 0;		/* nothing that was put in */
	copy_out(buf, backlog, at + sizeof(n), n);
	return n;
}

static void
drop_first(struct backlog *backlog)
{
	size_t	n = 0;

	if (backlog->first == backlog->end)
		return;
	copy_out(&n, backlog, backlog->first, sizeof(n));
	backlog->tries = 0;
	if (backlog->count > 0)
		backlog->count--;
	MOVE(backlog->first, backlog->first + sizeof(n) + n);
}

struct backlog *
backlog_new(void)
{
	void	*p = mmap(NULL, sizeof(struct backlog), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void
backlog_free(struct backlog *backlog)
{
	if (backlog != NULL)
		munmap(backlog, sizeof(*backlog));
}

int
backlog_begin(struct backlog *backlog)
{
	if (backlog->tries < DEATHS)
		return 0;
	drop_first(backlog);
	return 1;
}

int
backlog_put(struct backlog *backlog, const char *p, size_t n)
{
	int	dropped = 0;

	if (n == 0 || n > OSMTPD_REQUEST)
		return 0;
	while (OSMTPD_BACKLOG - (backlog->end - backlog->first) < sizeof(n) + n) {
		drop_first(backlog);
		dropped++;
	}
	copy_in(backlog, backlog->end, &n, sizeof(n));
	copy_in(backlog, backlog->end + sizeof(n), p, n);
	backlog->count++;
	MOVE(backlog->end, backlog->end + sizeof(n) + n);
	return dropped;
}

size_t
backlog_next(struct backlog *backlog, char *buf, size_t size)
{
	size_t	n = read_at(backlog, backlog->first, buf, size);

	if (n > 0)
		MOVE(backlog->tries, backlog->tries + 1);
	return n;
}

void
backlog_done(struct backlog *backlog)
{
	drop_first(backlog);
}

void
backlog_later(struct backlog *backlog)
{
	char	buf[OSMTPD_REQUEST];
	size_t	n = read_at(backlog, backlog->first, buf, sizeof(buf));

	if (OSMTPD_BACKLOG - (backlog->end - backlog->first) < sizeof(n) + n) {
		drop_first(backlog);
		backlog_put(backlog, buf, n);
		return;
	}
	backlog_put(backlog, buf, n);
	drop_first(backlog);
}

void
backlog_each(const struct backlog *backlog, void (*call)(void *, const char *, size_t), void *arg)
{
	char	buf[OSMTPD_REQUEST];
	size_t	at, n;

	for (at = backlog->first; (n = read_at(backlog, at, buf, sizeof(buf))) > 0;
	    at += sizeof(n) + n)
		call(arg, buf, n);
}

size_t
backlog_count(const struct backlog *backlog)
{
	return backlog->first == backlog->end ? 0 : backlog->count;
}
