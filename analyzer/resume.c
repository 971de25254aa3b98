/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * resume.c - the state of a run that was interrupted: one line of JSON, and a
 * line with what was counted where --summary asks for counts.  The form is in
 * deeptrace(1).
 *
 * The state names the arguments, the file and the offset of the next message,
 * and how that file begins and what stands before the offset (SHA-256 of both),
 * so that it is not applied to another file; the file may have grown.  It is
 * written beside and renamed, so that there is always a whole one.  The size of
 * the output, where that is a file, is in it: what a run that died wrote behind
 * the last state is cut off.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "scale.h"
#include "digest.h"
#include "summary.h"
#include "utf8.h"

#define FORM	1
#define SEEN	4096		/* octets of the file that are remembered at either end */

/* Of the beginning of the file and of what stands before the offset.  The
 * offset of a packed file counts text: there the beginning has to do. */
static int
identity(const char *file, int64_t offset, char hex[65])
{
	unsigned char bytes[2 * SEEN], sum[SHA256_OCTETS];
	size_t n = 0, part = offset < SEEN ? (size_t)offset : SEEN;
	unsigned i;
	struct stream *stream;
	ssize_t got;
	int fd = open(file, O_RDONLY | O_CLOEXEC), packed;

	hex[0] = '\0';
	if (fd == -1)
		return -1;
	stream = stream_new(fd, file);
	packed = stream_is_packed(stream);
	stream_free(stream);
	if (packed)
		part = SEEN;
	if ((got = pread(fd, bytes, part, 0)) > 0)
		n = (size_t)got;
	if (!packed && (got = pread(fd, bytes + n, part, (off_t)(offset - (int64_t)part))) > 0)
		n += (size_t)got;
	close(fd);
	sha256(sum, bytes, n);
	for (i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	return 0;
}

static json_t *
arguments(const struct settings *set, char *const *path, int npath)
{
	json_t *all = json_array();
	int i;

	json_array_append_new(all, json_string(set->summary != NULL ? "summary" : set->output->name));
	for (i = 0; i < npath; i++)
		json_array_append_new(all, json_string(path[i]));
	return all;
}

static int
output_size(int64_t *size)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	*size = (int64_t)st.st_size;
	return 1;
}

int
resume_write(struct settings *set, char *const *path, int npath, const struct spot *place)
{
	char name[4096], hex[65];
	json_t *all, *seen = json_array();
	int64_t size = 0;
	FILE *out;
	int i, failed = 0, has_size;

	if (fflush(stdout) != 0)
		return -1;
	has_size = output_size(&size);
	if (place->output >= 0)		/* who writes may have gone on meanwhile */
		size = place->output;
	(void)identity(place->file, place->offset, hex);
	for (i = 0; i < OUTCOMES; i++)
		json_array_append_new(seen, json_integer((json_int_t)set->seen[i]));
	all = json_pack("{s:i, s:o, s:i, s:s, s:I, s:s, s:o, s:o, s:b}", "resume", FORM,
	    "arguments", arguments(set, path, npath), "input", place->input, "file", place->file,
	    "offset", (json_int_t)place->offset, "sha256", hex, "seen", seen, "output",
	    has_size ? json_integer((json_int_t)size) : json_null(), "failed",
	    set->failed);
	if (all == NULL || snprintf(name, sizeof(name), "%s.new", set->resume) >= (int)sizeof(name)) {
		warnx("--resume: %s: only names in UTF-8 can be kept", visible(place->file));
		json_decref(all);
		return -1;
	}
	if ((out = fopen(name, "w")) == NULL) {
		warn("--resume: %s", visible(name));
		json_decref(all);
		return -1;
	}
	failed = json_dumpf(all, out, JSON_COMPACT) != 0;
	putc('\n', out);
	if (set->summary != NULL)
		summary_write(out, set->summary);
	failed |= fflush(out) != 0 || fsync(fileno(out)) != 0;
	failed |= fclose(out) != 0;
	json_decref(all);
	if (failed || rename(name, set->resume) != 0) {
		warn("--resume: %s", visible(set->resume));
		(void)unlink(name);
		return -1;
	}
	return 0;
}

/* What a run that died wrote behind its last state is cut off. */
static int
cut_output(const json_t *was)
{
	int64_t size;

	if (!json_is_integer(was) || !output_size(&size) || size == 0)
		return 0;		/* another output, or a new file */
	if (size < json_integer_value(was)) {
		warnx("--resume: standard output has %lld octets, but had %lld: it is another file; "
		    "use >> with the one that was begun, or a new one", (long long)size,
		    (long long)json_integer_value(was));
		return -1;
	}
	if (ftruncate(STDOUT_FILENO, (off_t)json_integer_value(was)) != 0 ||
	    lseek(STDOUT_FILENO, 0, SEEK_END) == -1) {
		warn("--resume: standard output");
		return -1;
	}
	return 0;
}

enum deep_status
resume_read(struct settings *set, char *const *path, int npath, struct spot *place)
{
	enum deep_status answer = DEEP_BAD;
	const char *file, *sum, *why = NULL;
	json_t *all = NULL, *same = NULL;
	json_int_t input, offset;
	json_error_t error;
	char hex[65];
	FILE *in = fopen(set->resume, "r");
	size_t i;

	if (in == NULL && errno == ENOENT)
		return DEEP_NO;
	if (in == NULL) {
		warn("--resume: %s", visible(set->resume));
		return DEEP_BAD;
	}
	all = json_loadf(in, JSON_DISABLE_EOF_CHECK, &error);
	same = arguments(set, path, npath);
	file = json_string_value(json_object_get(all, "file"));
	sum = json_string_value(json_object_get(all, "sha256"));
	input = json_integer_value(json_object_get(all, "input"));
	offset = json_integer_value(json_object_get(all, "offset"));
	if (json_integer_value(json_object_get(all, "resume")) != FORM || file == NULL || sum == NULL ||
	    input < 0 || input >= npath || offset < 0)
		why = "is no state of deeptrace, or of another version";
	else if (!json_equal(same, json_object_get(all, "arguments")))
		why = "is of a run with other files, or with another --format";
	else if (identity(file, offset, hex) == 0 && strcmp(hex, sum) != 0)
		why = "does not fit the file that is there now: it begins otherwise, or has changed";
	if (why != NULL) {
		warnx("--resume: %s %s", visible(set->resume), why);
		goto done;
	}
	if (set->summary != NULL && summary_read(set->summary, in, set->resume) != 0)
		goto done;
	if (cut_output(json_object_get(all, "output")) != 0)
		goto done;
	for (i = 0; i < OUTCOMES; i++)
		set->seen[i] = (unsigned long)json_integer_value(json_array_get(
		    json_object_get(all, "seen"), i));
	set->failed = json_is_true(json_object_get(all, "failed"));
	place->input = (int)input;
	place->offset = offset;
	if ((place->file = strdup(file)) == NULL)
		err(EX_OSERR, NULL);
	answer = DEEP_YES;
done:
	json_decref(all);
	json_decref(same);
	fclose(in);
	return answer;
}

void
resume_done(const struct settings *set)
{
	if (unlink(set->resume) != 0 && errno != ENOENT)
		warn("--resume: %s", visible(set->resume));
}
