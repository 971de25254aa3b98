/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * route.c - the way to a domain: what it has latched, its hosts in order (RFC
 * 5321 5.1, RFC 7505), TLSA records (RFC 7672), and a session that meets all of
 * it; a host that does not is left before MAIL and the next one is tried
 * (draft 3.3, RFC 8461 5.1).  Where none is left, the reply for RCPT.
 *
 * A session in the clear is only used where nothing is latched and no TLSA
 * record stands, and a failed handshake is never an answer "TLS is not
 * offered" for a domain of which more is known.
 */
#include <event2/event.h>

#include <arpa/inet.h>
#include <syslog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay.h"

struct route {
	struct worker		*worker;
	const struct route_calls *calls;
	void			*owner;
	char			 id[32];
	char			 domain[DEEP_DOMAIN_MAX + 1];	/* of the recipients, or its literal */
	struct deep_key		 key;
	unsigned		 bypass;
	unsigned		 literal : 1, keyed : 1, secure : 1, absent : 1, over : 1,
				 implicit : 1;
	struct deep_policy	 policy;
	struct deep_record	*record;
	deep_latches		 required;
	struct event		*deadline;

	struct latch_query	*store;
	struct dns_query	*mx, *four, *six, *cname, *tlsa;
	struct dns_mx		 host[HOST_TRY_MAX];
	size_t			 nhost, at;

	struct sockaddr_storage	 address[ADDRESS_TRY_MAX];
	size_t			 naddress, next_address;
	int			 asked, host_secure, host_fault;
	char			 base[DEEP_DOMAIN_MAX + 1];	/* of its TLSA records */
	struct dns_tlsa		 record_tlsa[TLSA_MAX];
	unsigned char		*tlsa_data[TLSA_MAX];	/* what these point to */
	size_t			 ntlsa;
	struct upstream		*up;
	int			 clear;		/* the session under way is the retry in the clear */

	/* why it has not worked so far */
	deep_latches		 failed;
	char			 failed_host[DEEP_DOMAIN_MAX + 1];
	char			 fault[REPLY_LINE_MAX + 2];	/* a reply */
	int			 fault_rank;
};

enum { RANK_NONE, RANK_PERMANENT, RANK_HOST, RANK_DNS, RANK_TLS, RANK_DANE, RANK_BUSY };

static void next_host(struct route *);
static void next_address(struct route *);
static void up_ready(void *, struct upstream *);
static void up_reply(void *, struct upstream *, enum upstream_for, const struct smtp_reply *);
static void up_drained(void *, struct upstream *);
static void up_gone(void *, struct upstream *, enum upstream_fault, const char *,
    const struct smtp_reply *);

static const struct upstream_calls	up_calls = { up_ready, up_reply, up_drained, up_gone };

static void
free_tlsa(struct route *route)
{
	size_t	i;

	for (i = 0; i < route->ntlsa; i++)
		free(route->tlsa_data[i]);
	route->ntlsa = 0;
}

void
route_free(struct route *route)
{
	if (route == NULL)
		return;
	latch_cancel(route->store);
	dns_cancel(route->mx);
	dns_cancel(route->four);
	dns_cancel(route->six);
	dns_cancel(route->cname);
	dns_cancel(route->tlsa);
	upstream_free(route->up);
	free_tlsa(route);
	if (route->deadline != NULL)
		event_free(route->deadline);
	free(route->record);
	free(route);
}

/* Of several faults the one that says most is told. */
static void
remember(struct route *route, int rank, const char *format, ...)
    __attribute__((__format__(__printf__, 3, 4)));

static void
remember(struct route *route, int rank, const char *format, ...)
{
	va_list	ap;
	char	*p;

	if (rank < route->fault_rank)
		return;
	route->fault_rank = rank;
	va_start(ap, format);
	vsnprintf(route->fault, sizeof(route->fault), format, ap);
	va_end(ap);
	for (p = route->fault; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			*p = '?';
	}
}

static void
answer(struct route *route, const char *reply, int latched)
{
	const struct route_calls	*calls = route->calls;
	void				*owner = route->owner;
	char				 copy[REPLY_LINE_MAX + 256];

	route->over = 1;
	snprintf(copy, sizeof(copy), "%s", reply);
	if (route->failed == DEEP_LATCH_NONE) {		/* else it is event=refused */
		note(LOG_NOTICE, "%s: no way to %s: %s", route->id, route->domain, copy);
		note_flush();		/* the log has it before the client does */
	}
	calls->failed(owner, copy, latched);
}

/*
 * The line that this makes:
 *
 *	451 4.7.10 security latch of example.org not met by mx1.example.org: missing
 *	tls12 tls-pfs; to accept that: deeplatch reset example.org
 *	(SMTP-Security-Latch: tls12 tls-pfs)
 *
 * on one line: a client that joins or cuts lines would cut it.
 */
static void
refuse(struct route *route)
{
	char	text[DEEP_REFUSAL_MAX + 1], ids[160], reply[REPLY_LINE_MAX + 256];
	int	code = route->policy.status[0] == '5' ? 550 : 451, n, m;

	n = deep_refusal_emit(text, sizeof(text), &route->policy, &route->key,
	    deep_str(route->failed_host), route->failed);
	m = deep_latches_emit(ids, sizeof(ids), route->failed, NULL, 0);
	if (m < 0 || (size_t)m >= sizeof(ids))
		snprintf(ids, sizeof(ids), "%s", deep_latch_name(0));
	if (n < 0 || (size_t)n >= sizeof(text) ||
	    n + m + 32 > REPLY_LINE_MAX)
		snprintf(text, sizeof(text), "%s security latch not met", route->policy.status);
	snprintf(reply, sizeof(reply), "%d %s (%s: %s)", code, text, DEEP_LATCH_FIELD, ids);
	metric(METRIC_LATCH_REFUSALS, 1);
	note_event("refused", &route->key, deep_str(route->failed_host), deep_str(route->id),
	    route->failed, text);
	latch_log(route->worker->latch, "refused", &route->key, route->failed_host, route->failed,
	    text);
	answer(route, reply, 1);
}

static void
give_up(struct route *route)
{
	if (route->failed != DEEP_LATCH_NONE)
		refuse(route);
	else if (route->fault_rank != RANK_NONE)
		answer(route, route->fault, route->fault_rank == RANK_DANE);
	else
		answer(route, "451 4.4.0 no host could be tried", 0);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct route	*route = arg;

	(void)fd;
	(void)what;
	if (route->fault_rank == RANK_NONE)
		remember(route, RANK_HOST, "451 4.4.1 no session with a host of %s in time",
		    route->domain);
	give_up(route);
}

/* --- The session. */

/* RFC 7672 2.2: usable records ask for a match, others for TLS. */
static int
dane_failed(const struct route *route, const struct upstream *up)
{
	if (route->bypass != 0 || route->ntlsa == 0)
		return 0;
	if (up->usable > 0)
		return !up->session.dane_ok;
	return up->session.version == 0;
}

static void
say_latches(struct route *route, const char *kind, const struct upstream *up, deep_latches set)
{
	if (set != DEEP_LATCH_NONE)
		note_event(kind, &route->key, deep_str(up->host), deep_str(route->id), set,
		    up->words);
}

/* 1: it may be used. */
static int
judge(struct route *route, struct upstream *up)
{
	struct deep_decision	decision;

	if (dane_failed(route, up)) {
		remember(route, RANK_DANE, "451 4.7.5 TLSA records of %s not met by its certificate",
		    route->host[route->at].host);
		metric(METRIC_HOSTS_SKIPPED, 1);
		return 0;
	}
	if (!route->keyed)
		return 1;
	deep_policy_decide(&route->policy, route->record, &up->session, route->bypass, &decision);
	say_latches(route, "warned", up, decision.warned);
	say_latches(route, "contradicted", up, decision.doubted);
	if (decision.failed != DEEP_LATCH_NONE) {
		if (route->failed == DEEP_LATCH_NONE)
			snprintf(route->failed_host, sizeof(route->failed_host), "%s", up->host);
		route->failed |= decision.failed;
		metric(METRIC_HOSTS_SKIPPED, 1);
		note(LOG_NOTICE, "%s: %s [%s] is left before MAIL: %s has not what %s has latched",
		    route->id, up->host, up->address, up->words, route->key.name);
		return 0;
	}
	if (decision.bypassed != 0) {
		metric(METRIC_BYPASSED, 1);
		say_latches(route, "bypassed", up, deep_record_held(route->record, &route->policy));
	}
	if (route->policy.at_handshake && up->session.version != 0 && !up->learnt) {
		up->learnt = latch_learn(route->worker->latch, &route->key, &up->session, up->host,
		    route->id) == 0;
	}
	up->key = route->key;
	up->policy = route->policy;
	up->has_key = 1;
	/* A name of which nothing is known learns nothing from clear text. */
	up->learns = up->session.version != 0 ||
	    deep_record_held(route->record, &route->policy) != DEEP_LATCH_NONE;
	return 1;
}

static void
up_ready(void *arg, struct upstream *up)
{
	struct route	*route = arg;

	route->up = NULL;
	if (!judge(route, up)) {
		upstream_free(up);
		route->next_address++;
		next_address(route);
		return;
	}
	if (up->session.version == 0)
		metric(METRIC_CLEAR, 1);
	if (up->session.dane_ok)
		metric(METRIC_DANE, 1);
	if (up->session.chain_ok && (up->session.name_ok || up->session.host_ok))
		metric(METRIC_CERT, 1);
	route->over = 1;
	route->calls->ready(route->owner, up);
}

static void
up_reply(void *arg, struct upstream *up, enum upstream_for what, const struct smtp_reply *reply)
{
	(void)arg;	/* before it is ready it asks itself */
	(void)up;
	(void)what;
	(void)reply;
}

static void
up_drained(void *arg, struct upstream *up)
{
	(void)arg;
	(void)up;
}

static int
try_address(struct route *route, int clear)
{
	struct upstream_plan	 plan;
	struct sockaddr_in6	*six = (struct sockaddr_in6 *)&plan.address;
	struct sockaddr_in	*four = (struct sockaddr_in *)&plan.address;
	uint16_t		 port = htons((uint16_t)route->worker->settings->port);

	memset(&plan, 0, sizeof(plan));
	plan.address = route->address[route->next_address];
	if (plan.address.ss_family == AF_INET6)
		six->sin6_port = port;
	else
		four->sin_port = port;
	snprintf(plan.host, sizeof(plan.host), "%s", route->host[route->at].host);
	plan.names.domain = route->literal ? "" :
	    route->worker->settings->next_hop[0] != '\0' ? route->worker->settings->next_hop :
	    route->domain;
	plan.names.host = route->base;
	plan.names.host_safe = route->secure != 0;
	plan.names.no_tlsa = route->absent != 0;
	plan.required = route->bypass != 0 ? DEEP_LATCH_NONE : route->required;
	plan.tlsa = route->record_tlsa;
	plan.ntlsa = route->bypass != 0 ? 0 : route->ntlsa;
	plan.clear = clear != 0;
	plan.single = route->bypass != 0;
	route->clear = clear;
	if (!worker_enter(route->worker, route->domain)) {
		remember(route, RANK_BUSY, "451 4.3.2 too many sessions with %s, come again",
		    route->domain);
		return -1;
	}
	route->up = upstream_new(route->worker, &plan, route->domain, &up_calls, route);
	return route->up == NULL ? -1 : 0;
}

static void
next_address(struct route *route)
{
	while (route->next_address < route->naddress) {
		if (try_address(route, 0) == 0)
			return;
		route->next_address++;
	}
	route->at++;
	next_host(route);
}

static void
up_gone(void *arg, struct upstream *up, enum upstream_fault fault, const char *why,
    const struct smtp_reply *reply)
{
	struct route		*route = arg;
	struct smtp_reply	 theirs;
	char			 text[2048];
	int			 permanent = 0;

	route->up = NULL;
	switch (fault) {
	case FAULT_INJECTED:
	case FAULT_TLS:
		if (route->ntlsa > 0 && route->bypass == 0) {
			remember(route, RANK_DANE, "451 4.7.5 %s has TLSA records, but %s", up->host,
			    why);
			break;
		}
		if (route->keyed && route->bypass == 0 && route->required != DEEP_LATCH_NONE) {
			/* What was not offered any more cannot be told from what failed. */
			if (route->failed == DEEP_LATCH_NONE)
				snprintf(route->failed_host, sizeof(route->failed_host), "%s",
				    up->host);
			route->failed |= route->required;
			metric(METRIC_HOSTS_SKIPPED, 1);
			note(LOG_NOTICE, "%s: %s [%s]: %s", route->id, up->host, up->address, why);
			break;
		}
		if (fault == FAULT_INJECTED) {
			remember(route, RANK_TLS, "451 4.7.0 %s [%s]: %s", up->host, up->address, why);
			note(LOG_WARNING, "%s: %s [%s]: %s", route->id, up->host, up->address, why);
			break;
		}
		note(LOG_INFO, "%s: %s [%s]: %s; nothing is latched, once more in the clear",
		    route->id, up->host, up->address, why);
		if (try_address(route, 1) == 0)
			return;
		break;
	case FAULT_REFUSED:
		theirs = *reply;
		if (smtp_reply_emit(text, sizeof(text), &theirs, NULL) > 0 &&
		    strlen(text) < sizeof(text) - 1) {
			text[strcspn(text, "\r\n")] = '\0';
			permanent = reply->code / 100 == 5;
			remember(route, permanent ? RANK_PERMANENT : RANK_HOST,
			    "%d %c.4.0 %s said: %.400s", permanent ? 550 : 451,
			    permanent ? '5' : '4', up->host, text);
			break;
		}
		remember(route, RANK_HOST, "451 4.4.0 %s refused the session", up->host);
		break;
	case FAULT_LOOP:
		remember(route, RANK_PERMANENT, "554 5.4.6 mail for %s loops back to us: %s [%s] calls "
		    "itself %s", route->domain, up->host, up->address,
		    route->worker->settings->hostname);
		break;
	default:
		remember(route, RANK_HOST, "451 %s %s [%s]: %s", fault == FAULT_CONNECT ? "4.4.1" :
		    "4.4.2", up->host, up->address, why);
		break;
	}
	route->next_address++;
	next_address(route);
}

/* --- A host: its addresses, its TLSA records. */

static void
on_tlsa(void *arg, const struct dns_answer *found)
{
	struct route	*route = arg;
	const char	*host = route->host[route->at].host;
	size_t		 i;

	route->tlsa = NULL;
	if (found->status == DNS_FAULT) {
		/* A host whose records cannot be had cannot be had (RFC 7672 2.1.2). */
		remember(route, RANK_DNS, "451 4.4.3 TLSA records of %s: %s", host, found->why);
		route->at++;
		next_host(route);
		return;
	}
	if (found->status == DNS_FOUND && found->secure) {
		for (i = 0; i < found->n; i++) {
			struct dns_tlsa	*to = &route->record_tlsa[route->ntlsa];
			unsigned char	*data;

			*to = found->is.tlsa[i];
			if ((data = malloc(to->length > 0 ? to->length : 1)) == NULL)
				break;
			memcpy(data, found->is.tlsa[i].data, to->length);
			to->data = route->tlsa_data[route->ntlsa++] = data;
		}
	} else if (strcmp(route->base, host) != 0) {
		char	name[DEEP_DOMAIN_MAX + 16];

		/* None at the end of the CNAMEs: at their start (RFC 7672 2.2.3). */
		snprintf(route->base, sizeof(route->base), "%s", host);
		snprintf(name, sizeof(name), "_%d._tcp.%s", (int)route->worker->settings->port, host);
		route->tlsa = dns_ask(route->worker->dns, name, DNS_TLSA, on_tlsa, route);
		if (route->tlsa != NULL)
			return;
		route->at++;
		next_host(route);
		return;
	} else
		route->absent = found->secure && found->status != DNS_FOUND;
	next_address(route);
}

static void
ask_tlsa(struct route *route)
{
	char	name[DEEP_DOMAIN_MAX + 16];

	snprintf(name, sizeof(name), "_%d._tcp.%s", (int)route->worker->settings->port, route->base);
	route->tlsa = dns_ask(route->worker->dns, name, DNS_TLSA, on_tlsa, route);
	if (route->tlsa == NULL) {
		remember(route, RANK_DNS, "451 4.4.3 TLSA records of %s cannot be asked for",
		    route->base);
		route->at++;
		next_host(route);
	}
}

/* Whether the host's own name, an alias of one without DNSSEC, is in a signed zone. */
static void
on_cname(void *arg, const struct dns_answer *found)
{
	struct route	*route = arg;

	route->cname = NULL;
	if (found->status == DNS_FAULT) {
		remember(route, RANK_DNS, "451 4.4.3 CNAME of %s: %s", route->base, found->why);
		route->at++;
		next_host(route);
	} else if (found->status == DNS_FOUND && found->secure)
		ask_tlsa(route);
	else
		next_address(route);
}

/*
 * Addresses without DNSSEC, behind an alias that may have it: TLSA records can then
 * stand at the alias, and nowhere else (RFC 7672 2.2.2).
 */
static void
ask_cname(struct route *route)
{
	const char	*host = route->host[route->at].host;

	if (strcmp(route->base, host) == 0) {
		next_address(route);		/* it is no alias */
		return;
	}
	snprintf(route->base, sizeof(route->base), "%s", host);
	route->cname = dns_ask(route->worker->dns, host, DNS_CNAME, on_cname, route);
	if (route->cname == NULL) {
		remember(route, RANK_DNS, "451 4.4.3 CNAME of %s cannot be asked for", host);
		route->at++;
		next_host(route);
	}
}

static void
on_addresses(struct route *route, const struct dns_answer *found, int is_six)
{
	const char	*host = route->host[route->at].host;
	size_t		 i, n;

	if (found->status == DNS_FAULT) {
		route->host_fault = 1;
		remember(route, RANK_DNS, "451 4.4.3 address of %s: %s", host, found->why);
	}
	if (!found->secure)
		route->host_secure = 0;
	if (found->status == DNS_FOUND) {
		if (found->name[0] != '\0')
			snprintf(route->base, sizeof(route->base), "%s", found->name);
		n = found->n;
		if (n > ADDRESS_TRY_MAX - route->naddress)
			n = ADDRESS_TRY_MAX - route->naddress;
		/* IPv6 before IPv4, whichever answer was first. */
		if (is_six) {
			memmove(route->address + n, route->address,
			    route->naddress * sizeof(route->address[0]));
			memcpy(route->address, found->is.address, n * sizeof(route->address[0]));
		} else {
			for (i = 0; i < n; i++)
				route->address[route->naddress + i] = found->is.address[i];
		}
		route->naddress += n;
	}
	if (--route->asked > 0)
		return;
	if (route->naddress == 0) {
		if (!route->host_fault)
			remember(route, RANK_PERMANENT, route->implicit ?
			    "550 5.1.2 %s has no host that takes mail" :
			    "550 5.4.4 %s has no address", host);
		route->at++;
		next_host(route);
		return;
	}
	if (!route->secure || route->literal)
		next_address(route);
	else if (route->host_secure)
		ask_tlsa(route);
	else
		ask_cname(route);
}

static void
on_four(void *arg, const struct dns_answer *found)
{
	struct route	*route = arg;

	route->four = NULL;
	on_addresses(route, found, 0);
}

static void
on_six(void *arg, const struct dns_answer *found)
{
	struct route	*route = arg;

	route->six = NULL;
	on_addresses(route, found, 1);
}

static void
next_host(struct route *route)
{
	static const struct dns_answer	 none = { .status = DNS_FAULT, .why = "cannot be asked" };
	const struct settings		*settings = route->worker->settings;
	const char			*host;

	free_tlsa(route);
	route->naddress = route->next_address = 0;
	route->absent = 0;
	route->host_fault = 0;
	route->host_secure = 1;
	if (route->at >= route->nhost) {
		give_up(route);
		return;
	}
	host = route->host[route->at].host;
	snprintf(route->base, sizeof(route->base), "%s", host);
	route->asked = settings->inet == INET_BOTH ? 2 : 1;
	/* on_addresses() for the last of them may free the route. */
	if (settings->inet != INET_4 && (route->six = dns_ask(route->worker->dns, host, DNS_AAAA,
	    on_six, route)) == NULL) {
		on_addresses(route, &none, 1);
		if (settings->inet == INET_6)
			return;
	}
	if (settings->inet != INET_6 && (route->four = dns_ask(route->worker->dns, host, DNS_A,
	    on_four, route)) == NULL)
		on_addresses(route, &none, 0);
}

/* --- The hosts of the domain. */

/*
 * What is as far as we are, or farther, would give it back to us (RFC 5321
 * 5.1).
 */
static int
drop_ourselves(struct route *route)
{
	size_t	i, j;

	for (i = 0; i < route->nhost; i++) {
		if (strcmp(route->host[i].host, route->worker->settings->hostname) == 0)
			break;
	}
	if (i == route->nhost)
		return 0;
	for (j = 0; j < route->nhost &&
	    route->host[j].preference < route->host[i].preference; j++)
		;
	route->nhost = j;
	return 1;
}

static void
on_mx(void *arg, const struct dns_answer *found)
{
	struct route	*route = arg;
	char		 reply[REPLY_LINE_MAX];

	route->mx = NULL;
	route->secure = found->secure != 0;
	switch (found->status) {
	case DNS_FAULT:
		snprintf(reply, sizeof(reply), "451 4.4.3 MX of %s: %.200s", route->domain,
		    found->why);
		answer(route, reply, 0);
		return;
	case DNS_NXDOMAIN:
		snprintf(reply, sizeof(reply), "550 5.1.2 there is no domain %s", route->domain);
		answer(route, reply, 0);
		return;
	case DNS_NODATA:
		route->implicit = 1;
		route->nhost = 1;
		snprintf(route->host[0].host, sizeof(route->host[0].host), "%s", route->domain);
		break;
	case DNS_FOUND:
		if (found->null_mx) {
			snprintf(reply, sizeof(reply), "556 5.1.10 %s takes no mail (null MX)",
			    route->domain);
			answer(route, reply, 0);
			return;
		}
		memcpy(route->host, found->is.mx, found->n * sizeof(route->host[0]));
		route->nhost = found->n;
		break;
	}
	if (drop_ourselves(route) && route->nhost == 0) {
		snprintf(reply, sizeof(reply), "554 5.4.6 mail for %s loops back to us: we are its MX",
		    route->domain);
		answer(route, reply, 0);
		return;
	}
	next_host(route);
}

/* "[192.0.2.1]" and "[IPv6:2001:db8::1]"; 0: not one of these. */
static int
read_literal(struct route *route)
{
	struct sockaddr_in	*four = (struct sockaddr_in *)&route->address[0];
	struct sockaddr_in6	*six = (struct sockaddr_in6 *)&route->address[0];
	char			 text[64];
	size_t			 n = strlen(route->domain);

	if (n < 3 || n > sizeof(text) || route->domain[n - 1] != ']')
		return 0;
	memcpy(text, route->domain + 1, n - 2);
	text[n - 2] = '\0';
	memset(&route->address[0], 0, sizeof(route->address[0]));
	if (deep_is((struct deep_str){ text, n < 7 ? 0 : 5 }, "IPv6:")) {
		six->sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, text + 5, &six->sin6_addr) != 1)
			return 0;
	} else {
		four->sin_family = AF_INET;
		if (inet_pton(AF_INET, text, &four->sin_addr) != 1)
			return 0;
	}
	route->naddress = 1;
	route->nhost = 1;
	snprintf(route->host[0].host, sizeof(route->host[0].host), "%s", text);
	route->base[0] = '\0';
	return 1;
}

/* Whether a kept session has what is latched by now; TLSA records and certificate are
 * those of its start, which is not long ago ([relay] life). */
static int
still_meets(const struct upstream *up, const struct deep_record *record)
{
	struct deep_decision	decision;

	if (!up->has_key)
		return 1;
	deep_policy_decide(&up->policy, record, &up->session, 0, &decision);
	return decision.failed == DEEP_LATCH_NONE;
}

struct upstream *
route_kept(struct worker *worker, const char *domain)
{
	struct upstream			*up = upstream_kept(worker, domain);
	const struct deep_record	*record = NULL;

	if (up == NULL || (up->has_key &&
	    (record = latch_known(worker->latch, &up->key)) == NULL) || !still_meets(up, record))
		return NULL;
	upstream_take(up, &up_calls, NULL);
	return up;
}

static void
go(struct route *route)
{
	const struct settings	*settings = route->worker->settings;
	struct upstream		*up;

	/* A session that is there already, if it still has what is latched now. */
	while (route->bypass == 0 && (up = upstream_kept(route->worker, route->domain)) != NULL) {
		upstream_take(up, &up_calls, route);
		if (still_meets(up, route->record)) {
			route->over = 1;
			route->calls->ready(route->owner, up);
			return;
		}
		upstream_free(up);
	}
	if (route->literal) {
		if (read_literal(route))
			next_address(route);
		else
			answer(route, "550 5.1.2 not an address literal that we know", 0);
		return;
	}
	if (settings->next_hop[0] != '\0') {
		route->nhost = 1;
		snprintf(route->host[0].host, sizeof(route->host[0].host), "%s", settings->next_hop);
		route->secure = 1;
		next_host(route);
		return;
	}
	route->mx = dns_ask(route->worker->dns, route->domain, DNS_MX, on_mx, route);
	if (route->mx == NULL)
		answer(route, "451 4.4.3 the DNS cannot be asked", 0);
}

static void
on_latches(void *arg, const struct latch_answer *found)
{
	struct route	*route = arg;

	route->store = NULL;
	if (found->status != DEEP_YES && found->status != DEEP_NO) {
		metric(METRIC_STORE_FAULTS, 1);
		note_event("alarm", &route->key, deep_str(""), deep_str(route->id), DEEP_LATCH_NONE,
		    found->error);
		answer(route, "451 4.3.0 the latch store cannot be read, see the log", 0);
		return;
	}
	*route->record = *found->record;
	route->required = deep_policy_required(&route->policy, route->record, route->bypass);
	go(route);
}

/* The first step is taken from the loop, so that nothing is called back from here. */
static void
on_start(evutil_socket_t fd, short what, void *arg)
{
	struct route		*route = arg;
	struct timeval		 tv = { (time_t)route->worker->settings->route_timeout, 0 };
	struct event_base	*base = route->worker->base;
	const struct deep_record *known;

	(void)fd;
	(void)what;
	event_free(route->deadline);
	route->deadline = event_new(base, -1, 0, on_deadline, route);
	if (route->deadline == NULL || event_add(route->deadline, &tv) == -1) {
		answer(route, "451 4.3.0 no memory", 0);
		return;
	}
	if (!route->keyed) {
		go(route);
		return;
	}
	if ((known = latch_known(route->worker->latch, &route->key)) != NULL) {
		*route->record = *known;
		route->required = deep_policy_required(&route->policy, route->record, route->bypass);
		go(route);
		return;
	}
	route->store = latch_get(route->worker->latch, &route->key, on_latches, route);
	if (route->store == NULL) {
		static const struct latch_answer	none = {
			.status = DEEP_FAIL, .error = "the store's process is gone"
		};

		on_latches(route, &none);
	}
}

struct route *
route_new(struct worker *worker, const char *domain, int literal, unsigned bypass, const char *id,
    const struct route_calls *calls, void *owner)
{
	const struct settings	*settings = worker->settings;
	struct route		*route = calloc(1, sizeof(*route));
	struct timeval		 now = { 0, 0 };
	enum deep_status	 keyed;

	if (route == NULL || (route->record = calloc(1, sizeof(*route->record))) == NULL ||
	    (route->deadline = event_new(worker->base, -1, 0, on_start, route)) == NULL ||
	    event_add(route->deadline, &now) == -1) {
		route_free(route);
		return NULL;
	}
	route->worker = worker;
	route->calls = calls;
	route->owner = owner;
	route->literal = literal != 0;
	snprintf(route->id, sizeof(route->id), "%s", id);
	snprintf(route->domain, sizeof(route->domain), "%s", domain);
	if (settings->next_hop[0] != '\0')
		keyed = deep_key_host(&route->key, DEEP_RELAY, settings->config,
		    deep_str(settings->next_hop));
	else
		keyed = literal ? DEEP_NO : deep_key(&route->key, DEEP_RELAY, deep_str(domain));
	route->keyed = keyed == DEEP_YES;
	deep_policy_of(&route->policy, settings->config, route->keyed ? route->key.name : "");
	/* What the administrator does not honour is not asked for. */
	route->bypass = bypass & route->policy.honoured;
	return route;
}
