/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * word.c - the words of RFC 5322 3.2 and 4, for all that reads header text.
 *
 *	word	= run of: any octet but white space ( ) ; ,
 *			/ quoted-string / domain-literal / "<" ... ">"
 *	comment	= "(" *( octet / quoted-pair / comment ) ")"
 *
 * Octets above 127 are text (RFC 6532).  A quote, bracket or angle that is not
 * closed is an octet like any other.  Every octet is looked at a bounded number
 * of times, whatever the text.  Never allocates, never recurses.
 */
#include <string.h>

#include "deep.h"
#include "word.h"

int
deep_version(void)
{
	return DEEP_VERSION;
}

struct deep_str
deep_str(const char *text)
{
	struct deep_str s = { text, text == NULL ? 0 : strlen(text) };

	return s;
}

int
deep_is(struct deep_str s, const char *text)
{
	size_t i;

	if (s.p == NULL)
		return 0;
	for (i = 0; i < s.n; i++) {
		if (text[i] == '\0' || deep_lower(s.p[i]) != deep_lower(text[i]))
			return 0;
	}
	return text[i] == '\0';
}

/* What ends a run, and what may open something inside it. */
enum { TEXT, SPACE, OPEN, CLOSE, MARK, QUOTE, BRACKET, LESS, ESCAPE };
static const unsigned char class_of[256] = {
	[' '] = SPACE, ['\t'] = SPACE, ['\r'] = SPACE, ['\n'] = SPACE,
	['('] = OPEN, [')'] = CLOSE, [';'] = MARK, [','] = MARK,
	['"'] = QUOTE, ['['] = BRACKET, ['<'] = LESS, ['\\'] = ESCAPE
};

static unsigned
class_at(const char *p)
{
	return class_of[(unsigned char)*p];
}

/* Behind the closing end, or NULL where there is none.  An opening one of the
 * same kind, seen first, says that this one was text: that bounds the work. */
static const char *
closed(const char *p, const char *end, char open, char close)
{
	for (p++; p < end; p++) {
		if (*p == '\\' && close == '"') {
			if (++p == end)
				return NULL;
		} else if (*p == close) {
			return p + 1;
		} else if (*p == open && close != '"') {
			return NULL;
		}
	}
	return NULL;
}

/* An unclosed comment ends before the next clause, as in fields that were cut
 * or written without the parenthesis; else at the end. */
static const char *
unclosed(const char *p, const char *end)
{
	static const char *const next[] = { "id ", "by ", "for " };
	size_t i;

	for (p++; p < end; p++) {
		if (*p == ';')
			return p;
		if (class_at(p) != SPACE)
			continue;
		for (i = 0; i < sizeof(next) / sizeof(next[0]); i++) {
			size_t n = strlen(next[i]);

			if ((size_t)(end - p) > n && memcmp(p + 1, next[i], n) == 0)
				return p;
		}
	}
	return end;
}

static enum deep_status
comment(struct deep_str *rest, struct deep_word *word, struct deep_fault *fault)
{
	const char *p = rest->p, *end = rest->p + rest->n, *stop;
	size_t depth = 0, deepest = 0;
	enum deep_status answer = DEEP_YES;

	for (; p < end; p++) {
		unsigned class = class_at(p);

		if (class <= SPACE) {
			continue;
		} else if (class == ESCAPE) {
			if (p + 1 < end)
				p++;
		} else if (class == OPEN) {
			if (++depth > deepest)
				deepest = depth;
		} else if (class == CLOSE && --depth == 0) {
			break;
		}
	}
	word->kind = DEEP_COMMENT;
	word->inner.p = rest->p + 1;
	if (p < end) {
		stop = p + 1;
		word->inner.n = (size_t)(p - word->inner.p);
	} else {
		stop = unclosed(rest->p, end);
		word->inner.n = (size_t)(stop - word->inner.p);
		deep_blame(fault, 0, "comment without its closing parenthesis");
		answer = DEEP_BAD;
	}
	if (deepest > DEEP_DEPTH_MAX && answer == DEEP_YES) {
		deep_blame(fault, 0, "comments nested deeper than 64");
		answer = DEEP_LIMIT;
	}
	word->text.p = rest->p;
	word->text.n = (size_t)(stop - rest->p);
	rest->n -= word->text.n;
	rest->p = stop;
	return answer;
}

enum deep_status
deep_word_next(struct deep_str *rest, struct deep_word *word, struct deep_fault *fault)
{
	const char *start = rest->p, *p = rest->p, *end, *behind;
	enum deep_status answer = DEEP_YES;
	int quotes = 1, brackets = 1, angles = 1;	/* 0: none is closed from here on */

	memset(word, 0, sizeof(*word));
	if (p == NULL)
		return DEEP_NO;
	end = p + rest->n;
	while (p < end && class_at(p) == SPACE)
		p++;
	rest->n = (size_t)(end - p);
	rest->p = p;
	if (p == end)
		return DEEP_NO;
	if (class_at(p) == OPEN) {
		answer = comment(rest, word, fault);
		if (answer != DEEP_YES && fault != NULL)
			fault->at += (size_t)(p - start);
		return answer;
	}
	switch (class_at(p)) {
	case QUOTE:
		word->kind = DEEP_QUOTED;
		break;
	case BRACKET:
		word->kind = DEEP_LITERAL;
		break;
	case LESS:
		word->kind = DEEP_ANGLE;
		break;
	case MARK:
		word->kind = DEEP_SPECIAL;
		p++;
		goto done;
	case CLOSE:
		deep_blame(fault, (size_t)(p - start), "closing parenthesis without its opening one");
		answer = DEEP_BAD;
		word->kind = DEEP_SPECIAL;
		p++;
		goto done;
	default:
		word->kind = DEEP_ATOM;
		break;
	}
	while (p < end) {
		behind = NULL;
		while (p < end && class_at(p) == TEXT)
			p++;
		if (p == end)
			break;
		switch (class_at(p)) {
		case SPACE:
		case OPEN:
		case CLOSE:
		case MARK:
			goto done;
		case QUOTE:
			if (quotes && (behind = closed(p, end, '"', '"')) == NULL)
				quotes = 0;
			break;
		case BRACKET:
			if (brackets && (behind = closed(p, end, '[', ']')) == NULL)
				brackets = 0;
			break;
		case LESS:
			if (angles && (behind = closed(p, end, '<', '>')) == NULL)
				angles = 0;
			break;
		case ESCAPE:		/* \" opens nothing, nor does it close, see closed() */
			if (end - p > 1 && (p[1] == '"' || p[1] == '\\'))
				p++;
			break;
		default:
			break;
		}
		p = behind == NULL ? p + 1 : behind;
	}
done:
	/* an opener that turned out to be text does not decide the kind */
	if ((word->kind == DEEP_QUOTED && !quotes) || (word->kind == DEEP_LITERAL && !brackets) ||
	    (word->kind == DEEP_ANGLE && !angles))
		word->kind = DEEP_ATOM;
	word->text.p = rest->p;
	word->text.n = (size_t)(p - rest->p);
	word->inner = word->text;
	rest->n -= word->text.n;
	rest->p = p;
	return answer;
}
