/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scale.h - videos smaller than what they show: the client enlarges them. For ways that are
 * too slow for anything else, and for regions larger than a decoder takes. Encoder process.
 *
 * What does it is an object of its own beside the encoders, encode-scale.so with its symbol
 * "scaler", as only a process with a video needs its library.
 */
#pragma once

#include "encode/encoder.h"

#define SCALER_ABI 1

/* How much smaller, in steps: all of it, two thirds of both sides, half, a third. */
#define SCALE_FULL 0
#define SCALE_HALF 2 /* smaller than that only because a decoder takes no more */
#define SCALE_LAST 3

struct scaler {
	uint32_t abi;          /* SCALER_ABI */
	void (*prepare)(void); /* before the lock: looks at the processor */
	/* Makes in smaller: to is w x h pixels in a row. 0; -EINVAL: sizes that cannot be, or not a
	 * smaller one. */
	int (*shrink)(const struct picture *in, uint8_t *to, uint16_t w, uint16_t h);
};

/* A side at a step, even as videos need it. */
uint16_t scale_side(uint16_t side, unsigned step);
/* The last step up to `step` at which a picture can still be made out. */
unsigned scale_sensible(uint16_t w, uint16_t h, unsigned step);
/* Before the lock. NULL: there is none. */
const struct scaler *scale_find(void);
