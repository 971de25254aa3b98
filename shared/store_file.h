/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_file.h - what the parts of the store in SQLite share: the open file,
 * its statements and transactions.  Not installed.
 */
#ifndef DEEP_STORE_FILE_H
#define DEEP_STORE_FILE_H

#include <sqlite3.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "store.h"

#define DEEP_BATCH_MS	20	/* a long work lets other writers in after this */

/* Entries of the log that sessions make, and no hand. */
#define LOG_OF_SESSIONS	"kind IN ('refused', 'warned', 'contradicted')"
#define LATCH_COLUMNS	"first, confirmed, window, enforced, contradicted," \
			" confirmations, contradictions, in_window, sum, reference"

enum deep_sql {
#define SQL(name, text)	SQL_##name,
#include "statements.in"
#undef SQL
	DEEP_SQL
};

struct deep_sqlite {
	sqlite3		*db;
	char		*path;
	sqlite3_stmt	*statement[DEEP_SQL];
	int		 timeout;	/* ms */
	int		 fast;		/* commits do not wait for the disk, for now */
	int		 bulk;		/* deep_store_bulk(): commits are put off */
	int		 inside;	/* a transaction is open */
	struct timespec	 since;		/* when it was opened */
	struct timespec	 waiting;	/* since when a lock is waited for */
};

struct deep_meta {		/* the one row of meta */
	int64_t	clock, seen, names;
};

/* Milliseconds since then. */
int64_t	deep_sql_since(const struct timespec *);
/* FAIL, with what SQLite's last answer means to who runs the store. */
enum deep_status deep_sql_failed(struct deep_store *);

/* The statement, made when first asked for; NULL: the error is told. */
sqlite3_stmt *deep_sql_statement(struct deep_store *, enum deep_sql);
/* The same with the key as its first two parameters. */
sqlite3_stmt *deep_sql_of_key(struct deep_store *, enum deep_sql, const struct deep_key *);
/* YES: a row.  NO: no more, and the statement is reset.  FAIL: reset, told. */
enum deep_status deep_sql_next(struct deep_store *, sqlite3_stmt *);
/* Runs what has no rows: YES or FAIL. */
enum deep_status deep_sql_run(struct deep_store *, sqlite3_stmt *);
enum deep_status deep_sql_do(struct deep_store *, enum deep_sql);

/* Opens a transaction that writes, where none is open.  fast: its commit does not
 * wait for the disk. */
enum deep_status deep_sql_begin(struct deep_store *, int fast);
/* The end of one call: FAIL undoes, all else commits; in bulk that waits. */
enum deep_status deep_sql_commit(struct deep_store *, enum deep_status);
enum deep_status deep_sql_commit_now(struct deep_store *);

/* store_sqlite.c */
/* Sums go on from that of the key, which is the same for all its rows. */
uint32_t deep_sum_key(const struct deep_key *);
uint32_t deep_sum_held(uint32_t of_key, const char *latch, const struct deep_held *,
	    const char *reference);
uint32_t deep_sum_host(uint32_t of_key, const struct deep_seen *);
/* open not NULL: the statement is left open, and with it SQLite's view. */
enum deep_status deep_sql_meta(struct deep_store *, struct deep_meta *, sqlite3_stmt **);
int	deep_key_compare(const struct deep_key *, const struct deep_key *);
/* All that is known of a key, as of one moment.  YES, also where that is nothing.
 * sound NULL: a row whose sum is another is FAIL; else *sound is 0 then. */
enum deep_status deep_sqlite_read(struct deep_store *, const struct deep_key *,
	    struct deep_record *, int hosts, struct deep_meta *, struct deep_mark *,
	    int *sound);
/* In a transaction: what differs.  Hosts stand only beside latches. */
enum deep_status deep_sqlite_write(struct deep_store *, const struct deep_key *,
	    const struct deep_record *before, const struct deep_record *after);
/* In a transaction: the rows of the key, damaged ones too; the record is empty then. */
enum deep_status deep_sqlite_wipe(struct deep_store *, const struct deep_key *,
	    struct deep_record *);
enum deep_status deep_sqlite_write_mark(struct deep_store *, const struct deep_key *,
	    const struct deep_mark *);
/* In a transaction: what the statement drops of the key; what NULL: all. */
enum deep_status deep_sqlite_drop(struct deep_store *, enum deep_sql,
	    const struct deep_key *, const char *what);
/* In a transaction: the clock as of now, written where it was not for a minute. */
enum deep_status deep_sqlite_clock(struct deep_store *, struct deep_meta *, int64_t);
/* What deep_store_learn() is, without its commit.  *clock: the store's, as of then. */
enum deep_status deep_sqlite_learn(struct deep_store *, const struct deep_key *,
	    const struct deep_policy *, const struct deep_session *, struct deep_str host,
	    int64_t now, struct deep_learnt *, int64_t *clock);
enum deep_status deep_sqlite_log_act(struct deep_store *, const char *,
	    const struct deep_key *, deep_latches, const char *, const char *, int64_t);
/* The key behind this one that holds a latch or is exempt. */
enum deep_status deep_sqlite_next(struct deep_store *, struct deep_key *);
/* The key behind this one that was reset or exempt at some time. */
enum deep_status deep_sqlite_next_marked(struct deep_store *, struct deep_key *);
enum deep_status deep_sqlite_bulk(struct deep_store *, int);
enum deep_status deep_sqlite_purge(struct deep_store *, const struct deep_config *,
	    int64_t, int, struct deep_gone *);
/* What of the record has expired is taken out of it; how many latches. */
uint64_t deep_record_expire(struct deep_record *, const struct deep_policy *);
/* store_note.c */
enum deep_status deep_sql_put_log(struct deep_store *, const struct deep_entry *);
/* store_verify.c */
enum deep_status deep_sqlite_verify(struct deep_store *, int (*)(void *, const char *),
	    void *, uint64_t *);

static inline void
deep_sql_text(sqlite3_stmt *row, int column, const char *text)
{
	/* A text that does not fit memory makes the step fail on NOT NULL. */
	(void)sqlite3_bind_text(row, column, text, -1, SQLITE_STATIC);
}

static inline void
deep_sql_number(sqlite3_stmt *row, int column, int64_t number)
{
	(void)sqlite3_bind_int64(row, column, number);
}

static inline const char *
deep_sql_column(sqlite3_stmt *row, int column)
{
	const unsigned char	*text = sqlite3_column_text(row, column);

	return text == NULL ? "" : (const char *)text;
}

static inline uint32_t
deep_sql_count(sqlite3_stmt *row, int column)
{
	int64_t	n = sqlite3_column_int64(row, column);

	return n < 0 ? 0 : n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

#endif
