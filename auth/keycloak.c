/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/keycloak.c - the user logs in to Keycloak with a browser, which brings a code back; for the
 * code Keycloak tells the proxy who that is (auth-keycloak.so). Checker, with its privilege. System
 * calls: those of auth/fetch.c.
 *
 * Source of the flow: xpra 6.6 and its HTML5 client. The challenge is the address to log in at. The
 * client leaves for it, comes back to redirect_uri= with a code, connects again, and answers the
 * next challenge with {"code": ...}, or {"error": ...}. It hands over nothing but these, and to
 * another process than the one that has made the address: no state or nonce can be kept between the
 * two. So PKCE's verifier (RFC 7636) is made of what both know, the proxy's secret and the client's
 * address: a code is of no use from another address. Keycloak binds it to the client, its secret
 * and redirect_uri, for a minute, once.
 */
#include "auth/claims.h"
#include "auth/fetch.h"
#include "auth/module.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CODE_MAX 2048
#define TOKEN_MAX 16384
#define FORM_MAX (3 * TOKEN_MAX + 64)
#define VERIFIER_LEN (2 * SHA256_DIGEST_SIZE)
#define CHALLENGE_LEN 43 /* base64url of SHA-256 */

extern const struct auth_module auth_module;

/* A URL or a form in the making. */
struct text {
	char *s;
	size_t size, n;
	int r; /* the first error */
};

static const char *option(const struct auth_attempt *a, const char *name, const char *fallback)
{
	return auth_option(a->options, name, fallback);
}

/* What is ours as it is, then what has to be encoded. */
static void put(struct text *t, const char *ours, const char *value)
{
	size_t len = strlen(ours);

	if (t->r == 0 && len >= t->size - t->n)
		t->r = -E2BIG;
	if (t->r < 0)
		return;
	memcpy(t->s + t->n, ours, len + 1);
	t->n += len;
	t->r = fetch_encode(value, t->s, t->size, &t->n);
}

static void put_url(struct text *t, const struct auth_options *o, const char *endpoint)
{
	const char *server = auth_option(o, "server_url", "");
	size_t len = strlen(server);

	put(t, server, "");
	put(t, len && server[len - 1] == '/' ? "realms/" : "/realms/",
	    auth_option(o, "realm_name", ""));
	put(t, "/protocol/openid-connect/", "");
	put(t, endpoint, "");
}

/* Where the user logs in, in at most AUTH_SALT_MAX bytes with the NUL. */
static int make_login_url(const struct auth_options *o, const char *challenge, char *ret,
                          size_t *ret_len)
{
	struct text t = {.s = ret, .size = AUTH_SALT_MAX};

	put_url(&t, o, "auth?response_type=code");
	put(&t, "&client_id=", auth_option(o, "client_id", ""));
	put(&t, "&redirect_uri=", auth_option(o, "redirect_uri", ""));
	put(&t, "&scope=", auth_option(o, "scope", "openid"));
	put(&t, "&code_challenge_method=S256&code_challenge=", challenge);
	*ret_len = t.n;
	return t.r;
}

/* ---- PKCE ---- */

static int make_verifier(struct auth_attempt *a, char ret[VERIFIER_LEN + 1])
{
	static const char label[] = "xproxy keycloak ";
	static char secret[FETCH_SECRET_MAX];
	bool bound = auth_truth(option(a, "same-address", "yes")) != 0;
	const char *address = bound && a->peer ? a->peer->address : "";
	struct hmac_sha256_ctx ctx;
	uint8_t mac[SHA256_DIGEST_SIZE];
	int r = fetch_secret(a->options, "client_secret_key", secret, a->error);

	if (r < 0)
		return r;
	hmac_sha256_set_key(&ctx, strlen(secret), (const uint8_t *)secret);
	hmac_sha256_update(&ctx, strlen(label), (const uint8_t *)label);
	hmac_sha256_update(&ctx, strlen(address), (const uint8_t *)address);
	hmac_sha256_digest(&ctx, sizeof(mac), mac);
	for (size_t i = 0; i < sizeof(mac); i++)
		snprintf(ret + 2 * i, 3, "%02x", mac[i]);
	explicit_bzero(&ctx, sizeof(ctx));
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

static void make_challenge(const char *verifier, char ret[CHALLENGE_LEN + 1])
{
	char text[BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE) + 1];
	struct base64_encode_ctx ctx;
	struct sha256_ctx hash;
	uint8_t digest[SHA256_DIGEST_SIZE];
	size_t n;

	sha256_init(&hash);
	sha256_update(&hash, strlen(verifier), (const uint8_t *)verifier);
	sha256_digest(&hash, sizeof(digest), digest);
	base64url_encode_init(&ctx);
	n = base64_encode_update(&ctx, text, sizeof(digest), digest);
	base64_encode_final(&ctx, text + n);
	memcpy(ret, text, CHALLENGE_LEN); /* without the padding */
	ret[CHALLENGE_LEN] = '\0';
}

static int keycloak_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	char verifier[VERIFIER_LEN + 1], challenge[CHALLENGE_LEN + 1];
	int r = make_verifier(a, verifier);

	(void)n;
	if (r < 0)
		return r;
	make_challenge(verifier, challenge);
	explicit_bzero(verifier, sizeof(verifier));
	snprintf(ret->digest, sizeof(ret->digest), "keycloak");
	snprintf(ret->prompt, sizeof(ret->prompt), "%s", option(a, "prompt", "keycloak"));
	return make_login_url(a->options, challenge, (char *)ret->salt, &ret->salt_len);
}

/* ---- the answer ---- */

static int refuse(struct auth_attempt *a, const char *why)
{
	snprintf(a->error, sizeof(a->error), "%s", why);
	return AUTH_NO;
}

/* What the server has told the browser; a word of RFC 6749 may go to the log. */
static int refuse_error(struct auth_attempt *a, const json_t *answer)
{
	const char *word = json_string_value(json_object_get(answer, "error"));
	bool plain = word && *word && strlen(word) <= 64 &&
	             strspn(word, "abcdefghijklmnopqrstuvwxyz_") == strlen(word);

	snprintf(a->error, sizeof(a->error), "the browser brings no code but an error: %s",
	         plain ? word : "unreadable");
	return AUTH_NO;
}

/* AUTH_YES with the code; AUTH_NO. */
static int read_code(struct auth_attempt *a, char ret[CODE_MAX])
{
	json_t *answer = json_loadb(a->password, a->password_len, JSON_REJECT_DUPLICATES, NULL);
	json_t *code = json_object_get(answer, "code");
	size_t len = json_string_length(code);
	int r = AUTH_YES;

	if (json_is_object(answer) && json_object_get(answer, "error"))
		r = refuse_error(a, answer);
	else if (len == 0 || len >= CODE_MAX)
		r = refuse(a, "the client's answer has no code: it is no client for keycloak");
	else
		memcpy(ret, json_string_value(code), len + 1);
	json_decref(answer);
	return r;
}

/* ---- asking ---- */

/* An object; else a negative errno with a->error. */
static int ask(struct auth_attempt *a, const char *endpoint, struct fetch f, json_t **ret)
{
	char url[AUTH_SALT_MAX], *body = NULL;
	struct text t = {.s = url, .size = sizeof(url)};
	size_t len = 0;
	int r;

	put_url(&t, a->options, endpoint);
	f.url = url;
	f.cacert = option(a, "cacert", NULL);
	r = t.r < 0 ? t.r : fetch(&f, &body, &len, a->error);
	if (r < 0)
		return r;
	*ret = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	fetch_free(body, len);
	if (json_is_object(*ret))
		return 0;
	json_decref(*ret);
	*ret = NULL;
	snprintf(a->error, sizeof(a->error), "%.150s does not answer in JSON", url);
	return -EPROTO;
}

/* As the proxy itself. */
static int ask_as_client(struct auth_attempt *a, const char *endpoint, const struct text *form,
                         json_t **ret)
{
	static char secret[FETCH_SECRET_MAX];
	char id[AUTH_SALT_MAX] = "";
	size_t n = 0;
	int r = form->r;

	if (r == 0)
		r = fetch_encode(option(a, "client_id", ""), id, sizeof(id), &n);
	if (r == 0)
		r = fetch_secret(a->options, "client_secret_key", secret, a->error);
	if (r == 0)
		r = ask(a, endpoint,
		        (struct fetch){.form = form->s, .user = id, .password = secret}, ret);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

/* The code becomes a token, AUTH_YES. */
static int redeem(struct auth_attempt *a, const char *code, char token[TOKEN_MAX])
{
	char space[3 * CODE_MAX + AUTH_SALT_MAX + 256];
	struct text form = {.s = space, .size = sizeof(space)};
	char verifier[VERIFIER_LEN + 1];
	const char *value;
	json_t *answer = NULL;
	int r = make_verifier(a, verifier);

	if (r < 0)
		return r;
	put(&form, "grant_type=authorization_code&code=", code);
	put(&form, "&redirect_uri=", option(a, "redirect_uri", ""));
	put(&form, "&code_verifier=", verifier);
	r = ask_as_client(a, "token", &form, &answer);
	explicit_bzero(space, sizeof(space));
	explicit_bzero(verifier, sizeof(verifier));
	if (r == -EBADMSG)
		return refuse(a, "the server does not take the code: it is wrong, too old, used "
		                 "already, or for another redirect_uri= or address");
	if (r < 0)
		return r;
	value = json_string_value(json_object_get(answer, "access_token"));
	if (value && *value && strlen(value) < TOKEN_MAX && !strpbrk(value, " \t\r\n")) {
		memcpy(token, value, strlen(value) + 1);
		r = AUTH_YES;
	} else {
		snprintf(a->error, sizeof(a->error), "the server gives no usable token");
		r = -EPROTO;
	}
	json_decref(answer);
	return r;
}

/* ---- judging ---- */

static bool in_list(const json_t *list, const char *word, size_t len)
{
	size_t i;
	json_t *one;

	json_array_foreach(list, i, one)
	{
		if (json_string_length(one) == len &&
		    memcmp(json_string_value(one), word, len) == 0)
			return true;
	}
	return false;
}

/* claim_field= is the way to a list: "resource_access.xproxy.roles". */
static const json_t *find_groups(const json_t *user, const char *field)
{
	for (;;) {
		size_t n = strcspn(field, ".");

		user = json_object_getn(user, field, n);
		field += n;
		if (!*field)
			return user;
		field++;
	}
}

static bool groups_ok(const struct auth_attempt *a, const json_t *user)
{
	const char *want = option(a, "auth_groups", "");
	bool any = strcmp(option(a, "auth_condition", "and"), "or") == 0;
	const json_t *list = find_groups(user, option(a, "claim_field", ""));

	if (!*option(a, "claim_field", ""))
		return true;
	for (want += strspn(want, " "); *want; want += strspn(want, " ")) {
		size_t n = strcspn(want, " ");

		if (in_list(list, want, n) == any)
			return any;
		want += n;
	}
	return !any;
}

/* Both answers are of the same user. */
static int judge(struct auth_attempt *a, const json_t *state, const json_t *user,
                 struct auth_row *row)
{
	const json_t *one = json_object_get(state, "sub"), *other = json_object_get(user, "sub");

	if (!json_is_string(other) || (one && !json_equal(one, other))) {
		snprintf(a->error, sizeof(a->error), "the server speaks of another user (sub)");
		return -EPROTO;
	}
	if (!groups_ok(a, user))
		return refuse(a, "the user is not in the groups that auth_groups= wants");
	return claims_owner(a, user, option(a, "username-claim", "preferred_username"), row);
}

static int check_token(struct auth_attempt *a, const char *token, struct auth_row *row)
{
	static char space[FORM_MAX];
	struct text form = {.s = space, .size = sizeof(space)};
	json_t *state = NULL, *user = NULL;
	int r;

	put(&form, "token_type_hint=access_token&token=", token);
	r = ask_as_client(a, "token/introspect", &form, &state);
	explicit_bzero(space, sizeof(space));
	if (r == 0 && !json_is_true(json_object_get(state, "active")))
		r = refuse(a, "the token is not active");
	else if (r == 0)
		r = ask(a, "userinfo", (struct fetch){.bearer = token}, &user);
	if (user)
		r = judge(a, state, user, row);
	json_decref(state);
	json_decref(user);
	return r;
}

static int keycloak_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	static char code[CODE_MAX], token[TOKEN_MAX];
	int r = read_code(a, code);

	if (r == AUTH_YES)
		r = redeem(a, code, token);
	if (r == AUTH_YES)
		r = check_token(a, token, ret_row);
	explicit_bzero(code, sizeof(code));
	explicit_bzero(token, sizeof(token));
	return r;
}

/* ---- options ---- */

/* NULL, or what is wrong with those that are words. */
static const char *check_words(const struct auth_options *o)
{
	const char *condition = auth_option(o, "auth_condition", "and");
	const char *groups = auth_option(o, "auth_groups", "");

	if (!*auth_option(o, "realm_name", "") || !*auth_option(o, "client_id", ""))
		return "realm_name= or client_id= is missing";
	if (strpbrk(auth_option(o, "server_url", ""), "?#"))
		return "server_url= ends before realms/";
	if (strcmp(auth_option(o, "grant_type", "authorization_code"), "authorization_code") != 0)
		return "grant_type= can only be authorization_code";
	if (!claims_word(auth_option(o, "scope", "openid"), "openid", 6))
		return "scope= needs the word openid: the server does not say who it is without";
	if (strcmp(condition, "and") != 0 && strcmp(condition, "or") != 0)
		return "auth_condition= is and, or or";
	if (auth_truth(auth_option(o, "same-address", "yes")) < 0)
		return "same-address= is yes or no";
	if (!groups[strspn(groups, " ")] != !*auth_option(o, "claim_field", ""))
		return "claim_field= and auth_groups= need each other: where the groups are, and "
		       "which";
	return NULL;
}

static int keycloak_open(const struct auth_options *o, char *err)
{
	const char *why = check_words(o);
	char url[AUTH_SALT_MAX], challenge[CHALLENGE_LEN + 1];
	static char secret[FETCH_SECRET_MAX];
	size_t len;
	int r = fetch_check("server_url", auth_option(o, "server_url", ""),
	                    auth_option(o, "cacert", NULL), err);

	if (r == 0)
		r = fetch_check("redirect_uri", auth_option(o, "redirect_uri", ""), NULL, err);
	if (r < 0)
		return r;
	make_challenge("", challenge); /* as long as any */
	if (!why && make_login_url(o, challenge, url, &len) < 0)
		why = "the address to log in at is longer than 1023 bytes";
	if (why) {
		snprintf(err, AUTH_ERROR_MAX, "module 'keycloak': %s", why);
		return -EINVAL;
	}
	r = fetch_secret(o, "client_secret_key", secret, err);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

static const char *const keycloak_options[] = {"server_url",
                                               "realm_name",
                                               "client_id",
                                               "client_secret_key",
                                               "client_secret_key_file",
                                               "redirect_uri",
                                               "scope",
                                               "grant_type",
                                               "claim_field",
                                               "auth_groups",
                                               "auth_condition",
                                               "same-address",
                                               "username-claim",
                                               "cacert",
                                               NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "keycloak",
	.flags = AUTH_CHALLENGE | AUTH_OWN | AUTH_SECRET,
	.options = keycloak_options,
	.open = keycloak_open,
	.challenge = keycloak_challenge,
	.verify = keycloak_verify,
};
