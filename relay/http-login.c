/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/http-login.c - a password that came by HTTP: the body that holds it, and the login. Worker,
 * front filter. System calls: getrandom, and those of relay/leg.c and base/rpc.c.
 *
 * Here it becomes the response to the guard's challenge, as an xpra client would have sent it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/macros.h"
#include "relay/fact.h"
#include "relay/http.h"
#include "wire/digest.h"

#define SALT_LEN 32

/* ---- the body ---- */

static int body_length(const struct http_head *h, size_t max)
{
	struct http_text t = http_field(h, "Content-Length");
	size_t n = 0;

	if (http_field(h, "Transfer-Encoding").data || !t.data)
		return -ENODATA;
	if (t.len == 0 || http_field_count(h, "Content-Length") != 1)
		return -EBADMSG;
	for (size_t i = 0; i < t.len; i++) {
		if (t.data[i] < '0' || t.data[i] > '9')
			return -EBADMSG;
		if (n <= max)
			n = n * 10 + (size_t)(t.data[i] - '0');
	}
	return n > max ? -EMSGSIZE : (int)n;
}

int http_body(struct worker *w, const struct http_head *h, size_t max)
{
	uint64_t deadline = now_usec() + w->config->limits_login_timeout_usec;
	size_t head = h->len;
	int len = body_length(h, max);

	while (len > 0 && flow_available(&w->up) < head + (size_t)len) {
		int r = worker_wait_bytes(w, &w->up, deadline);
		ssize_t n;

		if (r == 0)
			return -ETIMEDOUT;
		if (r < 0)
			return r;
		n = flow_read(&w->up);
		if (n == 0 || (n < 0 && n != -EAGAIN))
			return worker_end(w, EXIT_OK, "client-close", "closed during a login");
	}
	return len;
}

const char *http_body_status(int error, const char **ret_why)
{
	switch (error) {
	case -ENODATA:
		*ret_why = "no Content-Length";
		return "411 Length Required";
	case -EMSGSIZE:
		*ret_why = "a body that is too large";
		return "413 Content Too Large";
	case -ETIMEDOUT:
		*ret_why = "a body that was not whole in time";
		return "408 Request Timeout";
	default:
		*ret_why = "a malformed Content-Length";
		return "400 Bad Request";
	}
}

/* ---- the login ---- */

/* What an xpra client with this password would say to the challenge in *m. */
static int respond(struct rpc *m, const char *password)
{
	struct rpc reply = {.type = RPC_RESPONSE};
	uint8_t salt[DIGEST_SALT_MAX];
	size_t salt_len, len = 0;
	int r;

	reply.response.client_salt.len = SALT_LEN;
	if (getrandom(reply.response.client_salt.data, SALT_LEN, 0) != SALT_LEN)
		return -EIO;
	r = digest_combine_salts(m->step.salt_digest, m->step.salt.data, m->step.salt.len,
	                         reply.response.client_salt.data, SALT_LEN, salt, &salt_len);
	if (r == 0)
		r = digest_response(m->step.digest, password, strlen(password), salt, salt_len,
		                    reply.response.response.data, &len);
	reply.response.response.len = (uint32_t)len;
	explicit_bzero(salt, sizeof(salt));
	*m = reply;
	rpc_wipe(&reply);
	return r;
}

int http_login(struct worker *w, const char *username, const char *password, struct rpc *ret)
{
	struct rpc *m = ret;
	unsigned challenges = 0;

	*m = (struct rpc){.type = RPC_LOGIN};
	snprintf(m->login.username, sizeof(m->login.username), "%s", username);
	snprintf(m->login.client, sizeof(m->login.client), "HTTP");
	m->login.salt_digests = DIGEST_HMAC_ALL;
	m->login.digests = DIGEST_HMAC_ALL | DIGEST_BIT(DIGEST_XOR);
	m->login.secure = true; /* or it would not have been asked for */
	m->login.forwarded = w->forwarded;
	for (;;) {
		int r = worker_ask(w, m, NULL,
		                   now_usec() + w->config->limits_challenge_timeout_usec);

		if (r < 0)
			return r;
		if (m->type != RPC_STEP)
			return -EPROTO;
		if (m->step.kind == STEP_ACCEPTED)
			return 0;
		if (m->step.kind == STEP_FACT) {
			fact_answer(w, m);
			continue;
		}
		if (m->step.kind != STEP_CHALLENGE)
			return -EACCES;
		if (++challenges > 1)
			return -EOPNOTSUPP;
		if (respond(m, password) < 0)
			return -EPROTO;
	}
}
