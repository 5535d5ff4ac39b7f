/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/control.h - the :proxy-PID socket: xpra's own `info version id stop` requests.
 *
 * Runs in the guard once it has become the session's user: no privilege, its own filter. Speaks
 * the xpra protocol with wire/, one request per connection, any encoder of a living client.
 */
#pragma once

#include <poll.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/rpc.h"
#include "base/stats.h"

/* What does not change while the connection lives; the counters come from stats. The strings must
 * outlive the control; NULL or "" is left out. */
struct control_facts {
	const struct stats *stats;
	uint64_t since_wall_usec;
	pid_t guard_pid, worker_pid;
	const char *user, *peer, *client, *transport, *upstream, *display, *module, *server, *unit;
};

#define CONTROL_CLIENTS_MAX 20 /* as xpra */

struct control;

/* listen_fd: from asuser_control_socket(), non-blocking; owned from here on. NULL: out of memory
 * (the fd is closed). All memory that will ever be used is taken now. A client must have the uid of
 * whoever called listen(), or be root. */
struct control *control_new(int listen_fd, const struct control_facts *facts);

#define CONTROL_FDS_MAX (1 + CONTROL_CLIENTS_MAX)

/* For the guard's poll loop: fills fds (at least CONTROL_FDS_MAX) and returns how many; sets
 * *deadline_usec to an earlier one if a client's time (20 s for its request) ends before it. */
size_t control_poll(const struct control *c, struct pollfd *fds, uint64_t *deadline_usec);

/* After poll(), also when it timed out: serves what is ready, never blocks. Returns 1 if a client
 * asked to stop this connection: then *ret_stop is "server shutdown", "socket request"; that client
 * has been told the same already. Else 0. After control_new() only: read, recvfrom, sendto,
 * accept4, getsockopt, close, clock_gettime. */
int control_serve(struct control *c, const struct pollfd *fds, size_t n, struct rpc_stop *ret_stop);

/* Returns NULL. Not under the guard's filter (munmap): a locked guard just exits. */
struct control *control_free(struct control *c);
