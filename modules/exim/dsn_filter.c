/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsn_filter.c - deep-dsn-filter TABLE: a transport_filter of Exim for the delivery
 * status notifications that it makes itself.  See exim-deep(8); what it does is in
 * dsn_stream.c.
 *
 * Reads standard input, writes standard output, and nothing else: no file, no
 * store, no network.  It runs as whoever the transport runs as.
 */
#include <sysexits.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dsn_stream.h"

static int
write_all(void *cookie, const char *p, size_t n)
{
	ssize_t written;

	(void)cookie;
	while (n > 0) {
		written = write(STDOUT_FILENO, p, n);
		if (written < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		p += written;
		n -= (size_t)written;
	}
	return 0;
}

static int
usage(void)
{
	puts("usage: deep-dsn-filter DOMAIN:STATUS:LATCH[,LATCH ...][;...] <message >message\n"
	    "A transport_filter of Exim, see exim-deep(8).");
	return EX_OK;
}

int
main(int argc, char **argv)
{
	static struct dsn_stream stream;
	static char buf[65536];
	ssize_t n;

	if (argc != 2) {
		fputs("deep-dsn-filter: it takes one word, what waits for which latch; see "
		    "deep-dsn-filter --help\n", stderr);
		return EX_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0)
		return usage();
	if (strcmp(argv[1], "--version") == 0) {
		printf("deep-dsn-filter (DEEP for Exim and OpenSMTPD) %d.%d.%d\n",
		    DEEP_VERSION >> 16, DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff);
		return EX_OK;
	}
	/* no domain begins with "-"; nothing, which an expansion may leave, is fine */
	if (argv[1][0] == '-') {
		fprintf(stderr, "deep-dsn-filter: \"%s\" is no option; see deep-dsn-filter --help\n",
		    argv[1]);
		return EX_USAGE;
	}
	dsn_begin(&stream, argv[1], write_all, NULL);
	for (;;) {
		n = read(STDIN_FILENO, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		dsn_feed(&stream, buf, (size_t)n);
	}
	if (n < 0) {
		fprintf(stderr, "deep-dsn-filter: standard input: %s\n", strerror(errno));
		return EX_IOERR;
	}
	if (dsn_end(&stream) != 0) {
		fprintf(stderr, "deep-dsn-filter: standard output: %s\n", strerror(errno));
		return EX_IOERR;
	}
	return EX_OK;
}
