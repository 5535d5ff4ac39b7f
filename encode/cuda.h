/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/cuda.h - the few functions of libcuda.so.1 that encoding on a GPU takes. A table of our
 * own: the loader that comes with the headers wants 64 and writes on stderr.
 */
#pragma once

#include <stddef.h>

#include <ffnvcodec/dynlink_cuda.h>

struct cuda {
	tcuInit *init;
	tcuDeviceGetCount *device_get_count;
	tcuDeviceGet *device_get;
	tcuDeviceGetName *device_get_name;
	tcuCtxCreate_v2 *ctx_create;
	tcuCtxPushCurrent_v2 *ctx_push_current;
	tcuCtxPopCurrent_v2 *ctx_pop_current;
	tcuCtxDestroy_v2 *ctx_destroy;
	tcuGetErrorName *get_error_name;
};

/* Finds the driver and starts it: files and devices, threads of its own. 0 and *ret_gpus, or a
 * negative errno and why. Not in a process that forks afterwards. */
int cuda_load(struct cuda *c, int *ret_gpus, char *why, size_t size);

/* What a result is called. */
const char *cuda_error(const struct cuda *c, CUresult result);
