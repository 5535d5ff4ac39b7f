/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/securitykey.h - what u2f and fido2 share: a challenge is signed by a device that somebody
 * has touched. Part of auth-u2f.so and auth-fido2.so.
 */
#pragma once

#include "auth/module.h"

extern const char *const securitykey_options[];

/* See struct auth_module. */
int securitykey_open(const struct auth_options *options, char *err);
int securitykey_verify(struct auth_attempt *a, struct auth_row *ret_row);

/* The challenge of that digest. */
int securitykey_challenge(struct auth_attempt *a, const char *digest, struct auth_challenge *ret);
