/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * config.h - what policy.c, and the tests, may ask of config.c besides deep.h.
 * Not installed.
 */
#ifndef DEEP_CONFIG_H
#define DEEP_CONFIG_H

#include "deep.h"

/* As deep_config_read(), of a text; file is its name in errors. */
enum deep_status deep_config_text_read(struct deep_config *, const char *file,
	    struct deep_str text);
enum deep_config_kind { DEEP_CONFIG_DOMAIN, DEEP_CONFIG_HOST, DEEP_CONFIG_EXEMPT };
/* The section that speaks of this key of a domain or host: "domain example.org",
 * "group pool", or "policy" where the domain is in its list of exempt ones.  NULL:
 * none does. */
const char *deep_config_section(const struct deep_config *, enum deep_config_kind,
	    const char *name);

#endif
