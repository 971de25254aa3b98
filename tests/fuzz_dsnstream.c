/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_dsnstream.c - delivery status notifications on their way through: whatever
 * the pieces they come in, the same goes out; a second pass changes nothing; and
 * without what was added it is what came.
 *
 * Input: an octet for the size of a piece, then the message.
 */
#include "../modules/exim/dsn_stream.h"
#include "fuzz.h"

#define TABLE "d1.lab.test:4.7.10:tls12,tls-pfs;xn--bcher-kva.example:4.7.5:tls-cert"

struct text {
	char	*p;
	size_t	 n;
};

static int
take(void *cookie, const char *p, size_t n)
{
	struct text *text = cookie;

	text->p = realloc(text->p, text->n + n + 1);
	MUST(text->p != NULL);
	memcpy(text->p + text->n, p, n);
	text->n += n;
	return 0;
}

static unsigned
pass(struct text *out, const char *p, size_t n, size_t piece)
{
	static struct dsn_stream stream;
	struct deep_str block;
	size_t part;

	out->p = NULL;
	out->n = 0;
	(void)take(out, "", 0);
	dsn_begin(&stream, TABLE, take, out);
	for (; n > 0; p += part, n -= part) {
		part = n < piece ? n : piece;
		block = exact_copy(p, part);
		dsn_feed(&stream, block.p, block.n);
		free((char *)(uintptr_t)block.p);
	}
	MUST(dsn_end(&stream) == 0);
	return stream.changed;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct text whole, pieces, again;
	const char *p = (const char *)data + 1;
	unsigned changed;

	if (n == 0 || n > 200000)
		return 0;
	changed = pass(&whole, p, n - 1, n);
	MUST(pass(&pieces, p, n - 1, (size_t)data[0] + 1) == changed);
	MUST(pieces.n == whole.n && memcmp(pieces.p, whole.p, whole.n) == 0);
	if (changed == 0)
		MUST(whole.n == n - 1 && (n == 1 || memcmp(whole.p, p, n - 1) == 0));
	MUST(pass(&again, whole.p, whole.n, whole.n + 1) == 0);
	MUST(again.n == whole.n && memcmp(again.p, whole.p, whole.n) == 0);
	free(whole.p);
	free(pieces.p);
	free(again.p);
	return 0;
}
