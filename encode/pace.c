/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/pace.c - quality, speed and rate by what comes back. Encoder process, locked. No system
 * calls.
 */
#include "encode/pace.h"

#include <string.h>

#include "base/clock.h"
#include "encode/scale.h"

#define STEP_DOWN 10
#define STEP_UP 5
#define QUALITY_FLOOR 30     /* unless the user wishes less: below that text cannot be read */
#define QUEUE_AGE_USEC 50000 /* at 30 frames a second, one and a half of them */
#define QUEUE_BYTES \
	(1u << 20) /* on the way although nothing is old: a fast link, or nobody has looked */
#define RECHECK_USEC 20000

static uint8_t between(int n, int low, int high)
{
	return (uint8_t)(n < low ? low : n > high ? high : n);
}

static int quality_floor(const struct pace *p)
{
	return p->wishes.min_quality ? p->wishes.min_quality
	       : p->wishes.max_quality && p->wishes.max_quality < QUALITY_FLOOR
	               ? p->wishes.max_quality
	               : QUALITY_FLOOR;
}

static uint8_t speed_wish(const struct pace *p)
{
	const struct frame_wishes *w = &p->wishes;

	return between(w->speed ? w->speed : PACE_SPEED, w->min_speed ? w->min_speed : 1, 100);
}

static int quality_ceiling(const struct pace *p)
{
	int most = p->wishes.quality ? p->wishes.quality : PACE_QUALITY;

	if (p->wishes.max_quality && most > p->wishes.max_quality)
		most = p->wishes.max_quality;
	return most > quality_floor(p) ? most : quality_floor(p);
}

void pace_tune(struct pace *p, const struct frame_wishes *w)
{
	p->wishes = *w;
	p->quality = between(quality_ceiling(p), 1, 100);
	p->speed = speed_wish(p);
}

void pace_init(struct pace *p, const struct frame_wishes *w, uint64_t now)
{
	*p = (struct pace){
		.fps = PACE_FPS_MAX, .tick_usec = now + PACE_TICK_USEC, .quiet_usec = now};
	pace_tune(p, w);
}

void pace_queue(struct pace *p, const struct frame_queue *q, uint64_t now)
{
	p->queue = *q;
	p->queue_usec = now;
	if (q->age_usec > QUEUE_AGE_USEC)
		p->late = true;
}

static uint32_t mean(uint32_t old, uint64_t new)
{
	if (new > 10 * USEC_PER_SEC)
		new = 10 * USEC_PER_SEC;
	return (uint32_t)(old ? (old * 7ull + new) / 8 : new);
}

void pace_shown(struct pace *p, const struct frame_shown *s)
{
	if (s->decode_usec >= 0)
		p->decode_usec = mean(p->decode_usec, (uint64_t)s->decode_usec);
	p->round_usec = mean(p->round_usec, s->round_usec);
	if (s->round_usec && (!p->round_min_usec || s->round_usec < p->round_min_usec))
		p->round_min_usec = s->round_usec;
}

void pace_encoded(struct pace *p, uint64_t usec, uint8_t quality)
{
	p->encode_usec = mean(p->encode_usec, usec);
	p->made = (uint8_t)(quality && p->made ? (p->made * 7u + quality) / 8 : quality);
	/* Nothing waits, as the encoder keeps the limit: but what is left is no picture. */
	if (p->wishes.bandwidth_bits && p->made && p->made + STEP_DOWN < quality_floor(p))
		p->late = true;
}

void pace_sent(struct pace *p, uint64_t bytes, uint64_t now)
{
	if (!p->wishes.bandwidth_bits)
		return;
	if (p->budget_usec < now)
		p->budget_usec = now;
	/* at most a minute, whatever the limit: then it is that low that it does not matter */
	if (bytes > UINT64_MAX / 8 / USEC_PER_SEC ||
	    bytes * 8 * USEC_PER_SEC / p->wishes.bandwidth_bits > 60 * USEC_PER_SEC)
		p->budget_usec = now + 60 * USEC_PER_SEC;
	else
		p->budget_usec += bytes * 8 * USEC_PER_SEC / p->wishes.bandwidth_bits;
	if (p->budget_usec > now + PACE_BURST_USEC)
		p->late = true;
}

bool pace_may_send(const struct pace *p, uint64_t now, uint64_t *ret_usec)
{
	*ret_usec = now;
	if (p->wishes.bandwidth_bits && p->budget_usec > now + PACE_BURST_USEC) {
		*ret_usec = p->budget_usec - PACE_BURST_USEC;
		return false;
	}
	if (p->queue_usec + PACE_STALE_USEC > now &&
	    (p->queue.age_usec > QUEUE_AGE_USEC ||
	     (p->queue.age_usec > 0 && p->queue.bytes > QUEUE_BYTES))) {
		*ret_usec = now + RECHECK_USEC;
		return false;
	}
	return true;
}

bool pace_busy(const struct pace *p, uint64_t now)
{
	return p->late || (p->slow_usec != 0 && now < p->slow_usec + USEC_PER_SEC);
}

static void shrink(struct pace *p, uint64_t now)
{
	if (!p->scales || p->scale >= SCALE_HALF || now < p->scale_usec + USEC_PER_SEC)
		return;
	/* A larger size was too much again at once: the next try is later. */
	if (p->enlarged && now < p->scale_usec + 2 * PACE_SCALE_MIN_USEC)
		p->scale_wait_usec = p->scale_wait_usec * 2 < PACE_SCALE_MAX_USEC
		                             ? p->scale_wait_usec * 2
		                             : PACE_SCALE_MAX_USEC;
	else if (p->enlarged || p->scale == SCALE_FULL)
		p->scale_wait_usec = PACE_SCALE_MIN_USEC;
	p->enlarged = false;
	p->scale++;
	p->scale_usec = now;
}

/* Everything else is as good as it may be. */
static void enlarge(struct pace *p, uint64_t now)
{
	if (now < p->scale_usec + p->scale_wait_usec)
		return;
	p->scale--;
	p->enlarged = true;
	p->scale_usec = now;
}

static void slow_down(struct pace *p, uint64_t now)
{
	int least = quality_floor(p);

	/* Frames are skipped already, as nothing is sent while the queue is long. */
	if (p->quality > least) {
		p->quality = between(p->quality - STEP_DOWN, least, 100);
	} else if (!p->subsampled) {
		p->subsampled = true;
		p->scale_usec = now; /* it may be enough */
	} else {
		shrink(p, now);
	}
}

/* Time for a frame: what the encoder and the client's decoder need of it. */
static void fit_fps(struct pace *p, uint64_t now)
{
	bool ours = p->encode_usec >= p->decode_usec;
	uint64_t slower = ours ? p->encode_usec : p->decode_usec;
	uint64_t interval = USEC_PER_SEC / p->fps;

	if (slower * 10 > interval * 6) { /* 60 % */
		p->speed_usec = now;
		if (ours && p->speed < 100)
			p->speed = between(p->speed + STEP_DOWN, 1, 100);
		else if (p->fps > PACE_FPS_MIN)
			p->fps = p->fps * 3 / 4 > PACE_FPS_MIN ? p->fps * 3 / 4 : PACE_FPS_MIN;
		else
			shrink(p, now);
	} else if (slower * 10 < interval * 4 && p->fps < PACE_FPS_MAX) {
		p->fps = p->fps + p->fps / 4 + 1 < PACE_FPS_MAX ? p->fps + p->fps / 4 + 1
		                                                : PACE_FPS_MAX;
	} else if (p->encode_usec * UINT64_C(10) < interval * 2 && p->speed > speed_wish(p) &&
	           now >= p->speed_usec + PACE_SPEED_USEC) {
		/* what takes twice the time would not be too slow again */
		p->speed = between(p->speed - STEP_DOWN, speed_wish(p), 100);
		p->speed_usec = now;
	}
}

bool pace_tick(struct pace *p, uint64_t now)
{
	struct pace old = *p;

	if (now < p->tick_usec)
		return false;
	p->tick_usec = now + PACE_TICK_USEC;
	if (p->round_min_usec)
		p->round_min_usec += p->round_min_usec / 256; /* ways change */
	/* A round trip of many times the shortest: it waits somewhere that we do not see. */
	if (p->late || (p->round_usec > 4 * p->round_min_usec + 100000 && p->round_min_usec)) {
		slow_down(p, now);
		p->quiet_usec = p->slow_usec = now;
	} else if (now >= p->quiet_usec + USEC_PER_SEC) {
		if (p->quality < quality_ceiling(p)) {
			p->quality = between(p->quality + STEP_UP, 1, quality_ceiling(p));
			p->quiet_usec = now; /* the next step in a second */
		} else if (p->scale > SCALE_FULL) {
			enlarge(p, now);
		} else {
			p->subsampled = false;
		}
	}
	p->late = false;
	fit_fps(p, now);
	return old.quality != p->quality || old.speed != p->speed || old.fps != p->fps ||
	       old.subsampled != p->subsampled || old.scale != p->scale;
}

struct encoder_quality pace_video(const struct pace *p)
{
	return (struct encoder_quality){
		.quality = p->quality,
		.speed = p->speed,
		.max_kbps = (uint32_t)(p->wishes.bandwidth_bits / 1000 > UINT32_MAX
	                                       ? UINT32_MAX
	                                       : p->wishes.bandwidth_bits / 1000),
		.fps = p->fps,
	};
}
