/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/edit.c - the few records that do not simply pass. Worker, relay filter. No system calls but
 * madvise.
 */
#include <errno.h>
#include <stdio.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/encryption.h"
#include "relay/pump.h"
#include "relay/transcode.h"
#include "relay/translate.h"
#include "wire/packet.h"

static struct stats_direction *direction(struct worker *w, const struct flow *f)
{
	return f == &w->up ? &w->stats->from_client : &w->stats->from_server;
}

int edit_open(const struct packet *p, struct token_reader *r, char *name, size_t size)
{
	struct token t;

	token_reader_init(r, p->encoder, p->payload, p->len);
	if (token_read(r, &t) <= 0 || t.type != TOKEN_LIST || token_read(r, &t) <= 0)
		return -EBADMSG;
	return token_to_cstr(&t, name, size);
}

/* The record goes on as it is, or in the receiver's encoder if it cannot read this one. */
static int forward(struct worker *w, struct flow *f, const struct packet *p, const char **ret_why)
{
	enum encoder written = p->header.flags & ENCODER_FLAGS;
	bool as_is = leg_reads(f->to, f->from, written);
	enum compressor c = compressor_of(p->header.compression);
	struct translation t = {
		.from = p->encoder,
		.to = f->to->encoder,
		.to_server = f == &w->up,
		.to_major = f->to->major,
		.from_flat = leg_is_flat(f->from),
		.flags = p->header.flags & HEADER_FLUSH,
	};
	size_t size, len;
	uint8_t *buf;
	int r;

	peek_passed(w, f, &p->header);
	if (as_is && (c == COMPRESSOR_NONE || f->to->compressors & COMPRESSOR_BIT(c))) {
		flow_pass(f, p->record_bytes);
		return 1;
	}
	buf = flow_inject_at(f, &size);
	if (as_is) { /* only the compressor was in the way */
		t.to = written;
		t.to_major = UINT32_MAX;
	}
	r = translate_packet(p->payload, p->len, &t, buf, size, &len);
	if (r < 0) {
		*ret_why = "a packet cannot be translated";
		return r;
	}
	flow_injected(f, len);
	flow_drop(f, p->record_bytes);
	direction(w, f)->reencoded++;
	return 1;
}

/* A chunk whose compressor the receiver does not have. */
static int expand_chunk(struct worker *w, struct flow *f, const struct header *h,
                        const char **ret_why)
{
	struct header out = {.index = h->index};
	size_t size, len;
	uint8_t *buf;
	int r;

	*ret_why = "packet too large";
	r = flow_want(f, HEADER_LEN + (size_t)h->size);
	if (r < 0)
		return r;
	if (flow_available(f) < HEADER_LEN + (size_t)h->size)
		return 0;
	buf = flow_inject_at(f, &size);
	*ret_why = "packet decompression failed";
	if (size <= HEADER_LEN)
		return -EMSGSIZE;
	r = decompress(w->decompressor, h->compression, flow_at(f) + HEADER_LEN, h->size,
	               buf + HEADER_LEN, size - HEADER_LEN, &len);
	if (r < 0 || len == 0)
		return r < 0 ? r : -EBADMSG;
	out.size = (uint32_t)len;
	header_build(buf, &out);
	peek_passed(w, f, h);
	flow_injected(f, HEADER_LEN + len);
	flow_drop(f, HEADER_LEN + (size_t)h->size);
	return 1;
}

/* ("ping_echo", ms, l1, l2, l3, latency, sid): ours are answered here and go no further. */
static bool is_own_echo(struct worker *w, struct flow *f, struct token_reader *r)
{
	struct token t, sent = {.type = TOKEN_NONE};
	uint32_t *latency =
		f == &w->up ? &w->stats->client_latency_usec : &w->stats->server_latency_usec;
	uint64_t now = now_usec() / USEC_PER_MSEC;

	for (unsigned item = 1; token_read(r, &t) > 0 && t.type != TOKEN_END; item++) {
		if (item == 1)
			sent = t;
		if (item == 6 && token_equals(&t, w->sid)) {
			if (sent.type == TOKEN_INT && sent.integer >= 0 &&
			    (uint64_t)sent.integer <= now && now - (uint64_t)sent.integer < 1000000)
				*latency = (uint32_t)(now - (uint64_t)sent.integer) * 1000;
			return true;
		}
		if (token_skip(r, &t) < 0)
			break;
	}
	return false;
}

void edit_ping(struct worker *w, struct flow *f)
{
	struct token_writer tw;
	size_t len;

	if (f->pending_len > 0)
		return;
	packet_begin(&tw, f->to->encoder, f->pending, sizeof(f->pending), "ping");
	token_write_int(&tw, (int64_t)(now_usec() / USEC_PER_MSEC));
	token_write_int(&tw, (int64_t)(wall_usec() / USEC_PER_MSEC));
	token_write_text(&tw, w->sid);
	if (packet_end(&tw, &len) == 0)
		f->pending_len = len;
}

/* The first reason stays: it is what both sides and the log get. */
static void note_disconnect(struct worker *w, struct flow *f, struct token_reader *r)
{
	char words[RPC_TEXT_MAX] = "", word[RPC_NAME_MAX];
	size_t n = 0;
	struct token t;

	while (n < 256 && token_read(r, &t) > 0 && token_is_string(&t)) {
		if (token_to_cstr(&t, word, sizeof(word)) < 0)
			break;
		n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s", n ? ", " : "", word);
	}
	worker_end(w, EXIT_OK, f == &w->up ? "client-disconnect" : "server-disconnect", words);
}

/* info-response: the proxy's own section is merged into the dictionary, as xpra's proxies do. */
static int merge_info(struct worker *w, struct flow *f, const struct packet *p,
                      struct token_reader *r, const char **ret_why)
{
	struct token_writer tw;
	struct token key, value;
	size_t size, len;
	uint8_t *buf = flow_inject_at(f, &size);
	int n = token_read(r, &value);

	if (n <= 0 || value.type != TOKEN_DICT)
		return forward(w, f, p, ret_why);
	packet_begin(&tw, f->to->encoder, buf, size, "info-response");
	token_write_dict(&tw, TOKEN_COUNT_UNKNOWN);
	while ((n = token_read_pair(r, &key, &value)) > 0) {
		if (key.type == TOKEN_LIST || key.type == TOKEN_DICT ||
		    token_equals(&key, "proxy")) {
			n = token_skip(r, &value);
		} else {
			token_write(&tw, &key);
			n = token_copy(r, &value, &tw);
		}
		if (n < 0)
			return forward(w, f, p, ret_why);
	}
	token_write_text(&tw, "proxy");
	token_write_dict(&tw, TOKEN_COUNT_UNKNOWN);
	token_write_text(&tw, "version");
	token_write_text(&tw, XPROXY_VERSION);
	token_write_text(&tw, "hostname");
	token_write_text(&tw, w->host);
	token_write_text(&tw, "latency");
	token_write_dict(&tw, TOKEN_COUNT_UNKNOWN);
	token_write_text(&tw, "client");
	token_write_int(&tw, w->stats->client_latency_usec / 1000);
	token_write_text(&tw, "server");
	token_write_int(&tw, w->stats->server_latency_usec / 1000);
	token_write_end(&tw);
	token_write_end(&tw);
	token_write_end(&tw);
	/* Anything odd about it, or nowhere to put it: the client gets what the server sent. */
	if (n < 0 || packet_end(&tw, &len) < 0)
		return forward(w, f, p, ret_why);
	buf[1] |= p->header.flags & HEADER_FLUSH;
	peek_passed(w, f, &p->header);
	flow_injected(f, len);
	flow_drop(f, p->record_bytes);
	return 1;
}

static int swallow(struct worker *w, struct flow *f, const struct packet *p, const char **ret_why)
{
	/* They have been passed, and would become part of the next packet. */
	*ret_why = "raw packets before a packet that has none";
	if (f->chunks)
		return -EPROTO;
	peek_passed(w, f, &p->header);
	flow_drop(f, p->record_bytes);
	return 1;
}

/* A second hello of the server is treated as the first. */
static int rewrite_hello(struct worker *w, struct flow *f, const struct packet *p,
                         const char **ret_why)
{
	struct hello_edit e = {.from = p->encoder,
	                       .to = f->to->encoder,
	                       .proxy_version = w->server_hello.version,
	                       .proxy_host = w->host};
	size_t size, len;
	uint8_t *buf = flow_inject_at(f, &size);

	/* The client would take it for the beginning of other keys; the server may have meant it
	 * so. */
	if (encryption_active(w) || encryption_server_active(w)) {
		worker_log(w, LOG_WARNING, "dropped a second hello packet from the server");
		return swallow(w, f, p, ret_why);
	}
	login_hello_edit(w, &e);
	*ret_why = "the server's hello cannot be rewritten";
	if (hello_rewrite(p->payload, p->len, &e, buf, size, &len) < 0)
		return -EBADMSG;
	peek_passed(w, f, &p->header);
	flow_injected(f, len);
	flow_drop(f, p->record_bytes);
	return 1;
}

int edit_record(struct worker *w, struct flow *f, const char **ret_why)
{
	struct token_reader r;
	struct packet p;
	struct header h;
	char name[65];
	int n;

	n = header_parse(flow_at(f), flow_available(f), &h, ret_why);
	if (n == 0 && f == &w->down && transcode_active(w)) {
		n = transcode_look(w, &h, ret_why);
		if (n != -EAGAIN)
			return n > 0 ? transcode_edit(w, ret_why) : n;
		n = 0;
	}
	if (n == 0 && h.index > 0)
		return expand_chunk(w, f, &h, ret_why);
	n = worker_packet(w, f, FLOW_RECORD_MAX, SCRATCH_SIZE, &p, ret_why);
	if (n <= 0)
		return n;
	if (edit_open(&p, &r, name, sizeof(name)) < 0) {
		*ret_why = "a packet without a name";
		return -EBADMSG;
	}
	if (f == &w->up && strncmp(name, "ping", 4) != 0)
		w->active_usec =
			f->from->heard_usec; /* a translated record has not been judged by name */
	if (f == &w->up && transcode_active(w) && transcode_client(w, name, &r) > 0)
		return swallow(w, f, &p, ret_why);
	if (strcmp(name, "ping_echo") == 0 || strcmp(name, "ping-echo") == 0)
		return is_own_echo(w, f, &r) ? swallow(w, f, &p, ret_why)
		                             : forward(w, f, &p, ret_why);
	/* The session's option decides; a client of 3.1 would undo it right after its hello. */
	if (strcmp(name, "set_deflate") == 0 && f == &w->up && w->upstream.compression_level >= 0)
		return swallow(w, f, &p, ret_why);
	if (strcmp(name, "hello") == 0 && f == &w->down)
		return rewrite_hello(w, f, &p, ret_why);
	if (strcmp(name, "hello") == 0 || strcmp(name, "challenge") == 0 ||
	    strcmp(name, "ssl-upgrade") == 0) {
		worker_log(w, LOG_WARNING, "dropped an unexpected %s packet from the %s", name,
		           f->from->name);
		return swallow(w, f, &p, ret_why);
	}
	if (strcmp(name, "disconnect") == 0 || strcmp(name, "connection-close") == 0)
		note_disconnect(w, f, &r);
	else if (strcmp(name, "info-response") == 0 && f == &w->down)
		return merge_info(w, f, &p, &r, ret_why);
	return forward(w, f, &p, ret_why);
}
