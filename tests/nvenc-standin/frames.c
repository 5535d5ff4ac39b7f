/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/frames.c - libnvidia-encode.so.1: buffers and the way of one picture. Each
 * buffer knows whose turn it is; pages of one that is the driver's cannot be written, and what was
 * in an output is gone when that is unlocked.
 */
#include "tests/nvenc-standin/session.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PITCH 512
#define JUNK 0xa5
#define POISON 0xdb
#define BITSTREAM_SIZE ((size_t)8 << 20)

static struct buffer *buffer_find(struct session *s, const void *handle, enum buffer_kind kind,
                                  const char *function)
{
	struct buffer *b;

	for (b = s->buffers; b && (b != handle || b->kind != kind); b = b->next)
		;
	if (!b)
		standin_violation("%s: no such buffer", function);
	return b;
}

static struct buffer *buffer_new(struct session *s, enum buffer_kind kind, size_t size)
{
	struct buffer *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->kind = kind;
	b->size = size;
	if (size > 0) {
		b->memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		                 -1, 0);
		if (b->memory == MAP_FAILED)
			abort();
	}
	b->next = s->buffers;
	s->buffers = b;
	standin_live(kind == BUFFER_REGISTERED ? LIVE_REGISTERED
	             : kind == BUFFER_MAPPED   ? LIVE_MAPPED
	                                       : LIVE_BUFFERS,
	             1);
	return b;
}

static NVENCSTATUS buffer_destroy(struct session *s, const void *handle, enum buffer_kind kind,
                                  int injected, const char *function)
{
	struct buffer *b = buffer_find(s, handle, kind, function);

	if (!b)
		return NV_ENC_ERR_INVALID_PTR;
	if (b->locked)
		standin_violation("%s: it is locked", function);
	buffer_drop(s, b);
	return RELEASED(injected);
}

/* Bytes of a row, and rows of the height h; 0: not a format of ours. */
static unsigned row_bytes(NV_ENC_BUFFER_FORMAT format, unsigned w)
{
	return format == NV_ENC_BUFFER_FORMAT_ARGB || format == NV_ENC_BUFFER_FORMAT_ABGR ? w * 4
	                                                                                  : w;
}

static size_t rows(NV_ENC_BUFFER_FORMAT format, unsigned h)
{
	return format == NV_ENC_BUFFER_FORMAT_ARGB || format == NV_ENC_BUFFER_FORMAT_ABGR ? h
	       : format == NV_ENC_BUFFER_FORMAT_YUV444 ? (size_t)h * 3
	                                               : (size_t)h + h / 2;
}

/* Returns unless the session is there and has been initialized. */
#define SESSION(s, handle)                                                                \
	do {                                                                              \
		(s) = session_find(handle, __func__);                                     \
		if (!(s))                                                                 \
			return NV_ENC_ERR_INVALID_ENCODERDEVICE;                          \
		if (!(s)->initialized) {                                                  \
			standin_violation("%s: before nvEncInitializeEncoder", __func__); \
			return NV_ENC_ERR_ENCODER_NOT_INITIALIZED;                        \
		}                                                                         \
	} while (0)

/* ---- input by the host */

static NVENCSTATUS nvEncCreateInputBuffer(void *handle, NV_ENC_CREATE_INPUT_BUFFER *p)
{
	struct session *s;
	struct buffer *b;
	unsigned pitch;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_CREATE_INPUT_BUFFER_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	if (p->reserved)
		standin_violation("%s: reserved", __func__);
	if (!session_takes(s, p->bufferFmt))
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "input format %#x", p->bufferFmt);
	if (p->width < s->params.encodeWidth || p->height < s->params.encodeHeight)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "an input smaller than the picture");
	pitch = (row_bytes(p->bufferFmt, p->width) / PITCH + 1) * PITCH;
	b = buffer_new(s, BUFFER_INPUT, pitch * rows(p->bufferFmt, p->height));
	b->format = p->bufferFmt;
	b->w = p->width;
	b->h = p->height;
	b->pitch = pitch;
	memset(b->memory, JUNK, b->size);
	mprotect(b->memory, b->size, PROT_NONE);
	p->inputBuffer = b;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncDestroyInputBuffer(void *handle, NV_ENC_INPUT_PTR buffer)
{
	int injected = standin_call(__func__);
	struct session *s;

	SESSION(s, handle);
	return buffer_destroy(s, buffer, BUFFER_INPUT, injected, __func__);
}

static NVENCSTATUS nvEncLockInputBuffer(void *handle, NV_ENC_LOCK_INPUT_BUFFER *p)
{
	struct session *s;
	struct buffer *b;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_LOCK_INPUT_BUFFER_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	b = buffer_find(s, p->inputBuffer, BUFFER_INPUT, __func__);
	if (!b)
		return NV_ENC_ERR_INVALID_PTR;
	if (b->locked)
		standin_violation("%s: twice", __func__);
	b->locked = true;
	mprotect(b->memory, b->size, PROT_READ | PROT_WRITE);
	p->bufferDataPtr = b->memory;
	p->pitch = b->pitch;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncUnlockInputBuffer(void *handle, NV_ENC_INPUT_PTR buffer)
{
	int injected = standin_call(__func__);
	struct session *s;
	struct buffer *b;

	SESSION(s, handle);
	b = buffer_find(s, buffer, BUFFER_INPUT, __func__);
	if (!b)
		return NV_ENC_ERR_INVALID_PTR;
	if (!b->locked)
		standin_violation("%s: it is not locked", __func__);
	b->locked = false;
	b->filled = true;
	mprotect(b->memory, b->size, PROT_READ);
	return RELEASED(injected);
}

/* ---- input on the device */

static NVENCSTATUS nvEncRegisterResource(void *handle, NV_ENC_REGISTER_RESOURCE *p)
{
	struct session *s;
	struct buffer *b;
	uint64_t device = (uint64_t)(uintptr_t)p->resourceToRegister;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_REGISTER_RESOURCE_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	if (p->resourceType != NV_ENC_INPUT_RESOURCE_TYPE_CUDADEVICEPTR || p->pitch % 4 != 0 ||
	    p->pitch < row_bytes(p->bufferFormat, p->width) || !session_takes(s, p->bufferFormat) ||
	    !standin_memory(device, p->pitch * rows(p->bufferFormat, p->height))) {
		standin_violation("%s: no such memory", __func__);
		return NV_ENC_ERR_RESOURCE_REGISTER_FAILED;
	}
	b = buffer_new(s, BUFFER_REGISTERED, 0);
	b->format = p->bufferFormat;
	b->w = p->width;
	b->h = p->height;
	b->pitch = p->pitch;
	b->device = device;
	p->registeredResource = b;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncUnregisterResource(void *handle, NV_ENC_REGISTERED_PTR resource)
{
	int injected = standin_call(__func__);
	struct session *s;
	struct buffer *b;

	SESSION(s, handle);
	b = buffer_find(s, resource, BUFFER_REGISTERED, __func__);
	if (!b)
		return NV_ENC_ERR_RESOURCE_NOT_REGISTERED;
	if (b->locked)
		standin_violation("%s: it is mapped", __func__);
	buffer_drop(s, b);
	return RELEASED(injected);
}

static NVENCSTATUS nvEncMapInputResource(void *handle, NV_ENC_MAP_INPUT_RESOURCE *p)
{
	struct session *s;
	struct buffer *b, *of;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_MAP_INPUT_RESOURCE_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	of = buffer_find(s, p->registeredResource, BUFFER_REGISTERED, __func__);
	if (!of)
		return NV_ENC_ERR_RESOURCE_NOT_REGISTERED;
	if (of->locked)
		standin_violation("%s: twice", __func__);
	of->locked = true;
	b = buffer_new(s, BUFFER_MAPPED, 0);
	b->format = of->format;
	b->w = of->w;
	b->h = of->h;
	b->pitch = of->pitch;
	b->device = of->device;
	b->of = of;
	b->filled = true;
	p->mappedResource = b;
	p->mappedBufferFmt = of->format;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncUnmapInputResource(void *handle, NV_ENC_INPUT_PTR resource)
{
	int injected = standin_call(__func__);
	struct session *s;
	struct buffer *b;

	SESSION(s, handle);
	b = buffer_find(s, resource, BUFFER_MAPPED, __func__);
	if (!b)
		return NV_ENC_ERR_RESOURCE_NOT_MAPPED;
	b->of->locked = false;
	buffer_drop(s, b);
	return RELEASED(injected);
}

/* ---- output */

static NVENCSTATUS nvEncCreateBitstreamBuffer(void *handle, NV_ENC_CREATE_BITSTREAM_BUFFER *p)
{
	struct session *s;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_CREATE_BITSTREAM_BUFFER_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	if (p->reserved)
		standin_violation("%s: reserved", __func__);
	p->bitstreamBuffer = buffer_new(s, BUFFER_BITSTREAM, BITSTREAM_SIZE);
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncDestroyBitstreamBuffer(void *handle, NV_ENC_OUTPUT_PTR buffer)
{
	int injected = standin_call(__func__);
	struct session *s;

	SESSION(s, handle);
	return buffer_destroy(s, buffer, BUFFER_BITSTREAM, injected, __func__);
}

static NVENCSTATUS nvEncLockBitstream(void *handle, NV_ENC_LOCK_BITSTREAM *p)
{
	struct session *s;
	struct buffer *b;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_LOCK_BITSTREAM_VER);
	RESERVED(p, reserved);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	b = buffer_find(s, p->outputBitstream, BUFFER_BITSTREAM, __func__);
	if (!b)
		return NV_ENC_ERR_INVALID_PTR;
	if (b->locked || !b->filled) {
		standin_violation("%s: %s", __func__, b->locked ? "twice" : "nothing was encoded");
		return NV_ENC_ERR_INVALID_CALL;
	}
	b->locked = true;
	p->bitstreamBufferPtr = b->memory;
	p->bitstreamSizeInBytes = (uint32_t)b->len;
	p->pictureType = b->idr ? NV_ENC_PIC_TYPE_IDR : NV_ENC_PIC_TYPE_P;
	p->pictureStruct = NV_ENC_PIC_STRUCT_FRAME;
	p->outputTimeStamp = b->timestamp;
	p->frameIdx = b->frame;
	p->numSlices = 1;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncUnlockBitstream(void *handle, NV_ENC_OUTPUT_PTR buffer)
{
	int injected = standin_call(__func__);
	struct session *s;
	struct buffer *b;

	SESSION(s, handle);
	b = buffer_find(s, buffer, BUFFER_BITSTREAM, __func__);
	if (!b)
		return NV_ENC_ERR_INVALID_PTR;
	if (!b->locked)
		standin_violation("%s: it is not locked", __func__);
	b->locked = b->filled = false;
	memset(b->memory, POISON, b->len); /* who has not copied it has it no longer */
	return RELEASED(injected);
}

/* ---- one picture */

static int quantizer(const struct session *s, bool idr)
{
	const NV_ENC_RC_PARAMS *rc = &s->config.rcParams;

	if (rc->rateControlMode == NV_ENC_PARAMS_RC_CONSTQP)
		return (int)(idr ? rc->constQP.qpIntra : rc->constQP.qpInterP);
	return rc->targetQuality ? rc->targetQuality : 25;
}

static NVENCSTATUS check_picture(struct session *s, const NV_ENC_PIC_PARAMS *p,
                                 const struct buffer *in, const struct buffer *out)
{
	if (in->locked)
		standin_violation("nvEncEncodePicture: its input is locked");
	if (!in->filled)
		standin_violation("nvEncEncodePicture: nothing was written into its input");
	if (out->filled || out->locked)
		standin_violation("nvEncEncodePicture: its output was not collected");
	if (p->bufferFmt != in->format || p->inputPitch != in->pitch)
		standin_violation("nvEncEncodePicture: format %#x pitch %u, not %#x %u",
		                  p->bufferFmt, p->inputPitch, in->format, in->pitch);
	if (in->kind != BUFFER_MAPPED && /* of those ffmpeg does not say it */
	    (p->inputWidth != s->params.encodeWidth || p->inputHeight != s->params.encodeHeight))
		standin_violation("nvEncEncodePicture: %ux%u", p->inputWidth, p->inputHeight);
	if (p->pictureStruct != NV_ENC_PIC_STRUCT_FRAME)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "pictureStruct");
	if (s->pictures > 0 && p->inputTimeStamp <= s->last_timestamp)
		standin_violation("nvEncEncodePicture: time stands still");
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS encode(struct session *s, const NV_ENC_PIC_PARAMS *p, const struct buffer *in,
                          struct buffer *out)
{
	bool idr = s->pictures == 0 || (p->encodePicFlags & NV_ENC_PIC_FLAG_FORCEIDR);
	bool h265 = session_is_h265(s), full444;
	const uint8_t *pixels = in->device ? standin_memory(in->device, 1) : in->memory, *data;
	struct codec_planes planes;
	size_t len;

	full444 = (h265 ? s->config.encodeCodecConfig.hevcConfig.chromaFormatIDC
	                : s->config.encodeCodecConfig.h264Config.chromaFormatIDC) == 3;
	if (!pixels || convert(in, pixels, in->pitch, full444, s->params.encodeWidth,
	                       s->params.encodeHeight, &planes) < 0)
		return fail(s, NV_ENC_ERR_INVALID_PARAM, "format %#x for this chroma", in->format);
	if (codec_encode(s->codec, &planes, quantizer(s, idr), idr, &data, &len, &out->idr) < 0 ||
	    len > out->size)
		return fail(s, NV_ENC_ERR_GENERIC, "the software encoder failed");
	memcpy(out->memory, data, len);
	out->len = len;
	out->filled = true;
	out->frame = s->pictures++;
	out->timestamp = s->last_timestamp = p->inputTimeStamp;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncEncodePicture(void *handle, NV_ENC_PIC_PARAMS *p)
{
	struct session *s;
	const struct buffer *in;
	struct buffer *out;
	NVENCSTATUS status;

	CALL();
	SESSION(s, handle);
	VERSION(p, NV_ENC_PIC_PARAMS_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	RESERVED(p, reserved3);
	RESERVED(p, reserved4);
	if (p->encodePicFlags & NV_ENC_PIC_FLAG_EOS)
		return NV_ENC_SUCCESS;
	for (in = s->buffers; in && in != p->inputBuffer; in = in->next)
		;
	out = buffer_find(s, p->outputBitstream, BUFFER_BITSTREAM, __func__);
	if (!in || !out || in->kind == BUFFER_BITSTREAM || in->kind == BUFFER_REGISTERED) {
		standin_violation("%s: no such buffer", __func__);
		return NV_ENC_ERR_INVALID_PTR;
	}
	status = check_picture(s, p, in, out);
	if (status != NV_ENC_SUCCESS)
		return status;
	if (s->config.frameIntervalP > 1 || s->config.rcParams.enableLookahead)
		return NV_ENC_ERR_NEED_MORE_INPUT; /* and never has enough: nobody may want that */
	return encode(s, p, in, out);
}

void frames_fill_list(NV_ENCODE_API_FUNCTION_LIST *list)
{
	list->nvEncCreateInputBuffer = nvEncCreateInputBuffer;
	list->nvEncDestroyInputBuffer = nvEncDestroyInputBuffer;
	list->nvEncLockInputBuffer = nvEncLockInputBuffer;
	list->nvEncUnlockInputBuffer = nvEncUnlockInputBuffer;
	list->nvEncRegisterResource = nvEncRegisterResource;
	list->nvEncUnregisterResource = nvEncUnregisterResource;
	list->nvEncMapInputResource = nvEncMapInputResource;
	list->nvEncUnmapInputResource = nvEncUnmapInputResource;
	list->nvEncCreateBitstreamBuffer = nvEncCreateBitstreamBuffer;
	list->nvEncDestroyBitstreamBuffer = nvEncDestroyBitstreamBuffer;
	list->nvEncLockBitstream = nvEncLockBitstream;
	list->nvEncUnlockBitstream = nvEncUnlockBitstream;
	list->nvEncEncodePicture = nvEncEncodePicture;
}
