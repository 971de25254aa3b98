/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * state.c - what deeptrace keeps between runs: a key, and the probes that it
 * sent; and whether a report answers one of these (D5.4-4).
 *
 *	folder/key	64 hexadecimal digits and LF, mode 0600, made at first use
 *	folder/probes	a JSON object a line: envid, sent, from, to, message_id
 *
 *	envid = "dt1." 12base64url 22base64url	; 38 octets, RFC 3461 4.4
 *
 * The first part is 4 octets of time and 5 of chance, the second the first 16
 * octets of HMAC-SHA-256 over it.  Nobody who has not seen a probe can make an id
 * that counts; whoever handles the probe on its way sees the id and can.  Never
 * reads a key that others can read.
 */
#include <sys/file.h>
#include <sys/stat.h>

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "analyzer.h"
#include "digest.h"
#include "utf8.h"

#define KEY_OCTETS	SHA256_OCTETS
#define ID_OCTETS	9
#define MAC_OCTETS	16
#define ENVID_OCTETS	(4 + 12 + 22)
#define PREFIX		"dt1."
#define LINE_MAX_OCTETS	8192	/* of a probe's line */

const char *const mine_names[] = {
	NULL, "asked", "unremembered", "other", "forged", "unasked"
};

struct state {
	char		 folder[PATH_MAX];
	unsigned char	 key[KEY_OCTETS];
	struct probe	*probe;			/* sorted by envid */
	size_t		 nprobe;
	off_t		 octets;		/* of the file of probes, as read */
};

const char *
mine_sentence(enum mine mine)
{
	switch (mine) {
	case MINE_ASKED:
		return "This report answers a probe that was sent from here.";
	case MINE_UNREMEMBERED:
		return "The envelope id was made with the key of this place, but no such probe is "
		    "remembered here.";
	case MINE_OTHER:
		return "The envelope id is that of a probe, but the recipient or the message is not.";
	case MINE_FORGED:
		return "Forged: the envelope id looks like that of a probe, but was not made here.";
	case MINE_UNASKED:
		return "Not asked for: the envelope id is not that of a probe.";
	default:
		return NULL;
	}
}

static int
make_folder(const char *folder)
{
	char path[PATH_MAX], *slash;

	strlcpy(path, folder, sizeof(path));
	for (slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			break;
		*slash = '/';
	}
	return mkdir(folder, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

/* --state, $XDG_STATE_HOME/deeptrace, /var/lib/deeptrace for root, or below HOME. */
static int
find_folder(struct state *state, const char *given)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	int n;

	if (given != NULL)
		n = snprintf(state->folder, sizeof(state->folder), "%s", given);
	else if (xdg != NULL && *xdg == '/')
		n = snprintf(state->folder, sizeof(state->folder), "%s/deeptrace", xdg);
	else if (geteuid() == 0)
		n = snprintf(state->folder, sizeof(state->folder), "/var/lib/deeptrace");
	else if (home != NULL && *home == '/')
		n = snprintf(state->folder, sizeof(state->folder), "%s/.local/state/deeptrace", home);
	else {
		warnx("there is no folder to keep the probes in: give --state, or set HOME");
		return -1;
	}
	/* room for the names of the files in it */
	if (n < 0 || (size_t)n + 32 >= sizeof(state->folder)) {
		warnx("the name of the folder of --state is too long");
		return -1;
	}
	return 0;
}

static int
file_of(const struct state *state, char *path, size_t size, const char *name)
{
	return snprintf(path, size, "%s/%s", state->folder, name) < (int)size ? 0 : -1;
}

static int
key_make(const struct state *state, const char *path)
{
	unsigned char key[KEY_OCTETS];
	char text[2 * KEY_OCTETS + 2], fresh[PATH_MAX];
	size_t i;
	int fd, answer = -1;

	arc4random_buf(key, sizeof(key));
	for (i = 0; i < KEY_OCTETS; i++)
		snprintf(text + 2 * i, 3, "%02x", key[i]);
	text[2 * KEY_OCTETS] = '\n';
	if (file_of(state, fresh, sizeof(fresh), "key.XXXXXX") != 0 || (fd = mkstemp(fresh)) == -1) {
		warn("%s: cannot make a key there", visible(state->folder));
		return -1;
	}
	/* complete before it has its name; of two that make one, the first wins */
	if (write(fd, text, 2 * KEY_OCTETS + 1) != 2 * KEY_OCTETS + 1 || fsync(fd) != 0 || close(fd) != 0)
		warn("%s", visible(fresh));
	else if (link(fresh, path) != 0 && errno != EEXIST)
		warn("%s", visible(path));
	else
		answer = 0;
	unlink(fresh);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(text, sizeof(text));
	return answer;
}

static int
key_read(struct state *state, int create)
{
	char path[PATH_MAX], text[2 * KEY_OCTETS + 1];
	struct stat st;
	ssize_t n;
	size_t i;
	int fd;

	if (file_of(state, path, sizeof(path), "key") != 0)
		return -1;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1 && errno == ENOENT && create) {
		if (key_make(state, path) != 0)
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	}
	if (fd == -1) {
		warn("%s: no key to know probes by%s", visible(path),
		    create ? "" : "; \"deeptrace probe\" makes one");
		return -1;
	}
	if (fstat(fd, &st) != 0 || (st.st_mode & 077) != 0 || !S_ISREG(st.st_mode)) {
		warnx("%s: others can read this key; chmod 600, or remove it so that a new one is made",
		    visible(path));
		close(fd);
		return -1;
	}
	n = read(fd, text, sizeof(text));
	close(fd);
	for (i = 0; n == (ssize_t)sizeof(text) && i < KEY_OCTETS; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			break;
		state->key[i] = (unsigned char)(high << 4 | low);
	}
	explicit_bzero(text, sizeof(text));
	if (n != (ssize_t)sizeof(text) || i < KEY_OCTETS) {
		warnx("%s: is no key of 64 hexadecimal digits; remove it so that a new one is made",
		    visible(path));
		return -1;
	}
	return 0;
}

static char *
member(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	char *copy = strdup(text == NULL ? "" : text);

	if (copy == NULL)
		err(EX_OSERR, NULL);
	return copy;
}

static int
by_envid(const void *a, const void *b)
{
	return strcmp(((const struct probe *)a)->envid, ((const struct probe *)b)->envid);
}

static int
probes_read(struct state *state)
{
	char path[PATH_MAX], line[LINE_MAX_OCTETS];
	unsigned long number = 0;
	size_t room = 0;
	struct stat st;
	FILE *in;

	if (file_of(state, path, sizeof(path), "probes") != 0)
		return -1;
	if ((in = fopen(path, "re")) == NULL) {
		if (errno == ENOENT)
			return 0;
		warn("%s", visible(path));
		return -1;
	}
	state->octets = fstat(fileno(in), &st) == 0 ? st.st_size : 0;
	while (fgets(line, sizeof(line), in) != NULL) {
		json_error_t fault;
		json_t *object = json_loads(line, 0, &fault);
		struct probe one;

		number++;
		if (!json_is_object(object)) {
			warnx("%s:%lu: is no probe, left out: %s", visible(path), number, fault.text);
			json_decref(object);
			continue;
		}
		if (state->nprobe == room) {
			struct probe *more;

			room = room == 0 ? 64 : room * 2;
			if ((more = reallocarray(state->probe, room, sizeof(*more))) == NULL) {
				warn("%s", visible(path));
				json_decref(object);
				fclose(in);
				return -1;
			}
			state->probe = more;
		}
		one.envid = member(object, "envid");
		one.from = member(object, "from");
		one.to = member(object, "to");
		one.message_id = member(object, "message_id");
		one.sent = json_integer_value(json_object_get(object, "sent"));
		json_decref(object);
		state->probe[state->nprobe++] = one;
	}
	fclose(in);
	if (state->nprobe > 0)
		qsort(state->probe, state->nprobe, sizeof(*state->probe), by_envid);
	return 0;
}

static void
probes_free(struct state *state)
{
	size_t i;

	for (i = 0; i < state->nprobe; i++) {
		free(state->probe[i].envid);
		free(state->probe[i].from);
		free(state->probe[i].to);
		free(state->probe[i].message_id);
	}
	free(state->probe);
	state->probe = NULL;
	state->nprobe = 0;
}

int
state_refresh(struct state *state)
{
	char path[PATH_MAX];
	struct stat st;

	if (file_of(state, path, sizeof(path), "probes") != 0 || stat(path, &st) != 0 ||
	    st.st_size == state->octets)
		return 0;
	probes_free(state);
	return probes_read(state);
}

struct state *
state_open(const char *folder, int create)
{
	struct state *state = calloc(1, sizeof(*state));

	if (state == NULL) {
		warn(NULL);
		return NULL;
	}
	if (find_folder(state, folder) != 0)
		goto failed;
	if (create && make_folder(state->folder) != 0) {
		warn("%s", visible(state->folder));
		goto failed;
	}
	if (key_read(state, create) != 0 || probes_read(state) != 0)
		goto failed;
	return state;
failed:
	state_close(state);
	return NULL;
}

const char *
state_folder(const struct state *state)
{
	return state->folder;
}

/* The second part of an envelope id, for the first. */
static void
mac(const struct state *state, const char id[12], char text[23])
{
	unsigned char digest[SHA256_OCTETS];
	char data[sizeof(PREFIX) - 1 + 12];

	memcpy(data, PREFIX, sizeof(PREFIX) - 1);
	memcpy(data + sizeof(PREFIX) - 1, id, 12);
	hmac_sha256(digest, state->key, data, sizeof(data));
	base64url(text, digest, MAC_OCTETS);
}

void
envid_make(const struct state *state, char envid[ENVID_MAX + 1])
{
	unsigned char id[ID_OCTETS];
	uint32_t now = (uint32_t)time(NULL);
	char first[13], second[23];

	id[0] = (unsigned char)(now >> 24);
	id[1] = (unsigned char)(now >> 16);
	id[2] = (unsigned char)(now >> 8);
	id[3] = (unsigned char)now;
	arc4random_buf(id + 4, ID_OCTETS - 4);
	base64url(first, id, sizeof(id));
	mac(state, first, second);
	snprintf(envid, ENVID_MAX + 1, PREFIX "%s%s", first, second);
}

int
probe_add(struct state *state, const struct probe *probe)
{
	char path[PATH_MAX], *text = NULL;
	json_t *object;
	size_t n;
	int fd = -1, answer = -1;

	object = json_pack("{s:s,s:I,s:s,s:s,s:s}", "envid", probe->envid, "sent", (json_int_t)probe->sent,
	    "from", probe->from, "to", probe->to, "message_id", probe->message_id);
	if (object != NULL)
		text = json_dumps(object, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(object);
	if (text == NULL || file_of(state, path, sizeof(path), "probes") != 0) {
		warnx("%s: the probe cannot be written as JSON", visible(probe->to));
		free(text);
		return -1;
	}
	n = strlen(text);
	text[n++] = '\n';		/* in the place of the NUL: one write */
	if ((fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)) == -1 ||
	    flock(fd, LOCK_EX) != 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) != 0)
		warn("%s: the probe cannot be remembered", visible(path));
	else
		answer = 0;
	if (fd != -1)
		close(fd);
	free(text);
	return answer;
}

/* Whether an address is this one: a domain may be written in ASCII or not. */
static int
is_address(struct deep_str have, const char *want)
{
	char one[DEEP_DOMAIN_MAX + 1], two[DEEP_DOMAIN_MAX + 1];
	const char *at = have.p == NULL ? NULL : memrchr(have.p, '@', have.n), *other = strrchr(want, '@');
	struct deep_str local = { want, other == NULL ? 0 : (size_t)(other - want) };

	if (at == NULL || other == NULL || local.n != (size_t)(at - have.p) ||
	    strncasecmp(have.p, local.p, local.n) != 0)
		return 0;
	have.n -= local.n + 1;
	have.p = at + 1;
	return deep_is(have, other + 1) || (deep_domain_key(one, sizeof(one), have) > 0 &&
	    deep_domain_key(two, sizeof(two), deep_str(other + 1)) > 0 && strcmp(one, two) == 0);
}

enum mine
probe_find(const struct state *state, const struct dsn *dsn, struct deep_str message_id,
    const struct probe **found)
{
	char envid[ENVID_MAX + 1], second[23];
	struct probe key;
	const struct probe *probe;
	size_t i;

	*found = NULL;
	if (dsn->envelope_id.n < sizeof(PREFIX) - 1 ||
	    memcmp(dsn->envelope_id.p, PREFIX, sizeof(PREFIX) - 1) != 0)
		return MINE_UNASKED;
	if (dsn->envelope_id.n != ENVID_OCTETS)
		return MINE_FORGED;
	memcpy(envid, dsn->envelope_id.p, ENVID_OCTETS);
	envid[ENVID_OCTETS] = '\0';
	mac(state, envid + 4, second);
	if (!same_secret(second, envid + 16, 22))
		return MINE_FORGED;
	memset(&key, 0, sizeof(key));
	key.envid = envid;
	probe = state->nprobe == 0 ? NULL : bsearch(&key, state->probe, state->nprobe, sizeof(key), by_envid);
	if (probe == NULL)
		return MINE_UNREMEMBERED;
	*found = probe;
	if (message_id.n > 0 && (message_id.n != strlen(probe->message_id) ||
	    memcmp(message_id.p, probe->message_id, message_id.n) != 0))
		return MINE_OTHER;
	/* the original recipient is what was asked about; without it, the final one */
	for (i = 0; i < dsn->nrcpt; i++) {
		if (is_address(dsn->rcpt[i].original.n > 0 ? dsn->rcpt[i].original : dsn->rcpt[i].final, probe->to))
			return MINE_ASKED;
	}
	return MINE_OTHER;
}

void
state_close(struct state *state)
{
	if (state == NULL)
		return;
	probes_free(state);
	explicit_bzero(state->key, sizeof(state->key));
	free(state);
}
