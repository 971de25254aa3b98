/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * arena.c - memory for one message at a time: blocks that are given out from
 * the front and kept for the next message; and room for what is read and written.
 */
#include <sys/mman.h>

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "analyzer.h"

#define BLOCK_SIZE	(256 * 1024)
#define KEEP_MAX	(4 * 1024 * 1024)	/* blocks above this are given back */
#define ALIGNMENT	16
/* AddressSanitizer sees the end of each block that malloc() gives, not of a part of one. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED
#endif
#endif
#define LARGE_PAGE	(2 * 1024 * 1024)
#define ROOMS		2			/* in one, each as large */
#define ROOM_SIZE	(LARGE_PAGE / ROOMS)

struct block {
	struct block	*next;
	size_t		 size, used;
	char		*bytes;
};

struct arena {
	struct block	*first, *current;
};

static struct block *
block_new(size_t size)
{
	struct block *block = calloc(1, sizeof(*block));

	if (block == NULL || (block->bytes = malloc(size)) == NULL)
		err(EX_OSERR, "memory for one message");
	block->size = size;
	return block;
}

struct arena *
arena_new(void)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL)
		err(EX_OSERR, NULL);
	arena->first = arena->current = block_new(BLOCK_SIZE);
	return arena;
}

static char *
take(struct arena *arena, size_t n)
{
	struct block *block = arena->current, *fresh;
	char *bytes;

	n = (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	while (block->size - block->used < n && block->next != NULL)
		block = block->next;
	if (block->size - block->used < n) {
		fresh = block_new(n > BLOCK_SIZE ? n : BLOCK_SIZE);
		block->next = fresh;
		block = fresh;
	}
	arena->current = block;
	bytes = block->bytes + block->used;
	block->used += n;
	return bytes;
}

void *
arena_get(struct arena *arena, size_t n)
{
	return memset(take(arena, n), 0, n);
}

void *
arena_text(struct arena *arena, size_t n)
{
	return take(arena, n);
}

void
arena_less(struct arena *arena, const void *last, size_t n)
{
	struct block *block = arena->current;
	size_t at = (size_t)((const char *)last - block->bytes);

	block->used = at + (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void
block_free(struct block *block)
{
	struct block *next;

	for (; block != NULL; block = next) {
		next = block->next;
		free(block->bytes);
		free(block);
	}
}

void
arena_reset(struct arena *arena)
{
	struct block *block;
	size_t kept = 0;

	for (block = arena->first; block != NULL; block = block->next) {
		block->used = 0;
		kept += block->size;
		if (kept > KEEP_MAX && block->next != NULL) {
			block_free(block->next);
			block->next = NULL;
		}
	}
	arena->current = arena->first;
}

void
arena_free(struct arena *arena)
{
	if (arena == NULL)
		return;
	block_free(arena->first);
	free(arena);
}

/* The first two lie in a large page, where the system has them: it takes longer to give
 * out some hundred small ones, on a virtual machine above all, than to fill them. */
static char *rooms;
static int taken[ROOMS];

static void *
room_new(size_t size)
{
	int i;

#if defined(MADV_HUGEPAGE) && !defined(SANITIZED)
	void *page;

	if (rooms == NULL && posix_memalign(&page, LARGE_PAGE, LARGE_PAGE) == 0) {
		rooms = page;
		(void)madvise(page, LARGE_PAGE, MADV_HUGEPAGE);
	}
#endif
	for (i = 0; i < ROOMS && rooms != NULL && size <= ROOM_SIZE; i++) {
		if (!taken[i]) {
			taken[i] = 1;
			return rooms + (size_t)i * ROOM_SIZE;
		}
	}
	return malloc(size);
}

/* Its number; ROOMS: it lies elsewhere. */
static int
room_number(const char *room)
{
	int i;

	for (i = 0; i < ROOMS && rooms != NULL; i++) {
		if (room == rooms + (size_t)i * ROOM_SIZE)
			return i;
	}
	return ROOMS;
}

void *
room_grow(void *room, size_t had, size_t size)
{
	int i = room == NULL ? ROOMS : room_number(room);
	void *larger;

	if (i < ROOMS && size <= ROOM_SIZE)
		return room;
	if (room != NULL && i == ROOMS)
		larger = realloc(room, size);
	else
		larger = room_new(size);
	if (larger == NULL)
		err(EX_OSERR, "memory for what is read or written");
	if (i < ROOMS) {
		memcpy(larger, room, had);
		taken[i] = 0;
	}
	return larger;
}

void
room_free(void *room)
{
	int i = room_number(room);

	if (i < ROOMS)
		taken[i] = 0;
	else
		free(room);
}
