/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker, locked: AES as xpra uses it, as one stream of bytes for each direction, and where its
 * keys come from. No system calls.
 */
#include "wire/cipher.h"

#include <errno.h>
#include <nettle/cbc.h>
#include <nettle/cfb.h>
#include <nettle/ctr.h>
#include <nettle/gcm.h>
#include <nettle/hmac.h>
#include <nettle/macros.h>
#include <nettle/nettle-meta.h>
#include <nettle/pbkdf2.h>
#include <string.h>
#include <strings.h>

static const char *const modes[] = {
	[CIPHER_CBC] = "CBC", [CIPHER_GCM] = "GCM", [CIPHER_CFB] = "CFB", [CIPHER_CTR] = "CTR"};
static const char *const paddings[] = {[CIPHER_LEGACY] = "legacy", [CIPHER_PKCS7] = "PKCS#7"};

/* nettle's own way of calling a hash whose context it does not know. */
static const struct {
	const char *name;
	void (*set_key)(void *ctx, size_t len, const uint8_t *key);
	nettle_hash_update_func *update;
	nettle_hash_digest_func *digest;
	size_t size;
} hashes[] = {
#define HMAC(upper, lower)                                                                    \
	{                                                                                     \
#upper, (void (*)(void *, size_t, const uint8_t *))hmac_##lower##_set_key,    \
			(nettle_hash_update_func *)hmac_##lower##_update,                     \
			(nettle_hash_digest_func *)hmac_##lower##_digest, upper##_DIGEST_SIZE \
	}
	[CIPHER_SHA1] = HMAC(SHA1, sha1),       [CIPHER_SHA224] = HMAC(SHA224, sha224),
	[CIPHER_SHA256] = HMAC(SHA256, sha256), [CIPHER_SHA384] = HMAC(SHA384, sha384),
	[CIPHER_SHA512] = HMAC(SHA512, sha512),
#undef HMAC
};

const char *cipher_mode_name(enum cipher_mode mode)
{
	return modes[mode];
}

const char *cipher_hash_name(enum cipher_hash hash)
{
	return hashes[hash].name;
}

const char *cipher_padding_name(enum cipher_padding padding)
{
	return paddings[padding];
}

static bool named(const char *a, const char *name, size_t len)
{
	return strlen(a) == len && strncasecmp(a, name, len) == 0;
}

int cipher_mode_from_name(const char *name, size_t len)
{
	for (int i = 0; i < CIPHER_MODE_MAX_; i++)
		if (named(modes[i], name, len))
			return i;
	return -1;
}

int cipher_hash_from_name(const char *name, size_t len)
{
	for (int i = 0; i < CIPHER_HASH_MAX_; i++)
		if (named(hashes[i].name, name, len))
			return i;
	return -1;
}

int cipher_padding_from_name(const char *name, size_t len)
{
	for (int i = 0; i < CIPHER_PADDING_MAX_; i++)
		if (named(paddings[i], name, len))
			return i;
	return -1;
}

int cipher_derive(const struct cipher_params *p, const void *secret, size_t secret_len,
                  uint8_t out[CIPHER_KEY_MAX])
{
	union {
		struct hmac_sha1_ctx sha1;
		struct hmac_sha256_ctx sha256;
		struct hmac_sha512_ctx sha512;
	} mac;

	if ((unsigned)p->hash >= CIPHER_HASH_MAX_ || p->iterations < CIPHER_ITERATIONS_MIN ||
	    p->iterations > CIPHER_ITERATIONS_MAX || secret_len == 0 || p->salt_len == 0 ||
	    p->salt_len > CIPHER_SALT_MAX ||
	    (p->key_size != 16 && p->key_size != 24 && p->key_size != 32))
		return -EINVAL;
	hashes[p->hash].set_key(&mac, secret_len, secret);
	pbkdf2(&mac, hashes[p->hash].update, hashes[p->hash].digest, hashes[p->hash].size,
	       p->iterations, p->salt_len, p->salt, p->key_size, out);
	explicit_bzero(&mac, sizeof(mac));
	return 0;
}

/* GCM with an IV of 16 bytes counts from a hash of it, which depends on the key. */
static void set_gcm_counter(struct cipher *c, const uint8_t iv[CIPHER_BLOCK])
{
	struct gcm_key key;
	struct gcm_ctx ctx;

	gcm_set_key(&key, &c->key, c->aes->encrypt);
	gcm_set_iv(&ctx, &key, CIPHER_BLOCK, iv);
	memcpy(c->chain, ctx.ctr.b, CIPHER_BLOCK);
	explicit_bzero(&key, sizeof(key));
	explicit_bzero(&ctx, sizeof(ctx));
}

void cipher_set_iv(struct cipher *c, const uint8_t iv[CIPHER_BLOCK])
{
	c->used = CIPHER_BLOCK;
	if (c->mode == CIPHER_GCM)
		set_gcm_counter(c, iv);
	else
		memcpy(c->chain, iv, CIPHER_BLOCK);
}

static int start(struct cipher *c, const struct cipher_params *p, const void *secret,
                 size_t secret_len, bool decrypts)
{
	static const struct nettle_cipher *const sizes[] = {&nettle_aes128, &nettle_aes192,
	                                                    &nettle_aes256};
	uint8_t key[CIPHER_KEY_MAX];
	int r = -EINVAL;

	cipher_wipe(c);
	if ((unsigned)p->mode < CIPHER_MODE_MAX_ && (unsigned)p->padding < CIPHER_PADDING_MAX_ &&
	    (p->granularity == 16 || p->granularity == 32 || (p->granularity == 0 && decrypts)))
		r = cipher_derive(p, secret, secret_len, key);
	if (r < 0)
		return r;
	c->mode = p->mode;
	c->padding = p->padding;
	/* Spaces tell nothing, and who pads with them pads to 32. */
	c->granularity = p->granularity == 0 && p->padding == CIPHER_LEGACY ? 32 : p->granularity;
	c->stream = p->stream;
	c->decrypts = decrypts;
	c->aes = sizes[p->key_size / 8 - 2];
	if (decrypts && p->mode == CIPHER_CBC)
		c->aes->set_decrypt_key(&c->key, key);
	else
		c->aes->set_encrypt_key(&c->key, key);
	explicit_bzero(key, sizeof(key));
	cipher_set_iv(c, p->iv);
	return 0;
}

int cipher_start_reader(struct cipher *c, const struct cipher_params *p, const void *secret,
                        size_t secret_len)
{
	return start(c, p, secret, secret_len, true);
}

int cipher_start_writer(struct cipher *c, const struct cipher_params *p, const void *secret,
                        size_t secret_len, void (*make_iv)(uint8_t iv[CIPHER_BLOCK]))
{
	int r;

	if (!p->stream && !make_iv) {
		cipher_wipe(c);
		return -EINVAL;
	}
	r = start(c, p, secret, secret_len, false);
	if (r == 0)
		c->make_iv = make_iv;
	return r;
}

void cipher_wipe(struct cipher *c)
{
	explicit_bzero(c, sizeof(*c));
}

/* GCM counts in the last four bytes only, CTR in all of them. */
static void count(struct cipher *c)
{
	if (c->mode == CIPHER_GCM)
		INCREMENT(4, c->chain + CIPHER_BLOCK - 4);
	else
		INCREMENT(CIPHER_BLOCK, c->chain);
}

/* Less than a block: the keystream is kept for the bytes that follow. */
static void crypt_bytes(struct cipher *c, uint8_t *dst, const uint8_t *src, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t in = src[i];

		if (c->used == CIPHER_BLOCK) {
			c->aes->encrypt(&c->key, CIPHER_BLOCK, c->keystream, c->chain);
			if (c->mode != CIPHER_CFB)
				count(c);
			c->used = 0;
		}
		dst[i] = in ^ c->keystream[c->used];
		if (c->mode == CIPHER_CFB)
			c->chain[c->used] = c->decrypts ? in : dst[i];
		c->used++;
	}
}

/* nettle counts in all sixteen bytes, so it stops where GCM's four wrap. */
static void crypt_gcm(struct cipher *c, uint8_t *dst, const uint8_t *src, size_t len)
{
	while (len > 0) {
		uint32_t counter = READ_UINT32(c->chain + CIPHER_BLOCK - 4);
		uint64_t until = (((uint64_t)1 << 32) - counter) * CIPHER_BLOCK;
		size_t n = len < until ? len : (size_t)until;
		uint8_t fixed[CIPHER_BLOCK - 4];

		memcpy(fixed, c->chain, sizeof(fixed));
		ctr_crypt(&c->key, c->aes->encrypt, CIPHER_BLOCK, c->chain, n, dst, src);
		memcpy(c->chain, fixed, sizeof(fixed));
		dst += n;
		src += n;
		len -= n;
	}
}

static void crypt_blocks(struct cipher *c, uint8_t *dst, const uint8_t *src, size_t len)
{
	switch (c->mode) {
	case CIPHER_CBC:
		if (c->decrypts)
			cbc_decrypt(&c->key, c->aes->decrypt, CIPHER_BLOCK, c->chain, len, dst,
			            src);
		else
			cbc_encrypt(&c->key, c->aes->encrypt, CIPHER_BLOCK, c->chain, len, dst,
			            src);
		break;
	case CIPHER_CFB:
		if (c->decrypts)
			cfb_decrypt(&c->key, c->aes->encrypt, CIPHER_BLOCK, c->chain, len, dst,
			            src);
		else
			cfb_encrypt(&c->key, c->aes->encrypt, CIPHER_BLOCK, c->chain, len, dst,
			            src);
		break;
	case CIPHER_CTR:
		ctr_crypt(&c->key, c->aes->encrypt, CIPHER_BLOCK, c->chain, len, dst, src);
		break;
	case CIPHER_GCM:
	case CIPHER_MODE_MAX_:
	default:
		crypt_gcm(c, dst, src, len);
		break;
	}
}

void cipher_crypt(struct cipher *c, uint8_t *dst, const uint8_t *src, size_t len)
{
	size_t n = CIPHER_BLOCK - c->used;

	if (n > 0) { /* never with CBC */
		n = len < n ? len : n;
		crypt_bytes(c, dst, src, n);
		dst += n;
		src += n;
		len -= n;
	}
	n = len & ~(size_t)(CIPHER_BLOCK - 1);
	if (n > 0)
		crypt_blocks(c, dst, src, n);
	crypt_bytes(c, dst + n, src + n, len - n);
}
