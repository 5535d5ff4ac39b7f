/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/broker.c - X2Go's session broker, as far as the guard has to do with it: it starts the
 * program that answers, lets people in whom that knows by a token of its own, and tells it who has
 * logged in. Guard, privileged, instead of a session.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "auth/password.h"
#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"
#include "wire/utf8.h"

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
	explicit_bzero(&g->outcome->row, sizeof(g->outcome->row)); /* of URIs with passwords */
	explicit_bzero(g->wanted.authid, sizeof(g->wanted.authid));
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
	char user[RPC_NAME_MAX], sid[RPC_NAME_MAX], event[sizeof(r->event) * 4];

	log_escape(g->username, strlen(g->username), user, sizeof(user));
	log_escape(r->sid, strlen(r->sid), sid, sizeof(sid));
	log_escape(r->event, strlen(r->event), event, sizeof(event));
	log_record(LOG_INFO, LOG_EVENT_NONE, fields, ARRAY_SIZE(fields),
	           "x2go: user '%s' from %s: %s%s%s%s%s (%s)", user, g->peer->text,
	           task_name(r->task), sid[0] ? " " : "", sid, event[0] ? " " : "", event, how);
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

/* By that service of PAM's that has let the user in; where none has, by ours. */
static void change_password(struct guard *g, const struct rpc_broker *m, struct x2go_login *login)
{
	const char *service = g->outcome->service;
	const struct password_change c = {.service = service[0] ? service : "xproxy",
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

/* Those of the record's sessions that are the program's business: others have passwords in them. */
static void copy_rows(const char *displays, char *ret, size_t size)
{
	size_t n = 0;

	for (size_t len; *displays; displays += len + (displays[len] != '\0')) {
		len = strcspn(displays, ",");
		if (memmem(displays, len, "x2go://", strlen("x2go://")) && n + len + 1 < size)
			n += (size_t)snprintf(ret + n, size - n, "%s%.*s", n ? "," : "", (int)len,
			                      displays);
	}
}

static bool has_control(const char *p, const char *end)
{
	while (p < end && !(*p && iscntrl((unsigned char)*p)))
		p++;
	return p < end;
}

/* Answers are lines and JSON, in which such a name cannot stand: everything would fail, and nobody
 * would know why. Clients send none; a module may know people by other bytes. */
static bool is_sayable(const char *name)
{
	size_t len = strlen(name);

	return utf8_valid((const uint8_t *)name, len) && !has_control(name, name + len);
}

static int refuse_name(struct guard *g)
{
	char user[RPC_NAME_MAX];

	log_escape(g->outcome->username, strlen(g->outcome->username), user, sizeof(user));
	log_message(LOG_ERR,
	            "x2go: user '%s' (%s) is refused: a name has to be UTF-8 and no control "
	            "characters; map-user= gives another",
	            user, g->outcome->module);
	broker_end(&g->broker);
	return guard_refuse(g, EXIT_AUTH, "authentication failed", "");
}

/* Who it is, for the program; its answer, for the worker. */
static int answer(struct guard *g, const struct rpc_broker *m)
{
	struct x2go_login login = {0};
	int r;

	if (!is_sayable(g->outcome->username))
		return refuse_name(g);
	snprintf(login.user, sizeof(login.user), "%s", g->outcome->username);
	if (g->outcome->row.has_sessions)
		copy_rows(g->outcome->row.displays, login.rows, sizeof(login.rows));
	if (g->wanted.task == X2GO_SETPASS)
		change_password(g, m, &login);
	r = broker_go(&g->broker, &login);
	explicit_bzero(&login, sizeof(login));
	if (r < 0)
		return fail(g, strerror(-r));
	log_request(g, g->outcome->module);
	return hand_over(g);
}

/* As the worker reads it: no line of a file or of a log can be made of it. */
static bool well_formed(const struct x2go_request *q)
{
	return !has_control(q->task_name, q->os + sizeof(q->os)) &&
	       q->frontend < X2GO_FRONTEND_MAX_ && q->task < X2GO_TASK_MAX_;
}

/* By way of sshd the client may be anywhere, and its user, who is all that can be seen, may say so:
 * a token is good for that user then, and no other's. */
static int start(struct guard *g, char *err)
{
	const struct peer *p = g->peer;
	const char *address = p->local_unix ? g->wanted.address : p->address;
	struct x2go_start s = {.request = g->wanted};
	struct netaddr_range range;
	int r;

	/* What it says gets into lists and lines: an address, or nothing. */
	if (!p->local_unix || (!strchr(address, '/') && netaddr_parse_range(address, &range) == 0 &&
	                       range.first.family != AF_UNIX))
		snprintf(s.address, sizeof(s.address), "%s", address);
	if (p->local_unix)
		snprintf(s.place, sizeof(s.place), "uid %u", p->uid);
	else
		snprintf(s.place, sizeof(s.place), "%s", p->address);
	r = broker_start(&g->broker, g->config, &s, err);
	explicit_bzero(&s.request, sizeof(s.request));
	return r;
}

static int begin(struct guard *g, const struct rpc_broker *m)
{
	struct rpc ask = {.type = RPC_BROKER};
	struct x2go_verdict v = {0};
	char err[RPC_TEXT_MAX];
	int r;

	if (g->broker_asked || !g->config->x2go_profiles[0] || m->go || !well_formed(&m->request))
		return -EPROTO;
	g->broker_asked = true;
	/* Whom nobody lets log in, no token does. */
	r = penalty_admit(g, false);
	if (r != 0)
		return r < 0 ? r : 0;
	g->wanted = m->request;
	snprintf(g->username, sizeof(g->username), "%s", m->request.user);
	snprintf(g->client, sizeof(g->client), "X2Go");
	if (start(g, err) < 0 || broker_verdict(&g->broker, &v, err) < 0)
		return fail(g, err);
	g->due &= ~(unsigned)(DUE_PEER | DUE_WEB);
	if (v.kind == X2GO_LOGIN)
		return guard_answer(g, &ask, -1);
	g->due &= ~(unsigned)DUE_LOGIN;
	if (v.kind != X2GO_GRANTED)
		return deny(g, v.reason);
	if (m->request.task == X2GO_SETPASS) /* a login is due, whatever the program says */
		return fail(g, "a password is not changed without a login");
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
	return g->due & DUE_BROKER ? go_on(g, &m->broker) : begin(g, &m->broker);
}
