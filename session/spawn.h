/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/spawn.h - programs of ours that run beside a connection, without any right. Guard.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "session/record.h"

#define SPAWN_FDS_MAX 5

struct spawn {
	const char *name; /* of a file beside our own */
	const char *arg;  /* one, or NULL */
	/* Who it is: NULL: the worker's user, without a group. Else that one with its groups, and
	 * HOME= and PATH=; where the service allows it, setuid programs work for it. */
	const struct identity *identity;
	const int *fds; /* its 0 to count - 1; nothing else is open */
	size_t count;
};

/* What most are started with: a pair of sockets of this type, and a pipe for what it has to say,
 * whose reading end never blocks. 0 or a negative errno; what has been opened by then is in these.
 */
int spawn_channels(int type, int *ret_ours, int *ret_its, int *ret_err_read, int *ret_err_write);

/* Starts it. 0 and *ret_pid; -ENOENT: there is no such file; another negative errno. */
int spawn_program(const struct config *config, const struct spawn *s, pid_t *ret_pid);
