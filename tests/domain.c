/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * domain.c - tests of shared/domain.c, the key of D3.1-2.
 */
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deep.h"
#include "tap.h"

static const struct {
	const char	*what;
	const char	*name;
	const char	*key;		/* NULL: refused */
} names[] = {
	{ "as it is", "example.org", "example.org" },
	{ "lower case", "MX.Example.ORG", "mx.example.org" },
	{ "one label", "localhost", "localhost" },
	{ "one octet", "a", "a" },
	{ "one final dot is cut", "example.org.", "example.org" },
	{ "two final dots", "example.org..", NULL },
	{ "an empty label", "a..example.org", NULL },
	{ "a leading dot", ".example.org", NULL },
	{ "a dot", ".", NULL },
	{ "two dots", "..", NULL },
	{ "nothing", "", NULL },
	{ "underscore", "_dmarc.Example.org", "_dmarc.example.org" },
	{ "hyphens in 3 and 4, no A-label", "AB--cd.example", "ab--cd.example" },
	{ "hyphens at the edges", "-a-.example", "-a-.example" },
	{ "an A-label", "XN--Bcher-KVA.example", "xn--bcher-kva.example" },
	{ "a false A-label", "xn--zzzzzz99.example", "xn--zzzzzz99.example" },
	{ "an A-label of nothing", "xn--.example", "xn--.example" },
	{ "a digit first", "3com.example", "3com.example" },

	{ "a U-label", "b\303\274cher.example", "xn--bcher-kva.example" },
	{ "an upper-case U-label", "B\303\234CHER.Example", "xn--bcher-kva.example" },
	{ "a U-label with a final dot", "b\303\274cher.example.",
	    "xn--bcher-kva.example" },
	{ "a U-label, final dots", "b\303\274cher.example..", NULL },
	{ "a U-label, an empty label", "b\303\274cher..example", NULL },
	{ "a U-label, a leading dot", ".b\303\274cher.example", NULL },
	{ "not in NFC", "bu\314\210cher.example", "xn--bcher-kva.example" },
	{ "sharp s is not ss", "stra\303\237e.example", "xn--strae-oqa.example" },
	{ "four octets (U+20000)", "\360\240\200\200.example", "xn--j50i.example" },
	{ "U+3002 is a dot", "b\303\274cher\343\200\202example",
	    "xn--bcher-kva.example" },
	{ "U+3002 at the end is a final dot", "example\343\200\202", "example" },
	{ "U+3002 and a final dot", "example\343\200\202.", NULL },
	{ "U+3002 alone", "\343\200\202", NULL },
	{ "U+3002 twice", "a\343\200\202\343\200\202example", NULL },
	{ "U+FF0E is a dot", "a\357\274\216example", "a.example" },
	{ "fullwidth letters", "\357\274\241.example", "a.example" },
	{ "a soft hyphen vanishes", "a\302\255b.example", "ab.example" },
	{ "a label of a soft hyphen", "a.\302\255.example", NULL },
	{ "a U-label beside what libidn2 dislikes", "ab--cd.b\303\274cher.example",
	    NULL },
	{ "what becomes a slash (U+2100)", "\342\204\200.example", NULL },
	{ "a right-to-left override", "a\342\200\256b.example", NULL },
	{ "a private character", "\356\200\200.example", NULL },
	{ "mixed directions", "a\327\220.example", NULL },

	{ "IPv4", "192.0.2.1", NULL },
	{ "IPv4 with a final dot", "192.0.2.1.", NULL },
	{ "IPv4 as one number", "3221225985", NULL },
	{ "IPv4 in hexadecimal", "0xC0.0.2.0x1", NULL },
	{ "IPv4 in hexadecimal, nothing behind it", "a.0x", NULL },
	{ "IPv4 in octal", "0300.0.02.01", NULL },
	{ "IPv4 in fullwidth digits", "192.0.2.\357\274\221", NULL },
	{ "a number last", "example.123", NULL },
	{ "hexadecimal and more", "example.0xyz", "example.0xyz" },
	{ "a number and more", "example.123a", "example.123a" },
	{ "numbers first", "192.0.2.1.example", "192.0.2.1.example" },
	{ "IPv6", "2001:db8::1", NULL },
	{ "IPv6 mapped", "::ffff:192.0.2.1", NULL },
	{ "a literal", "[192.0.2.1]", NULL },
	{ "an IPv6 literal", "[IPv6:2001:db8::1]", NULL },

	{ "a space", "a b.example", NULL },
	{ "a space first", " example", NULL },
	{ "a line end", "example.org\n", NULL },
	{ "a tab", "example\t.org", NULL },
	{ "DEL", "example\177.org", NULL },
	{ "C1 (U+0085)", "example\302\205.org", NULL },
	{ "an at sign", "a@example.org", NULL },
	{ "a colon", "example.org:25", NULL },
	{ "a slash", "a/b.example", NULL },
	{ "an asterisk", "*.example.org", NULL },
	{ "UTF-8 of nothing", "a\200.example", NULL },
	{ "UTF-8 cut short", "example.\303", NULL },
	{ "UTF-8 too long", "\300\256example", NULL },
	{ "UTF-8 too long, three octets", "\340\200\256example", NULL },
	{ "UTF-8 too long, four octets", "\360\200\200\256example", NULL },
	{ "a surrogate", "\355\240\200.example", NULL },
	{ "above U+10FFFF", "\364\220\200\200.example", NULL },
	{ "five octets", "\370\210\200\200\200.example", NULL },
	{ "Latin-1", "b\374cher.example", NULL },
};

static void
test_names(void)
{
	struct deep_str	name;
	char		buf[300], *slice;
	size_t		i;
	int		length;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		/* without a NUL, so that the end is the end of the allocation */
		name.n = strlen(names[i].name);
		slice = malloc(name.n == 0 ? 1 : name.n);
		memcpy(slice, names[i].name, name.n);
		name.p = slice;
		memset(buf, 'x', sizeof(buf));
		length = deep_domain_key(buf, sizeof(buf), name);
		free(slice);
		is_int(length, names[i].key == NULL ? -1 : (int)strlen(names[i].key),
		    "D3.1-2 row %zu, %s: length", i, names[i].what);
		is(buf, names[i].key == NULL ? "" : names[i].key, "D3.1-2 row %zu, %s",
		    i, names[i].what);
		if (names[i].key == NULL)
			continue;
		length = deep_domain_key(buf, sizeof(buf), deep_str(names[i].key));
		is(length < 0 ? "refused" : buf, names[i].key,
		    "row %zu, %s: the key of a key is itself", i, names[i].what);
	}
	name.p = "a\0b.example";
	name.n = 11;
	is_int(deep_domain_key(buf, sizeof(buf), name), -1, "a NUL");
	name.p = "b\303\274\0.example";
	is_int(deep_domain_key(buf, sizeof(buf), name), -1, "a NUL behind a U-label");
	is_int(deep_domain_key(buf, sizeof(buf), deep_str(NULL)), -1, "nothing at all");
}

/* A name of n octets: labels of 63 and the rest, which is never a number. */
static void
fill(char *name, size_t n)
{
	size_t	i;

	for (i = 0; i < n; i++)
		name[i] = i % 64 == 63 ? '.' : 'a';
	name[n] = '\0';
}

static void
test_limits(void)
{
	static char	 long_name[70000];
	char		 name[2048], key[300], label[64 * 4];
	size_t		 i, n, found[2] = { 0, 0 };
	int		 length, expected;
	uint8_t		*answer;

	fill(name, 63);
	is_int(deep_domain_key(key, sizeof(key), deep_str(name)), 63, "a label of 63");
	memset(name, 'a', 64);
	name[64] = '\0';
	is_int(deep_domain_key(key, sizeof(key), deep_str(name)), -1, "a label of 64");
	strcpy(name + 64, ".example");
	is_int(deep_domain_key(key, sizeof(key), deep_str(name)), -1,
	    "a first label of 64");

	for (n = 252; n <= 255; n++) {
		fill(name, n);
		if (n == 255)
			name[252] = 'a';
		expected = n <= DEEP_DOMAIN_MAX ? (int)n : -1;
		is_int(deep_domain_key(key, sizeof(key), deep_str(name)), expected,
		    "a name of %zu", n);
		strcat(name, ".");
		is_int(deep_domain_key(key, sizeof(key), deep_str(name)), expected,
		    "a name of %zu and a final dot", n);
	}

	/* U-labels: as many e-acute as have an A-label of 63 octets, and one more. */
	for (n = 1; n <= 63; n++) {
		for (i = 0; i < n; i++)
			memcpy(label + 2 * i, "\303\251", 2);
		strcpy(label + 2 * n, ".example");
		length = deep_domain_key(key, sizeof(key), deep_str(label));
		if (length < 0) {
			found[1] = n;
			break;
		}
		found[0] = strcspn(key, ".");
	}
	is_int((long long)found[0], 63, "a U-label whose A-label has 63");
	ok(found[1] > 1, "one e-acute more (%zu) is refused", found[1]);

	/* 253 and 254 octets with a U-label in front. */
	for (n = 252; n <= 255; n++) {
		expected = n <= DEEP_DOMAIN_MAX ? (int)n : -1;
		strcpy(name, "\303\251.");		/* xn--9ca. */
		fill(name + 3, n - strlen("xn--9ca."));
		length = deep_domain_key(key, sizeof(key), deep_str(name));
		is_int(length, expected, "a name of %zu with a U-label", n);
		strcat(name, ".");
		length = deep_domain_key(key, sizeof(key), deep_str(name));
		is_int(length, expected, "a name of %zu with a U-label and a final dot",
		    n);
	}

	/* What is given is bounded too: four times the name and its dot. */
	for (n = 1016; n <= 1017; n++) {
		strcpy(name, "\303\251");
		for (i = 2; i + 2 <= n - 1; i += 2)
			memcpy(name + i, "\302\255", 2);	/* soft hyphens vanish */
		memset(name + i, 'a', n - i);
		name[n] = '\0';
		length = deep_domain_key(key, sizeof(key), deep_str(name));
		is_int(length, n == 1016 ? (int)strlen("xn--aa-bja") : -1,
		    "%zu octets given", n);
	}
	memset(long_name, 'a', sizeof(long_name) - 1);
	is_int(deep_domain_key(key, sizeof(key), deep_str(long_name)), -1, "64 KiB");
	long_name[0] = '\303';
	long_name[1] = '\251';
	is_int(deep_domain_key(key, sizeof(key), deep_str(long_name)), -1,
	    "64 KiB with a U-label");

	/* ASCII does without libidn2, because its answer would be the same. */
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		for (n = 0; names[i].name[n] > 0; n++)
			continue;
		if (names[i].name[n] != '\0' || names[i].key == NULL)
			continue;
		answer = NULL;
		if (idn2_lookup_u8((const uint8_t *)names[i].name, &answer,
		    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) == IDN2_OK) {
			length = (int)strlen((char *)answer);
			if (answer[length - 1] == '.')
				answer[length - 1] = '\0';
			is((char *)answer, names[i].key, "row %zu: libidn2 agrees", i);
		}
		idn2_free(answer);
	}
}

static void
test_buffer(void)
{
	static const char *const	given[] = { "Example.Org", "\303\251.Org" };
	static const char *const	keys[] = { "example.org", "xn--9ca.org" };
	char				buf[16];
	size_t				i, size;
	int				length, whole = 1;

	for (i = 0; i < 2; i++)
		for (size = 0; size <= sizeof(buf) - 2; size++) {
			memset(buf, 'x', sizeof(buf));
			length = deep_domain_key(buf, size, deep_str(given[i]));
			if (length != 11 || buf[size] != 'x')
				whole = 0;
			if (size > 0 && strcmp(buf, size <= 11 ? "" : keys[i]) != 0)
				whole = 0;
		}
	ok(whole, "the whole or nothing in every size");
	is_int(deep_domain_key(NULL, 0, deep_str("a.example")), 9,
	    "counted without a buffer");
	is_int(deep_domain_key(NULL, 0, deep_str("a..example")), -1,
	    "refused without a buffer");
	buf[0] = 'x';
	is_int(deep_domain_key(buf, 1, deep_str("..")), -1, "refused");
	is(buf, "", "and nothing is left");
}

int
main(void)
{
	test_names();
	test_limits();
	test_buffer();
	return done_testing();
}
