/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/ladder.c - choose, open and give up encoders. Encoder process, locked. System calls: the
 * encoders' own.
 */
#include "encode/ladder.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macros.h"

#define CAPS_MAX 16
/* What a decoder of level 4.0 must take, which is what browsers are told the stream is. */
#define LEVEL40_BLOCKS 8192
#define BLOCK 16

void ladder_add(struct ladder *l, const struct encoder *encoder)
{
	struct encoder_caps caps[CAPS_MAX];
	size_t n = encoder->caps(caps, ARRAY_SIZE(caps));

	/* of one encoder those with whole colours first: coloured text is 10 dB better so */
	for (int whole = 1; whole >= 0; whole--)
		for (size_t i = 0; i < n && i < ARRAY_SIZE(caps); i++)
			if ((caps[i].video && caps[i].csc == CSC_YUV444P) == whole &&
			    l->count < LADDER_RUNGS_MAX)
				l->rungs[l->count++] =
					(struct rung){.encoder = encoder, .caps = caps[i]};
}

static void say(struct ladder *l, const struct rung *r, const char *why)
{
	snprintf(l->why, sizeof(l->why), "%.15s: %.45s", r->encoder->name, why);
	l->fallbacks++;
}

void ladder_failed(struct ladder *l, struct rung *r, const char *why, uint64_t now)
{
	say(l, r, why);
	if (r->failures[0] != 0 && r->failures[0] + 60 * USEC_PER_SEC > now)
		r->dead = true; /* with this one the last three were within a minute */
	memmove(&r->failures[0], &r->failures[1], sizeof(r->failures) - sizeof(r->failures[0]));
	r->failures[LADDER_FAILURES_MAX - 2] = now;
	if (r->still) {
		r->encoder->close(r->still);
		r->still = NULL;
	}
}

static void not_now(struct rung *r, uint64_t now)
{
	r->backoff_usec = r->backoff_usec ? r->backoff_usec * 2 : LADDER_BACKOFF_MIN_USEC;
	if (r->backoff_usec > LADDER_BACKOFF_MAX_USEC)
		r->backoff_usec = LADDER_BACKOFF_MAX_USEC;
	r->retry_usec = now + r->backoff_usec;
}

static bool usable(const struct ladder *l, const struct rung *r, uint64_t now)
{
	return !r->dead && r->retry_usec <= now && !(l->refused & CODING_BIT(r->caps.coding));
}

static bool fits(const struct rung *r, const struct frame_setup *s, bool subsampled, uint16_t w,
                 uint16_t h)
{
	const struct encoder_caps *c = &r->caps;

	if (!c->video || !(s->codings & CODING_BIT(c->coding)) ||
	    !(s->csc[c->coding] & CSC_BIT(c->csc)))
		return false;
	if (c->csc == CSC_YUV444P && subsampled && s->csc[c->coding] & CSC_BIT(CSC_YUV420P))
		return false;
	if (w < c->min_w || h < c->min_h || (c->max_w && w > c->max_w) ||
	    (c->max_h && h > c->max_h))
		return false;
	if ((s->video_max_w && w > s->video_max_w) || (s->video_max_h && h > s->video_max_h))
		return false;
	/* browsers are told the level before they see the stream; none of them takes 4:4:4 */
	return c->coding != CODING_H264 || !(s->h264_simple || s->h264_high) ||
	       s->csc[CODING_H264] & CSC_BIT(CSC_YUV444P) ||
	       (uint32_t)((w + BLOCK - 1) / BLOCK) * ((h + BLOCK - 1) / BLOCK) <= LEVEL40_BLOCKS;
}

static int open_rung(struct ladder *l, struct rung *r, struct encoder_params *p, uint64_t now,
                     void **ret)
{
	char why[ENCODER_WHY_MAX] = "";
	int k;

	p->coding = r->caps.coding;
	p->csc = r->caps.csc;
	k = r->encoder->open(p, ret, why);
	if (k == 0) {
		r->backoff_usec = 0;
		return 0;
	}
	*ret = NULL; /* whatever it has left there */
	say(l, r, why);
	if (k == -EAGAIN)
		not_now(r, now);
	else if (k == -ENODEV)
		r->dead = true;
	else if (k != -EOPNOTSUPP)
		ladder_failed(l, r, why, now);
	return k;
}

static struct video *new_video(struct rung *r, const struct encoder_params *p, void *handle,
                               uint64_t now)
{
	struct video *v = calloc(1, sizeof(*v));

	if (!v) {
		r->encoder->close(handle);
		return NULL;
	}
	v->rung = r;
	v->handle = handle;
	v->params = *p;
	v->opened_usec = v->used_usec = now;
	return v;
}

int ladder_open(struct ladder *l, const struct frame_setup *setup, bool subsampled, uint16_t w,
                uint16_t h, const struct encoder_quality *q, uint64_t now, struct video **ret)
{
	struct encoder_params p = {
		.w = w,
		.h = h,
		.h264_simple = setup->h264_simple,
		.h264_high = setup->h264_high,
		.quality = *q,
	};
	int result = -EOPNOTSUPP;

	*ret = NULL;
	for (unsigned i = 0; i < l->count; i++) {
		struct rung *r = &l->rungs[i];
		bool device = r->encoder->needs_device;
		void *handle = NULL;

		if (!usable(l, r, now) || !fits(r, setup, subsampled, w, h))
			continue;
		if ((device ? l->devices : l->programs) >=
		    (device ? LADDER_DEVICE_MAX : LADDER_SOFTWARE_MAX)) {
			result = -EBUSY;
			continue;
		}
		if (open_rung(l, r, &p, now, &handle) < 0)
			continue;
		*ret = new_video(r, &p, handle, now);
		if (!*ret)
			return -ENOMEM;
		*(device ? &l->devices : &l->programs) += 1;
		return 0;
	}
	return result;
}

void ladder_close(struct ladder *l, struct video *v)
{
	if (!v)
		return;
	v->rung->encoder->close(v->handle);
	*(v->rung->encoder->needs_device ? &l->devices : &l->programs) -= 1;
	free(v->scaled);
	free(v);
}

struct rung *ladder_still(struct ladder *l, enum coding c, bool lossless,
                          const struct encoder_quality *q, uint64_t now)
{
	struct encoder_params p = {.quality = *q};

	for (unsigned i = 0; i < l->count; i++) {
		struct rung *r = &l->rungs[i];

		if (r->caps.video || r->caps.coding != c || (lossless && !r->caps.lossless) ||
		    !usable(l, r, now))
			continue;
		if (!r->still && open_rung(l, r, &p, now, &r->still) < 0)
			continue;
		return r;
	}
	return NULL;
}

void ladder_clear(struct ladder *l)
{
	for (unsigned i = 0; i < l->count; i++)
		if (l->rungs[i].still) {
			l->rungs[i].encoder->close(l->rungs[i].still);
			l->rungs[i].still = NULL;
		}
	for (unsigned i = 0; i < l->count; i++)
		if (l->rungs[i].encoder->unload)
			l->rungs[i].encoder->unload();
}
