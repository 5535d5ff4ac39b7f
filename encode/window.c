/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/window.c - copies of windows' pixels. Encoder process, locked: the numbers are a server's,
 * and the worker is not believed either. System calls: mmap, munmap.
 */
#include "encode/window.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/macros.h"

#define STEP 64 /* a window that grows by a pixel at a time is not copied each time */

struct window *window_find(struct windows *ws, uint32_t wid)
{
	for (size_t i = 0; i < ARRAY_SIZE(ws->items); i++)
		if (ws->items[i].wid == wid && wid != 0)
			return &ws->items[i];
	return NULL;
}

struct window *window_add(struct windows *ws, uint32_t wid)
{
	for (size_t i = 0; i < ARRAY_SIZE(ws->items); i++)
		if (ws->items[i].wid == 0) {
			ws->items[i] = (struct window){.wid = wid, .flush_usec = USEC_INFINITY};
			return &ws->items[i];
		}
	return NULL;
}

static uint64_t bytes_of(const struct window *w)
{
	return (uint64_t)w->shadow_w * w->shadow_h * 4;
}

static void release(struct windows *ws, struct window *w)
{
	if (w->pixels)
		(void)munmap(w->pixels, bytes_of(w));
	ws->bytes -= bytes_of(w);
	w->pixels = NULL;
}

void window_drop(struct windows *ws, struct window *w)
{
	release(ws, w);
	w->wid = 0;
}

struct window *window_oldest(struct windows *ws, const struct window *but)
{
	struct window *oldest = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(ws->items); i++) {
		struct window *w = &ws->items[i];

		if (w->wid != 0 && w != but && (!oldest || w->used_usec < oldest->used_usec))
			oldest = w;
	}
	return oldest;
}

static uint32_t rounded(uint32_t n, uint32_t known)
{
	n = n <= known ? known : (n + STEP - 1) / STEP * STEP;
	return n > FRAME_SIDE_MAX ? FRAME_SIDE_MAX : n;
}

int window_grow(struct windows *ws, struct window *w, uint32_t width, uint32_t height)
{
	uint32_t new_w = width > w->shadow_w ? rounded(width, w->w) : w->shadow_w;
	uint32_t new_h = height > w->shadow_h ? rounded(height, w->h) : w->shadow_h;
	uint64_t bytes;
	uint8_t *p;

	if (width <= w->shadow_w && height <= w->shadow_h)
		return 0;
	if (width > FRAME_SIDE_MAX || height > FRAME_SIDE_MAX)
		return -EMSGSIZE;
	if ((uint64_t)new_w * new_h > FRAME_PIXELS_MAX) {
		new_w = width > w->shadow_w ? width : w->shadow_w;
		new_h = height > w->shadow_h ? height : w->shadow_h;
	}
	bytes = (uint64_t)new_w * new_h * 4;
	if (bytes > FRAME_PIXELS_MAX * 4)
		return -EMSGSIZE;
	/* both are there while one is copied to the other */
	if (ws->bytes + bytes > SHADOW_BYTES_MAX)
		return -ENOBUFS;
	p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	for (uint32_t y = 0; y < w->shadow_h; y++)
		memcpy(p + (size_t)y * new_w * 4, w->pixels + (size_t)y * w->shadow_w * 4,
		       (size_t)w->shadow_w * 4);
	release(ws, w);
	w->pixels = p;
	w->shadow_w = new_w;
	w->shadow_h = new_h;
	ws->bytes += bytes;
	return 0;
}

bool window_check_draw(const struct frame_draw *d)
{
	uint64_t row, bytes;

	if (d->format >= PIXEL_MAX_ || d->w == 0 || d->h == 0 ||
	    (uint32_t)d->x + d->w > FRAME_SIDE_MAX || (uint32_t)d->y + d->h > FRAME_SIDE_MAX)
		return false;
	row = (uint64_t)d->w * pixel_format_bytes((enum pixel_format)d->format);
	if (d->stride < row)
		return false;
	/* the last row may end with its pixels */
	bytes = (uint64_t)d->stride * (d->h - 1u) + row;
	return d->offset <= FRAME_IN_BYTES && bytes <= FRAME_IN_BYTES - d->offset;
}

static void copy_row(uint8_t *out, const uint8_t *in, unsigned n, enum pixel_format format)
{
	bool red_first = format == PIXEL_RGBX || format == PIXEL_RGBA || format == PIXEL_RGB;
	unsigned step = pixel_format_bytes(format), b = red_first ? 2 : 0, r = red_first ? 0 : 2;

	if (step == 4 && !red_first) {
		memcpy(out, in, (size_t)n * 4);
		return;
	}
	for (unsigned i = 0; i < n; i++, in += step, out += 4) {
		out[0] = in[b];
		out[1] = in[1];
		out[2] = in[r];
		out[3] = 0xff;
	}
}

/* The rectangle that is known all over, with r: their bounds if those are nothing but the two, or
 * else the larger. */
static struct rect join(struct rect valid, struct rect r)
{
	struct rect b = rect_bounds(valid, r);
	uint64_t both = rect_pixels(valid) + rect_pixels(r) - rect_pixels(rect_intersect(valid, r));

	if (rect_pixels(b) == both)
		return b;
	return rect_pixels(r) > rect_pixels(valid) ? r : valid;
}

void window_patch(struct window *w, const struct frame_draw *d, const uint8_t *memory)
{
	for (unsigned y = 0; y < d->h; y++)
		copy_row(w->pixels + ((size_t)(d->y + y) * w->shadow_w + d->x) * 4,
		         memory + d->offset + (uint64_t)d->stride * y, d->w,
		         (enum pixel_format)d->format);
	w->valid = join(w->valid, (struct rect){d->x, d->y, d->w, d->h});
}

int window_spoil(struct window *w, struct rect r)
{
	int one = area_subtract(&w->owed, r), other = area_subtract(&w->lossy, r);

	w->valid = rect_without(w->valid, r);
	return one < 0 ? one : other;
}

int window_end_scroll(struct window *w)
{
	if (w->scroll.count == 0)
		return 0;
	w->scroll.count = 0;
	return area_add(&w->owed, w->scroll.rect, w->valid);
}
