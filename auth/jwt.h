/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/jwt.h - signed tokens (RFC 7515, 7517, 7519) and the keys of who signs them. Part of
 * auth-oauth.so.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Whether one of these keys has signed the token, by RS256 or ES256 and nothing else: neither
 * "none" nor what takes a public key for a shared secret. 1 with the claims, to be given back to
 * json_decref(), of which nothing has been looked at; 0 with *ret_why, a fixed text; -EPROTO: jwks
 * is no list of keys. */
int jwt_verify(const char *token, const char *jwks, size_t jwks_len, json_t **ret,
               const char **ret_why);
