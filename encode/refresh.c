/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/refresh.c - quiet times: what is lossy is sent exactly, videos end, encoders are closed.
 * Encoder process, locked. No system calls of its own.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/macros.h"
#include "encode/flush.h"
#include "encode/output.h"

#define REFRESH_LARGE 2000000u    /* pixels: from here on the delay is the longest */
#define REFRESH_WISH_MAX 10000000 /* longer is as good as never */
#define REFRESH_STEP_USEC 5000    /* between pieces: draws come first */
#define DENSE 500                 /* per mille: lz4 is pointless then */
#define DENSE_PIXELS (1u << 18)   /* webp takes 30 ms for a million without loss */
#define RESIZE_USEC 200000        /* a window that is being resized gets no encoder */
#define IDLE_USEC (10 * USEC_PER_SEC)
#define REVIEW_USEC 200000

static uint64_t delay(const struct engine *e, const struct window *w)
{
	uint64_t wish = e->setup.wishes.refresh_delay_msec * USEC_PER_MSEC;
	uint64_t pixels = area_pixels(&w->lossy);

	if (wish)
		return wish < REFRESH_WISH_MAX ? wish : REFRESH_WISH_MAX;
	if (pixels > REFRESH_LARGE)
		pixels = REFRESH_LARGE;
	return REFRESH_MIN_USEC + (REFRESH_MAX_USEC - REFRESH_MIN_USEC) * pixels / REFRESH_LARGE;
}

/* The first lossy rectangle that may be sent again now: what lies in a video's region only once it
 * has stopped. */
static bool choose(const struct engine *e, const struct window *w, uint64_t now, struct rect *ret,
                   uint64_t *ret_usec)
{
	uint64_t all = w->damaged_usec + delay(e, w), outside = w->outside_usec + delay(e, w);
	/* Where less gets through than there is, the video would wait for it, and end. */
	bool room = rect_empty(w->region) || !pace_busy(&e->pace, now);

	*ret_usec = all;
	for (unsigned i = 0; i < w->lossy.count; i++) {
		struct rect beside = rect_without(w->lossy.items[i], w->region);

		if (now >= all || (room && now >= outside && !rect_empty(beside))) {
			*ret = now >= all ? w->lossy.items[i] : beside;
			return true;
		}
		if (room && !rect_empty(beside) && outside < *ret_usec)
			*ret_usec = outside;
	}
	return false;
}

/* Exactly, by whatever is smallest. */
static int send_exactly(struct engine *e, struct window *w, struct rect *r, uint64_t now)
{
	static const enum coding codings[] = {CODING_WEBP, CODING_PNG};
	struct answer none = {0, true};
	uint32_t codes = e->setup.codings & ~e->ladder.refused;

	*r = output_piece(*r);
	if (codes & (CODING_BIT(CODING_WEBP) | CODING_BIT(CODING_PNG)) &&
	    rect_pixels(*r) >= STILL_MIN_PIXELS && output_ratio(w, *r) >= DENSE) {
		int32_t rows = (int32_t)(DENSE_PIXELS / (uint32_t)r->w);
		struct rect small = *r;

		small.h = small.h < rows ? small.h : rows;
		for (size_t i = 0; i < ARRAY_SIZE(codings); i++) {
			int k = -EOPNOTSUPP;

			if (codes & CODING_BIT(codings[i]))
				k = output_still(e, w, small, codings[i], 100, none, now);
			if (k == 0)
				*r = small;
			if (k == 0 || k == -EAGAIN || e->error)
				return k;
		}
	}
	return output_pixels(e, w, *r, none, NULL);
}

uint64_t refresh_window(struct engine *e, struct window *w, uint64_t now)
{
	uint64_t due, bytes = w->report.r.bytes_out;
	struct rect r;

	if (w->lossy.count == 0 || !e->setup.wishes.auto_refresh)
		return USEC_INFINITY;
	if (w->owed.count > 0 || w->n_pending > 0 || w->scroll.count > 0)
		return USEC_INFINITY; /* that comes first, and then this is looked at again */
	if (!choose(e, w, now, &r, &due))
		return due;
	if (!pace_may_send(&e->pace, now, &due))
		return due;
	if (send_exactly(e, w, &r, now) == 0) {
		/* if there is no room to cut it out, it goes once more, with what is around it */
		(void)area_subtract(&w->lossy, r);
		w->report.r.refreshes++;
		pace_sent(&e->pace, w->report.r.bytes_out - bytes, now);
	}
	return now + REFRESH_STEP_USEC;
}

void flush_note(struct engine *e, struct window *w, uint64_t now)
{
	struct rect r;

	if (w->ratio == 0) /* it came uncompressed */
		w->ratio = output_ratio(w, w->group);
	history_add(&w->history, now, w->group, w->group_pixels, w->ratio);
	if (w->outside_usec < now && (rect_empty(w->region) || !rect_contains(w->region, w->group)))
		w->outside_usec = now;
	if (flush_is_exact(e) || now < w->resized_usec + RESIZE_USEC || now < w->no_video_usec)
		return;
	if (!rect_empty(w->region) && region_lasts(&w->history, now, w->region))
		return;
	w->region = (struct rect){0, 0, 0, 0};
	if (region_find(&w->history, now, w->valid, pace_busy(&e->pace, now), &r))
		w->region = r;
}

uint64_t flush_review(struct engine *e, struct window *w, uint64_t now)
{
	if (!rect_empty(w->region) &&
	    (!region_lasts(&w->history, now, w->region) || !rect_contains(w->valid, w->region)))
		w->region = (struct rect){0, 0, 0, 0};
	if (w->video && w->video->used_usec + IDLE_USEC <= now)
		flush_end_video(e, w);
	return rect_empty(w->region) && !w->video ? USEC_INFINITY : now + REVIEW_USEC;
}

void flush_tune(struct engine *e)
{
	struct encoder_quality q = pace_video(&e->pace);

	for (size_t i = 0; i < ARRAY_SIZE(e->windows.items); i++) {
		struct window *w = &e->windows.items[i];

		if (w->wid && w->video && w->video->rung->encoder->tune(w->video->handle, &q) < 0)
			flush_end_video(e, w);
	}
}
