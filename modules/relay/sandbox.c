/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * sandbox.c - what a process may do once it has what it needs: its own user, no
 * new privileges, and of the file system only the paths below.
 *
 * A worker reads files of its own choosing never again: certificates, trust
 * anchors and the resolver's addresses are read before.  The store's process
 * writes where the store is.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "relay.h"

int
sandbox_user(const char *user, char why[256])
{
	struct passwd	*pw;

	if (geteuid() != 0)
		return 0;
	errno = 0;
	if ((pw = getpwnam(user)) == NULL) {
		snprintf(why, 256, "[relay] user: there is no user %.64s", user);
		return -1;
	}
	if (pw->pw_uid == 0) {
		snprintf(why, 256, "[relay] user: %.64s is root", user);
		return -1;
	}
	if (initgroups(user, pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1) {
		snprintf(why, 256, "cannot become %.64s: %s", user, strerror(errno));
		return -1;
	}
	return 0;
}

/* The folder that a file of the store is in. */
static const char *
folder(char buf[256], const char *url)
{
	char	*slash;

	if (strncmp(url, "sqlite:", 7) == 0)
		url += 7;
	if (url[0] != '/' || strlcpy(buf, url, 256) >= 256)
		return NULL;
	if ((slash = strrchr(buf, '/')) == buf)
		return NULL;
	*slash = '\0';
	return buf;
}

void
sandbox_close(const struct settings *settings, int keeper)
{
	static const char *const	read_only[] = {
		"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf",
		"/etc/ssl", "/usr/share/ca-certificates", "/usr/lib/ssl", "/dev/null",
		"/dev/urandom",
#ifdef __SANITIZE_ADDRESS__
		"/proc"			/* LeakSanitizer looks for its threads there */
#endif
	};
	struct deep_allowed		allowed[16];
	char				store[256], shadow[256];
	const char			*path;
	size_t				n = 0, i;

	/* What libraries open late: a Redis by its name and with TLS, a folder of authorities. */
	for (i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		if (access(read_only[i], R_OK) == 0) {
			allowed[n].path = read_only[i];
			allowed[n++].write = 0;
		}
	}
	if (!keeper && settings->authorities[0] != '\0') {
		allowed[n].path = settings->authorities;
		allowed[n++].write = 0;
	}
	if (keeper) {
		path = folder(store, deep_config_text(settings->config, "store", "url"));
		if (path != NULL && access(path, F_OK) == 0) {
			allowed[n].path = path;
			allowed[n++].write = 1;
		}
		path = folder(shadow, deep_config_text(settings->config, "store", "shadow"));
		if (path != NULL && access(path, F_OK) == 0) {
			allowed[n].path = path;
			allowed[n++].write = 1;
		}
	}
	switch (deep_confine(allowed, n)) {
	case DEEP_YES:
		break;
	case DEEP_NO:
		note(LOG_INFO, "this kernel has no Landlock, the file system is not closed");
		break;
	default:
		note(LOG_WARNING, "the file system cannot be closed: %s", strerror(errno));
		break;
	}
}
