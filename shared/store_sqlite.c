/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_sqlite.c - records in SQLite: tuples of (name, service, latch), and the
 * MX hosts of a name.
 *
 * draft-newman-email-deep-00 sections 3.1 and 5.5.  A key's rows lie side by side
 * in one B-tree, so that one descent answers a check.  Each row carries a sum of
 * its own, because SQLite has none and a flipped bit would be a time like any
 * other.
 *
 * It never lowers a latch but by deep_store_reset() and deep_store_purge(), never
 * evicts a name for another one, and never goes on with a damaged record.
 */
#include "store_file.h"

#define CLOCK_STEP	60	/* seconds between two writes of the clock */

/*
 * FNV-1a, 32 bits, of a row's texts and numbers.  Each step can be undone, so
 * that a change within one octet is always seen.
 */
#define SUM_START	0x811c9dc5u
#define SUM_PRIME	0x01000193u

static uint32_t
sum_text(uint32_t sum, const char *text)
{
	do
		sum = (sum ^ (unsigned char)*text) * SUM_PRIME;
	while (*text++ != '\0');
	return sum;
}

/* Eight octets, the lowest first; those behind the last that is not 0 are one step,
 * by the power of the prime. */
static uint32_t
sum_number(uint32_t sum, int64_t number)
{
	static const uint32_t powers[9] = {
		0x00000001u, 0x01000193u, 0x26027a69u, 0x3ee6b34bu, 0x502c3f11u,
		0x46a747c3u, 0xfc55f7f9u, 0x34555cfbu, 0x5d615f21u
	};
	uint64_t	n = (uint64_t)number;
	int		left;

	for (left = 8; n != 0; left--, n >>= 8)
		sum = (sum ^ (uint32_t)(n & 0xff)) * SUM_PRIME;
	return sum * powers[left];
}

uint32_t
deep_sum_key(const struct deep_key *key)
{
	return sum_number(sum_text(SUM_START, key->name), (int64_t)key->service);
}

uint32_t
deep_sum_held(uint32_t of_key, const char *latch, const struct deep_held *held,
    const char *reference)
{
	uint32_t	sum = sum_text(of_key, latch);

	/* Rows of version 1 of the tables had none. */
	if (reference[0] != '\0')
		sum = sum_text(sum, reference);
	sum = sum_number(sum, held->first);
	sum = sum_number(sum, held->confirmed);
	sum = sum_number(sum, held->window);
	sum = sum_number(sum, held->enforced);
	sum = sum_number(sum, held->contradicted);
	sum = sum_number(sum, held->confirmations);
	sum = sum_number(sum, held->contradictions);
	return sum_number(sum, held->in_window);
}

uint32_t
deep_sum_host(uint32_t of_key, const struct deep_seen *host)
{
	uint32_t	sum = sum_text(of_key, host->name);

	sum = sum_number(sum, (int64_t)host->satisfied);
	sum = sum_number(sum, host->first);
	sum = sum_number(sum, host->last);
	return sum_number(sum, (int64_t)host->sessions);
}

/* Reading. */

static enum deep_status
damaged(struct deep_store *store, const struct deep_key *key, const char *what)
{
	const char	*service = deep_service_name(key->service);

	return deep_store_fail(store, "%s: the record of %s %s (%s) is damaged: its sum is "
	    "another; bring the file back from a backup, or reset that name",
	    store->sqlite->path, service == NULL ? "?" : service, key->name, what);
}

static enum deep_status
no_meta(struct deep_store *store)
{
	return deep_store_fail(store, "%s: it has lost its row of meta; bring the file back "
	    "from a backup", store->sqlite->path);
}

enum deep_status
deep_sql_meta(struct deep_store *store, struct deep_meta *meta, sqlite3_stmt **open)
{
	sqlite3_stmt		*row = deep_sql_statement(store, SQL_META);
	enum deep_status	 status;

	memset(meta, 0, sizeof(*meta));
	if (row == NULL)
		return DEEP_FAIL;
	status = deep_sql_next(store, row);
	if (status == DEEP_NO)
		return no_meta(store);
	if (status != DEEP_YES)
		return DEEP_FAIL;
	meta->clock = sqlite3_column_int64(row, 0);
	meta->seen = sqlite3_column_int64(row, 1);
	meta->names = sqlite3_column_int64(row, 2);
	if (open != NULL)
		*open = row;
	else
		(void)sqlite3_reset(row);
	return DEEP_YES;
}

static enum deep_status
read_mark(struct deep_store *store, const struct deep_key *key, struct deep_mark *mark)
{
	sqlite3_stmt		*row = deep_sql_of_key(store, SQL_MARK, key);
	enum deep_status	 status;

	memset(mark, 0, sizeof(*mark));
	if (row == NULL)
		return DEEP_FAIL;
	status = deep_sql_next(store, row);
	if (status != DEEP_YES)
		return status;
	mark->exempt = sqlite3_column_int64(row, 0);
	mark->exempted = sqlite3_column_int64(row, 1);
	mark->reset = sqlite3_column_int64(row, 2);
	mark->resets = sqlite3_column_int64(row, 3);
	(void)sqlite3_reset(row);
	return DEEP_YES;
}

/* A row of latch into its place in the record; 0: its sum is another. */
static int
take_latch(uint32_t of_key, struct deep_record *record, sqlite3_stmt *row)
{
	struct deep_held	 spare;
	const char		*id = deep_sql_column(row, 0), *reference = "";
	struct deep_held	*held = deep_record_place(record, id);

	if (held == NULL)
		held = &spare;
	else if (held == &record->latch[DEEP_CERT_ROW]) {
		reference = deep_sql_column(row, 10);
		(void)deep_reference_parse(record, reference);
	}
	held->first = sqlite3_column_int64(row, 1);
	held->confirmed = sqlite3_column_int64(row, 2);
	held->window = sqlite3_column_int64(row, 3);
	held->enforced = sqlite3_column_int64(row, 4);
	held->contradicted = sqlite3_column_int64(row, 5);
	held->confirmations = deep_sql_count(row, 6);
	held->contradictions = deep_sql_count(row, 7);
	held->in_window = deep_sql_count(row, 8);
	return sqlite3_column_int64(row, 9) == deep_sum_held(of_key, id, held,
	    reference);
}

static enum deep_status
read_hosts(struct deep_store *store, const struct deep_key *key, uint32_t of_key,
    struct deep_record *record, int *sound)
{
	sqlite3_stmt		*row = deep_sql_of_key(store, SQL_HOSTS, key);
	struct deep_seen	*host, spare;
	enum deep_status	 status;

	record->nhost = 0;
	if (row == NULL)
		return DEEP_FAIL;
	while ((status = deep_sql_next(store, row)) == DEEP_YES) {
		host = record->nhost < DEEP_HOST_MAX ? &record->host[record->nhost] : &spare;
		memset(host, 0, sizeof(*host));
		(void)strlcpy(host->name, deep_sql_column(row, 0), sizeof(host->name));
		host->satisfied = deep_sql_count(row, 1);
		host->first = sqlite3_column_int64(row, 2);
		host->last = sqlite3_column_int64(row, 3);
		host->sessions = deep_sql_count(row, 4);
		if (host != &spare)
			record->nhost++;
		if (sqlite3_column_int64(row, 5) == deep_sum_host(of_key, host))
			continue;
		if (sound == NULL) {
			status = damaged(store, key, host->name);
			(void)sqlite3_reset(row);
			return status;
		}
		*sound = 0;
	}
	return status == DEEP_NO ? DEEP_YES : DEEP_FAIL;
}

/*
 * By one statement: a row of meta, one of mark if there is any, and those of latch;
 * that of hosts is run while it is open, and so sees the same.
 */
enum deep_status
deep_sqlite_read(struct deep_store *store, const struct deep_key *key,
    struct deep_record *record, int hosts, struct deep_meta *meta, struct deep_mark *mark,
    int *sound)
{
	sqlite3_stmt		*row = deep_sql_of_key(store, SQL_RECORD, key);
	const uint32_t		 of_key = deep_sum_key(key);
	enum deep_status	 status;
	int			 any = 0;

	/* The hosts are most of it, and a check asks for none. */
	memset(record, 0, offsetof(struct deep_record, host));
	record->nhost = 0;
	memset(meta, 0, sizeof(*meta));
	memset(mark, 0, sizeof(*mark));
	if (row == NULL)
		return DEEP_FAIL;
	while ((status = deep_sql_next(store, row)) == DEEP_YES) {
		if (sqlite3_column_type(row, 0) == SQLITE_TEXT) {
			if (take_latch(of_key, record, row))
				continue;
			if (sound != NULL) {
				*sound = 0;
				continue;
			}
			status = damaged(store, key, deep_sql_column(row, 0));
			(void)sqlite3_reset(row);
			return status;
		}
		if (sqlite3_column_int(row, 0) == 0) {
			meta->clock = sqlite3_column_int64(row, 1);
			meta->seen = sqlite3_column_int64(row, 2);
			meta->names = sqlite3_column_int64(row, 3);
			any = 1;
			if (hosts && read_hosts(store, key, of_key, record, sound) != DEEP_YES) {
				(void)sqlite3_reset(row);
				return DEEP_FAIL;
			}
		} else {
			mark->exempt = sqlite3_column_int64(row, 1);
			mark->exempted = sqlite3_column_int64(row, 2);
			mark->reset = sqlite3_column_int64(row, 3);
			mark->resets = sqlite3_column_int64(row, 4);
		}
	}
	if (status == DEEP_FAIL)
		return DEEP_FAIL;
	if (!any)
		return no_meta(store);
	record->clock = meta->clock;
	record->exempt = mark->exempt;
	deep_record_close(record);
	return DEEP_YES;
}

static enum deep_status
get(struct deep_store *store, const struct deep_key *key, struct deep_record *record,
    int hosts)
{
	struct deep_meta	meta;
	struct deep_mark	mark;

	if (deep_sqlite_read(store, key, record, hosts, &meta, &mark, NULL) != DEEP_YES)
		return DEEP_FAIL;
	return deep_record_empty(record) ? DEEP_NO : DEEP_YES;
}

/* Writing: what of a record has changed, inside a transaction. */

enum deep_status
deep_sqlite_drop(struct deep_store *store, enum deep_sql which, const struct deep_key *key,
    const char *what)
{
	sqlite3_stmt	*row = deep_sql_of_key(store, which, key);

	if (row == NULL)
		return DEEP_FAIL;
	if (what != NULL)
		deep_sql_text(row, 3, what);
	return deep_sql_run(store, row);
}

static enum deep_status
write_held(struct deep_store *store, const struct deep_key *key, const char *id,
    const struct deep_held *held, const char *reference)
{
	sqlite3_stmt	*row;

	if (held == NULL || held->first == 0)
		return deep_sqlite_drop(store, SQL_DROP_LATCH, key, id);
	row = deep_sql_of_key(store, SQL_PUT_LATCH, key);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_text(row, 3, id);
	deep_sql_number(row, 4, held->first);
	deep_sql_number(row, 5, held->confirmed);
	deep_sql_number(row, 6, held->window);
	deep_sql_number(row, 7, held->enforced);
	deep_sql_number(row, 8, held->contradicted);
	deep_sql_number(row, 9, held->confirmations);
	deep_sql_number(row, 10, held->contradictions);
	deep_sql_number(row, 11, held->in_window);
	deep_sql_number(row, 12, deep_sum_held(deep_sum_key(key), id, held, reference));
	deep_sql_text(row, 13, reference);
	return deep_sql_run(store, row);
}

static enum deep_status
write_latch(struct deep_store *store, const struct deep_key *key, size_t n,
    const struct deep_record *before, const struct deep_record *after)
{
	char	reference[DEEP_REFERENCE_TEXT] = "";
	int	same = deep_held_same(&before->latch[n], &after->latch[n]);

	if (n == DEEP_CERT_ROW) {
		same = same && deep_reference_same(before, after);
		deep_reference_emit(reference, after);
	}
	return same ? DEEP_YES : write_held(store, key, deep_latch_name((unsigned)n),
	    &after->latch[n], reference);
}

static const struct deep_seen *
find_host(const struct deep_record *record, const char *name)
{
	size_t	i;

	for (i = 0; i < record->nhost; i++)
		if (strcmp(record->host[i].name, name) == 0)
			return &record->host[i];
	return NULL;
}

static const struct deep_held *
find_other(const struct deep_record *record, const char *id)
{
	size_t	i;

	for (i = 0; i < record->nother; i++)
		if (strcmp(record->other[i].id, id) == 0)
			return &record->other[i].held;
	return NULL;
}

static enum deep_status
write_host(struct deep_store *store, const struct deep_key *key,
    const struct deep_seen *before, const struct deep_seen *after)
{
	sqlite3_stmt	*row;

	if (before != NULL && deep_seen_same(before, after))
		return DEEP_YES;
	row = deep_sql_of_key(store, SQL_PUT_HOST, key);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_text(row, 3, after->name);
	deep_sql_number(row, 4, (int64_t)after->satisfied);
	deep_sql_number(row, 5, after->first);
	deep_sql_number(row, 6, after->last);
	deep_sql_number(row, 7, (int64_t)after->sessions);
	deep_sql_number(row, 8, deep_sum_host(deep_sum_key(key), after));
	return deep_sql_run(store, row);
}

static enum deep_status
add_names(struct deep_store *store, int64_t n)
{
	sqlite3_stmt	*row;

	if (n == 0)
		return DEEP_YES;
	row = deep_sql_statement(store, SQL_ADD_NAMES);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, n);
	return deep_sql_run(store, row);
}

enum deep_status
deep_sqlite_wipe(struct deep_store *store, const struct deep_key *key,
    struct deep_record *record)
{
	enum deep_status	status;

	status = deep_sqlite_drop(store, SQL_DROP_LATCHES, key, NULL);
	if (status == DEEP_YES)
		status = deep_sqlite_drop(store, SQL_DROP_HOSTS, key, NULL);
	if (status == DEEP_YES && !deep_record_empty(record))
		status = add_names(store, -1);
	memset(record, 0, sizeof(*record));
	return status;
}

enum deep_status
deep_sqlite_write(struct deep_store *store, const struct deep_key *key,
    const struct deep_record *before, const struct deep_record *after)
{
	const struct deep_held	*held;
	enum deep_status	 status = DEEP_YES;
	const char		*id;
	size_t			 i;

	for (i = 0; i < DEEP_LATCHES && status == DEEP_YES; i++)
		status = write_latch(store, key, i, before, after);
	for (i = 0; i < after->nother && status == DEEP_YES; i++) {
		id = after->other[i].id;
		held = find_other(before, id);
		if (held == NULL || !deep_held_same(held, &after->other[i].held))
			status = write_held(store, key, id, &after->other[i].held, "");
	}
	for (i = 0; i < before->nother && status == DEEP_YES; i++) {
		id = before->other[i].id;
		if (find_other(after, id) == NULL)
			status = write_held(store, key, id, NULL, "");
	}
	if (deep_record_empty(after)) {
		if (status == DEEP_YES)
			status = deep_sqlite_drop(store, SQL_DROP_HOSTS, key, NULL);
		if (status == DEEP_YES && !deep_record_empty(before))
			status = add_names(store, -1);
		return status;
	}
	for (i = 0; i < before->nhost && status == DEEP_YES; i++)
		if (find_host(after, before->host[i].name) == NULL)
			status = deep_sqlite_drop(store, SQL_DROP_HOST, key, before->host[i].name);
	for (i = 0; i < after->nhost && status == DEEP_YES; i++)
		status = write_host(store, key, find_host(before, after->host[i].name),
		    &after->host[i]);
	if (status == DEEP_YES && deep_record_empty(before))
		status = add_names(store, 1);
	return status;
}

enum deep_status
deep_sqlite_write_mark(struct deep_store *store, const struct deep_key *key, const struct deep_mark *mark)
{
	sqlite3_stmt	*row = deep_sql_of_key(store, SQL_PUT_MARK, key);

	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 3, mark->exempt);
	deep_sql_number(row, 4, mark->exempted);
	deep_sql_number(row, 5, mark->reset);
	deep_sql_number(row, 6, mark->resets);
	return deep_sql_run(store, row);
}

enum deep_status
deep_sqlite_clock(struct deep_store *store, struct deep_meta *meta, int64_t now)
{
	sqlite3_stmt	*row;
	int64_t		 written = meta->seen;

	deep_clock_step(&meta->clock, &meta->seen, now);
	if (now >= written && now < written + CLOCK_STEP)
		return DEEP_YES;
	row = deep_sql_statement(store, SQL_SET_CLOCK);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, meta->clock);
	deep_sql_number(row, 2, meta->seen);
	return deep_sql_run(store, row);
}

/*
 * A change of a record, in a transaction that is left open for the caller to commit.
 * LIMIT: at the cap on entries it would be a new one, and nothing is written.
 */
static enum deep_status
change(struct deep_store *store, const struct deep_key *key, int64_t now,
    void (*apply)(struct deep_record *, const void *), const void *arg, int64_t *clock)
{
	struct deep_record	before, after;
	struct deep_meta	meta;
	struct deep_mark	mark;
	enum deep_status	status;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	status = deep_sqlite_read(store, key, &before, 1, &meta, &mark, NULL);
	if (status == DEEP_YES)
		status = deep_sqlite_clock(store, &meta, now);
	if (status != DEEP_YES)
		return status;
	before.clock = *clock = meta.clock;
	after = before;
	apply(&after, arg);
	if (deep_record_empty(&before) && !deep_record_empty(&after) &&
	    (uint64_t)meta.names >= store->entries)
		return DEEP_LIMIT;
	status = deep_sqlite_write(store, key, &before, &after);
	if (status == DEEP_YES && after.exempt != before.exempt) {
		mark.exempt = after.exempt;
		mark.exempted++;
		status = deep_sqlite_write_mark(store, key, &mark);
	}
	return status;
}

struct learning {
	const struct deep_policy	*policy;
	const struct deep_session	*session;
	struct deep_str			 host;
	int64_t				 now;
	struct deep_learnt		*learnt;
};

static void
apply_session(struct deep_record *record, const void *arg)
{
	const struct learning	*learning = arg;

	deep_policy_learn(learning->policy, record, learning->session, learning->host,
	    learning->now, learning->learnt);
}

enum deep_status
deep_sqlite_learn(struct deep_store *store, const struct deep_key *key,
    const struct deep_policy *policy, const struct deep_session *session,
    struct deep_str host, int64_t now, struct deep_learnt *learnt, int64_t *clock)
{
	struct learning		learning = { policy, session, host, now, learnt };
	enum deep_status	status;

	status = change(store, key, now, apply_session, &learning, clock);
	if (status != DEEP_YES)
		memset(learnt, 0, sizeof(*learnt));
	return status;
}

static enum deep_status
learn(struct deep_store *store, const struct deep_key *key,
    const struct deep_policy *policy, const struct deep_session *session,
    struct deep_str host, int64_t now, struct deep_learnt *learnt)
{
	int64_t	clock;

	return deep_sql_commit(store, deep_sqlite_learn(store, key, policy, session, host, now,
	    learnt, &clock));
}

enum deep_status
deep_sqlite_log_act(struct deep_store *store, const char *kind, const struct deep_key *key,
    deep_latches latches, const char *who, const char *reason, int64_t now)
{
	struct deep_entry	entry;

	memset(&entry, 0, sizeof(entry));
	entry.time = now;
	(void)strlcpy(entry.kind, kind, sizeof(entry.kind));
	entry.key = *key;
	entry.latches = latches;
	(void)strlcpy(entry.who, who == NULL ? "" : who, sizeof(entry.who));
	(void)strlcpy(entry.text, reason == NULL ? "" : reason, sizeof(entry.text));
	return deep_sql_put_log(store, &entry);
}

/* All rows of the key go and what is kept is written anew: the way out for a
 * record that is damaged, too. */
static enum deep_status
reset(struct deep_store *store, const struct deep_key *key, deep_latches keep,
    const char *who, const char *reason, int64_t now, deep_latches *forgotten)
{
	struct deep_record	before, after;
	struct deep_meta		meta;
	struct deep_mark		mark;
	enum deep_status	status;
	int			sound = 1;
	size_t			i;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	status = deep_sqlite_read(store, key, &before, 1, &meta, &mark, &sound);
	if (status != DEEP_YES)
		return deep_sql_commit(store, status);
	if (deep_record_empty(&before))
		return deep_sql_commit(store, DEEP_NO);
	after = before;
	after.nother = 0;
	for (i = 0; i < DEEP_LATCHES; i++) {
		if (before.latch[i].first == 0 || keep & (deep_latches)1 << i)
			continue;
		deep_record_forget(&after, i);
		*forgotten |= (deep_latches)1 << i;
	}
	if (*forgotten == 0 && before.nother == 0 && sound)
		return deep_sql_commit(store, DEEP_NO);
	if (deep_record_empty(&after))
		after.nhost = 0;
	if (!sound)
		status = deep_sqlite_wipe(store, key, &before);
	if (status == DEEP_YES)
		status = deep_sqlite_write(store, key, &before, &after);
	mark.reset = now;
	mark.resets++;
	if (status == DEEP_YES)
		status = deep_sqlite_write_mark(store, key, &mark);
	if (status == DEEP_YES)
		status = deep_sqlite_log_act(store, "reset", key, *forgotten, who, reason, now);
	return deep_sql_commit(store, status);
}

static enum deep_status
exempt(struct deep_store *store, const struct deep_key *key, int on, const char *who,
    const char *reason, int64_t now)
{
	struct deep_mark		mark;
	enum deep_status	status;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	if (read_mark(store, key, &mark) == DEEP_FAIL)
		return deep_sql_commit(store, DEEP_FAIL);
	if (!on == !mark.exempt)
		return deep_sql_commit(store, DEEP_NO);
	mark.exempt = on ? now : 0;
	mark.exempted++;
	status = deep_sqlite_write_mark(store, key, &mark);
	if (status == DEEP_YES)
		status = deep_sqlite_log_act(store, on ? "exempt" : "unexempt", key, DEEP_LATCH_NONE, who,
		    reason, now);
	return deep_sql_commit(store, status);
}

/* Walking: a key at a time, so that no view of the file is held for long. */

static enum deep_status
next_of(struct deep_store *store, enum deep_sql which, const struct deep_key *after,
    struct deep_key *key)
{
	sqlite3_stmt		*row = deep_sql_of_key(store, which, after);
	enum deep_status	 status;

	if (row == NULL)
		return DEEP_FAIL;
	status = deep_sql_next(store, row);
	if (status != DEEP_YES)
		return status;
	/* key may be after: what was bound is no longer needed */
	memset(key, 0, sizeof(*key));
	(void)strlcpy(key->name, deep_sql_column(row, 0), sizeof(key->name));
	key->service = (enum deep_service)(sqlite3_column_int(row, 1) & 3);
	(void)sqlite3_reset(row);
	return DEEP_YES;
}

int
deep_key_compare(const struct deep_key *a, const struct deep_key *b)
{
	int	order = strcmp(a->name, b->name);

	return order != 0 ? order : (int)a->service - (int)b->service;
}

enum deep_status
deep_sqlite_next(struct deep_store *store, struct deep_key *key)
{
	struct deep_key		latch = *key, mark = *key;
	enum deep_status	by_latch, by_mark;

	by_latch = next_of(store, SQL_NEXT_LATCH, key, &latch);
	by_mark = by_latch == DEEP_FAIL ? DEEP_FAIL : next_of(store, SQL_NEXT_MARK, key, &mark);
	if (by_latch == DEEP_FAIL || by_mark == DEEP_FAIL)
		return DEEP_FAIL;
	if (by_latch == DEEP_NO && by_mark == DEEP_NO)
		return DEEP_NO;
	if (by_latch == DEEP_NO || (by_mark == DEEP_YES && deep_key_compare(&mark, &latch) < 0))
		*key = mark;
	else
		*key = latch;
	return DEEP_YES;
}

static enum deep_status
each(struct deep_store *store,
    int (*callback)(void *, const struct deep_key *, const struct deep_record *), void *arg)
{
	struct deep_key		key;
	struct deep_record	record;
	enum deep_status	status;

	memset(&key, 0, sizeof(key));
	while ((status = deep_sqlite_next(store, &key)) == DEEP_YES) {
		if (get(store, &key, &record, 1) == DEEP_FAIL)
			return DEEP_FAIL;
		if (callback(arg, &key, &record) != 0)
			return DEEP_YES;
	}
	return status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES;
}

static void
apply_record(struct deep_record *record, const void *arg)
{
	deep_record_merge(record, arg);
}

static enum deep_status
put(struct deep_store *store, const struct deep_key *key,
    const struct deep_record *record, int64_t now)
{
	int64_t	clock;

	return deep_sql_commit(store, change(store, key, now, apply_record, record, &clock));
}

/* The commits between did not wait for the disk: the last one does, for all. */
enum deep_status
deep_sqlite_bulk(struct deep_store *store, int on)
{
	store->sqlite->bulk = on;
	if (on)
		return DEEP_YES;
	if (deep_sql_commit_now(store) != DEEP_YES || deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sql_commit(store, deep_sql_do(store, SQL_TOUCH));
}

/* Purge. */

uint64_t
deep_record_expire(struct deep_record *record, const struct deep_policy *policy)
{
	deep_latches	held = deep_record_held(record, policy);
	int64_t		oldest = record->clock - policy->retention;
	uint64_t	gone = 0;
	size_t		i, n;

	for (i = 0; i < DEEP_LATCHES; i++) {
		if (record->latch[i].first == 0 || held & (deep_latches)1 << i)
			continue;
		deep_record_forget(record, i);
		gone++;
	}
	for (i = n = 0; i < record->nother; i++) {
		if (record->other[i].held.confirmed < oldest)
			gone++;
		else
			record->other[n++] = record->other[i];
	}
	record->nother = n;
	for (i = n = 0; i < record->nhost; i++)
		if (record->host[i].last >= oldest)
			record->host[n++] = record->host[i];
	record->nhost = n;
	return gone;
}

static enum deep_status
purge_key(struct deep_store *store, const struct deep_key *key,
    const struct deep_config *config, int64_t clock, int dry_run, struct deep_gone *gone)
{
	struct deep_policy	policy;
	struct deep_record	before, after;
	struct deep_meta		meta;
	struct deep_mark		mark;
	uint64_t		n;

	if (deep_sqlite_read(store, key, &before, 1, &meta, &mark, NULL) != DEEP_YES)
		return DEEP_FAIL;
	deep_policy_of(&policy, config, key->name);
	before.clock = clock;
	after = before;
	n = deep_record_expire(&after, &policy);
	if (dry_run || (n == 0 && after.nhost == before.nhost)) {
		gone->latches += n;
		return DEEP_YES;
	}
	if (!store->sqlite->inside) {
		/* Read outside of a transaction: once more inside. */
		if (deep_sql_begin(store, 0) != DEEP_YES)
			return DEEP_FAIL;
		return purge_key(store, key, config, clock, 0, gone);
	}
	gone->latches += n;
	return deep_sqlite_write(store, key, &before, &after);
}

enum deep_status
deep_sqlite_next_marked(struct deep_store *store, struct deep_key *key)
{
	return next_of(store, SQL_NEXT_MARKED, key, key);
}

/* 1: all that the key was reset from has expired by now, wherever it is held. */
static int
is_reset_over(const struct deep_record *record, const struct deep_mark *mark,
    const struct deep_policy *policy, int64_t clock)
{
	return deep_record_empty(record) && mark->exempted == 0 && mark->resets != 0 &&
	    clock - mark->reset > policy->retention;
}

/* That a name was reset is of use as long as another file could hold what it was
 * reset from; by then that has expired. */
static enum deep_status
forget_resets(struct deep_store *store, const struct deep_config *config, int64_t clock)
{
	struct deep_key		key;
	struct deep_record	record;
	struct deep_meta	meta;
	struct deep_mark	mark;
	struct deep_policy	policy;
	enum deep_status	status;

	memset(&key, 0, sizeof(key));
	while ((status = deep_sqlite_next_marked(store, &key)) == DEEP_YES) {
		status = deep_sqlite_read(store, &key, &record, 0, &meta, &mark, NULL);
		deep_policy_of(&policy, config, key.name);
		if (status == DEEP_YES && is_reset_over(&record, &mark, &policy, clock)) {
			status = deep_sql_begin(store, 0);
			if (status == DEEP_YES)
				status = deep_sqlite_drop(store, SQL_DROP_MARK, &key, NULL);
		}
		if (status == DEEP_FAIL)
			break;
	}
	return status;
}

/* What is not of a name: notes, and what the log has of sessions. */
static enum deep_status
purge_rest(struct deep_store *store, const struct deep_config *config, int64_t now,
    int64_t clock, int dry_run, struct deep_gone *gone)
{
	const int64_t		 oldest = clock - deep_config_number(config, "store", "log");
	sqlite3_stmt		*row = deep_sql_statement(store, SQL_OLD_LOG);
	enum deep_status	 status;

	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, oldest);
	if (deep_sql_next(store, row) != DEEP_YES)
		return DEEP_FAIL;
	gone->entries = (uint64_t)sqlite3_column_int64(row, 0);
	(void)sqlite3_reset(row);
	if (dry_run)
		return DEEP_YES;
	row = deep_sql_statement(store, SQL_DROP_OLD_LOG);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, oldest);
	status = deep_sql_run(store, row);
	row = deep_sql_statement(store, SQL_OLD_NOTES);
	if (status != DEEP_YES || row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, now);
	return deep_sql_run(store, row);
}

enum deep_status
deep_sqlite_purge(struct deep_store *store, const struct deep_config *config, int64_t now,
    int dry_run, struct deep_gone *gone)
{
	struct deep_sqlite	*self = store->sqlite;
	struct deep_key		 key;
	struct deep_meta	 meta;
	enum deep_status	 status;

	if (dry_run) {
		status = deep_sql_meta(store, &meta, NULL);
		if (status == DEEP_YES) {
			deep_clock_step(&meta.clock, &meta.seen, now);
			status = purge_rest(store, config, now, meta.clock, 1, gone);
		}
	} else {
		if (deep_sql_begin(store, 0) != DEEP_YES)
			return DEEP_FAIL;
		status = deep_sql_meta(store, &meta, NULL);
		if (status == DEEP_YES)
			status = deep_sqlite_clock(store, &meta, now);
		if (status == DEEP_YES)
			status = purge_rest(store, config, now, meta.clock, 0, gone);
		status = deep_sql_commit(store, status);
	}
	memset(&key, 0, sizeof(key));
	while (status == DEEP_YES && (status = deep_sqlite_next(store, &key)) == DEEP_YES) {
		deep_store_step(store, "names");
		status = purge_key(store, &key, config, meta.clock, dry_run, gone);
		if (status == DEEP_YES && self->inside &&
		    deep_sql_since(&self->since) >= DEEP_BATCH_MS)
			status = deep_sql_commit_now(store);
	}
	/* Of hosts that share a store each would forget at a time of its own, and the last to
	 * know of a reset takes what the others have learnt since for what was reset. */
	if (status == DEEP_NO && !dry_run && store->redis == NULL)
		status = forget_resets(store, config, meta.clock);
	return deep_sql_commit(store, status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES);
}

static enum deep_status
open_store(struct deep_store *store, const char *url, const struct deep_config *config,
    unsigned how)
{
	(void)config;
	(void)how;
	return deep_sqlite_open(store, url);
}

static enum deep_status
create_store(struct deep_store *store, const char *url, const struct deep_config *config,
    unsigned how, unsigned uid, unsigned gid)
{
	(void)config;
	(void)how;
	return deep_sqlite_create(store, url, uid, gid);
}

const struct deep_store_kind deep_store_sqlite = {
	"sqlite:", 0, open_store, create_store, deep_sqlite_close, get, learn, reset, exempt,
	each, put, deep_sqlite_bulk, deep_sqlite_purge,
	deep_sqlite_verify
};
