/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * probe_main.c - deeptrace-probe, which "deeptrace probe" runs with the same arguments:
 * a program of its own, for nothing else in deeptrace needs OpenSSL, and with it each
 * run would take twice as long to start.
 */
#include "analyzer.h"

int
main(int argc, char *argv[])
{
	return output_end(probe_command(argc, argv));
}
