/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/cipher.h - xpra's AES: keys, modes, and records as they are while a connection encrypts.
 *
 * Only payloads are encrypted; a record's header stays clear and has the cipher flag. One cipher
 * context for each direction runs on over all records, chunks included, until the next hello or
 * challenge starts another. `stream: false` (HTML5 >= v17, 6.2+ if asked): each record begins
 * afresh, its payload is a random IV of 16 bytes and the ciphertext, its size counts the IV.
 *
 * CBC pads to a multiple of 32 bytes (xpra <= 6.1, HTML5 <= v16) or 16 (xpra >= 6.2, HTML5 >=
 * v17), always by at least one byte; the header's size does not count the padding. The other modes
 * do not pad. GCM is used as a counter only: no tag is made or checked. Nothing here is
 * authenticated: whoever can change bytes on the way can change what they mean.
 *
 * Pure: no system calls, nothing allocated. AES, GCM's first counter and PBKDF2 are nettle's.
 * Sources: xpra 3.1-6.6 net/crypto.py, net/protocol.py, html5/js/Protocol.js.
 */
#pragma once

#include <nettle/aes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/header.h"

#define CIPHER_BLOCK 16
#define CIPHER_HELD_MAX 48 /* the last block and the padding of a record */
#define CIPHER_KEY_MAX 32
#define CIPHER_SALT_MAX 256 /* every version sends 64, HTML5 32 */
#define CIPHER_ITERATIONS_MIN 100
/* A peer chooses how much of our time its key costs, and may do so before it has logged in. All of
 * xpra's default to 1000 or 10000 (HTML5: 1000), and most refuse more than 10000 themselves; only
 * 5.0.12, 5.1 and >= 6.2 go to a million, where XPRA_CRYPTO_DEFAULT_ITERATIONS is set so, which is
 * 0.3 to 0.9 s for each hello. This admits ten times any default, for a tenth of that; and each
 * further hello answers a challenge. */
#define CIPHER_ITERATIONS_MAX 100000

enum cipher_mode {
	CIPHER_CBC,
	CIPHER_GCM,
	CIPHER_CFB,
	CIPHER_CTR,
	CIPHER_MODE_MAX_,
};

enum cipher_hash {
	CIPHER_SHA1,
	CIPHER_SHA224,
	CIPHER_SHA256,
	CIPHER_SHA384,
	CIPHER_SHA512,
	CIPHER_HASH_MAX_,
};

enum cipher_padding {
	CIPHER_LEGACY, /* spaces; <= 6.1 */
	CIPHER_PKCS7,  /* n bytes of value n, also for n up to 32 */
	CIPHER_PADDING_MAX_,
};

/* "CBC"; "SHA1"; "legacy", "PKCS#7". By name, in any case: the value, or -1 for one that is not
 * ours. name need not be terminated. */
const char *cipher_mode_name(enum cipher_mode mode);
const char *cipher_hash_name(enum cipher_hash hash);
const char *cipher_padding_name(enum cipher_padding padding);
int cipher_mode_from_name(const char *name, size_t len);
int cipher_hash_from_name(const char *name, size_t len);
int cipher_padding_from_name(const char *name, size_t len);

/* How one side decrypts, as it tells the other. */
struct cipher_params {
	enum cipher_mode mode;
	enum cipher_hash hash; /* of PBKDF2 */
	unsigned key_size;     /* bytes: 16, 24 or 32 */
	unsigned iterations;
	enum cipher_padding padding;
	unsigned granularity; /* 16 or 32; 0 for a reader: the first padding that tells decides */
	bool stream;
	uint8_t iv[CIPHER_BLOCK];
	size_t salt_len;
	uint8_t salt[CIPHER_SALT_MAX];
};

/* The key into out (key_size bytes): PBKDF2-HMAC-hash of the secret. 0, or -EINVAL for parameters
 * outside the bounds above, an empty salt or an empty secret. */
int cipher_derive(const struct cipher_params *p, const void *secret, size_t secret_len,
                  uint8_t out[CIPHER_KEY_MAX]);

enum cipher_stage {
	CIPHER_AT_HEADER,
	CIPHER_AT_IV,
	CIPHER_AT_BODY,
	CIPHER_BROKEN,
};

/* One direction. All of it is private; wipe it with cipher_wipe(). */
struct cipher {
	enum cipher_mode mode;
	enum cipher_padding padding;
	unsigned granularity;
	bool stream, decrypts;
	void (*make_iv)(uint8_t iv[CIPHER_BLOCK]);
	const struct nettle_cipher *aes;
	union {
		struct aes128_ctx aes128;
		struct aes192_ctx aes192;
		struct aes256_ctx aes256;
	} key;
	uint8_t chain[CIPHER_BLOCK];     /* CBC, CFB: the last ciphertext; CTR, GCM: the counter */
	uint8_t keystream[CIPHER_BLOCK]; /* CTR, GCM, CFB: what has been used of it */
	unsigned used;

	/* The record that is being read or written */
	enum cipher_stage stage;
	uint32_t plain_left;
	unsigned pad_left;
	uint8_t pad_value, pad_wrong;
	bool pad_tells; /* its first byte decides the granularity */
	/* Of a header, an IV, a block, or a last block with its padding, that is not whole yet */
	uint8_t held[CIPHER_HELD_MAX];
	size_t held_len;
};

/* Begins a direction: derives the key from the secret, which is not kept. A writer of a cipher
 * that is not a stream needs make_iv, which fills in random bytes; otherwise it may be NULL. 0, or
 * -EINVAL as cipher_derive(), or for a writer without granularity. c is wiped on errors. */
int cipher_start_reader(struct cipher *c, const struct cipher_params *p, const void *secret,
                        size_t secret_len);
int cipher_start_writer(struct cipher *c, const struct cipher_params *p, const void *secret,
                        size_t secret_len, void (*make_iv)(uint8_t iv[CIPHER_BLOCK]));

void cipher_wipe(struct cipher *c);

/* Whether the last record that was begun is complete. */
static inline bool cipher_at_gap(const struct cipher *c)
{
	return c->stage == CIPHER_AT_HEADER && c->held_len == 0;
}

/* What a reader has kept from the last call: that many bytes are left free at the front of the next
 * buffer. Less than CIPHER_HELD_MAX. */
static inline size_t cipher_held(const struct cipher *c)
{
	return c->held_len;
}

/* Turns records from encrypted to plain, in place. buf: cipher_held(c) bytes that are free, then
 * len bytes as they arrived, cut anywhere. *ret_len bytes of plain records are at buf afterwards,
 * perhaps none; never more than were given, and the last of a record only when its padding is
 * right. 0, or a negative errno with a static text (*ret_len is still right, nothing more can be
 * read, and of the record at fault a part may have been): -EBADMSG the padding is not what it must
 * be, or a malformed header; -EMSGSIZE as header_parse(); -EPROTO a record that is not encrypted.
 */
int cipher_decrypt(struct cipher *c, uint8_t *buf, size_t len, size_t *ret_len,
                   const char **ret_why);

/* The least room that cipher_encrypt() needs to get on. */
#define CIPHER_ROOM 48

/* Turns plain records, cut anywhere, into encrypted ones: takes *ret_taken bytes of the len at in
 * and makes *ret_len bytes at out, at most size. Takes all unless out is full; what it takes of a
 * header or block that is not whole comes out with the next call. 0, or -EBADMSG or -EMSGSIZE for
 * what is no record. */
int cipher_encrypt(struct cipher *c, const uint8_t *in, size_t len, uint8_t *out, size_t size,
                   size_t *ret_taken, size_t *ret_len);

/* For wire/cipher_record.c and tests: sets the IV of what follows, and encrypts or decrypts the
 * next bytes; whole blocks with CBC. dst may be src, and else does not overlap it. */
void cipher_set_iv(struct cipher *c, const uint8_t iv[CIPHER_BLOCK]);
void cipher_crypt(struct cipher *c, uint8_t *dst, const uint8_t *src, size_t len);
