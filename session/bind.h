/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/bind.h - makes the control socket's file and removes it in the end. In a child of the
 * guard, as the session's user.
 */
#pragma once

#include "base/config.h"
#include "session/locate.h"
#include "session/record.h"

struct bind_socket {
	int fd; /* listening, non-blocking, CLOEXEC */
	char path[LOCATE_PATH_MAX];
	dev_t dev;
	ino_t ino;
};

/* HOSTNAME-proxy-PID, mode 0600, in the first socket directory that takes it. 0, or a negative
 * errno with err saying what each directory's trouble was. A file of that name is replaced only if
 * nobody answers. */
int bind_control(const struct config *c, const struct identity *id, pid_t proxy_pid,
                 struct bind_socket *ret, char err[RPC_TEXT_MAX]);

/* Closes everything but wait_fd, sleeps until its other end is closed, removes the file and exits.
 * Signals that systemd sends to the whole unit are ignored, or the file would stay. */
__attribute__((noreturn)) void bind_keep(struct bind_socket *s, int wait_fd);
