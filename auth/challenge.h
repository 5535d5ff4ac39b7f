/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/challenge.h - one challenge, and what the answer to it is. Part of auth/chain.h.
 */
#pragma once

#include "auth/chain.h"

/* An attempt as the modules see it, with what they must not see. */
struct attempt {
	struct auth_attempt a; /* first: check() gets a pointer to it */
	enum digest digest;
	const uint8_t *response;
	size_t response_len;
	uint8_t salt[DIGEST_SALT_MAX]; /* combined */
	size_t salt_len;
	uint8_t clear[DIGEST_RESPONSE_MAX + 1]; /* the password, if the digest was xor's */
};

/* A challenge for a password. clear: for the password itself. 0, c->challenge is it; or -EPERM with
 * *ret_reason for the client and *ret_why for the log: this client cannot be asked. */
int challenge_password(struct chain *c, bool clear, const char *prompt, const char **ret_reason,
                       const char **ret_why);

/* The same with what a module has made. */
int challenge_own(struct chain *c, const struct auth_challenge *own, const char *prompt,
                  const char **ret_reason, const char **ret_why);

/* Takes the answer apart; c->challenge is wiped: once only. own: to a module's own challenge.
 * response has to outlive *ret. 0, or -EINVAL with *ret_why. */
int challenge_read(struct chain *c, const struct rpc_response *response, bool own,
                   struct attempt *ret, const char **ret_why);
