/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * picture.c - a path as a picture: the hosts it names, the lanes that they
 * stand in, and one step for each hop.
 *
 * A lane is an administrative domain (owner.c).  The host that wrote a hop is taken
 * for the one that gave the message on in the next, unless that hop has the flag
 * "gap"; then both are drawn, and nothing between them.  Never draws a host that no
 * field names.
 */
#include <string.h>

#include "analyzer.h"

/* The end of a host's name that is its domain, where it is written in another script
 * than the key: with as many labels.  Else the key. */
static struct deep_str
as_written(struct deep_str host, const char *domain)
{
	char key[DEEP_DOMAIN_MAX + 1];
	const char *p;
	size_t labels = 1;
	int ascii = 1;

	for (p = domain; *p != '\0'; p++)
		labels += *p == '.';
	while (host.n > 0 && host.p[host.n - 1] == '.')
		host.n--;
	if (host.p == NULL || host.n == 0)
		return deep_str(domain);
	for (p = host.p + host.n; p > host.p; p--) {
		if (p[-1] == '.' && --labels == 0)
			break;
		ascii &= (p[-1] & 0x80) == 0;
	}
	host.n -= (size_t)(p - host.p);
	host.p = p;
	if (ascii || deep_domain_key(key, sizeof(key), host) <= 0 || strcmp(key, domain) != 0)
		return deep_str(domain);
	return host;
}

static size_t
lane_find(struct picture *picture, const char *name, struct deep_str host)
{
	size_t i;

	for (i = 0; i < picture->nlane; i++) {
		if (strcmp(picture->lane[i].name, name) == 0)
			return i;
	}
	strlcpy(picture->lane[i].name, name, sizeof(picture->lane[i].name));
	picture->lane[i].shown = as_written(host, picture->lane[i].name);
	picture->nlane++;
	return i;
}

/* A host with the lane of the first name that has one; else of the stop that it
 * is beside; else the lane without a name. */
static size_t
stop_add(struct picture *picture, struct deep_str name, struct deep_str other, struct deep_str ip,
    const struct stop *beside)
{
	struct stop *stop = &picture->stop[picture->nstop];
	char domain[DEEP_DOMAIN_MAX + 1];

	stop->name = name.p != NULL && name.n > 0 ? name : other.p != NULL ? other : ip;
	stop->ip = ip;
	if (domain_of(domain, sizeof(domain), name) || domain_of(domain, sizeof(domain), other))
		stop->lane = lane_find(picture, domain, stop->name);
	else if (beside != NULL)
		stop->lane = beside->lane;
	else
		stop->lane = lane_find(picture, "", stop->name);
	return picture->nstop++;
}

void
picture_make(struct picture *picture, const struct path *path, struct arena *arena)
{
	size_t i, at = 0;

	memset(picture, 0, sizeof(*picture));
	if (path->nhop == 0)
		return;
	picture->stop = arena_get(arena, 2 * path->nhop * sizeof(*picture->stop));
	picture->lane = arena_get(arena, 2 * path->nhop * sizeof(*picture->lane));
	picture->step = arena_get(arena, path->nhop * sizeof(*picture->step));
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];
		const struct stop *beside = NULL;
		struct step *step = &picture->step[i];
		struct deep_str none = { NULL, 0 };

		if (i == 0 && hop->from.p == NULL && hop->from_ip.p == NULL &&
		    hop->verdict == VERDICT_LOCAL) {
			at = stop_add(picture, hop->by, none, none, NULL);
			step->from = step->to = at;	/* begun on this host */
			continue;
		}
		if (i == 0 || (hop->flags & FLAG_GAP)) {
			/* a sender's own word for itself may be anything: the name that
			 * was looked up, where there is one, says more */
			at = stop_add(picture, hop->from, hop->from_rdns, hop->from_ip, NULL);
			picture->stop[at].gap = i > 0;
		} else if (picture->stop[at].ip.p == NULL && hop->verdict != VERDICT_LOCAL) {
			picture->stop[at].ip = hop->from_ip;
		}
		step->from = at;
		if (hop->verdict == VERDICT_LOCAL)
			beside = &picture->stop[at];
		step->to = at = stop_add(picture, hop->by, none, none, beside);
	}
}

void
name_cut(struct deep_str name, size_t nhead, size_t ntail, struct deep_str *head,
    struct deep_str *tail)
{
	tail->n = ntail;
	tail->p = name.p + name.n - ntail;
	while (tail->n > 0 && ((unsigned char)*tail->p & 0xc0) == 0x80) {
		tail->p++;
		tail->n--;
	}
	head->p = name.p;
	head->n = nhead;
	while (head->n > 0 && ((unsigned char)name.p[head->n] & 0xc0) == 0x80)
		head->n--;
}

int
stop_has_ip(const struct stop *stop)
{
	return stop->ip.p != NULL && (stop->name.p == NULL || stop->ip.p < stop->name.p ||
	    stop->ip.p >= stop->name.p + stop->name.n);
}
