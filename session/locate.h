/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/locate.h - where a user's own sessions listen. Guard's children (as that user) and
 * xproxyctl.
 *
 * xpra puts a session's socket, for display N, in: abstract @xpra/N; DIR/N/socket; DIR/HOSTNAME-N,
 * with DIR each of the socket directories. Nobody owns an abstract name, so one counts only if its
 * server's SO_PEERCRED is the user. A proxy's control socket is DIR/HOSTNAME-proxy-PID.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/config.h"
#include "session/record.h"

#define LOCATE_DIRS_MAX 16
#define LOCATE_PATH_MAX 108 /* sun_path */

struct locate_dirs {
	size_t count;
	char items[LOCATE_DIRS_MAX][LOCATE_PATH_MAX];
};

/* The configured directories for one user: $XDG_RUNTIME_DIR, ~, $HOME, $UID, $USER expanded for
 * that user; those that cannot be expanded are left out. */
void locate_dirs(const struct config *c, const struct identity *id, struct locate_dirs *ret);

/* The i-th place where the display of that name (":10" is "10") may listen, "" if its path would be
 * too long; false: there are no more. */
bool locate_place(const struct locate_dirs *dirs, const char *name, size_t i,
                  char ret[LOCATE_PATH_MAX]);

/* Connects to a local display of the user id, blocking at most timeout_usec, trying the places
 * above in order. Must run as that user (or as root for none). Returns the fd and the socket's path
 * ("@xpra/10" for abstract ones); -ENOENT nothing listens there, -EACCES, -ETIMEDOUT, or -EPERM a
 * socket belongs to somebody else. */
int locate_connect(const struct locate_dirs *dirs, const struct identity *id, const char *display,
                   uint64_t timeout_usec, char ret_path[LOCATE_PATH_MAX]);

/* Connects to one filesystem socket path (or "@name"), -errno or the fd. owner (uid_t)-1: any. */
int locate_connect_path(const char *path, uid_t owner, uint64_t timeout_usec);

/* The same, never waiting: -EAGAIN as long as the listener's backlog is full. The fd is
 * non-blocking. */
int locate_connect_now(const char *path, uid_t owner);

/* The connection that found the only session alive, kept. */
struct locate_only {
	int fd; /* -1: there is none, or more than one */
	char path[LOCATE_PATH_MAX];
};

/* Every live session of the user (not `proxy-*` control sockets), as URI_DISPLAY entries, each
 * once, sorted by display number. Returns how many (at most max). ret_only may be NULL. */
size_t locate_sessions(const struct locate_dirs *dirs, const struct identity *id, struct uri *ret,
                       size_t max, struct locate_only *ret_only);

/* Every control socket DIR/HOSTNAME-proxy-PID found in dirs, as paths; how many. */
size_t locate_controls(const struct locate_dirs *dirs, char (*ret)[LOCATE_PATH_MAX], size_t max);

/* The host name that socket names carry: $XPRA_SOCKET_HOSTNAME, else gethostname(). */
void locate_hostname(char *buf, size_t size);
