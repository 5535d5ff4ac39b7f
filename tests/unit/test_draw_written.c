/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/draw.c: what clients are sent instead, and what they answer.
 */
#include "tests/unit/token_dump.h"

#include <errno.h>

#include "relay/draw.h"
#include "tests/unit/packet_text.h"

static const enum encoder encoders[] = {PLUS, CLASSIC, BENCODE};
static uint8_t in[65536], out[65536];

/* ---- pictures ---- */

/* The main record as dump() shows it, after the chunk with the data. */
static const char *written(enum encoder encoder, const struct frame_picture *p, const void *data)
{
	size_t size = p->len + DRAW_OVERHEAD, len = 0, at = 0;
	uint8_t *buf = malloc(size);
	struct header h;
	int r = draw_write(encoder, DRAW_NAME, 5, 0x40000001, p, data, buf, size, &len);

	if (r == 0 && len <= sizeof(out))
		memcpy(out, buf, len);
	free(buf);
	CHECK_EQ(r, 0);
	CHECK(len <= size);
	if (p->coding != CODING_SCROLL) {
		CHECK_EQ(header_parse(out, len, &h, NULL), 0);
		CHECK(h.index == 7 && h.size == p->len && h.flags == 0 && h.compression == 0);
		CHECK_MEM(out + HEADER_LEN, h.size, data, p->len);
		at = HEADER_LEN + h.size;
	}
	CHECK_EQ(header_parse(out + at, len - at, &h, NULL), 0);
	CHECK(h.index == 0 && h.flags == encoder && at + HEADER_LEN + h.size == len);
	return dump(encoder, out + at + HEADER_LEN, h.size, false, dump_buf);
}

TEST(every_coding_is_written)
{
	struct frame_picture p = {
		.len = 6, .x = 1, .y = 2, .w = 3, .h = 4, .format = PIXEL_RGBX, .encoder = "enc"};
	char want[400];

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		enum encoder encoder = encoders[e];

		for (int c = 0; c < CODING_MAX_; c++) {
			bool video = c >= CODING_H264 && c <= CODING_VP9;
			bool rgb = c == CODING_RGB24 || c == CODING_RGB32;

			if (c == CODING_SCROLL)
				continue;
			p.coding = (uint8_t)c;
			p.coded_w = p.w;
			p.coded_h = p.h;
			snprintf(
				want, sizeof(want),
				"[ 'draw' 5 1 2 3 4 '%s' '' 1073741825 0 {%s%s 'encoder' 'enc' ] ]",
				coding_name((enum coding)c), rgb ? " 'rgb_format' 'RGBX'" : "",
				!video               ? ""
				: encoder == BENCODE ? " 'csc' 'YUV420P' 'frame' 0 'full-range' 0"
						     : " 'csc' 'YUV420P' 'frame' 0 'full-range' "
						       "false");
			CHECK_STR(written(encoder, &p, "abcdef"), want);
		}
	}
}

TEST(options_are_written)
{
	struct frame_picture p = {.len = 3,
	                          .w = 30,
	                          .h = 4,
	                          .coding = CODING_H264,
	                          .csc = CSC_YUV444P,
	                          .frame = 9,
	                          .key = true,
	                          .coded_w = 16,
	                          .coded_h = 4,
	                          .quality = 80,
	                          .flush = 2,
	                          .encoder = "x264"};

	CHECK_STR(written(PLUS, &p, "abc"),
	          "[ 'draw' 5 0 0 30 4 'h264' '' 1073741825 0 { 'csc' 'YUV444P' 'frame' 9 "
	          "'full-range' false 'type' 'IDR' 'scaled_size' [ 16 4 ] 'quality' 80 'flush' 2 "
	          "'encoder' 'x264' ] ]");
	p.coded_w = 30;
	p.coded_h = 2;
	CHECK(strstr(written(CLASSIC, &p, "abc"), "'scaled_size' [ 30 2 ]"));
	p.coding = CODING_RGB32;
	p.lz4 = true;
	p.stride = 120;
	p.format = PIXEL_BGRX;
	CHECK_STR(written(BENCODE, &p, "abc"),
	          "[ 'draw' 5 0 0 30 4 'rgb32' '' 1073741825 120 { 'rgb_format' 'BGRX' 'lz4' 1 "
	          "'quality' 80 'flush' 2 'encoder' 'x264' ] ]");
}

TEST(scrolls_are_written)
{
	const struct frame_scroll s[] = {{0, 10, 100, 90, 0, -10}, {1, 2, 3, 4, 5, 6}};
	struct frame_picture p = {.len = sizeof(s), .w = 100, .h = 100, .coding = CODING_SCROLL};

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		CHECK_STR(
			written(encoders[e], &p, s),
			"[ 'draw' 5 0 0 100 100 'scroll' [ [ 0 10 100 90 0 -10 ] [ 1 2 3 4 5 6 ] ] "
			"1073741825 0 { 'encoder' '' ] ]");
		p.len = sizeof(s) - 1; /* a part of one is none */
		CHECK(!strstr(written(encoders[e], &p, s), "5 6"));
		p.len = sizeof(s);
	}
}

TEST(no_room_for_pictures)
{
	const struct frame_picture video = {.len = 300, .w = 1, .h = 1, .coding = CODING_VP8},
				   scroll = {.len = 48, .w = 1, .h = 1, .coding = CODING_SCROLL};
	size_t need, len;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++)
		for (int i = 0; i < 2; i++) {
			const struct frame_picture *p = i ? &scroll : &video;

			CHECK_EQ(draw_write(encoders[e], DRAW_NAME, 1, 1, p, in, out, sizeof(out),
			                    &need),
			         0);
			for (size_t size = 0; size < need; size++) {
				uint8_t *buf = malloc(size ? size : 1);
				int r = draw_write(encoders[e], DRAW_NAME, 1, 1, p, in, buf, size,
				                   &len);

				free(buf);
				CHECK_EQ(r, -ENOBUFS);
			}
		}
}

/* ---- acknowledgements ---- */

static int read_ack(enum encoder encoder, const char *text, struct draw_ack *a)
{
	struct token_reader r;

	test_note("%s: %.180s", encoder_name(encoder), text);
	packet_text_open(encoder, text, in, sizeof(in), &r);
	return draw_ack_read(&r, ACK_DAMAGE_SEQUENCE, a);
}

TEST(acks)
{
	static const char *const bad[] = {
		"['x']",
		"['x', 'a', 3, 4, 5, 6, '']",
		"['x', [], 3, 4, 5, 6, '']",
		"['x', 2]",
		"['x', 2, 0, 4, 5, 6, '']",
		"['x', 2, 4294967296, 4, 5, 6, '']",
		"['x', 2, 3, -1, 5, 6, '']",
		"['x', 2, 3, 4, 2147483648, 6, '']",
		"['x', 2, 3, 4]",
	};
	struct draw_ack a, b;
	size_t len;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		struct header h;

		CHECK_EQ(read_ack(encoders[e], "['damage-sequence', 9000000000, 3, 4, 5, -1, 'no']",
		                  &a),
		         0);
		CHECK(a.sequence == 9000000000 && a.wid == 3 && a.w == 4 && a.h == 5 &&
		      a.decode_usec == -1);
		CHECK_EQ(draw_ack_write(encoders[e], ACK_DAMAGE_SEQUENCE, &a, out, sizeof(out),
		                        &len),
		         0);
		CHECK_EQ(header_parse(out, len, &h, NULL), 0);
		CHECK_EQ(h.size + HEADER_LEN, len);
		CHECK_STR(dump(encoders[e], out + HEADER_LEN, h.size, false, dump_buf),
		          "[ 'damage-sequence' 9000000000 3 4 5 -1 '' ]");
		for (size_t size = 0; size < len; size++)
			CHECK_EQ(draw_ack_write(encoders[e], ACK_DAMAGE_SEQUENCE, &a, out, size,
			                        &len),
			         -ENOBUFS);
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			CHECK_EQ(read_ack(encoders[e], bad[i], &a), -EBADMSG);
		CHECK_EQ(read_ack(encoders[e], "['window-draw-ack', 2, 3, 0, 0, 'x']", &b), 0);
		CHECK_EQ(b.decode_usec, 0);
		CHECK_EQ(read_ack(encoders[e], "['window-draw-ack', 2, 3, 0, 0, -99999999999]", &b),
		         0);
		CHECK_EQ(b.decode_usec, 0);
		CHECK_EQ(read_ack(encoders[e], "['window-draw-ack', 2, 3, 0, 0]", &b), 0);
	}
	CHECK_EQ(read_ack(PLUS, "['damage-sequence', 2, 3, 4, 5, 6.5]", &a), 0);
	CHECK_EQ(a.decode_usec, 0);
}

TEST(refresh)
{
	struct header h;
	size_t len;

	for (size_t e = 0; e < ARRAY_SIZE(encoders); e++) {
		CHECK_EQ(draw_refresh_write(encoders[e], REFRESH_NAME, out, sizeof(out), &len), 0);
		CHECK_EQ(header_parse(out, len, &h, NULL), 0);
		CHECK_STR(dump(encoders[e], out + HEADER_LEN, h.size, false, dump_buf),
		          encoders[e] == BENCODE
		                  ? "[ 'buffer-refresh' -1 0 100 { 'refresh-now' 1 ] { ] ]"
		                  : "[ 'buffer-refresh' -1 0 100 { 'refresh-now' true ] { ] ]");
		CHECK_EQ(draw_refresh_write(encoders[e], REFRESH_NAME, out, len - 1, &len),
		         -ENOBUFS);
	}
}
