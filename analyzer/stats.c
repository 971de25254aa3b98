/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * stats.c - --stats dialects: how many fields each row of the table matched,
 * the commonest shapes of fields that hold a word of TLS and matched none, and
 * those whose statements contradict each other.
 *
 * A shape is the field with "9" for digits, "H" for names, addresses and all
 * else with a dot, a colon or an "@" in it, "X" for words of letters and digits,
 * and "D" for the date; words of TLS stay.  It is for the eye: two dialects may
 * have one shape.
 *
 * Shapes are counted in COUNTERS counters by the space-saving rule (Metwally,
 * Agrawal, El Abbadi 2005): a new shape takes the place of the rarest one, with
 * its count, which is said as the most that the new one may be too high by.  As
 * long as there are fewer shapes than counters, all counts are exact.
 */
#include <err.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "stats.h"
#include "utf8.h"
#include "word.h"

#define COUNTERS	1024	/* of each kind */
#define SHOWN		40	/* shapes of each kind that are written as text */
#define SHAPE_MAX	240	/* octets */

enum kind { MATCHED, MISSED, CONTRADICTED, KINDS };
static const char *const kind_names[KINDS] = { "matched", "missed", "contradictions" };

struct counter {
	uint64_t n, over;		/* over: of n, what may be another's */
	char	 key[SHAPE_MAX + 1];
};
struct stats {
	struct counter	counter[KINDS][COUNTERS];
	size_t		used[KINDS];
	uint64_t	fields;
};

struct stats *
stats_new(void)
{
	struct stats *stats = calloc(1, sizeof(*stats));

	if (stats == NULL)
		err(EX_OSERR, NULL);
	return stats;
}

static void
count(struct stats *stats, enum kind kind, const char *key, uint64_t n, uint64_t over)
{
	struct counter *all = stats->counter[kind], *rarest = NULL;
	size_t i;

	for (i = 0; i < stats->used[kind]; i++) {
		if (strcmp(all[i].key, key) == 0) {
			all[i].n += n;
			all[i].over += over;
			return;
		}
		if (rarest == NULL || all[i].n < rarest->n)
			rarest = &all[i];
	}
	if (i < COUNTERS) {
		rarest = &all[stats->used[kind]++];
		rarest->n = rarest->over = 0;
	}
	rarest->over = rarest->n + over;
	rarest->n += n;
	strlcpy(rarest->key, key, sizeof(rarest->key));
}

static int
is_letter(char c)
{
	return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_';
}

/* What TLS texts are made of. */
static int
is_of_tls(const char *word)
{
	static const char *const parts[] = {
		"tls", "ssl", "cipher", "encrypt", "aes", "rsa", "dhe", "gcm", "sha"
	};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (strcasestr(word, parts[i]) != NULL)
			return 1;
	}
	return 0;
}

static int
has_word_of_tls(const char *shape)
{
	return strcasestr(shape, "tls") != NULL || strcasestr(shape, "ssl") != NULL ||
	    strcasestr(shape, "cipher") != NULL || strcasestr(shape, "encrypt") != NULL;
}

/* "tls.example.org" ends as names do: a dot and letters. */
static int
is_name(const char *word)
{
	const char *dot = strrchr(word, '.');

	return dot != NULL && is_letter(dot[1]) && is_letter(dot[2]);
}

/* The word in its shape. */
static size_t
put_word(char *to, const char *word)
{
	int letters = 0, digits = 0, marks = 0;
	const char *p;
	char *start = to;

	for (p = word; *p != '\0'; p++) {
		letters += is_letter(*p);
		digits += deep_digit(*p);
		marks += *p == '.' || *p == ':' || *p == '@' || (*p & 0x80) != 0;
	}
	if (is_of_tls(word) && strchr(word, '@') == NULL && !is_name(word)) {
		for (p = word; *p != '\0'; p++) {
			if (!deep_digit(*p))
				*to++ = *p;
			else if (p == word || !deep_digit(p[-1]))
				*to++ = '9';
		}
	} else if (marks > 0) {
		*to++ = 'H';
	} else if (digits > 0) {
		*to++ = letters > 0 ? 'X' : '9';
	} else {
		for (p = word; *p != '\0'; p++)
			*to++ = *p;
	}
	return (size_t)(to - start);
}

size_t
shape_of(char *buf, size_t size, struct deep_str value)
{
	const char *p = value.p, *end = p + value.n, *date = memrchr(p, ';', value.n);
	char word[SHAPE_MAX + 1];
	size_t n = 0, length;

	if (date != NULL)
		end = date;
	while (p < end && n + sizeof(word) + 4 < size + SHAPE_MAX) {
		if (strchr(" ()<>[]\",;=/", *p) != NULL) {
			if (*p >= ' ' && n + 1 < size)
				buf[n++] = *p;
			p++;
			continue;
		}
		for (length = 0; p < end && *p != '\0' && strchr(" ()<>[]\",;=/", *p) == NULL; p++) {
			if (length + 1 < sizeof(word))
				word[length++] = *p >= 0 && *p < ' ' ? '?' : *p;
		}
		if (p < end && *p == '\0')
			p++;
		word[length] = '\0';
		length = put_word(word, word);
		if (n + length + 4 > size)
			break;
		memcpy(buf + n, word, length);
		n += length;
	}
	if (date != NULL && n + 3 < size) {
		memcpy(buf + n, "; D", 3);
		n += 3;
	}
	if (size > 0)
		buf[n] = '\0';
	return n;
}

static void
add_hops(struct stats *stats, const struct path *path, struct arena *arena)
{
	char shape[SHAPE_MAX + 1];
	size_t i;

	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];

		stats->fields++;
		if (hop->dialect != NULL)
			count(stats, MATCHED, hop->dialect, 1, 0);
		if (hop->dialect != NULL && !(hop->flags & FLAG_CONTRADICTION))
			continue;
		(void)shape_of(shape, sizeof(shape), flat(hop->raw, arena));
		if (hop->flags & FLAG_CONTRADICTION)
			count(stats, CONTRADICTED, shape, 1, 0);
		if (hop->dialect == NULL && has_word_of_tls(shape))
			count(stats, MISSED, shape, 1, 0);
	}
}

void
stats_add(struct stats *stats, const struct analysis *a)
{
	add_hops(stats, &a->path, a->arena);
	if (a->is_dsn)
		add_hops(stats, &a->way_back, a->arena);
}

static int
by_count(const void *a, const void *b)
{
	const struct counter *one = a, *other = b;

	if (one->n != other->n)
		return one->n > other->n ? -1 : 1;
	return strcmp(one->key, other->key);
}

static void
write_json(FILE *out, struct stats *stats)
{
	json_t *all = json_pack("{s:i, s:I}", "stats", 1, "fields", (json_int_t)stats->fields);
	size_t i, k;

	for (k = 0; k < KINDS; k++) {
		json_t *list = json_array();

		for (i = 0; i < stats->used[k]; i++) {
			const struct counter *c = &stats->counter[k][i];

			json_array_append_new(list, json_pack("{s:s, s:I, s:I}",
			    k == MATCHED ? "dialect" : "shape", c->key, "fields", (json_int_t)c->n,
			    "at_most_over", (json_int_t)c->over));
		}
		json_object_set_new(all, kind_names[k], list);
	}
	json_dumpf(all, out, JSON_COMPACT | JSON_PRESERVE_ORDER);
	putc('\n', out);
	json_decref(all);
}

void
stats_write(FILE *out, struct stats *stats, int json)
{
	static const char *const titles[KINDS] = {
		"fields that a dialect matched", "shapes with a word of TLS that no dialect matched",
		"shapes of contradictions"
	};
	size_t i, k;

	for (k = 0; k < KINDS; k++)
		qsort(stats->counter[k], stats->used[k], sizeof(stats->counter[k][0]), by_count);
	if (json) {
		write_json(out, stats);
		return;
	}
	fprintf(out, "%" PRIu64 " Received fields\n", stats->fields);
	for (k = 0; k < KINDS; k++) {
		fprintf(out, "\n%s: %zu%s\n", titles[k], stats->used[k],
		    stats->used[k] == COUNTERS ? " or more" : "");
		for (i = 0; i < stats->used[k] && (k == MATCHED || i < SHOWN); i++) {
			const struct counter *c = &stats->counter[k][i];

			fprintf(out, "%10" PRIu64 "  %s", c->n, visible(c->key));
			if (c->over > 0)
				fprintf(out, "  (at most %" PRIu64 " too many)", c->over);
			putc('\n', out);
		}
	}
}

void
stats_give(FILE *out, const struct stats *stats)
{
	size_t i, k;

	fprintf(out, "%" PRIu64 "\n", stats->fields);
	for (k = 0; k < KINDS; k++) {
		for (i = 0; i < stats->used[k]; i++)
			fprintf(out, "%zu %" PRIu64 " %" PRIu64 " %s\n", k, stats->counter[k][i].n,
			    stats->counter[k][i].over, stats->counter[k][i].key);
	}
}

void
stats_take(struct stats *stats, FILE *in)
{
	uint64_t n, over;
	char *line = NULL;
	size_t size = 0, k;
	ssize_t got;
	char *at;

	if (getline(&line, &size, in) > 0)
		stats->fields += strtoull(line, NULL, 10);
	while ((got = getline(&line, &size, in)) > 0) {
		line[got - 1] = '\0';
		k = strtoul(line, &at, 10);
		n = strtoull(at, &at, 10);
		over = strtoull(at, &at, 10);
		if (k < KINDS && *at == ' ')
			count(stats, (enum kind)k, at + 1, n, over);
	}
	free(line);
}

void
stats_free(struct stats *stats)
{
	free(stats);
}
