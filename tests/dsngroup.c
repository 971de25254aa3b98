/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * dsngroup.c - tests of shared/dsngroup.c: D3.3-8 to D3.3-10, X-9, X-12.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deep.h"
#include "tap.h"

#define OSM	"Final-Recipient: rfc822; u@b.test\r\nAction: failed\r\nStatus: 5.4.7\r\n"
#define EXIM	"Action: delayed\nFinal-Recipient: rfc822;u@b.test\nStatus: 4.0.0\n" \
		"Remote-MTA: dns; mx.b.test\nDiagnostic-Code: smtp; 451 later\n"

static const struct deep_dsngroup_change latched = {
	NULL, "4.7.10", NULL, DEEP_LATCH_TLS12 | DEEP_LATCH_PFS
};
static const struct deep_dsngroup_change told = {
	"failed", "4.7.10", "smtp; 451 4.7.10 security latch of b.test not met",
	DEEP_LATCH_CERT
};
static const struct deep_dsngroup_change lengthy = {
	NULL, NULL, "smtp; 451 4.7.10 security latch of b.test not met by mx1.b.test: "
	"missing tls12 tls-pfs; to accept that: deeplatch reset b.test", DEEP_LATCH_NONE
};
static const struct deep_dsngroup_change nothing = { NULL, NULL, NULL, DEEP_LATCH_NONE };

static const struct {
	const char				*what;
	const char				*group;
	const struct deep_dsngroup_change	*change;
	const char				*expected;	/* NULL: refused */
} rows[] = {
	{ "D3.3-8, D3.3-9: OpenSMTPD's group, CRLF", OSM "\r\n", &latched,
	    "Final-Recipient: rfc822; u@b.test\r\nAction: failed\r\nStatus: 4.7.10\r\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\r\n\r\n" },
	{ "no empty line behind it", OSM, &latched,
	    "Final-Recipient: rfc822; u@b.test\r\nAction: failed\r\nStatus: 4.7.10\r\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\r\n" },
	{ "X-9: Exim's order, LF, its Diagnostic-Code kept", EXIM "\n", &latched,
	    "Action: delayed\nFinal-Recipient: rfc822;u@b.test\nStatus: 4.7.10\n"
	    "Remote-MTA: dns; mx.b.test\nDiagnostic-Code: smtp; 451 later\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\n\n" },
	{ "action and diagnostic in their places", EXIM "\n", &told,
	    "Action: failed\nFinal-Recipient: rfc822;u@b.test\nStatus: 4.7.10\n"
	    "Remote-MTA: dns; mx.b.test\n"
	    "Diagnostic-Code: smtp; 451 4.7.10 security latch of b.test not met\n"
	    "SMTP-Security-Latch: tls-cert\n\n" },
	{ "a diagnostic that was not there", OSM, &told,
	    "Final-Recipient: rfc822; u@b.test\r\nAction: failed\r\nStatus: 4.7.10\r\n"
	    "Diagnostic-Code: smtp; 451 4.7.10 security latch of b.test not met\r\n"
	    "SMTP-Security-Latch: tls-cert\r\n" },
	{ "a long diagnostic is folded at its spaces", OSM, &lengthy,
	    OSM "Diagnostic-Code: smtp; 451 4.7.10 security latch of b.test not met by\r\n"
	    "\tmx1.b.test: missing tls12 tls-pfs; to accept that: deeplatch reset\r\n"
	    "\tb.test\r\n" },
	{ "D3.3-9: once, a second time changes nothing",
	    OSM "SMTP-Security-Latch: tls10\r\n\r\n", &latched,
	    OSM "SMTP-Security-Latch: tls10\r\n\r\n" },
	{ "no change", EXIM "\n", &nothing, EXIM "\n" },
	{ "names in any case, a fold, a comment", "FINAL-RECIPIENT:\n rfc822;u@b.test\n"
	    "action:\tfailed\nSTATUS: 5.0.0 (other)\n folded\nX-A: b\n", &latched,
	    "FINAL-RECIPIENT:\n rfc822;u@b.test\naction:\tfailed\nStatus: 4.7.10\nX-A: b\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\n" },
	{ "no Status: one is added", "Final-Recipient: rfc822;u@b.test\nAction: failed\n\n",
	    &latched, "Final-Recipient: rfc822;u@b.test\nAction: failed\nStatus: 4.7.10\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\n\n" },
	{ "the last line has no end", "Action: failed\nStatus: 5.0.0", &latched,
	    "Action: failed\nStatus: 4.7.10\nSMTP-Security-Latch: tls12 tls-pfs\n" },
	{ "the last line, kept, has no end", "Action: failed\nX: y", &latched,
	    "Action: failed\nX: y\nStatus: 4.7.10\nSMTP-Security-Latch: tls12 tls-pfs\n" },
	{ "a line that is no field stays", "Action: failed\n%%\nStatus: 5.0.0\n", &latched,
	    "Action: failed\n%%\nStatus: 4.7.10\nSMTP-Security-Latch: tls12 tls-pfs\n" },
	{ "what is behind the empty line stays", OSM "\r\nStatus: 5.0.0\r\n", &latched,
	    "Final-Recipient: rfc822; u@b.test\r\nAction: failed\r\nStatus: 4.7.10\r\n"
	    "SMTP-Security-Latch: tls12 tls-pfs\r\n\r\nStatus: 5.0.0\r\n" },
	{ "nothing", "", &latched, NULL },
};

/* Each value that has no place in its grammar, in one of the four. */
static const struct {
	const char			*what;
	struct deep_dsngroup_change	 change;
} refused[] = {
	{ "status: one part", { NULL, "4.7", NULL, 0 } },
	{ "status: class 3", { NULL, "3.7.1", NULL, 0 } },
	{ "status: four digits", { NULL, "4.7.1000", NULL, 0 } },
	{ "status: a leading zero", { NULL, "4.07.1", NULL, 0 } },
	{ "status: something behind it", { NULL, "4.7.10 ", NULL, 0 } },
	{ "status: empty", { NULL, "", NULL, 0 } },
	{ "action: none of the five", { "bounced", NULL, NULL, 0 } },
	{ "action: a line end", { "failed\n", NULL, NULL, 0 } },
	{ "diagnostic: no type", { NULL, NULL, "451 later", 0 } },
	{ "diagnostic: an empty type", { NULL, NULL, "; 451 later", 0 } },
	{ "diagnostic: a line end", { NULL, NULL, "smtp; 451 a\nStatus: 2.0.0", 0 } },
	{ "diagnostic: an escape", { NULL, NULL, "smtp; \033[2J", 0 } },
	{ "latches: a bit without a row", { NULL, NULL, NULL, 0x100 } },
};

static const struct {
	const char	*value;
	const char	*address;
} addresses[] = {
	{ "rfc822; u@b.test", "u@b.test" },
	{ "rfc822;u@b.test", "u@b.test" },
	{ " RFC822 (c) ; (d) u@b.test (e)", "u@b.test" },
	{ "rfc822; <u@b.test>", "u@b.test" },
	{ "rfc822; \"a b;c\"@b.test", "\"a b;c\"@b.test" },
	{ "utf-8; u\\x{FC}@b.test", "u\303\274@b.test" },
	{ "utf-8; \\x{1F600}\\x{20AC}@b.test", "\360\237\230\200\342\202\254@b.test" },
	{ "utf-8; \303\274@b.test", "\303\274@b.test" },
	{ "utf-8; \\x{D800}@b.test", "\\x{D800}@b.test" },
	{ "utf-8; \\x{a}@b.test", "\\x{a}@b.test" },
	{ "utf-8; \\x{0A}@b.test", "\\x{0A}@b.test" },
	{ "utf-8; \\x{41}@b.test", "A@b.test" },
	{ "rfc822; \\x{41}@b.test", "\\x{41}@b.test" },
	{ "x400; /S=u/", NULL },
	{ "rfc822;", NULL },
	{ "rfc822", NULL },
	{ "rfc822 u@b.test", NULL },
	{ "rfc822; ;", NULL },
	{ "rfc822; <>", NULL },
	{ "rfc822; a\001b@b.test", NULL },
	{ "", NULL },
};

int
main(void)
{
	struct deep_dsngroup	 group;
	struct deep_fault	 fault = { 0, "" };
	char			 buf[2048], *big;
	size_t			 i, size;
	int			 n, expected;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = deep_dsngroup_emit(buf, sizeof(buf), deep_str(rows[i].group),
		    rows[i].change);
		if (rows[i].expected == NULL) {
			is_int(n, -1, "%s: refused", rows[i].what);
			continue;
		}
		is(buf, rows[i].expected, "%s", rows[i].what);
		expected = (int)strlen(rows[i].expected);
		is_int(n, expected, "%s: its length", rows[i].what);
		for (size = 0, n = 1; size <= (size_t)expected && n; size++) {
			buf[0] = 'x';
			n = deep_dsngroup_emit(buf, size, deep_str(rows[i].group),
			    rows[i].change) == expected && buf[0] == (size ? '\0' : 'x');
		}
		ok(n, "%s: no half answer in a small buffer", rows[i].what);
	}
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		is_int(deep_dsngroup_emit(buf, sizeof(buf), deep_str(OSM), &refused[i].change),
		    -1, "refused: %s", refused[i].what);
	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		n = deep_dsngroup_address(buf, sizeof(buf), deep_str(addresses[i].value));
		is(n < 0 ? NULL : buf, addresses[i].address, "X-12: address of \"%s\"",
		    addresses[i].value);
	}

	is_int(deep_dsngroup_read(&group, deep_str(EXIM "SMTP-Security-Latch: tls10\n"), NULL),
	    DEEP_YES, "a group is read");
	is_str(group.final, "rfc822;u@b.test", "final");
	is_str(group.original, NULL, "original");
	is_str(group.action, "delayed", "action");
	is_str(group.status, "4.0.0", "status");
	is_str(group.diagnostic, "smtp; 451 later", "diagnostic");
	is_str(group.latches, "tls10", "latches");
	is_int(deep_dsngroup_read(&group, deep_str("Reporting-MTA: dns; a\n%%\n"), &fault),
	    DEEP_NO, "the fields of the message are no group");
	is_int(fault.at, 22, "and the line that is no field is told");

	big = malloc(DEEP_FIELD_MAX + 1);
	if (big == NULL)
		return 1;
	memset(big, 'x', DEEP_FIELD_MAX + 1);
	memcpy(big, "X: ", 3);
	big[DEEP_FIELD_MAX - 1] = '\n';
	for (i = 0; i < 2; i++) {
		struct deep_str text = { big, DEEP_FIELD_MAX + i };

		n = deep_dsngroup_emit(NULL, 0, text, &latched);
		ok(i == 0 ? n > 0 : n < 0, "a group of DEEP_FIELD_MAX + %zu octets: %s", i,
		    i == 0 ? "done" : "refused");
	}
	free(big);
	return done_testing();
}
