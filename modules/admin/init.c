/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * init.c - "deeplatch init": makes the store that deep.conf names, for the user and
 * the group that the mail server works as.  What is there is left alone.
 */
#include <err.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "admin.h"

/* A name, or a number; gid gets the user's own group. */
static unsigned
user_of(const char *name, unsigned *gid)
{
	const struct passwd	*entry = getpwnam(name);
	char			*end;
	unsigned long		 number;

	if (entry != NULL) {
		*gid = (unsigned)entry->pw_gid;
		return (unsigned)entry->pw_uid;
	}
	number = strtoul(name, &end, 10);
	if (*name < '0' || *name > '9' || *end != '\0' || number > 0xfffffffeul)
		errx(EX_NOUSER, "there is no user \"%s\"; give the one that the mail server runs as",
		    name);
	return (unsigned)number;
}

static unsigned
group_of(const char *name)
{
	const struct group	*entry = getgrnam(name);
	char			*end;
	unsigned long		 number;

	if (entry != NULL)
		return (unsigned)entry->gr_gid;
	number = strtoul(name, &end, 10);
	if (*name < '0' || *name > '9' || *end != '\0' || number > 0xfffffffeul)
		errx(EX_NOUSER, "there is no group \"%s\"; give the one of the mail server", name);
	return (unsigned)number;
}

int
run_init(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "owner", required_argument, NULL, 'o' },
		{ "group", required_argument, NULL, 'g' },
		{ NULL, 0, NULL, 0 }
	};
	const char			*owner = NULL, *group = NULL, *url;
	unsigned			 uid = (unsigned)getuid(), gid = (unsigned)getgid();
	int				 c;

	while ((c = getopt_long(argc, argv, "o:g:", options, NULL)) != -1) {
		if (c == 'o')
			owner = optarg;
		else if (c == 'g')
			group = optarg;
		else
			bad_option("init", argv);
	}
	if (optind != argc)
		usage_of("init");
	if (owner != NULL)
		uid = user_of(owner, &gid);
	if (group != NULL)
		gid = group_of(group);
	if ((admin->store = deep_store_new()) == NULL)
		errx(EX_OSERR, "no memory");
	if (deep_store_create(admin->store, admin->config, uid, gid) != DEEP_YES)
		errx(EX_CANTCREAT, "%s", deep_store_error(admin->store));
	store_warns(admin);
	url = deep_config_text(admin->config, "store", "url");
	printf("made %s, for uid %u and gid %u\n", strncmp(url, "sqlite:", 7) == 0 ? url + 7 :
	    deep_config_text(admin->config, "store", "shadow"), uid, gid);
	if (uid == 0)
		printf("it belongs to root: a mail server that runs as another user needs --owner, "
		    "or its group with --group\n");
	return DONE;
}
