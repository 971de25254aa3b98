/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * osmtpd.h - what the files of modules/opensmtpd share.
 *
 * filter-deep and table-deep are two processes and a keeper each.  The first
 * speaks smtpd's protocol and has no file, no store and no network; the second
 * has the store and is all that may have to wait; the keeper starts the second
 * again should it die.  So a lock in the store, a slow disk or a Redis server
 * that is away never holds up a line of mail, and the process that reads what
 * strangers wrote cannot reach the latches but through these requests.
 *
 *	lines.c		lines in and out, bounded
 *	filter.c	smtpd-filters(7): sessions, and what is made of them
 *	bounce.c	the DSNs of smtpd
 *	stamp.c		the Received field of smtpd
 *	table.c		smtpd-tables(7)
 *	address.c	a loopback address for a domain
 *	worker.c	the second process, and requests to it
 *	backlog.c	what the store has still to take
 *	keep.c		what the second process does
 *	filter_main.c, table_main.c
 */
#ifndef OSMTPD_H
#define OSMTPD_H

#include <sys/types.h>

#include "deep.h"

#ifndef DEEP_SYSCONFDIR		/* the Makefile knows better */
#define DEEP_SYSCONFDIR	"/etc"
#endif

/* Limits. */
#define OSMTPD_LINE_MAX	  (256 * 1024)	/* octets of a line that is held whole; smtpd's are below 66000 */
#define OSMTPD_OUT_FULL	  (1024 * 1024)	/* octets that wait for smtpd: no more is read until they are fewer */
#define OSMTPD_SESSIONS	  32768		/* sessions that are known at a time: the one longest not seen goes first */
#define OSMTPD_ASK_MAX	  256		/* recipients of a DSN that the store is asked for */
#define OSMTPD_RCPT_MAX	  1024		/* recipients of a DSN that are looked at */
#define OSMTPD_QUEUE_MAX  (4 * 1024 * 1024)	/* octets of requests that wait for the second process */
#define OSMTPD_REQUEST	  8192		/* octets of a request or an answer */
#define OSMTPD_BACKLOG	  (1024 * 1024)	/* octets of requests that wait for the store: about 7000 */
#define OSMTPD_DIAGNOSTIC 900		/* octets of a Diagnostic-Code, with a NUL */
#define OSMTPD_ADDRESS	  512		/* octets of a mail address that is a key */
#define OSMTPD_HOLD_MORE  (8 * 1024 * 1024)	/* octets of a DSN behind its head, while the store is asked */
#define OSMTPD_HOLD_ALL	  (64 * 1024 * 1024)	/* octets of all DSNs that are held at a time */

/*
 * lines.c
 */
struct text {			/* grows */
	char	*p;
	size_t	 n, room;
};
int	text_add(struct text *, const char *, size_t);		/* 0, or -1: no memory, as it was */
void	text_free(struct text *);

struct intake {			/* reads lines; zeroed to begin */
	struct text	text;
	size_t		at;	/* taken up to here */
	int		long_line;	/* parts of one are being given */
};
/* A line without its end; of one longer than OSMTPD_LINE_MAX parts, `last` with the last of them. */
typedef void intake_line(void *, struct deep_str, int first, int last);
/* What one read(2) brings.  1: go on; 0: end of file; -1: an error, in errno. */
int	intake_read(struct intake *, int fd, intake_line *, void *);
/* The same for octets in memory. */
int	intake_give(struct intake *, const char *, size_t, intake_line *, void *);

struct outlet {			/* writes; zeroed to begin */
	struct text	text;
	size_t		at;
	int		fd;
};
void	outlet_add(struct outlet *, const char *, size_t);	/* waits where there is no memory */
int	outlet_flush(struct outlet *);		/* 0, or -1: the reader is gone */
size_t	outlet_waiting(const struct outlet *);

/* Takes a part up to the next "|" off the front of *rest; p NULL: none is left. */
struct deep_str line_part(struct deep_str *rest);
int	line_hex(struct deep_str, uint64_t *);	/* 1 to 16 digits: 0; else -1 */
int64_t	now_ms(void);				/* of a clock that is never set */
/* A line for the administrator, on standard error, which smtpd logs of a filter; with a
 * name, as of a table, to syslog(3) too. */
void	say_to_syslog(const char *name);
/* Says which word getopt_long(3) did not take; EX_USAGE. */
int	bad_option(const char *program, char *argv[]);
void	say(const char *, ...) __attribute__((__format__(__printf__, 1, 2)));

/*
 * worker.c: requests.  One datagram each, so that a second process that is
 * started anew begins with a whole one.
 */
enum request_kind {
	ASK_LEARN,	/* service name; words host address: what a transfer showed */
	ASK_HELD,	/* msgid recipient status text, latches: a recipient was held back */
	ASK_FREE,	/* msgid recipient: refused for another reason */
	ASK_FAILED,	/* host: a session without TLS, or with a failed handshake, before MAIL */
	ASK_WHY,	/* msgid recipient, noted: answered */
	ASK_INBOUND,	/* name words: answered */
	ASK_DOMAIN,	/* name, latches: answered */
	ASK_PLACE,	/* domain address: the address that a domain has got */
	ASK_PLACES	/* all of them: an answer each, the last with verdict DEEP_NO */
};
#define REQUEST_TEXTS	5
struct request {
	enum request_kind	kind;
	enum deep_service	service;
	uint64_t		session;	/* the answer carries these */
	uint32_t		number;
	int			noted;		/* ASK_WHY: what deep-relay said may be the reason */
	deep_latches		latches;
	const char		*text[REQUEST_TEXTS];	/* in the order above; NULL: "" */
};
struct answer {
	enum request_kind	kind;
	uint64_t		session;
	uint32_t		number;
	enum deep_status	verdict;
	deep_latches		latches;
	const char		*text[REQUEST_TEXTS];	/* WHY: status, diagnostic; PLACES: domain, address */
};
struct worker {
	int		fd;		/* to the second process; -1: none */
	pid_t		keeper;
	struct text	queue;		/* requests that wait: a size_t and the octets of each */
	size_t		at;
	char		buf[OSMTPD_REQUEST];	/* of the last answer */
};
/* config: deep.conf or NULL; user: who it is to be where this is root.  0, or -1. */
int	worker_start(struct worker *, const char *config, const char *user);
int	worker_ask(struct worker *, const struct request *);	/* 0; -1: there is no room */
int	worker_flush(struct worker *);		/* 0; 1: more waits for room */
/* YES: an answer; its texts live until the next call.  NO: none yet.  BAD: none, go on.
 * FAIL: there will be none any more. */
enum deep_status worker_answer(struct worker *, struct answer *);
/* The answer to the request of this number (0: none; what other() says ends it).  NO: not
 * until this time, by now_ms().  What else comes goes to other(). */
enum deep_status worker_await(struct worker *, uint32_t number, int64_t until, struct answer *,
	    int (*other)(void *, const struct answer *), void *);
int	request_pack(char *buf, size_t size, const struct request *);	/* its octets, or -1 */
int	request_unpack(struct request *, const char *buf, size_t n);	/* 0, or -1; points into buf */
int	answer_send(int fd, const struct answer *);			/* 0, or -1 */
/* No file from here on, and, where this is root, the user, below this folder (NULL: all).
 * 0, or -1: it stays root, which is said. */
int	give_up(const char *program, const char *user, const char *folder);

/*
 * backlog.c: requests that wait for the store, in memory that outlives a process.
 */
struct backlog;
struct backlog *backlog_new(void);		/* NULL: no memory */
void	backlog_free(struct backlog *);
int	backlog_begin(struct backlog *);	/* a new process: 1 where it had to give one up */
int	backlog_put(struct backlog *, const char *, size_t);	/* how many older ones were dropped */
size_t	backlog_next(struct backlog *, char *buf, size_t size);	/* its octets; 0: there is none */
void	backlog_done(struct backlog *);		/* with that one */
void	backlog_later(struct backlog *);	/* it goes behind the others */
void	backlog_each(const struct backlog *, void (*)(void *, const char *, size_t), void *);
size_t	backlog_count(const struct backlog *);

/*
 * keep.c: what the second process does.
 */
struct keep;
struct keep *keep_new(const char *config, int fd, const struct backlog *);	/* NULL: no memory */
void	keep_open(struct keep *);		/* settings, store, and then the confinement */
int	keep_answers(enum request_kind);	/* 1: it is answered; 0: it may wait */
/* NO: the store could not take it now. */
enum deep_status keep_serve(struct keep *, const struct request *);
int	keep_leaves(const struct keep *);	/* 1: only a new process reaches the store */
void	keep_free(struct keep *);

/*
 * bounce.c: DSNs that smtpd made, line by line, and rewritten.
 */
struct bounce_rcpt {
	struct deep_str	group;		/* of the head: the fields of this recipient */
	struct deep_str	address;
	struct deep_str	error;		/* smtpd's words, from the first part */
	int		delayed;	/* else failed */
	int		expired;	/* by smtpd's words */
};
enum bounce_is { BOUNCE_MORE, BOUNCE_READY, BOUNCE_NONE };
struct bounce {			/* zeroed to begin */
	int		state;
	int		delimiters;	/* seen */
	int		received;	/* inside the first Received of what is returned */
	int		subject, sender, mixed;
	char		boundary[320];
};
/* The next line of a message.  READY: all that matters has been seen with this
 * line.  NONE: it is no DSN of smtpd. */
enum bounce_is bounce_line(struct bounce *, struct deep_str line);
struct bounce_told {		/* the texts of a change */
	char	status[DEEP_STATUS_MAX + 1];
	char	diagnostic[OSMTPD_DIAGNOSTIC];
};
struct bounce_head {
	struct deep_str		 all;
	struct deep_str		 type;		/* the Content-Type field with its line end */
	struct deep_str		 subject;	/* the field's value */
	struct deep_str		 notice;	/* the first part's text */
	char			 boundary[320];
	char			 msgid[9];	/* of the returned message; "" unknown */
	struct bounce_rcpt	*rcpt;		/* malloc()ed */
	size_t			 nrcpt;
	struct deep_dsngroup_change *change;	/* by bounce_room(): one for each */
	struct bounce_told	*told;
};
/* NO: nothing in it is ours to change.  FAIL: no memory. */
enum deep_status bounce_read(struct bounce_head *, struct deep_str all);
int	bounce_room(struct bounce_head *);	/* for change and told, no change yet: 0, or -1 */
void	bounce_free(struct bounce_head *);
/* The latches that a reply of deep-relay names, with its status; 0: none. */
deep_latches bounce_latches(struct deep_str error, char *status, size_t size);
/* change[i] is for rcpt[i].  0, or -1: no memory, or a head that cannot be. */
int	bounce_write(struct text *, const struct bounce_head *,
	    const struct deep_dsngroup_change *change);

/*
 * stamp.c: the tls clause in smtpd's own Received field, while its lines pass.
 */
struct stamp { enum { STAMP_BEFORE, STAMP_FIRST, STAMP_OWN, STAMP_DONE } state; };
/* The line as it is to be (in buf where it is changed). */
struct deep_str stamp_line(struct stamp *, struct deep_str line, const char *msgid,
	    const char *words, char *buf, size_t size);

/*
 * filter.c
 */
struct filter_settings {		/* 1: yes */
	int	dsn;			/* rewrite DSNs */
	int	received;		/* the tls clause in Received */
	int	relay;			/* look at smtp-out */
	int	learn;			/* and learn from it */
	int	inbound;		/* 0 off, 1 observe, 2 reject */
	size_t	dsn_max;		/* octets of a DSN's head */
	int64_t	patience;		/* ms that the store may take */
};
struct filter_calls {
	void	*context;
	void   (*out)(void *, const char *, size_t);
	int    (*ask)(void *, const struct request *);	/* 0; -1: cannot be asked */
};
struct filter;
struct filter *filter_new(const struct filter_settings *, const struct filter_calls *);
void	filter_line(struct filter *, struct deep_str, int first, int last);	/* as intake_line */
void	filter_answer(struct filter *, const struct answer *);
int64_t	filter_wait(const struct filter *, int64_t now);	/* ms until filter_late(); -1: nothing waits */
void	filter_late(struct filter *, int64_t now);
size_t	filter_sessions(const struct filter *);
void	filter_free(struct filter *);

/*
 * address.c: addresses of 127/8, one for each domain.
 */
struct addresses;
struct addresses *addresses_new(uint32_t net, unsigned bits);	/* NULL: no memory, or no such net */
/* The address of a domain, in host order.  *first: it was not asked for before.  Where
 * too many are taken, or there is no memory, domains share one. */
uint32_t addresses_get(struct addresses *, const char *domain, int *first);
/* One that was given before.  NO: it is another domain's, or out of the net. */
enum deep_status addresses_set(struct addresses *, const char *domain, uint32_t);
int	addresses_net(const char *text, uint32_t *net, unsigned *bits);	/* "127.64.0.0/10": 0, else -1 */
size_t	addresses_count(const struct addresses *);
void	addresses_free(struct addresses *);

/*
 * table.c
 */
struct table_calls {
	void		*context;
	void	       (*out)(void *, const char *, size_t);
	/* YES, NO or FAIL, with one line about it: whether the domain needs all of these */
	enum deep_status (*domain)(void *, const char *domain, deep_latches, char *why, size_t);
	uint32_t       (*address)(void *, const char *domain);
	int		 port;
};
struct table {
	struct table_calls	calls;
	deep_latches		latches;	/* of the table's name */
	char			name[256];
	int			ready;
};
void	table_line(struct table *, struct deep_str, int first, int last);

#endif
