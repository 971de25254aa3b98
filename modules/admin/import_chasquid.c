/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * import_chasquid.c - a file of chasquid's folder "domaininfo", which is a protocol
 * buffer in its text form:
 *
 *	name: "example.org"
 *	incoming_sec_level: TLS_CLIENT
 *	outgoing_sec_level: TLS_SECURE
 *
 * chasquid keeps no version and no suite, so that TLS of any kind is tls10, and a
 * valid certificate is tls-cert too.  What the domain used to send to us is kept under
 * the service "inbound".
 */
#include <string.h>

#include "admin.h"

static const struct level {
	const char	*name;
	const char	*number;
	deep_latches	 set;
} levels[] = {
	{ "PLAIN", "0", DEEP_LATCH_NONE },
	{ "TLS_CLIENT", "1", DEEP_LATCH_TLS10 },
	{ "TLS_INSECURE", "2", DEEP_LATCH_TLS10 },
	{ "TLS_SECURE", "3", DEEP_LATCH_TLS10 | DEEP_LATCH_CERT },
};

/* "name: value", white space apart; the value in quotes or a word. */
static int
next_field(struct deep_str *rest, struct deep_str *name, struct deep_str *value)
{
	static const char	space[] = " \t\r\n,;";
	const char		*p = rest->p, *end = rest->p + rest->n, *start;

	for (;;) {
		while (p < end && *p != '\0' && strchr(space, *p) != NULL)
			p++;
		if (p == end || *p != '#')
			break;
		while (p < end && *p != '\n')
			p++;
	}
	for (start = p; p < end && *p != ':' && *p != '\0' && strchr(space, *p) == NULL; p++)
		continue;
	name->p = start;
	name->n = (size_t)(p - start);
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (name->n == 0 || p == end || *p++ != ':')
		return 0;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p < end && *p == '"') {
		for (start = ++p; p < end && *p != '"'; p++)
			if (*p == '\\' || *p == '\n')
				return 0;
		if (p == end)
			return 0;
		value->p = start;
		value->n = (size_t)(p++ - start);
	} else {
		for (start = p; p < end && *p != '\0' && strchr(space, *p) == NULL; p++)
			continue;
		value->p = start;
		value->n = (size_t)(p - start);
		if (value->n == 0)
			return 0;
	}
	rest->p = p;
	rest->n = (size_t)(end - p);
	return 1;
}

static int
find_level(struct deep_str value, deep_latches *set)
{
	size_t	i;

	for (i = 0; i < sizeof(levels) / sizeof(levels[0]); i++)
		if (deep_is(value, levels[i].name) || deep_is(value, levels[i].number)) {
			*set = levels[i].set;
			return 1;
		}
	return 0;
}

int
read_chasquid_file(struct import *import, const char *text, size_t n)
{
	struct deep_str	rest = { text, n }, name, value, domain = deep_str(NULL);
	deep_latches	incoming = DEEP_LATCH_NONE, outgoing = DEEP_LATCH_NONE;
	int		known;

	import->line = 0;
	while (next_field(&rest, &name, &value)) {
		known = 1;
		if (deep_is(name, "name"))
			domain = value;
		else if (deep_is(name, "incoming_sec_level"))
			known = find_level(value, &incoming);
		else if (deep_is(name, "outgoing_sec_level"))
			known = find_level(value, &outgoing);
		if (!known) {
			import_bad(import, "%.*s: a level that is not known", (int)name.n, name.p);
			return 0;
		}
	}
	while (rest.n > 0 && strchr(" \t\r\n", *rest.p) != NULL && *rest.p != '\0') {
		rest.p++;
		rest.n--;
	}
	if (rest.n > 0 || domain.n == 0) {
		import_bad(import, rest.n > 0 ? "octet %zu: neither \"name: value\" nor a comment" :
		    "no name, in %zu octets", rest.n > 0 ? (size_t)(rest.p - text) : n);
		return 0;
	}
	if (outgoing != DEEP_LATCH_NONE &&
	    !import_latches(import, DEEP_RELAY, domain, 0, outgoing))
		return 0;
	return incoming == DEEP_LATCH_NONE ||
	    import_latches(import, DEEP_INBOUND, domain, 0, incoming);
}
