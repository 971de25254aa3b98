/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * text.c - the report for people: the message, its recipients, a line a hop,
 * and what is missing.
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

struct style style;

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

static void
column(FILE *out, struct deep_str text, int width)
{
	int n = put(out, text, (size_t)width);

	fprintf(out, "%*s", n < width + 3 ? width + 3 - n : 1, "");
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
	static const char *const colours[] = { "2", "32", "33", "35", "31", "1;31" };

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

/* "1 h 05 min", so that a slow hop shows */
static void
delay(char *buf, size_t size, const struct hop *hop)
{
	long long s = hop->delay, a = s < 0 ? -s : s;

	if (!hop->has_delay)
		snprintf(buf, size, "-");
	else if (a < 120)
		snprintf(buf, size, "%lld s", s);
	else if (a < 7200)
		snprintf(buf, size, "%lld min", s / 60);
	else if (a < 172800)
		snprintf(buf, size, "%lld h", s / 3600);
	else
		snprintf(buf, size, "%lld d", s / 86400);
}

static void
show_hop(FILE *out, const struct hop *hop, size_t n)
{
	const char *version = deep_tls_version_name(hop->version), *comma = "";
	char took[32], date[32];
	unsigned bit;

	delay(took, sizeof(took), hop);
	fprintf(out, "  %3zu  ", n);
	verdict(out, hop->verdict, 8);
	column(out, hop->from.p != NULL ? hop->from : hop->from_ip, 30);
	fputs(style.utf8 ? "\342\206\222 " : "> ", out);
	column(out, hop->by, 30);
	column(out, hop->with, 10);
	fprintf(out, "%s\n", took);
	fprintf(out, "       ");
	if (!hop->is_tls) {
		fputs(hop->flags & FLAG_NOT_TLS ? "encrypted by something that is not TLS" :
		    hop->verdict == VERDICT_CLEAR ? "recorded as without TLS" :
		    "nothing recorded about TLS", out);
	} else {
		fputs(version != NULL ? version : "TLS", out);
		if (hop->flags & (FLAG_VERSION_INFERRED | FLAG_VERSION_AMBIGUOUS))
			fputs(" or later", out);
		if (hop->suite != NULL) {
			fprintf(out, "  %s (0x%04x, %d bits)", hop->suite->name,
			    (unsigned)hop->suite->code, hop->bits);
		} else if (hop->suite_text.p != NULL) {
			fputs("  ", out);
			put(out, hop->suite_text, 60);
		} else {
			fputs("  no suite recorded", out);
		}
		if (hop->group != NULL)
			fprintf(out, "  group %s", hop->group->name);
		if (hop->suite != NULL)
			fputs(hop->version == DEEP_TLS1_3 || (hop->suite->flags & DEEP_SUITE_PFS) ?
			    "  forward secret" : "  not forward secret", out);
		if (hop->client != CLIENT_UNKNOWN)
			fprintf(out, "  client certificate: %s", client_names[hop->client]);
	}
	if (hop->dialect != NULL)
		fprintf(out, "  [%s]", hop->dialect);
	else if (hop->evidence & EVIDENCE_WITH)
		fputs("  [protocol word only]", out);
	putc('\n', out);
	if (hop->has_date && deep_date_emit(date, sizeof(date), &hop->date) > 0)
		fprintf(out, "       %s", date);
	else
		fputs("       no date", out);
	for (bit = 0; bit < FLAGS; bit++) {
		if (hop->flags & (1u << bit)) {
			fprintf(out, "%s%s", *comma == '\0' ? "  flags: " : comma, flag_names[bit]);
			comma = ", ";
		}
	}
	if (hop->has_trust && !hop->trusted)
		fputs("  (a claim: not written by a trusted host)", out);
	putc('\n', out);
}

static void
show_path(FILE *out, const struct path *path)
{
	size_t i;

	for (i = 0; i < path->nhop; i++)
		show_hop(out, &path->hop[i], i + 1);
}

static void
show(FILE *out, const struct analysis *a)
{
	const struct path *path = &a->path;
	char text[64];
	size_t i;

	put(out, deep_str(a->source->file), 400);
	fprintf(out, ":%lld: %s", (long long)a->source->offset,
	    a->dsn.found ? "delivery status notification" :
	    a->is_dsn ? "bounce without a delivery status" : "message");
	putc('\n', out);
	line(out, "message-id", a->message_id);
	if (a->is_dsn) {
		line(out, "reporting MTA", a->dsn.reporting_mta);
		line(out, "envelope id", a->dsn.envelope_id);
		line(out, "arrival date", a->dsn.arrival_date);
	}
	for (i = 0; a->is_dsn && i < a->dsn.nrcpt; i++) {
		const struct recipient *rcpt = &a->dsn.rcpt[i];

		line(out, "recipient", rcpt->final.p != NULL ? rcpt->final : rcpt->original);
		line(out, "  action", rcpt->action);
		line(out, "  status", rcpt->status);
		line(out, "  remote MTA", rcpt->remote_mta);
		line(out, "  diagnostic", rcpt->diagnostic);
		line(out, "  failed latches", rcpt->latches);
	}
	fprintf(out, "  %-15s ", "worst hop");
	verdict(out, path->verdict, 0);
	fprintf(out, ", path %s", path->complete ? "complete" : "incomplete");
	for (i = 0; i < path->nwhy; i++)
		fprintf(out, "%s%s", i == 0 ? ": " : ", ", path->why[i]);
	putc('\n', out);
	latch_line(out, "all hops keep", path->latches);
	if (path->nhop == 0) {
		fputs("  no Received chain found\n", out);
	} else {
		snprintf(text, sizeof(text), "%zu, origin first", path->nhop);
		line(out, "hops", deep_str(text));
		show_path(out, path);
	}
	if (a->is_dsn && a->way_back.nhop > 0) {
		snprintf(text, sizeof(text), "%zu, of the report itself", a->way_back.nhop);
		line(out, "way back", deep_str(text));
		show_path(out, &a->way_back);
	}
	putc('\n', out);
}

const struct output output_text = { "text", show };
