/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/websocket_property.h - what holds of any bytes read as WebSocket frames: nothing is
 * written behind the input, no cut changes what comes out, and whatever comes out once was carried
 * by the input.
 *
 * The includer defines PROPERTY(cond).
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/websocket.h"

struct property_stream {
	struct websocket_reader r;
	uint8_t *messages;
	size_t messages_len;
	uint8_t *controls; /* opcode, length and content of each */
	size_t controls_len;
	int result;
};

static void property_feed(struct property_stream *s, uint8_t *buf, size_t len)
{
	uint8_t *in = buf, *out = buf, *end = buf + len;
	const char *why = NULL;
	size_t left = len;
	int r;

	while ((r = websocket_decode(&s->r, &in, &left, &out, &why)) > 0) {
		PROPERTY(r >= WEBSOCKET_CLOSE && s->r.control_len <= WEBSOCKET_CONTROL_MAX);
		s->controls[s->controls_len++] = (uint8_t)r;
		s->controls[s->controls_len++] = (uint8_t)s->r.control_len;
		memcpy(s->controls + s->controls_len, s->r.control, s->r.control_len);
		s->controls_len += s->r.control_len;
	}
	PROPERTY(out <= in && in + left == end);
	PROPERTY((r == 0) == (left == 0) || r < 0);
	PROPERTY((r < 0) == (why != NULL));
	PROPERTY(r == 0 || r == -EBADMSG || r == -EMSGSIZE);
	memcpy(s->messages + s->messages_len, buf, (size_t)(out - buf));
	s->messages_len += (size_t)(out - buf);
	s->result = r;
}

/* Pieces of that many bytes, each in a buffer of exactly its size. */
static struct property_stream property_read(const uint8_t *data, size_t size, size_t piece)
{
	struct property_stream s = {.messages = malloc(size + 1), .controls = malloc(size + 1)};

	PROPERTY(s.messages && s.controls);
	for (size_t at = 0; at < size && s.result == 0; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		uint8_t *copy = malloc(n);

		PROPERTY(copy);
		memcpy(copy, data + at, n);
		property_feed(&s, copy, n);
		free(copy);
	}
	return s;
}

static void property_free(struct property_stream *s)
{
	free(s->messages);
	free(s->controls);
}

static void property_check(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = {1, 2, 3, 7, 64};
	struct property_stream whole = property_read(data, size, size + 1);

	PROPERTY(whole.messages_len + whole.controls_len <= size);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct property_stream s = property_read(data, size, pieces[i]);

		PROPERTY(s.result == whole.result);
		PROPERTY(s.messages_len == whole.messages_len &&
		         memcmp(s.messages, whole.messages, s.messages_len) == 0);
		PROPERTY(s.controls_len == whole.controls_len &&
		         memcmp(s.controls, whole.controls, s.controls_len) == 0);
		property_free(&s);
	}
	property_free(&whole);
}
