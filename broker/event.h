/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/event.h - what clients say of their sessions, and what they are told to do with them: a
 * client that reports something is the only one that a broker can say something to.
 *
 * One small file for each session in State=/sessions, which is forgotten with the session, or when
 * nothing was heard of it for a long time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/x2go.h"

#define EVENT_SESSIONS_MAX 4096 /* known at a time; of more, the new ones are not */
#define EVENT_ORDER_MAX (sizeof(((struct x2go_request *)0)->sid) + 16)

enum event_order {
	EVENT_ORDER_NONE,
	EVENT_ORDER_SUSPEND,
	EVENT_ORDER_TERMINATE,
};

/* A session, as its client has last reported it. All of it is the client's word but the address. */
struct event_session {
	uint64_t magic;
	uint64_t first_usec, last_usec; /* wall clock */
	uint64_t elapsed_sec;
	uint64_t ordered_usec; /* when it was ordered */
	uint32_t order;        /* enum event_order: not yet told */
	char id[256];
	char event[64];
	char user[256], login[256]; /* the broker's, the server's */
	char address[64];           /* of the client */
	char server[256], command[256], display[64];
};

/* Notes what a client reports; a line of the log says so. 0, also for what is not noted, as there
 * are too many sessions; or a negative errno with err: -EINVAL a session without a name, or of
 * somebody else. now: wall_usec(). */
int event_record(const char *state, const struct x2go_request *q, const char *address, uint64_t now,
                 char *err, size_t err_size);

/* What the client of that session is to be told, "SUSPEND id" or "TERMINATE id"; "": nothing. It is
 * told once. 1, 0 or a negative errno with err. */
int event_take_order(const char *state, const struct x2go_request *q, char ret[EVENT_ORDER_MAX],
                     char *err, size_t err_size);

/* Has the client told so when it reports next. 0; -ENOENT: no such session is known; another
 * negative errno with err. */
int event_order(const char *state, const char *id, enum event_order order, uint64_t now, char *err,
                size_t err_size);

/* Calls f with every session that is known. 0 or a negative errno with err. */
int event_each(const char *state, void (*f)(void *arg, const struct event_session *s), void *arg,
               char *err, size_t err_size);

/* Forgets what nothing was heard of for a long time. How many, or a negative errno with err. */
int event_sweep(const char *state, uint64_t now, char *err, size_t err_size);
