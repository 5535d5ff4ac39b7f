/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/area.h - rectangles, and a small set of them: what of a window the client has not got
 * yet, and what it has only nearly right. Encoder process. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Without pixels when w or h is 0 or less. */
struct rect {
	int32_t x, y, w, h;
};

static inline bool rect_empty(struct rect r)
{
	return r.w <= 0 || r.h <= 0;
}

static inline uint64_t rect_pixels(struct rect r)
{
	return rect_empty(r) ? 0 : (uint64_t)r.w * (uint64_t)r.h;
}

static inline bool rect_equal(struct rect a, struct rect b)
{
	return a.x == b.x && a.y == b.y && a.w == b.w && a.h == b.h;
}

struct rect rect_intersect(struct rect a, struct rect b);
struct rect rect_bounds(struct rect a, struct rect b); /* an empty one does not count */
bool rect_contains(struct rect outer, struct rect inner);
/* The largest rectangle of r without s. */
struct rect rect_without(struct rect r, struct rect s);

#define AREA_MAX 48

struct area {
	struct rect items[AREA_MAX];
	unsigned count;
};

/* Adds r. Those already inside it go. When there are too many, two within `valid` become their
 * bounds: it is a rectangle, so that their bounds are within it too, and only pixels that are known
 * are ever added unasked. -ENOSPC: too many, and none of them can become one. */
int area_add(struct area *a, struct rect r, struct rect valid);
/* Removes r. Rectangles that it cuts become up to four; -ENOSPC: no room for that, and some stay
 * larger than they should be. */
int area_subtract(struct area *a, struct rect r);
bool area_touches(const struct area *a, struct rect r);
uint64_t area_pixels(const struct area *a); /* those in several count as often */
