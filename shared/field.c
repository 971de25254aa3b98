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
#include "word.h"

/* Behind the end of the line that p stands in. */
static const char *
line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

enum deep_status
deep_field_next(struct deep_str *rest, struct deep_field *field, struct deep_fault *fault)
{
	const char *p = rest->p, *end, *colon, *stop, *line, *value;
	enum deep_status answer = DEEP_YES;

	memset(field, 0, sizeof(*field));
	if (p == NULL || rest->n == 0)
		return DEEP_NO;
	value = p;
	end = p + rest->n;
	line = stop = line_end(p, end);
	if (*p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n')) {
		rest->n = (size_t)(end - stop);
		rest->p = stop;
		return DEEP_NO;
	}
	while (stop < end && (*stop == ' ' || *stop == '\t'))
		stop = line_end(stop, end);
	rest->n = (size_t)(end - stop);
	rest->p = stop;

	colon = memchr(p, ':', (size_t)(line - p));
	if (colon != NULL) {
		const char *name_end = colon, *q;

		while (name_end > p && (name_end[-1] == ' ' || name_end[-1] == '\t'))
			name_end--;
		for (q = p; q < name_end && (unsigned char)*q > ' ' && *q != 0x7f; q++)
			continue;
		if (q == name_end && name_end > p) {
			field->name.p = p;
			field->name.n = (size_t)(name_end - p);
		}
	}
	if (colon == NULL || field->name.n == 0) {
		deep_blame(fault, 0, "a line that is no header field");
		answer = DEEP_BAD;
	} else {
		value = colon + 1;
		if ((size_t)(stop - p) > DEEP_FIELD_MAX) {
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
