/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * mime.c - the parts of messages, one row each: types, bodies and depths, what
 * is forgiven, and each limit on both sides.  Every message is read whole and
 * cut at every octet, with its end at a page that nobody may read.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer.h"
#include "tap.h"

#define ROOM	((size_t)4 * 1024 * 1024)

/* "depth type body|" for each part, "!|" for a limit without a part, "!" before
 * a part that was given out with one.  Messages are entered. */
static const struct row {
	const char	*name, *text, *parts;
} rows[] = {
	{ "no header", "\nbody", "0 text/plain body|" },
	{ "nothing", "", "0 text/plain |" },
	{ "no type", "Subject: x\n\nbody\n", "0 text/plain body\n|" },
	{ "no body", "Subject: x\n", "0 text/plain |" },
	{ "a type with parameters", "Content-Type: Text/HTML; charset=x\n\nb",
	  "0 Text/HTML b|" },
	{ "a type that is none", "Content-Type: text\n\nb", "0 text/plain b|" },
	{ "a comment before it", "Content-type: (a \\) b) text/html (c)\n\nb",
	  "0 text/html b|" },
	{ "two parts", "Content-Type: multipart/mixed; boundary=b\n\npreamble\n--b\n\n"
	  "one\n"
	  "--b\nContent-Type: a/b\n\ntwo\n\n--b--\nepilogue\n",
	  "1 text/plain one|1 a/b two\n|" },
	{ "CRLF", "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n"
	  "--b  \r\n"
	  "Content-Type: a/b\r\n\r\ntwo\r\n--b--\r\n", "1 text/plain one|1 a/b two|" },
	{ "not closed", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n"
	  "\ntwo\n",
	  "1 text/plain one|1 text/plain two\n|" },
	{ "no blank before the parameter",
	  "Content-Type: multipart/mixed;boundary=\"b\"\n\n"
	  "--b\n\none\n--b--\n", "1 text/plain one|" },
	{ "upper case, blanks, comments, doubled semicolon",
	  "CONTENT-TYPE: MULTIPART/MIXED;;\n"
	  "\t(x) BOUNDARY (y) = (z; boundary=c) \"b\" (w)\n\n--b\n\none\n--b--\n",
	  "1 text/plain one|" },
	{ "a boundary that begins with blanks",
	  "Content-Type: multipart/mixed;boundary=\"   1/h\""
	  "\n\n--   1/h\n\none\n--   1/h--\n", "1 text/plain one|" },
	{ "slash and dot",
	  "Content-Type: multipart/mixed; boundary=\"A.1/h.example.org\"\n\n"
	  "--A.1/h.example.org\n\none\n--A.1/h.example.org--\n", "1 text/plain one|" },
	{ "an unquoted one with = and ,",
	  "Content-Type: multipart/mixed; boundary=_=a,b;x=y\n\n"
	  "--_=a,b\n\none\n--_=a,b--\n", "1 text/plain one|" },
	{ "a quoted pair", "Content-Type: multipart/mixed; boundary=\"a\\\"b\"\n\n"
	  "--a\"b\n\none\n"
	  "--a\"b--\n", "1 text/plain one|" },
	{ "in pieces (RFC 2231)", "Content-Type: multipart/mixed; boundary*0=a;\n"
	  " boundary*1=\"b\"\n\n--ab\n\none\n--ab--\n", "1 text/plain one|" },
	{ "another parameter that holds the word", "Content-Type: multipart/mixed;\n"
	  " x=\"; boundary=c\"; boundary=b\n\n--b\n\none\n--b--\n", "1 text/plain one|"
	  },
	{ "no boundary", "Content-Type: multipart/mixed\n\nbody",
	  "0 multipart/mixed body|" },
	{ "a boundary that never comes", "Content-Type: multipart/mixed; boundary=b\n\n"
	  "body", "" },
	{ "a line that goes on behind the boundary",
	  "Content-Type: multipart/mixed; boundary=b"
	  "\n\n--b\n\none\n--bb\n-- b\n--b x\n--b--\n",
	  "1 text/plain one\n--bb\n-- b\n--b x|" },
	{ "an empty part", "Content-Type: multipart/mixed; boundary=b\n\n--b\n--b\n\n"
	  "--b--\n",
	  "1 text/plain |1 text/plain |" },
	{ "no empty line behind the header",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\nContent-Type: a/b\nno field\n--b--\n", "1 a/b no field|" },
	{ "a closed boundary that comes again",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\n\none\n--b--\nepilogue\n--b\n\ntwo\n", "1 text/plain one|" },
	{ "inner closed", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
	  "Content-Type: multipart/alternative; boundary=c\n\n--c\n\none\n--c--\n\n"
	  "--b\n\ntwo\n"
	  "--b--\n", "2 text/plain one|1 text/plain two|" },
	{ "inner not closed", "Content-Type: multipart/mixed; boundary=b\n\n--b\n"
	  "Content-Type: multipart/alternative; boundary=bb\n\n--bb\n\none\n--b\n\n"
	  "two\n",
	  "2 text/plain one|1 text/plain two\n|" },
	{ "digest", "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: x\n"
	  "\none\n--b--\n",
	  "1 message/rfc822 Subject: x\n\none|2 text/plain one|" },
	{ "a message", "Content-Type: message/rfc822\n\nSubject: x\nno field\n"
	  "Content-Type: a/b\n\none",
	  "0 message/rfc822 Subject: x\nno field\nContent-Type: a/b\n\none|1 a/b one|"
	  },
	{ "a message in a part, the outer goes on",
	  "Content-Type: multipart/mixed; boundary=b\n\n"
	  "--b\nContent-Type: message/global\n\n"
	  "Content-Type: multipart/mixed; boundary=c\n\n--c\n\n"
	  "one\n--b\n\ntwo\n--b--",
	  "1 message/global Content-Type: multipart/mixed; boundary=c\n\n--c\n\none|"
	  "3 text/plain one|1 text/plain two|" },
	{ "NUL and 8-bit", "Content-Type: a/b\n\n\377\n", "0 a/b \377\n|" },
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

static char *room;	/* its end is followed by a page that nobody may read */

static struct deep_str
guarded(const char *text, size_t n)
{
	struct deep_str s = { room + ROOM - n, n };

	memmove(room + ROOM - n, text, n);
	return s;
}

static const char *
walk(struct deep_str message)
{
	static char buf[65536];
	struct mime mime;
	struct part part;
	enum deep_status answer;
	struct deep_fault fault;
	size_t n = 0;

	buf[0] = '\0';
	mime_start(&mime, message);
	while ((answer = mime_next(&mime, &part, &fault)) != DEEP_NO) {
		if (n + 512 > sizeof(buf))
			return "more than was thought";
		if (answer == DEEP_LIMIT)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "!");
		if (part.type.p != NULL)
			n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%d %.*s %.*s",
			    part.depth, (int)part.type.n, part.type.p,
			    (int)(part.body.n < 400 ? part.body.n : 400), part.body.p);
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "|");
		mime_enter(&mime);
	}
	return buf;
}

/* n multiparts or messages in each other, and what they give; NULL: a limit. */
static void
check_depth(const char *type, int n, const char *expected)
{
	char text[4096];
	size_t at = 0;
	int i, is_multipart = strncmp(type, "multipart/", 10) == 0;

	for (i = 0; i < n; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "Content-Type: %s; boundary=b%d\n\n", type, i);
		if (is_multipart)
			at += (size_t)snprintf(text + at, sizeof(text) - at, "--b%d\n",
			    i);
	}
	at += (size_t)snprintf(text + at, sizeof(text) - at, "Content-Type: a/b\n\nx");
	if (expected != NULL)
		is(walk(guarded(text, at)), expected, "%d times %s", n, type);
	else
		ok(strstr(walk(guarded(text, at)), "!|") != NULL, "%d times %s: limit",
		    n, type);
}

/* n parts: how many were given out, and how often a limit was named. */
static void
check_parts(int n, int parts, int limits)
{
	char *text = malloc(ROOM);
	size_t at = (size_t)sprintf(text, "Content-Type: multipart/mixed; boundary=b\n"
	    "\n");
	enum deep_status answer;
	struct mime mime;
	struct part part;
	int i;

	for (i = 0; i < n; i++)
		at += (size_t)sprintf(text + at, "--b\n\n%d\n", i);
	mime_start(&mime, guarded(text, at));
	while ((answer = mime_next(&mime, &part, NULL)) != DEEP_NO) {
		parts -= answer == DEEP_YES;
		limits -= answer == DEEP_LIMIT;
	}
	is_int(parts, 0, "%d parts: given out", n);
	is_int(limits, 0, "%d parts: limits", n);
	is_int(mime_next(&mime, &part, NULL), DEEP_NO, "%d parts: the end stays", n);
	free(text);
}

static void
check_boundary(size_t n, const char *expected)
{
	char edge[128], text[1024];
	int at;

	memset(edge, 'x', n);
	edge[n] = '\0';
	at = snprintf(text, sizeof(text),
	    "Content-Type: multipart/mixed; boundary=\"%s\"\n\n"
	    "--%s\n\none\n--%s--\n", edge, edge, edge);
	if (expected != NULL)
		is(walk(guarded(text, (size_t)at)), expected,
		    "a boundary of %zu octets", n);
	else
		is_int(walk(guarded(text, (size_t)at))[0], '!',
		    "a boundary of %zu octets", n);
}

/* A header of n octets. */
static void
check_header(size_t n, enum deep_status expected)
{
	char *text = malloc(ROOM);
	enum deep_status answer;
	struct mime mime;
	struct part part;
	size_t i;

	for (i = 0; i < n; i++)
		text[i] = "X-Field: some value that is one line\n"[i % 37];
	text[n - 1] = '\n';
	memcpy(text + n, "\nbody", 5);
	mime_start(&mime, guarded(text, n + 5));
	answer = mime_next(&mime, &part, NULL);
	is_int(answer, expected, "a header of %zu octets", n);
	is_int(part.header.n, n < HEADER_MAX ? n : HEADER_MAX, "of which is kept");
	is_str(part.body, "body", "and its body");
	free(text);
}

static void
check_decode(struct arena *arena)
{
	static const struct {
		const char	*encoding, *body, *decoded;
	} codes[] = {
		{ "7bit", "a=3D", "a=3D" },
		{ "", "a=3D", "a=3D" },
		{ "quoted-printable", "a=3Db=3d", "a=b=" },
		{ "Quoted-Printable", "a=\nb=\r\nc= \nd", "abcd" },
		{ "quoted-printable", "a  \nb\t\r\nc ", "a\nb\r\nc" },
		{ "quoted-printable", "a b=ZZ=4", "a b=ZZ=4" },
		{ "quoted-printable", "a=", "a" },
		{ "base64", "SGVs\nbG8=\n", "Hello" },
		{ "BASE64", "SGVsbG8=SGk=", "HelloHi" },
		{ "base64", "S*GV sbG8", "Hello" },
		{ "base64", "S", "" },
	};
	struct part part;
	struct deep_str got;
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		memset(&part, 0, sizeof(part));
		part.encoding = deep_str(codes[i].encoding);
		part.body = guarded(codes[i].body, strlen(codes[i].body));
		got = part_decode(&part, arena);
		is_str(got, codes[i].decoded, "%s of %s", codes[i].encoding,
		    codes[i].body);
		ok(got.n <= part.body.n, "%s: not longer than it was",
		    codes[i].encoding);
	}
}

int
main(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), i, n;
	struct arena *arena = arena_new();

	room = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED || mprotect(room + ROOM, page, PROT_NONE) != 0)
		plan_skip_all("no guard page");

	for (i = 0; i < NROW; i++) {
		is(walk(guarded(rows[i].text, strlen(rows[i].text))), rows[i].parts,
		    "%s",
		    rows[i].name);
		for (n = 0; n <= strlen(rows[i].text); n++)
			walk(guarded(rows[i].text, n));
		ok(1, "%s: all prefixes", rows[i].name);
	}
	check_depth("multipart/mixed", MIME_DEPTH_MAX, "8 a/b x|");
	check_depth("multipart/mixed", MIME_DEPTH_MAX + 1,
	    "!8 multipart/mixed --b8\nContent-Type: a/b\n\nx|");
	check_depth("message/rfc822", MIME_DEPTH_MAX + 1, NULL);
	check_parts(MIME_PART_MAX, MIME_PART_MAX, 0);
	check_parts(MIME_PART_MAX + 1, MIME_PART_MAX, 1);
	check_boundary(BOUNDARY_MAX, "1 text/plain one|");
	check_boundary(BOUNDARY_MAX + 1, NULL);
	check_header(HEADER_MAX, DEEP_YES);
	check_header(HEADER_MAX + 1, DEEP_LIMIT);
	check_decode(arena);
	arena_free(arena);
	return done_testing();
}
