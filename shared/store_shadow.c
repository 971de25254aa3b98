/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_shadow.c - the file beside a server, from which reads go on while the
 * server is away, and in which what is learnt meanwhile waits for it.
 *
 * draft-newman-email-deep-00 section 5.5: a store may be a server's.
 *
 * A session is in the file and in the queue before it is answered; it leaves the
 * queue when the server has booked it under its number, which it does once.  What
 * a key was reset counts above what is remembered of it, so that a file that was
 * away does not bring back what the administrator took out.
 *
 * It never speaks to a server.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store_shadow.h"

/* Events. */

enum {
	CHAIN_OK = 1, NAME_OK = 2, HOST_OK = 4, HOST_SAFE = 8, VERIFIED = 16, DANE_OK = 32,
	NO_TLSA = 64, RESUMED = 128, LIKE = 256, STRICT = 512
};

static unsigned
facts_of(const struct deep_session *s)
{
	return (s->chain_ok ? CHAIN_OK : 0u) | (s->name_ok ? NAME_OK : 0u) |
	    (s->host_ok ? HOST_OK : 0u) | (s->host_safe ? HOST_SAFE : 0u) |
	    (s->verified ? VERIFIED : 0u) | (s->dane_ok ? DANE_OK : 0u) |
	    (s->no_tlsa ? NO_TLSA : 0u) | (s->resumed ? RESUMED : 0u) |
	    (s->like ? LIKE : 0u) | (s->strict ? STRICT : 0u);
}

static void
set_facts(struct deep_session *s, unsigned facts)
{
	s->chain_ok = (facts & CHAIN_OK) != 0;
	s->name_ok = (facts & NAME_OK) != 0;
	s->host_ok = (facts & HOST_OK) != 0;
	s->host_safe = (facts & HOST_SAFE) != 0;
	s->verified = (facts & VERIFIED) != 0;
	s->dane_ok = (facts & DANE_OK) != 0;
	s->no_tlsa = (facts & NO_TLSA) != 0;
	s->resumed = (facts & RESUMED) != 0;
	s->like = (facts & LIKE) != 0;
	s->strict = (facts & STRICT) != 0;
}

int
deep_queued_emit(char *buf, size_t size, const struct deep_queued *event)
{
	char	modes[DEEP_LATCHES + 1];
	int	i, n;

	for (i = 0; i < DEEP_LATCHES; i++)
		modes[i] = (char)('0' + (int)event->policy.mode[i]);
	modes[DEEP_LATCHES] = '\0';
	n = snprintf(buf, size, "%" PRId64 " %d %d %u %s %" PRIu32 " %" PRId64 " %" PRId64
	    " %u %s", event->clock, event->session.version,
	    event->session.suite == NULL ? -1 : event->session.suite->code,
	    facts_of(&event->session), modes, event->policy.confirm,
	    event->policy.confirm_over, event->policy.retention,
	    (unsigned)event->policy.strict, event->host);
	return n > 0 && (size_t)n < size;
}

/* The next word as a number; 0: it is none. */
static int
take_number(const char **text, int64_t least, int64_t most, int64_t *number)
{
	char		*end;
	long long	 n;

	n = strtoll(*text, &end, 10);
	if (end == *text || (*end != ' ' && *end != '\0') || n < least || n > most)
		return 0;
	*text = *end == ' ' ? end + 1 : end;
	*number = n;
	return 1;
}

int
deep_queued_parse(const char *text, struct deep_queued *event)
{
	int64_t	version, suite, facts, confirm, strict;
	int	i;

	memset(&event->policy, 0, sizeof(event->policy));
	memset(&event->session, 0, sizeof(event->session));
	if (!take_number(&text, 0, INT64_MAX, &event->clock) ||
	    !take_number(&text, 0, UINT16_MAX, &version) ||
	    !take_number(&text, -1, UINT16_MAX, &suite) ||
	    !take_number(&text, 0, 1023, &facts))
		return 0;
	for (i = 0; i < DEEP_LATCHES; i++, text++) {
		if (*text < '0' || *text > '0' + (int)DEEP_ENFORCE)
			return 0;
		event->policy.mode[i] = (enum deep_mode)(*text - '0');
	}
	if (*text++ != ' ' || !take_number(&text, 0, UINT32_MAX, &confirm) ||
	    !take_number(&text, 0, INT64_MAX, &event->policy.confirm_over) ||
	    !take_number(&text, 0, INT64_MAX, &event->policy.retention) ||
	    !take_number(&text, 0, 1, &strict) ||
	    strlcpy(event->host, text, sizeof(event->host)) >= sizeof(event->host))
		return 0;
	event->session.version = (int)version;
	event->session.suite = suite == -1 ? NULL : deep_suite_code((uint16_t)suite);
	set_facts(&event->session, (unsigned)facts);
	event->policy.confirm = (uint32_t)confirm;
	event->policy.strict = strict != 0;
	return 1;
}

/* Two that know of the same key. */

void
deep_known_merge(struct deep_known *into, const struct deep_known *from)
{
	const int64_t	clock = into->record.clock;

	if (from->mark.resets > into->mark.resets) {
		into->record = from->record;
		into->mark.resets = from->mark.resets;
		into->mark.reset = from->mark.reset;
		deep_record_close(&into->record);
	} else if (from->mark.resets == into->mark.resets) {
		deep_record_merge(&into->record, &from->record);
		if (from->mark.reset > into->mark.reset)
			into->mark.reset = from->mark.reset;
	}
	if (from->mark.exempted > into->mark.exempted) {
		into->mark.exempt = from->mark.exempt;
		into->mark.exempted = from->mark.exempted;
	}
	into->record.exempt = into->mark.exempt;
	into->record.clock = clock;
}

/* Of one in the other; the same number of rows makes it both ways. */
static int
has_others(const struct deep_record *a, const struct deep_record *b)
{
	size_t	i, j;

	for (i = 0; i < a->nother; i++) {
		for (j = 0; j < b->nother; j++)
			if (strcmp(a->other[i].id, b->other[j].id) == 0 &&
			    deep_held_same(&a->other[i].held, &b->other[j].held))
				break;
		if (j == b->nother)
			return 0;
	}
	return a->nother == b->nother;
}

static int
has_hosts(const struct deep_record *a, const struct deep_record *b)
{
	size_t	i, j;

	for (i = 0; i < a->nhost; i++) {
		for (j = 0; j < b->nhost; j++)
			if (deep_seen_same(&a->host[i], &b->host[j]))
				break;
		if (j == b->nhost)
			return 0;
	}
	return a->nhost == b->nhost;
}

int
deep_known_same(const struct deep_known *a, const struct deep_known *b)
{
	size_t	i;

	for (i = 0; i < DEEP_LATCHES; i++)
		if (!deep_held_same(&a->record.latch[i], &b->record.latch[i]))
			return 0;
	return deep_reference_same(&a->record, &b->record) &&
	    has_others(&a->record, &b->record) && has_hosts(&a->record, &b->record) &&
	    a->mark.exempt == b->mark.exempt && a->mark.exempted == b->mark.exempted &&
	    a->mark.reset == b->mark.reset && a->mark.resets == b->mark.resets;
}

/* The file. */

enum deep_status
deep_shadow_state(struct deep_store *store, struct deep_shadow *state)
{
	sqlite3_stmt		*row = deep_sql_statement(store, SQL_SHADOW);
	enum deep_status	 status;

	memset(state, 0, sizeof(*state));
	if (row == NULL)
		return DEEP_FAIL;
	status = deep_sql_next(store, row);
	if (status != DEEP_YES)
		return status == DEEP_FAIL ? DEEP_FAIL : deep_store_fail(store, "%s: it has "
		    "lost its row of meta; bring the file back from a backup",
		    store->sqlite->path);
	(void)strlcpy(state->origin, deep_sql_column(row, 0), sizeof(state->origin));
	(void)strlcpy(state->server, deep_sql_column(row, 1), sizeof(state->server));
	state->booked = sqlite3_column_int64(row, 2);
	state->away = sqlite3_column_int64(row, 3);
	state->refill = sqlite3_column_int(row, 4) != 0;
	(void)strlcpy(state->next.name, deep_sql_column(row, 5), sizeof(state->next.name));
	state->next.service = (enum deep_service)(sqlite3_column_int(row, 6) & 3);
	(void)sqlite3_reset(row);
	return DEEP_YES;
}

enum deep_status
deep_shadow_read(struct deep_store *store, const struct deep_key *key,
    struct deep_known *known, int *sound)
{
	struct deep_meta	meta;

	return deep_sqlite_read(store, key, &known->record, 1, &meta, &known->mark, sound);
}

enum deep_status
deep_shadow_learn(struct deep_store *store, const struct deep_key *key,
    const struct deep_policy *policy, const struct deep_session *session,
    struct deep_str host, int64_t now, struct deep_learnt *learnt, int64_t *seq)
{
	struct deep_queued	 event;
	sqlite3_stmt		*row;
	char			 text[DEEP_EVENT_TEXT];
	enum deep_status	 status;
	int64_t			 clock;

	*seq = 0;
	status = deep_sqlite_learn(store, key, policy, session, host, now, learnt, &clock);
	if (status != DEEP_YES)
		return deep_sql_commit(store, status);
	memset(&event, 0, sizeof(event));
	event.policy = *policy;
	if (session != NULL)
		event.session = *session;
	event.clock = clock;
	if (host.n < sizeof(event.host) && host.n > 0)
		memcpy(event.host, host.p, host.n);
	if (strpbrk(event.host, " \r\n") != NULL)
		event.host[0] = '\0';
	row = deep_sql_of_key(store, SQL_PUT_QUEUE, key);
	if (row == NULL)
		return deep_sql_commit(store, DEEP_FAIL);
	if (!deep_queued_emit(text, sizeof(text), &event))
		return deep_sql_commit(store, deep_store_fail(store, "%s: a session that cannot "
		    "be queued; report this", store->sqlite->path));
	deep_sql_text(row, 3, text);
	status = deep_sql_run(store, row);
	*seq = sqlite3_last_insert_rowid(store->sqlite->db);
	return deep_sql_commit(store, status);
}

static enum deep_status
booked(struct deep_store *store, int64_t seq)
{
	sqlite3_stmt	*drop = deep_sql_statement(store, SQL_DROP_QUEUE);
	sqlite3_stmt	*set = deep_sql_statement(store, SQL_SET_BOOKED);

	if (drop == NULL || set == NULL)
		return DEEP_FAIL;
	deep_sql_number(drop, 1, seq);
	deep_sql_number(set, 1, seq - 1);
	return deep_sql_run(store, drop) == DEEP_YES ? deep_sql_run(store, set) : DEEP_FAIL;
}

enum deep_status
deep_shadow_adopt(struct deep_store *store, const struct deep_key *key,
    const struct deep_known *known, int64_t seq, const struct deep_entry *log, int force)
{
	struct deep_known	before, after;
	struct deep_meta	meta;
	enum deep_status	status;
	int			sound = 1;

	/* An act of the administrator is on the disk when it is answered. */
	if (deep_sql_begin(store, log == NULL) != DEEP_YES)
		return DEEP_FAIL;
	status = deep_sqlite_read(store, key, &before.record, 1, &meta, &before.mark,
	    force ? &sound : NULL);
	if (status != DEEP_YES)
		return deep_sql_commit(store, status);
	after = before;
	deep_known_merge(&after, known);
	if (!sound) {
		after = *known;
		status = deep_sqlite_wipe(store, key, &before.record);
	}
	if (status == DEEP_YES && !deep_known_same(&before, &after))
		status = deep_sqlite_write(store, key, &before.record, &after.record);
	if (status == DEEP_YES && memcmp(&before.mark, &after.mark, sizeof(after.mark)) != 0)
		status = deep_sqlite_write_mark(store, key, &after.mark);
	if (status == DEEP_YES && seq != 0)
		status = booked(store, seq);
	if (status == DEEP_YES && log != NULL)
		status = deep_sql_put_log(store, log);
	return deep_sql_commit(store, status);
}

enum deep_status
deep_shadow_take_back(struct deep_store *store, const struct deep_key *key, int64_t seq)
{
	struct deep_known	known;
	struct deep_meta	meta;
	enum deep_status	status;
	int			sound = 1;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	status = deep_sqlite_read(store, key, &known.record, 1, &meta, &known.mark, &sound);
	if (status == DEEP_YES)
		status = deep_sqlite_wipe(store, key, &known.record);
	if (status == DEEP_YES)
		status = booked(store, seq);
	return deep_sql_commit(store, status);
}

enum deep_status
deep_shadow_booked(struct deep_store *store, int64_t seq)
{
	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sql_commit(store, booked(store, seq));
}

/* On the disk before the server is told: else a loss of power would count them again. */
enum deep_status
deep_shadow_count(struct deep_store *store, const struct deep_key *key,
    struct deep_known *known)
{
	sqlite3_stmt		*row;
	enum deep_status	 status;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	row = deep_sql_of_key(store, SQL_COUNT_QUEUE, key);
	status = row == NULL ? DEEP_FAIL : deep_sql_run(store, row);
	if (status == DEEP_YES)
		status = deep_shadow_read(store, key, known, NULL);
	return deep_sql_commit(store, status);
}

enum deep_status
deep_shadow_first(struct deep_store *store, struct deep_queued *event)
{
	sqlite3_stmt		*row = deep_sql_statement(store, SQL_QUEUE);
	enum deep_status	 status;
	const char		*text;

	if (row == NULL)
		return DEEP_FAIL;
	status = deep_sql_next(store, row);
	if (status != DEEP_YES)
		return status;
	memset(event, 0, sizeof(*event));
	event->seq = sqlite3_column_int64(row, 0);
	(void)strlcpy(event->key.name, deep_sql_column(row, 1), sizeof(event->key.name));
	event->key.service = (enum deep_service)(sqlite3_column_int(row, 2) & 3);
	text = deep_sql_column(row, 3);
	event->counted = text[0] == '+';
	/* One that is damaged is in the counts of the shadow, and holds up none behind it. */
	event->whole = deep_queued_parse(text + event->counted, event);
	(void)sqlite3_reset(row);
	return status;
}

static enum deep_status
count_of(struct deep_store *store, sqlite3_stmt *row, int64_t *n)
{
	*n = 0;
	if (row == NULL || deep_sql_next(store, row) != DEEP_YES)
		return DEEP_FAIL;
	*n = sqlite3_column_int64(row, 0);
	(void)sqlite3_reset(row);
	return DEEP_YES;
}

enum deep_status
deep_shadow_waiting(struct deep_store *store, int64_t *n)
{
	return count_of(store, deep_sql_statement(store, SQL_QUEUED), n);
}

enum deep_status
deep_shadow_waiting_of(struct deep_store *store, const struct deep_key *key, int64_t *n)
{
	return count_of(store, deep_sql_of_key(store, SQL_QUEUED_OF, key), n);
}

enum deep_status
deep_shadow_next(struct deep_store *store, struct deep_key *key)
{
	struct deep_key		latch = *key, mark = *key;
	enum deep_status	status, marked;

	marked = deep_sqlite_next_marked(store, &mark);
	status = marked == DEEP_FAIL ? DEEP_FAIL : deep_sqlite_next(store, &latch);
	if (status == DEEP_FAIL || (status == DEEP_NO && marked == DEEP_NO))
		return status;
	*key = status == DEEP_NO || (marked == DEEP_YES && deep_key_compare(&mark, &latch) < 0) ?
	    mark : latch;
	return DEEP_YES;
}

enum deep_status
deep_shadow_set_server(struct deep_store *store, const char *server)
{
	sqlite3_stmt	*row;

	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	row = deep_sql_statement(store, SQL_SET_SERVER);
	if (row == NULL)
		return deep_sql_commit(store, DEEP_FAIL);
	deep_sql_text(row, 1, server);
	return deep_sql_commit(store, deep_sql_run(store, row));
}

enum deep_status
deep_shadow_set_away(struct deep_store *store, int64_t until)
{
	sqlite3_stmt	*row;

	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	row = deep_sql_statement(store, SQL_SET_AWAY);
	if (row == NULL)
		return deep_sql_commit(store, DEEP_FAIL);
	deep_sql_number(row, 1, until);
	return deep_sql_commit(store, deep_sql_run(store, row));
}

enum deep_status
deep_shadow_set_refill(struct deep_store *store, int on, const struct deep_key *key)
{
	sqlite3_stmt	*row;

	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	row = deep_sql_statement(store, SQL_SET_REFILL);
	if (row == NULL)
		return deep_sql_commit(store, DEEP_FAIL);
	deep_sql_number(row, 1, on);
	deep_sql_text(row, 2, key->name);
	deep_sql_number(row, 3, (int64_t)key->service);
	return deep_sql_commit(store, deep_sql_run(store, row));
}
