/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * record.c - a record as JSON, and back.
 *
 *	{"name": "example.org", "service": "relay", "exempt": 0,
 *	 "latches": {"tls10": {"first": 1800000000, "confirmed": ..., "window": ...,
 *	    "enforced": ..., "contradicted": ..., "confirmations": 3,
 *	    "contradictions": 0, "in_window": 3},
 *	    "tls-cert": {..., "by": "host", "host": "mx1.example.org"}, ...},
 *	 "hosts": [{"name": "mx1.example.org", "satisfied": ["tls10"], "first": ...,
 *	    "last": ..., "sessions": 3}]}
 *
 * "by" of tls-cert is "domain" or "host", whose name the certificate was right for, and is
 * left out where that is not known.  Times are seconds since 1970, and 0 is never, so that what is exported and imported is
 * the same.  What is read is foreign: each value is looked at before it is taken.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "admin.h"

#define DAY	86400
#define CERT	3		/* row of latches.in */

/* The members of a latch, in their order. */
enum member { FIRST, CONFIRMED, WINDOW, ENFORCED, CONTRADICTED, NTIME };
static const char *const times[NTIME] = {
	"first", "confirmed", "window", "enforced", "contradicted"
};

/* By enum deep_reference. */
static const char *const words[] = { NULL, "domain", "host" };

json_t *
latches_json(deep_latches set)
{
	json_t		*list = json_array();
	const char	*id;
	unsigned	 n;

	for (n = 0; list != NULL && (id = deep_latch_name(n)) != NULL; n++)
		if (set & 1u << n && json_array_append_new(list, json_string(id)) == -1) {
			json_decref(list);
			return NULL;
		}
	return list;
}

json_t *
text_json(const char *text)
{
	char	plain[1024];
	json_t	*value = json_string(text);

	if (value != NULL)
		return value;
	(void)strlcpy(plain, text, sizeof(plain));
	for (text = plain; *text != '\0'; text++)
		if ((unsigned char)*text >= 0x80)
			plain[text - plain] = '?';
	return json_string(plain);
}

static json_t *
held_json(const struct deep_held *held)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
	    times[FIRST], (json_int_t)held->first, times[CONFIRMED], (json_int_t)held->confirmed,
	    times[WINDOW], (json_int_t)held->window, times[ENFORCED], (json_int_t)held->enforced,
	    times[CONTRADICTED], (json_int_t)held->contradicted,
	    "confirmations", (json_int_t)held->confirmations,
	    "contradictions", (json_int_t)held->contradictions,
	    "in_window", (json_int_t)held->in_window);
}

static int
add_reference(json_t *latch, const struct deep_record *record)
{
	if (record->cert_by == DEEP_BY_NONE)
		return 0;
	return json_object_set_new(latch, "by", json_string(words[record->cert_by])) |
	    (record->cert_by == DEEP_BY_DOMAIN ? 0 :
	    json_object_set_new(latch, "host", json_string(record->cert_host)));
}

json_t *
record_json(const struct deep_key *key, const struct deep_record *record)
{
	json_t		*latches = json_object(), *hosts = json_array();
	unsigned	 n;
	size_t		 i;
	int		 bad = 0;

	for (n = 0; n < DEEP_LATCHES; n++)
		if (record->latch[n].first != 0)
			bad |= json_object_set_new(latches, deep_latch_name(n),
			    held_json(&record->latch[n]));
	if (record->latch[CERT].first != 0)
		bad |= add_reference(json_object_get(latches, deep_latch_name(CERT)), record);
	for (i = 0; i < record->nother; i++)
		bad |= json_object_set_new(latches, record->other[i].id,
		    held_json(&record->other[i].held));
	for (i = 0; i < record->nhost; i++)
		bad |= json_array_append_new(hosts, json_pack("{s:s, s:o, s:I, s:I, s:I}",
		    "name", record->host[i].name,
		    "satisfied", latches_json(record->host[i].satisfied),
		    "first", (json_int_t)record->host[i].first,
		    "last", (json_int_t)record->host[i].last,
		    "sessions", (json_int_t)record->host[i].sessions));
	if (bad != 0) {
		json_decref(latches);
		json_decref(hosts);
		return NULL;
	}
	return json_pack("{s:s, s:s, s:I, s:o, s:o}", "name", key->name,
	    "service", deep_service_name(key->service), "exempt", (json_int_t)record->exempt,
	    "latches", latches, "hosts", hosts);
}

void
json_line(FILE *stream, json_t *value)
{
	if (value == NULL || json_dumpf(value, stream, JSON_COMPACT | JSON_ENSURE_ASCII) == -1) {
		if (ferror(stream))
			err(EX_IOERR, "standard output");
		errx(EX_OSERR, "no memory");
	}
	putc('\n', stream);
	json_decref(value);
}

/*
 * Reading.
 */

/* A whole number in these limits. */
static int
get_number(const json_t *object, const char *name, int64_t least, int64_t most, int64_t *value)
{
	const json_t	*member = json_object_get(object, name);

	if (!json_is_integer(member))
		return 0;
	*value = json_integer_value(member);
	return *value >= least && *value <= most;
}

static int
read_held(const json_t *object, int64_t latest, struct deep_held *held)
{
	int64_t	time[NTIME], confirmations, contradictions, in_window;
	int	i;

	for (i = 0; i < NTIME; i++)
		if (!get_number(object, times[i], i == FIRST ? 1 : 0, latest, &time[i]))
			return 0;
	if (!get_number(object, "confirmations", 0, UINT32_MAX, &confirmations) ||
	    !get_number(object, "contradictions", 0, UINT32_MAX, &contradictions) ||
	    !get_number(object, "in_window", 0, UINT32_MAX, &in_window))
		return 0;
	held->first = time[FIRST];
	held->confirmed = time[CONFIRMED];
	held->window = time[WINDOW];
	held->enforced = time[ENFORCED];
	held->contradicted = time[CONTRADICTED];
	held->confirmations = (uint32_t)confirmations;
	held->contradictions = (uint32_t)contradictions;
	held->in_window = (uint32_t)in_window;
	return 1;
}

/* A name as policy.c would have written it: printable, without blanks or upper case. */
static int
is_host(const char *name)
{
	size_t	n = strlen(name);

	if (n == 0 || n > DEEP_DOMAIN_MAX)
		return 0;
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name > '~' || (*name >= 'A' && *name <= 'Z'))
			return 0;
	return 1;
}

/* Members beside the eight numbers: as many as there may be, or -1. */
static int
read_reference(const json_t *object, struct deep_record *record)
{
	const char	*by = json_string_value(json_object_get(object, "by"));
	const char	*host = json_string_value(json_object_get(object, "host"));

	if (by == NULL)
		return 0;
	if (strcmp(by, words[DEEP_BY_DOMAIN]) == 0) {
		record->cert_by = DEEP_BY_DOMAIN;
		return 1;
	}
	if (strcmp(by, words[DEEP_BY_HOST]) != 0 || host == NULL ||
	    (host[0] != '\0' && !is_host(host)))
		return -1;
	record->cert_by = DEEP_BY_HOST;
	(void)strlcpy(record->cert_host, host, sizeof(record->cert_host));
	return 2;
}

static const char *
read_latches(json_t *object, int64_t latest, struct deep_record *record)
{
	const char		*id;
	const json_t		*value;
	struct deep_held	*held;
	deep_latches		 bit;
	unsigned		 n;
	int			 more;
	void			*at;

	for (at = json_object_iter(object); at != NULL;
	    at = json_object_iter_next(object, at)) {
		id = json_object_iter_key(at);
		value = json_object_iter_value(at);
		if (!deep_latch_valid(deep_str(id)))
			return "a latch whose name is none";
		bit = deep_latch_find(deep_str(id));
		if (bit == DEEP_LATCH_NONE) {
			if (record->nother == DEEP_OTHER_MAX)
				return "too many latches that this version does not know";
			(void)strlcpy(record->other[record->nother].id, id,
			    sizeof(record->other[0].id));
			held = &record->other[record->nother++].held;
		} else {
			for (n = 0; bit != 1u << n; n++)
				continue;
			held = &record->latch[n];
		}
		more = held == &record->latch[CERT] ? read_reference(value, record) : 0;
		if (more == -1)
			return "tls-cert by what is neither \"domain\" nor the name of a host";
		if (!json_is_object(value) || !read_held(value, latest, held) ||
		    json_object_size(value) != NTIME + 3 + (size_t)more)
			return "a latch without its eight numbers, or with one that cannot be";
	}
	return NULL;
}

static const char *
read_satisfied(const json_t *list, deep_latches *set)
{
	const json_t	*id;
	deep_latches	 bit;
	size_t		 i;

	for (i = 0; i < json_array_size(list); i++) {
		id = json_array_get(list, i);
		bit = json_is_string(id) ? deep_latch_find(deep_str(json_string_value(id))) :
		    DEEP_LATCH_NONE;
		if (bit == DEEP_LATCH_NONE)
			return "a host with a latch that there is not";
		*set |= bit;
	}
	return NULL;
}

static const char *
read_hosts(const json_t *list, int64_t latest, struct deep_record *record)
{
	struct deep_seen	*seen;
	const json_t		*host;
	const char		*name, *why;
	int64_t			 sessions;
	size_t			 i, k;

	if (json_array_size(list) > DEEP_HOST_MAX)
		return "more than 32 hosts";
	for (i = 0; i < json_array_size(list); i++) {
		host = json_array_get(list, i);
		seen = &record->host[record->nhost];
		name = json_string_value(json_object_get(host, "name"));
		if (name == NULL || !is_host(name))
			return "a host without a name that can be one";
		for (k = 0; k < record->nhost; k++)
			if (strcmp(record->host[k].name, name) == 0)
				return "a host twice";
		if (!json_is_array(json_object_get(host, "satisfied")))
			return "a host without \"satisfied\"";
		if ((why = read_satisfied(json_object_get(host, "satisfied"),
		    &seen->satisfied)) != NULL)
			return why;
		if (!get_number(host, "first", 1, latest, &seen->first) ||
		    !get_number(host, "last", 1, latest, &seen->last) ||
		    !get_number(host, "sessions", 0, UINT32_MAX, &sessions))
			return "a host without its times, or with one that cannot be";
		(void)strlcpy(seen->name, name, sizeof(seen->name));
		seen->sessions = (uint32_t)sessions;
		record->nhost++;
	}
	return NULL;
}

int
record_read(json_t *object, int64_t now, struct deep_key *key, struct deep_record *record,
    const char **why)
{
	const int64_t	 latest = now + DAY;	/* another host's clock may be ahead */
	const char	*name = json_string_value(json_object_get(object, "name"));
	const char	*service = json_string_value(json_object_get(object, "service"));
	json_t		*latches = json_object_get(object, "latches");
	const json_t	*hosts = json_object_get(object, "hosts");
	int		 number;

	memset(record, 0, sizeof(*record));
	*why = NULL;
	if (name == NULL || service == NULL || !json_is_object(latches) || !json_is_array(hosts))
		*why = "not an object with name, service, latches and hosts";
	else if ((number = deep_service_find(deep_str(service))) < 0)
		*why = "a service that there is not";
	else if (deep_key(key, (enum deep_service)number, deep_str(name)) != DEEP_YES ||
	    strcmp(key->name, name) != 0)
		*why = "a name that is no domain in lower case";
	else if (!get_number(object, "exempt", 0, latest, &record->exempt))
		*why = "\"exempt\" is no time that can be";
	else if ((*why = read_latches(latches, latest, record)) == NULL)
		*why = read_hosts(hosts, latest, record);
	return *why == NULL;
}
