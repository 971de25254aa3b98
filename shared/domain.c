/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * domain.c - the one form of a domain that is used as a key: lower-case
 * A-labels without a final dot (RFC 5890 2.3.2.1, RFC 5891, RFC 1035 2.3.4).
 *
 * A name in ASCII is its own A-label form but for the case of its letters,
 * also where IDNA2008 would not register it ("_dmarc", "ab--cd"), so that it
 * never reaches libidn2.  Any other name is filtered before the library sees
 * it, and the library's answer is checked as if it had come from the network.
 *
 * It never asks the DNS, never goes up to a parent domain, and never keeps
 * what libidn2 allocated.
 */
#include <idn2.h>
#include <string.h>

#include "deep.h"

/*
 * Octets in a name as given.  A code point is at most four octets in UTF-8 and
 * at least about one octet in an A-label, so that nothing longer can have a
 * key; this bounds what libidn2 works on.
 */
#define NAME_MAX_OCTETS	(4 * (DEEP_DOMAIN_MAX + 1))

/*
 * RFC 3629 4, without the controls (C0, DEL, C1).  One character off the
 * front of p[0..n): its octets, or 0 where none stands there.
 */
static size_t
character(const unsigned char *p, size_t n)
{
	static const uint32_t	least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t		code;
	size_t			octets, i;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if ((p[0] & 0xe0) == 0xc0) {
		octets = 2;
		code = p[0] & 0x1f;
	} else if ((p[0] & 0xf0) == 0xe0) {
		octets = 3;
		code = p[0] & 0x0f;
	} else if ((p[0] & 0xf8) == 0xf0) {
		octets = 4;
		code = p[0] & 0x07;
	} else
		return 0;
	if (octets > n)
		return 0;
	for (i = 1; i < octets; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[octets] || code > 0x10ffff ||
	    (code >= 0xd800 && code <= 0xdfff) || code < 0xa0)
		return 0;
	return octets;
}

/* The filter of what was given; *ascii tells whether no octet is above 0x7f. */
static int
is_clean(struct deep_str name, int *ascii)
{
	size_t	i, octets;

	*ascii = 1;
	if (name.n == 0 || name.n > NAME_MAX_OCTETS)
		return 0;
	for (i = 0; i < name.n; i += octets) {
		octets = character((const unsigned char *)name.p + i, name.n - i);
		if (octets == 0)
			return 0;
		if (octets > 1)
			*ascii = 0;
	}
	return 1;
}

/*
 *	domain	= label *("." label)
 *	label	= 1*63(ALPHA / DIGIT / "-" / "_")
 *
 * Writes the name in lower case.  The answer: its length, or 0: refused.
 */
static size_t
lower_labels(char key[DEEP_DOMAIN_MAX + 1], const char *name, size_t n)
{
	size_t	i, label = 0;
	char	c;

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 0 || n > DEEP_DOMAIN_MAX)
		return 0;
	for (i = 0; i < n; i++) {
		c = name[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c == '.') {
			if (label == 0)
				return 0;
			label = 0;
		} else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		    c == '-' || c == '_') {
			if (++label > DEEP_LABEL_MAX)
				return 0;
		} else
			return 0;
		key[i] = c;
	}
	key[n] = '\0';
	return label == 0 ? 0 : n;
}

/*
 * Whether the last label is a number, as in "192.0.2.1", "3221225985" and
 * "192.0.0x201": inet_aton(3) takes all of these for an address, and no top
 * level domain is a number (RFC 1123 2.1).  IPv6 addresses and [literals] have
 * failed before, for their colons and brackets.
 */
static int
ends_in_number(const char *key)
{
	const char	*last = strrchr(key, '.');

	last = last == NULL ? key : last + 1;
	if (last[0] == '0' && last[1] == 'x')
		return strspn(last + 2, "0123456789abcdef") == strlen(last + 2);
	return strspn(last, "0123456789") == strlen(last);
}

/*
 * The line that this makes:
 *
 *	xn--bcher-kva.example
 */
int
deep_domain_key(char *buf, size_t size, struct deep_str name)
{
	char	 given[NAME_MAX_OCTETS + 1];
	char	 key[DEEP_DOMAIN_MAX + 1];
	uint8_t	*answer = NULL;
	size_t	 length = 0;
	int	 ascii;

	if (size > 0)
		buf[0] = '\0';
	if (!is_clean(name, &ascii))
		return -1;
	if (ascii)
		length = lower_labels(key, name.p, name.n);
	else {
		memcpy(given, name.p, name.n);
		given[name.n] = '\0';
		if (idn2_lookup_u8((const uint8_t *)given, &answer,
		    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK)
			length = lower_labels(key, (const char *)answer,
			    strlen((const char *)answer));
		idn2_free(answer);
	}
	if (length == 0 || ends_in_number(key))
		return -1;
	if (length < size)
		memcpy(buf, key, length + 1);
	return (int)length;
}
