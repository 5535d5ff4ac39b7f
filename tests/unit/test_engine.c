/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The encoder's brain with a clock, a worker and encoders of the test's own: what is sent when.
 * tests/system/test_encoder.py does the same with the process and real encoders.
 */
#include <errno.h>
#include <lz4.h>

#include "base/clock.h"
#include "encode/engine.h"
#include "test.h"

#define SENT_MAX 4096

static struct engine e;
static uint8_t *memory;
static uint64_t now, number, next;
static struct frame sent[SENT_MAX];
static unsigned n_sent;

static int send_frame(void *context, const struct frame *f)
{
	(void)context;
	CHECK(n_sent < SENT_MAX);
	sent[n_sent++] = *f;
	return 0;
}

static uint64_t test_clock(void)
{
	return now;
}

/* ---- an encoder that does as it is told ---- */

static struct {
	int open, encode; /* results */
	size_t len;
	bool no_key, empty;
	int opened, closed, keys;
} fake;

static size_t fake_caps(struct encoder_caps *ret, size_t max)
{
	const struct encoder_caps caps[] = {
		{CODING_H264, CSC_YUV420P, 32, 32, 4096, 4096, true, false},
		{CODING_JPEG, CSC_YUV420P, 0, 0, 0, 0, false, false},
	};

	CHECK(max >= 2);
	memcpy(ret, caps, sizeof(caps));
	return 2;
}

static int fake_open(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	snprintf(why, ENCODER_WHY_MAX, "as told");
	*ret = malloc(1);
	fake.opened += fake.open == 0;
	if (fake.open < 0)
		free(*ret);
	(void)p;
	return fake.open;
}

static int fake_encode(void *enc, const struct picture *in, struct encoded *ret)
{
	static uint8_t data[1 << 22];

	(void)enc;
	fake.keys += in->force_key;
	CHECK(in->w > 0 && in->h > 0 && in->stride >= in->w * 4u);
	*ret = (struct encoded){data, fake.empty ? 0 : fake.len, in->force_key && !fake.no_key,
	                        false};
	return fake.encode;
}

static int fake_tune(void *enc, const struct encoder_quality *q)
{
	(void)enc;
	CHECK(q->quality >= 1 && q->quality <= 100);
	return 0;
}

static void fake_close(void *enc)
{
	fake.closed += enc != NULL;
	free(enc);
}

static const char *fake_device(const void *enc)
{
	(void)enc;
	return NULL;
}

static const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "fake",
	.caps = fake_caps,
	.open = fake_open,
	.encode = fake_encode,
	.tune = fake_tune,
	.close = fake_close,
	.device = fake_device,
};

/* ---- a worker ---- */

static void begin(void)
{
	struct frame_setup s = {
		.codings = CODING_BIT(CODING_RGB24) | CODING_BIT(CODING_JPEG) |
	                   CODING_BIT(CODING_H264) | CODING_BIT(CODING_SCROLL),
		.pixels = PIXEL_BIT(PIXEL_BGRX),
		.lz4 = true,
		.wishes = {.auto_refresh = true},
	};

	s.csc[CODING_H264] = CSC_BIT(CSC_YUV420P);
	if (!memory)
		memory = calloc(1, FRAME_MEMORY);
	CHECK(memory);
	memset(&e, 0, sizeof(e));
	memset(&fake, 0, sizeof(fake));
	fake.len = 5000;
	e.memory = memory;
	e.send = send_frame;
	e.clock = test_clock;
	now = 1000 * USEC_PER_SEC;
	number = n_sent = 0;
	CHECK_EQ(engine_setup(&e, &s), 0);
	ladder_add(&e.ladder, &encoder);
}

static void end(void)
{
	engine_close(&e);
	CHECK_EQ(fake.opened, fake.closed);
	CHECK_EQ(e.windows.bytes, 0);
}

/* Lets time pass, in steps of what the engine asks for. */
static void pass(uint64_t usec)
{
	uint64_t until = now + usec;

	for (;;) {
		CHECK_EQ(engine_run(&e, &next), 0);
		if (next >= until)
			break;
		now = next > now ? next : now + 1;
	}
	now = until;
	CHECK_EQ(engine_run(&e, &next), 0);
}

static int draw_only(uint32_t wid, struct rect r, uint32_t ratio, uint8_t flush)
{
	struct frame f = {.type = FRAME_DRAW, .wid = wid, .number = ++number, .freed = e.pictures};
	static uint32_t noise;

	f.draw = (struct frame_draw){.stride = (uint32_t)r.w * 4,
	                             .x = (uint16_t)r.x,
	                             .y = (uint16_t)r.y,
	                             .w = (uint16_t)r.w,
	                             .h = (uint16_t)r.h,
	                             .format = PIXEL_BGRX,
	                             .flush = flush,
	                             .wire_bytes = (uint32_t)(rect_pixels(r) * 4 * ratio / 1000)};
	for (int y = 0; y < r.h; y++) /* never the same twice */
		for (int x = 0; x < 16 && x < r.w * 4; x++)
			memory[(size_t)y * (size_t)r.w * 4 + (size_t)x] =
				(uint8_t)((noise = noise * 1664525 + 1013904223) >> 24);
	return engine_handle(&e, &f);
}

static void draw(uint32_t wid, struct rect r, uint32_t ratio)
{
	CHECK_EQ(draw_only(wid, r, ratio, 0), 0);
	CHECK_EQ(engine_run(&e, &next), 0);
}

static unsigned count(enum coding c, uint64_t from)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_sent; i++)
		n += sent[i].type == FRAME_PICTURE && sent[i].number > from &&
		     sent[i].picture.len > 0 && sent[i].picture.coding == c;
	return n;
}

static unsigned held(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_sent; i++)
		n += sent[i].type == FRAME_HELD;
	return n;
}

static uint64_t answered(uint32_t wid)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < n_sent; i++)
		if (sent[i].type == FRAME_PICTURE && sent[i].wid == wid && sent[i].picture.last &&
		    sent[i].picture.answers > n)
			n = sent[i].picture.answers;
	return n;
}

static const struct rect film = {0, 0, 320, 240};

static void play(uint32_t wid, int frames, uint32_t ratio)
{
	for (int i = 0; i < frames; i++) {
		draw(wid, film, ratio);
		pass(33000);
	}
}

TEST(first_paint)
{
	begin();
	draw(1, film, 50);
	CHECK_EQ(count(CODING_RGB24, 0), 1); /* text */
	CHECK_EQ(answered(1), 1);
	draw(2, film, 500);
	CHECK_EQ(count(CODING_JPEG, 0), 1); /* a photograph */
	CHECK_EQ(answered(2), 2);
	draw(2, (struct rect){0, 0, 20, 20}, 500);
	CHECK_EQ(count(CODING_RGB24, 0), 2); /* a small one */
	end();
}

TEST(grouped_draws)
{
	begin();
	CHECK_EQ(draw_only(1, (struct rect){0, 0, 100, 100}, 50, 2), 0);
	CHECK_EQ(draw_only(1, (struct rect){0, 100, 100, 100}, 50, 1), 0);
	pass(20000);
	CHECK_EQ(n_sent, 0);
	CHECK_EQ(draw_only(1, (struct rect){0, 200, 100, 100}, 50, 0), 0);
	pass(0);
	CHECK_EQ(answered(1), 3);
	CHECK_EQ(draw_only(1, (struct rect){0, 0, 100, 100}, 50, 9), 0); /* the rest never comes */
	pass(60000);
	CHECK_EQ(answered(1), 4);
	end();
}

TEST(refresh_after_quiet)
{
	begin();
	draw(1, film, 500);
	CHECK_EQ(count(CODING_JPEG, 0), 1);
	pass(140000);
	CHECK_EQ(count(CODING_RGB24, 0), 0);
	draw(1, (struct rect){0, 0, 8, 8}, 500); /* new damage: from the start */
	pass(140000);
	CHECK_EQ(count(CODING_RGB24, 0), 1);
	pass(100000);
	CHECK(count(CODING_RGB24, 1) > 1);
	CHECK_EQ(e.windows.items[0].lossy.count, 0);
	CHECK(sent[n_sent - 1].type == FRAME_REPORT || sent[n_sent - 1].picture.answers == 0);
	end();
}

TEST(video_begins_and_ends)
{
	uint64_t at;

	begin();
	play(1, 26, 500);
	CHECK_EQ(count(CODING_H264, 0), 0); /* not for a second yet */
	play(1, 20, 500);
	CHECK(count(CODING_H264, 0) >= 15);
	CHECK_EQ(fake.opened, 2); /* and one for stills */
	CHECK_EQ(answered(1), number);
	at = e.pictures;
	pass(USEC_PER_SEC);
	CHECK(count(CODING_RGB24, at) > 0); /* the refresh */
	CHECK_EQ(e.windows.items[0].lossy.count, 0);
	CHECK(rect_empty(e.windows.items[0].region));
	CHECK_EQ(fake.closed, 0);
	pass(11 * USEC_PER_SEC);
	CHECK_EQ(fake.closed, 1); /* idle */
	end();
}

/* What was lossy before is made exact around a video that goes on. */
TEST(refresh_beside_a_video)
{
	struct window *w = &e.windows.items[0];

	begin();
	draw(1, (struct rect){0, 0, 640, 480}, 500);
	CHECK_EQ(area_pixels(&w->lossy), 640 * 480);
	play(1, 60, 500);
	CHECK(rect_equal(w->region, film));
	CHECK_EQ(w->lossy.count, 1);
	CHECK(rect_equal(w->lossy.items[0], film));
	end();
}

TEST(text_is_no_video)
{
	begin();
	play(1, 60, 40);
	CHECK_EQ(count(CODING_H264, 0), 0);
	CHECK_EQ(e.windows.items[0].lossy.count, 0);
	end();
}

/* Whatever an encoder does, each draw is answered and the picture is exact in the end. */
TEST(encoders_that_fail)
{
	for (int how = 0; how < 6; how++) {
		begin();
		test_note("case %d", how);
		fake.open = how == 0 ? -EAGAIN : how == 1 ? -ENODEV : how == 2 ? -ENOMEM : 0;
		fake.encode = how == 3 ? -EIO : 0;
		fake.len = how == 4 ? 1 << 20 : 5000;
		fake.no_key = how == 5;
		play(1, 60, 500);
		CHECK_EQ(answered(1), number);
		pass(USEC_PER_SEC);
		CHECK_EQ(e.windows.items[0].lossy.count, 0);
		CHECK_EQ(count(CODING_H264, 0), 0);
		CHECK(e.ladder.fallbacks > 0 && e.ladder.why[0]);
		end();
	}
}

TEST(encoder_that_fails_once)
{
	uint64_t at;

	begin();
	play(1, 50, 500);
	at = e.pictures;
	fake.encode = -EIO;
	draw(1, film, 500);
	CHECK_EQ(count(CODING_H264, at), 0);
	CHECK_EQ(answered(1), number); /* as a still */
	pass(33000);
	fake.encode = 0;
	at = e.pictures;
	draw(1, film, 500);
	CHECK_EQ(count(CODING_H264, at), 1);
	CHECK_EQ(sent[n_sent - 1].picture.frame, 0);
	CHECK(sent[n_sent - 1].picture.key);
	end();
}

TEST(encoder_without_output)
{
	begin();
	play(1, 50, 500);
	fake.empty = true;
	draw(1, film, 500);
	CHECK_EQ(sent[n_sent - 1].type, FRAME_PICTURE);
	CHECK_EQ(sent[n_sent - 1].picture.len, 0);
	CHECK_EQ(answered(1), number);
	end();
}

TEST(queue_too_long)
{
	struct frame q = {.type = FRAME_QUEUE, .queue = {2000000, 300000}};
	unsigned before;

	begin();
	draw(1, film, 50);
	before = n_sent;
	CHECK_EQ(engine_handle(&e, &q), 0);
	draw(1, film, 50);
	pass(50000);
	CHECK_EQ(n_sent, before);
	pass(20000);
	CHECK_EQ(held(), 1);
	CHECK_EQ(answered(1), 1);
	q.queue = (struct frame_queue){0, 0};
	CHECK_EQ(engine_handle(&e, &q), 0);
	pass(50000);
	CHECK_EQ(answered(1), 2); /* it waits for nothing else */
	end();
}

TEST(size_changes)
{
	struct frame f = {.type = FRAME_WINDOW, .wid = 1, .window = {400, 300}};
	uint64_t at;

	begin();
	play(1, 50, 500);
	CHECK(!rect_empty(e.windows.items[0].region));
	CHECK_EQ(engine_handle(&e, &f), 0);
	CHECK(rect_empty(e.windows.items[0].region));
	at = e.pictures;
	play(1, 20, 500);
	CHECK_EQ(count(CODING_H264, at), 0); /* a second of its own */
	f.window.w = 10;
	f.window.h = 10;
	CHECK_EQ(engine_handle(&e, &f), 0);
	at = e.pictures;
	pass(USEC_PER_SEC);
	for (unsigned i = 0; i < n_sent; i++)
		if (sent[i].type == FRAME_PICTURE && sent[i].number > at)
			CHECK(sent[i].picture.x + sent[i].picture.w <= 10);
	end();
}

/* 100 windows in 64 places, within the limit of memory. */
TEST(windows_make_room)
{
	begin();
	for (uint32_t wid = 1; wid <= 100; wid++) {
		struct rect r = {0, 0, 2000, 1000};

		draw(wid, r, 10);
		CHECK_EQ(answered(wid), number);
		CHECK(e.windows.bytes <= SHADOW_BYTES_MAX);
		now += 1000;
	}
	CHECK(window_find(&e.windows, 100) && !window_find(&e.windows, 1));
	end();
}

TEST(limits_of_a_window)
{
	struct frame f = {.type = FRAME_DRAW, .wid = 1, .number = 1};

	begin();
	f.draw = (struct frame_draw){.stride = 4, .x = 16383, .y = 0, .w = 1, .h = 1};
	CHECK_EQ(engine_handle(&e, &f), 0); /* as wide as can be */
	f.number = 2;
	f.draw.y = 2100; /* more than 33.5 million pixels */
	CHECK(engine_handle(&e, &f) < 0);
	CHECK(e.why[0]);
	end();
}
