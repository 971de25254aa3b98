/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * bounce.c - the DSNs of smtpd, as it writes them, and what they are to say of
 * recipients that a latch held back (draft-newman-email-deep-00 section 3.3,
 * RFC 3464, RFC 6522).
 *
 * smtpd's DSN is multipart/mixed of three parts: a notice with a line for each
 * recipient, "ADDRESS: ERROR"; the delivery status; the header of the message
 * (or all of it), whose first Received field has the number that the recipients
 * were held back under.  All that matters stands in front of the end of that
 * field, so that a DSN with a large message in it is no larger here.
 *
 * It never changes an octet that it is not asked to, never looks into the
 * message that is returned, and takes anything else for no DSN of smtpd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "osmtpd.h"

#define SUBJECT		"Delivery status notification: "
#define TYPE		"multipart/mixed;boundary=\""
#define SENDER		"Mailer Daemon <MAILER-DAEMON@"
#define EXPIRED		"Envelope expired"
/* What the notice says of a delay, and what it says of a failure. */
#define DELAYED_FOR	"    A message is delayed for more than "
#define ERROR_1		"    An error has occurred while attempting to deliver a message for\n"
#define ERROR_2		"    the following list of recipients:\n"
#define TEMPORARY	"    Please note that this is only a temporary failure report."
#define TEMPORARY_LINES	4	/* these words, two more lines, and the empty one */

enum { HEADER, PARTS, RETURNED_FIELDS, RETURNED };

static int
begins(struct deep_str s, const char *with)
{
	size_t	n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static struct deep_str
behind(struct deep_str s, size_t n)
{
	s.p += n;
	s.n -= n;
	return s;
}

static const char *
find(struct deep_str in, const char *what)
{
	return in.n == 0 ? NULL : memmem(in.p, in.n, what, strlen(what));
}

/* The value of a field in one line, where it is this one; p NULL: it is not. */
static struct deep_str
value_of(struct deep_str line, const char *name)
{
	size_t	n = strlen(name);

	if (line.n > n && line.p[n] == ':' && deep_is((struct deep_str){ line.p, n }, name)) {
		line = behind(line, n + 1);
		while (line.n > 0 && line.p[0] == ' ')
			line = behind(line, 1);
		return line;
	}
	return (struct deep_str){ NULL, 0 };
}

/* The boundary out of a Content-Type that smtpd wrote: 1; else 0. */
static int
take_boundary(char *boundary, size_t size, struct deep_str value)
{
	const char	*quote;
	size_t		 n;

	if (!begins(value, TYPE))
		return 0;
	value = behind(value, strlen(TYPE));
	quote = find(value, "\"");
	if (quote == NULL)
		return 0;
	n = (size_t)(quote - value.p);
	if (n == 0 || n >= size || memchr(value.p, '\0', n) != NULL)
		return 0;
	memcpy(boundary, value.p, n);
	boundary[n] = '\0';
	return 1;
}

static int
is_delimiter(struct deep_str line, const char *boundary)
{
	return begins(line, "--") && begins(behind(line, 2), boundary);
}

static struct deep_str
chomp(struct deep_str line)
{
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

enum bounce_is
bounce_line(struct bounce *bounce, struct deep_str line)
{
	struct deep_str	value;

	line = chomp(line);
	if (line.n == 1 && line.p[0] == '.')
		return bounce->state == HEADER ? BOUNCE_NONE : BOUNCE_READY;
	switch (bounce->state) {
	case HEADER:
		if (line.n == 0) {
			if (!bounce->subject || !bounce->sender || !bounce->mixed)
				return BOUNCE_NONE;
			bounce->state = PARTS;
		} else if ((value = value_of(line, "Subject")).p != NULL)
			bounce->subject = begins(value, SUBJECT);
		else if ((value = value_of(line, "From")).p != NULL)
			bounce->sender = begins(value, SENDER);
		else if ((value = value_of(line, "Content-Type")).p != NULL)
			bounce->mixed = take_boundary(bounce->boundary,
			    sizeof(bounce->boundary), value);
		return BOUNCE_MORE;
	case PARTS:
		if (is_delimiter(line, bounce->boundary) && ++bounce->delimiters == 3)
			bounce->state = RETURNED_FIELDS;
		return BOUNCE_MORE;
	case RETURNED_FIELDS:
		if (line.n == 0)
			bounce->state = RETURNED;
		return is_delimiter(line, bounce->boundary) ? BOUNCE_READY : BOUNCE_MORE;
	default:
		if (line.n == 0 || is_delimiter(line, bounce->boundary))
			return BOUNCE_READY;
		if (bounce->received)
			return line.p[0] == ' ' || line.p[0] == '\t' ? BOUNCE_MORE : BOUNCE_READY;
		bounce->received = value_of(line, "Received").p != NULL;
		return BOUNCE_MORE;
	}
}

/* The next line off the front of *rest, without its end; NULL: none. */
static const char *
next_line(struct deep_str *rest, struct deep_str *line)
{
	const char	*nl;

	*line = *rest;
	if (rest->n == 0)
		return NULL;
	nl = memchr(rest->p, '\n', rest->n);
	if (nl != NULL)
		line->n = (size_t)(nl - rest->p);
	*rest = behind(*rest, line->n + (nl != NULL));
	*line = chomp(*line);
	return line->p;
}

/* What stands between a delimiter and the next, behind the empty line that ends the
 * part's own fields.  *rest begins behind its delimiter, and ends behind the next. */
static struct deep_str
take_part(struct deep_str *rest, const char *boundary)
{
	struct deep_str	line, part = { NULL, 0 };

	while (next_line(rest, &line) != NULL) {
		if (is_delimiter(line, boundary)) {
			if (part.p != NULL)
				part.n = (size_t)(line.p - part.p);
			return part;
		}
		if (part.p == NULL && line.n == 0)
			part.p = rest->p;
	}
	if (part.p != NULL)
		part.n = (size_t)(rest->p - part.p);
	return part;
}

/* The number in the first Received field, eight digits; "": none. */
static void
take_msgid(char msgid[9], struct deep_str fields)
{
	struct deep_field	field;
	struct deep_received	received;
	struct deep_str		id;
	uint64_t		number;
	enum deep_status	status;

	msgid[0] = '\0';
	while ((status = deep_field_next(&fields, &field, NULL)) != DEEP_NO) {
		if (status != DEEP_YES || !deep_is(field.name, "Received"))
			continue;
		deep_received_parse(field.value, &received, NULL);
		id = received.the[DEEP_ID].first;
		if (id.p != NULL && id.n == 8 && line_hex(id, &number) == 0) {
			memcpy(msgid, id.p, 8);
			msgid[8] = '\0';
		}
		return;
	}
}

/* One recipient more: 0, or -1. */
static int
add_rcpt(struct bounce_head *head, size_t *room, struct deep_str group)
{
	struct deep_dsngroup	 fields;
	struct bounce_rcpt	*rcpt;
	size_t			 n;

	if (deep_dsngroup_read(&fields, group, NULL) != DEEP_YES || fields.latches.p != NULL ||
	    (!deep_is(fields.action, "failed") && !deep_is(fields.action, "delayed")) ||
	    head->nrcpt == OSMTPD_RCPT_MAX)
		return 0;
	if (head->nrcpt == *room) {
		n = *room > 0 ? *room * 2 : 4;
		if ((rcpt = reallocarray(head->rcpt, n, sizeof(*rcpt))) == NULL)
			return -1;
		head->rcpt = rcpt;
		*room = n;
	}
	rcpt = &head->rcpt[head->nrcpt++];
	memset(rcpt, 0, sizeof(*rcpt));
	rcpt->group = group;
	rcpt->delayed = deep_is(fields.action, "delayed");
	/* smtpd writes "rfc822; " and the address as it is, whatever is in it */
	rcpt->address = fields.final;
	if (begins(rcpt->address, "rfc822;"))
		rcpt->address = behind(rcpt->address, strlen("rfc822;"));
	while (rcpt->address.n > 0 && rcpt->address.p[0] == ' ')
		rcpt->address = behind(rcpt->address, 1);
	return 0;
}

/* The notice has a line for each recipient, in the order of their groups. */
static void
take_errors(struct bounce_head *head)
{
	struct deep_str	rest = head->notice, line;
	size_t		i = 0;

	while (i < head->nrcpt && next_line(&rest, &line) != NULL) {
		struct bounce_rcpt	*rcpt = &head->rcpt[i];
		size_t			 n = rcpt->address.n;

		if (n == 0) {
			i++;
			continue;
		}
		if (line.n < n + 2 || memcmp(line.p, rcpt->address.p, n) != 0 ||
		    memcmp(line.p + n, ": ", 2) != 0)
			continue;
		rcpt->error = behind(line, n + 2);
		rcpt->expired = deep_is(rcpt->error, EXPIRED);
		i++;
	}
}

enum deep_status
bounce_read(struct bounce_head *head, struct deep_str all)
{
	struct deep_str		rest = all, line, part, group;
	struct deep_field	field;
	const char		*start;
	size_t			room = 0;
	enum deep_status	status;

	memset(head, 0, sizeof(*head));
	head->all = all;
	for (;;) {
		start = rest.p;
		status = deep_field_next(&rest, &field, NULL);
		if (status == DEEP_NO)
			break;
		if (status != DEEP_YES)
			continue;
		if (deep_is(field.name, "Content-Type")) {
			/* smtpd writes one, and what it is no reader would agree on in two */
			if (head->type.p != NULL || !take_boundary(head->boundary,
			    sizeof(head->boundary), field.value))
				return DEEP_NO;
			head->type = (struct deep_str){ start, (size_t)(rest.p - start) };
		} else if (deep_is(field.name, "Subject") && begins(field.value, SUBJECT))
			head->subject = behind(field.value, strlen(SUBJECT));
	}
	if (head->type.p == NULL)
		return DEEP_NO;
	while (next_line(&rest, &line) != NULL && !is_delimiter(line, head->boundary))
		continue;
	head->notice = take_part(&rest, head->boundary);
	part = take_part(&rest, head->boundary);
	/* the fields of the message, an empty line, and those of each recipient */
	while (part.n > 0) {
		group.p = part.p;
		while (next_line(&part, &line) != NULL && line.n > 0)
			continue;
		group.n = (size_t)(line.p - group.p);
		if (group.n > 0 && add_rcpt(head, &room, group) == -1) {
			bounce_free(head);
			return DEEP_FAIL;
		}
	}
	take_errors(head);
	take_msgid(head->msgid, take_part(&rest, head->boundary));
	return head->nrcpt > 0 ? DEEP_YES : DEEP_NO;
}

int
bounce_room(struct bounce_head *head)
{
	head->change = calloc(head->nrcpt, sizeof(*head->change));
	head->told = calloc(head->nrcpt, sizeof(*head->told));
	return head->change != NULL && head->told != NULL ? 0 : -1;
}

void
bounce_free(struct bounce_head *head)
{
	free(head->rcpt);
	free(head->change);
	free(head->told);
	memset(head, 0, sizeof(*head));
}

deep_latches
bounce_latches(struct deep_str error, char *status, size_t size)
{
	struct deep_refusal	 refusal;
	struct deep_str		 id;
	const char		*field;
	deep_latches		 latches = DEEP_LATCH_NONE;
	size_t			 n;

	status[0] = '\0';
	if (deep_refusal_parse(error, &refusal) == DEEP_YES) {
		if (refusal.status.n < size)
			snprintf(status, size, "%.*s", (int)refusal.status.n, refusal.status.p);
		return refusal.failed;
	}
	if ((field = find(error, DEEP_LATCH_FIELD ":")) == NULL)
		return DEEP_LATCH_NONE;
	/* "451 4.7.10 ...": the enhanced code is the second word */
	if (error.n > 4 && error.p[0] >= '4' && error.p[0] <= '5') {
		for (n = 4; n < error.n && error.p[n] != ' '; n++)
			continue;
		if (n - 4 < size)
			snprintf(status, size, "%.*s", (int)(n - 4), error.p + 4);
	}
	error = behind(error, (size_t)(field - error.p) + strlen(DEEP_LATCH_FIELD ":"));
	while (error.n > 0 && error.p[0] == ' ') {
		error = behind(error, 1);
		for (id = error, n = 0; n < error.n && strchr(" ();,\r\n", error.p[n]) == NULL; n++)
			continue;
		id.n = n;
		if (deep_latch_find(id) == DEEP_LATCH_NONE)
			break;
		latches |= deep_latch_find(id);
		error = behind(error, n);
	}
	return latches;
}

/* What stands between the place up to which was copied and this one. */
static int
copy_to(struct text *out, const char **at, const char *to)
{
	int	error = text_add(out, *at, (size_t)(to - *at));

	*at = to;
	return error;
}

static int
put(struct text *out, const char *s)
{
	return text_add(out, s, strlen(s));
}

/* The notice of a delay as that of a failure.  Other lines stay. */
static int
write_notice(struct text *out, const char **at, struct deep_str notice)
{
	struct deep_str	line;
	int		i, error = 0;

	while (next_line(&notice, &line) != NULL && !error) {
		if (begins(line, DELAYED_FOR)) {
			error |= copy_to(out, at, line.p);
			next_line(&notice, &line);	/* "    list of recipients:" */
			error |= put(out, ERROR_1 ERROR_2);
			*at = notice.p;
		} else if (begins(line, TEMPORARY)) {
			error |= copy_to(out, at, line.p);
			for (i = 1; i < TEMPORARY_LINES; i++)
				next_line(&notice, &line);
			*at = notice.p;
		}
	}
	return error;
}

/*
 * The Content-Type that this makes:
 *
 *	Content-Type: multipart/report; report-type=delivery-status;
 *		boundary="566542978682830218/relay.example.org"
 */
int
bounce_write(struct text *out, const struct bounce_head *head,
    const struct deep_dsngroup_change *change)
{
	const char	*at = head->all.p, *word;
	char		*group;
	int		 latched = 0, failed = head->nrcpt > 0, error = 0, n;
	size_t		 i;

	for (i = 0; i < head->nrcpt; i++) {
		latched |= change[i].latches != DEEP_LATCH_NONE;
		failed &= head->rcpt[i].delayed && change[i].action != NULL &&
		    strcmp(change[i].action, "failed") == 0;
	}
	/* two fields of the header, in whatever order they stand */
	for (i = 0; i < 2; i++) {
		word = head->subject.p;
		if (failed && word != NULL && (word < head->type.p) == (i == 0)) {
			error |= copy_to(out, &at, word);
			error |= put(out, "failed");
			at += head->subject.n;
		}
		if (latched && (i == 1) == (word != NULL && word < head->type.p)) {
			error |= copy_to(out, &at, head->type.p);
			error |= put(out, "Content-Type: multipart/report; "
			    "report-type=delivery-status;\n\tboundary=\"");
			error |= put(out, head->boundary);
			error |= put(out, "\"\n");
			at += head->type.n;
		}
	}
	if (failed)
		error |= write_notice(out, &at, head->notice);
	for (i = 0; i < head->nrcpt && !error; i++) {
		struct deep_str	 old = head->rcpt[i].group;

		if (change[i].latches == DEEP_LATCH_NONE && change[i].action == NULL &&
		    change[i].status == NULL && change[i].diagnostic == NULL)
			continue;
		error |= copy_to(out, &at, old.p);
		n = deep_dsngroup_emit(NULL, 0, old, &change[i]);
		if (n < 0 || (group = malloc((size_t)n + 1)) == NULL)
			return -1;
		deep_dsngroup_emit(group, (size_t)n + 1, old, &change[i]);
		error |= text_add(out, group, (size_t)n);
		free(group);
		at += old.n;
	}
	error |= copy_to(out, &at, head->all.p + head->all.n);
	return error ? -1 : 0;
}
