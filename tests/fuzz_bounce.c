/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * fuzz_bounce.c - any text as a DSN of smtpd (RFC 3464): without a change it
 * comes out as it went in, with one the other recipients stay as they were, and
 * a DSN that was rewritten is not rewritten again.
 */
#include "fuzz.h"
#include "../modules/opensmtpd/osmtpd.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct deep_dsngroup_change	*change;
	struct bounce			 bounce;
	struct bounce_head		 head, again;
	struct text			 out = { NULL, 0, 0 };
	struct deep_str			 text = exact_copy(data, n), line, rest = text;
	const char			*nl;
	char				 status[10];
	enum bounce_is			 is = BOUNCE_MORE;
	size_t				 i;

	memset(&bounce, 0, sizeof(bounce));
	while (rest.n > 0 && is == BOUNCE_MORE) {
		line = rest;
		if ((nl = memchr(rest.p, '\n', rest.n)) != NULL)
			line.n = (size_t)(nl - rest.p);
		rest.p += line.n + (nl != NULL);
		rest.n -= line.n + (nl != NULL);
		is = bounce_line(&bounce, line);
	}
	if (bounce_read(&head, text) == DEEP_YES) {
		MUST(head.nrcpt > 0 && head.nrcpt <= OSMTPD_RCPT_MAX);
		for (i = 0; i < head.nrcpt; i++) {
			MUST(is_inside(head.rcpt[i].group, text));
			MUST(is_inside(head.rcpt[i].address, text));
			MUST(is_inside(head.rcpt[i].error, text));
			bounce_latches(head.rcpt[i].error, status, sizeof(status));
		}
		change = calloc(head.nrcpt, sizeof(*change));
		MUST(change != NULL);
		MUST(bounce_write(&out, &head, change) == 0);
		MUST(out.n == text.n && memcmp(out.p, text.p, text.n) == 0);
		out.n = 0;
		for (i = 0; i < head.nrcpt; i += 2) {
			change[i].status = "4.7.10";
			change[i].action = "failed";
			change[i].latches = DEEP_LATCH_TLS12;
		}
		if (bounce_write(&out, &head, change) == 0) {
			MUST(memmem(out.p, out.n, "SMTP-Security-Latch: tls12", 26) != NULL);
			for (i = 1; i < head.nrcpt; i += 2)
				MUST(memmem(out.p, out.n, head.rcpt[i].group.p,
				    head.rcpt[i].group.n) != NULL);
			MUST(bounce_read(&again, (struct deep_str){ out.p, out.n }) != DEEP_YES ||
			    again.nrcpt < head.nrcpt);
			bounce_free(&again);
		}
		free(change);
	}
	bounce_free(&head);
	text_free(&out);
	free((char *)text.p);
	return 0;
}
