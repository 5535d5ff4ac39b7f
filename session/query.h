/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/query.h - the client side of a control socket. In xproxyctl, as whoever calls it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/rpc.h"

#define QUERY_KEY_MAX 256

/* One leaf of the answer: a dotted key and its value as text; lists are joined with ", ". bare: an
 * integer, or true or false. Both come from somebody else's process: they may hold anything but
 * NUL. */
typedef void (*query_field)(void *arg, const char *key, const char *value, bool bare);

/* Sends a hello with this request ("info", "version", "id", "stop") to the socket at path, whose
 * listener must be `owner` ((uid_t)-1: anybody), and waits for the answer, at most timeout_usec in
 * all. Returns 0: a hello, each leaf was handed to field (may be NULL). 1: it said goodbye instead,
 * err is "reason: text". Or a negative errno with err: -ECONNREFUSED, -ENOENT nobody is there (any
 * more), -ETIMEDOUT, -EPIPE it closed without a word, -EBADMSG... */
int query_send(const char *path, uid_t owner, const char *request, uint64_t timeout_usec,
               query_field field, void *arg, char err[RPC_TEXT_MAX]);
