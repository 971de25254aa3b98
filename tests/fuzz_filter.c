/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_filter.c - any octets as what smtpd says to its filter (smtpd-filters(7)),
 * in one piece or in several: each answer is one that smtpd can read, goes to a
 * session and with a token that it named, and lines of data come out in the
 * number in which they went in, or are held.
 *
 * The first octet: settings, and where the input is cut; the store answers at
 * once, late, or never.
 */
#include <ctype.h>

#include "fuzz.h"
#include "../modules/opensmtpd/osmtpd.h"

#define HELLO	"config|smtpd-version|7.6.0\nconfig|subsystem|smtp-in\n" \
		"config|subsystem|smtp-out\nconfig|ready\n"
#define KEPT	64

static struct filter	*filter;
static struct text	 said;
static struct answer	 kept[KEPT];
static size_t		 nkept;
static unsigned		 mood;

static void
out(void *context, const char *p, size_t n)
{
	(void)context;
	MUST(text_add(&said, p, n) == 0);
}

static int
ask(void *context, const struct request *ask)
{
	char		buf[OSMTPD_REQUEST];
	struct request	same;
	int		n, i;

	(void)context;
	if (mood % 4 == 3)
		return -1;
	n = request_pack(buf, sizeof(buf), ask);
	MUST(n > 0);		/* all that is asked has room in a request */
	MUST(request_unpack(&same, buf, (size_t)n) == 0);
	for (i = 0; i < REQUEST_TEXTS; i++)
		MUST(strcmp(same.text[i], ask->text[i] != NULL ? ask->text[i] : "") == 0);
	if ((ask->kind == ASK_WHY || ask->kind == ASK_INBOUND) && nkept < KEPT) {
		memset(&kept[nkept], 0, sizeof(kept[nkept]));
		kept[nkept].kind = ask->kind;
		kept[nkept].session = ask->session;
		kept[nkept].number = ask->number;
		kept[nkept].verdict = (enum deep_status)(mood / 4 % 5);
		kept[nkept].latches = DEEP_LATCH_TLS12;
		kept[nkept].text[0] = "4.7.10";
		kept[nkept].text[1] = "451 4.7.10 security latch of a.test not met";
		nkept++;
	}
	return 0;
}

static void
answer_all(void)
{
	size_t	i;

	for (i = 0; i < nkept; i++)
		filter_answer(filter, &kept[i]);
	nkept = 0;
}

static void
take(void *context, struct deep_str line, int first, int last)
{
	(void)context;
	filter_line(filter, line, first, last);
	if (mood % 4 == 0)
		answer_all();
}

static int
is_hex_part(const char *p, const char *end, const char **rest)
{
	const char	*bar = memchr(p, '|', (size_t)(end - p));

	if (bar == NULL || bar == p || bar - p > 16)
		return 0;
	for (*rest = bar + 1; p < bar; p++)
		if (!isxdigit((unsigned char)*p))
			return 0;
	return 1;
}

/* Each line that was said. */
static void
check(void)
{
	const char	*p = said.p, *end, *rest;

	while (p < said.p + said.n) {
		end = memchr(p, '\n', said.n - (size_t)(p - said.p));
		if (end == NULL) {
			/* a line in parts that has not ended yet */
			MUST(strncmp(p, "filter-dataline|", 16) == 0);
			return;
		}
		if (strncmp(p, "register|", 9) == 0) {
			p = end + 1;
			continue;
		}
		MUST(strncmp(p, "filter-dataline|", 16) == 0 ||
		    strncmp(p, "filter-result|", 14) == 0);
		rest = strchr(p, '|') + 1;
		MUST(is_hex_part(rest, end, &rest));
		MUST(is_hex_part(rest, end, &rest));
		if (p[7] == 'r')
			MUST(strncmp(rest, "proceed\n", 8) == 0 ||
			    strncmp(rest, "reject|4", 8) == 0);
		p = end + 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct filter_settings	 settings;
	struct filter_calls	 calls = { NULL, out, ask };
	struct intake		 intake;
	struct deep_str		 text;
	size_t			 piece, i;

	if (n < 2)
		return 0;
	mood = data[0];
	memset(&settings, 0, sizeof(settings));
	settings.dsn = mood >> 5 & 1;
	settings.received = mood >> 6 & 1;
	settings.relay = settings.learn = 1;
	settings.inbound = data[1] % 3;
	settings.dsn_max = 4096;
	settings.patience = 1000;
	piece = data[1] % 2 ? 17 : n;
	memset(&intake, 0, sizeof(intake));
	said.n = nkept = 0;
	filter = filter_new(&settings, &calls);
	MUST(filter != NULL);
	MUST(intake_give(&intake, HELLO, strlen(HELLO), take, NULL) == 1);
	text = exact_copy(data + 2, n - 2);
	for (i = 0; i < text.n; i += piece)
		MUST(intake_give(&intake, text.p + i, text.n - i < piece ? text.n - i : piece,
		    take, NULL) == 1);
	if (mood % 4 == 1)
		answer_all();
	filter_late(filter, now_ms() + 100000);
	MUST(filter_wait(filter, 0) == -1);
	answer_all();
	MUST(filter_sessions(filter) <= OSMTPD_SESSIONS);
	check();
	filter_free(filter);
	text_free(&intake.text);
	free((char *)text.p);
	return 0;
}
