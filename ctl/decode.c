/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/decode.c - probe-decode.so: decodes by libavcodec. In xproxyctl, with its caller's privilege.
 */
#include "ctl/decode.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libyuv/convert_argb.h>
#include <libyuv/planar_functions.h>

#include "base/macros.h"

struct probe_decoder {
	bool still;
	AVCodecContext *lib;
	AVPacket *packet;
	AVFrame *frame;
};

static enum AVCodecID codec_of(enum coding coding)
{
	static const enum AVCodecID ids[CODING_MAX_] = {
		[CODING_PNG] = AV_CODEC_ID_PNG,   [CODING_JPEG] = AV_CODEC_ID_MJPEG,
		[CODING_WEBP] = AV_CODEC_ID_WEBP, [CODING_H264] = AV_CODEC_ID_H264,
		[CODING_H265] = AV_CODEC_ID_HEVC, [CODING_VP8] = AV_CODEC_ID_VP8,
		[CODING_VP9] = AV_CODEC_ID_VP9,
	};

	return ids[coding];
}

static void done(void *dec)
{
	struct probe_decoder *d = dec;

	if (!d)
		return;
	avcodec_free_context(&d->lib);
	av_packet_free(&d->packet);
	av_frame_free(&d->frame);
	free(d);
}

static void *begin(enum coding coding)
{
	const AVCodec *codec = avcodec_find_decoder(codec_of(coding));
	struct probe_decoder *d = codec ? calloc(1, sizeof(*d)) : NULL;

	if (!d)
		return NULL;
	av_log_set_level(AV_LOG_QUIET);
	d->still = coding == CODING_PNG || coding == CODING_JPEG || coding == CODING_WEBP;
	d->lib = avcodec_alloc_context3(codec);
	d->packet = av_packet_alloc();
	d->frame = av_frame_alloc();
	if (d->lib) {
		d->lib->thread_count = 1; /* each more would hold a picture back */
		d->lib->flags |= AV_CODEC_FLAG_LOW_DELAY;
	}
	if (!d->lib || !d->packet || !d->frame || avcodec_open2(d->lib, codec, NULL) < 0) {
		done(d);
		return NULL;
	}
	return d;
}

static int planes(const AVFrame *f, uint8_t *ret, int stride)
{
	bool full = f->color_range == AVCOL_RANGE_JPEG || f->format == AV_PIX_FMT_YUVJ420P ||
	            f->format == AV_PIX_FMT_YUVJ444P;
	bool whole = f->format == AV_PIX_FMT_YUV444P || f->format == AV_PIX_FMT_YUVJ444P;
	__typeof__(I420ToARGB) *convert = full    ? whole ? J444ToARGB : J420ToARGB
	                                  : whole ? I444ToARGB
	                                          : I420ToARGB;

	return convert(f->data[0], f->linesize[0], f->data[1], f->linesize[1], f->data[2],
	               f->linesize[2], ret, stride, f->width, f->height) == 0
	               ? 0
	               : -ENOTSUP;
}

/* libyuv's names are of words: its BGRA is A R G B in memory, its RAW R G B. */
static int to_pixels(const AVFrame *f, uint8_t *ret)
{
	int stride = f->width * 4, r;

	switch (f->format) {
	case AV_PIX_FMT_YUV420P:
	case AV_PIX_FMT_YUVJ420P:
	case AV_PIX_FMT_YUV444P:
	case AV_PIX_FMT_YUVJ444P:
		return planes(f, ret, stride);
	case AV_PIX_FMT_ARGB:
		r = BGRAToARGB(f->data[0], f->linesize[0], ret, stride, f->width, f->height);
		break;
	case AV_PIX_FMT_RGB24:
		r = RAWToARGB(f->data[0], f->linesize[0], ret, stride, f->width, f->height);
		break;
	default:
		return -ENOTSUP;
	}
	return r == 0 ? 0 : -ENOTSUP;
}

static int decode(void *dec, const uint8_t *data, size_t len, uint16_t w, uint16_t h,
                  uint8_t *ret_pixels)
{
	struct probe_decoder *d = dec;
	int r;

	if (len > INT32_MAX || av_new_packet(d->packet, (int)len) < 0)
		return -ENOMEM;
	memcpy(d->packet->data, data, len);
	if (d->still) /* or a second PNG is taken for what is to be added to the first */
		d->packet->flags |= AV_PKT_FLAG_KEY;
	r = avcodec_send_packet(d->lib, d->packet);
	av_packet_unref(d->packet);
	if (r < 0 || avcodec_receive_frame(d->lib, d->frame) < 0)
		return -EBADMSG;
	r = d->frame->width == w && d->frame->height == h ? to_pixels(d->frame, ret_pixels)
	                                                  : -EBADMSG;
	av_frame_unref(d->frame);
	return r;
}

const struct decoder decoder = {
	.abi = DECODER_ABI,
	.open = begin,
	.decode = decode,
	.close = done,
};
