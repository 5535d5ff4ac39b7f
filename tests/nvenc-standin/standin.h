/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/standin.h - a libcuda.so.1 and a libnvidia-encode.so.1 that need no GPU, for
 * tests only: found by LD_LIBRARY_PATH, never installed. They are stricter than a driver: whatever
 * the headers forbid is a violation, and what a mistake with device memory, pitches or lifetimes
 * would do on hardware happens here too (a fault, or garbage in the picture).
 *
 * NVENC_STANDIN, words with blanks between:
 *   FUNC:N=STATUS  the Nth call of FUNC (from 1; 0: each) fails so. What gives things back does its
 *                  work all the same; opening a session leaves a handle, to be destroyed.
 *   FUNC:N=+MSEC   the Nth call takes that much longer
 *   devices=N      GPUs (1); dead=N: so many of them, from the first, cannot encode
 *   sessions=N     no more at a time in all processes, counted by locks in slots=FOLDER;
 *   refusal=STATUS what one too many gets (21)
 *   vram=MIB       memory of each GPU (1024)
 *   api=N          what the driver supports, major << 4 | minor (0xb1)
 *   max=N min=N    sides of a picture (4096, 64)
 *   no=WORD        what its GPUs cannot: h264, h265, 444, rcchange
 * NVENC_STANDIN_REPORT: a file for what was called, violations, and what is left at the end.
 *
 * It holds its author's reading of the headers. No word of it was compared with hardware.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

/* ---- standin.c, in libcuda.so.1 */

struct standin_options {
	unsigned devices, dead, sessions, refusal, vram, api, max, min;
	bool no_h264, no_h265, no_444, no_rcchange;
	char slots[256];
};

enum standin_live {
	LIVE_CONTEXTS,
	LIVE_CURRENT, /* contexts on the threads' stacks */
	LIVE_ALLOCATIONS,
	LIVE_SESSIONS,
	LIVE_BUFFERS,
	LIVE_REGISTERED,
	LIVE_MAPPED,
	LIVE_MAX_,
};

EXPORT const struct standin_options *standin_options(void);
/* Counts the call and waits as told; the status that it is to return, or -1. */
EXPORT int standin_call(const char *name);
EXPORT void standin_violation(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line of the report. */
EXPORT void standin_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
EXPORT void standin_live(enum standin_live what, int change);

/* ---- cuda.c, for libnvidia-encode.so.1 */

/* The GPU of a context, -1: there is no such context. */
EXPORT int standin_context_device(const void *context);
/* Sessions on it, so that destroying it under them is noticed. */
EXPORT void standin_context_use(const void *context, int change);
/* What a device pointer stands for, if len bytes from there are allocated; else NULL. */
EXPORT uint8_t *standin_memory(uint64_t pointer, size_t len);
EXPORT bool standin_take_vram(int device, int64_t bytes); /* negative: gives back */

/* ---- codec.c: makes real pictures of real pixels */

struct codec_config {
	bool h265, full444, cavlc, no_deblock, full_range;
	const char *profile;        /* of H.264, as libx264 calls them */
	unsigned w, h, fps, matrix; /* matrix: as in the headers of a stream; 2: not said */
};

struct codec_planes {
	const uint8_t *y, *u, *v;
	int stride, stride_c;
};

struct codec;
struct codec *codec_new(const struct codec_config *config);
/* 0 and what was made, valid until the next call; or -1. */
int codec_encode(struct codec *c, const struct codec_planes *in, int qp, bool idr,
                 const uint8_t **ret, size_t *ret_len, bool *ret_idr);
void codec_free(struct codec *c);
