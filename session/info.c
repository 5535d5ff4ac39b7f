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

void info_write(struct token_writer *w, bool nested, const struct control_facts *f)
{
	struct tree t = {.w = w, .nested = nested};
	const struct stats *s = f->stats;

	token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	enter(&t, "connection");
	write_side(&t, "client", f->peer, s->client_encoder, s->client_compressor, &s->from_client,
	           &s->from_server);
	write_side(&t, "server", f->upstream, s->server_encoder, s->server_compressor,
	           &s->from_server, &s->from_client);
	leave(&t);
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
