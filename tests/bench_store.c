/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * bench_store.c - times the store in SQLite: tests/bench/store runs it at three
 * sizes beside others.
 *
 *	bench_store			10,000 names below TMPDIR, hot and cold
 *	bench_store load FILE NAMES	makes a store of so many, through deep_store_put()
 *	bench_store hot FILE NAMES CHECKS	one open handle, random names
 *	bench_store cold FILE NAMES CHECKS	a process for each: open, check, close
 *	bench_store check CONF NAME	such a process, with this deep.conf
 *	bench_store none		one that does nothing, but is linked with the same
 *	bench_store learn FILE NAMES TIMES	one open handle, on the disk each time
 */
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "store.h"

#define NOW	INT64_C(1795000000)
#define NAME_ROOM	40
#define LATCHES	(DEEP_LATCH_ALL & ~(DEEP_LATCH_CERT | DEEP_LATCH_DANE))

extern char	**environ;

/* SQLite is all that this program opens, and its process starts without the libraries
 * of the other kinds. */
const struct deep_store_kind *const deep_store_kinds[] = { &deep_store_sqlite, NULL };

static const char	*self;

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

/* The same names whoever asks, in order by number. */
static void
name_of(char *buf, size_t size, unsigned long n)
{
	(void)snprintf(buf, size, "m%08lu.example.org", n);
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

/* The deep.conf of such a file, for the caller to unlink. */
static void
write_conf(char *path, const char *file)
{
	FILE	*text;
	int	 fd = mkstemp(path);

	if (fd == -1 || (text = fdopen(fd, "w")) == NULL)
		exit(1);
	fprintf(text, "[store]\nurl = sqlite:%s\nentries = 1000000000\n", file);
	fclose(text);
}

static struct deep_config *
read_conf(const char *path)
{
	struct deep_config	*config = deep_config_new();

	if (deep_config_read(config, path) != DEEP_YES) {
		fprintf(stderr, "%s\n", deep_config_error(config));
		exit(1);
	}
	return config;
}

static struct deep_store *
open_with(const struct deep_config *config)
{
	struct deep_store	*store = deep_store_new();

	if (deep_store_open(store, config) != DEEP_YES) {
		fprintf(stderr, "%s\n", deep_store_error(store));
		exit(1);
	}
	return store;
}

static struct deep_store *
open_store(const char *file, int make)
{
	struct deep_config	*config;
	struct deep_store	*store;
	char			 path[] = "/tmp/bench_store.XXXXXX";

	write_conf(path, file);
	config = read_conf(path);
	(void)unlink(path);
	if (make) {
		store = deep_store_new();
		if (deep_store_create(store, config, getuid(), getgid()) != DEEP_YES) {
			fprintf(stderr, "%s\n", deep_store_error(store));
			exit(1);
		}
		deep_store_free(store);
	}
	store = open_with(config);
	deep_config_free(config);
	return store;
}

/* One session of the first name: a file that is in use has been written to. */
static void
learn_one(struct deep_store *store, struct deep_key *key)
{
	struct deep_session	session;
	struct deep_policy	policy;

	memset(&session, 0, sizeof(session));
	session.version = DEEP_TLS1_3;
	session.suite = deep_suite_code(0x1302);
	deep_policy_of(&policy, NULL, NULL);
	if (deep_store_learn(store, key, &policy, &session, deep_str("mx1.mail.example.net"),
	    NOW + 500000, NULL) != DEEP_YES) {
		fprintf(stderr, "%s\n", deep_store_error(store));
		exit(1);
	}
}

/* Seconds of the processor that this process has used, and of them the system's. */
static double
used(double *system)
{
	struct rusage	usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	*system = (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
	return *system + (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
}

static long
peak_kib(int who)
{
	struct rusage	usage;

	return getrusage(who, &usage) == 0 ? usage.ru_maxrss : 0;
}

/* Of this process, now: what is its own, without the pages of libraries. */
static long
own_kib(void)
{
	FILE	*status = fopen("/proc/self/status", "r");
	char	 line[128];
	long	 kib = 0;

	while (status != NULL && fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "RssAnon:", 8) == 0)
			kib = strtol(line + 8, NULL, 10);
	if (status != NULL)
		(void)fclose(status);
	return kib;
}

static void
fill(struct deep_record *record)
{
	size_t	i;

	memset(record, 0, sizeof(*record));
	for (i = 0; i < DEEP_LATCHES; i++) {
		if (!(LATCHES & 1u << i))
			continue;
		record->latch[i].first = record->latch[i].window = NOW;
		record->latch[i].confirmed = NOW + 400000;
		record->latch[i].enforced = NOW + 300000;
		record->latch[i].confirmations = record->latch[i].in_window = 9;
	}
	(void)strlcpy(record->host[0].name, "mx1.mail.example.net",
	    sizeof(record->host[0].name));
	record->host[0].satisfied = LATCHES;
	record->host[0].first = NOW;
	record->host[0].last = NOW + 400000;
	record->host[0].sessions = 9;
	record->nhost = 1;
}

static int
load(const char *file, unsigned long names)
{
	struct deep_store	*store = open_store(file, 1);
	struct deep_record	 record;
	struct deep_key		 key;
	struct stat		 st;
	unsigned long		 n;
	double			 start = seconds(), took;

	fill(&record);
	memset(&key, 0, sizeof(key));
	(void)deep_store_bulk(store, 1);
	for (n = 0; n < names; n++) {
		name_of(key.name, sizeof(key.name), n);
		if (deep_store_put(store, &key, &record, NOW) != DEEP_YES) {
			fprintf(stderr, "%s\n", deep_store_error(store));
			exit(1);
		}
	}
	if (deep_store_bulk(store, 0) != DEEP_YES)
		exit(1);
	deep_store_free(store);
	took = seconds() - start;
	printf("load %lu names: %.1f s, %.0f a second, %.1f MB, peak %ld KiB\n", names, took,
	    (double)names / took, stat(file, &st) == 0 ? (double)st.st_size / 1e6 : 0,
	    peak_kib(RUSAGE_SELF));
	return 0;
}

static void
percentiles(const char *what, double *took, size_t n, int who)
{
	qsort(took, n, sizeof(*took), compare);
	printf("%s: median %.2f us, 90 %% %.2f us, 99 %% %.2f us, peak %ld KiB\n", what,
	    took[n / 2] * 1e6, took[n * 9 / 10] * 1e6, took[n * 99 / 100] * 1e6,
	    peak_kib(who));
}

static int
hot(const char *file, unsigned long names, size_t checks)
{
	struct deep_store	*store = open_store(file, 0);
	struct deep_record	 record;
	struct deep_policy	 policy;
	struct deep_key		 key;
	double			*took = calloc(checks, sizeof(*took)), start, all, system, before;
	size_t			 i;

	if (took == NULL)
		return 1;
	memset(&key, 0, sizeof(key));
	name_of(key.name, sizeof(key.name), 0);
	learn_one(store, &key);
	deep_policy_of(&policy, NULL, NULL);
	all = used(&before);
	for (i = 0; i < checks; i++) {
		name_of(key.name, sizeof(key.name), draw(names));
		start = seconds();
		if (deep_store_get(store, &key, &record) != DEEP_YES ||
		    deep_policy_required(&policy, &record, 0) != LATCHES) {
			fprintf(stderr, "%s: %s\n", key.name, deep_store_error(store));
			exit(1);
		}
		took[i] = seconds() - start;
	}
	all = used(&system) - all;
	percentiles("hot", took, checks, RUSAGE_SELF);
	printf("hot: %.2f us of the processor, %.2f of it in the system; %ld KiB of memory of "
	    "its own\n", all / (double)checks * 1e6, (system - before) / (double)checks * 1e6,
	    own_kib());
	deep_store_free(store);
	free(took);
	return 0;
}

static int
check(const char *conf, const char *name)
{
	struct deep_config	*config = read_conf(conf);
	struct deep_store	*store = open_with(config);
	struct deep_record	 record;
	struct deep_key		 key;
	int			 status;

	memset(&key, 0, sizeof(key));
	(void)strlcpy(key.name, name, sizeof(key.name));
	status = deep_store_get(store, &key, &record) == DEEP_YES ? 0 : 1;
	deep_store_free(store);
	deep_config_free(config);
	return status;
}

/* A process for each, from before it is started until it has ended. */
static void
processes(const char *what, char **argv, char *name, unsigned long names, size_t times)
{
	double	*took = calloc(times, sizeof(*took)), start;
	size_t	 i;
	pid_t	 pid;
	int	 status;

	if (took == NULL)
		exit(1);
	for (i = 0; i < times; i++) {
		name_of(name, NAME_ROOM, draw(names));
		start = seconds();
		if (posix_spawn(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
		    waitpid(pid, &status, 0) == -1 || status != 0) {
			fprintf(stderr, "a check failed\n");
			exit(1);
		}
		took[i] = seconds() - start;
	}
	percentiles(what, took, times, RUSAGE_CHILDREN);
	free(took);
}

/* In one process: what open, check and close cost. */
static void
reopened(const struct deep_config *config, unsigned long names, size_t times)
{
	struct deep_store	*store;
	struct deep_record	 record;
	struct deep_key		 key;
	double			*took = calloc(times, sizeof(*took)), start;
	size_t			 i;

	if (took == NULL)
		exit(1);
	memset(&key, 0, sizeof(key));
	for (i = 0; i < times; i++) {
		name_of(key.name, sizeof(key.name), draw(names));
		start = seconds();
		store = open_with(config);
		if (deep_store_get(store, &key, &record) != DEEP_YES)
			exit(1);
		deep_store_free(store);
		took[i] = seconds() - start;
	}
	percentiles("cold: open, check, close", took, times, RUSAGE_SELF);
	free(took);
}

/* The same as a process of its own; and what of that is none of the store's: the same
 * program that does nothing, and the smallest one there is. */
static int
cold(const char *file, unsigned long names, size_t times)
{
	struct deep_config	*config;
	char			 name[NAME_ROOM], path[] = "/tmp/bench_store.XXXXXX";
	char			*checks[] = { (char *)self, "check", path, name, NULL };
	char			*none[] = { (char *)self, "none", NULL };
	char			*smallest[] = { "/bin/true", NULL };

	write_conf(path, file);
	config = read_conf(path);
	reopened(config, names, times);
	processes("cold: process, open, check, close", checks, name, names, times);
	processes("cold: that process, which does nothing", none, name, names, times);
	processes("cold: /bin/true", smallest, name, names, times);
	(void)unlink(path);
	deep_config_free(config);
	return 0;
}

static int
learn(const char *file, unsigned long names, size_t times)
{
	struct deep_store	*store = open_store(file, 0);
	struct deep_key		 key;
	double			*took = calloc(times, sizeof(*took)), start;
	size_t			 i;

	if (took == NULL)
		return 1;
	memset(&key, 0, sizeof(key));
	for (i = 0; i < times; i++) {
		name_of(key.name, sizeof(key.name), draw(names));
		start = seconds();
		learn_one(store, &key);
		took[i] = seconds() - start;
	}
	percentiles("learn", took, times, RUSAGE_SELF);
	deep_store_free(store);
	free(took);
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned long	names = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	size_t		times = argc > 4 ? strtoul(argv[4], NULL, 10) : 1000;
	const char	*what = argc > 1 ? argv[1] : "";
	char		 folder[] = "/tmp/bench_store.XXXXXX", file[64];
	int		 status;

	self = argv[0];
	if (argc == 1) {
		if (mkdtemp(folder) == NULL)
			return 1;
		(void)snprintf(file, sizeof(file), "%s/db", folder);
		status = load(file, 10000) || hot(file, 10000, 100000) ||
		    cold(file, 10000, 500) || learn(file, 10000, 500);
		(void)unlink(file);
		(void)rmdir(folder);
		return status;
	}
	if (argc == 2 && strcmp(what, "none") == 0)
		return 0;
	if (argc == 4 && strcmp(what, "check") == 0)
		return check(argv[2], argv[3]);
	if (argc == 4 && strcmp(what, "load") == 0)
		return load(argv[2], names);
	if (argc == 5 && strcmp(what, "hot") == 0)
		return hot(argv[2], names, times);
	if (argc == 5 && strcmp(what, "cold") == 0)
		return cold(argv[2], names, times);
	if (argc == 5 && strcmp(what, "learn") == 0)
		return learn(argv[2], names, times);
	fprintf(stderr, "usage: %s [load FILE NAMES | hot FILE NAMES CHECKS | "
	    "cold FILE NAMES CHECKS | learn FILE NAMES TIMES]\n", argv[0]);
	return 64;
}
