/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * import_postfix.c - a table of smtp_tls_policy_maps in its text form:
 *
 *	example.org		encrypt protocols=>=TLSv1.2 ciphers=high
 *	[smart.example]:587	secure match=nexthop
 *	.example.net		verify
 *
 * A level that asks for TLS is tls10, with "protocols" tls11 or tls12; "verify" and
 * "secure" are tls-cert too, "dane-only" is tls-dane-tlsa.  "none", "may" and "dane" ask
 * for nothing that a session has to have.  What has no name of its own here, such as
 * ".example.net", is passed over and said.
 */
#include <stdlib.h>
#include <string.h>

#include "admin.h"

static const struct level {
	const char	*name;
	deep_latches	 set;
} levels[] = {
	{ "none", DEEP_LATCH_NONE },
	{ "may", DEEP_LATCH_NONE },
	{ "dane", DEEP_LATCH_NONE },
	{ "half-dane", DEEP_LATCH_NONE },
	{ "encrypt", DEEP_LATCH_TLS10 },
	{ "fingerprint", DEEP_LATCH_TLS10 },
	{ "dane-only", DEEP_LATCH_TLS10 | DEEP_LATCH_DANE },
	{ "verify", DEEP_LATCH_TLS10 | DEEP_LATCH_CERT },
	{ "secure", DEEP_LATCH_TLS10 | DEEP_LATCH_CERT },
};
#define NLEVEL	(sizeof(levels) / sizeof(levels[0]))

/* The next word of a line. */
static struct deep_str
next_word(struct deep_str *rest)
{
	struct deep_str	word;

	while (rest->n > 0 && (*rest->p == ' ' || *rest->p == '\t' || *rest->p == '\r')) {
		rest->p++;
		rest->n--;
	}
	word.p = rest->p;
	for (word.n = 0; word.n < rest->n && word.p[word.n] != ' ' && word.p[word.n] != '\t' &&
	    word.p[word.n] != '\r'; word.n++)
		continue;
	rest->p += word.n;
	rest->n -= word.n;
	return word;
}

static int
begins(struct deep_str *word, const char *with)
{
	size_t	n = strlen(with);

	if (word->n < n || strncasecmp(word->p, with, n) != 0)
		return 0;
	word->p += n;
	word->n -= n;
	return 1;
}

/*
 * protocols=>=TLSv1.2, protocols=!SSLv2:!SSLv3:!TLSv1, protocols=TLSv1.2 TLSv1.3: the
 * lowest version that is left.
 */
static deep_latches
lowest(struct deep_str value)
{
	static const struct {
		const char	*name;
		deep_latches	 set;
	} versions[] = {
		{ "TLSv1", DEEP_LATCH_TLS10 }, { "TLSv1.1", DEEP_LATCH_TLS11 },
		{ "TLSv1.2", DEEP_LATCH_TLS12 }, { "TLSv1.3", DEEP_LATCH_TLS12 },
	};
	unsigned	without = 0, with = 0;
	struct deep_str	one;
	size_t		i, k;
	int		not, least;

	while (value.n > 0) {
		for (i = 0; i < value.n && value.p[i] != ':' && value.p[i] != ','; i++)
			continue;
		one.p = value.p;
		one.n = i;
		value.p += i + (i < value.n);
		value.n -= i + (i < value.n);
		least = begins(&one, ">=");
		not = begins(&one, "!");
		for (k = 0; k < sizeof(versions) / sizeof(versions[0]); k++) {
			if (!deep_is(one, versions[k].name))
				continue;
			if (least)
				return versions[k].set;
			if (not)
				without |= 1u << k;
			else
				with |= 1u << k;
		}
	}
	for (k = 0; k < sizeof(versions) / sizeof(versions[0]); k++)
		if ((with == 0 || with & 1u << k) && !(without & 1u << k))
			return versions[k].set;
	return DEEP_LATCH_TLS10;
}

/* example.org, [host], [host]:port, host:service; in brackets it is a host, and no domain
 * whose MX hosts are looked up. */
static enum deep_service
cut_port(struct deep_str *name, int *is_host)
{
	struct deep_str	 port = { NULL, 0 };
	const char	*colon = NULL;
	size_t		 i;

	for (i = name->n; i > 0 && colon == NULL; i--) {
		if (name->p[i - 1] == ']')
			break;
		if (name->p[i - 1] == ':')
			colon = name->p + i - 1;
	}
	if (colon != NULL) {
		port.p = colon + 1;
		port.n = (size_t)(name->p + name->n - port.p);
		name->n = (size_t)(colon - name->p);
	}
	*is_host = name->n >= 2 && name->p[0] == '[' && name->p[name->n - 1] == ']';
	if (*is_host) {
		name->p++;
		name->n -= 2;
	}
	return deep_is(port, "587") || deep_is(port, "465") || deep_is(port, "submission") ||
	    deep_is(port, "submissions") ? DEEP_SUBMISSION : DEEP_RELAY;
}

int
read_postfix_line(struct import *import, const char *line, size_t n)
{
	struct deep_str		 rest = { line, n }, name, level, word;
	enum deep_service	 service;
	deep_latches		 set;
	size_t			 i;
	int			 is_host;

	if (n > 0 && (line[0] == ' ' || line[0] == '\t')) {
		word = next_word(&rest);
		if (word.n == 0 || word.p[0] == '#')
			return 1;
		import_bad(import, "a line that goes on with the one before; join them with "
		    "\"postmap -s\"");
		return 0;
	}
	name = next_word(&rest);
	if (name.n == 0 || name.p[0] == '#')
		return 1;
	level = next_word(&rest);
	for (i = 0; i < NLEVEL && !deep_is(level, levels[i].name); i++)
		continue;
	if (i == NLEVEL) {
		import_bad(import, "\"%.*s\" is no level of TLS", (int)(level.n < 64 ? level.n : 64),
		    level.n > 0 ? level.p : "");
		return 0;
	}
	set = levels[i].set;
	while ((word = next_word(&rest)).n > 0)
		if (set != DEEP_LATCH_NONE && begins(&word, "protocols="))
			set |= lowest(word);
	if (set == DEEP_LATCH_NONE) {
		import->passed_over++;
		return 1;
	}
	service = cut_port(&name, &is_host);
	if (name.n > 0 && name.p[0] == '.') {
		import_note(import, "\"%.*s\" speaks of sub-domains, which have latches of their "
		    "own", (int)(name.n < 255 ? name.n : 255), name.p);
		return 1;
	}
	return import_latches(import, service, name, is_host, set);
}
