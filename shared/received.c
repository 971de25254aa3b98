/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * received.c - Received fields: written by RFC 5321 4.4, read as loosely as
 * RFC 5322 section 4 and a million real ones ask.
 *
 *	received = *( clause / comment / ";" ) [ ";" date-time ] *( clause / comment )
 *	clause	 = keyword *( word / comment )
 *	keyword	 = "from" / "by" / "via" / "with" / "id" / "for" / "tls" / "group" / other
 *
 * A keyword is a word of its own outside comments.  The word behind a keyword
 * is its value, whatever it says, unless it is one of the first six.  From, by,
 * via and with take all words up to the next keyword; id and for take one, and
 * each word behind that opens an additional clause (RFC 5321: Atom FWS String).
 *
 * A fault never ends the reading.  Knows no MTA: what stands in comments is
 * given out, not understood.
 */
#include <string.h>

#include "deep.h"
#include "word.h"

/* Unclosed comments are looked for to the end; more of them than this, and the
 * field is given up, so that the work stays linear. */
#define UNCLOSED_MAX 4

/* ASCII case apart; letters only, in lower case, are compared with. */
#define IS(p, i, letter)	(((p)[i] | 0x20) == (letter))

static enum deep_clause_kind
keyword(struct deep_str word)
{
	const char *p = word.p;

	switch (word.n) {
	case 2:
		if (IS(p, 0, 'b') && IS(p, 1, 'y'))
			return DEEP_BY;
		return IS(p, 0, 'i') && IS(p, 1, 'd') ? DEEP_ID : DEEP_OTHER;
	case 3:
		if (IS(p, 0, 'f') && IS(p, 1, 'o') && IS(p, 2, 'r'))
			return DEEP_FOR;
		if (IS(p, 0, 'v') && IS(p, 1, 'i') && IS(p, 2, 'a'))
			return DEEP_VIA;
		return IS(p, 0, 't') && IS(p, 1, 'l') && IS(p, 2, 's') ? DEEP_TLS : DEEP_OTHER;
	case 4:
		if (IS(p, 0, 'f') && IS(p, 1, 'r') && IS(p, 2, 'o') && IS(p, 3, 'm'))
			return DEEP_FROM;
		return IS(p, 0, 'w') && IS(p, 1, 'i') && IS(p, 2, 't') && IS(p, 3, 'h') ?
		    DEEP_WITH : DEEP_OTHER;
	case 5:
		return IS(p, 0, 'g') && IS(p, 1, 'r') && IS(p, 2, 'o') && IS(p, 3, 'u') &&
		    IS(p, 4, 'p') ? DEEP_GROUP : DEEP_OTHER;
	default:
		return DEEP_OTHER;
	}
}

/* Can this word begin a date that no ";" announces?  The name of a day has a comma behind
 * it, which it needs not where no value can go on. */
static int
looks_like_date(struct deep_str word, const char *behind, const char *end, int alone)
{
	static const char days[] = "montuewedthufrisatsun";
	int i;

	if (word.n == 10 && word.p[4] == '-' && word.p[7] == '-' && deep_digit(word.p[0]))
		return 1;
	if (word.n != 3 || behind == end || (*behind != ',' && !(alone && deep_space(*behind))))
		return 0;
	for (i = 0; i < 7; i++) {
		if (deep_lower(word.p[0]) == days[i * 3] &&
		    deep_lower(word.p[1]) == days[i * 3 + 1] &&
		    deep_lower(word.p[2]) == days[i * 3 + 2])
			return 1;
	}
	return 0;
}

struct reader {
	struct deep_received	*out;
	struct deep_words	 words;		/* what is left */
	struct deep_clause	*clause;	/* the one that is open */
	struct deep_fault	*fault;
	const char		*begin;
	enum deep_status	 answer;
	int			 count;		/* words in the open clause, keyword not counted */
};

static void
blame(struct reader *r, enum deep_status answer, const char *at, const char *why)
{
	if (r->answer != DEEP_YES)
		return;			/* the first one is reported */
	r->answer = answer;
	deep_blame(r->fault, (size_t)(at - r->begin), why);
}

static void
open_clause(struct reader *r, enum deep_clause_kind kind, struct deep_str name)
{
	struct deep_received *out = r->out;

	r->count = 0;
	if (out->nclause == DEEP_CLAUSE_MAX) {
		blame(r, DEEP_LIMIT, name.p, "more than 32 clauses");
		return;			/* the rest goes to the last one */
	}
	r->clause = &out->clause[out->nclause++];
	r->clause->kind = kind;
	r->clause->name = name;
	r->clause->value = r->clause->first = (struct deep_str){ NULL, 0 };
	r->clause->all = name;
}

/* Puts a word or comment behind what the open clause holds. */
static void
extend(struct deep_str *all, struct deep_str text)
{
	if (all->p == NULL)
		*all = text;
	else
		all->n = (size_t)(text.p + text.n - all->p);
}

static void
add_comment(struct reader *r, const struct deep_word *word)
{
	struct deep_received *out = r->out;

	extend(&r->clause->all, word->text);
	if (out->ncomment == DEEP_COMMENT_MAX) {
		blame(r, DEEP_LIMIT, word->text.p, "more than 32 comments");
		return;
	}
	out->comment[out->ncomment].kind = r->clause->kind;
	out->comment[out->ncomment++].text = word->inner;
}

/* Tries a date at p; white space behind the separator may be missing. */
static int
read_date(struct reader *r, const char *p)
{
	struct deep_str rest = { p, (size_t)(r->words.end - p) }, here = rest;
	struct deep_word word;
	struct deep_date date;

	if (deep_date_next(&here, &date, NULL) != DEEP_YES)
		return 0;
	/* comments between the separator and the date (IBM) are kept */
	open_clause(r, DEEP_DATE, (struct deep_str){ p, 0 });
	for (;;) {
		while (rest.n > 0 && deep_space(*rest.p)) {
			rest.p++;
			rest.n--;
		}
		if (rest.p >= here.p || *rest.p != '(' ||
		    deep_word_next(&rest, &word, NULL) != DEEP_YES)
			break;
		add_comment(r, &word);
	}
	r->out->date = date;
	r->out->date_text.p = rest.p;
	r->out->date_text.n = (size_t)(here.p - rest.p);
	extend(&r->clause->value, r->out->date_text);
	extend(&r->clause->all, r->out->date_text);
	r->words.p = here.p;
	return 1;
}

/* May a keyword open a clause here, or is it a value? */
static int
opens(const struct reader *r, enum deep_clause_kind kind)
{
	enum deep_clause_kind open = r->clause->kind;
	struct deep_words rest = r->words;
	struct deep_word next;

	if (kind <= DEEP_FOR)
		return 1;
	if (r->count == 0 && open != DEEP_DATE && open != DEEP_START)
		return 0;		/* "with TLS id": the value of with */
	if (kind == DEEP_GROUP)
		return open == DEEP_TLS;	/* RFC 8314: only directly behind it */
	/* "over TLS secured channel with": words of a clause that takes several.
	 * A suite has a number or an underscore in it. */
	if (deep_words_next(&rest, &next, NULL) != DEEP_YES || next.kind != DEEP_ATOM)
		return 0;
	return memchr(next.text.p, '_', next.text.n) != NULL ||
	    (next.text.n == 6 && next.text.p[0] == '0' && deep_lower(next.text.p[1]) == 'x');
}

static void
add_word(struct reader *r, const struct deep_word *word)
{
	enum deep_clause_kind kind = DEEP_OTHER;

	if (word->kind == DEEP_ATOM && (kind = keyword(word->text)) != DEEP_OTHER &&
	    opens(r, kind)) {
		open_clause(r, kind, word->text);
		return;
	}
	if (r->count >= 1 && r->clause->kind >= DEEP_ID && r->clause->kind <= DEEP_DATE) {
		open_clause(r, DEEP_OTHER, word->text);
		return;
	}
	extend(&r->clause->all, word->text);
	extend(&r->clause->value, word->text);
	if (r->count++ == 0)
		r->clause->first = word->text;
}

enum deep_status
deep_received_parse(struct deep_str value, struct deep_received *out, struct deep_fault *fault)
{
	struct reader r = { out, { NULL, NULL, NULL, 0, 0 }, NULL, fault, value.p, DEEP_YES, 0 };
	struct deep_str text = value;
	struct deep_word word;
	struct deep_fault why;
	enum deep_status answer;
	size_t i;
	int unclosed = 0;

	/* the arrays are filled up to their counts only: clearing them costs
	 * more than reading a field does */
	for (i = 0; i < DEEP_OTHER; i++)
		memset(&out->the[i], 0, sizeof(out->the[i]));
	out->nclause = out->ncomment = 0;
	memset(&out->tls, 0, sizeof(out->tls));
	memset(&out->date_text, 0, sizeof(out->date_text));
	memset(&out->date, 0, sizeof(out->date));
	if (value.n > DEEP_FIELD_MAX) {
		blame(&r, DEEP_LIMIT, value.p + DEEP_FIELD_MAX, "a field longer than 65536 octets");
		text.n = DEEP_FIELD_MAX;
	}
	open_clause(&r, DEEP_START, (struct deep_str){ value.p, 0 });
	deep_words_begin(&r.words, text);
	while ((answer = deep_words_next(&r.words, &word, &why)) != DEEP_NO) {
		if (answer != DEEP_YES)
			blame(&r, answer, word.text.p, why.why);
		if (word.kind == DEEP_COMMENT) {
			add_comment(&r, &word);
			if (answer == DEEP_BAD && ++unclosed > UNCLOSED_MAX)
				break;
		} else if (word.kind == DEEP_SPECIAL) {
			/* behind a comma: the name of the day was glued to something */
			if (*word.text.p != ')' && out->date_text.p == NULL)
				(void)read_date(&r, r.words.p);
		} else if (word.kind != DEEP_ATOM || out->date_text.p != NULL ||
		    !looks_like_date(word.text, r.words.p, r.words.end,
		    r.count >= 1 && r.clause->kind >= DEEP_ID && r.clause->kind <= DEEP_OTHER) ||
		    !read_date(&r, word.text.p)) {
			add_word(&r, &word);
		}
	}
	for (i = out->nclause; i-- > 0; ) {
		if (out->clause[i].kind < DEEP_OTHER)
			out->the[out->clause[i].kind] = out->clause[i];
	}
	if (out->the[DEEP_TLS].name.p != NULL && out->the[DEEP_TLS].value.p != NULL) {
		text = out->the[DEEP_TLS].name;
		text.n = (size_t)(value.p + value.n - text.p);
		if (deep_tls_next(&text, &out->tls, &why) == DEEP_BAD)
			blame(&r, DEEP_BAD, out->the[DEEP_TLS].value.p, why.why);
	}
	if (out->nclause == 1 && out->ncomment == 0 && out->clause[0].value.p == NULL &&
	    r.answer == DEEP_YES)
		return DEEP_NO;
	if (out->date_text.p == NULL)
		blame(&r, DEEP_BAD, value.p + value.n, "no date (RFC 5321 4.4)");
	return r.answer;
}
