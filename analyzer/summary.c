/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * summary.c - counts over many messages.  Every count is in a table, under a
 * key, by verdict; tables are added row by row, so what several runs counted
 * can be put together, and the order of the messages does not matter: an
 * example is, of those with the worst verdict, the first by its file and offset,
 * and the worst paths are the first in an order without ties.
 *
 * Memory is bounded by SUMMARY_ROWS_MAX and SUMMARY_WORST_MAX, whatever is read.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "octets.h"
#include "summary.h"

#define KEY_MAX		300	/* octets; a suite that is no suite may be long */
#define NAME_MAX_KEPT	1000	/* octets of a Message-ID */

const char *const table_names[TABLES] = {
	"kind", "path", "why", "action", "month", "version", "suite", "group", "dialect", "flag", "pair"
};

struct table_of {
	struct row	*row;
	size_t		 nrow, room;
	size_t		*slot;		/* hash table: row number and 1, 0: free */
	size_t		 nslot;		/* a power of two, more than twice nrow */
	unsigned	 limited : 1;
};

struct summary {
	struct table_of	table[TABLES];
	struct worst	worst[SUMMARY_WORST_MAX];
	size_t		nworst;
};

static void *
owned(void *p)
{
	if (p == NULL)
		err(EX_OSERR, "memory for the summary");
	return p;
}

struct summary *
summary_new(void)
{
	return owned(calloc(1, sizeof(struct summary)));
}

static size_t *
slot_of(const struct table_of *table, const char *key, size_t n)
{
	size_t i = octets_hash(key, n) & (table->nslot - 1);

	while (table->slot[i] != 0) {
		const char *have = table->row[table->slot[i] - 1].key;

		if (strncmp(have, key, n) == 0 && have[n] == '\0')
			break;
		i = (i + 1) & (table->nslot - 1);
	}
	return &table->slot[i];
}

static void
grow(struct table_of *table)
{
	size_t i;

	if (table->nrow == table->room) {
		table->room = table->room == 0 ? 16 : table->room * 2;
		table->row = owned(reallocarray(table->row, table->room, sizeof(*table->row)));
	}
	if (table->nslot > 2 * table->nrow + 2)
		return;
	free(table->slot);
	table->nslot = table->nslot == 0 ? 64 : table->nslot * 2;
	table->slot = owned(calloc(table->nslot, sizeof(*table->slot)));
	for (i = 0; i < table->nrow; i++)
		*slot_of(table, table->row[i].key, strlen(table->row[i].key)) = i + 1;
}

/* The row of a key; of "" where the table is full. */
static struct row *
row_of(struct table_of *table, const char *key, size_t n)
{
	size_t *slot;
	struct row *row;
	char *copy;

	if (n > KEY_MAX)
		n = KEY_MAX;
	n = strnlen(key, n);
	grow(table);
	slot = slot_of(table, key, n);
	if (*slot == 0 && n > 0 && table->nrow >= SUMMARY_ROWS_MAX) {
		table->limited = 1;
		return row_of(table, "", 0);
	}
	if (*slot == 0) {
		copy = owned(strndup(key, n));
		row = &table->row[table->nrow];
		memset(row, 0, sizeof(*row));
		row->key = copy;
		*slot = ++table->nrow;
	}
	return &table->row[*slot - 1];
}

static int
compare_places(const char *file, int64_t offset, const struct place_of *place)
{
	int order = strcmp(file, place->file);

	return order != 0 ? order : offset < place->offset ? -1 : offset > place->offset;
}

/* Answers 1 where this became the example of the row. */
static int
example(struct row *row, enum verdict verdict, const char *file, int64_t offset)
{
	if (row->example.file != NULL && (verdict < row->example_verdict ||
	    (verdict == row->example_verdict && compare_places(file, offset, &row->example) >= 0)))
		return 0;
	row->example_verdict = verdict;
	if (row->example.file == NULL || strcmp(row->example.file, file) != 0) {
		free(row->example.file);
		row->example.file = owned(strdup(file));
	}
	row->example.offset = offset;
	return 1;
}

/* As above, of the message that is counted. */
static int
count(struct summary *summary, enum table which, struct deep_str key, enum verdict verdict,
    const struct message *message)
{
	struct row *row = row_of(&summary->table[which], key.n > 0 ? key.p : "-", key.n > 0 ? key.n : 1);

	row->n[verdict]++;
	return example(row, verdict, message->file, message->offset);
}

void
summary_count(struct summary *summary, enum table which, const struct row *more)
{
	struct row *row = row_of(&summary->table[which], more->key, strlen(more->key));
	size_t i;

	for (i = 0; i < VERDICTS; i++)
		row->n[i] += more->n[i];
	if (more->example.file != NULL)
		(void)example(row, more->example_verdict, more->example.file, more->example.offset);
}

void
summary_limit(struct summary *summary, enum table which)
{
	summary->table[which].limited = 1;
}

/* "2026-11", kept for the next hop of the same day; "-" for no date, or a wrong one. */
static struct deep_str
month_of(const struct hop *hop)
{
	static int64_t day = -1;
	static char text[16];
	time_t when = (time_t)hop->date.utc;
	struct tm tm;

	if (!hop->has_date || when < 631152000 || when >= 4102444800)	/* 1990, 2100 */
		return deep_str("-");
	if (when / 86400 != day) {
		if (gmtime_r(&when, &tm) == NULL)
			return deep_str("-");
		strftime(text, sizeof(text), "%Y-%m", &tm);
		day = when / 86400;
	}
	return deep_str(text);
}

static int
count_hop(struct summary *summary, const struct hop *hop, const struct message *message)
{
	char from[DEEP_DOMAIN_MAX + 1], by[DEEP_DOMAIN_MAX + 1], key[2 * DEEP_DOMAIN_MAX + 4];
	enum verdict v = hop->verdict;
	size_t n;
	int new = 0;
	unsigned bit;

	new |= count(summary, TABLE_MONTH, month_of(hop), v, message);
	if (hop->is_tls) {
		new |= count(summary, TABLE_VERSION, deep_str(deep_tls_version_name(hop->version)), v, message);
		new |= count(summary, TABLE_SUITE, suite_shown(hop), v, message);
		new |= count(summary, TABLE_GROUP, group_shown(hop), v, message);
	}
	new |= count(summary, TABLE_DIALECT, deep_str(hop->dialect), v, message);
	for (bit = 0; bit < FLAGS; bit++) {
		if (hop->flags & (1u << bit))
			new |= count(summary, TABLE_FLAG, deep_str(flag_names[bit]), v, message);
	}
	if (v != VERDICT_LOCAL) {
		if (!domain_of(from, sizeof(from), hop->from) && !domain_of(from, sizeof(from), hop->from_rdns))
			strlcpy(from, "-", sizeof(from));
		if (!domain_of(by, sizeof(by), hop->by))
			strlcpy(by, "-", sizeof(by));
		n = strlen(from);
		memcpy(key, from, n);
		key[n++] = ' ';
		memcpy(key + n, by, strlen(by));
		n += strlen(by);
		new |= count(summary, TABLE_PAIR, (struct deep_str){ key, n }, v, message);
	}
	return new;
}

/* Which of two is worse: negative, a is. */
static int
compare_worst(const struct worst *a, const struct worst *b)
{
	if (a->verdict != b->verdict)
		return a->verdict > b->verdict ? -1 : 1;
	if (a->hops_so != b->hops_so)
		return a->hops_so > b->hops_so ? -1 : 1;
	return compare_places(a->place.file, a->place.offset, &b->place);
}

static void
worst_free(struct worst *worst)
{
	free(worst->place.file);
	free(worst->message_id);
	free(worst->why);
}

int
summary_worst_add(struct summary *summary, const struct worst *more)
{
	struct worst *one;
	size_t at = summary->nworst;

	while (at > 0 && compare_worst(more, &summary->worst[at - 1]) < 0)
		at--;
	if (at == SUMMARY_WORST_MAX)
		return 0;
	if (summary->nworst == SUMMARY_WORST_MAX)
		worst_free(&summary->worst[--summary->nworst]);
	one = &summary->worst[at];
	memmove(one + 1, one, (summary->nworst - at) * sizeof(*one));
	summary->nworst++;
	*one = *more;
	one->place.file = owned(strdup(more->place.file));
	one->message_id = more->message_id == NULL ? NULL : owned(strdup(more->message_id));
	one->why = owned(strdup(more->why));
	return 1;
}

static int
worst_add(struct summary *summary, const struct analysis *a)
{
	const struct path *path = &a->path;
	struct worst one;
	char why[512] = "", id[NAME_MAX_KEPT + 1];
	size_t n = a->message_id.n < NAME_MAX_KEPT ? a->message_id.n : NAME_MAX_KEPT, i;

	memset(&one, 0, sizeof(one));
	if (path->verdict <= VERDICT_STRONG)
		return 0;
	one.verdict = path->verdict;
	one.hops = path->nhop;
	one.hops_so = hops_of(path, path->verdict);
	one.date = path->nhop > 0 && path->hop[path->nhop - 1].has_date ?
	    path->hop[path->nhop - 1].date.utc : INT64_MIN;
	one.place.file = lent(a->source->file);	/* these are copied */
	one.place.offset = a->source->offset;
	if (a->message_id.p != NULL) {
		memcpy(id, a->message_id.p, n);
		id[n] = '\0';
		one.message_id = id;
	}
	for (i = 0; i < path->nwhy; i++) {
		if (i > 0)
			strlcat(why, " ", sizeof(why));
		strlcat(why, path->why[i], sizeof(why));
	}
	one.why = why;
	return summary_worst_add(summary, &one);
}

enum deep_status
summary_add(struct summary *summary, const struct analysis *a)
{
	enum verdict v = a->path.verdict;
	int new;
	size_t i;

	new = count(summary, TABLE_KIND, deep_str(a->is_dsn ? "dsn" : "message"), v, a->source);
	new |= count(summary, TABLE_PATH, deep_str(a->path.complete ? "complete" : "incomplete"), v,
	    a->source);
	for (i = 0; i < a->path.nwhy; i++)
		new |= count(summary, TABLE_WHY, deep_str(a->path.why[i]), v, a->source);
	for (i = 0; i < a->dsn.nrcpt; i++)
		new |= count(summary, TABLE_ACTION, a->dsn.rcpt[i].action, v, a->source);
	for (i = 0; i < a->path.nhop; i++)
		new |= count_hop(summary, &a->path.hop[i], a->source);
	new |= worst_add(summary, a);
	return new ? DEEP_YES : DEEP_NO;
}

static int
by_key(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

size_t
summary_rows(struct summary *summary, enum table which, struct row **rows)
{
	struct table_of *table = &summary->table[which];
	size_t i;

	*rows = table->row;
	if (table->nrow == 0)
		return 0;
	qsort(table->row, table->nrow, sizeof(*table->row), by_key);
	memset(table->slot, 0, table->nslot * sizeof(*table->slot));
	for (i = 0; i < table->nrow; i++)
		*slot_of(table, table->row[i].key, strlen(table->row[i].key)) = i + 1;
	return table->nrow;
}

int
summary_limited(const struct summary *summary, enum table which)
{
	return summary->table[which].limited;
}

size_t
summary_worst(const struct summary *summary, const struct worst **worst)
{
	*worst = summary->worst;
	return summary->nworst;
}

void
summary_absorb(struct summary *into, struct summary *from)
{
	struct row *row;
	size_t k, i, n;

	for (k = 0; k < TABLES; k++) {
		n = summary_rows(from, (enum table)k, &row);
		for (i = 0; i < n; i++)
			summary_count(into, (enum table)k, &row[i]);
		if (from->table[k].limited)
			into->table[k].limited = 1;
	}
	for (i = 0; i < from->nworst; i++)
		(void)summary_worst_add(into, &from->worst[i]);
}

int
summary_names(const struct summary *summary, const char *file, int64_t offset)
{
	size_t i, k;

	for (i = 0; i < summary->nworst; i++) {
		if (compare_places(file, offset, &summary->worst[i].place) == 0)
			return 2;
	}
	for (k = 0; k < TABLES; k++) {
		for (i = 0; i < summary->table[k].nrow; i++) {
			if (compare_places(file, offset, &summary->table[k].row[i].example) == 0)
				return 1;
		}
	}
	return 0;
}

uint64_t
row_total(const struct row *row)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < VERDICTS; i++)
		sum += row->n[i];
	return sum;
}

void
summary_free(struct summary *summary)
{
	size_t i, k;

	if (summary == NULL)
		return;
	for (k = 0; k < TABLES; k++) {
		for (i = 0; i < summary->table[k].nrow; i++) {
			free(summary->table[k].row[i].key);
			free(summary->table[k].row[i].example.file);
		}
		free(summary->table[k].row);
		free(summary->table[k].slot);
	}
	for (i = 0; i < summary->nworst; i++)
		worst_free(&summary->worst[i]);
	free(summary);
}
