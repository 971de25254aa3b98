/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * redis.c - a connection to Redis or Valkey, through hiredis, and the form that a
 * record has in it:
 *
 *	deep:relay:example.org	a hash:
 *		v		changes with each change of the record
 *		m		exempt exempted reset resets
 *		c		"domain" or "host mx.example.net": whose name made tls-cert
 *		l:tls12		first confirmed window enforced contradicted
 *				confirmations contradictions in_window
 *		h:mx.example.net	satisfied first last sessions
 *	deep:index		a sorted set of "example.org 0": name and service
 *	deep:meta		a hash: schema, server (a name made when it was empty)
 *	deep:booked		a hash: for each host the number below which all is booked
 *	deep:booked:ORIGIN	a sorted set of the numbers above it that are booked
 *	deep:version		a counter
 *
 * It never waits longer than it was told, never asks a second time by itself, and
 * never lets SIGPIPE through to the program that uses the library.
 */
#include <sys/time.h>

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "redis.h"

#ifdef DEEP_REDIS_TLS
#include <hiredis/hiredis_ssl.h>	/* behind hiredis.h, which it needs */
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#define PORT		6379
#define VALUE_MAX	200	/* octets in a value: nine numbers */

void
deep_words_start(struct deep_words *words)
{
	words->n = 0;
	words->full = 0;
	words->used = 0;
}

void
deep_words_add(struct deep_words *words, const char *format, ...)
{
	size_t	left = sizeof(words->room) - words->used;
	va_list	ap;
	int	n;

	va_start(ap, format);
	n = vsnprintf(words->room + words->used, left, format, ap);
	va_end(ap);
	if (words->n == DEEP_REDIS_WORDS || n < 0 || (size_t)n >= left) {
		words->full = 1;
		return;
	}
	words->word[words->n] = words->room + words->used;
	words->length[words->n++] = (size_t)n;
	words->used += (size_t)n + 1;
}

/* The URL. */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A copy with "%40" made "@"; NULL: no memory, or a bad escape. */
static char *
unescaped(const char *text, size_t n)
{
	char	*copy = malloc(n + 1), *to = copy;
	size_t	 i;

	if (copy == NULL)
		return NULL;
	for (i = 0; i < n; i++) {
		if (text[i] != '%') {
			*to++ = text[i];
			continue;
		}
		if (n - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
			free(copy);
			return NULL;
		}
		*to++ = (char)(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
		i += 2;
	}
	*to = '\0';
	return copy;
}

static int
whole_number(const char *text, int most)
{
	char	*end;
	long	 n;

	if (*text < '0' || *text > '9')
		return -1;
	n = strtol(text, &end, 10);
	return *end != '\0' || n > most ? -1 : (int)n;
}

/*
 *	[ [ user ] ":" password "@" ] host [ ":" port ] [ "/" number ]
 *	[ [ user ] ":" password "@" ] "/" path [ "?db=" number ]
 */
static int
read_url(struct deep_redis *self, const char *url, int is_path)
{
	const char	*at = strrchr(url, '@'), *colon, *rest = url;
	char		*copy, *tail;
	int		 good = 1;

	if (at != NULL) {
		colon = memchr(url, ':', (size_t)(at - url));
		if (colon == NULL)
			return 0;
		self->user = unescaped(url, (size_t)(colon - url));
		self->password = unescaped(colon + 1, (size_t)(at - colon - 1));
		if (self->user == NULL || self->password == NULL)
			return 0;
		rest = at + 1;
	}
	copy = strdup(rest);
	if (copy == NULL)
		return 0;
	self->place = strdup(rest);
	if (is_path) {
		tail = strstr(copy, "?db=");
		if (tail != NULL) {
			*tail = '\0';
			self->number = whole_number(tail + 4, INT_MAX);
		}
		self->path = strdup(copy);
		good = copy[0] == '/' && self->path != NULL;
	} else {
		tail = strchr(copy, '/');
		if (tail != NULL) {
			*tail = '\0';
			if (tail[1] != '\0')
				self->number = whole_number(tail + 1, INT_MAX);
		}
		self->port = PORT;
		tail = strrchr(copy, ':');
		if (tail != NULL && strchr(tail, ']') == NULL) {
			*tail = '\0';
			self->port = whole_number(tail + 1, 65535);
		}
		if (copy[0] == '[' && copy[strlen(copy) - 1] == ']') {
			copy[strlen(copy) - 1] = '\0';
			self->host = strdup(copy + 1);
		} else
			self->host = strdup(copy);
		good = self->host != NULL && self->host[0] != '\0' && self->port > 0;
	}
	free(copy);
	return good && self->place != NULL && self->number >= 0;
}

enum deep_status
deep_redis_new(struct deep_store *store, const char *url, unsigned how)
{
	struct deep_redis	*self = calloc(1, sizeof(*self));

#ifndef DEEP_REDIS_TLS
	if (how & DEEP_STORE_TLS) {
		free(self);
		return deep_store_fail(store, "[store] url: this library was made without "
		    "hiredis_ssl; say redis: or redis+unix:, or build it where that is");
	}
#endif
	if (self == NULL)
		return deep_store_fail(store, "no memory for a connection to Redis; raise the "
		    "limit of the process");
	self->tls = (how & DEEP_STORE_TLS) != 0;
	self->network = store->network;
	if (!read_url(self, url, (how & DEEP_STORE_PATH) != 0)) {
		deep_redis_free(self);
		return deep_store_fail(store, "[store] url: not understood; it is "
		    "redis://user:password@host:port/number, or redis+unix:///path, with %%40 "
		    "for a @ in a password");
	}
	store->redis = self;
	return DEEP_YES;
}

void
deep_redis_disconnect(struct deep_redis *self)
{
	if (self->link != NULL)
		redisFree(self->link);
	self->link = NULL;
	self->greeted = 0;
}

void
deep_redis_free(struct deep_redis *self)
{
	if (self == NULL)
		return;
	deep_redis_disconnect(self);
#ifdef DEEP_REDIS_TLS
	SSL_CTX_free(self->tls_context);
#endif
	free(self->host);
	free(self->path);
	free(self->user);
	free(self->password);
	free(self->place);
	free(self);
}

/* Asking. */

struct pipe_guard {
	sigset_t	before;
	int		pending;
};

/* hiredis writes to a socket that its other end may have closed. */
static void
hold_sigpipe(struct pipe_guard *guard)
{
	sigset_t	set;

	(void)sigpending(&set);
	guard->pending = sigismember(&set, SIGPIPE) == 1;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &set, &guard->before);
}

static void
release_sigpipe(const struct pipe_guard *guard)
{
	static const struct timespec	at_once;
	sigset_t			set;

	if (!guard->pending) {
		(void)sigemptyset(&set);
		(void)sigaddset(&set, SIGPIPE);
		while (sigtimedwait(&set, NULL, &at_once) == SIGPIPE)
			continue;
	}
	(void)pthread_sigmask(SIG_SETMASK, &guard->before, NULL);
}

redisReply *
deep_redis_ask(struct deep_redis *self, const struct deep_words *words)
{
	struct pipe_guard	 guard;
	redisReply		*reply;

	self->denied = 0;
	if (words->full) {
		(void)strlcpy(self->why, "a record is too large for a command",
		    sizeof(self->why));
		self->denied = 1;
		return NULL;
	}
	hold_sigpipe(&guard);
	reply = redisCommandArgv(self->link, words->n, (const char **)words->word,
	    words->length);
	release_sigpipe(&guard);
	if (reply == NULL) {
		(void)strlcpy(self->why, self->link->err == REDIS_ERR_IO &&
		    (errno == EAGAIN || errno == EWOULDBLOCK) ? "no answer in time" :
		    self->link->errstr[0] != '\0' ? self->link->errstr : "no answer",
		    sizeof(self->why));
		deep_redis_disconnect(self);
		return NULL;
	}
	if (reply->type == REDIS_REPLY_ERROR) {
		(void)strlcpy(self->why, reply->str, sizeof(self->why));
		self->denied = 1;
		freeReplyObject(reply);
		return NULL;
	}
	return reply;
}

static int
asked(struct deep_redis *self, const struct deep_words *words)
{
	redisReply	*reply = deep_redis_ask(self, words);

	if (reply == NULL)
		return 0;
	freeReplyObject(reply);
	return 1;
}

#ifdef DEEP_REDIS_TLS
/* The certificate has to be of an authority that the system trusts, and of the host
 * of the URL: hiredis does not look at the name by itself. */
static int
start_tls(struct deep_redis *self)
{
	SSL_CTX	*context = self->tls_context;
	SSL	*ssl = NULL;

	if (context == NULL && (context = SSL_CTX_new(TLS_client_method())) != NULL) {
		self->tls_context = context;
		SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
		if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
		    SSL_CTX_set_default_verify_paths(context) != 1)
			goto failed;
	}
	if (context == NULL || (ssl = SSL_new(context)) == NULL)
		goto failed;
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), self->host) != 1 &&
	    (SSL_set1_host(ssl, self->host) != 1 ||
	    SSL_set_tlsext_host_name(ssl, self->host) != 1))
		goto failed;
	if (redisInitiateSSL(self->link, ssl) == REDIS_OK)
		return 1;
	(void)snprintf(self->why, sizeof(self->why), "TLS: %s%s%s", self->link->errstr,
	    SSL_get_verify_result(ssl) != X509_V_OK ? ": " : "",
	    SSL_get_verify_result(ssl) != X509_V_OK ?
	    X509_verify_cert_error_string(SSL_get_verify_result(ssl)) : "");
	SSL_free(ssl);
	return 0;
failed:
	(void)strlcpy(self->why, "TLS cannot be set up", sizeof(self->why));
	SSL_free(ssl);
	return 0;
}
#endif

enum deep_status
deep_redis_connect(struct deep_redis *self)
{
	const struct timeval	limit = {
		self->network / 1000, (self->network % 1000) * 1000
	};
	struct deep_words	*words;
	int			 good = 1;

	deep_redis_disconnect(self);
	self->link = self->path != NULL ? redisConnectUnixWithTimeout(self->path, limit) :
	    redisConnectWithTimeout(self->host, self->port, limit);
	if (self->link == NULL || self->link->err != 0) {
		(void)strlcpy(self->why, self->link == NULL ? "no memory" :
		    self->link->errstr, sizeof(self->why));
		deep_redis_disconnect(self);
		return DEEP_NO;
	}
	words = malloc(sizeof(*words));
	if (words == NULL || redisSetTimeout(self->link, limit) != REDIS_OK) {
		(void)strlcpy(self->why, "no memory", sizeof(self->why));
		good = 0;
	}
#ifdef DEEP_REDIS_TLS
	if (good && self->tls)
		good = start_tls(self);
#endif
	if (good && self->password != NULL) {
		deep_words_start(words);
		deep_words_add(words, "AUTH");
		if (self->user[0] != '\0')
			deep_words_add(words, "%s", self->user);
		deep_words_add(words, "%s", self->password);
		good = asked(self, words);
	}
	if (good && self->number != 0) {
		deep_words_start(words);
		deep_words_add(words, "SELECT");
		deep_words_add(words, "%d", self->number);
		good = asked(self, words);
	}
	free(words);
	if (!good)
		deep_redis_disconnect(self);
	return good ? DEEP_YES : DEEP_NO;
}

/* A record. */

static void
emit_held(struct deep_words *words, const char *id, const struct deep_held *held)
{
	deep_words_add(words, "l:%s", id);
	deep_words_add(words, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
	    " %" PRIu32 " %" PRIu32 " %" PRIu32, held->first, held->confirmed, held->window,
	    held->enforced, held->contradicted, held->confirmations, held->contradictions,
	    held->in_window);
}

void
deep_redis_emit(struct deep_words *words, const struct deep_known *known)
{
	const struct deep_record	*record = &known->record;
	char				 reference[DEEP_REFERENCE_TEXT];
	size_t				 i;

	if (known->mark.resets != 0 || known->mark.exempted != 0) {
		deep_words_add(words, "m");
		deep_words_add(words, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
		    known->mark.exempt, known->mark.exempted, known->mark.reset,
		    known->mark.resets);
	}
	if (deep_record_empty(record))
		return;
	for (i = 0; i < DEEP_LATCHES; i++)
		if (record->latch[i].first != 0)
			emit_held(words, deep_latch_name((unsigned)i), &record->latch[i]);
	for (i = 0; i < record->nother; i++)
		emit_held(words, record->other[i].id, &record->other[i].held);
	deep_reference_emit(reference, record);
	if (reference[0] != '\0') {
		deep_words_add(words, "c");
		deep_words_add(words, "%s", reference);
	}
	for (i = 0; i < record->nhost; i++) {
		deep_words_add(words, "h:%s", record->host[i].name);
		deep_words_add(words, "%" PRIu32 " %" PRId64 " %" PRId64 " %" PRIu32,
		    record->host[i].satisfied, record->host[i].first, record->host[i].last,
		    record->host[i].sessions);
	}
}

/* So many numbers with one blank between two, none below 0; 0: it is not that. */
static int
parse_numbers(const redisReply *value, int64_t *numbers, int n)
{
	char		 text[VALUE_MAX];
	const char	*p = text;
	char		*end;
	int		 i;

	if (value->type != REDIS_REPLY_STRING || value->len >= sizeof(text))
		return 0;
	memcpy(text, value->str, value->len);
	text[value->len] = '\0';
	for (i = 0; i < n; i++) {
		if (*p < '0' || *p > '9')
			return 0;
		errno = 0;
		numbers[i] = strtoll(p, &end, 10);
		if (errno != 0 || *end != (i + 1 < n ? ' ' : '\0'))
			return 0;
		p = end + 1;
	}
	return 1;
}

static int
parse_held(struct deep_record *record, const char *id, const redisReply *value)
{
	struct deep_held	*held, spare;
	int64_t			 n[8];
	int			 i;

	if (!deep_latch_valid(deep_str(id)) || !parse_numbers(value, n, 8) || n[0] == 0)
		return 0;
	for (i = 5; i < 8; i++)
		if (n[i] > UINT32_MAX)
			return 0;
	held = deep_record_place(record, id);
	if (held == NULL)
		held = &spare;
	held->first = n[0];
	held->confirmed = n[1];
	held->window = n[2];
	held->enforced = n[3];
	held->contradicted = n[4];
	held->confirmations = (uint32_t)n[5];
	held->contradictions = (uint32_t)n[6];
	held->in_window = (uint32_t)n[7];
	return 1;
}

static int
parse_host(struct deep_record *record, const char *name, const redisReply *value)
{
	struct deep_seen	*host;
	int64_t			 n[4];

	if (name[0] == '\0' || strlen(name) > DEEP_DOMAIN_MAX ||
	    !parse_numbers(value, n, 4) || n[0] > UINT32_MAX || n[3] > UINT32_MAX)
		return 0;
	if (record->nhost == DEEP_HOST_MAX)
		return 1;
	host = &record->host[record->nhost++];
	(void)strlcpy(host->name, name, sizeof(host->name));
	host->satisfied = (deep_latches)n[0];
	host->first = n[1];
	host->last = n[2];
	host->sessions = (uint32_t)n[3];
	return 1;
}

void
deep_redis_text(char *buf, size_t size, const redisReply *reply)
{
	(void)strlcpy(buf, reply->type == REDIS_REPLY_STRING ? reply->str : "", size);
}

enum deep_status
deep_redis_parse(const redisReply *reply, struct deep_known *known, char *version,
    size_t size)
{
	const redisReply	*field, *value;
	int64_t			 n[4];
	size_t			 i;
	int			 good = 1;

	memset(known, 0, sizeof(*known));
	version[0] = '\0';
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements % 2 != 0)
		return DEEP_BAD;
	if (reply->elements == 0)
		return DEEP_NO;
	/* The version of a damaged record is needed to change it. */
	for (i = 0; i < reply->elements; i += 2)
		if (reply->element[i]->type == REDIS_REPLY_STRING &&
		    strcmp(reply->element[i]->str, "v") == 0)
			deep_redis_text(version, size, reply->element[i + 1]);
	for (i = 0; i < reply->elements && good; i += 2) {
		field = reply->element[i];
		value = reply->element[i + 1];
		if (field->type != REDIS_REPLY_STRING || value->type != REDIS_REPLY_STRING ||
		    strlen(field->str) != field->len)
			return DEEP_BAD;
		if (strcmp(field->str, "m") == 0) {
			good = parse_numbers(value, n, 4);
			if (good) {
				known->mark.exempt = n[0];
				known->mark.exempted = n[1];
				known->mark.reset = n[2];
				known->mark.resets = n[3];
			}
		} else if (strncmp(field->str, "l:", 2) == 0)
			good = parse_held(&known->record, field->str + 2, value);
		else if (strncmp(field->str, "h:", 2) == 0)
			good = parse_host(&known->record, field->str + 2, value);
		else if (strcmp(field->str, "c") == 0)
			good = deep_reference_parse(&known->record, value->str);
		/* "v", or of a later version */
	}
	known->record.exempt = known->mark.exempt;
	deep_record_close(&known->record);
	return good ? DEEP_YES : DEEP_BAD;
}
