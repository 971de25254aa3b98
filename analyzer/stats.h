/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * stats.h - how well the table of dialects fits an archive.
 */
#ifndef STATS_H
#define STATS_H

#include "analyzer.h"

struct stats;
struct stats *stats_new(void);
void	stats_add(struct stats *, const struct analysis *);
void	stats_write(FILE *, struct stats *, int json);
/* One line a counter, for another process; stats_take() adds what was given. */
void	stats_give(FILE *, const struct stats *);
void	stats_take(struct stats *, FILE *);
void	stats_free(struct stats *);		/* NULL is fine */
/* A field without what is its own: names, numbers, ids, its date.  Answers the octets. */
size_t	shape_of(char *buf, size_t size, struct deep_str value);

#endif
