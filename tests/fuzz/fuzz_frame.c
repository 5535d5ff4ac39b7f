/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libFuzzer: what a worker may say to the encoder. Each 25 bytes are a message: its kind, window
 * and flags, then eight numbers, sometimes as they are and sometimes of a likely size; or a pause.
 * The copy never leaves its limits, no picture leaves its ring, and each draw has at most one
 * answer.
 */
#include "encode/engine.h"
#include "tests/fuzz/ensure.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define MESSAGE 25
#define MESSAGES_MAX 200

static struct engine e;
static uint8_t *memory;
static uint64_t now, draws, last_answer[8];

static int send_frame(void *context, const struct frame *f)
{
	const struct frame_picture *p = &f->picture;

	(void)context;
	ENSURE(f->taken <= draws && f->taken == e.last_draw);
	if (f->type == FRAME_HELD)
		ENSURE(f->number > 0 && f->number <= draws);
	if (f->type != FRAME_PICTURE)
		return 0;
	ENSURE(p->answers <= draws && p->coding < CODING_MAX_);
	if (p->answers && p->last) {
		ENSURE(p->answers > last_answer[f->wid % 8]);
		last_answer[f->wid % 8] = p->answers;
	}
	ENSURE(p->len == 0 || (p->offset >= FRAME_IN_BYTES && p->len <= FRAME_OUT_BYTES &&
	                       p->offset <= FRAME_MEMORY - p->len));
	return 0;
}

static uint64_t fuzz_clock(void)
{
	return now;
}

static uint32_t small(const uint8_t *d, bool wild)
{
	uint32_t v = (uint32_t)(d[0] | d[1] << 8);

	return wild ? v | (uint32_t)d[1] << 24 : v % 400;
}

/* -1: a pause. */
static int message(const uint8_t *d, struct frame *f)
{
	static const uint32_t types[] = {
		FRAME_DRAW, FRAME_DRAW,    FRAME_DRAW,  FRAME_DRAW,  FRAME_WINDOW,
		FRAME_LOST, FRAME_SPOILED, FRAME_SHOWN, FRAME_QUEUE, FRAME_TUNE,
		0,          FRAME_READY};
	bool wild = d[2] & 1;

	if (d[0] % 13 == 12)
		return -1;
	*f = (struct frame){.type = types[d[0] % 13], .wid = d[1] % 8, .number = draws + 1};
	f->freed = d[2] & 2 ? e.pictures : d[2] & 4 ? small(d + 3, true) : 0;
	switch (f->type) {
	case FRAME_DRAW:
	case FRAME_SPOILED:
		f->draw.x = (uint16_t)small(d + 3, wild);
		f->draw.y = (uint16_t)small(d + 5, wild);
		f->draw.w = (uint16_t)small(d + 7, wild);
		f->draw.h = (uint16_t)small(d + 9, wild);
		f->draw.format = d[11] % 7;
		f->draw.flush = d[12] % 3;
		f->draw.stride = wild ? small(d + 13, true) : f->draw.w * 4u;
		f->draw.offset = wild ? (uint64_t)small(d + 15, true) << (d[17] % 40)
		                      : small(d + 15, false) * 64;
		f->draw.wire_bytes = small(d + 18, wild) * 64;
		break;
	case FRAME_WINDOW:
		f->window.w = (uint16_t)small(d + 3, wild);
		f->window.h = (uint16_t)small(d + 5, wild);
		break;
	case FRAME_SHOWN:
		f->number = small(d + 3, wild);
		f->shown.decode_usec = (int32_t)small(d + 5, true);
		f->shown.round_usec = small(d + 7, true);
		break;
	case FRAME_QUEUE:
		f->queue.bytes = (uint64_t)small(d + 3, true) << (d[5] % 40);
		f->queue.age_usec = small(d + 6, true);
		break;
	case FRAME_TUNE:
		memcpy(&f->wishes, d + 3, 5);
		f->wishes.auto_refresh = d[8] & 1;
		f->wishes.bandwidth_bits = small(d + 9, true);
		f->wishes.refresh_delay_msec = small(d + 11, true);
		break;
	default:
		break;
	}
	return 0;
}

static bool step(const uint8_t *d)
{
	struct frame f;
	uint64_t next;

	if (message(d, &f) < 0) {
		now += 1 + (uint64_t)small(d + 3, false) * 1000;
		return engine_run(&e, &next) == 0 && next > now - 1;
	}
	if (f.type == FRAME_DRAW || f.type == FRAME_SPOILED)
		draws++;
	if (f.type == FRAME_LOST)
		last_answer[f.wid] = 0;
	return engine_handle(&e, &f) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	uint64_t next;

	if (!memory)
		memory = calloc(1, FRAME_MEMORY);
	if (!memory || n < 4)
		return 0;
	memset(&e, 0, sizeof(e));
	memset(last_answer, 0, sizeof(last_answer));
	e.memory = memory;
	e.send = send_frame;
	e.clock = fuzz_clock;
	now = 1000000000;
	draws = 0;
	struct frame_setup s = {.codings = data[0] | CODING_BIT(CODING_SCROLL),
	                        .pixels = data[1] & 0x3fu,
	                        .lz4 = data[2] & 1,
	                        .wishes = {.auto_refresh = true}};

	if (engine_setup(&e, &s) < 0)
		return 0;
	for (size_t i = 0; i < MESSAGES_MAX && 3 + (i + 1) * MESSAGE <= n; i++)
		if (!step(data + 3 + i * MESSAGE))
			break;
	ENSURE(e.windows.bytes <= SHADOW_BYTES_MAX);
	now += 10000000;
	if (!e.error)
		(void)engine_run(&e, &next);
	engine_close(&e);
	ENSURE(e.windows.bytes == 0);
	return 0;
}
