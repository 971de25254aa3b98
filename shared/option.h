/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * option.h - which word of the command line getopt_long(3) did not take, for programs
 * that say so themselves (opterr = 0).  Not installed.
 */
#ifndef DEEP_OPTION_H
#define DEEP_OPTION_H

#include <getopt.h>

/* A long option that is none, or whose value is no letter, has no letter to be called by. */
static inline const char *
deep_wrong_word(char *argv[], char letter[3])
{
	letter[0] = '-';
	letter[1] = (char)optopt;
	letter[2] = '\0';
	return optopt > 0 && optopt < 256 ? letter : argv[optind - 1];
}

#endif
