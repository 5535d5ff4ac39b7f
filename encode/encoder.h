/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/encoder.h - what an encoder is: one const struct, in a shared object encode-NAME.so of the
 * program's own, as its library is loaded only where Encoders= names it. Encoder process.
 *
 * One picture in, one out, in order, at once: no encoder may hold a picture back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"

#define ENCODER_ABI 2
#define ENCODER_WHY_MAX 96

/* What one encoder can make. */
struct encoder_caps {
	enum coding coding;
	enum csc csc;                        /* video only */
	uint16_t min_w, min_h, max_w, max_h; /* pixels; 0 for stills: no limit of its own */
	bool video;                          /* pictures refer to those before them */
	bool lossless;                       /* can be, with quality 100 */
};

/* How good, how fast, how large: percent, as xpra counts. */
struct encoder_quality {
	uint8_t quality;   /* 1 to 100 */
	uint8_t speed;     /* 0 slowest, 100 fastest */
	uint32_t max_kbps; /* 0: no limit */
	uint32_t fps;      /* expected, for what must plan ahead */
};

struct encoder_params {
	enum coding coding;
	enum csc csc;                /* video only */
	uint16_t w, h;               /* video only: of every picture, even with 4:2:0 */
	bool h264_simple, h264_high; /* see struct frame_setup */
	struct encoder_quality quality;
};

/* Pixels B G R X in memory order. */
struct picture {
	const uint8_t *pixels;
	uint32_t stride; /* bytes */
	uint16_t w, h;
	uint32_t pts_msec; /* since the encoder was opened */
	bool force_key;
};

/* data belongs to the encoder, until its next call. len 0: nothing to show (it has not changed). */
struct encoded {
	const uint8_t *data;
	size_t len;
	bool key, lossless;
};

struct encoder {
	uint32_t abi;     /* ENCODER_ABI */
	const char *name; /* as in Encoders= */

	/* Everything that needs a file or a device, before the process is locked. 0, or a negative
	 * errno and one line that says what is missing and what to do. May take long: called once.
	 */
	int (*load)(char why[ENCODER_WHY_MAX]);
	/* What it can make, after load(). Returns how many are in ret. */
	size_t (*caps)(struct encoder_caps *ret, size_t max);
	/* 0 and *ret; -EAGAIN: not now, but perhaps later (as when all sessions of a card are
	 * taken); -EOPNOTSUPP: not with these parameters; -ENODEV: never again in this process;
	 * -ENOMEM. Then, and only then, why says it in words. */
	int (*open)(const struct encoder_params *p, void **ret, char why[ENCODER_WHY_MAX]);
	/* 0, or a negative errno: the encoder must be closed. */
	int (*encode)(void *enc, const struct picture *in, struct encoded *ret);
	/* Takes effect with the next picture, without a key frame. 0 or a negative errno. */
	int (*tune)(void *enc, const struct encoder_quality *q);
	void (*close)(void *enc); /* NULL is fine */
	/* On what it runs, for people: "GeForce RTX 4070, GPU 0"; NULL or "": the processor. */
	const char *(*device)(const void *enc);
	/* What the limit of the bandwidth has left of the last picture's quality; 0: it was not
	 * limited. NULL: it cannot say. */
	uint8_t (*left)(void *enc);
	/* Calls that its filter must allow beyond those of software encoders: it talks to a device.
	 */
	bool needs_device;
	bool threads; /* it has threads of its own */
	/* After the last close(): what load() got from a device is given back. NULL: nothing. May
	 * be called again. */
	void (*unload)(void);
};

/* Loaded by name ("x264"): finds encode-NAME.so and its symbol "encoder". NULL: *ret_why (static)
 * says why not. Before the lock. */
const struct encoder *encoder_find(const char *name, const char **ret_why);
