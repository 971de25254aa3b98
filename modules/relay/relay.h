/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * relay.h - what the files of deep-relay(8) know of each other.  The order is
 * from the wire up: text, connections, names, TLS, the latch store, a session
 * towards a host, the way to a domain, a session with the client, processes.
 *
 * One worker process has one event loop and no threads of its own.  All
 * callbacks are called from that loop, never from inside the call that asked.
 */
#ifndef RELAY_H
#define RELAY_H

#include <sys/types.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <stdint.h>

#include "deep.h"

struct event_base;
struct evbuffer;
struct ssl_st;
struct ssl_ctx_st;
struct worker;

/* Limits.  Those that an administrator may want to change are rows of config.in. */
#define REPLY_MAX	16384		/* octets of one reply, all its lines */
#define REPLY_LINE_MAX	510		/* octets of a reply line that we send (RFC 5321 4.5.3.1.5) */
#define PATH_MAX_OCTETS	1024		/* octets of a path; RFC 5321 says 256, SMTPUTF8 and VERP want more */
#define PARAMETER_MAX	1024		/* octets of one parameter's value: ORCPT has 500 */
#define HEADER_HOLD_MAX	65536		/* octets of a header that is held until it is known */
#define PIPELINE_MAX	128		/* commands towards a host that wait for their reply */
#define HOST_TRY_MAX	16		/* MX hosts of a domain that are considered */
#define ADDRESS_TRY_MAX	16		/* addresses of one host that are considered */
#define TLSA_MAX	32		/* TLSA records of one host that are considered */
#define FLOW_HIGH	65536		/* octets waiting to be sent at which reading stops */
#define FLOW_LOW	16384		/* and at which it goes on */

/*
 * smtp.c: commands, replies, message text.  Pure: slices in, slices or a
 * caller's buffer out (RFC 5321, 1870, 2920, 3030, 3461, 6531).
 */
enum smtp_verb {
	SMTP_UNKNOWN, SMTP_HELO, SMTP_EHLO, SMTP_STARTTLS, SMTP_MAIL, SMTP_RCPT,
	SMTP_DATA, SMTP_BDAT, SMTP_RSET, SMTP_NOOP, SMTP_VRFY, SMTP_QUIT, SMTP_HELP
};
/* Of a command line without its line end; *rest: what stands behind the verb. */
enum smtp_verb smtp_verb(struct deep_str line, struct deep_str *rest);
struct smtp_path {
	struct deep_str	 address;	/* "u@example.org", without <>, without a source route */
	struct deep_str	 domain;	/* behind its last "@"; empty: none */
	unsigned	 literal : 1;	/* the domain is an [address literal] */
};
/* "FROM:<path>" (keyword "FROM") off the front of *rest.  BAD, LIMIT: refuse it. */
enum deep_status smtp_path_next(struct deep_str *rest, const char *keyword, struct smtp_path *);
/* The next " NAME[=value]" off the front of *rest; NO: at the end; BAD. */
enum deep_status smtp_parameter_next(struct deep_str *rest, struct deep_str *name,
	    struct deep_str *value);
int	smtp_is_ascii(struct deep_str);		/* 1: no octet above 0x7f */
int	smtp_is_xtext(struct deep_str);		/* 1: xtext (RFC 3461 4), not empty */
#define SMTP_NOTIFY_NEVER	1u
#define SMTP_NOTIFY_SUCCESS	2u
#define SMTP_NOTIFY_FAILURE	4u
#define SMTP_NOTIFY_DELAY	8u
unsigned smtp_notify(struct deep_str);		/* 0: no such list */

struct smtp_reply {
	int		code;		/* 200 to 599 */
	struct deep_str	text;		/* all its lines, with codes and line ends */
	struct deep_str	status;		/* "4.7.10" of the first line; empty: none */
	size_t		lines;
};
/* A whole reply off the front of *rest.  NO: not all of it is there yet.  BAD:
 * this is no reply.  LIMIT: longer than REPLY_MAX. */
enum deep_status smtp_reply_next(struct deep_str *rest, struct smtp_reply *);
/* The reply as we pass it on: only printable ASCII, CRLF, lines of at most
 * REPLY_LINE_MAX octets.  status: replaces a missing one if not NULL. */
int	smtp_reply_emit(char *buf, size_t size, const struct smtp_reply *, const char *status);

#define SMTP_HAS_ESMTP		0x0001u
#define SMTP_HAS_STARTTLS	0x0002u
#define SMTP_HAS_SIZE		0x0004u
#define SMTP_HAS_8BITMIME	0x0008u
#define SMTP_HAS_SMTPUTF8	0x0010u
#define SMTP_HAS_PIPELINING	0x0020u
#define SMTP_HAS_DSN		0x0040u
#define SMTP_HAS_CHUNKING	0x0080u
unsigned smtp_offers(const struct smtp_reply *, struct deep_str *name);	/* of a reply to EHLO; *name: the host's */

/*
 * Message text, from the form of DATA (stuffed, ended by CRLF "." CRLF) or of
 * BDAT (octets as they are) into the form of DATA.  A CR or LF that is no
 * CRLF becomes one and never ends the text (SMTP smuggling).
 */
struct smtp_text {
	unsigned char	state;		/* all zero: at the start of DATA */
	unsigned	plain : 1;	/* the input is not stuffed and has no end (BDAT) */
	unsigned	ended : 1;	/* the end has been read; it is not written */
	unsigned	fixed : 1;	/* a lone CR or LF was met */
	uint64_t	octets;		/* written */
};
#define SMTP_TEXT_ROOM(n)	(2 * (n) + 8)	/* what n octets can become */
/* Takes octets of in, writes to out, which has SMTP_TEXT_ROOM(in.n); the answer:
 * octets taken, less than in.n only where the end was met. */
size_t	smtp_text(struct smtp_text *, struct deep_str in, char *out, size_t *written);
/* The octets at the front of in that come out as they are, in one piece: they are
 * passed over, and not written. */
size_t	smtp_text_same(struct smtp_text *, struct deep_str in);
/* What ends the text: "", CRLF or LF, and "." CRLF.  At most 5 octets. */
size_t	smtp_text_end(struct smtp_text *, char *out);

struct smtp_trace {			/* of our Received field */
	struct deep_str	helo, peer, by, id, forwhom;	/* peer: "[127.0.0.1]", forwhom may be empty */
	unsigned	esmtp : 1, utf8 : 1;
	struct deep_str	suite, group;	/* of the session with the client; empty: no TLS */
	int64_t		now;
};
int	smtp_received_emit(char *buf, size_t size, const struct smtp_trace *);
/* DEEP_BYPASS_* that the header of a message asks for (RFC 8689 5, RFC 8460 5.3). */
unsigned smtp_header_bypass(struct deep_str header);

/*
 * io.c: one connection: a socket, perhaps with TLS on it, and two buffers.
 */
struct io_calls {
	void	(*readable)(void *);		/* io->in has grown */
	void	(*drained)(void *);		/* io->out fell to FLOW_LOW or less */
	void	(*secured)(void *);		/* connected, or the handshake is done */
	/* The end; called once.  why: NULL: the peer closed, else the fault. */
	void	(*gone)(void *, const char *why);
};
struct io {
	struct event_base	*base;
	struct event		*reader, *writer, *timer;
	struct evbuffer		*in, *out;
	struct ssl_st		*ssl;		/* NULL: clear */
	const struct io_calls	*calls;
	void			*owner;
	size_t			 in_max;	/* octets that in takes */
	size_t			 room;		/* octets that the next read has room for */
	int			 fd;
	unsigned		 connecting : 1, handshaking : 1, paused : 1, over : 1,
				 full : 1, busy : 1, freed : 1, close_when_sent : 1,
				 emptied : 1,	/* the last read got all that was there */
				 half : 1,	/* the owner deals with the end of input itself: */
				 in_ended : 1;	/* readable() is called, and this is set */
	char			 why[160];
};
struct io *io_new(struct event_base *, int fd, const struct io_calls *, void *owner);	/* takes fd */
struct io *io_connect(struct event_base *, const struct sockaddr *, socklen_t,
	    const struct io_calls *, void *owner);
/* A handshake, as client or server; takes the SSL.  What is in io->in must have been dealt with. */
int	io_secure(struct io *, struct ssl_st *, int server);
void	io_flush(struct io *);			/* sends what is in io->out */
void	io_text(struct io *, const char *);	/* adds to io->out */
void	io_pause(struct io *, int);		/* stops, or goes on, reading */
int	io_is_full(const struct io *);		/* 1: io->in takes no more, and reading has to stop */
/* Lets the peer know at once what has come.  One that sends the end of a text in a piece of
 * its own, without TCP_NODELAY, waits for that, and we for its piece: 40 ms (RFC 1122). */
void	io_acknowledge(struct io *);
void	io_timeout(struct io *, int64_t milliseconds);	/* until gone("timed out"); 0: none */
void	io_finish(struct io *);			/* frees it when all is sent, within some seconds */
void	io_free(struct io *);			/* closes; NULL is fine */

/*
 * settings.c: deep.conf's [relay], read once.
 */
struct settings {
	struct deep_config	*config;
	const char		*listen, *allow, *name, *user, *resolver, *trust_anchor, *authorities,
				*next_hop, *certificate, *key, *metrics, *give_back,
				*hold_senders;
	int64_t			 workers, sessions, domain_sessions, line, recipients, port, keep,
				 kept, life, connect_timeout, route_timeout, drain, store_timeout;
	int			 inet, received, hold, syslog;
	int			 from_file;	/* 0: there is no deep.conf, all is default */
	char			 hostname[DEEP_DOMAIN_MAX + 1];
};
enum settings_hold { HOLD_NO, HOLD_YES, HOLD_LISTED };
/* Whether the header of mail of this sender is waited for where a latch is missing. */
int	settings_holds(const struct settings *, const char *sender);
enum settings_inet { INET_BOTH, INET_4, INET_6 };
/* NULL: *why says what is wrong, one line. */
struct settings *settings_read(const char *file, char why[512]);
void	settings_free(struct settings *);	/* NULL is fine */

/*
 * note.c: what is said: syslog(3) or standard error, one line each.
 */
void	note_open(int to_syslog);
void	note_process(void);			/* after a fork */
long	note_pid(void);				/* of this process */
void	note_gather(void);			/* from here on, what can wait waits for note_flush() */
void	note_flush(void);
void	note(int priority, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
/* deep_event_emit()'s line. */
void	note_event(const char *kind, const struct deep_key *, struct deep_str host, struct deep_str id,
	    deep_latches, const char *text);

/*
 * dns.c: libunbound, with DNSSEC.
 */
enum dns_status {
	DNS_FOUND, DNS_NODATA, DNS_NXDOMAIN,
	DNS_FAULT		/* no answer, SERVFAIL, or bogus: nothing is known */
};
struct dns_mx { unsigned preference; char host[DEEP_DOMAIN_MAX + 1]; };
struct dns_tlsa { uint8_t usage, selector, matching; uint16_t length; const unsigned char *data; };
struct dns_answer {
	enum dns_status	 status;
	int		 secure;	/* validated, of the absence of data too */
	int		 null_mx;
	char		 name[DEEP_DOMAIN_MAX + 1];	/* the last CNAME's target; "": none */
	const char	*why;		/* FAULT: one line; lives as long as the call */
	size_t		 n;
	union {
		struct dns_mx		mx[HOST_TRY_MAX];	/* by preference, equal ones shuffled */
		struct sockaddr_storage	address[ADDRESS_TRY_MAX];
		struct dns_tlsa		tlsa[TLSA_MAX];	/* data lives as long as the call */
	} is;
};
struct dns;
struct dns_query;
typedef void dns_call(void *, const struct dns_answer *);
struct dns *dns_new(struct event_base *, const struct settings *, char why[256]);
void	dns_free(struct dns *);
enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_MX = 15, DNS_AAAA = 28, DNS_TLSA = 52 };
/* NULL: could not even be asked. */
struct dns_query *dns_ask(struct dns *, const char *name, enum dns_type, dns_call *, void *);
void	dns_cancel(struct dns_query *);		/* NULL is fine */
/* Pure: the data of one record; 0: not of this form. */
int	dns_read_mx(const unsigned char *, size_t, struct dns_mx *);
int	dns_read_tlsa(const unsigned char *, size_t, struct dns_tlsa *);

/*
 * verify.c: contexts, PKIX and DANE.
 */
struct verify_names {			/* what a certificate may be for */
	const char	*domain;	/* the draft's own rule */
	const char	*host;		/* the MX host, or the TLSA base domain */
	unsigned	 host_safe : 1;	/* the host's name came by DNSSEC */
	unsigned	 no_tlsa : 1;	/* proved: there is no TLSA record */
};
struct ssl_ctx_st *verify_client(const struct settings *, char why[256]);
struct ssl_ctx_st *verify_server(const struct settings *, char why[256]);
/* A connection to be; records: usable or not, of the host; *usable: of them. */
struct ssl_st *verify_new(struct ssl_ctx_st *, const struct verify_names *, deep_latches required,
	    const struct dns_tlsa *, size_t n, size_t *usable);
/* After the handshake. */
void	verify_facts(struct ssl_st *, const struct verify_names *, struct deep_session *,
	    char matched[DEEP_DOMAIN_MAX + 1]);

/*
 * latch.c: the store, in a process of its own, asked over a socket pair, so
 * that a lock that is waited for stops nobody's mail.
 */
struct latch;
struct latch_answer {
	enum deep_status	 status;	/* YES, NO: known; else the store cannot be read */
	const struct deep_record *record;

	const char		*error;
};
typedef void latch_call(void *, const struct latch_answer *);
struct latch_query;
void	latch_keeper(int fd, const struct settings *) __attribute__((__noreturn__));	/* the process */
struct latch *latch_new(struct event_base *, int fd, const struct settings *);
void	latch_free(struct latch *);
/* The answer to who asked less than a second ago, until the next call; NULL: nobody did. */
const struct deep_record *latch_known(struct latch *, const struct deep_key *);
struct latch_query *latch_get(struct latch *, const struct deep_key *, latch_call *, void *);	/* NULL: cannot be asked */
void	latch_cancel(struct latch_query *);	/* NULL is fine */
/* -1: it could not be handed over, which has been said, and may be tried again. */
int	latch_learn(struct latch *, const struct deep_key *, const struct deep_session *,
	    const char *host, const char *id);
void	latch_log(struct latch *, const char *kind, const struct deep_key *, const char *host,
	    deep_latches, const char *text);

/*
 * upstream.c: one SMTP session with a host, up to and past STARTTLS.
 */
enum upstream_for {			/* what a reply is for */
	FOR_GREETING, FOR_EHLO, FOR_HELO, FOR_STARTTLS, FOR_MAIL, FOR_RCPT, FOR_DATA, FOR_TEXT,
	FOR_RSET, FOR_QUIT
};
enum upstream_fault {
	FAULT_NONE, FAULT_CONNECT, FAULT_TIMEOUT, FAULT_CLOSED, FAULT_PROTOCOL, FAULT_REFUSED,
	FAULT_TLS, FAULT_INJECTED, FAULT_LOOP
};
struct upstream_plan {			/* where to, and what must hold */
	struct sockaddr_storage	 address;
	char			 host[DEEP_DOMAIN_MAX + 1];
	struct verify_names	 names;		/* points into strings that outlive the session's start */
	deep_latches		 required;
	const struct dns_tlsa	*tlsa;
	size_t			 ntlsa;
	unsigned		 clear : 1,	/* do not even try STARTTLS */
				 single : 1;	/* for one transaction: not for others to use */
};
struct upstream;
struct upstream_calls {
	void	(*ready)(void *, struct upstream *);	/* after EHLO, and TLS where there is any */
	void	(*reply)(void *, struct upstream *, enum upstream_for, const struct smtp_reply *);
	void	(*drained)(void *, struct upstream *);
	/* The end; it is freed behind this call.  reply: what it refused with, or NULL. */
	void	(*gone)(void *, struct upstream *, enum upstream_fault, const char *why,
		    const struct smtp_reply *);
};
struct upstream {
	struct worker		*worker;
	struct io		*io;
	const struct upstream_calls *calls;
	void			*owner;
	char			 host[DEEP_DOMAIN_MAX + 1], domain[DEEP_DOMAIN_MAX + 1];
	char			 matched[DEEP_DOMAIN_MAX + 1];	/* the certificate's name that counted */
	char			 address[64];
	char			 words[96];	/* "TLSv1.3:TLS_AES_256_GCM_SHA384:x25519"; "clear" */
	struct deep_session	 session;
	unsigned		 offers;
	size_t			 usable;	/* TLSA records */
	unsigned char		 wait[PIPELINE_MAX];	/* enum upstream_for, a ring */
	unsigned		 first, waiting;
	unsigned		 ready : 1, learnt : 1, in_text : 1, dirty : 1, clear : 1, single : 1;
	unsigned		 busy : 1, dead : 1, greeted : 1, served : 1;	/* served: it has answered a MAIL */
	struct upstream		*next;		/* among the idle ones, newest first */
	struct event		*rest;		/* until it has been idle for long enough; NULL: never was */
	int64_t			 until;		/* when it is too old for another transaction */
	/* until it is ready; of the one who made it */
	struct verify_names	 names;
	deep_latches		 required;
	const struct dns_tlsa	*tlsa;
	size_t			 ntlsa;
	/* whose latches are learnt from it; no service: nobody's */
	struct deep_key		 key;
	struct deep_policy	 policy;
	unsigned		 has_key : 1, learns : 1;
};
/* For a domain that worker_enter() let in; worker_leave() is called here. */
struct upstream *upstream_new(struct worker *, const struct upstream_plan *, const char *domain,
	    const struct upstream_calls *, void *owner);
int	upstream_room(const struct upstream *);	/* commands that may still be sent */
void	upstream_say(struct upstream *, enum upstream_for, const char *line);	/* line with CRLF */
void	upstream_free(struct upstream *);	/* QUIT where it can be said; NULL is fine */
/* Sessions that are kept a while for the next transaction of their domain. */
void	upstream_keep(struct upstream *);	/* takes it; a session in mid-transaction is freed */
struct upstream *upstream_kept(struct worker *, const char *domain);	/* NULL: there is none */
void	upstream_take(struct upstream *, const struct upstream_calls *, void *owner);
void	upstream_drop_idle(struct worker *);

/*
 * route.c: the way to a domain: its hosts, its latches, and a session that
 * meets them, or the reply that says why there is none.
 */
struct route;
struct route_calls {
	void	(*ready)(void *, struct upstream *);	/* the session is the caller's now */
	/* reply: "451 4.7.10 ...", no line end; policy: a latch, or TLSA, is all that is in
	 * the way */
	void	(*failed)(void *, const char *reply, int policy);
};
struct route *route_new(struct worker *, const char *domain, int literal, unsigned bypass,
	    const char *id, const struct route_calls *, void *owner);
void	route_free(struct route *);		/* NULL is fine */
/* A kept session of that domain which has all that is latched, the caller's now; NULL:
 * there is none, or that cannot be said without asking. */
struct upstream *route_kept(struct worker *, const char *domain);

/* relayed.c: the "relayed" DSN of RFC 3461 5.2.2 for hosts without DSN. */
struct relayed {
	struct deep_str	from;			/* the envelope sender, who gets it */
	struct deep_str	envid;			/* as given; empty: none */
	struct deep_str	host;			/* that took the message */
	struct deep_str	reply;			/* what it said */
	int64_t		now;
	const struct relayed_to { char *address, *orcpt; struct relayed_to *next; } *to;
	struct deep_str	header;			/* of the message */
	unsigned	utf8 : 1;
};
int	relayed_emit(char *buf, size_t size, const struct settings *, const struct relayed *, const char *id);
/* To the address that [relay] return names; takes text (malloc). */
void	relayed_send(struct worker *, const char *to, char *text, const char *id, int utf8);

/* client.c: a session with the MTA that hands us mail. */
struct client;
void	client_new(struct worker *, int fd, const struct sockaddr *);	/* takes fd */
void	client_drain(struct worker *);		/* all of them end after their transaction */
void	client_free_all(struct worker *);

/* listen.c: sockets that are listened on. */
struct listener { int fd; unsigned loopback_only : 1, is_unix : 1; char *path; };
struct listeners { struct listener *is; size_t n; };
int	listen_open(struct listeners *, const char *list, char why[512]);	/* 0; -1 */
int	listen_inherit(struct listeners *);	/* systemd's; the number of them */
void	listen_close(struct listeners *);
int	listen_allowed(const struct listener *, int fd, const struct sockaddr *, const char *allow);
int	listen_address(const char *text, int port, struct sockaddr_storage *, socklen_t *);	/* 0; -1 */

/* metrics.c: counters in memory that all processes share, one row a worker. */
enum metric {
	METRIC_CLIENTS, METRIC_CLIENTS_NOW, METRIC_REFUSED_PEERS, METRIC_MESSAGES, METRIC_RECIPIENTS,
	METRIC_OCTETS, METRIC_TEMPORARY, METRIC_PERMANENT, METRIC_UPSTREAMS, METRIC_UPSTREAMS_NOW,
	METRIC_REUSED, METRIC_CLEAR, METRIC_TLS, METRIC_CERT, METRIC_DANE, METRIC_LATCH_REFUSALS,
	METRIC_HOSTS_SKIPPED, METRIC_BYPASSED, METRIC_LEARNT, METRIC_FACTS_LOST, METRIC_STORE_FAULTS,
	METRIC_DNS_FAULTS, METRIC_TLS_FAULTS, METRIC_INJECTIONS, METRIC_TEXT_FIXED, METRIC_RELAYED, METRIC_COUNT
};
void	metric_open(unsigned rows);		/* before the first fork */
void	metric_row(unsigned);			/* this process's */
void	metric(enum metric, int64_t add);
int	metric_emit(char *buf, size_t size);	/* Prometheus's text format 0.0.4 */
void	metric_gone(unsigned);			/* the worker of that row is no more */
void	metric_server(int fd, const struct settings *) __attribute__((__noreturn__));

/* sandbox.c */
int	sandbox_user(const char *user, char why[256]);	/* becomes it; 0; -1 */
/* Of the file system only what a worker, or the store's process, needs; no new privileges. */
void	sandbox_close(const struct settings *, int keeper);

/* worker.c */
struct worker {
	struct event_base	*base;
	const struct settings	*settings;
	struct dns		*dns;
	struct latch		*latch;
	struct ssl_ctx_st	*out, *in;	/* in NULL: no STARTTLS for clients */
	struct client		*clients;
	size_t			 nclients;
	struct upstream		*idle;
	size_t			 nidle;
	struct counted		*counted[256];	/* sessions by domain, for their limit */
	struct event		*accepts[64];	/* one for each listener */
	size_t			 naccepts;
	const struct listeners	*listeners;
	struct event		*term, *drain;
	uint64_t		 serial;
	unsigned		 draining : 1;
};
void	worker_run(const struct settings *, const struct listeners *, int keeper)
	    __attribute__((__noreturn__));
void	worker_id(struct worker *, char id[32]);	/* a new id for a transaction */
void	worker_rest(struct worker *);		/* a client is gone; ends where draining is over */
int64_t	worker_now(void);			/* monotonic, milliseconds */
/* Sessions towards a domain; 0: one more is too many. */
int	worker_enter(struct worker *, const char *domain);
void	worker_leave(struct worker *, const char *domain);

#endif
