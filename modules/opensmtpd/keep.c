/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * keep.c - the second process of filter-deep and table-deep: it has the store
 * and the policy, and is asked by the first.
 *
 * What cannot be read is told, and answered with "cannot be read": never as if
 * nothing were known.  deep.conf is read again when it has changed; a bad one
 * leaves the last good one in force, and where there was none nothing is learnt.
 *
 * A smarthost is never learnt from: its TLS says nothing of the domains behind
 * it.  The names in [filter] smarthosts are resolved here; as long as one of
 * them could not be resolved nothing at all is learnt.
 */
#include <sys/socket.h>
#include <sys/stat.h>

#include <errno.h>
#include <libgen.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "osmtpd.h"

#define HELD		"held"		/* note: domain, "MSGID RECIPIENT": what deep-relay said */
#define BROKEN		"broken"	/* note: host: a session broke off for the want of TLS */
#define BROKEN_KEPT	86400		/* seconds: another attempt makes it anew */
#define PLACE		"address"	/* note: "map", domain: "127.x.y.z" */
#define PLACE_KEPT	(400 * 86400)	/* seconds since an address was last asked for */
#define LOOK_AGAIN	5000		/* ms between two looks at deep.conf */
#define RESOLVE_AGAIN	3600000		/* ms until the names of smarthosts are asked again */
#define RESOLVE_SOON	30000		/* ms, where one could not be resolved */
#define OPEN_AGAIN	1000		/* ms until a store is tried again */
#define ALARM_AGAIN	60000		/* ms until the same alarm is told again */
#define SMARTHOST_MAX	256		/* addresses */

struct keep {
	const char		*file;		/* deep.conf; NULL: by default */
	int			 fd;
	const struct backlog	*backlog;	/* what was asked, and is not in the store yet */
	struct deep_config	*config;
	int			 config_good;
	struct stat		 config_was;
	int64_t			 config_next;
	struct deep_store	*store;
	int			 open, confined, leaves;
	struct stat		 store_was, folder_was;
	int64_t			 store_next;
	char			 alarm[512];
	int64_t			 alarm_next;
	char			 smarthost[SMARTHOST_MAX][64];
	size_t			 nsmarthost;
	int			 resolved;
	int64_t			 resolve_next;
};

static int64_t
now(void)
{
	return (int64_t)time(NULL);
}

static void
tell(const char *kind, const struct deep_key *key, const char *host, deep_latches latches,
    const char *words)
{
	struct deep_event	event;
	char			line[DEEP_EVENT_MAX + 1];

	memset(&event, 0, sizeof(event));
	event.kind = kind;
	event.key = key;
	event.host = deep_str(host);
	event.latches = latches;
	event.text = words;
	if (deep_event_emit(line, sizeof(line), &event) > 0)
		say("%s", line);
}

/* The same words are told once in a while only. */
static void
alarm_for(struct keep *keep, const char *words)
{
	int64_t	ms = now_ms();

	if (strcmp(keep->alarm, words) == 0 && ms < keep->alarm_next)
		return;
	strlcpy(keep->alarm, words, sizeof(keep->alarm));
	keep->alarm_next = ms + ALARM_AGAIN;
	tell("alarm", NULL, NULL, DEEP_LATCH_NONE, words);
}

/* The file of the store, or of its shadow. */
static const char *
store_file(const struct keep *keep)
{
	const char	*url = deep_config_text(keep->config, "store", "url");

	if (strncmp(url, "sqlite:", strlen("sqlite:")) == 0)
		return url + strlen("sqlite:");
	return deep_config_text(keep->config, "store", "shadow");
}

/* Reads deep.conf where it is not the one that was read. */
static void
look_at_config(struct keep *keep)
{
	struct stat		sb;
	int64_t			ms = now_ms();
	const char		*file = keep->file != NULL ? keep->file :
				    DEEP_SYSCONFDIR "/deep.conf";
	enum deep_status	status;

	if (ms < keep->config_next)
		return;
	keep->config_next = ms + LOOK_AGAIN;
	memset(&sb, 0, sizeof(sb));
	stat(file, &sb);
	if (keep->config_good && sb.st_ino == keep->config_was.st_ino &&
	    sb.st_size == keep->config_was.st_size &&
	    sb.st_mtim.tv_sec == keep->config_was.st_mtim.tv_sec &&
	    sb.st_mtim.tv_nsec == keep->config_was.st_mtim.tv_nsec)
		return;
	keep->config_was = sb;
	status = deep_config_read(keep->config, keep->file);
	if (status == DEEP_YES || status == DEEP_NO) {
		keep->config_good = 1;
		keep->resolve_next = 0;
		return;
	}
	alarm_for(keep, deep_config_error(keep->config));
}

/* Of the folder that the store is in. */
static int
stat_folder(const struct keep *keep, struct stat *sb)
{
	char	store[4096];

	snprintf(store, sizeof(store), "%s", store_file(keep));
	return stat(dirname(store), sb);
}

static void
confine(struct keep *keep)
{
	char			config[4096], store[4096];
	struct deep_allowed	allowed[8];
	size_t			n = 0;

	snprintf(config, sizeof(config), "%s", keep->file != NULL ? keep->file :
	    DEEP_SYSCONFDIR "/deep.conf");
	snprintf(store, sizeof(store), "%s", store_file(keep));
#define ALLOW(name, writing)	(allowed[n].path = (name), allowed[n++].write = (writing))
	ALLOW(dirname(config), 0);
	ALLOW(dirname(store), 1);
	/* the resolver and its libraries; SQLite's random numbers */
	ALLOW("/etc", 0);
	ALLOW("/run/systemd/resolve", 0);
	ALLOW("/usr/lib", 0);
	ALLOW("/lib", 0);
	ALLOW("/lib64", 0);
	ALLOW("/dev/urandom", 0);
#undef ALLOW
	if (deep_confine(allowed, n) == DEEP_FAIL)
		say("the process that has the store could not be confined: %s", strerror(errno));
#ifdef __OpenBSD__
	if (pledge("stdio rpath wpath cpath fattr flock inet unix dns", NULL) == -1)
		say("pledge: %s", strerror(errno));
#endif
	keep->confined = stat_folder(keep, &keep->folder_was) == 0;
}

/* A folder in the place of the one that was allowed cannot be reached: only a new
 * process can, and the keeper starts it. */
static int
is_another_folder(const struct keep *keep)
{
	struct stat	sb;

	return keep->confined && stat_folder(keep, &sb) == 0 &&
	    (sb.st_ino != keep->folder_was.st_ino || sb.st_dev != keep->folder_was.st_dev);
}

/* Whether the store is open; a file that was put in its place is opened anew. */
static int
is_open(struct keep *keep)
{
	struct stat	sb;
	int64_t		ms = now_ms();

	look_at_config(keep);
	if (keep->open && (stat(store_file(keep), &sb) == -1 ||
	    sb.st_ino != keep->store_was.st_ino || sb.st_dev != keep->store_was.st_dev)) {
		deep_store_free(keep->store);
		keep->store = NULL;
		keep->open = 0;
	}
	if (keep->open)
		return 1;
	if (!keep->config_good)			/* where the store is is not known */
		return 0;
	if (is_another_folder(keep)) {
		if (!keep->leaves)
			say("the store is in another folder now: another process takes over");
		keep->leaves = 1;
		return 0;
	}
	if (keep->store == NULL || ms >= keep->store_next) {
		deep_store_free(keep->store);
		keep->store = deep_store_new();
		keep->store_next = ms + OPEN_AGAIN;
		keep->open = keep->store != NULL &&
		    deep_store_open(keep->store, keep->config) == DEEP_YES &&
		    stat(store_file(keep), &keep->store_was) == 0;
		if (keep->open && !keep->confined)
			confine(keep);
	}
	if (!keep->open)
		alarm_for(keep, keep->store != NULL ? deep_store_error(keep->store) : "no memory");
	return keep->open;
}

/* Of what a call answered: whether to go on; else it has been told. */
static int
went_well(struct keep *keep, enum deep_status status)
{
	if (status == DEEP_FAIL || status == DEEP_BAD) {
		alarm_for(keep, deep_store_error(keep->store));
		return 0;
	}
	if (deep_store_warning(keep->store)[0] != '\0')
		alarm_for(keep, deep_store_warning(keep->store));
	return 1;
}

static void
answer_back(const struct keep *keep, const struct request *ask, enum deep_status verdict,
    deep_latches latches, const char *first, const char *second)
{
	struct answer	answer;

	if (ask->session == 0 && ask->kind == ASK_INBOUND)
		return;
	memset(&answer, 0, sizeof(answer));
	answer.kind = ask->kind;
	answer.session = ask->session;
	answer.number = ask->number;
	answer.verdict = verdict;
	answer.latches = latches;
	answer.text[0] = first;
	answer.text[1] = second;
	answer_send(keep->fd, &answer);
}

/*
 * Smarthosts.
 */

static void
add_smarthost(struct keep *keep, const char *address)
{
	if (keep->nsmarthost < SMARTHOST_MAX)
		strlcpy(keep->smarthost[keep->nsmarthost++], address, sizeof(keep->smarthost[0]));
}

static void
resolve(struct keep *keep)
{
	char			 list[8192], host[NI_MAXHOST], *word, *rest = list;
	struct addrinfo		 hints, *found, *one;
	int64_t			 ms = now_ms();
	int			 error;

	if (ms < keep->resolve_next)
		return;
	keep->resolve_next = ms + RESOLVE_AGAIN;
	keep->resolved = 1;
	keep->nsmarthost = 0;
	snprintf(list, sizeof(list), "%s", deep_config_text(keep->config, "filter", "smarthosts"));
	while ((word = strsep(&rest, " ,\t\r\n")) != NULL) {
		if (*word == '\0')
			continue;
		memset(&hints, 0, sizeof(hints));
		hints.ai_socktype = SOCK_STREAM;
		error = getaddrinfo(word, NULL, &hints, &found);
		if (error != 0) {
			snprintf(host, sizeof(host), "smarthost %.200s: %s; nothing is learnt "
			    "until it can be resolved", word, gai_strerror(error));
			alarm_for(keep, host);
			keep->resolved = 0;
			keep->resolve_next = ms + RESOLVE_SOON;
			continue;
		}
		for (one = found; one != NULL; one = one->ai_next)
			if (getnameinfo(one->ai_addr, one->ai_addrlen, host, sizeof(host), NULL, 0,
			    NI_NUMERICHOST) == 0)
				add_smarthost(keep, host);
		freeaddrinfo(found);
	}
}

static int
is_smarthost(struct keep *keep, const char *address)
{
	size_t	i;

	resolve(keep);
	for (i = 0; i < keep->nsmarthost; i++)
		if (strcmp(keep->smarthost[i], address) == 0)
			return 1;
	return 0;
}

/*
 * Requests.
 */

static void
store_log(struct keep *keep, const char *kind, const struct deep_key *key, const char *host,
    deep_latches latches, const char *words)
{
	struct deep_entry	entry;

	memset(&entry, 0, sizeof(entry));
	entry.time = now();
	entry.key = *key;
	entry.latches = latches;
	strlcpy(entry.kind, kind, sizeof(entry.kind));
	strlcpy(entry.host, host, sizeof(entry.host));
	strlcpy(entry.who, "filter-deep", sizeof(entry.who));
	strlcpy(entry.text, words, sizeof(entry.text));
	went_well(keep, deep_store_log(keep->store, &entry));
}

/* Of a failure that has been told: whether the store may take this later.  What is known
 * of this name alone may be damaged; that does not mend itself. */
static enum deep_status
later(struct keep *keep, const struct deep_key *key)
{
	struct deep_key		other;
	struct deep_record	record;

	if (deep_store_hosts(keep->store, key, &record) == DEEP_FAIL &&
	    deep_key(&other, DEEP_RELAY, deep_str("deep.invalid")) == DEEP_YES &&
	    deep_store_get(keep->store, &other, &record) != DEEP_FAIL)
		return DEEP_YES;
	return DEEP_NO;
}

static enum deep_status
serve_learn(struct keep *keep, const struct request *ask)
{
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_session	session;
	struct deep_record	record;
	struct deep_decision	decision;
	struct deep_learnt	learnt;
	enum deep_status	status;
	const char		*host = ask->text[2];

	if (deep_key(&key, ask->service, deep_str(ask->text[0])) != DEEP_YES ||
	    deep_session_words(&session, deep_str(ask->text[1]), NULL) != DEEP_YES)
		return DEEP_YES;
	if (!is_open(keep))
		return DEEP_NO;
	if (ask->service == DEEP_RELAY && (is_smarthost(keep, ask->text[3]) || !keep->resolved))
		return DEEP_YES;
	deep_policy_of(&policy, keep->config, key.name);
	session.strict = policy.strict;
	status = deep_store_get(keep->store, &key, &record);
	if (!went_well(keep, status))
		return later(keep, &key);
	deep_policy_decide(&policy, &record, &session, 0, &decision);
	if (decision.failed != DEEP_LATCH_NONE && ask->service == DEEP_RELAY) {
		/* smtpd cannot be stopped from here: it is the actions that enforce */
		tell("alarm", &key, host, decision.failed,
		    "mail was delivered without these latches: no action of smtpd.conf asks for "
		    "them");
		store_log(keep, "alarm", &key, host, decision.failed,
		    "delivered without these latches");
	}
	if (decision.warned != DEEP_LATCH_NONE)
		tell("warned", &key, host, decision.warned, NULL);
	status = deep_store_learn(keep->store, &key, &policy, &session, deep_str(host), now(),
	    &learnt);
	if (status == DEEP_LIMIT) {
		tell("full", &key, host, DEEP_LATCH_NONE, NULL);
		return DEEP_YES;
	}
	if (!went_well(keep, status))
		return later(keep, &key);
	if (learnt.set != DEEP_LATCH_NONE)
		tell("learnt", &key, host, learnt.set, NULL);
	if (learnt.enforced != DEEP_LATCH_NONE)
		tell("enforced", &key, host, learnt.enforced, NULL);
	if (learnt.contradicted != DEEP_LATCH_NONE)
		tell("contradicted", &key, host, learnt.contradicted, NULL);
	return DEEP_YES;
}

static int64_t
kept_until(const struct keep *keep)
{
	int64_t	seconds = deep_config_number(keep->config, "filter", "keep");

	return now() + (seconds > 0 ? seconds : 14 * (int64_t)86400);
}

/* Where the note of a recipient is: under its domain, as deeplatch(8) shows it.  0, or -1. */
static int
held_at(char *name, size_t name_size, char *sub, size_t sub_size, const struct request *ask)
{
	struct deep_key	key;

	if (deep_key(&key, DEEP_RELAY, deep_str(ask->text[1])) != DEEP_YES ||
	    strlcpy(name, key.name, name_size) >= name_size)
		return -1;
	return snprintf(sub, sub_size, "%s %s", ask->text[0], ask->text[1]) <
	    (int)sub_size ? 0 : -1;
}

static enum deep_status
serve_note(struct keep *keep, const struct request *ask)
{
	char			name[DEEP_DOMAIN_MAX + 1], sub[513], text[2049];
	enum deep_status	status = DEEP_YES;
	int			of_rcpt = ask->kind == ASK_HELD || ask->kind == ASK_FREE;

	if (of_rcpt && held_at(name, sizeof(name), sub, sizeof(sub), ask) == -1)
		return DEEP_YES;
	if (!is_open(keep))
		return DEEP_NO;
	if (ask->kind == ASK_HELD)
		status = deep_note_put(keep->store, HELD, name, sub, ask->text[3],
		    kept_until(keep));
	else if (ask->kind == ASK_FREE)		/* most often there is none, and that is cheap */
		status = deep_note_take(keep->store, HELD, name, sub, now(), text, sizeof(text));
	else if (ask->kind == ASK_FAILED)
		status = deep_note_put(keep->store, BROKEN, ask->text[0], "", "1",
		    now() + BROKEN_KEPT);
	else if (ask->kind == ASK_PLACE)
		status = deep_note_put(keep->store, PLACE, "map", ask->text[0],
		    ask->text[1], now() + PLACE_KEPT);
	return went_well(keep, status) ? DEEP_YES : DEEP_NO;
}

/* What waits for the store knows of a recipient. */
struct found {
	const struct request	*ask;
	int			 any;
	char			 text[OSMTPD_DIAGNOSTIC];	/* "": it is free */
};

static void
find_note(void *arg, const char *buf, size_t n)
{
	struct found	*found = arg;
	struct request	 one;

	if (request_unpack(&one, buf, n) == -1 ||
	    (one.kind != ASK_HELD && one.kind != ASK_FREE) ||
	    strcmp(one.text[0], found->ask->text[0]) != 0 ||
	    strcmp(one.text[1], found->ask->text[1]) != 0)
		return;
	found->any = 1;
	snprintf(found->text, sizeof(found->text), "%s", one.kind == ASK_HELD ? one.text[3] : "");
}

/* What deep-relay said last of a recipient: YES; NO: nothing; FAIL: cannot be read. */
static enum deep_status
last_word(struct keep *keep, const struct request *ask, char *text, size_t size)
{
	char		name[DEEP_DOMAIN_MAX + 1], sub[513];
	struct found	found;

	if (ask->text[0][0] == '\0' ||
	    held_at(name, sizeof(name), sub, sizeof(sub), ask) == -1)
		return DEEP_NO;
	memset(&found, 0, sizeof(found));
	found.ask = ask;
	if (keep->backlog != NULL)
		backlog_each(keep->backlog, find_note, &found);
	if (!found.any)
		return is_open(keep) ? deep_note_get(keep->store, HELD, name, sub, now(), text,
		    size) : DEEP_FAIL;
	snprintf(text, size, "%s", found.text);
	return found.text[0] != '\0' ? DEEP_YES : DEEP_NO;
}

/*
 * Why a recipient waits, or waited too long: what deep-relay said last of it;
 * else, where smtpd's own actions enforce, that its domain is held to latches
 * and that a session with one of its hosts broke off before MAIL for the want of
 * TLS.  smtpd itself does not say more than "Network error".
 */
static void
serve_why(struct keep *keep, const struct request *ask)
{
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_record	record;
	deep_latches		latches;
	enum deep_status	status = DEEP_NO;
	char			text[2049], words[DEEP_REFUSAL_MAX + 1];
	char			code[DEEP_STATUS_MAX + 1];
	size_t			i;

	if (ask->noted) {
		status = last_word(keep, ask, text, sizeof(text));
		latches = status == DEEP_YES ?
		    bounce_latches(deep_str(text), code, sizeof(code)) : DEEP_LATCH_NONE;
		if (latches != DEEP_LATCH_NONE) {
			answer_back(keep, ask, DEEP_YES, latches, code, text);
			return;
		}
	}
	if (!is_open(keep) || (ask->noted && !went_well(keep, status))) {
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	if (deep_key(&key, DEEP_RELAY, deep_str(ask->text[1])) != DEEP_YES) {
		answer_back(keep, ask, DEEP_NO, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	status = deep_store_hosts(keep->store, &key, &record);
	if (!went_well(keep, status)) {
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	deep_policy_of(&policy, keep->config, key.name);
	latches = deep_policy_required(&policy, &record, 0);
	for (i = 0; latches != DEEP_LATCH_NONE && i < record.nhost; i++) {
		status = deep_note_get(keep->store, BROKEN, record.host[i].name, "", now(), text,
		    sizeof(text));
		if (status == DEEP_YES && deep_refusal_emit(words, sizeof(words), &policy, &key,
		    deep_str(record.host[i].name), latches) > 0) {
			answer_back(keep, ask, DEEP_YES, latches, policy.status, words);
			return;
		}
	}
	answer_back(keep, ask, DEEP_NO, DEEP_LATCH_NONE, NULL, NULL);
}

static void
serve_inbound(struct keep *keep, const struct request *ask)
{
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_session	session;
	struct deep_record	record;
	struct deep_decision	decision;
	const char		*name = ask->text[0];
	enum deep_status	status;

	if (deep_key(&key, DEEP_INBOUND, deep_str(name)) != DEEP_YES ||
	    deep_session_words(&session, deep_str(ask->text[1]), NULL) != DEEP_YES) {
		answer_back(keep, ask, DEEP_YES, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	if (!is_open(keep)) {
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	status = deep_store_get(keep->store, &key, &record);
	if (!went_well(keep, status)) {
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	deep_policy_of(&policy, keep->config, key.name);
	session.strict = policy.strict;
	deep_policy_decide(&policy, &record, &session, 0, &decision);
	if (decision.failed != DEEP_LATCH_NONE) {
		tell(ask->session != 0 ? "refused" : "warned", &key, name, decision.failed, NULL);
		if (ask->session != 0)
			store_log(keep, "refused", &key, name, decision.failed,
			    "MAIL of this client");
	} else if (decision.warned != DEEP_LATCH_NONE)
		tell("warned", &key, name, decision.warned, NULL);
	answer_back(keep, ask, decision.failed == DEEP_LATCH_NONE ? DEEP_YES : DEEP_NO,
	    decision.failed, NULL, NULL);
}

static void
serve_domain(struct keep *keep, const struct request *ask)
{
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_record	record;
	deep_latches		required;

	if (deep_key(&key, DEEP_RELAY, deep_str(ask->text[0])) != DEEP_YES) {
		answer_back(keep, ask, DEEP_NO, DEEP_LATCH_NONE, NULL, NULL);
		return;
	}
	if (!is_open(keep) || !went_well(keep, deep_store_get(keep->store, &key, &record))) {
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, keep->alarm, NULL);
		return;
	}
	deep_policy_of(&policy, keep->config, key.name);
	required = deep_policy_required(&policy, &record, 0);
	answer_back(keep, ask, required != DEEP_LATCH_NONE &&
	    (ask->latches & ~required) == DEEP_LATCH_NONE ? DEEP_YES : DEEP_NO, required, NULL,
	    NULL);
}

struct places {
	const struct keep	*keep;
	const struct request	*ask;
};

static int
place(void *context, const char *domain, const char *address)
{
	const struct places	*places = context;

	answer_back(places->keep, places->ask, DEEP_YES, DEEP_LATCH_NONE, domain, address);
	return 0;
}

static void
serve_places(struct keep *keep, const struct request *ask)
{
	struct places	places = { keep, ask };

	if (is_open(keep) && went_well(keep, deep_note_each(keep->store, PLACE, "map", now(),
	    place, &places)))
		answer_back(keep, ask, DEEP_NO, DEEP_LATCH_NONE, NULL, NULL);
	else
		answer_back(keep, ask, DEEP_FAIL, DEEP_LATCH_NONE, keep->alarm, NULL);
}

int
keep_answers(enum request_kind kind)
{
	return kind == ASK_WHY || kind == ASK_INBOUND || kind == ASK_DOMAIN || kind == ASK_PLACES;
}

enum deep_status
keep_serve(struct keep *keep, const struct request *ask)
{
	switch (ask->kind) {
	case ASK_LEARN:
		return serve_learn(keep, ask);
	case ASK_HELD:
	case ASK_FREE:
	case ASK_FAILED:
	case ASK_PLACE:
		return serve_note(keep, ask);
	case ASK_WHY:
		serve_why(keep, ask);
		break;
	case ASK_INBOUND:
		serve_inbound(keep, ask);
		break;
	case ASK_DOMAIN:
		serve_domain(keep, ask);
		break;
	case ASK_PLACES:
		serve_places(keep, ask);
		break;
	}
	return DEEP_YES;
}

int
keep_leaves(const struct keep *keep)
{
	return keep->leaves;
}

struct keep *
keep_new(const char *file, int fd, const struct backlog *backlog)
{
	struct keep	*keep = calloc(1, sizeof(*keep));

	if (keep == NULL || (keep->config = deep_config_new()) == NULL) {
		free(keep);
		return NULL;
	}
	keep->file = file;
	keep->fd = fd;
	keep->backlog = backlog;
	return keep;
}

void
keep_open(struct keep *keep)
{
	is_open(keep);
}

void
keep_free(struct keep *keep)
{
	if (keep == NULL)
		return;
	deep_store_free(keep->store);
	deep_config_free(keep->config);
	free(keep);
}
