/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/nvenc_settings.c - how NVENC is to encode: pure functions. Encoder process.
 *
 * For somebody who waits for each picture: none is held back, no B frames, no lookahead, one pass;
 * key frames only when asked for, as nothing is lost on the way.
 */
#include "encode/nvenc.h"

#include <errno.h>

#include "base/macros.h"

#define FPS 30 /* where nobody knows */
#define QP_MAX 51

GUID nvenc_codec_guid(enum coding coding)
{
	return coding == CODING_H265 ? NV_ENC_CODEC_HEVC_GUID : NV_ENC_CODEC_H264_GUID;
}

/* P4 and slower gain little on text and cost twice the time. */
GUID nvenc_preset(uint8_t speed)
{
	return speed >= 80   ? NV_ENC_PRESET_P1_GUID
	       : speed >= 40 ? NV_ENC_PRESET_P2_GUID
	                     : NV_ENC_PRESET_P3_GUID;
}

int nvenc_fits(const struct nvenc_can *can, const struct encoder_params *p)
{
	uint32_t blocks = (p->w + 15u) / 16 * ((p->h + 15u) / 16);

	if (!can->there || (p->csc == CSC_YUV444P && !can->full444) || p->w < can->min_w ||
	    p->h < can->min_h || p->w > can->max_w || p->h > can->max_h ||
	    (can->max_blocks > 0 && blocks > can->max_blocks))
		return -EOPNOTSUPP;
	/* no half pixels of colour */
	return p->csc == CSC_YUV420P && (p->w % 2 || p->h % 2) ? -EOPNOTSUPP : 0;
}

/* xpra's map from percent to H.264's quantizer: 60 is 21, 80 is 11. */
static uint8_t qp(uint8_t quality)
{
	return (uint8_t)(50 - 49 * (quality > 100 ? 100 : quality) / 100);
}

/* Without a limit a constant quality, so that text stays crisp whatever it costs. With one, the
 * same quality as far as that allows, and no picture larger than its share of a second. */
void nvenc_rate(NV_ENC_RC_PARAMS *rc, const struct encoder_quality *q, const struct nvenc_can *can)
{
	uint64_t bits = (uint64_t)q->max_kbps * 1000;
	uint32_t limit = bits > UINT32_MAX ? UINT32_MAX : (uint32_t)bits;
	uint8_t n = qp(q->quality);

	rc->version = NV_ENC_RC_PARAMS_VER;
	rc->enableMinQP = rc->enableMaxQP = rc->enableInitialRCQP = 0;
	rc->enableAQ = rc->enableTemporalAQ = 0; /* takes bits from sharp edges */
	rc->enableLookahead = 0;
	rc->lookaheadDepth = 0;
	rc->zeroReorderDelay = 1;
	rc->multiPass = NV_ENC_MULTI_PASS_DISABLED;
	rc->averageBitRate = 0;
	rc->maxBitRate = limit;
	rc->vbvBufferSize = rc->vbvInitialDelay = 0;
	rc->targetQualityLSB = 0;
	if (limit == 0) {
		rc->rateControlMode = NV_ENC_PARAMS_RC_CONSTQP;
		rc->constQP = (NV_ENC_QP){n, n, n};
		rc->targetQuality = 0;
		return;
	}
	rc->rateControlMode = NV_ENC_PARAMS_RC_VBR;
	rc->constQP = (NV_ENC_QP){0};
	rc->targetQuality = n ? n : 1; /* 0 would be: as it likes */
	if (can->custom_vbv)
		rc->vbvBufferSize = rc->vbvInitialDelay = limit / (q->fps ? q->fps : FPS);
}

/* What libyuv makes of RGB: BT.601, limited range. */
static void colours(NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui)
{
	vui->videoSignalTypePresentFlag = 1;
	vui->videoFormat = 5; /* unspecified */
	vui->videoFullRangeFlag = 0;
	vui->colourDescriptionPresentFlag = 1;
	vui->colourPrimaries = 2; /* unspecified */
	vui->transferCharacteristics = 2;
	vui->colourMatrix = 6; /* BT.601 */
}

static void settings_h264(const struct encoder_params *p, NV_ENC_CONFIG *config)
{
	NV_ENC_CONFIG_H264 *h = &config->encodeCodecConfig.h264Config;
	bool full444 = p->csc == CSC_YUV444P;

	config->profileGUID = full444          ? NV_ENC_H264_PROFILE_HIGH_444_GUID
	                      : p->h264_simple ? NV_ENC_H264_PROFILE_BASELINE_GUID
	                      : p->h264_high   ? NV_ENC_H264_PROFILE_HIGH_GUID
	                                       : NV_ENC_H264_PROFILE_MAIN_GUID;
	h->chromaFormatIDC = full444 ? 3 : 1;
	h->level = NV_ENC_LEVEL_AUTOSELECT;
	h->idrPeriod = NVENC_INFINITE_GOPLENGTH;
	h->repeatSPSPPS = 1; /* every key frame can be begun with */
	h->enableIntraRefresh = 0;
	h->sliceMode = 3;
	h->sliceModeData = 1;
	if (p->h264_simple && !full444) {
		h->entropyCodingMode = NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC;
		h->disableDeblockingFilterIDC = 1;
	}
	colours(&h->h264VUIParameters);
}

static void settings_h265(const struct encoder_params *p, NV_ENC_CONFIG *config)
{
	NV_ENC_CONFIG_HEVC *h = &config->encodeCodecConfig.hevcConfig;
	bool full444 = p->csc == CSC_YUV444P;

	config->profileGUID =
		full444 ? NV_ENC_HEVC_PROFILE_FREXT_GUID : NV_ENC_HEVC_PROFILE_MAIN_GUID;
	h->chromaFormatIDC = full444 ? 3 : 1;
	h->pixelBitDepthMinus8 = 0;
	h->level = NV_ENC_LEVEL_AUTOSELECT;
	h->idrPeriod = NVENC_INFINITE_GOPLENGTH;
	h->repeatSPSPPS = 1;
	h->enableIntraRefresh = 0;
	h->sliceMode = 3;
	h->sliceModeData = 1;
	colours(&h->hevcVUIParameters);
}

void nvenc_settings(const struct encoder_params *p, const struct nvenc_can *can,
                    NV_ENC_CONFIG *config, NV_ENC_INITIALIZE_PARAMS *params)
{
	config->version = NV_ENC_CONFIG_VER;
	config->gopLength = NVENC_INFINITE_GOPLENGTH;
	config->frameIntervalP = 1; /* no B frames */
	config->frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
	if (p->coding == CODING_H265)
		settings_h265(p, config);
	else
		settings_h264(p, config);
	nvenc_rate(&config->rcParams, &p->quality, can);
	*params = (NV_ENC_INITIALIZE_PARAMS){
		.version = NV_ENC_INITIALIZE_PARAMS_VER,
		.encodeGUID = nvenc_codec_guid(p->coding),
		.presetGUID = nvenc_preset(p->quality.speed),
		.tuningInfo = NVENC_TUNING,
		.encodeWidth = p->w,
		.encodeHeight = p->h,
		.darWidth = p->w,
		.darHeight = p->h,
		.maxEncodeWidth = p->w,
		.maxEncodeHeight = p->h,
		.frameRateNum = p->quality.fps ? p->quality.fps : FPS,
		.frameRateDen = 1,
		.enablePTD = 1,
		.encodeConfig = config,
	};
}
