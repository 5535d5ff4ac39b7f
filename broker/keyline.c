/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/keyline.c - lines for authorized_keys, see broker/keyline.h. xproxy-x2gobroker, as its
 * user. No system calls but those of OpenSSL, for randomness.
 */
#include "broker/keyline.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/macros.h"

#define RSA_BITS 2048
#define BLOB_MAX 2200               /* bytes of a public key: RSA of 16384 bits */
#define LAST_ZONE_SEC (time_t)50400 /* 14 hours */
#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

enum keyline_expiry keyline_expiry_of(const char *word)
{
	return !word                       ? KEYLINE_UTC
	       : strcmp(word, "late") == 0 ? KEYLINE_LATE
	       : strcmp(word, "none") == 0 ? KEYLINE_NONE
	                                   : KEYLINE_UTC;
}

/* ---- the line ---- */

static void put_expiry(const struct keyline *k, char ret[64])
{
	time_t end = (time_t)(k->end_usec / USEC_PER_SEC);
	char when[32] = "";
	struct tm tm;

	ret[0] = '\0';
	if (k->expiry == KEYLINE_LATE)
		end += LAST_ZONE_SEC;
	if (k->expiry != KEYLINE_NONE && gmtime_r(&end, &tm) &&
	    strftime(when, sizeof(when), "%Y%m%d%H%M%S", &tm) > 0)
		snprintf(ret, 64, ",expiry-time=\"%s%s\"", when,
		         k->expiry == KEYLINE_UTC ? "Z" : "");
}

/* The line passes through shells and sed on its way into the file and out of it. */
static void put_comment(const struct keyline *k, char ret[256])
{
	snprintf(ret, 256, "%.120s@%.64s", k->user, k->address);
	for (char *c = ret; *c; c++)
		if (!strchr(ALPHABET "._@:-", *c))
			*c = '_';
}

static int put_line(const struct keyline *k, const char *type, const char *base64,
                    char ret[KEYLINE_MAX])
{
	char expiry[64], comment[256];
	int n;

	put_expiry(k, expiry);
	put_comment(k, comment);
	n = snprintf(ret, KEYLINE_MAX, "restrict,pty,port-forwarding%s %s %s %s", expiry, type,
	             base64, comment);
	return n < 0 || n >= KEYLINE_MAX ? -EMSGSIZE : 0;
}

/* ---- a key of ours ---- */

static size_t put_string(uint8_t *to, const void *data, size_t len)
{
	const uint8_t head[4] = {(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
	                         (uint8_t)len};

	memcpy(to, head, sizeof(head));
	memcpy(to + sizeof(head), data, len);
	return sizeof(head) + len;
}

/* A number as ssh has it: with a zero byte before it if it would be a negative one else. */
static size_t put_number(uint8_t *to, const BIGNUM *n)
{
	uint8_t bytes[RSA_BITS / 8 + 1] = {0};
	size_t len = (size_t)BN_num_bytes(n), zero = BN_num_bits(n) % 8 == 0;

	BN_bn2bin(n, bytes + zero);
	return put_string(to, bytes, len + zero);
}

static int public_line(const struct keyline *k, EVP_PKEY *key, char ret[KEYLINE_MAX])
{
	uint8_t blob[RSA_BITS / 8 + 64], base64[sizeof(blob) * 2];
	BIGNUM *n = NULL, *e = NULL;
	size_t len;
	int r = -ENOMEM;

	if (EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
	    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
		len = put_string(blob, "ssh-rsa", 7);
		len += put_number(blob + len, e);
		len += put_number(blob + len, n);
		(void)EVP_EncodeBlock(base64, blob, (int)len);
		r = put_line(k, "ssh-rsa", (const char *)base64, ret);
	}
	BN_free(n);
	BN_free(e);
	return r;
}

/* OpenSSL clears what it frees of this. */
static int private_pem(EVP_PKEY *key, char ret_pem[KEYLINE_PEM_MAX])
{
	BIO *b = BIO_new(BIO_s_secmem());
	int r = -ENOMEM, n;

	if (b && PEM_write_bio_PrivateKey_traditional(b, key, NULL, NULL, 0, NULL, NULL) == 1) {
		n = BIO_read(b, ret_pem, KEYLINE_PEM_MAX - 1);
		r = n <= 0 ? -ENOMEM : n == KEYLINE_PEM_MAX - 1 ? -EMSGSIZE : 0;
		ret_pem[n > 0 ? n : 0] = '\0';
	}
	BIO_free(b);
	if (r < 0)
		explicit_bzero(ret_pem, KEYLINE_PEM_MAX);
	return r;
}

int keyline_make(const struct keyline *k, char ret[KEYLINE_MAX], char ret_pem[KEYLINE_PEM_MAX])
{
	EVP_PKEY *key = EVP_RSA_gen(RSA_BITS);
	int r = key ? public_line(k, key, ret) : -ENOMEM;

	if (r == 0)
		r = private_pem(key, ret_pem);
	EVP_PKEY_free(key);
	return r;
}

/* ---- a key of the client's ---- */

struct span {
	const uint8_t *data;
	size_t len;
};

static bool take_string(struct span *from, struct span *ret)
{
	size_t len;

	if (from->len < 4)
		return false;
	len = (size_t)from->data[0] << 24 | (size_t)from->data[1] << 16 |
	      (size_t)from->data[2] << 8 | from->data[3];
	if (len > from->len - 4)
		return false;
	*ret = (struct span){from->data + 4, len};
	from->data += 4 + len;
	from->len -= 4 + len;
	return true;
}

static bool is_text(const struct span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->data, text, s->len) == 0;
}

static bool is_rsa(struct span *blob)
{
	struct span e, n;

	return take_string(blob, &e) && take_string(blob, &n) && blob->len == 0 && e.len >= 1 &&
	       e.len <= 9 && !(e.data[0] & 0x80) && (e.data[e.len - 1] & 1) && n.len >= 1 &&
	       /* a zero byte, then the first of 2048 bits or more */
	       n.data[0] == 0 && n.len > RSA_BITS / 8 && (n.data[1] & 0x80);
}

static bool is_ed25519(struct span *blob)
{
	struct span point;

	return take_string(blob, &point) && blob->len == 0 && point.len == 32;
}

static bool is_ecdsa(struct span *blob, const char *curve, size_t bytes)
{
	struct span name, point;

	return take_string(blob, &name) && take_string(blob, &point) && blob->len == 0 &&
	       is_text(&name, curve) && point.len == 1 + 2 * bytes && point.data[0] == 4;
}

static bool is_nistp256(struct span *blob)
{
	return is_ecdsa(blob, "nistp256", 32);
}

static bool is_nistp384(struct span *blob)
{
	return is_ecdsa(blob, "nistp384", 48);
}

static bool is_nistp521(struct span *blob)
{
	return is_ecdsa(blob, "nistp521", 66);
}

static const struct key_type {
	const char *name;
	bool (*check)(struct span *blob); /* what comes behind the name */
} types[] = {
	{"ssh-rsa", is_rsa},
	{"ssh-ed25519", is_ed25519},
	{"ecdsa-sha2-nistp256", is_nistp256},
	{"ecdsa-sha2-nistp384", is_nistp384},
	{"ecdsa-sha2-nistp521", is_nistp521},
};

static const struct key_type *find_type(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

/* The bytes that it stands for: their number, or 0. */
static size_t decode(const char *base64, uint8_t ret[BLOB_MAX])
{
	size_t len = strlen(base64), digits = strspn(base64, ALPHABET "+/"), pad = len - digits;
	int n;

	if (len == 0 || len % 4 != 0 || pad > 2 || strspn(base64 + digits, "=") != pad ||
	    len / 4 * 3 > BLOB_MAX)
		return 0;
	n = EVP_DecodeBlock(ret, (const uint8_t *)base64, (int)len);
	return n < (int)pad ? 0 : (size_t)n - pad;
}

static bool is_key(const struct key_type *type, const char *base64)
{
	uint8_t blob[BLOB_MAX];
	struct span rest = {.data = blob, .len = decode(base64, blob)}, name;

	return take_string(&rest, &name) && is_text(&name, type->name) && type->check(&rest);
}

/* Words with one blank between: [options] type key [comment]. Options with blanks in them have
 * quotes, and are no client's. */
int keyline_take(const struct keyline *k, const char *pubkey, char ret[KEYLINE_MAX])
{
	char copy[KEYLINE_MAX], *words[4] = {NULL}, *rest = copy;
	const struct key_type *type;
	size_t n = 0, i = 0;

	if (strlen(pubkey) >= sizeof(copy))
		return -EINVAL;
	for (const char *c = pubkey; *c; c++)
		if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
			return -EINVAL;
	snprintf(copy, sizeof(copy), "%s", pubkey);
	while (rest && n < ARRAY_SIZE(words))
		words[n++] = strsep(&rest, " ");
	type = find_type(words[0]);
	if (!type && n > 1 && words[0][0])
		type = find_type(words[++i]);
	if (rest || !type || i + 1 >= n || n > i + 3 || !is_key(type, words[i + 1]))
		return -EINVAL;
	return put_line(k, type->name, words[i + 1], ret);
}
