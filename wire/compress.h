/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/compress.h - undo what the header's compression byte says: lz4, zlib, brotli, lzo.
 *
 * The byte's high nibble is the algorithm (0x1 lz4, 0x2 lzo, 0x4 brotli, 0x8 zstd, 0 zlib), the low
 * nibble the level (informative); 0 is "not compressed". lz4 payload: u32 little endian size,
 * then one LZ4 block. zlib, brotli: one whole stream per record. lzo: see wire/lzo.h. zstd is
 * never announced by us and is refused.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum compressor {
	COMPRESSOR_NONE,
	COMPRESSOR_ZLIB,
	COMPRESSOR_LZ4,
	COMPRESSOR_BROTLI,
	COMPRESSOR_LZO,
	COMPRESSOR_ZSTD, /* recognised, not supported */
	COMPRESSOR_INVALID,
};
#define COMPRESSOR_BIT(c) (1u << (c))

/* Which algorithm a header's compression byte means; never INVALID. Several bits: as peers test
 * them, lz4, lzo, brotli, zstd, else zlib; header_parse() has refused those already. */
enum compressor compressor_of(uint8_t compression);
const char *compressor_name(enum compressor c); /* "none", "zlib", "lz4", ... */

/* All the memory that decompression needs, made once per connection: nothing is allocated per
 * record, and no system call made. 24 MiB virtual, not reserved, not in core dumps, of which is
 * touched: 4 KiB with lz4, lzo or nothing; about 50 KiB with zlib; with brotli the state (about 30
 * KiB), the Huffman trees (2.7 MiB at worst) and as much of the window (16 MiB at worst) as the
 * record's output fills. _new() uses mmap and madvise, _free() munmap: call it before the system
 * call filter. */
struct decompressor;
struct decompressor *decompressor_new(void);                    /* NULL: out of memory */
struct decompressor *decompressor_free(struct decompressor *d); /* returns NULL */

/* Decompresses a whole payload into out. Returns 0 and *ret_len, or -EBADMSG (corrupt, cut short,
 * or trailing bytes; brotli windows over 16 MiB), -EMSGSIZE (over out_size or HEADER_SIZE_MAX:
 * nothing is written beyond it, and for lz4 and lzo nothing at all as the announced size is checked
 * first), -EOPNOTSUPP (algorithm not available). A brotli stream is decoded a window ahead of what
 * is taken from it, so a bomb costs the time of one window, 16 MiB at most, before -EMSGSIZE. */
int decompress(struct decompressor *d, uint8_t compression, const uint8_t *in, size_t in_len,
               uint8_t *out, size_t out_size, size_t *ret_len);

/* The first bytes only, from the first in_len bytes of a payload that may continue: as many bytes
 * as can be had (none is no error), up to out_size. For looking at a packet's name. Same errors but
 * never -EMSGSIZE; what is wrong after the last byte delivered goes unnoticed. */
int decompress_prefix(struct decompressor *d, uint8_t compression, const uint8_t *in, size_t in_len,
                      uint8_t *out, size_t out_size, size_t *ret_len);

#define COMPRESSION_LZ4 0x11 /* the byte to write for lz4 */
/* Compresses to an lz4 payload (size prefix and block). 0 and *ret_len; -ENOBUFS if the result
 * would not be smaller than in_len or does not fit out_size: send it uncompressed; out may have
 * been written to. Uses 16 KiB of stack, no heap. */
int compress_lz4(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size, size_t *ret_len);
