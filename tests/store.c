/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store.c - tests of shared/store.c and its kinds: what is kept, what is
 * refused, and what each failure says.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deep.h"
#include "redisd.h"
#include "store.h"
#include "storekit.h"
#include "tap.h"

static int
add_entry(void *arg, const struct deep_entry *entry)
{
	char	line[1200];

	(void)snprintf(line, sizeof(line), "%lld %s %s %s host=%s %02x %s: %s",
	    (long long)(entry->time - START), entry->kind, entry->key.name,
	    deep_service_name(entry->key.service), entry->host,
	    (unsigned)entry->latches, entry->who, entry->text);
	return add_line(arg, line);
}

static int
add_note(void *arg, const char *sub, const char *text)
{
	char	line[4096];

	(void)snprintf(line, sizeof(line), "%s=%s", sub, text);
	return add_line(arg, line);
}

/*
 * What holds for each kind of store.
 */

static struct kind {
	const char	*name;
	const char	*url;		/* NULL: not to be had here */
	const char	*why;
	const char	*file;		/* of SQLite */
	int		 shared;	/* with other hosts */
	void		(*forget)(void);	/* all that is stored */
} kinds[2];

static struct deep_store *
fresh_kind(const struct kind *kind, struct deep_config **config, const char *more)
{
	kind->forget();
	*config = config_of(kind->url, more);
	return fresh(*config);
}

static void
test_learn(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 relay = key_of("example.org", DEEP_RELAY);
	struct deep_key		 submission = key_of("Example.ORG.", DEEP_SUBMISSION);
	struct deep_session	 session = good_session(), clear, old;
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct deep_learnt	 learnt;
	struct lines		 lines;

	memset(&clear, 0, sizeof(clear));
	deep_policy_of(&policy, NULL, "example.org");
	memset(&record, 0xff, sizeof(record));
	is_int(deep_store_get(store, &relay, &record), DEEP_NO, "%s: nothing is known",
	    kind->name);
	is_int(record.nhost + record.nother + (size_t)record.latch[0].first, 0,
	    "%s: and the record is zeroed", kind->name);

	is_int(deep_store_learn(store, &relay, &policy, &session, deep_str("MX1.example.net"),
	    START, &learnt), DEEP_YES, "%s: D5.3-3 learn", kind->name);
	is_int(learnt.set, GOOD, "%s: D5.3-5 what was set", kind->name);
	is_int(held(store, "example.org"), GOOD, "%s: it is held", kind->name);
	is(walked(store, &lines), "example.org relay e7 1\n",
	    "%s: D3.1-1 D3.1-2 exactly these tuples, none of the host", kind->name);

	session = session_of("TLS_RSA_WITH_AES_128_CBC_SHA", DEEP_TLS1_2);
	is_int(deep_store_learn(store, &submission, &policy, &session,
	    deep_str("mail.example.org"), START + 5, &learnt), DEEP_YES,
	    "%s: another service of the name", kind->name);
	is(walked(store, &lines), "example.org relay e7 1\nexample.org submission 67 1\n",
	    "%s: D3.1-1 is a tuple of its own", kind->name);

	old = session_of("TLS_RSA_WITH_AES_128_CBC_SHA", DEEP_TLS1_0);
	is_int(deep_store_learn(store, &relay, &policy, &old, deep_str("mx2.example.net"),
	    START + 10, &learnt), DEEP_YES, "%s: a lesser session", kind->name);
	is_int(held(store, "example.org"), GOOD, "%s: D3.1-9 takes nothing away", kind->name);
	is_int(learnt.contradicted, GOOD & ~(TLS10 | NO), "%s: and is said to contradict",
	    kind->name);
	is_int(deep_store_learn(store, &relay, &policy, &clear, deep_str("mx2.example.net"),
	    START + 20, &learnt), DEEP_YES, "%s: clear text", kind->name);
	is_int(held(store, "example.org"), GOOD, "%s: D3.1-9 takes nothing away either",
	    kind->name);

	is_int(deep_store_hosts(store, &relay, &record), DEEP_YES, "%s: with hosts",
	    kind->name);
	is_int(record.nhost, 2, "%s: two", kind->name);
	is(record.host[0].name, "mx1.example.net", "%s: the first", kind->name);
	is_int(record.host[0].satisfied, GOOD, "%s: what it satisfied", kind->name);
	is(record.host[1].name, "mx2.example.net", "%s: the second", kind->name);
	is_int(record.host[1].satisfied, 0, "%s: by its last session", kind->name);
	is_int(record.host[1].sessions, 2, "%s: of two", kind->name);
	is_int(record.host[1].first, START + 10, "%s: seen first", kind->name);
	is_int(record.host[1].last, START + 20, "%s: seen last", kind->name);
	is_int(record.latch[2].first, START, "%s: tls12 since", kind->name);
	is_int(record.latch[2].contradictions, 2, "%s: contradicted twice", kind->name);
	is_int(record.latch[0].confirmed, START + 10, "%s: tls10 confirmed by the lesser one",
	    kind->name);
	is_int(record.latch[0].confirmations, 2, "%s: twice", kind->name);
	is_int(record.clock, START + 20 - 20, "%s: the clock that was written last",
	    kind->name);

	deep_store_free(store);
	store = open_with(config);
	is_int(held(store, "example.org"), GOOD,
	    "%s: D3.1-3 D5.5-1 it is there after a restart", kind->name);
	is(walked(store, &lines), "example.org relay e7 2\nexample.org submission 67 1\n",
	    "%s: all of it", kind->name);
	is_int(deep_store_learn(store, &relay, &policy, &clear, deep_str("mx9.example.net"),
	    START + 30, NULL), DEEP_YES, "%s: learnt may be NULL", kind->name);
	relay = key_of("unknown.example", DEEP_RELAY);
	is_int(deep_store_learn(store, &relay, &policy, &clear, deep_str("mx9.example.net"),
	    START + 30, &learnt), DEEP_YES, "%s: clear text of an unknown name", kind->name);
	is_int(deep_store_get(store, &relay, &record), DEEP_NO, "%s: leaves no record",
	    kind->name);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	is(lines.text, "", "%s: no fault", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_probation(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct deep_session	 session = good_session();
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct deep_learnt	 learnt;
	int			 i;

	deep_policy_of(&policy, NULL, "a.example");
	for (i = 0; i < 4; i++) {
		deep_store_free(store);
		store = open_with(config);
		is_int(deep_store_learn(store, &key, &policy, &session,
		    deep_str("mx.a.example"), START + i * DAY, &learnt), DEEP_YES,
		    "%s: day %d", kind->name, i);
		is_int(learnt.enforced, i < 3 ? 0 : GOOD,
		    "%s: probation %s on day %d, across restarts", kind->name,
		    i < 3 ? "goes on" : "ends", i);
	}
	is_int(deep_store_get(store, &key, &record), DEEP_YES, "%s: read", kind->name);
	is_int(deep_policy_required(&policy, &record, 0), GOOD, "%s: D3.1-4 it is required",
	    kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_reset(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_key		 none = key_of("unknown.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;
	deep_latches		 forgotten;

	(void)teach(store, "example.org", "mx.example.net", START);
	is_int(deep_store_reset(store, &key, TLS10, "root", "a new provider", START + 60,
	    &forgotten), DEEP_YES, "%s: D3.3-6 D3.3-7 reset but for tls10", kind->name);
	is_int(forgotten, GOOD & ~TLS10, "%s: what was forgotten", kind->name);
	is_int(deep_store_hosts(store, &key, &record), DEEP_YES, "%s: read", kind->name);
	is_int(deep_record_held(&record, NULL), TLS10, "%s: D3.3-7 only tls10 is left",
	    kind->name);
	is_int(record.nhost, 1, "%s: the hosts stay", kind->name);
	is_int(deep_store_reset(store, &key, TLS10, "root", "again", START + 61, &forgotten),
	    DEEP_NO, "%s: nothing more to forget", kind->name);
	is_int(forgotten, 0, "%s: and it says so", kind->name);
	is_int(deep_store_reset(store, &key, DEEP_LATCH_NONE, "root", "all\nof it",
	    START + 62, &forgotten), DEEP_YES, "%s: reset of all", kind->name);
	is_int(deep_store_hosts(store, &key, &record), DEEP_NO, "%s: nothing is known",
	    kind->name);
	is_int(record.nhost, 0, "%s: no hosts", kind->name);
	is_int(deep_store_reset(store, &none, DEEP_LATCH_NONE, "root", "", START, NULL),
	    DEEP_NO, "%s: of an unknown name", kind->name);
	memset(&lines, 0, sizeof(lines));
	is_int(deep_store_log_each(store, 0, add_entry, &lines), DEEP_YES, "%s: the log",
	    kind->name);
	is(lines.text, "60 reset example.org relay host= e6 root: a new provider\n"
	    "62 reset example.org relay host= 01 root: all\nof it\n",
	    "%s: D3.3-6 tells of both, by whom and why", kind->name);
	is_int(teach(store, "example.org", "mx.example.net", START + 70), DEEP_YES,
	    "%s: learnt again", kind->name);
	is_int(held(store, "example.org"), GOOD, "%s: from anew", kind->name);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_exempt(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("b.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;

	is_int(deep_store_exempt(store, &key, 1, "anna", "their MX is old", START), DEEP_YES,
	    "%s: exempt", kind->name);
	is_int(deep_store_exempt(store, &key, 1, "anna", "again", START + 1), DEEP_NO,
	    "%s: it is already", kind->name);
	is_int(deep_store_get(store, &key, &record), DEEP_NO, "%s: no latch", kind->name);
	is_int(record.exempt, START, "%s: but exempt since", kind->name);
	(void)teach(store, "c.example", "mx", START);
	(void)teach(store, "a.example", "mx", START);
	is(walked(store, &lines), "a.example relay e7 1\nb.example relay 00 exempt 0\n"
	    "c.example relay e7 1\n", "%s: a walk finds it in its place", kind->name);
	is_int(deep_store_exempt(store, &key, 0, "anna", "they have a new one", START + 2),
	    DEEP_YES, "%s: no longer", kind->name);
	is_int(deep_store_exempt(store, &key, 0, "anna", "", START + 3), DEEP_NO,
	    "%s: it is not", kind->name);
	is(walked(store, &lines), "a.example relay e7 1\nc.example relay e7 1\n",
	    "%s: gone from the walk", kind->name);
	memset(&lines, 0, sizeof(lines));
	(void)deep_store_log_each(store, START + 1, add_entry, &lines);
	is(lines.text, "2 unexempt b.example relay host= 00 anna: they have a new one\n",
	    "%s: the log since then", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

/* A record with all that it can hold. */
static void
fill_record(struct deep_record *record)
{
	size_t	i;

	memset(record, 0, sizeof(*record));
	for (i = 0; i < 3; i++) {
		record->latch[i].first = START;
		record->latch[i].confirmed = START + 100;
		record->latch[i].window = START + 50;
		record->latch[i].confirmations = 7;
		record->latch[i].in_window = 2;
	}
	record->latch[1].enforced = START + 90;
	for (i = 0; i < DEEP_OTHER_MAX; i++) {
		(void)snprintf(record->other[i].id, sizeof(record->other[i].id), "x-new-%zu",
		    i);
		record->other[i].held = record->latch[0];
	}
	record->nother = DEEP_OTHER_MAX;
	for (i = 0; i < DEEP_HOST_MAX; i++) {
		(void)snprintf(record->host[i].name, sizeof(record->host[i].name),
		    "mx%02zu.example.net", i);
		record->host[i].satisfied = GOOD;
		record->host[i].first = START;
		record->host[i].last = START + (int64_t)i;
		record->host[i].sessions = 3;
	}
	record->nhost = DEEP_HOST_MAX;
}

static void
test_put(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("put.example", DEEP_RELAY);
	struct deep_record	 given, got, again;
	struct lines		 lines;
	size_t			 i;

	fill_record(&given);
	is_int(deep_store_put(store, &key, &given, START + 200), DEEP_YES, "%s: put",
	    kind->name);
	is_int(deep_store_hosts(store, &key, &got), DEEP_YES, "%s: read", kind->name);
	is_int(got.nother, DEEP_OTHER_MAX, "%s: D3.1-9 ids that have no row are kept",
	    kind->name);
	is(got.other[7].id, "x-new-7", "%s: D3.1-9 as they are", kind->name);
	is_int(got.other[7].held.confirmations, 7, "%s: with their counts", kind->name);
	is_int(deep_record_held(&got, NULL), TLS12, "%s: D3.1-9 and are not enforced",
	    kind->name);
	is_int(got.latch[1].enforced, START + 90, "%s: enforced", kind->name);
	is_int(got.latch[2].window, START + 50, "%s: window", kind->name);
	is_int(got.nhost, DEEP_HOST_MAX, "%s: all hosts", kind->name);

	is_int(deep_store_put(store, &key, &given, START + 200), DEEP_YES,
	    "%s: put twice", kind->name);
	is_int(deep_store_hosts(store, &key, &again), DEEP_YES, "%s: read", kind->name);
	again.clock = got.clock;
	ok(memcmp(&got.latch, &again.latch, sizeof(got.latch)) == 0, "%s: is put once",
	    kind->name);

	memset(&given, 0, sizeof(given));
	given.latch[7].first = given.latch[7].confirmed = START - 5;
	given.latch[1].first = START - 9;
	given.latch[1].confirmed = START + 50;
	given.latch[1].confirmations = 9;
	(void)strlcpy(given.host[0].name, "new.example.net", sizeof(given.host[0].name));
	given.host[0].last = START + 1000;
	given.nhost = 1;
	is_int(deep_store_put(store, &key, &given, START + 200), DEEP_YES, "%s: another",
	    kind->name);
	is_int(deep_store_hosts(store, &key, &got), DEEP_YES, "%s: read", kind->name);
	is_int(deep_record_held(&got, NULL), TLS12 | PFS, "%s: D3.1-9 the union", kind->name);
	is_int(got.latch[1].first, START - 9, "%s: the earlier first", kind->name);
	is_int(got.latch[1].confirmed, START + 100, "%s: the later confirmed", kind->name);
	is_int(got.latch[1].confirmations, 9, "%s: the greater count", kind->name);
	is_int(got.latch[1].enforced, START + 90, "%s: enforced stays", kind->name);
	is_int(got.nhost, DEEP_HOST_MAX, "%s: at most %d hosts", kind->name, DEEP_HOST_MAX);
	for (i = 0; i < got.nhost; i++)
		if (strcmp(got.host[i].name, "mx00.example.net") == 0)
			break;
	is_int(i, got.nhost, "%s: the one longest not seen went", kind->name);
	memset(&given, 0, sizeof(given));
	given.latch[2].first = given.latch[2].confirmed = START;
	key = key_of("closure.example", DEEP_RELAY);
	(void)deep_store_put(store, &key, &given, START);
	is_int(held(store, "closure.example"), TLS12, "%s: closed: tls12 > tls11 > tls10",
	    kind->name);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	is(lines.text, "", "%s: no fault", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_cap(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "entries = 3");
	struct deep_key		 key = key_of("one.example", DEEP_RELAY);
	struct lines		 lines;

	(void)teach(store, "one.example", "mx", START);
	(void)teach(store, "two.example", "mx", START);
	is_int(teach(store, "three.example", "mx", START), DEEP_YES, "%s: up to the cap",
	    kind->name);
	is_int(teach(store, "four.example", "mx", START), DEEP_LIMIT,
	    "%s: D3.1-6 above it a new name is refused", kind->name);
	is_int(teach(store, "two.example", "mx2", START + 5), DEEP_YES,
	    "%s: a known one is not", kind->name);
	is(walked(store, &lines), "one.example relay e7 1\nthree.example relay e7 1\n"
	    "two.example relay e7 2\n", "%s: D3.1-6 none was evicted", kind->name);
	(void)deep_store_reset(store, &key, 0, "root", "room", START, NULL);
	is_int(teach(store, "four.example", "mx", START), DEEP_YES,
	    "%s: after a reset there is room", kind->name);
	is_int(teach(store, "five.example", "mx", START), DEEP_LIMIT, "%s: for one",
	    kind->name);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_retention(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config,
				    "entries = 2\n[policy]\nretention = 62d");
	struct deep_key		 key = key_of("old.example", DEEP_RELAY);
	struct deep_key		 reset = key_of("reset.example", DEEP_RELAY);
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct lines		 lines;
	struct deep_gone	 gone = { 7, 7 };
	int64_t			 now = START;
	int			 day;

	deep_policy_of(&policy, config, "old.example");
	(void)teach(store, "reset.example", "mx", now);
	(void)deep_store_reset(store, &reset, 0, "root", "why", now, NULL);
	(void)teach(store, "old.example", "mx", now);
	(void)teach(store, "used.example", "mx", now);
	for (day = 1; day <= 62; day++) {
		now = START + day * DAY - 3600;
		(void)teach(store, "used.example", "mx", now);
		if (day < 62)
			(void)deep_store_purge(store, config, now, 0, &gone);
	}
	is_int(teach(store, "young.example", "mx", now), DEEP_LIMIT,
	    "%s: D3.1-6 at 61 d 23 h, the store being full, a new name is refused",
	    kind->name);
	is_int(deep_store_purge(store, config, now, 0, &gone), DEEP_YES, "%s: purge",
	    kind->name);
	is_int(gone.latches, 0, "%s: D3.1-6 takes nothing at 61 d 23 h", kind->name);
	is_int(deep_store_get(store, &key, &record), DEEP_YES, "%s: D3.1-6 it is held",
	    kind->name);
	is_int(deep_record_held(&record, &policy), GOOD, "%s: D3.1-6 and counts", kind->name);
	now = START + 62 * DAY + 1;
	is_int(deep_store_purge(store, config, now, 1, &gone), DEEP_YES, "%s: dry run",
	    kind->name);
	is_int(gone.latches, 6, "%s: D3.1-5 would take six", kind->name);
	is_int(held(store, "old.example"), GOOD, "%s: and took none", kind->name);
	is_int(deep_store_purge(store, config, now, 0, &gone), DEEP_YES, "%s: purge",
	    kind->name);
	is_int(gone.latches, 6, "%s: D3.1-5 takes them a second behind 62 days", kind->name);
	is_int(raw(kind->file, kind->shared ?
	    "CREATE TABLE marks (n CHECK (n = 1)); INSERT INTO marks SELECT count(*) FROM mark;"
	    "DROP TABLE marks" :
	    "CREATE TABLE marks (n CHECK (n = 0)); INSERT INTO marks SELECT count(*) FROM mark;"
	    "DROP TABLE marks"), 0,
	    "%s: what tells of a reset as old as that %s", kind->name,
	    kind->shared ? "stays, for other hosts" : "goes too");
	is(walked(store, &lines), "used.example relay e7 1\n",
	    "%s: D3.1-5 what was confirmed stays, hosts went with the latches", kind->name);
	is_int(teach(store, "young.example", "mx", now), DEEP_YES, "%s: there is room again",
	    kind->name);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_clock(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("a.example", DEEP_RELAY);
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct deep_gone	 gone;

	deep_policy_of(&policy, config, "a.example");
	(void)teach(store, "a.example", "mx", START);
	is_int(deep_store_purge(store, config, START + 10000 * DAY, 0, &gone), DEEP_YES,
	    "%s: a purge when the clock has jumped by 27 years", kind->name);
	is_int(gone.latches, 0, "%s: D3.1-6 takes nothing", kind->name);
	is_int(deep_store_get(store, &key, &record), DEEP_YES, "%s: read", kind->name);
	is_int(deep_record_held(&record, &policy), GOOD, "%s: D3.1-6 all is held", kind->name);
	is_int(deep_store_purge(store, config, START - 10000 * DAY, 0, &gone), DEEP_YES,
	    "%s: and when it has gone back", kind->name);
	is_int(gone.latches, 0, "%s: nothing", kind->name);
	(void)teach(store, "b.example", "mx", START - 10000 * DAY);
	is_int(held(store, "a.example"), GOOD, "%s: D3.1-6 all is held still", kind->name);
	is_int(held(store, "b.example"), GOOD, "%s: and more is learnt", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_notes(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct lines		 lines;
	char			 buf[64], large[2100];

	is_int(deep_note_put(store, "seen", "msg1", "b", "two", START + 10), DEEP_YES,
	    "%s: a note", kind->name);
	(void)deep_note_put(store, "seen", "msg1", "a", "one", START + 10);
	(void)deep_note_put(store, "seen", "msg2", "a", "other", START + 10);
	is_int(deep_note_get(store, "seen", "msg1", "a", START, buf, sizeof(buf)), DEEP_YES,
	    "%s: read", kind->name);
	is(buf, "one", "%s: it", kind->name);
	memset(&lines, 0, sizeof(lines));
	is_int(deep_note_each(store, "seen", "msg1", START, add_note, &lines), DEEP_YES,
	    "%s: all of a key", kind->name);
	is(lines.text, "a=one\nb=two\n", "%s: in order", kind->name);
	(void)deep_note_put(store, "seen", "msg1", "a", "new", START + 20);
	is_int(deep_note_get(store, "seen", "msg1", "a", START + 15, buf, sizeof(buf)),
	    DEEP_YES, "%s: replaced", kind->name);
	is(buf, "new", "%s: by the new one", kind->name);
	is_int(deep_note_get(store, "seen", "msg1", "b", START + 10, buf, sizeof(buf)),
	    DEEP_NO, "%s: expired", kind->name);
	is(buf, "", "%s: and nothing given", kind->name);
	is_int(deep_note_take(store, "seen", "msg1", "a", START, buf, sizeof(buf)), DEEP_YES,
	    "%s: taken", kind->name);
	is(buf, "new", "%s: it", kind->name);
	is_int(deep_note_take(store, "seen", "msg1", "a", START, buf, sizeof(buf)), DEEP_NO,
	    "%s: once", kind->name);
	is_int(deep_note_get(store, "seen", "msg2", "a", START, buf, 3), DEEP_LIMIT,
	    "%s: no room", kind->name);
	is(buf, "", "%s: nothing is left half", kind->name);
	is_int(deep_note_drop(store, "seen", "msg2", NULL), DEEP_YES, "%s: dropped",
	    kind->name);
	is_int(deep_note_each(store, "seen", "msg2", START, add_note, &lines), DEEP_NO,
	    "%s: none is left", kind->name);
	memset(large, 'x', sizeof(large) - 1);
	large[2048] = '\0';
	is_int(deep_note_put(store, "fifteen-octets-", "k", "s", large, START), DEEP_YES,
	    "%s: 15 octets and 2048", kind->name);
	is_int(deep_note_put(store, "sixteen--octets-", "k", "s", "", START), DEEP_LIMIT,
	    "%s: 16", kind->name);
	large[2048] = 'x';
	large[2049] = '\0';
	is_int(deep_note_put(store, "k", "k", "s", large, START), DEEP_LIMIT, "%s: 2049",
	    kind->name);
	large[512] = '\0';
	is_int(deep_note_put(store, "k", large, large, "", START), DEEP_YES, "%s: 512",
	    kind->name);
	large[512] = 'x';
	large[513] = '\0';
	is_int(deep_note_put(store, "k", large, "", "", START), DEEP_LIMIT, "%s: key of 513",
	    kind->name);
	is_int(deep_note_put(store, "k", "", large, "", START), DEEP_LIMIT, "%s: sub of 513",
	    kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_log(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_entry	 entry;
	struct lines		 lines;

	memset(&entry, 0, sizeof(entry));
	entry.time = START;
	(void)strlcpy(entry.kind, "refused", sizeof(entry.kind));
	entry.key = key_of("example.org", DEEP_RELAY);
	(void)strlcpy(entry.host, "mx.example.net", sizeof(entry.host));
	entry.latches = TLS12;
	(void)strlcpy(entry.who, "exim", sizeof(entry.who));
	(void)strlcpy(entry.text, "no STARTTLS; '\"%s", sizeof(entry.text));
	is_int(deep_store_log(store, &entry), DEEP_YES, "%s: an entry", kind->name);
	entry.time = START + 5;
	(void)deep_store_log(store, &entry);
	memset(&lines, 0, sizeof(lines));
	lines.most = 1;
	is_int(deep_store_log_each(store, START, add_entry, &lines), DEEP_YES,
	    "%s: read, stopped behind one", kind->name);
	is(lines.text,
	    "0 refused example.org relay host=mx.example.net 07 exim: no STARTTLS; '\"%s\n",
	    "%s: as written", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static int
add_joined(void *arg, const struct deep_entry *entry)
{
	char	line[600];

	(void)snprintf(line, sizeof(line), "%lld-%lld %u %s %s", (long long)(entry->time - START),
	    (long long)(entry->last - START), (unsigned)entry->count, entry->kind, entry->text);
	return add_line(arg, line);
}

static const char *
joined(struct deep_store *store, int64_t since, struct lines *lines)
{
	memset(lines, 0, sizeof(*lines));
	(void)deep_store_log_each(store, since, add_joined, lines);
	return lines->text;
}

/* What a host that is retried says again and again, and how long it is kept. */
static void
test_log_joined(const struct kind *kind)
{
	static const struct {
		int64_t		 at;
		const char	*kind, *host, *who, *text;
		deep_latches	 latches;
	} rows[] = {
		{ 0, "refused", "mx", "exim", "a", TLS12 },
		{ 3600, "refused", "mx", "exim", "b", TLS12 },		/* joins */
		{ 7201, "refused", "mx", "exim", "c", TLS12 },		/* an hour and a second */
		{ 7202, "refused", "mx2", "exim", "d", TLS12 },
		{ 7203, "refused", "mx", "exim", "e", TLS10 },
		{ 7204, "refused", "mx", "filter-deep", "f", TLS12 },
		{ 7205, "warned", "mx", "exim", "g", TLS12 },
		{ 7100, "warned", "mx", "exim", "h", TLS12 },		/* joins: a clock put back */
		{ 7206, "contradicted", "mx", "exim", "i", TLS12 },
		{ 7207, "contradicted", "mx", "exim", "j", TLS12 },	/* joins */
		{ 7208, "alarm", "mx", "exim", "k", TLS12 },
		{ 7209, "alarm", "mx", "exim", "l", TLS12 }		/* no kind that is joined */
	};
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "log = 62d");
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_gone	 gone;
	struct deep_entry	 entry;
	struct lines		 lines;
	size_t			 i;
	int64_t			 now;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(&entry, 0, sizeof(entry));
		entry.time = START + rows[i].at;
		entry.key = key;
		(void)strlcpy(entry.kind, rows[i].kind, sizeof(entry.kind));
		(void)strlcpy(entry.host, rows[i].host, sizeof(entry.host));
		(void)strlcpy(entry.who, rows[i].who, sizeof(entry.who));
		(void)strlcpy(entry.text, rows[i].text, sizeof(entry.text));
		entry.latches = rows[i].latches;
		if (deep_store_log(store, &entry) != DEEP_YES)
			diag("%s", deep_store_error(store));
	}
	is(joined(store, 0, &lines), "0-3600 2 refused a\n7201-7201 1 refused c\n"
	    "7202-7202 1 refused d\n7203-7203 1 refused e\n7204-7204 1 refused f\n"
	    "7205-7205 2 warned g\n7206-7207 2 contradicted i\n7208-7208 1 alarm k\n"
	    "7209-7209 1 alarm l\n", "%s: the same within an hour is one entry", kind->name);
	ok(has(joined(store, START + 3600, &lines), "0-3600 2 refused a\n"),
	    "%s: and is of the time of its last, too", kind->name);
	ok(!strstr(joined(store, START + 3601, &lines), "0-3600"), "%s: not later", kind->name);
	(void)teach(store, "example.org", "mx", START);
	(void)deep_store_reset(store, &key, 0, "root", "why", START, NULL);
	(void)deep_store_exempt(store, &key, 1, "root", "why", START);

	/* The store's clock has to have got there: a jump takes it a day at a time. */
	for (now = START; now < START + 3600 + 62 * DAY; now += DAY / 2)
		(void)deep_store_purge(store, config, now, 0, &gone);
	is_int(deep_store_purge(store, config, START + 3600 + 62 * DAY, 0, &gone), DEEP_YES,
	    "%s: purge", kind->name);
	is_int(gone.entries, 0, "%s: none is too old at 62 days behind its last", kind->name);
	is_int(deep_store_purge(store, config, START + 3601 + 62 * DAY, 1, &gone), DEEP_YES,
	    "%s: dry run", kind->name);
	is_int(gone.entries, 1, "%s: would take one a second later", kind->name);
	ok(has(joined(store, 0, &lines), "refused a"), "%s: and did not", kind->name);
	is_int(deep_store_purge(store, config, START + 7207 + 62 * DAY, 0, &gone), DEEP_YES,
	    "%s: purge", kind->name);
	is_int(gone.entries, 6, "%s: takes those of sessions", kind->name);
	is(joined(store, 0, &lines), "0-0 1 reset why\n0-0 1 exempt why\n"
	    "7206-7207 2 contradicted i\n7208-7208 1 alarm k\n7209-7209 1 alarm l\n",
	    "%s: and never what a hand did, nor an alarm", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

/* Learns of a certificate that was right for this name. */
static void
teach_certificate(struct deep_store *store, const char *host, int by_domain, int64_t now)
{
	struct deep_key		key = key_of("example.org", DEEP_RELAY);
	struct deep_session	session = good_session();
	struct deep_policy	policy;

	session.chain_ok = session.host_ok = session.host_safe = 1;
	session.name_ok = by_domain ? 1 : 0;
	deep_policy_of(&policy, NULL, key.name);
	is_int(deep_store_learn(store, &key, &policy, &session, deep_str(host), now, NULL),
	    DEEP_YES, "learnt of a certificate");
}

static const char *
reference_of(struct deep_store *store, char *buf, size_t size)
{
	struct deep_key		key = key_of("example.org", DEEP_RELAY);
	struct deep_record	record;

	if (deep_store_get(store, &key, &record) == DEEP_FAIL)
		diag("%s", deep_store_error(store));
	(void)snprintf(buf, size, "%d %d %s", (record.latch[3].first != 0), (int)record.cert_by,
	    record.cert_by == DEEP_BY_HOST ? record.cert_host : "-");
	return buf;
}

static void
test_reference(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_record	 record, older;
	struct lines		 lines;
	char			 buf[300];

	(void)teach(store, "example.org", "mx1.example.net", START);
	is(reference_of(store, buf, sizeof(buf)), "0 0 -", "%s: no certificate", kind->name);
	teach_certificate(store, "mx1.example.net", 0, START + 1);
	is(reference_of(store, buf, sizeof(buf)), "1 2 mx1.example.net",
	    "%s: D3.2-7 that the name of the MX host made tls-cert is recorded", kind->name);
	(void)teach(store, "example.org", "mx2.example.net", START + 2);
	is(reference_of(store, buf, sizeof(buf)), "1 2 mx1.example.net",
	    "%s: D3.2-7 a session without one does not change it", kind->name);
	teach_certificate(store, "MX2.example.net.", 0, START + 3);
	is(reference_of(store, buf, sizeof(buf)), "1 2 mx2.example.net",
	    "%s: D3.2-7 it is that of the last session", kind->name);
	(void)deep_store_hosts(store, &key, &older);
	teach_certificate(store, "mx2.example.net", 1, START + 4);
	is(reference_of(store, buf, sizeof(buf)), "1 1 -",
	    "%s: D3.2-7 the domain's name counts before the host's", kind->name);
	is_int(deep_store_put(store, &key, &older, START + 5), DEEP_YES, "%s: put", kind->name);
	is(reference_of(store, buf, sizeof(buf)), "1 1 -",
	    "%s: D3.2-7 of two the one confirmed last tells", kind->name);
	(void)deep_store_hosts(store, &key, &record);
	is_int(faults(store, &lines, NULL), DEEP_YES, "%s: all is sound", kind->name);
	(void)deep_store_reset(store, &key, TLS10, "root", "why", START + 6, NULL);
	is(reference_of(store, buf, sizeof(buf)), "0 0 -", "%s: and goes with it", kind->name);
	is_int(deep_store_put(store, &key, &record, START + 7), DEEP_YES, "%s: put", kind->name);
	is(reference_of(store, buf, sizeof(buf)), "1 1 -", "%s: comes with it", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_bulk(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, ""), *other;
	struct deep_record	 record;
	struct deep_key		 key;
	struct lines		 lines;
	char			 name[32];
	int			 i;

	memset(&record, 0, sizeof(record));
	record.latch[0].first = record.latch[0].confirmed = START;
	is_int(deep_store_bulk(store, 1), DEEP_YES, "%s: several at a time", kind->name);
	for (i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "n%03d.example", i);
		key = key_of(name, DEEP_RELAY);
		if (deep_store_put(store, &key, &record, START) != DEEP_YES)
			break;
	}
	is_int(i, 500, "%s: 500 put", kind->name);
	is_int(deep_store_bulk(store, 0), DEEP_YES, "%s: the end of it", kind->name);
	other = open_with(config);
	memset(&lines, 0, sizeof(lines));
	lines.most = 500;
	is_int(deep_store_each(other, add_key, &lines), DEEP_YES, "%s: read by another",
	    kind->name);
	is_int(lines.n, 500, "%s: all are there", kind->name);
	is_int(teach(store, "behind.example", "mx", START), DEEP_YES,
	    "%s: and it goes on as before", kind->name);
	is_int(held(other, "behind.example"), GOOD, "%s: at once", kind->name);
	deep_store_free(other);
	deep_store_free(store);
	deep_config_free(config);
}

static int	steps[3];		/* that were watched: names, records, sessions */

static void
count_step(void *arg, const char *what)
{
	static const char	*const names[] = { "names", "records", "sessions" };
	size_t			 i;

	for (i = 0; i < 3; i++)
		if (strcmp(names[i], what) == 0)
			((int *)arg)[i]++;
}

static void
test_watch(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct lines		 lines;
	uint64_t		 records;

	(void)teach(store, "a.example", "mx", START);
	(void)teach(store, "b.example", "mx", START);
	memset(steps, 0, sizeof(steps));
	deep_store_watch(store, count_step, steps);
	is_int(faults(store, &lines, &records), DEEP_YES, "%s: verified, and watched", kind->name);
	is_int(steps[1], records, "%s: each record", kind->name);
	is_int(deep_store_purge(store, config, START, 0, NULL), DEEP_YES, "%s: purged", kind->name);
	is_int(steps[0], kind->shared ? 4 : 2, "%s: each name, in each place", kind->name);
	is_int(steps[2], 0, "%s: no session waits", kind->name);
	(void)teach(store, "a.example", "mx", START + 1);
	is_int(steps[2], kind->shared, "%s: a session that a server is told of", kind->name);
	deep_store_watch(store, NULL, NULL);
	is_int(deep_store_purge(store, config, START, 0, NULL), DEEP_YES, "%s: nobody watches",
	    kind->name);
	is_int(steps[0], kind->shared ? 4 : 2, "%s: no step more", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

/* A child of a process that has a store. */
static void
test_fork(const struct kind *kind)
{
	struct deep_config	*config;
	struct deep_store	*store = fresh_kind(kind, &config, "");
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_record	 record;
	int			 status = 0;
	pid_t			 pid;

	(void)teach(store, "example.org", "mx", START);
	pid = fork();
	if (pid == 0) {
		status |= deep_store_get(store, &key, &record) != DEEP_FAIL;
		status |= 2 * (strstr(deep_store_error(store), "after fork(2)") == NULL);
		status |= 4 * (teach(store, "a.example", "mx", START) != DEEP_FAIL);
		status |= 8 * (deep_note_put(store, "k", "k", "s", "t", START) != DEEP_FAIL);
		deep_store_free(store);
		_exit(status);
	}
	(void)waitpid(pid, &status, 0);
	is_int(WIFEXITED(status) ? WEXITSTATUS(status) : 255, 0,
	    "%s: in a forked process each call is FAIL", kind->name);
	is_int(held(store, "example.org"), GOOD, "%s: the parent's goes on", kind->name);
	is_int(teach(store, "a.example", "mx", START), DEEP_YES, "%s: and writes", kind->name);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_kind(const struct kind *kind)
{
	if (kind->url == NULL) {
		skip(1, "%s", kind->why);
		return;
	}
	test_learn(kind);
	test_probation(kind);
	test_reset(kind);
	test_exempt(kind);
	test_put(kind);
	test_cap(kind);
	test_retention(kind);
	test_clock(kind);
	test_notes(kind);
	test_log(kind);
	test_log_joined(kind);
	test_reference(kind);
	test_bulk(kind);
	test_watch(kind);
	test_fork(kind);
}

/*
 * SQLite's own: how a file is made, and how it can be amiss.
 */

static void
forget_sqlite(void)
{
	remove_store("latches.db");
}

static struct redisd	server;

static void
forget_redis(void)
{
	remove_store("shadow.db");
	if (redisd_ask(&server, "FLUSHALL") != 1)
		diag("FLUSHALL failed");
}

static mode_t
mode_of(const char *path)
{
	struct stat	st;

	return stat(path, &st) == -1 ? 0 : st.st_mode & 07777;
}

/* Where the file was removed, with what lies beside it. */
static void
test_made_anew(const struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();
	FILE			*left;

	is_int(unlink(below("made/latches.db")), 0, "the file is removed");
	left = fopen(below("made/latches.db-wal"), "w");
	ok(left != NULL && fputs("what was not written yet", left) > 0 && fclose(left) == 0,
	    "and its -wal has something in it");
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_FAIL,
	    "no new one beside that");
	ok(has(deep_store_error(store), "latches.db-wal: is left of a store"), "it says so");
	is_int(mode_of(below("made/latches.db")), 0, "and makes nothing");
	is_int(truncate(below("made/latches.db-wal"), 0), 0, "an empty one");
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_YES, "is in nobody's way");
	is_int(deep_store_open(store, config), DEEP_YES, "opened");
	is_int(held(store, "example.org"), 0, "with nothing in it");
	is_int(teach(store, "example.org", "mx", START), DEEP_YES, "and used");
	deep_store_free(store);
}

static void
test_create(void)
{
	struct deep_config	*config = config_at("made/latches.db", "");
	struct deep_store	*store = deep_store_new();
	int			 other = getuid() == 0;
	struct stat		 st;

	is_int(deep_store_open(store, config), DEEP_FAIL, "D5.5-1 what is not there");
	ok(has(deep_store_error(store), below("made/latches.db")), "is named");
	ok(has(deep_store_error(store), "there is no store; make it with \"deeplatch init\""),
	    "with what to do");
	is_int(mode_of(below("made")), 0, "and nothing was made");
	is_int(deep_store_create(store, config, other ? 65534 : getuid(),
	    other ? 65533 : getgid()), DEEP_YES, "made");
	is_int(mode_of(below("made")), 02770, "the folder is 2770");
	is_int(mode_of(below("made/latches.db")), 0660, "the file is 0660");
	is_int(stat(below("made/latches.db"), &st), 0, "stat");
	is_int(st.st_uid, other ? 65534 : getuid(), "its owner");
	is_int(st.st_gid, other ? 65533 : getgid(), "its group");
	is_int(stat(below("made"), &st), 0, "stat");
	is_int(st.st_gid, other ? 65533 : getgid(), "the folder's group");
	is(deep_store_warning(store), "", "no warning");
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_FAIL,
	    "never a second time");
	ok(has(deep_store_error(store), "is there already and is left as it is"), "it says so");
	is_int(deep_store_open(store, config), DEEP_YES, "opened");
	is_int(teach(store, "example.org", "mx", START), DEEP_YES, "and used");
	is_int(deep_store_open(store, config), DEEP_FAIL, "not opened twice");
	deep_store_free(store);
	is_int(stat(below("made/latches.db-wal"), &st), 0, "what SQLite needs beside it stays");
	is_int(st.st_size, 0, "and is empty when all is closed");
	test_made_anew(config);
	deep_config_free(config);
	config = config_at("beside.db", "");
	store = deep_store_new();
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_YES,
	    "in a folder that was there");
	ok(has(deep_store_warning(store), "is left as it is"), "with a warning of its mode");
	deep_store_free(store);
	deep_config_free(config);
	config = config_at("no/such/latches.db", "");
	store = deep_store_new();
	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_FAIL,
	    "in no folder's folder");
	ok(has(deep_store_error(store), "cannot make this folder"), "it says so");
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_before_open(void)
{
	struct deep_store	*store = deep_store_new();
	struct deep_config	*config = config_at("latches.db", "");
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_record	 record;

	is(deep_store_error(store), "", "no error yet");
	is_int(deep_store_get(store, &key, &record), DEEP_FAIL, "asked before it is open");
	ok(has(deep_store_error(store), "is not open"), "it says so");
	deep_store_free(store);
	deep_store_free(NULL);
	ok(has(deep_store_error(NULL), "no memory"), "without memory there is a text too");
	remove_store("latches.db");
	store = fresh(config);
	memset(&key, 0, sizeof(key));
	is_int(deep_store_get(store, &key, &record), DEEP_FAIL, "a key without a name");
	memset(key.name, 'a', sizeof(key.name));
	is_int(deep_store_get(store, &key, &record), DEEP_FAIL, "a name without an end");
	deep_store_free(store);
	deep_config_free(config);
}

/* Opens, says what came of it, and is closed again. */
static void
refuses(const char *what, struct deep_config *config, const char *where, const char *why)
{
	struct deep_store	*store = deep_store_new();

	is_int(deep_store_open(store, config), DEEP_FAIL, "%s: refused", what);
	ok(has(deep_store_error(store), where), "%s: where", what);
	ok(has(deep_store_error(store), why), "%s: why", what);
	ok(strchr(deep_store_error(store), '\n') == NULL, "%s: in one line", what);
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_refused(void)
{
	struct deep_config	*config;

	refuses("no kind of store", config_of("memcached:/x", ""), "memcached:",
	    "no kind of store");
	refuses("a path that is not full", config_of("sqlite:latches.db", ""), "latches.db",
	    "not a full path");
	write_file(below("empty.db"), "");
	refuses("an empty file", config_at("empty.db", ""), "empty.db",
	    "empty, and a store never is");
	is_int(mode_of(below("empty.db-wal")), 0, "an empty file: is left alone");
	write_file(below("text.db"), "This is the text of a letter, and no database at all.\n"
	    "It is longer than the head of a file of SQLite, which has a hundred octets.\n");
	refuses("no database", config_at("text.db", ""), "text.db", "damaged (file is not a");
	(void)mkdir(below("folder.db"), 0755);
	refuses("a folder", config_at("folder.db", ""), "folder.db", "not a file");
	remove_store("foreign.db");
	(void)raw("foreign.db", "CREATE TABLE t (a); PRAGMA user_version = 1");
	refuses("the database of something else", config_at("foreign.db", ""), "foreign.db",
	    "a database of something else");
	config = config_at("newer.db", "");
	deep_store_free(fresh(config));
	(void)raw("newer.db", "PRAGMA user_version = 3");
	refuses("a newer version", config, "newer.db", "its tables are of version 3");
}

/* Bytes of the file are overwritten, from the third page on: meta is in the second. */
static void
test_corrupt(void)
{
	struct deep_config	*config = config_at("corrupt.db", "");
	struct deep_store	*store = fresh(config);
	struct deep_key		 key = key_of("n0100.example", DEEP_RELAY);
	struct deep_record	 record, filled;
	struct lines		 lines;
	char			 name[32], page[8192];
	int			 fd, i;
	struct stat		 st;

	memset(&filled, 0, sizeof(filled));
	filled.latch[0].first = filled.latch[0].confirmed = START;
	(void)deep_store_bulk(store, 1);
	for (i = 0; i < 2000; i++) {
		struct deep_key	one;

		(void)snprintf(name, sizeof(name), "n%04d.example", i);
		one = key_of(name, DEEP_RELAY);
		(void)deep_store_put(store, &one, &filled, START);
	}
	(void)deep_store_bulk(store, 0);
	deep_store_free(store);
	fd = open(below("corrupt.db"), O_RDWR);
	memset(page, 0x5a, sizeof(page));
	if (fd == -1 || fstat(fd, &st) == -1)
		diag("no corrupt.db");
	for (i = 2; (off_t)(i + 1) * (off_t)sizeof(page) <= st.st_size; i++)
		(void)!pwrite(fd, page, sizeof(page), (off_t)i * (off_t)sizeof(page));
	(void)close(fd);
	store = deep_store_new();
	if (deep_store_open(store, config) == DEEP_YES) {
		is_int(deep_store_get(store, &key, &record), DEEP_FAIL,
		    "a damaged file is no empty one");
		ok(has(deep_store_error(store), "damaged ("), "it says so");
		is_int(teach(store, "new.example", "mx", START), DEEP_FAIL, "nor written to");
		is_int(faults(store, &lines, NULL), DEEP_FAIL, "verify ends with an error");
		ok(lines.n > 0, "having told of faults: %d", lines.n);
	} else {
		fail("opened");
	}
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_damaged_row(void)
{
	struct deep_config	*config = config_at("row.db", "");
	struct deep_store	*store = fresh(config);
	struct deep_key		 key = key_of("bad.example", DEEP_RELAY);
	struct deep_key		 host = key_of("host.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;
	deep_latches		 forgotten;
	uint64_t		 records;

	(void)teach(store, "bad.example", "mx.bad.example", START);
	(void)teach(store, "host.example", "mx.host.example", START);
	(void)teach(store, "good.example", "mx.good.example", START);
	is_int(faults(store, &lines, &records), DEEP_YES, "sound");
	is_int(records, 3 * 6 + 3, "each record is looked at");
	is_int(raw("row.db", "UPDATE latch SET confirmed = confirmed + 1 "
	    "WHERE name = 'bad.example' AND latch = 'tls12';"
	    "UPDATE host SET satisfied = 255 WHERE name = 'host.example'"), 0,
	    "two values changed past the library");
	is_int(deep_store_get(store, &key, &record), DEEP_FAIL, "a row with another sum");
	ok(has(deep_store_error(store), "the record of relay bad.example (tls12) is damaged"),
	    "is named");
	is_int(deep_store_hosts(store, &host, &record), DEEP_FAIL, "a host's too");
	is_int(held(store, "good.example"), GOOD, "others are read");
	is_int(teach(store, "bad.example", "mx", START), DEEP_FAIL, "nothing is learnt onto it");
	is_int(faults(store, &lines, NULL), DEEP_BAD, "verify finds them");
	is_int(lines.n, 2, "both");
	ok(has(lines.text, "latch tls12 of relay bad.example: damaged"), "the latch");
	ok(has(lines.text, "host mx.host.example of relay host.example: damaged"), "the host");
	is_int(deep_store_reset(store, &key, TLS10, "root", "damaged", START, &forgotten),
	    DEEP_YES, "a reset puts it right");
	is_int(held(store, "bad.example"), TLS10, "what is kept is kept");
	is_int(deep_store_reset(store, &host, DEEP_LATCH_ALL, "root", "damaged", START,
	    &forgotten), DEEP_YES, "also where all is kept");
	is_int(held(store, "host.example"), GOOD, "all of it");
	is_int(faults(store, &lines, NULL), DEEP_YES, "sound again");
	is(lines.text, "", "no fault");

	(void)raw("row.db", "DELETE FROM latch WHERE name = 'good.example'");
	is_int(faults(store, &lines, NULL), DEEP_BAD, "hosts without latches, a wrong count");
	ok(has(lines.text, "hosts of relay good.example, but no latch"), "the hosts");
	ok(has(lines.text, "its count of names is 3, there are 2"), "the count");
	(void)raw("row.db", "UPDATE latch SET name = 'Bad Example' WHERE name = 'bad.example'");
	is_int(faults(store, &lines, NULL), DEEP_BAD, "a name that is none");
	ok(has(lines.text, "\"Bad Example\" is no name"), "is told");
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_log_kept(void)
{
	struct deep_config	*config = config_at("log.db", "");
	struct deep_store	*store = fresh(config);
	struct deep_key		 key = key_of("example.org", DEEP_RELAY);
	struct deep_entry	 entry;
	struct lines		 lines;

	(void)teach(store, "example.org", "mx", START);
	(void)deep_store_reset(store, &key, 0, "root", "why", START, NULL);
	ok(raw("log.db", "UPDATE log SET who = 'nobody'") != 0, "the log is not changed");
	ok(raw("log.db", "DELETE FROM log") != 0, "nor emptied");
	memset(&lines, 0, sizeof(lines));
	(void)deep_store_log_each(store, 0, add_entry, &lines);
	is(lines.text, "0 reset example.org relay host= e7 root: why\n", "it is as it was");
	memset(&entry, 0, sizeof(entry));
	entry.time = START;
	entry.key = key;
	(void)strlcpy(entry.kind, "refused", sizeof(entry.kind));
	(void)deep_store_log(store, &entry);
	ok(raw("log.db", "UPDATE log SET text = 'else', count = 2 WHERE kind = 'refused'") != 0,
	    "what a session made says what it said");
	ok(raw("log.db", "DELETE FROM log WHERE kind = 'refused'") != 0,
	    "and stays for two months");
	ok(raw("log.db", "UPDATE meta SET clock = clock + 5356801;"
	    "DELETE FROM log WHERE kind = 'refused'") == 0, "behind which it may go");
	ok(raw("log.db", "DELETE FROM log WHERE kind = 'reset'") != 0, "and a reset never");
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_version_1(void)
{
	struct deep_config	*config = config_at("old.db", "");
	struct deep_store	*store;
	struct deep_key		 key = key_of("m00000000.example.org", DEEP_RELAY);
	struct deep_record	 record;
	struct deep_entry	 entry;
	struct deep_gone	 gone;
	struct lines		 lines;
	char			 text[100];

	/* A step that fails leaves all as it was. */
	old_store("old.db");
	(void)raw("old.db", "CREATE INDEX log_name ON log (name)");
	store = deep_store_new();
	is_int(deep_store_open(store, config), DEEP_FAIL, "a step that cannot be done");
	ok(raw("old.db", "CREATE TABLE t (n CHECK (n = 1)); INSERT INTO t SELECT user_version"
	    " FROM pragma_user_version") == 0, "the version is as before");
	ok(raw("old.db", "SELECT reference FROM latch") != 0, "and so are the tables");
	deep_store_free(store);

	old_store("old.db");
	store = open_with(config);
	is(walked(store, &lines), OLD_STORE, "each record is there");
	is_int(faults(store, &lines, NULL), DEEP_YES, "and sound");
	is(lines.text, "", "as they are");
	is_int(deep_store_hosts(store, &key, &record), DEEP_YES, "one is read");
	is_int(record.latch[2].confirmations, 9, "with its numbers");
	is_int(record.cert_by, DEEP_BY_NONE, "and no certificate");
	is_int(deep_note_get(store, "held", key.name, "1a2b", START, text, sizeof(text)),
	    DEEP_YES, "a note");
	memset(&lines, 0, sizeof(lines));
	(void)deep_store_log_each(store, 0, add_entry, &lines);
	is_int(lines.n, 3, "and the log");
	memset(&entry, 0, sizeof(entry));
	entry.time = START;
	entry.key = key;
	(void)strlcpy(entry.kind, "refused", sizeof(entry.kind));
	is_int(deep_store_log(store, &entry), DEEP_YES, "it is added to");
	is_int(deep_store_log(store, &entry), DEEP_YES, "and joined");
	is_int(deep_store_purge(store, config, START, 0, &gone), DEEP_YES, "purge");
	is_int(gone.entries, 2, "takes the old ones of sessions");
	is_int(teach(store, "m00000000.example.org", "mx", START + 500000), DEEP_YES, "learnt");
	is_int(faults(store, &lines, NULL), DEEP_YES, "all is sound");
	deep_store_free(store);
	deep_store_free(open_with(config));
	deep_config_free(config);
}

/* Made-up versions, for the mechanism. */
static void
test_migrate(void)
{
	static const char		first[] =
	    "CREATE TABLE one (a INTEGER); INSERT INTO one VALUES (41);"
	    "PRAGMA user_version = 1";
	static const char		third[] =
	    "ALTER TABLE one ADD COLUMN b INTEGER NOT NULL DEFAULT 7;"
	    "PRAGMA user_version = 3";
	static const char *const	good[] = {
		first,
		"UPDATE one SET a = a + 1; PRAGMA user_version = 2",
		third
	};
	static const char *const	bad[] = {
		first,
		"UPDATE one SET a = a + 1; PRAGMA user_version = 2",
		"ALTER TABLE two ADD COLUMN b INTEGER; PRAGMA user_version = 3"
	};
	static const char *const	gap[] = { NULL, "PRAGMA user_version = 2" };
	struct deep_config		*config = config_at("migrate.db", "");
	struct deep_store		*store = fresh(config);

	/* version 0, as it was before any step */
	(void)raw("migrate.db", "PRAGMA user_version = 0");
	is_int(deep_sqlite_migrate(store, bad, 3), DEEP_FAIL, "a step that fails");
	ok(has(deep_store_error(store), "no such table: two"), "is told");
	ok(raw("migrate.db", "SELECT * FROM one") != 0, "and none of them happened");
	is_int(deep_sqlite_migrate(store, gap, 2), DEEP_FAIL, "no way from version 0");
	ok(has(deep_store_error(store), "there is no way from version 0"), "is told");
	is_int(deep_sqlite_migrate(store, good, 1), DEEP_YES, "one step");
	is_int(deep_sqlite_migrate(store, good, 3), DEEP_YES, "two more");
	is_int(raw("migrate.db", "CREATE TABLE check42 (n CHECK (n = 49));"
	    "INSERT INTO check42 SELECT a + b FROM one"), 0, "both were done once");
	is_int(deep_sqlite_migrate(store, good, 3), DEEP_YES, "none is left");
	is_int(teach(store, "example.org", "mx", START), DEEP_YES, "the rest is as it was");
	deep_store_free(store);
	deep_config_free(config);
}

static void
test_locked(void)
{
	struct deep_config	*config = config_at("locked.db", "timeout = 150");
	struct deep_store	*store = fresh(config);
	struct timespec		 from, to;
	sqlite3			*db;
	long			 ms;

	(void)teach(store, "example.org", "mx", START);
	(void)sqlite3_open(below("locked.db"), &db);
	is_int(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), 0, "another writes");
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	is_int(teach(store, "a.example", "mx", START), DEEP_FAIL, "and does not end");
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	ms = (long)(to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	ok(ms >= 150 && ms < 30000, "after [store] timeout, 150 ms: %ld", ms);
	ok(has(deep_store_error(store), "locked by another process for over 150 ms"),
	    "it says so");
	is_int(held(store, "example.org"), GOOD, "a check does not wait for it");
	(void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	is_int(teach(store, "a.example", "mx", START), DEEP_YES, "then it goes on");
	(void)sqlite3_close(db);
	deep_store_free(store);
	deep_config_free(config);
}

/* As another user: 65534 and a group. */
static int
as_user(gid_t gid, int (*work)(void *), void *arg)
{
	int	status = 255;
	pid_t	pid = fork();

	if (pid == 0) {
		if (setgroups(0, NULL) == -1 || setgid(gid) == -1 || setuid(65534) == -1)
			_exit(254);
		_exit(work(arg));
	}
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int
as_same(int (*work)(void *), void *arg)
{
	int	status = 255;
	pid_t	pid = fork();

	if (pid == 0)
		_exit(work(arg));
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int
use_store(void *arg)
{
	struct deep_store	*store = deep_store_new();
	int			 status;

	if (deep_store_open(store, arg) != DEEP_YES) {
		diag("%s", deep_store_error(store));
		status = 1;
	} else
		status = teach(store, "user.example", "mx", START) == DEEP_YES ? 0 : 2;
	deep_store_free(store);
	return status;
}

/* Octets that SQLite holds while a store is open, in a process that has none open. */
static sqlite3_int64
octets_of_open(const struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();
	sqlite3_int64		 used = 0;

	if (deep_store_open(store, config) == DEEP_YES)
		used = sqlite3_memory_used();
	else
		diag("%s", deep_store_error(store));
	deep_store_free(store);
	return used;
}

static int
open_briefly(void *arg)
{
	sqlite3_int64	used, brief;

	used = octets_of_open(arg);
	(void)sqlite3_shutdown();
	deep_store_brief();
	brief = octets_of_open(arg);
	diag("SQLite holds %lld octets, brief %lld", (long long)used, (long long)brief);
	return brief > 0 && brief < used / 2 ? 0 : 1;
}

static void
test_brief(void)
{
	struct deep_config	*config = config_at("brief.db", "");
	struct deep_store	*store = deep_store_new();

	is_int(deep_store_create(store, config, getuid(), getgid()), DEEP_YES, "a new store");
	deep_store_free(store);
	is_int(as_same(open_briefly, config), 0, "a brief process has less than half of it");
	deep_config_free(config);
}

/* Opens and is killed, so that -wal and -shm stay behind. */
static int
use_and_die(void *arg)
{
	struct deep_store	*store = deep_store_new();

	if (deep_store_open(store, arg) == DEEP_YES)
		(void)teach(store, "dead.example", "mx", START);
	(void)kill(getpid(), SIGKILL);
	return 1;
}

static int
open_fails(void *arg)
{
	struct deep_store	*store = deep_store_new();
	int			 status = 1;

	if (deep_store_open(store, arg) == DEEP_FAIL &&
	    has(deep_store_error(store), "Permission denied; user 65534 has to be of the group"))
		status = 0;
	deep_store_free(store);
	return status;
}

/* In a folder that may not be written to, no -wal can be made. */
static int
use_fails(void *arg)
{
	struct deep_store	*store = deep_store_new();
	int			 status = 1;

	if (deep_store_open(store, arg) == DEEP_FAIL) {
		diag("(expected) %s", deep_store_error(store));
		status = !has(deep_store_error(store), "shared.db");
	}
	deep_store_free(store);
	return status;
}

static void
test_users(void)
{
	const gid_t		 group = 65533;
	struct deep_config	*config = config_at("users/shared.db", "");
	struct deep_store	*store = deep_store_new();

	if (getuid() != 0) {
		skip(1, "not root: no other user to be");
		deep_store_free(store);
		deep_config_free(config);
		return;
	}
	(void)chmod(folder, 0755);
	is_int(deep_store_create(store, config, 0, group), DEEP_YES, "of root and a group");
	is_int(as_user(group, use_store, config), 0, "a user of the group works with it");
	is_int(deep_store_open(store, config), DEEP_YES, "then root");
	is_int(held(store, "user.example"), GOOD, "who sees what was learnt");
	is_int(as_user(group, use_store, config), 0, "the user while root has it open");
	deep_store_free(store);
	is_int(as_user(group, use_and_die, config), 255, "the user, who dies in between");
	ok(mode_of(below("users/shared.db-wal")) != 0, "its -wal lies about");
	store = open_with(config);
	is_int(held(store, "dead.example"), GOOD, "root sees what was acknowledged");
	is_int(teach(store, "root.example", "mx", START), DEEP_YES, "and writes");
	deep_store_free(store);
	(void)as_same(use_and_die, config);
	ok(mode_of(below("users/shared.db-wal")) != 0, "root dies, its -wal lies about");
	is_int(as_user(group, use_store, config), 0, "the user works with it");
	is_int(as_user(65534, open_fails, config), 0, "one of another group is refused");
	(void)unlink(below("users/shared.db-wal"));
	(void)unlink(below("users/shared.db-shm"));
	(void)chmod(below("users"), 0550);
	is_int(as_user(group, use_fails, config), 0, "a folder that cannot be written to");
	(void)chmod(below("users"), 02770);
	deep_config_free(config);
}

int
main(void)
{
	static const char	*const plain[] = { "--save", "", NULL };
	static char		 url[128], redis_url[200];

	plan_no_plan();
	make_folder("store");
	(void)snprintf(url, sizeof(url), "sqlite:%s/latches.db", folder);
	kinds[0].name = "sqlite";
	kinds[0].url = url;
	kinds[0].file = "latches.db";
	kinds[0].forget = forget_sqlite;
	test_create();
	test_before_open();
	test_refused();
	test_kind(&kinds[0]);
	kinds[1].name = "redis";
	kinds[1].why = "no redis-server, no valkey-server";
	kinds[1].file = "shadow.db";
	kinds[1].shared = 1;
	kinds[1].forget = forget_redis;
	(void)strlcpy(server.folder, folder, sizeof(server.folder));
	if (redisd_start(&server, plain)) {
		(void)snprintf(redis_url, sizeof(redis_url), "redis+unix://%s", server.socket);
		kinds[1].url = redis_url;
	}
	test_kind(&kinds[1]);
	redisd_stop(&server, SIGTERM);
	test_corrupt();
	test_damaged_row();
	test_log_kept();
	test_version_1();
	test_migrate();
	test_locked();
	test_brief();
	test_users();
	remove_folder();
	return done_testing();
}
