/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * form.c - a Received field whose form is known gives what it gives when it is read in
 * full: for each dialect, and where a word in an open place could say something.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hops.h"
#include "tap.h"

static struct dialects *used, *fresh;
static struct arena *arena;

static const char *const examples[] = {
#define DIALECT(name, mta, place, head, says, pattern, example, v, s, b, g, c)	example,
#include "dialects.in"
#undef DIALECT
};

/* Whether the form of the text is known, by who has read others. */
static int
is_known(const char *text)
{
	struct hop hop;

	return form_read(dialects_forms(used), deep_str(text), used, &hop);
}

static void
check(const char *text)
{
	struct hop hop, other;
	const char *what;

	hop_read(&hop, deep_str(text), used, arena);
	forms_forget(dialects_forms(fresh));
	hop_read(&other, deep_str(text), fresh, arena);
	if (other.dialect != NULL && hop.dialect != NULL && strcmp(hop.dialect, other.dialect) == 0)
		other.dialect = hop.dialect;
	what = hops_differ(&hop, &other);
	ok(what == NULL, "%.60s: as read in full%s%s", text, what == NULL ? "" : ", but for ",
	    what == NULL ? "" : what);
}

/* Other hosts, addresses and times in the same words. */
static const char *
replaced(const char *text)
{
	static const struct { const char *old, *new; } words[] = {
		{ "a.example.net", "mx17.example.com" }, { "b.example.net", "in-2.example.org" },
		{ "192.0.2.1", "203.0.113.77" }, { "id 4A", "id 9C77B2" },
		{ "user@example.org", "somebody-else@example.net" }, { "10:00:00", "23:59:58" },
	};
	static char buf[2048];
	size_t i, n = 0;

	while (*text != '\0' && n < sizeof(buf) - 64) {
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strncmp(text, words[i].old, strlen(words[i].old)) == 0)
				break;
		}
		if (i < sizeof(words) / sizeof(words[0])) {
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s", words[i].new);
			text += strlen(words[i].old);
		} else {
			buf[n++] = *text++;
		}
	}
	buf[n] = '\0';
	return buf;
}

static void
test_dialects(void)
{
	size_t i, known = 0, n = sizeof(examples) / sizeof(examples[0]);

	for (i = 0; i < n; i++) {
		forms_forget(dialects_forms(used));
		check(examples[i]);
		known += is_known(replaced(examples[i])) != 0;
		check(replaced(examples[i]));
	}
	cmp_ok(known, >, n * 3 / 4, "of %zu dialects %zu have a form", n, known);
	for (i = 0; i < n; i++)			/* all of them known at once */
		check(examples[i]);
}

/* A field, and others that stand in its form or nearly do. */
static void
test_places(void)
{
#define DATE	"; Mon, 2 Nov 2026 10:00:00 +0000"
	static const struct { const char *first, *other; int known; } cases[] = {
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from x.example.net (y.example.net [192.0.2.255]) by z.example.net with SMTP id 2; "
		    "Tue, 3 Nov 2026 11:00:00 -0500", 1 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from x.example.net (y.example.net [192.0.2.256]) by z.example.net with SMTP id 2" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from x.example.net (y.example.net [127.0.0.1]) by z.example.net with SMTP id 2" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from x.example.net (192.0.2.7 [192.0.2.1]) by z.example.net with SMTP id 2" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from localhost (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id for" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 2026-11-02" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with ESMTPS id 1" DATE, 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1; yesterday", 0 },
		{ "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (a.example.net [192.0.2.1]) by b.example.net with SMTP id 1" DATE " (UTC)", 0 },
		{ "from a.example.net ([IPv6:2001:db8::1]) by b.example.net with SMTP id 1" DATE,
		    "from b.example.net ([IPv6:2001:db8::2:3]) by c.example.net with SMTP id 3.4" DATE, 0 },
		{ "from a.example.net ([IPv6:2001:db8::1]) by b.example.net with SMTP id 1" DATE,
		    "from b.example.net ([IPv6:2001:db8::2:3]) by c.example.net with SMTP id 34" DATE, 1 },
		{ "from a.example.net ([IPv6:2001:db8::1]) by b.example.net with SMTP id 1" DATE,
		    "from b.example.net ([IPv6:2001:db8::1::]) by c.example.net with SMTP id 34" DATE, 0 },
		{ "from a.example.net ([IPv6:2001:db8::1]) by b.example.net with SMTP id 1" DATE,
		    "from b.example.net ([IPv6:::ffff:127.0.0.1]) by c.example.net with SMTP id 34" DATE, 0 },
		/* the same machine */
		{ "from a.example.net by b.example.net with SMTP id 1" DATE,
		    "from c.example.net by C.example.net with SMTP id 1" DATE, 0 },
		{ "from a.example.net by b.example.net with SMTP id 1" DATE,
		    "from 127.0.0.1 by c.example.net with SMTP id 1" DATE, 0 },
		/* a row may match in an open place */
		{ "from a.example.net (x1.example.net) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (TLS1.3) by b.example.net with SMTP id 1" DATE, 0 },
		{ "from a.example.net by b.example.net (v.1) with SMTP id 1" DATE,
		    "from a.example.net by b.example.net (Tls12.) with SMTP id 1" DATE, 0 },
		/* words of clauses that say something */
		{ "from a.example.net by b.example.net with SMTP.1 id 1" DATE,
		    "from a.example.net by b.example.net with SMTP.2 id 1" DATE, 0 },
		{ "from a.example.net by b.example.net with SMTP tls 0x1302 id 1" DATE,
		    "from a.example.net by b.example.net with SMTP tls 0x1301 id 1" DATE, 0 },
		{ "from a.example.net by b.example.net via 1.2 with SMTP id 1" DATE,
		    "from a.example.net by b.example.net via 1.3 with SMTP id 1" DATE, 0 },
		/* a date behind another mark, or none */
		{ "from a.example.net by b.example.net, 12.x with SMTP id 1" DATE,
		    "from a.example.net by b.example.net, 12.y with SMTP id 1" DATE, 0 },
		{ "from a.example.net by b.example.net with SMTP id 1" DATE,
		    "from a.example.net by b.example.net with SMTP id 1;" "(c) Mon, 2 Nov 2026 10:00:00 +0000", 0 },
		{ "from a.example.net (ident@[192.0.2.1]) by b.example.net with SMTP id 1" DATE,
		    "from a.example.net (x@y@[192.0.2.1]) by b.example.net with SMTP id 1" DATE, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		forms_forget(dialects_forms(used));
		check(cases[i].first);
		is_int(is_known(cases[i].other), cases[i].known, "... %s is%s of its form", cases[i].other,
		    cases[i].known ? "" : " not");
		check(cases[i].other);
	}
}

/* The text with a fold in place of each blank of so many. */
static const char *
folded(const char *text, int each)
{
	static char buf[4096];
	size_t n = 0;
	int blanks = 0;

	for (; *text != '\0' && n < sizeof(buf) - 4; text++) {
		if (*text == ' ' && ++blanks % each == 0)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "\r\n\t ");
		else
			buf[n++] = *text;
	}
	buf[n] = '\0';
	return buf;
}

/* Folds are of the form; with others the field is as it would be without them. */
static void
test_folds(void)
{
	static const char field[] = "from a.example.net (a.example.net [192.0.2.1]) by b.example.net "
	    "(Postfix 3.4) with ESMTPS id 4A for <user@example.org>; Mon, 2 Nov 2026 10:00:00 +0000";
	size_t i;
	int each;

	for (each = 1; each < 12; each++) {
		forms_forget(dialects_forms(used));
		check(folded(field, each));
		ok(is_known(field), "of a folded field the form without folds is known");
		ok(is_known(folded(replaced(field), each)), "... and that with the same folds");
		check(folded(replaced(field), each));
		check(folded(replaced(field), each + 1));
		for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
			check(folded(examples[i], each));
	}
}

/* More forms than there is room for. */
static void
test_room(void)
{
	char text[256];
	struct hop hop;
	int i, wrong = 0, known = 0;

	forms_forget(dialects_forms(used));
	for (i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "from a.example.net by b.example.net (word%c%c%c) with "
		    "SMTP id 1; Mon, 2 Nov 2026 10:00:00 +0000", 'a' + i % 26, 'a' + i / 26 % 26, 'a' + i / 676);
		hop_read(&hop, deep_str(text), used, arena);
		wrong += hop.by.n != strlen("b.example.net") || hop.verdict != VERDICT_CLEAR;
		known += is_known(text) != 0;
		arena_reset(arena);
	}
	is_int(wrong, 0, "5000 forms are read");
	cmp_ok(known, >, 100, "... and kept, as far as there is room");
	cmp_ok(known, <, 5000, "... and no more learnt where they are of no use");
}

int
main(void)
{
	used = dialects_new();
	fresh = dialects_new();
	arena = arena_new();
	plan_no_plan();
	test_dialects();
	test_places();
	test_folds();
	test_room();
	arena_free(arena);
	dialects_free(used);
	dialects_free(fresh);
	return exit_status();
}
