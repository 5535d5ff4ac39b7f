/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/guard.c - the guard: a table of few requests, each enabled only when it is due.
 *
 * This file is paranoid on purpose: it runs as root (when the service does), it knows the
 * passwords, and the process that asks must be taken for an attacker's. So: messages of one size,
 * checked by base/rpc.c; requests that are not due end the connection; every answer is made of what
 * this process knows, never of what it was told.
 *
 * Order: START -> (PEER | WEB)* -> LOGIN -> (RESPONSE)* -> SESSION -> (REDIAL | ANSWER)* -> RELAY
 * -> guard_attend() as the user.
 */
#include "auth/guard.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "auth/chain.h"
#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "session/asuser.h"
#include "session/choose.h"
#include "session/memory.h"

#define FAILURE_DELAY_USEC (1 * USEC_PER_SEC) /* before a denial goes out, as xpra */
#define LOG_BURST 64                          /* remarks taken from one worker */
#define DIALS_MAX 4

static struct guard guard; /* in .bss: one connection, one guard */

static void warn_record(const char *text)
{
	log_message(LOG_WARNING, "user '%s': %s", guard.username, text);
}

static void warn_module(const struct auth_attempt *a, const char *text)
{
	(void)a;
	log_message(LOG_WARNING, "%s", text);
}

static int answer(struct guard *g, const struct rpc *m, int fd)
{
	return rpc_send(g->worker_fd, m, fd);
}

static int refuse(struct guard *g, int exit_code, const char *reason, const char *text)
{
	struct rpc m = {.type = RPC_REFUSED, .refused.exit_code = (uint32_t)exit_code};

	snprintf(m.refused.reason, sizeof(m.refused.reason), "%s", reason);
	snprintf(m.refused.text, sizeof(m.refused.text), "%s", text);
	return answer(g, &m, -1);
}

/* Denials take the same second whatever the cause; a worker that leaves ends the wait. */
static void delay_failure(struct guard *g)
{
	uint64_t until = now_usec() + FAILURE_DELAY_USEC;
	struct pollfd pfd = {.fd = g->worker_fd, .events = POLLIN};

	while (now_usec() < until)
		if (poll(&pfd, 1, poll_timeout_msec(until)) > 0)
			return;
}

static int take_step(struct guard *g, const struct rpc_step *step)
{
	struct rpc m = {.type = RPC_STEP, .step = *step};
	int r;

	g->due &= ~(unsigned)(DUE_FIRST | DUE_RESPONSE);
	if (step->kind == STEP_CHALLENGE)
		g->due |= DUE_RESPONSE;
	else if (step->kind == STEP_ACCEPTED)
		g->due |= DUE_SESSION;
	if (step->kind == STEP_DENIED) {
		snprintf(g->denied, sizeof(g->denied), "%s", step->reason);
		delay_failure(g);
	}
	r = answer(g, &m, -1);
	rpc_wipe(&m);
	return r;
}

static int serve_peer(struct guard *g, struct rpc *m)
{
	g->due &= ~(unsigned)DUE_PEER;
	g->due |= DUE_LOGIN | web_due(g->config);
	return front_introduce(g, &m->peer);
}

static int serve_login(struct guard *g, struct rpc *m)
{
	const struct passwd *pw;
	struct rpc_step step;

	snprintf(g->client, sizeof(g->client), "%s", m->login.client);
	snprintf(g->username, sizeof(g->username), "%s", m->login.username);
	if (g->username[0] == '\0' && (pw = getpwuid(geteuid())) != NULL) {
		snprintf(g->username, sizeof(g->username), "%s", pw->pw_name);
		snprintf(m->login.username, sizeof(m->login.username), "%s", pw->pw_name);
	}
	log_notify("STATUS=logging in"); /* the unit's description says from where */
	if (g->config_error[0]) {
		step = (struct rpc_step){.kind = STEP_DENIED, .exit_code = 2};
		snprintf(step.reason, sizeof(step.reason), "authentication error");
		snprintf(step.text, sizeof(step.text), "cannot access sessions");
		snprintf(g->chain.failure, sizeof(g->chain.failure), "%.*s", AUTH_ERROR_MAX - 1,
		         g->config_error);
	} else {
		chain_begin(&g->chain, &m->login, &step);
	}
	return take_step(g, &step);
}

static int serve_response(struct guard *g, struct rpc *m)
{
	struct rpc_step step;

	chain_respond(&g->chain, &m->response, &step);
	return take_step(g, &step);
}

/* Who the user is on this machine and what is theirs. 0, or the refusal has been sent: 1, or
 * negative. */
static int make_record(struct guard *g)
{
	const struct auth_row *row = &g->chain.row;
	bool listed = row->has_sessions && g->config->sessions_registry == REGISTRY_AUTH;
	const char *uid = row->has_sessions && row->uid[0] == '\0'
	                          ? g->config->sessions_default_user
	                          : row->uid;
	char err[RPC_TEXT_MAX];
	int r;

	/* A name the machine does not know has no sockets to scan. */
	r = !listed && geteuid() == 0 && row->uid[0] == '\0' && !getpwnam(g->username) ? -ENOENT
	                                                                               : 0;
	snprintf(err, sizeof(err), "there is no such user on this machine");
	if (r == 0)
		r = identity_resolve(g->config, g->username, uid, row->gid, &g->record.identity,
		                     err);
	if (r < 0) {
		log_message(LOG_WARNING, "user '%s': %s", g->username, err);
		r = refuse(g, r == -EPERM ? 4 : 6, "authentication error",
		           r == -EPERM ? "cannot run proxy instances as root"
		                       : "cannot access sessions");
		return r < 0 ? r : 1;
	}
	if (listed)
		record_set_sessions(&g->record, row->displays, warn_record);
	record_set_options(&g->record, row->session_options, warn_record);
	record_set_env(&g->record, row->env_options, warn_record);
	if (!g->record.listed)
		g->record.count =
			asuser_sessions(g->config, &g->record.identity, g->record.sessions,
		                        RECORD_SESSIONS_MAX, &g->only);
	return 0;
}

/* The chosen session, connected: by the scan already, as its first look, or now. */
static int dial(struct guard *g, struct asuser_target *target)
{
	int fd = take_fd(&g->only.fd);

	if (fd >= 0) {
		memcpy(target->path, g->only.path, sizeof(target->path));
		return fd;
	}
	fd = asuser_connect(g->config, &g->record.identity, &g->session, g->worker_fd, target);
	if (fd < 0)
		asuser_reap(target);
	return fd;
}

/* Connects the chosen session (unless it is only being asked for) and answers. */
static int send_upstream(struct guard *g, bool connect)
{
	static const char *const modes[] = {
		[URI_DISPLAY] = "socket", [URI_SOCKET] = "socket", [URI_TCP] = "tcp"};
	struct rpc m = {.type = RPC_UPSTREAM};
	struct asuser_target target = {0};
	_cleanup_close_ int fd = -1;
	int r;

	if (connect) {
		if (++g->dials > DIALS_MAX)
			return -EPROTO;
		fd = dial(g, &target);
		if (fd == -ECANCELED)
			return -EPIPE;
		if (fd < 0) {
			log_message(LOG_WARNING, "user '%s': %s", g->username, target.err);
			return refuse(g, 7, "session not found error",
			              "failed to connect to display");
		}
	}
	uri_print(&g->session, m.upstream.uri, sizeof(m.upstream.uri));
	snprintf(m.upstream.display, sizeof(m.upstream.display), "%s",
	         g->session.scheme == URI_DISPLAY ? g->session.display : m.upstream.uri);
	snprintf(m.upstream.username, sizeof(m.upstream.username), "%s", g->session.username);
	if (g->session.scheme == URI_TCP)
		snprintf(m.upstream.remote_display, sizeof(m.upstream.remote_display), "%s",
		         g->session.display);
	snprintf(m.upstream.socket_path, sizeof(m.upstream.socket_path), "%s", target.path);
	snprintf(m.upstream.mode, sizeof(m.upstream.mode), "%s", modes[g->session.scheme]);
	m.upstream.has_password = g->session.has_password || g->record.options.has_password;
	m.upstream.encoder = memory_recall(g->record.identity.uid, m.upstream.uri);
	m.upstream.compression_level = g->record.options.compression_level;
	m.upstream.lz4 = g->record.options.lz4;
	m.upstream.rencodeplus = g->record.options.rencodeplus;
	r = answer(g, &m, fd);
	asuser_reap(&target);
	if (r == 0 && connect)
		g->due |= DUE_CONNECTED;
	return r;
}

static int serve_session(struct guard *g, struct rpc *m)
{
	struct rpc_refused refused = {.exit_code = 6};
	size_t chosen;
	int r;

	g->due &= ~(unsigned)DUE_SESSION;
	r = make_record(g);
	if (r != 0)
		return r < 0 ? r : 0;
	r = choose_session(g->record.sessions, g->record.count, &m->session, &chosen, &refused);
	if (r < 0)
		return refuse(g, 6, refused.reason, refused.text);
	g->session = g->record.sessions[chosen];
	uri_print(&g->session, g->upstream, sizeof(g->upstream));
	return send_upstream(g, m->session.connect);
}

static int serve_redial(struct guard *g, struct rpc *m)
{
	(void)m;
	return send_upstream(g, true);
}

/* The session's server wants a password and we have one: the worker never sees it. */
static int serve_answer(struct guard *g, struct rpc *m)
{
	const char *password =
		g->session.has_password ? g->session.password : g->record.options.password;
	struct rpc reply = {.type = RPC_ANSWERED};
	uint8_t salt[DIGEST_SALT_MAX];
	size_t salt_len, len;
	int r = -EINVAL;

	if (!g->session.has_password && !g->record.options.has_password)
		return -EPROTO;
	if (m->answer.salt_digest == DIGEST_NONE || m->answer.salt_digest >= DIGEST_XOR)
		return refuse(g, 7, "authentication error", "server uses legacy salt digest");
	/* xor would hand the password to whoever is there; a unix socket of the user's is safe
	 * enough. */
	if (m->answer.digest == DIGEST_NONE || m->answer.digest > DIGEST_XOR ||
	    (m->answer.digest == DIGEST_XOR && g->session.scheme == URI_TCP))
		return refuse(g, 7, "authentication error",
		              "server requested a digest that is not supported");
	reply.response.client_salt.len = 32;
	if (getrandom(reply.response.client_salt.data, 32, 0) == 32)
		r = digest_combine_salts(m->answer.salt_digest, m->answer.server_salt.data,
		                         m->answer.server_salt.len, reply.response.client_salt.data,
		                         32, salt, &salt_len);
	if (r == 0)
		r = digest_response(m->answer.digest, password, strlen(password), salt, salt_len,
		                    reply.response.response.data, &len);
	if (r < 0)
		return refuse(g, 7, "authentication error",
		              "the server's challenge cannot be answered");
	reply.response.response.len = (uint32_t)len;
	r = answer(g, &reply, -1);
	rpc_wipe(&reply);
	explicit_bzero(salt, sizeof(salt));
	return r;
}

static int serve_relay(struct guard *g, struct rpc *m)
{
	snprintf(g->server, sizeof(g->server), "%s", m->relay.server);
	g->transport = m->relay.transport;
	snprintf(g->protocol, sizeof(g->protocol), "%s", m->relay.protocol);
	g->relaying = true;
	g->due = DUE_ALWAYS;
	memory_store(g->record.identity.uid, g->upstream, m->relay.encoder);
	return 0;
}

static int serve_log(struct guard *g, struct rpc *m)
{
	int priority = m->log.priority < LOG_ERR || m->log.priority > LOG_DEBUG ? LOG_NOTICE
	                                                                        : m->log.priority;

	if (g->remarks++ < LOG_BURST)
		log_message(priority, "%s", m->log.text);
	return 0;
}

static int serve_end(struct guard *g, struct rpc *m)
{
	g->end = m->end;
	g->ended = true;
	return -EPIPE;
}

static const struct request {
	enum rpc_type type;
	unsigned due; /* any of these */
	int (*serve)(struct guard *g, struct rpc *m);
} requests[] = {
	{RPC_PEER, DUE_PEER, serve_peer},          {RPC_WEB, DUE_WEB, web_serve},
	{RPC_LOGIN, DUE_LOGIN, serve_login},       {RPC_RESPONSE, DUE_RESPONSE, serve_response},
	{RPC_SESSION, DUE_SESSION, serve_session}, {RPC_REDIAL, DUE_CONNECTED, serve_redial},
	{RPC_ANSWER, DUE_CONNECTED, serve_answer}, {RPC_RELAY, DUE_CONNECTED, serve_relay},
	{RPC_LOG, DUE_ALWAYS, serve_log},          {RPC_END, DUE_ALWAYS, serve_end},
};

int guard_serve(struct guard *g)
{
	struct rpc m;
	int r = rpc_receive(g->worker_fd, &m, NULL);

	if (r == 0) {
		r = -EPROTO;
		for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
			if (requests[i].type == m.type && requests[i].due & g->due)
				r = requests[i].serve(g, &m);
	}
	rpc_wipe(&m);
	if (r == -EPROTO || r == -EBADMSG)
		log_record(LOG_CRIT, LOG_EVENT_VIOLATION, NULL, 0,
		           "the worker for %s sent a request that is not due or malformed: ended",
		           g->peer->text);
	return r;
}

/* SIGTERM and the like: the worker is told, it tells both peers, and its end is ours. */
static void on_signal(int sig)
{
	static const char *const names[] = {
		[SIGHUP] = "SIGHUP", [SIGINT] = "SIGINT", [SIGTERM] = "SIGTERM"};
	struct rpc m = {.type = RPC_STOP};
	int saved = errno;

	memcpy(m.stop.reason, "server shutdown", sizeof("server shutdown"));
	memcpy(m.stop.text, names[sig], strlen(names[sig]));
	(void)rpc_send(guard.worker_fd, &m, -1);
	errno = saved;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i], &sa, NULL);
}

int guard_check(const struct config *config)
{
	char err[RPC_TEXT_MAX];

	if (chain_open(&guard.chain, config, err) < 0) {
		fprintf(stderr, "xproxy-conn: %s\n", err);
		return 2;
	}
	puts("configuration: ok");
	return 0;
}

/* What must come first; nothing may from a front end that is not trusted. */
static unsigned first_due(const struct config *config, const struct peer *peer)
{
	bool trusted = netaddr_listed(&config->listen_trusted_proxies, &peer->net);

	if (config->listen_proxy_protocol)
		return trusted ? DUE_PEER : 0;
	return DUE_LOGIN | web_due(config) |
	       (config->listen_forwarded_for && trusted ? DUE_PEER : 0);
}

int guard_run(const struct config *config, const struct peer *peer, struct stats *stats,
              int worker_fd, pid_t worker)
{
	struct guard *g = &guard;
	struct rpc last;
	int r = 0;

	g->config = config;
	g->peer = peer;
	g->stats = stats;
	g->worker_fd = worker_fd;
	g->worker = worker;
	g->only.fd = -1;
	g->due = first_due(config, peer) | DUE_ALWAYS;
	g->since_usec = now_usec();
	g->since_wall_usec = wall_usec();
	g->chain.warn = warn_module;
	stats_seal(stats);
	catch_signals();
	/* While the worker locks itself up, nobody waits for us: the system's user database is
	 * loaded now. */
	(void)identity_resolve(config, "", "", "", &g->record.identity, g->config_error);
	g->config_error[0] = '\0';
	if (chain_open(&g->chain, config, g->config_error) < 0)
		log_record(LOG_ERR, LOG_EVENT_CONFIG, NULL, 0, "%s", g->config_error);
	while (r >= 0 && !g->relaying && !g->handed_over)
		r = guard_serve(g);
	if (g->handed_over)
		r = web_attend(g);
	/* A worker that is gone has left its last word behind, perhaps while we were busy. */
	while (r == -EPIPE && !g->ended && rpc_receive(worker_fd, &last, NULL) == 0)
		if (last.type == RPC_END)
			(void)serve_end(g, &last);
	if (g->relaying)
		guard_attend(g);
	return guard_finish(g);
}
