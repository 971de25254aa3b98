/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * sim.c - what latches cost and what they are good for: a year of mail to 100,000
 * domains with pools of MX hosts, key and provider changes, certificates that expire,
 * and strippers of STARTTLS on some paths, under several rules.  Each rule meets the
 * same world.  The rules of this project are deep_policy_decide() and
 * deep_policy_learn() themselves; those of others are modelled here alone.
 *
 *	sim [-e] [-d DOMAINS] [-n SEEDS] [-s SEED] rules | sweep | world
 *
 * rules: nothing, the profile strict, the defaults, chasquid's rule.  sweep: other
 * values of confirm and confirm-over.  world: the assumptions.  With -n so many worlds,
 * from SEED on: least, median and most of each; with -e, before that, each world by
 * itself, as without -n.
 *
 * Deterministic: the same seed gives the same bytes everywhere, with integers only.
 * What is assumed stands in world.in, with its sources.  It reads no store and no
 * network, and says nothing about any real domain.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deep.h"

#define HOUR		3600
#define DAY		(24 * HOUR)
#define START		INT64_C(1800000000)
#define HOSTS		8			/* of a pool, at most */
#define MESSAGES	2000			/* to a domain in the year, at most */
#define ATTEMPTS	12
#define RULES		32
#define SEEDS		99

/* The assumptions: NAME = value, and why. */
enum {
#define WORLD(name, value, why)	name = (value),
#include "world.in"
#undef WORLD
};

/* When a message is tried, after it came; given up with the last one. */
static const int64_t	attempts[ATTEMPTS] = { 0, HOUR / 4, HOUR, 4 * HOUR, 12 * HOUR,
	24 * HOUR, 36 * HOUR, 48 * HOUR, 60 * HOUR, 72 * HOUR, 84 * HOUR, 96 * HOUR };

enum kind { NOTHING, LATCHES, CHASQUID };
struct rule {
	char			name[16];
	enum kind		kind;
	struct deep_policy	policy;
};

struct result {
	uint64_t	messages, wrong, late, returned;	/* late: for more than a day */
	uint64_t	resets, stripped, sudden;	/* sudden: not from the first contact on */
};

/* How TLS is at a domain. */
enum tls { NO_TLS, TLS, BY_HOST, BY_SESSION };
struct domain {
	uint64_t	id;
	enum tls	tls, tls_after;		/* before and after the change of provider */
	int64_t		change;			/* 0: never */
	unsigned	hosts, primaries;
	unsigned	good[HOSTS];		/* BY_HOST: has TLS */
	unsigned	share;			/* BY_SESSION: of sessions with TLS, in 1000 */
	unsigned	certified, by_domain;	/* a valid certificate; for the domain's own name */
	int64_t		expired, renewed;
	unsigned	tlsa, proved;		/* usable TLSA; after a change its absence is proved */
	int64_t		mismatch, matched;	/* TLSA that does not fit the key */
	int64_t		attack, attack_end;
	unsigned	attack_share;		/* of sessions that are stripped, in 1000 */
	unsigned	messages;
};

struct message {
	int64_t		next, came;
	unsigned	attempt;
	unsigned	wrong;
};

static uint64_t	seed = 1;

/* splitmix64's finish: a number that looks like chance, of what it is for. */
static uint64_t
chance(uint64_t a, uint64_t b, uint64_t c)
{
	uint64_t	x = seed * UINT64_C(0x9e3779b97f4a7c15) + a;
	uint64_t	step[2];
	unsigned	i;

	step[0] = b;
	step[1] = c;
	for (i = 0; i < 3; i++) {
		x += UINT64_C(0x9e3779b97f4a7c15);
		x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
		x ^= x >> 31;
		if (i < 2)
			x ^= step[i];
	}
	return x;
}

static unsigned
of_1000(uint64_t number)
{
	return (unsigned)((number >> 20) % 1000);
}

static unsigned
below(uint64_t number, unsigned limit)
{
	return (unsigned)((number >> 20) % limit);
}

/* What chance is asked for, of a domain; the rest of the number is a host, or time. */
enum question { CLASS = 1, MIXED, POOL, GOOD, SHARE, CHANGE, CHANGE_AT, AFTER, CERTIFIED,
	NAMED, EXPIRY, EXPIRY_AT, EXPIRY_FOR, TLSA, VALIDATES, PROVED, MISMATCH, MISMATCH_AT,
	MISMATCH_FOR, ATTACK, ATTACK_AT, ATTACK_FOR, ATTACK_SHARE, FIRST, TRAFFIC, CAME, DOWN,
	FLAP, STRIP, ORDER };

static uint64_t
ask(const struct domain *domain, enum question question, uint64_t more)
{
	return chance(domain->id, (uint64_t)question << 48, more);
}

static enum tls
class_of(const struct domain *domain, enum question question)
{
	const unsigned	number = of_1000(ask(domain, question, 0));

	if (number >= MIXED_OF_1000 + PURE_TLS_OF_1000)
		return NO_TLS;
	if (number >= MIXED_OF_1000)
		return TLS;
	return of_1000(ask(domain, MIXED, (uint64_t)question)) < BY_HOST_OF_1000 &&
	    domain->hosts > 1 ? BY_HOST : BY_SESSION;
}

static int64_t
some_time(const struct domain *domain, enum question question)
{
	return START + (int64_t)(ask(domain, question, 0) >> 11) % (365 * DAY);
}

static void
make_domain(struct domain *domain, uint64_t id)
{
	unsigned	number, i, good;
	uint64_t	traffic;

	memset(domain, 0, sizeof(*domain));
	domain->id = id;
	number = of_1000(ask(domain, POOL, 0));
	domain->hosts = number < 400 ? 1 : number < 750 ? 2 : number < 850 ? 3 :
	    number < 900 ? 4 : 5;
	domain->primaries = (domain->hosts + 1) / 2;
	domain->tls = class_of(domain, CLASS);
	domain->share = 1 + below(ask(domain, SHARE, 0), 999);
	/* One at least has TLS, one at least has not. */
	good = 1 + (domain->hosts > 1 ? below(ask(domain, GOOD, 99), domain->hosts - 1) : 0);
	for (i = 0; i < good; i++)
		domain->good[(below(ask(domain, GOOD, 0), domain->hosts) + i) %
		    domain->hosts] = 1;

	if (of_1000(ask(domain, CHANGE, 0)) < PROVIDER_CHANGES_OF_1000) {
		domain->change = some_time(domain, CHANGE_AT);
		domain->tls_after = of_1000(ask(domain, AFTER, 0)) < CHANGE_LOSES_TLS_OF_1000 ?
		    NO_TLS : TLS;
		domain->proved = of_1000(ask(domain, PROVED, 0)) < TLSA_GONE_PROVED_OF_1000;
	}
	domain->certified = of_1000(ask(domain, CERTIFIED, 0)) < CERTIFIED_OF_1000;
	domain->by_domain = of_1000(ask(domain, NAMED, 0)) < NAMED_OF_1000;
	if (of_1000(ask(domain, EXPIRY, 0)) < EXPIRIES_OF_1000) {
		domain->expired = some_time(domain, EXPIRY_AT);
		domain->renewed = domain->expired +
		    (1 + (int64_t)below(ask(domain, EXPIRY_FOR, 0), EXPIRED_DAYS)) * DAY;
	}
	domain->tlsa = of_1000(ask(domain, TLSA, 0)) < TLSA_OF_1000 &&
	    of_1000(ask(domain, VALIDATES, 0)) >= TLSA_UNUSABLE_OF_1000;
	if (of_1000(ask(domain, MISMATCH, 0)) < TLSA_MISMATCH_OF_1000) {
		domain->mismatch = some_time(domain, MISMATCH_AT);
		domain->matched = domain->mismatch +
		    (1 + (int64_t)below(ask(domain, MISMATCH_FOR, 0), EXPIRED_DAYS)) * DAY;
	}
	if (of_1000(ask(domain, ATTACK, 0)) < ATTACKED_OF_1000) {
		domain->attack = of_1000(ask(domain, FIRST, 0)) < ATTACK_FIRST_OF_1000 ?
		    START : some_time(domain, ATTACK_AT);
		domain->attack_end = domain->attack == START ? START + 365 * DAY :
		    domain->attack + ((int64_t)HOUR << below(ask(domain, ATTACK_FOR, 0),
		    ATTACK_LOG_HOURS + 1));
		domain->attack_share = of_1000(ask(domain, ATTACK_SHARE, 0)) <
		    ATTACK_ALL_OF_1000 ? 1000 : ATTACK_HALF_OF_1000;
	}
	traffic = (uint64_t)TRAFFIC_LEAST * 4096 / (1 + ask(domain, TRAFFIC, 0) % 4096);
	domain->messages = traffic > MESSAGES ? MESSAGES : (unsigned)traffic;
}

/*
 * One session: what the client sees of a host at a time.
 */
struct seen {
	struct deep_session	session;
	unsigned		down, stripped, dane_refuses;
};

static void
see(const struct domain *domain, unsigned host, int64_t now, struct seen *seen)
{
	static const struct deep_suite	*aes;
	const uint64_t			 when = (uint64_t)now * HOSTS + host;
	const unsigned			 changed = domain->change != 0 && now >= domain->change;
	const enum tls			 tls = changed ? domain->tls_after : domain->tls;
	unsigned			 has_tls, valid, tlsa = domain->tlsa && !changed;

	memset(seen, 0, sizeof(*seen));
	if (aes == NULL)
		aes = deep_suite_code(0x1301);
	seen->down = of_1000(ask(domain, DOWN, when)) < DOWN_OF_1000;
	has_tls = tls == TLS || (tls == BY_HOST && domain->good[host]) ||
	    (tls == BY_SESSION && of_1000(ask(domain, FLAP, when)) < domain->share);
	/* Who publishes TLSA records has TLS everywhere. */
	has_tls |= tlsa;
	if (has_tls && now >= domain->attack && now < domain->attack_end &&
	    of_1000(ask(domain, STRIP, when)) < domain->attack_share)
		seen->stripped = 1;
	if (domain->tlsa && changed && domain->proved)
		seen->session.no_tlsa = 1;
	if (tlsa && (seen->stripped || (now >= domain->mismatch && now < domain->matched)))
		seen->dane_refuses = 1;
	if (!has_tls || seen->stripped)
		return;
	seen->session.version = DEEP_TLS1_3;
	seen->session.suite = aes;
	valid = domain->certified && !(now >= domain->expired && now < domain->renewed);
	seen->session.chain_ok = valid != 0;
	seen->session.host_ok = valid != 0;
	seen->session.host_safe = domain->tlsa != 0;	/* DNSSEC */
	seen->session.name_ok = valid && domain->by_domain;
	seen->session.dane_ok = tlsa && !seen->dane_refuses;
}

/*
 * What a rule knows of a domain.
 */
struct known {
	struct deep_record	record;
	int			level;		/* chasquid: 0 plain, 1 TLS, 2 verified */
	int64_t			stuck;		/* since when nothing gets through; 0: it does */
};

static int
level_of(const struct deep_session *session)
{
	return session->version == 0 ? 0 : session->chain_ok && session->host_ok ? 2 : 1;
}

/* Whether the rule lets mail go to what was seen. */
static int
allows(const struct rule *rule, struct known *known, const struct seen *seen, int64_t now)
{
	struct deep_decision	decision;

	if (rule->kind == CHASQUID) {
		/* It is raised as soon as TLS is up, whatever becomes of the message. */
		if (level_of(&seen->session) < known->level)
			return 0;
		known->level = level_of(&seen->session);
	}
	if (rule->kind != LATCHES)
		return 1;
	known->record.clock = now;
	deep_policy_decide(&rule->policy, &known->record, &seen->session, 0, &decision);
	return decision.failed == DEEP_LATCH_NONE;
}

static void
forget(struct known *known)
{
	/* The most of a record is hosts: none of these is there before the first one. */
	memset(&known->record, 0, offsetof(struct deep_record, host));
	known->record.nhost = 0;
	known->level = 0;
}

/* One attempt.  1: the message is gone. */
static int
try_one(const struct rule *rule, const struct domain *domain, struct known *known,
    struct message *message, int64_t now, struct result *result)
{
	static const char	*const names[HOSTS] = { "mx1", "mx2", "mx3", "mx4", "mx5", "mx6",
				    "mx7", "mx8" };
	struct deep_learnt	 learnt;
	struct deep_str		 name;
	struct seen		 seen;
	unsigned		 i, host, refused = 0, stripped = 0;

	for (i = 0; i < domain->hosts; i++) {
		/* The primaries in any order, then the others. */
		host = i < domain->primaries ? (i + below(ask(domain, ORDER, (uint64_t)now),
		    domain->primaries)) % domain->primaries : i;
		see(domain, host, now, &seen);
		if (seen.down)
			continue;
		stripped |= seen.stripped;
		if (seen.dane_refuses)
			continue;		/* RFC 7672, whatever the rule says */
		if (!allows(rule, known, &seen, now)) {
			refused = 1;
			continue;
		}
		if (rule->kind == LATCHES) {
			name.p = names[host];
			name.n = strlen(names[host]);
			deep_policy_learn(&rule->policy, &known->record, &seen.session, name,
			    now, &learnt);
		}
		result->stripped += seen.stripped;
		result->sudden += seen.stripped && domain->attack != START;
		known->stuck = 0;
		return 1;
	}
	if (!refused)
		return 0;
	if (!stripped) {
		message->wrong = 1;
		if (known->stuck != 0 && now - known->stuck >= ADMINISTRATOR_HOURS * HOUR) {
			/* He has asked the other side, which has no TLS any more. */
			forget(known);
			known->stuck = 0;
			result->resets++;
			return try_one(rule, domain, known, message, now, result);
		}
	}
	if (known->stuck == 0)
		known->stuck = now;
	return 0;
}

static int
by_time(const void *a, const void *b)
{
	const struct message	*one = a, *other = b;

	return one->came < other->came ? -1 : one->came > other->came;
}

/* A year of one domain: messages that came, and those that wait, in order of time. */
static void
live(const struct rule *rule, const struct domain *domain, const struct message *mail,
    struct result *result)
{
	static struct known	known;
	static struct message	waiting[MESSAGES];
	struct message		message;
	unsigned		next = 0, nwaiting = 0, i, first;

	forget(&known);
	known.stuck = 0;
	while (next < domain->messages || nwaiting > 0) {
		for (first = 0, i = 1; i < nwaiting; i++)
			if (waiting[i].next < waiting[first].next)
				first = i;
		if (nwaiting == 0 || (next < domain->messages &&
		    mail[next].came <= waiting[first].next))
			message = mail[next++];
		else {
			message = waiting[first];
			waiting[first] = waiting[--nwaiting];
		}
		if (!try_one(rule, domain, &known, &message, message.next, result) &&
		    ++message.attempt < ATTEMPTS) {
			message.next = message.came + attempts[message.attempt];
			waiting[nwaiting++] = message;
			continue;
		}
		result->messages++;
		result->wrong += message.wrong;
		result->late += message.wrong && message.next - message.came > DAY;
		result->returned += message.wrong && message.attempt == ATTEMPTS;
	}
}

static void
simulate(const struct rule *rules, size_t nrules, struct result *results, uint64_t domains)
{
	static struct message	mail[MESSAGES];
	struct domain		domain;
	uint64_t		id;
	size_t			n;
	unsigned		i;

	memset(results, 0, nrules * sizeof(*results));
	for (id = 0; id < domains; id++) {
		make_domain(&domain, id);
		for (i = 0; i < domain.messages; i++) {
			memset(&mail[i], 0, sizeof(mail[i]));
			mail[i].came = mail[i].next = START +
			    (int64_t)(ask(&domain, CAME, i) >> 11) % (365 * DAY);
		}
		qsort(mail, domain.messages, sizeof(*mail), by_time);
		for (n = 0; n < nrules; n++)
			live(&rules[n], &domain, mail, &results[n]);
	}
}

static struct rule *
add(struct rule *rule, const char *name, enum kind kind, unsigned confirm, int64_t over)
{
	unsigned	n;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->name, sizeof(rule->name), "%s", name);
	rule->kind = kind;
	deep_policy_of(&rule->policy, NULL, NULL);
	if (confirm == 0)
		return rule;
	rule->policy.confirm = confirm;
	rule->policy.confirm_over = over;
	if (strcmp(name, "strict") == 0) {	/* the letter: whatever is latched is required */
		rule->policy.strict = 1;
		for (n = 0; n < DEEP_LATCHES; n++)
			rule->policy.mode[n] = DEEP_ENFORCE;
	}
	return rule;
}

/* Messages that waited, in 10,000, with two decimals; prevented, in 100, with one. */
struct shares {
	uint64_t	deferred, prevented, in_100;
};

static struct shares
shares_of(const struct result *result, const struct result *nothing)
{
	struct shares	shares;

	shares.deferred = result->wrong * 1000000 / nothing->messages;
	shares.prevented = nothing->sudden > result->sudden ?
	    nothing->sudden - result->sudden : 0;
	shares.in_100 = nothing->sudden == 0 ? 0 : shares.prevented * 1000 / nothing->sudden;
	return shares;
}

static void
print(const struct rule *rule, const struct result *result, const struct result *nothing)
{
	const struct shares	shares = shares_of(result, nothing);

	printf("%-10s %8" PRIu64 " %5" PRIu64 ".%02" PRIu64 " %7" PRIu64 " %8" PRIu64 " %6"
	    PRIu64 " %8" PRIu64 " %9" PRIu64 " %4" PRIu64 ".%" PRIu64 "\n", rule->name,
	    result->wrong, shares.deferred / 100, shares.deferred % 100, result->late,
	    result->returned, result->resets, result->stripped, shares.prevented,
	    shares.in_100 / 10, shares.in_100 % 10);
}

/* The world of this seed. */
static void
print_one(const struct rule *rules, size_t nrules, const struct result *results,
    uint64_t domains)
{
	size_t	n;

	printf("%" PRIu64 " domains, %" PRIu64 " messages, seed %" PRIu64 "\n", domains,
	    results[0].messages, seed);
	printf("%-10s %8s %8s %7s %8s %6s %8s %9s %6s\n", "rule", "deferred", "in 10000",
	    "a day +", "returned", "resets", "stripped", "prevented", "in 100");
	for (n = 0; n < nrules; n++)
		print(&rules[n], &results[n], &results[0]);
}

static int
by_number(const void *a, const void *b)
{
	const uint64_t	x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Least, median, most; tenths: with one decimal. */
static void
print_spread(uint64_t *number, size_t n, int width, int tenths)
{
	const size_t	place[3] = { 0, n / 2, n - 1 };
	size_t		i;

	qsort(number, n, sizeof(*number), by_number);
	for (i = 0; i < 3; i++)
		if (tenths)
			printf("%*" PRIu64 ".%" PRIu64, width - 2, number[place[i]] / 10,
			    number[place[i]] % 10);
		else
			printf("%*" PRIu64, width, number[place[i]]);
}

static void
print_spreads(const struct rule *rules, size_t nrules, struct result results[][RULES],
    size_t seeds)
{
	uint64_t	deferred[SEEDS], returned[SEEDS], stripped[SEEDS], prevented[SEEDS];
	struct shares	shares;
	size_t		n, i;

	printf("%-10s %17s %14s %17s %14s\n", "", "deferred in 10000", "returned", "stripped",
	    "prevented/100");
	printf("%-10s%6s%6s%6s%5s%5s%5s%6s%6s%6s%5s%5s%5s\n", "rule", "low", "mid", "high",
	    "low", "mid", "high", "low", "mid", "high", "low", "mid", "high");
	for (n = 0; n < nrules; n++) {
		for (i = 0; i < seeds; i++) {
			shares = shares_of(&results[i][n], &results[i][0]);
			deferred[i] = (shares.deferred + 5) / 10;
			returned[i] = results[i][n].returned;
			stripped[i] = results[i][n].stripped;
			prevented[i] = shares.in_100;
		}
		printf("%-10s", rules[n].name);
		print_spread(deferred, seeds, 6, 1);
		print_spread(returned, seeds, 5, 0);
		print_spread(stripped, seeds, 6, 0);
		print_spread(prevented, seeds, 5, 1);
		putchar('\n');
	}
}

static void
print_world(void)
{
#define WORLD(name, value, why)	printf("%s = %d\n\t%s\n", #name, value, why);
#include "world.in"
#undef WORLD
}

int
main(int argc, char *argv[])
{
	static const unsigned	confirm[] = { 1, 2, 3, 5 };
	static const unsigned	hours[] = { 24, 72, 168 };
	static struct result	results[SEEDS][RULES];
	struct rule		rules[RULES];
	uint64_t		domains = 100000, first;
	size_t			nrules = 0, seeds = 1, i, j;
	char			name[16];
	int			c, sweep, each = 0;

	while ((c = getopt(argc, argv, "d:en:s:")) != -1)
		switch (c) {
		case 'd':
			domains = strtoull(optarg, NULL, 10);
			break;
		case 'e':
			each = 1;
			break;
		case 'n':
			seeds = strtoul(optarg, NULL, 10);
			break;
		case 's':
			seed = strtoull(optarg, NULL, 10);
			break;
		default:
			argc = 0;
		}
	sweep = argc == optind + 1 && strcmp(argv[optind], "sweep") == 0;
	if (argc == optind + 1 && strcmp(argv[optind], "world") == 0) {
		print_world();
		return 0;
	}
	if (argc != optind + 1 || domains == 0 || domains > 100000000 ||
	    seeds == 0 || seeds > SEEDS ||
	    (!sweep && strcmp(argv[optind], "rules") != 0)) {
		fprintf(stderr, "usage: sim [-e] [-d DOMAINS] [-n SEEDS] [-s SEED] rules | sweep | world\n");
		return 64;
	}
	add(&rules[nrules++], "nothing", NOTHING, 0, 0);
	if (sweep)
		for (i = 0; i < sizeof(confirm) / sizeof(confirm[0]); i++)
			for (j = 0; j < sizeof(hours) / sizeof(hours[0]); j++) {
				/* One confirmation spans no time. */
				unsigned span = confirm[i] == 1 ? 0 : hours[j];

				if (confirm[i] == 1 && j > 0)
					continue;
				snprintf(name, sizeof(name), "%u, %uh", confirm[i], span);
				add(&rules[nrules++], name, LATCHES, confirm[i],
				    (int64_t)span * HOUR);
			}
	else {
		add(&rules[nrules++], "strict", LATCHES, 1, 0);
		add(&rules[nrules++], "default", LATCHES, 0, 0);
		add(&rules[nrules++], "chasquid", CHASQUID, 0, 0);
	}
	for (first = seed, i = 0; i < seeds; i++, seed++) {
		simulate(rules, nrules, results[i], domains);
		if (each || seeds == 1)
			print_one(rules, nrules, results[i], domains);
	}
	if (seeds > 1) {
		printf("%" PRIu64 " domains, seeds %" PRIu64 " to %" PRIu64 "\n", domains, first,
		    seed - 1);
		print_spreads(rules, nrules, results, seeds);
	}
	return 0;
}
