/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * redis.h - a connection to Redis or Valkey, and a key's record in it.  Not
 * installed.
 */
#ifndef DEEP_REDIS_H
#define DEEP_REDIS_H

#include <hiredis/hiredis.h>

#include "store_shadow.h"

#define DEEP_REDIS_WORDS 160	/* of a command: a record has 50 fields, and fields have values */
#define DEEP_REDIS_ROOM	32768	/* octets of them */

struct deep_redis {
	redisContext	*link;		/* NULL: not connected */
	char		*host, *path;	/* one of them */
	char		*user, *password;
	int		 port, number;	/* of the database */
	int		 tls;
	int		 network;	/* ms */
	char		*place;		/* "127.0.0.1:6379", for people */
	char		 why[256];	/* the last thing that went wrong with it */
	int		 denied;	/* 1: the server refused, the link is sound */
	char		 sha[41];	/* the server's name of the script; "": not asked yet */
	int64_t		 retry;		/* ms since 1970: not asked before */
	int64_t		 write_retry;	/* the same for what changes it: a replica takes none */
	int		 wait;		/* ms, what the next wait is */
	int		 stale;		/* 1: no master; look again where the URL leads */
	int		 greeted;	/* 1: it is known which server it is, and how far it is */
	struct deep_shadow state;	/* of the shadow, as of the greeting and later */
	int		 pending;	/* 1: there may be sessions in the queue */
	int64_t		 looked;	/* ms since 1970: when there were none */
	void		*tls_context;
};

/* The words of a command, written one behind the other into one room. */
struct deep_words {
	int		 n, full;	/* full: something did not fit */
	size_t		 used;
	const char	*word[DEEP_REDIS_WORDS];
	size_t		 length[DEEP_REDIS_WORDS];
	char		 room[DEEP_REDIS_ROOM];
};
void	deep_words_start(struct deep_words *);
void	deep_words_add(struct deep_words *, const char *, ...)
	    __attribute__((__format__(__printf__, 2, 3)));

/* By its URL, from behind "redis:" and so on.  FAIL: the error is told. */
enum deep_status deep_redis_new(struct deep_store *, const char *url, unsigned how);
void	deep_redis_free(struct deep_redis *);
/* YES, or NO with the reason in why. */
enum deep_status deep_redis_connect(struct deep_redis *);
void	deep_redis_disconnect(struct deep_redis *);
/* NULL: why says it.  Else the caller's, for freeReplyObject(). */
redisReply *deep_redis_ask(struct deep_redis *, const struct deep_words *);

/* A string; "" where the reply is none. */
void	deep_redis_text(char *buf, size_t size, const redisReply *);

/* A record as the fields of a hash: their names and values behind each other. */
void	deep_redis_emit(struct deep_words *, const struct deep_known *);
/* Of what HGETALL answers.  NO: there is none.  BAD: not of this form. */
enum deep_status deep_redis_parse(const redisReply *, struct deep_known *, char *version,
	    size_t size);

#endif
