/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dns.c - names, by libunbound, which validates DNSSEC itself (RFC 4035,
 * RFC 7672 2.1): MX, A, AAAA, TLSA, asked from the event loop.
 *
 * It never takes the AD bit of a resolver for a proof, and a bogus answer is
 * no answer: it is a fault, as a time-out is.
 */
#include <event2/event.h>
#include <unbound.h>

#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "relay.h"

#define CLASS_IN	1
#define TIMEOUT_MS	30000		/* of one question */

struct dns {
	struct ub_ctx	*ctx;
	struct event	*reader;
	struct event_base *base;
};

struct dns_query {
	struct dns	*dns;
	struct event	*timer;
	dns_call	*call;
	void		*arg;
	enum dns_type	 type;
	int		 id;
	unsigned	 asked : 1;	/* the library still has it */
};

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dns	*dns = arg;

	(void)fd;
	(void)what;
	ub_process(dns->ctx);
}

/* The addresses that are forwarded to; without one the root is asked. */
static int
set_resolvers(struct ub_ctx *ctx, const char *list, char why[256])
{
	char		 one[128];
	const char	*p = list;
	size_t		 n;
	int		 answer;

	for (;;) {
		p += strspn(p, " ,\t");
		if ((n = strcspn(p, " ,\t")) == 0)
			return 0;
		if (n >= sizeof(one)) {
			snprintf(why, 256, "[relay] resolver: \"%.40s...\" is too long", p);
			return -1;
		}
		memcpy(one, p, n);
		one[n] = '\0';
		p += n;
		if (strcmp(one, "root") == 0)
			continue;
		answer = one[0] == '/' ? ub_ctx_resolvconf(ctx, one) : ub_ctx_set_fwd(ctx, one);
		if (answer != 0) {
			snprintf(why, 256, "[relay] resolver: %.100s: %s", one,
			    ub_strerror(answer));
			return -1;
		}
	}
}

static void
set(struct ub_ctx *ctx, const char *option, const char *value)
{
	if (ub_ctx_set_option(ctx, option, value) != 0)
		note(4, "libunbound does not know its option %s %s", option, value);
}

struct dns *
dns_new(struct event_base *base, const struct settings *settings, char why[256])
{
	struct dns	*dns = calloc(1, sizeof(*dns));
	int		 answer;

	if (dns == NULL || (dns->ctx = ub_ctx_create()) == NULL) {
		snprintf(why, 256, "libunbound cannot be set up: no memory");
		free(dns);
		return NULL;
	}
	dns->base = base;
	if (set_resolvers(dns->ctx, settings->resolver, why) == -1)
		goto bad;
	set(dns->ctx, "do-not-query-localhost:", "no");
	set(dns->ctx, "msg-cache-size:", "2m");
	set(dns->ctx, "rrset-cache-size:", "4m");
	set(dns->ctx, "key-cache-size:", "1m");
	set(dns->ctx, "neg-cache-size:", "512k");
	set(dns->ctx, "outgoing-range:", "256");
	set(dns->ctx, "num-queries-per-thread:", "1024");
	set(dns->ctx, "val-log-level:", "0");
	if (settings->trust_anchor[0] != '\0' &&
	    (answer = ub_ctx_add_ta_file(dns->ctx, settings->trust_anchor)) != 0) {
		snprintf(why, 256, "[relay] trust-anchor: %.150s: %s", settings->trust_anchor,
		    ub_strerror(answer));
		goto bad;
	}
	/* By a thread of the library's own, which shares nothing but a pipe. */
	if ((answer = ub_ctx_async(dns->ctx, 1)) != 0) {
		snprintf(why, 256, "libunbound: %s", ub_strerror(answer));
		goto bad;
	}
	/* Reads what it reads of files, now: after this the sandbox closes. */
	if ((answer = ub_ctx_zone_add(dns->ctx, "invalid.", "static")) != 0) {
		snprintf(why, 256, "libunbound: %s%s%.120s", ub_strerror(answer),
		    settings->trust_anchor[0] == '\0' ? "" : "; is this a trust anchor: ",
		    settings->trust_anchor);
		goto bad;
	}
	/* Names of private networks are the administrator's and his resolver's affair. */
	ub_ctx_zone_remove(dns->ctx, "test.");
	dns->reader = event_new(base, ub_fd(dns->ctx), EV_READ | EV_PERSIST, on_readable, dns);
	if (dns->reader == NULL || event_add(dns->reader, NULL) == -1) {
		snprintf(why, 256, "no memory");
		goto bad;
	}
	return dns;
bad:
	dns_free(dns);
	return NULL;
}

void
dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	if (dns->reader != NULL)
		event_free(dns->reader);
	ub_ctx_delete(dns->ctx);
	free(dns);
}

/* --- Records. */

/* A name in wire form as text, lower case; 0: not a host's name. */
static int
read_name(const unsigned char *p, size_t n, char text[DEEP_DOMAIN_MAX + 1])
{
	char	given[512];
	size_t	at = 0, out = 0, label, i;

	for (;;) {
		if (at >= n)
			return 0;
		label = p[at++];
		if (label == 0)
			break;
		if (label > DEEP_LABEL_MAX || n - at < label || out + label + 1 > DEEP_DOMAIN_MAX + 1)
			return 0;
		for (i = 0; i < label; i++) {
			if (p[at + i] <= 0x20 || p[at + i] >= 0x7f || p[at + i] == '.')
				return 0;
			given[out++] = (char)p[at + i];
		}
		given[out++] = '.';
		at += label;
	}
	if (at != n)
		return 0;
	if (out == 0) {			/* the root */
		text[0] = '\0';
		return 1;
	}
	given[out - 1] = '\0';
	i = (size_t)deep_domain_key(text, DEEP_DOMAIN_MAX + 1, deep_str(given));
	return i > 0 && i <= DEEP_DOMAIN_MAX;
}

int
dns_read_mx(const unsigned char *p, size_t n, struct dns_mx *mx)
{
	if (n < 3)
		return 0;
	mx->preference = (unsigned)p[0] << 8 | p[1];
	return read_name(p + 2, n - 2, mx->host);
}

int
dns_read_tlsa(const unsigned char *p, size_t n, struct dns_tlsa *tlsa)
{
	if (n < 4 || n > UINT16_MAX)
		return 0;
	tlsa->usage = p[0];
	tlsa->selector = p[1];
	tlsa->matching = p[2];
	tlsa->length = (uint16_t)(n - 3);
	tlsa->data = p + 3;
	return 1;
}

static int
read_address(const unsigned char *p, size_t n, enum dns_type type, struct sockaddr_storage *to)
{
	struct sockaddr_in6	*six = (struct sockaddr_in6 *)to;
	struct sockaddr_in	*four = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (type == DNS_A && n == sizeof(four->sin_addr)) {
		four->sin_family = AF_INET;
		memcpy(&four->sin_addr, p, n);
		return 1;
	}
	if (type == DNS_AAAA && n == sizeof(six->sin6_addr)) {
		six->sin6_family = AF_INET6;
		memcpy(&six->sin6_addr, p, n);
		return 1;
	}
	return 0;
}

/* By preference; equal ones in an order of chance (RFC 5321 5.1). */
static void
sort_mx(struct dns_mx *mx, size_t n)
{
	struct dns_mx	keep;
	size_t		i, j;

	for (i = 1; i < n; i++) {
		j = arc4random_uniform((uint32_t)i + 1);
		keep = mx[i];
		mx[i] = mx[j];
		mx[j] = keep;
	}
	for (i = 1; i < n; i++) {
		keep = mx[i];
		for (j = i; j > 0 && mx[j - 1].preference > keep.preference; j--)
			mx[j] = mx[j - 1];
		mx[j] = keep;
	}
}

static void
read_records(struct dns_answer *answer, enum dns_type type, const struct ub_result *result)
{
	size_t	i, roots = 0;

	for (i = 0; result->data[i] != NULL; i++) {
		const unsigned char	*p = (const unsigned char *)result->data[i];
		size_t			 n = (size_t)result->len[i];

		switch (type) {
		case DNS_MX:
			/* All are looked at, so that the best ones stay. */
			if (answer->n == HOST_TRY_MAX) {
				struct dns_mx	one;
				size_t		worst = 0, j;

				if (!dns_read_mx(p, n, &one) || one.host[0] == '\0')
					break;
				for (j = 1; j < answer->n; j++) {
					if (answer->is.mx[j].preference >
					    answer->is.mx[worst].preference)
						worst = j;
				}
				if (answer->is.mx[worst].preference > one.preference)
					answer->is.mx[worst] = one;
				break;
			}
			if (!dns_read_mx(p, n, &answer->is.mx[answer->n]))
				break;
			if (answer->is.mx[answer->n].host[0] == '\0')
				roots++;
			else
				answer->n++;
			break;
		case DNS_A:
		case DNS_AAAA:
			if (answer->n < ADDRESS_TRY_MAX &&
			    read_address(p, n, type, &answer->is.address[answer->n]))
				answer->n++;
			break;
		case DNS_CNAME:		/* that it is there, and whether it is proved */
			answer->n = 1;
			break;
		case DNS_TLSA:
			if (answer->n < TLSA_MAX &&
			    dns_read_tlsa(p, n, &answer->is.tlsa[answer->n]))
				answer->n++;
			break;
		}
	}
	if (type == DNS_MX) {
		/* "." alone says that there is no mail (RFC 7505). */
		answer->null_mx = roots > 0 && answer->n == 0;
		sort_mx(answer->is.mx, answer->n);
	}
}

static void
tell(struct dns_query *query, int error, struct ub_result *result)
{
	struct dns_answer	answer;
	dns_call		*call = query->call;
	void			*arg = query->arg;
	char			 why[300];

	memset(&answer, 0, offsetof(struct dns_answer, is));
	answer.status = DNS_FAULT;
	why[0] = '\0';
	if (error != 0 || result == NULL)
		snprintf(why, sizeof(why), "%s", ub_strerror(error));
	else if (result->bogus)
		snprintf(why, sizeof(why), "DNSSEC validation failed: %.200s",
		    result->why_bogus == NULL ? "bogus" : result->why_bogus);
	else if (result->nxdomain)
		answer.status = DNS_NXDOMAIN;
	else if (result->rcode != 0)
		snprintf(why, sizeof(why), "%s", result->rcode == 2 ? "SERVFAIL" :
		    "the name server refused");
	else
		answer.status = result->havedata ? DNS_FOUND : DNS_NODATA;
	if (answer.status != DNS_FAULT) {
		answer.secure = result->secure != 0;
		if (answer.status == DNS_FOUND)
			read_records(&answer, query->type, result);
		if (answer.status == DNS_FOUND && answer.n == 0 && !answer.null_mx) {
			answer.status = DNS_FAULT;
			snprintf(why, sizeof(why), "no record of the answer can be used");
		}
		if (result->canonname != NULL &&
		    strcasecmp(result->canonname, result->qname) != 0 &&
		    deep_domain_key(answer.name, sizeof(answer.name),
		    deep_str(result->canonname)) < 0)
			answer.name[0] = '\0';
	} else
		metric(METRIC_DNS_FAULTS, 1);
	answer.why = why;
	query->call = NULL;
	event_free(query->timer);
	free(query);
	call(arg, &answer);
	ub_resolve_free(result);
}

static void
on_answer(void *arg, int error, struct ub_result *result)
{
	struct dns_query	*query = arg;

	query->asked = 0;
	tell(query, error, result);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dns_query	*query = arg;

	(void)fd;
	(void)what;
	if (query->asked)
		ub_cancel(query->dns->ctx, query->id);
	query->asked = 0;
	tell(query, UB_SERVFAIL, NULL);
}

struct dns_query *
dns_ask(struct dns *dns, const char *name, enum dns_type type, dns_call *call, void *arg)
{
	static const struct timeval	patience = { TIMEOUT_MS / 1000, 0 };
	struct dns_query		*query = calloc(1, sizeof(*query));

	if (query == NULL)
		return NULL;
	query->dns = dns;
	query->call = call;
	query->arg = arg;
	query->type = type;
	query->timer = event_new(dns->base, -1, 0, on_timer, query);
	if (query->timer == NULL || event_add(query->timer, &patience) == -1 ||
	    ub_resolve_async(dns->ctx, name, (int)type, CLASS_IN, query, on_answer,
	    &query->id) != 0) {
		if (query->timer != NULL)
			event_free(query->timer);
		free(query);
		return NULL;
	}
	query->asked = 1;
	return query;
}

void
dns_cancel(struct dns_query *query)
{
	if (query == NULL)
		return;
	if (query->asked)
		ub_cancel(query->dns->ctx, query->id);
	event_free(query->timer);
	free(query);
}
