/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_message.c - any text as a message: its parts lie inside it and come to
 * an end, the report and the path are read, and what both outputs make of it
 * is what a terminal and a JSON reader can be given (RFC 8259 7).
 */
#include "fuzz.h"

#include "analyzer.h"
#include "utf8.h"

#define INPUT_MAX	(256 * 1024)	/* octets */
#define STEPS_MAX	4096		/* answers of mime_next(); 100 parts, some limits */

static void
check_parts(struct deep_str text, struct arena *arena)
{
	struct mime mime;
	struct part part;
	struct deep_str decoded;
	struct deep_fault fault;
	enum deep_status answer;
	int steps = 0;

	mime_start(&mime, text);
	for (;;) {
		fault.at = 0;
		fault.why = NULL;
		if ((answer = mime_next(&mime, &part, &fault)) == DEEP_NO)
			break;
		MUST(++steps < STEPS_MAX);
		MUST(answer == DEEP_YES || (answer == DEEP_LIMIT && fault.why != NULL));
		if (part.type.p == NULL)
			continue;
		MUST(is_inside(part.header, text) && is_inside(part.body, text));
		MUST(is_inside(part.encoding, text));
		MUST(part.depth >= 0 && part.depth <= MIME_DEPTH_MAX);
		decoded = part_decode(&part, arena);
		MUST(decoded.n <= part.body.n);
		if (deep_is(part.type, "message/rfc822"))
			mime_enter(&mime);
	}
	MUST(mime_next(&mime, &part, NULL) == DEEP_NO);
}

/* One line, brackets in pairs, strings that end, nothing raw in them. */
static void
check_json(const char *text, size_t n)
{
	char open[64];
	size_t depth = 0, i;
	int in_string = 0;

	MUST(n > 2 && text[0] == '{' && text[n - 2] == '}' && text[n - 1] == '\n');
	for (i = 0; i < n - 1; i++) {
		unsigned char c = (unsigned char)text[i];
		uint32_t point;
		size_t length = utf8_next(text + i, n - i, &point);

		MUST(c >= 0x20 && c != 0x7f);
		MUST(length > 0);
		i += length - 1;
		if (in_string) {
			if (c == '\\') {
				i++;
				MUST(strchr("\"\\/bfnrtu", text[i]) != NULL);
				if (text[i] == 'u')
					MUST(strspn(text + i + 1, "0123456789abcdefABCDEF") >= 4);
			} else if (c == '"') {
				in_string = 0;
			}
		} else if (c == '"') {
			in_string = 1;
		} else if (c == '{' || c == '[') {
			MUST(depth < sizeof(open));
			open[depth++] = text[i];
		} else if (c == '}' || c == ']') {
			MUST(depth > 0 && open[depth - 1] == (c == '}' ? '{' : '['));
			depth--;
			MUST(depth > 0 || i == n - 2);	/* one object */
		} else {
			MUST(strchr(":,-+.0123456789truefalsn", c) != NULL || c == ' ' || c == 'E');
		}
	}
	MUST(depth == 0 && !in_string);
}

/* Nothing that moves, hides or colours on a terminal: no control character of
 * ASCII or Latin-1 whatever utf8.h says, and nothing else that it calls hostile. */
static void
check_text(const char *text, size_t n)
{
	size_t i, length;
	uint32_t point;

	MUST(n > 0 && text[n - 1] == '\n');
	for (i = 0; i < n; i += length) {
		length = utf8_next(text + i, n - i, &point);
		MUST(length > 0);
		MUST(length == 1 || style.utf8);
		MUST(text[i] == '\n' || (point >= 0x20 && (point < 0x7f || point > 0x9f)));
		MUST(text[i] == '\n' || !utf8_is_hostile(point));
	}
}

static void
check_path(const struct path *path)
{
	size_t i;

	MUST(path->nhop <= RECEIVED_MAX);
	MUST(path->nwhy <= sizeof(path->why) / sizeof(path->why[0]));
	MUST(path->complete == (path->nwhy == 0));
	for (i = 0; i < path->nhop; i++) {
		MUST(path->hop[i].verdict <= path->verdict);
		MUST(path->hop[i].verdict == VERDICT_LOCAL ||
		    (path->latches & ~path->hop[i].latches) == 0);
	}
}

static void
show(const struct output *output, const struct analysis *a)
{
	char *buf = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&buf, &n);

	MUST(out != NULL);
	output->show(out, a);
	MUST(fclose(out) == 0);
	if (output == &output_json)
		check_json(buf, n);
	else
		check_text(buf, n);
	free(buf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct dialects *dialects;
	static struct arena *arena;
	static char hosts[][DEEP_DOMAIN_MAX + 1] = { "example.org" };
	const struct trust nobody = { NULL, 0 }, somebody = { hosts, 1 };
	const struct trust *trust = n & 2 ? &nobody : &somebody;
	struct message message;
	struct analysis a;

	if (dialects == NULL) {
		dialects = dialects_new();
		arena = arena_new();
	}
	if (n > INPUT_MAX)
		return 0;
	memset(&message, 0, sizeof(message));
	message.text = exact_copy(data, n);
	message.file = n & 4 ? "fuzz\033[31m\xe2\x80\xae" : "fuzz";
	check_parts(message.text, arena);

	memset(&a, 0, sizeof(a));
	a.source = &message;
	a.arena = arena;
	a.is_dsn = dsn_read(message.text, arena, &a.dsn) == DEEP_YES;
	MUST(a.dsn.nrcpt <= RECIPIENT_MAX);
	MUST(!a.dsn.limited || a.dsn.why != NULL);
	if (a.is_dsn) {
		path_read(&a.path, a.dsn.returned, &a.dsn, trust, dialects, arena);
		path_read(&a.way_back, message.text, NULL, trust, dialects, arena);
		check_path(&a.way_back);
	} else {
		path_read(&a.path, message.text, NULL, trust, dialects, arena);
	}
	check_path(&a.path);
	a.message_id = a.is_dsn && a.dsn.returned.p == NULL ? a.way_back.message_id :
	    a.path.message_id;
	style.colour = 0;
	style.utf8 = n & 1;
	style.columns = n & 2 ? 40 : 0;
	if (n & 8)
		path_lacks(&a.path, "message-limit");
	show(&output_json, &a);
	show(&output_text, &a);
	arena_reset(arena);
	free((char *)(uintptr_t)message.text.p);
	return 0;
}
