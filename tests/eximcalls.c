/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * eximcalls.c - the functions of deep-exim.so called as Exim calls them, without an
 * Exim: what they answer to anything, what is learnt of two attempts of one message,
 * what a forked process knows without the store, which notes of a session count, how
 * long hosts are left out, and that no call leaves a descriptor behind, on either side of a fork.
 */
#include <sys/wait.h>

#include <dirent.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "deep.h"
#include "tap.h"

#define EXIM_OK		0
#define EXIM_FAIL	2
#define MOST		7	/* arguments */

typedef int dlfunc(unsigned char **, int, unsigned char **);
dlfunc check, clause, dsn, event, hold, hosts, inbound, latches, narrow, passed, refusal;

static const struct {
	const char	*name;
	dlfunc		*call;
} functions[] = {
	{ "check", check }, { "clause", clause }, { "dsn", dsn }, { "event", event },
	{ "hold", hold }, { "hosts", hosts }, { "inbound", inbound }, { "latches", latches },
	{ "narrow", narrow }, { "passed", passed }, { "refusal", refusal },
};
#define NFUNCTION	(sizeof(functions) / sizeof(functions[0]))

static char	 folder[] = "/tmp/eximcalls.XXXXXX";
static char	 conf[128], logged[65536];

/* The configuration of this test (ld --wrap). */
enum deep_status __real_deep_config_read(struct deep_config *, const char *);
enum deep_status __wrap_deep_config_read(struct deep_config *, const char *);

enum deep_status
__wrap_deep_config_read(struct deep_config *config, const char *file)
{
	return __real_deep_config_read(config, file == NULL ? conf : file);
}

/* The clock of this test. */
static time_t	 ahead;
time_t __real_time(time_t *);
time_t __wrap_time(time_t *);

time_t
__wrap_time(time_t *now)
{
	time_t one = __real_time(NULL) + ahead;

	if (now != NULL)
		*now = one;
	return one;
}

/* Exim's, which is there when it calls. */
void log_write(unsigned, int, const char *, ...);

void
log_write(unsigned selector, int where, const char *format, ...)
{
	va_list ap;
	size_t n = strlen(logged);

	(void)selector;
	(void)where;
	va_start(ap, format);
	vsnprintf(logged + n, sizeof(logged) - n, format, ap);
	va_end(ap);
}

static const char *said;	/* by the last call */

static int
call(dlfunc *function, const char *const *words)
{
	unsigned char *argv[MOST + 1], *yield = NULL;
	int argc = 0, result;

	for (; argc < MOST && words[argc] != NULL; argc++)
		if ((argv[argc] = (unsigned char *)strdup(words[argc])) == NULL)
			abort();
	argv[argc] = NULL;
	result = function(&yield, argc, argv);
	said = yield == NULL ? "" : (char *)yield;
	while (argc > 0)
		free(argv[--argc]);
	return result;
}
#define CALL(function, ...) call(function, (const char *const []){ __VA_ARGS__, NULL })

static int
descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	if (dir == NULL)
		return -1;
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
configure(const char *text)
{
	FILE *file = fopen(conf, "w");

	if (file == NULL)
		abort();
	fprintf(file, "[store]\nurl = sqlite:%s/latches.db\n%s", folder, text);
	fclose(file);
}

static void
make_store(void)
{
	struct deep_config *config = deep_config_new();
	struct deep_store *store = deep_store_new();

	if (config == NULL || store == NULL || deep_config_read(config, conf) != DEEP_YES ||
	    deep_store_create(store, config, getuid(), getgid()) != DEEP_YES)
		diag("%s", store == NULL ? "no memory" : deep_store_error(store));
	deep_store_free(store);
	deep_config_free(config);
}

/* What an administrator, or a stranger, may have written there. */
static void
anything(const char *when)
{
	static char	 large[20000];
	const char	*words[MOST + 1], *nonsense[] = { "", "d1.test", "=", "id= id=1 route=mx",
			    "tls=TLS1.3:TLS_AES_128_GCM_SHA256:128", "\xff\xfe;\n%s%n", large };
	unsigned	 f, argc, kind, i;
	int		 result, wrong = 0, before = descriptors();

	memset(large, 'a', sizeof(large) - 1);
	for (f = 0; f < NFUNCTION; f++)
		for (argc = 0; argc <= MOST; argc++)
			for (kind = 0; kind < sizeof(nonsense) / sizeof(nonsense[0]); kind++) {
				for (i = 0; i < argc; i++)
					words[i] = nonsense[i == 0 || kind > 3 ? kind :
					    (kind + i) % 6];
				words[argc] = NULL;
				result = call(functions[f].call, words);
				if (result == EXIM_OK || (result == EXIM_FAIL &&
				    functions[f].call == check))
					continue;
				diag("%s: %u arguments: %d", functions[f].name, argc, result);
				wrong++;
			}
	is_int(wrong, 0, "%s: every function answers OK, and check alone FAIL", when);
	is_int(descriptors(), before, "%s: and leaves no descriptor", when);
}

#define STRONG	"tls=TLS1.3:TLS_AES_128_GCM_SHA256:128 verified=%d dane=no dnssec=no " \
		"resumed=0 from=10.9.0.1:%d port=25 ip=10.9.0.11 host=mx.d.test"
#define SHOWN	"tls=TLS1.3:TLS_AES_128_GCM_SHA256:128 verified=0 dane=no dnssec=no " \
		"resumed=0 from= port= ip=10.9.0.11 host=mx.d.test"
#define MESSAGE	"id=1xVow8-00001O-%s route=mx verify= tls-required= report="
#define ANY	"tls10 tls11 tls12 tls-nomd5 tls-norc4 tls-pfs"

static int
checked(const char *id, int verified, int port, const char *clear)
{
	char session[512], message[128];

	snprintf(session, sizeof(session), clear == NULL ? STRONG : clear, verified, port);
	snprintf(message, sizeof(message), MESSAGE, id);
	return CALL(check, "d.test", session, message, "d.test;mx.d.test");
}

static void
delivered(const char *id, const char *shown)
{
	char message[128];

	snprintf(message, sizeof(message), MESSAGE, id);
	CALL(event, "msg:delivery", "d.test", shown, message);
}

static const char *
held(void)
{
	CALL(latches, "d.test");
	return said;
}

#define CLEAR	"tls= verified=%d dane=no dnssec=no resumed=0 from=10.9.0.1:%d port=25 " \
		"ip=10.9.0.11 host=mx.d.test"

/* D3.1-8: of the session that delivered, and of no other. */
static void
two_attempts(void)
{
	int before, status = -1;

	CALL(event, "tcp:connect", "d.test", "", "");	/* this process connects */
	checked("01", 1, 40001, NULL);
	is(held(), "", "D3.1-8: a check alone sets nothing");
	/* tried again by way of a connection that nothing is known of: none of the old facts */
	if (fork() == 0) {
		checked("01", 0, 40002, CLEAR);
		_exit(0);
	}
	wait(NULL);
	delivered("01", SHOWN);
	is(held(), "", "D3.1-8: the facts of an earlier attempt are gone");
	/* or with a weaker session */
	checked("02", 1, 40003, NULL);
	checked("02", 0, 40004, NULL);
	delivered("02", SHOWN);
	is(held(), ANY, "D3.1-8: the second attempt's facts, without tls-cert");
	checked("03", 1, 40005, NULL);
	delivered("03", "tls=TLS1.2:ECDHE_X25519__RSA_SHA256__AES_128_GCM:128 verified=0 "
	    "dane=no dnssec=no resumed=0 from= port= ip=10.9.0.11 host=mx.d.test");
	is(held(), ANY, "D3.1-8: nothing, where another session delivered");
	ok(strstr(logged, "event=alarm") != NULL, "and the log says so");
	delivered("03", SHOWN);
	is(held(), ANY, "nor from the same note later");
	/* the check in a child, the delivery told to its parent */
	before = descriptors();
	if (fork() == 0) {
		checked("04", 1, 40006, NULL);
		_exit(descriptors() != before);
	}
	wait(&status);
	is_int(status, 0, "a child keeps no descriptor");
	delivered("04", SHOWN);
	is(held(), "tls10 tls11 tls12 tls-cert tls-nomd5 tls-norc4 tls-pfs",
	    "D3.1-8: checked in a child, learnt in its parent");
}

static struct {
	int	n;
	char	sub[64];
} waiting;

static int
count_waiting(void *cookie, const char *sub, const char *text)
{
	(void)cookie;
	(void)text;
	waiting.n++;
	snprintf(waiting.sub, sizeof(waiting.sub), "%s", sub);
	return 0;
}

/* What "deeplatch show" says that waits for a name. */
static int
waits(const char *name)
{
	struct deep_config *config = deep_config_new();
	struct deep_store *store = deep_store_new();

	memset(&waiting, 0, sizeof(waiting));
	if (config == NULL || store == NULL || deep_config_read(config, conf) != DEEP_YES ||
	    deep_store_open(store, config) != DEEP_YES ||
	    deep_note_each(store, "held", name, 0, count_waiting, NULL) == DEEP_FAIL)
		waiting.n = -1;
	deep_store_free(store);
	deep_config_free(config);
	return waiting.n;
}

static void
refused(void)
{
	int status = -1;

	is_int(checked("05", 0, 40007, CLEAR), EXIM_FAIL, "D3.1-4: clear text is refused");
	ok(strncmp(said, "4.7.10 security latch of d.test not met by mx.d.test: missing tls10",
	    67) == 0, "D3.3-2: and why: %s", said);
	is_int(waits("d.test"), 1, "one message waits");
	is(waiting.sub, "1xVow8-00001O-05", "the one that was refused");
	CALL(hold, "d.test", "id=1xVow8-00001O-05 route=mx verify=");
	ok(strncmp(said, ":defer: 4.7.10 security latch of d.test not met by any", 54) == 0,
	    "D3.3-5: %s", said);
	is_int(waits("d.test"), 1, "still one");
	is_int(checked("05", 1, 40008, NULL), EXIM_OK, "the latches are met");
	is_int(waits("d.test"), 0, "none waits");
	/* a connection that another process made tells nothing of the host, nor of the message */
	if (fork() == 0) {
		logged[0] = '\0';
		_exit(checked("06", 0, 40009, CLEAR) != EXIM_FAIL ||
		    strstr(logged, "another process") == NULL);
	}
	wait(&status);
	is_int(status, 0, "a passed connection without facts is refused");
	is_int(waits("d.test"), 0, "and nothing is noted of it");
	/* two hosts of a route, with names of their own: the last one counts */
	CALL(check, "s.test", "tls=TLS1.3:TLS_AES_128_GCM_SHA256:128 verified=0 ip=10.9.0.31 "
	    "host=smart1.test port=25", "id=1xVow8-00001O-07 route=smart", "");
	CALL(event, "msg:delivery", "s.test", "tls=TLS1.3:TLS_AES_128_GCM_SHA256:128 "
	    "ip=10.9.0.31 host=smart1.test", "id=1xVow8-00001O-07 route=smart");
	CALL(latches, "smart1.test");
	is(said, ANY, "D3.1-2: the host of a route");
	CALL(check, "s.test", "tls= ip=10.9.0.31 host=smart1.test port=25",
	    "id=1xVow8-00001O-08 route=smart", "");
	is_int(waits("smart1.test"), 1, "it waits for that host");
	CALL(check, "s.test", "tls= ip=10.9.0.32 host=smart2.test port=25",
	    "id=1xVow8-00001O-08 route=smart", "");
	is_int(waits("smart1.test"), 0, "and no longer, when another takes it");
}

/* One process may ask for lists of several separators. */
static void
left_out(void)
{
	static const char bad[] = "tls= ip=%s host=mx.d.test port=25 from=";
	const char *addresses[] = { "10.9.0.11", "fd09::11" };
	char session[128], large[8000];
	size_t i;

	CALL(event, "tcp:connect", "d.test", "", "");
	for (i = 0; i < 2; i++) {
		snprintf(session, sizeof(session), bad, addresses[i]);
		CALL(check, "d.test", session, "id=1xVow8-00001O-40 route=mx", "");
	}
	CALL(hosts, "d.test", "id=1xVow8-00001O-41 route=mx", ";");
	is(said, "10.9.0.11 ; fd09::11", "D3.3-1: hosts that are left out");
	CALL(hosts, "d.test", "id=1xVow8-00001O-41 route=mx", ":");
	is(said, "10.9.0.11 : fd09::::11", "for a list of another separator");
	memset(large, ';', sizeof(large) - 1);
	large[sizeof(large) - 1] = '\0';
	CALL(hosts, "d.test", "id=1xVow8-00001O-41 route=mx", large);
	is(said, "10.9.0.11 : fd09::::11", "and where that is none");
}

/* By a host of d.test that has no TLS. */
static void
refused_by(const char *ip)
{
	char session[128];

	snprintf(session, sizeof(session), "tls= ip=%s host=mx.d.test port=25 from=", ip);
	CALL(check, "d.test", session, "id=1xVow8-00001O-50 route=mx", "");
}

/* Of a message of its own, as each process of Exim that routes keeps its answer. */
static const char *
left_out_now(void)
{
	static int n;
	char message[64];

	snprintf(message, sizeof(message), "id=1xVow8-00001O-A%d route=mx", n++);
	CALL(hosts, "d.test", message, ";");
	return said;
}

static void
held_now(void)
{
	static int n;
	char message[64];

	snprintf(message, sizeof(message), "id=1xVow8-00001O-B%d route=mx", n++);
	CALL(hold, "d.test", message);
	ok(strncmp(said, ":defer: 4.7.10 ", 15) == 0, "D3.3-5: it is held: %s", said);
}

/* Three hosts, a queue run each half hour, and leave-out is an hour. */
static void
one_by_one(void)
{
	ahead = 7200;			/* what was noted before is over */
	is(left_out_now(), "", "after an hour no host is left out");
	refused_by("10.9.0.11");
	ahead += 1800;
	refused_by("10.9.0.12");
	ahead += 1860;
	is(left_out_now(), "10.9.0.11 ; 10.9.0.12", "D3.3-1: the first one stays left out until "
	    "the third was tried");
	refused_by("10.9.0.13");
	is(left_out_now(), "10.9.0.11 ; 10.9.0.12 ; 10.9.0.13", "D3.3-5: then none is left");
	held_now();
	is(left_out_now(), "10.9.0.13", "D3.3-1: those that failed a while ago are tried again");
	ahead += 240;
	held_now();
	is(left_out_now(), "10.9.0.13", "but not the one of four minutes ago");
	ahead += 61;
	held_now();
	is(left_out_now(), "", "nor is that left out longer, once mail was held");
	refused_by("10.9.0.11");
	is(left_out_now(), "10.9.0.11", "it fails again");
	ahead -= 365 * 86400;
	is(left_out_now(), "", "the clock was a year ahead: nothing is left out for a year");
	refused_by("10.9.0.11");
	is(left_out_now(), "10.9.0.11", "but what fails now is");
	ahead = 0;
}

static int
in_child(const char *id, int verified, int port, const char *clear)
{
	int status = -1;

	if (fork() == 0) {
		CALL(event, "tcp:connect", "d.test", "", "");
		_exit(checked(id, verified, port, clear) == EXIM_OK ? 0 :
		    strncmp(said, "4.3.0", 5) == 0 ? 43 : 47);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What the router's call has read is in the memory of the processes forked from it. */
static void
read_ahead(void)
{
	char message[128], store[64], away[64];
	int wrong = 0, status = -1;

	if (fork() == 0) {		/* a delivery of its own */
		snprintf(message, sizeof(message), MESSAGE, "09");
		snprintf(store, sizeof(store), "%s/latches.db", folder);
		snprintf(away, sizeof(away), "%s/away.db", folder);
		CALL(hosts, "d.test", message, ";");
		if (rename(store, away) == -1)
			_exit(99);
		logged[0] = '\0';
		wrong |= in_child("09", 1, 40010, NULL) == 0 ? 0 : 1;
		delivered("09", SHOWN);
		wrong |= logged[0] == '\0' ? 0 : 2;
		wrong |= in_child("09", 0, 40011, CLEAR) == 43 ? 0 : 4;
		wrong |= in_child("10", 1, 40012, NULL) == 43 ? 0 : 8;
		if (rename(away, store) == -1)
			_exit(99);
		wrong |= in_child("09", 0, 40013, CLEAR) == 47 ? 0 : 16;
		_exit(wrong);
	}
	wait(&status);
	is_int(WIFEXITED(status), 1, "it ends");
	wrong = WEXITSTATUS(status);
	is_int(wrong & 1, 0, "what is known already opens no store");
	is_int(wrong & 2, 0, "nor does the delivery of it");
	is_int(wrong & 4, 0, "D3.1-4: a refusal is read anew");
	is_int(wrong & 8, 0, "and so is what another message is told");
	is_int(wrong & 16, 0, "D3.1-4: it refuses");
}

/*
 * On probation a latch is confirmed as often as deep.conf asks, and then the store is left
 * alone until the time that this has to span is over.  By a process that has that policy,
 * and one of its own for each message; answers how many of them wrote.
 */
static int
on_probation(void)
{
	char id[12], message[128], store[64], away[64];
	int n, wrote = 0, wrong = 0, status;

	snprintf(store, sizeof(store), "%s/latches.db", folder);
	snprintf(away, sizeof(away), "%s/away.db", folder);
	for (n = 0; n < 6; n++) {
		if (fork() == 0) {
			snprintf(id, sizeof(id), "%02d", 30 + n);
			snprintf(message, sizeof(message), MESSAGE, id);
			CALL(hosts, "d.test", message, ";");
			wrong |= rename(store, away) != 0;
			status = in_child(id, 1, 40030 + n, NULL);
			wrong |= rename(away, store) != 0 || (status != 0 && status != 43);
			wrong |= in_child(id, 1, 40030 + n, NULL) != 0;
			delivered(id, SHOWN);
			_exit(wrong ? 99 : status);
		}
		wait(&status);
		wrote += WEXITSTATUS(status) == 43 ? 1 : WEXITSTATUS(status) == 0 ? 0 : 100;
	}
	return wrote;
}

#define SUITE	"TLS1.3:TLS_AES_128_GCM_SHA256:128"

/* This program anew, with the words that Exim gives to itself. */
static int
passed_on(const char *const *words)
{
	char *argv[16];
	int n = 2, status = -1;

	argv[0] = (char *)(uintptr_t)"eximcalls.t";
	argv[1] = conf;
	for (; *words != NULL; words++)
		argv[n++] = (char *)(uintptr_t)*words;
	argv[n] = NULL;
	if (fork() == 0) {
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	wait(&status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
#define PASSED_ON(...) passed_on((const char *const []){ __VA_ARGS__, NULL })

/* What is known of d.test goes. */
static void
forget(void)
{
	struct deep_config *config = deep_config_new();
	struct deep_store *store = deep_store_new();
	struct deep_key key = { "d.test", DEEP_RELAY };

	if (config == NULL || store == NULL || deep_config_read(config, conf) != DEEP_YES ||
	    deep_store_open(store, config) != DEEP_YES ||
	    deep_store_reset(store, &key, DEEP_LATCH_NONE, "test", "test", 1, NULL) != DEEP_YES)
		fail("d.test cannot be reset");
	deep_store_free(store);
	deep_config_free(config);
}

static void
probation(void)
{
	static const struct { const char *text; int wrote; const char *what; } of[] = {
		{ "[policy]\nconfirm = 3\nconfirm-over = 3d\n", 3, "three confirmations, and "
		    "then the store is left alone" },
		{ "[policy]\nconfirm = 5\nconfirm-over = 3d\n", 2, "two more, where they are "
		    "asked for" },
		{ "[policy]\nconfirm = 5\nconfirm-over = 0s\n", 1, "one that ends probation" },
	};
	char		*name = strrchr(conf, '/') + 1;
	size_t		 i;
	int		 wrote;

	forget();
	snprintf(name, sizeof(conf) - (size_t)(name - conf), "probation.conf");
	for (i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		configure(of[i].text);
		wrote = PASSED_ON("probation", folder);
		is_int(wrote, of[i].wrote, "probation: %s", of[i].what);
	}
	snprintf(name, sizeof(conf) - (size_t)(name - conf), "deep.conf");
}

/* A note about two ends can be of an earlier connection. */
static void
passed_note(void)
{
	char session[512];

	snprintf(session, sizeof(session), STRONG, 1, 40020);
	CALL(passed, session, "d.test;mx.d.test");
	is_int(PASSED_ON("-MCt", "10.9.0.1", "40020", SUITE, "-MC"), 0,
	    "D3.1-4: a session that was passed on, and its note");
	is_int(PASSED_ON("-MCt", "10.9.0.1", "40020", "TLS1.2:AES128-SHA:128", "-MC"), 1,
	    "D3.1-4: the note is of another session");
	is_int(PASSED_ON("-MC"), 1, "D3.1-4: the connection is in clear text");
}

/* D5.3-12 with a cipher list. */
static void
narrowed(void)
{
	CALL(narrow, "d.test", "", "route=mx", "openssl", "ALL:@SECLEVEL=0");
	ok(strncmp(said, "ALL:@SECLEVEL=0:!", 17) == 0 &&
	    strstr(said, ":@SECLEVEL=1") != NULL, "D5.3-12: level 0 is taken back: %s", said);
	CALL(narrow, "d.test", "", "route=mx", "openssl", "DEFAULT");
	ok(strncmp(said, "DEFAULT:!", 9) == 0 && strstr(said, "SECLEVEL") == NULL,
	    "another level stays: %s", said);
	CALL(narrow, "unknown.test", "", "route=mx", "openssl", "ALL:@SECLEVEL=0");
	is(said, "ALL:@SECLEVEL=0", "without a latch his own");
	CALL(narrow, "unknown.test", "", "route=mx", "openssl", "");
	is(said, "DEFAULT", "or OpenSSL's default");
	CALL(narrow, "d.test", "", "route=mx", "gnutls", "");
	ok(strncmp(said, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", 32) == 0, "GnuTLS: %s", said);
}

int
main(int argc, char **argv)
{
	if (argc > 1) {			/* see passed_on() */
		strlcpy(conf, argv[1], sizeof(conf));
		if (argc > 3 && strcmp(argv[2], "probation") == 0) {
			strlcpy(folder, argv[3], sizeof(folder));
			return on_probation();
		}
		return checked("20", 0, 40020, CLEAR) != EXIM_OK;
	}
	plan_no_plan();
	if (mkdtemp(folder) == NULL) {
		fail("no folder in /tmp");
		return done_testing();
	}
	snprintf(conf, sizeof(conf), "%s/deep.conf", folder);
	configure("[policy]\nprofile = strict\n");
	anything("no store");
	logged[0] = '\0';
	is_int(checked("00", 1, 40000, NULL), EXIM_FAIL, "no store: check fails");
	is(said, "4.3.0 deep: the store of security latches cannot be read; the log has the "
	    "reason", "and says why");
	ok(strstr(logged, "event=alarm") != NULL, "with an alarm in the log");
	make_store();
	anything("a store");
	two_attempts();
	refused();
	left_out();
	one_by_one();
	read_ahead();
	probation();
	passed_note();
	narrowed();
	snprintf(conf, sizeof(conf), "rm -rf %s", folder);
	is_int(system(conf), 0, "the folder goes");
	return done_testing();
}
