/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/cuda.c - libcuda.so.1, as far as encoders use it: devices, a stack of
 * contexts for each thread, memory whose addresses fault when the host touches them. The other
 * functions that ffmpeg wants to find are there, and a violation when called.
 */
#include "tests/nvenc-standin/standin.h"

#include <ffnvcodec/dynlink_cuda.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OK CUDA_SUCCESS
#define INVALID_VALUE ((CUresult)1)
#define OUT_OF_MEMORY ((CUresult)2)
#define NOT_INITIALIZED ((CUresult)3)
#define NO_DEVICE ((CUresult)100)
#define INVALID_DEVICE ((CUresult)101)
#define INVALID_CONTEXT ((CUresult)201)
#define NOT_SUPPORTED ((CUresult)801)

#define DEVICES_MAX 8
#define STACK_MAX 16
#define CONTEXT_BYTES ((int64_t)64 << 20)
#define PITCH 512
#define JUNK 0xa5

struct CUctx_st {
	CUdevice device;
	int uses;
	struct CUctx_st *next;
};

/* Reserved for the host to fault on; what is in it lies elsewhere. */
struct allocation {
	uint8_t *reserved, *backing;
	size_t len;
	const struct CUctx_st *context;
	struct allocation *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct CUctx_st *contexts;
static struct allocation *allocations;
static int64_t vram_used[DEVICES_MAX];
static bool initialized;
static __thread CUcontext stack[STACK_MAX];
static __thread unsigned depth;

#define CALL()                                          \
	do {                                            \
		int injected_ = standin_call(__func__); \
		if (injected_ >= 0)                     \
			return (CUresult)injected_;     \
	} while (0)
/* For what gives back: an injected error is returned, the work is done. */
#define RELEASE(result)                                               \
	do {                                                          \
		return injected >= 0 ? (CUresult)injected : (result); \
	} while (0)

EXPORT tcuInit cuInit;
EXPORT CUresult cuDriverGetVersion(int *version);
EXPORT tcuDeviceGetCount cuDeviceGetCount;
EXPORT tcuDeviceGet cuDeviceGet;
EXPORT tcuDeviceGetName cuDeviceGetName;
EXPORT tcuDeviceGetAttribute cuDeviceGetAttribute;
EXPORT tcuDeviceComputeCapability cuDeviceComputeCapability;
EXPORT tcuCtxCreate_v2 cuCtxCreate_v2;
EXPORT tcuCtxPushCurrent_v2 cuCtxPushCurrent_v2;
EXPORT tcuCtxPopCurrent_v2 cuCtxPopCurrent_v2;
EXPORT tcuCtxDestroy_v2 cuCtxDestroy_v2;
EXPORT tcuCtxGetDevice cuCtxGetDevice;
EXPORT CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total);
EXPORT tcuMemAlloc_v2 cuMemAlloc_v2;
EXPORT tcuMemAllocPitch_v2 cuMemAllocPitch_v2;
EXPORT tcuMemFree_v2 cuMemFree_v2;
EXPORT tcuMemcpy2D_v2 cuMemcpy2D_v2;
EXPORT tcuMemcpy2DAsync_v2 cuMemcpy2DAsync_v2;
EXPORT tcuStreamSynchronize cuStreamSynchronize;

static struct CUctx_st *context_find(const void *context)
{
	for (struct CUctx_st *c = contexts; c; c = c->next)
		if (c == context)
			return c;
	return NULL;
}

static CUcontext current(const char *function)
{
	if (depth == 0) {
		standin_violation("%s without a current context", function);
		return NULL;
	}
	return stack[depth - 1];
}

int standin_context_device(const void *context)
{
	const struct CUctx_st *c;

	pthread_mutex_lock(&lock);
	c = context_find(context);
	pthread_mutex_unlock(&lock);
	return c ? c->device : -1;
}

void standin_context_use(const void *context, int change)
{
	struct CUctx_st *c;

	pthread_mutex_lock(&lock);
	c = context_find(context);
	if (c)
		c->uses += change;
	pthread_mutex_unlock(&lock);
}

bool standin_take_vram(int device, int64_t bytes)
{
	int64_t total = (int64_t)standin_options()->vram << 20;
	bool fits;

	pthread_mutex_lock(&lock);
	fits = bytes < 0 || vram_used[device] + bytes <= total;
	if (fits)
		vram_used[device] += bytes;
	pthread_mutex_unlock(&lock);
	return fits;
}

/* ---- devices */

CUresult cuInit(unsigned flags)
{
	CALL();
	if (flags != 0)
		standin_violation("cuInit: flags %u", flags);
	if (standin_options()->devices == 0)
		return NO_DEVICE;
	initialized = true;
	return OK;
}

CUresult cuDriverGetVersion(int *version)
{
	CALL();
	*version = 11040;
	return OK;
}

CUresult cuDeviceGetCount(int *count)
{
	CALL();
	if (!initialized) {
		standin_violation("cuDeviceGetCount before cuInit");
		return NOT_INITIALIZED;
	}
	*count = (int)standin_options()->devices;
	return OK;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	CALL();
	if (ordinal < 0 || ordinal >= (int)standin_options()->devices || ordinal >= DEVICES_MAX)
		return INVALID_DEVICE;
	*device = ordinal;
	return OK;
}

CUresult cuDeviceGetName(char *name, int len, CUdevice dev)
{
	CALL();
	snprintf(name, (size_t)len, "NVIDIA Stand-in %c", 'A' + dev);
	return OK;
}

CUresult cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
{
	CALL();
	(void)dev;
	*pi = attrib == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR ? 7
	      : attrib == CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT      ? PITCH
	                                                             : 5;
	return OK;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	CALL();
	(void)dev;
	*major = 7;
	*minor = 5;
	return OK;
}

/* ---- contexts */

CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned flags, CUdevice dev)
{
	struct CUctx_st *c;

	CALL();
	(void)flags;
	if (!initialized || dev < 0 || dev >= (int)standin_options()->devices)
		return INVALID_DEVICE;
	if (!standin_take_vram(dev, CONTEXT_BYTES))
		return OUT_OF_MEMORY;
	c = calloc(1, sizeof(*c));
	if (!c || depth == STACK_MAX)
		abort();
	c->device = dev;
	pthread_mutex_lock(&lock);
	c->next = contexts;
	contexts = c;
	pthread_mutex_unlock(&lock);
	standin_live(LIVE_CONTEXTS, 1);
	stack[depth++] = c; /* left current, as by the real one */
	standin_live(LIVE_CURRENT, 1);
	*pctx = c;
	return OK;
}

CUresult cuCtxPushCurrent_v2(CUcontext ctx)
{
	CALL();
	if (standin_context_device(ctx) < 0) {
		standin_violation("cuCtxPushCurrent: no such context");
		return INVALID_CONTEXT;
	}
	if (depth == STACK_MAX) {
		standin_violation("cuCtxPushCurrent: %d deep", STACK_MAX);
		return INVALID_VALUE;
	}
	stack[depth++] = ctx;
	standin_live(LIVE_CURRENT, 1);
	return OK;
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx)
{
	int injected = standin_call(__func__);

	if (!current("cuCtxPopCurrent"))
		return INVALID_CONTEXT;
	depth--;
	standin_live(LIVE_CURRENT, -1);
	if (pctx)
		*pctx = stack[depth];
	RELEASE(OK);
}

CUresult cuCtxDestroy_v2(CUcontext ctx)
{
	int injected = standin_call(__func__);
	struct CUctx_st *c, **at;

	pthread_mutex_lock(&lock);
	for (at = &contexts; *at && *at != ctx; at = &(*at)->next)
		;
	c = *at;
	if (c)
		*at = c->next;
	pthread_mutex_unlock(&lock);
	if (!c) {
		standin_violation("cuCtxDestroy: no such context");
		return INVALID_CONTEXT;
	}
	if (c->uses > 0)
		standin_violation("cuCtxDestroy under %d sessions", c->uses);
	for (const struct allocation *a = allocations; a; a = a->next)
		if (a->context == c)
			standin_violation("cuCtxDestroy under %zu bytes of memory", a->len);
	if (depth > 0 && stack[depth - 1] == c) {
		depth--;
		standin_live(LIVE_CURRENT, -1);
	}
	standin_take_vram(c->device, -CONTEXT_BYTES);
	standin_live(LIVE_CONTEXTS, -1);
	free(c);
	RELEASE(OK);
}

CUresult cuCtxGetDevice(CUdevice *device)
{
	CALL();
	if (!current("cuCtxGetDevice"))
		return INVALID_CONTEXT;
	*device = stack[depth - 1]->device;
	return OK;
}

/* ---- memory */

uint8_t *standin_memory(uint64_t pointer, size_t len)
{
	uint8_t *found = NULL;

	pthread_mutex_lock(&lock);
	for (const struct allocation *a = allocations; a && !found; a = a->next) {
		uint64_t from = (uint64_t)(uintptr_t)a->reserved;

		if (pointer >= from && pointer - from <= a->len && len <= a->len - (pointer - from))
			found = a->backing + (pointer - from);
	}
	pthread_mutex_unlock(&lock);
	return found;
}

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total)
{
	CALL();
	if (!current("cuMemGetInfo"))
		return INVALID_CONTEXT;
	*total = (size_t)standin_options()->vram << 20;
	*free_bytes = *total - (size_t)vram_used[stack[depth - 1]->device];
	return OK;
}

static CUresult allocate(const char *function, CUdeviceptr *ret, size_t len)
{
	struct allocation *a;

	if (!current(function))
		return INVALID_CONTEXT;
	if (!standin_take_vram(stack[depth - 1]->device, (int64_t)len))
		return OUT_OF_MEMORY;
	a = calloc(1, sizeof(*a));
	if (!a)
		abort();
	a->len = len;
	a->context = stack[depth - 1];
	a->reserved = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	a->backing = malloc(len);
	if (a->reserved == MAP_FAILED || !a->backing)
		abort();
	memset(a->backing, JUNK, len);
	pthread_mutex_lock(&lock);
	a->next = allocations;
	allocations = a;
	pthread_mutex_unlock(&lock);
	standin_live(LIVE_ALLOCATIONS, 1);
	*ret = (CUdeviceptr)(uintptr_t)a->reserved;
	return OK;
}

CUresult cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	CALL();
	return allocate("cuMemAlloc", dptr, bytesize);
}

CUresult cuMemAllocPitch_v2(CUdeviceptr *dptr, size_t *pitch, size_t width, size_t height,
                            unsigned element)
{
	CALL();
	(void)element;
	*pitch = (width / PITCH + 1) * PITCH; /* never what a row has */
	return allocate("cuMemAllocPitch", dptr, *pitch * height);
}

CUresult cuMemFree_v2(CUdeviceptr dptr)
{
	int injected = standin_call(__func__);
	struct allocation *a, **at;

	if (!current("cuMemFree"))
		return INVALID_CONTEXT;
	pthread_mutex_lock(&lock);
	for (at = &allocations; *at && (CUdeviceptr)(uintptr_t)(*at)->reserved != dptr;
	     at = &(*at)->next)
		;
	a = *at;
	if (a)
		*at = a->next;
	pthread_mutex_unlock(&lock);
	if (!a) {
		standin_violation("cuMemFree: nothing is allocated there");
		return INVALID_VALUE;
	}
	standin_take_vram(a->context->device, -(int64_t)a->len);
	standin_live(LIVE_ALLOCATIONS, -1);
	munmap(a->reserved, a->len);
	free(a->backing);
	free(a);
	RELEASE(OK);
}

/* The bytes of one side of a copy; NULL: not there. */
static uint8_t *side(CUmemorytype type, const void *host, CUdeviceptr device, size_t x, size_t y,
                     size_t pitch, const CUDA_MEMCPY2D *c)
{
	size_t offset = y * pitch + x;

	if (type == CU_MEMORYTYPE_HOST)
		return (uint8_t *)(uintptr_t)host + offset;
	if (type != CU_MEMORYTYPE_DEVICE)
		return NULL;
	return standin_memory(device + offset, (c->Height - 1) * pitch + c->WidthInBytes);
}

static CUresult copy(const char *function, const CUDA_MEMCPY2D *c)
{
	const uint8_t *from;
	uint8_t *to;

	if (!current(function))
		return INVALID_CONTEXT;
	if (c->Height == 0 || c->WidthInBytes == 0)
		return OK;
	from = side(c->srcMemoryType, c->srcHost, c->srcDevice, c->srcXInBytes, c->srcY,
	            c->srcPitch, c);
	to = side(c->dstMemoryType, c->dstHost, c->dstDevice, c->dstXInBytes, c->dstY, c->dstPitch,
	          c);
	if (!from || !to || c->srcPitch < c->WidthInBytes || c->dstPitch < c->WidthInBytes) {
		standin_violation("%s: a copy outside what is allocated", function);
		return INVALID_VALUE;
	}
	for (size_t y = 0; y < c->Height; y++)
		memcpy(to + y * c->dstPitch, from + y * c->srcPitch, c->WidthInBytes);
	return OK;
}

CUresult cuMemcpy2D_v2(const CUDA_MEMCPY2D *pcopy)
{
	CALL();
	return copy("cuMemcpy2D", pcopy);
}

CUresult cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *pcopy, CUstream stream)
{
	CALL();
	(void)stream;
	return copy("cuMemcpy2DAsync", pcopy);
}

CUresult cuStreamSynchronize(CUstream stream)
{
	CALL();
	(void)stream;
	return OK;
}
