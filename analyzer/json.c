/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * json.c - one JSON object a line (RFC 8259), the schema of deeptrace(1).
 *
 * All keys are always there, null where nothing is recorded.  Octets that are
 * no UTF-8 become U+FFFD; control characters and the three that would end a
 * script element are escaped.
 */
#include <string.h>

#include "analyzer.h"
#include "utf8.h"

static void
string(FILE *out, struct deep_str text)
{
	static const char hex[] = "0123456789abcdef";
	const char *p = text.p, *end, *plain;
	size_t n;

	if (text.p == NULL) {
		fputs("null", out);
		return;
	}
	putc('"', out);
	for (end = p + text.n; p < end; ) {
		unsigned char c;

		for (plain = p; p < end && (c = (unsigned char)*p) >= 0x20 && c < 0x7f &&
		    c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'; p++)
			continue;
		if (p > plain)
			fwrite(plain, 1, (size_t)(p - plain), out);
		if (p == end)
			break;
		c = (unsigned char)*p;
		if (c >= 0x80) {
			uint32_t point;

			n = utf8_next(p, (size_t)(end - p), &point);
			if (n == 0) {
				fputs("\\ufffd", out);
				p++;
			} else {
				fwrite(p, 1, n, out);
				p += n;
			}
			continue;
		}
		if (c == '"' || c == '\\') {
			putc('\\', out);
			putc(c, out);
		} else if (c == '\t') {
			fputs("\\t", out);
		} else {
			fputs("\\u00", out);
			putc(hex[c >> 4], out);
			putc(hex[c & 15], out);
		}
		p++;
	}
	putc('"', out);
}

static void
member(FILE *out, const char *key, struct deep_str value)
{
	fprintf(out, "\"%s\":", key);
	string(out, value);
}

/* A number, or null. */
static void
count(FILE *out, const char *key, int known, long long value)
{
	if (known)
		fprintf(out, "\"%s\":%lld", key, value);
	else
		fprintf(out, "\"%s\":null", key);
}

static void
truth(FILE *out, const char *key, int known, int value)
{
	fprintf(out, "\"%s\":%s", key, !known ? "null" : value ? "true" : "false");
}

static void
latches(FILE *out, deep_latches set)
{
	const char *name, *comma = "";
	unsigned i;

	fputs("\"latches\":[", out);
	for (i = 0; (name = deep_latch_name(i)) != NULL; i++) {
		if (set & (1u << i)) {
			fprintf(out, "%s\"%s\"", comma, name);
			comma = ",";
		}
	}
	putc(']', out);
}

/* Of a report: known and unknown ids alike. */
static void
latch_list(FILE *out, struct deep_str list)
{
	struct deep_str id;
	const char *comma = "";
	enum deep_status answer;

	fputs("\"latches\":[", out);
	while ((answer = deep_latch_next(&list, &id, NULL)) != DEEP_NO) {
		if (answer != DEEP_YES)
			continue;
		fputs(comma, out);
		string(out, id);
		comma = ",";
	}
	putc(']', out);
}

static void
tls(FILE *out, const struct hop *hop)
{
	int tls13 = hop->version == DEEP_TLS1_3;

	if (!hop->is_tls) {
		fputs("\"tls\":null", out);
		return;
	}
	fputs("\"tls\":{", out);
	member(out, "version", deep_str(deep_tls_version_name(hop->version)));
	putc(',', out);
	if (hop->suite != NULL) {
		fprintf(out, "\"suite\":\"%s\",\"code\":\"0x%04x\",", hop->suite->name,
		    (unsigned)hop->suite->code);
	} else {
		member(out, "suite", hop->suite_text);
		fputs(",\"code\":null,", out);
	}
	count(out, "bits", hop->bits > 0 || hop->suite != NULL, hop->bits);
	putc(',', out);
	member(out, "group", hop->group != NULL ? deep_str(hop->group->name) : hop->group_text);
	fprintf(out, ",\"client_cert\":\"%s\",", client_names[hop->client]);
	truth(out, "pfs", hop->suite != NULL || tls13,
	    tls13 || (hop->suite != NULL && (hop->suite->flags & DEEP_SUITE_PFS)));
	putc(',', out);
	truth(out, "aead", hop->suite != NULL,
	    hop->suite != NULL && (hop->suite->flags & DEEP_SUITE_AEAD));
	putc('}', out);
}

static void
hops(FILE *out, const char *key, const struct path *path)
{
	static const char *const evidences[] = {
		NULL, "clause", "comment", "clause+comment", "with", "clause+with",
		"comment+with", "clause+comment+with"
	};
	char date[32];
	size_t i;
	unsigned bit;

	fprintf(out, "\"%s\":[", key);
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];
		const char *comma = "";

		fprintf(out, "%s{\"n\":%zu,", i > 0 ? "," : "", i + 1);
		member(out, "from", hop->from);
		putc(',', out);
		member(out, "from_ip", hop->from_ip);
		putc(',', out);
		member(out, "by", hop->by);
		putc(',', out);
		member(out, "via", hop->via);
		putc(',', out);
		member(out, "with", hop->with);
		putc(',', out);
		member(out, "id", hop->id);
		putc(',', out);
		member(out, "for", hop->rcpt);
		putc(',', out);
		if (hop->has_date && deep_date_emit(date, sizeof(date), &hop->date) > 0)
			member(out, "date", deep_str(date));
		else
			fputs("\"date\":null", out);
		putc(',', out);
		count(out, "delay_s", hop->has_delay, hop->delay);
		fprintf(out, ",\"verdict\":\"%s\",", verdict_names[hop->verdict]);
		member(out, "evidence", deep_str(evidences[hop->evidence & 7]));
		putc(',', out);
		member(out, "dialect", deep_str(hop->dialect));
		putc(',', out);
		tls(out, hop);
		putc(',', out);
		latches(out, hop->latches);
		putc(',', out);
		truth(out, "trusted", hop->has_trust, hop->trusted);
		fputs(",\"flags\":[", out);
		for (bit = 0; bit < FLAGS; bit++) {
			if (hop->flags & (1u << bit)) {
				fprintf(out, "%s\"%s\"", comma, flag_names[bit]);
				comma = ",";
			}
		}
		fputs("]}", out);
	}
	putc(']', out);
}

static void
report(FILE *out, const struct dsn *dsn)
{
	struct deep_str arrival = dsn->arrival_date;
	struct deep_date date;
	char text[32];
	size_t i;

	fputs("\"dsn\":{", out);
	member(out, "reporting_mta", dsn->reporting_mta);
	putc(',', out);
	member(out, "envelope_id", dsn->envelope_id);
	putc(',', out);
	if (deep_date_next(&arrival, &date, NULL) == DEEP_YES &&
	    deep_date_emit(text, sizeof(text), &date) > 0)
		member(out, "arrival_date", deep_str(text));
	else
		fputs("\"arrival_date\":null", out);
	fputs(",\"recipients\":[", out);
	for (i = 0; i < dsn->nrcpt; i++) {
		const struct recipient *rcpt = &dsn->rcpt[i];

		fputs(i > 0 ? ",{" : "{", out);
		member(out, "final", rcpt->final);
		putc(',', out);
		member(out, "original", rcpt->original);
		putc(',', out);
		member(out, "action", rcpt->action);
		putc(',', out);
		member(out, "status", rcpt->status);
		putc(',', out);
		member(out, "remote_mta", rcpt->remote_mta);
		putc(',', out);
		member(out, "diagnostic", rcpt->diagnostic);
		putc(',', out);
		latch_list(out, rcpt->latches);
		putc('}', out);
	}
	fputs("]}", out);
}

static void
show(FILE *out, const struct analysis *a)
{
	static const struct path empty;
	size_t i;

	fputs("{\"source\":{", out);
	member(out, "file", deep_str(a->source->file));
	fprintf(out, ",\"offset\":%lld},\"kind\":\"%s\",", (long long)a->source->offset,
	    a->is_dsn ? "dsn" : "message");
	member(out, "message_id", a->message_id);
	putc(',', out);
	if (a->is_dsn)
		report(out, &a->dsn);
	else
		fputs("\"dsn\":null", out);
	putc(',', out);
	hops(out, "hops", &a->path);
	putc(',', out);
	hops(out, "return_hops", a->is_dsn ? &a->way_back : &empty);
	fprintf(out, ",\"path\":{\"verdict\":\"%s\",", verdict_names[a->path.verdict]);
	truth(out, "complete", 1, a->path.complete);
	fputs(",\"why\":[", out);
	for (i = 0; i < a->path.nwhy; i++)
		fprintf(out, "%s\"%s\"", i > 0 ? "," : "", a->path.why[i]);
	fputs("],", out);
	latches(out, a->path.latches);
	fputs("}}\n", out);
}

const struct output output_json = { "json", show };
