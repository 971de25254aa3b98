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

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

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
void	*arena_text(struct arena *, size_t);	/* likewise, but not zeroed */
void	 arena_less(struct arena *, const void *last, size_t); /* the last one needs only that much */
void	 arena_reset(struct arena *);		/* everything given out is gone */
void	 arena_free(struct arena *);		/* NULL is fine */
/* What a run fills again and again, the text that is read and the text that is written:
 * grows to so many octets, exits as above.  The octets that were there stay. */
void	*room_grow(void *, size_t had, size_t size);	/* NULL, 0: a new one */
void	 room_free(void *);			/* NULL is fine */

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
int64_t	input_tell(const struct input *, const char **file);	/* where the next message begins */
uint64_t input_position(const struct input *);	/* octets of the file that were read, packed ones */
/* Goes on where input_tell() was: 0, or -1: there is no such place. */
int	input_continue(struct input *, const char *file, int64_t offset);
/* Of a folder: the number of the first file that is not before this one. */
size_t	input_find(const struct input *, const char *file);
/* The messages of an mbox that is not packed from the first that begins at this
 * offset or behind it; exact: one is known to begin there.  Who wants those up to an
 * offset says so, for little is read behind it then. */
struct input *input_slice(const char *path, int64_t from, int64_t to, int exact);
const char *const *input_files(const struct input *, size_t *n);	/* of a folder; NULL: it is none */

/*
 * stream.c: the octets of a file, gzip, xz and Zstandard undone.
 */
struct stream;
struct stream *stream_new(int fd, const char *path);	/* both stay the caller's */
ssize_t	stream_read(struct stream *, char *to, size_t n);	/* 0: the end.  -1: an error, said */
int	stream_is_packed(struct stream *);
int	stream_go_to(struct stream *, int64_t offset);	/* of what is not packed; -1: it cannot */
uint64_t stream_position(const struct stream *);	/* octets of the file that were used up */
void	stream_free(struct stream *);			/* NULL is fine */

/*
 * lines.c: where the lines of a message begin, noted while it is searched for its
 * end, so that nobody has to go through all of it again.
 */
#define LINE_EMPTY	0x01		/* begins with LF or CR: empty, most likely */
#define LINE_DASH	0x02		/* a boundary, perhaps */
#define LINE_R		0x04		/* the first letter of a field, either case */
#define LINE_M		0x08
#define LINE_C		0x10
#define LINE_F		0x20		/* "F": an envelope, perhaps */
#define LINE_ON		0x40		/* a blank: it goes on with the line before */
#define NOTED_LINES	131072		/* notes of one text; most have fewer than 200 */
extern const unsigned char line_kinds[256];	/* LINE_* of a line's first octet; 0: tells nothing */
extern struct lines {
	size_t		 n;
	struct line_note {
		uint32_t	at, kind;	/* octets behind the base; LINE_* */
	}		 note[NOTED_LINES + 64];
} noted_lines;
void	lines_forget(void);		/* there are no notes */
/* A line of this kind begins there, noted unless it is LINE_ON; in their order.
 * Answers how many there are then: 64 lines may be noted where there are fewer than
 * NOTED_LINES. */
static inline size_t
line_note(struct line_note *notes, size_t n, size_t at, unsigned kind)
{
	notes[n].at = (uint32_t)at;
	notes[n].kind = kind;
	return n + !(kind & LINE_ON);
}
/* The notes are those of the lines of text up to so many octets behind base. */
void	lines_cover(const char *base, struct deep_str text, size_t covered);
/* The first line of these kinds, p being the start of a line; end: none. */
const char *line_next(const char *p, const char *end, unsigned kinds);
/* deep_field_next() for who wants only fields whose names begin with these
 * letters (and may be given others): no BAD, the lines between are left out. */
enum deep_status field_of(struct deep_str *rest, unsigned kinds, struct deep_field *);
static inline const char *		/* behind the LF of the line at p */
line_end(const char *p, const char *end)
{
	const char *nl = (const char *)memchr(p, '\n', (size_t)(end - p));

	return nl == NULL ? end : nl + 1;
}

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

int	hex_digit(char);		/* its value; -1: it is none */
/* deep_is() of a word of n octets, which most write with the same capitals. */
static inline int
is_word(struct deep_str s, const char *word, size_t n)
{
	return s.n == n && (memcmp(s.p, word, n) == 0 || deep_is(s, word));
}
#define IS(s, constant)	is_word(s, constant, sizeof(constant) - 1)

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
	struct deep_str	raw;			/* the fields of the group as they stand */
};
struct dsn {
	unsigned	 found : 1;		/* there is a delivery-status part */
	unsigned	 inline_header : 1;	/* returned was found behind a marker line */
	unsigned	 limited : 1;		/* some limit was passed: see why */
	const char	*why;
	struct deep_str	 reporting_mta;		/* "dns;" cut */
	struct deep_str	 envelope_id;
	struct deep_str	 arrival_date;		/* as written */
	struct deep_str	 raw;			/* the fields about the message as they stand */
	struct recipient *rcpt;
	size_t		 nrcpt;
	struct deep_str	 returned;		/* header of the returned message; p NULL: none */
	struct deep_str	 boundary_hint;		/* of the multipart around it: who made the report */
};
/* All strings but the raw ones are unfolded; all live in the message or the arena.  Answers NO
 * where the message is neither a DSN nor an old bounce. */
enum deep_status dsn_read(struct deep_str message, struct arena *, struct dsn *);

/*
 * dialect.c: what MTAs write about TLS beside the tls clause, one row a
 * dialect (dialects.in), more from a file.
 */
enum place { PLACE_COMMENT, PLACE_BESIDE, PLACE_DATE, PLACE_WITH, PLACE_BY, PLACE_VIA, PLACES };
enum says { SAYS_TLS, SAYS_NAMED, SAYS_CLEAR, SAYS_ASIDE, SAYS_OTHER };
enum fact { FACT_VERSION, FACT_SUITE, FACT_BITS, FACT_GROUP, FACT_CLIENT, FACTS };
enum client { CLIENT_UNKNOWN, CLIENT_NONE, CLIENT_UNVERIFIED, CLIENT_VERIFIED };
struct finding {
	const char	*dialect;
	enum says	 says;
	enum place	 place;
	struct deep_str	 fact[FACTS];		/* as written; p NULL: not said */
	/* and what that means */
	int		 version, bits;		/* 0: no spelling of one */
	enum client	 client;		/* CLIENT_UNKNOWN: not said */
	const struct deep_suite *suite;		/* by its name alone, NULL where that does not do */
	const struct deep_group *group, *carried;	/* carried: by the suite's name */
};
struct dialects;
struct dialects *dialects_new(void);		/* the rows of dialects.in */
/* Rows of a file, tried before the others: "name place head pattern", one a
 * line, see deeptrace(1).  Answers 0, or -1 after an error on standard error. */
int	dialects_add(struct dialects *, const char *file);
/* The first row that fits the text; NO where none does. */
enum deep_status dialects_match(struct dialects *, enum place, struct deep_str,
	    struct finding *);
/* 0: no row's head fits the text, so none can match. */
int	dialects_may_match(const struct dialects *, enum place, struct deep_str text);
struct forms *dialects_forms(struct dialects *);	/* of the fields that were read with these rows */
void	dialects_free(struct dialects *);	/* NULL is fine */

/*
 * hop.c: one Received field, and what is recorded in it about TLS.
 */
enum verdict {		/* the worse the later, for the worst hop of a path */
	VERDICT_LOCAL, VERDICT_STRONG, VERDICT_TLS, VERDICT_UNKNOWN, VERDICT_WEAK, VERDICT_CLEAR
};
#define VERDICTS	6
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
#define FLAG_TLS_UNREAD		0x10000	/* TLS is spoken of as no dialect reads it */
#define FLAGS			17
extern const char *const flag_names[FLAGS];	/* by bit */
extern const char *const verdict_names[];	/* by enum verdict */
extern const char *const client_names[];	/* by enum client */
#define EVIDENCE_CLAUSE		0x1
#define EVIDENCE_COMMENT	0x2
#define EVIDENCE_WITH		0x4
struct hop {
	struct deep_str	 raw;		/* the value as it stands */
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
#define FLAT_SIZE(n)	((n) + 32)
struct deep_str flat_in(char *, struct deep_str value);	/* the same in FLAT_SIZE(value.n) octets */
void	hop_read(struct hop *, struct deep_str value, struct dialects *, struct arena *);
/* The address that a word is: "[192.0.2.1]:25", "IPv6:2001:db8::1"; 0: it is none. */
int	hop_address(struct deep_str word, struct deep_str *address);
int	hop_is_near(const struct hop *);	/* 1: its from names the machine itself */
/* The text of a clause that the rows of a place are held against; 0: of none. */
int	hop_statement(const struct deep_clause *, enum place *, struct deep_str *text);

/*
 * form.c: Received fields of a form that was read before.
 */
struct forms;
struct forms *forms_new(void);
void	forms_forget(struct forms *);
void	forms_free(struct forms *);		/* NULL is fine */
/* What hop_read() would answer; 0: the form of this value is not known. */
int	form_read(struct forms *, struct deep_str value, struct dialects *, struct hop *);
/* Keeps the form of a field that was read in full, if it has one: of the value as it
 * stands, or of the text that flat() made of it, from which the rest is. */
void	form_learn(struct forms *, struct deep_str value, struct deep_str text,
	    const struct deep_received *, struct dialects *, const struct hop *);

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
	const char	*why[20];	/* what is missing */
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
 * auth.c: what the reader's own server found about a message, from its
 * Authentication-Results fields (RFC 8601).
 */
#define AUTH_MAX		32	/* results of one message */
#define AUTH_PROPERTY_MAX	8	/* properties of one result */
struct auth_result {
	struct deep_str	method, result, reason;	/* reason.p NULL: none */
	struct deep_str	raw;			/* the value of its field, unfolded */
	struct {
		struct deep_str	name, value;
	}		property[AUTH_PROPERTY_MAX];
	size_t		nproperty;
};
struct auth {
	struct auth_result *result;
	size_t		 nresult;
	unsigned	 found : 1;		/* there is a field of that name, if without a result */
};
/* path: of the same header. */
void	auth_read(struct auth *, struct deep_str header, const struct path *path, const char *authserv,
	    struct arena *);

/*
 * picture.c: a path as hosts, lanes and steps, for the forms that draw it.
 */
struct stop {			/* a host */
	struct deep_str	name;	/* as written; p NULL: none is recorded */
	struct deep_str	ip;	/* p NULL: none is recorded */
	size_t		lane;
	unsigned	gap : 1;	/* nothing is recorded of how the message came here */
};
struct picture {
	struct stop	*stop;		/* in the order of the path */
	size_t		 nstop;
	struct lane {
		char	name[DEEP_DOMAIN_MAX + 1];	/* "": of hosts without a public name */
		struct deep_str	shown;	/* the same as its first host writes it */
	}		*lane;		/* in the order of their first stop */
	size_t		 nlane;
	struct step {
		size_t	from, to;	/* stops; equal: the message began there */
	}		*step;		/* one for each hop */
};
/* All of it lives in the arena. */
void	picture_make(struct picture *, const struct path *, struct arena *);
/* A host's name that is too long: octets of its begin, and of its end, which says whose it
 * is; fewer where a character of UTF-8 would be cut.  It is longer than both together. */
void	name_cut(struct deep_str name, size_t nhead, size_t ntail, struct deep_str *head,
	    struct deep_str *tail);
int	stop_has_ip(const struct stop *);	/* 1: an address that is not its name */

/*
 * owner.c: whose a host is, by the Public Suffix List.
 */
/* The registrable domain of a host as a key.  0: it has no public name, and buf is "". */
int	domain_of(char *buf, size_t size, struct deep_str host);
/* 1: both hosts have the same, or it cannot be told.  No slice is NULL, and none ends with
 * a dot. */
int	same_domain(struct deep_str, struct deep_str);

/*
 * words.c: what several forms say alike.
 */
const char *verdict_sentence(enum verdict);
const char *flag_sentence(const char *flag);	/* NULL: there is no such word */
const char *why_sentence(const char *why);	/* as above */
void	duration(char *buf, size_t size, int64_t seconds);	/* "4 s", "65 min", "3 h" */
struct deep_str suite_shown(const struct hop *);	/* IANA's name or what was written */
struct deep_str group_shown(const struct hop *);
void	protection(char *buf, size_t size, const struct hop *);	/* "TLSv1.3 or later" ... */
const char *secrecy(const struct hop *);	/* "forward secret" ...; NULL: not known */
int	only_claimed(const struct hop *);	/* 1: written below what is trusted */
size_t	hops_of(const struct path *, enum verdict);
void	hops_summary(char *buf, size_t size, const struct path *);	/* "4 hops: 3 strong, 1 clear" */
void	path_sentence(char *buf, size_t size, const struct path *);

/*
 * state.c: what deeptrace keeps between runs, in one folder: the key of its
 * envelope ids and the probes that were sent.
 */
#define ENVID_MAX	38	/* octets (RFC 3461 4.4, for what users' agents send) */
enum mine {
	MINE_NOT_LOOKED_AT,	/* no --mine, or no report */
	MINE_ASKED,		/* a report on a probe that was sent */
	MINE_UNREMEMBERED,	/* its envelope id is of the key, but no probe is remembered */
	MINE_OTHER,		/* a probe is remembered, but of other recipients or another message */
	MINE_FORGED,		/* looks like an envelope id of a probe, but is not of the key */
	MINE_UNASKED		/* has no envelope id, or somebody else's */
};
extern const char *const mine_names[];	/* by enum mine; NULL for the first */
const char *mine_sentence(enum mine);
struct probe {
	char	*envid, *from, *to, *message_id;
	int64_t	 sent;
};
struct state;
/* Opens the folder, NULL for that of the user; create: makes it, and a key, where
 * there is none.  NULL and a message on standard error where that fails. */
struct state *state_open(const char *folder, int create);
int	state_refresh(struct state *);		/* reads probes that came since; -1 after an error */
const char *state_folder(const struct state *);
void	envid_make(const struct state *, char envid[ENVID_MAX + 1]);
int	probe_add(struct state *, const struct probe *);	/* -1 after an error */
enum mine probe_find(const struct state *, const struct dsn *, struct deep_str message_id,
	    const struct probe **);
void	state_close(struct state *);		/* NULL is fine */

/*
 * What one message gave, and how it is shown: text.c and json.c, found by name
 * in output.c.
 */
struct analysis {
	const struct message	*source;
	struct arena		*arena;		/* what showing it may use, until the next message */
	struct deep_str		 message_id;	/* of what was sent, not of a report about it */
	struct dsn		 dsn;		/* found or inline_header: a DSN */
	struct path		 path, way_back;
	struct auth		 auth;		/* of the message itself, a report or not */
	enum mine		 mine;
	const struct probe	*probe;		/* that it answers; NULL: none that is remembered */
	unsigned		 is_dsn : 1;
	unsigned		 has_auth : 1;	/* --authserv-id was given */
};
struct output {
	const char	*name;
	void		(*show)(FILE *, const struct analysis *);
	void		(*begin)(FILE *), (*end)(FILE *);	/* of a run; NULL: nothing to write */
};
const struct output *output_find(const char *name);	/* NULL: there is no such form */
const char *output_names(void);				/* "text, json": for a message */
struct style {
	unsigned	colour : 1;
	unsigned	utf8 : 1;
	unsigned	columns;	/* of the terminal; 0: as many as it takes */
};
extern struct style style;			/* of the text output, set once at the start */
int	output_end(int status);		/* status, or EX_IOERR with a message: not all was written */
extern const struct output output_text, output_quiet, output_json, output_html, output_csv,
    output_dot, output_mermaid;

/*
 * options.c, run.c: what the command line asks for, and the loop over messages.
 */
enum outcome { ALL_STRONG, SOME_WEAK, INCOMPLETE, NO_CHAIN };	/* the exit status of a run */
#define OUTCOMES	4
struct settings {
	const struct output	*output;
	struct trust		 trust;
	struct dialects		*dialects;
	deep_latches		 require;
	const char		*authserv;		/* NULL: no results are shown */
	struct state		*state;			/* NULL: --mine was not given */
	unsigned		 has_require : 1;
	unsigned		 failed : 1;		/* an input could not be read */
	unsigned long		 seen[OUTCOMES];	/* messages by what they came to */
	int			 jobs;		/* processes; 0 or 1: this one */
	unsigned		 unordered : 1;
	int			 progress;	/* 1, 0, or -1: where there is a terminal */
	const char		*resume;	/* the file of the state, or NULL */
	struct summary		*summary;	/* counts instead of messages, or NULL */
	struct stats		*stats;		/* likewise */
};
#define GO_ON	(-1)		/* options_read(): no exit status yet */
int	options_read(struct settings *, int argc, char *argv[]);
void	usage(FILE *);
/* Exits with EX_USAGE: what getopt_long(3) answered '?' for.  command: "", " probe" ... */
__attribute__((noreturn)) void wrong_option(const char *command, char *argv[]);
void	trust_add(struct trust *, char *list);	/* exits with EX_USAGE; the list is cut up */
void	style_find(void);			/* of standard output and the locale */
void	analyse(struct analysis *, const struct message *, const struct settings *,
	    struct arena *);
enum outcome outcome(const struct settings *, const struct path *);
extern volatile sig_atomic_t interrupted;	/* 1: stop before the next message */
/* Subcommands; they answer the exit status. */
int	probe_command(int argc, char *argv[]);
int	watch_command(int argc, char *argv[]);
int	run(struct settings *, char *const *path, int npath);	/* answers the exit status */

#endif
