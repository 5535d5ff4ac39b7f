/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/inquiry.h - asks the servers of a pool, where one database has the sessions of all: which
 * are up, and any one agent for the sessions of a user. What was found out stays known for as long
 * as the process lives, which is one request's: many profiles have the same servers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "broker/agent.h"
#include "broker/listing.h"

#define POOL_MAX 128 /* servers; more are not looked at */

struct server {
	const char *name;    /* what it calls itself */
	const char *address; /* where it is reached, by clients too */
	unsigned port;
};

struct inquiry {
	bool up[POOL_MAX];         /* it takes connections; true where nobody has looked */
	const char *via[POOL_MAX]; /* where: its address or, if only that answers, its name */
	bool agent;                /* an agent has answered ... */
	size_t asked;              /* ... that of this server */
	bool silent;               /* there are agents, but none has */
	struct listing sessions;   /* of the user, on whatever server */
	char err[AGENT_ERROR_MAX]; /* what went wrong, for the log; "": nothing */
};

/* Looks which of n servers are up, if scan says so or agents are asked by ssh; then asks agents for
 * the user's sessions, in any order, until one answers. One that refuses, as it does not know the
 * user, has answered as well: with no sessions. user "": agents are not asked. */
void inquire(const struct agent *agent, const struct server *servers, size_t n, bool scan,
             const char *user, struct inquiry *ret);

/* Forgets what was found out; what an inquiry has is not to be used any more then. */
void inquiry_forget(void);
