/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * encode/scroll.c - find what has scrolled. Encoder process, locked. No system calls.
 */
#include "encode/scroll.h"

#include "base/macros.h"

#define TABLE 32768 /* twice as many as there are rows */

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

/* Where in rows each hash is; and marked when it is in more than one place, as blank rows are:
 * those say nothing of a distance. */
static int32_t *place_of(const uint64_t *rows, int32_t *table, uint64_t hash)
{
	size_t at = hash % TABLE;

	while (table[at] != -1) {
		int32_t row = table[at] & 0x7fff;

		if (rows[row] == hash)
			break;
		at = (at + 1) % TABLE;
	}
	return &table[at];
}

/* The distance that most rows have moved by, 0: none. */
static int32_t likely_distance(const uint64_t *before, const uint64_t *after, int32_t rows)
{
	static int32_t table[TABLE];               /* row, or row | 0x8000 when several */
	static uint16_t votes[2 * FRAME_SIDE_MAX]; /* the process has one thread */
	int32_t best = 0;

	memset(table, 0xff, sizeof(table));
	memset(votes, 0, sizeof(votes));
	for (int32_t y = 0; y < rows; y++) {
		int32_t *p = place_of(before, table, before[y]);

		*p = *p == -1 ? y : *p | 0x8000;
	}
	for (int32_t y = 0; y < rows; y++) {
		int32_t at = *place_of(before, table, after[y]);

		if (at >= 0 && !(at & 0x8000) && at != y)
			votes[y - at + FRAME_SIDE_MAX]++;
	}
	for (int32_t d = -rows + 1; d < rows; d++)
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

bool scroll_find(const uint64_t *before, const uint64_t *after, struct rect r, struct scroll *ret,
                 struct area *rest)
{
	int32_t distance = likely_distance(before, after, r.h), moved = 0, from = -1, n;
	struct area new = {.count = 0};

	ret->count = 0;
	ret->rect = r;
	if (distance == 0)
		return false;
	for (int32_t y = 0; y <= r.h; y += n) {
		n = y < r.h ? run_length(before, after, r.h, y, distance) : SCROLL_RUN_MIN;
		if (n >= SCROLL_RUN_MIN || y == r.h || after[y] == before[y]) {
			if (from >= 0 &&
			    area_add(&new, (struct rect){r.x, r.y + from, r.w, y - from}, r) < 0)
				return false;
			from = -1;
			if (y == r.h)
				break;
			if (n >= SCROLL_RUN_MIN) {
				moved += n;
				if (!add_move(ret, r, y, n, distance))
					return false;
				continue;
			}
		} else if (from < 0) {
			from = y;
		}
		n = 1;
	}
	if (moved * 2 < r.h)
		return ret->count = 0, false;
	/* downwards the lowest first, or it would move what has just been painted */
	for (unsigned i = 0; distance > 0 && i < ret->count / 2; i++) {
		struct frame_scroll tmp = ret->moves[i];

		ret->moves[i] = ret->moves[ret->count - 1 - i];
		ret->moves[ret->count - 1 - i] = tmp;
	}
	for (unsigned i = 0; i < new.count; i++)
		if (area_add(rest, new.items[i], r) < 0)
			return ret->count = 0, false;
	return true;
}
