/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * octets.h - sixteen octets looked at in one go, by the vectors of gcc and clang,
 * which any machine has in some way.  Not installed.
 */
#ifndef DEEP_OCTETS_H
#define DEEP_OCTETS_H

#include <stdint.h>
#include <string.h>

typedef unsigned char octets __attribute__((vector_size(16)));
typedef signed char octets_are __attribute__((vector_size(16)));	/* of a comparison: 0 or -1 */

static inline octets
octets_at(const char *p)
{
	octets text;

	memcpy(&text, p, sizeof(text));
	return text;
}

/* Copies 1 to 15 octets, by pieces that overlap, and answers them all, some twice: what
 * was written in pieces cannot be read back in one go until it is in the cache. */
static inline octets
octets_copy(char *to, const char *p, size_t n)
{
	uint64_t two[2];
	uint32_t a, b;
	octets text;

	if (n >= 8) {
		memcpy(&two[0], p, 8);
		memcpy(&two[1], p + n - 8, 8);
		memcpy(to, &two[0], 8);
		memcpy(to + n - 8, &two[1], 8);
	} else if (n >= 4) {
		memcpy(&a, p, 4);
		memcpy(&b, p + n - 4, 4);
		memcpy(to, &a, 4);
		memcpy(to + n - 4, &b, 4);
		two[0] = two[1] = a | (uint64_t)b << 32;
	} else {
		const unsigned char *octet = (const unsigned char *)p;

		a = octet[0] * 0x01000001U | octet[n / 2] * 0x0100U | octet[n - 1] * 0x010000U;
		to[0] = p[0];
		to[n / 2] = p[n / 2];
		to[n - 1] = p[n - 1];
		two[0] = two[1] = a | (uint64_t)a << 32;
	}
	memcpy(&text, two, sizeof(text));
	return text;
}

/* Fewer than 16 octets, with zeros behind them: for the end of a text. */
static inline octets
octets_few(const char *p, size_t n)
{
	char copy[sizeof(octets)];

	memset(copy, 0, sizeof(copy));
	if (n > 0)
		(void)octets_copy(copy, p, n);
	return octets_at(copy);
}

/* Bit n: it is so of octet n. */
static inline uint32_t
octets_bits(octets_are are)
{
#ifdef __SSE2__
	typedef char chars __attribute__((vector_size(16)));

	return (uint32_t)__builtin_ia32_pmovmskb128((chars)are);
#else
	const octets_are one = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
	octets_are flag = are & one;
	uint64_t half[2];

	memcpy(half, &flag, sizeof(half));
#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
	half[0] = __builtin_bswap64(half[0]);
	half[1] = __builtin_bswap64(half[1]);
#endif
	/* one octet in eight, each 0 or 1, to eight bits */
	return (uint32_t)(half[0] * UINT64_C(0x0102040810204080) >> 56 |
	    half[1] * UINT64_C(0x0102040810204080) >> 56 << 8);
#endif
}

/* A number for a text, for tables in memory: not the same on every machine. */
static inline uint64_t
octets_hash(const char *p, size_t n)
{
	uint64_t sum = n, eight;
	size_t i;

	for (i = 0; i < n; i += sizeof(eight)) {
		if (n - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
		} else {
			eight = 0;
			memcpy(&eight, p + i, n - i);
		}
		sum = (sum ^ eight) * UINT64_C(0x9e3779b97f4a7c15);
		sum ^= sum >> 29;
	}
	return sum;
}

/* Whether n octets are the same; 16 behind each may be looked at. */
static inline int
octets_same(const char *one, const char *two, size_t n)
{
	for (; n >= 16; n -= 16, one += 16, two += 16) {
		if (octets_bits(octets_at(one) != octets_at(two)) != 0)
			return 0;
	}
	return (octets_bits(octets_at(one) != octets_at(two)) & ((1U << n) - 1)) == 0;
}

/* The bits of 64 octets. */
static inline uint64_t
octets_four(octets_are a, octets_are b, octets_are c, octets_are d)
{
	return octets_bits(a) | (uint64_t)octets_bits(b) << 16 | (uint64_t)octets_bits(c) << 32 |
	    (uint64_t)octets_bits(d) << 48;
}

#endif
