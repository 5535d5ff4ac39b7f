/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/cuda.c - finds NVIDIA's driver. Encoder process, no privilege, before it is locked. System
 * calls: those of dlopen() and of the driver.
 */
#include "encode/cuda.h"

#include <dlfcn.h>
#include <errno.h>

#include "base/macros.h"

const char *cuda_error(const struct cuda *c, CUresult result)
{
	const char *name = NULL;

	if (c->get_error_name(result, &name) != CUDA_SUCCESS || !name)
		return "an unknown error";
	return name;
}

int cuda_load(struct cuda *c, int *ret_gpus, char *why, size_t size)
{
	const struct {
		const char *name;
		void *to;
	} table[] = {
		{"cuInit", &c->init},
		{"cuDeviceGetCount", &c->device_get_count},
		{"cuDeviceGet", &c->device_get},
		{"cuDeviceGetName", &c->device_get_name},
		{"cuCtxCreate_v2", &c->ctx_create},
		{"cuCtxPushCurrent_v2", &c->ctx_push_current},
		{"cuCtxPopCurrent_v2", &c->ctx_pop_current},
		{"cuCtxDestroy_v2", &c->ctx_destroy},
		{"cuGetErrorName", &c->get_error_name},
	};
	void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	CUresult result;

	if (!library) {
		snprintf(why, size, "libcuda.so.1 cannot be loaded: is NVIDIA's driver installed?");
		return -ENODEV;
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		void *f = dlsym(library, table[i].name);

		if (!f) {
			snprintf(why, size, "libcuda.so.1 lacks %s", table[i].name);
			return -ENODEV;
		}
		memcpy(table[i].to, &f, sizeof(f));
	}
	result = c->init(0);
	if (result == CUDA_SUCCESS)
		result = c->device_get_count(ret_gpus);
	if (result != CUDA_SUCCESS) {
		snprintf(why, size, "no GPU can be used: %s", cuda_error(c, result));
		return -ENODEV;
	}
	return 0;
}
