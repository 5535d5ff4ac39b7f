/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/output.c - make pictures of a window's copy and put them into the ring. Encoder process,
 * locked. System calls: the encoders' own.
 */
#include "encode/output.h"

#include <errno.h>
#include <lz4.h>

#include "base/clock.h"
#include "base/macros.h"

#define LZ4_PREFIX 4 /* the pixels' length, little endian, as xpra wants it */
/* Twice as fast for a tenth more bytes, where speed matters: lz4 of a full HD frame at 1 takes as
 * long as a video encoder. */
#define LZ4_LARGE 65536
#define LZ4_LARGE_ACCELERATION 4
#define SAMPLE_ROWS 24
#define SAMPLE_WIDTH 2048

/* The process has one thread. */
static uint8_t packed[PIECE_PIXELS * 4], squeezed[PIECE_PIXELS * 4];

struct rect output_piece(struct rect r)
{
	int32_t rows = (int32_t)(PIECE_PIXELS / (uint32_t)r.w);

	if (r.h > rows)
		r.h = rows;
	return r;
}

int output_message(struct engine *e, struct frame *f)
{
	int r;

	f->taken = e->last_draw;
	e->untold_bytes = 0;
	r = e->send(e->context, f);
	if (r < 0)
		e->error = r;
	return r;
}

/* Copies len bytes into the ring and tells the worker. */
static int emit(struct engine *e, struct window *w, struct frame *f, const void *data, size_t len)
{
	struct frame_picture *p = &f->picture;
	int r = 0;

	f->type = FRAME_PICTURE;
	f->wid = w->wid;
	f->number = e->pictures + 1;
	if (len > 0)
		r = frame_ring_take(&e->out, f->number, len, &p->offset);
	if (r < 0)
		return r;
	if (len > 0)
		memcpy(e->memory + p->offset, data, len);
	e->pictures++;
	p->len = len;
	e->recent[f->number % ENGINE_RECENT].number = f->number;
	e->recent[f->number % ENGINE_RECENT].wid = w->wid;
	e->recent[f->number % ENGINE_RECENT].coding = p->coding;
	e->recent[f->number % ENGINE_RECENT].r = (struct rect){p->x, p->y, p->w, p->h};
	w->report.r.bytes_out += len;
	w->report.r.pictures++;
	w->report.r.pixels += (uint64_t)p->w * p->h;
	w->report.news = true;
	return output_message(e, f);
}

static struct frame start(struct rect r, enum coding c, struct answer a)
{
	struct frame f = {.picture = {.x = (uint16_t)r.x,
	                              .y = (uint16_t)r.y,
	                              .w = (uint16_t)r.w,
	                              .h = (uint16_t)r.h,
	                              .coding = (uint8_t)c,
	                              .answers = a.draws,
	                              .last = a.last,
	                              .flush = !a.last}};

	return f;
}

/* Other orders of bytes than the copy's. */
static void convert(uint8_t *out, const uint8_t *in, size_t n, enum pixel_format format)
{
	bool red_first = format == PIXEL_RGBX || format == PIXEL_RGBA || format == PIXEL_RGB;
	unsigned step = pixel_format_bytes(format), b = red_first ? 2 : 0, r = red_first ? 0 : 2;

	for (size_t i = 0; i < n; i++, in += 4, out += step) {
		out[b] = in[0];
		out[1] = in[1];
		out[r] = in[2];
		if (step == 4)
			out[3] = 0xff;
	}
}

static const uint8_t *pixel_at(const struct window *w, int32_t x, int32_t y)
{
	return w->pixels + ((size_t)y * w->shadow_w + (size_t)x) * 4;
}

/* The pixels of r in a row, as the client takes them. */
static const uint8_t *pack(const struct engine *e, const struct window *w, struct rect r)
{
	size_t row = (size_t)r.w * pixel_format_bytes(e->rgb);

	if (e->rgb == PIXEL_BGRX && (uint32_t)r.w == w->shadow_w)
		return pixel_at(w, r.x, r.y);
	for (int32_t y = 0; y < r.h; y++)
		if (e->rgb == PIXEL_BGRX)
			memcpy(packed + (size_t)y * row, pixel_at(w, r.x, r.y + y), row);
		else
			convert(packed + (size_t)y * row, pixel_at(w, r.x, r.y + y), (size_t)r.w,
			        e->rgb);
	return packed;
}

int output_pixels(struct engine *e, struct window *w, struct rect r, struct answer a,
                  size_t *ret_len)
{
	size_t raw = (size_t)rect_pixels(r) * pixel_format_bytes(e->rgb), len = raw;
	const uint8_t *data = pack(e, w, r);
	struct frame f = start(r, e->rgb_coding, a);
	int n = 0;

	if (e->setup.lz4 && raw > LZ4_PREFIX + 1)
		n = LZ4_compress_fast((const char *)data, (char *)squeezed + LZ4_PREFIX, (int)raw,
		                      (int)(raw - LZ4_PREFIX - 1), /* must be smaller */
		                      raw > LZ4_LARGE ? LZ4_LARGE_ACCELERATION : 1);
	if (n > 0) {
		for (unsigned i = 0; i < LZ4_PREFIX; i++)
			squeezed[i] = (uint8_t)(raw >> 8 * i);
		data = squeezed;
		len = (size_t)n + LZ4_PREFIX;
		f.picture.raw_len = (uint32_t)raw;
		f.picture.lz4 = true;
	}
	f.picture.format = (uint8_t)e->rgb;
	f.picture.stride = (uint32_t)r.w * pixel_format_bytes(e->rgb);
	f.picture.lossless = true;
	f.picture.quality = 100;
	snprintf(f.picture.encoder, sizeof(f.picture.encoder), "rgb");
	if (ret_len)
		*ret_len = len;
	return emit(e, w, &f, data, len);
}

uint32_t output_ratio(const struct window *w, struct rect r)
{
	int32_t step = r.h / SAMPLE_ROWS + 1, x = r.x;
	size_t raw = 0;
	int n;

	if (r.w > SAMPLE_WIDTH) {
		x += (r.w - SAMPLE_WIDTH) / 2;
		r.w = SAMPLE_WIDTH;
	}
	for (int32_t y = r.y + step / 2; y < r.y + r.h; y += step) {
		memcpy(packed + raw, pixel_at(w, x, y), (size_t)r.w * 4);
		raw += (size_t)r.w * 4;
	}
	n = raw ? LZ4_compress_default((const char *)packed, (char *)squeezed, (int)raw, (int)raw)
	        : 1;
	return n > 0 && raw > 0 ? (uint32_t)((uint64_t)n * 1000 / raw) : 1000;
}

/* What no encoder of ours makes of so many pixels: it is broken, and its output is not looked at
 * any further. */
static bool too_large(const struct encoded *out, uint64_t pixels)
{
	return out->len > 2 * pixels + (64u << 10);
}

static int still_failed(struct engine *e, struct window *w, struct rung *r, const char *why,
                        uint64_t now)
{
	ladder_failed(&e->ladder, r, why, now);
	w->report.r.fallbacks++;
	return -EIO;
}

int output_still(struct engine *e, struct window *w, struct rect r, enum coding c, uint8_t quality,
                 struct answer a, uint64_t now)
{
	struct encoder_quality q = {.quality = quality, .speed = e->pace.speed};
	struct rung *rung = ladder_still(&e->ladder, c, quality == 100, &q, now);
	struct picture in = {.pixels = pixel_at(w, r.x, r.y),
	                     .stride = w->shadow_w * 4,
	                     .w = (uint16_t)r.w,
	                     .h = (uint16_t)r.h,
	                     .force_key = true};
	struct encoded out = {.len = 0};
	struct frame f = start(r, c, a);

	if (!rung)
		return -EOPNOTSUPP;
	if (rung->encoder->tune(rung->still, &q) < 0 ||
	    rung->encoder->encode(rung->still, &in, &out) < 0 || out.len == 0)
		return still_failed(e, w, rung, "a still failed", now);
	if (too_large(&out, rect_pixels(r)))
		return still_failed(e, w, rung, "a still was too large", now);
	if (quality == 100 && !out.lossless)
		return -EOPNOTSUPP;
	f.picture.key = true;
	f.picture.lossless = out.lossless;
	f.picture.quality = quality;
	snprintf(f.picture.encoder, sizeof(f.picture.encoder), "%s", rung->encoder->name);
	return emit(e, w, &f, out.data, out.len);
}

/* The same, as small as it is coded. */
static int shrink(const struct engine *e, const struct video *v, struct picture *in)
{
	int r = e->scaler->shrink(in, v->scaled, v->params.w, v->params.h);

	in->pixels = v->scaled;
	in->stride = v->params.w * 4u;
	in->w = v->params.w;
	in->h = v->params.h;
	return r;
}

/* Encodes the region; what it takes counts against the rate. */
static int encode(struct engine *e, struct window *w, uint64_t now, struct encoded *out)
{
	struct video *v = w->video;
	struct picture in = {.pixels = pixel_at(w, w->region.x, w->region.y),
	                     .stride = w->shadow_w * 4,
	                     .w = (uint16_t)w->region.w,
	                     .h = (uint16_t)w->region.h,
	                     .pts_msec = (uint32_t)((now - v->opened_usec) / USEC_PER_MSEC),
	                     .force_key = v->force_key || v->frame == 0};
	int r = v->scaled ? shrink(e, v, &in) : 0;

	if (r == 0)
		r = v->rung->encoder->encode(v->handle, &in, out);
	if (r < 0)
		ladder_failed(&e->ladder, v->rung, "it failed to encode", now);
	else if (too_large(out, (uint64_t)v->params.w * v->params.h))
		ladder_failed(&e->ladder, v->rung, "it made too much of a picture", now);
	else if (v->frame == 0 && (out->len == 0 || !out->key))
		ladder_failed(&e->ladder, v->rung, "it began without a key frame", now);
	else
		return 0;
	w->report.r.fallbacks++;
	return -EIO;
}

int output_video(struct engine *e, struct window *w, struct answer a, uint64_t now)
{
	struct video *v = w->video;
	struct frame f = start(w->region, (enum coding)v->params.coding, a);
	struct encoded out = {.len = 0};
	int r;

	/* a frame that is made should be sent, as the next one refers to it */
	if (!frame_ring_fits(&e->out, rect_pixels(w->region) / 2 + (64u << 10)))
		return -EAGAIN;
	r = encode(e, w, now, &out);
	if (r < 0)
		return r;
	if (out.len == 0)
		return output_nothing(e, w, a);
	v->used_usec = now;
	f.picture.frame = v->frame;
	f.picture.coded_w = v->params.w;
	f.picture.coded_h = v->params.h;
	f.picture.csc = (uint8_t)v->params.csc;
	f.picture.key = out.key;
	f.picture.lossless = out.lossless;
	f.picture.quality = out.lossless ? 100 : e->pace.quality < 99 ? e->pace.quality : 99;
	snprintf(f.picture.encoder, sizeof(f.picture.encoder), "%s", v->rung->encoder->name);
	r = emit(e, w, &f, out.data, out.len);
	v->force_key = r == -EAGAIN;
	v->frame += r == 0;
	return r;
}

int output_scroll(struct engine *e, struct window *w, struct answer a)
{
	struct frame f = start(w->scroll.rect, CODING_SCROLL, a);

	f.picture.lossless = true;
	f.picture.quality = 100;
	w->report.r.scrolls++;
	w->scrolled = e->pictures + 1;
	return emit(e, w, &f, w->scroll.moves, w->scroll.count * sizeof(w->scroll.moves[0]));
}

int output_nothing(struct engine *e, struct window *w, struct answer a)
{
	struct frame f = start((struct rect){0, 0, 0, 0}, e->rgb_coding, a);

	return a.draws == 0 ? 0 : emit(e, w, &f, NULL, 0);
}
