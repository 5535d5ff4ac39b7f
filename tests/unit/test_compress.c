/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/compress.h"

#include "tests/unit/test.h"
#include "wire/header.h"

#include <errno.h>

static struct decompressor *d; /* one for all tests, as a connection has one for all records */

static void setup(void)
{
	if (!d)
		d = decompressor_new();
	CHECK(d);
}

#define LZ4 0x11
#define ZLIB 0x01
#define BROTLI 0x41
#define A100_LZ4 "640000001f4101004b504141414141"
#define A100_ZLIB "78017374a43d000002e91965"
#define A100_BROTLI "8b3100002082d8000e5cc3097136800b7058de06"
#define LZO 0x21
#define A100_LZO "f000000064024141414141202b1000000141414141414141414141414141414141414141110000"
#define A100_LZO999 "f100000064124120420000110000"
#define INFO_LZO                                                       \
	"f00000007a0005c28d696e666f2d726573706f6e73656781613130303a41" \
	"203300000c414141414141414141414141414141110000"
#define INFO_LZ4 "7a000000ff08c28d696e666f2d726573706f6e73656781613130303a4101004b504141414141"
#define INFO_ZLIB "78013bd49b999796af5b945a5c909f579c9ade9868686060e548070000d5272210"
#define INFO_BROTLI                                                    \
	"8b3c000080aaaaaaeaff78120091abdcf47494c302725940e47052b8ebf5" \
	"a2700017bf52748a4c6c0017e070fd2fd20a46b72b57fd0a21f2c9db"

/* 100 x A, and the packet ("info-response", {"a": 100 x A}) of protocol 1.4. */
static uint8_t a100[100], info[122];

static const struct golden {
	uint8_t compression;
	const char *hex;
	const uint8_t *plain;
	size_t len;
} golden[] = {
	{LZ4, A100_LZ4, a100, sizeof(a100)},       {ZLIB, A100_ZLIB, a100, sizeof(a100)},
	{BROTLI, A100_BROTLI, a100, sizeof(a100)}, {LZ4, INFO_LZ4, info, sizeof(info)},
	{ZLIB, INFO_ZLIB, info, sizeof(info)},     {BROTLI, INFO_BROTLI, info, sizeof(info)},
	{LZO, A100_LZO, a100, sizeof(a100)},       {LZO, A100_LZO999, a100, sizeof(a100)},
	{LZO, INFO_LZO, info, sizeof(info)},
};

static void setup_golden(void)
{
	setup();
	memset(a100, 'A', sizeof(a100));
	test_unhex("c28d696e666f2d726573706f6e73656781613130303a", info, sizeof(info));
	memset(info + 22, 'A', 100);
}

/* decompress() into a heap buffer of exactly out_size, checking what it promises in any case. */
static int run(uint8_t compression, const void *in, size_t in_len, uint8_t *out, size_t out_size,
               size_t *ret_len)
{
	uint8_t *exact = malloc(out_size ? out_size : 1), *copy = malloc(in_len ? in_len : 1);
	size_t len = 12345678;
	int r;

	memset(exact, 0x5a, out_size ? out_size : 1);
	if (in_len)
		memcpy(copy, in, in_len);
	r = decompress(d, compression, copy, in_len, exact, out_size, &len);
	CHECK(r == 0 ? len <= out_size : len == 12345678);
	if (r == 0 && len)
		memcpy(out, exact, len);
	if (r == -EMSGSIZE && (compressor_of(compression) == COMPRESSOR_LZ4 ||
	                       compressor_of(compression) == COMPRESSOR_LZO))
		for (size_t i = 0; i < out_size; i++)
			CHECK_EQ(exact[i], 0x5a);
	*ret_len = len;
	free(exact);
	free(copy);
	return r;
}

static int run_hex(uint8_t compression, const char *hex, size_t out_size)
{
	static uint8_t in[1024], out[65536];
	size_t n = test_unhex(hex, in, sizeof(in)), len;

	test_note("%s", hex);
	CHECK(out_size <= sizeof(out));
	return run(compression, in, n, out, out_size, &len);
}

TEST(names)
{
	CHECK_EQ(compressor_of(0), COMPRESSOR_NONE);
	CHECK_EQ(compressor_of(0x01), COMPRESSOR_ZLIB);
	CHECK_EQ(compressor_of(0x09), COMPRESSOR_ZLIB);
	CHECK_EQ(compressor_of(0x10), COMPRESSOR_LZ4);
	CHECK_EQ(compressor_of(0x11), COMPRESSOR_LZ4);
	CHECK_EQ(compressor_of(0x1a), COMPRESSOR_LZ4);
	CHECK_EQ(compressor_of(0x21), COMPRESSOR_LZO);
	CHECK_EQ(compressor_of(0x4b), COMPRESSOR_BROTLI);
	CHECK_EQ(compressor_of(0x81), COMPRESSOR_ZSTD);
	CHECK_EQ(compressor_of(0xf1), COMPRESSOR_LZ4);
	CHECK_EQ(compressor_of(0x61), COMPRESSOR_LZO);
	CHECK_EQ(compressor_of(0xc1), COMPRESSOR_BROTLI);
	CHECK_EQ(compressor_of(COMPRESSION_LZ4), COMPRESSOR_LZ4);
	CHECK_STR(compressor_name(COMPRESSOR_NONE), "none");
	CHECK_STR(compressor_name(COMPRESSOR_ZLIB), "zlib");
	CHECK_STR(compressor_name(COMPRESSOR_LZ4), "lz4");
	CHECK_STR(compressor_name(COMPRESSOR_BROTLI), "brotli");
	CHECK_STR(compressor_name(COMPRESSOR_LZO), "lzo");
	CHECK_STR(compressor_name(COMPRESSOR_ZSTD), "zstd");
	CHECK_STR(compressor_name(COMPRESSOR_INVALID), "invalid");
}

TEST(examples)
{
	uint8_t in[256], out[256];
	size_t n, len;

	setup_golden();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		const struct golden *g = &golden[i];

		test_note("%s", g->hex);
		n = test_unhex(g->hex, in, sizeof(in));
		CHECK_EQ(run(g->compression, in, n, out, sizeof(out), &len), 0);
		CHECK_MEM(out, len, g->plain, g->len);
		CHECK_EQ(run(g->compression, in, n, out, g->len, &len), 0); /* fits exactly */
		CHECK_MEM(out, len, g->plain, g->len);
		for (size_t size = 0; size < g->len; size++)
			CHECK_EQ(run(g->compression, in, n, out, size, &len), -EMSGSIZE);
	}
}

TEST(whole_records)
{
	static const char *const records[] = {"5010110000000026" INFO_LZ4,
	                                      "5010010000000021" INFO_ZLIB,
	                                      "501041000000003a" INFO_BROTLI};
	uint8_t in[256], out[256];
	struct header h;
	size_t n, len;

	setup_golden();
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		n = test_unhex(records[i], in, sizeof(in));
		CHECK_EQ(header_parse(in, n, &h, NULL), 0);
		CHECK_EQ(h.size, n - HEADER_LEN);
		CHECK_EQ(run(h.compression, in + HEADER_LEN, h.size, out, sizeof(out), &len), 0);
		CHECK_MEM(out, len, info, sizeof(info));
	}
}

TEST(levels_are_informative)
{
	setup();
	CHECK_EQ(run_hex(0x10, A100_LZ4, 100), 0);
	CHECK_EQ(run_hex(0x1f, A100_LZ4, 100), 0);
	CHECK_EQ(run_hex(0x09, A100_ZLIB, 100), 0);
	CHECK_EQ(run_hex(0x4b, A100_BROTLI, 100), 0);
}

TEST(not_compressed)
{
	uint8_t out[8];
	size_t len;

	setup();
	CHECK_EQ(run(0, "abc", 3, out, 8, &len), 0);
	CHECK_MEM(out, len, "abc", 3);
	CHECK_EQ(run(0, "abc", 3, out, 3, &len), 0);
	CHECK_EQ(run(0, "abc", 3, out, 2, &len), -EMSGSIZE);
	CHECK_EQ(decompress(d, 0, NULL, 0, NULL, 0, &len), 0);
	CHECK_EQ(len, 0);
	CHECK_EQ(decompress_prefix(d, 0, (const uint8_t *)"abc", 3, out, 2, &len), 0);
	CHECK_MEM(out, len, "ab", 2);
}

TEST(not_supported)
{
	uint8_t out[8];
	size_t len;

	setup();
	CHECK_EQ(run(0x81, "abc", 3, out, 8, &len), -EOPNOTSUPP);
	CHECK_EQ(decompress_prefix(d, 0x81, (const uint8_t *)"abc", 3, out, 8, &len), -EOPNOTSUPP);
}

TEST(trailing_bytes)
{
	setup();
	CHECK_EQ(run_hex(LZ4, A100_LZ4 "00", 1000), -EBADMSG);
	CHECK_EQ(run_hex(ZLIB, A100_ZLIB "00", 1000), -EBADMSG);
	CHECK_EQ(run_hex(ZLIB, A100_ZLIB A100_ZLIB, 1000), -EBADMSG);
	CHECK_EQ(run_hex(BROTLI, A100_BROTLI "00", 1000), -EBADMSG);
	CHECK_EQ(run_hex(LZO, A100_LZO "00", 1000), -EBADMSG);
	CHECK_EQ(run_hex(LZ4, A100_LZ4 "00", 100), -EBADMSG);
	CHECK_EQ(run_hex(ZLIB, A100_ZLIB "00", 100), -EBADMSG);
	CHECK_EQ(run_hex(BROTLI, A100_BROTLI "00", 100), -EBADMSG);
}

TEST(truncated)
{
	uint8_t in[256], out[256];
	size_t n, len;
	int r;

	setup_golden();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		n = test_unhex(golden[i].hex, in, sizeof(in));
		for (size_t k = 0; k < n; k++) {
			test_note("%s cut to %zu", golden[i].hex, k);
			CHECK_EQ(run(golden[i].compression, in, k, out, 256, &len), -EBADMSG);
			r = run(golden[i].compression, in, k, out, 5, &len);
			CHECK(r == -EBADMSG || r == -EMSGSIZE);
		}
	}
	CHECK_EQ(decompress(d, LZ4, NULL, 0, out, 256, &len), -EBADMSG);
	CHECK_EQ(decompress(d, ZLIB, NULL, 0, out, 256, &len), -EBADMSG);
	CHECK_EQ(decompress(d, BROTLI, NULL, 0, out, 256, &len), -EBADMSG);
}

TEST(lz4_size_prefix)
{
	static uint8_t tiny[8];
	size_t len;

	setup();
	CHECK_EQ(run_hex(LZ4, "650000001f4101004b504141414141", 1000), -EBADMSG); /* one more */
	CHECK_EQ(run_hex(LZ4, "630000001f4101004b504141414141", 1000), -EBADMSG); /* one less */
	CHECK_EQ(run_hex(LZ4, "ffffffff1f4101004b504141414141", 1000), -EMSGSIZE);
	CHECK_EQ(run_hex(LZ4, "000000801f4101004b504141414141", 1000), -EMSGSIZE);
	CHECK_EQ(run_hex(LZ4, "640000001f4101004b504141414141", 99), -EMSGSIZE);
	CHECK_EQ(run_hex(LZ4, "0000000000", 10), 0); /* legal: empty */
	CHECK_EQ(run_hex(LZ4, "0000000000", 0), 0);
	CHECK_EQ(run_hex(LZ4, "000000001041", 0), -EBADMSG);
	CHECK_EQ(run_hex(LZ4, "00000000", 10), -EBADMSG);
	/* 256 MiB is the limit whatever the caller's buffer: nothing is read or written */
	test_unhex("0100001010410000", tiny, sizeof(tiny));
	CHECK_EQ(decompress(d, LZ4, tiny, 8, tiny, SIZE_MAX, &len), -EMSGSIZE);
	CHECK_EQ(decompress(d, 0, tiny, (size_t)HEADER_SIZE_MAX + 1, tiny, SIZE_MAX, &len),
	         -EMSGSIZE);
}

/* Each instruction, its lengths and distances, by hand. */
TEST(lzo_instructions)
{
	static const struct {
		const char *hex; /* without the 0xf0 and the size's first three bytes */
		int want;
	} rows[] = {
		{"00 110000", 0},
		{"00", -EBADMSG},
		{"00 11", -EBADMSG},
		{"04 15 41424344 110000", 0},              /* first byte: four literals */
		{"01 12 41 110000", 0},                    /* first byte: one */
		{"03 12 41 00 00 110000", 0},              /* after one: two bytes, distance 1 */
		{"06 01 41424344 110000", -EBADMSG},       /* one literal more than there is */
		{"04 01 41424344 110000", 0},              /* run of four */
		{"07 01 41424344 40 00 110000", 0},        /* near, three bytes, distance 1 */
		{"07 01 41424344 4c 00 110000", 0},        /* distance 4 */
		{"07 01 41424344 50 00 110000", -EBADMSG}, /* 5 */
		{"07 01 41424344 00 00 110000", -EBADMSG}, /* 0x801, after a run */
		{"07 01 41424344 21 0000 110000", 0},      /* middle, three bytes */
		{"07 01 41424344 21 1000 110000", -EBADMSG},
		{"27 01 41424344 20 02 0000 110000", 0}, /* length 31 + 2 + 2 */
		{"08 01 41424344 21 0100 42 110000", 0}, /* and a literal */
		{"08 01 41424344 21 0100 42 110000 00", -EBADMSG},
		{"04 01 41424344 120000", 0},        /* the end is one whatever its length */
		{"04 01 41424344 110400", -EBADMSG}, /* far: 0x4001 */
		{"04 01 41424344 190000", -EBADMSG}, /* 0x8000 */
		{"05 01 41424344 110000", -EBADMSG}, /* one announced too many */
		{"03 01 41424344 110000", -EBADMSG}, /* too few */
		{"16 00 01 41414141414141414141414141414141414141 110000", -EBADMSG},
		{"13 00 01 41414141414141414141414141414141414141 110000", 0},
	};
	char hex[200];

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(hex, sizeof(hex), "f0000000%s", rows[i].hex);
		CHECK_EQ(run_hex(LZO, hex, 1000), rows[i].want);
	}
	CHECK_EQ(run_hex(LZO, "f1000000 00 110000", 10), 0);
	CHECK_EQ(run_hex(LZO, "f2000000 00 110000", 10), -EBADMSG);
	CHECK_EQ(run_hex(LZO, "f0ffffff ff 110000", 1000), -EMSGSIZE);
	CHECK_EQ(run_hex(LZO, "f0000000 0b 110000", 10), -EMSGSIZE);
	CHECK_EQ(run_hex(LZO, "f00000", 10), -EBADMSG);
}

TEST(corrupt)
{
	setup();
	CHECK_EQ(run_hex(LZ4, "640000001f4102004b504141414141", 100), -EBADMSG); /* distance 2 */
	CHECK_EQ(run_hex(LZ4, "640000001f4100004b504141414141", 100), -EBADMSG); /* distance 0 */
	CHECK_EQ(run_hex(ZLIB, "78017374a43d000002e91966", 100), -EBADMSG);      /* adler */
	CHECK_EQ(run_hex(ZLIB, "1f8b0800000000000003", 100), -EBADMSG);          /* gzip */
	CHECK_EQ(run_hex(ZLIB, "7374a43d0000", 100), -EBADMSG);                  /* raw deflate */
	CHECK_EQ(run_hex(ZLIB, "78bb02e919657374", 100), -EBADMSG); /* preset dictionary */
	CHECK_EQ(run_hex(BROTLI, "ffffffffffff", 100), -EBADMSG);
	CHECK_EQ(run_hex(BROTLI, "1100", 100), -EBADMSG); /* large window */
	CHECK_EQ(run_hex(BROTLI, "111e00", 100), -EBADMSG);
	CHECK_EQ(run_hex(ZLIB, A100_ZLIB, 100), 0); /* a bad record leaves nothing behind */
	CHECK_EQ(run_hex(BROTLI, A100_BROTLI, 100), 0);
}

TEST(zlib_empty_and_full)
{
	setup();
	CHECK_EQ(run_hex(ZLIB, "789c030000000001", 10), 0); /* zlib.compress(b"") */
	CHECK_EQ(run_hex(ZLIB, "789c030000000001", 0), 0);
	CHECK_EQ(run_hex(BROTLI, "3b", 0), 0); /* brotli.compress(b"") */
	/* the output is full and the input lacks its end */
	CHECK_EQ(run_hex(ZLIB, "78017374a43d0000", 100), -EBADMSG);
	CHECK_EQ(run_hex(ZLIB, "78017374a43d000002e91966", 100), -EBADMSG);
}

static void bomb(const char *path, uint8_t compression, size_t real)
{
	static uint8_t out[1 << 20];
	size_t n, len = 0;
	uint8_t *in = test_load(path, &n);

	test_note("%s", path);
	CHECK_EQ(run(compression, in, n, out, 65536, &len), -EMSGSIZE);
	CHECK_EQ(run(compression, in, n, out, 1, &len), -EMSGSIZE);
	CHECK_EQ(run(compression, in, n, out, 0, &len), -EMSGSIZE);
	if (real <= sizeof(out))
		CHECK_EQ(run(compression, in, n, out, real, &len), 0);
	CHECK_EQ(decompress_prefix(d, compression, in, n, out, 300, &len), 0);
	CHECK_EQ(len, 300);
	for (size_t i = 0; i < len; i++)
		CHECK_EQ(out[i], 0);
	free(in);
}

/* Made with python3: zeros, the sizes are in the names. */
TEST(bombs)
{
	setup();
	bomb("tests/data/bombs/lz4-1m", LZ4, 1 << 20);
	bomb("tests/data/bombs/zlib-4m", ZLIB, 4 << 20);
	bomb("tests/data/bombs/brotli-256m", BROTLI, 256 << 20);
}

TEST(brotli_whole_window)
{
	size_t n, len = 0;
	uint8_t *in, *out;

	setup();
	in = test_load("tests/data/bombs/brotli-256m", &n);
	out = malloc(HEADER_SIZE_MAX);
	CHECK_EQ(decompress(d, BROTLI, in, n, out, HEADER_SIZE_MAX, &len), 0); /* window 2^24 */
	CHECK_EQ(len, HEADER_SIZE_MAX);
	CHECK_EQ(out[len - 1], 0);
	free(in);
	free(out);
}

/* Every front of a payload gives a front of the packet, never less than a shorter one gave. */
TEST(prefixes)
{
	uint8_t in[256], out[256];
	size_t n, len, last;

	setup_golden();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		const struct golden *g = &golden[i];

		n = test_unhex(g->hex, in, sizeof(in));
		for (size_t size = 0; size <= g->len + 1; size++) {
			last = 0;
			for (size_t k = 0; k <= n; k++) {
				uint8_t *cut = malloc(k ? k : 1), *exact = malloc(size ? size : 1);

				test_note("%s cut to %zu, %zu wanted", g->hex, k, size);
				memcpy(cut, in, k);
				CHECK_EQ(decompress_prefix(d, g->compression, cut, k, exact, size,
				                           &len),
				         0);
				CHECK(len >= last && len <= size);
				memcpy(out, exact, len);
				CHECK_MEM(out, len, g->plain, len);
				last = len;
				free(cut);
				free(exact);
			}
			CHECK_EQ(last, size < g->len ? size : g->len);
		}
	}
}

TEST(prefix_names)
{
	uint8_t in[256], out[32];
	size_t len;

	setup();
	test_unhex(INFO_LZ4, in, sizeof(in));
	CHECK_EQ(decompress_prefix(d, LZ4, in, 24, out, sizeof(out), &len), 0);
	CHECK_MEM(out, len,
	          "\xc2\x8dinfo-responseg\x81"
	          "a",
	          18);
	CHECK_EQ(decompress_prefix(d, LZ4, in, 4, out, sizeof(out), &len), 0);
	CHECK_EQ(len, 0);
}

TEST(prefix_corrupt)
{
	static const struct {
		uint8_t compression;
		const char *hex;
	} bad[] = {
		{LZ4, "640000001f4102004b504141414141"},
		{LZ4, "640000001f4100004b504141414141"},
		{LZ4, "01000010104100"}, /* over 256 MiB */
		{ZLIB, "7374a43d0000"},
		{ZLIB, "78bb02e919657374"},
		{BROTLI, "ffffffffffff"},
		{BROTLI, "111e00"},
	};
	uint8_t in[64], out[64];
	size_t n, len = 99;

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		test_note("%s", bad[i].hex);
		n = test_unhex(bad[i].hex, in, sizeof(in));
		CHECK_EQ(decompress_prefix(d, bad[i].compression, in, n, out, 64, &len), -EBADMSG);
		CHECK_EQ(len, 99);
	}
}

/* Input over 256 MiB is cut, not refused: in a front nothing is too large. */
TEST(prefix_never_too_large)
{
	uint8_t out[4];
	size_t len;

	setup();
	CHECK_EQ(decompress_prefix(d, 0, (const uint8_t *)"abcdef", (size_t)HEADER_SIZE_MAX + 1,
	                           out, 4, &len),
	         0);
	CHECK_MEM(out, len, "abcd", 4);
}

static uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static void round_trip(const uint8_t *in, size_t n)
{
	uint8_t *packed = malloc(n), *out = malloc(n);
	size_t len = 0, got = 0;

	CHECK_EQ(compress_lz4(in, n, packed, n, &len), 0);
	CHECK(len < n);
	CHECK_EQ(run(COMPRESSION_LZ4, packed, len, out, n, &got), 0);
	CHECK_MEM(out, got, in, n);
	CHECK_EQ(compress_lz4(in, n, packed, len, &got), 0); /* fits exactly */
	CHECK_EQ(got, len);
	for (size_t k = 0; k <= len; k += len / 37 + 1) {
		CHECK_EQ(decompress_prefix(d, LZ4, packed, k, out, n, &got), 0);
		CHECK_MEM(out, got, in, got);
	}
	CHECK_EQ(decompress_prefix(d, LZ4, packed, len, out, n, &got), 0);
	CHECK_EQ(got, n);
	CHECK_EQ(compress_lz4(in, n, packed, len - 1, &got), -ENOBUFS);
	free(packed);
	free(out);
}

TEST(lz4_round_trip)
{
	size_t n = 1 << 20;
	uint8_t *in = malloc(n);
	uint32_t seed = 1;

	setup();
	memset(in, 'x', n);
	for (size_t len = 32; len <= n; len *= 2)
		round_trip(in, len);
	for (size_t i = 0; i < n; i++)
		in[i] = (uint8_t)(random_next(&seed) & 3);
	for (size_t len = 4096; len <= n; len *= 2)
		round_trip(in, len);
	for (size_t i = 0; i < n; i++) /* long literals, then long matches */
		in[i] = i % 8192 < 4096 ? (uint8_t)random_next(&seed) : in[i - 4096];
	round_trip(in, n);
	free(in);
}

TEST(lz4_not_worth_it)
{
	uint8_t in[256], out[512];
	uint32_t seed = 7;
	size_t len = 77;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)random_next(&seed);
	CHECK_EQ(compress_lz4(in, sizeof(in), out, sizeof(out), &len), -ENOBUFS);
	memset(in, 0, sizeof(in));
	CHECK_EQ(compress_lz4(in, 0, out, sizeof(out), &len), -ENOBUFS);
	CHECK_EQ(compress_lz4(in, 4, out, sizeof(out), &len), -ENOBUFS);
	CHECK_EQ(compress_lz4(in, 5, out, sizeof(out), &len), -ENOBUFS);
	CHECK_EQ(compress_lz4(in, 256, out, 4, &len), -ENOBUFS);
	CHECK_EQ(compress_lz4(in, 256, out, 0, &len), -ENOBUFS);
	CHECK_EQ(compress_lz4(in, (size_t)HEADER_SIZE_MAX + 1, out, sizeof(out), &len), -ENOBUFS);
	CHECK_EQ(len, 77);
	CHECK_EQ(compress_lz4(in, 256, out, sizeof(out), &len), 0);
}

static uint8_t mutated;

static void check_mutation(const uint8_t *data, size_t len)
{
	uint8_t out[300], *front = malloc(40);
	size_t got = 0, n = 0;
	int r = run(mutated, data, len, out, sizeof(out), &got);
	int p = decompress_prefix(d, mutated, data, len, front, 40, &n);

	CHECK(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
	CHECK(p == 0 || p == -EBADMSG);
	if (r == 0) {
		CHECK_EQ(p, 0);
		CHECK_MEM(front, n, out, got < 40 ? got : 40);
	}
	free(front);
}

TEST(mutations)
{
	uint8_t in[256];
	size_t n;

	setup_golden();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		mutated = golden[i].compression;
		n = test_unhex(golden[i].hex, in, sizeof(in));
		test_mutate(in, n, check_mutation);
	}
}

TEST(many_records_and_free)
{
	struct decompressor *other = decompressor_new();
	uint8_t in[256], out[256];
	size_t n, len;

	setup_golden();
	CHECK(other);
	for (unsigned i = 0; i < 3000; i++) { /* algorithms take turns: nothing piles up */
		const struct golden *g = &golden[i % ARRAY_SIZE(golden)];

		n = test_unhex(g->hex, in, sizeof(in));
		CHECK_EQ(decompress(other, g->compression, in, n, out, sizeof(out), &len), 0);
		CHECK_MEM(out, len, g->plain, g->len);
	}
	CHECK(decompressor_free(other) == NULL);
	CHECK(decompressor_free(NULL) == NULL);
	d = decompressor_free(d);
}
