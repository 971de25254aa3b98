/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * merge.c - summaries in JSON (RFC 8259): written, read, and put together by
 * "deeptrace merge".  The form is in deeptrace(1).
 *
 * Rows stand in the order of their keys and numbers are added, so what several
 * runs counted and "merge" puts together is, octet for octet, what one run over
 * everything writes, as long as no table passed SUMMARY_ROWS_MAX.  What is read
 * is checked: a file that is no summary, or one of another form, changes nothing
 * and is an error.
 */
#include <err.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "html.h"
#include "summary.h"
#include "utf8.h"

#define FORM	1		/* "summary": of the form that is written here */

/* Octets that are no UTF-8 become U+FFFD, as in all JSON that deeptrace writes. */
static json_t *
text(const char *s)
{
	size_t left = s == NULL ? 0 : strlen(s), n;
	char *clean, *to;
	uint32_t point;
	json_t *answer;

	if (s == NULL)
		return json_null();
	if ((clean = to = malloc(3 * left + 1)) == NULL)
		err(EX_OSERR, NULL);
	while (left > 0) {
		if ((n = utf8_next(s, left, &point)) > 0) {
			memcpy(to, s, n);
			to += n;
		} else {
			memcpy(to, "\357\277\275", 3);
			to += 3;
			n = 1;
		}
		s += n;
		left -= n;
	}
	answer = json_stringn(clean, (size_t)(to - clean));
	free(clean);
	return answer;
}

static json_t *
place(const struct place_of *where)
{
	return json_pack("{s:o, s:I}", "file", text(where->file), "offset", (json_int_t)where->offset);
}

static json_t *
row_json(const struct row *row)
{
	json_t *n = json_object(), *example = place(&row->example);
	size_t i;

	for (i = 0; i < VERDICTS; i++)
		json_object_set_new(n, verdict_names[i], json_integer((json_int_t)row->n[i]));
	json_object_set_new(example, "verdict", json_string(verdict_names[row->example_verdict]));
	return json_pack("{s:o, s:o, s:o}", "key", text(row->key), "n", n, "example", example);
}

static json_t *
worst_json(const struct worst *worst)
{
	json_t *all = place(&worst->place);

	json_object_set_new(all, "message_id", text(worst->message_id));
	json_object_set_new(all, "verdict", json_string(verdict_names[worst->verdict]));
	json_object_set_new(all, "hops", json_integer((json_int_t)worst->hops));
	json_object_set_new(all, "hops_so", json_integer((json_int_t)worst->hops_so));
	json_object_set_new(all, "date", worst->date == INT64_MIN ? json_null() :
	    json_integer((json_int_t)worst->date));
	json_object_set_new(all, "why", text(worst->why));
	return all;
}

void
summary_write(FILE *out, struct summary *summary)
{
	json_t *all = json_object(), *tables = json_object(), *rows, *list = json_array();
	const struct worst *worst;
	struct row *row;
	size_t k, i, n;

	json_object_set_new(all, "summary", json_integer(FORM));
	for (k = 0; k < TABLES; k++) {
		rows = json_array();
		n = summary_rows(summary, (enum table)k, &row);
		for (i = 0; i < n; i++)
			json_array_append_new(rows, row_json(&row[i]));
		json_object_set_new(tables, table_names[k], json_pack("{s:o, s:b}", "rows", rows,
		    "limited", summary_limited(summary, (enum table)k)));
	}
	json_object_set_new(all, "tables", tables);
	n = summary_worst(summary, &worst);
	for (i = 0; i < n; i++)
		json_array_append_new(list, worst_json(&worst[i]));
	json_object_set_new(all, "worst", list);
	if (json_dumpf(all, out, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0)
		warnx("the summary could not be written");
	putc('\n', out);
	json_decref(all);
}

/* -1: none of them. */
static int
verdict_of(const json_t *name)
{
	int i;

	for (i = 0; i < VERDICTS && json_is_string(name); i++) {
		if (strcmp(json_string_value(name), verdict_names[i]) == 0)
			return i;
	}
	return -1;
}

static int
is_count(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0;
}

static int
take_row(struct summary *summary, enum table which, const json_t *from)
{
	const json_t *example = json_object_get(from, "example"), *n = json_object_get(from, "n");
	const char *key = json_string_value(json_object_get(from, "key"));
	const char *file = json_string_value(json_object_get(example, "file"));
	int verdict = verdict_of(json_object_get(example, "verdict"));
	struct row row;
	size_t i;

	memset(&row, 0, sizeof(row));
	if (key == NULL || file == NULL || verdict == -1 ||
	    !is_count(json_object_get(example, "offset")))
		return -1;
	for (i = 0; i < VERDICTS; i++) {
		const json_t *value = json_object_get(n, verdict_names[i]);

		if (!is_count(value))
			return -1;
		row.n[i] = (uint64_t)json_integer_value(value);
	}
	row.key = lent(key);
	row.example.file = lent(file);
	row.example.offset = json_integer_value(json_object_get(example, "offset"));
	row.example_verdict = (enum verdict)verdict;
	summary_count(summary, which, &row);
	return 0;
}

static int
take_worst(struct summary *summary, const json_t *from)
{
	const char *file = json_string_value(json_object_get(from, "file"));
	const char *why = json_string_value(json_object_get(from, "why"));
	const json_t *date = json_object_get(from, "date");
	int verdict = verdict_of(json_object_get(from, "verdict"));
	struct worst one;

	memset(&one, 0, sizeof(one));
	if (file == NULL || why == NULL || verdict == -1 ||
	    !is_count(json_object_get(from, "offset")) ||
	    !is_count(json_object_get(from, "hops")) ||
	    !is_count(json_object_get(from, "hops_so")) ||
	    !(json_is_null(date) || json_is_integer(date)))
		return -1;
	one.place.file = lent(file);
	one.place.offset = json_integer_value(json_object_get(from, "offset"));
	one.message_id =
	    lent(json_string_value(json_object_get(from, "message_id")));
	one.why = lent(why);
	one.verdict = (enum verdict)verdict;
	one.hops = (uint64_t)json_integer_value(json_object_get(from, "hops"));
	one.hops_so = (uint64_t)json_integer_value(json_object_get(from, "hops_so"));
	one.date = json_is_null(date) ? INT64_MIN : json_integer_value(date);
	(void)summary_worst_add(summary, &one);
	return 0;
}

static int
summary_take(struct summary *summary, const json_t *all)
{
	const json_t *tables = json_object_get(all, "tables"), *list = json_object_get(all, "worst");
	const json_t *table, *rows;
	struct summary *fresh;
	size_t k, i;

	if (json_integer_value(json_object_get(all, "summary")) != FORM || !json_is_array(list))
		return -1;
	fresh = summary_new();		/* half a summary is none */
	for (k = 0; k < TABLES; k++) {
		table = json_object_get(tables, table_names[k]);
		rows = json_object_get(table, "rows");
		if (!json_is_array(rows))
			goto bad;
		for (i = 0; i < json_array_size(rows); i++) {
			if (take_row(fresh, (enum table)k, json_array_get(rows, i)) != 0)
				goto bad;
		}
		if (json_is_true(json_object_get(table, "limited")))
			summary_limit(fresh, (enum table)k);
	}
	for (i = 0; i < json_array_size(list); i++) {
		if (take_worst(fresh, json_array_get(list, i)) != 0)
			goto bad;
	}
	summary_absorb(summary, fresh);
	summary_free(fresh);
	return 0;
bad:
	summary_free(fresh);
	return -1;
}

int
summary_read(struct summary *summary, FILE *in, const char *name)
{
	json_error_t error;
	json_t *all;
	int answer = -1, n = 0;

	/* several in one file: what parallel(1) leaves of many runs */
	while ((all = json_loadf(in, JSON_DISABLE_EOF_CHECK, &error)) != NULL) {
		n++;
		answer = summary_take(summary, all);
		json_decref(all);
		if (answer != 0) {
			warnx("%s: the %d. object is no summary of deeptrace --summary json, or of "
			    "another version", visible(name), n);
			return -1;
		}
	}
	if (n > 0 && json_error_code(&error) == json_error_premature_end_of_input && feof(in))
		return answer;
	warnx("%s: line %d: %s", visible(name), error.line, visible(error.text));
	return -1;
}

/* "-" is standard input. */
static int
take_file(struct summary *summary, const char *name)
{
	FILE *in;
	int status;

	if (strcmp(name, "-") == 0)
		return summary_read(summary, stdin, name) == 0 ? 0 : EX_DATAERR;
	if ((in = fopen(name, "r")) == NULL) {
		warn("%s", visible(name));
		return EX_NOINPUT;
	}
	status = summary_read(summary, in, name) == 0 ? 0 : EX_DATAERR;
	fclose(in);
	return status;
}

int
merge(int argc, char *argv[])
{
	struct summary *summary;
	int i, status = 0, page = argc > 2 && strcmp(argv[1], "--html") == 0;

	argc -= page;
	argv += page;
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		puts("usage: deeptrace merge [--html] file ...\n"
		    "  puts together what runs of deeptrace --summary json wrote\n"
		    "      --html               as a page, not as JSON\n"
		    "  -h, --help               this text");
		return 0;
	}
	if (argc < 2 || (argv[1][0] == '-' && argv[1][1] != '\0'))
		errx(EX_USAGE, "merge: %s%s; see deeptrace merge --help", argc < 2 ? "there is no file" :
		    visible(argv[1]), argc < 2 ? "" : " is no option, or lacks a file");
	summary = summary_new();
	for (i = 1; i < argc && status == 0; i++)
		status = take_file(summary, argv[i]);
	if (status == 0 && page)
		html_of_summary(stdout, summary);
	else if (status == 0)
		summary_write(stdout, summary);
	summary_free(summary);
	return status;
}
