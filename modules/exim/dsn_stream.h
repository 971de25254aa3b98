/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsn_stream.h - dsn_stream.c: a delivery status on its way through, of any size.
 */
#ifndef DSN_STREAM_H
#define DSN_STREAM_H

#include "deep.h"

#define DSN_LINE_MAX	 4096	/* octets of a line that are looked at; more is passed on */
#define DSN_BOUNDARY_MAX 70	/* octets, RFC 2046 5.1.1 */
#define DSN_TYPE_MAX	 4096	/* octets of a Content-Type field, folds included */

enum dsn_where {
	DSN_HEAD,		/* the message's header */
	DSN_BODY,		/* before and between parts, and in those that are no status */
	DSN_PART,		/* a part's header */
	DSN_GROUPS,		/* the groups of a delivery status */
	DSN_SKIP,		/* a group that is too long */
	DSN_REST		/* all behind it */
};

/* Octets that go out; 0, or -1 where they cannot. */
typedef int (*dsn_write)(void *, const char *, size_t);

struct dsn_stream {		/* dsn_begin() fills it */
	enum dsn_where	 where;
	const char	*table;
	dsn_write	 write;
	void		*cookie;
	int		 failed;	/* write() answered -1 */
	int		 inside;	/* of a line that is over DSN_LINE_MAX */
	int		 in_type;	/* the last field line was of Content-Type */
	unsigned	 changed;	/* groups that were */
	size_t		 nline, ngroup, ntype, nboundary;
	char		 line[DSN_LINE_MAX];
	char		 boundary[DSN_BOUNDARY_MAX + 2];
	char		 type[DSN_TYPE_MAX];
	char		 group[DEEP_FIELD_MAX];
	char		 out[DEEP_FIELD_MAX + 2048];
};

/* table, "domain:status:latch,latch;...", lives as long as the stream. */
void	dsn_begin(struct dsn_stream *, const char *table, dsn_write, void *cookie);
void	dsn_feed(struct dsn_stream *, const char *, size_t);
int	dsn_end(struct dsn_stream *);		/* 0, or -1: something was not written */

#endif
