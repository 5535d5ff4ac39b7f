/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/hello.c - read a hello. Worker, locked. No system calls.
 */
#include "relay/hello.h"

#include <errno.h>
#include <stdio.h>

#include "base/macros.h"
#include "wire/digest.h"

int hello_open(struct token_reader *r, enum encoder encoder, const uint8_t *payload, size_t len)
{
	struct token t;
	int n;

	token_reader_init(r, encoder, payload, len);
	n = token_read(r, &t);
	if (n < 0)
		return n;
	if (n == 0 || t.type != TOKEN_LIST)
		return -EBADMSG;
	n = token_read(r, &t);
	if (n < 0)
		return n;
	if (n == 0 || !token_equals(&t, "hello"))
		return -EPROTO;
	n = token_read(r, &t);
	if (n < 0)
		return n;
	return n > 0 && t.type == TOKEN_DICT ? 0 : -EBADMSG;
}

/* Text facts, by key. A value that is not text, or too long, leaves the fact empty: 6.4+ clients
 * send their monitors under `display`. Numbers count as text, as `display: 100` is one. */
static const struct {
	const char *key;
	size_t offset, size;
} texts[] = {
#define TEXT(key, member)                                                                \
	{                                                                                \
		key, offsetof(struct hello, member), sizeof(((struct hello *)0)->member) \
	}
	TEXT("version", version),
	TEXT("username", username),
	TEXT("client_type", client_type),
	TEXT("display", display),
	TEXT("session-name", session_name),
	TEXT("request", request),
	TEXT("connect_test_request", connect_test),
#undef TEXT
};

static const struct {
	const char *key;
	size_t offset;
} flags[] = {
	{"ping-echo-sourceid", offsetof(struct hello, echoes_sid)},
	{"ping", offsetof(struct hello, echoes_sid)},
	{"start-new-session", offsetof(struct hello, start_new_session)},
};

/* One-shot commands; 3.1 - 5.x also say them with these flags. */
static const char *const legacy_requests[] = {
	"version", "info", "stop", "screenshot", "command", "print", "exit", "detach", "event",
};

static void read_text(const struct token *t, char *buf, size_t size)
{
	if (t->type == TOKEN_INT)
		snprintf(buf, size, "%lld", (long long)t->integer);
	else if (token_to_cstr(t, buf, size) < 0)
		buf[0] = '\0';
}

static unsigned encoder_named(const struct token *t)
{
	static const enum encoder all[] = {ENCODER_BENCODE, ENCODER_RENCODE, ENCODER_RENCODEPLUS};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (token_equals(t, encoder_name(all[i])))
			return encoders_bit(all[i]);
	return 0;
}

static unsigned compressor_named(const struct token *t)
{
	static const enum compressor all[] = {COMPRESSOR_ZLIB, COMPRESSOR_LZ4, COMPRESSOR_BROTLI,
	                                      COMPRESSOR_LZO};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (token_equals(t, compressor_name(all[i])))
			return COMPRESSOR_BIT(all[i]);
	return 0;
}

static unsigned digest_named(const struct token *t)
{
	enum digest d =
		token_is_string(t) ? digest_from_name((const char *)t->data, t->len) : DIGEST_NONE;

	return d == DIGEST_NONE ? 0 : DIGEST_BIT(d);
}

static unsigned upgrade_named(const struct token *t)
{
	return token_equals(t, "ssl-upgrade");
}

/* A list of names as a set. */
static int read_set(struct token_reader *r, const struct token *first,
                    unsigned (*named)(const struct token *), unsigned *set)
{
	struct token t;
	int n;

	if (first->type != TOKEN_LIST)
		return token_skip(r, first);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		*set |= named(&t);
		n = token_skip(r, &t);
		if (n < 0)
			break;
	}
	return n < 0 ? n : 0;
}

static unsigned read_hops(const struct token *t)
{
	if (t->type != TOKEN_INT || t->integer < 0)
		return 0;
	return t->integer > UINT8_MAX ? UINT8_MAX : (unsigned)t->integer;
}

/* session {name, display, uuid}, network {pings}, proxy {hops}: one level down. */
static int read_nested(struct token_reader *r, const struct token *parent,
                       const struct token *first, struct hello *h)
{
	bool session = token_equals(parent, "session");
	struct token key, value;
	int n;

	if (first->type != TOKEN_DICT)
		return token_skip(r, first);
	while ((n = token_read_pair(r, &key, &value)) > 0) {
		if (session && token_equals(&key, "display"))
			read_text(&value, h->session_display, sizeof(h->session_display));
		else if (session && token_equals(&key, "name"))
			read_text(&value, h->session_name, sizeof(h->session_name));
		else if (session && token_equals(&key, "uuid"))
			read_text(&value, h->session_uuid, sizeof(h->session_uuid));
		else if (token_equals(parent, "network") && token_equals(&key, "pings"))
			h->echoes_sid |= value.type == TOKEN_INT && value.integer > 0;
		else if (token_equals(parent, "proxy") && token_equals(&key, "hops"))
			h->hops = read_hops(&value);
		n = token_skip(r, &value);
		if (n < 0)
			break;
	}
	return n;
}

static int read_bytes(const struct token *t, struct rpc_bytes *ret)
{
	size_t len;
	int r = token_to_bytes(t, ret->data, sizeof(ret->data), &len);

	if (r == 0)
		ret->len = (uint32_t)len;
	return r;
}

/* Facts that come as lists, dictionaries or either. 1: the value has been consumed; 0: not one of
 * them. */
static int read_structured(struct token_reader *r, const struct token *key,
                           const struct token *value, struct hello *h)
{
	bool yes;
	int n;

	if (token_equals(key, "encoders"))
		n = read_set(r, value, encoder_named, &h->encoders);
	else if (token_equals(key, "compressors"))
		n = read_set(r, value, compressor_named, &h->compressors);
	else if (token_equals(key, "digest")) {
		h->has_digests = true;
		n = read_set(r, value, digest_named, &h->digests);
	} else if (token_equals(key, "packet-types"))
		n = read_set(r, value, upgrade_named, &h->ssl_upgrade);
	else if (token_equals(key, "salt-digest"))
		n = read_set(r, value, digest_named, &h->salt_digests);
	else if (token_equals(key, "session") || token_equals(key, "network") ||
	         token_equals(key, "proxy"))
		n = read_nested(r, key, value, h);
	else if (encoder_named(key) || compressor_named(key)) {
		n = token_truth(r, value, &yes);
		if (n == 0 && yes) {
			h->encoders |= encoder_named(key);
			h->compressors |= compressor_named(key);
		}
	} else if (token_equals(key, "connect")) {
		n = token_truth(r, value, &yes);
		h->no_connect = n == 0 && !yes;
	} else {
		return 0;
	}
	return n < 0 ? n : 1;
}

/* `x_request: true` says what `request: "x"` says since 2.2. 1: consumed. */
static int read_legacy_request(struct token_reader *r, const struct token *key,
                               const struct token *value, struct hello *h)
{
	char name[32];
	bool yes;
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(legacy_requests); i++) {
		snprintf(name, sizeof(name), "%s_request", legacy_requests[i]);
		if (!token_equals(key, name))
			continue;
		n = token_truth(r, value, &yes);
		if (n < 0)
			return n;
		if (yes && h->request[0] == '\0')
			snprintf(h->request, sizeof(h->request), "%s", legacy_requests[i]);
		return 1;
	}
	return 0;
}

static int read_simple(struct token_reader *r, const struct token *key, const struct token *value,
                       struct hello *h, struct rpc_response *response)
{
	bool yes;
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (token_equals(key, texts[i].key))
			read_text(value, (char *)h + texts[i].offset, texts[i].size);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (!token_equals(key, flags[i].key))
			continue;
		n = token_truth(r, value, &yes);
		*(bool *)((char *)h + flags[i].offset) |= n == 0 && yes;
		return n;
	}
	if (token_equals(key, "proxy.hops"))
		h->hops = read_hops(value);
	else if (token_equals(key, "challenge"))
		h->challenge = true; /* presence counts, as in every version up to 4.4 */
	else if (token_equals(key, "challenge_response")) {
		h->has_response = true;
		if (response && (n = read_bytes(value, &response->response)) < 0)
			return n;
	} else if (token_equals(key, "challenge_client_salt")) {
		if (response && (n = read_bytes(value, &response->client_salt)) < 0)
			return n;
	}
	return token_skip(r, value);
}

int hello_parse(const uint8_t *payload, size_t len, enum encoder encoder, struct hello *ret,
                struct rpc_response *ret_response)
{
	struct token_reader r;
	struct token key, value;
	int n;

	*ret = (struct hello){0};
	if (ret_response)
		ret_response->response.len = ret_response->client_salt.len = 0;
	n = hello_open(&r, encoder, payload, len);
	if (n < 0)
		return n;
	while ((n = token_read_pair(&r, &key, &value)) > 0) {
		n = cipher_caps_read(&r, &key, &value, &ret->cipher);
		if (n == 0)
			n = read_structured(&r, &key, &value, ret);
		if (n == 0)
			n = read_legacy_request(&r, &key, &value, ret);
		if (n == 0)
			n = read_simple(&r, &key, &value, ret, ret_response);
		if (n < 0)
			return n;
	}
	/* To the end of the packet: bencode must have nothing behind it. */
	while (n >= 0 && (n = token_read(&r, &key)) > 0)
		;
	if (n < 0)
		return n;
	for (const char *p = ret->version; *p >= '0' && *p <= '9' && ret->major < 1000; p++)
		ret->major = ret->major * 10 + (unsigned)(*p - '0');
	ret->encoders |= encoders_bit(encoder); /* it wrote with it, so it can read it */
	if (!ret->has_digests)
		ret->digests = DIGEST_BIT(DIGEST_HMAC); /* what xpra takes a missing list for */
	return 0;
}
