/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/encoder.c - starts xproxy-encode. Guard. It runs as the worker's user: what it reads is
 * the session's pixels, and it needs nothing of anybody's.
 *
 * It is started with the login, as the guard can start nothing afterwards; until the first draw
 * that is worth it, it is a small process that waits.
 */
#include "session/encoder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/macros.h"
#include "session/spawn.h"

int encoder_start(struct carrier *c, const struct config *config, int memory_fd, char *err)
{
	_cleanup_close_ int ours = -1, its = -1, err_read = -1, err_write = -1;
	int pair[2], r;

	snprintf(err, RPC_TEXT_MAX, "out of file descriptors");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	its = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	err_read = pair[0];
	err_write = pair[1];
	if (fcntl(err_read, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = spawn_program(config,
	                  &(struct spawn){.name = "xproxy-encode",
	                                  .fds = (const int[]){err_write, err_write, err_write, its,
	                                                       memory_fd},
	                                  .count = 5},
	                  &c->pid);
	if (r < 0) {
		snprintf(err, RPC_TEXT_MAX, "cannot start xproxy-encode%s%s",
		         r == -ENOENT ? ": there is none beside xproxy-conn" : ": ",
		         r == -ENOENT ? "" : strerror(-r));
		return r;
	}
	c->name = "xproxy-encode";
	c->fd = take_fd(&err_read);
	return take_fd(&ours);
}

void encoder_read(struct carrier *c)
{
	int status;

	carrier_read(c);
	if (c->fd >= 0 || waitpid(c->pid, &status, 0) != c->pid)
		return;
	c->pid = 0;
	if (WIFSIGNALED(status))
		log_message(LOG_WARNING, "user '%s': xproxy-encode was killed by signal %d (%s)%s",
		            c->owner, WTERMSIG(status), strsignal(WTERMSIG(status)),
		            WTERMSIG(status) == SIGSYS
		                    ? ": its sandbox, please report this and what made the "
		                      "pictures"
		                    : "");
}
