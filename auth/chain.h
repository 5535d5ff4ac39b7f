/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/chain.h - the configured modules, one after the other: each group of alternatives must say
 * yes. Guard, or the process of auth/checker.h.
 *
 * The chain makes the salts, chooses the digests and checks responses; a module only looks up
 * passwords, unless it needs a challenge of its own. Each challenge is answered once.
 *
 * `Module=a` and `Module=b`: a, then b. `Module=a || b`: the first of them that says yes. What asks
 * for a password is asked together, with one challenge, since clients have one password.
 */
#pragma once

#include "auth/load.h"
#include "base/config.h"
#include "base/rpc.h"
#include "wire/digest.h"

/* What a login has come to. In memory that the guard shares with the checker. */
struct outcome {
	char username[AUTH_USERNAME_MAX]; /* who it is: the client's word until modules know better
	                                   */
	char module[64];                  /* that has been asked last, or is being asked */
	char failure[AUTH_ERROR_MAX];     /* why a step was denied, for the log */
	char service[AUTH_SERVICE_MAX];   /* of the first module that has one */
	bool wrong;          /* a module has said no, and no alternative to it has said yes yet */
	struct auth_row row; /* of the first module that keeps sessions, or Registry=; the last */
};

enum chain_wait {
	WAIT_NOTHING,
	WAIT_FACT,
	WAIT_RESPONSE,
};

/* Where the login stands with the group whose turn it is. */
struct progress {
	size_t first;        /* the group's first module; chain.count: all have agreed */
	size_t current;      /* the module whose turn it is; chain.count: nobody's challenge */
	uint32_t asked;      /* bits of the modules that have said no, or cannot be asked */
	uint32_t challenged; /* those that the outstanding challenge is for */
	unsigned round;      /* how many challenges of its own the module has made */
	size_t facts;        /* how many of its facts are there */
	enum chain_wait wait;
	struct rpc_step denial; /* the last module's */
};

struct chain {
	size_t count;
	struct auth_instance instances[CONFIG_LIST_MAX];
	struct auth_instance registry; /* Registry=, if that is a module */
	void (*warn)(const struct auth_attempt *a, const char *text);
	const struct peer *peer;
	struct outcome *outcome; /* the caller's */

	struct rpc_login login;
	bool challenged; /* any challenge has been sent */
	struct progress progress;
	struct rpc_step challenge; /* the outstanding one */
	char facts[AUTH_FACTS_MAX][AUTH_FACT_MAX];
	bool has_fact[AUTH_FACTS_MAX];
	uint64_t state[AUTH_STATE_MAX / sizeof(uint64_t)];
};

/* Whether a configured module may take its time: then the chain belongs into auth/checker.h's
 * process. */
bool chain_waits(const struct config *config);

/* Loads and opens every configured module; behind sshd, the one for that. peer, outcome and warn
 * are set by the caller. 0, or a negative errno with err. */
int chain_open(struct chain *c, const struct config *config, char err[RPC_TEXT_MAX]);

/* What a request (LOGIN, RESPONSE, FACT) leads to: a challenge, a wish for a fact, accepted or
 * denied. Denied steps carry xpra's words for the client and leave the real reason in
 * c->outcome->failure. One that is not due is denied. */
void chain_step(struct chain *c, const struct rpc *request, struct rpc_step *ret);

/* The record of outcome.username, whom no module of the chain has let in: Registry='s, else that of
 * the first module that can tell. 0, also if there is none; a negative errno with err. */
int chain_look_up(struct chain *c, char err[RPC_TEXT_MAX]);

/* Wipes all secrets and closes the modules; the outcome stays. */
void chain_close(struct chain *c);
