/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/region.h - which rectangle of a window is worth a video: what its updates of the last
 * second say. Encoder process. Pure; the time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "encode/area.h"

#define HISTORY_MAX 128      /* more a second than any server sends */
#define HISTORY_USEC 1100000 /* a second, and one more update at 10 a second */
#define REGION_STABLE_USEC                                                                \
	900000          /* updates span that much before a video starts: a progress bar's \
	                 * jump or a page that loads is over by then */
#define REGION_ENTER 10 /* updates of the last second: below that stills are as good */
#define REGION_LEAVE \
	5 /* below that the refresh has its turn, and the encoder's memory is better free */
#define REGION_COVER 70  /* percent of its pixels that an update changes, on average */
#define REGION_RATIO 80  /* per mille of lz4: text is below, and stays sharp without a video */
#define REGION_MIN_W 128 /* smaller ones cost less as stills than an encoder does */
#define REGION_MIN_H 96

struct history {
	struct update {
		uint64_t at_usec;
		struct rect bounds;
		uint64_t pixels;
		uint32_t ratio; /* per mille of the raw bytes, when compressed without loss */
	} items[HISTORY_MAX];
	unsigned first, count;
};

void history_add(struct history *h, uint64_t now, struct rect bounds, uint64_t pixels,
                 uint32_t ratio);
/* The rectangle to be sent as video, within valid and of even size. busy: the way to the client is
 * short of bandwidth, so that text is worth it too. */
bool region_find(const struct history *h, uint64_t now, struct rect valid, bool busy,
                 struct rect *ret);
/* Whether what is being sent as video should go on. */
bool region_lasts(const struct history *h, uint64_t now, struct rect region);
/* Pixels a second in it: who gets an encoder when there are too few. */
uint64_t region_rate(const struct history *h, uint64_t now, struct rect region);
