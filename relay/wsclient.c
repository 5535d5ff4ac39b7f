/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/wsclient.c - the client side of a WebSocket, towards a session's server. xproxy-tunnel,
 * locked. System calls: those of the leg below, getrandom.
 *
 * xpra's own client does not mask what it sends; RFC 6455 wants it, every server takes it, and what
 * stands before a server may insist.
 */
#include "relay/wsclient.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/macros.h"
#include "wire/websocket.h"

#define FRAME_MAX (64u << 10) /* of what we send: all that a flow's batch has */

struct wsclient {
	struct layer layer; /* first */
	struct leg *below;
	struct websocket_reader reader;
	bool ended; /* the server has said so, or we have */

	/* A frame on its way: header and masked payload. */
	uint8_t out[WEBSOCKET_HEADER_MAX + FRAME_MAX];
	size_t out_sent, out_len;
	size_t taken; /* bytes of the writer's that it holds */

	/* What came with the server's answer. */
	uint8_t early[HTTP_HEAD_MAX];
	size_t early_len;
};

static struct wsclient ws; /* in .bss: a process has one */

/* 1 all is out, 0 not yet, or a negative errno. */
static int flush_out(struct wsclient *w)
{
	while (w->out_sent < w->out_len) {
		ssize_t n = leg_write(w->below, w->out + w->out_sent, w->out_len - w->out_sent);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		w->out_sent += (size_t)n;
	}
	w->out_sent = w->out_len = 0;
	return 1;
}

static int put_frame(struct wsclient *w, enum websocket_opcode opcode, const void *data, size_t len)
{
	uint8_t mask[4], *p;

	if (getrandom(mask, sizeof(mask), 0) != sizeof(mask))
		return -EIO;
	w->out_len = websocket_header(w->out, opcode, len, mask);
	p = w->out + w->out_len;
	memcpy(p, data, len);
	websocket_mask(p, len, mask, 0);
	w->out_len += len;
	return 0;
}

/* Pings are answered if nothing else is on its way: what is, shows that we are alive. */
static int serve_control(struct wsclient *w, int opcode)
{
	if (opcode == WEBSOCKET_CLOSE)
		w->ended = true;
	if (opcode != WEBSOCKET_PING || w->out_len > 0)
		return 0;
	w->taken = 0;
	if (put_frame(w, WEBSOCKET_PONG, w->reader.control, w->reader.control_len) < 0)
		return -EIO;
	return flush_out(w) < 0 ? -EPIPE : 0;
}

static ssize_t read_below(struct wsclient *w, void *buf, size_t len)
{
	size_t n = w->early_len < len ? w->early_len : len;

	if (n == 0)
		return leg_read(w->below, buf, len);
	memcpy(buf, w->early, n);
	memmove(w->early, w->early + n, w->early_len - n);
	w->early_len -= n;
	return (ssize_t)n;
}

static ssize_t ws_read(struct layer *l, void *buf, size_t len)
{
	struct wsclient *w = (struct wsclient *)l;
	uint8_t *out = buf;

	while (out == buf && !w->ended) {
		ssize_t n = read_below(w, buf, len);
		size_t left = n > 0 ? (size_t)n : 0;
		uint8_t *in = buf;
		int r = left ? 1 : 0;

		if (n <= 0)
			return n;
		while (r != 0 && !w->ended) {
			r = websocket_decode(&w->reader, &in, &left, &out, &w->below->fault);
			if (r > 0)
				r = serve_control(w, r) < 0 ? -EPIPE : r;
			if (r < 0)
				return r;
		}
	}
	return out - (uint8_t *)buf;
}

static ssize_t ws_write(struct layer *l, const void *buf, size_t len)
{
	struct wsclient *w = (struct wsclient *)l;
	int r = w->ended ? -EPIPE : flush_out(w);

	if (r <= 0)
		return r < 0 ? r : -EAGAIN;
	if (w->taken == 0) {
		w->taken = len < FRAME_MAX ? len : FRAME_MAX;
		r = put_frame(w, WEBSOCKET_BINARY, buf, w->taken);
		if (r == 0)
			r = flush_out(w);
		if (r <= 0)
			return r < 0 ? r : -EAGAIN;
	}
	/* All of it is out, now or since the last call. */
	len = w->taken;
	w->taken = 0;
	return (ssize_t)len;
}

static bool ws_unread(const struct layer *l)
{
	const struct wsclient *w = (const struct wsclient *)l;

	return w->early_len > 0 || leg_unread(w->below);
}

static bool ws_blocked(const struct layer *l)
{
	return leg_blocked(((const struct wsclient *)l)->below);
}

static void ws_shutdown(struct layer *l)
{
	static const uint8_t normal[] = {WEBSOCKET_NORMAL >> 8, WEBSOCKET_NORMAL & 0xff};
	struct wsclient *w = (struct wsclient *)l;

	if (!w->ended && w->out_len == 0 &&
	    put_frame(w, WEBSOCKET_CLOSE, normal, sizeof(normal)) == 0)
		(void)flush_out(w);
	if (w->below->layer)
		w->below->layer->shutdown(w->below->layer);
}

static int fail(char *err, int r, const char *what)
{
	snprintf(err, WSCLIENT_ERROR_MAX, "websocket upgrade: %s", what);
	return r;
}

static int check_response(const struct http_head *h, const char *key, char *err)
{
	char what[64];
	const char *why;
	int r = websocket_check_response(h, key, &why);

	if (r != -ECONNREFUSED)
		return r < 0 ? fail(err, r, why) : 0;
	snprintf(what, sizeof(what), "the server answers with HTTP status %u", h->status);
	return fail(err, r, what);
}

/* The server's answer; what follows it is kept. */
static int read_response(struct wsclient *w, const char *key, int hangup_fd, uint64_t deadline_usec,
                         char *err)
{
	struct http_head h;
	const char *why;
	size_t len = 0;
	int r = -EAGAIN;

	while (r == -EAGAIN) {
		ssize_t n;

		r = leg_wait(w->below, hangup_fd, -1, deadline_usec);
		if (r == 0)
			return fail(err, -ETIMEDOUT, "no answer within ConnectTimeout");
		if (r < 0)
			return r;
		n = leg_read(w->below, w->early + len, sizeof(w->early) - len);
		if (n <= 0 && n != -EAGAIN)
			return fail(err, -ECONNRESET, "the server closed the connection");
		len += n > 0 ? (size_t)n : 0;
		r = http_parse_response(w->early, len, &h, &why);
	}
	if (r < 0)
		return fail(err, r, why);
	r = check_response(&h, key, err);
	if (r < 0)
		return r;
	w->early_len = len - h.len;
	memmove(w->early, w->early + h.len, w->early_len);
	return 0;
}

int wsclient_open(struct leg *below, const char *authority, const char *path, int hangup_fd,
                  uint64_t deadline_usec, struct layer **ret, char *err)
{
	char key[WEBSOCKET_KEY_LEN + 1], request[1024];
	uint8_t random[16];
	int n, r;

	ws.layer = (struct layer){ws_read, ws_write, ws_unread, ws_blocked, ws_shutdown};
	ws.below = below;
	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return fail(err, -EIO, "no random numbers");
	websocket_key(random, key);
	n = snprintf(request, sizeof(request),
	             "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL
	             "\r\nSec-WebSocket-Key: %s\r\n\r\n",
	             path, authority, key);
	r = leg_send(below, request, (size_t)n, deadline_usec);
	if (r < 0)
		return fail(err, r, "the server closed the connection");
	r = read_response(&ws, key, hangup_fd, deadline_usec, err);
	if (r == 0)
		*ret = &ws.layer;
	return r;
}
