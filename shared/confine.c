/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * confine.c - what a daemon gives up once it has started: no program that it
 * might start gains a privilege, and no file can be reached but below the paths
 * that are named.  Landlock on Linux 5.13 and later, unveil(2) on OpenBSD.
 *
 * It never takes back what is open, and never restricts the network.
 */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>
#include <sys/syscall.h>
#if defined(__has_include)
#if __has_include(<linux/landlock.h>)
#include <linux/landlock.h>
#endif
#endif
#endif

#include "deep.h"

#if defined(__linux__) && defined(LANDLOCK_CREATE_RULESET_VERSION) && \
    defined(SYS_landlock_create_ruleset)

/* Rights that came later than the header may be. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ULL << 14)
#endif

#define OF_FILES	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
			 LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define READING		(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITING		(READING | LANDLOCK_ACCESS_FS_WRITE_FILE | \
			 LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_MAKE_REG | \
			 LANDLOCK_ACCESS_FS_REMOVE_FILE)

/* All that this kernel can restrict, by the version of its Landlock. */
static uint64_t
restrictable(long version)
{
	uint64_t	rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

	if (version >= 2)
		rights |= LANDLOCK_ACCESS_FS_REFER;
	if (version >= 3)
		rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
	return rights;
}

/* What is not there needs no rule. */
static int
allow(int ruleset, const struct deep_allowed *allowed, uint64_t handled)
{
	struct landlock_path_beneath_attr	beneath;
	struct stat				sb;
	int					error;

	memset(&beneath, 0, sizeof(beneath));
	beneath.allowed_access = (allowed->write ? WRITING : READING) & handled;
	beneath.parent_fd = open(allowed->path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd == -1)
		return errno == ENOENT || errno == EACCES ? 0 : -1;
	if (fstat(beneath.parent_fd, &sb) == 0 && !S_ISDIR(sb.st_mode))
		beneath.allowed_access &= OF_FILES;
	error = (int)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
	    &beneath, 0);
	close(beneath.parent_fd);
	return error;
}

static enum deep_status
restrict_paths(const struct deep_allowed *allowed, size_t n)
{
	struct landlock_ruleset_attr	attr;
	long				version;
	int				ruleset;
	size_t				i;
	enum deep_status		status = DEEP_FAIL;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return DEEP_NO;
	memset(&attr, 0, sizeof(attr));
	attr.handled_access_fs = restrictable(version);
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr,
	    sizeof(attr.handled_access_fs), 0);
	if (ruleset == -1)
		return DEEP_FAIL;
	for (i = 0; i < n; i++)
		if (allow(ruleset, &allowed[i], attr.handled_access_fs) != 0)
			goto out;
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == 0)
		status = DEEP_YES;
out:
	close(ruleset);
	return status;
}

#elif defined(__OpenBSD__)

static enum deep_status
restrict_paths(const struct deep_allowed *allowed, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		if (unveil(allowed[i].path, allowed[i].write ? "rwc" : "r") == -1 &&
		    errno != ENOENT)
			return DEEP_FAIL;
	/* without a path all of them would stay */
	if (n == 0 && unveil("/", "") == -1)
		return DEEP_FAIL;
	return unveil(NULL, NULL) == -1 ? DEEP_FAIL : DEEP_YES;
}

#else

static enum deep_status
restrict_paths(const struct deep_allowed *allowed, size_t n)
{
	(void)allowed;
	(void)n;
	return DEEP_NO;
}

#endif

enum deep_status
deep_confine(const struct deep_allowed *allowed, size_t n)
{
#if defined(__linux__) && defined(PR_SET_NO_NEW_PRIVS)
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return DEEP_FAIL;
#endif
	return restrict_paths(allowed, n);
}
