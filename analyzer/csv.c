/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * csv.c - a line for each hop, for spreadsheets (RFC 4180).
 *
 *	record = field *( "," field ) CRLF
 *	field  = DQUOTE *( TEXTDATA / "," / 2DQUOTE ) DQUOTE / number
 *
 * A spreadsheet runs what begins with = + - or @ (and their full-width forms),
 * and one that splits at another character than the comma may see a beginning
 * behind ; | tab or a quote: before each such character stands an apostrophe.
 * Controls, bidi controls and octets that are no UTF-8 become U+FFFD.  Never
 * writes a line end inside a field.
 */
#include <string.h>

#include "analyzer.h"
#include "utf8.h"

static const char header[] =
    "file,offset,kind,message_id,envelope_id,hops,path_verdict,path_complete,path_why,"
    "n,verdict,from,from_ip,by,via,with,id,for,date,delay_s,evidence,dialect,tls_version,suite,"
    "code,bits,group,client_cert,pfs,latches,flags,trusted\r\n";

static int
runs(uint32_t point)
{
	return point == '=' || point == '+' || point == '-' || point == '@' || point == 0xff1d ||
	    point == 0xff0b || point == 0xff0d || point == 0xff20;
}

static void
text(FILE *out, struct deep_str field)
{
	int begins = 1;
	size_t i, n;

	if (field.p == NULL)
		return;
	putc('"', out);
	for (i = 0; i < field.n; i += n > 0 ? n : 1) {
		uint32_t point = 0xfffd;

		n = utf8_next(field.p + i, field.n - i, &point);
		if (begins && runs(point))
			putc('\'', out);
		if (n == 0 || utf8_is_hostile(point))
			fputs(point == '\t' ? " " : "\357\277\275", out);
		else if (point == '"')
			fputs("\"\"", out);
		else
			fwrite(field.p + i, 1, n, out);
		begins = (point == ' ' && begins) || point == ';' || point == ',' || point == '|' ||
		    point == '"' || point == '\'' || point == '\t';
	}
	putc('"', out);
}

static void
word(FILE *out, const char *constant)
{
	putc(',', out);
	text(out, deep_str(constant));
}

static void
field(FILE *out, struct deep_str value)
{
	putc(',', out);
	text(out, value);
}

static void
number(FILE *out, int known, long long value)
{
	putc(',', out);
	if (known)
		fprintf(out, "%lld", value);
}

static const char *
flag_name(unsigned bit)
{
	return bit < FLAGS ? flag_names[bit] : NULL;
}

/* The names of a set's bits, in one field. */
static void
names(FILE *out, unsigned set, const char *(*name)(unsigned))
{
	const char *one, *space = "";
	unsigned bit;

	fputs(",\"", out);
	for (bit = 0; (one = name(bit)) != NULL; bit++) {
		if (set & (1u << bit)) {
			fprintf(out, "%s%s", space, one);
			space = " ";
		}
	}
	putc('"', out);
}

static void
show_hop(FILE *out, const struct hop *hop, size_t n)
{
	static const char *const evidences[] = { NULL, "clause", "comment", "clause+comment", "with",
	    "clause+with", "comment+with", "clause+comment+with" };
	const char *secret = hop->is_tls ? secrecy(hop) : NULL;
	char date[32], code[8] = "";

	number(out, 1, (long long)n);
	word(out, verdict_names[hop->verdict]);
	field(out, hop->from);
	field(out, hop->from_ip);
	field(out, hop->by);
	field(out, hop->via);
	field(out, hop->with);
	field(out, hop->id);
	field(out, hop->rcpt);
	word(out, hop->has_date && deep_date_emit(date, sizeof(date), &hop->date) > 0 ? date : NULL);
	number(out, hop->has_delay, hop->delay);
	word(out, evidences[hop->evidence & 7]);
	word(out, hop->dialect);
	word(out, hop->is_tls ? deep_tls_version_name(hop->version) : NULL);
	field(out, suite_shown(hop));
	if (hop->suite != NULL)
		snprintf(code, sizeof(code), "0x%04x", hop->suite->code);
	word(out, hop->suite != NULL ? code : NULL);
	number(out, hop->is_tls && (hop->bits > 0 || hop->suite != NULL), hop->bits);
	field(out, group_shown(hop));
	word(out, hop->is_tls ? client_names[hop->client] : NULL);
	word(out, secret == NULL ? NULL : *secret == 'f' ? "true" : "false");
	names(out, hop->latches, deep_latch_name);
	names(out, hop->flags, flag_name);
	word(out, !hop->has_trust ? NULL : hop->trusted ? "true" : "false");
	fputs("\r\n", out);
}

static void
show(FILE *out, const struct analysis *a)
{
	size_t i, k;

	for (i = 0; i < a->path.nhop; i++) {
		text(out, deep_str(a->source->file));
		number(out, 1, a->source->offset);
		word(out, a->is_dsn ? "dsn" : "message");
		field(out, a->message_id);
		field(out, a->dsn.envelope_id);
		number(out, 1, (long long)a->path.nhop);
		word(out, verdict_names[a->path.verdict]);
		word(out, a->path.complete ? "true" : "false");
		fputs(",\"", out);
		for (k = 0; k < a->path.nwhy; k++)
			fprintf(out, "%s%s", k > 0 ? " " : "", a->path.why[k]);
		putc('"', out);
		show_hop(out, &a->path.hop[i], i + 1);
	}
}

static void
begin(FILE *out)
{
	fputs(header, out);
}

const struct output output_csv = { .name = "csv", .show = show, .begin = begin };
