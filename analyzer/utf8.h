/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * utf8.h - well-formed UTF-8 (RFC 3629 4), for the writers.
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The octets of the character that p begins with, and its number; 0: none. */
size_t	utf8_next(const char *p, size_t n, uint32_t *point);
/* 1: moves, hides or turns text round: controls, format and bidi characters. */
int	utf8_is_hostile(uint32_t point);

/* A name for a message on standard error, in static memory: as vis(3) writes it. */
const char *visible(const char *);

#endif
