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
#include "octets.h"
#include "utf8.h"

static const char hex[] = "0123456789abcdef";

#define SHEET_SIZE	(64 * 1024)
#define SPARE		512	/* octets of constants between two values, at most */

/* What is written goes here first: a record has hundreds of short pieces.  Each writer
 * is given where to write and answers where the next one does: in memory each would
 * wait for the one before.  Behind each value SPARE octets are free, so that constants
 * need not ask. */
struct sheet {
	FILE	*out;
	char	 text[SHEET_SIZE + SPARE];
};

static char *
flush(struct sheet *sheet, char *to)
{
	fwrite(sheet->text, 1, (size_t)(to - sheet->text), sheet->out);
	return sheet->text;
}

/* Makes room for so many octets, if there can be. */
static inline char *
room(struct sheet *sheet, char *to, size_t n)
{
	return (size_t)(to - sheet->text) + n > SHEET_SIZE ? flush(sheet, to) : to;
}

static inline char *
put(struct sheet *sheet, char *to, const char *text, size_t n)
{
	to = room(sheet, to, n);
	if (n > SHEET_SIZE) {
		fwrite(text, 1, n, sheet->out);
		return to;
	}
	memcpy(to, text, n);
	return room(sheet, to + n, 0);
}

/* A constant: its length is known to the compiler, which then copies words. */
#define LITERAL(to, constant) \
	do { \
		memcpy(to, constant, sizeof(constant) - 1); \
		(to) += sizeof(constant) - 1; \
	} while (0)

static char *
word(struct sheet *sheet, char *to, const char *text)
{
	return put(sheet, to, text, strlen(text));
}

static char *
integer(struct sheet *sheet, char *to, long long value)
{
	char digits[24];
	size_t at = sizeof(digits);
	unsigned long long rest = value < 0 ? 0ULL - (unsigned long long)value :
	    (unsigned long long)value;

	if (value >= 0 && value < 10) {		/* most are */
		*to = (char)('0' + value);
		return to + 1;
	}
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	return put(sheet, to, digits + at, sizeof(digits) - at);
}

/* Bit n: octet n is none that stands in a string as it is, 0x20 to 0x7e without
 * " \\ < > and &. */
static inline uint32_t
special(octets text)
{
	const unsigned char blank = ' ', most = 0x7e - ' ', escape = '\\', quote = '"' ^ '&',
	    ampersand = '&', less = '<' ^ '>', greater = '>';

	return octets_bits((text - blank > most) | (text == escape) |
	    ((text | quote) == ampersand) | ((text | less) == greater));
}

/* \\u and four digits */
static char *
unit(char *to, uint32_t code)
{
	const char text[6] = { '\\', 'u', hex[code >> 12 & 15], hex[code >> 8 & 15],
	    hex[code >> 4 & 15], hex[code & 15] };

	memcpy(to, text, sizeof(text));
	return to + sizeof(text);
}

/* The character at *p, which goes behind it, written in its own way: SPARE is enough. */
static char *
escaped(char *to, const char **p, const char *end)
{
	unsigned char c = (unsigned char)**p;
	uint32_t point;
	size_t n = 1;

	if (c >= 0x80) {
		n = utf8_next(*p, (size_t)(end - *p), &point);
		if (n == 0) {
			LITERAL(to, "\\ufffd");
			n = 1;
		} else if (!utf8_is_hostile(point)) {
			memcpy(to, *p, n);
			to += n;
		} else if (point < 0x10000) {
			to = unit(to, point);
		} else {			/* RFC 8259 7: a pair of surrogates */
			to = unit(to, 0xd7c0 + (point >> 10));
			to = unit(to, 0xdc00 + (point & 0x3ff));
		}
	} else if (c == '"' || c == '\\') {
		*to++ = '\\';
		*to++ = (char)c;
	} else if (c == '\t') {
		LITERAL(to, "\\t");
	} else {
		to = unit(to, c);
	}
	*p += n;
	return to;
}

/* The rest of a string, with what is not special, and its quote. */
static __attribute__((noinline)) char *
string_rest(struct sheet *sheet, char *to, const char *p, const char *end)
{
	while (p < end) {
		size_t n = (size_t)(end - p) < 16 ? (size_t)(end - p) : 16;
		octets here = n < 16 ? octets_few(p, n) : octets_at(p);
		uint32_t bits = special(here) & ((1U << n) - 1);

		memcpy(to, &here, sizeof(here));
		if (bits != 0)
			n = (size_t)__builtin_ctz(bits);
		to += n;
		p += n;
		if (bits != 0)
			to = escaped(to, &p, end);
		to = room(sheet, to, 0);
	}
	*to++ = '"';
	return room(sheet, to, 0);
}

/* Copies a text of less than SPARE octets; 1: nothing in it is special. */
static inline int
copy_plain(char *to, const char *p, size_t n)
{
	octets here;
	size_t i;
	uint32_t bits;

	if (n < 16)
		return n == 0 || special(octets_copy(to, p, n)) == 0;
	here = octets_at(p + n - 16);
	memcpy(to + n - 16, &here, sizeof(here));
	bits = special(here);
	for (i = 16; i < n; i += 16) {
		here = octets_at(p + i - 16);
		memcpy(to + i - 16, &here, sizeof(here));
		bits |= special(here);
	}
	return bits == 0;
}

static char *
string(struct sheet *sheet, char *to, struct deep_str text)
{
	if (text.p == NULL) {
		LITERAL(to, "null");
		return room(sheet, to, 0);
	}
	*to++ = '"';
	/* nearly all are short and plain, and done with that */
	if (text.n < SPARE / 2 && copy_plain(to, text.p, text.n)) {
		to += text.n;
		*to++ = '"';
		return room(sheet, to, 0);
	}
	return string_rest(sheet, to, text.p, text.p + text.n);
}

/* "key": with its comma before it, so that each line below is one member */
#define KEY(to, key)		LITERAL(to, ",\"" key "\":")
#define FIRST(to, key)		LITERAL(to, "{\"" key "\":")
#define MEMBER(sheet, to, key, value) \
	do { \
		KEY(to, key); \
		(to) = string(sheet, to, value); \
	} while (0)

/* A number, or null. */
static char *
count(struct sheet *sheet, char *to, int known, long long value)
{
	return known ? integer(sheet, to, value) : put(sheet, to, "null", 4);
}

static char *
truth(struct sheet *sheet, char *to, int known, int value)
{
	return word(sheet, to, !known ? "null" : value ? "true" : "false");
}

static char *
quoted(struct sheet *sheet, char *to, const char *text)
{
	return string(sheet, to, deep_str(text));
}

static void
two(char *at, unsigned value)
{
	at[0] = (char)('0' + value / 10);
	at[1] = (char)('0' + value % 10);
}

/* As deep_date_emit() writes it; the hops of a message are mostly of one day. */
static char *
date(struct sheet *sheet, char *to, int known, const struct deep_date *when)
{
	static int64_t day = INT64_MIN;		/* that text is of */
	static char text[] = "\"yyyy-mm-ddThh:mm:ssZ\"";
	int64_t of_day = known ? when->utc % 86400 : 0;
	unsigned second = (unsigned)of_day;

	if (known && of_day >= 0 && when->utc / 86400 == day) {
		two(text + 12, second / 3600);
		two(text + 15, second / 60 % 60);
		two(text + 18, second % 60);
	} else if (known && deep_date_emit(text + 1, sizeof(text) - 1, when) ==
	    (int)sizeof(text) - 3) {
		text[sizeof(text) - 2] = '"';
		day = of_day >= 0 ? when->utc / 86400 : INT64_MIN;
	} else {
		LITERAL(to, "null");
		return to;
	}
	return put(sheet, to, text, sizeof(text) - 1);
}

/* [ "a", "b" ]: the names of the bits that are set. */
static char *
names(struct sheet *sheet, char *to, unsigned set, const char *(*name)(unsigned))
{
	const char *text;
	unsigned bit;
	int first = 1;

	LITERAL(to, "[");
	for (bit = 0; set != 0 && (text = name(bit)) != NULL; bit++, set >>= 1) {
		if (!(set & 1))
			continue;
		if (!first)
			LITERAL(to, ",");
		first = 0;
		LITERAL(to, "\"");
		to = word(sheet, to, text);	/* letters, digits and dashes */
		LITERAL(to, "\"");
	}
	LITERAL(to, "]");
	return to;
}

static const char *
flag_name(unsigned bit)
{
	return bit < FLAGS ? flag_names[bit] : NULL;
}

/* Of a report: known and unknown ids alike. */
static char *
latch_list(struct sheet *sheet, char *to, struct deep_str list)
{
	struct deep_str id;
	int first = 1;
	enum deep_status answer;

	LITERAL(to, "[");
	while ((answer = deep_latch_next(&list, &id, NULL)) != DEEP_NO) {
		if (answer != DEEP_YES)
			continue;
		if (!first)
			LITERAL(to, ",");
		first = 0;
		to = string(sheet, to, id);
	}
	LITERAL(to, "]");
	return to;
}

static char *
tls(struct sheet *sheet, char *to, const struct hop *hop)
{
	const struct deep_suite *suite = hop->suite;
	int tls13 = hop->version == DEEP_TLS1_3;
	char code[] = "0x0000";
	unsigned i;

	if (!hop->is_tls) {
		LITERAL(to, "null");
		return to;
	}
	FIRST(to, "version");
	to = quoted(sheet, to, deep_tls_version_name(hop->version));
	MEMBER(sheet, to, "suite", suite != NULL ? deep_str(suite->name) : hop->suite_text);
	KEY(to, "code");
	if (suite != NULL) {
		for (i = 0; i < 4; i++)
			code[2 + i] = hex[suite->code >> (12 - 4 * i) & 15];
		to = quoted(sheet, to, code);
	} else {
		LITERAL(to, "null");
	}
	KEY(to, "bits");
	to = count(sheet, to, hop->bits > 0 || suite != NULL, hop->bits);
	MEMBER(sheet, to, "group", hop->group != NULL ? deep_str(hop->group->name) : hop->group_text);
	KEY(to, "client_cert");
	to = quoted(sheet, to, client_names[hop->client]);
	KEY(to, "pfs");
	to = truth(sheet, to, suite != NULL || tls13,
	    tls13 || (suite != NULL && (suite->flags & DEEP_SUITE_PFS)));
	KEY(to, "aead");
	to = truth(sheet, to, suite != NULL, suite != NULL && (suite->flags & DEEP_SUITE_AEAD));
	LITERAL(to, "}");
	return to;
}

static char *
write_judgement(struct sheet *sheet, char *to, const struct hop *hop)
{
	static const char *const evidences[] = {
		NULL, "clause", "comment", "clause+comment", "with", "clause+with",
		"comment+with", "clause+comment+with"
	};

	KEY(to, "verdict");
	to = quoted(sheet, to, verdict_names[hop->verdict]);
	KEY(to, "evidence");
	to = quoted(sheet, to, evidences[hop->evidence & 7]);
	KEY(to, "dialect");
	to = quoted(sheet, to, hop->dialect);
	KEY(to, "tls");
	to = tls(sheet, to, hop);
	KEY(to, "latches");
	to = names(sheet, to, hop->latches, deep_latch_name);
	KEY(to, "trusted");
	to = truth(sheet, to, hop->has_trust, hop->trusted);
	KEY(to, "flags");
	to = names(sheet, to, hop->flags, flag_name);
	LITERAL(to, "}");
	return to;
}

/* All that a judgement is written from where no word of the field is in it. */
struct judged {
	const char		*dialect;
	const struct deep_suite	*suite;
	const struct deep_group	*group;
	uint32_t		 flags, latches;
	int32_t			 version, bits;
	uint8_t			 client, verdict, evidence, is_tls, has_trust, trusted, zero[2];
};
#define WRITTEN		512		/* judgements that are kept */
#define WRITTEN_MAX	440		/* octets of one */

/*
 * Half of the text of a hop is one of a few hundred judgements: what was
 * written for the last hop of the same is copied.
 */
static char *
judgement(struct sheet *sheet, char *to, const struct hop *hop)
{
	static struct written {
		struct judged	of;
		size_t		n;		/* 0: nothing */
		char		text[WRITTEN_MAX];
	} all[WRITTEN];
	struct written *here;
	struct judged of;
	uint64_t sum;
	const char *from;

	if ((hop->suite == NULL && hop->suite_text.p != NULL) ||
	    (hop->group == NULL && hop->group_text.p != NULL)) {
		return write_judgement(sheet, to, hop);
	}
	memset(&of, 0, sizeof(of));
	of.dialect = hop->dialect;
	of.suite = hop->suite;
	of.group = hop->group;
	of.flags = hop->flags;
	of.latches = hop->latches;
	of.version = hop->version;
	of.bits = hop->bits;
	of.client = (uint8_t)hop->client;
	of.verdict = (uint8_t)hop->verdict;
	of.evidence = (uint8_t)hop->evidence;
	of.is_tls = hop->is_tls;
	of.has_trust = hop->has_trust;
	of.trusted = hop->trusted;
	sum = (uint64_t)(uintptr_t)of.dialect * 3 + (uint64_t)(uintptr_t)of.suite * 5 +
	    (uint64_t)(uintptr_t)of.group * 7 + of.flags * UINT64_C(11) + of.client * 13u +
	    of.verdict * 17u + of.evidence * 19u + (unsigned)of.bits * 23u + of.trusted;
	here = &all[(sum * UINT64_C(0x9e3779b97f4a7c15)) >> 55];
	if (here->n == 0 || memcmp(&here->of, &of, sizeof(of)) != 0) {
		to = room(sheet, to, 4 * WRITTEN_MAX);
		from = to;
		to = write_judgement(sheet, to, hop);
		here->n = 0;
		if (to <= from || (size_t)(to - from) > sizeof(here->text))
			return to;
		here->of = of;
		here->n = (size_t)(to - from);
		memcpy(here->text, from, here->n);
		return to;
	}
	return put(sheet, to, here->text, here->n);
}

static char *
hops(struct sheet *sheet, char *to, const struct path *path)
{
	size_t i;

	LITERAL(to, "[");
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];

		if (i > 0)
			LITERAL(to, ",");
		FIRST(to, "n");
		to = integer(sheet, to, (long long)i + 1);
		MEMBER(sheet, to, "from", hop->from);
		MEMBER(sheet, to, "from_ip", hop->from_ip);
		MEMBER(sheet, to, "by", hop->by);
		MEMBER(sheet, to, "via", hop->via);
		MEMBER(sheet, to, "with", hop->with);
		MEMBER(sheet, to, "id", hop->id);
		MEMBER(sheet, to, "for", hop->rcpt);
		KEY(to, "date");
		to = date(sheet, to, hop->has_date, &hop->date);
		KEY(to, "delay_s");
		to = count(sheet, to, hop->has_delay, hop->delay);
		to = judgement(sheet, to, hop);
	}
	LITERAL(to, "]");
	return to;
}

static char *
report(struct sheet *sheet, char *to, const struct dsn *dsn)
{
	struct deep_str arrival = dsn->arrival_date;
	struct deep_date when;
	size_t i;

	FIRST(to, "reporting_mta");
	to = string(sheet, to, dsn->reporting_mta);
	MEMBER(sheet, to, "envelope_id", dsn->envelope_id);
	KEY(to, "arrival_date");
	to = date(sheet, to, deep_date_next(&arrival, &when, NULL) == DEEP_YES, &when);
	KEY(to, "recipients");
	LITERAL(to, "[");
	for (i = 0; i < dsn->nrcpt; i++) {
		const struct recipient *rcpt = &dsn->rcpt[i];

		if (i > 0)
			LITERAL(to, ",");
		FIRST(to, "final");
		to = string(sheet, to, rcpt->final);
		MEMBER(sheet, to, "original", rcpt->original);
		MEMBER(sheet, to, "action", rcpt->action);
		MEMBER(sheet, to, "status", rcpt->status);
		MEMBER(sheet, to, "remote_mta", rcpt->remote_mta);
		MEMBER(sheet, to, "diagnostic", rcpt->diagnostic);
		KEY(to, "latches");
		to = latch_list(sheet, to, rcpt->latches);
		LITERAL(to, "}");
	}
	LITERAL(to, "]}");
	return to;
}

/* With --authserv-id only. */
static char *
auth(struct sheet *sheet, char *to, const struct auth *results)
{
	size_t i, k;

	KEY(to, "auth");
	LITERAL(to, "[");
	for (i = 0; i < results->nresult; i++) {
		const struct auth_result *result = &results->result[i];

		if (i > 0)
			LITERAL(to, ",");
		FIRST(to, "method");
		to = string(sheet, to, result->method);
		MEMBER(sheet, to, "result", result->result);
		MEMBER(sheet, to, "reason", result->reason);
		KEY(to, "properties");
		LITERAL(to, "[");
		for (k = 0; k < result->nproperty; k++) {
			if (k > 0)
				LITERAL(to, ",");
			FIRST(to, "name");
			to = string(sheet, to, result->property[k].name);
			MEMBER(sheet, to, "value", result->property[k].value);
			LITERAL(to, "}");
		}
		LITERAL(to, "]}");
	}
	LITERAL(to, "]");
	return to;
}

/* With --mine only, and of reports. */
static char *
probe(struct sheet *sheet, char *to, const struct analysis *a)
{
	struct deep_date sent;

	KEY(to, "probe");
	FIRST(to, "state");
	to = quoted(sheet, to, mine_names[a->mine]);
	memset(&sent, 0, sizeof(sent));
	sent.utc = a->probe != NULL ? a->probe->sent : 0;
	KEY(to, "sent");
	to = date(sheet, to, a->probe != NULL, &sent);
	MEMBER(sheet, to, "to", deep_str(a->probe != NULL ? a->probe->to : NULL));
	LITERAL(to, "}");
	return to;
}

static void
show(FILE *out, const struct analysis *a)
{
	static const struct path empty;
	static struct sheet sheet;		/* large; empty between calls */
	char *to = sheet.text;
	size_t i;

	sheet.out = out;
	FIRST(to, "source");
	FIRST(to, "file");
	to = quoted(&sheet, to, a->source->file);
	KEY(to, "offset");
	to = integer(&sheet, to, a->source->offset);
	LITERAL(to, "}");
	KEY(to, "kind");
	to = quoted(&sheet, to, a->is_dsn ? "dsn" : "message");
	MEMBER(&sheet, to, "message_id", a->message_id);
	KEY(to, "dsn");
	if (a->is_dsn)
		to = report(&sheet, to, &a->dsn);
	else
		LITERAL(to, "null");
	KEY(to, "hops");
	to = hops(&sheet, to, &a->path);
	KEY(to, "return_hops");
	to = hops(&sheet, to, a->is_dsn ? &a->way_back : &empty);
	KEY(to, "path");
	FIRST(to, "verdict");
	to = quoted(&sheet, to, verdict_names[a->path.verdict]);
	KEY(to, "complete");
	to = truth(&sheet, to, 1, a->path.complete);
	KEY(to, "why");
	LITERAL(to, "[");
	for (i = 0; i < a->path.nwhy; i++) {
		if (i > 0)
			LITERAL(to, ",");
		to = quoted(&sheet, to, a->path.why[i]);
	}
	LITERAL(to, "]");
	KEY(to, "latches");
	to = names(&sheet, to, a->path.latches, deep_latch_name);
	LITERAL(to, "}");
	if (a->has_auth)
		to = auth(&sheet, to, &a->auth);
	if (a->mine != MINE_NOT_LOOKED_AT)
		to = probe(&sheet, to, a);
	LITERAL(to, "}\n");
	(void)flush(&sheet, to);
}

const struct output output_json = { .name = "json", .show = show };
