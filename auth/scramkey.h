/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/scramkey.h - what SCRAM (RFC 5802, RFC 7677) keeps instead of a password:
 *
 *   SCRAM-SHA-256$ITERATIONS:SALT$STORED:SERVER         as PostgreSQL writes it
 *   SCRAM$MECHANISM$ITERATIONS$SALT$STORED$SERVER       as xpra does
 *
 * SALT and the keys in base64. MECHANISM is SCRAM-SHA-256, SCRAM-SHA-512 or SCRAM-SHA3-512.
 * Passwords are taken as the bytes they are: for ASCII that is what SASLprep makes of them.
 */
#pragma once

#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRAMKEY_ITERATIONS_MAX 1000000
#define SCRAMKEY_SALT_MAX 128
#define SCRAMKEY_LEN_MAX 64

struct nettle_hash;

#define SCRAMKEY_MECHANISMS 3

/* PostgreSQL's first. */
extern const struct scramkey_mechanism {
	const char *name;
	const struct nettle_hash *hash;
} scramkey_mechanisms[SCRAMKEY_MECHANISMS];

/* Of any of their hashes. */
union scramkey_state {
	struct sha256_ctx sha256;
	struct sha512_ctx sha512;
	struct sha3_512_ctx sha3_512;
};

struct scramkey {
	const struct nettle_hash *hash;
	unsigned iterations;
	uint8_t salt[SCRAMKEY_SALT_MAX];
	size_t salt_len;
	uint8_t stored[SCRAMKEY_LEN_MAX], server[SCRAMKEY_LEN_MAX]; /* of hash's length */
};

/* Whether text is well formed and not too much work. */
bool scramkey_parse(const char *text, struct scramkey *ret);

/* Whether that is the password. Takes as long if it is not. */
bool scramkey_matches(const struct scramkey *key, const char *password, size_t len);

/* SCRAM-SHA-256 of a password, as PostgreSQL writes it. 0, or a negative errno with err
 * (AUTH_ERROR_MAX bytes). */
int scramkey_make(const char *password, char *ret, size_t size, char *err);
