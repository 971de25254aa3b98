/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * settings.c - the [relay] section of deep.conf(5), checked as far as it can be
 * before anything is opened by it.
 */
#include <sys/socket.h>

#include <netinet/in.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

static int64_t
number(const struct settings *settings, const char *key)
{
	return deep_config_number(settings->config, "relay", key);
}

static const char *
text(const struct settings *settings, const char *key)
{
	return deep_config_text(settings->config, "relay", key);
}

static int
check(struct settings *settings, char why[512])
{
	struct sockaddr_storage	address;
	socklen_t		n;
	char			own[256];
	const char		*name = settings->name;

	if (name[0] == '\0') {
		if (gethostname(own, sizeof(own)) == -1)
			own[0] = '\0';
		own[sizeof(own) - 1] = '\0';
		name = own;
	}
	if (deep_domain_key(settings->hostname, sizeof(settings->hostname), deep_str(name)) <= 0) {
		snprintf(why, 512, "[relay] name: \"%.200s\" is no host's name; set it", name);
		return -1;
	}
	if (settings->give_back[0] != '\0' &&
	    listen_address(settings->give_back, 25, &address, &n) == -1) {
		snprintf(why, 512, "[relay] return: \"%.200s\" is no address:port",
		    settings->give_back);
		return -1;
	}
	if ((settings->certificate[0] == '\0') != (settings->key[0] == '\0')) {
		snprintf(why, 512, "[relay] certificate and key: one is set without the other");
		return -1;
	}
	return 0;
}

struct settings *
settings_read(const char *file, char why[512])
{
	struct settings		*settings = calloc(1, sizeof(*settings));
	enum deep_status	 answer;

	if (settings == NULL || (settings->config = deep_config_new()) == NULL) {
		snprintf(why, 512, "no memory for the configuration");
		goto bad;
	}
	answer = deep_config_read(settings->config, file);
	if (answer != DEEP_YES && answer != DEEP_NO) {
		snprintf(why, 512, "%s", deep_config_error(settings->config));
		goto bad;
	}
	settings->from_file = answer == DEEP_YES;
	settings->listen = text(settings, "listen");
	settings->allow = text(settings, "allow");
	settings->name = text(settings, "name");
	settings->user = text(settings, "user");
	settings->resolver = text(settings, "resolver");
	settings->trust_anchor = text(settings, "trust-anchor");
	settings->authorities = text(settings, "authorities");
	settings->next_hop = text(settings, "next-hop");
	settings->certificate = text(settings, "certificate");
	settings->key = text(settings, "key");
	settings->metrics = text(settings, "metrics");
	settings->give_back = text(settings, "return");
	settings->workers = number(settings, "workers");
	settings->sessions = number(settings, "sessions");
	settings->domain_sessions = number(settings, "domain-sessions");
	settings->line = number(settings, "line");
	settings->recipients = number(settings, "recipients");
	settings->port = number(settings, "port");
	settings->keep = number(settings, "keep");
	settings->kept = number(settings, "kept");
	settings->life = number(settings, "life");
	settings->connect_timeout = number(settings, "connect-timeout");
	settings->route_timeout = number(settings, "route-timeout");
	settings->drain = number(settings, "drain");
	settings->store_timeout = number(settings, "store-timeout");
	settings->inet = (int)number(settings, "inet");
	settings->received = number(settings, "received") == 1;
	settings->hold = (int)number(settings, "hold");
	settings->hold_senders = text(settings, "hold-senders");
	settings->syslog = number(settings, "log") == 1;
	if (settings->workers == 0) {
		settings->workers = sysconf(_SC_NPROCESSORS_ONLN);
		if (settings->workers < 1)
			settings->workers = 1;
	}
	if (check(settings, why) == -1)
		goto bad;
	return settings;
bad:
	settings_free(settings);
	return NULL;
}

void
settings_free(struct settings *settings)
{
	if (settings == NULL)
		return;
	deep_config_free(settings->config);
	free(settings);
}

/* "postmaster": of any domain; "a@example.org": that address.  Case does not count. */
int
settings_holds(const struct settings *settings, const char *sender)
{
	const char	*p = settings->hold_senders, *at = strrchr(sender, '@');
	struct deep_str	 one, local = { sender, at == NULL ? strlen(sender) :
			    (size_t)(at - sender) };
	char		 word[DEEP_DOMAIN_MAX + 65];

	if (settings->hold != HOLD_LISTED)
		return settings->hold == HOLD_YES;
	for (; *(p += strspn(p, " ,\t")) != '\0'; p += one.n) {
		one.p = p;
		one.n = strcspn(p, " ,\t");
		if (one.n >= sizeof(word))
			continue;
		memcpy(word, one.p, one.n);
		word[one.n] = '\0';
		if (deep_is(memchr(one.p, '@', one.n) != NULL ? deep_str(sender) : local, word))
			return 1;
	}
	return 0;
}
