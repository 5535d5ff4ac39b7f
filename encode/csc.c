/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/csc.c - pixels to planes, by libyuv. Encoder process, locked. System calls: none.
 */
#include "encode/csc.h"

#include <errno.h>
#include <libyuv/convert_from_argb.h>

#include "base/macros.h"
#include "encode/soft.h"

/* Rows that begin where the widest vector registers like them. */
#define ALIGN 64
#define ALIGNED(n) (((size_t)(n) + ALIGN - 1) & ~(size_t)(ALIGN - 1))

int csc_load(char why[ENCODER_WHY_MAX])
{
	static const uint8_t pixels[2 * 2 * 4];
	struct picture in = {.pixels = pixels, .stride = 8, .w = 2, .h = 2};
	struct csc_planes c;

	if (csc_init(&c, CSC_YUV420P, 2, 2) == 0)
		csc_convert(&c, &in);
	csc_free(&c);
	(void)why;
	return 0;
}

int csc_init(struct csc_planes *c, enum csc to, uint16_t w, uint16_t h)
{
	bool half = to == CSC_YUV420P;
	size_t luma = ALIGNED(w), chroma = half ? ALIGNED((w + 1) / 2) : luma;
	size_t rows = half ? (h + 1u) / 2 : h;

	*c = (struct csc_planes){.to = to, .w = w, .h = h};
	c->memory = aligned_alloc(ALIGN, luma * h + 2 * chroma * rows);
	if (!c->memory)
		return -ENOMEM;
	c->stride[0] = (int)luma;
	c->stride[1] = c->stride[2] = (int)chroma;
	c->planes[0] = c->memory;
	c->planes[1] = c->planes[0] + luma * h;
	c->planes[2] = c->planes[1] + chroma * rows;
	return 0;
}

void csc_free(struct csc_planes *c)
{
	free(c->memory);
	*c = (struct csc_planes){0};
}

int csc_convert(struct csc_planes *c, const struct picture *in)
{
	/* libyuv names formats by the word, not by the byte: its ARGB is B G R A in memory */
	__typeof__(ARGBToI420) *convert = c->to == CSC_YUV420P ? ARGBToI420 : ARGBToI444;

	if (!soft_picture_ok(in) || in->w != c->w || in->h != c->h)
		return -EINVAL;
	return convert(in->pixels, (int)in->stride, c->planes[0], c->stride[0], c->planes[1],
	               c->stride[1], c->planes[2], c->stride[2], in->w, in->h) == 0
	               ? 0
	               : -EINVAL;
}
