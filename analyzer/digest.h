/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * digest.h - SHA-256, HMAC and base64.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stddef.h>

#define SHA256_OCTETS	32
#define BASE64_SIZE(n)	(4 * (((n) + 2) / 3) + 1)	/* of n octets, with the NUL */

void	sha256(unsigned char sum[SHA256_OCTETS], const void *, size_t);
void	hmac_sha256(unsigned char sum[SHA256_OCTETS], const unsigned char key[SHA256_OCTETS],
	    const void *, size_t);
void	base64(char *to, const unsigned char *, size_t n);	/* BASE64_SIZE(n) octets */
void	base64url(char *to, const unsigned char *, size_t n);	/* without padding (RFC 4648 5) */

/* Whether n octets are the same, in a time that tells nothing of where they differ. */
int	same_secret(const char *, const char *, size_t n);

#endif
