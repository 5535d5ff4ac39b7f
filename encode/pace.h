/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/pace.h - how much, how good and how often: what the user wishes against what the way to
 * the client, the client and this machine can take. Encoder process. Pure; the time is the
 * caller's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/frame.h"
#include "encode/encoder.h"

#define PACE_TICK_USEC 250000
#define PACE_FPS_MAX 60
#define PACE_FPS_MIN 5
#define PACE_QUALITY 65 /* unless the user wishes another: crf 18, above 40 dB with 4:4:4 */
#define PACE_SPEED 80
#define PACE_BURST_USEC 100000  /* of the bandwidth limit may be spent at once */
#define PACE_SPEED_USEC 2000000 /* of time to spare, before any of it is spent */
#define PACE_SCALE_MIN_USEC                                                  \
	UINT64_C(5000000) /* of a smaller size, before a larger one is tried \
	                   */
#define PACE_SCALE_MAX_USEC UINT64_C(60000000)
#define PACE_STALE_USEC 1000000 /* what was said of the queue is not believed for longer */

struct pace {
	struct frame_wishes wishes;
	uint8_t quality, speed;
	uint32_t fps;
	bool subsampled; /* 4:2:0 even if the client takes 4:4:4 */
	bool scales;     /* by who has made this: smaller sizes are possible */
	uint8_t scale;   /* see encode/scale.h */
	/* When that has last changed; for how long it stays, as each change costs a key frame. */
	uint64_t scale_usec, scale_wait_usec;
	bool enlarged; /* it then became larger */
	struct frame_queue queue;
	uint64_t queue_usec;  /* when that was said */
	uint64_t budget_usec; /* the bandwidth limit is spent up to then */
	uint64_t tick_usec;   /* the next one */
	uint64_t quiet_usec;  /* since then nothing was too slow */
	uint64_t speed_usec;  /* when speed has last changed, or there was no time to spare */
	uint64_t slow_usec;   /* when something last was; 0: never */
	uint32_t encode_usec, decode_usec, round_usec, round_min_usec; /* means; the least */
	uint8_t made; /* quality that the limit leaves, a mean; 0: not known */
	bool late;    /* this tick: the queue was too long */
};

void pace_init(struct pace *p, const struct frame_wishes *w, uint64_t now);
void pace_tune(struct pace *p, const struct frame_wishes *w);
void pace_queue(struct pace *p, const struct frame_queue *q, uint64_t now);
void pace_shown(struct pace *p, const struct frame_shown *s);
/* A frame of a video: how long it took, what is left of its quality (0: not known). */
void pace_encoded(struct pace *p, uint64_t usec, uint8_t quality);
void pace_sent(struct pace *p, uint64_t bytes, uint64_t now);
/* Whether a picture may go now; when not, *ret_usec is when to ask again. */
bool pace_may_send(const struct pace *p, uint64_t now, uint64_t *ret_usec);
/* Once every PACE_TICK_USEC; true: something has changed. */
bool pace_tick(struct pace *p, uint64_t now);
/* Less gets through than there is to send. */
bool pace_busy(const struct pace *p, uint64_t now);
struct encoder_quality pace_video(const struct pace *p);
