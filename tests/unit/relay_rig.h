/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/relay_rig.h - a worker made by hand, with both its peers, for tests and the fuzzer: no
 * guard, no sandbox, no waiting. What relay/pump.c does with a record, rig_advance() does too.
 *
 * The includer defines PROPERTY(cond).
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/pump.h"
#include "wire/packet.h"

#define RIG_PIECE 16384

struct rig {
	struct worker w;
	struct stats stats;
	struct config config;
	int client_fd, server_fd; /* the peers' ends */
	int guard_fd;             /* the guard's end: rig_logged() */
	const char *why;          /* of the last error */
	struct sink {
		uint8_t *data;
		size_t len, size;
	} to_server, to_client; /* what the peers have got */
};

static inline void rig_pair(int *ret_ours, int *ret_peers)
{
	int fds[2];

	PROPERTY(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	*ret_ours = fds[0];
	*ret_peers = fds[1];
}

static inline void rig_init(struct rig *g)
{
	struct worker *w = &g->w;
	int guard[2];

	memset(g, 0, sizeof(*g));
	w->config = &g->config;
	w->stats = &g->stats;
	w->decompressor = decompressor_new();
	w->scratch = mmap(NULL, SCRATCH_SIZE, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	PROPERTY(w->decompressor && w->scratch != MAP_FAILED);
	PROPERTY(rpc_pair(guard) == 0);
	w->guard_fd = guard[0];
	g->guard_fd = guard[1];
	PROPERTY(fcntl(g->guard_fd, F_SETFL, O_NONBLOCK) == 0);
	PROPERTY(flow_init(&w->up, &w->client, &w->server, FLOW_WINDOW) == 0);
	PROPERTY(flow_init(&w->down, &w->server, &w->client, FLOW_WINDOW) == 0);
	w->client.fd = w->server.fd = g->client_fd = g->server_fd = -1;
}

static inline void rig_close(struct rig *g)
{
	int *fds[] = {&g->w.client.fd, &g->w.server.fd, &g->client_fd, &g->server_fd};

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static inline void rig_reset_flow(struct flow *f, struct leg *from, struct leg *to)
{
	*f = (struct flow){.batch = FLOW_WINDOW,
	                   .from = from,
	                   .to = to,
	                   .buf = f->buf,
	                   .inject = f->inject,
	                   .window = FLOW_WINDOW};
}

/* As after the hellos. */
static inline void rig_reset(struct rig *g, enum encoder client, enum encoder server)
{
	struct worker *w = &g->w;
	const struct leg leg = {.compressors = COMPRESSOR_BIT(COMPRESSOR_LZ4)};

	rig_close(g);
	w->client = w->server = leg;
	w->client.name = "client";
	w->client.encoder = client;
	w->client.encoders = encoders_bit(client);
	w->client.major = client == ENCODER_RENCODEPLUS ? 6 : 3;
	w->server.name = "server";
	w->server.encoder = server;
	w->server.encoders = encoders_bit(server);
	w->server.major = server == ENCODER_RENCODEPLUS ? 6 : 3;
	rig_pair(&w->client.fd, &g->client_fd);
	rig_pair(&w->server.fd, &g->server_fd);
	rig_reset_flow(&w->up, &w->client, &w->server);
	rig_reset_flow(&w->down, &w->server, &w->client);
	w->active_usec = 0;
	w->ended = false;
	snprintf(w->host, sizeof(w->host), "gate");
	snprintf(w->sid, sizeof(w->sid), "0123456789abcdef0123456789abcdef");
	g->stats = (struct stats){0};
	g->to_server.len = g->to_client.len = 0;
	g->why = "";
}

static inline struct sink *rig_sink(struct rig *g, const struct flow *f)
{
	return f == &g->w.up ? &g->to_server : &g->to_client;
}

/* Takes what the flow's receiver has got so far. */
static inline void rig_drain(struct rig *g, const struct flow *f)
{
	struct sink *s = rig_sink(g, f);
	int fd = f == &g->w.up ? g->server_fd : g->client_fd;
	ssize_t n;

	do {
		if (s->size - s->len < 65536) {
			s->size = 2 * s->size + 65536;
			s->data = realloc(s->data, s->size);
			PROPERTY(s->data != NULL);
		}
		n = read(fd, s->data + s->len, s->size - s->len);
		if (n > 0)
			s->len += (size_t)n;
	} while (n > 0);
}

static inline void rig_check(const struct flow *f)
{
	PROPERTY(f->sent <= f->ready && f->ready <= f->end && f->end <= f->window);
	PROPERTY(f->window >= FLOW_WINDOW && f->window <= FLOW_SIZE);
	PROPERTY(f->inject_sent <= f->inject_len && f->inject_len <= FLOW_INJECT_SIZE);
	PROPERTY(f->inject_len <= f->inject_high || f->inject_len == 0);
	PROPERTY(f->pending_len <= FLOW_PENDING_MAX &&
	         __builtin_popcount(f->chunks) <= HEADER_CHUNKS_MAX);
}

/* Moves all that can be moved. 0, or the error that ends the connection. */
static inline int rig_advance(struct rig *g, struct flow *f)
{
	for (;;) {
		enum scan scan = peek_scan(&g->w, f, &g->why);
		bool clear = f->sent == f->ready;
		int r, error = scan == SCAN_ERROR ? -EPROTO : 0;
		size_t size;

		rig_check(f);
		if (scan == SCAN_GAP && clear && f->inject_len < FLOW_WINDOW) {
			PROPERTY(flow_at_gap(f) && f->pending_len > 0);
			memcpy(flow_inject_at(f, &size), f->pending, f->pending_len);
			PROPERTY(size >= f->pending_len);
			flow_injected(f, f->pending_len);
			f->pending_len = 0;
			continue;
		}
		if (scan == SCAN_HOLD && clear && f->inject_len < FLOW_WINDOW) {
			r = edit_record(&g->w, f, &g->why);
			rig_check(f);
			if (r > 0)
				continue;
			if (r < 0)
				error = r;
		}
		if (flow_has_output(f)) {
			r = flow_write(f);
			PROPERTY(r >= 0);
			rig_check(f);
			rig_drain(g, f);
			if (r > 0)
				flow_trim(f);
			rig_check(f);
			continue;
		}
		return error;
	}
}

/* What the flow's sender says next, in pieces of at most `piece` bytes; moved on after each. */
static inline int rig_feed(struct rig *g, struct flow *f, const uint8_t *data, size_t len,
                           size_t piece)
{
	int fd = f == &g->w.up ? g->client_fd : g->server_fd;

	while (len > 0) {
		size_t n = len < piece ? len : piece;
		int r;

		PROPERTY(write(fd, data, n) == (ssize_t)n);
		PROPERTY(flow_read(f) ==
		         (ssize_t)n); /* there is always room once all has been moved */
		rig_check(f);
		r = rig_advance(g, f);
		if (r < 0)
			return r;
		data += n;
		len -= n;
	}
	return 0;
}

/* Log lines since the last call. */
static inline unsigned rig_logged(struct rig *g)
{
	static struct rpc m;
	unsigned n = 0;

	while (rpc_receive(g->guard_fd, &m, NULL) == 0)
		n += m.type == RPC_LOG;
	return n;
}
