/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/key.c - keys for one login, see broker/key.h. xproxy-x2gobroker, as its user. System
 * calls: those of broker/state.c, unlinkat.
 */
#include "broker/key.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "broker/state.h"

#define FOLDER "keys"
#define SWEEP_LOCK \
	"sweep-lock" /* in State= itself: the folder is empty if there is nothing to do */
#define MAGIC UINT64_C(0x3279656b6f677832) /* "x2gokey2" */
#define SKEW_USEC (60 * USEC_PER_SEC)      /* between our clock and a server's */
#define RETRY_USEC (30 * USEC_PER_SEC)
#define RETRY_MAX_USEC (3600 * USEC_PER_SEC)
#define GIVE_UP_USEC (UINT64_C(604800) * USEC_PER_SEC) /* a week */
#define SILENT_MAX 16 /* servers that a sweep remembers not to ask again */

/* As it is in the file. */
struct record {
	uint64_t magic;
	uint64_t due_usec;  /* when it is to be removed */
	uint64_t next_usec; /* when that is tried again */
	uint32_t failures;
	char user[256], address[64];  /* who was given it */
	char server[256], login[256]; /* for what */
	struct key_target target;
	char line[KEYLINE_MAX];
	struct x2go_setup setup; /* how it was put there */
};

static int failed(const char *state, int r, char *err, size_t err_size)
{
	snprintf(err, err_size, "State=%s/" FOLDER ": %s", state, strerror(-r));
	return r;
}

static int call(const struct record *rec, const char *task, key_run run, void *arg, char *err,
                size_t err_size)
{
	const char *const args[] = {rec->line, rec->target.file, NULL};

	return run(arg, &rec->setup, &rec->target, task, args, err, err_size);
}

/* ---- putting them there ---- */

static void name_of(const struct record *rec, char ret[STATE_NAME_MAX])
{
	char text[KEYLINE_MAX + sizeof(rec->target) + 16];

	snprintf(text, sizeof(text), "%u\n%u\n%s\n%s\n%s\n%s", rec->target.agent, rec->target.port,
	         rec->target.address, rec->target.user, rec->target.file, rec->line);
	state_name(text, ret);
}

static int put(struct record *rec, int dir, uint64_t now, key_run run, void *arg, char *err,
               size_t err_size)
{
	char name[STATE_NAME_MAX];
	int r;

	name_of(rec, name);
	r = state_write(dir, name, rec, sizeof(*rec), true);
	if (r < 0)
		return failed(rec->setup.state, r, err, err_size);
	r = call(rec, "addauthkey", run, arg, err, err_size);
	if (r == -EREMOTEIO) {
		(void)unlinkat(dir, name, 0);
	} else if (r < 0) {
		rec->due_usec = rec->next_usec = now;
		(void)state_write(dir, name, rec, sizeof(*rec), false);
	}
	return r;
}

static int make_line(const struct key_request *q, uint64_t due, char ret[KEYLINE_MAX],
                     char ret_pem[KEYLINE_PEM_MAX], char *err, size_t err_size)
{
	const struct keyline k = {.user = q->user,
	                          .address = q->address,
	                          .end_usec = due + SKEW_USEC,
	                          .expiry = q->expiry};
	int r = *q->pubkey ? keyline_take(&k, q->pubkey, ret) : keyline_make(&k, ret, ret_pem);

	if (r < 0)
		snprintf(err, err_size, "%s",
		         *q->pubkey ? "the client's public key is none, or too weak"
		                    : "cannot make a key");
	return r;
}

/* Those that are there already, when one could not be put. */
static void take_back(const struct key_request *q, int dir, struct record *rec, size_t n,
                      uint64_t now)
{
	char name[STATE_NAME_MAX];

	rec->due_usec = rec->next_usec = now;
	for (size_t i = 0; i < n; i++) {
		rec->target = *q->targets[i];
		name_of(rec, name);
		(void)state_write(dir, name, rec, sizeof(*rec), false);
	}
}

int key_offer(const struct key_request *q, uint64_t now, key_run run, void *arg,
              char ret_pem[KEYLINE_PEM_MAX], char *err, size_t err_size)
{
	uint64_t due = now + q->setup->key_lifetime_usec;
	struct record rec = {.magic = MAGIC, .due_usec = due, .next_usec = due, .setup = *q->setup};
	_cleanup_close_ int dir = -1;
	int r = 0;

	ret_pem[0] = '\0';
	snprintf(rec.user, sizeof(rec.user), "%s", q->user);
	snprintf(rec.address, sizeof(rec.address), "%s", q->address);
	snprintf(rec.server, sizeof(rec.server), "%s", q->server);
	snprintf(rec.login, sizeof(rec.login), "%s", q->login);
	dir = state_open(q->setup->state, FOLDER, err, err_size);
	if (dir < 0)
		return dir;
	r = make_line(q, due, rec.line, ret_pem, err, err_size);
	for (size_t i = 0; i < q->count && r == 0; i++) {
		rec.target = *q->targets[i];
		r = put(&rec, dir, now, run, arg, err, err_size);
		if (r < 0)
			take_back(q, dir, &rec, i, now);
	}
	if (r < 0)
		explicit_bzero(ret_pem, KEYLINE_PEM_MAX);
	return r;
}

/* ---- removing them ---- */

struct done {
	const struct key_use *use;
	uint64_t now;
	int count;
};

/* Names of hosts have no case. */
static bool is_for(const struct record *rec, const struct key_use *u)
{
	return strcmp(rec->user, u->user) == 0 && strcmp(rec->address, u->address) == 0 &&
	       (!*u->server || strcasecmp(rec->server, u->server) == 0) &&
	       (!*u->login || strcmp(rec->login, u->login) == 0);
}

static int make_due(void *arg, int dir, const char *name)
{
	struct done *d = arg;
	struct record rec;

	if (!state_is_name(name) || state_read(dir, name, &rec, sizeof(rec)) < 0 ||
	    rec.magic != MAGIC || rec.due_usec <= d->now || !is_for(&rec, d->use))
		return 0;
	rec.due_usec = rec.next_usec = d->now;
	d->count += state_write(dir, name, &rec, sizeof(rec), false) == 0;
	return 0;
}

int key_done(const char *state, const struct key_use *use, uint64_t now, char *err, size_t err_size)
{
	_cleanup_close_ int lock = state_open(state, NULL, err, err_size), held = -1, dir = -1;
	struct done d = {.use = use, .now = now};
	int r;

	if (lock < 0)
		return lock;
	/* Not while somebody sweeps: what is removed just then must not be written anew. They are
	 * due soon in any case. */
	held = state_lock(lock, SWEEP_LOCK, O_CREAT, false);
	if (held < 0)
		return held == -EWOULDBLOCK ? 0 : failed(state, held, err, err_size);
	dir = state_open(state, FOLDER, err, err_size);
	if (dir < 0)
		return dir;
	r = state_each(dir, SIZE_MAX, make_due, &d);
	return r < 0 ? failed(state, r, err, err_size) : d.count;
}

struct sweep {
	uint64_t now, deadline;
	key_run run;
	void *arg;
	struct key_swept *swept;
	struct key_target silent[SILENT_MAX];
	size_t silent_count;
};

static bool is_silent(const struct sweep *w, const struct key_target *t)
{
	for (size_t i = 0; i < w->silent_count; i++)
		if (w->silent[i].agent == t->agent && w->silent[i].port == t->port &&
		    strcmp(w->silent[i].address, t->address) == 0)
			return true;
	return false;
}

static const char *where(const struct key_target *t)
{
	return t->agent == X2GO_AGENT_LOCAL ? "this machine" : t->address;
}

static uint64_t pause_after(uint32_t failures)
{
	return failures > 7 ? RETRY_MAX_USEC : RETRY_USEC << (failures - 1);
}

static void try_later(struct sweep *w, int dir, const char *name, struct record *rec,
                      const char *why)
{
	bool over = w->now >= rec->due_usec + GIVE_UP_USEC;
	char user[300];

	log_escape(rec->target.user, strlen(rec->target.user), user, sizeof(user));
	rec->failures++;
	rec->next_usec = w->now + pause_after(rec->failures);
	if (over)
		(void)unlinkat(dir, name, 0);
	else
		(void)state_write(dir, name, rec, sizeof(*rec), true);
	w->swept->failed++;
	w->swept->given_up += over;
	log_message(over ? LOG_ERR : LOG_WARNING,
	            "x2go: a key of user '%s' on %s, which is no longer valid, could not be "
	            "removed%s: %s",
	            user, where(&rec->target),
	            over ? " for a week; look for it in authorized_keys" : ", tried again later",
	            why);
}

static int sweep_one(void *arg, int dir, const char *name)
{
	struct sweep *w = arg;
	struct record rec;
	char why[256] = "";
	int r = state_is_name(name) ? state_read(dir, name, &rec, sizeof(rec)) : -ENOENT;

	if (r == -EBADMSG || (r == 0 && rec.magic != MAGIC)) {
		log_message(LOG_ERR,
		            "x2go: State=.../" FOLDER "/%s is not a record of a key that can be "
		            "read, and was removed: look for old keys in authorized_keys",
		            name);
		(void)unlinkat(dir, name, 0);
		return 0;
	}
	if (r < 0)
		return 0;
	if (w->now < rec.due_usec || w->now < rec.next_usec || is_silent(w, &rec.target)) {
		w->swept->kept++;
		return 0;
	}
	if (now_usec() >= w->deadline)
		return 1;
	r = call(&rec, "delauthkey", w->run, w->arg, why, sizeof(why));
	if (r == 0) {
		w->swept->removed++;
		(void)unlinkat(dir, name, 0);
		return 0;
	}
	if (r != -EREMOTEIO && w->silent_count < SILENT_MAX)
		w->silent[w->silent_count++] = rec.target;
	try_later(w, dir, name, &rec, why);
	return 0;
}

int key_sweep(const char *state, uint64_t now, uint64_t deadline, key_run run, void *arg,
              struct key_swept *ret, char *err, size_t err_size)
{
	_cleanup_close_ int top = state_open(state, NULL, err, err_size), held = -1, dir = -1;
	struct sweep w = {.now = now, .deadline = deadline, .run = run, .arg = arg, .swept = ret};
	int r;

	*ret = (struct key_swept){0};
	if (top < 0)
		return top;
	held = state_lock(top, SWEEP_LOCK, O_CREAT, false);
	if (held < 0)
		return held == -EWOULDBLOCK ? -EALREADY : failed(state, held, err, err_size);
	dir = state_open(state, FOLDER, err, err_size);
	if (dir < 0)
		return dir;
	r = state_each(dir, SIZE_MAX, sweep_one, &w);
	return r < 0 ? failed(state, r, err, err_size) : 0;
}
