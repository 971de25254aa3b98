/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * html.c - one page that holds all it needs: no script, no picture, no font and
 * no address of another file (Content Security Policy Level 3: nothing is
 * allowed but the one style sheet, by its digest).
 *
 * What a message says goes through htmltext.c.  Never writes a link out of the
 * page.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "digest.h"
#include "html.h"

#define RECIPIENTS_SHOWN	50	/* of a report */
#define RAW_OCTETS	(64 * 1024)	/* of a field or a group of fields that is shown as it stands */

static const char sheet[] =
#include "style.in"
;

static void
policy(FILE *out)
{
	unsigned char digest[SHA256_OCTETS];
	char text[BASE64_SIZE(SHA256_OCTETS)];

	sha256(digest, sheet, sizeof(sheet) - 1);
	base64(text, digest, sizeof(digest));
	fprintf(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
	    "style-src 'sha256-%s'; base-uri 'none'; form-action 'none'\">\n", text);
}

static void
page_begin(FILE *out, struct deep_str title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n", out);
	policy(out);
	fputs("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	    "<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"robots\" content=\"noindex\">\n"
	    "<title>", out);
	html_plain(out, title, 100);
	fprintf(out, "</title>\n<style>%s</style>\n</head>\n<body>\n", sheet);
	svg_symbols(out);
}

void
html_verdict(FILE *out, enum verdict verdict)
{
	fprintf(out, "<span class=\"v v-%s\"><svg class=\"i\" aria-hidden=\"true\"><use href=\"#s-%s\"/>"
	    "</svg>%s</span>", verdict_names[verdict], verdict_names[verdict],
	    verdict_names[verdict]);
}

static void
definition(FILE *out, const char *term, struct deep_str text)
{
	if (text.p == NULL || text.n == 0)
		return;
	fprintf(out, "<dt>%s</dt><dd>", term);
	html_text(out, text, 400);
	fputs("</dd>\n", out);
}

static void
banner(FILE *out, const struct path *path)
{
	const char *name = verdict_names[path->verdict];
	char text[256], summary[256];

	path_sentence(text, sizeof(text), path);
	hops_summary(summary, sizeof(summary), path);
	fprintf(out, "<div class=\"banner v-%s\"><svg class=\"i\" aria-hidden=\"true\"><use "
	    "href=\"#s-%s\"/></svg><p><strong>%s%s</strong><span>%s<br>%s.</span></p></div>\n", name,
	    name, name, path->complete ? "" : ", incomplete", text, summary);
}

/* One text of a message under the first one, in a weaker colour. */
static void
under(FILE *out, struct deep_str text, size_t most)
{
	fputs("<br><span class=\"note\">", out);
	html_text(out, text, most);
	fputs("</span>", out);
}

static void
tls_cells(FILE *out, const struct hop *hop)
{
	struct deep_str suite = suite_shown(hop), group = group_shown(hop);
	char how[64];

	protection(how, sizeof(how), hop);
	fprintf(out, "<td class=\"t\" data-label=\"Protection\">%s", how);
	if (hop->is_tls && secrecy(hop) != NULL)
		fprintf(out, "<br>%s", secrecy(hop));
	if (hop->client != CLIENT_UNKNOWN)
		fprintf(out, "<br>client certificate: %s", client_names[hop->client]);
	if (hop->with.p != NULL)
		under(out, hop->with, 40);
	fputs("</td><td class=\"s\" data-label=\"Suite and group\">", out);
	if (!hop->is_tls) {
		fputs("-</td>", out);
		return;
	}
	if (suite.p == NULL) {
		fputs("<span class=\"none\">suite not recorded</span>", out);
	} else {
		fputs("<span class=\"mono\">", out);
		html_text(out, suite, 80);
		fputs("</span>", out);
		if (hop->suite != NULL)
			fprintf(out, "<br>0x%04x, %d bits", hop->suite->code, hop->bits);
		else if (hop->bits > 0)
			fprintf(out, "<br>%d bits", hop->bits);
	}
	if (group.p == NULL) {
		fputs("<br><span class=\"none\">group not recorded</span>", out);
	} else {
		fputs("<br>group <span class=\"mono\">", out);
		html_text(out, group, 40);
		fputs("</span>", out);
	}
	fputs("</td>", out);
}

/* Fields of the message behind what is shown of them. */
static void
raw(FILE *out, const char *what, struct deep_str text)
{
	fprintf(out, "<details><summary>%s</summary><pre>", what);
	html_lines(out, text, RAW_OCTETS);
	fputs("</pre></details>\n", out);
}

static void
hop_row(FILE *out, const struct hop *hop, size_t n, const char *id)
{
	char when[32], took[32];
	unsigned bit;

	fprintf(out, "<tr id=\"%s-h%zu\"><th scope=\"row\" class=\"n\"><span class=\"phone\">Hop </span>%zu</th>"
	    "<td data-label=\"Verdict\">", id, n, n);
	html_verdict(out, hop->verdict);
	if (only_claimed(hop))
		fputs("<br><span class=\"claim-word\">only a claim</span>", out);
	fputs("</td><td class=\"h\" data-label=\"From\">", out);
	html_text(out, hop->from.p != NULL ? hop->from : hop->from_ip, 120);
	if (hop->from.p != NULL && hop->from_ip.p != NULL &&
	    (hop->from_ip.p < hop->from.p || hop->from_ip.p >= hop->from.p + hop->from.n))
		under(out, hop->from_ip, 60);
	fputs("</td><td class=\"h\" data-label=\"Taken by\">", out);
	html_text(out, hop->by, 120);
	fputs("</td>", out);
	tls_cells(out, hop);
	fputs("<td class=\"w\" data-label=\"Date (UTC)\">", out);
	if (hop->has_date && deep_date_emit(when, sizeof(when), &hop->date) > 0)
		fprintf(out, "<time datetime=\"%s\">%.10s %.8s</time>", when, when, when + 11);
	else
		fputs("<span class=\"none\">no date</span>", out);
	if (hop->has_delay) {
		duration(took, sizeof(took), hop->delay < 0 ? -hop->delay : hop->delay);
		fprintf(out, "<br><span class=\"note\">%s %s</span>", took, hop->delay < 0 ? "earlier" : "later");
	}
	fputs("</td></tr>\n<tr class=\"raw\"><td></td><td colspan=\"6\">", out);
	for (bit = 0; bit < FLAGS; bit++) {
		if (hop->flags & (1u << bit))
			fprintf(out, "<p class=\"note\"><b>%s</b>: %s</p>", flag_names[bit],
			    flag_sentence(flag_names[bit]));
	}
	fprintf(out, "<details><summary>Field of hop %zu as it stands</summary><pre>", n);
	html_lines(out, hop->raw, RAW_OCTETS);
	fputs("</pre><p class=\"note\">Evidence: ", out);
	fprintf(out, "%s%s%s%s", hop->evidence & EVIDENCE_CLAUSE ? "the tls clause; " : "",
	    hop->evidence & EVIDENCE_COMMENT ? "words of the host; " : "",
	    hop->evidence & EVIDENCE_WITH ? "the protocol word; " : "",
	    hop->evidence == 0 ? "none; " : "");
	fputs("way of writing: ", out);
	html_text(out, deep_str(hop->dialect != NULL ? hop->dialect : "none that is known"), 80);
	fputs(".</p></details></td></tr>\n", out);
}

static void
hop_table(FILE *out, const struct path *path, const char *id, const char *caption)
{
	size_t i;

	fprintf(out, "<div class=\"scroll\" role=\"group\" aria-label=\"%s\" tabindex=\"0\"><table class=\"cards\">"
	    "<caption>%s</caption><thead><tr><th scope=\"col\" class=\"n\">#</th><th scope=\"col\">"
	    "Verdict</th><th scope=\"col\">From</th><th scope=\"col\">Taken by</th><th scope=\"col\">"
	    "Protection</th><th scope=\"col\">Suite and group</th><th scope=\"col\">Date (UTC)</th></tr>"
	    "</thead><tbody>\n", caption, caption);
	for (i = 0; i < path->nhop; i++)
		hop_row(out, &path->hop[i], i + 1, id);
	fputs("</tbody></table></div>\n", out);
}

static void
recipients(FILE *out, const struct dsn *dsn)
{
	static const char *const label[] = { "Action", "Status", "Remote host", "Diagnostic", "Failed latches" };
	enum { CELLS = sizeof(label) / sizeof(label[0]) };
	size_t i, most = dsn->nrcpt < RECIPIENTS_SHOWN ? dsn->nrcpt : RECIPIENTS_SHOWN;

	if (dsn->nrcpt == 0)
		return;
	fputs("<h3>Recipients, as the report says</h3>\n<div class=\"scroll\" role=\"group\" "
	    "aria-label=\"Recipients\" tabindex=\"0\"><table class=\"cards\"><thead><tr><th scope=\"col\">Recipient"
	    "</th>", out);
	for (i = 0; i < CELLS; i++)
		fprintf(out, "<th scope=\"col\">%s</th>", label[i]);
	fputs("</tr></thead><tbody>\n", out);
	for (i = 0; i < most; i++) {
		const struct recipient *rcpt = &dsn->rcpt[i];
		const struct deep_str cell[CELLS] = {
			rcpt->action, rcpt->status, rcpt->remote_mta, rcpt->diagnostic, rcpt->latches
		};
		size_t k;

		fputs("<tr><th scope=\"row\">", out);
		html_text(out, rcpt->final.p != NULL ? rcpt->final : rcpt->original, 120);
		if (rcpt->original.p != NULL && rcpt->final.p != NULL && (rcpt->original.n !=
		    rcpt->final.n || memcmp(rcpt->original.p, rcpt->final.p, rcpt->final.n) != 0)) {
			fputs("<br><span class=\"note\">sent to ", out);
			html_text(out, rcpt->original, 120);
			fputs("</span>", out);
		}
		fputs("</th>", out);
		for (k = 0; k < CELLS; k++) {
			fprintf(out, "<td data-label=\"%s\">", label[k]);
			if (cell[k].p != NULL && cell[k].n > 0)
				html_text(out, cell[k], 300);
			else
				fputs("-", out);
			fputs("</td>", out);
		}
		fprintf(out, "</tr>\n<tr class=\"raw\"><td colspan=\"%d\">", 1 + CELLS);
		raw(out, "Fields of this recipient as they stand", rcpt->raw);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	if (most < dsn->nrcpt)
		fprintf(out, "<p class=\"note\">%zu more are left out here; --format json has all.</p>\n",
		    dsn->nrcpt - most);
}

static void
missing(FILE *out, const struct path *path)
{
	size_t i;

	fputs("<h3>What is missing, and why</h3>\n", out);
	if (path->nwhy == 0) {
		fputs("<p>Nothing that could be noticed: from the first record to the last the hosts fit "
		    "together. A host that wrote no record cannot be noticed.</p>\n", out);
		return;
	}
	fputs("<ul>\n", out);
	for (i = 0; i < path->nwhy; i++)
		fprintf(out, "<li><b>%s</b>: %s</li>\n", path->why[i], why_sentence(path->why[i]));
	fputs("</ul>\n", out);
}

static void
facts(FILE *out, const struct analysis *a)
{
	char latches[256];

	fputs("<dl>\n", out);
	definition(out, "Message-ID", a->message_id);
	if (a->is_dsn) {
		definition(out, "Report by", a->dsn.reporting_mta);
		definition(out, "Envelope id", a->dsn.envelope_id);
		definition(out, "Arrived there", a->dsn.arrival_date);
	}
	if (a->path.latches == DEEP_LATCH_NONE ||
	    deep_latches_emit(latches, sizeof(latches), a->path.latches, NULL, 0) <= 0)
		strlcpy(latches, a->path.nhop == 0 ? "" : "none", sizeof(latches));
	definition(out, "Latches of all hops", deep_str(latches));
	if (a->mine != MINE_NOT_LOOKED_AT)
		definition(out, "Asked for", deep_str(mine_sentence(a->mine)));
	fputs("</dl>\n", out);
	if (a->is_dsn && a->dsn.raw.n > 0)
		raw(out, "Fields of the report as they stand", a->dsn.raw);
}

/* What the reader's own server found about the message itself. */
static void
own_server(FILE *out, const struct auth *auth, const char *id)
{
	size_t i, k;

	fprintf(out, "<h3 id=\"%s-own\">What your own server found about it</h3>\n", id);
	if (auth->nresult == 0) {
		fputs(auth->found ? "<p>It recorded no result.</p>\n" :
		    "<p>There is no Authentication-Results field of that name at the top.</p>\n", out);
		return;
	}
	fprintf(out, "<div class=\"scroll\" role=\"group\" aria-labelledby=\"%s-own\" tabindex=\"0\"><table>"
	    "<thead><tr><th scope=\"col\">Method</th><th scope=\"col\">Result</th><th scope=\"col\">Of</th>"
	    "<th scope=\"col\">Reason</th></tr></thead><tbody>\n", id);
	for (i = 0; i < auth->nresult; i++) {
		const struct auth_result *result = &auth->result[i];

		fputs("<tr><th scope=\"row\">", out);
		html_text(out, result->method, 40);
		fputs("</th><td>", out);
		html_text(out, result->result, 40);
		fputs("</td><td>", out);
		for (k = 0; k < result->nproperty; k++) {
			if (k > 0)
				fputs("<br>", out);
			html_text(out, result->property[k].name, 60);
			fputs(" = ", out);
			html_text(out, result->property[k].value, 120);
		}
		fputs("</td><td>", out);
		html_text(out, result->reason.p != NULL ? result->reason : deep_str("-"), 200);
		fputs("</td></tr>\n", out);
	}
	fputs("</tbody></table></div>\n", out);
	for (i = 0; i < auth->nresult; i++) {
		if (i == 0 || auth->result[i].raw.p != auth->result[i - 1].raw.p)
			raw(out, "Authentication-Results as it stands", auth->result[i].raw);
	}
}

void
html_message(FILE *out, const struct analysis *a, const char *id)
{
	fprintf(out, "<article id=\"%s\" aria-labelledby=\"%s-n\">\n<h2 id=\"%s-n\">", id, id, id);
	if (a->message_id.p != NULL)
		html_text(out, a->message_id, 120);
	else
		fputs("A message without an id", out);
	fprintf(out, "</h2>\n<p class=\"where\">%s, ", a->dsn.found ?
	    "Delivery status notification" : a->is_dsn ? "Bounce without a delivery status" : "Message");
	html_text(out, deep_str(a->source->file), 300);
	fprintf(out, ", octet %lld</p>\n", (long long)a->source->offset);
	banner(out, &a->path);
	facts(out, a);
	if (a->path.nhop > 0) {
		fprintf(out, "<h3 id=\"%s-p\">The path</h3>\n<figure>\n<div class=\"scroll\" role=\"group\" "
		    "aria-labelledby=\"%s-p\" tabindex=\"0\">", id, id);
		svg_path(out, a, id);
		fputs("</div>\n<figcaption>From the top down. A column is an administrative domain, a box a "
		    "host, an arrow a hop. The line, the symbol and the word say what is recorded "
		    "about the hop, and the time how long after the hop before; see <a href=\"#legend\">what "
		    "they mean</a>.</figcaption>\n"
		    "</figure>\n<h3>The hops</h3>\n", out);
		hop_table(out, &a->path, id, "Each hop, the origin first");
	}
	if (a->is_dsn)
		recipients(out, &a->dsn);
	missing(out, &a->path);
	if (a->has_auth)
		own_server(out, &a->auth, id);
	if (a->is_dsn && a->way_back.nhop > 0) {
		char back[64], summary[256];

		hops_summary(summary, sizeof(summary), &a->way_back);
		fprintf(out, "<h3>The way back</h3>\n<p>The report itself came by %s.</p>\n<details>"
		    "<summary>Its hops</summary>\n", summary);
		snprintf(back, sizeof(back), "%s-back", id);
		hop_table(out, &a->way_back, back, "Each hop of the report");
		fputs("</details>\n", out);
	}
	fputs("</article>\n", out);
}

static void
legend(FILE *out)
{
	static const enum verdict order[] = { VERDICT_STRONG, VERDICT_TLS, VERDICT_UNKNOWN,
	    VERDICT_WEAK, VERDICT_CLEAR, VERDICT_LOCAL };
	size_t i;

	fputs("<section class=\"card\" aria-labelledby=\"legend\">\n<h2 id=\"legend\">How to read this</h2>\n"
	    "<p>Mail goes from host to host. Each host that takes a message writes one line at its top: "
	    "from whom it came, when, and often how the connection was encrypted. This page is made of "
	    "these lines. They are plain statements of whoever wrote them: a host on the way could have "
	    "changed or invented the lines of those before it. Encryption on a hop keeps others on the "
	    "line from reading; the hosts themselves can always read.</p>\n<ul class=\"legend\">\n", out);
	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		fprintf(out, "<li><span class=\"v-%s\"><svg class=\"l\" aria-hidden=\"true\" viewBox=\"0 0 64 14\">"
		    "<line x1=\"2\" y1=\"7\" x2=\"62\" y2=\"7\" stroke-width=\"3\"%s%s%s/></svg></span>",
		    verdict_names[order[i]], *verdict_dashes[order[i]] != '\0' ? " stroke-dasharray=\"" : "",
		    verdict_dashes[order[i]], *verdict_dashes[order[i]] != '\0' ? "\"" : "");
		html_verdict(out, order[i]);
		fprintf(out, "<br>%s</li>\n", verdict_sentence(order[i]));
	}
	fputs("<li><svg class=\"l ring\" aria-hidden=\"true\" viewBox=\"0 0 64 24\"><circle cx=\"32\" cy=\"12\" "
	    "r=\"10\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\" stroke-dasharray=\"3 3\"/></svg>"
	    "<span class=\"claim-word\">only a claim</span><br>Written below the last host that is trusted "
	    "(--trust): anybody above could have invented it. Its symbol has a broken ring.</li>\n"
	    "<li><svg class=\"l ring\" aria-hidden=\"true\" viewBox=\"0 0 64 24\"><rect x=\"8\" y=\"2\" "
	    "width=\"48\" height=\"20\" rx=\"10\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\" "
	    "stroke-dasharray=\"3 4\"/></svg><b>said by the report only</b><br>No field of the message shows "
	    "it: the server that made the report says so.</li>\n"
	    "<li><svg class=\"l\" aria-hidden=\"true\" viewBox=\"0 0 64 14\"><line x1=\"2\" y1=\"7\" x2=\"62\" "
	    "y2=\"7\" stroke-width=\"2\" stroke-dasharray=\"3 6\"/></svg><b>gap</b><br>The two hosts do not fit "
	    "together: what was between them left no record.</li>\n"
	    "</ul>\n<dl class=\"words\"><dt>hop</dt><dd>The way from one host to the next.</dd>"
	    "<dt>suite, group</dt><dd>The kind of encryption, and how its key was agreed on.</dd>"
	    "<dt>forward secret</dt><dd>What was recorded on the line cannot be read later with the server's "
	    "key.</dd><dt>latch</dt><dd>A quality that all hops have in common, such as tls12: TLS 1.2 or "
	    "later.</dd></dl>\n</section>\n", out);
}

static void
page_end(FILE *out)
{
	legend(out);
	fprintf(out, "<footer><p>Made by deeptrace %d.%d.%d with the TLS registries of %s. All of it is "
	    "taken from headers of mail, which are not authenticated.</p></footer>\n</body>\n</html>\n",
	    DEEP_VERSION >> 16, DEEP_VERSION >> 8 & 0xff, DEEP_VERSION & 0xff, deep_registry_date());
}

/* What is shown in full of a run; the rest is only counted.  Memory: KEPT_OCTETS,
 * and the first message whatever its size. */
#define KEPT_MAX	400			/* messages */
#define KEPT_FIRST	50			/* of these, the first of the run */
#define KEPT_OCTETS	(16 * 1024 * 1024)
#define WEED_EVERY	1000			/* messages between two searches for room */

static struct run {
	struct summary	*summary;
	struct kept {
		struct place_of	 place;
		uint64_t	 n;		/* in the run */
		enum verdict	 verdict;
		unsigned	 stays : 1;	/* the first of its verdict */
		char		*text;
		size_t		 ntext;
	}		*kept;
	size_t		 nkept, octets;
	uint64_t	 messages, weeded;
	uint64_t	 first[VERDICTS];	/* message of that verdict, 0: none */
} page;

static void
kept_free(struct kept *kept)
{
	page.octets -= kept->ntext;
	free(kept->place.file);
	free(kept->text);
}

/* Drops what no table names any more. */
static void
weed(void)
{
	size_t i, n = 0;

	for (i = 0; i < page.nkept; i++) {
		if (page.kept[i].stays ||
		    summary_names(page.summary, page.kept[i].place.file, page.kept[i].place.offset))
			page.kept[n++] = page.kept[i];
		else
			kept_free(&page.kept[i]);
	}
	page.nkept = n;
	page.weeded = page.messages;
}

static int
has_room(size_t octets)
{
	return page.nkept == 0 || (page.nkept < KEPT_MAX && page.octets + octets <= KEPT_OCTETS);
}

/* Keeps a message for the end of the page, where there is room for it; one of the
 * worst, or the first of its verdict, in the place of one that is only an example. */
static void
keep(const struct analysis *a, int is_worst, int is_first)
{
	struct kept one = { { NULL, a->source->offset }, page.messages, a->path.verdict, is_first != 0, NULL, 0 };
	char id[24];
	FILE *out;
	size_t i;

	if (!is_worst && !has_room(0))
		return;
	if ((out = open_memstream(&one.text, &one.ntext)) == NULL)
		err(EX_OSERR, "memory for a message");
	snprintf(id, sizeof(id), "m%llu", (unsigned long long)one.n);
	html_message(out, a, id);
	one.place.file = strdup(a->source->file);
	if (fclose(out) != 0 || one.place.file == NULL)
		err(EX_OSERR, "memory for a message");
	if (!has_room(one.ntext) && page.messages - page.weeded >= WEED_EVERY)
		weed();
	for (i = page.nkept; is_worst && !has_room(one.ntext) && i-- > 1; ) {
		if (page.kept[i].stays ||
		    summary_names(page.summary, page.kept[i].place.file, page.kept[i].place.offset) > 1)
			continue;
		kept_free(&page.kept[i]);
		page.nkept--;
		memmove(&page.kept[i], &page.kept[i + 1], (page.nkept - i) * sizeof(*page.kept));
	}
	page.octets += one.ntext;
	if (page.nkept == KEPT_MAX || (page.nkept > 0 && page.octets > KEPT_OCTETS))
		kept_free(&one);
	else
		page.kept[page.nkept++] = one;
}

static uint64_t
find(const char *file, int64_t offset)
{
	size_t i;

	for (i = 0; i < page.nkept; i++) {
		if (page.kept[i].place.offset == offset && strcmp(page.kept[i].place.file, file) == 0)
			return page.kept[i].n;
	}
	return 0;
}

static void
begin(FILE *out)
{
	(void)out;
	memset(&page, 0, sizeof(page));
	page.summary = summary_new();
	if ((page.kept = calloc(KEPT_MAX, sizeof(*page.kept))) == NULL)
		err(EX_OSERR, NULL);
}

static void
show(FILE *out, const struct analysis *a)
{
	enum verdict verdict = a->path.verdict;
	int is_named, is_first;

	(void)out;
	page.messages++;
	if ((is_first = page.first[verdict] == 0))
		page.first[verdict] = page.messages;
	is_named = summary_add(page.summary, a) == DEEP_YES;
	if (page.messages <= KEPT_FIRST || is_named || is_first)
		keep(a, is_first || (is_named && summary_names(page.summary, a->source->file,
		    a->source->offset) > 1), is_first);
}

static void
end(FILE *out)
{
	struct overview view = { page.summary, page.nkept, find, { 0 } };
	char title[64];
	size_t i;

	for (i = 0; i < page.nkept; i++) {	/* there may have been no room for one */
		if (page.kept[i].stays)
			view.first[page.kept[i].verdict] = page.kept[i].n;
	}
	snprintf(title, sizeof(title), "deeptrace: %llu message%s", (unsigned long long)page.messages,
	    page.messages == 1 ? "" : "s");
	page_begin(out, deep_str(title));
	fputs("<main><p class=\"brand\">deeptrace</p>\n", out);
	if (page.messages == 1)
		fputs("<h1>How this message travelled</h1>\n", out);
	else
		html_overview(out, &view);
	if (page.messages > 1)
		fputs("<h2 id=\"messages\">Messages in full</h2>\n", out);
	for (i = 0; i < page.nkept; i++)
		fwrite(page.kept[i].text, 1, page.kept[i].ntext, out);
	fputs("</main>\n", out);
	page_end(out);
	while (page.nkept > 0)
		kept_free(&page.kept[--page.nkept]);
	free(page.kept);
	summary_free(page.summary);
	memset(&page, 0, sizeof(page));
}

void
html_of_summary(FILE *out, struct summary *summary)
{
	struct overview view = { summary, 0, NULL, { 0 } };

	page_begin(out, deep_str("deeptrace: summary"));
	fputs("<main><p class=\"brand\">deeptrace</p>\n", out);
	html_overview(out, &view);
	fputs("</main>\n", out);
	page_end(out);
}

const struct output output_html = { .name = "html", .show = show, .begin = begin, .end = end };
