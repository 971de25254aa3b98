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

/* What is written goes here first: a record has hundreds of short pieces.
 * Behind each value SPARE octets are free, so that constants need not ask. */
struct sheet {
	FILE	*out;
	size_t	 n;
	char	 text[SHEET_SIZE + SPARE];
};

static void
flush(struct sheet *sheet)
{
	fwrite(sheet->text, 1, sheet->n, sheet->out);
	sheet->n = 0;
}

/* Makes room for so many octets, if there can be. */
static inline void
room(struct sheet *sheet, size_t n)
{
	if (sheet->n + n > SHEET_SIZE)
		flush(sheet);
}

static inline void
put(struct sheet *sheet, const char *text, size_t n)
{
	room(sheet, n);
	if (n > SHEET_SIZE) {
		fwrite(text, 1, n, sheet->out);
		return;
	}
	memcpy(sheet->text + sheet->n, text, n);
	sheet->n += n;
	room(sheet, 0);
}

/* A constant: its length is known to the compiler, which then copies words. */
#define LITERAL(sheet, constant) \
	do { \
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

	if (value >= 0 && value < 10) {		/* most are */
		sheet->text[sheet->n++] = (char)('0' + value);
		return;
	}
	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		digits[--at] = '-';
	put(sheet, digits + at, sizeof(digits) - at);
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

/* The rest of a string, with what is not special, and its quote. */
static __attribute__((noinline)) void
string_rest(struct sheet *sheet, const char *p, const char *end)
{
	while (p < end) {
		size_t n = (size_t)(end - p) < 16 ? (size_t)(end - p) : 16;
		octets here = n < 16 ? octets_few(p, n) : octets_at(p);
		uint32_t bits = special(here) & ((1U << n) - 1);

		memcpy(sheet->text + sheet->n, &here, sizeof(here));
		if (bits != 0)
			n = (size_t)__builtin_ctz(bits);
		sheet->n += n;
		p += n;
		if (bits != 0)
			p += escaped(sheet, p, (size_t)(end - p));
		room(sheet, 0);
	}
	LITERAL(sheet, "\"");
	room(sheet, 0);
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

static void
string(struct sheet *sheet, struct deep_str text)
{
	char *to = sheet->text + sheet->n;

	if (text.p == NULL) {
		LITERAL(sheet, "null");
		room(sheet, 0);
		return;
	}
	*to = '"';
	/* nearly all are short and plain, and done with that */
	if (text.n < SPARE / 2 && copy_plain(to + 1, text.p, text.n)) {
		to[text.n + 1] = '"';
		sheet->n += text.n + 2;
		room(sheet, 0);
		return;
	}
	sheet->n++;
	string_rest(sheet, text.p, text.p + text.n);
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
		put(sheet, "null", 4);
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
two(char *at, unsigned value)
{
	at[0] = (char)('0' + value / 10);
	at[1] = (char)('0' + value % 10);
}

/* As deep_date_emit() writes it; the hops of a message are mostly of one day. */
static void
date(struct sheet *sheet, int known, const struct deep_date *when)
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
		LITERAL(sheet, "null");
		return;
	}
	put(sheet, text, sizeof(text) - 1);
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
write_judgement(struct sheet *sheet, const struct hop *hop)
{
	static const char *const evidences[] = {
		NULL, "clause", "comment", "clause+comment", "with", "clause+with",
		"comment+with", "clause+comment+with"
	};

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
static void
judgement(struct sheet *sheet, const struct hop *hop)
{
	static struct written {
		struct judged	of;
		size_t		n;		/* 0: nothing */
		char		text[WRITTEN_MAX];
	} all[WRITTEN];
	struct written *here;
	struct judged of;
	uint64_t sum;
	size_t from;

	if ((hop->suite == NULL && hop->suite_text.p != NULL) ||
	    (hop->group == NULL && hop->group_text.p != NULL)) {
		write_judgement(sheet, hop);
		return;
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
		room(sheet, 4 * WRITTEN_MAX);
		from = sheet->n;
		write_judgement(sheet, hop);
		here->n = 0;
		if (sheet->n <= from || sheet->n - from > sizeof(here->text))
			return;
		here->of = of;
		here->n = sheet->n - from;
		memcpy(here->text, sheet->text + from, here->n);
		return;
	}
	put(sheet, here->text, here->n);
}

static void
hops(struct sheet *sheet, const struct path *path)
{
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
		judgement(sheet, hop);
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

/* With --authserv-id only. */
static void
auth(struct sheet *sheet, const struct auth *results)
{
	size_t i, k;

	KEY(sheet, "auth");
	LITERAL(sheet, "[");
	for (i = 0; i < results->nresult; i++) {
		const struct auth_result *result = &results->result[i];

		if (i > 0)
			LITERAL(sheet, ",");
		FIRST(sheet, "method");
		string(sheet, result->method);
		MEMBER(sheet, "result", result->result);
		MEMBER(sheet, "reason", result->reason);
		KEY(sheet, "properties");
		LITERAL(sheet, "[");
		for (k = 0; k < result->nproperty; k++) {
			if (k > 0)
				LITERAL(sheet, ",");
			FIRST(sheet, "name");
			string(sheet, result->property[k].name);
			MEMBER(sheet, "value", result->property[k].value);
			LITERAL(sheet, "}");
		}
		LITERAL(sheet, "]}");
	}
	LITERAL(sheet, "]");
}

/* With --mine only, and of reports. */
static void
probe(struct sheet *sheet, const struct analysis *a)
{
	struct deep_date sent;

	KEY(sheet, "probe");
	FIRST(sheet, "state");
	quoted(sheet, mine_names[a->mine]);
	memset(&sent, 0, sizeof(sent));
	sent.utc = a->probe != NULL ? a->probe->sent : 0;
	KEY(sheet, "sent");
	date(sheet, a->probe != NULL, &sent);
	MEMBER(sheet, "to", deep_str(a->probe != NULL ? a->probe->to : NULL));
	LITERAL(sheet, "}");
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
	LITERAL(&sheet, "}");
	if (a->has_auth)
		auth(&sheet, &a->auth);
	if (a->mine != MINE_NOT_LOOKED_AT)
		probe(&sheet, a);
	LITERAL(&sheet, "}\n");
	flush(&sheet);
}

const struct output output_json = { .name = "json", .show = show };
