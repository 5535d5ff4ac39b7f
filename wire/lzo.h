/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/lzo.h - LZO1X data, decompressed: what python-lzo made for xpra 3.1 - 4.2.
 *
 * Payload: 0xf0 or 0xf1, u32 big endian size, then one LZO1X stream with its end mark. Not liblzo2:
 * every connection would load it (0.04 ms) for one function that nearly none ever calls, and which
 * does not promise the front of a packet whose rest is not there yet.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As decompress() and, partial, decompress_prefix() in wire/compress.h. */
int lzo_run(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size, bool partial,
            size_t *ret_len);
