/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/event.c - sessions as their clients report them, see broker/event.h. xproxy-x2gobroker, as
 * its user; xproxyctl, having become that user. System calls: those of broker/state.c, unlinkat.
 *
 * A file's name is of the user and of the session's id: who reports somebody else's session has
 * only one of his own that looks like it.
 */
#include "broker/event.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "broker/state.h"

#define FOLDER "sessions"
#define LOCK                                                                                \
	"sessions-lock" /* in State= itself; held for as long as a file is read and written \
	                 */
#define MAGIC UINT64_C(0x31746e65766567) /* "gevent1" */
#define USER_MAX 64                      /* sessions of one user */
#define USER_DIGITS 16                   /* of the user's hash, which every name begins with */
#define FORGET_USEC (24 * UINT64_C(3600) * USEC_PER_SEC)

#define TEXT(to, from) snprintf(to, sizeof(to), "%s", from)

static int failed(const char *state, int r, char *err, size_t err_size)
{
	snprintf(err, err_size, "State=%s/" FOLDER ": %s", state, strerror(-r));
	return r;
}

/* The folder, and the lock, which are both to be closed. */
static int open_locked(const char *state, int *ret_lock, char *err, size_t err_size)
{
	_cleanup_close_ int top = state_open(state, NULL, err, err_size);

	*ret_lock = -1;
	if (top < 0)
		return top;
	*ret_lock = state_lock(top, LOCK, O_CREAT, true);
	return *ret_lock < 0 ? failed(state, *ret_lock, err, err_size)
	                     : state_open(state, FOLDER, err, err_size);
}

static void name_of(const char *user, const char *id, char ret[STATE_NAME_MAX])
{
	char both[sizeof(((struct event_session *)0)->user) +
	          sizeof(((struct event_session *)0)->id)];
	char owner[STATE_NAME_MAX];

	snprintf(both, sizeof(both), "%s\n%s", user, id);
	state_name(both, ret);
	state_name(user, owner);
	memcpy(ret, owner, USER_DIGITS);
}

static int read_session(int dir, const char *name, struct event_session *ret)
{
	int r = state_is_name(name) ? state_read(dir, name, ret, sizeof(*ret)) : -ENOENT;

	return r < 0 ? r : ret->magic == MAGIC ? 0 : -EBADMSG;
}

/* ---- what is reported ---- */

/* It goes into a line of an answer. */
static bool is_id(const char *id)
{
	for (const char *c = id; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '<')
			return false;
	return id[0] != '\0';
}

struct count {
	const char *name; /* of a file whose user it is */
	uint64_t now;
	size_t all, of_user;
	int removed;
};

static int count_one(void *arg, int dir, const char *name)
{
	struct count *c = arg;

	(void)dir;
	c->all++;
	c->of_user += strncmp(name, c->name, USER_DIGITS) == 0;
	return 0;
}

static int remove_old(void *arg, int dir, const char *name)
{
	struct event_session s;
	struct count *c = arg;
	int r = read_session(dir, name, &s);

	if (r == -EBADMSG || (r == 0 && c->now > s.last_usec + FORGET_USEC))
		c->removed += unlinkat(dir, name, 0) == 0;
	return 0;
}

static bool has_room(int dir, const char *name, uint64_t now)
{
	struct count c = {.name = name, .now = now};

	for (int i = 0; i < 2; i++) {
		c.all = c.of_user = 0;
		if (state_each(dir, SIZE_MAX, count_one, &c) < 0)
			return false;
		if (c.all < EVENT_SESSIONS_MAX && c.of_user < USER_MAX)
			return true;
		(void)state_each(dir, SIZE_MAX, remove_old, &c);
	}
	return false;
}

static void fill(struct event_session *s, const struct x2go_request *q, const char *address,
                 uint64_t now)
{
	if (s->magic != MAGIC)
		*s = (struct event_session){.magic = MAGIC, .first_usec = now};
	s->last_usec = now;
	s->elapsed_sec = q->elapsed_sec;
	TEXT(s->id, q->sid);
	TEXT(s->event, q->event);
	TEXT(s->user, q->user);
	TEXT(s->login, q->login);
	TEXT(s->address, address);
	TEXT(s->server, q->server);
	if (q->command[0]) /* not known in the first ones */
		TEXT(s->command, q->command);
	TEXT(s->display, q->display);
	/* What was ordered was meant for the client before this one. */
	if (strcmp(q->event, "CONNECTING") == 0)
		s->order = EVENT_ORDER_NONE;
}

static void log_event(const struct x2go_request *q, const char *address)
{
	char user[280], id[280], server[280], event[80];

	log_escape(q->user, strlen(q->user), user, sizeof(user));
	log_escape(q->sid, strlen(q->sid), id, sizeof(id));
	log_escape(q->server, strlen(q->server), server, sizeof(server));
	log_escape(q->event, strlen(q->event), event, sizeof(event));
	log_message(LOG_INFO, "x2go: user '%s' at %s: session '%s' on '%s': '%s' after %llu s",
	            user, *address ? address : "?", id, server, event,
	            (unsigned long long)q->elapsed_sec);
}

int event_record(const char *state, const struct x2go_request *q, const char *address, uint64_t now,
                 char *err, size_t err_size)
{
	_cleanup_close_ int lock = -1, dir = -1;
	struct event_session s = {0};
	char name[STATE_NAME_MAX];
	int r;

	if (!is_id(q->sid)) {
		snprintf(err, err_size, "an event of no session");
		return -EINVAL;
	}
	if (strcmp(q->event, "ALIVE") != 0)
		log_event(q, address);
	dir = open_locked(state, &lock, err, err_size);
	if (dir < 0)
		return dir;
	name_of(q->user, q->sid, name);
	if (strcmp(q->event, "FINISHED") == 0)
		return unlinkat(dir, name, 0) < 0 && errno != ENOENT
		               ? failed(state, -errno, err, err_size)
		               : 0;
	r = read_session(dir, name, &s);
	if (r == -ENOENT && !has_room(dir, name, now))
		return 0;
	if (r < 0)
		s.magic = 0;
	fill(&s, q, address, now);
	r = state_write(dir, name, &s, sizeof(s), false);
	return r < 0 ? failed(state, r, err, err_size) : 0;
}

/* ---- orders ---- */

int event_take_order(const char *state, const struct x2go_request *q, char ret[EVENT_ORDER_MAX],
                     char *err, size_t err_size)
{
	_cleanup_close_ int lock = -1, dir = open_locked(state, &lock, err, err_size);
	char name[STATE_NAME_MAX];
	struct event_session s;
	bool suspend = false;
	int r;

	ret[0] = '\0';
	if (dir < 0)
		return dir;
	name_of(q->user, q->sid, name);
	r = read_session(dir, name, &s);
	if (r == -ENOENT || (r == 0 && s.order == EVENT_ORDER_NONE))
		return 0;
	if (r == 0) {
		suspend = s.order == EVENT_ORDER_SUSPEND;
		s.order = EVENT_ORDER_NONE;
		r = state_write(dir, name, &s, sizeof(s), false);
	}
	if (r < 0)
		return failed(state, r, err, err_size);
	snprintf(ret, EVENT_ORDER_MAX, "%s %s", suspend ? "SUSPEND" : "TERMINATE", s.id);
	return 1;
}

struct ordering {
	const char *id;
	enum event_order order;
	uint64_t now;
	int count;
};

static int order_one(void *arg, int dir, const char *name)
{
	struct ordering *o = arg;
	struct event_session s;
	int r;

	if (read_session(dir, name, &s) < 0 || strcmp(s.id, o->id) != 0)
		return 0;
	s.order = o->order;
	s.ordered_usec = o->now;
	r = state_write(dir, name, &s, sizeof(s), false);
	o->count += r == 0;
	return r;
}

int event_order(const char *state, const char *id, enum event_order order, uint64_t now, char *err,
                size_t err_size)
{
	_cleanup_close_ int lock = -1, dir = open_locked(state, &lock, err, err_size);
	struct ordering o = {.id = id, .order = order, .now = now};
	int r;

	if (dir < 0)
		return dir;
	r = state_each(dir, SIZE_MAX, order_one, &o);
	if (r == 0 && o.count == 0)
		r = -ENOENT;
	return r == -ENOENT ? r : r < 0 ? failed(state, r, err, err_size) : 0;
}

/* ---- all of them ---- */

struct visit {
	void (*f)(void *arg, const struct event_session *s);
	void *arg;
};

static int visit_one(void *arg, int dir, const char *name)
{
	const struct visit *v = arg;
	struct event_session s;

	if (read_session(dir, name, &s) == 0)
		v->f(v->arg, &s);
	return 0;
}

int event_each(const char *state, void (*f)(void *arg, const struct event_session *s), void *arg,
               char *err, size_t err_size)
{
	_cleanup_close_ int dir = state_open(state, FOLDER, err, err_size);
	struct visit v = {.f = f, .arg = arg};
	int r;

	if (dir < 0)
		return dir;
	r = state_each(dir, SIZE_MAX, visit_one, &v);
	return r < 0 ? failed(state, r, err, err_size) : 0;
}

int event_sweep(const char *state, uint64_t now, char *err, size_t err_size)
{
	_cleanup_close_ int lock = -1, dir = open_locked(state, &lock, err, err_size);
	struct count c = {.now = now};
	int r;

	if (dir < 0)
		return dir;
	r = state_each(dir, SIZE_MAX, remove_old, &c);
	return r < 0 ? failed(state, r, err, err_size) : c.removed;
}
