/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty.c - which events count for which source, and what its clients are told.
 *
 * main() before the split, and the guard until the login is over; neither reads from the network.
 * The table is opened for each event, which takes microseconds: the worker must not inherit it, nor
 * the process that has become the session's user. Whatever is wrong with it is said once and then
 * does without: nobody is locked out by a full disk.
 *
 * System calls: those of auth/penalty-table.c; mkdir; send; poll.
 */
#include "auth/penalty.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>

#include "auth/penalty-table.h"
#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/runtime.h"

#define TOO_MANY "too many failed logins, try again later"
#define EXIT_LOGIN_TIMEOUT 3
#define EXIT_REFUSED 4

#define PAUSE_MSEC 30                 /* between two looks at whether it is our turn */
#define TURN_USEC (60 * USEC_PER_SEC) /* until it is */

static void warn(const char *path, const char *what)
{
	static bool warned; /* of this connection */

	if (!warned)
		log_message(LOG_WARNING, "penalties: %s: %s", path, what);
	warned = true;
}

/* Whoever may speak for others: its own address says nothing about its clients. */
static bool may_be_front(const struct config *c, const struct peer *peer)
{
	return (c->listen_proxy_protocol || c->listen_forwarded_for) &&
	       netaddr_listed(&c->listen_trusted_proxies, &peer->net);
}

/* Notes an event. False: this source is not counted, or there is no table. */
static bool note(const struct config *c, const struct peer *peer, enum penalty_event event,
                 struct penalty_key *key, struct penalty_answer *ret)
{
	const struct penalty_rules rules = {
		.failures = c->limits_max_failures,
		.window_usec = c->limits_failure_window_usec,
		.longest_usec = c->limits_penalty_max_usec,
	};
	char path[256];
	bool remade = false;
	int fd, r;

	*ret = (struct penalty_answer){.verdict = PENALTY_PASS};
	if (c->limits_max_failures == 0 || netaddr_listed(&c->limits_penalty_exempt, &peer->net) ||
	    !penalty_key_of(peer, key))
		return false;
	r = runtime_path(PENALTY_FILE, path, sizeof(path));
	if (r == -ENOENT) /* a user without a folder for such things */
		return false;
	fd = r < 0 ? r : penalty_table_open(path, event != PENALTY_LOOK, &remade);
	if (remade)
		warn(path, "was no table of penalties, or another version's: made anew");
	if (fd < 0) {
		if (fd != -ENOENT || event != PENALTY_LOOK)
			warn(path, fd == -EPERM
			                   ? "not a file of ours: failed logins are not counted"
			                   : strerror(-fd));
		return false;
	}
	r = penalty_table_apply(fd, key, event, &rules, ret);
	close(fd);
	if (r < 0)
		warn(path, strerror(-r));
	return r == 0;
}

static void log_refused(const struct peer *peer, const struct penalty_answer *a)
{
	const struct log_field fields[] = {{"XPROXY_PEER", peer->text}, {"XPROXY_END", "penalty"}};

	log_record(LOG_NOTICE, LOG_EVENT_REFUSED, fields, ARRAY_SIZE(fields),
	           "refused: user '' from %s: " TOO_MANY
	           " (refused for %llu s more; %u others without a line)",
	           peer->text, (unsigned long long)(a->left_usec / USEC_PER_SEC), a->unsaid);
	log_settle();
}

bool penalty_turns_away(const struct config *config, const struct peer *peer, int client_fd)
{
	static const char words[] = "disconnect: " TOO_MANY "\n"; /* as to all that is not known */
	struct penalty_answer a;
	struct penalty_key key;

	if (may_be_front(config, peer) || !note(config, peer, PENALTY_LOOK, &key, &a) ||
	    a.verdict != PENALTY_REFUSED)
		return false;
	if (a.say)
		log_refused(peer, &a);
	if (config->listen_transports & TRANSPORT_TCP && !config->listen_require_tls)
		(void)send(client_fd, words, strlen(words), MSG_NOSIGNAL | MSG_DONTWAIT);
	return true;
}

/* ---- in the guard ---- */

/* Notes an event of this connection's client, and the beginning of a penalty in the log. */
static bool note_client(struct guard *g, enum penalty_event event, struct penalty_answer *ret)
{
	char source[PENALTY_KEY_TEXT];
	struct penalty_key key;
	const struct log_field fields[] = {{"XPROXY_SOURCE", source},
	                                   {"XPROXY_PEER", g->peer->text},
	                                   {"XPROXY_FRONT", g->front}};
	/* What a front end has said counts, and if it said nothing it is itself the client. */
	bool known = g->peer == &g->behind ? g->front != NULL : !may_be_front(g->config, g->peer);

	if (!known || !note(g->config, g->peer, event, &key, ret))
		return false;
	if (ret->begins)
		log_record(LOG_NOTICE, LOG_EVENT_PENALTY, fields, ARRAY_SIZE(fields),
		           "penalty: %s is refused for %llu s: %s", penalty_key_print(&key, source),
		           (unsigned long long)((ret->left_usec + USEC_PER_SEC / 2) / USEC_PER_SEC),
		           event == PENALTY_CRASH ? "a process that read from it has died"
		                                  : "too many failed logins");
	return true;
}

static int deny(struct guard *g, const struct penalty_answer *a)
{
	struct rpc m = {
		.type = RPC_STEP,
		.step = {.kind = STEP_DENIED, .exit_code = EXIT_REFUSED, .reason = TOO_MANY}};

	g->due = DUE_ALWAYS;
	g->silent = a->verdict == PENALTY_REFUSED && !a->say;
	snprintf(g->denied, sizeof(g->denied), "%s", TOO_MANY);
	snprintf(g->outcome->failure, sizeof(g->outcome->failure),
	         "refused for %llu s more; %u others without a line",
	         (unsigned long long)(a->left_usec / USEC_PER_SEC), a->unsaid);
	return guard_answer(g, &m, -1) < 0 ? -EPIPE : 1;
}

int penalty_admit(struct guard *g, bool ask)
{
	uint64_t until = now_usec() + TURN_USEC;
	struct pollfd pfd = {.fd = g->worker_fd, .events = POLLIN};
	struct penalty_answer a;
	struct rpc m;
	int r;

	if (g->asked) /* since an earlier answer */
		return 0;
	for (;;) {
		if (!note_client(g, ask ? PENALTY_ASK : PENALTY_LOOK, &a))
			return 0;
		if (a.verdict != PENALTY_WAIT || now_usec() >= until)
			break;
		if (poll(&pfd, 1, PAUSE_MSEC) <= 0)
			continue;
		r = rpc_receive(g->worker_fd, &m, NULL);
		if (r == 0)
			r = guard_heed(g, &m); /* a remark, or the end */
		rpc_wipe(&m);
		if (r < 0)
			return r;
	}
	if (a.verdict != PENALTY_PASS)
		return deny(g, &a);
	g->asked = ask;
	return 0;
}

void penalty_settle(struct guard *g, const struct rpc_step *step)
{
	/* A module that could not tell is nobody's failed login. */
	bool wrong = step->kind == STEP_DENIED &&
	             (g->outcome->wrong || strcmp(step->reason, "authentication failed") == 0);
	struct penalty_answer a;

	g->accepted = step->kind == STEP_ACCEPTED;
	/* A module has said no, and an alternative to it is going to be asked: who leaves now has
	 * failed. */
	if (!g->asked || (g->outcome->wrong && step->kind != STEP_DENIED && !g->accepted))
		return;
	(void)note_client(g, wrong ? PENALTY_WRONG : PENALTY_RIGHT, &a);
	g->asked = false;
}

void penalty_finish(struct guard *g, bool crashed)
{
	struct penalty_answer a;

	if (g->asked) /* who does not wait for the answer has failed: once, also if time was up */
		(void)note_client(g, PENALTY_WRONG, &a);
	else if (!crashed && g->end.exit_code == EXIT_LOGIN_TIMEOUT && !g->accepted)
		(void)note_client(g, PENALTY_TIMEOUT, &a);
	if (crashed)
		(void)note_client(g, PENALTY_CRASH, &a);
	g->asked = false;
}
