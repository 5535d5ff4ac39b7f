/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/chain_rig.h - a chain of modules that are made for tests, and a client of it.
 */
#pragma once

#include "tests/unit/test.h"

#include <errno.h>

#include "auth/chain.h"

#define EVERY (DIGEST_HMAC_ALL | DIGEST_BIT(DIGEST_XOR) | DIGEST_BIT(DIGEST_U2F))

static struct chain c;
static struct outcome outcome;
static struct peer peer;
static struct rpc request;
static struct rpc_step step;
static unsigned asked, warned, rounds_wanted;
static char seen_name[AUTH_USERNAME_MAX], seen_facts[2][64];

/* ---- modules; their option `value` is what they are about ---- */

static const char *value_of(const struct auth_attempt *a)
{
	return auth_option(a->options, "value", "");
}

__attribute__((unused)) static void note_attempt(const struct auth_attempt *a)
{
	asked++;
	snprintf(seen_name, sizeof(seen_name), "%s", a->username);
	CHECK(a->peer == &peer);
	CHECK_EQ(a->error[0], 0);
}

static int say_yes(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	CHECK(!a->password && !a->response);
	CHECK_EQ(row->username[0] + row->uid[0] + row->has_sessions, 0);
	return AUTH_YES;
}

static int say_no(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	memset(row, 'x', sizeof(*row)); /* nobody may look at it */
	return AUTH_NO;
}

static int say_error(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	memset(row, 'x', sizeof(*row));
	snprintf(a->error, sizeof(a->error), "%s", value_of(a));
	return -EHOSTDOWN;
}

static int say_more(struct auth_attempt *a, struct auth_row *row)
{
	(void)row;
	note_attempt(a);
	return AUTH_MORE;
}

static int check_password(struct auth_attempt *a, struct auth_row *row)
{
	(void)row;
	note_attempt(a);
	CHECK(!a->response && !a->client_salt);
	return a->check(a, value_of(a), strlen(value_of(a)));
}

static int check_clear(struct auth_attempt *a, struct auth_row *row)
{
	(void)row;
	note_attempt(a);
	CHECK(a->password && a->password_len == strlen(a->password));
	return strcmp(a->password, value_of(a)) == 0;
}

static int make_own(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	unsigned *state = a->state;

	CHECK_EQ(*state, n);
	*state = n + 1;
	snprintf(ret->digest, sizeof(ret->digest), "u2f:%s", value_of(a));
	memcpy(ret->salt, "own salt", 8);
	ret->salt_len = 8;
	return 0;
}

/* The answer to round n is the value and n. */
static int check_own(struct auth_attempt *a, struct auth_row *row)
{
	const unsigned *state = a->state;
	char want[64];
	size_t len = (size_t)snprintf(want, sizeof(want), "%s%u", value_of(a), *state);

	(void)row;
	note_attempt(a);
	CHECK(!a->password && a->response);
	if (a->response_len != len || memcmp(a->response, want, len) != 0)
		return AUTH_NO;
	return *state < rounds_wanted ? AUTH_MORE : AUTH_YES;
}

static int make_nothing(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	(void)n;
	(void)ret;
	snprintf(a->error, sizeof(a->error), "no key is registered");
	return -ENOENT;
}

static int make_xor(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	(void)a;
	(void)n;
	snprintf(ret->digest, sizeof(ret->digest), "xor");
	snprintf(ret->prompt, sizeof(ret->prompt), "the code");
	return 0;
}

static int check_code(struct auth_attempt *a, struct auth_row *row)
{
	(void)row;
	note_attempt(a);
	CHECK(a->password && a->response);
	return strcmp(a->password, value_of(a)) == 0;
}

static bool want_facts(const struct auth_options *o, unsigned n, char *ret)
{
	(void)o;
	snprintf(ret, AUTH_FACT_NAME_MAX, "capability:%u", n);
	return n < 2;
}

static int check_facts(struct auth_attempt *a, struct auth_row *row)
{
	(void)row;
	note_attempt(a);
	for (int i = 0; i < 2; i++)
		snprintf(seen_facts[i], sizeof(seen_facts[i]), "%s",
		         a->facts[i] ? a->facts[i] : "(none)");
	return a->facts[0] && strcmp(a->facts[0], value_of(a)) == 0;
}

static int know_name(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	snprintf(row->username, sizeof(row->username), "%s", value_of(a));
	return AUTH_YES;
}

static int know_uid(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	snprintf(row->uid, sizeof(row->uid), "%s", value_of(a));
	snprintf(row->gid, sizeof(row->gid), "g%s", value_of(a));
	return AUTH_YES;
}

static int know_sessions(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	row->has_sessions = true;
	snprintf(row->displays, sizeof(row->displays), "%s", value_of(a));
	return AUTH_YES;
}

static int know_service(struct auth_attempt *a, struct auth_row *row)
{
	note_attempt(a);
	snprintf(row->service, sizeof(row->service), "%s", value_of(a));
	return AUTH_YES;
}

static int look_up(struct auth_attempt *a, struct auth_row *row)
{
	CHECK(!a->password && !a->check && !a->response);
	snprintf(seen_name, sizeof(seen_name), "%s", a->username);
	if (strcmp(value_of(a), "down") == 0) {
		snprintf(a->error, sizeof(a->error), "directory is down");
		return -EHOSTDOWN;
	}
	if (strcmp(value_of(a), "nobody") == 0)
		return 0;
	snprintf(row->displays, sizeof(row->displays), ":7");
	snprintf(row->uid, sizeof(row->uid), "%s", value_of(a));
	return 1;
}

static const struct auth_module modules[] = {
	{.name = "yes", .verify = say_yes},
	{.name = "no", .verify = say_no},
	{.name = "error", .verify = say_error},
	{.name = "pw", .flags = AUTH_CHALLENGE, .verify = check_password},
	{.name = "clear", .flags = AUTH_CHALLENGE | AUTH_CLEAR, .verify = check_clear},
	{.name = "own",
         .flags = AUTH_CHALLENGE | AUTH_OWN,
         .challenge = make_own,
         .verify = check_own},
	{.name = "cannot",
         .flags = AUTH_CHALLENGE | AUTH_OWN,
         .challenge = make_nothing,
         .verify = say_yes},
	{.name = "code",
         .flags = AUTH_CHALLENGE | AUTH_OWN,
         .challenge = make_xor,
         .verify = check_code},
	{.name = "fact", .fact = want_facts, .verify = check_facts},
	{.name = "name", .verify = know_name},
	{.name = "uid", .verify = know_uid},
	{.name = "list", .verify = know_sessions},
	{.name = "service", .verify = know_service},
	{.name = "more", .verify = say_more},
	{.name = "pwmore", .flags = AUTH_CHALLENGE, .verify = say_more},
	{.name = "dir", .verify = say_no, .lookup = look_up},
};

__attribute__((unused)) static void warn(const struct auth_attempt *a, const char *text)
{
	(void)a;
	(void)text;
	warned++;
}

/* ---- chains ---- */

/* "pw:value" or "name:value,map-user=lowercase" becomes an instance. */
__attribute__((unused)) static void fill(struct auth_instance *in, const char *spec, unsigned group)
{
	char *name = strdup(spec), *value = strchr(name, ':'), *option = strchr(name, ',');

	*in = (struct auth_instance){.group = group, .storage = name, .storage_len = strlen(spec)};
	if (option)
		*option++ = '\0';
	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (strcmp(modules[i].name, name) == 0)
			in->module = &modules[i];
	CHECK(in->module);
	in->flags = in->module->flags;
	if (value) {
		in->options.items[in->options.count].name = "value";
		in->options.items[in->options.count++].value = value;
	}
	if (option) {
		value = strchr(option, '=');
		*value++ = '\0';
		in->options.items[in->options.count].name = option;
		in->options.items[in->options.count++].value = value;
	}
}

__attribute__((unused)) static void clean(void)
{
	chain_close(&c);
	c = (struct chain){.warn = warn, .peer = &peer, .outcome = &outcome};
	outcome = (struct outcome){0};
	memset(outcome.failure, 'x', sizeof(outcome.failure) - 1); /* of another login */
	asked = warned = 0;
	rounds_wanted = 1;
	seen_name[0] = '\0';
}

/* Groups, each "a|b|c"; NULL at the end. */
__attribute__((unused)) static void setup(const char *group, ...)
{
	va_list ap;
	unsigned n = 0;

	clean();
	va_start(ap, group);
	for (; group; group = va_arg(ap, const char *), n++) {
		char *copy = strdup(group), *state = NULL;

		for (char *one = strtok_r(copy, "|", &state); one;
		     one = strtok_r(NULL, "|", &state))
			fill(&c.instances[c.count++], one, n);
		free(copy);
	}
	va_end(ap);
}

__attribute__((unused)) static void send_request(enum rpc_type type)
{
	request.type = type;
	memset(&step, 'x', sizeof(step));
	chain_step(&c, &request, &step);
	CHECK(memchr(step.reason, 0, sizeof(step.reason)) || step.kind != STEP_DENIED);
}

__attribute__((unused)) static void login_as(const char *user, unsigned digests, bool secure,
                                             bool wants)
{
	request = (struct rpc){0};
	snprintf(request.login.username, sizeof(request.login.username), "%s", user);
	request.login.digests = request.login.salt_digests = digests;
	request.login.secure = secure;
	request.login.wants_challenge = wants;
	send_request(RPC_LOGIN);
}

__attribute__((unused)) static void login(void)
{
	login_as("alice", EVERY, true, false);
}

__attribute__((unused)) static void respond_raw(const void *response, size_t len)
{
	request = (struct rpc){0};
	memcpy(request.response.response.data, response, len);
	request.response.response.len = (uint32_t)len;
	memset(request.response.client_salt.data, 'c', 32);
	request.response.client_salt.len = 32;
	send_request(RPC_RESPONSE);
}

/* What a client that knows it sends for the challenge in step. */
__attribute__((unused)) static size_t response_to(const char *password, uint8_t *ret)
{
	uint8_t salt[DIGEST_SALT_MAX], client[32];
	size_t salt_len, len;

	memset(client, 'c', sizeof(client));
	CHECK_EQ(step.kind, STEP_CHALLENGE);
	CHECK_EQ(digest_combine_salts(step.salt_digest, step.salt.data, step.salt.len, client,
	                              sizeof(client), salt, &salt_len),
	         0);
	CHECK_EQ(
		digest_response(step.digest, password, strlen(password), salt, salt_len, ret, &len),
		0);
	return len;
}

__attribute__((unused)) static void respond(const char *password)
{
	uint8_t response[DIGEST_RESPONSE_MAX];
	size_t len = response_to(password, response);

	respond_raw(response, len);
}

__attribute__((unused)) static void fact(const char *text)
{
	request = (struct rpc){0};
	request.fact.present = text != NULL;
	snprintf(request.fact.text, sizeof(request.fact.text), "%s", text ? text : "not there");
	send_request(RPC_FACT);
}

__attribute__((unused)) static void challenged(enum digest digest)
{
	CHECK_EQ(step.kind, STEP_CHALLENGE);
	CHECK_EQ(step.digest, digest);
}

__attribute__((unused)) static void accepted(void)
{
	if (step.kind == STEP_DENIED)
		CHECK_STR(outcome.failure, "");
	CHECK_EQ(step.kind, STEP_ACCEPTED);
	CHECK_STR(outcome.failure, "");
}

__attribute__((unused)) static void denied(const char *reason, const char *failure)
{
	CHECK_EQ(step.kind, STEP_DENIED);
	CHECK_STR(step.reason, reason);
	CHECK_EQ(step.exit_code, 5);
	CHECK_STR(outcome.failure, failure);
	/* and that was that */
	respond_raw("pw", 2);
	CHECK_EQ(step.kind, STEP_DENIED);
	fact("x");
	CHECK_EQ(step.kind, STEP_DENIED);
}
