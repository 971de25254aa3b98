/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * latch.c - tests of shared/latch.c and the rows of shared/latches.in.
 */
#include <string.h>

#include "deep.h"
#include "tap.h"

#define TLS10	DEEP_LATCH_TLS10
#define TLS11	DEEP_LATCH_TLS11
#define TLS12	DEEP_LATCH_TLS12
#define CERT	DEEP_LATCH_CERT
#define DANE	DEEP_LATCH_DANE
#define NOMD5	DEEP_LATCH_NOMD5
#define NORC4	DEEP_LATCH_NORC4
#define PFS	DEEP_LATCH_PFS
#define ALL3	(TLS10 | TLS11 | TLS12)

static const struct {
	deep_latches	 bit;
	const char	*id;
	const char	*states;
	const char	*section;
} rows[] = {
#define LATCH(bit, id, states, section)	{ bit, id, states, section },
#include "latches.in"
#undef LATCH
};
#define NROW	(sizeof(rows) / sizeof(rows[0]))

/* The order of draft 3.2. */
static const char *const registry[] = {
	"tls10", "tls11", "tls12", "tls-cert", "tls-dane-tlsa", "tls-nomd5",
	"tls-norc4", "tls-pfs"
};

static void
test_rows(void)
{
	size_t	i;

	is_int((long long)NROW, 8, "D6-1 eight rows");
	for (i = 0; i < NROW; i++) {
		is(rows[i].id, registry[i], "D6-1 row %zu: order of the registry", i);
		is_int(rows[i].bit, 1u << i, "%s: bit %zu", rows[i].id, i);
		is(deep_latch_name((unsigned)i), rows[i].id, "%s: its name",
		    rows[i].id);
		is_int(deep_latch_find(deep_str(rows[i].id)), rows[i].bit,
		    "%s: found", rows[i].id);
		ok(deep_latch_valid(deep_str(rows[i].id)), "D3.1-7 %s: valid",
		    rows[i].id);
		ok(rows[i].states[0] != '\0' && strcmp(rows[i].section, "3.2") == 0,
		    "%s: says what it states and where from", rows[i].id);
	}
	ok(deep_latch_name(8) == NULL, "no row 8");
	ok(deep_latch_name(~0u) == NULL, "no row behind all rows");
	is_int(deep_latch_find(deep_str("TLS-PFS")), PFS, "D3.1-7 case apart");
	is_int(deep_latch_find(deep_str("tls13")), 0, "D3.2-3 tls13 is no row");
	is_int(deep_latch_find(deep_str("tls1")), 0, "a part of an id is none");
	is_int(deep_latch_find(deep_str("")), 0, "nothing is no id");
	is_int(deep_latch_find(deep_str(NULL)), 0, "NULL is no id");
}

/* R-LIB: (version, suite, flags) to satisfied and settable. */
#define CHAIN	1
#define NAME	2
#define TLSA	4
#define RESUMED	8
#define STRICT	16
static const struct {
	const char	*what;
	int		 version;
	const char	*suite;		/* NULL: unknown */
	int		 flags;
	deep_latches	 satisfied;
} sessions[] = {
	{ "D3.3-1 no TLS", 0, NULL, CHAIN | NAME | TLSA, 0 },
	{ "no TLS, whatever the suite", 0, "TLS_AES_128_GCM_SHA256", CHAIN | NAME, 0 },
	{ "unknown suite", DEEP_TLS1_2, NULL, CHAIN | NAME | TLSA, 0 },
	{ "SCSV is never negotiated", DEEP_TLS1_2, "TLS_EMPTY_RENEGOTIATION_INFO_SCSV",
	    CHAIN | NAME, 0 },
	{ "SCSV is never negotiated", DEEP_TLS1_2, "TLS_FALLBACK_SCSV", 0, 0 },

	{ "D3.2-1 TLS 1.0", DEEP_TLS1_0, "TLS_RSA_WITH_AES_128_CBC_SHA", 0,
	    TLS10 | NOMD5 | NORC4 },
	{ "D3.2-2 TLS 1.1", DEEP_TLS1_1, "TLS_RSA_WITH_AES_128_CBC_SHA", 0,
	    TLS10 | TLS11 | NOMD5 | NORC4 },
	{ "D3.2-3 TLS 1.2", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-3 TLS 1.3 sets all three", DEEP_TLS1_3, "TLS_AES_128_GCM_SHA256", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "TLS of unsaid version", DEEP_TLS_SOME, "TLS_RSA_WITH_AES_128_CBC_SHA", 0,
	    NOMD5 | NORC4 },
	{ "the label of a suite", DEEP_TLS_LABEL, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0,
	    NOMD5 | NORC4 | PFS },
	{ "SSL 3 is no TLS", DEEP_SSL3, "TLS_RSA_WITH_AES_128_CBC_SHA", CHAIN | NAME, 0 },
	{ "SSL 2 is no TLS", DEEP_SSL2, "TLS_RSA_WITH_AES_128_CBC_SHA", CHAIN | NAME, 0 },
	{ "a version of no row", 0x0305, "TLS_AES_128_GCM_SHA256", CHAIN | NAME, 0 },
	{ "a version below all", -1, "TLS_AES_128_GCM_SHA256", CHAIN | NAME, 0 },
	{ "DTLS 1.2", 0xfefd, "TLS_RSA_WITH_AES_128_CBC_SHA", CHAIN | NAME, 0 },

	{ "D3.2-4 3DES is 112", DEEP_TLS1_2, "TLS_RSA_WITH_3DES_EDE_CBC_SHA", 0, 0 },
	{ "D3.2-4 3DES with PFS", DEEP_TLS1_2, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA", 0,
	    0 },
	{ "D3.2-4 DES", DEEP_TLS1_0, "TLS_RSA_WITH_DES_CBC_SHA", 0, 0 },
	{ "D3.2-4 RC2", DEEP_TLS1_0, "TLS_RSA_EXPORT_WITH_RC2_CBC_40_MD5", STRICT, 0 },
	{ "D3.2-4 export", DEEP_TLS1_0, "TLS_RSA_EXPORT_WITH_RC4_40_MD5", STRICT, 0 },
	{ "D3.2-4 export DES", DEEP_TLS1_0, "TLS_DHE_RSA_EXPORT_WITH_DES40_CBC_SHA", 0,
	    0 },
	{ "D3.2-4 NULL", DEEP_TLS1_2, "TLS_RSA_WITH_NULL_SHA", STRICT, 0 },
	{ "D3.2-4 NULL does not latch tls-pfs", DEEP_TLS1_2,
	    "TLS_ECDHE_RSA_WITH_NULL_SHA", STRICT, 0 },
	{ "D3.2-4 integrity only", DEEP_TLS1_3, "TLS_SHA256_SHA256", 0, 0 },
	{ "D3.2-4 integrity only", DEEP_TLS1_3, "TLS_SHA384_SHA384", STRICT, 0 },
	{ "D3.2-4 NULL_NULL", DEEP_TLS1_2, "TLS_NULL_WITH_NULL_NULL", 0, 0 },
	{ "D3.2-4 AES-CCM", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CCM", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-4 AES-CCM_8", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CCM_8", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-4 Camellia", DEEP_TLS1_0, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA", 0,
	    TLS10 | NOMD5 | NORC4 },
	{ "D3.2-4 ARIA", DEEP_TLS1_2, "TLS_RSA_WITH_ARIA_128_GCM_SHA256", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-4 SEED", DEEP_TLS1_0, "TLS_RSA_WITH_SEED_CBC_SHA", 0,
	    TLS10 | NOMD5 | NORC4 },
	{ "D3.2-4 IDEA", DEEP_TLS1_0, "TLS_RSA_WITH_IDEA_CBC_SHA", 0,
	    TLS10 | NOMD5 | NORC4 },
	{ "D3.2-4 ChaCha20", DEEP_TLS1_3, "TLS_CHACHA20_POLY1305_SHA256", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-4 SM4", DEEP_TLS1_3, "TLS_SM4_GCM_SM3", 0, ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-4 RC4 is weak in modern", DEEP_TLS1_2, "TLS_RSA_WITH_RC4_128_SHA", 0, 0 },
	{ "D3.2-4 RC4 is strong in strict, D3.2-10 norc4 not", DEEP_TLS1_2,
	    "TLS_RSA_WITH_RC4_128_SHA", STRICT, ALL3 | NOMD5 },
	{ "D3.2-9 D3.2-10 RC4-MD5 in strict", DEEP_TLS1_0, "TLS_RSA_WITH_RC4_128_MD5",
	    STRICT, TLS10 },
	{ "D3.2-11 ECDHE with RC4 in strict", DEEP_TLS1_1,
	    "TLS_ECDHE_RSA_WITH_RC4_128_SHA", STRICT, TLS10 | TLS11 | NOMD5 | PFS },
	{ "D3.2-9 MD5 in modern", DEEP_TLS1_2, "TLS_KRB5_WITH_IDEA_CBC_MD5", 0,
	    ALL3 | NORC4 },

	{ "D5.3-5 DHE_RSA_AES_128_CBC_SHA", DEEP_TLS1_0,
	    "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", 0, TLS10 | NOMD5 | NORC4 | PFS },
	{ "D5.3-6 RSA_AES_128_CBC_SHA, no pfs", DEEP_TLS1_0,
	    "TLS_RSA_WITH_AES_128_CBC_SHA", STRICT, TLS10 | NOMD5 | NORC4 },

	{ "D3.2-11 ECDHE", DEEP_TLS1_2, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 DHE_PSK", DEEP_TLS1_2, "TLS_DHE_PSK_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 PSK_DHE, the odd name", DEEP_TLS1_2, "TLS_PSK_DHE_WITH_AES_128_CCM_8",
	    0, ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 ECDHE_PSK", DEEP_TLS1_2, "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 DH_anon", DEEP_TLS1_2, "TLS_DH_anon_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 ECDH_anon", DEEP_TLS1_2, "TLS_ECDH_anon_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-11 DH is not", DEEP_TLS1_2, "TLS_DH_RSA_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-11 ECDH is not", DEEP_TLS1_2, "TLS_ECDH_RSA_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-11 PSK is not", DEEP_TLS1_2, "TLS_PSK_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-11 RSA_PSK is not", DEEP_TLS1_2, "TLS_RSA_PSK_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-11 KRB5 is not", DEEP_TLS1_2, "TLS_KRB5_WITH_IDEA_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },
	{ "D3.2-11 SRP is not", DEEP_TLS1_2, "TLS_SRP_SHA_RSA_WITH_AES_128_CBC_SHA", 0,
	    ALL3 | NOMD5 | NORC4 },

	{ "D3.2-6 chain and name", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CBC_SHA",
	    CHAIN | NAME, ALL3 | NOMD5 | NORC4 | CERT },
	{ "D3.2-5 D3.2-6 chain without name", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CBC_SHA",
	    CHAIN, ALL3 | NOMD5 | NORC4 },
	{ "D3.2-5 D3.2-6 name without chain", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CBC_SHA",
	    NAME, ALL3 | NOMD5 | NORC4 },
	{ "D3.2-8 DANE is not tls-cert", DEEP_TLS1_2, "TLS_RSA_WITH_AES_128_CBC_SHA",
	    TLSA, ALL3 | NOMD5 | NORC4 | DANE },
	{ "D3.2-6 D3.2-8 all of it", DEEP_TLS1_3, "TLS_AES_256_GCM_SHA384",
	    CHAIN | NAME | TLSA, DEEP_LATCH_ALL },
	{ "D3.2-5 anonymous is never tls-cert nor DANE", DEEP_TLS1_2,
	    "TLS_DH_anon_WITH_AES_128_CBC_SHA", CHAIN | NAME | TLSA,
	    ALL3 | NOMD5 | NORC4 | PFS },
	{ "D3.2-6 tls-cert asks for no strength", DEEP_TLS1_2,
	    "TLS_RSA_WITH_3DES_EDE_CBC_SHA", CHAIN | NAME | TLSA, CERT | DANE },

	{ "a resumed session satisfies", DEEP_TLS1_2,
	    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", RESUMED | CHAIN | NAME | TLSA,
	    DEEP_LATCH_ALL },
	{ "a resumed session of TLS 1.0", DEEP_TLS1_0, "TLS_RSA_WITH_AES_128_CBC_SHA",
	    RESUMED, TLS10 | NOMD5 | NORC4 },
};

static struct deep_session
session_of(int version, const struct deep_suite *suite, int flags)
{
	struct deep_session	session;

	memset(&session, 0, sizeof(session));
	session.version = version;
	session.suite = suite;
	session.chain_ok = (flags & CHAIN) != 0;
	session.name_ok = (flags & NAME) != 0;
	session.dane_ok = (flags & TLSA) != 0;
	session.resumed = (flags & RESUMED) != 0;
	session.strict = (flags & STRICT) != 0;
	return session;
}

static void
test_sessions(void)
{
	struct deep_session		 session;
	const struct deep_suite		*suite;
	const char			*name;
	size_t				 i;

	for (i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		suite = NULL;
		name = sessions[i].suite == NULL ? "unknown" : sessions[i].suite;
		if (sessions[i].suite != NULL) {
			suite = deep_suite_find(deep_str(sessions[i].suite),
			    sessions[i].version, NULL);
			ok(suite != NULL, "%s: has a row", name);
		}
		session = session_of(sessions[i].version, suite, sessions[i].flags);
		is_int(deep_latches_satisfied(&session), sessions[i].satisfied,
		    "row %zu, %s, %s: satisfied", i, sessions[i].what, name);
		is_int(deep_latches_settable(&session),
		    sessions[i].flags & RESUMED ? 0 : sessions[i].satisfied,
		    "row %zu, %s, %s: settable", i, sessions[i].what, name);
		is_int(deep_latches_failed(DEEP_LATCH_ALL, &session),
		    DEEP_LATCH_ALL & ~sessions[i].satisfied,
		    "row %zu, %s, %s: failed", i, sessions[i].what, name);
	}
	is_int(deep_latches_satisfied(NULL), 0, "no session satisfies nothing");
	is_int(deep_latches_settable(NULL), 0, "no session sets nothing");
	is_int(deep_latches_failed(PFS, NULL), PFS, "D3.3-1 no session fails all");
}

/* Each limit of "strong" on both sides, with suites made for it. */
static void
test_strength(void)
{
	struct deep_suite	suite;
	struct deep_session	session;

	memset(&suite, 0, sizeof(suite));
	session = session_of(DEEP_TLS1_2, &suite, 0);
	suite.bits = 127;
	is_int(deep_latches_satisfied(&session), 0, "D3.2-4 127 bits");
	suite.bits = 128;
	is_int(deep_latches_satisfied(&session), ALL3 | NOMD5 | NORC4, "D3.2-4 128 bits");
	suite.flags = DEEP_SUITE_NULL;
	is_int(deep_latches_satisfied(&session), 0, "D3.2-4 NULL whatever its bits");
	suite.flags = DEEP_SUITE_EXPORT;
	is_int(deep_latches_satisfied(&session), 0, "D3.2-4 export whatever its bits");
	suite.flags = DEEP_SUITE_SCSV;
	is_int(deep_latches_satisfied(&session), 0, "SCSV whatever its bits");
	suite.flags = 0;
	session.version = DEEP_TLS1_3;
	is_int(deep_latches_satisfied(&session), ALL3 | NOMD5 | NORC4 | PFS,
	    "D3.2-11 TLS 1.3 is ephemeral whatever the row says");
}

/* What is true of every suite and version. */
static void
test_every_suite(void)
{
	static const int	 versions[] = {
		0, DEEP_SSL2, DEEP_SSL3, DEEP_TLS_SOME, DEEP_TLS_LABEL, DEEP_TLS1_0,
		DEEP_TLS1_1, DEEP_TLS1_2, DEEP_TLS1_3
	};
	const struct deep_suite	*suite;
	struct deep_session	 session;
	deep_latches		 set, strict;
	size_t			 i, n = 0;
	int			 flags, closed = 1, wider = 1, needs = 1, weak = 1;

	for (suite = deep_suite_each(NULL); suite != NULL; suite = deep_suite_each(suite))
		for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
			for (flags = 0; flags < STRICT; flags++, n++) {
				session = session_of(versions[i], suite, flags);
				set = deep_latches_satisfied(&session);
				session.strict = 1;
				strict = deep_latches_satisfied(&session);
				if (deep_latches_close(set) != set ||
				    deep_latches_close(strict) != strict)
					closed = 0;
				if ((set & strict) != set)
					wider = 0;
				if (versions[i] == 0 && (set | strict) != 0)
					needs = 0;
				if (suite->bits < 128 && (set & ~(CERT | DANE)) != 0)
					weak = 0;
			}
	diag("%zu sessions", n);
	ok(n > 9 * 16 * 300, "there are suites to walk");
	ok(closed, "D3.2-3 what a session satisfies is closed");
	ok(wider, "strict satisfies all that modern does");
	ok(needs, "D3.3-1 without TLS nothing is satisfied");
	ok(weak, "D3.2-4 below 128 bits only certificates count");
}

static void
test_close(void)
{
	static const struct { deep_latches set, closed; } sets[] = {
		{ 0, 0 }, { TLS10, TLS10 }, { TLS11, TLS10 | TLS11 }, { TLS12, ALL3 },
		{ TLS12 | TLS10, ALL3 }, { PFS, PFS }, { CERT | TLS11,
		    CERT | TLS10 | TLS11 },
		{ DEEP_LATCH_ALL, DEEP_LATCH_ALL }
	};
	struct deep_session	session;
	deep_latches		set, more;
	size_t			i;
	int			same = 1, grows = 1;

	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		is_int(deep_latches_close(sets[i].set), sets[i].closed,
		    "closure of 0x%02x", (unsigned)sets[i].set);
	for (set = 0; set <= DEEP_LATCH_ALL; set++) {
		more = deep_latches_close(set);
		if (deep_latches_close(more) != more)
			same = 0;
		if ((more & set) != set)
			grows = 0;
	}
	ok(same, "closing twice is closing once");
	ok(grows, "D3.1-9 closing lowers nothing");

	session = session_of(DEEP_TLS1_1, deep_suite_code(0x002f), 0);
	is_int(deep_latches_failed(TLS12, &session), TLS12,
	    "D3.3-9 only what failed: tls12 against TLS 1.1");
	is_int(deep_latches_failed(TLS12 | PFS | NOMD5, &session), TLS12 | PFS,
	    "D3.3-9 tls12 and tls-pfs");
	is_int(deep_latches_failed(TLS11, &session), 0, "nothing failed");
	is_int(deep_latches_failed(0, &session), 0, "nothing stored, nothing failed");
	session.version = 0;
	is_int(deep_latches_failed(TLS12, &session), ALL3,
	    "stored tls12 is closed on read: all three fail without TLS");
	is_int(deep_latches_failed(0xffffff00u, &session), 0,
	    "D3.1-9 a bit without a row is not enforced");
}

static void
test_valid(void)
{
	static const struct { const char *id; int valid; } ids[] = {
		{ "a", 1 }, { "Z", 1 }, { "a-", 1 }, { "a1", 1 }, { "tls-x--9", 1 },
		{ "abcdefghijklmnopqrstuvwxyz012345", 1 },	/* 32 */
		{ "abcdefghijklmnopqrstuvwxyz0123456", 0 },	/* 33 */
		{ "", 0 }, { "1a", 0 }, { "-a", 0 }, { "tls_10", 0 }, { "tls.10", 0 },
		{ "tls 10", 0 }, { "tls10,", 0 }, { "\303\244", 0 }, { "t\303\244", 0 },
		{ "a\177", 0 }, { "a\r", 0 }, { "@", 0 }, { "[", 0 }, { "`", 0 }, { "{",
		    0 },
		{ "a/", 0 }, { "a:", 0 }
	};
	static const struct deep_str	nul = { "a\0b", 3 };
	size_t				i;

	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		is_int(deep_latch_valid(deep_str(ids[i].id)), ids[i].valid,
		    "D3.1-7 row %zu '%s'", i, ids[i].id);
	is_int(deep_latch_valid(nul), 0, "D3.1-7 a NUL");
	is_int(deep_latch_valid(deep_str(NULL)), 0, "D3.1-7 nothing at all");
}

/* A list, and what is read from it: "!" stands before what was BAD. */
static const struct {
	const char	*list;
	const char	*ids;
} lists[] = {
	{ "", "" }, { " ", "" }, { "(none)", "" },
	{ "tls10", "tls10" },
	{ " tls10 tls12", "tls10 tls12" },
	{ " tls10\r\n\ttls12\r\n tls-pfs\r\n", "tls10 tls12 tls-pfs" },
	{ " (a (nested) one) tls10 (b) (c) tls12 (d)", "tls10 tls12" },
	{ "(a)tls10(b)tls12(c)", "tls10 tls12" },
	{ " (a \\) b) tls10", "tls10" },
	{ " TLS10 new-One", "TLS10 new-One" },
	{ " tls10, tls12", "tls10 !, tls12" },
	{ " tls10; tls12", "tls10 !; tls12" },
	{ " tls_10 tls12", "!tls_10 tls12" },
	{ " \"tls10\" tls12", "!\"tls10\" tls12" },
	{ " <tls10> [tls11] tls12", "!<tls10> ![tls11] tls12" },
	{ " 1a b", "!1a b" },
	{ " abcdefghijklmnopqrstuvwxyz012345 abcdefghijklmnopqrstuvwxyz0123456",
	    "abcdefghijklmnopqrstuvwxyz012345 !abcdefghijklmnopqrstuvwxyz0123456" },
	{ " tls10 (open", "tls10 !(open" },
};

static void
test_next(void)
{
	struct deep_str		 rest, id;
	struct deep_fault	 fault;
	enum deep_status	 status;
	char			 read[256];
	size_t			 i, turn, n;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		rest = deep_str(lists[i].list);
		read[0] = '\0';
		for (n = 0, turn = 0; turn < 100; turn++) {
			status = deep_latch_next(&rest, &id, &fault);
			if (status == DEEP_NO)
				break;
			if (n > 0)
				read[n++] = ' ';
			if (status != DEEP_YES)
				read[n++] = '!';
			memcpy(read + n, id.p, id.n);
			n += id.n;
			read[n] = '\0';
		}
		is(read, lists[i].ids, "D3.3-10 row %zu '%s'", i, lists[i].list);
		is_int((long long)rest.n, 0, "row %zu: nothing is left", i);
		is_int(deep_latch_next(&rest, &id, NULL), DEEP_NO, "row %zu: the end", i);
		ok(id.p == NULL && id.n == 0, "row %zu: no id at the end", i);
	}
	rest = deep_str(" (x) tls_10 (y) 9");
	status = deep_latch_next(&rest, &id, &fault);
	is_int(status, DEEP_BAD, "D3.3-10 a bad word");
	is_int((long long)fault.at, 5, "the fault tells where, comments included");
	is(fault.why, "not a security-latch-id", "and why");
	status = deep_latch_next(&rest, &id, &fault);
	is_int(status, DEEP_BAD, "the next bad word");
	is_int((long long)fault.at, 5, "from where this call began");
	rest = deep_str("(a) (open");
	status = deep_latch_next(&rest, &id, &fault);
	is_int(status, DEEP_BAD, "an open comment behind a closed one");
	is_int((long long)fault.at, 4, "where the open one begins");
	rest = deep_str(" a b)");
	status = deep_latch_next(&rest, &id, NULL);
	is_int(status, DEEP_YES, "a fault may be NULL");
	deep_latch_next(&rest, &id, NULL);
	status = deep_latch_next(&rest, &id, NULL);
	is_int(status, DEEP_BAD, "also where a word is bad");
}

static void
test_next_depth(void)
{
	char			 list[2 * DEEP_DEPTH_MAX + 16];
	struct deep_str		 rest = { list, 0 };
	struct deep_str		 id;
	enum deep_status	 status;
	size_t			 depth, turn;

	for (depth = DEEP_DEPTH_MAX; depth <= DEEP_DEPTH_MAX + 1; depth++) {
		memset(list, '(', depth);
		memset(list + depth, ')', depth);
		memcpy(list + 2 * depth, " tls10", 6);
		rest.p = list;
		rest.n = 2 * depth + 6;
		status = deep_latch_next(&rest, &id, NULL);
		if (depth == DEEP_DEPTH_MAX) {
			is_int(status, DEEP_YES, "comments at DEEP_DEPTH_MAX");
			is_str(id, "tls10", "the id behind them");
		} else {
			is_int(status, DEEP_LIMIT, "comments below DEEP_DEPTH_MAX");
			for (turn = 0; turn < 200 && status != DEEP_NO; turn++)
				status = deep_latch_next(&rest, &id, NULL);
			is_int(status, DEEP_NO, "and the list comes to its end");
		}
	}
}

static const struct {
	const char	*what;
	deep_latches	 set;
	const char	*other[4];
	const char	*list;		/* NULL: refused */
} emits[] = {
	{ "D3.3-9 an empty list", 0, { NULL }, NULL },
	{ "one", TLS12, { NULL }, "tls12" },
	{ "all, in the order of the registry", DEEP_LATCH_ALL, { NULL },
	    "tls10 tls11 tls12 tls-cert tls-dane-tlsa tls-nomd5 tls-norc4 tls-pfs" },
	{ "others behind", TLS10 | TLS12, { "new-one" }, "tls10 tls12 new-one" },
	{ "others alone, in their order", 0, { "zulu", "alpha" }, "zulu alpha" },
	{ "D3.1-7 lower case", PFS, { "New-ONE" }, "tls-pfs new-one" },
	{ "others that have a row", 0, { "zulu", "TLS-PFS", "tls10" },
	    "tls10 tls-pfs zulu" },
	{ "doubles collapse", TLS10, { "tls10", "a", "A", "a" }, "tls10 a" },
	{ "D3.1-7 no id", TLS10, { "tls_10" }, NULL },
	{ "D3.1-7 a line end", TLS10, { "a\r\nSubject" }, NULL },
	{ "D3.1-7 an empty id", TLS10, { "a", "" }, NULL },
	{ "a bit without a row", 0x100u, { NULL }, NULL },
	{ "a bit without a row beside others", 0x80000001u, { NULL }, NULL },
};

static void
test_emit(void)
{
	struct deep_str	other[4], rest, id;
	deep_latches	set;
	char		buf[1024], small[16];
	size_t		i, n, size;
	int		length, whole;

	for (i = 0; i < sizeof(emits) / sizeof(emits[0]); i++) {
		for (n = 0; n < 4 && emits[i].other[n] != NULL; n++)
			other[n] = deep_str(emits[i].other[n]);
		memset(buf, 'x', sizeof(buf));
		length = deep_latches_emit(buf, sizeof(buf), emits[i].set, other, n);
		is_int(length, emits[i].list == NULL ? -1 : (int)strlen(emits[i].list),
		    "row %zu, %s: length", i, emits[i].what);
		is(buf, emits[i].list == NULL ? "" : emits[i].list, "row %zu, %s",
		    i, emits[i].what);
		is_int(deep_latches_emit(NULL, 0, emits[i].set, other, n), length,
		    "row %zu, %s: counted without a buffer", i, emits[i].what);
	}
	/* Every size: the whole or nothing, and nothing behind the end. */
	whole = 1;
	for (size = 0; size <= sizeof(small) - 2; size++) {
		memset(small, 'x', sizeof(small));
		length = deep_latches_emit(small, size, TLS10 | TLS12, NULL, 0);
		if (length != 11 || small[size] != 'x' ||
		    (size > 0 && strcmp(small, size > 11 ? "tls10 tls12" : "") != 0))
			whole = 0;
	}
	ok(whole, "the whole or nothing in every size");
	/* Round trip of all sets. */
	whole = 1;
	for (i = 1; i <= DEEP_LATCH_ALL; i++) {
		length = deep_latches_emit(buf, sizeof(buf), (deep_latches)i, NULL, 0);
		rest.p = buf;
		rest.n = length < 0 ? 0 : (size_t)length;
		set = 0;
		while (deep_latch_next(&rest, &id, NULL) == DEEP_YES)
			set |= deep_latch_find(id);
		if (set != i)
			whole = 0;
	}
	ok(whole, "D3.3-10 all 255 sets are read as they were written");
}

/* "SMTP-Security-Latch: " and the list: 998 octets, not 999. */
static void
test_emit_limit(void)
{
	static char	ids[32][DEEP_LATCH_MAX];
	struct deep_str	other[32];
	char		buf[1200];
	size_t		i, n, name = strlen(DEEP_LATCH_FIELD ": ");
	size_t		left = 998 - name;

	/* Ids of 32 octets and a space while they fit, and one for the rest. */
	for (n = 0; left > 2 * (DEEP_LATCH_MAX + 1); n++, left -= DEEP_LATCH_MAX + 1) {
		memset(ids[n], 'a', DEEP_LATCH_MAX);
		ids[n][1] = (char)('a' + n / 10);
		ids[n][2] = (char)('0' + n % 10);
		other[n].p = ids[n];
		other[n].n = DEEP_LATCH_MAX;
	}
	/* Two more of such lengths that the second may grow by one. */
	for (i = 0; i < 2; i++) {
		memset(ids[n + i], 'z', DEEP_LATCH_MAX);
		ids[n + i][0] = (char)('y' + i);
		other[n + i].p = ids[n + i];
	}
	other[n].n = left / 2;
	other[n + 1].n = left - 1 - left / 2;
	is_int(deep_latches_emit(buf, sizeof(buf), 0, other, n + 2), (int)(998 - name),
	    "a line of 998 octets (RFC 5322 2.1.1)");
	is_int((long long)strlen(buf), (long long)(998 - name), "is written");
	other[n + 1].n++;
	is_int(deep_latches_emit(buf, sizeof(buf), 0, other, n + 2), -1,
	    "a line of 999 octets is refused");
	is(buf, "", "and leaves nothing");
}

int
main(void)
{
	test_rows();
	test_sessions();
	test_strength();
	test_every_suite();
	test_close();
	test_valid();
	test_next();
	test_next_depth();
	test_emit();
	test_emit_limit();
	return done_testing();
}
