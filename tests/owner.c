/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * owner.c - tests of whose a host is, by the Public Suffix List.
 */
#include <string.h>

#include "analyzer.h"
#include "tap.h"

static const struct domain_row {
	const char	*host, *domain;		/* NULL: none */
} domains[] = {
	{ "mail.example.org", "example.org" }, { "MAIL.Example.ORG.", "example.org" },
	{ "a.b.example.co.uk", "example.co.uk" }, { "example.co.uk", "example.co.uk" },
	{ "co.uk", "co.uk" },			/* a suffix itself stands for itself */
	{ "mx.b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
	{ "a.b.nosuchtoplabel", "b.nosuchtoplabel" },
	{ "localhost", NULL }, { "192.0.2.1", NULL }, { "[192.0.2.1]", NULL },
	{ "IPv6:2001:db8::1", NULL }, { "", NULL }, { NULL, NULL },
	{ "<script>.example.org", NULL }, { "a..example.org", NULL },
};

static void
test_domains(void)
{
	char buf[DEEP_DOMAIN_MAX + 1];
	size_t i;

	for (i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		const struct domain_row *row = &domains[i];
		int found = domain_of(buf, sizeof(buf), deep_str(row->host));

		is(found ? buf : "", row->domain == NULL ? "" : row->domain, "domain of %s",
		    row->host == NULL ? "nothing" : row->host);
	}
	ok(domain_of(buf, 5, deep_str("mail.example.org")) == 0, "a domain that has no room is none");
}

static const struct pair_row {
	const char	*one, *two;
	int		 same;
} pairs[] = {
	{ "mx1.example.org", "mx2.example.org", 1 }, { "MX1.Example.ORG", "example.org", 1 },
	{ "mx.example.org", "mx.example.net", 0 }, { "mx.example.org", "mx.elsewhere.org", 0 },
	/* a short second label is no suffix, and a long one may be */
	{ "mx1.abc.example", "mx2.abc.example", 1 }, { "out1.mail.ab.de", "in.ab.de", 1 },
	{ "a.example.co.uk", "b.example.co.uk", 1 }, { "a.one.co.uk", "a.two.co.uk", 0 },
	{ "one.kawasaki.jp", "two.kawasaki.jp", 0 }, { "a.one.gov.pl", "b.two.gov.pl", 0 },
	{ "mx.b\xc3\xbc" "cher.example", "mail.xn--bcher-kva.example", 1 },
	{ "mx.b\xc3\xbc" "cher.example", "mx.buecher.example", 0 },
	{ "localhost", "mx.example.org", 0 }, { "org", "org", 1 },
	/* what is no host's name cannot be compared */
	{ "a@mx.example.org", "b.example.org", 1 },
};

static void
test_pairs(void)
{
	size_t i;

	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		const struct pair_row *row = &pairs[i];

		is_int(same_domain(deep_str(row->one), deep_str(row->two)), row->same, "%s and %s",
		    row->one, row->two);
		is_int(same_domain(deep_str(row->two), deep_str(row->one)), row->same,
		    "the other way round");
	}
}

int
main(void)
{
	plan_no_plan();
	test_domains();
	test_pairs();
	return done_testing();
}
