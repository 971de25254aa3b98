/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_words.c - a mail server's words for a session, and the two lines of report.c
 * made of any octets: what is written is one line of printable text, and a refusal
 * is read as it was written.
 *
 * Input: an octet for the latches, then the words; the same octets serve as the name
 * of a host, as an id and as a text.
 */
#include "fuzz.h"

static int
is_printable(const char *line)
{
	for (; *line != '\0'; line++)
		if (*line < ' ' || *line > '~')
			return 0;
	return 1;
}

static void
check_lines(struct deep_str text, const char *string, deep_latches latches)
{
	static char		 line[DEEP_EVENT_MAX + 1];
	static const struct deep_key key = { "example.org", DEEP_RELAY };
	struct deep_policy	 policy;
	struct deep_refusal	 refusal;
	struct deep_event	 event;
	int			 n;

	deep_policy_of(&policy, NULL, NULL);
	if (latches != DEEP_LATCH_NONE) {
		n = deep_refusal_emit(line, sizeof(line), &policy, &key, text, latches);
		MUST(n > 0 && n <= DEEP_REFUSAL_MAX && (size_t)n == strlen(line));
		MUST(is_printable(line));
		MUST(deep_refusal_parse(deep_str(line), &refusal) == DEEP_YES);
		MUST(refusal.failed == latches);
		MUST(deep_is(refusal.name, key.name) && deep_is(refusal.status, "4.7.10"));
	}
	event.kind = "refused";
	event.key = &key;
	event.host = event.id = text;
	event.latches = latches;
	event.text = string;
	n = deep_event_emit(line, sizeof(line), &event);
	MUST(n > 0 && n <= DEEP_EVENT_MAX && (size_t)n == strlen(line));
	MUST(is_printable(line));
	deep_refusal_parse(text, &refusal);
	MUST(is_inside(refusal.name, text) && is_inside(refusal.host, text) &&
	    is_inside(refusal.status, text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	const struct deep_group	*group;
	struct deep_session	 session;
	struct deep_str		 text;
	enum deep_status	 answer;
	char			*string;

	if (n == 0 || n > 4096)
		return 0;
	text = exact_copy(data + 1, n - 1);
	answer = deep_session_words(&session, text, &group);
	MUST(answer == DEEP_YES || answer == DEEP_BAD);
	MUST(answer == DEEP_YES || (session.version == 0 && session.suite == NULL));
	MUST(session.suite != NULL || deep_latches_satisfied(&session) == DEEP_LATCH_NONE);
	MUST(!session.resumed || deep_latches_settable(&session) == DEEP_LATCH_NONE);
	MUST((string = malloc(n)) != NULL);
	memcpy(string, data + 1, n - 1);
	string[n - 1] = '\0';
	check_lines(text, string, data[0]);
	free(string);
	free((char *)(uintptr_t)text.p);
	return 0;
}
