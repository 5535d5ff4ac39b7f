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
	uint16_t w, h; /* of the last video opened */
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
	if (p->coding == CODING_H264) {
		fake.w = p->w;
		fake.h = p->h;
	}
	fake.opened += fake.open == 0;
	if (fake.open < 0)
		free(*ret);
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

static int fake_shrink(const struct picture *in, uint8_t *to, uint16_t w, uint16_t h)
{
	CHECK(w <= in->w && h <= in->h && w % 2 == 0 && h % 2 == 0);
	memset(to, 1, (size_t)w * h * 4);
	return 0;
}

static const struct scaler scaler = {.abi = SCALER_ABI, .shrink = fake_shrink};

static void begin_scaled(void)
{
	begin();
	e.scaler = &scaler;
	e.pace.scales = true;
}

/* The last picture's that is a video. */
static struct frame_picture last_video(void)
{
	unsigned i = n_sent;

	while (i > 0 &&
	       (sent[i - 1].type != FRAME_PICTURE || sent[i - 1].picture.coding != CODING_H264))
		i--;
	CHECK(i > 0);
	return sent[i - 1].picture;
}

/* As one whose way is slow for so many frames: nothing old waits, as it is asked in time. */
static void play_slowly(uint32_t wid, int frames)
{
	struct frame q = {.type = FRAME_QUEUE};

	for (int i = 0; i < frames; i++) {
		q.queue = (struct frame_queue){100000, i % 2 ? 100000 : 0};
		CHECK_EQ(engine_handle(&e, &q), 0);
		play(wid, 1, 500);
		n_sent = n_sent > SENT_MAX / 2 ? 0 : n_sent;
	}
	q.queue = (struct frame_queue){0, 0};
	CHECK_EQ(engine_handle(&e, &q), 0);
}

TEST(video_becomes_smaller)
{
	struct frame_picture p;

	begin_scaled();
	play(1, 60, 500);
	p = last_video();
	CHECK(p.coded_w == 320 && p.coded_h == 240);
	play_slowly(1, 300);
	play(1, 2, 500);
	p = last_video();
	CHECK(p.w == 320 && p.h == 240);
	CHECK(p.coded_w == 160 && p.coded_h == 120 && !p.lossless);
	CHECK(fake.w == 160 && fake.h == 120);
	CHECK_EQ(e.windows.items[0].lossy.count, 1);
	pass(2 * USEC_PER_SEC);
	CHECK_EQ(e.windows.items[0].lossy.count, 0); /* and all of it is refreshed */
	for (int i = 0; i < 1000; i++) {
		play(1, 1, 500);
		n_sent = n_sent > SENT_MAX / 2 ? 0 : n_sent;
	}
	p = last_video();
	CHECK(p.coded_w == 320 && p.coded_h == 240);
	end();
}

TEST(video_too_large)
{
	struct frame_picture p;

	begin();
	e.setup.video_max_w = 300;
	play(1, 60, 500);
	CHECK_EQ(count(CODING_H264, 0), 0);
	end();
	begin_scaled();
	e.setup.video_max_w = 300;
	play(1, 60, 500);
	p = last_video();
	CHECK(p.w == 320 && p.h == 240 && p.coded_w == 212 && p.coded_h == 160);
	CHECK_EQ(fake.opened, 2); /* and one of stills: not once for each frame */
	end();
	begin_scaled();
	e.setup.video_max_w = 100;
	play(1, 60, 500);
	CHECK_EQ(count(CODING_H264, 0), 0); /* not even a third */
	end();
}

/* No smaller than the encoder makes, rather than not at all. */
TEST(video_too_small)
{
	struct frame_picture p;

	begin_scaled();
	for (unsigned i = 0; i < e.ladder.count; i++)
		if (e.ladder.rungs[i].caps.video)
			e.ladder.rungs[i].caps.min_w = 200;
	e.pace.scale = SCALE_HALF;
	e.pace.scale_usec = now;
	e.pace.scale_wait_usec = 100 * USEC_PER_SEC;
	play(1, 60, 500);
	p = last_video();
	CHECK(p.coded_w == 212 && p.coded_h == 160);
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

static struct frame last_picture(void)
{
	for (unsigned i = n_sent; i-- > 0;)
		if (sent[i].type == FRAME_PICTURE)
			return sent[i];
	return (struct frame){.type = 0};
}

static void shown(uint32_t wid, uint64_t picture, int64_t decode_usec)
{
	struct frame f = {.type = FRAME_SHOWN, .wid = wid, .number = picture, .freed = e.pictures};

	f.shown.decode_usec = decode_usec;
	CHECK_EQ(engine_handle(&e, &f), 0);
	CHECK_EQ(engine_run(&e, &next), 0);
}

static void spoil(uint32_t wid, struct rect r)
{
	struct frame f = {.type = FRAME_SPOILED, .wid = wid, .number = ++number};

	f.draw.x = (uint16_t)r.x;
	f.draw.y = (uint16_t)r.y;
	f.draw.w = (uint16_t)r.w;
	f.draw.h = (uint16_t)r.h;
	CHECK_EQ(engine_handle(&e, &f), 0);
	CHECK_EQ(engine_run(&e, &next), 0);
}

/* Whether pictures after that one, all of them pixels, have painted all of r, and none of `not`. */
static bool painted(uint64_t after, struct rect r, struct rect not )
{
	struct area left = {.count = 0};

	CHECK_EQ(area_add(&left, r, r), 0);
	for (unsigned i = 0; i < n_sent; i++) {
		const struct frame_picture *p = &sent[i].picture;

		if (sent[i].type != FRAME_PICTURE || sent[i].number <= after || p->len == 0)
			continue;
		CHECK_EQ(p->coding, CODING_RGB24);
		CHECK(rect_empty(rect_intersect(not, (struct rect){p->x, p->y, p->w, p->h})));
		CHECK_EQ(area_subtract(&left, (struct rect){p->x, p->y, p->w, p->h}), 0);
	}
	return left.count == 0;
}

static const struct rect nowhere = {0, 0, 0, 0};

/* The client reports of pictures in any order with what comes after them. */
TEST(undecoded)
{
	uint64_t at, bad;

	begin();
	draw(1, film, 500);
	bad = last_picture().number;
	CHECK_EQ(last_picture().picture.coding, CODING_JPEG);
	at = e.pictures;
	shown(1, bad, -1);
	CHECK(painted(at, film, nowhere));
	/* So long ago that it is not known any more which it was */
	pass(USEC_PER_SEC);
	draw(1, film, 500);
	bad = last_picture().number;
	for (int i = 0; i < ENGINE_RECENT + 10; i++) {
		draw(1, (struct rect){0, 0, 8, 8}, 50);
		pass(5000);
	}
	pass(USEC_PER_SEC);
	at = e.pictures;
	shown(1, bad, -1);
	CHECK(painted(at, film, nowhere));
	/* Pixels are not sent twice, unless the client has not got them */
	at = e.pictures;
	shown(1, at, -1);
	pass(USEC_PER_SEC);
	CHECK_EQ(e.pictures, at);
	shown(1, at, FRAME_NOT_SHOWN);
	CHECK(e.pictures > at);
	end();
}

TEST(undecoded_and_spoiled)
{
	const struct rect right = {160, 0, 160, 240};
	uint64_t at, bad;

	begin();
	draw(1, film, 500);
	bad = last_picture().number;
	spoil(1, right);
	at = e.pictures;
	shown(1, bad, -1);
	CHECK(painted(at, (struct rect){0, 0, 160, 240}, right));
	shown(1, 0, -1); /* never heard of: what is known */
	pass(USEC_PER_SEC);
	CHECK(painted(at, (struct rect){0, 0, 160, 240}, right));
	/* Another window with the same number has nothing to do with it */
	CHECK_EQ(engine_handle(&e, &(struct frame){.type = FRAME_LOST, .wid = 1}), 0);
	draw(1, (struct rect){0, 0, 50, 50}, 50);
	at = e.pictures;
	shown(1, bad, -1);
	pass(USEC_PER_SEC);
	CHECK(painted(at, nowhere, (struct rect){50, 0, 270, 240}));
	end();
}

/* A draw that passes in the midst of an exact picture that is then not sent: its four sides go once
 * more, what the draw has painted does not. */
TEST(left_out_and_spoiled)
{
	const struct rect middle = {100, 100, 120, 40};
	static const struct rect sides[] = {
		{0, 0, 320, 100}, {0, 140, 320, 100}, {0, 100, 100, 40}, {220, 100, 100, 40}};
	uint64_t at;

	begin();
	draw(1, film, 500);
	shown(1, last_picture().number, 5);
	pass(USEC_PER_SEC);
	CHECK_EQ(e.windows.items[0].lossy.count, 0);
	at = e.pictures;
	spoil(1, middle);
	for (uint64_t i = 2; i <= at; i++)
		shown(1, i, FRAME_NOT_SHOWN);
	pass(USEC_PER_SEC);
	for (size_t i = 0; i < ARRAY_SIZE(sides); i++)
		CHECK(painted(at, sides[i], middle));
	CHECK_EQ(e.windows.items[0].lossy.count, 0);
	/* What the client shows is left alone. */
	at = e.pictures;
	for (uint64_t i = 1; i <= at; i++)
		shown(1, i, 5);
	spoil(1, (struct rect){50, 10, 20, 20});
	pass(USEC_PER_SEC);
	CHECK_EQ(e.pictures, at);
	end();
}

/* A page of text, so many rows down. */
static void page(uint32_t wid, int row)
{
	struct frame f = {.type = FRAME_DRAW, .wid = wid, .number = ++number, .freed = e.pictures};

	f.draw = (struct frame_draw){
		.stride = 320 * 4, .w = 320, .h = 240, .format = PIXEL_BGRX, .wire_bytes = 3000};
	for (uint32_t y = 0; y < 240; y++)
		for (uint32_t x = 0; x < 320 * 4; x++)
			memory[y * 320 * 4 + x] =
				(uint8_t)(((uint32_t)row + y) * 2654435761u >> (x % 24));
	CHECK_EQ(engine_handle(&e, &f), 0);
}

/* What could not be decoded has been moved before the client's word of it came. */
TEST(undecoded_and_scrolled)
{
	uint64_t at, bad;

	begin();
	page(1, 0);
	CHECK_EQ(engine_run(&e, &next), 0);
	e.windows.items[0].lossy.count = 0;
	bad = e.pictures;
	e.recent[bad % ENGINE_RECENT].coding = CODING_WEBP; /* as if by a refresh */
	e.recent[bad % ENGINE_RECENT].r = (struct rect){0, 100, 320, 20};
	pass(30000);
	page(1, 16);
	CHECK_EQ(engine_run(&e, &next), 0);
	CHECK_EQ(count(CODING_SCROLL, bad), 1);
	at = e.pictures;
	shown(1, bad, -1);
	CHECK(painted(at, film, nowhere));
	/* Found, but not sent yet */
	pass(USEC_PER_SEC);
	bad = e.pictures;
	e.recent[bad % ENGINE_RECENT].coding = CODING_WEBP;
	e.recent[bad % ENGINE_RECENT].r = (struct rect){0, 100, 320, 20};
	page(1, 32);
	CHECK(e.windows.items[0].scroll.count > 0);
	shown(1, bad, -1);
	CHECK(painted(bad, film, nowhere));
	CHECK_EQ(answered(1), number);
	end();
}

/* A window that has to make room while something of it waits to be moved. */
TEST(scrolled_and_evicted)
{
	struct frame q = {.type = FRAME_QUEUE, .queue = {2000000, 300000}};
	uint64_t at;

	begin();
	page(1, 0);
	pass(30000);
	CHECK_EQ(engine_handle(&e, &q), 0);
	page(1, 16);
	CHECK(e.windows.items[0].scroll.count > 0);
	at = e.pictures;
	for (uint32_t wid = 2; wid <= FRAME_WINDOWS_MAX + 1; wid++, now++)
		CHECK_EQ(draw_only(wid, (struct rect){0, 0, 8, 8}, 50, 0), 0);
	CHECK(!window_find(&e.windows, 1));
	CHECK(painted(at, film, nowhere));
	end();
}

/* A video's frame is left out: those after it do not refer to it. */
TEST(video_not_shown)
{
	int keys;

	begin();
	play(1, 50, 500);
	CHECK_EQ(last_picture().picture.coding, CODING_H264);
	keys = fake.keys;
	shown(1, e.pictures, FRAME_NOT_SHOWN);
	play(1, 3, 500);
	CHECK_EQ(fake.keys, keys + 1);
	CHECK_EQ(e.ladder.refused, 0);
	spoil(1, (struct rect){300, 200, 400, 400});
	CHECK(rect_empty(e.windows.items[0].region));
	end();
}
