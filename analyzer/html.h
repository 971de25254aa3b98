/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * html.h - what the files that write the HTML form know of each other.
 */
#ifndef HTML_H
#define HTML_H

#include <stdio.h>

#include "analyzer.h"
#include "summary.h"

/* htmltext.c: octets of a message as text of HTML and SVG.  most: columns, the
 * rest is cut and "..." stands for it; 0 for all. */
void	html_text(FILE *, struct deep_str, size_t most);	/* as content; may hold span elements */
void	html_plain(FILE *, struct deep_str, size_t most);	/* as an attribute's value or a title */
/* Several lines as content; most: octets. */
void	html_lines(FILE *, struct deep_str, size_t most);
/* html_plain(), the middle cut out instead of the end. */
void	html_name(FILE *, struct deep_str, size_t most);

/* svg.c: the path as a picture; id makes its ids differ from those of others. */
void	svg_path(FILE *, const struct analysis *, const char *id);
void	svg_symbols(FILE *);		/* once in the page: what verdicts look like */
extern const char *const verdict_dashes[];	/* stroke-dasharray by enum verdict */

void	html_verdict(FILE *, enum verdict);	/* html.c: its symbol and word */

/* overview.c: the page about many messages. */
struct overview {
	struct summary	*summary;
	uint64_t	 shown;			/* messages on the page in full */
	uint64_t	(*find)(const char *file, int64_t offset);	/* n, on the page as "m<n>";
					 * 0: not there; NULL: none is */
	uint64_t	 first[VERDICTS];	/* the first message of each verdict, likewise */
};
void	html_overview(FILE *, const struct overview *);
void	html_of_summary(FILE *, struct summary *);	/* a page without messages, as of a merge */
void	html_message(FILE *, const struct analysis *, const char *id);

#endif
