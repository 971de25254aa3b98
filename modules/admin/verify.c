/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * verify.c - "deeplatch verify": looks at every record of the store, and at deep.conf on
 * the way there.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "admin.h"

struct faults {
	struct admin	*admin;
	uint64_t	 n;
};

static int
say_fault(void *data, const char *fault)
{
	struct faults	*faults = data;

	progress_end(&faults->admin->progress);
	faults->n++;
	say_word(stdout, fault);
	putchar('\n');
	return ferror(stdout);
}

int
run_verify(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = { { NULL, 0, NULL, 0 } };
	struct faults			faults = { admin, 0 };
	uint64_t			records = 0;

	if (getopt_long(argc, argv, "", options, NULL) != -1)
		bad_option("verify", argv);
	if (optind != argc)
		usage_of("verify");
	open_store(admin);
	if (deep_store_verify(admin->store, say_fault, &faults, &records) == DEEP_FAIL)
		store_failed(admin);
	progress_end(&admin->progress);
	if (faults.n == 0) {
		printf("%" PRIu64 " records, all are sound\n", records);
		return DONE;
	}
	printf("%" PRIu64 " records, %" PRIu64 " %s; \"deeplatch reset --all DOMAIN\" forgets a "
	    "damaged one\n", records, faults.n, faults.n == 1 ? "fault" : "faults");
	return FAULTY;
}
