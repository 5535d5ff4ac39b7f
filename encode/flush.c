/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/flush.c - decide what a client gets of a window, and send it. Encoder process, locked. No
 * system calls of its own.
 */
#include "encode/flush.h"

#include <errno.h>

#include "base/clock.h"
#include "base/macros.h"
#include "encode/output.h"

#define RETRY_USEC 20000 /* the ring is full: the worker's word wakes us too */

/* It stays as it is until its answer has gone: what is still owed is not last. */
static struct answer answer_for(const struct window *w, bool last)
{
	return (struct answer){w->last_draw > w->answered ? w->last_draw : 0, last};
}

static void answered(struct window *w)
{
	w->answered = w->last_draw;
	w->n_pending = 0;
	w->flush_usec = USEC_INFINITY;
}

bool flush_is_exact(const struct engine *e)
{
	return e->setup.wishes.quality == 100 || e->setup.wishes.min_quality == 100;
}

static bool takes(const struct engine *e, enum coding c)
{
	return e->setup.codings & CODING_BIT(c) && !(e->ladder.refused & CODING_BIT(c));
}

/* One piece of what is owed, as pixels or, if it looks like a photograph, as jpeg. */
static int send_piece(struct engine *e, struct window *w, struct rect r, struct answer a,
                      uint64_t now)
{
	struct area lossy = w->lossy;
	size_t len;
	int k;

	if (rect_pixels(r) >= STILL_MIN_PIXELS && w->ratio >= STILL_RATIO && !flush_is_exact(e) &&
	    takes(e, CODING_JPEG) && area_add(&lossy, r, w->valid) == 0) {
		k = output_still(e, w, r, CODING_JPEG, e->pace.quality < 99 ? e->pace.quality : 99,
		                 a, now);
		if (k == 0)
			w->lossy = lossy;
		if (k == 0 || k == -EAGAIN || e->error)
			return k;
	}
	k = output_pixels(e, w, r, a, &len);
	if (k == 0)
		(void)area_subtract(&w->lossy,
		                    r); /* if cut too coarsely, it is refreshed once more */
	return k;
}

static int send_scroll(struct engine *e, struct window *w)
{
	struct rect r = w->scroll.rect;
	bool moved_lossy = area_touches(&w->lossy, r);
	int k = output_scroll(e, w, answer_for(w, w->owed.count == 0));

	if (k < 0)
		return k;
	w->scroll.count = 0;
	/* what was lossy has moved too; r is within what is known */
	if (moved_lossy && area_add(&w->lossy, r, w->valid) < 0)
		return e->error = area_add(&w->owed, r, w->valid);
	if (w->owed.count == 0)
		answered(w);
	return 0;
}

/* How much smaller the region should be coded. */
static unsigned step_of(const struct engine *e, const struct window *w)
{
	return e->scaler
	               ? scale_sensible((uint16_t)w->region.w, (uint16_t)w->region.h, e->pace.scale)
	               : SCALE_FULL;
}

static int open_at(struct engine *e, struct window *w, unsigned step, uint64_t now)
{
	struct encoder_quality q = pace_video(&e->pace);
	uint16_t width = scale_side((uint16_t)w->region.w, step);
	uint16_t height = scale_side((uint16_t)w->region.h, step);
	int r = ladder_open(&e->ladder, &e->setup, e->pace.subsampled, width, height, &q, now,
	                    &w->video);

	if (r < 0 || step == SCALE_FULL)
		return r;
	w->video->scaled = malloc((size_t)width * height * 4);
	if (w->video->scaled)
		return 0;
	flush_end_video(e, w);
	return -ENOMEM;
}

/* At the step, or smaller if that is larger than client or encoder take, or else larger if it is
 * too small for the encoder. */
static int open_video(struct engine *e, struct window *w, unsigned step, uint64_t now)
{
	unsigned last = e->scaler ? SCALE_LAST : SCALE_FULL;
	int r = -EOPNOTSUPP;

	for (unsigned s = step; s <= last && r == -EOPNOTSUPP; s++)
		r = open_at(e, w, s, now);
	for (unsigned s = step; s-- > SCALE_FULL && r == -EOPNOTSUPP;)
		r = open_at(e, w, s, now);
	if (r == 0) {
		w->video->of_w = (uint16_t)w->region.w;
		w->video->of_h = (uint16_t)w->region.h;
		w->video->step = (uint8_t)step;
	}
	return r;
}

/* An encoder for the region, one of a less busy window's if there are too many. */
static bool have_video(struct engine *e, struct window *w, uint64_t now)
{
	unsigned step = step_of(e, w);
	struct video *v = w->video;
	struct window *victim = NULL;
	uint64_t rate = region_rate(&w->history, now, w->region) / 2;
	int r;

	if (v && (v->of_w != w->region.w || v->of_h != w->region.h || v->step != step ||
	          (e->ladder.refused & CODING_BIT(v->params.coding)) || v->rung->dead ||
	          (e->pace.subsampled && v->params.csc == CSC_YUV444P &&
	           e->setup.csc[v->params.coding] & CSC_BIT(CSC_YUV420P))))
		flush_end_video(e, w);
	if (w->video)
		return true;
	r = open_video(e, w, step, now);
	for (size_t i = 0; r == -EBUSY && i < ARRAY_SIZE(e->windows.items); i++) {
		struct window *o = &e->windows.items[i];
		uint64_t of = o->wid && o->video && o != w
		                      ? region_rate(&o->history, now, o->region)
		                      : UINT64_MAX;

		if (of < rate) {
			rate = of;
			victim = o;
		}
	}
	if (victim) {
		victim->region = (struct rect){0, 0, 0, 0};
		victim->no_video_usec = now + USEC_PER_SEC;
		flush_end_video(e, victim);
		r = open_video(e, w, step, now);
	}
	if (r == 0)
		return true;
	w->region = (struct rect){0, 0, 0, 0};
	w->no_video_usec = now + USEC_PER_SEC;
	return false;
}

void flush_end_video(struct engine *e, struct window *w)
{
	ladder_close(&e->ladder, w->video);
	w->video = NULL;
}

/* A frame of the region. 1: it has been sent, or need not be; 0: later. */
static int send_video(struct engine *e, struct window *w, uint64_t now)
{
	struct area owed = w->owed, lossy = w->lossy;
	const struct encoder *encoder;
	uint64_t after;
	int r;

	if (rect_empty(w->region) || !area_touches(&w->owed, w->region) || !have_video(e, w, now))
		return 1;
	if (now < w->next_video_usec) {
		w->flush_usec = w->next_video_usec;
		return 0;
	}
	if (area_add(&lossy, w->region, w->valid) < 0 || area_subtract(&owed, w->region) < 0)
		return 1; /* too many pieces to keep apart: as pixels, all of them */
	r = output_video(e, w, answer_for(w, owed.count == 0), now);
	if (r == -EAGAIN) {
		w->flush_usec = now + RETRY_USEC;
		return 0;
	}
	if (r < 0) {
		flush_end_video(e, w); /* this time as a still; then with a new encoder */
		return e->error ? e->error : 1;
	}
	w->owed = owed;
	w->lossy = lossy;
	encoder = w->video->rung->encoder;
	after = e->clock();
	pace_encoded(&e->pace, after - now, encoder->left ? encoder->left(w->video->handle) : 0);
	w->report.encode_sum_usec += after - now;
	w->report.video_frames++;
	w->next_video_usec = now + USEC_PER_SEC / e->pace.fps - USEC_PER_MSEC;
	if (w->owed.count == 0)
		answered(w);
	return 1;
}

/* What is owed of the region is for a frame of it, which may not be sent yet. */
static int next_item(const struct window *w, bool video_waits)
{
	for (unsigned i = w->owed.count; i-- > 0;)
		if (!video_waits || rect_empty(rect_intersect(w->owed.items[i], w->region)))
			return (int)i;
	return -1;
}

int flush_window(struct engine *e, struct window *w, uint64_t until)
{
	uint64_t now = e->clock(), bytes = w->report.r.bytes_out;
	int r = 1, i;

	if (!pace_may_send(&e->pace, now, &w->flush_usec))
		return 0;
	if (w->scroll.count > 0 && send_scroll(e, w) < 0) {
		w->flush_usec = now + RETRY_USEC;
		return e->error;
	}
	r = send_video(e, w, now);
	if (r < 0)
		return r;
	while ((i = next_item(w, r == 0)) >= 0) {
		struct rect whole = w->owed.items[i], piece = output_piece(whole);
		bool last = w->owed.count == 1 && rect_equal(piece, whole);

		if (e->clock() > until) {
			w->flush_usec = now;
			break;
		}
		if (w->ratio == 0)
			w->ratio = output_ratio(w, piece);
		if (send_piece(e, w, piece, answer_for(w, last), now) < 0) {
			w->flush_usec = now + RETRY_USEC;
			break;
		}
		whole.y += piece.h;
		whole.h -= piece.h;
		w->owed.items[i] = whole;
		if (rect_empty(whole))
			w->owed.items[i] = w->owed.items[--w->owed.count];
		if (last)
			answered(w);
	}
	if (w->owed.count == 0 && w->answered < w->last_draw &&
	    output_nothing(e, w, answer_for(w, true)) == 0)
		answered(w);
	pace_sent(&e->pace, w->report.r.bytes_out - bytes, now);
	return e->error;
}
