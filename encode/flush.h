/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/flush.h - from what is owed to a client to pictures: which kind for which part. Encoder
 * process.
 */
#pragma once

#include "encode/engine.h"

#define STILL_MIN_PIXELS 4096 /* smaller ones are not worth a codec's header, xpra thinks too */
#define STILL_RATIO 200 /* per mille: what lz4 cannot make smaller than that is a photograph */
#define REFRESH_MIN_USEC                                                                          \
	150000                  /* quiet before what is lossy is sent again: a pause while typing \
	                         */
#define REFRESH_MAX_USEC 500000 /* for large ones, which cost more and are more often in vain */

/* The user wants nothing lossy. */
bool flush_is_exact(const struct engine *e);
/* An update of the window is complete: what it says of videos. */
void flush_note(struct engine *e, struct window *w, uint64_t now);
/* Sends of what is owed what may be sent now; then w->flush_usec says when more may be. 0 or a
 * negative errno: the process must end. */
int flush_window(struct engine *e, struct window *w, uint64_t until);
/* Sends a piece of what is lossy, if it is due. Returns when the next one is. */
uint64_t refresh_window(struct engine *e, struct window *w, uint64_t now);
/* What a video's end needs. */
void flush_end_video(struct engine *e, struct window *w);
/* Regions that are not busy any more, encoders that idle. Returns when to look again. */
uint64_t flush_review(struct engine *e, struct window *w, uint64_t now);
/* The quality has changed. */
void flush_tune(struct engine *e);
