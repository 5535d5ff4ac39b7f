/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/broker.c - X2Go's session broker, as far as the guard has to do with it: it starts the
 * program that answers, lets people in whom that knows by a token of its own, and tells it who has
 * logged in. Guard, privileged, instead of a session.
 */
#include <errno.h>
#include <stdio.h>

#include "auth/password.h"
#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"

#define PASSWORD_USEC (20 * USEC_PER_SEC)
#define EXIT_AUTH 5
#define EXIT_INTERNAL 1

static const char *task_name(uint32_t task)
{
	static const char *const names[X2GO_TASK_MAX_] = {
		[X2GO_NONE] = "a login",         [X2GO_LIST] = "listsessions",
		[X2GO_SELECT] = "selectsession", [X2GO_TESTCON] = "testcon",
		[X2GO_SETPASS] = "setpass",      [X2GO_EVENT] = "clientevent",
	};

	return task < X2GO_TASK_MAX_ ? names[task] : "?";
}

static int fail(struct guard *g, const char *why)
{
	log_message(LOG_ERR, "x2go: %s", why);
	broker_end(&g->broker);
	return guard_refuse(g, EXIT_INTERNAL, "internal error", "the session broker has failed");
}

/* The answer's way to the client; there is nothing left for this process to do. */
static int hand_over(struct guard *g)
{
	struct rpc m = {.type = RPC_OPENED};

	g->due = DUE_ALWAYS;
	g->handed_over = true;
	snprintf(g->upstream, sizeof(g->upstream), "x2go");
	return guard_answer(g, &m, g->broker.answer_fd);
}

static void log_request(const struct guard *g, const char *how)
{
	const struct x2go_request *r = &g->wanted;
	const struct log_field fields[] = {
		{"XPROXY_USER", g->username},
		{"XPROXY_PEER", g->peer->text},
		{"XPROXY_FRONT", g->front},
	};
	char user[RPC_NAME_MAX], sid[RPC_NAME_MAX];

	log_escape(g->username, strlen(g->username), user, sizeof(user));
	log_escape(r->sid, strlen(r->sid), sid, sizeof(sid));
	log_record(LOG_INFO, LOG_EVENT_NONE, fields, ARRAY_SIZE(fields),
	           "x2go: user '%s' from %s: %s%s%s%s%s (%s)", user, g->peer->text,
	           task_name(r->task), sid[0] ? " " : "", sid, r->event[0] ? " " : "", r->event,
	           how);
}

/* A token that is not good counts as a password that is not. */
static int deny(struct guard *g, const char *reason)
{
	struct rpc_step step = {.kind = STEP_DENIED, .exit_code = EXIT_AUTH};
	uint64_t since = now_usec();
	int r = penalty_admit(g, true);

	broker_end(&g->broker);
	if (r != 0)
		return r < 0 ? r : 0;
	snprintf(step.reason, sizeof(step.reason), "authentication failed");
	snprintf(g->outcome->failure, sizeof(g->outcome->failure), "%s", reason);
	penalty_settle(g, &step);
	snprintf(g->denied, sizeof(g->denied), "%s", step.reason);
	guard_delay_failure(g, since);
	return guard_refuse(g, EXIT_AUTH, step.reason, "");
}

/* A token lets somebody in without any module, which may have profiles of that user all the same.
 */
static void lookup_row(struct guard *g)
{
	char err[RPC_TEXT_MAX];

	if (g->wanted.task != X2GO_LIST && g->wanted.task != X2GO_SELECT)
		return;
	if (checker_lookup(g, err) < 0)
		log_message(LOG_WARNING, "x2go: the record of user '%s': %s", g->username, err);
}

/* By PAM, which is the service's own for logins as well. */
static void change_password(struct guard *g, const struct rpc_broker *m, struct x2go_login *login)
{
	const struct password_change c = {.service = "xproxy",
	                                  .user = login->user,
	                                  .old_password = m->password,
	                                  .new_password = m->new_password,
	                                  .address = g->peer->address};
	char why[PASSWORD_WHY_MAX] = "PasswordChange= says no";

	login->password_changed =
		g->config->x2go_password_change && password_change(&c, PASSWORD_USEC, why) == 0;
	if (!login->password_changed)
		snprintf(login->why, sizeof(login->why), "%s", why);
}

/* Who it is, for the program; its answer, for the worker. */
static int answer(struct guard *g, const struct rpc_broker *m)
{
	struct x2go_login login = {0};
	int r;

	snprintf(login.user, sizeof(login.user), "%s", g->outcome->username);
	if (g->outcome->row.has_sessions)
		snprintf(login.rows, sizeof(login.rows), "%s", g->outcome->row.displays);
	if (g->wanted.task == X2GO_SETPASS)
		change_password(g, m, &login);
	r = broker_go(&g->broker, &login);
	if (r < 0)
		return fail(g, strerror(-r));
	log_request(g, g->outcome->module);
	return hand_over(g);
}

static int begin(struct guard *g, const struct rpc_broker *m)
{
	struct rpc ask = {.type = RPC_BROKER};
	struct x2go_verdict v = {0};
	bool local = g->peer->local_unix; /* its user can be seen, and be anywhere */
	char err[RPC_TEXT_MAX];

	if (g->broker_asked || !g->config->x2go_profiles[0] || m->go ||
	    m->request.frontend >= X2GO_FRONTEND_MAX_ || m->request.task >= X2GO_TASK_MAX_)
		return -EPROTO;
	g->broker_asked = true;
	g->wanted = m->request;
	snprintf(g->username, sizeof(g->username), "%s", m->request.user);
	snprintf(g->client, sizeof(g->client), "X2Go");
	if (broker_start(&g->broker, g->config, &m->request,
	                 local ? m->request.address : g->peer->address, local, err) < 0 ||
	    broker_verdict(&g->broker, &v, err) < 0)
		return fail(g, err);
	g->due &= ~(unsigned)(DUE_PEER | DUE_WEB);
	if (v.kind == X2GO_LOGIN)
		return guard_answer(g, &ask, -1);
	g->due &= ~(unsigned)DUE_LOGIN;
	if (v.kind != X2GO_GRANTED)
		return deny(g, v.reason);
	snprintf(g->outcome->username, sizeof(g->outcome->username), "%s", m->request.user);
	snprintf(g->outcome->module, sizeof(g->outcome->module), "%s",
	         m->request.authid[0] ? "auth-id" : "for anybody");
	lookup_row(g);
	return answer(g, m);
}

static int go_on(struct guard *g, const struct rpc_broker *m)
{
	return m->go && g->broker.fd >= 0 ? answer(g, m) : -EPROTO;
}

int broker_serve(struct guard *g, struct rpc *m)
{
	return g->due & DUE_SESSION ? go_on(g, &m->broker) : begin(g, &m->broker);
}
