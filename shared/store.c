/*
 * Copyright (c) 2026 the DEEP authors
 * SPDX-License-Identifier: ISC
 *
 * store.c - what is remembered of each name, whatever it is kept in: the kinds
 * are found by how their URL begins, in the array of store_kinds.c.
 *
 * draft-newman-email-deep-00 sections 3.1 and 5.5.
 *
 * It never answers that nothing is known where it could not look, never works
 * in a process that was forked from the one that opened the store, and keeps
 * the only text of an error that libdeep has.
 */
#include <sys/mman.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store.h"

#define SERVICES	4	/* enum deep_service */

struct deep_store *
deep_store_new(void)
{
	return calloc(1, sizeof(struct deep_store));
}

/* One line, whatever a library or a server has put into it. */
static void
set_text(char *text, const char *format, va_list ap)
{
	char	*p;

	(void)vsnprintf(text, DEEP_STORE_TEXT, format, ap);
	for (p = text; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
}

enum deep_status
deep_store_fail(struct deep_store *store, const char *format, ...)
{
	va_list	ap;

	va_start(ap, format);
	set_text(store->error, format, ap);
	va_end(ap);
	return DEEP_FAIL;
}

void
deep_store_warn(struct deep_store *store, const char *format, ...)
{
	va_list	ap;

	va_start(ap, format);
	set_text(store->warning, format, ap);
	va_end(ap);
}

const char *
deep_store_error(const struct deep_store *store)
{
	if (store == NULL)
		return "no memory for a store; raise the limit of the process";
	return store->error;
}

const char *
deep_store_warning(const struct deep_store *store)
{
	return store == NULL ? "" : store->warning;
}

void
deep_store_watch(struct deep_store *store, void (*callback)(void *, const char *), void *arg)
{
	store->watch = callback;
	store->watcher = arg;
}

void
deep_store_step(const struct deep_store *store, const char *what)
{
	if (store->watch != NULL)
		store->watch(store->watcher, what);
}

/* Records. */

int
deep_record_empty(const struct deep_record *record)
{
	size_t	i;

	for (i = 0; i < DEEP_LATCHES; i++)
		if (record->latch[i].first != 0)
			return 0;
	return record->nother == 0;
}

void
deep_record_forget(struct deep_record *record, size_t latch)
{
	memset(&record->latch[latch], 0, sizeof(record->latch[latch]));
	if (latch == DEEP_CERT_ROW)
		record->cert_by = DEEP_BY_NONE;
}

int
deep_held_same(const struct deep_held *a, const struct deep_held *b)
{
	return a->first == b->first && a->confirmed == b->confirmed &&
	    a->window == b->window && a->enforced == b->enforced &&
	    a->contradicted == b->contradicted && a->confirmations == b->confirmations &&
	    a->contradictions == b->contradictions && a->in_window == b->in_window;
}

int
deep_seen_same(const struct deep_seen *a, const struct deep_seen *b)
{
	return strcmp(a->name, b->name) == 0 && a->satisfied == b->satisfied &&
	    a->first == b->first && a->last == b->last && a->sessions == b->sessions;
}

void
deep_reference_emit(char buf[DEEP_REFERENCE_TEXT], const struct deep_record *record)
{
	buf[0] = '\0';
	if (record->latch[DEEP_CERT_ROW].first == 0)
		return;
	if (record->cert_by == DEEP_BY_DOMAIN)
		(void)strlcpy(buf, "domain", DEEP_REFERENCE_TEXT);
	else if (record->cert_by == DEEP_BY_HOST)
		(void)snprintf(buf, DEEP_REFERENCE_TEXT, "host %s", record->cert_host);
}

int
deep_reference_parse(struct deep_record *record, const char *text)
{
	record->cert_by = DEEP_BY_NONE;
	record->cert_host[0] = '\0';
	if (strcmp(text, "domain") == 0)
		record->cert_by = DEEP_BY_DOMAIN;
	else if (strncmp(text, "host ", 5) == 0 && strlcpy(record->cert_host, text + 5,
	    sizeof(record->cert_host)) < sizeof(record->cert_host))
		record->cert_by = DEEP_BY_HOST;
	else
		return text[0] == '\0';
	return 1;
}

int
deep_reference_same(const struct deep_record *a, const struct deep_record *b)
{
	char	x[DEEP_REFERENCE_TEXT], y[DEEP_REFERENCE_TEXT];

	deep_reference_emit(x, a);
	deep_reference_emit(y, b);
	return strcmp(x, y) == 0;
}

struct deep_held *
deep_record_place(struct deep_record *record, const char *id)
{
	deep_latches	bit;
	size_t		i;

	/* As the library writes them, which is how they most often are. */
	for (i = 0; i < DEEP_LATCHES; i++)
		if (strcmp(id, deep_latch_name((unsigned)i)) == 0)
			return &record->latch[i];
	bit = deep_latch_find(deep_str(id));
	for (i = 0; i < DEEP_LATCHES; i++)
		if (bit == (deep_latches)1 << i)
			return &record->latch[i];
	if (record->nother == DEEP_OTHER_MAX || strlcpy(record->other[record->nother].id, id,
	    sizeof(record->other[0].id)) >= sizeof(record->other[0].id))
		return NULL;
	return &record->other[record->nother++].held;
}

/* A latch that another one states too is held with it, on read as on write; it has
 * that one's times where it has none of its own. */
void
deep_record_close(struct deep_record *record)
{
	deep_latches	held;
	size_t		i, from;

	for (from = DEEP_LATCHES; from-- > 0;) {
		if (record->latch[from].first == 0)
			continue;
		held = deep_latches_close((deep_latches)1 << from);
		for (i = 0; i < DEEP_LATCHES; i++)
			if (held & (deep_latches)1 << i && record->latch[i].first == 0)
				record->latch[i] = record->latch[from];
	}
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static int64_t
later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static uint32_t
more(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/*
 * Of two that tell of the same latch: nothing that either knows is lost, and
 * merging twice is merging once.  The window goes with its own count.
 */
static void
merge_held(struct deep_held *into, const struct deep_held *from)
{
	into->first = earlier(into->first, from->first);
	into->confirmed = later(into->confirmed, from->confirmed);
	into->enforced = earlier(into->enforced, from->enforced);
	into->contradicted = later(into->contradicted, from->contradicted);
	into->confirmations = more(into->confirmations, from->confirmations);
	into->contradictions = more(into->contradictions, from->contradictions);
	if (from->window > into->window) {
		into->window = from->window;
		into->in_window = from->in_window;
	} else if (from->window == into->window)
		into->in_window = more(into->in_window, from->in_window);
	if (into->enforced == 0 && into->contradicted != 0 &&
	    into->contradicted >= into->window) {
		into->window = 0;		/* the other one saw it end */
		into->in_window = 0;
	}
}

static void
merge_host(struct deep_record *into, const struct deep_seen *from)
{
	struct deep_seen	*host, *oldest = NULL;
	size_t			 i;

	for (i = 0; i < into->nhost; i++) {
		host = &into->host[i];
		if (strcmp(host->name, from->name) == 0) {
			if (from->last >= host->last)
				host->satisfied = from->satisfied;
			host->first = earlier(host->first, from->first);
			host->last = later(host->last, from->last);
			host->sessions = more(host->sessions, from->sessions);
			return;
		}
		if (oldest == NULL || host->last < oldest->last)
			oldest = host;
	}
	if (into->nhost < DEEP_HOST_MAX)
		into->host[into->nhost++] = *from;
	else if (oldest != NULL && oldest->last < from->last)
		*oldest = *from;
}

void
deep_record_merge(struct deep_record *into, const struct deep_record *from)
{
	const struct deep_held	*cert = &from->latch[DEEP_CERT_ROW];
	size_t			 i, j;

	/* Of the one that was shown it last. */
	if (cert->first != 0 && from->cert_by != DEEP_BY_NONE &&
	    (into->cert_by == DEEP_BY_NONE || into->latch[DEEP_CERT_ROW].first == 0 ||
	    cert->confirmed > into->latch[DEEP_CERT_ROW].confirmed)) {
		into->cert_by = from->cert_by;
		memcpy(into->cert_host, from->cert_host, sizeof(into->cert_host));
	}
	for (i = 0; i < DEEP_LATCHES; i++)
		if (from->latch[i].first != 0)
			merge_held(&into->latch[i], &from->latch[i]);
	for (i = 0; i < from->nother && i < DEEP_OTHER_MAX; i++) {
		for (j = 0; j < into->nother; j++)
			if (strcmp(into->other[j].id, from->other[i].id) == 0)
				break;
		if (j < into->nother)
			merge_held(&into->other[j].held, &from->other[i].held);
		else if (into->nother < DEEP_OTHER_MAX)
			into->other[into->nother++] = from->other[i];
	}
	for (i = 0; i < from->nhost && i < DEEP_HOST_MAX; i++)
		merge_host(into, &from->host[i]);
	if (into->exempt == 0)
		into->exempt = from->exempt;
	deep_record_close(into);
}

/* The store. */

/* A page that a fork empties, where there is such a thing: no call of the system for
 * each check. */
static void
own(struct deep_store *store)
{
	store->owner = getpid();
#ifdef MADV_WIPEONFORK
	if (store->here == NULL) {
		void	*page = mmap(NULL, 1, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return;
		if (madvise(page, 1, MADV_WIPEONFORK) == -1) {
			(void)munmap(page, 1);
			return;
		}
		store->here = page;
	}
	*store->here = 1;
#endif
}

int
deep_store_is_owner(const struct deep_store *store)
{
	return store->here != NULL ? *store->here != 0 : store->owner == getpid();
}

static const struct deep_store_kind *
find_kind(struct deep_store *store, const struct deep_config *config, const char **url)
{
	const struct deep_store_kind	*const *kind;
	size_t				 n;

	*url = deep_config_text(config, "store", "url");
	store->timeout = (int)deep_config_number(config, "store", "timeout");
	store->network = (int)deep_config_number(config, "store", "network");
	store->entries = (uint64_t)deep_config_number(config, "store", "entries");
	for (kind = deep_store_kinds; *kind != NULL; kind++) {
		n = strlen((*kind)->scheme);
		if (strncmp(*url, (*kind)->scheme, n) == 0) {
			*url += n;
			return *kind;
		}
	}
	(void)deep_store_fail(store, "[store] url \"%s\": no kind of store; it begins with "
	    "sqlite:, redis:, redis+unix: or rediss:", *url);
	return NULL;
}

enum deep_status
deep_store_open(struct deep_store *store, const struct deep_config *config)
{
	const struct deep_store_kind	*kind;
	const char			*url;
	enum deep_status		 status;

	if (store->kind != NULL)
		return deep_store_fail(store, "the store is open already; a program opens it "
		    "once for each handle");
	store->warning[0] = '\0';
	kind = find_kind(store, config, &url);
	if (kind == NULL)
		return DEEP_FAIL;
	own(store);
	status = kind->open(store, url, config, kind->how);
	if (status == DEEP_YES)
		store->kind = kind;
	return status;
}

enum deep_status
deep_store_create(struct deep_store *store, const struct deep_config *config, unsigned uid,
    unsigned gid)
{
	const struct deep_store_kind	*kind;
	const char			*url;

	if (store->kind != NULL)
		return deep_store_fail(store, "the store is open already; make it with a "
		    "handle of its own");
	store->warning[0] = '\0';
	kind = find_kind(store, config, &url);
	if (kind == NULL)
		return DEEP_FAIL;
	own(store);
	return kind->create(store, url, config, kind->how, uid, gid);
}

void
deep_store_free(struct deep_store *store)
{
	if (store == NULL)
		return;
	if (store->kind != NULL)
		store->kind->close(store);
	if (store->here != NULL)
		(void)munmap((void *)store->here, 1);
	free(store);
}

/* What is asked before each call. */
static enum deep_status
usable(struct deep_store *store)
{
	if (store->kind == NULL)
		return deep_store_fail(store, "the store is not open; a program opens it "
		    "before it asks");
	if (!deep_store_is_owner(store))
		return deep_store_fail(store, "the store was opened by process %ld and this is "
		    "%ld; a process opens its own after fork(2)", (long)store->owner,
		    (long)getpid());
	return DEEP_YES;
}

static enum deep_status
usable_for(struct deep_store *store, const struct deep_key *key)
{
	size_t	n = strnlen(key->name, sizeof(key->name));

	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	if (n == 0 || n > DEEP_DOMAIN_MAX || (unsigned)key->service >= SERVICES)
		return deep_store_fail(store, "a key without a name or a service; a program "
		    "makes it with deep_key()");
	return DEEP_YES;
}

enum deep_status
deep_store_get(struct deep_store *store, const struct deep_key *key,
    struct deep_record *record)
{
	if (usable_for(store, key) != DEEP_YES) {
		memset(record, 0, sizeof(*record));
		return DEEP_FAIL;
	}
	return store->kind->get(store, key, record, 0);
}

enum deep_status
deep_store_hosts(struct deep_store *store, const struct deep_key *key,
    struct deep_record *record)
{
	if (usable_for(store, key) != DEEP_YES) {
		memset(record, 0, sizeof(*record));
		return DEEP_FAIL;
	}
	return store->kind->get(store, key, record, 1);
}

enum deep_status
deep_store_learn(struct deep_store *store, const struct deep_key *key,
    const struct deep_policy *policy, const struct deep_session *session,
    struct deep_str host, int64_t now, struct deep_learnt *learnt)
{
	struct deep_learnt	unused;

	if (learnt == NULL)
		learnt = &unused;
	memset(learnt, 0, sizeof(*learnt));
	if (usable_for(store, key) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->learn(store, key, policy, session, host, now, learnt);
}

enum deep_status
deep_store_reset(struct deep_store *store, const struct deep_key *key, deep_latches keep,
    const char *who, const char *reason, int64_t now, deep_latches *forgotten)
{
	deep_latches	unused;

	if (forgotten == NULL)
		forgotten = &unused;
	*forgotten = DEEP_LATCH_NONE;
	if (usable_for(store, key) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->reset(store, key, deep_latches_close(keep), who, reason, now,
	    forgotten);
}

enum deep_status
deep_store_exempt(struct deep_store *store, const struct deep_key *key, int on,
    const char *who, const char *reason, int64_t now)
{
	if (usable_for(store, key) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->exempt(store, key, on, who, reason, now);
}

enum deep_status
deep_store_each(struct deep_store *store,
    int (*callback)(void *, const struct deep_key *, const struct deep_record *), void *arg)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->each(store, callback, arg);
}

enum deep_status
deep_store_put(struct deep_store *store, const struct deep_key *key,
    const struct deep_record *record, int64_t now)
{
	if (usable_for(store, key) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->put(store, key, record, now);
}

enum deep_status
deep_store_bulk(struct deep_store *store, int on)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->bulk(store, on);
}

enum deep_status
deep_store_purge(struct deep_store *store, const struct deep_config *config, int64_t now,
    int dry_run, struct deep_gone *gone)
{
	struct deep_gone	unused;

	if (gone == NULL)
		gone = &unused;
	memset(gone, 0, sizeof(*gone));
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->purge(store, config, now, dry_run, gone);
}

enum deep_status
deep_store_verify(struct deep_store *store, int (*callback)(void *, const char *),
    void *arg, uint64_t *records)
{
	uint64_t	unused;

	if (records == NULL)
		records = &unused;
	*records = 0;
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return store->kind->verify(store, callback, arg, records);
}

/* The log and the notes are in the file of this host, whatever the kind. */

enum deep_status
deep_store_log(struct deep_store *store, const struct deep_entry *entry)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_log(store, entry);
}

enum deep_status
deep_store_log_each(struct deep_store *store, int64_t since,
    int (*callback)(void *, const struct deep_entry *), void *arg)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_log_each(store, since, callback, arg);
}

enum deep_status
deep_note_put(struct deep_store *store, const char *kind, const char *key, const char *sub,
    const char *text, int64_t expires)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_note_put(store, kind, key, sub, text, expires);
}

enum deep_status
deep_note_get(struct deep_store *store, const char *kind, const char *key, const char *sub,
    int64_t now, char *buf, size_t size)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_note_get(store, kind, key, sub, now, buf, size, 0);
}

enum deep_status
deep_note_take(struct deep_store *store, const char *kind, const char *key, const char *sub,
    int64_t now, char *buf, size_t size)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_note_get(store, kind, key, sub, now, buf, size, 1);
}

enum deep_status
deep_note_each(struct deep_store *store, const char *kind, const char *key, int64_t now,
    int (*callback)(void *, const char *, const char *), void *arg)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_note_each(store, kind, key, now, callback, arg);
}

enum deep_status
deep_note_drop(struct deep_store *store, const char *kind, const char *key, const char *sub)
{
	if (usable(store) != DEEP_YES)
		return DEEP_FAIL;
	return deep_sqlite_note_drop(store, kind, key, sub);
}
