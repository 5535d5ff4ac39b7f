/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/region.c - where a video is. Encoder process, locked. No system calls.
 */
#include "encode/region.h"

#include "base/clock.h"

struct tally {
	unsigned updates;
	uint64_t pixels, ratio_sum, first_usec;
};

static const struct update *item(const struct history *h, unsigned i)
{
	return &h->items[(h->first + i) % HISTORY_MAX];
}

void history_add(struct history *h, uint64_t now, struct rect bounds, uint64_t pixels,
                 uint32_t ratio)
{
	while (h->count > 0 &&
	       (h->count == HISTORY_MAX || item(h, 0)->at_usec + HISTORY_USEC < now)) {
		h->first = (h->first + 1) % HISTORY_MAX;
		h->count--;
	}
	h->items[(h->first + h->count) % HISTORY_MAX] = (struct update){now, bounds, pixels, ratio};
	h->count++;
}

/* Updates of the last usec that are mostly inside r and change something of it worth a frame: a
 * blinking cursor in front of a film is not one. */
static struct tally count(const struct history *h, uint64_t now, uint64_t usec, struct rect r)
{
	struct tally t = {.first_usec = USEC_INFINITY};

	for (unsigned i = 0; i < h->count; i++) {
		const struct update *u = item(h, i);
		uint64_t inside = rect_pixels(rect_intersect(u->bounds, r));

		if (u->at_usec + usec < now || inside * 10 < rect_pixels(r) ||
		    inside * 10 < rect_pixels(u->bounds) * 9)
			continue;
		if (t.updates++ == 0)
			t.first_usec = u->at_usec;
		t.pixels += u->pixels < inside ? u->pixels : inside;
		t.ratio_sum += u->ratio;
	}
	return t;
}

static bool qualifies(const struct history *h, uint64_t now, struct rect r, bool busy)
{
	struct tally t = count(h, now, HISTORY_USEC, r);

	return t.updates >= REGION_ENTER && t.first_usec + REGION_STABLE_USEC <= now &&
	       t.pixels * 100 >= rect_pixels(r) * REGION_COVER * t.updates &&
	       (busy || t.ratio_sum >= (uint64_t)REGION_RATIO * t.updates);
}

bool region_find(const struct history *h, uint64_t now, struct rect valid, bool busy,
                 struct rect *ret)
{
	struct rect last = {0, 0, 0, 0};

	*ret = (struct rect){0, 0, 0, 0};
	if (h->count < REGION_ENTER)
		return false;
	for (unsigned i = h->count; i-- > 0;) {
		struct rect r = item(h, i)->bounds;

		if (rect_equal(r, last)) /* most are */
			continue;
		last = r;
		r.w &= ~1; /* the odd edge goes as a strip of pixels */
		r.h &= ~1;
		if (r.w >= REGION_MIN_W && r.h >= REGION_MIN_H &&
		    rect_pixels(r) > rect_pixels(*ret) && rect_contains(valid, r) &&
		    qualifies(h, now, r, busy))
			*ret = r;
	}
	return !rect_empty(*ret);
}

bool region_lasts(const struct history *h, uint64_t now, struct rect region)
{
	return count(h, now, USEC_PER_SEC, region).updates >= REGION_LEAVE;
}

uint64_t region_rate(const struct history *h, uint64_t now, struct rect region)
{
	return count(h, now, USEC_PER_SEC, region).pixels;
}
