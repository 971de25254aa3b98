/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * smtp.h - one message to one recipient, with the parameters that ask for a
 * report (RFC 5321, RFC 3461), by a user where the server asks for one (RFC 4954),
 * of addresses beyond ASCII where it takes them (RFC 6531).
 */
#ifndef SMTP_H
#define SMTP_H

#include <stddef.h>
#include <sys/types.h>

enum smtp_tls {
	SMTP_TLS_VERIFY,	/* TLS with a certificate for the host's name, or nothing is sent */
	SMTP_TLS_ENCRYPT,	/* TLS whatever the certificate, or nothing is sent */
	SMTP_TLS_MAY		/* TLS where it is offered */
};
struct smtp_way {
	const char	*host;		/* NULL: through the program below */
	const char	*port;
	const char	*program;	/* sendmail(8), called with -bs */
	enum smtp_tls	 tls;
	const char	*ca_file;	/* NULL: the system's */
	int		 timeout;	/* seconds for one answer */
	const char	*user;		/* NULL: none; only with SMTP_TLS_VERIFY */
	const char	*password;
};
struct smtp_mail {
	const char	*from, *to, *envid;	/* UTF-8 in the addresses is sent by SMTPUTF8 */
	const char	*text;		/* lines end in LF; ends with one */
	size_t		 ntext;
	/* Called once the server has taken the envelope and before the text is sent;
	 * anything but 0 gives the message up. */
	int		(*taken)(void *);
	void		*context;
};
/* Sends it where the server announces DSN.  Answers 0 once the server has taken
 * the message, with in how what the way was ("TLSv1.3, certificate verified"); else
 * an exit status of sysexits(3), the reason said on standard error. */
int	smtp_send(const struct smtp_way *, const struct smtp_mail *, char *how, size_t size);

/* program.c: starts argv[0], *to being its standard input; *from is its output, which
 * is standard error's where from is NULL.  0, or an errno, and nothing is open. */
int	program_start(pid_t *child, const char *const argv[], int *to, int *from);

#endif
