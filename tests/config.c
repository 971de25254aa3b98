/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * config.c - tests of shared/config.c: the rows of config.in, each kind of value
 * on both sides of its limits, and what a fault in the file says.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config.h"
#include "deep.h"
#include "tap.h"

#define DEEP_LOCALSTATEDIR "/var"	/* as in the manual */
#define DEEP_MODES "off observe warn enforce"

static const struct row {
	const char	*section, *key, *kind, *standard, *choices;
	int64_t		 least, most;
} rows[] = {
#define CONFIG(section, key, kind, standard, least, most, meaning) \
	{ section, key, #kind, standard, NULL, least, most },
#define CONFIG_CHOICE(section, key, standard, choices, meaning) \
	{ section, key, "CHOICE", standard, choices, 0, 0 },
#include "config.in"
#undef CONFIG
#undef CONFIG_CHOICE
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

static enum deep_status
read_text(struct deep_config *config, const char *text)
{
	return deep_config_text_read(config, "deep.conf", deep_str(text));
}

/* The section as a file has it: with a title where it needs one. */
static const char *
titled(const char *section)
{
	if (strcmp(section, "domain") == 0)
		return "domain example.org";
	return strcmp(section, "group") == 0 ? "group pool" : section;
}

/*
 * Each row: its default is a value of it, and one beyond either limit is refused.
 */
static void
test_rows(void)
{
	struct deep_config	*config = deep_config_new();
	char			 text[512], value[64];
	const char		*section;
	size_t			 i;
	int			 side;

	for (i = 0; i < NROW; i++) {
		section = titled(rows[i].section);
		if (rows[i].standard != NULL && rows[i].standard[0] != '\0') {
			snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, rows[i].key,
			    rows[i].standard);
			is_int(read_text(config, text), DEEP_YES, "[%s] %s: its default can be "
			    "written", section, rows[i].key);
			is_int(deep_config_number(config, section, rows[i].key),
			    deep_config_number(NULL, section, rows[i].key),
			    "[%s] %s: and is the default", section, rows[i].key);
			if (strstr(rows[i].standard, "/var") == NULL)
				is(deep_config_text(NULL, section, rows[i].key), rows[i].standard,
				    "[%s] %s: as a text too", section, rows[i].key);
		}
		if (strcmp(rows[i].kind, "NUMBER") != 0 && strcmp(rows[i].kind, "SECONDS") != 0)
			continue;
		for (side = 0; side < 4; side++) {
			snprintf(value, sizeof(value), "%lld", (long long)(side < 2 ?
			    rows[i].least - side : rows[i].most + side - 2));
			snprintf(text, sizeof(text), "[%s]\n%s = %s\n", section, rows[i].key, value);
			is_int(read_text(config, text), side % 2 == 0 ? DEEP_YES : DEEP_BAD,
			    "[%s] %s = %s", section, rows[i].key, value);
		}
	}
	deep_config_free(config);
}

static const struct {
	const char	*text;
	const char	*error;		/* NULL: it is read */
} files[] = {
	{ "", NULL },
	{ "\n\n# all\n; of it\n", NULL },
	{ "\xef\xbb\xbf[policy]\r\nconfirm = 5\r\n", NULL },
	{ "[policy]\nconfirm = 5 ; why\n", NULL },
	{ "[policy]\nconfirm: 5", NULL },
	{ "[policy] # here\nconfirm=5\n", NULL },
	{ "[polcy]\nconfirm = 5\n", "deep.conf:1: there is no section [polcy]; see deep.conf(5)" },
	{ "[polcy]\n", "deep.conf:1: there is no section [polcy]; see deep.conf(5)" },
	{ "[policy\nconfirm = 5\n", "deep.conf:1: a section without \"]\"; write it as [policy]" },
	{ "[policy] confirm = 5\n", "deep.conf:1: text behind \"]\"; put it into a line of its own" },
	{ "[]\n", "deep.conf:1: there is no section []; see deep.conf(5)" },
	{ "[policy]\nconfrim = 5\n", "deep.conf:2: [policy] has no key \"confrim\"; see deep.conf(5)" },
	{ "[policy]\nConfirm = 5\n", "deep.conf:2: [policy] has no key \"Confirm\"; see deep.conf(5)" },
	{ "confirm = 5\n", "deep.conf:1: \"confirm\" stands before the first section; write [policy]"
	    " or another above it" },
	{ "[policy]\nconfirm\n", "deep.conf:2: neither \"key = value\", [section] nor # comment; see"
	    " deep.conf(5)" },
	{ "[policy]\nconfirm = 5\n\nconfirm = 6\n",
	    "deep.conf:4: [policy] confirm is set in line 2 already; delete one of them" },
	{ "[policy]\nconfirm = 5\n[mode]\n[policy]\nconfirm = 5\n",
	    "deep.conf:5: [policy] confirm is set in line 2 already; delete one of them" },
	{ "[policy]\nconfirm = five\n", "deep.conf:2: [policy] confirm = five: write a number" },
	{ "[policy]\nconfirm = 5d\n", "deep.conf:2: [policy] confirm = 5d: write a number" },
	{ "[policy]\nconfirm = -1\n", "deep.conf:2: [policy] confirm = -1: write a number" },
	{ "[policy]\nconfirm =\n", "deep.conf:2: [policy] confirm = : write a number" },
	{ "[policy]\nconfirm = 0\n", "deep.conf:2: [policy] confirm = 0: from 1 to 1000" },
	{ "[policy]\nconfirm = 18446744073709551617\n",
	    "deep.conf:2: [policy] confirm = 18446744073709551617: write a number" },
	{ "[policy]\nconfirm-over = 3x\n",
	    "deep.conf:2: [policy] confirm-over = 3x: write a time, such as 90d, 72h or 30m" },
	{ "[policy]\nconfirm-over = 366d\n",
	    "deep.conf:2: [policy] confirm-over = 366d: from 0s to 365d" },
	{ "[policy]\nretention = 61d23h\n", "deep.conf:2: [policy] retention = 61d23h: at least 62d,"
	    " because latches are kept for two months or more (draft 3.1)" },
	{ "[policy]\nretention = 62d\n", NULL },
	{ "[policy]\nretention = 61d24h\n", NULL },
	{ "[policy]\nset = delivery\n",
	    "deep.conf:2: [policy] set = delivery: write one of: transfer handshake" },
	{ "[policy]\nset = transfer handshake\n",
	    "deep.conf:2: [policy] set = transfer handshake: write one of: transfer handshake" },
	{ "[policy]\nset =\n", "deep.conf:2: [policy] set = : write one of: transfer handshake" },
	{ "[policy]\npermanent = on\n", "deep.conf:2: [policy] permanent = on: write one of: no yes" },
	{ "[policy]\nstatus = 4.7\n", "deep.conf:2: [policy] status = 4.7: write an enhanced status "
	    "code of class 4, such as 4.7.10 (RFC 3463)" },
	{ "[policy]\nstatus = 2.7.10\n", "deep.conf:2: [policy] status = 2.7.10: write an enhanced "
	    "status code of class 4, such as 4.7.10 (RFC 3463)" },
	{ "[policy]\nstatus = 4.7.1000\n", "deep.conf:2: [policy] status = 4.7.1000: write an "
	    "enhanced status code of class 4, such as 4.7.10 (RFC 3463)" },
	{ "[policy]\nstatus = 4.07.1\n", "deep.conf:2: [policy] status = 4.07.1: write an "
	    "enhanced status code of class 4, such as 4.7.10 (RFC 3463)" },
	{ "[policy]\nstatus = 4.777.999\n", NULL },
	{ "[policy]\nstatus = 5.7.10\n", "deep.conf:2: [policy] status = 5.7.10: a refusal that is "
	    "final needs \"permanent = yes\" too (draft 6 prefers class 4)" },
	{ "[policy]\nstatus = 5.7.10\npermanent = no\n", "deep.conf:2: [policy] status = 5.7.10: a "
	    "refusal that is final needs \"permanent = yes\" too (draft 6 prefers class 4)" },
	{ "[policy]\nstatus = 5.7.10\npermanent = yes\n", NULL },
	{ "[policy]\nprofile = strict\n", NULL },
	{ "[policy]\nprofile = strict\nconfirm = 2\n", "deep.conf:3: [policy] confirm: \"profile = "
	    "strict\" in line 2 is 1 over 0; delete one of them" },
	{ "[policy]\nconfirm-over = 0\nprofile = strict\n", "deep.conf:2: [policy] confirm-over: "
	    "\"profile = strict\" in line 3 is 1 over 0; delete one of them" },
	{ "[mode]\ntls12 = on\n",
	    "deep.conf:2: [mode] tls12 = on: write one of: off observe warn enforce" },
	{ "[mode]\ntls13 = off\n", "deep.conf:2: [mode] has no key \"tls13\"; see deep.conf(5)" },
	{ "[mode]\nall = off\n", "deep.conf:2: [mode] has no key \"all\"; see deep.conf(5)" },
	{ "[mode x]\n", "deep.conf:1: there is no section [mode x]; see deep.conf(5)" },
	{ "[domain]\n", "deep.conf:1: [domain] has no title; write it as [domain example.org] or "
	    "[group pool]" },
	{ "[domain ]\n", "deep.conf:1: [domain ]: one space, then a title that is one word" },
	{ "[domain  a]\n", "deep.conf:1: [domain  a]: one space, then a title that is one word" },
	{ "[domain a b]\n", "deep.conf:1: [domain a b]: one space, then a title that is one word" },
	{ "[domain example.org]\nall = off\ntls12 = warn\n", NULL },
	{ "[domain b\xc3\xbc" "cher.example]\nall = off\n", NULL },
	{ "[domain 192.0.2.1]\nall = off\n", "deep.conf:2: [domain 192.0.2.1] all: \"192.0.2.1\" is "
	    "no domain; write it as example.org" },
	{ "[domain one]\nall = off\nnames = 192.0.2.1\n", "deep.conf:3: [domain one] names: "
	    "\"192.0.2.1\" is no domain; write it as example.org" },
	{ "[domain a.example]\nall = off\n[domain A.example.]\nall = warn\n", "deep.conf:4: the "
	    "domain a.example is in [domain a.example] and in [domain A.example.]; delete one of"
	    " them" },
	{ "[domain x]\nnames = a.example\n\tb.example\n c.example,d.example\n", NULL },
	{ "[domain x]\nnames =\n", "deep.conf:2: [domain x] names = : from 1 to 1000 words" },
	{ "[policy]\nconfirm = 3\n 4\n", "deep.conf:3: white space at the start, but [policy] confirm"
	    " is no list; begin the line with a key" },
	{ "[policy]\nconfirm = 3\n  [mode]\n", "deep.conf:3: white space at the start, but [policy]"
	    " confirm is no list; begin the line with a key" },
	{ "[domain example.org]\n", "deep.conf:1: [domain example.org] has no key; write what is to "
	    "hold for it, or delete it" },
	{ "[domain a.example]\nall = off\n\n[domain b.example]\n# all = off\n[mode]\ntls10 = off\n",
	    "deep.conf:4: [domain b.example] has no key; write what is to hold for it, or delete "
	    "it" },
	{ "[domain a.example]\n[domain a.example]\nall = off\n", "deep.conf:1: [domain a.example] "
	    "has no key; write what is to hold for it, or delete it" },
	{ "[group pool]\n", "deep.conf:1: [group pool] has no key; write its \"hosts\", or delete "
	    "it" },
	{ "[policy]\n[mode]\n", NULL },
	{ "[group Pool]\n", "deep.conf:1: [group Pool]: the name of a group is of a-z, 0-9 and \"-\","
	    " a letter first" },
	{ "[group a.b]\n", "deep.conf:1: [group a.b]: the name of a group is of a-z, 0-9 and \"-\","
	    " a letter first" },
	{ "[group pool]\nhosts = a.example 192.0.2.1 2001:db8::1\n", NULL },
	{ "[group pool]\nhosts = a.example a_*\n", "deep.conf:2: [group pool] hosts: \"a_*\" is no "
	    "host; write it as example.org" },
	{ "[group one]\nhosts = a.example\n[group two]\nhosts = A.example\n", "deep.conf:4: the host "
	    "a.example is in [group one] and in [group two]; delete one of them" },
	{ "[policy]\nexempt = a.example b\xc3\xbc" "cher.example\n", NULL },
	{ "[policy]\nexempt = a.example @\n", "deep.conf:2: [policy] exempt: \"@\" is no domain; "
	    "write it as example.org" },
	{ "[policy]\nconfirm = 5\nno\x01 = \x1b[2J\n",
	    "deep.conf:3: [policy] has no key \"no?\"; see deep.conf(5)" },
	/* the first fault of several */
	{ "[policy]\nfirst = 5\nconfirm = x\n[x]\n",
	    "deep.conf:2: [policy] has no key \"first\"; see deep.conf(5)" },
};

static void
test_files(void)
{
	struct deep_config	*config = deep_config_new();
	enum deep_status	 answer;
	size_t			 i;

	is(deep_config_error(config), "", "no error at first");
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		is_int(read_text(config, "[policy]\nconfirm = 77\n"), DEEP_YES, "file %zu: before", i);
		answer = read_text(config, files[i].text);
		is_int(answer, files[i].error == NULL ? DEEP_YES : DEEP_BAD, "file %zu", i);
		is(deep_config_error(config), files[i].error == NULL ? "" : files[i].error,
		    "file %zu: what it says", i);
		if (files[i].error != NULL)
			is_int(deep_config_number(config, "policy", "confirm"), 77,
			    "file %zu: the last good one holds", i);
		else
			cmp_ok(deep_config_number(config, "policy", "confirm"), !=, 77,
			    "file %zu: nothing of the one before is left", i);
	}
	deep_config_free(config);
}

/* libinih would cut a line at 199 octets and a section at 49 without a word. */
static void
test_limits(void)
{
	struct deep_config	*config = deep_config_new();
	char			 text[1024];
	size_t			 n;
	int			 more;

	for (more = 0; more < 2; more++) {
		memset(text, 0, sizeof(text));
		strcpy(text, "[policy]\n# ");
		n = strlen(text);
		memset(text + n, 'a', 195 + (size_t)more);
		strcat(text, "\n");
		is_int(read_text(config, text), more ? DEEP_BAD : DEEP_YES,
		    "a line of %d octets", 197 + more);
		memset(text, 0, sizeof(text));
		strcpy(text, "[domain ");
		memset(text + 8, 'a', 42 + (size_t)more);
		strcat(text, "]\nall = off\n");
		is_int(read_text(config, text), more ? DEEP_BAD : DEEP_YES,
		    "a section of %d octets", 49 + more);
		if (!more) {
			text[50] = '\0';
			is_int(deep_config_number(config, text + 1, "all"), DEEP_OFF, "all of it counts");
		}
	}
	is(deep_config_error(config), "deep.conf:1: more than 49 octets between \"[\" and \"]\"; give it"
	    " a short title and the domain as \"names\"", "and it says so");
	is_int(deep_config_text_read(config, "deep.conf", (struct deep_str){ "[policy]\0\n", 10 }),
	    DEEP_BAD, "a NUL");
	is(deep_config_error(config), "deep.conf:1: a NUL octet; this is no text", "says so");
	deep_config_free(config);
}

static void
test_answers(void)
{
	struct deep_config	*config = deep_config_new();
	const char		*text = "[store]\nurl = redis://localhost/3\n"
	    "[policy]\nconfirm-over = 1d12h\nset = handshake\nprofile = default\n"
	    "[domain x]\nnames = a.example,\n  b.example  c.example\ntls-pfs = warn\n"
	    "[group pool]\nhosts = mx.example\n";

	is_int(read_text(config, text), DEEP_YES, "a whole one");
	is(deep_config_text(config, "store", "url"), "redis://localhost/3", "a text");
	is_int(deep_config_number(config, "store", "url"), -1, "which is no number");
	is_int(deep_config_number(config, "policy", "confirm-over"), 36 * 3600, "a time");
	is_int(deep_config_number(config, "policy", "set"), 1, "the place of a choice");
	is_int(deep_config_number(config, "policy", "permanent"), 0, "a switch");
	is(deep_config_text(config, "domain x", "names"), "a.example b.example c.example",
	    "a list over two lines");
	is_int(deep_config_number(config, "domain x", "names"), 3, "its words");
	is_int(deep_config_number(config, "domain x", "tls-pfs"), DEEP_WARN, "a mode");
	is_int(deep_config_number(config, "domain x", "all"), -1, "a key that is not set");
	is(deep_config_text(config, "domain x", "all"), "", "nor a text");
	is_int(deep_config_number(config, "domain y", "all"), -1, "a section that is not there");
	is_int(deep_config_number(config, "policy", "nonsense"), -1, "a key that there is not");
	is(deep_config_text(config, "nonsense", "nonsense"), "", "a section that there is not");
	is(deep_config_section(config, DEEP_CONFIG_DOMAIN, "b.example"), "domain x",
	    "the section of a domain");
	is(deep_config_section(config, DEEP_CONFIG_DOMAIN, "x"), NULL, "its title is none then");
	is(deep_config_section(config, DEEP_CONFIG_HOST, "mx.example"), "group pool",
	    "the group of a host");
	is(deep_config_section(config, DEEP_CONFIG_DOMAIN, "mx.example"), NULL,
	    "which is no domain");
	is_int(deep_config_number(NULL, "policy", "confirm"), 3, "NULL has the defaults");
	deep_config_free(config);
	deep_config_free(NULL);
}

/* Real files. */
static void
test_reading(void)
{
	struct deep_config	*config = deep_config_new();
	char			 folder[] = "/tmp/config.XXXXXX", path[64], error[128];
	FILE			*stream;
	long			 i;

	if (mkdtemp(folder) == NULL) {
		fail("a folder");
		return;
	}
	snprintf(path, sizeof(path), "%s/deep.conf", folder);
	is_int(deep_config_read(config, path), DEEP_FAIL, "a file that is not there");
	snprintf(error, sizeof(error), "%s: No such file or directory; check the path and who may "
	    "read it", path);
	is(deep_config_error(config), error, "says so");
	is_int(deep_config_read(config, folder), DEEP_FAIL, "a folder");
	snprintf(error, sizeof(error), "%s: a folder; name the file in it", folder);
	is(deep_config_error(config), error, "says so");
	stream = fopen(path, "w");
	fputs("[policy]\nconfirm = 9\n", stream);
	fclose(stream);
	is_int(deep_config_read(config, path), DEEP_YES, "a file");
	is_int(deep_config_number(config, "policy", "confirm"), 9, "is read");
	stream = fopen(path, "w");
	for (i = 0; i < 1024 * 1024 / 16; i++)
		fputs("###############\n", stream);
	fclose(stream);
	is_int(deep_config_read(config, path), DEEP_YES, "1 MiB");
	stream = fopen(path, "a");
	fputs("\n", stream);
	fclose(stream);
	is_int(deep_config_read(config, path), DEEP_BAD, "and an octet");
	unlink(path);
	rmdir(folder);
	deep_config_free(config);
}

/*
 * deep.conf(5): the text of an item, from ".It Cm KEY" below ".Ss [SECTION" to the next
 * item that is not directly below, macros and line ends taken away.
 */
static void
item(char *buf, size_t size, const char *page, const char *section, const char *key)
{
	char		 heading[64], wanted[64];
	const char	*p, *end, *line;
	size_t		 n = 0;
	int		 text = 0;

	buf[0] = '\0';
	snprintf(heading, sizeof(heading), "\n.Ss [%s", section);
	snprintf(wanted, sizeof(wanted), "\n.It Cm %s\n", key);
	if ((p = strstr(page, heading)) == NULL || (p[strlen(heading)] != ']' &&
	    p[strlen(heading)] != ' '))
		return;
	end = strstr(p + 1, "\n.Ss ");
	line = strstr(p, wanted);
	if (line == NULL || (end != NULL && line > end))
		return;
	for (line += strlen(wanted); *line != '\0'; line = *end == '\0' ? end : end + 1) {
		end = line + strcspn(line, "\n");
		if (strncmp(line, ".El", 3) == 0 || strncmp(line, ".Ss", 3) == 0 ||
		    (strncmp(line, ".It", 3) == 0 && text))
			break;
		if (*line == '.')
			continue;
		text = 1;
		if (n + (size_t)(end - line) + 2 > size)
			break;
		memcpy(buf + n, line, (size_t)(end - line));
		n += (size_t)(end - line);
		buf[n++] = ' ';
		buf[n] = '\0';
	}
}

static const char *
figure(char buf[32], const struct row *row, int64_t n)
{
	int	seconds = strcmp(row->kind, "SECONDS") == 0;

	snprintf(buf, 32, seconds && n >= 86400 && n % 86400 == 0 ? "%lldd" :
	    seconds ? "%llds" : "%lld",
	    (long long)(seconds && n >= 86400 && n % 86400 == 0 ? n / 86400 : n));
	return buf;
}

static void
test_manual(void)
{
	static char	 page[65536];
	FILE		*stream = fopen("shared/deep.conf.5", "r");
	char		 text[4096], wanted[256], least[32], most[32], *p;
	size_t		 i, n;
	int		 items = 0, keys = 0;

	if (stream == NULL) {
		fail("shared/deep.conf.5 can be read, from the top of the tree");
		return;
	}
	n = fread(page, 1, sizeof(page) - 1, stream);
	page[n] = '\0';
	fclose(stream);
	for (i = 0; i < NROW; i++) {
		item(text, sizeof(text), page, rows[i].section, rows[i].key);
		ok(text[0] != '\0', "deep.conf.5 has [%s] %s", rows[i].section, rows[i].key);
		if (rows[i].choices != NULL) {
			snprintf(wanted, sizeof(wanted), "One of ");
			for (p = wanted + strlen(wanted), n = 0; rows[i].choices[n] != '\0'; n++) {
				if (rows[i].choices[n] == ' ')
					*p++ = ',';
				*p++ = rows[i].choices[n];
			}
			*p = '\0';
		} else
			snprintf(wanted, sizeof(wanted), "From %s to %s%s",
			    figure(least, &rows[i], rows[i].least), figure(most, &rows[i], rows[i].most),
			    strcmp(rows[i].kind, "TEXT") == 0 || strcmp(rows[i].kind, "STATUS") == 0 ?
			    " octets" : rows[i].kind[0] == 'N' || rows[i].kind[0] == 'S' ? "" : " words");
		ok(strstr(text, wanted) != NULL, "[%s] %s: \"%s\"", rows[i].section, rows[i].key, wanted);
		if (rows[i].standard == NULL || rows[i].standard[0] == '\0')
			snprintf(wanted, sizeof(wanted), " by default");
		else
			snprintf(wanted, sizeof(wanted), "the default is %s", rows[i].standard);
		p = strstr(text, wanted);
		ok(p != NULL || (wanted[0] == ' ' && strstr(text, "by default") != NULL),
		    "[%s] %s: \"%s\"", rows[i].section, rows[i].key, wanted);
	}
	/* And nothing else. */
	p = strstr(page, "\n.Sh SECTIONS");
	while (p != NULL) {
		p = strstr(p + 1, "\n.");
		if (p == NULL || strncmp(p, "\n.Sh", 4) == 0)
			break;
		items += strncmp(p, "\n.It Cm ", 8) == 0;
	}
	for (i = 0; i < NROW; i++)
		keys++;
	is_int(items, keys, "deep.conf.5 has no other key");
}

/* contrib/deep.conf says what the defaults are: it is read, and without its comment
 * signs too. */
static void
test_example(void)
{
	struct deep_config	*config = deep_config_new();
	struct deep_policy	 before, after;
	FILE			*stream = fopen("contrib/deep.conf", "r");
	char			 text[16384], *p;
	size_t			 n;

	if (stream == NULL) {
		fail("contrib/deep.conf can be read, from the top of the tree");
		deep_config_free(config);
		return;
	}
	n = fread(text, 1, sizeof(text) - 1, stream);
	text[n] = '\0';
	fclose(stream);
	is_int(read_text(config, text), DEEP_YES, "contrib/deep.conf is read");
	is(deep_config_error(config), "", "without an error");
	deep_policy_of(&before, NULL, NULL);
	deep_policy_of(&after, config, "example.org");
	ok(memcmp(&before, &after, sizeof(before)) == 0, "and changes nothing");
	/* "#key = value" is a setting; "# text" is a comment */
	for (p = text; (p = strstr(p, "\n#")) != NULL; p++)
		if (p[2] != ' ' && p[2] != '\n' && p[2] != '#')
			p[1] = '\n';
	is_int(read_text(config, text), DEEP_YES, "all that it shows can be set");
	is(deep_config_error(config), "", "without an error");
	deep_policy_of(&after, config, "nobody.example");
	ok(memcmp(&before, &after, sizeof(before)) == 0, "and it shows the defaults");
	deep_policy_of(&after, config, "bank.example");
	ok(memcmp(&before, &after, sizeof(before)) != 0, "but for its own domains");
	deep_config_free(config);
}

int
main(void)
{
	test_rows();
	test_files();
	test_limits();
	test_answers();
	test_reading();
	test_manual();
	test_example();
	return done_testing();
}
