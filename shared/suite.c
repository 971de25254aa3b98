/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * suite.c - what is known of cipher suites, groups and versions of TLS, by
 * number and by every name that is in use for them.
 *
 * The IANA registries "TLS Cipher Suites" and "TLS Supported Groups" (RFC 8447,
 * RFC 9847) are rows of suites.in and groups.in, made by contrib/registry; the
 * spellings of versions are rows of versions.in.
 *
 * It never works out what a suite is worth from its name: that stands in the
 * row.  It keeps no state, and builds no table while it runs.
 */
#include <stdio.h>
#include <string.h>

#include "deep.h"

#define NAME_MAX_OCTETS	 96	/* no name is longer; the longest known has 60 */
#define PART_MAX	 4	/* parts of a GnuTLS description */

#define PFS		 DEEP_SUITE_PFS
#define AEAD		 DEEP_SUITE_AEAD
#define MD5		 DEEP_SUITE_MD5
#define RC4		 DEEP_SUITE_RC4
#define NO_CIPHER	 DEEP_SUITE_NULL
#define EXPORT		 DEEP_SUITE_EXPORT
#define ANON		 DEEP_SUITE_ANON
#define SCSV		 DEEP_SUITE_SCSV
static const struct deep_suite suites[] = {
#define SUITE(code, name, kx, auth, cipher, bits, flags, needs, recommended, \
	openssl, gnutls) \
	{ code, flags, bits, DEEP_##needs, DEEP_KX_##kx, DEEP_AUTH_##auth, \
	    recommended, #name, cipher, openssl, gnutls },
#include "suites.in"
};
#undef PFS
#undef AEAD
#undef MD5
#undef RC4
#undef NO_CIPHER
#undef EXPORT
#undef ANON
#undef SCSV
#define NSUITE	(sizeof(suites) / sizeof(suites[0]))

/*
 * The spellings, in lower case, a member for each line of suites.in.  What is looked up
 * says where in them one begins, and not its address: the loader would have to write
 * some hundred addresses for each process, of which most look up one.
 */
#define JOIN(a, b)	a##b
#define MEMBER(line)	JOIN(line_, line)
static const struct spellings {
#define NAME(code, whose, spelling) char MEMBER(__LINE__)[sizeof(spelling)];
#include "suites.in"
} spellings = {
#define NAME(code, whose, spelling) spelling,
#include "suites.in"
};

enum whose { IANA, OPENSSL, GNUTLS, OTHER };
static const struct name {
	uint16_t	 at;		/* in spellings */
	uint16_t	 code;
	uint8_t		 length;
	uint8_t		 whose;
} names[] = {
#define NAME(code, whose, spelling) \
	{ offsetof(struct spellings, MEMBER(__LINE__)), code, sizeof(spelling) - 1, whose },
#include "suites.in"
};
static const uint16_t slots[SUITE_SLOTS + 1] = {
#define SLOT(n) n,
#include "suites.in"
};

static const struct deep_group groups[] = {
#define GROUP(code, name, bits, hybrid, recommended) \
	{ code, bits, hybrid, recommended, #name },
#include "groups.in"
};
#define NGROUP	(sizeof(groups) / sizeof(groups[0]))

static const struct group_alias {
	const char	*text;
	uint16_t	 code;
} group_aliases[] = {
#define GROUP_ALIAS(code, spelling) { spelling, code },
#include "groups.in"
};
#define NGROUP_ALIAS	(sizeof(group_aliases) / sizeof(group_aliases[0]))

static const struct version {
	const char	*text;
	int		 version;
} versions[] = {
#define VERSION(spelling, version, seen) { spelling, version },
#include "versions.in"
#undef VERSION
};
#define NVERSION	(sizeof(versions) / sizeof(versions[0]))

/*
 * The key exchanges in a GnuTLS description, longer names first, and what
 * they are in a three-part name.
 */
static const struct exchange {
	const char	*text;
	const char	*three_part;
	uint8_t		 by_signature;	/* the signature tells the rest of it */
	uint8_t		 tls13;		/* may be one of TLS 1.3 */
} exchanges[] = {
	{ "ecdhe_ecdsa",	"ecdhe_ecdsa",	0, 0 },
	{ "ecdhe_psk",		"ecdhe_psk",	0, 1 },
	{ "ecdhe_rsa",		"ecdhe_rsa",	0, 0 },
	{ "anon_ecdh",		"ecdh_anon",	0, 0 },
	{ "anon_dh",		"dh_anon",	0, 0 },
	{ "dhe_psk",		"dhe_psk",	0, 1 },
	{ "dhe_rsa",		"dhe_rsa",	0, 0 },
	{ "dhe_dss",		"dhe_dss",	0, 0 },
	{ "rsa_psk",		"rsa_psk",	0, 0 },
	{ "srp_rsa",		"srp_sha_rsa",	0, 0 },
	{ "srp_dss",		"srp_sha_dss",	0, 0 },
	{ "hybrid",		"hybrid",	1, 1 },	/* a group with ML-KEM: TLS 1.3 alone */
	{ "ecdhe",		"ecdhe",	1, 1 },
	{ "dhe",		"dhe",		1, 1 },
	{ "psk",		"psk",		0, 1 },
	{ "rsa",		"rsa",		0, 0 },
	{ "srp",		"srp_sha",	0, 0 },
};
#define NEXCHANGE	(sizeof(exchanges) / sizeof(exchanges[0]))

/* How the name of a signature begins, longer names first (RFC 8446 4.2.3). */
static const struct signature {
	const char	*text;
	const char	*auth;		/* in a three-part name */
	uint8_t		 tls13;		/* TLS 1.3 allows it in a handshake */
} signatures[] = {
	{ "ecdsa_secp",		"_ecdsa",	1 },
	{ "rsa_pss",		"_rsa",		1 },
	{ "eddsa",		"_ecdsa",	1 },
	{ "ecdsa",		"_ecdsa",	0 },
	{ "rsa",		"_rsa",		0 },
	{ "dsa",		"_dss",		0 },
};
#define NSIGNATURE	(sizeof(signatures) / sizeof(signatures[0]))

static const char *const macs[] = { "md5", "sha1", "sha256", "sha384" };
#define NMAC		(sizeof(macs) / sizeof(macs[0]))

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

const struct deep_suite *
deep_suite_code(uint16_t code)
{
	size_t	low = 0, high = NSUITE, mid;

	while (low < high) {
		mid = low + (high - low) / 2;
		if (suites[mid].code == code)
			return &suites[mid];
		if (suites[mid].code < code)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

const struct deep_suite *
deep_suite_each(const struct deep_suite *suite)
{
	if (suite == NULL)
		return &suites[0];
	return ++suite < suites + NSUITE ? suite : NULL;
}

/* The same sum as slot_of() in contrib/registry. */
static uint32_t
name_hash(const char *text, size_t length)
{
	uint32_t	hash = 0;
	size_t		i;

	for (i = 0; i < length; i++)
		hash = hash * 65599u + (unsigned char)text[i];
	return hash;
}

/* A spelling in lower case. */
static const struct name *
name_find(const char *text, size_t length)
{
	const char	*all = (const char *)&spellings;
	uint32_t	 slot = name_hash(text, length) % SUITE_SLOTS;
	size_t		 i;

	for (i = slots[slot]; i < slots[slot + 1]; i++)
		if (names[i].length == length &&
		    memcmp(all + names[i].at, text, length) == 0)
			return &names[i];
	return NULL;
}

static const struct deep_suite *
name_of(enum whose whose, const char *text, size_t length)
{
	const struct name	*name = name_find(text, length);

	return name != NULL && name->whose == whose ?
	    deep_suite_code(name->code) : NULL;
}

/* The suite of TLS 1.3 that has this cipher (RFC 8446 B.4). */
static const struct deep_suite *
tls13_suite(const char *cipher)
{
	const struct deep_suite	*suite;
	uint16_t		 code;

	for (code = 0x1301; code <= 0x1305; code++) {
		suite = deep_suite_code(code);
		if (suite != NULL && deep_is(deep_str(cipher), suite->cipher))
			return suite;
	}
	return NULL;
}

/*
 * Exim with GnuTLS writes a three-part name even for TLS 1.3, after the key
 * exchange and the cipher.
 */
static const struct deep_suite *
three_part(const struct deep_suite *suite, int version)
{
	const struct deep_suite	*tls13;

	if (version != DEEP_TLS1_3 || !(suite->flags & DEEP_SUITE_PFS) ||
	    suite->flags & DEEP_SUITE_ANON || suite->needs == DEEP_TLS1_3)
		return suite;
	tls13 = tls13_suite(suite->cipher);
	return tls13 != NULL ? tls13 : suite;
}

/*
 * GnuTLS since 3.6, as gnutls_session_get_desc(3) without the version and
 * with the punctuation that Exim leaves:
 *
 *	description = exchange [ "_" group ] [ "__" signature ]
 *		      "__" cipher [ "__" mac ]
 *
 * text is in lower case and is cut into its parts.
 */
static const struct deep_suite *
description(char *text, int version, const struct deep_group **group)
{
	const struct deep_suite	*tls12 = NULL, *tls13 = NULL;
	const struct exchange	*exchange = NULL;
	const struct signature	*signature = NULL;
	const char		*part[PART_MAX], *cipher, *mac = NULL, *rest;
	char			*end, name[2 * NAME_MAX_OCTETS];
	size_t			 i, length, npart = 0;
	int			 n;

	do {
		if (npart == PART_MAX)
			return NULL;
		part[npart++] = text;
		if ((end = strstr(text, "__")) != NULL) {
			*end = '\0';
			text = end + 2;
		}
	} while (end != NULL);
	if (npart < 2)
		return NULL;

	for (i = 0; i < NEXCHANGE && exchange == NULL; i++) {
		length = strlen(exchanges[i].text);
		if (begins(part[0], exchanges[i].text) &&
		    (part[0][length] == '\0' || part[0][length] == '_'))
			exchange = &exchanges[i];
	}
	if (exchange == NULL)
		return NULL;
	rest = part[0] + strlen(exchange->text);
	if (*rest == '_') {
		*group = deep_group_find(deep_str(++rest));
		if (*group == NULL && !begins(rest, "custom"))
			return NULL;
	}

	for (i = 0; i < NMAC; i++)
		if (strcmp(part[npart - 1], macs[i]) == 0)
			mac = part[npart - 1];
	if (mac != NULL)
		npart--;
	if (npart < 2 || npart > 3)
		return NULL;
	cipher = part[npart - 1];
	if (npart == 3) {
		for (i = 0; i < NSIGNATURE && signature == NULL; i++)
			if (begins(part[1], signatures[i].text))
				signature = &signatures[i];
		if (signature == NULL)
			return NULL;
	}

	if (mac == NULL && exchange->tls13)
		tls13 = tls13_suite(cipher);
	if (version == DEEP_TLS1_3 && tls13 != NULL)
		return tls13;
	if (exchange->by_signature && signature == NULL)
		/* RSA or ECDSA or DSS: two readings at least */
		return NULL;

	if (strcmp(cipher, "3des_cbc") == 0)
		cipher = "3des_ede_cbc";
	length = strlen(cipher);
	n = snprintf(name, sizeof(name), "%s%s_%s%s%s", exchange->three_part,
	    exchange->by_signature && signature != NULL ? signature->auth : "", cipher,
	    mac != NULL ? "_" :
	    length < 4 || strcmp(cipher + length - 4, "_gcm") != 0 ? "" :
	    strstr(cipher, "_256_") != NULL ? "_sha384" : "_sha256",
	    mac != NULL ? mac : "");
	if (n < 0 || (size_t)n >= sizeof(name))
		return NULL;
	tls12 = name_of(GNUTLS, name, (size_t)n);

	if (version < DEEP_SSL2 || version == DEEP_TLS_LABEL) {
		/* A signature that TLS 1.3 has no place for leaves one reading. */
		if (signature != NULL && !signature->tls13)
			tls13 = NULL;
		if (tls12 != NULL && tls13 != NULL)
			return NULL;
		return tls12 != NULL ? tls12 : tls13;
	}
	return tls12;
}

/* tls-cipher-hex = "0x" 4HEXDIG; text is in lower case. */
static const struct deep_suite *
hexadecimal(const char *text)
{
	static const char	 digits[] = "0123456789abcdef";
	const char		*digit;
	unsigned		 code = 0;
	size_t			 i;

	for (i = 2; i < 6; i++) {
		if ((digit = strchr(digits, text[i])) == NULL)
			return NULL;
		code = code << 4 | (unsigned)(digit - digits);
	}
	return deep_suite_code((uint16_t)code);
}

/*
 * Schannel's names of before TLS 1.3 carry the curve: "_P256".  It is cut
 * from text; the answer is the length of what is left.
 */
static size_t
cut_curve(char *text, size_t length, const struct deep_group **group)
{
	static const struct {
		const char	*suffix;
		uint16_t	 group;
	} curves[] = { { "_p256", 23 }, { "_p384", 24 }, { "_p521", 25 } };
	size_t	i;

	for (i = 0; i < sizeof(curves) / sizeof(curves[0]) && length > 5; i++)
		if (strcmp(text + length - 5, curves[i].suffix) == 0) {
			*group = deep_group_code(curves[i].group);
			text[length - 5] = '\0';
			return length - 5;
		}
	return length;
}

const struct deep_suite *
deep_suite_find(struct deep_str text, int version, const struct deep_group **group)
{
	const struct deep_suite	*suite;
	const struct deep_group	*carried = NULL;
	const struct name	*found;
	char			 name[NAME_MAX_OCTETS + 1] = "";
	size_t			 i, n = text.n, left;

	if (group == NULL)
		group = &carried;
	*group = NULL;
	if (text.p == NULL || n < 2 || n > NAME_MAX_OCTETS)
		return NULL;
	for (i = 0; i < n; i++) {
		name[i] = lower(text.p[i]);
		if (!(name[i] >= 'a' && name[i] <= 'z') &&
		    !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '_' && name[i] != '-')
			return NULL;
	}
	name[n] = '\0';

	if ((found = name_find(name, n)) != NULL) {
		suite = deep_suite_code(found->code);
		return found->whose == GNUTLS ? three_part(suite, version) : suite;
	}
	if (n == 6 && begins(name, "0x"))
		return hexadecimal(name);
	if (strstr(name, "__") != NULL)
		return description(name, version, group);

	if (begins(name, "tls13_")) {		/* rustls */
		memcpy(name + 2, "tls_", 4);
		suite = name_of(IANA, name + 2, n - 2);
		return suite != NULL && suite->needs == DEEP_TLS1_3 ? suite : NULL;
	}
	if (begins(name, "tls-")) {		/* mbed TLS */
		for (i = 0; i < n; i++)
			if (name[i] == '-')
				name[i] = '_';
		return name_of(IANA, name, n);
	}
	if (begins(name, "ssl_"))		/* Java and NSS of before TLS 1.2 */
		memcpy(name, "tls_", 4);
	if (!begins(name, "tls_"))
		return NULL;
	left = cut_curve(name, n, group);
	if ((suite = name_of(IANA, name, left)) != NULL)
		return suite;
	*group = NULL;
	if (left == n && (suite = name_of(GNUTLS, name + 4, n - 4)) != NULL)
		return three_part(suite, version);
	return NULL;
}

int
deep_suite_emit(char *buf, size_t size, uint16_t code)
{
	const struct deep_suite	*suite = deep_suite_code(code);
	char			 hex[sizeof("0xFFFF")];
	const char		*text = hex;
	size_t			 length;

	/* The clause has a place for registered names only (RFC 8314 4.3). */
	if (suite != NULL && suite->recommended != '-')
		text = suite->name;
	else
		(void)snprintf(hex, sizeof(hex), "0x%04X", (unsigned)code);
	length = strlen(text);
	if (length < size)
		memcpy(buf, text, length + 1);
	else if (size > 0)
		buf[0] = '\0';
	return (int)length;
}

const struct deep_group *
deep_group_code(uint16_t code)
{
	size_t	i;

	for (i = 0; i < NGROUP; i++)
		if (groups[i].code == code)
			return &groups[i];
	return NULL;
}

const struct deep_group *
deep_group_find(struct deep_str name)
{
	size_t	i;

	if (name.p == NULL || name.n == 0)
		return NULL;
	for (i = 0; i < NGROUP; i++)
		if (deep_is(name, groups[i].name))
			return &groups[i];
	for (i = 0; i < NGROUP_ALIAS; i++)
		if (deep_is(name, group_aliases[i].text))
			return deep_group_code(group_aliases[i].code);
	return NULL;
}

const struct deep_group *
deep_group_each(const struct deep_group *group)
{
	if (group == NULL)
		return &groups[0];
	return ++group < groups + NGROUP ? group : NULL;
}

/* The older of the two dates; both are years and months. */
const char *
deep_registry_date(void)
{
	return strcmp(SUITES_DATE, GROUPS_DATE) < 0 ? SUITES_DATE : GROUPS_DATE;
}

int
deep_tls_version(struct deep_str text)
{
	size_t	i;

	for (i = 0; i < NVERSION; i++)
		if (deep_is(text, versions[i].text))
			return versions[i].version;
	return 0;
}

const char *
deep_tls_version_name(int version)
{
	switch (version) {
	case DEEP_SSL2:
		return "SSLv2";
	case DEEP_SSL3:
		return "SSLv3";
	case DEEP_TLS1_0:
		return "TLSv1.0";
	case DEEP_TLS1_1:
		return "TLSv1.1";
	case DEEP_TLS1_2:
		return "TLSv1.2";
	case DEEP_TLS1_3:
		return "TLSv1.3";
	default:
		return NULL;
	}
}
