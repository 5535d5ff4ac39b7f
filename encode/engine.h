/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/engine.h - the encoder's brain: from the worker's messages to pictures, without a system
 * call of its own. Time, shared memory and the way out are the caller's, so that tests have their
 * own.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"
#include "encode/ladder.h"
#include "encode/pace.h"
#include "encode/scale.h"
#include "encode/window.h"

#define ENGINE_WHY_MAX 128
#define ENGINE_RECENT 128

struct engine {
	uint8_t *memory; /* FRAME_MEMORY bytes */
	/* 0, or a negative errno: the worker is gone. */
	int (*send)(void *context, const struct frame *f);
	void *context;
	uint64_t (*clock)(void);

	const struct scaler *scaler; /* NULL: all videos are in full size */

	struct frame_setup setup;
	enum pixel_format rgb; /* how the client gets pixels, and what that is called */
	enum coding rgb_coding;
	struct windows windows;
	struct ladder ladder;
	struct pace pace;
	struct frame_ring out;
	uint64_t last_draw; /* number of the last one; all up to it are in the copies: `taken` */
	uint64_t freed, pictures;
	uint64_t untold_bytes; /* of draws, since the worker has last heard of `taken` */
	uint64_t report_usec;  /* the next ones */
	uint64_t active_usec;  /* the last draw */
	unsigned turn; /* the window that is looked at first: none has to wait for another */
	struct recent {
		uint64_t number;
		uint32_t wid;
		struct rect r; /* what of it may be sent again */
		uint8_t coding;
	} recent[ENGINE_RECENT]; /* by number: for those that the client cannot decode */
	uint64_t undecoded_usec; /* the last of those */
	int error;               /* of send(), or of what cannot go on */
	char why[ENGINE_WHY_MAX];
};

/* What the client takes. 0, or -EBADMSG: that cannot be. */
int engine_setup(struct engine *e, const struct frame_setup *setup);
/* One message. 0, or a negative errno: the process must end, why says it. */
int engine_handle(struct engine *e, const struct frame *f);
/* Sends what is due, and says when it has to be called again (USEC_INFINITY: with the next
 * message). 0, or as above. */
int engine_run(struct engine *e, uint64_t *ret_next_usec);
/* Closes encoders, forgets windows. */
void engine_close(struct engine *e);
