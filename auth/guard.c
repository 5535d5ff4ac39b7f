/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/guard.c - the guard: a table of few requests, each enabled only when it is due.
 *
 * This file is paranoid on purpose: it runs as root (when the service does), it knows the
 * passwords, and the process that asks must be taken for an attacker's. So: messages of one size,
 * checked by base/rpc.c; requests that are not due end the connection; every answer is made of what
 * this process knows, never of what it was told.
 *
 * Order: START -> (PEER | WEB)* -> LOGIN -> (RESPONSE | FACT)* -> SESSION -> (REDIAL | ANSWER |
 * ENCODER)* -> RELAY
 * -> guard_attend() as the user. Or, instead of SESSION and all that follows, (LIST)*; or BROKER,
 * if one has come before the LOGIN.
 */
#include "auth/guard.h"

#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "auth/chain.h"
#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "session/memory.h"

#define FAILURE_DELAY_USEC (1 * USEC_PER_SEC) /* before a denial goes out, as xpra */
#define LOG_BURST 64                          /* remarks taken from one worker */

static struct guard guard; /* in .bss: one connection, one guard */

static void warn_module(const struct auth_attempt *a, const char *text)
{
	(void)a;
	log_message(LOG_WARNING, "%s", text);
}

int guard_answer(struct guard *g, const struct rpc *m, int fd)
{
	return rpc_send(g->worker_fd, m, fd);
}

int guard_refuse(struct guard *g, int exit_code, const char *reason, const char *text)
{
	struct rpc m = {.type = RPC_REFUSED, .refused.exit_code = (uint32_t)exit_code};

	snprintf(m.refused.reason, sizeof(m.refused.reason), "%s", reason);
	snprintf(m.refused.text, sizeof(m.refused.text), "%s", text);
	return guard_answer(g, &m, -1);
}

void guard_delay_failure(struct guard *g, uint64_t since_usec)
{
	uint64_t until = since_usec + FAILURE_DELAY_USEC;
	struct pollfd pfd = {.fd = g->worker_fd, .events = POLLIN};

	while (until < now_usec())
		until += FAILURE_DELAY_USEC;
	while (now_usec() < until)
		if (poll(&pfd, 1, poll_timeout_msec(until)) > 0)
			return;
}

/* Whether a module may be asked by this request. What only wants a password is not, at first. */
static bool asks(const struct guard *g, const struct rpc *request)
{
	unsigned flags = g->chain.instances[0].flags;

	return request->type != RPC_LOGIN || g->waits || flags & AUTH_OWN ||
	       !(flags & AUTH_CHALLENGE);
}

/* A module, or the configuration, has said who it is, and that is somebody else. */
static void log_other_name(const struct guard *g)
{
	const struct log_field fields[] = {{"XPROXY_USER", g->outcome->username},
	                                   {"XPROXY_CLAIMED", g->username},
	                                   {"XPROXY_PEER", g->peer->text},
	                                   {"XPROXY_MODULE", g->outcome->module}};
	char claimed[RPC_NAME_MAX], user[RPC_NAME_MAX];

	if (strcmp(g->username, g->outcome->username) == 0)
		return;
	log_escape(g->username, strlen(g->username), claimed, sizeof(claimed));
	log_escape(g->outcome->username, strlen(g->outcome->username), user, sizeof(user));
	log_record(LOG_INFO, LOG_EVENT_NONE, fields, ARRAY_SIZE(fields),
	           "user '%s' from %s logs in as '%s' (%s)", claimed, g->peer->text, user,
	           g->outcome->module);
}

/* LOGIN, and what the client has to say after that. */
static int next_step(struct guard *g, const struct rpc *request)
{
	struct rpc m = {.type = RPC_STEP};
	uint64_t since = now_usec();
	int r = 0;

	if (g->config_error[0]) {
		m.step = (struct rpc_step){.kind = STEP_DENIED, .exit_code = 2};
		snprintf(m.step.reason, sizeof(m.step.reason), "authentication error");
		snprintf(m.step.text, sizeof(m.step.text), "cannot access sessions");
		snprintf(g->outcome->failure, sizeof(g->outcome->failure), "%.*s",
		         AUTH_ERROR_MAX - 1, g->config_error);
	} else {
		r = penalty_admit(g, asks(g, request));
		if (r != 0)
			return r < 0 ? r : 0;
		if (g->waits)
			r = checker_step(g, request, &m.step);
		else
			chain_step(&g->chain, request, &m.step);
	}
	if (r < 0)
		return r;
	penalty_settle(g, &m.step);
	g->due &= ~(unsigned)(DUE_FIRST | DUE_RESPONSE | DUE_FACT);
	if (m.step.kind == STEP_CHALLENGE)
		g->due |= DUE_RESPONSE;
	if (m.step.kind == STEP_FACT)
		g->due |= DUE_FACT;
	if (m.step.kind == STEP_ACCEPTED) {
		g->due |= g->broker_asked ? DUE_BROKER : DUE_SESSION;
		log_other_name(g);
		snprintf(g->username, sizeof(g->username), "%s", g->outcome->username);
	}
	if (m.step.kind == STEP_DENIED) {
		snprintf(g->denied, sizeof(g->denied), "%s", m.step.reason);
		guard_delay_failure(g, since);
	}
	r = guard_answer(g, &m, -1);
	if (r == 0 && g->due & DUE_SESSION)
		sessions_begin(g); /* while the worker makes up its mind */
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

	snprintf(g->client, sizeof(g->client), "%s", m->login.client);
	snprintf(g->username, sizeof(g->username), "%s", m->login.username);
	/* Clients of 6.x send their own machine's name for the user if the URL has none. */
	if (((g->username[0] == '\0' && !g->broker_asked) || g->config->behind_sshd) &&
	    (pw = getpwuid(geteuid())) != NULL) {
		snprintf(g->username, sizeof(g->username), "%s", pw->pw_name);
		snprintf(m->login.username, sizeof(m->login.username), "%s", pw->pw_name);
	}
	log_notify("STATUS=logging in"); /* the unit's description says from where */
	g->chain.peer = g->peer;
	return next_step(g, m);
}

static int serve_response(struct guard *g, struct rpc *m)
{
	return next_step(g, m);
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

int guard_heed(struct guard *g, struct rpc *m)
{
	if (m->type == RPC_LOG)
		return serve_log(g, m);
	return m->type == RPC_END ? serve_end(g, m) : -EPROTO;
}

static const struct request {
	enum rpc_type type;
	unsigned due; /* any of these */
	int (*serve)(struct guard *g, struct rpc *m);
} requests[] = {
	{RPC_PEER, DUE_PEER, serve_peer},
	{RPC_WEB, DUE_WEB, web_serve},
	{RPC_LOGIN, DUE_LOGIN, serve_login},
	{RPC_RESPONSE, DUE_RESPONSE, serve_response},
	{RPC_FACT, DUE_FACT, serve_response},
	{RPC_SESSION, DUE_SESSION, sessions_serve_session},
	{RPC_REDIAL, DUE_CONNECTED, sessions_serve_redial},
	{RPC_ANSWER, DUE_CONNECTED, sessions_serve_answer},
	{RPC_ENCODER, DUE_ENCODER, sessions_serve_encoder},
	{RPC_RELAY, DUE_CONNECTED, serve_relay},
	{RPC_LIST, DUE_SESSION | DUE_LIST, list_serve},
	{RPC_BROKER, DUE_LOGIN | DUE_BROKER, broker_serve},
	{RPC_LOG, DUE_ALWAYS, serve_log},
	{RPC_END, DUE_ALWAYS, serve_end},
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
	for (size_t i = 0; i < guard.chain.count; i++)
		if (guard.chain.instances[i].module == &auth_ratelimit)
			puts("module ratelimit: does nothing here and can be left out: [Limits] "
			     "says how those who fail to log in are slowed down");
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

/* A worker that is gone has left its last word behind, perhaps while we were busy. Not inlined: a
 * message on the stack would stay there for as long as the session runs. */
__attribute__((noinline)) static void hear_last_word(struct guard *g)
{
	struct rpc last;

	while (!g->ended && rpc_receive(g->worker_fd, &last, NULL) == 0)
		if (last.type == RPC_END)
			(void)serve_end(g, &last);
}

int guard_run(const struct config *config, const struct peer *peer, struct stats *stats,
              int worker_fd, int frames_fd, pid_t worker)
{
	struct guard *g = &guard;
	int r = 0;

	g->config = config;
	g->peer = peer;
	g->stats = stats;
	g->worker_fd = worker_fd;
	g->worker = worker;
	g->frames_fd = frames_fd;
	g->scan.fd = g->only.fd = g->carrier.fd = g->encoder.fd = -1;
	g->broker.fd = g->broker.answer_fd = -1;
	g->due = first_due(config, peer) | DUE_ALWAYS;
	g->since_usec = now_usec();
	g->since_wall_usec = wall_usec();
	g->checker.fd = -1;
	g->outcome = mmap(NULL, sizeof(*g->outcome), PROT_READ | PROT_WRITE,
	                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (g->outcome == MAP_FAILED)
		return log_message(LOG_ERR, "out of memory"), 1;
	g->waits = chain_waits(config);
	g->chain.warn = warn_module;
	g->chain.peer = peer;
	g->chain.outcome = g->outcome;
	stats_seal(stats);
	catch_signals();
	/* While the worker locks itself up, nobody waits for us: the system's user database is
	 * loaded now. */
	(void)identity_resolve(config, "", "", "", &g->record.identity, g->config_error);
	g->config_error[0] = '\0';
	if (!g->waits && chain_open(&g->chain, config, g->config_error) < 0)
		log_record(LOG_ERR, LOG_EVENT_CONFIG, NULL, 0, "%s", g->config_error);
	while (r >= 0 && !g->relaying && !g->handed_over)
		r = guard_serve(g);
	if (g->handed_over)
		r = web_attend(g);
	if (r == -EPIPE)
		hear_last_word(g);
	checker_end(&g->checker);
	if (g->relaying)
		guard_attend(g);
	return guard_finish(g);
}
