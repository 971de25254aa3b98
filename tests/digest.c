/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * digest.c - tests of SHA-256 (FIPS 180-4), HMAC with it (RFC 4231, whose
 * shorter keys are ours with zeros behind them, RFC 2104 2) and base64 (RFC 4648 10).
 */
#include <stdio.h>
#include <string.h>

#include "digest.h"
#include "tap.h"

static const struct {
	const char *text, *base64, *url;
} rows[] = {
	{ "", "", "" }, { "f", "Zg==", "Zg" }, { "fo", "Zm8=", "Zm8" }, { "foo", "Zm9v", "Zm9v" },
	{ "foob", "Zm9vYg==", "Zm9vYg" }, { "fooba", "Zm9vYmE=", "Zm9vYmE" },
	{ "foobar", "Zm9vYmFy", "Zm9vYmFy" }, { "\373\377\277", "+/+/", "-_-_" },
};

static void
hex(char text[2 * SHA256_OCTETS + 1], const unsigned char sum[SHA256_OCTETS])
{
	size_t i;

	for (i = 0; i < SHA256_OCTETS; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
}

int
main(void)
{
	unsigned char sum[SHA256_OCTETS], key[SHA256_OCTETS] = "", text[50];
	char shown[2 * SHA256_OCTETS + 1], got[BASE64_SIZE(16)];
	size_t i;

	plan_no_plan();
	sha256(sum, "abc", 3);
	hex(shown, sum);
	is(shown, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "SHA-256 of abc");
	sha256(sum, "", 0);
	hex(shown, sum);
	is(shown, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "of nothing");
	memset(key, 0x0b, 20);
	hmac_sha256(sum, key, "Hi There", 8);
	hex(shown, sum);
	is(shown, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "RFC 4231 4.2");
	memset(key, 0, sizeof(key));
	memcpy(key, "Jefe", 4);
	hmac_sha256(sum, key, "what do ya want for nothing?", 28);
	hex(shown, sum);
	is(shown, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "RFC 4231 4.3");
	for (i = 0; i < 25; i++)
		key[i] = (unsigned char)(i + 1);
	memset(text, 0xcd, sizeof(text));
	hmac_sha256(sum, key, text, sizeof(text));
	hex(shown, sum);
	is(shown, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b", "RFC 4231 4.5");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		base64(got, (const unsigned char *)rows[i].text, strlen(rows[i].text));
		is(got, rows[i].base64, "base64 of row %zu", i);
		base64url(got, (const unsigned char *)rows[i].text, strlen(rows[i].text));
		is(got, rows[i].url, "base64url of row %zu", i);
	}
	ok(same_secret("abc", "abd", 2), "the same");
	ok(!same_secret("abc", "abd", 3), "another in its last octet");
	ok(!same_secret("abc", "Abc", 3), "in its first");
	return done_testing();
}
