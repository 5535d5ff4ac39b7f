/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/flow.h - one direction: the bytes read from one leg, on their way to the other.
 *
 * Bytes stay where they were read: a record that does not change is only marked as passable and
 * written from there. What we make ourselves, or translate, goes through `inject`. The two never
 * mix: inject is only filled when everything marked has been written, and nothing is marked before
 * inject is empty, so order needs no bookkeeping.
 *
 *   0      sent      ready        end          window        size
 *   |-done-|-to write-|-undecided-|-free to read-|- untouched -|
 *
 * The memory is mapped once and costs nothing until it is touched. The window is small until a
 * record that must be seen whole is larger; pages touched beyond it are given back afterwards.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "relay/leg.h"
#include "wire/header.h"

#define FLOW_WINDOW ((size_t)256 << 10) /* read ahead: as much as one write can move at once */
#define FLOW_RECORD_MAX \
	((size_t)16 << 20) /* a record that must be decoded: xpra's own packet limit */
#define FLOW_SIZE (FLOW_RECORD_MAX + FLOW_WINDOW)
#define FLOW_INJECT_SIZE (FLOW_RECORD_MAX * 2) /* a translated record can be larger than it was */
/* Towards TCP a write is copied into packets at once: what was just read is then still in the
 * cache. Towards a unix socket it is one big copy: the more the better. Measured with make bench.
 */
#define FLOW_BATCH_TCP ((size_t)48 << 10)
#define FLOW_KEEP (16u << 10) /* what an idle flow may keep */
#define FLOW_PENDING_MAX 2048

struct flow {
	struct leg *from, *to;
	uint8_t *buf;
	size_t sent, ready, end, window;
	size_t batch;  /* the most to read at once */
	size_t high;   /* the most of buf that was in use since the last release */
	bool eof;      /* from has sent its last byte */
	bool shut;     /* to has been told so */
	bool farewell; /* to has been sent a disconnect of ours instead */

	/* The record at `ready` */
	uint64_t record_left; /* payload bytes of it still to be passed */
	unsigned chunks;      /* raw chunks since the last main record: bit n for index n */

	uint8_t *inject;
	size_t inject_sent, inject_len,
		inject_high; /* high: the most it ever held since the last trim */

	uint8_t pending[FLOW_PENDING_MAX]; /* our own packet, waiting for a gap between records */
	size_t pending_len;
};

/* Maps the buffers. 0 or -ENOMEM. */
int flow_init(struct flow *f, struct leg *from, struct leg *to, size_t batch);

/* Reads once from f->from. >0 bytes; 0 at its end (f->eof is set); -EAGAIN; -ENOBUFS the window is
 * full; other negative errno when the leg is broken. */
ssize_t flow_read(struct flow *f);

/* Makes room for a record of this many bytes at `ready`. -EMSGSIZE if it can never fit. */
int flow_want(struct flow *f, size_t record_bytes);

/* The undecided bytes. */
static inline const uint8_t *flow_at(const struct flow *f)
{
	return f->buf + f->ready;
}
static inline size_t flow_available(const struct flow *f)
{
	return f->end - f->ready;
}

/* Marks n undecided bytes as passable. */
void flow_pass(struct flow *f, size_t n);

/* Takes n undecided bytes out of the stream; everything marked must have been written. */
void flow_drop(struct flow *f, size_t n);

/* Whether anything waits to be written. */
static inline bool flow_has_output(const struct flow *f)
{
	return f->sent < f->ready || f->inject_sent < f->inject_len;
}
/* Whether an own packet may go out here: nothing half-written, no chunk waiting for its record. */
static inline bool flow_at_gap(const struct flow *f)
{
	return f->record_left == 0 && f->chunks == 0;
}

/* Writes once what can be written. 1 all is out; 0 the leg takes no more now; negative: it is
 * broken. */
int flow_write(struct flow *f);

/* Room for a packet of our own making, to be followed by flow_injected(). Everything marked must
 * have been written. */
static inline uint8_t *flow_inject_at(struct flow *f, size_t *ret_size)
{
	*ret_size = FLOW_INJECT_SIZE - f->inject_len;
	return f->inject + f->inject_len;
}
static inline void flow_injected(struct flow *f, size_t len)
{
	f->inject_len += len;
	if (f->inject_len > f->inject_high)
		f->inject_high = f->inject_len;
}

/* Gives back the memory that only large records had touched; costs nothing when there were none. */
void flow_trim(struct flow *f);

/* Gives back nearly all of an empty flow's memory: for a connection that has gone quiet. */
void flow_release(struct flow *f);
