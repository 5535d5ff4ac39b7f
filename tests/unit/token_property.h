/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/token_property.h - what must hold for any input of the token reader, good or bad.
 *
 * For the unit test's mutations and for the fuzzer; the includer defines PROPERTY(cond).
 */
#pragma once

#include "wire/token.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const enum encoder property_encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE,
                                                 ENCODER_BENCODE};

/* No encoder needs more for what another says in a byte: classic -32 is bencode's i-32e. */
static inline size_t property_room(size_t len)
{
	return 5 * len + 16;
}

/* One value from data, written to buf in another encoder. The written length or an error. */
static inline int64_t property_translate(enum encoder from, const uint8_t *data, size_t len,
                                         enum encoder to, uint8_t *buf, size_t size)
{
	struct token_reader r;
	struct token_writer w;
	struct token t;
	int k;

	token_reader_init(&r, from, data, len);
	token_writer_init(&w, to, buf, size);
	k = token_read(&r, &t);
	if (k < 0)
		return k;
	k = token_copy(&r, &t, &w);
	if (k < 0)
		return k;
	PROPERTY(w.error == 0 && w.depth == 0 && w.len <= size);
	k = token_read(&r, &t);
	return k < 0 ? k : (int64_t)w.len;
}

static inline void property_lookups(const struct token *t)
{
	uint8_t small[8];
	char text[8];
	size_t n = 99;

	if (token_to_cstr(t, text, sizeof(text)) == 0)
		PROPERTY(strlen(text) == t->len && token_equals(t, text));
	if (token_to_bytes(t, small, sizeof(small), &n) == 0)
		PROPERTY(n <= sizeof(small) && n <= t->len);
}

/* Reads all of it. 0 or the reader's error. */
static inline int property_read(enum encoder encoder, const uint8_t *data, size_t len)
{
	struct token_reader r;
	struct token t;
	size_t n = 0;
	int k;

	token_reader_init(&r, encoder, data, len);
	while ((k = token_read(&r, &t)) > 0) {
		PROPERTY(++n <= 2 * len && r.pos <= len && r.depth <= TOKEN_DEPTH_MAX);
		if (!token_is_string(&t) && t.type != TOKEN_BIGINT)
			continue;
		PROPERTY(t.data >= data && t.len <= len && t.data + t.len <= data + len);
		property_lookups(&t);
	}
	PROPERTY(k == 0 || k == -EBADMSG || k == -EMSGSIZE);
	PROPERTY(token_read(&r, &t) == k);
	return k;
}

/* Skipping and truth see as much of the input as reading does. */
static inline void property_consume(enum encoder encoder, const uint8_t *data, size_t len, int want)
{
	struct token_reader r, r2;
	struct token t;
	bool truth;
	int k;

	token_reader_init(&r, encoder, data, len);
	k = token_read(&r, &t);
	if (k < 0) {
		PROPERTY(k == want);
		return;
	}
	r2 = r;
	k = token_skip(&r, &t);
	PROPERTY(token_truth(&r2, &t, &truth) == k && r.pos == r2.pos);
	if (k == 0)
		k = token_read(&r, &t);
	PROPERTY(k == want);
}

static inline void property_check(enum encoder encoder, const uint8_t *data, size_t len)
{
	const int want = property_read(encoder, data, len);
	const size_t room = property_room(len), again_room = property_room(room);
	uint8_t *out = malloc(room), *again = malloc(again_room);
	int64_t n, m;

	property_consume(encoder, data, len, want);
	for (size_t i = 0; i < sizeof(property_encoders) / sizeof(property_encoders[0]); i++) {
		const enum encoder to = property_encoders[i];

		n = property_translate(encoder, data, len, to, out, room);
		PROPERTY(want < 0 ? n == want : n >= 0);
		if (n < 0)
			continue;
		/* What was written reads back, and is canonical. */
		m = property_translate(to, out, (size_t)n, to, again, (size_t)n);
		PROPERTY(m == n && memcmp(out, again, (size_t)n) == 0);
		m = property_translate(to, out, (size_t)n, to, again, (size_t)n - 1);
		PROPERTY(m == -ENOBUFS);
	}
	free(out);
	free(again);
}
