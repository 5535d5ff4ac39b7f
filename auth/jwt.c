/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/jwt.c - see auth/jwt.h. Checker, with its privilege. No system calls; OpenSSL compares.
 */
#include "auth/jwt.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PART_MAX 8192
#define RSA_BITS_MIN 2048
#define RSA_BYTES_MAX 1024
#define EC_LEN ((size_t)32) /* of P-256 */

/* A token, taken apart. */
struct parts {
	const char *text; /* "header.payload" is signed */
	size_t signed_len;
	uint8_t signature[PART_MAX];
	size_t signature_len;
	bool ec; /* ES256; else RS256 */
	const char *kid;
};

/* Base64url without padding. The number of bytes, at most size; 0: that is none. */
static size_t decode(const char *p, size_t len, uint8_t *ret, size_t size)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	size_t n = 0;

	if (len % 4 == 1)
		return 0;
	for (size_t i = 0; i < len; i++) {
		const char *at = p[i] ? strchr(alphabet, p[i]) : NULL;

		if (!at)
			return 0;
		bits = bits << 6 | (uint32_t)(at - alphabet);
		if (i % 4 == 0)
			continue;
		if (n == size)
			return 0;
		ret[n++] = (uint8_t)(bits >> (6 - 2 * (i % 4)));
	}
	return n;
}

static size_t decode_member(const json_t *object, const char *name, uint8_t *ret, size_t size)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value)
	               ? decode(json_string_value(value), json_string_length(value), ret, size)
	               : 0;
}

static json_t *decode_object(const char *p, size_t len)
{
	uint8_t text[PART_MAX];
	size_t n = decode(p, len, text, sizeof(text));
	json_t *object = n ? json_loadb((char *)text, n, JSON_REJECT_DUPLICATES, NULL) : NULL;

	if (json_is_object(object))
		return object;
	json_decref(object);
	return NULL;
}

/* ---- keys ---- */

static EVP_PKEY *from_params(const char *type, OSSL_PARAM_BLD *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY *key = NULL;

	if (!ctx || !params || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *read_rsa(const json_t *jwk)
{
	uint8_t n[RSA_BYTES_MAX], e[8];
	size_t n_len = decode_member(jwk, "n", n, sizeof(n));
	size_t e_len = decode_member(jwk, "e", e, sizeof(e));
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	BIGNUM *n_bn = BN_bin2bn(n, (int)n_len, NULL), *e_bn = BN_bin2bn(e, (int)e_len, NULL);
	EVP_PKEY *key = NULL;

	if (n_len && e_len && b && n_bn && e_bn && BN_num_bits(n_bn) >= RSA_BITS_MIN &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n_bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e_bn) == 1)
		key = from_params("RSA", b);
	OSSL_PARAM_BLD_free(b);
	BN_free(n_bn);
	BN_free(e_bn);
	return key;
}

static EVP_PKEY *read_ec(const json_t *jwk)
{
	const char *curve = json_string_value(json_object_get(jwk, "crv"));
	uint8_t point[1 + 2 * EC_LEN] = {4};
	OSSL_PARAM_BLD *b = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (b && curve && strcmp(curve, "P-256") == 0 &&
	    decode_member(jwk, "x", point + 1, EC_LEN) == EC_LEN &&
	    decode_member(jwk, "y", point + 1 + EC_LEN, EC_LEN) == EC_LEN &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)) == 1)
		key = from_params("EC", b);
	OSSL_PARAM_BLD_free(b);
	return key;
}

static bool is_or_missing(const json_t *object, const char *name, const char *want)
{
	const json_t *value = json_object_get(object, name);

	return !value || (json_is_string(value) && strcmp(json_string_value(value), want) == 0);
}

/* The key, if it is one that may have signed this token. */
static EVP_PKEY *read_key(const json_t *jwk, const struct parts *t)
{
	const char *kind = json_string_value(json_object_get(jwk, "kty"));
	const char *kid = json_string_value(json_object_get(jwk, "kid"));

	if (!kind || strcmp(kind, t->ec ? "EC" : "RSA") != 0 || !is_or_missing(jwk, "use", "sig") ||
	    !is_or_missing(jwk, "alg", t->ec ? "ES256" : "RS256") ||
	    (t->kid && (!kid || strcmp(kid, t->kid) != 0)))
		return NULL;
	return t->ec ? read_ec(jwk) : read_rsa(jwk);
}

/* ---- signatures ---- */

/* Both numbers one after the other become what OpenSSL takes; the caller frees. 0: they cannot. */
static size_t ec_signature(const struct parts *t, uint8_t **ret)
{
	ECDSA_SIG *s = ECDSA_SIG_new();
	BIGNUM *a = BN_bin2bn(t->signature, EC_LEN, NULL);
	BIGNUM *b = BN_bin2bn(t->signature + EC_LEN, EC_LEN, NULL);
	int len = -1;

	if (s && a && b && ECDSA_SIG_set0(s, a, b) == 1) {
		len = i2d_ECDSA_SIG(s, ret);
	} else {
		BN_free(a);
		BN_free(b);
	}
	ECDSA_SIG_free(s);
	return len > 0 ? (size_t)len : 0;
}

static bool is_signed(const struct parts *t, EVP_PKEY *key)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *der = NULL;
	const uint8_t *signature = t->signature;
	size_t len = t->signature_len;
	bool ok;

	if (t->ec) {
		len = len == 2 * EC_LEN ? ec_signature(t, &der) : 0;
		signature = der;
	}
	ok = len && ctx && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, signature, len, (const uint8_t *)t->text, t->signed_len) == 1;
	EVP_MD_CTX_free(ctx);
	OPENSSL_free(der);
	return ok;
}

/* ---- tokens ---- */

static const char *read_header(const json_t *header, struct parts *ret)
{
	const char *alg = json_string_value(json_object_get(header, "alg"));
	const json_t *kid = json_object_get(header, "kid");

	if (!header || !alg)
		return "is no signed token";
	ret->ec = strcmp(alg, "ES256") == 0;
	if (!ret->ec && strcmp(alg, "RS256") != 0)
		return "is not signed by RS256 or ES256";
	if (json_object_get(header, "crit") || (kid && !json_is_string(kid)))
		return "has a header that is not understood";
	ret->kid = json_string_value(kid);
	return NULL;
}

static const char *find_signer(const struct parts *t, const json_t *keys)
{
	const char *why = "is signed by a key that the server does not have";
	size_t i;
	json_t *jwk;

	json_array_foreach(keys, i, jwk)
	{
		EVP_PKEY *key = read_key(jwk, t);
		bool right = key && is_signed(t, key);

		if (key)
			why = "has a wrong signature";
		EVP_PKEY_free(key);
		if (right)
			return NULL;
	}
	return why;
}

int jwt_verify(const char *token, const char *jwks, size_t jwks_len, json_t **ret,
               const char **ret_why)
{
	static struct parts t; /* large */
	const char *payload = strchr(token, '.');
	const char *signature = payload ? strchr(payload + 1, '.') : NULL;
	json_t *list = json_loadb(jwks, jwks_len, JSON_REJECT_DUPLICATES, NULL), *header = NULL;
	const json_t *keys = json_object_get(list, "keys");

	*ret = NULL;
	if (!json_is_array(keys)) {
		json_decref(list);
		return -EPROTO;
	}
	*ret_why = "is no signed token";
	if (signature) {
		header = decode_object(token, (size_t)(payload - token));
		t = (struct parts){.text = token, .signed_len = (size_t)(signature - token)};
		t.signature_len = decode(signature + 1, strlen(signature + 1), t.signature,
		                         sizeof(t.signature));
		*ret_why = read_header(header, &t);
		if (!*ret_why)
			*ret_why = find_signer(&t, keys);
		if (!*ret_why)
			*ret = decode_object(payload + 1, (size_t)(signature - payload - 1));
	}
	json_decref(header);
	json_decref(list);
	if (*ret)
		return 1;
	if (!*ret_why)
		*ret_why = "has no claims";
	return 0;
}
