/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * deep.h - libdeep: what a mail server or an analyzer may ask of it.
 * The manual is deep(3).
 *
 * Nothing here prints, logs, exits, allocates or keeps state.  A struct
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
	DEEP_LIMIT		/* longer, deeper or more than a limit above */
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
	unsigned		 name_ok : 1;	/* and its name (RFC 7817, RFC 9525) */
	unsigned		 dane_ok : 1;	/* matched a usable TLSA record (RFC 7672) */
	unsigned		 resumed : 1;	/* a session of TLS 1.2 or lower was resumed */
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

/*
 * domain.c: the one form of a domain that is used as a key.
 */
/* Lower-case A-labels (IDNA2008), no final dot.  Refused: an empty name or
 * label, an IP address or [literal], and what passes DEEP_DOMAIN_MAX or
 * DEEP_LABEL_MAX. */
int	deep_domain_key(char *buf, size_t size, struct deep_str name);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
