/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * words.c - the sentences of words.in by their words, and what several forms of
 * output say alike: how a hop is protected, how long it took.
 */
#include <stdio.h>
#include <string.h>

#include "analyzer.h"

static const char *const verdict_sentences[] = {
#define VERDICT(verdict, sentence)	[VERDICT_##verdict] = (sentence),
#include "words.in"
};
static const struct word_row {
	const char	*word, *sentence;
} flag_rows[] = {
#define FLAG(word, sentence)	{ word, sentence },
#include "words.in"
}, why_rows[] = {
#define WHY(word, sentence)	{ word, sentence },
#include "words.in"
};

static const char *
sentence(const struct word_row *row, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (strcmp(row[i].word, word) == 0)
			return row[i].sentence;
	}
	return NULL;
}

const char *
verdict_sentence(enum verdict verdict)
{
	return verdict_sentences[verdict];
}

const char *
flag_sentence(const char *flag)
{
	return sentence(flag_rows, sizeof(flag_rows) / sizeof(flag_rows[0]), flag);
}

const char *
why_sentence(const char *why)
{
	return sentence(why_rows, sizeof(why_rows) / sizeof(why_rows[0]), why);
}

void
duration(char *buf, size_t size, int64_t seconds)
{
	long long s = seconds, a = s < 0 ? -s : s;

	if (a < 120)
		snprintf(buf, size, "%lld s", s);
	else if (a < 7200)
		snprintf(buf, size, "%lld min", s / 60);
	else if (a < 172800)
		snprintf(buf, size, "%lld h", s / 3600);
	else
		snprintf(buf, size, "%lld d", s / 86400);
}

struct deep_str
suite_shown(const struct hop *hop)
{
	return hop->suite != NULL ? deep_str(hop->suite->name) : hop->suite_text;
}

struct deep_str
group_shown(const struct hop *hop)
{
	return hop->group != NULL ? deep_str(hop->group->name) : hop->group_text;
}

void
protection(char *buf, size_t size, const struct hop *hop)
{
	const char *version = deep_tls_version_name(hop->version);

	if (hop->is_tls && version != NULL)
		snprintf(buf, size, "%s%s", version, hop->flags & (FLAG_VERSION_INFERRED |
		    FLAG_VERSION_AMBIGUOUS) ? " or later" : "");
	else
		strlcpy(buf, hop->is_tls ? "TLS, version not recorded" :
		    hop->flags & FLAG_NOT_TLS ? "encrypted, not by TLS" :
		    hop->verdict == VERDICT_LOCAL ? "no network crossed" :
		    hop->verdict == VERDICT_CLEAR ? "recorded as without TLS" :
		    "nothing recorded about TLS", size);
}

const char *
secrecy(const struct hop *hop)
{
	if (hop->version == DEEP_TLS1_3)
		return "forward secret";
	if (hop->suite == NULL)
		return NULL;
	return hop->suite->flags & DEEP_SUITE_PFS ? "forward secret" : "not forward secret";
}

int
only_claimed(const struct hop *hop)
{
	return hop->has_trust && !hop->trusted;
}

size_t
hops_of(const struct path *path, enum verdict verdict)
{
	size_t i, n = 0;

	for (i = 0; i < path->nhop; i++)
		n += path->hop[i].verdict == verdict;
	return n;
}

/* "4 hops: 3 strong, 1 clear" */
void
hops_summary(char *buf, size_t size, const struct path *path)
{
	static const enum verdict order[] = { VERDICT_STRONG, VERDICT_TLS, VERDICT_UNKNOWN,
	    VERDICT_WEAK, VERDICT_CLEAR, VERDICT_LOCAL };
	const char *comma = ": ";
	size_t i, n, used;

	if (size == 0)
		return;
	snprintf(buf, size, "%zu hop%s", path->nhop, path->nhop == 1 ? "" : "s");
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if ((n = hops_of(path, order[i])) == 0)
			continue;
		used = strlen(buf);
		snprintf(buf + used, size - used, "%s%zu %s", comma, n, verdict_names[order[i]]);
		comma = ", ";
	}
}

/* The hops that make the path's verdict, in a sentence. */
void
path_sentence(char *buf, size_t size, const struct path *path)
{
	static const char *const tails[] = {
		"", "", "recorded as encrypted, but not how well", "without any record about encryption",
		"recorded as encrypted too weakly", "recorded as not encrypted"
	};
	size_t n = hops_of(path, path->verdict), all = path->nhop - hops_of(path, VERDICT_LOCAL);

	if (path->nhop == 0)
		snprintf(buf, size, "No host left a record of this message.");
	else if (path->verdict == VERDICT_LOCAL)
		snprintf(buf, size, "No network was crossed%s.", path->complete ? "" :
		    ", as far as is recorded; the record is incomplete");
	else if (path->verdict == VERDICT_STRONG)
		snprintf(buf, size, path->complete ?
		    "Every hop over a network is recorded as strong TLS, and the record is complete." :
		    "Every hop that is recorded is strong TLS, but the record is incomplete.");
	else
		snprintf(buf, size, "%zu of %zu hop%s over a network %s %s.%s", n, all,
		    all == 1 ? "" : "s", n == 1 ? "is" : "are", tails[path->verdict],
		    path->complete ? "" : " The record is incomplete.");
}
