/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/guard.h - the process that has the privilege and never reads the network.
 */
#pragma once

#include "base/config.h"
#include "base/peer.h"
#include "base/stats.h"

/* --check-config: whether the modules can be used; says so. Returns the program's exit code. */
int guard_check(const struct config *config);

/* Serves the worker's requests, then becomes the session's user and serves the control socket until
 * the worker is gone. frames_fd: memory for an encoder, -1: none. Returns the program's exit code.
 */
int guard_run(const struct config *config, const struct peer *peer, struct stats *stats,
              int worker_fd, int frames_fd, pid_t worker);
