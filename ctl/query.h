/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/query.h - the client side of control sockets. In xproxyctl, as whoever calls it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/rpc.h"
#include "wire/packet.h"

#define QUERY_KEY_MAX 256

/* One leaf of the answer: a dotted key and its value as text; lists are joined with ", ". bare: an
 * integer, or true or false. Both come from somebody else's process: they may hold anything but
 * NUL. */
typedef void (*query_field)(void *arg, const char *key, const char *value, bool bare);

struct query {
	const char *path;
	uid_t owner;       /* whose the listener must be; (uid_t)-1: anybody's */
	query_field field; /* for each leaf of the answer; may be NULL */
	void *arg;
	int result;             /* as of query_send() */
	char err[RPC_TEXT_MAX]; /* its words; safe to be shown */

	/* query.c's own */
	int fd;
	size_t got;
	struct header header;
	uint8_t raw[HEADER_LEN], *data;
};

/* Sends a hello with this request ("info", "version", "id", "stop") to all of them at once. Gives
 * up on those that have not answered when none has said a word for quiet_usec, at the latest after
 * total_usec: a stuck one costs the former, once. 0, and each has its result; or -ENOMEM. */
int query_all(struct query *list, size_t n, const char *request, uint64_t quiet_usec,
              uint64_t total_usec);

/* The same with one socket and one time. Returns 0: a hello, each leaf was handed to field. 1: it
 * said goodbye instead, err is "reason: text". Or a negative errno with err: -ECONNREFUSED, -ENOENT
 * nobody is there (any more), -ETIMEDOUT, -EPIPE it closed without a word, -EBADMSG... */
int query_send(const char *path, uid_t owner, const char *request, uint64_t timeout_usec,
               query_field field, void *arg, char err[RPC_TEXT_MAX]);
