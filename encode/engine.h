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
#include "encode/window.h"

#define ENGINE_WHY_MAX 128

struct engine {
	uint8_t *memory; /* FRAME_MEMORY bytes */
	/* 0, or a negative errno: the worker is gone. */
	int (*send)(void *context, const struct frame *f);
	void *context;

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
	int error;             /* of send(), or of what cannot go on */
	char why[ENGINE_WHY_MAX];
};

/* What the client takes. 0, or -EBADMSG: that cannot be. */
int engine_setup(struct engine *e, const struct frame_setup *setup, uint64_t now);
/* One message. 0, or a negative errno: the process must end, why says it. */
int engine_handle(struct engine *e, const struct frame *f, uint64_t now);
/* Sends what is due, and returns when it has to be called again (USEC_INFINITY: with the next
 * message). clock: for what takes long. 0, or as above. */
int engine_run(struct engine *e, uint64_t (*clock)(void), uint64_t *ret_next_usec);
/* Closes encoders, forgets windows. */
void engine_close(struct engine *e);
