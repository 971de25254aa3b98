/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * text.c - the report for people: a line that sums it up, the message and its
 * recipients, and the path in characters: a column for each administrative
 * domain, a line for each host, and between two hosts the hop, drawn so that its
 * verdict can be told without colour.
 *
 * Nothing of a message reaches the terminal but printable text: controls, bidi
 * controls and bad UTF-8 are written as vis(3) does, and all that is no ASCII
 * where the locale is not UTF-8.
 */
#define LIBBSD_OPENBSD_VIS		/* libbsd 0.11 asks which strnvis() is meant; none is */
#include <string.h>
#include <vis.h>

#include "analyzer.h"
#include "utf8.h"

#define HOST_COLUMNS	64

struct style style;
static const char *const colours[] = { "2", "32", "33", "35", "31", "1;31" };	/* by enum verdict */

/* Writes it, and answers how many columns it took (wide ones counted as one). */
static int
put(FILE *out, struct deep_str text, size_t most)
{
	const char *p = text.p, *end;
	size_t columns = 0;
	char octal[8];

	if (text.p == NULL) {
		putc('-', out);
		return 1;
	}
	end = p + text.n;
	while (p < end && columns < most) {
		uint32_t point;
		size_t n = utf8_next(p, (size_t)(end - p), &point);

		if (n > 0 && !utf8_is_hostile(point) && (point < 0x80 || style.utf8)) {
			if (point == '\\')
				putc('\\', out);	/* so that an escape is one */
			fwrite(p, 1, n, out);
			columns += point == '\\' ? 2 : 1;
			p += n;
		} else {
			char *behind = vis(octal, (unsigned char)*p, VIS_OCTAL | VIS_WHITE, 0);

			fwrite(octal, 1, (size_t)(behind - octal), out);
			columns += (size_t)(behind - octal);
			p++;
		}
	}
	if (p < end)
		fputs("..", out);
	return (int)columns + (p < end ? 2 : 0);
}

/* A host's name; of a long one the end stays, which says whose it is. */
static void
put_host(FILE *out, struct deep_str name)
{
	struct deep_str head, tail;

	if (name.n <= HOST_COLUMNS) {
		put(out, name, HOST_COLUMNS);
		return;
	}
	name_cut(name, HOST_COLUMNS / 3, HOST_COLUMNS * 2 / 3, &head, &tail);
	put(out, head, HOST_COLUMNS);
	fputs("..", out);
	put(out, tail, HOST_COLUMNS);
}

static void
line(FILE *out, const char *label, struct deep_str text)
{
	if (text.p == NULL || text.n == 0)
		return;
	fprintf(out, "  %-15s ", label);
	put(out, text, 400);
	putc('\n', out);
}

static void
verdict(FILE *out, enum verdict v, int width)
{
	if (style.colour)
		fprintf(out, "\033[%sm", colours[v]);
	fputs(verdict_names[v], out);
	if (style.colour)
		fputs("\033[0m", out);
	if (width > (int)strlen(verdict_names[v]))
		fprintf(out, "%*s", width - (int)strlen(verdict_names[v]), "");
}

static void
latch_line(FILE *out, const char *label, deep_latches set)
{
	char text[256];

	if (set != DEEP_LATCH_NONE && deep_latches_emit(text, sizeof(text), set, NULL, 0) > 0)
		line(out, label, deep_str(text));
}

/* How the line of a hop is drawn: along a lane, across, and its corners. */
static const struct pen {
	const char	*down, *across, *down_right, *right_down, *down_left, *left_down;
} pens[] = {	/* by enum verdict */
	{ "\342\224\202", "\342\224\200", "\342\224\224", "\342\224\220", "\342\224\230", "\342\224\214" },
	{ "\342\225\221", "\342\225\220", "\342\225\232", "\342\225\227", "\342\225\235", "\342\225\224" },
	{ "\342\224\203", "\342\224\201", "\342\224\227", "\342\224\223", "\342\224\233", "\342\224\217" },
	{ "?", "?", "?", "?", "?", "?" },
	{ "\342\225\216", "\342\225\214", "\342\224\224", "\342\224\220", "\342\224\230", "\342\224\214" },
	{ "\342\224\212", "\342\224\210", "\342\224\224", "\342\224\220", "\342\224\230", "\342\224\214" }
}, ascii_pens[] = {
	{ "|", "-", "+", "+", "+", "+" }, { "#", "=", "#", "#", "#", "#" },
	{ "H", "-", "+", "+", "+", "+" }, { "?", "?", "?", "?", "?", "?" },
	{ "!", "~", "+", "+", "+", "+" }, { ":", ".", ":", ":", ":", ":" }
};
static const struct pen no_pen = { " ", " ", " ", " ", " ", " " };

#define LANES_DRAWN	20	/* further lanes share the last column */

static const struct pen *
pen_of(const struct hop *hop)
{
	return style.utf8 ? &pens[hop->verdict] : &ascii_pens[hop->verdict];
}

static void
colour(FILE *out, enum verdict v)
{
	if (style.colour)
		fprintf(out, "\033[%sm", colours[v]);
}

static void
plain_again(FILE *out)
{
	if (style.colour)
		fputs("\033[0m", out);
}

/* The lanes of one row: the line of a hop from one to another, or a host. */
static void
tracks(FILE *out, const struct picture *picture, const struct pen *pen, const char *host, size_t from,
    size_t to)
{
	size_t n = picture->nlane < LANES_DRAWN ? picture->nlane : LANES_DRAWN, i, left, right;

	from = from < n ? from : n - 1;
	to = to < n ? to : n - 1;
	left = from < to ? from : to;
	right = from < to ? to : from;
	fputs("  ", out);
	for (i = 0; i < n; i++) {
		if (i < left || i > right)
			fputs(" ", out);
		else if (host != NULL)
			fputs(host, out);
		else if (left == right)
			fputs(pen->down, out);
		else if (i == from)
			fputs(from < to ? pen->down_right : pen->down_left, out);
		else if (i == to)
			fputs(from < to ? pen->right_down : pen->left_down, out);
		else
			fputs(pen->across, out);
		fputs(i >= left && i < right ? pen->across : " ", out);
	}
	fputs("  ", out);
}

/* The text beside the line of a hop, and how far it has come.  What would pass the
 * width of the terminal goes on in a further row, with the line beside it. */
struct beside {
	FILE			*out;
	const struct hop	*hop;
	const struct picture	*picture;
	size_t			 lane, column;
};

#define BESIDE_INDENT	12		/* columns of a hop's number and verdict */

static void
beside_begin(struct beside *row, size_t from, size_t to)
{
	size_t n = row->picture->nlane < LANES_DRAWN ? row->picture->nlane : LANES_DRAWN;

	colour(row->out, row->hop->verdict);
	tracks(row->out, row->picture, pen_of(row->hop), NULL, from, to);
	plain_again(row->out);
	row->column = 2 * n + 4;
}

/* Two blanks, or a new row, before what takes so many columns. */
static void
beside_space(struct beside *row, size_t columns)
{
	if (style.columns == 0 || row->column + 2 + columns <= style.columns) {
		fputs("  ", row->out);
		row->column += 2 + columns;
		return;
	}
	putc('\n', row->out);
	beside_begin(row, row->lane, row->lane);
	fprintf(row->out, "%*s", BESIDE_INDENT, "");
	row->column += BESIDE_INDENT + columns;
}

static void
beside_put(struct beside *row, const char *before, struct deep_str text, size_t most, const char *after)
{
	size_t n = text.n < most ? text.n : most;

	beside_space(row, strlen(before) + n + strlen(after));
	fputs(before, row->out);
	put(row->out, text, most);
	fputs(after, row->out);
}

static void
beside_words(struct beside *row, const char *before, const char *words)
{
	beside_space(row, strlen(before) + strlen(words));
	fprintf(row->out, "%s%s", before, words);
}

static void
show_hop(FILE *out, const struct hop *hop, size_t n, const struct picture *picture)
{
	const struct step *step = &picture->step[n - 1];
	size_t from = picture->stop[step->from].lane, to = picture->stop[step->to].lane;
	struct beside row = { out, hop, picture, to, 0 };
	struct deep_str suite = suite_shown(hop), group = group_shown(hop);
	char how[64], took[32], date[32], bits[32] = "", flags[256] = "";
	unsigned bit;

	beside_begin(&row, from, to);
	fprintf(out, "%3zu ", n);
	verdict(out, hop->verdict, 8);
	protection(how, sizeof(how), hop);
	fputs(how, out);
	row.column += BESIDE_INDENT + strlen(how);
	if (suite.p != NULL) {
		if (hop->suite != NULL)
			snprintf(bits, sizeof(bits), " (0x%04x, %d bits)", hop->suite->code, hop->bits);
		else if (hop->bits > 0)
			snprintf(bits, sizeof(bits), " (%d bits)", hop->bits);
		beside_put(&row, "", suite, 60, bits);
	}
	if (group.p != NULL)
		beside_put(&row, "group ", group, 40, "");
	if (hop->is_tls && secrecy(hop) != NULL)
		beside_words(&row, "", secrecy(hop));
	if (hop->client != CLIENT_UNKNOWN)
		beside_words(&row, "client certificate: ", client_names[hop->client]);
	putc('\n', out);

	beside_begin(&row, to, to);
	if (hop->has_delay)
		duration(took, sizeof(took), hop->delay);
	else
		strlcpy(took, "-", sizeof(took));
	if (!hop->has_date || deep_date_emit(date, sizeof(date), &hop->date) <= 0)
		strlcpy(date, "no date", sizeof(date));
	fprintf(out, "    %-7s %s", took, date);
	row.column += BESIDE_INDENT + strlen(date);
	beside_put(&row, "", hop->with, 30, "");
	if (hop->dialect != NULL)
		beside_put(&row, "[", deep_str(hop->dialect), 60, "]");
	else if (hop->evidence == EVIDENCE_WITH)
		beside_words(&row, "", "[protocol word only]");
	for (bit = 0; bit < FLAGS; bit++) {
		if ((hop->flags & (1u << bit)) == 0)
			continue;
		if (*flags != '\0')
			strlcat(flags, ", ", sizeof(flags));
		strlcat(flags, flag_names[bit], sizeof(flags));
	}
	if (*flags != '\0')
		beside_words(&row, "flags: ", flags);
	if (only_claimed(hop))
		beside_words(&row, "", "(a claim: not written by a trusted host)");
	putc('\n', out);
}

static void
show_host(FILE *out, const struct picture *picture, size_t n)
{
	const struct stop *stop = &picture->stop[n];
	const struct lane *lane = &picture->lane[stop->lane];
	struct deep_str domain = style.utf8 ? lane->shown : deep_str(lane->name);

	if (stop->gap) {
		tracks(out, picture, &no_pen, NULL, stop->lane, stop->lane);
		fputs("    gap: nothing is recorded of how it came here\n", out);
	}
	tracks(out, picture, &no_pen, style.utf8 ? "\342\227\217" : "o", stop->lane, stop->lane);
	put_host(out, stop->name.p != NULL ? stop->name : deep_str("(not recorded)"));
	if (stop_has_ip(stop)) {
		fputs(" [", out);
		put(out, stop->ip, 46);
		fputs("]", out);
	}
	if (n == 0 || picture->stop[n - 1].lane != stop->lane) {
		fputs("  (", out);
		put_host(out, domain.n > 0 ? domain : deep_str("no public name"));
		putc(')', out);
	}
	putc('\n', out);
}

/* A host a line, with the hop that it gave the message on by below it. */
static void
show_path(FILE *out, const struct path *path, struct arena *arena)
{
	struct picture picture;
	size_t i, shown = 0;

	picture_make(&picture, path, arena);
	for (i = 0; i < path->nhop; i++) {
		if (picture.step[i].from == picture.step[i].to) {	/* begun there */
			show_hop(out, &path->hop[i], i + 1, &picture);
			continue;
		}
		while (shown <= picture.step[i].from)
			show_host(out, &picture, shown++);
		show_hop(out, &path->hop[i], i + 1, &picture);
	}
	while (shown < picture.nstop)
		show_host(out, &picture, shown++);
}

/* "clear  file:0  4 hops: 3 strong, 1 clear; path complete" */
static void
summary(FILE *out, const struct analysis *a)
{
	const struct path *path = &a->path;
	char hops[256];
	size_t i;

	verdict(out, path->verdict, 8);
	put(out, deep_str(a->source->file), 400);
	fprintf(out, ":%lld: ", (long long)a->source->offset);
	hops_summary(hops, sizeof(hops), path);
	fprintf(out, "%s; path %s", hops, path->complete ? "complete" : "incomplete");
	for (i = 0; i < path->nwhy; i++)
		fprintf(out, "%s%s", i == 0 ? ": " : ", ", path->why[i]);
	putc('\n', out);
}

/* What the reader's own server found about the message itself. */
static void
show_auth(FILE *out, const struct auth *auth)
{
	size_t i, k;

	for (i = 0; i < auth->nresult; i++) {
		const struct auth_result *result = &auth->result[i];

		fprintf(out, "  %-15s ", i == 0 ? "own server" : "");
		put(out, result->method, 40);
		fputs(" ", out);
		put(out, result->result, 40);
		for (k = 0; k < result->nproperty; k++) {
			fputs("  ", out);
			put(out, result->property[k].name, 60);
			fputs("=", out);
			put(out, result->property[k].value, 100);
		}
		if (result->reason.p != NULL) {
			fputs("  reason: ", out);
			put(out, result->reason, 100);
		}
		putc('\n', out);
	}
	if (auth->nresult == 0)
		line(out, "own server", deep_str(auth->found ? "no result" : "no field of that name at the top"));
}

static void
show(FILE *out, const struct analysis *a)
{
	const struct path *path = &a->path;
	char words[256];
	size_t i;

	summary(out, a);
	path_sentence(words, sizeof(words), path);
	line(out, "in words", deep_str(words));
	for (i = 0; i < path->nwhy; i++)
		line(out, "missing", deep_str(why_sentence(path->why[i])));
	line(out, "what it is", deep_str(a->dsn.found ? "delivery status notification" :
	    a->is_dsn ? "bounce without a delivery status" : "message"));
	line(out, "message-id", a->message_id);
	if (a->is_dsn) {
		line(out, "reporting MTA", a->dsn.reporting_mta);
		line(out, "envelope id", a->dsn.envelope_id);
		line(out, "arrival date", a->dsn.arrival_date);
	}
	if (a->mine != MINE_NOT_LOOKED_AT)
		line(out, "asked for", deep_str(mine_sentence(a->mine)));
	if (a->has_auth)
		show_auth(out, &a->auth);
	for (i = 0; a->is_dsn && i < a->dsn.nrcpt; i++) {
		const struct recipient *rcpt = &a->dsn.rcpt[i];

		line(out, "recipient", rcpt->final.p != NULL ? rcpt->final : rcpt->original);
		line(out, "  action", rcpt->action);
		line(out, "  status", rcpt->status);
		line(out, "  remote MTA", rcpt->remote_mta);
		line(out, "  diagnostic", rcpt->diagnostic);
		line(out, "  failed latches", rcpt->latches);
	}
	latch_line(out, "all hops keep", path->latches);
	if (path->nhop == 0) {
		fputs("  no Received chain found\n", out);
	} else {
		putc('\n', out);
		show_path(out, path, a->arena);
	}
	if (a->is_dsn && a->way_back.nhop > 0) {
		fputs("\n  the way back, of the report itself\n\n", out);
		show_path(out, &a->way_back, a->arena);
	}
	putc('\n', out);
}

/* The verdict alone: a word, and whether the path is incomplete. */
static void
show_verdict(FILE *out, const struct analysis *a)
{
	fprintf(out, "%s%s\n", verdict_names[a->path.verdict], a->path.complete ? "" : " incomplete");
}

const struct output output_text = { .name = "text", .show = show };
const struct output output_quiet = { .name = "quiet", .show = show_verdict };
