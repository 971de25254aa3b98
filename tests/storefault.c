/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * storefault.c - a store in SQLite whose n-th allocation, or n-th call of the
 * system, fails, for each n: it answers FAIL with a text, or rightly, and never
 * that nothing is known; and what it has acknowledged is there afterwards.  The
 * same for a store of an older version that is brought to the present one, and
 * where the process is killed at that call.
 */
#include <sys/wait.h>

#include <signal.h>

#include "storekit.h"

#define MOST	10000		/* more calls than a scenario makes */
#define STRIDE	7		/* of the allocations of a migration, which are thousands */

/* Counting down to the call that fails; below 0: none does. */
static long	left = -1;
static int	forever;	/* and all behind it */
static int	hit;		/* it came to that */
static int	files;		/* 1: calls of the system count; 0: allocations */
static int	deadly;		/* the process dies in place of a call that fails */

static int
fails(void)
{
	if (left < 0)
		return 0;
	if (left == 0) {
		hit = 1;
		if (deadly)
			(void)kill(getpid(), SIGKILL);
		if (!forever)
			left = -1;
		return 1;
	}
	left--;
	return 0;
}

/* Memory. */

static sqlite3_mem_methods	memory;

static void *
failing_malloc(int n)
{
	return !files && fails() ? NULL : memory.xMalloc(n);
}

static void *
failing_realloc(void *p, int n)
{
	return !files && fails() ? NULL : memory.xRealloc(p, n);
}

/* Files: a VFS before the system's, whose files are before the system's files. */

struct shim {
	sqlite3_file	 base;
	sqlite3_file	*real;
};

static sqlite3_vfs	*real_vfs;

static sqlite3_file *
real_of(sqlite3_file *file)
{
	return ((struct shim *)(void *)file)->real;
}

static int
io_fails(void)
{
	return files && fails();
}

#define REAL(file)	real_of(file)->pMethods

static int
shim_close(sqlite3_file *f)
{
	int	code = REAL(f)->xClose(real_of(f));

	sqlite3_free(real_of(f));
	return code;
}

static int
shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	return io_fails() ? SQLITE_IOERR_READ : REAL(f)->xRead(real_of(f), p, n, at);
}

static int
shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	return io_fails() ? SQLITE_IOERR_WRITE : REAL(f)->xWrite(real_of(f), p, n, at);
}

static int
shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	return io_fails() ? SQLITE_IOERR_TRUNCATE : REAL(f)->xTruncate(real_of(f), size);
}

static int
shim_sync(sqlite3_file *f, int flags)
{
	return io_fails() ? SQLITE_IOERR_FSYNC : REAL(f)->xSync(real_of(f), flags);
}

static int
shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
	return io_fails() ? SQLITE_IOERR_FSTAT : REAL(f)->xFileSize(real_of(f), size);
}

static int
shim_lock(sqlite3_file *f, int kind)
{
	return io_fails() ? SQLITE_IOERR_LOCK : REAL(f)->xLock(real_of(f), kind);
}

static int
shim_unlock(sqlite3_file *f, int kind)
{
	return REAL(f)->xUnlock(real_of(f), kind);
}

static int
shim_check(sqlite3_file *f, int *result)
{
	return REAL(f)->xCheckReservedLock(real_of(f), result);
}

static int
shim_control(sqlite3_file *f, int op, void *arg)
{
	return REAL(f)->xFileControl(real_of(f), op, arg);
}

static int
shim_sector(sqlite3_file *f)
{
	return REAL(f)->xSectorSize(real_of(f));
}

static int
shim_character(sqlite3_file *f)
{
	return REAL(f)->xDeviceCharacteristics(real_of(f));
}

static int
shim_map(sqlite3_file *f, int page, int size, int extend, void volatile **p)
{
	return io_fails() ? SQLITE_IOERR_SHMMAP :
	    REAL(f)->xShmMap(real_of(f), page, size, extend, p);
}

static int
shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	if (!(flags & SQLITE_SHM_UNLOCK) && io_fails())
		return SQLITE_IOERR_SHMLOCK;
	return REAL(f)->xShmLock(real_of(f), at, n, flags);
}

static void
shim_barrier(sqlite3_file *f)
{
	REAL(f)->xShmBarrier(real_of(f));
}

static int
shim_unmap(sqlite3_file *f, int drop)
{
	return REAL(f)->xShmUnmap(real_of(f), drop);
}

static const sqlite3_io_methods	shim_methods = {
	2, shim_close, shim_read, shim_write, shim_truncate, shim_sync, shim_size,
	shim_lock, shim_unlock, shim_check, shim_control, shim_sector, shim_character,
	shim_map, shim_shm_lock, shim_barrier, shim_unmap, NULL, NULL
};

static int
shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	struct shim	*shim = (struct shim *)(void *)file;
	int		 code;

	(void)vfs;
	shim->base.pMethods = NULL;
	if (io_fails())
		return SQLITE_CANTOPEN;
	shim->real = sqlite3_malloc(real_vfs->szOsFile);
	if (shim->real == NULL)
		return SQLITE_NOMEM;
	memset(shim->real, 0, (size_t)real_vfs->szOsFile);
	code = real_vfs->xOpen(real_vfs, name, shim->real, flags, out);
	if (shim->real->pMethods == NULL || code != SQLITE_OK) {
		if (shim->real->pMethods != NULL)
			(void)shim->real->pMethods->xClose(shim->real);
		sqlite3_free(shim->real);
		return code;
	}
	shim->base.pMethods = &shim_methods;
	return SQLITE_OK;
}

/* A scenario: what is asked, and what may be answered.  0: as it has to be. */

struct acknowledged {
	int	learnt, reset, noted;
};

static int
good_answer(struct deep_store *store, enum deep_status status, const char *what)
{
	if (status == DEEP_YES)
		return 1;
	if (status == DEEP_FAIL && deep_store_error(store)[0] != '\0' &&
	    strchr(deep_store_error(store), '\n') == NULL)
		return 1;
	diag("%s: answered %d: %s", what, (int)status, deep_store_error(store));
	return 0;
}

static int
scenario(struct deep_config *config, struct acknowledged *done)
{
	struct deep_store	*store = deep_store_new();
	struct deep_key		 known = key_of("known.example", DEEP_RELAY);
	struct deep_key		 gone = key_of("gone.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;
	enum deep_status	 status;
	char			 buf[32];
	int			 good = 1;

	memset(done, 0, sizeof(*done));
	status = deep_store_open(store, config);
	good &= good_answer(store, status, "open");
	if (status != DEEP_YES) {
		deep_store_free(store);
		return good;
	}
	status = deep_store_hosts(store, &known, &record);
	good &= good_answer(store, status, "get");
	if (status == DEEP_YES && (deep_record_held(&record, NULL) != GOOD ||
	    record.nhost != 1 || strcmp(record.host[0].name, "mx.example.net") != 0)) {
		diag("a record that is not whole");
		good = 0;
	}
	status = teach(store, "new.example", "mx", START + 100);
	good &= good_answer(store, status, "learn");
	done->learnt = status == DEEP_YES;
	status = deep_store_reset(store, &gone, 0, "root", "why", START, NULL);
	good &= good_answer(store, status, "reset");
	done->reset = status == DEEP_YES;
	status = deep_note_put(store, "k", "key", "sub", "text", START + 10);
	good &= good_answer(store, status, "note");
	done->noted = status == DEEP_YES;
	if (done->noted) {
		status = deep_note_get(store, "k", "key", "sub", START, buf, sizeof(buf));
		good &= good_answer(store, status, "read note");
		if (status == DEEP_YES && strcmp(buf, "text") != 0)
			good = 0;
	}
	memset(&lines, 0, sizeof(lines));
	status = deep_store_each(store, add_key, &lines);
	good &= good_answer(store, status, "each");
	if (status == DEEP_YES && strstr(lines.text, "known.example relay e7 1\n") == NULL) {
		diag("a walk left out what is known");
		good = 0;
	}
	deep_store_free(store);
	return good;
}

/* A copy of a store that is closed. */
static void
copy_store(const char *from, const char *to)
{
	static char	 page[65536];
	FILE		*in = fopen(below(from), "r"), *out = fopen(below(to), "w");
	size_t		 n;

	if (in == NULL || out == NULL)
		exit(1);
	while ((n = fread(page, 1, sizeof(page), in)) > 0)
		(void)fwrite(page, 1, n, out);
	(void)fclose(in);
	(void)fclose(out);
}

static void
test_faults(const char *what, int on_files, int and_after)
{
	struct deep_config	*config = config_at("fault.db", "timeout = 50");
	struct deep_store	*store;
	struct acknowledged	 done;
	struct lines		 lines;
	long			 n, bad = 0, lost = 0, unsound = 0;
	int			 good;

	files = on_files;
	forever = and_after;
	for (n = 0; n < MOST; n++) {
		remove_store("fault.db");
		copy_store("whole.db", "fault.db");
		hit = 0;
		left = n;
		good = scenario(config, &done);
		left = -1;
		bad += !good;
		if (!good)
			diag("%s: that was number %ld", what, n);
		files = 0;
		store = open_with(config);
		lost += held(store, "known.example") != GOOD ||
		    (done.learnt && held(store, "new.example") != GOOD) ||
		    (done.reset && held(store, "gone.example") != 0);
		unsound += faults(store, &lines, NULL) != DEEP_YES;
		deep_store_free(store);
		files = on_files;
		if (!hit)
			break;
	}
	cmp_ok(n, <, MOST, "%s: each of %ld failed in turn", what, n);
	cmp_ok(n, >, 20, "%s: there were some", what);
	is_int(bad, 0, "%s: FAIL with a text, or right", what);
	is_int(lost, 0, "%s: what was acknowledged is there, what was reset is not", what);
	is_int(unsound, 0, "%s: verify is clean after each", what);
	deep_config_free(config);
}

/* A store of an older version is opened, which brings it to the present one. */
static int
open_old(struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();
	struct deep_key		 key = key_of("m00000000.example.org", DEEP_RELAY);
	struct deep_record	 record;
	enum deep_status	 status;
	int			 good;

	status = deep_store_open(store, config);
	good = good_answer(store, status, "open");
	if (status == DEEP_YES) {
		status = deep_store_hosts(store, &key, &record);
		good &= good_answer(store, status, "get");
		if (status == DEEP_YES && (deep_record_held(&record, NULL) != GOOD ||
		    record.latch[2].confirmations != 9 || record.nhost != 1)) {
			diag("a record that is not whole");
			good = 0;
		}
	}
	deep_store_free(store);
	return good;
}

/* The same in a process that may die of it; hit: it did. */
static int
open_old_and_die(struct deep_config *config)
{
	int	status;
	pid_t	pid = fork();

	if (pid == 0)
		_exit(open_old(config) ? 0 : 1);
	left = -1;
	(void)waitpid(pid, &status, 0);
	hit = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	return hit || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_migration(const char *what, int on_files, int and_after, int and_die)
{
	struct deep_config	*config = config_at("fault.db", "timeout = 50");
	struct deep_store	*store;
	struct lines		 lines;
	long			 n, bad = 0, lost = 0, unsound = 0;

	forever = and_after;
	deadly = and_die;
	for (n = 0; n < MOST; n += on_files ? 1 : STRIDE) {
		remove_store("fault.db");
		copy_store("old.db", "fault.db");
		hit = 0;
		files = on_files;
		left = n;
		bad += !(and_die ? open_old_and_die(config) : open_old(config));
		left = -1;
		files = 0;
		store = open_with(config);
		memset(&lines, 0, sizeof(lines));
		lost += deep_store_each(store, add_key, &lines) != DEEP_YES ||
		    strcmp(lines.text, OLD_STORE) != 0;
		unsound += faults(store, &lines, NULL) != DEEP_YES;
		deep_store_free(store);
		if (!hit)
			break;
	}
	deadly = 0;
	cmp_ok(n, <, MOST, "%s, of an older version: those of %ld in turn", what, n);
	cmp_ok(n, >, 20, "%s: there were some", what);
	is_int(bad, 0, "%s: FAIL with a text, or right", what);
	is_int(lost, 0, "D3.1-3 %s: all that it held is there afterwards", what);
	is_int(unsound, 0, "%s: verify is clean after each", what);
	deep_config_free(config);
}

int
main(void)
{
	static sqlite3_mem_methods	failing;
	static sqlite3_vfs		vfs;
	struct deep_config		*config;
	struct deep_store		*store;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) != SQLITE_OK)
		plan_skip_all("SQLite does not tell how it allocates");
	plan_no_plan();
	/* Thousands of stores: none has to outlive a loss of power. */
	if (access("/dev/shm", W_OK) == 0)
		(void)setenv("TMPDIR", "/dev/shm", 1);
	make_folder("storefault");
	failing = memory;
	failing.xMalloc = failing_malloc;
	failing.xRealloc = failing_realloc;
	is_int(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing), SQLITE_OK, "memory can fail");
	/* What is kept in reserve would never be asked for. */
	(void)sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0);
	real_vfs = sqlite3_vfs_find(NULL);
	vfs = *real_vfs;
	vfs.iVersion = 1;
	vfs.szOsFile = (int)sizeof(struct shim);
	vfs.zName = "failing";
	vfs.pNext = NULL;
	vfs.xOpen = shim_open;
	is_int(sqlite3_vfs_register(&vfs, 1), SQLITE_OK, "files can fail");
	config = config_at("whole.db", "");
	store = fresh(config);
	(void)teach(store, "known.example", "mx.example.net", START);
	(void)teach(store, "gone.example", "mx.example.net", START);
	deep_store_free(store);
	deep_config_free(config);
	test_faults("memory, once", 0, 0);
	test_faults("memory, from then on", 0, 1);
	test_faults("files, once", 1, 0);
	test_faults("files, from then on", 1, 1);
	old_store("old.db");
	test_migration("memory, once", 0, 0, 0);
	test_migration("files, once", 1, 0, 0);
	test_migration("files, from then on", 1, 1, 0);
	test_migration("killed at a call", 1, 0, 1);
	remove_folder();
	return done_testing();
}
