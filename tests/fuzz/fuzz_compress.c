/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer: byte 0 is the compression byte, 1 and 2 the size of the output buffer, the rest a
 * payload. What decompress() makes, decompress_prefix() makes the front of; what compress_lz4()
 * makes comes back. */
#include "wire/compress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void *exact(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		abort();
	return p;
}

static void check_prefixes(struct decompressor *d, uint8_t compression, const uint8_t *in, size_t n,
                           const uint8_t *whole, size_t len)
{
	size_t step = n / 16 + 1, max = len < 512 ? len : 512, got, last = 0;

	for (size_t i = 0; i <= n; i += i + step > n && i < n ? n - i : step) {
		uint8_t *cut = exact(i), *out = exact(max);

		if (i)
			memcpy(cut, in, i);
		if (decompress_prefix(d, compression, cut, i, out, max, &got) != 0 || got > max ||
		    got < last || memcmp(out, whole, got) != 0)
			abort();
		last = got;
		free(cut);
		free(out);
	}
	if (last != max)
		abort();
}

static void check_round_trip(struct decompressor *d, const uint8_t *in, size_t n)
{
	uint8_t *packed = exact(n), *out = exact(n);
	size_t len, got;

	if (compress_lz4(in, n, packed, n, &len) == 0 &&
	    (len >= n || decompress(d, COMPRESSION_LZ4, packed, len, out, n, &got) != 0 ||
	     got != n || memcmp(in, out, n) != 0))
		abort();
	free(packed);
	free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct decompressor *d; /* as a connection has it: one for many records */
	size_t out_size, len = 0;
	uint8_t *out;
	int r;

	if (!d && !(d = decompressor_new()))
		abort();
	if (n < 3)
		return 0;
	out_size = (size_t)data[1] << 8 | data[2];
	out = exact(out_size);
	r = decompress(d, data[0], data + 3, n - 3, out, out_size, &len);
	if (r == 0 && len > out_size)
		abort();
	if (r == 0)
		check_prefixes(d, data[0], data + 3, n - 3, out, len);
	else if (r != -EBADMSG && r != -EMSGSIZE && r != -EOPNOTSUPP)
		abort();
	len = 0;
	r = decompress_prefix(d, data[0], data + 3, n - 3, out, out_size, &len);
	if (r == 0 ? len > out_size : r != -EBADMSG && r != -EOPNOTSUPP)
		abort();
	check_round_trip(d, data + 3, n - 3);
	free(out);
	return 0;
}
