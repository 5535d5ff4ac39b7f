/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/asuser.h - do one thing as the user: a forked child drops for good, acts, passes the
 * result, exits. The guard itself never switches uids back and forth.
 */
#pragma once

#include <sys/types.h>

#include "base/config.h"
#include "session/locate.h"
#include "session/record.h"

/* Becomes id for good: no supplementary groups but id's, no capability, no way back (checked). With
 * the same uid as now, only the checks. 0 or a negative errno; the caller must exit on error. */
int asuser_drop(const struct identity *id);

/* The same, except that setuid programs still work where the service allows it. */
int asuser_become(const struct identity *id);

/* Runs task in a child that has become id, and passes the fd that it returns with what it says of
 * it: *ret is filled by task. Returns the fd (CLOEXEC), or a negative errno with err
 * (RPC_TEXT_MAX): what task returned and wrote, or why there was no answer. abort_fd as below. */
typedef int asuser_task(const void *arg, struct rpc_opened *ret, char *err);
int asuser_open(const struct identity *id, asuser_task *task, const void *arg,
                uint64_t timeout_usec, int abort_fd, struct rpc_opened *ret, char *err);

struct asuser_target {
	pid_t child;                /* to be reaped: asuser_reap(). ssh://: it is ssh now */
	int also_fd;                /* for session/carrier.h; -1: none */
	char path[LOCATE_PATH_MAX]; /* local sessions: the socket found */
	struct rpc_key key;         /* of the session's encryption; secret */
	char err[RPC_TEXT_MAX];     /* what failed, for the log: "connect to tcp://h:1: Connection
	                               refused" */
};

/* Connects to u as id in a child, within the configured ConnectTimeout: IPv6 and IPv4 addresses in
 * resolver order, each getting its share of the time. TCP sockets come back with TCP_NODELAY,
 * keepalive and TCP_USER_TIMEOUT set. abort_fd (-1: none): give up at once with -ECANCELED when it
 * hangs up. Returns the fd (CLOEXEC, blocking) or a negative errno with target->err. Where it does
 * not speak xpra itself, or is ssh's: session/carrier.h. */
int asuser_connect(const struct config *c, const struct identity *id, const struct uri *u,
                   const struct session_options *o, int abort_fd, struct asuser_target *target);

/* Ends and reaps the child of asuser_connect(); apart from it so that the result need not wait. */
void asuser_reap(struct asuser_target *target);

struct asuser_scan {
	int fd; /* -1: none */
	pid_t child;
};

/* Begins to look for the user's live sessions, in a child running as id. If it cannot be made, it
 * is as if there were none. */
void asuser_scan(const struct config *c, const struct identity *id, struct asuser_scan *ret);

/* What the child has found, once: returns how many. If it is only one, the connection that showed
 * it to be alive comes with it, to be used or closed. */
size_t asuser_sessions(const struct asuser_scan *scan, struct uri *ret, size_t max,
                       struct locate_only *ret_only);

/* Ends and reaps the child, if there is one; apart from it so that the result need not wait. */
void asuser_scan_end(struct asuser_scan *scan);

/* Creates the control socket HOSTNAME-proxy-PID in the first socket directory that id can write
 * (making the last component, mode 0700, if missing): mode 0600, listening. The child stays, as the
 * user, holding nothing but one pipe: when the guard closes *ret_keep_fd or dies, it unlinks the
 * socket and exits. Returns the listening fd or a negative errno with err; *ret_child is to be
 * reaped. */
int asuser_control_socket(const struct config *c, const struct identity *id, pid_t proxy_pid,
                          char ret_path[LOCATE_PATH_MAX], int *ret_keep_fd, pid_t *ret_child,
                          char err[RPC_TEXT_MAX]);
