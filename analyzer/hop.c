/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * hop.c - one Received field: who gave the message to whom, and what is
 * recorded about TLS: the tls clause (RFC 8314 4.3), what the MTA wrote in its
 * own way (dialect.c), and the protocol word (RFC 3848), in this order.
 *
 * Whatever is said about a certificate in a Received field is about the
 * client's, so tls-cert and tls-dane-tlsa are never concluded from one.  Never
 * takes a missing statement for a statement.
 */
#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>

#include <ctype.h>
#include <string.h>

#include "analyzer.h"
#include "octets.h"
#include "word.h"

const char *const flag_names[FLAGS] = {
	"version-inferred", "version-ambiguous", "suite-unknown", "suite-not-of-version",
	"anonymous", "discouraged", "obsolete", "contradiction", "gap", "clock", "no-date",
	"no-from", "no-by", "fault", "limit", "not-tls", "tls-unread"
};
const char *const verdict_names[] = { "local", "strong", "tls", "unknown", "weak", "clear" };
const char *const client_names[] = { "unknown", "none", "unverified", "verified" };

/* A fold may leave several blanks, and the patterns ask for one. */
struct deep_str
flat_in(char *text, struct deep_str value)
{
	const unsigned char blank = ' ', tab = '\t', lf = '\n', cr = '\r';
	char *to = text;
	const char *p = value.p, *end = value.p + value.n;
	uint32_t blanks, bits, before = 1;	/* a blank, or the start, is before p */

	/* copied and looked at in one go, up to what is to be changed */
	while (p < end) {
		size_t n = (size_t)(end - p);
		octets here = n < 16 ? octets_few(p, n) : octets_at(p);

		memcpy(to, &here, sizeof(here));
		blanks = octets_bits(here == blank);
		bits = octets_bits((here == tab) | (here == lf) | (here == cr)) |
		    (blanks & (blanks << 1 | before));
		if (bits == 0) {
			n = n < 16 ? n : 16;
			to += n;
			p += n;
			before = blanks >> 15;
			continue;
		}
		n = (size_t)__builtin_ctz(bits);
		to += n;
		for (p += n; p < end && deep_space(*p); p++)
			continue;
		if (to > text && to[-1] != ' ')
			*to++ = ' ';
		before = 1;
	}
	if (to > text && to[-1] == ' ')
		to--;
	return (struct deep_str){ text, (size_t)(to - text) };
}

struct deep_str
flat(struct deep_str value, struct arena *arena)
{
	return flat_in(arena_text(arena, FLAT_SIZE(value.n)), value);
}

/* A host is one word; a phrase such as "mail pickup service" is kept whole. */
static struct deep_str
host(const struct deep_clause *clause)
{
	struct deep_str word = clause->first;

	if (word.p != NULL && (memchr(word.p, '.', word.n) != NULL ||
	    memchr(word.p, ':', word.n) != NULL || *word.p == '['))
		return word;
	return clause->value;
}

/* Four numbers up to 255 without leading zeros, as inet_pton(3) takes them. */
static int
is_ipv4(struct deep_str text)
{
	const char *p = text.p, *end = text.p + text.n;
	unsigned part, digit, dots;

	if (text.n < 7 || text.n > 15)
		return 0;
	for (dots = 0; ; dots++) {
		if (p == end || (part = (unsigned)*p - '0') > 9)
			return 0;
		for (p++; p < end && (digit = (unsigned)*p - '0') <= 9; p++) {
			if (part == 0 || (part = part * 10 + digit) > 255)
				return 0;
		}
		if (dots == 3)
			return p == end;
		if (p == end || *p++ != '.')
			return 0;
	}
}

/* "[192.0.2.1]:25", "IPv6:2001:db8::1", "/192.0.2.1", "192.0.2.1:25" -> the address. */
int
hop_address(struct deep_str text, struct deep_str *out)
{
	unsigned char binary[sizeof(struct in6_addr)];
	char copy[64];
	const char *end;
	size_t i;

	if (is_ipv4(text)) {
		*out = text;
		return 1;
	}
	if (text.n > 0 && (*text.p == '[' || *text.p == '/' || *text.p == '<')) {
		text.p++;
		text.n--;
	}
	if ((end = memchr(text.p, ']', text.n)) != NULL)
		text.n = (size_t)(end - text.p);
	if (text.n > 5 && strncasecmp(text.p, "IPv6:", 5) == 0) {
		text.p += 5;
		text.n -= 5;
	}
	if ((end = memchr(text.p, '%', text.n)) != NULL)
		text.n = (size_t)(end - text.p);
	if (text.n < 2 || text.n >= sizeof(copy))
		return 0;
	/* nearly all that is none, a name, ends here */
	for (i = 0; i < text.n && text.p[i] != ':'; i++) {
		if (!(text.p[i] >= '0' && text.p[i] <= '9') && text.p[i] != '.' &&
		    !((text.p[i] | 0x20) >= 'a' && (text.p[i] | 0x20) <= 'f'))
			return 0;
	}
	if (i < text.n) {
		memcpy(copy, text.p, text.n);
		copy[text.n] = '\0';
		if (inet_pton(AF_INET6, copy, binary) == 1) {
			*out = text;
			return 1;
		}
		text.n = i;		/* an IPv4 address with a port behind it */
	}
	if (!is_ipv4(text))
		return 0;
	*out = text;
	return 1;
}

/* TCP-info: the address in the comments of the from clause, and the name before
 * it; else the address that the clause itself names. */
static void
read_tcp_info(struct hop *hop, const struct deep_received *field)
{
	struct deep_word word;
	size_t i;

	for (i = 0; i < field->ncomment; i++) {
		struct deep_str text = field->comment[i].text, before = { NULL, 0 };

		if (field->comment[i].kind != DEEP_FROM)
			continue;
		while (deep_word_next(&text, &word, NULL) != DEEP_NO) {
			const char *at;
			struct deep_str bare = word.text;

			if ((at = memchr(bare.p, '@', bare.n)) != NULL) {	/* ident@[address] */
				bare.n -= (size_t)(at + 1 - bare.p);
				bare.p = at + 1;
			}
			if (hop_address(bare, &hop->from_ip)) {
				hop->from_rdns = before;
				return;
			}
			if (word.kind == DEEP_ATOM && memchr(word.text.p, '=', word.text.n) == NULL)
				before = word.text;
		}
	}
	if (field->the[DEEP_FROM].value.p != NULL) {
		struct deep_str text = field->the[DEEP_FROM].value;

		while (hop->from_ip.p == NULL && deep_word_next(&text, &word, NULL) != DEEP_NO)
			(void)hop_address(word.text, &hop->from_ip);
	}
}

/* "version=NONE, cipher=NONE": a form of words for TLS, filled in without it. */
static int
is_none(struct deep_str fact)
{
	return deep_is(fact, "none") || deep_is(fact, "no") || deep_is(fact, "not") ||
	    deep_is(fact, "(none)") || deep_is(fact, "(null)") || deep_is(fact, "-");
}

/* Whether it is one that was in use; that of SSL 2 is a small number as those are that
 * stand for none. */
static int
is_said(int version)
{
	return version == DEEP_SSL2 || version > DEEP_TLS_LABEL;
}

/* What one statement says, put to what the others said. */
static void
take_finding(struct hop *hop, const struct finding *found, int *version, int *clear,
    const struct deep_group **group)
{
	const struct deep_str *fact = found->fact;

	if (found->client != CLIENT_UNKNOWN)
		hop->client = found->client;
	if (found->says == SAYS_ASIDE)
		return;
	hop->evidence |= EVIDENCE_COMMENT;
	if (found->says == SAYS_CLEAR || is_none(fact[FACT_SUITE]) || is_none(fact[FACT_VERSION])) {
		*clear = 1;
		if (hop->dialect == NULL)
			hop->dialect = found->dialect;
		return;
	}
	if (found->says == SAYS_OTHER) {
		hop->flags |= FLAG_NOT_TLS;
		hop->dialect = found->dialect;
		return;
	}
	hop->is_tls = 1;
	if (hop->dialect == NULL)
		hop->dialect = found->dialect;
	if (fact[FACT_VERSION].p != NULL) {
		int v = found->version;

		if (is_said(*version) && is_said(v) && v != *version) {
			hop->flags |= FLAG_CONTRADICTION;
			*version = v < *version ? v : *version;	/* never better than it may be */
		} else if (v != 0 && !is_said(*version)) {
			*version = v;
		}
	}
	if (fact[FACT_SUITE].p != NULL) {
		if (hop->suite_text.p == NULL) {
			hop->suite_text = fact[FACT_SUITE];
			hop->suite = found->suite;
			hop->group = found->carried;
		} else if (hop->suite_text.n != fact[FACT_SUITE].n || memcmp(hop->suite_text.p,
		    fact[FACT_SUITE].p, fact[FACT_SUITE].n) != 0) {
			const struct deep_suite *one = deep_suite_find(hop->suite_text, *version, NULL);
			const struct deep_suite *other = deep_suite_find(fact[FACT_SUITE], *version, NULL);

			if (one != NULL && other != NULL && one != other)
				hop->flags |= FLAG_CONTRADICTION;
		}
	}
	if (fact[FACT_BITS].p != NULL && hop->bits == 0)
		hop->bits = found->bits;
	if (fact[FACT_GROUP].p != NULL && hop->group_text.p == NULL) {
		hop->group_text = fact[FACT_GROUP];
		*group = found->group;
	}
}

int
hop_statement(const struct deep_clause *clause, enum place *place, struct deep_str *text)
{
	switch (clause->kind) {
	case DEEP_WITH:
		*place = PLACE_WITH;
		break;
	case DEEP_BY:
		*place = PLACE_BY;
		break;
	case DEEP_VIA:
		*place = PLACE_VIA;
		break;
	default:
		return 0;
	}
	text->p = clause->name.p + clause->name.n;
	text->n = (size_t)(clause->all.p + clause->all.n - text->p);
	while (text->n > 0 && (*text->p == ' ' || *text->p == '\t')) {
		text->p++;
		text->n--;
	}
	return 1;
}

/* One word behind the client's name may be another name of it. */
static int
may_be_name(const struct deep_comment *comment, const struct finding *found)
{
	return comment->kind == DEEP_FROM && (found->fact[FACT_SUITE].n == comment->text.n ||
	    found->fact[FACT_VERSION].n == comment->text.n);
}

/* "by TLS" behind another by; alone, it is the name of a host. */
static int
is_host(const struct deep_received *field, const struct deep_clause *clause)
{
	return clause->kind == DEEP_BY && clause->all.p == field->the[DEEP_BY].all.p &&
	    clause->first.n == clause->value.n;
}

static void
find_statements(struct hop *hop, const struct deep_received *field, struct dialects *dialects,
    int *version, int *clear, const struct deep_group **group)
{
	struct finding found;
	size_t i;

	for (i = 0; i < field->ncomment; i++) {
		const struct deep_comment *c = &field->comment[i];

		if ((field->tls.suite.p != NULL &&
		    dialects_match(dialects, PLACE_BESIDE, c->text, &found) == DEEP_YES) ||
		    (c->kind == DEEP_DATE &&
		    dialects_match(dialects, PLACE_DATE, c->text, &found) == DEEP_YES) ||
		    (dialects_match(dialects, PLACE_COMMENT, c->text, &found) == DEEP_YES &&
		    !may_be_name(c, &found)))
			take_finding(hop, &found, version, clear, group);
	}
	for (i = 0; i < field->nclause; i++) {
		struct deep_str text;
		enum place place;

		if (!hop_statement(&field->clause[i], &place, &text) ||
		    is_host(field, &field->clause[i]) ||
		    dialects_match(dialects, place, text, &found) != DEEP_YES)
			continue;
		/* the row of a whole clause names it better than its comment did */
		if (place == PLACE_WITH && found.fact[FACT_SUITE].p != NULL &&
		    hop->suite_text.p == found.fact[FACT_SUITE].p)
			hop->dialect = found.dialect;
		take_finding(hop, &found, version, clear, group);
	}
}

/* deep_protocol_find(), which was asked for the same words a moment ago. */
static const struct deep_protocol *
protocol_of(struct deep_str value)
{
	static struct {
		const struct deep_protocol *protocol;
		size_t	n;		/* 0: nothing is kept */
		char	text[24];
	} kept[64], *here;
	uint64_t sum = 0;

	if (value.n == 0 || value.n > sizeof(here->text))
		return deep_protocol_find(value);
	memcpy(&sum, value.p, value.n < sizeof(sum) ? value.n : sizeof(sum));
	here = &kept[((sum + value.n) * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
	if (here->n != value.n || memcmp(here->text, value.p, value.n) != 0) {
		here->protocol = deep_protocol_find(value);
		here->n = value.n;
		memcpy(here->text, value.p, value.n);
	}
	return here->protocol;
}

/* The protocol word: of the first with clause that holds a known one. */
static const struct deep_protocol *
read_protocol(struct hop *hop, const struct deep_received *field)
{
	const struct deep_protocol *protocol;
	size_t i;

	hop->with = field->the[DEEP_WITH].value;
	for (i = 0; i < field->nclause; i++) {
		if (field->clause[i].kind != DEEP_WITH || field->clause[i].value.p == NULL)
			continue;
		protocol = protocol_of(field->clause[i].value);
		if (protocol != NULL) {
			hop->with = field->clause[i].value;
			return protocol;
		}
	}
	return NULL;
}

static void
read_suite(struct hop *hop, int version, const struct deep_group *group)
{
	const struct deep_group *carried = hop->group;
	int negotiated = is_said(version) ? version : 0;

	/* as it is written; the version helps only where the name alone does not do */
	if (hop->suite_text.p != NULL && hop->suite == NULL) {
		hop->suite = deep_suite_find(hop->suite_text, negotiated, &carried);
		if (hop->suite == NULL)
			hop->flags |= FLAG_SUITE_UNKNOWN;
	}
	hop->group = group != NULL ? group : carried;
	hop->version = negotiated;
	if (hop->suite == NULL)
		return;
	hop->bits = hop->suite->bits;
	if (negotiated == 0 && hop->suite->needs >= DEEP_TLS1_2) {
		hop->version = hop->suite->needs;
		hop->flags |= FLAG_VERSION_INFERRED;
	} else if (version == DEEP_TLS_LABEL) {
		hop->version = DEEP_TLS1_0;
		hop->flags |= FLAG_VERSION_AMBIGUOUS;
	} else if (negotiated != 0 && (hop->suite->needs > negotiated ||
	    (negotiated == DEEP_TLS1_3) != (hop->suite->needs == DEEP_TLS1_3))) {
		hop->flags |= FLAG_SUITE_VERSION;
	}
	if (hop->suite->flags & DEEP_SUITE_ANON)
		hop->flags |= FLAG_ANONYMOUS;
	if (hop->suite->recommended == 'D')
		hop->flags |= FLAG_DISCOURAGED;
	if (!(hop->suite->flags & DEEP_SUITE_PFS) || hop->suite->bits < 128 ||
	    (hop->suite->flags & (DEEP_SUITE_RC4 | DEEP_SUITE_MD5 | DEEP_SUITE_NULL)))
		hop->flags |= FLAG_OBSOLETE;
}

static int
is_loopback(struct deep_str ip)
{
	if (ip.n == 0 || *ip.p != ':')
		return ip.n > 4 && memcmp(ip.p, "127.", 4) == 0;
	return deep_is(ip, "::1") || (ip.n > 11 && strncasecmp(ip.p, "::ffff:127.", 11) == 0);
}

static int
is_here(struct deep_str name)
{
	return deep_is(name, "localhost") || deep_is(name, "localhost.localdomain") ||
	    deep_is(name, "[127.0.0.1]") || deep_is(name, "127.0.0.1");
}

/* The comments by which a local submission shows itself. */
static int
says_local(const struct deep_received *field)
{
	static const char *const beginnings[] = {
		"qmail ", "nullmailer ", "sSMTP ", "from userid ", "unix socket", "[unix socket]",
		"local", "[local]"
	};
	static const char inside[] = ", from userid ";
	size_t i, k;

	for (i = 0; i < field->ncomment; i++) {
		struct deep_str text = field->comment[i].text;
		const char *comma;

		if (field->comment[i].kind != DEEP_BY && field->comment[i].kind != DEEP_FROM &&
		    field->comment[i].kind != DEEP_START)
			continue;
		/* "Postfix, from userid 1000"; "localhost [local]" */
		comma = memchr(text.p, ',', text.n);
		if (comma != NULL && (size_t)(text.p + text.n - comma) >= sizeof(inside) &&
		    memcmp(comma, inside, sizeof(inside) - 1) == 0)
			return 1;
		if (text.n >= 7 && memcmp(text.p + text.n - 7, "[local]", 7) == 0)
			return 1;
		for (k = 0; text.n > 0 && k < sizeof(beginnings) / sizeof(beginnings[0]); k++) {
			size_t n;

			if (beginnings[k][0] != text.p[0])
				continue;
			n = strlen(beginnings[k]);
			if (text.n >= n && memcmp(text.p, beginnings[k], n) == 0 &&
			    (beginnings[k][n - 1] == ' ' || text.n == n))
				return 1;
		}
	}
	return 0;
}

int
hop_is_near(const struct hop *hop)
{
	if (is_loopback(hop->from_ip))
		return 1;
	if (hop->from_ip.p != NULL || hop->from.p == NULL)
		return 0;
	return is_here(hop->from) || (hop->by.p != NULL && hop->from.n == hop->by.n &&
	    strncasecmp(hop->from.p, hop->by.p, hop->by.n) == 0);
}

static int
is_local(const struct hop *hop, const struct deep_received *field,
    const struct deep_protocol *protocol)
{
	if (protocol != NULL && protocol->says == DEEP_SAYS_LOCAL)
		return 1;
	if (hop_is_near(hop) || says_local(field))
		return 1;
	/* "by h (Postfix) id 4A": from queue to queue */
	return hop->from.p == NULL && hop->with.p == NULL && hop->by.p != NULL && !hop->is_tls;
}

/* "TLSv1.2": no place of a form hides it, for a row of any comment begins with "*TLS". */
static int
is_version(struct deep_str word)
{
	return word.n > 3 && memcmp(word.p, "TLS", 3) == 0 && deep_tls_version(word) != 0;
}

/* As far as a place of a form goes (form.c), which therefore cannot hide such a word.
 * Where the client's own words stand, its name or that of its user, they say nothing. */
static int
has_tls_word(struct deep_str text)
{
	static const char *const words[] = { "TLS", "SSL", "STARTTLS", "encrypted", "cipher" };
	static const char inside[] = ".:@+-_";
	struct deep_str word = { text.p, 0 };
	size_t i, k;
	int found = 0;

	if (text.n == 0 || memchr(text.p, '[', text.n) != NULL)
		return 0;
	for (i = 0; i <= text.n; i++) {
		if (i < text.n && (isalnum((unsigned char)text.p[i]) || (text.p[i] & 0x80) != 0 ||
		    (text.p[i] != '\0' && strchr(inside, text.p[i]) != NULL))) {
			word.n++;
			continue;
		}
		if (deep_is(word, "helo") || deep_is(word, "ehlo"))
			return 0;
		found |= is_version(word);
		word.n -= word.n > 0 && word.p[word.n - 1] == ':';
		for (k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			found |= deep_is(word, words[k]);
		word.p = text.p + i + 1;
		word.n = 0;
	}
	return found;
}

/* A field that no dialect knows may say more than its protocol word. */
static int
speaks_of_tls(const struct deep_received *field)
{
	struct deep_str text;
	enum place place;
	size_t i;

	for (i = 0; i < field->ncomment; i++)
		if (has_tls_word(field->comment[i].text))
			return 1;
	for (i = 0; i < field->nclause; i++)
		if (hop_statement(&field->clause[i], &place, &text) && place == PLACE_WITH &&
		    has_tls_word(text))
			return 1;
	return 0;
}

static void
judge(struct hop *hop, const struct deep_protocol *protocol, int local, int clear)
{
	struct deep_session session;
	unsigned worse = DEEP_SUITE_NULL | DEEP_SUITE_EXPORT | DEEP_SUITE_RC4;
	int ambiguous = (hop->flags & FLAG_VERSION_AMBIGUOUS) != 0;

	if (hop->is_tls) {
		memset(&session, 0, sizeof(session));
		session.version = ambiguous ? DEEP_TLS_SOME : hop->version;
		session.suite = hop->suite;
		hop->latches = deep_latches_satisfied(&session) &
		    ~(deep_latches)(DEEP_LATCH_CERT | DEEP_LATCH_DANE);
	}
	if (clear && (hop->is_tls || (protocol != NULL && protocol->says == DEEP_SAYS_TLS)))
		hop->flags |= FLAG_CONTRADICTION;
	if (local)
		hop->verdict = VERDICT_LOCAL;
	else if (clear)
		hop->verdict = VERDICT_CLEAR;
	else if (hop->is_tls && ((hop->version != 0 && hop->version < DEEP_TLS1_2 && !ambiguous) ||
	    (hop->suite != NULL && (hop->suite->bits < 128 || (hop->suite->flags & worse))) ||
	    (hop->suite == NULL && hop->bits > 0 && hop->bits < 128)))
		hop->verdict = VERDICT_WEAK;
	else if (hop->is_tls && hop->suite != NULL && hop->version >= DEEP_TLS1_2 && !ambiguous)
		hop->verdict = VERDICT_STRONG;
	else if (hop->is_tls)
		hop->verdict = VERDICT_TLS;
	else if (protocol != NULL && protocol->says == DEEP_SAYS_CLEAR &&
	    !(hop->flags & FLAG_TLS_UNREAD))
		hop->verdict = VERDICT_CLEAR;
	else
		hop->verdict = VERDICT_UNKNOWN;
}

void
hop_read(struct hop *hop, struct deep_str value, struct dialects *dialects, struct arena *arena)
{
	static struct deep_received field;	/* large, and filled anew each time */
	const struct deep_protocol *protocol;
	const struct deep_group *group = NULL;
	enum deep_status answer;
	struct forms *forms = dialects_forms(dialects);
	struct deep_str text, word;
	int version = 0, clear = 0, folded;

	if (form_read(forms, value, dialects, hop))
		return;
	text = flat(value, arena);
	/* where lines are folded at a width, no two fields are folded alike */
	folded = text.n != value.n || memcmp(text.p, value.p, text.n) != 0;
	if (folded && form_read(forms, text, dialects, hop)) {
		hop->raw = value;
		return;
	}
	memset(hop, 0, sizeof(*hop));
	hop->raw = value;
	answer = deep_received_parse(text, &field, NULL);
	if (answer == DEEP_LIMIT)
		hop->flags |= FLAG_LIMIT;
	else if (answer == DEEP_BAD && field.date_text.p != NULL)
		hop->flags |= FLAG_FAULT;
	hop->from = host(&field.the[DEEP_FROM]);
	hop->by = host(&field.the[DEEP_BY]);
	hop->via = field.the[DEEP_VIA].value;
	hop->id = field.the[DEEP_ID].first;
	word = field.the[DEEP_FOR].first;
	if (word.n > 2 && *word.p == '<' && word.p[word.n - 1] == '>') {
		word.p++;
		word.n -= 2;
	}
	hop->rcpt = word;
	hop->date = field.date;
	hop->has_date = field.date_text.p != NULL;
	if (field.the[DEEP_FROM].name.p == NULL)
		hop->flags |= FLAG_NO_FROM;
	if (hop->by.p == NULL)
		hop->flags |= FLAG_NO_BY;
	if (!hop->has_date)
		hop->flags |= FLAG_NO_DATE;
	read_tcp_info(hop, &field);

	if (field.tls.suite.p != NULL) {
		hop->is_tls = 1;
		hop->evidence |= EVIDENCE_CLAUSE;
		hop->suite_text = field.tls.suite;
		hop->suite = deep_suite_find(hop->suite_text, 0, &hop->group);
		hop->group_text = field.tls.group;
		group = deep_group_find(hop->group_text);
	}
	find_statements(hop, &field, dialects, &version, &clear, &group);
	if (hop->evidence == EVIDENCE_CLAUSE)
		hop->dialect = "tls-clause";
	protocol = read_protocol(hop, &field);
	if (protocol != NULL && (protocol->says == DEEP_SAYS_TLS ||
	    (!hop->is_tls && protocol->says != DEEP_SAYS_NOTHING)))
		hop->evidence |= EVIDENCE_WITH;
	if (protocol != NULL && protocol->says == DEEP_SAYS_TLS && !clear)
		hop->is_tls = 1;
	if (hop->is_tls)
		read_suite(hop, version, group);
	else if (protocol != NULL && protocol->says == DEEP_SAYS_CLEAR && hop->dialect == NULL &&
	    speaks_of_tls(&field))
		hop->flags |= FLAG_TLS_UNREAD;
	judge(hop, protocol, is_local(hop, &field, protocol), clear);
	if (answer != DEEP_YES)
		return;
	form_learn(forms, text, text, &field, dialects, hop);
	if (folded)
		form_learn(forms, value, text, &field, dialects, hop);
}
