/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/window.h - the copy of each window's pixels that all pictures are made from, and what is
 * known of the client's. Encoder process.
 *
 * A draw changes the copy at once and its rectangle is then `owed` to the client; so draws may be
 * merged, held or dropped as the way to the client demands, and what is sent is always the newest.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"
#include "encode/area.h"
#include "encode/region.h"
#include "encode/scroll.h"

#define SHADOW_BYTES_MAX ((uint64_t)512 << 20) /* of a connection: some 60 full HD windows */
#define PENDING_MAX 64

struct video;

struct window {
	uint32_t wid;    /* 0: this place is free */
	uint16_t w, h;   /* as last said; 0: not known */
	uint8_t *pixels; /* BGRX */
	uint32_t shadow_w, shadow_h;
	uint64_t used_usec;

	struct rect valid; /* all of it has been painted by draws that were seen here */
	struct area owed;  /* painted here, not sent yet */
	struct area lossy; /* sent, but not exactly */

	/* Draws without an answer; then the last one, and the last that a picture has answered. */
	uint64_t pending[PENDING_MAX];
	unsigned n_pending;
	uint64_t pending_since_usec;
	uint64_t last_draw, answered;
	uint64_t flush_usec; /* when to send what is owed; USEC_INFINITY: nothing is */
	struct rect group;   /* bounds of the draws since the last complete update */
	uint64_t group_pixels, group_wire;
	bool group_raw; /* one of them came uncompressed: that says nothing of its contents */
	uint32_t ratio; /* of what is owed, per mille, as the server has compressed it */

	uint64_t damaged_usec, outside_usec; /* the last draw; the last beside the region */
	uint64_t resized_usec;
	struct history history;
	struct scroll scroll; /* found, not sent yet */
	uint64_t scrolled;    /* number of the picture that was the last one sent */
	struct rect region;   /* sent as video; empty: none */
	struct video *video;
	uint64_t next_video_usec; /* not before that, to keep the rate */
	uint64_t no_video_usec;   /* until then there is no encoder to be had for it */
	struct {
		struct frame_report r;
		bool news;
		uint64_t encode_sum_usec;
		uint32_t video_frames;
	} report;
};

struct windows {
	struct window items[FRAME_WINDOWS_MAX];
	uint64_t bytes;
};

/* NULL: it is not there. */
struct window *window_find(struct windows *ws, uint32_t wid);
/* A free place for wid, or NULL. */
struct window *window_add(struct windows *ws, uint32_t wid);
/* Gives its memory back; the place is free then. */
void window_drop(struct windows *ws, struct window *w);
/* The least recently used one besides `but`; NULL: none. */
struct window *window_oldest(struct windows *ws, const struct window *but);

/* Grows the copy so that it holds w x h. 0; -EMSGSIZE: no window may be as large; -ENOBUFS: the
 * connection has SHADOW_BYTES_MAX already; -ENOMEM. */
int window_grow(struct windows *ws, struct window *w, uint32_t width, uint32_t height);
/* Whether what a draw says can be true: its numbers against each other and the rings. */
bool window_check_draw(const struct frame_draw *d);
/* Copies a draw's pixels; it has been checked, and the copy is large enough. */
void window_patch(struct window *w, const struct frame_draw *d, const uint8_t *memory);
/* What was to be moved is sent instead. 0, or -ENOSPC: it cannot be. */
int window_end_scroll(struct window *w);
/* Something else has painted r: neither is it known any more nor may it be painted over.
 * -ENOSPC: it cannot be kept apart. */
int window_spoil(struct window *w, struct rect r);
