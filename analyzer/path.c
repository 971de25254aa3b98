/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * path.c - the chain of Received fields of one header (RFC 5321 4.4: the
 * newest stands first), turned round so that the origin is hop 1, with what is
 * missing in it and the verdict of its worst hop.
 *
 * The order of the fields is kept, dates never sort them.
 */
#include <string.h>

#include "analyzer.h"
#include "word.h"

void
path_lacks(struct path *path, const char *why)
{
	size_t i;

	path->complete = 0;
	for (i = 0; i < path->nwhy; i++) {
		if (strcmp(path->why[i], why) == 0)
			return;
	}
	if (path->nwhy < sizeof(path->why) / sizeof(path->why[0]))
		path->why[path->nwhy++] = why;
}

/* Cuts brackets and a final dot. */
static struct deep_str
plain(struct deep_str name)
{
	if (name.p == NULL)
		return name;
	if (name.n > 2 && *name.p == '[' && name.p[name.n - 1] == ']') {
		name.p++;
		name.n -= 2;
	}
	if (name.n > 1 && name.p[name.n - 1] == '.')
		name.n--;
	return name;
}

static int
same(struct deep_str a, struct deep_str b)
{
	a = plain(a);
	b = plain(b);
	return a.p != NULL && b.p != NULL && a.n == b.n &&
	    (memcmp(a.p, b.p, a.n) == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

/* Whether the top label is one that no public name has (RFC 6761, RFC 6762; ICANN for
 * "internal"), or is taken for one. */
static int
is_private_name(struct deep_str name)
{
	static const char *const tops[] = { "internal", "local", "localdomain", "lan", "home",
	    "corp", "intra", "intranet", "private" };
	struct deep_str top = plain(name);
	const char *dot = memrchr(top.p, '.', top.n);
	size_t i;

	if (dot != NULL) {
		top.n -= (size_t)(dot + 1 - top.p);
		top.p = dot + 1;
	}
	for (i = 0; i < sizeof(tops) / sizeof(tops[0]); i++)
		if (deep_is(top, tops[i]))
			return 1;
	return 0;
}

/* A name that others could use for the host too: with a dot, and no address. */
static int
is_public_name(struct deep_str name)
{
	const char *dot;

	name = plain(name);
	if (name.p == NULL || name.n == 0 || memchr(name.p, ':', name.n) != NULL)
		return 0;
	dot = memrchr(name.p, '.', name.n);
	return dot != NULL && dot + 1 < name.p + name.n && (dot[1] < '0' || dot[1] > '9') &&
	    memchr(name.p, '/', name.n) == NULL;
}

/* "MX7PR01CA0020" in two domains of one operator: a first label that is long, and has
 * a digit in it, is no common one. */
static int
same_label(struct deep_str a, struct deep_str b)
{
	size_t n = 0, digits = 0;

	a = plain(a);
	b = plain(b);
	for (; n < a.n && n < b.n && a.p[n] != '.' && deep_lower(a.p[n]) == deep_lower(b.p[n]); n++)
		digits += deep_digit(a.p[n]) != 0;
	return n >= 8 && digits > 0 && n < a.n && n < b.n && a.p[n] == '.' && b.p[n] == '.';
}

/* Did the host that wrote the older hop give the message on in the newer one?
 * Only names that can be compared are. */
static int
is_gap(const struct hop *older, const struct hop *newer)
{
	const struct deep_str names[] = { newer->from, newer->from_rdns };
	int compared = 0;
	size_t i;

	if (older->by.p == NULL || newer->from.p == NULL || newer->verdict == VERDICT_LOCAL)
		return 0;
	if (same(older->by, newer->from) || same(older->by, newer->from_ip) ||
	    same(older->by, newer->from_rdns))
		return 0;
	if (!is_public_name(older->by))
		return 0;
	for (i = 0; i < 2; i++) {
		if (!is_public_name(names[i]))
			continue;
		if (same_domain(plain(older->by), plain(names[i])) || same_label(older->by, names[i]))
			return 0;
		compared |= !is_private_name(names[i]);
	}
	return compared && !is_private_name(older->by);
}

static int
is_trusted(const struct trust *trust, struct deep_str by)
{
	size_t i;

	by = plain(by);
	for (i = 0; i < trust->nhost; i++) {
		size_t n = strlen(trust->host[i]);

		if (deep_is(by, trust->host[i]) || (by.p != NULL && by.n > n + 1 &&
		    by.p[by.n - n - 1] == '.' &&
		    strncasecmp(by.p + by.n - n, trust->host[i], n) == 0))
			return 1;
	}
	return 0;
}

/* From the newest down, as long as each field was written by a trusted host: a
 * field below a stranger's could name anybody. */
static void
mark_trust(struct path *path, const struct trust *trust)
{
	size_t i;
	int trusted = 1;

	if (trust == NULL || trust->nhost == 0)
		return;
	for (i = path->nhop; i-- > 0; ) {
		struct hop *hop = &path->hop[i];

		if (hop->by.p != NULL || hop->verdict != VERDICT_LOCAL)
			trusted = trusted && is_trusted(trust, hop->by);
		hop->has_trust = 1;
		hop->trusted = trusted != 0;
	}
}

/* What the report itself says about the end of the path (RFC 3461 5.2, 6.2). */
static void
judge_end(struct path *path, const struct dsn *dsn)
{
	static const char exim[] = "eximdsn";
	const struct hop *last = path->nhop > 0 ? &path->hop[path->nhop - 1] : NULL;
	int is_exim = dsn->boundary_hint.p != NULL && memmem(dsn->boundary_hint.p,
	    dsn->boundary_hint.n, exim, sizeof(exim) - 1) != NULL;
	size_t i;

	if (dsn->limited)
		path_lacks(path, "report-limit");
	if (dsn->nrcpt == 0)
		path_lacks(path, "no-recipient-group");
	for (i = 0; i < dsn->nrcpt; i++) {
		const struct recipient *rcpt = &dsn->rcpt[i];

		if (deep_is(rcpt->action, "relayed"))
			path_lacks(path, "relayed");
		else if (deep_is(rcpt->action, "expanded"))
			path_lacks(path, "expanded");
		else if (!deep_is(rcpt->action, "delivered"))
			path_lacks(path, "not-delivered");
		else if (rcpt->remote_mta.n > 0 && is_exim)
			path_lacks(path, "relayed-called-delivered");	/* */
		else if (rcpt->remote_mta.n > 0 && !same(rcpt->remote_mta, dsn->reporting_mta))
			path_lacks(path, "last-hop-invisible");
		else if (last != NULL && last->by.p != NULL && is_public_name(last->by) &&
		    is_public_name(dsn->reporting_mta) && !same(last->by, dsn->reporting_mta) &&
		    !same_domain(plain(last->by), plain(dsn->reporting_mta)))
			path_lacks(path, "last-hop-invisible");
	}
	if (dsn->returned.p == NULL)
		path_lacks(path, "no-header-returned");
}

static void
judge(struct path *path)
{
	size_t i;
	int first = 1;

	path->verdict = path->nhop == 0 ? VERDICT_UNKNOWN : VERDICT_LOCAL;
	for (i = 0; i < path->nhop; i++) {
		struct hop *hop = &path->hop[i], *older = i > 0 ? &path->hop[i - 1] : NULL;

		if (older != NULL && older->has_date && hop->has_date) {
			hop->has_delay = 1;
			hop->delay = hop->date.utc - older->date.utc;
			if (hop->delay <= -60)
				hop->flags |= FLAG_CLOCK;
		}
		if (older != NULL && is_gap(older, hop)) {
			hop->flags |= FLAG_GAP;
			path_lacks(path, "gap");
		}
		if (hop->verdict > path->verdict)
			path->verdict = hop->verdict;
		if (hop->verdict != VERDICT_LOCAL) {
			path->latches = first ? hop->latches : path->latches & hop->latches;
			first = 0;
		}
	}
}

void
path_read(struct path *path, struct deep_str header, const struct dsn *dsn,
    const struct trust *trust, struct dialects *dialects, struct arena *arena)
{
	static struct { struct deep_str value; int cut; } found[RECEIVED_MAX];	/* newest first */
	struct deep_str rest = header;
	struct deep_field field;
	enum deep_status answer;
	size_t n = 0, i;

	memset(path, 0, sizeof(*path));
	path->complete = 1;
	if (rest.n > HEADER_MAX)
		rest.n = HEADER_MAX;
	while ((answer = field_of(&rest, LINE_R | LINE_M, &field)) != DEEP_NO) {
		if (path->message_id.p == NULL && IS(field.name, "Message-ID"))
			path->message_id = flat(field.value, arena);
		if (!IS(field.name, "Received"))
			continue;
		if (n == RECEIVED_MAX) {
			path_lacks(path, "received-limit");
			break;
		}
		found[n].value = field.value;
		found[n++].cut = answer == DEEP_LIMIT;
	}
	/* the end of what was looked at is not the end of the header */
	if (header.n > HEADER_MAX && rest.n == 0)
		path_lacks(path, "header-limit");
	if (n > 0)
		path->hop = arena_text(arena, n * sizeof(*path->hop));
	path->nhop = n;
	for (i = 0; i < n; i++) {
		struct hop *hop = &path->hop[n - 1 - i];

		hop_read(hop, found[i].value, dialects, arena);
		if (found[i].cut) {
			hop->flags |= FLAG_LIMIT;
			path_lacks(path, "field-limit");
		}
	}
	if (n == 0 && header.p != NULL)
		path_lacks(path, "no-received");
	judge(path);
	mark_trust(path, trust);
	if (dsn != NULL)
		judge_end(path, dsn);
}
