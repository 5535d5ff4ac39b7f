/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which encoder is opened, what happens when it cannot be or fails; and what quality follows.
 */
#include <errno.h>

#include "base/clock.h"
#include "encode/ladder.h"
#include "encode/pace.h"
#include "encode/scale.h"
#include "test.h"

static int open_result[3];
static int opened[3], closed[3];
static enum csc last_csc;

#define FAKE(n, encoder_name, what, device)                                                        \
	static size_t caps_##n(struct encoder_caps *ret, size_t max)                               \
	{                                                                                          \
		for (size_t i = 0; i < 2 && i < max; i++)                                          \
			ret[i] = (struct encoder_caps){what, (enum csc)i, 32,   32,                \
			                               4096, 4096,        true, false};            \
		return 2;                                                                          \
	}                                                                                          \
	static int open_##n(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX]) \
	{                                                                                          \
		last_csc = p->csc;                                                                 \
		snprintf(why, ENCODER_WHY_MAX, "as told");                                         \
		*ret = &opened[n];                                                                 \
		opened[n] += open_result[n] == 0;                                                  \
		return open_result[n];                                                             \
	}                                                                                          \
	static void close_##n(void *enc)                                                           \
	{                                                                                          \
		closed[n] += enc != NULL;                                                          \
	}                                                                                          \
	static const struct encoder fake_##n = {.abi = ENCODER_ABI,                                \
	                                        .name = encoder_name,                              \
	                                        .caps = caps_##n,                                  \
	                                        .open = open_##n,                                  \
	                                        .close = close_##n,                                \
	                                        .needs_device = device};

FAKE(0, "card", CODING_H264, true)
FAKE(1, "soft", CODING_H264, false)
FAKE(2, "other", CODING_VP8, false)

static struct ladder ladder;
static struct frame_setup setup;
static const struct encoder_quality quality = {.quality = 65, .speed = 80, .fps = 30};
static const uint64_t start = 1000 * USEC_PER_SEC;

static void begin(void)
{
	memset(&ladder, 0, sizeof(ladder));
	memset(&setup, 0, sizeof(setup));
	memset(open_result, 0, sizeof(open_result));
	memset(opened, 0, sizeof(opened));
	memset(closed, 0, sizeof(closed));
	setup.codings = CODING_BIT(CODING_H264) | CODING_BIT(CODING_VP8);
	for (int i = 0; i < CODING_MAX_; i++)
		setup.csc[i] = CSC_BIT(CSC_YUV420P) | CSC_BIT(CSC_YUV444P);
	ladder_add(&ladder, &fake_0);
	ladder_add(&ladder, &fake_1);
	ladder_add(&ladder, &fake_2);
}

/* The name of what was opened for a size at a time, and closed again. */
static const char *try(uint16_t w, uint16_t h, uint64_t now)
{
	struct video *v = NULL;
	int r = ladder_open(&ladder, &setup, false, w, h, &quality, now, &v);
	const char *name;

	if (r < 0)
		return r == -EBUSY ? "busy" : "none";
	name = v->rung->encoder->name;
	ladder_close(&ladder, v);
	return name;
}

TEST(ladder_order)
{
	struct video *v[5];

	begin();
	CHECK_STR(try(640, 480, start), "card");
	CHECK_EQ(last_csc, CSC_YUV444P); /* the client can */
	setup.csc[CODING_H264] = CSC_BIT(CSC_YUV420P);
	CHECK_STR(try(640, 480, start), "card");
	CHECK_EQ(last_csc, CSC_YUV420P);
	setup.csc[CODING_H264] = 0;
	CHECK_STR(try(640, 480, start), "other");
	begin();
	CHECK_EQ(ladder_open(&ladder, &setup, true, 640, 480, &quality, start, &v[0]), 0);
	CHECK_EQ(last_csc, CSC_YUV420P); /* asked for */
	/* one device, two of software, then no more */
	for (int i = 1; i < 3; i++)
		CHECK_EQ(ladder_open(&ladder, &setup, false, 64, 64, &quality, start, &v[i]), 0);
	CHECK_STR(v[1]->rung->encoder->name, "soft");
	CHECK_STR(try(640, 480, start), "busy");
	ladder_close(&ladder, v[1]);
	CHECK_STR(try(640, 480, start), "soft");
	ladder_close(&ladder, v[0]);
	CHECK_STR(try(640, 480, start), "card");
	ladder_close(&ladder, v[2]);
	ladder_close(&ladder, NULL);
	CHECK_EQ(ladder.devices + ladder.programs, 0);
	CHECK_EQ(opened[0] + opened[1] + opened[2], closed[0] + closed[1] + closed[2]);
}

TEST(ladder_sizes)
{
	begin();
	CHECK_STR(try(30, 480, start), "none");
	CHECK_STR(try(4098, 480, start), "none");
	setup.video_max_w = 1920;
	setup.video_max_h = 1080;
	CHECK_STR(try(1920, 1080, start), "card");
	CHECK_STR(try(1922, 1080, start), "none");
	setup.video_max_w = setup.video_max_h = 0;
	setup.h264_high = true;
	setup.csc[CODING_H264] = CSC_BIT(CSC_YUV420P);
	CHECK_STR(try(1920, 1088, start), "card"); /* level 4.0: 8192 blocks */
	CHECK_STR(try(1922, 1088, start), "other");
	CHECK_STR(try(4096, 2048, start), "other");
}

TEST(ladder_backs_off)
{
	uint64_t now = start;

	begin();
	open_result[0] = -EAGAIN; /* all sessions of the card are taken */
	CHECK_STR(try(640, 480, now), "soft");
	CHECK(ladder.fallbacks > 0);
	CHECK_STR(ladder.why, "card: as told");
	open_result[0] = 0;
	CHECK_STR(try(640, 480, now + 4900000), "soft");
	CHECK_STR(try(640, 480, now + 5100000), "card");
	open_result[0] = -EAGAIN;
	for (int i = 0; i < 10; i++)
		CHECK_STR(try(640, 480, now += 100 * USEC_PER_SEC), "soft");
	open_result[0] = 0;
	CHECK_STR(try(640, 480, now + 59 * USEC_PER_SEC), "soft");
	CHECK_STR(try(640, 480, now + 61 * USEC_PER_SEC), "card"); /* never longer */
}

TEST(ladder_gives_up)
{
	begin();
	open_result[0] = -ENODEV;
	CHECK_STR(try(640, 480, start), "soft");
	open_result[0] = 0;
	CHECK_STR(try(640, 480, start + 3600 * USEC_PER_SEC), "soft");
	begin();
	open_result[0] = -EOPNOTSUPP; /* not these parameters: others may do */
	CHECK_STR(try(640, 480, start), "soft");
	open_result[0] = 0;
	CHECK_STR(try(640, 480, start), "card");
	/* three failures within a minute */
	ladder_failed(&ladder, &ladder.rungs[0], "broken", start);
	ladder_failed(&ladder, &ladder.rungs[0], "broken", start + 61 * USEC_PER_SEC);
	ladder_failed(&ladder, &ladder.rungs[0], "broken", start + 62 * USEC_PER_SEC);
	CHECK(!ladder.rungs[0].dead);
	ladder_failed(&ladder, &ladder.rungs[0], "broken", start + 63 * USEC_PER_SEC);
	CHECK(ladder.rungs[0].dead);
	CHECK_STR(try(640, 480, start), "card"); /* its other way */
	CHECK_EQ(last_csc, CSC_YUV420P);
	ladder.refused = CODING_BIT(CODING_H264);
	CHECK_STR(try(640, 480, start), "other");
}

/* ---- quality ---- */

static const struct frame_wishes no_wish = {.auto_refresh = true};

static void tick(struct pace *p, uint64_t *now, unsigned n, uint32_t age)
{
	for (unsigned i = 0; i < n; i++) {
		struct frame_queue q = {.bytes = age ? 100000 : 0, .age_usec = age};

		*now += PACE_TICK_USEC;
		pace_queue(p, &q, *now);
		(void)pace_tick(p, *now);
	}
}

TEST(pace_follows_the_queue)
{
	uint64_t now = start, again;
	struct pace p;

	pace_init(&p, &no_wish, now);
	CHECK_EQ(p.quality, PACE_QUALITY);
	CHECK(pace_may_send(&p, now, &again));
	tick(&p, &now, 1, 200000);
	CHECK_EQ(p.quality, PACE_QUALITY - 10);
	CHECK(!pace_may_send(&p, now, &again));
	CHECK(again > now && again < now + 100000);
	tick(&p, &now, 10, 200000);
	CHECK_EQ(p.quality, 30);
	CHECK(p.subsampled && pace_busy(&p, now));
	CHECK(pace_may_send(&p, now + 2 * USEC_PER_SEC, &again)); /* that is old */
	tick(&p, &now, 1, 0);
	CHECK(pace_may_send(&p, now, &again));
	tick(&p, &now, 8, 0);
	CHECK(p.quality > 30 && p.quality <= 40); /* five a second */
	tick(&p, &now, 100, 0);
	CHECK_EQ(p.quality, PACE_QUALITY);
	CHECK(!p.subsampled && !pace_busy(&p, now));
}

TEST(pace_follows_wishes)
{
	struct frame_wishes w = {.quality = 90, .min_quality = 50, .speed = 20, .min_speed = 40};
	uint64_t now = start;
	struct pace p;

	pace_init(&p, &w, now);
	CHECK_EQ(p.quality, 90);
	CHECK_EQ(p.speed, 40);
	tick(&p, &now, 20, 200000);
	CHECK_EQ(p.quality, 50);
	w.min_quality = 0;
	w.max_quality = 20;
	pace_tune(&p, &w);
	CHECK_EQ(p.quality, 20);
	tick(&p, &now, 20, 200000);
	CHECK_EQ(p.quality, 20);
}

TEST(pace_follows_the_time_it_takes)
{
	struct frame_shown shown = {.decode_usec = 1000, .round_usec = 20000};
	uint64_t now = start;
	struct pace p;

	pace_init(&p, &no_wish, now);
	for (int i = 0; i < 100; i++) {
		pace_encoded(&p, 30000, 0);
		tick(&p, &now, 1, 0);
	}
	CHECK_EQ(p.speed, 100);
	CHECK(p.fps <= 20 && p.fps >= PACE_FPS_MIN); /* 60 % of the time */
	for (int i = 0; i < 100; i++) {
		pace_encoded(&p, 5000, 0); /* a third of the time at the most: none to spare */
		tick(&p, &now, 1, 0);
	}
	CHECK_EQ(p.speed, 100);
	CHECK_EQ(p.fps, PACE_FPS_MAX);
	for (int i = 0; i < 100; i++) {
		pace_encoded(&p, 2000, 0);
		pace_shown(&p, &shown);
		tick(&p, &now, 1, 0);
	}
	CHECK_EQ(p.fps, PACE_FPS_MAX);
	CHECK_EQ(p.speed, PACE_SPEED); /* as it was */
	shown.decode_usec = 40000;
	for (int i = 0; i < 100; i++) {
		pace_shown(&p, &shown);
		tick(&p, &now, 1, 0);
	}
	CHECK(p.fps <= 15);
}

TEST(pace_keeps_a_limit)
{
	struct frame_wishes w = {.bandwidth_bits = 8000000};
	uint64_t now = start, again, bytes = 0;
	struct pace p;

	pace_init(&p, &w, now);
	for (int i = 0; i < 1000; i++, now += 10000)
		if (pace_may_send(&p, now, &again)) {
			pace_sent(&p, 50000, now);
			bytes += 50000;
		} else {
			CHECK(again > now);
		}
	CHECK(bytes >= 9800000 && bytes <= 10300000); /* ten seconds of a million */
	pace_sent(&p, UINT64_MAX / 2, now);
	CHECK(!pace_may_send(&p, now, &again));
	CHECK(again <= now + 60 * USEC_PER_SEC);
}

TEST(pace_gives_up_size_last)
{
	uint64_t now = start, small;
	struct pace p;

	pace_init(&p, &no_wish, now);
	tick(&p, &now, 40, 200000);
	CHECK(p.subsampled);
	CHECK_EQ(p.scale, SCALE_FULL); /* nobody could make anything smaller */
	pace_init(&p, &no_wish, now);
	p.scales = true;
	while (!p.subsampled) {
		CHECK_EQ(p.scale, SCALE_FULL);
		tick(&p, &now, 1, 200000);
	}
	tick(&p, &now, 3, 200000);
	CHECK_EQ(p.scale, SCALE_FULL); /* for a second that may be enough */
	tick(&p, &now, 1, 200000);
	CHECK_EQ(p.scale, 1);
	tick(&p, &now, 40, 200000);
	CHECK_EQ(p.scale, SCALE_HALF);
	while (p.scale == SCALE_HALF)
		tick(&p, &now, 1, 0);
	CHECK_EQ(p.quality, PACE_QUALITY); /* that comes back first */
	small = now;
	while (p.scale == 1)
		tick(&p, &now, 1, 0);
	CHECK_EQ(now, small + PACE_SCALE_MIN_USEC);
	CHECK(p.subsampled);
	tick(&p, &now, 1, 0);
	CHECK(!p.subsampled);
	/* it was too much again at once: the next try is later */
	while (p.scale == SCALE_FULL)
		tick(&p, &now, 1, 200000);
	small = now;
	while (p.scale > SCALE_FULL)
		tick(&p, &now, 1, 0);
	CHECK_EQ(now, small + 2 * PACE_SCALE_MIN_USEC);
}

/* Its encoder keeps the limit, and nothing waits: by ruining the picture. */
TEST(pace_sees_what_a_limit_leaves)
{
	struct frame_wishes w = {.bandwidth_bits = 300000};
	uint64_t now = start;
	struct pace p;

	pace_init(&p, &w, now);
	p.scales = true;
	for (int i = 0; i < 40; i++) {
		pace_encoded(&p, 2000, 30);
		tick(&p, &now, 1, 0);
	}
	CHECK_EQ(p.scale, SCALE_FULL);
	CHECK_EQ(p.quality, PACE_QUALITY);
	for (int i = 0; i < 40; i++) {
		pace_encoded(&p, 2000, 2);
		tick(&p, &now, 1, 0);
	}
	CHECK_EQ(p.scale, SCALE_HALF);
}

TEST(scales)
{
	CHECK_EQ(scale_side(641, SCALE_FULL), 641);
	CHECK_EQ(scale_side(1080, 1), 720);
	CHECK_EQ(scale_side(1082, SCALE_HALF), 540);
	CHECK_EQ(scale_side(16384, SCALE_LAST), 5460);
	CHECK_EQ(scale_side(128, SCALE_LAST), 42);
	CHECK_EQ(scale_sensible(256, 192, SCALE_HALF), SCALE_HALF);
	CHECK_EQ(scale_sensible(254, 192, SCALE_HALF), 1);
	CHECK_EQ(scale_sensible(640, 140, SCALE_HALF), SCALE_FULL);
}
