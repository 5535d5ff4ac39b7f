/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/carrier.c - starts xproxy-tunnel, and listens to what it or ssh has to say. Guard: as
 * root when the service is until the session is connected, then as the session's user.
 *
 * xproxy-tunnel is started as the worker's user: it reads the network, so it has no rights at all.
 * System calls: socketpair, pipe2, fork, poll, kill; in the child dup2, close_range, those of
 * base/sandbox.c, execveat. When locked: read, poll, close, wait4.
 */
#include "session/carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/tunnel.h"
#include "session/spawn.h"

#define GRACE_USEC (1 * USEC_PER_SEC)
#define LINES_MAX 64
#define BUFFER_BYTES (1 << 20) /* one write of the relay fits, as with local sessions */
#define SSH_FAILED 255         /* its own exit status; others are the far command's */
#define SHELL_CANNOT 126       /* and 127: the far end has no xpra */

/* ---- what it says ---- */

static void end_line(struct carrier *c)
{
	char text[RPC_TEXT_MAX];

	c->line[c->len] = '\0';
	if (c->len == 0)
		return;
	c->len = 0;
	memcpy(c->last, c->line, sizeof(c->last));
	if (strcmp(c->line, TUNNEL_READY) == 0 || c->lines >= LINES_MAX)
		return;
	c->lines++;
	log_escape(c->line, strlen(c->line), text, sizeof(text));
	log_message(LOG_NOTICE, "user '%s': %s: \"%s\"%s", c->owner, c->name, text,
	            c->lines == LINES_MAX ? " (no more of these)" : "");
}

void carrier_read(struct carrier *c)
{
	char buf[1024];
	ssize_t n = read(c->fd, buf, sizeof(buf));

	for (ssize_t i = 0; i < n; i++) {
		if (buf[i] == '\n' || buf[i] == '\r')
			end_line(c);
		else if (c->len < sizeof(c->line) - 1)
			c->line[c->len++] = buf[i];
	}
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		end_line(c);
		close(take_fd(&c->fd));
	}
}

/* Until it has ended, or said a whole line, or the time is over. -ECANCELED: abort_fd hung up. */
static int listen_to(struct carrier *c, bool for_line, int abort_fd, uint64_t deadline_usec)
{
	while (c->fd >= 0 && !(for_line && c->last[0])) {
		struct pollfd p[] = {{.fd = c->fd, .events = POLLIN},
		                     {.fd = abort_fd, .events = POLLRDHUP}};
		int r = poll(p, 2, poll_timeout_msec(deadline_usec));

		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
		if (r > 0 && p[1].revents)
			return -ECANCELED;
		if (r > 0)
			carrier_read(c);
	}
	return 0;
}

/* ---- xproxy-tunnel ---- */

static int spawn_tunnel(struct carrier *c, const struct config *config, int net_fd, int job_fd,
                        char *err)
{
	_cleanup_close_ int ours = -1, inner = -1, err_read = -1, err_write = -1;
	int r = spawn_channels(SOCK_STREAM, &ours, &inner, &err_read, &err_write);

	if (r < 0)
		return r;
	(void)setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &(int){BUFFER_BYTES}, sizeof(int));
	(void)setsockopt(inner, SOL_SOCKET, SO_SNDBUF, &(int){BUFFER_BYTES}, sizeof(int));
	r = spawn_program(config,
	                  &(struct spawn){.name = "xproxy-tunnel",
	                                  .fds = (const int[]){net_fd, inner, err_write, job_fd},
	                                  .count = 4},
	                  &c->pid);
	if (r < 0) {
		if (r == -ENOENT)
			snprintf(err, RPC_TEXT_MAX, "there is no xproxy-tunnel beside xproxy-conn");
		return r;
	}
	c->fd = take_fd(&err_read);
	return take_fd(&ours);
}

/* Handshakes done, or what failed. */
static int start_tunnel(struct carrier *c, const struct config *config, int net_fd, int job_fd,
                        int abort_fd, uint64_t deadline_usec, char *err)
{
	_cleanup_close_ int fd = spawn_tunnel(c, config, net_fd, job_fd, err);
	int r = fd;

	if (fd >= 0) {
		c->name = "xproxy-tunnel";
		c->lines = LINES_MAX; /* its first line is ours to say */
		r = listen_to(c, true, abort_fd, deadline_usec);
		c->lines = 0;
	}
	if (r == 0 && strcmp(c->last, TUNNEL_READY) == 0)
		return take_fd(&fd);
	if (r == 0) {
		snprintf(err, RPC_TEXT_MAX, "%s",
		         c->last[0] ? c->last : "xproxy-tunnel ended without a word");
		r = -EPROTO;
	}
	carrier_end(c, false);
	return r;
}

/* ---- both ---- */

int carrier_connect(struct carrier *c, const struct config *config, const struct identity *id,
                    const struct uri *u, const struct session_options *o, int abort_fd,
                    struct asuser_target *target)
{
	uint64_t deadline = now_usec() + config->sessions_connect_timeout_usec + GRACE_USEC;
	_cleanup_close_ int fd = asuser_connect(config, id, u, o, abort_fd, target);
	char where[URI_TEXT_MAX], why[RPC_TEXT_MAX] = "";
	int r;

	c->len = c->lines = 0;
	c->last[0] = '\0';
	if (fd < 0 || target->also_fd < 0)
		return take_fd(&fd);
	if (u->scheme == URI_SSH) {
		c->name = "ssh";
		c->fd = take_fd(&target->also_fd);
		c->pid = target->child;
		target->child = 0;
		(void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
		return take_fd(&fd);
	}
	asuser_reap(target);
	r = start_tunnel(c, config, fd, target->also_fd, abort_fd, deadline, why);
	close(take_fd(&target->also_fd));
	if (r < 0) {
		uri_print(u, where, sizeof(where));
		snprintf(target->err, sizeof(target->err), "connect to %.200s: %.250s", where,
		         why[0] ? why : strerror(-r));
	}
	return r;
}

bool carrier_failed(struct carrier *c, char *err)
{
	int status = 0;

	if (c->pid <= 0)
		return false;
	(void)listen_to(c, false, -1, now_usec() + GRACE_USEC);
	if (c->fd >= 0 || waitpid(c->pid, &status, 0) != c->pid)
		return false;
	c->pid = 0;
	if (!WIFEXITED(status) ||
	    (WEXITSTATUS(status) != SSH_FAILED && WEXITSTATUS(status) != SHELL_CANNOT &&
	     WEXITSTATUS(status) != SHELL_CANNOT + 1))
		return false;
	snprintf(err, RPC_TEXT_MAX, "%s ended with status %d%s%s", c->name, WEXITSTATUS(status),
	         c->last[0] ? ": " : "", c->last);
	return true;
}

void carrier_end(struct carrier *c, bool gently)
{
	if (c->pid <= 0)
		return;
	if (gently)
		(void)listen_to(c, false, -1, now_usec() + GRACE_USEC);
	else
		kill(c->pid, SIGKILL);
	if (c->fd >= 0) {
		carrier_read(c);
		if (c->fd >= 0)
			close(take_fd(&c->fd));
	}
	while (waitpid(c->pid, NULL, gently ? WNOHANG : 0) < 0 && errno == EINTR)
		;
	c->pid = 0;
}
