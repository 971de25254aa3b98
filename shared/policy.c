/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * policy.c - what a name has proved, and what follows from it for a session:
 * the one evaluation that every module uses.
 *
 * draft-newman-email-deep-00 sections 3.1 to 3.3, 5.3, 5.5 and 5.7; RFC 7672 for
 * what DANE decides; RFC 8689 and RFC 8460 for mail that passes latches by.
 *
 * It does no I/O and allocates nothing.  It never lowers what is held: a latch
 * goes by age alone, or by the administrator's hand in the store.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "deep.h"
#include "word.h"

#define DAY	86400

static const char *const services[] = { "relay", "submission", "access", "inbound" };
#define NSERVICE	(sizeof(services) / sizeof(services[0]))

/*
 * Keys.
 */

const char *
deep_service_name(enum deep_service service)
{
	return (size_t)service < NSERVICE ? services[service] : NULL;
}

int
deep_service_find(struct deep_str text)
{
	size_t	i;

	for (i = 0; i < NSERVICE; i++)
		if (deep_is(text, services[i]))
			return (int)i;
	return -1;
}

/* Whether it is an address in place of a name: "[192.0.2.1]", "192.0.2.1", "2001:db8::1".  A
 * name whose last label is a number is none either: inet_aton(3) would take it. */
static int
is_literal(struct deep_str text)
{
	size_t	i, colons = 0, label = 0;

	if (text.n > 0 && text.p[0] == '[')
		return 1;
	for (i = 0; i < text.n; i++) {
		if (text.p[i] == ':')
			colons++;
		else if (text.p[i] == '.')
			label = i + 1;
		else if (!deep_digit(text.p[i]) && !(deep_lower(text.p[i]) >= 'a' &&
		    deep_lower(text.p[i]) <= 'f'))
			break;
	}
	if (i == text.n && colons >= 2)
		return 1;
	for (i = label; i < text.n && deep_digit(text.p[i]); i++)
		continue;
	return text.n > 0 && label < text.n && i == text.n && colons == 0;
}

/*
 * A name with octets above 0x7f that has no A-labels (IDNA2008 refuses it, or it is no
 * UTF-8): a server that looks up the octets as they are may well deliver to it, so that it
 * has a key too.  It is its own form in lower case, with all that is not printable ASCII
 * written as \xHH; one that has become too long ends in a sum of the whole.  0: it is not
 * such a name, or longer than any in the DNS.
 */
static int
raw_key(char key[DEEP_DOMAIN_MAX + 1], struct deep_str text)
{
	uint64_t	sum = UINT64_C(0xcbf29ce484222325);	/* FNV-1a */
	char		whole[4 * DEEP_DOMAIN_MAX + 1];
	size_t		i, n = 0;
	int		odd = 0;

	if (text.n > 0 && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n == 0 || text.n > DEEP_DOMAIN_MAX)
		return 0;
	for (i = 0; i < text.n; i++) {
		const char	c = deep_lower(text.p[i]);

		sum = (sum ^ (unsigned char)c) * UINT64_C(0x100000001b3);
		odd |= (unsigned char)c >= 0x80 || c == '\\';
		if (c > ' ' && c <= '~')
			whole[n++] = c;
		else
			n += (size_t)snprintf(whole + n, 5, "\\x%02x", (unsigned char)c);
	}
	whole[n] = '\0';
	if (n > DEEP_DOMAIN_MAX)
		(void)snprintf(whole + DEEP_DOMAIN_MAX - 17, 18, "\\%016" PRIx64, sum);
	memcpy(key, whole, n > DEEP_DOMAIN_MAX ? DEEP_DOMAIN_MAX + 1 : n + 1);
	return odd;
}

enum deep_status
deep_key(struct deep_key *key, enum deep_service service, struct deep_str text)
{
	size_t	i;

	memset(key, 0, sizeof(*key));
	key->service = service;
	for (i = text.n; i > 0; i--)
		if (text.p[i - 1] == '@') {
			text.p += i;
			text.n -= i;
			break;
		}
	if (text.n == 0 || is_literal(text))
		return DEEP_NO;
	if (deep_domain_key(key->name, sizeof(key->name), text) > 0 || raw_key(key->name, text))
		return DEEP_YES;
	key->name[0] = '\0';
	return DEEP_BAD;
}

/* The name by which a host is known: a domain's key, else its text in lower case, so
 * that one known by its address is seen too.  "": it has none. */
static void
host_name(char name[DEEP_DOMAIN_MAX + 1], struct deep_str host)
{
	size_t	i;

	name[0] = '\0';
	if (host.n == 0 || host.n > DEEP_DOMAIN_MAX ||
	    deep_domain_key(name, DEEP_DOMAIN_MAX + 1, host) > 0)
		return;
	for (i = 0; i < host.n; i++) {
		if (host.p[i] <= ' ' || host.p[i] > '~') {
			name[0] = '\0';
			return;
		}
		name[i] = deep_lower(host.p[i]);
	}
	name[host.n] = '\0';
}

enum deep_status
deep_key_host(struct deep_key *key, enum deep_service service,
    const struct deep_config *config, struct deep_str host)
{
	char		 name[DEEP_DOMAIN_MAX + 1];
	const char	*section;

	host_name(name, host);
	section = name[0] == '\0' ? NULL : deep_config_section(config, DEEP_CONFIG_HOST, name);
	if (section == NULL)
		return deep_key(key, service, host);
	memset(key, 0, sizeof(*key));
	key->service = service;
	snprintf(key->name, sizeof(key->name), "%s", section + strlen("group "));
	return DEEP_YES;
}

/*
 * What deep.conf says.
 */

static void
set_modes(struct deep_policy *policy, const struct deep_config *config, const char *section)
{
	const char	*id;
	int64_t		 all = deep_config_number(config, section, "all"), mode;
	unsigned	 n;

	for (n = 0; n < DEEP_LATCHES && (id = deep_latch_name(n)) != NULL; n++) {
		if ((mode = deep_config_number(config, section, id)) < 0)
			mode = all;
		if (mode >= 0)
			policy->mode[n] = (enum deep_mode)mode;
	}
}

void
deep_policy_of(struct deep_policy *policy, const struct deep_config *config, const char *name)
{
	const char	*section;

	memset(policy, 0, sizeof(*policy));
	policy->at_handshake = deep_config_number(config, "policy", "set") == 1;
	policy->strict = deep_config_number(config, "policy", "profile") == 1;
	policy->confirm = policy->strict ? 1 :
	    (uint32_t)deep_config_number(config, "policy", "confirm");
	policy->confirm_over = policy->strict ? 0 :
	    deep_config_number(config, "policy", "confirm-over");
	policy->retention = deep_config_number(config, "policy", "retention");
	snprintf(policy->status, sizeof(policy->status), "%s",
	    deep_config_text(config, "policy", "status"));
	if (deep_config_number(config, "policy", "tls-required-no") == 1)
		policy->honoured |= DEEP_BYPASS_TLS_REQUIRED_NO;
	if (deep_config_number(config, "policy", "tlsrpt") == 1)
		policy->honoured |= DEEP_BYPASS_TLSRPT;
	set_modes(policy, config, "mode");
	if (name == NULL || config == NULL)
		return;
	section = deep_config_section(config, DEEP_CONFIG_DOMAIN, name);
	if (section != NULL)
		set_modes(policy, config, section);
	policy->exempt = deep_config_section(config, DEEP_CONFIG_EXEMPT, name) != NULL;
}

/*
 * What is held.
 */

/* Counted from the last confirmation by the store's clock, and never under the
 * two months of the draft, whatever the policy says. */
static int
is_expired(const struct deep_policy *policy, const struct deep_held *held, int64_t clock)
{
	int64_t	retention = policy->retention;

	if (retention < DEEP_RETENTION_MIN)
		retention = DEEP_RETENTION_MIN;
	return clock > held->confirmed && clock - held->confirmed > retention;
}

/* Also where the policy asks for less than it did when the latch was confirmed. */
static int
is_past_probation(const struct deep_policy *policy, const struct deep_held *held)
{
	return held->enforced != 0 || (held->window != 0 &&
	    held->in_window >= policy->confirm &&
	    held->confirmed - held->window >= policy->confirm_over);
}

deep_latches
deep_record_held(const struct deep_record *record, const struct deep_policy *policy)
{
	deep_latches	set = DEEP_LATCH_NONE;
	unsigned	n;

	for (n = 0; n < DEEP_LATCHES; n++)
		if (record->latch[n].first != 0 && (policy == NULL ||
		    !is_expired(policy, &record->latch[n], record->clock)))
			set |= 1u << n;
	return deep_latches_close(set);
}

/* Of those, the ones past probation. */
static deep_latches
record_proved(const struct deep_record *record, const struct deep_policy *policy)
{
	deep_latches	set = DEEP_LATCH_NONE;
	unsigned	n;

	for (n = 0; n < DEEP_LATCHES; n++)
		if (record->latch[n].first != 0 &&
		    !is_expired(policy, &record->latch[n], record->clock) &&
		    is_past_probation(policy, &record->latch[n]))
			set |= 1u << n;
	return deep_latches_close(set);
}

static deep_latches
of_mode(const struct deep_policy *policy, enum deep_mode mode)
{
	deep_latches	set = DEEP_LATCH_NONE;
	unsigned	n;

	for (n = 0; n < DEEP_LATCHES; n++)
		if (policy->mode[n] == mode)
			set |= 1u << n;
	return set;
}

static unsigned
passed_by(const struct deep_policy *policy, const struct deep_record *record, unsigned bypass)
{
	bypass &= policy->honoured & (DEEP_BYPASS_TLS_REQUIRED_NO | DEEP_BYPASS_TLSRPT);
	if (policy->exempt || record->exempt != 0)
		bypass |= DEEP_BYPASS_EXEMPT;
	return bypass;
}

deep_latches
deep_policy_required(const struct deep_policy *policy, const struct deep_record *record,
    unsigned bypass)
{
	if (record == NULL || passed_by(policy, record, bypass) != 0)
		return DEEP_LATCH_NONE;
	return record_proved(record, policy) & of_mode(policy, DEEP_ENFORCE);
}

/*
 * Latches that the session neither shows nor contradicts, because DANE decides
 * before them (RFC 7672): a match of TLSA is as good as a chain, and a proof that
 * there are no TLSA records takes the demand for one away.
 */
static deep_latches
settled_by_dane(const struct deep_session *session)
{
	deep_latches	set = DEEP_LATCH_NONE;

	if (session->dane_ok)
		set |= DEEP_LATCH_CERT;
	else if (session->no_tlsa)
		set |= DEEP_LATCH_DANE;
	return set;
}

/* The facts with the policy's view of what is strong. */
static void
view(struct deep_session *seen, const struct deep_policy *policy,
    const struct deep_session *session)
{
	memset(seen, 0, sizeof(*seen));
	if (session != NULL && session->version != 0)
		*seen = *session;
	else if (session != NULL)
		seen->no_tlsa = session->no_tlsa;	/* of the DNS, not of the session */
	seen->strict = policy->strict;
}

void
deep_policy_decide(const struct deep_policy *policy, const struct deep_record *record,
    const struct deep_session *session, unsigned bypass, struct deep_decision *decision)
{
	struct deep_session	seen;
	deep_latches		proved, enforced, missing;

	memset(decision, 0, sizeof(*decision));
	view(&seen, policy, session);
	decision->satisfied = deep_latches_satisfied(&seen);
	if (record == NULL)
		return;
	missing = deep_record_held(record, policy) & ~of_mode(policy, DEEP_OFF) &
	    ~decision->satisfied & ~settled_by_dane(&seen);
	proved = record_proved(record, policy);
	enforced = proved & of_mode(policy, DEEP_ENFORCE);
	bypass = passed_by(policy, record, bypass);
	if (bypass == 0) {
		decision->required = enforced & (missing | decision->satisfied);
		decision->failed = enforced & missing;
		decision->warned = proved & of_mode(policy, DEEP_WARN) & missing;
	} else if (enforced != DEEP_LATCH_NONE)
		decision->bypassed = bypass;
	decision->doubted = missing & ~decision->failed & ~decision->warned;
}

/*
 * Learning.
 */

static void
count(uint32_t *number)
{
	if (*number < UINT32_MAX)
		++*number;
}

static void
confirm(const struct deep_policy *policy, struct deep_held *held, deep_latches bit,
    int64_t clock, struct deep_learnt *learnt)
{
	if (held->first == 0) {
		held->first = clock;
		learnt->set |= bit;
	} else
		learnt->confirmed |= bit;
	if (held->confirmed < clock)
		held->confirmed = clock;
	count(&held->confirmations);
	if (held->enforced != 0)
		return;
	if (held->window == 0) {
		held->window = clock;
		held->in_window = 0;
	}
	count(&held->in_window);
	if (is_past_probation(policy, held)) {
		held->enforced = clock;
		learnt->enforced |= bit;
	}
}

/* Probation begins again with the next confirmation.  Once it is over it stays over: else
 * who can strip TLS from one session could end what protects all the others. */
static void
contradict(struct deep_held *held, deep_latches bit, int64_t clock,
    struct deep_learnt *learnt)
{
	held->contradicted = clock;
	count(&held->contradictions);
	learnt->contradicted |= bit;
	if (held->enforced == 0) {
		held->window = 0;
		held->in_window = 0;
	}
}

static void
see_host(struct deep_record *record, struct deep_str host, deep_latches satisfied,
    int64_t clock)
{
	char			 name[DEEP_DOMAIN_MAX + 1];
	struct deep_seen	*seen = NULL;
	size_t			 i;

	host_name(name, host);
	if (name[0] == '\0')
		return;
	for (i = 0; i < record->nhost && seen == NULL; i++)
		if (strcmp(record->host[i].name, name) == 0)
			seen = &record->host[i];
	if (seen == NULL) {
		if (record->nhost < DEEP_HOST_MAX)
			seen = &record->host[record->nhost++];
		else
			for (seen = record->host, i = 1; i < DEEP_HOST_MAX; i++)
				if (record->host[i].last < seen->last)
					seen = &record->host[i];
		memset(seen, 0, sizeof(*seen));
		memcpy(seen->name, name, sizeof(name));
		seen->first = clock;
	}
	seen->satisfied = satisfied;
	seen->last = clock;
	count(&seen->sessions);
}

/* The name that the certificate was right for: the domain's counts before the host's. */
static void
see_reference(struct deep_record *record, const struct deep_session *session,
    struct deep_str host)
{
	record->cert_by = session->name_ok ? DEEP_BY_DOMAIN : DEEP_BY_HOST;
	record->cert_host[0] = '\0';
	if (!session->name_ok)
		host_name(record->cert_host, host);
}

void
deep_policy_learn(const struct deep_policy *policy, struct deep_record *record,
    const struct deep_session *session, struct deep_str host, int64_t now,
    struct deep_learnt *learnt)
{
	const int64_t		clock = record->clock != 0 ? record->clock : now;
	struct deep_session	seen;
	deep_latches		satisfied, settable, bit;
	unsigned		n;
	int			held = 0;

	memset(learnt, 0, sizeof(*learnt));
	view(&seen, policy, session);
	satisfied = deep_latches_satisfied(&seen);
	settable = deep_latches_close(deep_latches_settable(&seen));
	for (n = 0; n < DEEP_LATCHES; n++) {
		bit = 1u << n;
		if (record->latch[n].first != 0 && is_expired(policy, &record->latch[n], clock))
			memset(&record->latch[n], 0, sizeof(record->latch[n]));
		if (policy->mode[n] == DEEP_OFF)
			continue;
		if (settable & bit)
			confirm(policy, &record->latch[n], bit, clock, learnt);
		else if (record->latch[n].first != 0 &&
		    !((satisfied | settled_by_dane(&seen)) & bit))
			contradict(&record->latch[n], bit, clock, learnt);
		if (settable & bit & DEEP_LATCH_CERT)
			see_reference(record, &seen, host);
		else if (bit == DEEP_LATCH_CERT && record->latch[n].first == 0)
			record->cert_by = DEEP_BY_NONE;
		held |= record->latch[n].first != 0;
	}
	if (held)
		see_host(record, host, satisfied, clock);
}

/*
 * The clock.
 */

void
deep_clock_step(int64_t *clock, int64_t *seen, int64_t now)
{
	int64_t	passed = now - *seen, behind = now - *clock;

	if (*clock == 0 || *seen == 0) {
		if (*clock < now)
			*clock = now;
		*seen = now;
		return;
	}
	*seen = now;
	if (passed <= 0 || behind <= 0)
		return;
	if (passed > DAY)
		passed = DAY;
	else
		passed *= 2;
	*clock += passed < behind ? passed : behind;	/* to the wall clock, not beyond */
}
