/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * redisd.h - a redis-server (or valkey-server) of a test's own: on a socket in the
 * test's folder or on a port of 127.0.0.1, with nothing of the system's.
 */
#ifndef REDISD_H
#define REDISD_H

#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define REDISD_WORDS	48
#define REDISD_ANY	(-1)		/* a port that is free */

struct redisd {
	char	folder[128];	/* where it works */
	char	socket[160];	/* its socket */
	int	port;		/* 0: only the socket; REDISD_ANY is made one that is free */
	pid_t	pid;		/* 0: it does not run */
};

static inline const char *
redisd_program(void)
{
	static const char	*const programs[] = {
		"/usr/bin/redis-server", "/usr/bin/valkey-server",
		"/usr/local/bin/redis-server", "/usr/local/bin/valkey-server",
		"/usr/bin/redis-check-rdb"	/* Debian's redis-tools: the same program */
	};
	const char		*given = getenv("DEEP_REDIS_SERVER");
	size_t			 i;

	if (given != NULL)
		return given;
	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (access(programs[i], X_OK) == 0)
			return programs[i];
	return NULL;
}

static inline redisContext *
redisd_link(const struct redisd *server)
{
	const struct timeval	 limit = { 30, 0 };
	redisContext		*link = redisConnectUnixWithTimeout(server->socket, limit);

	if (link != NULL && link->err == 0)
		return link;
	if (link != NULL)
		redisFree(link);
	return NULL;
}

/* One command; the answer as a number or 1, -1: none or an error. */
static inline long long
redisd_ask(const struct redisd *server, const char *command)
{
	redisContext	*link = redisd_link(server);
	redisReply	*reply;
	long long	 n = -1;

	if (link == NULL)
		return -1;
	reply = redisCommand(link, command);
	if (reply != NULL) {
		if (reply->type == REDIS_REPLY_INTEGER)
			n = reply->integer;
		else if (reply->type == REDIS_REPLY_NIL)
			n = 0;
		else if (reply->type == REDIS_REPLY_STRING)
			n = strtoll(reply->str, NULL, 10);
		else if (reply->type == REDIS_REPLY_ARRAY)
			n = (long long)reply->elements;
		else if (reply->type != REDIS_REPLY_ERROR)
			n = 1;
		freeReplyObject(reply);
	}
	redisFree(link);
	return n;
}

/* A port of 127.0.0.1 that nobody uses now, and that no client is given by itself: from
 * below those of the system. */
static inline int
redisd_free_port(void)
{
	struct sockaddr_in	address;
	int			fd, i, port = 0;

	for (i = 0; i < 1000 && port == 0; i++) {
		memset(&address, 0, sizeof(address));
		address.sin_family = AF_INET;
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		port = 10000 + (int)((unsigned)getpid() * 7 + (unsigned)i * 131) % 20000;
		address.sin_port = htons((uint16_t)port);
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1 || bind(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
			port = 0;
		if (fd != -1)
			(void)close(fd);
	}
	return port;
}

/* Starts it, with more words for its command line (NULL at the end), and waits until
 * it is there; 0: it does not come. */
static inline int
redisd_start_unasked(struct redisd *server, const char *const *more)
{
	const struct timespec	 pause = { 0, 10000000 };
	redisContext		*link;
	const char		*program = redisd_program();
	const char		*argv[REDISD_WORDS] = { "redis-server" };
	char			 port[16];
	int			 i, n = 1, fd;

	if (program == NULL)
		return 0;
	if (server->port == REDISD_ANY)
		server->port = redisd_free_port();
	(void)snprintf(port, sizeof(port), "%d", server->port);
	(void)snprintf(server->socket, sizeof(server->socket), "%s/socket", server->folder);
	argv[n++] = "--port";
	argv[n++] = port;
	argv[n++] = "--bind";
	argv[n++] = "127.0.0.1";
	argv[n++] = "--unixsocket";
	argv[n++] = server->socket;
	argv[n++] = "--dir";
	argv[n++] = server->folder;
	for (i = 0; more != NULL && more[i] != NULL && n < REDISD_WORDS - 1; i++)
		argv[n++] = more[i];
	argv[n] = NULL;
	server->pid = fork();
	if (server->pid == 0) {
		fd = open("/dev/null", O_RDWR);
		(void)dup2(fd, 0);
		(void)dup2(fd, 1);
		(void)dup2(fd, 2);
		execv(program, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	for (i = 0; i < 6000; i++) {
		link = redisd_link(server);
		if (link != NULL) {
			redisFree(link);
			return 1;
		}
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/* The same, until it has loaded what it knew and answers. */
static inline int
redisd_start(struct redisd *server, const char *const *more)
{
	const struct timespec	pause = { 0, 10000000 };
	int			i;

	if (!redisd_start_unasked(server, more))
		return 0;
	for (i = 0; i < 6000; i++) {
		if (redisd_ask(server, "PING") == 1)
			return 1;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

static inline void
redisd_stop(struct redisd *server, int with)
{
	int	status;

	if (server->pid == 0)
		return;
	(void)kill(server->pid, with);
	(void)waitpid(server->pid, &status, 0);
	server->pid = 0;
	(void)unlink(server->socket);
}

#endif
