/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * table_main.c - table-deep(8), a table of OpenSMTPD (smtpd-tables(7)).
 *
 * smtpd stands still while a table thinks, and dies with it: an answer is given
 * in [table] patience milliseconds whatever the store does, and this process
 * ends at the end of its input and nowhere else.
 */
#include <arpa/inet.h>

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "osmtpd.h"

#define PLACES_WAIT	2000	/* ms for the addresses that were given before, at the start */

struct run {
	struct table		 table;
	struct intake		 intake;
	struct outlet		 outlet;
	struct worker		 worker;
	struct addresses	*addresses;
	int64_t			 patience;
	uint32_t		 number;	/* of the last request to the store */
	int			 placed;	/* all known addresses have come */
};

static void
usage(void)
{
	fputs("usage: table-deep [deep.conf]\n"
	    "       table-deep -h | -V\n"
	    "  -h, --help           print this\n"
	    "  -V, --version        print the version\n"
	    "smtpd(8) starts it, see table-deep(8).\n", stdout);
}

static void
put(void *context, const char *p, size_t n)
{
	struct run	*run = context;

	outlet_add(&run->outlet, p, n);
}

/* An address that was given before; 1: that was the last. */
static int
take_place(void *context, const struct answer *answer)
{
	struct run	*run = context;
	struct in_addr	 address;

	if (answer->kind != ASK_PLACES)
		return 0;		/* too late for the lookup that it was for */
	if (answer->verdict != DEEP_YES)
		run->placed = 1;
	else if (inet_pton(AF_INET, answer->text[1], &address) == 1)
		addresses_set(run->addresses, answer->text[0], ntohl(address.s_addr));
	return run->placed;
}

static enum deep_status
domain(void *context, const char *name, deep_latches latches, char *why, size_t size)
{
	struct run	*run = context;
	struct request	 ask;
	struct answer	 answer;
	int64_t		 until = now_ms() + run->patience;

	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_DOMAIN;
	ask.number = ++run->number != 0 ? run->number : ++run->number;
	ask.latches = latches;
	ask.text[0] = name;
	if (worker_ask(&run->worker, &ask) == -1) {
		snprintf(why, size, "the latch store cannot be asked now");
		return DEEP_FAIL;
	}
	if (worker_await(&run->worker, ask.number, until, &answer, take_place, run) != DEEP_YES) {
		snprintf(why, size, "the latch store did not answer in %d ms", (int)run->patience);
		return DEEP_FAIL;
	}
	if (answer.verdict != DEEP_YES && answer.verdict != DEEP_NO)
		snprintf(why, size, "%s", answer.text[0]);
	return answer.verdict;
}

static uint32_t
address(void *context, const char *name)
{
	struct run	*run = context;
	struct request	 ask;
	char		 text[16];
	uint32_t	 place;
	int		 first;

	place = addresses_get(run->addresses, name, &first);
	if (first && strlen(name) <= DEEP_DOMAIN_MAX) {
		memset(&ask, 0, sizeof(ask));
		snprintf(text, sizeof(text), "%u.%u.%u.%u", place >> 24, place >> 16 & 0xff,
		    place >> 8 & 0xff, place & 0xff);
		ask.kind = ASK_PLACE;
		ask.text[0] = name;
		ask.text[1] = text;
		/* unless it is in the way of another it is the same next time anyhow */
		worker_ask(&run->worker, &ask);
	}
	return place;
}

static void
take(void *context, struct deep_str line, int first, int last)
{
	struct run	*run = context;

	table_line(&run->table, line, first, last);
	outlet_flush(&run->outlet);
}

static void
loop(struct run *run)
{
	struct pollfd	fd[3];
	struct answer	answer;

	fd[0].fd = STDIN_FILENO;
	fd[1].fd = STDOUT_FILENO;
	for (;;) {
		fd[0].events = outlet_waiting(&run->outlet) < OSMTPD_OUT_FULL ? POLLIN : 0;
		fd[1].events = outlet_waiting(&run->outlet) > 0 ? POLLOUT : 0;
		fd[2].fd = run->worker.fd;
		fd[2].events = (short)(POLLIN | (worker_flush(&run->worker) ? POLLOUT : 0));
		fd[0].revents = fd[1].revents = fd[2].revents = 0;
		if (poll(fd, 3, -1) == -1 && errno != EINTR) {
			sleep(1);
			continue;
		}
		if (fd[2].revents)
			worker_await(&run->worker, 0, 0, &answer, take_place, run);
		if (fd[1].revents & (POLLERR | POLLNVAL))
			break;		/* nobody reads any more */
		if (fd[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL) && fd[0].events &&
		    intake_read(&run->intake, STDIN_FILENO, take, run) <= 0)
			break;
		if (outlet_flush(&run->outlet) == -1)
			break;
	}
}

int
main(int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 }
	};
	static struct run	 run;
	struct deep_config	*config;
	struct request		 ask;
	struct answer		 answer;
	const char		*file = NULL;
	char			 user[64] = "deep";
	uint32_t		 net = 0x7f400000;
	unsigned		 bits = 10;
	int			 letter;
	enum deep_status	 status;

	opterr = 0;			/* bad_option() tells */
	while ((letter = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (letter) {
		case 'h':
			usage();
			return EX_OK;
		case 'V':
			printf("table-deep %d.%d.%d\n", DEEP_VERSION >> 16,
			    DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff);
			return EX_OK;
		default:
			return bad_option("table-deep", argv);
		}
	}
	if (optind < argc)
		file = argv[optind++];
	if (optind < argc) {
		fprintf(stderr, "table-deep: \"%s\": it takes one name, that of deep.conf; see "
		    "table-deep --help\n", argv[optind]);
		return EX_USAGE;
	}
	/* smtpd throws a table's standard error away */
	say_to_syslog("table-deep");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* deep.conf is looked at all the time */
	run.patience = 40;
	run.table.calls.port = 10025;
	config = deep_config_new();
	status = config != NULL ? deep_config_read(config, file) : DEEP_FAIL;
	if (status == DEEP_BAD || status == DEEP_FAIL)
		say("%s; going on with the defaults", config != NULL ? deep_config_error(config) :
		    "no memory");
	else {
		run.patience = deep_config_number(config, "table", "patience");
		run.table.calls.port = (int)deep_config_number(config, "table", "port");
		snprintf(user, sizeof(user), "%s", deep_config_text(config, "filter", "user"));
		if (addresses_net(deep_config_text(config, "table", "net"), &net, &bits) == -1) {
			say("[table] net = %s is no net of 127.0.0.0/8 with 8 to 24 bits; it is "
			    "127.64.0.0/10 now", deep_config_text(config, "table", "net"));
			net = 0x7f400000;
			bits = 10;
		}
	}
	deep_config_free(config);
	run.addresses = addresses_new(net, bits);
	if (run.addresses == NULL) {
		say("no memory");
		return EX_OSERR;
	}
	if (worker_start(&run.worker, file, user) == -1)
		say("the process that has the store cannot be started: %s", strerror(errno));
	run.table.calls.context = &run;
	run.table.calls.out = put;
	run.table.calls.domain = domain;
	run.table.calls.address = address;
	run.outlet.fd = STDOUT_FILENO;
	if (give_up("table-deep", user, NULL) == -1)
		return EX_NOUSER;
	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_PLACES;
	if (worker_ask(&run.worker, &ask) == 0 &&
	    worker_await(&run.worker, 0, now_ms() + PLACES_WAIT, &answer, take_place, &run) !=
	    DEEP_YES)
		say("the addresses that domains had are not known yet: new ones may differ");
	loop(&run);
	return EX_OK;
}
