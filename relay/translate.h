/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/translate.h - a packet from one encoder to another, token by token. Worker. Pure.
 *
 * Needed when the two peers share no encoder (3.1.3 and 6.x) or no compressor. What cannot be
 * carried over by tokens alone is: strings that classic encoders do not type, and packets renamed
 * since.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/cipher.h"
#include "wire/token.h"

struct translation {
	enum encoder from, to;
	bool to_server;
	unsigned to_major; /* version of the receiver, 0 unknown: names it does not know are
	                      replaced */
	bool from_flat;    /* the sender's capabilities are, whatever the encoder */
	uint8_t flags;     /* header bits to keep: HEADER_FLUSH */
};

/* The whole record for one main packet. 0 and *ret_len (0: the receiver cannot have this packet,
 * drop it), or a negative errno. */
int translate_packet(const uint8_t *payload, size_t len, const struct translation *t, void *buf,
                     size_t size, size_t *ret_len);

/* The server's challenge, for the client: the server's cipher capabilities stay behind, ours (NULL:
 * none) take their place. */
int translate_challenge(const uint8_t *payload, size_t len, enum encoder from, enum encoder to,
                        const struct cipher_params *cipher, unsigned cipher_modes, void *buf,
                        size_t size, size_t *ret_len);
