/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/scram.c - SCRAM (RFC 5802, RFC 7677): neither passwords nor what would do instead of them
 * are stored or sent (auth-scram.so). Checker, with its privilege. System calls: those of
 * base/readfile.c and auth/counter.c; getrandom.
 *
 * Source of the rounds: xpra 6.6. client-first: the client begins; server-first: our nonce, salt
 * and iterations, it answers with its proof; server-final: ours, it answers "OK". Users that there
 * are not get a salt too, always the same one, and a proof that is never right.
 */
#include "auth/counter.h"
#include "auth/multifile.h"
#include "auth/scramkey.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/readfile.h"

#define FIRST_MAX 400 /* client-first-message-bare */
#define NONCE_LEN 18  /* ours, before base64 */
#define NONCE_TEXT BASE64_ENCODE_RAW_LENGTH(NONCE_LEN)
#define MESSAGE_MAX 1024
#define FAKE_SALT 16
#define FAKE_ITERATIONS "4096" /* that of xproxyctl and PostgreSQL */

extern const struct auth_module auth_module;

enum stage {
	CLIENT_FIRST,
	CLIENT_FINAL,
	SERVER_FINAL,
};

/* What lasts from one round to the next, in auth_attempt.state. */
struct exchange {
	enum stage stage;
	bool fake;
	char gs2[4];           /* "n,," or "y,," */
	char first[FIRST_MAX]; /* "n=user,r=nonce" */
	char nonce[NONCE_TEXT + 1];
	struct scramkey key;
	uint8_t proof[SCRAMKEY_LEN_MAX]; /* ours */
};
_Static_assert(sizeof(struct exchange) <= AUTH_STATE_MAX, "it has to fit");

static void mac(const struct nettle_hash *hash, const uint8_t *key, size_t key_len,
                const char *const *parts, uint8_t *ret)
{
	union scramkey_state outer, inner, state;

	hmac_set_key(&outer, &inner, &state, hash, key_len, key);
	for (; *parts; parts++)
		hmac_update(&state, hash, strlen(*parts), (const uint8_t *)*parts);
	hmac_digest(&outer, &inner, &state, hash, hash->digest_size, ret);
	explicit_bzero(&outer, sizeof(outer));
	explicit_bzero(&inner, sizeof(inner));
	explicit_bzero(&state, sizeof(state));
}

static int find_mechanism(const struct auth_options *o, size_t *ret, char *err)
{
	const char *name = auth_option(o, "mechanisms", scramkey_mechanisms[0].name);

	for (size_t i = 0; i < SCRAMKEY_MECHANISMS; i++)
		if (strcmp(name, scramkey_mechanisms[i].name) == 0) {
			*ret = i;
			return 0;
		}
	snprintf(err, AUTH_ERROR_MAX,
	         "mechanisms= is one of SCRAM-SHA-256, SCRAM-SHA-512 and SCRAM-SHA3-512; for "
	         "several, write scram(...) || scram(...)");
	return -EINVAL;
}

/* ---- records ---- */

/* The user's record of that mechanism, from "RECORD,RECORD". */
static bool choose_record(const char *p, size_t len, const struct nettle_hash *hash,
                          struct scramkey *ret)
{
	char one[512];

	while (len > 0) {
		const char *comma = memchr(p, ',', len);
		size_t n = comma ? (size_t)(comma - p) : len;
		bool right = n < sizeof(one);

		snprintf(one, sizeof(one), "%.*s", (int)(right ? n : 0), p);
		right = right && scramkey_parse(one, ret) && ret->hash == hash;
		explicit_bzero(one, sizeof(one));
		if (right)
			return true;
		n += comma != NULL;
		p += n;
		len -= n;
	}
	return false;
}

static void copy(const struct multifile_entry *e, enum multifile_field field, char *ret,
                 size_t size)
{
	snprintf(ret, size, "%.*s", (int)e->fields[field].len, e->fields[field].p);
}

/* Only the first line that cannot be used: there may be many. */
static void report_line(void *context, size_t line, const char *why)
{
	struct auth_attempt **a = context;
	char text[AUTH_ERROR_MAX];

	if (!*a)
		return;
	snprintf(text, sizeof(text), "%s:%zu: %s",
	         auth_path_tail(auth_option((*a)->options, "filename", "")), line, why);
	if ((*a)->warn)
		(*a)->warn(*a, text);
	*a = NULL;
}

/* 1 with the key and the row (either may be NULL); 0 there is no such user; negative errno. */
static int find_user(struct auth_attempt *a, const struct nettle_hash *hash, struct scramkey *ret,
                     struct auth_row *row)
{
	const char *file = auth_option(a->options, "filename", "");
	struct auth_attempt *reader = row ? NULL : a; /* of what there is to say, once */
	struct multifile_entry e;
	char *text;
	size_t len;
	int r = readfile_secret(file, MULTIFILE_FILE_MAX, &text, &len, a->error);

	if (r < 0)
		return r;
	r = multifile_find(text, len, a->username, &e, report_line, &reader);
	if (r == 1 && ret &&
	    !choose_record(e.fields[MULTIFILE_PASSWORD].p, e.fields[MULTIFILE_PASSWORD].len, hash,
	                   ret)) {
		r = 0;
		if (a->warn)
			a->warn(a, "scram: the user's line has no record of this mechanism");
	}
	if (r == 1 && row) {
		row->has_sessions = true;
		copy(&e, MULTIFILE_UID, row->uid, sizeof(row->uid));
		copy(&e, MULTIFILE_GID, row->gid, sizeof(row->gid));
		copy(&e, MULTIFILE_DISPLAYS, row->displays, sizeof(row->displays));
		copy(&e, MULTIFILE_ENV, row->env_options, sizeof(row->env_options));
		copy(&e, MULTIFILE_OPTIONS, row->session_options, sizeof(row->session_options));
	}
	readfile_free(text, len);
	return r;
}

/* Nobody can tell it from a record, today or tomorrow. */
static int make_fake(struct auth_attempt *a, const struct nettle_hash *hash, struct scramkey *ret)
{
	const char *iterations = auth_option(a->options, "iterations", FAKE_ITERATIONS);
	const char *parts[] = {"scram", a->username, NULL};
	uint8_t secret[COUNTER_SECRET_LEN], salt[SHA256_DIGEST_SIZE];
	int r = counter_secret(a->options, secret, a->error);

	if (r < 0)
		return r;
	*ret = (struct scramkey){
		.hash = hash,
		.iterations = (unsigned)strtoul(iterations, NULL, 10),
		.salt_len = FAKE_SALT,
	};
	mac(&nettle_sha256, secret, sizeof(secret), parts, salt);
	memcpy(ret->salt, salt, FAKE_SALT);
	explicit_bzero(secret, sizeof(secret));
	return 0;
}

/* ---- messages ---- */

static void to_base64(const uint8_t *p, size_t len, char *ret)
{
	base64_encode_raw(ret, len, p);
	ret[BASE64_ENCODE_RAW_LENGTH(len)] = '\0';
}

static void server_first(const struct exchange *x, char *ret, size_t size)
{
	char salt[BASE64_ENCODE_RAW_LENGTH(SCRAMKEY_SALT_MAX) + 1];
	const char *nonce = strstr(x->first, ",r=") + 3;

	to_base64(x->key.salt, x->key.salt_len, salt);
	snprintf(ret, size, "r=%s%s,s=%s,i=%u", nonce, x->nonce, salt, x->key.iterations);
}

/* Whether "n=NAME," is this name, in which commas are =2C and equals signs =3D. Its length, or 0.
 */
static size_t name_is(const char *p, const char *name)
{
	const char *start = p;

	if (strncmp(p, "n=", 2) != 0)
		return 0;
	for (p += 2; *name; name++) {
		const char *want = *name == ',' ? "=2C" : *name == '=' ? "=3D" : NULL;
		size_t n = want ? 3 : 1;

		if (want ? strncmp(p, want, n) != 0 : *p != *name)
			return 0;
		p += n;
	}
	return *p == ',' ? (size_t)(p - start) : 0;
}

/* "n,,n=user,r=nonce" */
static enum auth_verdict read_first(struct exchange *x, const char *m, const char *username)
{
	const char *nonce;
	size_t n;

	/* binding to the channel is not offered, so nobody may want it; nor another's name */
	if (strncmp(m, "n,,", 3) != 0 && strncmp(m, "y,,", 3) != 0)
		return AUTH_NO;
	memcpy(x->gs2, m, 3);
	m += 3;
	n = name_is(m, username);
	nonce = m + n + 3;
	if (n == 0 || strncmp(m + n, ",r=", 3) != 0 || !*nonce || strlen(m) >= sizeof(x->first))
		return AUTH_NO;
	for (const char *p = nonce; *p; p++)
		if (*p <= ' ' || *p > '~' || *p == ',') /* no extension is known */
			return AUTH_NO;
	memcpy(x->first, m, strlen(m) + 1);
	return AUTH_MORE;
}

static int begin(struct auth_attempt *a, struct exchange *x, const char *message)
{
	struct scramkey key;
	uint8_t nonce[NONCE_LEN];
	size_t i;
	int r = find_mechanism(a->options, &i, a->error);

	if (r < 0)
		return r;
	if (!*a->username || read_first(x, message, a->username) == AUTH_NO)
		return AUTH_NO;
	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce)) {
		snprintf(a->error, sizeof(a->error), "no random numbers");
		return -EIO;
	}
	to_base64(nonce, sizeof(nonce), x->nonce);
	r = make_fake(a, scramkey_mechanisms[i].hash, &x->key); /* for all: it takes its time */
	if (r == 0)
		r = find_user(a, scramkey_mechanisms[i].hash, &key, NULL);
	if (r < 0)
		return r;
	x->fake = r == 0;
	if (!x->fake)
		x->key = key;
	explicit_bzero(&key, sizeof(key));
	x->stage = CLIENT_FINAL;
	return AUTH_MORE;
}

/* Whether the key that the proof gives away is the stored one's. */
static bool proves(const struct exchange *x, const char *without_proof, const char *proof,
                   const char *first, uint8_t *ret)
{
	const struct nettle_hash *hash = x->key.hash;
	const char *parts[] = {x->first, ",", first, ",", without_proof, NULL};
	uint8_t given[SCRAMKEY_LEN_MAX + 3], client[SCRAMKEY_LEN_MAX];
	struct base64_decode_ctx ctx;
	union scramkey_state state;
	size_t len = sizeof(given), text_len = strlen(proof);

	base64_decode_init(&ctx);
	if (text_len != BASE64_ENCODE_RAW_LENGTH(hash->digest_size) ||
	    !base64_decode_update(&ctx, &len, given, text_len, proof) ||
	    !base64_decode_final(&ctx) || len != hash->digest_size)
		return false;
	mac(hash, x->key.stored, hash->digest_size, parts, client);
	for (size_t i = 0; i < len; i++)
		client[i] ^= given[i];
	hash->init(&state);
	hash->update(&state, len, client);
	hash->digest(&state, len, client);
	mac(hash, x->key.server, len, parts, ret);
	return memeql_sec(client, x->key.stored, len) && !x->fake;
}

/* "c=biws,r=nonce,p=proof" */
static enum auth_verdict finish(struct exchange *x, char *message)
{
	char first[MESSAGE_MAX], want[MESSAGE_MAX], binding[5];
	char *proof = strstr(message, ",p=");

	if (!proof)
		return AUTH_NO;
	*proof = '\0';
	to_base64((const uint8_t *)x->gs2, 3, binding);
	server_first(x, first, sizeof(first));
	snprintf(want, sizeof(want), "c=%s,%.*s", binding, (int)strcspn(first, ","), first);
	if (strcmp(want, message) != 0 || !proves(x, message, proof + 3, first, x->proof))
		return AUTH_NO;
	x->stage = SERVER_FINAL;
	return AUTH_MORE;
}

/* ---- the module ---- */

static int scram_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	static const char *const stages[] = {"client-first", "server-first", "server-final"};
	struct exchange *x = a->state;
	char text[MESSAGE_MAX] = "";
	size_t i;
	int r = find_mechanism(a->options, &i, a->error);

	if (r < 0)
		return r;
	if (n > SERVER_FINAL || n != x->stage)
		return -EPROTO;
	if (n == CLIENT_FINAL)
		server_first(x, text, sizeof(text));
	if (n == SERVER_FINAL) {
		char proof[BASE64_ENCODE_RAW_LENGTH(SCRAMKEY_LEN_MAX) + 1];

		to_base64(x->proof, x->key.hash->digest_size, proof);
		snprintf(text, sizeof(text), "v=%s", proof);
	}
	snprintf(ret->digest, sizeof(ret->digest), "%s:%s", scramkey_mechanisms[i].name, stages[n]);
	ret->salt_len = strlen(text);
	memcpy(ret->salt, text, ret->salt_len);
	return 0;
}

static int scram_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct exchange *x = a->state;
	char message[MESSAGE_MAX];
	int r;

	if (a->response_len >= sizeof(message) || memchr(a->response, '\0', a->response_len))
		return AUTH_NO;
	memcpy(message, a->response, a->response_len);
	message[a->response_len] = '\0';
	if (x->stage == CLIENT_FIRST)
		return begin(a, x, message);
	if (x->stage == CLIENT_FINAL)
		return (int)finish(x, message);
	if (strcmp(message, "OK") != 0)
		return AUTH_NO;
	r = find_user(a, NULL, NULL, ret_row);
	return r < 0 ? r : r == 1 ? AUTH_YES : AUTH_NO;
}

static int scram_open(const struct auth_options *options, char *err)
{
	const char *file = auth_option(options, "filename", "");
	const char *iterations = auth_option(options, "iterations", FAKE_ITERATIONS);
	uint8_t secret[COUNTER_SECRET_LEN];
	char *text;
	size_t len, i;
	int r = find_mechanism(options, &i, err);

	if (r < 0)
		return r;
	if (!*file || strspn(iterations, "0123456789") != strlen(iterations) ||
	    strlen(iterations) > 6 || strtoul(iterations, NULL, 10) == 0) {
		snprintf(err, AUTH_ERROR_MAX,
		         !*file ? "module 'scram' needs filename="
		                : "iterations= is a number up to 999999");
		return -EINVAL;
	}
	r = readfile_secret(file, MULTIFILE_FILE_MAX, &text, &len, err);
	if (r < 0)
		return r;
	readfile_free(text, len);
	r = counter_secret(options, secret, err);
	explicit_bzero(secret, sizeof(secret));
	return r;
}

static const char *const scram_options[] = {"filename", "mechanisms", "iterations", "state", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "scram",
	.flags = AUTH_CHALLENGE | AUTH_OWN,
	.options = scram_options,
	.open = scram_open,
	.challenge = scram_challenge,
	.verify = scram_verify,
};
