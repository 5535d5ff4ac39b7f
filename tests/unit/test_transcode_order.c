/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/transcode*.c: what is sent when, beside draws that pass, are too large, or wait for room.
 */
#include "tests/unit/transcode_rig.h"

/* With half a record written, or a chunk without its record, pictures wait. */
TEST(only_at_gaps)
{
	uint8_t *big = calloc(1, 10000);
	size_t len, half;

	start();
	memset(big, 'x', 9000);
	draw(1, 1);
	len = record_raw(0, 0, 9, "sound", 5, in);
	len += record_text(PLUS, "['sound-data', 'opus', '', {}]", in + len, sizeof(in) - len);
	/* Cut in its name, it is not known yet whether it will pass: nothing has been written */
	feed(&rig->w.down, in, HEADER_LEN + 5 + HEADER_LEN + 4);
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	feed(&rig->w.down, in + HEADER_LEN + 5 + HEADER_LEN + 4,
	     len - (HEADER_LEN + 5 + HEADER_LEN + 4));
	/* Now with the chunk and a part of the record gone */
	draw(1, 2);
	len = record_raw(0, 0, 9, "sound", 5, in);
	half = len + 1000;
	snprintf((char *)big, 40, "['sound-data', 'opus', b'");
	big[strlen((char *)big)] = 'x';
	memcpy(big + 9000, "', {}]", 7);
	len += record_text(PLUS, (const char *)big, in + len, sizeof(in) - len);
	feed(&rig->w.down, in, half);
	CHECK(rig->w.down.chunks != 0 || rig->w.down.record_left > 0);
	answer(picture(1, 2));
	CHECK_EQ(shown, 1);
	CHECK_EQ(tc->waiting_count, 1);
	feed(&rig->w.down, in + half, len - half);
	read_client();
	CHECK_EQ(shown, 2);
	client_ack(ours, 1, 1);
	check_acked(1, 2);
	free(big);
}

/* One that passes waits for what came before it, of its own window. */
TEST(no_overtaking)
{
	struct frame f;

	start();
	draw(1, 1);
	(void)told(FRAME_DRAW);
	draw_png(2, 2);
	read_client();
	CHECK_EQ(passed, 2);
	f = told(FRAME_SPOILED);
	CHECK(f.wid == 2 && f.draw.x == 1 && f.draw.y == 2 && f.draw.w == 2 && f.draw.h == 1);
	draw_png(1, 3);
	read_client();
	CHECK_EQ(passed, 2);
	told_nothing();
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	CHECK_EQ(passed, 3); /* read_client() would have seen it first */
	CHECK_EQ(told(FRAME_SPOILED).wid, 1);
	client_ack(ours, 1, 1);
	client_ack(2, 2, 1);
	client_ack(3, 1, 1);
	check_acked(1, 3);
	/* Pixels that lie pass as well: it is the client that is lied to */
	server("['draw', 1, 0, 0, 200, 100, 'rgb24', b'abc', 4, 800, {'rgb_format': 'BGRX'}]");
	read_client();
	CHECK_EQ(passed, 4);
	CHECK_EQ(tc->in.count, 0);
	(void)told(FRAME_SHOWN);
	f = told(FRAME_SPOILED);
	CHECK(f.draw.w == 200 && f.draw.h == 100);
}

TEST(spoiled_rectangles)
{
	static const struct {
		const char *where;
		uint16_t x, y, w, h;
	} spoils[] = {
		{"0, 0, 300, 200", 0, 0, 300, 200},
		{"-5, -6, 10, 10", 0, 0, 5, 4},
		{"16380, 16383, 10, 10", 16380, 16383, 4, 1},
		{"5, 5, -10, 0", 5, 5, 0, 0},
		{"-16384, -16384, -16384, 16384", 0, 0, 0, 0},
	};

	start();
	for (size_t i = 0; i < ARRAY_SIZE(spoils); i++) {
		struct frame f;

		server("['draw', 1, %s, 'png', b'abc', 2, 0, {}]", spoils[i].where);
		test_note("%s", spoils[i].where);
		f = told(FRAME_SPOILED);
		CHECK_EQ(f.draw.x, spoils[i].x);
		CHECK_EQ(f.draw.y, spoils[i].y);
		CHECK_EQ(f.draw.w, spoils[i].w);
		CHECK_EQ(f.draw.h, spoils[i].h);
	}
	draw(3, 5); /* small, and may grow */
	CHECK_EQ(told(FRAME_SPOILED).wid, 3);
	draw(4, 6); /* a menu */
	told_nothing();
	read_client();
	CHECK_EQ(passed, 6);
}

/* Pixels in a chunk, compressed. */
TEST(chunks)
{
	uint8_t pixels[800], packed[900];
	struct header h = {.index = 7};
	size_t len;
	struct frame f;

	start();
	memset(pixels, 9, sizeof(pixels));
	CHECK_EQ(compress_lz4(pixels, sizeof(pixels), packed, sizeof(packed), &len), 0);
	h.size = (uint32_t)len;
	header_build(in, &h);
	memcpy(in + HEADER_LEN, packed, len);
	len += HEADER_LEN;
	len += record_text(PLUS,
	                   "['draw', 1, 0, 0, 2, 1, 'rgb32', '', 1, 800, {'lz4': 1, "
	                   "'rgb_format': 'BGRX'}]",
	                   in + len, sizeof(in) - len);
	for (size_t at = 0; at < len; at++)
		feed(&rig->w.down, in + at, 1);
	f = told(FRAME_DRAW);
	CHECK_EQ(f.draw.wire_bytes, h.size);
	CHECK_MEM(memory + f.draw.offset, sizeof(pixels), pixels, sizeof(pixels));
	answer(picture(1, 1));
	client_ack(ours, 1, 1);
	check_acked(1, 1);
	/* A chunk of another kind before it, and compressed on the way: not what servers send */
	header_build(in, &(struct header){.index = 7, .size = 20, .compression = 0x11});
	memcpy(in + HEADER_LEN, packed, 20);
	len = HEADER_LEN + 20;
	len += record_text(PLUS,
	                   "['draw', 1, 0, 0, 2, 1, 'rgb32', '', 2, 800, {'lz4': 1, "
	                   "'rgb_format': 'BGRX'}]",
	                   in + len, sizeof(in) - len);
	feed(&rig->w.down, in, len);
	read_client();
	CHECK_EQ(passed, 2);
}

/* More than can be held: it waits before it begins, as then it cannot wait any more. */
TEST(chunk_too_large_to_hold)
{
	const size_t all = FLOW_RECORD_MAX + 65536;
	uint8_t *big = calloc(1, all);
	struct header h = {.index = 7, .size = (uint32_t)(all - HEADER_LEN)};

	start();
	draw(1, 1);
	(void)told(FRAME_DRAW);
	header_build(big, &h);
	feed(&rig->w.down, big, 65536);
	CHECK_EQ(rig->w.down.chunks, 0);
	answer(picture(1, 1));
	CHECK_EQ(shown, 1);
	feed(&rig->w.down, big + 65536, all - 65536);
	CHECK(rig->w.down.chunks != 0);
	answer(picture(2, 0)); /* refreshes, meanwhile */
	answer(picture(1, 0));
	CHECK_EQ(shown, 1);
	say(&rig->w.down,
	    "['draw', 1, 0, 0, 2000, 2000, 'rgb32', '', 2, 8000, {'rgb_format': 'BGRX'}]");
	read_client();
	CHECK_EQ(passed, 2);
	CHECK_EQ(shown, 2); /* the other window's: this one's has been painted over */
	CHECK_EQ(tc->state, STATE_ON);
	CHECK_EQ(told(FRAME_SPOILED).draw.w, 2000);
	told_not_shown(3);
	free(big);
}

static size_t huge_draw(uint8_t *out, size_t size, uint8_t compression)
{
	const size_t pixels = 2000u * 2500 * 4;
	struct header h = {.flags = ENCODER_RENCODEPLUS, .compression = compression};
	uint8_t *raw = calloc(1, size), *zero = calloc(1, pixels);
	struct token_writer w;
	size_t len;

	packet_begin(&w, PLUS, raw, size, "draw");
	for (size_t i = 0; i < 5; i++)
		token_write_int(&w, ((const int[]){1, 7, 8, 2000, 2500})[i]);
	token_write_text(&w, "rgb32");
	token_write_bytes(&w, zero, pixels);
	token_write_int(&w, 2);
	token_write_int(&w, 8000);
	token_write_dict(&w, 1);
	token_write_text(&w, "rgb_format");
	token_write_text(&w, "BGRX");
	CHECK_EQ(packet_end(&w, &len), 0);
	if (compression) {
		CHECK_EQ(compress_lz4(raw + HEADER_LEN, len - HEADER_LEN, out + HEADER_LEN,
		                      size - HEADER_LEN, &len),
		         0);
		h.size = (uint32_t)len;
		header_build(out, &h);
		len += HEADER_LEN;
	} else {
		memcpy(out, raw, len);
	}
	free(raw);
	free(zero);
	return len;
}

/* All in one record, compressed or not: where it is can be seen, and it waits for what is before
 * it. */
TEST(draw_too_large_to_read)
{
	const size_t size = 21000000;
	uint8_t *big = calloc(1, size);

	for (int compressed = 0; compressed < 2; compressed++) {
		size_t len = huge_draw(big, size, compressed ? COMPRESSION_LZ4 : 0);
		size_t first = compressed ? len : 65536;
		struct frame f;

		test_note("%d", compressed);
		start();
		draw(1, 1);
		(void)told(FRAME_DRAW);
		feed(&rig->w.down, big, first);
		CHECK_EQ(flow_available(&rig->w.down), first); /* it has not begun */
		told_nothing();
		f = picture(1, 1);
		CHECK_EQ(frame_send(encoder, &f), 0);
		transcode_receive(&rig->w);
		advance_both();
		CHECK_EQ(tc->shown_count, 1);
		f = told(FRAME_SPOILED);
		CHECK(f.wid == 1 && f.draw.x == 7 && f.draw.y == 8);
		CHECK(f.draw.w == 2000 && f.draw.h == 2500);
		feed(&rig->w.down, big + first, len - first);
		CHECK(rig->to_client.len > len);
		CHECK_EQ(tc->state, STATE_ON);
		draw(2, 3);
		CHECK_EQ(told(FRAME_DRAW).wid, 2); /* it has gone by */
	}
	free(big);
}

/* What the encoder made before it heard of a draw that passes is not painted over it. */
TEST(refresh_behind_a_draw)
{
	struct frame f, old, beside;

	start();
	draw(1, 1);
	answer(picture(1, 1));
	CHECK_EQ(told(FRAME_DRAW).number, 1);
	client_ack(ours, 1, 1);
	(void)told(FRAME_SHOWN);
	old = picture(1, 0);
	old.taken = 1;
	old.picture.x = 2; /* the draw is 2 x 1 at 1, 2 */
	old.picture.y = 2;
	beside = picture(1, 0);
	beside.taken = 1;
	beside.picture.y = 3;
	draw_png(1, 2);
	read_client();
	CHECK_EQ(passed, 2);
	f = told(FRAME_SPOILED);
	CHECK_EQ(f.number, 2);
	answer(old);
	CHECK_EQ(shown, 1);
	told_not_shown(old.number);
	answer(beside);
	CHECK_EQ(shown, 2);
	old.number = beside.number + 1; /* made after it has heard */
	old.taken = 2;
	answer(old);
	CHECK_EQ(shown, 3);
	pictures = old.number;
	CHECK_EQ(tc->freed, old.number);
	/* Held, so that the draw passed; what it was in is not shown, but acknowledged */
	draw(1, 3);
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 3, .taken = 3});
	draw_png(1, 4);
	read_client();
	CHECK_EQ(passed, 4);
	old = picture(1, 3);
	old.picture.x = 1;
	old.picture.y = 2;
	answer(old);
	CHECK_EQ(shown, 3);
	read_server();
	CHECK(acked[1] == 1 && acked[3] == 1);
	CHECK_EQ(tc->owed_count, 0);
}

/* More of them than can be told apart, with an encoder that says nothing: none is forgotten. */
TEST(many_draws_that_pass)
{
	struct frame old;

	start();
	for (int i = 1; i <= 3 * SPOILS_MAX; i++)
		draw_png(i == 1 ? 2 : 1, i);
	old = picture(2, 0);
	old.picture.x = 1;
	old.picture.y = 2;
	answer(old);
	CHECK_EQ(shown, 0);
	for (int i = 1; i <= 3 * SPOILS_MAX; i++)
		CHECK_EQ(told(FRAME_SPOILED).number, i);
	told_not_shown(old.number);
	old = picture(2, 0);
	old.taken = 3 * SPOILS_MAX;
	answer(old);
	CHECK_EQ(shown, 1);
	draw_png(1, 100);
	CHECK_EQ(tc->spoils_count, 1);
}

/* The ring is full: draws wait in the flow, and go on when the encoder gives room. */
TEST(out_of_room)
{
	uint8_t *pixels = calloc(1, 2048 * 4096);
	unsigned n = 0;
	struct frame f;

	start();
	for (int i = 1; i <= 9; i++) {
		header_build(in, &(struct header){.index = 7, .size = 2048 * 4096});
		feed(&rig->w.down, in, HEADER_LEN);
		feed(&rig->w.down, pixels, 2048 * 4096);
		server("['draw', 1, 0, 0, 1024, 2048, 'rgb32', '', %d, 4096, {'rgb_format': "
		       "'BGRX'}]",
		       i);
	}
	while (frame_receive(encoder, &f) == 0)
		n += f.type == FRAME_DRAW;
	CHECK_EQ(n, 8); /* 64 MiB */
	CHECK_EQ(tc->owed_count, 8);
	CHECK(flow_available(&rig->w.down) > 0);
	answer((struct frame){.type = FRAME_HELD, .wid = 1, .number = 1, .taken = 1});
	CHECK_EQ(tc->owed_count, 9);
	CHECK_EQ(flow_available(&rig->w.down), 0);
	f = told(FRAME_DRAW);
	CHECK(f.number == 9 && f.draw.offset == 0);
	CHECK_EQ(tc->state, STATE_ON);
	free(pixels);
}

/* The encoder's pictures wait for a client that does not read, and then it is not late. */
TEST(client_that_does_not_read)
{
	static uint8_t junk[1 << 16];
	uint64_t now;
	int n = 0;

	start();
	draw(1, 1);
	draw(1, 2);
	draw(2, 3);
	while (write(rig->w.client.fd, junk, sizeof(junk)) > 0)
		;
	for (n = 0; transcode_reads(&rig->w); n++) {
		struct frame f = picture(1, 1);

		CHECK_EQ(frame_send(encoder, &f), 0);
		transcode_receive(&rig->w);
		CHECK(n < 1000);
		if (n == 0) {
			advance(&pump, &rig->w.down);
			CHECK_EQ(tc->waiting_count, 0); /* in the flow */
		}
		rig->w.down.inject_len += n == 0 ? INJECT_HIGH : 0;
	}
	CHECK_EQ(tc->waiting_count, WAITING_MAX);
	now = now_usec();
	(void)transcode_tick(&rig->w, now + 100000);
	(void)transcode_tick(&rig->w, now + 10 * FRAME_LATE_USEC);
	CHECK_EQ(tc->state, STATE_ON);
	CHECK(told(FRAME_DRAW).number == 1 && told(FRAME_DRAW).number == 2);
	(void)told(FRAME_DRAW);
	CHECK(told(FRAME_QUEUE).queue.bytes > 0);
	CHECK(told(FRAME_QUEUE).queue.age_usec > 0);
	rig->w.down.inject_len -= INJECT_HIGH;
}
