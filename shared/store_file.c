/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_file.c - the file of SQLite that a store is, or that shadows one: made,
 * opened, brought to the present version; its statements and transactions.
 *
 * draft-newman-email-deep-00 sections 3.1 and 5.5.  The file is in WAL mode: a
 * reader neither waits for a writer nor does it make one wait, and a transaction
 * that changes latches is on the disk before it is answered (synchronous FULL).
 *
 * It never makes a file but in deep_sqlite_create(), never takes an empty or
 * damaged one for an empty store, never builds SQL from text, and never touches
 * SQLite in a process that was forked from the one that opened it.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store_file.h"

#define VERSION		2		/* of the tables: PRAGMA user_version */
#define APPLICATION	0x44454550	/* "DEEP": PRAGMA application_id */
#define PAGE_OCTETS	"8192"		/* the tree of ten million names is one level less high
					 * than with 4096, and a check reads two pages of it */
#define NAP_MIN		200		/* microseconds between two tries at a lock ... */
#define NAP_MAX		1000		/* ... at the most: one that writes without end leaves
					 * the lock for moments only */

/*
 * The tables of version 1; a later version adds a step, and a file of an older
 * one is taken through all that it lacks.
 *
 * names in meta is the number of (name, service) in latch, kept with each
 * change, for the cap.  service is enum deep_service.  In mark stands what is
 * known of a key beside its latches: its exemption, and how often it was reset,
 * so that a shadow cannot bring back what the administrator has reset.
 */
static const char version_1[] =
    "CREATE TABLE meta ("
    " one INTEGER PRIMARY KEY CHECK (one = 1),"
    " clock INTEGER NOT NULL CHECK (clock >= 0),"
    " seen INTEGER NOT NULL CHECK (seen >= 0),"
    " names INTEGER NOT NULL CHECK (names >= 0),"
    /* of a shadow: its name in the server's books, the server that it knows, the
     * last of its numbers that the server is known to have booked, until when (in
     * ms) the server is left alone, and the key behind which it is refilled */
    " origin TEXT NOT NULL,"
    " server TEXT NOT NULL DEFAULT '',"
    " booked INTEGER NOT NULL DEFAULT 0,"
    " away INTEGER NOT NULL DEFAULT 0,"
    " refill INTEGER NOT NULL DEFAULT 0,"
    " refill_name TEXT NOT NULL DEFAULT '',"
    " refill_service INTEGER NOT NULL DEFAULT 0"
    ") STRICT;"
    "INSERT INTO meta (one, clock, seen, names, origin)"
    " VALUES (1, 0, 0, 0, lower(hex(randomblob(16))));"
    "CREATE TABLE latch ("
    " name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 253),"
    " service INTEGER NOT NULL CHECK (service BETWEEN 0 AND 3),"
    " latch TEXT NOT NULL CHECK (length(latch) BETWEEN 1 AND 32),"
    " first INTEGER NOT NULL CHECK (first > 0),"
    " confirmed INTEGER NOT NULL CHECK (confirmed >= 0),"
    " window INTEGER NOT NULL CHECK (window >= 0),"
    " enforced INTEGER NOT NULL CHECK (enforced >= 0),"
    " contradicted INTEGER NOT NULL CHECK (contradicted >= 0),"
    " confirmations INTEGER NOT NULL CHECK (confirmations >= 0),"
    " contradictions INTEGER NOT NULL CHECK (contradictions >= 0),"
    " in_window INTEGER NOT NULL CHECK (in_window >= 0),"
    " sum INTEGER NOT NULL,"
    " PRIMARY KEY (name, service, latch)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE host ("
    " name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 253),"
    " service INTEGER NOT NULL CHECK (service BETWEEN 0 AND 3),"
    " host TEXT NOT NULL CHECK (length(host) BETWEEN 1 AND 253),"
    " satisfied INTEGER NOT NULL CHECK (satisfied >= 0),"
    " first INTEGER NOT NULL CHECK (first >= 0),"
    " last INTEGER NOT NULL CHECK (last >= 0),"
    " sessions INTEGER NOT NULL CHECK (sessions >= 0),"
    " sum INTEGER NOT NULL,"
    " PRIMARY KEY (name, service, host)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE mark ("
    " name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 253),"
    " service INTEGER NOT NULL CHECK (service BETWEEN 0 AND 3),"
    " exempt INTEGER NOT NULL CHECK (exempt >= 0),"	/* since when; 0: is not */
    " exempted INTEGER NOT NULL CHECK (exempted >= 0),"	/* how often that was changed */
    " reset INTEGER NOT NULL CHECK (reset >= 0),"	/* when last */
    " resets INTEGER NOT NULL CHECK (resets >= 0),"	/* how often */
    " PRIMARY KEY (name, service)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE log ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " time INTEGER NOT NULL,"
    " kind TEXT NOT NULL,"
    " name TEXT NOT NULL,"
    " service INTEGER NOT NULL,"
    " host TEXT NOT NULL,"
    " latches INTEGER NOT NULL,"
    " who TEXT NOT NULL,"
    " text TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX log_time ON log (time, id);"
    "CREATE TRIGGER log_update BEFORE UPDATE ON log BEGIN"
    " SELECT RAISE(ABORT, 'the log is only added to'); END;"
    "CREATE TRIGGER log_delete BEFORE DELETE ON log BEGIN"
    " SELECT RAISE(ABORT, 'the log is only added to'); END;"
    "CREATE TABLE note ("
    " kind TEXT NOT NULL,"
    " key TEXT NOT NULL,"
    " sub TEXT NOT NULL,"
    " text TEXT NOT NULL,"
    " expires INTEGER NOT NULL,"
    " PRIMARY KEY (kind, key, sub)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX note_expires ON note (expires);"
    "CREATE TABLE queue ("		/* of a shadow: what the server has yet to be told */
    " seq INTEGER PRIMARY KEY AUTOINCREMENT,"
    " name TEXT NOT NULL,"
    " service INTEGER NOT NULL,"
    " event TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX queue_name ON queue (name, service);"
    "PRAGMA application_id = 1145390416;"
    "PRAGMA user_version = 1;";

/*
 * Version 2: whose name made tls-cert; entries of the log that are joined, and those
 * that may go: what sessions made, two months after the last of it.  span is from
 * time to the last.
 */
static const char version_2[] =
    "ALTER TABLE latch ADD COLUMN reference TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE log ADD COLUMN span INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE log ADD COLUMN count INTEGER NOT NULL DEFAULT 1;"
    "CREATE INDEX log_name ON log (name, service, kind, host);"
    "DROP TRIGGER log_update;"
    "DROP TRIGGER log_delete;"
    "CREATE TRIGGER log_update BEFORE UPDATE ON log"
    " WHEN NOT (OLD." LOG_OF_SESSIONS " AND NEW.span >= OLD.span"
    " AND NEW.count > OLD.count AND"
    " (NEW.id, NEW.time, NEW.kind, NEW.name, NEW.service, NEW.host, NEW.latches, NEW.who,"
    " NEW.text) = (OLD.id, OLD.time, OLD.kind, OLD.name, OLD.service, OLD.host, OLD.latches,"
    " OLD.who, OLD.text)) BEGIN"
    " SELECT RAISE(ABORT, 'the log is only added to'); END;"
    "CREATE TRIGGER log_delete BEFORE DELETE ON log"
    " WHEN NOT (OLD." LOG_OF_SESSIONS " AND"
    " OLD.time + OLD.span < (SELECT clock - 5356800 FROM meta)) BEGIN"	/* 62 days */
    " SELECT RAISE(ABORT, 'the log is only added to'); END;"
    "PRAGMA user_version = 2;";

/* From the version that is their index to the next. */
static const char *const steps[VERSION] = { version_1, version_2 };

static const char *const sql[DEEP_SQL] = {
#define SQL(name, text)	text,
#include "statements.in"
#undef SQL
};

int64_t
deep_sql_since(const struct timespec *since)
{
	struct timespec	now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)(now.tv_sec - since->tv_sec) * 1000 +
	    (now.tv_nsec - since->tv_nsec) / 1000000;
}

/* Short naps: SQLite's own go up to 100 ms, and the unlucky one starves. */
static int
wait_for_lock(void *arg, int tries)
{
	struct deep_sqlite	*self = arg;
	struct timespec		 nap = { 0, 0 };

	if (tries == 0)
		(void)clock_gettime(CLOCK_MONOTONIC, &self->waiting);
	else if (deep_sql_since(&self->waiting) >= self->timeout)
		return 0;
	nap.tv_nsec = 1000L * (tries < 10 ? NAP_MIN : NAP_MAX);
	(void)nanosleep(&nap, NULL);
	return 1;
}

/* What SQLite's last answer means to who runs the store. */
enum deep_status
deep_sql_failed(struct deep_store *store)
{
	struct deep_sqlite	*self = store->sqlite;
	int			 code = sqlite3_extended_errcode(self->db);
	int			 error = sqlite3_system_errno(self->db);
	const char		*path = self->path;

	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return deep_store_fail(store, "%s: locked by another process for over %d ms; "
		    "see who holds it (fuser %s), or raise [store] timeout", path,
		    self->timeout, path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return deep_store_fail(store, "%s: damaged (%s); stop what uses it and bring "
		    "it back from a backup, or what is sound of it with \"sqlite3 %s "
		    ".recover\"", path, sqlite3_errmsg(self->db), path);
	case SQLITE_FULL:
		return deep_store_fail(store, "%s: the disk is full; make room, nothing that "
		    "was acknowledged is lost", path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
		return deep_store_fail(store, "%s: user %u may not write to it; it has to be "
		    "of mode 0660 and of a group of that user, its folder 2770, on a file "
		    "system that is not mounted read-only", path, (unsigned)geteuid());
	case SQLITE_NOMEM:
		return deep_store_fail(store, "%s: out of memory; raise the limit of the "
		    "process", path);
	default:
		break;
	}
	if (error == ENOSPC || error == EDQUOT)
		return deep_store_fail(store, "%s: %s; make room, nothing that was "
		    "acknowledged is lost", path, strerror(error));
	if (error != 0)
		return deep_store_fail(store, "%s: %s (%s); look at its disk and at the "
		    "permissions of its folder", path, sqlite3_errmsg(self->db),
		    strerror(error));
	return deep_store_fail(store, "%s: %s (SQLite %d); \"deeplatch verify\" looks at "
	    "every record", path, sqlite3_errmsg(self->db), code);
}

sqlite3_stmt *
deep_sql_statement(struct deep_store *store, enum deep_sql which)
{
	struct deep_sqlite	*self = store->sqlite;

	if (self->statement[which] == NULL &&
	    sqlite3_prepare_v3(self->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT,
	    &self->statement[which], NULL) != SQLITE_OK) {
		(void)deep_sql_failed(store);
		return NULL;
	}
	return self->statement[which];
}

enum deep_status
deep_sql_next(struct deep_store *store, sqlite3_stmt *row)
{
	switch (sqlite3_step(row)) {
	case SQLITE_ROW:
		return DEEP_YES;
	case SQLITE_DONE:
		(void)sqlite3_reset(row);
		return DEEP_NO;
	default:
		(void)deep_sql_failed(store);
		(void)sqlite3_reset(row);
		return DEEP_FAIL;
	}
}

enum deep_status
deep_sql_run(struct deep_store *store, sqlite3_stmt *row)
{
	return deep_sql_next(store, row) == DEEP_NO ? DEEP_YES : DEEP_FAIL;
}

enum deep_status
deep_sql_do(struct deep_store *store, enum deep_sql which)
{
	sqlite3_stmt	*row = deep_sql_statement(store, which);

	return row == NULL ? DEEP_FAIL : deep_sql_run(store, row);
}

sqlite3_stmt *
deep_sql_of_key(struct deep_store *store, enum deep_sql which, const struct deep_key *key)
{
	sqlite3_stmt	*row = deep_sql_statement(store, which);

	if (row == NULL)
		return NULL;
	deep_sql_text(row, 1, key->name);
	deep_sql_number(row, 2, (int64_t)key->service);
	return row;
}

/* Transactions.  A commit that changes latches waits for the disk; one that
 * writes a note need not. */

static enum deep_status
set_fast(struct deep_store *store, int fast)
{
	struct deep_sqlite	*self = store->sqlite;

	if (self->fast == fast)
		return DEEP_YES;
	if (sqlite3_exec(self->db, fast ? "PRAGMA synchronous = NORMAL" :
	    "PRAGMA synchronous = FULL", NULL, NULL, NULL) != SQLITE_OK)
		return deep_sql_failed(store);
	self->fast = fast;
	return DEEP_YES;
}

enum deep_status
deep_sql_begin(struct deep_store *store, int fast)
{
	struct deep_sqlite	*self = store->sqlite;

	if (self->inside)
		return DEEP_YES;
	if (set_fast(store, fast || self->bulk) != DEEP_YES || deep_sql_do(store, SQL_BEGIN) != DEEP_YES)
		return DEEP_FAIL;
	self->inside = 1;
	(void)clock_gettime(CLOCK_MONOTONIC, &self->since);
	return DEEP_YES;
}

static void
undo(struct deep_store *store)
{
	struct deep_sqlite	*self = store->sqlite;
	char			 kept[DEEP_STORE_TEXT];

	if (!self->inside)
		return;
	self->inside = 0;
	if (sqlite3_get_autocommit(self->db))
		return;			/* SQLite has done it, on a full disk for one */
	memcpy(kept, store->error, sizeof(kept));
	(void)deep_sql_do(store, SQL_ROLLBACK);
	memcpy(store->error, kept, sizeof(kept));
}

enum deep_status
deep_sql_commit_now(struct deep_store *store)
{
	if (!store->sqlite->inside)
		return DEEP_YES;
	if (deep_sql_do(store, SQL_COMMIT) != DEEP_YES) {
		undo(store);
		return DEEP_FAIL;
	}
	store->sqlite->inside = 0;
	return DEEP_YES;
}

enum deep_status
deep_sql_commit(struct deep_store *store, enum deep_status status)
{
	struct deep_sqlite	*self = store->sqlite;

	if (status == DEEP_FAIL) {
		undo(store);
		return DEEP_FAIL;
	}
	if (self->bulk && deep_sql_since(&self->since) < DEEP_BATCH_MS)
		return status;
	return deep_sql_commit_now(store) == DEEP_YES ? status : DEEP_FAIL;
}

/* The file: opened, made, brought to the present version. */

static enum deep_status
pragma_number(struct deep_store *store, const char *pragma, int *number)
{
	sqlite3_stmt		*row = NULL;
	enum deep_status	 status = DEEP_FAIL;

	if (sqlite3_prepare_v2(store->sqlite->db, pragma, -1, &row, NULL) != SQLITE_OK)
		return deep_sql_failed(store);
	if (deep_sql_next(store, row) == DEEP_YES) {
		*number = sqlite3_column_int(row, 0);
		status = DEEP_YES;
	}
	(void)sqlite3_finalize(row);
	return status;
}

static enum deep_status
run_text(struct deep_store *store, const char *text)
{
	if (sqlite3_exec(store->sqlite->db, text, NULL, NULL, NULL) != SQLITE_OK)
		return deep_sql_failed(store);
	return DEEP_YES;
}

/* The version is read again inside: another may have been at it. */
enum deep_status
deep_sqlite_migrate(struct deep_store *store, const char *const *step, int version)
{
	int	now = 0, before;

	if (deep_sql_begin(store, 0) != DEEP_YES)
		return DEEP_FAIL;
	if (pragma_number(store, "PRAGMA user_version", &now) != DEEP_YES)
		return deep_sql_commit(store, DEEP_FAIL);
	while (now < version) {
		before = now;
		if (step[now] == NULL)
			return deep_sql_commit(store, deep_store_fail(store, "%s: there is no way from "
			    "version %d of its tables to %d; use an older release first",
			    store->sqlite->path, now, version));
		if (run_text(store, step[now]) != DEEP_YES ||
		    pragma_number(store, "PRAGMA user_version", &now) != DEEP_YES)
			return deep_sql_commit(store, DEEP_FAIL);
		if (now != before + 1)
			return deep_sql_commit(store, deep_store_fail(store, "%s: a step from version %d "
			    "of its tables led to %d; report this", store->sqlite->path, before,
			    now));
	}
	return deep_sql_commit(store, DEEP_YES);
}

static enum deep_status
check_version(struct deep_store *store)
{
	const char	*path = store->sqlite->path;
	int		 application = 0, version = 0;

	if (pragma_number(store, "PRAGMA application_id", &application) != DEEP_YES ||
	    pragma_number(store, "PRAGMA user_version", &version) != DEEP_YES)
		return DEEP_FAIL;
	if (application != APPLICATION || version < 1)
		return deep_store_fail(store, "%s: a database of something else; give [store] "
		    "url another path, or make the store with \"deeplatch init\"", path);
	if (version > VERSION)
		return deep_store_fail(store, "%s: its tables are of version %d, this library "
		    "knows up to %d; install the release that wrote it, or a later one", path,
		    version, VERSION);
	if (version < VERSION)
		return deep_sqlite_migrate(store, steps, VERSION);
	return DEEP_YES;
}

static enum deep_status
new_handle(struct deep_store *store, const char *path)
{
	if (path[0] != '/')
		return deep_store_fail(store, "%s: not a full path; [store] url is "
		    "\"sqlite:/folder/file\"", path);
	store->sqlite = calloc(1, sizeof(*store->sqlite));
	if (store->sqlite == NULL || (store->sqlite->path = strdup(path)) == NULL) {
		deep_sqlite_close(store);
		return deep_store_fail(store, "%s: out of memory; raise the limit of the "
		    "process", path);
	}
	store->sqlite->timeout = store->timeout;
	return DEEP_YES;
}

static enum deep_status
open_database(struct deep_store *store, const char *path, int flags)
{
	struct deep_sqlite	*self = store->sqlite;

	if (sqlite3_open_v2(path, &self->db,
	    flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
		if (self->db == NULL)
			return deep_store_fail(store, "%s: out of memory; raise the limit of the "
			    "process", path);
		return deep_sql_failed(store);
	}
	(void)sqlite3_busy_handler(self->db, wait_for_lock, self);
	(void)sqlite3_db_config(self->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(self->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	/* Told before the file is read, or SQLite begins with pages of its own size, and sets
	 * memory aside for a cache of them twice. */
	return run_text(store, "PRAGMA page_size = " PAGE_OCTETS ";"
	    "PRAGMA synchronous = FULL;"
	    "PRAGMA journal_size_limit = 8388608");
}

/* Before SQLite is asked, which takes an empty file for an empty database. */
static enum deep_status
check_file(struct deep_store *store, const char *path)
{
	struct stat	st;

	if (stat(path, &st) == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return deep_store_fail(store, "%s: there is no store; make it with "
			    "\"deeplatch init\", or correct [store] in deep.conf", path);
		return deep_store_fail(store, "%s: %s; user %u has to be of the group of the "
		    "store and of its folder", path, strerror(errno), (unsigned)geteuid());
	}
	if (!S_ISREG(st.st_mode))
		return deep_store_fail(store, "%s: not a file; correct [store] in deep.conf",
		    path);
	if (st.st_size == 0)
		return deep_store_fail(store, "%s: empty, and a store never is; bring it back "
		    "from a backup, or remove it and run \"deeplatch init\"", path);
	if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) == 0)
		return DEEP_YES;
	if (errno == EROFS)
		return deep_store_fail(store, "%s: %s; mount its file system for writing, a "
		    "check in WAL mode needs that too", path, strerror(errno));
	return deep_store_fail(store, "%s: %s; user %u has to be of the group of the store, "
	    "which is of mode 0660, its folder of 2770", path, strerror(errno),
	    (unsigned)geteuid());
}

void
deep_store_brief(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
}

/* Its -wal and -shm stay when the last one closes it, the former empty: to make and to
 * remove both is a fifth of what one question costs that is a process of its own. */
static void
keep_files(sqlite3 *db)
{
	int	yes = 1;

	(void)sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &yes);
}

enum deep_status
deep_sqlite_open(struct deep_store *store, const char *path)
{
	enum deep_status	status;

	status = new_handle(store, path);
	if (status != DEEP_YES)
		return status;
	status = check_file(store, path);
	if (status == DEEP_YES)
		status = open_database(store, path, SQLITE_OPEN_READWRITE);
	if (status == DEEP_YES) {
		keep_files(store->sqlite->db);
		status = check_version(store);
	}
	if (status == DEEP_YES && sqlite3_db_readonly(store->sqlite->db, "main") != 0)
		status = deep_store_fail(store, "%s: it can be read, but not written to; user "
		    "%u has to be of the group of the store, and the file system not mounted "
		    "read-only", path, (unsigned)geteuid());
	if (status != DEEP_YES)
		deep_sqlite_close(store);
	return status;
}

/* In a forked process nothing of SQLite is touched: its locks and its file in
 * shared memory are the parent's. */
void
deep_sqlite_close(struct deep_store *store)
{
	struct deep_sqlite	*self = store->sqlite;
	int			 i;

	if (self == NULL)
		return;
	store->sqlite = NULL;
	if (deep_store_is_owner(store)) {
		for (i = 0; i < DEEP_SQL; i++)
			(void)sqlite3_finalize(self->statement[i]);
		(void)sqlite3_close(self->db);
	}
	free(self->path);
	free(self);
}

/* The folder, where it is not there; one that is, is left as it is. */
static enum deep_status
make_folder(struct deep_store *store, const char *path, unsigned uid, unsigned gid)
{
	struct stat	 st;
	char		 folder[PATH_MAX];
	char		*slash;

	if (strlcpy(folder, path, sizeof(folder)) >= sizeof(folder) ||
	    (slash = strrchr(folder, '/')) == NULL)
		return deep_store_fail(store, "%s: not a path; correct [store] in deep.conf",
		    path);
	if (slash == folder)
		slash++;
	*slash = '\0';
	if (mkdir(folder, 0770) == 0) {
		if (chown(folder, uid, gid) == -1 || chmod(folder, 02770) == -1)
			return deep_store_fail(store, "%s: cannot give it to user %u and group "
			    "%u: %s; run \"deeplatch init\" as root", folder, uid, gid,
			    strerror(errno));
		return DEEP_YES;
	}
	if (errno != EEXIST)
		return deep_store_fail(store, "%s: cannot make this folder: %s; make the one "
		    "that holds it first, and run as root", folder, strerror(errno));
	if (stat(folder, &st) == 0 && ((st.st_mode & 02070) != 02070 || st.st_gid != gid))
		deep_store_warn(store, "%s: was there and is left as it is, but it is not of "
		    "group %u and mode 2770; whoever is not its owner may be unable to open "
		    "the store", folder, gid);
	return DEEP_YES;
}

static enum deep_status
sync_folder(struct deep_store *store, const char *path)
{
	char	 folder[PATH_MAX];
	char	*slash;
	int	 fd, done;

	if (strlcpy(folder, path, sizeof(folder)) >= sizeof(folder) ||
	    (slash = strrchr(folder, '/')) == NULL)
		return DEEP_YES;
	slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	done = fd != -1 && fsync(fd) == 0;
	if (fd != -1)
		(void)close(fd);
	if (!done)
		return deep_store_fail(store, "%s: cannot bring it to the disk: %s; look at "
		    "its file system", folder, strerror(errno));
	return DEEP_YES;
}

/* What an earlier store of that name was about to write would be written into the new. */
static enum deep_status
check_left(struct deep_store *store, const char *path)
{
	char		 left[PATH_MAX];
	struct stat	 st;

	if (snprintf(left, sizeof(left), "%s-wal", path) < (int)sizeof(left) &&
	    lstat(left, &st) == 0 && st.st_size > 0)
		return deep_store_fail(store, "%s: is left of a store that is there no more; "
		    "bring that back from a backup, or remove this file", left);
	return DEEP_YES;
}

/*
 * Made under another name, complete, and then given its own by link(2), which
 * never replaces anything: nobody sees half a store.
 */
enum deep_status
deep_sqlite_create(struct deep_store *store, const char *path, unsigned uid, unsigned gid)
{
	enum deep_status	 status;
	char			 made[PATH_MAX];
	struct stat		 st;
	int			 fd;

	status = new_handle(store, path);
	if (status == DEEP_YES && lstat(path, &st) == 0)
		status = deep_store_fail(store, "%s: is there already and is left as it is; "
		    "move it away if it is to be made anew", path);
	if (status == DEEP_YES)
		status = check_left(store, path);
	if (status == DEEP_YES)
		status = make_folder(store, path, uid, gid);
	if (status == DEEP_YES &&
	    (size_t)snprintf(made, sizeof(made), "%s.XXXXXX", path) >= sizeof(made))
		status = deep_store_fail(store, "%s: too long for a path; correct [store] in "
		    "deep.conf", path);
	if (status != DEEP_YES)
		goto closed;
	fd = mkstemp(made);
	if (fd == -1) {
		status = deep_store_fail(store, "%s: cannot make it: %s; run \"deeplatch "
		    "init\" as root, on a disk with room", path, strerror(errno));
		goto closed;
	}
	(void)close(fd);
	status = open_database(store, made, SQLITE_OPEN_READWRITE);
	if (status == DEEP_YES)
		status = run_text(store, "PRAGMA journal_mode = WAL");
	if (status == DEEP_YES)
		status = deep_sqlite_migrate(store, steps, VERSION);
	deep_sqlite_close(store);
	if (status == DEEP_YES && (chown(made, uid, gid) == -1 || chmod(made, 0660) == -1))
		status = deep_store_fail(store, "%s: cannot give it to user %u and group %u: "
		    "%s; run \"deeplatch init\" as root", path, uid, gid, strerror(errno));
	if (status == DEEP_YES && link(made, path) == -1) {
		if (errno == EEXIST)
			status = deep_store_fail(store, "%s: is there already and is left as it "
			    "is; move it away if it is to be made anew", path);
		else
			status = deep_store_fail(store, "%s: cannot make it: %s; look at its "
			    "folder", path, strerror(errno));
	}
	(void)unlink(made);
	return status == DEEP_YES ? sync_folder(store, path) : status;
closed:
	deep_sqlite_close(store);
	return status;
}
