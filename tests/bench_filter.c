/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * bench_filter [PROGRAM ...] - processor time that a filter of smtpd takes for
 * lines of data (smtpd-filters(7)): a minimal echo, made of getline(3) and
 * fwrite(3), ./filter-deep with DSNs and the tls clause on, and other filters that
 * are named, or are in DEEP_BENCH_FILTER, as in
 * "exec filter-dkimsign -d example.org -s s -k key.pem".  Each is given the same
 * lines, and is to give them all back.
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES	400000	/* of 60 octets of text and what is around it */
#define ROUNDS	5	/* the best one counts; two of others, which are slow */
#define ENOUGH	(64 * 1024)

static const char	hello[] =
    "config|smtpd-version|7.6.0\nconfig|protocol|0.7\nconfig|smtp-session-timeout|300\n"
    "config|subsystem|smtp-in\nconfig|admd|bench\nconfig|ready\n";
static const char	begin[] =
    "report|0.7|1795416141.486847|smtp-in|link-connect|5897442e47505513|c.test|pass|"
    "192.0.2.1:1|192.0.2.2:25\n"
    "report|0.7|1795416141.486847|smtp-in|link-tls|5897442e47505513|"
    "TLSv1.3:TLS_AES_256_GCM_SHA384:256\n"
    "report|0.7|1795416141.486847|smtp-in|tx-begin|5897442e47505513|4ef05b3a\n"
    "report|0.7|1795416141.486847|smtp-in|tx-mail|5897442e47505513|4ef05b3a|ok|a@c.test\n"
    "filter|0.7|1795416141.486847|smtp-in|data-line|5897442e47505513|00000000000000aa|"
    "Subject: x\n"
    "filter|0.7|1795416141.486847|smtp-in|data-line|5897442e47505513|00000000000000aa|\n";
static const char	line[] =
    "filter|0.7|1795416141.486847|smtp-in|data-line|5897442e47505513|00000000000000aa|"
    "The quick brown fox jumps over the lazy dog and runs away ...\n";

static const char	dot[] =
    "filter|0.7|1795416141.486847|smtp-in|data-line|5897442e47505513|00000000000000aa|.\n";

static void
echo(void)
{
	char	*text = NULL, *id;
	size_t	 size = 0;
	ssize_t	 n;
	int	 i;

	setvbuf(stdout, NULL, _IOFBF, 65536);
	while ((n = getline(&text, &size, stdin)) > 0) {
		if (strncmp(text, "config|ready", 12) == 0) {
			fputs("register|filter|smtp-in|data-line\nregister|ready\n", stdout);
			fflush(stdout);
		}
		if (strncmp(text, "filter|", 7) != 0)
			continue;
		for (i = 0, id = text; i < 5; i++)
			id = strchr(id, '|') + 1;
		fputs("filter-dataline|", stdout);
		fwrite(id, 1, (size_t)(text + n - id), stdout);
	}
	fflush(stdout);
	_exit(0);
}

static double
seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* Processor time of one program for all lines; negative: it does not do its work. */
static double
run(const char *program)
{
	struct rusage	 used;
	struct pollfd	 fd;
	static char	 block[ENOUGH * 2], answer[ENOUGH * 2];
	size_t		 filled = 0, at = 0, sent = 0, came = 0, i;
	ssize_t		 n;
	int		 pair[2], status, null, dotted = 0;
	pid_t		 pid;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 || (pid = fork()) == -1)
		return -1;
	if (pid == 0) {
		dup2(pair[0], STDIN_FILENO);
		dup2(pair[0], STDOUT_FILENO);
		if ((null = open("/dev/null", O_WRONLY)) != -1)
			dup2(null, STDERR_FILENO);
		close(pair[0]);
		close(pair[1]);
		if (program == NULL)
			echo();
		execl("/bin/sh", "sh", "-c", program, (char *)NULL);
		_exit(127);
	}
	close(pair[0]);
	if (write(pair[1], hello, strlen(hello)) == -1 ||
	    write(pair[1], begin, strlen(begin)) == -1)
		return -1;
	while (filled + strlen(line) < ENOUGH) {
		memcpy(block + filled, line, strlen(line));
		filled += strlen(line);
	}
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	while (came < LINES) {
		fd.fd = pair[1];
		fd.events = (short)(POLLIN | (dotted ? 0 : POLLOUT));
		if (poll(&fd, 1, 60000) <= 0)
			break;
		if (fd.revents & POLLIN) {
			if ((n = read(pair[1], answer, sizeof(answer))) <= 0)
				break;
			for (i = 0; i < (size_t)n; i++)
				came += answer[i] == '\n';
		}
		if (fd.revents & POLLOUT && sent < LINES) {
			n = write(pair[1], block + at, filled - at);
			if (n > 0 && (at += (size_t)n) == filled) {
				at = 0;
				sent += filled / strlen(line);
			}
		} else if (fd.revents & POLLOUT)
			/* some hold a message to its end */
			dotted = write(pair[1], dot, strlen(dot)) == (ssize_t)strlen(dot);
	}
	shutdown(pair[1], SHUT_RDWR);
	close(pair[1]);
	if (wait4(pid, &status, 0, &used) == -1 || came < LINES)
		return -1;
	return seconds(&used.ru_utime) + seconds(&used.ru_stime);
}

int
main(int argc, char *argv[])
{
	const char	*program, *other = getenv("DEEP_BENCH_FILTER");
	double		 best, base = 0, took;
	int		 i, round;

	for (i = -1; i < argc + (other != NULL); i++) {
		program = i == -1 ? NULL : i == 0 ?
		    "exec ./filter-deep -f tests/bench/filter.conf" :
		    i < argc ? argv[i] : other;
		for (round = 0, best = -1; round < (i > 0 ? 2 : ROUNDS); round++) {
			took = run(program);
			if (took >= 0 && (best < 0 || took < best))
				best = took;
		}
		if (best < 0) {
			printf("does not answer: %s\n", program == NULL ? "echo" : program);
			continue;
		}
		if (program == NULL)
			base = best;
		if (i == argc)
			program = "another, of DEEP_BENCH_FILTER";
		printf("%-44s %6.3f us a line, %.2f times the echo\n",
		    program == NULL ? "minimal echo (getline, fwrite)" : program,
		    best / LINES * 1e6, base > 0 ? best / base : 0);
	}
	return 0;
}
