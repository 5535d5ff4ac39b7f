/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/convert.c - input formats to planes, by libyuv. RGB becomes BT.601, limited.
 */
#include "tests/nvenc-standin/session.h"

#include <stdlib.h>

#include <libyuv.h>

static uint8_t *room(size_t len)
{
	static __thread uint8_t *memory;
	static __thread size_t size;

	if (len > size) {
		free(memory);
		memory = malloc(len);
		size = memory ? len : 0;
	}
	return memory;
}

/* The planes as they lie in the buffer: chroma after as many rows as the buffer has. */
static int direct(const struct buffer *b, const uint8_t *pixels, unsigned pitch,
                  struct codec_planes *ret)
{
	const uint8_t *second = pixels + (size_t)pitch * b->h;
	size_t half = (size_t)pitch / 2 * (b->h / 2);

	ret->y = pixels;
	ret->stride = (int)pitch;
	ret->stride_c = (int)pitch / 2;
	if (b->format == NV_ENC_BUFFER_FORMAT_IYUV) {
		ret->u = second;
		ret->v = second + half;
	} else if (b->format == NV_ENC_BUFFER_FORMAT_YV12) {
		ret->v = second;
		ret->u = second + half;
	} else {
		ret->u = second;
		ret->v = second + (size_t)pitch * b->h;
		ret->stride_c = (int)pitch;
	}
	return 0;
}

int convert(const struct buffer *b, const uint8_t *pixels, unsigned pitch, bool full444, unsigned w,
            unsigned h, struct codec_planes *ret)
{
	int iw = (int)w, ih = (int)h, p = (int)pitch, half = (iw + 1) / 2;
	size_t luma = (size_t)w * h;
	uint8_t *m = room(luma * 3);

	if (!m)
		return -1;
	if (b->format == NV_ENC_BUFFER_FORMAT_IYUV || b->format == NV_ENC_BUFFER_FORMAT_YV12)
		return full444 ? -1 : direct(b, pixels, pitch, ret);
	if (b->format == NV_ENC_BUFFER_FORMAT_YUV444)
		return full444 ? direct(b, pixels, pitch, ret) : -1;
	*ret = (struct codec_planes){.y = m,
	                             .u = m + luma,
	                             .v = m + 2 * luma,
	                             .stride = iw,
	                             .stride_c = full444 ? iw : half};
	if (b->format == NV_ENC_BUFFER_FORMAT_NV12)
		return full444 ? -1
		               : NV12ToI420(pixels, p, pixels + (size_t)pitch * b->h, p, m, iw,
		                            m + luma, half, m + 2 * luma, half, iw, ih);
	if (b->format == NV_ENC_BUFFER_FORMAT_ARGB)
		return full444 ? ARGBToI444(pixels, p, m, iw, m + luma, iw, m + 2 * luma, iw, iw,
		                            ih)
		               : ARGBToI420(pixels, p, m, iw, m + luma, half, m + 2 * luma, half,
		                            iw, ih);
	if (b->format == NV_ENC_BUFFER_FORMAT_ABGR && !full444)
		return ABGRToI420(pixels, p, m, iw, m + luma, half, m + 2 * luma, half, iw, ih);
	return -1;
}
