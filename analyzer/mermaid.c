/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * mermaid.c - the path as a flowchart of Mermaid: a subgraph for each
 * administrative domain, a node for each host, a link for each hop.  All messages
 * of a run are in one chart, for a text of Mermaid holds one.
 *
 *	node = id "[" DQUOTE text DQUOTE "]"
 *	link = id arrow "|" DQUOTE text DQUOTE "|" id
 *	text = *( ALPHA / DIGIT / SP / "." / "-" / "_" / "#" 1*DIGIT ";" )
 *
 * All but these characters is written by its number, so that no text is taken
 * for the grammar, for Markdown or for HTML.
 */
#include <string.h>

#include "analyzer.h"
#include "utf8.h"

static unsigned long messages;		/* of this run */

static void
text(FILE *out, struct deep_str s)
{
	size_t i, n;

	for (i = 0; i < s.n && i < 200; i += n > 0 ? n : 1) {
		uint32_t point = 0;
		unsigned char c = (unsigned char)s.p[i];

		n = utf8_next(s.p + i, s.n - i, &point);
		if (n == 0)
			fprintf(out, "0x%02X", c);
		else if (utf8_is_hostile(point))
			fprintf(out, "U-%04X", (unsigned)point);
		else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == ' ' || c == '.' || c == '-' || c == '_')
			putc(c, out);
		else
			fprintf(out, "#%u;", (unsigned)point);
	}
	if (i < s.n)
		fputs("...", out);
}

static void
show_step(FILE *out, const struct picture *picture, const struct hop *hop, size_t n)
{
	/* thick, normal and dotted lines; heads: arrow, circle, cross */
	static const char *const arrows[] = { "---", "==>", "-->", "-.-", "-.->", "-.-x" };
	struct deep_str suite = suite_shown(hop), group = group_shown(hop);
	const struct step *step = &picture->step[n - 1];
	char how[64], took[32];

	protection(how, sizeof(how), hop);
	if (step->from == step->to)
		fprintf(out, "    m%lub((\" \")) %s", messages, arrows[hop->verdict]);
	else
		fprintf(out, "    m%luh%zu %s", messages, step->from, arrows[hop->verdict]);
	fprintf(out, "|\"%zu %s #183; ", n, verdict_names[hop->verdict]);
	text(out, deep_str(how));
	if (suite.p != NULL) {
		fputs(" #183; ", out);
		text(out, suite);
	}
	if (group.p != NULL) {
		fputs(" #183; ", out);
		text(out, group);
	}
	if (hop->has_delay) {
		duration(took, sizeof(took), hop->delay);
		fprintf(out, " #183; %s", took);
	}
	if (only_claimed(hop))
		fputs(" #183; only a claim", out);
	fprintf(out, "\"| m%luh%zu\n", messages, step->to);
}

static void
show(FILE *out, const struct analysis *a)
{
	struct picture picture;
	size_t i, k;

	messages++;
	picture_make(&picture, &a->path, a->arena);
	for (k = 0; k < picture.nlane; k++) {
		struct deep_str name = picture.lane[k].shown;

		fprintf(out, "    subgraph m%lud%zu [\"", messages, k);
		text(out, name.n > 0 ? name : deep_str("no public name"));
		fputs("\"]\n", out);
		for (i = 0; i < picture.nstop; i++) {
			if (picture.stop[i].lane != k)
				continue;
			fprintf(out, "        m%luh%zu[\"", messages, i);
			text(out, picture.stop[i].name.p != NULL ? picture.stop[i].name :
			    deep_str("not recorded"));
			fputs("\"]\n", out);
		}
		fputs("    end\n", out);
	}
	for (i = 0; i < picture.nstop; i++) {
		if (picture.stop[i].gap)
			fprintf(out, "    m%luh%zu -.-|\"gap\"| m%luh%zu\n", messages, i - 1, messages, i);
	}
	for (i = 0; i < a->path.nhop; i++)
		show_step(out, &picture, &a->path.hop[i], i + 1);
	if (picture.nstop == 0)
		fprintf(out, "    m%lun[\"no Received chain\"]\n", messages);
}

static void
begin(FILE *out)
{
	messages = 0;
	fputs("flowchart TB\n", out);
}

const struct output output_mermaid = { .name = "mermaid", .show = show, .begin = begin };
