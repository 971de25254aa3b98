/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * config.c - deep.conf(5), the one file that configures every module and tool.
 *
 * libinih reads the syntax; what there is to configure stands in config.in.
 * The file is taken whole or not at all: after a fault in it the object is as it
 * was, so that a server goes on with the last good configuration.  libinih cuts
 * long lines and long titles of sections without a word, and tells nobody of a
 * section without keys; a reader of our own stands between the file and it, that
 * sees each line first.
 *
 * It never prints, and never falls back to a default because of a fault.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "deep.h"

#ifndef DEEP_SYSCONFDIR
#define DEEP_SYSCONFDIR		"/etc"
#endif
#ifndef DEEP_LOCALSTATEDIR
#define DEEP_LOCALSTATEDIR	"/var"
#endif
#define DEEP_MODES	"off observe warn enforce"	/* enum deep_mode */

#define FILE_MAX_OCTETS	(1024 * 1024)	/* of deep.conf: 10,000 domains take half of it */
#define LINE_MAX_OCTETS	(INI_MAX_LINE - 3)	/* what libinih takes in one line */
#define TITLE_MAX	49		/* and between the brackets of a section (MAX_SECTION) */

static const struct row {
	const char	*section;
	const char	*key;
	enum kind {
		NUMBER, SECONDS, TEXT, LIST, DOMAINS, HOSTS, STATUS, CHOICE
	}		 kind;
	const char	*standard;	/* the default; NULL: none */
	int64_t		 least, most;
	const char	*choices;
	const char	*meaning;
} rows[] = {
#define CONFIG(section, key, kind, standard, least, most, meaning) \
	{ section, key, kind, standard, least, most, NULL, meaning },
#define CONFIG_CHOICE(section, key, standard, choices, meaning) \
	{ section, key, CHOICE, standard, 0, 0, choices, meaning },
#include "config.in"
#undef CONFIG
#undef CONFIG_CHOICE
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

struct value {				/* one key that the file sets */
	char			*section;	/* with its title: "domain example.org" */
	char			*text;
	const struct row	*row;
	int64_t			 number;
	unsigned		 line;
};

struct title {				/* a domain or a host, and the section of it */
	char			*name;
	const char		*section;	/* of a value */
	unsigned		 line;
	enum deep_config_kind	 kind;
};

struct set {				/* what a file says */
	struct value	*value;
	size_t		 nvalue;
	struct title	*title;
	size_t		 ntitle;
};

struct deep_config {
	struct set	 now;
	char		 error[512];
};

struct reading {
	struct set	 set;
	const char	*file;
	const char	*rest;		/* of the text */
	const char	*end;
	unsigned	 line;
	unsigned	 fault_line;	/* of the first fault; 0: none */
	int		 continued;	/* the line begins with white space */
	char		 empty[TITLE_MAX + 1];	/* a section with a title that has no key yet ... */
	unsigned	 empty_line;	/* ... and where it stands; 0: none */
	enum deep_status status;
	char		*error;
	size_t		 size;
};

static void
free_set(struct set *set)
{
	size_t	i;

	for (i = 0; i < set->nvalue; i++) {
		free(set->value[i].section);
		free(set->value[i].text);
	}
	for (i = 0; i < set->ntitle; i++)
		free(set->title[i].name);
	free(set->value);
	free(set->title);
	memset(set, 0, sizeof(*set));
}

/* The error is one line of printable text, whatever stands in the file. */
static void
make_plain(char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
}

/* The first fault counts. */
static int __attribute__((__format__(__printf__, 4, 5)))
blame(struct reading *reading, enum deep_status status, unsigned line,
    const char *format, ...)
{
	va_list	arguments;
	int	n;

	if (reading->status == DEEP_YES || (status == reading->status &&
	    line < reading->fault_line)) {
		reading->status = status;
		reading->fault_line = line;
		n = line == 0 ?
		    snprintf(reading->error, reading->size, "%s: ", reading->file) :
		    snprintf(reading->error, reading->size, "%s:%u: ", reading->file, line);
		if (n > 0 && (size_t)n < reading->size) {
			va_start(arguments, format);
			vsnprintf(reading->error + n, reading->size - (size_t)n, format,
			    arguments);
			va_end(arguments);
		}
		make_plain(reading->error);
	}
	return 0;
}

/*
 * Kinds.
 */

/*
 *	seconds	= 1*(1*DIGIT [unit])
 *	unit	= "s" / "m" / "h" / "d" / "w"
 *
 * -1: not of this form, or more than any limit.
 */
static int64_t
read_number(const char *text, int units)
{
	static const struct {
		char	unit;
		int64_t	seconds;
	} all[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 },
	    { 'w', 7 * 86400 } };
	const int64_t	most = INT64_C(1) << 40;
	int64_t		sum = 0, part;
	size_t		i;

	if (*text == '\0')
		return -1;
	while (*text != '\0') {
		if (*text < '0' || *text > '9')
			return -1;
		for (part = 0; *text >= '0' && *text <= '9'; text++) {
			part = part * 10 + (*text - '0');
			if (part > most)
				return -1;
		}
		if (units && *text != '\0') {
			for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
				if (*text == all[i].unit)
					break;
			if (i == sizeof(all) / sizeof(all[0]))
				return -1;
			part *= all[i].seconds;
			text++;
		} else if (*text != '\0')
			return -1;
		sum += part;
		if (part > most || sum > most)
			return -1;
	}
	return sum;
}

/* "62d", "90m": seconds as a reader would write them. */
static const char *
say_seconds(char buf[32], int64_t seconds)
{
	static const struct {
		int64_t	seconds;
		char	unit;
	} all[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' } };
	size_t	i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (seconds > 0 && seconds % all[i].seconds == 0) {
			snprintf(buf, 32, "%lld%c",
			    (long long)(seconds / all[i].seconds), all[i].unit);
			return buf;
		}
	snprintf(buf, 32, "%llds", (long long)seconds);
	return buf;
}

/* The place of a word in a list of words; -1: not there. */
static int
find_choice(const char *choices, const char *word)
{
	size_t	n = strlen(word), length;
	int	place;

	for (place = 0; ; place++) {
		length = strcspn(choices, " ");
		if (length == n && strncmp(choices, word, n) == 0)
			return place;
		if (choices[length] == '\0')
			return -1;
		choices += length + 1;
	}
}

/*
 *	status-code = ("4" / "5") "." 1*3DIGIT "." 1*3DIGIT		(RFC 3463 2)
 */
static int
is_status(const char *text)
{
	const char	*p = text;
	int		 part;
	size_t		 n;

	if ((*p != '4' && *p != '5') || *++p != '.')
		return 0;
	for (part = 0; part < 2; part++) {
		n = strspn(++p, "0123456789");
		if (n == 0 || n > 3 || (p[0] == '0' && n > 1))
			return 0;
		p += n;
		if (*p != (part == 0 ? '.' : '\0'))
			return 0;
	}
	return 1;
}

/* An IP address, as a host of a group may be. */
static int
is_address(const char *text)
{
	size_t	n = strspn(text, "0123456789abcdefABCDEF.:");

	return text[n] == '\0' && n >= 2 && n <= 45 && (strchr(text, ':') != NULL ||
	    text[strspn(text, "0123456789.")] == '\0');
}

/* The key of a domain, or of a host; "": it is none. */
static void
name_key(char key[DEEP_DOMAIN_MAX + 1], const char *name, int address_too)
{
	size_t	i;

	if (deep_domain_key(key, DEEP_DOMAIN_MAX + 1, deep_str(name)) > 0)
		return;
	key[0] = '\0';
	if (address_too && is_address(name))
		for (i = 0; i == 0 || name[i - 1] != '\0'; i++)
			key[i] = (char)tolower((unsigned char)name[i]);
}

static int
add_title(struct reading *reading, const char *name, const struct value *value,
    enum deep_config_kind kind)
{
	struct title	*more;
	size_t		 n = reading->set.ntitle;

	/* Room grows twofold: 0, 1, 2, 4 ... */
	if ((n & (n - 1)) == 0) {
		more = realloc(reading->set.title, (n == 0 ? 1 : 2 * n) * sizeof(*more));
		if (more == NULL)
			return blame(reading, DEEP_FAIL, 0, "no memory");
		reading->set.title = more;
	}
	more = &reading->set.title[n];
	if ((more->name = strdup(name)) == NULL)
		return blame(reading, DEEP_FAIL, 0, "no memory");
	more->section = value->section;
	more->line = value->line;
	more->kind = kind;
	reading->set.ntitle++;
	return 1;
}

/* Words apart with single spaces, whatever stood between them; the number of them. */
static int64_t
join_words(char *text)
{
	char	*to = text;
	int64_t	 n = 0;

	while (*text != '\0') {
		if (*text == ' ' || *text == '\t' || *text == ',') {
			text++;
			continue;
		}
		if (n++ > 0)
			*to++ = ' ';
		while (*text != '\0' && *text != ' ' && *text != '\t' && *text != ',')
			*to++ = *text++;
	}
	*to = '\0';
	return n;
}

/* What a value is, once all of its lines are there. */
static int
settle(struct reading *reading, struct value *value)
{
	const struct row	*row = value->row;
	char			 least[32], most[32];
	int64_t			 size = 0;

	switch (row->kind) {
	case NUMBER:
	case SECONDS:
		size = value->number = read_number(value->text, row->kind == SECONDS);
		if (size < 0)
			return blame(reading, DEEP_BAD, value->line, row->kind == NUMBER ?
			    "[%s] %s = %s: write a number" :
			    "[%s] %s = %s: write a time, such as 90d, 72h or 30m",
			    value->section, row->key, value->text);
		break;
	case CHOICE:
		value->number = find_choice(row->choices, value->text);
		if (value->number < 0 || strchr(value->text, ' ') != NULL)
			return blame(reading, DEEP_BAD, value->line,
			    "[%s] %s = %s: write one of: %s",
			    value->section, row->key, value->text, row->choices);
		return 1;
	case STATUS:
		if (!is_status(value->text))
			return blame(reading, DEEP_BAD, value->line,
			    "[%s] %s = %s: write an enhanced status code of class 4, such as "
			    "4.7.10 (RFC 3463)", value->section, row->key, value->text);
		return 1;
	case TEXT:
		size = (int64_t)strlen(value->text);
		break;
	case LIST:
	case DOMAINS:
	case HOSTS:
		size = value->number = join_words(value->text);
		break;
	}
	if (size >= row->least && size <= row->most)
		return 1;
	if (row->kind == SECONDS && row->least == DEEP_RETENTION_MIN && size < row->least)
		return blame(reading, DEEP_BAD, value->line, "[%s] %s = %s: at least %s, because"
		    " latches are kept for two months or more (draft 3.1)",
		    value->section, row->key, value->text, say_seconds(least, row->least));
	if (row->kind == SECONDS)
		return blame(reading, DEEP_BAD, value->line, "[%s] %s = %s: from %s to %s",
		    value->section, row->key, value->text, say_seconds(least, row->least),
		    say_seconds(most, row->most));
	return blame(reading, DEEP_BAD, value->line, "[%s] %s = %.60s: from %lld to %lld%s",
	    value->section, row->key, value->text, (long long)row->least,
	    (long long)row->most, row->kind == NUMBER ? "" :
	    row->kind == TEXT ? " octets" : " words");
}

/*
 * Lines.
 */

/* Whether the row is of this section, its title apart. */
static int
is_of(const struct row *row, const char *section)
{
	size_t	n = strlen(row->section);

	if (strncmp(section, row->section, n) != 0)
		return 0;
	if (strcmp(row->section, "domain") == 0 || strcmp(row->section, "group") == 0)
		return section[n] == ' ';
	return section[n] == '\0';
}

static int
is_section(const char *section)
{
	size_t	i;

	for (i = 0; i < NROW; i++)
		if (is_of(&rows[i], section))
			return 1;
	return 0;
}

/* A domain that was written down for its modes, or a group without hosts, would say
 * nothing, and nobody would know. */
static void
check_empty(struct reading *reading)
{
	if (reading->empty_line != 0)
		blame(reading, DEEP_BAD, reading->empty_line, "[%s] has no key; write %s, or "
		    "delete it", reading->empty, strncmp(reading->empty, "group ", 6) == 0 ?
		    "its \"hosts\"" : "what is to hold for it");
	reading->empty_line = 0;
}

/*
 *	[store]		[domain example.org]		[group pool]
 *
 * A title is one word; libinih gets the line as it is.
 */
static int
check_section(struct reading *reading, const char *line, size_t n)
{
	char		 section[TITLE_MAX + 1];
	const char	*end = memchr(line, ']', n), *title;
	size_t		 length;

	if (end == NULL)
		return blame(reading, DEEP_BAD, reading->line,
		    "a section without \"]\"; write it as [policy]");
	check_empty(reading);
	length = (size_t)(end - line) - 1;
	if (length > TITLE_MAX)
		return blame(reading, DEEP_BAD, reading->line,
		    "more than %d octets between \"[\" and \"]\"; give it a short title and the "
		    "domain as \"names\"", TITLE_MAX);
	memcpy(section, line + 1, length);
	section[length] = '\0';
	for (end++; end < line + n && (*end == ' ' || *end == '\t'); end++)
		continue;
	if (end < line + n && *end != ';' && *end != '#')
		return blame(reading, DEEP_BAD, reading->line,
		    "text behind \"]\"; put it into a line of its own");
	if (!is_section(section))
		return blame(reading, DEEP_BAD, reading->line,
		    strcmp(section, "domain") == 0 || strcmp(section, "group") == 0 ?
		    "[%s] has no title; write it as [domain example.org] or [group pool]" :
		    "there is no section [%s]; see deep.conf(5)", section);
	title = strchr(section, ' ');
	if (title != NULL && (title[1] == '\0' || strpbrk(title + 1, " \t") != NULL))
		return blame(reading, DEEP_BAD, reading->line,
		    "[%s]: one space, then a title that is one word", section);
	if (strncmp(section, "group ", 6) == 0 &&
	    (strspn(section + 6, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(section + 6) ||
	    !isalpha((unsigned char)section[6])))
		return blame(reading, DEEP_BAD, reading->line,
		    "[%s]: the name of a group is of a-z, 0-9 and \"-\", a letter first", section);
	if (title != NULL) {
		memcpy(reading->empty, section, sizeof(section));
		reading->empty_line = reading->line;
	}
	return 1;
}

/* One line for libinih, as fgets(3); a faulty one becomes an empty one. */
static char *
next_line(char *buf, int size, void *stream)
{
	struct reading	*reading = stream;
	const char	*line = reading->rest, *end;
	size_t		 n;

	if (line == reading->end || size < INI_MAX_LINE)
		return NULL;
	end = memchr(line, '\n', (size_t)(reading->end - line));
	reading->rest = end == NULL ? reading->end : end + 1;
	n = (size_t)(reading->rest - line);
	reading->line++;
	buf[0] = '\n';
	buf[1] = '\0';
	if (end != NULL)
		n--;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if (n > LINE_MAX_OCTETS) {
		blame(reading, DEEP_BAD, reading->line, "a line of more than %d octets; a list "
		    "goes on in the next line behind white space", LINE_MAX_OCTETS);
		return buf;
	}
	if (memchr(line, '\0', n) != NULL) {
		blame(reading, DEEP_BAD, reading->line, "a NUL octet; this is no text");
		return buf;
	}
	reading->continued = n > 0 && (line[0] == ' ' || line[0] == '\t');
	if (n > 0 && line[0] == '[' && !check_section(reading, line, n))
		return buf;
	memcpy(buf, line, n);
	buf[n] = '\n';
	buf[n + 1] = '\0';
	return buf;
}

static const struct row *
find_row(const char *section, const char *key)
{
	size_t	i;

	for (i = 0; i < NROW; i++)
		if (is_of(&rows[i], section) && strcmp(rows[i].key, key) == 0)
			return &rows[i];
	return NULL;
}

/* The next line of a list. */
static int
continue_value(struct reading *reading, struct value *value, const char *text)
{
	size_t	 n = strlen(value->text), length = strlen(text);
	char	*more;

	if (value->row->kind != LIST && value->row->kind != DOMAINS && value->row->kind != HOSTS)
		return blame(reading, DEEP_BAD, reading->line, "white space at the start, but "
		    "[%s] %s is no list; begin the line with a key",
		    value->section, value->row->key);
	if ((more = realloc(value->text, n + 1 + length + 1)) == NULL)
		return blame(reading, DEEP_FAIL, 0, "no memory");
	more[n] = ' ';
	memcpy(more + n + 1, text, length + 1);
	value->text = more;
	return 1;
}

/* Called by libinih for each "key = value", and for each line that goes on. */
static int
take_value(void *user, const char *section, const char *key, const char *text)
{
	struct reading	*reading = user;
	struct value	*value;
	const struct row *row;
	size_t		 n = reading->set.nvalue;

	if (reading->status != DEEP_YES)
		return 1;
	if (section[0] == '\0')
		return blame(reading, DEEP_BAD, reading->line,
		    "\"%s\" stands before the first section; write [policy] or another above it",
		    key);
	if ((row = find_row(section, key)) == NULL)
		return blame(reading, DEEP_BAD, reading->line,
		    "[%s] has no key \"%s\"; see deep.conf(5)", section, key);
	/* libinih gives the key of the line before to one that goes on */
	if (reading->continued && n > 0 && reading->set.value[n - 1].row == row &&
	    strcmp(reading->set.value[n - 1].section, section) == 0)
		return continue_value(reading, &reading->set.value[n - 1], text);
	if ((n & (n - 1)) == 0) {
		value = realloc(reading->set.value, (n == 0 ? 1 : 2 * n) * sizeof(*value));
		if (value == NULL)
			return blame(reading, DEEP_FAIL, 0, "no memory");
		reading->set.value = value;
	}
	reading->empty_line = 0;
	value = &reading->set.value[n];
	memset(value, 0, sizeof(*value));
	value->row = row;
	value->line = reading->line;
	value->section = strdup(section);
	value->text = strdup(text);
	if (value->section == NULL || value->text == NULL) {
		free(value->section);
		free(value->text);
		return blame(reading, DEEP_FAIL, 0, "no memory");
	}
	reading->set.nvalue++;
	return 1;
}

/*
 * The whole.
 */

static int
by_section(const void *one, const void *other)
{
	const struct value	*a = one, *b = other;
	int			 order = strcmp(a->section, b->section);

	if (order == 0)
		order = a->row < b->row ? -1 : a->row > b->row;
	return order;
}

static int
by_line(const void *one, const void *other)
{
	const struct value	*a = one, *b = other;
	int			 order = by_section(one, other);

	if (order == 0)
		order = a->line < b->line ? -1 : a->line > b->line;
	return order;
}

static int
by_name(const void *one, const void *other)
{
	const struct title	*a = one, *b = other;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int
by_name_line(const void *one, const void *other)
{
	const struct title	*a = one, *b = other;
	int			 order = by_name(one, other);

	if (order == 0)
		order = a->line < b->line ? -1 : a->line > b->line;
	return order;
}

/* What is looked for in a sorted set. */
struct wanted {
	const char		*name;
	const struct row	*row;	/* of a value, whose section the name is; or ... */
	enum deep_config_kind	 kind;	/* of a title */
};

static int
is_wanted_value(const void *one, const void *other)
{
	const struct wanted	*wanted = one;
	const struct value	*value = other;
	int			 order = strcmp(wanted->name, value->section);

	if (order == 0)
		order = wanted->row < value->row ? -1 : wanted->row > value->row;
	return order;
}

static int
is_wanted_title(const void *one, const void *other)
{
	const struct wanted	*wanted = one;
	const struct title	*title = other;

	if (wanted->kind != title->kind)
		return wanted->kind < title->kind ? -1 : 1;
	return strcmp(wanted->name, title->name);
}

static const struct value *
look_up(const struct set *set, const char *section, const struct row *row)
{
	const struct wanted	wanted = { section, row, DEEP_CONFIG_DOMAIN };

	if (set->nvalue == 0)
		return NULL;
	return bsearch(&wanted, set->value, set->nvalue, sizeof(*set->value), is_wanted_value);
}

/* The names that a value makes known, or the title of its section. */
static int
add_titles(struct reading *reading, const struct value *value, const char *names,
    enum deep_config_kind kind)
{
	char	name[DEEP_DOMAIN_MAX + 1], key[DEEP_DOMAIN_MAX + 1];
	size_t	n;

	for (; *names != '\0'; names += n + (names[n] == ' ')) {
		n = strcspn(names, " ");
		key[0] = '\0';
		if (n < sizeof(name)) {
			memcpy(name, names, n);
			name[n] = '\0';
			name_key(key, name, kind == DEEP_CONFIG_HOST);
		}
		if (key[0] == '\0')
			return blame(reading, DEEP_BAD, value->line, "[%s] %s: \"%.60s\" is no %s;"
			    " write it as example.org", value->section, value->row->key, names,
			    kind == DEEP_CONFIG_HOST ? "host" : "domain");
		if (!add_title(reading, key, value, kind))
			return 0;
	}
	return 1;
}

/* The same of all of the values, which are sorted: those of a section are
 * together, and "names" is the first of them by the order of the rows. */
static int
add_all_titles(struct reading *reading)
{
	const struct value	*value = reading->set.value, *before = NULL;
	const struct value	*end = value + reading->set.nvalue;
	int			 added = 1;

	for (; value < end && added; before = value++) {
		if (strcmp(value->row->section, "group") == 0)
			added = add_titles(reading, value, value->text, DEEP_CONFIG_HOST);
		else if (strcmp(value->row->key, "names") == 0)
			added = add_titles(reading, value, value->text, DEEP_CONFIG_DOMAIN);
		else if (strcmp(value->row->section, "domain") == 0 &&
		    (before == NULL || strcmp(before->section, value->section) != 0))
			added = add_titles(reading, value, strchr(value->section, ' ') + 1,
			    DEEP_CONFIG_DOMAIN);
		else if (strcmp(value->row->key, "exempt") == 0)
			added = add_titles(reading, value, value->text, DEEP_CONFIG_EXEMPT);
	}
	return added;
}

/* Nothing is said twice. */
static void
check_doubles(struct reading *reading)
{
	static const char *const what[] = { "domain", "host", "exempt domain" };
	const struct value	*value = reading->set.value;
	const struct title	*title;
	size_t			 i;

	for (i = 1; i < reading->set.nvalue; i++)
		if (by_section(&value[i - 1], &value[i]) == 0)
			blame(reading, DEEP_BAD, value[i].line,
			    "[%s] %s is set in line %u already; delete one of them",
			    value[i].section, value[i].row->key, value[i - 1].line);
	if (reading->status != DEEP_YES || !add_all_titles(reading) || reading->set.ntitle == 0)
		return;
	title = reading->set.title;
	qsort(reading->set.title, reading->set.ntitle, sizeof(*title), by_name_line);
	for (i = 1; i < reading->set.ntitle; i++)
		if (by_name(&title[i - 1], &title[i]) == 0)
			blame(reading, DEEP_BAD, title[i].line,
			    "the %s %s is in [%s] and in [%s]; delete one of them",
			    what[title[i].kind], title[i].name, title[i - 1].section,
			    title[i].section);
}

/* What one key alone cannot tell. */
static void
check_policy(struct reading *reading)
{
	const struct value	*value, *other;
	size_t			 i;

	value = look_up(&reading->set, "policy", find_row("policy", "status"));
	other = look_up(&reading->set, "policy", find_row("policy", "permanent"));
	if (value != NULL && value->text[0] == '5' && (other == NULL || other->number == 0))
		blame(reading, DEEP_BAD, value->line, "[policy] status = %s: a refusal that is "
		    "final needs \"permanent = yes\" too (draft 6 prefers class 4)", value->text);
	value = look_up(&reading->set, "policy", find_row("policy", "profile"));
	if (value == NULL || strcmp(value->text, "strict") != 0)
		return;
	for (i = 0; i < 2; i++) {
		other = look_up(&reading->set, "policy",
		    find_row("policy", i == 0 ? "confirm" : "confirm-over"));
		if (other != NULL)
			blame(reading, DEEP_BAD, other->line, "[policy] %s: \"profile = strict\" in"
			    " line %u is 1 over 0; delete one of them", other->row->key,
			    value->line);
	}
}

/* What the stream has, of the room that is thought to do; the text is the caller's. */
static char *
read_all(struct reading *reading, FILE *stream, size_t room, size_t *n)
{
	char	*text = NULL, *more;
	int	 error;

	for (;;) {
		if ((more = realloc(text, room)) == NULL) {
			blame(reading, DEEP_FAIL, 0, "no memory");
			return text;
		}
		text = more;
		*n += fread(text + *n, 1, room - *n, stream);
		error = errno;
		if (*n < room || room > FILE_MAX_OCTETS)
			break;
		room = FILE_MAX_OCTETS + 1;	/* it has grown meanwhile */
	}
	if (ferror(stream))
		blame(reading, DEEP_FAIL, 0, "cannot be read: %s", strerror(error));
	else if (*n > FILE_MAX_OCTETS)
		blame(reading, DEEP_BAD, 0, "more than %d octets; is it the right file?",
		    FILE_MAX_OCTETS);
	return text;
}

/* The file's octets; NULL: the error is set. */
static char *
read_file(struct reading *reading, const char *file, size_t *n)
{
	struct stat	 status;
	FILE		*stream;
	char		*text = NULL;
	size_t		 room = 0;

	*n = 0;
	errno = 0;
	if ((stream = fopen(file, "re")) == NULL) {
		blame(reading, DEEP_FAIL, 0, "%s; check the path and who may read it",
		    strerror(errno));
		return NULL;
	}
	if (fstat(fileno(stream), &status) == -1 || S_ISDIR(status.st_mode))
		blame(reading, DEEP_FAIL, 0, "a folder; name the file in it");
	else {
		/* A file tells its size, a pipe does not; one octet more shows its end. */
		if (S_ISREG(status.st_mode) && status.st_size < FILE_MAX_OCTETS)
			room = (size_t)status.st_size + 1;
		else
			room = FILE_MAX_OCTETS + 1;
		text = read_all(reading, stream, room, n);
	}
	fclose(stream);
	if (reading->status == DEEP_YES)
		return text;
	free(text);
	return NULL;
}

enum deep_status
deep_config_text_read(struct deep_config *config, const char *file, struct deep_str text)
{
	struct reading	reading;
	size_t		i;
	int		line;

	memset(&reading, 0, sizeof(reading));
	reading.file = file;
	reading.rest = text.p;
	reading.end = text.p + text.n;
	reading.status = DEEP_YES;
	reading.error = config->error;
	reading.size = sizeof(config->error);
	line = ini_parse_stream(next_line, &reading, take_value, &reading);
	check_empty(&reading);
	if (line < 0)
		blame(&reading, DEEP_FAIL, 0, "no memory");
	else if (line > 0)
		blame(&reading, DEEP_BAD, (unsigned)line,
		    "neither \"key = value\", [section] nor # comment; see deep.conf(5)");
	for (i = 0; i < reading.set.nvalue && reading.status == DEEP_YES; i++)
		settle(&reading, &reading.set.value[i]);
	if (reading.status == DEEP_YES && reading.set.nvalue > 0) {
		qsort(reading.set.value, reading.set.nvalue, sizeof(*reading.set.value),
		    by_line);
		check_doubles(&reading);
		check_policy(&reading);
	}
	if (reading.status != DEEP_YES) {
		free_set(&reading.set);
		return reading.status;
	}
	free_set(&config->now);
	config->now = reading.set;
	config->error[0] = '\0';
	return DEEP_YES;
}

enum deep_status
deep_config_read(struct deep_config *config, const char *file)
{
	struct reading	 reading;
	enum deep_status answer;
	struct stat	 status;
	char		*text;
	size_t		 n;

	if (file == NULL) {
		file = DEEP_SYSCONFDIR "/deep.conf";
		if (config->now.nvalue == 0 && stat(file, &status) == -1 && errno == ENOENT) {
			config->error[0] = '\0';
			return DEEP_NO;
		}
	}
	memset(&reading, 0, sizeof(reading));
	reading.file = file;
	reading.status = DEEP_YES;
	reading.error = config->error;
	reading.size = sizeof(config->error);
	if ((text = read_file(&reading, file, &n)) == NULL)
		return reading.status;
	answer = deep_config_text_read(config, file, (struct deep_str){ text, n });
	free(text);
	return answer;
}

struct deep_config *
deep_config_new(void)
{
	return calloc(1, sizeof(struct deep_config));
}

void
deep_config_free(struct deep_config *config)
{
	if (config == NULL)
		return;
	free_set(&config->now);
	free(config);
}

const char *
deep_config_error(const struct deep_config *config)
{
	return config->error;
}

/*
 * Answers.
 */

const char *
deep_config_text(const struct deep_config *config, const char *section, const char *key)
{
	const struct row	*row = find_row(section, key);
	const struct value	*value;

	if (row == NULL)
		return "";
	if (config != NULL && (value = look_up(&config->now, section, row)) != NULL)
		return value->text;
	return row->standard == NULL ? "" : row->standard;
}

/* Of a default, which has one space between two. */
static int64_t
count_words(const char *list)
{
	int64_t	n = list[0] != '\0';

	for (; *list != '\0'; list++)
		n += *list == ' ';
	return n;
}

int64_t
deep_config_number(const struct deep_config *config, const char *section, const char *key)
{
	const struct row	*row = find_row(section, key);
	const struct value	*value;

	if (row == NULL || row->kind == TEXT || row->kind == STATUS)
		return -1;
	if (config != NULL && (value = look_up(&config->now, section, row)) != NULL)
		return value->number;
	if (row->standard == NULL)
		return -1;
	switch (row->kind) {
	case CHOICE:
		return find_choice(row->choices, row->standard);
	case NUMBER:
	case SECONDS:
		return read_number(row->standard, row->kind == SECONDS);
	case LIST:
	case DOMAINS:
	case HOSTS:
		return count_words(row->standard);
	default:
		return -1;
	}
}

const char *
deep_config_section(const struct deep_config *config, enum deep_config_kind kind,
    const char *name)
{
	const struct wanted	 wanted = { name, NULL, kind };
	const struct title	*title;

	if (config == NULL || config->now.ntitle == 0)
		return NULL;
	title = bsearch(&wanted, config->now.title, config->now.ntitle, sizeof(*title),
	    is_wanted_title);
	return title == NULL ? NULL : title->section;
}
