/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_chain.c - auth/chain.c and auth/challenge.c with modules made for it: what a
 * login needs, in every mixture; the words of every no; and what a worker may not do.
 */
#include "tests/unit/chain_rig.h"

/* ---- all must agree ---- */

TEST(all_must_agree)
{
	setup("yes", "yes", NULL);
	login();
	accepted();
	CHECK_EQ(asked, 2);
	setup("yes", "no", "yes", NULL);
	login();
	CHECK_EQ(asked, 2);
	denied("authentication failed", "wrong password or unknown user (no)");
	setup("pw:one", "pw:two", NULL);
	login();
	respond("one");
	challenged(DIGEST_HMAC_SHA512);
	respond("two");
	accepted();
	setup("pw:one", "pw:two", NULL);
	login();
	respond("two");
	CHECK_EQ(asked, 1);
	denied("authentication failed", "wrong password or unknown user (pw)");
}

TEST(no_module_no_entry_without_one_that_agrees)
{
	setup("no|no|error:it is off|no", NULL);
	login();
	CHECK_EQ(asked, 4);
	denied("authentication failed",
	       "wrong password or unknown user (no); wrong password or unknown user (no); module "
	       "error could not tell: it is off; wrong password or unknown user (no)");
}

TEST(each_challenge_has_a_salt_of_its_own_and_counts_once)
{
	uint8_t first[1024], response[DIGEST_RESPONSE_MAX];
	size_t len;

	setup("pw:one", "pw:one", NULL);
	login();
	CHECK_EQ(step.salt.len, 64);
	memcpy(first, step.salt.data, 64);
	len = response_to("one", response);
	respond_raw(response, len);
	CHECK_EQ(step.kind, STEP_CHALLENGE);
	CHECK(memcmp(first, step.salt.data, 64) != 0);
	respond_raw(response, len);
	denied("authentication failed", "wrong password or unknown user (pw)");
	for (size_t i = 0; i < sizeof(c.challenge.salt.data); i++)
		CHECK_EQ(c.challenge.salt.data[i], 0);
}

/* ---- alternatives ---- */

struct kind {
	const char *spec;
	bool right;
	bool hmac, xor, own; /* a challenge of one of these has to be possible */
	bool secure;
};

static const struct kind kinds[] = {
	{"yes", true, false, false, false, false},
	{"no", false, false, false, false, false},
	{"error:down", false, false, false, false, false},
	{"pw:pw", true, true, false, false, false},
	{"pw:other", false, true, false, false, false},
	{"clear:pw", true, false, true, false, true},
	{"clear:other", false, false, true, false, true},
	{"own:pw", true, false, false, true, false},
	{"own:other", false, false, false, true, false},
	{"cannot", false, false, false, false, false},
};

/* Whether a client that says "pw" is let in by one of this kind. */
static bool lets_in(const struct kind *k, unsigned digests, bool secure)
{
	bool hmac = digests & DIGEST_HMAC_ALL, xor = secure &&digests &DIGEST_BIT(DIGEST_XOR);

	if (!k->right)
		return false;
	if (k->hmac)
		return hmac || xor;
	if (k->xor)
		return xor;
	return !k->own || digests & DIGEST_BIT(DIGEST_U2F);
}

/* A client that does what it is asked to; how many times it was asked. */
static unsigned play(unsigned digests, bool secure)
{
	unsigned n = 0;

	login_as("alice", digests, secure, false);
	request.login.salt_digests = EVERY;
	for (; step.kind == STEP_CHALLENGE; n++) {
		CHECK(n < 8);
		CHECK(secure || step.digest != DIGEST_XOR);
		CHECK(digests & DIGEST_BIT(step.digest));
		if (step.digest == DIGEST_U2F)
			respond_raw("pw1", 3);
		else
			respond("pw");
	}
	return n;
}

static const unsigned digest_sets[] = {
	EVERY,
	DIGEST_HMAC_ALL,
	DIGEST_BIT(DIGEST_HMAC_MD5) | DIGEST_BIT(DIGEST_XOR),
	DIGEST_HMAC_ALL | DIGEST_BIT(DIGEST_U2F),
};

static void try_mixture(const struct kind *a, const struct kind *b, const struct kind *third,
                        bool and)
{
	char group[128];

	for (size_t d = 0; d < ARRAY_SIZE(digest_sets); d++)
		for (int secure = 0; secure < 2; secure++) {
			unsigned set = digest_sets[d];
			bool x = lets_in(a, set, secure), y = lets_in(b, set, secure),
			     z = lets_in(third, set, secure);

			snprintf(group, sizeof(group), "%s|%s%s%s", a->spec, b->spec, and? "" : "|",
			         and? "" : third->spec);
			test_note("%s %s %s, digests %x, secure %d", group, and? "and" : "",
			          and? third->spec : "", set, secure);
			if (and)
				setup(group, third->spec, NULL);
			else
				setup(group, NULL);
			play(set, secure);
			CHECK_EQ(step.kind,
			         (and? (x || y) && z : x || y || z) ? STEP_ACCEPTED : STEP_DENIED);
			if (step.kind == STEP_DENIED)
				CHECK(step.reason[0] && outcome.failure[0]);
			else
				CHECK_STR(outcome.failure, "");
		}
	test_note("%s", "");
}

TEST(every_mixture)
{
	const size_t n = ARRAY_SIZE(kinds);

	for (size_t i = 0; i < n * n * n; i++)
		for (int and = 0; and < 2; and++)
			try_mixture(&kinds[i % n], &kinds[i / n % n], &kinds[i / n / n], and);
}

TEST(passwords_are_asked_for_once)
{
	setup("pw:a|pw:pw|clear:x", NULL);
	CHECK_EQ(play(EVERY, true), 1);
	CHECK_EQ(asked, 2); /* and not the third, as the second was content */
	accepted();
	setup("pw:a|yes|pw:pw", NULL);
	CHECK_EQ(play(EVERY, true), 1);
	accepted();
	setup("no|clear:a|own:pw|pw:b", NULL);
	CHECK_EQ(play(EVERY, true), 2);
	accepted();
}

TEST(clear_passwords_need_a_protected_transport)
{
	setup("clear:pw", NULL);
	login_as("alice", EVERY, true, false);
	challenged(DIGEST_XOR);
	respond("pw");
	accepted();
	setup("clear:pw", NULL);
	login_as("alice", EVERY, false, false);
	CHECK_EQ(asked, 0);
	denied("authentication requires a secure connection, such as ssl",
	       "clear: it needs the password itself, which is not asked for on an unprotected "
	       "transport: use TLS");
	setup("clear:pw", NULL);
	login_as("alice", DIGEST_HMAC_ALL, true, false);
	denied("cannot proceed without 'xor' digest support",
	       "clear: it needs the password itself, and the client does not offer the xor digest");
	/* one that needs it does not make the others weak */
	setup("pw:pw|clear:x", NULL);
	login_as("alice", EVERY, false, false);
	challenged(DIGEST_HMAC_SHA512);
	respond("pw");
	accepted();
}

TEST(digests)
{
	setup("pw:pw", NULL);
	login_as("alice", DIGEST_BIT(DIGEST_XOR), false, false);
	denied("cannot proceed without 'hmac+sha512' digest support",
	       "the client only offers the xor digest, which needs a protected transport");
	setup("pw:pw", NULL);
	login_as("alice", 0, true, false);
	denied("cannot proceed without 'hmac+sha512' digest support",
	       "the client offers no digest that can be used");
	setup("pw:pw", NULL);
	request =
		(struct rpc){.login.digests = EVERY, .login.salt_digests = DIGEST_BIT(DIGEST_XOR)};
	send_request(RPC_LOGIN);
	denied("insecure salt digest 'xor' rejected", "the client offers no hmac salt digest");
	setup("own:pw", NULL);
	login_as("alice", DIGEST_HMAC_ALL, true, false);
	denied("authentication failed", "own: the client does not offer its digest");
	setup("code:123", NULL);
	login_as("alice", EVERY, false, false);
	denied("authentication failed",
	       "code: its answer must not pass over an unprotected transport: use TLS");
	setup("cannot", NULL);
	login();
	denied("authentication error", "module cannot could not tell: no key is registered");
}

TEST(answers_that_are_none)
{
	static const char nul[] = "p\0w";
	uint8_t response[64];

	setup("pw:pw", NULL);
	login();
	respond_raw("", 0);
	CHECK_EQ(asked, 0);
	denied("authentication failed", "a challenge was left unanswered");
	setup("pw:pw", NULL);
	login();
	request = (struct rpc){.response.response.len = 5};
	send_request(RPC_RESPONSE);
	denied("authentication failed", "the client's salt is missing or absurd");
	/* a password with a NUL inside would be another one to whoever takes strings */
	setup("clear:p", NULL);
	login();
	{
		uint8_t salt[DIGEST_SALT_MAX], client[32];
		size_t salt_len, len;

		memset(client, 'c', sizeof(client));
		(void)digest_combine_salts(step.salt_digest, step.salt.data, step.salt.len, client,
		                           sizeof(client), salt, &salt_len);
		CHECK_EQ(digest_response(DIGEST_XOR, nul, 3, salt, salt_len, response, &len), 0);
		respond_raw(response, len);
	}
	CHECK_EQ(asked, 0);
	denied("authentication failed", "the response is no password");
	setup("pw:", NULL); /* nobody's password is empty */
	login();
	respond("x");
	denied("authentication failed", "wrong password or unknown user (pw)");
}

/* ---- challenges of a module's own ---- */

TEST(rounds)
{
	setup("own:k", NULL);
	rounds_wanted = 3;
	login();
	challenged(DIGEST_U2F);
	CHECK_STR(step.own_digest, "u2f:k");
	CHECK_MEM(step.salt.data, step.salt.len, "own salt", 8);
	respond_raw("k1", 2);
	challenged(DIGEST_U2F);
	respond_raw("k2", 2);
	challenged(DIGEST_U2F);
	respond_raw("k3", 2);
	accepted();
	CHECK_EQ(asked, 3);
	setup("own:k", NULL);
	rounds_wanted = 3;
	login();
	respond_raw("k1", 2);
	respond_raw("k1", 2);
	denied("authentication failed", "wrong password or unknown user (own)");
	/* the second of two starts where the first did */
	setup("own:k", "own:l", NULL);
	rounds_wanted = 2;
	login();
	respond_raw("k1", 2);
	respond_raw("k2", 2);
	CHECK_STR(step.own_digest, "u2f:l");
	respond_raw("l1", 2);
	respond_raw("l2", 2);
	accepted();
}

TEST(rounds_without_end)
{
	setup("own:k", NULL);
	rounds_wanted = 1000000;
	login();
	for (unsigned i = 1; step.kind == STEP_CHALLENGE; i++) {
		char answer[16];

		CHECK(i < 100);
		respond_raw(answer, (size_t)snprintf(answer, sizeof(answer), "k%u", i));
	}
	denied("authentication error", "module own could not tell: it asks too often");
	/* who has no challenge of its own cannot ask for another */
	setup("more", NULL);
	login();
	denied("authentication error", "module more could not tell: it is broken");
	setup("pwmore", NULL);
	login();
	respond("x");
	denied("authentication error", "module pwmore could not tell: it is broken");
}

TEST(own_challenge_with_a_code)
{
	setup("code:123456", NULL);
	login();
	challenged(DIGEST_XOR);
	CHECK_STR(step.prompt, "the code");
	CHECK_EQ(step.salt.len, 64);
	respond("123456");
	accepted();
}

/* ---- facts ---- */

TEST(facts)
{
	setup("fact:yes", NULL);
	login();
	CHECK_EQ(step.kind, STEP_FACT);
	CHECK_STR(step.fact, "capability:0");
	CHECK_EQ(asked, 0);
	fact("yes");
	CHECK_EQ(step.kind, STEP_FACT);
	CHECK_STR(step.fact, "capability:1");
	fact(NULL);
	accepted();
	CHECK_STR(seen_facts[0], "yes");
	CHECK_STR(seen_facts[1], "(none)");
	setup("fact:no|fact:b", NULL); /* what one has been told the other is not */
	login();
	fact("a");
	fact("a");
	CHECK_EQ(step.kind, STEP_FACT);
	fact(NULL);
	fact("b");
	CHECK_STR(seen_facts[0], "(none)");
	CHECK_STR(seen_facts[1], "b");
	CHECK_EQ(step.kind, STEP_DENIED);
}

/* ---- what is not due ---- */

TEST(wrong_order)
{
	setup("fact:yes", "pw:pw", NULL);
	login();
	respond_raw("x", 1);
	denied("authentication failed", "a response to no challenge");
	setup("fact:yes", "pw:pw", NULL);
	login();
	fact("yes");
	fact("yes");
	CHECK_EQ(step.kind, STEP_CHALLENGE);
	fact("yes");
	denied("authentication failed", "a response to no challenge");
	setup("pw:pw", NULL);
	respond_raw("x", 1);
	denied("authentication failed", "a response to no challenge");
	setup("pw:pw", NULL);
	login();
	request = (struct rpc){0};
	send_request(RPC_SESSION);
	denied("authentication failed", "a response to no challenge");
	/* after a yes nothing is left to be asked */
	setup("yes", NULL);
	login();
	accepted();
	respond_raw("x", 1);
	CHECK_EQ(step.kind, STEP_DENIED);
}

static unsigned noise(void)
{
	static unsigned state = 1;

	return (state = state * 1103515245 + 12345) >> 16;
}

/* Whatever a worker sends, in whatever order: nobody gets in who does not know the password. */
TEST(no_order_of_requests_gets_in)
{
	static const char *const chains[] = {"pw:secret", "clear:secret", "own:secret",
	                                     "fact:secret|pw:secret", "no|pw:secret|own:secret"};
	static const enum rpc_type types[] = {RPC_LOGIN, RPC_RESPONSE, RPC_FACT, RPC_LIST};

	for (unsigned n = 0; n < 20000; n++) {
		setup(n % 2 ? "yes" : chains[n % ARRAY_SIZE(chains)], chains[n / 2 % 5], "yes",
		      NULL);
		for (unsigned k = 0; k < 6; k++) {
			uint8_t *bytes = (uint8_t *)&request;
			enum rpc_type type = types[noise() % 4];

			test_note("chain %u, request %u", n, k);
			request = (struct rpc){0};
			if (type == RPC_LOGIN) {
				request.login.digests = noise() << 1;
				request.login.salt_digests = noise();
				request.login.secure = noise() % 2;
				request.login.wants_challenge = noise() % 2;
				request.login.forwarded = noise() % 2;
			} else if (type == RPC_RESPONSE) {
				request.response.response.len = noise() % 200;
				request.response.client_salt.len = noise() % 100;
			} else if (type == RPC_FACT) {
				request.fact.present = 1;
			}
			for (unsigned i = 0; type == RPC_RESPONSE && i < 50; i++)
				bytes[noise() % sizeof(request.response)] ^= (uint8_t)noise();
			if (type == RPC_RESPONSE) {
				request.response.response.len %= RPC_RESPONSE_MAX;
				request.response.client_salt.len %= RPC_RESPONSE_MAX;
			}
			send_request(type);
			CHECK(step.kind != STEP_ACCEPTED);
		}
	}
	test_note("%s", "");
}

static const struct rpc *golden;

static void mutated(const uint8_t *data, size_t len)
{
	uint8_t copy[DIGEST_RESPONSE_MAX];
	uint8_t salt[DIGEST_SALT_MAX];

	/* the same challenge again */
	setup("pw:secret", NULL);
	login_as("alice", EVERY, false, false);
	memcpy(salt, c.challenge.salt.data, 64);
	request = *golden;
	memcpy(copy, data, len);
	memcpy(c.challenge.salt.data,
	       "0123456789012345678901234567890123456789012345678901234567890123", 64);
	memcpy(request.response.response.data, copy, len);
	request.response.response.len = (uint32_t)len;
	send_request(RPC_RESPONSE);
	CHECK_EQ(step.kind, len == 128 && memcmp(data, golden->response.response.data, 128) == 0
	                            ? STEP_ACCEPTED
	                            : STEP_DENIED);
}

TEST(a_response_is_right_or_wrong_as_a_whole)
{
	static struct rpc right;
	uint8_t response[DIGEST_RESPONSE_MAX];

	setup("pw:secret", NULL);
	login_as("alice", EVERY, false, false);
	memcpy(step.salt.data, "0123456789012345678901234567890123456789012345678901234567890123",
	       64);
	CHECK_EQ(response_to("secret", response), 128);
	right.type = RPC_RESPONSE;
	right.response.client_salt.len = 32;
	memset(right.response.client_salt.data, 'c', 32);
	memcpy(right.response.response.data, response, 128);
	right.response.response.len = 128;
	golden = &right;
	test_mutate(response, 128, mutated);
}

/* ---- who it is ---- */

TEST(names)
{
	setup("yes", NULL);
	login_as("alice", EVERY, true, false);
	accepted();
	CHECK_STR(outcome.username, "alice");
	setup("name:bob", "pw:pw", NULL); /* the others are asked about whom it has found */
	login_as("alice", EVERY, true, false);
	CHECK_STR(step.prompt, "password for user 'bob'");
	respond("pw");
	accepted();
	CHECK_STR(seen_name, "bob");
	CHECK_STR(outcome.username, "bob");
	setup("name:bob,verify-username=yes", NULL);
	login_as("alice", EVERY, true, false);
	denied("invalid username 'alice'",
	       "module name: the client has named another user than this one");
	setup("name:bob,verify-username=yes", NULL);
	login_as("bob", EVERY, true, false);
	accepted();
	setup("name:bob,client-username=yes", NULL);
	login_as("alice", EVERY, true, false);
	accepted();
	CHECK_STR(outcome.username, "alice");
	setup("pw:pw,username=carol", NULL);
	login_as("alice", EVERY, true, false);
	respond("pw");
	accepted();
	CHECK_STR(seen_name, "carol");
	CHECK_STR(outcome.username, "carol");
	setup("name:ACME\\Alice,map-user=strip-domain", NULL);
	login_as("", EVERY, true, false);
	accepted();
	CHECK_STR(outcome.username, "Alice");
}

/* Who is somebody else to a module that has then said no after all is that to nobody. */
TEST(a_no_changes_nobodys_name)
{
	setup("name:bob,map-user=/nonexistent/map|pw:pw", NULL);
	login_as("alice", EVERY, true, false);
	CHECK_STR(step.prompt, "password for user 'alice'");
	respond("pw");
	accepted();
	CHECK_STR(seen_name, "alice");
	CHECK_STR(outcome.username, "alice");
	setup("name:bob,verify-username=yes|no|yes", NULL);
	login_as("alice", EVERY, true, false);
	accepted();
	CHECK_STR(outcome.username, "alice");
}

TEST(prompts)
{
	setup("pw:pw", NULL);
	login_as("", EVERY, true, false);
	CHECK_STR(step.prompt, "password");
	setup("pw:pw,prompt=who?", NULL);
	login();
	CHECK_STR(step.prompt, "who?");
}

/* ---- what is theirs ---- */

static void with_registry(const char *value)
{
	char spec[64];

	snprintf(spec, sizeof(spec), "dir:%s", value);
	fill(&c.registry, spec, 0);
}

TEST(sessions)
{
	setup("list::1", "list::2", NULL);
	login();
	accepted();
	CHECK_STR(outcome.row.displays, ":1");
	setup("uid:5", "list::2", "uid:6", NULL); /* who keeps sessions says whose they are */
	login();
	accepted();
	CHECK_STR(outcome.row.displays, ":2");
	CHECK_STR(outcome.row.uid, "");
	setup("uid:5", "uid:6", NULL);
	login();
	accepted();
	CHECK(!outcome.row.has_sessions);
	CHECK_STR(outcome.row.uid, "5");
	CHECK_STR(outcome.row.gid, "g5");
	setup("no|uid:6", "yes", NULL);
	login();
	accepted();
	CHECK_STR(outcome.row.uid, "6");
}

/* Where a new password goes: to who has said yes to the old one. */
TEST(service)
{
	setup("uid:5", NULL);
	login();
	accepted();
	CHECK_STR(outcome.service, "");
	setup("no|service:b", "service:c", "list::1", NULL);
	login();
	accepted();
	CHECK_STR(outcome.service, "b");
}

TEST(registry)
{
	setup("uid:5", NULL);
	with_registry("");
	login();
	accepted();
	CHECK(outcome.row.has_sessions);
	CHECK_STR(outcome.row.displays, ":7");
	CHECK_STR(outcome.row.uid, "5");
	CHECK_STR(outcome.row.gid, "g5");
	setup("list::1", "uid:5", NULL); /* its word counts, not the modules' */
	with_registry("9");
	login();
	accepted();
	CHECK_STR(outcome.row.displays, ":7");
	CHECK_STR(outcome.row.uid, "9");
	CHECK_STR(outcome.row.gid, "");
	setup("name:bob", NULL);
	with_registry("nobody");
	login_as("alice", EVERY, true, true);
	respond("any");
	accepted();
	CHECK_STR(seen_name, "bob");
	CHECK(outcome.row.has_sessions);
	CHECK_STR(outcome.row.displays, "");
	setup("yes", NULL);
	with_registry("down");
	login();
	CHECK_STR(step.text, "cannot access sessions");
	denied("authentication error", "registry dir: directory is down");
	setup("no", NULL); /* and nobody's who is not let in */
	with_registry("9");
	login();
	denied("authentication failed", "wrong password or unknown user (no)");
	CHECK_STR(seen_name, "alice");
	CHECK(!outcome.row.has_sessions);
}

/* ---- a challenge that nobody needed ---- */

TEST(a_client_that_insists)
{
	setup("yes", NULL);
	login_as("alice", EVERY, false, true);
	challenged(DIGEST_HMAC_SHA512);
	respond("whatever");
	accepted();
	setup("yes", NULL);
	login_as("alice", EVERY, false, true);
	respond_raw("", 0);
	denied("authentication failed", "a challenge was left unanswered");
	setup("pw:pw", NULL);
	login_as("alice", EVERY, false, true);
	respond("pw");
	accepted();
	setup("yes", NULL);
	login_as("alice", 0, false, true);
	denied("cannot proceed without 'hmac+sha512' digest support",
	       "the client offers no digest that can be used");
	setup("no", NULL);
	login_as("alice", EVERY, false, true);
	denied("authentication failed", "wrong password or unknown user (no)");
}

TEST(a_login_starts_afresh)
{
	setup("list::1", "pw:pw", NULL);
	login();
	memcpy(outcome.service, "of alice", sizeof("of alice"));
	login_as("bob", EVERY, true, false);
	CHECK(outcome.row.has_sessions && !outcome.service[0]);
	CHECK_STR(outcome.username, "bob");
	respond("pw");
	accepted();
}

TEST(the_end)
{
	clean();
}
