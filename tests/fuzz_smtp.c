/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_smtp.c - the readers of deep-relay: replies of a host, commands of a client,
 * message text.
 *
 * Input: an octet that says how text is cut into pieces, then the octets.  They are
 * read as replies, as command lines, and as text in both forms; what is written has
 * no line end but CRLF, ends nowhere but at its end, and is the same however it was
 * cut.
 */
#include "../modules/relay/relay.h"

#include "fuzz.h"

static void
check_replies(struct deep_str text)
{
	struct deep_str		rest = text, before, again, name;
	struct smtp_reply	reply, same;
	char			*out;
	size_t			 i;
	int			 n;

	for (;;) {
		before = rest;
		if (smtp_reply_next(&rest, &reply) != DEEP_YES) {
			MUST(rest.p == before.p && rest.n == before.n);
			return;
		}
		MUST(rest.n < before.n && is_inside(reply.text, before));
		MUST(is_inside(reply.status, before));
		MUST(reply.code >= 200 && reply.code <= 599 && reply.lines > 0);
		smtp_offers(&reply, &name);
		MUST(is_inside(name, before));
		n = smtp_reply_emit(NULL, 0, &reply, "2.0.0");
		MUST(n > 0);
		out = malloc((size_t)n + 1);
		MUST(out != NULL);
		MUST(smtp_reply_emit(out, (size_t)n + 1, &reply, "2.0.0") == n);
		MUST(strlen(out) == (size_t)n);
		for (i = 0; i < (size_t)n; i++) {
			MUST((out[i] >= 0x20 && out[i] < 0x7f) ||
			    (out[i] == '\r' && out[i + 1] == '\n') ||
			    (out[i] == '\n' && i > 0 && out[i - 1] == '\r'));
		}
		again.p = out;
		again.n = (size_t)n;
		if (n <= REPLY_MAX) {
			MUST(smtp_reply_next(&again, &same) == DEEP_YES && again.n == 0);
			MUST(same.code == reply.code && same.lines == reply.lines);
		}
		free(out);
	}
}

static void
check_command(struct deep_str line)
{
	struct deep_str		rest, name, value;
	struct smtp_path	path;
	size_t			i;

	smtp_verb(line, &rest);
	MUST(is_inside(rest, line));
	if (smtp_path_next(&rest, "TO", &path) != DEEP_YES &&
	    smtp_path_next(&rest, "FROM", &path) != DEEP_YES)
		return;
	MUST(is_inside(path.address, line) && is_inside(path.domain, path.address));
	MUST(path.address.n <= PATH_MAX_OCTETS);
	for (i = 0; i < path.address.n; i++)
		MUST((unsigned char)path.address.p[i] >= 0x20 && path.address.p[i] != 0x7f);
	while (smtp_parameter_next(&rest, &name, &value) == DEEP_YES) {
		MUST(name.n > 0 && is_inside(name, line) && is_inside(value, line));
		smtp_is_xtext(value);
		smtp_notify(value);
	}
}

/* All of it, cut in pieces, which move as they are where quick is set and they may; the
 * answer: what was written, to be freed. */
static char *
mend(struct deep_str in, size_t piece, int plain, int quick, struct smtp_text *text,
    size_t *written)
{
	char	*out = malloc(SMTP_TEXT_ROOM(in.n) + 16), *more;
	size_t	 taken, n;

	MUST(out != NULL && piece > 0);
	memset(text, 0, sizeof(*text));
	text->plain = plain != 0;
	*written = 0;
	while (in.n > 0 && !text->ended) {
		struct deep_str	part = exact_copy(in.p, in.n < piece ? in.n : piece);
		char		*room = malloc(SMTP_TEXT_ROOM(part.n));

		MUST(room != NULL);
		taken = quick ? smtp_text_same(text, part) : 0;
		MUST(taken <= part.n);
		n = taken;
		if (taken > 0) {
			memcpy(room, part.p, n);
		} else
			taken = smtp_text(text, part, room, &n);
		MUST(n <= SMTP_TEXT_ROOM(part.n));
		MUST(taken == part.n || quick || (text->ended && taken < part.n));
		more = realloc(out, *written + n + 16);
		MUST(more != NULL);
		out = more;
		memcpy(out + *written, room, n);
		*written += n;
		in.p += taken;
		in.n -= taken;
		free(room);
		free((char *)(uintptr_t)part.p);
	}
	*written += smtp_text_end(text, out + *written);
	return out;
}

static void
check_text(struct deep_str in, size_t piece, int plain)
{
	struct smtp_text	whole, parts, again;
	size_t			n, m, i, ends = 0;
	char			*out, *other;
	struct deep_str		made;

	out = mend(in, in.n + 1, plain, 0, &whole, &n);
	other = mend(in, piece, plain, 0, &parts, &m);
	MUST(n == m && memcmp(out, other, n) == 0 && whole.ended == parts.ended);
	free(other);
	other = mend(in, in.n + 1, plain, 1, &parts, &m);
	MUST(n == m && memcmp(out, other, n) == 0 && whole.ended == parts.ended);
	free(other);
	other = mend(in, piece * 100, plain, 1, &parts, &m);
	MUST(n == m && memcmp(out, other, n) == 0 && whole.octets == parts.octets);
	free(other);
	for (i = 0; i < n; i++) {
		MUST(out[i] != '\n' || (i > 0 && out[i - 1] == '\r'));
		MUST(out[i] != '\r' || (i + 1 < n && out[i + 1] == '\n'));
		if (out[i] == '.' && (i == 0 || out[i - 1] == '\n') && i + 2 < n &&
		    out[i + 1] == '\r' && out[i + 2] == '\n') {
			ends++;
			MUST(i + 3 == n);
		}
	}
	MUST(ends == 1);
	/* What we write, we read as one text that needs no mending. */
	made.p = out;
	made.n = n;
	other = mend(made, n, 0, 0, &again, &m);
	MUST(again.ended && !again.fixed && m == n && memcmp(out, other, n) == 0);
	free(other);
	free(out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_str	text;
	size_t		piece;

	if (n == 0 || n > 4 * REPLY_MAX)
		return 0;
	piece = (size_t)data[0] % 16 + 1;
	text = exact_copy(data + 1, n - 1);
	check_replies(text);
	check_command(text);
	check_text(text, piece, 0);
	check_text(text, piece, 1);
	smtp_header_bypass(text);
	free((char *)(uintptr_t)text.p);
	return 0;
}
