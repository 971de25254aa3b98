/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * hops.h - whether two hops say the same of one text, for the tests of form.c.
 */
#ifndef HOPS_H
#define HOPS_H

#include "analyzer.h"

static inline int
same_text(struct deep_str a, struct deep_str b)
{
	if (a.p == NULL || b.p == NULL)
		return a.p == b.p;
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* NULL, or what differs. */
static inline const char *
hops_differ(const struct hop *a, const struct hop *b)
{
#define SLICE(member) \
	if (!same_text(a->member, b->member)) \
		return #member
#define VALUE(member) \
	if (a->member != b->member) \
		return #member
	SLICE(raw);
	SLICE(from);
	SLICE(from_ip);
	SLICE(by);
	SLICE(via);
	SLICE(with);
	SLICE(id);
	SLICE(rcpt);
	SLICE(from_rdns);
	SLICE(suite_text);
	SLICE(group_text);
	VALUE(date.utc);
	VALUE(date.nsec);
	VALUE(date.zone);
	VALUE(date.zone_known);
	VALUE(delay);
	VALUE(has_date);
	VALUE(has_delay);
	VALUE(is_tls);
	VALUE(has_trust);
	VALUE(trusted);
	VALUE(version);
	VALUE(suite);
	VALUE(group);
	VALUE(bits);
	VALUE(client);
	VALUE(dialect);
	VALUE(evidence);
	VALUE(flags);
	VALUE(verdict);
	VALUE(latches);
#undef SLICE
#undef VALUE
	return NULL;
}

#endif
