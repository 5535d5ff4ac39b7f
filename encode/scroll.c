/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scroll.c - find what has scrolled. Encoder process, locked. No system calls.
 */
#include "encode/scroll.h"

#include "base/macros.h"

#define TABLE 32768 /* twice as many as there are rows */
#define CONTEXT 4   /* rows that are looked at together: single ones are too often alike */
#define SEVERAL 0x8000

/* Not against an enemy: whoever makes two rows alike spoils only the picture of their own session
 * until the next change there. */
static uint64_t hash_row(const uint8_t *p, size_t n)
{
	uint64_t a = n, b = 0x9e3779b97f4a7c15u, v[2];

	for (; n >= sizeof(v); p += sizeof(v), n -= sizeof(v)) {
		memcpy(v, p, sizeof(v));
		a = (a ^ v[0]) * 0xff51afd7ed558ccdu;
		b = (b ^ v[1]) * 0xc4ceb9fe1a85ec53u;
		a ^= a >> 29;
		b ^= b >> 31;
	}
	for (; n > 0; p++, n--)
		a = (a ^ *p) * 0x100000001b3u;
	a ^= b + (b >> 17);
	return (a ^ a >> 33) * 0xff51afd7ed558ccdu;
}

void scroll_hash(const uint8_t *pixels, uint32_t stride, struct rect r, uint64_t *ret)
{
	for (int32_t y = 0; y < r.h; y++)
		ret[y] = hash_row(pixels + (size_t)(r.y + y) * stride + (size_t)r.x * 4,
		                  (size_t)r.w * 4);
}

/* Where in rows each hash is; marked when it is in more than one place, as blank rows are: those
 * say nothing of a distance. */
static int32_t *place_of(const uint64_t *rows, int32_t *table, uint64_t hash)
{
	size_t at = hash % TABLE;

	while (table[at] != -1 && rows[table[at] & ~SEVERAL] != hash)
		at = (at + 1) % TABLE;
	return &table[at];
}

static void combine(const uint64_t *rows, int32_t n, uint64_t *ret)
{
	for (int32_t y = 0; y < n; y++) {
		uint64_t k = rows[y];

		for (int32_t i = 1; i < CONTEXT; i++)
			k = (k ^ k >> 31) * 0xff51afd7ed558ccdu + rows[y + i];
		ret[y] = k;
	}
}

/* The distance that most rows have moved by, 0: none. */
static int32_t likely_distance(const uint64_t *before, const uint64_t *after, int32_t rows)
{
	static int32_t table[TABLE];               /* a row, or row | SEVERAL */
	static uint16_t votes[2 * FRAME_SIDE_MAX]; /* the process has one thread */
	static uint64_t old[FRAME_SIDE_MAX], new[FRAME_SIDE_MAX];
	int32_t best = 0;

	rows -= CONTEXT - 1;
	combine(before, rows, old);
	combine(after, rows, new);
	memset(table, 0xff, sizeof(table));
	memset(votes, 0, sizeof(votes));
	for (int32_t y = 0; y < rows; y++) {
		int32_t *p = place_of(old, table, old[y]);

		*p = *p == -1 ? y : *p | SEVERAL;
	}
	for (int32_t y = 0; y < rows; y++) {
		int32_t at = *place_of(old, table, new[y]);

		if (at >= 0 && !(at & SEVERAL) && at != y)
			votes[y - at + FRAME_SIDE_MAX]++;
	}
	for (int32_t d = 1 - rows; d < rows; d++)
		if (votes[d + FRAME_SIDE_MAX] > votes[best + FRAME_SIDE_MAX])
			best = d;
	return votes[best + FRAME_SIDE_MAX] > 0 ? best : 0;
}

/* The run of moved rows from y on; rows that are also as they were do not count at its end. */
static int32_t run_length(const uint64_t *before, const uint64_t *after, int32_t rows, int32_t y,
                          int32_t distance)
{
	int32_t end = y;

	while (end < rows && end - distance >= 0 && end - distance < rows &&
	       after[end] == before[end - distance])
		end++;
	return end - y;
}

static bool add_move(struct scroll *s, struct rect r, int32_t y, int32_t n, int32_t distance)
{
	if (s->count == SCROLL_MOVES_MAX)
		return false;
	s->moves[s->count++] = (struct frame_scroll){r.x, r.y + y - distance, r.w, n, 0, distance};
	return true;
}

/* Divides r's rows into runs that have moved, those that are as they were, and the rest. The number
 * of moved rows; -1: there are too many runs. */
static int32_t divide(const uint64_t *before, const uint64_t *after, struct rect r,
                      int32_t distance, struct scroll *moves, struct area *rest)
{
	int32_t moved = 0, from = -1; /* where the current run of the rest began */

	for (int32_t y = 0, n; y < r.h; y += n) {
		int32_t run = run_length(before, after, r.h, y, distance);
		bool move = run >= SCROLL_RUN_MIN, as_it_was = !move && after[y] == before[y];

		n = move ? run : 1;
		if (from < 0 && !move && !as_it_was)
			from = y;
		if (from >= 0 && (move || as_it_was)) {
			if (area_add(rest, (struct rect){r.x, r.y + from, r.w, y - from}, r) < 0)
				return -1;
			from = -1;
		}
		if (!move)
			continue;
		moved += n;
		if (!add_move(moves, r, y, n, distance))
			return -1;
	}
	if (from >= 0 && area_add(rest, (struct rect){r.x, r.y + from, r.w, r.h - from}, r) < 0)
		return -1;
	return moved;
}

bool scroll_find(const uint64_t *before, const uint64_t *after, struct rect r, struct scroll *ret,
                 struct area *rest)
{
	struct area more = {.count = 0}, sum = *rest;
	int32_t distance;

	ret->count = 0;
	ret->rect = r;
	distance = r.h > CONTEXT ? likely_distance(before, after, r.h) : 0;
	if (distance == 0 || divide(before, after, r, distance, ret, &more) * 2 < r.h) {
		ret->count = 0;
		return false;
	}
	for (unsigned i = 0; i < more.count; i++)
		if (area_add(&sum, more.items[i], r) < 0) {
			ret->count = 0;
			return false;
		}
	*rest = sum;
	/* downwards the lowest first, or it would move what has just been painted */
	for (unsigned i = 0; distance > 0 && i < ret->count / 2; i++) {
		struct frame_scroll tmp = ret->moves[i];

		ret->moves[i] = ret->moves[ret->count - 1 - i];
		ret->moves[ret->count - 1 - i] = tmp;
	}
	return true;
}
