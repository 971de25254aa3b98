/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * overview.c - the page about many messages: totals, hops by verdict over time,
 * the worst paths, pairs of domains with hops that are not strong, versions,
 * suites, and what is missing, each with a way to a message that shows it.
 *
 * Every figure counts all messages; only some are shown in full on the page, and
 * the page says how many.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"

#define ROWS_SHOWN	30	/* of a table */
#define MONTHS_SHOWN	48	/* bars; more are put together by year */
#define CHART_W		1100
#define CHART_H		230
#define CHART_LEFT	56
#define CHART_TOP	24

static const enum verdict order[] = { VERDICT_STRONG, VERDICT_TLS, VERDICT_UNKNOWN, VERDICT_WEAK,
    VERDICT_CLEAR, VERDICT_LOCAL };

/* "1 234 567" */
static void
number(FILE *out, uint64_t n)
{
	if (n >= 1000) {
		number(out, n / 1000);
		fprintf(out, "\342\200\257%03u", (unsigned)(n % 1000));
	} else {
		fprintf(out, "%u", (unsigned)n);
	}
}

static void
cell(FILE *out, uint64_t n)
{
	fputs("<td class=\"n\">", out);
	if (n == 0)
		putc('-', out);
	else
		number(out, n);
	fputs("</td>", out);
}

static void
percent(FILE *out, uint64_t part, uint64_t all)
{
	if (all > 0)
		fprintf(out, "%.1f %%", 100.0 * (double)part / (double)all);
	else
		putc('-', out);
}

/* Where a message is: a link where it is on the page. */
static void
place(FILE *out, const struct overview *view, const struct place_of *where, struct deep_str text)
{
	uint64_t n = view->find == NULL ? 0 : view->find(where->file, where->offset);

	if (where->file == NULL) {
		putc('-', out);
		return;
	}
	if (n > 0) {
		fprintf(out, "<a href=\"#m%" PRIu64 "\">", n);
		if (text.p != NULL)
			html_text(out, text, 60);
		else
			fprintf(out, "message %" PRIu64, n);
		fputs("</a>", out);
		return;
	}
	if (text.p != NULL) {
		html_text(out, text, 60);
		fputs("<br>", out);
	}
	fputs("<span class=\"note\">", out);
	html_text(out, deep_str(where->file), 80);
	fprintf(out, ", octet %lld</span>", (long long)where->offset);
}

static void
sum(struct summary *summary, enum table table, uint64_t n[VERDICTS])
{
	struct row *row;
	size_t rows = summary_rows(summary, table, &row), i, k;

	memset(n, 0, VERDICTS * sizeof(*n));
	for (i = 0; i < rows; i++)
		for (k = 0; k < VERDICTS; k++)
			n[k] += row[i].n[k];
}

static uint64_t
total_of(const uint64_t n[VERDICTS])
{
	uint64_t all = 0;
	size_t k;

	for (k = 0; k < VERDICTS; k++)
		all += n[k];
	return all;
}

static uint64_t
row_named(struct summary *summary, enum table table, const char *key)
{
	struct row *row;
	size_t rows = summary_rows(summary, table, &row), i;

	for (i = 0; i < rows; i++) {
		if (strcmp(row[i].key, key) == 0)
			return row_total(&row[i]);
	}
	return 0;
}

static void
total(FILE *out, uint64_t n, const char *what)
{
	fputs("<li><b>", out);
	number(out, n);
	fprintf(out, "</b>%s</li>\n", what);
}

static void
totals(FILE *out, const struct overview *view)
{
	struct summary *summary = view->summary;
	uint64_t paths[VERDICTS], hops[VERDICTS];
	size_t i;

	sum(summary, TABLE_KIND, paths);
	sum(summary, TABLE_MONTH, hops);
	fputs("<ul class=\"totals\">\n", out);
	total(out, total_of(paths), "messages");
	total(out, row_named(summary, TABLE_KIND, "dsn"), "of them delivery reports");
	total(out, row_named(summary, TABLE_PATH, "complete"), "complete paths");
	total(out, total_of(hops), "hops");
	fputs("</ul>\n<div class=\"card scroll\" role=\"group\" aria-label=\"Totals by verdict\" tabindex=\"0\">"
	    "<table><caption>Paths by their worst hop, and hops, by verdict</caption><thead><tr><th "
	    "scope=\"col\">Verdict</th><th scope=\"col\" class=\"n\">Paths</th><th scope=\"col\" class=\"n\">"
	    "Share</th><th scope=\"col\" class=\"n\">Hops</th><th scope=\"col\" class=\"n\">Share</th><th "
	    "scope=\"col\">Meaning</th><th scope=\"col\">For example</th></tr></thead><tbody>\n", out);
	for (i = 0; i < VERDICTS; i++) {
		fputs("<tr><th scope=\"row\">", out);
		html_verdict(out, order[i]);
		fputs("</th>", out);
		cell(out, paths[order[i]]);
		fputs("<td class=\"n\">", out);
		percent(out, paths[order[i]], total_of(paths));
		fputs("</td>", out);
		cell(out, hops[order[i]]);
		fputs("<td class=\"n\">", out);
		percent(out, hops[order[i]], total_of(hops));
		fprintf(out, "</td><td class=\"m\">%s</td><td class=\"d\">", verdict_sentence(order[i]));
		if (view->first[order[i]] > 0)
			fprintf(out, "<a href=\"#m%" PRIu64 "\">message %" PRIu64 "</a>", view->first[order[i]],
			    view->first[order[i]]);
		else
			putc('-', out);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

/* Time. */

struct bar {
	char		label[12];
	uint64_t	n[VERDICTS];
	const struct place_of *example;		/* of its worst month */
	enum verdict	worst;
};

/* The months with a date, or the years where there are too many; answers how many. */
static size_t
bars_of(struct summary *summary, struct bar **bars)
{
	struct row *row;
	size_t rows = summary_rows(summary, TABLE_MONTH, &row), i, k, n = 0;
	size_t length = rows > MONTHS_SHOWN ? 4 : 7;

	*bars = calloc(rows + 1, sizeof(**bars));
	for (i = 0; *bars != NULL && i < rows; i++) {
		struct bar *bar;

		if (row[i].key[0] < '0' || row[i].key[0] > '9')
			continue;
		if (n == 0 || strncmp((*bars)[n - 1].label, row[i].key, length) != 0) {
			bar = &(*bars)[n++];
			memcpy(bar->label, row[i].key, length);
		} else {
			bar = &(*bars)[n - 1];
		}
		for (k = 0; k < VERDICTS; k++)
			bar->n[k] += row[i].n[k];
		if (bar->example == NULL || row[i].example_verdict > bar->worst) {
			bar->example = &row[i].example;
			bar->worst = row[i].example_verdict;
		}
	}
	return n;
}

static void
patterns(FILE *out)
{
	fputs("<defs>"
	    "<pattern id=\"p-tls\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect class=\"f-tls\" "
	    "width=\"8\" height=\"8\"/><rect class=\"g\" width=\"8\" height=\"2\"/></pattern>"
	    "<pattern id=\"p-unknown\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect "
	    "class=\"f-unknown\" width=\"8\" height=\"8\"/><circle class=\"g\" cx=\"4\" cy=\"4\" r=\"2\"/></pattern>"
	    "<pattern id=\"p-weak\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect class=\"f-weak\" "
	    "width=\"8\" height=\"8\"/><path class=\"g\" d=\"M0 8 8 0h-3L0 5z\"/></pattern>"
	    "<pattern id=\"p-clear\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><rect class=\"f-clear\" "
	    "width=\"8\" height=\"8\"/><path class=\"g\" d=\"M3 3h2v2H3z\"/></pattern></defs>\n", out);
}

/* The distance of the lines of a scale that goes to most: 1, 2 or 5 with noughts, and
 * not more than five of them. */
static uint64_t
scale_step(uint64_t most)
{
	uint64_t ten = 1;

	while (ten < UINT64_MAX / 100 && most > 50 * ten)
		ten *= 10;
	return most <= 5 * ten ? ten : most <= 10 * ten ? 2 * ten : most <= 25 * ten ? 5 * ten : 10 * ten;
}

static void
chart(FILE *out, const struct bar *bar, size_t n)
{
	int wide = (CHART_W - CHART_LEFT) / (int)n, width = wide > 64 ? 48 : wide * 3 / 4, base = CHART_H - 30;
	uint64_t most = 1, step, line;
	size_t i, k;

	for (i = 0; i < n; i++)
		most = total_of(bar[i].n) > most ? total_of(bar[i].n) : most;
	step = scale_step(most);
	fprintf(out, "<svg class=\"bars\" role=\"img\" aria-labelledby=\"bars-t\" width=\"%d\" height=\"%d\" "
	    "viewBox=\"0 0 %d %d\"><title id=\"bars-t\">Hops by verdict over time; the table below has the "
	    "figures</title>\n", CHART_W, CHART_H, CHART_W, CHART_H);
	patterns(out);
	fprintf(out, "<text x=\"%d\" y=\"12\" text-anchor=\"end\">hops</text>\n", CHART_LEFT - 6);
	for (line = 0; line <= most; line += step) {
		double y = base - (double)line * (base - CHART_TOP) / (double)most;

		fprintf(out, "<path class=\"axis\" d=\"M%d %.2fH%d\" fill=\"none\"/><text x=\"%d\" y=\"%.2f\" "
		    "text-anchor=\"end\">", CHART_LEFT, y, CHART_W, CHART_LEFT - 6, y + 4);
		number(out, line);
		fputs("</text>\n", out);
	}
	for (i = 0; i < n; i++) {
		int x = CHART_LEFT + (int)i * (wide > 64 ? 64 : wide) + 6;
		double y = base;

		fprintf(out, "<g class=\"bar\" data-time=\"%s\"><title>%s: ", bar[i].label, bar[i].label);
		for (k = 0; k < VERDICTS; k++)
			if (bar[i].n[order[k]] > 0)
				fprintf(out, "%s %" PRIu64 " ", verdict_names[order[k]], bar[i].n[order[k]]);
		fputs("</title>", out);
		for (k = 0; k < VERDICTS; k++) {
			double h = (double)bar[i].n[order[k]] * (base - CHART_TOP) / (double)most;

			if (bar[i].n[order[k]] == 0)
				continue;
			y -= h;
			fprintf(out, "<rect class=\"%s\" x=\"%d\" y=\"%.2f\" width=\"%d\" height=\"%.2f\"/>",
			    verdict_names[order[k]], x, y, width, h);
		}
		if (i % (n / 16 + 1) == 0)
			fprintf(out, "<text x=\"%d\" y=\"%d\">%s</text>", x, base + 18, bar[i].label);
		fputs("</g>\n", out);
	}
	fputs("</svg>\n", out);
}

static void
head(FILE *out, const char *first)
{
	size_t k;

	fprintf(out, "<thead><tr><th scope=\"col\">%s</th>", first);
	for (k = 0; k < VERDICTS; k++) {
		fputs("<th scope=\"col\" class=\"n\">", out);
		html_verdict(out, order[k]);
		fputs("</th>", out);
	}
}

static void
over_time(FILE *out, const struct overview *view)
{
	struct bar *bar;
	size_t n = bars_of(view->summary, &bar), i, k;

	fputs("<h2 id=\"time\">Hops over time</h2>\n", out);
	if (n == 0) {
		fputs("<p>No hop has a date.</p>\n", out);
		free(bar);
		return;
	}
	fputs("<figure class=\"card\">\n<div class=\"scroll\" role=\"group\" aria-labelledby=\"time\" "
	    "tabindex=\"0\">", out);
	chart(out, bar, n);
	fputs("</div>\n<figcaption>A bar is the hops of a month or year, strong ones at the bottom. ", out);
	for (k = 0; k < VERDICTS; k++) {
		fprintf(out, "<svg class=\"key bars\" aria-hidden=\"true\" width=\"18\" height=\"14\"><g "
		    "class=\"bar\"><rect class=\"%s\" width=\"18\" height=\"14\"/></g></svg> %s ",
		    verdict_names[order[k]], verdict_names[order[k]]);
	}
	fputs("</figcaption>\n<details><summary>The figures</summary>\n<div class=\"scroll\" role=\"group\" "
	    "aria-label=\"Hops over time\" tabindex=\"0\"><table>", out);
	head(out, "Time");
	fputs("<th scope=\"col\">For example</th></tr></thead><tbody>\n", out);
	for (i = 0; i < n; i++) {
		fprintf(out, "<tr><th scope=\"row\">%s</th>", bar[i].label);
		for (k = 0; k < VERDICTS; k++)
			cell(out, bar[i].n[order[k]]);
		fputs("<td>", out);
		place(out, view, bar[i].example, deep_str(NULL));
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div></details>\n</figure>\n", out);
	free(bar);
}

/* Tables. */

static uint64_t
badness(const struct row *row)
{
	return row->n[VERDICT_CLEAR] + row->n[VERDICT_WEAK];
}

/* Most first; equal ones by key. */
static int
by_total(const void *a, const void *b)
{
	const struct row *one = a, *two = b;
	uint64_t n = row_total(one), m = row_total(two);

	return n != m ? (n > m ? -1 : 1) : strcmp(one->key, two->key);
}

static int
by_badness(const void *a, const void *b)
{
	const struct row *one = a, *two = b;
	uint64_t n = one->n[VERDICT_CLEAR], m = two->n[VERDICT_CLEAR];

	if (n != m)
		return n > m ? -1 : 1;
	n = badness(one);
	m = badness(two);
	return n != m ? (n > m ? -1 : 1) : by_total(a, b);
}

/* The rows in another order than that of the keys; to be freed, what they point to
 * is the summary's. */
static struct row *
sorted(const struct row *row, size_t n, int (*order_of)(const void *, const void *))
{
	struct row *list = calloc(n + 1, sizeof(*list));

	if (list == NULL || n == 0)
		return list;
	memcpy(list, row, n * sizeof(*list));
	qsort(list, n, sizeof(*list), order_of);
	return list;
}

static void
left_out(FILE *out, const struct overview *view, enum table table, size_t rows, size_t shown)
{
	if (rows > shown) {
		fputs("<p class=\"note\">", out);
		number(out, rows - shown);
		fputs(" more are left out here.</p>\n", out);
	}
	if (summary_limited(view->summary, table))
		fprintf(out, "<p class=\"note\">There were more than %d; those that came later are "
		    "counted together, without a name.</p>\n", SUMMARY_ROWS_MAX);
}

static void
table_of(FILE *out, const struct overview *view, enum table table, const char *title, const char *first,
    const char *(*meaning)(const char *))
{
	struct row *row;
	size_t rows = summary_rows(view->summary, table, &row), i, k, shown = 0;
	struct row *list = sorted(row, rows, by_total);

	fprintf(out, "<h2 id=\"%s\">%s</h2>\n", table_names[table], title);
	if (rows == 0 || list == NULL) {
		fputs("<p>None.</p>\n", out);
		free(list);
		return;
	}
	fprintf(out, "<div class=\"card scroll\" role=\"group\" aria-labelledby=\"%s\" tabindex=\"0\"><table>",
	    table_names[table]);
	head(out, first);
	fputs("<th scope=\"col\">For example</th></tr></thead><tbody>\n", out);
	for (i = 0; i < rows && shown < ROWS_SHOWN; i++, shown++) {
		fputs("<tr><th scope=\"row\">", out);
		if (strcmp(list[i].key, "-") == 0)
			fputs("<span class=\"none\">not recorded</span>", out);
		else if (*list[i].key == '\0')
			fputs("<span class=\"none\">all others</span>", out);
		else
			html_text(out, deep_str(list[i].key), 80);
		if (meaning != NULL && meaning(list[i].key) != NULL)
			fprintf(out, "<br><span class=\"note\">%s</span>", meaning(list[i].key));
		fputs("</th>", out);
		for (k = 0; k < VERDICTS; k++)
			cell(out, list[i].n[order[k]]);
		fputs("<td>", out);
		place(out, view, &list[i].example, deep_str(NULL));
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
	left_out(out, view, table, rows, shown);
	fputs("</div>\n", out);
	free(list);
}

/* The words of what is missing, which stand with a space between them; what they mean
 * is said below. */
static void
reasons(FILE *out, const char *why)
{
	if (*why == '\0') {
		putc('-', out);
		return;
	}
	fputs("<a href=\"#why\">", out);
	for (; *why != '\0'; why += strspn(why, " ")) {
		struct deep_str word = { why, strcspn(why, " ") };

		html_text(out, word, 0);
		why += word.n;
		if (*why != '\0')
			fputs(", ", out);
	}
	fputs("</a>", out);
}

static void
worst(FILE *out, const struct overview *view)
{
	const struct worst *list;
	size_t n = summary_worst(view->summary, &list), i, shown = n < ROWS_SHOWN ? n : ROWS_SHOWN;
	struct deep_date date;
	char when[32];

	fputs("<h2 id=\"worst\">The worst paths</h2>\n", out);
	if (n == 0) {
		fputs("<p>None: every hop that is recorded is strong or local.</p>\n", out);
		return;
	}
	fputs("<div class=\"card scroll\" role=\"group\" aria-labelledby=\"worst\" tabindex=\"0\"><table><thead>"
	    "<tr><th scope=\"col\">Verdict</th><th scope=\"col\">Message</th><th scope=\"col\" class=\"n\">"
	    "Hops as bad</th><th scope=\"col\" class=\"n\">Of</th><th scope=\"col\">Arrived (UTC)</th><th "
	    "scope=\"col\">Missing</th></tr></thead><tbody>\n", out);
	for (i = 0; i < shown; i++) {
		fputs("<tr><td>", out);
		html_verdict(out, list[i].verdict);
		fputs("</td><th scope=\"row\">", out);
		place(out, view, &list[i].place, list[i].message_id != NULL ? deep_str(list[i].message_id) :
		    deep_str("a message without an id"));
		fputs("</th>", out);
		cell(out, list[i].hops_so);
		cell(out, list[i].hops);
		memset(&date, 0, sizeof(date));
		date.utc = list[i].date;
		if (list[i].date != INT64_MIN && deep_date_emit(when, sizeof(when), &date) > 0)
			fprintf(out, "<td class=\"d\">%.10s %.5s</td><td>", when, when + 11);
		else
			fputs("<td>-</td><td>", out);
		reasons(out, list[i].why);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
}

static void
pairs(FILE *out, const struct overview *view)
{
	struct row *row;
	size_t rows = summary_rows(view->summary, TABLE_PAIR, &row), i, bad = 0, shown = 0;
	struct row *list = sorted(row, rows, by_badness);

	for (i = 0; i < rows; i++)
		bad += badness(&row[i]) > 0;
	fputs("<h2 id=\"pair\">Domains between which mail went without good encryption</h2>\n", out);
	if (bad == 0 || list == NULL) {
		fputs("<p>None: no hop is recorded as clear or weak.</p>\n", out);
		free(list);
		return;
	}
	fputs("<div class=\"card scroll\" role=\"group\" aria-labelledby=\"pair\" tabindex=\"0\"><table><thead>"
	    "<tr><th scope=\"col\">From</th><th scope=\"col\">To</th><th scope=\"col\" class=\"n\">", out);
	html_verdict(out, VERDICT_CLEAR);
	fputs("</th><th scope=\"col\" class=\"n\">", out);
	html_verdict(out, VERDICT_WEAK);
	fputs("</th><th scope=\"col\" class=\"n\">All hops</th><th scope=\"col\" class=\"n\">Share</th><th "
	    "scope=\"col\">For example</th></tr></thead><tbody>\n", out);
	for (i = 0; i < bad && shown < ROWS_SHOWN; i++, shown++) {
		const char *key = list[i].key, *space = strchr(key, ' ');
		struct deep_str from = { key, space == NULL ? strlen(key) : (size_t)(space - key) };
		struct deep_str by = deep_str(space == NULL ? "" : space + 1);

		fputs("<tr><th scope=\"row\">", out);
		html_text(out, *key == '\0' ? deep_str("all others") : deep_is(from, "-") ?
		    deep_str("no public name") : from, 60);
		fputs("</th><td>", out);
		html_text(out, deep_is(by, "-") ? deep_str("no public name") : by, 60);
		fputs("</td>", out);
		cell(out, list[i].n[VERDICT_CLEAR]);
		cell(out, list[i].n[VERDICT_WEAK]);
		cell(out, row_total(&list[i]));
		fputs("<td class=\"n\">", out);
		percent(out, badness(&list[i]), row_total(&list[i]));
		fputs("</td><td>", out);
		place(out, view, &list[i].example, deep_str(NULL));
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table>\n", out);
	left_out(out, view, TABLE_PAIR, bad, shown);
	fputs("</div>\n", out);
	free(list);
}

void
html_overview(FILE *out, const struct overview *view)
{
	uint64_t paths[VERDICTS];

	sum(view->summary, TABLE_KIND, paths);
	fputs("<h1>How ", out);
	number(out, total_of(paths));
	fputs(" messages travelled</h1>\n", out);
	if (view->shown < total_of(paths)) {
		fputs("<p class=\"lead\">All of them are counted. ", out);
		number(out, view->shown);
		fputs(" are shown in full: the worst, and one for each line of the tables as far as there is "
		    "room. Where another one is named, its file and the octet at which it begins "
		    "stand instead of a link.</p>\n", out);
	}
	fputs("<nav aria-label=\"On this page\"><ul><li><a href=\"#time\">over time</a></li>"
	    "<li><a href=\"#worst\">worst paths</a></li><li><a href=\"#pair\">pairs of domains</a></li>"
	    "<li><a href=\"#version\">versions</a></li><li><a href=\"#suite\">suites</a></li>"
	    "<li><a href=\"#group\">groups</a></li><li><a href=\"#why\">what is missing</a></li>"
	    "<li><a href=\"#flag\">what is odd</a></li>", out);
	if (view->shown > 0)
		fputs("<li><a href=\"#messages\">messages</a></li>", out);
	fputs("<li><a href=\"#legend\">how to read this</a></li></ul></nav>\n", out);
	totals(out, view);
	over_time(out, view);
	worst(out, view);
	pairs(out, view);
	table_of(out, view, TABLE_VERSION, "Versions of TLS", "Version", NULL);
	table_of(out, view, TABLE_SUITE, "Cipher suites", "Suite", NULL);
	table_of(out, view, TABLE_GROUP, "Groups of the key exchange", "Group", NULL);
	table_of(out, view, TABLE_WHY, "What is missing, and why", "Reason (messages)", why_sentence);
	table_of(out, view, TABLE_FLAG, "What is odd", "Flag (hops)", flag_sentence);
}
