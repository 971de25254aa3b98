/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * picture.c - tests of the model behind the pictures (lanes, stops, steps, gaps)
 * and of the sentences of words.in.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer.h"
#include "tap.h"

#define DATE	"; Mon, 2 Nov 2026 10:00:00 +0000\n"

static struct dialects *dialects;
static struct arena *arena;

/* "0>1 1>2 [2]" : steps by their stops, a gap's stop in brackets, and lanes */
static const struct path_row {
	const char	*name, *header, *steps, *lanes;
} paths[] = {
	{ "one hop", "Received: from a.example.org by b.example.net with SMTP" DATE,
	  "0>1 ", "example.org,example.net," },
	{ "a host of the same domain shares its lane",
	  "Received: from b.example.net by c.example.net with SMTP" DATE
	  "Received: from a.example.org by b.example.net with SMTP" DATE,
	  "0>1 1>2 ", "example.org,example.net," },
	{ "a gap has a stop of its own",
	  "Received: from x.example.com by c.example.net with SMTP" DATE
	  "Received: from a.example.org by b.example.net with SMTP" DATE,
	  "0>1 [2]2>3 ", "example.org,example.net,example.com," },
	{ "it began on its first host",
	  "Received: from a.example.org by b.example.net with SMTP" DATE
	  "Received: by a.example.org (Postfix, from userid 1000) id 1" DATE,
	  "0>0 0>1 ", "example.org,example.net," },
	{ "an address has no name, but its name in the DNS has one",
	  "Received: from [192.0.2.1] (mx.example.org [192.0.2.1]) by b.example.net with SMTP" DATE,
	  "0>1 ", "example.org,example.net," },
	{ "no name at all", "Received: from [192.0.2.1] by b.example.net with SMTP" DATE,
	  "0>1 ", ",example.net," },
	{ "a local hop stays in its lane",
	  "Received: from localhost (localhost [127.0.0.1]) by filter with ESMTP" DATE
	  "Received: from a.example.org by b.example.net with SMTP" DATE,
	  "0>1 1>2 ", "example.org,example.net," },
	{ "nothing", "Subject: x\n", "", "" },
};

static void
test_paths(void)
{
	size_t i, k;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char steps[256] = "", lanes[256] = "", text[32];
		struct picture picture;
		struct path path;

		path_read(&path, deep_str(paths[i].header), NULL, NULL, dialects, arena);
		picture_make(&picture, &path, arena);
		for (k = 0; k < path.nhop && picture.nstop > 0; k++) {
			const struct step *step = &picture.step[k];

			if (picture.stop[step->from].gap) {
				snprintf(text, sizeof(text), "[%zu]", step->from);
				strlcat(steps, text, sizeof(steps));
			}
			snprintf(text, sizeof(text), "%zu>%zu ", step->from, step->to);
			strlcat(steps, text, sizeof(steps));
		}
		for (k = 0; k < picture.nlane; k++) {
			strlcat(lanes, picture.lane[k].name, sizeof(lanes));
			strlcat(lanes, ",", sizeof(lanes));
		}
		is(steps, paths[i].steps, "%s: steps", paths[i].name);
		is(lanes, paths[i].lanes, "%s: lanes", paths[i].name);
		arena_reset(arena);
	}
}

static void
test_longest(void)
{
	char *header = malloc(RECEIVED_MAX * 100 + 1), *p = header;
	struct picture picture;
	struct path path;
	size_t i;

	if (header == NULL)
		abort();
	for (i = 0; i < RECEIVED_MAX; i++)
		p += snprintf(p, 100, "Received: from a.x%zu.example by b.y%zu.example with SMTP" DATE, i, i);
	path_read(&path, deep_str(header), NULL, NULL, dialects, arena);
	picture_make(&picture, &path, arena);
	ok(path.nhop == RECEIVED_MAX && picture.nstop == 2 * RECEIVED_MAX &&
	    picture.nlane == 2 * RECEIVED_MAX, "the longest path with a gap at each hop");
	arena_reset(arena);
	free(header);
}

static void
test_words(void)
{
	struct path path;
	char buf[256];
	size_t i;
	int all = 1;

	for (i = 0; i < FLAGS; i++)
		all = all && flag_sentence(flag_names[i]) != NULL;
	ok(all, "each flag has a sentence");
	for (i = VERDICT_LOCAL; i <= VERDICT_CLEAR; i++)
		all = all && verdict_sentence((enum verdict)i) != NULL;
	ok(all, "each verdict has one");
	ok(flag_sentence("frob") == NULL && why_sentence("") == NULL, "no other word has one");

	path_read(&path, deep_str(
	    "Received: from a.example.org by b.example.net with SMTP" DATE
	    "Received: by a.example.org (Postfix, from userid 1000) id 1" DATE), NULL, NULL, dialects, arena);
	hops_summary(buf, sizeof(buf), &path);
	is(buf, "2 hops: 1 clear, 1 local", "hops by verdict");
	path_sentence(buf, sizeof(buf), &path);
	is(buf, "1 of 1 hop over a network is recorded as not encrypted.", "a path in a sentence");
	path_lacks(&path, "gap");
	path_sentence(buf, sizeof(buf), &path);
	is(buf, "1 of 1 hop over a network is recorded as not encrypted. The record is incomplete.",
	    "and incomplete");
	duration(buf, sizeof(buf), 119);
	is(buf, "119 s", "119 s");
	duration(buf, sizeof(buf), 120);
	is(buf, "2 min", "2 min");
	duration(buf, sizeof(buf), -7200);
	is(buf, "-2 h", "-2 h");
	duration(buf, sizeof(buf), 172800);
	is(buf, "2 d", "2 d");
	arena_reset(arena);
}

int
main(void)
{
	dialects = dialects_new();
	arena = arena_new();
	plan_no_plan();
	test_paths();
	test_longest();
	test_words();
	dialects_free(dialects);
	arena_free(arena);
	return exit_status();
}
