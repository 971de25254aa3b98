/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dialect.c - finds what an MTA wrote about TLS, by the rows of dialects.in.
 *
 * A row is held against one comment or one clause value, never against a whole
 * field, so that a host name or an address that holds such words is not taken
 * for a statement.  Patterns run in PCRE2's JIT, with a match limit: one that passes the
 * limit is no match.  A pattern of ours is compiled when its row is first tried, for in
 * one run most never are; one of a file at once, so that what is wrong in it is said.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "analyzer.h"
#include "octets.h"
#include "utf8.h"

#define MATCH_LIMIT	10000		/* steps; an honest match needs under 200 */
#define ROW_MAX		1024		/* rows, those of files included */
#define KEPT		512		/* texts whose finding is kept */
#define KEPT_MAX	160		/* octets of one */

struct row {
	const char	*name, *head, *pattern;
	size_t		 nhead;
	char		 first, last;	/* octets of the head */
	enum { AT_START, ANYWHERE, AT_END } where;	/* the head stands */
	enum says	 says;
	pcre2_code	*code;		/* NULL: not compiled yet */
	unsigned	 jit : 1;	/* the JIT has code for it, too */
	uint32_t	 group[FACTS];	/* number of the named group; 0: none */
	struct row	*next;		/* for the same place and first octet */
	struct row	*further;	/* in anywhere or ending */
	char		*owned;		/* a line of a file, or NULL */
};

/* What a text came to: the same few words stand in one field after the other. */
struct kept {
	enum place	 place;
	enum deep_status answer;
	size_t		 n;		/* 0: nothing is kept here */
	struct finding	 found;
	size_t		 at[FACTS];	/* of the facts in the text */
	char		 text[KEPT_MAX];
};

struct dialects {
	struct row	 row[ROW_MAX];
	size_t		 nrow;
	struct row	*first[PLACES][256];	/* by the head's first octet */
	struct row	*any[PLACES];		/* whose head is empty or not at the start */
	struct row	*anywhere[PLACES];	/* those of them that are not AT_END and whose head
						 * holds no other's, in no order */
	struct row	*ending[PLACES][256];	/* those that are, by the head's last octet */
	pcre2_match_data *match;
	pcre2_match_context *context;
	struct kept	 kept[KEPT];
	struct forms	*forms;
};

static const struct {
	const char *name, *head, *pattern;
	enum place place;
	enum says says;
} builtin[] = {
#define DIALECT(name, mta, place, head, says, pattern, example, v, s, b, g, c) \
	{ name, head, pattern, PLACE_##place, SAYS_##says },
#include "dialects.in"
#undef DIALECT
};

static const char *const fact_names[FACTS] = { "version", "suite", "bits", "group", "client" };
static const char *const place_names[PLACES] = {
	"comment", "beside", "date", "with", "by", "via"
};

/* How MTAs word the state of the client's certificate. */
static const struct { const char *text; enum client client; } clients[] = {
	{ "No client certificate requested", CLIENT_NONE },
	{ "Client did not present a certificate", CLIENT_NONE },
	{ "Client certificate not present", CLIENT_NONE },
	{ "verified OK", CLIENT_VERIFIED }, { "not verified", CLIENT_UNVERIFIED },
	{ "OK", CLIENT_VERIFIED }, { "YES", CLIENT_VERIFIED },
	{ "NO", CLIENT_NONE }, { "NOT", CLIENT_NONE }, { "NONE", CLIENT_NONE },
	{ "FAIL", CLIENT_UNVERIFIED }, { "CAFAIL", CLIENT_UNVERIFIED },
};

/* -1 and a message where the pattern is none, or has groups that nobody asks for. */
static int
compile(struct row *row)
{
	PCRE2_SIZE at;
	uint32_t named = 0;
	int error, i;

	row->code = pcre2_compile((PCRE2_SPTR)row->pattern, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED,
	    &error, &at, NULL);
	if (row->code == NULL) {
		unsigned char why[128];

		pcre2_get_error_message(error, why, sizeof(why));
		warnx("dialect %s: %s at octet %zu of the pattern", visible(row->name), (char *)why, at);
		return -1;
	}
	(void)pcre2_pattern_info(row->code, PCRE2_INFO_NAMECOUNT, &named);
	for (i = 0; i < FACTS; i++) {
		int n = pcre2_substring_number_from_name(row->code, (PCRE2_SPTR)fact_names[i]);

		row->group[i] = n > 0 ? (uint32_t)n : 0;
		named -= n > 0;
	}
	if (named > 0) {
		warnx("dialect %s: its groups may be named version, suite, bits, group and client",
		    visible(row->name));
		pcre2_code_free(row->code);
		return -1;
	}
	row->jit = pcre2_jit_compile(row->code, PCRE2_JIT_COMPLETE) == 0;
	return 0;
}

/* Where such a head stands, so does each that it holds: they are enough to look for. */
static void
add_anywhere(struct row **link, struct row *row)
{
	struct row **first = link;

	while (*link != NULL) {
		if (strstr(row->head, (*link)->head) != NULL)
			return;
		if (strstr((*link)->head, row->head) != NULL)
			*link = (*link)->further;
		else
			link = &(*link)->further;
	}
	row->further = *first;
	*first = row;
}

/* Files first: a row of a file is put before those that are there. */
static int
add(struct dialects *all, const char *name, enum place place, const char *head, enum says says,
    const char *pattern, int in_front)
{
	struct row *row = &all->row[all->nrow], **link;

	if (all->nrow == ROW_MAX) {
		warnx("dialect %s: there are %d rows already", visible(name), ROW_MAX);
		return -1;
	}
	memset(row, 0, sizeof(*row));
	row->name = name;
	row->pattern = pattern;
	row->where = *head == '*' ? ANYWHERE : *head == '$' ? AT_END : AT_START;
	row->head = row->where == AT_START ? head : head + 1;
	row->nhead = strlen(row->head);
	row->says = says;
	row->first = row->nhead > 0 ? row->head[0] : '\0';
	row->last = row->nhead > 0 ? row->head[row->nhead - 1] : '\0';
	if (in_front && compile(row) != 0)
		return -1;
	link = row->where != AT_START || row->nhead == 0 ? &all->any[place] :
	    &all->first[place][(unsigned char)head[0]];
	if (!in_front) {
		while (*link != NULL)
			link = &(*link)->next;
	}
	if (row->where == AT_END && row->nhead > 0) {
		row->further = all->ending[place][(unsigned char)row->last];
		all->ending[place][(unsigned char)row->last] = row;
	} else if (row->where != AT_START || row->nhead == 0) {
		add_anywhere(&all->anywhere[place], row);
	}
	row->next = *link;
	*link = row;
	all->nrow++;
	return 0;
}

struct dialects *
dialects_new(void)
{
	struct dialects *all = calloc(1, sizeof(*all));
	size_t i;

	if (all == NULL || (all->match = pcre2_match_data_create(16, NULL)) == NULL ||
	    (all->context = pcre2_match_context_create(NULL)) == NULL)
		err(EX_OSERR, NULL);
	all->forms = forms_new();
	pcre2_set_match_limit(all->context, MATCH_LIMIT);
	pcre2_set_depth_limit(all->context, MATCH_LIMIT);
	for (i = 0; i < sizeof(builtin) / sizeof(builtin[0]); i++) {
		if (add(all, builtin[i].name, builtin[i].place, builtin[i].head, builtin[i].says,
		    builtin[i].pattern, 0) != 0)
			exit(EX_SOFTWARE);	/* too many rows */
	}
	return all;
}

/* name place head pattern: words of white space, the head in double quotes,
 * the pattern to the end of the line. */
static int
add_line(struct dialects *all, const char *file, unsigned number, char *line)
{
	char *name, *place, *head, *rest = line;
	int i;

	name = strsep(&rest, " \t");
	while (rest != NULL && (*rest == ' ' || *rest == '\t'))
		rest++;
	place = strsep(&rest, " \t");
	while (rest != NULL && (*rest == ' ' || *rest == '\t'))
		rest++;
	if (rest == NULL || *rest != '"' || place == NULL ||
	    (head = rest + 1, rest = strchr(head, '"')) == NULL) {
		warnx("%s:%u: want: name place \"head\" pattern", visible(file), number);
		return -1;
	}
	*rest++ = '\0';
	rest += strspn(rest, " \t");
	for (i = 0; i < PLACES && strcmp(place, place_names[i]) != 0; i++)
		continue;
	if (i == PLACES) {
		warnx("line %u: \"%s\" is no place; there are comment, beside, date, with, by, via",
		    number, visible(place));
		return -1;
	}
	if (*rest == '\0') {
		warnx("%s:%u: no pattern", visible(file), number);
		return -1;
	}
	if (add(all, name, (enum place)i, head, SAYS_TLS, rest, 1) != 0) {
		warnx("%s:%u: the pattern cannot be used", visible(file), number);
		return -1;
	}
	return 0;
}

int
dialects_add(struct dialects *all, const char *file)
{
	FILE *in = fopen(file, "r");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	unsigned number = 0;
	int answer = 0;

	if (in == NULL) {
		warn("%s", visible(file));
		return -1;
	}
	while (answer == 0 && (n = getline(&line, &size, in)) != -1) {
		number++;
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (n == 0 || line[0] == '#')
			continue;
		if (strlen(line) != (size_t)n) {
			warnx("%s:%u: a NUL octet", visible(file), number);
			answer = -1;
		} else if ((answer = add_line(all, file, number, line)) == 0) {
			all->row[all->nrow - 1].owned = line;	/* its texts are in there */
			line = NULL;
			size = 0;
		}
	}
	if (ferror(in)) {
		warn("%s", visible(file));
		answer = -1;
	}
	memset(all->kept, 0, sizeof(all->kept));	/* that was without these rows */
	forms_forget(all->forms);
	free(line);
	fclose(in);
	return answer;
}

/* Whether the head stands where it should: all that most texts are held against. */
static int
has_head(const struct row *row, struct deep_str text)
{
	const char *p, *end;

	if (text.n < row->nhead)
		return 0;
	switch (row->where) {
	case AT_START:
		return row->nhead == 0 || (text.p[0] == row->first &&
		    text.p[row->nhead - 1] == row->last &&
		    memcmp(text.p, row->head, row->nhead) == 0);
	case AT_END:
		return row->nhead == 0 || (text.p[text.n - 1] == row->last &&
		    memcmp(text.p + text.n - row->nhead, row->head, row->nhead) == 0);
	case ANYWHERE:
	default:		/* memmem(3) takes longer to begin than all of this */
		end = text.p + text.n - row->nhead + 1;
		for (p = text.p; row->nhead > 0 && p < end; p++) {
			if ((p = memchr(p, row->first, (size_t)(end - p))) == NULL)
				return 0;
			if (memcmp(p, row->head, row->nhead) == 0)
				return 1;
		}
		return row->nhead == 0;
	}
}

static int
number(struct deep_str text)
{
	int n = 0;
	size_t i;

	for (i = 0; i < text.n && i < 6; i++)
		n = n * 10 + (text.p[i] - '0');
	return n;
}

/* What the facts mean. */
static void
understand(struct finding *found)
{
	const struct deep_str *fact = found->fact;
	size_t i;

	found->version = fact[FACT_VERSION].p != NULL ? deep_tls_version(fact[FACT_VERSION]) : 0;
	found->bits = fact[FACT_BITS].p != NULL ? number(fact[FACT_BITS]) : 0;
	found->suite = deep_suite_find(fact[FACT_SUITE], 0, &found->carried);
	found->group = deep_group_find(fact[FACT_GROUP]);
	found->client = CLIENT_UNKNOWN;
	for (i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		if (deep_is(fact[FACT_CLIENT], clients[i].text))
			found->client = clients[i].client;
	}
}

static int
fits(struct dialects *all, struct row *row, enum place place, struct deep_str text,
    struct finding *found)
{
	const PCRE2_SIZE *at;
	int n, i;

	if (row->code == NULL && compile(row) != 0)
		exit(EX_SOFTWARE);	/* a broken row is our own fault */
	/* without the JIT it is only slower */
	n = (row->jit ? pcre2_jit_match : pcre2_match)(row->code, (PCRE2_SPTR)text.p, text.n, 0,
	    0, all->match, all->context);
	if (n < 0)
		return 0;
	at = pcre2_get_ovector_pointer(all->match);
	found->dialect = row->name;
	found->says = row->says;
	found->place = place;
	for (i = 0; i < FACTS; i++) {
		uint32_t g = row->group[i];

		found->fact[i].p = NULL;
		found->fact[i].n = 0;
		if (g > 0 && g < (uint32_t)n && at[2 * g] != PCRE2_UNSET &&
		    at[2 * g + 1] > at[2 * g]) {
			found->fact[i].p = text.p + at[2 * g];
			found->fact[i].n = at[2 * g + 1] - at[2 * g];
		}
	}
	understand(found);
	return row->says != SAYS_NAMED || found->suite != NULL;
}

/* The row that comes next for a text of this place, by its head. */
static struct row *
row_next(const struct dialects *all, struct row *row, int *any, enum place place,
    struct deep_str text)
{
	row = row == NULL ? all->first[place][(unsigned char)text.p[0]] : row->next;
	for (;; row = row->next) {
		if (row == NULL) {
			if (*any)
				return NULL;
			*any = 1;
			if ((row = all->any[place]) == NULL)
				return NULL;
		}
		if (has_head(row, text))
			return row;
	}
}

static struct kept *
place_of(struct dialects *all, enum place place, struct deep_str text)
{
	return &all->kept[(octets_hash(text.p, text.n) + (unsigned)place) % KEPT];
}

static enum deep_status
match(struct dialects *all, struct row *row, int any, enum place place,
    struct deep_str text, struct finding *found)
{
	for (; row != NULL; row = row_next(all, row, &any, place, text)) {
		if (fits(all, row, place, text, found))
			return DEEP_YES;
	}
	return DEEP_NO;
}

/* Whether the head of one of these rows stands in the text. */
static int
one_has_head(const struct row *row, struct deep_str text)
{
	while (row != NULL && !has_head(row, text))
		row = row->next;
	return row != NULL;
}

static int
one_is_there(const struct row *row, struct deep_str text)
{
	while (row != NULL && !has_head(row, text))
		row = row->further;
	return row != NULL;
}

int
dialects_may_match(const struct dialects *all, enum place place, struct deep_str text)
{
	if (text.n == 0)
		return 0;
	if (one_has_head(all->first[place][(unsigned char)text.p[0]], text))
		return 1;
	return one_is_there(all->anywhere[place], text) ||
	    one_is_there(all->ending[place][(unsigned char)text.p[text.n - 1]], text);
}

struct forms *
dialects_forms(struct dialects *all)
{
	return all->forms;
}

enum deep_status
dialects_match(struct dialects *all, enum place place, struct deep_str text,
    struct finding *found)
{
	struct row *row;
	struct kept *kept;
	int any = 0, i;

	if (text.n == 0 || (row = row_next(all, NULL, &any, place, text)) == NULL)
		return DEEP_NO;
	if (text.n > KEPT_MAX)
		return match(all, row, any, place, text, found);
	kept = place_of(all, place, text);
	if (kept->n != text.n || kept->place != place || memcmp(kept->text, text.p, text.n) != 0) {
		kept->answer = match(all, row, any, place, text, &kept->found);
		kept->place = place;
		kept->n = text.n;
		memcpy(kept->text, text.p, text.n);
		for (i = 0; i < FACTS && kept->answer == DEEP_YES; i++)
			kept->at[i] = kept->found.fact[i].p == NULL ? 0 :
			    (size_t)(kept->found.fact[i].p - text.p);
	}
	if (kept->answer == DEEP_YES) {
		*found = kept->found;
		for (i = 0; i < FACTS; i++) {
			if (found->fact[i].p != NULL)
				found->fact[i].p = text.p + kept->at[i];
		}
	}
	return kept->answer;
}

void
dialects_free(struct dialects *all)
{
	if (all == NULL)
		return;
	while (all->nrow > 0) {
		struct row *row = &all->row[--all->nrow];

		pcre2_code_free(row->code);
		free(row->owned);
	}
	forms_free(all->forms);
	pcre2_match_data_free(all->match);
	pcre2_match_context_free(all->context);
	free(all);
}
