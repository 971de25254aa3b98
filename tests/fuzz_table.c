/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_table.c - any octets as what smtpd says to its table (smtpd-tables(7)):
 * each answer is one line, and there is at most one for each line.
 */
#include "fuzz.h"
#include "../modules/opensmtpd/osmtpd.h"

static struct table	 table;
static struct addresses	*addresses;
static size_t		 lines, answers;
static int		 mood;

static void
out(void *context, const char *p, size_t n)
{
	(void)context;
	MUST(n > 0 && p[n - 1] == '\n');
	if (strncmp(p, "register|", 9) == 0)
		return;
	MUST(memchr(p, '\n', n) == p + n - 1 && memchr(p, '\0', n) == NULL);
	MUST(memmem(p, n, "-result|", 8) != NULL);
	answers++;
}

static enum deep_status
domain(void *context, const char *name, deep_latches latches, char *why, size_t size)
{
	(void)context;
	MUST(name[0] != '\0' && (latches & ~DEEP_LATCH_ALL) == 0);
	snprintf(why, size, "why|not\r\n");
	return (enum deep_status)(mood % 3 == 2 ? DEEP_FAIL : mood % 3);
}

static uint32_t
address(void *context, const char *name)
{
	uint32_t	place;
	int		first;

	(void)context;
	place = addresses_get(addresses, name, &first);
	MUST(place > 0x7f530100 && place < 0x7f5301ff);
	return place;
}

static void
take(void *context, struct deep_str line, int first, int last)
{
	(void)context;
	lines += first ? 1 : 0;
	table_line(&table, line, first, last);
	MUST(answers <= lines);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char	hello[] = "config|tablename|tls-pfs+tls12\nconfig|ready\n";
	struct intake		intake;
	struct deep_str		text;

	if (n < 1)
		return 0;
	mood = data[0];
	lines = answers = 0;
	memset(&intake, 0, sizeof(intake));
	memset(&table, 0, sizeof(table));
	table.calls.out = out;
	table.calls.domain = domain;
	table.calls.address = address;
	table.calls.port = 10025;
	addresses = addresses_new(0x7f530100, 24);
	MUST(addresses != NULL);
	intake_give(&intake, hello, strlen(hello), take, NULL);
	text = exact_copy(data + 1, n - 1);
	intake_give(&intake, text.p, text.n, take, NULL);
	addresses_free(addresses);
	text_free(&intake.text);
	free((char *)text.p);
	return 0;
}
