/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sets of rectangles against a bitmap, scrolls against pixels, and which rectangle is a video.
 */
#include <errno.h>

#include "base/clock.h"
#include "encode/area.h"
#include "encode/region.h"
#include "encode/scroll.h"
#include "test.h"

#define W 64
#define H 48

static uint32_t seed;

static int random_below(int n)
{
	seed = seed * 1664525 + 1013904223;
	return (int)((seed >> 16) % (uint32_t)n);
}

static struct rect random_rect(struct rect in)
{
	struct rect r = {in.x + random_below(in.w), in.y + random_below(in.h), 0, 0};

	r.w = 1 + random_below(in.x + in.w - r.x);
	r.h = 1 + random_below(in.y + in.h - r.y);
	return r;
}

static void fill(bool map[H][W], struct rect r, bool value)
{
	for (int y = r.y; y < r.y + r.h; y++)
		for (int x = r.x; x < r.x + r.w; x++)
			map[y][x] = value;
}

static bool covers(const struct area *a, int x, int y)
{
	return area_touches(a, (struct rect){x, y, 1, 1});
}

TEST(rectangles)
{
	struct rect a = {0, 0, 10, 10}, b = {5, 5, 10, 10}, far = {20, 20, 5, 5};

	CHECK(rect_equal(rect_intersect(a, b), (struct rect){5, 5, 5, 5}));
	CHECK(rect_empty(rect_intersect(a, far)));
	CHECK(rect_equal(rect_bounds(a, b), (struct rect){0, 0, 15, 15}));
	CHECK(rect_equal(rect_bounds((struct rect){9, 9, 0, 0}, b), b));
	CHECK(rect_contains(rect_bounds(a, b), a) && !rect_contains(a, b));
	CHECK(rect_equal(rect_without(a, far), a));
	CHECK(rect_equal(rect_without(a, (struct rect){0, 7, 10, 1}), (struct rect){0, 0, 10, 7}));
	CHECK(rect_empty(rect_without(a, rect_bounds(a, b))));
}

/* Nothing is lost; outside of valid nothing is invented. */
static void check_map(bool got[H][W], bool map[H][W], struct rect valid)
{
	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++) {
			if (map[y][x])
				CHECK(got[y][x]);
			else if (!rect_contains(valid, (struct rect){x, y, 1, 1}))
				CHECK(!got[y][x]);
		}
}

static void check_items(const struct area *a, bool map[H][W], struct rect valid)
{
	bool got[H][W] = {{false}};

	for (unsigned i = 0; i < a->count; i++)
		fill(got, a->items[i], true);
	check_map(got, map, valid);
}

/* As area_touches() has it, which takes longer. */
static void check_touches(const struct area *a, bool map[H][W], struct rect valid)
{
	bool got[H][W];

	for (int y = 0; y < H; y++)
		for (int x = 0; x < W; x++)
			got[y][x] = covers(a, x, y);
	check_map(got, map, valid);
}

TEST(area_against_a_bitmap)
{
	struct rect all = {0, 0, W, H}, valid = {8, 8, 40, 30};

	for (uint32_t round = 1; round < 300; round++) {
		bool map[H][W] = {{false}};
		struct area a = {.count = 0};

		test_note("round %u", round);
		for (int i = 0; i < 60; i++) {
			struct rect r = random_rect(random_below(3) ? valid : all);
			bool add = random_below(3) > 0;
			int k = add ? area_add(&a, r, valid) : area_subtract(&a, r);

			CHECK(k == 0 || k == -ENOSPC);
			CHECK(a.count <= AREA_MAX);
			if (k < 0)
				break;
			fill(map, r, add);
			if (i % 10 == 9)
				check_touches(&a, map, valid);
			else
				check_items(&a, map, valid);
		}
	}
}

TEST(area_full)
{
	struct rect valid = {0, 0, 1000, 10}, outside = {0, 100, 1, 1};
	struct area a = {.count = 0};

	for (int i = 0; i < AREA_MAX; i++)
		CHECK_EQ(area_add(&a, (struct rect){i * 4, 100, 1, 1}, valid), 0);
	CHECK_EQ(area_add(&a, (struct rect){0, 200, 1, 1}, valid), -ENOSPC);
	CHECK_EQ(area_add(&a, outside, valid), 0); /* it is there */
	a.count = 0;
	for (int i = 0; i < 500; i++)
		CHECK_EQ(area_add(&a, (struct rect){(i * 7) % 999, i % 10, 1, 1}, valid), 0);
	CHECK(area_pixels(&a) <= 10000 * 2);
	a.count = 0;
	for (int i = 0; i < AREA_MAX; i++)
		CHECK_EQ(area_add(&a, (struct rect){i * 20, 0, 10, 10}, valid), 0);
	CHECK_EQ(area_subtract(&a, (struct rect){0, 4, 1000, 2}), -ENOSPC);
	CHECK(covers(&a, 0, 0) && covers(&a, 0, 9));
}

/* ---- scrolls ---- */

#define PAGE 400

static uint8_t before[PAGE][W * 4], after[PAGE][W * 4], client[PAGE][W * 4];

static void paint_rows(uint8_t rows[PAGE][W * 4], int from, int n, bool blank)
{
	for (int y = from; y < from + n; y++)
		for (int x = 0; x < W * 4; x++)
			rows[y][x] = blank ? 7 : (uint8_t)random_below(256);
}

static void apply(const struct scroll *s, const struct area *rest, bool in_place)
{
	static uint8_t copy[PAGE][W * 4];

	memcpy(client, before, sizeof(client));
	memcpy(copy, before, sizeof(copy));
	for (unsigned i = 0; i < s->count; i++) {
		const struct frame_scroll *m = &s->moves[i];

		CHECK(m->y >= 0 && m->y + m->h <= PAGE && m->y + m->dy >= 0 &&
		      m->y + m->dy + m->h <= PAGE && m->dx == 0);
		memmove(client[m->y + m->dy], (in_place ? client : copy)[m->y],
		        (size_t)m->h * W * 4);
	}
	for (unsigned i = 0; i < rest->count; i++)
		memcpy(client[rest->items[i].y], after[rest->items[i].y],
		       (size_t)rest->items[i].h * W * 4);
}

static bool look(struct scroll *s, struct area *rest)
{
	static uint64_t one[PAGE], other[PAGE];
	struct rect r = {0, 0, W, PAGE};

	*rest = (struct area){.count = 0};
	scroll_hash(before[0], W * 4, r, one);
	scroll_hash(after[0], W * 4, r, other);
	return scroll_find(one, other, r, s, rest);
}

TEST(scroll_moves_to_the_same_picture)
{
	int found = 0;

	for (uint32_t round = 1; round < 200; round++) {
		int distance = random_below(PAGE - 1) - PAGE / 2, n = random_below(6);
		struct scroll s;
		struct area rest;

		test_note("round %u distance %d", round, distance);
		paint_rows(before, 0, PAGE, false);
		for (int i = 0; i < 8; i++)
			paint_rows(before, random_below(PAGE - 20), 12, true);
		paint_rows(after, 0, PAGE, false);
		for (int y = 0; y < PAGE; y++)
			if (y - distance >= 0 && y - distance < PAGE)
				memcpy(after[y], before[y - distance], W * 4);
		for (int i = 0; i < n; i++) /* a bar that stays, a cursor */
			memcpy(after[i * 40], before[i * 40], W * 4 * (size_t)(1 + i * 3));
		if (look(&s, &rest)) {
			found++;
			CHECK(s.count > 0 && s.count <= SCROLL_MOVES_MAX);
			apply(&s, &rest, true);
			CHECK_MEM(client, sizeof(client), after, sizeof(after));
			apply(&s, &rest, false);
			CHECK_MEM(client, sizeof(client), after, sizeof(after));
			CHECK(area_pixels(&rest) <= W * PAGE / 2 + W * 100);
		}
	}
	CHECK(found > 100);
}

TEST(scroll_is_not_everything)
{
	struct scroll s;
	struct area rest;

	seed = 5;
	paint_rows(before, 0, PAGE, false);
	memcpy(after, before, sizeof(after));
	CHECK(!look(&s, &rest)); /* the same */
	CHECK_EQ(s.count, 0);
	paint_rows(after, 0, PAGE, false);
	CHECK(!look(&s, &rest)); /* all new */
	memcpy(after[0], before[PAGE - 150], 150 * W * 4);
	CHECK(!look(&s, &rest)); /* less than half */
	memcpy(after[0], before[PAGE - 250], 250 * W * 4);
	CHECK(look(&s, &rest));
	paint_rows(before, 0, PAGE, true);
	CHECK(!look(&s, &rest)); /* blank rows could have come from anywhere */
}

/* ---- videos ---- */

static const struct rect window = {0, 0, 1000, 800}, film = {100, 100, 641, 361};

static uint64_t play(struct history *h, uint64_t now, struct rect r, int fps, int msec,
                     uint32_t ratio)
{
	for (int i = 0; i < msec * fps / 1000; i++) {
		now += USEC_PER_SEC / (uint64_t)fps;
		history_add(h, now, r, rect_pixels(r), ratio);
	}
	return now;
}

TEST(region_of_a_film)
{
	struct history h = {.count = 0};
	uint64_t now = play(&h, 10 * USEC_PER_SEC, film, 25, 500, 400);
	struct rect r;

	CHECK(!region_find(&h, now, window, false, &r)); /* not yet for a second */
	now = play(&h, now, film, 25, 600, 400);
	CHECK(region_find(&h, now, window, false, &r));
	CHECK(rect_equal(r, (struct rect){100, 100, 640, 360}));                /* of even size */
	CHECK(!region_find(&h, now, (struct rect){0, 0, 700, 800}, false, &r)); /* not known */
	CHECK(region_lasts(&h, now + 500000, film));
	CHECK(!region_lasts(&h, now + 900000, film)); /* it has stopped */
	CHECK(region_rate(&h, now, film) > 20 * rect_pixels(film));
}

TEST(region_is_not)
{
	static const struct {
		const char *what;
		struct rect r;
		int fps;
		uint32_t ratio;
		bool busy, is;
	} rows[] = {
		{"a film", {0, 0, 640, 360}, 20, 400, false, true},
		{"slow", {0, 0, 640, 360}, 8, 400, false, false},
		{"text", {0, 0, 640, 360}, 20, 50, false, false},
		{"text on a slow link", {0, 0, 640, 360}, 20, 50, true, true},
		{"narrow", {0, 0, 120, 360}, 20, 400, false, false},
		{"low", {0, 0, 640, 80}, 20, 400, false, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct history h = {.count = 0};
		uint64_t now = play(&h, USEC_PER_SEC, rows[i].r, rows[i].fps, 1500, rows[i].ratio);
		struct rect r;

		test_note("%s", rows[i].what);
		CHECK_EQ(region_find(&h, now, window, rows[i].busy, &r), rows[i].is);
	}
}

/* Small updates here and there are no reason to send all of their bounds. */
TEST(region_of_scattered_updates)
{
	struct history h = {.count = 0};
	uint64_t now = USEC_PER_SEC;
	struct rect r;

	for (int i = 0; i < 60; i++) {
		now += 25000;
		history_add(&h, now, (struct rect){0, 0, 900, 700}, 2000, 400);
	}
	CHECK(!region_find(&h, now, window, true, &r));
	for (int i = 0; i < 60; i++) { /* a film and a clock */
		now += 25000;
		history_add(&h, now, film, rect_pixels(film), 400);
		history_add(&h, now, (struct rect){950, 0, 40, 20}, 800, 400);
	}
	CHECK(region_find(&h, now, window, true, &r));
	CHECK_EQ(r.x, 100);
}
