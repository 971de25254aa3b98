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

static inline void
deep_blame(struct deep_fault *fault, size_t at, const char *why)
{
	if (fault != NULL) {
		fault->at = at;
		fault->why = why;
	}
}

#endif
