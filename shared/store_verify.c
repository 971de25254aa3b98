/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_verify.c - looks at a store in SQLite record by record.
 *
 * draft-newman-email-deep-00 section 3.1: what a tuple is made of.
 *
 * It changes nothing, and says of each fault what to do.
 */
#include <stdarg.h>
#include <stdio.h>

#include "store_file.h"

/* Verify: the file as SQLite sees it, then each row as we do. */

struct verifier {
	int		(*callback)(void *, const char *);
	void		*arg;
	const char	*path;
	uint64_t	 records, faults;
	int		 stopped;
};

static void __attribute__((__format__(__printf__, 2, 3)))
fault(struct verifier *verifier, const char *format, ...)
{
	char	text[2 * DEEP_STORE_TEXT];
	va_list	ap;

	verifier->faults++;
	if (verifier->stopped)
		return;
	va_start(ap, format);
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	verifier->stopped = verifier->callback(verifier->arg, text) != 0;
}

/* What could not be a key.  The name of a group is one word, too. */
static int
good_name(const char *name)
{
	const char	*p;

	for (p = name; *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f || (*p >= 'A' && *p <= 'Z'))
			return 0;
	return p > name && p - name <= DEEP_DOMAIN_MAX;
}

static void
check_held(struct verifier *verifier, const struct deep_key *key, const char *id,
    sqlite3_stmt *row, int first)
{
	struct deep_held	held;
	int			i;

	memset(&held, 0, sizeof(held));
	held.first = sqlite3_column_int64(row, first);
	held.confirmed = sqlite3_column_int64(row, first + 1);
	held.window = sqlite3_column_int64(row, first + 2);
	held.enforced = sqlite3_column_int64(row, first + 3);
	held.contradicted = sqlite3_column_int64(row, first + 4);
	held.confirmations = deep_sql_count(row, first + 5);
	held.contradictions = deep_sql_count(row, first + 6);
	held.in_window = deep_sql_count(row, first + 7);
	for (i = 0; i < 8; i++)
		if (sqlite3_column_int64(row, first + i) < 0)
			fault(verifier, "%s: latch %s of %s %s: a value below 0; reset that "
			    "name", verifier->path, id, deep_service_name(key->service),
			    key->name);
	if (held.first == 0 || held.confirmed < held.first)
		fault(verifier, "%s: latch %s of %s %s: confirmed before it was set; reset "
		    "that name", verifier->path, id, deep_service_name(key->service),
		    key->name);
	if (sqlite3_column_int64(row, first + 8) != deep_sum_held(deep_sum_key(key), id, &held,
	    deep_sql_column(row, first + 9)))
		fault(verifier, "%s: latch %s of %s %s: damaged, its sum is another; bring it "
		    "back from a backup, or reset that name", verifier->path, id,
		    deep_service_name(key->service), key->name);
}

static void
check_set(struct verifier *verifier, const struct deep_key *key, deep_latches set)
{
	if (set != deep_latches_close(set))
		fault(verifier, "%s: %s %s holds a tls1x latch without those below it; "
		    "import or reset that name", verifier->path,
		    deep_service_name(key->service), key->name);
}

static enum deep_status
verify_latches(struct deep_store *store, struct verifier *verifier, int64_t names)
{
	sqlite3_stmt		*row = NULL;
	struct deep_key		 key, last;
	deep_latches		 set = DEEP_LATCH_NONE;
	enum deep_status	 status = DEEP_NO;
	const char		*id;
	int64_t			 n = 0;

	memset(&last, 0, sizeof(last));
	if (sqlite3_prepare_v2(store->sqlite->db, "SELECT name, service, latch, "
	    LATCH_COLUMNS " FROM latch ORDER BY name, service, latch", -1, &row,
	    NULL) != SQLITE_OK)
		return deep_sql_failed(store);
	while (!verifier->stopped && (status = deep_sql_next(store, row)) == DEEP_YES) {
		verifier->records++;
		deep_store_step(store, "records");
		memset(&key, 0, sizeof(key));
		(void)strlcpy(key.name, deep_sql_column(row, 0), sizeof(key.name));
		key.service = (enum deep_service)(sqlite3_column_int(row, 1) & 3);
		id = deep_sql_column(row, 2);
		if (n == 0 || deep_key_compare(&key, &last) != 0) {
			check_set(verifier, &last, set);
			set = DEEP_LATCH_NONE;
			last = key;
			n++;
			if (!good_name(deep_sql_column(row, 0)))
				fault(verifier, "%s: \"%s\" is no name of a domain or a group; "
				    "reset it", verifier->path, key.name);
		}
		set |= deep_latch_find(deep_str(id));
		if (!deep_latch_valid(deep_str(id)))
			fault(verifier, "%s: %s %s holds what is no latch id; reset that name",
			    verifier->path, deep_service_name(key.service), key.name);
		check_held(verifier, &key, id, row, 3);
	}
	check_set(verifier, &last, set);
	(void)sqlite3_finalize(row);
	if (status == DEEP_NO && n != names)
		fault(verifier, "%s: its count of names is %lld, there are %lld; "
		    "export it, and import that into a new one", verifier->path,
		    (long long)names, (long long)n);
	return status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES;
}

static enum deep_status
verify_hosts(struct deep_store *store, struct verifier *verifier)
{
	sqlite3_stmt		*row = NULL;
	struct deep_key		 key, last;
	struct deep_seen	 host;
	enum deep_status	 status = DEEP_NO;
	int			 n = 0;

	memset(&last, 0, sizeof(last));
	if (sqlite3_prepare_v2(store->sqlite->db, "SELECT name, service, host, satisfied, "
	    "first, last, sessions, sum, EXISTS (SELECT 1 FROM latch WHERE "
	    "latch.name = host.name AND latch.service = host.service) FROM host "
	    "ORDER BY name, service, host", -1, &row, NULL) != SQLITE_OK)
		return deep_sql_failed(store);
	while (!verifier->stopped && (status = deep_sql_next(store, row)) == DEEP_YES) {
		verifier->records++;
		deep_store_step(store, "records");
		memset(&key, 0, sizeof(key));
		memset(&host, 0, sizeof(host));
		(void)strlcpy(key.name, deep_sql_column(row, 0), sizeof(key.name));
		key.service = (enum deep_service)(sqlite3_column_int(row, 1) & 3);
		(void)strlcpy(host.name, deep_sql_column(row, 2), sizeof(host.name));
		host.satisfied = deep_sql_count(row, 3);
		host.first = sqlite3_column_int64(row, 4);
		host.last = sqlite3_column_int64(row, 5);
		host.sessions = deep_sql_count(row, 6);
		if (deep_key_compare(&key, &last) != 0) {
			last = key;
			n = 0;
			if (!sqlite3_column_int(row, 8))
				fault(verifier, "%s: hosts of %s %s, but no latch; reset that "
				    "name", verifier->path, deep_service_name(key.service),
				    key.name);
		}
		if (++n == DEEP_HOST_MAX + 1)
			fault(verifier, "%s: more than %d hosts of %s %s; reset that name",
			    verifier->path, DEEP_HOST_MAX, deep_service_name(key.service),
			    key.name);
		if (sqlite3_column_int64(row, 7) != deep_sum_host(deep_sum_key(&key), &host))
			fault(verifier, "%s: host %s of %s %s: damaged, its sum is another; bring "
			    "it back from a backup, or reset that name", verifier->path,
			    host.name, deep_service_name(key.service), key.name);
	}
	(void)sqlite3_finalize(row);
	return status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES;
}

/* All of it in one view of the file, or a count could differ for good reason. */
enum deep_status
deep_sqlite_verify(struct deep_store *store, int (*callback)(void *, const char *), void *arg,
    uint64_t *records)
{
	struct deep_sqlite	*self = store->sqlite;
	struct verifier		 verifier = { callback, arg, self->path, 0, 0, 0 };
	struct deep_meta		 meta;
	sqlite3_stmt		*open = NULL, *row = NULL;
	enum deep_status	 status;

	status = deep_sql_meta(store, &meta, &open);
	if (status != DEEP_YES)
		return status;
	if (sqlite3_prepare_v2(self->db, "PRAGMA integrity_check", -1, &row, NULL) !=
	    SQLITE_OK)
		status = deep_sql_failed(store);
	while (status != DEEP_FAIL && !verifier.stopped &&
	    (status = deep_sql_next(store, row)) == DEEP_YES)
		if (strcmp(deep_sql_column(row, 0), "ok") != 0)
			fault(&verifier, "%s: %s; bring the file back from a backup",
			    self->path, deep_sql_column(row, 0));
	(void)sqlite3_finalize(row);
	if (status != DEEP_FAIL)
		status = verify_latches(store, &verifier, meta.names);
	if (status != DEEP_FAIL)
		status = verify_hosts(store, &verifier);
	(void)sqlite3_reset(open);
	*records = verifier.records;
	if (status == DEEP_FAIL)
		return DEEP_FAIL;
	return verifier.faults == 0 ? DEEP_YES : DEEP_BAD;
}
