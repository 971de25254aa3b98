/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * probe.c - "deeptrace probe": a message whose way will be told by the reports
 * that it asks for (D5.4-4), one for each recipient, with an envelope id of its
 * own that is remembered before the text is sent.
 */
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "smtp.h"
#include "utf8.h"

#define ADDRESS_MAX	254	/* octets (RFC 5321 4.5.3.1.3, without its angles) */
#define TIMEOUT_MAX	3600	/* seconds */

struct sending {
	struct state	*state;
	struct probe	 probe;
};

static void
probe_usage(FILE *out)
{
	fputs("usage: deeptrace probe [-f address] [-s host[:port]] [-p program] [-T verify|encrypt|may]\n"
	    "                       [-C file] [-u name -P file] [-w seconds] [-S folder] recipient ...\n"
	    "  -f, --from address       the sender, to whom the reports go (you at this host)\n"
	    "  -s, --smtp host[:port]   send by SMTP to this server (port 25)\n"
	    "  -p, --program path       else by this program, called with -bs (/usr/sbin/sendmail)\n"
	    "  -T, --tls level          what --smtp asks of TLS: verify, encrypt, may (verify)\n"
	    "  -C, --ca-file file       the authorities that count, in PEM (the system's)\n"
	    "  -u, --user name          who says so to the server of --smtp (port 587)\n"
	    "  -P, --password-file file  with the password in its first line, nobody else's to read\n"
	    "  -w, --wait seconds       for one answer of the server (60)\n"
	    "  -S, --state folder       where the key and the probes are kept\n"
	    "  -h, --help               this text\n"
	    "Read what comes back with: deeptrace --mine FILE ...\n", out);
}

/* What can stand between angles in a command as it is: local@domain, printable
 * characters without what ends a path.  A domain beyond ASCII is written in ASCII
 * where the local part is ASCII, so that no SMTPUTF8 is needed.  NULL: it is none. */
static const char *
address(char buf[ADDRESS_MAX + 1], const char *text)
{
	const char *at = strrchr(text, '@');
	char key[DEEP_DOMAIN_MAX + 1];
	size_t i, n = strlen(text), octets;
	int ascii = 1, written;
	uint32_t point;

	if (at == NULL || at == text || n > ADDRESS_MAX)
		return NULL;
	for (i = 0; i < n; i += octets) {
		octets = utf8_next(text + i, n - i, &point);
		if (octets == 0 || point == ' ' || utf8_is_hostile(point) ||
		    (point < 0x80 && strchr("<>()\\\",;:[]", (int)point) != NULL))
			return NULL;
		ascii &= point < 0x80 || text + i > at;
	}
	if (deep_domain_key(key, sizeof(key), deep_str(at + 1)) <= 0)
		return NULL;
	written = snprintf(buf, ADDRESS_MAX + 1, "%.*s%s", (int)(at + 1 - text), text, ascii ? key : at + 1);
	return written > 0 && written <= ADDRESS_MAX ? buf : NULL;
}

/* Its domain in ASCII. */
static void
domain_key(char key[DEEP_DOMAIN_MAX + 1], const char *address_text)
{
	if (deep_domain_key(key, DEEP_DOMAIN_MAX + 1, deep_str(strrchr(address_text, '@') + 1)) <= 0)
		strlcpy(key, "invalid", DEEP_DOMAIN_MAX + 1);
}

static int
own_address(char buf[ADDRESS_MAX + 1])
{
	char text[ADDRESS_MAX + 1];
	const struct passwd *user = getpwuid(geteuid());
	char host[DEEP_DOMAIN_MAX + 1] = "";

	(void)gethostname(host, sizeof(host) - 1);
	return user != NULL && snprintf(text, sizeof(text), "%s@%s", user->pw_name, host) < (int)sizeof(text) &&
	    strchr(host, '.') != NULL && address(buf, text) != NULL ? 0 : -1;
}

/* The text of the message; to be freed. */
static char *
compose(const struct probe *probe, size_t *n)
{
	char date[64], *text = NULL;
	time_t now = (time_t)probe->sent;
	struct tm tm;
	FILE *out = open_memstream(&text, n);

	if (out == NULL || gmtime_r(&now, &tm) == NULL)
		err(EX_OSERR, NULL);
	/* the C locale has the names of RFC 5322 3.3 */
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", &tm);
	fprintf(out, "Date: %s\nFrom: <%s>\nTo: <%s>\nSubject: A message that asks by which way it came\n"
	    "Message-ID: %s\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\n"
	    "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n\n"
	    "This message was sent to see how mail to this address is protected on its way.\n"
	    "It asks the servers on its way for a delivery report with its header, from which\n"
	    "the sender can read which of them used encryption.\n\n"
	    "Nothing needs to be done. It can be deleted.\n", date, probe->from, probe->to,
	    probe->message_id);
	if (fclose(out) != 0)
		err(EX_OSERR, NULL);
	return text;
}

static int
remember(void *context)
{
	struct sending *sending = context;

	return probe_add(sending->state, &sending->probe);
}

static int
send_one(struct state *state, const struct smtp_way *way, char *from, char *to)
{
	char envid[ENVID_MAX + 1], message_id[ENVID_MAX + DEEP_DOMAIN_MAX + 16], how[128];
	char domain[DEEP_DOMAIN_MAX + 1];
	struct sending sending;
	struct smtp_mail mail;
	char *text;
	int status;

	envid_make(state, envid);
	/* not the envelope id: whoever sees the header alone cannot make a report with it */
	domain_key(domain, from);
	snprintf(message_id, sizeof(message_id), "<probe.%.12s@%s>", envid + 4, domain);
	sending.state = state;
	sending.probe = (struct probe){ envid, from, to, message_id, (int64_t)time(NULL) };
	memset(&mail, 0, sizeof(mail));
	mail.from = from;
	mail.to = to;
	mail.envid = envid;
	mail.text = text = compose(&sending.probe, &mail.ntext);
	mail.taken = remember;
	mail.context = &sending;
	status = smtp_send(way, &mail, how, sizeof(how));
	free(text);
	if (status == 0)
		printf("%s  %s  %s\n", envid, to, how);
	return status;
}

/* "host", "host:port", "[address]:port"; the text is cut up. */
static void
split_host(struct smtp_way *way, char *text)
{
	char *colon = strrchr(text, ':');

	if (*text == '[') {
		char *end = strchr(text, ']');

		if (end != NULL) {
			*end = '\0';
			text++;
			colon = end[1] == ':' ? end + 1 : NULL;
		} else {
			errx(EX_USAGE, "--smtp: \"%s\" has no ]", visible(text));
		}
	} else if (colon != NULL && strchr(text, ':') != colon) {
		colon = NULL;		/* an IPv6 address */
	}
	if (colon != NULL) {
		*colon = '\0';
		way->port = colon + 1;
		if (*way->port == '\0' || strspn(way->port, "0123456789") != strlen(way->port))
			errx(EX_USAGE, "--smtp: \"%s\" is no port", visible(way->port));
	}
	if (*text == '\0')
		errx(EX_USAGE, "--smtp: there is no host");
	way->host = text;
}

/* The first line of a file that is nobody else's to read; to be freed. */
static char *
password_read(const char *path)
{
	char *line = NULL;
	struct stat st;
	size_t room = 0;
	ssize_t n;
	FILE *in = fopen(path, "re");

	if (in == NULL)
		err(EX_NOINPUT, "--password-file: %s", visible(path));
	if (fstat(fileno(in), &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
		errx(EX_CONFIG, "--password-file: others can read %s; chmod 600 it, and change the password",
		    visible(path));
	n = getline(&line, &room, in);
	if (n > 0 && line[n - 1] == '\n')
		line[--n] = '\0';
	if (n > 0 && line[n - 1] == '\r')
		line[--n] = '\0';
	if (n <= 0 || (size_t)n != strlen(line))
		errx(EX_CONFIG, "--password-file: %s has no password in its first line", visible(path));
	fclose(in);
	return line;
}

static enum smtp_tls
tls_level(const char *text)
{
	static const char *const names[] = { "verify", "encrypt", "may" };	/* by enum smtp_tls */
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(text, names[i]) == 0)
			return (enum smtp_tls)i;
	}
	errx(EX_USAGE, "--tls: there is verify, encrypt and may, not \"%s\"", visible(text));
}

int
probe_command(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "smtp", required_argument, NULL, 's' },
		{ "program", required_argument, NULL, 'p' },
		{ "tls", required_argument, NULL, 'T' },
		{ "ca-file", required_argument, NULL, 'C' },
		{ "user", required_argument, NULL, 'u' },
		{ "password-file", required_argument, NULL, 'P' },
		{ "wait", required_argument, NULL, 'w' },
		{ "state", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct smtp_way way = { NULL, NULL, "/usr/sbin/sendmail", SMTP_TLS_VERIFY, NULL, 60, NULL, NULL };
	char sender[ADDRESS_MAX + 1], recipient[ADDRESS_MAX + 1], *password = NULL, *end;
	const char *folder = NULL, *from = NULL, *password_file = NULL;
	struct state *state;
	int c, i, status = 0, answer;
	long wait;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "f:s:p:T:C:u:P:w:S:h", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			from = optarg;
			break;
		case 's':
			split_host(&way, optarg);
			break;
		case 'p':
			way.program = optarg;
			break;
		case 'T':
			way.tls = tls_level(optarg);
			break;
		case 'C':
			way.ca_file = optarg;
			break;
		case 'u':
			way.user = optarg;
			break;
		case 'P':
			password_file = optarg;
			break;
		case 'w':
			errno = 0;
			wait = strtol(optarg, &end, 10);
			if (errno != 0 || end == optarg || *end != '\0' || wait < 1 || wait > TIMEOUT_MAX)
				errx(EX_USAGE, "--wait: \"%s\" is not from 1 to %d seconds", visible(optarg),
				    TIMEOUT_MAX);
			way.timeout = (int)wait;
			break;
		case 'S':
			folder = optarg;
			break;
		case 'h':
			probe_usage(stdout);
			return 0;
		default:
			wrong_option(" probe", argv);
		}
	}
	if (optind == argc)
		errx(EX_USAGE, "probe: to whom? there is no recipient; see deeptrace probe --help");
	if (from == NULL && own_address(sender) != 0)
		errx(EX_USAGE, "this host has no full name to make your address of; give --from");
	if (from != NULL && address(sender, from) == NULL)
		errx(EX_USAGE, "--from: \"%s\" is no address", visible(from));
	for (i = optind; i < argc; i++) {
		if (address(recipient, argv[i]) == NULL)
			errx(EX_USAGE, "\"%s\" is no address", visible(argv[i]));
	}
	if ((way.user != NULL) != (password_file != NULL))
		errx(EX_USAGE, "--user and --password-file: both, or none");
	if (way.user != NULL && (way.host == NULL || way.tls != SMTP_TLS_VERIFY))
		errx(EX_USAGE, "--user: only with --smtp and --tls verify, so that nobody else gets the password");
	if (way.user != NULL)
		way.password = password = password_read(password_file);
	if (way.port == NULL)
		way.port = way.user != NULL ? "587" : "25";
	if ((state = state_open(folder, 1)) == NULL)
		return EX_CONFIG;
	for (i = optind; i < argc; i++) {
		(void)address(recipient, argv[i]);
		if ((answer = send_one(state, &way, sender, recipient)) != 0)
			status = answer;
	}
	state_close(state);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	free(password);
	return status;
}
