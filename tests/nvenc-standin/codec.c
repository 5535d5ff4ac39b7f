/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/codec.c - the pictures: H.264 by libx264, H.265 by libx265, one picture in,
 * one out, each with the quantizer that it was asked for.
 */
#include "tests/nvenc-standin/standin.h"

#include <stdlib.h>
#include <string.h>

#include <x264.h>
#include <x265.h>

struct codec {
	struct codec_config config;
	x264_t *x264;
	x265_encoder *x265;
	x265_param *x265_param;
	int64_t frames;
	uint8_t *data;
	size_t size;
};

static int open_x264(struct codec *c)
{
	const struct codec_config *g = &c->config;
	x264_param_t p;

	if (x264_param_default_preset(&p, "ultrafast", "zerolatency") < 0)
		return -1;
	p.i_width = (int)g->w;
	p.i_height = (int)g->h;
	p.i_csp = g->full444 ? X264_CSP_I444 : X264_CSP_I420;
	p.i_threads = 1;
	p.i_log_level = X264_LOG_NONE;
	p.i_fps_num = g->fps;
	p.i_fps_den = 1;
	p.i_keyint_max = X264_KEYINT_MAX_INFINITE;
	p.i_scenecut_threshold = 0;
	p.b_repeat_headers = 1;
	p.b_annexb = 1;
	p.b_cabac = !g->cavlc;
	p.b_deblocking_filter = !g->no_deblock;
	p.vui.b_fullrange = g->full_range;
	p.vui.i_colmatrix = (int)g->matrix;
	p.rc.i_rc_method = X264_RC_CRF; /* each picture says its own; CQP would not let it */
	p.rc.i_aq_mode = 0;
	p.analyse.b_psy = 0; /* it would take from the colours of 4:4:4 */
	p.analyse.b_transform_8x8 = strncmp(g->profile, "high", 4) == 0;
	if (x264_param_apply_profile(&p, g->profile) < 0)
		return -1;
	c->x264 = x264_encoder_open(&p);
	return c->x264 ? 0 : -1;
}

static int open_x265(struct codec *c)
{
	const struct codec_config *g = &c->config;
	x265_param *p = c->x265_param = x265_param_alloc();

	if (!p || x265_param_default_preset(p, "ultrafast", "zerolatency") < 0)
		return -1;
	p->sourceWidth = (int)g->w;
	p->sourceHeight = (int)g->h;
	p->internalCsp = g->full444 ? X265_CSP_I444 : X265_CSP_I420;
	p->fpsNum = g->fps;
	p->fpsDenom = 1;
	p->logLevel = X265_LOG_NONE;
	p->bRepeatHeaders = 1;
	p->bAnnexB = 1;
	p->keyframeMax = -1;
	p->scenecutThreshold = 0;
	p->frameNumThreads = 1;
	p->bEnableWavefront = 0;
	p->bEmitInfoSEI = 0;
	p->vui.bEnableVideoSignalTypePresentFlag = 1;
	p->vui.videoFormat = 5;
	p->vui.bEnableVideoFullRangeFlag = g->full_range;
	p->vui.bEnableColorDescriptionPresentFlag = 1;
	p->vui.colorPrimaries = p->vui.transferCharacteristics = 2;
	p->vui.matrixCoeffs = (int)g->matrix;
	x265_param_parse(p, "pools", "none");
	p->rc.rateControlMode = X265_RC_CQP;
	p->rc.qp = 23;
	if (x265_param_apply_profile(p, g->full444 ? "main444-8" : "main") < 0)
		return -1;
	c->x265 = x265_encoder_open(p);
	return c->x265 ? 0 : -1;
}

struct codec *codec_new(const struct codec_config *config)
{
	struct codec *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->config = *config;
	if ((config->h265 ? open_x265(c) : open_x264(c)) < 0) {
		codec_free(c);
		return NULL;
	}
	return c;
}

void codec_free(struct codec *c)
{
	if (!c)
		return;
	if (c->x264)
		x264_encoder_close(c->x264);
	if (c->x265)
		x265_encoder_close(c->x265);
	if (c->x265_param)
		x265_param_free(c->x265_param);
	free(c->data);
	free(c);
}

static int keep(struct codec *c, size_t at, const void *data, size_t len)
{
	if (at + len > c->size) {
		uint8_t *grown = realloc(c->data, (at + len) * 2);

		if (!grown)
			return -1;
		c->data = grown;
		c->size = (at + len) * 2;
	}
	memcpy(c->data + at, data, len);
	return 0;
}

static int encode_x264(struct codec *c, const struct codec_planes *in, int qp, bool idr,
                       size_t *ret_len, bool *ret_idr)
{
	const uint8_t *planes[3] = {in->y, in->u, in->v};
	x264_picture_t pic, out;
	x264_nal_t *nals;
	int count, len;

	x264_picture_init(&pic);
	pic.img.i_csp = c->config.full444 ? X264_CSP_I444 : X264_CSP_I420;
	pic.img.i_plane = 3;
	for (int i = 0; i < 3; i++) {
		pic.img.plane[i] = (uint8_t *)(uintptr_t)planes[i]; /* it only reads */
		pic.img.i_stride[i] = i ? in->stride_c : in->stride;
	}
	pic.i_pts = c->frames++;
	pic.i_qpplus1 = qp + 1;
	pic.i_type = idr ? X264_TYPE_IDR : X264_TYPE_AUTO;
	len = x264_encoder_encode(c->x264, &nals, &count, &pic, &out);
	if (len <= 0 || keep(c, 0, nals[0].p_payload, (size_t)len) < 0)
		return -1;
	*ret_len = (size_t)len;
	*ret_idr = out.b_keyframe;
	return 0;
}

static int encode_x265(struct codec *c, const struct codec_planes *in, int qp, bool idr,
                       size_t *ret_len, bool *ret_idr)
{
	const uint8_t *planes[3] = {in->y, in->u, in->v};
	x265_picture pic, out;
	x265_nal *nals;
	uint32_t count = 0;
	size_t len = 0;

	x265_picture_init(c->x265_param, &pic);
	for (int i = 0; i < 3; i++) {
		pic.planes[i] = (void *)(uintptr_t)planes[i];
		pic.stride[i] = i ? in->stride_c : in->stride;
	}
	pic.colorSpace = c->x265_param->internalCsp;
	pic.bitDepth = 8;
	pic.pts = c->frames++;
	pic.forceqp = qp + 1;
	pic.sliceType = idr ? X265_TYPE_IDR : X265_TYPE_AUTO;
	if (x265_encoder_encode(c->x265, &nals, &count, &pic, &out) < 1)
		return -1;
	for (uint32_t i = 0; i < count; i++) {
		if (keep(c, len, nals[i].payload, nals[i].sizeBytes) < 0)
			return -1;
		len += nals[i].sizeBytes;
	}
	*ret_len = len;
	*ret_idr = out.sliceType == X265_TYPE_IDR;
	return 0;
}

int codec_encode(struct codec *c, const struct codec_planes *in, int qp, bool idr,
                 const uint8_t **ret, size_t *ret_len, bool *ret_idr)
{
	int r = c->config.h265 ? encode_x265(c, in, qp, idr, ret_len, ret_idr)
	                       : encode_x264(c, in, qp, idr, ret_len, ret_idr);

	*ret = c->data;
	return r;
}
