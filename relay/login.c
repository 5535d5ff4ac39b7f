/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/login.c - from the first byte to a client that may have a session. Worker, front filter.
 *
 * In order, as it happens: what is this, its hello, one-shot requests that need no login, the
 * guard's challenges, requests that needed a login.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/encryption.h"
#include "relay/fact.h"
#include "relay/http.h"
#include "relay/secure.h"
#include "relay/upgrade.h"
#include "relay/worker.h"
#include "wire/digest.h"
#include "wire/packet.h"

#define REQUEST_LINGER_USEC (5 * USEC_PER_SEC) /* after a one-shot answer, as xpra */

/* What else may arrive on the port, and what to say. Nothing here is decoded. */
static const struct {
	enum first_bytes what;
	const char *log, *answer;
} strangers[] = {
	{FIRST_HTTP, "an HTTP request on a socket that takes no HTTP",
         "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
         "this port does not support HTTP requests.\n"},
	{FIRST_TLS, "a TLS ClientHello on a socket without TLS",
         "disconnect: connection setup failed, this port does not support SSL\n"},
	{FIRST_SSH, "an SSH client on a socket that takes only xpra",
         "disconnect: connection setup failed, this port does not support SSH\r\n"},
	{FIRST_RFB, "a VNC client on a socket that takes only xpra",
         "disconnect: connection setup failed, this port does not support VNC\n"},
	{FIRST_RDP, "an RDP client on a socket that takes only xpra",
         "disconnect: connection setup failed, this port does not support RDP\n"},
	{FIRST_PROXY, "a PROXY protocol header that is not expected here",
         "disconnect: connection setup failed, PROXY protocol is not enabled\n"},
	{FIRST_UNKNOWN, "not an xpra client",
         "disconnect: connection setup failed, not an xpra packet?\n"},
};

static int refuse_stranger(struct worker *w, enum first_bytes what)
{
	size_t i = 0;

	while (strangers[i].what != what && i < ARRAY_SIZE(strangers) - 1)
		i++;
	worker_end(w, EXIT_PROTOCOL, "protocol", strangers[i].log);
	(void)leg_send(&w->client, strangers[i].answer, strlen(strangers[i].answer),
	               now_usec() + USEC_PER_SEC);
	worker_goodbye(w);
	return -ECANCELED;
}

/* Reads until it is clear what the peer speaks, and goes on until it is xpra. */
static int detect(struct worker *w, uint64_t *deadline_usec)
{
	const unsigned web = TRANSPORT_HTTP | TRANSPORT_WEBSOCKET;

	for (;;) {
		enum first_bytes what = header_guess(flow_at(&w->up), flow_available(&w->up));
		ssize_t n;
		int r;

		if (what == FIRST_XPRA)
			return 0;
		if (what == FIRST_HTTP && w->config->listen_transports & web)
			return http_client(w, deadline_usec);
		if (what != FIRST_MORE)
			return refuse_stranger(w, what);
		r = worker_wait_bytes(w, &w->up, *deadline_usec);
		if (r == 0)
			return worker_fail(w, EXIT_LOGIN_TIMEOUT, "timeout", "login timeout", "");
		if (r < 0)
			return r;
		if (secure_wanted(w)) {
			r = secure_client(w, *deadline_usec);
			if (r < 0)
				return r;
			continue;
		}
		n = flow_read(&w->up);
		if (n == 0 && flow_available(&w->up) == 0)
			return worker_end(w, EXIT_OK, "client-close",
			                  "closed before it said anything");
		if (n == 0)
			return refuse_stranger(w, FIRST_UNKNOWN);
		if (n < 0 && n != -EAGAIN)
			return w->client.fault
			               ? worker_end(w, EXIT_PROTOCOL, "protocol", w->client.fault)
			               : worker_end(w, EXIT_OK, "client-close", "connection reset");
	}
}

/* The next packet of the client, which must be a hello; it stays in the flow. */
static int read_hello(struct worker *w, uint64_t deadline_usec, struct packet *ret,
                      struct rpc_response *response)
{
	char text[128], words[2][RPC_NAME_MAX];
	const char *why = "";
	int r;

	r = worker_wait_packet(w, &w->up, (size_t)w->config->limits_hello_size_bytes,
	                       HELLO_DECODED_MAX, deadline_usec, ret, &why);
	if (r == -ECANCELED)
		return r;
	if (r == 0)
		return worker_fail(w, EXIT_LOGIN_TIMEOUT, "timeout", "login timeout", "");
	if (r == -EPIPE || r == -ECONNRESET)
		return worker_end(w, EXIT_OK, "client-close",
		                  encryption_active(w) ? "closed after the first encrypted packet: "
		                                         "is its key another one?"
		                                       : "closed during the login");
	if (r < 0)
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error", why);
	r = hello_parse(ret->payload, ret->len, ret->encoder, &w->client_hello, response);
	if (r == -EPROTO && worker_disconnect_words(ret, words))
		return worker_end(w, EXIT_OK, "client-close", words[0]);
	if (r == -EPROTO)
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error",
		                   "expected a hello packet");
	if (r < 0) {
		snprintf(text, sizeof(text), "failed to parse %s packet%s",
		         encoder_name(ret->encoder), r == -EMSGSIZE ? ": nested too deep" : "");
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "protocol error", text);
	}
	w->client.encoder = ret->header.flags & ENCODER_FLAGS;
	w->client.encoders = worker_encoders(ret, &w->client_hello);
	w->client.compressors = w->client_hello.compressors & COMPRESSORS_ALL;
	w->client.major = w->client_hello.major;
	w->client.echoes_sid = w->client_hello.echoes_sid;
	return encryption_accept(w, ret->record_bytes);
}

void login_drop_hello(struct worker *w)
{
	explicit_bzero(w->up.buf + w->up.ready, w->hello_bytes);
	(void)madvise(w->scratch, SCRATCH_SIZE, MADV_DONTNEED); /* if it was compressed */
	flow_drop(&w->up, w->hello_bytes);
}

int login_read_hello(struct worker *w, uint64_t deadline_usec)
{
	struct packet p;
	int r = read_hello(w, deadline_usec, &p, NULL);

	if (r == 0)
		w->hello_bytes = p.record_bytes;
	return r;
}

/* Sends a packet and waits for the client to close. */
static int answer(struct worker *w, struct token_writer *tw, const char *what)
{
	uint64_t deadline = now_usec() + REQUEST_LINGER_USEC;
	size_t len;
	int r;

	r = packet_end(tw, &len);
	if (r < 0)
		return worker_fail(w, EXIT_INTERNAL, "internal", "server error",
		                   "answer too large");
	worker_end(w, EXIT_OK, "request", what);
	r = leg_send(&w->client, tw->data - HEADER_LEN, len, deadline);
	while (r == 0) {
		char rest[512];
		ssize_t n;

		if (leg_wait(&w->client, -1, w->guard_fd, deadline) <= 0)
			return worker_fail(w, EXIT_OK, "request", "client exit timeout", what);
		n = leg_read(&w->client, rest, sizeof(rest));
		if (n == 0 || (n < 0 && n != -EAGAIN))
			break;
	}
	return -ECANCELED;
}

static void put(struct token_writer *tw, const char *key, const char *value)
{
	token_write_text(tw, key);
	token_write_text(tw, value);
}

static void begin_answer(struct worker *w, struct token_writer *tw, uint8_t *buf, size_t size)
{
	packet_begin(tw, w->client.encoder, buf, size, "hello");
	token_write_dict(tw, TOKEN_COUNT_UNKNOWN);
	put(tw, "version", XPROXY_VERSION);
	token_write_text(tw, encoder_name(w->client.encoder)); /* HTML5 insists on seeing it */
	token_write_bool(tw, true);
	encryption_write_caps(w, tw, false);
}

/* Requests that every version answers before authentication. 0: go on. */
static int answer_public(struct worker *w)
{
	const struct hello *h = &w->client_hello;
	struct token_writer tw;
	uint8_t buf[2048];

	/* A client with a password waits for somebody to ask for it, but not for a version. */
	if (strcmp(h->request, "version") != 0 && (strcmp(h->request, "id") != 0 || h->challenge))
		return 0;
	begin_answer(w, &tw, buf, sizeof(buf));
	if (strcmp(h->request, "id") == 0) {
		put(&tw, "session-type", "proxy");
		put(&tw, "platform", "linux");
	}
	token_write_end(&tw);
	return answer(w, &tw, strcmp(h->request, "id") == 0 ? "id info sent" : "version sent");
}

/* Requests for the proxy itself, from a client that is logged in. 0: an ordinary client. */
static int answer_private(struct worker *w)
{
	const struct hello *h = &w->client_hello;
	struct token_writer tw;
	uint8_t buf[2048];
	char text[RPC_TEXT_MAX];

	if (h->request[0] == '\0' || strcmp(h->request, "connect_test") == 0 ||
	    strcmp(h->request, "detach") == 0)
		return 0;
	if (strcmp(h->request, "info") == 0 || strcmp(h->request, "id") == 0) {
		begin_answer(w, &tw, buf, sizeof(buf));
		put(&tw, "session-type", "proxy");
		put(&tw, "server.type", "xproxy");
		put(&tw, "platform", "linux");
		token_write_end(&tw);
		return answer(w, &tw, strcmp(h->request, "id") == 0 ? "id info sent" : "info sent");
	}
	if (strcmp(h->request, "stop") == 0 || strcmp(h->request, "exit") == 0) {
		snprintf(text, sizeof(text),
		         "`%s` requests are not enabled for this proxy server connection",
		         h->request);
		return worker_fail(w, EXIT_REFUSED, "request", "permission error", text);
	}
	snprintf(text, sizeof(text),
	         "error: invalid request, '%.64s' is not supported by the proxy server",
	         h->request);
	return worker_fail(w, EXIT_REFUSED, "request", text, "");
}

static int send_challenge(struct worker *w, const struct rpc_step *s)
{
	struct token_writer tw;
	uint8_t buf[4096];
	size_t len;
	int r;

	packet_begin(&tw, w->client.encoder, buf, sizeof(buf), "challenge");
	token_write_bytes(&tw, s->salt.data, s->salt.len);
	/* Item 2 is our cipher capabilities; old clients know nothing as a text. */
	if (encoder_is_modern(w->client.encoder) || encryption_active(w)) {
		token_write_dict(&tw, encryption_active(w) ? TOKEN_COUNT_UNKNOWN : 0);
		encryption_write_caps(w, &tw, true);
		token_write_end(&tw);
	} else {
		token_write_text(&tw, "");
	}
	token_write_text(&tw, s->own_digest[0] ? s->own_digest : digest_name(s->digest));
	token_write_text(&tw, digest_name(s->salt_digest));
	token_write_text(&tw, s->prompt);
	r = packet_end(&tw, &len);
	if (r == 0)
		r = leg_send(&w->client, buf, len,
		             now_usec() + w->config->limits_challenge_timeout_usec);
	return r < 0 ? worker_end(w, EXIT_OK, "client-close", "closed during the login") : 0;
}

/* One challenge after the other until the guard accepts or denies. */
static int authenticate(struct worker *w, uint64_t deadline_usec)
{
	const struct hello *h = &w->client_hello;
	struct rpc m = {.type = RPC_LOGIN};
	struct packet p;
	int r;

	snprintf(m.login.username, sizeof(m.login.username), "%s", h->username);
	snprintf(m.login.client, sizeof(m.login.client), "%s %s", h->client_type, h->version);
	m.login.digests = h->digests;
	m.login.salt_digests = h->salt_digests;
	/* Who has a WebSocket on a unix socket is behind a web server, and that may be anywhere. */
	m.login.secure = (w->local && !w->websocket) || w->tls || w->front_tls || w->private ||
	                 encryption_active(w);
	m.login.wants_challenge = h->challenge;
	m.login.forwarded = w->forwarded;
	for (;;) {
		r = worker_ask(w, &m, NULL, deadline_usec);
		if (r < 0)
			return r;
		if (m.type != RPC_STEP)
			return worker_fail(w, EXIT_INTERNAL, "internal", "server error",
			                   "internal error");
		if (m.step.kind == STEP_ACCEPTED)
			return 0;
		if (m.step.kind == STEP_FACT) {
			fact_answer(w, &m);
			continue;
		}
		if (m.step.kind != STEP_CHALLENGE)
			return worker_fail(w, (int)m.step.exit_code, "auth", m.step.reason,
			                   m.step.text);
		r = send_challenge(w, &m.step);
		if (r < 0)
			return r;
		rpc_wipe(&m);
		login_drop_hello(w);
		deadline_usec = now_usec() + w->config->limits_challenge_timeout_usec;
		r = read_hello(w, deadline_usec, &p, &m.response);
		if (r < 0)
			return r;
		w->hello_bytes = p.record_bytes;
		m.type = RPC_RESPONSE;
		/* The client has done its part: now it is the modules' time that counts. */
		deadline_usec = now_usec() + w->config->limits_login_timeout_usec;
	}
}

static int read_first_hello(struct worker *w, uint64_t deadline_usec)
{
	int r = login_read_hello(w, deadline_usec);

	if (r < 0)
		return r;
	if (w->client_hello.version[0] == '\0')
		return worker_fail(w, EXIT_PROTOCOL, "protocol", "version error",
		                   "incompatible version: none given");
	if (w->client_hello.hops >= HELLO_HOPS_MAX)
		return worker_fail(w, EXIT_REFUSED, "loop", "session not found error",
		                   "this session leads back to the proxy");
	return 0;
}

int login_client(struct worker *w)
{
	uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
	int r;

	r = front_read(w, deadline);
	if (r < 0)
		return r;
	r = detect(w, &deadline);
	if (r < 0)
		return r;
	r = read_first_hello(w, deadline);
	if (r < 0)
		return r;
	if (secure_missing(w) && upgrade_possible(w)) {
		r = upgrade_client(w, deadline);
		if (r == 0)
			r = read_first_hello(w, deadline);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	if (secure_missing(w))
		return worker_fail(w, EXIT_REFUSED, "refused", "connection error",
		                   secure_missing(w));
	r = answer_public(w);
	if (r < 0)
		return r;
	if (encryption_missing(w))
		return worker_fail(w, EXIT_REFUSED, "refused", encryption_missing(w), "");
	r = authenticate(w, deadline);
	fact_forget();
	if (r < 0)
		return r;
	return answer_private(w);
}

int login_run(struct worker *w)
{
	int r = login_client(w);

	return r < 0 ? r : login_server(w);
}
