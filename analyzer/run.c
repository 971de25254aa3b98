/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * run.c - one message from its octets to its analysis, the loop over all
 * inputs, and what they came to.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "scale.h"
#include "stats.h"
#include "summary.h"
#include "utf8.h"

#define OUTPUT_SIZE	(64 * 1024)	/* octets that are written at a time */
#define SAVE_EACH	10		/* seconds between two states of --resume */

/* A report that nobody asked for tells nothing that can be relied on. */
static void
judge_probe(struct analysis *a, const struct state *state)
{
	a->mine = probe_find(state, &a->dsn, a->path.message_id, &a->probe);
	if (a->mine == MINE_FORGED)
		path_lacks(&a->path, "forged-report");
	else if (a->mine == MINE_UNASKED)
		path_lacks(&a->path, "unasked-report");
	else if (a->mine == MINE_OTHER)
		path_lacks(&a->path, "other-report");
}

void
analyse(struct analysis *a, const struct message *message, const struct settings *set,
    struct arena *arena)
{
	memset(a, 0, sizeof(*a));
	a->source = message;
	a->arena = arena;
	a->is_dsn = dsn_read(message->text, arena, &a->dsn) == DEEP_YES;
	if (a->is_dsn) {
		path_read(&a->path, a->dsn.returned, &a->dsn, &set->trust, set->dialects, arena);
		path_read(&a->way_back, message->text, NULL, &set->trust, set->dialects, arena);
	} else {
		path_read(&a->path, message->text, NULL, &set->trust, set->dialects, arena);
	}
	if (message->truncated)
		path_lacks(&a->path, "message-limit");
	if (set->authserv != NULL) {
		a->has_auth = 1;
		auth_read(&a->auth, message->text, a->is_dsn ? &a->way_back : &a->path, set->authserv, arena);
	}
	if (set->state != NULL && a->is_dsn)
		judge_probe(a, set->state);
	a->message_id = a->is_dsn && a->dsn.returned.p == NULL ? a->way_back.message_id :
	    a->path.message_id;
}

enum outcome
outcome(const struct settings *set, const struct path *path)
{
	size_t i;
	enum outcome worst = path->complete ? ALL_STRONG : INCOMPLETE;

	if (path->nhop == 0)
		return NO_CHAIN;
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];

		if (hop->verdict == VERDICT_LOCAL)
			continue;
		if (set->has_require) {
			if ((hop->latches & set->require) != set->require)
				return SOME_WEAK;
		} else if (hop->verdict == VERDICT_UNKNOWN) {
			worst = INCOMPLETE;
		} else if (hop->verdict != VERDICT_STRONG) {
			return SOME_WEAK;
		}
	}
	return worst;
}

void
take(struct settings *set, FILE *out, const struct analysis *a)
{
	set->seen[outcome(set, &a->path)]++;
	if (set->stats != NULL)
		stats_add(set->stats, a);
	if (set->summary != NULL)
		(void)summary_add(set->summary, a);
	else if (set->stats == NULL)
		set->output->show(out, a);
}

/* Answers 0 where it was interrupted, and leaves in *place where. */
static int
run_input(struct settings *set, char *const *path, int npath, struct spot *place,
    struct progress *progress, struct arena *arena)
{
	struct input *input = input_open(path[place->input]);
	uint64_t before = progress->done;
	struct message message;
	struct analysis a;
	enum deep_status answer;
	const char *file;
	double saved = seconds_now();
	int none = place->file == NULL, count = 0;

	if (input == NULL) {
		set->failed = 1;
		return 1;
	}
	if (place->file != NULL && input_continue(input, place->file, place->offset) != 0) {
		warnx("%s: octet %lld, where the run was interrupted, is not there any more",
		    visible(place->file), (long long)place->offset);
		set->failed = 1;
		input_close(input);
		return 1;
	}
	for (;;) {
		int64_t here = input_tell(input, &file);

		answer = interrupted ? DEEP_NO : input_next(input, &message);
		if (interrupted) {	/* what was read last may be half a message */
			free(place->file);
			if ((place->file = strdup(file)) == NULL)
				err(EX_OSERR, NULL);
			place->offset = here;
			input_close(input);
			return 0;
		}
		if (answer == DEEP_NO)
			break;
		none = 0;
		if (answer == DEEP_YES) {
			analyse(&a, &message, set, arena);
			take(set, stdout, &a);
			progress->messages++;
		} else {
			set->failed = 1;
		}
		arena_reset(arena);
		if (++count % 256 != 0)
			continue;
		if (progress->shown) {
			progress->done = before + input_position(input);
			progress_show(progress);
		}
		if (set->resume != NULL && seconds_now() - saved > SAVE_EACH) {
			struct spot now = { place->input, NULL, input_tell(input, &file), -1 };

			now.file = lent(file);
			(void)resume_write(set, path, npath, &now);
			saved = seconds_now();
		}
	}
	if (none)
		set->seen[NO_CHAIN]++;
	progress->done = before + input_position(input);
	input_close(input);
	return 1;
}

static void
say_interrupted(const struct settings *set, const struct spot *place,
    const struct progress *progress)
{
	char state[1200] = "";

	if (set->resume != NULL)
		snprintf(state, sizeof(state), "; the same command goes on from %s", visible(set->resume));
	warnx("interrupted after %llu messages, at octet %lld of %s%s",
	    (unsigned long long)progress->messages, (long long)place->offset,
	    visible(place->file), state);
}

int
run(struct settings *set, char *const *path, int npath)
{
	static char standard_input[] = "-";
	static char *const only[] = { standard_input };
	static char buffer[OUTPUT_SIZE];
	static const enum outcome by_weight[] = { SOME_WEAK, INCOMPLETE, NO_CHAIN };
	struct arena *arena = arena_new();
	struct progress progress;
	struct spot place = { 0, NULL, 0, -1 };
	int i, status = ALL_STRONG, going = 1, goes_on = 0;

	if (npath == 0) {
		path = only;
		npath = 1;
	}
	if (set->resume != NULL) {
		for (i = 0; i < npath; i++) {
			if (strcmp(path[i], "-") == 0)
				errx(EX_USAGE, "--resume: standard input cannot be gone on with");
		}
		switch (resume_read(set, path, npath, &place)) {
		case DEEP_YES:
			goes_on = 1;
			break;
		case DEEP_NO:
			break;
		default:
			arena_free(arena);
			return EX_DATAERR;
		}
	}
	/* a write for a message is a hundred too many; and glibc takes its own size
	 * where it has to get the buffer itself */
	if (!isatty(STDOUT_FILENO))
		(void)setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	signals_catch();
	progress_start(&progress, set->progress, path, npath);
	if (set->output->begin != NULL && set->summary == NULL && set->stats == NULL && !goes_on)
		set->output->begin(stdout);
	if (set->jobs > 1) {
		run_parallel(set, path, npath, &place, &progress);
		going = !interrupted;
	} else {
		for (; place.input < npath && going; place.input += going) {
			going = run_input(set, path, npath, &place, &progress, arena);
			if (going) {
				free(place.file);
				place.file = NULL;
			}
		}
	}
	progress_end(&progress);
	if (set->resume != NULL && !going)
		(void)resume_write(set, path, npath, &place);
	else if (set->resume != NULL)
		resume_done(set);
	if (set->summary != NULL && (going || set->resume == NULL))
		summary_write(stdout, set->summary);
	if (set->stats != NULL)
		stats_write(stdout, set->stats, strcmp(set->output->name, "json") == 0);
	if (set->output->end != NULL && set->summary == NULL && set->stats == NULL)
		set->output->end(stdout);
	if (!going)
		say_interrupted(set, &place, &progress);
	free(place.file);
	arena_free(arena);
	for (i = (int)(sizeof(by_weight) / sizeof(by_weight[0])); i-- > 0; ) {
		if (set->seen[by_weight[i]] > 0)
			status = (int)by_weight[i];
	}
	return !going ? EX_TEMPFAIL : set->failed ? EX_NOINPUT : status;
}
