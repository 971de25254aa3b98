/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * stream.c - the octets of a file, undone where they are gzip (RFC 1952), xz or
 * Zstandard (RFC 8878), as their first octets tell, whatever the name says.
 *
 * Members and frames may follow one another.  What is read is given out as it
 * comes, so an archive that is larger than it looks costs time, not memory;
 * the memory of the decoders is bounded by XZ_MEMORY and ZSTD_WINDOW.  An
 * archive that ends early or is damaged gives what came before, and then an
 * error that says how much that was.  Never looks into an archive in another.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <lzma.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "analyzer.h"
#include "utf8.h"

#define PACKED_SIZE	(64 * 1024)		/* octets that are read at a time */
#define XZ_MEMORY	(128 * 1024 * 1024)	/* octets; xz -9 needs 65 MiB */
#define ZSTD_WINDOW	27			/* 128 MiB, what zstd(1) takes without --long */

enum stepped { STEP_GO, STEP_END, STEP_BAD };	/* of a decoder: END, of a member or frame */

struct stream {
	int			 fd;
	const char		*path;
	const struct decoder	*decoder;	/* NULL: the octets as they are */
	unsigned char		*packed;
	size_t			 at, have;	/* in packed */
	uint64_t		 given;		/* octets given out */
	uint64_t		 read;		/* octets of the file */
	unsigned		 waits : 1;	/* it is no file */
	unsigned		 started : 1, at_end : 1, inside : 1, failed : 1;
	z_stream		 gzip;
	lzma_stream		 xz;
	ZSTD_DStream		*zstd;
};

struct decoder {
	const char	*name;
	const char	*magic;
	size_t		 n;
	int		(*start)(struct stream *);	/* 0, or -1: no memory */
	enum stepped	(*step)(struct stream *, char **to, size_t *room);
	void		(*stop)(struct stream *);
};

static int
gzip_start(struct stream *s)
{
	memset(&s->gzip, 0, sizeof(s->gzip));
	return inflateInit2(&s->gzip, 15 + 16) == Z_OK ? 0 : -1;
}

static enum stepped
gzip_step(struct stream *s, char **to, size_t *room)
{
	uInt space = *room > 1U << 30 ? 1U << 30 : (uInt)*room;
	int answer;

	s->gzip.next_in = s->packed + s->at;
	s->gzip.avail_in = (uInt)(s->have - s->at);
	s->gzip.next_out = (unsigned char *)*to;
	s->gzip.avail_out = space;
	answer = inflate(&s->gzip, Z_NO_FLUSH);
	s->at = s->have - s->gzip.avail_in;
	*to += space - s->gzip.avail_out;
	*room -= space - s->gzip.avail_out;
	if (answer == Z_STREAM_END)
		return inflateReset(&s->gzip) == Z_OK ? STEP_END : STEP_BAD;
	return answer == Z_OK || answer == Z_BUF_ERROR ? STEP_GO : STEP_BAD;
}

static void
gzip_stop(struct stream *s)
{
	inflateEnd(&s->gzip);
}

static int
xz_start(struct stream *s)
{
	static const lzma_stream fresh = LZMA_STREAM_INIT;

	s->xz = fresh;
	return lzma_stream_decoder(&s->xz, XZ_MEMORY, 0) == LZMA_OK ? 0 : -1;
}

static enum stepped
xz_step(struct stream *s, char **to, size_t *room)
{
	lzma_ret answer;

	s->xz.next_in = s->packed + s->at;
	s->xz.avail_in = s->have - s->at;
	s->xz.next_out = (unsigned char *)*to;
	s->xz.avail_out = *room;
	answer = lzma_code(&s->xz, LZMA_RUN);
	s->at = s->have - s->xz.avail_in;
	*to += *room - s->xz.avail_out;
	*room = s->xz.avail_out;
	if (answer == LZMA_STREAM_END)
		return lzma_stream_decoder(&s->xz, XZ_MEMORY, 0) == LZMA_OK ? STEP_END : STEP_BAD;
	return answer == LZMA_OK || answer == LZMA_BUF_ERROR ? STEP_GO : STEP_BAD;
}

static void
xz_stop(struct stream *s)
{
	lzma_end(&s->xz);
}

static int
zstd_start(struct stream *s)
{
	if ((s->zstd = ZSTD_createDStream()) == NULL)
		return -1;
	return ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW)) ?
	    -1 : 0;
}

static enum stepped
zstd_step(struct stream *s, char **to, size_t *room)
{
	ZSTD_inBuffer in = { s->packed, s->have, s->at };
	ZSTD_outBuffer out = { *to, *room, 0 };
	size_t answer = ZSTD_decompressStream(s->zstd, &out, &in);

	s->at = in.pos;
	*to += out.pos;
	*room -= out.pos;
	return ZSTD_isError(answer) ? STEP_BAD : answer == 0 ? STEP_END : STEP_GO;
}

static void
zstd_stop(struct stream *s)
{
	ZSTD_freeDStream(s->zstd);
}

static const struct decoder decoders[] = {
	{ "gzip", "\037\213", 2, gzip_start, gzip_step, gzip_stop },
	{ "xz", "\3757zXZ\0", 6, xz_start, xz_step, xz_stop },
	{ "Zstandard", "\050\265\057\375", 4, zstd_start, zstd_step, zstd_stop },
};

struct stream *
stream_new(int fd, const char *path)
{
	struct stream *s = calloc(1, sizeof(*s));
	struct stat st;

	if (s == NULL)
		err(EX_OSERR, NULL);
	s->fd = fd;
	s->path = path;
	s->waits = fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	return s;
}

/* 0 when a signal asks to stop, too: run.c sees that it is no end. */
static ssize_t
read_some(const struct stream *s, void *to, size_t n)
{
	struct pollfd fd = { s->fd, POLLIN, 0 };
	ssize_t got;

	/* a pipe may have nothing to give for long, and read(2) goes on by itself */
	while (s->waits && poll(&fd, 1, -1) == -1 && errno == EINTR) {
		if (interrupted)
			return 0;
	}
	do {
		got = read(s->fd, to, n);
	} while (got == -1 && errno == EINTR);
	return got;
}

/* -1 after an error, which is said. */
static int
refill(struct stream *s)
{
	ssize_t n;

	if (s->at > 0) {
		memmove(s->packed, s->packed + s->at, s->have - s->at);
		s->have -= s->at;
		s->at = 0;
	}
	if ((n = read_some(s, s->packed + s->have, PACKED_SIZE - s->have)) == -1) {
		warn("%s", visible(s->path));
		return -1;
	}
	s->at_end = n == 0;
	s->have += (size_t)n;
	s->read += (uint64_t)n;
	return 0;
}

/* The first octets: enough of them to see what it is. */
static int
begin(struct stream *s)
{
	size_t i;

	s->started = 1;
	if ((s->packed = malloc(PACKED_SIZE)) == NULL)
		err(EX_OSERR, NULL);
	while (s->have < 6 && !s->at_end) {
		if (refill(s) != 0)
			return -1;
	}
	for (i = 0; i < sizeof(decoders) / sizeof(decoders[0]); i++) {
		if (s->have < decoders[i].n || memcmp(s->packed, decoders[i].magic, decoders[i].n) != 0)
			continue;
		s->decoder = &decoders[i];
		if (s->decoder->start(s) != 0)
			errx(EX_OSERR, "%s: memory for %s", visible(s->path), s->decoder->name);
		s->inside = 1;
		break;
	}
	return 0;
}

static ssize_t
unpack(struct stream *s, char *to, size_t n)
{
	char *start = to;
	size_t room = n, before;
	const char *what = NULL;

	while (room > 0 && what == NULL) {
		if (s->at == s->have && !s->at_end && refill(s) != 0)
			return -1;
		if (s->at == s->have && s->at_end && !s->inside)
			break;			/* the end of a member, and of the file */
		if (!s->inside && s->have - s->at < s->decoder->n && !s->at_end) {
			if (refill(s) != 0)
				return -1;
			continue;
		}
		if (!s->inside && (s->have - s->at < s->decoder->n ||
		    memcmp(s->packed + s->at, s->decoder->magic, s->decoder->n) != 0)) {
			what = "are followed by something else";
			break;
		}
		s->inside = 1;
		before = s->have - s->at + room;
		switch (s->decoder->step(s, &to, &room)) {
		case STEP_END:
			s->inside = 0;
			break;
		case STEP_BAD:
			what = "are damaged";
			break;
		case STEP_GO:
		default:
			if (before == s->have - s->at + room && s->at_end)
				what = "end early";
			break;
		}
	}
	s->given += (uint64_t)(to - start);
	if (what != NULL) {
		warnx("%s: the %s data %s at octet %llu of the file; %llu octets of text came before",
		    visible(s->path), s->decoder->name, what,
		    (unsigned long long)(s->read - (s->have - s->at)),
		    (unsigned long long)s->given);
		s->failed = 1;
	}
	return to > start ? (ssize_t)(to - start) : s->failed ? -1 : 0;
}

ssize_t
stream_read(struct stream *s, char *to, size_t n)
{
	ssize_t got;

	if (s->failed)
		return -1;
	if (!s->started && begin(s) != 0)
		return -1;
	if (s->decoder != NULL)
		return unpack(s, to, n);
	if (s->at < s->have) {
		if (n > s->have - s->at)
			n = s->have - s->at;
		memcpy(to, s->packed + s->at, n);
		s->at += n;
		return (ssize_t)n;
	}
	if ((got = read_some(s, to, n)) == -1)
		warn("%s", visible(s->path));
	else
		s->read += (uint64_t)got;
	return got;
}

uint64_t
stream_position(const struct stream *s)
{
	return s->read - (s->decoder != NULL ? s->have - s->at : 0);
}

int
stream_is_packed(struct stream *s)
{
	if (!s->started)
		(void)begin(s);
	return s->decoder != NULL;
}

int
stream_go_to(struct stream *s, int64_t offset)
{
	s->started = 1;		/* nothing has to be looked at */
	s->at = s->have = 0;
	s->read = 0;
	return lseek(s->fd, offset, SEEK_SET) == -1 ? -1 : 0;
}

void
stream_free(struct stream *s)
{
	if (s == NULL)
		return;
	if (s->decoder != NULL)
		s->decoder->stop(s);
	free(s->packed);
	free(s);
}
