/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/info.c - the info tree: xpra's names where xpra has them (proxy.*, connection.*), ours
 * under session.*. Runs in the guard as the session's user; reads the shared stats page and the
 * clock.
 */
#include "session/info.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "wire/compress.h"

#define LEVELS_MAX 4

/* The same calls make a tree of dicts or one dict with dotted keys. */
struct tree {
	struct token_writer *w;
	bool nested;
	char prefix[64]; /* flat: "connection.client." */
	size_t lens[LEVELS_MAX];
	unsigned depth;
};

static void key(struct tree *t, const char *name)
{
	char dotted[sizeof(t->prefix) + 32];

	snprintf(dotted, sizeof(dotted), "%s%s", t->prefix, name);
	token_write_text(t->w, dotted);
}

static void enter(struct tree *t, const char *name)
{
	size_t len = strlen(t->prefix);

	if (t->nested) {
		key(t, name);
		token_write_dict(t->w, TOKEN_COUNT_UNKNOWN);
		return;
	}
	t->lens[t->depth++] = len;
	snprintf(t->prefix + len, sizeof(t->prefix) - len, "%s.", name);
}

static void leave(struct tree *t)
{
	if (t->nested)
		token_write_end(t->w);
	else
		t->prefix[t->lens[--t->depth]] = '\0';
}

static void number(struct tree *t, const char *name, uint64_t value)
{
	key(t, name);
	token_write_int(t->w, value > INT64_MAX ? INT64_MAX : (int64_t)value);
}

/* Some of it came from the network: it may be no UTF-8. */
static void text(struct tree *t, const char *name, const char *value)
{
	struct token string = {.type = TOKEN_STRING};

	if (!value || !*value)
		return;
	string.data = (const uint8_t *)value;
	string.len = strlen(value);
	key(t, name);
	token_write(t->w, &string);
}

static void latency(struct tree *t, const char *name, uint32_t usec)
{
	if (usec)
		number(t, name, (usec + UINT64_C(500)) / USEC_PER_MSEC);
}

static void write_proxy(struct tree *t, const struct control_facts *f)
{
	enter(t, "proxy");
	enter(t, "latency");
	latency(t, "client", f->stats->client_latency_usec);
	latency(t, "server", f->stats->server_latency_usec);
	leave(t);
	number(t, "pid", (uint64_t)f->guard_pid);
	text(t, "unit", f->unit);
	text(t, "version", XPROXY_VERSION);
	number(t, "worker-pid", (uint64_t)f->worker_pid);
	leave(t);
}

static void write_session(struct tree *t, const struct control_facts *f)
{
	uint64_t now = wall_usec();

	enter(t, "session");
	text(t, "client", f->client);
	text(t, "display", f->display);
	number(t, "established", f->stats->established);
	text(t, "module", f->module);
	text(t, "peer", f->peer);
	text(t, "server", f->server);
	number(t, "since", f->since_wall_usec / USEC_PER_SEC);
	text(t, "transport", f->transport);
	text(t, "upstream", f->upstream);
	number(t, "uptime",
	       now > f->since_wall_usec ? (now - f->since_wall_usec) / USEC_PER_SEC : 0);
	text(t, "user", f->user);
	leave(t);
}

static void write_direction(struct tree *t, const char *name, const struct stats_direction *d)
{
	enter(t, name);
	number(t, "bytecount", d->bytes);
	number(t, "injected", d->injected);
	number(t, "packetcount", d->packets);
	number(t, "reencoded", d->reencoded);
	leave(t);
}

/* One side of the relay, as seen from us: input is what that side sent. */
static void write_side(struct tree *t, const char *name, const char *endpoint, uint32_t encoder,
                       uint32_t compressor, const struct stats_direction *in,
                       const struct stats_direction *out)
{
	enter(t, name);
	text(t, "compressor", compressor_name((enum compressor)compressor));
	text(t, "encoder", encoder_name((enum encoder)encoder));
	text(t, "endpoint", endpoint);
	write_direction(t, "input", in);
	write_direction(t, "output", out);
	leave(t);
}

/* A name the encoder has given, by way of the worker: neither is to be trusted with its end. */
static void text_n(struct tree *t, const char *name, const char *value, size_t size)
{
	char copy[sizeof(((struct frame_report *)0)->why) + 1];

	snprintf(copy, sizeof(copy), "%.*s", (int)size, value);
	text(t, name, copy);
}

/* What becomes of one window's draws. */
static void write_window(struct tree *t, const struct stats_window *w)
{
	const struct frame_report *r = &w->report;
	enum coding coding = (enum coding)r->coding;
	char name[16], where[48];

	snprintf(name, sizeof(name), "%u", w->wid);
	enter(t, name);
	number(t, "bytes-in", r->bytes_in);
	number(t, "bytes-out", r->bytes_out);
	if (r->w) {
		text(t, "coding", coding < CODING_MAX_ ? coding_name(coding) : "");
		text(t, "csc", r->csc == CSC_YUV444P ? "YUV444P" : "YUV420P");
		text_n(t, "device", r->device[0] ? r->device : "cpu", sizeof(r->device));
		text_n(t, "encoder", r->encoder, sizeof(r->encoder));
	}
	number(t, "fallbacks", r->fallbacks);
	number(t, "fps", (r->fps_milli + 500) / 1000);
	number(t, "pictures", r->pictures);
	number(t, "quality", r->quality);
	number(t, "refreshes", r->refreshes);
	if (r->w) {
		snprintf(where, sizeof(where), "%ux%u+%u+%u", r->w, r->h, r->x, r->y);
		text(t, "region", where);
	}
	number(t, "scrolls", r->scrolls);
	if (r->w) {
		snprintf(where, sizeof(where), "%ux%u", r->coded_w, r->coded_h);
		text(t, "size", where);
	}
	number(t, "speed", r->speed);
	number(t, "usec", r->encode_usec);
	text_n(t, "why", r->why, sizeof(r->why));
	leave(t);
}

/* Only where there is one. */
static void write_encoder(struct tree *t, const struct stats *s)
{
	if (s->draws_bytes == 0 && !s->encoder_lost[0])
		return;
	enter(t, "encoder");
	number(t, "bytes-in", s->draws_bytes);
	number(t, "bytes-out", s->pictures_bytes);
	text_n(t, "lost", s->encoder_lost, sizeof(s->encoder_lost));
	enter(t, "window");
	for (size_t i = 0; i < STATS_WINDOWS; i++)
		if (s->windows[i].wid)
			write_window(t, &s->windows[i]);
	leave(t);
	leave(t);
}

void info_write(struct token_writer *w, bool nested, const struct control_facts *f)
{
	struct tree t = {.w = w, .nested = nested};
	const struct stats *s = f->stats;
	struct stats_direction to_client = s->from_server;

	to_client.bytes += s->pictures_bytes - s->draws_bytes;
	token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	enter(&t, "connection");
	write_side(&t, "client", f->peer, s->client_encoder, s->client_compressor, &s->from_client,
	           &to_client);
	write_side(&t, "server", f->upstream, s->server_encoder, s->server_compressor,
	           &s->from_server, &s->from_client);
	leave(&t);
	write_encoder(&t, s);
	write_proxy(&t, f);
	write_session(&t, f);
	token_write_end(w);
}

void info_write_id(struct token_writer *w, const struct control_facts *f)
{
	char uuid[33];

	/* Unique on this host is all that clients need of it. */
	snprintf(uuid, sizeof(uuid), "%016llx%016llx", (unsigned long long)f->since_wall_usec,
	         (unsigned long long)f->guard_pid);
	token_write_dict(w, 4);
	token_write_text(w, "pid");
	token_write_int(w, f->guard_pid);
	token_write_text(w, "platform");
	token_write_text(w, "linux");
	token_write_text(w, "session-type");
	token_write_text(w, "proxy-instance");
	token_write_text(w, "uuid");
	token_write_text(w, uuid);
	token_write_end(w);
}
