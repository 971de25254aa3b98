/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * bounce.c - tests of modules/opensmtpd/bounce.c and stamp.c: DSNs of smtpd
 * (D3.3-8, D3.3-9, X-10) and the tls clause in its Received field (D4-2, D4-3,
 * D4-7, X-1).  The DSNs are those of tests/seeds/bounce.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modules/opensmtpd/osmtpd.h"
#include "tap.h"

static char	file[65536], head[65536];

/* The head of a DSN: all up to the line that is enough; its octets. */
static size_t
load(const char *name, enum bounce_is *is)
{
	struct bounce	 bounce;
	struct deep_str	 line;
	char		 path[128], *p, *nl;
	FILE		*stream;
	size_t		 n;

	snprintf(path, sizeof(path), "tests/seeds/bounce/%s", name);
	if ((stream = fopen(path, "r")) == NULL)
		return 0;
	n = fread(file, 1, sizeof(file) - 1, stream);
	file[n] = '\0';
	fclose(stream);
	memset(&bounce, 0, sizeof(bounce));
	*is = BOUNCE_MORE;
	for (p = file; *is == BOUNCE_MORE && (nl = strchr(p, '\n')) != NULL; p = nl + 1) {
		line.p = p;
		line.n = (size_t)(nl - p);
		*is = bounce_line(&bounce, line);
	}
	n = (size_t)(p - file);
	memcpy(head, file, n);
	head[n] = '\0';
	return n;
}

static int
has(const struct text *text, const char *what)
{
	return memmem(text->p, text->n, what, strlen(what)) != NULL;
}

static const struct deep_dsngroup_change latched = {
	NULL, "4.7.10", "smtp; 451 4.7.10 held", DEEP_LATCH_TLS12 | DEEP_LATCH_PFS
};

static void
test_read(void)
{
	struct bounce_head	dsn;
	enum bounce_is		is;
	size_t			n;
	char			status[16];

	n = load("delayed", &is);
	is_int(is, BOUNCE_READY, "a DSN is known before its end");
	cmp_ok(n, <, strlen(file), "namely in front of the returned header's end");
	is_int(bounce_read(&dsn, (struct deep_str){ head, n }), DEEP_YES, "it is read");
	is_int(dsn.nrcpt, 2, "two recipients");
	is(dsn.msgid, "2be0d60f", "the number of the returned message");
	is_str(dsn.rcpt[0].address, "u1@a.test", "the first");
	ok(dsn.rcpt[0].delayed && !dsn.rcpt[0].expired, "is delayed");
	is_int(bounce_latches(dsn.rcpt[0].error, status, sizeof(status)),
	    DEEP_LATCH_TLS12 | DEEP_LATCH_PFS, "by the latches that deep-relay named");
	is(status, "4.7.10", "with its status");
	is_str(dsn.rcpt[1].error, "Network error on destination MXs", "the second: smtpd's words");
	is_int(bounce_latches(dsn.rcpt[1].error, status, sizeof(status)), 0, "name no latch");
	bounce_free(&dsn);

	n = load("expired", &is);
	bounce_read(&dsn, (struct deep_str){ head, n });
	ok(dsn.nrcpt == 2 && dsn.rcpt[0].expired && !dsn.rcpt[0].delayed, "expired, failed");
	ok(!dsn.rcpt[1].expired, "another reason");
	bounce_free(&dsn);

	n = load("relayed", &is);
	is_int(bounce_read(&dsn, (struct deep_str){ head, n }), DEEP_NO,
	    "of a relayed message nothing is to be changed");
	bounce_free(&dsn);

	n = load("no-received", &is);
	is_int(is, BOUNCE_READY, "no Received in it: known at the end of the header");
	bounce_read(&dsn, (struct deep_str){ head, n });
	is(dsn.msgid, "", "and its number is not known");
	bounce_free(&dsn);

	n = load("full", &is);
	cmp_ok(n + 40, <, strlen(file), "the message in a DSN is no part of its head");

	load("report", &is);
	is_int(is, BOUNCE_NONE, "another's DSN is none of smtpd");
	is_int(bounce_latches(deep_str("451-4.7.10 SMTP-Security-Latch: tls-cert"), status,
	    sizeof(status)), DEEP_LATCH_CERT, "the field alone in a reply");
	is(status, "4.7.10", "and the status of the reply");
	is_int(bounce_latches(deep_str("451 4.7.10 (SMTP-Security-Latch: tls10 no-such tls12)"),
	    status, sizeof(status)), DEEP_LATCH_TLS10, "up to what is no latch");
}

static void
test_write(void)
{
	struct deep_dsngroup_change	 change[2];
	struct bounce_head		 dsn;
	struct text			 out = { NULL, 0, 0 };
	enum bounce_is			 is;
	size_t				 n;

	n = load("delayed", &is);
	bounce_read(&dsn, (struct deep_str){ head, n });
	memset(change, 0, sizeof(change));
	is_int(bounce_write(&out, &dsn, change), 0, "no change");
	ok(out.n == n && memcmp(out.p, head, n) == 0, "every octet as it was");
	out.n = 0;
	change[0] = latched;
	is_int(bounce_write(&out, &dsn, change), 0, "a change");
	ok(has(&out, "\nContent-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"566542978682830218/relay.example.org\"\nMessage-ID:"),
	    "X-10: multipart/report, all around it as it was");
	ok(has(&out, "Final-Recipient: rfc822; u1@a.test\nAction: delayed\nStatus: 4.7.10\n"
	    "Diagnostic-Code: smtp; 451 4.7.10 held\nSMTP-Security-Latch: tls12 tls-pfs\n\n"),
	    "D3.3-8, D3.3-9: status and latches of the one");
	ok(has(&out, "Final-Recipient: rfc822; u2@b.test\nAction: delayed\nStatus: 4.0.0\n\n"),
	    "D3.3-9: the other as it was");
	ok(has(&out, "Please note that this is only a temporary"), "the notice as it was");
	bounce_free(&dsn);

	n = load("expired-6.8", &is);
	bounce_read(&dsn, (struct deep_str){ head, n });
	change[0] = latched;
	change[0].action = "failed";
	out.n = 0;
	is_int(bounce_write(&out, &dsn, change), 0, "6.8's last DSN");
	ok(has(&out, "\nSubject: Delivery status notification: failed\nFrom:"), "is a failure");
	ok(has(&out, "\nAction: failed\nStatus: 4.7.10\n"), "of its recipient");
	ok(!has(&out, "delayed") && !has(&out, "temporary failure") &&
	    has(&out, "    An error has occurred while attempting to deliver a message for\n"
	    "    the following list of recipients:\n\nu1@a.test: Envelope expired\n\n"
	    "    Below is a copy"), "and says so to people");
	out.n = 0;
	memset(change, 0, sizeof(change));
	change[0].action = "failed";
	bounce_write(&out, &dsn, change);
	ok(has(&out, "multipart/mixed") && has(&out, "\nAction: failed\nStatus: 4.4.7\n"),
	    "without a latch nothing else is changed");
	bounce_free(&dsn);
	text_free(&out);
}

/* Found by the fuzzer: of two types a reader may take either. */
static void
test_two_types(void)
{
	static char		all[8192];
	struct bounce_head	dsn;
	FILE			*stream = fopen("tests/seeds/bounce/two-types", "r");
	size_t			n = stream != NULL ? fread(all, 1, sizeof(all), stream) : 0;

	if (stream != NULL)
		fclose(stream);
	ok(n > 0 && bounce_read(&dsn, (struct deep_str){ all, n }) == DEEP_NO,
	    "two Content-Type fields: no DSN of smtpd");
	bounce_free(&dsn);
}

static const char *const received[] = {
	"Received: from client.test (localhost [127.0.0.1])",
	("\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a "
	    "(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)"),
	"\tfor <u1@a.test>;",
	"\tMon, 23 Nov 2026 05:57:40 +0000 (UTC)",
	"Received: from old (OpenSMTPD) with id 4ef05b3a ;",
	"",
	"\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a (x);"
};

/* The lines through stamp_line(), apart by "|". */
static const char *
stamped(const char *const *lines, size_t n, const char *msgid, const char *words)
{
	static char	all[4096];
	char		buf[1200];
	struct stamp	stamp = { STAMP_BEFORE };
	struct deep_str	line;
	size_t		i, at = 0;

	for (i = 0; i < n; i++) {
		line = stamp_line(&stamp, deep_str(lines[i]), msgid, words, buf, sizeof(buf));
		at += (size_t)snprintf(all + at, sizeof(all) - at, "%.*s|", (int)line.n, line.p);
	}
	return all;
}

static void
test_stamp(void)
{
	static const char *const	several[] = {
		"X-Spam: Yes", "Received: from client.test (localhost [127.0.0.1])",
		("\tby relay.test (OpenSMTPD) with ESMTPS id 98947d05 "
		    "(TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256:NO);\r"), "\tMon, 23 Nov 2026\r"
	};
	static const char *const	other[] = {
		"Received: from x (x [192.0.2.1])", "\tby y (OpenSMTPD) with ESMTP id 11111111;",
		"\tMon, 23 Nov 2026", "Received: from x", "\tby y (OpenSMTPD) with E id 4ef05b3a;"
	};
	const char			*words = "TLSv1.3:TLS_AES_256_GCM_SHA384:256";

	is(stamped(received, 7, "4ef05b3a", words),
	    "Received: from client.test (localhost [127.0.0.1])|"
	    "\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a "
	    "(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)|"
	    "\tfor <u1@a.test> tls TLS_AES_256_GCM_SHA384;|"
	    "\tMon, 23 Nov 2026 05:57:40 +0000 (UTC)|"
	    "Received: from old (OpenSMTPD) with id 4ef05b3a ;||"
	    "\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a (x);|",
	    "D4-2, D4-7: behind \"for\", in front of the \";\"; X-1: older fields as they were");
	is(stamped(several, 4, "98947d05", "TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256"),
	    "X-Spam: Yes|Received: from client.test (localhost [127.0.0.1])|"
	    "\tby relay.test (OpenSMTPD) with ESMTPS id 98947d05 "
	    "(TLSv1.2:ECDHE-RSA-AES256-GCM-SHA384:256:NO)\n"
	    "\ttls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384;\r|\tMon, 23 Nov 2026\r|",
	    "D4-3: IANA's name, folded, without \"for\", behind a field of another filter");
	is(stamped(other, 5, "4ef05b3a", words),
	    "Received: from x (x [192.0.2.1])|\tby y (OpenSMTPD) with ESMTP id 11111111;|"
	    "\tMon, 23 Nov 2026|Received: from x|\tby y (OpenSMTPD) with E id 4ef05b3a;|",
	    "X-1: a first field that is not of this transaction, and what is behind it");
	is(stamped(received, 4, "4ef05b3a", "TLSv1.3:NO_SUCH_SUITE:256"),
	    "Received: from client.test (localhost [127.0.0.1])|"
	    "\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a "
	    "(TLSv1.3:TLS_AES_256_GCM_SHA384:256:NO)|\tfor <u1@a.test>;|"
	    "\tMon, 23 Nov 2026 05:57:40 +0000 (UTC)|", "an unknown suite is not written");
	ok(strstr(stamped(received, 4, "", words), "tls TLS") == NULL, "no number, no clause");
	ok(strstr(stamped(received, 4, "4ef05b3a", "TLSv1.3:AEAD-AES256-GCM-SHA384:256"),
	    " tls TLS_AES_256_GCM_SHA384;") != NULL, "D4-3: LibreSSL's names");
}

int
main(void)
{
	test_read();
	test_write();
	test_two_types();
	test_stamp();
	return done_testing();
}
