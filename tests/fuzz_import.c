/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_import.c - the readers of "deeplatch import": whatever they are given, what they
 * take is a record that the store may have, and a fault is told of.
 *
 * Input: an octet for the reader, then a line or a file.
 */
#include <stdarg.h>

#include "../modules/admin/admin.h"
#include "fuzz.h"

static int	told;

/* In place of import.c. */

void
import_bad(struct import *import, const char *format, ...)
{
	char	text[512];
	va_list	arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	MUST(text[0] != '\0');
	import->failed = 1;
	told = 1;
}

void
import_note(struct import *import, const char *format, ...)
{
	char	text[512];
	va_list	arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	import->passed_over++;
	told = 1;
}

static void
check_held(const struct deep_held *held, int64_t latest)
{
	MUST(held->first >= 0 && held->first <= latest);
	MUST(held->confirmed >= 0 && held->confirmed <= latest);
	MUST(held->window >= 0 && held->window <= latest);
	MUST(held->enforced >= 0 && held->enforced <= latest);
	MUST(held->contradicted >= 0 && held->contradicted <= latest);
}

int
import_take(struct import *import, const struct deep_key *key, const struct deep_record *record)
{
	const int64_t		 latest = import->admin->now + 86400;
	static struct deep_record again;
	struct deep_key		 same;
	const char		*why;
	json_t			*value;
	size_t			 i;

	MUST(deep_key(&same, key->service, deep_str(key->name)) == DEEP_YES);
	MUST(strcmp(same.name, key->name) == 0);
	for (i = 0; i < DEEP_LATCHES; i++)
		check_held(&record->latch[i], latest);
	MUST(record->nother <= DEEP_OTHER_MAX && record->nhost <= DEEP_HOST_MAX);
	for (i = 0; i < record->nother; i++) {
		check_held(&record->other[i].held, latest);
		MUST(deep_latch_valid(deep_str(record->other[i].id)));
		MUST(deep_latch_find(deep_str(record->other[i].id)) == DEEP_LATCH_NONE);
	}
	for (i = 0; i < record->nhost; i++)
		MUST(record->host[i].name[0] != '\0' &&
		    !(record->host[i].satisfied & ~DEEP_LATCH_ALL));
	/* what is written of it is read as the same */
	value = record_json(key, record);
	MUST(value != NULL);
	MUST(record_read(value, import->admin->now, &same, &again, &why));
	MUST(memcmp(&again, record, sizeof(again)) == 0);
	json_decref(value);
	import->taken++;
	return 1;
}

int
import_latches(struct import *import, enum deep_service service, struct deep_str name,
    int is_host, deep_latches set)
{
	MUST(is_host == 0 || is_host == 1);
	MUST(import->admin != NULL && name.p != NULL);
	MUST(deep_service_name(service) != NULL && set != DEEP_LATCH_NONE &&
	    !(set & ~DEEP_LATCH_ALL));
	import->taken++;
	return 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int		(*const readers[])(struct import *, const char *, size_t) = {
		read_json_line, read_postfix_line, read_chasquid_file, read_json_line
	};
	struct admin		 admin;
	struct import		 import;
	struct deep_str		 text;
	int			 answer;

	if (n == 0 || n > 65536)
		return 0;
	memset(&admin, 0, sizeof(admin));
	memset(&import, 0, sizeof(import));
	admin.now = INT64_C(1800000000);
	import.admin = &admin;
	import.file = "file";
	import.line = data[0] % 4 == 3 ? 1 : 2;
	told = 0;
	text = exact_copy(data + 1, n - 1);
	answer = readers[data[0] % 4](&import, text.p, text.n);
	MUST(answer == 0 || answer == 1);
	MUST(answer == 1 || told);
	free((char *)(uintptr_t)text.p);
	return 0;
}
