/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsngroup.c - the fields of one recipient in a delivery status that the mail
 * server beside us wrote (RFC 3464 2.3, RFC 6533 3), and the same fields with
 * what the draft asks for when a latch held the recipient back.
 *
 * draft-newman-email-deep-00 section 3.3: the status code, and once for each
 * such recipient
 *
 *	smtp-security-latch = "SMTP-Security-Latch:" CFWS security-latch-id
 *			      *(FWS security-latch-id)
 *
 * What it is not asked to change it copies octet by octet, line ends included.
 * It never looks for the group: that is the work of who reads the message.
 */
#include <string.h>

#include "deep.h"
#include "word.h"

#define LINE_MAX_OCTETS	998	/* one line of a message, RFC 5322 2.1.1 */
#define LATCH_LINE	(LINE_MAX_OCTETS + 1)

/* What is being written: what does not fit is counted only. */
struct text {
	char	*buf;
	size_t	 size;
	size_t	 n;
};

static void
add(struct text *text, const char *p, size_t n)
{
	if (n > 0 && text->n < text->size && n < text->size - text->n)
		memcpy(text->buf + text->n, p, n);
	text->n += n;
}

static void
add_text(struct text *text, const char *s)
{
	add(text, s, strlen(s));
}

/*
 *	status-code = ("2" / "4" / "5") "." 1*3DIGIT "." 1*3DIGIT
 */
static int
is_status(const char *s)
{
	int	part, digits;

	if (*s != '2' && *s != '4' && *s != '5')
		return 0;
	s++;
	for (part = 0; part < 2; part++) {
		if (*s++ != '.')
			return 0;
		if (s[0] == '0' && deep_digit(s[1]))	/* no leading zeros */
			return 0;
		for (digits = 0; deep_digit(*s); s++)
			digits++;
		if (digits < 1 || digits > 3)
			return 0;
	}
	return *s == '\0';
}

static int
is_action(const char *s)
{
	static const char *const	actions[] = {
		"failed", "delayed", "delivered", "relayed", "expanded"
	};
	size_t	i;

	for (i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strcmp(s, actions[i]) == 0)
			return 1;
	return 0;
}

/*
 *	diagnostic-code = diagnostic-type ";" *text	; no controls in it
 */
static int
is_diagnostic(const char *s)
{
	const char	*semicolon = strchr(s, ';'), *p;

	if (semicolon == NULL || semicolon == s)
		return 0;
	for (p = s; p < semicolon; p++)
		if (!deep_alpha(*p) && !deep_digit(*p) && *p != '-')
			return 0;
	for (; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return 0;
	return 1;
}

enum deep_status
deep_dsngroup_read(struct deep_dsngroup *group, struct deep_str text,
    struct deep_fault *fault)
{
	struct deep_str		 rest = text;
	struct deep_field	 field;
	enum deep_status	 status;
	const char		*here;

	memset(group, 0, sizeof(*group));
	for (;;) {
		here = rest.p;
		status = deep_field_next(&rest, &field, NULL);
		if (status == DEEP_NO)
			break;
		if (status != DEEP_YES) {
			deep_blame(fault, (size_t)(here - text.p),
			    "a line that is no field of a recipient");
			continue;
		}
		if (deep_is(field.name, "Final-Recipient"))
			group->final = field.value;
		else if (deep_is(field.name, "Original-Recipient"))
			group->original = field.value;
		else if (deep_is(field.name, "Action"))
			group->action = field.value;
		else if (deep_is(field.name, "Status"))
			group->status = field.value;
		else if (deep_is(field.name, "Diagnostic-Code"))
			group->diagnostic = field.value;
		else if (deep_is(field.name, DEEP_LATCH_FIELD))
			group->latches = field.value;
	}
	return group->final.p != NULL && group->action.p != NULL ? DEEP_YES : DEEP_NO;
}

static int
hex_value(char c)
{
	if (deep_digit(c))
		return c - '0';
	c = deep_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 *	EmbeddedUnicodeChar = %x5C.78 "{" HEXPOINT "}"	; RFC 6533 3
 *
 * One off the front of *s as UTF-8; 0: none stands there.
 */
static size_t
embedded(struct deep_str *s, char utf8[4])
{
	unsigned long	code = 0;
	size_t		i, n;

	if (s->n < 6 || s->p[0] != '\\' || s->p[1] != 'x' || s->p[2] != '{')
		return 0;
	for (i = 3; i < s->n && i < 9 && hex_value(s->p[i]) >= 0; i++)
		code = code << 4 | (unsigned long)hex_value(s->p[i]);
	if (i < 5 || i == s->n || s->p[i] != '}' || code < 0x20 || code == 0x7f ||
	    (code > 0x7f && code < 0xa0) || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff))
		return 0;
	s->p += i + 1;
	s->n -= i + 1;
	if (code < 0x80) {
		utf8[0] = (char)code;
		return 1;
	}
	n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (i = n - 1; i > 0; i--, code >>= 6)
		utf8[i] = (char)(0x80 | (code & 0x3f));
	utf8[0] = (char)((0xf00 >> n & 0xff) | code);
	return n;
}

/*
 *	typed-address = address-type ";" address	; CFWS around each
 */
int
deep_dsngroup_address(char *buf, size_t size, struct deep_str value)
{
	struct text		text = { buf, size, 0 };
	struct deep_word	word;
	struct deep_str		address;
	enum { TYPE, SEMICOLON, ADDRESS } want = TYPE;
	int			utf8 = 0;
	char			character[4];
	size_t			n;

	if (size > 0)
		buf[0] = '\0';
	for (;;) {
		if (deep_word_next(&value, &word, NULL) != DEEP_YES)
			return -1;
		if (word.kind == DEEP_COMMENT)
			continue;
		if (want == TYPE) {
			utf8 = deep_is(word.text, "utf-8");
			if (!utf8 && !deep_is(word.text, "rfc822"))
				return -1;
			want = SEMICOLON;
		} else if (want == SEMICOLON) {
			if (word.kind != DEEP_SPECIAL || word.text.p[0] != ';')
				return -1;
			want = ADDRESS;
		} else
			break;
	}
	if (word.kind == DEEP_SPECIAL)
		return -1;
	address = word.text;
	if (word.kind == DEEP_ANGLE && address.n >= 2 && address.p[address.n - 1] == '>') {
		address.p++;
		address.n -= 2;
	}
	while (address.n > 0) {
		if (utf8 && (n = embedded(&address, character)) > 0) {
			add(&text, character, n);
			continue;
		}
		if ((unsigned char)address.p[0] < ' ' || address.p[0] == 0x7f)
			goto refuse;
		add(&text, address.p, 1);
		address.p++;
		address.n--;
	}
	if (text.n == 0)
		goto refuse;
	if (size > 0)
		buf[text.n < size ? text.n : 0] = '\0';
	return (int)text.n;
refuse:
	if (size > 0)
		buf[0] = '\0';
	return -1;
}

/* "Name: value", folded at its spaces where it would pass DEEP_FOLD_AT. */
static void
add_field(struct text *text, const char *name, const char *value, const char *eol)
{
	size_t	column = strlen(name) + 1, n;
	int	first = 1;

	add_text(text, name);
	add_text(text, ":");
	for (value += strspn(value, " "); *value != '\0'; value += strspn(value, " ")) {
		n = strcspn(value, " ");
		if (!first && column + 1 + n > DEEP_FOLD_AT) {
			add_text(text, eol);
			add_text(text, "\t");
			column = 8;
		} else {
			add_text(text, " ");
			column++;
		}
		add(text, value, n);
		column += n;
		value += n;
		first = 0;
	}
	add_text(text, eol);
}

/*
 * The lines that this makes, in place of a Status and behind the last field:
 *
 *	Status: 4.7.10
 *	Diagnostic-Code: smtp; 451 4.7.10 security latch of example.org not met
 *	SMTP-Security-Latch: tls12 tls-pfs
 *
 * A group that has the field already is copied as it is.
 */
int
deep_dsngroup_emit(char *buf, size_t size, struct deep_str group,
    const struct deep_dsngroup_change *change)
{
	struct text		 text = { buf, size, 0 };
	struct deep_dsngroup	 known;
	struct deep_str		 rest = group, raw;
	struct deep_field	 field;
	char			 list[LATCH_LINE] = "";
	const char		*eol, *nl, *new;
	int			 status = 0, diagnostic = 0;

	if (size > 0)
		buf[0] = '\0';
	if (group.p == NULL || group.n == 0 || group.n > DEEP_FIELD_MAX ||
	    (change->status != NULL && !is_status(change->status)) ||
	    (change->action != NULL && !is_action(change->action)) ||
	    (change->diagnostic != NULL && !is_diagnostic(change->diagnostic)))
		return -1;
	if (change->latches != DEEP_LATCH_NONE &&
	    deep_latches_emit(list, sizeof(list), change->latches, NULL, 0) < 0)
		return -1;
	deep_dsngroup_read(&known, group, NULL);
	if (known.latches.p != NULL) {
		add(&text, group.p, group.n);
		goto done;
	}
	nl = memchr(group.p, '\n', group.n);
	eol = nl != NULL && nl > group.p && nl[-1] == '\r' ? "\r\n" : "\n";
	for (;;) {
		raw.p = rest.p;
		if (rest.n == 0 || rest.p[0] == '\n' ||
		    (rest.p[0] == '\r' && (rest.n == 1 || rest.p[1] == '\n')) ||
		    deep_field_next(&rest, &field, NULL) == DEEP_NO)
			break;
		raw.n = (size_t)(rest.p - raw.p);
		new = NULL;
		if (deep_is(field.name, "Status") && !status) {
			new = change->status;
			status = 1;
			if (new != NULL)
				add_field(&text, "Status", new, eol);
		} else if (deep_is(field.name, "Action")) {
			new = change->action;
			if (new != NULL)
				add_field(&text, "Action", new, eol);
		} else if (deep_is(field.name, "Diagnostic-Code") && !diagnostic) {
			new = change->diagnostic;
			diagnostic = 1;
			if (new != NULL)
				add_field(&text, "Diagnostic-Code", new, eol);
		}
		if (new == NULL) {
			add(&text, raw.p, raw.n);
			/* the last line of a message may have no end */
			if (raw.p[raw.n - 1] != '\n')
				add_text(&text, raw.p[raw.n - 1] == '\r' ? "\n" : eol);
		}
	}
	if (!status && change->status != NULL)
		add_field(&text, "Status", change->status, eol);
	if (!diagnostic && change->diagnostic != NULL)
		add_field(&text, "Diagnostic-Code", change->diagnostic, eol);
	if (list[0] != '\0') {
		add_text(&text, DEEP_LATCH_FIELD ": ");
		add_text(&text, list);
		add_text(&text, eol);
	}
	add(&text, raw.p, (size_t)(group.p + group.n - raw.p));
done:
	if (size > 0)
		buf[text.n < size ? text.n : 0] = '\0';
	return (int)text.n;
}
