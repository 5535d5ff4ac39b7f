/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/cipher_caps.h - what hellos and challenges say of AES: read, judged, written. Worker. Pure.
 *
 * Each side describes how it will decrypt, and the other encrypts accordingly. Under dotted names
 * (`cipher`, `cipher.iv`, ...) up to 4.4, in a dictionary `encryption` from 6.0, as both in 5.x.
 * Source: xpra-protocol 6.5, 6.6.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/cipher.h"
#include "wire/token.h"

#define CIPHER_MODES_ALL ((1u << CIPHER_MODE_MAX_) - 1)

/* As a peer sent it: names are not known to be ours, numbers and lengths are not checked. A length
 * one over an array's size stands for more than it can hold. */
struct cipher_caps {
	char cipher[16], mode[16], key_hash[16], key_stretch[16], padding[16];
	bool nested;      /* read from `encryption`: the dotted names do not count then */
	bool pkcs7;       /* padding.options has it */
	bool has_stream;  /* `stream` or `always-pad` are there: xpra >= 6.2, HTML5 >= v17 */
	bool no_stream;   /* stream: false */
	int64_t key_size; /* 0: not there */
	int64_t iterations;
	size_t iv_len, salt_len;
	uint8_t iv[CIPHER_BLOCK], salt[CIPHER_SALT_MAX];
};

/* One pair of a hello. 1: it belonged here and has been consumed; 0: it did not; negative: the
 * packet is malformed. */
int cipher_caps_read(struct token_reader *r, const struct token *key, const struct token *value,
                     struct cipher_caps *caps);

/* Whether the peer wants to encrypt. */
static inline bool cipher_caps_offered(const struct cipher_caps *caps)
{
	return caps->cipher[0] && caps->iv_len > 0;
}

/* What it wants, checked against the modes that are allowed (bit n: enum cipher_mode n) and the
 * bounds of wire/cipher.h; ret->granularity is not set. 0, or -EINVAL with what to tell the peer,
 * in xpra's words. */
int cipher_caps_params(const struct cipher_caps *caps, unsigned modes, struct cipher_params *ret,
                       char *why, size_t why_size);

/* Appends the capabilities for p to an open dictionary, under every name that any version looks
 * for. bare: also without prefix, for item 2 of a challenge (HTML5 >= v17 looks there). */
void cipher_caps_write(struct token_writer *w, const struct cipher_params *p, unsigned modes,
                       bool bare);
