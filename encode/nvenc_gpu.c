/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/nvenc_gpu.c - the driver, its GPUs, what they can, and what its errors mean for us.
 * Encoder process, no privilege; all but nvenc_status() before it is locked. System calls: the
 * driver's.
 *
 * Contexts are made here and kept as long as the process: making one takes 200 ms, opens devices,
 * and whoever waits for a picture has no time for that. A process that wants no video never comes
 * here.
 */
#include "encode/nvenc.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <time.h>

#include "base/macros.h"

#define API_NEEDED (NVENCAPI_MAJOR_VERSION << 4 | NVENCAPI_MINOR_VERSION)
#define DRIVER_NEEDED "470.57.02"
#define GUIDS_MAX 16
#define FORMATS_MAX 64

/* Which GPU, and then what. */
__attribute__((format(printf, 3, 4))) static void
tell(char why[ENCODER_WHY_MAX], const struct nvenc_gpu *g, const char *format, ...)
{
	int n = snprintf(why, ENCODER_WHY_MAX, "%s: ", g->name);
	va_list ap;

	va_start(ap, format);
	vsnprintf(why + n, ENCODER_WHY_MAX - (size_t)n, format, ap);
	va_end(ap);
}

/* What is not here is our mistake, or the configuration is not to its taste: not to be tried again.
 */
static const struct {
	NVENCSTATUS status;
	int error;
	const char *text;
} meanings[] = {
	{NV_ENC_ERR_NO_ENCODE_DEVICE, -ENODEV, "it has no video encoder"},
	{NV_ENC_ERR_UNSUPPORTED_DEVICE, -ENODEV, "it has no video encoder"},
	{NV_ENC_ERR_INVALID_ENCODERDEVICE, -ENODEV, "it has no video encoder"},
	{NV_ENC_ERR_INVALID_DEVICE, -ENODEV, "it has no video encoder"},
	{NV_ENC_ERR_DEVICE_NOT_EXIST, -ENODEV, "it is gone"},
	{NV_ENC_ERR_GENERIC, -ENODEV, "its driver has failed"},
	{NV_ENC_ERR_INVALID_VERSION, -ENODEV, "needs driver " DRIVER_NEEDED " or later"},
	/* older and newer drivers, when there are as many sessions as the card may have */
	{NV_ENC_ERR_OUT_OF_MEMORY, -EAGAIN, "all its sessions are taken, or its memory"},
	{NV_ENC_ERR_INCOMPATIBLE_CLIENT_KEY, -EAGAIN, "all its sessions are taken"},
	{NV_ENC_ERR_ENCODER_BUSY, -EAGAIN, "busy"},
	{NV_ENC_ERR_LOCK_BUSY, -EAGAIN, "busy"},
};

int nvenc_status(const struct nvenc *n, const struct nvenc_gpu *g, void *session,
                 NVENCSTATUS status, const char *what, char why[ENCODER_WHY_MAX])
{
	const char *text = NULL;

	if (status == NV_ENC_SUCCESS)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
		if (meanings[i].status == status) {
			tell(why, g, "%s (%s: %d)", meanings[i].text, what, status);
			return meanings[i].error;
		}
	if (session && n->api.nvEncGetLastErrorString)
		text = n->api.nvEncGetLastErrorString(session);
	tell(why, g, "%s: %d%s%s", what, status, text && *text ? ", " : "", text ? text : "");
	return -EOPNOTSUPP;
}

int nvenc_enter(const struct nvenc *n, const struct nvenc_gpu *g)
{
	return n->cuda.ctx_push_current(g->context) == CUDA_SUCCESS ? 0 : -ENODEV;
}

void nvenc_leave(const struct nvenc *n)
{
	CUcontext old;

	n->cuda.ctx_pop_current(&old);
}

void nvenc_gpu_lost(struct nvenc *n, struct nvenc_gpu *g)
{
	memset(g->can, 0, sizeof(g->can));
	if (g->context && g->streams == 0) {
		n->cuda.ctx_destroy(g->context);
		g->context = NULL;
	}
}

/* ---- asking */

static int session_caps(const struct nvenc *n, const struct nvenc_gpu *g, void *session, GUID codec,
                        struct nvenc_can *can, char why[ENCODER_WHY_MAX])
{
	static const NV_ENC_CAPS wanted[] = {
		NV_ENC_CAPS_WIDTH_MIN,
		NV_ENC_CAPS_HEIGHT_MIN,
		NV_ENC_CAPS_WIDTH_MAX,
		NV_ENC_CAPS_HEIGHT_MAX,
		NV_ENC_CAPS_MB_NUM_MAX,
		NV_ENC_CAPS_SUPPORT_YUV444_ENCODE,
		NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE,
		NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE,
		NV_ENC_CAPS_SUPPORT_DYN_RCMODE_CHANGE,
	};
	int values[ARRAY_SIZE(wanted)] = {0}, r;

	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		NV_ENC_CAPS_PARAM p = {.version = NV_ENC_CAPS_PARAM_VER, .capsToQuery = wanted[i]};

		r = nvenc_status(n, g, session,
		                 n->api.nvEncGetEncodeCaps(session, codec, &p, &values[i]), "caps",
		                 why);
		if (r < 0)
			return r;
		if (values[i] < 0)
			values[i] = 0;
	}
	for (size_t i = 0; i < 4; i++)
		if (values[i] > FRAME_SIDE_MAX)
			values[i] = FRAME_SIDE_MAX;
	*can = (struct nvenc_can){
		.there = true,
		.min_w = (uint16_t)values[0],
		.min_h = (uint16_t)values[1],
		.max_w = (uint16_t)values[2],
		.max_h = (uint16_t)values[3],
		.max_blocks = (uint32_t)values[4],
		.full444 = values[5],
		.custom_vbv = values[6],
		.change_rate = values[7],
		.change_mode = values[8],
	};
	return 0;
}

/* Pixels that we have: for 4:2:0 those are a must, 4:4:4 goes without. */
static int session_formats(const struct nvenc *n, const struct nvenc_gpu *g, void *session,
                           GUID codec, struct nvenc_can *can, char why[ENCODER_WHY_MAX])
{
	NV_ENC_BUFFER_FORMAT list[FORMATS_MAX];
	bool nv12 = false, yuv444 = false;
	uint32_t count = 0;
	int r = nvenc_status(n, g, session,
	                     n->api.nvEncGetInputFormats(session, codec, list, FORMATS_MAX, &count),
	                     "formats", why);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count && i < FORMATS_MAX; i++) {
		nv12 = nv12 || list[i] == NV_ENC_BUFFER_FORMAT_NV12;
		yuv444 = yuv444 || list[i] == NV_ENC_BUFFER_FORMAT_YUV444;
	}
	can->there = nv12;
	can->full444 = can->full444 && yuv444;
	return 0;
}

int nvenc_ask(const struct nvenc *n, struct nvenc_gpu *g, void *session, char why[ENCODER_WHY_MAX])
{
	static const enum coding codings[NVENC_CODECS] = {CODING_H264, CODING_H265};
	struct nvenc_can can[NVENC_CODECS] = {0};
	GUID guids[GUIDS_MAX];
	uint32_t count = 0;
	int r = nvenc_status(n, g, session,
	                     n->api.nvEncGetEncodeGUIDs(session, guids, GUIDS_MAX, &count),
	                     "codecs", why);

	for (size_t c = 0; c < NVENC_CODECS && r >= 0; c++) {
		GUID want = nvenc_codec_guid(codings[c]);
		bool there = false;

		for (uint32_t i = 0; i < count && i < GUIDS_MAX; i++)
			there = there || memcmp(&guids[i], &want, sizeof(want)) == 0;
		if (there)
			r = session_caps(n, g, session, want, &can[c], why);
		if (there && r >= 0)
			r = session_formats(n, g, session, want, &can[c], why);
	}
	if (r < 0)
		return r;
	memcpy(g->can, can, sizeof(can));
	g->asked = true;
	return 0;
}

int nvenc_session_open(struct nvenc *n, struct nvenc_gpu *g, void **ret, char why[ENCODER_WHY_MAX])
{
	NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS p = {
		.version = NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER,
		.deviceType = NV_ENC_DEVICE_TYPE_CUDA,
		.device = g->context,
		.apiVersion = NVENCAPI_VERSION,
	};
	int r;

	*ret = NULL;
	r = nvenc_status(n, g, NULL, NVENC_PATIENTLY(n->api.nvEncOpenEncodeSessionEx(&p, ret)),
	                 "open", why);
	if (r < 0 && *ret) { /* also what it refuses is to be given back */
		n->api.nvEncDestroyEncoder(*ret);
		*ret = NULL;
	}
	return r;
}

/* ---- loading */

/* What every card with NVENC can, should all sessions be taken just now. */
static void guess(struct nvenc_gpu *g)
{
	g->can[NVENC_H264] = (struct nvenc_can){
		.there = true, .min_w = 256, .min_h = 128, .max_w = 4096, .max_h = 4096};
}

/* A session for as long as it takes to ask. */
static int gpu_probe(struct nvenc *n, struct nvenc_gpu *g, char why[ENCODER_WHY_MAX])
{
	void *session;
	int slot, r = slots_take(&n->slots, &slot);

	if (r >= 0)
		r = nvenc_session_open(n, g, &session, why);
	if (r >= 0) {
		r = nvenc_ask(n, g, session, why);
		n->api.nvEncDestroyEncoder(session);
	}
	slots_give(&n->slots, slot);
	if (r == -EAGAIN) {
		guess(g);
		return 0;
	}
	if (r >= 0 && !g->can[NVENC_H264].there && !g->can[NVENC_H265].there) {
		tell(why, g, "it has neither H.264 nor H.265");
		return -ENODEV;
	}
	return r;
}

static int gpu_open(struct nvenc *n, int number, struct nvenc_gpu *g, char why[ENCODER_WHY_MAX])
{
	static const char brand[] = "NVIDIA ";
	char name[64] = "";
	const char *model = name;
	CUdevice device;
	CUresult result = n->cuda.device_get(&device, number);

	*g = (struct nvenc_gpu){0};
	if (result == CUDA_SUCCESS)
		result = n->cuda.device_get_name(name, sizeof(name) - 1, device);
	if (strncmp(model, brand, sizeof(brand) - 1) == 0)
		model += sizeof(brand) - 1;
	snprintf(g->name, sizeof(g->name), "%.23s%sGPU %d", model, *model ? ", " : "", number);
	if (result == CUDA_SUCCESS)
		result = n->cuda.ctx_create(&g->context, CU_CTX_SCHED_BLOCKING_SYNC, device);
	if (result != CUDA_SUCCESS) {
		tell(why, g, "%s", cuda_error(&n->cuda, result));
		g->context = NULL;
		return (int)result == 2 ? -ENOMEM : -ENODEV;
	}
	return 0;
}

static int load_api(struct nvenc *n, char why[ENCODER_WHY_MAX])
{
	NVENCSTATUS (*max_version)(uint32_t *) = NULL;
	NVENCSTATUS (*create)(NV_ENCODE_API_FUNCTION_LIST *) = NULL;
	void *library = dlopen("libnvidia-encode.so.1", RTLD_NOW | RTLD_LOCAL);
	uint32_t version = 0;

	if (library) {
		void *a = dlsym(library, "NvEncodeAPIGetMaxSupportedVersion");
		void *b = dlsym(library, "NvEncodeAPICreateInstance");

		memcpy(&max_version, &a, sizeof(a));
		memcpy(&create, &b, sizeof(b));
	}
	if (!max_version || !create) {
		snprintf(why, ENCODER_WHY_MAX,
		         "libnvidia-encode.so.1 cannot be loaded: Debian has it in "
		         "libnvidia-encode1");
		return -ENODEV;
	}
	n->api = (NV_ENCODE_API_FUNCTION_LIST){.version = NV_ENCODE_API_FUNCTION_LIST_VER};
	/* major << 4 | minor, unlike NVENCAPI_VERSION */
	if (max_version(&version) != NV_ENC_SUCCESS || version < API_NEEDED ||
	    create(&n->api) != NV_ENC_SUCCESS) {
		snprintf(why, ENCODER_WHY_MAX,
		         "NVIDIA's driver has NVENC %u.%u; needed is %d.%d, driver " DRIVER_NEEDED,
		         version >> 4, version & 15, NVENCAPI_MAJOR_VERSION,
		         NVENCAPI_MINOR_VERSION);
		return -ENODEV;
	}
	return 0;
}

int nvenc_load(struct nvenc *n, char why[ENCODER_WHY_MAX])
{
	int r, gpus = 0, worst = -ENODEV;

	snprintf(why, ENCODER_WHY_MAX, "there is no GPU");
	r = cuda_load(&n->cuda, &gpus, why, ENCODER_WHY_MAX);
	if (r >= 0)
		r = load_api(n, why);
	if (r < 0)
		return r;
	slots_open(&n->slots, NVENC_SLOTS);
	/* CUDA shows what CUDA_VISIBLE_DEVICES lets it, and of a divided GPU (MIG) the instance */
	for (int i = 0; i < gpus && n->gpu_count < NVENC_GPUS_MAX; i++) {
		struct nvenc_gpu *g = &n->gpus[n->gpu_count];

		r = gpu_open(n, i, g, why);
		if (r >= 0) {
			r = gpu_probe(n, g, why);
			nvenc_leave(n); /* it was made current with its making */
			if (r < 0)
				nvenc_gpu_lost(n, g);
			else
				n->gpu_count++;
		}
		if (r < 0)
			worst = r;
	}
	if (n->gpu_count == 0)
		return worst;
	why[0] = '\0';
	return 0;
}
