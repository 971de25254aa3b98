/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * scale.h - what a run over an archive needs beside the work on one message:
 * how far it has come, where it goes on, and several processes.
 */
#ifndef SCALE_H
#define SCALE_H

#include "analyzer.h"

#define JOBS_MAX	64		/* processes of -j */

/* progress.c */
struct progress {
	uint64_t	done, total;		/* octets of the files */
	uint64_t	before;			/* done by the run that is gone on with */
	uint64_t	messages;
	double		begin, last;		/* seconds */
	unsigned	shown : 1, unknown : 1;	/* unknown: the total is */
};
void	signals_catch(void);			/* SIGINT, SIGTERM, SIGHUP set interrupted */
double	seconds_now(void);
/* wanted: 1 yes, 0 no, -1 where standard error is a terminal and the output none */
void	progress_start(struct progress *, int wanted, char *const *path, int npath);
void	progress_show(struct progress *);	/* now and then */
void	progress_end(struct progress *);

/* resume.c: where a run goes on, in a file. */
struct spot {
	int	 input;				/* which of the arguments */
	char	*file;				/* of a folder, or the input itself; owned */
	int64_t	 offset;			/* of the next message; octets of text */
	int64_t	 output;			/* octets that were written then; -1: all that are there */
};
/* YES: the state is read, and the settings hold what was counted.  NO: there is
 * none, begin at the start.  BAD: said on standard error. */
enum deep_status resume_read(struct settings *, char *const *path, int npath, struct spot *);
/* 0, or -1, said on standard error. */
int	resume_write(struct settings *, char *const *path, int npath, const struct spot *);
void	resume_done(const struct settings *);	/* the file goes */

/* run.c: what each message goes through. */
void	take(struct settings *, FILE *, const struct analysis *);
/* parallel.c: the inputs from this place on, in so many processes.  Answers as
 * the loop of run.c does: the place where it was interrupted is left in *place. */
void	run_parallel(struct settings *, char *const *path, int npath, struct spot *,
	    struct progress *);

#endif
