/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/chain.c - challenges, responses, and the modules in their order. Guard, privileged.
 *
 * Everything in a struct rpc_login or rpc_response is the network's word: lengths are checked by
 * base/rpc.c, contents only ever compared.
 */
#include "auth/chain.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/macros.h"

#define EXIT_AUTH 5

/* An attempt as the modules see it, with what they must not see. */
struct attempt {
	struct auth_attempt a; /* first: check() gets a pointer to it */
	enum digest digest;
	const uint8_t *response;
	size_t response_len;
	uint8_t salt[DIGEST_SALT_MAX]; /* combined */
	size_t salt_len;
};

static bool check_password(const struct auth_attempt *a, const void *password, size_t len)
{
	const struct attempt *t = (const struct attempt *)(const void *)a;

	return digest_verify(t->digest, password, len, t->salt, t->salt_len, t->response,
	                     t->response_len);
}

int chain_open(struct chain *c, const struct config *config, char err[RPC_TEXT_MAX])
{
	char why[AUTH_ERROR_MAX] = "";
	int r;

	if (config->behind_sshd) {
		c->instances[0].module = &auth_ssh;
		c->count = 1;
		return 0;
	}
	if (config->auth_modules.count == 0) {
		snprintf(err, RPC_TEXT_MAX,
		         "no authentication module is configured: set [Auth] Module=, "
		         "for example Module=sqlite(filename=/var/lib/xproxy/users.sdb)");
		return -ENOENT;
	}
	for (size_t i = 0; i < config->auth_modules.count; i++) {
		struct auth_instance *instance = &c->instances[i];

		r = auth_load(config->auth_modules.items[i], instance, why);
		if (r == 0 && instance->module->open)
			r = instance->module->open(&instance->options, why);
		if (r < 0) {
			snprintf(err, RPC_TEXT_MAX, "%.200s: [Auth] Module=: %s",
			         config->auth_modules.origins[i] ? config->auth_modules.origins[i]
			                                         : "-",
			         why);
			return r;
		}
		c->count = i + 1;
	}
	return 0;
}

static void deny(struct chain *c, struct rpc_step *ret, const char *reason, const char *text,
                 const char *failure)
{
	*ret = (struct rpc_step){.kind = STEP_DENIED, .exit_code = EXIT_AUTH};
	snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
	snprintf(ret->text, sizeof(ret->text), "%s", text);
	snprintf(c->failure, sizeof(c->failure), "%s", failure);
	c->waiting = false;
	c->current = 0;
}

/* Digest names come from us, so no user text is in these. */
static bool choose_digests(struct chain *c, struct rpc_step *ret)
{
	unsigned digests = c->login.digests &
	                   (DIGEST_HMAC_ALL | (c->login.secure ? DIGEST_BIT(DIGEST_XOR) : 0));
	unsigned salts = c->login.salt_digests & DIGEST_HMAC_ALL;
	enum digest digest = digest_best(digests), salt = digest_best(salts);

	if (digest == DIGEST_NONE) {
		deny(c, ret, "cannot proceed without 'hmac+sha512' digest support", "",
		     c->login.digests & DIGEST_BIT(DIGEST_XOR)
		             ? "the client only offers the xor digest, which needs a protected "
		               "transport"
		             : "the client offers no digest that can be used");
		return false;
	}
	if (salt == DIGEST_NONE) {
		deny(c, ret, "insecure salt digest 'xor' rejected", "",
		     "the client offers no hmac salt digest");
		return false;
	}
	ret->digest = digest;
	ret->salt_digest = salt;
	return true;
}

static void challenge(struct chain *c, const char *prompt, struct rpc_step *ret)
{
	*ret = (struct rpc_step){.kind = STEP_CHALLENGE, .salt.len = DIGEST_SALT_LEN};
	if (!choose_digests(c, ret))
		return;
	/* Fresh from the kernel for every challenge: a recorded answer never fits another one. */
	if (getrandom(ret->salt.data, DIGEST_SALT_LEN, 0) != DIGEST_SALT_LEN) {
		deny(c, ret, "authentication challenge processing error", "", "no random numbers");
		return;
	}
	snprintf(ret->prompt, sizeof(ret->prompt), "%s", prompt);
	c->challenge = *ret;
	c->challenged = c->waiting = true;
}

/* Asks one module. 1 yes, 0 no (*ret says so). */
static int ask_module(struct chain *c, struct attempt *t, struct rpc_step *ret)
{
	struct auth_instance *i = &c->instances[c->current];
	char failure[RPC_TEXT_MAX];
	struct auth_row row = {0};
	int r;

	t->a.username = c->login.username;
	t->a.options = &i->options;
	t->a.check = check_password;
	t->a.warn = c->warn;
	c->module = i->module->name;
	r = i->module->verify(&t->a, &row);
	if (r > 0) {
		if (row.has_sessions && !c->row.has_sessions)
			c->row = row;
	} else if (r == 0) {
		snprintf(failure, sizeof(failure), "wrong password or unknown user (%s)",
		         i->module->name);
		deny(c, ret, "authentication failed", "", failure);
	} else {
		snprintf(failure, sizeof(failure), "module %s could not tell: %.200s",
		         i->module->name, t->a.error[0] ? t->a.error : strerror(-r));
		deny(c, ret, "authentication error", "cannot access sessions", failure);
	}
	explicit_bzero(&row, sizeof(row));
	return r > 0;
}

/* Runs modules until one needs a challenge, one says no, or all have agreed. */
static void advance(struct chain *c, struct rpc_step *ret)
{
	struct attempt t = {0};

	for (; c->current < c->count; c->current++) {
		const struct auth_instance *i = &c->instances[c->current];
		char prompt[RPC_NAME_MAX];

		if (i->module->flags & AUTH_CHALLENGE) {
			snprintf(prompt, sizeof(prompt), "password for user '%.128s'",
			         c->login.username);
			challenge(c,
			          auth_option(&i->options, "prompt",
			                      c->login.username[0] ? prompt : "password"),
			          ret);
			return;
		}
		if (!ask_module(c, &t, ret))
			return;
	}
	/* A client that was given a password leaves if nobody asks for it. */
	if (c->login.wants_challenge && !c->challenged) {
		challenge(c, "password", ret);
		return;
	}
	*ret = (struct rpc_step){.kind = STEP_ACCEPTED};
}

void chain_begin(struct chain *c, const struct rpc_login *login, struct rpc_step *ret)
{
	c->login = *login;
	c->current = 0;
	c->challenged = c->waiting = false;
	advance(c, ret);
}

void chain_respond(struct chain *c, const struct rpc_response *response, struct rpc_step *ret)
{
	struct attempt t = {0};
	int r = 0;

	if (!c->waiting) {
		deny(c, ret, "authentication failed", "", "a response to no challenge");
		return;
	}
	c->waiting = false;
	if (response->response.len == 0) {
		deny(c, ret, "authentication failed", "", "a challenge was left unanswered");
		return;
	}
	if (c->current == c->count) { /* the one that nobody needed */
		*ret = (struct rpc_step){.kind = STEP_ACCEPTED};
		return;
	}
	t.digest = c->challenge.digest;
	t.response = response->response.data;
	t.response_len = response->response.len;
	r = digest_combine_salts(c->challenge.salt_digest, c->challenge.salt.data,
	                         c->challenge.salt.len, response->client_salt.data,
	                         response->client_salt.len, t.salt, &t.salt_len);
	explicit_bzero(&c->challenge, sizeof(c->challenge)); /* once only */
	if (r < 0) {
		deny(c, ret, "authentication failed", "", "the client's salt is missing or absurd");
	} else if (ask_module(c, &t, ret)) {
		c->current++;
		advance(c, ret);
	}
	explicit_bzero(&t, sizeof(t));
}

void chain_close(struct chain *c)
{
	for (size_t i = 0; i < c->count; i++)
		auth_unload(&c->instances[i]);
	explicit_bzero(c, sizeof(*c));
}
