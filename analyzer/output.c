/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * output.c - the forms of output by name, and what they share: UTF-8
 * (RFC 3629 4).
 */
#define LIBBSD_OPENBSD_VIS		/* libbsd 0.11 asks which strnvis() is meant; none is */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <vis.h>

#include "analyzer.h"
#include "utf8.h"

static const struct output *const outputs[] = {
	&output_text, &output_json, &output_html, &output_csv, &output_dot, &output_mermaid
};

const struct output *
output_find(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		if (strcmp(outputs[i]->name, name) == 0)
			return outputs[i];
	}
	return NULL;
}

const char *
output_names(void)
{
	static char names[128];
	size_t i;

	*names = '\0';
	for (i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++) {
		if (i > 0)
			strlcat(names, ", ", sizeof(names));
		strlcat(names, outputs[i]->name, sizeof(names));
	}
	return names;
}

size_t
utf8_next(const char *p, size_t n, uint32_t *point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = (unsigned char)*p;
	size_t length, i;
	uint32_t value;

	if (c < 0x80) {
		*point = c;
		return 1;
	}
	if (c >= 0xc2 && c <= 0xdf) {
		length = 2;
		value = c & 0x1fu;
	} else if (c >= 0xe0 && c <= 0xef) {
		length = 3;
		value = c & 0x0fu;
	} else if (c >= 0xf0 && c <= 0xf4) {
		length = 4;
		value = c & 0x07u;
	} else {
		return 0;
	}
	if (length > n)
		return 0;
	for (i = 1; i < length; i++) {
		if (((unsigned char)p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | ((unsigned char)p[i] & 0x3fu);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*point = value;
	return length;
}

int
utf8_is_hostile(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xad ||
	    point == 0x61c || point == 0x180e || (point >= 0x200b && point <= 0x200f) ||
	    (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) ||
	    point == 0xfeff || (point >= 0xfff0 && point <= 0xfffb) ||
	    (point >= 0xe0000 && point <= 0xe0fff);
}

const char *
visible(const char *text)
{
	static char shown[1024];
	char *p = shown;

	while (*text != '\0' && p < shown + sizeof(shown) - 8)
		p = vis(p, (unsigned char)*text++, VIS_OCTAL, 0);
	*p = '\0';
	return shown;
}

int
output_end(int status)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		warn("standard output");
		status = EX_IOERR;
	}
	return status;
}
