/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * metrics.c - counters in memory that all processes share, one row a worker,
 * and a process that shows their sums: Prometheus's text format 0.0.4 over HTTP
 * on an address of its own, off where [relay] metrics is empty.
 */
#include <sys/mman.h>
#include <sys/prctl.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

#include <arpa/inet.h>

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "relay.h"

static const struct {
	const char	*name, *type, *help;
} metrics[METRIC_COUNT] = {
	[METRIC_CLIENTS] = { "clients_total", "counter", "sessions of clients" },
	[METRIC_CLIENTS_NOW] = { "clients", "gauge", "sessions of clients now" },
	[METRIC_REFUSED_PEERS] = { "peers_refused_total", "counter",
	    "connections of peers that are not allowed" },
	[METRIC_MESSAGES] = { "messages_total", "counter", "messages that a host took" },
	[METRIC_RECIPIENTS] = { "recipients_total", "counter", "recipients that a host took" },
	[METRIC_OCTETS] = { "octets_total", "counter", "octets of text in messages taken" },
	[METRIC_TEMPORARY] = { "replies_temporary_total", "counter", "replies 4xx to clients" },
	[METRIC_PERMANENT] = { "replies_permanent_total", "counter", "replies 5xx to clients" },
	[METRIC_UPSTREAMS] = { "upstreams_total", "counter", "connections begun towards hosts" },
	[METRIC_UPSTREAMS_NOW] = { "upstreams", "gauge", "connections towards hosts now" },
	[METRIC_REUSED] = { "upstreams_reused_total", "counter", "transactions in kept sessions" },
	[METRIC_CLEAR] = { "sessions_clear_total", "counter", "sessions used without TLS" },
	[METRIC_TLS] = { "handshakes_total", "counter", "TLS handshakes that were completed" },
	[METRIC_CERT] = { "sessions_certificate_total", "counter",
	    "sessions used whose certificate was verified" },
	[METRIC_DANE] = { "sessions_dane_total", "counter", "sessions used that matched TLSA" },
	[METRIC_LATCH_REFUSALS] = { "latch_refusals_total", "counter",
	    "recipients deferred for a latch" },
	[METRIC_HOSTS_SKIPPED] = { "hosts_skipped_total", "counter",
	    "hosts left for a latch or for TLSA" },
	[METRIC_BYPASSED] = { "latches_bypassed_total", "counter", "messages that pass latches by" },
	[METRIC_LEARNT] = { "latches_learnt_total", "counter", "sessions that set a new latch" },
	[METRIC_FACTS_LOST] = { "facts_lost_total", "counter",
	    "sessions of which the store did not get what they showed" },
	[METRIC_STORE_FAULTS] = { "store_faults_total", "counter", "questions the store failed" },
	[METRIC_DNS_FAULTS] = { "dns_faults_total", "counter", "lookups that failed" },
	[METRIC_TLS_FAULTS] = { "handshakes_failed_total", "counter", "TLS handshakes that failed" },
	[METRIC_INJECTIONS] = { "injections_total", "counter",
	    "octets behind the reply to STARTTLS" },
	[METRIC_TEXT_FIXED] = { "texts_mended_total", "counter",
	    "messages with a CR or LF that was none of CRLF" },
	[METRIC_RELAYED] = { "relayed_reports_total", "counter", "relayed DSNs handed back" }
};

static int64_t	(*rows)[METRIC_COUNT], *row;
static unsigned	  nrow;

void
metric_open(unsigned n)
{
	void	*memory = mmap(NULL, n * sizeof(*rows), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return;			/* nothing is counted */
	rows = memory;
	nrow = n;
	row = rows[0];
}

void
metric_row(unsigned n)
{
	if (n < nrow)
		row = rows[n];
}

void
metric(enum metric what, int64_t add)
{
	if (row != NULL)
		__atomic_fetch_add(&row[what], add, __ATOMIC_RELAXED);
}

/* A worker that died has no sessions any more. */
void
metric_gone(unsigned n)
{
	if (n >= nrow)
		return;
	__atomic_store_n(&rows[n][METRIC_CLIENTS_NOW], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&rows[n][METRIC_UPSTREAMS_NOW], 0, __ATOMIC_RELAXED);
}

/*
 * The lines that this makes:
 *
 *	# HELP deep_relay_clients sessions of clients now
 *	# TYPE deep_relay_clients gauge
 *	deep_relay_clients 3
 */
int
metric_emit(char *buf, size_t size)
{
	int64_t		sum;
	size_t		n = 0;
	unsigned	i, j;
	int		m;

	for (i = 0; i < METRIC_COUNT; i++) {
		for (sum = 0, j = 0; j < nrow; j++)
			sum += __atomic_load_n(&rows[j][i], __ATOMIC_RELAXED);
		m = snprintf(n < size ? buf + n : NULL, n < size ? size - n : 0,
		    "# HELP deep_relay_%s %s\n# TYPE deep_relay_%s %s\ndeep_relay_%s %" PRId64 "\n",
		    metrics[i].name, metrics[i].help, metrics[i].name, metrics[i].type,
		    metrics[i].name, sum);
		if (m < 0)
			return -1;
		n += (size_t)m;
	}
	return (int)n;
}

static void
on_request(struct evhttp_request *request, void *arg)
{
	static char	 text[16384];
	struct evbuffer	*out = evhttp_request_get_output_buffer(request);
	int		 n = metric_emit(text, sizeof(text));

	(void)arg;
	if (n < 0 || (size_t)n >= sizeof(text)) {
		evhttp_send_error(request, HTTP_INTERNAL, NULL);
		return;
	}
	evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
	    "text/plain; version=0.0.4");
	evbuffer_add(out, text, (size_t)n);
	evhttp_send_reply(request, HTTP_OK, "OK", NULL);
}

void
metric_server(int fd, const struct settings *settings)
{
	struct event_base	*base = event_base_new();
	struct evhttp		*http = base == NULL ? NULL : evhttp_new(base);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (http == NULL || evhttp_accept_socket(http, fd) == -1) {
		note(LOG_ERR, "metrics cannot be served");
		_exit(1);
	}
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_max_headers_size(http, 8192);
	evhttp_set_max_body_size(http, 0);
	evhttp_set_timeout(http, 10);
	evhttp_set_cb(http, "/metrics", on_request, NULL);
	sandbox_close(settings, 0);
	event_base_dispatch(base);
	_exit(0);
}
