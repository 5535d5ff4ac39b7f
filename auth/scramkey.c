/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/scramkey.c - SCRAM's keys. Guard, checker or xproxyctl. System calls: getrandom.
 */
#include "auth/scramkey.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "auth/module.h"

#define OUR_ITERATIONS 4096 /* PostgreSQL's */
#define OUR_SALT 16

const struct scramkey_mechanism scramkey_mechanisms[SCRAMKEY_MECHANISMS] = {
	{"SCRAM-SHA-256", &nettle_sha256},
	{"SCRAM-SHA-512", &nettle_sha512},
	{"SCRAM-SHA3-512", &nettle_sha3_512},
};

/* ---- keys ---- */

struct mac {
	union scramkey_state outer, inner, state;
	const struct nettle_hash *hash;
};

static void mac_key(struct mac *m, const struct nettle_hash *hash, const void *key, size_t len)
{
	m->hash = hash;
	hmac_set_key(&m->outer, &m->inner, &m->state, hash, len, key);
}

static void mac_end(struct mac *m, uint8_t *ret)
{
	hmac_digest(&m->outer, &m->inner, &m->state, m->hash, m->hash->digest_size, ret);
}

/* Hi() of RFC 5802: PBKDF2, whose first block is as long as the key is. */
static void salt_password(const struct scramkey *k, const char *password, size_t len, uint8_t *ret)
{
	size_t n = k->hash->digest_size;
	uint8_t u[SCRAMKEY_LEN_MAX];
	struct mac m;

	mac_key(&m, k->hash, password, len);
	hmac_update(&m.state, k->hash, k->salt_len, k->salt);
	hmac_update(&m.state, k->hash, 4, (const uint8_t *)"\0\0\0\1");
	mac_end(&m, u);
	memcpy(ret, u, n);
	for (unsigned i = 1; i < k->iterations; i++) {
		hmac_update(&m.state, k->hash, n, u);
		mac_end(&m, u);
		for (size_t j = 0; j < n; j++)
			ret[j] ^= u[j];
	}
	explicit_bzero(u, sizeof(u));
	explicit_bzero(&m, sizeof(m));
}

static void derive(const struct scramkey *k, const char *password, size_t len, uint8_t *ret_stored,
                   uint8_t *ret_server)
{
	size_t n = k->hash->digest_size;
	uint8_t salted[SCRAMKEY_LEN_MAX], client[SCRAMKEY_LEN_MAX];
	union scramkey_state plain;
	struct mac m;

	salt_password(k, password, len, salted);
	mac_key(&m, k->hash, salted, n);
	hmac_update(&m.state, k->hash, 10, (const uint8_t *)"Client Key");
	mac_end(&m, client);
	hmac_update(&m.state, k->hash, 10, (const uint8_t *)"Server Key");
	mac_end(&m, ret_server);
	k->hash->init(&plain);
	k->hash->update(&plain, n, client);
	k->hash->digest(&plain, n, ret_stored);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(client, sizeof(client));
	explicit_bzero(&m, sizeof(m));
}

bool scramkey_matches(const struct scramkey *key, const char *password, size_t len)
{
	uint8_t stored[SCRAMKEY_LEN_MAX], server[SCRAMKEY_LEN_MAX];
	size_t n = key->hash->digest_size;
	bool right;

	derive(key, password, len, stored, server);
	/* the server's key too: a record of which one half is another's is none */
	right = (memeql_sec(stored, key->stored, n) & memeql_sec(server, key->server, n)) == 1;
	explicit_bzero(stored, sizeof(stored));
	explicit_bzero(server, sizeof(server));
	return right;
}

/* ---- text ---- */

/* The base64 of *p up to the separator, which *p is moved past. */
static bool take_base64(const char **p, char separator, uint8_t *ret, size_t size, size_t *ret_len)
{
	const char *end = strchr(*p, separator);
	uint8_t buf[SCRAMKEY_SALT_MAX + 3];
	struct base64_decode_ctx ctx;
	size_t len = end ? (size_t)(end - *p) : 0, n = sizeof(buf);

	if (len == 0 || BASE64_DECODE_LENGTH(len) > sizeof(buf))
		return false;
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &n, buf, len, *p) || !base64_decode_final(&ctx) || n == 0 ||
	    n > size)
		return false;
	memcpy(ret, buf, n);
	*ret_len = n;
	*p = end + (separator != '\0');
	return true;
}

bool scramkey_parse(const char *text, struct scramkey *ret)
{
	static const char foreign[] = "SCRAM$";
	bool xpra = strncmp(text, foreign, sizeof(foreign) - 1) == 0;
	const char *p = xpra ? text + sizeof(foreign) - 1 : text;
	size_t name = strcspn(p, "$"), stored, server;
	unsigned long iterations;
	char *end;

	*ret = (struct scramkey){0};
	for (size_t i = 0; i < SCRAMKEY_MECHANISMS; i++)
		if (strlen(scramkey_mechanisms[i].name) == name &&
		    strncmp(scramkey_mechanisms[i].name, p, name) == 0 && (xpra || i == 0))
			ret->hash = scramkey_mechanisms[i].hash;
	if (!ret->hash || p[name] != '$')
		return false;
	p += name + 1;
	iterations = strtoul(p, &end, 10);
	if (*p < '1' || *p > '9' || iterations > SCRAMKEY_ITERATIONS_MAX ||
	    *end != (xpra ? '$' : ':'))
		return false;
	ret->iterations = (unsigned)iterations;
	p = end + 1;
	return take_base64(&p, '$', ret->salt, sizeof(ret->salt), &ret->salt_len) &&
	       take_base64(&p, xpra ? '$' : ':', ret->stored, sizeof(ret->stored), &stored) &&
	       take_base64(&p, '\0', ret->server, sizeof(ret->server), &server) &&
	       stored == ret->hash->digest_size && server == stored;
}

int scramkey_make(const char *password, char *ret, size_t size, char *err)
{
	struct scramkey key = {
		.hash = &nettle_sha256, .iterations = OUR_ITERATIONS, .salt_len = OUR_SALT};
	char salt[BASE64_ENCODE_RAW_LENGTH(OUR_SALT) + 1] = "";
	char stored[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
	char server[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1] = "";
	int n;

	if (getrandom(key.salt, OUR_SALT, 0) != OUR_SALT) {
		snprintf(err, AUTH_ERROR_MAX, "no random numbers");
		return -EIO;
	}
	derive(&key, password, strlen(password), key.stored, key.server);
	base64_encode_raw(salt, OUR_SALT, key.salt);
	base64_encode_raw(stored, SHA256_DIGEST_SIZE, key.stored);
	base64_encode_raw(server, SHA256_DIGEST_SIZE, key.server);
	n = snprintf(ret, size, "SCRAM-SHA-256$%u:%s$%s:%s", key.iterations, salt, stored, server);
	explicit_bzero(&key, sizeof(key));
	if (n > 0 && (size_t)n < size)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "the hash is too long");
	return -E2BIG;
}
