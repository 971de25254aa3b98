/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * program.c - sendmail(8) as a child, for probe and watch: what is written to
 * it, and what it answers.  Never a shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "smtp.h"

extern char **environ;

/* The child reads and writes these two; 0, or an errno. */
static int
spawn(pid_t *child, const char *const argv[], int in, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t set;
	int error;

	if ((error = posix_spawn_file_actions_init(&files)) != 0)
		return error;
	if ((error = posix_spawnattr_init(&attributes)) != 0) {
		posix_spawn_file_actions_destroy(&files);
		return error;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	if ((error = posix_spawnattr_setsigdefault(&attributes, &set)) == 0 &&
	    (error = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO)) == 0 &&
	    (error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO)) == 0)
		error = posix_spawn(child, argv[0], &files, &attributes,
		    (char *const *)argv /* which it leaves as it is */, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&files);
	return error;
}

int
program_start(pid_t *child, const char *const argv[], int *to, int *from)
{
	int in[2] = { -1, -1 }, out[2] = { -1, STDERR_FILENO }, error = 0;

	if (pipe2(in, O_CLOEXEC) != 0 || (from != NULL && pipe2(out, O_CLOEXEC) != 0))
		error = errno;
	else
		error = spawn(child, argv, in[0], out[1]);
	if (in[0] != -1)
		close(in[0]);
	if (out[1] != STDERR_FILENO)
		close(out[1]);
	if (error == 0) {
		*to = in[1];
		if (from != NULL)
			*from = out[0];
		return 0;
	}
	if (in[1] != -1)
		close(in[1]);
	if (out[0] != -1)
		close(out[0]);
	return error;
}
