/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/greet.c - from a logged-in client to a server that has said hello. Worker, front filter.
 *
 * The guard finds and connects the session; we greet its server as the client would, but with our
 * own network capabilities. Nobody can know which encoder a server reads before it answers: the
 * first try is what worked last time, else the client's own best; a server that cannot read it says
 * so in plain text or just closes, and the next try is on a fresh connection. If the one that works
 * is not one that the client has, both hellos change shape and every packet is translated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/encryption.h"
#include "relay/greet.h"
#include "relay/shape.h"
#include "relay/transcode.h"
#include "relay/worker.h"
#include "wire/packet.h"

int greet_internal_error(struct worker *w, const char *what)
{
	worker_log(w, LOG_ERR, "%s", what);
	return worker_fail(w, EXIT_INTERNAL, "internal", "server error", "internal error");
}

int greet_failed(struct worker *w, const char *detail)
{
	worker_log(w, LOG_WARNING, "upstream %s: %s", w->upstream.uri, detail);
	return worker_fail(w, EXIT_UPSTREAM, "upstream", "session not found error",
	                   "failed to connect to display");
}

/* Asks for the session (or the same one again) and takes the connected socket. */
static int get_upstream(struct worker *w, enum rpc_type type)
{
	const struct hello *h = &w->client_hello;
	struct rpc m = {.type = type};
	int fd = -1, r;

	snprintf(m.session.display, sizeof(m.session.display), "%s",
	         h->display[0] ? h->display : h->session_display);
	snprintf(m.session.name, sizeof(m.session.name), "%s",
	         h->session_name[0] ? h->session_name : h->session_uuid);
	m.session.connect = !h->no_connect && h->connect_test[0] == '\0';
	if (w->server.fd >= 0) {
		close(w->server.fd);
		w->server.fd = -1;
	}
	w->down.sent = w->down.ready = w->down.end = 0;
	w->down.eof = false;
	r = worker_ask(w, &m, &fd,
	               now_usec() + 2 * w->config->sessions_connect_timeout_usec + USEC_PER_SEC);
	if (r < 0)
		return r;
	if (m.type == RPC_REFUSED)
		return worker_fail(w, (int)m.refused.exit_code, "session", m.refused.reason,
		                   m.refused.text);
	if (m.type != RPC_UPSTREAM)
		return greet_internal_error(w, "unexpected answer from the guard");
	w->upstream = m.upstream;
	rpc_wipe(&m);
	w->server.fd = fd;
	encryption_server_connected(w);
	w->banner = strcmp(w->upstream.mode, "ssh") == 0;
	w->up.batch = w->upstream.socket_path[0] ? FLOW_WINDOW : FLOW_BATCH_TCP;
	if (fd >= 0 && fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
		return greet_internal_error(w, "cannot make the upstream non-blocking");
	return 0;
}

/* `connect: false` and connect_test: say which session it would be. */
static int answer_unconnected(struct worker *w)
{
	const struct hello *h = &w->client_hello;
	struct token_writer tw;
	uint8_t buf[4096];
	size_t len;

	packet_begin(&tw, w->client.encoder, buf, sizeof(buf), "hello");
	token_write_dict(&tw, TOKEN_COUNT_UNKNOWN);
	token_write_text(&tw, "version");
	token_write_text(&tw, XPROXY_VERSION);
	token_write_text(&tw, encoder_name(w->client.encoder));
	token_write_bool(&tw, true);
	token_write_text(&tw, "display");
	token_write_text(&tw, w->upstream.display);
	token_write_text(&tw, "socket-path");
	token_write_text(&tw, w->upstream.socket_path);
	token_write_text(&tw, "mode");
	token_write_text(&tw, w->upstream.mode);
	if (h->connect_test[0]) {
		token_write_text(&tw, "connect_test_response");
		token_write_text(&tw, h->connect_test);
	}
	encryption_write_caps(w, &tw, false);
	token_write_end(&tw);
	worker_end(w, EXIT_OK, "request", "not asked to connect");
	if (packet_end(&tw, &len) == 0 &&
	    leg_send(&w->client, buf, len, now_usec() + USEC_PER_SEC) == 0)
		worker_goodbye(w);
	return -ECANCELED;
}

/* Flat and nested peers can only meet where a proxy stands between their encoders. */
static enum hello_shape shape_for(const struct worker *w, bool shared)
{
	bool flat_client = leg_is_flat(&w->client);

	if (w->server.encoder == ENCODER_YAML) /* which servers before 5 read no more */
		shared = false;
	if (shared || flat_client != encoder_is_modern(w->server.encoder))
		return SHAPE_AS_IS;
	return flat_client ? SHAPE_NEST : SHAPE_FLATTEN;
}

/* Sends the client's hello on. answer: to the server's challenge; client_answers: the client's
 * hello holds it. */
int greet_server(struct worker *w, const struct rpc_response *answer, bool client_answers)
{
	bool shared = w->client.encoders & encoders_bit(w->server.encoder);
	const struct rpc_upstream *u = &w->upstream;
	struct packet p;
	const char *why = "";
	size_t size, len;
	uint8_t *buf;
	int r;
	struct hello_edit e = {
		.to = w->server.encoder,
		.to_server = true,
		.shape = shape_for(w, shared),
		.encoders = shared ? w->client.encoders : encoders_bit(w->server.encoder),
		.compressors = compressors_offered(w->client.compressors),
		.proxy_version = w->client_hello.version,
		.proxy_host = w->host,
		.hops = w->client_hello.hops + 1,
		.own_digests = u->has_password,
		.keep_challenge = client_answers,
		.answer = answer,
		.username = u->username,
		.remote_display = u->remote_display,
		.compression_level = u->compression_level,
	};

	if (u->lz4 == TRISTATE_NO)
		e.compressors &= ~COMPRESSOR_BIT(COMPRESSOR_LZ4);
	if (u->rencodeplus == TRISTATE_NO && e.encoders & ~ENCODERS_RENCODEPLUS)
		e.encoders &= ~ENCODERS_RENCODEPLUS;
	/* The hello is still at the front of the flow; decode it again rather than keep a copy. */
	r = worker_packet(w, &w->up, (size_t)w->config->limits_hello_size_bytes, HELLO_DECODED_MAX,
	                  &p, &why);
	if (r <= 0)
		return greet_internal_error(w, "the client's hello is gone");
	e.from = p.encoder;
	if (encryption_server_offer(w, &e) < 0)
		return greet_failed(w, "it says more than what we answer, and cannot have meant "
		                       "it to be read with new keys");
	buf = flow_inject_at(&w->up, &size);
	/* Edited twice, if at all: the second half of the buffer has the first of these. */
	size /= 2;
	r = transcode_offer(w, p.encoder, &p.payload, &p.len, buf + size, size);
	if (r < 0)
		return r;
	r = hello_rewrite(p.payload, p.len, &e, buf, size, &len);
	if (r < 0)
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error",
		                   "cannot rewrite the hello");
	w->shape_up = e.shape;
	w->up.inject_high = FLOW_INJECT_SIZE; /* used behind the flow's back */
	r = leg_send(&w->server, buf, len, now_usec() + w->config->sessions_connect_timeout_usec);
	explicit_bzero(buf, len);
	return r < 0 && r != -EPIPE && r != -ECONNRESET ? greet_failed(w, strerror(-r)) : 0;
}

/* A server of 6.5 takes the keymap of a hello for a promise: it waits for a keymap-changed packet,
 * which clients of its own age send right away and older ones only when the layout changes. */
static int promise_keymap(struct worker *w)
{
	struct token_reader caps;
	struct token_writer tw;
	struct packet p;
	const char *why = "";
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->up, &size);
	int r = worker_packet(w, &w->up, (size_t)w->config->limits_hello_size_bytes,
	                      HELLO_DECODED_MAX, &p, &why);

	if (r <= 0 || hello_open(&caps, p.encoder, p.payload, p.len) < 0)
		return greet_internal_error(w, "the client's hello is gone");
	packet_begin(&tw, w->server.encoder, buf, size, "keymap-changed");
	token_write_dict(&tw, TOKEN_COUNT_UNKNOWN);
	if (shape_nest_one(&caps, "keymap", &tw) <= 0)
		return 0;
	token_write_end(&tw);
	token_write_bool(&tw, true);
	if (packet_end(&tw, &len) == 0)
		flow_injected(&w->up, len);
	return 0;
}

/* The server's hello, with our network capabilities, to the client; both flows are then at their
 * first packet. */
static int pass_hello(struct worker *w, const struct packet *p)
{
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->down, &size);
	struct hello_edit e = {.from = p->encoder,
	                       .to = w->client.encoder,
	                       .proxy_version = w->server_hello.version,
	                       .proxy_host = w->host};
	char why[RPC_NAME_MAX];
	int r = hello_parse(p->payload, p->len, p->encoder, &w->server_hello, NULL);

	if (r < 0)
		return greet_failed(w, "its hello is malformed");
	if (encryption_server_accept(w, &w->server_hello.cipher, w->server_hello.version, why,
	                             sizeof(why)) < 0)
		return greet_failed(w, why);
	w->server.encoders = worker_encoders(p, &w->server_hello);
	w->server.compressors = w->server_hello.compressors & COMPRESSORS_ALL;
	w->server.major = w->server_hello.major;
	w->server.echoes_sid = w->server_hello.echoes_sid;
	transcode_begin(w);
	w->shape_down = w->shape_up == SHAPE_NEST      ? SHAPE_FLATTEN
	                : w->shape_up == SHAPE_FLATTEN ? SHAPE_NEST
	                                               : SHAPE_AS_IS;
	login_hello_edit(w, &e);
	e.cipher = encryption_announced(w, &e.cipher_modes);
	r = hello_rewrite(p->payload, p->len, &e, buf, size, &len);
	if (r < 0)
		return greet_failed(w, "its hello cannot be rewritten");
	flow_injected(&w->down, len);
	flow_drop(&w->down, p->record_bytes);
	r = w->shape_up == SHAPE_NEST && w->server.major >= 6 ? promise_keymap(w) : 0;
	login_drop_hello(w);
	return r;
}

void login_hello_edit(const struct worker *w, struct hello_edit *e)
{
	unsigned shared = w->client.encoders & w->server.encoders;

	e->shape = w->shape_down;
	e->encoders = shared ? shared : encoders_bit(w->client.encoder);
	e->compressors = compressors_offered(w->client.compressors & w->server.compressors);
	e->hops = w->client_hello.hops + 1;
}

/* What the server spoke last time, if that was with another client's hello: a server that reads one
 * of the classic encoders reads both, and the client's own needs no translation. So does yaml, if
 * the client writes one that anybody reads. */
static enum encoder first_guess(const struct worker *w)
{
	unsigned classic = w->client.encoders & (ENCODERS_RENCODE | ENCODERS_BENCODE);

	if (w->client.encoder == ENCODER_YAML && leg_reads(&w->client, &w->client, ENCODER_YAML))
		return ENCODER_YAML;
	if (w->upstream.encoder > ENCODER_RENCODEPLUS)
		return w->client.encoder == ENCODER_YAML ? ENCODER_RENCODEPLUS
		                                         : encoders_best(w->client.encoders);
	if (w->upstream.encoder != ENCODER_RENCODEPLUS && classic)
		return encoders_best(classic);
	return (enum encoder)w->upstream.encoder;
}

/* The encoders worth trying, best guess first; returns how many. */
static size_t guesses(const struct worker *w, enum encoder *ret)
{
	const enum encoder order[] = {first_guess(w), ENCODER_RENCODEPLUS, ENCODER_RENCODE,
	                              ENCODER_YAML};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
		bool seen = !encoders_bit(order[i]) || (order[i] == ENCODER_RENCODEPLUS &&
		                                        w->upstream.rencodeplus == TRISTATE_NO);

		for (size_t j = 0; j < n; j++)
			seen |= ret[j] == order[i];
		if (!seen)
			ret[n++] = order[i];
	}
	return n;
}

int login_server(struct worker *w)
{
	enum encoder tries[4];
	struct packet p;
	size_t n, at = 0;
	unsigned challenges = 0;
	int r;

	if (w->client_hello.start_new_session)
		return worker_fail(w, EXIT_NO_SESSION, "session", "session not found error",
		                   "no displays found: starting sessions is not enabled");
	r = get_upstream(w, RPC_SESSION);
	if (r < 0)
		return r;
	if (w->server.fd < 0)
		return answer_unconnected(w);
	n = guesses(w, tries);
	w->server.encoder = tries[at];
	r = greet_server(w, NULL, false);
	while (r >= 0) {
		r = greet_await(w, &p);
		if (r == GREETING_HELLO)
			return pass_hello(w, &p);
		if (r == GREETING_CHALLENGE) {
			if (++challenges > CONFIG_LIST_MAX)
				return greet_failed(w, "it never stops challenging");
			r = greet_take_challenge(w, &p);
		} else if (r == GREETING_MISUNDERSTOOD) {
			if (challenges > 0 || ++at >= n)
				return greet_failed(
					w, "it closed the connection without a word we understand");
			r = get_upstream(w, RPC_REDIAL);
			w->server.encoder = tries[at];
			if (r == 0)
				r = greet_server(w, NULL, false);
		}
	}
	return r;
}
