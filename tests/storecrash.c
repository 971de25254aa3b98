/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * storecrash.c - what a store in SQLite holds when its writers are killed, when
 * the disk is full, and when many read and write at once.
 *
 *	DEEP_CRASH_ROUNDS	times that one of four writers is killed [150]
 *	DEEP_STORE_SECONDS	of two writers and eight readers [4]
 *	DEEP_SEED		of the random points [the time]
 */
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>

#include "storekit.h"

#define WRITERS		4
#define READERS		8
#define LEARNERS	2
#define NAMES		200	/* that these share */
#define BLOCKED_US	50000	/* a reader may not be held up for longer */
#define RUNS		3	/* of which one has to be so */
#define FULL_SIZE	"size=1m"
#define ROOM_SIZE	"size=16m"

static unsigned long long	seed;

static unsigned
draw(unsigned below_this)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 11) % below_this;
}

static long
from_environment(const char *name, long fallback)
{
	const char	*text = getenv(name);

	return text == NULL || *text == '\0' ? fallback : strtol(text, NULL, 10);
}

static void
nap_us(long us)
{
	const struct timespec	t = { us / 1000000, (us % 1000000) * 1000 };

	(void)nanosleep(&t, NULL);
}

static void *
shared_memory(size_t size)
{
	void	*memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		    -1, 0);

	if (memory == MAP_FAILED)
		exit(1);
	return memory;
}

/*
 * Crash.  A writer learns names of its own, and one that all share; a number in
 * shared memory is what was acknowledged before it was killed.
 */

struct acknowledged {
	long	own[WRITERS];		/* names of each */
	long	shared[WRITERS];	/* sessions of the name of all */
	long	failed[WRITERS];
};

static void
own_name(char *buf, size_t size, int writer, long n)
{
	(void)snprintf(buf, size, "w%d-%ld.example", writer, n);
}

static void
write_until_killed(struct deep_config *config, int writer, struct acknowledged *done)
{
	struct deep_store	*store = open_with(config);
	char			 name[64];

	for (;;) {
		own_name(name, sizeof(name), writer, done->own[writer]);
		if (teach(store, name, "mx.example.net", START) == DEEP_YES)
			done->own[writer]++;
		else
			done->failed[writer]++;
		if (teach(store, "all.example", "mx.example.net", START) == DEEP_YES)
			done->shared[writer]++;
		else
			done->failed[writer]++;
		if (done->failed[writer] > 5) {
			diag("%s", deep_store_error(store));
			_exit(1);
		}
	}
}

static pid_t
start_writer(struct deep_config *config, int writer, struct acknowledged *done)
{
	pid_t	pid = fork();

	if (pid == 0)
		write_until_killed(config, writer, done);
	return pid;
}

static long
acknowledged_names(const volatile struct acknowledged *done)
{
	long	n = 0;
	int	writer;

	for (writer = 0; writer < WRITERS; writer++)
		n += done->own[writer];
	return n;
}

static void
test_crash(long rounds)
{
	struct acknowledged	*done = shared_memory(sizeof(*done));
	struct deep_config	*config = config_at("crash.db", "timeout = 30000");
	struct deep_store	*store = fresh(config);
	struct deep_key		 key = key_of("all.example", DEEP_RELAY);
	struct deep_record	 record;
	struct lines		 lines;
	pid_t			 pids[WRITERS];
	char			 name[64];
	long			 round, n, lost = 0, all = 0, names = 0, failures = 0;
	int			 status, writer, i, by_itself = 0;

	deep_store_free(store);
	for (writer = 0; writer < WRITERS; writer++)
		pids[writer] = start_writer(config, writer, done);
	for (round = 0; round < rounds; round++) {
		n = acknowledged_names(done);
		nap_us((long)draw(30000));
		/* However slow the disk is, there is something to lose in each round. */
		for (i = 0; i < 60000 && acknowledged_names(done) == n; i++)
			nap_us(1000);
		writer = (int)draw(WRITERS);
		(void)kill(pids[writer], SIGKILL);
		(void)waitpid(pids[writer], &status, 0);
		by_itself += !WIFSIGNALED(status);
		pids[writer] = start_writer(config, writer, done);
	}
	for (writer = 0; writer < WRITERS; writer++) {
		(void)kill(pids[writer], SIGKILL);
		(void)waitpid(pids[writer], &status, 0);
		by_itself += !WIFSIGNALED(status);
	}
	store = open_with(config);
	for (writer = 0; writer < WRITERS; writer++) {
		all += done->shared[writer];
		names += done->own[writer];
		failures += done->failed[writer];
		for (n = 0; n < done->own[writer]; n++) {
			own_name(name, sizeof(name), writer, n);
			if (held(store, name) != GOOD) {
				diag("%s was acknowledged and is lost", name);
				lost++;
			}
		}
	}
	is_int(by_itself, 0, "D3.1-3 %ld kills: no writer ended by itself", rounds);
	is_int(failures, 0, "no writer was refused");
	cmp_ok(names, >=, rounds, "%ld names and %ld sessions of another were acknowledged",
	    names, all);
	is_int(lost, 0, "D3.1-3 each is there with all its latches");
	is_int(deep_store_get(store, &key, &record), DEEP_YES, "the name of all is there");
	cmp_ok(record.latch[0].confirmations, >=, all, "no acknowledged session of it is lost");
	cmp_ok(record.latch[0].confirmations, <=, all + rounds + WRITERS,
	    "and none counts twice: at most one more for each kill");
	is_int(faults(store, &lines, NULL), DEEP_YES, "verify is clean");
	is(lines.text, "", "no fault");
	deep_store_free(store);
	deep_config_free(config);
	(void)munmap(done, sizeof(*done));
}

/*
 * Many at once.
 */

struct watched {
	long	learnt[LEARNERS], refused[LEARNERS];
	long	read[READERS], failed[READERS], backward[READERS];
	long	slowest[READERS];	/* us: all that a check took */
	long	blocked[READERS];	/* us: of a check that gave up the processor itself,
					 * less what it ran and what it waited for one */
	int	stop;
};

/* us that this process has run, and has waited for a processor. */
static long
scheduled(int schedstat)
{
	char			 text[64];
	unsigned long long	 run, waited;
	ssize_t			 n = pread(schedstat, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	if (sscanf(text, "%llu %llu", &run, &waited) != 2)
		return 0;
	return (long)((run + waited) / 1000);
}

static void
read_on(struct deep_config *config, int reader, volatile struct watched *watched)
{
	struct deep_store	*store = open_with(config);
	struct deep_record	 record;
	struct deep_key		 key;
	struct rusage		 before, after;
	struct timespec		 from, to;
	static uint32_t		 seen[NAMES];
	char			 name[64];
	long			 us, busy;
	unsigned		 n;
	int			 schedstat = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC);

	seed += (unsigned)reader * 7919u + 1;
	while (!watched->stop) {
		n = draw(NAMES);
		(void)snprintf(name, sizeof(name), "n%u.example", n);
		key = key_of(name, DEEP_RELAY);
		(void)getrusage(RUSAGE_SELF, &before);
		busy = scheduled(schedstat);
		(void)clock_gettime(CLOCK_MONOTONIC, &from);
		if (deep_store_get(store, &key, &record) != DEEP_YES) {
			if (watched->failed[reader]++ == 0)
				diag("reader: %s", deep_store_error(store));
			continue;
		}
		(void)clock_gettime(CLOCK_MONOTONIC, &to);
		busy = scheduled(schedstat) - busy;
		(void)getrusage(RUSAGE_SELF, &after);
		us = (long)(to.tv_sec - from.tv_sec) * 1000000 +
		    (to.tv_nsec - from.tv_nsec) / 1000;
		if (us > watched->slowest[reader])
			watched->slowest[reader] = us;
		if (after.ru_nvcsw > before.ru_nvcsw && us - busy > watched->blocked[reader])
			watched->blocked[reader] = us - busy;
		watched->backward[reader] += record.latch[0].confirmations < seen[n] ||
		    deep_record_held(&record, NULL) != GOOD;
		seen[n] = record.latch[0].confirmations;
		watched->read[reader]++;
	}
	deep_store_free(store);
	_exit(0);
}

static void
learn_on(struct deep_config *config, int learner, volatile struct watched *watched)
{
	struct deep_store	*store = open_with(config);
	char			 name[64];

	seed += (unsigned)learner * 104729u + 1;
	while (!watched->stop) {
		(void)snprintf(name, sizeof(name), "n%u.example", draw(NAMES));
		if (teach(store, name, learner == 0 ? "mx0" : "mx1", START) == DEEP_YES)
			watched->learnt[learner]++;
		else if (watched->refused[learner]++ == 0)
			diag("learner: %s", deep_store_error(store));
	}
	deep_store_free(store);
	_exit(0);
}

/* All of them at it for so long; how long a reader was held up. */
static long
many_at_once(struct deep_config *config, volatile struct watched *watched, long seconds,
    int *died)
{
	pid_t	pids[LEARNERS + READERS];
	long	blocked = 0;
	int	i, status;

	watched->stop = 0;
	for (i = 0; i < READERS; i++)
		watched->blocked[i] = 0;
	for (i = 0; i < LEARNERS + READERS; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		if (i < LEARNERS)
			learn_on(config, i, watched);
		else
			read_on(config, i - LEARNERS, watched);
	}
	nap_us(seconds * 1000000);
	watched->stop = 1;
	for (i = 0; i < LEARNERS + READERS; i++) {
		(void)waitpid(pids[i], &status, 0);
		*died += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
	}
	for (i = 0; i < READERS; i++)
		if (watched->blocked[i] > blocked)
			blocked = watched->blocked[i];
	return blocked;
}

static void
test_many(long seconds)
{
	struct watched		*watched = shared_memory(sizeof(*watched));
	struct deep_config	*config = config_at("many.db", "timeout = 10000");
	struct deep_store	*store = fresh(config);
	struct deep_record	 record;
	struct deep_key		 key;
	struct lines		 lines;
	char			 name[64];
	long			 learnt = 0, refused = 0, reads = 0, failed = 0, backward = 0;
	long			 slowest = 0, blocked = 0, confirmed = 0;
	int			 i, died = 0;

	for (i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example", i);
		(void)teach(store, name, "mx0", START);
	}
	deep_store_free(store);
	/* What the store does to a reader it does in each run; the disk of a machine that is
	 * busy with other things does it in some. */
	for (i = 0; i < RUNS; i++)
		if ((blocked = many_at_once(config, watched, seconds, &died)) < BLOCKED_US)
			break;
	for (i = 0; i < LEARNERS; i++) {
		learnt += watched->learnt[i];
		refused += watched->refused[i];
	}
	for (i = 0; i < READERS; i++) {
		reads += watched->read[i];
		failed += watched->failed[i];
		backward += watched->backward[i];
		if (watched->slowest[i] > slowest)
			slowest = watched->slowest[i];
	}
	store = open_with(config);
	for (i = 0; i < NAMES; i++) {
		(void)snprintf(name, sizeof(name), "n%d.example", i);
		key = key_of(name, DEEP_RELAY);
		(void)deep_store_get(store, &key, &record);
		confirmed += (long)record.latch[0].confirmations - 1;
	}
	diag("%ld s, %d writers, %d readers: %ld sessions learnt, %ld checks; the slowest took "
	    "%.1f ms, the slowest that waited for anything %.1f ms", seconds, LEARNERS,
	    READERS, learnt, reads, (double)slowest / 1e3, (double)blocked / 1e3);
	is_int(died, 0, "all ended well");
	cmp_ok(reads, >, 0, "readers read");
	is_int(failed, 0, "no reader was refused");
	is_int(backward, 0, "no reader saw a record go back");
	cmp_ok(blocked, <, BLOCKED_US, "no reader was held up for 50 ms");
	is_int(refused, 0, "no writer was refused");
	is_int(confirmed, learnt, "no update is lost, none is there twice");
	is_int(faults(store, &lines, NULL), DEEP_YES, "verify is clean");
	deep_store_free(store);
	deep_config_free(config);
	(void)munmap(watched, sizeof(*watched));
}

/*
 * A full disk: a small tmpfs that nobody else sees.
 */

static void
test_full(void)
{
	struct deep_config	*config;
	struct deep_store	*store;
	struct lines		 lines;
	char			 name[64];
	long			 n, acknowledged, lost = 0;
	enum deep_status	 status = DEEP_YES;

	(void)mkdir(below("full"), 0700);
	if (geteuid() != 0 || unshare(CLONE_NEWNS) == -1 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == -1 ||
	    mount("tmpfs", below("full"), "tmpfs", 0, FULL_SIZE) == -1) {
		skip(1, "no mount namespace without root: no small disk");
		return;
	}
	config = config_at("full/latches.db", "");
	store = fresh(config);
	for (n = 0; n < 100000 && status == DEEP_YES; n++) {
		(void)snprintf(name, sizeof(name), "f%ld.example", n);
		status = teach(store, name, "mx.example.net", START);
	}
	acknowledged = n - 1;
	is_int(status, DEEP_FAIL, "the disk is full after %ld names", acknowledged);
	ok(has(deep_store_error(store), below("full/latches.db")), "where");
	ok(has(deep_store_error(store), "make room, nothing that was acknowledged is lost"),
	    "and what to do");
	is_int(teach(store, "again.example", "mx", START), DEEP_FAIL, "full it stays");
	is_int(held(store, "f0.example"), GOOD, "what is known is answered");
	for (n = 0; n < acknowledged; n++) {
		(void)snprintf(name, sizeof(name), "f%ld.example", n);
		lost += held(store, name) != GOOD;
	}
	is_int(lost, 0, "D3.1-3 all that was acknowledged is there");
	is_int(faults(store, &lines, NULL), DEEP_YES, "verify is clean");
	deep_store_free(store);
	store = open_with(config);
	for (n = lost = 0; n < acknowledged; n++) {
		(void)snprintf(name, sizeof(name), "f%ld.example", n);
		lost += held(store, name) != GOOD;
	}
	is_int(lost, 0, "D3.1-3 when it was closed and opened, too");
	is_int(mount("tmpfs", below("full"), "tmpfs", MS_REMOUNT, ROOM_SIZE), 0,
	    "the disk is made larger");
	is_int(teach(store, "room.example", "mx", START), DEEP_YES, "and it goes on");
	is_int(faults(store, &lines, NULL), DEEP_YES, "verify is clean");
	deep_store_free(store);
	deep_config_free(config);

	is_int(mount("tmpfs", below("full"), "tmpfs", MS_REMOUNT | MS_RDONLY, ROOM_SIZE), 0,
	    "the disk is read-only now");
	config = config_at("full/latches.db", "");
	store = deep_store_new();
	is_int(deep_store_open(store, config), DEEP_FAIL, "it is refused");
	ok(has(deep_store_error(store), "Read-only file system"), "and says why: %s",
	    deep_store_error(store));
	deep_store_free(store);
	deep_config_free(config);
	(void)umount(below("full"));
}

int
main(void)
{
	plan_no_plan();
	make_folder("storecrash");
	seed = (unsigned long long)from_environment("DEEP_SEED", (long)time(NULL)) * 2 + 1;
	diag("DEEP_SEED=%llu", (seed - 1) / 2);
	test_crash(from_environment("DEEP_CRASH_ROUNDS", 150));
	test_many(from_environment("DEEP_STORE_SECONDS", 4));
	test_full();
	remove_folder();
	return done_testing();
}
