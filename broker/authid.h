/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/authid.h - what a client shows instead of a password after its first request: a random
 * token, which belongs to one user at one address and is good for one request. Each answer has the
 * next one.
 *
 * Tokens live in State=/authids, shared by all processes, by the hash of each: who reads the folder
 * has none. One that was used stays good for AuthIDGrace=, as a client may send two requests at
 * once with it; all that follow from one login end AuthIDTimeout= after that login.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/x2go.h"

#define AUTHID_MAX 65 /* 64 hexadecimal digits */

enum authid_verdict {
	AUTHID_INVALID,
	AUTHID_VALID,
	AUTHID_PRESET, /* the one of AuthIDFile=, which is nobody's: the password decides */
};

/* What the next token inherits. */
struct authid {
	uint64_t login_usec;
	char token[AUTHID_MAX];
};

/* Whether the token lets that user in from that address; now is wall_usec(). A token that does is
 * thereby used, and *ret set for authid_issue(). An enum authid_verdict, with err saying
 * what is wrong with one that is invalid; or a negative errno with err: nobody can be let in by a
 * token. Of many that ask with one token at once, whatever their
 * processes, all get the same answer, that of the first; after the grace all get AUTHID_INVALID. */
int authid_check(const struct x2go_setup *s, const char *token, const char *user,
                 const char *address, uint64_t now, struct authid *ret, char *err, size_t err_size);

/* The token that goes with the answer: a fresh one, after a login with a password (old is NULL) or
 * of what authid_check() has accepted; the same one if AuthID=static; "" if AuthID=none. 0, or a
 * negative errno with err. */
int authid_issue(const struct x2go_setup *s, const char *user, const char *address, uint64_t now,
                 const struct authid *old, char ret[AUTHID_MAX], char *err, size_t err_size);

/* Removes all that are good for nothing any more; authid_issue() has a look at a few of them each
 * time. How many, or a negative errno with err. */
int authid_sweep(const char *state, uint64_t now, char *err, size_t err_size);
