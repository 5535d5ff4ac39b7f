/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/answer.c - what a session's server says to our hello. Worker, front filter.
 */
#include <errno.h>
#include <stdio.h>
#include <syslog.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/encryption.h"
#include "relay/greet.h"
#include "relay/translate.h"
#include "wire/packet.h"

#define EARLY_MAX 32                /* packets before the server's hello */
#define SERVER_HELLO_MAX (4u << 20) /* menus and icons make them large */

/* What a server that is not understood, or does not understand, has said, for the log. */
static void log_plain_text(struct worker *w)
{
	size_t n = flow_available(&w->down);
	char text[200];

	if (n >= sizeof(text))
		n = sizeof(text) - 1;
	memcpy(text, flow_at(&w->down), n);
	text[n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	worker_log(w, LOG_DEBUG, "upstream %s did not understand %s: \"%s\"", w->upstream.uri,
	           encoder_name(w->server.encoder), text);
}

/* What cannot be read may have been encrypted with something else. */
static int unintelligible(struct worker *w, const char *why)
{
	char text[RPC_NAME_MAX];

	if (!encryption_server_active(w))
		return greet_failed(w, why);
	snprintf(text, sizeof(text),
	         "%s; has it another key than the session's encryption-keyfile=, or another mode "
	         "than its encryption=?",
	         why);
	return greet_failed(w, text);
}

/* "missing encryption tokens from client", "the server does not support encryption on this
 * connection"; 3.1.3 without a key: "unsupported cipher". */
static bool names_encryption(const char *words)
{
	return strstr(words, "encryption") || strstr(words, "cipher");
}

/* The server's disconnect, word for word, in the client's encoder. */
static int pass_disconnect(struct worker *w, const struct packet *p)
{
	char words[2][RPC_NAME_MAX];

	if (!worker_disconnect_words(p, words))
		return unintelligible(w, "its disconnect is malformed");
	if (names_encryption(words[0]) || names_encryption(words[1]))
		worker_log(w, LOG_WARNING,
		           "upstream %s: the session options encryption= and encryption-keyfile= "
		           "have to be what its server has, and are %s",
		           w->upstream.uri, w->upstream.encryption ? "set" : "not set");
	return worker_fail(w, EXIT_UPSTREAM, "upstream-refused", words[0], words[1]);
}

/* Waits for a byte that a packet can begin with. 1; 0: a closed socket; negative: over. */
static int await_bytes(struct worker *w, uint64_t deadline)
{
	for (;;) {
		bool whole = true;
		ssize_t n;
		int r;

		if (w->banner) { /* what a login shell says first */
			flow_drop(&w->down,
			          header_find(flow_at(&w->down), flow_available(&w->down), &whole));
			w->banner = !whole;
		}
		/* The second byte says whether it is encrypted. */
		if (whole && flow_available(&w->down) > (encryption_server_pending(w) ? 1 : 0))
			return 1;
		r = worker_wait_bytes(w, &w->down, deadline);
		if (r == 0)
			return greet_failed(
				w,
				encryption_server_pending(w)
					? "no answer to our hello within ConnectTimeout: does "
					  "its server encrypt, as the session's encryption= says?"
					: "no answer to our hello within ConnectTimeout");
		if (r < 0)
			return r;
		n = flow_read(&w->down);
		if (n < 0 && w->server.fault)
			return unintelligible(w, w->server.fault);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			return 0;
	}
}

/* The server's next packet, whole. 1; 0: plain text or a closed socket; negative: over. */
static int await_packet(struct worker *w, uint64_t deadline, struct packet *ret)
{
	const char *why = "";
	int r;

	r = await_bytes(w, deadline);
	if (r <= 0)
		return r;
	if (flow_at(&w->down)[0] != HEADER_MAGIC) {
		log_plain_text(w);
		return 0;
	}
	if (encryption_server_pending(w) && flow_at(&w->down)[1] & HEADER_CIPHER)
		encryption_server_open(w);
	r = worker_wait_packet(w, &w->down, SERVER_HELLO_MAX, SCRATCH_SIZE, deadline, ret, &why);
	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	if (r == 0)
		return greet_failed(w, "its hello is not complete within ConnectTimeout");
	return r < 0 && r != -ECANCELED ? unintelligible(w, why) : r;
}

/* 3.1.3 tells a client about the others even before its hello. */
static int pass_early(struct worker *w, const struct packet *p)
{
	const struct translation t = {
		.from = p->encoder, .to = w->client.encoder, .to_major = w->client.major};
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->down, &size);

	if (translate_packet(p->payload, p->len, &t, buf, size, &len) < 0)
		return unintelligible(w, "it answers with something that is not a packet");
	flow_drop(&w->down, p->record_bytes);
	if (leg_send(&w->client, buf, len, now_usec() + USEC_PER_SEC) < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during the login");
	return 0;
}

/* A wrong key makes noise of a packet, and one in some thousands is a packet all the same. */
static bool is_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
		    name[i] != '-' && name[i] != '_')
			return false;
	return len > 1;
}

/* What a packet is; GREETING_MISUNDERSTOOD: none of those that are waited for. */
static int recognize(struct worker *w, const struct packet *p, bool *ret_disconnect)
{
	uint8_t scratch[PACKET_PEEK];
	const char *name;
	size_t len;

	if (packet_peek_name(w->decompressor, &p->header, flow_at(&w->down) + HEADER_LEN,
	                     p->header.size, scratch, &name, &len) < 0)
		return -EBADMSG;
	*ret_disconnect = (len == 10 && memcmp(name, "disconnect", 10) == 0) ||
	                  (len == 16 && memcmp(name, "connection-close", 16) == 0);
	if (len == 9 && memcmp(name, "challenge", 9) == 0)
		return GREETING_CHALLENGE;
	if (len == 5 && memcmp(name, "hello", 5) == 0)
		return GREETING_HELLO;
	return is_name(name, len) ? GREETING_MISUNDERSTOOD : -EBADMSG;
}

int greet_await(struct worker *w, struct packet *ret)
{
	uint64_t deadline = now_usec() + w->config->sessions_connect_timeout_usec;

	for (int early = 0; early < EARLY_MAX; early++) {
		bool disconnect, clear;
		int what, r;

		r = await_packet(w, deadline, ret);
		if (r <= 0)
			return r < 0 ? r : GREETING_MISUNDERSTOOD;
		what = recognize(w, ret, &disconnect);
		if (what < 0)
			return unintelligible(w, "it answers with something that is not a packet");
		if (disconnect)
			return pass_disconnect(w, ret);
		clear = encryption_server_pending(w);
		if (clear && what != GREETING_MISUNDERSTOOD)
			return greet_failed(w, "it does not encrypt, but the session has "
			                       "encryption=");
		if (what != GREETING_MISUNDERSTOOD)
			return what;
		/* In clear to all, before it has read our hello: not for a client of its own. */
		if (clear)
			flow_drop(&w->down, ret->record_bytes);
		r = clear ? 0 : pass_early(w, ret);
		if (r < 0)
			return r;
	}
	return greet_failed(w, "it answers our hello with other packets");
}
