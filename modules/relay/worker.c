/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * worker.c - a worker process: one event loop, its own resolver, TLS contexts,
 * sessions and counters, and nothing that another worker could touch.
 *
 * SIGTERM drains it: it listens no more, transactions under way end, and it is
 * gone when the last client is, or when [relay] drain is over.
 */
#include <sys/prctl.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

int64_t
worker_now(void)
{
	struct timespec	t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) == -1)
		return 0;
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
worker_id(struct worker *worker, char id[32])
{
	snprintf(id, 32, "%08" PRIx64 "%05x%06" PRIx64, (uint64_t)time(NULL),
	    (unsigned)note_pid() & 0xfffffu, ++worker->serial & 0xffffffu);
}

void
worker_rest(struct worker *worker)
{
	if (worker->draining && worker->clients == NULL) {
		upstream_drop_idle(worker);
		event_base_loopexit(worker->base, NULL);
	}
}

/* --- Sessions towards each domain, counted. */

struct counted {
	struct counted	*next;
	int64_t		 n;
	char		 domain[];
};

static struct counted **
find(struct worker *worker, const char *domain)
{
	struct counted	**at;
	unsigned	 hash = 5381;
	const char	*p;

	for (p = domain; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	at = &worker->counted[hash % (sizeof(worker->counted) / sizeof(worker->counted[0]))];
	while (*at != NULL && strcmp((*at)->domain, domain) != 0)
		at = &(*at)->next;
	return at;
}

int
worker_enter(struct worker *worker, const char *domain)
{
	struct counted	**at = find(worker, domain);
	size_t		  n = strlen(domain) + 1;

	if (*at == NULL) {
		if ((*at = calloc(1, sizeof(**at) + n)) == NULL)
			return 0;
		memcpy((*at)->domain, domain, n);
	}
	if ((*at)->n >= worker->settings->domain_sessions)
		return 0;
	(*at)->n++;
	return 1;
}

void
worker_leave(struct worker *worker, const char *domain)
{
	struct counted	**at = find(worker, domain), *one = *at;

	if (one != NULL && --one->n == 0) {
		*at = one->next;
		free(one);
	}
}

/* --- Connections. */

/* One connection in a turn of the loop: the other workers have a share in a burst. */
static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	static const char	 full[] = "421 4.3.2 too many sessions, come again\r\n";
	struct worker		*worker = arg;
	const struct listener	*listener = NULL;
	struct sockaddr_storage	 peer;
	socklen_t		 size = sizeof(peer);
	size_t			 i;
	int			 new;

	(void)what;
	for (i = 0; i < worker->listeners->n; i++) {
		if (worker->listeners->is[i].fd == fd)
			listener = &worker->listeners->is[i];
	}
	memset(&peer, 0, sizeof(peer));
	new = accept4(fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (new == -1)
		return;			/* another worker was first */
	if (listener == NULL || !listen_allowed(listener, new, (struct sockaddr *)&peer,
	    worker->settings->allow)) {
		metric(METRIC_REFUSED_PEERS, 1);
		note(LOG_WARNING, "a peer that is not allowed was sent away");
		close(new);
	} else if (worker->nclients >= (size_t)worker->settings->sessions) {
		(void)!send(new, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(new);
	} else
		client_new(worker, new, (struct sockaddr *)&peer);
}

static void
on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*worker = arg;

	(void)fd;
	(void)what;
	note(LOG_WARNING, "%zu sessions were not over in time", worker->nclients);
	event_base_loopbreak(worker->base);
}

static void
on_term(evutil_socket_t fd, short what, void *arg)
{
	struct worker	*worker = arg;
	struct timeval	 tv = { (time_t)worker->settings->drain, 0 };
	size_t		 i;

	(void)fd;
	(void)what;
	if (worker->draining)
		return;
	worker->draining = 1;
	for (i = 0; i < worker->naccepts; i++)
		event_del(worker->accepts[i]);
	note(LOG_INFO, "a worker listens no more, and ends after %zu sessions", worker->nclients);
	event_add(worker->drain, &tv);
	client_drain(worker);
	worker_rest(worker);
}

static void
give_up(int status, const char *why)
{
	note(LOG_ERR, "%s", why);
	_exit(status);
}

void
worker_run(const struct settings *settings, const struct listeners *listeners, int keeper)
{
	static struct worker	worker;
	char			why[256] = "no memory";
	size_t			i;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	worker.settings = settings;
	worker.listeners = listeners;
	if ((worker.base = event_base_new()) == NULL)
		give_up(EX_OSERR, why);
	worker.term = evsignal_new(worker.base, SIGTERM, on_term, &worker);
	worker.drain = event_new(worker.base, -1, 0, on_drained, &worker);
	worker.latch = latch_new(worker.base, keeper, settings);
	if (worker.term == NULL || worker.drain == NULL || worker.latch == NULL ||
	    event_add(worker.term, NULL) == -1)
		give_up(EX_OSERR, why);
	if ((worker.out = verify_client(settings, why)) == NULL ||
	    (settings->certificate[0] != '\0' &&
	    (worker.in = verify_server(settings, why)) == NULL) ||
	    (worker.dns = dns_new(worker.base, settings, why)) == NULL)
		give_up(EX_CONFIG, why);
	sandbox_close(settings, 0);
	for (i = 0; i < listeners->n &&
	    i < sizeof(worker.accepts) / sizeof(worker.accepts[0]); i++) {
		worker.accepts[i] = event_new(worker.base, listeners->is[i].fd,
		    EV_READ | EV_PERSIST, on_accept, &worker);
		if (worker.accepts[i] == NULL || event_add(worker.accepts[i], NULL) == -1)
			give_up(EX_OSERR, why);
		worker.naccepts++;
	}
	note_gather();
	do {
		if (event_base_loop(worker.base, EVLOOP_ONCE) != 0)
			break;
		note_flush();
	} while (!event_base_got_exit(worker.base) && !event_base_got_break(worker.base));
	client_free_all(&worker);
	upstream_drop_idle(&worker);
	dns_free(worker.dns);
	latch_free(worker.latch);
	SSL_CTX_free(worker.out);
	SSL_CTX_free(worker.in);
	note_flush();
	exit(0);
}
