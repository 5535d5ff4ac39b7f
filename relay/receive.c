/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/receive.c - whole packets of the login, decoded, and what a disconnect says. Worker, front
 * filter. System calls: those of relay/leg.c, relay/flow.c.
 */
#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "relay/worker.h"
#include "wire/compress.h"
#include "wire/yaml.h"

/* In the upper half of scratch what was compressed, in the lower what can be read. */
static int unfold(struct worker *w, struct packet *p, size_t decoded_max)
{
	size_t half = SCRATCH_SIZE / 2;
	int r = yaml_unfold(p->payload, p->len, w->scratch, decoded_max < half ? decoded_max : half,
	                    &p->len);

	p->payload = w->scratch;
	p->encoder = ENCODER_RENCODEPLUS;
	return r;
}

unsigned worker_encoders(const struct packet *p, const struct hello *h)
{
	return p->header.flags & ENCODER_YAML ? ENCODERS_YAML : h->encoders;
}

int worker_packet_at(struct worker *w, struct flow *f, size_t at, size_t limit, size_t decoded_max,
                     struct packet *ret, const char **ret_why)
{
	struct packet p = {0};
	int r = header_parse(flow_at(f) + at, flow_available(f) - at, &p.header, ret_why);

	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return r;
	*ret_why = "a chunk without a packet";
	if (p.header.index > 0)
		return -EPROTO;
	*ret_why = "encryption was not negotiated";
	if (p.header.flags & HEADER_CIPHER)
		return -EPROTO;
	*ret_why = "packet too large";
	if (p.header.size > limit)
		return -EMSGSIZE;
	p.record_bytes = HEADER_LEN + p.header.size;
	if (flow_available(f) - at < p.record_bytes)
		return flow_want(f, at + p.record_bytes);
	p.encoder = p.header.flags & ENCODER_FLAGS;
	p.payload = flow_at(f) + at + HEADER_LEN;
	p.len = p.header.size;
	if (p.header.compression) {
		size_t half = p.encoder == ENCODER_YAML ? SCRATCH_SIZE / 2 : 0,
		       room = SCRATCH_SIZE - half;

		r = decompress(w->decompressor, p.header.compression, p.payload, p.len,
		               w->scratch + half, decoded_max < room ? decoded_max : room, &p.len);
		p.payload = w->scratch + half;
		*ret_why = r == -EMSGSIZE     ? "packet too large after decompression"
		           : r == -EOPNOTSUPP ? "zstd compression is not supported"
		                              : "packet decompression failed";
		if (r < 0)
			return r;
	}
	*ret_why = "failed to parse yaml packet";
	if (p.encoder == ENCODER_YAML && (r = unfold(w, &p, decoded_max)) < 0)
		return r;
	*ret = p;
	return 1;
}

int worker_packet(struct worker *w, struct flow *f, size_t limit, size_t decoded_max,
                  struct packet *ret, const char **ret_why)
{
	return worker_packet_at(w, f, 0, limit, decoded_max, ret, ret_why);
}

int worker_wait_packet(struct worker *w, struct flow *f, size_t limit, size_t decoded_max,
                       uint64_t deadline_usec, struct packet *ret, const char **ret_why)
{
	for (;;) {
		ssize_t n;
		int r = worker_packet(w, f, limit, decoded_max, ret, ret_why);

		if (r == 0)
			r = worker_wait_bytes(w, f, deadline_usec);
		else
			return r;
		if (r <= 0)
			return r;
		n = flow_read(f);
		if (n == 0)
			return -EPIPE;
		if (n < 0 && f->from->fault) {
			*ret_why = f->from->fault;
			return -EBADMSG;
		}
		if (n < 0 && n != -EAGAIN)
			return n == -ENOBUFS ? -EMSGSIZE : -ECONNRESET;
	}
}

/* Cut where it is too long, between characters; nothing that moves a terminal's cursor. */
static void copy_words(const struct token *t, char buf[RPC_NAME_MAX])
{
	size_t n = t->len;

	if (n >= RPC_NAME_MAX)
		for (n = RPC_NAME_MAX - 1; n > 0 && (t->data[n] & 0xc0) == 0x80; n--)
			;
	memcpy(buf, t->data, n);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)buf[i] < ' ' || buf[i] == 0x7f)
			buf[i] = ' ';
	buf[n] = '\0';
}

bool worker_disconnect_words(const struct packet *p, char words[2][RPC_NAME_MAX])
{
	struct token_reader r;
	struct token t;

	words[0][0] = words[1][0] = '\0';
	token_reader_init(&r, p->encoder, p->payload, p->len);
	if (token_read(&r, &t) <= 0 || t.type != TOKEN_LIST || token_read(&r, &t) <= 0 ||
	    (!token_equals(&t, "disconnect") && !token_equals(&t, "connection-close")))
		return false;
	for (size_t i = 0; token_read(&r, &t) > 0 && token_is_string(&t); i++) {
		char more[RPC_NAME_MAX];
		size_t n = strlen(words[1]);

		copy_words(&t, i < 2 ? words[i] : more);
		/* A proxy behind us puts its own before the server's. */
		if (i >= 2 && n + strlen(more) + 2 < RPC_NAME_MAX)
			snprintf(words[1] + n, RPC_NAME_MAX - n, "; %.*s",
			         (int)(RPC_NAME_MAX - n) - 3, more);
	}
	return true;
}
