/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * smtp.c - tests of what deep-relay has that needs no network: commands, paths,
 * parameters, replies, message text, our Received field, what a header says of
 * TLS, records of the DNS, addresses to listen on, the "relayed" report.
 */
#include <sys/socket.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modules/relay/relay.h"
#include "tap.h"

static struct deep_str
bytes(const char *p, size_t n)
{
	struct deep_str	text = { p, n };

	return text;
}

static void
verbs(void)
{
	struct deep_str	rest;

	is_int(smtp_verb(deep_str("mail FROM:<>"), &rest), SMTP_MAIL, "a verb, whatever its case");
	is_str(rest, "FROM:<>", "what stands behind it");
	is_int(smtp_verb(deep_str("QUIT  "), &rest), SMTP_QUIT, "blanks behind it");
	is_str(rest, "", "nothing is left");
	is_int(smtp_verb(deep_str("QUITE"), &rest), SMTP_UNKNOWN, "no verb");
	is_int(smtp_verb(deep_str(""), &rest), SMTP_UNKNOWN, "an empty line");
}

static const struct {
	const char		*line;
	enum deep_status	 answer;
	const char		*address, *domain;
	int			 literal;
} paths[] = {
	{ "TO:<u@example.org>", DEEP_YES, "u@example.org", "example.org", 0 },
	{ "to: <u@example.org> NOTIFY=NEVER", DEEP_YES, "u@example.org", "example.org", 0 },
	{ "TO:<@a.org,@b.org:u@example.org>", DEEP_YES, "u@example.org", "example.org", 0 },
	{ "TO:<\"a b@c>\"@example.org>", DEEP_YES, "\"a b@c>\"@example.org", "example.org", 0 },
	{ "TO:<\"a\\\"b\"@example.org>", DEEP_YES, "\"a\\\"b\"@example.org", "example.org", 0 },
	{ "TO:<u@[192.0.2.1]>", DEEP_YES, "u@[192.0.2.1]", "[192.0.2.1]", 1 },
	{ "TO:<u@[IPv6:2001:db8::1]>", DEEP_YES, "u@[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]", 1 },
	{ "TO:<postmaster>", DEEP_YES, "postmaster", NULL, 0 },
	{ "TO:<>", DEEP_YES, "", NULL, 0 },
	{ "TO:<\xc3\xa4@example.org>", DEEP_YES, "\xc3\xa4@example.org", "example.org", 0 },
	{ "TO:u@example.org", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u@example.org", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u@example.org>x", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u v@example.org>", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u@\x01>", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<@example.org>", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u@>", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<\"u@example.org>", DEEP_BAD, NULL, NULL, 0 },
	{ "TO:<u@[1.2>", DEEP_BAD, NULL, NULL, 0 },
	{ "FROM:<u@example.org>", DEEP_BAD, NULL, NULL, 0 }
};

static void
read_paths(void)
{
	struct smtp_path	path;
	struct deep_str		rest;
	char			*line;
	size_t			 i, n;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		rest = deep_str(paths[i].line);
		is_int(smtp_path_next(&rest, "TO", &path), paths[i].answer, "path %s",
		    paths[i].line);
		if (paths[i].answer != DEEP_YES)
			continue;
		is_str(path.address, paths[i].address, "its address");
		is_str(path.domain, paths[i].domain, "its domain");
		is_int(path.literal, paths[i].literal, "a literal or not");
	}
	for (n = PATH_MAX_OCTETS; n <= PATH_MAX_OCTETS + 1; n++) {
		line = malloc(n + 8);
		memcpy(line, "TO:<", 4);
		memset(line + 4, 'x', n);
		memcpy(line + 4 + n, ">", 2);
		rest = deep_str(line);
		is_int(smtp_path_next(&rest, "TO", &path),
		    n <= PATH_MAX_OCTETS ? DEEP_YES : DEEP_LIMIT, "a path of %zu octets", n);
		free(line);
	}
}

static void
parameters(void)
{
	struct deep_str	rest = deep_str(" SIZE=10  SMTPUTF8 BODY="), name, value;

	is_int(smtp_parameter_next(&rest, &name, &value), DEEP_YES, "a parameter");
	is_str(name, "SIZE", "its name");
	is_str(value, "10", "its value");
	is_int(smtp_parameter_next(&rest, &name, &value), DEEP_YES, "one without a value");
	is_str(name, "SMTPUTF8", "its name");
	is_str(value, NULL, "no value");
	is_int(smtp_parameter_next(&rest, &name, &value), DEEP_BAD, "an empty value");
	is_int(smtp_parameter_next(&rest, &name, &value), DEEP_NO, "the end");
	ok(smtp_is_xtext(deep_str("a+2Bb")) && !smtp_is_xtext(deep_str("a+2b")) &&
	    !smtp_is_xtext(deep_str("a=b")) && !smtp_is_xtext(deep_str("a+2")) &&
	    !smtp_is_xtext(deep_str("")), "RFC 3461 4: xtext");
	is_int(smtp_notify(deep_str("SUCCESS,delay")), SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY,
	    "RFC 3461 4.1: NOTIFY");
	is_int(smtp_notify(deep_str("NEVER")), SMTP_NOTIFY_NEVER, "NEVER");
	ok(smtp_notify(deep_str("NEVER,SUCCESS")) == 0 && smtp_notify(deep_str("")) == 0 &&
	    smtp_notify(deep_str("SUCCESS,")) == 0 && smtp_notify(deep_str("FOO")) == 0,
	    "and what is none");
}

static void
replies(void)
{
	struct smtp_reply	reply;
	struct deep_str		rest, name;
	char			out[512], *flood;
	size_t			n;

	rest = deep_str("250-one\r\n250 2.1.0 two\r\n220 next\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_YES, "a reply of two lines");
	is_int(reply.code, 250, "its code");
	is_int(reply.lines, 2, "its lines");
	is_str(reply.status, NULL, "no status in its first line");
	is_str(rest, "220 next\r\n", "the rest");
	is_int(smtp_reply_emit(out, sizeof(out), &reply, NULL), 24, "emitted");
	is(out, "250-one\r\n250 2.1.0 two\r\n", "as it was");
	smtp_reply_emit(out, sizeof(out), &reply, "2.0.0");
	is(out, "250-2.0.0 one\r\n250 2.1.0 two\r\n", "RFC 2034: with a status where it had none");
	rest = deep_str("451 4.7.10 x\x1b[31m\x80\ty\r\n");
	smtp_reply_next(&rest, &reply);
	is_str(reply.status, "4.7.10", "its status");
	smtp_reply_emit(out, sizeof(out), &reply, NULL);
	is(out, "451 4.7.10 x?[31m? y\r\n", "controls are not passed on");
	rest = deep_str("250 ok\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_YES, "LF alone is read");
	smtp_reply_emit(out, sizeof(out), &reply, NULL);
	is(out, "250 ok\r\n", "and CRLF is written");
	rest = deep_str("250");
	is_int(smtp_reply_next(&rest, &reply), DEEP_NO, "not yet a line");
	rest = deep_str("250-x\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_NO, "not yet a reply");
	rest = deep_str("2x0 ok\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_BAD, "no code");
	rest = deep_str("250-x\r\n251 y\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_BAD, "two codes");
	rest = deep_str("199 x\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_BAD, "a code below 200");
	rest = deep_str("250_x\r\n");
	is_int(smtp_reply_next(&rest, &reply), DEEP_BAD, "no blank behind the code");
	flood = malloc(REPLY_MAX + 2);
	memset(flood, 'x', REPLY_MAX + 2);
	memcpy(flood, "250 ", 4);
	rest = bytes(flood, REPLY_MAX + 1);
	is_int(smtp_reply_next(&rest, &reply), DEEP_LIMIT, "longer than REPLY_MAX");
	memcpy(flood + REPLY_MAX - 2, "\r\n", 2);
	rest = bytes(flood, REPLY_MAX);
	is_int(smtp_reply_next(&rest, &reply), DEEP_YES, "as long as REPLY_MAX");
	n = (size_t)smtp_reply_emit(NULL, 0, &reply, NULL);
	is_int(n, REPLY_LINE_MAX + 2, "RFC 5321 4.5.3.1.5: a line is cut");
	free(flood);
	rest = deep_str("250-mx.example.org hello\r\n250-SIZE 100\r\n250-dsn\r\n250 X-FOO\r\n");
	smtp_reply_next(&rest, &reply);
	is_int(smtp_offers(&reply, &name), SMTP_HAS_ESMTP | SMTP_HAS_SIZE | SMTP_HAS_DSN, "EHLO");
	is_str(name, "mx.example.org", "who says so");
}

/* Input of DATA; what is written; what is left behind the end (NULL: no end). */
static const struct {
	const char	*in, *out, *left;
	int		 fixed;
} texts[] = {
	{ "a\r\n.\r\n", "a\r\n", "", 0 },
	{ ".\r\nNOOP\r\n", "", "NOOP\r\n", 0 },
	{ "..\r\n.\r\n", "..\r\n", "", 0 },
	{ ".a\r\n.\r\n", ".a\r\n", "", 0 },
	{ "a\nb\r\n.\r\n", "a\r\nb\r\n", "", 1 },
	{ "a\n.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "", 1 },
	{ "a\r\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "", 1 },
	{ "a\r\n.\rb\r\n.\r\n", "a\r\n..\r\nb\r\n", "", 1 },
	{ "a\r.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n", "", 1 },
	{ "a\r\r\n.\r\n", "a\r\n\r\n", "", 1 },
	{ "a\n\n.\n\r\n.\r\n", "a\r\n\r\n..\r\n\r\n", "", 1 },
	{ "\n.\r\n.\r\n", "\r\n..\r\n", "", 1 },
	{ "\r\n.\r\n", "\r\n", "", 0 },
	{ "a", "a", NULL, 0 },
	{ "a\r", "a", NULL, 0 },
	{ "a\r\n.", "a\r\n", NULL, 0 },
	{ "a\r\n.\r", "a\r\n", NULL, 0 },
	{ "", "", NULL, 0 }
};

static void
message_texts(void)
{
	struct smtp_text	text;
	struct deep_str		in;
	char			out[256], end[8];
	size_t			i, step, n, taken, all;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		for (step = 1; step < 8; step++) {
			memset(&text, 0, sizeof(text));
			in = deep_str(texts[i].in);
			all = 0;
			while (in.n > 0 && !text.ended) {
				taken = smtp_text(&text, bytes(in.p, in.n < step ? in.n : step),
				    out + all, &n);
				all += n;
				in.p += taken;
				in.n -= taken;
			}
			out[all] = '\0';
			if (strcmp(out, texts[i].out) != 0 || text.ended != (texts[i].left != NULL) ||
			    (text.ended && strncmp(in.p, texts[i].left, in.n) != 0) ||
			    text.fixed != (unsigned)texts[i].fixed || text.octets != all)
				break;
		}
		ok(step == 8, "text %zu, in pieces of 1 to 7 octets (failed: %zu)", i, step);
	}
	memset(&text, 0, sizeof(text));
	text.plain = 1;
	smtp_text(&text, deep_str(".a\r\n.\r\n..\nb\r"), out, &n);
	n += smtp_text_end(&text, out + n);
	out[n] = '\0';
	is(out, "..a\r\n..\r\n...\r\nb\r\n.\r\n", "RFC 3030: what BDAT had, stuffed and ended");
	ok(text.fixed && !text.ended, "its lone CR and LF were mended");
	memset(&text, 0, sizeof(text));
	end[smtp_text_end(&text, end)] = '\0';
	is(end, ".\r\n", "the end of nothing");
}

/*
 * The quick way, pieces that come out as they are, makes of a text what the slow way
 * makes of it; the oddity stands at each place near the ends of what is looked at at once.
 */
static void
same_texts(void)
{
	static const char *const	odd[] = {
		"", "\r", "\n", "\r\n", "\r\n.", "\r\n..", "\n.", "\r.", "\r\r\n", "\r\n.\r\n"
	};
	static char		in[4096], slow[2 * sizeof(in) + 16], quick[2 * sizeof(in) + 16];
	struct smtp_text	one, two;
	struct deep_str		rest;
	size_t			i, at, n, m, taken, moved = 0, wrong = 0, plain;

	for (i = 0; i < 2 * sizeof(odd) / sizeof(odd[0]); i++) {
		plain = i % 2;
		for (at = 0; at < 2200; at += at < 1000 || at > 1060 ? 61 : 1) {
			memset(in, 'x', sizeof(in));
			for (n = 70; n + 2 < sizeof(in); n += 74)
				memcpy(in + n, "\r\n", 2);
			memcpy(in + at, odd[i / 2], strlen(odd[i / 2]));
			memset(&one, 0, sizeof(one));
			one.plain = plain != 0;
			two = one;
			smtp_text(&one, bytes(in, sizeof(in)), slow, &n);
			for (rest = bytes(in, sizeof(in)), m = 0; rest.n > 0 && !two.ended;) {
				if ((taken = smtp_text_same(&two, rest)) > 0) {
					memcpy(quick + m, rest.p, taken);
					m += taken;
					moved += taken;
				} else {
					size_t	more;

					taken = smtp_text(&two, bytes(rest.p, rest.n < 100 ?
					    rest.n : 100), quick + m, &more);
					m += more;
				}
				rest.p += taken;
				rest.n -= taken;
			}
			if (n != m || memcmp(slow, quick, n) != 0 || one.ended != two.ended ||
			    one.octets != two.octets || one.fixed != two.fixed)
				wrong++;
		}
	}
	is_int(wrong, 0, "text that moves in pieces is the text that was mended octet by octet");
	ok(moved > 0, "and pieces did move");
	memset(&one, 0, sizeof(one));
	is_int(smtp_text_same(&one, bytes(in, 2000)), 2000, "a plain text moves whole");
	memset(&one, 0, sizeof(one));
	is_int(smtp_text_same(&one, deep_str(".\r\n")), 0, "never what may be its end");
}

static void
received(void)
{
	struct smtp_trace	trace;
	struct deep_received	parsed;
	struct deep_str		value;
	char			out[1024];
	int			n;

	memset(&trace, 0, sizeof(trace));
	trace.helo = deep_str("mail.example.org");
	trace.peer = deep_str("[127.0.0.1]");
	trace.by = deep_str("relay.example.org");
	trace.id = deep_str("4d3a1f0b9c");
	trace.forwhom = deep_str("u@example.net");
	trace.esmtp = 1;
	trace.suite = deep_str("TLS_AES_128_GCM_SHA256");
	trace.group = deep_str("x25519");
	trace.now = 1795518933;
	n = smtp_received_emit(out, sizeof(out), &trace);
	is(out, "Received: from mail.example.org ([127.0.0.1])\r\n"
	    "\tby relay.example.org with ESMTPS id 4d3a1f0b9c\r\n"
	    "\tfor <u@example.net>\r\n"
	    "\ttls TLS_AES_128_GCM_SHA256 group x25519;\r\n"
	    "\tTue, 24 Nov 2026 11:15:33 +0000\r\n", "D4-2, D4-7: our Received field");
	is_int(n, (int)strlen(out), "its length");
	value = deep_str(out + strlen("Received:"));
	is_int(deep_received_parse(value, &parsed, NULL), DEEP_YES, "it can be read again");
	is_str(parsed.tls.suite, "TLS_AES_128_GCM_SHA256", "its suite");
	is_str(parsed.tls.group, "x25519", "its group");
	is_int(parsed.date.utc, trace.now, "its date");
	trace.suite.n = 0;
	trace.utf8 = 1;
	trace.helo = deep_str("b\xc3\xbc" "cher.example");
	smtp_received_emit(out, sizeof(out), &trace);
	ok(strstr(out, "from b\xc3\xbc" "cher.example (") != NULL &&
	    strstr(out, " with UTF8SMTP id") != NULL && strstr(out, "tls") == NULL,
	    "X-6: SMTPUTF8, and no tls clause without TLS");
	trace.utf8 = trace.esmtp = 0;
	trace.helo = deep_str("x\r\nSubject: y");
	smtp_received_emit(out, sizeof(out), &trace);
	ok(strstr(out, "from [127.0.0.1] (") != NULL && strstr(out, "Subject") == NULL,
	    "a name that is none is left out");
	trace.by = deep_str("");
	is_int(smtp_received_emit(out, sizeof(out), &trace), -1, "without our own name: refused");
	is(out, "", "and nothing is written");
}

static void
headers(void)
{
	is_int(smtp_header_bypass(deep_str("Subject: x\r\nTLS-Required: No\r\n")),
	    DEEP_BYPASS_TLS_REQUIRED_NO, "X-14: TLS-Required: No");
	is_int(smtp_header_bypass(deep_str("tls-required: (c)\r\n no\r\n")),
	    DEEP_BYPASS_TLS_REQUIRED_NO, "folded, with a comment");
	is_int(smtp_header_bypass(deep_str("TLS-Required: Yes\r\nX: No\r\n")), 0, "not \"No\"");
	is_int(smtp_header_bypass(deep_str("TLS-Report-Domain: a\r\nTLS-Report-Submitter: b\r\n")),
	    DEEP_BYPASS_TLSRPT, "X-15: a report of TLS failures");
	is_int(smtp_header_bypass(deep_str("TLS-Report-Domain: a\r\n")), 0, "half of its fields");
	is_int(smtp_header_bypass(deep_str("")), 0, "no header");
	is_int(smtp_header_bypass(deep_str("Subject: x\r\n\r\nTLS-Required: No\r\n")), 0,
	    "only the header counts");
}

static void
records(void)
{
	static const unsigned char	mx[] = "\0\012\003mx1\007Example\003ORG";
	static const unsigned char	null[] = "\0\0\0";
	static const unsigned char	bad[] = "\0\012\003m 1\003org";
	static const unsigned char	tlsa[] = { 3, 1, 1, 0xab, 0xcd };
	struct dns_mx			host;
	struct dns_tlsa			record;

	ok(dns_read_mx(mx, sizeof(mx), &host), "an MX record");
	is_int(host.preference, 10, "its preference");
	is(host.host, "mx1.example.org", "its host, in lower case");
	ok(dns_read_mx(null, 3, &host) && host.host[0] == '\0', "RFC 7505: null MX");
	ok(!dns_read_mx(bad, sizeof(bad), &host), "a name that is none");
	ok(!dns_read_mx(mx, sizeof(mx) - 1, &host) && !dns_read_mx(mx, 2, &host), "cut off");
	ok(dns_read_tlsa(tlsa, sizeof(tlsa), &record) && record.usage == 3 &&
	    record.selector == 1 && record.matching == 1 && record.length == 2 &&
	    record.data[1] == 0xcd, "a TLSA record");
	ok(!dns_read_tlsa(tlsa, 3, &record), "one without data");
}

static void
peers(void)
{
	struct sockaddr_storage	 address;
	const struct sockaddr	*peer;
	struct listener		 listener;
	socklen_t		 n;

	memset(&listener, 0, sizeof(listener));
	memset(&address, 0, sizeof(address));
	peer = (const struct sockaddr *)&address;
	is_int(listen_address("127.0.0.1:25", 1, &address, &n), 0, "an address");
	is_int(ntohs(((struct sockaddr_in *)&address)->sin_port), 25, "its port");
	ok(listen_allowed(&listener, -1, peer, ""), "loopback may speak");
	is_int(listen_address("[::1]", 26, &address, &n), 0, "one of IPv6");
	is_int(ntohs(((struct sockaddr_in6 *)&address)->sin6_port), 26, "the port that was given");
	ok(listen_allowed(&listener, -1, peer, ""), "IPv6's loopback may speak");
	ok(listen_address("127.0.0.1:0", 1, &address, &n) == -1 &&
	    listen_address("127.0.0.1:x", 1, &address, &n) == -1 &&
	    listen_address("localhost", 1, &address, &n) == -1 &&
	    listen_address("[::1", 1, &address, &n) == -1 &&
	    listen_address("", 1, &address, &n) == -1, "what is no address");
	listen_address("192.0.2.77", 1, &address, &n);
	ok(!listen_allowed(&listener, -1, peer, ""), "nobody else may");
	ok(listen_allowed(&listener, -1, peer, "10.0.0.0/8 192.0.2.64/26"), "but who is allowed");
	ok(!listen_allowed(&listener, -1, peer, "192.0.2.0/26, 192.0.2.78 2001:db8::/32 x/8 1/x"),
	    "and nobody beside");
	listen_address("[2001:db8::1]", 1, &address, &n);
	ok(listen_allowed(&listener, -1, peer, "2001:db8::/32") &&
	    !listen_allowed(&listener, -1, peer, "2001:db9::/32"), "IPv6");
}

int
main(void)
{
	verbs();
	read_paths();
	parameters();
	replies();
	message_texts();
	same_texts();
	received();
	headers();
	records();
	peers();
	return done_testing();
}
