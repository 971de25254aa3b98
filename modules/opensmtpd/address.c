/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * address.c - a loopback address for each domain.  smtpd's relays, sessions and
 * transactions are one for each host that a relayhost table answers, so that an
 * address of its own is what keeps a domain's mail apart from all others'.
 *
 * An address follows from the domain's name (FNV-1a), and from nothing else
 * unless another domain has it: then the next guess counts, and the caller
 * keeps what was given.  So a lost memory changes few of them.
 */
#include <arpa/inet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "osmtpd.h"

#define GUESSES		64		/* addresses that are tried for a domain */
#define DOMAINS_MAX	1000000		/* domains that are remembered: about 100 octets each */
#define FNV_BASE	14695981039346656037ULL
#define FNV_PRIME	1099511628211ULL

struct entry {
	struct entry	*by_name, *by_address;	/* the next in its bucket */
	uint32_t	 address;
	int		 asked;			/* for, since this began */
	char		 domain[];
};

struct bucket {
	struct entry	*first;
};

struct addresses {
	uint32_t	 net, size;		/* of the net: 2^(32 - bits) */
	size_t		 count, buckets;	/* of each kind, a power of two */
	struct bucket	*name, *address;
};

static uint64_t
hash(const char *domain, unsigned guess)
{
	uint64_t	h = FNV_BASE;

	for (; *domain != '\0'; domain++)
		h = (h ^ (unsigned char)*domain) * FNV_PRIME;
	h = (h ^ guess) * FNV_PRIME;
	return h ^ h >> 32;
}

/* Neither the first nor the last of the net, nor 127.0.0.0/24, which others use. */
static int
is_usable(const struct addresses *addresses, uint32_t address)
{
	return address - addresses->net > 0 &&
	    address - addresses->net < addresses->size - 1 && address >> 8 != 0x7f0000;
}

static uint32_t
guess(const struct addresses *addresses, const char *domain, unsigned n)
{
	uint32_t	address;

	address = addresses->net + (uint32_t)(hash(domain, n) % addresses->size);
	return is_usable(addresses, address) ? address : addresses->net + addresses->size / 2;
}

static struct entry *
of_name(const struct addresses *addresses, const char *domain)
{
	struct entry	*entry;

	entry = addresses->name[hash(domain, 0) & (addresses->buckets - 1)].first;
	while (entry != NULL && strcmp(entry->domain, domain) != 0)
		entry = entry->by_name;
	return entry;
}

static struct entry *
of_address(const struct addresses *addresses, uint32_t address)
{
	struct entry	*entry;

	entry = addresses->address[address & (addresses->buckets - 1)].first;
	while (entry != NULL && entry->address != address)
		entry = entry->by_address;
	return entry;
}

static void
link_entry(struct addresses *addresses, struct entry *entry)
{
	size_t	mask = addresses->buckets - 1;
	struct bucket *name = &addresses->name[hash(entry->domain, 0) & mask];
	struct bucket *address = &addresses->address[entry->address & mask];

	entry->by_name = name->first;
	name->first = entry;
	entry->by_address = address->first;
	address->first = entry;
}

/* Twice the buckets; where there is no memory they stay as they are. */
static void
grow(struct addresses *addresses)
{
	struct addresses	 old = *addresses;
	struct entry		*entry, *next;
	size_t			 i;

	addresses->buckets *= 2;
	addresses->name = calloc(addresses->buckets, sizeof(*addresses->name));
	addresses->address = calloc(addresses->buckets, sizeof(*addresses->address));
	if (addresses->name == NULL || addresses->address == NULL) {
		free(addresses->name);
		free(addresses->address);
		*addresses = old;
		return;
	}
	for (i = 0; i < old.buckets; i++)
		for (entry = old.name[i].first; entry != NULL; entry = next) {
			next = entry->by_name;
			link_entry(addresses, entry);
		}
	free(old.name);
	free(old.address);
}

static struct entry *
add(struct addresses *addresses, const char *domain, uint32_t address)
{
	struct entry	*entry;
	size_t		 n = strlen(domain) + 1;

	if (addresses->count >= DOMAINS_MAX ||
	    (entry = malloc(sizeof(*entry) + n)) == NULL)
		return NULL;
	memcpy(entry->domain, domain, n);
	entry->address = address;
	entry->asked = 0;
	if (addresses->count >= addresses->buckets)
		grow(addresses);
	link_entry(addresses, entry);
	addresses->count++;
	return entry;
}

uint32_t
addresses_get(struct addresses *addresses, const char *domain, int *first)
{
	struct entry	*entry = of_name(addresses, domain);
	uint32_t	 address;
	unsigned	 n;

	*first = 0;
	for (n = 0; entry == NULL && n < GUESSES; n++) {
		address = guess(addresses, domain, n);
		if (of_address(addresses, address) != NULL)
			continue;
		if ((entry = add(addresses, domain, address)) == NULL)
			return address;
	}
	if (entry == NULL)
		return guess(addresses, domain, 0);
	*first = !entry->asked;
	entry->asked = 1;
	return entry->address;
}

enum deep_status
addresses_set(struct addresses *addresses, const char *domain, uint32_t address)
{
	struct entry	*entry = of_name(addresses, domain);

	if (entry != NULL)
		return entry->address == address ? DEEP_YES : DEEP_NO;
	if (!is_usable(addresses, address) || of_address(addresses, address) != NULL)
		return DEEP_NO;
	return add(addresses, domain, address) != NULL ? DEEP_YES : DEEP_FAIL;
}

size_t
addresses_count(const struct addresses *addresses)
{
	return addresses->count;
}

int
addresses_net(const char *text, uint32_t *net, unsigned *bits)
{
	struct in_addr	address;
	char		part[16], *end;
	size_t		n = strcspn(text, "/");

	if (n >= sizeof(part) || text[n] != '/' || text[n + 1] < '0' || text[n + 1] > '9')
		return -1;
	memcpy(part, text, n);
	part[n] = '\0';
	*bits = (unsigned)strtoul(text + n + 1, &end, 10);
	if (*end != '\0')
		return -1;
	if (inet_pton(AF_INET, part, &address) != 1 || *bits < 8 || *bits > 24)
		return -1;
	*net = ntohl(address.s_addr);
	if (*net >> 24 != 127 || (*net & (0xffffffffU >> *bits)) != 0)
		return -1;
	return 0;
}

struct addresses *
addresses_new(uint32_t net, unsigned bits)
{
	struct addresses	*addresses = calloc(1, sizeof(*addresses));

	if (addresses == NULL)
		return NULL;
	addresses->net = net;
	addresses->size = 1U << (32 - bits);
	addresses->buckets = 1024;
	addresses->name = calloc(addresses->buckets, sizeof(*addresses->name));
	addresses->address = calloc(addresses->buckets, sizeof(*addresses->address));
	if (addresses->name == NULL || addresses->address == NULL) {
		addresses_free(addresses);
		return NULL;
	}
	return addresses;
}

void
addresses_free(struct addresses *addresses)
{
	struct entry	*entry, *next;
	size_t		 i;

	if (addresses == NULL)
		return;
	for (i = 0; addresses->name != NULL && i < addresses->buckets; i++)
		for (entry = addresses->name[i].first; entry != NULL; entry = next) {
			next = entry->by_name;
			free(entry);
		}
	free(addresses->name);
	free(addresses->address);
	free(addresses);
}
