/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * received.c - words, fields, dates, protocol words, the tls clause and whole
 * Received fields: D2-1, D4-1 to D4-7, X-3 to X-6 of the conformance table.
 * Every input ends at a page that cannot be read.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deep.h"
#include "tap.h"

static char *guard;			/* the page that cannot be read */
#define ROOM (256 * 1024)

/* The text, so placed that it ends where reading is a fault. */
static struct deep_str
placed(const char *text, size_t n)
{
	struct deep_str s = { guard - n, n };

	memcpy(guard - n, text, n);
	return s;
}

static struct deep_str
at_end(const char *text)
{
	return placed(text, strlen(text));
}

static void
test_words(void)
{
	static const struct {
		const char *text;
		enum deep_status answer;
		enum deep_word_kind kind;
		const char *word, *inner;
	} rows[] = {
		{ "atom rest", DEEP_YES, DEEP_ATOM, "atom", "atom" },
		{ " \r\n\tatom", DEEP_YES, DEEP_ATOM, "atom", "atom" },
		{ "(c)", DEEP_YES, DEEP_COMMENT, "(c)", "c" },
		{ "(a (b (c) d) e) f", DEEP_YES, DEEP_COMMENT, "(a (b (c) d) e)", "a (b (c) d) e" },
		{ "(a \\) b) c", DEEP_YES, DEEP_COMMENT, "(a \\) b)", "a \\) b" },
		{ "(TLS\\Tls12) c", DEEP_YES, DEEP_COMMENT, "(TLS\\Tls12)", "TLS\\Tls12" },
		{ "\"a b;c\" d", DEEP_YES, DEEP_QUOTED, "\"a b;c\"", "\"a b;c\"" },
		{ "\"a b", DEEP_YES, DEEP_ATOM, "\"a", "\"a" },
		{ "[192.0.2.1] x", DEEP_YES, DEEP_LITERAL, "[192.0.2.1]", "[192.0.2.1]" },
		{ "[(192.0.2.1)] x", DEEP_YES, DEEP_LITERAL, "[(192.0.2.1)]", "[(192.0.2.1)]" },
		{ "<multiple recipients>;", DEEP_YES, DEEP_ANGLE, "<multiple recipients>",
		    "<multiple recipients>" },
		{ "<a b", DEEP_YES, DEEP_ATOM, "<a", "<a" },
		{ "192.0.2.1(x) y", DEEP_YES, DEEP_ATOM, "192.0.2.1", "192.0.2.1" },
		{ "; x", DEEP_YES, DEEP_SPECIAL, ";", ";" },
		{ ") x", DEEP_BAD, DEEP_SPECIAL, ")", ")" },
		{ "(cipher=A id 1; x", DEEP_BAD, DEEP_COMMENT, "(cipher=A", "cipher=A" },
		{ "(open", DEEP_BAD, DEEP_COMMENT, "(open", "open" },
		{ "(open\\", DEEP_BAD, DEEP_COMMENT, "(open\\", "open\\" },
		{ "S\303\266rensen.example x", DEEP_YES, DEEP_ATOM, "S\303\266rensen.example",
		    "S\303\266rensen.example" },
	};
	char deep[2 * DEEP_DEPTH_MAX + 8];
	struct deep_word word;
	struct deep_str rest;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rest = at_end(rows[i].text);
		is_int(deep_word_next(&rest, &word, NULL), rows[i].answer, "%s: answer", rows[i].text);
		is_int(word.kind, rows[i].kind, "%s: kind", rows[i].text);
		is_str(word.text, rows[i].word, "%s: text", rows[i].text);
		is_str(word.inner, rows[i].inner, "%s: inner", rows[i].text);
	}
	rest = at_end(" \t");
	is_int(deep_word_next(&rest, &word, NULL), DEEP_NO, "only white space");
	rest.p = NULL;
	is_int(deep_word_next(&rest, &word, NULL), DEEP_NO, "nothing at all");
	for (i = DEEP_DEPTH_MAX; i <= DEEP_DEPTH_MAX + 1; i++) {
		memset(deep, '(', i);
		memset(deep + i, ')', i);
		rest = placed(deep, 2 * i);
		is_int(deep_word_next(&rest, &word, NULL), i <= DEEP_DEPTH_MAX ? DEEP_YES : DEEP_LIMIT,
		    "%zu comments in each other", i);
		is_int(rest.n, 0, "... all taken");
	}
}

static void
test_fields(void)
{
	struct deep_str rest = at_end("From a@example.org Mon Nov  2 10:00:00 2026\r\n"
	    "Subject: one\r\n two\r\nX-Empty:\r\nno field\r\nReceived :  x ; y \r\n\r\nbody: x\r\n");
	struct deep_field field;
	struct deep_fault fault;
	char buf[64], *big;
	size_t over;

	is_int(deep_field_next(&rest, &field, &fault), DEEP_BAD, "an envelope line is no field");
	is_str(field.value, "From a@example.org Mon Nov  2 10:00:00 2026", "... and is given out");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_YES, "a folded field");
	is_str(field.name, "Subject", "... its name");
	is_str(field.value, "one\r\n two", "... its value, folds kept");
	is_int(deep_unfold(buf, sizeof(buf), field.value), 7, "unfolded");
	is(buf, "one two", "... text");
	is_int(deep_unfold(buf, 7, field.value), 7, "too small a buffer: the length");
	is(buf, "", "... and nothing in it");
	is_int(deep_unfold(NULL, 0, field.value), 7, "no buffer: the length");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_YES, "an empty field");
	is_int(field.value.n, 0, "... is empty");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_BAD, "a line without a colon");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_YES, "a blank before the colon");
	is_str(field.name, "Received", "... is not part of the name");
	is_str(field.value, "x ; y", "... white space around the value neither");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_NO, "the empty line ends the header");
	is_str(rest, "body: x\r\n", "... and the body is left");
	rest = at_end("A: b");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_YES, "no line end at the end");
	is_str(field.value, "b", "... value");
	is_int(deep_field_next(&rest, &field, NULL), DEEP_NO, "then the end");
	is_int(deep_field_read(at_end("To :\ta,\n b \r\n"), &field, NULL), DEEP_YES, "a field given whole");
	is_str(field.name, "To", "... its name");
	is_str(field.value, "a,\n b", "... its value");
	is_int(deep_field_read(at_end("a b: c"), &field, &fault), DEEP_BAD, "a name with a blank in it");
	is_str(field.value, "a b: c", "... is given out");

	big = malloc(DEEP_FIELD_MAX + 8);
	for (over = 0; big != NULL && over < 2; over++) {
		size_t n = DEEP_FIELD_MAX + over;

		memset(big, 'x', n);
		memcpy(big, "A: ", 3);
		memcpy(big + n, "\nB: c\n", 6);
		rest = placed(big, n + 1 > ROOM ? 0 : n - 1);	/* with its line end: n octets */
		big[n - 1] = '\n';
		memcpy(big + n, "B: c\n", 5);
		rest = placed(big, n + 5);
		is_int(deep_field_next(&rest, &field, &fault), over ? DEEP_LIMIT : DEEP_YES,
		    "a field of %zu octets", n);
		is_int(deep_field_next(&rest, &field, NULL), DEEP_YES, "... and the one behind it");
		is_str(field.value, "c", "... is read");
	}
	free(big);
}

static void
test_dates(void)
{
	static const struct { const char *text, *utc; int zone, known; } rows[] = {
		{ "Mon, 2 Nov 2026 10:00:00 +0100 (CET)", "2026-11-02T09:00:00Z", 60, 1 },
		{ "2 Nov 2026 10:00:00 -0000", "2026-11-02T10:00:00Z", 0, 0 },
		{ "Mon, 02 Nov 2026 10:00 GMT", "2026-11-02T10:00:00Z", 0, 1 },
		{ "Mon,02 Nov 2026 03:00:00 PDT", "2026-11-02T10:00:00Z", -420, 1 },
		{ "Thu, 10 Feb 2022 16:50:12.525 +0000 (UTC)", "2022-02-10T16:50:12Z", 0, 1 },
		{ "2024-05-11 18:31:07.812842242 +0000 UTC m=+93.2", "2024-05-11T18:31:07Z", 0, 1 },
		{ "2024-05-11T18:31:07+02:00", "2024-05-11T16:31:07Z", 120, 1 },
		{ "Mon Dec 21 09:39:08 2020", "2020-12-21T09:39:08Z", 0, 0 },
		{ "Apr 29 23:34:45 2005 +0900", "2005-04-29T14:34:45Z", 540, 1 },
		{ "29 Feb 2000 00:00:00 +0000", "2000-02-29T00:00:00Z", 0, 1 },
		{ "31 Dec 69 23:59:60 +0000", "1970-01-01T00:00:00Z", 0, 1 },
		{ "1 Jan 49 00:00:00 +0000", "2049-01-01T00:00:00Z", 0, 1 },
		{ "1 Jan 50 00:00:00 +0000", "1950-01-01T00:00:00Z", 0, 1 },
		{ "(x) Fri (y), 1 Jan 1900 (z) 00:00:00 +0000", "1900-01-01T00:00:00Z", 0, 1 },
		{ "31 Dec 9999 23:59:59 +0000", "9999-12-31T23:59:59Z", 0, 1 },
		{ "1 January 2020 00:00:00 XYZ", "2020-01-01T00:00:00Z", 0, 0 },
	};
	static const char *const bad[] = {
		"31 Nov 2026 10:00:00 +0000", "29 Feb 1900 10:00:00 +0000", "0 Nov 2026 10:00 +0000",
		"2 Nov 2026 24:00:00 +0000", "2 Nov 2026 10:60:00 +0000", "2 Foo 2026 10:00:00 +0000",
		"1 Jan 1899 00:00:00 +0000", "x", "2026-13-01 00:00:00", "Mon,", "2 Nov", "2 Nov 2026",
	};
	struct deep_date date;
	struct deep_str rest;
	char text[32];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rest = at_end(rows[i].text);
		is_int(deep_date_next(&rest, &date, NULL), DEEP_YES, "%s", rows[i].text);
		(void)deep_date_emit(text, sizeof(text), &date);
		is(text, rows[i].utc, "... in UTC");
		is_int(date.zone, rows[i].zone, "... zone");
		is_int(date.zone_known, rows[i].known, "... zone known");
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rest = at_end(bad[i]);
		is_int(deep_date_next(&rest, &date, NULL), DEEP_BAD, "no date: %s", bad[i]);
		is_int(rest.n, strlen(bad[i]), "... nothing taken");
	}
}

static void
test_protocols(void)
{
	static const struct { const char *text; int says; const char *name; } rows[] = {
		{ "ESMTPS", DEEP_SAYS_TLS, "ESMTPS" }, { "esmtpsa", DEEP_SAYS_TLS, "ESMTPSA" },
		{ "ESMTP", DEEP_SAYS_CLEAR, "ESMTP" }, { "UTF8SMTPS", DEEP_SAYS_TLS, "UTF8SMTPS" },
		{ "utf8esmtps", DEEP_SAYS_TLS, "UTF8ESMTPS" },	/* */
		{ "Microsoft SMTP Server", DEEP_SAYS_NOTHING, "Microsoft SMTP Server" },
		{ "MailEnable ESMTPSA", DEEP_SAYS_TLS, "MailEnable ESMTPSA" },
		{ "ESMTP something else", DEEP_SAYS_CLEAR, "ESMTP" },
		{ "local", DEEP_SAYS_LOCAL, "local" },
	};
	const struct deep_protocol *p;
	size_t i, n = 0;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		p = deep_protocol_find(at_end(rows[i].text));
		if (ok(p != NULL, "%s is known", rows[i].text)) {
			is(p->name, rows[i].name, "... its row");
			is_int(p->says, rows[i].says, "... what it says");
		}
	}
	ok(deep_protocol_find(at_end("ESMTPX")) == NULL, "an unknown word");
	ok(deep_protocol_find(at_end("")) == NULL, "an empty one");
	for (p = NULL; (p = deep_protocol_each(p)) != NULL; n += p->registered)
		ok(deep_protocol_find(deep_str(p->name)) == p, "%s finds its row", p->name);
	is_int(n, 18, "the registered ones: RFC 5321, 3848, 4356, 6531");
}

static void
test_clause(void)
{
	static const struct { const char *text; enum deep_status answer; const char *suite, *group, *rest; }
	rows[] = {
		{ "tls TLS_AES_128_GCM_SHA256", DEEP_YES, "TLS_AES_128_GCM_SHA256", NULL, "" },
		{ " (x) TLS 0X13aB; d", DEEP_YES, "0X13aB", NULL, "; d" },		/* D4-4 */
		{ "tls\r\n\tTLS_DH_anon_WITH_RC4_128_MD5\r\n group secp256r1 id 1", DEEP_YES,
		    "TLS_DH_anon_WITH_RC4_128_MD5", "secp256r1", " id 1" },		/* D4-6 */
		{ "tls TLS_A (c) group (d) x", DEEP_YES, "TLS_A", NULL, " (c) group (d) x" },
		{ "tls 0x13", DEEP_BAD, NULL, NULL, "tls 0x13" },
		{ "tls TLS-A", DEEP_BAD, NULL, NULL, "tls TLS-A" },
		{ "tls", DEEP_BAD, NULL, NULL, "tls" },
		{ "tls (c) TLS_A", DEEP_BAD, NULL, NULL, "tls (c) TLS_A" },
		{ "id 1", DEEP_NO, NULL, NULL, "id 1" },
		{ "", DEEP_NO, NULL, NULL, "" },
	};
	static const struct { const char *suite, *group; size_t column; const char *out; } emit[] = {
		{ "TLS_AES_128_GCM_SHA256", NULL, 10, " tls TLS_AES_128_GCM_SHA256" },
		{ "TLS_AES_128_GCM_SHA256", "x25519", 10, " tls TLS_AES_128_GCM_SHA256 group x25519" },
		{ "0x1399", NULL, 10, " tls 0x1399" },
		{ "TLS_AES_128_GCM_SHA256", NULL, 51, " tls TLS_AES_128_GCM_SHA256" },
		{ "TLS_AES_128_GCM_SHA256", NULL, 52, "\r\n\ttls TLS_AES_128_GCM_SHA256" },
		{ "TLS_AES_128_GCM_SHA256", "x25519", 45, " tls TLS_AES_128_GCM_SHA256\r\n\tgroup x25519" },
		{ "TLS AES", NULL, 10, NULL }, { "", NULL, 10, NULL }, { "1TLS", NULL, 10, NULL },
		{ "TLS_A;", NULL, 10, NULL }, { "TLS_A\r\nX: y", NULL, 10, NULL },
		{ "0x13", NULL, 10, NULL }, { "TLS_A", "x 1", 10, NULL }, { "TLS_A", "-x", 10, NULL },
	};
	struct deep_tls tls;
	struct deep_str rest;
	char buf[256];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rest = at_end(rows[i].text);
		is_int(deep_tls_next(&rest, &tls, NULL), rows[i].answer, "clause \"%s\"", rows[i].text);
		is_str(tls.suite, rows[i].suite, "... suite");
		is_str(tls.group, rows[i].group, "... group");
		is_str(rest, rows[i].rest, "... rest");
	}
	for (i = 0; i < sizeof(emit) / sizeof(emit[0]); i++) {
		int n = deep_tls_emit(buf, sizeof(buf), emit[i].column, "\r\n", deep_str(emit[i].suite),
		    deep_str(emit[i].group));

		if (emit[i].out == NULL) {
			is_int(n, -1, "refused: %s %s", emit[i].suite, emit[i].group);
			is(buf, "", "... nothing written");
			continue;
		}
		is(buf, emit[i].out, "emitted at column %zu", emit[i].column);
		is_int(n, strlen(emit[i].out), "... its length");
		is_int(deep_tls_emit(buf, (size_t)n, emit[i].column, "\r\n", deep_str(emit[i].suite),
		    deep_str(emit[i].group)), n, "... one octet too few");
		is(buf, "", "... nothing written");
		(void)deep_tls_emit(buf, sizeof(buf), emit[i].column, "\r\n", deep_str(emit[i].suite),
		    deep_str(emit[i].group));
		rest = at_end(buf);
		is_int(deep_tls_next(&rest, &tls, NULL), DEEP_YES, "... read back");
		is_str(tls.suite, emit[i].suite, "... suite");
		is_str(tls.group, emit[i].group, "... group");
	}
	is_int(deep_tls_emit(buf, sizeof(buf), 0, " ", deep_str("TLS_A"), deep_str(NULL)), -1,
	    "an end of line that is none");
}

static void
test_received(void)
{
	static const struct {
		const char *text;
		enum deep_status answer;
		const char *from, *by, *with, *id, *rcpt, *suite, *group, *utc;
	} rows[] = {
		/* RFC 8314 4.3, after for (D4-7) */
		{ "from a.example (a.example [192.0.2.1]) by b.example with ESMTPS id 1 for <u@example> tls "
		  "TLS_AES_128_GCM_SHA256 group x25519; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES,
		  "a.example", "b.example", "ESMTPS", "1", "<u@example>", "TLS_AES_128_GCM_SHA256",
		  "x25519", "2026-11-02T10:00:00Z" },
		/* Exim: before id */
		{ "from [192.0.2.1] (helo=a) by b.example with esmtps  (TLS1.3) tls TLS_AES_256_GCM_SHA384\n\t"
		  "(Exim 4.96)\n\t(envelope-from <u@example>)\n\tid 1x-1\n\tfor u@example;\n\t"
		  "Mon, 02 Nov 2026 10:00:00 +0000", DEEP_YES, "[192.0.2.1]", "b.example", "esmtps",
		  "1x-1", "u@example", "TLS_AES_256_GCM_SHA384", NULL, "2026-11-02T10:00:00Z" },
		/* keywords in upper case; a host name that holds one */
		{ "FROM x.from.example (192.0.2.1) BY for.example WITH ESMTP; Mon, 2 Nov 2026 10:00:00 +0000",
		  DEEP_YES, "x.from.example", "for.example", "ESMTP", NULL, NULL, NULL, NULL,
		  "2026-11-02T10:00:00Z" },
		/* words that say TLS without being a clause */
		{ "from a by b.example over TLS secured channel with Microsoft SMTPSVC(7.5); "
		  "Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b.example over TLS secured channel",
		  "Microsoft SMTPSVC", NULL, NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "from a by b with ESMTP with TLS id 7; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b",
		  "ESMTP", "7", NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		/* bare words behind id open additional clauses */
		{ "from a by b (Haraka) with ESMTPSA id F.1 envelope-from <u@example> tls TLS_A_B "
		  "(authenticated bits=0); Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b", "ESMTPSA",
		  "F.1", NULL, "TLS_A_B", NULL, "2026-11-02T10:00:00Z" },
		/* three semicolons */
		{ "from a (a [192.0.2.1]); by b (OpenSMTPD) with ESMTP id x; for <u@example>; "
		  "Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b", "ESMTP", "x", "<u@example>", NULL,
		  NULL, "2026-11-02T10:00:00Z" },
		/* no semicolon; text behind the date; an empty clause */
		{ "from a (x) by b (SG) with ESMTP id Z Thu, 10 Feb 2022 16:50:12.525 +0000 (UTC)", DEEP_YES,
		  "a", "b", "ESMTP", "Z", NULL, NULL, NULL, "2022-02-10T16:50:12Z" },
		{ "from a by b with ESMTP id Z Tue Feb 16 10:00:00 2021 (envelope-from <u@example>)", DEEP_YES,
		  "a", "b", "ESMTP", "Z", NULL, NULL, NULL, "2021-02-16T10:00:00Z" },
		{ "from a by b with ESMTP id Z sun tower; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b",
		  "ESMTP", "Z", NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "from a by b with ESMTPSA; Wed, 11 Sep 2019 16:15:07 +0930 id 00.5D", DEEP_YES, "a", "b",
		  "ESMTPSA", "00.5D", NULL, NULL, NULL, "2019-09-11T06:45:07Z" },
		{ "from a by b (ESMTP) with id ; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b", NULL,
		  NULL, NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		/* no from; by before from */
		{ "by b (Postfix) id 4A; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, NULL, "b", NULL, "4A",
		  NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "(qmail 1 invoked by uid 0); 2 Nov 2026 10:00:00 -0000", DEEP_YES, NULL, NULL, NULL, NULL,
		  NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		/* UTF-8 (RFC 6532) */
		{ "from a by S\303\266r.example with UTF8SMTPS for <D\303\266@example>; "
		  "Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "S\303\266r.example", "UTF8SMTPS", NULL,
		  "<D\303\266@example>", NULL, NULL, "2026-11-02T10:00:00Z" },
		/* faults lose nothing */
		{ "from a by b with ESMTPS (cipher=X id 22/0; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_BAD, "a",
		  "b", "ESMTPS", "22/0", NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "from a (x) [192.0.2.1]) by b with ESMTP id 1; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_BAD,
		  "a (x) [192.0.2.1]", "b", "ESMTP", "1", NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "from a by b with ESMTPS id 1 tls; Mon, 2 Nov 2026 10:00:00 +0000", DEEP_YES, "a", "b",
		  "ESMTPS", "1", NULL, NULL, NULL, "2026-11-02T10:00:00Z" },
		{ "from a by b with ESMTP id 1", DEEP_BAD, "a", "b", "ESMTP", "1", NULL, NULL, NULL, NULL },
		{ "from a by b with ESMTP id 1; yesterday", DEEP_BAD, "a", "b", "ESMTP", "1", NULL, NULL,
		  NULL, NULL },
		{ "from by with id for", DEEP_BAD, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
		{ "", DEEP_NO, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
		{ " \r\n ", DEEP_NO, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
	};
	struct deep_received field;
	struct deep_fault fault;
	char text[40], *many;
	size_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		is_int(deep_received_parse(at_end(rows[i].text), &field, &fault), rows[i].answer, "%s",
		    rows[i].text);
		is_str(field.the[DEEP_FROM].value, rows[i].from, "... from");
		is_str(field.the[DEEP_BY].value, rows[i].by, "... by");
		is_str(field.the[DEEP_WITH].value, rows[i].with, "... with");
		is_str(field.the[DEEP_ID].value, rows[i].id, "... id");
		is_str(field.the[DEEP_FOR].value, rows[i].rcpt, "... for");
		is_str(field.tls.suite, rows[i].suite, "... suite");
		is_str(field.tls.group, rows[i].group, "... group");
		text[0] = '\0';
		if (field.date_text.p != NULL)
			(void)deep_date_emit(text, sizeof(text), &field.date);
		is(text, rows[i].utc == NULL ? "" : rows[i].utc, "... date");
		/* no beginning of a field can hurt */
		for (n = 0; n < strlen(rows[i].text); n++)
			(void)deep_received_parse(placed(rows[i].text, n), &field, NULL);
	}
	many = calloc(1, 8 * (DEEP_CLAUSE_MAX + 12));
	for (i = DEEP_CLAUSE_MAX - 2; many != NULL && i <= DEEP_CLAUSE_MAX - 1; i++) {
		/* the start and the date are clauses too */
		for (n = 0; n < i; n++)
			memcpy(many + n * 6, "via a ", 6);
		memcpy(many + n * 6, "; 2 Nov 2026 10:00 +0000", 25);
		is_int(deep_received_parse(at_end(many), &field, NULL),
		    i + 2 > DEEP_CLAUSE_MAX ? DEEP_LIMIT : DEEP_YES, "%zu clauses", i + 2);
	}
	for (i = DEEP_COMMENT_MAX; many != NULL && i <= DEEP_COMMENT_MAX + 1; i++) {
		for (n = 0; n < i; n++)
			memcpy(many + n * 4, "(a) ", 4);
		memcpy(many + n * 4, "; 2 Nov 2026 10:00 +0000", 25);
		is_int(deep_received_parse(at_end(many), &field, NULL),
		    i > DEEP_COMMENT_MAX ? DEEP_LIMIT : DEEP_YES, "%zu comments", i);
		ok(field.date_text.p != NULL, "... and the date behind them");
	}
	free(many);
}

/* What stands in a field must not make its reading slow: a field at the limit
 * of what is worst for each part, many times over, within the test's time. */
static void
test_hostile(void)
{
	static const char *const patterns[] = {
		"(", "( by ", "[ ", "< ", "\" ", "\\", "(\\", ")", "; ", ";1 ", "tls ", "tls a_ ", "with ",
		"((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((", "Mon, ", ",", "<\"",
	};
	struct deep_received field;
	char *text = malloc(DEEP_FIELD_MAX);
	size_t i, n;
	int round;

	for (i = 0; text != NULL && i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		size_t length = strlen(patterns[i]);

		for (n = 0; n + length <= DEEP_FIELD_MAX; n += length)
			memcpy(text + n, patterns[i], length);
		for (round = 0; round < 20; round++)
			(void)deep_received_parse(placed(text, n), &field, NULL);
		ok(field.nclause <= DEEP_CLAUSE_MAX && field.ncomment <= DEEP_COMMENT_MAX,
		    "64 KiB of \"%s\"", patterns[i]);
	}
	free(text);
}

int
main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *area = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	plan_no_plan();
	if (area == MAP_FAILED || mprotect(area + ROOM, page, PROT_NONE) != 0)
		return 255;
	guard = area + ROOM;
	alarm(120);		/* a hang is a failure */
	is_int(deep_version(), DEEP_VERSION, "the version of the header is the library's");
	test_words();
	test_fields();
	test_dates();
	test_protocols();
	test_clause();
	test_received();
	test_hostile();
	return done_testing();
}
