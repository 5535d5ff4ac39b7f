/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker (with the password of an upstream) and guard (with the passwords of users): what answers a
 * challenge. No system calls. Source: xpra 3.1-6.6 net/digest.py.
 */
#include "wire/digest.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <string.h>

static const struct {
	const char *name;
	const struct nettle_hash *hash;
} digests[DIGEST_MAX_] = {
	[DIGEST_NONE] = {"none", NULL},
	[DIGEST_HMAC_SHA512] = {"hmac+sha512", &nettle_sha512},
	[DIGEST_HMAC_SHA384] = {"hmac+sha384", &nettle_sha384},
	[DIGEST_HMAC_SHA256] = {"hmac+sha256", &nettle_sha256},
	[DIGEST_HMAC_SHA224] = {"hmac+sha224", &nettle_sha224},
	[DIGEST_HMAC_SHA1] = {"hmac+sha1", &nettle_sha1},
	[DIGEST_HMAC_MD5] = {"hmac+md5", &nettle_md5},
	[DIGEST_HMAC] = {"hmac", &nettle_md5},
	[DIGEST_XOR] = {"xor", NULL},
	[DIGEST_KERBEROS] = {"kerberos", NULL},
	[DIGEST_GSS] = {"gss", NULL},
	[DIGEST_KEYCLOAK] = {"keycloak", NULL},
	[DIGEST_U2F] = {"u2f", NULL},
	[DIGEST_FIDO2] = {"fido2", NULL},
	[DIGEST_SCRAM_SHA256] = {"SCRAM-SHA-256", NULL},
	[DIGEST_SCRAM_SHA512] = {"SCRAM-SHA-512", NULL},
	[DIGEST_SCRAM_SHA3_512] = {"SCRAM-SHA3-512", NULL},
};

enum digest digest_from_name(const char *name, size_t len)
{
	const char *colon = len ? memchr(name, ':', len) : NULL;

	if (colon)
		len = (size_t)(colon - name);
	for (unsigned d = DIGEST_NONE + 1; len && d < DIGEST_MAX_; d++)
		if (strlen(digests[d].name) == len && !memcmp(digests[d].name, name, len))
			return (enum digest)d;
	return DIGEST_NONE;
}

const char *digest_name(enum digest d)
{
	return (unsigned)d < DIGEST_MAX_ ? digests[d].name : "unknown";
}

bool digest_is_xor(enum digest d)
{
	return d >= DIGEST_XOR && d <= DIGEST_KEYCLOAK;
}

enum digest digest_best(unsigned set)
{
	set &= DIGEST_HMAC_ALL | DIGEST_BIT(DIGEST_XOR);
	return set ? (enum digest)__builtin_ctz(set) : DIGEST_NONE;
}

/* HMAC as lower-case ASCII hex, never decoded again by anybody. Returns the number of digits. */
static size_t hmac_hex(const struct nettle_hash *hash, const void *key, size_t key_len,
                       const uint8_t *data, size_t data_len, uint8_t *out)
{
	static const char digits[] = "0123456789abcdef";
	union {
		struct md5_ctx md5;
		struct sha1_ctx sha1;
		struct sha256_ctx sha256;
		struct sha512_ctx sha512;
	} outer, inner, state;
	uint8_t mac[DIGEST_HEX_MAX / 2];
	size_t len = hash->digest_size;

	hmac_set_key(&outer, &inner, &state, hash, key_len, key);
	hmac_update(&state, hash, data_len, data);
	hmac_digest(&outer, &inner, &state, hash, len, mac);
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = (uint8_t)digits[mac[i] >> 4];
		out[2 * i + 1] = (uint8_t)digits[mac[i] & 15];
	}
	explicit_bzero(&outer, sizeof(outer));
	explicit_bzero(&inner, sizeof(inner));
	explicit_bzero(&state, sizeof(state));
	explicit_bzero(mac, sizeof(mac));
	return 2 * len;
}

/* data XOR pad, which is cut or zero-padded to len; out may be either of them. */
static void xor_padded(const uint8_t *data, size_t len, const uint8_t *pad, size_t pad_len,
                       uint8_t *out)
{
	for (size_t i = 0; i < len; i++)
		out[i] = i < pad_len ? data[i] ^ pad[i] : data[i];
}

int digest_combine_salts(enum digest salt_digest, const uint8_t *server_salt, size_t server_len,
                         const uint8_t *client_salt, size_t client_len, uint8_t *out,
                         size_t *ret_len)
{
	if (salt_digest <= DIGEST_NONE || salt_digest > DIGEST_XOR || !client_len)
		return -EINVAL;
	if (server_len > DIGEST_SALT_MAX || client_len > DIGEST_SALT_MAX)
		return -EMSGSIZE;
	if (salt_digest == DIGEST_XOR) {
		xor_padded(client_salt, client_len, server_salt, server_len, out);
		*ret_len = client_len;
		return 0;
	}
	*ret_len = hmac_hex(digests[salt_digest].hash, client_salt, client_len, server_salt,
	                    server_len, out);
	return 0;
}

int digest_response(enum digest d, const void *password, size_t password_len, const uint8_t *salt,
                    size_t salt_len, uint8_t *out, size_t *ret_len)
{
	if (d <= DIGEST_NONE || d > DIGEST_XOR)
		return -EINVAL;
	if (salt_len > DIGEST_SALT_MAX || password_len > DIGEST_RESPONSE_MAX)
		return -EMSGSIZE;
	if (d == DIGEST_XOR) {
		xor_padded(password, password_len, salt, salt_len, out);
		*ret_len = password_len;
		return 0;
	}
	*ret_len = hmac_hex(digests[d].hash, password, password_len, salt, salt_len, out);
	return 0;
}

bool digest_verify(enum digest d, const void *password, size_t password_len, const uint8_t *salt,
                   size_t salt_len, const uint8_t *response, size_t response_len)
{
	uint8_t expected[DIGEST_RESPONSE_MAX];
	size_t len = 0;
	bool ok;

	/* no response answers no password, or xor would accept silence for an empty one */
	ok = digest_response(d, password, password_len, salt, salt_len, expected, &len) == 0 &&
	     len > 0 && len == response_len && memeql_sec(expected, response, len);
	explicit_bzero(expected, sizeof(expected));
	return ok;
}

int digest_unxor(const uint8_t *response, size_t response_len, const uint8_t *salt, size_t salt_len,
                 uint8_t *out, size_t *ret_len)
{
	return digest_response(DIGEST_XOR, response, response_len, salt, salt_len, out, ret_len);
}
