/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/checker.h - the process that asks modules which may take their time, or bring large
 * libraries: PAM, LDAP, a database server. Guard.
 *
 * It has the guard's privilege and lives from the first LOGIN to the end of it. So a backend that
 * hangs can be given up, one that crashes only denies this login, and what such libraries leave
 * behind in memory is gone while the session runs.
 */
#pragma once

#include "auth/chain.h"

struct guard;

struct checker {
	int fd; /* -1: not running */
	pid_t pid;
};

/* Passes a request on to the process, which is started for the first one, and waits for its step
 * while the worker is watched. 0, or negative: the worker is gone, the log names the module that
 * was still busy. */
int checker_step(struct guard *g, const struct rpc *request, struct rpc_step *ret);

/* chain_look_up(), in such a process if there has to be one. 0 or a negative errno with err. */
int checker_lookup(struct guard *g, char err[RPC_TEXT_MAX]);

/* Ends it and all that it has started (its process group), at once. */
void checker_end(struct checker *c);
