/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/nvenc.c - H.264 and H.265 by NVIDIA's encoders: encode-nvenc.so. Encoder process, no
 * privilege. System calls: the driver's, on /dev/nvidia*; flock; clock_nanosleep.
 *
 * Pixels become NV12 or planes of 4:4:4 here, straight into a buffer of the driver: exact colours,
 * and a third of the bytes on the way to the card. What the driver says was never compared with
 * hardware: see README, and tests/nvenc-standin.
 */
#include "encode/nvenc.h"

#include <errno.h>
#include <libyuv.h>
#include <time.h>

#include "base/macros.h"

#define ALIGN 32 /* of the sides of a buffer, as others do it too */
#define OUT_EXTRA 65536

struct stream {
	struct nvenc_gpu *gpu;
	void *session;
	int slot;
	NV_ENC_INPUT_PTR input;
	NV_ENC_OUTPUT_PTR output;
	bool full444, broken, begun;
	uint16_t w, h, buffer_h;
	uint32_t pictures;
	NV_ENC_INITIALIZE_PARAMS params;
	NV_ENC_CONFIG config;
	const struct nvenc_can *can;
	uint8_t *data;
	size_t size;
};

static struct nvenc nvenc;

static int load(char why[ENCODER_WHY_MAX])
{
	return nvenc_load(&nvenc, why);
}

/* ---- what it can */

static void cover(struct encoder_caps *c, const struct nvenc_can *can)
{
	c->min_w = c->max_w && c->min_w < can->min_w ? c->min_w : can->min_w;
	c->min_h = c->max_h && c->min_h < can->min_h ? c->min_h : can->min_h;
	c->max_w = c->max_w > can->max_w ? c->max_w : can->max_w;
	c->max_h = c->max_h > can->max_h ? c->max_h : can->max_h;
}

/* What any of the GPUs can; open() finds the one. */
static size_t caps(struct encoder_caps *ret, size_t max)
{
	static const enum coding codings[NVENC_CODECS] = {CODING_H264, CODING_H265};
	size_t n = 0;

	for (size_t codec = 0; codec < NVENC_CODECS; codec++)
		for (size_t csc = 0; csc < CSC_MAX_ && n < max; csc++) {
			struct encoder_caps c = {
				.coding = codings[codec], .csc = (enum csc)csc, .video = true};

			for (size_t i = 0; i < nvenc.gpu_count; i++) {
				const struct nvenc_can *can = &nvenc.gpus[i].can[codec];

				if (can->there && (csc == CSC_YUV420P || can->full444))
					cover(&c, can);
			}
			if (c.max_w > 0)
				ret[n++] = c;
		}
	return n;
}

/* ---- opening and closing */

/* In this order, whatever of it there is. */
static void stream_close(struct stream *s)
{
	const NV_ENCODE_API_FUNCTION_LIST *api = &nvenc.api;
	bool entered = s->gpu && nvenc_enter(&nvenc, s->gpu) >= 0;

	if (s->session && s->begun && !s->broken) {
		NV_ENC_PIC_PARAMS end = {.version = NV_ENC_PIC_PARAMS_VER,
		                         .encodePicFlags = NV_ENC_PIC_FLAG_EOS};

		api->nvEncEncodePicture(s->session, &end);
	}
	if (s->input)
		api->nvEncDestroyInputBuffer(s->session, s->input);
	if (s->output)
		api->nvEncDestroyBitstreamBuffer(s->session, s->output);
	if (s->session)
		api->nvEncDestroyEncoder(s->session);
	if (entered)
		nvenc_leave(&nvenc);
	slots_give(&nvenc.slots, s->slot);
	if (s->gpu) {
		s->gpu->streams--;
		if (!s->gpu->can[NVENC_H264].there && !s->gpu->can[NVENC_H265].there)
			nvenc_gpu_lost(&nvenc, s->gpu);
	}
	free(s->data);
	free(s);
}

static int stream_settings(struct stream *s, const struct encoder_params *p,
                           char why[ENCODER_WHY_MAX])
{
	_cleanup_free_ NV_ENC_PRESET_CONFIG *preset = calloc(1, sizeof(*preset));
	int r;

	if (!preset)
		return -ENOMEM;
	preset->version = NV_ENC_PRESET_CONFIG_VER;
	preset->presetCfg.version = NV_ENC_CONFIG_VER;
	r = nvenc_status(&nvenc, s->gpu, s->session,
	                 nvenc.api.nvEncGetEncodePresetConfigEx(
				 s->session, nvenc_codec_guid(p->coding),
				 nvenc_preset(p->quality.speed), NVENC_TUNING, preset),
	                 "preset", why);
	if (r < 0)
		return r;
	s->config = preset->presetCfg;
	nvenc_settings(p, s->can, &s->config, &s->params);
	return nvenc_status(
		&nvenc, s->gpu, s->session,
		NVENC_PATIENTLY(nvenc.api.nvEncInitializeEncoder(s->session, &s->params)),
		"settings", why);
}

static int stream_buffers(struct stream *s, char why[ENCODER_WHY_MAX])
{
	NV_ENC_CREATE_INPUT_BUFFER in = {
		.version = NV_ENC_CREATE_INPUT_BUFFER_VER,
		.width = (s->w + ALIGN - 1u) / ALIGN * ALIGN,
		.height = (s->h + ALIGN - 1u) / ALIGN * ALIGN,
		.bufferFmt = s->full444 ? NV_ENC_BUFFER_FORMAT_YUV444 : NV_ENC_BUFFER_FORMAT_NV12,
	};
	NV_ENC_CREATE_BITSTREAM_BUFFER out = {.version = NV_ENC_CREATE_BITSTREAM_BUFFER_VER};
	int r;

	s->buffer_h = (uint16_t)in.height;
	r = nvenc_status(&nvenc, s->gpu, s->session,
	                 nvenc.api.nvEncCreateInputBuffer(s->session, &in), "input buffer", why);
	if (r < 0)
		return r;
	s->input = in.inputBuffer;
	r = nvenc_status(&nvenc, s->gpu, s->session,
	                 nvenc.api.nvEncCreateBitstreamBuffer(s->session, &out), "output buffer",
	                 why);
	if (r < 0)
		return r;
	s->output = out.bitstreamBuffer;
	s->size = (size_t)s->w * s->h * 2 + OUT_EXTRA;
	s->data = malloc(s->size);
	return s->data ? 0 : -ENOMEM;
}

/* With the GPU's context current. */
static int stream_start(struct stream *s, const struct encoder_params *p, char why[ENCODER_WHY_MAX])
{
	int r = nvenc_session_open(&nvenc, s->gpu, &s->session, why);

	if (r >= 0 && !s->gpu->asked)
		r = nvenc_ask(&nvenc, s->gpu, s->session, why);
	if (r < 0)
		return r;
	s->can = &s->gpu->can[p->coding == CODING_H265 ? NVENC_H265 : NVENC_H264];
	r = nvenc_fits(s->can, p);
	if (r < 0) {
		snprintf(why, ENCODER_WHY_MAX, "%s: not %ux%u, or not this codec", s->gpu->name,
		         p->w, p->h);
		return r;
	}
	r = stream_settings(s, p, why);
	return r < 0 ? r : stream_buffers(s, why);
}

static int stream_open(struct nvenc_gpu *g, const struct encoder_params *p, struct stream **ret,
                       char why[ENCODER_WHY_MAX])
{
	struct stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->w = p->w;
	s->h = p->h;
	s->full444 = p->csc == CSC_YUV444P;
	r = slots_take(&nvenc.slots, &s->slot);
	if (r < 0) {
		snprintf(why, ENCODER_WHY_MAX, "all %zu of " NVENC_SLOTS " are taken",
		         nvenc.slots.count);
		stream_close(s);
		return r;
	}
	s->gpu = g;
	g->streams++;
	r = nvenc_enter(&nvenc, g);
	if (r >= 0) {
		r = stream_start(s, p, why);
		nvenc_leave(&nvenc);
	} else {
		snprintf(why, ENCODER_WHY_MAX, "%s: its context cannot be used", g->name);
	}
	if (r == -ENODEV)
		nvenc_gpu_lost(&nvenc, g);
	if (r < 0) {
		stream_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

/* Each GPU in its turn; that one has no session free may be over soon, all else will not. */
static int nvenc_open(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX])
{
	size_t codec = p->coding == CODING_H265 ? NVENC_H265 : NVENC_H264;
	char nearest[ENCODER_WHY_MAX] = "no GPU is left";
	int r, result = -ENODEV;

	if (p->coding != CODING_H264 && p->coding != CODING_H265)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < nvenc.gpu_count; i++) {
		struct nvenc_gpu *g = &nvenc.gpus[i];
		char now[ENCODER_WHY_MAX] = "";
		struct stream *s;

		if (!g->can[NVENC_H264].there && !g->can[NVENC_H265].there)
			continue;
		r = g->asked ? nvenc_fits(&g->can[codec], p) : 0;
		if (r < 0)
			snprintf(now, sizeof(now), "%s: not %ux%u, or not this codec", g->name,
			         p->w, p->h);
		else
			r = stream_open(g, p, &s, now);
		if (r >= 0) {
			*ret = s;
			return 0;
		}
		if (result != -EAGAIN && (r != -ENODEV || result == -ENODEV)) {
			result = r;
			memcpy(nearest, now, sizeof(nearest));
		}
	}
	memcpy(why, nearest, sizeof(nearest));
	return result;
}

static void nvenc_close(void *enc)
{
	if (enc)
		stream_close(enc);
}

static const char *device(const void *enc)
{
	const struct stream *s = enc;

	return s->gpu->name;
}

/* ---- pictures */

static int fill(struct stream *s, const struct picture *in, uint32_t *ret_pitch)
{
	NV_ENC_LOCK_INPUT_BUFFER lock = {.version = NV_ENC_LOCK_INPUT_BUFFER_VER,
	                                 .inputBuffer = s->input};
	NVENCSTATUS status;
	uint8_t *to;
	size_t plane;
	int pitch, stride = (int)in->stride, r;

	status = NVENC_PATIENTLY(nvenc.api.nvEncLockInputBuffer(s->session, &lock));
	if (status != NV_ENC_SUCCESS)
		return (int)status;
	to = lock.bufferDataPtr;
	pitch = (int)lock.pitch;
	plane = (size_t)lock.pitch * s->buffer_h;
	if (s->full444)
		r = ARGBToI444(in->pixels, stride, to, pitch, to + plane, pitch, to + 2 * plane,
		               pitch, s->w, s->h);
	else
		r = ARGBToNV12(in->pixels, stride, to, pitch, to + plane, pitch, s->w, s->h);
	*ret_pitch = lock.pitch;
	status = nvenc.api.nvEncUnlockInputBuffer(s->session, s->input);
	return r != 0 ? NV_ENC_ERR_INVALID_PARAM : (int)status;
}

static int collect(struct stream *s, struct encoded *ret)
{
	NV_ENC_LOCK_BITSTREAM lock = {.version = NV_ENC_LOCK_BITSTREAM_VER,
	                              .outputBitstream = s->output};
	NVENCSTATUS status, unlocked;

	status = NVENC_PATIENTLY(nvenc.api.nvEncLockBitstream(s->session, &lock));
	if (status != NV_ENC_SUCCESS)
		return (int)status;
	if (lock.bitstreamSizeInBytes > s->size)
		status = NV_ENC_ERR_NOT_ENOUGH_BUFFER;
	else
		memcpy(s->data, lock.bitstreamBufferPtr, lock.bitstreamSizeInBytes);
	unlocked = nvenc.api.nvEncUnlockBitstream(s->session, s->output);
	*ret = (struct encoded){.data = s->data,
	                        .len = lock.bitstreamSizeInBytes,
	                        .key = lock.pictureType == NV_ENC_PIC_TYPE_IDR};
	return status != NV_ENC_SUCCESS ? (int)status : (int)unlocked;
}

static int encode_picture(struct stream *s, const struct picture *in, struct encoded *ret)
{
	NV_ENC_PIC_PARAMS p = {
		.version = NV_ENC_PIC_PARAMS_VER,
		.inputWidth = s->w,
		.inputHeight = s->h,
		.inputBuffer = s->input,
		.outputBitstream = s->output,
		.bufferFmt = s->full444 ? NV_ENC_BUFFER_FORMAT_YUV444 : NV_ENC_BUFFER_FORMAT_NV12,
		.pictureStruct = NV_ENC_PIC_STRUCT_FRAME,
		.frameIdx = s->pictures,
		.inputTimeStamp = s->pictures, /* time may stand still between two, this may not */
	};
	int status = fill(s, in, &p.inputPitch);

	if (status != NV_ENC_SUCCESS)
		return status;
	if (s->pictures == 0 || in->force_key)
		p.encodePicFlags = NV_ENC_PIC_FLAG_FORCEIDR | NV_ENC_PIC_FLAG_OUTPUT_SPSPPS;
	s->begun = true;
	/* NEED_MORE_INPUT would mean that our settings hold pictures back: an error as any other */
	status = (int)NVENC_PATIENTLY(nvenc.api.nvEncEncodePicture(s->session, &p));
	if (status != NV_ENC_SUCCESS)
		return status;
	s->pictures++;
	return collect(s, ret);
}

/* After an error in the middle nothing of it is used again. */
static int encode(void *enc, const struct picture *in, struct encoded *ret)
{
	struct stream *s = enc;
	char why[ENCODER_WHY_MAX];
	int r;

	if (s->broken)
		return -EIO;
	if (in->w != s->w || in->h != s->h || in->stride < s->w * 4u || in->stride > INT32_MAX)
		return -EINVAL;
	r = nvenc_enter(&nvenc, s->gpu);
	if (r >= 0) {
		int status = encode_picture(s, in, ret);

		nvenc_leave(&nvenc);
		r = nvenc_status(&nvenc, s->gpu, s->session, (NVENCSTATUS)status, "encode", why);
	}
	if (r == -ENODEV)
		nvenc_gpu_lost(&nvenc, s->gpu);
	s->broken = r < 0;
	return r == -EOPNOTSUPP ? -EIO : r;
}

/* Only what the GPU can change in the middle; for all else the caller opens another. */
static int tune(void *enc, const struct encoder_quality *q)
{
	struct stream *s = enc;
	NV_ENC_CONFIG config = s->config;
	NV_ENC_RECONFIGURE_PARAMS p = {.version = NV_ENC_RECONFIGURE_PARAMS_VER,
	                               .reInitEncodeParams = s->params};
	char why[ENCODER_WHY_MAX];
	int r;

	if (s->broken)
		return -EIO;
	nvenc_rate(&config.rcParams, q, s->can);
	if (memcmp(&config.rcParams, &s->config.rcParams, sizeof(config.rcParams)) == 0)
		return 0;
	if (!s->can->change_rate ||
	    (config.rcParams.rateControlMode != s->config.rcParams.rateControlMode &&
	     !s->can->change_mode))
		return -EOPNOTSUPP;
	p.reInitEncodeParams.encodeConfig = &config;
	if (q->fps > 0)
		p.reInitEncodeParams.frameRateNum = q->fps;
	r = nvenc_enter(&nvenc, s->gpu);
	if (r >= 0) {
		NVENCSTATUS status =
			NVENC_PATIENTLY(nvenc.api.nvEncReconfigureEncoder(s->session, &p));

		nvenc_leave(&nvenc);
		r = nvenc_status(&nvenc, s->gpu, s->session, status, "reconfigure", why);
	}
	if (r == -ENODEV) {
		nvenc_gpu_lost(&nvenc, s->gpu);
		s->broken = true;
	}
	if (r < 0)
		return r;
	s->config = config;
	s->params.frameRateNum = p.reInitEncodeParams.frameRateNum;
	return 0;
}

static void unload(void)
{
	for (size_t i = 0; i < nvenc.gpu_count; i++)
		nvenc_gpu_lost(&nvenc, &nvenc.gpus[i]);
}

extern const struct encoder encoder;
const struct encoder encoder = {
	.abi = ENCODER_ABI,
	.name = "nvenc",
	.load = load,
	.caps = caps,
	.open = nvenc_open,
	.encode = encode,
	.tune = tune,
	.close = nvenc_close,
	.device = device,
	.needs_device = true,
	.threads = true,
	.unload = unload,
};
