/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/worker.c - the process that reads the network.
 *
 * It starts with the client's socket, the guard's socket and stderr; takes all the memory it will
 * use; becomes an unprivileged user; loads its filter; and only then reads the first byte. It opens
 * nothing, connects to nothing: the upstream arrives as an fd from the guard. The client is
 * hostile; the upstream is a user's own process and so hostile to everybody else; both are only
 * ever parsed here.
 *
 * System calls: base/syscalls.h, SYSCALLS_FRONT until the login is over, then SYSCALLS_RELAY.
 */
#include "relay/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "base/socket.h"
#include "base/wipe.h"
#include "relay/encryption.h"
#include "relay/secure.h"
#include "relay/transcode.h"
#include "wire/packet.h"

#define GOODBYE_USEC \
	(500 * USEC_PER_MSEC) /* for the peer to read our last words and close, as xpra */

void worker_log(struct worker *w, int priority, const char *fmt, ...)
{
	struct rpc m = {.type = RPC_LOG, .log.priority = priority};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(m.log.text, sizeof(m.log.text), fmt, ap);
	va_end(ap);
	(void)rpc_send(w->guard_fd, &m, -1); /* a dead guard is noticed by poll() */
}

int worker_end(struct worker *w, int exit_code, const char *how, const char *detail)
{
	if (!w->ended) {
		w->ended = true;
		w->end.exit_code = (uint32_t)exit_code;
		snprintf(w->end.how, sizeof(w->end.how), "%s", how);
		snprintf(w->end.reason, sizeof(w->end.reason), "%s", detail);
	}
	return -ECANCELED;
}

/* Gives the client the time to say that its WebSocket is closed. True: it has, or is gone. */
static bool await_close(struct worker *w)
{
	uint64_t deadline = now_usec() + GOODBYE_USEC;
	char buf[4096];
	ssize_t n;

	do {
		if (leg_wait(&w->client, -1, -1, deadline) <= 0)
			return false;
		n = leg_read(&w->client, buf, sizeof(buf));
	} while ((n > 0 || n == -EAGAIN) && now_usec() < deadline);
	return n == 0;
}

/* The peers read our last words and close, which is what xpra clients and servers do on a
 * disconnect. Closing first would race with it (a client then reports a lost connection), and
 * closing with unread input would reset the connection and could destroy what was said.
 *
 * The same with the frame that closes a WebSocket: the HTML5 client looks at a packet a moment
 * after it has come, but hears of the close at once, and would then not know why. If it has closed
 * its side itself, it waits for us to end the connection. */
void worker_goodbye(struct worker *w)
{
	struct pollfd fds[] = {
		{.fd = w->client.fd, .events = POLLIN},
		{.fd = w->server.fd, .events = POLLIN},
	};
	uint64_t deadline;
	char buf[4096];

	if (w->websocket) {
		if (!w->client.fault && await_close(w))
			fds[0].fd = -1;
		w->client.layer->shutdown(w->client.layer);
	}
	deadline = now_usec() + GOODBYE_USEC;
	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		int n = poll(fds, ARRAY_SIZE(fds), poll_timeout_msec(deadline));

		if (n == 0 || (n < 0 && errno != EINTR) || now_usec() >= deadline)
			return;
		for (size_t i = 0; n > 0 && i < ARRAY_SIZE(fds); i++) {
			ssize_t got = fds[i].revents ? read(fds[i].fd, buf, sizeof(buf)) : 1;

			if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
				fds[i].fd = -1;
		}
	}
}

int worker_fail(struct worker *w, int exit_code, const char *how, const char *reason,
                const char *text)
{
	char detail[RPC_TEXT_MAX];
	uint8_t buf[2048];
	size_t len = 0;

	snprintf(detail, sizeof(detail), "%s%s%s", reason, text[0] ? ": " : "", text);
	worker_end(w, exit_code, how, detail);
	if (w->client.encoders) {
		if (packet_disconnect(w->client.encoder, buf, sizeof(buf), reason, text, &len) < 0)
			len = 0;
	} else if (!w->http) {
		/* No encoder is known yet: xpra itself then writes plain text, which its clients
		 * show. */
		int n = snprintf((char *)buf, sizeof(buf), "disconnect: %s\n", detail);

		len = n > 0 && (size_t)n < sizeof(buf) ? (size_t)n : 0;
	}
	if (w->server.fd >= 0) { /* only greeted so far: it is owed nothing */
		close(w->server.fd);
		w->server.fd = -1;
	}
	if (leg_send(&w->client, buf, len, now_usec() + GOODBYE_USEC) == 0)
		worker_goodbye(w);
	return -ECANCELED;
}

/* The guard asked us to stop, or it is gone. */
static int heed_guard(struct worker *w)
{
	struct rpc m;
	int r = rpc_receive(w->guard_fd, &m, NULL);

	if (r == 0 && m.type == RPC_STOP)
		return worker_fail(w, EXIT_OK, "stopped", m.stop.reason, m.stop.text);
	if (r == 0)
		return worker_fail(w, EXIT_INTERNAL, "internal", "server error", "internal error");
	return worker_fail(w, EXIT_INTERNAL, "guard-gone", "server shutdown",
	                   "the proxy was killed");
}

int worker_ask(struct worker *w, struct rpc *m, int *ret_fd, uint64_t deadline_usec)
{
	struct leg guard = {.fd = w->guard_fd};
	int r = rpc_send(w->guard_fd, m, -1);

	rpc_wipe(m);
	if (r == 0) {
		/* A client of HTTP may have said all that it will say. */
		r = leg_wait(&guard, w->http ? -1 : w->client.fd, -1, deadline_usec);
		if (r == 0)
			return worker_fail(w, EXIT_LOGIN_TIMEOUT, "timeout", "login timeout", "");
		if (r == -EPIPE)
			return worker_end(w, EXIT_OK, "client-close",
			                  "the client left during the login");
		if (r > 0)
			r = rpc_receive(w->guard_fd, m, ret_fd);
	}
	if (r < 0)
		return worker_fail(w, EXIT_INTERNAL, "guard-gone", "server error",
		                   "internal error");
	if (m->type == RPC_STOP)
		return worker_fail(w, EXIT_OK, "stopped", m->stop.reason, m->stop.text);
	return 0;
}

int worker_wait_bytes(struct worker *w, struct flow *f, uint64_t deadline_usec)
{
	int r = leg_wait(f->from, f->to->fd, w->guard_fd, deadline_usec);

	if (r == -ECANCELED)
		return heed_guard(w);
	if (r == -EPIPE)
		return worker_end(w, EXIT_OK,
		                  f->to == &w->client ? "client-close" : "upstream-close",
		                  "closed during the login");
	return r < 0 ? worker_end(w, EXIT_INTERNAL, "internal", strerror(-r)) : r;
}

void worker_trim(struct worker *w)
{
	(void)madvise(w->scratch, SCRATCH_SIZE, MADV_DONTNEED);
	flow_release(&w->up);
	flow_release(&w->down);
	encryption_trim(w->encryption);
	encryption_trim(w->server_encryption);
	wipe_stack();
}

/* Everything that needs a file, a name or memory, before the lock. */
static int prepare(struct worker *w, int client_fd)
{
	struct stat client, err;
	uint8_t id[16];
	void *p;

	w->stderr_ok = fstat(client_fd, &client) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
	               (client.st_dev != err.st_dev || client.st_ino != err.st_ino);

	w->decompressor = decompressor_new();
	p = mmap(NULL, SCRATCH_SIZE, PROT_READ | PROT_WRITE,
	         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	w->server_encryption = encryption_map();
	if (!w->decompressor || p == MAP_FAILED || !w->server_encryption)
		return -ENOMEM;
	w->scratch = p;
	if (gethostname(w->host, sizeof(w->host) - 1) < 0)
		snprintf(w->host, sizeof(w->host), "localhost");
	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return -EIO;
	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(w->sid + 2 * i, 3, "%02x", id[i]);
	w->client = (struct leg){.name = "client", .fd = client_fd, .heard_usec = now_usec()};
	w->server = (struct leg){.name = "server", .fd = -1};
	(void)socket_tune(client_fd); /* a peer that is just leaving: noticed by the first read */
	if (fcntl(client_fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return -errno;
	if (flow_init(&w->up, &w->client, &w->server, FLOW_WINDOW) < 0)
		return -ENOMEM;
	return flow_init(&w->down, &w->server, &w->client, w->local ? FLOW_WINDOW : FLOW_BATCH_TCP);
}

/* Passwords that only the guard may know: in module options (password:value=...) and the
 * environment (env:name=...). These pages are this process's own copy. */
static void forget_secrets(const struct config *config)
{
	config_forget_secrets(config);
	for (char **e = environ; e && *e; e++)
		explicit_bzero(*e, strlen(*e));
	environ = NULL;
}

/* Closes what was inherited: only stderr and the two sockets stay. */
static int keep_fds(struct worker *w)
{
	const int keep[] = {w->client.fd, STDERR_FILENO, w->guard_fd};
	unsigned from = 0;

	/* Ranges between the ones to keep, in ascending order. */
	for (size_t done = 0; done < ARRAY_SIZE(keep); done++) {
		unsigned next = ~0U;

		for (size_t i = 0; i < ARRAY_SIZE(keep); i++)
			if ((unsigned)keep[i] >= from && (unsigned)keep[i] < next)
				next = (unsigned)keep[i];
		if (next > from && syscall(SYS_close_range, from, next - 1, 0) < 0)
			return -errno;
		from = next + 1;
	}
	return syscall(SYS_close_range, from, ~0U, 0) < 0 ? -errno : 0;
}

static int lock_down(struct worker *w, uid_t uid, gid_t gid, enum sandbox_filter filter)
{
	int r;

	r = keep_fds(w);
	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return -errno;
	if (r == 0)
		r = sandbox_drop(uid, gid);
	if (r == 0)
		r = sandbox_limits();
	(void)prctl(PR_SET_NAME, "xproxy-worker");
	return r < 0 ? r : sandbox_lock(filter);
}

/* Not inlined: the message would be on the stack for as long as the session runs. */
__attribute__((noinline)) static _Noreturn void leave(struct worker *w)
{
	struct rpc m = {.type = RPC_END, .end = w->end};

	if (rpc_send(w->guard_fd, &m, -1) < 0 && w->stderr_ok) {
		/* Nobody is left to write the log: stderr is still ours. */
		char line[RPC_TEXT_MAX + 64];
		int n = snprintf(line, sizeof(line), "xproxy-worker: %s: %s\n", w->end.how,
		                 w->end.reason);

		(void)!write(STDERR_FILENO, line, n > 0 ? (size_t)n : 0);
	}
	_exit((int)w->end.exit_code);
}

void worker_run(const struct config *config, const struct peer *peer, uid_t uid, gid_t gid,
                int client_fd, int guard_fd, int frames_fd, struct stats *stats)
{
	static struct worker w; /* in .bss: no heap, no stack limit */
	char err[TLS_ERROR_MAX], no_key[RPC_TEXT_MAX];
	bool ktls;
	int r, tls, key;

	/* Signals are for the guard, which says STOP; a whole process group may get them. */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	w.config = config;
	w.local = peer->local_unix;
	w.near = peer->local_unix || netaddr_loopback(&peer->net);
	w.trusted = netaddr_listed(&config->listen_trusted_proxies, &peer->net);
	w.guard_fd = guard_fd;
	w.stats = stats;
	r = prepare(&w, client_fd);
	w.transcode = transcode_new(config, frames_fd);
	tls = secure_load(config, &w.tls_api, &w.tls_context, &ktls, err);
	key = encryption_load(config, &w.encryption, no_key);
	forget_secrets(config);
	if (r == 0)
		r = lock_down(&w, uid, gid, ktls ? SANDBOX_FRONT_KTLS : SANDBOX_FRONT);
	if (tls == 0 && w.tls_context && err[0])
		worker_log(&w, LOG_WARNING, "%s", err);
	if (r < 0) {
		worker_log(&w, LOG_ERR, "cannot lock down the worker: %s", strerror(-r));
		worker_end(&w, EXIT_INTERNAL, "internal", "cannot lock down the worker");
	} else if (tls < 0) {
		worker_log(&w, LOG_ERR, "%s", err);
		worker_fail(&w, EXIT_CONFIG, "config", "server error",
		            "the server is not configured correctly");
	} else if (key < 0) {
		worker_log(&w, LOG_ERR, "%s", no_key);
		worker_fail(&w, EXIT_CONFIG, "config", "encryption key is missing", "");
	} else if (login_run(&w) == 0) {
		pump_run(&w);
	}
	leave(&w);
}
