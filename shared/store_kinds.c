/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store_kinds.c - the kinds of store, as their URLs begin.
 *
 * A file of its own, so that a program linked with libdeep.a which keeps to one of
 * them can have an array of that one, and does without the libraries of the rest.
 */
#include "store.h"

const struct deep_store_kind *const deep_store_kinds[] = {
	&deep_store_sqlite, &deep_store_redis, &deep_store_redis_unix, &deep_store_rediss,
	NULL
};
