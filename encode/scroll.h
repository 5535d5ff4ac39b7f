/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scroll.h - rows that have moved up or down: the client moves them itself, and only what is
 * new is sent. Encoder process. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/frame.h"
#include "encode/area.h"

#define SCROLL_MOVES_MAX 16
#define SCROLL_MIN_W 64 /* smaller ones are as quickly sent */
#define SCROLL_MIN_H 64
#define SCROLL_RUN_MIN 8 /* rows: a move costs some 50 bytes */

/* Moves in an order in which they may be done one after the other, in place, as well as from a copy
 * of what was there. */
struct scroll {
	struct rect rect; /* in which */
	unsigned count;   /* 0: none */
	struct frame_scroll moves[SCROLL_MOVES_MAX];
};

/* A hash of each of r's rows. */
void scroll_hash(const uint8_t *pixels, uint32_t stride, struct rect r, uint64_t *ret);
/* before, after: the hashes of r's rows. True: half of the rows at least have moved by the same
 * distance; *ret says which, and what of r is neither moved nor as it was is added to *rest. */
bool scroll_find(const uint64_t *before, const uint64_t *after, struct rect r, struct scroll *ret,
                 struct area *rest);
