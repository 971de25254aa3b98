/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * smtp.c - a small SMTP client (RFC 5321) with STARTTLS (RFC 3207) and the
 * parameters of RFC 3461, over a connection or over "sendmail -bs".
 *
 *	MAIL FROM:<sender> RET=HDRS ENVID=envid [BODY=8BITMIME SMTPUTF8]
 *	RCPT TO:<recipient> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=rfc822;xtext
 *	ORCPT=utf-8;utf-8-addr-xtext		; RFC 6533 3, beyond ASCII
 *	AUTH PLAIN base64, AUTH LOGIN		; RFC 4616, over TLS alone
 *
 * There is a client of our own because libcurl, which would be the library for it,
 * takes parameters for RCPT and MAIL from 8.16 on only, later than what Debian 12 and
 * 13 have, speaks to no program, and does not tell whether DSN was announced.  PLAIN
 * and LOGIN are one encoding each, less than what a library of SASL would ask for.
 * Never sends to a server that does not announce DSN; never goes on in clear text
 * where TLS was asked for; never sends a password but over TLS with a verified
 * certificate; drops whatever came before TLS (RFC 3207 4.2).
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "analyzer.h"
#include "smtp.h"
#include "utf8.h"

#define REPLY_MAX	512	/* octets of a reply's line (RFC 5321 4.5.3.1.5) */
#define REPLY_LINES_MAX	100	/* of one reply */
#define SECRET_MAX	255	/* octets of a user's name, and of a password (RFC 4616 2) */
#define ORIGINAL_MAX	1600	/* of an original recipient: 254 octets, each six at most */

struct link {
	int		 in, out;	/* the same, or two pipes */
	pid_t		 child;		/* 0: none */
	SSL_CTX		*context;
	SSL		*ssl;		/* NULL: clear text */
	char		 buf[4096];
	size_t		 have, at;
	char		 last[REPLY_MAX + 1];	/* line of the last reply */
	unsigned	 dsn : 1, starttls : 1, eightbit : 1, utf8 : 1, plain : 1, login : 1;	/* announced */
	const struct smtp_way *way;
	const char	*name;		/* for messages */
};

static int
ready(const struct link *link, int fd, short events)
{
	struct pollfd one = { fd, events, 0 };
	int n;

	do {
		n = poll(&one, 1, link->way->timeout * 1000);
	} while (n == -1 && errno == EINTR);
	if (n == 0)
		warnx("%s: no answer for %d seconds; try again later", link->name, link->way->timeout);
	else if (n == -1)
		warn("%s", link->name);
	return n > 0 ? 0 : -1;
}

/* Waits as OpenSSL asks; -1 where it asks for nothing that can be waited for. */
static int
ready_tls(const struct link *link, int answer)
{
	switch (SSL_get_error(link->ssl, answer)) {
	case SSL_ERROR_WANT_READ:
		return ready(link, link->in, POLLIN);
	case SSL_ERROR_WANT_WRITE:
		return ready(link, link->in, POLLOUT);
	default:
		return -1;
	}
}

static int
fill(struct link *link)
{
	ssize_t n;

	link->have = link->at = 0;
	if (link->ssl != NULL) {
		int got;

		while ((got = SSL_read(link->ssl, link->buf, sizeof(link->buf))) <= 0) {
			if (ready_tls(link, got) != 0) {
				warnx("%s: the connection broke off", link->name);
				return -1;
			}
		}
		link->have = (size_t)got;
		return 0;
	}
	do {
		if (ready(link, link->in, POLLIN) != 0)
			return -1;
		n = read(link->in, link->buf, sizeof(link->buf));
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n <= 0) {
		warnx("%s: the connection broke off", link->name);
		return -1;
	}
	link->have = (size_t)n;
	return 0;
}

static int
put(struct link *link, const char *text, size_t n)
{
	while (n > 0) {
		ssize_t done;

		if (link->ssl != NULL) {
			int wrote = SSL_write(link->ssl, text, n > 16384 ? 16384 : (int)n);

			if (wrote <= 0) {
				if (ready_tls(link, wrote) != 0)
					goto broken;
				continue;
			}
			done = wrote;
		} else {
			if (ready(link, link->out, POLLOUT) != 0)
				return -1;
			done = write(link->out, text, n);
			if (done == -1 && (errno == EINTR || errno == EAGAIN))
				continue;
			if (done <= 0)
				goto broken;
		}
		text += done;
		n -= (size_t)done;
	}
	return 0;
broken:
	warnx("%s: the connection broke off", link->name);
	return -1;
}

/* One line of a reply without its line end; what passes REPLY_MAX is cut. */
static int
line_read(struct link *link)
{
	size_t n = 0;

	for (;;) {
		char c;

		if (link->at == link->have && fill(link) != 0)
			return -1;
		c = link->buf[link->at++];
		if (c == '\n')
			break;
		if (n < REPLY_MAX && c != '\0')
			link->last[n++] = c;
	}
	if (n > 0 && link->last[n - 1] == '\r')
		n--;
	link->last[n] = '\0';
	return 0;
}

/* Whether a line of EHLO, "AUTH PLAIN LOGIN", has this word behind the first one. */
static int
has_word(const char *line, const char *word)
{
	size_t n = strlen(word);
	const char *p = line + strcspn(line, " =");

	while (*p != '\0') {
		p += strspn(p, " =");
		if (strncasecmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == '\0'))
			return 1;
		p += strcspn(p, " ");
	}
	return 0;
}

static void
keyword(struct link *link, const char *line)
{
	size_t n = strcspn(line, " =");

	if (n == 3 && strncasecmp(line, "DSN", n) == 0)
		link->dsn = 1;
	else if (n == 8 && strncasecmp(line, "STARTTLS", n) == 0)
		link->starttls = 1;
	else if (n == 8 && strncasecmp(line, "8BITMIME", n) == 0)
		link->eightbit = 1;
	else if (n == 8 && strncasecmp(line, "SMTPUTF8", n) == 0)
		link->utf8 = 1;
	else if (n == 4 && strncasecmp(line, "AUTH", n) == 0) {
		link->plain |= has_word(line, "PLAIN") != 0;
		link->login |= has_word(line, "LOGIN") != 0;
	}
}

/* The code of a reply, all its lines read; keywords of EHLO are taken down. */
static int
reply(struct link *link, int is_ehlo)
{
	int lines, code = -1;

	for (lines = 0; lines < REPLY_LINES_MAX; lines++) {
		const char *text = link->last;

		if (line_read(link) != 0)
			return -1;
		if (strspn(text, "0123456789") != 3 || (text[3] != ' ' && text[3] != '-' && text[3] != '\0')) {
			warnx("%s: is no SMTP reply: \"%s\"", link->name, visible(text));
			return -1;
		}
		code = (text[0] - '0') * 100 + (text[1] - '0') * 10 + text[2] - '0';
		if (is_ehlo && code == 250 && lines > 0 && text[3] != '\0')
			keyword(link, text + 4);
		if (text[3] != '-')
			return code;
	}
	warnx("%s: a reply of more than %d lines", link->name, REPLY_LINES_MAX);
	return -1;
}

static int __attribute__((format(printf, 2, 3)))
say(struct link *link, const char *format, ...)
{
	char line[2048];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(line, sizeof(line) - 2, format, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(line) - 2)
		return -1;
	memcpy(line + n, "\r\n", 2);
	n = put(link, line, (size_t)n + 2);
	OPENSSL_cleanse(line, sizeof(line));	/* it may have been a password */
	if (n != 0)
		return -1;
	return reply(link, strncmp(format, "EHLO", 4) == 0);
}

/* Says why the server did not take it; answers the exit status. */
static int
refused(const struct link *link, const char *what, int code)
{
	if (code < 0)
		return EX_TEMPFAIL;
	warnx("%s: %s was refused: %s", link->name, what, visible(link->last));
	return code >= 500 ? EX_UNAVAILABLE : EX_TEMPFAIL;
}

static int
link_connect(struct link *link)
{
	const struct smtp_way *way = link->way;
	struct addrinfo hints, *list, *one;
	int answer, error = 0;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if ((answer = getaddrinfo(way->host, way->port, &hints, &list)) != 0) {
		warnx("%s port %s: %s", visible(way->host), way->port, gai_strerror(answer));
		return EX_NOHOST;
	}
	for (one = list; one != NULL; one = one->ai_next) {
		struct pollfd wait;
		socklen_t size = sizeof(error);

		link->in = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    one->ai_protocol);
		if (link->in == -1) {
			error = errno;
			continue;
		}
		error = 0;
		if (connect(link->in, one->ai_addr, one->ai_addrlen) == -1)
			error = errno;
		if (error == EINPROGRESS) {
			wait.fd = link->in;
			wait.events = POLLOUT;
			if (poll(&wait, 1, way->timeout * 1000) != 1)
				error = ETIMEDOUT;
			else if (getsockopt(link->in, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
				error = errno;
		}
		if (error == 0)
			break;
		close(link->in);
		link->in = -1;
	}
	freeaddrinfo(list);
	if (link->in == -1) {
		warnc(error, "%s", link->name);
		return EX_TEMPFAIL;
	}
	link->out = link->in;
	return 0;
}

static int
link_spawn(struct link *link)
{
	const char *const argv[] = { link->way->program, "-bs", NULL };
	int error;

	if ((error = program_start(&link->child, argv, &link->out, &link->in)) != 0) {
		warnc(error, "%s", link->way->program);
		link->child = 0;
		return EX_UNAVAILABLE;
	}
	return 0;
}

static int
is_ip(const char *host)
{
	unsigned char binary[16];

	return inet_pton(AF_INET, host, binary) == 1 || inet_pton(AF_INET6, host, binary) == 1;
}

static int
start_tls(struct link *link)
{
	const struct smtp_way *way = link->way;
	int code, done;
	long verified;

	if ((code = say(link, "STARTTLS")) != 220)
		return refused(link, "STARTTLS", code);
	if (link->at != link->have) {	/* RFC 3207 4.2: nothing may come before TLS */
		warnx("%s: sent more behind its answer to STARTTLS; nothing was sent", link->name);
		return EX_PROTOCOL;
	}
	ERR_clear_error();
	if ((link->context = SSL_CTX_new(TLS_client_method())) == NULL ||
	    !SSL_CTX_set_min_proto_version(link->context, TLS1_2_VERSION) ||
	    (way->ca_file != NULL ? !SSL_CTX_load_verify_locations(link->context, way->ca_file, NULL) :
	    !SSL_CTX_set_default_verify_paths(link->context)) ||
	    (link->ssl = SSL_new(link->context)) == NULL || !SSL_set_fd(link->ssl, link->in))
		goto failed;
	SSL_set_hostflags(link->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (is_ip(way->host) ? !X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(link->ssl), way->host) :
	    !SSL_set1_host(link->ssl, way->host) || !SSL_set_tlsext_host_name(link->ssl, way->host))
		goto failed;
	/* the verdict is read behind the handshake, so that it can be told */
	SSL_set_verify(link->ssl, SSL_VERIFY_NONE, NULL);
	while ((done = SSL_connect(link->ssl)) != 1) {
		if (ready_tls(link, done) != 0)
			goto failed;
	}
	verified = SSL_get_verify_result(link->ssl);
	if (way->tls == SMTP_TLS_VERIFY && verified != X509_V_OK) {
		warnx("%s: its certificate does not do: %s; nothing was sent (see --tls)", link->name,
		    X509_verify_cert_error_string(verified));
		return EX_NOPERM;
	}
	return 0;
failed:
	warnx("%s: TLS failed: %s; nothing was sent", link->name,
	    ERR_peek_last_error() != 0 ? ERR_reason_error_string(ERR_peek_last_error()) : "the connection broke off");
	if (link->ssl != NULL)
		SSL_free(link->ssl);
	link->ssl = NULL;
	return EX_PROTOCOL;
}

/* The name of this host for EHLO; its address where it has no full name. */
static int
hello(struct link *link)
{
	char name[DEEP_DOMAIN_MAX + 1] = "", key[DEEP_DOMAIN_MAX + 1];

	(void)gethostname(name, sizeof(name) - 1);
	if (strchr(name, '.') == NULL || deep_domain_key(key, sizeof(key), deep_str(name)) <= 0)
		strlcpy(key, "[127.0.0.1]", sizeof(key));
	link->dsn = link->starttls = link->eightbit = link->utf8 = link->plain = link->login = 0;
	return say(link, "EHLO %s", key);
}

/* Lines that begin with a dot get one more, line ends become CRLF. */
static int
send_text(struct link *link, const char *text, size_t n)
{
	const char *end = text + n, *nl;

	for (; text < end; text = nl + 1) {
		if ((nl = memchr(text, '\n', (size_t)(end - text))) == NULL)
			return -1;
		if ((*text == '.' && put(link, ".", 1) != 0) ||
		    put(link, text, (size_t)(nl - text)) != 0 || put(link, "\r\n", 2) != 0)
			return -1;
	}
	return 0;
}

/* xtext (RFC 3461 4): what is not printable, "+" and "=" as +HH. */
static int
xtext(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from != '\0'; from++) {
		unsigned char c = (unsigned char)*from;

		if (n + 4 > size)
			return -1;
		if (c < '!' || c > '~' || c == '+' || c == '=') {
			snprintf(to + n, 4, "+%02X", c);
			n += 3;
		} else {
			to[n++] = (char)c;
		}
	}
	to[n] = '\0';
	return 0;
}

/* utf-8-addr-xtext (RFC 6533 3): what is beyond ASCII, and "+", "=" and the backslash,
 * as \x{HEX}. */
static int
utf8_xtext(char *to, size_t size, const char *from)
{
	size_t n = 0, left = strlen(from);
	uint32_t point;

	while (left > 0) {
		size_t octets = utf8_next(from, left, &point);

		if (octets == 0 || n + 12 > size)
			return -1;
		if (point < '!' || point > '~' || strchr("+=\\", (int)point) != NULL)
			n += (size_t)snprintf(to + n, size - n, "\\x{%02X}", (unsigned)point);
		else
			to[n++] = (char)point;
		from += octets;
		left -= octets;
	}
	to[n] = '\0';
	return 0;
}

static int
is_ascii(const char *text)
{
	while (*text != '\0' && ((unsigned char)*text & 0x80) == 0)
		text++;
	return *text == '\0';
}

static int
authenticate(struct link *link)
{
	const struct smtp_way *way = link->way;
	unsigned char text[2 * SECRET_MAX + 2], base64[4 * ((2 * SECRET_MAX + 2 + 2) / 3) + 1];
	size_t user = strlen(way->user), password = strlen(way->password);
	int code;

	if (user > SECRET_MAX || password > SECRET_MAX) {
		warnx("the user's name or the password has more than %d octets", SECRET_MAX);
		return EX_CONFIG;
	}
	if (link->ssl == NULL || way->tls != SMTP_TLS_VERIFY) {
		warnx("%s: no TLS with a verified certificate, so the password stays here; nothing was sent", link->name);
		return EX_NOPERM;
	}
	if (link->plain) {
		text[0] = text[user + 1] = '\0';
		memcpy(text + 1, way->user, user);
		memcpy(text + user + 2, way->password, password);
		EVP_EncodeBlock(base64, text, (int)(user + password + 2));
		code = say(link, "AUTH PLAIN %s", (char *)base64);
	} else if (link->login) {
		EVP_EncodeBlock(base64, (const unsigned char *)way->user, (int)user);
		if ((code = say(link, "AUTH LOGIN")) == 334 && (code = say(link, "%s", (char *)base64)) == 334) {
			EVP_EncodeBlock(base64, (const unsigned char *)way->password, (int)password);
			code = say(link, "%s", (char *)base64);
		}
	} else {
		warnx("%s: offers neither AUTH PLAIN nor AUTH LOGIN; nothing was sent", link->name);
		return EX_UNAVAILABLE;
	}
	OPENSSL_cleanse(text, sizeof(text));
	OPENSSL_cleanse(base64, sizeof(base64));
	if (code == 235)
		return 0;
	code = refused(link, "the user", code);
	return code == EX_UNAVAILABLE ? EX_NOPERM : code;
}

static int
dialogue(struct link *link, const struct smtp_mail *mail, char *how, size_t size)
{
	const struct smtp_way *way = link->way;
	int is_utf8 = !is_ascii(mail->from) || !is_ascii(mail->to), code, status;
	char original[ORIGINAL_MAX] = "";

	if ((code = reply(link, 0)) != 220)
		return refused(link, "the connection", code);
	if ((code = hello(link)) != 250)
		return refused(link, "EHLO", code);
	if (way->host != NULL && link->starttls) {
		if ((status = start_tls(link)) != 0)
			return status;
		if ((code = hello(link)) != 250)
			return refused(link, "EHLO", code);
	} else if (way->host != NULL && way->tls != SMTP_TLS_MAY) {
		warnx("%s: does not offer STARTTLS; nothing was sent (see --tls)", link->name);
		return EX_UNAVAILABLE;
	}
	if (way->user != NULL && (status = authenticate(link)) != 0)
		return status;
	if (!link->dsn) {
		warnx("%s: does not announce DSN (RFC 3461), so no report would come; nothing was sent",
		    link->name);
		return EX_UNAVAILABLE;
	}
	if (is_utf8 && !(link->utf8 && link->eightbit)) {
		warnx("%s: does not announce SMTPUTF8 (RFC 6531), which an address beyond ASCII needs; nothing was sent",
		    link->name);
		return EX_UNAVAILABLE;
	}
	if ((is_ascii(mail->to) ? xtext : utf8_xtext)(original, sizeof(original), mail->to) != 0) {
		warnx("%s: is too long, or no UTF-8", visible(mail->to));
		return EX_DATAERR;
	}
	if ((code = say(link, "MAIL FROM:<%s> RET=HDRS ENVID=%s%s", mail->from, mail->envid,
	    is_utf8 ? " BODY=8BITMIME SMTPUTF8" : "")) / 100 != 2)
		return refused(link, "the sender", code);
	if ((code = say(link, "RCPT TO:<%s> NOTIFY=SUCCESS,DELAY,FAILURE ORCPT=%s;%s", mail->to,
	    is_ascii(mail->to) ? "rfc822" : "utf-8", original)) / 100 != 2)
		return refused(link, "the recipient", code);
	if ((code = say(link, "DATA")) != 354)
		return refused(link, "DATA", code);
	if (mail->taken != NULL && mail->taken(mail->context) != 0)
		return EX_CANTCREAT;
	if (send_text(link, mail->text, mail->ntext) != 0)
		return EX_TEMPFAIL;
	if ((code = say(link, ".")) / 100 != 2)
		return refused(link, "the message", code);
	if (link->ssl != NULL)
		snprintf(how, size, "%s, %s", SSL_get_version(link->ssl),
		    SSL_get_verify_result(link->ssl) == X509_V_OK ? "certificate verified" :
		    "certificate not verified");
	else
		snprintf(how, size, way->host != NULL ? "without TLS" : "on this host");
	(void)say(link, "QUIT");	/* the message is taken, whatever comes now */
	return 0;
}

static void
link_close(struct link *link)
{
	if (link->ssl != NULL)
		SSL_free(link->ssl);
	if (link->context != NULL)
		SSL_CTX_free(link->context);
	if (link->in != -1)
		close(link->in);
	if (link->out != -1 && link->out != link->in)
		close(link->out);
	if (link->child > 0) {
		int status, tries;

		/* its input is closed: it ends; one that does not is ended */
		for (tries = 0; tries < 50 && waitpid(link->child, &status, WNOHANG) == 0; tries++)
			nanosleep(&(struct timespec){ 0, 100000000 }, NULL);
		if (tries == 50) {
			kill(link->child, SIGTERM);
			waitpid(link->child, &status, 0);
		}
	}
}

int
smtp_send(const struct smtp_way *way, const struct smtp_mail *mail, char *how, size_t size)
{
	static char name[512];
	struct sigaction ignore, before;
	struct link link;
	int status;

	memset(&link, 0, sizeof(link));
	link.in = link.out = -1;
	link.way = way;
	link.name = name;
	if (way->host != NULL)
		snprintf(name, sizeof(name), "%s port %s", visible(way->host), way->port);
	else
		snprintf(name, sizeof(name), "%s -bs", visible(way->program));
	memset(&ignore, 0, sizeof(ignore));
	ignore.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &ignore, &before);
	if (size > 0)
		*how = '\0';
	status = way->host != NULL ? link_connect(&link) : link_spawn(&link);
	if (status == 0)
		status = dialogue(&link, mail, how, size);
	link_close(&link);
	sigaction(SIGPIPE, &before, NULL);
	return status;
}
