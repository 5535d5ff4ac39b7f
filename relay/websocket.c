/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/websocket.c - WebSocket frames between a leg and what carries it. Worker, locked. System
 * calls: those of relay/leg.c.
 */
#include "relay/websocket.h"

#include <errno.h>

#include "base/macros.h"
#include "wire/websocket.h"

#define OUT_SIZE 4096 /* a header should not be a packet of its own */

struct websocket {
	struct layer layer; /* first */
	struct leg below;   /* the same socket, with the layers under this one */
	struct leg *leg;

	struct websocket_reader reader;
	int broken;  /* what the reader found */
	bool closed; /* the peer has said that nothing more comes */
	bool told;   /* the leg's reader knows of either */

	/* Prepared, not out yet; stands for out_taken bytes of what was to be written. */
	uint8_t out[OUT_SIZE];
	size_t out_at, out_len, out_taken;
	uint64_t left;  /* bytes of the frame that follow what is in out */
	size_t own_len; /* a control frame of ours, waiting for a gap */
	uint8_t own[2 + WEBSOCKET_CONTROL_MAX];
	bool closing; /* our close frame is prepared or out */
};

/* ---- writing ---- */

/* 0: all that was prepared is out, and a control frame with it if there is a gap for it. */
static int flush(struct websocket *s)
{
	for (;;) {
		while (s->out_at < s->out_len) {
			ssize_t n =
				leg_write(&s->below, s->out + s->out_at, s->out_len - s->out_at);

			if (n <= 0)
				return n < 0 ? (int)n : -EAGAIN;
			s->out_at += (size_t)n;
		}
		s->out_at = s->out_len = 0;
		if (s->left > 0 || s->own_len == 0)
			return 0;
		memcpy(s->out, s->own, s->own_len);
		s->out_len = s->own_len;
		s->own_len = 0;
	}
}

/* The header of a frame for all of it, and as much behind it as there is room for. */
static void begin_frame(struct websocket *s, const uint8_t *data, size_t len)
{
	size_t n = websocket_header(s->out, WEBSOCKET_BINARY, len, NULL);

	s->out_taken = len < OUT_SIZE - n ? len : OUT_SIZE - n;
	memcpy(s->out + n, data, s->out_taken);
	s->out_len = n + s->out_taken;
	s->left = len - s->out_taken;
}

static ssize_t websocket_write(struct layer *l, const void *buf, size_t len)
{
	struct websocket *s = (struct websocket *)l;
	size_t done = 0;

	for (;;) {
		ssize_t n = flush(s);

		if (n < 0)
			return done > 0 ? (ssize_t)done : n;
		done += s->out_taken < len - done ? s->out_taken : len - done;
		s->out_taken = 0;
		if (done == len)
			return (ssize_t)done;
		if (s->closing) /* nothing may come after a close frame */
			return done > 0 ? (ssize_t)done : -EPIPE;
		if (s->left == 0) {
			begin_frame(s, (const uint8_t *)buf + done, len - done);
			continue;
		}
		n = leg_write(&s->below, (const uint8_t *)buf + done,
		              len - done < s->left ? len - done : (size_t)s->left);
		if (n <= 0)
			return done > 0 ? (ssize_t)done : n < 0 ? n : -EAGAIN;
		s->left -= (size_t)n;
		done += (size_t)n;
	}
}

/* A control frame as soon as there is a gap; one that still waits for it is forgotten. */
static void say(struct websocket *s, enum websocket_opcode opcode, const uint8_t *data, size_t len)
{
	size_t n;

	if (s->closing)
		return;
	n = websocket_header(s->own, opcode, len, NULL);
	if (len > 0)
		memcpy(s->own + n, data, len);
	s->own_len = n + len;
	s->closing = opcode == WEBSOCKET_CLOSE;
}

static void say_close(struct websocket *s, enum websocket_status status)
{
	const uint8_t code[2] = {(uint8_t)(status >> 8), (uint8_t)status};

	say(s, WEBSOCKET_CLOSE, code, sizeof(code));
}

/* ---- reading ---- */

static void answer(struct websocket *s, int opcode)
{
	if (opcode == WEBSOCKET_PING)
		say(s, WEBSOCKET_PONG, s->reader.control, s->reader.control_len);
	if (opcode != WEBSOCKET_CLOSE)
		return;
	s->closed = true;
	say(s, WEBSOCKET_CLOSE, s->reader.control,
	    s->reader.control_len < 2 ? 0 : 2); /* its code, without the words */
}

/* The len bytes at buf, just read, become what they carry; returns how much that is. */
static size_t decode(struct websocket *s, uint8_t *buf, size_t len)
{
	uint8_t *in = buf, *out = buf;
	int r = 0;

	while (!s->closed &&
	       (r = websocket_decode(&s->reader, &in, &len, &out, &s->leg->fault)) > 0)
		answer(s, r);
	if (r < 0)
		s->broken = r; /* its close frame comes after the words that say why */
	return (size_t)(out - buf);
}

static ssize_t websocket_read(struct layer *l, void *buf, size_t len)
{
	struct websocket *s = (struct websocket *)l;
	ssize_t n;

	if (!s->closed && !s->broken) {
		n = leg_read(&s->below, buf, len);
		if (n > 0)
			n = (ssize_t)decode(s, buf, (size_t)n);
		else if (n != -EAGAIN)
			return n;
		(void)flush(s); /* an error shows up where it matters: in the next write */
		if (n > 0)
			return n;
	}
	s->told = s->closed || s->broken;
	return s->closed ? 0 : s->broken ? s->broken : -EAGAIN;
}

static bool websocket_unread(const struct layer *l)
{
	const struct websocket *s = (const struct websocket *)l;

	return s->closed || s->broken ? !s->told : leg_unread(&s->below);
}

static bool websocket_blocked(const struct layer *l)
{
	const struct websocket *s = (const struct websocket *)l;
	bool own = s->own_len > 0 || (s->out_at < s->out_len && s->out_taken == 0);

	/* In the middle of a frame, whoever writes that waits anyway. */
	return (own && s->left == 0) || leg_blocked(&s->below);
}

static void websocket_shutdown(struct layer *l)
{
	struct websocket *s = (struct websocket *)l;

	say_close(s, s->broken ? WEBSOCKET_PROTOCOL_ERROR : WEBSOCKET_NORMAL);
	(void)flush(s);
	if (s->below.layer)
		s->below.layer->shutdown(s->below.layer);
}

int websocket_begin(struct worker *w)
{
	static struct websocket s; /* a worker has one client */
	struct flow *f = &w->up;

	s = (struct websocket){
		.layer = {websocket_read, websocket_write, websocket_unread, websocket_blocked,
	                  websocket_shutdown},
		.below = w->client,
		.leg = &w->client,
	};
	w->client.layer = &s.layer;
	w->websocket = true;
	f->end = f->ready + decode(&s, f->buf + f->ready, flow_available(f));
	if (s.broken)
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error", s.leg->fault);
	return 0;
}
