/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/session.c - libnvidia-encode.so.1: versions, sessions, what a GPU can.
 */
#include "tests/nvenc-standin/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#define SESSION_BYTES ((int64_t)32 << 20)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct session *sessions;

EXPORT NVENCSTATUS NvEncodeAPIGetMaxSupportedVersion(uint32_t *version);
EXPORT NVENCSTATUS NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list);

bool all_zero(const void *p, size_t len)
{
	const uint8_t *bytes = p;

	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

NVENCSTATUS fail(struct session *s, NVENCSTATUS status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(s->error, sizeof(s->error), format, ap);
	va_end(ap);
	standin_note("refused: %s", s->error);
	return status;
}

struct session *session_find(void *handle, const char *function)
{
	struct session *s;

	pthread_mutex_lock(&lock);
	for (s = sessions; s && s != handle; s = s->next)
		;
	pthread_mutex_unlock(&lock);
	if (!s)
		standin_violation("%s: no such session", function);
	else if (s->broken && strcmp(function, "nvEncDestroyEncoder") != 0)
		standin_violation("%s: on a session that was refused", function);
	return s;
}

bool session_is_h265(const struct session *s)
{
	return SAME(s->params.encodeGUID, NV_ENC_CODEC_HEVC_GUID);
}

/* ---- opening */

/* One of so many files, shared with all processes; -1: all are taken. */
static int take_slot(void)
{
	const struct standin_options *o = standin_options();
	char path[320];

	for (unsigned i = 0; i < o->sessions; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/session-%u", o->slots, i);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -1;
}

static NVENCSTATUS may_open(struct session *s, const NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *p)
{
	const struct standin_options *o = standin_options();

	s->device = standin_context_device(p->device);
	if (s->device < 0) {
		standin_violation("nvEncOpenEncodeSessionEx: no such context");
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	}
	if (s->device < (int)o->dead)
		return NV_ENC_ERR_UNSUPPORTED_DEVICE;
	if (!standin_take_vram(s->device, SESSION_BYTES))
		return NV_ENC_ERR_OUT_OF_MEMORY;
	s->context = p->device;
	if (o->sessions > 0) {
		s->slot_fd = take_slot();
		if (s->slot_fd < 0)
			return (NVENCSTATUS)o->refusal;
	}
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncOpenEncodeSessionEx(NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS *p, void **ret)
{
	int injected = standin_call(__func__);
	struct session *s;
	NVENCSTATUS status;

	VERSION(p, NV_ENC_OPEN_ENCODE_SESSION_EX_PARAMS_VER);
	RESERVED(p, reserved1);
	RESERVED(p, reserved2);
	if (p->reserved || p->deviceType != NV_ENC_DEVICE_TYPE_CUDA ||
	    p->apiVersion != NVENCAPI_VERSION) {
		standin_violation("%s: reserved, deviceType or apiVersion", __func__);
		return NV_ENC_ERR_INVALID_PARAM;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->slot_fd = -1;
	status = injected >= 0 ? (NVENCSTATUS)injected : may_open(s, p);
	if (s->context)
		standin_context_use(s->context, 1);
	s->broken = status != NV_ENC_SUCCESS;
	pthread_mutex_lock(&lock);
	s->next = sessions;
	sessions = s;
	pthread_mutex_unlock(&lock);
	standin_live(LIVE_SESSIONS, 1);
	*ret = s; /* also of one that was refused: it has to be destroyed */
	return status;
}

void buffer_drop(struct session *s, struct buffer *b)
{
	struct buffer **at = &s->buffers;

	while (*at && *at != b)
		at = &(*at)->next;
	if (*at)
		*at = b->next;
	if (b->memory)
		munmap(b->memory, b->size);
	standin_live(b->kind == BUFFER_REGISTERED ? LIVE_REGISTERED
	             : b->kind == BUFFER_MAPPED   ? LIVE_MAPPED
	                                          : LIVE_BUFFERS,
	             -1);
	free(b);
}

static NVENCSTATUS nvEncDestroyEncoder(void *handle)
{
	int injected = standin_call(__func__);
	struct session *s = session_find(handle, __func__), **at;

	if (!s)
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	for (const struct buffer *b = s->buffers; b; b = b->next)
		standin_violation("%s: a buffer of kind %d is left%s", __func__, b->kind,
		                  b->locked ? ", locked" : "");
	while (s->buffers)
		buffer_drop(s, s->buffers);
	pthread_mutex_lock(&lock);
	for (at = &sessions; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	pthread_mutex_unlock(&lock);
	if (s->context) {
		if (standin_context_device(s->context) < 0)
			standin_violation("%s: its context is gone", __func__);
		standin_context_use(s->context, -1);
		standin_take_vram(s->device, -SESSION_BYTES);
	}
	if (s->slot_fd >= 0)
		close(s->slot_fd);
	codec_free(s->codec);
	free(s);
	standin_live(LIVE_SESSIONS, -1);
	return RELEASED(injected);
}

static const char *nvEncGetLastErrorString(void *handle)
{
	struct session *s = session_find(handle, __func__);

	standin_call(__func__);
	return s ? s->error : "no such session";
}

/* ---- what it can */

static uint32_t guids(GUID *ret, uint32_t max)
{
	uint32_t n = 0;

	if (!standin_options()->no_h264 && n < max)
		ret[n++] = NV_ENC_CODEC_H264_GUID;
	if (!standin_options()->no_h265 && n < max)
		ret[n++] = NV_ENC_CODEC_HEVC_GUID;
	return n;
}

static NVENCSTATUS nvEncGetEncodeGUIDCount(void *handle, uint32_t *count)
{
	GUID all[4];

	CALL();
	if (!session_find(handle, __func__))
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	*count = guids(all, 4);
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncGetEncodeGUIDs(void *handle, GUID *list, uint32_t size, uint32_t *count)
{
	CALL();
	if (!session_find(handle, __func__))
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	*count = guids(list, size);
	return NV_ENC_SUCCESS;
}

static const NV_ENC_BUFFER_FORMAT formats[] = {
	NV_ENC_BUFFER_FORMAT_NV12,   NV_ENC_BUFFER_FORMAT_YV12, NV_ENC_BUFFER_FORMAT_IYUV,
	NV_ENC_BUFFER_FORMAT_YUV444, NV_ENC_BUFFER_FORMAT_ARGB, NV_ENC_BUFFER_FORMAT_ABGR,
};
#define FORMATS (sizeof(formats) / sizeof(formats[0]))

bool session_takes(const struct session *s, NV_ENC_BUFFER_FORMAT format)
{
	(void)s;
	for (size_t i = 0; i < FORMATS; i++)
		if (formats[i] == format)
			return format != NV_ENC_BUFFER_FORMAT_YUV444 || !standin_options()->no_444;
	return false;
}

static NVENCSTATUS nvEncGetInputFormatCount(void *handle, GUID codec, uint32_t *count)
{
	CALL();
	(void)codec;
	if (!session_find(handle, __func__))
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	*count = FORMATS;
	return NV_ENC_SUCCESS;
}

static NVENCSTATUS nvEncGetInputFormats(void *handle, GUID codec, NV_ENC_BUFFER_FORMAT *list,
                                        uint32_t size, uint32_t *count)
{
	struct session *s = session_find(handle, __func__);

	CALL();
	(void)codec;
	if (!s)
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	*count = 0;
	for (size_t i = 0; i < FORMATS && *count < size; i++)
		if (session_takes(s, formats[i]))
			list[(*count)++] = formats[i];
	return NV_ENC_SUCCESS;
}

static int caps_value(NV_ENC_CAPS cap, bool h265)
{
	const struct standin_options *o = standin_options();
	const struct {
		NV_ENC_CAPS cap;
		int value;
	} known[] = {
		{NV_ENC_CAPS_SUPPORTED_RATECONTROL_MODES, 0x3f},
		{NV_ENC_CAPS_SUPPORT_CABAC, !h265},
		{NV_ENC_CAPS_WIDTH_MAX, (int)o->max},
		{NV_ENC_CAPS_HEIGHT_MAX, (int)o->max},
		{NV_ENC_CAPS_WIDTH_MIN, (int)o->min},
		{NV_ENC_CAPS_HEIGHT_MIN, (int)o->min},
		{NV_ENC_CAPS_MB_NUM_MAX, 65536},
		{NV_ENC_CAPS_MB_PER_SEC_MAX, 983040},
		{NV_ENC_CAPS_SUPPORT_DYN_RES_CHANGE, 1},
		{NV_ENC_CAPS_SUPPORT_DYN_BITRATE_CHANGE, 1},
		{NV_ENC_CAPS_SUPPORT_DYN_RCMODE_CHANGE, !o->no_rcchange},
		{NV_ENC_CAPS_SUPPORT_CUSTOM_VBV_BUF_SIZE, 1},
		{NV_ENC_CAPS_SUPPORT_YUV444_ENCODE, !o->no_444},
		{NV_ENC_CAPS_SUPPORT_LOSSLESS_ENCODE, 1},
		{NV_ENC_CAPS_DYNAMIC_QUERY_ENCODER_CAPACITY, 100},
		{NV_ENC_CAPS_NUM_ENCODER_ENGINES, 1},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].cap == cap)
			return known[i].value;
	return 0;
}

static NVENCSTATUS nvEncGetEncodeCaps(void *handle, GUID codec, NV_ENC_CAPS_PARAM *p, int *value)
{
	CALL();
	if (!session_find(handle, __func__))
		return NV_ENC_ERR_INVALID_ENCODERDEVICE;
	VERSION(p, NV_ENC_CAPS_PARAM_VER);
	RESERVED(p, reserved);
	*value = caps_value(p->capsToQuery, SAME(codec, NV_ENC_CODEC_HEVC_GUID));
	return NV_ENC_SUCCESS;
}

/* ---- the way in */

NVENCSTATUS NvEncodeAPIGetMaxSupportedVersion(uint32_t *version)
{
	CALL();
	*version = standin_options()->api;
	return NV_ENC_SUCCESS;
}

NVENCSTATUS NvEncodeAPICreateInstance(NV_ENCODE_API_FUNCTION_LIST *list)
{
	CALL();
	VERSION(list, NV_ENCODE_API_FUNCTION_LIST_VER);
	if (standin_options()->api < (NVENCAPI_MAJOR_VERSION << 4 | NVENCAPI_MINOR_VERSION))
		return NV_ENC_ERR_INVALID_VERSION;
	list->nvEncOpenEncodeSessionEx = nvEncOpenEncodeSessionEx;
	list->nvEncDestroyEncoder = nvEncDestroyEncoder;
	list->nvEncGetLastErrorString = (PNVENCGETLASTERROR)nvEncGetLastErrorString;
	list->nvEncGetEncodeGUIDCount = nvEncGetEncodeGUIDCount;
	list->nvEncGetEncodeGUIDs = nvEncGetEncodeGUIDs;
	list->nvEncGetInputFormatCount = nvEncGetInputFormatCount;
	list->nvEncGetInputFormats = nvEncGetInputFormats;
	list->nvEncGetEncodeCaps = nvEncGetEncodeCaps;
	settings_fill_list(list);
	frames_fill_list(list);
	return NV_ENC_SUCCESS;
}
