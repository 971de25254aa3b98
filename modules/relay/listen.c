/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * listen.c - the sockets that are listened on, and who may speak on them.
 *
 * Never an open relay: a peer has to be on this host's loopback, on a Unix
 * socket, or in [relay] allow.  "127.0.0.0/8:10025" listens on every loopback
 * address at once (table-deep gives each domain one of its own): the socket is
 * bound to no address, held to the interface lo, and what did not come to a
 * loopback address is closed.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

#define BACKLOG		512
#define FIRST_FD	3		/* of those that systemd hands over */

int
listen_address(const char *text, int port, struct sockaddr_storage *to, socklen_t *n)
{
	struct sockaddr_in	*four = (struct sockaddr_in *)to;
	struct sockaddr_in6	*six = (struct sockaddr_in6 *)to;
	char			 host[128];
	const char		*colon = NULL, *p;
	size_t			 length;
	int			 is_six = text[0] == '[';

	memset(to, 0, sizeof(*to));
	if (is_six) {
		if ((p = strchr(text, ']')) == NULL)
			return -1;
		length = (size_t)(p - text) - 1;
		text++;
		if (p[1] == ':')
			colon = p + 1;
		else if (p[1] != '\0')
			return -1;
	} else {
		colon = strchr(text, ':');
		length = colon == NULL ? strlen(text) : (size_t)(colon - text);
	}
	if (length == 0 || length >= sizeof(host))
		return -1;
	memcpy(host, text, length);
	host[length] = '\0';
	if (colon != NULL) {
		char	*end;
		long	 value = strtol(colon + 1, &end, 10);

		if (colon[1] == '\0' || *end != '\0' || value < 1 || value > 65535)
			return -1;
		port = (int)value;
	}
	if (is_six) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons((uint16_t)port);
		*n = sizeof(*six);
		return inet_pton(AF_INET6, host, &six->sin6_addr) == 1 ? 0 : -1;
	}
	four->sin_family = AF_INET;
	four->sin_port = htons((uint16_t)port);
	*n = sizeof(*four);
	return inet_pton(AF_INET, host, &four->sin_addr) == 1 ? 0 : -1;
}

static int
fail(char why[512], const char *what, const char *one)
{
	snprintf(why, 512, "[relay] listen: %.200s: %s: %s", one, what, strerror(errno));
	return -1;
}

/* A socket that nobody listens on any more is taken away; another file is not. */
static int
open_unix(struct listener *listener, const char *path, char why[512])
{
	struct sockaddr_un	address;
	struct stat		st;

	memset(&address, 0, sizeof(address));
	address.sun_family = AF_UNIX;
	if (strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return fail(why, "name", path);
	}
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		int	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (probe != -1 && connect(probe, (struct sockaddr *)&address, sizeof(address)) == 0) {
			close(probe);
			errno = EADDRINUSE;
			return fail(why, "bind", path);
		}
		if (probe != -1)
			close(probe);
		unlink(path);
	}
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd == -1)
		return fail(why, "socket", path);
	if (bind(listener->fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		return fail(why, "bind", path);
	listener->is_unix = 1;
	listener->path = strdup(path);
	if (chmod(path, 0660) == -1 || listen(listener->fd, BACKLOG) == -1)
		return fail(why, "listen", path);
	return 0;
}

static int
open_inet(struct listener *listener, const char *one, char why[512])
{
	static const char	all[] = "127.0.0.0/8:";
	struct sockaddr_storage	address;
	socklen_t		n;
	char			any[32] = "";
	int			yes = 1;

	if (strncmp(one, all, strlen(all)) == 0) {
		snprintf(any, sizeof(any), "0.0.0.0:%.8s", one + strlen(all));
		listener->loopback_only = 1;
	}
	if (listen_address(listener->loopback_only ? any : one, 10025, &address, &n) == -1) {
		snprintf(why, 512, "[relay] listen: \"%.200s\" is no address:port", one);
		return -1;
	}
	listener->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd == -1)
		return fail(why, "socket", one);
	setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address.ss_family == AF_INET6)
		setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
	/* Where it cannot be held to lo, the check of each connection is what there is. */
	if (listener->loopback_only)
		setsockopt(listener->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", sizeof("lo"));
	if (bind(listener->fd, (struct sockaddr *)&address, n) == -1)
		return fail(why, "bind", one);
	if (listen(listener->fd, BACKLOG) == -1)
		return fail(why, "listen", one);
	return 0;
}

static struct listener *
add(struct listeners *listeners)
{
	struct listener	*is = reallocarray(listeners->is, listeners->n + 1, sizeof(*is));

	if (is == NULL)
		return NULL;
	listeners->is = is;
	is += listeners->n++;
	memset(is, 0, sizeof(*is));
	is->fd = -1;
	return is;
}

int
listen_open(struct listeners *listeners, const char *list, char why[512])
{
	struct listener	*listener;
	char		 one[256];
	const char	*p = list;
	size_t		 n;

	for (;;) {
		p += strspn(p, " ,\t");
		if ((n = strcspn(p, " ,\t")) == 0)
			break;
		if (n >= sizeof(one)) {
			snprintf(why, 512, "[relay] listen: \"%.40s...\" is too long", p);
			goto bad;
		}
		memcpy(one, p, n);
		one[n] = '\0';
		p += n;
		if ((listener = add(listeners)) == NULL) {
			snprintf(why, 512, "no memory");
			goto bad;
		}
		if ((one[0] == '/' ? open_unix(listener, one, why) :
		    open_inet(listener, one, why)) == -1)
			goto bad;
	}
	if (listeners->n > 0)
		return 0;
	snprintf(why, 512, "[relay] listen: nothing to listen on");
bad:
	listen_close(listeners);
	return -1;
}

/* sd_listen_fds(3), without its library. */
int
listen_inherit(struct listeners *listeners)
{
	const char	*pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
	long		 n, i;
	int		 accepts;
	socklen_t	 size;

	if (pid == NULL || fds == NULL || strtol(pid, NULL, 10) != (long)getpid())
		return 0;
	n = strtol(fds, NULL, 10);
	for (i = 0; i < n && i < 64; i++) {
		struct sockaddr_storage	 address;
		const struct sockaddr_in *four = (const struct sockaddr_in *)&address;
		struct listener		*listener;
		int			 fd = FIRST_FD + (int)i;

		size = sizeof(accepts);
		accepts = 0;
		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepts, &size) == -1 || !accepts)
			continue;
		if ((listener = add(listeners)) == NULL)
			return -1;
		listener->fd = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		memset(&address, 0, sizeof(address));
		size = sizeof(address);
		getsockname(fd, (struct sockaddr *)&address, &size);
		listener->is_unix = address.ss_family == AF_UNIX;
		listener->loopback_only = address.ss_family == AF_INET &&
		    four->sin_addr.s_addr == htonl(INADDR_ANY);
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return (int)listeners->n;
}

void
listen_close(struct listeners *listeners)
{
	size_t	i;

	for (i = 0; i < listeners->n; i++) {
		if (listeners->is[i].fd != -1)
			close(listeners->is[i].fd);
		free(listeners->is[i].path);
	}
	free(listeners->is);
	memset(listeners, 0, sizeof(*listeners));
}

static int
is_loopback(const struct sockaddr *address)
{
	const struct sockaddr_in	*four = (const struct sockaddr_in *)address;
	const struct sockaddr_in6	*six = (const struct sockaddr_in6 *)address;

	if (address->sa_family == AF_UNIX)
		return 1;
	if (address->sa_family == AF_INET)
		return ntohl(four->sin_addr.s_addr) >> 24 == 127;
	if (address->sa_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
	return 0;
}

static int
same_network(const struct sockaddr *address, const char *one)
{
	unsigned char		 net[16], peer[16];
	char			 text[64];
	const char		*slash = strchr(one, '/');
	size_t			 n = slash == NULL ? strlen(one) : (size_t)(slash - one), i;
	size_t			 octets = address->sa_family == AF_INET6 ? 16 : 4;
	long			 bits = (long)octets * 8;
	char			*end;

	if (n == 0 || n >= sizeof(text))
		return 0;
	memcpy(text, one, n);
	text[n] = '\0';
	if (slash != NULL) {
		bits = strtol(slash + 1, &end, 10);
		if (slash[1] == '\0' || *end != '\0' || bits < 0 || bits > (long)octets * 8)
			return 0;
	}
	if (inet_pton(address->sa_family, text, net) != 1)
		return 0;
	if (address->sa_family == AF_INET6)
		memcpy(peer, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
	else
		memcpy(peer, &((const struct sockaddr_in *)address)->sin_addr, 4);
	for (i = 0; i < (size_t)bits; i++) {
		unsigned	bit = 0x80u >> (i % 8);

		if ((net[i / 8] & bit) != (peer[i / 8] & bit))
			return 0;
	}
	return 1;
}

int
listen_allowed(const struct listener *listener, int fd, const struct sockaddr *peer,
    const char *allow)
{
	struct sockaddr_storage	own;
	socklen_t		size = sizeof(own);
	char			one[80];
	const char		*p = allow;
	size_t			n;

	if (listener->is_unix)
		return 1;
	memset(&own, 0, sizeof(own));
	if (listener->loopback_only &&
	    (getsockname(fd, (struct sockaddr *)&own, &size) == -1 ||
	    !is_loopback((const struct sockaddr *)&own)))
		return 0;
	if (is_loopback(peer))
		return 1;
	if (peer->sa_family != AF_INET && peer->sa_family != AF_INET6)
		return 0;
	for (;;) {
		p += strspn(p, " ,\t");
		if ((n = strcspn(p, " ,\t")) == 0)
			return 0;
		if (n < sizeof(one)) {
			memcpy(one, p, n);
			one[n] = '\0';
			if (same_network(peer, one))
				return 1;
		}
		p += n;
	}
}
