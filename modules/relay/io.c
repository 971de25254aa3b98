/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * io.c - one connection: a socket, perhaps with TLS on it, and two buffers.
 *
 * libevent's loop and buffers, OpenSSL on the socket itself: what is read
 * before a handshake and what is read in it are never in one place, and the
 * certificate can be judged when the handshake is over (RFC 3207 4.2).
 *
 * Nothing is called back from inside io_flush() and the others that its owner
 * calls, and nothing at all after io_free().
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <netinet/tcp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "relay.h"

#define CHUNK		16384		/* octets of a TLS record */
#define GATHERED	(4 * (CHUNK + 64))	/* octets of records that go out in one write(2) */
/*
 * Octets that a read has room for: little where little comes, more where a text does.
 * libevent puts a head before them and rounds up to a power of two: at 128 KB malloc(3)
 * would begin to ask the kernel for each.
 */
#define ROOM_LEAST	3840
#define ROOM_MOST	65024
#define FINISH_MS	10000		/* until all has been sent */

static void on_read(evutil_socket_t, short, void *);
static void on_write(evutil_socket_t, short, void *);
static void on_timer(evutil_socket_t, short, void *);

struct io *
io_new(struct event_base *base, int fd, const struct io_calls *calls, void *owner)
{
	struct io	*io = calloc(1, sizeof(*io));
	int		 one = 1;

	if (io == NULL) {
		close(fd);
		return NULL;
	}
	io->base = base;
	io->fd = fd;
	io->calls = calls;
	io->owner = owner;
	io->in_max = FLOW_HIGH;
	io->room = ROOM_LEAST;
	evutil_make_socket_nonblocking(fd);
	evutil_make_socket_closeonexec(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));	/* none on a Unix socket */
	io->reader = event_new(base, fd, EV_READ | EV_PERSIST, on_read, io);
	io->writer = event_new(base, fd, EV_WRITE, on_write, io);
	io->timer = event_new(base, -1, 0, on_timer, io);
	io->in = evbuffer_new();
	io->out = evbuffer_new();
	if (io->reader == NULL || io->writer == NULL || io->timer == NULL || io->in == NULL ||
	    io->out == NULL || event_add(io->reader, NULL) == -1) {
		io_free(io);
		return NULL;
	}
	return io;
}

struct io *
io_connect(struct event_base *base, const struct sockaddr *address, socklen_t n,
    const struct io_calls *calls, void *owner)
{
	struct io	*io;
	int		 fd, fault = 0;

	fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return NULL;
	if (connect(fd, address, n) == -1 && errno != EINPROGRESS)
		fault = errno;
	io = io_new(base, fd, calls, owner);
	if (io == NULL)
		return NULL;
	io->connecting = 1;
	event_del(io->reader);
	if (fault != 0) {
		io->over = 1;
		snprintf(io->why, sizeof(io->why), "%s", strerror(fault));
		event_active(io->writer, EV_WRITE, 0);
	} else
		event_add(io->writer, NULL);
	return io;
}

void
io_free(struct io *io)
{
	if (io == NULL)
		return;
	if (io->busy) {
		io->freed = 1;
		return;
	}
	if (io->reader != NULL)
		event_free(io->reader);
	if (io->writer != NULL)
		event_free(io->writer);
	if (io->timer != NULL)
		event_free(io->timer);
	if (io->in != NULL)
		evbuffer_free(io->in);
	if (io->out != NULL)
		evbuffer_free(io->out);
	if (io->ssl != NULL) {
		/* A close that the peer can tell from a cut. */
		if (!io->handshaking && !io->over)
			SSL_shutdown(io->ssl);
		ERR_clear_error();
		SSL_free(io->ssl);
	}
	close(io->fd);
	free(io);
}

/* Runs one of the owner's functions; 0: the connection is gone behind it. */
static int
call(struct io *io, void (*function)(void *))
{
	unsigned	was = io->busy;

	if (io->close_when_sent)	/* it has no owner any more */
		return 1;
	io->busy = 1;
	function(io->owner);
	io->busy = was & 1u;
	if (io->freed && !was) {
		io->freed = 0;
		io_free(io);
		return 0;
	}
	return !io->freed;
}

/* Remembers the end; it is told from the loop. */
static void
end(struct io *io, const char *why)
{
	if (io->over)
		return;
	io->over = 1;
	snprintf(io->why, sizeof(io->why), "%s", why == NULL ? "" : why);
	event_del(io->reader);
	event_active(io->writer, EV_WRITE, 0);
}

/* A peer that has said all may still want to hear the answer. */
static void
input_ended(struct io *io)
{
	if (!io->half) {
		end(io, NULL);
		return;
	}
	io->in_ended = 1;
	event_del(io->reader);
}

static void
tell_end(struct io *io)
{
	const char	*why = io->why[0] == '\0' ? NULL : io->why;

	event_del(io->reader);
	event_del(io->writer);
	event_del(io->timer);
	if (io->close_when_sent) {
		io_free(io);
		return;
	}
	io->busy = 1;
	io->calls->gone(io->owner, why);
	io->busy = 0;
	if (io->freed) {
		io->freed = 0;
		io_free(io);
	}
}

static void
tls_fault(char *buf, size_t size, int error, const char *what)
{
	unsigned long	code = ERR_peek_last_error();
	const char	*reason = code == 0 ? NULL : ERR_reason_error_string(code);

	if (error == SSL_ERROR_SYSCALL && code == 0)
		snprintf(buf, size, "%s: %s", what, errno == 0 ? "connection closed" :
		    strerror(errno));
	else
		snprintf(buf, size, "%s: %s", what, reason == NULL ? "unknown fault" : reason);
	ERR_clear_error();
}

/* 1: go on; 0: wait, or it is over. */
static int
tls_answer(struct io *io, int n, const char *what)
{
	char	why[160];
	int	error = SSL_get_error(io->ssl, n);

	switch (error) {
	case SSL_ERROR_WANT_READ:
		return 0;
	case SSL_ERROR_WANT_WRITE:
		event_add(io->writer, NULL);
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		input_ended(io);
		return 0;
	default:
		tls_fault(why, sizeof(why), error, what);
		end(io, why);
		return 0;
	}
}

static void
handshake(struct io *io)
{
	int	n;

	ERR_clear_error();
	errno = 0;
	if ((n = SSL_do_handshake(io->ssl)) != 1) {
		tls_answer(io, n, "TLS handshake");
		return;
	}
	io->handshaking = 0;
	if (!call(io, io->calls->secured))
		return;
	/* What came with the end of the handshake wakes no event. */
	if (SSL_has_pending(io->ssl))
		event_active(io->reader, EV_READ, 0);
}

static void
send_clear(struct io *io)
{
	int	sent;

	while (!io->over && evbuffer_get_length(io->out) > 0) {
		errno = 0;
		if ((sent = evbuffer_write_atmost(io->out, io->fd, FLOW_HIGH)) > 0)
			continue;
		if (sent == -1 && (errno == EAGAIN || errno == EINTR))
			event_add(io->writer, NULL);
		else
			end(io, errno == 0 ? "connection closed" : strerror(errno));
		return;
	}
}

/* The records of a turn leave together: each would be a way through the kernel of its own. */
static void
send_gathered(struct io *io)
{
	BIO	*records = SSL_get_wbio(io->ssl);

	errno = 0;
	if (io->over || BIO_flush(records) > 0)
		return;
	if (BIO_should_retry(records))
		event_add(io->writer, NULL);
	else
		end(io, errno == 0 ? "connection closed" : strerror(errno));
}

/* Octets that the socket has not taken yet. */
static size_t
unsent(const struct io *io)
{
	size_t	n = evbuffer_get_length(io->out);

	return io->ssl == NULL ? n : n + (size_t)BIO_wpending(SSL_get_wbio(io->ssl));
}

static void
send_records(struct io *io)
{
	struct evbuffer_iovec	 part;
	size_t			 n;
	int			 sent;

	while (!io->over && (n = evbuffer_get_length(io->out)) > 0) {
		errno = 0;
		n = n < CHUNK ? n : CHUNK;
		if (evbuffer_peek(io->out, 1, NULL, &part, 1) < 1)
			break;
		/* Small pieces go in one record, large ones without a copy. */
		if (part.iov_len < n && part.iov_len < CHUNK / 4) {
			part.iov_base = evbuffer_pullup(io->out, (ev_ssize_t)n);
			part.iov_len = n;
		}
		if (part.iov_len > CHUNK)
			part.iov_len = CHUNK;
		ERR_clear_error();
		sent = SSL_write(io->ssl, part.iov_base, (int)part.iov_len);
		if (sent <= 0) {
			tls_answer(io, sent, "TLS");
			break;
		}
		evbuffer_drain(io->out, (size_t)sent);
	}
	send_gathered(io);
}

/* Sends what it can, calls nobody. */
static void
send_out(struct io *io)
{
	if (io->ssl == NULL)
		send_clear(io);
	else
		send_records(io);
}

static void
on_write(evutil_socket_t fd, short what, void *arg)
{
	struct io	*io = arg;
	int		 fault = 0;
	socklen_t	 n = sizeof(fault);

	(void)what;
	if (io->over) {
		tell_end(io);
		return;
	}
	if (io->connecting) {
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &n) == -1)
			fault = errno;
		if (fault != 0) {
			end(io, strerror(fault));
			return;
		}
		io->connecting = 0;
		event_add(io->reader, NULL);
		call(io, io->calls->secured);
		return;
	}
	if (io->handshaking) {
		handshake(io);
		return;
	}
	send_out(io);
	if (io->over)
		return;
	if (io->close_when_sent && unsent(io) == 0) {
		io_free(io);
		return;
	}
	if (io->full && unsent(io) <= FLOW_LOW) {
		io->full = 0;
		call(io, io->calls->drained);
	}
}

/* The next read has more room where this one filled its own, less where it got little. */
static void
fit_room(struct io *io, size_t got)
{
	if (got == io->room)
		io->room = io->room * 4 < ROOM_MOST ? io->room * 4 : ROOM_MOST;
	else if (got < io->room / 8)
		io->room = io->room / 4 > ROOM_LEAST ? io->room / 4 : ROOM_LEAST;
}

/* One read; 1: there may be more at once. */
static int
read_some(struct io *io)
{
	struct evbuffer_iovec	space;
	size_t			room = io->in_max - evbuffer_get_length(io->in);
	int			n;

	if (room > io->room)
		room = io->room;
	if (evbuffer_reserve_space(io->in, (ev_ssize_t)room, &space, 1) < 1) {
		end(io, "out of memory");
		return 0;
	}
	errno = 0;
	if (io->ssl == NULL)
		n = (int)read(io->fd, space.iov_base, room);
	else {
		ERR_clear_error();
		n = SSL_read(io->ssl, space.iov_base, (int)room);
	}
	space.iov_len = n > 0 ? (size_t)n : 0;
	evbuffer_commit_space(io->in, &space, 1);
	if (n > 0) {
		io->emptied = (size_t)n < room;
		fit_room(io, (size_t)n);
		return io->ssl == NULL ? (size_t)n == room : SSL_has_pending(io->ssl);
	}
	if (io->ssl != NULL)
		tls_answer(io, n, "TLS");
	else if (n == 0)
		input_ended(io);
	else if (errno != EAGAIN && errno != EINTR)
		end(io, strerror(errno));
	return 0;
}

/* It has no owner any more: what comes is thrown away, under TLS without looking
 * into it, so that it cannot ask for a write. */
static void
waste(struct io *io)
{
	char	where[CHUNK];
	ssize_t	n = read(io->fd, where, sizeof(where));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		io->over = 1;
		io_free(io);
	}
}

static void
on_read(evutil_socket_t fd, short what, void *arg)
{
	struct io	*io = arg;
	size_t		 before = evbuffer_get_length(io->in);
	int		 more = 1;

	(void)fd;
	(void)what;
	if (io->over || io->in_ended)
		return;
	if (io->handshaking) {
		handshake(io);
		return;
	}
	if (io->close_when_sent) {
		waste(io);
		return;
	}
	while (more && !io->paused && !io_is_full(io))
		more = read_some(io);
	if (evbuffer_get_length(io->in) > before || io->in_ended) {
		if (!call(io, io->calls->readable))
			return;
	}
	if (io->over)
		return;
	if (io_is_full(io))
		io_pause(io, 1);
	else if (more && !io->paused && io->ssl != NULL)
		event_active(io->reader, EV_READ, 0);	/* OpenSSL has it: no event tells */
}

int
io_is_full(const struct io *io)
{
	return evbuffer_get_length(io->in) + ROOM_LEAST > io->in_max;
}

void
io_acknowledge(struct io *io)
{
#ifdef TCP_QUICKACK
	int	one = 1;

	if (io->emptied)
		setsockopt(io->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
#else
	(void)io;
#endif
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct io	*io = arg;

	(void)fd;
	(void)what;
	if (io->close_when_sent) {
		io->over = 1;
		io_free(io);
		return;
	}
	end(io, "timed out");
}

/* Between OpenSSL and the socket, for what it writes. */
static int
gather(struct ssl_st *ssl)
{
	BIO	*buffer = BIO_new(BIO_f_buffer()), *socket = SSL_get_wbio(ssl);

	if (buffer == NULL || BIO_set_write_buffer_size(buffer, GATHERED) != 1) {
		BIO_free(buffer);
		return 0;
	}
	BIO_up_ref(socket);		/* it is the one for reading too */
	SSL_set0_wbio(ssl, BIO_push(buffer, socket));
	return 1;
}

int
io_secure(struct io *io, struct ssl_st *ssl, int server)
{
	if (ssl == NULL || io->ssl != NULL || SSL_set_fd(ssl, io->fd) != 1 || !gather(ssl)) {
		SSL_free(ssl);
		return -1;
	}
	io->ssl = ssl;
	io->handshaking = 1;
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	event_add(io->writer, NULL);
	return 0;
}

void
io_flush(struct io *io)
{
	if (io->over || io->connecting || io->handshaking)
		return;
	send_out(io);
	if (unsent(io) > FLOW_LOW)
		io->full = 1;
}

void
io_text(struct io *io, const char *text)
{
	evbuffer_add(io->out, text, strlen(text));
}

void
io_pause(struct io *io, int pause)
{
	if (io->over || io->in_ended || (unsigned)!!pause == io->paused)
		return;
	io->paused = pause != 0;
	if (pause) {
		event_del(io->reader);
		return;
	}
	event_add(io->reader, NULL);
	if (io->ssl != NULL && SSL_has_pending(io->ssl))
		event_active(io->reader, EV_READ, 0);
}

void
io_timeout(struct io *io, int64_t milliseconds)
{
	struct timeval	tv;

	if (milliseconds <= 0) {
		event_del(io->timer);
		return;
	}
	tv.tv_sec = milliseconds / 1000;
	tv.tv_usec = milliseconds % 1000 * 1000;
	event_add(io->timer, &tv);
}

void
io_finish(struct io *io)
{
	if (io == NULL)
		return;
	if (io->over || io->connecting || io->handshaking) {
		io_free(io);
		return;
	}
	send_out(io);
	if (io->over || unsent(io) == 0) {
		io_free(io);
		return;
	}
	io->close_when_sent = 1;
	evbuffer_drain(io->in, evbuffer_get_length(io->in));
	io_pause(io, 0);
	io_timeout(io, FINISH_MS);
}
