/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * filter.c - tests of modules/opensmtpd/filter.c and lines.c, with what smtpd
 * 6.8 and 7.x say: what is asked of the store, and what smtpd is told.  D3.1-8,
 * D3.3-8, D3.3-9, D5.5-1, D5.5-2.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modules/opensmtpd/osmtpd.h"
#include "tap.h"

#define IN	"smtp-in"
#define OUT	"smtp-out"
#define SID	"5897442e47505513"
#define TOKEN	"00000000000000aa"

static struct text	 said, asked;
static struct filter	*filter;
static struct intake	 intake;
static int		 deaf;		/* the store cannot be asked */
static uint32_t		 number;	/* of the last request */

static void
out(void *context, const char *p, size_t n)
{
	(void)context;
	text_add(&said, p, n);
}

/* "learn relay u@a.test TLSv1.3:... mx 10.0.0.1|" */
static int
ask(void *context, const struct request *ask)
{
	static const char *const names[] = {
		"learn", "held", "free", "failed", "why", "inbound", "domain", "place", "places"
	};
	char	line[2048];
	size_t	n, i;

	(void)context;
	if (deaf)
		return -1;
	number = ask->number;
	n = (size_t)snprintf(line, sizeof(line), "%s", names[ask->kind]);
	if (ask->kind == ASK_LEARN)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s",
		    deep_service_name(ask->service));
	if (ask->kind == ASK_HELD)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %x", (unsigned)ask->latches);
	if (ask->kind == ASK_WHY)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %u%s", ask->number & 0xffff,
		    ask->noted ? " noted" : "");
	for (i = 0; i < REQUEST_TEXTS && ask->text[i] != NULL; i++)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s",
		    ask->text[i][0] != '\0' ? ask->text[i] : "-");
	text_add(&asked, line, n);
	text_add(&asked, "|", 1);
	return 0;
}

static void
take(void *context, struct deep_str line, int first, int last)
{
	(void)context;
	filter_line(filter, line, first, last);
}

static void
give(const char *p, size_t n)
{
	intake_give(&intake, p, n, take, NULL);
}

static void feed(const char *, ...) __attribute__((__format__(__printf__, 1, 2)));

static void
feed(const char *format, ...)
{
	char	line[4096];
	va_list	ap;
	int	n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	give(line, (size_t)n);
}

static void
report(const char *direction, const char *event, const char *rest)
{
	feed("report|0.7|1795416141.486847|%s|%s|" SID "%s%s\n", direction, event,
	    rest[0] != '\0' ? "|" : "", rest);
}

static void
data(const char *line)
{
	feed("filter|0.7|1795416141.486847|smtp-in|data-line|" SID "|" TOKEN "|%s\n", line);
}

static const char *
taken(struct text *text)
{
	text_add(text, "", 1);
	text->n = 0;
	return text->p;
}

static void
start(int dsn, int received, int inbound, const char *version)
{
	struct filter_settings	settings;
	struct filter_calls	calls = { NULL, out, ask };

	memset(&settings, 0, sizeof(settings));
	settings.dsn = dsn;
	settings.received = received;
	settings.relay = settings.learn = 1;
	settings.inbound = inbound;
	settings.dsn_max = 20000;
	settings.patience = 1000;
	filter_free(filter);
	text_free(&intake.text);
	memset(&intake, 0, sizeof(intake));
	filter = filter_new(&settings, &calls);
	deaf = 0;
	feed("config|smtpd-version|%s\nconfig|smtp-session-timeout|300\nconfig|new|thing\n"
	    "config|subsystem|smtp-in\nconfig|subsystem|smtp-out\nconfig|admd|vm\n"
	    "config|ready\n", version);
}

static void
test_start(void)
{
	const char	*s;

	start(1, 1, 2, "7.8.0-portable");
	s = taken(&said);
	ok(strstr(s, "register|report|smtp-out|tx-commit\n") != NULL &&
	    strstr(s, "register|filter|smtp-in|data-line\n") != NULL &&
	    strstr(s, "register|filter|smtp-in|mail-from\n") != NULL, "what it asks for");
	ok(strstr(s, "register|filter|smtp-out") == NULL, "never a phase of smtp-out");
	is(s + strlen(s) - strlen("register|ready\n"), "register|ready\n", "and it ends in ready");
	start(0, 1, 0, "6.8.0p2");
	ok(strstr(taken(&said), "data-line") == NULL, "received is refused on 6.8");
	start(0, 0, 1, "7.6.0");
	s = taken(&said);
	ok(strstr(s, "filter|") == NULL, "who only looks has no phase at all");
	feed("filter|0.7|1.0|smtp-in|no-such-phase|" SID "|" TOKEN "|x\n");
	is(taken(&said), "filter-result|" SID "|" TOKEN "|proceed\n", "an unknown phase goes on");
	feed("filter|0.7|1.0|smtp-in|data-line|" SID "|" TOKEN "|a|b\\c\xff\n");
	is(taken(&said), "filter-dataline|" SID "|" TOKEN "|a|b\\c\xff\n",
	    "a line of an unknown session passes");
	feed("no|such|thing\n\n|\nreport\nreport|0.7\nfilter|0.7|1|smtp-in|data-line|x|y|z\n"
	    "filter|0.7|1|smtp-in|connect|" SID "\nreport|0.7|1|smtp-out|tx-commit|" SID "|1\n");
	is(taken(&said), "", "what is no request gets no answer");
	is(taken(&asked), "", "and asks nothing");
}

static void
connect(const char *address)
{
	char	rest[128];

	snprintf(rest, sizeof(rest), "mx1.a.test|pass|10.53.0.1:47410|%s:25", address);
	report(OUT, "link-connect", rest);
	report(OUT, "protocol-server", "220 mx1.a.test ESMTP");
	report(OUT, "protocol-client", "EHLO relay.test");
}

static void
rcpt(const char *address, const char *reply)
{
	char	line[256];

	snprintf(line, sizeof(line), "RCPT TO:<%s> NOTIFY=FAILURE", address);
	report(OUT, "protocol-client", line);
	report(OUT, "tx-envelope", "2be0d60f|2be0d60f74c76847");
	report(OUT, "protocol-server", reply);
}

static void
mail(void)
{
	report(OUT, "protocol-client", "MAIL FROM:<sender@local.test>");
	report(OUT, "protocol-server", "250 ok");
	report(OUT, "tx-begin", "2be0d60f");
	report(OUT, "tx-mail", "2be0d60f|ok|sender@local.test");
}

static void
dot(const char *reply)
{
	report(OUT, "protocol-client", "DATA");
	report(OUT, "protocol-server", "354 go");
	report(OUT, "tx-data", "2be0d60f|ok");
	report(OUT, "protocol-client", ".");
	report(OUT, "protocol-server", reply);
	report(OUT, reply[0] == '2' ? "tx-commit" : "tx-rollback",
	    reply[0] == '2' ? "2be0d60f|319" : "2be0d60f");
	report(OUT, "tx-reset", "2be0d60f");
}

#define WORDS	"TLSv1.3:TLS_AES_256_GCM_SHA384:256"

static void
test_outgoing(void)
{
	start(1, 0, 0, "7.8.0");
	taken(&said);
	connect("10.53.0.1");
	report(OUT, "link-tls", WORDS);
	mail();
	rcpt("u@a.test", "250 ok");
	is(taken(&asked), "", "D3.1-8: nothing is learnt before the end of data");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "learn relay u@a.test " WORDS " mx1.a.test 10.53.0.1|",
	    "D3.1-8, D5.5-1: then it is, for the recipient's domain");
	mail();
	rcpt("v@a.test", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "learn relay v@a.test " WORDS " mx1.a.test 10.53.0.1|",
	    "a second message of the session");
	mail();
	rcpt("v@a.test", "250 ok");
	dot("554 5.6.0 no");
	is(taken(&asked), "", "D3.1-8: refused at the end of data: nothing");
	report(OUT, "protocol-client", "QUIT");
	report(OUT, "link-disconnect", "");
	is_int(filter_sessions(filter), 0, "a session ends");

	/* 6.8 tells of TLS before the second EHLO, 7.x behind it; all begins anew here */
	connect("10.53.0.5");
	report(OUT, "protocol-client", "STARTTLS");
	report(OUT, "protocol-server", "220 go");
	report(OUT, "link-tls", WORDS);
	connect("10.53.0.5");
	mail();
	rcpt("u@garb.test", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "learn relay u@garb.test - mx1.a.test 10.53.0.5|",
	    "a second link-connect under the same number: clear text is clear text");

	connect("10.53.0.14");
	report(OUT, "link-tls", WORDS);
	mail();
	rcpt("bad@multi.test", "550 5.1.1 no such user");
	report(OUT, "tx-rollback", "2be0d60f");
	report(OUT, "tx-reset", "2be0d60f");
	report(OUT, "tx-rcpt", "2be0d60f|permfail|bad@multi.test");
	rcpt("ok@multi.test", "250 ok");
	rcpt("ok2@multi.test", "250 ok");
	rcpt("defer@multi.test", "451 4.2.0 later");
	report(OUT, "tx-rollback", "2be0d60f");
	report(OUT, "tx-reset", "2be0d60f");
	is(taken(&asked), "free 2be0d60f bad@multi.test - 550 5.1.1 no such user|"
	    "free 2be0d60f defer@multi.test - 451 4.2.0 later|", "refused for other reasons");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "learn relay ok@multi.test " WORDS " mx1.a.test 10.53.0.14|",
	    "D5.5-2: a rollback in the middle of a transaction takes nothing away");

	mail();
	rcpt("x@sm1.test", "250 ok");
	rcpt("y@sm2.test", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "", "two domains in one transaction: a smarthost, nothing is learnt");
	mail();
	rcpt("x@SM1.test", "250 ok");
	rcpt("y@sm1.TEST", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "learn relay x@SM1.test " WORDS " mx1.a.test 10.53.0.14|",
	    "one domain whatever its case");

	connect("127.83.0.1");
	mail();
	rcpt("u1@a.test", "451 4.7.10 security latch of a.test not met by mx1.a.test: missing "
	    "tls12 tls-pfs; to accept that: deeplatch reset a.test");
	is(taken(&asked), "held 84 2be0d60f u1@a.test 4.7.10 451 4.7.10 security latch of a.test "
	    "not met by mx1.a.test: missing tls12 tls-pfs; to accept that: deeplatch reset "
	    "a.test|", "held back by deep-relay, the last recipient, no tx-rcpt");
	rcpt("u2@b.test", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "free 2be0d60f u2@b.test - 250 ok|",
	    "not held back any longer; and what deep-relay delivers it learns itself");
	mail();
	rcpt("u1@a.test", "250 2.1.5 held until the header is known");
	dot("451 4.7.10 security latch of a.test not met by mx1.a.test: missing tls12 tls-pfs; "
	    "to accept that: deeplatch reset a.test (SMTP-Security-Latch: tls12 tls-pfs)");
	is(taken(&asked), "free 2be0d60f u1@a.test - 250 2.1.5 held until the header is known|"
	    "held 84 2be0d60f u1@a.test 4.7.10 451 4.7.10 security latch of a.test not met by "
	    "mx1.a.test: missing tls12 tls-pfs; to accept that: deeplatch reset a.test "
	    "(SMTP-Security-Latch: tls12 tls-pfs)|", "D3.3-5: held back behind its text");
	connect("[::1]");
	mail();
	rcpt("u2@b.test", "250 ok");
	dot("250 2.0.0 accepted");
	is(taken(&asked), "free 2be0d60f u2@b.test - 250 ok|", "on ::1 too");

	connect("10.53.0.8");
	mail();
	rcpt("u1@a.test", "451 4.7.10 security latch of a.test not met by mx1.a.test: missing tls12");
	ok(strncmp(taken(&asked), "free ", 5) == 0, "a stranger's words of a latch are only words");
	rcpt("u1@a.test", "250 ok");
	dot("451 4.7.10 security latch of a.test not met by mx1.a.test: missing tls12");
	is(taken(&asked), "", "behind the text too");

	connect("10.53.0.7");
	report(OUT, "protocol-server", "250 SIZE 0");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "failed mx1.a.test|", "smtpd broke off for the want of TLS");
	connect("10.53.0.7");
	report(OUT, "protocol-server", "250-SIZE 0");
	report(OUT, "protocol-server", "250 STARTTLS");
	report(OUT, "protocol-client", "STARTTLS");
	report(OUT, "protocol-server", "454 4.7.0 TLS not available");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "failed mx1.a.test|", "STARTTLS was refused");
	connect("10.53.0.7");
	report(OUT, "protocol-server", "250 STARTTLS");
	report(OUT, "protocol-client", "STARTTLS");
	report(OUT, "protocol-server", "220 go");
	report(OUT, "link-tls", WORDS);
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "failed mx1.a.test|", "6.8: the certificate was wrong");
	report(OUT, "link-connect", "mx1.a.test|pass|10.53.0.1:47410|10.53.0.7:25");
	report(OUT, "protocol-server", "554 5.3.2 not now");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "", "turned away by the greeting: that is no want of TLS");
	connect("10.53.0.7");
	report(OUT, "protocol-server", "550 5.7.1 not you");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "", "nor is it at EHLO");
	connect("10.53.0.7");
	report(OUT, "link-tls", WORDS);
	report(OUT, "protocol-server", "250 SIZE 0");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "", "nor behind an EHLO over TLS");
	connect("10.53.0.7");
	report(OUT, "protocol-client", "QUIT");
	report(OUT, "link-disconnect", "");
	report(OUT, "link-disconnect", "");
	is(taken(&asked), "", "an idle session's end is no failure, a refused connection none");
	report(OUT, "link-connect", "<unknown>|error|10.53.0.1:1|[fd09::11]:25");
	mail();
	rcpt("u@a.test", "250 ok");
	dot("250 ok");
	is(taken(&asked), "learn relay u@a.test - fd09::11 fd09::11|", "a host without a name");
	is(taken(&said), "", "smtp-out is only looked at: smtpd is told nothing");
}

/* Gives a DSN of tests/seeds/bounce to the filter; what it says before the end. */
static void
give_dsn(const char *name, const char *source)
{
	char	path[128], line[4096], rest[256];
	FILE	*stream;

	snprintf(path, sizeof(path), "tests/seeds/bounce/%s", name);
	snprintf(rest, sizeof(rest), "vm|pass|%s|%s", source, source);
	report(IN, "link-connect", rest);
	report(IN, "tx-begin", "b5649f5d");
	report(IN, "tx-mail", "b5649f5d|ok|");
	if ((stream = fopen(path, "r")) == NULL)
		return;
	while (fgets(line, sizeof(line), stream) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		data(line);
	}
	fclose(stream);
}

/* The lines of data in what was said, without what is in front of them. */
static const char *
lines(void)
{
	static const char	prefix[] = "filter-dataline|" SID "|" TOKEN "|";
	static char		all[65536];
	const char		*p = taken(&said);
	size_t			 n = 0;

	while (strncmp(p, prefix, strlen(prefix)) == 0) {
		p += strlen(prefix);
		do
			all[n++] = *p;
		while (*p++ != '\n' && n < sizeof(all) - 1);
	}
	all[n] = '\0';
	return *p == '\0' ? all : "a line that is no line of data";
}

static int
is_as_it_was(const char *name)
{
	static char	 file[65536];
	char		 path[128];
	FILE		*stream;
	size_t		 n;

	snprintf(path, sizeof(path), "tests/seeds/bounce/%s", name);
	if ((stream = fopen(path, "r")) == NULL)
		return 0;
	n = fread(file, 1, sizeof(file) - 1, stream);
	file[n] = '\0';
	fclose(stream);
	return strcmp(lines(), file) == 0;
}

#define LOCAL	"unix:/var/run/smtpd.sock"

static void
test_dsn(void)
{
	struct answer	 answer;
	const char	*s;
	char		*big;
	int		 i, j;

	start(1, 0, 0, "7.8.0");
	taken(&said);
	give_dsn("delayed", LOCAL);
	is(taken(&asked), "why 0 noted 2be0d60f u1@a.test|why 1 2be0d60f u2@b.test|",
	    "the store is asked: for a note, and of the network error");
	is(taken(&said), "", "and the DSN waits");
	memset(&answer, 0, sizeof(answer));
	answer.kind = ASK_WHY;
	answer.session = 0x5897442e47505513;
	answer.number = number;			/* of the second */
	answer.verdict = DEEP_NO;
	answer.text[0] = answer.text[1] = "";
	filter_answer(filter, &answer);
	is(taken(&said), "", "for all answers");
	answer.number = number - 1;
	answer.verdict = DEEP_YES;
	answer.latches = DEEP_LATCH_TLS12 | DEEP_LATCH_PFS;
	answer.text[0] = "5.7.10";
	answer.text[1] = "451 5.7.10 security latch of a.test not met by mx1.a.test: missing tls12 "
	    "tls-pfs; to accept that: deeplatch reset a.test";
	filter_answer(filter, &answer);
	s = lines();
	ok(strstr(s, "\nFinal-Recipient: rfc822; u1@a.test\nAction: delayed\nStatus: 4.7.10\n"
	    "Diagnostic-Code: smtp; 451 5.7.10 security latch of a.test not met by\n") != NULL &&
	    strstr(s, "\nSMTP-Security-Latch: tls12 tls-pfs\n\nFinal-Recipient: rfc822; "
	    "u2@b.test\nAction: delayed\nStatus: 4.0.0\n\n") != NULL,
	    "D3.3-8, D3.3-9: what deep-relay said of the one; the other as it was");
	is(s + strlen(s) - 3, "\n.\n", "to its end");
	ok(strstr(s, "\n--566542978682830218/relay.example.org--\n.\n") != NULL, "all of it");

	give_dsn("expired", LOCAL);
	is(taken(&asked), "why 0 noted 2be0d60f u1@a.test|", "who has expired is asked for");
	answer.latches = DEEP_LATCH_TLS12;
	answer.text[0] = "4.7.10";
	answer.text[1] = "451 4.7.10 security latch of a.test not met";
	answer.number = number;
	filter_answer(filter, &answer);
	s = lines();
	ok(strstr(s, "u1@a.test\nAction: failed\nStatus: 4.7.10\nDiagnostic-Code: smtp; 451 4.7.10 "
	    "security latch of a.test not met\nSMTP-Security-Latch: tls12\n") != NULL &&
	    strstr(s, "u2@b.test\nAction: failed\nStatus: 5.0.0\n\n") != NULL, "the note's words");

	give_dsn("network", LOCAL);
	answer.text[1] = "4.7.10 security latch of b.test not met by mx.b.test: missing tls12";
	answer.number = number;
	filter_answer(filter, &answer);
	ok(strstr(lines(), "Diagnostic-Code: X-DEEP; 4.7.10 security latch of b.test") != NULL,
	    "native: our own words are no reply of SMTP");
	taken(&asked);

	give_dsn("expired-6.8", LOCAL);
	answer.verdict = DEEP_FAIL;
	answer.number = number;
	filter_answer(filter, &answer);
	ok(strstr(lines(), "\nSubject: Delivery status notification: failed\n") != NULL,
	    "6.8's mislabelled end is set right, store or no store");
	taken(&asked);

	give_dsn("expired", LOCAL);
	filter_late(filter, now_ms() + 10000);
	ok(is_as_it_was("expired"), "the store does not answer: as smtpd made it");
	taken(&asked);
	answer.number = number;
	filter_answer(filter, &answer);
	is(taken(&said), "", "a late answer is nobody's");
	give_dsn("expired", LOCAL);
	taken(&asked);
	answer.verdict = DEEP_YES;
	filter_answer(filter, &answer);
	is(taken(&said), "", "not that of the next DSN of the session either");
	answer.verdict = DEEP_NO;
	answer.number = number;
	filter_answer(filter, &answer);
	ok(is_as_it_was("expired"), "which gets its own");
	deaf = 1;
	give_dsn("expired", LOCAL);
	ok(is_as_it_was("expired"), "the store cannot be asked: as smtpd made it, at once");
	deaf = 0;

	give_dsn("relayed", LOCAL);
	ok(is_as_it_was("relayed"), "nothing to be changed: every octet as it was");
	give_dsn("report", LOCAL);
	ok(is_as_it_was("report"), "another's DSN: every octet as it was");
	give_dsn("expired", "192.0.2.1:25");
	ok(is_as_it_was("expired"), "from the network: every octet as it was");
	is(taken(&asked), "", "and nothing is asked");

	/* a session that goes away while its DSN waits */
	give_dsn("expired", LOCAL);
	report(IN, "tx-reset", "b5649f5d");
	filter_late(filter, now_ms() + 10000);
	is(taken(&said), "", "after a reset no line goes out");
	give_dsn("expired", LOCAL);
	report(IN, "link-disconnect", "");
	filter_late(filter, now_ms() + 10000);
	is(taken(&said), "", "after the end of the session neither");
	taken(&asked);

	/* more than is held */
	report(IN, "link-connect", "vm|pass|" LOCAL "|" LOCAL);
	report(IN, "tx-begin", "b5649f5d");
	report(IN, "tx-mail", "b5649f5d|ok|");
	big = malloc(30001);
	if (big == NULL)
		return;
	memset(big, 'x', 3000);
	big[3000] = '\0';
	data("Subject: Delivery status notification: failed");
	data(big);
	is(taken(&said), "", "a header is held");
	for (i = 0; i < 8; i++)
		data(big);
	cmp_ok(said.n, >, 8 * 3000, "until it is more than is held");
	taken(&said);
	free(big);
	report(IN, "link-disconnect", "");
	is_int(filter_sessions(filter), 0, "no session is left");

	/* many short lines: each gets its prefix when it goes out */
	give_dsn("expired", LOCAL);
	for (i = 0; i < 400000 && said.n == 0; i++)
		data("");
	cmp_ok(said.n, >, 0, "a DSN of short lines is not held for ever");
	cmp_ok(said.n, <, 2 * OSMTPD_HOLD_MORE, "and is no more when it goes out");
	taken(&said);
	taken(&asked);
	report(IN, "link-disconnect", "");
	for (i = 1; i <= 5000 && said.n == 0; i++) {
		feed("report|0.7|1|smtp-in|link-connect|%016x|vm|pass|" LOCAL "|" LOCAL "\n"
		    "report|0.7|1|smtp-in|tx-begin|%016x|b5649f5d\n"
		    "report|0.7|1|smtp-in|tx-mail|%016x|b5649f5d|ok|\n", i, i, i);
		for (j = 0; j < 9; j++)
			feed("filter|0.7|1|smtp-in|data-line|%016x|" TOKEN "|X: %02000d\n", i, j);
	}
	cmp_ok(i, <, 4000, "all that is held at a time has a bound: it was %d DSNs", i);
	cmp_ok(i, >, 3000, "of 64 MiB");
	for (j = 1; j <= i; j++)
		feed("report|0.7|1|smtp-in|link-disconnect|%016x\n", j);
	taken(&said);
	give_dsn("relayed", LOCAL);
	ok(is_as_it_was("relayed"), "and what has gone is free again");
	report(IN, "link-disconnect", "");
	for (i = 1; i <= 5000 && said.n == 0; i++) {
		feed("report|0.7|1|smtp-in|link-connect|%016x|vm|pass|" LOCAL "|" LOCAL "\n"
		    "report|0.7|1|smtp-in|tx-begin|%016x|b5649f5d\n"
		    "report|0.7|1|smtp-in|tx-mail|%016x|b5649f5d|ok|\n", i, i, i);
		for (j = 0; j < 9; j++)
			feed("filter|0.7|1|smtp-in|data-line|%016x|" TOKEN "|X: %02000d\n", i, j);
	}
	cmp_ok(i, >, 3000, "all of it");
	taken(&said);
}

static void
test_inbound(void)
{
	struct answer	answer;

	start(0, 0, 2, "7.8.0");
	taken(&said);
	report(IN, "link-connect", "mx.c.test|pass|10.53.0.9:1234|10.53.0.1:25");
	feed("filter|0.7|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	is(taken(&asked), "inbound mx.c.test -|", "reject: the store is asked at MAIL");
	is(taken(&said), "", "which waits");
	memset(&answer, 0, sizeof(answer));
	answer.kind = ASK_INBOUND;
	answer.session = 0x5897442e47505513;
	answer.verdict = DEEP_NO;
	answer.text[0] = answer.text[1] = "";
	answer.number = number;
	filter_answer(filter, &answer);
	is(taken(&said), "filter-result|" SID "|" TOKEN "|reject|451 4.7.10 TLS is required of "
	    "this host, as it used it before\n", "and is refused for now, without the latches");
	answer.number = number;
	filter_answer(filter, &answer);
	is(taken(&said), "", "once");
	report(IN, "link-tls", WORDS);
	feed("filter|0.7|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	answer.verdict = DEEP_YES;
	answer.number = number;
	filter_answer(filter, &answer);
	is(taken(&said), "filter-result|" SID "|" TOKEN "|proceed\n", "TLS as before");
	report(IN, "tx-mail", "b5649f5d|ok|a@c.test");
	report(IN, "tx-commit", "b5649f5d|12");
	is(taken(&asked), "inbound mx.c.test " WORDS "|learn inbound mx.c.test " WORDS
	    " mx.c.test 10.53.0.9|", "learnt when the message is in");
	feed("filter|0.7|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	filter_late(filter, now_ms() + 10000);
	is(taken(&said), "filter-result|" SID "|" TOKEN "|reject|451 4.3.0 Try again later\n",
	    "no answer: later");
	taken(&asked);
	report(IN, "link-auth", "pass|alice");
	feed("filter|0.7|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	is(taken(&said), "filter-result|" SID "|" TOKEN "|proceed\n", "a user of ours: no matter");
	report(IN, "link-connect", "mx.c.test|fail|10.53.0.9:1234|10.53.0.1:25");
	feed("filter|0.7|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	is(taken(&said), "filter-result|" SID "|" TOKEN "|proceed\n", "a name that is not proved");
	report(IN, "link-connect", "mx.c.test|pass|10.53.0.9:1234|10.53.0.1:25");
	feed("report|0.6|1|smtp-in|link-auth|" SID "|alice|pass\n");
	feed("filter|0.6|1|smtp-in|mail-from|" SID "|" TOKEN "|a@c.test\n");
	is(taken(&said), "filter-result|" SID "|" TOKEN "|proceed\n", "6.8's order of link-auth");
	is(taken(&asked), "", "and nothing is asked");
	start(0, 0, 1, "7.8.0");
	taken(&said);
	report(IN, "link-connect", "mx.c.test|pass|10.53.0.9:1234|10.53.0.1:25");
	report(IN, "tx-mail", "b5649f5d|ok|a@c.test");
	is(taken(&asked), "inbound mx.c.test -|", "observe: the store is told");
	is(taken(&said), "", "and smtpd nothing");
}

static void
test_received(void)
{
	start(1, 1, 0, "7.6.0");
	taken(&said);
	report(IN, "link-connect", "client.test|pass|10.53.0.9:1234|10.53.0.1:25");
	report(IN, "link-tls", WORDS);
	report(IN, "tx-begin", "4ef05b3a");
	report(IN, "tx-mail", "4ef05b3a|ok|a@c.test");
	data("Received: from client.test (client.test [10.53.0.9])");
	data("\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a (TLSv1.3:"
	    "TLS_AES_256_GCM_SHA384:256:NO);");
	data("\tMon, 23 Nov 2026 05:57:40 +0000 (UTC)");
	data("");
	data("..");
	data(".");
	is(lines(), "Received: from client.test (client.test [10.53.0.9])\n"
	    "\tby relay.test (OpenSMTPD) with ESMTPS id 4ef05b3a (TLSv1.3:"
	    "TLS_AES_256_GCM_SHA384:256:NO)\n\ttls TLS_AES_256_GCM_SHA384;\n"
	    "\tMon, 23 Nov 2026 05:57:40 +0000 (UTC)\n\n..\n.\n",
	    "D4-2, D5.2-9: the clause, in a line of its own");
}

/* A line that is longer than any that is held, in pieces, with NUL and all in it. */
static void
test_long(void)
{
	static const char	prefix[] = "filter|0.7|1|smtp-in|data-line|" SID "|" TOKEN "|";
	size_t			size = 3 * OSMTPD_LINE_MAX + 17, i, before;
	char			*line = malloc(size + 1);

	if (line == NULL)
		return;
	for (i = 0; i < size; i++)
		line[i] = (char)(i % 251 == '\n' ? 'n' : i % 251);
	line[size] = '\n';
	start(1, 1, 0, "7.6.0");
	taken(&said);
	give(prefix, strlen(prefix));
	for (i = 0; i < size + 1; i += 50000)
		give(line + i, size + 1 - i < 50000 ? size + 1 - i : 50000);
	before = strlen("filter-dataline|" SID "|" TOKEN "|");
	ok(said.n == before + size + 1 && memcmp(said.p + before, line, size + 1) == 0,
	    "a line of %zu octets passes", size);
	cmp_ok(intake.text.room, <=, 2 * OSMTPD_LINE_MAX, "held in parts");
	said.n = 0;
	give("report|0.7|1|smtp-in|", 21);
	give(line, size + 1);
	is(taken(&said), "", "a report of that length is passed over");
	data("x");
	is(lines(), "x\n", "and the line behind it is read");
	free(line);
}

static void
test_bounds(void)
{
	int	i;

	start(0, 0, 1, "7.8.0");
	for (i = 0; i < OSMTPD_SESSIONS + 10; i++)
		feed("report|0.7|1|smtp-out|link-connect|%016x|mx|pass|10.0.0.1:1|10.0.0.2:25\n",
		    i + 1);
	is_int(filter_sessions(filter), OSMTPD_SESSIONS, "sessions are bounded");
	taken(&said);
	taken(&asked);
}

int
main(void)
{
	test_start();
	test_outgoing();
	test_dsn();
	test_inbound();
	test_received();
	test_long();
	test_bounds();
	filter_free(filter);
	text_free(&said);
	text_free(&asked);
	text_free(&intake.text);
	return done_testing();
}
