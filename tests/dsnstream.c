/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsnstream.c - delivery status notifications on their way through: which groups
 * are changed and how, that all else is left octet by octet, in pieces of any
 * size, and each limit on both sides (D3.3-8, D3.3-9, D3.3-10).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modules/exim/dsn_stream.h"
#include "tap.h"

#define TABLE "d1.lab.test:4.7.10:tls12,tls-pfs;xn--bcher-kva.example:4.7.5:tls-cert"

static struct {
	char	*p;
	size_t	 n, room;
	size_t	 fail_at;	/* octets after which writing fails; 0: never */
} sink;
static struct dsn_stream stream;

static int
take(void *cookie, const char *p, size_t n)
{
	(void)cookie;
	if (sink.fail_at > 0 && sink.n + n >= sink.fail_at)
		return -1;
	if (sink.n + n + 1 > sink.room) {
		sink.room = (sink.n + n + 1) * 2;
		sink.p = realloc(sink.p, sink.room);
		if (sink.p == NULL)
			abort();
	}
	memcpy(sink.p + sink.n, p, n);
	sink.n += n;
	sink.p[sink.n] = '\0';
	return 0;
}

/* The whole text through the stream, piece octets at a time; 0: at once. */
static const char *
through(const char *table, const char *text, size_t n, size_t piece)
{
	char *copy;
	size_t at, part;

	sink.n = 0;
	(void)take(NULL, "", 0);
	dsn_begin(&stream, table, take, NULL);
	for (at = 0; at < n; at += part) {
		part = piece == 0 || n - at < piece ? n - at : piece;
		copy = malloc(part);		/* a block of exactly its size */
		if (copy == NULL)
			abort();
		memcpy(copy, text + at, part);
		dsn_feed(&stream, copy, part);
		free(copy);
	}
	(void)dsn_end(&stream);
	return sink.p;
}

#define HEAD \
	"Received: from local\nContent-Type: multipart/report; report-type=delivery-status;" \
	" boundary=17-eximdsn-42\nSubject: x\n\n--17-eximdsn-42\n" \
	"Content-type: text/plain; charset=us-ascii\n\ntext\n\n--17-eximdsn-42\n" \
	"Content-type: message/delivery-status\n\n" \
	"Reporting-MTA: dns; src.lab.test\n\n"
#define TAIL \
	"\n--17-eximdsn-42\nContent-type: message/rfc822\n\n" \
	"Received: by src.lab.test\n\nAction: failed\nFinal-Recipient: rfc822;x@d1.lab.test\n" \
	"Status: 5.0.0\n\n--17-eximdsn-42--\n"
#define B_GROUP \
	"Action: failed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 5.0.0\n"
#define B_CHANGED \
	"Action: failed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 4.7.10\n" \
	"SMTP-Security-Latch: tls12 tls-pfs\n"
#define C_GROUP \
	"Action: failed\nFinal-Recipient: rfc822;c@d2.lab.test\nStatus: 5.0.0\n" \
	"Remote-MTA: dns; mx2.lab.test\nDiagnostic-Code: smtp; 550 no\n"

static const struct row {
	const char	*name, *text, *out;	/* out NULL: as it came */
} rows[] = {
	{ "D3.3-8, D3.3-9: the held recipient's group", HEAD B_GROUP TAIL, HEAD B_CHANGED TAIL },
	{ "D3.3-10: and no other", HEAD C_GROUP "\n" B_GROUP TAIL,
	  HEAD C_GROUP "\n" B_CHANGED TAIL },
	{ "a delayed one",
	  HEAD "Action: delayed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 4.0.0\n" TAIL,
	  HEAD "Action: delayed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 4.7.10\n"
	  "SMTP-Security-Latch: tls12 tls-pfs\n" TAIL },
	{ "a domain in capitals",
	  HEAD "Action: failed\nFinal-Recipient: rfc822;B@D1.Lab.Test\nStatus: 5.0.0\n" TAIL,
	  HEAD "Action: failed\nFinal-Recipient: rfc822;B@D1.Lab.Test\nStatus: 4.7.10\n"
	  "SMTP-Security-Latch: tls12 tls-pfs\n" TAIL },
	{ "delivered is not held",
	  HEAD "Action: delivered\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 2.0.0\n" TAIL,
	  NULL },
	{ "another server said no: the latch was met",
	  HEAD "Action: failed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 5.0.0\n"
	  "Diagnostic-Code: smtp; 550 5.1.1 no such user\n" TAIL, NULL },
	{ "it has the field", HEAD B_CHANGED TAIL, NULL },
	{ "another domain", HEAD C_GROUP TAIL, NULL },
	{ "a sub-domain is another",
	  HEAD "Action: failed\nFinal-Recipient: rfc822;b@x.d1.lab.test\nStatus: 5.0.0\n" TAIL,
	  NULL },
	{ "no multipart", "Subject: x\n\n" B_GROUP, NULL },
	{ "no header", "\n" B_GROUP, NULL },
	{ "no boundary", "Content-Type: multipart/report\n\n" B_GROUP, NULL },
	{ "no status part",
	  "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n" B_GROUP "\n--b--\n", NULL },
	{ "cut in the header", "Content-Type: multipart/rep", NULL },
	{ "cut in a group: what is there is changed", HEAD "Action: failed\n"
	  "Final-Recipient: rfc822;b@d1.lab.test\nStatus: 5.0.0\n",
	  HEAD "Action: failed\nFinal-Recipient: rfc822;b@d1.lab.test\nStatus: 4.7.10\n"
	  "SMTP-Security-Latch: tls12 tls-pfs\n" },
	{ "a folded, quoted boundary",
	  "content-type: multipart/report;\n\tboundary=\"a b\"\n\n--a b\n"
	  "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" B_GROUP "\n--a b--\n",
	  "content-type: multipart/report;\n\tboundary=\"a b\"\n\n--a b\n"
	  "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" B_CHANGED
	  "\n--a b--\n" },
	{ "SMTPUTF8: message/global-delivery-status, an address in UTF-8",
	  "Content-Type: multipart/report; boundary=b\n\n--b\n"
	  "Content-type: message/global-delivery-status\n\nReporting-MTA: dns; x\n\n"
	  "Action: failed\nFinal-Recipient: utf-8;j\xc3\xb6rg@b\xc3\xbc" "cher.example\n"
	  "Status: 5.0.0\n\n--b--\n",
	  "Content-Type: multipart/report; boundary=b\n\n--b\n"
	  "Content-type: message/global-delivery-status\n\nReporting-MTA: dns; x\n\n"
	  "Action: failed\nFinal-Recipient: utf-8;j\xc3\xb6rg@b\xc3\xbc" "cher.example\n"
	  "Status: 4.7.5\nSMTP-Security-Latch: tls-cert\n\n--b--\n" },
	{ "CRLF",
	  "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
	  "Content-type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
	  "Action: failed\r\nFinal-Recipient: rfc822;b@d1.lab.test\r\nStatus: 5.0.0\r\n"
	  "\r\n--b--\r\n",
	  "Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n"
	  "Content-type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n"
	  "Action: failed\r\nFinal-Recipient: rfc822;b@d1.lab.test\r\nStatus: 4.7.10\r\n"
	  "SMTP-Security-Latch: tls12 tls-pfs\r\n\r\n--b--\r\n" },
};

static void
check_row(const struct row *row)
{
	const char *expected = row->out == NULL ? row->text : row->out;
	size_t piece, n = strlen(row->text);
	int same = 1;

	for (piece = 0; piece < 70 && same; piece++)
		same = strcmp(through(TABLE, row->text, n, piece), expected) == 0;
	if (!same)
		diag("in pieces of %zu: \"%s\"", piece - 1, sink.p);
	ok(same, "%s", row->name);
	ok(strcmp(through("", row->text, n, 7), row->text) == 0 &&
	    strcmp(through(":;,:::", row->text, n, 0), row->text) == 0 &&
	    strcmp(through("d1.lab.test:4.7.10:", row->text, n, 0), row->text) == 0 &&
	    strcmp(through("d1.lab.test:bad:tls12", row->text, n, 0), row->text) == 0,
	    "%s: as it came with an empty or a wrong table", row->name);
}

/* A text with n octets of filling where it has "@". */
static char *
fill(const char *text, size_t n)
{
	const char *at = strchr(text, '@');
	char *p = malloc(strlen(text) + n);

	if (p == NULL)
		abort();
	memcpy(p, text, (size_t)(at - text));
	memset(p + (at - text), 'x', n);
	strcpy(p + (at - text) + n, at + 1);
	return p;
}

static void
check_fill(const char *text, size_t n, int changed, const char *name)
{
	char *p = fill(text, n);

	through(TABLE, p, strlen(p), 4096);
	ok(stream.changed == (changed ? 1u : 0u) &&
	    (changed || strcmp(sink.p, p) == 0), "%s", name);
	free(p);
}

static void
check_limits(void)
{
	static const char line[] = HEAD "X-Long: @\n" B_GROUP TAIL;
	static const char boundary[] = "Content-Type: multipart/report; boundary=@\n\n";
	char *p, *text;
	size_t n, i;

	n = DSN_LINE_MAX - strlen("X-Long: \n");
	check_fill(line, n, 1, "a line of DSN_LINE_MAX octets in a group");
	check_fill(line, n + 1, 0, "one octet more: the group passes as it is");
	for (i = 0; i < 2; i++) {
		n = DSN_BOUNDARY_MAX + i;
		p = fill(boundary, n);
		text = malloc(strlen(p) + 3 * n + 500);
		if (text == NULL)
			abort();
		sprintf(text, "%s--%.*s\nContent-Type: message/delivery-status\n\n"
		    "Reporting-MTA: dns; x\n\n" B_GROUP "\n--%.*s--\n", p, (int)n,
		    strchr(p, '=') + 1, (int)n, strchr(p, '=') + 1);
		through(TABLE, text, strlen(text), 0);
		ok(stream.changed == 1 - i, "a boundary of DSN_BOUNDARY_MAX octets%s",
		    i == 0 ? "" : ", and one more");
		free(text);
		free(p);
	}
	/* a group at DEEP_FIELD_MAX, in lines that are short enough */
	for (i = 0; i < 2; i++) {
		text = malloc(DEEP_FIELD_MAX + 4096);
		if (text == NULL)
			abort();
		strcpy(text, HEAD B_GROUP);
		n = DEEP_FIELD_MAX - strlen(B_GROUP) + i;
		p = text + strlen(text);
		while (n > 0) {
			size_t part = n > 1200 ? 1000 : n;

			memset(p, 'x', part);
			memcpy(p, "X: ", 3);
			p[part - 1] = '\n';
			p += part;
			n -= part;
		}
		strcpy(p, TAIL);
		through(TABLE, text, strlen(text), 0);
		ok(stream.changed == 1 - i, "a group of DEEP_FIELD_MAX octets%s",
		    i == 0 ? "" : ", and one more");
		free(text);
	}
	n = DSN_TYPE_MAX;
	check_fill("Content-Type: multipart/report; x=@; boundary=b\n\n--b\n"
	    "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n" B_GROUP "\n--b--\n",
	    n, 0, "a Content-Type of more than DSN_TYPE_MAX octets: as it came");
	sink.fail_at = 200;
	through(TABLE, HEAD B_GROUP TAIL, strlen(HEAD B_GROUP TAIL), 0);
	ok(dsn_end(&stream) == -1, "a full disk is told");
	sink.fail_at = 0;
}

int
main(void)
{
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	check_limits();
	free(sink.p);
	return done_testing();
}
