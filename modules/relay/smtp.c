/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * smtp.c - commands, replies and message text (RFC 5321 4.1 to 4.5, RFC 1870,
 * RFC 2034, RFC 2920, RFC 3030, RFC 3461, RFC 6531), the Received field that
 * we add, and what a header says about TLS (RFC 8689, RFC 8460).
 *
 * It allocates nothing, does no I/O, and passes nothing on that the grammar
 * has no place for: a command line is built anew from its parts, a reply is
 * written from an allow-list, and a CR or LF alone never ends a line of text.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "relay.h"

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static int
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int
is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A printable octet of ASCII, or any above it. */
static int
is_graphic(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f;
}

static struct deep_str
slice(const char *p, size_t n)
{
	struct deep_str	text = { p, n };

	return text;
}

static void
skip_blanks(struct deep_str *rest)
{
	while (rest->n > 0 && is_blank(rest->p[0])) {
		rest->p++;
		rest->n--;
	}
}

static void
cut(struct deep_str *rest, size_t n)
{
	rest->p += n;
	rest->n -= n;
}

/* Everything up to a blank, off the front. */
static struct deep_str
word(struct deep_str *rest)
{
	struct deep_str	text;
	size_t		n = 0;

	skip_blanks(rest);
	while (n < rest->n && !is_blank(rest->p[n]))
		n++;
	text = slice(rest->p, n);
	cut(rest, n);
	return text;
}

/* --- Commands. */

enum smtp_verb
smtp_verb(struct deep_str line, struct deep_str *rest)
{
	static const struct {
		const char	*name;
		enum smtp_verb	 verb;
	} verbs[] = {
		{ "HELO", SMTP_HELO }, { "EHLO", SMTP_EHLO }, { "STARTTLS", SMTP_STARTTLS },
		{ "MAIL", SMTP_MAIL }, { "RCPT", SMTP_RCPT }, { "DATA", SMTP_DATA },
		{ "BDAT", SMTP_BDAT }, { "RSET", SMTP_RSET }, { "NOOP", SMTP_NOOP },
		{ "VRFY", SMTP_VRFY }, { "QUIT", SMTP_QUIT }, { "HELP", SMTP_HELP }
	};
	struct deep_str	name;
	size_t		i;

	name = word(&line);
	skip_blanks(&line);
	while (line.n > 0 && is_blank(line.p[line.n - 1]))
		line.n--;
	*rest = line;
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (deep_is(name, verbs[i].name))
			return verbs[i].verb;
	}
	return SMTP_UNKNOWN;
}

/*
 *	path	= "<" [ A-d-l ":" ] [ address ] ">"
 *	address	= local [ "@" domain ]
 *
 * The source route is dropped (RFC 5321 4.1.1.3).  Of the local part it is
 * only asked that quotes are closed and that no control stands in it.
 */
enum deep_status
smtp_path_next(struct deep_str *rest, const char *keyword, struct smtp_path *path)
{
	struct deep_str	s = *rest;
	size_t		n = strlen(keyword), i, at = 0, start = 1;
	int		quoted = 0, literal = 0, has_at = 0, end = 0;

	memset(path, 0, sizeof(*path));
	skip_blanks(&s);
	if (s.n <= n || !deep_is(slice(s.p, n), keyword) || s.p[n] != ':')
		return DEEP_BAD;
	cut(&s, n + 1);
	skip_blanks(&s);
	if (s.n == 0 || s.p[0] != '<')
		return DEEP_BAD;
	if (s.n > 1 && s.p[1] == '@') {
		const char	*colon = memchr(s.p, ':', s.n);
		const char	*close = memchr(s.p, '>', s.n);

		if (colon == NULL || close == NULL || colon > close)
			return DEEP_BAD;
		start = (size_t)(colon - s.p) + 1;
	}
	for (i = start; i < s.n && !end; i++) {
		char	c = s.p[i];

		if ((unsigned char)c < 0x20 || c == 0x7f)
			return DEEP_BAD;
		if (quoted) {
			if (c == '\\') {
				if (++i >= s.n || (unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
					return DEEP_BAD;
			} else if (c == '"')
				quoted = 0;
		} else if (literal) {
			if (c == ']')
				literal = 0;
			else if (!is_graphic(c) || c == '<' || c == '>')
				return DEEP_BAD;
		} else if (c == '"')
			quoted = 1;
		else if (c == '@') {
			at = i;
			has_at = 1;
			if (i + 1 < s.n && s.p[i + 1] == '[')
				literal = 1;
		} else if (c == '>')
			end = 1;
		else if (c == ' ' || c == '<')
			return DEEP_BAD;
	}
	if (!end)
		return DEEP_BAD;
	/* i is behind the ">" */
	if (i < s.n && !is_blank(s.p[i]))
		return DEEP_BAD;
	path->address = slice(s.p + start, i - 1 - start);
	if (path->address.n > PATH_MAX_OCTETS)
		return DEEP_LIMIT;
	if (has_at) {
		path->domain = slice(s.p + at + 1, i - 1 - at - 1);
		if (at == start || path->domain.n == 0)
			return DEEP_BAD;
		path->literal = path->domain.p[0] == '[';
	}
	cut(&s, i);
	*rest = s;
	return DEEP_YES;
}

/*
 *	parameter	= name [ "=" value ]
 *	name		= (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 *	value		= 1*<any octet but "=", SP and controls>
 */
enum deep_status
smtp_parameter_next(struct deep_str *rest, struct deep_str *name, struct deep_str *value)
{
	struct deep_str	all;
	size_t		n = 0, i;

	skip_blanks(rest);
	if (rest->n == 0)
		return DEEP_NO;
	all = word(rest);
	while (n < all.n && (is_alnum(all.p[n]) || (all.p[n] == '-' && n > 0)))
		n++;
	*name = slice(all.p, n);
	*value = slice(NULL, 0);
	if (n == 0)
		return DEEP_BAD;
	if (n == all.n)
		return DEEP_YES;
	if (all.p[n] != '=')
		return DEEP_BAD;
	*value = slice(all.p + n + 1, all.n - n - 1);
	if (value->n == 0)
		return DEEP_BAD;
	if (value->n > PARAMETER_MAX)
		return DEEP_LIMIT;
	for (i = 0; i < value->n; i++) {
		if (!is_graphic(value->p[i]) || value->p[i] == '=')
			return DEEP_BAD;
	}
	return DEEP_YES;
}

/*
 *	xtext	= 1*( %x21-2a / %x2c-3c / %x3e-7e / "+" 2("0"-"9" / "A"-"F") )
 */
int
smtp_is_xtext(struct deep_str text)
{
	size_t	i;

	for (i = 0; i < text.n; i++) {
		char	c = text.p[i];

		if (c <= 0x20 || c >= 0x7f || c == '=')
			return 0;
		if (c != '+')
			continue;
		if (text.n - i < 3 || strchr("0123456789ABCDEF", text.p[i + 1]) == NULL ||
		    strchr("0123456789ABCDEF", text.p[i + 2]) == NULL)
			return 0;
		i += 2;
	}
	return text.n > 0;
}

unsigned
smtp_notify(struct deep_str list)
{
	static const char *const names[] = { "NEVER", "SUCCESS", "FAILURE", "DELAY" };
	unsigned		 set = 0;
	size_t			 n, i;

	while (list.n > 0) {
		const char	*comma = memchr(list.p, ',', list.n);

		n = comma == NULL ? list.n : (size_t)(comma - list.p);
		for (i = 0; i < 4 && !deep_is(slice(list.p, n), names[i]); i++)
			;
		if (i == 4 || (comma != NULL && n + 1 == list.n))
			return 0;
		set |= 1u << i;
		cut(&list, comma == NULL ? n : n + 1);
	}
	return set & SMTP_NOTIFY_NEVER && set != SMTP_NOTIFY_NEVER ? 0 : set;
}

/* --- Replies. */

/* "4.7.10" off the front, of the class of this code; 0: none stands there. */
static size_t
enhanced(struct deep_str text, int code)
{
	size_t	i, part, digits;

	if (text.n < 5 || text.p[0] != '0' + code / 100 || text.p[1] != '.')
		return 0;
	i = 2;
	for (part = 0; part < 2; part++) {
		for (digits = 0; i < text.n && is_digit(text.p[i]); i++)
			digits++;
		if (digits == 0 || digits > 3)
			return 0;
		if (part == 0 && (i >= text.n || text.p[i++] != '.'))
			return 0;
	}
	return i == text.n || text.p[i] == ' ' || text.p[i] == '\r' || text.p[i] == '\n' ? i : 0;
}

/*
 *	reply	= *( code "-" text CRLF ) code [ SP text ] CRLF
 */
enum deep_status
smtp_reply_next(struct deep_str *rest, struct smtp_reply *reply)
{
	size_t		 at = 0, n, end;
	int		 code, last = 0;
	const char	*line, *lf;

	memset(reply, 0, sizeof(*reply));
	while (!last) {
		line = rest->p + at;
		lf = rest->n > at ? memchr(line, '\n', rest->n - at) : NULL;
		if (lf == NULL)
			return rest->n > REPLY_MAX ? DEEP_LIMIT : DEEP_NO;
		end = (size_t)(lf - line);
		n = end > 0 && line[end - 1] == '\r' ? end - 1 : end;
		if (n < 3 || !is_digit(line[0]) || !is_digit(line[1]) || !is_digit(line[2]))
			return DEEP_BAD;
		code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
		if (code < 200 || code > 599)
			return DEEP_BAD;
		last = n == 3 || line[3] == ' ';
		if (!last && line[3] != '-')
			return DEEP_BAD;
		if (reply->lines > 0 && code != reply->code)
			return DEEP_BAD;
		if (reply->lines++ == 0 && n > 4) {
			reply->status = slice(line + 4, n - 4);
			reply->status.n = enhanced(reply->status, code);
		}
		reply->code = code;
		at += end + 1;
		if (at > REPLY_MAX)
			return DEEP_LIMIT;
	}
	reply->text = slice(rest->p, at);
	if (reply->status.n == 0)
		reply->status.p = NULL;
	cut(rest, at);
	return DEEP_YES;
}

/* What is written goes on after the buffer's end, uncounted octets do not. */
struct sink {
	char	*buf;
	size_t	 size, n;
};

static void
put(struct sink *to, const char *p, size_t n)
{
	if (to->n < to->size)
		memcpy(to->buf + to->n, p, n < to->size - to->n ? n : to->size - to->n);
	to->n += n;
}

static void
puts_to(struct sink *to, const char *text)
{
	put(to, text, strlen(text));
}

static int
finish(struct sink *to)
{
	if (to->n < to->size)
		to->buf[to->n] = '\0';
	else if (to->size > 0)
		to->buf[0] = '\0';
	return (int)to->n;
}

/*
 * The lines that this makes:
 *
 *	550-5.1.1 no such user
 *	550 5.1.1 see https://example.org/
 */
int
smtp_reply_emit(char *buf, size_t size, const struct smtp_reply *reply, const char *status)
{
	struct sink	to = { buf, size, 0 };
	struct deep_str	rest = reply->text;
	size_t		i, n, room;
	char		code[8], c;

	if (size > 0)
		buf[0] = '\0';
	if (reply->code < 200 || reply->code > 599)
		return -1;
	while (rest.n > 0) {
		const char	*lf = memchr(rest.p, '\n', rest.n);
		struct deep_str	 line = rest;

		if (lf != NULL)
			line.n = (size_t)(lf - rest.p);
		cut(&rest, lf == NULL ? rest.n : line.n + 1);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		snprintf(code, sizeof(code), "%03d%c", reply->code, rest.n > 0 ? '-' : ' ');
		puts_to(&to, code);
		room = REPLY_LINE_MAX - 4;
		cut(&line, line.n > 4 ? 4 : line.n);
		if (status != NULL && enhanced(line, reply->code) == 0) {
			puts_to(&to, status);
			puts_to(&to, " ");
			room -= strlen(status) + 1;
		}
		n = line.n < room ? line.n : room;
		for (i = 0; i < n; i++) {
			c = line.p[i];
			if (c == '\t')
				c = ' ';
			else if (c < 0x20 || c >= 0x7f)
				c = '?';
			put(&to, &c, 1);
		}
		puts_to(&to, "\r\n");
	}
	return finish(&to);
}

unsigned
smtp_offers(const struct smtp_reply *reply, struct deep_str *name)
{
	static const struct {
		const char	*name;
		unsigned	 bit;
	} keywords[] = {
		{ "STARTTLS", SMTP_HAS_STARTTLS }, { "SIZE", SMTP_HAS_SIZE },
		{ "8BITMIME", SMTP_HAS_8BITMIME }, { "SMTPUTF8", SMTP_HAS_SMTPUTF8 },
		{ "PIPELINING", SMTP_HAS_PIPELINING }, { "DSN", SMTP_HAS_DSN },
		{ "CHUNKING", SMTP_HAS_CHUNKING }
	};
	struct deep_str	rest = reply->text, line, keyword;
	unsigned	set = SMTP_HAS_ESMTP;
	int		first = 1;
	size_t		i;

	*name = slice(NULL, 0);
	while (rest.n > 0) {
		const char	*lf = memchr(rest.p, '\n', rest.n);

		line = slice(rest.p, lf == NULL ? rest.n : (size_t)(lf - rest.p));
		cut(&rest, lf == NULL ? rest.n : line.n + 1);
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		cut(&line, line.n > 4 ? 4 : line.n);
		keyword = word(&line);
		if (first)
			*name = keyword;
		for (i = 0; !first && i < sizeof(keywords) / sizeof(keywords[0]); i++) {
			if (deep_is(keyword, keywords[i].name))
				set |= keywords[i].bit;
		}
		first = 0;
	}
	return set;
}

/* --- Message text. */

enum { AT_START, AT_DOT, AT_DOT_CR, AT_TEXT, AT_CR, AT_PSEUDO };

size_t
smtp_text(struct smtp_text *text, struct deep_str in, char *out, size_t *written)
{
	unsigned char	 line_start = text->plain ? AT_PSEUDO : AT_START, state = text->state;
	const char	*p = in.p, *end = in.p + in.n, *lf, *stop;
	char		*o = out, c;

	if (state == AT_START)
		state = line_start;
	while (p < end && !text->ended) {
		if (state == AT_TEXT) {
			/* A line that ends as it should is copied as it is. */
			lf = memchr(p, '\n', (size_t)(end - p));
			stop = lf == NULL ? end : lf;
			if (lf != NULL && lf > p && lf[-1] == '\r' &&
			    memchr(p, '\r', (size_t)(lf - p - 1)) == NULL) {
				memcpy(o, p, (size_t)(lf + 1 - p));
				o += lf + 1 - p;
				p = lf + 1;
				state = line_start;
				continue;
			}
			if (memchr(p, '\r', (size_t)(stop - p)) == NULL && stop > p) {
				memcpy(o, p, (size_t)(stop - p));
				o += stop - p;
				p = stop;
				continue;
			}
		}
		c = *p++;
		switch (state) {
		case AT_DOT_CR:
			if (c == '\n') {
				text->ended = 1;
				break;
			}
			memcpy(o, "..\r\n", 4);		/* a dot, and a lone CR */
			o += 4;
			text->fixed = 1;
			state = AT_PSEUDO;
			p--;
			break;
		case AT_DOT:
			if (c == '\r') {
				state = AT_DOT_CR;
			} else if (c == '\n') {
				memcpy(o, "..\r\n", 4);
				o += 4;
				text->fixed = 1;
				state = AT_PSEUDO;
			} else {
				*o++ = '.';
				*o++ = c;
				state = AT_TEXT;
			}
			break;
		case AT_CR:
			*o++ = '\r';
			*o++ = '\n';
			if (c == '\n') {
				state = line_start;
			} else {
				text->fixed = 1;
				state = AT_PSEUDO;
				p--;
			}
			break;
		case AT_START:
		case AT_PSEUDO:
			if (c == '.') {
				if (state == AT_START) {
					state = AT_DOT;
				} else {
					*o++ = '.';
					*o++ = '.';
					state = AT_TEXT;
				}
				break;
			}
			/* FALLTHROUGH */
		default:
			if (c == '\r') {
				state = AT_CR;
			} else if (c == '\n') {
				*o++ = '\r';
				*o++ = '\n';
				text->fixed = 1;
				state = AT_PSEUDO;
			} else {
				*o++ = c;
				state = AT_TEXT;
			}
			break;
		}
	}
	text->state = state;
	*written = (size_t)(o - out);
	text->octets += *written;
	return (size_t)(p - in.p);
}

#define BLOCK	1024		/* octets that are looked at together */

/*
 * 1: between p[0] and p[n], that one too, no CR or LF that is not one of CRLF, and no
 * line that begins with a dot.  Without a branch, so that compilers do many at once.
 */
static int
is_plain(const char *p, size_t n)
{
	unsigned char	bad = 0;
	size_t		i;

	for (i = 0; i < n; i++)
		bad |= (unsigned char)(((p[i] == '\r') ^ (p[i + 1] == '\n')) |
		    ((p[i] == '\n') & (p[i + 1] == '.')));
	return bad == 0;
}

size_t
smtp_text_same(struct smtp_text *text, struct deep_str in)
{
	size_t	at = 0, last;

	if (in.n == 0 || text->ended || in.p[0] == '\n' || (text->state != AT_TEXT &&
	    (in.p[0] == '.' || (text->state != AT_START && text->state != AT_PSEUDO))))
		return 0;
	last = in.n - 1;		/* what follows this one is not known */
	while (last - at >= BLOCK && is_plain(in.p + at, BLOCK))
		at += BLOCK;
	if (last - at < BLOCK && is_plain(in.p + at, last - at))
		at = in.n;
	if (at > 0 && in.p[at - 1] == '\r')
		at--;
	if (at == 0)
		return 0;
	text->state = in.p[at - 1] != '\n' ? AT_TEXT : text->plain ? AT_PSEUDO : AT_START;
	text->octets += at;
	return at;
}

size_t
smtp_text_end(struct smtp_text *text, char *out)
{
	const char	*end = ".\r\n";

	if (text->state == AT_CR)
		text->fixed = 1;
	if (text->state == AT_TEXT || text->state == AT_CR)
		end = "\r\n.\r\n";
	memcpy(out, end, strlen(end));
	return strlen(end);
}

/* --- The Received field. */

/* Whether this can stand in "from" and "by": a domain or an address literal. */
static int
is_name(struct deep_str name, int utf8)
{
	size_t	i;

	for (i = 0; i < name.n; i++) {
		char	c = name.p[i];

		if (!is_alnum(c) && strchr(".-_:[]", c) == NULL &&
		    !(utf8 && (unsigned char)c >= 0x80))
			return 0;
		if (c == '\0')
			return 0;
	}
	return name.n > 0 && name.n <= DEEP_DOMAIN_MAX + 2;
}

int
smtp_is_ascii(struct deep_str text)
{
	size_t	i;

	for (i = 0; i < text.n; i++) {
		if ((unsigned char)text.p[i] >= 0x80)
			return 0;
	}
	return 1;
}

/*
 * The lines that this makes:
 *
 *	Received: from mail.example.org ([127.0.0.1])
 *		by relay.example.org with ESMTPS id 4d3a1f0b9c
 *		for <u@example.net>
 *		tls TLS_AES_128_GCM_SHA256 group x25519;
 *		Tue, 24 Nov 2026 11:15:33 +0000
 */
int
smtp_received_emit(char *buf, size_t size, const struct smtp_trace *trace)
{
	struct sink	to = { buf, size, 0 };
	struct deep_str	helo = trace->helo;
	char		clause[256], date[64];
	struct tm	tm;
	time_t		now = (time_t)trace->now;
	int		n = 0;

	if (size > 0)
		buf[0] = '\0';
	if (!is_name(helo, trace->utf8))
		helo = trace->peer;
	if (!is_name(helo, trace->utf8) || !is_name(trace->peer, 0) || !is_name(trace->by, 0) ||
	    !is_name(trace->id, 0) || gmtime_r(&now, &tm) == NULL)
		return -1;
	puts_to(&to, "Received: from ");
	put(&to, helo.p, helo.n);
	puts_to(&to, " (");
	put(&to, trace->peer.p, trace->peer.n);
	puts_to(&to, ")\r\n\tby ");
	put(&to, trace->by.p, trace->by.n);
	puts_to(&to, " with ");
	if (trace->utf8)
		puts_to(&to, "UTF8SMTP");
	else
		puts_to(&to, trace->esmtp ? "ESMTP" : "SMTP");
	if (trace->suite.n > 0 && (trace->esmtp || trace->utf8))
		puts_to(&to, "S");
	puts_to(&to, " id ");
	put(&to, trace->id.p, trace->id.n);
	if (trace->forwhom.n > 0 && (trace->utf8 || smtp_is_ascii(trace->forwhom))) {
		puts_to(&to, "\r\n\tfor <");
		put(&to, trace->forwhom.p, trace->forwhom.n);
		puts_to(&to, ">");
	}
	if (trace->suite.n > 0) {
		n = deep_tls_emit(clause, sizeof(clause), DEEP_FOLD_AT, "\r\n", trace->suite,
		    trace->group);
		if (n < 0 || (size_t)n >= sizeof(clause))
			return -1;
		puts_to(&to, clause);
	}
	puts_to(&to, ";\r\n\t");
	if (strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
		return -1;
	puts_to(&to, date);
	puts_to(&to, "\r\n");
	return finish(&to);
}

unsigned
smtp_header_bypass(struct deep_str header)
{
	struct deep_field	field;
	struct deep_word	token;
	struct deep_str		value;
	enum deep_status	answer;
	unsigned		set = 0;
	int			domain = 0, submitter = 0;

	while ((answer = deep_field_next(&header, &field, NULL)) != DEEP_NO) {
		if (answer != DEEP_YES)
			continue;
		if (deep_is(field.name, "TLS-Report-Domain"))
			domain = 1;
		else if (deep_is(field.name, "TLS-Report-Submitter"))
			submitter = 1;
		if (!deep_is(field.name, "TLS-Required"))
			continue;
		value = field.value;
		while ((answer = deep_word_next(&value, &token, NULL)) == DEEP_YES &&
		    token.kind == DEEP_COMMENT)
			;
		if (answer == DEEP_YES && deep_is(token.text, "No"))
			set |= DEEP_BYPASS_TLS_REQUIRED_NO;
	}
	if (domain && submitter)
		set |= DEEP_BYPASS_TLSRPT;
	return set;
}
