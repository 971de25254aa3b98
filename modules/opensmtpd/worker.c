/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * worker.c - the second process: how it is started, started again, and asked.
 *
 * A keeper is forked first; it forks the process that has the store, and forks
 * it again should it die, so that smtpd's filter or table outlives a fault in
 * the store, in SQLite or in hiredis.  Requests and answers are datagrams of a
 * socket pair: none is ever read by half, and those that wait are not lost.
 * What asks never waits for them: what finds no room in the socket is queued,
 * and what finds no room in the queue is refused.  What is not answered is taken
 * off the socket at once and waits in the backlog, where it outlives the process.
 *
 * Both end when who asks is gone.  Who asks gives up its rights here too.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "osmtpd.h"

#define AGAIN_MIN	1	/* seconds until a dead process is started again ... */
#define AGAIN_MAX	60	/* ... and at most, where it dies at once */
#define LONG_ENOUGH	120	/* seconds that it has to live for the first figure */
#define STORE_AGAIN	1000	/* ms until a store that took nothing is tried again */

/* In front of the texts, each with its NUL. */
struct wire {
	uint64_t	session;
	int32_t		kind, service, verdict, noted;
	uint32_t	number;
	deep_latches	latches;
};

static int
pack(char *buf, size_t size, const struct wire *wire, const char *const *text)
{
	size_t	n = sizeof(*wire), i, length;

	if (size < n)
		return -1;
	memcpy(buf, wire, sizeof(*wire));
	for (i = 0; i < REQUEST_TEXTS; i++) {
		length = text[i] != NULL ? strlen(text[i]) : 0;
		if (length + 1 > size - n)
			return -1;
		if (length > 0)
			memcpy(buf + n, text[i], length);
		buf[n + length] = '\0';
		n += length + 1;
	}
	return (int)n;
}

static int
unpack(struct wire *wire, const char **text, const char *buf, size_t n)
{
	size_t		 at = sizeof(*wire), i;
	const char	*nul;

	if (n < at)
		return -1;
	memcpy(wire, buf, sizeof(*wire));
	for (i = 0; i < REQUEST_TEXTS; i++) {
		text[i] = buf + at;
		if (at >= n || (nul = memchr(buf + at, '\0', n - at)) == NULL)
			return -1;
		at = (size_t)(nul - buf) + 1;
	}
	return at == n ? 0 : -1;
}

int
request_pack(char *buf, size_t size, const struct request *ask)
{
	struct wire	wire;

	memset(&wire, 0, sizeof(wire));
	wire.session = ask->session;
	wire.kind = (int32_t)ask->kind;
	wire.service = (int32_t)ask->service;
	wire.noted = ask->noted;
	wire.number = ask->number;
	wire.latches = ask->latches;
	return pack(buf, size, &wire, ask->text);
}

int
request_unpack(struct request *ask, const char *buf, size_t n)
{
	struct wire	wire;

	memset(ask, 0, sizeof(*ask));
	if (unpack(&wire, ask->text, buf, n) == -1 || wire.kind < 0 ||
	    wire.kind > ASK_PLACES || wire.service < 0 || wire.service > DEEP_INBOUND)
		return -1;
	ask->session = wire.session;
	ask->kind = (enum request_kind)wire.kind;
	ask->service = (enum deep_service)wire.service;
	ask->noted = wire.noted;
	ask->number = wire.number;
	ask->latches = wire.latches;
	return 0;
}

int
answer_send(int fd, const struct answer *answer)
{
	struct wire	wire;
	char		buf[OSMTPD_REQUEST];
	ssize_t		sent;
	int		n;

	memset(&wire, 0, sizeof(wire));
	wire.session = answer->session;
	wire.kind = (int32_t)answer->kind;
	wire.verdict = (int32_t)answer->verdict;
	wire.number = answer->number;
	wire.latches = answer->latches;
	n = pack(buf, sizeof(buf), &wire, answer->text);
	if (n == -1)
		return -1;
	do {
		sent = send(fd, buf, (size_t)n, MSG_NOSIGNAL);
	} while (sent == -1 && errno == EINTR);
	return sent == n ? 0 : -1;
}

/*
 * The asking side.
 */

/* 1: there is no room now. */
static int
transmit(int fd, const char *p, size_t n)
{
	ssize_t	sent;

	do {
		sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent == -1 && errno == EINTR);
	return sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS);
}

int
worker_flush(struct worker *worker)
{
	struct text	*queue = &worker->queue;
	size_t		 n;

	while (worker->at < queue->n) {
		memcpy(&n, queue->p + worker->at, sizeof(n));
		if (transmit(worker->fd, queue->p + worker->at + sizeof(n), n))
			return 1;
		worker->at += sizeof(n) + n;
	}
	worker->at = queue->n = 0;
	return 0;
}

int
worker_ask(struct worker *worker, const struct request *ask)
{
	struct text	*queue = &worker->queue;
	char		 buf[OSMTPD_REQUEST];
	size_t		 n;
	int		 length;

	length = request_pack(buf, sizeof(buf), ask);
	if (length == -1 || worker->fd == -1)
		return -1;
	n = (size_t)length;
	if (worker_flush(worker) == 0 && !transmit(worker->fd, buf, n))
		return 0;
	if (worker->at > 0) {
		memmove(queue->p, queue->p + worker->at, queue->n - worker->at);
		queue->n -= worker->at;
		worker->at = 0;
	}
	if (queue->n + sizeof(n) + n > OSMTPD_QUEUE_MAX)
		return -1;
	if (text_add(queue, (const char *)&n, sizeof(n)) == -1)
		return -1;
	if (text_add(queue, buf, n) == -1) {
		queue->n -= sizeof(n);
		return -1;
	}
	return 0;
}

enum deep_status
worker_answer(struct worker *worker, struct answer *answer)
{
	struct wire	wire;
	ssize_t		n;

	if (worker->fd == -1)
		return DEEP_NO;
	n = recv(worker->fd, worker->buf, sizeof(worker->buf), MSG_DONTWAIT);
	if (n == 0) {			/* the keeper itself is gone */
		close(worker->fd);
		worker->fd = -1;
		return DEEP_FAIL;
	}
	if (n == -1)
		return DEEP_NO;
	memset(answer, 0, sizeof(*answer));
	if (unpack(&wire, answer->text, worker->buf, (size_t)n) == -1)
		return DEEP_BAD;
	answer->session = wire.session;
	answer->kind = (enum request_kind)wire.kind;
	answer->verdict = (enum deep_status)wire.verdict;
	answer->number = wire.number;
	answer->latches = wire.latches;
	return DEEP_YES;
}

enum deep_status
worker_await(struct worker *worker, uint32_t number, int64_t until, struct answer *answer,
    int (*other)(void *, const struct answer *), void *context)
{
	struct pollfd		fd;
	enum deep_status	status;
	int64_t			now;

	for (;;) {
		/* looked at before each answer: the store may send any number of them */
		now = now_ms();
		status = worker_answer(worker, answer);
		if (status == DEEP_YES) {
			if (number != 0 && answer->number == number)
				return DEEP_YES;
			if (other(context, answer) && number == 0)
				return DEEP_YES;
		}
		if (status == DEEP_FAIL || worker->fd == -1 || now >= until)
			return DEEP_NO;
		if (status != DEEP_NO)
			continue;
		fd.fd = worker->fd;
		fd.events = (short)(POLLIN | (worker_flush(worker) ? POLLOUT : 0));
		poll(&fd, 1, (int)(until - now));
	}
}

/*
 * The other side.
 */

static int
become(const char *user, const char *folder)
{
	struct passwd	*pw;

	if (geteuid() != 0)
		return 0;
	if ((pw = getpwnam(user)) == NULL) {
		say("there is no user %s to become: name one with \"proc-exec ... user USER\" in "
		    "smtpd.conf, or [filter] user in deep.conf", user);
		return -1;
	}
	if (initgroups(user, pw->pw_gid) == -1 ||
	    (folder != NULL && (chroot(folder) == -1 || chdir("/") == -1)) ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1) {
		say("cannot become the user %s: %s", user, strerror(errno));
		return -1;
	}
	return 0;
}

int
give_up(const char *program, const char *user, const char *folder)
{
	if (become(user, folder) == -1)
		return -1;
	if (deep_confine(NULL, 0) == DEEP_FAIL)
		say("%s cannot be confined: %s", program, strerror(errno));
#ifdef __OpenBSD__
	if (pledge("stdio", NULL) == -1)
		say("pledge: %s", strerror(errno));
#endif
	return 0;
}

/* A request of the socket: into the backlog, or served at once. */
static void
take_in(struct keep *keep, struct backlog *backlog, const char *buf, size_t n)
{
	struct request	ask;
	int		dropped;

	if (request_unpack(&ask, buf, n) == -1)
		return;
	if (keep_answers(ask.kind))
		keep_serve(keep, &ask);
	else if ((dropped = backlog_put(backlog, buf, n)) > 0)
		say("more waits for the store than is kept: the oldest %d are lost", dropped);
}

/* The oldest of what waits: 0; or -1: the store takes nothing now. */
static int
work_off(struct keep *keep, struct backlog *backlog)
{
	struct request	ask;
	char		buf[OSMTPD_REQUEST];
	size_t		n = backlog_next(backlog, buf, sizeof(buf));

	if (n > 0 && request_unpack(&ask, buf, n) == 0 && keep_serve(keep, &ask) == DEEP_NO) {
		/* it may be this one alone that cannot be taken */
		backlog_later(backlog);
		return -1;
	}
	backlog_done(backlog);
	return 0;
}

static void serve(int, const char *, struct backlog *) __attribute__((__noreturn__));

static void
serve(int fd, const char *config, struct backlog *backlog)
{
	struct keep	*keep = keep_new(config, fd, backlog);
	struct pollfd	 in = { fd, POLLIN, 0 };
	char		 buf[OSMTPD_REQUEST];
	int64_t		 next = 0, now;
	ssize_t		 n;

	if (keep == NULL)
		_exit(1);
	if (backlog_begin(backlog))
		say("what the store was to take killed two processes in turn; it is given up");
	keep_open(keep);
	for (;;) {
		now = now_ms();
		poll(&in, 1, backlog_count(backlog) == 0 ? -1 : now < next ? (int)(next - now) : 0);
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
			break;
		if (n > 0)
			take_in(keep, backlog, buf, (size_t)n);
		else if (backlog_count(backlog) > 0 && now_ms() >= next &&
		    work_off(keep, backlog) == -1)
			next = now_ms() + STORE_AGAIN;
		if (keep_leaves(keep))
			_exit(EX_TEMPFAIL);
	}
	while (backlog_count(backlog) > 0 && work_off(keep, backlog) == 0)
		continue;
	if (backlog_count(backlog) > 0)
		say("smtpd has ended, and %zu findings that the store did not take are lost",
		    backlog_count(backlog));
	keep_free(keep);
	_exit(0);
}

static void keeper(int, const char *) __attribute__((__noreturn__));

static void
keeper(int fd, const char *config)
{
	struct backlog	*backlog = backlog_new();
	unsigned	 again = AGAIN_MIN;
	int64_t		 began;
	int		 status;
	pid_t		 pid;

	if (backlog == NULL)
		_exit(1);
	for (;;) {
		began = now_ms();
		if ((pid = fork()) == 0)
			serve(fd, config, backlog);
		status = -1;
		while (pid != -1 && waitpid(pid, &status, 0) == -1 && errno == EINTR)
			continue;
		if (pid != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
			_exit(0);
		if (now_ms() - began > LONG_ENOUGH * 1000)
			again = AGAIN_MIN;
		if (pid != -1 && WIFEXITED(status) && WEXITSTATUS(status) == EX_TEMPFAIL) {
			sleep(AGAIN_MIN);	/* it has said why */
			continue;
		}
		say("the process that has the store died (%s %d); it is started again in %u s",
		    pid == -1 ? "fork: error" :
		    WIFSIGNALED(status) ? "signal" : "status", pid == -1 ? errno :
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), again);
		sleep(again);
		again = again * 2 > AGAIN_MAX ? AGAIN_MAX : again * 2;
	}
}

int
worker_start(struct worker *worker, const char *config, const char *user)
{
	int	fd[2], null;
	pid_t	pid;

	memset(worker, 0, sizeof(*worker));
	worker->fd = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == -1)
		return -1;
	if ((pid = fork()) == -1) {
		close(fd[0]);
		close(fd[1]);
		return -1;
	}
	if (pid == 0) {
		close(fd[0]);
		/* smtpd's end of these is for the first process alone */
		if ((null = open("/dev/null", O_RDWR)) == -1 || dup2(null, STDIN_FILENO) == -1 ||
		    dup2(null, STDOUT_FILENO) == -1)
			_exit(1);
		if (null > STDERR_FILENO)
			close(null);
		if (become(user, NULL) == -1)
			_exit(1);
		keeper(fd[1], config);
	}
	close(fd[1]);
	worker->fd = fd[0];
	worker->keeper = pid;
	return 0;
}
