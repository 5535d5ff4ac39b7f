/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/spawn.h - programs of ours that run beside a connection, without any right. Guard.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"

#define SPAWN_FDS_MAX 5

/* Starts the program of that name, a file beside our own, as the worker's user, with fds as its 0
 * to count - 1 and nothing else open. 0 and *ret_pid; -ENOENT: there is no such file; another
 * negative errno. */
int spawn_program(const char *name, const struct config *config, const int *fds, size_t count,
                  pid_t *ret_pid);
