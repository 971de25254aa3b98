/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * table.c - smtpd-tables(7), version 0.1, OpenSMTPD 7.6 and later.
 *
 *	table|VERSION|TIME|NAME|lookup|relayhost|ID|example.org
 *	lookup-result|ID|found|smtp+notls://[127.83.17.4]:10025
 *	table|VERSION|TIME|NAME|check|domain|ID|example.org
 *	check-result|ID|found, |not-found, |error|WHY
 *
 * smtpd waits for each answer, all of it, and dies of one that it cannot read:
 * each request is answered, at once, with the number that it came with.
 *
 * Of the service "domain" the table's name says which latches are asked for:
 * "tls12", "tls-cert+tls-pfs"; a name with no latch in it asks for any.
 */
#include <stdio.h>
#include <string.h>

#include "osmtpd.h"

#define ID_MAX		64	/* octets in a request's number */
#define KEY_MAX		1024	/* octets in a key; a domain is far shorter */

static int
is(struct deep_str s, const char *word)
{
	return s.p != NULL && s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

static void
put(struct table *table, const char *s, size_t n)
{
	table->calls.out(table->calls.context, s, n);
}

/* "OPERATION-result|ID|ANSWER" or "...|ANSWER|MORE"; what would end the line does not. */
static void
answer(struct table *table, struct deep_str operation, struct deep_str id, const char *word,
    const char *more)
{
	char	line[2 * KEY_MAX];
	size_t	i;
	int	n;

	n = snprintf(line, sizeof(line) - 1, "%.*s-result|%.*s|%s%s%s", (int)operation.n,
	    operation.p, (int)id.n, id.p, word, more != NULL ? "|" : "",
	    more != NULL ? more : "");
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	for (i = 0; i < (size_t)n; i++)
		if (line[i] == '\n' || line[i] == '\r' || line[i] == '\0')
			line[i] = ' ';
	line[n] = '\n';
	put(table, line, (size_t)n + 1);
}

static void
take_name(struct table *table, struct deep_str name)
{
	struct deep_str	word;
	const char	*plus;
	size_t		n = name.n < sizeof(table->name) ? name.n : sizeof(table->name) - 1;

	memcpy(table->name, name.p, n);
	table->name[n] = '\0';
	table->latches = DEEP_LATCH_NONE;
	for (;;) {
		word = name;
		if ((plus = memchr(name.p, '+', name.n)) != NULL)
			word.n = (size_t)(plus - name.p);
		table->latches |= deep_latch_find(word);
		if (plus != NULL && deep_latch_find(word) == DEEP_LATCH_NONE)
			say("table %s: \"%.*s\" is no latch and asks for nothing", table->name,
			    (int)word.n, word.p);
		if (plus == NULL)
			return;
		name.n -= word.n + 1;
		name.p = plus + 1;
	}
}

static void
config(struct table *table, struct deep_str rest)
{
	static const char	services[] =
	    "register|relayhost\nregister|domain\nregister|ready\n";
	struct deep_str		key = line_part(&rest);

	if (is(key, "tablename") && rest.p != NULL)
		take_name(table, rest);
	else if (is(key, "ready") && !table->ready) {
		table->ready = 1;
		put(table, services, strlen(services));
	}
}

/* The key as it is a key: a domain in its one form, anything else in lower case. */
static void
take_key(char *buf, size_t size, struct deep_str key)
{
	size_t	i;

	if (deep_domain_key(buf, size, key) > 0)
		return;
	for (i = 0; i < key.n && i < size - 1; i++)
		buf[i] = key.p[i] >= 'A' && key.p[i] <= 'Z' ? (char)(key.p[i] | 0x20) :
		    key.p[i] == '\0' ? '?' : key.p[i];
	buf[i] = '\0';
}

static void
look_up(struct table *table, struct deep_str operation, struct deep_str service,
    struct deep_str id, struct deep_str key)
{
	char		domain[KEY_MAX], text[KEY_MAX];
	int		lookup = is(operation, "lookup");
	uint32_t	address;

	take_key(domain, sizeof(domain), key);
	if (is(service, "relayhost") && domain[0] != '\0') {
		address = table->calls.address(table->calls.context, domain);
		snprintf(text, sizeof(text), "smtp+notls://[%u.%u.%u.%u]:%d", address >> 24,
		    address >> 16 & 0xff, address >> 8 & 0xff, address & 0xff,
		    table->calls.port);
		answer(table, operation, id, "found", lookup ? text : NULL);
	} else if (is(service, "domain") && domain[0] != '\0') {
		text[0] = '\0';
		switch (table->calls.domain(table->calls.context, domain, table->latches, text,
		    sizeof(text))) {
		case DEEP_YES:
			answer(table, operation, id, "found", lookup ? domain : NULL);
			break;
		case DEEP_NO:
			answer(table, operation, id, "not-found", NULL);
			break;
		default:
			answer(table, operation, id, "error", text);
			break;
		}
	} else
		answer(table, operation, id, "not-found", NULL);
}

/* rest: "VERSION|TIME|NAME|OPERATION|..." */
static void
request(struct table *table, struct deep_str rest, int whole)
{
	struct deep_str	operation, service, id;
	size_t		n = strlen(table->name);

	line_part(&rest);
	line_part(&rest);
	/* a name may have any octets in it */
	if (rest.n > n && memcmp(rest.p, table->name, n) == 0 && rest.p[n] == '|') {
		rest.p += n + 1;
		rest.n -= n + 1;
	} else
		line_part(&rest);
	operation = line_part(&rest);
	service.p = NULL;
	service.n = 0;
	if (!is(operation, "update"))
		service = line_part(&rest);
	id = line_part(&rest);
	if (id.p == NULL || id.n == 0 || id.n > ID_MAX || operation.n > ID_MAX) {
		say("table %s: a request without a number is not answered", table->name);
		return;
	}
	if (!whole)
		answer(table, operation, id, "error", "the request is too long");
	else if (is(operation, "update"))
		answer(table, operation, id, "ok", NULL);
	else if (is(operation, "lookup") || is(operation, "check"))
		look_up(table, operation, service, id, rest);
	else if (is(operation, "fetch"))
		answer(table, operation, id, "not-found", NULL);
	else
		answer(table, operation, id, "error", "no such operation");
}

void
table_line(struct table *table, struct deep_str line, int first, int last)
{
	struct deep_str	rest = line, kind;

	if (!first)
		return;
	kind = line_part(&rest);
	if (is(kind, "config"))
		config(table, rest);
	else if (is(kind, "table") && table->ready)
		request(table, rest, last);
}
