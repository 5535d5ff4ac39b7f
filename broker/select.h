/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/select.h - where a session profile leads to: broker/pool.h with what the profile and
 * [X2Go] say about it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker/agent.h"
#include "broker/profile.h"

struct choice {
	struct profile_host
		host; /* what to answer SERVER: with; the first one if none is available */
	bool available;
	bool agent;     /* it can be asked, at ... */
	char via[256];  /* this address and host.port: to let a key in */
	char *sessions; /* for SESSION_INFO:, the caller's to free; "": none */
};

struct standing {
	bool known;               /* an agent has answered: the rest is worth something */
	struct profile_host host; /* that of the first session, else the first */
	const char *status;       /* "S", "R"; NULL none */
	int suspended, running;
};

/* Who to ask about a profile, and how: [X2Go], unless its broker-* keys say otherwise. */
void select_agent(const struct profile *p, const struct x2go_setup *setup, uint64_t deadline_usec,
                  struct agent *ret);

/* For `selectsession`, with that agent: as pool_choose(). *ret is to be looked at only after 0. */
int select_server(const struct profile *p, const struct agent *agent, const char *user,
                  struct choice *ret, char *err, size_t err_size);

/* For the list of profiles: as pool_look(). */
int select_status(const struct profile *p, const struct agent *agent, const char *user,
                  struct standing *ret, char *err, size_t err_size);
