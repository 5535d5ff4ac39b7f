/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/connect.h - to a session's server, of any scheme. In a child of the guard, as the
 * session's user.
 */
#pragma once

#include "base/config.h"
#include "session/locate.h"
#include "session/record.h"

struct connect_result {
	int fd;                     /* connected */
	int also_fd;                /* ssl, ws, wss: the job for xproxy-tunnel; ssh: its stderr */
	int ssh_fd, ssh_err_fd;     /* ssh: what it will have as stdin and stdout, and as stderr */
	char path[LOCATE_PATH_MAX]; /* local sessions: the socket found */
	struct rpc_key key;         /* of the session's encryption; empty: none */
	char err[RPC_TEXT_MAX];     /* what failed, and at which step */
};

/* Connects to u within the configured ConnectTimeout. 0 or a negative errno; *ret has both fds. For
 * ssh:// it only has the pairs: connect_become_ssh() is next. */
int connect_session(const struct config *c, const struct identity *id, const struct uri *u,
                    const struct session_options *o, struct connect_result *ret);

/* Becomes the system's ssh for good; only returns if that fails. Its end is the caller's: it is
 * killed with the guard. */
void connect_become_ssh(const struct config *c, const struct identity *id, const struct uri *u,
                        struct connect_result *r);
