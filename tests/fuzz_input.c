/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_input.c - any octets as a file, packed or not: its messages lie one behind
 * the other, what is read of one by the notes of its lines is what is read of a
 * copy without them, and from the middle on come the same messages.
 */
#include <sys/mman.h>

#include <unistd.h>

#include "fuzz.h"

#include "analyzer.h"

#define INPUT_MAX	(64 * 1024)	/* octets */
#define MESSAGES	2000		/* of one file that are read */
#define TEXT_OCTETS	(128 * 1024)	/* of one message that is analysed */

static char *
shown(const struct message *message, const struct settings *set, struct arena *arena)
{
	struct analysis a;
	char *text = NULL;
	size_t n;
	FILE *out = open_memstream(&text, &n);

	MUST(out != NULL);
	analyse(&a, message, set, arena);
	output_json.show(out, &a);
	MUST(fclose(out) == 0);
	arena_reset(arena);
	return text;
}

/* The offsets of the messages from a place on; how many there are. */
static size_t
read_all(struct input *input, int64_t offset[MESSAGES], int64_t to, const struct settings *set,
    struct arena *arena)
{
	enum deep_status answer;
	struct message message;
	int64_t last = -1;
	const char *file;
	size_t n = 0;

	while (n < MESSAGES && (to < 0 || input_tell(input, &file) < to) &&
	    (answer = input_next(input, &message)) != DEEP_NO) {
		if (answer != DEEP_YES)
			continue;
		MUST(message.offset > last);
		MUST(message.text.n <= MESSAGE_MAX);
		last = offset[n++] = message.offset;
		if (set != NULL && message.text.n <= TEXT_OCTETS) {
			struct deep_str copy = exact_copy(message.text.p, message.text.n);
			char *one = shown(&message, set, arena), *other;

			lines_forget();
			message.text = copy;
			other = shown(&message, set, arena);
			MUST(strcmp(one, other) == 0);
			free(one);
			free(other);
			free((char *)(uintptr_t)copy.p);
		}
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static int64_t offset[MESSAGES], again[MESSAGES];
	static struct settings set;
	static struct arena *arena;
	struct input *input;
	size_t count, first, k;
	char path[64];
	int fd;

	if (set.dialects == NULL) {
		set.dialects = dialects_new();
		arena = arena_new();
		be_quiet();
	}
	if (n > INPUT_MAX)
		return 0;
	MUST((fd = memfd_create("input", MFD_CLOEXEC)) != -1);
	MUST(write(fd, data, n) == (ssize_t)n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	MUST((input = input_open(path)) != NULL);
	count = read_all(input, offset, -1, &set, arena);
	MUST(input_position(input) <= n);
	input_close(input);
	/* an mbox that is not packed may be cut anywhere */
	if (n > 5 && memcmp(data, "From ", 5) == 0 && memchr(data, '\n', n) != NULL &&
	    count > 0 && count < MESSAGES) {
		int64_t cut = (int64_t)(n / 2);

		MUST((input = input_slice(path, 0, cut, 1)) != NULL);
		first = read_all(input, again, cut, NULL, NULL);
		MUST(first > 0 && first <= count);
		input_close(input);
		if (first < count) {
			MUST((input = input_slice(path, offset[first], 0, 1)) != NULL);
			k = read_all(input, again + first, -1, NULL, NULL);
			MUST(first + k == count);
			input_close(input);
		}
		MUST(memcmp(offset, again, count * sizeof(offset[0])) == 0);
	}
	close(fd);
	return 0;
}
