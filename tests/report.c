/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * report.c - tests of shared/report.c: what the lines say, that what is read of
 * them is what was written, and that no octet of a foreign name or text ends a line,
 * makes another field or stands in it raw.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deep.h"
#include "tap.h"

#define TLS12	(DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12)

static struct deep_policy	policy;
static struct deep_key		key;

static void
set_key(const char *name, enum deep_service service)
{
	memset(&key, 0, sizeof(key));
	snprintf(key.name, sizeof(key.name), "%s", name);
	key.service = service;
}

static const struct {
	const char	*name;
	enum deep_service service;
	const char	*host;
	deep_latches	 failed;
	const char	*line;		/* NULL: refused */
} refusals[] = {
	{ "example.org", DEEP_RELAY, "mx1.example.org", DEEP_LATCH_TLS12 | DEEP_LATCH_PFS,
	    "4.7.10 security latch of example.org not met by mx1.example.org: missing tls12 tls-pfs; "
	    "to accept that: deeplatch reset example.org" },
	{ "example.org", DEEP_RELAY, "", DEEP_LATCH_CERT,
	    "4.7.10 security latch of example.org not met by any mail exchanger: missing tls-cert; "
	    "to accept that: deeplatch reset example.org" },
	{ "pool", DEEP_SUBMISSION, "[2001:db8::1]", DEEP_LATCH_TLS10,
	    "4.7.10 security latch of pool not met by [2001:db8::1]: missing tls10; "
	    "to accept that: deeplatch reset --all --service submission pool" },
	{ "example.org", DEEP_RELAY, "a b\r\nSubject: x: missing tls10; y\x1b[2J\xc2\x9b", DEEP_LATCH_PFS,
	    "4.7.10 security latch of example.org not met by a\\x20b\\x0d\\x0aSubject:\\x20x:\\x20missing"
	    "\\x20tls10\\x3b\\x20y\\x1b[2J\\xc2\\x9b: missing tls-pfs; to accept that: deeplatch reset "
	    "example.org" },
	{ "example.org", DEEP_RELAY, "mx", 0, NULL },
	{ "example.org", DEEP_RELAY, "mx", 0x100u, NULL },
	{ "", DEEP_RELAY, "mx", DEEP_LATCH_PFS, NULL },
};

static void
test_refusals(void)
{
	struct deep_refusal	refusal;
	char			line[DEEP_REFUSAL_MAX + 1], text[1200];
	size_t			i;
	int			n;

	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		set_key(refusals[i].name, refusals[i].service);
		memset(line, 'x', sizeof(line));
		n = deep_refusal_emit(line, sizeof(line), &policy, &key, deep_str(refusals[i].host),
		    refusals[i].failed);
		is_int(n, refusals[i].line == NULL ? -1 : (int)strlen(refusals[i].line),
		    "D3.3-8: refusal %zu, length", i);
		is(line, refusals[i].line == NULL ? "" : refusals[i].line, "D3.3-8: refusal %zu", i);
		if (refusals[i].line == NULL)
			continue;
		snprintf(text, sizeof(text), "host said: 451 %s\n and more: missing tls-norc4", line);
		is_int(deep_refusal_parse(deep_str(text), &refusal), DEEP_YES, "refusal %zu is found", i);
		is_str(refusal.status, "4.7.10", "refusal %zu: status", i);
		is_str(refusal.name, refusals[i].name, "refusal %zu: name", i);
		is_int(refusal.failed, refusals[i].failed, "refusal %zu: latches", i);
		if (refusals[i].host[0] == '\0')
			is_str(refusal.host, NULL, "refusal %zu: no host", i);
		else if (strchr(refusals[i].host, ' ') == NULL)
			is_str(refusal.host, refusals[i].host, "refusal %zu: host", i);
	}
	is_int(deep_refusal_parse(deep_str(""), &refusal), DEEP_NO, "nothing");
	is_int(deep_refusal_parse(deep_str("550 no such user"), &refusal), DEEP_NO, "another text");
	is_int(deep_refusal_parse(deep_str("4.7.10 security latch of a not met by b"), &refusal),
	    DEEP_BAD, "cut");
	is_int(deep_refusal_parse(deep_str("4.7.10 security latch of a not met by b: missing "),
	    &refusal), DEEP_BAD, "without latches");
	is_int(deep_refusal_parse(deep_str("4.7.10 security latch of a not met by b c: missing tls10"),
	    &refusal), DEEP_BAD, "a host of two words");
	is_int(deep_refusal_parse(deep_str(" security latch of a not met by b: missing tls10"),
	    &refusal), DEEP_BAD, "without a status");
}

/* However long the names are, it fits into a reply, and tells of the latches. */
static void
test_refusal_length(void)
{
	struct deep_refusal	refusal;
	char			line[DEEP_REFUSAL_MAX + 1], host[300];
	size_t			 n, m;
	int			 fits = 1, told = 1, length;
	static const size_t	 lengths[] = { 1, 60, 120, 150, 180, 220, 253 };

	for (n = 0; n < sizeof(lengths) / sizeof(lengths[0]); n++)
		for (m = 0; m < sizeof(lengths) / sizeof(lengths[0]); m++) {
			memset(&key, 0, sizeof(key));
			memset(key.name, 'n', lengths[n]);
			memset(host, 'h', lengths[m]);
			length = deep_refusal_emit(line, sizeof(line), &policy, &key,
			    (struct deep_str){ host, lengths[m] }, DEEP_LATCH_ALL);
			fits &= length > 0 && length <= DEEP_REFUSAL_MAX;
			told &= deep_refusal_parse(deep_str(line), &refusal) == DEEP_YES &&
			    refusal.failed == DEEP_LATCH_ALL && refusal.name.n == lengths[n];
		}
	ok(fits, "a refusal is never longer than DEEP_REFUSAL_MAX");
	ok(told, "and always names the domain and every latch");
	length = deep_refusal_emit(line, 20, &policy, &key, deep_str("mx"), DEEP_LATCH_PFS);
	cmp_ok(length, >, 20, "too small a buffer");
	is(line, "", "is left empty");
	is_int(deep_refusal_emit(NULL, 0, &policy, &key, deep_str("mx"), DEEP_LATCH_PFS), length,
	    "counted without one");
}

/*
 * A reader of events as a program would have it: fields are name=value, a value is up
 * to the next blank, or in quotes.
 */
static int
field(const char *line, const char *name, char *value, size_t size)
{
	char		 wanted[32];
	const char	*p;
	size_t		 n = 0;
	char		 hex[3] = { 0 };
	int		 quoted;

	value[0] = '\0';
	snprintf(wanted, sizeof(wanted), " %s=", name);
	if ((p = strstr(line, wanted)) == NULL)
		return 0;
	p += strlen(wanted);
	quoted = *p == '"';
	for (p += quoted; *p != '\0' && *p != (quoted ? '"' : ' ') && n + 1 < size; p++) {
		if (*p != '\\')
			value[n++] = *p;
		else if (p[1] == 'x') {
			memcpy(hex, p + 2, 2);
			value[n++] = (char)strtol(hex, NULL, 16);
			p += 3;
		} else
			value[n++] = *++p;
	}
	value[n] = '\0';
	return 1;
}

/* Nothing but printable ASCII, one event, and fields in their order. */
static int
is_one_line(const char *line)
{
	const char	*p;

	for (p = line; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return 0;
	return strncmp(line, "deep: event=", 12) == 0 && strstr(line + 1, "deep: event=") == NULL;
}

static void
test_events(void)
{
	static const char	hostile[] = "x\" event=learnt\r\n\\ \x1b]0;\xe2\x80\xae\x7f latches=tls10";
	struct deep_event	event;
	char			line[DEEP_EVENT_MAX + 1], value[1024], one[2], long_text[5000];
	int			c, clean = 1, same = 1, n;

	set_key("example.org", DEEP_RELAY);
	memset(&event, 0, sizeof(event));
	event.kind = "refused";
	event.key = &key;
	event.host = deep_str("mx1.example.org");
	event.id = deep_str("1a2B3c-000001-Aa");
	event.latches = TLS12;
	event.text = "a \"text\"";
	deep_event_emit(line, sizeof(line), &event);
	is(line, "deep: event=refused name=example.org service=relay host=mx1.example.org "
	    "latches=tls10,tls11,tls12 id=1a2B3c-000001-Aa text=\"a \\\"text\\\"\"",
	    "D3.1-10: an event");
	event.key = NULL;
	event.host = event.id = deep_str(NULL);
	event.latches = 0;
	event.text = NULL;
	event.kind = "alarm";
	deep_event_emit(line, sizeof(line), &event);
	is(line, "deep: event=alarm", "what is empty is left out");

	event.key = &key;
	event.kind = "learnt";
	event.host = event.id = deep_str(hostile);
	event.text = hostile;
	event.latches = DEEP_LATCH_PFS;
	deep_event_emit(line, sizeof(line), &event);
	ok(is_one_line(line), "a hostile host, id and text make one line");
	field(line, "latches", value, sizeof(value));
	is(value, "tls-pfs", "and forge no field");
	field(line, "host", value, sizeof(value));
	is(value, hostile, "the host is read as it was");
	field(line, "id", value, sizeof(value));
	is(value, hostile, "so is the id");
	field(line, "text", value, sizeof(value));
	is(value, hostile, "and the text");

	/* Each octet alone. */
	for (c = 1; c < 256; c++) {
		one[0] = (char)c;
		one[1] = '\0';
		event.host = event.id = deep_str(one);
		event.text = one;
		deep_event_emit(line, sizeof(line), &event);
		clean &= is_one_line(line);
		same &= field(line, "host", value, sizeof(value)) && strcmp(value, one) == 0;
		same &= field(line, "text", value, sizeof(value)) && strcmp(value, one) == 0;
	}
	ok(clean, "every octet: one line of printable text");
	ok(same, "every octet: read as it was written");
	event.host = (struct deep_str){ "a\0b", 3 };
	deep_event_emit(line, sizeof(line), &event);
	ok(strstr(line, " host=a\\x00b ") != NULL, "a NUL in a slice");

	memset(long_text, '\xff', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	event.host = event.id = deep_str(long_text);
	event.text = long_text;
	event.latches = DEEP_LATCH_ALL;
	event.kind = "abcdefghijklmno";
	memset(key.name, 'n', DEEP_DOMAIN_MAX);
	key.service = DEEP_SUBMISSION;
	n = deep_event_emit(line, sizeof(line), &event);
	ok(n > 3000 && n <= DEEP_EVENT_MAX, "the longest one is no longer than DEEP_EVENT_MAX (%d)", n);
	ok(strstr(line, "\\xff... ") != NULL && strcmp(line + n - 4, "...\"") == 0,
	    "what is too long ends in dots");
	is_int(deep_event_emit(line, (size_t)n, &event), n, "one octet too small a buffer");
	is(line, "", "is left empty");
	event.kind = "abcdefghijklmnop";
	is_int(deep_event_emit(line, sizeof(line), &event), -1, "a kind of 16 letters");
	event.kind = "a b";
	is_int(deep_event_emit(line, sizeof(line), &event), -1, "a kind with a blank");
	event.kind = "";
	is_int(deep_event_emit(line, sizeof(line), &event), -1, "no kind");
	event.kind = "full";
	event.latches = 0x100u;
	is_int(deep_event_emit(line, sizeof(line), &event), -1, "a bit that is no latch");
}

int
main(void)
{
	deep_policy_of(&policy, NULL, NULL);
	test_refusals();
	test_refusal_length();
	test_events();
	return done_testing();
}
