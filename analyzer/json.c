/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * json.c - one JSON object a line (RFC 8259), the schema of deeptrace(1).
 *
 * All keys are always there, null where nothing is recorded.  Octets that are
 * no UTF-8 become U+FFFD; controls, bidi controls and the three that would end
 * a script element are escaped.
 */
#include <string.h>

#include "analyzer.h"
#include "utf8.h"

static const char hex[] = "0123456789abcdef";

/* What is written goes here first: a record has hundreds of short pieces. */
struct sheet {
	FILE	*out;
	size_t	 n;
	char	 text[64 * 1024];
};

static void
flush(struct sheet *sheet)
{
	fwrite(sheet->text, 1, sheet->n, sheet->out);
	sheet->n = 0;
}

static void
put(struct sheet *sheet, const char *text, size_t n)
{
	if (n > sizeof(sheet->text) - sheet->n) {
		flush(sheet);
		if (n > sizeof(sheet->text)) {
			fwrite(text, 1, n, sheet->out);
			return;
		}
	}
	memcpy(sheet->text + sheet->n, text, n);
	sheet->n += n;
}

/* A constant: its length is known to the compiler, which then copies words. */
#define LITERAL(sheet, constant) \
	do { \
		if (sizeof(constant) > sizeof((sheet)->text) - (sheet)->n) \
			flush(sheet); \
		memcpy((sheet)->text + (sheet)->n, constant, sizeof(constant) - 1); \
		(sheet)->n += sizeof(constant) - 1; \
	} while (0)

static void
word(struct sheet *sheet, const char *text)
{
	put(sheet, text, strlen(text));
}

static void
integer(struct sheet *sheet, long long value)
{
	char digits[24];
	size_t at = sizeof(digits);
	unsigned long long rest = value < 0 ? 0ULL - (unsigned long long)value :
	    (unsigned long long)value;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	put(sheet, digits + at, sizeof(digits) - at);
}

/* What stands in a string as it is: 0x20 to 0x7e without " \\ < > and &. */
static int
is_plain(unsigned char c)
{
	static const uint32_t plain[8] = { 0, 0xafffffbb, 0xefffffff, 0x7fffffff, 0, 0, 0, 0 };

	return plain[c >> 5] >> (c & 31) & 1;
}

/* \\u and four digits */
static void
unit(struct sheet *sheet, uint32_t code)
{
	char text[6] = { '\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15], hex[code >> 4 & 15],
	    hex[code & 15] };

	put(sheet, text, sizeof(text));
}

/* The length of the character at p, written in its own way. */
static size_t
escaped(struct sheet *sheet, const char *p, size_t left)
{
	unsigned char c = (unsigned char)*p;
	uint32_t point;
	size_t n;

	if (c >= 0x80) {
		n = utf8_next(p, left, &point);
		if (n == 0) {
			LITERAL(sheet, "\\ufffd");
		} else if (!utf8_is_hostile(point)) {
			put(sheet, p, n);
		} else if (point < 0x10000) {
			unit(sheet, point);
		} else {			/* RFC 8259 7: a pair of surrogates */
			unit(sheet, 0xd7c0 + (point >> 10));
			unit(sheet, 0xdc00 + (point & 0x3ff));
		}
		return n > 0 ? n : 1;
	}
	if (c == '"' || c == '\\')
		put(sheet, (char[2]){ '\\', (char)c }, 2);
	else if (c == '\t')
		LITERAL(sheet, "\\t");
	else
		unit(sheet, c);
	return 1;
}

static void
string(struct sheet *sheet, struct deep_str text)
{
	size_t i = 0, plain;

	if (text.p == NULL) {
		LITERAL(sheet, "null");
		return;
	}
	LITERAL(sheet, "\"");
	while (i < text.n) {
		for (plain = i; i < text.n && is_plain((unsigned char)text.p[i]); i++)
			continue;
		if (i > plain)
			put(sheet, text.p + plain, i - plain);
		if (i < text.n)
			i += escaped(sheet, text.p + i, text.n - i);
	}
	LITERAL(sheet, "\"");
}

/* "key": with its comma before it, so that each line below is one member */
#define KEY(sheet, key)		LITERAL(sheet, ",\"" key "\":")
#define FIRST(sheet, key)	LITERAL(sheet, "{\"" key "\":")
#define MEMBER(sheet, key, value) \
	do { \
		KEY(sheet, key); \
		string(sheet, value); \
	} while (0)

/* A number, or null. */
static void
count(struct sheet *sheet, int known, long long value)
{
	if (known)
		integer(sheet, value);
	else
		LITERAL(sheet, "null");
}

static void
truth(struct sheet *sheet, int known, int value)
{
	word(sheet, !known ? "null" : value ? "true" : "false");
}

static void
quoted(struct sheet *sheet, const char *text)
{
	string(sheet, deep_str(text));
}

static void
date(struct sheet *sheet, int known, const struct deep_date *when)
{
	char text[32];

	if (known && deep_date_emit(text, sizeof(text), when) > 0)
		quoted(sheet, text);
	else
		LITERAL(sheet, "null");
}

/* [ "a", "b" ]: the names of the bits that are set. */
static void
names(struct sheet *sheet, unsigned set, const char *(*name)(unsigned))
{
	const char *text;
	unsigned bit;
	int first = 1;

	LITERAL(sheet, "[");
	for (bit = 0; set != 0 && (text = name(bit)) != NULL; bit++, set >>= 1) {
		if (!(set & 1))
			continue;
		if (!first)
			LITERAL(sheet, ",");
		first = 0;
		LITERAL(sheet, "\"");
		word(sheet, text);	/* letters, digits and dashes */
		LITERAL(sheet, "\"");
	}
	LITERAL(sheet, "]");
}

static const char *
flag_name(unsigned bit)
{
	return bit < FLAGS ? flag_names[bit] : NULL;
}

/* Of a report: known and unknown ids alike. */
static void
latch_list(struct sheet *sheet, struct deep_str list)
{
	struct deep_str id;
	int first = 1;
	enum deep_status answer;

	LITERAL(sheet, "[");
	while ((answer = deep_latch_next(&list, &id, NULL)) != DEEP_NO) {
		if (answer != DEEP_YES)
			continue;
		if (!first)
			LITERAL(sheet, ",");
		first = 0;
		string(sheet, id);
	}
	LITERAL(sheet, "]");
}

static void
tls(struct sheet *sheet, const struct hop *hop)
{
	const struct deep_suite *suite = hop->suite;
	int tls13 = hop->version == DEEP_TLS1_3;
	char code[] = "0x0000";
	unsigned i;

	if (!hop->is_tls) {
		LITERAL(sheet, "null");
		return;
	}
	FIRST(sheet, "version");
	quoted(sheet, deep_tls_version_name(hop->version));
	MEMBER(sheet, "suite", suite != NULL ? deep_str(suite->name) : hop->suite_text);
	KEY(sheet, "code");
	if (suite != NULL) {
		for (i = 0; i < 4; i++)
			code[2 + i] = hex[suite->code >> (12 - 4 * i) & 15];
		quoted(sheet, code);
	} else {
		LITERAL(sheet, "null");
	}
	KEY(sheet, "bits");
	count(sheet, hop->bits > 0 || suite != NULL, hop->bits);
	MEMBER(sheet, "group", hop->group != NULL ? deep_str(hop->group->name) : hop->group_text);
	KEY(sheet, "client_cert");
	quoted(sheet, client_names[hop->client]);
	KEY(sheet, "pfs");
	truth(sheet, suite != NULL || tls13,
	    tls13 || (suite != NULL && (suite->flags & DEEP_SUITE_PFS)));
	KEY(sheet, "aead");
	truth(sheet, suite != NULL, suite != NULL && (suite->flags & DEEP_SUITE_AEAD));
	LITERAL(sheet, "}");
}

static void
hops(struct sheet *sheet, const struct path *path)
{
	static const char *const evidences[] = {
		NULL, "clause", "comment", "clause+comment", "with", "clause+with",
		"comment+with", "clause+comment+with"
	};
	size_t i;

	LITERAL(sheet, "[");
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];

		if (i > 0)
			LITERAL(sheet, ",");
		FIRST(sheet, "n");
		integer(sheet, (long long)i + 1);
		MEMBER(sheet, "from", hop->from);
		MEMBER(sheet, "from_ip", hop->from_ip);
		MEMBER(sheet, "by", hop->by);
		MEMBER(sheet, "via", hop->via);
		MEMBER(sheet, "with", hop->with);
		MEMBER(sheet, "id", hop->id);
		MEMBER(sheet, "for", hop->rcpt);
		KEY(sheet, "date");
		date(sheet, hop->has_date, &hop->date);
		KEY(sheet, "delay_s");
		count(sheet, hop->has_delay, hop->delay);
		KEY(sheet, "verdict");
		quoted(sheet, verdict_names[hop->verdict]);
		KEY(sheet, "evidence");
		quoted(sheet, evidences[hop->evidence & 7]);
		KEY(sheet, "dialect");
		quoted(sheet, hop->dialect);
		KEY(sheet, "tls");
		tls(sheet, hop);
		KEY(sheet, "latches");
		names(sheet, hop->latches, deep_latch_name);
		KEY(sheet, "trusted");
		truth(sheet, hop->has_trust, hop->trusted);
		KEY(sheet, "flags");
		names(sheet, hop->flags, flag_name);
		LITERAL(sheet, "}");
	}
	LITERAL(sheet, "]");
}

static void
report(struct sheet *sheet, const struct dsn *dsn)
{
	struct deep_str arrival = dsn->arrival_date;
	struct deep_date when;
	size_t i;

	FIRST(sheet, "reporting_mta");
	string(sheet, dsn->reporting_mta);
	MEMBER(sheet, "envelope_id", dsn->envelope_id);
	KEY(sheet, "arrival_date");
	date(sheet, deep_date_next(&arrival, &when, NULL) == DEEP_YES, &when);
	KEY(sheet, "recipients");
	LITERAL(sheet, "[");
	for (i = 0; i < dsn->nrcpt; i++) {
		const struct recipient *rcpt = &dsn->rcpt[i];

		if (i > 0)
			LITERAL(sheet, ",");
		FIRST(sheet, "final");
		string(sheet, rcpt->final);
		MEMBER(sheet, "original", rcpt->original);
		MEMBER(sheet, "action", rcpt->action);
		MEMBER(sheet, "status", rcpt->status);
		MEMBER(sheet, "remote_mta", rcpt->remote_mta);
		MEMBER(sheet, "diagnostic", rcpt->diagnostic);
		KEY(sheet, "latches");
		latch_list(sheet, rcpt->latches);
		LITERAL(sheet, "}");
	}
	LITERAL(sheet, "]}");
}

static void
show(FILE *out, const struct analysis *a)
{
	static const struct path empty;
	static struct sheet sheet;		/* large; empty between calls */
	size_t i;

	sheet.out = out;
	FIRST(&sheet, "source");
	FIRST(&sheet, "file");
	quoted(&sheet, a->source->file);
	KEY(&sheet, "offset");
	integer(&sheet, a->source->offset);
	LITERAL(&sheet, "}");
	KEY(&sheet, "kind");
	quoted(&sheet, a->is_dsn ? "dsn" : "message");
	MEMBER(&sheet, "message_id", a->message_id);
	KEY(&sheet, "dsn");
	if (a->is_dsn)
		report(&sheet, &a->dsn);
	else
		LITERAL(&sheet, "null");
	KEY(&sheet, "hops");
	hops(&sheet, &a->path);
	KEY(&sheet, "return_hops");
	hops(&sheet, a->is_dsn ? &a->way_back : &empty);
	KEY(&sheet, "path");
	FIRST(&sheet, "verdict");
	quoted(&sheet, verdict_names[a->path.verdict]);
	KEY(&sheet, "complete");
	truth(&sheet, 1, a->path.complete);
	KEY(&sheet, "why");
	LITERAL(&sheet, "[");
	for (i = 0; i < a->path.nwhy; i++) {
		if (i > 0)
			LITERAL(&sheet, ",");
		quoted(&sheet, a->path.why[i]);
	}
	LITERAL(&sheet, "]");
	KEY(&sheet, "latches");
	names(&sheet, a->path.latches, deep_latch_name);
	LITERAL(&sheet, "}}\n");
	flush(&sheet);
}

const struct output output_json = { "json", show };
