/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/challenge.c - the session's server wants a password. Worker, front filter.
 *
 * Either the guard has one for this session and makes the response (the worker never sees it), or
 * the client is asked, and its answer goes to the server untouched: no digest depends on the
 * connection.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/encryption.h"
#include "relay/greet.h"
#include "relay/translate.h"
#include "wire/digest.h"

/* Reads ("challenge", salt, caps, digest, salt_digest, ...). */
static int read_challenge(const struct packet *p, struct rpc_answer *ret)
{
	struct token_reader r;
	struct token t;
	size_t len;

	token_reader_init(&r, p->encoder, p->payload, p->len);
	for (int i = -1; i <= 4; i++) {
		int n = token_read(&r, &t);

		if (n <= 0 || t.type == TOKEN_END)
			return i > 3 ? 0 : -EBADMSG;
		if (i < 0) {
			if (t.type != TOKEN_LIST)
				return -EBADMSG;
			continue;
		}
		if (i == 1) {
			n = token_to_bytes(&t, ret->server_salt.data, sizeof(ret->server_salt.data),
			                   &len);
			ret->server_salt.len = n == 0 ? (uint32_t)len : 0;
		} else if (i >= 3 && token_is_string(&t)) {
			*(i == 3 ? &ret->digest : &ret->salt_digest) =
				digest_from_name((const char *)t.data, t.len);
		}
		if (n < 0 || (n = token_skip(&r, &t)) < 0)
			return n;
	}
	return 0;
}

/* The guard knows the password of this session. */
static int answer_challenge(struct worker *w, const struct packet *p)
{
	struct rpc m = {.type = RPC_ANSWER};
	int r;

	if (read_challenge(p, &m.answer) < 0)
		return greet_failed(w, "its challenge is malformed");
	r = worker_ask(w, &m, NULL, now_usec() + w->config->sessions_connect_timeout_usec);
	if (r < 0)
		return r;
	if (m.type == RPC_REFUSED)
		return worker_fail(w, (int)m.refused.exit_code, "upstream-auth", m.refused.reason,
		                   m.refused.text);
	if (m.type != RPC_ANSWERED)
		return greet_internal_error(w, "unexpected answer from the guard");
	flow_drop(&w->down, p->record_bytes);
	r = greet_server(w, &m.response, false);
	rpc_wipe(&m);
	return r;
}

/* Nobody here knows it: the client is asked, and its next hello goes to the server. */
static int relay_challenge(struct worker *w, const struct packet *p)
{
	size_t size, len;
	uint8_t *buf = flow_inject_at(&w->down, &size);
	unsigned modes = 0;
	const struct cipher_params *cipher = encryption_announced(w, &modes);
	int r = translate_challenge(p->payload, p->len, p->encoder, w->client.encoder, cipher,
	                            modes, buf, size, &len);

	if (r < 0)
		return greet_failed(w, "its challenge is malformed");
	r = leg_send(&w->client, buf, len, now_usec() + USEC_PER_SEC);
	if (r < 0)
		return worker_end(w, EXIT_OK, "client-close", "closed during the login");
	flow_drop(&w->down, p->record_bytes);
	login_drop_hello(w);
	r = login_read_hello(w, now_usec() + w->config->limits_challenge_timeout_usec);
	return r < 0 ? r : greet_server(w, NULL, true);
}

/* How the server decrypts, in item 2. */
static int read_cipher(const struct packet *p, struct cipher_caps *ret)
{
	struct token_reader r;
	struct token t, value;
	int n = 1;

	*ret = (struct cipher_caps){0};
	token_reader_init(&r, p->encoder, p->payload, p->len);
	if (token_read(&r, &t) <= 0 || t.type != TOKEN_LIST)
		return -EBADMSG;
	for (int i = 0; i < 2; i++)
		if (token_read(&r, &t) <= 0 || token_skip(&r, &t) < 0)
			return -EBADMSG;
	if (token_read(&r, &t) <= 0 || t.type != TOKEN_DICT)
		return 0;
	while ((n = token_read_pair(&r, &t, &value)) > 0) {
		n = cipher_caps_read(&r, &t, &value, ret);
		if (n == 0)
			n = token_skip(&r, &value);
		if (n < 0)
			break;
	}
	return n;
}

int greet_take_challenge(struct worker *w, const struct packet *p)
{
	struct cipher_caps caps;
	char why[RPC_NAME_MAX];

	if (read_cipher(p, &caps) < 0)
		return greet_failed(w, "its challenge is malformed");
	if (encryption_server_accept(w, &caps, "", why, sizeof(why)) < 0)
		return greet_failed(w, why);
	return w->upstream.has_password ? answer_challenge(w, p) : relay_challenge(w, p);
}
