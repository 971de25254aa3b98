/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * check.c - "deeplatch check": what would be decided for a session with these facts, and
 * why.  It changes nothing.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "admin.h"

struct check {
	enum deep_service	 service;
	const char		*domain, *host;
	struct deep_session	 session;
	unsigned		 bypass;
	int			 json;
};

static unsigned
bypass_of(const char *text)
{
	if (strcmp(text, "tls-required-no") == 0)
		return DEEP_BYPASS_TLS_REQUIRED_NO;
	if (strcmp(text, "tlsrpt") == 0)
		return DEEP_BYPASS_TLSRPT;
	errx(EX_USAGE, "\"%s\": there are tls-required-no and tlsrpt", text);
}

static void
read_words(struct deep_session *session, const char *words)
{
	struct deep_session	facts;

	if (deep_session_words(&facts, deep_str(words), NULL) != DEEP_YES)
		errx(EX_USAGE, "\"%s\" is not of the form of "
		    "TLSv1.3:TLS_AES_256_GCM_SHA384:256", words);
	if (facts.version != 0 && facts.suite == NULL)
		warnx("the suite in \"%s\" is not known; nothing is concluded from it", words);
	session->version = facts.version;
	session->suite = facts.suite;
	session->like = facts.like;
	session->resumed |= facts.resumed;
}

static void
read_options(struct check *check, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "service", required_argument, NULL, 's' },
		{ "tls", required_argument, NULL, 't' },
		{ "cert", no_argument, NULL, 'c' },
		{ "dane", no_argument, NULL, 'd' },
		{ "no-tlsa", no_argument, NULL, 'x' },
		{ "resumed", no_argument, NULL, 'r' },
		{ "host", required_argument, NULL, 'H' },
		{ "bypass", required_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 }
	};
	int				 c;

	check->host = "";
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 's':
			check->service = service_of(optarg);
			break;
		case 't':
			read_words(&check->session, optarg);
			break;
		case 'c':
			check->session.chain_ok = check->session.name_ok = 1;
			break;
		case 'd':
			check->session.dane_ok = 1;
			break;
		case 'x':
			check->session.no_tlsa = 1;
			break;
		case 'r':
			check->session.resumed = 1;
			break;
		case 'H':
			check->host = optarg;
			break;
		case 'b':
			check->bypass |= bypass_of(optarg);
			break;
		case 'j':
			check->json = 1;
			break;
		default:
			bad_option("check", argv);
		}
	}
	if (argc - optind != 1)
		usage_of("check");
	check->domain = argv[optind];
	if (check->session.version == 0 && (check->session.chain_ok || check->session.dane_ok))
		errx(EX_USAGE, "--cert and --dane tell of TLS; say --tls too");
}

static void
say_set(const char *what, deep_latches set)
{
	printf("%-10s ", what);
	say_latches(stdout, set, " ", "nothing");
	putchar('\n');
}

static const char *
bypass_name(unsigned bypassed)
{
	if (bypassed & DEEP_BYPASS_EXEMPT)
		return "the name is exempt";
	if (bypassed & DEEP_BYPASS_TLS_REQUIRED_NO)
		return "the message says TLS-Required: No (RFC 8689)";
	return "the message is a report of TLS failures (RFC 8460)";
}

/* Why each missing latch stops nothing. */
static void
say_doubts(const struct deep_decision *decision, const struct deep_policy *policy)
{
	unsigned	n;

	for (n = 0; n < DEEP_LATCHES; n++) {
		if (decision->warned & 1u << n)
			printf("  %s is missing: its mode is warn\n", deep_latch_name(n));
		else if (decision->doubted & 1u << n)
			printf("  %s is missing: %s\n", deep_latch_name(n),
			    decision->bypassed ? bypass_name(decision->bypassed) :
			    policy->mode[n] == DEEP_OBSERVE ? "its mode is observe" :
			    "it is on probation");
	}
}

static const char *
verdict(const struct deep_decision *decision)
{
	if (decision->failed != DEEP_LATCH_NONE)
		return "refused";
	return (decision->warned | decision->doubted) != DEEP_LATCH_NONE ? "goes, with doubts" :
	    "goes";
}

int
run_check(struct admin *admin, int argc, char *argv[])
{
	struct check		check;
	struct deep_key		key;
	struct deep_policy	policy;
	struct deep_record	record;
	struct deep_decision	decision;
	char			line[DEEP_REFUSAL_MAX + 1];

	memset(&check, 0, sizeof(check));
	check.service = DEEP_RELAY;
	read_options(&check, argc, argv);
	key = key_of(check.service, check.domain);
	deep_policy_of(&policy, admin->config, key.name);
	open_store(admin);
	if (deep_store_get(admin->store, &key, &record) == DEEP_FAIL)
		store_failed(admin);
	deep_policy_decide(&policy, &record, &check.session, check.bypass, &decision);
	line[0] = '\0';
	if (decision.failed != DEEP_LATCH_NONE)
		deep_refusal_emit(line, sizeof(line), &policy, &key, deep_str(check.host),
		    decision.failed);
	if (check.json)
		json_line(stdout, json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:s}",
		    "name", key.name, "decision", verdict(&decision),
		    "required", latches_json(decision.required),
		    "satisfied", latches_json(decision.satisfied),
		    "failed", latches_json(decision.failed),
		    "warned", latches_json(decision.warned),
		    "doubted", latches_json(decision.doubted), "line", line));
	else {
		say_set("required", decision.required);
		say_set("satisfied", decision.satisfied);
		printf("%-10s %s\n", "decision", verdict(&decision));
		if (decision.failed != DEEP_LATCH_NONE)
			printf("  %s\n", line);
		say_doubts(&decision, &policy);
	}
	say_group(admin, "check", &key);
	if (decision.failed != DEEP_LATCH_NONE)
		return REFUSED;
	return (decision.warned | decision.doubted) != DEEP_LATCH_NONE ? MISSING : DONE;
}
