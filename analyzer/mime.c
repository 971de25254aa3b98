/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * mime.c - the parts of a message, depth first (RFC 2045, RFC 2046; boundary
 * parameters in pieces, RFC 2231 3).
 *
 *	content	     = type "/" subtype *(";" parameter)
 *	parameter    = attribute "=" value		; CFWS anywhere
 *	value	     = token / quoted-string		; token: up to ";" or white space
 *	delimiter    = "--" boundary *LWSP CRLF		; at the start of a line
 *	close-delimiter = "--" boundary "--" *LWSP CRLF
 *
 * One cursor goes through the message, from dash to dash (lines.c), and holds
 * each such line against the boundaries of all open multiparts, so an inner one
 * that is never closed ends where the outer one goes on, and the time is
 * linear in the length of the message, MIME_DEPTH_MAX being the factor at worst.
 * Never recurses, never allocates but in part_decode(), never decodes a
 * message in order to go on inside it.
 */
#include <string.h>

#include "analyzer.h"
#include "word.h"

static const struct deep_str text_plain = { "text/plain", 10 };
static const struct deep_str message_rfc822 = { "message/rfc822", 14 };

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* If a delimiter stands at p, the level it belongs to, else -1. */
static int
edge_at(const struct mime *m, const char *p, const char *end, int *closing,
    const char **after)
{
	const char *q;
	int i;

	if (end - p < 3 || p[0] != '-' || p[1] != '-')
		return -1;
	for (i = m->depth; i-- > 0; ) {
		const struct level *level = &m->level[i];

		if (level->nedge == 0 || (size_t)(end - p) < level->nedge + 2 ||
		    p[2] != level->edge[0] ||
		    memcmp(p + 2, level->edge, level->nedge) != 0)
			continue;
		q = p + 2 + level->nedge;
		*closing = end - q >= 2 && q[0] == '-' && q[1] == '-';
		if (*closing)
			q += 2;
		while (q < end && is_blank(*q))
			q++;
		if (q < end && *q == '\r')
			q++;
		if (q < end && *q != '\n')
			continue;
		*after = q < end ? q + 1 : end;
		return i;
	}
	return -1;
}

/* The first delimiter at the start of a line, p being such a start; end: none. */
static const char *
edge_find(const struct mime *m, const char *p, const char *end)
{
	const char *after;
	int closing;

	for (; (p = line_next(p, end, LINE_DASH)) < end; p = line_end(p, end))
		if (edge_at(m, p, end, &closing, &after) >= 0)
			return p;
	return end;
}

/* Whether a field begins at p: name *WSP ":". */
static int
is_field(const char *p, const char *end)
{
	const char *name = p;

	while (p < end && (unsigned char)*p > ' ' && *p != ':' && *p != 0x7f)
		p++;
	if (p == name)
		return 0;
	while (p < end && is_blank(*p))
		p++;
	return p < end && *p == ':';
}

/*
 * The header at p, in *header without its empty line; answers where the body
 * starts.  A delimiter ends it, and so does a line that is no field: the empty
 * line was forgotten.  In a message such a line is stepped over while an
 * empty line may still come, for a broken trace field should not hide the rest.
 */
static const char *
header_end(const struct mime *m, const char *p, const char *end, int message,
    struct deep_str *header)
{
	const char *after, *stop;
	int closing, fields = 0;

	header->p = p;
	for (stop = p; p < end; stop = p = line_end(p, end)) {
		if (message && (stop = p = line_next(p, end, LINE_EMPTY | LINE_DASH)) == end)
			break;
		if (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n')) {
			p = line_end(p, end);
			break;
		}
		if (*p == '-' && edge_at(m, p, end, &closing, &after) >= 0)
			break;
		if (is_blank(*p) && fields > 0)
			continue;
		if (is_field(p, end))
			fields++;
		else if (!message)
			break;
	}
	header->n = (size_t)(stop - header->p);
	return p;
}

/* Skips white space and comments. */
static const char *
skip_cfws(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end; p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (depth == 0 && !deep_space(*p))
			break;
		else if (*p == '\\' && end - p > 1)
			p++;
	}
	return p;
}

/* Takes the next parameter off the front of *rest; a value's quotes are cut. */
static int
parameter_next(struct deep_str *rest, struct deep_str *name, struct deep_str *value)
{
	const char *p = rest->p, *end = p + rest->n;

	for (;;) {
		while (p < end && *p != ';') {		/* the rest of the one before */
			if (*p == '"') {
				for (p++; p < end && *p != '"'; p++)
					if (*p == '\\' && end - p > 1)
						p++;
				if (p == end)
					break;
			}
			p++;
		}
		if (p == end)
			return 0;
		p = skip_cfws(p + 1, end);
		name->p = p;
		while (p < end && *p != '=' && *p != ';' && *p != '(' && !deep_space(*p))
			p++;
		name->n = (size_t)(p - name->p);
		p = skip_cfws(p, end);
		if (p < end && *p == '=')
			break;
	}
	p = skip_cfws(p + 1, end);
	if (p < end && *p == '"') {
		value->p = ++p;
		while (p < end && *p != '"')
			p += *p == '\\' && end - p > 1 ? 2 : 1;
		value->n = (size_t)(p - value->p);
		if (p < end)
			p++;
	} else {
		value->p = p;
		while (p < end && *p != ';' && !deep_space(*p))
			p++;
		value->n = (size_t)(p - value->p);
	}
	rest->n = (size_t)(end - p);
	rest->p = p;
	return 1;
}

/* Appends a value, without folds and the "\" of quoted pairs; what does not
 * fit is counted only. */
static size_t
append(char *buf, size_t size, size_t n, struct deep_str value)
{
	const char *p = value.p, *end = p + value.n;

	for (; p < end; p++) {
		if (*p == '\r' || *p == '\n')
			continue;
		if (*p == '\\' && end - p > 1)
			p++;
		if (n < size)
			buf[n] = *p;
		n++;
	}
	return n;
}

/* The boundary parameter.  Answers its length, which may be more than
 * BOUNDARY_MAX; 0: none. */
static size_t
boundary(struct deep_str content, char edge[BOUNDARY_MAX + 1])
{
	struct deep_str rest = content, name, value;
	size_t n = 0, pieces = 0;

	while (parameter_next(&rest, &name, &value)) {
		int extended = name.n > 0 && name.p[name.n - 1] == '*';
		struct deep_str stem = { name.p, name.n - (size_t)extended };

		if (IS(stem, "boundary")) {
			n = append(edge, BOUNDARY_MAX, 0, value);
			break;
		}
		/* RFC 2231 3: boundary*0, boundary*1 ... in their order */
		if (stem.n > 9 && stem.p[8] == '*') {
			struct deep_str front = { stem.p, 8 };
			size_t i, number = 0;

			if (!deep_is(front, "boundary"))
				continue;
			for (i = 9; i < stem.n && number < 1000; i++)
				number = number * 10 + (size_t)(stem.p[i] - '0');
			if (number == pieces) {
				n = append(edge, BOUNDARY_MAX, n, value);
				pieces++;
			}
		}
	}
	if (n <= BOUNDARY_MAX)		/* a boundary never ends with a blank */
		while (n > 0 && is_blank(edge[n - 1]))
			n--;
	return n;
}

/* The first word of a value, up to ";", white space or a comment. */
static struct deep_str
first_word(struct deep_str value)
{
	const char *end = value.p + value.n, *p = skip_cfws(value.p, end);
	struct deep_str word = { p, 0 };

	if (p < end && *p == '"')
		word.p = ++p;
	while (p < end && *p != ';' && *p != '(' && *p != '"' && !deep_space(*p))
		p++;
	word.n = (size_t)(p - word.p);
	return word;
}

static int
begins(struct deep_str s, const char *with)
{
	struct deep_str front = { s.p, strlen(with) };

	return s.n >= front.n && is_word(front, with, front.n);
}

void
mime_start(struct mime *m, struct deep_str message)
{
	memset(m, 0, sizeof(*m));
	m->rest = message;
	m->open = m->message = message.p != NULL;
}

void
mime_enter(struct mime *m)
{
	if (m->inside.p == NULL)
		return;
	if (m->depth == MIME_DEPTH_MAX) {
		m->refused = 1;
	} else {
		memset(&m->level[m->depth], 0, sizeof(m->level[0]));
		m->depth++;
		m->rest = m->inside;
		m->open = m->message = 1;
	}
	m->inside.p = NULL;
}

/* Goes to the next entity.  0: there is none. */
static int
seek(struct mime *m)
{
	const char *p = m->rest.p, *end = p + m->rest.n, *after = p;
	int closing = 0, level;

	while ((p = edge_find(m, p, end)) < end) {
		level = edge_at(m, p, end, &closing, &after);
		p = after;
		m->depth = closing ? level : level + 1;
		if (!closing) {
			m->rest.p = p;
			m->rest.n = (size_t)(end - p);
			m->message = 0;
			return 1;
		}
	}
	m->rest.p = end;
	m->rest.n = 0;
	return 0;
}

static enum deep_status
limit(struct deep_fault *fault, const struct mime *m, const char *start, const char *why)
{
	if (fault != NULL) {
		fault->at = (size_t)(m->rest.p - start);
		fault->why = why;
	}
	return DEEP_LIMIT;
}

enum deep_status
mime_next(struct mime *m, struct part *part, struct deep_fault *fault)
{
	struct deep_str header, content;
	struct deep_field field;
	struct level *level;
	const char *start = m->rest.p, *end, *p, *edge, *why;
	enum deep_status answer;
	int i, digest;

	m->inside.p = NULL;
	memset(part, 0, sizeof(*part));
	if (m->refused) {
		m->refused = 0;
		return limit(fault, m, start, "messages nested deeper than 8");
	}
	if (start == NULL)
		return DEEP_NO;
	end = start + m->rest.n;
	for (;;) {
		why = NULL;
		if (!m->open && !seek(m))
			return DEEP_NO;
		m->open = 0;

		p = header_end(m, m->rest.p, end, m->message, &header);
		m->rest.p = p;
		m->rest.n = (size_t)(end - p);
		if (header.n > HEADER_MAX) {
			why = "a header longer than 1 MiB";
			header.n = HEADER_MAX;
		}
		part->header = header;
		part->type.p = content.p = NULL;
		part->type.n = content.n = part->encoding.n = 0;
		while (field_of(&header, LINE_C, &field) != DEEP_NO) {
			if (content.p == NULL && IS(field.name, "Content-Type"))
				content = field.value;
			else if (part->encoding.n == 0 && IS(field.name, "Content-Transfer-Encoding"))
				part->encoding = first_word(field.value);
		}
		if (content.p != NULL)
			part->type = first_word(content);
		digest = m->depth > 0 && m->level[m->depth - 1].digest;
		if (part->type.n == 0 || memchr(part->type.p, '/', part->type.n) == NULL)
			part->type = digest && !m->message ? message_rfc822 : text_plain;

		if (!begins(part->type, "multipart/"))
			break;
		if (m->depth == MIME_DEPTH_MAX) {
			why = "parts nested deeper than 8";
			break;
		}
		level = &m->level[m->depth];
		level->nedge = boundary(content, level->edge);
		if (level->nedge > BOUNDARY_MAX)
			why = "a boundary longer than 70 octets";
		if (level->nedge == 0 || level->nedge > BOUNDARY_MAX)
			break;
		level->edge[level->nedge] = '\0';
		level->digest = IS(part->type, "multipart/digest") != 0;
		m->depth++;
	}

	if (m->parts == MIME_PART_MAX) {
		memset(part, 0, sizeof(*part));
		answer = limit(fault, m, start, "more than 100 parts");
		m->rest.p = NULL;
		return answer;
	}
	m->parts++;
	part->depth = m->depth;
	for (i = m->depth; i-- > 0; )
		if (m->level[i].nedge > 0) {
			part->edge.p = m->level[i].edge;
			part->edge.n = m->level[i].nedge;
			break;
		}
	/* Where no multipart is open nothing has to be searched. */
	edge = part->edge.p == NULL ? end : edge_find(m, p, end);
	m->rest.p = edge;
	m->rest.n = (size_t)(end - edge);
	if (edge < end && edge > p) {	/* the line end before it is part of it */
		edge--;
		if (edge > p && edge[-1] == '\r')
			edge--;
	}
	part->body.p = p;
	part->body.n = (size_t)(edge - p);
	if (IS(part->type, "message/rfc822") || IS(part->type, "message/global")) {
		m->inside.p = p;
		m->inside.n = (size_t)(end - p);
	}
	return why == NULL ? DEEP_YES : limit(fault, m, start, why);
}

/* The six bits of a base64 digit, or -1. */
static int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 2045 6.8: octets that are no digits are skipped, "=" ends a piece. */
static size_t
base64_decode(char *to, struct deep_str from)
{
	const char *p = from.p, *end = p + from.n;
	unsigned long bits = 0;
	size_t n = 0;
	int have = 0, digit;

	for (; p < end; p++) {
		if (*p == '=') {
			have = 0;
			continue;
		}
		if ((digit = base64_digit(*p)) == -1)
			continue;
		bits = (bits << 6 | (unsigned long)digit) & 0xffffffUL;
		have += 6;
		if (have >= 8) {
			have -= 8;
			to[n++] = (char)(bits >> have & 0xff);
		}
	}
	return n;
}

int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 2045 6.7: blanks at the end of a line go, "=" there joins two lines. */
static size_t
quoted_decode(char *to, struct deep_str from)
{
	const char *p = from.p, *end = p + from.n, *q;
	size_t n = 0;

	while (p < end) {
		if (*p == '=') {
			if (end - p > 2 && hex_digit(p[1]) >= 0 && hex_digit(p[2]) >= 0) {
				to[n++] = (char)(hex_digit(p[1]) << 4 | hex_digit(p[2]));
				p += 3;
				continue;
			}
			for (q = p + 1; q < end && is_blank(*q); )
				q++;
			if (q < end && *q == '\r')
				q++;
			if (q == end || *q == '\n') {
				p = q == end ? end : q + 1;
				continue;
			}
		} else if (is_blank(*p)) {
			for (q = p; q < end && is_blank(*q); )
				q++;
			if (q < end && *q != '\n' && *q != '\r') {
				memcpy(to + n, p, (size_t)(q - p));
				n += (size_t)(q - p);
			}
			p = q;
			continue;
		}
		to[n++] = *p++;
	}
	return n;
}

struct deep_str
part_decode(const struct part *part, struct arena *arena)
{
	struct deep_str text = part->body;
	int base64 = deep_is(part->encoding, "base64");
	char *to;

	if (text.n == 0 || (!base64 && !deep_is(part->encoding, "quoted-printable")))
		return text;
	to = arena_get(arena, text.n);
	text.n = base64 ? base64_decode(to, text) : quoted_decode(to, text);
	text.p = to;
	return text;
}
