/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/chain.h - the configured modules, one after the other: all must say yes. Guard.
 *
 * The chain makes the salts, chooses the digests and checks responses; a module only looks up
 * passwords. Each challenge is answered once and belongs to one module.
 */
#pragma once

#include "auth/load.h"
#include "base/config.h"
#include "base/rpc.h"
#include "wire/digest.h"

struct chain {
	size_t count;
	struct auth_instance instances[CONFIG_LIST_MAX];
	size_t current;  /* the module whose turn it is; count: all have agreed */
	bool challenged; /* any challenge has been sent */
	bool waiting;    /* one has been sent and not been answered */
	struct rpc_login login;
	struct rpc_step challenge;    /* the outstanding one */
	struct auth_row row;          /* of the first module that keeps sessions */
	const char *module;           /* its name, or the last one's: for the log */
	char failure[AUTH_ERROR_MAX]; /* why a step was denied, for the log */
	void (*warn)(const struct auth_attempt *a, const char *text);
};

/* Loads and opens every configured module; behind sshd, the one for that. 0, or a negative errno
 * with err. */
int chain_open(struct chain *c, const struct config *config, char err[RPC_TEXT_MAX]);

/* The next step: a challenge, accepted or denied. Denied steps carry xpra's words for the client
 * and leave the real reason in c->failure. */
void chain_begin(struct chain *c, const struct rpc_login *login, struct rpc_step *ret);
void chain_respond(struct chain *c, const struct rpc_response *response, struct rpc_step *ret);

/* Wipes all secrets and closes the modules. */
void chain_close(struct chain *c);
