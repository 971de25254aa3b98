/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * report.c - the two lines that people and programs read, the same from every
 * module: why a message waits, and what has happened.
 *
 * draft-newman-email-deep-00 section 3.3 (the status code, and that the loss of
 * TLS must not go unnoticed); RFC 3463; RFC 5321 4.5.3.1.5 (a reply of 512 octets).
 *
 * Names of hosts come from the DNS and texts from anywhere.  Nothing in them ends
 * the line, begins another field, or reaches a terminal as a control.
 */
#include <stdio.h>
#include <string.h>

#include "deep.h"
#include "word.h"

#define KIND_MAX	15	/* octets in the kind of an event */
#define ID_MAX		128	/* octets of a message's id that are shown */
#define TEXT_MAX	512	/* octets of the text that are shown */

/* What is written is counted, and put down while it fits. */
struct line {
	char	*buf;
	size_t	 size;
	size_t	 n;
};

static void
put(struct line *line, const char *text, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++, line->n++)
		if (line->n < line->size)
			line->buf[line->n] = text[i];
}

static void
say(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Ends the line; nothing of it is left where it did not fit. */
static int
end_line(struct line *line)
{
	if (line->size > 0)
		line->buf[line->n < line->size ? line->n : 0] = '\0';
	return (int)line->n;
}

static int
refuse(char *buf, size_t size)
{
	if (size > 0)
		buf[0] = '\0';
	return -1;
}

/* What a name, an address or a message's id may hold without being escaped. */
static int
is_plain(char c)
{
	return deep_alpha(c) || deep_digit(c) || (c != '\0' && strchr(".-_:@+/[]<>", c) != NULL);
}

static void
say_octet(struct line *line, char c)
{
	static const char	hex[] = "0123456789abcdef";
	const unsigned char	octet = (unsigned char)c;
	char			escape[4] = { '\\', 'x' };

	escape[2] = hex[octet >> 4];
	escape[3] = hex[octet & 15];
	put(line, escape, sizeof(escape));
}

/* A word: allowed octets as they are, all others as \xHH; "..." for what is too long. */
static void
say_word(struct line *line, struct deep_str word, size_t most)
{
	size_t	i;

	for (i = 0; i < word.n && i < most; i++) {
		if (is_plain(word.p[i]))
			put(line, word.p + i, 1);
		else
			say_octet(line, word.p[i]);
	}
	if (word.n > most)
		say(line, "...");
}

/* The latches of a set, with this between two. */
static void
say_latches(struct line *line, deep_latches set, const char *between)
{
	const char	*id;
	unsigned	 n;
	int		 first = 1;

	for (n = 0; (id = deep_latch_name(n)) != NULL; n++)
		if (set & (1u << n)) {
			if (!first)
				say(line, between);
			say(line, id);
			first = 0;
		}
}

/*
 * Refusals.  The line that this makes:
 *
 *	4.7.10 security latch of example.org not met by mx1.example.org: missing tls12
 *	tls-pfs; to accept that: deeplatch reset example.org
 *
 * in one; the advice, and then the host, is left out where there is no room.  A reset
 * keeps tls10 unless it is told otherwise, so that who misses that is told to.
 */
static const char latch_of[] = " security latch of ";
static const char met_by[] = " not met by ";
static const char missing[] = ": missing ";
static const char advice[] = "; to accept that: deeplatch reset ";
static const char anyone[] = "any mail exchanger";

static void
say_refusal(struct line *line, const struct deep_policy *policy, const struct deep_key *key,
    struct deep_str host, deep_latches failed, int advise)
{
	line->n = 0;
	say(line, policy->status);
	say(line, latch_of);
	say_word(line, deep_str(key->name), DEEP_DOMAIN_MAX);
	say(line, met_by);
	if (host.n == 0)
		say(line, anyone);
	else
		say_word(line, host, DEEP_DOMAIN_MAX);
	say(line, missing);
	say_latches(line, failed, " ");
	if (!advise)
		return;
	say(line, advice);
	if (failed & DEEP_LATCH_TLS10)
		say(line, "--all ");
	if (key->service != DEEP_RELAY && deep_service_name(key->service) != NULL) {
		say(line, "--service ");
		say(line, deep_service_name(key->service));
		say(line, " ");
	}
	say_word(line, deep_str(key->name), DEEP_DOMAIN_MAX);
}

int
deep_refusal_emit(char *buf, size_t size, const struct deep_policy *policy,
    const struct deep_key *key, struct deep_str host, deep_latches failed)
{
	struct line	line = { buf, size, 0 };

	if (failed == DEEP_LATCH_NONE || failed & ~DEEP_LATCH_ALL || key->name[0] == '\0' ||
	    policy->status[0] == '\0')
		return refuse(buf, size);
	say_refusal(&line, policy, key, host, failed, 1);
	if (line.n > DEEP_REFUSAL_MAX)
		say_refusal(&line, policy, key, host, failed, 0);
	if (line.n > DEEP_REFUSAL_MAX)
		say_refusal(&line, policy, key, deep_str(NULL), failed, 0);
	return end_line(&line);
}

/* Where a constant stands in the text; NULL: nowhere. */
static const char *
find(struct deep_str text, const char *what)
{
	return text.n == 0 ? NULL : memmem(text.p, text.n, what, strlen(what));
}

static struct deep_str
between(const char *from, const char *to)
{
	struct deep_str	slice = { from, (size_t)(to - from) };

	return slice;
}

static int
is_word(struct deep_str word)
{
	size_t	i;

	for (i = 0; i < word.n; i++)
		if (!is_plain(word.p[i]) && word.p[i] != '\\')
			return 0;
	return word.n > 0;
}

enum deep_status
deep_refusal_parse(struct deep_str text, struct deep_refusal *refusal)
{
	const char	*p, *name, *end;
	struct deep_str	 rest, id;
	deep_latches	 bit;

	memset(refusal, 0, sizeof(*refusal));
	if ((p = find(text, latch_of)) == NULL)
		return DEEP_NO;
	for (name = p; name > text.p && (deep_digit(name[-1]) || name[-1] == '.'); name--)
		continue;
	refusal->status = between(name, p);
	end = text.p + text.n;
	name = p + strlen(latch_of);
	if ((p = find(between(name, end), met_by)) == NULL)
		return DEEP_BAD;
	refusal->name = between(name, p);
	name = p + strlen(met_by);
	if ((p = find(between(name, end), missing)) == NULL)
		return DEEP_BAD;
	refusal->host = between(name, p);
	if (deep_is(refusal->host, anyone))
		refusal->host = deep_str(NULL);
	else if (!is_word(refusal->host))
		return DEEP_BAD;
	if (!is_word(refusal->name) || refusal->status.n == 0)
		return DEEP_BAD;
	rest = between(p + strlen(missing), end);
	for (;;) {
		id.p = rest.p;
		for (id.n = 0; id.n < rest.n && (deep_alpha(id.p[id.n]) ||
		    deep_digit(id.p[id.n]) || id.p[id.n] == '-'); id.n++)
			continue;
		if ((bit = deep_latch_find(id)) == DEEP_LATCH_NONE)
			break;
		refusal->failed |= bit;
		if (id.n == rest.n || id.p[id.n] != ' ')
			break;
		rest.p += id.n + 1;
		rest.n -= id.n + 1;
	}
	return refusal->failed == DEEP_LATCH_NONE ? DEEP_BAD : DEEP_YES;
}

/*
 * Events.  The line that this makes:
 *
 *	deep: event=refused name=example.org service=relay host=mx1.example.org
 *	latches=tls12,tls-pfs id=1a2b text="a \"text\""
 *
 * in one.  In the text too what is not printable ASCII is \xHH: UTF-8 may hold
 * controls and turn the direction of a line.
 */
static void
say_text(struct line *line, const char *text)
{
	size_t	i;

	for (i = 0; i < TEXT_MAX && text[i] != '\0'; i++) {
		if (text[i] == '"' || text[i] == '\\')
			put(line, "\\", 1);
		if (text[i] >= ' ' && text[i] <= '~')
			put(line, text + i, 1);
		else
			say_octet(line, text[i]);
	}
	if (text[i] != '\0')
		say(line, "...");
}

int
deep_event_emit(char *buf, size_t size, const struct deep_event *event)
{
	struct line	line = { buf, size, 0 };
	size_t		n = strspn(event->kind, "abcdefghijklmnopqrstuvwxyz");

	if (n == 0 || n > KIND_MAX || event->kind[n] != '\0' ||
	    event->latches & ~DEEP_LATCH_ALL ||
	    (event->key != NULL && deep_service_name(event->key->service) == NULL))
		return refuse(buf, size);
	say(&line, "deep: event=");
	say(&line, event->kind);
	if (event->key != NULL && event->key->name[0] != '\0') {
		say(&line, " name=");
		say_word(&line, deep_str(event->key->name), DEEP_DOMAIN_MAX);
		say(&line, " service=");
		say(&line, deep_service_name(event->key->service));
	}
	if (event->host.n > 0) {
		say(&line, " host=");
		say_word(&line, event->host, DEEP_DOMAIN_MAX);
	}
	if (event->latches != DEEP_LATCH_NONE) {
		say(&line, " latches=");
		say_latches(&line, event->latches, ",");
	}
	if (event->id.n > 0) {
		say(&line, " id=");
		say_word(&line, event->id, ID_MAX);
	}
	if (event->text != NULL && event->text[0] != '\0') {
		say(&line, " text=\"");
		say_text(&line, event->text);
		say(&line, "\"");
	}
	return end_line(&line);
}
