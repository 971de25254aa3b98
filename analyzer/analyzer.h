/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * analyzer.h - what the files of deeptrace(1) know of each other.  The order
 * is the order of the work: bytes, messages, parts, reports, hops, path, output.
 */
#ifndef ANALYZER_H
#define ANALYZER_H

#include <sys/types.h>

#include <stdint.h>
#include <stdio.h>

#include "deep.h"

/* Limits, each tested on both sides.  What passes one is flagged, and the rest
 * is still analysed.  deep.h has those of a single field. */
#define MESSAGE_MAX	(64 * 1024 * 1024)	/* octets of one message that are kept */
#define HEADER_MAX	(1024 * 1024)		/* octets of one header block */
#define RECEIVED_MAX	1000			/* Received fields of one message */
#define MIME_DEPTH_MAX	8			/* multiparts and messages in each other */
#define MIME_PART_MAX	100			/* leaf parts of one message */
#define BOUNDARY_MAX	70			/* octets in a boundary (RFC 2046 5.1.1) */
#define RECIPIENT_MAX	1000			/* recipient groups of one report */

/* arena.c: memory that lives as long as one message is worked on. */
struct arena;
struct arena *arena_new(void);			/* exits with EX_OSERR where memory is short */
void	*arena_get(struct arena *, size_t);	/* zeroed, aligned; as above; never NULL */
void	 arena_reset(struct arena *);		/* everything given out is gone */
void	 arena_free(struct arena *);		/* NULL is fine */

/*
 * input.c: files, standard input ("-"), mbox (mboxo, mboxrd, mboxcl) and
 * Maildir folders, one message at a time, in constant memory.
 */
struct message {
	struct deep_str	 text;		/* lines end in LF or CRLF, whatever the file had;
					 * lives until the next input_next() */
	const char	*file;		/* the name that was given, or the file in the folder;
					 * lives as long as the text */
	int64_t		 offset;	/* in it, of the message or of its "From " line, octets */
	unsigned	 truncated : 1;	/* longer than MESSAGE_MAX, the rest was left out */
};
struct input;
/* NULL and a message on standard error where the path cannot be opened. */
struct input *input_open(const char *path);
/* YES: a message.  NO: the end.  BAD: a read error, already said on standard
 * error; a Maildir goes on with its next file. */
enum deep_status input_next(struct input *, struct message *);
void	input_close(struct input *);		/* NULL is fine */

/*
 * mime.c: the parts of a message, depth first (RFC 2045, RFC 2046), without
 * recursion.  Multiparts themselves are not given out.  A message/rfc822 or
 * message/global is given out as a part, and its own parts follow where the
 * caller says mime_enter().
 */
struct part {
	struct deep_str	type;		/* "text/plain": type/subtype as written, parameters cut */
	struct deep_str	encoding;	/* Content-Transfer-Encoding, or empty */
	struct deep_str	header;		/* fields, without the empty line */
	struct deep_str	body;		/* undecoded */
	struct deep_str	edge;		/* boundary of the multipart around it; in struct mime */
	int		depth;		/* 0: the message itself */
};
struct mime {
	struct level {			/* a multipart, or a message that was entered */
		char		edge[BOUNDARY_MAX + 1];
		size_t		nedge;		/* 0: a message */
		unsigned	digest : 1;	/* its parts are messages where they say nothing */
	}		level[MIME_DEPTH_MAX];
	int		depth;			/* levels in use */
	int		parts;			/* leaves given out */
	struct deep_str	rest;			/* of the message, unread; starts at a line */
	struct deep_str	inside;			/* what mime_enter() would open */
	unsigned	open : 1;		/* an entity begins at rest */
	unsigned	message : 1;		/* and it is a message */
	unsigned	refused : 1;		/* mime_enter() would pass MIME_DEPTH_MAX */
};
void	mime_start(struct mime *, struct deep_str message);
/* YES: a part.  NO: no more.  LIMIT: a limit above was passed, the fault names
 * it; going on gives what is within the limits.  Where a part can be given out
 * for all that (a multipart that is not opened, a header that was cut), it is
 * filled; else its type.p is NULL. */
enum deep_status mime_next(struct mime *, struct part *, struct deep_fault *);
void	mime_enter(struct mime *);		/* go on inside the part just given out */
/* The body with base64 or quoted-printable undone; the body itself where there
 * is nothing to undo.  Bad sequences stay as they are. */
struct deep_str part_decode(const struct part *, struct arena *);

/* What dsn.c reads with, too. */
const char *line_end(const char *p, const char *end);	/* behind the LF of the line at p */
int	hex_digit(char);				/* its value; -1: it is none */

/*
 * dsn.c: delivery status notifications (RFC 3464, RFC 6533), recognised by
 * their delivery-status part whatever stands around it, and old bounces that
 * carry the original header inline behind a known line (markers.in).
 */
struct recipient {
	struct deep_str	final, original;	/* "rfc822;" and "utf-8;" cut and decoded */
	struct deep_str	action;			/* lower case, its comment cut */
	struct deep_str	status;			/* its comment cut */
	struct deep_str	remote_mta;		/* "dns;" cut */
	struct deep_str	diagnostic;		/* "smtp;" kept */
	struct deep_str	latches;		/* SMTP-Security-Latch, unfolded; deep_latch_next() reads it */
};
struct dsn {
	unsigned	 found : 1;		/* there is a delivery-status part */
	unsigned	 inline_header : 1;	/* returned was found behind a marker line */
	unsigned	 limited : 1;		/* some limit was passed: see why */
	const char	*why;
	struct deep_str	 reporting_mta;		/* "dns;" cut */
	struct deep_str	 envelope_id;
	struct deep_str	 arrival_date;		/* as written */
	struct recipient *rcpt;
	size_t		 nrcpt;
	struct deep_str	 returned;		/* header of the returned message; p NULL: none */
	struct deep_str	 boundary_hint;		/* of the multipart around it: who made the report */
};
/* All strings are unfolded and live in the message or the arena.  Answers NO
 * where the message is neither a DSN nor an old bounce. */
enum deep_status dsn_read(struct deep_str message, struct arena *, struct dsn *);

/*
 * dialect.c: what MTAs write about TLS beside the tls clause, one row a
 * dialect (dialects.in), more from a file.
 */
enum place { PLACE_COMMENT, PLACE_BESIDE, PLACE_DATE, PLACE_WITH, PLACE_BY, PLACE_VIA, PLACES };
enum says { SAYS_TLS, SAYS_CLEAR, SAYS_ASIDE, SAYS_OTHER };
enum fact { FACT_VERSION, FACT_SUITE, FACT_BITS, FACT_GROUP, FACT_CLIENT, FACTS };
struct finding {
	const char	*dialect;
	enum says	 says;
	enum place	 place;
	struct deep_str	 fact[FACTS];		/* as written; p NULL: not said */
};
struct dialects;
struct dialects *dialects_new(void);		/* the rows of dialects.in */
/* Rows of a file, tried before the others: "name place head pattern", one a
 * line, see deeptrace(1).  Answers 0, or -1 after an error on standard error. */
int	dialects_add(struct dialects *, const char *file);
/* The first row that fits the text; NO where none does. */
enum deep_status dialects_match(struct dialects *, enum place, struct deep_str,
	    struct finding *);
void	dialects_free(struct dialects *);	/* NULL is fine */

/*
 * hop.c: one Received field, and what is recorded in it about TLS.
 */
enum verdict {		/* the worse the later, for the worst hop of a path */
	VERDICT_LOCAL, VERDICT_STRONG, VERDICT_TLS, VERDICT_UNKNOWN, VERDICT_WEAK, VERDICT_CLEAR
};
enum client { CLIENT_UNKNOWN, CLIENT_NONE, CLIENT_UNVERIFIED, CLIENT_VERIFIED };
#define FLAG_VERSION_INFERRED	0x00001	/* the suite needs that version at least */
#define FLAG_VERSION_AMBIGUOUS	0x00002	/* "TLSv1/SSLv3" beside a suite of all versions */
#define FLAG_SUITE_UNKNOWN	0x00004	/* a suite is named, but no registry knows it */
#define FLAG_SUITE_VERSION	0x00008	/* the suite does not belong to the version */
#define FLAG_ANONYMOUS		0x00010
#define FLAG_DISCOURAGED	0x00020	/* IANA: D */
#define FLAG_OBSOLETE		0x00040	/* RFC 9325: must not, or should not, be used */
#define FLAG_CONTRADICTION	0x00080	/* two statements of one field disagree */
#define FLAG_GAP		0x00100	/* not the host that wrote the hop before */
#define FLAG_CLOCK		0x00200	/* a minute or more before the hop before */
#define FLAG_NO_DATE		0x00400
#define FLAG_NO_FROM		0x00800
#define FLAG_NO_BY		0x01000
#define FLAG_FAULT		0x02000	/* breaks the grammar; what could be read is shown */
#define FLAG_LIMIT		0x04000	/* passes a limit of deep.h */
#define FLAG_NOT_TLS		0x08000	/* encrypted by something that is not TLS */
#define FLAGS			16
extern const char *const flag_names[FLAGS];	/* by bit */
extern const char *const verdict_names[];	/* by enum verdict */
extern const char *const client_names[];	/* by enum client */
#define EVIDENCE_CLAUSE		0x1
#define EVIDENCE_COMMENT	0x2
#define EVIDENCE_WITH		0x4
struct hop {
	struct deep_str	 raw;		/* the value, unfolded */
	struct deep_str	 from, from_ip, by, via, with, id, rcpt;	/* p NULL: not there */
	struct deep_str	 from_rdns;	/* the name in the comment behind from */
	struct deep_date date;
	int64_t		 delay;		/* seconds after the hop before */
	unsigned	 has_date : 1, has_delay : 1, is_tls : 1, has_trust : 1, trusted : 1;
	int		 version;	/* DEEP_SSL2 to DEEP_TLS1_3; 0: not recorded */
	const struct deep_suite *suite;	/* NULL: not recorded or not registered */
	struct deep_str	 suite_text;	/* as written, p NULL: not recorded */
	struct deep_str	 group_text;	/* as written */
	const struct deep_group *group;
	int		 bits;		/* 0: not recorded */
	enum client	 client;
	const char	*dialect;	/* NULL: none */
	unsigned	 evidence, flags;
	enum verdict	 verdict;
	deep_latches	 latches;	/* that this hop satisfies, as far as recorded */
};
/* A field's value on one line, one space for each run of white space. */
struct deep_str flat(struct deep_str value, struct arena *);
void	hop_read(struct hop *, struct deep_str value, struct dialects *, struct arena *);

/*
 * path.c: a chain of hops, origin first.
 */
struct path {
	struct deep_str	 message_id;	/* of the same header */
	struct hop	*hop;
	size_t		 nhop;
	enum verdict	 verdict;
	deep_latches	 latches;	/* that all hops outside "local" satisfy */
	unsigned	 complete : 1;
	const char	*why[16];	/* what is missing */
	size_t		 nwhy;
};
struct trust {
	char	(*host)[DEEP_DOMAIN_MAX + 1];	/* names as deep_domain_key() makes them */
	size_t	  nhost;
};
/* Collects the chain of a header block and judges it; dsn NULL for a message. */
/* Says that the path is incomplete, and why; constant text, once each. */
void	path_lacks(struct path *, const char *why);
void	path_read(struct path *, struct deep_str header, const struct dsn *,
	    const struct trust *, struct dialects *, struct arena *);

/*
 * What one message gave, and how it is shown: text.c and json.c, found by name
 * in output.c.
 */
struct analysis {
	const struct message	*source;
	struct deep_str		 message_id;	/* of what was sent, not of a report about it */
	struct dsn		 dsn;		/* found or inline_header: a DSN */
	struct path		 path, way_back;
	unsigned		 is_dsn : 1;
};
struct output {
	const char	*name;
	void		(*show)(FILE *, const struct analysis *);
};
const struct output *output_find(const char *name);	/* NULL: there is no such form */
struct style {
	unsigned	colour : 1;
	unsigned	utf8 : 1;
};
extern struct style style;			/* of the text output, set once at the start */
extern const struct output output_text, output_json;

#endif
