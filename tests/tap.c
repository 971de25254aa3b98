/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * tap.c - an emitter of the Test Anything Protocol (TAP 12).
 *
 * Results go to standard output line by line, so that a test which crashes
 * has said all it knew; what explains them goes to standard error.  It never
 * allocates, forks or changes the locale, and only plan_skip_all() exits.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define FAILED_MAX	254	/* the highest exit status that counts failures */
#define UNPLANNED	255	/* the exit status where the plan was not met */

static unsigned	planned, run, failed;
static int	has_plan, no_plan;

static void
begin(void)
{
	static int	begun;

	if (begun)
		return;
	begun = 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void
plan_tests(unsigned n)
{
	begin();
	if (has_plan) {
		diag("planned twice");
		failed++;
		return;
	}
	has_plan = 1;
	planned = n;
	printf("1..%u\n", n);
}

void
plan_no_plan(void)
{
	begin();
	no_plan = 1;
}

void
plan_skip_all(const char *why, ...)
{
	va_list	ap;

	begin();
	printf("1..0 # skip ");
	va_start(ap, why);
	vprintf(why, ap);
	va_end(ap);
	printf("\n");
	exit(0);
}

/*
 *	result	= [ "not " ] "ok " number [ " - " name ] LF
 *
 * A "#" in the name is written as "\#", for it would begin a directive, and
 * a control character as "?".
 */
static int
result(int passed, const char *file, int line, const char *name, va_list ap)
{
	char	 text[512];
	char	*c;

	begin();
	run++;
	if (name == NULL || vsnprintf(text, sizeof(text), name, ap) < 0)
		text[0] = '\0';
	printf("%sok %u", passed ? "" : "not ", run);
	if (text[0] != '\0') {
		printf(" - ");
		for (c = text; *c != '\0'; c++) {
			if (*c == '#')
				putchar('\\');
			putchar((unsigned char)*c < 0x20 ? '?' : *c);
		}
	}
	printf("\n");
	if (!passed) {
		failed++;
		diag("failed: %s", text);
		diag("    at: %s:%d", file, line);
	}
	return passed;
}

/*
 *	quoted	= DQUOTE *( "\" escape / %x20-7e ) DQUOTE
 *	escape	= "\" / DQUOTE / "n" / "r" / "t" / "x" 2HEXDIG
 */
static void
quote(const char *label, const char *p, size_t n)
{
	unsigned char	c;
	size_t		i;

	fprintf(stderr, "# %s: ", label);
	if (p == NULL) {
		fprintf(stderr, "NULL\n");
		return;
	}
	putc('"', stderr);
	for (i = 0; i < n; i++) {
		c = (unsigned char)p[i];
		if (c == '\\' || c == '"')
			fprintf(stderr, "\\%c", c);
		else if (c == '\n')
			fprintf(stderr, "\\n");
		else if (c == '\r')
			fprintf(stderr, "\\r");
		else if (c == '\t')
			fprintf(stderr, "\\t");
		else if (c < 0x20 || c > 0x7e)
			fprintf(stderr, "\\x%02x", c);
		else
			putc(c, stderr);
	}
	fprintf(stderr, "\"\n");
}

static void
quote_string(const char *label, const char *s)
{
	quote(label, s, s == NULL ? 0 : strlen(s));
}

static int
is_same(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

int
tap_ok(int passed, const char *file, int line, const char *name, ...)
{
	va_list	ap;

	va_start(ap, name);
	result(passed, file, line, name, ap);
	va_end(ap);
	return passed;
}

int
tap_is(const char *got, const char *expected, const char *file, int line,
    const char *name, ...)
{
	va_list	ap;
	int	passed = is_same(got, expected);

	va_start(ap, name);
	result(passed, file, line, name, ap);
	va_end(ap);
	if (!passed) {
		quote_string("     got", got);
		quote_string("expected", expected);
	}
	return passed;
}

int
tap_isnt(const char *got, const char *unexpected, const char *file, int line,
    const char *name, ...)
{
	va_list	ap;
	int	passed = !is_same(got, unexpected);

	va_start(ap, name);
	result(passed, file, line, name, ap);
	va_end(ap);
	if (!passed)
		quote_string("     got what it must not be", got);
	return passed;
}

int
tap_is_str(struct deep_str got, const char *expected, const char *file, int line,
    const char *name, ...)
{
	va_list	ap;
	int	passed;

	if (got.p == NULL || expected == NULL)
		passed = got.p == NULL && expected == NULL && got.n == 0;
	else
		passed = got.n == strlen(expected) &&
		    memcmp(got.p, expected, got.n) == 0;
	va_start(ap, name);
	result(passed, file, line, name, ap);
	va_end(ap);
	if (!passed) {
		quote("     got", got.p, got.n);
		if (got.p == NULL && got.n != 0)
			diag("          with a length of %zu", got.n);
		quote_string("expected", expected);
	}
	return passed;
}

int
tap_cmp(int passed, long long got, const char *operator, long long expected,
    const char *file, int line, const char *name, ...)
{
	va_list	ap;

	va_start(ap, name);
	result(passed, file, line, name, ap);
	va_end(ap);
	if (!passed) {
		diag("     got: %lld", got);
		if (strcmp(operator, "==") == 0)
			diag("expected: %lld", expected);
		else
			diag("expected: %s %lld", operator, expected);
	}
	return passed;
}

int
tap_is_int(long long got, long long expected, const char *file, int line, const char *name, ...)
{
	va_list	ap;

	va_start(ap, name);
	result(got == expected, file, line, name, ap);
	va_end(ap);
	if (got != expected) {
		diag("     got: %lld", got);
		diag("expected: %lld", expected);
	}
	return got == expected;
}

void
skip(unsigned n, const char *why, ...)
{
	char	text[512];
	va_list	ap;

	begin();
	va_start(ap, why);
	if (vsnprintf(text, sizeof(text), why, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	while (n-- > 0)
		printf("ok %u # skip %s\n", ++run, text);
}

void
diag(const char *text, ...)
{
	va_list	ap;

	fflush(stdout);
	fprintf(stderr, "# ");
	va_start(ap, text);
	vfprintf(stderr, text, ap);
	va_end(ap);
	fprintf(stderr, "\n");
}

int
done_testing(void)
{
	if (!has_plan)
		plan_tests(run);
	return exit_status();
}

int
exit_status(void)
{
	if (!has_plan && no_plan)
		plan_tests(run);
	fflush(stdout);
	if (!has_plan) {
		diag("no plan: call plan_tests() or done_testing()");
		return UNPLANNED;
	}
	if (run != planned) {
		diag("planned %u, ran %u", planned, run);
		return UNPLANNED;
	}
	if (ferror(stdout))
		return UNPLANNED;
	return failed > FAILED_MAX ? FAILED_MAX : (int)failed;
}
