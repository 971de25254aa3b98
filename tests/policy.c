/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * policy.c - tests of shared/policy.c: keys, what sessions teach over time, what
 * is then required of them, and the clock.  Rows carry the requirement that they
 * show.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "deep.h"
#include "tap.h"

#define HOUR	3600
#define DAY	(24 * HOUR)
#define START	INT64_C(1800000000)	/* 2027-01-15 */

#define T10	DEEP_LATCH_TLS10
#define T11	(T10 | DEEP_LATCH_TLS11)
#define T12	(T11 | DEEP_LATCH_TLS12)
#define CERT	DEEP_LATCH_CERT
#define DANE	DEEP_LATCH_DANE
#define MD5	DEEP_LATCH_NOMD5
#define RC4	DEEP_LATCH_NORC4
#define NO	(MD5 | RC4)
#define PFS	DEEP_LATCH_PFS
#define GOOD	(T12 | NO | PFS)	/* of TLS 1.3, or of 1.2 with ECDHE */

/* Sessions by a letter. */
static const struct {
	char	letter;
	int	version;
	int	suite;
	const char *facts;	/* c chain, n name, h host, s host safe, v verified, d DANE, x no TLSA, r resumed */
} sessions[] = {
	{ '-', 0, 0, "" },				/* clear text */
	{ '3', DEEP_TLS1_3, 0x1301, "" },
	{ '2', DEEP_TLS1_2, 0xc02f, "" },
	{ '1', DEEP_TLS1_1, 0x002f, "" },		/* RSA, AES-128-CBC */
	{ '0', DEEP_TLS1_0, 0x002f, "" },
	{ 'd', DEEP_TLS1_0, 0x0033, "" },		/* DHE_RSA, AES-128-CBC */
	{ 'k', DEEP_TLS1_2, 0x009c, "" },		/* RSA, AES-128-GCM */
	{ 'm', DEEP_TLS1_0, 0x0004, "" },		/* RC4-128-MD5 */
	{ 't', DEEP_TLS1_2, 0x000a, "" },		/* 3DES */
	{ 'u', DEEP_TLS1_2, -1, "" },			/* an unknown suite */
	{ 'r', DEEP_TLS1_2, 0xc02f, "r" },
	{ 'c', DEEP_TLS1_3, 0x1301, "cn" },
	{ 'w', DEEP_TLS1_3, 0x1301, "c" },		/* chain, wrong name */
	{ 'h', DEEP_TLS1_3, 0x1301, "ch" },		/* the MX host's name */
	{ 'H', DEEP_TLS1_3, 0x1301, "chs" },		/* and it came by DNSSEC */
	{ 'v', DEEP_TLS1_3, 0x1301, "v" },
	{ 'V', DEEP_TLS1_3, 0x1301, "vs" },
	{ 'e', DEEP_TLS1_3, 0x1301, "vsd" },		/* DANE-EE as Exim tells it: cv=1, dane=yes */
	{ 'p', DEEP_TLS1_3, 0x1301, "cnd" },		/* PKIX-EE */
	{ 'D', DEEP_TLS1_3, 0x1301, "d" },
	{ 'x', DEEP_TLS1_3, 0x1301, "x" },
	{ 'n', 0, 0, "x" },				/* clear text, to a domain without TLSA */
};

static const struct deep_session *
session_of(char letter)
{
	static struct deep_session	session;
	size_t				i;
	const char			*facts;

	memset(&session, 0, sizeof(session));
	for (i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++)
		if (sessions[i].letter == letter)
			break;
	if (i == sizeof(sessions) / sizeof(sessions[0])) {
		fail("there is no session '%c'", letter);
		return &session;
	}
	facts = sessions[i].facts;
	session.version = sessions[i].version;
	session.suite = session.version == 0 || sessions[i].suite < 0 ? NULL :
	    deep_suite_code((uint16_t)sessions[i].suite);
	session.chain_ok = strchr(facts, 'c') != NULL;
	session.name_ok = strchr(facts, 'n') != NULL;
	session.host_ok = strchr(facts, 'h') != NULL;
	session.host_safe = strchr(facts, 's') != NULL;
	session.verified = strchr(facts, 'v') != NULL;
	session.dane_ok = strchr(facts, 'd') != NULL;
	session.no_tlsa = strchr(facts, 'x') != NULL;
	session.resumed = strchr(facts, 'r') != NULL;
	return &session;
}

static struct deep_config *
config_of(const char *text)
{
	struct deep_config	*config = deep_config_new();

	if (deep_config_text_read(config, "test", deep_str(text)) != DEEP_YES)
		fail("%s", deep_config_error(config));
	return config;
}

static const char *
words(char buf[128], deep_latches set)
{
	if (deep_latches_emit(buf, 128, set, NULL, 0) <= 0)
		snprintf(buf, 128, "nothing");
	return buf;
}

#define is_set(got, want, ...) do { \
	char one_[128], other_[128]; \
	is(words(one_, (got)), words(other_, (want)), __VA_ARGS__); \
} while (0)

/*
 * Walks: sessions that carried a transfer, one after another.  After each step: what
 * it set, what it ended the probation of, what it contradicted, and what is required
 * from then on.
 */
struct step {
	double		 hours;		/* since the start */
	char		 session;
	const char	*host;
	deep_latches	 set, enforced, contradicted, required;
};
static const struct walk {
	const char	*name;
	const char	*conf;
	struct step	 step[8];	/* up to host NULL */
} walks[] = {
	{ "D3.1-4: 3 over 72 h, then required", "", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 1, '3', "mx1", 0, 0, 0, 0 },
		{ 71.99, '3', "mx1", 0, 0, 0, 0 },
		{ 72, '3', "mx1", 0, GOOD, 0, GOOD },
		{ 73, '-', "mx1", 0, 0, GOOD, GOOD },
		{ 74, '3', "mx1", 0, 0, 0, GOOD },
	} },
	{ "two over 72 h are not three", "", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 90, '3', "mx1", 0, 0, 0, 0 },
		{ 91, '3', "mx1", 0, GOOD, 0, GOOD },
	} },
	{ "a contradiction by another host begins probation again", "", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 40, '3', "mx1", 0, 0, 0, 0 },
		{ 50, '-', "mx2", 0, 0, GOOD, 0 },
		{ 73, '3', "mx1", 0, 0, 0, 0 },
		{ 100, '3', "mx1", 0, 0, 0, 0 },
		{ 144.9, '3', "mx1", 0, 0, 0, 0 },
		{ 145, '3', "mx1", 0, GOOD, 0, GOOD },
	} },
	{ "a mixed pool: what the weaker host lacks is never required", "", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 1, 'k', "mx2", 0, 0, PFS, 0 },
		{ 40, '3', "mx1", 0, 0, 0, 0 },
		{ 72, 'k', "mx2", 0, T12 | NO, PFS, T12 | NO },
		{ 80, '3', "mx1", 0, 0, 0, T12 | NO },
		{ 152, 'k', "mx2", 0, 0, PFS, T12 | NO },
	} },
	{ "once enforced a contradiction does not end it", "", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 36, '3', "mx1", 0, 0, 0, 0 },
		{ 72, '3', "mx1", 0, GOOD, 0, GOOD },
		{ 73, '-', "mx1", 0, 0, GOOD, GOOD },
		{ 300, '-', "mx2", 0, 0, GOOD, GOOD },
	} },
	{ "profile strict: 1 over 0", "[policy]\nprofile = strict\n", {
		{ 0, '3', "mx1", GOOD, GOOD, 0, GOOD },
		{ 1, '2', "mx2", 0, 0, 0, GOOD },
	} },
	{ "D3.2-4: RC4 with 128 bits is strong in strict only", "[policy]\nprofile = strict\n", {
		{ 0, 'm', "mx1", T10, T10, 0, T10 },
	} },
	{ "D3.2-4: else nothing", "[policy]\nconfirm = 1\nconfirm-over = 0\n", {
		{ 0, 'm', "mx1", 0, 0, 0, 0 },
		{ 1, 't', "mx1", 0, 0, 0, 0 },
		{ 2, 'u', "mx1", 0, 0, 0, 0 },
	} },
	{ "confirm = 2 over 1 h", "[policy]\nconfirm = 2\nconfirm-over = 1h\n", {
		{ 0, '3', "mx1", GOOD, 0, 0, 0 },
		{ 0.99, '3', "mx1", 0, 0, 0, 0 },
		{ 1, '3', "mx1", 0, GOOD, 0, GOOD },
	} },
	{ "D3.1-9, D5.3-11: union only; each version has its own probation",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n", {
		{ 0, '0', "mx1", T10 | NO, T10 | NO, 0, T10 | NO },
		{ 1, '1', "mx1", T11 & ~T10, T11 & ~T10, 0, T11 | NO },
		{ 2, '2', "mx1", (T12 & ~T11) | PFS, (T12 & ~T11) | PFS, 0, GOOD },
		{ 3, '0', "mx1", 0, 0, (T12 & ~T10) | PFS, GOOD },
	} },
	{ "D5.3-5: DHE_RSA_AES_128_CBC_SHA", "[policy]\nprofile = strict\n", {
		{ 0, 'd', "mx1", T10 | NO | PFS, T10 | NO | PFS, 0, T10 | NO | PFS },
	} },
	{ "D5.3-6: RSA_AES_128_CBC_SHA", "[policy]\nprofile = strict\n", {
		{ 0, '0', "mx1", T10 | NO, T10 | NO, 0, T10 | NO },
	} },
	{ "a resumed session of TLS 1.2 sets nothing, confirms nothing, contradicts nothing", "", {
		{ 0, 'r', "mx1", 0, 0, 0, 0 },
		{ 1, '3', "mx1", GOOD, 0, 0, 0 },
		{ 37, 'r', "mx1", 0, 0, 0, 0 },
		{ 74, 'r', "mx1", 0, 0, 0, 0 },
		{ 75, '3', "mx1", 0, 0, 0, 0 },
		{ 76, '3', "mx1", 0, GOOD, 0, GOOD },
	} },
	{ "tls-cert is only observed by default", "[policy]\nconfirm = 1\nconfirm-over = 0\n", {
		{ 0, 'c', "mx1", GOOD | CERT, GOOD | CERT, 0, GOOD },
		{ 1, '3', "mx1", 0, 0, CERT, GOOD },
	} },
	{ "D3.2-6: chain and name",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'w', "mx1", GOOD, GOOD, 0, GOOD },
		{ 1, 'c', "mx1", CERT, CERT, 0, GOOD | CERT },
	} },
	{ "D3.2-7: the MX host's name counts where it came safely",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'h', "mx1", GOOD, GOOD, 0, GOOD },
		{ 1, 'v', "mx1", 0, 0, 0, GOOD },
		{ 2, 'V', "mx1", CERT, CERT, 0, GOOD | CERT },
		{ 3, 'H', "mx1", 0, 0, 0, GOOD | CERT },
	} },
	{ "D3.2-7: and not in strict",
	    "[policy]\nprofile = strict\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'H', "mx1", GOOD, GOOD, 0, GOOD },
		{ 1, 'V', "mx1", 0, 0, 0, GOOD },
		{ 2, 'c', "mx1", CERT, CERT, 0, GOOD | CERT },
	} },
	{ "tls-cert is not learnt from a DANE-EE match",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'e', "mx1", GOOD | DANE, GOOD | DANE, 0, GOOD | DANE },
	} },
	{ "D5.3-7: tls-dane-tlsa, and tls-cert too where the chain was shown",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'p', "mx1", GOOD | DANE | CERT, GOOD | DANE | CERT, 0, GOOD | DANE | CERT },
	} },
	{ "DA-8: DANE decides before tls-cert; no proof, no release",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-cert = enforce\n", {
		{ 0, 'c', "mx1", GOOD | CERT, GOOD | CERT, 0, GOOD | CERT },
		{ 1, 'D', "mx1", DANE, DANE, 0, GOOD | CERT | DANE },
		{ 2, '3', "mx1", 0, 0, CERT | DANE, GOOD | CERT | DANE },
		{ 3, 'x', "mx1", 0, 0, CERT, GOOD | CERT | DANE },
		{ 4, 'n', "mx1", 0, 0, GOOD | CERT, GOOD | CERT | DANE },
	} },
	{ "DA-3: a latch that is off is neither set nor contradicted",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[mode]\ntls-pfs = off\n", {
		{ 0, '3', "mx1", GOOD & ~PFS, GOOD & ~PFS, 0, GOOD & ~PFS },
		{ 1, 'k', "mx1", 0, 0, 0, GOOD & ~PFS },
	} },
	{ "modes of one domain: all, then its own",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\n[domain a.example]\nall = warn\ntls10 = enforce\n", {
		{ 0, '3', "mx1", GOOD | 0, GOOD, 0, T10 },
	} },
	{ "an exempt domain is recorded and nothing required",
	    "[policy]\nconfirm = 1\nconfirm-over = 0\nexempt = b.example A.example\n", {
		{ 0, '3', "mx1", GOOD, GOOD, 0, 0 },
		{ 1, '-', "mx1", 0, 0, GOOD, 0 },
	} },
	{ "clear text leaves nothing", "[policy]\nprofile = strict\n", {
		{ 0, '-', "mx1", 0, 0, 0, 0 },
	} },
	{ "D3.1-6: 61 d 23 h after the last confirmation", "[policy]\nconfirm = 1\n"
	    "confirm-over = 0\nretention = 62d\n", {
		{ 0, '3', "mx1", GOOD, GOOD, 0, GOOD },
		{ 61 * 24 + 23, '-', "mx1", 0, 0, GOOD, GOOD },
		{ 62 * 24, '-', "mx1", 0, 0, GOOD, GOOD },
		{ 62 * 24 + 0.1, '-', "mx1", 0, 0, 0, 0 },
	} },
	{ "D3.1-5: 180 d by default, counted from the last confirmation", "[policy]\nconfirm = 1\n"
	    "confirm-over = 0\n", {
		{ 0, '3', "mx1", GOOD, GOOD, 0, GOOD },
		{ 179 * 24, '3', "mx1", 0, 0, 0, GOOD },
		{ 358 * 24, '0', "mx1", 0, 0, (T12 & ~T10) | PFS, GOOD },
		{ 360 * 24, '0', "mx1", 0, 0, 0, T10 | NO },
	} },
};

static void
walk(const struct walk *walk)
{
	struct deep_config	*config = config_of(walk->conf);
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct deep_learnt	 learnt;
	const struct step	*step;
	int			 n;

	memset(&record, 0, sizeof(record));
	deep_policy_of(&policy, config, "a.example");
	for (n = 0, step = walk->step; n < 8 && step->host != NULL; n++, step++) {
		record.clock = START + (int64_t)(step->hours * HOUR);
		deep_policy_learn(&policy, &record, session_of(step->session),
		    deep_str(step->host), 1, &learnt);
		is_set(learnt.set, step->set, "%s, step %d: set", walk->name, n + 1);
		is_set(learnt.enforced, step->enforced, "%s, step %d: probation over", walk->name,
		    n + 1);
		is_set(learnt.contradicted, step->contradicted, "%s, step %d: contradicted",
		    walk->name, n + 1);
		is_set(deep_policy_required(&policy, &record, 0), step->required,
		    "%s, step %d: required", walk->name, n + 1);
	}
	deep_config_free(config);
}

/*
 * Decisions: a record made of latches past probation and others on probation.
 */
static const struct {
	const char	*name;
	const char	*conf;
	deep_latches	 proved, fresh;
	char		 session;
	unsigned	 bypass;
	int		 exempt;
	deep_latches	 failed, warned, doubted;
	unsigned	 bypassed;
} decisions[] = {
	{ "nothing is known", "", 0, 0, '-', 0, 0, 0, 0, 0, 0 },
	{ "D3.3-1: all is there", "", GOOD, 0, '3', 0, 0, 0, 0, 0, 0 },
	{ "D3.3-1: no TLS", "", GOOD, 0, '-', 0, 0, GOOD, 0, 0, 0 },
	{ "D3.3-1: an older version", "", GOOD, 0, '0', 0, 0, (T12 & ~T10) | PFS, 0, 0, 0 },
	{ "D3.3-1: no forward secrecy", "", GOOD, 0, 'k', 0, 0, PFS, 0, 0, 0 },
	{ "closed on read: tls12 alone implies the others", "", DEEP_LATCH_TLS12, 0, '0', 0, 0,
	    T12 & ~T10, 0, 0, 0 },
	{ "a resumed session satisfies", "", GOOD, 0, 'r', 0, 0, 0, 0, 0, 0 },
	{ "an unknown suite does not", "", GOOD, 0, 'u', 0, 0, GOOD, 0, 0, 0 },
	{ "on probation: only doubted", "", T10, T12 | PFS, 'd', 0, 0, 0, 0, T12 & ~T10, 0 },
	{ "D3.3-11: an expired certificate fails tls-cert alone",
	    "[mode]\ntls-cert = enforce\n", GOOD | CERT, 0, '3', 0, 0, CERT, 0, 0, 0 },
	{ "tls-cert is observed by default", "", GOOD | CERT, 0, '3', 0, 0, 0, 0, CERT, 0 },
	{ "mode warn", "[mode]\ntls-pfs = warn\n", GOOD, 0, 'k', 0, 0, 0, PFS, 0, 0 },
	{ "mode warn, on probation", "[mode]\ntls-pfs = warn\n", T12 | NO, PFS, 'k', 0, 0, 0, 0, PFS, 0 },
	{ "mode observe", "[mode]\ntls-pfs = observe\n", GOOD, 0, 'k', 0, 0, 0, 0, PFS, 0 },
	{ "mode off", "[mode]\ntls-pfs = off\n", GOOD, 0, 'k', 0, 0, 0, 0, 0, 0 },
	{ "off says nothing of the versions above it", "[mode]\ntls11 = off\n", GOOD, 0, '0', 0, 0,
	    DEEP_LATCH_TLS12 | PFS, 0, 0, 0 },
	{ "DA-8: DANE is as good as a chain", "[mode]\ntls-cert = enforce\n", GOOD | CERT, 0, 'D', 0, 0,
	    0, 0, 0, 0 },
	{ "tls-dane-tlsa is missing", "", GOOD | DANE, 0, 'c', 0, 0, DANE, 0, 0, 0 },
	{ "D5.3-7: proved that there is no TLSA", "", GOOD | DANE, 0, 'x', 0, 0, 0, 0, 0, 0 },
	{ "D5.3-7: in clear text too", "", GOOD | DANE, 0, 'n', 0, 0, GOOD, 0, 0, 0 },
	{ "X-14: TLS-Required: No", "", GOOD, 0, '-', DEEP_BYPASS_TLS_REQUIRED_NO, 0, 0, 0, GOOD,
	    DEEP_BYPASS_TLS_REQUIRED_NO },
	{ "X-14: which the administrator forbids", "[policy]\ntls-required-no = ignore\n", GOOD, 0, '-',
	    DEEP_BYPASS_TLS_REQUIRED_NO, 0, GOOD, 0, 0, 0 },
	{ "X-15: a TLSRPT report", "", GOOD, 0, '-', DEEP_BYPASS_TLSRPT, 0, 0, 0, GOOD,
	    DEEP_BYPASS_TLSRPT },
	{ "X-15: which the administrator forbids", "[policy]\ntlsrpt = ignore\n", GOOD, 0, '-',
	    DEEP_BYPASS_TLSRPT, 0, GOOD, 0, 0, 0 },
	{ "X-15: one forbidden, one honoured", "[policy]\ntlsrpt = ignore\n", GOOD, 0, '-',
	    DEEP_BYPASS_TLSRPT | DEEP_BYPASS_TLS_REQUIRED_NO, 0, 0, 0, GOOD,
	    DEEP_BYPASS_TLS_REQUIRED_NO },
	{ "nothing to pass by", "", 0, T10, '-', DEEP_BYPASS_TLSRPT, 0, 0, 0, T10, 0 },
	{ "a bypass that there is not", "", GOOD, 0, '-', 0x80u, 0, GOOD, 0, 0, 0 },
	{ "nobody can claim to be exempt", "", GOOD, 0, '-', DEEP_BYPASS_EXEMPT, 0, GOOD, 0, 0, 0 },
	{ "exempt in the store", "", GOOD, 0, '-', 0, 1, 0, 0, GOOD, DEEP_BYPASS_EXEMPT },
	{ "exempt in deep.conf", "[policy]\nexempt = a.example\n", GOOD, 0, '-', 0, 0, 0, 0, GOOD,
	    DEEP_BYPASS_EXEMPT },
};

static void
make_record(struct deep_record *record, deep_latches proved, deep_latches fresh)
{
	unsigned	n;

	memset(record, 0, sizeof(*record));
	record->clock = START + 10 * DAY;
	for (n = 0; n < DEEP_LATCHES; n++) {
		if (!((proved | fresh) & 1u << n))
			continue;
		record->latch[n].first = record->latch[n].window = START;
		record->latch[n].confirmed = START + DAY;
		record->latch[n].confirmations = record->latch[n].in_window = 2;
		if (proved & 1u << n)
			record->latch[n].enforced = START + DAY;
	}
}

static void
test_decisions(void)
{
	struct deep_config	*config;
	struct deep_policy	 policy;
	struct deep_record	 record;
	struct deep_decision	 decision;
	size_t			 i;

	for (i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		config = config_of(decisions[i].conf);
		deep_policy_of(&policy, config, "a.example");
		make_record(&record, decisions[i].proved, decisions[i].fresh);
		record.exempt = decisions[i].exempt ? START : 0;
		deep_policy_decide(&policy, &record, session_of(decisions[i].session),
		    decisions[i].bypass, &decision);
		is_set(decision.failed, decisions[i].failed, "%s: failed", decisions[i].name);
		is_set(decision.warned, decisions[i].warned, "%s: warned", decisions[i].name);
		is_set(decision.doubted, decisions[i].doubted, "%s: doubted", decisions[i].name);
		is_int(decision.bypassed, decisions[i].bypassed, "%s: bypassed", decisions[i].name);
		ok((decision.failed & ~decision.required) == 0 &&
		    (decision.required & ~decision.failed & ~decision.satisfied) == 0,
		    "%s: what is required fails or is there", decisions[i].name);
		deep_config_free(config);
	}
	deep_policy_of(&policy, NULL, NULL);
	deep_policy_decide(&policy, NULL, session_of('2'), 0, &decision);
	ok(decision.failed == 0 && decision.satisfied == GOOD, "no record: nothing fails");
	make_record(&record, GOOD, 0);
	deep_policy_decide(&policy, &record, NULL, 0, &decision);
	is_set(decision.failed, GOOD, "no session is clear text");
	is_set(deep_policy_required(&policy, NULL, 0), 0, "no record requires nothing");
	is_set(deep_policy_required(&policy, &record, DEEP_BYPASS_TLSRPT), 0,
	    "X-15: nor does what passes by");
	/* A latch that was confirmed often enough for a policy that asks for less now. */
	make_record(&record, 0, GOOD);
	is_set(deep_policy_required(&policy, &record, 0), 0, "2 over a day are on probation");
	policy.confirm = 2;
	policy.confirm_over = DAY;
	is_set(deep_policy_required(&policy, &record, 0), GOOD, "until a day is enough");
}

/* D5.5-2: one connection for recipients of two domains meets what either holds. */
static void
test_union(void)
{
	struct deep_policy	policy;
	struct deep_record	a, b;
	struct deep_decision	one, other;
	struct deep_learnt	learnt;

	deep_policy_of(&policy, NULL, NULL);
	make_record(&a, T10, 0);
	make_record(&b, T12, 0);
	deep_policy_decide(&policy, &a, session_of('0'), 0, &one);
	deep_policy_decide(&policy, &b, session_of('0'), 0, &other);
	is_set(one.failed, 0, "D5.5-2: one domain alone is met");
	is_set(one.failed | other.failed, T12 & ~T10, "D5.5-2: their union is not");
	is_set(one.required | other.required, T12, "D5.5-2: and is what to offer");
	deep_policy_learn(&policy, &a, session_of('3'), deep_str("mx"), START, &learnt);
	is_set(learnt.set, GOOD & ~T10, "D5.5-2: one session sets the latches of one domain");
	deep_policy_learn(&policy, &b, session_of('3'), deep_str("mx"), START, &learnt);
	is_set(learnt.set, GOOD & ~T12, "D5.5-2: and of the other");
}

/* FACTS: stored is a union, so that the order of sessions does not matter. */
static void
test_order(void)
{
	static const char	letters[] = "3210dkmtcDH";
	struct deep_policy	policy;
	struct deep_record	forth, back;
	struct deep_learnt	learnt;
	size_t			i, n = strlen(letters);

	deep_policy_of(&policy, NULL, NULL);
	memset(&forth, 0, sizeof(forth));
	memset(&back, 0, sizeof(back));
	for (i = 0; i < n; i++) {
		deep_policy_learn(&policy, &forth, session_of(letters[i]), deep_str("a"), START, &learnt);
		deep_policy_learn(&policy, &back, session_of(letters[n - 1 - i]), deep_str("a"), START,
		    &learnt);
	}
	is_set(deep_record_held(&forth, &policy), GOOD | CERT | DANE, "D3.1-9: all that was shown");
	is_set(deep_record_held(&back, &policy), GOOD | CERT | DANE, "D3.1-9: in any order");
}

static void
test_retention(void)
{
	struct deep_policy	policy;
	struct deep_record	record;

	deep_policy_of(&policy, NULL, NULL);
	make_record(&record, GOOD, 0);
	policy.retention = 1;		/* no file can say so; a caller could */
	record.clock = record.latch[0].confirmed + DEEP_RETENTION_MIN;
	is_set(deep_policy_required(&policy, &record, 0), GOOD, "D3.1-6: 62 days whatever is asked for");
	record.clock++;
	is_set(deep_policy_required(&policy, &record, 0), 0, "D3.1-6: and no more than asked for then");
	is_set(deep_record_held(&record, NULL), GOOD, "what is held whatever its age");
	record.clock = 0;
	is_set(deep_policy_required(&policy, &record, 0), GOOD, "a clock at 0 expires nothing");
	record.clock = INT64_MIN;
	is_set(deep_policy_required(&policy, &record, 0), GOOD, "nor one that went back");
	is_int(DEEP_RETENTION_MIN, 62 * DAY, "D3.1-6: the two longest months");
}

static void
test_hosts(void)
{
	struct deep_policy	policy;
	struct deep_record	record;
	struct deep_learnt	learnt;
	char			name[32];
	size_t			i, found;
	int			n;

	deep_policy_of(&policy, NULL, NULL);
	memset(&record, 0, sizeof(record));
	deep_policy_learn(&policy, &record, session_of('-'), deep_str("mx"), START, &learnt);
	is_int((long long)record.nhost, 0, "no host of a domain without latches");
	for (n = 0; n < DEEP_HOST_MAX; n++) {
		snprintf(name, sizeof(name), "MX%d.example.", n);
		deep_policy_learn(&policy, &record, session_of('3'), deep_str(name), START + n, &learnt);
	}
	is_int((long long)record.nhost, DEEP_HOST_MAX, "hosts up to the limit");
	is(record.host[3].name, "mx3.example", "by their keys");
	deep_policy_learn(&policy, &record, session_of('k'), deep_str("mx0.example"), START + 100,
	    &learnt);
	is_int((long long)record.nhost, DEEP_HOST_MAX, "one that is there is no new one");
	is_int(record.host[0].sessions, 2, "its sessions are counted");
	is_set(record.host[0].satisfied, GOOD & ~PFS, "and the last one tells");
	ok(record.host[0].first == START && record.host[0].last == START + 100, "with its times");
	deep_policy_learn(&policy, &record, session_of('3'), deep_str("new.example"), START + 101,
	    &learnt);
	for (found = 0, i = 0; i < record.nhost; i++)
		found += strcmp(record.host[i].name, "mx1.example") == 0 ||
		    strcmp(record.host[i].name, "new.example") == 0 ? 1 + i * 100 : 0;
	is_int((long long)found, 101, "one more takes the place of the one longest not seen");
	deep_policy_learn(&policy, &record, session_of('3'), deep_str("[2001:DB8::1]"), START + 102,
	    &learnt);
	for (found = 0, i = 0; i < record.nhost; i++)
		found += strcmp(record.host[i].name, "[2001:db8::1]") == 0;
	is_int((long long)found, 1, "a host may be known by its address");
	memset(&record, 0, sizeof(record));
	deep_policy_learn(&policy, &record, session_of('3'), deep_str("a\nb"), START, &learnt);
	is_int((long long)record.nhost, 0, "what is no name is not kept");
	deep_policy_learn(&policy, &record, session_of('3'), deep_str(NULL), START, &learnt);
	is_int((long long)record.nhost, 0, "nor is none");
	is_set(deep_record_held(&record, &policy), GOOD, "the latches are");
}

static void
test_counts(void)
{
	struct deep_policy	policy;
	struct deep_record	record;
	struct deep_learnt	learnt;
	struct deep_held	*held = &record.latch[0];

	deep_policy_of(&policy, NULL, NULL);
	memset(&record, 0, sizeof(record));
	snprintf(record.other[0].id, sizeof(record.other[0].id), "tls13");
	record.other[0].held.first = record.other[0].held.enforced = START;
	record.nother = 1;
	deep_policy_learn(&policy, &record, session_of('2'), deep_str("a"), START, &learnt);
	deep_policy_learn(&policy, &record, session_of('2'), deep_str("a"), START + 5, &learnt);
	is_set(learnt.confirmed, GOOD, "confirmed");
	deep_policy_learn(&policy, &record, session_of('-'), deep_str("a"), START + 9, &learnt);
	ok(held->first == START && held->confirmed == START + 5 && held->confirmations == 2,
	    "first, last, how often");
	ok(held->contradicted == START + 9 && held->contradictions == 1 && held->window == 0 &&
	    held->in_window == 0, "and what spoke against it");
	is_set(deep_policy_required(&policy, &record, 0), 0, "D3.1-9: an id without a row is not enforced");
	ok(record.nother == 1 && strcmp(record.other[0].id, "tls13") == 0 &&
	    record.other[0].held.first == START, "D3.1-9: and is kept");
	held->enforced = held->window = START;
	held->in_window = 3;
	deep_policy_learn(&policy, &record, session_of('-'), deep_str("a"), START + 10, &learnt);
	ok(held->enforced == START && held->window == START && held->in_window == 3 &&
	    held->contradictions == 2, "of a latch past probation the history stays");
	held->enforced = 0;
	held->confirmations = UINT32_MAX;
	record.clock = START;		/* behind what is stored: a clock that went back */
	deep_policy_learn(&policy, &record, session_of('2'), deep_str("a"), START, &learnt);
	ok(held->confirmations == UINT32_MAX, "a full counter stays full");
	ok(held->confirmed == START + 5, "the last confirmation never goes back");
}

static void
test_defaults(void)
{
	static const enum deep_mode modes[DEEP_LATCHES] = { DEEP_ENFORCE, DEEP_ENFORCE, DEEP_ENFORCE,
	    DEEP_OBSERVE, DEEP_ENFORCE, DEEP_ENFORCE, DEEP_ENFORCE, DEEP_ENFORCE };
	struct deep_config	*config;
	struct deep_policy	 policy, same;
	unsigned		 n;

	memset(&policy, 0xff, sizeof(policy));
	deep_policy_of(&policy, NULL, NULL);
	for (n = 0; n < DEEP_LATCHES; n++)
		is_int(policy.mode[n], modes[n], "mode of %s", deep_latch_name(n));
	ok(deep_latch_name(DEEP_LATCHES) == NULL, "DEEP_LATCHES is the number of rows");
	is_int(policy.confirm, 3, "confirm");
	is_int(policy.confirm_over, 72 * HOUR, "confirm-over");
	is_int(policy.retention, 180 * DAY, "D3.1-5: retention");
	is(policy.status, "4.7.10", "D3.3-8, D6-3: status, of class 4");
	ok(!policy.at_handshake, "D3.1-8: set after a transfer");
	ok(!policy.strict && !policy.exempt, "neither strict nor exempt");
	is_int(policy.honoured, DEEP_BYPASS_TLS_REQUIRED_NO | DEEP_BYPASS_TLSRPT, "both are honoured");
	config = config_of("");
	deep_policy_of(&same, config, "example.org");
	ok(memcmp(&policy, &same, sizeof(policy)) == 0, "an empty file says the same");
	deep_config_free(config);
	config = config_of("[policy]\nset = handshake\npermanent = yes\nstatus = 5.7.1\n"
	    "[domain x]\nnames = b.example a.example\nall = off\n");
	deep_policy_of(&policy, config, "a.example");
	ok(policy.at_handshake, "D3.1-8: set at the handshake");
	is(policy.status, "5.7.1", "D6-3: class 5 by configuration");
	is_int(policy.mode[0], DEEP_OFF, "the names of a section");
	deep_policy_of(&policy, config, "sub.a.example");
	is_int(policy.mode[0], DEEP_ENFORCE, "are not inherited by what is below them");
	deep_config_free(config);
}

static const struct {
	const char	*text;
	enum deep_status answer;
	const char	*name;
} keys[] = {
	{ "Example.ORG.", DEEP_YES, "example.org" },
	{ "user@example.org", DEEP_YES, "example.org" },
	{ "\"a@b\"@example.org", DEEP_YES, "example.org" },
	{ "user@b\xc3\xbc" "cher.example", DEEP_YES, "xn--bcher-kva.example" },
	{ "_dmarc.example.org", DEEP_YES, "_dmarc.example.org" },
	{ "dead.beef", DEEP_YES, "dead.beef" },
	{ "fe80", DEEP_YES, "fe80" },
	{ "", DEEP_NO, "" },
	{ "user@", DEEP_NO, "" },
	{ "[192.0.2.1]", DEEP_NO, "" },
	{ "user@[IPv6:2001:db8::1]", DEEP_NO, "" },
	{ "192.0.2.1", DEEP_NO, "" },
	{ "2001:db8::1", DEEP_NO, "" },
	{ "::1", DEEP_NO, "" },
	{ "3221225985", DEEP_NO, "" },
	{ "a..b", DEEP_BAD, "" },
	{ "a b", DEEP_BAD, "" },
	/* no A-labels: no UTF-8, not of IDNA2008, controls in it; but looked up, perhaps */
	{ "user@-\xff.Example.", DEEP_YES, "-\\xff.example" },
	{ "\xe2\x98\x83x\xc2\xad.EXAMPLE", DEEP_YES, "\\xe2\\x98\\x83x\\xc2\\xad.example" },
	{ "\\xe2\\x98\\x83x\\xc2\\xad.example", DEEP_YES, "\\xe2\\x98\\x83x\\xc2\\xad.example" },
	{ "\xe9\x1b[0m \x7f.example", DEEP_YES, "\\xe9\\x1b[0m\\x20\\x7f.example" },
	{ "a\x1b.example", DEEP_BAD, "" },
	{ "example.org:25", DEEP_BAD, "" },
};

/* Names without A-labels that are so long that their keys end in a sum. */
static void
test_long_keys(void)
{
	struct deep_key	key, other, again;
	char		name[DEEP_DOMAIN_MAX + 2];
	size_t		i;

	memset(name, '\xff', sizeof(name));
	for (i = 60; i < sizeof(name); i += 61)
		name[i] = '.';
	name[DEEP_DOMAIN_MAX] = '\0';
	is_int(deep_key(&key, DEEP_RELAY, deep_str(name)), DEEP_YES,
	    "D3.1-2: 253 octets without A-labels");
	is_int((long long)strlen(key.name), DEEP_DOMAIN_MAX, "D3.1-2: have a key that fits");
	name[DEEP_DOMAIN_MAX - 1] = '\xfe';
	is_int(deep_key(&other, DEEP_RELAY, deep_str(name)), DEEP_YES, "D3.1-2: others");
	ok(strcmp(key.name, other.name) != 0, "D3.1-2: have another one");
	is_int(deep_key(&again, DEEP_RELAY, deep_str(key.name)), DEEP_YES,
	    "D3.1-2: the key of a key");
	is(again.name, key.name, "D3.1-2: is that key");
	name[DEEP_DOMAIN_MAX] = '\xff';
	name[DEEP_DOMAIN_MAX + 1] = '\0';
	is_int(deep_key(&key, DEEP_RELAY, (struct deep_str){ name, DEEP_DOMAIN_MAX + 1 }),
	    DEEP_BAD, "D3.1-2: 254 octets are no name in the DNS");
	is(key.name, "", "D3.1-2: and have none");
}

static void
test_keys(void)
{
	struct deep_config	*config;
	struct deep_key		 key;
	size_t			 i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		memset(&key, 'x', sizeof(key));
		is_int(deep_key(&key, DEEP_RELAY, deep_str(keys[i].text)), keys[i].answer,
		    "D3.1-2: '%s'", keys[i].text);
		is(key.name, keys[i].name, "D3.1-2: the key of '%s'", keys[i].text);
	}
	deep_key(&key, DEEP_SUBMISSION, deep_str("a.example"));
	is_int(key.service, DEEP_SUBMISSION, "D3.1-1: a key has a service");
	for (i = 0; deep_service_name((enum deep_service)i) != NULL; i++)
		is_int(deep_service_find(deep_str(deep_service_name((enum deep_service)i))),
		    (long long)i, "D3.1-1: service %s", deep_service_name((enum deep_service)i));
	is_int((long long)i, 4, "D3.1-1: four services");
	is_int(deep_service_find(deep_str("mail")), -1, "another is none");

	config = config_of("[group pool]\nhosts = smart1.example Smart2.example. 192.0.2.7\n");
	is_int(deep_key_host(&key, DEEP_RELAY, config, deep_str("SMART2.example")), DEEP_YES,
	    "D5.7-4: a host of a group");
	is(key.name, "pool", "D5.7-4: has the name of the group");
	deep_key_host(&key, DEEP_RELAY, config, deep_str("192.0.2.7"));
	is(key.name, "pool", "D5.7-4: also by its address");
	is_int(deep_key_host(&key, DEEP_RELAY, config, deep_str("smart3.example")), DEEP_YES,
	    "D3.1-2: another host");
	is(key.name, "smart3.example", "D3.1-2: has its own");
	is_int(deep_key_host(&key, DEEP_RELAY, NULL, deep_str("192.0.2.8")), DEEP_NO,
	    "an address without a group has none");
	deep_config_free(config);
}

/* Steps of the wall clock, and what the store's clock makes of them. */
static const struct {
	const char	*name;
	int64_t		 wall[8];	/* days since the start, up to -1 */
	int64_t		 clock[8];
} clocks[] = {
	{ "runs with the wall clock", { 0, 1, 2, 2, 3, -1 }, { 0, 1, 2, 2, 3 } },
	{ "D3.1-6: a jump of years moves it by a day, and back by none",
	    { 0, 1, 2000, 2, 3, 4, -1 }, { 0, 1, 2, 2, 3, 4 } },
	{ "D3.1-6: a jump that stays is caught up with at twice the speed",
	    { 0, 10, 11, 12, 13, 20, 21, -1 }, { 0, 1, 3, 5, 7, 8, 10 } },
	{ "D3.1-6: back, and on from there", { 10, 5, 6, 10, 11, -1 }, { 10, 10, 10, 10, 11 } },
};

static void
test_clock(void)
{
	int64_t	clock, seen;
	size_t	i, n;

	for (i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		clock = seen = 0;
		for (n = 0; n < 8 && clocks[i].wall[n] >= 0; n++) {
			deep_clock_step(&clock, &seen, START + clocks[i].wall[n] * DAY);
			is_int(clock - START, clocks[i].clock[n] * DAY, "clock %s, step %zu", clocks[i].name,
			    n + 1);
		}
	}
	/* Catching up in small steps ends at the wall clock. */
	clock = seen = START;
	deep_clock_step(&clock, &seen, START + 3 * DAY);
	for (n = 0; n < 400; n++)
		deep_clock_step(&clock, &seen, START + 3 * DAY + (int64_t)n * 600);
	is_int(clock, seen, "it catches up, and goes no further");
}

int
main(void)
{
	size_t	i;

	test_defaults();
	test_keys();
	test_long_keys();
	for (i = 0; i < sizeof(walks) / sizeof(walks[0]); i++)
		walk(&walks[i]);
	test_decisions();
	test_union();
	test_order();
	test_retention();
	test_hosts();
	test_counts();
	test_clock();
	return done_testing();
}
