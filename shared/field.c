/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * field.c - header fields one at a time (RFC 5322 2.2, 3.6.8 and 4.5).
 *
 *	field	= field-name *WSP ":" unstructured CRLF
 *	field-name = 1*ftext	; octets 33 to 126 but ":", and UTF-8 seen in the wild
 *
 * A line that begins with white space belongs to the field before it.  Never
 * looks at a value, never copies but in deep_unfold().
 */
#include <string.h>

#include "deep.h"
#include "octets.h"
#include "word.h"

/* Behind the end of the line that p stands in. */
static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

/* Behind the octets that may stand in a name. */
static const char *
name_end(const char *p, const char *end)
{
	const unsigned char blank = ' ', colon = ':', del = 0x7f;
	uint32_t bits;

	for (; end - p >= 16; p += 16) {
		octets text = octets_at(p);

		bits = octets_bits((text <= blank) | (text == colon) | (text == del));
		if (bits != 0)
			return p + __builtin_ctz(bits);
	}
	while (p < end && (unsigned char)*p > ' ' && *p != ':' && *p != 0x7f)
		p++;
	return p;
}

enum deep_status
deep_field_read(struct deep_str whole, struct deep_field *field, struct deep_fault *fault)
{
	const char *p = whole.p, *stop = p + whole.n, *q, *value = p;
	enum deep_status answer = DEEP_YES;

	memset(field, 0, sizeof(*field));
	q = name_end(p, stop);
	field->name.n = (size_t)(q - p);
	while (q < stop && (*q == ' ' || *q == '\t'))
		q++;
	if (q == stop || *q != ':' || field->name.n == 0) {
		field->name.n = 0;
		deep_blame(fault, 0, "a line that is no header field");
		answer = DEEP_BAD;
	} else {
		field->name.p = p;
		value = q + 1;
		if (whole.n > DEEP_FIELD_MAX) {
			deep_blame(fault, DEEP_FIELD_MAX, "a field longer than 65536 octets");
			answer = DEEP_LIMIT;
			stop = p + DEEP_FIELD_MAX;
			if (value > stop)	/* a name that long leaves no value */
				value = stop;
		}
	}
	while (value < stop && deep_space(*value))
		value++;
	while (stop > value && deep_space(stop[-1]))
		stop--;
	field->value.p = value;
	field->value.n = (size_t)(stop - value);
	return answer;
}

enum deep_status
deep_field_next(struct deep_str *rest, struct deep_field *field, struct deep_fault *fault)
{
	const char *p = rest->p, *end, *stop;
	struct deep_str whole;

	if (p == NULL || rest->n == 0) {
		memset(field, 0, sizeof(*field));
		return DEEP_NO;
	}
	end = p + rest->n;
	if (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n')) {
		memset(field, 0, sizeof(*field));
		rest->p += *p == '\n' ? 1 : 2;
		rest->n = (size_t)(end - rest->p);
		return DEEP_NO;
	}
	stop = line_end(p, end);
	while (stop < end && (*stop == ' ' || *stop == '\t'))
		stop = line_end(stop, end);
	whole.p = p;
	whole.n = (size_t)(stop - p);
	rest->n = (size_t)(end - stop);
	rest->p = stop;
	return deep_field_read(whole, field, fault);
}

int
deep_unfold(char *buf, size_t size, struct deep_str value)
{
	const char *p = value.p, *end = p + value.n, *nl;
	size_t n = 0, part;

	if (size > 0)
		buf[0] = '\0';
	if (value.n > DEEP_FIELD_MAX)
		return -1;
	for (; p < end; p = nl) {
		int gap = 0;	/* a line end without white space behind it */

		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL) {
			part = (size_t)(end - p);
			nl = end;
		} else {
			part = (size_t)(nl - p);
			if (part > 0 && p[part - 1] == '\r')
				part--;
			nl++;
			gap = nl == end || (*nl != ' ' && *nl != '\t');
		}
		if (n + part + (size_t)gap < size) {
			memcpy(buf + n, p, part);
			if (gap)
				buf[n + part] = ' ';
		}
		n += part + (size_t)gap;
	}
	if (n < size)
		buf[n] = '\0';
	else if (size > 0)
		buf[0] = '\0';
	return (int)n;
}
