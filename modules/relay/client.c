/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * client.c - a session with the MTA that hands us mail: RFC 5321 as a server,
 * with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, CHUNKING and DSN (draft 5.7).
 *
 * MAIL is answered here; at the first RCPT there is a host to ask.  A
 * transaction is for one domain, so that the one reply behind the text is the
 * one that the domain's host gave: recipients of another domain get "452", and
 * are given again in a transaction of their own.  No text is kept: what comes
 * from the client goes to the host, and the client hears 2xx behind the final
 * dot when the host has said it, never before.
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include <arpa/inet.h>
#include <sys/un.h>
#include <syslog.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "relay.h"

#define COMMAND_MS	300000		/* RFC 5321 4.5.3.2.7 */
#define BLOCK_MS	180000		/* a block of text on its way, 4.5.3.2.5 */
#define FAULTS_MAX	50		/* replies of class 5 to commands, then it is over */
#define PIECE		4096		/* octets of text that are mended at a time */

struct recipient {
	struct recipient	*next;
	char			*address, *orcpt, *notify_text;
	unsigned		 notify;
	char			*command;	/* RCPT, for a session that is still to come */
};

enum text_mode { TEXT_NONE, TEXT_DATA, TEXT_CHUNK };

struct client {
	struct worker		*worker;
	struct client		*next, *previous;
	struct io		*io;
	char			 peer[64];	/* "[127.0.0.1]" */
	char			 helo[DEEP_DOMAIN_MAX + 1];
	char			 suite[64], group[32];
	char			 id[32];
	unsigned		 esmtp : 1, greeted : 1, wasting : 1, ending : 1;
	unsigned		 faults;

	/* the transaction */
	char			*sender;	/* NULL: none */
	char			*envid;
	char			 ret[8];
	uint64_t		 size;
	unsigned		 eight_bit : 1, utf8 : 1, has_size : 1;
	char			 domain[DEEP_DOMAIN_MAX + 1];	/* of up, or of what is accepted */
	struct recipient	*accepted, **accepted_end;
	size_t			 naccepted;
	struct recipient	*asked, **asked_end;	/* RCPTs that wait for their reply */
	size_t			 nasked;
	struct route		*route;
	struct upstream		*up;
	unsigned		 reused : 1, mail_asked : 1, broken : 1, text_asked : 1,
				 data_asked : 1,	/* by the client; its reply is awaited */
				 data_sent : 1;		/* and the host has been asked */
	char			 mail_reply[REPLY_LINE_MAX * 4];	/* a refusal of MAIL */

	/* held: RCPT was answered by us, what the header says decides */
	unsigned		 held : 1, deciding : 1;
	char			 held_reply[REPLY_LINE_MAX + 2];
	struct evbuffer		*hold;

	/* the text */
	enum text_mode		 mode;
	struct smtp_text	 text;
	uint64_t		 chunk;		/* octets of it still to come */
	uint64_t		 chunk_size;
	unsigned		 last_chunk : 1, discard : 1, wants_header : 1,
				 field_due : 1;	/* our Received goes ahead of it */
	char			*verdict;	/* the reply behind the text, known before its end */
	struct evbuffer		*header;	/* for a "relayed" DSN */
};

static void run(struct client *);
static void on_gone(void *, const char *);
static void up_ready(void *, struct upstream *);
static void up_reply(void *, struct upstream *, enum upstream_for, const struct smtp_reply *);
static void up_drained(void *, struct upstream *);
static void up_gone(void *, struct upstream *, enum upstream_fault, const char *,
    const struct smtp_reply *);
static void route_ready(void *, struct upstream *);
static void route_failed(void *, const char *, int);
static void data_follows(struct client *);

static const struct upstream_calls	up_calls = { up_ready, up_reply, up_drained, up_gone };
static const struct route_calls		route_calls = { route_ready, route_failed };

static void
say(struct client *client, const char *reply)
{
	if (reply[0] == '5' && ++client->faults > FAULTS_MAX)
		client->ending = 1;
	if (reply[0] == '4')
		metric(METRIC_TEMPORARY, 1);
	else if (reply[0] == '5')
		metric(METRIC_PERMANENT, 1);
	io_text(client->io, reply);
	if (strchr(reply, '\n') == NULL)
		io_text(client->io, "\r\n");
}

/* A host's reply as it is, but for what cannot stand in one; with an enhanced code. */
static void
pass(const struct smtp_reply *reply, char *buf, size_t size)
{
	char	status[16];
	int	n;

	snprintf(status, sizeof(status), "%d.0.0", reply->code / 100);
	n = smtp_reply_emit(buf, size, reply, reply->code / 100 == 3 ? NULL : status);
	if (n < 0 || (size_t)n >= size)
		snprintf(buf, size, "%d %s the host's reply is too long to be told\r\n",
		    reply->code, status);
}

static void
pass_on(struct client *client, const struct smtp_reply *reply)
{
	char	text[2 * REPLY_MAX];

	pass(reply, text, sizeof(text));
	say(client, text);
}

/* --- The transaction. */

static void
free_recipients(struct recipient *recipient)
{
	struct recipient	*next;

	for (; recipient != NULL; recipient = next) {
		next = recipient->next;
		free(recipient->address);
		free(recipient->orcpt);
		free(recipient->notify_text);
		free(recipient->command);
		free(recipient);
	}
}

/* The session with the host is given back; one in mid-transaction asks for RSET. */
static void
let_go(struct client *client)
{
	struct upstream	*up = client->up;

	client->up = NULL;
	if (up == NULL)
		return;
	if (client->mail_asked && !up->in_text && !up->dirty)
		upstream_say(up, FOR_RSET, "RSET\r\n");
	client->mail_asked = 0;
	upstream_keep(up);
}

static void
reset(struct client *client)
{
	route_free(client->route);
	client->route = NULL;
	let_go(client);
	free(client->sender);
	free(client->envid);
	free(client->verdict);
	client->sender = client->envid = client->verdict = NULL;
	client->ret[0] = client->domain[0] = '\0';
	client->size = 0;
	client->eight_bit = client->utf8 = client->has_size = 0;
	free_recipients(client->accepted);
	free_recipients(client->asked);
	client->accepted = client->asked = NULL;
	client->accepted_end = &client->accepted;
	client->asked_end = &client->asked;
	client->naccepted = client->nasked = 0;
	client->broken = client->data_asked = client->data_sent = client->text_asked = 0;
	client->reused = 0;
	client->held = client->deciding = 0;
	client->mode = TEXT_NONE;
	client->last_chunk = client->discard = client->wants_header = client->field_due = 0;
	memset(&client->text, 0, sizeof(client->text));
	if (client->hold != NULL)
		evbuffer_free(client->hold);
	if (client->header != NULL)
		evbuffer_free(client->header);
	client->hold = client->header = NULL;
}

static void
destroy(struct client *client)
{
	struct worker	*worker = client->worker;

	/* Half a text must not be ended by us. */
	if (client->up != NULL && (client->mode != TEXT_NONE || client->data_asked)) {
		upstream_free(client->up);
		client->up = NULL;
	}
	reset(client);
	io_finish(client->io);
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		worker->clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	worker->nclients--;
	metric(METRIC_CLIENTS_NOW, -1);
	free(client);
	worker_rest(worker);
}

static struct recipient *
take_asked(struct client *client)
{
	struct recipient	*recipient = client->asked;

	client->asked = recipient->next;
	if (client->asked == NULL)
		client->asked_end = &client->asked;
	recipient->next = NULL;
	client->nasked--;
	return recipient;
}

static void
accept_recipient(struct client *client, struct recipient *recipient)
{
	*client->accepted_end = recipient;
	client->accepted_end = &recipient->next;
	client->naccepted++;
	metric(METRIC_RECIPIENTS, 1);
}

/* All RCPTs under way get this reply. */
static void
refuse_asked(struct client *client, const char *reply)
{
	struct recipient	*recipient;

	while (client->nasked > 0) {
		recipient = take_asked(client);
		free_recipients(recipient);
		say(client, reply);
	}
}

static int
start_route(struct client *client, unsigned bypass)
{
	client->route = route_new(client->worker, client->domain, client->domain[0] == '[', bypass,
	    client->id, &route_calls, client);
	return client->route == NULL ? -1 : 0;
}

/*
 * The line that this makes:
 *
 *	MAIL FROM:<u@example.org> SIZE=1024 BODY=8BITMIME RET=HDRS ENVID=QQ314159
 */
static void
say_mail(struct client *client)
{
	const unsigned	offers = client->up->offers;
	char		line[PATH_MAX_OCTETS + PARAMETER_MAX + 256], more[PARAMETER_MAX + 64];

	snprintf(line, sizeof(line), "MAIL FROM:<%s>", client->sender);
	if (offers & SMTP_HAS_SIZE && client->has_size) {
		snprintf(more, sizeof(more), " SIZE=%llu", (unsigned long long)client->size);
		strlcat(line, more, sizeof(line));
	}
	if (offers & SMTP_HAS_8BITMIME && client->eight_bit)
		strlcat(line, " BODY=8BITMIME", sizeof(line));
	if (offers & SMTP_HAS_SMTPUTF8 && client->utf8)
		strlcat(line, " SMTPUTF8", sizeof(line));
	if (offers & SMTP_HAS_DSN && client->ret[0] != '\0') {
		snprintf(more, sizeof(more), " RET=%s", client->ret);
		strlcat(line, more, sizeof(line));
	}
	if (offers & SMTP_HAS_DSN && client->envid != NULL) {
		snprintf(more, sizeof(more), " ENVID=%s", client->envid);
		strlcat(line, more, sizeof(line));
	}
	strlcat(line, "\r\n", sizeof(line));
	client->mail_asked = 1;
	client->mail_reply[0] = '\0';
	upstream_say(client->up, FOR_MAIL, line);
}

/*
 * The line that this makes:
 *
 *	RCPT TO:<u@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;u@example.net
 */
static void
say_rcpt(struct client *client, const struct recipient *recipient)
{
	char	line[PATH_MAX_OCTETS + 2 * PARAMETER_MAX + 64], more[PARAMETER_MAX + 16];

	snprintf(line, sizeof(line), "RCPT TO:<%s>", recipient->address);
	if (client->up->offers & SMTP_HAS_DSN) {
		if (recipient->notify_text != NULL) {
			snprintf(more, sizeof(more), " NOTIFY=%s", recipient->notify_text);
			strlcat(line, more, sizeof(line));
		}
		if (recipient->orcpt != NULL) {
			snprintf(more, sizeof(more), " ORCPT=%s", recipient->orcpt);
			strlcat(line, more, sizeof(line));
		}
	}
	strlcat(line, "\r\n", sizeof(line));
	upstream_say(client->up, FOR_RCPT, line);
}

static void
send_data(struct client *client)
{
	client->data_asked = client->data_sent = 1;
	upstream_say(client->up, FOR_DATA, "DATA\r\n");
}

/* A session is there: MAIL, and the RCPTs that it was made for. */
static void
begin(struct client *client, struct upstream *up)
{
	const struct recipient	*recipient;

	client->up = up;
	client->reused = up->served;
	up->calls = &up_calls;
	up->owner = client;
	if (client->utf8 && !(client->up->offers & SMTP_HAS_SMTPUTF8)) {
		let_go(client);
		if (client->deciding) {
			client->verdict = strdup("550 5.6.7 the host takes no SMTPUTF8");
			client->deciding = 0;
		} else
			refuse_asked(client, "550 5.6.7 the host takes no SMTPUTF8");
		return;
	}
	say_mail(client);
	if (!(up->offers & SMTP_HAS_PIPELINING) || client->deciding)
		return;
	for (recipient = client->asked; recipient != NULL; recipient = recipient->next)
		say_rcpt(client, recipient);
	if (client->data_asked)
		send_data(client);
}

static void
route_ready(void *arg, struct upstream *up)
{
	struct client	*client = arg;

	route_free(client->route);
	client->route = NULL;
	begin(client, up);
	data_follows(client);
	run(client);
}

static void
route_failed(void *arg, const char *reply, int policy)
{
	struct client	*client = arg;

	route_free(client->route);
	client->route = NULL;
	if (client->deciding) {
		client->deciding = 0;
		client->verdict = strdup(reply);
	} else if (policy && client->naccepted == 0 &&
	    settings_holds(client->worker->settings, client->sender)) {
		/* The header may ask to pass the latch by: it decides. */
		client->held = 1;
		snprintf(client->held_reply, sizeof(client->held_reply), "%s", reply);
		while (client->nasked > 0) {
			if (client->naccepted == 0) {
				accept_recipient(client, take_asked(client));
				say(client, "250 2.1.5 held until the header is known");
			} else {
				free_recipients(take_asked(client));
				say(client, "452 4.5.3 one recipient at a time while a latch is missing");
			}
		}
	} else
		refuse_asked(client, reply);
	data_follows(client);
	run(client);
}

/* --- Behind the text. */

static void
log_done(struct client *client, const struct upstream *up, const struct smtp_reply *reply)
{
	char	text[1200], said[400];
	size_t	i;

	for (i = 0; i < sizeof(said) - 1 && i < reply->text.n && reply->text.p[i] != '\r' &&
	    reply->text.p[i] != '\n'; i++)
		said[i] = reply->text.p[i];
	said[i] = '\0';
	snprintf(text, sizeof(text), "address=%s tls=%s certificate=%s recipients=%zu octets=%llu%s "
	    "reply=%s", up->address, up->words, up->matched[0] == '\0' ? "-" : up->matched,
	    client->naccepted, (unsigned long long)client->text.octets,
	    client->text.fixed ? " line-ends=mended" : "", said);
	note_event(reply->code / 100 == 2 ? "relayed" : reply->code / 100 == 4 ? "deferred" :
	    "failed", up->has_key ? &up->key : NULL, deep_str(up->host), deep_str(client->id),
	    deep_latches_satisfied(&up->session), text);
}

static void
send_relayed(struct client *client, const struct upstream *up, const struct smtp_reply *reply)
{
	struct relayed		 what;
	struct relayed_to	*to = NULL, **end = &to, *one;
	struct recipient	*recipient;
	char			*text;
	int			 n;

	if (client->header == NULL || client->sender[0] == '\0')
		return;
	memset(&what, 0, sizeof(what));
	for (recipient = client->accepted; recipient != NULL; recipient = recipient->next) {
		if (!(recipient->notify & SMTP_NOTIFY_SUCCESS) ||
		    (one = calloc(1, sizeof(*one))) == NULL)
			continue;
		one->address = recipient->address;
		one->orcpt = recipient->orcpt;
		*end = one;
		end = &one->next;
	}
	what.from = deep_str(client->sender);
	what.envid = deep_str(client->envid);
	what.host = deep_str(up->host);
	what.reply = reply->text;
	what.now = (int64_t)time(NULL);
	what.to = to;
	what.utf8 = client->utf8;
	what.header.n = evbuffer_get_length(client->header);
	what.header.p = (const char *)evbuffer_pullup(client->header, -1);
	n = relayed_emit(NULL, 0, client->worker->settings, &what, client->id);
	if (n > 0 && (text = malloc((size_t)n + 1)) != NULL) {
		relayed_emit(text, (size_t)n + 1, client->worker->settings, &what, client->id);
		relayed_send(client->worker, client->sender, text, client->id, client->utf8);
	}
	while ((one = to) != NULL) {
		to = one->next;
		free(one);
	}
}

/* The host has spoken behind the final dot; the log has it before the client does. */
static void
done(struct client *client, struct upstream *up, const struct smtp_reply *reply)
{
	log_done(client, up, reply);
	if (reply->code / 100 == 2) {
		metric(METRIC_MESSAGES, 1);
		metric(METRIC_OCTETS, (int64_t)client->text.octets);
		if (client->text.fixed)
			metric(METRIC_TEXT_FIXED, 1);
		if (up->has_key && up->learns && !up->learnt) {
			up->learnt = latch_learn(client->worker->latch, &up->key, &up->session,
			    up->host, client->id) == 0;
		}
		send_relayed(client, up, reply);
		up->served = 1;
	}
	note_flush();
	client->mail_asked = 0;		/* no RSET is needed */
}

/* A reply of our own behind the text. */
static void
conclude(struct client *client)
{
	say(client, client->verdict != NULL ? client->verdict :
	    "451 4.3.0 the text was not passed on");
	reset(client);
}

/* --- Replies of the host. */

/* Our Received field, in one piece with the first of the text that it goes ahead of. */
static void
add_field(struct client *client)
{
	struct smtp_trace	 trace;
	char			 field[2048], by[DEEP_DOMAIN_MAX + 1];
	int			 n;

	if (!client->field_due)
		return;
	client->field_due = 0;
	memset(&trace, 0, sizeof(trace));
	snprintf(by, sizeof(by), "%s", client->worker->settings->hostname);
	trace.helo = deep_str(client->helo);
	trace.peer = deep_str(client->peer);
	trace.by = deep_str(by);
	trace.id = deep_str(client->id);
	if (client->naccepted == 1 && client->accepted != NULL)
		trace.forwhom = deep_str(client->accepted->address);
	trace.esmtp = client->esmtp;
	trace.utf8 = client->utf8;
	trace.suite = deep_str(client->suite);
	trace.group = deep_str(client->group);
	trace.now = (int64_t)time(NULL);
	n = smtp_received_emit(field, sizeof(field), &trace);
	if (n > 0 && (size_t)n < sizeof(field))
		io_text(client->up->io, field);
	else
		note(LOG_ERR, "%s: no Received field could be made", client->id);
}

/* What a "relayed" DSN gives back. */
static void
keep_header(struct client *client, const char *p, size_t n)
{
	size_t			 had = evbuffer_get_length(client->header);
	struct evbuffer_ptr	 end;
	struct evbuffer		*whole = client->header;

	if (had >= HEADER_HOLD_MAX)
		return;
	evbuffer_add(whole, p, n < HEADER_HOLD_MAX - had ? n : HEADER_HOLD_MAX - had);
	end = evbuffer_search(whole, "\r\n", 2, NULL);
	if (end.pos != 0)		/* else it is an empty header */
		end = evbuffer_search(whole, "\r\n\r\n", 4, NULL);
	if (end.pos < 0)
		return;
	client->header = evbuffer_new();
	if (client->header != NULL)
		evbuffer_remove_buffer(whole, client->header, end.pos == 0 ? 0 : (size_t)end.pos + 2);
	evbuffer_free(whole);
	client->wants_header = 0;
}

static void
on_data(struct client *client, const struct smtp_reply *reply)
{
	struct recipient	*recipient;
	char			 text[2 * REPLY_MAX];

	client->data_asked = client->data_sent = 0;
	if (client->naccepted == 0 && !client->deciding) {
		/* It was said ahead of the replies to RCPT, and there is nobody to get it. */
		client->up->in_text = reply->code == 354;
		let_go(client);
		say(client, "554 5.5.1 no recipient was accepted");
		return;
	}
	if (reply->code != 354) {
		pass(reply, text, sizeof(text));
		if (client->deciding || client->mode == TEXT_CHUNK) {
			client->deciding = 0;
			client->verdict = strdup(text);
			let_go(client);
			return;
		}
		say(client, text);
		reset(client);
		return;
	}
	client->up->in_text = 1;
	client->field_due = client->worker->settings->received != 0;
	if (!(client->up->offers & SMTP_HAS_DSN)) {
		for (recipient = client->accepted; recipient != NULL; recipient = recipient->next) {
			if (recipient->notify & SMTP_NOTIFY_SUCCESS)
				client->wants_header = 1;
		}
		if (client->wants_header)
			client->header = evbuffer_new();
	}
	if (client->deciding) {
		client->deciding = 0;
		add_field(client);
		if (client->wants_header && client->header != NULL)
			keep_header(client, (const char *)evbuffer_pullup(client->hold, -1),
			    evbuffer_get_length(client->hold));
		evbuffer_add_buffer(client->up->io->out, client->hold);
		io_flush(client->up->io);
		return;
	}
	if (client->mode == TEXT_CHUNK)
		return;
	client->mode = TEXT_DATA;
	pass_on(client, reply);
}

/* The steps of a held transaction, which has one recipient. */
static void
decide_on(struct client *client, enum upstream_for what, const struct smtp_reply *reply)
{
	char	text[2 * REPLY_MAX];

	if (what == FOR_DATA) {
		on_data(client, reply);
		return;
	}
	if (reply->code / 100 != 2) {
		pass(reply, text, sizeof(text));
		client->verdict = strdup(text);
		client->deciding = 0;
		let_go(client);
		return;
	}
	if (what == FOR_MAIL)
		say_rcpt(client, client->accepted);
	else if (what == FOR_RCPT)
		send_data(client);
}

static void
on_rcpt(struct client *client, const struct smtp_reply *reply)
{
	struct recipient	*recipient;

	if (client->nasked == 0)
		return;
	recipient = take_asked(client);
	if (client->mail_reply[0] != '\0')
		say(client, client->mail_reply);
	else
		pass_on(client, reply);
	if (client->mail_reply[0] == '\0' && reply->code / 100 == 2)
		accept_recipient(client, recipient);
	else
		free_recipients(recipient);
}

static void
up_reply(void *arg, struct upstream *up, enum upstream_for what, const struct smtp_reply *reply)
{
	struct client	*client = arg;
	int		 sent_rcpt;

	if (what == FOR_RSET)
		return;		/* of the transaction before */
	up->served = 1;
	client->reused = 0;
	if (client->deciding) {
		decide_on(client, what, reply);
		run(client);
		return;
	}
	switch (what) {
	case FOR_MAIL:
		sent_rcpt = up->waiting > 0;
		if (reply->code / 100 == 2) {
			if (!sent_rcpt)
				say_rcpt(client, client->asked);
			break;
		}
		pass(reply, client->mail_reply, sizeof(client->mail_reply));
		if (!sent_rcpt) {
			refuse_asked(client, client->mail_reply);
			let_go(client);
			data_follows(client);
		}
		break;
	case FOR_RCPT:
		on_rcpt(client, reply);
		if (client->nasked > 0 && !(up->offers & SMTP_HAS_PIPELINING))
			say_rcpt(client, client->asked);
		if (client->nasked == 0 && client->naccepted == 0 && !client->data_sent)
			let_go(client);		/* the next recipient may be of another domain */
		data_follows(client);
		break;
	case FOR_DATA:
		on_data(client, reply);
		break;
	case FOR_TEXT:
		if (!client->text_asked) {
			/* Before the end of the text: the client hears it behind that. */
			char	text[2 * REPLY_MAX];

			if (reply->code / 100 == 2) {
				client->verdict = strdup("451 4.5.0 the host answered before the end "
				    "of the text");
			} else {
				pass(reply, text, sizeof(text));
				client->verdict = strdup(text);
			}
			client->up = NULL;
			client->mail_asked = 0;
			upstream_free(up);
			break;
		}
		done(client, up, reply);
		pass_on(client, reply);
		reset(client);
		break;
	default:
		break;
	}
	run(client);
}

static void
up_ready(void *arg, struct upstream *up)
{
	(void)arg;
	(void)up;
}

static void
up_drained(void *arg, struct upstream *up)
{
	(void)up;
	run(arg);
}

static void
up_gone(void *arg, struct upstream *up, enum upstream_fault fault, const char *why,
    const struct smtp_reply *reply)
{
	struct client	*client = arg;
	char		 text[REPLY_LINE_MAX + 512], said[300] = "";
	size_t		 i;
	int		 data_asked = client->data_asked;

	(void)fault;
	client->up = NULL;
	client->mail_asked = client->data_sent = 0;
	if (client->reused && client->naccepted == 0 && client->nasked > 0 &&
	    client->mode == TEXT_NONE) {
		/* It had been idle, and the host has closed it: once more, anew. */
		client->reused = 0;
		if (start_route(client, 0) == 0)
			return;
	}
	client->data_asked = 0;
	for (i = 0; reply != NULL && i < sizeof(said) - 1 && i < reply->text.n &&
	    (unsigned char)reply->text.p[i] >= 0x20; i++)
		said[i] = reply->text.p[i];
	snprintf(text, sizeof(text), "451 4.4.2 %s [%s]: %s%s%.200s", up->host, up->address, why,
	    said[0] == '\0' ? "" : ": ", said);
	text[REPLY_LINE_MAX] = '\0';
	note(LOG_NOTICE, "%s: %s", client->id, text + 10);
	for (i = 0; text[i] != '\0'; i++) {
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f)
			text[i] = '?';
	}
	refuse_asked(client, text);
	if (client->text_asked) {
		/* It may have the message, or not: the client gives it again. */
		say(client, text);
		reset(client);
	} else if (client->mode != TEXT_NONE || client->deciding) {
		client->deciding = 0;
		if (client->verdict == NULL)
			client->verdict = strdup(text);
	} else if (data_asked) {
		say(client, text);
		reset(client);
	} else if (client->naccepted > 0) {
		client->broken = 1;
		snprintf(client->mail_reply, sizeof(client->mail_reply), "%s", text);
	}
	run(client);
}

/* --- Commands. */

static void
on_hello(struct client *client, enum smtp_verb verb, struct deep_str rest)
{
	char	text[1024];
	size_t	i;

	if (rest.n == 0 || rest.n > DEEP_DOMAIN_MAX) {
		say(client, "501 5.5.4 a name is needed");
		return;
	}
	for (i = 0; i < rest.n; i++) {
		if ((unsigned char)rest.p[i] <= 0x20 || rest.p[i] == 0x7f) {
			say(client, "501 5.5.4 one name is needed");
			return;
		}
	}
	reset(client);
	memcpy(client->helo, rest.p, rest.n);
	client->helo[rest.n] = '\0';
	client->greeted = 1;
	client->esmtp = verb == SMTP_EHLO;
	if (!client->esmtp) {
		snprintf(text, sizeof(text), "250 %s", client->worker->settings->hostname);
		say(client, text);
		return;
	}
	snprintf(text, sizeof(text), "250-%s\r\n250-PIPELINING\r\n250-SIZE\r\n250-8BITMIME\r\n"
	    "250-SMTPUTF8\r\n250-CHUNKING\r\n%s%s250 ENHANCEDSTATUSCODES\r\n",
	    client->worker->settings->hostname,
	    client->worker->settings->give_back[0] != '\0' ? "250-DSN\r\n" : "",
	    client->worker->in != NULL && client->io->ssl == NULL ? "250-STARTTLS\r\n" : "");
	say(client, text);
}

static char *
copy(struct deep_str text)
{
	char	*made = malloc(text.n + 1);

	if (made == NULL)
		return NULL;
	memcpy(made, text.p, text.n);
	made[text.n] = '\0';
	return made;
}

/* NULL: taken. */
static const char *
mail_parameter(struct client *client, struct deep_str name, struct deep_str value)
{
	static const char	repeated[] = "501 5.5.4 a parameter is there twice";
	const int		dsn = client->worker->settings->give_back[0] != '\0';
	char			digits[24];

	if (deep_is(name, "SIZE")) {
		if (client->has_size)
			return repeated;
		if (value.n == 0 || value.n >= 20)
			return "501 5.5.4 SIZE wants a number";
		memcpy(digits, value.p, value.n);
		digits[value.n] = '\0';
		if (strspn(digits, "0123456789") < value.n)
			return "501 5.5.4 SIZE wants a number";
		client->size = strtoull(digits, NULL, 10);
		/* The field that we add counts too. */
		if (client->worker->settings->received)
			client->size += 512;
		client->has_size = 1;
		return NULL;
	}
	if (deep_is(name, "BODY")) {
		if (deep_is(value, "8BITMIME"))
			client->eight_bit = 1;
		else if (!deep_is(value, "7BIT"))
			return "555 5.5.4 BODY is 7BIT or 8BITMIME";
		return NULL;
	}
	if (deep_is(name, "SMTPUTF8")) {
		if (value.n > 0)
			return "501 5.5.4 SMTPUTF8 has no value";
		client->utf8 = 1;
		return NULL;
	}
	if (dsn && deep_is(name, "RET")) {
		if (!deep_is(value, "FULL") && !deep_is(value, "HDRS"))
			return "501 5.5.4 RET is FULL or HDRS";
		snprintf(client->ret, sizeof(client->ret), "%s", deep_is(value, "FULL") ? "FULL" :
		    "HDRS");
		return NULL;
	}
	if (dsn && deep_is(name, "ENVID")) {
		if (!smtp_is_xtext(value) || value.n > 100)
			return "501 5.5.4 ENVID is no xtext, or longer than 100";
		if (client->envid != NULL)
			return repeated;
		client->envid = copy(value);
		return client->envid == NULL ? "451 4.3.0 no memory" : NULL;
	}
	return "555 5.5.4 a parameter is not known";
}

static void
on_mail(struct client *client, struct deep_str rest)
{
	struct smtp_path	 path;
	struct deep_str		 name, value;
	enum deep_status	 answer;
	const char		*refusal;

	if (!client->greeted) {
		say(client, "503 5.5.1 EHLO first");
		return;
	}
	if (client->sender != NULL) {
		say(client, "503 5.5.1 MAIL was there already");
		return;
	}
	if (client->worker->draining) {
		say(client, "421 4.3.2 this server is being stopped, come again");
		client->ending = 1;
		return;
	}
	if (smtp_path_next(&rest, "FROM", &path) != DEEP_YES) {
		say(client, "501 5.5.4 MAIL FROM:<address>");
		return;
	}
	reset(client);
	while ((answer = smtp_parameter_next(&rest, &name, &value)) == DEEP_YES) {
		if ((refusal = mail_parameter(client, name, value)) != NULL) {
			say(client, refusal);
			reset(client);
			return;
		}
	}
	if (answer != DEEP_NO || (!client->utf8 && !smtp_is_ascii(path.address))) {
		say(client, answer != DEEP_NO ? "501 5.5.4 a parameter is not understood" :
		    "553 5.6.7 an address beyond ASCII needs SMTPUTF8");
		reset(client);
		return;
	}
	client->sender = copy(path.address);
	if (client->sender == NULL) {
		say(client, "451 4.3.0 no memory");
		return;
	}
	worker_id(client->worker, client->id);
	say(client, "250 2.1.0 ok");
}

static const char *
rcpt_parameter(struct client *client, struct recipient *recipient, struct deep_str name,
    struct deep_str value)
{
	const int	dsn = client->worker->settings->give_back[0] != '\0';

	if (dsn && deep_is(name, "NOTIFY") && recipient->notify_text == NULL) {
		if ((recipient->notify = smtp_notify(value)) == 0)
			return "501 5.5.4 NOTIFY is not understood";
		return (recipient->notify_text = copy(value)) == NULL ? "451 4.3.0 no memory" : NULL;
	}
	if (dsn && deep_is(name, "ORCPT") && recipient->orcpt == NULL) {
		if (value.n > 500 || memchr(value.p, ';', value.n) == NULL)
			return "501 5.5.4 ORCPT is not understood";
		return (recipient->orcpt = copy(value)) == NULL ? "451 4.3.0 no memory" : NULL;
	}
	return "555 5.5.4 a parameter is not known";
}

/* 0: it has to wait for what is under way; the line is looked at again then. */
static int
on_rcpt_command(struct client *client, struct deep_str rest)
{
	const struct settings	*settings = client->worker->settings;
	struct smtp_path	 path;
	struct deep_str		 name, value;
	struct recipient	*recipient = NULL;
	struct upstream		*up;
	enum deep_status	 answer;
	const char		*refusal = NULL;
	char			 domain[DEEP_DOMAIN_MAX + 1];
	size_t			 i;
	int			 same, n;

	if (client->sender == NULL) {
		if (client->nasked > 0)
			return 0;
		say(client, "503 5.5.1 MAIL first");
		return 1;
	}
	domain[0] = '\0';
	if (smtp_path_next(&rest, "TO", &path) != DEEP_YES || path.address.n == 0)
		refusal = "501 5.1.3 RCPT TO:<address>";
	else if (path.domain.n == 0)
		refusal = "550 5.1.3 an address without a domain is not relayed";
	else if (!client->utf8 && !smtp_is_ascii(path.address))
		refusal = "553 5.6.7 an address beyond ASCII needs SMTPUTF8";
	else if (path.literal) {
		if (path.domain.n > DEEP_DOMAIN_MAX)
			refusal = "501 5.1.3 the literal is too long";
		for (i = 0; refusal == NULL && i < path.domain.n; i++)
			domain[i] = (char)(path.domain.p[i] >= 'A' && path.domain.p[i] <= 'Z' ?
			    path.domain.p[i] + 32 : path.domain.p[i]);
		domain[i] = '\0';
	} else {
		n = deep_domain_key(domain, sizeof(domain), path.domain);
		if (n <= 0 || (size_t)n >= sizeof(domain))
			refusal = "501 5.1.2 the domain is no domain";
	}
	if (settings->next_hop[0] != '\0' && refusal == NULL)
		snprintf(domain, sizeof(domain), "%s", settings->next_hop);
	same = strcmp(domain, client->domain) == 0;
	/* Only what goes to the host at once may be ahead of its reply. */
	if (client->nasked > 0 && (refusal != NULL || !same || client->up == NULL ||
	    client->mail_reply[0] != '\0' || upstream_room(client->up) < 4 ||
	    !(client->up->offers & SMTP_HAS_PIPELINING) ||
	    client->naccepted + client->nasked >= (size_t)settings->recipients))
		return 0;
	if (refusal == NULL && client->broken)
		refusal = client->mail_reply;
	else if (refusal == NULL && client->held)
		refusal = "452 4.5.3 one recipient at a time while a latch is missing";
	else if (refusal == NULL && client->naccepted >= (size_t)settings->recipients)
		refusal = "452 4.5.3 too many recipients";
	else if (refusal == NULL && client->naccepted > 0 && !same)
		refusal = "452 4.5.3 one domain at a time: this transaction is for another";
	if (refusal == NULL && ((recipient = calloc(1, sizeof(*recipient))) == NULL ||
	    (recipient->address = copy(path.address)) == NULL))
		refusal = "451 4.3.0 no memory";
	while (refusal == NULL && (answer = smtp_parameter_next(&rest, &name, &value)) != DEEP_NO) {
		if (answer != DEEP_YES)
			refusal = "501 5.5.4 a parameter is not understood";
		else
			refusal = rcpt_parameter(client, recipient, name, value);
	}
	if (refusal != NULL) {
		free_recipients(recipient);
		if (client->nasked > 0)		/* it is not its turn: replies come in order */
			return 0;
		say(client, refusal);
		return 1;
	}
	*client->asked_end = recipient;
	client->asked_end = &recipient->next;
	client->nasked++;
	if (client->up != NULL && same) {
		say_rcpt(client, recipient);
		return 1;
	}
	let_go(client);
	snprintf(client->domain, sizeof(client->domain), "%s", domain);
	if ((up = route_kept(client->worker, domain)) != NULL)
		begin(client, up);
	else if (start_route(client, 0) == -1)
		refuse_asked(client, "451 4.3.0 no memory");
	return 1;
}

/* What DATA and BDAT need; 0: refused. */
static int
may_have_text(struct client *client, const char **refusal)
{
	*refusal = NULL;
	if (client->sender == NULL)
		*refusal = "503 5.5.1 MAIL first";
	else if (client->broken)
		*refusal = client->mail_reply;
	else if (client->naccepted == 0)
		*refusal = "554 5.5.1 no recipient was accepted";
	return *refusal == NULL;
}

static void
ask_data(struct client *client)
{
	memset(&client->text, 0, sizeof(client->text));
	client->text.plain = client->mode == TEXT_CHUNK;
	if (client->held) {
		client->hold = evbuffer_new();
		if (client->mode != TEXT_CHUNK) {
			client->mode = TEXT_DATA;
			say(client, "354 go on");
		}
		return;
	}
	send_data(client);
}

/* Whether DATA may be said to the host ahead of its replies to RCPT (RFC 2920). */
static int
data_may_go(const struct client *client)
{
	return client->up != NULL && client->up->offers & SMTP_HAS_PIPELINING &&
	    client->mail_reply[0] == '\0' && upstream_room(client->up) > 0;
}

static void
on_data_command(struct client *client)
{
	const char	*refusal;
	char		 text[REPLY_LINE_MAX * 4];

	if (!may_have_text(client, &refusal)) {
		snprintf(text, sizeof(text), "%s", refusal);
		say(client, text);
		if (client->broken)
			reset(client);
		return;
	}
	ask_data(client);
}

/* The client has said DATA, ahead of replies that are there now: it is its turn. */
static void
data_follows(struct client *client)
{
	if (!client->data_asked || client->data_sent || client->nasked > 0)
		return;
	client->data_asked = 0;
	on_data_command(client);
}

static void
on_bdat_command(struct client *client, struct deep_str rest)
{
	const char	*refusal;
	uint64_t	 size = 0;
	size_t		 i;
	int		 last = 0, first;

	for (i = 0; i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9' && i < 18; i++)
		size = size * 10 + (uint64_t)(rest.p[i] - '0');
	if (i > 0 && i < rest.n) {
		struct deep_str	word = { rest.p + i, rest.n - i };

		while (word.n > 0 && word.p[0] == ' ') {
			word.p++;
			word.n--;
		}
		last = deep_is(word, "LAST");
	}
	if (i == 0 || (i < rest.n && !last)) {
		/* Where its octets end cannot be known. */
		say(client, "501 5.5.4 BDAT size [LAST]");
		client->ending = 1;
		return;
	}
	first = client->text.octets == 0 && client->hold == NULL && client->verdict == NULL &&
	    (client->up == NULL || !client->up->in_text);
	client->chunk = client->chunk_size = size;
	client->last_chunk = last != 0;
	client->mode = TEXT_CHUNK;
	client->discard = 0;
	if (!first) {
		/* The host has gone between two chunks. */
		if (client->broken && client->verdict == NULL)
			client->verdict = strdup(client->mail_reply);
		return;
	}
	if (may_have_text(client, &refusal)) {
		ask_data(client);
		return;
	}
	client->discard = 1;
	free(client->verdict);
	client->verdict = strdup(refusal);
}

static void
on_starttls(struct client *client)
{
	struct ssl_st	*ssl;

	if (client->worker->in == NULL || client->io->ssl != NULL) {
		say(client, "502 5.5.1 not here");
		return;
	}
	reset(client);
	if ((ssl = SSL_new(client->worker->in)) == NULL) {
		say(client, "454 4.7.0 TLS cannot be set up");
		return;
	}
	say(client, "220 2.0.0 go on");
	io_flush(client->io);
	/* Nothing that was said before is known behind it (RFC 3207 4.2). */
	evbuffer_drain(client->io->in, evbuffer_get_length(client->io->in));
	client->greeted = 0;
	client->helo[0] = '\0';
	if (evbuffer_get_length(client->io->out) > 0 || io_secure(client->io, ssl, 1) == -1)
		client->ending = 1;
}

/* 0: the line has to wait. */
static int
on_line(struct client *client, struct deep_str line)
{
	struct deep_str	rest;
	enum smtp_verb	verb = smtp_verb(line, &rest);

	if (verb == SMTP_RCPT)
		return on_rcpt_command(client, rest);
	if (client->nasked > 0) {
		if (verb != SMTP_DATA || !data_may_go(client))
			return 0;
		memset(&client->text, 0, sizeof(client->text));
		send_data(client);
		return 1;
	}
	switch (verb) {
	case SMTP_HELO:
	case SMTP_EHLO:
		on_hello(client, verb, rest);
		break;
	case SMTP_MAIL:
		on_mail(client, rest);
		break;
	case SMTP_DATA:
		on_data_command(client);
		break;
	case SMTP_BDAT:
		on_bdat_command(client, rest);
		break;
	case SMTP_STARTTLS:
		on_starttls(client);
		break;
	case SMTP_RSET:
		reset(client);
		say(client, "250 2.0.0 ok");
		break;
	case SMTP_NOOP:
		say(client, "250 2.0.0 ok");
		break;
	case SMTP_VRFY:
		say(client, "252 2.5.2 try it");
		break;
	case SMTP_HELP:
		say(client, "214 2.0.0 deep-relay(8)");
		break;
	case SMTP_QUIT:
		say(client, "221 2.0.0 bye");
		client->ending = 1;
		break;
	case SMTP_RCPT:
	case SMTP_UNKNOWN:
		say(client, "500 5.5.2 not understood");
		break;
	}
	return 1;
}

/* --- Text. */

/* Where text goes now; NULL: nowhere. */
static struct evbuffer *
text_goes_to(struct client *client)
{
	if (client->verdict != NULL || client->discard)
		return NULL;
	if (client->hold != NULL && client->up == NULL)
		return client->hold;
	return client->up == NULL ? NULL : client->up->io->out;
}

/* Whether the header of what is held is whole; then it is decided. */
static void
look_at_header(struct client *client, int whole)
{
	size_t		 n = evbuffer_get_length(client->hold);
	struct deep_str	 header;
	const char	*end;
	unsigned	 bypass;

	header.p = (const char *)evbuffer_pullup(client->hold, -1);
	header.n = n;
	end = n >= 2 && memcmp(header.p, "\r\n", 2) == 0 ? header.p :
	    n > 0 ? memmem(header.p, n, "\r\n\r\n", 4) : NULL;
	if (end != NULL)
		header.n = (size_t)(end - header.p) + (end == header.p ? 0 : 2);
	else if (!whole && n < HEADER_HOLD_MAX)
		return;
	bypass = smtp_header_bypass(header);
	client->deciding = 1;
	if (bypass == 0 || start_route(client, bypass) == -1) {
		client->deciding = 0;
		client->verdict = strdup(client->held_reply);
	}
}

/* The end of the text has been met. */
static void
end_text(struct client *client)
{
	char	end[8];
	size_t	n;

	if (client->verdict != NULL || client->up == NULL) {
		conclude(client);
		return;
	}
	add_field(client);
	n = smtp_text_end(&client->text, end);
	evbuffer_add(client->up->io->out, end, n);
	client->text_asked = 1;
	upstream_say(client->up, FOR_TEXT, "");	/* in_text stays until its reply is there */
}

static void
end_chunk(struct client *client)
{
	char	text[80];

	if (client->last_chunk) {
		end_text(client);
		return;
	}
	client->mode = TEXT_NONE;
	if (client->discard) {
		conclude(client);
		return;
	}
	snprintf(text, sizeof(text), "250 2.0.0 %llu octets", (unsigned long long)client->chunk_size);
	say(client, text);
}

/* What n octets of text become, in room for it; the answer: octets taken. */
static size_t
mend_text(struct client *client, struct evbuffer *to, struct deep_str piece)
{
	static char		 nowhere[SMTP_TEXT_ROOM(PIECE)];
	struct evbuffer_iovec	 space = { nowhere, sizeof(nowhere) };
	size_t			 taken, written = 0;

	if (piece.n > PIECE)
		piece.n = PIECE;
	if (to != NULL &&
	    evbuffer_reserve_space(to, (ev_ssize_t)SMTP_TEXT_ROOM(piece.n), &space, 1) < 1) {
		free(client->verdict);
		client->verdict = strdup("451 4.3.0 no memory");
		return 0;
	}
	taken = smtp_text(&client->text, piece, space.iov_base, &written);
	if (to == NULL)
		return taken;
	if (client->wants_header && client->header != NULL)
		keep_header(client, space.iov_base, written);
	space.iov_len = written;
	evbuffer_commit_space(to, &space, 1);
	return taken;
}

/* Text on its way; what needs no mending moves without a copy where it can. */
static void
pass_text(struct client *client, struct evbuffer *to)
{
	struct evbuffer	*in = client->io->in;
	struct deep_str	 piece;
	size_t		 taken = 0;

	if (to != NULL && to != client->hold)
		add_field(client);
	piece.n = evbuffer_get_contiguous_space(in);
	if (client->mode == TEXT_CHUNK && piece.n > client->chunk)
		piece.n = (size_t)client->chunk;
	piece.p = (const char *)evbuffer_pullup(in, (ev_ssize_t)piece.n);
	if (to != NULL && !client->wants_header &&
	    (taken = smtp_text_same(&client->text, piece)) > 0)
		evbuffer_remove_buffer(in, to, taken);
	else
		evbuffer_drain(in, taken = mend_text(client, to, piece));
	if (client->mode == TEXT_CHUNK)
		client->chunk -= taken;
}

static int
text_is_whole(const struct client *client)
{
	return client->mode == TEXT_CHUNK ? client->chunk == 0 : client->text.ended;
}

/* 0: nothing more can be done now. */
static int
on_text(struct client *client)
{
	struct evbuffer	*to;
	int		 whole = text_is_whole(client);

	if (!whole) {
		if (evbuffer_get_length(client->io->in) == 0)
			return 0;
		to = text_goes_to(client);
		if (to != NULL && to != client->hold && evbuffer_get_length(to) >= FLOW_HIGH) {
			io_flush(client->up->io);
			if (evbuffer_get_length(to) >= FLOW_HIGH) {
				client->up->io->full = 1;
				io_timeout(client->up->io, BLOCK_MS);
				return 0;
			}
		}
		pass_text(client, to);
		whole = text_is_whole(client);
	}
	if (client->hold != NULL && client->up == NULL && client->verdict == NULL) {
		look_at_header(client, whole && (client->mode == TEXT_DATA || client->last_chunk));
		if (client->deciding)
			return 0;
		if (client->verdict == NULL && whole && client->mode == TEXT_CHUNK &&
		    !client->last_chunk) {
			end_chunk(client);
			return 1;
		}
		if (client->verdict == NULL)
			return 1;
	}
	if (!whole)
		return 1;
	if (client->mode == TEXT_CHUNK)
		end_chunk(client);
	else
		end_text(client);
	return 1;
}

/* --- The loop. */

/* One command line; 0: nothing more can be done now. */
static int
on_command(struct client *client)
{
	struct evbuffer		*in = client->io->in;
	const size_t		 most = (size_t)client->worker->settings->line;
	struct evbuffer_ptr	 eol;
	struct deep_str		 line;
	size_t			 n = evbuffer_get_length(in), i, skip;

	if (n == 0)
		return 0;
	eol = evbuffer_search_eol(in, NULL, &skip, EVBUFFER_EOL_CRLF_STRICT);
	if (eol.pos < 0 && n <= most)
		return 0;
	if (eol.pos < 0 || (size_t)eol.pos > most || client->wasting) {
		/* A line that is too long is read to its end, and refused once. */
		if (eol.pos < 0) {
			if (client->nasked > 0)
				return 0;
			client->wasting = 1;
			evbuffer_drain(in, n - 1);	/* its last octet may be a CR */
			return 0;
		}
		if (client->nasked > 0)
			return 0;
		evbuffer_drain(in, (size_t)eol.pos + skip);
		client->wasting = 0;
		say(client, "500 5.5.2 the line is too long");
		return 1;
	}
	line.n = (size_t)eol.pos;
	line.p = (const char *)evbuffer_pullup(in, eol.pos + (ev_ssize_t)skip);
	for (i = 0; i < line.n; i++) {
		if (line.p[i] == '\0' || line.p[i] == '\r' || line.p[i] == '\n')
			break;
	}
	if (i < line.n) {
		if (client->nasked > 0)
			return 0;
		say(client, "500 5.5.2 a control in the line");
	} else if (!on_line(client, line))
		return 0;
	/* STARTTLS has thrown all of it away. */
	if (evbuffer_get_length(in) >= line.n + skip)
		evbuffer_drain(in, line.n + skip);
	return 1;
}

static int
is_waiting(const struct client *client)
{
	return client->data_asked || client->text_asked || client->deciding ||
	    client->io->handshaking;
}

static void
run(struct client *client)
{
	int	more = 1;

	while (more && !client->ending && !is_waiting(client)) {
		if (client->mode != TEXT_NONE)
			more = on_text(client);
		else
			more = on_command(client);
	}
	if (client->up != NULL)
		io_flush(client->up->io);
	/* Replies to what was pipelined go out together (RFC 2920 3.2). */
	if (client->nasked == 0 && !is_waiting(client))
		io_flush(client->io);
	if (client->ending || (client->worker->draining && client->sender == NULL &&
	    client->nasked == 0 && client->mode == TEXT_NONE)) {
		if (!client->ending)
			io_text(client->io, "421 4.3.2 this server is being stopped, come again\r\n");
		destroy(client);
		return;
	}
	if (client->io->over)
		return;
	/* A client may close its side behind QUIT, and still wait for replies. */
	if (client->io->in_ended && client->nasked == 0 && !is_waiting(client) &&
	    (client->mode == TEXT_NONE || evbuffer_get_length(client->io->in) == 0)) {
		on_gone(client, NULL);
		return;
	}
	/* Of a text that has begun, and whose end has not come. */
	if (client->mode != TEXT_NONE && client->text.octets > 0 && !is_waiting(client) &&
	    evbuffer_get_length(client->io->in) == 0)
		io_acknowledge(client->io);
	io_pause(client->io, io_is_full(client->io));
	io_timeout(client->io, is_waiting(client) || client->nasked > 0 ? 0 : COMMAND_MS);
}

static void
on_readable(void *arg)
{
	run(arg);
}

static void
on_drained(void *arg)
{
	(void)arg;
}

static void
on_secured(void *arg)
{
	struct client		*client = arg;
	const SSL_CIPHER	*cipher = SSL_get_current_cipher(client->io->ssl);
	const struct deep_group	*group;
	const char		*name;
	long			 nid = SSL_get_negotiated_group(client->io->ssl);

	if (cipher != NULL)
		deep_suite_emit(client->suite, sizeof(client->suite),
		    SSL_CIPHER_get_protocol_id(cipher));
	name = nid > 0 ? SSL_group_to_name(client->io->ssl, (int)nid) : NULL;
	group = name == NULL ? NULL : deep_group_find(deep_str(name));
	if (group != NULL)
		snprintf(client->group, sizeof(client->group), "%s", group->name);
	run(client);
}

static void
on_gone(void *arg, const char *why)
{
	struct client	*client = arg;

	if (client->sender != NULL && client->naccepted > 0)
		note(LOG_NOTICE, "%s: the client %s is gone before the end: %s", client->id,
		    client->peer, why == NULL ? "closed" : why);
	destroy(client);
}

static const struct io_calls	io_calls = { on_readable, on_drained, on_secured, on_gone };

void
client_new(struct worker *worker, int fd, const struct sockaddr *address)
{
	const struct sockaddr_in	*four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6	*six = (const struct sockaddr_in6 *)address;
	struct client			*client = calloc(1, sizeof(*client));
	char				 text[INET6_ADDRSTRLEN] = "", banner[DEEP_DOMAIN_MAX + 64];

	if (client == NULL || (client->io = io_new(worker->base, fd, &io_calls, client)) == NULL) {
		note(LOG_ERR, "no memory for a client");
		if (client == NULL)
			evutil_closesocket(fd);
		free(client);
		return;
	}
	client->io->half = 1;
	client->worker = worker;
	client->accepted_end = &client->accepted;
	client->asked_end = &client->asked;
	if (address->sa_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, text, sizeof(text));
	else if (address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text));
	else
		snprintf(text, sizeof(text), "127.0.0.1");	/* a Unix socket is this host */
	snprintf(client->peer, sizeof(client->peer), "[%s%s]",
	    address->sa_family == AF_INET6 ? "IPv6:" : "", text);
	if ((client->next = worker->clients) != NULL)
		client->next->previous = client;
	worker->clients = client;
	worker->nclients++;
	metric(METRIC_CLIENTS, 1);
	metric(METRIC_CLIENTS_NOW, 1);
	snprintf(banner, sizeof(banner), "220 %s ESMTP deep-relay\r\n", worker->settings->hostname);
	io_text(client->io, banner);
	io_flush(client->io);
	io_timeout(client->io, COMMAND_MS);
}

void
client_drain(struct worker *worker)
{
	struct client	*client, *next;

	for (client = worker->clients; client != NULL; client = next) {
		next = client->next;
		if (client->sender == NULL)
			run(client);
	}
}

void
client_free_all(struct worker *worker)
{
	struct client	*client, *next;

	for (client = worker->clients; client != NULL; client = next) {
		next = client->next;
		destroy(client);
	}
}
