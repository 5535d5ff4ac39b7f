/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/dial.h - connects to a TCP or vsock upstream. In a child of the guard, as the session's
 * user.
 */
#pragma once

#include <stdint.h>

/* Resolves host and port and tries the addresses one after the other, in resolver order. Each gets
 * its share of what is left of timeout_usec, at least 250 ms; one that refuses costs no time.
 * Resolving is not bounded: the caller kills the process. Returns the fd (CLOEXEC, blocking, with
 * TCP_NODELAY, keepalive and TCP_USER_TIMEOUT), or a negative errno: the last address's, or
 * -EHOSTUNREACH with *ret_why (else NULL) the resolver's words. */
int dial_tcp(const char *host, const char *port, uint64_t timeout_usec, const char **ret_why);

/* cid as in struct uri. The fd (CLOEXEC, blocking), or a negative errno: -EAFNOSUPPORT and -ENODEV
 * where this kernel has no vsock, or none that leads there. */
int dial_vsock(const char *cid, const char *port, uint64_t timeout_usec);
