/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * main.c - deep-relay(8): its options, and the process that opens what is
 * listened on, starts the workers with their keepers, replaces one that dies,
 * reloads on SIGHUP and ends on SIGTERM.  It never speaks SMTP or TLS itself.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "option.h"
#include "relay.h"

#define WORKERS_MAX	64
#define UNITS_MAX	(4 * WORKERS_MAX)	/* with those that a reload drains */
#define AGAIN_MS	1000			/* before one that died at once is replaced */

struct unit {				/* a worker and its keeper */
	pid_t		 worker, keeper;	/* 0: gone */
	unsigned	 row;
	unsigned	 current : 1;	/* 0: of an older configuration, draining */
	int64_t		 started;
};

static struct unit	 units[UNITS_MAX];
static pid_t		 metrics_pid;
static int		 metrics_fd = -1;
static struct listeners	 listeners;
static int		 inherited;	/* they are systemd's, whatever [relay] listen says */
static struct settings	*settings;
static const char	*file;

static void
usage(void)
{
	fputs("usage: deep-relay [-nV] [-f file]\n"
	    "  -f, --file FILE   the configuration [deep.conf]\n"
	    "  -n, --check       read it, open nothing, and say whether it is good\n"
	    "  -h, --help\n"
	    "  -V, --version\n", stdout);
}

/* A child begins with the signals of a new process. */
static pid_t
child(void)
{
	sigset_t	none;
	pid_t		pid = fork();

	if (pid != 0)
		return pid;
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	note_process();
	return 0;
}

static struct unit *
free_unit(void)
{
	size_t	i;

	for (i = 0; i < UNITS_MAX; i++) {
		if (units[i].worker == 0 && units[i].keeper == 0)
			return &units[i];
	}
	return NULL;
}

static void
start_unit(unsigned row)
{
	struct unit	*unit = free_unit();
	size_t		 i;
	int		 pair[2];

	if (unit == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		note(LOG_ERR, "a worker cannot be started: %s", unit == NULL ?
		    "too many are draining" : strerror(errno));
		return;
	}
	memset(unit, 0, sizeof(*unit));
	unit->row = row;
	unit->current = 1;
	unit->started = worker_now();
	if ((unit->keeper = child()) == 0) {
		close(pair[0]);
		for (i = 0; i < listeners.n; i++)
			close(listeners.is[i].fd);
		if (metrics_fd != -1)
			close(metrics_fd);
		metric_row(row);
		latch_keeper(pair[1], settings);
	}
	close(pair[1]);
	if (unit->keeper != -1 && (unit->worker = child()) == 0) {
		if (metrics_fd != -1)
			close(metrics_fd);
		metric_row(row);
		worker_run(settings, &listeners, pair[0]);
	}
	close(pair[0]);
	if (unit->keeper == -1 || unit->worker == -1) {
		note(LOG_ERR, "fork: %s", strerror(errno));
		if (unit->keeper == -1)
			unit->keeper = 0;
		unit->worker = 0;
	}
}

static void
start_metrics(void)
{
	struct sockaddr_storage	address;
	socklen_t		n;
	size_t			i;
	int			yes = 1;

	if (settings->metrics[0] == '\0')
		return;
	if (listen_address(settings->metrics, 9825, &address, &n) == -1) {
		note(LOG_ERR, "[relay] metrics: \"%s\" is no address:port", settings->metrics);
		return;
	}
	if (metrics_fd == -1) {
		metrics_fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		setsockopt(metrics_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
		if (metrics_fd == -1 || bind(metrics_fd, (struct sockaddr *)&address, n) == -1 ||
		    listen(metrics_fd, 16) == -1) {
			note(LOG_ERR, "[relay] metrics: %s: %s", settings->metrics, strerror(errno));
			if (metrics_fd != -1)
				close(metrics_fd);
			metrics_fd = -1;
			return;
		}
	}
	if ((metrics_pid = child()) == 0) {
		for (i = 0; i < listeners.n; i++)
			close(listeners.is[i].fd);
		metric_server(metrics_fd, settings);
	}
}

static void
start_all(void)
{
	int64_t	i;

	for (i = 0; i < settings->workers; i++)
		start_unit((unsigned)i);
	start_metrics();
}

static void
tell(struct unit *unit, int number)
{
	/* A keeper ends behind its worker, when it has read all that this told it. */
	if (unit->worker > 0)
		kill(unit->worker, number);
}

static void
retire(void)
{
	size_t	i;

	for (i = 0; i < UNITS_MAX; i++) {
		units[i].current = 0;
		tell(&units[i], SIGTERM);
	}
	if (metrics_pid > 0)
		kill(metrics_pid, SIGTERM);
	metrics_pid = 0;
}

/* The last good configuration stays where the new one is none. */
static void
reload(void)
{
	struct settings		*new;
	struct listeners	 opened = { NULL, 0 };
	char			 why[512];

	if ((new = settings_read(file, why)) != NULL && settings->from_file && !new->from_file) {
		snprintf(why, sizeof(why), "the deep.conf that was read is gone");
		settings_free(new);
		new = NULL;
	}
	if (new == NULL) {
		note(LOG_ERR, "not reloaded, the old configuration stays: %s", why);
		return;
	}
	if (!inherited && strcmp(new->listen, settings->listen) != 0) {
		if (listen_open(&opened, new->listen, why) == -1) {
			note(LOG_ERR, "not reloaded, the old configuration stays: %s", why);
			settings_free(new);
			return;
		}
		listen_close(&listeners);
		listeners = opened;
	}
	retire();
	if (strcmp(new->metrics, settings->metrics) != 0 && metrics_fd != -1) {
		close(metrics_fd);
		metrics_fd = -1;
	}
	settings_free(settings);
	settings = new;
	start_all();
	note(LOG_NOTICE, "reloaded");
}

/* A child is gone: what goes with it, and what comes for it. */
static void
buried(pid_t pid, int status)
{
	struct unit	*unit;
	size_t		 i;
	unsigned	 row;
	int		 again;

	if (pid == metrics_pid) {
		note(LOG_ERR, "the process of the metrics is gone");
		metrics_pid = 0;
		return;
	}
	for (i = 0; i < UNITS_MAX; i++) {
		unit = &units[i];
		if (unit->worker != pid && unit->keeper != pid)
			continue;
		again = unit->current;
		row = unit->row;
		unit->current = 0;
		if (unit->worker == pid) {
			unit->worker = 0;
			metric_gone(row);
		} else
			unit->keeper = 0;
		tell(unit, SIGTERM);
		if (!again)
			return;
		if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
			exit(EX_CONFIG);	/* it said why; children end with us */
		note(LOG_ERR, "%s %ld ended (%s %d), another is started", unit->worker == 0 ?
		    "worker" : "keeper", (long)pid, WIFSIGNALED(status) ? "signal" : "status",
		    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		if (worker_now() < unit->started + AGAIN_MS)
			nanosleep(&(struct timespec){ 1, 0 }, NULL);
		start_unit(row);
		return;
	}
}

static int
anybody(void)
{
	size_t	i;

	for (i = 0; i < UNITS_MAX; i++) {
		if (units[i].worker > 0 || units[i].keeper > 0)
			return 1;
	}
	return 0;
}

/* Until SIGTERM or SIGINT; then until all have drained. */
static int
supervise(const sigset_t *signals)
{
	int	number, status, ending = 0;
	pid_t	pid;

	while (!ending || anybody()) {
		number = sigwaitinfo(signals, NULL);
		if (number == SIGHUP && !ending)
			reload();
		else if ((number == SIGTERM || number == SIGINT) && !ending) {
			ending = 1;
			note(LOG_NOTICE, "ending, at most %lld s from now",
			    (long long)settings->drain);
			retire();
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
			buried(pid, status);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct option	options[] = {
		{ "file", required_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	char		why[512], letter[3];
	sigset_t	signals;
	size_t		i;
	int		option, check = 0;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "f:nhV", options, NULL)) != -1) {
		switch (option) {
		case 'f':
			file = optarg;
			break;
		case 'n':
			check = 1;
			break;
		case 'h':
			usage();
			return 0;
		case 'V':
			printf("deep-relay %d.%d.%d\n", deep_version() >> 16,
			    deep_version() >> 8 & 0xff, deep_version() & 0xff);
			return 0;
		default:
			fprintf(stderr, "deep-relay: \"%s\" is no option, or lacks what it takes; "
			    "see deep-relay --help\n", deep_wrong_word(argv, letter));
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "deep-relay: \"%s\": it takes no names; see deep-relay --help\n",
		    argv[optind]);
		return EX_USAGE;
	}
	note_open(0);
	if ((settings = settings_read(file, why)) == NULL) {
		fprintf(stderr, "deep-relay: %s\n", why);
		return EX_CONFIG;
	}
	if (check) {
		printf("deep-relay: the configuration is good\n");
		settings_free(settings);
		return 0;
	}
	if (settings->workers > WORKERS_MAX)
		settings->workers = WORKERS_MAX;
	sigemptyset(&signals);
	sigaddset(&signals, SIGHUP);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGCHLD);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	inherited = listen_inherit(&listeners) > 0;
	if (!inherited && listen_open(&listeners, settings->listen, why) == -1) {
		fprintf(stderr, "deep-relay: %s\n", why);
		return EX_UNAVAILABLE;
	}
	if (sandbox_user(settings->user, why) == -1) {
		fprintf(stderr, "deep-relay: %s\n", why);
		return EX_CONFIG;
	}
	if (settings->syslog)
		note_open(1);
	metric_open(WORKERS_MAX);
	note(LOG_NOTICE, "started as %s, %lld workers, %zu sockets", settings->hostname,
	    (long long)settings->workers, listeners.n);
	start_all();
	supervise(&signals);
	for (i = 0; i < listeners.n; i++) {
		if (listeners.is[i].path != NULL)
			unlink(listeners.is[i].path);
	}
	listen_close(&listeners);
	settings_free(settings);
	return 0;
}
