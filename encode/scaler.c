/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scaler.c - smaller pictures, by libyuv. Encoder process, locked but for prepare(). System
 * calls: none.
 */
#include <libyuv/scale_argb.h>

#include "base/macros.h"
#include "encode/scale.h"
#include "encode/soft.h"

static int shrink(const struct picture *in, uint8_t *to, uint16_t w, uint16_t h)
{
	if (!soft_picture_ok(in) || w == 0 || h == 0 || w > in->w || h > in->h)
		return -EINVAL;
	/* each pixel is the mean of those it stands for: thin lines become faint, but stay */
	return ARGBScale(in->pixels, (int)in->stride, in->w, in->h, to, w * 4, w, h, kFilterBox) ==
	                       0
	               ? 0
	               : -EINVAL;
}

static void prepare(void)
{
	static const uint8_t from[4 * 4 * 4] = {0};
	uint8_t to[2 * 2 * 4];

	shrink(&(struct picture){.pixels = from, .stride = 16, .w = 4, .h = 4}, to, 2, 2);
}

const struct scaler scaler = {
	.abi = SCALER_ABI,
	.prepare = prepare,
	.shrink = shrink,
};
