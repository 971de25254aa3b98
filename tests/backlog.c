/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * backlog.c - tests of modules/opensmtpd/backlog.c: what waits for the store is kept in
 * order, over the death of who serves it, and within its bound; and of worker_await()
 * in worker.c, by a clock and a poll(2) of its own: a table's deadline.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../modules/opensmtpd/osmtpd.h"
#include "tap.h"

static int64_t	clock_ms = 1000000;	/* what clock_gettime(2) says */
static int	polls, longest, chatter;	/* of poll(2): calls, the longest wait, an answer each */
static int	other_end = -1;

/* In place of libc's. */
int
clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	t->tv_sec = (time_t)(clock_ms / 1000);
	t->tv_nsec = (long)(clock_ms % 1000) * 1000000;
	return 0;
}

int
poll(struct pollfd *fd, nfds_t n, int timeout)
{
	struct answer	answer;

	(void)fd;
	(void)n;
	polls++;
	longest = timeout > longest ? timeout : longest;
	if (chatter > 0) {		/* another answer, a little later */
		memset(&answer, 0, sizeof(answer));
		answer.kind = ASK_DOMAIN;
		answer.number = chatter == 100 ? 7 : 3;
		answer_send(other_end, &answer);
		clock_ms += timeout < chatter ? timeout : chatter;
		return 1;
	}
	clock_ms += timeout < 0 ? 1000000 : timeout;
	return 0;
}

static int
other(void *context, const struct answer *answer)
{
	(void)answer;
	++*(int *)context;
	return 0;
}

static void
test_await(void)
{
	static struct worker	worker;
	struct answer		answer;
	int			pair[2], others = 0;
	int64_t			began;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return;
	worker.fd = pair[0];
	other_end = pair[1];
	began = clock_ms;
	is_int(worker_await(&worker, 7, clock_ms + 40, &answer, other, &others), DEEP_NO,
	    "the store says nothing");
	is_int(clock_ms - began, 40, "it is waited for to the deadline and no longer");
	is_int(polls, 1, "asleep");
	chatter = 3;
	polls = longest = 0;
	began = clock_ms;
	is_int(worker_await(&worker, 7, clock_ms + 40, &answer, other, &others), DEEP_NO,
	    "the store answers what nobody waits for any more, every 3 ms");
	is_int(clock_ms - began, 40, "the deadline is the same");
	cmp_ok(others, >, 10, "what came meanwhile is taken");
	is_int(longest, 40, "and no wait is longer than what is left");
	chatter = 100;
	began = clock_ms;
	is_int(worker_await(&worker, 7, clock_ms + 400, &answer, other, &others), DEEP_YES,
	    "the answer comes");
	is_int(answer.number, 7, "and is the one");
	cmp_ok(clock_ms - began, <=, 200, "at once");
	chatter = 0;
	close(pair[1]);
	began = clock_ms;
	is_int(worker_await(&worker, 8, clock_ms + 40, &answer, other, &others), DEEP_NO,
	    "the keeper is gone");
	is_int(clock_ms - began, 0, "nothing is waited for");
	is_int(worker_await(&worker, 9, clock_ms + 40, &answer, other, &others), DEEP_NO,
	    "neither the next time");
	is_int(clock_ms - began, 0, "nor then");
}

static char	seen[4096];

static void
add_seen(void *arg, const char *p, size_t n)
{
	(void)arg;
	snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s|", (int)n, p);
}

static const char *
all(struct backlog *backlog)
{
	seen[0] = '\0';
	backlog_each(backlog, add_seen, NULL);
	return seen;
}

/* What the next process gets, which dies of it; then it is 0 whether it began well. */
static void
die_of_it(struct backlog *backlog)
{
	char	buf[64];
	pid_t	pid = fork();

	if (pid == 0) {
		backlog_begin(backlog);
		backlog_next(backlog, buf, sizeof(buf));
		raise(SIGKILL);
	}
	waitpid(pid, NULL, 0);
}

static void
test_backlog(void)
{
	struct backlog	*backlog = backlog_new();
	char		 buf[OSMTPD_REQUEST], big[OSMTPD_REQUEST];
	size_t		 i, n;
	unsigned	 first, next, wrong = 0;
	int		 dropped = 0;

	memset(big, 'x', sizeof(big));
	is_int(backlog_next(backlog, buf, sizeof(buf)), 0, "nothing waits");
	backlog_put(backlog, "one", 3);
	backlog_put(backlog, "two", 3);
	backlog_put(backlog, "three", 5);
	is_int(backlog_count(backlog), 3, "three wait");
	is(all(backlog), "one|two|three|", "in their order");
	is_int(backlog_next(backlog, buf, sizeof(buf)), 3, "the first");
	ok(memcmp(buf, "one", 3) == 0, "is the first");
	backlog_later(backlog);
	is(all(backlog), "two|three|one|", "it goes behind the others");
	backlog_next(backlog, buf, sizeof(buf));
	backlog_done(backlog);
	is(all(backlog), "three|one|", "one is done");
	die_of_it(backlog);
	is_int(backlog_begin(backlog), 0, "a process is killed: the next one tries again");
	is(all(backlog), "three|one|", "with the same");
	die_of_it(backlog);
	is_int(backlog_begin(backlog), 1, "a second one is killed: it is given up");
	is(all(backlog), "one|", "and the others are there");
	is_int(backlog_put(backlog, big, sizeof(big) + 1), 0, "more than a request");
	is(all(backlog), "one|", "is not taken");
	backlog_done(backlog);
	backlog_done(backlog);
	is_int(backlog_count(backlog), 0, "none is left");

	/* round and round: each as it was put in, the oldest lost */
	memset(big, 'x', sizeof(big));
	for (i = 0; i < 3000; i++) {
		memcpy(big, &i, sizeof(i));
		dropped += backlog_put(backlog, big, 1000 + i % 7000);
	}
	cmp_ok(dropped, >, 2000, "more than there is room for: the oldest go");
	n = backlog_count(backlog);
	is_int(n + (size_t)dropped, 3000, "and no other");
	for (next = first = 0; (n = backlog_next(backlog, buf, sizeof(buf))) > 0; next++) {
		memcpy(&i, buf, sizeof(i));
		if (next == 0)
			first = next = (unsigned)i;
		wrong += i != next || n != 1000 + i % 7000 || buf[n - 1] != 'x';
		backlog_done(backlog);
	}
	is_int(wrong, 0, "what is there is whole and in order");
	is_int(next, 3000, "to the last");
	is_int(first, dropped, "from the one behind the last that was dropped");
	backlog_put(backlog, "one", 3);
	backlog_later(backlog);
	is(all(backlog), "one|", "one alone goes behind itself");
	for (i = 0; i < 1100; i++)
		backlog_put(backlog, big, 1000);
	n = backlog_count(backlog);
	backlog_later(backlog);
	is_int(backlog_count(backlog), n, "where there is no room too");
	backlog_free(backlog);
}

int
main(void)
{
	test_backlog();
	test_await();
	return done_testing();
}
