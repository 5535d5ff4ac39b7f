/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/agent.h - asks the broker agent of an X2Go server, which is installed set-user-ID: what
 * sessions a user has there, how busy it is; to suspend a session, to let a key in.
 *
 * Locally it is run as it is; elsewhere by ssh, with the keys and the known hosts that are in .ssh
 * of State= and nobody's configuration. No shell here sees what it is asked; the one of the far
 * side, and those that the agent itself uses, see nothing but letters, digits and a few signs which
 * mean nothing to any of them: whatever else comes in a name is refused before.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/x2go.h"

#define AGENT_ERROR_MAX 256
#define AGENT_CALLS_MAX 64

struct agent {
	const struct x2go_setup *setup;
	enum x2go_agent mode;
	enum x2go_hostkeys hostkeys;
	uint64_t deadline_usec; /* of all that is to be done; a call has AgentTimeout= at most */
};

/* A question. The tasks are those of the agent; the user's name is any (as "x2go") for ping,
 * checkload and availabletasks. args: NULL, or as many as the task has. */
struct agent_call {
	const char *address; /* AGENT_LOCAL: not looked at */
	unsigned port;
	const char *user, *task;
	const char *const *args;
	/* The answer. */
	int result;
	char *output; /* the caller's to free; NULL unless result is 0 */
	char err[AGENT_ERROR_MAX];
};

/* Asks n agents at the same time, AGENT_CALLS_MAX at most. Each result is 0 if the agent has
 * answered OK, and *output then holds the lines that follow; or a negative errno, with err saying
 * why in words that may be logged:
 * -EOPNOTSUPP there is none; -ENOKEY there is no key to ask it with; -EINVAL something that will
 * not be told to it; -ETIMEDOUT; -E2BIG; -EPROTO it has not said OK, or could not be asked at all:
 * ssh does not tell these apart; -EIO it has said OK, and failed; -EBADMSG a zero byte. */
void agent_run_all(const struct agent *agent, struct agent_call *calls, size_t n);

/* The same with one; its result. *ret_output may not be NULL, err has err_size bytes. */
int agent_run(const struct agent *agent, const char *address, unsigned port, const char *user,
              const char *task, const char *const *args, char **ret_output, char *err,
              size_t err_size);
