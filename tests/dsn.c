/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsn.c - delivery reports of all structures that are known, one row each,
 * with LF and with CRLF, whole and cut at every octet, each ending at a page
 * that nobody may read.  Requirements.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "tap.h"

#define ROOM	((size_t)2 * 1024 * 1024)

#define TOP(type)	"From: MAILER-DAEMON@mx.example.org\nMIME-Version: 1.0\n" \
			"Content-Type: " type "\n\n"
#define REPORT		TOP("multipart/report; report-type=delivery-status; " \
			"boundary=\"b\"")
#define HUMAN		"--b\nContent-Type: text/plain\n\nIt was delivered.\n\n"
#define STATUS		"--b\nContent-Type: message/delivery-status\n\n"
#define PER_MESSAGE	"Reporting-MTA: dns; mx.example.org\n" \
			"Original-Envelope-Id: env.1\n" \
			"Arrival-Date: Mon, 23 Nov 2026 09:39:00 +0000\n\n"
#define ANNA		"Final-Recipient: rfc822; anna@example.net\n" \
			"Action: relayed\nStatus: 2.0.0\n" \
			  "Remote-MTA: dns; in.example.net\n"
#define BERT		"Final-Recipient: rfc822; bert@example.net\n" \
			"Action: failed\nStatus: 5.1.1\n"
#define SENT		"Received: from a.example.org by mx.example.org; " \
			"Mon, 23 Nov 2026 09:38:59 +0000\n" \
			"Message-ID: <1@example.org>\nSubject: one\n"
#define HEADERS		"--b\nContent-Type: text/rfc822-headers\n\n" SENT
#define MESSAGE		"--b\nContent-Type: message/rfc822\n\n" SENT "\nHello\n"
#define END		"\n--b--\n"

#define GROUP_ANNA	"anna@example.net relayed 2.0.0\n"
#define GROUP_BERT	"bert@example.net failed 5.1.1\n"

static const struct row {
	const char	*name;
	int		 found;		/* dsn.found */
	const char	*groups;	/* "final action status" a line; NULL: NO */
	int		 returned;	/* 1: SENT, 2: inline, 0: none */
	const char	*text;
} rows[] = {
	{ "success, headers returned (Postfix)", 1, GROUP_ANNA, 1,
	  REPORT "This is a MIME-encapsulated message.\n\n" HUMAN STATUS PER_MESSAGE
	  ANNA "\n"
	  HEADERS END },
	{ "message returned", 1, GROUP_ANNA, 1,
	  REPORT HUMAN STATUS PER_MESSAGE ANNA "\n" MESSAGE END },
	{ "X-10: OpenSMTPD, multipart/mixed, a boundary with blanks and /", 1,
	  GROUP_BERT, 1,
	  "Subject: Delivery status notification: failed\n"
	  "Content-Type: multipart/mixed;"
	  "boundary=\"   42/mx.example.org\"\n\nThis is a MIME-encapsulated message.\n"
	  "\n"
	  "--   42/mx.example.org\nContent-Description: Notification\n"
	  "Content-Type: text/plain; charset=us-ascii\n\nHi!\n\n"
	  "--   42/mx.example.org\nContent-Description: Delivery Report\n"
	  "Content-Type: message/delivery-status\n\n"
	  "Reporting-MTA: dns; mx.example.org\n\n"
	  BERT "\n\n--   42/mx.example.org\nContent-Description: Message headers\n"
	  "Content-Type: text/rfc822-headers\n\n" SENT "\nbody\n"
	  "\n--   42/mx.example.org--\n" },
	{ "old OpenSMTPD: Action: error is kept", 1, "bert@example.net error 5.0.0\n",
	  0,
	  REPORT HUMAN STATUS "Reporting-MTA: dns; mx.example.org\n\n"
	  "Final-Recipient: rfc822; bert@example.net\nAction: error\nStatus: 5.0.0\n"
	  END },
	{ "a list's footer around it", 1, "list@example.net expanded 2.0.0\n", 1,
	  TOP("multipart/mixed; boundary=\"outer\"")
	  "--outer\nContent-Type: multipart/report; boundary=b\n\n" HUMAN STATUS
	  PER_MESSAGE
	  "Final-Recipient: rfc822; list@example.net\nAction: expanded\nStatus: 2.0.0\n"
	  "\n"
	  HEADERS END "\n--outer\nContent-Type: text/plain\n\n____\nlist mailing list\n"
	  "\n--outer--\n" },
	{ "forwarded", 1, GROUP_ANNA, 1,
	  TOP("multipart/mixed; boundary=\"outer\"")
	  "--outer\n\nsee below\n--outer\nContent-Type: message/rfc822\n\n"
	  REPORT HUMAN STATUS PER_MESSAGE ANNA "\n" MESSAGE END "\n--outer--\n" },
	{ "a message that is nothing but a report", 1, GROUP_ANNA, 0,
	  TOP("message/delivery-status") PER_MESSAGE ANNA },
	{ "two status parts", 1, GROUP_ANNA GROUP_BERT, 1,
	  REPORT STATUS PER_MESSAGE ANNA "\n" STATUS PER_MESSAGE BERT "\n" MESSAGE END
	  },
	{ "no part for people", 1, GROUP_ANNA, 1,
	  REPORT STATUS PER_MESSAGE ANNA "\n" MESSAGE END },
	{ "nothing returned", 1, GROUP_ANNA, 0, REPORT HUMAN STATUS PER_MESSAGE ANNA END
	  },
	{ "X-11: global types", 1, "anna@example.net relayed 2.0.0\n", 1,
	  REPORT HUMAN "--b\n"
	  "Content-Type: message/global-delivery-status; charset=\"utf-8\"\n\n"
	  PER_MESSAGE ANNA "\n--b\nContent-Type: message/global\n\n" SENT "\nHi\n" END
	  },
	{ "X-11: global status, headers of the other kind, mixed case", 1, GROUP_ANNA,
	  1,
	  REPORT HUMAN "--b\nCONTENT-TYPE: Message/Global-Delivery-Status\n\n"
	  PER_MESSAGE ANNA "\n--b\nContent-type: MESSAGE/GLOBAL-HEADERS\n\n" SENT END },
	{ "X-11: status in base64", 1, GROUP_BERT, 0,
	  REPORT HUMAN "--b\nContent-Type: message/global-delivery-status\n"
	  "Content-Transfer-Encoding: base64\n\n"
	  "UmVwb3J0aW5nLU1UQTogZG5zOyBteC5leGFtcGxlLm9yZwpPcmlnaW5hbC1FbnZlbG9wZS1JZDog\n"
	  "ZW52LjEKCkZpbmFsLVJlY2lwaWVudDogcmZjODIyOyBiZXJ0QGV4YW1wbGUubmV0CkFjdGlvbjog\n"
	  "ZmFpbGVkClN0YXR1czogNS4xLjEK\n" END },
	{ "X-11: status in quoted-printable", 1, GROUP_BERT, 0,
	  REPORT HUMAN "--b\nContent-Type: message/delivery-status\n"
	  "Content-Transfer-Encoding: quoted-printable\n\n"
	  "Reporting-MTA: dns; mx.exam=\n"
	  "ple.org\n\nFinal-Recipient: rfc822; bert=40example.net\nAction: failed\n"
	  "Status: 5.1.1\n" END },
	{ "headers in quoted-printable", 1, GROUP_ANNA, 1,
	  REPORT HUMAN STATUS PER_MESSAGE ANNA "\n--b\n"
	  "Content-Type: text/rfc822-headers\n"
	  "Content-Transfer-Encoding: Quoted-Printable\n\n"
	  "Received: from a.example.org by =\n"
	  "mx.example.org; Mon, 23 Nov 2026 09:38:59 =2B0000\n"
	  "Message-ID: <1@example.org>\n"
	  "Subject: one\n" END },
	{ "headers in base64, an empty line before them", 1, GROUP_ANNA, 1,
	  REPORT HUMAN STATUS PER_MESSAGE ANNA "\n--b\n"
	  "Content-Type: text/rfc822-headers\n"
	  "Content-Transfer-Encoding: base64\n\n\n"
	  "ClJlY2VpdmVkOiBmcm9tIGEuZXhhbXBsZS5vcmcgYnkgbXguZXhhbXBsZS5vcmc7IE1vbiwgMjMg\n"
	  "Tm92IDIwMjYgMDk6Mzg6NTkgKzAwMDAKTWVzc2FnZS1JRDogPDFAZXhhbXBsZS5vcmc+ClN1Ympl\n"
	  "Y3Q6IG9uZQo=\n" END },
	{ "a misspelt type", 1, GROUP_ANNA, 1, REPORT HUMAN STATUS PER_MESSAGE ANNA
	  "\n--b\nContent-Type: message/rfc822-headers\n\n" SENT END },
	{ "message/partial", 1, GROUP_ANNA, 1, REPORT HUMAN STATUS PER_MESSAGE ANNA
	  "\n--b\nContent-Type: message/partial; id=x; number=1\n\n" SENT "\nHello\n"
	  END },
	{ "headers as text/plain", 1, GROUP_ANNA, 1, REPORT HUMAN STATUS PER_MESSAGE
	  ANNA
	  "\n--b\nContent-Disposition: attachment; filename=\"mailheaders-1.txt\"\n"
	  "Content-Type: text/plain\n\n" SENT END },
	{ "a text that is no header is not returned", 1, GROUP_ANNA, 0,
	  REPORT STATUS PER_MESSAGE ANNA "\n--b\n\nPlease note: this is a list.\n"
	  "For: all\n"
	  END },
	{ "a report in related and alternative parts", 1, GROUP_ANNA, 1,
	  REPORT "--b\nContent-Type: multipart/related; boundary=r\n\n--r\n"
	  "Content-Type: multipart/alternative; boundary=a\n\n--a\n\nHi\n--a\n"
	  "Content-Type: text/html\n\n<p>Hi\n--a--\n--r\nContent-Type: image/png\n"
	  "Content-Transfer-Encoding: base64\n\niVBORw0K\n--r--\n"
	  STATUS PER_MESSAGE ANNA "\n" MESSAGE END },
	{ "a bounce of a bounce: the outer one's groups only", 1, GROUP_BERT, 1,
	  REPORT HUMAN STATUS PER_MESSAGE BERT "\n--b\nContent-Type: message/rfc822\n\n"
	  SENT
	  "Content-Type: multipart/report; boundary=c\n\n--c\n"
	  "Content-Type: message/delivery-status\n\n" PER_MESSAGE ANNA "\n--c--\n" END
	  },
	{ "X-9: Exim's order", 1, "anna@example.net delivered 2.0.0\n"
	  "bert@example.net failed 5.0.0\n", 0,
	  TOP("multipart/report; report-type=delivery-status; boundary=b")
	  "--b\nContent-type: text/plain; charset=us-ascii\n\nHi\n\n"
	  "--b\nContent-type: message/delivery-status\n\n"
	  "Reporting-MTA: dns; mx.example.org\n\n"
	  "Action: delivered\nFinal-Recipient: rfc822;anna@example.net\nStatus: 2.0.0\n"
	  "\n"
	  "Action: failed\nFinal-Recipient: rfc822;bert@example.net\nStatus: 5.0.0\n"
	  END },
	{ "X-9: Exim's order without empty lines", 1,
	  "anna@example.net delivered 2.0.0\n"
	  "bert@example.net failed 5.0.0\n", 0,
	  REPORT STATUS "Reporting-MTA: dns; mx.example.org\n"
	  "Action: delivered\nFinal-Recipient: rfc822;anna@example.net\nStatus: 2.0.0\n"
	  "Action: failed\nFinal-Recipient: rfc822;bert@example.net\nStatus: 5.0.0\n"
	  END },
	{ "X-9: any order", 1, GROUP_BERT, 0,
	  REPORT STATUS PER_MESSAGE "Status: 5.1.1\n"
	  "Final-Recipient: rfc822; bert@example.net\n"
	  "Action: failed\nOriginal-Recipient: rfc822; robert@example.net\n" END },
	{ "no empty lines", 1, GROUP_ANNA GROUP_BERT GROUP_ANNA, 0,
	  REPORT HUMAN STATUS "Reporting-MTA: dns; mx.example.org\n" ANNA BERT
	  "Original-Recipient: rfc822; ann@example.net\n" ANNA END },
	{ "too many empty lines", 1, GROUP_ANNA GROUP_BERT, 0,
	  REPORT STATUS "\n\n" PER_MESSAGE "\n\n" ANNA "\n\n\n" BERT "\n\n" END },
	{ "MIME fields in the first block, stray blocks", 1, GROUP_ANNA GROUP_BERT, 0,
	  REPORT STATUS "Content-Type: message/delivery-status\n" PER_MESSAGE
	  "Received: from x by y; Mon, 23 Nov 2026 09:38:59 +0000\n"
	  "From: x@example.org\n"
	  "Subject: stray\nStatus: RO\n\n" ANNA "\n" BERT END },
	{ "comments", 1, "anna@example.net relayed 2.0.0\n", 0,
	  REPORT STATUS PER_MESSAGE "Final-Recipient: RFC822; anna@example.net\n"
	  "Action: Relayed (to non-DSN-aware mailer)\n"
	  "Status: (x) 2.0.0 (fine (really))\n" END },
	{ "a field name whose first letter is lost", 1, GROUP_BERT, 0,
	  REPORT STATUS PER_MESSAGE "Final-Recipient: rfc822; bert@example.net\n"
	  "ction: failed\nStatus: 5.1.1\n" END },
	{ "types that are missing or others", 1, "anna@example.net failed 5.1.1\n"
	  "x400; /G=Bert/ failed 5.1.1\n", 0,
	  REPORT STATUS "Reporting-MTA: mx.example.org\n\n"
	  "Final-Recipient: <anna@example.net>\n"
	  "Action: failed\nStatus: 5.1.1\nRemote-MTA: 192.0.2.1\n\n"
	  "Final-Recipient: x400; /G=Bert/\nAction: failed\nStatus: 5.1.1\n" END },
	{ "X-12: utf-8 addresses", 1, "d\303\266rte@example.net relayed 2.0.0\n"
	  "\360\220\200\200@example.net relayed 2.0.0\n"
	  "a\\x{D800}@example.net relayed 2.0.0\n"
	  "a\\x{F}@example.net relayed 2.0.0\n"
	  "a\\x{1234567}@example.net relayed 2.0.0\n"
	  "a\\x{110000}@example.net relayed 2.0.0\n"
	  "a\\b@example.net relayed 2.0.0\n", 0,
	  REPORT STATUS PER_MESSAGE
#define UTF8(address)	"Final-Recipient: utf-8; " address \
			"\nAction: relayed\nStatus: 2.0.0\n\n"
	  UTF8("d\\x{F6}rte@example.net") UTF8("\\x{10000}@example.net")
	  UTF8("a\\x{D800}@example.net") UTF8("a\\x{F}@example.net")
	  UTF8("a\\x{1234567}@example.net") UTF8("a\\x{110000}@example.net")
	  UTF8("a\\b@example.net") END },
	{ "an inner boundary that is not closed", 1, GROUP_ANNA, 1,
	  REPORT "--b\nContent-Type: multipart/alternative; boundary=bb\n\n--bb\n\nHi\n"
	  STATUS PER_MESSAGE ANNA "\n" HEADERS },
	{ "a returned part that is missing, headers inline", 1, GROUP_BERT, 2,
	  REPORT "--b\nContent-Type: text/plain\n\nSorry.\n\n"
	  "Original message headers:\n\n" SENT
	  "\n" STATUS PER_MESSAGE BERT END },
	{ "inline: Exim", 0, "", 2, "From: x@example.org\n\nA message that you sent\n\n"
	  "------ This is a copy of the message, including all the headers. ------\n\n"
	  SENT
	  "\nHello\n" },
	{ "inline: qmail", 0, "", 2, "From: x@example.org\n\n"
	  "Hi. This is the qmail-send program.\n\n"
	  "--- Below this line is a copy of the message.\n\n"
	  "Return-Path: <x@example.org>\n" SENT
	  "\nHello\n" },
	{ "inline: DragonFly", 0, "", 2, "From: x@example.org\n\n"
	  "Message headers follow.\n\n" SENT },
	{ "inline: indented", 0, "", 2, "From: x@example.org\n\n"
	  "   ----- Unsent message follows -----\n"
	  "   Received: from a.example.org by mx.example.org;\n"
	  "     Mon, 23 Nov 2026 09:38:59 +0000\n"
	  "   Message-ID: <1@example.org>\n   Subject: one\n\n   Hello\n" },
	{ "inline: quoted", 0, "", 2, "From: x@example.org\n\n"
	  "> Original message follows.\n>\n"
	  "> Received: from a.example.org by mx.example.org;\n"
	  ">  Mon, 23 Nov 2026 09:38:59 +0000\n"
	  "> Message-ID: <1@example.org>\n> Subject: one\n>\n> Hello\n" },
	{ "inline: French in quoted-printable", 0, "", 2,
	  "From: x@example.org\nContent-Type: text/plain; charset=iso-8859-1\n"
	  "Content-Transfer-Encoding: quoted-printable\n\n"
	  "En-t=EAtes de message d'origine :\n\n" SENT },
	{ "inline: French in UTF-8", 0, "", 2, "From: x@example.org\n\n"
	  "En-t\303\252tes de message d'origine :\n\n" SENT },
	{ "inline: a reply that quotes is no bounce", 0, NULL, 0,
	  "From: x@example.org\n"
	  "Message-ID: <2@example.org>\n\n-----Original message-----\n"
	  "From: y@example.org\n"
	  "Sent: Monday\nTo: x@example.org\n"
	  "Subject: Message-ID and Received: what are they?\n" },
	{ "inline: a marker without a header is none", 0, NULL, 0,
	  "From: x@example.org\n\n"
	  "Message headers follow.\n\nor not: Received:\n" },
	{ "inline: Exim tells how much follows", 0, "", 2, "From: x@example.org\n\n"
	  "------ This is a copy of the message, including all the headers. ------\n"
	  "------ The body of the message is 183712 characters long; only the first\n"
	  "------ 106496 or so are included here.\n\n" SENT "\nHello\n" },
	{ "inline: a ruler of other characters", 0, "", 2, "From: x@example.org\n\n"
	  "|------------- Message text follows: -------------|\n" SENT "\nHello\n" },
	{ "no status part: qmail with MIME", 0, "", 1, TOP("multipart/mixed; boundary=b")
	  HUMAN "--b\n\nSorry.\n\n--- Enclosed is a copy of the message.\n\n" MESSAGE END },
	{ "no status part: Postfix", 0, "", 1, TOP("multipart/mixed; boundary=b") HUMAN
	  "--b\nContent-Description: Undelivered Message\nContent-Type: message/rfc822\n\n" SENT
	  "\nHello\n" END },
	{ "no status part: a report all the same", 0, "", 1, REPORT HUMAN MESSAGE END },
	{ "no status part: a message that was forwarded", 0, NULL, 0,
	  TOP("multipart/mixed; boundary=b") HUMAN MESSAGE END },
	{ "no status part: a marker with text behind it", 0, NULL, 0,
	  TOP("multipart/mixed; boundary=b") HUMAN
	  "--b\n\nEnclosed is a copy of the message.\nSee below.\n" MESSAGE END },
	{ "no status part: a report is sent back", 1, GROUP_ANNA, 1,
	  TOP("multipart/mixed; boundary=x") "--x\n\n--- Enclosed is a copy of the message.\n"
	  "--x\nContent-Type: message/rfc822\n\n"
	  REPORT HUMAN STATUS PER_MESSAGE ANNA "\n" HEADERS END "\n--x--\n" },
	{ "no DSN: an ordinary message", 0, NULL, 0, SENT "\nHello\n" },
	{ "no DSN: feedback", 0, NULL, 0,
	  TOP("multipart/report; report-type=feedback-report; boundary=b")
	  HUMAN "--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n\n"
	  MESSAGE END },
	{ "no DSN: disposition", 0, NULL, 0,
	  TOP("multipart/report; report-type=disposition-notification; boundary=b")
	  HUMAN "--b\nContent-Type: message/disposition-notification\n\n"
	  "Final-Recipient: rfc822; anna@example.net\nDisposition: x; displayed\n" END
	  },
	{ "no DSN: TLS report", 0, NULL, 0,
	  TOP("multipart/report; report-type=tlsrpt; boundary=b")
	  HUMAN "--b\nContent-Type: application/tlsrpt+gzip\n\nxx\n" END },
	{ "no DSN: nothing at all", 0, NULL, 0, "" },
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

static char *room;	/* its end is followed by a page that nobody may read */

static struct deep_str
guarded(const char *text, size_t n)
{
	struct deep_str s = { room + ROOM - n, n };

	memcpy(room + ROOM - n, text, n);
	return s;
}

/* A copy with CRLF for LF; to be freed. */
static char *
with_crlf(const char *text, size_t *n)
{
	char *copy = malloc(2 * strlen(text) + 1), *to = copy;

	for (; *text != '\0'; text++) {
		if (*text == '\n')
			*to++ = '\r';
		*to++ = *text;
	}
	*to = '\0';
	*n = (size_t)(to - copy);
	return copy;
}

static const char *
groups(const struct dsn *dsn)
{
	static char buf[4096];
	size_t i, n = 0;

	buf[0] = '\0';
	for (i = 0; i < dsn->nrcpt && n < sizeof(buf); i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%.*s %.*s %.*s\n",
		    (int)dsn->rcpt[i].final.n, dsn->rcpt[i].final.p,
		    (int)dsn->rcpt[i].action.n, dsn->rcpt[i].action.p,
		    (int)dsn->rcpt[i].status.n, dsn->rcpt[i].status.p);
	return buf;
}

/* Whether the returned header is SENT and nothing behind it. */
static int
is_sent(struct deep_str header)
{
	struct deep_field field;
	int received = 0, id = 0, fields = 0;

	while (header.n > 0) {
		if (deep_field_next(&header, &field, NULL) != DEEP_YES)
			return 0;
		fields++;
		received += deep_is(field.name, "Received");
		id += deep_is(field.name, "Message-ID") &&
		    deep_is(field.value, "<1@example.org>");
	}
	return received == 1 && id == 1 && fields <= 4;
}

static void
check_row(const struct row *row, const char *text, size_t n, const char *ends,
    struct arena *arena)
{
	enum deep_status answer;
	struct dsn dsn;

	arena_reset(arena);
	answer = dsn_read(guarded(text, n), arena, &dsn);
	is_int(answer, row->groups == NULL ? DEEP_NO : DEEP_YES, "%s, %s: answer",
	    row->name, ends);
	is_int(dsn.found, row->found, "%s, %s: found", row->name, ends);
	is(groups(&dsn), row->groups == NULL ? "" : row->groups, "%s, %s: groups",
	    row->name, ends);
	is_int(dsn.inline_header, row->returned == 2, "%s, %s: inline", row->name,
	    ends);
	if (row->returned != 0)
		ok(is_sent(dsn.returned), "%s, %s: returned", row->name, ends);
	else
		ok(dsn.returned.p == NULL, "%s, %s: nothing returned", row->name, ends);
}

/* Every prefix of a row, at the guard page. */
static void
check_prefixes(const struct row *row, const char *text, size_t n, struct arena *arena)
{
	struct dsn dsn;
	size_t i;

	for (i = 0; i <= n; i++) {
		arena_reset(arena);
		dsn_read(guarded(text, i), arena, &dsn);
	}
	ok(1, "%s: all %zu prefixes", row->name, n);
}

/* Each row of markers.in, in a message of its own. */
static void
check_markers(struct arena *arena)
{
	static const struct {
		const char	*begins, *mta, *source;
	} markers[] = {
#define MARKER(begins, mta, source)	{ begins, mta, source },
#include "markers.in"
#undef MARKER
	};
	char text[1024];
	struct dsn dsn;
	size_t i;
	int n;

	for (i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
		n = snprintf(text, sizeof(text), "From: x@example.org\n\nSorry.\n\n"
		    "--- %s\n\n%s\nHello\n", markers[i].begins, SENT);
		arena_reset(arena);
		dsn_read(guarded(text, (size_t)n), arena, &dsn);
		ok(dsn.inline_header && is_sent(dsn.returned), "markers.in: %s (%s)",
		    markers[i].begins, markers[i].mta);
		ok(*markers[i].mta != '\0' && *markers[i].source != '\0',
		    "markers.in: %s: by whom and where from", markers[i].begins);
	}
}

static void
check_fields(struct arena *arena)
{
	static const char text[] = REPORT STATUS
	    "Reporting-MTA: dsn; mx.example.org\nOriginal-Envelope-Id: a+2Bb\n"
	    "Arrival-Date: Mon, 23 Nov\n 2026 09:39:00 +0000 (UTC)\n\n"
	    "Original-Recipient: rfc822;ann@example.net\n"
	    "Final-Recipient: rfc822;\n  anna@example.net\nAction: failed\n"
	    "Status: 4.7.10\n"
	    "Remote-MTA: dns; in.example.net\nDiagnostic-Code: smtp; 421 4.7.10\n"
	    "\tno TLS\n"
	    "SMTP-Security-Latch: tls10 tls11\n tls12\nSMTP-Security-Latch: pfs\n\n"
	    "Final-Recipient: bert@example.net\nRemote-MTA: 192.0.2.1\n" END;
	struct dsn dsn;

	arena_reset(arena);
	is_int(dsn_read(guarded(text, sizeof(text) - 1), arena, &dsn), DEEP_YES,
	    "fields");
	is_str(dsn.reporting_mta, "mx.example.org", "reporting-mta");
	is_str(dsn.envelope_id, "a+2Bb", "X-13: the envelope id is not decoded again");
	is_str(dsn.arrival_date, "Mon, 23 Nov 2026 09:39:00 +0000 (UTC)",
	    "arrival-date");
	is_str(dsn.boundary_hint, "b", "boundary");
	if (!ok(dsn.nrcpt == 2, "two groups"))
		return;
	is_str(dsn.rcpt[0].original, "ann@example.net", "original-recipient");
	is_str(dsn.rcpt[0].final, "anna@example.net", "final-recipient");
	is_str(dsn.rcpt[0].status, "4.7.10", "status");
	is_str(dsn.rcpt[0].remote_mta, "in.example.net", "remote-mta");
	is_str(dsn.rcpt[0].diagnostic, "smtp; 421 4.7.10\tno TLS", "diagnostic-code");
	is_str(dsn.rcpt[0].latches, "tls10 tls11 tls12 pfs", "latches of both fields");
	is_str(dsn.rcpt[1].remote_mta, "192.0.2.1", "remote-mta without a type");
	is_str(dsn.rcpt[1].latches, NULL, "no latches");
}

static void
check_many(struct arena *arena, size_t n, size_t kept, int limited)
{
	char *text = malloc(ROOM);
	struct dsn dsn;
	size_t i, at;

	at = (size_t)snprintf(text, ROOM, "%s", REPORT STATUS PER_MESSAGE);
	for (i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, ROOM - at, "Final-Recipient: rfc822; "
		    "r%zu@example.net\nAction: relayed\nStatus: 2.0.0\n\n", i);
	at += (size_t)snprintf(text + at, ROOM - at, "%s", HEADERS END);
	arena_reset(arena);
	is_int(dsn_read(guarded(text, at), arena, &dsn), DEEP_YES, "%zu groups", n);
	is_int(dsn.nrcpt, kept, "%zu groups: kept", n);
	is_int(dsn.limited, limited, "%zu groups: limited", n);
	ok(is_sent(dsn.returned), "%zu groups: returned", n);
	free(text);
}

/* A returned header of n octets. */
static void
check_header(struct arena *arena, size_t n, int limited)
{
	static const char front[] = REPORT STATUS PER_MESSAGE ANNA "\n"
	    "--b\nContent-Type: text/rfc822-headers\n\n";
	char *text = malloc(ROOM);
	struct dsn dsn;
	size_t at = sizeof(front) - 1, i;

	memcpy(text, front, at);
	for (i = 0; i < n; i++)
		text[at + i] = "Received: by mx.example.org; no date\n"[i % 37];
	memcpy(text + at + n - 1, "\n\nbody" END, sizeof("\n\nbody" END) - 1);
	arena_reset(arena);
	dsn_read(guarded(text, at + n + sizeof("\nbody" END) - 1), arena, &dsn);
	is_int(dsn.returned.n, limited ? HEADER_MAX : n, "a header of %zu octets", n);
	is_int(dsn.limited, limited, "a header of %zu octets: limited", n);
	free(text);
}

/*
 * A message which is made of one line again and again.  What is quadratic takes hours
 * for it, so that a limit far above what a sanitized build takes on a busy machine
 * (of the processor's time, not of the clock's) tells the two apart.
 */
static void
check_hostile(struct arena *arena, const char *name, const char *head, const char *line)
{
	size_t n = strlen(line), size = MESSAGE_MAX, at = strlen(head);
	char *text = malloc(size + n);
	struct deep_str message = { text, size };
	struct dsn dsn;
	double seconds;
	clock_t before;

	memcpy(text, head, at);
	for (; at < size; at += n)
		memcpy(text + at, line, n);
	arena_reset(arena);
	before = clock();
	dsn_read(message, arena, &dsn);
	seconds = (double)(clock() - before) / CLOCKS_PER_SEC;
	ok(seconds < 30, "64 MiB of %s: not quadratic", name);
	diag("64 MiB of %s: %.3f s", name, seconds);
	free(text);
}

int
main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i, n;
	struct arena *arena = arena_new();
	char *crlf;

	room = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED || mprotect(room + ROOM, page, PROT_NONE) != 0)
		plan_skip_all("no guard page");

	for (i = 0; i < NROW; i++) {
		check_row(&rows[i], rows[i].text, strlen(rows[i].text), "LF", arena);
		crlf = with_crlf(rows[i].text, &n);
		check_row(&rows[i], crlf, n, "CRLF", arena);
		check_prefixes(&rows[i], crlf, n, arena);
		free(crlf);
	}
	check_markers(arena);
	check_fields(arena);
	check_many(arena, 26, 26, 0);
	check_many(arena, RECIPIENT_MAX, RECIPIENT_MAX, 0);
	check_many(arena, RECIPIENT_MAX + 1, RECIPIENT_MAX, 1);
	check_header(arena, HEADER_MAX, 0);
	check_header(arena, HEADER_MAX + 1, 1);
	check_hostile(arena, "empty lines in a status part", REPORT STATUS, "\n");
	check_hostile(arena, "actions", REPORT STATUS, "Action: failed\nStatus: 5\n");
	check_hostile(arena, "original recipients", REPORT STATUS ANNA,
	    "Original-Recipient: rfc822; a@example.net\n");
	check_hostile(arena, "markers", REPORT HUMAN,
	    "Message headers follow. Received:\n");
	check_hostile(arena, "boundaries", REPORT, "--b\n");
	check_hostile(arena, "boundaries that are none", REPORT, "\n--bb");
	check_hostile(arena, "messages", REPORT, "--b\nContent-Type: message/rfc822\n"
	    "\n");
	check_hostile(arena, "multiparts", REPORT,
	    "--b\nContent-Type: multipart/mixed; boundary=b\n\n");
	check_hostile(arena, "latches", REPORT STATUS ANNA,
	    "SMTP-Security-Latch: tls10\n");
	arena_free(arena);
	return done_testing();
}
