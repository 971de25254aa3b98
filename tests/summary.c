/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * summary.c - tests of the counts over many messages: they count, the order of
 * the messages does not matter, and both limits hold.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "summary.h"
#include "tap.h"

#define DATE	"; Mon, 2 Nov 2026 10:00:00 +0000\n"
#define STRONG	" (using TLSv1.3 with cipher TLS_AES_128_GCM_SHA256 (128/128 bits))"

static struct settings settings;
static struct arena *arena;

static void
add(struct summary *summary, const char *text, const char *file, int64_t offset)
{
	struct message message;
	struct analysis a;

	memset(&message, 0, sizeof(message));
	message.text = deep_str(text);
	message.file = file;
	message.offset = offset;
	analyse(&a, &message, &settings, arena);
	summary_add(summary, &a);
	arena_reset(arena);
}

static const struct row *
row_of(struct summary *summary, enum table table, const char *key)
{
	struct row *row;
	size_t n = summary_rows(summary, table, &row), i;

	for (i = 0; i < n; i++) {
		if (strcmp(row[i].key, key) == 0)
			return &row[i];
	}
	return NULL;
}

static const char *const texts[] = {
	"Received: from a.example.org by b.example.net with SMTP" DATE "Message-ID: <1@x>\n\n",
	"Received: from a.example.org" STRONG " by b.example.net with ESMTPS" DATE "Message-ID: <2@x>\n\n",
	"Received: from b.example.net by c.example.net with SMTP" DATE
	"Received: from a.example.org by b.example.net with SMTP; Mon, 7 Dec 2026 10:00:00 +0000\n"
	"Message-ID: <3@x>\n\n",
	"Received: from [192.0.2.1] by b.example.net with SMTP\nMessage-ID: <4@x>\n\n",
	"Subject: none\nMessage-ID: <5@x>\n\n",
};
#define NTEXTS	(sizeof(texts) / sizeof(texts[0]))

static const struct expected {
	enum table	 table;
	const char	*key;
	enum verdict	 verdict;
	uint64_t	 n, total;
	int64_t		 example;		/* its offset */
} expected[] = {
	{ TABLE_KIND, "message", VERDICT_CLEAR, 3, 5, 0 },
	{ TABLE_KIND, "message", VERDICT_STRONG, 1, 5, 0 },
	{ TABLE_PATH, "complete", VERDICT_CLEAR, 3, 4, 0 },
	{ TABLE_PATH, "incomplete", VERDICT_UNKNOWN, 1, 1, 400 },
	{ TABLE_WHY, "no-received", VERDICT_UNKNOWN, 1, 1, 400 },
	{ TABLE_MONTH, "2026-11", VERDICT_CLEAR, 2, 3, 0 },
	{ TABLE_MONTH, "2026-12", VERDICT_CLEAR, 1, 1, 200 },
	{ TABLE_MONTH, "-", VERDICT_CLEAR, 1, 1, 300 },
	{ TABLE_VERSION, "TLSv1.3", VERDICT_STRONG, 1, 1, 100 },
	{ TABLE_SUITE, "TLS_AES_128_GCM_SHA256", VERDICT_STRONG, 1, 1, 100 },
	{ TABLE_GROUP, "-", VERDICT_STRONG, 1, 1, 100 },
	{ TABLE_FLAG, "no-date", VERDICT_CLEAR, 1, 1, 300 },
	{ TABLE_PAIR, "example.org example.net", VERDICT_CLEAR, 2, 3, 0 },
	{ TABLE_PAIR, "example.net example.net", VERDICT_CLEAR, 1, 1, 200 },
	{ TABLE_PAIR, "- example.net", VERDICT_CLEAR, 1, 1, 300 },
};

static void
test_counts(void)
{
	struct summary *forward = summary_new(), *backward = summary_new();
	const struct worst *one, *other;
	struct row *row;
	size_t i, n, m, k;
	int same = 1;

	for (i = 0; i < NTEXTS; i++) {
		add(forward, texts[i], "box", (int64_t)i * 100);
		add(backward, texts[NTEXTS - 1 - i], "box", (int64_t)(NTEXTS - 1 - i) * 100);
	}
	for (i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct expected *want = &expected[i];
		const struct row *have = row_of(forward, want->table, want->key);

		ok(have != NULL && have->n[want->verdict] == want->n && row_total(have) == want->total &&
		    have->example.offset == want->example && strcmp(have->example.file, "box") == 0,
		    "%s \"%s\": %" PRIu64 " of %" PRIu64, table_names[want->table], want->key, want->n,
		    want->total);
	}
	n = summary_worst(forward, &one);
	ok(n == 4 && strcmp(one[0].message_id, "<3@x>") == 0 && one[0].hops_so == 2 &&
	    strcmp(one[1].message_id, "<1@x>") == 0 && strcmp(one[2].message_id, "<4@x>") == 0 &&
	    one[3].verdict == VERDICT_UNKNOWN && strcmp(one[3].why, "no-received") == 0,
	    "the worst first, strong paths not at all");
	m = summary_worst(backward, &other);
	for (i = 0; i < n && n == m; i++)
		same = same && one[i].place.offset == other[i].place.offset;
	ok(n == m && same, "the worst are the same in the other order");
	for (k = 0; k < TABLES; k++) {
		m = summary_rows(forward, (enum table)k, &row);
		same = same && m == summary_rows(backward, (enum table)k, &row);
		for (i = 0; i < m && same; i++) {
			const struct row *have = row_of(forward, (enum table)k, row[i].key);

			same = have != NULL && memcmp(have->n, row[i].n, sizeof(row[i].n)) == 0 &&
			    have->example.offset == row[i].example.offset;
		}
	}
	ok(same, "and so is every row, its example too");
	ok(summary_names(forward, "box", 200) == 2 && summary_names(forward, "box", 100) == 1 &&
	    summary_names(forward, "box", 7) == 0 && summary_names(forward, "other", 200) == 0,
	    "what is named is known");
	summary_free(forward);
	summary_free(backward);
	summary_free(NULL);
}

static void
test_limits(void)
{
	struct summary *summary = summary_new();
	char text[256], id[32];
	const struct worst *worst;
	struct row *row;
	size_t i;

	for (i = 0; i < SUMMARY_ROWS_MAX; i++) {
		snprintf(text, sizeof(text), "Received: from a.x%zu.example by b.example.net with SMTP" DATE
		    "Message-ID: <%zu>\n\n", i, i);
		add(summary, text, "box", (int64_t)i);
	}
	ok(summary_rows(summary, TABLE_PAIR, &row) == SUMMARY_ROWS_MAX && !summary_limited(summary, TABLE_PAIR),
	    "%d rows", SUMMARY_ROWS_MAX);
	add(summary, "Received: from a.y.example by b.example.net with SMTP" DATE "\n", "box", (int64_t)i);
	add(summary, "Received: from a.z.example by b.example.net with SMTP" DATE "\n", "box", (int64_t)i + 1);
	add(summary, "Received: from a.x7.example by b.example.net with SMTP" DATE "\n", "box", (int64_t)i + 2);
	ok(summary_rows(summary, TABLE_PAIR, &row) == SUMMARY_ROWS_MAX + 1 && summary_limited(summary, TABLE_PAIR) &&
	    *row[0].key == '\0' && row_total(&row[0]) == 2, "two more: counted without a name, and it is said");
	ok(row_total(row_of(summary, TABLE_PAIR, "x7.example example.net")) == 2, "a row that is there still counts");
	ok(summary_worst(summary, &worst) == SUMMARY_WORST_MAX, "%d of the worst", SUMMARY_WORST_MAX);
	snprintf(id, sizeof(id), "<%d>", SUMMARY_WORST_MAX - 1);
	ok(strcmp(worst[0].message_id, "<0>") == 0 && strcmp(worst[SUMMARY_WORST_MAX - 1].message_id, id) == 0,
	    "of equal ones the first");
	summary_free(summary);
}

int
main(void)
{
	settings.dialects = dialects_new();
	arena = arena_new();
	plan_no_plan();
	test_counts();
	test_limits();
	dialects_free(settings.dialects);
	arena_free(arena);
	return exit_status();
}
