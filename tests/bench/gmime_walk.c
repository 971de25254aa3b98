/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * gmime_walk.c - for the benchmark: reads an mbox with GMime 3, walks all
 * parts, and reads the values of the Received fields of each message and of
 * what a report gives back (RFC 3464): far less than deeptrace(1) does.
 */
#include <gmime/gmime.h>

#include <err.h>
#include <stdio.h>
#include <string.h>

static unsigned long messages, parts, fields, octets;

static void
count(GMimeHeaderList *headers)
{
	int i, n = g_mime_header_list_get_count(headers);

	for (i = 0; i < n; i++) {
		GMimeHeader *header = g_mime_header_list_get_header_at(headers, i);

		if (g_ascii_strcasecmp(g_mime_header_get_name(header), "Received") != 0)
			continue;
		fields++;
		octets += strlen(g_mime_header_get_value(header));
	}
}

/* text/rfc822-headers: a message without its body. */
static void
read_returned(GMimePart *part)
{
	GMimeStream *text = g_mime_stream_mem_new();
	GMimeParser *parser;
	GMimeMessage *message;

	g_mime_data_wrapper_write_to_stream(g_mime_part_get_content(part), text);
	g_mime_stream_reset(text);
	parser = g_mime_parser_new_with_stream(text);
	if ((message = g_mime_parser_construct_message(parser, NULL)) != NULL) {
		count(g_mime_object_get_header_list(GMIME_OBJECT(message)));
		g_object_unref(message);
	}
	g_object_unref(parser);
	g_object_unref(text);
}

static void
visit(GMimeObject *parent, GMimeObject *part, gpointer data)
{
	(void)parent;
	(void)data;
	parts++;
	if (GMIME_IS_MESSAGE_PART(part)) {
		GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(part));

		if (inner != NULL)
			count(g_mime_object_get_header_list(GMIME_OBJECT(inner)));
	} else if (GMIME_IS_PART(part) && g_mime_content_type_is_type(
	    g_mime_object_get_content_type(part), "text", "rfc822-headers")) {
		read_returned(GMIME_PART(part));
	}
}

int
main(int argc, char *argv[])
{
	GMimeStream *stream;
	GMimeParser *parser;
	GMimeMessage *message;

	if (argc != 2)
		errx(64, "usage: gmime_walk mbox");
	g_mime_init();
	if ((stream = g_mime_stream_file_open(argv[1], "r", NULL)) == NULL)
		errx(66, "%s: cannot be opened", argv[1]);
	parser = g_mime_parser_new_with_stream(stream);
	g_mime_parser_set_format(parser, GMIME_FORMAT_MBOX);
	while (!g_mime_parser_eos(parser)) {
		if ((message = g_mime_parser_construct_message(parser, NULL)) == NULL)
			break;
		messages++;
		count(g_mime_object_get_header_list(GMIME_OBJECT(message)));
		g_mime_message_foreach(message, visit, NULL);
		g_object_unref(message);
	}
	g_object_unref(parser);
	g_object_unref(stream);
	g_mime_shutdown();
	printf("%lu messages, %lu parts, %lu Received fields of %lu octets\n", messages,
	    parts, fields, octets);
	return 0;
}
