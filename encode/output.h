/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/output.h - pictures on their way to the worker: pixels as they are, stills and videos.
 * Encoder process.
 */
#pragma once

#include "encode/engine.h"

/* Rows of a piece are chosen so that it has at most so many pixels: one is compressed in a few
 * milliseconds, and draws that come meanwhile need not wait for more. */
#define PIECE_PIXELS (1u << 20)

/* What all pictures of one answer have in common. */
struct answer {
	uint64_t draws; /* see struct frame_picture; 0: none */
	bool last;
};

/* Each sends one picture of r, which is within the copy. 0; -EAGAIN: no room in the ring, nothing
 * was sent; or another negative errno. ret_len may be NULL. */
int output_pixels(struct engine *e, struct window *w, struct rect r, struct answer a,
                  size_t *ret_len);
int output_still(struct engine *e, struct window *w, struct rect r, enum coding c, uint8_t quality,
                 struct answer a, uint64_t now);
int output_video(struct engine *e, struct window *w, struct answer a, uint64_t now);
int output_scroll(struct engine *e, struct window *w, struct answer a);
/* Nothing to show. */
int output_nothing(struct engine *e, struct window *w, struct answer a);
/* Any other message. */
int output_message(struct engine *e, struct frame *f);
/* The first piece of r that is small enough. */
struct rect output_piece(struct rect r);
/* Bytes of r without loss, per mille of the raw ones, from some of its rows. */
uint32_t output_ratio(const struct window *w, struct rect r);
