/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/pool.h - which server of a pool a user is sent to, and what sessions are there to resume.
 */
#pragma once

#include "broker/inquiry.h"

struct pool {
	const struct server *servers; /* POOL_MAX at most are looked at */
	size_t count;
	const struct agent *agent;
	bool shadow;     /* for looking at a desktop: that of the first server, no agent has any */
	bool portscan;   /* leave out what is down */
	bool load_check; /* ask by ssh how much each can take */
};

struct pool_choice {
	size_t server;
	bool available;  /* false: it is down, or all are */
	bool agent;      /* it can be asked, for keys */
	const char *via; /* where its agent is asked */
	char *sessions;  /* lines for the client, which are the caller's to free; "": none */
};

struct pool_status {
	bool agent;    /* one has answered: the rest is known */
	size_t server; /* with a session, else the first */
	char state;    /* 'S' any is suspended, 'R' any runs, '\0' none */
	int suspended, running;
};

/* A server with a session of the user's that is up: suspended rather than running. Else one that
 * the load, or chance, picks.
 *
 * All of the user's sessions in the pool are there, suspended ones first, with field 4 the address
 * for clients; but for those behind another port, as a client has only one port for all. Taking
 * over: where all of them run, the first is suspended, as whoever selects the profile is about to
 * resume it and 4.1.2.2 offers this for suspended ones only; where any is suspended nothing is done
 * to the others, which a client can suspend itself.
 *
 * 0, even if agents could not be asked: err then says what went wrong, for the log, and else is "".
 * -ENOENT: there are no servers; -ENOMEM. */
int pool_choose(const struct pool *p, const char *user, struct pool_choice *ret, char *err,
                size_t err_size);

/* What a list of profiles says of this one. As above. */
int pool_look(const struct pool *p, const char *user, struct pool_status *ret, char *err,
              size_t err_size);
