/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * parallel.c - -j N: the inputs in pieces, by several processes.
 *
 * A piece is SLICE octets of an mbox, FILES files of a folder, or an input that
 * cannot be cut: standard input, a packed file, a single message.  Of N
 * processes, number K does the pieces K, K + N, K + 2 N and so on, so nobody has
 * to be asked for work.  The processes stand in a ring, and a baton goes round,
 * from the one that has done a piece to that of the next piece:
 *
 *	baton	where the piece ended, or that no more is to be done
 *
 * Who has it knows where his piece begins, and may write.  A process
 * begins a slice at its first boundary, without it, keeps what comes out, and
 * looks for the baton now and then; where the slice before ended elsewhere
 * (a Content-Length led over what looked like a boundary) it does the slice again
 * from the right place.  So the outcome is that of one process.  With --unordered
 * the baton goes on before the output is written, and a lock keeps the lines whole.
 *
 * The parent hears what came of each piece, and has nothing else to do.  Where a
 * process dies its neighbour finds the ring broken, and stops, and so all do.
 *
 * Processes rather than threads: a fault in one message's work cannot reach
 * another's memory.  Never holds more than HELD octets of output for each process,
 * and a message.
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

#define SLICE	(1024 * 1024)		/* octets */
#define FILES	64			/* of a folder */
#define HELD	(6 * 1024 * 1024)	/* octets of output, kept until their turn */
#define PORTION	(256 * 1024)		/* octets of output that are written at a time */
#define LISTEN	100		/* milliseconds between two times that the parent listens */

struct piece {
	int		 input;
	const char *const *file;	/* of a folder, nfile of them; NULL: the input itself */
	size_t		 nfile;
	int64_t		 from, to;	/* to: 0, all of it */
	unsigned	 follows : 1;	/* the piece before ends where this one begins */
};

struct plan {
	struct piece	*piece;
	size_t		 n, room;
	struct input	**folder;	/* whose names of files the pieces hold */
	size_t		 nfolder;
};

struct baton {
	int64_t		 next;		/* the piece before ended there */
	int		 stop;		/* nothing behind it is wanted */
};

/* What came of a piece, for the parent; shorter than PIPE_BUF. */
struct note {
	size_t		 piece, file;	/* file: of a folder, where it ended */
	int64_t		 next;		/* in it, of the next message */
	int64_t		 size;		/* of standard output then; -1: it is no file */
	unsigned long	 seen[OUTCOMES];
	uint64_t	 messages, octets;
	int		 failed, events;
};

struct worker {
	pid_t		 pid;
	int		 baton;		/* comes from the worker before this one */
	int		 pass;		/* where that one puts it */
	FILE		*counts;	/* what it counted, when it ends */
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
	return piece;
}

/* An mbox, not packed, whose lines end in LF: what can be cut. */
static int
can_be_cut(const char *path, int64_t *size)
{
	char text[32 * 1024];
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

/* --- The child. */

struct child {
	struct settings	*set;
	char *const	*path;
	const struct plan *plan;
	struct arena	*arena;
	int		 baton, pass, notes, lock;	/* lock: -1, the order is kept */
	FILE		*out;
	char		*text;		/* what was written there */
	size_t		 n, size;
	size_t		 asked;		/* so many octets, when the baton was looked for */
	const struct piece *piece;
	int64_t		 first;		/* where it was begun; -1: not yet */
	int		 has_turn;
	struct baton	 got;		/* what came with it */
	enum { GOES_ON, AGAIN, INTERRUPTED, STOP } does;
	struct note	 note;
};

/* The write of out: open_memstream(3) would fill each new piece of memory with zeros,
 * and there is nearly as much of it as of the input. */
static ssize_t
keep(void *cookie, const char *text, size_t n)
{
	struct child *child = cookie;
	size_t size = child->size < SLICE ? SLICE : child->size;

	while (size - child->n < n)
		size *= 2;
	if (size > child->size) {
		child->text = room_grow(child->text, child->n, size);
		child->size = size;
	}
	memcpy(child->text + child->n, text, n);
	child->n += n;
	return (ssize_t)n;
}

static void
set_lock(const struct child *child, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

	while (child->lock != -1 && fcntl(child->lock, F_SETLKW, &lock) == -1) {
		if (errno != EINTR)
			err(EX_OSERR, "-j: a lock");
	}
}

/* Writes what is kept: whole lines. */
static void
write_out(struct child *child)
{
	const char *p;
	size_t left;
	ssize_t n;

	if (fflush(child->out) != 0)
		err(EX_OSERR, "output that is kept");
	if (child->n == 0)
		return;
	set_lock(child, F_WRLCK);
	for (p = child->text, left = child->n; left > 0; left -= (size_t)n) {
		if ((n = write(STDOUT_FILENO, p, left)) == -1) {
			if (errno != EINTR)
				err(EX_IOERR, "standard output");
			n = 0;
		}
		p += n;
	}
	set_lock(child, F_UNLCK);
	child->n = child->asked = 0;
}

static void
count_anew(struct child *child)
{
	struct settings *set = child->set;

	if (set->summary != NULL) {
		summary_free(set->summary);
		set->summary = summary_new();
	}
	if (set->stats != NULL) {
		stats_free(set->stats);
		set->stats = stats_new();
	}
	memset(set->seen, 0, sizeof(set->seen));
	set->failed = 0;
	memset(&child->note, 0, sizeof(child->note));
	child->note.piece = (size_t)(child->piece - child->plan->piece);
	(void)fflush(child->out);
	child->n = child->asked = 0;
	child->first = -1;
	child->does = GOES_ON;
}

/* Whether it is this piece's turn; what that means is in does then. */
static int
turn(struct child *child, int waits)
{
	ssize_t n;

	if (child->has_turn)
		return 1;
	do {
		n = recv(child->baton, &child->got, sizeof(child->got), waits ? MSG_WAITALL : MSG_DONTWAIT);
	} while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return 0;
	child->has_turn = 1;
	if (n != sizeof(child->got) || child->got.stop)
		child->does = STOP;
	else if (child->piece->follows && child->got.next != child->first)
		child->does = AGAIN;
	return 1;
}

static void
pass_baton(const struct child *child, int stop)
{
	struct baton baton;

	memset(&baton, 0, sizeof(baton));
	baton.next = child->note.next;
	baton.stop = stop;
	(void)send(child->pass, &baton, sizeof(baton), MSG_NOSIGNAL);	/* who is gone needs none */
}

/* One input of a piece, as far as it goes. */
static void
do_input(struct child *child, struct input *input)
{
	struct settings *set = child->set;
	struct message message;
	struct analysis a;
	enum deep_status answer;
	const char *file;
	int64_t to = child->piece->to;
	int ended = 0;

	while (!ended && child->does == GOES_ON) {
		child->note.next = input_tell(input, &file);
		if (child->first == -1)
			child->first = child->note.next;
		if (to > 0 && child->note.next >= to)
			break;
		answer = interrupted ? DEEP_NO : input_next(input, &message);
		if (interrupted) {
			child->does = INTERRUPTED;
			break;
		}
		ended = answer == DEEP_NO;
		child->note.events |= !ended;
		if (answer == DEEP_YES) {
			analyse(&a, &message, set, child->arena);
			take(set, child->out, &a);
			child->note.messages++;
		} else if (!ended) {
			set->failed = 1;
		}
		arena_reset(child->arena);
		if (child->n - child->asked < PORTION)
			continue;
		child->asked = child->n;
		if (turn(child, child->n > HELD) && child->does == GOES_ON)
			write_out(child);
	}
	child->note.octets += input_position(input);
}

static struct input *
open_input(const struct child *child, size_t i, int64_t from, int exact)
{
	const struct piece *piece = child->piece;
	const char *path = piece->nfile > 0 ? piece->file[i] : child->path[piece->input];
	struct input *input;

	if (piece->to > 0)
		return input_slice(path, from, piece->to == INT64_MAX ? 0 : piece->to, exact);
	if ((input = input_open(path)) == NULL || i > 0 || from == 0 ||
	    input_continue(input, path, from) == 0)
		return input;
	warnx("%s: octet %lld, where the run was interrupted, is not there any more",
	    visible(path), (long long)from);
	input_close(input);
	return NULL;
}

static void
do_piece(struct child *child, int64_t from, int exact)
{
	const struct piece *piece = child->piece;
	struct input *input;
	size_t i, n = piece->nfile > 0 ? piece->nfile : 1;

	count_anew(child);
	child->note.next = from;
	if (exact && piece->to > 0 && from >= piece->to) {
		child->first = from;		/* the piece before took all of it */
		return;
	}
	for (i = 0; i < n && child->does == GOES_ON; i++) {
		child->note.file = i;
		if ((input = open_input(child, i, from, exact)) == NULL) {
			child->set->failed = 1;
			child->note.events = 1;
			continue;
		}
		do_input(child, input);
		input_close(input);
	}
	if (piece->to > 0 && piece->to != INT64_MAX && child->does == GOES_ON)
		child->note.octets = (uint64_t)(piece->to - piece->from);
}

/* Tells the parent, and lets the next process write. */
static void
report(struct child *child)
{
	struct settings *set = child->set;
	struct stat st;

	if (child->lock != -1)
		pass_baton(child, child->does == INTERRUPTED);
	write_out(child);
	child->note.size = fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) ? (int64_t)st.st_size : -1;
	child->note.failed = set->failed;
	memcpy(child->note.seen, set->seen, sizeof(child->note.seen));
	if (write(child->notes, &child->note, sizeof(child->note)) != sizeof(child->note))
		err(EX_OSERR, "-j");
	if (child->lock == -1)
		pass_baton(child, child->does == INTERRUPTED);
}

static void
child_run(struct child *child, size_t number, size_t workers, FILE *counts)
{
	struct settings *set = child->set;
	struct summary *all = set->summary != NULL ? summary_new() : NULL;
	struct stats *figures = set->stats != NULL ? stats_new() : NULL;
	static char gathered[1024];		/* short pieces of output */
	size_t k;
	FILE *between;

	child->arena = arena_new();
	if ((child->out = fopencookie(child, "w", (cookie_io_functions_t){ .write = keep })) == NULL)
		err(EX_OSERR, NULL);
	/* a larger one would hold each message, too, before it is kept */
	(void)setvbuf(child->out, gathered, _IOFBF, sizeof(gathered));
	set->summary = NULL;			/* the parent has its own */
	set->stats = NULL;
	for (k = number; k < child->plan->n && child->does == GOES_ON; k += workers) {
		child->piece = &child->plan->piece[k];
		child->has_turn = k == 0;
		if (all != NULL && set->summary == NULL)
			set->summary = summary_new();
		if (figures != NULL && set->stats == NULL)
			set->stats = stats_new();
		do_piece(child, child->piece->from, child->piece->to > 0 && !child->piece->follows);
		(void)turn(child, 1);
		if (child->does == AGAIN)
			do_piece(child, child->got.next, 1);
		if (child->does == STOP)
			break;
		report(child);
		if (all != NULL)
			summary_absorb(all, set->summary);
		if (figures != NULL && (between = tmpfile()) != NULL) {
			stats_give(between, set->stats);
			if (fseek(between, 0, SEEK_SET) == 0)
				stats_take(figures, between);
			fclose(between);
		}
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

struct office {
	struct settings	*set;
	char *const	*path;
	int		 npath;
	struct plan	*plan;
	struct worker	 worker[JOBS_MAX];
	size_t		 n;
	int		 notes;		/* what the processes say */
	int		 alive;		/* ends when they all have */
	int		 lock;
	size_t		 finished;	/* pieces */
	struct spot	*place;
	struct progress	*progress;
	unsigned char	*events;	/* by input: it held something */
};

static void
start(struct office *o, size_t number, int notes)
{
	struct worker *worker = &o->worker[number];
	struct child child;
	size_t i;

	if ((worker->counts = tmpfile()) == NULL || (worker->pid = fork()) == -1)
		err(EX_OSERR, "-j");
	if (worker->pid != 0)
		return;
	memset(&child, 0, sizeof(child));
	child.set = o->set;
	child.path = o->path;
	child.plan = o->plan;
	child.baton = worker->baton;
	child.pass = o->worker[(number + 1) % o->n].pass;
	child.notes = notes;
	child.lock = o->lock;
	for (i = 0; i < o->n; i++) {		/* the ring breaks where a process ends */
		if (o->worker[i].baton != child.baton)
			close(o->worker[i].baton);
		if (o->worker[i].pass != child.pass)
			close(o->worker[i].pass);
	}
	close(o->notes);
	close(o->alive);
	(void)signal(SIGINT, SIG_IGN);		/* the parent sends SIGTERM */
	(void)signal(SIGHUP, SIG_IGN);
	child_run(&child, number, o->n, worker->counts);
}

static void
start_all(struct office *o)
{
	int pair[2], notes[2], alive[2];
	FILE *lock = NULL;
	size_t i;

	if (pipe2(notes, O_CLOEXEC) != 0 || pipe2(alive, O_CLOEXEC) != 0 ||
	    fcntl(notes[0], F_SETFL, O_NONBLOCK) != 0 ||
	    (o->set->unordered && (lock = tmpfile()) == NULL))
		err(EX_OSERR, "-j");
	o->notes = notes[0];
	o->alive = alive[0];
	o->lock = lock != NULL ? fileno(lock) : -1;
	for (i = 0; i < o->n; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
			err(EX_OSERR, "-j");
		o->worker[i].baton = pair[0];
		o->worker[i].pass = pair[1];
	}
	for (i = 0; i < o->n; i++)
		start(o, i, notes[1]);
	for (i = 0; i < o->n; i++) {
		close(o->worker[i].baton);
		close(o->worker[i].pass);
	}
	close(notes[1]);
	close(alive[1]);
	if (lock != NULL)
		fclose(lock);
}

static void
hear(struct office *o, const struct note *note)
{
	const struct piece *piece = &o->plan->piece[note->piece];
	const char *file = piece->nfile > 0 ? piece->file[note->file] : o->path[piece->input];
	int i;

	for (i = 0; i < OUTCOMES; i++)
		o->set->seen[i] += note->seen[i];
	o->set->failed |= note->failed != 0;
	if (note->events)
		o->events[piece->input] = 1;
	o->progress->messages += note->messages;
	o->progress->done += note->octets;
	o->finished++;
	/* where a run would go on */
	o->place->input = piece->input;
	o->place->offset = note->next;
	o->place->output = note->size;
	free(o->place->file);
	if ((o->place->file = strdup(file)) == NULL)
		err(EX_OSERR, NULL);
}

/* Hears what the processes say until the last one has ended.  Each piece is a word, and
 * to be woken for each would take a core from those who work. */
static void
work(struct office *o)
{
	struct pollfd fd = { o->alive, POLLIN, 0 };
	struct note note;
	double saved = seconds_now();
	ssize_t n;
	size_t i;
	int told = 0, ended;

	do {
		if (interrupted && !told) {
			for (i = 0; i < o->n; i++)
				(void)kill(o->worker[i].pid, SIGTERM);	/* before the next message */
			told = 1;
		}
		ended = poll(&fd, 1, LISTEN) > 0;
		while ((n = read(o->notes, &note, sizeof(note))) == sizeof(note) &&
		    note.piece < o->plan->n)
			hear(o, &note);
		if (n > 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
			err(EX_OSERR, "-j");
		progress_show(o->progress);
		if (o->set->resume != NULL && o->set->summary == NULL && o->place->file != NULL &&
		    seconds_now() - saved > 10) {
			(void)resume_write(o->set, o->path, o->npath, o->place);
			saved = seconds_now();
		}
	} while (!ended);
	close(o->notes);
	close(o->alive);
}

static void
finish(struct office *o, struct worker *worker)
{
	int status = 0;

	while (waitpid(worker->pid, &status, 0) == -1 && errno == EINTR)
		continue;
	/* nobody reads on, as behind head(1): so does this one, and without a word */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		(void)raise(SIGPIPE);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		warnx("a process of -j ended early; what was written before it is whole");
		o->set->failed = 1;
		interrupted = 1;
	}
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
	struct office o = { .set = set, .path = path, .npath = npath, .plan = &plan,
	    .place = place, .progress = progress };
	int i, first = place->input;
	size_t k;

	if ((o.events = calloc((size_t)npath, 1)) == NULL)
		err(EX_OSERR, NULL);
	if (place->file != NULL)
		o.events[first] = 1;
	plan_make(&plan, path, npath, place);
	o.n = plan.n < (size_t)set->jobs ? plan.n : (size_t)set->jobs;
	(void)fflush(stdout);
	start_all(&o);
	work(&o);
	for (k = 0; k < o.n; k++)
		finish(&o, &o.worker[k]);
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
