/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * expiry.c - "deeplatch expiry": when the site's own certificates expire, and which do so
 * soon (draft Appendix A): who holds tls-cert for this site would not deliver then.
 *
 * It looks at dates only, and never says that a certificate is a good one.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "admin.h"

#define DAY	86400
#define DAYS	14		/* to go, when it is time to act */
#define DAYS_MAX 3650
#define SUBJECT_OCTETS 256		/* of a subject, as it is printed */

static int
days_of(const char *text)
{
	char	*end;
	long	 days = strtol(text, &end, 10);

	if (*text < '0' || *text > '9' || *end != '\0' || days > DAYS_MAX)
		errx(EX_USAGE, "--days %s: write a number from 0 to %d", text, DAYS_MAX);
	return (int)days;
}

/* "CN = mail.example.org"; cut where it is longer. */
static void
subject_of(char name[SUBJECT_OCTETS], X509 *certificate)
{
	BIO	*memory = BIO_new(BIO_s_mem());
	int	 n = 0;

	if (memory != NULL && X509_NAME_print_ex(memory, X509_get_subject_name(certificate), 0,
	    XN_FLAG_ONELINE) >= 0)
		n = BIO_read(memory, name, SUBJECT_OCTETS - 1);
	name[n > 0 ? n : 0] = '\0';
	BIO_free(memory);
}

/* 1: it has as many days to go, or fewer, or none. */
static int
is_due(const char *file, X509 *certificate, int64_t now, int days)
{
	char		 name[SUBJECT_OCTETS], when[TIME_OCTETS];
	struct tm	 end;
	int64_t		 expires, left;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) != 1)
		errx(EX_DATAERR, "%s: a certificate without a date that can be read; make it anew",
		    file);
	expires = (int64_t)timegm(&end);
	left = expires - now;
	subject_of(name, certificate);
	printf("%s: ", file);
	say_word(stdout, name[0] == '\0' ? "(no subject)" : name);
	printf("%s %s", left < 0 ? " expired" : " expires", say_time(when, expires));
	if (left >= 0)
		printf(", in %lld day%s", (long long)(left / DAY), left / DAY == 1 ? "" : "s");
	puts(left < 0 || left > days * (int64_t)DAY ? "" : ": renew it");
	return left <= days * (int64_t)DAY;
}

static int
look_at(const char *file, int64_t now, int days)
{
	FILE	*stream = fopen(file, "re");
	X509	*certificate;
	int	 n = 0, due = 0;

	if (stream == NULL)
		err(EX_NOINPUT, "%s", file);
	while ((certificate = PEM_read_X509(stream, NULL, NULL, NULL)) != NULL) {
		n++;
		due |= is_due(file, certificate, now, days);
		X509_free(certificate);
	}
	if (ferror(stream))
		err(EX_NOINPUT, "%s", file);
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		errx(EX_DATAERR, "%s: certificate %d cannot be read; write it in PEM", file, n + 1);
	ERR_clear_error();
	fclose(stream);
	if (n == 0)
		errx(EX_DATAERR, "%s: no certificate in PEM; name the file that the mail server "
		    "has it from", file);
	return due;
}

int
run_expiry(struct admin *admin, int argc, char *argv[])
{
	static const struct option	options[] = {
		{ "days", required_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 }
	};
	int				c, days = DAYS, due = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c != 'd')
			bad_option("expiry", argv);
		days = days_of(optarg);
	}
	if (optind == argc)
		usage_of("expiry");
	for (; optind < argc; optind++)
		due |= look_at(argv[optind], admin->now, days);
	return due ? NOTHING : DONE;
}
