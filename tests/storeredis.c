/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * storeredis.c - tests of shared/store_redis.c and shared/redis.c with a server of
 * the test's own, which is killed, stopped, started again with and without what it
 * knew, and made a replica.  Two hosts are two shadows.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <signal.h>

#include "redis.h"
#include "redisd.h"
#include "storekit.h"

static struct redisd	server, other;

static const char	*const plain[] = { "--save", "", NULL };
static const char	*const kept[] = {
	"--save", "", "--appendonly", "yes", "--appendfsync", "always", NULL
};

static int	network = 10000;	/* ms, of [store]: a loaded machine is no server that is
					 * away; where one is silent, less */
static int	entries = 1000000;	/* of [store] */

/* A host: its configuration, with a shadow of this name. */
static struct deep_config *
host_at(const char *url, const char *shadow)
{
	struct deep_config	*config = deep_config_new();
	char			 text[1024];

	/* A disk that is busy for over the second of the default is none of these tests'. */
	(void)snprintf(text, sizeof(text), "[store]\nurl = %s\nshadow = %s\nnetwork = %d\n"
	    "entries = %d\ntimeout = 10000\n", url, below(shadow), network, entries);
	write_file(below("deep.conf"), text);
	if (deep_config_read(config, below("deep.conf")) != DEEP_YES)
		diag("%s", deep_config_error(config));
	return config;
}

static struct deep_config *
host_of(const struct redisd *redis, const char *shadow)
{
	char	url[200];

	(void)snprintf(url, sizeof(url), "redis+unix://%s", redis->socket);
	return host_at(url, shadow);
}

static void
begin_with(const char *const *how)
{
	(void)snprintf(server.folder, sizeof(server.folder), "%s", below("server"));
	(void)mkdir(server.folder, 0755);
	remove_store("a.db");
	remove_store("b.db");
	if (!redisd_start(&server, how))
		diag("no server");
	(void)redisd_ask(&server, "FLUSHALL");
}

static uint32_t
confirmations(struct deep_store *store, const char *name)
{
	struct deep_key		key = key_of(name, DEEP_RELAY);
	struct deep_record	record;

	if (deep_store_get(store, &key, &record) != DEEP_YES)
		return 0;
	return record.latch[2].confirmations;
}

static void
nap(long ms)
{
	const struct timespec	t = { ms / 1000, (ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* It takes connections and says nothing; not before it has really stopped. */
static void
freeze(void)
{
	(void)kill(server.pid, SIGSTOP);
	(void)waitpid(server.pid, NULL, WUNTRACED);
}

static void
thaw(void)
{
	(void)kill(server.pid, SIGCONT);
}

/* Asks until the server is asked again, which is after its pause; so many times. */
static uint32_t
in_time(struct deep_store *store, const char *name, uint32_t wanted)
{
	uint32_t	n = 0;
	int		i;

	for (i = 0; i < 4000 && ((n = confirmations(store, name)) != wanted ||
	    deep_store_warning(store)[0] != '\0'); i++)
		nap(25);
	return n;
}

static long long
in_server(const char *name, const char *field)
{
	char	command[400];

	(void)snprintf(command, sizeof(command), "HEXISTS deep:relay:%s %s", name, field);
	return redisd_ask(&server, command);
}

/* The sixth number of a latch: what the server itself counts. */
static long
counted_of(const char *name, const char *latch)
{
	redisContext	*link = redisd_link(&server);
	redisReply	*reply;
	char		 key[300];
	long		 n[6] = { 0 };

	if (link == NULL)
		return -1;
	(void)snprintf(key, sizeof(key), "deep:relay:%s", name);
	reply = redisCommand(link, "HGET %s l:%s", key, latch);
	if (reply != NULL && reply->type == REDIS_REPLY_STRING)
		(void)sscanf(reply->str, "%ld %ld %ld %ld %ld %ld", n, n + 1, n + 2, n + 3,
		    n + 4, n + 5);
	if (reply != NULL)
		freeReplyObject(reply);
	redisFree(link);
	return n[5];
}

static long
counted(const char *name)
{
	return counted_of(name, "tls12");
}

/* Gives it time to be told all; what the server counts then. */
static long
counted_in_time(struct deep_store *store, const char *name, long wanted)
{
	int	i;

	for (i = 0; i < 4000 && counted(name) != wanted; i++) {
		(void)held(store, name);
		nap(25);
	}
	return counted(name);
}

/* Sessions in the queue of a shadow, and 1 where the server is being filled. */
static int
queued(const char *shadow)
{
	sqlite3_stmt	*row = NULL;
	sqlite3		*db;
	int		 n = -1;

	if (sqlite3_open(below(shadow), &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "SELECT count(*) + (SELECT refill FROM meta)"
	    " FROM queue", -1, &row, NULL) ==
	    SQLITE_OK && sqlite3_step(row) == SQLITE_ROW)
		n = sqlite3_column_int(row, 0);
	(void)sqlite3_finalize(row);
	(void)sqlite3_close(db);
	return n;
}

/* Lets it tell all that waits.  That a server was emptied is seen by one call, and what
 * follows from that by the next. */
static void
told(struct deep_store *store, const char *shadow)
{
	int	i;

	for (i = 0; i < 4000 && (i < 2 || queued(shadow) != 0); i++) {
		(void)held(store, "nobody.example");
		nap(25);
	}
	is_int(queued(shadow), 0, "nothing waits any more");
}

/* Killed, and back with all that it knew: what was learnt meanwhile counts once. */
static void
test_killed(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct timespec		 from;
	struct lines		 lines;
	long			 ms;
	int			 i;

	begin_with(kept);
	config = host_of(&server, "a.db");
	store = fresh(config);
	for (i = 0; i < 5; i++)
		(void)teach(store, "a.example", "mx", START + i);
	is(deep_store_warning(store), "", "no warning while the server is there");
	is_int(counted("a.example"), 5, "the server counts five");
	redisd_stop(&server, SIGKILL);

	is_int(held(store, "a.example"), GOOD, "killed: the shadow answers");
	ok(has(deep_store_warning(store), "is away ("), "with a warning");
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 50; i++)
		(void)held(store, "a.example");
	ms = ms_since(&from);
	ok(ms < 5000, "and is not asked for each check: 50 took %ld ms", ms);
	for (i = 5; i < 12; i++)
		is_int(teach(store, "a.example", "mx", START + i), DEEP_YES,
		    "learnt all the same, %d", i);
	is_int(teach(store, "new.example", "mx", START), DEEP_YES, "a new name too");
	ok(has(deep_store_warning(store), "8 sessions wait for it"), "they wait");
	is_int(confirmations(store, "a.example"), 12, "the shadow counts twelve");
	is_int(deep_store_reset(store, &key, 0, "root", "why", START, NULL), DEEP_FAIL,
	    "a reset has to reach the server");
	ok(has(deep_store_error(store), "a reset has to reach it; nothing was changed"),
	    "it says so");
	is_int(held(store, "a.example"), GOOD, "nothing was changed");
	is_int(deep_store_exempt(store, &key, 1, "root", "why", START), DEEP_FAIL,
	    "an exemption too");
	ok(has(deep_store_error(store), "an exemption has to reach it"), "it says so");
	is_int(deep_store_purge(store, config, START, 0, NULL), DEEP_FAIL, "and a purge");
	deep_store_free(store);

	store = open_with(config);
	ok(has(deep_store_warning(store), "is away"), "opened while it is away");
	is_int(confirmations(store, "a.example"), 12, "all is in the shadow");
	if (!redisd_start(&server, kept))
		diag("no server");
	is_int(in_time(store, "a.example", 12), 12, "back: twelve, not more");
	is_int(counted_in_time(store, "new.example", 1), 1, "the queue is told");
	is_int(counted("a.example"), 12, "in the server too: each counted once");
	is_int(in_server("new.example", "l:tls12"), 1, "the new name is there");
	is(deep_store_warning(store), "", "no warning any more");
	is_int(deep_store_reset(store, &key, TLS10, "root", "why", START + 60, NULL),
	    DEEP_YES, "now it can be reset");
	is_int(in_server("a.example", "l:tls12"), 0, "in the server");
	is_int(in_server("a.example", "l:tls10"), 1, "but for what is kept");
	is_int(faults(store, &lines, NULL), DEEP_YES, "all is sound");
	is(lines.text, "", "no fault");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* Back with nothing: filled again from the shadow, never believed over it. */
static void
test_empty(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	struct lines		 lines;
	char			 name[40];
	int			 i;

	begin_with(plain);
	config = host_of(&server, "a.db");
	store = fresh(config);
	for (i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "n%02d.example", i);
		(void)teach(store, name, "mx", START);
		(void)teach(store, name, "mx", START + 1);
	}
	redisd_stop(&server, SIGKILL);
	(void)teach(store, "n07.example", "mx", START + 2);
	if (!redisd_start(&server, plain))
		diag("no server");
	is_int(redisd_ask(&server, "DBSIZE"), 0, "the server has lost all");
	is_int(in_time(store, "n07.example", 3), 3, "and is not believed");
	told(store, "a.db");
	is_int(redisd_ask(&server, "ZCARD deep:index"), 40, "it is filled again");
	is_int(counted("n07.example"), 3, "with the sessions that waited, once");
	is_int(counted("n39.example"), 2, "to the last name");
	is_int(redisd_ask(&server, "FLUSHALL"), 1, "emptied under our hands");
	is_int(held(store, "n08.example"), GOOD, "it is not believed either");
	(void)teach(store, "n08.example", "mx", START + 3);
	told(store, "a.db");
	is_int(redisd_ask(&server, "ZCARD deep:index"), 40, "and is filled again");
	is_int(counted("n08.example"), 3, "with all");
	is_int(faults(store, &lines, NULL), DEEP_YES, "all is sound");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* Back as it was some time ago: its books say so. */
static void
test_older(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	int			 i;

	begin_with(plain);
	config = host_of(&server, "a.db");
	store = fresh(config);
	for (i = 0; i < 3; i++)
		(void)teach(store, "a.example", "mx", START + i);
	is_int(redisd_ask(&server, "SAVE"), 1, "saved");
	for (i = 3; i < 6; i++)
		(void)teach(store, "a.example", "mx", START + i);
	(void)teach(store, "late.example", "mx", START + 9);
	redisd_stop(&server, SIGKILL);
	if (!redisd_start(&server, plain))
		diag("no server");
	is_int(counted("a.example"), 3, "the server is as it was when it was saved");
	is_int(in_time(store, "a.example", 6), 6, "the shadow is not");
	told(store, "a.db");
	is_int(in_server("late.example", "l:tls12"), 1, "and brings back what came later");
	is_int(counted("a.example"), 6, "the counts too");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
	(void)unlink(below("server/dump.rdb"));
}

/* A reset on one host holds against what another one remembers. */
static void
test_two_hosts(void)
{
	struct deep_config	*config[2];
	struct deep_store	*a, *b;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct deep_key		 key_of_c = key_of("c.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;
	int			 i;

	begin_with(plain);
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&server, "b.db");
	a = fresh(config[0]);
	b = fresh(config[1]);
	for (i = 0; i < 10; i++) {
		(void)teach(a, "a.example", "mx1", START + i);
		(void)teach(b, "a.example", "mx2", START + i);
	}
	is_int(confirmations(a, "a.example"), 20, "two hosts count together");
	is_int(confirmations(b, "a.example"), 20, "and see the same");
	is_int(deep_store_hosts(b, &key, &record), DEEP_YES, "read");
	is_int(record.nhost, 2, "the MX hosts of both");
	(void)teach(a, "b.example", "mx", START);
	is_int(held(b, "b.example"), GOOD, "what one has learnt the other one knows");

	is_int(deep_store_reset(a, &key, 0, "root", "moved", START + 100, NULL), DEEP_YES,
	    "reset on one");
	is_int(held(b, "a.example"), 0, "holds on the other, which remembered it");
	(void)teach(b, "c.example", "mx", START);
	is_int(deep_store_reset(a, &key_of_c, TLS10, "root", "moved", START + 100, NULL),
	    DEEP_YES, "another, but for tls10");
	is_int(redisd_ask(&server, "FLUSHALL"), 1, "the server loses all");
	is_int(held(b, "c.example"), GOOD, "b has not heard of it");
	(void)teach(b, "d.example", "mx", START);
	told(b, "b.db");
	is_int(in_server("c.example", "l:tls12"), 1, "and fills the server with what it has");
	(void)teach(a, "d.example", "mx", START);
	told(a, "a.db");
	is_int(in_server("c.example", "l:tls12"), 0, "a's reset counts above it");
	is_int(held(b, "c.example"), TLS10, "on b too");
	is_int(held(b, "a.example"), 0, "and so does the other one");

	is_int(deep_store_exempt(a, &key, 1, "root", "old", START + 200), DEEP_YES,
	    "exempt on one");
	(void)deep_store_get(b, &key, &record);
	is_int(record.exempt, START + 200, "is exempt on the other");
	is_int(deep_store_exempt(b, &key, 0, "root", "new", START + 300), DEEP_YES,
	    "ended on that one");
	(void)deep_store_get(a, &key, &record);
	is_int(record.exempt, 0, "is ended on the first");
	is_int(faults(a, &lines, NULL), DEEP_YES, "all is sound on a");
	is_int(faults(b, &lines, NULL), DEEP_YES, "and on b");
	deep_store_free(a);
	deep_store_free(b);
	deep_config_free(config[0]);
	deep_config_free(config[1]);
	redisd_stop(&server, SIGTERM);
}

/* A process with a shadow of its own, which learns of so many names of its own. */
static pid_t
learner(struct deep_config *config, char host, int names)
{
	struct deep_store	*store;
	char			 name[32];
	pid_t			 pid = fork();
	int			 i;

	if (pid != 0)
		return pid;
	store = open_with(config);
	for (i = 0; i < names; i++) {
		(void)snprintf(name, sizeof(name), "%c%03d.example", host, i);
		(void)teach(store, name, "mx", START);
	}
	deep_store_free(store);
	_exit(0);
}

/* Of what a shadow holds, how many names the server has not. */
struct only {
	int	names, missing;
};

static int
count_only(void *arg, const struct deep_key *key, const struct deep_record *record)
{
	struct only	*only = arg;

	(void)record;
	only->names++;
	only->missing += in_server(key->name, "l:tls12") != 1;
	return 0;
}

/* At the cap: what a host has answered for reaches the server, and what it refuses is
 * in no shadow. */
static void
test_cap_shared(void)
{
	struct deep_config	*config[2], *shadow;
	struct deep_store	*a, *b, *store;
	struct only		 only;
	pid_t			 pid[2];
	int			 i, round, limit, over = 0;

	entries = 3;
	begin_with(plain);
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&server, "b.db");
	a = fresh(config[0]);
	b = fresh(config[1]);
	(void)teach(a, "a1.example", "mx", START);
	redisd_stop(&server, SIGKILL);
	is_int(teach(a, "a2.example", "mx", START), DEEP_YES, "learnt while the server is away");
	(void)redisd_start(&server, plain);
	for (i = 0; i < 3; i++) {
		char	name[32];

		(void)snprintf(name, sizeof(name), "b%d.example", i);
		(void)in_time(b, name, 0);
		(void)teach(b, name, "mx", START);
	}
	is_int(redisd_ask(&server, "ZCARD deep:index"), 3, "another host fills it to its cap");
	is_int(teach(b, "b3.example", "mx", START), DEEP_LIMIT, "nothing new is taken");
	(void)in_time(a, "a1.example", 1);
	(void)in_time(a, "a2.example", 1);
	is_int(counted_in_time(a, "a2.example", 1), 1, "what was answered for reaches the server");
	is_int(counted_in_time(a, "a1.example", 1), 1, "and what the server has lost");
	is_int(held(b, "a2.example"), GOOD, "so that the other host has it too");
	is_int(teach(a, "a3.example", "mx", START), DEEP_LIMIT, "nothing new is taken still");
	is_int(held(a, "a3.example"), DEEP_LATCH_NONE, "by the shadow neither");
	deep_store_free(a);
	deep_store_free(b);
	deep_config_free(config[0]);
	deep_config_free(config[1]);

	/* Two at a time, until one is in between the other's look and its change. */
	for (round = 0, limit = 20; round < limit; round++) {
		entries = 20;
		remove_store("a.db");
		remove_store("b.db");
		(void)redisd_ask(&server, "FLUSHALL");
		config[0] = host_of(&server, "a.db");
		config[1] = host_of(&server, "b.db");
		deep_store_free(fresh(config[0]));
		deep_store_free(fresh(config[1]));
		pid[0] = learner(config[0], 'a', 20);
		pid[1] = learner(config[1], 'b', 20);
		for (i = 0; i < 2; i++)
			(void)waitpid(pid[i], NULL, 0);
		for (i = 0; i < 2; i++) {
			shadow = config_at(i == 0 ? "a.db" : "b.db", "");
			store = open_with(shadow);
			memset(&only, 0, sizeof(only));
			(void)deep_store_each(store, count_only, &only);
			over += only.missing;
			deep_store_free(store);
			deep_config_free(shadow);
			deep_config_free(config[i]);
		}
		if (redisd_ask(&server, "ZCARD deep:index") != 20)
			diag("%lld names at a cap of 20", redisd_ask(&server, "ZCARD deep:index"));
	}
	is_int(over, 0, "of no name knows one host alone");
	entries = 1000000;
	redisd_stop(&server, SIGTERM);
}

/* A session that waits while the name is reset on another host. */
static void
test_queued_reset(void)
{
	struct deep_config	*config[2];
	struct deep_store	*a, *b;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);

	begin_with(plain);
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&server, "b.db");
	a = fresh(config[0]);
	b = fresh(config[1]);
	(void)teach(a, "a.example", "mx", START);
	/* b's way to the server is cut, a's is not: the socket has another name. */
	(void)rename(server.socket, below("server/socket2"));
	deep_store_free(b);
	b = open_with(config[1]);
	(void)teach(b, "a.example", "mx", START + 100);
	is_int(held(b, "a.example"), GOOD, "learnt while the server is away");
	(void)rename(below("server/socket2"), server.socket);
	is_int(deep_store_reset(a, &key, 0, "root", "moved", START + 200, NULL), DEEP_YES,
	    "reset after it");
	is_int(in_time(b, "a.example", 0), 0, "what was learnt before is forgotten");
	told(b, "b.db");
	is_int(held(b, "a.example"), 0, "on b, when it is back");
	is_int(in_server("a.example", "l:tls12"), 0, "and in the server");
	(void)teach(b, "a.example", "mx", START + 300);
	is_int(held(a, "a.example"), GOOD, "what is learnt later is kept");
	deep_store_free(a);
	deep_store_free(b);
	deep_config_free(config[0]);
	deep_config_free(config[1]);
	redisd_stop(&server, SIGTERM);
}

/* The server had booked it, and the answer was lost: it is told again. */
static void
test_told_twice(void)
{
	struct deep_config	*config;
	struct deep_store	*store;

	begin_with(plain);
	config = host_of(&server, "a.db");
	store = fresh(config);
	(void)teach(store, "a.example", "mx", START);
	(void)teach(store, "a.example", "mx", START + 1);
	is_int(counted("a.example"), 2, "two");
	deep_store_free(store);
	is_int(raw("a.db", "INSERT INTO queue SELECT 2, 'a.example', 0, "
	    "'1795000001 772 4866 0 33313333 3 259200 15552000 0 mx'"), 0,
	    "the second is in the queue still, as after a crash");
	store = open_with(config);
	is_int(confirmations(store, "a.example"), 2, "told again, it counts once");
	is_int(counted("a.example"), 2, "in the server");
	is_int(raw("a.db", "INSERT INTO queue SELECT 1, 'a.example', 0, "
	    "'1795000001 772 4866 0 33313333 3 259200 15552000 0 mx'"), 0, "the first too");
	deep_store_free(store);
	store = open_with(config);
	is_int(confirmations(store, "a.example"), 2, "once");
	(void)teach(store, "a.example", "mx", START + 2);
	is_int(counted("a.example"), 3, "and the next one counts");
	deep_store_free(store);
	is_int(raw("a.db", "INSERT INTO queue (name, service, event) VALUES "
	    "('a.example', 0, 'no session')"), 0, "what is no session");
	store = open_with(config);
	(void)held(store, "a.example");
	is_int(teach(store, "a.example", "mx", START + 3), DEEP_YES, "does not stop the rest");
	told(store, "a.db");
	is_int(counted("a.example"), 4, "which reaches the server, and counts once");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* A session of TLS 1.0, which shows tls10, tls-nomd5 and tls-norc4 and no more. */
static enum deep_status
teach_old(struct deep_store *store, const char *name, int64_t now)
{
	struct deep_key		key = key_of(name, DEEP_RELAY);
	struct deep_session	session = session_of("TLS_RSA_WITH_AES_128_CBC_SHA", DEEP_TLS1_0);
	struct deep_policy	policy;

	deep_policy_of(&policy, NULL, name);
	return deep_store_learn(store, &key, &policy, &session, deep_str("mx"), now, NULL);
}

/* A host whose way to the server gives up soon. */
static struct deep_config *
impatient_of(const char *shadow)
{
	struct deep_config	*config;

	network = 250;
	config = host_of(&server, shadow);
	network = 10000;
	return config;
}

/* Sessions wait while the server loses a reset: what was reset does not come back, and
 * none of them counts twice. */
static void
test_lost_reset(void)
{
	struct deep_config	*config, *impatient;
	struct deep_store	*store;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	int			 i;

	begin_with(plain);
	config = host_of(&server, "a.db");
	impatient = impatient_of("a.db");
	store = fresh(config);
	for (i = 0; i < 3; i++)
		(void)teach(store, "a.example", "mx", START + i);
	told(store, "a.db");
	is_int(redisd_ask(&server, "COPY deep:relay:a.example kept"), 1, "the server as it is");
	is_int(deep_store_reset(store, &key, TLS10, "root", "why", START + 9, NULL), DEEP_YES,
	    "reset, but for tls10");
	is_int(in_server("a.example", "l:tls12"), 0, "in the server");
	deep_store_free(store);
	freeze();
	store = open_with(impatient);
	for (i = 0; i < 4; i++)
		is_int(teach_old(store, "a.example", START + 10 + i), DEEP_YES,
		    "learnt while it is silent, %d", i);
	deep_store_free(store);
	is_int(queued("a.db"), 4, "four wait");
	thaw();
	is_int(redisd_ask(&server, "RENAME kept deep:relay:a.example"), 1, "it lost the reset");
	is_int(in_server("a.example", "l:tls12"), 1, "and has what was reset");
	store = open_with(config);
	told(store, "a.db");
	is_int(counted_of("a.example", "tls-nomd5"), 4, "each of the four counts once");
	is_int(counted_of("a.example", "tls10"), 7, "beside those of what was kept");
	is_int(in_server("a.example", "l:tls12"), 0, "D3.3-6 what was reset is gone");
	is_int(held(store, "a.example"), TLS10 | NO, "D3.3-6 and does not come back");
	(void)teach_old(store, "a.example", START + 20);
	told(store, "a.db");
	is_int(counted_of("a.example", "tls-nomd5"), 5, "the next one counts as ever");
	deep_store_free(store);

	/* The same where the record is damaged. */
	freeze();
	store = open_with(impatient);
	for (i = 0; i < 4; i++)
		(void)teach_old(store, "a.example", START + 30 + i);
	deep_store_free(store);
	thaw();
	(void)redisd_ask(&server, "HSET deep:relay:a.example l:tls10 nonsense");
	store = open_with(config);
	told(store, "a.db");
	is_int(counted_of("a.example", "tls-nomd5"), 9, "damaged meanwhile: each counts once");
	is_int(counted_of("a.example", "tls10"), 12, "and all is there");
	deep_store_free(store);
	deep_config_free(config);
	deep_config_free(impatient);
	redisd_stop(&server, SIGTERM);
}

/* One damaged record of the shadow, with a session that waits. */
static void
test_damaged_shadow(void)
{
	struct deep_config	*config, *impatient;
	struct deep_store	*store;
	struct deep_key		 key = key_of("bad.example", DEEP_RELAY);
	struct lines		 lines;

	begin_with(plain);
	config = host_of(&server, "a.db");
	impatient = impatient_of("a.db");
	store = fresh(config);
	(void)teach(store, "bad.example", "mx", START);
	told(store, "a.db");
	deep_store_free(store);
	freeze();
	store = open_with(impatient);
	(void)teach(store, "bad.example", "mx", START + 1);
	(void)teach(store, "good.example", "mx", START + 1);
	deep_store_free(store);
	thaw();
	is_int(raw("a.db", "UPDATE latch SET confirmed = confirmed + 1 WHERE name = 'bad.example'"
	    " AND latch = 'tls12'"), 0, "a value changed past the library");
	store = open_with(config);
	told(store, "a.db");
	is_int(counted("good.example"), 1, "it holds up no other name");
	is_int(counted("bad.example"), 2, "the server is sound, and counts on");
	is_int(redisd_ask(&server, "FLUSHALL"), 1, "the server loses all");
	(void)teach(store, "good.example", "mx", START + 2);
	told(store, "a.db");
	is_int(counted("good.example"), 2, "nor the filling of a server");
	is_int(faults(store, &lines, NULL), DEEP_BAD, "verify tells of it");
	is_int(deep_store_reset(store, &key, 0, "root", "damaged", START + 9, NULL), DEEP_YES,
	    "and it can be reset");
	is_int(faults(store, &lines, NULL), DEEP_YES, "sound again");
	deep_store_free(store);
	deep_config_free(config);
	deep_config_free(impatient);
	redisd_stop(&server, SIGTERM);
}

/* A reset of long ago, on hosts that are not purged at the same time. */
static void
test_old_reset(void)
{
	struct deep_config	*config[2];
	struct deep_store	*a, *b;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	const int64_t		 later = START + 400 * DAY;
	struct deep_gone	 gone;

	begin_with(plain);
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&server, "b.db");
	a = fresh(config[0]);
	b = fresh(config[1]);
	(void)teach(a, "a.example", "mx", START);
	is_int(held(b, "a.example"), GOOD, "known to both");
	is_int(deep_store_reset(b, &key, 0, "root", "why", START + 9, NULL), DEEP_YES, "reset");
	is_int(held(a, "a.example"), 0, "on both");
	is_int(raw("a.db", "UPDATE meta SET clock = clock + 34560000, seen = seen + 34560000"),
	    0, "400 days later");
	is_int(deep_store_purge(a, config[0], later, 0, &gone), DEEP_YES, "purge on one");
	(void)teach(a, "a.example", "mx", later);
	told(a, "a.db");
	is_int(held(b, "a.example"), GOOD,
	    "D3.1-9 what is learnt then holds on the other, which has not been purged");
	(void)teach(b, "a.example", "mx", later + 1);
	told(b, "b.db");
	is_int(counted("a.example"), 2, "D3.1-9 and its sessions are added to it");
	deep_store_free(a);
	deep_store_free(b);
	deep_config_free(config[0]);
	deep_config_free(config[1]);
	redisd_stop(&server, SIGTERM);
}

/* What is done by hand asks at once, and ends the pause of all processes. */
static void
test_pause(void)
{
	struct deep_config	*config, *impatient;
	struct deep_store	*a, *b;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct lines		 lines;
	struct deep_gone	 gone;

	begin_with(kept);
	config = host_of(&server, "a.db");
	impatient = impatient_of("a.db");
	a = fresh(config);
	(void)teach(a, "a.example", "mx", START);
	told(a, "a.db");
	redisd_stop(&server, SIGTERM);
	(void)held(a, "a.example");
	ok(has(deep_store_warning(a), "is away"), "away");
	is_int(deep_store_purge(a, config, START, 1, &gone), DEEP_FAIL,
	    "a purge that only tells");
	ok(has(deep_store_error(a), "No such file or directory"), "says why it cannot");
	if (!redisd_start(&server, kept))
		diag("no server");
	a->redis->retry = a->redis->write_retry = (int64_t)time(NULL) * 1000 + 25000;
	is_int(deep_store_purge(a, config, START, 1, &gone), DEEP_YES, "which asks at once");
	a->redis->retry = a->redis->write_retry = (int64_t)time(NULL) * 1000 + 25000;
	deep_redis_disconnect(a->redis);
	is_int(faults(a, &lines, NULL), DEEP_YES, "so does verify");
	is_int(raw("a.db", "UPDATE meta SET away = (SELECT strftime('%s', 'now') * 1000 + 25000)"),
	    0, "a pause that other processes keep");
	b = open_with(config);
	ok(has(deep_store_warning(b), "is away"), "as this one does");
	is_int(deep_store_exempt(b, &key, 1, "root", "why", START), DEEP_YES, "an exemption does not");
	deep_store_free(b);
	b = open_with(config);
	is(deep_store_warning(b), "", "and ends it for all");
	deep_store_free(b);

	/* A clock that is put back by an hour: the pause was for half a minute at most. */
	deep_redis_disconnect(a->redis);
	a->redis->retry = a->redis->write_retry = (int64_t)time(NULL) * 1000 + 3600000;
	(void)held(a, "a.example");
	is(deep_store_warning(a), "", "a pause ends where the clock is put back");

	/* One that only reads, while another process dies with a session in the queue. */
	freeze();
	b = open_with(impatient);
	(void)teach(b, "a.example", "mx", START + 1);
	deep_store_free(b);
	thaw();
	is_int(queued("a.db"), 1, "a session of one that died");
	a->redis->looked = 0;		/* a minute ago */
	told(a, "a.db");
	is_int(counted("a.example"), 2, "is told by one that learns nothing itself");
	deep_store_free(a);
	deep_config_free(config);
	deep_config_free(impatient);
	redisd_stop(&server, SIGTERM);
}

/* It forgets scripts, has no room, takes no command of this user. */
static void
test_refuses(void)
{
	static const struct {
		const char	*begin, *end, *why, *what;
	} rows[] = {
		{ "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "takes no changes (OOM",
		    "no memory" },
		{ "ACL SETUSER default -evalsha", "ACL SETUSER default +evalsha",
		    "is away (NOPERM", "a script that is forbidden" },
		{ "ACL SETUSER default -hgetall", "ACL SETUSER default +hgetall",
		    "is away (NOPERM", "a reading that is forbidden" },
		{ "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0",
		    "takes no changes (NOREPLICAS", "no replica" }
	};
	struct deep_config	*config;
	struct deep_store	*store;
	char			 name[32];
	size_t			 i;

	begin_with(plain);
	config = host_of(&server, "a.db");
	store = fresh(config);
	(void)teach(store, "a.example", "mx", START);
	is_int(redisd_ask(&server, "SCRIPT FLUSH"), 1, "its scripts are gone");
	(void)teach(store, "a.example", "mx", START + 1);
	is(deep_store_warning(store), "", "and it is given them again");
	is_int(counted("a.example"), 2, "and counts");
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(name, sizeof(name), "r%zu.example", i);
		is_int(redisd_ask(&server, rows[i].begin), 1, "%s", rows[i].what);
		is_int(teach(store, name, "mx", START), DEEP_YES, "%s: it is learnt",
		    rows[i].what);
		ok(has(deep_store_warning(store), rows[i].why), "%s: with a warning", rows[i].what);
		is_int(confirmations(store, name), 1, "%s: it is known", rows[i].what);
		is_int(redisd_ask(&server, rows[i].end), 1, "%s: no longer", rows[i].what);
		told(store, "a.db");
		is_int(counted(name), 1, "%s: then it is told", rows[i].what);
	}
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* A session that waits in the queue of another process is in the shadow already, and
 * what goes from there to the server has it not. */
static void
test_counted_once(void)
{
	struct deep_config	*config, *impatient;
	struct deep_store	*a, *b;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct deep_record	 record;
	int			 i, n;

	begin_with(plain);
	config = host_of(&server, "a.db");
	impatient = impatient_of("a.db");
	a = fresh(config);
	(void)teach(a, "a.example", "mx", START);
	(void)teach(a, "a.example", "mx", START + 1);
	is_int(counted_in_time(a, "a.example", 2), 2, "two sessions");
	for (i = 0; i < 4; i++) {
		b = open_with(impatient);
		freeze();
		(void)teach(b, "a.example", "mx", START + 2 + i);
		thaw();
		is_int(queued("a.db"), 1, "one more waits, of another process");
		deep_store_free(b);
		switch (i) {
		case 0:
			a->redis->pending = 0;
			a->redis->state.refill = 1;
			memset(&a->redis->state.next, 0, sizeof(a->redis->state.next));
			is_int(held(a, "a.example"), GOOD, "in the midst of a refill");
			break;
		case 1:
			is_int(deep_store_exempt(a, &key, 1, "root", "why", START + 9), DEEP_YES,
			    "exempt meanwhile");
			break;
		case 2:
			(void)deep_store_hosts(a, &key, &record);
			is_int(deep_store_put(a, &key, &record, START + 9), DEEP_YES,
			    "imported meanwhile");
			break;
		default:
			is_int(deep_store_reset(a, &key, TLS12, "root", "why", START + 9, NULL),
			    DEEP_YES, "reset meanwhile, but for tls12");
		}
		b = open_with(config);
		is_int(counted_in_time(b, "a.example", 3 + i), 3 + i, "it is told");
		for (n = 0; n < 4000 && queued("a.db") != 0; n++)
			(void)held(b, "a.example");
		is_int(counted("a.example"), 3 + i, "and counts once");
		deep_store_free(b);
	}
	deep_store_free(a);
	deep_config_free(config);
	deep_config_free(impatient);
	redisd_stop(&server, SIGTERM);
}

/* It takes the connection and says nothing. */
static void
test_silent(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	struct timespec		 from;
	long			 ms;

	begin_with(plain);
	network = 6000;
	config = host_of(&server, "a.db");
	network = 10000;
	store = fresh(config);
	(void)teach(store, "a.example", "mx", START);
	is_int(counted_in_time(store, "a.example", 1), 1, "told");
	freeze();
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	is_int(held(store, "a.example"), GOOD, "silent: the shadow answers");
	ms = ms_since(&from);
	ok(ms >= 5900, "after [store] network, 6000 ms: %ld", ms);
	ok(has(deep_store_warning(store), "no answer in time"), "it says so");
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	(void)held(store, "a.example");
	ms = ms_since(&from);
	ok(ms < 5500, "and then at once: %ld", ms);
	deep_store_free(store);
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	store = open_with(config);
	(void)teach(store, "a.example", "mx", START + 1);
	ms = ms_since(&from);
	ok(ms < 5500, "another process of the host does not wait either: %ld", ms);
	thaw();
	is_int(in_time(store, "a.example", 2), 2, "it speaks again: two");
	is_int(counted_in_time(store, "a.example", 2), 2, "each once");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* A process that dies between the shadow and the server. */
static void
test_died(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	int			 status;
	pid_t			 pid;

	begin_with(plain);
	config = impatient_of("a.db");
	deep_store_free(fresh(config));
	freeze();
	pid = fork();
	if (pid == 0) {
		store = open_with(config);
		(void)teach(store, "a.example", "mx", START);
		(void)kill(getpid(), SIGKILL);
	}
	(void)waitpid(pid, &status, 0);
	thaw();
	store = open_with(config);
	is_int(in_time(store, "a.example", 1), 1, "acknowledged by one that died: there");
	is_int(counted_in_time(store, "a.example", 1), 1,
	    "and told to the server by the next one");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

static void
test_replica(void)
{
	struct deep_config	*config[2];
	struct deep_store	*master, *store;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	char			 command[200];
	int			 i;

	server.port = REDISD_ANY;
	begin_with(plain);
	(void)snprintf(other.folder, sizeof(other.folder), "%s", below("other"));
	(void)mkdir(other.folder, 0755);
	if (!redisd_start(&other, plain))
		diag("no second server");
	(void)redisd_ask(&server, "CONFIG SET repl-diskless-sync-delay 0");
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&other, "b.db");
	master = fresh(config[0]);
	(void)teach(master, "a.example", "mx", START);
	(void)snprintf(command, sizeof(command), "REPLICAOF 127.0.0.1 %d", server.port);
	is_int(redisd_ask(&other, command), 1, "the other one is made a replica");
	for (i = 0; i < 5000 && redisd_ask(&other, "ZCARD deep:index") != 1; i++)
		nap(20);
	store = fresh(config[1]);
	is_int(held(store, "a.example"), GOOD, "a replica can be read");
	is_int(teach(store, "a.example", "mx", START + 1), DEEP_YES, "what is learnt waits");
	ok(has(deep_store_warning(store), "takes no changes (READONLY"), "it says so");
	ok(has(deep_store_warning(store), "1 sessions wait"), "and how much waits");
	is_int(confirmations(store, "a.example"), 2, "and is not lost");
	is_int(deep_store_reset(store, &key, 0, "root", "why", START, NULL), DEEP_FAIL,
	    "no reset through a replica");
	ok(has(deep_store_error(store), "READONLY"), "it says so");
	redisd_stop(&server, SIGKILL);
	is_int(held(store, "a.example"), GOOD, "the master dies");
	is_int(redisd_ask(&other, "REPLICAOF NO ONE"), 1, "the replica is made the master");
	is_int(in_time(store, "a.example", 2), 2, "what waited is told to it");
	for (i = 0; i < 4000 && deep_store_reset(store, &key, TLS10, "root", "why", START + 5,
	    NULL) == DEEP_FAIL; i++)
		nap(25);
	is_int(held(store, "a.example"), TLS10, "and a reset reaches it");
	deep_store_free(master);
	deep_store_free(store);
	deep_config_free(config[0]);
	deep_config_free(config[1]);
	redisd_stop(&other, SIGTERM);
	server.port = 0;
}

static void
test_password(void)
{
	static const char	*const users[] = {
		"--save", "", "--user", "default", "off", "--user", "deep", "on",
		/* as deep.3 says */
		">a@b:c/d", "~deep:*", "+hgetall", "+hmget", "+hget", "+hset", "+hsetnx",
		"+hkeys", "+hdel", "+del", "+zadd", "+zrem", "+zscore", "+zcard",
		"+zrangebylex", "+zremrangebyscore", "+incr", "+evalsha", "+script|load", "+auth",
		"+select", NULL
	};
	struct deep_config	*config;
	struct deep_store	*store = deep_store_new();
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct lines		 lines;
	char			 url[256];

	(void)snprintf(server.folder, sizeof(server.folder), "%s", below("server"));
	remove_store("a.db");
	server.port = REDISD_ANY;
	(void)redisd_start_unasked(&server, users);
	(void)snprintf(url, sizeof(url), "redis://deep:a%%40b:c%%2fd@127.0.0.1:%d/2",
	    server.port);
	config = host_at(url, "a.db");
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_YES,
	    "user and password, a port, a number");
	deep_store_free(store);
	store = open_with(config);
	is_int(teach(store, "a.example", "mx", START), DEEP_YES, "learnt");
	is(deep_store_warning(store), "", "without a warning");
	is_int(deep_store_exempt(store, &key, 1, "root", "why", START), DEEP_YES, "exempt");
	is_int(deep_store_reset(store, &key, TLS10, "root", "why", START, NULL), DEEP_YES,
	    "reset");
	is(walked(store, &lines), "a.example relay 01 exempt 1\n", "walked");
	is_int(deep_store_purge(store, config, START, 0, NULL), DEEP_YES, "purged");
	is_int(faults(store, &lines, NULL), DEEP_YES, "with the commands that deep.3 names");
	(void)teach(store, "a.example", "mx", START + 1);
	deep_store_free(store);
	deep_config_free(config);

	(void)snprintf(url, sizeof(url), "redis://deep:wrong@127.0.0.1:%d/2", server.port);
	config = host_at(url, "a.db");
	store = open_with(config);
	is_int(held(store, "a.example"), GOOD, "a wrong password: the shadow answers");
	ok(has(deep_store_warning(store), "WRONGPASS"), "with a warning");
	ok(strstr(deep_store_warning(store), "wrong@") == NULL &&
	    strstr(deep_store_warning(store), ":wrong") == NULL, "that does not tell it");
	deep_store_free(store);
	deep_config_free(config);
	remove_store("a.db");
	config = host_at(url, "a.db");
	store = deep_store_new();
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_FAIL,
	    "but nothing is made with one");
	ok(has(deep_store_error(store), "WRONGPASS"), "it says so");
	is_int(access(below("a.db"), F_OK), -1, "no file is left");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
	server.port = 0;
}

static void
test_urls(void)
{
	static const struct {
		const char	*url;
		const char	*why;
	} bad[] = {
		{ "redis://", "not understood" },
		{ "redis://host:0", "not understood" },
		{ "redis://host:70000", "not understood" },
		{ "redis://host/x", "not understood" },
		{ "redis://user@host", "not understood" },
		{ "redis://user:%zz@host", "not understood" },
		{ "redis+unix://relative", "not understood" },
		{ "redis:host", "no kind of store" },
	};
	struct deep_config	*config;
	struct deep_store	*store;
	size_t			 i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		config = host_at(bad[i].url, "a.db");
		store = deep_store_new();
		is_int(deep_store_open(store, config), DEEP_FAIL, "%s: refused", bad[i].url);
		ok(has(deep_store_error(store), bad[i].why), "%s: why", bad[i].url);
		deep_store_free(store);
		deep_config_free(config);
	}
	remove_store("a.db");
	config = host_at("redis://127.0.0.1:1", "a.db");
	store = deep_store_new();
	is_int(deep_store_open(store, config), DEEP_FAIL, "no shadow, no server");
	ok(has(deep_store_error(store), "a.db: there is no store"), "the shadow has to be there");
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_FAIL,
	    "and is not made without a server");
	ok(has(deep_store_error(store), "redis 127.0.0.1:1 cannot be used: Connection refused"),
	    "it says so");
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_damaged(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct lines		 lines;
	redisContext		*link;

	begin_with(plain);
	config = host_of(&server, "a.db");
	store = fresh(config);
	(void)teach(store, "a.example", "mx", START);
	told(store, "a.db");
	is_int(counted("a.example"), 1, "one");
	(void)redisd_ask(&server, "HSET deep:relay:a.example l:tls12 nonsense");
	is_int(held(store, "a.example"), GOOD, "a damaged record: the shadow answers");
	ok(has(deep_store_warning(store), "deep:relay:a.example is damaged"), "it says so");
	is_int(faults(store, &lines, NULL), DEEP_BAD, "verify finds it");
	ok(has(lines.text, "the record of relay a.example is damaged; reset that name"),
	    "and tells");
	is_int(deep_store_reset(store, &key, TLS10, "root", "damaged", START, NULL), DEEP_YES,
	    "a reset puts it right");
	is_int(faults(store, &lines, NULL), DEEP_YES, "sound again");
	is_int(held(store, "a.example"), TLS10, "what is kept is kept");
	(void)redisd_ask(&server, "HSET deep:relay:a.example m nonsense");
	is_int(teach(store, "a.example", "mx", START + 5), DEEP_YES, "damaged, and learnt of");
	is_int(counted_in_time(store, "a.example", 1), 1, "it is whole again");
	is_int(faults(store, &lines, NULL), DEEP_YES, "from the shadow");
	link = redisd_link(&server);
	freeReplyObject(redisCommand(link, "ZADD deep:index 0 %s", "ghost.example 0"));
	redisFree(link);
	is_int(faults(store, &lines, NULL), DEEP_BAD, "a name in the index, and no record");
	ok(has(lines.text, "relay ghost.example is in deep:index and has no record"), "is told");
	(void)redisd_ask(&server, "SET deep:relay:c.example x");
	key = key_of("c.example", DEEP_RELAY);
	is_int(held(store, "c.example"), 0, "a key of another type");
	ok(has(deep_store_warning(store), "deep:relay:c.example is damaged"), "is a damaged record");
	is_int(teach(store, "c.example", "mx", START), DEEP_YES, "of which is learnt");
	is_int(held(store, "c.example"), GOOD, "and it is known");
	is_int(counted_in_time(store, "c.example", 1), 1, "in the server too");
	is_int(in_server("c.example", "v"), 1, "which has a record of it now");
	(void)redisd_ask(&server, "HSET deep:relay:c.example m nonsense");
	is_int(teach(store, "c.example", "mx", START + 1), DEEP_YES,
	    "a damaged field that the shadow has not");
	is_int(counted_in_time(store, "c.example", 2), 2, "the record is whole again");
	is_int(in_server("c.example", "m"), 0, "without it");
	is_int(held(store, "c.example"), GOOD, "read again");
	is(deep_store_warning(store), "", "nothing is amiss");
	(void)redisd_ask(&server, "ZREM deep:index \"ghost.example 0\"");
	deep_store_free(store);
	deep_config_free(config);
	redisd_stop(&server, SIGTERM);
}

/* Learners of two hosts, two of each, at one name, and the server killed meanwhile. */
static void
test_race(void)
{
	const int		 each = 60;
	struct deep_config	*config[2];
	struct deep_store	*store[2];
	pid_t			 pids[4];
	int			 i, n, status, good = 0;

	begin_with(kept);
	config[0] = host_of(&server, "a.db");
	config[1] = host_of(&server, "b.db");
	deep_store_free(fresh(config[0]));
	deep_store_free(fresh(config[1]));
	for (n = 0; n < 4; n++) {
		pids[n] = fork();
		if (pids[n] == 0) {
			store[0] = open_with(config[n % 2]);
			for (i = 0; i < each; i++) {
				if (teach(store[0], "a.example", "mx", START + i) != DEEP_YES) {
					diag("host %d, session %d: %s", n % 2, i,
					    deep_store_error(store[0]));
					(void)fflush(NULL);
					_exit(1);
				}
				nap(2);
			}
			_exit(0);
		}
	}
	nap(100);
	redisd_stop(&server, SIGKILL);
	nap(100);
	if (!redisd_start(&server, kept))
		diag("no server");
	for (n = 0; n < 4; n++) {
		(void)waitpid(pids[n], &status, 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 0;
	}
	is_int(good, 4, "four learn while the server is killed and started");
	for (n = 0; n < 2; n++) {
		store[n] = open_with(config[n]);
		for (i = 0; i < 4000 && queued(n == 0 ? "a.db" : "b.db") != 0; i++) {
			nap(25);
			(void)held(store[n], "a.example");
		}
	}
	is_int(counted("a.example"), 4 * each,
	    "no session is lost, none counts twice, in the server");
	for (n = 0; n < 2; n++) {
		is_int(confirmations(store[n], "a.example"), 4 * each, "nor on host %d", n);
		deep_store_free(store[n]);
	}
	deep_config_free(config[0]);
	deep_config_free(config[1]);
	redisd_stop(&server, SIGTERM);
}

int
main(void)
{
	if (redisd_program() == NULL)
		plan_skip_all("no redis-server, no valkey-server");
	plan_no_plan();
	make_folder("storeredis");
	test_urls();
	test_killed();
	test_empty();
	test_older();
	test_two_hosts();
	test_cap_shared();
	test_queued_reset();
	test_told_twice();
	test_counted_once();
	test_lost_reset();
	test_damaged_shadow();
	test_old_reset();
	test_pause();
	test_refuses();
	test_silent();
	test_died();
	test_replica();
	test_password();
	test_damaged();
	test_race();
	remove_folder();
	return done_testing();
}
