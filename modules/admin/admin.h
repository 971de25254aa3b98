/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * admin.h - what the files of deeplatch(8) share.
 */
#ifndef ADMIN_H
#define ADMIN_H

#include <sys/types.h>

#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "deep.h"

/* Results that are no error; all others are those of sysexits.h. */
#define DONE		0
#define NOTHING		1	/* nothing found, or nothing to do */
#define REFUSED		1	/* check: the message would wait */
#define FAULTY		1	/* verify: damaged records */
#define MISSING		2	/* check: it would go, but something held is missing */

#define TIME_OCTETS	32	/* a time as text */
#define NAME_OCTETS	64	/* of who did something, as in struct deep_entry */

/* progress.c: a line on a terminal while work takes longer than two seconds. */
struct progress {
	const char	*what;		/* "names"; NULL: of nothing yet */
	uint64_t	 count;
	int64_t		 start, shown;	/* milliseconds */
	int		 on;		/* standard error is a terminal */
};
void	 progress_start(struct progress *, const char *what);
void	 progress_step(struct progress *);
void	 progress_end(struct progress *);
/* For deep_store_watch(): a step of the same, or the first of another. */
void	 progress_watch(void *progress, const char *what);

struct admin {
	const char		*file;		/* deep.conf; NULL: that of the system */
	struct deep_config	*config;
	struct deep_store	*store;		/* NULL before open_store() */
	int64_t			 now;		/* seconds since 1970 */
	struct progress		 progress;	/* of what the store does by itself */
};

struct command {
	const char	*name;
	int		(*run)(struct admin *, int argc, char *argv[]);	/* argv[0]: the name */
	const char	*usage;			/* behind the name */
	const char	*what;
};
extern const struct command commands[];		/* main.c; the last one has no name */

/* main.c */
void	usage_of(const char *command) __attribute__((__noreturn__));	/* exits with EX_USAGE */
/* The same, where getopt_long(3) has just answered that there is no such option. */
void	bad_option(const char *command, char *argv[]) __attribute__((__noreturn__));
/* Says so where the name is that of a host of a [group] in deep.conf. */
void	say_group(const struct admin *, const char *command, const struct deep_key *);
/* Says so where another service has something of the name. */
void	say_services(const struct admin *, const char *command, const struct deep_key *);
void	open_store(struct admin *);		/* or exits with EX_UNAVAILABLE */
void	store_failed(struct admin *) __attribute__((__noreturn__));
/* Says what is amiss although the store answered. */
void	store_warns(const struct admin *);

/* arguments.c: words of the command line; each exits with EX_USAGE where it is wrong. */
enum deep_service service_of(const char *);
struct deep_key	 key_of(enum deep_service, const char *domain);
deep_latches	 latches_of(const char *);	/* "tls10,tls-pfs" */
int64_t		 age_of(const char *);		/* "90d" */
int64_t		 since_of(const char *, int64_t now);	/* an age, or "2026-11-24[T10:00:00Z]" */

/* who.c: who does it, and why. */
void	 who_am_i(char name[NAME_OCTETS]);
/* The reason given, or what is answered on a terminal; or exits with EX_USAGE. */
const char *reason_of(const char *given, char *buf, size_t size);

/* say.c: what is printed.  Nothing foreign reaches a terminal raw. */
void	 say_word(FILE *, const char *);	/* through vis(3) */
void	 say_latches(FILE *, deep_latches, const char *between, const char *none);
const char *say_time(char buf[TIME_OCTETS], int64_t);		/* "2026-11-24T10:00:00Z", "-" for 0 */
const char *say_date(char buf[TIME_OCTETS], int64_t);		/* "2026-11-24" */
const char *say_age(char buf[TIME_OCTETS], int64_t seconds);	/* "3d", "5h", "12m", "40s" */
const char *mode_name(enum deep_mode);
void	 say_entry(FILE *, const struct deep_entry *);		/* the end of a line of the log */

/* record.c: a record as JSON, for list, show, export and import. */
json_t	*record_json(const struct deep_key *, const struct deep_record *);	/* NULL: no memory */
/* 1, or 0: *why tells what is wrong with it. */
int	 record_read(json_t *, int64_t now, struct deep_key *, struct deep_record *,
	    const char **why);
json_t	*latches_json(deep_latches);
json_t	*text_json(const char *);		/* octets that are no UTF-8 become "?" */
void	 json_line(FILE *, json_t *);		/* one line; takes the reference */

/* import.c and its readers. */
struct import {
	struct admin	*admin;
	const char	*file;		/* in messages */
	unsigned	 line;		/* 0: of the whole file */
	int		 dry_run;
	int		 probation;	/* what has no history begins on probation */
	int		 failed;
	uint64_t	 taken, passed_over;
	struct progress	 progress;
};
/* One entry; 0: the store failed, stop. */
int	 import_take(struct import *, const struct deep_key *, const struct deep_record *);
/* A name of which no more is known than that it has these; 0: stop.  is_host: of a host
 * that is configured by name, which may be of a [group]. */
int	 import_latches(struct import *, enum deep_service, struct deep_str name, int is_host,
	    deep_latches);
void	 import_bad(struct import *, const char *format, ...)	/* an error; import stops */
	    __attribute__((__format__(__printf__, 2, 3)));
void	 import_note(struct import *, const char *format, ...)	/* what was passed over */
	    __attribute__((__format__(__printf__, 2, 3)));
/* Readers: of a line, without its end, or of a whole file.  0: stop. */
int	 read_json_line(struct import *, const char *, size_t);
int	 read_postfix_line(struct import *, const char *, size_t);
int	 read_chasquid_file(struct import *, const char *, size_t);

/* The commands. */
int	 run_init(struct admin *, int, char *[]);
int	 run_list(struct admin *, int, char *[]);
int	 run_show(struct admin *, int, char *[]);
int	 run_check(struct admin *, int, char *[]);
int	 run_reset(struct admin *, int, char *[]);
int	 run_exempt(struct admin *, int, char *[]);
int	 run_purge(struct admin *, int, char *[]);
int	 run_export(struct admin *, int, char *[]);
int	 run_import(struct admin *, int, char *[]);
int	 run_verify(struct admin *, int, char *[]);
int	 run_stats(struct admin *, int, char *[]);
int	 run_log(struct admin *, int, char *[]);
int	 run_expiry(struct admin *, int, char *[]);

#endif
