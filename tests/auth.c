/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * auth.c - tests of Authentication-Results (RFC 8601): which fields count, and
 * what is read in them.
 */
#include <string.h>

#include "analyzer.h"
#include "tap.h"

#define OWN	"Received: from a.example.com by mx.example.org with ESMTPS; Mon, 2 Nov 2026 10:00:00 +0000\n"
#define LOCAL	"Received: from localhost (localhost [127.0.0.1]) by mx.example.org with LMTP; " \
		"Mon, 2 Nov 2026 10:00:01 +0000\n"
#define FAR	"Received: from b.example.com by a.example.com with ESMTPS; Mon, 2 Nov 2026 09:59:00 +0000\n"
#define AR	"Authentication-Results: "

static struct settings settings;
static struct arena *arena;

static const struct row {
	const char	*name, *header;
	const char	*expected;	/* "method=result{reason}[name=value]..." each, "-": no such field */
} rows[] = {
	{ "one result", AR "mx.example.org; dkim=pass\n" OWN, "dkim=pass " },
	{ "three methods",
	  AR "mx.example.org;\n dkim=pass header.d=example.com header.s=k1;\n spf=fail smtp.mailfrom=a@example.com;"
	  " arc=none\n" OWN,
	  "dkim=pass[header.d=example.com][header.s=k1] spf=fail[smtp.mailfrom=a@example.com] arc=none " },
	{ "comments and blanks anywhere (8601 2.2)",
	  AR "(c) mx.example.org (d) 1 (e) ; (f) dkim / 1 = (g) pass (h) reason = \"all; is = well\" "
	  "header.d = example.com (i)\n" OWN,
	  "dkim=pass{all; is = well}[header.d=example.com] " },
	{ "a quoted semicolon ends nothing", AR "mx.example.org; spf=pass reason=\"a;b\" smtp.helo=x\n" OWN,
	  "spf=pass{a;b}[smtp.helo=x] " },
	{ "none", AR "mx.example.org; none\n" OWN, "" },
	{ "nothing", AR "mx.example.org\n" OWN, "" },
	{ "another server", AR "mx.example.net; dkim=pass\n" OWN, "-" },
	{ "case does not count", "authentication-results: MX.Example.ORG; dkim=pass\n" OWN, "dkim=pass " },
	{ "a longer name is another", AR "mx.example.org.example.net; dkim=pass\n" OWN, "-" },
	{ "two signatures in one field", AR "mx.example.org; dkim=fail header.d=a; dkim=pass header.d=b\n" OWN,
	  "dkim=fail[header.d=a] dkim=pass[header.d=b] " },
	{ "the topmost field decides a method", AR "mx.example.org; dkim=fail\n"
	  AR "mx.example.org; dkim=pass; spf=pass\n" OWN, "dkim=fail spf=pass " },
	{ "a field behind one's own Received counts", OWN AR "mx.example.org; dkim=pass\n" FAR, "dkim=pass " },
	{ "one behind a stranger's does not", OWN FAR AR "mx.example.org; dkim=pass\n", "-" },
	{ "local delivery is passed over", LOCAL OWN AR "mx.example.org; dkim=pass\n" FAR, "dkim=pass " },
	{ "local words of a stranger are not", OWN LOCAL AR "mx.example.org; dkim=pass\n" FAR, "-" },
	{ "no Received at all", AR "mx.example.org; dkim=pass\n", "dkim=pass " },
	{ "no equals sign", AR "mx.example.org; dkim; =pass; spf=pass\n" OWN, "spf=pass " },
	{ "no result", AR "mx.example.org; dkim=; spf=pass\n" OWN, "spf=pass " },
	{ "an open quote", AR "mx.example.org; dkim=pass reason=\"x; spf=pass\n" OWN, "dkim=pass{\"x} spf=pass " },
	{ "an open comment", AR "mx.example.org; dkim=pass (x; spf=pass\n" OWN, "dkim=pass spf=pass " },
	{ "ARC, with what it found in a comment",
	  AR "mx.example.org; arc=pass (i=2 spf=fail; dkim=fail)\n\tsmtp.remote-ip=192.0.2.1\n\theader.oldest-pass=0\n"
	  OWN, "arc=pass[smtp.remote-ip=192.0.2.1][header.oldest-pass=0] " },
	{ "the field of an ARC set is another one (RFC 8617 4.1.1)",
	  "ARC-Authentication-Results: i=1; mx.example.org; dkim=pass\n" AR "mx.example.org; dkim=fail\n" OWN,
	  "dkim=fail " },
	{ "an ARC set alone tells nothing", "ARC-Authentication-Results: i=1; mx.example.org; dkim=pass\n" OWN, "-" },
	{ "the name in a comment is none", AR "(mx.example.org) evil.example; dkim=pass\n" OWN, "-" },
	{ "nor in a second place", AR "evil.example mx.example.org; dkim=pass\n" OWN, "-" },
	{ "nor in a result", AR "evil.example; dkim=pass mx.example.org; spf=pass\n" OWN, "-" },
	{ "forged ones of the same name further down",
	  AR "mx.example.org; dkim=fail; spf=none\n" OWN FAR AR "mx.example.org; dkim=pass; dmarc=pass\n"
	  AR "mx.example.org;\n arc=pass\n" FAR AR "mx.example.org; spf=pass\n", "dkim=fail spf=none " },
	{ "others above and between do not hide one's own",
	  AR "evil.example; dkim=pass\n" AR "mx.example.org; dkim=fail\n" AR "evil.example; dkim=pass\n" OWN, "dkim=fail " },
	{ "no such field", OWN, "-" },
};

static void
append(char *to, size_t size, const char *before, struct deep_str text, const char *after)
{
	char one[256];

	snprintf(one, sizeof(one), "%s%.*s%s", before, (int)text.n, text.p == NULL ? "" : text.p, after);
	strlcat(to, one, size);
}

static void
check(const char *name, const char *header, const char *expected)
{
	char text[1024] = "";
	struct message message;
	struct analysis a;
	size_t i, k;

	memset(&message, 0, sizeof(message));
	message.text = deep_str(header);
	message.file = "x";
	analyse(&a, &message, &settings, arena);
	for (i = 0; i < a.auth.nresult; i++) {
		const struct auth_result *result = &a.auth.result[i];

		append(text, sizeof(text), "", result->method, "=");
		append(text, sizeof(text), "", result->result, "");
		if (result->reason.p != NULL)
			append(text, sizeof(text), "{", result->reason, "}");
		for (k = 0; k < result->nproperty; k++) {
			append(text, sizeof(text), "[", result->property[k].name, "=");
			append(text, sizeof(text), "", result->property[k].value, "]");
		}
		strlcat(text, " ", sizeof(text));
	}
	is(a.auth.found ? text : "-", expected, "%s", name);
	arena_reset(arena);
}

static void
test_limits(void)
{
	char header[8192] = AR "mx.example.org", one[64];
	struct message message;
	struct analysis a;
	int i;

	for (i = 0; i <= AUTH_MAX; i++) {
		snprintf(one, sizeof(one), "; dkim=pass header.d=x%d", i);
		strlcat(header, one, sizeof(header));
	}
	for (i = 0; i <= AUTH_PROPERTY_MAX; i++)
		strlcat(header, " header.s=y", sizeof(header));
	strlcat(header, "\n" OWN, sizeof(header));
	memset(&message, 0, sizeof(message));
	message.text = deep_str(header);
	message.file = "x";
	analyse(&a, &message, &settings, arena);
	ok(a.auth.nresult == AUTH_MAX, "%d results, and no more", AUTH_MAX);
	arena_reset(arena);
	strlcpy(header, AR "mx.example.org; dkim=pass", sizeof(header));
	for (i = 0; i <= AUTH_PROPERTY_MAX; i++)
		strlcat(header, " header.s=y", sizeof(header));
	strlcat(header, "\n" OWN, sizeof(header));
	message.text = deep_str(header);
	analyse(&a, &message, &settings, arena);
	ok(a.auth.nresult == 1 && a.auth.result[0].nproperty == AUTH_PROPERTY_MAX, "%d properties, and no more",
	    AUTH_PROPERTY_MAX);
	arena_reset(arena);
}

int
main(void)
{
	char trusted[] = "mx.example.org,in.example.org";
	size_t i;

	settings.dialects = dialects_new();
	settings.authserv = "mx.example.org";
	arena = arena_new();
	plan_no_plan();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check(rows[i].name, rows[i].header, rows[i].expected);
	test_limits();
	trust_add(&settings.trust, trusted);
	check("an inner relay is trusted by name",
	    "Received: from mx.example.org by in.example.org with ESMTPS; Mon, 2 Nov 2026 10:00:02 +0000\n" OWN
	    AR "mx.example.org; dkim=pass\n" FAR, "dkim=pass ");
	check("a stranger behind it is not",
	    "Received: from mx.example.org by in.example.org with ESMTPS; Mon, 2 Nov 2026 10:00:02 +0000\n" OWN
	    FAR AR "mx.example.org; dkim=pass\n", "-");
	dialects_free(settings.dialects);
	arena_free(arena);
	return exit_status();
}
