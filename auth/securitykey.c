/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/securitykey.c - public keys, signatures, counters, see auth/securitykey.h. Checker, with its
 * privilege. System calls: those of base/readfile.c and auth/counter.c; stat, getrandom.
 *
 * Source: FIDO U2F raw messages 1.2, and what of it xpra 3.1-6.6 sends: a byte of flags, the
 * device's counter, a signature of both with the application's name and the client's data; the
 * latter are made again here, of the challenge and the origin that the client has sent.
 */
#include "auth/securitykey.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/counter.h"
#include "base/macros.h"
#include "base/readfile.h"

#define SALT_LEN 64             /* as xpra */
#define POINT_LEN ((size_t)65)  /* 4, x, y */
#define PREFIX_LEN ((size_t)26) /* of DER before it */
#define ORIGIN_MAX 256
#define SIGNATURE_MAX 80
#define PRESENT 1 /* somebody has touched it */
#define FILE_MAX (1u << 20)

static const uint8_t prefix[PREFIX_LEN] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
	0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
};

/* The curve's generator: a key that nobody has, for users without one. */
static const char nobodys[] = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
			      "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

/* One answer of a client, taken apart. */
struct answer {
	uint32_t counter;
	bool present;
	const uint8_t *signature;
	size_t signature_len;
	uint8_t data[SHA256_DIGEST_LENGTH + 5 + SHA256_DIGEST_LENGTH]; /* that is signed */
};

/* ---- keys ---- */

/* Hex, with or without the prefix. The key, or NULL: that is none on this curve. */
static EVP_PKEY *read_key(const char *hex, size_t len)
{
	uint8_t der[PREFIX_LEN + POINT_LEN], *at = der;
	const uint8_t *p = der;

	if (len == 2 * POINT_LEN) {
		memcpy(der, prefix, PREFIX_LEN);
		at += PREFIX_LEN;
	} else if (len != 2 * sizeof(der)) {
		return NULL;
	}
	for (size_t i = 0; i < len; i += 2) {
		unsigned byte;
		char two[3] = {hex[i], hex[i + 1], '\0'};

		if (strspn(two, "0123456789abcdefABCDEF") != 2 || sscanf(two, "%x", &byte) != 1)
			return NULL;
		*at++ = (uint8_t)byte;
	}
	return memcmp(der, prefix, PREFIX_LEN) == 0 ? d2i_PUBKEY(NULL, &p, sizeof(der)) : NULL;
}

static bool is_signed(const struct answer *n, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	          EVP_DigestVerify(ctx, n->signature, n->signature_len, n->data, sizeof(n->data)) ==
	                  1;

	EVP_MD_CTX_free(ctx);
	return ok;
}

/* One key of those that may have signed. 1 it has, with its point's hex in ret; 0; -EINVAL. */
static int try_key(const struct answer *n, const char *hex, size_t len, char *ret)
{
	EVP_PKEY *key = read_key(hex, len);
	bool ok = key && n && is_signed(n, key);

	EVP_PKEY_free(key);
	if (!key)
		return -EINVAL;
	if (!ok)
		return 0;
	for (size_t i = 0; i < 2 * POINT_LEN; i++) /* the same key is written in two ways */
		ret[i] = (char)(hex[len - 2 * POINT_LEN + i] | 0x20);
	ret[2 * POINT_LEN] = '\0';
	return 1;
}

/* ---- public-keys= ---- */

static int check_owner(const char *file, char *err)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_uid == geteuid() || st.st_uid == 0) &&
	    !(st.st_mode & 022))
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "public-keys=%s must be owned by uid %u and writable by nobody else: who can "
	         "write it can log in as anybody",
	         auth_path_tail(file), geteuid());
	return -EPERM;
}

/* A line for each key: USER KEY. With n, those of username; else only whether all are well formed.
 */
static int search(const char *text, const char *file, const char *username, const struct answer *n,
                  char *ret, char *err)
{
	int found = 0, tried = 0;

	for (unsigned number = 1; *text; number++) {
		size_t len = strcspn(text, "\n"), blank = strspn(text, " \t\r");
		const char *user = text + blank, *key;
		size_t user_len = strcspn(user, " \t\r\n"), key_len;

		key = user + user_len + strspn(user + user_len, " \t");
		key_len = strcspn(key, " \t\r\n");
		if (blank < len && *user != '#') {
			bool mine = n && strlen(username) == user_len &&
			            memcmp(user, username, user_len) == 0;
			int r = n && !mine ? 0 : try_key(n, key, key_len, ret);

			if (r < 0) {
				snprintf(err, AUTH_ERROR_MAX,
				         "public-keys=%s: line %u is not a user's name and a P-256 "
				         "public key in hexadecimal",
				         auth_path_tail(file), number);
				return r;
			}
			tried += mine;
			found |= r;
		}
		text += len + (text[len] == '\n');
	}
	if (n && !tried) /* takes as long */
		(void)try_key(n, nobodys, sizeof(nobodys) - 1, ret);
	return found;
}

/* 1 with the key that has signed, 0 none has; n is NULL: whether all is in order. */
static int find_key(const struct auth_options *o, const char *username, const struct answer *n,
                    char *ret, char *err)
{
	const char *key = auth_option(o, "public_key", NULL);
	const char *file = auth_option(o, "public-keys", NULL);
	char *text;
	size_t len;
	int r;

	if (!key == !file) {
		snprintf(err, AUTH_ERROR_MAX,
		         "it needs either public_key= (one for all users) or public-keys= (a file "
		         "with everybody's)");
		return -EINVAL;
	}
	if (key) {
		r = try_key(n, key, strlen(key), ret);
		if (r < 0)
			snprintf(err, AUTH_ERROR_MAX,
			         "public_key= is not a P-256 public key in hexadecimal, 130 "
			         "digits that begin with 04");
		return r;
	}
	r = check_owner(file, err);
	if (r == 0)
		r = readfile_secret(file, FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	r = search(text, file, username, n, ret, err);
	readfile_free(text, len);
	return r;
}

/* ---- answers ---- */

/* The client's data as JSON, keys sorted, as Python writes it. Its length; 0: not one that a client
 * sends. */
static size_t client_data(const uint8_t *salt, const uint8_t *origin, size_t origin_len, char *ret,
                          size_t size)
{
	char base64[(SALT_LEN + 2) / 3 * 4 + 1], text[2 * ORIGIN_MAX + 1];
	size_t n = 0;

	if (origin_len > ORIGIN_MAX)
		return 0;
	for (size_t i = 0; i < origin_len; i++) {
		if (origin[i] < ' ' || origin[i] > '~')
			return 0;
		if (origin[i] == '"' || origin[i] == '\\')
			text[n++] = '\\';
		text[n++] = (char)origin[i];
	}
	text[n] = '\0';
	(void)EVP_EncodeBlock((uint8_t *)base64, salt, SALT_LEN);
	base64[strcspn(base64, "=")] = '\0';
	for (char *p = base64; *p; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p);
	return (size_t)snprintf(ret, size,
	                        "{\"challenge\": \"%s\", \"origin\": \"%s\", "
	                        "\"typ\": \"navigator.id.getAssertion\"}",
	                        base64, text);
}

static bool read_answer(const struct auth_attempt *a, struct answer *ret)
{
	const char *app = auth_option(a->options, "app_id", "Xpra");
	const uint8_t *r = a->response;
	char json[1024];
	size_t n;

	if (a->response_len < 5 + 8 || a->response_len > 5 + SIGNATURE_MAX)
		return false;
	n = client_data(a->state, a->client_salt, a->client_salt_len, json, sizeof(json));
	if (n == 0 || n >= sizeof(json))
		return false;
	ret->present = r[0] & PRESENT;
	ret->counter = (uint32_t)r[1] << 24 | (uint32_t)r[2] << 16 | (uint32_t)r[3] << 8 | r[4];
	ret->signature = r + 5;
	ret->signature_len = a->response_len - 5;
	SHA256((const uint8_t *)app, strlen(app), ret->data);
	memcpy(ret->data + SHA256_DIGEST_LENGTH, r, 5);
	SHA256((const uint8_t *)json, n, ret->data + SHA256_DIGEST_LENGTH + 5);
	return true;
}

static void warn(const struct auth_attempt *a, const char *text)
{
	if (a->warn)
		a->warn(a, text);
}

/* ---- the module ---- */

int securitykey_challenge(struct auth_attempt *a, const char *digest, struct auth_challenge *ret)
{
	_Static_assert(SALT_LEN <= AUTH_STATE_MAX, "verify() needs it again");

	if (getrandom(a->state, SALT_LEN, 0) != SALT_LEN) {
		snprintf(a->error, sizeof(a->error), "no random numbers");
		return -EIO;
	}
	snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
	memcpy(ret->salt, a->state, SALT_LEN);
	ret->salt_len = SALT_LEN;
	return 0;
}

int securitykey_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct answer answer = {0};
	char key[2 * POINT_LEN + 1];
	uint64_t old = 0;
	int r;

	(void)ret_row;
	if (!read_answer(a, &answer))
		return AUTH_NO;
	r = find_key(a->options, a->username, &answer, key, a->error);
	if (r <= 0)
		return r;
	if (!answer.present) {
		warn(a, "security key: nobody has touched it");
		return AUTH_NO;
	}
	r = counter_raise(a->options, "key", key, answer.counter, &old, a->error);
	if (r == 0)
		warn(a, "security key: its counter has not grown since the last time: there may be "
		        "a copy of it");
	return r;
}

int securitykey_open(const struct auth_options *options, char *err)
{
	int r = find_key(options, "", NULL, NULL, err);

	return r < 0 ? r : counter_open(options, err);
}

const char *const securitykey_options[] = {"app_id", "public_key", "public-keys", "state", NULL};
