/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * deep.h - libdeep: what a mail server or an analyzer may ask of it.
 * The manual is deep(3).
 *
 * Nothing here prints, logs or exits, and nothing allocates or keeps state but
 * where an object (struct deep_config, struct deep_store) says so.  A struct
 * deep_str points into the caller's text and lives as long as that text does;
 * no function reads at or behind its end, and none needs a NUL there.
 *
 * A function that is given (buf, size) answers as snprintf(3): the length of
 * the whole text without its NUL, or -1 when a value has no place in the
 * grammar.  Unlike snprintf it never leaves half an answer: when it refuses,
 * or when the answer is >= size, buf is "" (nothing at all where size is 0).
 *
 * A struct deep_fault pointer may always be NULL.
 */
#ifndef DEEP_H
#define DEEP_H

#include <stddef.h>
#include <stdint.h>

#define DEEP_VERSION	0x000100	/* 0xMMmmpp; compare with deep_version() */

/* Limits.  What passes one is answered with DEEP_LIMIT, never dropped unseen. */
#define DEEP_FIELD_MAX	 65536		/* octets in one header field, folds included */
#define DEEP_DEPTH_MAX	 64		/* comments in comments */
#define DEEP_CLAUSE_MAX	 32		/* clauses in one Received field */
#define DEEP_COMMENT_MAX 32		/* outermost comments in one Received field */
#define DEEP_DOMAIN_MAX	 253		/* octets in a domain, no final dot (RFC 1035 2.3.4) */
#define DEEP_LABEL_MAX	 63		/* octets in one label of it */
#define DEEP_LATCH_MAX	 32		/* octets in a security-latch-id (draft 3.1) */
#define DEEP_FOLD_AT	 78		/* columns in a line that we emit (RFC 5322 2.1.1) */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

enum deep_status {		/* the one answer of everything that may fail */
	DEEP_YES,		/* found: the result is filled */
	DEEP_NO,		/* well formed, but not there, or at the end */
	DEEP_BAD,		/* breaks the grammar: struct deep_fault says where */
	DEEP_LIMIT,		/* longer, deeper or more than a limit above */
	/* Memory, a file, or a store that cannot be read: the object's error text says
	 * what and what to do.  Answer it with "defer and alarm", never with "nothing is
	 * known". */
	DEEP_FAIL
};

struct deep_str {		/* bytes, not a C string; p is NULL where nothing is there */
	const char	*p;
	size_t		 n;
};

struct deep_fault {
	size_t		 at;	/* octets from the start of what was given */
	const char	*why;	/* constant text */
};

int	deep_version(void);			/* of the library in use */
struct deep_str deep_str(const char *);		/* of a C string; NULL is fine */
int	deep_is(struct deep_str, const char *);	/* 1: equal, ASCII case apart; p NULL never is */

/*
 * word.c: RFC 5322 words, as loosely as its section 4 and RFC 6532 allow.
 * A word is everything up to white space, a comment, or one of ";" and ",";
 * quoted strings, [literals] and <angles> inside a word may hold all of these.
 * White space is SP, HT, CR and LF, so that a folded value may be given as is.
 */
enum deep_word_kind {
	DEEP_ATOM,		/* begins with none of the following */
	DEEP_QUOTED,		/* begins with a "quoted string" */
	DEEP_LITERAL,		/* begins with a [domain literal] */
	DEEP_ANGLE,		/* begins with <, a path or a msg-id */
	DEEP_COMMENT,		/* (a comment), nested ones inside it */
	DEEP_SPECIAL		/* one ";" or "," */
};
struct deep_word {
	enum deep_word_kind	kind;
	struct deep_str		text;	/* all of it, delimiters included */
	struct deep_str		inner;	/* a comment without its parentheses; else text */
};
/* Takes the next word off the front of *rest.  NO: nothing is left.  BAD (an
 * unclosed comment, a stray ")") and LIMIT (comments nested deeper than
 * DEEP_DEPTH_MAX): the word is filled with what could be made of it, and the
 * caller may go on.  A fault's offset counts from rest->p as it was given. */
enum deep_status deep_word_next(struct deep_str *rest, struct deep_word *,
	    struct deep_fault *);

/*
 * field.c: header fields one at a time (RFC 5322 2.2), and the fields of a
 * delivery-status group, which have the same form (RFC 3464 2.1).
 */
struct deep_field {
	struct deep_str	name;		/* without the colon */
	struct deep_str	value;		/* behind the colon, outer white space cut, folds kept */
};
/* Takes the next field off the front of *rest; lines end in LF or CRLF.
 * NO: an empty line (taken off too) or the end.  BAD: a line that is no field;
 * name is empty, value is that line.  LIMIT: value holds the first
 * DEEP_FIELD_MAX octets.  After BAD and LIMIT *rest is at the next field. */
enum deep_status deep_field_next(struct deep_str *rest, struct deep_field *,
	    struct deep_fault *);
/* The same of a field that is given whole, from its name to the end of its last
 * line: for who knows already where that is.  Not empty; never NO. */
enum deep_status deep_field_read(struct deep_str whole, struct deep_field *, struct deep_fault *);
/* The value without its folds: each line end that white space follows is
 * removed (RFC 5322 2.2.3), any other one becomes a space. */
int	deep_unfold(char *buf, size_t size, struct deep_str value);

/*
 * date.c: RFC 5322 3.3 with the obsolete forms of 4.3, and what is seen in
 * the field beside them: ISO 8601, ctime(3), fractions of a second.
 */
struct deep_date {
	int64_t	 utc;		/* seconds since 1970-01-01T00:00:00Z */
	int32_t	 nsec;		/* 0 to 999999999 */
	int16_t	 zone;		/* minutes east of UTC as written */
	uint8_t	 zone_known;	/* 0: "-0000", no zone or an unknown name; utc takes it as UTC */
};
/* Reads a date off the front of *rest, white space and comments before it
 * skipped.  BAD leaves *rest as it was.  Years 1900 to 9999. */
enum deep_status deep_date_next(struct deep_str *rest, struct deep_date *,
	    struct deep_fault *);
int	deep_date_emit(char *buf, size_t size, const struct deep_date *);
				/* RFC 3339 in UTC: "2026-11-23T09:39:00Z" */

/*
 * protocol.c: the IANA "WITH protocol types" and the unregistered ones that
 * are seen, with what each says about TLS (RFC 3848).
 */
enum deep_says {
	DEEP_SAYS_NOTHING,	/* the keyword tells nothing about TLS */
	DEEP_SAYS_CLEAR,	/* defined as without TLS */
	DEEP_SAYS_TLS,		/* defined as with TLS */
	DEEP_SAYS_LOCAL		/* no network: a pipe, a queue, a local store */
};
struct deep_protocol {
	const char	*name;		/* as registered, or as seen */
	enum deep_says	 says;
	uint8_t		 registered;	/* 1: by IANA */
	uint8_t		 auth;		/* 1: SMTP AUTH was used */
	uint8_t		 lmtp;		/* 1: LMTP, most often the last hop */
	const char	*source;	/* where the row is from */
};
/* Of the with clause's value: by all of it, then by its first word.  NULL: unknown. */
const struct deep_protocol *deep_protocol_find(struct deep_str);
const struct deep_protocol *deep_protocol_each(const struct deep_protocol *);

/*
 * suite.c: the IANA registries "TLS Cipher Suites" and "TLS Supported
 * Groups", row by row (suites.in, groups.in), and the spellings of protocol
 * versions (versions.in).
 */
#define DEEP_SSL2	0x0002
#define DEEP_SSL3	0x0300
#define DEEP_TLS1_0	0x0301
#define DEEP_TLS1_1	0x0302
#define DEEP_TLS1_2	0x0303
#define DEEP_TLS1_3	0x0304
#define DEEP_TLS_SOME	0x0001	/* "TLS": a TLS of unsaid version */
#define DEEP_TLS_LABEL	0x0003	/* "TLSv1/SSLv3": the label of a suite, not the version in use */

enum deep_kx {
	DEEP_KX_NULL, DEEP_KX_RSA, DEEP_KX_DH, DEEP_KX_DHE, DEEP_KX_ECDH,
	DEEP_KX_ECDHE, DEEP_KX_PSK, DEEP_KX_RSA_PSK, DEEP_KX_DHE_PSK,
	DEEP_KX_ECDHE_PSK, DEEP_KX_KRB5, DEEP_KX_SRP, DEEP_KX_ECCPWD,
	DEEP_KX_GOST, DEEP_KX_TLS13	/* settled by extensions, ephemeral (RFC 8446) */
};
enum deep_auth {
	DEEP_AUTH_NULL,			/* none: anonymous */
	DEEP_AUTH_RSA, DEEP_AUTH_DSS, DEEP_AUTH_ECDSA, DEEP_AUTH_PSK,
	DEEP_AUTH_KRB5, DEEP_AUTH_SRP, DEEP_AUTH_GOST, DEEP_AUTH_PWD,
	DEEP_AUTH_ANY			/* settled by extensions (TLS 1.3) */
};
#define DEEP_SUITE_PFS	  0x0001	/* ephemeral key exchange */
#define DEEP_SUITE_AEAD	  0x0002
#define DEEP_SUITE_MD5	  0x0004	/* MD5 as the MAC of records */
#define DEEP_SUITE_RC4	  0x0008
#define DEEP_SUITE_NULL	  0x0010	/* no encryption, RFC 9150's integrity-only suites too */
#define DEEP_SUITE_EXPORT 0x0020
#define DEEP_SUITE_ANON	  0x0040	/* the server is not authenticated */
#define DEEP_SUITE_SCSV	  0x0080	/* a signal, never negotiated */
struct deep_suite {
	uint16_t	 code;
	uint16_t	 flags;		/* DEEP_SUITE_* */
	uint16_t	 bits;		/* effective strength of the cipher: 3DES is 112, NULL is 0 */
	uint16_t	 needs;		/* lowest version that can negotiate it: DEEP_SSL3, DEEP_TLS1_2 ... */
	uint8_t		 kx;		/* enum deep_kx */
	uint8_t		 auth;		/* enum deep_auth */
	char		 recommended;	/* IANA: 'Y', 'N', 'D' (discouraged) */
	const char	*name;		/* IANA */
	const char	*cipher;	/* "AES_128_GCM" */
	const char	*openssl;	/* OpenSSL's name or NULL */
	const char	*gnutls;	/* GnuTLS's three-part name without "TLS_", or NULL */
};
struct deep_group {
	uint16_t	 code;
	uint16_t	 bits;		/* strength, 0: unsaid */
	uint8_t		 hybrid;	/* 1: holds a post-quantum key encapsulation */
	char		 recommended;
	const char	*name;		/* IANA */
};
const struct deep_suite *deep_suite_code(uint16_t);	/* NULL: no row */
/* By any name that IANA, OpenSSL, GnuTLS, LibreSSL, rustls, Exchange or an old
 * library has used, or by "0x1302".  version decides where a name means two
 * suites (0: unknown).  *group, if given, becomes the group that the name
 * carried, else NULL.  NULL: unknown, or not decidable. */
const struct deep_suite *deep_suite_find(struct deep_str name, int version,
	    const struct deep_group **group);
const struct deep_suite *deep_suite_each(const struct deep_suite *);	/* NULL: the first; the end */
const struct deep_group *deep_group_code(uint16_t);
const struct deep_group *deep_group_find(struct deep_str name);	/* "X25519", "P-256", "prime256v1" */
const struct deep_group *deep_group_each(const struct deep_group *);
const char *deep_registry_date(void);		/* of the older table: "2025-11" */
/* DEEP_SSL2 to DEEP_TLS1_3, DEEP_TLS_SOME, DEEP_TLS_LABEL; 0: not the spelling of a version. */
int	deep_tls_version(struct deep_str);
const char *deep_tls_version_name(int);		/* "TLSv1.2"; NULL: not one of the six */

/*
 * clause.c: the tls clause of Received (draft section 4, RFC 8314 4.3).
 *
 *	tls-cipher-clause = CFWS "tls" FWS tls-cipher [ CFWS tls-dh-group-clause ]
 *	tls-cipher	  = tls-cipher-name / tls-cipher-hex
 *	tls-cipher-name	  = ALPHA *(ALPHA / DIGIT / "_")
 *	tls-cipher-hex	  = "0x" 4HEXDIG
 *	tls-dh-group-clause = "group" FWS dh-group
 *	dh-group	  = ALPHA *(ALPHA / DIGIT / "_" / "-")
 */
struct deep_tls {
	struct deep_str	suite;		/* a name or 0xhhhh, as written */
	struct deep_str	group;		/* p NULL: none */
};
/* Reads a clause off the front of *rest (its leading CFWS may be left out).
 * NO: what stands there is no tls clause; *rest is as it was, then and after BAD. */
enum deep_status deep_tls_next(struct deep_str *rest, struct deep_tls *,
	    struct deep_fault *);
/* " tls TLS_AES_128_GCM_SHA256 group x25519".  column is where the line stands
 * now (0 for a new one); where the clause would pass DEEP_FOLD_AT, its blanks
 * become eol and a tab, eol being "\n" or "\r\n".  A name that the grammar has
 * no place for is refused; group may be empty. */
int	deep_tls_emit(char *buf, size_t size, size_t column, const char *eol,
	    struct deep_str suite, struct deep_str group);
int	deep_suite_emit(char *buf, size_t size, uint16_t code);	/* its name, or "0x1399" */

/*
 * received.c: trace fields (RFC 5321 4.4, read as RFC 5322 section 4 asks).
 */
enum deep_clause_kind {
	DEEP_FROM, DEEP_BY, DEEP_VIA, DEEP_WITH, DEEP_ID, DEEP_FOR,
	DEEP_TLS, DEEP_GROUP, DEEP_OTHER,	/* OTHER: any additional clause */
	DEEP_DATE,				/* behind the date */
	DEEP_START				/* before the first keyword */
};
struct deep_clause {
	enum deep_clause_kind	kind;
	struct deep_str		name;	/* the keyword as written; empty for START and DATE */
	struct deep_str		value;	/* first word to last word; empty: none */
	struct deep_str		first;	/* the first word of it */
	struct deep_str		all;	/* keyword to the next clause, comments included */
};
struct deep_comment {
	enum deep_clause_kind	kind;	/* of the clause that it stands in */
	struct deep_str		text;	/* without its parentheses */
};
struct deep_received {
	/* the first clause of each kind, by enum deep_clause_kind up to
	 * DEEP_GROUP; name.p is NULL where the field has none */
	struct deep_clause	 the[DEEP_OTHER];
	/* all of them as they stand, doubles included */
	struct deep_clause	 clause[DEEP_CLAUSE_MAX];
	size_t			 nclause;
	struct deep_comment	 comment[DEEP_COMMENT_MAX];
	size_t			 ncomment;
	struct deep_tls		 tls;		/* suite.p NULL: no tls clause */
	struct deep_str		 date_text;	/* as written; p NULL: none found */
	struct deep_date	 date;
};
/* Whatever it answers, the result holds all that could be read.  BAD: the
 * first fault; reading went on behind it.  NO: nothing but white space. */
enum deep_status deep_received_parse(struct deep_str value, struct deep_received *,
	    struct deep_fault *);

/*
 * latch.c: what a session proves, against what a domain has proved before
 * (draft 3.1 to 3.3), and the SMTP-Security-Latch field.
 */
typedef uint32_t deep_latches;		/* a set: bit n is row n of latches.in */
#define DEEP_LATCH_TLS10	0x01u
#define DEEP_LATCH_TLS11	0x02u
#define DEEP_LATCH_TLS12	0x04u
#define DEEP_LATCH_CERT		0x08u
#define DEEP_LATCH_DANE		0x10u
#define DEEP_LATCH_NOMD5	0x20u
#define DEEP_LATCH_NORC4	0x40u
#define DEEP_LATCH_PFS		0x80u
#define DEEP_LATCH_ALL		0xffu
#define DEEP_LATCH_NONE		0u
struct deep_session {			/* facts, however the server learnt them */
	int			 version;	/* DEEP_TLS1_2 ...; 0: no TLS */
	const struct deep_suite	*suite;		/* NULL: unknown, nothing is concluded from it */
	unsigned		 chain_ok : 1;	/* certificate chain verified (RFC 5280) */
	unsigned		 name_ok : 1;	/* and its name: that of the domain (RFC 7817, RFC 9525) */
	unsigned		 host_ok : 1;	/* or that of the MX host ... */
	unsigned		 host_safe : 1;	/* ... which came by DNSSEC or MTA-STS (RFC 7672 1.3.2) */
	unsigned		 verified : 1;	/* the server said "verified": chain_ok and host_ok, or a
						 * match of TLSA, it does not tell which */
	unsigned		 dane_ok : 1;	/* matched a usable TLSA record (RFC 7672) */
	unsigned		 no_tlsa : 1;	/* DNSSEC proved that there is no TLSA record */
	unsigned		 resumed : 1;	/* a session of TLS 1.2 or lower was resumed */
	unsigned		 like : 1;	/* suite stands for those that differ in the signature only */
	unsigned		 strict : 1;	/* the letter of 2013: RC4 with 128 bits is strong */
};
deep_latches deep_latches_satisfied(const struct deep_session *);
deep_latches deep_latches_settable(const struct deep_session *);	/* a resumed session sets none */
deep_latches deep_latches_close(deep_latches);			/* tls12 > tls11 > tls10 */
deep_latches deep_latches_failed(deep_latches stored, const struct deep_session *);
deep_latches deep_latch_find(struct deep_str id);		/* its bit; 0: not in the table */
const char *deep_latch_name(unsigned n);			/* of row n; NULL: no such row */
int	deep_latch_valid(struct deep_str id);			/* 1: a security-latch-id */
/* Takes the next latch id off the front of a space-separated list; comments
 * are skipped.  BAD: a word that is no security-latch-id, in *id; go on. */
enum deep_status deep_latch_next(struct deep_str *rest, struct deep_str *id,
	    struct deep_fault *);
/* "tls10 tls12 new-one": the rows of the set in the order of the registry,
 * then the others; a word that is no security-latch-id is refused, and so is
 * an empty list. */
int	deep_latches_emit(char *buf, size_t size, deep_latches,
	    const struct deep_str *other, size_t nother);
#define DEEP_LATCH_FIELD "SMTP-Security-Latch"
/* session.c: the facts of a connection of OpenSSL, after its handshake. */
struct ssl_st;				/* OpenSSL's SSL */
void	deep_session_ssl(struct deep_session *, struct ssl_st *);
/* Out of an MTA's words, "version:suite:bits":
 *	"TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256"	GnuTLS in Exim
 *	"TLS1.2:AES128-GCM-SHA256:128"					OpenSSL in Exim
 *	"TLSv1.3:TLS_AES_256_GCM_SHA384:256"				OpenSMTPD
 * Sets version, suite, like and resumed; all else is 0.  Empty: clear text, version
 * 0.  BAD: not of this form, and the session is as for clear text.  *group may be
 * NULL, and becomes the group that the words name, else NULL. */
enum deep_status deep_session_words(struct deep_session *, struct deep_str words,
	    const struct deep_group **group);

/*
 * dsngroup.c: the fields of one recipient in a delivery status (RFC 3464 2.3).
 * A group is the text from its first field to the empty line behind it.
 */
struct deep_dsngroup {			/* values as they stand; p NULL: not there */
	struct deep_str	final, original, action, status, diagnostic, latches;
};
/* YES: it has a final recipient and an action.  NO: it is no such group; what
 * is there is filled.  The fault, if any, is the last line that is no field. */
enum deep_status deep_dsngroup_read(struct deep_dsngroup *, struct deep_str text,
	    struct deep_fault *);
/* The address out of "rfc822; user@example.org" or "utf-8; ...", the escapes of
 * RFC 6533 undone.  -1: another type, or none. */
int	deep_dsngroup_address(char *buf, size_t size, struct deep_str value);
struct deep_dsngroup_change {		/* NULL, DEEP_LATCH_NONE: as it stands */
	const char	*action;	/* "failed" ... */
	const char	*status;	/* "4.7.10" */
	const char	*diagnostic;	/* "smtp; 451 4.7.10 ..."; in place of one, or new */
	deep_latches	 latches;	/* SMTP-Security-Latch, added */
};
/* The group with these changes, all else octet by octet.  One that has the
 * SMTP-Security-Latch field is copied.  A value that its grammar has no place
 * for is refused, and a group over DEEP_FIELD_MAX. */
int	deep_dsngroup_emit(char *buf, size_t size, struct deep_str group,
	    const struct deep_dsngroup_change *);

/*
 * domain.c: the one form of a domain that is used as a key.
 */
/* Lower-case A-labels (IDNA2008), no final dot.  Refused: an empty name or
 * label, an IP address or [literal], and what passes DEEP_DOMAIN_MAX or
 * DEEP_LABEL_MAX. */
int	deep_domain_key(char *buf, size_t size, struct deep_str name);

/*
 * config.c: deep.conf(5), the one configuration of all modules and tools.
 */
struct deep_config;
struct deep_config *deep_config_new(void);	/* all defaults; NULL: no memory */
/* file NULL: sysconfdir/deep.conf; then NO where it is not there, and the
 * defaults hold; one that was read and is gone is FAIL.  YES: read.  BAD: unknown key, bad value, bad syntax; FAIL: cannot
 * be read.  After BAD and FAIL the object is as before: a running server keeps the
 * last good configuration. */
enum deep_status deep_config_read(struct deep_config *, const char *file);
const char *deep_config_error(const struct deep_config *);	/* one line; never NULL */
/* A section with a title is "domain example.org".  Of a switch 1 or 0, of a choice
 * its place, of a list its words; -1: not set and without default, or no number. */
int64_t	deep_config_number(const struct deep_config *, const char *section, const char *key);
/* Never NULL; lives until the object is freed or read successfully again. */
const char *deep_config_text(const struct deep_config *, const char *section, const char *key);
void	deep_config_free(struct deep_config *);	/* NULL is fine */

/*
 * policy.c: what a name has proved, and what follows from it for a session.
 */
#define DEEP_LATCHES	8		/* rows of latches.in */
#define DEEP_HOST_MAX	32		/* MX hosts kept for a name; the one longest not seen goes first */
#define DEEP_OTHER_MAX	8		/* latch ids without a row that are kept for a name */
#define DEEP_RETENTION_MIN (62 * 86400)	/* seconds: the two longest months (draft 3.1) */

enum deep_service {
	DEEP_RELAY, DEEP_SUBMISSION, DEEP_ACCESS,
	DEEP_INBOUND			/* ours: what a domain that sends to us used */
};
const char *deep_service_name(enum deep_service);	/* "relay"; NULL: no such one */
int	deep_service_find(struct deep_str);		/* -1: none */
struct deep_key {
	char			name[DEEP_DOMAIN_MAX + 1];
	enum deep_service	service;
};
/* Of a domain, or of an address (what stands behind its last "@").  NO: an
 * address literal or empty, which is never keyed.  BAD: no domain. */
enum deep_status deep_key(struct deep_key *, enum deep_service,
	    struct deep_str domain_or_address);
/* Of a configured host (smarthost, back end of a proxy): the name of the [group]
 * that lists it, else its own (draft 5.7). */
enum deep_status deep_key_host(struct deep_key *, enum deep_service,
	    const struct deep_config *, struct deep_str host);

enum deep_mode { DEEP_OFF, DEEP_OBSERVE, DEEP_WARN, DEEP_ENFORCE };
#define DEEP_BYPASS_TLS_REQUIRED_NO 1u	/* RFC 8689 3 */
#define DEEP_BYPASS_TLSRPT	2u	/* RFC 8460 3 */
#define DEEP_BYPASS_EXEMPT	4u	/* by deep.conf, or by the administrator in the store */
#define DEEP_STATUS_MAX		9	/* octets in "5.777.999" */
struct deep_policy {			/* what deep.conf says for one name; plain data */
	enum deep_mode	mode[DEEP_LATCHES];	/* by row of latches.in */
	uint32_t	confirm;	/* confirmations ... */
	int64_t		confirm_over;	/* ... over this many seconds, until a latch is enforced */
	int64_t		retention;	/* seconds since the last confirmation */
	unsigned	honoured;	/* DEEP_BYPASS_* that are honoured */
	unsigned	at_handshake : 1;	/* set at the handshake; 0: after 2xx to end of data */
	unsigned	strict : 1;	/* the letter of 2013 */
	unsigned	exempt : 1;	/* the name is in the list of exempt ones */
	char		status[DEEP_STATUS_MAX + 1];	/* "4.7.10" */
};
/* Either pointer may be NULL: the defaults, of no name. */
void	deep_policy_of(struct deep_policy *, const struct deep_config *, const char *name);

struct deep_held {			/* one latch of a name; seconds since 1970, 0: never */
	int64_t		first, confirmed;	/* first set; last confirmed */
	int64_t		window;			/* start of the present probation */
	int64_t		enforced;		/* since when probation is over: until reset or expiry */
	int64_t		contradicted;		/* last seen missing */
	uint32_t	confirmations, contradictions;
	uint32_t	in_window;		/* confirmations since window */
};
struct deep_seen {			/* an MX host of the name */
	char		name[DEEP_DOMAIN_MAX + 1];
	deep_latches	satisfied;		/* by its last session */
	int64_t		first, last;
	uint32_t	sessions;
};
enum deep_reference { DEEP_BY_NONE, DEEP_BY_DOMAIN, DEEP_BY_HOST };	/* NONE: not known */
struct deep_record {			/* what is known of a key; zeroed: nothing */
	struct deep_held latch[DEEP_LATCHES];	/* first 0: not held */
	struct {
		char		 id[DEEP_LATCH_MAX + 1];
		struct deep_held held;
	}		 other[DEEP_OTHER_MAX];	/* kept and shown, never enforced */
	size_t		 nother;
	int64_t		 exempt;		/* since when; 0: is not */
	int64_t		 clock;			/* the store's clock, which ages are counted by */
	enum deep_reference cert_by;		/* whose name made tls-cert when it was last shown ... */
	char		 cert_host[DEEP_DOMAIN_MAX + 1];	/* ... and of HOST, which MX host */
	struct deep_seen host[DEEP_HOST_MAX];
	size_t		 nhost;
};
/* Closed; expired ones are left out.  policy NULL: whatever their age. */
deep_latches deep_record_held(const struct deep_record *, const struct deep_policy *);
/* What a session must have now, closed: to narrow the offer before connecting. */
deep_latches deep_policy_required(const struct deep_policy *, const struct deep_record *,
	    unsigned bypass);
struct deep_decision {
	deep_latches	required, satisfied;
	deep_latches	failed;		/* of required: not empty means refuse, before MAIL */
	deep_latches	warned;		/* held, past probation, mode warn, missing */
	deep_latches	doubted;	/* missing too: on probation, only observed, or passed by */
	unsigned	bypassed;	/* DEEP_BYPASS_* that made required empty */
};
/* session NULL or of version 0: clear text.  record NULL: nothing is known.  Of
 * several recipients decide for each, and join the results with "|" (draft 5.5). */
void	deep_policy_decide(const struct deep_policy *, const struct deep_record *,
	    const struct deep_session *, unsigned bypass, struct deep_decision *);
struct deep_learnt {
	deep_latches	set;		/* new */
	deep_latches	confirmed;	/* held before, shown again */
	deep_latches	enforced;	/* probation ended now */
	deep_latches	contradicted;	/* held, and missing */
};
/* Applies to the record what a session showed that carried a transfer (or came to
 * a handshake, where at_handshake).  Union only: nothing that is held is lost by
 * it, but what has expired.  Times are those of record->clock, or now where it is 0. */
void	deep_policy_learn(const struct deep_policy *, struct deep_record *,
	    const struct deep_session *, struct deep_str host, int64_t now,
	    struct deep_learnt *);
/* The store's clock: it runs with the wall clock and never back; a jump of more
 * than a day moves it by a day, and where it is behind it runs at twice the speed.
 * *clock: the clock, *seen: the wall clock when it was last moved, both 0 at first. */
void	deep_clock_step(int64_t *clock, int64_t *seen, int64_t now);

/*
 * narrow.c: what to offer, so that a server that could meet the latches does.
 */
int	deep_narrow_openssl(char *buf, size_t size, deep_latches required);
					/* a cipher list, for TLS 1.2 and below */
int	deep_narrow_gnutls(char *buf, size_t size, deep_latches required);
					/* a priority string, for all versions */
int	deep_narrow_version(deep_latches required);	/* DEEP_TLS1_0 ...: the lowest to offer */
/* Both for one connection, before its handshake; only ever less than the caller had
 * set.  0, or -1: nothing would be left to offer, and nothing was changed. */
int	deep_narrow_ssl(struct ssl_st *, deep_latches required);

/*
 * report.c: the lines that people and programs read.
 */
#define DEEP_REFUSAL_MAX 500	/* octets in a refusal, so that it fits into a reply (RFC 5321 4.5.3.1.5) */
#define DEEP_EVENT_MAX	4096	/* octets in an event */
/* "4.7.10 security latch of example.org not met by mx1.example.org: missing tls12
 * tls-pfs; to accept that: deeplatch reset example.org".  host empty: "any mail
 * exchanger".  Where tls10 is missing it is "reset --all".  Refused: failed is empty. */
int	deep_refusal_emit(char *buf, size_t size, const struct deep_policy *,
	    const struct deep_key *, struct deep_str host, deep_latches failed);
struct deep_refusal {			/* slices of the line */
	struct deep_str	status, name, host;	/* host.p NULL: none is named */
	deep_latches	failed;
};
/* Finds such a line in a text that holds it. */
enum deep_status deep_refusal_parse(struct deep_str text, struct deep_refusal *);
struct deep_event {
	const char	*kind;		/* learnt enforced refused warned contradicted bypassed
					 * alarm reset full: a-z, at most 15 */
	const struct deep_key *key;	/* NULL: of no name */
	struct deep_str	 host;
	struct deep_str	 id;		/* of the message */
	deep_latches	 latches;
	const char	*text;		/* NULL: none */
};
/* deep: event=learnt name=example.org service=relay host=mx1.example.org
 * latches=tls10,tls12 id=1a2b text="..." -- one line, and what cannot stand in it is
 * written as \xHH.  What is empty is left out. */
int	deep_event_emit(char *buf, size_t size, const struct deep_event *);

/*
 * store.c: what is remembered, in a file of SQLite, or in Redis with such a file
 * as its shadow.  [store] url in deep.conf is "sqlite:/var/lib/deep/latches.db",
 * "redis://user:password@host:port/db", "redis+unix:///path" or, where hiredis
 * has TLS, "rediss://...".
 *
 * A handle is for one thread at a time, and for the process that opened it: in a
 * forked one each call answers FAIL, and deep_store_free() frees memory only.
 * FAIL: nothing was changed, nothing is known, and deep_store_error() says why.
 */
struct deep_store;
struct deep_store *deep_store_new(void);	/* NULL: no memory */
/* Before a process's first store, where it asks little and ends: SQLite then sets no
 * memory aside ahead of its use.  It is so for all that uses SQLite in this process. */
void	deep_store_brief(void);
/* What is not there is FAIL, never made. */
enum deep_status deep_store_open(struct deep_store *, const struct deep_config *);
/* Makes the file, mode 0660, and its folder, mode 2770, where there is none: for
 * the set-up only.  What is there is FAIL, and is left as it is. */
enum deep_status deep_store_create(struct deep_store *, const struct deep_config *,
	    unsigned uid, unsigned gid);
/* Of the last FAIL: one line that ends in what to do.  Never NULL. */
const char *deep_store_error(const struct deep_store *);
/* "", or what is amiss although the answer was not FAIL. */
const char *deep_store_warning(const struct deep_store *);
/* Called for each step of what may take long: each of the "names" of a purge, "records"
 * of deep_store_verify(), "sessions" that a server is told of.  NULL: none. */
void	deep_store_watch(struct deep_store *, void (*)(void *, const char *what), void *);
void	deep_store_free(struct deep_store *);	/* NULL is fine */

/* What is known of a key, without hosts: nhost is 0, and host is left as it was.  NO: no
 * latch; the rest is zeroed but for clock and exempt. */
enum deep_status deep_store_get(struct deep_store *, const struct deep_key *,
	    struct deep_record *);
/* The same with hosts. */
enum deep_status deep_store_hosts(struct deep_store *, const struct deep_key *,
	    struct deep_record *);
/* Reads, deep_policy_learn(), writes: one step, on the disk when it answers.
 * LIMIT: at the cap on entries; nothing new was taken. */
enum deep_status deep_store_learn(struct deep_store *, const struct deep_key *,
	    const struct deep_policy *, const struct deep_session *, struct deep_str host,
	    int64_t now, struct deep_learnt *);
/* By hand only: keeps the latches of keep and forgets the key's others, and its
 * hosts with the last of them; logged.  NO: there was nothing to forget.  It works
 * for a damaged record too. */
enum deep_status deep_store_reset(struct deep_store *, const struct deep_key *,
	    deep_latches keep, const char *who, const char *reason, int64_t now,
	    deep_latches *forgotten);
/* NO: it was so before.  Logged. */
enum deep_status deep_store_exempt(struct deep_store *, const struct deep_key *, int on,
	    const char *who, const char *reason, int64_t now);
/* All keys that hold a latch or are exempt, by name and service, with hosts.  A
 * callback that answers other than 0 ends it; it may use the store. */
enum deep_status deep_store_each(struct deep_store *, int (*)(void *,
	    const struct deep_key *, const struct deep_record *), void *);
/* Import: joined with what is known, and nothing of either is lost. */
enum deep_status deep_store_put(struct deep_store *, const struct deep_key *,
	    const struct deep_record *, int64_t now);
/* Between on 1 and on 0 changes are brought to the disk several at a time: for an
 * import.  What was acknowledged in between is there for good after the 0. */
enum deep_status deep_store_bulk(struct deep_store *, int on);
struct deep_gone { uint64_t latches, entries; };
/* Takes out latches and hosts that have expired, by the policy of each name, notes, and
 * what the log has of sessions (not what was done by hand) that is older than [store]
 * log.  gone NULL is fine; it counts what dry_run would take, too. */
enum deep_status deep_store_purge(struct deep_store *, const struct deep_config *,
	    int64_t now, int dry_run, struct deep_gone *gone);
/* Looks at each record; a line for each fault.  BAD: there were some. */
enum deep_status deep_store_verify(struct deep_store *, int (*)(void *, const char *fault),
	    void *, uint64_t *records);

struct deep_entry {			/* of the log, which is only added to */
	int64_t		time;			/* of the first, where several are joined */
	int64_t		last;			/* read: of the last of them ... */
	uint32_t	count;			/* ... and how many; 1: it is alone */
	char		kind[16];	/* as of an event: refused, reset ... */
	struct deep_key	key;
	char		host[DEEP_DOMAIN_MAX + 1];
	deep_latches	latches;
	char		who[64];
	char		text[512];
};
/* One of kind refused, warned or contradicted is joined with the last that differs in
 * its text only, where that was no more than an hour ago. */
enum deep_status deep_store_log(struct deep_store *, const struct deep_entry *);
enum deep_status deep_store_log_each(struct deep_store *, int64_t since,
	    int (*)(void *, const struct deep_entry *), void *);

/* Notes: a module's own facts of short life, of this host whatever the store.
 * LIMIT: kind is more than 15 octets, key or sub than 512, text than 2048, or buf
 * is too small.  NO: there is none, or it has expired. */
enum deep_status deep_note_put(struct deep_store *, const char *kind, const char *key,
	    const char *sub, const char *text, int64_t expires);	/* replaces */
enum deep_status deep_note_get(struct deep_store *, const char *kind, const char *key,
	    const char *sub, int64_t now, char *buf, size_t size);
/* Gets and drops; of two who take it one gets it. */
enum deep_status deep_note_take(struct deep_store *, const char *kind, const char *key,
	    const char *sub, int64_t now, char *buf, size_t size);
enum deep_status deep_note_each(struct deep_store *, const char *kind, const char *key,
	    int64_t now, int (*)(void *, const char *sub, const char *text), void *);
enum deep_status deep_note_drop(struct deep_store *, const char *kind, const char *key,
	    const char *sub);		/* sub NULL: all of the key */

/*
 * confine.c: what a daemon gives up once it has started.
 */
struct deep_allowed {
	const char	*path;
	int		 write;
};
/* No new privileges, and no file but below these paths.  YES: in force; NO: this
 * kernel has nothing for it; FAIL: errno. */
enum deep_status deep_confine(const struct deep_allowed *, size_t n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
