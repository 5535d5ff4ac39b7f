/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/rewrite.c - the hello that is sent on. Worker, locked. No system calls.
 *
 * A filter over the token stream: each key passes, is dropped, or is replaced; ours are appended.
 */
#include <errno.h>

#include "base/macros.h"
#include "relay/hello.h"
#include "relay/shape.h"
#include "wire/digest.h"
#include "wire/packet.h"

/* Hop by hop, in both directions: the key itself and everything that begins with it and '.' or '_'.
 * Sources: xpra-protocol 4.4, 4.5, 4.8; what the Python proxies forget (`encryption`, `mmap`) is
 * here. */
static const char *const hop_by_hop[] = {
	"rencode",    "rencodeplus", "bencode",     "yaml",    "none",          "encoders",
	"lz4",        "lzo",         "lz0",         "zlib",    "brotli",        "zstd",
	"python-lz4", "python-lzo",  "compressors", "aliases", "wants_aliases", "cipher",
	"encryption", "mmap",        "websocket",   "proxy",
};

/* Of a challenge: they pass only with the answer to the server's own. */
static const char *const challenge_keys[] = {"challenge"};
/* Replaced when we answer the server's challenge ourselves, and never shown to a client. */
static const char *const digest_keys[] = {"digest", "salt-digest"};

static bool key_in(const struct token *key, const char *const *set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(set[i]);

		if (token_is_string(key) && key->len >= len &&
		    memcmp(key->data, set[i], len) == 0 &&
		    (key->len == len || key->data[len] == '.' || key->data[len] == '_'))
			return true;
	}
	return false;
}

static bool dropped(const struct token *key, const struct hello_edit *e)
{
	if (key_in(key, hop_by_hop, ARRAY_SIZE(hop_by_hop)))
		return true;
	if (key_in(key, challenge_keys, ARRAY_SIZE(challenge_keys)))
		return !e->to_server || !e->keep_challenge || token_equals(key, "challenge");
	if (key_in(key, digest_keys, ARRAY_SIZE(digest_keys)))
		return !e->to_server || e->own_digests;
	if (!e->to_server)
		return false;
	return (e->username && e->username[0] && token_equals(key, "username")) ||
	       (e->compression_level >= 0 && token_equals(key, "compression_level"));
}

/* A list without "ssl-upgrade": what would be upgraded is the other leg. */
static int copy_packet_types(struct token_reader *r, const struct token *value,
                             struct token_writer *w)
{
	struct token t;
	int n;

	if (value->type != TOKEN_LIST)
		return token_copy(r, value, w);
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		n = token_equals(&t, "ssl-upgrade") ? 0 : token_copy(r, &t, w);
		if (n < 0)
			return n;
	}
	return n > 0 ? token_write_end(w) : n < 0 ? n : -EBADMSG;
}

/* challenge_response and challenge_client_salt are bytes; HTML5 clients send them as text. */
static int copy_as_bytes(struct token_reader *r, const struct token *value, struct token_writer *w)
{
	uint8_t buf[DIGEST_RESPONSE_MAX];
	size_t len;
	int n;

	n = token_to_bytes(value, buf, sizeof(buf), &len);
	if (n == 0)
		n = token_write_bytes(w, buf, len);
	else if (n == -EINVAL)
		n = token_copy(r, value, w);
	explicit_bzero(buf, sizeof(buf));
	return n;
}

static int edit_pair(struct token_reader *r, const struct token *key, const struct token *value,
                     const struct hello_edit *e, struct token_writer *w)
{
	bool nest = e->shape == SHAPE_NEST && shape_is_nested(key) && value->type != TOKEN_DICT;

	/* Python would take a list as a key; nobody sends one, and it has been skipped already. */
	if (key->type == TOKEN_LIST || key->type == TOKEN_DICT || dropped(key, e) || nest)
		return token_skip(r, value);
	/* `display` is a name (ours to replace) or, from 6.4 clients, their geometry (the
	 * server's). */
	if (e->to_server && e->remote_display && e->remote_display[0] &&
	    token_equals(key, "display") && value->type != TOKEN_DICT)
		return token_skip(r, value);
	if (e->shape == SHAPE_FLATTEN && value->type == TOKEN_DICT && token_is_string(key))
		return shape_flatten(r, key, value, dropped, e, w);
	token_write(w, key);
	if (token_equals(key, "packet-types"))
		return copy_packet_types(r, value, w);
	if (e->to_server &&
	    (token_equals(key, "challenge_response") || token_equals(key, "challenge_client_salt")))
		return copy_as_bytes(r, value, w);
	return token_copy(r, value, w);
}

/* What only a few peers know is not even denied. */
static void write_flag(struct token_writer *w, const char *key, bool value, bool common)
{
	if (!value && !common)
		return;
	token_write_text(w, key);
	token_write_bool(w, value);
}

/* What we announce instead. Booleans are understood by every version; 6.4+ also reads the lists. */
static void write_network(struct token_writer *w, const struct hello_edit *e)
{
	static const enum encoder encoders[] = {ENCODER_RENCODEPLUS, ENCODER_RENCODE,
	                                        ENCODER_BENCODE, ENCODER_YAML};
	static const enum compressor compressors[] = {COMPRESSOR_LZ4, COMPRESSOR_ZLIB,
	                                              COMPRESSOR_BROTLI, COMPRESSOR_LZO};

	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++)
		write_flag(w, encoder_name(encoders[i]), e->encoders & encoders_bit(encoders[i]),
		           encoders[i] != ENCODER_YAML);
	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++)
		write_flag(w, compressor_name(compressors[i]),
		           e->compressors & COMPRESSOR_BIT(compressors[i]),
		           compressors[i] != COMPRESSOR_LZO);
	token_write_text(w, "encoders");
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++)
		if (e->encoders & encoders_bit(encoders[i]))
			token_write_text(w, encoder_name(encoders[i]));
	token_write_end(w);
	token_write_text(w, "compressors");
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	for (size_t i = 0; i < ARRAY_SIZE(compressors); i++)
		if (e->compressors & COMPRESSOR_BIT(compressors[i]))
			token_write_text(w, compressor_name(compressors[i]));
	token_write_end(w);
}

static void write_digests(struct token_writer *w)
{
	static const char *const keys[] = {"digest", "salt-digest"};

	for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
		token_write_text(w, keys[k]);
		token_write_list(w, TOKEN_COUNT_UNKNOWN);
		for (enum digest d = DIGEST_HMAC_SHA512; d < DIGEST_XOR; d++)
			token_write_text(w, digest_name(d));
		token_write_end(w);
	}
}

/* `proxy`: a dictionary for new peers, dotted keys for old ones, as xpra's own proxies write it. */
static void write_proxy(struct token_writer *w, const struct hello_edit *e)
{
	const struct {
		const char *flat, *nested, *value;
	} entries[] = {
		{"proxy.version", "version", e->proxy_version},
		{"proxy.xproxy", "xproxy", XPROXY_VERSION},
		{"proxy.hostname", "hostname", e->proxy_host},
		{"proxy.session-type", "session-type", "proxy"},
		{"proxy.platform", "platform", "linux"}, /* 3.1.3 prints it beside the version */
	};
	bool nested = encoder_is_modern(e->to);

	token_write_text(w, "proxy");
	if (nested)
		token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	else
		token_write_bool(w, true);
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		token_write_text(w, nested ? entries[i].nested : entries[i].flat);
		token_write_text(w, entries[i].value);
	}
	token_write_text(w, nested ? "hops" : "proxy.hops");
	token_write_int(w, e->hops);
	if (nested)
		token_write_end(w);
}

static void write_ours(struct token_writer *w, const struct hello_edit *e)
{
	write_network(w, e);
	write_proxy(w, e);
	if (e->cipher)
		cipher_caps_write(w, e->cipher, e->cipher_modes, false);
	if (!e->to_server)
		return;
	if (e->own_digests)
		write_digests(w);
	if (e->username && e->username[0]) {
		token_write_text(w, "username");
		token_write_text(w, e->username);
	}
	if (e->remote_display && e->remote_display[0]) {
		token_write_text(w, "display");
		token_write_text(w, e->remote_display);
	}
	if (e->compression_level >= 0) {
		token_write_text(w, "compression_level");
		token_write_int(w, e->compression_level);
	}
	if (e->answer) {
		token_write_text(w, "challenge_response");
		token_write_bytes(w, e->answer->response.data, e->answer->response.len);
		token_write_text(w, "challenge_client_salt");
		token_write_bytes(w, e->answer->client_salt.data, e->answer->client_salt.len);
	}
}

int hello_rewrite(const uint8_t *payload, size_t len, const struct hello_edit *e, void *buf,
                  size_t size, size_t *ret_len)
{
	struct token_reader r, caps;
	struct token_writer w;
	struct token key, value;
	int n;

	n = hello_open(&r, e->from, payload, len);
	if (n < 0)
		return n;
	caps = r;
	packet_begin(&w, e->to, buf, size, "hello");
	token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
	while ((n = token_read_pair(&r, &key, &value)) > 0) {
		n = edit_pair(&r, &key, &value, e, &w);
		if (n < 0)
			return n;
	}
	if (n < 0)
		return n;
	if (e->shape == SHAPE_NEST) {
		n = shape_nest(&caps, &w);
		if (n < 0)
			return n;
	}
	write_ours(&w, e);
	token_write_end(&w);
	return packet_end(&w, ret_len);
}
