/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * htmltext.c - octets of a message as text of HTML (and of SVG inside it).
 *
 * Only printable characters go through, and of these & < > " and ' as
 * references.  What moves, hides or turns text round, and octets that are no
 * UTF-8, are written by their number.  Never writes a character of a message
 * as markup.
 */
#include <string.h>

#include "html.h"
#include "utf8.h"

/* One character at p, and how many columns it took; *n: its octets. */
static size_t
character(FILE *out, const char *p, size_t left, size_t *n, int spans)
{
	uint32_t point = 0;
	char number[16];

	*n = utf8_next(p, left, &point);
	if (*n == 0) {
		*n = 1;
		snprintf(number, sizeof(number), "0x%02X", (unsigned char)*p);
	} else if (utf8_is_hostile(point) || point >= 0xf0000 || (point & 0xfffe) == 0xfffe ||
	    (point >= 0xfdd0 && point <= 0xfdef) || (point >= 0xe000 && point <= 0xf8ff)) {
		snprintf(number, sizeof(number), "U+%04X", (unsigned)point);
	} else {
		switch (point) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		case '\'':
			fputs("&#39;", out);
			break;
		default:
			fwrite(p, 1, *n, out);
		}
		return point >= 0x1100 ? 2 : 1;
	}
	fprintf(out, spans ? "<span class=\"odd\">%s</span>" : "[%s]", number);
	return strlen(number) + 2;
}

static void
characters(FILE *out, struct deep_str text, size_t most, int spans)
{
	size_t i = 0, n, columns = 0;

	while (i < text.n && (most == 0 || columns < most)) {
		columns += character(out, text.p + i, text.n - i, &n, spans);
		i += n;
	}
	if (i < text.n)
		fputs("\342\200\246", out);
}

void
html_text(FILE *out, struct deep_str text, size_t most)
{
	if (text.p == NULL) {
		fputs("<span class=\"none\">not recorded</span>", out);
		return;
	}
	fputs("<bdi>", out);
	characters(out, text, most, 1);
	fputs("</bdi>", out);
}

void
html_lines(FILE *out, struct deep_str text, size_t most)
{
	size_t left = text.n < most ? text.n : most;
	struct deep_str line = text;

	while (left > 0) {
		const char *end = memchr(line.p, '\n', left);
		size_t whole = end == NULL ? left : (size_t)(end - line.p) + 1;

		line.n = whole - (end != NULL) - (end != NULL && whole > 1 && end[-1] == '\r');
		left -= whole;
		end = line.p + whole;
		for (; line.n > 0 && *line.p == '\t'; line.p++, line.n--)
			putc('\t', out);		/* as a fold begins */
		html_text(out, line, 0);
		if (end[-1] == '\n')
			putc('\n', out);
		line.p = end;
	}
	if (text.n > most)
		fputs("\342\200\246", out);
}

void
html_plain(FILE *out, struct deep_str text, size_t most)
{
	if (text.p != NULL)
		characters(out, text, most, 0);
}

void
html_name(FILE *out, struct deep_str text, size_t most)
{
	struct deep_str head, tail;

	if (text.p == NULL || text.n <= most) {
		html_plain(out, text, most);
		return;
	}
	name_cut(text, most - most * 2 / 3, most * 2 / 3, &head, &tail);
	characters(out, head, most, 0);
	fputs("\342\200\246", out);
	characters(out, tail, most, 0);
}
