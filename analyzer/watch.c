/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * watch.c - "deeptrace watch": reads the reports of a Maildir, and those that
 * arrive (inotify(7)), and tells when the path from one domain to another got
 * worse than it was.
 *
 * What is kept for each pair of a sender's and a recipient's domain is the
 * verdict and the latches of the newest path, and the date of its report.  A path
 * is worse where its verdict is, or where it lost a latch.  A report that is older
 * than what is kept changes nothing.  Never begins with nothing where what was kept
 * cannot be read as a whole: a path that got worse would look like a new one.
 *
 *	folder/paths	a JSON object a line: from, to, verdict, latches, date; then {"pairs":n}
 *	folder/watch	locked while one watches
 */
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "smtp.h"
#include "utf8.h"

#define PAIRS_MAX	10000		/* pairs of domains; of more, the ones longest unseen go */
#define SEEN_SLOTS	(1 << 17)	/* files that are known to have been read */

struct quality {
	enum verdict	 verdict;	/* STRONG for a path that is local */
	deep_latches	 latches;
};
struct pair {
	char		 from[DEEP_DOMAIN_MAX + 1], to[DEEP_DOMAIN_MAX + 1];
	struct quality	 quality;
	int64_t		 date;
};

static struct watch {
	struct settings	 settings;
	struct arena	*arena;
	const char	*maildir, *mail, *program;
	struct state	*state;
	struct pair	*pair;
	size_t		 npair;
	uint64_t	*seen;			/* hashes of name and size; 0: free */
	size_t		 nseen;
	unsigned	 quiet : 1, to_syslog : 1, to_stderr : 1, starting : 1, changed : 1;
	unsigned	 learning : 1;	/* nothing was kept before: what got worse long ago is no news */
} watch;

static volatile sig_atomic_t stop;

static void
on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void
watch_usage(FILE *out)
{
	fputs("usage: deeptrace watch [-1mq] [-l stderr|syslog] [-e address] [-p program] [-t host,...]\n"
	    "                       [-S folder] maildir\n"
	    "  -1, --once               read what is there, and end\n"
	    "  -m, --mine               only reports that a probe asked for count\n"
	    "  -q, --quiet              no JSON lines on standard output\n"
	    "  -l, --log stderr|syslog  a line there where a path got worse\n"
	    "  -e, --email address      a mail to it where a path got worse\n"
	    "  -p, --program path       by this program (/usr/sbin/sendmail)\n"
	    "  -t, --trust host,...     hosts and domains whose Received fields are trusted\n"
	    "  -S, --state folder       where what was is kept\n"
	    "  -h, --help               this text\n", out);
}

/* The pairs. */

static int
pairs_file(char *path, size_t size, const char *name)
{
	return snprintf(path, size, "%s/%s", state_folder(watch.state), name) < (int)size ? 0 : -1;
}

static int		/* enum verdict; -1: it is none */
verdict_find(const char *name)
{
	int i;

	for (i = VERDICT_LOCAL; name != NULL && i <= VERDICT_CLEAR; i++) {
		if (strcmp(verdict_names[i], name) == 0)
			return i;
	}
	return -1;
}

/* The latches of a list; 0, or -1: it is none. */
static int
latches_find(deep_latches *set, const json_t *list)
{
	size_t i;

	*set = DEEP_LATCH_NONE;
	if (!json_is_array(list))
		return -1;
	for (i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));
		deep_latches latch = name == NULL ? DEEP_LATCH_NONE : deep_latch_find(deep_str(name));

		if (latch == DEEP_LATCH_NONE)
			return -1;
		*set |= latch;
	}
	return 0;
}

static struct pair *
pair_find(const char *from, const char *to)
{
	size_t i, oldest = 0;
	struct pair *pair;

	for (i = 0; i < watch.npair; i++) {
		if (strcmp(watch.pair[i].from, from) == 0 && strcmp(watch.pair[i].to, to) == 0)
			return &watch.pair[i];
		if (watch.pair[i].date < watch.pair[oldest].date)
			oldest = i;
	}
	pair = watch.npair < PAIRS_MAX ? &watch.pair[watch.npair++] : &watch.pair[oldest];
	memset(pair, 0, sizeof(*pair));
	strlcpy(pair->from, from, sizeof(pair->from));
	strlcpy(pair->to, to, sizeof(pair->to));
	pair->date = INT64_MIN;
	return pair;
}

/* A line of the file; -1: it is no pair. */
static int
pair_read(const json_t *object)
{
	const char *from = json_string_value(json_object_get(object, "from"));
	const char *to = json_string_value(json_object_get(object, "to"));
	const json_t *date = json_object_get(object, "date");
	int verdict = verdict_find(json_string_value(json_object_get(object, "verdict")));
	deep_latches latches;
	struct pair *pair;

	if (from == NULL || to == NULL || verdict == -1 || !json_is_integer(date) ||
	    latches_find(&latches, json_object_get(object, "latches")) != 0)
		return -1;
	pair = pair_find(from, to);
	pair->quality.verdict = (enum verdict)verdict;
	pair->quality.latches = latches;
	pair->date = json_integer_value(date);
	return 0;
}

static int
pairs_read(void)
{
	char path[PATH_MAX], line[2048];
	unsigned long number = 0;
	json_int_t pairs = -1;
	FILE *in;

	if (pairs_file(path, sizeof(path), "paths") != 0)
		return -1;
	if ((in = fopen(path, "re")) == NULL) {
		if (errno == ENOENT) {
			watch.learning = 1;
			return 0;
		}
		warn("%s", visible(path));
		return -1;
	}
	while (pairs == -1 && fgets(line, sizeof(line), in) != NULL) {
		json_t *object = json_loads(line, 0, NULL), *last = json_object_get(object, "pairs");
		int bad;

		number++;
		if (json_is_integer(last))
			pairs = json_integer_value(last);
		bad = pairs == -1 && pair_read(object) != 0;
		json_decref(object);
		if (bad) {
			warnx("%s:%lu: is no pair of domains; put back a copy of the file, or remove it to begin anew",
			    visible(path), number);
			fclose(in);
			return -1;
		}
	}
	if (ferror(in) || pairs < 0 || pairs != (json_int_t)number - 1 || fgetc(in) != EOF) {
		warnx("%s:%lu: does not end as it was written; put back a copy of the file, or remove it to begin anew",
		    visible(path), number);
		fclose(in);
		return -1;
	}
	fclose(in);
	return 0;
}

static json_t *
latch_list(deep_latches set)
{
	json_t *list = json_array();
	const char *name;
	unsigned bit;

	for (bit = 0; (name = deep_latch_name(bit)) != NULL; bit++) {
		if (set & (1u << bit))
			json_array_append_new(list, json_string(name));
	}
	return list;
}

/* Complete before it has its name. */
static int
pairs_write(void)
{
	char path[PATH_MAX], fresh[PATH_MAX];
	FILE *out;
	size_t i, n = 0;
	int fd, bad;

	if (pairs_file(path, sizeof(path), "paths") != 0 || pairs_file(fresh, sizeof(fresh), "paths.XXXXXX") != 0 ||
	    (fd = mkstemp(fresh)) == -1) {
		warn("%s: what is known of the paths cannot be kept", visible(state_folder(watch.state)));
		return -1;
	}
	if ((out = fdopen(fd, "w")) == NULL) {
		warn("%s", visible(fresh));
		close(fd);
		unlink(fresh);
		return -1;
	}
	for (i = 0; i < watch.npair; i++) {
		const struct pair *pair = &watch.pair[i];
		json_t *object;

		if (pair->date == INT64_MIN)
			continue;
		object = json_pack("{s:s,s:s,s:s,s:o,s:I}", "from", pair->from, "to", pair->to, "verdict",
		    verdict_names[pair->quality.verdict], "latches", latch_list(pair->quality.latches), "date",
		    (json_int_t)pair->date);
		if (object == NULL)
			err(EX_OSERR, "%s", visible(path));
		json_dumpf(object, out, JSON_COMPACT);
		putc('\n', out);
		json_decref(object);
		n++;
	}
	fprintf(out, "{\"pairs\":%zu}\n", n);
	bad = ferror(out) || fflush(out) != 0 || fsync(fd) != 0;
	bad |= fclose(out) != 0;
	if (bad || rename(fresh, path) != 0) {
		warn("%s: what is known of the paths cannot be kept", visible(path));
		unlink(fresh);
		return -1;
	}
	watch.changed = 0;
	return 0;
}

/* What a report says. */

/* The domain of an address as it stands in a field, as a key. */
static int
address_domain(char *buf, size_t size, struct deep_str text)
{
	const char *at;
	struct deep_str domain;

	*buf = '\0';
	if (text.p == NULL || (at = memrchr(text.p, '@', text.n)) == NULL)
		return 0;
	domain.p = at + 1;
	for (domain.n = 0; domain.p + domain.n < text.p + text.n; domain.n++) {
		if (memchr("> \t\r\n(,;", domain.p[domain.n], 8) != NULL)
			break;
	}
	return deep_domain_key(buf, size, domain) > 0;
}

static int
sender_domain(char *buf, size_t size, struct deep_str header)
{
	static const char *const names[] = { "Return-Path", "From", "Sender" };
	struct deep_field field;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct deep_str rest = header;

		while (deep_field_next(&rest, &field, NULL) != DEEP_NO) {
			if (deep_is(field.name, names[i]) && address_domain(buf, size, field.value))
				return 1;
		}
	}
	return 0;
}

static struct quality
quality_of(const struct path *path)
{
	struct quality quality = { path->verdict, path->latches };

	if (quality.verdict == VERDICT_LOCAL) {	/* nothing was crossed that could have been better */
		quality.verdict = VERDICT_STRONG;
		quality.latches = DEEP_LATCH_ALL & ~(deep_latches)(DEEP_LATCH_CERT | DEEP_LATCH_DANE);
	}
	return quality;
}

static const char *
compare(struct quality was, struct quality now)
{
	if (now.verdict > was.verdict || (was.latches & ~now.latches) != 0)
		return "worse";
	return now.verdict < was.verdict || now.latches != was.latches ? "better" : "same";
}

static json_t *
quality_json(struct quality quality)
{
	return json_pack("{s:s,s:o}", "verdict", verdict_names[quality.verdict], "latches",
	    latch_list(quality.latches));
}

/* The worst hop in words: "hop 4, a > b". */
static void
worst_hop(char *buf, size_t size, const struct path *path)
{
	char from[256], by[256];
	size_t i;

	strlcpy(buf, "no hop", size);
	for (i = 0; i < path->nhop; i++) {
		const struct hop *hop = &path->hop[i];
		struct deep_str name = hop->from.p != NULL ? hop->from : hop->from_ip;

		if (hop->verdict != path->verdict)
			continue;
		snprintf(from, sizeof(from), "%.*s", (int)(name.n < 80 ? name.n : 80), name.p == NULL ? "-" : name.p);
		strlcpy(from, visible(from), sizeof(from));
		snprintf(by, sizeof(by), "%.*s", (int)(hop->by.n < 80 ? hop->by.n : 80),
		    hop->by.p == NULL ? "-" : hop->by.p);
		snprintf(buf, size, "hop %zu, %s > %s", i + 1, from, visible(by));
		return;
	}
}

static void
send_mail(const char *line)
{
	const char *const argv[] = { watch.program, "-i", "--", watch.mail, NULL };
	FILE *out;
	pid_t child;
	int to, status, error;

	if ((error = program_start(&child, argv, &to, NULL)) != 0) {
		warnc(error, "%s", watch.program);
		return;
	}
	if ((out = fdopen(to, "w")) == NULL) {
		close(to);
	} else {
		fprintf(out, "To: %s\nSubject: A mail path got worse\nAuto-Submitted: auto-generated\n"
		    "MIME-Version: 1.0\nContent-Type: text/plain; charset=us-ascii\n\n%s\n\n"
		    "A delivery report shows that mail between these domains is now less well\n"
		    "protected than the report before it showed. To see the whole path:\n\n"
		    "\tdeeptrace FILE\n\nwith the file that is named above.\n", watch.mail, line);
		fclose(out);
	}
	if (waitpid(child, &status, 0) == -1 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		warnx("%s: could not send mail to %s", watch.program, watch.mail);
}

static void
tell(const char *event, const struct analysis *a, const char *from, const char *to, const struct quality *was,
    struct quality now, int64_t date)
{
	char worst[768], line[2048], file[1024], when[32];
	struct deep_date stamp;
	json_t *object;

	strlcpy(file, visible(a->source->file), sizeof(file));
	worst_hop(worst, sizeof(worst), &a->path);
	if (!watch.quiet) {
		memset(&stamp, 0, sizeof(stamp));
		stamp.utc = date;
		if (deep_date_emit(when, sizeof(when), &stamp) <= 0)
			strlcpy(when, "-", sizeof(when));
		object = json_pack("{s:s,s:s,s:s,s:s,s:o,s:o,s:b,s:s,s:s}", "event", event, "date", when, "from", from,
		    "to", to, "was", was == NULL ? json_null() : quality_json(*was), "now", quality_json(now),
		    "complete", (int)a->path.complete, "worst", worst, "file", file);
		if (object == NULL)
			err(EX_OSERR, "a line of JSON");
		json_dumpf(object, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
		putchar('\n');
		fflush(stdout);
		json_decref(object);
	}
	if (strcmp(event, "worse") != 0 || was == NULL || watch.learning)
		return;
	snprintf(line, sizeof(line), "path worse: %s > %s: was %s, is %s (%s); report %s", from, to,
	    verdict_names[was->verdict], verdict_names[now.verdict], worst, file);
	if (watch.to_stderr)
		warnx("%s", line);
	if (watch.to_syslog)
		syslog(LOG_WARNING, "%s", line);
	if (watch.mail != NULL)
		send_mail(line);
}

static void
judge(const struct analysis *a, const char *from, struct deep_str rcpt, int64_t date)
{
	struct quality now = quality_of(&a->path), was;
	char to[DEEP_DOMAIN_MAX + 1];
	struct pair *pair;
	const char *event;
	int is_new;

	if (!address_domain(to, sizeof(to), rcpt))
		return;
	pair = pair_find(from, to);
	is_new = pair->date == INT64_MIN;
	/* read at an earlier start */
	if (!is_new && watch.starting && date <= pair->date)
		return;
	was = pair->quality;
	if (!is_new && date < pair->date) {
		tell("late", a, from, to, &was, now, date);
		return;
	}
	event = is_new ? "new" : compare(was, now);
	pair->quality = now;
	pair->date = date;
	watch.changed = 1;
	tell(event, a, from, to, is_new ? NULL : &was, now, date);
}

static void
report(const struct analysis *a, int64_t received)
{
	const struct path *back = &a->way_back;
	char from[DEEP_DOMAIN_MAX + 1];
	size_t i, k;

	if (!a->dsn.found || a->path.nhop == 0 || !sender_domain(from, sizeof(from), a->dsn.returned))
		return;
	if (watch.settings.state != NULL && a->mine != MINE_ASKED) {
		if (!watch.quiet) {
			printf("{\"event\":\"%s\",\"file\":", mine_names[a->mine]);
			json_t *file = json_string(visible(a->source->file));

			json_dumpf(file, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
			json_decref(file);
			puts("}");
			fflush(stdout);
		}
		return;
	}
	if (back->nhop > 0 && back->hop[back->nhop - 1].has_date)
		received = back->hop[back->nhop - 1].date.utc;
	for (i = 0; i < a->dsn.nrcpt; i++) {
		const struct recipient *rcpt = &a->dsn.rcpt[i];
		struct deep_str address = rcpt->original.n > 0 ? rcpt->original : rcpt->final;

		/* one domain once a report */
		for (k = 0; k < i; k++) {
			struct deep_str other = a->dsn.rcpt[k].original.n > 0 ? a->dsn.rcpt[k].original :
			    a->dsn.rcpt[k].final;
			char one[DEEP_DOMAIN_MAX + 1], two[DEEP_DOMAIN_MAX + 1];

			if (address_domain(one, sizeof(one), address) && address_domain(two, sizeof(two), other) &&
			    strcmp(one, two) == 0)
				break;
		}
		if (k == i)
			judge(a, from, address, received);
	}
}

/* Files. */

/* 1: the file was read before, at this size.  Names differ behind ":" only. */
static int
is_seen(const char *name, off_t size)
{
	uint64_t h = 14695981039346656037u;
	size_t i;

	for (; *name != '\0' && *name != ':'; name++)
		h = (h ^ (unsigned char)*name) * 1099511628211u;
	h = (h ^ (uint64_t)size) * 1099511628211u;
	h += h == 0;
	for (i = h & (SEEN_SLOTS - 1); watch.seen[i] != 0; i = (i + 1) & (SEEN_SLOTS - 1)) {
		if (watch.seen[i] == h)
			return 1;
	}
	if (watch.nseen >= SEEN_SLOTS / 2) {	/* what is read twice is told to be "same" */
		memset(watch.seen, 0, SEEN_SLOTS * sizeof(*watch.seen));
		watch.nseen = 0;
		i = h & (SEEN_SLOTS - 1);
	}
	watch.seen[i] = h;
	watch.nseen++;
	return 0;
}

static void
read_file(const char *sub, const char *name)
{
	char path[PATH_MAX];
	struct input *input;
	struct message message;
	struct analysis a;
	struct stat st;

	if (*name == '.' || snprintf(path, sizeof(path), "%s/%s/%s", watch.maildir, sub, name) >= (int)sizeof(path) ||
	    stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0 || is_seen(name, st.st_size))
		return;		/* a mail program may have moved it: it comes again under its new name */
	if ((input = input_open(path)) == NULL)
		return;
	if (watch.settings.state != NULL && state_refresh(watch.settings.state) != 0)
		warnx("%s: the probes cannot be read; what comes now may be called unremembered",
		    visible(state_folder(watch.state)));
	while (input_next(input, &message) == DEEP_YES) {
		analyse(&a, &message, &watch.settings, watch.arena);
		if (a.is_dsn)
			report(&a, (int64_t)st.st_mtime);
		arena_reset(watch.arena);
	}
	input_close(input);
	if (watch.changed && !watch.starting)
		pairs_write();
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int
read_folder(const char *sub)
{
	char path[PATH_MAX], **name = NULL;
	struct dirent *entry;
	size_t n = 0, i;
	DIR *dir;

	if (snprintf(path, sizeof(path), "%s/%s", watch.maildir, sub) >= (int)sizeof(path) ||
	    (dir = opendir(path)) == NULL) {
		warn("%s/%s", visible(watch.maildir), sub);
		return -1;
	}
	while ((entry = readdir(dir)) != NULL) {
		char *copy = strdup(entry->d_name);

		if (n % 256 == 0) {
			char **larger = reallocarray(name, n + 256, sizeof(*name));

			if (larger == NULL)
				err(EX_OSERR, NULL);
			name = larger;
		}
		if (copy == NULL)
			err(EX_OSERR, NULL);
		name[n++] = copy;
	}
	closedir(dir);
	/* names of a Maildir begin with the time */
	if (n > 0)
		qsort(name, n, sizeof(*name), by_name);
	for (i = 0; i < n; i++) {
		if (!stop)
			read_file(sub, name[i]);
		free(name[i]);
	}
	free(name);
	return 0;
}

static int
read_all(void)
{
	/* cur holds what is older */
	return read_folder("cur") == 0 && read_folder("new") == 0 ? 0 : -1;
}

static int
add_watch(int fd, const char *sub)
{
	char path[PATH_MAX];
	int number;

	if (snprintf(path, sizeof(path), "%s/%s", watch.maildir, sub) >= (int)sizeof(path))
		return -1;
	number = inotify_add_watch(fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_CREATE | IN_ONLYDIR);
	if (number == -1)
		warn("%s: is it a Maildir?", visible(path));
	return number;
}

/* One reading of what happened; -1 where it cannot go on. */
static int
events(int fd, int new_folder)
{
	char buf[64 * 1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(fd, buf, sizeof(buf));
	const char *p;

	if (n == -1)
		return errno == EINTR || errno == EAGAIN ? 0 : -1;
	for (p = buf; p < buf + n && !stop; ) {
		const struct inotify_event *event = (const struct inotify_event *)(const void *)p;

		p += sizeof(*event) + event->len;
		if (event->mask & IN_Q_OVERFLOW) {
			if (read_all() != 0)
				return -1;
		} else if (event->mask & IN_IGNORED) {
			warnx("%s: the folder is gone", visible(watch.maildir));
			return -1;
		} else if (event->len > 0) {
			read_file(event->wd == new_folder ? "new" : "cur", event->name);
		}
	}
	return 0;
}

static int
go_on(int fd, int new_folder)
{
	struct pollfd one = { fd, POLLIN, 0 };
	sigset_t wanted, before;
	int n, answer = 0;

	/* a signal comes in ppoll(2), or is seen before it */
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	while (!stop && answer == 0) {
		n = ppoll(&one, 1, NULL, &before);
		if (n == -1 && errno != EINTR) {
			warn("inotify");
			answer = -1;
		}
		if (n > 0)
			answer = events(fd, new_folder);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return answer;
}

static int
lock(void)
{
	char path[PATH_MAX];
	int fd;

	if (pairs_file(path, sizeof(path), "watch") != 0 ||
	    (fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) == -1) {
		warn("%s", visible(path));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		warnx("%s: another deeptrace watches with this folder of --state", visible(path));
		close(fd);
		return -1;
	}
	return fd;
}

static int
work(int once)
{
	struct sigaction action;
	int fd, new_folder, held, status = EX_NOINPUT;

	if ((held = lock()) == -1)
		return EX_TEMPFAIL;
	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	if ((fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) == -1) {
		warn("inotify");
		close(held);
		return EX_OSERR;
	}
	/* watched before it is read, so that nothing falls in between */
	if (pairs_read() != 0) {
		status = EX_CONFIG;
	} else if ((new_folder = add_watch(fd, "new")) != -1 && add_watch(fd, "cur") != -1) {
		watch.starting = 1;
		if (read_all() == 0)
			status = watch.changed && pairs_write() != 0 ? EX_CANTCREAT : 0;
		watch.starting = watch.learning = 0;
		if (status == 0 && !once && go_on(fd, new_folder) != 0)
			status = EX_NOINPUT;
	}
	close(fd);
	close(held);
	return status;
}

int
watch_command(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "once", no_argument, NULL, '1' },
		{ "mine", no_argument, NULL, 'm' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "log", required_argument, NULL, 'l' },
		{ "email", required_argument, NULL, 'e' },
		{ "program", required_argument, NULL, 'p' },
		{ "trust", required_argument, NULL, 't' },
		{ "state", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	const char *folder = NULL;
	int c, once = 0, mine = 0, status;

	watch.program = "/usr/sbin/sendmail";
	opterr = 0;
	while ((c = getopt_long(argc, argv, "1mql:e:p:t:S:h", options, NULL)) != -1) {
		switch (c) {
		case '1':
			once = 1;
			break;
		case 'm':
			mine = 1;
			break;
		case 'q':
			watch.quiet = 1;
			break;
		case 'l':
			if (strcmp(optarg, "stderr") == 0)
				watch.to_stderr = 1;
			else if (strcmp(optarg, "syslog") == 0)
				watch.to_syslog = 1;
			else
				errx(EX_USAGE, "--log: there is stderr and syslog, not \"%s\"", visible(optarg));
			break;
		case 'e':
			if (*optarg == '-' || strpbrk(optarg, "\r\n") != NULL)
				errx(EX_USAGE, "--email: \"%s\" is no address", visible(optarg));
			watch.mail = optarg;
			break;
		case 'p':
			watch.program = optarg;
			break;
		case 't':
			trust_add(&watch.settings.trust, optarg);
			break;
		case 'S':
			folder = optarg;
			break;
		case 'h':
			watch_usage(stdout);
			return 0;
		default:
			wrong_option(" watch", argv);
		}
	}
	if (optind + 1 != argc)
		errx(EX_USAGE, "watch: one Maildir, not %d; see deeptrace watch --help", argc - optind);
	watch.maildir = argv[optind];
	if ((watch.state = state_open(folder, 1)) == NULL)
		return EX_CONFIG;
	if (mine)
		watch.settings.state = watch.state;
	watch.settings.dialects = dialects_new();
	watch.arena = arena_new();
	watch.pair = calloc(PAIRS_MAX, sizeof(*watch.pair));
	watch.seen = calloc(SEEN_SLOTS, sizeof(*watch.seen));
	if (watch.pair == NULL || watch.seen == NULL)
		err(EX_OSERR, NULL);
	if (watch.to_syslog)
		openlog("deeptrace", LOG_PID, LOG_MAIL);
	status = work(once);
	free(watch.pair);
	free(watch.seen);
	arena_free(watch.arena);
	dialects_free(watch.settings.dialects);
	free(watch.settings.trust.host);
	state_close(watch.state);
	return status;
}
