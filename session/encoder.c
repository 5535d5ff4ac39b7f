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
	int r = spawn_channels(SOCK_SEQPACKET, &ours, &its, &err_read, &err_write);

	snprintf(err, RPC_TEXT_MAX, "out of file descriptors");
	if (r < 0)
		return r;
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
