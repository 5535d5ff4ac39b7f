/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/path-client.c - the client of the bench of xproxy-encode: paints pictures into a
 * window, after the fact.
 */
#include "tests/bench/path.h"

#include <endian.h>
#include <errno.h>
#include <lz4.h>
#include <stdio.h>
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

/* As xpra has it: the pixels' length, little endian, before what lz4 has made of them. */
static uint8_t *unpack(const struct kept *k)
{
	const struct frame_picture *i = &k->picture;
	uint8_t *ret = malloc(i->raw_len);
	uint32_t len;

	if (!ret || i->len < sizeof(len) || i->raw_len < (size_t)i->stride * i->h)
		goto fail;
	memcpy(&len, k->data, sizeof(len));
	if (le32toh(len) != i->raw_len ||
	    LZ4_decompress_safe((const char *)k->data + sizeof(len), (char *)ret,
	                        (int)(i->len - sizeof(len)), (int)len) != (int)len)
		goto fail;
	return ret;
fail:
	free(ret);
	return NULL;
}

static int paint_rgb(struct client *c, const struct kept *k)
{
	const struct frame_picture *i = &k->picture;
	uint8_t *unpacked = i->lz4 ? unpack(k) : NULL;

	if (i->lz4 ? !unpacked : i->len < (size_t)i->stride * i->h)
		return -EBADMSG;
	paint(c, i, unpacked ?: k->data, i->stride, (enum pixel_format)i->format);
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

static double errors_within(const struct client *c, const uint8_t *right, struct scene_rect r)
{
	double luma, rgb, sum = 0;

	for (unsigned y = r.y; y < r.y + r.h; y++) {
		size_t at = ((size_t)y * c->w + r.x) * 4;

		picture_errors(c->window + at, right + at, r.w, &luma, &rgb);
		sum += rgb;
	}
	return sum / r.h;
}

/* A picture that completes the newest draw the encoder had seen: what that has changed is now as in
 * that frame. */
static void compare(struct path *p, const struct client *c, struct scene *scene,
                    const struct kept *k, uint8_t *scratch)
{
	unsigned n = (unsigned)k->picture.answers - 1;
	double errors;

	if (!k->picture.last || k->picture.answers == 0 || k->picture.answers != k->taken)
		return;
	scene_frame(scene, n, scratch, (size_t)c->w * 4, NULL);
	errors = errors_within(c, scratch, p->draws[n].r);
	p->worst = errors > p->worst ? errors : p->worst;
	if (k->picture.coding >= CODING_H264)
		p->worst_video = errors > p->worst_video ? errors : p->worst_video;
}

static int look(struct path *p, struct scene *scene, struct client *c, uint8_t *scratch)
{
	for (unsigned i = 0; i < p->kept_count; i++) {
		int r = paint_kept(c, &p->kept[i]);

		if (r < 0) {
			const struct frame_picture *q = &p->kept[i].picture;

			printf("  picture %u, %s %ux%u at %u,%u, %llu bytes, cannot be shown: %s\n",
			       i, coding_name((enum coding)q->coding), q->w, q->h, q->x, q->y,
			       (unsigned long long)q->len, strerror(-r));
			p->undecoded = true;
			return r == -ENOTSUP ? 0 : r;
		}
		compare(p, c, scene, &p->kept[i], scratch);
	}
	scene_frame(scene, p->count - 1, scratch, (size_t)c->w * 4, NULL);
	p->same = memcmp(c->window, scratch, (size_t)c->w * c->h * 4) == 0;
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
