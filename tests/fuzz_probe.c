/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_probe.c - any octets as what a server says while deeptrace probe sends a message:
 * the dialogue comes to an end, with an exit status, and the message is taken for
 * sent only where the envelope was taken.
 */
#include "fuzz.h"

#include <fcntl.h>

#include "../analyzer/smtp.c"	/* the dialogue is its own affair */

#define INPUT_MAX	60000	/* octets: less than a pipe holds */

static int taken;

static int
take(void *context)
{
	*(int *)context = 1;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char text[] = "Subject: probe\n\n.\nbody\n";
	static int quiet, nowhere;
	struct smtp_way way = { .program = "fuzz", .timeout = 1 };
	struct smtp_mail mail = { "a@example.org", "b@example.net", "envid", text,
	    sizeof(text) - 1, take, &taken };
	struct link link;
	int ends[2], status;
	char how[64] = "";

	if (!quiet) {
		be_quiet();
		MUST((nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC)) != -1);
		(void)signal(SIGPIPE, SIG_IGN);
		quiet = 1;
	}
	if (n > INPUT_MAX)
		return 0;
	if (n > 0 && *data & 1)
		mail.to = "b\303\274@example.net";
	MUST(pipe(ends) == 0);
	MUST(write(ends[1], data, n) == (ssize_t)n);
	close(ends[1]);
	memset(&link, 0, sizeof(link));
	link.in = ends[0];
	link.out = nowhere;
	link.way = &way;
	link.name = "fuzz";
	taken = 0;
	status = dialogue(&link, &mail, how, sizeof(how));
	MUST(status == 0 ? taken && *how != '\0' : status >= 64 && status < 79);
	close(ends[0]);
	return 0;
}
