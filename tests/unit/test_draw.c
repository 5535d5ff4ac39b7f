/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/draw.c: draws of servers, honest and lying, and their pixels.
 */
#include "tests/unit/token_dump.h"

#include <errno.h>
#include <zlib.h>

#include "relay/draw.h"
#include "tests/unit/packet_text.h"

static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
static uint8_t in[65536], out[65536], made[65536];
static struct decompressor *z;

/* From after the packet's name; the bytes that d->data points into stay in `in`. */
static int read_draw(enum encoder encoder, const char *text, size_t chunk, struct draw *d)
{
	struct token_reader r;

	test_note("%s: %.180s", encoder_name(encoder), text);
	packet_text_open(encoder, text, in, sizeof(in), &r);
	memset(d, 0xee, sizeof(*d));
	return draw_read(&r, chunk, d);
}

/* Whether the pixels are taken; in every encoder alike. */
static bool takes(const char *geometry, const char *coding, const char *data, const char *stride,
                  const char *options, size_t chunk)
{
	char text[2000];
	struct draw d;
	int taken = -1;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		snprintf(text, sizeof(text), "['draw', 5, %s, %s, %s, 77, %s, {%s}]", geometry,
		         coding, data, stride, options);
		CHECK_EQ(read_draw(encoders[i], text, chunk, &d), 0);
		CHECK_EQ(d.wid, 5);
		CHECK_EQ(d.sequence, 77);
		CHECK(taken < 0 || taken == d.rgb);
		CHECK(d.rgb || d.stride == 0);
		taken = d.rgb;
	}
	return taken;
}

#define BGRX "'rgb_format': 'BGRX'"

static bool fits(const char *geometry, const char *stride)
{
	return takes(geometry, "'rgb32'", "b''", stride, BGRX, 1000);
}

TEST(plain)
{
	struct draw d;

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		CHECK_EQ(read_draw(encoders[i],
		                   "['draw', 5, 1, 2, 3, 4, 'rgb24', b'abcdef', 77, 16, {'lz4': 1,"
		                   " 'rgb_format': 'RGBX', 'flush': 2, 'ts': [1, {'a': 2}]}]",
		                   0, &d),
		         0);
		CHECK(d.rgb && d.x == 1 && d.y == 2 && d.w == 3 && d.h == 4);
		CHECK_EQ(d.format, PIXEL_RGBX);
		CHECK_EQ(d.compressor, COMPRESSOR_LZ4);
		CHECK_EQ(d.stride, 16);
		CHECK_EQ(draw_bytes(&d), 64);
		CHECK_EQ(d.flush, 2);
		CHECK_MEM(d.data, d.data_len, "abcdef", 6);
	}
	CHECK_EQ(read_draw(PLUS,
	                   "['draw', 5, 1, 2, 3, 4, 'rgb32', '', 77, 9, {'zlib': true,"
	                   " 'rgb_format': 'BGR'}]",
	                   6, &d),
	         0);
	CHECK(d.rgb && !d.data && d.compressor == COMPRESSOR_ZLIB && d.format == PIXEL_BGR);
}

TEST(recorded)
{
	static const struct {
		const char *path;
		enum encoder encoder;
		size_t chunk;
	} draws[] = {
		{"tests/data/rencode-draw-3.1.bin", CLASSIC, 100},
		{"tests/data/rencodeplus-draw-6.5.bin", PLUS, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(draws); i++) {
		size_t len;
		uint8_t *data = test_load(draws[i].path, &len);
		struct token_reader r;
		struct token t;
		struct draw d;

		token_reader_init(&r, draws[i].encoder, data, len);
		CHECK(token_read(&r, &t) > 0 && token_read(&r, &t) > 0);
		CHECK_EQ(draw_read(&r, draws[i].chunk, &d), 0);
		CHECK(d.wid > 0 && d.w > 0 && d.h > 0);
		free(data);
	}
}

TEST(geometry_lies)
{
	CHECK(fits("0, 0, 8, 2", "32"));
	CHECK(fits("16376, 16382, 8, 2", "32"));
	CHECK(!fits("16377, 0, 8, 2", "32"));
	CHECK(!fits("0, 16383, 8, 2", "32"));
	CHECK(!fits("-1, 0, 8, 2", "32"));
	CHECK(!fits("0, -1, 8, 2", "32"));
	CHECK(!fits("0, 0, 0, 2", "32"));
	CHECK(!fits("0, 0, 8, 0", "32"));
	CHECK(!fits("0, 0, -8, 2", "32"));
	CHECK(!fits("0, 0, 8, -2", "32"));
	CHECK(fits("0, 0, 16384, 1", "65536"));
	CHECK(!fits("0, 0, 16385, 1", "65540"));
	CHECK(!fits("0, 0, 1, 16385", "4"));
	CHECK(!fits("4294967296, 0, 8, 2", "32"));
	CHECK(!fits("0, 0, 4294967304, 2", "32"));
	CHECK(!fits("0, 0, 8, 9223372036854775807", "32"));
	CHECK(!fits("0, 0, -9223372036854775808, 2", "32"));
	CHECK(!fits("none, 0, 8, 2", "32"));
	CHECK(!fits("0, 0, 'x', 2", "32"));
	CHECK(!fits("0, 0, 8, b'x'", "32"));
}

TEST(stride_lies)
{
	CHECK(!fits("0, 0, 8, 2", "31"));
	CHECK(!fits("0, 0, 8, 2", "24")); /* of rgb24, but rgb_format is what counts */
	CHECK(!fits("0, 0, 8, 2", "0"));
	CHECK(!fits("0, 0, 8, 2", "-32"));
	CHECK(fits("0, 0, 8, 2", "4128"));
	CHECK(!fits("0, 0, 8, 2", "4129"));
	CHECK(!fits("0, 0, 8, 2", "4294967328"));
	CHECK(!fits("0, 0, 8, 2", "9223372036854775807"));
	CHECK(!fits("0, 0, 8, 2", "'x'"));
	CHECK(fits("0, 0, 512, 16384", "2048")); /* half the ring, to the byte */
	CHECK(!fits("0, 0, 512, 16384", "2049"));
	CHECK(!fits("0, 0, 16384, 16384", "65536"));
	CHECK(takes("0, 0, 8, 2", "'rgb32'", "''", "24", "'rgb_format': 'RGB'", 9));
	CHECK(!takes("0, 0, 8, 2", "'rgb32'", "''", "23", "'rgb_format': 'RGB'", 9));
}

TEST(formats)
{
	static const char *const taken[] = {"BGRX", "RGBX", "RGB", "BGR"}, *const left[] = {
										   "BGRA", "RGBA",
										   "r210", "BGR565",
										   "",     "BGRXX",
										   "bgrx", "XRGB"};
	char options[100];

	for (size_t i = 0; i < ARRAY_SIZE(taken) + ARRAY_SIZE(left); i++) {
		bool good = i < ARRAY_SIZE(taken);

		snprintf(options, sizeof(options), "'rgb_format': '%s'",
		         good ? taken[i] : left[i - ARRAY_SIZE(taken)]);
		CHECK_EQ(takes("0, 0, 8, 2", "'rgb32'", "''", "32", options, 9), good);
	}
	CHECK(!takes("0, 0, 8, 2", "'rgb32'", "''", "32", "", 9));
	CHECK(!takes("0, 0, 8, 2", "'rgb32'", "''", "32", "'rgb_format': 1", 9));
	CHECK(!takes("0, 0, 8, 2", "'rgb32'", "''", "32", "'rgb_format': ['BGRX']", 9));
	/* The last one counts */
	CHECK(!takes("0, 0, 8, 2", "'rgb32'", "''", "32", BGRX ", 'rgb_format': 'BGRA'", 9));
}

TEST(codings)
{
	CHECK(takes("0, 0, 8, 2", "'rgb24'", "''", "32", BGRX, 9));
	CHECK(takes("0, 0, 8, 2", "b'rgb32'", "''", "32", BGRX, 9));
	CHECK(!takes("0, 0, 8, 2", "'png'", "b'x'", "32", BGRX, 0));
	CHECK(!takes("0, 0, 8, 2", "'h264'", "''", "0", "", 9));
	CHECK(!takes("0, 0, 8, 2", "'rgb'", "''", "32", BGRX, 9));
	CHECK(!takes("0, 0, 8, 2", "''", "''", "32", BGRX, 9));
	CHECK(!takes("0, 0, 8, 2", "'scroll'", "[[0, 0, 8, 2, 0, 1]]", "0", "", 0));
	CHECK(!takes("0, 0, 8, 2", "'mmap'", "[[0, 64], [64, 64]]", "32", BGRX, 0));
}

TEST(where_the_pixels_are)
{
	CHECK(takes("0, 0, 8, 2", "'rgb24'", "b'abc'", "32", BGRX, 0));
	CHECK(takes("0, 0, 8, 2", "'rgb24'", "'abc'", "32", BGRX, 0));
	CHECK(!takes("0, 0, 8, 2", "'rgb24'", "b''", "32", BGRX, 0)); /* nowhere */
	CHECK(!takes("0, 0, 8, 2", "'rgb24'", "[1]", "32", BGRX, 9)); /* a chunk beside a list */
	CHECK(!takes("0, 0, 8, 2", "'rgb24'", "{1: 2}", "32", BGRX, 0));
	CHECK(!takes("0, 0, 8, 2", "'rgb24'", "12", "32", BGRX, 0));
	CHECK(!takes("0, 0, 8, 2", "'rgb24'", "12", "32", BGRX, 9));
	CHECK(takes("0, 0, 8, 2", "'rgb24'", "b'abc'", "32", BGRX, 9)); /* the chunk is meant */
}

TEST(options)
{
	static const char *const plain[] =
		{"'lz4': 1",        "'lz4': true",         "'lz4': 4",
	         "'zlib': 9",       "'lz4': 0, 'zlib': 1", "'zlib': false, 'lz4': 1",
	         "'lzo': 0",        "'delta': false",      "'flush': 'x'",
	         "'flush': none",   "'ts': none",          "1: 2",
	         "'x': {'lzo': 1}", "'x': [[], {}]"},
				 *const odd[] = {"'lz4': 1, 'zlib': 1",
	                                         "'zlib': 1, 'lz4': 1",
	                                         "'lz4': 1, 'lz4': 1",
	                                         "'lzo': 1",
	                                         "'brotli': 1",
	                                         "'zstd': 1",
	                                         "'delta': 3",
	                                         "'store': 1",
	                                         "'scaled_size': [4, 1]",
	                                         "'zstd': {}"};
	char text[200];
	struct draw d;

	for (size_t i = 0; i < ARRAY_SIZE(plain) + ARRAY_SIZE(odd); i++) {
		bool good = i < ARRAY_SIZE(plain);

		snprintf(text, sizeof(text), BGRX ", %s",
		         good ? plain[i] : odd[i - ARRAY_SIZE(plain)]);
		CHECK_EQ(takes("0, 0, 8, 2", "'rgb24'", "''", "32", text, 9), good);
	}
	CHECK_EQ(read_draw(PLUS,
	                   "['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, 32, {'flush': -3, " BGRX
	                   ", 'ts': none, 1: 2}]",
	                   9, &d),
	         0);
	CHECK(d.rgb && d.flush == 0);
	CHECK_EQ(read_draw(PLUS,
	                   "['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, 32, {'flush': 999, " BGRX "}]",
	                   9, &d),
	         0);
	CHECK(d.rgb && d.flush == 255);
}

TEST(not_draws)
{
	static const char *const packets[] = {
		"['draw']",
		"['draw', 5]",
		"['draw', 0, 0, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', -5, 0, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', 4294967296, 0, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', 'x', 0, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', [5], 0, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', 5, {}, 0, 8, 2, 'rgb24', '', 7, 32, {}]",
		"['draw', 5, 0, 0, 8, 2]",
		"['draw', 5, 0, 0, 8, 2, 7, '', 7, 32, {}]",
		"['draw', 5, 0, 0, 8, 2, [], '', 7, 32, {}]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24']",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '']",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 'x', 32, {}]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', [], 32, {}]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, [], {}]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, 32]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, 32, []]",
		"['draw', 5, 0, 0, 8, 2, 'rgb24', '', 7, 32, 'x']",
	};
	struct draw d;

	for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
		for (size_t e = 0; e < ARRAY_SIZE(encoders); e++)
			CHECK_EQ(read_draw(encoders[e], packets[i], 9, &d), -EBADMSG);
}

/* Any bytes: what is taken is within the limits, whatever it is. */
static enum encoder mutated;

static void check_any(const uint8_t *data, size_t len)
{
	struct token_reader r;
	struct token t;
	struct draw d;

	token_reader_init(&r, mutated, data, len);
	if (token_read(&r, &t) <= 0 || token_read(&r, &t) <= 0 || draw_read(&r, 0, &d) < 0)
		return;
	CHECK(d.wid > 0);
	if (!d.rgb)
		return;
	CHECK(d.x >= 0 && d.y >= 0 && d.w > 0 && d.h > 0 && d.x + d.w <= FRAME_SIDE_MAX &&
	      d.y + d.h <= FRAME_SIDE_MAX);
	CHECK(d.stride >= (unsigned)d.w * pixel_format_bytes(d.format));
	CHECK(draw_bytes(&d) <= FRAME_IN_BYTES / 2);
	CHECK(d.data >= data && d.data + d.data_len <= data + len);
}

TEST(mutations)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		size_t len = packet_text(encoders[i],
		                         "['draw', 5, 1, 2, 30, 40, 'rgb24', b'abcdef', 77, 120, "
		                         "{'lz4': 1, 'rgb_format': 'BGRX', 'flush': 2}]",
		                         in, sizeof(in));

		mutated = encoders[i];
		test_mutate(in, len, check_any);
	}
}

/* ---- pixels ---- */

static const struct draw tile = {
	.wid = 1, .w = 4, .h = 3, .rgb = true, .format = PIXEL_BGRX, .stride = 20};

/* Exact sizes on the heap: ASan sees a byte too far. */
static int pixels(const struct draw *d, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1), *to = malloc(draw_bytes(d));
	int r;

	if (!z)
		z = decompressor_new();
	if (len > 0)
		memcpy(copy, data, len);
	memset(to, 0xaa, draw_bytes(d));
	r = draw_pixels(d, z, copy, len, to);
	memcpy(made, to, draw_bytes(d));
	free(copy);
	free(to);
	return r;
}

TEST(pixels_plain)
{
	const size_t all = draw_bytes(&tile);

	CHECK_EQ(all, 60);
	for (size_t i = 0; i < all; i++)
		in[i] = (uint8_t)(i + 1);
	CHECK_EQ(pixels(&tile, in, all), 0);
	CHECK_MEM(made, all, in, all);
	CHECK_EQ(pixels(&tile, in, all - 4), 0); /* no slack after the last row */
	CHECK_MEM(made, all - 4, in, all - 4);
	CHECK_MEM(made + all - 4, 4, "\0\0\0\0", 4);
	CHECK_EQ(pixels(&tile, in, all - 5), -EBADMSG);
	CHECK_EQ(pixels(&tile, in, all + 1), -EBADMSG);
	CHECK_EQ(pixels(&tile, in, 0), -EBADMSG);
	CHECK_EQ(pixels(&tile, in, 2 * all), -EBADMSG);
}

TEST(pixels_lz4)
{
	struct draw d = tile;
	const size_t all = draw_bytes(&d);
	size_t len;

	d.compressor = COMPRESSOR_LZ4;
	memset(in, 7, sizeof(in));
	CHECK_EQ(compress_lz4(in, all, out, sizeof(out), &len), 0);
	CHECK_EQ(pixels(&d, out, len), 0);
	CHECK_MEM(made, all, in, all);
	/* The size that it says of itself */
	for (unsigned said = 0; said < 256; said++) {
		out[0] = (uint8_t)said;
		CHECK_EQ(pixels(&d, out, len), said == all ? 0 : -EBADMSG);
	}
	out[0] = (uint8_t)all;
	out[3] = 0x7f;
	CHECK_EQ(pixels(&d, out, len), -EBADMSG);
	out[3] = 0xff;
	CHECK_EQ(pixels(&d, out, len), -EBADMSG);
	out[3] = 0;
	for (size_t n = 0; n < len; n++)
		CHECK_EQ(pixels(&d, out, n), -EBADMSG);
	out[len] = 0;
	CHECK_EQ(pixels(&d, out, len + 1), -EBADMSG);
	/* One more or fewer than there should be, and honest about it */
	CHECK_EQ(compress_lz4(in, all - 1, out, sizeof(out), &len), 0);
	CHECK_EQ(pixels(&d, out, len), -EBADMSG);
	CHECK_EQ(compress_lz4(in, all + 1, out, sizeof(out), &len), 0);
	CHECK_EQ(pixels(&d, out, len), -EBADMSG);
	CHECK_EQ(compress_lz4(in, sizeof(in), out, sizeof(out), &len), 0);
	CHECK_EQ(pixels(&d, out, len), -EBADMSG);
}

TEST(pixels_zlib)
{
	static const int more[] = {0, -1, 1, 5000};
	struct draw d = tile;
	const size_t all = draw_bytes(&d);

	d.compressor = COMPRESSOR_ZLIB;
	memset(in, 7, sizeof(in));
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		uLongf len = sizeof(out);

		CHECK_EQ(compress2(out, &len, in, (uLong)((long)all + more[i]), 6), Z_OK);
		CHECK_EQ(pixels(&d, out, len), more[i] ? -EBADMSG : 0);
		CHECK(more[i] || memcmp(made, in, all) == 0);
		CHECK_EQ(pixels(&d, out, len - 1), -EBADMSG);
		CHECK_EQ(pixels(&d, out, len + 1), -EBADMSG);
	}
	CHECK_EQ(pixels(&d, (const uint8_t *)"", 0), -EBADMSG);
}
