/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * probe_main.c - deeptrace-probe, which "deeptrace probe" runs with the same arguments:
 * a program of its own, for nothing else in deeptrace needs OpenSSL, and with it each
 * run would take twice as long to start.
 */
#include <err.h>
#include <stdio.h>
#include <sysexits.h>

#include "analyzer.h"

int
main(int argc, char *argv[])
{
	int status = probe_command(argc, argv);

	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		status = EX_IOERR;
	}
	return status;
}
