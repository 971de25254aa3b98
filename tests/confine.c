/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * confine.c - tests of shared/confine.c, each in a process of its own: what is
 * named can be reached as it is named, all else cannot, and what was open stays.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "deep.h"
#include "tap.h"

static char	folder[] = "/tmp/confine.XXXXXX", readable[64], writable[64], other[64];

enum { CANNOT = 100, UNSUPPORTED };

/* In a child: its answer, an errno, 0, or one of the two above. */
static int
inside(const struct deep_allowed *allowed, size_t n, const char *path, int flags)
{
	int	status, fd;
	pid_t	pid;

	if ((pid = fork()) == 0) {
		switch (deep_confine(allowed, n)) {
		case DEEP_YES:
			break;
		case DEEP_NO:
			_exit(UNSUPPORTED);
		default:
			_exit(CANNOT);
		}
		fd = open(path, flags, 0600);
		_exit(fd == -1 ? errno : 0);
	}
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void
make(char *path, const char *name)
{
	char	file[96];
	int	fd;

	snprintf(path, 64, "%s/%s", folder, name);
	mkdir(path, 0700);
	snprintf(file, sizeof(file), "%s/file", path);
	if ((fd = open(file, O_WRONLY | O_CREAT, 0600)) != -1)
		close(fd);
}

int
main(void)
{
	struct deep_allowed	allowed[3];
	char			file[96];

	if (mkdtemp(folder) == NULL)
		return 1;
	make(readable, "readable");
	make(writable, "writable");
	make(other, "other");
	allowed[0].path = readable;
	allowed[0].write = 0;
	allowed[1].path = writable;
	allowed[1].write = 1;
	allowed[2].path = "/nowhere/at/all";
	allowed[2].write = 1;
	snprintf(file, sizeof(file), "%s/file", other);
	if (inside(NULL, 0, file, O_RDONLY) == UNSUPPORTED) {
		skip(8, "this kernel has no Landlock");
		goto out;
	}
	is_int(inside(NULL, 0, file, O_RDONLY), EACCES, "nothing named: nothing can be read");
	is_int(inside(allowed, 3, file, O_RDONLY), EACCES, "what is not named cannot be read");
	snprintf(file, sizeof(file), "%s/file", readable);
	is_int(inside(allowed, 3, file, O_RDONLY), 0, "what is named for reading can be read");
	is_int(inside(allowed, 3, file, O_WRONLY), EACCES, "and cannot be written");
	snprintf(file, sizeof(file), "%s/new", readable);
	is_int(inside(allowed, 3, file, O_WRONLY | O_CREAT), EACCES, "nor made");
	snprintf(file, sizeof(file), "%s/file", writable);
	is_int(inside(allowed, 3, file, O_RDWR | O_TRUNC), 0, "what is named for writing can be");
	snprintf(file, sizeof(file), "%s/new", writable);
	is_int(inside(allowed, 3, file, O_WRONLY | O_CREAT), 0, "and made");
	allowed[0].path = file;		/* one file, not a folder */
	allowed[0].write = 0;
	is_int(inside(allowed, 1, file, O_RDONLY), 0, "a file can be named too");
out:
	snprintf(file, sizeof(file), "rm -rf %s", folder);
	if (system(file) != 0)
		diag("%s: not removed", folder);
	return done_testing();
}
