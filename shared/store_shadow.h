/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_shadow.h - the file of SQLite beside a server: what the server is known
 * to know, what it has yet to be told, and how far it is refilled.  Not installed.
 */
#ifndef DEEP_STORE_SHADOW_H
#define DEEP_STORE_SHADOW_H

#include "store_file.h"

#define DEEP_EVENT_TEXT	512	/* octets in an event of the queue */

struct deep_shadow {			/* of the row of meta */
	char		origin[40];	/* who this host is in the server's books */
	char		server[40];	/* the server that it knows; "": none yet */
	int64_t		booked;		/* the last number that the server has surely booked */
	int64_t		away;		/* ms since 1970: the server is left alone until then */
	int		refill;		/* 1: it is being refilled ... */
	struct deep_key	next;		/* ... from behind this key */
};

struct deep_known {			/* all of a key, wherever it is kept */
	struct deep_record	record;
	struct deep_mark	mark;
};

/* A session, as it is queued. */
struct deep_queued {
	int64_t			seq;
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_session	session;
	char			host[DEEP_DOMAIN_MAX + 1];
	int64_t			clock;	/* of the store when it was */
	int			whole;	/* 0: what is queued is no session; the shadow has it */
	int			counted;	/* 1: deep_shadow_count() has told of it */
};
/* "clock version suite facts host mode confirm confirm_over retention strict"; 0: it
 * does not fit or cannot be. */
int	deep_queued_emit(char *buf, size_t size, const struct deep_queued *);
int	deep_queued_parse(const char *text, struct deep_queued *);

/* The one that was reset more often is right; of two of the same count, the union. */
void	deep_known_merge(struct deep_known *into, const struct deep_known *from);
int	deep_known_same(const struct deep_known *, const struct deep_known *);

enum deep_status deep_shadow_state(struct deep_store *, struct deep_shadow *);
enum deep_status deep_shadow_read(struct deep_store *, const struct deep_key *,
	    struct deep_known *, int *sound);
/* Learns in the file and queues the session for the server, in one step. */
enum deep_status deep_shadow_learn(struct deep_store *, const struct deep_key *,
	    const struct deep_policy *, const struct deep_session *, struct deep_str host,
	    int64_t now, struct deep_learnt *, int64_t *seq);
/* What the server knows goes into the file; seq not 0: that session is booked, and
 * leaves the queue.  log not NULL: written in the same step.  force: the rows of the
 * key are dropped first, which rids it of damaged ones. */
enum deep_status deep_shadow_adopt(struct deep_store *, const struct deep_key *,
	    const struct deep_known *, int64_t seq, const struct deep_entry *log, int force);
/* A session whose name the server has no room for: out of the queue, and out of the
 * file, where nothing else was known of the name. */
enum deep_status deep_shadow_take_back(struct deep_store *, const struct deep_key *,
	    int64_t seq);
/* The same, where what the file has of the name is damaged and stays as it is: out of the
 * queue alone. */
enum deep_status deep_shadow_booked(struct deep_store *, int64_t seq);
/* Reads the key, to be told to the server in place of its sessions that wait: they are in
 * its counts, and are marked, so that none of them is told as a session any more. */
enum deep_status deep_shadow_count(struct deep_store *, const struct deep_key *,
	    struct deep_known *);
/* The first of the queue.  NO: it is empty. */
enum deep_status deep_shadow_first(struct deep_store *, struct deep_queued *);
enum deep_status deep_shadow_waiting(struct deep_store *, int64_t *n);
/* The same of one key.  What the file holds of the key is known to the server only where
 * that is none. */
enum deep_status deep_shadow_waiting_of(struct deep_store *, const struct deep_key *,
	    int64_t *n);
/* The key behind this one of which anything is known, that it was reset too. */
enum deep_status deep_shadow_next(struct deep_store *, struct deep_key *);
enum deep_status deep_shadow_set_server(struct deep_store *, const char *);
enum deep_status deep_shadow_set_away(struct deep_store *, int64_t);
enum deep_status deep_shadow_set_refill(struct deep_store *, int on, const struct deep_key *);

#endif
