/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/live.h - which connections there are, as their control sockets tell. In xproxyctl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/config.h"
#include "session/locate.h"

struct live_socket {
	char path[LOCATE_PATH_MAX];
	uid_t uid;   /* the file's owner */
	pid_t pid;   /* that its name carries */
	char id[24]; /* ":proxy-PID" */
};

struct live {
	size_t count;
	struct live_socket *items;
};

/* The control sockets of this host's name in the caller's own socket directories; for root also in
 * those of every user with a directory in /run/user, of DefaultUser=, and of whoever owns a socket
 * found on the way; but none that is named after another user's connection. By pid, each once;
 * some may be left over from the dead. 0 or -ENOMEM;
 * live_free() in any case. */
int live_find(const struct config *c, struct live *ret);
void live_free(struct live *l);

/* The real uid of a process, from /proc. False: it is gone, or not an xproxy-conn. */
bool live_process_uid(pid_t pid, uid_t *ret);
