/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_redis.c - shared/redis.c and shared/store_shadow.c with what a server, a file
 * or a configuration may hold: by the first octet of the input, the fields of a
 * record ("name=value", one a line), a session of the queue, or a URL.
 *
 * What was read is written and read again, and is the same; a merge with itself
 * changes nothing, and with another one loses no latch of either.
 */
#include "fuzz.h"
#include "redis.h"

#define FIELDS	200

static redisReply
string_of(char *text, size_t n)
{
	redisReply	reply;

	memset(&reply, 0, sizeof(reply));
	reply.type = REDIS_REPLY_STRING;
	reply.str = text;
	reply.len = n;
	return reply;
}

/* As hiredis gives it: each string with a NUL behind it. */
static enum deep_status
parse_fields(char *text, struct deep_known *known, char *version, size_t size)
{
	static redisReply	 strings[FIELDS];
	static redisReply	*elements[FIELDS];
	redisReply		 all;
	char			*line, *value, *next;
	size_t			 n = 0;

	for (line = text; line != NULL && n + 2 <= FIELDS; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(line, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		strings[n] = string_of(line, strlen(line));
		elements[n] = &strings[n];
		n++;
		strings[n] = string_of(value, strlen(value));
		elements[n] = &strings[n];
		n++;
	}
	memset(&all, 0, sizeof(all));
	all.type = REDIS_REPLY_ARRAY;
	all.elements = n;
	all.element = elements;
	return deep_redis_parse(&all, known, version, size);
}

static void
fuzz_record(char *text)
{
	static struct deep_known	 known, again, both;
	static struct deep_words	 words;
	static char			 written[DEEP_REDIS_ROOM];
	char				 version[32];
	int				 i;

	if (parse_fields(text, &known, version, sizeof(version)) != DEEP_YES)
		return;
	both = known;
	deep_known_merge(&both, &known);
	MUST(deep_record_held(&both.record, NULL) == deep_record_held(&known.record, NULL));
	deep_words_start(&words);
	deep_redis_emit(&words, &both);
	MUST(!words.full && words.n % 2 == 0);
	written[0] = '\0';
	for (i = 0; i < words.n; i += 2) {
		(void)strlcat(written, words.word[i], sizeof(written));
		(void)strlcat(written, "=", sizeof(written));
		(void)strlcat(written, words.word[i + 1], sizeof(written));
		(void)strlcat(written, "\n", sizeof(written));
	}
	if (words.n == 0)
		return;
	MUST(parse_fields(written, &again, version, sizeof(version)) == DEEP_YES);
	MUST(deep_record_held(&again.record, NULL) == deep_record_held(&both.record, NULL));
	MUST(again.record.nother == both.record.nother);
	known = both;
	deep_known_merge(&both, &again);
	MUST(deep_record_held(&both.record, NULL) == deep_record_held(&known.record, NULL));
}

static void
fuzz_event(const char *text)
{
	struct deep_queued	event, again;
	char			written[DEEP_EVENT_TEXT];

	memset(&event, 0, sizeof(event));
	if (!deep_queued_parse(text, &event))
		return;
	MUST(deep_queued_emit(written, sizeof(written), &event));
	memset(&again, 0, sizeof(again));
	MUST(deep_queued_parse(written, &again));
	MUST(again.clock == event.clock && again.session.version == event.session.version &&
	    again.session.suite == event.session.suite &&
	    again.session.dane_ok == event.session.dane_ok &&
	    again.policy.confirm == event.policy.confirm &&
	    again.policy.mode[7] == event.policy.mode[7] &&
	    again.policy.retention == event.policy.retention &&
	    strcmp(again.host, event.host) == 0);
}

static void
fuzz_url(const char *text)
{
	struct deep_store	*store = calloc(1, sizeof(*store));
	enum deep_status	 status;

	MUST(store != NULL);
	status = deep_redis_new(store, text, text[0] == '/' ? DEEP_STORE_PATH : 0);
	MUST(status == DEEP_YES || store->error[0] != '\0');
	MUST((status == DEEP_YES) == (store->redis != NULL));
	deep_redis_free(store->redis);
	free(store);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	*text;

	if (size < 1)
		return 0;
	text = malloc(size);
	MUST(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0]) {
	case 'r':
		fuzz_record(text);
		break;
	case 'e':
		fuzz_event(text);
		break;
	case 'u':
		fuzz_url(text);
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
