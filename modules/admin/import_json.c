/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * import_json.c - what "deeplatch export" writes, read again: a line that says what it is,
 * then a record in each line.
 */
#include <string.h>

#include "admin.h"

/* {"format": "deeplatch", "version": 1} */
static int
is_head(struct import *import, const json_t *value)
{
	const char	*format = json_string_value(json_object_get(value, "format"));

	if (format == NULL || strcmp(format, "deeplatch") != 0)
		import_bad(import, "the first line is not that of an export; give a file that "
		    "\"deeplatch export\" wrote");
	else if (json_integer_value(json_object_get(value, "version")) != 1)
		import_bad(import, "an export of another version; use the deeplatch that wrote it");
	else
		return 1;
	return 0;
}

int
read_json_line(struct import *import, const char *line, size_t n)
{
	struct deep_record	 record;
	struct deep_key		 key;
	json_error_t		 error;
	json_t			*value;
	const char		*why;
	int			 go_on = 0;

	if (import->line == 1 && (n == 0 || line[0] != '{')) {
		import_bad(import, "no export of deeplatch; for a table of Postfix say --format "
		    "postfix, for a folder of chasquid --format chasquid");
		return 0;
	}
	value = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	if (value == NULL)
		import_bad(import, "octet %d: %s", error.position, error.text);
	else if (import->line == 1)
		go_on = is_head(import, value);
	else if (!record_read(value, import->admin->now, &key, &record, &why))
		import_bad(import, "%s", why);
	else
		go_on = import_take(import, &key, &record);
	json_decref(value);
	return go_on;
}
