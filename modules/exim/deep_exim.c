/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * deep_exim.c - what Exim's ${dlfunc calls: latches learnt and kept in deliveries,
 * the tls clause of Received, and what goes into a delivery status.  The manual is
 * exim-deep(8); deep-exim(8) sets it up.
 *
 * draft-newman-email-deep-00 sections 3.1, 3.3, 4, 5.3 and 5.5; RFC 8314 4.3;
 * RFC 8689 3 and RFC 8460 3 for mail that passes latches by.
 *
 * It uses no symbol of Exim but a weak log_write(), has no more than seven
 * arguments, and answers OK or FAIL: any other answer means something else to
 * Exim, and a wrong one lets mail out in clear text.  Only check() answers FAIL,
 * for a failed expansion of authenticated_sender is the one that defers.  It keeps
 * no store open from one call to the next, so that none goes over a fork, and
 * never creates one.
 *
 * Opening the store is what costs, more than all else here.  So the router's call
 * reads all that will be asked of a domain, and the process that delivers, forked
 * from it, has that in its memory: it opens the store where there is something to
 * be written, or the reading is old.
 */
#include <sys/mman.h>

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "deep.h"

#define EXIM_OK		0	/* Exim's OK and FAIL: local_scan.h names them so */
#define EXIM_FAIL	2
#define EXIM_LOG_MAIN	1

#define ANSWER_MAX	8192	/* octets in an answer; Exim copies it */
#define ALARM_MAX	1024	/* octets of an alarm that are compared with the last one */
#define TEXT_MAX	2048	/* octets in a note, as the store takes them */
#define NOTE_KEY_MAX	512	/* octets in its key */
#define LIST_MAX	64	/* hosts left out for one domain, so that a list stays short */
#define LIST_OCTETS	512	/* octets in a list of all latches */
#define LEFT_OCTETS	16384	/* octets in the notes about hosts of one route */
#define PROC_MAX	8192	/* octets of /proc/self/cmdline that are looked at */

/* Notes.  Each kind's text is read by what wrote it only. */
#define NOTE_SEEN	"exim-seen"	/* "ID DOMAIN", host: key and facts, from MAIL to the end of data */
#define NOTE_BAD	"failed"	/* ROUTE, address: a host that did not meet latches */
#define NOTE_HELD	"exim-held"	/* ID, domain: name, status code and latches */
#define NOTE_WAITS	"held"		/* name, ID: the same for deeplatch(8), as text */
#define NOTE_SESSION	"exim-session"	/* "FROM>TO": facts of a connection that is passed on */

#define SEEN_FOR	(4 * 3600)	/* seconds: a transfer takes no longer */
#define HELD_FOR	(60 * 86400)	/* no message waits longer */
#define WAITS_FOR	(8 * 3600)	/* since the last attempt: Exim's default is 6 hours */
#define SESSION_FOR	3600		/* since its last use */

#define TRY_SHARE	12	/* of leave-out: where no host is left, one is tried after a twelfth */

#define READINGS	8	/* domains of one message whose reading is kept */
#define READING_FOR	20	/* seconds: a session that is begun with it, not more */
#define READ_PART	offsetof(struct deep_record, host)	/* a check asks for no hosts */

#define PUBLIC __attribute__((visibility("default")))
#define DLFUNC(name)	PUBLIC int name(unsigned char **, int, unsigned char **)
DLFUNC(check);
DLFUNC(clause);
DLFUNC(dsn);
DLFUNC(event);
DLFUNC(hold);
DLFUNC(hosts);
DLFUNC(inbound);
DLFUNC(latches);
DLFUNC(narrow);
DLFUNC(passed);
DLFUNC(refusal);

extern void log_write(unsigned int, int, const char *, ...) __attribute__((weak));

/* Of this process; a copy in a child is harmless. */
static char		 answer[ANSWER_MAX];
static struct deep_config *config;
static int		 config_read;		/* enum deep_status, + 1 */
static pid_t		 connected;		/* the process that made a connection itself */
static char		 last_port[8];		/* of the connection that was checked */

/*
 * Whether a delivery of this message has left a note for event(): one octet that the
 * process which forks them has in common with them.
 */
static struct {
	volatile char	*octet;
	pid_t		 pid;		/* of the process that made it */
} noted;

/* What the configuration's DEEP_MESSAGE and DEEP_SESSION say, as "key=value" words. */
struct message {
	struct deep_str	id;		/* empty in a callout before DATA */
	struct deep_str	route;		/* "mx", or the name of a router with hosts of its own */
	unsigned	bypass;		/* DEEP_BYPASS_* that it asks for */
	int		verify;		/* a callout or an address test */
};
struct facts {
	struct deep_session	 session;
	const struct deep_group	*group;
	struct deep_str		 tls;	/* $tls_out_cipher */
	struct deep_str		 verified, dane, dnssec, resumed;
	struct deep_str		 names;	/* DNS names of its certificate, "a.example;b.example" */
	struct deep_str		 host, ip, port, from;
};

/* What one call needs of the world. */
struct call {
	struct deep_store	*store;
	struct deep_policy	 policy;
	struct deep_key		 key;
	struct deep_record	 record;
	char			 route[DEEP_DOMAIN_MAX + 2];	/* of notes about hosts */
	int64_t			 now;
	int			 notes;		/* there may be notes of this message */
};

/* What the store said of one domain, and of one message to it.  Most messages have one:
 * those that were never filled are not so much as looked at. */
static struct reading {
	int64_t		when;
	struct deep_key	key;
	char		of[NOTE_KEY_MAX + 1];	/* "ID DOMAIN"; empty: of no message */
	unsigned char	record[READ_PART];
	int		notes;
} readings[READINGS];
static unsigned nreadings;

/*
 * Answers and log lines.
 */

static int
say(unsigned char **yield, const char *text)
{
	if (text != answer)
		strlcpy(answer, text, sizeof(answer));
	*yield = (unsigned char *)answer;
	return EXIM_OK;
}

static int
refuse(unsigned char **yield, const char *text)
{
	(void)say(yield, text);
	return EXIM_FAIL;
}

static void
log_line(const char *line)
{
	if (log_write != NULL) {
		log_write(0, EXIM_LOG_MAIN, "%s", line);
		return;
	}
	openlog("exim", LOG_PID, LOG_MAIL);
	syslog(LOG_NOTICE, "%s", line);
	closelog();
}

static void
report(const char *kind, const struct deep_key *key, struct deep_str host, struct deep_str id,
    deep_latches set, const char *text)
{
	struct deep_event event;
	char line[DEEP_EVENT_MAX + 1];

	event.kind = kind;
	event.key = key;
	event.host = host;
	event.id = id;
	event.latches = set;
	event.text = text;
	if (deep_event_emit(line, sizeof(line), &event) > 0 && line[0] != '\0')
		log_line(line);
}

/* Once for a message: what its router cannot read its delivery, forked from it, cannot
 * either. */
static void
alarm_of(const struct call *call, struct deep_str id, const char *text)
{
	static char last[ALARM_MAX + 1];
	char this[ALARM_MAX + 1];

	snprintf(this, sizeof(this), "%.*s %s", (int)id.n, id.n == 0 ? "" : id.p, text);
	if (strcmp(this, last) == 0)
		return;
	strlcpy(last, this, sizeof(last));
	report("alarm", call != NULL && call->key.name[0] != '\0' ? &call->key : NULL,
	    deep_str(NULL), id, DEEP_LATCH_NONE, text);
}

/*
 * Arguments.
 */

static struct deep_str
argument(int argc, unsigned char **argv, int n)
{
	return deep_str(n < argc ? (const char *)argv[n] : NULL);
}

/*
 *	words = [ word *( 1*" " word ) ]	; word = key "=" value
 *
 * The first word of that key counts: what a stranger can write stands last.
 */
static struct deep_str
value(struct deep_str words, const char *key)
{
	size_t i = 0, n = strlen(key), end;
	struct deep_str found = { NULL, 0 };

	while (i < words.n) {
		for (end = i; end < words.n && words.p[end] != ' '; end++)
			continue;
		if (end - i > n && strncmp(words.p + i, key, n) == 0 && words.p[i + n] == '=') {
			found.p = words.p + i + n + 1;
			found.n = end - i - n - 1;
			return found;
		}
		for (i = end; i < words.n && words.p[i] == ' '; i++)
			continue;
	}
	return found;
}

static int
is_number(struct deep_str text, long flag)
{
	char digits[12];

	if (text.n == 0 || text.n >= sizeof(digits))
		return 0;
	memcpy(digits, text.p, text.n);
	digits[text.n] = '\0';
	return (strtol(digits, NULL, 10) & flag) != 0;
}

static void
read_message(struct message *message, struct deep_str words)
{
	memset(message, 0, sizeof(*message));
	message->id = value(words, "id");
	message->route = value(words, "route");
	message->verify = value(words, "verify").n > 0;
	if (deep_is(value(words, "tls-required"), "no"))
		message->bypass |= DEEP_BYPASS_TLS_REQUIRED_NO;
	if (deep_is(value(words, "report"), "tlsrpt"))
		message->bypass |= DEEP_BYPASS_TLSRPT;
}

/* A DNS-ID against a name: "*" is one whole label, the first (RFC 9525 6.3). */
static int
is_name(struct deep_str id, const char *name)
{
	if (id.n > 2 && id.p[0] == '*' && id.p[1] == '.') {
		id.p++;
		id.n--;
		if ((name = strchr(name, '.')) == NULL || strchr(name + 1, '.') == NULL)
			return 0;
	}
	return deep_is(id, name);
}

/* Whether the certificate is for a name. */
static int
is_named(struct deep_str names, const char *name)
{
	struct deep_str id;

	while (names.n > 0) {
		id = names;
		for (id.n = 0; id.n < names.n && names.p[id.n] != ';'; id.n++)
			continue;
		if (is_name(id, name))
			return 1;
		names.p += id.n;
		names.n -= id.n;
		if (names.n > 0) {
			names.p++;
			names.n--;
		}
	}
	return 0;
}

/*
 * $tls_out_certificate_verified is 1 for a chain, and for a match of TLSA too; names
 * are compared here, in read_names().  $tls_out_resumption has 16 where a session was
 * resumed.
 */
static void
read_facts(struct facts *facts, struct deep_str words)
{
	memset(facts, 0, sizeof(*facts));
	facts->tls = value(words, "tls");
	facts->verified = value(words, "verified");
	facts->dane = value(words, "dane");
	facts->dnssec = value(words, "dnssec");
	facts->resumed = value(words, "resumed");
	facts->names = value(words, "names");
	facts->from = value(words, "from");
	facts->port = value(words, "port");
	facts->ip = value(words, "ip");
	facts->host = value(words, "host");
	if (deep_session_words(&facts->session, facts->tls, &facts->group) != DEEP_YES)
		return;
	if (facts->session.version == 0)
		return;
	facts->session.dane_ok = deep_is(facts->dane, "yes") ? 1 : 0;
	facts->session.chain_ok = is_number(facts->verified, 1) && !facts->session.dane_ok;
	facts->session.host_safe = deep_is(facts->dnssec, "yes") ? 1 : 0;
	facts->session.name_ok = is_number(value(words, "named"), 1) ? 1 : 0;
	facts->session.host_ok = is_number(value(words, "hosted"), 1) ? 1 : 0;
	if (facts->session.version <= DEEP_TLS1_2 && is_number(facts->resumed, 16))
		facts->session.resumed = 1;
}

/* As read_facts() reads them; names that do not fit are left out. */
static int
write_facts(char *buf, size_t size, const struct facts *facts)
{
	size_t room;
	int n;

	n = snprintf(buf, size, "tls=%.*s verified=%.*s dane=%.*s resumed=%.*s dnssec=%.*s "
	    "named=%d hosted=%d port=%s names=",
	    (int)facts->tls.n, facts->tls.p == NULL ? "" : facts->tls.p,
	    (int)facts->verified.n, facts->verified.p == NULL ? "" : facts->verified.p,
	    (int)facts->dane.n, facts->dane.p == NULL ? "" : facts->dane.p,
	    (int)facts->resumed.n, facts->resumed.p == NULL ? "" : facts->resumed.p,
	    (int)facts->dnssec.n, facts->dnssec.p == NULL ? "" : facts->dnssec.p,
	    (int)facts->session.name_ok, (int)facts->session.host_ok, last_port);
	if (n < 0 || (size_t)n >= size)
		return 0;
	room = size - (size_t)n - 1;
	if (facts->names.n <= room && memchr(facts->names.n == 0 ? "" : facts->names.p, ' ',
	    facts->names.n) == NULL)
		snprintf(buf + n, size - (size_t)n, "%.*s", (int)facts->names.n,
		    facts->names.p == NULL ? "" : facts->names.p);
	return 1;
}

/* "10.9.0.1:40000>10.9.0.11": the two ends of a connection; Exim does not tell the
 * port of the other one in each place. */
static int
ends(char *buf, size_t size, const struct facts *facts)
{
	int n;

	if (facts->from.n == 0 || facts->ip.n == 0)
		return 0;
	n = snprintf(buf, size, "%.*s>%.*s", (int)facts->from.n, facts->from.p,
	    (int)facts->ip.n, facts->ip.p);
	return n > 0 && (size_t)n < size;
}

/*
 * The world: deep.conf once a process, the store once a call.
 */

static const struct deep_config *
configuration(const char **why)
{
	*why = "";
	if (config_read == 0) {
		if ((config = deep_config_new()) == NULL) {
			*why = "no memory";
			return NULL;
		}
		deep_store_brief();
		config_read = (int)deep_config_read(config, NULL) + 1;
	}
	switch (config_read - 1) {
	case DEEP_YES:
	case DEEP_NO:
		return config;
	default:
		*why = deep_config_error(config);
		return NULL;
	}
}

static void
close_call(struct call *call)
{
	deep_store_free(call->store);
	call->store = NULL;
}

/* YES, or FAIL with the reason: there is a configuration. */
static enum deep_status
begin_call(struct call *call, const char **why)
{
	memset(call, 0, sizeof(*call));
	call->now = time(NULL);
	return configuration(why) == NULL ? DEEP_FAIL : DEEP_YES;
}

/* YES, or FAIL with the reason: and the store is open. */
static enum deep_status
open_store(struct call *call, const char **why)
{
	static char text[512];

	*why = "";
	if (call->store != NULL)
		return DEEP_YES;
	if ((call->store = deep_store_new()) == NULL) {
		*why = "no memory";
		return DEEP_FAIL;
	}
	if (deep_store_open(call->store, config) != DEEP_YES) {
		strlcpy(text, deep_store_error(call->store), sizeof(text));
		*why = text;
		close_call(call);
		return DEEP_FAIL;
	}
	if (deep_store_warning(call->store)[0] != '\0')
		alarm_of(NULL, deep_str(NULL), deep_store_warning(call->store));
	return DEEP_YES;
}

static enum deep_status
open_call(struct call *call, const char **why)
{
	return begin_call(call, why) == DEEP_YES ? open_store(call, why) : DEEP_FAIL;
}

/*
 * The name that a delivery's latches are kept under (draft 3.1): the domain that
 * was looked up, or, where a router has hosts of its own, the configured host.
 * NO: nothing is kept for it.
 */
static enum deep_status
find_key(struct call *call, struct deep_str domain, const struct message *message,
    const struct facts *facts)
{
	enum deep_service service = DEEP_RELAY;
	enum deep_status status;

	if (deep_is(message->route, "mx")) {
		status = deep_key(&call->key, DEEP_RELAY, domain);
	} else {
		if (deep_is(facts->port, "587") || deep_is(facts->port, "465"))
			service = DEEP_SUBMISSION;
		status = deep_key_host(&call->key, service, config, facts->host);
	}
	if (status != DEEP_YES) {
		call->key.name[0] = '\0';
		return DEEP_NO;
	}
	deep_policy_of(&call->policy, config, call->key.name);
	return DEEP_YES;
}

/*
 * Whether the certificate is for the name that latches are kept under: the domain
 * (draft 3.2), or the host that the configuration names; and whether it is for the
 * MX host, which counts where DNSSEC vouches for it (RFC 7672 1.3.2).
 */
static void
read_names(struct facts *facts, const struct call *call, const struct message *message)
{
	char host[DEEP_DOMAIN_MAX + 1];

	host[0] = '\0';
	if (facts->host.n < sizeof(host))
		snprintf(host, sizeof(host), "%.*s", (int)facts->host.n,
		    facts->host.p == NULL ? "" : facts->host.p);
	facts->session.strict = call->policy.strict;
	facts->session.host_ok = is_named(facts->names, host) ? 1 : 0;
	facts->session.name_ok = is_named(facts->names, call->key.name) ||
	    (facts->session.host_ok && !deep_is(message->route, "mx"));
}

/* What notes about hosts are kept under: a domain, or "@" and a router's name. */
static int
find_route(struct call *call, struct deep_str domain, const struct message *message)
{
	struct deep_key key;

	if (deep_is(message->route, "mx")) {
		if (deep_key(&key, DEEP_RELAY, domain) != DEEP_YES)
			return 0;
		strlcpy(call->route, key.name, sizeof(call->route));
		return 1;
	}
	if (message->route.n == 0 || message->route.n > DEEP_DOMAIN_MAX)
		return 0;
	snprintf(call->route, sizeof(call->route), "@%.*s", (int)message->route.n,
	    message->route.p);
	return 1;
}

/* A slice as a key of a note; 0: it is too long, or empty. */
static int
as_key(char buf[NOTE_KEY_MAX + 1], struct deep_str text)
{
	if (text.p == NULL || text.n == 0 || text.n > NOTE_KEY_MAX ||
	    memchr(text.p, '\0', text.n) != NULL)
		return 0;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	return 1;
}

static void
names_of(char *buf, size_t size, deep_latches set)
{
	if (deep_latches_emit(buf, size, set, NULL, 0) < 0 && size > 0)
		buf[0] = '\0';
}

/* Takes a word off the front. */
static struct deep_str
next_word(struct deep_str *rest)
{
	struct deep_str word = { rest->p, 0 };

	while (rest->n > 0 && rest->p[0] == ' ') {
		rest->p++;
		rest->n--;
	}
	word.p = rest->p;
	while (word.n < rest->n && rest->p[word.n] != ' ')
		word.n++;
	rest->p += word.n;
	rest->n -= word.n;
	return word;
}

static int
is_same(struct deep_str a, struct deep_str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static deep_latches
latches_in(struct deep_str text)
{
	deep_latches set = DEEP_LATCH_NONE;
	struct deep_str id;

	while (deep_latch_next(&text, &id, NULL) == DEEP_YES)
		set |= deep_latch_find(id);
	return set;
}

static int
seen_key(char *buf, size_t size, struct deep_str domain, const struct message *message)
{
	int n;

	if (message->id.n == 0 || domain.n == 0)
		return 0;
	n = snprintf(buf, size, "%.*s %.*s", (int)message->id.n, message->id.p, (int)domain.n,
	    domain.p);
	return n > 0 && (size_t)n < size;
}

/* A note that cannot be written is an alarm, and holds no mail up. */
static void
put_note(struct call *call, struct deep_str id, const char *kind, const char *key,
    const char *sub, const char *text, int64_t expires)
{
	if (deep_note_put(call->store, kind, key, sub, text, expires) == DEEP_FAIL)
		alarm_of(call, id, deep_store_error(call->store));
}

/*
 * Reading.
 */

/* That one, or the one that is to make room. */
static struct reading *
find_reading(const struct call *call, const char *of, int *fresh)
{
	struct reading *oldest = &readings[0], *one;

	*fresh = 1;
	for (one = readings; one < readings + nreadings; one++) {
		if (one->key.service == call->key.service &&
		    strcmp(one->key.name, call->key.name) == 0 && strcmp(one->of, of) == 0) {
			*fresh = call->now >= one->when && call->now - one->when < READING_FOR;
			return one;
		}
		if (one->when < oldest->when)
			oldest = one;
	}
	*fresh = 0;
	return nreadings < READINGS ? &readings[nreadings] : oldest;
}

static int
any_note(void *any, const char *sub, const char *text)
{
	(void)sub;
	(void)text;
	*(int *)any = 1;
	return 1;
}

/* Whether an earlier attempt has left a note of this message: 1 where it cannot be told. */
static int
are_notes(const struct call *call, struct deep_str domain, const struct message *message,
    const char *of)
{
	char id[NOTE_KEY_MAX + 1], sub[NOTE_KEY_MAX + 1], text[TEXT_MAX + 1];
	int any = 0;

	if (of[0] == '\0')
		return 0;
	if (deep_note_each(call->store, NOTE_SEEN, of, call->now, any_note, &any) == DEEP_FAIL ||
	    any || !as_key(id, message->id) || !as_key(sub, domain))
		return 1;
	return deep_note_get(call->store, NOTE_HELD, id, sub, call->now, text, sizeof(text)) !=
	    DEEP_NO;
}

/*
 * The record of call->key, and whether there are notes of the message: out of this
 * process's memory or, where that has none or anew is set, out of the store.  FAIL
 * with the reason.
 */
static enum deep_status
read_store(struct call *call, struct deep_str domain, const struct message *message, int anew,
    const char **why)
{
	char of[NOTE_KEY_MAX + 1];
	struct reading *reading;
	int fresh;

	*why = "";
	if (!seen_key(of, sizeof(of), domain, message))
		of[0] = '\0';
	reading = find_reading(call, of, &fresh);
	if (fresh && !anew) {
		memcpy(&call->record, reading->record, READ_PART);
		call->notes = reading->notes || (noted.octet != NULL && *noted.octet != 0);
		return DEEP_YES;
	}
	if (open_store(call, why) != DEEP_YES)
		return DEEP_FAIL;
	if (deep_store_get(call->store, &call->key, &call->record) == DEEP_FAIL) {
		*why = deep_store_error(call->store);
		return DEEP_FAIL;
	}
	call->notes = are_notes(call, domain, message, of);
	memcpy(reading->record, &call->record, READ_PART);
	reading->key = call->key;
	strlcpy(reading->of, of, sizeof(reading->of));
	reading->notes = call->notes;
	reading->when = call->now;
	if (reading == readings + nreadings)
		nreadings++;
	return DEEP_YES;
}

/* Before a note is left: for what this process is asked next, and for event(). */
static void
leave_note(struct deep_str domain, const struct message *message)
{
	char of[NOTE_KEY_MAX + 1];
	struct reading *one;

	if (noted.octet != NULL)
		*noted.octet = 1;
	if (!seen_key(of, sizeof(of), domain, message))
		return;
	for (one = readings; one < readings + nreadings; one++)
		if (strcmp(one->of, of) == 0)
			one->notes = 1;
}

/* In the process that forks deliveries, before it does. */
static void
make_noted(void)
{
	void *page;

	if (noted.octet != NULL) {
		if (noted.pid == getpid())
			return;
		(void)munmap((void *)noted.octet, 1);	/* of the one that forked this one */
		noted.octet = NULL;
	}
	page = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return;				/* event() then looks into the store */
	noted.octet = page;
	noted.pid = getpid();
}

/*
 * Learning.
 */

static void
report_learnt(const struct call *call, const struct deep_learnt *learnt, struct deep_str host,
    struct deep_str id)
{
	if (learnt->set != DEEP_LATCH_NONE)
		report("learnt", &call->key, host, id, learnt->set, NULL);
	if (learnt->enforced != DEEP_LATCH_NONE)
		report("enforced", &call->key, host, id, learnt->enforced, NULL);
	if (learnt->contradicted != DEEP_LATCH_NONE)
		report("contradicted", &call->key, host, id, learnt->contradicted, NULL);
}

static void
learn(struct call *call, const struct deep_session *session, struct deep_str host,
    struct deep_str id)
{
	struct deep_learnt learnt;

	memset(&learnt, 0, sizeof(learnt));
	switch (deep_store_learn(call->store, &call->key, &call->policy, session, host, call->now,
	    &learnt)) {
	case DEEP_YES:
	case DEEP_NO:
		report_learnt(call, &learnt, host, id);
		break;
	case DEEP_LIMIT:
		report("full", &call->key, host, id, deep_latches_settable(session), NULL);
		break;
	default:
		alarm_of(call, id, deep_store_error(call->store));
	}
}

/*
 * Whether one more confirmation of a latch, within refresh seconds of its last, would
 * change anything but times and counts: not where probation is over, and not where it
 * has its confirmations and waits for its time to pass.
 */
static int
is_settled(const struct deep_policy *policy, const struct deep_held *held, int64_t clock,
    int64_t refresh)
{
	if (held->first == 0 || held->confirmed + refresh < clock)
		return 0;
	if (clock < held->confirmed)		/* it is not written at each confirmation */
		clock = held->confirmed;
	return held->enforced != 0 || (held->window != 0 && held->in_window >= policy->confirm &&
	    clock - held->window < policy->confirm_over);
}

/*
 * Whether there is nothing to be learnt from a session: the store is left alone when all
 * that it shows is settled.
 */
static int
is_known(const struct call *call, const struct deep_session *session,
    const struct deep_decision *decision)
{
	int64_t refresh = deep_config_number(config, "exim", "refresh");
	int64_t clock = call->record.clock > 0 ? call->record.clock : call->now;
	deep_latches set = deep_latches_settable(session);
	unsigned n;

	if (decision->failed | decision->warned | decision->doubted)
		return 0;
	for (n = 0; n < DEEP_LATCHES; n++)
		if (set & (1u << n) && call->policy.mode[n] != DEEP_OFF &&
		    !is_settled(&call->policy, &call->record.latch[n], clock, refresh))
			return 0;
	return set != DEEP_LATCH_NONE;
}

/*
 * The check before MAIL.
 */

/* Of names so long that the whole text does not fit, its beginning. */
static void
put_refusal(char *buf, size_t size, const struct deep_policy *policy, const struct deep_key *key,
    struct deep_str host, deep_latches failed)
{
	if (deep_refusal_emit(buf, size, policy, key, host, failed) <= 0 || buf[0] == '\0')
		snprintf(buf, size, "%s security latch of %s not met", policy->status,
		    key->name);
}

/* The message no longer waits for the name that its note in text has. */
static void
drop_waiting(struct call *call, const char *id, const char *text)
{
	struct deep_str rest = deep_str(text), name = next_word(&rest);
	char key[NOTE_KEY_MAX + 1];

	if (as_key(key, name))
		(void)deep_note_drop(call->store, NOTE_WAITS, key, id);
}

/*
 * Why the message waits: for its delivery status, and for deeplatch(8) the text that
 * the queue has too.  Of two hosts with names of their own the last one counts.
 */
static void
note_held(struct call *call, struct deep_str domain, const struct message *message,
    const struct deep_key *name, const char *status, deep_latches failed, const char *why)
{
	char key[NOTE_KEY_MAX + 1], sub[NOTE_KEY_MAX + 1], list[LIST_OCTETS];
	char text[TEXT_MAX], old[TEXT_MAX + 1];

	if (!as_key(key, message->id) || !as_key(sub, domain))
		return;
	names_of(list, sizeof(list), failed);
	snprintf(text, sizeof(text), "%s %s %s", name->name, status, list);
	if (deep_note_get(call->store, NOTE_HELD, key, sub, call->now, old, sizeof(old)) ==
	    DEEP_YES && strcmp(old, text) != 0)
		drop_waiting(call, key, old);
	leave_note(domain, message);
	put_note(call, message->id, NOTE_HELD, key, sub, text, call->now + HELD_FOR);
	put_note(call, message->id, NOTE_WAITS, name->name, key, why, call->now + WAITS_FOR);
}

/* The name and the service that stand before the rest of a note. */
static int
read_key(struct deep_key *key, struct deep_str *text)
{
	struct deep_str name = next_word(text), service = next_word(text);
	int number = deep_service_find(service);

	memset(key, 0, sizeof(*key));
	if (number < 0 || name.n == 0 || name.n >= sizeof(key->name))
		return 0;
	memcpy(key->name, name.p, name.n);
	key->service = (enum deep_service)number;
	return 1;
}

/* "NAME SERVICE WHEN LATCHES", the text of a note about a host, up to its latches. */
static int
read_left(struct deep_key *key, int64_t *when, struct deep_str *text)
{
	if (!read_key(key, text))
		return 0;
	*when = (int64_t)strtoll(next_word(text).p, NULL, 10);
	return 1;
}

struct left_notes {
	size_t	n;
	char	text[LEFT_OCTETS];	/* ADDRESS NUL TEXT NUL ... */
};

static int
add_left(void *notes_, const char *ip, const char *text)
{
	struct left_notes *notes = notes_;
	size_t of_ip = strlen(ip) + 1, of_text = strlen(text) + 1;

	if (notes->n + of_ip + of_text > sizeof(notes->text))
		return 1;
	memcpy(notes->text + notes->n, ip, of_ip);
	memcpy(notes->text + notes->n + of_ip, text, of_text);
	notes->n += of_ip + of_text;
	return 0;
}

/* The hosts of a route that were noted by then stay left out until expires; 0: no longer. */
static void
keep_left_out(struct call *call, const char *route, int64_t by, int64_t expires)
{
	struct left_notes notes;
	const char *ip, *text;
	struct deep_key key;
	struct deep_str rest;
	int64_t when;

	notes.n = 0;
	(void)deep_note_each(call->store, NOTE_BAD, route, call->now, add_left, &notes);
	for (ip = notes.text; ip < notes.text + notes.n; ip = text + strlen(text) + 1) {
		text = ip + strlen(ip) + 1;
		rest = deep_str(text);
		if (!read_left(&key, &when, &rest) || when > by)
			continue;
		if (expires == 0)
			(void)deep_note_drop(call->store, NOTE_BAD, route, ip);
		else
			(void)deep_note_put(call->store, NOTE_BAD, route, ip, text, expires);
	}
}

/*
 * Into the notes: who is to be left out next time, and why the message waits.  Those
 * that are left out already stay so as long, or the first of many hosts would be tried
 * again before the last one was, and the mail never be held.
 */
static void
note_refusal(struct call *call, struct deep_str domain, const struct message *message,
    const struct facts *facts, deep_latches failed, const char *why)
{
	char list[LIST_OCTETS], text[TEXT_MAX], sub[NOTE_KEY_MAX + 1];
	int64_t expires = call->now + deep_config_number(config, "exim", "leave-out");
	struct deep_entry entry;

	names_of(list, sizeof(list), failed);
	if (find_route(call, domain, message) && as_key(sub, facts->ip)) {
		keep_left_out(call, call->route, call->now, expires);
		snprintf(text, sizeof(text), "%s %s %" PRId64 " %s", call->key.name,
		    deep_service_name(call->key.service), call->now, list);
		put_note(call, message->id, NOTE_BAD, call->route, sub, text, expires);
	}
	note_held(call, domain, message, &call->key, call->policy.status, failed, why);
	memset(&entry, 0, sizeof(entry));
	entry.time = call->now;
	strlcpy(entry.kind, "refused", sizeof(entry.kind));
	entry.key = call->key;
	snprintf(entry.host, sizeof(entry.host), "%.*s", (int)facts->host.n,
	    facts->host.p == NULL ? "" : facts->host.p);
	entry.latches = failed;
	strlcpy(entry.who, "exim", sizeof(entry.who));
	snprintf(entry.text, sizeof(entry.text), "%.*s", (int)message->id.n,
	    message->id.p == NULL ? "" : message->id.p);
	(void)deep_store_log(call->store, &entry);
}

/* The words that this process was started with, each ended by NUL, and a NUL behind. */
static size_t
own_words(char text[PROC_MAX + 1])
{
	ssize_t n;
	int fd;

	if ((fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)) < 0)
		return 0;
	n = read(fd, text, PROC_MAX);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return (size_t)n;
}

/*
 * How the connection was passed on.  Exim starts itself anew with -MC for that, and
 * with -MCt or -MCr, address, port and cipher where another process keeps its TLS up;
 * a connection that a callout holds goes to a child.
 */
enum { PASSED_HELD, PASSED_CLEAR, PASSED_TLS };

static int
passed_by(char words[PROC_MAX + 1], struct deep_str *cipher)
{
	size_t n = own_words(words), left_words = 0;
	char *word;
	int how = PASSED_HELD;

	for (word = words; word < words + n; word += strlen(word) + 1) {
		if (left_words > 0 && --left_words == 0) {
			*cipher = deep_str(word);
			return PASSED_TLS;
		}
		if (strcmp(word, "-MCt") == 0 || strcmp(word, "-MCr") == 0)
			left_words = 3;
		else if (strcmp(word, "-MC") == 0)
			how = PASSED_CLEAR;
	}
	return how;
}

/*
 * A process that goes on with a connection which another one made sees no facts of
 * it: they are in the note that passed() wrote, under the two ends.  A process that
 * made the connection itself has all there is in Exim's variables.  A note can be
 * about an earlier connection of the same two ends, so it counts where Exim says
 * that the connection has TLS, and which.  FAIL with the reason.
 */
static enum deep_status
find_session(struct call *call, struct facts *facts, char *note, size_t size, int *unknown,
    const char **why)
{
	char key[NOTE_KEY_MAX + 1], words[PROC_MAX + 1];
	struct deep_str cipher = { NULL, 0 };
	struct facts other;
	enum deep_status status;
	int how;

	*unknown = 0;
	if (facts->tls.n > 0 || connected == getpid() || !ends(key, sizeof(key), facts))
		return DEEP_YES;
	*unknown = 1;
	if ((how = passed_by(words, &cipher)) == PASSED_CLEAR)
		return DEEP_YES;
	if (open_store(call, why) != DEEP_YES)
		return DEEP_FAIL;
	status = deep_note_get(call->store, NOTE_SESSION, key, "", call->now, note, size);
	if (status == DEEP_YES) {
		read_facts(&other, deep_str(note));
		if (how == PASSED_TLS && !is_same(cipher, other.tls))
			return DEEP_YES;
		/* DNSSEC is asked about the host of this message, all else of the session. */
		other.session.host_safe = deep_is(facts->dnssec, "yes") ? 1 : 0;
		other.session.dane_ok = deep_is(facts->dane, "yes") && other.session.dane_ok;
		other.dnssec = facts->dnssec;
		other.host = facts->host;
		other.ip = facts->ip;
		other.from = facts->from;
		*facts = other;
		*unknown = 0;
		status = deep_note_put(call->store, NOTE_SESSION, key, "", note,
		    call->now + SESSION_FOR);
	}
	if (status != DEEP_FAIL)
		return DEEP_YES;
	*why = deep_store_error(call->store);
	return DEEP_FAIL;
}

/* What was seen replaces what an earlier attempt of this message saw; "leave": there
 * is nothing to be learnt from it, and from the earlier attempt neither. */
static void
note_session(struct call *call, struct deep_str domain, const struct message *message,
    const struct facts *facts, int leave)
{
	char key[NOTE_KEY_MAX + 1], host[NOTE_KEY_MAX + 1], text[TEXT_MAX];
	int n;

	if (!seen_key(key, sizeof(key), domain, message) || !as_key(host, facts->host))
		return;
	n = snprintf(text, sizeof(text), "%s %s ", call->key.name,
	    deep_service_name(call->key.service));
	if (leave || !write_facts(text + n, sizeof(text) - (size_t)n, facts)) {
		if (call->notes && deep_note_get(call->store, NOTE_SEEN, key, host, call->now,
		    text, sizeof(text)) == DEEP_YES)
			(void)deep_note_drop(call->store, NOTE_SEEN, key, host);
		return;
	}
	leave_note(domain, message);
	put_note(call, message->id, NOTE_SEEN, key, host, text, call->now + SEEN_FOR);
}

static void
drop_held(struct call *call, struct deep_str domain, const struct message *message)
{
	char key[NOTE_KEY_MAX + 1], sub[NOTE_KEY_MAX + 1], text[TEXT_MAX + 1];

	if (call->notes && as_key(key, message->id) && as_key(sub, domain) &&
	    deep_note_get(call->store, NOTE_HELD, key, sub, call->now, text, sizeof(text)) ==
	    DEEP_YES) {
		(void)deep_note_drop(call->store, NOTE_HELD, key, sub);
		drop_waiting(call, key, text);
	}
}

/* Of a callout: its connection may be held for the delivery, by another process. */
static enum deep_status
note_callout(struct call *call, const struct facts *facts, const char **why)
{
	char key[NOTE_KEY_MAX + 1], note[TEXT_MAX + 1];
	enum deep_status status;

	if (!ends(key, sizeof(key), facts))
		return DEEP_YES;
	if (open_store(call, why) != DEEP_YES)
		return DEEP_FAIL;
	if (facts->tls.n > 0 && write_facts(note, sizeof(note), facts))
		status = deep_note_put(call->store, NOTE_SESSION, key, "", note,
		    call->now + SESSION_FOR);
	else
		status = deep_note_drop(call->store, NOTE_SESSION, key, "");
	if (status != DEEP_FAIL)
		return DEEP_YES;
	*why = deep_store_error(call->store);
	return DEEP_FAIL;
}

/* What Exim is to do, or -1 with the reason: the store cannot tell. */
static int
check_call(struct call *call, unsigned char **yield, struct deep_str domain,
    const struct message *message, struct facts *facts, const char **why)
{
	struct deep_decision decision;
	char note[TEXT_MAX + 1];
	int unknown, leave;

	if (find_session(call, facts, note, sizeof(note), &unknown, why) != DEEP_YES)
		return -1;
	if (find_key(call, domain, message, facts) == DEEP_NO)
		return say(yield, "");
	if (read_store(call, domain, message, 0, why) != DEEP_YES)
		return -1;
	read_names(facts, call, message);
	deep_policy_decide(&call->policy, &call->record, &facts->session, message->bypass,
	    &decision);
	if (decision.failed != DEEP_LATCH_NONE) {
		/* Nobody is refused for what may have been reset meanwhile. */
		if (read_store(call, domain, message, 1, why) != DEEP_YES)
			return -1;
		deep_policy_decide(&call->policy, &call->record, &facts->session,
		    message->bypass, &decision);
	}
	if (decision.failed != DEEP_LATCH_NONE) {
		/* Of a connection that nothing is known of, nothing is said of the host. */
		put_refusal(answer, sizeof(answer), &call->policy, &call->key, facts->host,
		    decision.failed);
		if (!unknown)
			note_refusal(call, domain, message, facts, decision.failed, answer);
		report("refused", &call->key, facts->host, message->id, decision.failed,
		    unknown ? "a connection made by another process, not checked anew" : NULL);
		return refuse(yield, answer);
	}
	if (decision.warned != DEEP_LATCH_NONE)
		report("warned", &call->key, facts->host, message->id, decision.warned, NULL);
	if (decision.bypassed != 0 && (decision.doubted | decision.warned) != DEEP_LATCH_NONE) {
		report("bypassed", &call->key, facts->host, message->id,
		    decision.doubted | decision.warned,
		    decision.bypassed & DEEP_BYPASS_TLS_REQUIRED_NO ? "TLS-Required: No" :
		    decision.bypassed & DEEP_BYPASS_TLSRPT ? "a TLS report" : "exempt");
	}
	if (message->verify)
		return note_callout(call, facts, why) != DEEP_YES ? -1 : say(yield, "");
	leave = call->policy.at_handshake || unknown || is_known(call, &facts->session, &decision);
	if (leave && !call->policy.at_handshake && !call->notes)
		return say(yield, "");
	if (open_store(call, why) != DEEP_YES)
		return -1;
	drop_held(call, domain, message);
	if (call->policy.at_handshake && !unknown)
		learn(call, &facts->session, facts->host, message->id);
	note_session(call, domain, message, facts, leave);
	return say(yield, "");
}

/*
 * check{$domain}{DEEP_SESSION}{DEEP_MESSAGE}{DEEP_NAMES}: for authenticated_sender, which Exim
 * expands before each MAIL.  OK and nothing, or FAIL and the reason.
 */
PUBLIC int
check(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_str domain = argument(argc, argv, 0);
	struct message message;
	struct facts facts;
	struct call call;
	const char *why;
	int result;

	if (argc != 4)
		return refuse(yield, "4.3.5 deep: check takes four arguments, see exim-deep(8)");
	read_facts(&facts, argument(argc, argv, 1));
	facts.names = argument(argc, argv, 3);
	read_message(&message, argument(argc, argv, 2));
	if (facts.tls.n > 0 && facts.port.n < sizeof(last_port))
		snprintf(last_port, sizeof(last_port), "%.*s", (int)facts.port.n, facts.port.p);
	if (domain.n == 0)
		return refuse(yield, "4.3.5 deep: the transport joins domains; "
		    "set multi_domain = false on it, see exim-deep(8)");
	if (begin_call(&call, &why) != DEEP_YES) {
		alarm_of(&call, message.id, why);
		return refuse(yield, "4.3.5 deep: deep.conf cannot be read; the log has the "
		    "reason");
	}
	if ((result = check_call(&call, yield, domain, &message, &facts, &why)) == -1) {
		alarm_of(&call, message.id, why);
		result = refuse(yield, "4.3.0 deep: the store of security latches cannot be read; "
		    "the log has the reason");
	}
	close_call(&call);
	return result;
}

/*
 * refusal{$domain}{DEEP_SESSION}{DEEP_MESSAGE}{DEEP_NAMES}: what check() would say, without
 * writing anything.
 */
PUBLIC int
refusal(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_decision decision;
	struct message message;
	struct facts facts;
	struct call call;
	const char *why;

	read_facts(&facts, argument(argc, argv, 1));
	facts.names = argument(argc, argv, 3);
	read_message(&message, argument(argc, argv, 2));
	if (message.route.n == 0)
		message.route = deep_str("mx");
	if (open_call(&call, &why) != DEEP_YES)
		return say(yield, why);
	answer[0] = '\0';
	if (find_key(&call, argument(argc, argv, 0), &message, &facts) == DEEP_YES) {
		if (deep_store_get(call.store, &call.key, &call.record) == DEEP_FAIL) {
			strlcpy(answer, deep_store_error(call.store), sizeof(answer));
		} else {
			read_names(&facts, &call, &message);
			deep_policy_decide(&call.policy, &call.record, &facts.session,
			    message.bypass, &decision);
			if (decision.failed != DEEP_LATCH_NONE)
				put_refusal(answer, sizeof(answer), &call.policy, &call.key,
				    facts.host, decision.failed);
		}
	}
	close_call(&call);
	return say(yield, answer);
}

/*
 * After the transfer, and when a connection is made.
 */

/* Not in event() itself: what this has on the stack is two pages more for each call,
 * and most calls are of an event that is nothing to us. */
static __attribute__((noinline)) void
learn_delivered(struct deep_str domain, struct deep_str session, struct deep_str words)
{
	char key[NOTE_KEY_MAX + 1], host[NOTE_KEY_MAX + 1], text[TEXT_MAX + 1];
	struct deep_str rest;
	struct message message;
	struct facts now, before;
	struct call call;
	const char *why;

	read_facts(&now, session);
	read_message(&message, words);
	if (!seen_key(key, sizeof(key), domain, &message) || !as_key(host, now.host))
		return;
	if (open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, message.id, why);
		return;
	}
	if (deep_note_take(call.store, NOTE_SEEN, key, host, call.now, text, sizeof(text)) ==
	    DEEP_YES && (rest = deep_str(text)).n > 0 && read_key(&call.key, &rest)) {
		deep_policy_of(&call.policy, config, call.key.name);
		read_facts(&before, rest);
		before.session.strict = call.policy.strict;
		if (!is_same(before.tls, now.tls) ||
		    deep_is(before.dane, "yes") != deep_is(now.dane, "yes"))
			alarm_of(&call, message.id, "the session that delivered is not the "
			    "one that was checked: nothing is learnt from it");
		else
			learn(&call, &before.session, now.host, message.id);
	}
	close_call(&call);
}

/*
 * event{$event_name}{$domain}{DEEP_SESSION}{DEEP_MESSAGE}: for event_action.  Never
 * says anything: an answer would change what Exim does.
 *
 * msg:delivery is raised after the last 250, in another process than check() ran in,
 * where only version, suite and DANE are told.  Both must be of one session.
 */
PUBLIC int
event(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_str name = argument(argc, argv, 0);

	if (deep_is(name, "tcp:connect") || deep_is(name, "smtp:connect"))
		connected = getpid();
	if (deep_is(name, "msg:delivery") && argc == 4 &&
	    (noted.octet == NULL || noted.pid != getpid() || *noted.octet != 0))
		learn_delivered(argument(argc, argv, 1), argument(argc, argv, 2),
		    argument(argc, argv, 3));
	return say(yield, "");
}

/*
 * passed{DEEP_SESSION}{DEEP_NAMES}: for hosts_noproxy_tls, which Exim expands when it is about
 * to give a connection with TLS to another process.  Leaves a note for check() in
 * that process, and says nothing: TLS stays up.
 */
PUBLIC int
passed(unsigned char **yield, int argc, unsigned char **argv)
{
	char key[NOTE_KEY_MAX + 1], text[TEXT_MAX];
	struct facts facts;
	struct call call;
	const char *why;

	read_facts(&facts, argument(argc, argv, 0));
	facts.names = argument(argc, argv, 1);
	if (facts.tls.n == 0 || !ends(key, sizeof(key), &facts) ||
	    !write_facts(text, sizeof(text), &facts))
		return say(yield, "");
	if (open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, deep_str(NULL), why);
		return say(yield, "");
	}
	put_note(&call, deep_str(NULL), NOTE_SESSION, key, "", text, call.now + SESSION_FOR);
	close_call(&call);
	return say(yield, "");
}

/*
 * Routing: the next host, or the queue.
 */

struct left_out {
	struct call	*call;
	char		*buf;		/* addresses, each with a blank behind it */
	size_t		 size, n;
	unsigned	 count;
	deep_latches	 failed;
	struct deep_key	 key;		/* of the last one */
	int		 bad;		/* the store could not tell */
	unsigned	 bypass;
};

/* Whether what the host lacked is still required of it.  A note of a time to come is of a
 * clock that was wrong, and would leave the host out until then. */
static deep_latches
still_failed(struct left_out *list, struct deep_str text)
{
	struct deep_record record;
	struct deep_policy policy;
	int64_t when;

	if (!read_left(&list->key, &when, &text) || when > list->call->now)
		return DEEP_LATCH_NONE;
	if (deep_store_get(list->call->store, &list->key, &record) == DEEP_FAIL) {
		list->bad = 1;
		return DEEP_LATCH_NONE;
	}
	deep_policy_of(&policy, config, list->key.name);
	list->call->policy = policy;
	return latches_in(text) & deep_policy_required(&policy, &record, list->bypass);
}

static int
add_host(void *argument_, const char *ip, const char *text)
{
	struct left_out *list = argument_;
	deep_latches failed = still_failed(list, deep_str(text));
	size_t n = strlen(ip);

	if (failed == DEEP_LATCH_NONE)
		return 0;
	list->failed |= failed;
	if (list->n + n + 2 > list->size || ++list->count > LIST_MAX)
		return 1;
	memcpy(list->buf + list->n, ip, n);
	list->n += n;
	list->buf[list->n++] = ' ';
	list->buf[list->n] = '\0';
	return 0;
}

/*
 * Which hosts were left out is asked for up to four times while one address is
 * routed.  Were the answers different, a domain whose hosts were all left out could
 * come to be unroutable, so the first list stands.
 */
static struct {
	pid_t		pid;
	int64_t		when;
	char		route[DEEP_DOMAIN_MAX + 2];
	char		id[64];		/* of the message, which may pass latches by */
	char		hosts[ANSWER_MAX];
	deep_latches	failed;
	struct deep_key	key;
	struct deep_policy policy;
} left;

#define LEFT_FOR	60	/* seconds */

static int
leave_out(struct deep_str domain, const struct message *message)
{
	struct left_out list;
	struct call call;
	const char *why;

	memset(&call, 0, sizeof(call));
	if (message->verify || !find_route(&call, domain, message))
		return 0;
	if (left.pid == getpid() && strcmp(left.route, call.route) == 0 &&
	    is_same(message->id, deep_str(left.id)) &&
	    (int64_t)time(NULL) - left.when < LEFT_FOR)
		return left.failed != DEEP_LATCH_NONE;
	left.pid = getpid();
	strlcpy(left.route, call.route, sizeof(left.route));
	snprintf(left.id, sizeof(left.id), "%.*s", (int)message->id.n,
	    message->id.p == NULL ? "" : message->id.p);
	left.hosts[0] = '\0';
	left.failed = DEEP_LATCH_NONE;
	left.when = 0;
	make_noted();
	if (open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, message->id, why);
		return 0;
	}
	memset(&list, 0, sizeof(list));
	list.call = &call;
	list.buf = left.hosts;
	list.size = sizeof(left.hosts);
	list.bypass = message->bypass;
	if (deep_note_each(call.store, NOTE_BAD, left.route, call.now, add_host, &list) ==
	    DEEP_FAIL || list.bad)
		alarm_of(NULL, message->id, deep_store_error(call.store));
	left.when = call.now;
	left.failed = list.failed;
	left.key = list.key;
	left.policy = call.policy;
	/* For the process that delivers; where it fails, that one looks itself. */
	if (deep_is(message->route, "mx") && deep_key(&call.key, DEEP_RELAY, domain) == DEEP_YES)
		(void)read_store(&call, domain, message, 1, &why);
	close_call(&call);
	return left.failed != DEEP_LATCH_NONE;
}

/*
 *	left-out = [ address *( " " separator " " address ) ]
 *
 * In a list of Exim a separator within an item is written twice.
 */
static void
put_left(char separator)
{
	struct deep_str rest = deep_str(left.hosts), ip;
	size_t n = 0, i;

	while ((ip = next_word(&rest)).n > 0 && n + 2 * ip.n + 4 <= sizeof(answer)) {
		if (n > 0) {
			answer[n++] = ' ';
			answer[n++] = separator;
			answer[n++] = ' ';
		}
		for (i = 0; i < ip.n; i++) {
			answer[n++] = ip.p[i];
			if (ip.p[i] == separator)
				answer[n++] = separator;
		}
	}
	answer[n] = '\0';
}

/*
 * hosts{$domain}{DEEP_MESSAGE}{separator}: for ignore_target_hosts, the addresses of
 * hosts that did not meet what is still required; nothing where there are none.
 */
PUBLIC int
hosts(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_str separator = argument(argc, argv, 2);
	struct message message;

	read_message(&message, argument(argc, argv, 1));
	if (!leave_out(argument(argc, argv, 0), &message))
		return say(yield, "");
	put_left(separator.n == 1 ? separator.p[0] : ':');
	return say(yield, answer);
}

/*
 * hold{$domain}{DEEP_MESSAGE}: for data of a redirect router behind one that had
 * no host left: ":defer: " and the reason; nothing where no host was left out.
 *
 * To leave out all hosts for as long as one of many helps nobody: from here on the next
 * message tries those again that did not fail a moment ago, and finds them mended.  Each
 * message that waits is held between two attempts, so that its time-out comes.
 */
PUBLIC int
hold(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_str domain = argument(argc, argv, 0);
	char line[DEEP_REFUSAL_MAX + 1];
	struct message message;
	struct call call;
	const char *why;

	read_message(&message, argument(argc, argv, 1));
	if (!leave_out(domain, &message))
		return say(yield, "");
	put_refusal(line, sizeof(line), &left.policy, &left.key, deep_str(NULL), left.failed);
	if (open_call(&call, &why) == DEEP_YES) {
		note_held(&call, domain, &message, &left.key, left.policy.status, left.failed,
		    line);
		keep_left_out(&call, left.route, call.now - deep_config_number(config, "exim",
		    "leave-out") / TRY_SHARE, 0);
		close_call(&call);
	}
	snprintf(answer, sizeof(answer), ":defer: %s", line);
	return say(yield, answer);
}

/*
 * What to offer.
 */

/*
 * OpenSSL 3 offers TLS 1.0 and 1.1 at security level 0 only, which is no default: a
 * list that asks for it is the one that has to be taken back for tls12.
 */
static const char *
lowest_version(deep_latches required, struct deep_str own)
{
	static const char level[] = "@SECLEVEL=0";

	if (required & DEEP_LATCH_TLS12 && own.n >= strlen(level) &&
	    memmem(own.p, own.n, level, strlen(level)) != NULL)
		return ":@SECLEVEL=1";
	return "";
}

/* "NORMAL:-VERS-TLS1.0": what is behind the first ":" goes behind his own value. */
static void
put_narrowed(const char *narrowed, struct deep_str own, const char *more)
{
	const char *tail = strchr(narrowed, ':');

	if (own.n > 0)
		snprintf(answer, sizeof(answer), "%.*s%s%s", (int)own.n, own.p,
		    tail == NULL ? "" : tail, more);
	else
		strlcpy(answer, narrowed, sizeof(answer));
}

/*
 * narrow{$domain}{DEEP_SESSION}{DEEP_MESSAGE}{gnutls or openssl}{own value}: for
 * tls_require_ciphers.  Where nothing is required, or cannot be told, it is the
 * administrator's own value: a failed expansion here would let Exim go on in clear
 * text, and check() has the last word anyway.
 */
PUBLIC int
narrow(unsigned char **yield, int argc, unsigned char **argv)
{
	int openssl = deep_is(argument(argc, argv, 3), "openssl");
	struct deep_str domain = argument(argc, argv, 0), own = argument(argc, argv, 4);
	struct message message;
	struct facts facts;
	struct call call;
	char narrowed[ANSWER_MAX / 2];
	deep_latches required = DEEP_LATCH_NONE;
	const char *why;
	int n;

	read_facts(&facts, argument(argc, argv, 1));
	read_message(&message, argument(argc, argv, 2));
	if (begin_call(&call, &why) == DEEP_YES) {
		if (find_key(&call, domain, &message, &facts) == DEEP_YES &&
		    read_store(&call, domain, &message, 0, &why) == DEEP_YES)
			required = deep_policy_required(&call.policy, &call.record, message.bypass);
		close_call(&call);
	}
	if (required != DEEP_LATCH_NONE) {
		n = openssl ? deep_narrow_openssl(narrowed, sizeof(narrowed), required) :
		    deep_narrow_gnutls(narrowed, sizeof(narrowed), required);
		if (n > 0 && (size_t)n < sizeof(narrowed) && own.n < sizeof(narrowed)) {
			put_narrowed(narrowed, own, openssl ? lowest_version(required, own) :
			    "");
			return say(yield, answer);
		}
	}
	if (own.n > 0 && own.n < sizeof(answer)) {
		snprintf(answer, sizeof(answer), "%.*s", (int)own.n, own.p);
		return say(yield, answer);
	}
	/* Empty is no list to OpenSSL, and the default to Exim with GnuTLS. */
	return say(yield, openssl ? "DEFAULT" : "");
}

/*
 * What is known.
 */

/* latches{domain} or latches{domain}{service}: what is held, "tls10 tls11 tls12". */
PUBLIC int
latches(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_str name = argument(argc, argv, 1);
	struct call call;
	const char *why;
	int service = name.n > 0 ? deep_service_find(name) : DEEP_RELAY;

	if (service < 0 || open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, deep_str(NULL), service < 0 ? "latches: no such service" : why);
		return say(yield, "");
	}
	answer[0] = '\0';
	if (deep_key(&call.key, (enum deep_service)service, argument(argc, argv, 0)) == DEEP_YES &&
	    deep_store_get(call.store, &call.key, &call.record) == DEEP_YES) {
		deep_policy_of(&call.policy, config, call.key.name);
		names_of(answer, sizeof(answer), deep_record_held(&call.record, &call.policy));
	}
	close_call(&call);
	return say(yield, answer);
}

/*
 * clause{$tls_in_cipher} or clause{$tls_in_cipher}{column}: for received_header_text,
 * behind its for clause: the tls clause with the group, folded where it has to be.
 * Empty without TLS, and for a suite that is in no table.
 */
PUBLIC int
clause(unsigned char **yield, int argc, unsigned char **argv)
{
	struct deep_session session;
	const struct deep_group *group = NULL;
	struct deep_str words = argument(argc, argv, 0), column = argument(argc, argv, 1), hex;
	char suite[128];
	size_t at = DEEP_FOLD_AT;
	unsigned i;

	if (words.n == 0)
		return say(yield, "");
	if (column.n > 0 && column.n < 4)
		at = (size_t)strtoul(column.p, NULL, 10);
	suite[0] = '\0';
	if (deep_session_words(&session, words, &group) == DEEP_YES && session.suite != NULL) {
		(void)deep_suite_emit(suite, sizeof(suite), session.suite->code);
	} else {
		/* "TLS1.3:0x1399:128": the library had no name either */
		for (hex = words; hex.n >= 7; hex.p++, hex.n--) {
			if (hex.p[0] != ':' || hex.p[1] != '0' || hex.p[2] != 'x' ||
			    (hex.n > 7 && hex.p[7] != ':'))
				continue;
			for (i = 3; i < 7 && isxdigit((unsigned char)hex.p[i]); i++)
				continue;
			if (i == 7)
				snprintf(suite, sizeof(suite), "%.6s", hex.p + 1);
			break;
		}
	}
	if (suite[0] == '\0' || deep_tls_emit(answer, sizeof(answer), at, "\n", deep_str(suite),
	    deep_str(group == NULL ? NULL : group->name)) < 0)
		return say(yield, "");
	return say(yield, answer);
}

/*
 * Delivery status.
 */

/*
 * Exim makes a delivery status by calling itself with -E and the id of the message
 * that it is about (spec, section 5.2), and has no variable for that id.
 */
static int
original_id(char *buf, size_t size)
{
	char text[PROC_MAX + 1], *word;
	size_t n = own_words(text), digits;

	for (word = text; word < text + n; word += strlen(word) + 1) {
		if (strncmp(word, "-E", 2) != 0)
			continue;
		digits = strspn(word + 2, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		    "0123456789-");
		if ((digits == 16 || digits == 23) && word[2 + digits] == '\0')
			return strlcpy(buf, word + 2, size) < size;
	}
	return 0;
}

static int
add_held(void *buf, const char *domain, const char *text)
{
	struct deep_str rest = deep_str(text), status, id;
	struct deep_key key;
	char *out = buf, one[TEXT_MAX + DEEP_DOMAIN_MAX];
	size_t n;
	int first = 1;

	(void)next_word(&rest);			/* what the latches are kept under */
	status = next_word(&rest);
	if (deep_key(&key, DEEP_RELAY, deep_str(domain)) != DEEP_YES || status.n == 0 ||
	    status.n > DEEP_STATUS_MAX)
		return 0;
	n = (size_t)snprintf(one, sizeof(one), "%s%s:%.*s:", out[0] == '\0' ? "" : ";", key.name,
	    (int)status.n, status.p);
	while (deep_latch_next(&rest, &id, NULL) == DEEP_YES) {
		if (deep_latch_find(id) == DEEP_LATCH_NONE || n + id.n + 2 > sizeof(one))
			continue;
		n += (size_t)snprintf(one + n, sizeof(one) - n, "%s%.*s", first ? "" : ",",
		    (int)id.n, id.p);
		first = 0;
	}
	if (!first && strlen(out) + n < ANSWER_MAX)
		strlcat(out, one, ANSWER_MAX);
	return 0;
}

/*
 * dsn: for acl_not_smtp, of a message with the null sender that Exim itself makes:
 * "example.org:4.7.10:tls12,tls-pfs;..." for deep-dsn-filter(8), or nothing.
 */
PUBLIC int
dsn(unsigned char **yield, int argc, unsigned char **argv)
{
	struct call call;
	char id[64];
	const char *why;

	(void)argc;
	(void)argv;
	if (!original_id(id, sizeof(id)))
		return say(yield, "");
	if (open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, deep_str(id), why);
		return say(yield, "");
	}
	answer[0] = '\0';
	(void)deep_note_each(call.store, NOTE_HELD, id, call.now, add_held, answer);
	close_call(&call);
	return say(yield, answer);
}

/*
 * Reception.
 */

enum { INBOUND_OFF, INBOUND_OBSERVE, INBOUND_REJECT };

/*
 * inbound{$sender_address_domain}{tls=$tls_in_cipher}{$spf_result}{$message_exim_id}:
 * for acl_smtp_data.  A domain that used TLS, and said by SPF that it was itself, is
 * expected to use it again: the reason where it did not and is to be refused, else
 * nothing.  Only what passes SPF is looked at, as anybody else may write the name.
 */
PUBLIC int
inbound(unsigned char **yield, int argc, unsigned char **argv)
{
	static const char unread[] = "4.3.0 the store of security latches cannot be read";
	struct deep_str id = argument(argc, argv, 3);
	struct deep_decision decision;
	struct facts facts;
	struct call call;
	const char *why;
	int64_t level;

	if (!deep_is(argument(argc, argv, 2), "pass"))
		return say(yield, "");
	if (configuration(&why) == NULL) {
		alarm_of(NULL, id, why);
		return say(yield, "");
	}
	if ((level = deep_config_number(config, "exim", "inbound")) <= INBOUND_OFF)
		return say(yield, "");
	read_facts(&facts, argument(argc, argv, 1));
	if (open_call(&call, &why) != DEEP_YES) {
		alarm_of(NULL, id, why);
		return say(yield, level == INBOUND_REJECT ? unread : "");
	}
	answer[0] = '\0';
	if (deep_key(&call.key, DEEP_INBOUND, argument(argc, argv, 0)) == DEEP_YES) {
		deep_policy_of(&call.policy, config, call.key.name);
		if (deep_store_get(call.store, &call.key, &call.record) == DEEP_FAIL) {
			alarm_of(&call, id, deep_store_error(call.store));
			if (level == INBOUND_REJECT)
				strlcpy(answer, unread, sizeof(answer));
		} else {
			facts.session.strict = call.policy.strict;
			deep_policy_decide(&call.policy, &call.record, &facts.session, 0, &decision);
			if (!(decision.failed & DEEP_LATCH_TLS10)) {
				if (!is_known(&call, &facts.session, &decision))
					learn(&call, &facts.session, deep_str(NULL), id);
			} else if (level == INBOUND_OBSERVE) {
				report("warned", &call.key, deep_str(NULL), id, DEEP_LATCH_TLS10, NULL);
			} else {
				report("refused", &call.key, deep_str(NULL), id, DEEP_LATCH_TLS10,
				    NULL);
				snprintf(answer, sizeof(answer), "%s mail from %s came with TLS before, "
				    "and has to again", call.policy.status, call.key.name);
			}
		}
	}
	close_call(&call);
	return say(yield, answer);
}
