/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/claims.h - what a server of identities says of a user. Part of auth-oauth.so and
 * auth-keycloak.so.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "auth/module.h"

/* Whether word is among words that blanks separate. */
bool claims_word(const char *words, const char *word, size_t len);

/* Whose it is, into row: AUTH_YES; -EPROTO with a->error if the claim is no usable name. */
int claims_owner(struct auth_attempt *a, const json_t *answer, const char *claim,
                 struct auth_row *row);
