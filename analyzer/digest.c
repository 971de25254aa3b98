/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * digest.c - SHA-256 (FIPS 180-4), HMAC with it (RFC 2104) and base64 (RFC 4648).
 *
 * By libmd, which libbsd brings along: with libcrypto each run of deeptrace would take
 * twice as long to start, and nearly none needs a digest.
 */
#include <sha2.h>
#include <string.h>

#include "digest.h"

#define BLOCK	64	/* octets: of SHA-256 (RFC 2104 2, B) */

void
sha256(unsigned char sum[SHA256_OCTETS], const void *text, size_t n)
{
	SHA2_CTX context;

	SHA256Init(&context);
	SHA256Update(&context, text, n);
	SHA256Final(sum, &context);
}

void
hmac_sha256(unsigned char sum[SHA256_OCTETS], const unsigned char key[SHA256_OCTETS],
    const void *text, size_t n)
{
	unsigned char inner[BLOCK], outer[BLOCK];
	SHA2_CTX context;
	size_t i;

	memset(inner, 0x36, sizeof(inner));
	memset(outer, 0x5c, sizeof(outer));
	for (i = 0; i < SHA256_OCTETS; i++) {
		inner[i] ^= key[i];
		outer[i] ^= key[i];
	}
	SHA256Init(&context);
	SHA256Update(&context, inner, sizeof(inner));
	SHA256Update(&context, text, n);
	SHA256Final(sum, &context);
	SHA256Init(&context);
	SHA256Update(&context, outer, sizeof(outer));
	SHA256Update(&context, sum, SHA256_OCTETS);
	SHA256Final(sum, &context);
	explicit_bzero(&context, sizeof(context));
	explicit_bzero(inner, sizeof(inner));
	explicit_bzero(outer, sizeof(outer));
}

void
base64url(char *to, const unsigned char *from, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned long bits = 0;
	int have = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		bits = (bits << 8 | from[i]) & 0xffffff;
		for (have += 8; have >= 6; have -= 6)
			*to++ = digits[bits >> (have - 6) & 63];
	}
	if (have > 0)
		*to++ = digits[bits << (6 - have) & 63];
	*to = '\0';
}

void
base64(char *to, const unsigned char *from, size_t n)
{
	base64url(to, from, n);
	for (n = 0; to[n] != '\0'; n++)
		to[n] = (char)(to[n] == '-' ? '+' : to[n] == '_' ? '/' : to[n]);
	while (n % 4 != 0)
		to[n++] = '=';
	to[n] = '\0';
}

int
same_secret(const char *one, const char *two, size_t n)
{
	unsigned char differs = 0;
	size_t i;

	for (i = 0; i < n; i++)
		differs |= (unsigned char)(one[i] ^ two[i]);
	return differs == 0;
}
