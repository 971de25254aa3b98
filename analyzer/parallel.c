/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * parallel.c - -j N: the inputs in pieces, by several processes.
 *
 * A piece is SLICE octets of an mbox, FILES files of a folder, or an input that
 * cannot be cut: standard input, a packed file, a single message.  A process
 * begins a slice at its first boundary and does the messages that begin in it.
 * Where it began is held against where the slice before ended, and where these
 * differ (a Content-Length led over what looked like a boundary) it does the
 * slice again from the right place; so the outcome is that of one process.
 *
 *	child	READY first next	the output of the piece is kept, or HELD is full
 *	parent	WRITE			in the order of the pieces; may write from now on
 *		AGAIN place		it began at the wrong place
 *	child	DONE next, counts
 *	parent	WORK piece, or STOP
 *
 * Processes rather than threads: a fault in one message's work cannot reach
 * another's memory, and nothing is locked.  Never holds more than HELD octets of
 * output for each process.
 */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "scale.h"
#include "stats.h"
#include "summary.h"
#include "utf8.h"

#define SLICE	(2 * 1024 * 1024)	/* octets: four words pass for each */
#define FILES	64			/* of a folder */
#define HELD	(6 * 1024 * 1024)	/* octets of output, kept until their turn */

struct piece {
	int		 input;
	const char *const *file;	/* of a folder, nfile of them; NULL: the input itself */
	size_t		 nfile;
	int64_t		 from, to;	/* to: 0, all of it */
	unsigned	 follows : 1;	/* the piece before ends where this one begins */
	/* what came of it */
	int64_t		 first, ready, next;	/* -1: not known yet; ready: before it is sure */
};

struct plan {
	struct piece	*piece;
	size_t		 n, room;
	struct input	**folder;	/* whose names of files the pieces hold */
	size_t		 nfolder;
};

enum word { READY, DONE, WORK, WRITE, AGAIN, STOP };
struct note {				/* either way */
	enum word	 word;
	size_t		 piece;
	int64_t		 place, next;
	unsigned long	 seen[OUTCOMES];
	uint64_t	 messages, octets;
	int		 failed, events, stopped;
	char		 file[1024];	/* where it was interrupted */
};

struct worker {
	pid_t		 pid;
	int		 socket;
	FILE		*counts;	/* what it counted, when it stops */
	size_t		 piece;
	enum { IDLE, BUSY, WAITING, WRITING, GONE } is;
	int		 ended, status;	/* 1: as wait(2) said it */
};

static struct piece *
piece_add(struct plan *plan, int input)
{
	struct piece *piece;

	if (plan->n == plan->room) {
		plan->room = plan->room == 0 ? 64 : plan->room * 2;
		plan->piece = reallocarray(plan->piece, plan->room, sizeof(*plan->piece));
		if (plan->piece == NULL)
			err(EX_OSERR, NULL);
	}
	piece = &plan->piece[plan->n++];
	memset(piece, 0, sizeof(*piece));
	piece->input = input;
	piece->first = piece->ready = piece->next = -1;
	return piece;
}

/* An mbox, not packed, whose lines end in LF: what can be cut. */
static int
can_be_cut(const char *path, int64_t *size)
{
	char text[SLICE / 64];
	struct stream *stream;
	struct stat st;
	ssize_t n;
	int fd, answer = 0;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return 0;
	stream = stream_new(fd, path);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !stream_is_packed(stream) &&
	    (n = pread(fd, text, sizeof(text), 0)) > 5)
		answer = memcmp(text, "From ", 5) == 0 &&
		    (memchr(text, '\n', (size_t)n) != NULL || memchr(text, '\r', (size_t)n) == NULL);
	stream_free(stream);
	close(fd);
	*size = (int64_t)st.st_size;
	return answer;
}

static void
plan_folder(struct plan *plan, int input, struct input *folder, const struct spot *place)
{
	const char *const *file;
	const char *resumed = place->file;
	struct piece *piece;
	size_t n, i, some;

	file = input_files(folder, &n);
	i = resumed != NULL ? input_find(folder, resumed) : 0;
	plan->folder = reallocarray(plan->folder, plan->nfolder + 1,
	    sizeof(struct input *)); /* NOLINT(bugprone-sizeof-expression) */
	if (plan->folder == NULL)
		err(EX_OSERR, NULL);
	plan->folder[plan->nfolder++] = folder;
	do {
		some = n - i < FILES ? n - i : FILES;
		piece = piece_add(plan, input);
		piece->file = file + i;
		piece->nfile = some;
		if (resumed != NULL && some > 0 && strcmp(file[i], resumed) == 0)
			piece->from = place->offset;
		resumed = NULL;
		i += some;
	} while (i < n);
}

static void
plan_make(struct plan *plan, char *const *path, int npath, const struct spot *place)
{
	static const struct spot start;
	int64_t size, at;
	struct piece *piece;
	struct stat st;
	int i;

	for (i = place->input; i < npath; i++) {
		const struct spot *here = i == place->input ? place : &start;
		struct input *folder;

		if (strcmp(path[i], "-") != 0 && stat(path[i], &st) == 0 && S_ISDIR(st.st_mode) &&
		    (folder = input_open(path[i])) != NULL) {
			plan_folder(plan, i, folder, here);
			continue;
		}
		at = here->offset;
		if (strcmp(path[i], "-") == 0 || !can_be_cut(path[i], &size) || size - at <= SLICE) {
			piece = piece_add(plan, i);
			piece->from = at;
			continue;
		}
		for (; at < size; at += SLICE) {
			piece = piece_add(plan, i);
			piece->from = at;
			piece->to = at + SLICE < size ? at + SLICE : INT64_MAX;
			piece->follows = at > here->offset;
		}
	}
}

static int
transfer(int fd, struct note *note, int writing)
{
	char *p = (char *)note;
	size_t left = sizeof(*note);
	ssize_t n;

	while (left > 0) {
		n = writing ? send(fd, p, left, MSG_NOSIGNAL) : recv(fd, p, left, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		left -= (size_t)n;
	}
	return 0;
}

/* --- The child. */

struct child {
	struct settings	*set;
	char *const	*path;
	struct arena	*arena;
	int		 socket;
	FILE		*out;
	char		*text;		/* what was written there */
	size_t		 n, size;
	int		 may_write;
	struct note	 note;
};

/* The write of out: open_memstream(3) would fill each new piece of memory with zeros,
 * and there is nearly as much of it as of the input. */
static ssize_t
keep(void *cookie, const char *text, size_t n)
{
	struct child *child = cookie;
	size_t size = child->size < SLICE ? SLICE : child->size;
	char *larger;

	while (size - child->n < n)
		size *= 2;
	if (size > child->size) {
		if ((larger = realloc(child->text, size)) == NULL)
			err(EX_OSERR, "output that is kept");
		child->text = larger;
		child->size = size;
	}
	memcpy(child->text + child->n, text, n);
	child->n += n;
	return (ssize_t)n;
}

static void
forget_output(struct child *child)
{
	(void)fflush(child->out);
	child->n = 0;
}

static void
write_out(struct child *child)
{
	const char *p;
	size_t left;
	ssize_t n;

	if (fflush(child->out) != 0)
		err(EX_OSERR, "output that is kept");
	for (p = child->text, left = child->n; left > 0; left -= (size_t)n) {
		if ((n = write(STDOUT_FILENO, p, left)) == -1) {
			if (errno != EINTR)
				err(EX_IOERR, "standard output");
			n = 0;
		}
		p += n;
	}
	child->n = 0;
}

static void
count_anew(struct child *child)
{
	if (child->set->summary != NULL) {
		summary_free(child->set->summary);
		child->set->summary = summary_new();
	}
	if (child->set->stats != NULL) {
		stats_free(child->set->stats);
		child->set->stats = stats_new();
	}
	memset(child->set->seen, 0, sizeof(child->set->seen));
	child->set->failed = 0;
	forget_output(child);
}

/* Says what there is and waits.  WRITE, AGAIN, or STOP. */
static enum word
ask(struct child *child, int64_t first, int64_t next, struct note *order)
{
	child->note.word = READY;
	child->note.place = first;
	child->note.next = next;
	if (transfer(child->socket, &child->note, 1) != 0 ||
	    transfer(child->socket, order, 0) != 0)
		return STOP;
	if (order->word == WRITE)
		child->may_write = 1;
	return order->word;
}

/* One input of a piece, from a place on.  Answers as ask(); WRITE: done. */
static enum word
do_input(struct child *child, struct input *input, const struct piece *piece, int64_t *first,
    struct note *order)
{
	struct settings *set = child->set;
	struct message message;
	struct analysis a;
	enum deep_status answer;
	enum word word;
	const char *file;
	int64_t here = input_tell(input, &file), to = piece->to;

	if (*first == -1)
		*first = here;
	for (;;) {
		child->note.next = here = input_tell(input, &file);
		if (to > 0 && here >= to)
			break;
		answer = interrupted ? DEEP_NO : input_next(input, &message);
		if (interrupted) {
			child->note.stopped = 1;
			strlcpy(child->note.file, file, sizeof(child->note.file));
			break;
		}
		if (answer == DEEP_NO)
			break;
		child->note.events = 1;
		if (answer == DEEP_YES) {
			analyse(&a, &message, set, child->arena);
			take(set, child->out, &a);
			child->note.messages++;
		} else {
			set->failed = 1;
		}
		arena_reset(child->arena);
		if (set->summary == NULL && set->stats == NULL && child->n > HELD) {
			if (!child->may_write && (word = ask(child, *first, -1, order)) != WRITE)
				return word;
			write_out(child);
		}
	}
	child->note.octets += input_position(input);
	return WRITE;
}

static enum word
do_piece(struct child *child, const struct piece *piece, int64_t from, int exact,
    struct note *order)
{
	int64_t first = -1;
	enum word word = WRITE;
	struct input *input;
	size_t i, n = piece->nfile > 0 ? piece->nfile : 1;

	count_anew(child);
	child->may_write = 0;
	child->note.messages = child->note.octets = 0;
	child->note.events = child->note.stopped = 0;
	child->note.next = from;
	for (i = 0; i < n && word == WRITE && !child->note.stopped; i++) {
		const char *path = piece->nfile > 0 ? piece->file[i] : child->path[piece->input];

		if (exact && piece->to > 0 && from >= piece->to) {
			first = from;		/* the piece before took all of it */
			break;
		}
		if (piece->to > 0)
			input = input_slice(path, from, piece->to == INT64_MAX ? 0 : piece->to, exact);
		else if ((input = input_open(path)) != NULL && i == 0 && from > 0 &&
		    input_continue(input, path, from) != 0) {
			warnx("%s: octet %lld, where the run was interrupted, is not there any more",
			    visible(path), (long long)from);
			input_close(input);
			input = NULL;
		}
		if (input == NULL) {
			child->set->failed = 1;
			child->note.events = 1;
			continue;
		}
		word = do_input(child, input, piece, &first, order);
		input_close(input);
		if (piece->to > 0 && piece->to != INT64_MAX)
			child->note.octets = (uint64_t)(piece->to - piece->from);
	}
	if (word == WRITE && !child->may_write)
		word = ask(child, first, child->note.next, order);
	return word;
}

static void
child_run(struct child *child, const struct plan *plan, FILE *counts)
{
	struct summary *all = child->set->summary != NULL ? summary_new() : NULL;
	struct stats *figures = child->set->stats != NULL ? stats_new() : NULL;
	struct note order;
	FILE *between;
	enum word word;

	memset(&child->note, 0, sizeof(child->note));
	child->arena = arena_new();
	if ((child->out = fopencookie(child, "w", (cookie_io_functions_t){ .write = keep })) == NULL)
		err(EX_OSERR, NULL);
	if (child->set->summary != NULL)
		child->set->summary = summary_new();	/* the parent has its own */
	if (child->set->stats != NULL)
		child->set->stats = stats_new();
	while (plan->piece != NULL && transfer(child->socket, &order, 0) == 0 &&
	    order.word == WORK) {
		const struct piece *piece = &plan->piece[order.piece];

		child->note.piece = order.piece;
		word = do_piece(child, piece, order.place, piece->to > 0 && !piece->follows, &order);
		while (word == AGAIN)
			word = do_piece(child, piece, order.place, 1, &order);
		if (word != WRITE)
			break;
		write_out(child);
		if (all != NULL)
			summary_absorb(all, child->set->summary);
		if (figures != NULL && (between = tmpfile()) != NULL) {
			stats_give(between, child->set->stats);
			if (fseek(between, 0, SEEK_SET) == 0)
				stats_take(figures, between);
			fclose(between);
		}
		child->note.word = DONE;
		child->note.failed = child->set->failed;
		memcpy(child->note.seen, child->set->seen, sizeof(child->note.seen));
		if (transfer(child->socket, &child->note, 1) != 0)
			break;
	}
	if (all != NULL)
		summary_write(counts, all);
	if (figures != NULL)
		stats_give(counts, figures);
	if (fflush(counts) != 0)
		_exit(EX_IOERR);
	_exit(0);
}

/* --- The parent. */

static void
order(struct worker *worker, enum word word, size_t piece, int64_t place)
{
	struct note note;

	memset(&note, 0, sizeof(note));
	note.word = word;
	note.piece = piece;
	note.place = place;
	if (transfer(worker->socket, &note, 1) != 0)
		worker->is = GONE;
}

static void
start(struct worker *worker, struct settings *set, char *const *path, const struct plan *plan,
    const struct worker *others, int nothers)
{
	struct child child;
	int pair[2], i;

	if ((worker->counts = tmpfile()) == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		err(EX_OSERR, "-j");
	if ((worker->pid = fork()) == -1)
		err(EX_OSERR, "-j");
	if (worker->pid == 0) {
		close(pair[0]);
		for (i = 0; i < nothers; i++)
			close(others[i].socket);
		(void)signal(SIGINT, SIG_IGN);		/* the parent sends SIGTERM */
		(void)signal(SIGHUP, SIG_IGN);
		memset(&child, 0, sizeof(child));
		child.set = set;
		child.path = path;
		child.socket = pair[1];
		child_run(&child, plan, worker->counts);
	}
	close(pair[1]);
	worker->socket = pair[0];
	worker->is = IDLE;
}

struct office {
	struct settings	*set;
	char *const	*path;
	int		 npath;
	struct plan	*plan;
	struct worker	*worker;
	int		 n;
	size_t		 given;		/* pieces that were given out */
	size_t		 turn;		/* the piece that may write */
	size_t		 finished;
	struct spot	*place;
	struct progress	*progress;
	unsigned char	*events;	/* by input: it held something */
};

/* Lets a worker write whose turn it is, or sends it back. */
static void
grant(struct office *o, struct worker *worker)
{
	struct piece *piece = &o->plan->piece[worker->piece];
	int64_t ended;
	int i;

	if (worker->is != WAITING || (!o->set->unordered && worker->piece != o->turn))
		return;
	for (i = 0; i < o->n; i++) {
		if (o->worker[i].is == WRITING)
			return;			/* lines of two would get mixed up */
	}
	if (piece->follows) {
		ended = piece[-1].next;
		if (ended == -1)
			return;			/* not known yet */
		if (ended != piece->first) {
			worker->is = BUSY;
			order(worker, AGAIN, worker->piece, ended);
			return;
		}
	}
	if (piece->ready != -1)
		piece->next = piece->ready;
	worker->is = WRITING;
	order(worker, WRITE, worker->piece, 0);
}

static void
done(struct office *o, struct worker *worker, const struct note *note)
{
	struct piece *piece = &o->plan->piece[worker->piece];
	const char *file = note->file;
	int i;

	piece->next = note->next;
	for (i = 0; i < OUTCOMES; i++)
		o->set->seen[i] += note->seen[i];
	o->set->failed |= note->failed != 0;
	if (note->events)
		o->events[piece->input] = 1;
	o->progress->messages += note->messages;
	o->progress->done += note->octets;
	worker->is = IDLE;
	o->turn++;
	o->finished++;
	/* where a run would go on */
	if (!note->stopped)
		file = piece->nfile > 0 ? piece->file[piece->nfile - 1] : o->path[piece->input];
	o->place->input = piece->input;
	o->place->offset = note->next;
	free(o->place->file);
	if ((o->place->file = strdup(file)) == NULL)
		err(EX_OSERR, NULL);
}

static void
give(struct office *o, struct worker *worker)
{
	if (worker->is != IDLE || o->given == o->plan->n)
		return;
	worker->piece = o->given++;
	worker->is = BUSY;
	order(worker, WORK, worker->piece, o->plan->piece[worker->piece].from);
}

/* One word of a worker. */
static void
hear(struct office *o, struct worker *worker)
{
	struct note note;

	if (transfer(worker->socket, &note, 0) != 0) {
		worker->is = GONE;
		return;
	}
	if (note.word == DONE) {
		done(o, worker, &note);
	} else if (interrupted) {
		order(worker, STOP, 0, 0);
		worker->is = IDLE;
	} else {
		o->plan->piece[worker->piece].first = note.place;
		o->plan->piece[worker->piece].ready = note.next;
		worker->is = WAITING;
	}
}

/* Waits for words of the workers, and answers how many of them work. */
static int
attend(struct office *o)
{
	struct pollfd fds[JOBS_MAX];
	int i, working = 0;

	for (i = 0; i < o->n; i++) {
		struct worker *worker = &o->worker[i];

		fds[i].fd = worker->is == BUSY || worker->is == WRITING ? worker->socket : -1;
		fds[i].events = POLLIN;
		fds[i].revents = 0;
		working += fds[i].fd != -1;
	}
	if (working == 0)
		return 0;
	if (poll(fds, (nfds_t)o->n, 500) > 0) {
		for (i = 0; i < o->n; i++) {
			if (fds[i].revents != 0)
				hear(o, &o->worker[i]);
		}
	}
	return working;
}

static void
await(struct worker *worker)
{
	while (!worker->ended && waitpid(worker->pid, &worker->status, 0) == -1 && errno == EINTR)
		continue;
	worker->ended = 1;
}

/* A process went.  Where that is because nobody reads on, as behind head(1), so does
 * this one, and without a word; the others end when their sockets do. */
static void
went(struct office *o, struct worker *worker)
{
	await(worker);
	if (WIFSIGNALED(worker->status) && WTERMSIG(worker->status) == SIGPIPE)
		(void)raise(SIGPIPE);
	warnx("a process of -j ended early; what was written before it is whole");
	o->set->failed = 1;
	interrupted = 1;
	worker->is = IDLE;
}

static void
work(struct office *o)
{
	double saved = seconds_now();
	int i, told = 0;

	do {
		for (i = 0; i < o->n && !interrupted; i++)
			give(o, &o->worker[i]);
		for (i = 0; i < 2 * o->n && !interrupted; i++)	/* one may allow another */
			grant(o, &o->worker[i % o->n]);
		for (i = 0; i < o->n && interrupted && !told; i++) {
			if (o->worker[i].is == BUSY || o->worker[i].is == WRITING)
				(void)kill(o->worker[i].pid, SIGTERM);	/* before the next message */
			else if (o->worker[i].is == WAITING)
				order(&o->worker[i], STOP, 0, 0);
		}
		told = interrupted != 0;
		for (i = 0; i < o->n; i++) {
			if (o->worker[i].is == GONE)
				went(o, &o->worker[i]);
		}
		progress_show(o->progress);
		if (o->set->resume != NULL && o->set->summary == NULL && o->place->file != NULL &&
		    seconds_now() - saved > 10) {
			(void)resume_write(o->set, o->path, o->npath, o->place);
			saved = seconds_now();
		}
	} while (attend(o) > 0 || (!interrupted && o->finished < o->plan->n));
}

static void
finish(struct office *o, struct worker *worker)
{
	order(worker, STOP, 0, 0);
	close(worker->socket);
	await(worker);
	if (!WIFEXITED(worker->status) || WEXITSTATUS(worker->status) != 0)
		o->set->failed = 1;
	if (fseek(worker->counts, 0, SEEK_SET) != 0)
		o->set->failed = 1;
	if (o->set->summary != NULL && summary_read(o->set->summary, worker->counts, "-j") != 0)
		o->set->failed = 1;
	if (o->set->stats != NULL)
		stats_take(o->set->stats, worker->counts);
	fclose(worker->counts);
}

void
run_parallel(struct settings *set, char *const *path, int npath, struct spot *place,
    struct progress *progress)
{
	struct plan plan = { NULL, 0, 0, NULL, 0 };
	struct worker worker[JOBS_MAX];
	struct office o = { .set = set, .path = path, .npath = npath, .plan = &plan,
	    .worker = worker, .n = set->jobs, .place = place, .progress = progress };
	int i, first = place->input;

	memset(worker, 0, sizeof(worker));
	if ((o.events = calloc((size_t)npath, 1)) == NULL)
		err(EX_OSERR, NULL);
	if (place->file != NULL)
		o.events[first] = 1;
	plan_make(&plan, path, npath, place);
	(void)fflush(stdout);
	for (i = 0; i < o.n; i++)
		start(&worker[i], set, path, &plan, worker, i);
	work(&o);
	for (i = 0; i < o.n; i++)
		finish(&o, &worker[i]);
	for (i = first; i < npath && !interrupted; i++) {
		if (!o.events[i])
			set->seen[NO_CHAIN]++;
	}
	if (place->file == NULL && (place->file = strdup(path[first])) == NULL)
		err(EX_OSERR, NULL);
	while (plan.nfolder > 0)
		input_close(plan.folder[--plan.nfolder]);
	free(plan.folder);
	free(plan.piece);
	free(o.events);
}
