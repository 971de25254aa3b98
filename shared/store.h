/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store.h - what store.c, its kinds and their tests share below deep.h.  Not
 * installed.
 *
 * A store is one SQLite file, or a server with an SQLite file as its shadow:
 * either way there is a file, and the log and the notes live in it.
 */
#ifndef DEEP_STORE_H
#define DEEP_STORE_H

#include <sys/types.h>

#include <stdarg.h>

#include "deep.h"

#define DEEP_STORE_TEXT	512	/* octets in the text of an error or a warning */

struct deep_sqlite;		/* store_sqlite.c: the file */
struct deep_redis;		/* store_redis.c: the server */

#define DEEP_STORE_TLS	1u	/* the server is spoken to in TLS */
#define DEEP_STORE_PATH	2u	/* over a socket in the file system */

struct deep_mark {		/* what is known of a key beside its latches */
	int64_t	exempt, exempted;	/* since when; how often that was changed */
	int64_t	reset, resets;		/* when last; how often */
};

/* What a kind of store does in its own way; the front has checked the rest. */
struct deep_store_kind {
	const char	*scheme;		/* "sqlite:": how its URL begins ... */
	unsigned	 how;			/* ... and what that says: DEEP_STORE_TLS ... */
	enum deep_status (*open)(struct deep_store *, const char *url,
			    const struct deep_config *, unsigned how);
	enum deep_status (*create)(struct deep_store *, const char *url,
			    const struct deep_config *, unsigned how, unsigned, unsigned);
	void		 (*close)(struct deep_store *);
	enum deep_status (*get)(struct deep_store *, const struct deep_key *,
			    struct deep_record *, int hosts);
	enum deep_status (*learn)(struct deep_store *, const struct deep_key *,
			    const struct deep_policy *, const struct deep_session *,
			    struct deep_str, int64_t, struct deep_learnt *);
	enum deep_status (*reset)(struct deep_store *, const struct deep_key *,
			    deep_latches, const char *, const char *, int64_t,
			    deep_latches *);
	enum deep_status (*exempt)(struct deep_store *, const struct deep_key *, int,
			    const char *, const char *, int64_t);
	enum deep_status (*each)(struct deep_store *, int (*)(void *,
			    const struct deep_key *, const struct deep_record *), void *);
	enum deep_status (*put)(struct deep_store *, const struct deep_key *,
			    const struct deep_record *, int64_t);
	enum deep_status (*bulk)(struct deep_store *, int);
	enum deep_status (*purge)(struct deep_store *, const struct deep_config *,
			    int64_t, int, struct deep_gone *);
	enum deep_status (*verify)(struct deep_store *, int (*)(void *, const char *),
			    void *, uint64_t *);
};
extern const struct deep_store_kind deep_store_sqlite, deep_store_redis,
	    deep_store_redis_unix, deep_store_rediss;
/* store_kinds.c: those that this program can open; NULL at the end. */
extern const struct deep_store_kind *const deep_store_kinds[];

struct deep_store {
	const struct deep_store_kind *kind;	/* NULL: not open */
	struct deep_sqlite	*sqlite;
	struct deep_redis	*redis;		/* NULL: the file is all there is */
	pid_t			 owner;		/* who opened it */
	volatile char		*here;		/* 1; 0 in a process forked from it.  NULL: no
						 * such memory, the process's number tells */
	uint64_t		 entries;	/* the cap on names */
	int			 timeout;	/* ms, for a lock in the file */
	int			 network;	/* ms, to connect, and for each command */
	void			(*watch)(void *, const char *);	/* NULL: nobody does */
	void			*watcher;
	char			 error[DEEP_STORE_TEXT];
	char			 warning[DEEP_STORE_TEXT];
};

/* Keeps the text, on one line; the answer is DEEP_FAIL. */
enum deep_status deep_store_fail(struct deep_store *, const char *, ...)
	    __attribute__((__format__(__printf__, 2, 3)));
void	deep_store_warn(struct deep_store *, const char *, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

int	deep_store_is_owner(const struct deep_store *);	/* 0: this process was forked */
void	deep_store_step(const struct deep_store *, const char *what);	/* tells who watches */

/* Where the latch of this id stands in a record, or is to: by its row, or among the
 * others.  NULL: there is no room for one more of those. */
struct deep_held *deep_record_place(struct deep_record *, const char *id);
/* Of a record: union of two, by the rules of deep_store_put(). */
void	deep_record_merge(struct deep_record *, const struct deep_record *);
void	deep_record_close(struct deep_record *);	/* tls12 > tls11 > tls10 */
int	deep_record_empty(const struct deep_record *);	/* 1: holds no latch */
void	deep_record_forget(struct deep_record *, size_t latch);	/* by its row */
int	deep_held_same(const struct deep_held *, const struct deep_held *);
int	deep_seen_same(const struct deep_seen *, const struct deep_seen *);
/* Whose name made tls-cert, as it is stored: "", "domain" or "host mx1.example.org". */
#define DEEP_CERT_ROW	3	/* of latches.in */
#define DEEP_REFERENCE_TEXT (DEEP_DOMAIN_MAX + 6)
void	deep_reference_emit(char buf[DEEP_REFERENCE_TEXT], const struct deep_record *);
int	deep_reference_parse(struct deep_record *, const char *);	/* 0: it is not that */
int	deep_reference_same(const struct deep_record *, const struct deep_record *);

/* store_sqlite.c: the file of a store, or the shadow of a server. */
enum deep_status deep_sqlite_open(struct deep_store *, const char *path);
enum deep_status deep_sqlite_create(struct deep_store *, const char *path, unsigned,
	    unsigned);
void	deep_sqlite_close(struct deep_store *);
/* Runs steps[version of the file] and those behind it, in one transaction. */
enum deep_status deep_sqlite_migrate(struct deep_store *, const char *const *steps,
	    int version);
enum deep_status deep_sqlite_log(struct deep_store *, const struct deep_entry *);
enum deep_status deep_sqlite_log_each(struct deep_store *, int64_t,
	    int (*)(void *, const struct deep_entry *), void *);
enum deep_status deep_sqlite_note_put(struct deep_store *, const char *, const char *,
	    const char *, const char *, int64_t);
enum deep_status deep_sqlite_note_get(struct deep_store *, const char *, const char *,
	    const char *, int64_t, char *, size_t, int take);
enum deep_status deep_sqlite_note_each(struct deep_store *, const char *, const char *,
	    int64_t, int (*)(void *, const char *, const char *), void *);
enum deep_status deep_sqlite_note_drop(struct deep_store *, const char *, const char *,
	    const char *);

#endif
