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
#include "octets.h"
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
		if (s.p[i] != text[i] ? deep_lower(s.p[i]) != deep_lower(text[i]) :
		    text[i] == '\0')
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

/*
 * Which of 16 octets are marked.  Controls, "{" and "|" are without need, which
 * costs a look into class_of only.
 */
static inline octets_are
marked(octets text)
{
	const unsigned char blank = ' ', open = '(', comma = ',', quote = '"', even = 0xfe,
	    fold = 0x9f, semicolon = ';' & 0x9f, less = '<' & 0x9f;	/* "[" and "\\" too */
	octets low = text & fold;

	return (text <= blank) | ((text & even) == open) | (text == comma) | (text == quote) |
	    (low == semicolon) | (low == less);
}

/* Likewise, in a comment. */
static inline octets_are
marked_inside(octets text)
{
	const unsigned char open = '(', even = 0xfe, escape = '\\';

	return ((text & even) == open) | (text == escape);
}

/* A short text is copied, for nothing is read behind its end. */
static void
mark_block(struct deep_words *w, const char *p)
{
	size_t n = (size_t)(w->end - p);
	octets a, b, c, d;
	char copy[64];

	w->block = p;
	if (n < sizeof(copy)) {
		memset(copy, ' ', sizeof(copy));	/* the end is marked, too */
		memcpy(copy, p, n);
		p = copy;
	}
	a = octets_at(p);
	b = octets_at(p + 16);
	c = octets_at(p + 32);
	d = octets_at(p + 48);
	w->marks = octets_four(marked(a), marked(b), marked(c), marked(d));
	w->parens = octets_four(marked_inside(a), marked_inside(b), marked_inside(c),
	    marked_inside(d));
}

/* The first octet at p or behind that is no plain text, or the end. */
static inline const char *
text_end(struct deep_words *w, const char *p)
{
	uint32_t bits;
	size_t at;

	if (w->block == NULL) {
		while (w->end - p >= 16) {
			if ((bits = octets_bits(marked(octets_at(p)))) == 0) {
				p += 16;
				continue;
			}
			p += __builtin_ctz(bits);
			if (class_at(p) != TEXT)
				return p;
			p++;
		}
		while (p < w->end && class_at(p) == TEXT)
			p++;
		return p;
	}
	for (;;) {
		at = (size_t)(p - w->block);
		if (at < 64 && w->marks >> at != 0) {
			p += __builtin_ctzll(w->marks >> at);
			if (p >= w->end || class_at(p) != TEXT)
				return p < w->end ? p : w->end;
			p++;
			continue;
		}
		if (at < 64)
			p = w->block + 64;
		if (p >= w->end)
			return w->end;
		mark_block(w, p);
	}
}

/* The first octet at p or behind that tells something in a comment, or the end. */
static inline const char *
inside_end(struct deep_words *w, const char *p)
{
	size_t at;

	if (w->block == NULL) {
		while (p < w->end && *p != '(' && *p != ')' && *p != '\\')
			p++;
		return p;
	}
	for (;;) {
		at = (size_t)(p - w->block);
		if (at < 64 && w->parens >> at != 0)
			return p + __builtin_ctzll(w->parens >> at);
		if (at < 64)
			p = w->block + 64;
		if (p >= w->end)
			return w->end;
		mark_block(w, p);
	}
}

static enum deep_status
comment(struct deep_words *w, struct deep_word *word, struct deep_fault *fault)
{
	const char *start = w->p, *p = start, *end = w->end, *stop;
	size_t depth = 0, deepest = 0;
	enum deep_status answer = DEEP_YES;

	for (; (p = inside_end(w, p)) < end; p++) {
		if (*p == '\\') {
			if (p + 1 < end)
				p++;
		} else if (*p == '(') {
			if (++depth > deepest)
				deepest = depth;
		} else if (--depth == 0) {
			break;
		}
	}
	word->kind = DEEP_COMMENT;
	word->inner.p = start + 1;
	if (p < end) {
		stop = p + 1;
		word->inner.n = (size_t)(p - word->inner.p);
	} else {
		stop = unclosed(start, end);
		word->inner.n = (size_t)(stop - word->inner.p);
		deep_blame(fault, 0, "comment without its closing parenthesis");
		answer = DEEP_BAD;
	}
	if (deepest > DEEP_DEPTH_MAX && answer == DEEP_YES) {
		deep_blame(fault, 0, "comments nested deeper than 64");
		answer = DEEP_LIMIT;
	}
	word->text.p = start;
	word->text.n = (size_t)(stop - start);
	w->p = stop;
	return answer;
}

static inline enum deep_status
next(struct deep_words *w, struct deep_word *word, struct deep_fault *fault)
{
	const char *start = w->p, *p = start, *end = w->end, *behind;
	enum deep_status answer = DEEP_YES;
	int quotes = 1, brackets = 1, angles = 1;	/* 0: none is closed from here on */

	while (p < end && class_at(p) == SPACE)
		p++;
	w->p = p;
	if (p == end) {
		memset(word, 0, sizeof(*word));
		return DEEP_NO;
	}
	if (class_at(p) == TEXT) {		/* as most words do, from end to end */
		word->kind = DEEP_ATOM;
		p = text_end(w, p);
		if (p == end || class_at(p) <= MARK)
			goto done;
	}
	switch (class_at(w->p)) {
	case OPEN:
		answer = comment(w, word, fault);
		if (answer != DEEP_YES && fault != NULL)
			fault->at += (size_t)(p - start);
		return answer;
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
	while ((p = text_end(w, p)) < end) {
		behind = NULL;
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
	word->text.p = w->p;
	word->text.n = (size_t)(p - w->p);
	word->inner = word->text;
	w->p = p;
	return answer;
}

enum deep_status
deep_word_next(struct deep_str *rest, struct deep_word *word, struct deep_fault *fault)
{
	struct deep_words w = { rest->p, rest->p, NULL, 0, 0 };
	enum deep_status answer;

	if (rest->p == NULL) {
		memset(word, 0, sizeof(*word));
		return DEEP_NO;
	}
	w.end += rest->n;
	answer = next(&w, word, fault);
	rest->n = (size_t)(w.end - w.p);
	rest->p = w.p;
	return answer;
}

void
deep_words_begin(struct deep_words *w, struct deep_str text)
{
	w->p = text.p;
	w->end = text.p == NULL ? NULL : text.p + text.n;
	w->block = NULL;
	if (w->p < w->end)
		mark_block(w, w->p);
}

enum deep_status
deep_words_any(struct deep_words *w, struct deep_word *word, struct deep_fault *fault)
{
	return next(w, word, fault);
}
