/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/soft.h - what the encoders that run on the processor share. Encoder process.
 */
#pragma once

#include <errno.h>
#include <stdio.h>

#include "encode/encoder.h"

#define SOFT_VIDEO_MIN 16
#define SOFT_VIDEO_MAX 4096 /* what decoders take; no library's own limit is smaller */

/* Stores a line and returns r. */
static inline int soft_fail(char why[ENCODER_WHY_MAX], int r, const char *text)
{
	snprintf(why, ENCODER_WHY_MAX, "%s", text);
	return r;
}

/* Whether a video of this size can be: half as many colours need even sides. */
static inline bool soft_size_ok(const struct encoder_params *p)
{
	return p->w >= SOFT_VIDEO_MIN && p->h >= SOFT_VIDEO_MIN && p->w <= SOFT_VIDEO_MAX &&
	       p->h <= SOFT_VIDEO_MAX &&
	       (p->csc == CSC_YUV444P || (p->csc == CSC_YUV420P && !(p->w & 1) && !(p->h & 1)));
}

/* Whether a picture's size is one that buffers can be computed for, and its rows do not overlap. */
static inline bool soft_picture_ok(const struct picture *in)
{
	return in->pixels && in->w > 0 && in->h > 0 && in->w <= FRAME_SIDE_MAX &&
	       in->h <= FRAME_SIDE_MAX && (uint64_t)in->w * in->h <= FRAME_PIXELS_MAX &&
	       in->stride >= in->w * 4u && in->stride <= FRAME_SIDE_MAX * 4u + 4096;
}

/* 1 to 100, whatever was asked for. */
static inline int soft_percent(uint8_t percent)
{
	return percent < 1 ? 1 : percent > 100 ? 100 : percent;
}

/* xpra's, for h264: 60 is 21, 80 is 11. */
static inline float soft_h264_qp(uint8_t quality)
{
	return 50 - 0.49F * (float)soft_percent(quality);
}

/* The other way round. */
static inline uint8_t soft_h264_quality(double qp)
{
	double quality = (50 - qp) / 0.49;

	return quality < 1 ? 1 : quality > 100 ? 100 : (uint8_t)quality;
}

static inline unsigned soft_fps(const struct encoder_quality *q)
{
	return q->fps > 0 && q->fps <= 240 ? q->fps : 30;
}

static inline const char *soft_device(const void *enc)
{
	(void)enc;
	return "";
}
