/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dump_dsn.c - prints what dsn_read() finds, for dsncorpus.py: one line of JSON
 * for each file or folder named,
 *
 *	{"file":F,"messages":N,"dsns":N,"inline":N,"returned":N,
 *	 "groups":[[final,action,status],...]}
 *
 * Octets that are not printable ASCII are written as \u00XX, which is Latin-1
 * and no judgement on the charset.  Stops nowhere; exits with 1 after an error.
 */
#include <stdio.h>

#include "analyzer.h"

static void
print_string(struct deep_str s)
{
	size_t i;

	putchar('"');
	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c > 0x7e || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

int
main(int argc, char *argv[])
{
	struct arena *arena = arena_new();
	struct message message;
	struct input *input;
	struct dsn dsn;
	enum deep_status answer;
	unsigned long messages, dsns, inlines, returned, groups;
	size_t j;
	int i, failed = 0;

	for (i = 1; i < argc; i++) {
		if ((input = input_open(argv[i])) == NULL) {
			failed = 1;
			continue;
		}
		messages = dsns = inlines = returned = groups = 0;
		printf("{\"file\":");
		print_string(deep_str(argv[i]));
		printf(",\"groups\":[");
		while ((answer = input_next(input, &message)) != DEEP_NO) {
			if (answer != DEEP_YES) {
				failed = 1;
				continue;
			}
			messages++;
			arena_reset(arena);
			if (dsn_read(message.text, arena, &dsn) != DEEP_YES)
				continue;
			dsns += dsn.found;
			inlines += dsn.inline_header;
			returned += dsn.returned.p != NULL;
			for (j = 0; j < dsn.nrcpt; j++) {
				printf(groups++ > 0 ? ",[" : "[");
				print_string(dsn.rcpt[j].final);
				putchar(',');
				print_string(dsn.rcpt[j].action);
				putchar(',');
				print_string(dsn.rcpt[j].status);
				putchar(']');
			}
		}
		printf("],\"messages\":%lu,\"dsns\":%lu,\"inline\":%lu,"
		    "\"returned\":%lu}\n", messages, dsns, inlines, returned);
		input_close(input);
	}
	arena_free(arena);
	return failed;
}
