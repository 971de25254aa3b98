/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_output.c - any text as a message, in each form that others read: HTML
 * whose elements come in pairs and hold nothing of the message but text, CSV
 * whose records have one length and no field that a spreadsheet runs, DOT and
 * Mermaid whose strings end where they should.
 */
#include "fuzz.h"

#include "analyzer.h"
#include "utf8.h"

#define INPUT_MAX	(64 * 1024)	/* octets */
#define DEPTH		64		/* elements in each other */
#define COLUMNS		32		/* of the CSV form */

/* Well-formed UTF-8 without what hides or moves. */
static void
check_visible(const char *text, size_t n)
{
	size_t i, length;
	uint32_t point;

	for (i = 0; i < n; i += length) {
		length = utf8_next(text + i, n - i, &point);
		MUST(length > 0);
		MUST(point == '\n' || point == '\r' || point == '\t' || !utf8_is_hostile(point));
	}
}

static int
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

/* Behind the tag at p, the stack of open elements kept. */
static const char *
check_tag(const char *p, const char *end, char (*open)[16], size_t *depth)
{
	int closing = p[1] == '/', alone = 0;
	const char *name = p + 1 + closing, *q = name;

	while (q < end && is_name(*q))
		q++;
	MUST(q > name && (size_t)(q - name) < sizeof(open[0]));
	if (closing) {
		MUST(*depth > 0 && strlen(open[*depth - 1]) == (size_t)(q - name) &&
		    memcmp(open[*depth - 1], name, (size_t)(q - name)) == 0);
		(*depth)--;
		MUST(*q == '>');
		return q + 1;
	}
	p = q;
	while (p < end && *p != '>') {
		if (*p == '/') {
			alone = 1;
			p++;
			continue;
		}
		MUST(*p == ' ' || *p == '\n');
		for (p++; p < end && (is_name(*p) || (*p >= 'A' && *p <= 'Z')); p++)
			continue;
		MUST(p[-1] != ' ' && p + 1 < end && p[0] == '=' && p[1] == '"');
		MUST(p[-2] != 'o' || p[-1] != 'n');
		for (p += 2; p < end && *p != '"'; p++)
			MUST(*p != '<' && *p != '>');
		MUST(p < end);
		p++;
	}
	MUST(p < end);
	if (!alone && !(q - name == 2 && memcmp(name, "br", 2) == 0) &&
	    !(q - name == 4 && memcmp(name, "meta", 4) == 0)) {
		MUST(*depth < DEPTH);
		memcpy(open[*depth], name, (size_t)(q - name));
		open[(*depth)++][q - name] = '\0';
		MUST(strcmp(open[*depth - 1], "script") != 0);
	}
	return p + 1;
}

static void
check_html(const char *text, size_t n)
{
	static const char *const references[] = { "&amp;", "&lt;", "&gt;", "&quot;", "&#39;" };
	char open[DEPTH][16];
	const char *p, *end = text + n;
	size_t depth = 0, i;

	MUST(n > 15 && memcmp(text, "<!DOCTYPE html>", 15) == 0);
	for (p = text + 15; p < end; ) {
		if (*p == '<') {
			p = check_tag(p, end, open, &depth);
			continue;
		}
		if (*p == '&') {
			for (i = 0; i < 5 && strncmp(p, references[i], strlen(references[i])) != 0; i++)
				continue;
			MUST(i < 5);
		}
		MUST(*p != '>' || (depth > 0 && strcmp(open[depth - 1], "style") == 0));
		p++;
	}
	MUST(depth == 0);
}

static int
begins_formula(const char *p)
{
	return *p == '=' || *p == '+' || *p == '-' || *p == '@';
}

static void
check_csv(const char *text, size_t n)
{
	const char *p = text, *end = text + n, *from;
	int columns = 1;

	while (p < end) {
		if (*p == '"') {
			for (from = ++p; p < end && (*p != '"' || p[1] == '"'); p++) {
				MUST(*p != '\n' && *p != '\r');
				if (p == from || memchr(";,|\"", p[-1], 4) != NULL)
					MUST(!begins_formula(p));
				if (*p == '"')
					p++;
			}
			MUST(p + 1 < end && *p == '"');
			p++;
		} else {
			while (p < end && ((*p >= '0' && *p <= '9') || *p == '-' || (*p >= 'a' && *p <= 'z') ||
			    *p == '_'))
				p++;
		}
		MUST(p < end);
		if (*p == '\r') {
			MUST(p[1] == '\n' && columns == COLUMNS);
			columns = 1;
			p += 2;
		} else {
			MUST(*p == ',');
			columns++;
			p++;
		}
	}
	MUST(columns == 1);
}

/* Braces and brackets in pairs, strings that end on their line. */
static void
check_graph(const char *text, size_t n, int backslash)
{
	int in_string = 0, open = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		char c = text[i];

		if (in_string) {
			MUST(c != '\n');
			if (backslash && c == '\\') {
				i++;
				MUST(text[i] == '"' || text[i] == '\\' || text[i] == 'l');
			} else if (c == '"') {
				in_string = 0;
			} else if (!backslash) {
				MUST(c > 0 && strchr("`<>&\\{}[]|():", c) == NULL);
				MUST(c != ';' || (text[i - 1] >= '0' && text[i - 1] <= '9'));
			}
		} else if (c == '"') {
			in_string = 1;
		} else if (c == '{' || c == '[' || c == '(') {
			open++;
		} else if (c == '}' || c == ']' || c == ')') {
			MUST(open-- > 0);
		} else {
			MUST(c > 0 && c != '<' && c != '\\');
		}
	}
	MUST(!in_string && open == 0);
}

static void
show(const struct output *output, const struct analysis *a)
{
	char *buf = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&buf, &n);

	MUST(out != NULL);
	if (output->begin != NULL)
		output->begin(out);
	output->show(out, a);
	if (output->end != NULL)
		output->end(out);
	MUST(fclose(out) == 0);
	check_visible(buf, n);
	if (output == &output_html)
		check_html(buf, n);
	else if (output == &output_csv)
		check_csv(buf, n);
	else
		check_graph(buf, n, output == &output_dot);
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct settings settings;
	static struct arena *arena;
	char trusted[] = "example.org";
	struct message message;
	struct analysis a;
	size_t i;

	if (arena == NULL) {
		settings.dialects = dialects_new();
		trust_add(&settings.trust, trusted);
		settings.authserv = "mx.example.org";
		arena = arena_new();
	}
	if (n > INPUT_MAX)
		return 0;
	memset(&message, 0, sizeof(message));
	message.text = exact_copy(data, n);
	message.file = n & 4 ? "=fuzz\033[31m\xe2\x80\xae\"<x>" : "fuzz";
	analyse(&a, &message, &settings, arena);
	MUST(a.has_auth && a.auth.nresult <= AUTH_MAX && (a.auth.found || a.auth.nresult == 0));
	for (i = 0; i < a.auth.nresult; i++) {
		MUST(a.auth.result[i].method.n > 0 && a.auth.result[i].result.n > 0);
		MUST(a.auth.result[i].nproperty <= AUTH_PROPERTY_MAX);
	}
	show(&output_html, &a);
	show(&output_csv, &a);
	show(&output_dot, &a);
	show(&output_mermaid, &a);
	arena_reset(arena);
	free((char *)(uintptr_t)message.text.p);
	return 0;
}
