/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsn_stream.c - a delivery status on its way through (RFC 3464, RFC 6533): the
 * recipients' groups of the domains in a table get the status code and the
 * SMTP-Security-Latch field that draft-newman-email-deep-00 section 3.3 asks for.
 *
 *	table = entry *( ";" entry )
 *	entry = domain ":" status-code ":" security-latch-id *( "," security-latch-id )
 *
 * All other octets go through as they came, and what is no delivery status goes
 * through whole.  It holds one line or one group at a time, whatever the size of
 * the message.  Never touches a group that carries the reply of another server, nor
 * anything behind the first delivery status: that is the returned message.
 */
#include <string.h>

#include "dsn_stream.h"

static void
emit(struct dsn_stream *stream, const char *p, size_t n)
{
	if (n > 0 && !stream->failed && stream->write(stream->cookie, p, n) != 0)
		stream->failed = 1;
}

/* Takes what stands before the mark off the front; the mark goes too. */
static struct deep_str
before(struct deep_str *rest, char mark)
{
	struct deep_str part = *rest;
	const char *at = rest->n == 0 ? NULL : memchr(rest->p, mark, rest->n);

	if (at != NULL) {
		part.n = (size_t)(at - rest->p);
		rest->p = at + 1;
		rest->n -= part.n + 1;
	} else {
		rest->p += rest->n;
		rest->n = 0;
	}
	return part;
}

/* What the table says of this domain. */
static int
find_entry(const char *table, const char *domain, struct deep_dsngroup_change *change,
    char status[DEEP_LABEL_MAX + 1])
{
	struct deep_str rest = deep_str(table), entry, name, code, id;

	memset(change, 0, sizeof(*change));
	while (rest.n > 0) {
		entry = before(&rest, ';');
		name = before(&entry, ':');
		if (!deep_is(name, domain))
			continue;
		code = before(&entry, ':');
		if (code.n == 0 || code.n > DEEP_LABEL_MAX)
			return 0;
		memcpy(status, code.p, code.n);
		status[code.n] = '\0';
		change->status = status;
		while (entry.n > 0) {
			id = before(&entry, ',');
			change->latches |= deep_latch_find(id);
		}
		return change->latches != DEEP_LATCH_NONE;
	}
	return 0;
}

static int
is_held(const struct dsn_stream *stream, struct deep_str text,
    struct deep_dsngroup_change *change, char status[DEEP_LABEL_MAX + 1])
{
	struct deep_dsngroup group;
	char address[1024], domain[DEEP_DOMAIN_MAX + 1];
	const char *at;

	if (deep_dsngroup_read(&group, text, NULL) != DEEP_YES)
		return 0;
	if (group.diagnostic.p != NULL ||
	    (!deep_is(group.action, "failed") && !deep_is(group.action, "delayed")))
		return 0;
	if (deep_dsngroup_address(address, sizeof(address), group.final) <= 0 ||
	    (at = strrchr(address, '@')) == NULL ||
	    deep_domain_key(domain, sizeof(domain), deep_str(at + 1)) <= 0)
		return 0;
	return find_entry(stream->table, domain, change, status);
}

/* The group is complete, or all there is of it. */
static void
end_group(struct dsn_stream *stream)
{
	struct deep_str text = { stream->group, stream->ngroup };
	struct deep_dsngroup_change change;
	char status[DEEP_LABEL_MAX + 1];
	int n = -1;

	if (text.n > 0 && is_held(stream, text, &change, status))
		n = deep_dsngroup_emit(stream->out, sizeof(stream->out), text, &change);
	if (n > 0 && (size_t)n < sizeof(stream->out)) {
		emit(stream, stream->out, (size_t)n);
		/* one that was changed before comes out as it is */
		stream->changed += (size_t)n != text.n ||
		    memcmp(stream->out, text.p, text.n) != 0;
	} else {
		emit(stream, text.p, text.n);
	}
	stream->ngroup = 0;
}

/*
 * Content-Type: its type, and its boundary where it is a multipart.
 */
static struct deep_str
read_type(struct dsn_stream *stream)
{
	static const char name[] = "boundary=";
	struct deep_str rest = { stream->type, stream->ntype }, type = { NULL, 0 };
	struct deep_field field;
	struct deep_word word;
	size_t i;

	stream->nboundary = stream->where == DSN_HEAD ? 0 : stream->nboundary;
	if (deep_field_next(&rest, &field, NULL) != DEEP_YES)
		return type;
	while (deep_word_next(&field.value, &word, NULL) == DEEP_YES) {
		if (word.kind == DEEP_COMMENT || word.kind == DEEP_SPECIAL)
			continue;
		if (type.p == NULL) {
			type = word.text;
			if (stream->where != DSN_HEAD)
				break;
			continue;
		}
		if (word.text.n <= strlen(name) ||
		    !deep_is((struct deep_str){ word.text.p, strlen(name) }, name))
			continue;
		stream->boundary[0] = stream->boundary[1] = '-';
		stream->nboundary = 2;
		for (i = strlen(name); i < word.text.n; i++) {
			if (word.text.p[i] == '"')
				continue;
			if (stream->nboundary == sizeof(stream->boundary)) {
				stream->nboundary = 0;
				break;
			}
			stream->boundary[stream->nboundary++] = word.text.p[i];
		}
		break;
	}
	return type;
}

static int
is_blank(const char *p, size_t n)
{
	return n == 0 || (n == 1 && p[0] == '\n') || (n == 2 && p[0] == '\r' && p[1] == '\n');
}

/* 1: a delimiter of the message's parts, 2: the last one. */
static int
is_delimiter(const struct dsn_stream *stream, const char *p, size_t n)
{
	int last = 0;

	if (stream->nboundary <= 2 || n < stream->nboundary ||
	    memcmp(p, stream->boundary, stream->nboundary) != 0)
		return 0;
	p += stream->nboundary;
	n -= stream->nboundary;
	if (n >= 2 && p[0] == '-' && p[1] == '-') {
		last = 1;
		p += 2;
		n -= 2;
	}
	for (; n > 0; p++, n--)
		if (*p != ' ' && *p != '\t' && *p != '\r' && *p != '\n')
			return 0;
	return last ? 2 : 1;
}

/* A line of the message's or a part's header: Content-Type is kept. */
static void
header_line(struct dsn_stream *stream, const char *p, size_t n)
{
	static const char name[] = "content-type:";

	if (p[0] != ' ' && p[0] != '\t') {
		stream->in_type = stream->ntype == 0 && n > strlen(name) &&
		    deep_is((struct deep_str){ p, strlen(name) }, name);
	}
	if (stream->in_type && n <= sizeof(stream->type) - stream->ntype) {
		memcpy(stream->type + stream->ntype, p, n);
		stream->ntype += n;
	}
}

static void
end_header(struct dsn_stream *stream)
{
	struct deep_str type = read_type(stream);

	if (stream->where == DSN_HEAD)
		stream->where = stream->nboundary > 2 ? DSN_BODY : DSN_REST;
	else if (deep_is(type, "message/delivery-status") ||
	    deep_is(type, "message/global-delivery-status"))
		stream->where = DSN_GROUPS;
	else
		stream->where = DSN_BODY;
	stream->ntype = 0;
	stream->in_type = 0;
}

/* One line with its end, or the last one without. */
static void
take_line(struct dsn_stream *stream, const char *p, size_t n)
{
	int delimiter;

	switch (stream->where) {
	case DSN_HEAD:
	case DSN_PART:
		emit(stream, p, n);
		if (is_blank(p, n))
			end_header(stream);
		else
			header_line(stream, p, n);
		return;
	case DSN_BODY:
		emit(stream, p, n);
		if ((delimiter = is_delimiter(stream, p, n)) != 0) {
			stream->where = delimiter == 2 ? DSN_REST : DSN_PART;
			stream->ntype = 0;
			stream->in_type = 0;
		}
		return;
	case DSN_GROUPS:
	case DSN_SKIP:
		if (is_delimiter(stream, p, n)) {
			end_group(stream);
			emit(stream, p, n);
			stream->where = DSN_REST;
		} else if (is_blank(p, n)) {
			end_group(stream);
			emit(stream, p, n);
			stream->where = DSN_GROUPS;
		} else if (stream->where == DSN_SKIP ||
		    n > sizeof(stream->group) - stream->ngroup) {
			emit(stream, stream->group, stream->ngroup);
			emit(stream, p, n);
			stream->ngroup = 0;
			stream->where = DSN_SKIP;
		} else {
			memcpy(stream->group + stream->ngroup, p, n);
			stream->ngroup += n;
		}
		return;
	default:
		emit(stream, p, n);
	}
}

void
dsn_begin(struct dsn_stream *stream, const char *table, dsn_write write, void *cookie)
{
	memset(stream, 0, sizeof(*stream));
	stream->where = DSN_HEAD;
	stream->table = table;
	stream->write = write;
	stream->cookie = cookie;
}

/* A line over DSN_LINE_MAX is none that is looked for: it passes, and ends a group. */
static void
long_line(struct dsn_stream *stream, const char *p, size_t n)
{
	if (stream->where == DSN_GROUPS || stream->where == DSN_SKIP) {
		emit(stream, stream->group, stream->ngroup);
		stream->ngroup = 0;
		stream->where = DSN_SKIP;
	}
	stream->in_type = 0;
	emit(stream, p, n);
}

void
dsn_feed(struct dsn_stream *stream, const char *p, size_t n)
{
	const char *newline;
	size_t part;

	while (n > 0 && stream->where != DSN_REST) {
		newline = memchr(p, '\n', n);
		part = newline == NULL ? n : (size_t)(newline - p) + 1;
		if (stream->inside || part > sizeof(stream->line) - stream->nline) {
			long_line(stream, stream->line, stream->nline);
			long_line(stream, p, part);
			stream->nline = 0;
			stream->inside = newline == NULL;
		} else {
			memcpy(stream->line + stream->nline, p, part);
			stream->nline += part;
			if (newline != NULL) {
				take_line(stream, stream->line, stream->nline);
				stream->nline = 0;
			}
		}
		p += part;
		n -= part;
	}
	emit(stream, p, n);
}

int
dsn_end(struct dsn_stream *stream)
{
	if (stream->nline > 0) {
		take_line(stream, stream->line, stream->nline);
		stream->nline = 0;
	}
	if (stream->where == DSN_GROUPS || stream->where == DSN_SKIP)
		end_group(stream);
	return stream->failed ? -1 : 0;
}
