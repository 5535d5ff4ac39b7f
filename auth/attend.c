/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/attend.c - the guard after the login: the session's user, with nothing left but the control
 * socket.
 *
 * System calls: base/syscalls.h, SYSCALLS_GUARD.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "auth/state.h"
#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "base/wipe.h"
#include "session/asuser.h"
#include "session/control.h"
#include "session/encoder.h"

struct keeper { /* the child that will unlink the control socket */
	int fd;
	pid_t pid;
};

static const char *transport(const struct guard *g)
{
	if (g->config->behind_sshd)
		return "ssh";
	if (g->transport & TRANSPORT_WEBSOCKET)
		return g->transport & TRANSPORT_TLS ? "wss" : "ws";
	if (g->transport & TRANSPORT_TLS)
		return "tls";
	return g->peer->net.family == AF_UNIX    ? "unix"
	       : g->peer->net.family == AF_VSOCK ? "vsock"
	                                         : "tcp";
}

static void log_login(struct guard *g)
{
	const struct log_field fields[] = {
		{"XPROXY_USER", g->username},     {"XPROXY_PEER", g->peer->text},
		{"XPROXY_FRONT", g->front},       {"XPROXY_MODULE", g->module},
		{"XPROXY_UPSTREAM", g->upstream},
	};
	char user[RPC_NAME_MAX], upstream[RPC_TEXT_MAX], protocol[RPC_NAME_MAX],
		status[RPC_TEXT_MAX + RPC_NAME_MAX * 2 + 64];

	log_escape(g->username, strlen(g->username), user, sizeof(user));
	log_escape(g->upstream, strlen(g->upstream), upstream, sizeof(upstream));
	log_record(LOG_INFO, LOG_EVENT_LOGIN, fields, ARRAY_SIZE(fields),
	           "login: user '%s' from %s to %s (%s)", user, g->peer->text, upstream, g->module);
	log_escape(g->protocol, strlen(g->protocol), protocol, sizeof(protocol));
	snprintf(status, sizeof(status), "READY=1\nSTATUS=%s → %s (%s, %s)", user, upstream,
	         transport(g), protocol);
	log_notify(status);
}

/* The systemd unit this process is in, as its control group says: the last part of the path. "":
 * none. */
static const char *unit_name(char *buf, size_t size)
{
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[512];

	buf[0] = '\0';
	while (f && fgets(line, sizeof(line), f)) {
		const char *name = strrchr(line, '/');
		size_t len = name ? strcspn(++name, "\n") : 0;

		if ((strstr(line, ":name=systemd:") || strncmp(line, "0::", 3) == 0) && len > 8 &&
		    memcmp(name + len - 8, ".service", 8) == 0)
			snprintf(buf, size, "%.*s", (int)len, name);
	}
	if (f)
		fclose(f);
	return buf;
}

static struct control *open_control(struct guard *g, struct control_facts *facts,
                                    struct keeper *keeper)
{
	char path[LOCATE_PATH_MAX], err[RPC_TEXT_MAX];
	int fd = asuser_control_socket(g->config, &g->record.identity, getpid(), path, &keeper->fd,
	                               &keeper->pid, err);

	*facts = (struct control_facts){
		.stats = g->stats,
		.since_wall_usec = g->since_wall_usec,
		.guard_pid = getpid(),
		.worker_pid = g->worker,
		.user = g->username,
		.peer = g->peer->text,
		.client = g->client,
		.transport = transport(g),
		.upstream = g->upstream,
		.display = g->session.scheme == URI_DISPLAY ? g->session.display : g->upstream,
		.module = g->module,
		.server = g->server,
		.unit = unit_name(g->unit, sizeof(g->unit)),
	};
	if (fd < 0) {
		/* Never the end of the connection: it only cannot be listed. */
		log_message(LOG_WARNING,
		            "no control socket for user '%s', xproxyctl will not show it: %s",
		            g->username, err);
		return NULL;
	}
	return control_new(fd, facts);
}

/* Passwords are not needed any more, here or in the child that is about to be forked. */
static void forget_secrets(struct guard *g)
{
	chain_close(&g->chain);
	wipe_pages(&g->chain, sizeof(g->chain));
	config_forget_secrets(g->config);
	explicit_bzero(&g->outcome->row, sizeof(g->outcome->row));   /* of URIs with passwords */
	(void)madvise(g->outcome, sizeof(*g->outcome), MADV_REMOVE); /* shared: DONTNEED keeps it */
	explicit_bzero(g->session.password, sizeof(g->session.password));
	explicit_bzero(g->session.query, sizeof(g->session.query));
	explicit_bzero(g->record.sessions, g->record.count * sizeof(g->record.sessions[0]));
	session_options_clear(&g->record.options);
	wipe_stack();
}

static int become_user(struct guard *g)
{
	int r;

	for (const char *e = g->record.env; *e; e += strlen(e) + 1)
		if (putenv((char *)(uintptr_t)e) != 0)
			return -ENOMEM;
	r = asuser_drop(&g->record.identity);
	if (r < 0)
		return r;
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	wipe_stack();
	return sandbox_lock(SANDBOX_GUARD);
}

static void ask_to_stop(struct guard *g, const struct rpc_stop *stop)
{
	struct rpc m = {.type = RPC_STOP, .stop = *stop};

	(void)rpc_send(g->worker_fd, &m, -1);
}

static void attend(struct guard *g, struct control *control)
{
	for (;;) {
		struct pollfd fds[3 + 1 + CONTROL_CLIENTS_MAX] = {
			{.fd = g->worker_fd, .events = POLLIN},
			{.fd = g->carrier.fd, .events = POLLIN},
			{.fd = g->encoder.fd, .events = POLLIN}};
		uint64_t deadline = USEC_INFINITY;
		struct rpc_stop why;
		size_t n = control ? control_poll(control, fds + 3, &deadline) : 0;

		if (poll(fds, 3 + n, poll_timeout_msec(deadline)) < 0 && errno != EINTR)
			return;
		if (fds[0].revents && guard_serve(g) < 0)
			return;
		if (fds[1].revents)
			carrier_read(&g->carrier);
		if (fds[2].revents)
			encoder_read(&g->encoder);
		if (control && control_serve(control, fds + 3, n, &why) > 0)
			ask_to_stop(g, &why);
	}
}

void guard_attend(struct guard *g)
{
	struct keeper keeper = {.fd = -1, .pid = -1};
	struct control_facts facts;
	struct control *control;
	int r;

	snprintf(g->module, sizeof(g->module), "%s", g->outcome->module);
	forget_secrets(g);
	control = open_control(g, &facts, &keeper);
	log_login(g);
	r = become_user(g);
	if (r < 0) {
		log_message(LOG_ERR, "cannot become user '%s': %s", g->username, strerror(-r));
		close(g->worker_fd); /* the worker then ends the connection */
		g->worker_fd = -1;
	} else {
		attend(g, control);
	}
	/* control goes with the process: the filter has no munmap. */
	if (keeper.fd >= 0)
		close(keeper.fd); /* the child unlinks the socket and exits */
	if (keeper.pid > 0)
		(void)waitpid(keeper.pid, NULL, 0);
}

static void describe_death(struct guard *g, int status)
{
	g->end.exit_code = 1;
	snprintf(g->end.how, sizeof(g->end.how), "violation");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		snprintf(g->end.reason, sizeof(g->end.reason),
		         "the worker was killed by its sandbox (SIGSYS): a bug or an attack, "
		         "please report it");
	else if (WIFSIGNALED(status))
		snprintf(g->end.reason, sizeof(g->end.reason),
		         "the worker was killed by signal %d (%s)", WTERMSIG(status),
		         strsignal(WTERMSIG(status)));
	else
		snprintf(g->end.reason, sizeof(g->end.reason), "the worker exited without a word");
	log_record(LOG_CRIT, LOG_EVENT_VIOLATION, NULL, 0, "%s: %s", g->peer->text, g->end.reason);
}

static void log_end(struct guard *g, const char *user, const char *reason)
{
	char in[24], out[24], duration[24];
	const struct log_field fields[] = {
		{"XPROXY_USER", g->username},     {"XPROXY_PEER", g->peer->text},
		{"XPROXY_FRONT", g->front},       {"XPROXY_MODULE", g->module},
		{"XPROXY_UPSTREAM", g->upstream}, {"XPROXY_BYTES_IN", in},
		{"XPROXY_BYTES_OUT", out},        {"XPROXY_DURATION_USEC", duration},
		{"XPROXY_END", g->end.how},
	};
	uint64_t usec = now_usec() - g->since_usec;

	snprintf(in, sizeof(in), "%llu", (unsigned long long)g->stats->from_client.bytes);
	snprintf(out, sizeof(out), "%llu", (unsigned long long)g->stats->from_server.bytes);
	snprintf(duration, sizeof(duration), "%llu", (unsigned long long)usec);
	log_record(LOG_INFO, LOG_EVENT_END, fields, ARRAY_SIZE(fields),
	           "end: user '%s' from %s after %llu s, %s bytes in, %s out: %s%s%s", user,
	           g->peer->text, (unsigned long long)(usec / USEC_PER_SEC), in, out, g->end.how,
	           reason[0] ? ": " : "", reason);
}

static void log_refusal(struct guard *g, const char *user, const char *reason)
{
	const char *detail = g->outcome->failure; /* our own words: escaped as every line is */
	char duration[24];
	const struct log_field fields[] = {
		{"XPROXY_USER", g->username},
		{"XPROXY_PEER", g->peer->text},
		{"XPROXY_FRONT", g->front},
		{"XPROXY_MODULE", g->outcome->module},
		{"XPROXY_UPSTREAM", g->upstream[0] ? g->upstream : NULL},
		{"XPROXY_DURATION_USEC", duration},
		{"XPROXY_END", g->end.how},
	};

	snprintf(duration, sizeof(duration), "%llu",
	         (unsigned long long)(now_usec() - g->since_usec));

	/* A login that failed is a refusal even if the client did not wait to hear of it. */
	if (!detail[0] &&
	    (strcmp(g->end.how, "request") == 0 || strcmp(g->end.how, "client-close") == 0)) {
		log_record(LOG_INFO, LOG_EVENT_NONE, fields, ARRAY_SIZE(fields), "closed: %s: %s",
		           g->peer->text, reason);
		return;
	}
	log_record(LOG_NOTICE, LOG_EVENT_REFUSED, fields, ARRAY_SIZE(fields),
	           "refused: user '%s' from %s: %s%s%s%s", user, g->peer->text,
	           g->denied[0] ? g->denied : reason, detail[0] ? " (" : "", detail,
	           detail[0] ? ")" : "");
}

int guard_finish(struct guard *g)
{
	char user[RPC_NAME_MAX], reason[RPC_TEXT_MAX];
	int status = 0;

	if (g->worker_fd >= 0 && g->ended == false)
		close(g->worker_fd);
	while (waitpid(g->worker, &status, 0) < 0 && errno == EINTR)
		;
	carrier_end(&g->carrier, g->relaying);
	carrier_end(&g->encoder, g->relaying);
	if (!g->ended)
		describe_death(g, status);
	log_escape(g->username, strlen(g->username), user, sizeof(user));
	log_escape(g->end.reason, strlen(g->end.reason), reason, sizeof(reason));
	if (g->relaying)
		log_end(g, user, reason);
	else if (!g->silent)
		log_refusal(g, user, reason);
	if (!g->relaying && !g->handed_over) {
		log_settle();
		penalty_finish(g, !g->ended);
	}
	broker_end(&g->broker);
	chain_close(&g->chain);
	record_wipe(&g->record);
	explicit_bzero(&g->session, sizeof(g->session));
	return (int)g->end.exit_code;
}
