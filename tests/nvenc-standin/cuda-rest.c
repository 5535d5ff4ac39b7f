/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/cuda-rest.c - names that ffmpeg's loader does not do without, of functions
 * that encoding has no use for.
 */
#include "tests/nvenc-standin/standin.h"

#include <ffnvcodec/dynlink_cuda.h>
#include <stdio.h>

#define NOT_SUPPORTED 801

EXPORT tcuGetErrorName cuGetErrorName;
EXPORT tcuGetErrorString cuGetErrorString;

CUresult cuGetErrorName(CUresult error, const char **pstr)
{
	static __thread char text[32];

	*pstr = text;
	snprintf(text, sizeof(text), (int)error == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_%d",
	         (int)error);
	return CUDA_SUCCESS;
}

CUresult cuGetErrorString(CUresult error, const char **pstr)
{
	return cuGetErrorName(error, pstr);
}

#define REST(name)                                          \
	EXPORT int name(void);                              \
	int name(void)                                      \
	{                                                   \
		standin_violation(#name " is not in here"); \
		return NOT_SUPPORTED;                       \
	}

REST(cuCtxSetLimit)
REST(cuMemAllocManaged)
REST(cuMemsetD8Async)
REST(cuMemcpy)
REST(cuMemcpyAsync)
REST(cuMemcpyHtoD_v2)
REST(cuMemcpyHtoDAsync_v2)
REST(cuMemcpyDtoH_v2)
REST(cuMemcpyDtoHAsync_v2)
REST(cuMemcpyDtoD_v2)
REST(cuMemcpyDtoDAsync_v2)
REST(cuDevicePrimaryCtxRetain)
REST(cuDevicePrimaryCtxRelease)
REST(cuDevicePrimaryCtxSetFlags)
REST(cuDevicePrimaryCtxGetState)
REST(cuDevicePrimaryCtxReset)
REST(cuStreamCreate)
REST(cuStreamQuery)
REST(cuStreamDestroy_v2)
REST(cuStreamAddCallback)
REST(cuEventCreate)
REST(cuEventDestroy_v2)
REST(cuEventSynchronize)
REST(cuEventQuery)
REST(cuEventRecord)
REST(cuLaunchKernel)
REST(cuLinkCreate)
REST(cuLinkAddData)
REST(cuLinkComplete)
REST(cuLinkDestroy)
REST(cuModuleLoadData)
REST(cuModuleUnload)
REST(cuModuleGetFunction)
REST(cuModuleGetGlobal)
REST(cuTexObjectCreate)
REST(cuTexObjectDestroy)
REST(cuGLGetDevices_v2)
REST(cuGraphicsGLRegisterImage)
REST(cuGraphicsUnregisterResource)
REST(cuGraphicsMapResources)
REST(cuGraphicsUnmapResources)
REST(cuGraphicsSubResourceGetMappedArray)
REST(cuGraphicsResourceGetMappedPointer_v2)
REST(cuArray3DCreate_v2)
REST(cuArrayDestroy)
