/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/challenge.c - salts, digests, and what a response says. Guard or checker, privileged.
 * System calls: getrandom.
 *
 * Everything in a struct rpc_login or rpc_response is the network's word: lengths are checked by
 * base/rpc.c, contents only ever compared, or given to the module that wants them.
 */
#include "auth/challenge.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/macros.h"

static bool check_password(const struct auth_attempt *a, const void *password, size_t len)
{
	const struct attempt *t = (const struct attempt *)(const void *)a;

	return digest_verify(t->digest, password, len, t->salt, t->salt_len, t->response,
	                     t->response_len);
}

static int choose_salt_digest(struct chain *c, const char **ret_reason, const char **ret_why)
{
	enum digest salt = digest_best(c->login.salt_digests & DIGEST_HMAC_ALL);

	if (salt == DIGEST_NONE) {
		*ret_reason = "insecure salt digest 'xor' rejected";
		*ret_why = "the client offers no hmac salt digest";
		return -EPERM;
	}
	c->challenge.salt_digest = salt;
	return 0;
}

/* Fresh from the kernel for every challenge: a recorded answer never fits another one. */
static int make_salt(struct chain *c, const char **ret_reason, const char **ret_why)
{
	c->challenge.salt.len = DIGEST_SALT_LEN;
	if (getrandom(c->challenge.salt.data, DIGEST_SALT_LEN, 0) == DIGEST_SALT_LEN)
		return 0;
	*ret_reason = "authentication challenge processing error";
	*ret_why = "no random numbers";
	return -EPERM;
}

/* Digest names come from us, so no user text is in these. */
static int choose_digest(struct chain *c, bool clear, const char **ret_reason, const char **ret_why)
{
	unsigned xor = c->login.secure ? DIGEST_BIT(DIGEST_XOR) : 0;
	enum digest digest = digest_best(c->login.digests & ((clear ? 0 : DIGEST_HMAC_ALL) | xor));

	c->challenge.digest = digest;
	if (digest != DIGEST_NONE)
		return 0;
	*ret_reason = clear && !c->login.secure
	                      ? "authentication requires a secure connection, such as ssl"
	              : clear ? "cannot proceed without 'xor' digest support"
	                      : "cannot proceed without 'hmac+sha512' digest support";
	*ret_why = clear && !c->login.secure ? "it needs the password itself, which is not asked "
	                                       "for on an unprotected transport: use TLS"
	           : clear ? "it needs the password itself, and the client does not offer the xor "
	                     "digest"
	           : c->login.digests & DIGEST_BIT(DIGEST_XOR)
	                   ? "the client only offers the xor digest, which needs a protected "
	                     "transport"
	                   : "the client offers no digest that can be used";
	return -EPERM;
}

int challenge_password(struct chain *c, bool clear, const char *prompt, const char **ret_reason,
                       const char **ret_why)
{
	int r;

	c->challenge = (struct rpc_step){.kind = STEP_CHALLENGE};
	r = choose_digest(c, clear, ret_reason, ret_why);
	if (r == 0)
		r = choose_salt_digest(c, ret_reason, ret_why);
	if (r == 0)
		r = make_salt(c, ret_reason, ret_why);
	if (r == 0)
		snprintf(c->challenge.prompt, sizeof(c->challenge.prompt), "%s", prompt);
	return r;
}

int challenge_own(struct chain *c, const struct auth_challenge *own, const char *prompt,
                  const char **ret_reason, const char **ret_why)
{
	enum digest digest = digest_from_name(own->digest, strlen(own->digest));
	int r;

	c->challenge = (struct rpc_step){.kind = STEP_CHALLENGE, .digest = digest};
	*ret_reason = "authentication failed";
	*ret_why = "the client does not offer its digest";
	if (digest == DIGEST_NONE || !(c->login.digests & DIGEST_BIT(digest)))
		return -EPERM;
	/* What is only XORed can be read by whoever listens. */
	*ret_why = "its answer must not pass over an unprotected transport: use TLS";
	if (digest_is_xor(digest) && !c->login.secure)
		return -EPERM;
	r = choose_salt_digest(c, ret_reason, ret_why);
	if (r == 0 && own->salt_len == 0)
		r = make_salt(c, ret_reason, ret_why);
	if (r < 0)
		return r;
	if (own->salt_len > 0) {
		c->challenge.salt.len = (uint32_t)own->salt_len;
		memcpy(c->challenge.salt.data, own->salt, own->salt_len);
	}
	snprintf(c->challenge.own_digest, sizeof(c->challenge.own_digest), "%s", own->digest);
	snprintf(c->challenge.prompt, sizeof(c->challenge.prompt), "%s",
	         own->prompt[0] ? own->prompt : prompt);
	return 0;
}

static int read_clear(struct attempt *t)
{
	size_t len = 0;
	int r = digest_unxor(t->response, t->response_len, t->salt, t->salt_len, t->clear, &len);

	if (r < 0)
		return r;
	t->clear[len] = '\0';
	if (t->digest != DIGEST_GSS && memchr(t->clear, '\0', len)) /* whose tokens are binary */
		return -EINVAL;
	t->a.password = (const char *)t->clear;
	t->a.password_len = len;
	return 0;
}

int challenge_read(struct chain *c, const struct rpc_response *response, bool own,
                   struct attempt *ret, const char **ret_why)
{
	int r = 0;

	*ret = (struct attempt){
		.digest = c->challenge.digest,
		.response = response->response.data,
		.response_len = response->response.len,
	};
	ret->a.check = check_password;
	ret->a.response = own ? response->response.data : NULL;
	ret->a.response_len = own ? response->response.len : 0;
	ret->a.client_salt = own ? response->client_salt.data : NULL;
	ret->a.client_salt_len = own ? response->client_salt.len : 0;
	*ret_why = "a challenge was left unanswered";
	if (response->response.len == 0)
		r = -EINVAL;
	/* Of signatures and SCRAM's messages the salt is no part. */
	if (r == 0 && (!own || digest_is_xor(ret->digest))) {
		*ret_why = "the client's salt is missing or absurd";
		r = digest_combine_salts(c->challenge.salt_digest, c->challenge.salt.data,
		                         c->challenge.salt.len, response->client_salt.data,
		                         response->client_salt.len, ret->salt, &ret->salt_len);
	}
	explicit_bzero(&c->challenge, sizeof(c->challenge));
	if (r == 0 && digest_is_xor(ret->digest)) {
		*ret_why = "the response is no password";
		r = read_clear(ret);
	}
	return r;
}
