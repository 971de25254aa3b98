/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * form.c - Received fields of a form that was read before.
 *
 * An MTA writes all its fields alike: between names, addresses, ids and dates
 * the same words stand again and again, and say the same.  A form is a field
 * with such places left open:
 *
 *	from NAME (NAME [ADDRESS]) by NAME (Postfix) with ESMTPS id NAME; DATE
 *
 * The first field of a form is read in full by hop_read(), and form_learn()
 * keeps it with what came of it; form_read() finds the form of a field and
 * puts its words into the open places, in the field as it stands, folds and all, so that
 * nothing is copied; where a form is known without folds only, in the field without
 * them.  The outcome is that of reading it in
 * full, because a place takes nothing that could make a difference to it:
 *
 *	word.c		a run of letters, digits and . : @ + -, as far as it goes,
 *			is text inside a word
 *	received.c	with a digit, a dot or an "@" in it that word is no
 *			keyword, and begins no date; none is open in a clause whose
 *			words are looked at (with, tls, group, via, other ones)
 *	date.c		the date is read, at the first ";" outside comments
 *	dialect.c	no row's head fits the comments and clauses with open
 *			places, then and now; what a row may match stands as it stood
 *	flat()		no answer has a fold in it, or several blanks
 *	hop.c		a dot, a colon, an "@" only where the first one had them;
 *			where an address was found, one, and where one was looked for,
 *			none; on the same machine only if that was
 *
 * Forms are a tree of the pieces between the places, so that they are looked for
 * by what they begin with.  Bounded: where there is no room, all are forgotten, and
 * none is learnt any more where they were of no use.
 */
#include <err.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "analyzer.h"
#include "octets.h"
#include "word.h"

#define TEXT_MAX	1000	/* octets of a field that has a form */
#define PIECES_MAX	24	/* places of one, the date's included */
#define CHECKS_MAX	12	/* texts of one that a row could match */
#define NODES_MAX	8192
#define MODELS_MAX	1024
#define LITERALS_SIZE	(256 * 1024)	/* octets */
#define STEPS_MAX	200	/* nodes that are tried for one field */
#define ANSWERS		10	/* slices of a hop */

/* What a run holds: alike in all that stand in one place. */
#define DOT		0x01
#define COLON		0x02
#define AT		0x04

enum place_kind { NAME, NO_ADDRESS, ADDRESS, DATE, END };

struct node {
	uint64_t	begins, mask;	/* its first eight octets, and which of them there are */
	uint32_t	literal;	/* where it is in forms.literal */
	uint16_t	n;		/* octets of it */
	uint8_t		kind;		/* enum place_kind: of the place behind it */
	uint8_t		flags;		/* what is in that */
	uint16_t	child, next;	/* behind that place; instead of this one; 0: none */
	uint16_t	model;		/* of END */
};

/* A place in a text: so many octets behind the begin of a piece. */
struct mark {
	uint16_t	piece, behind;
};
struct extent {
	struct mark	begin, end;
};

struct model {
	struct hop	hop;
	struct {
		size_t		offset;		/* of the slice, in the hop */
		struct extent	text;
	}		answer[ANSWERS];
	size_t		nanswer;	/* slices that there are */
	struct {
		enum place	place;
		struct extent	text;
		int		folded;		/* has folds, or several blanks, in the field */
	}		check[CHECKS_MAX];
	size_t		ncheck;
	int		near;
};

struct forms {
	struct node	node[NODES_MAX];	/* 0 is none */
	struct model	model[MODELS_MAX];
	char		literal[LITERALS_SIZE + sizeof(octets)];
	size_t		nnode, nmodel, nliteral;
	uint16_t	first;
	uint64_t	used;			/* fields whose form was known */
	int		stopped;		/* nothing is learnt any more */
};

static const size_t answers[ANSWERS] = {
	offsetof(struct hop, from), offsetof(struct hop, from_ip), offsetof(struct hop, by),
	offsetof(struct hop, via), offsetof(struct hop, with), offsetof(struct hop, id),
	offsetof(struct hop, rcpt), offsetof(struct hop, from_rdns),
	offsetof(struct hop, suite_text), offsetof(struct hop, group_text)
};

struct forms *
forms_new(void)
{
	struct forms *forms = calloc(1, sizeof(*forms));

	if (forms == NULL)
		err(EX_OSERR, NULL);
	forms->nnode = 1;
	return forms;
}

void
forms_forget(struct forms *forms)
{
	forms->nnode = 1;
	forms->nmodel = forms->nliteral = 0;
	forms->first = 0;
	forms->used = 0;
}

void
forms_free(struct forms *forms)
{
	free(forms);
}

static struct deep_str *
slice_at(struct hop *hop, size_t offset)
{
	return (struct deep_str *)(void *)((char *)hop + offset);
}

/* At the end of a field, which most runs are far from. */
static __attribute__((noinline, cold)) octets
last_octets(const char *p, const char *end)
{
	return octets_few(p, (size_t)(end - p));
}

/* The run at p of what may stand in a place: letters, digits and . : @ + -, and which
 * of DOT, COLON, AT are in it. */
static inline const char *
run_end(const char *p, const char *end, unsigned *flags)
{
	const unsigned char zero = '0', to_colon = ':' - '0', lower = 0x20, a = 'a', to_z = 'z' - 'a',
	    dash = '-', to_dot = '.' - '-', plus = '+', at = '@', dot = '.', colon = ':';
	uint32_t other, run, dots = 0, colons = 0, ats = 0;

	for (;; p += 16) {
		octets text = end - p >= 16 ? octets_at(p) : last_octets(p, end);

		other = 0x1ffff ^ octets_bits(((text | lower) - a <= to_z) | (text - zero <= to_colon) |
		    (text - dash <= to_dot) | (text == plus) | (text == at));
		run = (other & -other) - 1;		/* only what it begins with */
		dots |= octets_bits(text == dot) & run;
		colons |= octets_bits(text == colon) & run;
		ats |= octets_bits(text == at) & run;
		if (other != 0x10000)
			break;
	}
	*flags = (dots != 0 ? DOT : 0) | (colons != 0 ? COLON : 0) | (ats != 0 ? AT : 0);
	return p + __builtin_ctz(other);
}

/* Whether a run has an octet of that kind in it. */
static int
has(struct deep_str run, int (*is)(char))
{
	size_t i;

	for (i = 0; i < run.n; i++) {
		if (is(run.p[i]))
			return 1;
	}
	return 0;
}

/* Stands in no address. */
static int
is_beyond(char c)
{
	return ((c | 0x20) > 'f' && (c | 0x20) <= 'z') || c == '-' || c == '+' || c == '@';
}

/* Whether a run is text that is nothing else: no keyword, no date. */
static int
may_be_open(struct deep_str run, unsigned flags)
{
	return (flags & (DOT | AT) || has(run, deep_digit)) &&
	    !(run.n >= 8 && run.n <= 10 && run.p[4] == '-');
}

static int
is_address(struct deep_str run)
{
	struct deep_str found;

	return hop_address(run, &found) && found.p == run.p && found.n == run.n;
}

/* --- Finding a form. */

struct search {
	struct deep_str	 text;
	const char	*piece[PIECES_MAX + 1];	/* where each begins */
	uint16_t	 node[PIECES_MAX];
	struct deep_date date;
};

/* The next eight octets at once, for those that a literal begins with.  No literal has
 * a zero in it, so none of up to eight goes on behind the end. */
static inline uint64_t
eight_at(const char *p, const char *end)
{
	uint64_t eight = 0;

	if (end - p >= 8)
		memcpy(&eight, p, 8);
	else
		memcpy(&eight, p, (size_t)(end - p));
	return eight;
}

/* Whether more than eight octets of a literal stand at p. */
static inline int
is_there(const char *p, const char *end, const char *literal, size_t n)
{
	if ((size_t)(end - p) >= n + 16)
		return octets_same(p + 8, literal + 8, n - 8);
	return (size_t)(end - p) >= n && memcmp(p + 8, literal + 8, n - 8) == 0;
}

/* Whether the text goes on with this node at p; *next is where the piece behind its place
 * begins then. */
static int
goes_on(const struct forms *forms, struct search *s, const struct node *node, const char *p,
    const char **next)
{
	const char *end = s->text.p + s->text.n;
	struct deep_str run;
	unsigned flags;

	if (node->n > 8 && !is_there(p, end, forms->literal + node->literal, node->n))
		return 0;
	run.p = p + node->n;
	run.n = (size_t)(end - run.p);
	if (node->kind == END)
		return run.n == 0;
	if (node->kind == DATE) {
		if (run.n == 0 || deep_space(*run.p) || *run.p == '(' ||
		    deep_date_next(&run, &s->date, NULL) != DEEP_YES)
			return 0;
		*next = run.p;
		return 1;
	}
	*next = run_end(run.p, end, &flags);
	run.n = (size_t)(*next - run.p);
	if (flags != node->flags || !may_be_open(run, flags))
		return 0;
	return node->kind == NAME ||
	    (node->kind == NO_ADDRESS ? has(run, is_beyond) : is_address(run));
}

static struct deep_str
text_of(const struct search *s, const struct extent *extent)
{
	const char *begin = s->piece[extent->begin.piece] + extent->begin.behind;
	const char *end = s->piece[extent->end.piece] + extent->end.behind;

	return (struct deep_str){ begin, (size_t)(end - begin) };
}

/* The field is of this form by its words: puts them in. */
static int
fill(const struct model *model, const struct search *s, struct dialects *dialects, struct hop *hop)
{
	char line[FLAT_SIZE(TEXT_MAX)];
	size_t i;

	for (i = 0; i < model->ncheck; i++) {
		struct deep_str text = text_of(s, &model->check[i].text);

		if (model->check[i].folded) {
			if (text.n > TEXT_MAX)
				return 0;
			text = flat_in(line, text);
		}
		if (dialects_may_match(dialects, model->check[i].place, text))
			return 0;
	}
	*hop = model->hop;
	for (i = 0; i < model->nanswer; i++)
		*slice_at(hop, model->answer[i].offset) = text_of(s, &model->answer[i].text);
	hop->raw = s->text;
	hop->date = s->date;
	return hop_is_near(hop) == model->near;
}

int
form_read(struct forms *forms, struct deep_str text, struct dialects *dialects, struct hop *hop)
{
	struct search s;
	size_t piece = 0, steps = 0;
	uint16_t at = forms->first;
	const char *p = text.p, *next = p;	/* the same as in s, but what comes next waits for it */

	s.text = text;
	s.piece[0] = p;
	for (;;) {
		uint64_t eight = eight_at(p, text.p + text.n);

		while (at != 0 && steps++ < STEPS_MAX) {
			const struct node *node = &forms->node[at];

			if (((eight ^ node->begins) & node->mask) == 0 && goes_on(forms, &s, node, p, &next))
				break;
			at = node->next;
		}
		if (steps > STEPS_MAX)
			return 0;
		if (at == 0) {			/* another way from the piece before */
			if (piece == 0)
				return 0;
			at = forms->node[s.node[--piece]].next;
			p = s.piece[piece];
		} else if (forms->node[at].kind != END) {
			s.node[piece++] = at;
			s.piece[piece] = p = next;
			at = forms->node[at].child;
		} else if (fill(&forms->model[forms->node[at].model], &s, dialects, hop)) {
			forms->used++;
			return 1;
		} else {
			at = forms->node[at].next;
		}
	}
}

/* --- Learning one. */

struct lesson {
	struct deep_str	 text;			/* the field as flat() leaves it */
	const char	**at;			/* where its octets, and its end, are in the field;
						 * NULL: the text is what is learnt */
	const char	*date;			/* where it begins */
	const struct deep_received *field;
	struct model	 model;
	size_t		 npiece;
	struct {
		const char	*begin;
		size_t		 n;		/* of the literal; the place is behind it */
		enum place_kind	 kind;
		unsigned	 flags;
	}		 piece[PIECES_MAX];
	unsigned char	 fixed[TEXT_MAX];	/* octets that are not in an open place */
	unsigned char	 sought[TEXT_MAX];	/* octets where an address was looked for */
};

static void
set(const struct lesson *l, unsigned char *map, struct deep_str range)
{
	if (range.p != NULL && range.n > 0)
		memset(map + (range.p - l->text.p), 1, range.n);
}

/* Whether the only ";" or "," outside comments stands before the date, nothing is
 * wrong in the words, none may begin another date, and tls and group are keywords or
 * not there. */
static int
has_plain_words(const struct lesson *l)
{
	struct deep_str rest = l->text;
	struct deep_word word;
	const char *behind = NULL;
	int keywords = 0;
	size_t i;

	while (rest.p < l->date) {
		if (deep_word_next(&rest, &word, NULL) != DEEP_YES)
			return 0;
		if (word.kind == DEEP_SPECIAL) {
			if (behind != NULL || *word.text.p != ';')
				return 0;
			behind = word.text.p + 1;
		} else if (behind != NULL && word.text.p < l->date) {
			return 0;
		}
		if (word.text.p < l->date && word.text.n == 10 && word.text.p[4] == '-')
			return 0;
		if (deep_is(word.text, "tls") || deep_is(word.text, "group"))
			keywords++;
	}
	for (i = 0; i < l->field->nclause; i++)
		keywords -= l->field->clause[i].kind == DEEP_TLS || l->field->clause[i].kind == DEEP_GROUP;
	return behind != NULL && keywords == 0;
}

/* A text that the rows are held against: none may fit, or it is fixed. */
static int
ask(struct lesson *l, struct dialects *dialects, enum place place, struct deep_str text,
    struct deep_str asked[CHECKS_MAX])
{
	if (dialects_may_match(dialects, place, text)) {
		set(l, l->fixed, text);
		return memchr(text.p, '"', text.n) == NULL;	/* the name of one client */
	}
	if (l->model.ncheck == CHECKS_MAX)
		return 0;
	l->model.check[l->model.ncheck].place = place;
	asked[l->model.ncheck++] = text;
	return 1;
}

/* What is fixed by its meaning, and what the rows are asked about. */
static int
fix(struct lesson *l, struct dialects *dialects, struct deep_str asked[CHECKS_MAX])
{
	const struct deep_received *field = l->field;
	struct deep_str text;
	enum place place;
	size_t i;

	for (i = 0; i < field->nclause; i++) {
		const struct deep_clause *c = &field->clause[i];

		if (c->kind != DEEP_FROM && c->kind != DEEP_BY && c->kind != DEEP_ID &&
		    c->kind != DEEP_FOR && c->kind != DEEP_DATE) {
			set(l, l->fixed, c->name);
			set(l, l->fixed, c->value);
		}
		if (hop_statement(c, &place, &text) && text.n > 0 && !ask(l, dialects, place, text, asked))
			return 0;
	}
	for (i = 0; i < field->ncomment; i++) {
		text = field->comment[i].text;
		if (text.n == 0 || text.p >= l->date)
			continue;
		if (!ask(l, dialects, PLACE_COMMENT, text, asked) ||
		    (field->tls.suite.p != NULL && !ask(l, dialects, PLACE_BESIDE, text, asked)))
			return 0;
	}
	return 1;
}

/* Where read_tcp_info() looked for an address, up to the one that it found. */
static void
seek(struct lesson *l, const struct hop *hop)
{
	const struct deep_received *field = l->field;
	const char *found = hop->from_ip.p;
	struct deep_str text;
	size_t i;

	for (i = 0; i <= field->ncomment; i++) {
		if (i < field->ncomment && field->comment[i].kind != DEEP_FROM)
			continue;
		text = i < field->ncomment ? field->comment[i].text : field->the[DEEP_FROM].value;
		if (text.p == NULL || text.p >= l->date)
			continue;
		if (found != NULL && found >= text.p && found < text.p + text.n) {
			text.n = (size_t)(found - text.p);
			set(l, l->sought, text);
			return;
		}
		set(l, l->sought, text);
	}
}

/* Cuts the text into pieces, a place behind each.  0: it has no form. */
static int
cut(struct lesson *l, const struct hop *hop)
{
	const char *p = l->text.p, *end = l->text.p + l->text.n, *stop;
	unsigned flags;

	l->piece[0].begin = p;
	while (p < l->date) {
		struct deep_str run;
		enum place_kind kind = NAME;

		stop = run_end(p, end, &flags);
		if (stop - p > 5 && memcmp(p, "IPv6:", 5) == 0) {
			p += 5;
			stop = run_end(p, end, &flags);
		}
		if (stop > l->date)		/* two that nothing stands between */
			return 0;
		run.p = p;
		run.n = (size_t)(stop - p);
		p = run.n == 0 ? p + 1 : stop;
		if (!may_be_open(run, flags) ||
		    memchr(l->fixed + (run.p - l->text.p), 1, run.n) != NULL)
			continue;
		if (run.p == hop->from_ip.p && run.n == hop->from_ip.n) {
			kind = ADDRESS;
		} else if (l->sought[run.p - l->text.p]) {
			if (flags & (COLON | AT) || !has(run, is_beyond))
				continue;
			kind = NO_ADDRESS;
		}
		if (l->npiece + 2 >= PIECES_MAX)
			return 0;
		l->piece[l->npiece].n = (size_t)(run.p - l->piece[l->npiece].begin);
		l->piece[l->npiece].kind = kind;
		l->piece[l->npiece++].flags = flags;
		l->piece[l->npiece].begin = stop;
	}
	l->piece[l->npiece].n = (size_t)(l->date - l->piece[l->npiece].begin);
	l->piece[l->npiece++].kind = DATE;
	l->piece[l->npiece].begin = l->date + l->field->date_text.n;
	l->piece[l->npiece].n = (size_t)(end - l->piece[l->npiece].begin);
	l->piece[l->npiece++].kind = END;
	return 1;
}

/* Where the octets of the text are in the field; 0: it was not trimmed. */
static int
align(struct lesson *l, struct deep_str value)
{
	const char *p = value.p, *end = p + value.n;
	size_t i;

	for (i = 0; i < l->text.n && p < end; i++) {
		l->at[i] = p;
		if (l->text.p[i] != ' ' && *p != l->text.p[i])
			return 0;
		do {
			p++;
		} while (l->text.p[i] == ' ' && p < end && deep_space(*p));
	}
	l->at[i] = p;
	return i == l->text.n && p == end;
}

/* A part of the text as it is in the field. */
static struct deep_str
in_field(const struct lesson *l, struct deep_str part)
{
	const char *const *at;

	if (l->at == NULL)
		return part;
	at = &l->at[part.p - l->text.p];
	return (struct deep_str){ *at, (size_t)(at[part.n] - *at) };
}

/* Where a place in the field is; 0: inside an open one. */
static int
locate(const struct lesson *l, const char *p, struct mark *mark)
{
	size_t i;

	for (i = 0; i < l->npiece; i++) {
		if (p >= l->piece[i].begin && p <= l->piece[i].begin + l->piece[i].n) {
			mark->piece = (uint16_t)i;
			mark->behind = (uint16_t)(p - l->piece[i].begin);
			return 1;
		}
	}
	return 0;
}

/* Whether a part of the text has neither a fold nor several blanks in the field. */
static int
is_same(const struct lesson *l, struct deep_str text)
{
	struct deep_str part;

	if (l->at == NULL || text.p == NULL)
		return 1;
	part = in_field(l, text);
	return part.n == text.n && memcmp(part.p, text.p, text.n) == 0;
}

static int
measure(const struct lesson *l, struct deep_str text, struct extent *extent)
{
	struct deep_str part = in_field(l, text);

	return locate(l, part.p, &extent->begin) && locate(l, part.p + part.n, &extent->end);
}

/* Puts the pieces into the tree, those that are there already left out. */
static void
plant(struct forms *forms, const struct lesson *l)
{
	uint16_t *link = &forms->first;
	size_t i;

	for (i = 0; i < l->npiece; i++) {
		struct node *node;

		for (; *link != 0; link = &forms->node[*link].next) {
			node = &forms->node[*link];
			if (node->n == l->piece[i].n && node->kind == l->piece[i].kind &&
			    node->flags == l->piece[i].flags && node->kind != END &&
			    memcmp(forms->literal + node->literal, l->piece[i].begin, node->n) == 0)
				break;
		}
		if (*link == 0) {
			*link = (uint16_t)forms->nnode;
			node = &forms->node[forms->nnode++];
			memset(node, 0, sizeof(*node));
			node->literal = (uint32_t)forms->nliteral;
			node->n = (uint16_t)l->piece[i].n;
			node->kind = (uint8_t)l->piece[i].kind;
			node->flags = (uint8_t)l->piece[i].flags;
			node->model = (uint16_t)forms->nmodel;
			memcpy(forms->literal + forms->nliteral, l->piece[i].begin, node->n);
			memcpy(&node->begins, l->piece[i].begin, node->n < 8 ? node->n : 8);
			memset(&node->mask, 0xff, node->n < 8 ? node->n : 8);
			forms->nliteral += node->n;
		}
		link = &forms->node[*link].child;
	}
	forms->model[forms->nmodel++] = l->model;
}

void
form_learn(struct forms *forms, struct deep_str value, struct deep_str text,
    const struct deep_received *field, struct dialects *dialects, const struct hop *hop)
{
	static struct lesson l;			/* large */
	static const char *at[TEXT_MAX + 1];
	struct deep_str asked[CHECKS_MAX], piece;
	size_t i, n;

	if (forms->stopped || value.n > TEXT_MAX || field->date_text.p == NULL ||
	    memchr(value.p, '\0', value.n) != NULL)
		return;
	if (forms->nnode + PIECES_MAX > NODES_MAX || forms->nmodel == MODELS_MAX ||
	    forms->nliteral + TEXT_MAX > LITERALS_SIZE) {
		forms->stopped = forms->used < 4 * forms->nmodel;
		forms_forget(forms);
		if (forms->stopped)
			return;
	}
	memset(&l, 0, sizeof(l));
	memset(asked, 0, sizeof(asked));
	l.text = text;
	l.at = value.p == text.p ? NULL : at;
	l.date = field->date_text.p;
	l.field = field;
	l.model.hop = *hop;
	l.model.near = hop_is_near(hop);
	if ((l.at != NULL && !align(&l, value)) || !has_plain_words(&l) || !fix(&l, dialects, asked))
		return;
	seek(&l, hop);
	if (!cut(&l, hop))
		return;
	for (i = 0; i < l.npiece; i++) {
		piece = in_field(&l, (struct deep_str){ l.piece[i].begin, l.piece[i].n });
		l.piece[i].begin = piece.p;
		l.piece[i].n = piece.n;
	}
	for (i = n = 0; i < l.model.ncheck; i++) {
		l.model.check[n].place = l.model.check[i].place;
		if (!measure(&l, asked[i], &l.model.check[n].text))
			return;
		/* no place is open in it: the answer stands */
		if (l.model.check[n].text.begin.piece == l.model.check[n].text.end.piece)
			continue;
		l.model.check[n++].folded = !is_same(&l, asked[i]);
	}
	l.model.ncheck = n;
	for (i = n = 0; i < ANSWERS; i++) {
		struct deep_str answer = *slice_at(&l.model.hop, answers[i]);

		if (answer.p == NULL)
			continue;
		if (!measure(&l, answer, &l.model.answer[n].text) || !is_same(&l, answer))
			return;
		l.model.answer[n++].offset = answers[i];
	}
	l.model.nanswer = n;
	plant(forms, &l);
}
