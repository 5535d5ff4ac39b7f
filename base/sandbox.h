/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/sandbox.h - what each process may still do, and when it loses the rest.
 *
 * The system-call tables are in base/syscalls.h. libseccomp turns them into BPF when xproxy is
 * built (tools/mkfilter.c), so that a connection only has to load them.
 */
#pragma once

#include <sys/types.h>

enum sandbox_filter {
	SANDBOX_FRONT,         /* worker, from before the first byte to the end of the login */
	SANDBOX_FRONT_KTLS,    /* the same where the kernel can do TLS */
	SANDBOX_RELAY,         /* worker, stacked on FRONT once both hellos are through */
	SANDBOX_GUARD,         /* guard, once it has become the session's user */
	SANDBOX_TUNNEL,        /* xproxy-tunnel, from before the first byte */
	SANDBOX_ENCODE,        /* xproxy-encode, from before the first pixel */
	SANDBOX_ENCODE_DEVICE, /* the same with an encoder that talks to a device */
};

/* The unprivileged user for the worker: `name`, or nobody if it does not exist (1 is returned
 * then), or, when not root, who we are. Negative errno: there is none. */
int sandbox_user(const char *name, uid_t *ret_uid, gid_t *ret_gid);

/* Worker: becomes uid/gid without supplementary groups (skipped when not root), empties every
 * capability set, refuses to be dumped, traced or to gain privileges. 0 or a negative errno. */
int sandbox_drop(uid_t uid, gid_t gid);

/* Every capability set of this process to zero. */
int sandbox_drop_capabilities(void);

/* Core dumps off, no more processes, few fds. */
int sandbox_limits(void);

/* The same for a driver of a device: it has threads and fds of its own. */
int sandbox_limits_device(void);

/* Loads a filter, for all threads: every other call kills the process. For good. */
int sandbox_lock(enum sandbox_filter filter);
