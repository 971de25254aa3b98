/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * lmdb_get.c - what LMDB takes for one get of the same names, with a value as long
 * as a policy in text: the least that any store could take.  tests/bench/store
 * compiles and runs it.
 *
 *	lmdb_get load FOLDER NAMES
 *	lmdb_get hot FOLDER NAMES CHECKS	one open environment, random names
 *	lmdb_get cold FOLDER NAMES CHECKS	open, get, close, in this process
 */
#include <sys/resource.h>

#include <lmdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BATCH	100000

static const char	value[] = "encrypt protocols=>=TLSv1.2 ciphers=high exclude=MD5,RC4";

static double
seconds(void)
{
	struct timespec	now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int
compare(const void *a, const void *b)
{
	double	x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static unsigned long
draw(unsigned long below)
{
	static uint64_t	state = 88172645463325252;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned long)(state % below);
}

static void
must(int code)
{
	if (code == 0)
		return;
	fprintf(stderr, "lmdb: %s\n", mdb_strerror(code));
	exit(1);
}

static MDB_env *
open_environment(const char *folder, unsigned flags)
{
	MDB_env	*env;

	must(mdb_env_create(&env));
	must(mdb_env_set_mapsize(env, (size_t)8 << 30));
	must(mdb_env_open(env, folder, flags, 0600));
	return env;
}

static void
get(MDB_env *env, MDB_dbi dbi, unsigned long n)
{
	MDB_txn	*txn;
	MDB_val	 key, data;
	char	 name[64];

	key.mv_size = (size_t)snprintf(name, sizeof(name), "m%08lu.example.org", n);
	key.mv_data = name;
	must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	must(mdb_get(txn, dbi, &key, &data));
	if (data.mv_size != sizeof(value))
		exit(1);
	mdb_txn_abort(txn);
}

static MDB_dbi
open_table(MDB_env *env, unsigned flags)
{
	MDB_txn	*txn;
	MDB_dbi	 dbi;

	must(mdb_txn_begin(env, NULL, flags, &txn));
	must(mdb_dbi_open(txn, NULL, 0, &dbi));
	must(mdb_txn_commit(txn));
	return dbi;
}

static void
load(const char *folder, unsigned long names)
{
	MDB_env		*env = open_environment(folder, 0);
	MDB_dbi		 dbi = open_table(env, 0);
	MDB_txn		*txn = NULL;
	MDB_val		 key, data;
	char		 name[64];
	double		 start = seconds();
	unsigned long	 n;

	for (n = 0; n < names; n++) {
		if (n % BATCH == 0) {
			if (txn != NULL)
				must(mdb_txn_commit(txn));
			must(mdb_txn_begin(env, NULL, 0, &txn));
		}
		key.mv_size = (size_t)snprintf(name, sizeof(name), "m%08lu.example.org", n);
		key.mv_data = name;
		data.mv_size = sizeof(value);
		data.mv_data = (void *)(uintptr_t)value;
		must(mdb_put(txn, dbi, &key, &data, MDB_APPEND));
	}
	if (txn != NULL)
		must(mdb_txn_commit(txn));
	mdb_env_close(env);
	printf("load %.1f s\n", seconds() - start);
}

int
main(int argc, char **argv)
{
	unsigned long	 names = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	size_t		 checks = argc > 4 ? strtoul(argv[4], NULL, 10) : 1, i;
	int		 cold = argc > 1 && strcmp(argv[1], "cold") == 0;
	double		*took = calloc(checks, sizeof(*took)), start;
	struct rusage	 usage;
	MDB_env		*env = NULL;
	MDB_dbi		 dbi = 0;

	if (argc < 4 || took == NULL) {
		free(took);
		return 64;
	}
	if (strcmp(argv[1], "load") == 0) {
		load(argv[2], names);
		free(took);
		return 0;
	}
	if (!cold) {
		env = open_environment(argv[2], MDB_RDONLY);
		dbi = open_table(env, MDB_RDONLY);
	}
	for (i = 0; i < checks; i++) {
		start = seconds();
		if (cold) {
			env = open_environment(argv[2], MDB_RDONLY);
			dbi = open_table(env, MDB_RDONLY);
		}
		get(env, dbi, draw(names));
		if (cold)
			mdb_env_close(env);
		took[i] = seconds() - start;
	}
	qsort(took, checks, sizeof(*took), compare);
	(void)getrusage(RUSAGE_SELF, &usage);
	printf("%s: median %.2f us, 90 %% %.2f us, 99 %% %.2f us, peak %ld KiB\n", argv[1],
	    took[checks / 2] * 1e6, took[checks * 9 / 10] * 1e6, took[checks * 99 / 100] * 1e6,
	    usage.ru_maxrss);
	free(took);
	return 0;
}
