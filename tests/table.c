/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * table.c - tests of modules/opensmtpd/table.c and address.c: smtpd-tables(7),
 * and an address for each domain.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../modules/opensmtpd/osmtpd.h"
#include "tap.h"

static struct text	 said;
static struct table	 table;
static struct addresses	*addresses;
static enum deep_status	 verdict;
static deep_latches	 wanted;
static char		 wanted_domain[300];

static void
out(void *context, const char *p, size_t n)
{
	(void)context;
	text_add(&said, p, n);
}

static enum deep_status
domain(void *context, const char *name, deep_latches latches, char *why, size_t size)
{
	(void)context;
	snprintf(wanted_domain, sizeof(wanted_domain), "%s", name);
	wanted = latches;
	snprintf(why, size, "the store\nis away");
	return verdict;
}

static uint32_t
address(void *context, const char *name)
{
	int	first;

	(void)context;
	return addresses_get(addresses, name, &first);
}

static const char *
ask(const char *line)
{
	said.n = 0;
	table_line(&table, deep_str(line), 1, 1);
	text_add(&said, "", 1);
	return said.p;
}

static void
begin(const char *name)
{
	char	line[300];

	memset(&table, 0, sizeof(table));
	table.calls.out = out;
	table.calls.domain = domain;
	table.calls.address = address;
	table.calls.port = 10025;
	ask("config|smtpd-version|7.8.0-portable");
	ask("config|protocol|0.1");
	snprintf(line, sizeof(line), "config|tablename|%s", name);
	ask(line);
}

static void
test_protocol(void)
{
	const char	*got, *again;
	char		 first[128];

	begin("latchmx");
	is(ask("table|0.1|1.2|latchmx|lookup|relayhost|00000001|a.test"), "",
	    "nothing is answered before the beginning is over");
	is(ask("config|ready"), "register|relayhost\nregister|domain\nregister|ready\n",
	    "what it offers");
	got = ask("table|0.1|1.2|latchmx|lookup|relayhost|fbd92cda|b.test");
	snprintf(first, sizeof(first), "%s", got);
	ok(strncmp(got, "lookup-result|fbd92cda|found|smtp+notls://[127.", 47) == 0 &&
	    strstr(got, "]:10025\n") != NULL, "an address: %s", got);
	again = ask("table|0.1|9.9|latchmx|lookup|relayhost|fbd92cda|B.Test.");
	is(again, first, "the same for the same domain");
	got = ask("table|0.1|9.9|latchmx|lookup|relayhost|fbd92cda|c.test");
	isnt(got, first, "another for another");
	ok(strstr(ask("table|0.1|1|latchmx|lookup|relayhost|1|[192.0.2.1]"),
	    "lookup-result|1|found|smtp+notls://") != NULL, "one for an address literal too");
	is(ask("table|0.1|1|latchmx|check|relayhost|2|b.test"), "check-result|2|found\n", "check");
	is(ask("table|0.1|1|latchmx|lookup|relayhost|2|"), "lookup-result|2|not-found\n",
	    "nothing for no domain");
	verdict = DEEP_YES;
	is(ask("table|0.1|1.2|latchmx|check|domain|3439dd18|b.test"),
	    "check-result|3439dd18|found\n", "a domain that has to have TLS");
	is_int(wanted, DEEP_LATCH_NONE, "whatever latch it is");
	is(ask("table|0.1|1.2|latchmx|lookup|domain|3439dd18|b.test"),
	    "lookup-result|3439dd18|found|b.test\n", "looked up");
	verdict = DEEP_NO;
	is(ask("table|0.1|1.2|latchmx|check|domain|1|b.test"), "check-result|1|not-found\n",
	    "one that has not");
	verdict = DEEP_FAIL;
	is(ask("table|0.1|1.2|latchmx|check|domain|1|b.test"),
	    "check-result|1|error|the store is away\n", "an error is one line");
	is(ask("table|0.1|1.2|latchmx|update|7"), "update-result|7|ok\n", "update");
	is(ask("table|0.1|1.2|latchmx|fetch|relayhost|8"), "fetch-result|8|not-found\n", "fetch");
	is(ask("table|0.1|1.2|latchmx|lookup|credentials|9|x"), "lookup-result|9|not-found\n",
	    "a service that it has not");
	is(ask("table|0.1|1.2|latchmx|frobnicate|x|9|x"),
	    "frobnicate-result|9|error|no such operation\n", "an operation that it has not");
	is(ask("table|0.1|1.2|latchmx|lookup|relayhost"), "", "no number, no answer");
	is(ask("what"), "", "no request, no answer");
	said.n = 0;
	table_line(&table, deep_str("table|0.1|1.2|latchmx|lookup|domain|10|xxx"), 1, 0);
	table_line(&table, deep_str("xxx"), 0, 1);
	text_add(&said, "", 1);
	is(said.p, "lookup-result|10|error|the request is too long\n", "too long a request");

	begin("tls-cert+tls-pfs");
	ask("config|ready");
	verdict = DEEP_NO;
	ask("table|0.1|1.2|tls-cert+tls-pfs|check|domain|1|b.test");
	is_int(wanted, DEEP_LATCH_CERT | DEEP_LATCH_PFS, "the latches of the table's name");
	begin("a|b");
	ask("config|ready");
	is(ask("table|0.1|1.2|a|b|check|domain|5|b.test"), "check-result|5|not-found\n",
	    "a name with a bar in it");
}

static void
test_addresses(void)
{
	struct addresses	*small, *other;
	uint32_t		 net, a, b;
	unsigned		 bits;
	char			 name[32];
	int			 first, i, twice = 0, out_of_it = 0;
	static unsigned char	 seen[256];

	is_int(addresses_net("127.64.0.0/10", &net, &bits), 0, "a net");
	ok(net == 0x7f400000 && bits == 10, "is read");
	is_int(addresses_net("127.64.0.1/10", &net, &bits), -1, "refused: bits behind it");
	is_int(addresses_net("10.0.0.0/10", &net, &bits), -1, "refused: no loopback");
	is_int(addresses_net("127.0.0.0/7", &net, &bits), -1, "refused: too wide");
	is_int(addresses_net("127.0.0.0/25", &net, &bits), -1, "refused: too narrow");
	is_int(addresses_net("127.0.0.0/8x", &net, &bits), -1, "refused: more");
	is_int(addresses_net("127.0.0.0", &net, &bits), -1, "refused: no bits");

	small = addresses_new(0x7f530100, 24);
	for (i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		a = addresses_get(small, name, &first);
		if (a <= 0x7f530100 || a >= 0x7f5301ff || !first)
			out_of_it++;
		twice += seen[a & 0xff]++ != 0;
	}
	is_int(out_of_it, 0, "150 domains in 254 addresses: all inside");
	is_int(twice, 0, "no two have the same");
	for (; i < 400; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		a = addresses_get(small, name, &first);
		out_of_it += a <= 0x7f530100 || a >= 0x7f5301ff;
	}
	is_int(out_of_it, 0, "more domains than addresses: they share, and none is without");
	cmp_ok(addresses_count(small), <=, 254, "what is remembered is no more than there are");
	a = addresses_get(small, "d7.test", &first);
	ok(!first, "asked for before");

	/* another process, with what the first one remembered: in another order */
	other = addresses_new(0x7f530100, 24);
	for (i = 149; i >= 0; i--) {
		snprintf(name, sizeof(name), "d%d.test", i);
		a = addresses_get(small, name, &first);
		addresses_set(other, name, a);
	}
	for (i = 0, twice = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		a = addresses_get(small, name, &first);
		b = addresses_get(other, name, &first);
		twice += a == b;
	}
	is_int(twice, 150, "each keeps its address over a restart");
	ok(first, "and is noted anew");
	is_int(addresses_set(other, "new.test", addresses_get(other, "d1.test", &first)), DEEP_NO,
	    "an address that is taken is not given twice");
	is_int(addresses_set(other, "new.test", 0x0a000001), DEEP_NO, "nor one out of the net");
	addresses_free(other);
	addresses_free(small);

	small = addresses_new(0x7f000000, 8);
	for (i = 0, out_of_it = 0; i < 200000; i++) {
		snprintf(name, sizeof(name), "d%d.test", i);
		out_of_it += addresses_get(small, name, &first) >> 8 == 0x7f0000;
	}
	is_int(out_of_it, 0, "127.0.0.0/24 is left to others");
	is_int(addresses_count(small), 200000, "200,000 domains are remembered");
	addresses_free(small);
}

int
main(void)
{
	addresses = addresses_new(0x7f400000, 10);
	test_protocol();
	test_addresses();
	addresses_free(addresses);
	text_free(&said);
	return done_testing();
}
