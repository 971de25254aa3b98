/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * word.h - what the files of libdeep share below deep.h.  Not installed.
 */
#ifndef DEEP_WORD_H
#define DEEP_WORD_H

#include "deep.h"

static inline char
deep_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline int
deep_alpha(char c)
{
	return deep_lower(c) >= 'a' && deep_lower(c) <= 'z';
}

static inline int
deep_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline int
deep_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/*
 * A text word by word, for who reads all of it: the octets that are no plain
 * text are marked 64 at a time, so that the words between are stepped over.
 * deep_words_next() answers as deep_word_next() does on what is left.
 */
struct deep_words {
	const char	*p, *end;	/* what is left */
	const char	*block;		/* 64 octets from here, or up to the end, are marked */
	uint64_t	 marks;		/* bit n: block[n] may end or open something */
	uint64_t	 parens;	/* bit n: block[n] is "(", ")" or "\\" */
};
void	deep_words_begin(struct deep_words *, struct deep_str);
enum deep_status deep_words_any(struct deep_words *, struct deep_word *, struct deep_fault *);

static inline enum deep_status
deep_words_next(struct deep_words *w, struct deep_word *word, struct deep_fault *fault)
{
	const char *p = w->p, *stop;
	size_t at;

	/* what most words are: plain text up to the blank behind it */
	if (p < w->end && *p == ' ')
		p++;
	at = (size_t)(p - w->block);
	if (at < 64 && w->marks >> at != 0) {
		stop = p + __builtin_ctzll(w->marks >> at);
		if (stop > p && stop < w->end && *stop == ' ') {
			word->kind = DEEP_ATOM;
			word->text.p = word->inner.p = p;
			word->text.n = word->inner.n = (size_t)(stop - p);
			w->p = stop;
			return DEEP_YES;
		}
	}
	return deep_words_any(w, word, fault);
}

static inline void
deep_blame(struct deep_fault *fault, size_t at, const char *why)
{
	if (fault != NULL) {
		fault->at = at;
		fault->why = why;
	}
}

#endif
