/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/openh264.c - h264 by libopenh264, 4:2:0: nearly as fast as x264 at its fastest, under a
 * BSD licence. Encoder process, locked. System calls: mmap, brk (memory).
 */
#include <limits.h>
#include <wels/codec_api.h>

#include "base/macros.h"
#include "encode/csc.h"
#include "encode/soft.h"

/* 36864 blocks of 16 by 16 are what the format's level 5.2 has; the library knows no higher one. */
#define MAX_W 4096
#define MAX_H 2304
#define QP_WORST 51
#define BURST_MSEC 200 /* pictures may exceed the limit by so much time's worth */

struct openh264 {
	ISVCEncoder *lib;
	struct csc_planes csc;
	struct encoder_quality quality;
	int qp, worse;   /* as asked for; and what the limit adds to it */
	int set_qp;      /* that the library has */
	int64_t debt;    /* bits more than the limit allows so far */
	uint32_t before; /* pts of the last picture */
};

static size_t caps(struct encoder_caps *ret, size_t max)
{
	if (max > 0)
		*ret = (struct encoder_caps){.coding = CODING_H264,
		                             .csc = CSC_YUV420P,
		                             .min_w = SOFT_VIDEO_MIN,
		                             .min_h = SOFT_VIDEO_MIN,
		                             .max_w = MAX_W,
		                             .max_h = MAX_H,
		                             .video = true};
	return max > 0;
}

static void openh264_done(void *enc)
{
	struct openh264 *o = enc;

	if (!o)
		return;
	if (o->lib) {
		(*o->lib)->Uninitialize(o->lib);
		WelsDestroySVCEncoder(o->lib);
	}
	csc_free(&o->csc);
	free(o);
}

static void set_layer(SSpatialLayerConfig *l, const struct encoder_params *p, int qp)
{
	l->iVideoWidth = p->w;
	l->iVideoHeight = p->h;
	l->fFrameRate = (float)soft_fps(&p->quality);
	l->uiProfileIdc = p->h264_simple ? PRO_BASELINE : PRO_UNKNOWN;
	l->iDLayerQp = qp;
	l->sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
	l->bVideoSignalTypePresent = true;
	l->uiVideoFormat = VF_UNDEF;
	l->bFullRange = false; /* a desktop's colours, converted by csc.c */
	l->bColorDescriptionPresent = true;
	l->uiColorPrimaries = CP_BT709;
	l->uiTransferCharacteristics = TRC_IEC61966_2_1;
	l->uiColorMatrix = CM_SMPTE170M;
}

static int open_library(struct openh264 *o, const struct encoder_params *p)
{
	int quiet = WELS_LOG_QUIET, format = videoFormatI420;
	SEncParamExt param;

	if (WelsCreateSVCEncoder(&o->lib) != 0)
		return -ENOMEM;
	(*o->lib)->SetOption(o->lib, ENCODER_OPTION_TRACE_LEVEL, &quiet);
	(*o->lib)->GetDefaultParams(o->lib, &param);
	/* its mode for screens takes twice the time, for scrolls that we find ourselves */
	param.iUsageType = CAMERA_VIDEO_REAL_TIME;
	param.iPicWidth = p->w;
	param.iPicHeight = p->h;
	param.fMaxFrameRate = (float)soft_fps(&p->quality);
	param.iRCMode = RC_OFF_MODE;
	param.iSpatialLayerNum = param.iTemporalLayerNum = 1;
	param.iComplexityMode = LOW_COMPLEXITY;
	param.uiIntraPeriod = 0; /* key frames are asked for */
	param.bEnableSceneChangeDetect = false;
	param.bEnableFrameSkip = false;
	param.bEnableDenoise = false;
	param.eSpsPpsIdStrategy = CONSTANT_ID;
	param.iMultipleThreadIdc = 1;
	param.iLoopFilterDisableIdc = p->h264_simple;
	set_layer(&param.sSpatialLayers[0], p, o->qp);
	if ((*o->lib)->InitializeExt(o->lib, &param) != 0)
		return -EOPNOTSUPP;
	if ((*o->lib)->SetOption(o->lib, ENCODER_OPTION_DATAFORMAT, &format) != 0)
		return -EOPNOTSUPP;
	return 0;
}

static int openh264_begin(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	struct openh264 *o;
	int r;

	if (p->coding != CODING_H264 || p->csc != CSC_YUV420P)
		return soft_fail(why, -EOPNOTSUPP, "not a coding of openh264");
	if (!soft_size_ok(p) || p->w > MAX_W || p->h > MAX_H)
		return soft_fail(why, -EOPNOTSUPP, "not a size for this coding");
	o = calloc(1, sizeof(*o));
	if (!o)
		return soft_fail(why, -ENOMEM, "out of memory");
	o->quality = p->quality;
	o->qp = o->set_qp = (int)soft_h264_qp(p->quality.quality);
	r = csc_init(&o->csc, p->csc, p->w, p->h);
	if (r == 0)
		r = open_library(o, p);
	if (r < 0) {
		openh264_done(o);
		return soft_fail(why, r,
		                 r == -ENOMEM ? "out of memory"
		                              : "libopenh264 refused the parameters");
	}
	*ret = o;
	return 0;
}

/* The library has no limit beside a given quality, only instead of it. So: worse pictures for as
 * long as the limit is exceeded. */
static void keep_limit(struct openh264 *o, uint32_t now_msec, size_t len)
{
	int64_t kbps = o->quality.max_kbps, msec = (int64_t)now_msec - o->before;

	o->before = now_msec;
	if (kbps == 0) {
		o->worse = 0;
		o->debt = 0;
		return;
	}
	if (msec > 0)
		o->debt -= kbps * msec;
	if (o->debt < 0) /* what was not used is not saved up */
		o->debt = 0;
	o->debt += (int64_t)len * CHAR_BIT;
	if (o->debt > kbps * BURST_MSEC && o->qp + o->worse < QP_WORST)
		o->worse += 3;
	else if (o->debt < kbps * BURST_MSEC / 2 && o->worse > 0)
		o->worse--;
}

static int apply_qp(struct openh264 *o)
{
	int qp = o->qp + o->worse < QP_WORST ? o->qp + o->worse : QP_WORST;
	SEncParamExt param;

	if (qp == o->set_qp)
		return 0;
	if ((*o->lib)->GetOption(o->lib, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, &param) != 0)
		return -EIO;
	param.sSpatialLayers[0].iDLayerQp = qp;
	if ((*o->lib)->SetOption(o->lib, ENCODER_OPTION_SVC_ENCODE_PARAM_EXT, &param) != 0)
		return -EIO;
	o->set_qp = qp;
	return 0;
}

/* The layers of a picture, headers first: pieces of one buffer. 0, or -EIO if they are not. */
static int join(const SFrameBSInfo *info, struct encoded *ret)
{
	*ret = (struct encoded){.key = info->eFrameType == videoFrameTypeIDR};
	for (int i = 0; i < info->iLayerNum; i++) {
		const SLayerBSInfo *l = &info->sLayerInfo[i];

		if (i == 0)
			ret->data = l->pBsBuf;
		if (l->pBsBuf != ret->data + ret->len)
			return -EIO;
		for (int n = 0; n < l->iNalCount; n++)
			ret->len += (size_t)l->pNalLengthInByte[n];
	}
	return 0;
}

static int openh264_picture(void *enc, const struct picture *in, struct encoded *ret)
{
	struct openh264 *o = enc;
	SSourcePicture from = {.iColorFormat = videoFormatI420,
	                       .iPicWidth = in->w,
	                       .iPicHeight = in->h,
	                       .uiTimeStamp = in->pts_msec};
	SFrameBSInfo info = {0};
	int r = csc_convert(&o->csc, in);

	if (r == 0)
		r = apply_qp(o);
	if (r < 0)
		return r;
	for (int i = 0; i < 3; i++) {
		from.pData[i] = o->csc.planes[i];
		from.iStride[i] = o->csc.stride[i];
	}
	if (in->force_key && (*o->lib)->ForceIntraFrame(o->lib, true) != 0)
		return -EIO;
	if ((*o->lib)->EncodeFrame(o->lib, &from, &info) != cmResultSuccess ||
	    info.eFrameType == videoFrameTypeInvalid)
		return -EIO;
	r = join(&info, ret);
	keep_limit(o, in->pts_msec, ret->len);
	return r;
}

static int openh264_tune(void *enc, const struct encoder_quality *q)
{
	struct openh264 *o = enc;

	o->quality = *q;
	o->qp = (int)soft_h264_qp(q->quality);
	return 0;
}

static uint8_t openh264_left(void *enc)
{
	const struct openh264 *o = enc;

	return soft_h264_quality(o->set_qp);
}

const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "openh264",
	.load = csc_load,
	.caps = caps,
	.open = openh264_begin,
	.encode = openh264_picture,
	.tune = openh264_tune,
	.close = openh264_done,
	.device = soft_device,
	.left = openh264_left,
};
