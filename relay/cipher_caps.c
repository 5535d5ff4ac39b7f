/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/cipher_caps.c - what hellos and challenges say of AES. Worker, locked. No system calls.
 */
#include "relay/cipher_caps.h"

#include <errno.h>
#include <stdarg.h>

#include "base/macros.h"

#define DEFAULT_KEY_SIZE 32
#define KEY_STRETCH "PBKDF2"

static const struct {
	const char *name;
	size_t offset;
} texts[] = {
	{"cipher", offsetof(struct cipher_caps, cipher)},
	{"mode", offsetof(struct cipher_caps, mode)},
	{"key_hash", offsetof(struct cipher_caps, key_hash)},
	{"key_stretch", offsetof(struct cipher_caps, key_stretch)},
	{"padding", offsetof(struct cipher_caps, padding)},
};
_Static_assert(sizeof(((struct cipher_caps *)0)->padding) == 16, "all of texts[] are this long");

/* What cannot be copied is no name of ours either; it is refused as what is shown. */
static void read_text(const struct token *t, char buf[16])
{
	if (token_to_cstr(t, buf, 16) < 0)
		memcpy(buf, "?", 2);
}

/* HTML5 sends bytes as text. */
static void read_bytes(const struct token *t, uint8_t *buf, size_t size, size_t *ret_len)
{
	if (token_to_bytes(t, buf, size, ret_len) < 0)
		*ret_len = size + 1;
}

static int read_options(struct token_reader *r, const struct token *value, struct cipher_caps *c)
{
	struct token t;
	int n;

	if (value->type != TOKEN_LIST)
		return token_skip(r, value);
	while ((n = token_read(r, &t)) > 0 && t.type != TOKEN_END) {
		c->pkcs7 |= token_equals(&t, cipher_padding_name(CIPHER_PKCS7));
		n = token_skip(r, &t);
		if (n < 0)
			break;
	}
	return n < 0 ? n : 0;
}

/* One value, by its name without a prefix. */
static int read_one(struct token_reader *r, const struct token *name, const struct token *value,
                    struct cipher_caps *c)
{
	bool yes;
	int n;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (token_equals(name, texts[i].name))
			read_text(value, (char *)c + texts[i].offset);
	if (token_equals(name, "iv"))
		read_bytes(value, c->iv, sizeof(c->iv), &c->iv_len);
	else if (token_equals(name, "key_salt"))
		read_bytes(value, c->salt, sizeof(c->salt), &c->salt_len);
	else if (token_equals(name, "key_size"))
		c->key_size = value->type == TOKEN_INT ? value->integer : -1;
	else if (token_equals(name, "key_stretch_iterations"))
		c->iterations = value->type == TOKEN_INT ? value->integer : -1;
	else if (token_equals(name, "padding.options"))
		return read_options(r, value, c);
	else if (token_equals(name, "always-pad"))
		c->has_stream = true;
	else if (token_equals(name, "stream")) {
		n = token_truth(r, value, &yes);
		c->has_stream = true;
		c->no_stream = n == 0 && !yes;
		return n;
	}
	return token_skip(r, value);
}

static int read_nested(struct token_reader *r, const struct token *value, struct cipher_caps *ret)
{
	struct cipher_caps c = {.nested = true};
	struct token name, inner;
	int n;

	if (value->type != TOKEN_DICT)
		return token_skip(r, value);
	while ((n = token_read_pair(r, &name, &inner)) > 0) {
		n = read_one(r, &name, &inner, &c);
		if (n < 0)
			return n;
	}
	if (n == 0 && cipher_caps_offered(&c))
		*ret = c;
	return n;
}

int cipher_caps_read(struct token_reader *r, const struct token *key, const struct token *value,
                     struct cipher_caps *caps)
{
	static const char flat[] = "cipher.";
	struct token name = *key;
	int n;

	if (token_equals(key, "encryption")) {
		n = read_nested(r, value, caps);
	} else if (token_equals(key, "cipher") ||
	           (token_is_string(key) && key->len >= strlen(flat) &&
	            memcmp(key->data, flat, strlen(flat)) == 0)) {
		if (key->len >= strlen(flat)) {
			name.data += strlen(flat);
			name.len -= strlen(flat);
		}
		n = caps->nested ? token_skip(r, value) : read_one(r, &name, value, caps);
	} else {
		return 0;
	}
	return n < 0 ? n : 1;
}

__attribute__((format(printf, 3, 4))) static int refuse(char *why, size_t size, const char *fmt,
                                                        ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, size, fmt, ap);
	va_end(ap);
	return -EINVAL;
}

static void print_modes(unsigned modes, char buf[64])
{
	size_t n = 0;

	for (unsigned i = 0; i < CIPHER_MODE_MAX_; i++)
		if (modes & 1u << i)
			n += (size_t)snprintf(buf + n, 64 - n, "%sAES-%s", n ? ", " : "",
			                      cipher_mode_name(i));
}

/* A name of ours, the first of them for one that is missing. */
static int named(const char *name, int (*from_name)(const char *, size_t))
{
	return name[0] ? from_name(name, strlen(name)) : 0;
}

int cipher_caps_params(const struct cipher_caps *c, unsigned modes, struct cipher_params *ret,
                       char *why, size_t size)
{
	int mode = named(c->mode, cipher_mode_from_name);
	int hash = named(c->key_hash, cipher_hash_from_name);
	/* HTML5 names only what it can do, and WebCrypto insists on it. */
	int padding = c->padding[0] ? named(c->padding, cipher_padding_from_name)
	              : c->pkcs7    ? CIPHER_PKCS7
	                            : CIPHER_LEGACY;
	char allowed[64] = "";

	print_modes(modes, allowed);
	if (strcmp(c->cipher, "AES") != 0)
		return refuse(why, size,
		              "the server is configured for 'AES' not '%s' as requested "
		              "by the client",
		              c->cipher);
	if (mode < 0 || !(modes & 1u << mode))
		return refuse(why, size,
		              "the server is configured for %s not AES-%s as requested by the "
		              "client",
		              allowed, c->mode[0] ? c->mode : cipher_mode_name(CIPHER_CBC));
	if (c->key_stretch[0] && strcmp(c->key_stretch, KEY_STRETCH) != 0)
		return refuse(why, size, "unsupported key stretching '%s'", c->key_stretch);
	if (padding < 0)
		return refuse(why, size, "unsupported padding '%s'", c->padding);
	if (hash < 0)
		return refuse(why, size, "unsupported key hash algorithm '%s'", c->key_hash);
	if (c->iterations < CIPHER_ITERATIONS_MIN || c->iterations > CIPHER_ITERATIONS_MAX)
		return refuse(why, size, "invalid number of iterations %lld, range is %d to %d",
		              (long long)c->iterations, CIPHER_ITERATIONS_MIN,
		              CIPHER_ITERATIONS_MAX);
	if (c->key_size && c->key_size != 16 && c->key_size != 24 && c->key_size != 32)
		return refuse(why, size, "unsupported key size %lld", (long long)c->key_size);
	if (c->iv_len != CIPHER_BLOCK)
		return refuse(why, size, "invalid encryption iv");
	if (c->salt_len == 0 || c->salt_len > CIPHER_SALT_MAX)
		return refuse(why, size, "invalid encryption key salt");
	*ret = (struct cipher_params){
		.mode = (enum cipher_mode)mode,
		.hash = (enum cipher_hash)hash,
		.key_size = c->key_size ? (unsigned)c->key_size : DEFAULT_KEY_SIZE,
		.iterations = (unsigned)c->iterations,
		.padding = (enum cipher_padding)padding,
		.stream = !c->no_stream,
		.salt_len = c->salt_len,
	};
	memcpy(ret->iv, c->iv, sizeof(ret->iv));
	memcpy(ret->salt, c->salt, c->salt_len);
	return 0;
}

static void put_name(struct token_writer *w, const char *prefix, const char *name)
{
	char buf[64];
	int n = snprintf(buf, sizeof(buf), "%s%s", prefix, name);

	token_write_text_n(w, buf, (size_t)n);
}

static void put_text(struct token_writer *w, const char *prefix, const char *name,
                     const char *value)
{
	put_name(w, prefix, name);
	token_write_text(w, value);
}

static void put_int(struct token_writer *w, const char *prefix, const char *name, int64_t value)
{
	put_name(w, prefix, name);
	token_write_int(w, value);
}

/* All but `cipher` itself, each name after the prefix. */
static void write_names(struct token_writer *w, const struct cipher_params *p, unsigned modes,
                        const char *prefix)
{
	put_text(w, prefix, "mode", cipher_mode_name(p->mode));
	put_name(w, prefix, "mode.options");
	token_write_list(w, TOKEN_COUNT_UNKNOWN);
	for (unsigned i = 0; i < CIPHER_MODE_MAX_; i++)
		if (modes & 1u << i)
			token_write_text(w, cipher_mode_name(i));
	token_write_end(w);
	put_name(w, prefix, "iv");
	token_write_text_n(w, (const char *)p->iv, sizeof(p->iv));
	put_name(w, prefix, "key_salt");
	token_write_bytes(w, p->salt, p->salt_len);
	put_int(w, prefix, "key_size", p->key_size);
	put_text(w, prefix, "key_hash", cipher_hash_name(p->hash));
	put_text(w, prefix, "key_stretch", KEY_STRETCH);
	put_name(w, prefix, "key_stretch.options");
	token_write_list(w, 1);
	token_write_text(w, KEY_STRETCH);
	token_write_end(w);
	put_int(w, prefix, "key_stretch_iterations", p->iterations);
	put_text(w, prefix, "padding", cipher_padding_name(p->padding));
	put_name(w, prefix, "padding.options");
	token_write_list(w, 2);
	token_write_text(w, cipher_padding_name(CIPHER_PKCS7));
	token_write_text(w, cipher_padding_name(CIPHER_LEGACY));
	token_write_end(w);
	put_name(w, prefix, "stream");
	token_write_bool(w, p->stream);
}

void cipher_caps_write(struct token_writer *w, const struct cipher_params *p, unsigned modes,
                       bool bare)
{
	put_text(w, "", "cipher", "AES");
	write_names(w, p, modes, "cipher.");
	token_write_text(w, "encryption");
	token_write_dict(w, TOKEN_COUNT_UNKNOWN);
	put_text(w, "", "cipher", "AES");
	write_names(w, p, modes, "");
	token_write_end(w);
	if (bare)
		write_names(w, p, modes, "");
}
