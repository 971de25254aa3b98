/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * date.c - date-time of RFC 5322 3.3 and 4.3, and the forms seen beside them.
 *
 *	date-time = [ day-name [","] ] ( rfc-date / iso-date / ctime-date )
 *	rfc-date  = 1*3DIGIT month 2*4DIGIT time [zone]
 *	iso-date  = 4DIGIT "-" 2DIGIT "-" 2DIGIT ( "T" / SP ) time [zone]
 *	ctime-date = month 1*2DIGIT time ( 4DIGIT [zone] / zone 4DIGIT )
 *	time	  = 1*2DIGIT ":" 2DIGIT [ ":" 2DIGIT [ "." 1*DIGIT ] ]
 *	zone	  = [FWS] ( ("+" / "-") 4DIGIT / "Z" / name )
 *
 * Uses no locale and no time zone of the machine.
 */
#include <string.h>

#include "deep.h"
#include "octets.h"
#include "word.h"

struct cursor { const char *p, *end; };

/* White space and comments. */
static void
skip(struct cursor *c)
{
	for (;;) {
		while (c->p < c->end && deep_space(*c->p))
			c->p++;
		if (c->p < c->end && *c->p == '(') {
			struct deep_str rest = { c->p, (size_t)(c->end - c->p) };
			struct deep_word word;

			if (deep_word_next(&rest, &word, NULL) != DEEP_YES)
				return;
			c->p = rest.p;
		} else {
			return;
		}
	}
}

/* Between least and most digits; -1: there are not. */
static int
number(struct cursor *c, int least, int most)
{
	const char *p = c->p;
	int n = 0, digits = 0;

	while (p < c->end && digits < most && deep_digit(*p)) {
		n = n * 10 + (*p++ - '0');
		digits++;
	}
	if (digits < least || (p < c->end && deep_digit(*p)))
		return -1;
	c->p = p;
	return n;
}

static int
take(struct cursor *c, char what)
{
	if (c->p < c->end && *c->p == what) {
		c->p++;
		return 1;
	}
	return 0;
}

/* Names of three letters, each where its hash is, its number above the letters. */
#define THREE(a, b, c)	((uint32_t)(unsigned char)(a) << 16 | \
			    (uint32_t)(unsigned char)(b) << 8 | (unsigned char)(c))
#define NAME(a, b, c, number) ((uint32_t)(number) << 24 | THREE(a, b, c))
static const uint32_t months[16] = {
	[2] = NAME('j', 'a', 'n', 0), [10] = NAME('f', 'e', 'b', 1), [1] = NAME('m', 'a', 'r', 2),
	[12] = NAME('a', 'p', 'r', 3), [7] = NAME('m', 'a', 'y', 4), [4] = NAME('j', 'u', 'n', 5),
	[3] = NAME('j', 'u', 'l', 6), [14] = NAME('a', 'u', 'g', 7), [11] = NAME('s', 'e', 'p', 8),
	[0] = NAME('o', 'c', 't', 9), [13] = NAME('n', 'o', 'v', 10), [9] = NAME('d', 'e', 'c', 11)
};
static const uint32_t days[16] = {
	[13] = NAME('m', 'o', 'n', 0), [5] = NAME('t', 'u', 'e', 1), [3] = NAME('w', 'e', 'd', 2),
	[10] = NAME('t', 'h', 'u', 3), [11] = NAME('f', 'r', 'i', 4), [8] = NAME('s', 'a', 't', 5),
	[4] = NAME('s', 'u', 'n', 6)
};

/* The number of a name in a table, 0 for the first; -1: there is no such name.
 * Letters may follow in a name written out. */
static int
name(struct cursor *c, const uint32_t table[16])
{
	uint32_t letters, row;

	if (c->end - c->p < 3)
		return -1;
	letters = THREE(c->p[0], c->p[1], c->p[2]) | 0x202020;	/* the table has only letters */
	row = table[(letters * UINT32_C(0x0f5b8e2d)) >> 28];
	if ((row & 0xffffff) != letters)
		return -1;
	c->p += 3;
	while (c->p < c->end && deep_alpha(*c->p))
		c->p++;
	return (int)(row >> 24);
}

static int
time_of_day(struct cursor *c, int *seconds, int32_t *nsec)
{
	int h, m, s = 0;

	skip(c);
	if ((h = number(c, 1, 2)) < 0 || h > 23 || !take(c, ':') ||
	    (m = number(c, 2, 2)) < 0 || m > 59)
		return 0;
	if (take(c, ':')) {
		if ((s = number(c, 2, 2)) < 0 || s > 60)
			return 0;
		if (c->end - c->p > 1 && (*c->p == '.' || *c->p == ',') && deep_digit(c->p[1])) {
			int32_t unit = 100000000;

			for (c->p++; c->p < c->end && deep_digit(*c->p); c->p++) {
				*nsec += (*c->p - '0') * unit;
				unit /= 10;
			}
		}
	}
	*seconds = h * 3600 + m * 60 + s;
	return 1;
}

/* RFC 5322 4.3: the names it defines; single letters and others are unknown. */
static const struct { char name[5]; int16_t minutes; } zones[] = {
	{ "utc", 0 }, { "gmt", 0 }, { "ut", 0 }, { "z", 0 },
	{ "est", -300 }, { "edt", -240 }, { "cst", -360 }, { "cdt", -300 },
	{ "mst", -420 }, { "mdt", -360 }, { "pst", -480 }, { "pdt", -420 },
	{ "hst", -600 }, { "hdt", -540 }, { "jst", 540 }, { "cet", 60 },
	{ "cest", 120 }, { "eet", 120 }, { "eest", 180 }, { "msk", 180 },
};

static void
zone(struct cursor *c, struct deep_date *date)
{
	const char *start = c->p, *q;
	size_t i;
	int n;

	skip(c);
	if (c->end - c->p >= 5 && (*c->p == '+' || *c->p == '-')) {
		int east = *c->p == '+' ? 1 : -1;
		int h, m;

		q = c->p++;
		if (c->end - c->p >= 5 && c->p[2] == ':') {	/* RFC 3339 */
			h = number(c, 2, 2);
			c->p += h >= 0;
			m = number(c, 2, 2);
			n = h < 0 || m < 0 ? -1 : h * 100 + m;
		} else {
			n = number(c, 4, 4);
		}
		if (n >= 0 && n % 100 < 60 && n / 100 < 24) {
			date->zone = (int16_t)(east * (n / 100 * 60 + n % 100));
			date->zone_known = (uint8_t)(n != 0 || east > 0);
			return;
		}
		c->p = q;
		c->p = start;
		return;
	}
	for (q = c->p; q < c->end && deep_alpha(*q); q++)
		continue;
	for (i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
		struct deep_str word = { c->p, (size_t)(q - c->p) };

		if (deep_is(word, zones[i].name)) {
			date->zone = zones[i].minutes;
			date->zone_known = 1;
			c->p = q;
			return;
		}
	}
	c->p = start;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; month 0 to 11. */
static int64_t
days_since_epoch(int year, int month, int day)
{
	static const int before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	int y = year - (month < 2);		/* the last February that is over */
	int64_t leaps = y / 4 - y / 100 + y / 400 - (1969 / 4 - 1969 / 100 + 1969 / 400);

	return (int64_t)(year - 1970) * 365 + leaps + before[month] + day - 1;
}

static int
days_in(int year, int month)
{
	static const int length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int leap = month == 1 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return length[month] + leap;
}

static inline int
two_digits(const char *p)
{
	return (p[0] - '0') * 10 + p[1] - '0';
}

/* Whether " Nov 2026 10:00:00 +0000" stands at p, but for its letters and its sign: each
 * octet is as much above the least one of its place as it may be. */
static inline int
has_usual_marks(const char *p)
{
	static const octets least = { ' ', 0, 0, 0, ' ', '0', '0', '0', '0', ' ', '0', '0', ':',
	    '0', '0', ':' };
	static const octets above = { 0, 255, 255, 255, 0, 9, 9, 9, 9, 0, 9, 9, 0, 9, 9, 0 };
	static const octets least_behind = { '0', ' ', '0', '0', ':', '0', '0', ':', '0', '0', ' ',
	    0, '0', '0', '0', '0' };
	static const octets above_behind = { 9, 0, 9, 9, 0, 9, 9, 0, 9, 9, 0, 255, 9, 9, 9, 9 };

	return octets_bits((octets_at(p) - least <= above) &
	    (octets_at(p + 8) - least_behind <= above_behind)) == 0xffff;
}

/*
 * The one form in ten that nearly all dates have, in one look:
 *
 *	Mon, 2 Nov 2026 10:00:00 +0000		; day of one or two digits
 *
 * Answers its octets; 0: something is otherwise, and the long way will see.
 */
static size_t
usual(const char *p, size_t n, struct deep_date *date)
{
	struct cursor c = { p, p + 3 };
	int day, month, year, h, m, s, century, zone_h, zone_m;
	const char *start = p;

	if (n < 30 || p[3] != ',' || p[4] != ' ' || name(&c, days) < 0)
		return 0;
	p += 5;
	if (!deep_digit(*p))
		return 0;
	day = *p++ - '0';
	if (deep_digit(*p))
		day = day * 10 + *p++ - '0';
	c.p = p + 1;
	c.end = p + 4;
	if (n - (size_t)(p - start) < 24 || !has_usual_marks(p) || (p[19] != '+' && p[19] != '-') ||
	    (month = name(&c, months)) < 0)
		return 0;
	century = two_digits(p + 5);
	year = two_digits(p + 7);
	h = two_digits(p + 10);
	m = two_digits(p + 13);
	s = two_digits(p + 16);
	zone_h = two_digits(p + 20);
	zone_m = two_digits(p + 22);
	if (century < 19 || h > 23 || m > 59 || s > 60 || zone_h > 23 || zone_m > 59)
		return 0;
	p += 24;
	if (p < start + n && deep_digit(*p))
		return 0;
	year += century * 100;
	if (day < 1 || day > days_in(year, month))
		return 0;
	date->zone = (int16_t)((p[-5] == '+' ? 1 : -1) * (zone_h * 60 + zone_m));
	date->zone_known = p[-5] == '+' || date->zone != 0;
	date->utc = days_since_epoch(year, month, day) * 86400 + h * 3600 + m * 60 + s -
	    date->zone * 60;
	return (size_t)(p - start);
}

enum deep_status
deep_date_next(struct deep_str *rest, struct deep_date *date, struct deep_fault *fault)
{
	struct cursor c = { rest->p, rest->p };
	const char *begin;
	int year = -1, month = -1, day = -1, seconds = 0, digits;
	size_t read;

	memset(date, 0, sizeof(*date));
	if (rest->p == NULL)
		return DEEP_NO;
	c.end = rest->p + rest->n;
	if (c.p < c.end && !deep_alpha(*c.p))
		skip(&c);
	if (c.p == c.end)
		return DEEP_NO;
	if ((read = usual(c.p, (size_t)(c.end - c.p), date)) > 0) {
		c.p += read;
		goto done;
	}
	if (name(&c, days) >= 0)
		skip(&c);
	take(&c, ',');
	skip(&c);
	if (c.end - c.p > 4 && deep_digit(c.p[3]) && c.p[4] == '-') {		/* ISO */
		if ((year = number(&c, 4, 4)) < 0 || !take(&c, '-') ||
		    (month = number(&c, 2, 2)) < 0 || !take(&c, '-') ||
		    (day = number(&c, 2, 2)) < 0)
			goto bad;
		month--;
		take(&c, 'T');
		if (!time_of_day(&c, &seconds, &date->nsec))
			goto bad;
		zone(&c, date);
	} else if ((month = name(&c, months)) >= 0) {			/* ctime */
		skip(&c);
		if ((day = number(&c, 1, 2)) < 0 || !time_of_day(&c, &seconds, &date->nsec))
			goto bad;
		zone(&c, date);
		skip(&c);
		if ((year = number(&c, 4, 4)) < 0)
			goto bad;
		if (!date->zone_known)
			zone(&c, date);
	} else {								/* RFC 5322 */
		if ((day = number(&c, 1, 3)) < 0)		/* "029" is seen */
			goto bad;
		skip(&c);
		take(&c, '-');
		if ((month = name(&c, months)) < 0)
			goto bad;
		skip(&c);
		take(&c, '-');
		begin = c.p;
		if ((year = number(&c, 2, 4)) < 0)
			goto bad;
		digits = (int)(c.p - begin);
		if (digits == 2)			/* RFC 5322 4.3 */
			year += year < 50 ? 2000 : 1900;
		else if (digits == 3)
			year += 1900;
		if (!time_of_day(&c, &seconds, &date->nsec))
			goto bad;
		zone(&c, date);
	}
	if (month < 0 || month > 11 || year < 1900 || day < 1 || day > days_in(year, month))
		goto bad;
	date->utc = days_since_epoch(year, month, day) * 86400 + seconds - date->zone * 60;
done:
	rest->n = (size_t)(c.end - c.p);
	rest->p = c.p;
	return DEEP_YES;
bad:
	deep_blame(fault, (size_t)(c.p - rest->p), "no date that RFC 5322 knows");
	memset(date, 0, sizeof(*date));
	return DEEP_BAD;
}

static void
digits(char *at, int two)
{
	at[0] = (char)('0' + two / 10);
	at[1] = (char)('0' + two % 10);
}

int
deep_date_emit(char *buf, size_t size, const struct deep_date *date)
{
	int64_t day = date->utc / 86400, second = date->utc % 86400;
	char text[] = "yyyy-mm-ddThh:mm:ssZ";
	int year, month, n = (int)sizeof(text) - 1, left, of_day;

	if (second < 0) {
		second += 86400;
		day--;
	}
	if (size > 0)
		buf[0] = '\0';
	if (day < days_since_epoch(1800, 0, 1) || day >= days_since_epoch(10000, 0, 1))
		return -1;
	/* 400 years have 146097 days: the guess is at most a year off */
	year = 1970 + (int)((day * 400) / 146097) - (day < 0);
	while (days_since_epoch(year + 1, 0, 1) <= day)
		year++;
	while (days_since_epoch(year, 0, 1) > day)
		year--;
	left = (int)(day - days_since_epoch(year, 0, 1));
	month = left / 31;		/* likewise */
	while (month < 11 && days_since_epoch(year, month + 1, 1) <= day)
		month++;
	left = (int)(day - days_since_epoch(year, month, 1));
	of_day = (int)second;
	digits(text, year / 100);
	digits(text + 2, year % 100);
	digits(text + 5, month + 1);
	digits(text + 8, left + 1);
	digits(text + 11, of_day / 3600);
	digits(text + 14, of_day / 60 % 60);
	digits(text + 17, of_day % 60);
	if ((size_t)n < size)
		memcpy(buf, text, (size_t)n + 1);
	return n;
}
