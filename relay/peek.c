/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/peek.c - which records pass as they are. Worker, relay filter. No system calls.
 *
 * This is the fast path: a header check, a look at the packet's name, and the bytes stay where they
 * are. Only a few names mean work, and none of them can be seen in a chunk.
 */
#include <errno.h>
#include <syslog.h>

#include "base/macros.h"
#include "relay/pump.h"
#include "relay/transcode.h"
#include "relay/windows.h"
#include "wire/packet.h"

/* Names that are looked into, by direction; both generations. */
static const struct {
	const char *name;
	bool from_client, from_server;
} interesting[] = {
	{"hello", true, true},
	{"ping_echo", true, true},
	{"ping-echo", true, true},
	{"disconnect", true, true},
	{"connection-close", true, true},
	{"info-response", false, true},
	{"challenge", false, true},
	{"ssl-upgrade", true, true},
	{"set_deflate", true, false},
};

static bool is_interesting(const char *name, size_t len, bool from_client)
{
	/* Most are not, and this is asked for each record. */
	if (len < 5 || len > 16 || !memchr("hpdcis", name[0], 6))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(interesting); i++)
		if (strlen(interesting[i].name) == len &&
		    memcmp(interesting[i].name, name, len) == 0)
			return from_client ? interesting[i].from_client
			                   : interesting[i].from_server;
	return false;
}

/* Whether the receiver can read this record as it is. */
static bool readable(const struct header *h, const struct leg *from, const struct leg *to)
{
	enum compressor c = compressor_of(h->compression);

	if (c != COMPRESSOR_NONE && !(to->compressors & COMPRESSOR_BIT(c)))
		return false;
	return h->index > 0 || leg_reads(to, from, h->flags & ENCODER_FLAGS);
}

static int check_order(struct flow *f, const struct header *h, const char **ret_why)
{
	*ret_why = "encryption was not negotiated";
	if (h->flags & HEADER_CIPHER)
		return -EPROTO;
	*ret_why = "too many raw packets";
	if (h->index > 0 && __builtin_popcount(f->chunks) >= HEADER_CHUNKS_MAX)
		return -EPROTO;
	*ret_why = "the same raw packet twice";
	if (f->chunks & 1u << h->index)
		return -EPROTO;
	return 0;
}

/* 1: the record passes; 0: more bytes are needed; -EAGAIN: it needs work. */
static int judge(struct worker *w, struct flow *f, const struct header *h)
{
	bool from_client = f == &w->up;
	uint8_t scratch[PACKET_PEEK] _uninitialized_;
	const char *name;
	size_t len;
	int r;

	if (!readable(h, f->from, f->to))
		return -EAGAIN;
	if (h->index > 0)
		return 1;
	r = packet_peek_name(w->decompressor, h, flow_at(f) + HEADER_LEN,
	                     flow_available(f) - HEADER_LEN, scratch, &name, &len);
	if (r == -EAGAIN)
		return 0;
	if (from_client && r == 0 && !(len >= 4 && memcmp(name, "ping", 4) == 0))
		w->active_usec = f->from->heard_usec;
	/* A name that cannot be seen here might be one of those to the receiver: edit_record()
	 * looks at the whole record, and ends the connection if there is none. */
	if (r == 0 && from_client && transcode_active(w) && windows_client_cares(name, len))
		return -EAGAIN;
	return r < 0 || is_interesting(name, len, from_client) ? -EAGAIN : 1;
}

void peek_passed(struct worker *w, struct flow *f, const struct header *h)
{
	bool from_client = f == &w->up;
	struct stats_direction *s = from_client ? &w->stats->from_client : &w->stats->from_server;

	if (h->index > 0) {
		f->chunks |= 1u << h->index;
		return;
	}
	f->chunks = 0;
	if (!from_client && transcode_active(w))
		transcode_passed(w);
	s->packets++;
	if (from_client) {
		w->stats->client_encoder = h->flags & ENCODER_FLAGS;
		w->stats->client_compressor = compressor_of(h->compression);
	} else {
		w->stats->server_encoder = h->flags & ENCODER_FLAGS;
		w->stats->server_compressor = compressor_of(h->compression);
	}
}

enum scan peek_scan(struct worker *w, struct flow *f, const char **ret_why)
{
	for (;;) {
		struct header h;
		size_t n = flow_available(f);
		int r;

		if (f->record_left > 0) {
			if (n == 0)
				return SCAN_MORE;
			if (n > f->record_left)
				n = (size_t)f->record_left;
			f->record_left -= n;
			flow_pass(f, n);
			continue;
		}
		if (f->chunks == 0 && (f->pending_len > 0 || transcode_ready(w, f)))
			return SCAN_GAP;
		r = header_parse(flow_at(f), n, &h, ret_why);
		if (r == -EAGAIN)
			return SCAN_MORE;
		if (r < 0 || check_order(f, &h, ret_why) < 0)
			return SCAN_ERROR;
		r = -EAGAIN;
		if (f == &w->down && transcode_active(w))
			r = transcode_look(w, &h, ret_why);
		if (r == -EBADMSG)
			return SCAN_ERROR;
		if (r > 0)
			return SCAN_HOLD;
		if (r == -EAGAIN)
			r = judge(w, f, &h);
		if (r == 0)
			return SCAN_MORE;
		if (r < 0)
			return SCAN_HOLD;
		flow_pass(f, HEADER_LEN);
		f->record_left = h.size;
		peek_passed(w, f, &h);
	}
}
