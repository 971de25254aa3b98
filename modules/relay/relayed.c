/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * relayed.c - the "relayed" DSN that RFC 3461 5.2.2 wants where NOTIFY=SUCCESS
 * ends at a host without DSN, in the form of RFC 3464, RFC 6522 and RFC
 * 6533.  The client's MTA cannot make it: DSN was offered to it before the host
 * was known.
 *
 * It is handed to the MTA at [relay] return, behind the host's 2xx.  It is never
 * a reason not to pass that 2xx on; where it cannot be handed over it is tried
 * again for some minutes, and then said to be lost.
 */
#include <event2/event.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "relay.h"

#define TRIES		5
#define AGAIN_S		60		/* between two tries */

struct lines {
	char	*buf;
	size_t	 size, n;
};

static void add(struct lines *, const char *, ...) __attribute__((__format__(__printf__, 2, 3)));

static void
add(struct lines *to, const char *format, ...)
{
	va_list	ap;
	int	n;

	va_start(ap, format);
	n = vsnprintf(to->n < to->size ? to->buf + to->n : NULL, to->n < to->size ?
	    to->size - to->n : 0, format, ap);
	va_end(ap);
	if (n > 0)
		to->n += (size_t)n;
}

/* A value of a field: no line end, no control, not longer than a line may be. */
static const char *
clean(char buf[700], struct deep_str text, int xtext, int utf8)
{
	size_t	i, n = 0;
	char	hex[3] = "";

	for (i = 0; i < text.n && n < 690; i++) {
		char	c = text.p[i];

		if (xtext && c == '+' && text.n - i > 2) {
			hex[0] = text.p[i + 1];
			hex[1] = text.p[i + 2];
			c = (char)strtol(hex, NULL, 16);
			i += 2;
		}
		if (c == '\r' || c == '\n')
			break;
		buf[n++] = (unsigned char)c < 0x20 || c == 0x7f ||
		    (!utf8 && (unsigned char)c >= 0x80) ? '?' : c;
	}
	buf[n] = '\0';
	return buf;
}

static void
add_recipient(struct lines *to, const struct relayed *what, const struct relayed_to *one,
    const char *date)
{
	char		buf[700];
	const char	*type = what->utf8 ? "utf-8" : "rfc822";

	add(to, "\r\n");
	if (one->orcpt != NULL)
		add(to, "Original-Recipient: %s\r\n",
		    clean(buf, deep_str(one->orcpt), 1, what->utf8));
	add(to, "Final-Recipient: %s;%s\r\n", type,
	    clean(buf, deep_str(one->address), 0, what->utf8));
	add(to, "Action: relayed\r\nStatus: 2.1.9\r\n");
	add(to, "Remote-MTA: dns;%s\r\n", clean(buf, what->host, 0, 0));
	add(to, "Diagnostic-Code: smtp;%s\r\n", clean(buf, what->reply, 0, 0));
	add(to, "Last-Attempt-Date: %s\r\n", date);
}

/*
 * The message that this makes is shown in deep-relay(8).
 */
int
relayed_emit(char *buf, size_t size, const struct settings *settings, const struct relayed *what,
    const char *id)
{
	struct lines		 to = { buf, size, 0 };
	const struct relayed_to	*one;
	time_t			 now = (time_t)what->now;
	struct tm		 tm;
	char			 date[64], value[700];
	const char		*host = settings->hostname;

	if (size > 0)
		buf[0] = '\0';
	if (what->to == NULL || gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm) == 0)
		return -1;
	add(&to, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n", host);
	add(&to, "To: <%s>\r\n", clean(value, what->from, 0, what->utf8));
	add(&to, "Subject: Delivery status notification: relayed\r\n");
	add(&to, "Date: %s\r\nMessage-ID: <%s.relayed@%s>\r\n", date, id, host);
	add(&to, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	add(&to, "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n\r\n", id);
	add(&to, "--%s\r\nContent-Type: text/plain; charset=%s\r\n", id,
	    what->utf8 ? "utf-8" : "us-ascii");
	add(&to, "%s\r\n", what->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add(&to, "Your message was relayed to a host that does not report whether it\r\n"
	    "reaches its recipients.  No further report will come of:\r\n\r\n");
	for (one = what->to; one != NULL; one = one->next)
		add(&to, "  <%s>\r\n", clean(value, deep_str(one->address), 0, what->utf8));
	add(&to, "\r\n--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n", id,
	    what->utf8 ? "global-" : "",
	    what->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add(&to, "Reporting-MTA: dns;%s\r\n", host);
	if (what->envid.n > 0)
		add(&to, "Original-Envelope-Id: %s\r\n", clean(value, what->envid, 1, what->utf8));
	for (one = what->to; one != NULL; one = one->next)
		add_recipient(&to, what, one, date);
	add(&to, "\r\n--%s\r\nContent-Type: %s\r\n%s\r\n", id,
	    what->utf8 ? "message/global-headers" : "text/rfc822-headers",
	    what->utf8 ? "Content-Transfer-Encoding: 8bit\r\n" : "");
	add(&to, "%.*s", (int)what->header.n, what->header.n > 0 ? what->header.p : "");
	add(&to, "\r\n--%s--\r\n", id);
	return (int)to.n;
}

/* --- Handing it over. */

struct handing {
	struct worker	*worker;
	struct event	*timer;
	char		*to, *text;
	char		 id[32];
	int		 utf8, tries;
};

static void
release(struct handing *handing)
{
	if (handing->timer != NULL)
		event_free(handing->timer);
	free(handing->to);
	free(handing->text);
	free(handing);
}

static void
again(struct handing *handing, const char *why)
{
	struct timeval	tv = { AGAIN_S, 0 };

	note(LOG_WARNING, "%s: a relayed report for <%s> is not handed over: %s", handing->id,
	    handing->to, why);
	if (++handing->tries < TRIES && !handing->worker->draining &&
	    event_add(handing->timer, &tv) == 0)
		return;
	note_event("alarm", NULL, deep_str(""), deep_str(handing->id), DEEP_LATCH_NONE,
	    "a relayed report is lost");
	release(handing);
}

static void
on_ready(void *arg, struct upstream *up)
{
	struct handing	*handing = arg;

	upstream_say(up, FOR_MAIL, handing->utf8 && up->offers & SMTP_HAS_SMTPUTF8 ?
	    "MAIL FROM:<> SMTPUTF8\r\n" : "MAIL FROM:<>\r\n");
}

static void
on_reply(void *arg, struct upstream *up, enum upstream_for what, const struct smtp_reply *reply)
{
	struct handing	*handing = arg;
	char		 line[PATH_MAX_OCTETS + 64], text[200];

	if (reply->code / 100 != (what == FOR_DATA ? 3 : 2)) {
		/* its first line, code and all */
		snprintf(text, sizeof(text), "%.*s", (int)(reply->text.n < sizeof(text) ?
		    reply->text.n : sizeof(text) - 1), reply->text.p);
		text[strcspn(text, "\r\n")] = '\0';
		upstream_free(up);
		again(handing, text);
		return;
	}
	switch (what) {
	case FOR_MAIL:
		snprintf(line, sizeof(line), "RCPT TO:<%s>%s\r\n", handing->to,
		    up->offers & SMTP_HAS_DSN ? " NOTIFY=NEVER" : "");
		upstream_say(up, FOR_RCPT, line);
		break;
	case FOR_RCPT:
		upstream_say(up, FOR_DATA, "DATA\r\n");
		break;
	case FOR_DATA:
		up->in_text = 1;
		upstream_say(up, FOR_TEXT, handing->text);
		break;
	case FOR_TEXT:
		metric(METRIC_RELAYED, 1);
		note(LOG_INFO, "%s: relayed report for <%s> handed over", handing->id, handing->to);
		upstream_free(up);
		release(handing);
		break;
	default:
		break;
	}
}

static void
on_drained(void *arg, struct upstream *up)
{
	(void)arg;
	(void)up;
}

static void
on_gone(void *arg, struct upstream *up, enum upstream_fault fault, const char *why,
    const struct smtp_reply *reply)
{
	(void)up;
	(void)fault;
	(void)reply;
	again(arg, why);
}

static const struct upstream_calls	calls = { on_ready, on_reply, on_drained, on_gone };

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct handing		*handing = arg;
	struct upstream_plan	 plan;
	socklen_t		 n;

	(void)fd;
	(void)what;
	memset(&plan, 0, sizeof(plan));
	plan.clear = 1;
	plan.names.domain = plan.names.host = "";
	snprintf(plan.host, sizeof(plan.host), "%s", handing->worker->settings->give_back);
	if (listen_address(handing->worker->settings->give_back, 25, &plan.address, &n) == -1 ||
	    !worker_enter(handing->worker, "(return)")) {
		again(handing, "too many are under way");
		return;
	}
	if (upstream_new(handing->worker, &plan, "(return)", &calls, handing) == NULL)
		again(handing, "no connection");
}

/* The text in the form of DATA, with its end. */
static char *
stuffed(const char *text)
{
	struct smtp_text	state;
	size_t			n = strlen(text), written;
	char			*out = malloc(SMTP_TEXT_ROOM(n) + 8);

	if (out == NULL)
		return NULL;
	memset(&state, 0, sizeof(state));
	state.plain = 1;
	smtp_text(&state, (struct deep_str){ text, n }, out, &written);
	written += smtp_text_end(&state, out + written);
	out[written] = '\0';
	return out;
}

void
relayed_send(struct worker *worker, const char *to, char *text, const char *id, int utf8)
{
	struct handing	*handing = calloc(1, sizeof(*handing));
	struct timeval	 now = { 0, 0 };

	if (handing == NULL || (handing->timer = event_new(worker->base, -1, 0, on_timer,
	    handing)) == NULL || (handing->to = strdup(to)) == NULL ||
	    (handing->text = stuffed(text)) == NULL || event_add(handing->timer, &now) == -1) {
		note(LOG_ERR, "%s: no memory for a relayed report", id);
		if (handing != NULL)
			release(handing);
		free(text);
		return;
	}
	free(text);
	handing->worker = worker;
	handing->utf8 = utf8;
	snprintf(handing->id, sizeof(handing->id), "%s", id);
}
