/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/area.c - rectangles and sets of them. Encoder process, locked. No system calls.
 */
#include "encode/area.h"

#include <errno.h>

#include "base/macros.h"

static int32_t smaller(int32_t a, int32_t b)
{
	return a < b ? a : b;
}

static int32_t larger(int32_t a, int32_t b)
{
	return a > b ? a : b;
}

struct rect rect_intersect(struct rect a, struct rect b)
{
	struct rect r = {larger(a.x, b.x), larger(a.y, b.y), 0, 0};

	r.w = smaller(a.x + a.w, b.x + b.w) - r.x;
	r.h = smaller(a.y + a.h, b.y + b.h) - r.y;
	return r;
}

struct rect rect_bounds(struct rect a, struct rect b)
{
	struct rect r = {smaller(a.x, b.x), smaller(a.y, b.y), 0, 0};

	if (rect_empty(a))
		return b;
	if (rect_empty(b))
		return a;
	r.w = larger(a.x + a.w, b.x + b.w) - r.x;
	r.h = larger(a.y + a.h, b.y + b.h) - r.y;
	return r;
}

bool rect_contains(struct rect outer, struct rect inner)
{
	return rect_equal(rect_intersect(outer, inner), inner);
}

/* What is left of r above, below, left and right of s, which touches it. */
static unsigned cut(struct rect r, struct rect s, struct rect ret[4])
{
	struct rect i = rect_intersect(r, s);
	struct rect parts[] = {
		{r.x, r.y, r.w, i.y - r.y},
		{r.x, i.y + i.h, r.w, r.y + r.h - i.y - i.h},
		{r.x, i.y, i.x - r.x, i.h},
		{i.x + i.w, i.y, r.x + r.w - i.x - i.w, i.h},
	};
	unsigned n = 0;

	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		if (!rect_empty(parts[k]))
			ret[n++] = parts[k];
	return n;
}

struct rect rect_without(struct rect r, struct rect s)
{
	struct rect i = rect_intersect(r, s);
	struct rect parts[] = {
		{r.x, r.y, r.w, i.y - r.y},
		{r.x, i.y + i.h, r.w, r.y + r.h - i.y - i.h},
		{r.x, r.y, i.x - r.x, r.h},
		{i.x + i.w, r.y, r.x + r.w - i.x - i.w, r.h},
	};
	struct rect best = {0, 0, 0, 0};

	if (rect_empty(i))
		return r;
	for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
		if (rect_pixels(parts[k]) > rect_pixels(best))
			best = parts[k];
	return best;
}

int area_subtract(struct area *a, struct rect r)
{
	int result = 0;

	for (unsigned i = a->count; i-- > 0;) {
		struct rect parts[4];
		unsigned n;

		if (rect_empty(rect_intersect(a->items[i], r)))
			continue;
		n = cut(a->items[i], r, parts);
		if (a->count - 1 + n > AREA_MAX) {
			result = -ENOSPC;
			continue;
		}
		a->items[i] = a->items[--a->count];
		for (unsigned k = 0; k < n; k++)
			a->items[a->count++] = parts[k];
	}
	return result;
}

/* The two within valid whose bounds add the fewest pixels become one. */
static int merge(struct area *a, struct rect valid)
{
	uint64_t least = UINT64_MAX;
	unsigned one = 0, other = 0;

	for (unsigned i = 0; i < a->count; i++)
		for (unsigned k = i + 1; k < a->count; k++) {
			struct rect b = rect_bounds(a->items[i], a->items[k]);
			uint64_t more = rect_pixels(b);

			if (more >= least || !rect_contains(valid, b))
				continue;
			least = more;
			one = i;
			other = k;
		}
	if (least == UINT64_MAX)
		return -ENOSPC;
	a->items[one] = rect_bounds(a->items[one], a->items[other]);
	a->items[other] = a->items[--a->count];
	return 0;
}

int area_add(struct area *a, struct rect r, struct rect valid)
{
	if (rect_empty(r))
		return 0;
	for (unsigned i = 0; i < a->count; i++)
		if (rect_contains(a->items[i], r))
			return 0;
	(void)area_subtract(a, r); /* what overlaps is only sent twice */
	if (a->count == AREA_MAX && merge(a, valid) < 0)
		return -ENOSPC;
	a->items[a->count++] = r;
	return 0;
}

bool area_touches(const struct area *a, struct rect r)
{
	for (unsigned i = 0; i < a->count; i++)
		if (!rect_empty(rect_intersect(a->items[i], r)))
			return true;
	return false;
}

uint64_t area_pixels(const struct area *a)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < a->count; i++)
		n += rect_pixels(a->items[i]);
	return n;
}
