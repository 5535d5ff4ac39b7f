/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/pump.c - the relay: two legs, two flows, until either side closes. Worker, relay filter.
 *
 * Each turn: move what can be moved (scan, edit, write, per flow), then wait. What is waited for
 * follows from the state of the buffers alone, every time anew: a leg is read while its flow has
 * room and written while the other flow has output, so a slow reader stops the fast side and memory
 * stays bounded.
 *
 * The end: a leg that ends its stream ends the flow from it, once that is drained; the other
 * direction goes on (half-close) while it makes progress. A leg that breaks takes its own flows
 * with it, not the other's last words. When we end it ourselves, both sides get a disconnect at the
 * next gap between records.
 *
 * System calls: epoll_wait, epoll_ctl, read, write, shutdown, madvise, sendmsg and recvmsg (the
 * guard), exit_group.
 */
#include "relay/pump.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/sandbox.h"
#include "relay/encryption.h"
#include "relay/secure.h"
#include "relay/transcode.h"
#include "wire/packet.h"

/* How long one direction may go without progress after the other has ended. */
#define LINGER_USEC (2 * USEC_PER_SEC)
#define CLOSING_USEC (1 * USEC_PER_SEC) /* for our own disconnect to find a gap and get out */
#define INJECT_HIGH FLOW_WINDOW         /* translated packets gathered before a write */

enum watched {
	WATCHED_CLIENT,
	WATCHED_SERVER,
	WATCHED_GUARD,
	WATCHED_ENCODER,
	WATCHED_MAX_,
};

struct pump {
	struct worker *w;
	uint64_t now_usec; /* when this turn began */
	uint64_t next_ping_usec;
	uint64_t linger_usec;        /* USEC_INFINITY: both directions are open */
	bool closing;                /* we are ending it */
	uint32_t want[WATCHED_MAX_]; /* what epoll has been told */
	unsigned watching;           /* bit n: WATCHED n is in it */
};

/* A flow that can deliver nothing any more: its reader is gone. */
static void abandon(struct flow *f)
{
	f->sent = f->ready = f->end = 0;
	f->inject_sent = f->inject_len = f->pending_len = 0;
	f->record_left = 0;
	f->eof = f->shut = true;
}

static void inject_pending(struct pump *p, struct flow *f)
{
	struct stats *s = p->w->stats;
	size_t size;

	memcpy(flow_inject_at(f, &size), f->pending, f->pending_len);
	flow_injected(f, f->pending_len);
	f->pending_len = 0;
	(f == &p->w->up ? &s->from_client : &s->from_server)->injected++;
}

/* A server that is gone without a word: the client is told what its own end of the connection
 * cannot show. */
static bool say_farewell(struct pump *p, struct flow *f)
{
	if (f != &p->w->down || f->farewell || p->closing || !flow_at_gap(f) ||
	    strcmp(p->w->end.how, "upstream-close") != 0 ||
	    packet_disconnect(f->to->encoder, f->pending, sizeof(f->pending), "connection error",
	                      "server connection lost", &f->pending_len) < 0)
		return false;
	inject_pending(p, f);
	f->farewell = true;
	return true;
}

/* All that the flow had to say has been said. */
static void finish(const struct pump *p, struct flow *f)
{
	/* A peer that has been told why closes by itself; else it is told now, if it is still
	 * there. */
	if (!p->closing && !f->farewell)
		leg_shutdown(f->to);
	f->shut = true;
}

/* Ends the connection from our side: both peers are told at their next gap. */
static void stop(struct pump *p, int exit_code, const char *how, const char *reason,
                 const char *text)
{
	struct worker *w = p->w;
	struct flow *flows[] = {&w->up, &w->down};
	char detail[RPC_TEXT_MAX];

	if (p->closing)
		return;
	snprintf(detail, sizeof(detail), "%.200s%s%.200s", reason, text[0] ? ": " : "", text);
	worker_end(w, exit_code, how, detail);
	p->closing = true;
	p->linger_usec = now_usec() + CLOSING_USEC;
	for (size_t i = 0; i < ARRAY_SIZE(flows); i++) {
		struct flow *f = flows[i];

		if (f->shut || packet_disconnect(f->to->encoder, f->pending, sizeof(f->pending),
		                                 reason, text, &f->pending_len) < 0)
			f->pending_len = 0;
	}
}

/* Moves what can be moved without waiting. */
static void advance(struct pump *p, struct flow *f)
{
	const char *why = "";
	int r;

	while (!f->shut) {
		enum scan scan = p->closing && f->eof ? SCAN_MORE : peek_scan(p->w, f, &why);
		bool clear = f->sent == f->ready;

		if (scan == SCAN_GAP && clear && f->inject_len < INJECT_HIGH) {
			if (f->pending_len == 0) {
				transcode_write(p->w, f);
				continue;
			}
			inject_pending(p, f);
			if (p->closing) { /* nothing comes after our disconnect */
				f->eof = true;
				f->end = f->ready = f->sent = 0;
			}
			continue;
		}
		if (scan == SCAN_HOLD && clear && f->inject_len < INJECT_HIGH) {
			r = edit_record(p->w, f, &why);
			if (r > 0)
				continue;
			if (r < 0)
				scan = SCAN_ERROR;
		}
		if (flow_has_output(f)) {
			r = flow_write(f);
			if (r > 0) {
				flow_trim(f);
				continue;
			}
			if (r < 0)
				abandon(f);
			return;
		}
		if (scan == SCAN_ERROR) {
			flow_drop(f, flow_available(f));
			stop(p, EXIT_PROTOCOL,
			     f == &p->w->up ? "client-protocol" : "server-protocol",
			     "protocol error", why);
			/* Nothing more from there, but our disconnect if it can be understood. */
			f->eof = !flow_at_gap(f) || f->pending_len == 0;
			continue;
		}
		if (!f->eof)
			return;
		/* A record cut short arrives as it would have. */
		if (flow_available(f) > 0)
			flow_pass(f, flow_available(f));
		else if (!say_farewell(p, f))
			finish(p, f);
	}
}

static void receive(struct pump *p, struct flow *f)
{
	bool from_client = f == &p->w->up;
	ssize_t n = flow_read(f);

	if (n > 0) {
		f->from->heard_usec = p->now_usec;
		(from_client ? &p->w->stats->from_client : &p->w->stats->from_server)->bytes +=
			(uint64_t)n;
		if (p->linger_usec != USEC_INFINITY && !p->closing)
			p->linger_usec = p->now_usec + LINGER_USEC;
		return;
	}
	if (n == -EAGAIN || n == -ENOBUFS)
		return;
	if (n < 0 && f->from->fault && !p->closing) {
		stop(p, EXIT_PROTOCOL, from_client ? "client-protocol" : "server-protocol",
		     "protocol error", f->from->fault);
		/* Our disconnect may still go to the other side. */
		f->eof = !flow_at_gap(f) || f->pending_len == 0;
		return;
	}
	f->eof = true;
	worker_end(p->w, EXIT_OK, from_client ? "client-close" : "upstream-close",
	           n == 0 ? "connection closed" : strerror((int)-n));
}

static bool can_read(const struct flow *f)
{
	return !f->eof && (f->end < f->window || (f->sent > 0 && f->sent == f->ready));
}

static uint32_t events(const struct flow *in, const struct flow *out)
{
	uint32_t want = can_read(in) ? EPOLLIN : 0;

	if ((!out->shut && flow_has_output(out)) || (want && leg_blocked(in->from)))
		want |= EPOLLOUT;
	return want;
}

static void heed_guard(struct pump *p)
{
	struct rpc m;

	if (rpc_receive(p->w->guard_fd, &m, NULL) == 0 && m.type == RPC_STOP)
		stop(p, EXIT_OK, "stopped", m.stop.reason, m.stop.text);
	else
		stop(p, EXIT_INTERNAL, "guard-gone", "server shutdown", "the proxy was killed");
}

/* A leg that reports a hang-up although nothing was asked of it: whatever was for it is lost. */
static void hangup(struct pump *p, struct flow *in, struct flow *out)
{
	worker_end(p->w, EXIT_OK, in == &p->w->up ? "client-close" : "upstream-close",
	           "connection lost");
	in->eof = true;
	abandon(out);
}

/* Pings, and the timers that end a connection. */
static void tick(struct pump *p)
{
	uint64_t now = p->now_usec;
	const struct config *c = p->w->config;
	struct worker *w = p->w;

	if (c->relay_ping_interval_usec && now >= p->next_ping_usec) {
		p->next_ping_usec = now + c->relay_ping_interval_usec;
		if (w->up.from->heard_usec + USEC_PER_SEC < now &&
		    w->down.from->heard_usec + USEC_PER_SEC < now)
			worker_trim(w);
		if (w->client.echoes_sid)
			edit_ping(w, &w->down);
		if (w->server.echoes_sid)
			edit_ping(w, &w->up);
	}
	if (c->relay_ping_interval_usec && c->relay_ping_timeout_usec) {
		if (w->client.echoes_sid &&
		    now >= w->client.heard_usec + c->relay_ping_timeout_usec)
			stop(p, EXIT_OK, "timeout", "client ping timeout",
			     "proxy to client ping timeout");
		if (w->server.echoes_sid &&
		    now >= w->server.heard_usec + c->relay_ping_timeout_usec)
			stop(p, EXIT_UPSTREAM, "timeout", "connection error",
			     "proxy to server ping timeout");
	}
	if (c->relay_idle_timeout_usec && now >= w->active_usec + c->relay_idle_timeout_usec)
		stop(p, EXIT_OK, "timeout", "idle timeout", "");
}

/* The next moment at which tick() has something to do. */
static uint64_t next_tick(const struct pump *p)
{
	const struct config *c = p->w->config;
	const struct worker *w = p->w;
	uint64_t t = p->linger_usec;

	if (p->closing)
		return t;
#define EARLIER(when) t = (when) < t ? (when) : t
	if (c->relay_ping_interval_usec && (w->client.echoes_sid || w->server.echoes_sid))
		EARLIER(p->next_ping_usec);
	if (c->relay_ping_interval_usec && c->relay_ping_timeout_usec) {
		if (w->client.echoes_sid)
			EARLIER(w->client.heard_usec + c->relay_ping_timeout_usec);
		if (w->server.echoes_sid)
			EARLIER(w->server.heard_usec + c->relay_ping_timeout_usec);
	}
	if (c->relay_idle_timeout_usec)
		EARLIER(w->active_usec + c->relay_idle_timeout_usec);
#undef EARLIER
	return t;
}

/* Tells epoll what is waited for now, if that has changed: it hardly ever does, which is why this
 * is not poll(). want 0 with `off`: the fd is taken out, as a hang-up would be reported for ever.
 */
static void watch(struct pump *p, enum watched which, int fd, uint32_t want, bool off)
{
	struct epoll_event e = {.events = want, .data.u32 = which};
	bool in = p->watching & 1u << which;

	if (off) {
		if (in)
			(void)epoll_ctl(p->w->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		p->watching &= ~(1u << which);
		return;
	}
	if (in && p->want[which] == want)
		return;
	(void)epoll_ctl(p->w->epoll_fd, in ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &e);
	p->watching |= 1u << which;
	p->want[which] = want;
}

/* It is done with when it has ended: the kernel has then forgotten its fd, too. */
static void watch_encoder(struct pump *p)
{
	int fd = transcode_fd(p->w);

	if (fd < 0)
		p->watching &= ~(1u << WATCHED_ENCODER);
	else
		watch(p, WATCHED_ENCODER, fd, transcode_reads(p->w) ? EPOLLIN : 0, false);
}

static void serve_leg(struct pump *p, uint32_t happened, struct flow *in, struct flow *out)
{
	uint32_t reading = EPOLLIN | EPOLLHUP | EPOLLERR | (leg_blocked(in->from) ? EPOLLOUT : 0);

	if (happened & reading && can_read(in))
		receive(p, in);
	else if (happened & (EPOLLHUP | EPOLLERR))
		hangup(p, in, out);
}

/* A leg may hold bytes that its socket says nothing of. */
static bool unread(const struct flow *f)
{
	return can_read(f) && leg_unread(f->from);
}

static void turn(struct pump *p)
{
	struct worker *w = p->w;
	uint64_t tick_usec = next_tick(p);
	struct epoll_event happened[WATCHED_MAX_];
	int n, msec = -1;
	uint64_t encoder_usec = transcode_tick(w, p->now_usec);

	watch(p, WATCHED_CLIENT, w->client.fd, events(&w->up, &w->down), w->up.eof && w->down.shut);
	watch(p, WATCHED_SERVER, w->server.fd, events(&w->down, &w->up), w->down.eof && w->up.shut);
	watch(p, WATCHED_GUARD, w->guard_fd, EPOLLIN, p->closing);
	if (w->transcode)
		watch_encoder(p);
	if (encoder_usec < tick_usec)
		tick_usec = encoder_usec;
	if (tick_usec <= p->now_usec || unread(&w->up) || unread(&w->down))
		msec = 0;
	else if (tick_usec != USEC_INFINITY)
		msec = (int)((tick_usec - p->now_usec) / 1000 % INT32_MAX) + 1;
	n = epoll_wait(w->epoll_fd, happened, WATCHED_MAX_, msec);
	p->now_usec = now_usec();
	for (int i = 0; i < n; i++) {
		if (happened[i].data.u32 == WATCHED_GUARD)
			heed_guard(p);
		else if (happened[i].data.u32 == WATCHED_ENCODER)
			transcode_receive(w);
		else if (happened[i].data.u32 == WATCHED_CLIENT)
			serve_leg(p, happened[i].events, &w->up, &w->down);
		else
			serve_leg(p, happened[i].events, &w->down, &w->up);
	}
	if (unread(&w->up))
		receive(p, &w->up);
	if (unread(&w->down))
		receive(p, &w->down);
	tick(p);
}

static void announce(struct worker *w)
{
	struct rpc m = {.type = RPC_RELAY};
	char tls[TLS_DESCRIPTION_MAX], aes[ENCRYPTION_DESCRIPTION_MAX];

	snprintf(m.relay.server, sizeof(m.relay.server), "%s", w->server_hello.version);
	m.relay.transport =
		(w->tls ? TRANSPORT_TLS : 0) | (w->websocket ? TRANSPORT_WEBSOCKET : TRANSPORT_TCP);
	secure_describe(w, tls);
	encryption_describe(w, aes);
	snprintf(m.relay.protocol, sizeof(m.relay.protocol), "%s%s%s%s%s", tls, tls[0] ? ", " : "",
	         aes, aes[0] ? ", " : "", encoder_name(w->client.encoder));
	m.relay.encoder = w->server.encoder;
	(void)rpc_send(w->guard_fd, &m, -1);
}

void pump_run(struct worker *w)
{
	uint64_t now = now_usec();
	struct pump p = {.w = w, .now_usec = now, .linger_usec = USEC_INFINITY};
	int r;

	r = sandbox_lock(SANDBOX_RELAY);
	if (r < 0) {
		worker_fail(w, EXIT_INTERNAL, "internal", "server error", "internal error");
		return;
	}
	encryption_forget_key(w->encryption);
	encryption_forget_key(w->server_encryption);
	p.next_ping_usec = now + w->config->relay_ping_interval_usec;
	w->client.heard_usec = w->server.heard_usec = w->active_usec = now;
	w->stats->established = 1;
	w->stats->client_encoder = w->client.encoder;
	w->stats->server_encoder = w->server.encoder;
	advance(&p, &w->down); /* the server's hello */
	announce(w);
	worker_trim(w);
	for (;;) {
		advance(&p, &w->up);
		advance(&p, &w->down);
		if (transcode_ready(w, &w->up)) { /* the server is owed an answer */
			advance(&p, &w->up);
			advance(&p, &w->down);
		}
		if ((w->up.shut || w->down.shut) && p.linger_usec == USEC_INFINITY)
			p.linger_usec = now_usec() + LINGER_USEC;
		if ((w->up.shut && w->down.shut) ||
		    (p.linger_usec != USEC_INFINITY && now_usec() >= p.linger_usec))
			break;
		turn(&p);
	}
	worker_end(w, EXIT_OK, "closed", "");
	if (p.closing)
		worker_goodbye(w);
}
