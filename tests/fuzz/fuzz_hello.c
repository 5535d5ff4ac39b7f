/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a hello: byte 0 chooses what is done to it, the rest is the payload. What can be
 * rewritten is a whole record, which reads back with our own network capabilities. Links
 * relay/hello.c, relay/rewrite.c, relay/shape.c.
 */
#include "relay/hello.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/digest.h"
#include "wire/header.h"

#include "tests/fuzz/ensure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE, ENCODER_BENCODE};

static void check_facts(const struct hello *h, const struct rpc_response *response)
{
	ENSURE(memchr(h->version, 0, sizeof(h->version)) &&
	       memchr(h->username, 0, sizeof(h->username)) &&
	       memchr(h->client_type, 0, sizeof(h->client_type)) &&
	       memchr(h->display, 0, sizeof(h->display)) &&
	       memchr(h->request, 0, sizeof(h->request)) &&
	       memchr(h->session_display, 0, sizeof(h->session_display)) &&
	       memchr(h->session_name, 0, sizeof(h->session_name)) &&
	       memchr(h->session_uuid, 0, sizeof(h->session_uuid)) &&
	       memchr(h->connect_test, 0, sizeof(h->connect_test)));
	ENSURE(h->encoders && h->encoders <= ENCODERS_ALL &&
	       (h->compressors & ~(unsigned)COMPRESSORS_ALL) == 0);
	ENSURE(h->hops <= UINT8_MAX && response->response.len <= sizeof(response->response.data) &&
	       response->client_salt.len <= sizeof(response->client_salt.data));
}

/* What was written is understood by whoever reads it, and is ours. */
static void check_record(const uint8_t *out, size_t len, const struct hello_edit *e)
{
	struct hello again;
	struct header h;
	int r;

	ENSURE(header_parse(out, len, &h, NULL) == 0 && h.size == len - HEADER_LEN &&
	       h.flags == e->to);
	r = hello_parse(out + HEADER_LEN, h.size, e->to, &again, NULL);
	ENSURE(r == 0);
	ENSURE(again.encoders == (e->encoders | encoders_bit(e->to)) &&
	       again.compressors == e->compressors);
	ENSURE(again.hops == e->hops && !again.challenge);
	ENSURE(again.has_response == (e->answer != NULL) || e->keep_challenge);
	if (e->to_server)
		ENSURE(strcmp(again.username, e->username) == 0 &&
		       strcmp(again.display, e->remote_display) == 0);
}

/* What passes can be used. */
static void check_cipher(const struct cipher_caps *c)
{
	struct cipher_params p;
	uint8_t key[CIPHER_KEY_MAX];
	char why[200] = "";
	int r = cipher_caps_params(c, CIPHER_MODES_ALL, &p, why, sizeof(why));

	ENSURE(r == 0 ? cipher_caps_offered(c) || c->iv_len == CIPHER_BLOCK
	              : r == -EINVAL && why[0]);
	p.iterations = CIPHER_ITERATIONS_MIN; /* it has been checked, and takes its time */
	ENSURE(r < 0 || cipher_derive(&p, "x", 1, key) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rpc_response response,
		answer = {.response = {1, "r"}, .client_salt = {1, "s"}};
	const size_t room = 6 * size + 4096;
	const unsigned how = size ? data[0] : 0;
	struct hello facts;
	uint8_t *out = malloc(room);
	size_t len;

	ENSURE(out);
	if (size > 0) {
		data++;
		size--;
	}
	for (unsigned i = 0; i < 3 * 3 * 3; i++) {
		struct hello_edit e = {
			.from = encoders[i % 3],
			.to = encoders[i / 3 % 3],
			.to_server = how & 1,
			.shape = (enum hello_shape)(i / 9),
			.encoders = how >> 1 & ENCODERS_ALL,
			.compressors = how & 8 ? COMPRESSORS_ALL : 0,
			.proxy_version = "5.1",
			.proxy_host = "gate",
			.hops = how >> 4 & 3,
			.own_digests = how & 16,
			.keep_challenge = how & 32,
			.answer = (how & 33) == 1 ? &answer : NULL,
			.username = "bob",
			.remote_display = ":5",
			.compression_level = how & 128 ? 3 : -1,
		};
		int parsed = hello_parse(data, size, e.from, &facts, &response);
		int r = hello_rewrite(data, size, &e, out, room, &len);

		if (parsed == 0) {
			check_facts(&facts, &response);
			check_cipher(&facts.cipher);
		}
		if (r == 0) {
			ENSURE(len <= room);
			check_record(out, len, &e);
			if (how & 64)
				ENSURE(hello_rewrite(data, size, &e, out, len - 1, &len) ==
				       -ENOBUFS);
		} else {
			ENSURE(r == -EBADMSG || r == -EPROTO || r == -EMSGSIZE);
		}
	}
	free(out);
	return 0;
}
