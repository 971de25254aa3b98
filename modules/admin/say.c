/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * say.c - what is printed for people.  Names of hosts and texts of the log are
 * foreign: they go through vis(3), so that nothing in them controls a terminal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define LIBBSD_OPENBSD_VIS	/* which of two strnvis(3) libbsd declares; none is used */
#include <vis.h>

#include "admin.h"

void
say_word(FILE *stream, const char *text)
{
	char	octet[8];

	/* one at a time: no text is too long, and UTF-8 is shown as octets */
	for (; *text != '\0'; text++) {
		vis(octet, (unsigned char)*text, VIS_CSTYLE | VIS_TAB | VIS_NL, text[1]);
		fputs(octet, stream);
	}
}

void
say_latches(FILE *stream, deep_latches set, const char *between, const char *none)
{
	const char	*id;
	unsigned	 n;
	int		 first = 1;

	for (n = 0; (id = deep_latch_name(n)) != NULL; n++)
		if (set & 1u << n) {
			fprintf(stream, "%s%s", first ? "" : between, id);
			first = 0;
		}
	if (first)
		fputs(none, stream);
}

const char *
say_time(char buf[TIME_OCTETS], int64_t when)
{
	struct deep_date	date;

	memset(&date, 0, sizeof(date));
	date.utc = when;
	date.zone_known = 1;
	if (when == 0 || deep_date_emit(buf, TIME_OCTETS, &date) <= 0)
		snprintf(buf, TIME_OCTETS, "-");
	return buf;
}

const char *
say_date(char buf[TIME_OCTETS], int64_t when)
{
	say_time(buf, when);
	buf[strcspn(buf, "T")] = '\0';
	return buf;
}

const char *
say_age(char buf[TIME_OCTETS], int64_t seconds)
{
	if (seconds >= 2 * 86400)
		snprintf(buf, TIME_OCTETS, "%lldd", (long long)(seconds / 86400));
	else if (seconds >= 2 * 3600)
		snprintf(buf, TIME_OCTETS, "%lldh", (long long)(seconds / 3600));
	else if (seconds >= 2 * 60)
		snprintf(buf, TIME_OCTETS, "%lldm", (long long)(seconds / 60));
	else
		snprintf(buf, TIME_OCTETS, "%llds", (long long)(seconds < 0 ? 0 : seconds));
	return buf;
}

const char *
mode_name(enum deep_mode mode)
{
	static const char *const names[] = { "off", "observe", "warn", "enforce" };

	return names[mode];
}

/* " mx1.example.org: tls10 by root: the text (12 times, last 2026-11-24T12:00:00Z)" */
void
say_entry(FILE *stream, const struct deep_entry *entry)
{
	char	last[TIME_OCTETS];

	if (entry->host[0] != '\0') {
		putc(' ', stream);
		say_word(stream, entry->host);
	}
	if (entry->latches != DEEP_LATCH_NONE) {
		fputs(": ", stream);
		say_latches(stream, entry->latches, " ", "");
	}
	if (entry->who[0] != '\0') {
		fputs(" by ", stream);
		say_word(stream, entry->who);
	}
	if (entry->text[0] != '\0') {
		fputs(": ", stream);
		say_word(stream, entry->text);
	}
	if (entry->count > 1)
		fprintf(stream, " (%u times, last %s)", (unsigned)entry->count,
		    say_time(last, entry->last));
	putc('\n', stream);
}
