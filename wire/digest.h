/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/digest.h - xpra's challenge digests.
 *
 * combined salt C: hmac+H: hex(HMAC_H(key = client salt, server salt)) as ASCII; xor: server salt,
 * cut or zero-padded to the client salt's length, XORed with it.
 * response: hmac+H: hex(HMAC_H(key = password, C)); xor: password XOR (C cut or zero-padded to the
 * password's length), which hands the password over, so only for protected transports.
 * Pure functions; HMAC from libnettle (20 times less to load than libcrypto, and no allocation).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum digest {
	DIGEST_NONE,
	DIGEST_HMAC_SHA512, /* in order of preference */
	DIGEST_HMAC_SHA384,
	DIGEST_HMAC_SHA256,
	DIGEST_HMAC_SHA224,
	DIGEST_HMAC_SHA1, /* offered by 3.1.3; nobody newer */
	DIGEST_HMAC_MD5,
	DIGEST_HMAC, /* the oldest name of hmac+md5 */
	DIGEST_XOR,
	/* Below: names only. Whoever asks for one of these knows what its response is. */
	DIGEST_KERBEROS, /* xor's response, of a token: this and the next two */
	DIGEST_GSS,
	DIGEST_KEYCLOAK,
	DIGEST_U2F, /* a signature */
	DIGEST_FIDO2,
	DIGEST_SCRAM_SHA256, /* messages of RFC 5802 */
	DIGEST_SCRAM_SHA512,
	DIGEST_SCRAM_SHA3_512,
	DIGEST_MAX_,
};
#define DIGEST_BIT(d) (1u << (d))
#define DIGEST_HMAC_ALL (DIGEST_BIT(DIGEST_XOR) - DIGEST_BIT(DIGEST_HMAC_SHA512))

#define DIGEST_HEX_MAX 128   /* ASCII hex of SHA-512 */
#define DIGEST_SALT_LEN 64   /* server salts we make */
#define DIGEST_SALT_MAX 1024 /* salts we take */
#define DIGEST_RESPONSE_MAX 8192

/* By name, e.g. "hmac+sha512", "xor", also "xor:extra" (matches by the part before ':').
 * DIGEST_NONE if not one of ours. name need not be terminated. */
enum digest digest_from_name(const char *name, size_t len);
const char *digest_name(enum digest d);
/* Whether a response of it is xor's. */
bool digest_is_xor(enum digest d);

/* The best of a set of DIGEST_BIT()s, DIGEST_NONE if it is empty. */
enum digest digest_best(unsigned set);

/* C into out (at least DIGEST_SALT_MAX bytes). 0 and *ret_len; -EINVAL for an empty client salt or
 * no digest, -EMSGSIZE for salts over DIGEST_SALT_MAX. Peers that send no client salt (3.1.3 takes
 * that) mean C = server salt: call digest_response() with it. */
int digest_combine_salts(enum digest salt_digest, const uint8_t *server_salt, size_t server_len,
                         const uint8_t *client_salt, size_t client_len, uint8_t *out,
                         size_t *ret_len);

/* The response to C into out (at least DIGEST_RESPONSE_MAX bytes). 0 and *ret_len; -EINVAL for no
 * digest, -EMSGSIZE for a password over DIGEST_RESPONSE_MAX or a salt over DIGEST_SALT_MAX. */
int digest_response(enum digest d, const void *password, size_t password_len, const uint8_t *salt,
                    size_t salt_len, uint8_t *out, size_t *ret_len);

/* Whether `response` is the right one for this password; constant time for a given length. An empty
 * response never is, not even xor's for an empty password. */
bool digest_verify(enum digest d, const void *password, size_t password_len, const uint8_t *salt,
                   size_t salt_len, const uint8_t *response, size_t response_len);

/* xor only: the clear password from the response into out (DIGEST_RESPONSE_MAX). */
int digest_unxor(const uint8_t *response, size_t response_len, const uint8_t *salt, size_t salt_len,
                 uint8_t *out, size_t *ret_len);
