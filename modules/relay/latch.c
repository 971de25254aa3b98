/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * latch.c - the latch store, in a process of its own (the keeper), asked over a
 * socket pair: a store that is locked, slow or gone stops nobody's session, and
 * a worker that is broken into has no file of it open.
 *
 * What is not answered in time is "cannot be read", never "nothing is known"
 * (FACTS: defer and alarm).  What a session showed waits where the socket is full, and
 * is not lost without a word: the keeper ends behind its worker, not before it.
 */
#include <sys/socket.h>

#include <event2/event.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "relay.h"

#define REOPEN_MS	1000		/* between two attempts to open the store */
#define KNOWN_MS	1000		/* that an answer is good for */
#define KNOWN_MAX	64		/* answers that are remembered */
#define LATER_MAX	1024		/* packets that wait for room in the socket, some 2 KB each */
#define LAST_MS		10000		/* that a process takes to get rid of what waits at its end */

enum ask_kind { ASK_GET, ASK_LEARN, ASK_LOG };

/* One packet each way. */
struct ask {
	uint64_t		number;
	int64_t			deadline;	/* monotonic, milliseconds */
	enum ask_kind		kind;
	struct deep_key		key;
	struct deep_session	session;	/* its suite by code */
	int32_t			suite;		/* -1: none */
	int64_t			now;
	deep_latches		latches;
	char			host[DEEP_DOMAIN_MAX + 1];
	char			event[16];
	char			text[512];
};
struct told {
	uint64_t		number;
	uint64_t		learnt;		/* LEARNs that the keeper is done with so far */
	enum deep_status	status;
	char			error[256];
	unsigned char		record[offsetof(struct deep_record, host)];
};

struct latch_query {
	struct latch		*latch;
	struct deep_key		 key;
	struct latch_query	*next;
	uint64_t		 number;
	latch_call		*call;
	void			*arg;
	struct event		*timer;
};

/* An answer of a moment ago: a busy domain is not asked for with each message. */
struct known {
	struct deep_key		key;
	int64_t			until;		/* 0: none */
	unsigned char		record[offsetof(struct deep_record, host)];
};

struct later {
	struct later		*next;
	struct ask		 ask;
};

struct latch {
	struct known		 known[KNOWN_MAX];
	struct later		*later, **later_end;	/* what is not in the socket yet, in order */
	size_t			 nlater;
	uint64_t		 sent, learnt;	/* LEARNs, and of them what the keeper is done with */
	struct event_base	*base;
	const struct settings	*settings;
	struct event		*reader, *writer;
	struct latch_query	*queries;
	struct deep_record	*record;	/* of the answer that is told */
	uint64_t		 number;
	int			 fd, dead;
};

/* --- The keeper. */

static void
open_store(struct deep_store **store, const struct settings *settings, int64_t *tried)
{
	if (*store != NULL || worker_now() < *tried + REOPEN_MS)
		return;
	*tried = worker_now();
	if ((*store = deep_store_new()) == NULL)
		return;
	if (deep_store_open(*store, settings->config) != DEEP_YES) {
		note_event("alarm", NULL, deep_str(""), deep_str(""), DEEP_LATCH_NONE,
		    deep_store_error(*store));
		deep_store_free(*store);
		*store = NULL;
	}
}

static void
event(const char *kind, const struct ask *ask, deep_latches set, const char *text)
{
	if (set != DEEP_LATCH_NONE || text[0] != '\0')
		note_event(kind, &ask->key, deep_str(ask->host), deep_str(ask->text), set, text);
}

static enum deep_status
learn(struct deep_store *store, const struct settings *settings, struct ask *ask)
{
	struct deep_policy	policy;
	struct deep_learnt	learnt;
	enum deep_status	status;

	memset(&learnt, 0, sizeof(learnt));
	deep_policy_of(&policy, settings->config, ask->key.name);
	ask->session.suite = ask->suite < 0 ? NULL : deep_suite_code((uint16_t)ask->suite);
	status = deep_store_learn(store, &ask->key, &policy, &ask->session, deep_str(ask->host),
	    ask->now, &learnt);
	event("learnt", ask, learnt.set, "");
	event("enforced", ask, learnt.enforced, "");
	if (status == DEEP_LIMIT)
		event("full", ask, DEEP_LATCH_NONE, "the store is at its cap, nothing new is taken");
	if (learnt.set != DEEP_LATCH_NONE)
		metric(METRIC_LEARNT, 1);
	return status;
}

static enum deep_status
serve(struct deep_store *store, const struct settings *settings, struct ask *ask,
    struct deep_record *record)
{
	struct deep_entry	entry;

	switch (ask->kind) {
	case ASK_GET:
		return deep_store_get(store, &ask->key, record);
	case ASK_LEARN:
		return learn(store, settings, ask);
	case ASK_LOG:
		memset(&entry, 0, sizeof(entry));
		entry.time = ask->now;
		entry.key = ask->key;
		entry.latches = ask->latches;
		memcpy(entry.kind, ask->event, sizeof(entry.kind));
		memcpy(entry.host, ask->host, sizeof(entry.host));
		memcpy(entry.text, ask->text, sizeof(entry.text));
		snprintf(entry.who, sizeof(entry.who), "deep-relay");
		return deep_store_log(store, &entry);
	}
	return DEEP_BAD;
}

static void
lost(const char *why, size_t n)
{
	char	text[160];

	if (n == 0)
		return;
	snprintf(text, sizeof(text), "what %zu sessions showed is lost: %s", n, why);
	note_event("alarm", NULL, deep_str(""), deep_str(""), DEEP_LATCH_NONE, text);
	metric(METRIC_FACTS_LOST, (int64_t)n);		/* the log has it before it is counted */
}

/* Whether the worker is gone; what it said may still be there to be read. */
static int
is_alone(int fd)
{
	struct pollfd	one = { fd, POLLIN, 0 };

	return poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
}

void
latch_keeper(int fd, const struct settings *settings)
{
	static struct deep_record	 record;
	static struct ask		 ask;
	static struct told		 told;
	struct deep_store		*store = NULL;
	enum deep_status		 status;
	char				 warning[256] = "";
	int64_t				 tried = -REOPEN_MS, end = 0;
	uint64_t			 learnt = 0;
	size_t				 left = 0;
	ssize_t				 n;

	signal(SIGTERM, SIG_IGN);	/* the end is that of the worker */
	open_store(&store, settings, &tried);
	sandbox_close(settings, 1);
	for (;;) {
		n = recv(fd, &ask, sizeof(ask), 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(ask))
			break;			/* the worker is gone */
		if (end == 0 && is_alone(fd))
			end = worker_now() + LAST_MS;
		if (end != 0 && worker_now() > end) {
			left += ask.kind == ASK_LEARN;
			continue;
		}
		memset(&told, 0, sizeof(told));
		memset(&record, 0, sizeof(record));
		told.number = ask.number;
		status = DEEP_FAIL;
		if (ask.kind == ASK_GET && worker_now() > ask.deadline)
			snprintf(told.error, sizeof(told.error), "the store was too slow");
		else {
			open_store(&store, settings, &tried);
			if (store != NULL)
				status = serve(store, settings, &ask, &record);
			snprintf(told.error, sizeof(told.error), "%s", store == NULL ?
			    "the store cannot be opened" : deep_store_error(store));
		}
		if (status == DEEP_FAIL && ask.kind == ASK_LEARN)
			metric(METRIC_FACTS_LOST, 1);
		if (status == DEEP_FAIL && (store != NULL || ask.kind == ASK_LEARN)) {
			metric(METRIC_STORE_FAULTS, 1);
			note_event("alarm", &ask.key, deep_str(ask.host), deep_str(""),
			    DEEP_LATCH_NONE, told.error);
		} else if (store != NULL && strcmp(warning, deep_store_warning(store)) != 0) {
			snprintf(warning, sizeof(warning), "%s", deep_store_warning(store));
			if (warning[0] != '\0')
				note_event("alarm", NULL, deep_str(""), deep_str(""),
				    DEEP_LATCH_NONE, warning);
		}
		told.status = status;
		told.learnt = learnt += ask.kind == ASK_LEARN;
		memcpy(told.record, &record, sizeof(told.record));
		/* Of a worker that is gone recv(2) tells, behind the last that it said.  One that
		 * has no room for what nobody waits for is told with the next. */
		if (ask.kind == ASK_GET)
			(void)!send(fd, &told, sizeof(told), MSG_NOSIGNAL);
		else if (ask.kind == ASK_LEARN)
			(void)!send(fd, &told, sizeof(told), MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	lost("the store was too slow for them", left);
	deep_store_free(store);
	exit(0);
}

/* --- The worker's side. */

static void
release(struct latch_query *query)
{
	event_free(query->timer);
	free(query);
}

/* Takes it off the list; the one of this number, or NULL. */
static struct latch_query *
take(struct latch *latch, uint64_t number)
{
	struct latch_query	**at, *query;

	for (at = &latch->queries; (query = *at) != NULL; at = &query->next) {
		if (query->number == number) {
			*at = query->next;
			return query;
		}
	}
	return NULL;
}

void
latch_cancel(struct latch_query *query)
{
	if (query != NULL && take(query->latch, query->number) == query)
		release(query);
}

/* Of one that has been taken off the list. */
static void
tell(struct latch_query *query, const struct latch_answer *answer)
{
	latch_call	*call = query->call;
	void		*arg = query->arg;

	release(query);
	call(arg, answer);
}

static void
fail(struct latch_query *query, const char *why)
{
	struct latch_answer	answer = { .status = DEEP_FAIL, .error = why };

	tell(query, &answer);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct latch_query	*query = arg;

	(void)fd;
	(void)what;
	if (take(query->latch, query->number) == query)
		fail(query, "the store did not answer in time");
}

static struct known *
place(struct latch *latch, const struct deep_key *key)
{
	unsigned	 hash = 5381;
	const char	*p;

	for (p = key->name; *p != '\0'; p++)
		hash = hash * 33 + (unsigned char)*p;
	return &latch->known[hash % KNOWN_MAX];
}

static int
is_of(const struct known *known, const struct deep_key *key)
{
	return known->until != 0 && known->key.service == key->service &&
	    strcmp(known->key.name, key->name) == 0;
}

static void
remember(struct latch *latch, const struct deep_key *key, const struct told *told)
{
	struct known	*known = place(latch, key);

	known->key = *key;
	known->until = worker_now() + KNOWN_MS;
	memcpy(known->record, told->record, sizeof(known->record));
}

const struct deep_record *
latch_known(struct latch *latch, const struct deep_key *key)
{
	struct known	*known = place(latch, key);

	if (!is_of(known, key) || worker_now() >= known->until || latch->dead)
		return NULL;
	memcpy(latch->record, known->record, sizeof(known->record));	/* it has no hosts */
	return latch->record;
}

/* --- What waits for room in the socket. */

static int
put_off(struct latch *latch, const struct ask *ask)
{
	struct later	*later;

	if (latch->nlater >= LATER_MAX || (later = malloc(sizeof(*later))) == NULL)
		return -1;
	later->next = NULL;
	later->ask = *ask;
	*latch->later_end = later;
	latch->later_end = &later->next;
	latch->nlater++;
	event_add(latch->writer, NULL);
	return 0;
}

static void
shift(struct latch *latch)
{
	struct later	*later = latch->later;

	if ((latch->later = later->next) == NULL)
		latch->later_end = &latch->later;
	latch->nlater--;
	free(later);
}

/* Sends what there is room for; -1: there was not enough, see errno. */
static int
send_later(struct latch *latch)
{
	for (; latch->later != NULL; shift(latch)) {
		if (send(latch->fd, &latch->later->ask, sizeof(latch->later->ask),
		    MSG_DONTWAIT | MSG_NOSIGNAL) == -1)
			return -1;
	}
	return 0;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct latch	*latch = arg;

	(void)fd;
	(void)what;
	/* of a keeper that is gone the reader hears */
	if (send_later(latch) == -1 && (errno == EAGAIN || errno == EINTR))
		event_add(latch->writer, NULL);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct latch		*latch = arg;
	struct latch_query	*query;
	struct latch_answer	 answer;
	struct told		 told;
	ssize_t			 n;

	(void)what;
	for (;;) {
		n = recv(fd, &told, sizeof(told), MSG_DONTWAIT);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(told))
			break;
		latch->learnt = told.learnt;
		if ((query = take(latch, told.number)) == NULL)
			continue;		/* given up before */
		memcpy(latch->record, told.record, sizeof(told.record));
		told.error[sizeof(told.error) - 1] = '\0';
		if (told.status == DEEP_YES || told.status == DEEP_NO)
			remember(latch, &query->key, &told);
		answer.status = told.status;
		answer.record = latch->record;
		answer.error = told.error;
		tell(query, &answer);
	}
	/* A worker without its store finishes what it has and is replaced. */
	event_del(latch->reader);
	event_del(latch->writer);
	latch->dead = 1;
	lost("the store's process is gone", (size_t)(latch->sent - latch->learnt));
	for (; latch->later != NULL; shift(latch))
		;
	while ((query = latch->queries) != NULL) {
		latch->queries = query->next;
		fail(query, "the store's process is gone");
	}
	kill(getpid(), SIGTERM);
}

struct latch *
latch_new(struct event_base *base, int fd, const struct settings *settings)
{
	struct latch	*latch = calloc(1, sizeof(*latch));

	if (latch == NULL || (latch->record = calloc(1, sizeof(*latch->record))) == NULL)
		goto bad;
	latch->base = base;
	latch->fd = fd;
	latch->settings = settings;
	latch->later_end = &latch->later;
	latch->writer = event_new(base, fd, EV_WRITE, on_writable, latch);
	latch->reader = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, latch);
	if (latch->writer == NULL || latch->reader == NULL || event_add(latch->reader, NULL) == -1)
		goto bad;
	return latch;
bad:
	latch_free(latch);
	return NULL;
}

void
latch_free(struct latch *latch)
{
	struct pollfd	room = { .events = POLLOUT };
	int64_t		end = worker_now() + LAST_MS;
	size_t		left = 0;

	if (latch == NULL)
		return;
	room.fd = latch->fd;
	while (send_later(latch) == -1 && (errno == EAGAIN || errno == EINTR) &&
	    worker_now() < end)
		poll(&room, 1, 100);
	for (; latch->later != NULL; shift(latch))
		left += latch->later->ask.kind == ASK_LEARN;
	lost("the store's process took no more", left);
	if (latch->reader != NULL)
		event_free(latch->reader);
	if (latch->writer != NULL)
		event_free(latch->writer);
	free(latch->record);
	free(latch);
}

static int
ask_keeper(struct latch *latch, struct ask *ask)
{
	ask->number = ++latch->number;
	ask->deadline = worker_now() + latch->settings->store_timeout;
	ask->now = (int64_t)time(NULL);
	if (latch->dead)
		return -1;
	if (latch->later != NULL)
		return put_off(latch, ask);
	if (send(latch->fd, ask, sizeof(*ask), MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)sizeof(*ask))
		return 0;
	return errno == EAGAIN || errno == EINTR ? put_off(latch, ask) : -1;
}

struct latch_query *
latch_get(struct latch *latch, const struct deep_key *key, latch_call *call, void *arg)
{
	struct latch_query	*query = calloc(1, sizeof(*query));
	struct timeval		 tv;
	struct ask		 ask;

	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_GET;
	ask.key = *key;
	if (query == NULL)
		return NULL;
	query->latch = latch;
	query->call = call;
	query->arg = arg;
	query->timer = event_new(latch->base, -1, 0, on_timer, query);
	tv.tv_sec = (time_t)(latch->settings->store_timeout / 1000);
	tv.tv_usec = (suseconds_t)(latch->settings->store_timeout % 1000 * 1000);
	if (query->timer == NULL || event_add(query->timer, &tv) == -1 ||
	    ask_keeper(latch, &ask) == -1) {
		if (query->timer != NULL)
			event_free(query->timer);
		free(query);
		return NULL;
	}
	query->number = ask.number;
	query->key = *key;
	query->next = latch->queries;
	latch->queries = query;
	return query;
}

int
latch_learn(struct latch *latch, const struct deep_key *key, const struct deep_session *session,
    const char *host, const char *id)
{
	struct known	*known = place(latch, key);
	struct ask	 ask;

	if (is_of(known, key))
		known->until = 0;
	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_LEARN;
	ask.key = *key;
	ask.session = *session;
	ask.session.suite = NULL;
	ask.suite = session->suite == NULL ? -1 : (int32_t)session->suite->code;
	snprintf(ask.host, sizeof(ask.host), "%s", host);
	snprintf(ask.text, sizeof(ask.text), "%s", id);
	if (ask_keeper(latch, &ask) == 0) {
		latch->sent++;
		return 0;
	}
	metric(METRIC_FACTS_LOST, 1);
	note_event("alarm", key, deep_str(host), deep_str(id), DEEP_LATCH_NONE,
	    "what a session showed could not be handed to the store");
	return -1;
}

void
latch_log(struct latch *latch, const char *kind, const struct deep_key *key, const char *host,
    deep_latches latches, const char *text)
{
	struct ask	ask;

	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_LOG;
	ask.key = *key;
	ask.latches = latches;
	snprintf(ask.host, sizeof(ask.host), "%s", host);
	snprintf(ask.event, sizeof(ask.event), "%s", kind);
	snprintf(ask.text, sizeof(ask.text), "%s", text);
	(void)ask_keeper(latch, &ask);	/* the event has been said already */
}
