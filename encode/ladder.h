/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/ladder.h - the encoders of Encoders= in order: which to open, and what to do when one
 * cannot be had or fails. Encoder process. The time is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "encode/encoder.h"

#define LADDER_RUNGS_MAX 24
#define LADDER_DEVICE_MAX 1   /* open encoders of a kind: sessions of a card are few and shared */
#define LADDER_SOFTWARE_MAX 2 /* some 40 MB and a third of a processor each */
#define LADDER_BACKOFF_MIN_USEC 5000000
#define LADDER_BACKOFF_MAX_USEC 60000000
#define LADDER_FAILURES_MAX 3 /* within a minute: then it is not tried again */

/* One thing that one encoder can make. */
struct rung {
	const struct encoder *encoder;
	struct encoder_caps caps;
	bool dead;
	uint64_t retry_usec, backoff_usec;
	uint64_t failures[LADDER_FAILURES_MAX - 1]; /* when, the oldest first */
	void *still;                                /* an open encoder of stills, kept */
};

struct ladder {
	struct rung rungs[LADDER_RUNGS_MAX];
	unsigned count;
	unsigned devices, programs; /* videos open */
	uint32_t refused;           /* CODING_BIT()s that the client has failed to decode */
	char why[64];               /* of the last fallback */
	uint32_t fallbacks;
};

struct video {
	struct rung *rung;
	void *handle;
	struct encoder_params params;
	uint32_t frame; /* the next one's number */
	bool force_key;
	uint64_t opened_usec, used_usec;
	/* By who has opened it: of what size it is, how much smaller that should be coded, and
	 * where it is made smaller. */
	uint16_t of_w, of_h;
	uint8_t step;
	uint8_t *scaled;
};

/* After encoder->load(): adds what it can make. */
void ladder_add(struct ladder *l, const struct encoder *encoder);
/* A video encoder for pictures of w x h that the client takes: 0 and *ret; -EBUSY: too many are
 * open; -EOPNOTSUPP: there is none, perhaps later. */
int ladder_open(struct ladder *l, const struct frame_setup *setup, bool subsampled, uint16_t w,
                uint16_t h, const struct encoder_quality *q, uint64_t now, struct video **ret);
void ladder_close(struct ladder *l, struct video *v);
/* It has failed, or made what cannot be: it is to be closed, and counts against it. */
void ladder_failed(struct ladder *l, struct rung *r, const char *why, uint64_t now);
/* An open encoder of stills, NULL: there is none. */
struct rung *ladder_still(struct ladder *l, enum coding c, bool lossless,
                          const struct encoder_quality *q, uint64_t now);
void ladder_clear(struct ladder *l);
