/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/path-client.c - the client of the bench of xproxy-encode: paints pictures into a
 * window, after the fact.
 */
#include "tests/bench/path.h"

#include <errno.h>
#include <lz4.h>
#include <stdlib.h>
#include <string.h>

struct client {
	unsigned w, h;
	uint8_t *window, *picture; /* B G R X, no gaps */
	const struct decoder *decoder;
	void *video; /* a decoder, of this coding */
	enum coding coding;
};

static void paint(struct client *c, const struct frame_picture *i, const uint8_t *from,
                  size_t stride, enum pixel_format format)
{
	unsigned bytes = pixel_format_bytes(format);
	bool swapped = format == PIXEL_RGB || format == PIXEL_RGBX || format == PIXEL_RGBA;

	for (unsigned y = 0; y < i->h; y++) {
		uint8_t *to = c->window + ((size_t)(i->y + y) * c->w + i->x) * 4;
		const uint8_t *p = from + y * stride;

		for (unsigned x = 0; x < i->w; x++, to += 4, p += bytes) {
			to[0] = p[swapped ? 2 : 0];
			to[1] = p[1];
			to[2] = p[swapped ? 0 : 2];
			to[3] = 0;
		}
	}
}

static int paint_rgb(struct client *c, const struct kept *k)
{
	const struct frame_picture *i = &k->picture;
	size_t need = (size_t)i->stride * i->h;
	const uint8_t *pixels = k->data;
	uint8_t *unpacked = NULL;

	if (i->lz4) {
		unpacked = malloc(i->raw_len);
		if (!unpacked || i->raw_len < need ||
		    LZ4_decompress_safe((const char *)k->data, (char *)unpacked, (int)i->len,
		                        (int)i->raw_len) != (int)i->raw_len) {
			free(unpacked);
			return -EBADMSG;
		}
		pixels = unpacked;
	} else if (i->len < need) {
		return -EBADMSG;
	}
	paint(c, i, pixels, i->stride, (enum pixel_format)i->format);
	free(unpacked);
	return 0;
}

/* All of them from the window as it was. */
static int paint_scrolls(struct client *c, const struct kept *k)
{
	const struct frame_scroll *s = (const struct frame_scroll *)(const void *)k->data;
	size_t n = k->picture.len / sizeof(*s);

	memcpy(c->picture, c->window, (size_t)c->w * c->h * 4);
	for (; n > 0; n--, s++) {
		if (s->x < 0 || s->y < 0 || s->w < 1 || s->h < 1 || s->x + s->dx < 0 ||
		    s->y + s->dy < 0 || (unsigned)(s->x + s->w) > c->w ||
		    (unsigned)(s->y + s->h) > c->h || (unsigned)(s->x + s->w + s->dx) > c->w ||
		    (unsigned)(s->y + s->h + s->dy) > c->h)
			return -EBADMSG;
		for (int y = s->y; y < s->y + s->h; y++)
			memcpy(c->window +
			               ((size_t)(y + s->dy) * c->w + (unsigned)(s->x + s->dx)) * 4,
			       c->picture + ((size_t)y * c->w + (unsigned)s->x) * 4,
			       (size_t)s->w * 4);
	}
	return 0;
}

static int paint_coded(struct client *c, const struct kept *k)
{
	const struct frame_picture *i = &k->picture;
	bool video = i->coding >= CODING_H264;
	void *dec = video ? c->video : NULL;
	int r;

	if (video && (i->coded_w != i->w || i->coded_h != i->h))
		return -ENOTSUP; /* scaled: clients stretch it, each in its own way */
	if (!video || !dec || i->frame == 0 || i->coding != c->coding)
		dec = c->decoder->open((enum coding)i->coding);
	if (!dec)
		return -ENOTSUP;
	r = c->decoder->decode(dec, k->data, i->len, i->w, i->h, c->picture);
	if (r == 0)
		paint(c, i, c->picture, (size_t)i->w * 4, PIXEL_BGRX);
	if (video && dec != c->video) {
		c->decoder->close(c->video);
		c->video = dec;
		c->coding = (enum coding)i->coding;
	} else if (!video) {
		c->decoder->close(dec);
	}
	return r;
}

static int paint_kept(struct client *c, const struct kept *k)
{
	const struct frame_picture *i = &k->picture;

	if ((unsigned)i->x + i->w > c->w || (unsigned)i->y + i->h > c->h)
		return -EBADMSG;
	if (i->coding == CODING_RGB24 || i->coding == CODING_RGB32)
		return paint_rgb(c, k);
	return i->coding == CODING_SCROLL ? paint_scrolls(c, k) : paint_coded(c, k);
}

/* A picture that completes the newest draw the encoder had seen: the window is that frame. */
static void compare(struct path *p, const struct client *c, struct scene *scene,
                    const struct kept *k, uint8_t *scratch)
{
	double luma, rgb;

	if (!k->picture.last || k->picture.answers == 0 || k->picture.answers != k->taken)
		return;
	scene_frame(scene, (unsigned)k->picture.answers - 1, scratch, (size_t)c->w * 4, NULL);
	picture_errors(c->window, scratch, (size_t)c->w * c->h, &luma, &rgb);
	p->worst = rgb > p->worst ? rgb : p->worst;
}

static int look(struct path *p, struct scene *scene, struct client *c, uint8_t *scratch)
{
	double luma, rgb;

	for (unsigned i = 0; i < p->kept_count; i++) {
		int r = paint_kept(c, &p->kept[i]);

		if (r < 0) {
			p->undecoded = true;
			return r == -ENOTSUP ? 0 : r;
		}
		compare(p, c, scene, &p->kept[i], scratch);
	}
	scene_frame(scene, p->count - 1, scratch, (size_t)c->w * 4, NULL);
	picture_errors(c->window, scratch, (size_t)c->w * c->h, &luma, &rgb);
	p->same = rgb <= 0;
	return 0;
}

int path_look(struct path *p, struct scene *scene)
{
	size_t size = (size_t)scene->w * scene->h * 4;
	struct client c = {.w = scene->w, .h = scene->h, .decoder = bench_decoder()};
	uint8_t *scratch = malloc(size);
	int r = -ENOMEM;

	c.window = calloc(1, size);
	c.picture = malloc(size);
	p->undecoded = !c.decoder;
	if (c.window && c.picture && scratch)
		r = c.decoder ? look(p, scene, &c, scratch) : 0;
	if (c.video)
		c.decoder->close(c.video);
	free(c.window);
	free(c.picture);
	free(scratch);
	return r;
}
