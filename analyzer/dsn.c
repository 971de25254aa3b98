/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsn.c - delivery status notifications (RFC 3464, RFC 6533 4) and bounces
 * that carry the original header inline (markers.in).
 *
 *	delivery-status-content = per-message-fields 1*( CRLF per-recipient-fields )
 *	typed-value  = type ";" value		; both with CFWS around
 *	escape	     = "\x{" 2*6HEXDIG "}"	; RFC 6533 3
 *
 * A report is known by its status part, not by what stands around it: OpenSMTPD
 * sends multipart/mixed, lists wrap reports, people forward them.  Without one, a
 * message that is returned has to be announced, for people forward messages, too.  Fields may
 * come in any order; a group begins at an empty line or where a recipient is
 * named again.  Feedback (RFC 5965), disposition (RFC 8098) and TLS (RFC 8460)
 * reports are no DSNs.  Never descends into the returned message, never
 * believes a report, never keeps more than RECIPIENT_MAX groups.
 */
#include <string.h>

#include "analyzer.h"
#include "word.h"

#define TEXT_MAX	4	/* text parts that a marker is looked for in */
#define MARKER_WITHIN	65536	/* octets of each: what precedes it is short */

#define LATCHES_MAX	1000	/* octets that are joined: the registry is far from it */
#define MARKER_TRIES	8	/* marker lines of one text that are followed */

static const char *const markers[] = {
#define MARKER(begins, mta, source)	begins,
#include "markers.in"
#undef MARKER
};
#define NMARKER	(sizeof(markers) / sizeof(markers[0]))

struct named {
	const char	*name;
	size_t		 n;
};
#define NAME(name)	{ name, sizeof(name) - 1 }

enum name {
	REPORTING_MTA, ENVELOPE_ID, ARRIVAL_DATE,
	FINAL, ORIGINAL, ACTION, STATUS, REMOTE_MTA, DIAGNOSTIC, LATCHES, NAMES
};
static const struct named names[NAMES] = {
	NAME("Reporting-MTA"), NAME("Original-Envelope-Id"), NAME("Arrival-Date"),
	NAME("Final-Recipient"), NAME("Original-Recipient"), NAME("Action"),
	NAME("Status"), NAME("Remote-MTA"), NAME("Diagnostic-Code"),
	NAME(DEEP_LATCH_FIELD)
};

struct reader {
	struct dsn	*dsn;
	struct arena	*arena;
	struct recipient group;		/* that is being read */
	unsigned	 seen;		/* of its fields, by enum name */
	const char	*begun;		/* where it begins */
	size_t		 room;		/* in dsn->rcpt */
};

static int
is_one_of(struct deep_str s, const struct named *list)
{
	for (; list->name != NULL; list++)
		if (is_word(s, list->name, list->n))
			return 1;
	return 0;
}

static int
is_status(struct deep_str type)
{
	static const struct named types[] = {
		NAME("message/delivery-status"), NAME("message/global-delivery-status"), { NULL, 0 }
	};
	return is_one_of(type, types);
}

static int
is_returned(struct deep_str type)
{
	static const struct named types[] = {
		NAME("message/rfc822"), NAME("text/rfc822-headers"), NAME("message/global"),
		NAME("message/global-headers"),
		NAME("message/rfc822-headers"),	/* misspelt, seen */
		NAME("message/partial"),		/* Bigfoot */
		{ NULL, 0 }
	};
	return is_one_of(type, types);
}

static int
is_other_report(struct deep_str type)
{
	static const struct named types[] = {
		NAME("message/feedback-report"), NAME("message/disposition-notification"),
		NAME("message/global-disposition-notification"),
		NAME("application/tlsrpt+gzip"), NAME("application/tlsrpt+json"), { NULL, 0 }
	};
	return is_one_of(type, types);
}

/* Whether a text begins with this word, in any case. */
static int
begins(struct deep_str text, const char *word)
{
	struct deep_str front = { text.p, strlen(word) };

	return text.n >= front.n && deep_is(front, word);
}

static int
is_text(struct deep_str type)
{
	return type.n > 5 && begins(type, "text/");
}

static void
limited(struct dsn *dsn, const char *why)
{
	if (!dsn->limited)
		dsn->why = why;
	dsn->limited = 1;
}

static struct deep_str
trim(struct deep_str s)
{
	while (s.n > 0 && deep_space(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && deep_space(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* The value in one line: itself, or a copy in the arena. */
static struct deep_str
unfold(struct deep_str value, struct arena *arena)
{
	char *buf;
	int n;

	if (value.n == 0 || memchr(value.p, '\n', value.n) == NULL)
		return value;
	buf = arena_get(arena, value.n + 1);
	n = deep_unfold(buf, value.n + 1, value);
	value.p = buf;
	value.n = n < 0 ? 0 : (size_t)n;
	return trim(value);
}

/* The first word that is no comment. */
static struct deep_str
first_word(struct deep_str value)
{
	struct deep_word word;
	struct deep_str none = { NULL, 0 };

	while (deep_word_next(&value, &word, NULL) != DEEP_NO)
		if (word.kind != DEEP_COMMENT && word.kind != DEEP_SPECIAL)
			return word.text;
	return none;
}

/* Takes "type;" off the front of a value; empty: there is none. */
static struct deep_str
type_cut(struct deep_str *value)
{
	struct deep_str type = { value->p, 0 }, rest;
	const char *semicolon;

	if (value->n == 0 || (semicolon = memchr(value->p, ';', value->n)) == NULL)
		return type;
	rest.p = semicolon + 1;
	rest.n = (size_t)(value->p + value->n - rest.p);
	type.n = (size_t)(semicolon - value->p);
	type = trim(type);
	/* An atom, which no address and no domain is. */
	if (type.n > 0 && (memchr(type.p, '@', type.n) != NULL ||
	    memchr(type.p, '.', type.n) != NULL || memchr(type.p, ' ', type.n) != NULL)) {
		type.n = 0;
		return type;
	}
	*value = trim(rest);
	return type;
}

/* A character in UTF-8; answers its length. */
static size_t
utf8_put(char *to, unsigned long c)
{
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4, i;
	static const unsigned char lead[] = { 0, 0, 0xc0, 0xe0, 0xf0 };

	for (i = n; i-- > 1; c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(lead[n] | c);
	return n;
}

/* RFC 6533 3: the escapes undone; the value as it is where one of them is
 * no escape, a surrogate, or beyond Unicode. */
static struct deep_str
utf8_address(struct deep_str value, struct arena *arena)
{
	const char *p = value.p, *end = p + value.n;
	struct deep_str answer = { NULL, 0 };
	char *to;

	if (value.n == 0 || memchr(p, '\\', value.n) == NULL)
		return value;
	answer.p = to = arena_get(arena, value.n);
	while (p < end) {
		unsigned long c = 0;
		int digits = 0;

		if (*p != '\\') {
			*to++ = *p++;
			continue;
		}
		if (end - p < 6 || (p[1] != 'x' && p[1] != 'X') || p[2] != '{')
			return value;
		for (p += 3; p < end && digits < 7 && hex_digit(*p) >= 0; p++, digits++)
			c = c << 4 | (unsigned long)hex_digit(*p);
		if (digits < 2 || digits > 6 || p == end || *p != '}' || c == 0 ||
		    c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return value;
		p++;
		to += utf8_put(to, c);	/* at most 4 octets of at least 6 */
	}
	answer.n = (size_t)(to - answer.p);
	return answer;
}

/* An address without "rfc822;" or "utf-8;" and without <>; another type stays. */
static struct deep_str
address(struct deep_str value, struct arena *arena)
{
	struct deep_str whole = value, type = type_cut(&value);

	if (type.n > 0 && !deep_is(type, "rfc822") && !deep_is(type, "utf-8"))
		return whole;
	if (value.n > 1 && value.p[0] == '<' && value.p[value.n - 1] == '>') {
		value.p++;
		value.n -= 2;
	}
	return deep_is(type, "utf-8") ? utf8_address(value, arena) : value;
}

/* A host without its type. */
static struct deep_str
host(struct deep_str value)
{
	type_cut(&value);
	return value;
}

static struct deep_str
lower(struct deep_str s, struct arena *arena)
{
	char *buf;
	size_t i;

	if (s.n == 0)
		return s;
	buf = arena_get(arena, s.n);
	for (i = 0; i < s.n; i++)
		buf[i] = deep_lower(s.p[i]);
	s.p = buf;
	return s;
}

/* Two lists of latches: a field that came twice. */
static struct deep_str
join(struct deep_str one, struct deep_str two, struct reader *r)
{
	char *buf;

	if (one.n == 0)
		return two;
	if (one.n + two.n >= LATCHES_MAX) {
		limited(r->dsn, "more than 1000 octets of latches in several fields");
		return one;
	}
	buf = arena_get(r->arena, one.n + 1 + two.n);
	memcpy(buf, one.p, one.n);
	buf[one.n] = ' ';
	if (two.n > 0)
		memcpy(buf + one.n + 1, two.p, two.n);
	one.p = buf;
	one.n += 1 + two.n;
	return one;
}

#define BIT(name)	(1u << (name))
#define NEEDED		(BIT(FINAL) | BIT(ORIGINAL) | BIT(ACTION) | BIT(STATUS))

/* Keeps the group that was read up to there, if it is one. */
static void
group_end(struct reader *r, const char *end)
{
	struct dsn *dsn = r->dsn;
	const struct recipient *group = &r->group;
	int is_group = (r->seen & NEEDED) != 0;
	struct deep_str raw = { r->begun, (size_t)(end - r->begun) };

	raw = trim(raw);
	r->begun = end;
	r->group.raw = raw;
	if (r->seen == 0) {
		if (raw.n > 0 && dsn->raw.p == NULL && dsn->nrcpt == 0)
			dsn->raw = raw;
		return;
	}
	/* "Status: RO" in a stray header is no status. */
	if ((r->seen & NEEDED) == BIT(STATUS) && (group->status.n < 2 ||
	    group->status.p[0] < '0' || group->status.p[0] > '9' ||
	    group->status.p[1] != '.'))
		is_group = 0;
	if (is_group && dsn->nrcpt == RECIPIENT_MAX) {
		limited(dsn, "more than 1000 recipients");
	} else if (is_group) {
		if (dsn->nrcpt == r->room) {
			size_t room = r->room == 0 ? 4 : r->room * 2;
			struct recipient *more;

			more = arena_get(r->arena, room * sizeof(*more));
			if (dsn->nrcpt > 0)
				memcpy(more, dsn->rcpt, dsn->nrcpt * sizeof(*more));
			dsn->rcpt = more;
			r->room = room;
		}
		dsn->rcpt[dsn->nrcpt++] = *group;
	}
	memset(&r->group, 0, sizeof(r->group));
	r->seen = 0;
}

/* The field's row; NAMES: none.  "ction" is "Action" whose first letter was
 * lost, as seen. */
static enum name
name_of(struct deep_str name)
{
	int i;

	for (i = 0; i < NAMES; i++)
		if (is_word(name, names[i].name, names[i].n) ||
		    (name.n == names[i].n - 1 && deep_is(name, names[i].name + 1)))
			break;
	return (enum name)i;
}

/* Whether the next recipient field of the block is the final one, so that an
 * original one before it begins a group. */
static int
final_follows(struct deep_str rest)
{
	struct deep_field field;
	enum name name;

	while (deep_field_next(&rest, &field, NULL) != DEEP_NO) {
		name = name_of(field.name);
		if (name == FINAL || name == ORIGINAL)
			return name == FINAL;
	}
	return 0;
}

/* Whether a field cannot belong to the group that is being read. */
static int
begins_group(const struct reader *r, enum name name, struct deep_str rest)
{
	switch (name) {
	case FINAL:
		return (r->seen & BIT(FINAL)) != 0;
	case ORIGINAL:
		return r->seen & BIT(ORIGINAL) || (r->seen & BIT(FINAL) &&
		    r->seen & (BIT(ACTION) | BIT(STATUS)) && final_follows(rest));
	case ACTION:	/* Exim puts it first */
		return r->seen & BIT(ACTION) && r->seen & BIT(FINAL);
	default:
		return 0;
	}
}

static void
field_read(struct reader *r, enum name name, struct deep_str value)
{
	struct dsn *dsn = r->dsn;
	struct recipient *group = &r->group;

	if (name != LATCHES && name >= FINAL && r->seen & BIT(name))
		return;		/* the first counts */
	value = unfold(value, r->arena);
	switch (name) {
	case REPORTING_MTA:
		if (dsn->reporting_mta.p == NULL)
			dsn->reporting_mta = host(value);
		return;
	case ENVELOPE_ID:
		if (dsn->envelope_id.p == NULL)
			dsn->envelope_id = value;
		return;
	case ARRIVAL_DATE:
		if (dsn->arrival_date.p == NULL)
			dsn->arrival_date = value;
		return;
	case FINAL:
		group->final = address(value, r->arena);
		break;
	case ORIGINAL:
		group->original = address(value, r->arena);
		break;
	case ACTION:
		group->action = lower(first_word(value), r->arena);
		break;
	case STATUS:
		group->status = first_word(value);
		break;
	case REMOTE_MTA:
		group->remote_mta = host(value);
		break;
	case DIAGNOSTIC:
		group->diagnostic = value;
		break;
	case LATCHES:
		group->latches = join(group->latches, value, r);
		break;
	default:
		return;
	}
	r->seen |= BIT(name);
}

static void
status_read(struct reader *r, struct deep_str rest)
{
	struct deep_field field;
	enum deep_status answer;
	enum name name;

	r->begun = rest.p;
	while (rest.n > 0) {
		const char *at = rest.p;

		answer = deep_field_next(&rest, &field, NULL);
		if (answer == DEEP_NO) {
			group_end(r, at);
			continue;
		}
		if (answer == DEEP_BAD)
			continue;
		if (answer == DEEP_LIMIT)
			limited(r->dsn, "a field longer than 65536 octets");
		if ((name = name_of(field.name)) == NAMES)
			continue;
		if (begins_group(r, name, rest))
			group_end(r, at);
		field_read(r, name, field.value);
	}
	if (r->begun != NULL)
		group_end(r, rest.p);
}

/* Behind the LF of the line at p. */
static int
is_empty_line(const char *p, const char *end)
{
	return p < end && (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n'));
}

/* The header at the start of a text, behind empty lines and an envelope. */
static struct deep_str
header_block(struct deep_str text, struct dsn *dsn)
{
	const char *p = text.p, *end = p + text.n;
	struct deep_str header = { NULL, 0 };

	while (is_empty_line(p, end) || (end - p > 5 && memcmp(p, "From ", 5) == 0) ||
	    (end - p > 6 && memcmp(p, ">From ", 6) == 0))
		p = line_end(p, end);
	header.p = p;
	while ((p = line_next(p, end, LINE_EMPTY)) < end && !is_empty_line(p, end))
		p = line_end(p, end);
	header.n = (size_t)(p - header.p);
	if (header.n > HEADER_MAX) {
		limited(dsn, "a header longer than 1 MiB");
		header.n = HEADER_MAX;
	}
	return header;
}

/* Whether a text is the header of a message that was sent: two fields at
 * least, and a trace or an identity among them. */
static int
is_header(struct deep_str text)
{
	static const struct named telling[] = {
		NAME("Received"), NAME("Message-ID"), NAME("Return-Path"), NAME("X-Received"), { NULL, 0 }
	};
	struct deep_field field;
	int fields = 0, tells = 0, bad = 0;

	while (text.n > 0 && bad <= 2) {
		enum deep_status answer = deep_field_next(&text, &field, NULL);

		if (answer == DEEP_NO)
			break;
		if (answer == DEEP_BAD) {
			if (fields == 0)
				return 0;
			bad++;
			continue;
		}
		fields++;
		if (is_one_of(field.name, telling))
			tells = 1;
		if (tells && fields >= 2)
			return 1;
	}
	return 0;
}

static int
is_quote(char c)
{
	return c == ' ' || c == '\t' || c == '>';
}

/* The header behind a marker line, as far as it goes, without the blanks or
 * ">" that all of its lines begin with. */
static struct deep_str
header_behind(struct deep_str text, struct reader *r)
{
	const char *p = text.p, *end = p + text.n, *q, *quote, *stop;
	struct deep_str header = { NULL, 0 };
	size_t nquote, left;
	char *to;

	/* Lines that are empty, rulers, or begin as the marker did (Exim: how much of
	 * the body follows). */
	for (; p < end; p = line_end(p, end)) {
		stop = line_end(p, end);
		for (q = p; q < stop && memchr(" \t>-=_*\r\n", *q, 9) != NULL; q++)
			continue;
		if (q < stop && (stop - p < 3 || memcmp(p, "---", 3) != 0))
			break;
	}
	for (quote = q = p; q < end && is_quote(*q); q++)
		if (end - q > 5 && memcmp(q, ">From ", 6) == 0)
			break;
	nquote = (size_t)(q - quote);
	text.p = p;
	text.n = (size_t)(end - p);
	if (nquote == 0)
		return header_block(text, r->dsn);

	if (text.n > HEADER_MAX)
		text.n = HEADER_MAX;
	end = p + text.n;
	header.p = to = arena_get(r->arena, text.n);
	for (; p < end; p = stop) {
		stop = line_end(p, end);
		left = (size_t)(stop - p);
		if (left <= nquote || memcmp(p, quote, nquote) != 0 ||
		    is_empty_line(p + nquote, end))
			break;
		memcpy(to, p + nquote, left - nquote);
		to += left - nquote;
	}
	header.n = (size_t)(to - header.p);
	return header_block(header, r->dsn);
}

static int
is_marker(const char *p, const char *end)
{
	struct deep_str line = { p, (size_t)(end - p) };
	size_t i;

	while (line.n > 0 && (is_quote(*line.p) || *line.p == '-' || *line.p == '|')) {
		line.p++;
		line.n--;
	}
	for (i = 0; i < NMARKER && !begins(line, markers[i]); i++)
		continue;
	return i < NMARKER;
}

/* The original header in a text that a person should read; p NULL: none. */
static struct deep_str
inline_header(struct deep_str text, struct reader *r)
{
	struct deep_str header, none = { NULL, 0 };
	const char *p = text.p, *end, *next;
	int tries = 0;

	if (text.n > MARKER_WITHIN)
		text.n = MARKER_WITHIN;
	/* Nearly all mail ends here. */
	if (p == NULL || text.n == 0 || (memmem(p, text.n, "eceived:", 8) == NULL &&
	    memmem(p, text.n, "essage-I", 8) == NULL &&
	    memmem(p, text.n, "eturn-", 6) == NULL))
		return none;
	for (end = p + text.n; p < end && tries < MARKER_TRIES; p = next) {
		next = line_end(p, end);
		if (!is_marker(p, next))
			continue;
		tries++;
		text.p = next;
		text.n = (size_t)(end - next);
		header = header_behind(text, r);
		if (is_header(header))
			return header;
	}
	return none;
}

/* Whether the last line of a text that says something is a marker. */
static int
ends_with_marker(struct deep_str text)
{
	const char *end = text.p + text.n, *line;

	while (end > text.p && memchr(" \t>-=_*\r\n", end[-1], 9) != NULL)
		end--;
	for (line = end; line > text.p && line[-1] != '\n'; line--)
		continue;
	return line < end && is_marker(line, text.p + text.n);
}

/* The value of the first field of that name. */
static struct deep_str
field_value(struct deep_str header, const char *name)
{
	struct deep_str none = { NULL, 0 };
	struct deep_field field;
	enum deep_status answer;

	while ((answer = deep_field_next(&header, &field, NULL)) != DEEP_NO)
		if (answer == DEEP_YES && deep_is(field.name, name))
			return field.value;
	return none;
}

/* Whether a message that no status part precedes was sent back, and not forwarded:
 * in a report without a status part, in Postfix's words, or announced by a marker. */
static int
is_sent_back(const struct part *part, struct deep_str message, const struct part *text,
    struct arena *arena)
{
	return begins(field_value(message, "Content-Type"), "multipart/report") ||
	    begins(field_value(part->header, "Content-Description"), "Undelivered Message") ||
	    (text != NULL && text->body.n <= MARKER_WITHIN &&
	    ends_with_marker(part_decode(text, arena)));
}

static struct deep_str
copy(struct deep_str s, struct arena *arena)
{
	char *buf = arena_get(arena, s.n + 1);

	if (s.n > 0)
		memcpy(buf, s.p, s.n);
	s.p = buf;
	return s;
}

enum deep_status
dsn_read(struct deep_str message, struct arena *arena, struct dsn *dsn)
{
	struct part part, text[TEXT_MAX], back;
	struct deep_fault fault;
	struct deep_str header;
	struct reader reader;
	enum deep_status answer;
	struct mime mime;
	size_t ntext = 0, i;

	memset(dsn, 0, sizeof(*dsn));
	memset(&reader, 0, sizeof(reader));
	reader.dsn = dsn;
	reader.arena = arena;
	back.type.p = NULL;
	mime_start(&mime, message);
	while ((answer = mime_next(&mime, &part, &fault)) != DEEP_NO) {
		if (answer == DEEP_LIMIT)
			limited(dsn, fault.why);
		if (part.type.p == NULL)
			continue;
		if (is_status(part.type)) {
			if (!dsn->found)
				dsn->boundary_hint = copy(part.edge, arena);
			dsn->found = 1;
			status_read(&reader, part_decode(&part, arena));
		} else if (!dsn->found && is_other_report(part.type)) {
			return DEEP_NO;
		} else if (!dsn->found && is_returned(part.type)) {
			if (back.type.p == NULL && is_sent_back(&part, message,
			    ntext > 0 ? &text[ntext - 1] : NULL, arena))
				back = part;
			mime_enter(&mime);
		} else if (dsn->returned.p == NULL && is_returned(part.type)) {
			header = header_block(part_decode(&part, arena), dsn);
			if (header.n > 0)
				dsn->returned = header;
		} else if (is_text(part.type)) {
			if (dsn->found && dsn->returned.p == NULL) {	/* Facebook */
				header = part_decode(&part, arena);
				header = header_block(header, dsn);
				if (is_header(header))
					dsn->returned = header;
			}
			if (ntext < TEXT_MAX)
				text[ntext++] = part;
		}
	}
	if (!dsn->found && back.type.p != NULL) {
		header = header_block(part_decode(&back, arena), dsn);
		if (is_header(header))
			dsn->returned = header;
	}
	for (i = 0; i < ntext && dsn->returned.p == NULL; i++) {
		/* Decoding shrinks a text by three quarters at most. */
		if (text[i].body.n > 4 * MARKER_WITHIN)
			text[i].body.n = 4 * MARKER_WITHIN;
		dsn->returned = inline_header(part_decode(&text[i], arena), &reader);
		dsn->inline_header = dsn->returned.p != NULL;
	}
	return dsn->found || dsn->returned.p != NULL ? DEEP_YES : DEEP_NO;
}
