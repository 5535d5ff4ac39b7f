/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/csc.h - pixels to the planes that videos are coded from: BT.601, limited range, which is
 * what every version of xpra takes a video for. Encoder process.
 */
#pragma once

#include "encode/encoder.h"

/* Memory for one picture's planes, for all pictures of a video. */
struct csc_planes {
	enum csc to;
	uint16_t w, h;
	int stride[3];
	uint8_t *planes[3], *memory;
};

/* An encoder's load(): has the library look at the processor, which needs a file on some. Does not
 * fail. */
int csc_load(char why[ENCODER_WHY_MAX]);

/* 0 or -ENOMEM. The size has been checked. */
int csc_init(struct csc_planes *c, enum csc to, uint16_t w, uint16_t h);
void csc_free(struct csc_planes *c);

/* Fills the planes. 0; -EINVAL: not the size, or pixels that cannot be. */
int csc_convert(struct csc_planes *c, const struct picture *in);
