/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * svg.c - the path as a picture: a lane for each administrative domain, a box
 * for each host, an arrow for each hop with its verdict, version, suite, group
 * and delay beside it.
 *
 * A verdict is told by its word, its symbol and the dashes of its line, and by
 * colour besides.  What is only claimed, and what only the report says, has a
 * broken outline and the word for it.  Geometry stands in attributes, for the
 * page's policy allows no style attribute.
 */
#include <string.h>

#include "html.h"

#define MARGIN	 12
#define LANE_MOST 216		/* the width of a lane; less where there are many */
#define LANE_LEAST 150
#define PAGE	 1094		/* what the page has room for without scrolling */
#define PAPER	 2200		/* what can be read when it is made to fit a sheet of A4 */
#define LANE_SLIM 30		/* where the hosts' names stand beside the lanes */
#define HEAD	 46		/* its head */
#define BOX_H	 40		/* a host */
#define STEP	 76		/* between two hosts: the arrow, three lines beside it */
#define STEP_SLIM 64
#define LABEL	 390		/* the column of what is said about the hops */
#define LABEL_SLIM 470		/* and about the hosts */
#define INDENT	 18		/* of hops, there */
#define COLUMN	 8		/* of a host's name, at most */
#define LABEL_COLUMNS	 50
#define NAME_COLUMNS	 31	/* of a host beside its address, there */
#define IP_COLUMNS	 24
#define HEAD_COLUMNS	 28	/* of a domain's name on end, at most */

/* The picture at hand.  Where its lanes would be narrower than LANE_LEAST they are
 * slim: the domains' names stand on end, and those of the hosts beside the lanes. */
static int slim, lane_width, box_width, box_height, between, head;
static size_t name_columns;

const char *const verdict_dashes[] = { "1 4", "", "14 3", "9 4 2 4", "6 4", "2 5" };
static const int verdict_widths[] = { 2, 4, 3, 2, 3, 3 };

void
svg_symbols(FILE *out)
{
	static const char *const shapes[] = {
		/* local: a house */
		"<path d=\"M4 12 12 5l8 7M6.5 10.5V19h11v-8.5\" fill=\"none\" stroke=\"currentColor\" "
		"stroke-width=\"2.2\" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>",
		/* strong: a disc with a check mark */
		"<circle cx=\"12\" cy=\"12\" r=\"10\" fill=\"currentColor\"/><path d=\"m7 12.4 3.5 3.4L17 "
		"8.8\" class=\"cut\" fill=\"none\" stroke-width=\"2.6\" stroke-linecap=\"round\" "
		"stroke-linejoin=\"round\"/>",
		/* tls: a disc, half of it filled */
		"<circle cx=\"12\" cy=\"12\" r=\"9\" fill=\"none\" stroke=\"currentColor\" "
		"stroke-width=\"2.2\"/><path d=\"M12 3a9 9 0 0 0 0 18z\" fill=\"currentColor\"/>",
		/* unknown: a question mark in a broken ring */
		"<circle cx=\"12\" cy=\"12\" r=\"9.5\" fill=\"none\" stroke=\"currentColor\" "
		"stroke-width=\"2\" stroke-dasharray=\"4 3\"/><path d=\"M9.3 9.6c.3-3.6 5.7-3.4 5.4.1-.2 "
		"2-2.7 2-2.7 4.2\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.2\" "
		"stroke-linecap=\"round\"/><circle cx=\"12\" cy=\"17\" r=\"1.5\" fill=\"currentColor\"/>",
		/* weak: a triangle with an exclamation mark */
		"<path d=\"M12 3 22 20.5H2z\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"2.2\" "
		"stroke-linejoin=\"round\"/><path d=\"M12 9v5.4\" stroke=\"currentColor\" "
		"stroke-width=\"2.4\" stroke-linecap=\"round\"/><circle cx=\"12\" cy=\"17.4\" r=\"1.4\" "
		"fill=\"currentColor\"/>",
		/* clear: a square with a cross */
		"<rect x=\"2.5\" y=\"2.5\" width=\"19\" height=\"19\" rx=\"3\" fill=\"currentColor\"/>"
		"<path d=\"m8 8 8 8m0-8-8 8\" class=\"cut\" stroke-width=\"2.6\" stroke-linecap=\"round\"/>",
	};
	size_t i;

	fputs("<svg class=\"symbols\" aria-hidden=\"true\" width=\"0\" height=\"0\">", out);
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		fprintf(out, "<symbol id=\"s-%s\" viewBox=\"0 0 24 24\">%s</symbol>",
		    verdict_names[i], shapes[i]);
	fputs("</svg>\n", out);
}

static int
lane_middle(size_t lane)
{
	return MARGIN + (int)lane * lane_width + lane_width / 2;
}

/* Room for the longest name on end. */
static int
head_height(const struct picture *picture)
{
	size_t i, most = 14;	/* "no public name" */

	for (i = 0; i < picture->nlane; i++)
		most = picture->lane[i].shown.n > most ? picture->lane[i].shown.n : most;
	return 24 + COLUMN * (int)(most < HEAD_COLUMNS ? most : HEAD_COLUMNS);
}

static void
title(FILE *out, struct deep_str text)
{
	fputs("<title>", out);
	html_plain(out, text, 400);
	fputs("</title>", out);
}

static void
lanes(FILE *out, const struct picture *picture, int height)
{
	size_t i;

	for (i = 0; i < picture->nlane; i++) {
		const char *name = picture->lane[i].name;
		struct deep_str shown = picture->lane[i].shown;
		int x = MARGIN + (int)i * lane_width, middle = x + lane_width / 2;

		fprintf(out, "<g class=\"lane%s\" data-lane=\"", i % 2 == 1 ? " other" : "");
		html_plain(out, deep_str(name), 0);
		fprintf(out, "\"><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"8\"/>"
		    "<text class=\"head\" ", x + 3, MARGIN, lane_width - 6, height - 2 * MARGIN);
		if (slim)
			fprintf(out, "transform=\"translate(%d %d) rotate(-90)\">", middle + 5, head - 2);
		else
			fprintf(out, "x=\"%d\" y=\"%d\" text-anchor=\"middle\">", middle, MARGIN + 28);
		title(out, deep_str(*name != '\0' ? name : "hosts without a public name"));
		html_name(out, shown.n > 0 ? shown : deep_str("no public name"),
		    slim ? HEAD_COLUMNS : name_columns);
		fputs("</text></g>\n", out);
	}
}

static void
host(FILE *out, const struct stop *stop, size_t n, int y, int right)
{
	int middle = lane_middle(stop->lane), x = slim ? right + 30 : middle;
	size_t most = slim ? NAME_COLUMNS : name_columns;
	const char *anchor = slim ? "" : " text-anchor=\"middle\"";
	int both = stop_has_ip(stop);

	fprintf(out, "<g class=\"host\" data-stop=\"%zu\">", n);
	title(out, stop->name.p != NULL ? stop->name : deep_str("no name is recorded"));
	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\"%s/>",
	    middle - box_width / 2, y, box_width, box_height,
	    stop->name.p == NULL ? " stroke-dasharray=\"4 3\"" : "");
	if (slim)
		fprintf(out, "<path class=\"leader\" d=\"M%d %dH%d\" fill=\"none\"/>", middle + box_width / 2 + 4,
		    y + box_height / 2, right + 22);
	fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%d\"%s>", x, y + box_height / 2 + (both && !slim ? -3 : 5),
	    anchor);
	html_name(out, stop->name.p != NULL ? stop->name : deep_str("not recorded"), most);
	if (both && slim) {
		fputs("<tspan class=\"small rest\" dx=\"8\">", out);
		html_name(out, stop->ip, IP_COLUMNS);
		fputs("</tspan>", out);
	}
	fputs("</text>", out);
	if (both && !slim) {
		fprintf(out, "<text class=\"small\" x=\"%d\" y=\"%d\"%s>", x, y + box_height / 2 + 12, anchor);
		html_name(out, stop->ip, most + 2);
		fputs("</text>", out);
	}
	fputs("</g>\n", out);
}

/* The line from one host down to the next, with its head. */
static void
line(FILE *out, const char *class, const char *dashes, int width, int x1, int y1, int x2, int y2)
{
	int half = (y1 + y2) / 2, turn = x2 > x1 ? 8 : -8, tip = y2 - 2, neck = y2 - 10;

	fprintf(out, "<path class=\"%s\" fill=\"none\" stroke-width=\"%d\"", class, width);
	if (*dashes != '\0')
		fprintf(out, " stroke-dasharray=\"%s\"", dashes);
	if (x1 == x2)
		fprintf(out, " d=\"M%d %dV%d\"/>", x1, y1, neck);
	else
		fprintf(out, " d=\"M%d %dV%dQ%d %d %d %dH%dQ%d %d %d %dV%d\"/>", x1, y1, half - 8, x1,
		    half, x1 + turn, half, x2 - turn, x2, half, x2, half + 8, neck);
	fprintf(out, "<path class=\"tip\" d=\"M%d %dl-6 -10h12z\"/>", x2, tip);
}

static void
label_line(FILE *out, int x, int y, const char *class)
{
	fprintf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", class, x, y);
}

static void
hop_label(FILE *out, const struct hop *hop, size_t n, int x, int y)
{
	struct deep_str suite = suite_shown(hop), group = group_shown(hop);
	const char *dot = "";
	char took[32], how[64];

	x += slim ? INDENT : 0;
	protection(how, sizeof(how), hop);
	label_line(out, x + 30, y - 13, "verdict");
	fprintf(out, "%zu %s<tspan class=\"rest\"> \302\267 %s", n, verdict_names[hop->verdict], how);
	if (hop->has_delay) {
		duration(took, sizeof(took), hop->delay);
		fprintf(out, " \302\267 %s%s", hop->delay >= 0 ? "+" : "", took);
	}
	fputs("</tspan></text>", out);
	label_line(out, x + 30, y + 4, "suite");
	if (suite.p != NULL) {
		html_name(out, suite, LABEL_COLUMNS);
	} else if (hop->with.p != NULL) {
		fputs("protocol ", out);
		html_plain(out, hop->with, LABEL_COLUMNS - 10);
	}
	fputs("</text>", out);
	label_line(out, x + 30, y + 21, "small");
	if (group.p != NULL) {
		fputs("group ", out);
		html_plain(out, group, 24);
		dot = " \302\267 ";
	}
	if (hop->bits > 0) {
		fprintf(out, "%s%d bits", dot, hop->bits);
		dot = " \302\267 ";
	}
	if (hop->evidence == EVIDENCE_WITH) {
		fprintf(out, "%sby the protocol word only", dot);
		dot = " \302\267 ";
	} else if (hop->evidence == 0 && hop->verdict != VERDICT_LOCAL) {
		fprintf(out, "%snothing recorded", dot);
		dot = " \302\267 ";
	}
	if (only_claimed(hop))
		fprintf(out, "%sonly a claim", dot);
	fputs("</text>", out);
}

static void
badge(FILE *out, const struct hop *hop, int x, int y)
{
	fprintf(out, "<circle class=\"badge\" cx=\"%d\" cy=\"%d\" r=\"14\"/>", x, y);
	if (only_claimed(hop))
		fprintf(out, "<circle class=\"claim\" cx=\"%d\" cy=\"%d\" r=\"17\" fill=\"none\" "
		    "stroke-width=\"1.5\" stroke-dasharray=\"3 3\"/>", x, y);
	fprintf(out, "<use href=\"#s-%s\" x=\"%d\" y=\"%d\" width=\"22\" height=\"22\"/>",
	    verdict_names[hop->verdict], x - 11, y - 11);
}

static void
arrow(FILE *out, const struct hop *hop, size_t n, const struct step *step, int x1, int y1, int x2,
    int y2, int right)
{
	int half = (y1 + y2) / 2, widest = x1 > x2 ? x1 : x2;

	fprintf(out, "<g class=\"hop v-%s%s\" data-hop=\"%zu\" data-from=\"%zu\" data-to=\"%zu\">",
	    verdict_names[hop->verdict], only_claimed(hop) ? " claimed" : "", n, step->from, step->to);
	fprintf(out, "<path class=\"leader\" d=\"M%d %dH%d\" fill=\"none\"/>", widest + 18, half,
	    right + 22);
	line(out, "arrow", verdict_dashes[hop->verdict], verdict_widths[hop->verdict], x1, y1, x2, y2);
	badge(out, hop, (x1 + x2) / 2, half);
	hop_label(out, hop, n, right, half);
	fputs("</g>\n", out);
}

/* What the report says of the end, which no field of the path shows. */
static void
end(FILE *out, const struct analysis *a, const struct stop *last, int y, int right)
{
	const struct recipient *rcpt = a->dsn.rcpt;
	int x = lane_middle(last->lane), half = y + between / 2, box = y + between + box_height / 2;

	fputs("<g class=\"end\">", out);
	fprintf(out, "<path class=\"leader\" d=\"M%d %dH%d\" fill=\"none\"/>", x + 18, half, right + 22);
	line(out, "arrow", "1 6", 3, x, y, x, y + between);
	fprintf(out, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"%d\" stroke-dasharray=\"3 4\"/>",
	    x - box_width / 2, y + between, box_width, box_height, box_height / 2);
	if (slim)
		fprintf(out, "<path class=\"leader\" d=\"M%d %dH%d\" fill=\"none\"/>", x + box_width / 2 + 4, box,
		    right + 22);
	fprintf(out, "<text class=\"name\" x=\"%d\" y=\"%d\"%s>", slim ? right + 30 : x, box + 5,
	    slim ? "" : " text-anchor=\"middle\"");
	html_name(out, rcpt->action.p != NULL ? rcpt->action : deep_str("no action said"),
	    slim ? LABEL_COLUMNS : name_columns);
	fputs("</text>", out);
	label_line(out, right + 30, half - 4, "verdict");
	fputs("said by the report only</text>", out);
	label_line(out, right + 30, half + 13, "small");
	html_name(out, rcpt->final.p != NULL ? rcpt->final : rcpt->original, LABEL_COLUMNS - 4);
	if (a->dsn.nrcpt > 1)
		fprintf(out, " and %zu more", a->dsn.nrcpt - 1);
	fputs("</text></g>\n", out);
}

void
svg_path(FILE *out, const struct analysis *a, const char *id)
{
	const struct path *path = &a->path;
	struct picture picture;
	int has_end = a->is_dsn && a->dsn.nrcpt > 0, begins, room, width, height, right, y, y_from = 0, x_from;
	size_t i, shown = 0;
	char summary[256];

	picture_make(&picture, path, a->arena);
	if (picture.nstop == 0)
		return;
	begins = picture.step[0].from == picture.step[0].to;
	room = (PAGE - LABEL - MARGIN - 8) / (int)picture.nlane;
	slim = room < LANE_LEAST;
	room = slim ? (PAGE - LABEL_SLIM - MARGIN - 8) / (int)picture.nlane : room;
	lane_width = room > LANE_MOST ? LANE_MOST : room < LANE_SLIM ? LANE_SLIM : room > 80 && slim ? 80 : room;
	box_width = !slim ? lane_width - 20 : lane_width < 50 ? 22 : 36;
	box_height = slim ? 24 : BOX_H;
	between = slim ? STEP_SLIM : STEP;
	head = slim ? head_height(&picture) : HEAD;
	name_columns = (size_t)(box_width - 4) / COLUMN;
	right = MARGIN + (int)picture.nlane * lane_width + 8;
	width = right + (slim ? LABEL_SLIM : LABEL);
	height = 2 * MARGIN + head + box_height + (int)(picture.nstop - 1) * (between + box_height) + 10 +
	    (begins ? between : 0) + (has_end ? between + box_height : 0);
	hops_summary(summary, sizeof(summary), path);
	fprintf(out, "<svg class=\"path%s\" role=\"img\" aria-labelledby=\"%s-t %s-d\" width=\"%d\" "
	    "height=\"%d\" viewBox=\"0 0 %d %d\" xmlns=\"http://www.w3.org/2000/svg\">\n"
	    "<title id=\"%s-t\">The path of the message</title><desc id=\"%s-d\">%s over %zu "
	    "administrative domain%s. The table of hops below has all that is drawn here.</desc>\n",
	    height > PAPER ? " long" : "", id, id, width, height, width, height, id, id, summary, picture.nlane,
	    picture.nlane == 1 ? "" : "s");
	lanes(out, &picture, height);
	y = MARGIN + head;
	x_from = lane_middle(picture.stop[0].lane);
	if (begins) {
		fprintf(out, "<circle class=\"start\" cx=\"%d\" cy=\"%d\" r=\"6\"/>\n", x_from, y + 6);
		arrow(out, &path->hop[0], 1, &picture.step[0], x_from, y + 12, x_from, y + between, right);
		y += between;
	}
	for (i = begins ? 1 : 0; i <= path->nhop; i++) {
		/* the hosts up to the one that this hop begins at */
		size_t until = i < path->nhop ? picture.step[i].from : picture.nstop - 1;

		for (; shown <= until; shown++) {
			const struct stop *stop = &picture.stop[shown];
			int x = lane_middle(stop->lane);

			if (stop->gap) {
				fputs("<g class=\"gap\">", out);
				line(out, "arrow", "3 6", 2, x_from, y_from, x, y);
				label_line(out, right + 30, (y_from + y) / 2 + 4, "small");
				fputs("gap: no record of what is between</text></g>\n", out);
			}
			host(out, stop, shown, y, right);
			x_from = x;
			y_from = y + box_height;
			y += box_height + between;
		}
		if (i < path->nhop)
			arrow(out, &path->hop[i], i + 1, &picture.step[i], x_from, y_from,
			    lane_middle(picture.stop[picture.step[i].to].lane), y, right);
	}
	if (has_end)
		end(out, a, &picture.stop[picture.nstop - 1], y_from, right);
	fputs("</svg>\n", out);
}
