/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * stamp.c - the tls clause (RFC 8314 4.3) in the Received field that smtpd puts
 * on a message, while the lines of the message pass: behind "for", in front of
 * the ";" (D4-7), with the suite's name as IANA has it (D4-3).
 *
 *	Received: from client.example (client.example [192.0.2.1])
 *		by mx.example.org (OpenSMTPD) with ESMTPS id 4ef05b3a (TLSv1.3:...)
 *		for <u@example.org>
 *		tls TLS_AES_256_GCM_SHA384;
 *		Mon, 23 Nov 2026 05:57:40 +0000 (UTC)
 *
 * smtpd's own field is the first of its kind, and has the number of this
 * transaction in it; a field that anybody else wrote is never touched.
 */
#include <stdio.h>
#include <string.h>

#include "osmtpd.h"

/* Whether this is the line "\tby NAME (OpenSMTPD) with PROTOCOL id NUMBER ...". */
static int
is_own(struct deep_str line, const char *msgid)
{
	static const char	 by[] = "\tby ", server[] = " (OpenSMTPD) with ", id[] = " id ";
	struct deep_str		 rest = line;
	const char		*p;
	size_t			 n = strlen(msgid);

	if (n == 0 || rest.n < strlen(by) || memcmp(rest.p, by, strlen(by)) != 0)
		return 0;
	if ((p = memmem(rest.p, rest.n, server, strlen(server))) == NULL)
		return 0;
	rest.n -= (size_t)(p - rest.p) + strlen(server);
	rest.p = p + strlen(server);
	if ((p = memmem(rest.p, rest.n, id, strlen(id))) == NULL)
		return 0;
	rest.n -= (size_t)(p - rest.p) + strlen(id);
	rest.p = p + strlen(id);
	return rest.n > n && memcmp(rest.p, msgid, n) == 0 &&
	    (rest.p[n] == ' ' || rest.p[n] == ';');
}

/* The line with the clause in front of its ";". */
static struct deep_str
with_clause(struct deep_str line, const char *words, char *buf, size_t size)
{
	struct deep_session		 session;
	const struct deep_group		*group;
	struct deep_str			 body = line, none = { NULL, 0 }, new;
	char				 suite[128];
	const char			*cr = "";
	size_t				 column;
	int				 n;

	if (body.p[body.n - 1] == '\r') {
		cr = "\r";
		body.n--;
	}
	body.n--;				/* the ";" */
	if (deep_session_words(&session, deep_str(words), &group) != DEEP_YES ||
	    session.suite == NULL || session.like ||
	    deep_suite_emit(suite, sizeof(suite), session.suite->code) < 0 ||
	    body.n >= size)
		return line;
	memcpy(buf, body.p, body.n);
	column = body.n + 7;			/* the tab in front is eight */
	n = deep_tls_emit(buf + body.n, size - body.n, column, "\n", deep_str(suite),
	    group != NULL ? deep_str(group->name) : none);
	if (n < 0 || body.n + (size_t)n + 3 > size)
		return line;
	new.p = buf;
	new.n = body.n + (size_t)n;
	new.n += (size_t)snprintf(buf + new.n, size - new.n, ";%s", cr);
	return new;
}

struct deep_str
stamp_line(struct stamp *stamp, struct deep_str line, const char *msgid, const char *words,
    char *buf, size_t size)
{
	struct deep_str	body = line;

	if (stamp->state == STAMP_DONE)
		return line;
	if (body.n > 0 && body.p[body.n - 1] == '\r')
		body.n--;
	if (body.n == 0) {
		stamp->state = STAMP_DONE;
		return line;
	}
	if (body.p[0] != ' ' && body.p[0] != '\t') {
		/* the first Received is ours or none is */
		if (stamp->state != STAMP_BEFORE)
			stamp->state = STAMP_DONE;
		else if (body.n > 9 && deep_is((struct deep_str){ body.p, 9 }, "Received:"))
			stamp->state = STAMP_FIRST;
		return line;
	}
	if (stamp->state == STAMP_FIRST && is_own(body, msgid))
		stamp->state = STAMP_OWN;
	if (stamp->state == STAMP_OWN && body.p[body.n - 1] == ';') {
		stamp->state = STAMP_DONE;
		return with_clause(line, words, buf, size);
	}
	return line;
}
