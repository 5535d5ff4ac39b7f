/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Worker, before and after authentication: attacker-chosen bytes. No privilege; system calls only
 * in decompressor_new() (mmap, madvise) and decompressor_free() (munmap). Source: xpra 3.1-6.6
 * net/compression.py; lz4 block format from lz4's doc/lz4_Block_format.md.
 */
#include "wire/compress.h"

#include "wire/header.h"
#include "wire/lzo.h"

#include <brotli/decode.h>
#include <errno.h>
#include <lz4.h>
#include <stdalign.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

/* What zlib and brotli allocate. brotli: a ring buffer as large as the stream's window, at most 16
 * MiB; per metablock 256 Huffman trees of each of three kinds, at most 2.7 MiB together; 40 KiB of
 * state. zlib: 40 KiB. That makes 19 MiB, and holes that the next metablock does not fit in make
 * it 22 at most, so no legal stream finds the arena full. */
#define ARENA_SIZE (24u << 20)
#define EXTENTS_MAX 32 /* 11 are in use at most */
#define ALIGNMENT 64

#define LZ4_PREFIX 4
#define OUT_MAX ((size_t)HEADER_SIZE_MAX) /* every version's limit after decompression */

struct extent {
	size_t start, end;
};

/* The bookkeeping is apart from what a decompressor may write: sorted extents, no headers. */
struct decompressor {
	z_stream zlib;
	bool zlib_ready;
	unsigned n_used;
	struct extent used[EXTENTS_MAX];
	alignas(ALIGNMENT) uint8_t arena[];
};

enum compressor compressor_of(uint8_t compression)
{
	if (!compression)
		return COMPRESSOR_NONE;
	if (compression & 0x10)
		return COMPRESSOR_LZ4;
	if (compression & 0x20)
		return COMPRESSOR_LZO;
	if (compression & 0x40)
		return COMPRESSOR_BROTLI;
	if (compression & 0x80)
		return COMPRESSOR_ZSTD;
	return COMPRESSOR_ZLIB;
}

const char *compressor_name(enum compressor c)
{
	static const char *const names[] = {
		[COMPRESSOR_NONE] = "none", [COMPRESSOR_ZLIB] = "zlib",
		[COMPRESSOR_LZ4] = "lz4",   [COMPRESSOR_BROTLI] = "brotli",
		[COMPRESSOR_LZO] = "lzo",   [COMPRESSOR_ZSTD] = "zstd",
	};

	return (unsigned)c < COMPRESSOR_INVALID ? names[c] : "invalid";
}

/* First fit. NULL makes zlib and brotli give the record up. */
static void *arena_alloc(void *opaque, size_t size)
{
	struct decompressor *d = opaque;
	size_t start = 0;
	unsigned i;

	if (size > ARENA_SIZE || d->n_used == EXTENTS_MAX)
		return NULL;
	size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
	for (i = 0; i < d->n_used && d->used[i].start - start < size; i++)
		start = d->used[i].end;
	if (i == d->n_used && ARENA_SIZE - start < size)
		return NULL;
	memmove(&d->used[i + 1], &d->used[i], (d->n_used - i) * sizeof(d->used[0]));
	d->used[i] = (struct extent){start, start + size};
	d->n_used++;
	return d->arena + start;
}

static void arena_free(void *opaque, void *p)
{
	struct decompressor *d = opaque;

	for (unsigned i = 0; i < d->n_used; i++)
		if (d->arena + d->used[i].start == p) {
			d->n_used--;
			memmove(&d->used[i], &d->used[i + 1], (d->n_used - i) * sizeof(d->used[0]));
			return;
		}
}

static voidpf arena_zalloc(voidpf opaque, uInt items, uInt size)
{
	return arena_alloc(opaque, (size_t)items * size);
}

struct decompressor *decompressor_new(void)
{
	size_t size = sizeof(struct decompressor) + ARENA_SIZE;
	struct decompressor *d;

	d = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	         -1, 0);
	if (d == MAP_FAILED)
		return NULL;
	/* one touched byte must not cost 2 MiB; hellos hold secrets */
	madvise(d, size, MADV_NOHUGEPAGE);
	madvise(d, size, MADV_DONTDUMP);
	return d;
}

struct decompressor *decompressor_free(struct decompressor *d)
{
	if (d)
		munmap(d, sizeof(*d) + ARENA_SIZE);
	return NULL;
}

/* One zlib stream. partial: what can be had. */
static int zlib_run(struct decompressor *d, const uint8_t *in, size_t in_len, uint8_t *out,
                    size_t out_size, bool partial, size_t *ret_len)
{
	uint8_t spare[1];
	int r;

	if (!d->zlib_ready) {
		d->zlib.zalloc = arena_zalloc;
		d->zlib.zfree = arena_free;
		d->zlib.opaque = d;
		if (inflateInit(&d->zlib) != Z_OK)
			return -EBADMSG;
		d->zlib_ready = true;
	}
	inflateReset(&d->zlib);
	d->zlib.next_in = (z_const Bytef *)in;
	d->zlib.avail_in = (uInt)in_len;
	d->zlib.next_out = out_size ? out : spare;
	d->zlib.avail_out = (uInt)out_size;
	r = inflate(&d->zlib, partial ? Z_SYNC_FLUSH : Z_FINISH);
	if (r != Z_STREAM_END && r != Z_OK && r != Z_BUF_ERROR)
		return -EBADMSG;
	*ret_len = out_size - d->zlib.avail_out;
	if (partial || (r == Z_STREAM_END && !d->zlib.avail_in))
		return 0;
	if (r == Z_STREAM_END || d->zlib.avail_out)
		return -EBADMSG; /* trailing bytes, or cut short */
	/* full: is there one byte more, or is the input at fault? */
	d->zlib.next_out = spare;
	d->zlib.avail_out = sizeof(spare);
	inflate(&d->zlib, Z_SYNC_FLUSH);
	return d->zlib.avail_out ? -EBADMSG : -EMSGSIZE;
}

/* One brotli stream. All that brotli allocated is given back at the end of each. */
static int brotli_run(struct decompressor *d, const uint8_t *in, size_t in_len, uint8_t *out,
                      size_t out_size, bool partial, size_t *ret_len)
{
	BrotliDecoderState *b = BrotliDecoderCreateInstance(arena_alloc, arena_free, d);
	BrotliDecoderResult r;
	size_t left = out_size;

	if (!b)
		return -EBADMSG;
	/* One ring buffer, touched as far as needed, and not a series of ever larger ones. Windows
	 * over 16 MiB are an error unless BROTLI_DECODER_PARAM_LARGE_WINDOW is set. */
	BrotliDecoderSetParameter(b, BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION, 1);
	r = BrotliDecoderDecompressStream(b, &in_len, &in, &left, &out, NULL);
	BrotliDecoderDestroyInstance(b);
	if (r == BROTLI_DECODER_RESULT_ERROR)
		return -EBADMSG;
	*ret_len = out_size - left;
	if (partial)
		return 0;
	if (r == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
		return -EMSGSIZE;
	return r == BROTLI_DECODER_RESULT_SUCCESS && !in_len ? 0 : -EBADMSG;
}

static size_t read_le32(const uint8_t *p)
{
	return (size_t)p[3] << 24 | (size_t)p[2] << 16 | (size_t)p[1] << 8 | p[0];
}

/* A token's nibble, and while it is 15 or the last byte was 255, more bytes. Where the input ends
 * first, as much as is known by then. */
static size_t lz4_length(const uint8_t **p, const uint8_t *end, size_t nibble)
{
	size_t n = nibble;
	uint8_t b = nibble == 15 ? 255 : 0;

	while (b == 255 && *p < end) {
		b = *(*p)++;
		n += b;
	}
	return n;
}

/* Literals, then a copy of what came `distance` bytes before; the last sequence has only literals.
 */
struct sequence {
	const uint8_t *literals;
	size_t n_literals, n_match, distance;
};

/* A token, its literals, u16 little endian distance, match. What the input's end cuts off is
 * left out. False: no more. */
static bool lz4_next(const uint8_t **p, const uint8_t *end, struct sequence *s)
{
	uint8_t token;
	size_t n;

	if (*p == end)
		return false;
	token = *(*p)++;
	n = lz4_length(p, end, token >> 4);
	if (n > (size_t)(end - *p))
		n = (size_t)(end - *p);
	*s = (struct sequence){.literals = *p, .n_literals = n};
	*p += n;
	if (end - *p < 2) {
		*p = end;
		return true;
	}
	s->distance = (size_t)(*p)[0] | (size_t)(*p)[1] << 8;
	*p += 2;
	s->n_match = lz4_length(p, end, token & 15) + 4;
	return true;
}

/* liblz4 (1.9.4 at least) takes a distance of 0, and so passes off as data what was in the output
 * buffer before. The format forbids it. */
static bool lz4_any_distance_0(const uint8_t *p, const uint8_t *end)
{
	struct sequence s;

	while (lz4_next(&p, end, &s))
		if (s.n_match && !s.distance)
			return true;
	return false;
}

static int lz4_whole(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size,
                     size_t *ret_len)
{
	const uint8_t *block;
	char spare[1];
	size_t size;

	if (in_len <= LZ4_PREFIX)
		return -EBADMSG;
	size = read_le32(in);
	block = in + LZ4_PREFIX;
	if (size > out_size)
		return -EMSGSIZE;
	if (lz4_any_distance_0(block, in + in_len))
		return -EBADMSG;
	if (LZ4_decompress_safe((const char *)block, size ? (char *)out : spare,
	                        (int)(in_len - LZ4_PREFIX), (int)size) != (int)size)
		return -EBADMSG;
	*ret_len = size;
	return 0;
}

/* LZ4_decompress_safe_partial() loses what it has when the input ends inside a length, so the
 * front of a block is decoded here, a byte at a time: it is a few hundred bytes. */
static int lz4_front(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size,
                     size_t *ret_len)
{
	const uint8_t *p;
	struct sequence s;
	size_t n = 0;

	*ret_len = 0;
	if (in_len <= LZ4_PREFIX)
		return 0;
	if (read_le32(in) > OUT_MAX)
		return -EBADMSG;
	if (out_size > read_le32(in))
		out_size = read_le32(in);
	p = in + LZ4_PREFIX;
	while (n < out_size && lz4_next(&p, in + in_len, &s)) {
		for (size_t i = 0; i < s.n_literals && n < out_size; i++)
			out[n++] = s.literals[i];
		if (n == out_size || !s.n_match)
			break;
		if (!s.distance || s.distance > n)
			return -EBADMSG;
		for (size_t i = 0; i < s.n_match && n < out_size; i++, n++)
			out[n] = out[n - s.distance];
	}
	*ret_len = n;
	return 0;
}

static int decompress_any(struct decompressor *d, uint8_t compression, const uint8_t *in,
                          size_t in_len, uint8_t *out, size_t out_size, bool partial,
                          size_t *ret_len)
{
	if (out_size > OUT_MAX)
		out_size = OUT_MAX;
	switch (compressor_of(compression)) {
	case COMPRESSOR_NONE:
		if (in_len > out_size && !partial)
			return -EMSGSIZE;
		*ret_len = in_len < out_size ? in_len : out_size;
		if (*ret_len)
			memcpy(out, in, *ret_len);
		return 0;
	case COMPRESSOR_ZLIB:
		return zlib_run(d, in, in_len, out, out_size, partial, ret_len);
	case COMPRESSOR_LZ4:
		return (partial ? lz4_front : lz4_whole)(in, in_len, out, out_size, ret_len);
	case COMPRESSOR_BROTLI:
		return brotli_run(d, in, in_len, out, out_size, partial, ret_len);
	case COMPRESSOR_LZO:
		return lzo_run(in, in_len, out, out_size, partial, ret_len);
	case COMPRESSOR_ZSTD:
	case COMPRESSOR_INVALID:
		break;
	}
	return -EOPNOTSUPP;
}

int decompress(struct decompressor *d, uint8_t compression, const uint8_t *in, size_t in_len,
               uint8_t *out, size_t out_size, size_t *ret_len)
{
	size_t len;
	int r;

	if (in_len > OUT_MAX)
		return -EMSGSIZE;
	r = decompress_any(d, compression, in, in_len, out, out_size, false, &len);
	if (r == 0)
		*ret_len = len;
	return r;
}

int decompress_prefix(struct decompressor *d, uint8_t compression, const uint8_t *in, size_t in_len,
                      uint8_t *out, size_t out_size, size_t *ret_len)
{
	size_t len;
	int r;

	if (in_len > OUT_MAX)
		in_len = OUT_MAX;
	r = decompress_any(d, compression, in, in_len, out, out_size, true, &len);
	if (r == 0)
		*ret_len = len;
	return r;
}

int compress_lz4(const uint8_t *in, size_t in_len, uint8_t *out, size_t out_size, size_t *ret_len)
{
	int n;

	if (in_len > OUT_MAX)
		return -ENOBUFS;
	if (out_size >= in_len)
		out_size = in_len - (in_len > 0); /* must be smaller */
	if (out_size <= LZ4_PREFIX)
		return -ENOBUFS;
	n = LZ4_compress_default((const char *)in, (char *)out + LZ4_PREFIX, (int)in_len,
	                         (int)(out_size - LZ4_PREFIX));
	if (n <= 0)
		return -ENOBUFS;
	for (unsigned i = 0; i < LZ4_PREFIX; i++)
		out[i] = (uint8_t)(in_len >> 8 * i);
	*ret_len = (size_t)n + LZ4_PREFIX;
	return 0;
}
