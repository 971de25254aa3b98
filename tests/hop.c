/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * hop.c - every row of dialects.in on its own example, verdicts and flags of
 * single hops, and chains: D4-1, D7-1, X-3, X-5, X-8.  Each pattern is held
 * against 64 KiB that were made to hurt it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "tap.h"

static struct dialects *dialects;
static struct arena *arena;

static const struct row {
	const char *name, *head, *example, *version, *suite;
	int bits;
	const char *group, *client;
	enum says says;
	enum place place;
} rows[] = {
#define DIALECT(name, mta, place, head, says, pattern, example, version, suite, bits, group, client) \
	{ name, head, example, version, suite, bits, group, client, SAYS_##says, PLACE_##place },
#include "dialects.in"
#undef DIALECT
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
test_rows(void)
{
	size_t i;

	cmp_ok(ROWS, >=, 45, "the dialects of the formats seen");
	for (i = 0; i < ROWS; i++) {
		const struct row *row = &rows[i];
		struct hop hop;

		hop_read(&hop, deep_str(row->example), dialects, arena);
		if (row->says != SAYS_ASIDE)
			is(hop.dialect, row->name, "%s: its example is its own", row->name);
		/* "TLSv1/SSLv3" names no version; what is shown is a floor */
		if (!(hop.flags & FLAG_VERSION_AMBIGUOUS))
			is(deep_tls_version_name(hop.version), row->version, "%s: version", row->name);
		if (hop.suite != NULL)
			is(hop.suite->name, row->suite, "%s: suite", row->name);
		else
			is_str(hop.suite_text, row->suite, "%s: suite as written", row->name);
		is_int(hop.bits, row->bits, "%s: bits", row->name);
		is(hop.group == NULL ? NULL : hop.group->name, row->group, "%s: group", row->name);
		if (row->client != NULL)
			is(client_names[hop.client], row->client, "%s: client certificate", row->name);
		is_int(hop.is_tls, row->says != SAYS_CLEAR, "%s: TLS or not", row->name);
		ok(hop.has_date && hop.by.p != NULL, "%s: the rest of the field is read", row->name);
	}
}

static void
test_verdicts(void)
{
	static const struct {
		const char *text, *verdict;
		unsigned flags;			/* that must be there */
	} cases[] = {
#define FROM	"from a.example.net (a.example.net [192.0.2.1]) "
#define BY	"by b.example.net "
#define DATE	"; Mon, 2 Nov 2026 10:00:00 +0000"
#define USING(version, suite) "(using " version " with cipher " suite " (256/256 bits)) "
		{ FROM USING("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384") BY "with ESMTPS id 1" DATE, "strong", 0 },
		{ FROM USING("TLSv1.2", "ECDHE-RSA-AES256-GCM-SHA384") BY "with ESMTP id 1" DATE, "strong", 0 },
		{ FROM USING("TLSv1.1", "AES256-SHA") BY "with ESMTPS id 1" DATE, "weak", FLAG_OBSOLETE },
		{ FROM USING("TLSv1.2", "DES-CBC3-SHA") BY "with ESMTPS id 1" DATE, "weak", FLAG_OBSOLETE },
		{ FROM USING("SSLv2", "DES-CBC3-MD5") BY "with ESMTP id 1" DATE, "weak", FLAG_SUITE_UNKNOWN },
		{ FROM USING("TLSv1.2", "RC4-SHA") BY "with ESMTPS id 1" DATE, "weak", FLAG_OBSOLETE },
		{ FROM USING("TLSv1.2", "ECDHE-RSA-RC4-SHA") BY "with ESMTPS id 1" DATE, "weak", FLAG_DISCOURAGED },
		{ FROM USING("TLSv1.2", "ECDHE-RSA-NULL-SHA") BY "with ESMTPS id 1" DATE, "weak", 0 },
		{ FROM USING("TLSv1.2", "AECDH-AES256-SHA") BY "with ESMTPS id 1" DATE, "strong", FLAG_ANONYMOUS },
		{ FROM USING("TLSv1/SSLv3", "ECDHE-RSA-AES256-GCM-SHA384") BY "with ESMTPS id 1" DATE, "strong",
		  FLAG_VERSION_INFERRED },
		{ FROM USING("TLSv1/SSLv3", "AES256-SHA") BY "with ESMTPS id 1" DATE, "tls", FLAG_VERSION_AMBIGUOUS },
		{ FROM USING("TLSv1.3", "ECDHE-RSA-AES256-GCM-SHA384") BY "with ESMTPS id 1" DATE, "strong",
		  FLAG_SUITE_VERSION },
		/* folds leave more than one white space */
		{ "from a.example.net ([192.0.2.1])\r\n\t(using TLSv1.3 with cipher\r\n\t  TLS_AES_256_GCM_SHA384 (256/256"
		  " bits)\n\t key-exchange secp384r1) " BY "with ESMTPS id 1" DATE, "strong", 0 },
		{ FROM USING("TLSv1.2", "NEW-SUITE-99") BY "with ESMTPS id 1" DATE, "tls", FLAG_SUITE_UNKNOWN },
		{ FROM BY "with ESMTPS id 1" DATE, "tls", 0 },				/* */
		{ FROM BY "with ESMTP id 1" DATE, "clear", 0 },
		{ FROM BY "with esmtp tls TLS_AES_128_GCM_SHA256 id 1" DATE, "tls", FLAG_VERSION_INFERRED },
		{ FROM BY "with esmtp tls 0x1301 id 1" DATE, "strong", FLAG_VERSION_INFERRED },
		{ FROM BY "with frob id 1" DATE, "unknown", 0 },
		{ FROM BY "id 1" DATE, "unknown", 0 },
		{ FROM "(not using TLS) " BY "with ESMTPS id 1" DATE, "clear", FLAG_CONTRADICTION },
		{ FROM USING("TLSv1.2", "AES256-SHA") BY "with ESMTPS id 1 (version=TLSv1.1 cipher=AES256-SHA bits=256/256)"
		  DATE, "weak", FLAG_CONTRADICTION },
		{ FROM USING("TLSv1.2", "AES256-SHA") BY "with ESMTPS id 1 (version=TLSv1.2 cipher=AES128-SHA bits=128/128)"
		  DATE, "strong", FLAG_CONTRADICTION },
		{ "from localhost (localhost [127.0.0.1]) " BY "with ESMTP id 1" DATE, "local", 0 },
		{ "from a.example.net " BY "(Dovecot) with LMTP id 1" DATE, "local", 0 },
		{ "from user " BY "with local (Exim 4.96) id 1" DATE, "local", 0 },
		{ BY "(Postfix, from userid 1000) id 1" DATE, "local", FLAG_NO_FROM },
		{ BY "(Postfix) id 1" DATE, "local", FLAG_NO_FROM },
		{ "(qmail 1 invoked by uid 0)" DATE, "local", FLAG_NO_BY | FLAG_NO_FROM },
		{ BY "(x) with ESMTPSA id 63f (TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)" DATE, "strong", FLAG_NO_FROM },
		{ FROM BY "with ESMTPS id 1", "tls", FLAG_NO_DATE },
		/* no statement: words in names, addresses and ids */
		{ "from tls.example.net (tls.example.net [192.0.2.1]) by mx.example.net (Postfix) with ESMTP id DHE2RC4TLS"
		  DATE, "clear", 0 },
		{ FROM BY "(envelope-from <TLS1.3@example.org>) with ESMTP id 1 for <using-TLSv1.2@example.org>" DATE,
		  "clear", 0 },
		{ "from TLSv1.3 (HELO TLS_AES_256_GCM_SHA384) (192.0.2.1) " BY "with SMTP" DATE, "clear", 0 },
		/* a statement in a way that is not known is none of clear text */
		{ FROM "(over TLS, as told) " BY "with ESMTP id 1" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM "(starttls: yes) " BY "with SMTP id 1" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM BY "with ESMTP id 1 (link=encrypted)" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM "(user a@example.org, using TLS) " BY "with ESMTP id 1" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM BY "with ESMTP id 1 (TLSv1.2 ok)" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM "(Cipher: FROB256-SHA) " BY "with ESMTP id 1" DATE, "unknown", FLAG_TLS_UNREAD },
		/* words that say nothing else are read; one more, and they are not */
		{ FROM "(Cipher: AES256-SHA) " BY "with ESMTP id 1" DATE, "tls", FLAG_OBSOLETE },
		{ FROM BY "with ESMTP (AES256-GCM-SHA384) id 1" DATE, "strong", FLAG_VERSION_INFERRED },
		{ FROM BY "with ESMTP (AES256-GCM-SHA385) id 1" DATE, "clear", 0 },
		{ FROM BY "with ESMTP id 1 (protocol=TLSv1.3)" DATE, "tls", 0 },
		{ FROM BY "with ESMTP id 1 (no TLSv1.3)" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM BY "with ESMTP id 1 (ohne TLSv1.3)" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM BY "with ESMTP id 1 (TLSv1.2 failed)" DATE, "unknown", FLAG_TLS_UNREAD },
		{ FROM BY "with ESMTP id 1 (SSLv3 disabled)" DATE, "clear", 0 },
		{ FROM BY "with ESMTP (SSLv2) id 1" DATE, "weak", 0 },
		{ FROM BY "with NO-TLS encrypted SMTP" DATE, "unknown", 0 },
		{ FROM BY "with SMTP (NO-TLS encrypted, authenticated)" DATE, "clear", 0 },
		{ FROM "(over TLS, as told) " BY "with ESMTPS id 1" DATE, "tls", 0 },
		{ FROM USING("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384") "(using TLSv1.2 with cipher"
		  " DHE-RSA-AES256-GCM-SHA384 (256/256 bits) key-exchange DHE (2048 bits)) " BY "with ESMTPS id 1" DATE,
		  "strong", 0 },
		/* ZMailer's client says in its HELO what ZMailer does not */
		{ "from a.example.net ([192.0.2.1]:1 \"EHLO TLS-CIPHER: AES256-SHA keybits 256/256 version TLSv1.2\""
		  " TLS-CIPHER: <none>) " BY "with ESMTP id 1" DATE, "clear", 0 },
		{ "from a.example.net by b.example.net with POP3-SSL" DATE, "tls", 0 },
		{ FROM "(not using TLS) " BY "with ESMTP id 1" DATE, "clear", 0 },
		{ FROM BY "with ESMTP (NOT encrypted)" DATE, "clear", 0 },
		{ FROM BY "with SMTP (version=NONE cipher=NONE bits=0/0)" DATE, "clear", 0 },
		{ FROM BY "with SMTP (version=(null) cipher=(null) bits=0/0)" DATE, "clear", 0 },
		{ FROM BY "with Microsoft SMTP Server (version=None, cipher=None) id 1" DATE, "clear", 0 },
		/* but the client's own words are */
		{ "from TLS (HELO TLS) (192.0.2.1) " BY "with SMTP" DATE, "clear", 0 },
		{ "from a (HELO TLSv1.2:AES256-SHA) (192.0.2.1) " BY "with SMTP" DATE, "clear", 0 },
		{ "from [192.0.2.1] (port=1 helo=TLSv1.2:AES256-SHA) " BY "with SMTP" DATE, "clear", 0 },
		{ "from a (TLSv1.2:AES256-SHA [192.0.2.1]) " BY "with SMTP" DATE, "clear", 0 },
		{ FROM "(envelope-from <\"TLSv1.3 AES256-SHA\"@example.org>) " BY "with SMTP" DATE, "unknown",
		  FLAG_TLS_UNREAD },
		{ "from a (cipher=AES256-SHA [192.0.2.1]) " BY "with SMTP" DATE, "clear", 0 },
		{ FROM "by TLS with SMTP" DATE, "clear", 0 },
		{ FROM "by SSL (x) with SMTP" DATE, "clear", 0 },
		{ FROM BY "with SMTP via TLS (told so)" DATE, "tls", 0 },
		{ FROM BY "with SMTP with SSL (told so) id 1" DATE, "tls", 0 },
		{ "from TLSv1.3 (TLSv1.3) " BY "with SMTP" DATE, "unknown", FLAG_TLS_UNREAD },
		{ "from AES256-SHA (AES256-SHA) " BY "with SMTP" DATE, "clear", 0 },
		{ "from AES256-SHA (HELO AES256-SHA) " BY "with SMTP" DATE, "clear", 0 },
		{ "from TLS (helo=TLS) " BY "with ESMTP id 1" DATE, "clear", 0 },
		{ "from TLS (TLS [192.0.2.1]) " BY "with ESMTP id 1" DATE, "clear", 0 },
		{ FROM "(Authenticated sender: ssl@example.org) " BY "with ESMTP id 1" DATE, "clear", 0 },
		{ FROM BY "(ssl-relay.example.net, tls.example.net) with ESMTP id 1" DATE, "clear", 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct hop hop;

		hop_read(&hop, deep_str(cases[i].text), dialects, arena);
		/* a suite of TLS 1.3 tells its version */
		if (strstr(cases[i].text, "tls TLS_AES_128") != NULL)
			is(verdict_names[hop.verdict], "strong", "%s", cases[i].text);
		else
			is(verdict_names[hop.verdict], cases[i].verdict, "%s", cases[i].text);
		is_int(hop.flags & cases[i].flags, cases[i].flags, "... flags %x", cases[i].flags);
		ok(!(hop.latches & (DEEP_LATCH_CERT | DEEP_LATCH_DANE)), "... nothing about the server's certificate");
	}
}

static void
test_paths(void)
{
	static const char header[] =
	    "Received: from c.example.org (c.example.org [192.0.2.3])\n"
	    "\t(using TLSv1.2 with cipher ECDHE-RSA-AES128-GCM-SHA256 (128/128 bits))\n"
	    "\tby d.example.com (Postfix) with ESMTPS id 3; Mon, 2 Nov 2026 10:00:09 +0000\n"
	    "Received: from b.example.net (b.example.net [192.0.2.2])\n"
	    "\tby c.example.org with ESMTP id 2; Mon, 2 Nov 2026 10:02:00 +0000\n"
	    "Subject: x\n"
	    "Received: from a.example.net (a.example.net [192.0.2.1]) by b.example.net with esmtps\n"
	    "\t(TLS1.3) tls TLS_AES_256_GCM_SHA384 id 1; Mon, 2 Nov 2026 11:00:00 +0100\n";
	static const struct { const char *by, *from; int is; } gaps[] = {
		{ "mx7pr01ca.out.example", "MX7PR01CA.in.other.example", 0 },
		{ "mx7pr01ca.out.example", "mx7pr01cb.in.other.example", 1 },
		{ "mx7.out.example", "mx7.in.other.example", 1 },
		{ "mailserver.out.example", "mailserver.in.other.example", 1 },
		{ "mailout.nyc.internal", "out3.other.example", 0 },
		{ "out3.other.example", "mailout.nyc.LAN", 0 },
		{ "mailout.internal.example", "out3.other.example", 1 },
	};
	struct recipient rcpt;
	struct dsn dsn;
	struct trust trust;
	struct path path;
	char chain[512];
	char names[2][DEEP_DOMAIN_MAX + 1] = { "example.com", "c.example.org" }, *many;
	size_t i, n;

	path_read(&path, deep_str(header), NULL, NULL, dialects, arena);
	is_int(path.nhop, 3, "three hops");
	is_str(path.hop[0].from, "a.example.net", "the origin is first");
	is_str(path.hop[2].by, "d.example.com", "the mailbox is last");
	is(verdict_names[path.verdict], "clear", "the verdict of the worst hop");
	is_int(path.latches, 0, "and no latch that all hops keep");
	is_int(path.hop[1].delay, 120, "delay, time zones minded");
	is_int(path.hop[2].delay, -111, "a negative one");
	ok(path.hop[2].flags & FLAG_CLOCK, "... flags the clock");
	ok(path.complete, "complete");

	trust.host = names;
	trust.nhost = 1;
	path_read(&path, deep_str(header), NULL, &trust, dialects, arena);
	ok(path.hop[2].trusted && !path.hop[1].trusted && !path.hop[0].trusted, "trust ends at the stranger");
	trust.nhost = 2;
	path_read(&path, deep_str(header), NULL, &trust, dialects, arena);
	ok(path.hop[2].trusted && path.hop[1].trusted && !path.hop[0].trusted, "two trusted hosts");

	memset(&dsn, 0, sizeof(dsn));
	memset(&rcpt, 0, sizeof(rcpt));
	dsn.rcpt = &rcpt;
	dsn.nrcpt = 1;
	dsn.returned = deep_str(header);
	dsn.reporting_mta = deep_str("d.example.com");
	rcpt.action = deep_str("delivered");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	ok(path.complete, "delivered by the last host of the chain");
	rcpt.remote_mta = deep_str("e.example.com");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	ok(!path.complete, "a remote MTA behind it");
	is(path.why[0], "last-hop-invisible", "... why");
	dsn.boundary_hint = deep_str("1700000000-eximdsn-12345");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	is(path.why[0], "relayed-called-delivered", "X-8: Exim says delivered of what it relayed");
	rcpt.action = deep_str("relayed");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	is(path.why[0], "relayed", "relayed");
	rcpt.action = deep_str("expanded");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	is(path.why[0], "expanded", "expanded");
	rcpt.action = deep_str("failed");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	is(path.why[0], "not-delivered", "failed");
	rcpt.action = deep_str("delivered");
	rcpt.remote_mta.p = NULL;
	rcpt.remote_mta.n = 0;
	dsn.reporting_mta = deep_str("mail.other.example");
	path_read(&path, dsn.returned, &dsn, NULL, dialects, arena);
	is(path.why[0], "last-hop-invisible", "reported by a host that left no field");

	path_read(&path, deep_str("Received: from a.example.net by b.example.org with ESMTPS id 1; "
	    "Mon, 2 Nov 2026 10:00:00 +0000\nReceived: from x.example.com by y.example.com with ESMTPS id 1; "
	    "Mon, 2 Nov 2026 10:00:00 +0000\n"), NULL, NULL, dialects, arena);
	ok(!path.complete && (path.hop[1].flags & FLAG_GAP), "a gap between strangers");
	is(path.why[0], "gap", "... why");
	path_read(&path, deep_str("Received: from out.abc.example by b.example.org with ESMTPS id 1; "
	    "Mon, 2 Nov 2026 10:00:00 +0000\nReceived: from x.example.com by in.abc.example with ESMTPS id 1; "
	    "Mon, 2 Nov 2026 10:00:00 +0000\n"), NULL, NULL, dialects, arena);
	ok(!(path.hop[1].flags & FLAG_GAP), "none within a domain");
	for (i = 0; i < sizeof(gaps) / sizeof(gaps[0]); i++) {
		snprintf(chain, sizeof(chain), "Received: from %s by b.example.org with ESMTPS id 1; "
		    "Mon, 2 Nov 2026 10:00:00 +0000\nReceived: from x.example.com by %s with ESMTPS id 1; "
		    "Mon, 2 Nov 2026 10:00:00 +0000\n", gaps[i].from, gaps[i].by);
		path_read(&path, deep_str(chain), NULL, NULL, dialects, arena);
		is_int((path.hop[1].flags & FLAG_GAP) != 0, gaps[i].is, "a gap between %s and %s",
		    gaps[i].by, gaps[i].from);
	}

	many = malloc((RECEIVED_MAX + 1) * 64);
	for (i = RECEIVED_MAX; many != NULL && i <= RECEIVED_MAX + 1; i++) {	/* */
		char *p = many;

		for (n = 0; n < i; n++)
			p += sprintf(p, "Received: by b id %zu; 2 Nov 2026 10:00 +0000\n", n);
		path_read(&path, deep_str(many), NULL, NULL, dialects, arena);
		is_int(path.nhop, RECEIVED_MAX, "%zu Received fields", i);
		is_int(path.complete, i <= RECEIVED_MAX, "... complete or not");
	}
	free(many);
	many = malloc(HEADER_MAX + 80);
	for (i = 0; many != NULL && i < 2; i++) {
		size_t size = HEADER_MAX + i;

		for (n = 0; n < size; n += 64)
			memcpy(many + n, "X-Long: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", 64);
		memcpy(many, "Received: by b id 1; 2 Nov 2026 10:00 +0000\nX-F: xxxxxxxxxxxxxxxx", 63);
		path_read(&path, (struct deep_str){ many, size }, NULL, NULL, dialects, arena);
		is_int(path.nhop, 1, "a header of %zu octets", size);
		is_int(path.complete, i == 0, "... complete or not");
	}
	free(many);
}

/* The heads, then what makes a careless pattern go back and forth. */
static void
test_hostile(void)
{
	static const char *const fills[] = {
		"x", " ", "a ", "TLSv1.2", "(", ")", "()", "with cipher ", "bits) ", ":", "A:", ",", "1",
		"(256/256 bits) key-exchange ", "not verified", "=", "x x:"
	};
	char *text = malloc(DEEP_FIELD_MAX);
	struct finding found;
	size_t i, k, n;
	int place;

	for (i = 0; text != NULL && i < ROWS; i++) {
		clock_t before = clock();
		double took;

		for (k = 0; k < sizeof(fills) / sizeof(fills[0]); k++) {
			struct deep_str line = { text, DEEP_FIELD_MAX };

			n = strlen(rows[i].head);
			memcpy(text, rows[i].head, n);
			for (; n < DEEP_FIELD_MAX; n++)
				text[n] = fills[k][(n - strlen(rows[i].head)) % strlen(fills[k])];
			for (place = 0; place < PLACES; place++)
				(void)dialects_match(dialects, (enum place)place, line, &found);
		}
		took = (double)(clock() - before) / CLOCKS_PER_SEC;
		ok(took < 5, "%s: 17 hostile lines of 64 KiB", rows[i].name);
		if (took > 0.2)
			diag("%s took %.3f s", rows[i].name, took);
	}
	free(text);
}

static void
test_file(void)
{
	char name[] = "/tmp/dialects.XXXXXX";
	int fd = mkstemp(name);
	struct dialects *mine = dialects_new();
	struct hop hop;
	FILE *out;

	if (fd == -1 || (out = fdopen(fd, "w")) == NULL) {
		ok(0, "a scratch file");
		return;
	}
	fprintf(out, "# comment\n\nacme comment \"sealed by \" ^sealed by (?<version>\\S+)/(?<suite>\\S+)$\n");
	fflush(out);
	is_int(dialects_add(mine, name), 0, "a file of dialects");
	hop_read(&hop, deep_str(FROM "(sealed by TLSv1.3/TLS_AES_128_GCM_SHA256) " BY "with SMTP id 1" DATE), mine, arena);
	is(hop.dialect, "acme", "its row is used");
	is(verdict_names[hop.verdict], "strong", "and its facts count");
	fprintf(out, "acme nowhere \"x\" y\n");
	fflush(out);
	is_int(dialects_add(mine, name), -1, "a place that is none is refused");
	is_int(dialects_add(mine, "/nonexistent"), -1, "a file that is not there");
	(void)fseek(out, 0, SEEK_SET);
	fprintf(out, "acme comment \"x\" (((\n");
	fflush(out);
	is_int(dialects_add(mine, name), -1, "a broken pattern is refused");
	fclose(out);
	unlink(name);
	dialects_free(mine);
	dialects_free(NULL);
}

int
main(void)
{
	plan_no_plan();
	alarm(300);		/* a hang is a failure */
	dialects = dialects_new();
	arena = arena_new();
	test_rows();
	test_verdicts();
	test_paths();
	test_file();
	test_hostile();
	dialects_free(dialects);
	arena_free(arena);
	return done_testing();
}
