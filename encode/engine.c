/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/engine.c - the worker's messages, each number checked, and what follows from time passing.
 * Encoder process, locked. No system calls of its own.
 */
#include "encode/engine.h"

#include <errno.h>

#include "base/clock.h"
#include "base/macros.h"
#include "encode/flush.h"
#include "encode/output.h"
#include "encode/unseen.h"

#define GROUP_USEC 50000                /* the rest of an update is not waited for longer */
#define HOLD_USEC 60000                 /* then a draw is held: FRAME_LATE_USEC is the end */
#define STRETCH_USEC 30000              /* of work, before new messages are looked at */
#define UNTOLD_MAX (FRAME_IN_BYTES / 4) /* pixels that the worker could have back */
#define AWAKE_USEC (10 * USEC_PER_SEC)  /* after the last draw, quality recovers no further */

static uint64_t hashes[2][FRAME_SIDE_MAX]; /* the process has one thread */

static int lie(struct engine *e, const char *what)
{
	snprintf(e->why, sizeof(e->why), "the worker's message is wrong: %s", what);
	return -EBADMSG;
}

int engine_setup(struct engine *e, const struct frame_setup *s)
{
	static const enum pixel_format order[] = {PIXEL_BGRX, PIXEL_RGBX, PIXEL_RGB,
	                                          PIXEL_BGR,  PIXEL_BGRA, PIXEL_RGBA};
	bool rgb24 = s->codings & CODING_BIT(CODING_RGB24);
	bool rgb32 = s->codings & CODING_BIT(CODING_RGB32);
	size_t i = 0;

	for (size_t k = 0; k < FRAME_ENCODERS_MAX; k++)
		if (!memchr(s->encoders[k], '\0', FRAME_NAME_MAX))
			return lie(e, "the name of an encoder");
	while (i < ARRAY_SIZE(order) && !(s->pixels & PIXEL_BIT(order[i])))
		i++;
	if (i == ARRAY_SIZE(order) || (!rgb24 && !rgb32))
		return lie(e, "the client takes no pixels");
	e->setup = *s;
	e->rgb = order[i];
	/* As servers name it: what has no alpha is rgb24, even with four bytes, to clients that
	 * take BGRX; browsers do not, and believe the name. */
	e->rgb_coding =
		!rgb32 || (rgb24 && (e->rgb == PIXEL_BGRX || pixel_format_bytes(e->rgb) == 3))
			? CODING_RGB24
			: CODING_RGB32;
	frame_ring_init(&e->out, FRAME_IN_BYTES, FRAME_OUT_BYTES);
	pace_init(&e->pace, &s->wishes, e->clock());
	e->pace.scales = e->scaler != NULL;
	e->report_usec = e->clock() + USEC_PER_SEC;
	return 0;
}

/* "Merged into what comes later", for all draws of a window that wait. */
static int hold(struct engine *e, struct window *w)
{
	for (unsigned i = 0; i < w->n_pending; i++) {
		struct frame f = {.type = FRAME_HELD, .wid = w->wid, .number = w->pending[i]};

		if (output_message(e, &f) < 0)
			return e->error;
	}
	w->n_pending = 0;
	return 0;
}

static void forget(struct engine *e, struct window *w)
{
	(void)unseen_forget(e, w, (struct rect){0, 0, FRAME_SIDE_MAX, FRAME_SIDE_MAX});
	flush_end_video(e, w);
	window_drop(&e->windows, w);
}

/* Makes room for another: the one that was not drawn to for the longest, if the client has all of
 * it exactly or can be sent it now. */
static int evict(struct engine *e, const struct window *but)
{
	struct window *w = window_oldest(&e->windows, but);

	if (!w)
		return -ENOBUFS;
	for (unsigned i = 0; i < w->lossy.count; i++)
		if (area_add(&w->owed, w->lossy.items[i], w->valid) < 0)
			return -ENOBUFS;
	if (window_end_scroll(w) < 0)
		return -ENOBUFS;
	w->region = (struct rect){0, 0, 0, 0};
	for (; w->owed.count > 0; w->owed.count--) {
		struct rect r = w->owed.items[w->owed.count - 1];

		for (struct rect p = output_piece(r); r.h > 0; p = output_piece(r)) {
			if (output_pixels(e, w, p, (struct answer){0, true}, NULL) < 0)
				return -ENOBUFS;
			r.y += p.h;
			r.h -= p.h;
		}
	}
	if (w->answered < w->last_draw)
		(void)output_nothing(e, w, (struct answer){w->last_draw, true});
	forget(e, w);
	return 0;
}

/* The window of a draw, with a copy that the draw fits into. */
static int place(struct engine *e, const struct frame *f, struct window **ret)
{
	const struct frame_draw *d = &f->draw;
	struct window *w = window_find(&e->windows, f->wid);
	int r = 0;

	if (!w)
		w = window_add(&e->windows, f->wid);
	if (!w) {
		r = evict(e, NULL);
		w = r == 0 ? window_add(&e->windows, f->wid) : NULL;
	}
	while (w && (r = window_grow(&e->windows, w, d->x + d->w, d->y + d->h)) == -ENOBUFS)
		if (evict(e, w) < 0)
			break;
	if (!w || r < 0) {
		snprintf(e->why, sizeof(e->why), "no memory for another window: %s",
		         strerror(w ? -r : ENOBUFS));
		return r < 0 ? r : -ENOBUFS;
	}
	*ret = w;
	return 0;
}

static bool may_scroll(const struct engine *e, const struct window *w, struct rect r)
{
	return e->setup.codings & CODING_BIT(CODING_SCROLL) && r.w >= SCROLL_MIN_W &&
	       r.h >= SCROLL_MIN_H && rect_empty(w->region) && w->scroll.count == 0 &&
	       rect_contains(w->valid, r) && !area_touches(&w->owed, r);
}

/* Into the copy. What of it is owed then: all, or what has not only moved. */
static int patch(struct engine *e, struct window *w, const struct frame_draw *d)
{
	struct rect r = {d->x, d->y, d->w, d->h};
	struct area owed = w->owed;
	bool look = may_scroll(e, w, r), scrolled = false;

	if (look)
		scroll_hash(w->pixels, w->shadow_w * 4, r, hashes[0]);
	window_patch(w, d, e->memory);
	if (look) {
		scroll_hash(w->pixels, w->shadow_w * 4, r, hashes[1]);
		scrolled = scroll_find(hashes[0], hashes[1], r, &w->scroll, &owed);
	}
	if (scrolled) {
		w->owed = owed;
		w->no_video_usec = e->clock() + USEC_PER_SEC; /* this is cheaper, and exact */
		return 0;
	}
	w->scroll.count = look ? 0 : w->scroll.count;
	if (area_add(&w->owed, r, w->valid) == 0)
		return 0;
	if (flush_window(e, w, USEC_INFINITY) < 0 || area_add(&w->owed, r, w->valid) < 0) {
		snprintf(e->why, sizeof(e->why), "a window is in too many pieces");
		return -ENOSPC;
	}
	return 0;
}

/* Adds a draw to its update; the last one completes it. */
static void note(struct engine *e, struct window *w, const struct frame_draw *d, uint64_t now)
{
	uint64_t pixels = (uint64_t)d->w * d->h;

	w->group = rect_bounds(w->group, (struct rect){d->x, d->y, d->w, d->h});
	w->group_pixels += pixels;
	w->group_wire += d->wire_bytes;
	w->group_raw |= d->wire_bytes == 0 || d->wire_bytes >= pixels * 3;
	w->damaged_usec = w->used_usec = e->active_usec = now;
	w->report.r.bytes_in += d->wire_bytes;
	w->report.news = true;
	if (d->flush > 0) {
		if (w->flush_usec == USEC_INFINITY)
			w->flush_usec = now + GROUP_USEC;
		return;
	}
	w->ratio = w->group_raw ? 0 : (uint32_t)(w->group_wire * 1000 / (w->group_pixels * 4)) + 1;
	flush_note(e, w, now);
	w->group = (struct rect){0, 0, 0, 0};
	w->group_pixels = w->group_wire = 0;
	w->group_raw = false;
	w->flush_usec = now;
}

static int handle_draw(struct engine *e, const struct frame *f)
{
	uint64_t now = e->clock();
	struct window *w;
	int r;

	if (f->wid == 0 || f->number <= e->last_draw || !window_check_draw(&f->draw))
		return lie(e, "a draw's numbers");
	r = place(e, f, &w);
	if (r == 0)
		r = patch(e, w, &f->draw);
	if (r < 0)
		return r;
	e->last_draw = f->number;
	e->untold_bytes += (uint64_t)f->draw.stride * f->draw.h;
	if (w->n_pending == PENDING_MAX && hold(e, w) < 0)
		return e->error;
	if (w->n_pending == 0)
		w->pending_since_usec = now;
	w->pending[w->n_pending++] = w->last_draw = f->number;
	note(e, w, &f->draw, now);
	return e->untold_bytes > UNTOLD_MAX ? hold(e, w) : 0;
}

static int handle_spoiled(struct engine *e, struct window *w, struct rect r)
{
	if (!rect_empty(rect_intersect(w->region, r)))
		w->region = (struct rect){0, 0, 0, 0};
	if (unseen_forget(e, w, r) < 0)
		return -ENOSPC;
	if (!rect_empty(rect_intersect(w->scroll.rect, r)) && window_end_scroll(w) < 0)
		return -ENOSPC;
	return window_spoil(w, r);
}

static int handle_window(struct engine *e, struct window *w, const struct frame_window *size)
{
	int32_t width = size->w, height = size->h;

	if (width > FRAME_SIDE_MAX || height > FRAME_SIDE_MAX)
		return lie(e, "a window's size");
	if (w->w == width && w->h == height)
		return 0;
	w->w = size->w;
	w->h = size->h;
	w->resized_usec = e->clock();
	w->history.count = 0;
	w->region = (struct rect){0, 0, 0, 0};
	/* what is not there any more */
	if (handle_spoiled(e, w, (struct rect){width, 0, FRAME_SIDE_MAX, FRAME_SIDE_MAX}) < 0 ||
	    handle_spoiled(e, w, (struct rect){0, height, FRAME_SIDE_MAX, FRAME_SIDE_MAX}) < 0)
		return -ENOSPC;
	return 0;
}

static int dispatch(struct engine *e, const struct frame *f, struct window *w)
{
	switch ((enum frame_type)f->type) {
	case FRAME_DRAW:
		return handle_draw(e, f);
	case FRAME_WINDOW:
		return w ? handle_window(e, w, &f->window) : 0;
	case FRAME_LOST:
		if (w)
			forget(e, w);
		return 0;
	case FRAME_SPOILED:
		if (f->number <= e->last_draw)
			return lie(e, "a number");
		e->last_draw = f->number;
		if (w && w->video) /* a frame may not be shown because of it */
			w->video->force_key = true;
		return w ? handle_spoiled(e, w,
		                          (struct rect){f->draw.x, f->draw.y, f->draw.w, f->draw.h})
		         : 0;
	case FRAME_SHOWN:
		if (f->shown.decode_usec != FRAME_NOT_SHOWN)
			pace_shown(&e->pace, &f->shown);
		if (f->shown.decode_usec >= 0)
			unseen_shown(e, f->number);
		return f->shown.decode_usec < 0 && w ? unseen_repair(e, f, w) : 0;
	case FRAME_QUEUE:
		pace_queue(&e->pace, &f->queue, e->clock());
		return 0;
	case FRAME_TUNE:
		e->setup.wishes = f->wishes;
		pace_tune(&e->pace, &f->wishes);
		flush_tune(e);
		return 0;
	case FRAME_SETUP:
	case FRAME_READY:
	case FRAME_PICTURE:
	case FRAME_HELD:
	case FRAME_REPORT:
	default:
		return lie(e, "not due");
	}
}

int engine_handle(struct engine *e, const struct frame *f)
{
	int r;

	if (f->freed > e->pictures)
		return lie(e, "pictures that were not sent");
	if (f->freed > e->freed) {
		e->freed = f->freed;
		frame_ring_give(&e->out, f->freed);
	}
	r = dispatch(e, f, window_find(&e->windows, f->wid));
	if (r == -ENOSPC && !e->why[0])
		snprintf(e->why, sizeof(e->why), "a window is in too many pieces");
	return r < 0 ? r : e->error;
}

static void report(struct engine *e, struct window *w)
{
	struct frame f = {.type = FRAME_REPORT, .wid = w->wid};
	struct frame_report *r = &w->report.r;
	const struct video *v = rect_empty(w->region) ? NULL : w->video;
	const char *device = v ? v->rung->encoder->device(v->handle) : NULL;

	r->coding = (uint8_t)(v ? v->params.coding : e->rgb_coding);
	r->csc = (uint8_t)(v ? v->params.csc : 0);
	r->quality = v ? e->pace.quality : 100;
	r->speed = e->pace.speed;
	r->x = (uint16_t)(v ? w->region.x : 0);
	r->y = (uint16_t)(v ? w->region.y : 0);
	r->w = (uint16_t)(v ? w->region.w : 0);
	r->h = (uint16_t)(v ? w->region.h : 0);
	r->coded_w = v ? v->params.w : 0;
	r->coded_h = v ? v->params.h : 0;
	r->fps_milli = w->report.video_frames * 1000;
	r->encode_usec = w->report.video_frames
	                         ? (uint32_t)(w->report.encode_sum_usec / w->report.video_frames)
	                         : 0;
	snprintf(r->encoder, sizeof(r->encoder), "%s", v ? v->rung->encoder->name : "rgb");
	snprintf(r->device, sizeof(r->device), "%s", device ? device : "");
	snprintf(r->why, sizeof(r->why), "%s", e->ladder.why);
	r->fallbacks = e->ladder.fallbacks;
	f.report = *r;
	w->report.news = false;
	w->report.video_frames = 0;
	w->report.encode_sum_usec = 0;
	(void)output_message(e, &f);
}

/* One window's turn. */
static int turn(struct engine *e, struct window *w, uint64_t until, uint64_t *next)
{
	uint64_t now = e->clock(), due;

	if (w->flush_usec <= now && flush_window(e, w, until) < 0)
		return e->error;
	if (w->n_pending > 0 && w->pending_since_usec + HOLD_USEC <= now && hold(e, w) < 0)
		return e->error;
	due = refresh_window(e, w, now);
	*next = due < *next ? due : *next;
	due = flush_review(e, w, now);
	*next = due < *next ? due : *next;
	*next = w->flush_usec < *next ? w->flush_usec : *next;
	if (w->n_pending > 0 && w->pending_since_usec + HOLD_USEC < *next)
		*next = w->pending_since_usec + HOLD_USEC;
	if (w->report.news && e->report_usec < *next)
		*next = e->report_usec;
	return e->error;
}

int engine_run(struct engine *e, uint64_t *ret_next_usec)
{
	uint64_t start = e->clock(), until = start + STRETCH_USEC;
	unsigned n = ARRAY_SIZE(e->windows.items), first = e->turn;
	bool reports = start >= e->report_usec;

	*ret_next_usec = start < e->active_usec + AWAKE_USEC ? e->pace.tick_usec : USEC_INFINITY;
	if (pace_tick(&e->pace, start))
		flush_tune(e);
	for (unsigned i = 0; i < n; i++) {
		struct window *w = &e->windows.items[(first + i) % n];

		if (w->wid == 0)
			continue;
		if (reports && w->report.news)
			report(e, w);
		if (e->clock() > until) { /* the next one begins with this */
			e->turn = (first + i) % n;
			*ret_next_usec = start;
			reports = false;
			break;
		}
		if (turn(e, w, until, ret_next_usec) < 0)
			return e->error;
	}
	/* whoever was not looked at has waited for no longer than HOLD_USEC and a stretch */
	for (unsigned i = 0; i < n; i++) {
		struct window *w = &e->windows.items[i];

		if (w->wid && w->n_pending > 0 && w->pending_since_usec + HOLD_USEC <= e->clock() &&
		    hold(e, w) < 0)
			return e->error;
	}
	if (reports)
		e->report_usec = start + USEC_PER_SEC;
	return e->error;
}

void engine_close(struct engine *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(e->windows.items); i++)
		if (e->windows.items[i].wid)
			forget(e, &e->windows.items[i]);
	ladder_clear(&e->ladder);
}
