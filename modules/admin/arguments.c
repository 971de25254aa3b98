/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * arguments.c - what words of the command line mean.  A wrong one ends the program
 * with what would be right, before anything is done.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin.h"

enum deep_service
service_of(const char *text)
{
	int	service = deep_service_find(deep_str(text));

	if (service < 0)
		errx(EX_USAGE, "\"%s\" is no service; there are relay, submission, access, inbound",
		    text);
	return (enum deep_service)service;
}

struct deep_key
key_of(enum deep_service service, const char *domain)
{
	struct deep_key	key;

	switch (deep_key(&key, service, deep_str(domain))) {
	case DEEP_YES:
		return key;
	case DEEP_NO:
		errx(EX_USAGE, "\"%s\": no latches are kept for an address; give the domain of the "
		    "recipient, or the [group] in deep.conf", domain);
	default:
		errx(EX_USAGE, "\"%s\" is no domain; write it as example.org", domain);
	}
}

deep_latches
latches_of(const char *text)
{
	const char	*p = text;
	deep_latches	 set = DEEP_LATCH_NONE, bit;
	struct deep_str	 id;
	char		 all[256];
	unsigned	 n;

	for (;; p += id.n + 1) {
		id.p = p;
		id.n = strcspn(p, ", ");
		if ((bit = deep_latch_find(id)) == DEEP_LATCH_NONE)
			break;
		set |= bit;
		if (p[id.n] == '\0')
			return set;
	}
	all[0] = '\0';
	for (n = 0; deep_latch_name(n) != NULL; n++) {
		(void)strlcat(all, n == 0 ? "" : ",", sizeof(all));
		(void)strlcat(all, deep_latch_name(n), sizeof(all));
	}
	errx(EX_USAGE, "\"%.*s\" is no latch; there are %s", (int)id.n, id.p, all);
}

int64_t
age_of(const char *text)
{
	static const char	units[] = "smhdw";
	static const int64_t	seconds[] = { 1, 60, 3600, 86400, 7 * 86400 };
	const char		*unit;
	char			*end;
	long			 n;

	n = strtol(text, &end, 10);
	unit = *end == '\0' ? units : strchr(units, *end);
	if (end == text || n < 0 || n > 1000000 || unit == NULL ||
	    (*end != '\0' && end[1] != '\0'))
		errx(EX_USAGE, "\"%s\" is no time; write it as 90d, 12h or 30m", text);
	return n * seconds[unit - units];
}

int64_t
since_of(const char *text, int64_t now)
{
	struct deep_date	date;
	struct deep_str		rest = deep_str(text);
	char			day[TIME_OCTETS];

	if (strlen(text) == 10) {		/* a day begins at midnight, UTC */
		snprintf(day, sizeof(day), "%sT00:00:00Z", text);
		rest = deep_str(day);
	}
	if (strchr(text, '-') == NULL || strlen(text) < 10)
		return now - age_of(text);
	if (deep_date_next(&rest, &date, NULL) != DEEP_YES || rest.n > 0)
		errx(EX_USAGE, "\"%s\" is no time; write it as 7d, 2026-11-24 or "
		    "2026-11-24T10:00:00Z", text);
	return date.utc;
}
