/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/pool.c - which server of a pool a user is sent to. xproxy-x2gobroker, without privilege.
 * System calls: those of broker/inquiry.c, broker/agent.c and broker/load.c; clock_nanosleep.
 */
#include "broker/pool.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"
#include "broker/balance.h"
#include "broker/load.h"

/* x2gocleansessions looks every 2 s what is to be suspended. To ask again in between would make it
 * run: x2golistsessions corrects what the database says by what it sees. */
#define SUSPEND_USEC (2 * USEC_PER_SEC)

struct work {
	const struct pool *pool;
	const char *user;
	const char *names[POOL_MAX];
	char self[65]; /* this machine, which a pool may call localhost */
	size_t count;
	struct inquiry q;
};

static int begin(const struct pool *p, const char *user, struct work *w)
{
	if (p->count == 0)
		return -ENOENT;
	w->pool = p;
	w->user = user;
	w->count = p->shadow ? 1 : p->count < POOL_MAX ? p->count : POOL_MAX;
	for (size_t i = 0; i < w->count; i++)
		w->names[i] = p->servers[i].name;
	if (gethostname(w->self, sizeof(w->self) - 1) < 0)
		w->self[0] = '\0';
	inquire(p->agent, p->servers, w->count, p->portscan, p->shadow ? "" : user, &w->q);
	return 0;
}

/* The server that has it; -1: none of these. */
static int server_of(const struct work *w, const struct listing_session *s)
{
	return listing_match(s->server, s->server_len, w->names, w->count, w->self);
}

static bool is_usable(const struct work *w, size_t server)
{
	return !w->pool->portscan || w->q.up[server];
}

/* A question to the agent that has answered before; *ret is the caller's. */
static int ask(struct work *w, const char *task, const char *const *args, char **ret)
{
	return agent_run(w->pool->agent, w->q.via[w->q.asked], w->pool->servers[w->q.asked].port,
	                 w->user, task, args, ret, w->q.err, sizeof(w->q.err));
}

/* ---- a session to resume ---- */

static void wait_suspended(const struct agent *a)
{
	uint64_t now = now_usec(), usec = SUSPEND_USEC;
	struct timespec ts;

	if (a->deadline_usec < now + usec)
		usec = a->deadline_usec > now ? a->deadline_usec - now : 0;
	ts = (struct timespec){
		.tv_sec = (time_t)(usec / USEC_PER_SEC),
		.tv_nsec = (long)(usec % USEC_PER_SEC * 1000),
	};
	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static void take_over(struct work *w, struct listing_session *s)
{
	const char *const args[] = {s->id};
	_cleanup_free_ char *output = NULL;

	if (ask(w, "suspendsession", args, &output) < 0)
		return;
	wait_suspended(w->pool->agent);
	s->state = 'S';
}

/* The server of the first session on one that is usable; -1: there is none. */
static int resume_at(struct work *w)
{
	for (size_t i = 0; i < w->q.sessions.count; i++) {
		struct listing_session *s = w->q.sessions.sessions + i;
		int server = server_of(w, s);

		if (server < 0 || !is_usable(w, (size_t)server))
			continue;
		if (s->state == 'R')
			take_over(w, s);
		return server;
	}
	return -1;
}

static int write_sessions(const struct work *w, int chosen, char **ret)
{
	size_t size = 0;
	FILE *f = open_memstream(ret, &size);

	if (!f)
		return -ENOMEM;
	for (size_t i = 0; chosen >= 0 && i < w->q.sessions.count; i++) {
		const struct listing_session *s = w->q.sessions.sessions + i;
		int at = server_of(w, s);

		if (at >= 0 && is_usable(w, (size_t)at) &&
		    w->pool->servers[at].port == w->pool->servers[chosen].port)
			listing_write(f, s, w->pool->servers[at].address, s->state);
	}
	return fclose(f) == 0 ? 0 : -ENOMEM;
}

/* ---- one for a new session ---- */

/* Asks those that nobody knows anything of, all at once. */
static void measure(struct work *w, struct load *loads)
{
	const struct x2go_setup *setup = w->pool->agent->setup;
	struct agent_call calls[AGENT_CALLS_MAX];
	struct load measured[AGENT_CALLS_MAX];
	size_t from[AGENT_CALLS_MAX], n = 0;

	for (size_t i = 0; i < w->count && n < AGENT_CALLS_MAX; i++) {
		if (loads[i].known)
			continue;
		from[n] = i;
		calls[n++] = (struct agent_call){
			.address = w->q.up[i] ? w->q.via[i] : "",
			.port = w->pool->servers[i].port,
			.user = "x2go",
			.task = "checkload",
		};
	}
	if (n == 0)
		return;
	agent_run_all(w->pool->agent, calls, n);
	for (size_t i = 0; i < n; i++) {
		if (calls[i].result == 0)
			loads[from[i]].factor = balance_factor(calls[i].output);
		free(calls[i].output);
		loads[from[i]].known = true;
		measured[i] = loads[from[i]];
	}
	(void)load_remember(setup->state, setup->load_age_usec, measured, n);
}

static void weigh(struct work *w, struct balance *list)
{
	const struct x2go_setup *setup = w->pool->agent->setup;
	struct load loads[POOL_MAX];

	for (size_t i = 0; i < w->count; i++)
		loads[i] = (struct load){
			.address = w->pool->servers[i].address,
			.port = w->pool->servers[i].port,
		};
	load_recall(setup->state, setup->load_age_usec, loads, w->count);
	measure(w, loads);
	for (size_t i = 0; i < w->count; i++)
		list[i].factor = loads[i].factor;
}

/* False: nothing is known of how busy they are. */
static bool read_busy(struct work *w, struct balance *list, bool weighed)
{
	_cleanup_free_ char *text = NULL;

	if (ask(w, weighed ? "getservers" : "findbusyservers", NULL, &text) < 0)
		return weighed;
	if ((weighed ? balance_read_sessions : balance_read_shares)(text, list, w->count, w->self) <
	    0) {
		for (size_t i = 0; i < w->count; i++)
			list[i].busy = 0;
		return weighed;
	}
	return true;
}

static int pick(struct work *w)
{
	bool weighed = w->pool->load_check && w->pool->agent->mode == X2GO_AGENT_SSH, any = false;
	struct balance list[POOL_MAX];
	size_t usable = 0;

	for (size_t i = 0; i < w->count; i++) {
		list[i] = (struct balance){.name = w->names[i], .usable = is_usable(w, i)};
		usable += list[i].usable;
	}
	if (!w->q.agent || usable < 2)
		return balance_any(list, w->count);
	if (weighed)
		weigh(w, list);
	for (size_t i = 0; i < w->count; i++)
		any |= list[i].usable && list[i].factor > 0;
	return read_busy(w, list, any) ? balance_least(list, w->count)
	                               : balance_any(list, w->count);
}

int pool_choose(const struct pool *p, const char *user, struct pool_choice *ret, char *err,
                size_t err_size)
{
	_cleanup_free_ struct work *w = calloc(1, sizeof(*w));
	int r = w ? begin(p, user, w) : -ENOMEM, at;

	*ret = (struct pool_choice){0};
	err[0] = '\0';
	if (r < 0)
		return r;
	/* Without any agent there most probably is nothing else either. */
	at = w->q.silent ? -1 : resume_at(w);
	r = write_sessions(w, at, &ret->sessions);
	if (r == 0 && at < 0 && !w->q.silent)
		at = pick(w);
	ret->available = at >= 0;
	ret->server = at < 0 ? 0 : (size_t)at;
	ret->via = w->q.via[ret->server];
	ret->agent = w->q.agent && ret->available;
	snprintf(err, err_size, "%s", w->q.err);
	return r;
}

int pool_look(const struct pool *p, const char *user, struct pool_status *ret, char *err,
              size_t err_size)
{
	_cleanup_free_ struct work *w = calloc(1, sizeof(*w));
	int r = w ? begin(p, user, w) : -ENOMEM;

	*ret = (struct pool_status){0};
	err[0] = '\0';
	if (r < 0)
		return r;
	ret->agent = w->q.agent;
	for (size_t i = 0; i < w->q.sessions.count; i++) {
		const struct listing_session *s = w->q.sessions.sessions + i;
		int server = server_of(w, s);

		if (server < 0)
			continue;
		if (!ret->state) {
			ret->state = s->state;
			ret->server = (size_t)server;
		}
		ret->suspended += s->state == 'S';
		ret->running += s->state == 'R';
	}
	snprintf(err, err_size, "%s", w->q.err);
	return 0;
}
