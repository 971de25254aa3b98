/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * load.c - both ends of SMTP for the benchmarks, quick enough not to be what is
 * measured: a thread a connection, and nothing looked at but ends of lines.
 *
 *	load sink ADDRESS PORT CERTIFICATE KEY
 *		takes everything, with STARTTLS; for each line on its standard input prints
 *		how many messages, octets of text, connections and TLS sessions there were
 *	load source [-t] [-w] [-c N] [-n N] [-p N] [-s OCTETS] ADDRESS PORT RECIPIENT
 *		-t STARTTLS, without looking at the certificate; -c connections at a time;
 *		-n messages in all; -p of them on one connection; -s of a message; prints
 *		seconds, messages that were taken, messages that were not
 *		-w opens the connections, goes as far as RCPT, prints a line, and waits
 *		for the end of its standard input
 *	load proxy ADDRESS PORT ADDRESS PORT
 *		the least that can stand between the two: what comes in the clear to the first
 *		address goes on over TLS to the second, what comes back goes back, and nothing
 *		is looked at, until the end of its standard input
 *
 * It is no test of anybody's SMTP: what it does not expect ends the connection.
 */
#include <sys/socket.h>

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define BUFFER	65536
#define REPLIES	1024
#define STACK	(256 * 1024)
#define PATIENCE 5			/* seconds for a greeting; then a new connection */

struct stream {
	int	 fd;
	SSL	*ssl;
	int	 pipelining;
	size_t	 start, end;		/* what is unread of the buffer */
	size_t	 waiting;		/* octets of replies that go out together */
	char	 buffer[BUFFER], replies[REPLIES];
};

static SSL_CTX			*context;
static atomic_ulong		 messages, octets, connections, sessions, failures;
static atomic_long		 left;
static const char		*address, *port, *recipient;
static char			*text;
static size_t			 text_size;
static int			 with_tls, hold;
static long			 per_connection = 20;
static pthread_barrier_t	 held;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static int
put(struct stream *s, const char *data, size_t size)
{
	ssize_t	sent;

	while (size > 0) {
		sent = s->ssl != NULL ?
		    SSL_write(s->ssl, data, size > 1 << 20 ? 1 << 20 : (int)size) :
		    write(s->fd, data, size);
		if (sent <= 0)
			return -1;
		data += sent;
		size -= (size_t)sent;
	}
	return 0;
}

static int
say(struct stream *s, const char *line)
{
	return put(s, line, strlen(line));
}

static int
flush(struct stream *s)
{
	size_t	size = s->waiting;

	s->waiting = 0;
	return put(s, s->replies, size);
}

/* A reply, which waits while there are more commands to answer (RFC 2920 3.2). */
static int
answer(struct stream *s, const char *line)
{
	size_t	size = strlen(line);

	if (s->waiting + size > REPLIES && flush(s) != 0)
		return -1;
	memcpy(s->replies + s->waiting, line, size);
	s->waiting += size;
	return 0;
}

static int
more(struct stream *s)
{
	int	got;

	if (s->waiting > 0 && flush(s) != 0)
		return -1;
	if (s->start > 0) {
		memmove(s->buffer, s->buffer + s->start, s->end - s->start);
		s->end -= s->start;
		s->start = 0;
	}
	if (s->end == BUFFER)
		return -1;
	got = s->ssl != NULL ? SSL_read(s->ssl, s->buffer + s->end, (int)(BUFFER - s->end)) :
	    (int)read(s->fd, s->buffer + s->end, BUFFER - s->end);
	if (got <= 0)
		return -1;
	s->end += (size_t)got;
	return 0;
}

/* The next line, without its end, NUL-terminated in the buffer; NULL: there is none. */
static char *
next_line(struct stream *s)
{
	char	*line, *end;

	while ((end = memchr(s->buffer + s->start, '\n', s->end - s->start)) == NULL)
		if (more(s) != 0)
			return NULL;
	line = s->buffer + s->start;
	s->start = (size_t)(end + 1 - s->buffer);
	if (end > line && end[-1] == '\r')
		end--;
	*end = '\0';
	return line;
}

static struct stream *
stream_new(int fd)
{
	struct stream	*s = malloc(sizeof(*s));
	int		 on = 1;

	if (s == NULL)
		die("malloc");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->ssl = NULL;
	s->pipelining = 0;
	s->start = s->end = s->waiting = 0;
	return s;
}

static void
stream_free(struct stream *s)
{
	if (s->ssl != NULL) {
		SSL_shutdown(s->ssl);
		SSL_free(s->ssl);
	}
	close(s->fd);
	free(s);
}

/* TLS from here on; what was read before is forgotten. */
static int
start_tls(struct stream *s, int (*handshake)(SSL *))
{
	s->start = s->end = 0;
	if ((s->ssl = SSL_new(context)) == NULL || SSL_set_fd(s->ssl, s->fd) != 1)
		return -1;
	return handshake(s->ssl) == 1 ? 0 : -1;
}

/*
 * The sink.
 */

/* To the line of a dot.  The lines of a text are long, so they are walked in place. */
static int
take(struct stream *s)
{
	unsigned long	size = 0;
	char		*line, *end;
	int		 fresh = 1;		/* at the start of a line */

	for (;;) {
		while (s->start < s->end) {
			line = s->buffer + s->start;
			end = memchr(line, '\n', s->end - s->start);
			if (fresh && *line == '.' && end != NULL && end - line <= 2) {
				s->start = (size_t)(end + 1 - s->buffer);
				atomic_fetch_add(&octets, size);
				return 0;
			}
			if (end == NULL && fresh && s->end - s->start < 3)
				break;			/* it may be the dot */
			fresh = end != NULL;
			size += end != NULL ? (size_t)(end + 1 - line) : s->end - s->start;
			s->start = end != NULL ? (size_t)(end + 1 - s->buffer) : s->end;
		}
		if (more(s) != 0)
			return -1;
	}
}

static void
serve(struct stream *s)
{
	char	*line;
	int	 status = answer(s, "220 sink ESMTP\r\n");

	while (status == 0 && (line = next_line(s)) != NULL) {
		if (strncasecmp(line, "EHLO", 4) == 0)
			status = answer(s, s->ssl != NULL ?
			    "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n" :
			    "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
			    "250-SIZE 100000000\r\n250 STARTTLS\r\n");
		else if (strncasecmp(line, "STARTTLS", 8) == 0) {
			if ((status = answer(s, "220 go\r\n")) == 0 && (status = flush(s)) == 0)
				status = start_tls(s, SSL_accept);
			if (status == 0)
				atomic_fetch_add(&sessions, 1);
		} else if (strncasecmp(line, "DATA", 4) == 0) {
			if ((status = answer(s, "354 go\r\n")) == 0)
				status = take(s);
			if (status == 0) {
				atomic_fetch_add(&messages, 1);
				status = answer(s, "250 2.0.0 taken\r\n");
			}
		} else if (strncasecmp(line, "QUIT", 4) == 0) {
			if (answer(s, "221 2.0.0 bye\r\n") == 0)
				flush(s);
			return;
		} else
			status = answer(s, "250 2.0.0 ok\r\n");
	}
}

static void *
serve_one(void *argument)
{
	struct stream	*s = argument;

	serve(s);
	stream_free(s);
	return NULL;
}

static void
start_thread(void *(*function)(void *), void *argument, pthread_t *thread)
{
	pthread_attr_t	attributes;
	pthread_t	one;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	if (thread == NULL)
		pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	if ((errno = pthread_create(thread != NULL ? thread : &one, &attributes, function,
	    argument)) != 0)
		die("pthread_create");
	pthread_attr_destroy(&attributes);
}

struct door {
	int	 listener;
	void	*(*serve)(void *);	/* in a thread of its own, with the stream */
};

static void *
accept_all(void *argument)
{
	const struct door	*door = argument;
	int			 fd;

	while ((fd = accept(door->listener, NULL, NULL)) != -1) {
		atomic_fetch_add(&connections, 1);
		start_thread(door->serve, stream_new(fd), NULL);
	}
	return NULL;
}

static void
open_door(struct door *door, const char *at, const char *number, void *(*one)(void *))
{
	struct sockaddr_in	here;
	int			on = 1;

	memset(&here, 0, sizeof(here));
	here.sin_family = AF_INET;
	here.sin_port = htons((unsigned short)atoi(number));
	door->serve = one;
	if (inet_pton(AF_INET, at, &here.sin_addr) != 1 ||
	    (door->listener = socket(AF_INET, SOCK_STREAM, 0)) == -1 ||
	    setsockopt(door->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1 ||
	    bind(door->listener, (struct sockaddr *)&here, sizeof(here)) == -1 ||
	    listen(door->listener, 1024) == -1)
		die(at);
	start_thread(accept_all, door, NULL);
}

static int
sink(char *argv[])
{
	static struct door	door;
	char			line[16];

	if ((context = SSL_CTX_new(TLS_server_method())) == NULL ||
	    SSL_CTX_use_certificate_chain_file(context, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[3], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "load: cannot use %s and %s\n", argv[2], argv[3]);
		return 1;
	}
	open_door(&door, argv[0], argv[1], serve_one);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		printf("%lu %lu %lu %lu\n", atomic_load(&messages), atomic_load(&octets),
		    atomic_load(&connections), atomic_load(&sessions));
		fflush(stdout);
	}
	return 0;
}

/*
 * The source.
 */

/* The code of one reply; 0: none came. */
static int
reply(struct stream *s)
{
	char	*line;

	while ((line = next_line(s)) != NULL) {
		if (strlen(line) > 4 && strcasecmp(line + 4, "PIPELINING") == 0)
			s->pipelining = 1;
		if (strlen(line) < 4 || line[3] != '-')
			return atoi(line);
	}
	return 0;
}

/*
 * A server whose backlog is full may forget a connection that is there on our side: who
 * hears no greeting gives it up and makes another.
 */
static struct stream *
connect_to(void)
{
	const struct timeval	 patience = { PATIENCE, 0 }, none = { 0, 0 };
	struct addrinfo		 hints, *found;
	struct stream		*s;
	int			 fd, tries = 0, code;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	if (getaddrinfo(address, port, &hints, &found) != 0)
		die(address);
	do {
		if ((fd = socket(found->ai_family, SOCK_STREAM, 0)) == -1)
			die("socket");
		if (connect(fd, found->ai_addr, found->ai_addrlen) == -1) {
			close(fd);
			freeaddrinfo(found);
			return NULL;
		}
		s = stream_new(fd);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if ((code = reply(s)) == 0)
			stream_free(s);
	} while (code == 0 && ++tries < 20);
	freeaddrinfo(found);
	if (code == 0)
		return NULL;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none));
	if (code == 220 && say(s, "EHLO source.test\r\n") == 0 && reply(s) == 250 &&
	    (!with_tls || (say(s, "STARTTLS\r\n") == 0 && reply(s) == 220 &&
	    start_tls(s, SSL_connect) == 0 && say(s, "EHLO source.test\r\n") == 0 &&
	    reply(s) == 250)))
		return s;
	stream_free(s);
	return NULL;
}

/* As far as the reply to RCPT, and to DATA if so asked. */
static int
envelope(struct stream *s, int data)
{
	static const int	codes[] = { 250, 250, 354 };
	char			commands[3][256], all[sizeof(commands)];
	int			i, n = data ? 3 : 2;

	snprintf(commands[0], sizeof(commands[0]), "MAIL FROM:<sender@source.test>\r\n");
	snprintf(commands[1], sizeof(commands[1]), "RCPT TO:<%s>\r\n", recipient);
	snprintf(commands[2], sizeof(commands[2]), "DATA\r\n");
	snprintf(all, sizeof(all), "%s%s%s", commands[0], commands[1], data ? commands[2] : "");
	if (s->pipelining && say(s, all) != 0)
		return -1;
	for (i = 0; i < n; i++)
		if ((!s->pipelining && say(s, commands[i]) != 0) || reply(s) != codes[i])
			return -1;
	return 0;
}

static void *
send_some(void *unused)
{
	struct stream	*s = NULL;
	long		 on_this = 0;

	(void)unused;
	while (atomic_fetch_sub(&left, 1) > 0) {
		if (s == NULL) {
			s = connect_to();
			on_this = 0;
		}
		if (s != NULL && envelope(s, 1) == 0 && put(s, text, text_size) == 0 &&
		    reply(s) == 250) {
			atomic_fetch_add(&messages, 1);
			if (++on_this < per_connection)
				continue;
			if (say(s, "QUIT\r\n") == 0)
				reply(s);
		} else
			atomic_fetch_add(&failures, 1);
		if (s != NULL)
			stream_free(s);
		s = NULL;
	}
	if (s != NULL) {
		if (say(s, "QUIT\r\n") == 0)
			reply(s);
		stream_free(s);
	}
	return NULL;
}

static void *
hold_one(void *unused)
{
	struct stream	*s = connect_to();

	(void)unused;
	if (s == NULL || envelope(s, 0) != 0)
		atomic_fetch_add(&failures, 1);
	else
		atomic_fetch_add(&messages, 1);
	pthread_barrier_wait(&held);	/* all are there */
	pthread_barrier_wait(&held);	/* all may go */
	if (s != NULL)
		stream_free(s);
	return NULL;
}

static void
make_text(size_t size)
{
	static const char	header[] = "From: <sender@source.test>\r\nTo: <user@sink.test>\r\n"
				    "Subject: load\r\nMessage-ID: <load@source.test>\r\n"
				    "Date: Tue, 24 Nov 2026 12:00:00 +0000\r\n\r\n";
	static const char	line[] = "0123456789 abcdefghijklmnopqrstuvwxyz "
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789\r\n";
	size_t			i, lines = size / (sizeof(line) - 1) + 1;

	if ((text = malloc(sizeof(header) + lines * sizeof(line) + 8)) == NULL)
		die("malloc");
	memcpy(text, header, sizeof(header) - 1);
	text_size = sizeof(header) - 1;
	for (i = 0; i < lines; i++) {
		memcpy(text + text_size, line, sizeof(line) - 1);
		text_size += sizeof(line) - 1;
	}
	memcpy(text + text_size, ".\r\n", 3);
	text_size += 3;
}

static int
source(int argc, char *argv[])
{
	struct timespec	 start, end;
	pthread_t	*threads;
	size_t		 size = 2000;
	long		 concurrent = 20, all = 1000, i;
	int		 c;

	while ((c = getopt(argc, argv, "c:n:p:s:tw")) != -1)
		switch (c) {
		case 'c':	concurrent = atol(optarg);		break;
		case 'n':	all = atol(optarg);			break;
		case 'p':	per_connection = atol(optarg);		break;
		case 's':	size = (size_t)atol(optarg);		break;
		case 't':	with_tls = 1;				break;
		case 'w':	hold = 1;				break;
		default:	return 64;
		}
	if (argc - optind != 3 || concurrent < 1 || concurrent > 10000 || all < 1)
		return 64;
	address = argv[optind];
	port = argv[optind + 1];
	recipient = argv[optind + 2];
	make_text(size);
	if ((context = SSL_CTX_new(TLS_client_method())) == NULL ||
	    (threads = calloc((size_t)concurrent, sizeof(*threads))) == NULL)
		die("load");
	atomic_store(&left, all);
	pthread_barrier_init(&held, NULL, (unsigned)concurrent + 1);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (i = 0; i < concurrent; i++)
		start_thread(hold ? hold_one : send_some, NULL, &threads[i]);
	if (hold) {
		pthread_barrier_wait(&held);
		printf("%lu %lu\n", atomic_load(&messages), atomic_load(&failures));
		fflush(stdout);
		while (getchar() != EOF)
			continue;
		pthread_barrier_wait(&held);
	}
	for (i = 0; i < concurrent; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	free(threads);
	free(text);
	SSL_CTX_free(context);
	printf("%.3f %lu %lu\n", (double)(end.tv_sec - start.tv_sec) +
	    (double)(end.tv_nsec - start.tv_nsec) / 1e9, atomic_load(&messages),
	    atomic_load(&failures));
	return atomic_load(&failures) == 0 ? 0 : 1;
}

/*
 * The proxy.
 */

/* All records of one SSL_write(3) by one write(2), as deep-relay does it. */
static int
gather(SSL *ssl)
{
	BIO	*buffer = BIO_new(BIO_f_buffer()), *socket_bio = SSL_get_wbio(ssl);

	if (buffer == NULL || BIO_set_write_buffer_size(buffer, BUFFER + 1024) != 1)
		return -1;
	BIO_up_ref(socket_bio);
	SSL_set0_wbio(ssl, BIO_push(buffer, socket_bio));
	return 0;
}

static void
copy(struct stream *client, struct stream *server)
{
	struct pollfd	fd[2] = { { client->fd, POLLIN, 0 }, { server->fd, POLLIN, 0 } };
	int		got;

	/* behind a session ticket nothing is waited for here */
	SSL_clear_mode(server->ssl, SSL_MODE_AUTO_RETRY);
	while (poll(fd, 2, -1) > 0) {
		if (fd[0].revents != 0) {
			got = (int)read(client->fd, client->buffer, BUFFER);
			if (got <= 0 || put(server, client->buffer, (size_t)got) != 0 ||
			    BIO_flush(SSL_get_wbio(server->ssl)) <= 0)
				return;
		}
		if (fd[1].revents != 0) {
			/* a record at a time, so that nothing is left in OpenSSL */
			got = SSL_read(server->ssl, server->buffer, BUFFER);
			if (got > 0 ? put(client, server->buffer, (size_t)got) != 0 :
			    SSL_get_error(server->ssl, got) != SSL_ERROR_WANT_READ)
				return;
		}
	}
}

static void *
pass_one(void *argument)
{
	struct stream	*client = argument, *server = connect_to();

	if (server != NULL && gather(server->ssl) == 0 && say(client, "220 proxy ESMTP\r\n") == 0)
		copy(client, server);
	if (server != NULL)
		stream_free(server);
	stream_free(client);
	return NULL;
}

static int
proxy(char *argv[])
{
	static struct door	door;

	if ((context = SSL_CTX_new(TLS_client_method())) == NULL)
		die("load");
	with_tls = 1;
	address = argv[2];
	port = argv[3];
	open_door(&door, argv[0], argv[1], pass_one);
	while (getchar() != EOF)
		continue;
	return 0;
}

int
main(int argc, char *argv[])
{
	int	status = 64;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 6 && strcmp(argv[1], "sink") == 0)
		status = sink(argv + 2);
	else if (argc > 2 && strcmp(argv[1], "source") == 0)
		status = source(argc - 1, argv + 1);
	else if (argc == 6 && strcmp(argv[1], "proxy") == 0)
		status = proxy(argv + 2);
	if (status == 64)
		fprintf(stderr, "usage: load sink ADDRESS PORT CERTIFICATE KEY\n       load source [-tw] "
		    "[-c N] [-n N] [-p N] [-s OCTETS] ADDRESS PORT RECIPIENT\n"
		    "       load proxy ADDRESS PORT ADDRESS PORT\n");
	return status;
}
