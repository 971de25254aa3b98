/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * tap.h - what a test written in C says to prove(1), in the Test Anything
 * Protocol (TAP 12) and with the names of libtap.
 *
 * A test plans, checks and ends with "return exit_status();", or checks and
 * ends with "return done_testing();".  Each check answers 1 where it passed
 * and 0 where it failed; a failed one tells the file, the line, what it got
 * and what it expected on standard error.  Every check is given a name as for
 * printf(3).
 */
#ifndef TAP_H
#define TAP_H

#include "deep.h"

#define TAP_PRINTF(format, first) __attribute__((__format__(__printf__, format, first)))

void	plan_tests(unsigned);
void	plan_no_plan(void);		/* the plan is printed at the end */
void	plan_skip_all(const char *, ...)	/* exits with 0 */
	    TAP_PRINTF(1, 2) __attribute__((__noreturn__));

/* A condition. */
#define ok(condition, ...) \
	tap_ok(!!(condition), __FILE__, __LINE__, __VA_ARGS__)
#define ok1(condition)	ok(condition, "%s", #condition)
#define pass(...)	ok(1, __VA_ARGS__)
#define fail(...)	ok(0, __VA_ARGS__)

/* C strings; either may be NULL, and NULL is only NULL. */
#define is(got, expected, ...) \
	tap_is((got), (expected), __FILE__, __LINE__, __VA_ARGS__)
#define isnt(got, unexpected, ...) \
	tap_isnt((got), (unexpected), __FILE__, __LINE__, __VA_ARGS__)

/* A slice against a C string; expected NULL: its p has to be NULL. */
#define is_str(got, expected, ...) \
	tap_is_str((got), (expected), __FILE__, __LINE__, __VA_ARGS__)

/* Integers: is_int(n, 3, "three"), cmp_ok(n, <=, 3, "at most three"). */
#define is_int(got, expected, ...) \
	tap_is_int((long long)(got), (long long)(expected), __FILE__, __LINE__, __VA_ARGS__)
#define cmp_ok(got, operator, expected, ...) \
	tap_cmp((got) operator (expected), (long long)(got), #operator, \
	    (long long)(expected), __FILE__, __LINE__, __VA_ARGS__)

void	skip(unsigned, const char *, ...)	/* that many checks, and why */
	    TAP_PRINTF(2, 3);
void	diag(const char *, ...)			/* "# ..." on standard error */
	    TAP_PRINTF(1, 2);

int	done_testing(void);	/* prints the plan if there is none; as below */
int	exit_status(void);	/* 0, the number of failures, or 255: the plan was not met */

int	tap_ok(int, const char *, int, const char *, ...)
	    TAP_PRINTF(4, 5);
int	tap_is_int(long long, long long, const char *, int, const char *, ...)
	    TAP_PRINTF(5, 6);
int	tap_is(const char *, const char *, const char *, int, const char *, ...)
	    TAP_PRINTF(5, 6);
int	tap_isnt(const char *, const char *, const char *, int, const char *, ...)
	    TAP_PRINTF(5, 6);
int	tap_is_str(struct deep_str, const char *, const char *, int, const char *, ...)
	    TAP_PRINTF(5, 6);
int	tap_cmp(int, long long, const char *, long long, const char *, int,
	    const char *, ...) TAP_PRINTF(7, 8);

#endif
