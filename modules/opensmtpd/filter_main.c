/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * filter_main.c - filter-deep(8), a filter of OpenSMTPD (smtpd-filters(7)).
 *
 * smtpd dies with its filter: from the first line that is read on this process
 * ends at the end of its input and nowhere else.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "osmtpd.h"

struct run {
	struct filter	*filter;
	struct intake	 intake;
	struct outlet	 outlet;
	struct worker	 worker;
};

static void
usage(void)
{
	fputs("usage: filter-deep [-n] [-f deep.conf] [-u part,...]\n"
	    "       filter-deep -h | -V\n"
	    "  -f, --config FILE    read this in place of " DEEP_SYSCONFDIR "/deep.conf\n"
	    "  -n, --no-learn       never learn: of an action that relays to a smarthost\n"
	    "  -u, --use PART,...   do these only: dsn, learn, received, inbound\n"
	    "  -h, --help           print this\n"
	    "  -V, --version        print the version\n"
	    "smtpd(8) starts it, see filter-deep(8).\n", stdout);
}

static void
put(void *context, const char *p, size_t n)
{
	struct run	*run = context;

	outlet_add(&run->outlet, p, n);
}

static int
ask(void *context, const struct request *request)
{
	struct run	*run = context;

	return worker_ask(&run->worker, request);
}

static void
take(void *context, struct deep_str line, int first, int last)
{
	struct run	*run = context;

	filter_line(run->filter, line, first, last);
}

static void
answers(struct run *run)
{
	struct answer		answer;
	enum deep_status	status;

	while ((status = worker_answer(&run->worker, &answer)) == DEEP_YES ||
	    status == DEEP_BAD)
		if (status == DEEP_YES)
			filter_answer(run->filter, &answer);
	if (status == DEEP_FAIL)
		say("the keeper of the store is gone: mail passes, nothing is learnt until smtpd "
		    "is started again");
}

/* Until the end of the input. */
static void
loop(struct run *run)
{
	struct pollfd	fd[3];
	int64_t		wait;
	int		more;

	fd[0].fd = STDIN_FILENO;
	fd[1].fd = STDOUT_FILENO;
	for (;;) {
		more = worker_flush(&run->worker);
		wait = filter_wait(run->filter, now_ms());
		/* what smtpd does not take is not added to without end */
		fd[0].events = outlet_waiting(&run->outlet) < OSMTPD_OUT_FULL ? POLLIN : 0;
		fd[1].events = outlet_waiting(&run->outlet) > 0 ? POLLOUT : 0;
		fd[2].fd = run->worker.fd;
		fd[2].events = (short)(POLLIN | (more ? POLLOUT : 0));
		fd[0].revents = fd[1].revents = fd[2].revents = 0;
		if (poll(fd, 3, wait < 0 ? -1 : (int)wait) == -1 && errno != EINTR) {
			sleep(1);
			continue;
		}
		if (fd[2].revents)
			answers(run);
		filter_late(run->filter, now_ms());
		if (fd[1].revents & (POLLERR | POLLNVAL))
			break;		/* nobody reads any more */
		if (fd[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL) && fd[0].events &&
		    intake_read(&run->intake, STDIN_FILENO, take, run) <= 0)
			break;
		if (outlet_flush(&run->outlet) == -1)
			break;
	}
}

/* Of "dsn,learn": 0, or -1. */
static int
use_only(struct filter_settings *settings, char *parts)
{
	struct filter_settings	 only = *settings;
	char			*part;

	only.dsn = only.learn = only.received = only.inbound = 0;
	while ((part = strsep(&parts, ",")) != NULL) {
		if (strcmp(part, "dsn") == 0)
			only.dsn = 1;
		else if (strcmp(part, "learn") == 0)
			only.learn = 1;
		else if (strcmp(part, "received") == 0)
			only.received = 1;
		else if (strcmp(part, "inbound") == 0)
			only.inbound = settings->inbound;
		else
			return -1;
	}
	/* held back recipients are noted by who sees them, for who writes of them */
	only.relay = only.dsn || only.learn;
	*settings = only;
	return 0;
}

static void
read_settings(struct filter_settings *settings, const char *file, char *user, size_t user_size,
    char *folder, size_t folder_size)
{
	struct deep_config	*config = deep_config_new();
	enum deep_status	 status = config == NULL ? DEEP_FAIL :
				    deep_config_read(config, file);

	if (status == DEEP_BAD || status == DEEP_FAIL)
		say("%s; going on with the defaults, and nothing is learnt until it can be read",
		    config == NULL ? "no memory" : deep_config_error(config));
	memset(settings, 0, sizeof(*settings));
	settings->dsn = settings->learn = settings->relay = 1;
	settings->dsn_max = 1024 * 1024;
	settings->patience = 3000;
	if (config == NULL)
		return;
	settings->dsn = (int)deep_config_number(config, "filter", "dsn");
	settings->learn = (int)deep_config_number(config, "filter", "learn");
	settings->received = (int)deep_config_number(config, "filter", "received");
	settings->inbound = (int)deep_config_number(config, "filter", "inbound");
	settings->dsn_max = (size_t)deep_config_number(config, "filter", "dsn-max");
	settings->patience = deep_config_number(config, "filter", "patience");
	settings->relay = settings->dsn || settings->learn;
	snprintf(user, user_size, "%s", deep_config_text(config, "filter", "user"));
	snprintf(folder, folder_size, "%s", deep_config_text(config, "filter", "chroot"));
	deep_config_free(config);
}

static void
nonblocking(int fd)
{
	int	flags = fcntl(fd, F_GETFL);

	if (flags != -1)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int
main(int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "config", required_argument, NULL, 'f' },
		{ "no-learn", no_argument, NULL, 'n' },
		{ "use", required_argument, NULL, 'u' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	static struct run		run;
	struct filter_settings		settings;
	struct filter_calls		calls = { &run, put, ask };
	const char			*file = NULL;
	char				*parts = NULL, user[64] = "deep", folder[256] = "";
	int				 letter, no_learn = 0;

	opterr = 0;			/* bad_option() tells */
	while ((letter = getopt_long(argc, argv, "f:nu:hV", options, NULL)) != -1) {
		switch (letter) {
		case 'f':
			file = optarg;
			break;
		case 'n':
			no_learn = 1;
			break;
		case 'u':
			parts = optarg;
			break;
		case 'h':
			usage();
			return EX_OK;
		case 'V':
			printf("filter-deep %d.%d.%d\n", DEEP_VERSION >> 16,
			    DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff);
			return EX_OK;
		default:
			return bad_option("filter-deep", argv);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "filter-deep: \"%s\": it takes no names; see filter-deep --help\n",
		    argv[optind]);
		return EX_USAGE;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* deep.conf is looked at all the time */
	read_settings(&settings, file, user, sizeof(user), folder, sizeof(folder));
	if (parts != NULL && use_only(&settings, parts) == -1) {
		fprintf(stderr, "filter-deep: -u takes of dsn, learn, received, inbound, apart by "
		    "commas\n");
		return EX_USAGE;
	}
	if (no_learn)
		settings.learn = 0;
	if (worker_start(&run.worker, file, user) == -1)
		say("the process that has the store cannot be started: %s; mail passes, nothing is "
		    "learnt", strerror(errno));
	run.filter = filter_new(&settings, &calls);
	if (run.filter == NULL) {
		fprintf(stderr, "filter-deep: no memory\n");
		return EX_OSERR;
	}
	run.outlet.fd = STDOUT_FILENO;
	nonblocking(STDIN_FILENO);
	nonblocking(STDOUT_FILENO);
	nonblocking(STDERR_FILENO);
	if (give_up("filter-deep", user, folder[0] != '\0' ? folder : NULL) == -1)
		return EX_NOUSER;
	loop(&run);
	return EX_OK;
}
