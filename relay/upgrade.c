/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/upgrade.c - ("ssl-upgrade", {"cert-data": PEM}), which a client can answer with
 * ("ssl-upgrade", {}), to begin with TLS then. Worker, front filter. System calls: read, write,
 * poll, and those of relay/secure.c.
 *
 * Exactly that answer is read, straight from the socket: what follows it is TLS. Anything that has
 * come earlier would have been sent by whoever could write in clear, and would count as said inside
 * TLS.
 */
#include "relay/upgrade.h"

#include <errno.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/secure.h"
#include "wire/packet.h"

/* Clients answer at once, or never: 5.x lists the packet without a handler for it. */
#define ANSWER_USEC (5 * USEC_PER_SEC)
#define ANSWER_MAX 1024 /* bytes of its payload; real ones have 20 */
#define NAME "ssl-upgrade"

bool upgrade_possible(const struct worker *w)
{
	return w->tls_context && !w->client.layer && !w->local && !w->websocket &&
	       w->client_hello.ssl_upgrade && !cipher_caps_offered(&w->client_hello.cipher) &&
	       flow_available(&w->up) == w->hello_bytes;
}

static int send_offer(struct worker *w)
{
	char pem[TLS_PEM_SIZE];
	uint8_t buf[TLS_PEM_SIZE + 256];
	struct token_writer tw;
	size_t len;
	int r = w->tls_api->certificate(w->tls_context, pem, sizeof(pem));

	if (r < 0)
		return -EAGAIN;
	packet_begin(&tw, w->client.encoder, buf, sizeof(buf), NAME);
	token_write_dict(&tw, 1);
	token_write_text(&tw, "cert-data");
	token_write_bytes(&tw, (const uint8_t *)pem, (size_t)r);
	token_write_end(&tw);
	r = packet_end(&tw, &len);
	if (r < 0)
		return -EAGAIN;
	if (leg_send(&w->client, buf, len, now_usec() + ANSWER_USEC) < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during the login");
	return 0;
}

/* 1: there is something to read; else as upgrade_client(). */
static int wait_some(struct worker *w, uint64_t deadline_usec)
{
	int r = worker_wait_bytes(w, &w->up, deadline_usec);

	return r == 0 ? -EAGAIN : r;
}

/* Exactly len bytes. 0, or as upgrade_client(). */
static int read_exactly(struct worker *w, uint8_t *buf, size_t len, uint64_t deadline_usec)
{
	while (len > 0) {
		int r = wait_some(w, deadline_usec);
		ssize_t n;

		if (r < 0)
			return r;
		n = read(w->client.fd, buf, len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return worker_end(w, EXIT_OK, "client-close", "closed during the login");
		buf += n;
		len -= (size_t)n;
	}
	return 0;
}

static int read_answer(struct worker *w, uint64_t deadline_usec)
{
	uint8_t head[HEADER_LEN], payload[ANSWER_MAX], scratch[PACKET_PEEK];
	struct header h;
	const char *name;
	size_t len;
	int r = read_exactly(w, head, sizeof(head), deadline_usec);

	if (r < 0)
		return r;
	if (header_parse(head, sizeof(head), &h, NULL) < 0 || h.index > 0 ||
	    h.flags & HEADER_CIPHER || h.size > sizeof(payload))
		return -EAGAIN;
	r = read_exactly(w, payload, h.size, deadline_usec);
	if (r < 0)
		return r;
	if (packet_peek_name(w->decompressor, &h, payload, h.size, scratch, &name, &len) < 0 ||
	    len != strlen(NAME) || memcmp(name, NAME, len) != 0)
		return -EAGAIN;
	return 0;
}

int upgrade_client(struct worker *w, uint64_t deadline_usec)
{
	uint64_t answer_usec = now_usec() + ANSWER_USEC;
	int r;

	flow_drop(&w->up, w->hello_bytes);
	w->hello_bytes = 0;
	r = send_offer(w);
	if (r == 0)
		r = read_answer(w, answer_usec < deadline_usec ? answer_usec : deadline_usec);
	return r < 0 ? r : secure_client(w, deadline_usec);
}
