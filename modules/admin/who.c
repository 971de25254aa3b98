/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * who.c - who changes something by hand, and why: both go into the store's log.
 *
 * SUDO_USER and DOAS_USER are believed of root only, who could write anything.
 */
#include <err.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin.h"

void
who_am_i(char name[NAME_OCTETS])
{
	const struct passwd	*entry = getpwuid(getuid());
	const char		*by = NULL;

	if (getuid() == 0) {
		by = getenv("SUDO_USER");
		if (by == NULL || *by == '\0')
			by = getenv("DOAS_USER");
		if (by == NULL || *by == '\0')
			by = getlogin();
	}
	if (entry == NULL)
		snprintf(name, NAME_OCTETS, "uid %lu", (unsigned long)getuid());
	else if (by == NULL || *by == '\0' || strcmp(by, entry->pw_name) == 0)
		snprintf(name, NAME_OCTETS, "%s", entry->pw_name);
	else
		snprintf(name, NAME_OCTETS, "%.48s as %.10s", by, entry->pw_name);
}

const char *
reason_of(const char *given, char *buf, size_t size)
{
	size_t	n;

	if (given == NULL) {
		if (!isatty(STDIN_FILENO))
			errx(EX_USAGE, "a reason is needed, for the log; say --reason TEXT");
		fputs("Why (for the log): ", stderr);
		if (fgets(buf, (int)size, stdin) == NULL)
			buf[0] = '\0';
		buf[strcspn(buf, "\n")] = '\0';
	} else if (strlcpy(buf, given, size) >= size)
		errx(EX_USAGE, "the reason is too long; %zu octets at most", size - 1);
	n = strspn(buf, " \t");
	if (buf[n] == '\0')
		errx(EX_USAGE, "the reason is empty; say in a few words why");
	return buf;
}
