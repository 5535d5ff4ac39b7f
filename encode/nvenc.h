/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/nvenc.h - what the parts of encode-nvenc.so share: GPUs and what they can, settings.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <ffnvcodec/nvEncodeAPI.h>

#include "encode/cuda.h"
#include "encode/encoder.h"
#include "encode/slots.h"

#define NVENC_GPUS_MAX 16
#define NVENC_SLOTS "/run/xproxy/nvenc"

enum nvenc_codec { NVENC_H264, NVENC_H265, NVENC_CODECS };

/* What a GPU can with one codec. */
struct nvenc_can {
	bool there, full444, custom_vbv, change_rate, change_mode;
	uint16_t min_w, min_h, max_w, max_h;
	uint32_t max_blocks; /* of 16 x 16; 0: not said */
};

struct nvenc_gpu {
	CUcontext context; /* NULL: it is of no use */
	unsigned streams;
	bool asked; /* can is what it has said; else a guess, as it had no session free */
	struct nvenc_can can[NVENC_CODECS];
	char name[56]; /* "GeForce RTX 4070, GPU 0" */
};

/* One driver in the process. */
struct nvenc {
	struct cuda cuda;
	NV_ENCODE_API_FUNCTION_LIST api;
	struct nvenc_gpu gpus[NVENC_GPUS_MAX];
	size_t gpu_count;
	struct slots slots;
};

/* ---- nvenc_gpu.c */

/* Libraries, versions, a context on each GPU that can encode. 0, or a negative errno and why. */
int nvenc_load(struct nvenc *n, char why[ENCODER_WHY_MAX]);
/* Opens a session. 0 and *ret, or a negative errno, and why. */
int nvenc_session_open(struct nvenc *n, struct nvenc_gpu *g, void **ret, char why[ENCODER_WHY_MAX]);
/* Asks what the GPU can. 0 or a negative errno, and why. */
int nvenc_ask(const struct nvenc *n, struct nvenc_gpu *g, void *session, char why[ENCODER_WHY_MAX]);
/* It is of no more use; its context goes with the last stream. */
void nvenc_gpu_lost(struct nvenc *n, struct nvenc_gpu *g);
/* 0, -EAGAIN, -EOPNOTSUPP, or -ENODEV: do not come back to this GPU; and why, if it is not 0. */
int nvenc_status(const struct nvenc *n, const struct nvenc_gpu *g, void *session,
                 NVENCSTATUS status, const char *what, char why[ENCODER_WHY_MAX]);
/* The GPU's context is current for this thread, or no longer. */
int nvenc_enter(const struct nvenc *n, const struct nvenc_gpu *g);
void nvenc_leave(const struct nvenc *n);

/* Once more, a few times, where the driver says that it is busy just now. */
#define NVENC_TRIES 5
#define NVENC_PATIENTLY(call)                                                                     \
	({                                                                                        \
		NVENCSTATUS status_;                                                              \
		unsigned tries_ = 0;                                                              \
                                                                                                  \
		while ((status_ = (call),                                                         \
		        status_ == NV_ENC_ERR_ENCODER_BUSY || status_ == NV_ENC_ERR_LOCK_BUSY) && \
		       ++tries_ < NVENC_TRIES)                                                    \
			nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);                  \
		status_;                                                                          \
	})

/* ---- nvenc_settings.c */

GUID nvenc_codec_guid(enum coding coding);
/* The preset for a speed. */
GUID nvenc_preset(uint8_t speed);
#define NVENC_TUNING NV_ENC_TUNING_INFO_ULTRA_LOW_LATENCY
/* 0 or -EOPNOTSUPP. */
int nvenc_fits(const struct nvenc_can *can, const struct encoder_params *p);
/* How many bits: into what the preset says. */
void nvenc_rate(NV_ENC_RC_PARAMS *rc, const struct encoder_quality *q, const struct nvenc_can *can);
/* Makes a preset's settings ours. config is kept in *params. */
void nvenc_settings(const struct encoder_params *p, const struct nvenc_can *can,
                    NV_ENC_CONFIG *config, NV_ENC_INITIALIZE_PARAMS *params);
