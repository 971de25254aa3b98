/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * storekit.h - what the tests of the store share: a folder of their own, files of
 * configuration in it, stores, and sessions to learn from.
 */
#ifndef STOREKIT_H
#define STOREKIT_H

#include <sys/stat.h>

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deep.h"
#include "tap.h"

#define TLS10	DEEP_LATCH_TLS10
#define TLS12	(DEEP_LATCH_TLS10 | DEEP_LATCH_TLS11 | DEEP_LATCH_TLS12)
#define NO	(DEEP_LATCH_NOMD5 | DEEP_LATCH_NORC4)
#define PFS	DEEP_LATCH_PFS
#define GOOD	(TLS12 | NO | PFS)

#define DAY	INT64_C(86400)
#define START	INT64_C(1795000000)	/* in November 2026 */

static char	folder[64];	/* all that is made is below it */

/* Files and configurations. */

static inline char *
below(const char *name)
{
	static char	path[4][256];
	static int	n;

	n = (n + 1) % 4;
	(void)snprintf(path[n], sizeof(path[n]), "%s/%s", folder, name);
	return path[n];
}

static inline void
write_file(const char *path, const char *text)
{
	FILE	*file = fopen(path, "w");

	if (file == NULL || fputs(text, file) == EOF || fclose(file) == EOF)
		diag("cannot write %s", path);
}

/* deep.conf with this store and these lines behind it. */
static inline struct deep_config *
config_of(const char *url, const char *more)
{
	struct deep_config	*config = deep_config_new();
	char			 text[1024];

	/* A loaded machine is no server that is away. */
	(void)snprintf(text, sizeof(text), "[store]\nurl = %s\nshadow = %s\n"
	    "network = 10000\n%s\n", url, below("shadow.db"), more);
	write_file(below("deep.conf"), text);
	if (deep_config_read(config, below("deep.conf")) != DEEP_YES)
		diag("%s", deep_config_error(config));
	return config;
}

static inline struct deep_config *
config_at(const char *name, const char *more)
{
	char	url[300];

	(void)snprintf(url, sizeof(url), "sqlite:%s", below(name));
	return config_of(url, more);
}

static inline void
remove_store(const char *name)
{
	char	file[300];

	(void)unlink(below(name));
	(void)snprintf(file, sizeof(file), "%s-wal", below(name));
	(void)unlink(file);
	(void)snprintf(file, sizeof(file), "%s-shm", below(name));
	(void)unlink(file);
}

static inline struct deep_store *
open_with(struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();

	if (deep_store_open(store, config) != DEEP_YES)
		diag("%s", deep_store_error(store));
	return store;
}

/* A new store; the configuration is the caller's. */
static inline struct deep_store *
fresh(struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();

	if (deep_store_create(store, config, getuid(), getgid()) != DEEP_YES)
		diag("%s", deep_store_error(store));
	deep_store_free(store);
	return open_with(config);
}

static inline int
remove_one(const char *path, const struct stat *st, int flag, struct FTW *walk)
{
	(void)st;
	(void)flag;
	(void)walk;
	return remove(path);
}

/* Facts. */

static inline struct deep_key
key_of(const char *name, enum deep_service service)
{
	struct deep_key	key;

	if (deep_key(&key, service, deep_str(name)) != DEEP_YES)
		diag("%s is no key", name);
	return key;
}

static inline struct deep_session
session_of(const char *suite, int version)
{
	struct deep_session	session;

	memset(&session, 0, sizeof(session));
	session.version = version;
	session.suite = deep_suite_find(deep_str(suite), version, NULL);
	return session;
}

static inline struct deep_session
good_session(void)
{
	return session_of("TLS_AES_256_GCM_SHA384", DEEP_TLS1_3);
}

static inline enum deep_status
teach(struct deep_store *store, const char *name, const char *host, int64_t now)
{
	struct deep_key		key = key_of(name, DEEP_RELAY);
	struct deep_session	session = good_session();
	struct deep_policy	policy;
	struct deep_learnt	learnt;

	deep_policy_of(&policy, NULL, name);
	return deep_store_learn(store, &key, &policy, &session, deep_str(host), now,
	    &learnt);
}

static inline deep_latches
held(struct deep_store *store, const char *name)
{
	struct deep_key		key = key_of(name, DEEP_RELAY);
	struct deep_record	record;

	if (deep_store_get(store, &key, &record) != DEEP_YES)
		return DEEP_LATCH_NONE;
	return deep_record_held(&record, NULL);
}

static inline int
has(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		return 1;
	diag("\"%s\" is not in: %s", part, text);
	return 0;
}

/* Statements that only a test would run, past the library. */
static inline int
raw(const char *name, const char *statements)
{
	sqlite3	*db;
	char	*error = NULL;
	int	 code;

	if (sqlite3_open(below(name), &db) != SQLITE_OK)
		return -1;
	code = sqlite3_exec(db, statements, NULL, NULL, &error);
	if (error != NULL)
		diag("(expected or not) %s", error);
	sqlite3_free(error);
	sqlite3_close(db);
	return code;
}

/* A file as version 1 of the tables left it, in WAL mode as that made it. */
static inline void
old_store(const char *name)
{
	static char	 text[16384];
	const char	*top = getenv("DEEP_TOP");
	char		 path[512];
	FILE		*file;
	size_t		 n = 0;

	(void)snprintf(path, sizeof(path), "%s/tests/store/version_1.sql",
	    top != NULL ? top : ".");
	file = fopen(path, "r");
	if (file != NULL) {
		n = fread(text, 1, sizeof(text) - 1, file);
		(void)fclose(file);
	}
	text[n] = '\0';
	remove_store(name);
	ok(n > 0 && raw(name, text) == 0 && raw(name, "PRAGMA journal_mode = WAL") == 0,
	    "a store of version 1");
}

/* What add_key() says of it. */
#define OLD_STORE "exempt.example relay 00 exempt 0\nm00000000.example.org relay e7 1\n" \
	"m00000001.example.org relay e7 1\n"

/* Collects what the walks say. */
struct lines {
	char	text[8192];
	int	n, most;		/* most: stop behind so many, 0: never */
};

static inline int
add_line(void *arg, const char *line)
{
	struct lines	*lines = arg;

	(void)strlcat(lines->text, line, sizeof(lines->text));
	(void)strlcat(lines->text, "\n", sizeof(lines->text));
	return ++lines->n == lines->most;
}

static inline int
add_key(void *arg, const struct deep_key *key, const struct deep_record *record)
{
	char	line[DEEP_DOMAIN_MAX + 100];

	(void)snprintf(line, sizeof(line), "%s %s %02x%s %zu", key->name,
	    deep_service_name(key->service), (unsigned)deep_record_held(record, NULL),
	    record->exempt != 0 ? " exempt" : "", record->nhost);
	return add_line(arg, line);
}

static inline const char *
walked(struct deep_store *store, struct lines *lines)
{
	memset(lines, 0, sizeof(*lines));
	is_int(deep_store_each(store, add_key, lines), DEEP_YES, "a walk over all keys");
	return lines->text;
}

static inline enum deep_status
faults(struct deep_store *store, struct lines *lines, uint64_t *records)
{
	memset(lines, 0, sizeof(*lines));
	return deep_store_verify(store, add_line, lines, records);
}

static inline void
make_folder(const char *name)
{
	const char	*where = getenv("TMPDIR");

	(void)snprintf(folder, sizeof(folder), "%s/%s.XXXXXX",
	    where != NULL && strlen(where) < 30 ? where : "/tmp", name);
	if (mkdtemp(folder) == NULL)
		plan_skip_all("no folder below %s", where != NULL ? where : "/tmp");
}

static inline void
remove_folder(void)
{
	(void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline long
ms_since(const struct timespec *from)
{
	struct timespec	now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (long)(now.tv_sec - from->tv_sec) * 1000 +
	    (now.tv_nsec - from->tv_nsec) / 1000000;
}

#endif
