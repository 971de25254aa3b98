/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dot.c - the path as a graph in the DOT language of Graphviz, one graph a
 * message: a cluster for each administrative domain, a node for each host, an
 * edge for each hop.
 *
 *	string = DQUOTE *( character / "\\" DQUOTE / "\\\\" ) DQUOTE
 *
 * Graphviz reads references such as &lt; inside a string, and escapes such as
 * \N: ampersands and backslashes are written so that they stand for themselves.
 * Never writes a string of HTML (< ... >).
 */
#include <string.h>

#include "analyzer.h"
#include "utf8.h"

static void
text(FILE *out, struct deep_str s)
{
	size_t i, n;

	for (i = 0; i < s.n && i < 200; i += n > 0 ? n : 1) {
		uint32_t point = 0;

		n = utf8_next(s.p + i, s.n - i, &point);
		if (n == 0)
			fprintf(out, "[0x%02X]", (unsigned char)s.p[i]);
		else if (utf8_is_hostile(point))
			fprintf(out, "[U+%04X]", (unsigned)point);
		else if (point == '"' || point == '\\')
			fprintf(out, "\\%c", (char)point);
		else if (point == '&')
			fputs("&amp;", out);
		else if (point == '<')
			fputs("&lt;", out);
		else if (point == '>')
			fputs("&gt;", out);
		else
			fwrite(s.p + i, 1, n, out);
	}
	if (i < s.n)
		fputs("...", out);
}

static void
show_step(FILE *out, const struct picture *picture, const struct hop *hop, size_t n)
{
	/* dotted, dashed, bold: told apart without colour */
	static const char *const looks[] = {
		"style=solid, arrowhead=odot", "style=bold, arrowhead=normal",
		"style=solid, arrowhead=normal", "style=dashed, arrowhead=odiamond",
		"style=dashed, arrowhead=tee", "style=dotted, arrowhead=box"
	};
	struct deep_str suite = suite_shown(hop), group = group_shown(hop);
	const struct step *step = &picture->step[n - 1];
	char how[64], took[32];

	protection(how, sizeof(how), hop);
	if (step->from == step->to)
		fprintf(out, "\tbegin [shape=point];\n\tbegin -> h%zu", step->to);
	else
		fprintf(out, "\th%zu -> h%zu", step->from, step->to);
	/* blanks, and lines that begin at the left: beside the arrow and not on it */
	fprintf(out, " [%s, label=\"  %zu %s\\l  %s", looks[hop->verdict], n, verdict_names[hop->verdict],
	    how);
	if (hop->has_delay) {
		duration(took, sizeof(took), hop->delay);
		fprintf(out, ", %s", took);
	}
	if (suite.p != NULL) {
		fputs("\\l  ", out);
		text(out, suite);
	}
	if (group.p != NULL) {
		fputs(" ", out);
		text(out, group);
	}
	if (only_claimed(hop))
		fputs("\\l  (only a claim)", out);
	fputs("\\l\"];\n", out);
}

static void
show(FILE *out, const struct analysis *a)
{
	struct picture picture;
	size_t i, k;

	picture_make(&picture, &a->path, a->arena);
	fputs("digraph path {\n\tlabel=\"", out);
	text(out, a->message_id.p != NULL ? a->message_id : deep_str(a->source->file));
	fprintf(out, ": %s%s\";\n\tnode [shape=box, fontname=\"sans-serif\"];\n"
	    "\tgraph [fontname=\"sans-serif\"];\n\tedge [fontname=\"sans-serif\", fontsize=11];\n", verdict_names[a->path.verdict],
	    a->path.complete ? "" : ", incomplete");
	for (k = 0; k < picture.nlane; k++) {
		struct deep_str name = picture.lane[k].shown;

		fprintf(out, "\tsubgraph cluster_%zu {\n\t\tlabel=\"", k);
		text(out, name.n > 0 ? name : deep_str("no public name"));
		fputs("\";\n", out);
		for (i = 0; i < picture.nstop; i++) {
			if (picture.stop[i].lane != k)
				continue;
			fprintf(out, "\t\th%zu [label=\"", i);
			text(out, picture.stop[i].name.p != NULL ? picture.stop[i].name :
			    deep_str("not recorded"));
			fputs("\"];\n", out);
		}
		fputs("\t}\n", out);
	}
	for (i = 0; i < picture.nstop; i++) {
		if (picture.stop[i].gap)
			fprintf(out, "\th%zu -> h%zu [style=dotted, dir=none, label=\"gap\"];\n", i - 1, i);
	}
	for (i = 0; i < a->path.nhop; i++)
		show_step(out, &picture, &a->path.hop[i], i + 1);
	fputs("}\n", out);
}

const struct output output_dot = { .name = "dot", .show = show };
