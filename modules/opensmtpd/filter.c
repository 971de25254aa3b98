/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * filter.c - smtpd-filters(7), versions 0.5 to 0.7: what smtpd reports of its
 * sessions, and what is made of it.
 *
 *	report|VERSION|TIME|smtp-in or smtp-out|EVENT|SESSION|...
 *	filter|VERSION|TIME|smtp-in|PHASE|SESSION|TOKEN|...
 *	filter-result|SESSION|TOKEN|proceed
 *	filter-dataline|SESSION|TOKEN|LINE
 *
 * Of smtp-out: who took mail over what TLS, at tx-commit and never before it
 * (draft-newman-email-deep-00 3.1, 5.5); which recipients deep-relay held back.
 * The reverse name or address in link-connect is that of the server; recipients
 * are told by what the two sides said, for a rollback comes in the middle of a
 * transaction that is committed, and the last refused recipient has no tx-rcpt.
 * A second link-connect is a new connection under an old number.
 *
 * smtpd's relays are one for each domain, so that recipients of two domains in
 * one transaction prove a smarthost: nothing is learnt from that.
 *
 * smtpd dies with its filter, and by an answer that it did not ask for: what is
 * not understood is ignored, each request is answered once and in its own
 * phase, and nothing here waits, exits or grows without bound.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "osmtpd.h"

#define BUCKETS		4096	/* of sessions, a power of two */
#define HOST_MAX	256	/* octets of a host's name that are kept, with a NUL */
#define WORDS_MAX	160	/* octets of smtpd's words for a session's TLS */
#define LINE_OUT	1200	/* octets of a line of Received that is changed */
#define NUMBER(turn, i)	((uint32_t)(turn) << 16 | (uint32_t)(i))	/* of a request */
#define PREFIX_MAX	64	/* octets that are put in front of a line of data */

/* A DSN that passes. */
struct dsn {
	struct bounce			 bounce;
	struct text			 held;		/* its lines, LF behind each */
	size_t				 lines;
	size_t				 head_n;	/* octets of them, the head */
	struct bounce_head		 head;
	size_t				 waits;		/* for so many answers */
};

enum mode { PASS, STAMP, HOLD, ASKED };	/* what is done with lines of data */

struct session {
	uint64_t	 id;
	struct session	*next;			/* in its bucket */
	struct session	*newer, *older;		/* by when they were heard of */
	struct session	*wait_next, *wait_before;
	int64_t		 deadline;		/* 0: it does not wait */
	uint64_t	 token;
	char		 msgid[9];
	char		 host[HOST_MAX];
	char		 address[64];
	char		 words[WORDS_MAX];
	unsigned	 local : 1;		/* a Unix socket */
	unsigned	 loopback : 1;
	unsigned	 fcrdns : 1;
	unsigned	 auth : 1;
	unsigned	 goes_on : 1;		/* it came to MAIL, or ended in good order */
	enum { NO_WORD, EHLO, EHLO_TAKEN, STARTTLS } word;	/* the last before MAIL */
	unsigned	 several : 1;		/* domains in this transaction */
	unsigned	 mail_waits : 1;	/* the phase mail-from is to be answered */
	uint16_t	 turn;			/* of asking: an answer that is late is nobody's */
	char		*rcpt;			/* sent, and not yet answered */
	deep_latches	 rcpt_latches;		/* in its answer so far */
	char		*accepted;		/* a recipient that was taken */
	enum mode	 mode;
	struct stamp	 stamp;
	struct dsn	*dsn;
};

struct filter {
	struct filter_settings	 settings;
	struct filter_calls	 calls;
	struct session		*bucket[BUCKETS];
	struct session		*newest, *oldest;
	struct session		*wait_first, *wait_last;
	size_t			 sessions;
	int			 ready, old, in, out;	/* config: old is a 6.x */
	enum { NOT_LONG, LONG_PASSED, LONG_SKIPPED } long_line;
	int			 told_full;
	char			 smarthost[64];		/* told of last */
	size_t			 holds;			/* octets of all DSNs that are held */
};

static void
out(struct filter *filter, const char *p, size_t n)
{
	filter->calls.out(filter->calls.context, p, n);
}

static void
copy(char *to, size_t size, struct deep_str from)
{
	size_t	n = from.n < size ? from.n : size - 1, i;

	for (i = 0; i < n && from.p[i] != '\0'; i++)
		to[i] = from.p[i];
	to[i] = '\0';
}

static char *
keep_copy(struct deep_str from)
{
	char	*new;

	if (from.n >= OSMTPD_ADDRESS || (new = malloc(from.n + 1)) == NULL)
		return NULL;
	copy(new, from.n + 1, from);
	return new;
}

static int
begins(struct deep_str s, const char *with)
{
	size_t	n = strlen(with);

	return s.n >= n && memcmp(s.p, with, n) == 0;
}

static int
is(struct deep_str s, const char *word)
{
	return s.p != NULL && s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

/*
 * Sessions.
 */

static struct session *
session_find(struct filter *filter, uint64_t id)
{
	struct session	*session = filter->bucket[id % BUCKETS];

	while (session != NULL && session->id != id)
		session = session->next;
	return session;
}

static void
session_unlink(struct filter *filter, struct session *session)
{
	if (session->newer != NULL)
		session->newer->older = session->older;
	else
		filter->newest = session->older;
	if (session->older != NULL)
		session->older->newer = session->newer;
	else
		filter->oldest = session->newer;
	session->newer = session->older = NULL;
}

static void
session_link(struct filter *filter, struct session *session)
{
	session->newer = NULL;
	session->older = filter->newest;
	if (filter->newest != NULL)
		filter->newest->newer = session;
	else
		filter->oldest = session;
	filter->newest = session;
}

static void
dsn_free(struct filter *filter, struct session *session)
{
	struct dsn	*dsn = session->dsn;

	if (dsn == NULL)
		return;
	filter->holds -= dsn->held.n < filter->holds ? dsn->held.n : filter->holds;
	bounce_free(&dsn->head);
	text_free(&dsn->held);
	free(dsn);
	session->dsn = NULL;
}

static void
wait_end(struct filter *filter, struct session *session)
{
	if (session->deadline == 0)
		return;
	if (session->wait_before != NULL)
		session->wait_before->wait_next = session->wait_next;
	else
		filter->wait_first = session->wait_next;
	if (session->wait_next != NULL)
		session->wait_next->wait_before = session->wait_before;
	else
		filter->wait_last = session->wait_before;
	session->wait_next = session->wait_before = NULL;
	session->deadline = 0;
}

static void
wait_begin(struct filter *filter, struct session *session)
{
	wait_end(filter, session);
	session->deadline = now_ms() + filter->settings.patience;
	if (session->deadline == 0)
		session->deadline = 1;
	session->wait_before = filter->wait_last;
	if (filter->wait_last != NULL)
		filter->wait_last->wait_next = session;
	else
		filter->wait_first = session;
	filter->wait_last = session;
}

static void
session_release(struct filter *filter, struct session *session)
{
	dsn_free(filter, session);
	free(session->rcpt);
	free(session->accepted);
	free(session);
}

static void
session_free(struct filter *filter, struct session *session)
{
	struct session	**at = &filter->bucket[session->id % BUCKETS];

	while (*at != session)
		at = &(*at)->next;
	*at = session->next;
	session_unlink(filter, session);
	wait_end(filter, session);
	session_release(filter, session);
	filter->sessions--;
}

static void data_end(struct filter *, struct session *);
static void mail_answer(struct filter *, struct session *, const char *);

/* A session that is heard of; NULL: no memory. */
static struct session *
session_get(struct filter *filter, uint64_t id)
{
	struct session	*session = session_find(filter, id), *oldest;

	if (session != NULL) {
		session_unlink(filter, session);
		session_link(filter, session);
		return session;
	}
	if (filter->sessions >= OSMTPD_SESSIONS) {
		if (!filter->told_full)
			say("more than %d sessions at a time: the one longest not "
			    "heard of is forgotten for each new one", OSMTPD_SESSIONS);
		filter->told_full = 1;
		oldest = filter->oldest;
		/* what smtpd waits for it has to get */
		if (oldest->mode == HOLD || oldest->mode == ASKED)
			data_end(filter, oldest);
		if (oldest->mail_waits)
			mail_answer(filter, oldest, "proceed");
		session_free(filter, oldest);
	}
	if ((session = calloc(1, sizeof(*session))) == NULL)
		return NULL;
	session->id = id;
	session->next = filter->bucket[id % BUCKETS];
	filter->bucket[id % BUCKETS] = session;
	session_link(filter, session);
	filter->sessions++;
	return session;
}

/*
 * Lines of data.
 */

static void
data_out(struct filter *filter, const struct session *session, struct deep_str line)
{
	char	prefix[PREFIX_MAX];
	int	n;

	n = snprintf(prefix, sizeof(prefix), "filter-dataline|%016" PRIx64 "|%016" PRIx64 "|",
	    session->id, session->token);
	out(filter, prefix, (size_t)n);
	out(filter, line.p, line.n);
	out(filter, "\n", 1);
}

static void
data_out_all(struct filter *filter, const struct session *session, struct deep_str text)
{
	struct deep_str	 line;
	const char	*nl;

	while (text.n > 0) {
		line = text;
		if ((nl = memchr(text.p, '\n', text.n)) != NULL)
			line.n = (size_t)(nl - text.p);
		data_out(filter, session, line);
		text.p += line.n + (nl != NULL);
		text.n -= line.n + (nl != NULL);
	}
}

/* What was held goes out: with the changes that are known by now. */
static void
data_end(struct filter *filter, struct session *session)
{
	struct dsn	*dsn = session->dsn;
	struct text	 new = { NULL, 0, 0 };
	struct deep_str	 held = { dsn->held.p, dsn->held.n };
	size_t		 i;
	int		 changed = 0;

	if (session->mode == ASKED) {
		for (i = 0; i < dsn->head.nrcpt; i++)
			changed |= dsn->head.change[i].latches != DEEP_LATCH_NONE ||
			    dsn->head.change[i].action != NULL;
		if (changed && bounce_write(&new, &dsn->head, dsn->head.change) == 0) {
			data_out_all(filter, session, (struct deep_str){ new.p, new.n });
			held.p += dsn->head_n;
			held.n -= dsn->head_n;
		} else if (changed)
			say("%s: a DSN could not be rewritten, it passes as smtpd "
			    "made it", session->msgid);
	}
	data_out_all(filter, session, held);
	text_free(&new);
	wait_end(filter, session);
	dsn_free(filter, session);
	session->mode = PASS;
}

/* What is to be said of one recipient; the texts are copied. */
static void
dsn_change(struct dsn *dsn, size_t i, const char *status, deep_latches latches,
    struct deep_str type, struct deep_str words)
{
	struct deep_dsngroup_change	*change = &dsn->head.change[i];
	struct bounce_told		*told = &dsn->head.told[i];
	size_t				 n, at;

	if (latches == DEEP_LATCH_NONE)
		return;
	copy(told->status, sizeof(told->status), deep_str(status));
	if (told->status[0] != '\0') {
		/* a delay is no permanent failure */
		if (dsn->head.rcpt[i].delayed && change->action == NULL)
			told->status[0] = '4';
		change->status = told->status;
	}
	change->latches = latches;
	n = (size_t)snprintf(told->diagnostic, sizeof(told->diagnostic), "%.*s; ",
	    (int)type.n, type.p);
	for (at = 0; at < words.n && n < sizeof(told->diagnostic) - 1; at++) {
		char	c = words.p[at];

		told->diagnostic[n++] = c >= ' ' && c < 0x7f ? c : '?';
	}
	told->diagnostic[n] = '\0';
	change->diagnostic = told->diagnostic;
}

/* The head of a DSN is here: what is known at once, and what the store is asked. */
static void
dsn_ask(struct filter *filter, struct session *session)
{
	struct dsn		*dsn = session->dsn;
	struct bounce_rcpt	*rcpt;
	struct request		 ask;
	char			 address[OSMTPD_ADDRESS], status[DEEP_STATUS_MAX + 1];
	size_t			 i, n;
	int			 noted;

	dsn->head_n = dsn->held.n;
	if (bounce_read(&dsn->head, (struct deep_str){ dsn->held.p, dsn->held.n }) != DEEP_YES) {
		data_end(filter, session);
		return;
	}
	n = dsn->head.nrcpt;
	if (bounce_room(&dsn->head) == -1) {
		data_end(filter, session);
		return;
	}
	session->mode = ASKED;
	session->turn++;
	for (i = 0; i < n; i++) {
		rcpt = &dsn->head.rcpt[i];
		if (rcpt->expired && rcpt->delayed)	/* 6.8's final one, mislabelled */
			dsn->head.change[i].action = "failed";
		/* anybody may have said these words: it is the note of what deep-relay said
		 * that counts */
		noted = rcpt->expired ||
		    bounce_latches(rcpt->error, status, sizeof(status)) != DEEP_LATCH_NONE;
		if ((!noted && !begins(rcpt->error, "Network error on destination MXs")) ||
		    rcpt->address.n == 0 || rcpt->address.n >= sizeof(address))
			continue;
		if (dsn->waits == OSMTPD_ASK_MAX) {
			say("%s: a DSN of more than %d recipients: the rest of it is as "
			    "smtpd made it", dsn->head.msgid, OSMTPD_ASK_MAX);
			break;
		}
		memset(&ask, 0, sizeof(ask));
		ask.kind = ASK_WHY;
		ask.session = session->id;
		ask.number = NUMBER(session->turn, i);
		ask.noted = noted;
		copy(address, sizeof(address), rcpt->address);
		ask.text[0] = dsn->head.msgid;
		ask.text[1] = address;
		if (filter->calls.ask(filter->calls.context, &ask) == 0)
			dsn->waits++;
		else
			say("%s: the store cannot be asked now, %s stays as smtpd "
			    "made it", dsn->head.msgid, address);
	}
	if (dsn->waits == 0)
		data_end(filter, session);
	else
		wait_begin(filter, session);
}

/* Whether this line makes too much of what is held, as it goes out in the end. */
static int
is_full(const struct filter *filter, const struct session *session, size_t n)
{
	const struct dsn	*dsn = session->dsn;
	size_t			 most = session->mode == HOLD ? filter->settings.dsn_max :
				    dsn->head_n + OSMTPD_HOLD_MORE;

	return dsn->held.n + n >= most || dsn->lines * PREFIX_MAX >= OSMTPD_HOLD_MORE ||
	    filter->holds + n >= OSMTPD_HOLD_ALL;
}

/* A line of a DSN: held until all is known. */
static void
dsn_line(struct filter *filter, struct session *session, struct deep_str line)
{
	struct dsn	*dsn = session->dsn;
	int		 full = is_full(filter, session, line.n);

	if (full || text_add(&dsn->held, line.p, line.n) == -1 ||
	    text_add(&dsn->held, "\n", 1) == -1) {
		/* the line itself may be there by half: without its end it is not sent */
		if (!full && dsn->held.n > 0 && dsn->held.p[dsn->held.n - 1] != '\n')
			dsn->held.n -= line.n;
		say("%s: a DSN of more than %zu octets passes as smtpd made it",
		    session->msgid, dsn->held.n);
		data_end(filter, session);
		data_out(filter, session, line);
		return;
	}
	dsn->lines++;
	filter->holds += line.n + 1;
	if (session->mode == ASKED)
		return;
	switch (bounce_line(&dsn->bounce, line)) {
	case BOUNCE_MORE:
		return;
	case BOUNCE_READY:
		dsn_ask(filter, session);
		return;
	case BOUNCE_NONE:
		data_end(filter, session);
		return;
	}
}

/* rest: "SESSION|TOKEN|LINE" */
static void
data_line(struct filter *filter, struct deep_str rest, int last)
{
	struct deep_str	 all = rest, line, id, token, new;
	struct session	*session;
	uint64_t	 number, token_number;
	char		 buf[LINE_OUT];

	id = line_part(&rest);
	token = line_part(&rest);
	line = rest;
	if (line.p == NULL || line_hex(id, &number) == -1 || line_hex(token, &token_number) == -1) {
		filter->long_line = LONG_SKIPPED;
		return;
	}
	session = session_find(filter, number);
	if (session != NULL && session->mode != PASS) {
		session->token = token_number;
		if (session->mode == STAMP && last) {
			new = stamp_line(&session->stamp, line, session->msgid,
			    session->words, buf, sizeof(buf));
			if (session->stamp.state == STAMP_DONE)
				session->mode = PASS;
			if (new.p != line.p) {
				data_out_all(filter, session, new);
				return;
			}
		} else if (session->mode != STAMP) {
			if (last) {
				dsn_line(filter, session, line);
				return;
			}
			data_end(filter, session);
		}
	}
	out(filter, "filter-dataline|", strlen("filter-dataline|"));
	out(filter, all.p, all.n);
	if (last)
		out(filter, "\n", 1);
	else
		filter->long_line = LONG_PASSED;
}

/*
 * Requests of other phases.
 */

static void
mail_answer(struct filter *filter, struct session *session, const char *answer)
{
	char	line[128];
	int	n;

	n = snprintf(line, sizeof(line), "filter-result|%016" PRIx64 "|%016" PRIx64 "|%s\n",
	    session->id, session->token, answer);
	out(filter, line, (size_t)n);
	wait_end(filter, session);
	session->mail_waits = 0;
}

static int
ask_inbound(struct filter *filter, struct session *session, uint64_t id)
{
	struct request	ask;

	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_INBOUND;
	ask.session = id;
	ask.number = NUMBER(++session->turn, 0);
	ask.text[0] = session->host;
	ask.text[1] = session->words;
	return filter->calls.ask(filter->calls.context, &ask);
}

#define LATER "reject|451 4.3.0 Try again later"	/* the store says nothing: nobody is told more */

/* Whether what a client used before counts here. */
static int
is_known_client(const struct session *session)
{
	return !session->local && !session->loopback && !session->auth && session->fcrdns;
}

/* rest: "SESSION|TOKEN|..." */
static void
request(struct filter *filter, struct deep_str phase, struct deep_str rest)
{
	struct deep_str	 all = rest, id, token;
	struct session	*session;
	uint64_t	 number, token_number;

	id = line_part(&rest);
	token = line_part(&rest);
	if (line_hex(id, &number) == -1 || line_hex(token, &token_number) == -1)
		return;
	session = session_find(filter, number);
	if (session != NULL && session->mail_waits)
		return;			/* it is answered when the store has spoken */
	if (is(phase, "mail-from") && filter->settings.inbound == 2 && session != NULL &&
	    is_known_client(session) && session->deadline == 0) {
		session->token = token_number;
		session->mail_waits = 1;
		if (ask_inbound(filter, session, session->id) == 0)
			wait_begin(filter, session);
		else
			mail_answer(filter, session, LATER);
		return;
	}
	all.n = (size_t)(token.p + token.n - all.p);
	out(filter, "filter-result|", strlen("filter-result|"));
	out(filter, all.p, all.n);
	out(filter, "|proceed\n", strlen("|proceed\n"));
}

/*
 * Reports.
 */

/* "VERSION" 0.6 or later has results in front; of link-auth 0.7. */
static int
is_version(struct deep_str version, int minor)
{
	if (version.n < 3 || version.p[0] != '0' || version.p[1] != '.')
		return 1;
	return version.n > 3 || version.p[2] - '0' >= minor;
}

static void
set(char **to, char *value)
{
	free(*to);
	*to = value;
}

static void
transaction_end(struct session *session)
{
	set(&session->rcpt, NULL);
	set(&session->accepted, NULL);
	session->several = 0;
	session->rcpt_latches = DEEP_LATCH_NONE;
}

/* rest: "NAME|pass|SOURCE|DESTINATION".  What a connection before it showed is gone. */
static void
link_connect(struct session *session, struct deep_str rest, int outgoing)
{
	struct deep_str	name, result, source, address;
	const char	*colon;

	name = line_part(&rest);
	result = line_part(&rest);
	source = line_part(&rest);
	address = outgoing ? line_part(&rest) : source;
	session->local = begins(source, "unix:") ? 1 : 0;
	session->fcrdns = is(result, "pass") ? 1 : 0;
	session->goes_on = session->auth = 0;
	session->word = NO_WORD;
	session->words[0] = '\0';
	transaction_end(session);
	/* "192.0.2.1:25", "[2001:db8::1]:25" */
	if (address.n > 0 && (colon = memrchr(address.p, ':', address.n)) != NULL)
		address.n = (size_t)(colon - address.p);
	if (address.n >= 2 && address.p[0] == '[' && address.p[address.n - 1] == ']') {
		address.p++;
		address.n -= 2;
	}
	if (begins(address, "IPv6:")) {
		address.p += 5;
		address.n -= 5;
	}
	copy(session->address, sizeof(session->address), address);
	session->loopback = begins(address, "127.") || is(address, "::1") ||
	    begins(address, "::ffff:127.");
	if (name.n == 0 || name.p == NULL || name.p[0] == '<')
		name = address;
	copy(session->host, sizeof(session->host), name);
}

static void
ask_rcpt(struct filter *filter, struct session *session, enum request_kind kind,
    const char *status, struct deep_str words)
{
	struct request	ask;
	char		text[OSMTPD_DIAGNOSTIC];

	memset(&ask, 0, sizeof(ask));
	copy(text, sizeof(text), words);
	ask.kind = kind;
	ask.latches = session->rcpt_latches;
	ask.text[0] = session->msgid;
	ask.text[1] = session->rcpt;
	ask.text[2] = status;
	ask.text[3] = text;
	if (filter->calls.ask(filter->calls.context, &ask) == -1)
		say("%s: that %s was held back cannot be noted now", session->msgid,
		    session->rcpt);
}

/* The address of "RCPT TO:<u@example.org> NOTIFY=NEVER". */
static struct deep_str
rcpt_address(struct deep_str line)
{
	struct deep_str	 none = { NULL, 0 };
	const char	*end;

	if (!begins(line, "RCPT TO:<"))
		return none;
	line.p += strlen("RCPT TO:<");
	line.n -= strlen("RCPT TO:<");
	end = memmem(line.p, line.n, "> ", 2);
	if (end == NULL)
		end = memrchr(line.p, '>', line.n);
	if (end == NULL)
		return none;
	line.n = (size_t)(end - line.p);
	return line;
}

static void
said_by_us(struct session *session, struct deep_str line)
{
	struct deep_str	address = rcpt_address(line);

	set(&session->rcpt, NULL);
	session->rcpt_latches = DEEP_LATCH_NONE;
	if (address.n > 0)
		session->rcpt = keep_copy(address);
	else if (begins(line, "EHLO ") || begins(line, "HELO "))
		session->word = EHLO;
	else if (begins(line, "STARTTLS"))
		session->word = STARTTLS;
	else if (begins(line, "MAIL ") || begins(line, "QUIT"))
		session->goes_on = 1;
}

static int
is_same_domain(const char *a, const char *b)
{
	const char	*at = strrchr(a, '@'), *bt = strrchr(b, '@');

	return at != NULL && bt != NULL && deep_is(deep_str(at), bt);
}

/* deep-relay took the recipient to see the header first (hold), and it misses a latch. */
static void
said_behind_text(struct filter *filter, struct session *session, struct deep_str line)
{
	char	status[DEEP_STATUS_MAX + 1];

	if (!session->loopback || session->accepted == NULL)
		return;
	session->rcpt_latches |= bounce_latches(line, status, sizeof(status));
	if (line.n > 3 && line.p[3] == '-')
		return;
	if (session->rcpt_latches != DEEP_LATCH_NONE && line.p[0] != '2') {
		session->rcpt = session->accepted;
		ask_rcpt(filter, session, ASK_HELD, status, line);
		session->rcpt = NULL;
	}
	session->rcpt_latches = DEEP_LATCH_NONE;
}

static void
said_by_server(struct filter *filter, struct session *session, struct deep_str line)
{
	char	status[DEEP_STATUS_MAX + 1];

	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	if (session->word == EHLO && (begins(line, "250 ") || is(line, "250")))
		session->word = EHLO_TAKEN;
	if (line.n < 3)
		return;
	if (session->rcpt == NULL) {
		said_behind_text(filter, session, line);
		return;
	}
	/* a server in the net may say what it likes; deep-relay is not there */
	status[0] = '\0';
	if (session->loopback)
		session->rcpt_latches |= bounce_latches(line, status, sizeof(status));
	if (line.n > 3 && line.p[3] == '-')
		return;
	if (line.p[0] == '2') {
		if (session->loopback)		/* no longer held back, if it was */
			ask_rcpt(filter, session, ASK_FREE, "", line);
		if (session->accepted == NULL)
			set(&session->accepted, session->rcpt);
		else {
			if (!is_same_domain(session->accepted, session->rcpt))
				session->several = 1;
			free(session->rcpt);
		}
		session->rcpt = NULL;
	} else {
		ask_rcpt(filter, session, session->rcpt_latches ? ASK_HELD : ASK_FREE,
		    status, line);
		set(&session->rcpt, NULL);
	}
	session->rcpt_latches = DEEP_LATCH_NONE;
}

static void
learn(struct filter *filter, struct session *session, enum deep_service service,
    const char *name)
{
	struct request	ask;

	memset(&ask, 0, sizeof(ask));
	ask.kind = ASK_LEARN;
	ask.service = service;
	ask.text[0] = name;
	ask.text[1] = session->words;
	ask.text[2] = session->host;
	ask.text[3] = session->address;
	if (filter->calls.ask(filter->calls.context, &ask) == -1)
		say("the store cannot take more now: a session of %s is not learnt", name);
}

/* Whether smtpd broke off for that: behind STARTTLS (refused, a handshake that failed, a
 * certificate that is wrong), or behind an EHLO in clear after which it did not want to go
 * on.  A server that turns it away, in its greeting or at EHLO, is another thing. */
static int
is_for_want_of_tls(const struct session *session)
{
	return !session->goes_on && !session->loopback && (session->word == STARTTLS ||
	    (session->word == EHLO_TAKEN && session->words[0] == '\0'));
}

static void
outgoing(struct filter *filter, struct session *session, struct deep_str event,
    struct deep_str rest)
{
	struct request	ask;

	if (is(event, "protocol-server"))
		said_by_server(filter, session, rest);
	else if (is(event, "protocol-client"))
		said_by_us(session, rest);
	else if (is(event, "link-tls"))
		copy(session->words, sizeof(session->words), rest);
	else if (is(event, "tx-begin")) {
		transaction_end(session);
		copy(session->msgid, sizeof(session->msgid), line_part(&rest));
	} else if (is(event, "tx-commit")) {
		if (session->several && !session->loopback && filter->settings.learn &&
		    strcmp(filter->smarthost, session->address) != 0) {
			copy(filter->smarthost, sizeof(filter->smarthost),
			    deep_str(session->address));
			say("%s [%s] takes mail of several domains at once, so it is a "
			    "smarthost: nothing is learnt; name it in smarthosts of deep.conf",
			    session->host, session->address);
		}
		if (filter->settings.learn && session->accepted != NULL &&
		    !session->several && !session->loopback)
			learn(filter, session, DEEP_RELAY, session->accepted);
		transaction_end(session);
	} else if (is(event, "link-disconnect")) {
		if (is_for_want_of_tls(session) && session->host[0] != '\0') {
			memset(&ask, 0, sizeof(ask));
			ask.kind = ASK_FAILED;
			ask.text[0] = session->host;
			filter->calls.ask(filter->calls.context, &ask);
		}
		session_free(filter, session);
	}
}

/* A transaction begins: what is to be done with its lines. */
static void
incoming_mail(struct filter *filter, struct session *session, int null_sender)
{
	if (session->mode == HOLD || session->mode == ASKED) {
		wait_end(filter, session);
		dsn_free(filter, session);
	}
	session->mode = PASS;
	if (filter->settings.dsn && session->local && null_sender) {
		if ((session->dsn = calloc(1, sizeof(*session->dsn))) != NULL)
			session->mode = HOLD;
	} else if (filter->settings.received && session->words[0] != '\0') {
		session->stamp.state = STAMP_BEFORE;
		session->mode = STAMP;
	}
	if (filter->settings.inbound == 1 && is_known_client(session))
		ask_inbound(filter, session, 0);
}

static void
incoming(struct filter *filter, struct session *session, struct deep_str version,
    struct deep_str event, struct deep_str rest)
{
	struct deep_str	result, address;

	if (is(event, "link-tls"))
		copy(session->words, sizeof(session->words), rest);
	else if (is(event, "link-auth")) {
		if (is_version(version, 7))
			result = line_part(&rest);
		else
			do {
				result = line_part(&rest);
			} while (rest.p != NULL);
		session->auth = is(result, "pass") ? 1 : 0;
	} else if (is(event, "tx-begin"))
		copy(session->msgid, sizeof(session->msgid), line_part(&rest));
	else if (is(event, "tx-mail")) {
		line_part(&rest);
		result = line_part(&rest);
		address = rest;
		if (!is_version(version, 6)) {	/* the other way round */
			address = result;
			result = rest;
		}
		if (is(result, "ok"))
			incoming_mail(filter, session, address.n == 0);
	} else if (is(event, "tx-commit")) {
		if (filter->settings.inbound && is_known_client(session))
			learn(filter, session, DEEP_INBOUND, session->host);
	} else if (is(event, "tx-reset")) {
		/* smtpd asks for no line of it any more */
		if (!session->mail_waits)
			wait_end(filter, session);
		dsn_free(filter, session);
		session->mode = PASS;
	} else if (is(event, "link-disconnect"))
		session_free(filter, session);
}

/* rest: "VERSION|TIME|DIRECTION|EVENT|SESSION|..." */
static void
report(struct filter *filter, struct deep_str rest)
{
	struct deep_str	 version, direction, event, id;
	struct session	*session;
	uint64_t	 number;
	int		 out_of_here;

	version = line_part(&rest);
	line_part(&rest);
	direction = line_part(&rest);
	event = line_part(&rest);
	id = line_part(&rest);
	if (line_hex(id, &number) == -1)
		return;
	out_of_here = is(direction, "smtp-out");
	if (!out_of_here && !is(direction, "smtp-in"))
		return;
	if (is(event, "link-connect")) {
		if ((session = session_get(filter, number)) != NULL && session->mode == PASS)
			link_connect(session, rest, out_of_here);
		return;
	}
	/* a connection that was refused has an end and no beginning */
	if ((session = session_find(filter, number)) == NULL)
		return;
	if (session->newer != NULL)
		session_get(filter, number);
	if (out_of_here)
		outgoing(filter, session, event, rest);
	else
		incoming(filter, session, version, event, rest);
}

/*
 * The beginning.
 */

static void
enroll(struct filter *filter, const char *what)
{
	out(filter, "register|", strlen("register|"));
	out(filter, what, strlen(what));
	out(filter, "\n", 1);
}

static void
enroll_all(struct filter *filter)
{
	static const char *const outgoing_events[] = {
		"report|smtp-out|link-connect", "report|smtp-out|link-disconnect",
		"report|smtp-out|link-tls", "report|smtp-out|tx-begin",
		"report|smtp-out|tx-commit", "report|smtp-out|protocol-client",
		"report|smtp-out|protocol-server"
	};
	static const char *const incoming_events[] = {
		"report|smtp-in|link-connect", "report|smtp-in|link-disconnect",
		"report|smtp-in|link-tls", "report|smtp-in|link-auth",
		"report|smtp-in|tx-begin", "report|smtp-in|tx-mail",
		"report|smtp-in|tx-commit", "report|smtp-in|tx-reset"
	};
	const struct filter_settings	*settings = &filter->settings;
	size_t				 i;

	/* 6.4's smtpd does not tell which ends it is on */
	if (!filter->in && !filter->out)
		filter->in = filter->out = 1;
	if (filter->out && settings->relay)
		for (i = 0; i < sizeof(outgoing_events) / sizeof(outgoing_events[0]); i++)
			enroll(filter, outgoing_events[i]);
	if (filter->in && (settings->dsn || settings->received || settings->inbound)) {
		for (i = 0; i < sizeof(incoming_events) / sizeof(incoming_events[0]); i++)
			enroll(filter, incoming_events[i]);
		if (settings->dsn || settings->received)
			enroll(filter, "filter|smtp-in|data-line");
		if (settings->inbound == 2)
			enroll(filter, "filter|smtp-in|mail-from");
	}
	enroll(filter, "ready");
}

/* rest: "KEY|VALUE" */
static void
config(struct filter *filter, struct deep_str rest)
{
	struct deep_str	key = line_part(&rest);

	if (is(key, "smtpd-version"))
		filter->old = rest.n > 1 && rest.p[0] == '6' && rest.p[1] == '.';
	else if (is(key, "subsystem")) {
		filter->in |= is(rest, "smtp-in");
		filter->out |= is(rest, "smtp-out");
	} else if (is(key, "ready") && !filter->ready) {
		filter->ready = 1;
		if (filter->old && filter->settings.received) {
			say("received = yes is refused: an smtpd of version 6 cuts "
			    "each line behind 1997 octets where a filter sees lines of data");
			filter->settings.received = 0;
		}
		enroll_all(filter);
	}
}

void
filter_line(struct filter *filter, struct deep_str line, int first, int last)
{
	struct deep_str	rest = line, kind, phase;

	if (!first) {
		if (filter->long_line == LONG_PASSED) {
			out(filter, line.p, line.n);
			if (last)
				out(filter, "\n", 1);
		}
		if (last)
			filter->long_line = NOT_LONG;
		return;
	}
	filter->long_line = last ? NOT_LONG : LONG_SKIPPED;
	kind = line_part(&rest);
	if (is(kind, "filter") && filter->ready) {
		line_part(&rest);		/* version */
		line_part(&rest);		/* time */
		line_part(&rest);		/* smtp-in */
		phase = line_part(&rest);
		if (is(phase, "data-line"))
			data_line(filter, rest, last);
		else if (phase.p != NULL)
			request(filter, phase, rest);
		if (last)
			filter->long_line = NOT_LONG;
	} else if (!last)
		return;
	else if (is(kind, "report"))
		report(filter, rest);
	else if (is(kind, "config"))
		config(filter, rest);
}

void
filter_answer(struct filter *filter, const struct answer *answer)
{
	struct session	*session = session_find(filter, answer->session);
	struct dsn	*dsn;
	const char	*words = answer->text[1];
	size_t		 i;

	if (session == NULL || answer->number >> 16 != session->turn)
		return;
	if (answer->kind == ASK_INBOUND && session->mail_waits) {
		mail_answer(filter, session, answer->verdict == DEEP_YES ? "proceed" :
		    answer->verdict == DEEP_NO ?
		    "reject|451 4.7.10 TLS is required of this host, as it used it before" :
		    LATER);
		return;
	}
	dsn = session->dsn;
	i = answer->number & 0xffff;
	if (answer->kind != ASK_WHY || session->mode != ASKED || i >= dsn->head.nrcpt)
		return;
	if (answer->verdict == DEEP_YES && dsn->head.change[i].latches == DEEP_LATCH_NONE)
		/* what deep-relay said, or what smtpd was told by nobody */
		dsn_change(dsn, i, answer->text[0], answer->latches,
		    deep_str(words[0] >= '2' && words[0] <= '5' && words[1] != '.' ? "smtp" :
		    "X-DEEP"), deep_str(words));
	else if (answer->verdict == DEEP_FAIL)
		say("%s: the store could not be read: a DSN passes as smtpd made it",
		    dsn->head.msgid);
	if (dsn->waits > 0 && --dsn->waits == 0)
		data_end(filter, session);
}

int64_t
filter_wait(const struct filter *filter, int64_t now)
{
	if (filter->wait_first == NULL)
		return -1;
	return filter->wait_first->deadline > now ? filter->wait_first->deadline - now : 0;
}

void
filter_late(struct filter *filter, int64_t now)
{
	struct session	*session;

	while ((session = filter->wait_first) != NULL && session->deadline <= now) {
		if (session->mail_waits) {
			say("the store did not answer in time: mail of %s has to wait",
			    session->host);
			mail_answer(filter, session, LATER);
		} else {
			say("%s: the store did not answer in time: a DSN passes as far "
			    "as smtpd made it", session->msgid);
			data_end(filter, session);
		}
	}
}

size_t
filter_sessions(const struct filter *filter)
{
	return filter->sessions;
}

struct filter *
filter_new(const struct filter_settings *settings, const struct filter_calls *calls)
{
	struct filter	*filter = calloc(1, sizeof(*filter));

	if (filter == NULL)
		return NULL;
	filter->settings = *settings;
	filter->calls = *calls;
	return filter;
}

void
filter_free(struct filter *filter)
{
	struct session	*session, *older;

	if (filter == NULL)
		return;
	for (session = filter->newest; session != NULL; session = older) {
		older = session->older;
		session_release(filter, session);
	}
	free(filter);
}
