/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/settings.c - libnvidia-encode.so.1: presets, and what it says to settings.
 */
#include "tests/nvenc-standin/session.h"

#include <string.h>

static const GUID *const presets[] = {
	&NV_ENC_PRESET_P1_GUID, &NV_ENC_PRESET_P2_GUID, &NV_ENC_PRESET_P3_GUID,
	&NV_ENC_PRESET_P4_GUID, &NV_ENC_PRESET_P5_GUID, &NV_ENC_PRESET_P6_GUID,
	&NV_ENC_PRESET_P7_GUID,
};

static int preset_number(const GUID *guid)
{
	for (int i = 0; i < 7; i++)
		if (SAME(*guid, *presets[i]))
			return i + 1;
	return 0;
}

static NVENCSTATUS nvEncGetEncodePresetConfigEx(void *handle, GUID codec, GUID preset,
                                                NV_ENC_TUNING_INFO tuning, NV_ENC_PRESET_CONFIG *p)
{
	struct session *s = session_find(handle, __func__);
	NV_ENC_CONFIG *c = &p->presetCfg;
	bool h265 = SAME(codec, NV_ENC_CODEC_HEVC_GUID);
	int number = preset_number(&preset);

	CALL();
	if (!s)
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	VERSION(p, NV_ENC_PRESET_CONFIG_VER);
	VERSION(c, NV_ENC_CONFIG_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	if (number == 0 || tuning <= NV_ENC_TUNING_INFO_UNDEFINED ||
	    tuning >= NV_ENC_TUNING_INFO_COUNT)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "no such preset or tuning");
	memset(c, 0, sizeof(*c));
	c->version = NV_ENC_CONFIG_VER;
	c->gopLength = 250;
	c->frameIntervalP = tuning == NV_ENC_TUNING_INFO_HIGH_QUALITY && number >= 3 ? 3 : 1;
	c->frameFieldMode = NV_ENC_PARAMS_FRAME_FIELD_MODE_FRAME;
	c->rcParams.version = NV_ENC_RC_PARAMS_VER;
	c->rcParams.rateControlMode = NV_ENC_PARAMS_RC_VBR;
	c->rcParams.averageBitRate = 2000000;
	c->rcParams.enableLookahead = c->frameIntervalP > 1;
	if (h265) {
		c->encodeCodecConfig.hevcConfig.idrPeriod = c->gopLength;
		c->encodeCodecConfig.hevcConfig.chromaFormatIDC = 1;
	} else {
		c->encodeCodecConfig.h264Config.idrPeriod = c->gopLength;
		c->encodeCodecConfig.h264Config.chromaFormatIDC = 1;
	}
	return NV_ENC_SUCCESS;
}

/* ---- settings */

static NVENCSTATUS check_config(struct session *s, const NV_ENC_INITIALIZE_PARAMS *p)
{
	const NV_ENC_CONFIG *c = p->encodeConfig;
	bool h265 = SAME(p->encodeGUID, NV_ENC_CODEC_HEVC_GUID);
	uint32_t chroma;

	VERSION(c, NV_ENC_CONFIG_VER);
	RESERVED(c, reserved);
	RESERVED(c, reserved2);
	if (c->rcParams.version != NV_ENC_RC_PARAMS_VER && c->rcParams.version != 0)
		standin_violation("rcParams.version %#x", c->rcParams.version);
	chroma = h265 ? c->encodeCodecConfig.hevcConfig.chromaFormatIDC
	              : c->encodeCodecConfig.h264Config.chromaFormatIDC;
	if (chroma == 3) {
		if (standin_options()->no_444)
			return fail(s, NV_ENC_ERR_UNSUPPORTED_PARAM, "no 4:4:4");
		if (!SAME(c->profileGUID, NV_ENC_CODEC_PROFILE_AUTOSELECT_GUID) &&
		    !SAME(c->profileGUID, NV_ENC_H264_PROFILE_HIGH_444_GUID) &&
		    !SAME(c->profileGUID, NV_ENC_HEVC_PROFILE_FREXT_GUID))
			return fail(s, NV_ENC_ERR_INVALID_PARAM, "4:4:4 with another profile");
	} else if (chroma != 1) {
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "chromaFormatIDC %u", chroma);
	}
	if (c->rcParams.rateControlMode == NV_ENC_PARAMS_RC_CONSTQP &&
	    (c->rcParams.constQP.qpIntra > 51 || c->rcParams.constQP.qpInterP > 51))
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "QP above 51");
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS check_params(struct session *s, const NV_ENC_INITIALIZE_PARAMS *p)
{
	const struct standin_options *o = standin_options();

	VERSION(p, NV_ENC_INITIALIZE_PARAMS_VER);
	RESERVED(p, reserved);
	RESERVED(p, reserved2);
	if (!p->encodeConfig || p->reservedBitFields || p->privDataSize || p->privData)
		standin_violation("nvEncInitializeEncoder: reserved fields, or no encodeConfig");
	if (p->enableEncodeAsync)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "there is no async on Linux");
	if (preset_number(&p->presetGUID) == 0 || p->tuningInfo == NV_ENC_TUNING_INFO_UNDEFINED)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "no such preset, or no tuning");
	if ((SAME(p->encodeGUID, NV_ENC_CODEC_H264_GUID) && o->no_h264) ||
	    (SAME(p->encodeGUID, NV_ENC_CODEC_HEVC_GUID) && o->no_h265))
		return fail(s, NV_ENC_ERR_UNSUPPORTED_PARAM, "no such codec");
	if (p->encodeWidth > o->max || p->encodeHeight > o->max || p->encodeWidth < o->min ||
	    p->encodeHeight < o->min)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "%ux%u", p->encodeWidth, p->encodeHeight);
	if ((p->maxEncodeWidth && p->maxEncodeWidth < p->encodeWidth) ||
	    (p->maxEncodeHeight && p->maxEncodeHeight < p->encodeHeight))
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "larger than maxEncodeWidth, Height");
	if (p->frameRateNum == 0 || p->frameRateDen == 0 || !p->enablePTD)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "frame rate, or no enablePTD");
	return p->encodeConfig ? check_config(s, p) : NV_ENC_ERR_INVALID_PTR;
}

static void adopt(struct session *s, const NV_ENC_INITIALIZE_PARAMS *p)
{
	const NV_ENC_RC_PARAMS *rc = &p->encodeConfig->rcParams;

	s->config = *p->encodeConfig;
	s->params = *p;
	s->params.encodeConfig = &s->config;
	standin_note(
		"settings %ux%u preset %d tuning %d rc %d qp %u target %u max %u vbv %u fps %u/%u",
		p->encodeWidth, p->encodeHeight, preset_number(&p->presetGUID), p->tuningInfo,
		rc->rateControlMode, rc->constQP.qpInterP, rc->targetQuality, rc->maxBitRate,
		rc->vbvBufferSize, p->frameRateNum, p->frameRateDen);
}

/* Also anew, after a change of size. */
static int start_codec(struct session *s)
{
	const NV_ENC_CONFIG_H264 *h264 = &s->config.encodeCodecConfig.h264Config;
	bool h265 = session_is_h265(s);
	const NV_ENC_CONFIG_H264_VUI_PARAMETERS *vui =
		h265 ? &s->config.encodeCodecConfig.hevcConfig.hevcVUIParameters
		     : &h264->h264VUIParameters;
	struct codec_config config = {
		.h265 = h265,
		.w = s->params.encodeWidth,
		.h = s->params.encodeHeight,
		.fps = s->params.frameRateNum / s->params.frameRateDen,
		.full444 = (h265 ? s->config.encodeCodecConfig.hevcConfig.chromaFormatIDC
	                         : h264->chromaFormatIDC) == 3,
		.cavlc = !h265 && h264->entropyCodingMode == NV_ENC_H264_ENTROPY_CODING_MODE_CAVLC,
		.no_deblock = !h265 && h264->disableDeblockingFilterIDC == 1,
		.full_range = vui->videoSignalTypePresentFlag && vui->videoFullRangeFlag,
		.matrix = vui->colourDescriptionPresentFlag ? vui->colourMatrix : 2,
	};

	config.profile = config.full444 ? "high444"
	                 : SAME(s->config.profileGUID, NV_ENC_H264_PROFILE_BASELINE_GUID)
	                         ? "baseline"
	                 : SAME(s->config.profileGUID, NV_ENC_H264_PROFILE_MAIN_GUID) ? "main"
	                                                                              : "high";
	codec_free(s->codec);
	config.fps = config.fps ? config.fps : 1;
	s->codec = codec_new(&config);
	return s->codec ? 0 : -1;
}

static NVENCSTATUS nvEncInitializeEncoder(void *handle, NV_ENC_INITIALIZE_PARAMS *p)
{
	struct session *s = session_find(handle, __func__);
	NVENCSTATUS status;

	CALL();
	if (!s)
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	if (s->initialized)
		standin_violation("%s: a second time", __func__);
	status = check_params(s, p);
	if (status != NV_ENC_SUCCESS)
		return status;
	adopt(s, p);
	if (start_codec(s) < 0)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "the software encoder says no");
	s->initialized = true;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncReconfigureEncoder(void *handle, NV_ENC_RECONFIGURE_PARAMS *p)
{
	struct session *s = session_find(handle, __func__);
	const NV_ENC_INITIALIZE_PARAMS *n = &p->reInitEncodeParams;
	bool resized;
	NVENCSTATUS status;

	CALL();
	if (!s)
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	VERSION(p, NV_ENC_RECONFIGURE_PARAMS_VER);
	if (p->reserved)
		standin_violation("%s: reserved", __func__);
	status = check_params(s, n);
	if (status != NV_ENC_SUCCESS)
		return status;
	resized = n->encodeWidth != s->params.encodeWidth ||
	          n->encodeHeight != s->params.encodeHeight;
	if (n->encodeConfig->gopLength != s->config.gopLength ||
	    n->encodeConfig->frameIntervalP != s->config.frameIntervalP ||
	    n->enablePTD != s->params.enablePTD || n->maxEncodeWidth != s->params.maxEncodeWidth ||
	    n->maxEncodeHeight != s->params.maxEncodeHeight ||
	    !SAME(n->encodeGUID, s->params.encodeGUID) ||
	    !SAME(n->presetGUID, s->params.presetGUID))
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "what cannot change has changed");
	if (resized && !p->resetEncoder)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "another size without resetEncoder");
	if (n->encodeConfig->rcParams.rateControlMode != s->config.rcParams.rateControlMode &&
	    standin_options()->no_rcchange)
		return fail(s, NV_ENC_ERR_UNSUPPORTED_PARAM, "another rate control mode");
	adopt(s, n);
	if ((resized || p->resetEncoder) && start_codec(s) < 0)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "the software encoder says no");
	return NV_ENC_SUCCESS;
}

/* Which streams the driver is to wait for; all work here is done at once. */
static NVENCSTATUS nvEncSetIOCudaStreams(void *handle, NV_ENC_CUSTREAM_PTR in,
                                         NV_ENC_CUSTREAM_PTR out)
{
	CALL();
	(void)in;
	(void)out;
	return session_find(handle, __func__) ? NV_ENC_SUCCESS : NV_ENC_ERR_INVALID_ENCODERDEVICE;
}

void settings_fill_list(NV_ENCODE_API_FUNCTION_LIST *list)
{
	list->nvEncGetEncodePresetConfigEx = nvEncGetEncodePresetConfigEx;
	list->nvEncInitializeEncoder = nvEncInitializeEncoder;
	list->nvEncReconfigureEncoder = nvEncReconfigureEncoder;
	list->nvEncSetIOCudaStreams = nvEncSetIOCudaStreams;
}
