/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/oauth.c - bearer tokens: the server that has made them is asked what they are worth, RFC
 * 7662, or has signed them, RFC 7519 (auth-oauth.so). Checker, with its privilege. System calls:
 * those of auth/fetch.c; time.
 *
 * The token is in the header of the client's WebSocket or in its hello. Whose it is, the server
 * says, and not the client.
 */
#include "auth/claims.h"
#include "auth/fetch.h"
#include "auth/jwt.h"
#include "auth/module.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TOKEN_MAX AUTH_FACT_MAX
#define FORM_MAX (3 * TOKEN_MAX + 64)
#define ID_MAX 768
#define LEEWAY 60 /* seconds that clocks may differ */

extern const struct auth_module auth_module;

static const char *option(const struct auth_attempt *a, const char *name, const char *fallback)
{
	return auth_option(a->options, name, fallback);
}

/* ---- the token ---- */

static bool oauth_fact(const struct auth_options *options, unsigned n, char *ret)
{
	if (n == 0)
		snprintf(ret, AUTH_FACT_NAME_MAX, "header:%s",
		         auth_option(options, "header", "Authorization"));
	else
		snprintf(ret, AUTH_FACT_NAME_MAX, "capability:%s",
		         auth_option(options, "capability", "oauth.token"));
	return n < 2;
}

/* RFC 6750: "Bearer TOKEN" in a header; in the hello, the token alone will do. */
static const char *find_token(const struct auth_attempt *a)
{
	for (size_t i = 0; i < 2; i++) {
		const char *p = a->facts[i];
		bool bearer = p && strncasecmp(p, "Bearer ", 7) == 0;

		if (!p || !*p || (i == 0 && !bearer))
			continue;
		p += bearer ? 7 + strspn(p + 7, " ") : 0;
		if (*p && strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		                    "0123456789-._~+/=") == strlen(p))
			return p;
	}
	return NULL;
}

/* ---- what it is worth ---- */

/* A time that is not there says nothing; one that is no number says no. */
static bool time_ok(const json_t *answer, const char *name, bool until)
{
	const json_t *t = json_object_get(answer, name);
	double now = (double)time(NULL);

	if (!t)
		return true;
	if (!json_is_number(t))
		return false;
	return until ? json_number_value(t) + LEEWAY > now : json_number_value(t) - LEEWAY < now;
}

static bool scope_ok(const struct auth_attempt *a, const json_t *answer)
{
	const char *want = option(a, "scope", "");
	const char *has = json_string_value(json_object_get(answer, "scope"));

	for (want += strspn(want, " "); *want; want += strspn(want, " ")) {
		size_t n = strcspn(want, " ");

		if (!has || !claims_word(has, want, n))
			return false;
		want += n;
	}
	return true;
}

/* One text, or one of a list. */
static bool is_or_has(const json_t *value, const char *want)
{
	size_t i;
	json_t *one;

	if (json_is_string(value))
		return strcmp(json_string_value(value), want) == 0;
	json_array_foreach(value, i, one) if (json_is_string(one) && strcmp(json_string_value(one),
	                                                                    want) == 0) return true;
	return false;
}

/* NULL, or why it lets nobody in. What the server has been asked about is active; what it has only
 * signed has an end. */
static const char *judge(const struct auth_attempt *a, const json_t *answer, bool asked)
{
	const char *audience = option(a, "audience", NULL), *issuer = option(a, "issuer", NULL);

	if (asked && !json_is_true(json_object_get(answer, "active")))
		return "is not active";
	if (!asked && !json_object_get(answer, "exp"))
		return "never expires";
	if (!time_ok(answer, "exp", true))
		return "has expired";
	if (!time_ok(answer, "nbf", false))
		return "is not valid yet";
	if (audience && !is_or_has(json_object_get(answer, "aud"), audience))
		return "is for another audience";
	if (issuer && !is_or_has(json_object_get(answer, "iss"), issuer))
		return "is of another issuer";
	return scope_ok(a, answer) ? NULL : "lacks a scope";
}

static int name_owner(struct auth_attempt *a, const json_t *answer, struct auth_row *row)
{
	return claims_owner(a, answer, option(a, "username-claim", "username"), row);
}

/* A no, for the log. */
static int refuse(const struct auth_attempt *a, const char *why)
{
	char text[128];

	snprintf(text, sizeof(text), "oauth: the token %s", why);
	if (a->warn)
		a->warn(a, text);
	return AUTH_NO;
}

static int read_answer(struct auth_attempt *a, const char *body, size_t len, struct auth_row *row)
{
	json_t *answer = json_loadb(body, len, JSON_REJECT_DUPLICATES, NULL);
	const char *why;
	int r;

	if (!json_is_object(answer)) {
		json_decref(answer);
		snprintf(a->error, sizeof(a->error), "introspection-url= does not answer in JSON");
		return -EPROTO;
	}
	why = judge(a, answer, true);
	r = why ? refuse(a, why) : name_owner(a, answer, row);
	json_decref(answer);
	return r;
}

/* ---- asking ---- */

/* introspection-url= */
static int ask(struct auth_attempt *a, const char *token, struct auth_row *row)
{
	static char form[FORM_MAX], secret[FETCH_SECRET_MAX];
	char id[ID_MAX] = "", *body = NULL;
	struct fetch f = {
		.url = option(a, "introspection-url", ""),
		.cacert = option(a, "cacert", NULL),
		.form = form,
		.user = id,
		.password = secret,
	};
	size_t len = 0, n = 0;
	int r = fetch_secret(a->options, "client-secret", secret, a->error);

	if (r < 0)
		return r;
	n = (size_t)snprintf(form, sizeof(form), "token_type_hint=access_token&token=");
	r = fetch_encode(token, form, sizeof(form), &n);
	n = 0;
	if (r == 0)
		r = fetch_encode(option(a, "client-id", ""), id, sizeof(id), &n);
	if (r == 0)
		r = fetch(&f, &body, &len, a->error);
	explicit_bzero(form, sizeof(form));
	explicit_bzero(secret, sizeof(secret));
	if (r < 0)
		return r;
	r = read_answer(a, body, len, row);
	fetch_free(body, len);
	return r;
}

/* jwks-url=. The keys are fetched for each login, so a new one is known at once. */
static int check_signature(struct auth_attempt *a, const char *token, struct auth_row *row)
{
	struct fetch f = {
		.url = option(a, "jwks-url", ""),
		.cacert = option(a, "cacert", NULL),
	};
	const char *why = NULL;
	json_t *claims = NULL;
	char *keys;
	size_t len;
	int r = fetch(&f, &keys, &len, a->error);

	if (r < 0)
		return r;
	r = jwt_verify(token, keys, len, &claims, &why);
	fetch_free(keys, len);
	if (r < 0) {
		snprintf(a->error, sizeof(a->error), "jwks-url= does not answer with keys");
		return r;
	}
	if (!why)
		why = judge(a, claims, false);
	r = why ? refuse(a, why) : name_owner(a, claims, row);
	json_decref(claims);
	return r;
}

static int oauth_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *token = find_token(a);

	if (!token)
		return AUTH_NO;
	if (!a->secure) {
		snprintf(a->error, sizeof(a->error),
		         "a token has come over an unprotected transport, where others can read "
		         "it: use TLS");
		return -EPERM;
	}
	return option(a, "jwks-url", NULL) ? check_signature(a, token, ret_row)
	                                   : ask(a, token, ret_row);
}

static int check_credentials(const struct auth_options *options, char *err)
{
	static char secret[FETCH_SECRET_MAX];
	char id[ID_MAX];
	size_t n = 0;
	int r;

	if (!*auth_option(options, "client-id", "") ||
	    fetch_encode(auth_option(options, "client-id", ""), id, sizeof(id), &n) < 0) {
		snprintf(err, AUTH_ERROR_MAX,
		         "client-id= is missing or too long: servers tell only those whom they "
		         "know what a token is worth");
		return -EINVAL;
	}
	r = fetch_secret(options, "client-secret", secret, err);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

static int oauth_open(const struct auth_options *options, char *err)
{
	const char *jwks = auth_option(options, "jwks-url", NULL);
	const char *ask_url = auth_option(options, "introspection-url", NULL);
	int r;

	if (!jwks == !ask_url) {
		snprintf(err, AUTH_ERROR_MAX,
		         "module 'oauth' needs either introspection-url= or jwks-url=");
		return -EINVAL;
	}
	r = fetch_check(jwks ? "jwks-url" : "introspection-url", jwks ? jwks : ask_url,
	                auth_option(options, "cacert", NULL), err);
	if (r < 0)
		return r;
	if (!jwks)
		return check_credentials(options, err);
	if (*auth_option(options, "issuer", "") && *auth_option(options, "audience", ""))
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "jwks-url= needs issuer= and audience=: the same keys sign tokens for others");
	return -EINVAL;
}

static const char *const oauth_options[] = {"header",
                                            "capability",
                                            "introspection-url",
                                            "jwks-url",
                                            "client-id",
                                            "client-secret",
                                            "client-secret-file",
                                            "scope",
                                            "audience",
                                            "issuer",
                                            "cacert",
                                            "username-claim",
                                            NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "oauth",
	.flags = AUTH_SECRET,
	.options = oauth_options,
	.open = oauth_open,
	.fact = oauth_fact,
	.verify = oauth_verify,
};
