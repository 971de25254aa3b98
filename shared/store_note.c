/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_note.c - the log of what was refused and reset, and the notes of modules:
 * both are in the file of this host, whatever the store.
 *
 * draft-newman-email-deep-00 section 3.3: who resets what, and why, is told.
 *
 * It never changes what an entry of the log says, and takes none out that a hand made:
 * the tables refuse it.
 */
#include "store_file.h"

#define JOIN_WITHIN	3600	/* seconds: the same again is no entry of its own */
#define NOTE_KIND_MAX	15	/* octets, as deep.h says */
#define NOTE_KEY_MAX	512
#define NOTE_TEXT_MAX	2048

/* The log. */

/* 1: sessions make such entries, and the same one again and again. */
static int
is_of_sessions(const char *kind)
{
	static const char *const kinds[] = { "refused", "warned", "contradicted" };
	size_t			 i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kind, kinds[i]) == 0)
			return 1;
	return 0;
}

/* The statement with the entry but for its text as its first seven parameters. */
static sqlite3_stmt *
of_entry(struct deep_store *store, enum deep_sql which, const struct deep_entry *entry)
{
	sqlite3_stmt	*row = deep_sql_statement(store, which);

	if (row == NULL)
		return NULL;
	deep_sql_number(row, 1, entry->time);
	deep_sql_text(row, 2, entry->kind);
	deep_sql_text(row, 3, entry->key.name);
	deep_sql_number(row, 4, (int64_t)entry->key.service);
	deep_sql_text(row, 5, entry->host);
	deep_sql_number(row, 6, (int64_t)entry->latches);
	deep_sql_text(row, 7, entry->who);
	return row;
}

enum deep_status
deep_sql_put_log(struct deep_store *store, const struct deep_entry *entry)
{
	sqlite3_stmt	*row;

	if (is_of_sessions(entry->kind)) {
		row = of_entry(store, SQL_JOIN_LOG, entry);
		if (row == NULL)
			return DEEP_FAIL;
		deep_sql_number(row, 8, JOIN_WITHIN);
		if (deep_sql_run(store, row) != DEEP_YES)
			return DEEP_FAIL;
		if (sqlite3_changes(store->sqlite->db) > 0)
			return DEEP_YES;
	}
	row = of_entry(store, SQL_PUT_LOG, entry);
	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_text(row, 8, entry->text);
	return deep_sql_run(store, row);
}

enum deep_status
deep_sqlite_log(struct deep_store *store, const struct deep_entry *entry)
{
	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sql_commit(store, deep_sql_put_log(store, entry));
}

enum deep_status
deep_sqlite_log_each(struct deep_store *store, int64_t since,
    int (*callback)(void *, const struct deep_entry *), void *arg)
{
	sqlite3_stmt		*row = deep_sql_statement(store, SQL_LOG);
	struct deep_entry	 entry;
	enum deep_status	 status;

	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 1, since);
	while ((status = deep_sql_next(store, row)) == DEEP_YES) {
		memset(&entry, 0, sizeof(entry));
		entry.time = sqlite3_column_int64(row, 0);
		(void)strlcpy(entry.kind, deep_sql_column(row, 1), sizeof(entry.kind));
		(void)strlcpy(entry.key.name, deep_sql_column(row, 2), sizeof(entry.key.name));
		entry.key.service = (enum deep_service)(sqlite3_column_int(row, 3) & 3);
		(void)strlcpy(entry.host, deep_sql_column(row, 4), sizeof(entry.host));
		entry.latches = deep_sql_count(row, 5);
		(void)strlcpy(entry.who, deep_sql_column(row, 6), sizeof(entry.who));
		(void)strlcpy(entry.text, deep_sql_column(row, 7), sizeof(entry.text));
		entry.last = sqlite3_column_int64(row, 8);
		entry.count = deep_sql_count(row, 9);
		if (callback(arg, &entry) != 0) {
			(void)sqlite3_reset(row);
			return DEEP_YES;
		}
	}
	return status == DEEP_FAIL ? DEEP_FAIL : DEEP_YES;
}

/* Notes. */

static sqlite3_stmt *
of_note(struct deep_store *store, enum deep_sql which, const char *kind, const char *key,
    const char *sub)
{
	sqlite3_stmt	*row = deep_sql_statement(store, which);

	if (row == NULL)
		return NULL;
	deep_sql_text(row, 1, kind);
	deep_sql_text(row, 2, key);
	if (sub != NULL)
		deep_sql_text(row, 3, sub);
	return row;
}

static int
note_fits(const char *kind, const char *key, const char *sub)
{
	return strlen(kind) <= NOTE_KIND_MAX && strlen(key) <= NOTE_KEY_MAX &&
	    (sub == NULL || strlen(sub) <= NOTE_KEY_MAX);
}

enum deep_status
deep_sqlite_note_put(struct deep_store *store, const char *kind, const char *key,
    const char *sub, const char *text, int64_t expires)
{
	sqlite3_stmt	*row;

	if (!note_fits(kind, key, sub) || strlen(text) > NOTE_TEXT_MAX)
		return DEEP_LIMIT;
	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	row = of_note(store, SQL_PUT_NOTE, kind, key, sub);
	if (row == NULL)
		return deep_sql_commit(store, DEEP_FAIL);
	deep_sql_text(row, 4, text);
	deep_sql_number(row, 5, expires);
	return deep_sql_commit(store, deep_sql_run(store, row));
}

static enum deep_status
read_note(struct deep_store *store, const char *kind, const char *key, const char *sub,
    int64_t now, char *buf, size_t size)
{
	sqlite3_stmt		*row = of_note(store, SQL_NOTE, kind, key, sub);
	enum deep_status	 status;

	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 4, now);
	status = deep_sql_next(store, row);
	if (status != DEEP_YES)
		return status;
	if (strlcpy(buf, deep_sql_column(row, 0), size) >= size) {
		if (size > 0)
			buf[0] = '\0';
		status = DEEP_LIMIT;
	}
	(void)sqlite3_reset(row);
	return status;
}

enum deep_status
deep_sqlite_note_get(struct deep_store *store, const char *kind, const char *key,
    const char *sub, int64_t now, char *buf, size_t size, int take)
{
	sqlite3_stmt		*row;
	enum deep_status	 status;

	if (size > 0)
		buf[0] = '\0';
	if (!take)
		return read_note(store, kind, key, sub, now, buf, size);
	/* Most often there is none, and that needs no lock. */
	status = read_note(store, kind, key, sub, now, buf, size);
	if (status != DEEP_YES)
		return status;
	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	status = read_note(store, kind, key, sub, now, buf, size);
	if (status == DEEP_YES) {
		row = of_note(store, SQL_DROP_NOTE, kind, key, sub);
		if (row == NULL || deep_sql_run(store, row) != DEEP_YES)
			status = DEEP_FAIL;
	}
	if (status == DEEP_YES) {
		row = deep_sql_statement(store, SQL_OLD_NOTES);
		if (row == NULL)
			return deep_sql_commit(store, DEEP_FAIL);
		deep_sql_number(row, 1, now);
		if (deep_sql_run(store, row) != DEEP_YES)
			status = DEEP_FAIL;
	}
	return deep_sql_commit(store, status);
}

enum deep_status
deep_sqlite_note_each(struct deep_store *store, const char *kind, const char *key,
    int64_t now, int (*callback)(void *, const char *, const char *), void *arg)
{
	sqlite3_stmt		*row = of_note(store, SQL_NOTES, kind, key, NULL);
	enum deep_status	 status;
	int			 any = 0;

	if (row == NULL)
		return DEEP_FAIL;
	deep_sql_number(row, 3, now);
	while ((status = deep_sql_next(store, row)) == DEEP_YES) {
		any = 1;
		if (callback(arg, deep_sql_column(row, 0), deep_sql_column(row, 1)) != 0) {
			(void)sqlite3_reset(row);
			return DEEP_YES;
		}
	}
	return status == DEEP_FAIL ? DEEP_FAIL : any ? DEEP_YES : DEEP_NO;
}

enum deep_status
deep_sqlite_note_drop(struct deep_store *store, const char *kind, const char *key,
    const char *sub)
{
	sqlite3_stmt	*row;

	if (deep_sql_begin(store, 1) != DEEP_YES)
		return DEEP_FAIL;
	row = of_note(store, sub == NULL ? SQL_DROP_NOTES : SQL_DROP_NOTE, kind, key, sub);
	return deep_sql_commit(store, row == NULL ? DEEP_FAIL : deep_sql_run(store, row));
}
