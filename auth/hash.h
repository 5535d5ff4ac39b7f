/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/hash.h - passwords as they are stored: in the clear, or hashed where `passwords=hashed`.
 *
 * hmac digests need the password itself on both sides: hashes can only be compared with a password
 * that the client has sent, over TLS. Kinds of hashes: what crypt(3) calls yescrypt ($y$),
 * gost-yescrypt ($gy$), bcrypt ($2b$, $2a$, $2y$), sha512crypt ($6$) and sha256crypt ($5$);
 * PostgreSQL's SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER; and xpra's
 * SCRAM$MECHANISM$ITERATIONS$SALT$STORED$SERVER. None that takes longer than a login may.
 */
#pragma once

#include "auth/module.h"

#define HASH_MAX 512 /* bytes, with the NUL */

/* Whether passwords=hashed. */
bool hash_stored(const struct auth_options *options);

/* Checks the option `passwords`, and that hashes can be computed if that is wanted. 0, or a
 * negative errno with err. */
int hash_open(const struct auth_options *options, char *err);

/* Whether the client's password is the stored one, of len bytes before a NUL. Takes as long if it
 * is not. Empty ones never match; nor does, in a list of plain passwords, one that is a well-formed
 * hash: who has seen it must not be let in by it. */
bool hash_check(const struct auth_attempt *a, const char *stored, size_t len);

/* The same work for a user that there is not. */
void hash_nobody(const struct auth_attempt *a);
/* What hash_check() can be given instead: its yes does not count. */
const char *hash_of_nobody(const struct auth_options *options);

/* Whether it has the form of a hash that hash_check() takes. */
bool hash_is_one(const char *stored);

/* Hashes a new password: kind is "yescrypt" or "scram". 0; -EINVAL no such kind; negative errno
 * with err. */
int hash_make(const char *kind, const char *password, char ret[HASH_MAX], char *err);
