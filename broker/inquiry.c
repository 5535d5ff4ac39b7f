/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/inquiry.c - asks the servers of a pool, and remembers what they said. xproxy-x2gobroker,
 * without privilege. System calls: those of broker/agent.c and broker/scan.c; getrandom.
 */
#include "broker/inquiry.h"

#include <errno.h>

#include "base/macros.h"
#include "broker/balance.h"
#include "broker/scan.h"

/* What is known of a place. */
struct fact {
	struct fact *next;
	char *host;
	unsigned port;
	bool scanned, up;
	bool asked, reached; /* for `user` */
	char user[256];
	char *sessions; /* NULL: it has not told */
};

static struct fact *facts;

/* NULL: no memory. */
static struct fact *find_fact(const char *host, unsigned port)
{
	struct fact *f;

	for (f = facts; f; f = f->next)
		if (f->port == port && strcmp(f->host, host) == 0)
			return f;
	f = calloc(1, sizeof(*f));
	if (!f || !(f->host = strdup(host))) {
		free(f);
		return NULL;
	}
	f->port = port;
	f->next = facts;
	facts = f;
	return f;
}

void inquiry_forget(void)
{
	struct fact *f;

	while ((f = facts)) {
		facts = f->next;
		free(f->host);
		free(f->sessions);
		free(f);
	}
}

/* ---- which are up ---- */

/* Those that nobody has looked at; names only where they are not the address. */
static size_t list_targets(const struct server *servers, size_t n, struct scan_target *ret)
{
	size_t count = 0;

	for (size_t i = 0; i < 2 * n; i++) {
		const struct server *s = servers + i / 2;
		const char *host = i % 2 ? s->name : s->address;
		const struct fact *f = find_fact(host, s->port);
		bool same = i % 2 && strcmp(s->name, s->address) == 0;

		if (!same && f && !f->scanned)
			ret[count++] = (struct scan_target){
				.host = host,
				.port = s->port,
				.group = (unsigned)(i / 2),
			};
	}
	return count;
}

static bool is_up(const char *host, unsigned port)
{
	const struct fact *f = find_fact(host, port);

	return f && f->up;
}

static void find_up(const struct agent *agent, const struct server *servers, size_t n,
                    struct inquiry *ret)
{
	struct scan_target targets[2 * POOL_MAX];
	size_t count = list_targets(servers, n, targets);

	if (count > 0)
		scan_run(targets, count, agent->deadline_usec);
	for (size_t i = 0; i < count; i++) {
		struct fact *f = find_fact(targets[i].host, targets[i].port);

		f->scanned = targets[i].known;
		f->up = targets[i].up;
	}
	for (size_t i = 0; i < n; i++) {
		const struct server *s = servers + i;

		ret->up[i] = is_up(s->address, s->port);
		if (!ret->up[i] && is_up(s->name, s->port)) {
			ret->up[i] = true;
			ret->via[i] = s->name;
		}
	}
}

/* ---- sessions ---- */

/* Asks one agent; whether it has answered. One that says anything but a list is asked whether it is
 * there at all, unless that would only take as long again. */
static int ask(const struct agent *agent, const char *host, unsigned port, const char *user,
               struct fact *ret, char *err)
{
	_cleanup_free_ char *pong = NULL;
	char ignored[AGENT_ERROR_MAX];
	int r;

	free(ret->sessions);
	ret->sessions = NULL;
	r = agent_run(agent, host, port, user, "listsessions", NULL, &ret->sessions, err,
	              AGENT_ERROR_MAX);
	ret->asked = true;
	ret->reached = r == 0;
	snprintf(ret->user, sizeof(ret->user), "%s", user);
	if (r == -EPROTO || r == -EIO || r == -EBADMSG || r == -E2BIG)
		ret->reached = agent_run(agent, host, port, "x2go", "ping", NULL, &pong, ignored,
		                         sizeof(ignored)) == 0;
	return r;
}

/* Begins with one that has answered before, if there is any. */
static int choose_next(const struct server *servers, size_t n, const char *user,
                       const struct inquiry *q, const bool *tried)
{
	struct balance left[POOL_MAX];

	for (size_t i = 0; i < n; i++) {
		const struct fact *f = find_fact(q->via[i], servers[i].port);

		left[i].usable = q->up[i] && !tried[i] && f;
		if (left[i].usable && f->asked && f->reached && strcmp(f->user, user) == 0)
			return (int)i;
	}
	return balance_any(left, n);
}

static void ask_servers(const struct agent *agent, const struct server *servers, size_t n,
                        const char *user, struct inquiry *ret)
{
	bool tried[POOL_MAX] = {false};
	int i, r = 0;

	ret->silent = true;
	while (!ret->agent && (i = choose_next(servers, n, user, ret, tried)) >= 0) {
		struct fact *f = find_fact(ret->via[i], servers[i].port);

		tried[i] = true;
		if (!f->asked || strcmp(f->user, user) != 0)
			r = ask(agent, ret->via[i], servers[i].port, user, f, ret->err);
		/* No agent would be told more than this one. */
		if (r == -ENOKEY || r == -EINVAL || r == -EOPNOTSUPP) {
			ret->silent = false;
			return;
		}
		if (!f->reached)
			continue;
		ret->agent = true;
		ret->asked = (size_t)i;
		ret->silent = false;
		if (f->sessions)
			listing_read(f->sessions, &ret->sessions);
	}
}

static void ask_here(const struct agent *agent, const char *user, struct inquiry *ret)
{
	struct fact *f = find_fact("", 0);

	if (!f)
		return;
	if (!f->asked || strcmp(f->user, user) != 0)
		(void)ask(agent, NULL, 0, user, f, ret->err);
	ret->agent = f->reached;
	if (f->reached && f->sessions)
		listing_read(f->sessions, &ret->sessions);
}

void inquire(const struct agent *agent, const struct server *servers, size_t n, bool scan,
             const char *user, struct inquiry *ret)
{
	*ret = (struct inquiry){0};
	if (n > POOL_MAX)
		n = POOL_MAX;
	for (size_t i = 0; i < n; i++) {
		ret->up[i] = true;
		ret->via[i] = servers[i].address;
	}
	if (scan || (agent->mode == X2GO_AGENT_SSH && user[0]))
		find_up(agent, servers, n, ret);
	if (!user[0])
		return;
	if (agent->mode == X2GO_AGENT_SSH)
		ask_servers(agent, servers, n, user, ret);
	else if (agent->mode == X2GO_AGENT_LOCAL)
		ask_here(agent, user, ret);
}
