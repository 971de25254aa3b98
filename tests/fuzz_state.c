/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_state.c - any octets as the probes that are remembered, and as the state of a
 * run that was interrupted (--resume): taken for what they are, or refused.
 */
#include <sys/stat.h>

#include <unistd.h>

#include "fuzz.h"

#include "scale.h"
#include "summary.h"

#define INPUT_MAX	(64 * 1024)	/* octets */

static char folder[64], probes[128], resume[128], box[128];

static void
write_file(const char *path, const void *text, size_t n)
{
	FILE *out = fopen(path, "w");

	MUST(out != NULL);
	MUST(fwrite(text, 1, n, out) == n);
	MUST(fclose(out) == 0);
}

static void
clean(void)
{
	char key[128];

	snprintf(key, sizeof(key), "%s/key", folder);
	(void)unlink(key);
	(void)unlink(probes);
	(void)unlink(resume);
	(void)unlink(box);
	(void)rmdir(folder);
}

static void
check_probes(void)
{
	struct state *state = state_open(folder, 1);
	const struct probe *probe;
	struct dsn dsn;

	if (state == NULL)
		return;
	memset(&dsn, 0, sizeof(dsn));
	dsn.envelope_id = deep_str("a");
	MUST(probe_find(state, &dsn, deep_str("<b@example.org>"), &probe) != MINE_NOT_LOOKED_AT);
	state_close(state);
}

static void
check_resume(int counts)
{
	char *const path[] = { box };
	struct spot place = { 0, NULL, 0 };
	struct settings set;

	memset(&set, 0, sizeof(set));
	set.resume = resume;
	set.output = &output_json;
	if (counts)
		set.summary = summary_new();
	if (resume_read(&set, path, 1, &place) == DEEP_YES)
		MUST(place.input == 0 && place.offset >= 0 && place.file != NULL);
	free(place.file);
	summary_free(set.summary);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char text[] = "From a@example.org Mon Nov  2 10:00:00 2026\n\nbody\n";

	if (*folder == '\0') {
		strlcpy(folder, "/tmp/fuzz_state.XXXXXX", sizeof(folder));
		MUST(mkdtemp(folder) != NULL);
		snprintf(probes, sizeof(probes), "%s/probes", folder);
		snprintf(resume, sizeof(resume), "%s/resume", folder);
		snprintf(box, sizeof(box), "%s/box", folder);
		write_file(box, text, sizeof(text) - 1);
		MUST(freopen("/dev/null", "w", stdout) != NULL);	/* --resume cuts it to its length */
		be_quiet();
		atexit(clean);
	}
	if (n == 0 || n > INPUT_MAX)
		return 0;
	if (*data == 'p') {
		write_file(probes, data + 1, n - 1);
		check_probes();
	} else {
		write_file(resume, data + 1, n - 1);
		check_resume(*data == 's');
	}
	return 0;
}
