/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_redis.c - the store of a site: a server of Redis or Valkey that its hosts
 * share, and on each host a file of SQLite as its shadow.
 *
 * draft-newman-email-deep-00 section 5.5.
 *
 * What is learnt is in the shadow, and in its queue, before it is answered; then
 * the queue is told to the server, each session under a number of its own, which
 * the server books once.  A record is changed by a script that looks whether it is
 * still what was read, so that two hosts lose nothing of each other; a change is
 * only ever a union, but for a reset, which counts above all that was before it.
 * While the server is away the shadow answers.  One that comes back empty, or as it
 * was some time ago, is known by its name or by its books, and is filled again.
 *
 * It never believes the server over the shadow where the server knows less, and
 * never asks a server again at once that did not answer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "redis.h"

#define SCHEMA		"1"	/* of what is in the server */
#define WAIT_MIN	1000	/* ms until a server that is away is asked again ... */
#define WAIT_MAX	30000	/* ... doubled each time, up to this */
#define LOOK_MS		60000	/* until the queue is looked at again: another process may
				 * have died and left something in it */
#define WORK_MS		50	/* for what waits, in a call that is for something else */
#define ALL_MS		10000	/* for what waits, in a call by hand */
#define NO_CAP		UINT64_C(1000000000000000)	/* names: as a number of Lua has it */
#define TRIES		100	/* at a record that others change meanwhile */
#define PAGE		256	/* names of the index asked for at a time */

/*
 * KEYS	record, index, numbers booked for the origin, booked, meta, version
 * ARGV	origin, number (0: none), all below it is known to be booked, version of the
 *	record as it was read, cap on names, member of the index, what it is to be:
 *	0 nothing, 1 exempt only, 2 latches; 1: what the record has besides goes,
 *	and then its fields and their values
 * It answers a word and the name of the server.
 */
static const char script[] =
    "local server = redis.call('HGET', KEYS[5], 'server') or ''\n"
    "local seq, low = tonumber(ARGV[2]), tonumber(ARGV[3])\n"
    "local had = tonumber(redis.call('HGET', KEYS[4], ARGV[1]) or '0')\n"
    "if seq > 0 and (seq <= had or redis.call('ZSCORE', KEYS[3], ARGV[2])) then\n"
    " return {'done', server}\n"
    "end\n"
    "local version, other = redis.pcall('HGET', KEYS[1], 'v'), false\n"
    "if type(version) == 'table' then\n"
    " if not string.find(version.err, 'WRONGTYPE', 1, true) then return version end\n"
    " version, other = false, true\n"		/* a record is a hash, and this is none */
    "end\n"
    "if (version or '') ~= ARGV[4] then\n"
    " return {'again', server}\n"
    "end\n"
    "if ARGV[7] == '2' and not redis.call('ZSCORE', KEYS[2], ARGV[6]) and\n"
    "  redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then\n"
    " return {'full', server}\n"
    "end\n"
    "if other or ARGV[8] == '1' then\n"
    " redis.call('DEL', KEYS[1])\n"
    "else\n"
    " for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do\n"
    "  if string.sub(field, 1, 2) == 'h:' then redis.call('HDEL', KEYS[1], field) end\n"
    " end\n"
    "end\n"
    "if #ARGV > 8 then\n"
    " redis.call('HSET', KEYS[1], 'v', redis.call('INCR', KEYS[6]), unpack(ARGV, 9))\n"
    "end\n"
    "if ARGV[7] == '0' then\n"
    " redis.call('ZREM', KEYS[2], ARGV[6])\n"
    "else\n"
    " redis.call('ZADD', KEYS[2], 0, ARGV[6])\n"
    "end\n"
    "if seq > 0 then redis.call('ZADD', KEYS[3], seq, ARGV[2]) end\n"
    "if low > had then\n"
    " redis.call('HSET', KEYS[4], ARGV[1], ARGV[3])\n"
    " redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', low)\n"
    "end\n"
    "return {'ok', server}\n";

enum outcome { OK, DONE, AGAIN, FULL, LOST };
/* Of a session that is told: its name was known; was new, and so meets the cap; met it. */
enum room { KNOWN, NEW, NONE };

static int64_t
now_ms(void)
{
	struct timespec	now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Also where the clock was set back since: no pause is longer than the longest. */
static int
is_due(int64_t when)
{
	const int64_t	now = now_ms();

	return now >= when || when > now + WAIT_MAX;
}

/* The server did not do what it was asked: it is left alone for a while, by other
 * processes of this host too. */
static void
leave_alone(struct deep_store *store, int writes_only)
{
	struct deep_redis	*self = store->redis;
	int64_t			 until;

	self->wait = self->wait == 0 ? WAIT_MIN : self->wait * 2;
	if (self->wait > WAIT_MAX)
		self->wait = WAIT_MAX;
	until = now_ms() + self->wait;
	self->write_retry = until;
	self->stale = writes_only;
	if (writes_only)
		return;
	self->retry = until;
	deep_redis_disconnect(self);
	(void)deep_shadow_set_away(store, until);
}

/* After a command that was not answered as it should be. */
static void
lost(struct deep_store *store)
{
	struct deep_redis	*self = store->redis;

	leave_alone(store, self->denied && (strncmp(self->why, "READONLY", 8) == 0 ||
	    strncmp(self->why, "OOM", 3) == 0 || strncmp(self->why, "MISCONF", 7) == 0 ||
	    strncmp(self->why, "NOREPLICAS", 10) == 0));
}

static void
warn(struct deep_store *store)
{
	struct deep_redis	*self = store->redis;
	int64_t			 waiting = 0;

	(void)deep_shadow_waiting(store, &waiting);
	if (self->link == NULL)
		deep_store_warn(store, "redis %s is away (%s); the shadow %s answers, %" PRId64
		    " sessions wait for it; look at that server and at [store] url",
		    self->place, self->why[0] != '\0' ? self->why : "it was a moment ago",
		    store->sqlite->path, waiting);
	else if (!is_due(self->write_retry))
		deep_store_warn(store, "redis %s takes no changes (%s); %" PRId64 " sessions "
		    "wait for it; [store] url has to lead to the master", self->place, self->why,
		    waiting);
}

/* Words that begin each command with one key. */
static void
start(struct deep_words *words, const char *command, const char *key)
{
	deep_words_start(words);
	deep_words_add(words, "%s", command);
	deep_words_add(words, "%s", key);
}

static void
record_key(char *buf, size_t size, const struct deep_key *key)
{
	(void)snprintf(buf, size, "deep:%s:%s", deep_service_name(key->service), key->name);
}

/*
 * Which server it is, and how far its books of this host go.  One without a name is
 * empty, and is given one; one with another name, or whose books end before what it
 * had booked already, has lost something: all of the shadow goes to it again.
 */
static int
greet(struct deep_store *store)
{
	struct deep_redis	*self = store->redis;
	struct deep_words	*words = malloc(sizeof(*words));
	redisReply		*reply = NULL;
	char			 schema[16], server[40], made[40], booked[32];
	int			 good = 0;

	if (words == NULL || deep_shadow_state(store, &self->state) != DEEP_YES)
		goto done;
	start(words, "HMGET", "deep:meta");
	deep_words_add(words, "schema");
	deep_words_add(words, "server");
	reply = deep_redis_ask(self, words);
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		goto done;
	deep_redis_text(schema, sizeof(schema), reply->element[0]);
	deep_redis_text(server, sizeof(server), reply->element[1]);
	freeReplyObject(reply);
	if (schema[0] != '\0' && strcmp(schema, SCHEMA) != 0) {
		(void)snprintf(self->why, sizeof(self->why), "its records are of version %s, "
		    "this library knows " SCHEMA, schema);
		reply = NULL;
		goto done;
	}
	start(words, "HGET", "deep:booked");
	deep_words_add(words, "%s", self->state.origin);
	reply = deep_redis_ask(self, words);
	if (reply == NULL)
		goto done;
	deep_redis_text(booked, sizeof(booked), reply);
	freeReplyObject(reply);
	reply = NULL;
	good = 1;
	if (server[0] == '\0') {
		(void)snprintf(made, sizeof(made), "%.16s-%" PRId64, self->state.origin,
		    now_ms());
		start(words, "HSETNX", "deep:meta");
		deep_words_add(words, "server");
		deep_words_add(words, "%s", made);
		reply = deep_redis_ask(self, words);
		if (reply == NULL) {
			lost(store);		/* an empty replica: it is read, at best */
			good = self->link != NULL;
			goto done;
		}
		freeReplyObject(reply);
		start(words, "HSET", "deep:meta");
		deep_words_add(words, "schema");
		deep_words_add(words, SCHEMA);
		reply = deep_redis_ask(self, words);
		if (reply != NULL)
			freeReplyObject(reply);
		start(words, "HGET", "deep:meta");
		deep_words_add(words, "server");
		reply = deep_redis_ask(self, words);
		if (reply == NULL)
			goto done;
		deep_redis_text(server, sizeof(server), reply);
	}
	if (strcmp(server, self->state.server) != 0 ||
	    strtoll(booked, NULL, 10) < self->state.booked) {
		if (deep_shadow_set_server(store, server) != DEEP_YES)
			good = 0;
		(void)strlcpy(self->state.server, server, sizeof(self->state.server));
		self->state.booked = 0;
		self->state.refill = 1;
		memset(&self->state.next, 0, sizeof(self->state.next));
	}
done:
	if (reply != NULL)
		freeReplyObject(reply);
	free(words);
	self->greeted = good;
	return good;
}

/* 1: the server can be read. */
static int
connected(struct deep_store *store)
{
	struct deep_redis	*self = store->redis;

	if (self->link != NULL && self->greeted &&
	    (!self->stale || !is_due(self->write_retry)))
		return 1;
	if (!is_due(self->retry))
		return 0;
	self->stale = 0;
	if (deep_redis_connect(self) != DEEP_YES || !greet(store)) {
		leave_alone(store, 0);
		return 0;
	}
	if (is_due(self->write_retry))
		self->wait = 0;
	/* Asked by hand, before its time: no other process has to wait either. */
	if (self->state.away > now_ms() && deep_shadow_set_away(store, 0) == DEEP_YES)
		self->state.away = 0;
	self->pending = 1;
	return 1;
}

static int
can_write(struct deep_store *store)
{
	return connected(store) && is_due(store->redis->write_retry);
}

/* What the server knows of a key.  NO: nothing.  BAD: what it has is damaged, the
 * warning says so, and nothing is taken of it.  FAIL: it is away now. */
static enum deep_status
fetch(struct deep_store *store, const struct deep_key *key, struct deep_known *known,
    char *version, size_t size)
{
	struct deep_redis	*self = store->redis;
	struct deep_words	*words;
	redisReply		*reply;
	char			 name[DEEP_DOMAIN_MAX + 40];
	enum deep_status	 status;

	memset(known, 0, sizeof(*known));
	version[0] = '\0';
	if (!connected(store))
		return DEEP_FAIL;
	words = malloc(sizeof(*words));
	if (words == NULL)
		return DEEP_FAIL;
	record_key(name, sizeof(name), key);
	start(words, "HGETALL", name);
	reply = deep_redis_ask(self, words);
	free(words);
	if (reply != NULL) {
		status = deep_redis_parse(reply, known, version, size);
		freeReplyObject(reply);
	} else if (self->denied && strncmp(self->why, "WRONGTYPE", 9) == 0)
		status = DEEP_BAD;
	else {
		lost(store);
		return DEEP_FAIL;
	}
	if (status == DEEP_BAD) {
		/* What the shadow has goes in its place. */
		memset(known, 0, sizeof(*known));
		deep_store_warn(store, "redis %s: %s is damaged; the shadow answers, and "
		    "\"deeplatch verify\" tells of all such records", self->place, name);
	}
	return status;
}

/* The server says under which name it keeps the script. */
static int
load_script(struct deep_redis *self, struct deep_words *words)
{
	redisReply	*reply;

	start(words, "SCRIPT", "LOAD");
	deep_words_add(words, "%s", script);
	reply = deep_redis_ask(self, words);
	if (reply == NULL)
		return 0;
	deep_redis_text(self->sha, sizeof(self->sha), reply);
	freeReplyObject(reply);
	return self->sha[0] != '\0';
}

/*
 * Changes the record that was read with this version.  seq not 0: as the booking of
 * that number, which nothing in the queue precedes.  FULL: the server has so many names
 * as cap says, and not this one.  What a host has answered for already meets no cap.
 */
static enum outcome
change(struct deep_store *store, const struct deep_key *key, const struct deep_known *known,
    const char *version, int64_t seq, int whole, uint64_t cap)
{
	static const struct {
		const char	*word;
		enum outcome	 outcome;
	} answers[] = {
		{ "ok", OK }, { "done", DONE }, { "again", AGAIN }, { "full", FULL }
	};
	struct deep_redis	*self = store->redis;
	struct deep_words	*words;
	redisReply		*reply;
	char			 name[DEEP_DOMAIN_MAX + 40];
	enum outcome		 outcome = LOST;
	size_t			 i;
	int			 turn;

	if (!can_write(store) || (words = malloc(sizeof(*words))) == NULL)
		return LOST;
	record_key(name, sizeof(name), key);
	/* One that was started anew, or is another one now, has to be given it again. */
	for (turn = 0, reply = NULL; turn < 2 && reply == NULL; turn++) {
		if (self->sha[0] == '\0' && !load_script(self, words))
			break;
		start(words, "EVALSHA", self->sha);
		deep_words_add(words, "6");
		deep_words_add(words, "%s", name);
		deep_words_add(words, "deep:index");
		deep_words_add(words, "deep:booked:%s", self->state.origin);
		deep_words_add(words, "deep:booked");
		deep_words_add(words, "deep:meta");
		deep_words_add(words, "deep:version");
		deep_words_add(words, "%s", self->state.origin);
		deep_words_add(words, "%" PRId64, seq);
		deep_words_add(words, "%" PRId64, seq > 0 ? seq - 1 : 0);
		deep_words_add(words, "%s", version);
		deep_words_add(words, "%" PRIu64, cap);
		deep_words_add(words, "%s %d", key->name, (int)key->service);
		deep_words_add(words, "%d", !deep_record_empty(&known->record) ? 2 :
		    known->mark.exempt != 0 ? 1 : 0);
		deep_words_add(words, "%d", whole);
		deep_redis_emit(words, known);
		reply = deep_redis_ask(self, words);
		if (reply == NULL && (!self->denied || strncmp(self->why, "NOSCRIPT", 8) != 0))
			break;
		if (reply == NULL)
			self->sha[0] = '\0';
	}
	free(words);
	if (reply == NULL) {
		lost(store);
		return LOST;
	}
	if (reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	    reply->element[0]->type == REDIS_REPLY_STRING &&
	    reply->element[1]->type == REDIS_REPLY_STRING) {
		for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
			if (strcmp(reply->element[0]->str, answers[i].word) == 0)
				outcome = answers[i].outcome;
		/* Emptied under our hands: greet it as a new one, the next time. */
		if (strcmp(reply->element[1]->str, self->state.server) != 0)
			self->greeted = 0;
	}
	freeReplyObject(reply);
	self->wait = 0;
	return outcome;
}

/*
 * What the server is to hold of the event's key: with its session added, or, of what the
 * server has lost, or lost a reset of, all that the shadow has, with all sessions that wait.
 * NO: nothing sound is known, here or there.  *replaces: the server's own goes.  *told: what
 * came of the session; as it was where the shadow was taken.
 */
static enum deep_status
account(struct deep_store *store, const struct deep_queued *event, struct deep_known *known,
    enum deep_status found, int *sound, int *replaces, struct deep_learnt *told)
{
	struct deep_known	shadow;
	int			less;

	*sound = 1;
	*replaces = 0;
	if (deep_shadow_read(store, &event->key, &shadow, sound) != DEEP_YES)
		return DEEP_FAIL;
	less = found == DEEP_BAD || shadow.mark.resets > known->mark.resets;
	if (*sound && (less || ((event->counted || !event->whole) &&
	    shadow.mark.resets == known->mark.resets))) {
		if (deep_shadow_count(store, &event->key, &shadow) != DEEP_YES)
			return DEEP_FAIL;
		deep_known_merge(known, &shadow);
		*replaces = less;
		return DEEP_YES;
	}
	if (found == DEEP_BAD)
		return DEEP_NO;
	memset(told, 0, sizeof(*told));
	if (event->whole && event->clock >= known->mark.reset) {
		known->record.clock = event->clock;
		deep_policy_learn(&event->policy, &known->record, &event->session,
		    deep_str(event->host), event->clock, told);
	}
	return DEEP_YES;
}

/* Tells the server of the first in the queue.  NO: the queue is empty.  FAIL: the
 * server is away now, or the shadow failed, which the error says.  *room is of the
 * session that is mine; NONE: the shadow has forgotten it again. */
static enum deep_status
tell_one(struct deep_store *store, int64_t mine, struct deep_learnt *learnt, enum room *room)
{
	struct deep_queued	 event;
	struct deep_known	 known;
	struct deep_learnt	 told;
	enum deep_status	 status;
	enum outcome		 outcome = AGAIN;
	char			 version[32];
	int			 tries, sound = 1, replaces;

	memset(&told, 0, sizeof(told));
	status = deep_shadow_first(store, &event);
	if (status != DEEP_YES)
		return status;
	for (tries = 0; outcome == AGAIN; tries++) {
		if (tries == TRIES)
			return DEEP_FAIL;
		status = fetch(store, &event.key, &known, version, sizeof(version));
		if (status == DEEP_FAIL)
			return DEEP_FAIL;
		told = *learnt;
		status = account(store, &event, &known, status, &sound, &replaces, &told);
		if (status == DEEP_FAIL)
			return DEEP_FAIL;
		if (status == DEEP_NO || (deep_record_empty(&known.record) &&
		    known.mark.resets == 0 && known.mark.exempted == 0))
			break;			/* nothing came of it */
		outcome = change(store, &event.key, &known, version, event.seq, replaces,
		    event.seq == mine && *room == NEW ? store->entries : NO_CAP);
	}
	if (outcome == LOST)
		return DEEP_FAIL;
	if (event.seq == mine) {
		if (outcome == FULL) {
			*room = NONE;
			return deep_shadow_take_back(store, &event.key, event.seq);
		}
		learnt->set &= told.set;
		learnt->confirmed = told.confirmed;
		learnt->enforced |= told.enforced;
		learnt->contradicted |= told.contradicted;
	}
	if (!sound)
		return deep_shadow_booked(store, event.seq);
	if (outcome == DONE)
		memset(&known, 0, sizeof(known));
	return deep_shadow_adopt(store, &event.key, &known, event.seq, NULL, 0);
}

/*
 * One key of the shadow into a server that may have lost it.  LIMIT: a session of it
 * waits in the queue, which another process of this host has put there; it is in the
 * shadow's counts already, and would be counted twice.  The queue is looked at last: a
 * session that left it meanwhile has changed the version in the server.
 */
static enum deep_status
refill_one(struct deep_store *store, const struct deep_key *key)
{
	struct deep_known	server, both, shadow;
	enum outcome		outcome = AGAIN;
	char			version[32];
	int64_t			waiting;
	int			tries, sound;

	for (tries = 0; outcome == AGAIN; tries++) {
		sound = 1;
		if (tries == TRIES ||
		    fetch(store, key, &server, version, sizeof(version)) == DEEP_FAIL ||
		    deep_shadow_read(store, key, &shadow, &sound) != DEEP_YES ||
		    deep_shadow_waiting_of(store, key, &waiting) != DEEP_YES)
			return DEEP_FAIL;
		if (!sound)
			return DEEP_YES;	/* to be reset by hand, and in nobody's way */
		if (waiting > 0)
			return DEEP_LIMIT;
		both = server;
		deep_known_merge(&both, &shadow);
		if (deep_known_same(&both, &server))
			return DEEP_YES;
		outcome = change(store, key, &both, version, 0, both.mark.resets >
		    server.mark.resets, NO_CAP);
	}
	return outcome == LOST ? DEEP_FAIL : DEEP_YES;
}

/* The keys of the shadow, of a server that has lost something.  LIMIT: as above. */
static enum deep_status
refill(struct deep_store *store, const struct timespec *since, int64_t ms)
{
	struct deep_redis	*self = store->redis;
	struct deep_key		 key;
	enum deep_status	 status = DEEP_YES;
	int			 moved = 0;

	while (self->state.refill && deep_sql_since(since) < ms && can_write(store)) {
		key = self->state.next;
		status = deep_shadow_next(store, &key);
		if (status == DEEP_YES)
			status = refill_one(store, &key);
		if (status == DEEP_FAIL || status == DEEP_LIMIT)
			break;
		moved = 1;
		deep_store_step(store, "names");
		self->state.next = key;
		if (status == DEEP_NO)
			self->state.refill = 0;
	}
	if (moved)
		(void)deep_shadow_set_refill(store, self->state.refill, &self->state.next);
	return status;
}

/*
 * What waits: the queue, and then the keys to refill, for so many milliseconds.  FAIL:
 * it could not be done, and waits on.
 */
static enum deep_status
work(struct deep_store *store, int64_t ms, int64_t mine, struct deep_learnt *learnt,
    enum room *room)
{
	struct deep_redis	*self = store->redis;
	struct timespec		 since;
	enum deep_status	 status = DEEP_YES;

	(void)clock_gettime(CLOCK_MONOTONIC, &since);
	if (!can_write(store))
		return DEEP_FAIL;
	do {
		while (self->pending &&
		    (status = tell_one(store, mine, learnt, room)) == DEEP_YES) {
			deep_store_step(store, "sessions");
			if (deep_sql_since(&since) >= ms)
				return DEEP_YES;
		}
		if (status == DEEP_FAIL)
			return DEEP_FAIL;
		self->pending = 0;
		self->looked = now_ms();
		status = refill(store, &since, ms);
		if (status == DEEP_LIMIT)
			self->pending = 1;
	} while (self->pending && deep_sql_since(&since) < ms);
	return status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES;
}

static void
work_a_little(struct deep_store *store)
{
	struct deep_learnt	unused;
	enum room		room = KNOWN;
	const int64_t		now = now_ms();

	memset(&unused, 0, sizeof(unused));
	if (now < store->redis->looked || now >= store->redis->looked + LOOK_MS)
		store->redis->pending = 1;
	if (store->redis->pending || store->redis->state.refill)
		(void)work(store, WORK_MS, 0, &unused, &room);
}

/* Both together, and the shadow brought up to it. */
static enum deep_status
read_both(struct deep_store *store, const struct deep_key *key, struct deep_known *known,
    struct deep_known *server, char *version, size_t size)
{
	struct deep_known	shadow;

	if (deep_shadow_read(store, key, &shadow, NULL) != DEEP_YES)
		return DEEP_FAIL;
	*known = shadow;
	if (fetch(store, key, server, version, size) == DEEP_FAIL)
		return DEEP_NO;
	deep_known_merge(known, server);
	if (!deep_known_same(known, &shadow) &&
	    deep_shadow_adopt(store, key, server, 0, NULL, 0) != DEEP_YES)
		return DEEP_FAIL;
	return DEEP_YES;
}

/* The kind. */

static enum deep_status
get(struct deep_store *store, const struct deep_key *key, struct deep_record *record,
    int hosts)
{
	struct deep_known	known, server;
	char			version[32];
	enum deep_status	status;

	store->warning[0] = '\0';
	work_a_little(store);
	status = read_both(store, key, &known, &server, version, sizeof(version));
	if (status == DEEP_FAIL) {
		memset(record, 0, sizeof(*record));
		return DEEP_FAIL;
	}
	if (status == DEEP_NO || !is_due(store->redis->write_retry))
		warn(store);
	if (!hosts) {
		memset(known.record.host, 0, sizeof(known.record.host));
		known.record.nhost = 0;
	}
	*record = known.record;
	return deep_record_empty(record) ? DEEP_NO : DEEP_YES;
}

/* At the cap, as the server counts; what the shadow counts is seen when it learns. */
static int
is_full(struct deep_store *store)
{
	struct deep_words	*words = malloc(sizeof(*words));
	redisReply		*reply;
	int			 full = 0;

	if (words == NULL)
		return 0;
	start(words, "ZCARD", "deep:index");
	reply = deep_redis_ask(store->redis, words);
	free(words);
	if (reply == NULL) {
		lost(store);
		return 0;
	}
	if (reply->type == REDIS_REPLY_INTEGER)
		full = (uint64_t)reply->integer >= store->entries;
	freeReplyObject(reply);
	return full;
}

static enum deep_status
learn(struct deep_store *store, const struct deep_key *key,
    const struct deep_policy *policy, const struct deep_session *session,
    struct deep_str host, int64_t now, struct deep_learnt *learnt)
{
	struct deep_redis	*self = store->redis;
	struct deep_known	 known, server;
	struct deep_session	 seen;
	enum deep_status	 status;
	char			 version[32];
	int64_t			 seq;
	enum room		 room;

	store->warning[0] = '\0';
	if (deep_shadow_read(store, key, &known, NULL) != DEEP_YES)
		return DEEP_FAIL;
	room = deep_record_empty(&known.record) ? NEW : KNOWN;
	if (room == NEW && can_write(store)) {
		status = read_both(store, key, &known, &server, version, sizeof(version));
		if (status == DEEP_FAIL)
			return DEEP_FAIL;
		if (status == DEEP_YES && deep_record_empty(&known.record)) {
			memset(&seen, 0, sizeof(seen));
			if (session != NULL)
				seen = *session;
			seen.strict = policy->strict;
			if (deep_latches_settable(&seen) == DEEP_LATCH_NONE)
				return DEEP_YES;	/* nothing was known, nothing is now */
			if (is_full(store))
				return DEEP_LIMIT;
		}
	}
	status = deep_shadow_learn(store, key, policy, session, host, now, learnt, &seq);
	if (status != DEEP_YES)
		return status;
	self->pending = 1;
	if (work(store, WORK_MS, seq, learnt, &room) != DEEP_YES)
		warn(store);
	if (room != NONE)
		return DEEP_YES;
	memset(learnt, 0, sizeof(*learnt));
	return DEEP_LIMIT;
}

/* All that waits, as the administrator's work asks.  NO: the server does not take it. */
static enum deep_status
tell_all(struct deep_store *store)
{
	struct deep_learnt	unused;
	enum room		room = KNOWN;

	memset(&unused, 0, sizeof(unused));
	store->error[0] = '\0';
	if (work(store, ALL_MS, 0, &unused, &room) == DEEP_YES)
		return DEEP_YES;
	return store->error[0] != '\0' ? DEEP_FAIL : DEEP_NO;
}

/* By hand it is asked at once, whatever it did before; and that lengthens no pause. */
static void
end_pause(struct deep_store *store)
{
	store->warning[0] = '\0';
	store->redis->retry = store->redis->write_retry = 0;
	store->redis->wait = 0;
}

/* What the administrator does has to reach the server. */
static enum deep_status
by_hand(struct deep_store *store, const char *what)
{
	enum deep_status	status;

	end_pause(store);
	if ((status = tell_all(store)) != DEEP_NO)
		return status;
	return deep_store_fail(store, "redis %s does not take it (%s): %s has to reach it; "
	    "nothing was changed, do it again when it is back", store->redis->place,
	    store->redis->why, what);
}

static enum deep_status
not_taken(struct deep_store *store)
{
	return deep_store_fail(store, "redis %s does not take it (%s); nothing was changed, do "
	    "it again when it is back", store->redis->place, store->redis->why[0] != '\0' ?
	    store->redis->why : "others change that record all the time");
}

/* Sessions of the key that wait are told first: they are in the shadow's counts, and would
 * be counted twice.  NO: none waits.  YES: some did, and all is to be read again. */
static enum deep_status
settle(struct deep_store *store, const struct deep_key *key)
{
	enum deep_status	status;
	int64_t			waiting;

	if (deep_shadow_waiting_of(store, key, &waiting) != DEEP_YES)
		return DEEP_FAIL;
	if (waiting == 0)
		return DEEP_NO;
	store->redis->pending = 1;
	status = tell_all(store);
	return status == DEEP_NO ? not_taken(store) : status;
}

/* Both together, to be changed by hand, when no session of the key waits; or FAIL. */
static enum deep_status
read_settled(struct deep_store *store, const struct deep_key *key, struct deep_known *known,
    char *version, size_t size)
{
	struct deep_known	server;
	enum deep_status	status;
	int			tries;

	for (tries = 0; tries < TRIES; tries++) {
		status = read_both(store, key, known, &server, version, size);
		if (status != DEEP_YES)
			return status == DEEP_NO ? not_taken(store) : DEEP_FAIL;
		status = settle(store, key);
		if (status != DEEP_YES)
			return status == DEEP_NO ? DEEP_YES : DEEP_FAIL;
	}
	return not_taken(store);
}

static void
entry_of(struct deep_entry *entry, const char *kind, const struct deep_key *key,
    const char *who, const char *reason, int64_t now)
{
	memset(entry, 0, sizeof(*entry));
	entry->time = now;
	(void)strlcpy(entry->kind, kind, sizeof(entry->kind));
	entry->key = *key;
	(void)strlcpy(entry->who, who == NULL ? "" : who, sizeof(entry->who));
	(void)strlcpy(entry->text, reason == NULL ? "" : reason, sizeof(entry->text));
}

static enum deep_status
reset(struct deep_store *store, const struct deep_key *key, deep_latches keep,
    const char *who, const char *reason, int64_t now, deep_latches *forgotten)
{
	struct deep_known	known, server;
	struct deep_entry	entry;
	enum outcome		outcome = AGAIN;
	enum deep_status	status;
	char			version[32];
	int			tries, sound = 1;
	size_t			i, others;

	if (by_hand(store, "a reset") != DEEP_YES)
		return DEEP_FAIL;
	for (tries = 0; outcome == AGAIN && tries < TRIES; tries++) {
		*forgotten = DEEP_LATCH_NONE;
		if (deep_shadow_read(store, key, &known, &sound) != DEEP_YES)
			return DEEP_FAIL;
		if (fetch(store, key, &server, version, sizeof(version)) == DEEP_FAIL)
			return not_taken(store);
		if ((status = settle(store, key)) == DEEP_YES)
			continue;
		if (status == DEEP_FAIL)
			return DEEP_FAIL;
		deep_known_merge(&known, &server);
		others = known.record.nother;
		for (i = 0; i < DEEP_LATCHES; i++) {
			if (known.record.latch[i].first == 0 || keep & (deep_latches)1 << i)
				continue;
			deep_record_forget(&known.record, i);
			*forgotten |= (deep_latches)1 << i;
		}
		if (*forgotten == 0 && others == 0 && sound)
			return DEEP_NO;
		known.record.nother = 0;
		if (deep_record_empty(&known.record))
			known.record.nhost = 0;
		known.mark.reset = now;
		known.mark.resets++;
		outcome = change(store, key, &known, version, 0, 1, NO_CAP);
	}
	if (outcome != OK)
		return not_taken(store);
	entry_of(&entry, "reset", key, who, reason, now);
	entry.latches = *forgotten;
	return deep_shadow_adopt(store, key, &known, 0, &entry, 1);
}

static enum deep_status
exempt(struct deep_store *store, const struct deep_key *key, int on, const char *who,
    const char *reason, int64_t now)
{
	struct deep_known	known;
	struct deep_entry	entry;
	enum outcome		outcome = AGAIN;
	char			version[32];
	int			tries;

	if (by_hand(store, "an exemption") != DEEP_YES)
		return DEEP_FAIL;
	for (tries = 0; outcome == AGAIN && tries < TRIES; tries++) {
		if (read_settled(store, key, &known, version, sizeof(version)) != DEEP_YES)
			return DEEP_FAIL;
		if (!on == !known.mark.exempt)
			return DEEP_NO;
		known.mark.exempt = on ? now : 0;
		known.mark.exempted++;
		known.record.exempt = known.mark.exempt;
		outcome = change(store, key, &known, version, 0, 0, store->entries);
	}
	if (outcome != OK)
		return not_taken(store);
	entry_of(&entry, on ? "exempt" : "unexempt", key, who, reason, now);
	return deep_shadow_adopt(store, key, &known, 0, &entry, 0);
}

static enum deep_status
put(struct deep_store *store, const struct deep_key *key, const struct deep_record *record,
    int64_t now)
{
	struct deep_known	known;
	enum outcome		outcome = AGAIN;
	char			version[32];
	int			tries;

	if (!can_write(store))
		return by_hand(store, "an import");
	for (tries = 0; outcome == AGAIN && tries < TRIES; tries++) {
		if (read_settled(store, key, &known, version, sizeof(version)) != DEEP_YES)
			return DEEP_FAIL;
		deep_record_merge(&known.record, record);
		if (known.record.exempt != known.mark.exempt) {
			known.mark.exempt = known.record.exempt;
			known.mark.exempted++;
		}
		outcome = change(store, key, &known, version, 0, 0, store->entries);
	}
	if (outcome == FULL)
		return DEEP_LIMIT;
	if (outcome != OK)
		return not_taken(store);
	(void)now;
	return deep_shadow_adopt(store, key, &known, 0, NULL, 0);
}

/* Walking: the index of the server and the shadow at once, in order. */

struct walk {
	redisReply	*page;		/* NULL: the server has no more, or is away */
	size_t		 at;
	int		 away;
};

static void
end_walk(struct walk *walk)
{
	if (walk->page != NULL)
		freeReplyObject(walk->page);
	walk->page = NULL;
}

/* "example.org 0"; 0: it is not that. */
static int
parse_member(const char *text, struct deep_key *key)
{
	const char	*blank = strchr(text, ' ');

	if (blank == NULL || blank == text || (size_t)(blank - text) > DEEP_DOMAIN_MAX ||
	    blank[1] < '0' || blank[1] > '3' || blank[2] != '\0')
		return 0;
	memset(key, 0, sizeof(*key));
	memcpy(key->name, text, (size_t)(blank - text));
	key->service = (enum deep_service)(blank[1] - '0');
	return 1;
}

/* The key of the index behind this one.  NO: none, or the server is away. */
static enum deep_status
next_of_index(struct deep_store *store, struct walk *walk, const struct deep_key *after,
    struct deep_key *key)
{
	struct deep_words	*words;
	const redisReply	*member;

	for (;;) {
		while (walk->page != NULL && walk->at < walk->page->elements) {
			member = walk->page->element[walk->at];
			if (member->type == REDIS_REPLY_STRING &&
			    parse_member(member->str, key) && deep_key_compare(key, after) > 0)
				return DEEP_YES;
			walk->at++;
		}
		if (walk->away || (walk->page != NULL && walk->page->elements < PAGE))
			return DEEP_NO;
		end_walk(walk);
		walk->away = 1;
		if (!connected(store) || (words = malloc(sizeof(*words))) == NULL)
			return DEEP_NO;
		start(words, "ZRANGEBYLEX", "deep:index");
		if (after->name[0] == '\0')
			deep_words_add(words, "-");
		else
			deep_words_add(words, "(%s %d", after->name, (int)after->service);
		deep_words_add(words, "+");
		deep_words_add(words, "LIMIT");
		deep_words_add(words, "0");
		deep_words_add(words, "%d", PAGE);
		walk->page = deep_redis_ask(store->redis, words);
		free(words);
		walk->at = 0;
		if (walk->page == NULL) {
			lost(store);
			return DEEP_NO;
		}
		if (walk->page->type != REDIS_REPLY_ARRAY)
			return DEEP_NO;
		walk->away = 0;
		if (walk->page->elements == 0)
			return DEEP_NO;
	}
}

static enum deep_status
each(struct deep_store *store,
    int (*callback)(void *, const struct deep_key *, const struct deep_record *), void *arg)
{
	struct walk		walk;
	struct deep_key		key, shadow, index;
	struct deep_record	record;
	enum deep_status	by_shadow, by_index, status = DEEP_YES;

	memset(&walk, 0, sizeof(walk));
	memset(&key, 0, sizeof(key));
	do {
		shadow = key;
		by_shadow = deep_sqlite_next(store, &shadow);
		by_index = by_shadow == DEEP_FAIL ? DEEP_NO :
		    next_of_index(store, &walk, &key, &index);
		if (by_shadow == DEEP_FAIL)
			status = DEEP_FAIL;
		if (by_shadow != DEEP_YES && by_index != DEEP_YES)
			break;
		key = by_shadow != DEEP_YES || (by_index == DEEP_YES &&
		    deep_key_compare(&index, &shadow) < 0) ? index : shadow;
		if (get(store, &key, &record, 1) == DEEP_FAIL) {
			status = DEEP_FAIL;
			break;
		}
		/* Taken out by another one meanwhile. */
		if (deep_record_empty(&record) && record.exempt == 0)
			continue;
	} while (callback(arg, &key, &record) == 0);
	end_walk(&walk);
	return status;
}

static enum deep_status
bulk(struct deep_store *store, int on)
{
	return deep_sqlite_bulk(store, on);
}

static enum deep_status
purge_one(struct deep_store *store, const struct deep_key *key,
    const struct deep_config *config, int64_t clock, int dry_run, struct deep_gone *gone)
{
	struct deep_policy	policy;
	struct deep_known	known;
	enum outcome		outcome = AGAIN;
	char			version[32];
	uint64_t		n = 0;
	size_t			hosts;
	int			tries;

	deep_policy_of(&policy, config, key->name);
	for (tries = 0; outcome == AGAIN && tries < TRIES; tries++) {
		if (fetch(store, key, &known, version, sizeof(version)) == DEEP_FAIL)
			return DEEP_NO;
		known.record.clock = clock;
		hosts = known.record.nhost;
		n = deep_record_expire(&known.record, &policy);
		if (dry_run || (n == 0 && hosts == known.record.nhost)) {
			gone->latches += n;
			return DEEP_YES;
		}
		if (deep_record_empty(&known.record))
			known.record.nhost = 0;
		outcome = change(store, key, &known, version, 0, 1, NO_CAP);
	}
	if (outcome != OK)
		return DEEP_NO;
	gone->latches += n;
	return DEEP_YES;
}

/* The shadow's own, and what the server has. */
static enum deep_status
purge(struct deep_store *store, const struct deep_config *config, int64_t now, int dry_run,
    struct deep_gone *gone)
{
	struct walk		walk;
	struct deep_key		key, next;
	struct deep_meta	meta;
	enum deep_status	status;
	struct deep_gone	of_shadow;

	if (dry_run)
		end_pause(store);
	else if (by_hand(store, "a purge") != DEEP_YES)
		return DEEP_FAIL;
	if (deep_sql_meta(store, &meta, NULL) != DEEP_YES)
		return DEEP_FAIL;
	deep_clock_step(&meta.clock, &meta.seen, now);
	memset(&of_shadow, 0, sizeof(of_shadow));
	status = deep_sqlite_purge(store, config, now, dry_run, &of_shadow);
	if (status != DEEP_YES)
		return status;
	gone->entries = of_shadow.entries;
	memset(&walk, 0, sizeof(walk));
	memset(&key, 0, sizeof(key));
	while (status == DEEP_YES && next_of_index(store, &walk, &key, &next) == DEEP_YES) {
		key = next;
		deep_store_step(store, "names");
		status = purge_one(store, &key, config, meta.clock, dry_run, gone);
	}
	end_walk(&walk);
	if (status != DEEP_YES || walk.away)
		return not_taken(store);
	return DEEP_YES;
}

/* The shadow record by record, and each record of the server: whether it can be read,
 * and whether it stands in the index as it is. */
static enum deep_status
verify(struct deep_store *store, int (*callback)(void *, const char *), void *arg,
    uint64_t *records)
{
	struct walk		walk;
	struct deep_key		key, next;
	struct deep_known	known;
	char			version[32], text[DEEP_STORE_TEXT];
	enum deep_status	status, found;
	int			stopped = 0;

	end_pause(store);
	status = deep_sqlite_verify(store, callback, arg, records);
	if (status == DEEP_FAIL)
		return DEEP_FAIL;
	memset(&walk, 0, sizeof(walk));
	memset(&key, 0, sizeof(key));
	while (!stopped && next_of_index(store, &walk, &key, &next) == DEEP_YES) {
		key = next;
		++*records;
		deep_store_step(store, "records");
		found = fetch(store, &key, &known, version, sizeof(version));
		if (found == DEEP_FAIL)
			break;
		if (found == DEEP_BAD)
			(void)snprintf(text, sizeof(text), "redis %s: the record of %s %s is "
			    "damaged; reset that name", store->redis->place,
			    deep_service_name(key.service), key.name);
		else if (deep_record_empty(&known.record) && known.mark.exempt == 0)
			(void)snprintf(text, sizeof(text), "redis %s: %s %s is in deep:index and "
			    "has no record; reset that name", store->redis->place,
			    deep_service_name(key.service), key.name);
		else
			continue;
		status = DEEP_BAD;
		stopped = callback(arg, text) != 0;
	}
	end_walk(&walk);
	store->warning[0] = '\0';
	if (walk.away || store->redis->link == NULL)
		return deep_store_fail(store, "redis %s is away (%s): the shadow %s was looked "
		    "at%s, the records of the server were not; do it again when it is back",
		    store->redis->place, store->redis->why[0] != '\0' ? store->redis->why :
		    "it was a moment ago", store->sqlite->path,
		    status == DEEP_BAD ? " and has faults" : " and is sound");
	return status;
}

static enum deep_status
open_store(struct deep_store *store, const char *url, const struct deep_config *config,
    unsigned how)
{
	struct deep_redis	*self;

	if (deep_redis_new(store, url, how) != DEEP_YES)
		return DEEP_FAIL;
	self = store->redis;
	if (deep_sqlite_open(store, deep_config_text(config, "store", "shadow")) != DEEP_YES ||
	    deep_shadow_state(store, &self->state) != DEEP_YES) {
		deep_sqlite_close(store);
		deep_redis_free(self);
		store->redis = NULL;
		return DEEP_FAIL;
	}
	/* A clock that was set back is no reason to wait for long. */
	if (self->state.away <= now_ms() + WAIT_MAX)
		self->retry = self->write_retry = self->state.away;
	self->pending = 1;
	if (!connected(store))
		warn(store);
	return DEEP_YES;
}

static enum deep_status
create_store(struct deep_store *store, const char *url, const struct deep_config *config,
    unsigned how, unsigned uid, unsigned gid)
{
	struct deep_redis	*self;
	enum deep_status	 status = DEEP_YES;

	if (deep_redis_new(store, url, how) != DEEP_YES)
		return DEEP_FAIL;
	self = store->redis;
	if (deep_redis_connect(self) != DEEP_YES)
		status = deep_store_fail(store, "redis %s cannot be used: %s; start it, or "
		    "correct [store] url in deep.conf", self->place, self->why);
	else
		status = deep_sqlite_create(store, deep_config_text(config, "store", "shadow"),
		    uid, gid);
	deep_redis_free(self);
	store->redis = NULL;
	return status;
}

static void
close_store(struct deep_store *store)
{
	struct deep_redis	*self = store->redis;

	store->redis = NULL;
	if (self != NULL && !deep_store_is_owner(store) && self->link != NULL) {
		/* The socket is the parent's too: nothing is said on it. */
		redisFree(self->link);
		self->link = NULL;
	}
	deep_redis_free(self);
	deep_sqlite_close(store);
}

#define REST	open_store, create_store, close_store, get, learn, reset, exempt, each, put, \
		bulk, purge, verify

const struct deep_store_kind deep_store_redis = { "redis://", 0, REST };
const struct deep_store_kind deep_store_redis_unix = {
	"redis+unix://", DEEP_STORE_PATH, REST
};
const struct deep_store_kind deep_store_rediss = { "rediss://", DEEP_STORE_TLS, REST };
