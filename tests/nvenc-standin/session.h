/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/nvenc-standin/session.h - what the two halves of libnvidia-encode.so.1 share.
 */
#pragma once

#include <ffnvcodec/nvEncodeAPI.h>

#include "tests/nvenc-standin/standin.h"

enum buffer_kind { BUFFER_INPUT, BUFFER_BITSTREAM, BUFFER_REGISTERED, BUFFER_MAPPED };

/* An input or output buffer, a registered resource, or that one mapped. */
struct buffer {
	enum buffer_kind kind;
	uint8_t *memory; /* mmap'd: pages lose their rights when they are the driver's */
	size_t size;
	NV_ENC_BUFFER_FORMAT format;
	unsigned w, h, pitch;
	uint64_t device;     /* registered */
	struct buffer *of;   /* mapped: what */
	bool locked, filled; /* filled: input written; output: a picture nobody has collected */
	size_t len;          /* of that picture */
	bool idr;
	unsigned frame;
	uint64_t timestamp;
	struct buffer *next;
};

struct session {
	const void *context;
	int device, slot_fd;
	bool initialized, broken; /* broken: it was refused, and only to be destroyed */
	struct codec *codec;
	NV_ENC_INITIALIZE_PARAMS params;
	NV_ENC_CONFIG config;
	uint64_t last_timestamp;
	unsigned pictures;
	struct buffer *buffers;
	char error[160];
	struct session *next;
};

/* The session of a handle, or NULL with a violation. */
struct session *session_find(void *handle, const char *function);

NVENCSTATUS fail(struct session *s, NVENCSTATUS status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define SAME(a, b) (memcmp(&(a), &(b), sizeof(GUID)) == 0)

/* All of it is zero, as what is reserved has to be. */
bool all_zero(const void *p, size_t len);
#define RESERVED(p, field)                                                                   \
	do {                                                                                 \
		if (!all_zero((p)->field, sizeof((p)->field)))                               \
			standin_violation("%s: " #field " of " #p " is not zero", __func__); \
	} while (0)
/* Returns unless the struct says that it is the one of these headers. */
#define VERSION(p, want)                                                                      \
	do {                                                                                  \
		if ((p)->version != (want)) {                                                 \
			standin_violation("%s: version %#x, not %#x", __func__, (p)->version, \
			                  want);                                              \
			return NV_ENC_ERR_INVALID_VERSION;                                    \
		}                                                                             \
	} while (0)
#define CALL()                                          \
	do {                                            \
		int injected_ = standin_call(__func__); \
		if (injected_ >= 0)                     \
			return (NVENCSTATUS)injected_;  \
	} while (0)
/* What gives back does its work also when it is told to fail. */
#define RELEASED(injected) ((injected) >= 0 ? (NVENCSTATUS)(injected) : NV_ENC_SUCCESS)

/* Whether the GPU has the format for the codec. */
bool session_takes(const struct session *s, NV_ENC_BUFFER_FORMAT format);
bool session_is_h265(const struct session *s);
void buffer_drop(struct session *s, struct buffer *b);

void settings_fill_list(NV_ENCODE_API_FUNCTION_LIST *list);
void frames_fill_list(NV_ENCODE_API_FUNCTION_LIST *list);
/* convert.c: pixels as the codec wants them, in memory that stays until the next call. */
int convert(const struct buffer *b, const uint8_t *pixels, unsigned pitch, bool full444, unsigned w,
            unsigned h, struct codec_planes *ret);
