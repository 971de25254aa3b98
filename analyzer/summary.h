/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * summary.h - what many messages came to: tables of counts that can be added,
 * and the worst paths.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "analyzer.h"

#define SUMMARY_ROWS_MAX	10000	/* keys of one table; what comes behind counts as "" */
#define SUMMARY_WORST_MAX	100	/* messages that are listed as the worst */

enum table {
	/* of messages, by the verdict of the path */
	TABLE_KIND,		/* "dsn", "message" */
	TABLE_PATH,		/* "complete", "incomplete" */
	TABLE_WHY,		/* what is missing */
	TABLE_ACTION,		/* of each recipient */
	/* of hops, by their verdict */
	TABLE_MONTH,		/* "2026-11"; "-": no date, or one that cannot be */
	TABLE_VERSION,		/* of TLS; "-": TLS without a version; hops without TLS are not in it */
	TABLE_SUITE,		/* as above */
	TABLE_GROUP,		/* as above */
	TABLE_DIALECT,		/* "-": none */
	TABLE_FLAG,
	TABLE_PAIR,		/* "example.org example.net": registrable domains; "-": no public name */
	TABLES
};
extern const char *const table_names[TABLES];

struct place_of {		/* where a message is */
	char	*file;
	int64_t	 offset;
};
struct row {
	char		*key;
	uint64_t	 n[VERDICTS];		/* by enum verdict */
	struct place_of	 example;		/* of the worst verdict, the first by file and offset */
	enum verdict	 example_verdict;
};
struct worst {
	struct place_of	 place;
	char		*message_id;		/* NULL: none */
	char		*why;			/* words, with spaces between them */
	enum verdict	 verdict;
	uint64_t	 hops, hops_so;		/* all, and those of that verdict */
	int64_t		 date;			/* of the last hop; INT64_MIN: none */
};
struct summary;

/* A text in a row or one of the worst that is only shown to a function. */
static inline char *
lent(const char *text)
{
	char *same;

	memcpy(&same, &text, sizeof(same));
	return same;
}

struct summary *summary_new(void);
/* YES: the message is one of the worst, or the example of some row; NO: neither. */
enum deep_status summary_add(struct summary *, const struct analysis *);
/* What another summary counted, row by row, and all of it. */
void	summary_count(struct summary *, enum table, const struct row *);	/* copied */
int	summary_worst_add(struct summary *, const struct worst *);	/* copied; 1: it is one of them */
void	summary_limit(struct summary *, enum table);
void	summary_absorb(struct summary *, struct summary *from);
/* The rows of a table, by key; valid until the next summary_add(). */
size_t	summary_rows(struct summary *, enum table, struct row **);
int	summary_limited(const struct summary *, enum table);	/* 1: SUMMARY_ROWS_MAX was passed */
size_t	summary_worst(const struct summary *, const struct worst **);	/* the worst first */
/* 2: that message is one of the worst, 1: the example of a row, 0: neither. */
int	summary_names(const struct summary *, const char *file, int64_t offset);
uint64_t row_total(const struct row *);
void	summary_free(struct summary *);		/* NULL is fine */

/* merge.c: a summary in JSON, and back.  0, or -1 after an error on standard error. */
void	summary_write(FILE *, struct summary *);
int	summary_read(struct summary *, FILE *, const char *name);
int	merge(int argc, char *argv[]);		/* deeptrace merge: the exit status */

#endif
