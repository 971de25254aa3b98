/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_config.c - deep.conf(5) with any octets: it is taken whole or not at all, a
 * fault is one line that names the file, and every answer keeps its limits.
 */
#include "config.h"
#include "fuzz.h"

static void
check_policy(const struct deep_config *config, const char *name)
{
	struct deep_policy	policy;
	unsigned		n;

	deep_policy_of(&policy, config, name);
	for (n = 0; n < DEEP_LATCHES; n++)
		MUST(policy.mode[n] <= DEEP_ENFORCE);
	MUST(policy.confirm >= 1 && policy.confirm_over >= 0);
	MUST(policy.retention >= DEEP_RETENTION_MIN);
	MUST(policy.status[0] == '4' || (policy.status[0] == '5' &&
	    deep_config_number(config, "policy", "permanent") == 1));
	MUST(strlen(policy.status) <= DEEP_STATUS_MAX);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_config	*config = deep_config_new();
	struct deep_str		 text;
	struct deep_key		 key;
	enum deep_status	 answer;
	const char		*error, *p;

	MUST(config != NULL);
	MUST(deep_config_text_read(config, "before", deep_str("[policy]\nconfirm = 77\n")) ==
	    DEEP_YES);
	text = exact_copy(data, n);
	answer = deep_config_text_read(config, "file", text);
	free((char *)(uintptr_t)text.p);
	error = deep_config_error(config);
	if (answer == DEEP_YES)
		MUST(error[0] == '\0');
	else {
		MUST(answer == DEEP_BAD);
		MUST(strncmp(error, "file:", 5) == 0);
		for (p = error; *p != '\0'; p++)
			MUST((unsigned char)*p >= ' ' && *p != 0x7f);
		MUST(deep_config_number(config, "policy", "confirm") == 77);
	}
	check_policy(config, NULL);
	check_policy(config, "example.org");
	deep_key_host(&key, DEEP_RELAY, config, deep_str("mx.example.org"));
	MUST(key.name[0] != '\0');
	deep_config_free(config);
	return 0;
}
