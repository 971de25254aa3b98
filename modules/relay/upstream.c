/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * upstream.c - one SMTP session with a host: connect, greeting, EHLO,
 * STARTTLS, EHLO again, then commands and replies in order (RFC 5321,
 * RFC 2920, RFC 3207), and a store of idle sessions for the next transaction.
 *
 * It knows no latch: whether a session may be used is route.c's to say, before
 * any MAIL.  What stands behind the 220 to STARTTLS in the clear ends the
 * session, and nothing that was said before TLS is remembered.
 *
 * A session has one owner at a time: who made it, whom it was handed to, or the
 * list of idle ones.  The owner gives it up with upstream_free() or
 * upstream_keep(), also from inside a call of ours; or it ends by itself, gone()
 * is called, and it is nobody's.  Where the loop is in a function of this file
 * (busy) its memory stays until that function leaves.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <syslog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "relay.h"

/* Milliseconds, RFC 5321 4.5.3.2. */
static const int64_t	patience[] = {
	[FOR_GREETING] = 300000, [FOR_EHLO] = 300000, [FOR_HELO] = 300000,
	[FOR_STARTTLS] = 120000, [FOR_MAIL] = 300000, [FOR_RCPT] = 300000,
	[FOR_DATA] = 120000, [FOR_TEXT] = 600000, [FOR_RSET] = 60000, [FOR_QUIT] = 60000
};
#define HANDSHAKE_MS	60000

static void on_readable(void *);
static void on_drained(void *);
static void on_secured(void *);
static void on_gone(void *, const char *);

static const struct io_calls	calls = { on_readable, on_drained, on_secured, on_gone };

static void
release(struct upstream *up)
{
	if (up->busy) {
		up->dead = 1;
		return;
	}
	worker_leave(up->worker, up->domain);
	metric(METRIC_UPSTREAMS_NOW, -1);
	if (up->rest != NULL)
		event_free(up->rest);
	free(up);
}

/* Leaves the loop's call; 0: it is gone. */
static int
leave(struct upstream *up)
{
	up->busy = 0;
	if (!up->dead)
		return 1;
	release(up);
	return 0;
}

static void
hang_up(struct upstream *up)
{
	if (up->io != NULL) {
		if (up->greeted && !up->in_text && !up->io->over && !up->io->handshaking &&
		    !up->io->connecting) {
			io_text(up->io, "QUIT\r\n");
			io_finish(up->io);
		} else
			io_free(up->io);	/* never a "." for half a text */
		up->io = NULL;
	}
	up->calls = NULL;
}

void
upstream_free(struct upstream *up)
{
	if (up == NULL || up->dead)
		return;
	hang_up(up);
	release(up);
}

/* The end of a session, told once to its owner, in a call of the loop: leave() releases. */
static void
fail(struct upstream *up, enum upstream_fault fault, const char *why,
    const struct smtp_reply *reply)
{
	const struct upstream_calls	*owner = up->calls;

	if (up->dead || owner == NULL)
		return;
	up->calls = NULL;
	owner->gone(up->owner, up, fault, why, reply);
	if (up->dead)
		return;
	up->in_text |= fault == FAULT_INJECTED;	/* nothing more is said to this one */
	hang_up(up);
	up->dead = 1;
}

static void
set_timer(struct upstream *up)
{
	if (up->waiting > 0)
		io_timeout(up->io, patience[up->wait[up->first]]);
	else
		io_timeout(up->io, 0);
}

int
upstream_room(const struct upstream *up)
{
	return PIPELINE_MAX - (int)up->waiting;
}

static void
expect(struct upstream *up, enum upstream_for what)
{
	up->wait[(up->first + up->waiting++) % PIPELINE_MAX] = (unsigned char)what;
	set_timer(up);
}

void
upstream_say(struct upstream *up, enum upstream_for what, const char *line)
{
	if (up->io == NULL || up->waiting >= PIPELINE_MAX)
		return;
	io_text(up->io, line);
	expect(up, what);		/* it is sent with what follows it */
}

static void
greet(struct upstream *up, enum upstream_for what)
{
	char	line[DEEP_DOMAIN_MAX + 16];

	snprintf(line, sizeof(line), "%s %s\r\n", what == FOR_EHLO ? "EHLO" : "HELO",
	    up->worker->settings->hostname);
	upstream_say(up, what, line);
}

struct upstream *
upstream_new(struct worker *worker, const struct upstream_plan *plan, const char *domain,
    const struct upstream_calls *owner_calls, void *owner)
{
	struct upstream			*up = calloc(1, sizeof(*up));
	const struct sockaddr_in	*four = (const struct sockaddr_in *)&plan->address;
	const struct sockaddr_in6	*six = (const struct sockaddr_in6 *)&plan->address;
	int				 is_six = plan->address.ss_family == AF_INET6;

	if (up == NULL) {
		worker_leave(worker, domain);
		return NULL;
	}
	up->worker = worker;
	up->calls = owner_calls;
	up->owner = owner;
	snprintf(up->host, sizeof(up->host), "%s", plan->host);
	snprintf(up->domain, sizeof(up->domain), "%s", domain);
	if (inet_ntop(plan->address.ss_family, is_six ? (const void *)&six->sin6_addr :
	    (const void *)&four->sin_addr, up->address, sizeof(up->address)) == NULL)
		up->address[0] = '\0';
	up->names = plan->names;
	up->required = plan->required;
	up->tlsa = plan->tlsa;
	up->ntlsa = plan->ntlsa;
	up->clear = plan->clear;
	up->single = plan->single;
	up->until = worker_now() + worker->settings->life * 1000;
	snprintf(up->words, sizeof(up->words), "clear");
	up->io = io_connect(worker->base, (const struct sockaddr *)&plan->address,
	    is_six ? sizeof(*six) : sizeof(*four), &calls, up);
	if (up->io == NULL) {
		worker_leave(worker, domain);
		free(up);
		return NULL;
	}
	io_timeout(up->io, worker->settings->connect_timeout * 1000);
	metric(METRIC_UPSTREAMS, 1);
	metric(METRIC_UPSTREAMS_NOW, 1);
	return up;
}

static void
be_ready(struct upstream *up)
{
	io_timeout(up->io, 0);
	up->ready = 1;
	up->tlsa = NULL;
	up->ntlsa = 0;
	up->calls->ready(up->owner, up);
}

static void
describe(struct upstream *up)
{
	const SSL_CIPHER	*cipher = SSL_get_current_cipher(up->io->ssl);
	long			 nid = SSL_get_negotiated_group(up->io->ssl);
	const char		*group = nid > 0 ? SSL_group_to_name(up->io->ssl, (int)nid) : NULL;
	const char		*suite = cipher == NULL ? NULL : SSL_CIPHER_standard_name(cipher);

	snprintf(up->words, sizeof(up->words), "%s:%s%s%s", SSL_get_version(up->io->ssl),
	    suite == NULL ? "unknown" : suite, group == NULL ? "" : ":",
	    group == NULL ? "" : group);
}

static void
on_secured(void *arg)
{
	struct upstream	*up = arg;

	up->busy = 1;
	if (up->io->ssl == NULL)
		expect(up, FOR_GREETING);
	else {
		verify_facts(up->io->ssl, &up->names, &up->session, up->matched);
		describe(up);
		up->offers = 0;
		metric(METRIC_TLS, 1);
		greet(up, FOR_EHLO);
		io_flush(up->io);
	}
	leave(up);
}

static void
start_tls(struct upstream *up)
{
	struct ssl_st	*ssl;

	if (evbuffer_get_length(up->io->in) > 0) {
		metric(METRIC_INJECTIONS, 1);
		fail(up, FAULT_INJECTED, "octets behind the reply to STARTTLS: "
		    "somebody speaks between us and the host", NULL);
		return;
	}
	ssl = verify_new(up->worker->out, &up->names, up->required, up->tlsa, up->ntlsa,
	    &up->usable);
	if (ssl == NULL || io_secure(up->io, ssl, 0) == -1) {
		fail(up, FAULT_TLS, "TLS cannot be set up", NULL);
		return;
	}
	io_timeout(up->io, HANDSHAKE_MS);
}

/* What the start of a session goes through; the rest is the owner's. */
static void
on_start(struct upstream *up, enum upstream_for what, const struct smtp_reply *reply)
{
	struct deep_str	name;

	switch (what) {
	case FOR_GREETING:
		up->greeted = 1;
		if (reply->code / 100 != 2)
			fail(up, FAULT_REFUSED, "the host's greeting", reply);
		else
			greet(up, FOR_EHLO);
		return;
	case FOR_EHLO:
		if (reply->code / 100 == 5 && up->io->ssl == NULL) {
			greet(up, FOR_HELO);
			return;
		}
		/* FALLTHROUGH */
	case FOR_HELO:
		if (reply->code / 100 != 2) {
			fail(up, FAULT_REFUSED, "the host's answer to EHLO", reply);
			return;
		}
		up->offers = smtp_offers(reply, &name);
		if (what == FOR_HELO)
			up->offers = 0;
		if (deep_is(name, up->worker->settings->hostname)) {
			fail(up, FAULT_LOOP, "the host calls itself by our name", NULL);
			return;
		}
		if (up->io->ssl == NULL && !up->clear && up->offers & SMTP_HAS_STARTTLS)
			upstream_say(up, FOR_STARTTLS, "STARTTLS\r\n");
		else
			be_ready(up);
		return;
	case FOR_STARTTLS:
		if (reply->code == 220)
			start_tls(up);
		else
			be_ready(up);
		return;
	default:
		return;
	}
}

/* One reply too many would make all behind it those of something else. */
static int
fits(enum upstream_for what, int code)
{
	return code >= 400 || (what == FOR_DATA ? code == 354 : code < 300);
}

static void
on_readable(void *arg)
{
	struct upstream		*up = arg;
	struct smtp_reply	 reply;
	struct deep_str		 rest;
	enum deep_status	 answer;
	enum upstream_for	 what;
	size_t			 before;
	int			 early;

	up->busy = 1;
	while (!up->dead && up->io != NULL && (before = evbuffer_get_length(up->io->in)) > 0) {
		/* Its buffers outlive the calls below, even where they free it. */
		struct evbuffer	*in = up->io->in;
		struct deep_str	 whole;
		char		 copy[REPLY_MAX];

		whole.p = (const char *)evbuffer_pullup(in, before > REPLY_MAX ?
		    REPLY_MAX : (ev_ssize_t)before);
		whole.n = before > REPLY_MAX ? REPLY_MAX : before;
		rest = whole;
		answer = smtp_reply_next(&rest, &reply);
		if (answer == DEEP_NO && before < REPLY_MAX)
			break;
		if (answer != DEEP_YES) {
			fail(up, FAULT_PROTOCOL, "what the host says is no SMTP reply", NULL);
			break;
		}
		/* The slices move to a copy: the buffer has to be empty for STARTTLS. */
		memcpy(copy, reply.text.p, reply.text.n);
		if (reply.status.p != NULL)
			reply.status.p = copy + (reply.status.p - reply.text.p);
		reply.text.p = copy;
		evbuffer_drain(in, whole.n - rest.n);
		early = up->waiting == 0;
		if (early && (!up->in_text || !up->ready)) {
			fail(up, FAULT_CLOSED, "the host ended the session", &reply);
			break;
		}
		if (early) {
			up->dirty = 1;		/* it did not wait for the end of the text */
			what = FOR_TEXT;
		} else {
			what = up->wait[up->first];
			up->first = (up->first + 1) % PIPELINE_MAX;
			up->waiting--;
		}
		if (up->ready && !fits(what, reply.code)) {
			fail(up, FAULT_PROTOCOL, "a reply that does not fit what was said", NULL);
			break;
		}
		if (reply.code == 421)
			up->dirty = 1;
		if (what == FOR_TEXT)
			up->in_text = up->dirty;
		set_timer(up);
		if (!up->ready)
			on_start(up, what, &reply);
		else if (up->calls != NULL)
			up->calls->reply(up->owner, up, what, &reply);
	}
	if (leave(up) && up->io != NULL) {
		io_flush(up->io);
		io_pause(up->io, 0);
	}
}

static void
on_drained(void *arg)
{
	struct upstream	*up = arg;

	if (up->calls == NULL || !up->ready)
		return;
	up->busy = 1;
	set_timer(up);
	up->calls->drained(up->owner, up);
	leave(up);
}

static void
on_gone(void *arg, const char *why)
{
	struct upstream		*up = arg;
	enum upstream_fault	 fault = FAULT_CLOSED;

	up->busy = 1;
	if (up->io->connecting)
		fault = FAULT_CONNECT;
	else if (up->io->handshaking)
		fault = FAULT_TLS;
	else if (why != NULL && strcmp(why, "timed out") == 0)
		fault = FAULT_TIMEOUT;
	if (fault == FAULT_TLS)
		metric(METRIC_TLS_FAULTS, 1);
	fail(up, fault, why == NULL ? "the host closed the connection" : why, NULL);
	leave(up);
}

/* --- Idle sessions. */

static void
unlink_idle(struct upstream *up)
{
	struct upstream	**at;

	for (at = &up->worker->idle; *at != NULL; at = &(*at)->next) {
		if (*at == up) {
			*at = up->next;
			up->next = NULL;
			up->worker->nidle--;
			return;
		}
	}
}

static void
idle_ready(void *arg, struct upstream *up)
{
	(void)arg;
	(void)up;
}

static void
idle_reply(void *arg, struct upstream *up, enum upstream_for what, const struct smtp_reply *reply)
{
	(void)arg;
	if (what == FOR_RSET && reply->code / 100 == 2)
		return;
	unlink_idle(up);
	upstream_free(up);
}

static void
idle_drained(void *arg, struct upstream *up)
{
	(void)arg;
	(void)up;
}

static void
idle_gone(void *arg, struct upstream *up, enum upstream_fault fault, const char *why,
    const struct smtp_reply *reply)
{
	(void)arg;
	(void)fault;
	(void)why;
	(void)reply;
	unlink_idle(up);
}

static const struct upstream_calls	idle_calls = {
	idle_ready, idle_reply, idle_drained, idle_gone
};

/* It is left as any other is, with QUIT (RFC 5321 4.1.1.10). */
static void
on_rested(evutil_socket_t fd, short what, void *arg)
{
	struct upstream	*up = arg;

	(void)fd;
	(void)what;
	unlink_idle(up);
	upstream_free(up);
}

/* 0: it cannot be told when it has been idle for long enough. */
static int
let_rest(struct upstream *up)
{
	const struct timeval	tv = { (time_t)up->worker->settings->keep, 0 };

	if (up->rest == NULL)
		up->rest = event_new(up->worker->base, -1, 0, on_rested, up);
	return up->rest != NULL && event_add(up->rest, &tv) == 0;
}

void
upstream_keep(struct upstream *up)
{
	struct worker	*worker;
	struct upstream	*oldest;
	unsigned	 i;
	int		 good;

	if (up == NULL || up->dead)
		return;
	worker = up->worker;
	good = up->ready && !up->single && !up->in_text && !up->dirty && up->io != NULL &&
	    !up->io->over && worker_now() < up->until &&
	    !worker->draining && worker->settings->keep > 0 && worker->settings->kept > 0;
	for (i = 0; i < up->waiting; i++)
		good = good && up->wait[(up->first + i) % PIPELINE_MAX] == FOR_RSET;
	if (!good || !let_rest(up)) {
		upstream_free(up);
		return;
	}
	io_flush(up->io);
	up->calls = &idle_calls;
	up->owner = NULL;
	up->next = worker->idle;
	worker->idle = up;
	worker->nidle++;
	if (worker->nidle > (size_t)worker->settings->kept) {
		for (oldest = worker->idle; oldest->next != NULL; oldest = oldest->next)
			;
		unlink_idle(oldest);
		upstream_free(oldest);
	}
}

struct upstream *
upstream_kept(struct worker *worker, const char *domain)
{
	struct upstream	*up = worker->idle;

	/* One whose RSET is not answered yet takes more only where commands may be ahead. */
	while (up != NULL && (up->io->over || strcmp(up->domain, domain) != 0 ||
	    (up->waiting > 0 && !(up->offers & SMTP_HAS_PIPELINING))))
		up = up->next;
	return up;
}

void
upstream_take(struct upstream *up, const struct upstream_calls *owner_calls, void *owner)
{
	unlink_idle(up);
	event_del(up->rest);
	up->calls = owner_calls;
	up->owner = owner;
	set_timer(up);
	metric(METRIC_REUSED, 1);
}

void
upstream_drop_idle(struct worker *worker)
{
	struct upstream	*up;

	while ((up = worker->idle) != NULL) {
		worker->idle = up->next;
		up->next = NULL;
		worker->nidle--;
		upstream_free(up);
	}
}
