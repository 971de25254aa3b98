/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * owner.c - whose a host is: its administrative domain, which is the registrable part of
 * its name by the Public Suffix List (libpsl).
 */
#include <libpsl.h>
#include <string.h>

#include "analyzer.h"
#include "octets.h"

#define DOMAINS		32768	/* hosts whose domain is kept, a power of two */
#define WAYS		4	/* of them, whose hashes are the same */
#define ENDS		1024	/* names, and ends of them, whose answer is kept, a power of two */

static const psl_ctx_t *
suffixes(void)
{
	static const psl_ctx_t *list;

	if (list == NULL)	/* the system's, where it is newer than the library's own */
		list = psl_latest(NULL);
	if (list == NULL)
		list = psl_builtin();
	return list;
}

/* What names end with is mostly one of a few, which the list takes long for. */
static int
is_suffix(const char *end)
{
	static struct {
		char		end[31];	/* "": nothing is kept */
		unsigned char	is;
	} kept[ENDS], *here;
	size_t n = strlen(end);

	if (n == 0 || n >= sizeof(here->end))
		return psl_is_public_suffix(suffixes(), end);
	here = &kept[octets_hash(end, n) % ENDS];
	if (strcmp(here->end, end) != 0) {
		memcpy(here->end, end, n + 1);
		here->is = psl_is_public_suffix(suffixes(), end) != 0;
	}
	return here->is;
}

/* psl_registrable_domain() */
static const char *
registrable(const char *name)
{
	const char *domain = name, *dot;

	if (is_suffix(name))
		return NULL;
	while ((dot = strchr(domain, '.')) != NULL && !is_suffix(dot + 1))
		domain = dot + 1;
	return dot != NULL ? domain : NULL;
}

static int
find_domain(char *buf, size_t size, struct deep_str host)
{
	char key[DEEP_DOMAIN_MAX + 1];
	const char *domain;

	if (size > 0)
		*buf = '\0';
	if (host.p == NULL || memchr(host.p, '.', host.n) == NULL ||
	    deep_domain_key(key, sizeof(key), host) <= 0)
		return 0;
	domain = registrable(key);
	if (domain == NULL)
		domain = key;	/* a public suffix itself */
	return strlcpy(buf, domain, size) < size;
}

/* Whether a key is what a host's name ends with, in small letters. */
static int
ends_with(struct deep_str host, const char *key, size_t n)
{
	struct deep_str end = { host.p + host.n - n, n };

	return n <= host.n && deep_is(end, key);
}

/*
 * Asking the list takes longer than all the rest of counting a hop, and in an
 * archive the same hosts come again: how much of its name is the domain is kept for
 * the last ones.  The tags, of a hash, lie close together, so that only what is
 * likely the right one is looked at.
 */
int
domain_of(char *buf, size_t size, struct deep_str host)
{
	static unsigned char tags[DOMAINS / WAYS][WAYS];	/* 0: nothing is kept */
	static struct kept {
		unsigned char	nhost, ndomain;			/* 0: it has none */
		char		host[62];
	} kept[DOMAINS / WAYS][WAYS] __attribute__((aligned(64))), *here;
	unsigned char *tag, mark;
	const char *p;
	uint64_t sum;
	size_t i, k, n;
	int found;

	if (host.p == NULL || host.n == 0 || host.n > sizeof(here->host) || size <= host.n)
		return find_domain(buf, size, host);
	sum = octets_hash(host.p, host.n);
	here = kept[sum % (DOMAINS / WAYS)];
	tag = tags[sum % (DOMAINS / WAYS)];
	mark = (unsigned char)(sum >> 32 | 1);
	for (i = 0; i < WAYS; i++) {
		if (tag[i] != mark || here[i].nhost != host.n ||
		    memcmp(here[i].host, host.p, host.n) != 0)
			continue;
		n = here[i].ndomain;
		for (p = host.p + host.n - n, k = 0; k < n; k++)
			buf[k] = (char)(p[k] | (p[k] >= 'A' && p[k] <= 'Z' ? 0x20 : 0));
		buf[n] = '\0';
		return n > 0;
	}
	found = find_domain(buf, size, host);
	n = found ? strlen(buf) : 0;
	if (n > 0 && !ends_with(host, buf, n))
		return found;			/* in another script, or with a dot behind it */
	memmove(here + 1, here, (WAYS - 1) * sizeof(*here));	/* the oldest goes */
	memmove(tag + 1, tag, WAYS - 1);
	here->nhost = (unsigned char)host.n;
	here->ndomain = (unsigned char)n;
	memcpy(here->host, host.p, host.n);
	*tag = mark;
	return found;
}

/* The last two labels, which no domain has less than; NULL: it is not in ASCII, so that
 * another spelling may be the same. */
static struct deep_str
last_labels(struct deep_str name)
{
	size_t at = name.n;
	int dots = 0;

	while (at > 0 && (name.p[at - 1] & 0x80) == 0 && (name.p[at - 1] != '.' || ++dots < 2))
		at--;
	if (at > 0 && dots < 2) {
		name.p = NULL;
		name.n = 0;
	} else {
		name.p += at;
		name.n -= at;
	}
	return name;
}

int
same_domain(struct deep_str one, struct deep_str two)
{
	char domain[DEEP_DOMAIN_MAX + 1], other[DEEP_DOMAIN_MAX + 1];
	struct deep_str end = last_labels(one), other_end = last_labels(two);

	/* Most pairs need no look into the list. */
	if (end.p != NULL && other_end.p != NULL && (end.n != other_end.n ||
	    strncasecmp(end.p, other_end.p, end.n) != 0))
		return 0;
	/* for one pair in a message the table of hosts would be out of the cache each time */
	return !find_domain(domain, sizeof(domain), one) || !find_domain(other, sizeof(other), two) ||
	    strcmp(domain, other) == 0;
}
