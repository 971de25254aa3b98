/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * digest.c - SHA-256 (FIPS 180-4), HMAC with it (RFC 2104) and base64 (RFC 4648), by
 * Nettle: with libcrypto each run of deeptrace would take twice as long to start, and
 * nearly none needs a digest.
 */
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>

#include <string.h>

#include "digest.h"

void
sha256(unsigned char sum[SHA256_OCTETS], const void *text, size_t n)
{
	struct sha256_ctx context;

	sha256_init(&context);
	sha256_update(&context, n, text);
	sha256_digest(&context, SHA256_OCTETS, sum);
}

void
hmac_sha256(unsigned char sum[SHA256_OCTETS], const unsigned char key[SHA256_OCTETS],
    const void *text, size_t n)
{
	struct hmac_sha256_ctx context;

	hmac_sha256_set_key(&context, SHA256_OCTETS, key);
	hmac_sha256_update(&context, n, text);
	hmac_sha256_digest(&context, SHA256_OCTETS, sum);
	explicit_bzero(&context, sizeof(context));
}

void
base64(char *to, const unsigned char *from, size_t n)
{
	base64_encode_raw(to, n, from);
	to[BASE64_ENCODE_RAW_LENGTH(n)] = '\0';
}

void
base64url(char *to, const unsigned char *from, size_t n)
{
	struct base64_encode_ctx context;
	size_t length;

	base64url_encode_init(&context);
	length = base64_encode_update(&context, to, n, from);
	if (n % 3 != 0)			/* what is left, without the padding behind it */
		(void)base64_encode_final(&context, to + length);
	to[(n * 8 + 5) / 6] = '\0';
}

int
same_secret(const char *one, const char *two, size_t n)
{
	return memeql_sec(one, two, n);
}
