/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/cipher_caps.c, through the hellos that carry them.
 */
#include "tests/unit/test.h"

#include <errno.h>

#include "relay/hello.h"
#include "tests/unit/packet_text.h"
#include "wire/packet.h"

#define PLUS ENCODER_RENCODEPLUS
#define CLASSIC ENCODER_RENCODE
#define SALT "b'0123456789012345678901234567890123456789012345678901234567890123'"

static uint8_t buf[65536], out[65536];

static struct cipher_caps parse(enum encoder encoder, const char *text)
{
	struct hello h;
	size_t len = packet_text(encoder, text, buf, sizeof(buf));
	uint8_t *copy = malloc(len);

	test_note("%.190s", text);
	memcpy(copy, buf, len);
	CHECK_EQ(hello_parse(copy, len, encoder, &h, NULL), 0);
	free(copy);
	return h.cipher;
}

static struct cipher_params params(const struct cipher_caps *c)
{
	struct cipher_params p;
	char why[200] = "";

	CHECK_EQ(cipher_caps_params(c, CIPHER_MODES_ALL, &p, why, sizeof(why)), 0);
	return p;
}

TEST(as_3_1_writes_it)
{
	struct cipher_caps c = parse(
		CLASSIC, "['hello', {'cipher': 'AES', 'cipher.iv': '18434925924a45f7', "
			 "'cipher.key_salt': " SALT ", 'cipher.key_stretch_iterations': 1000, "
			 "'cipher.padding': 'legacy', 'cipher.padding.options': ['PKCS#7', "
			 "'legacy'], 'padding.options': ['x']}]");
	struct cipher_params p = params(&c);

	CHECK(cipher_caps_offered(&c) && !c.nested && c.pkcs7 && !c.has_stream);
	CHECK_EQ(p.mode, CIPHER_CBC);
	CHECK_EQ(p.hash, CIPHER_SHA1);
	CHECK_EQ(p.key_size, 32);
	CHECK_EQ(p.iterations, 1000);
	CHECK_EQ(p.padding, CIPHER_LEGACY);
	CHECK(p.stream);
	CHECK_MEM(p.iv, 16, "18434925924a45f7", 16);
	CHECK_EQ(p.salt_len, 64);
}

#define NESTED(more)                                                                               \
	"'encryption': {'cipher': 'AES', 'mode': 'CTR', 'iv': '_J2TKmdl4q16msFh', "                \
	"'key_salt': " SALT ", 'key_size': 16, 'key_hash': 'SHA512', 'key_stretch': 'PBKDF2', "    \
	"'key_stretch_iterations': 10000, 'padding': 'PKCS#7', 'padding.options': ['PKCS#7']" more \
	"}"

TEST(as_6_writes_it)
{
	struct cipher_caps c =
		parse(PLUS, "['hello', {" NESTED(", 'always-pad': false, 'stream': true") "}]");
	struct cipher_params p = params(&c);

	CHECK(c.nested && c.has_stream && p.stream);
	CHECK_EQ(p.mode, CIPHER_CTR);
	CHECK_EQ(p.hash, CIPHER_SHA512);
	CHECK_EQ(p.key_size, 16);
	CHECK_EQ(p.iterations, 10000);
	CHECK_EQ(p.padding, CIPHER_PKCS7);
	c = parse(PLUS, "['hello', {" NESTED(", 'stream': false") "}]");
	CHECK(!params(&c).stream);
	c = parse(PLUS, "['hello', {" NESTED(", 'always-pad': true") "}]");
	CHECK(c.has_stream && params(&c).stream);
}

/* 5.x writes both; the dictionary counts, in whichever order they come. */
TEST(both)
{
	static const char flat[] = "'cipher': 'AES', 'cipher.cipher': 'AES', 'cipher.mode': 'CBC', "
				   "'cipher.iv': 'ffffffffffffffff', 'cipher.key_salt': 'x', "
				   "'cipher.key_stretch_iterations': 7";
	char text[2000];
	struct cipher_caps c;

	snprintf(text, sizeof(text), "['hello', {%s, %s}]", flat, NESTED(""));
	c = parse(PLUS, text);
	CHECK_EQ(params(&c).mode, CIPHER_CTR);
	snprintf(text, sizeof(text), "['hello', {%s, %s}]", NESTED(""), flat);
	c = parse(PLUS, text);
	CHECK_EQ(params(&c).mode, CIPHER_CTR);
	CHECK_EQ(c.iterations, 10000);
	/* An empty one takes nothing away. */
	snprintf(text, sizeof(text), "['hello', {%s, 'encryption': {}}]", flat);
	c = parse(PLUS, text);
	CHECK(cipher_caps_offered(&c) && c.iterations == 7);
}

/* HTML5: bytes as text, and no `padding`. */
TEST(as_html5_writes_it)
{
	struct cipher_caps c =
		parse(PLUS, "['hello', {'encryption': {'cipher': 'AES', 'mode': 'CBC', 'iv': "
	                    "'\\xc3\\xbf\\xc2\\x80\\x00bcdefghijklmn', 'key_salt': '\\xc3\\xa9', "
	                    "'key_stretch_iterations': 1000, 'padding.options': ['PKCS#7'], "
	                    "'stream': false}}]");
	struct cipher_params p = params(&c);

	CHECK_MEM(p.iv, 16, "\xff\x80\0bcdefghijklmn", 16);
	CHECK_MEM(p.salt, p.salt_len, "\xe9", 1);
	CHECK_EQ(p.padding, CIPHER_PKCS7);
	CHECK(!p.stream);
}

TEST(not_offered)
{
	static const char *const texts[] = {
		"['hello', {'version': '6'}]",
		"['hello', {'cipher': '', 'cipher.iv': '0123456789abcdef'}]",
		"['hello', {'cipher': 'AES'}]",
		"['hello', {'cipher': 'AES', 'cipher.iv': ''}]",
		"['hello', {'encryption': ''}]",
		"['hello', {'encryption': ['cipher', 'AES']}]",
		"['hello', {'encryption': {'cipher': 'AES'}}]",
		"['hello', {'cipher_x': 'AES', 'ciphers.iv': 'x', 'cipherxiv': 'y'}]",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct cipher_caps c = parse(PLUS, texts[i]);

		CHECK(!cipher_caps_offered(&c));
	}
}

TEST(refused)
{
	static const struct {
		const char *more, *why;
	} cases[] = {
		{"'cipher': 'DES'",
	         "the server is configured for 'AES' not 'DES' as requested by the client"},
		{"'mode': 'GCM'",
	         "the server is configured for AES-CBC, AES-CTR not AES-GCM as requested by the "
	         "client"},
		{"'mode': 17",
	         "the server is configured for AES-CBC, AES-CTR not AES-? as requested by the "
	         "client"},
		{"'key_stretch': 'none'", "unsupported key stretching 'none'"},
		{"'padding': {'': 'legacy'}", "unsupported padding '?'"},
		{"'key_hash': 'SHA3'", "unsupported key hash algorithm 'SHA3'"},
		{"'key_size': 33", "unsupported key size 33"},
		{"'key_size': '32'", "unsupported key size -1"},
		{"'key_stretch_iterations': 99999999999",
	         "invalid number of iterations 99999999999, range is 100 to 100000"},
		{"'iv': [1, 2]", "invalid encryption iv"},
		{"'iv': '0123456789abcdefg'", "invalid encryption iv"},
		{"'key_salt': {}", "invalid encryption key salt"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cipher_params p;
		struct cipher_caps c;
		char text[2000], why[200] = "";

		snprintf(text, sizeof(text), "['hello', {%s, %s}]", "'version': '6'", NESTED(""));
		/* the last of two values counts */
		snprintf(strrchr(text, '}') - 1, 300, ", %s}}]", cases[i].more);
		c = parse(PLUS, text);
		CHECK_EQ(cipher_caps_params(&c, 1u << CIPHER_CBC | 1u << CIPHER_CTR, &p, why,
		                            sizeof(why)),
		         -EINVAL);
		CHECK_STR(why, cases[i].why);
	}
}

/* What is written is read back, by every encoder, from every place. */
TEST(written)
{
	static const enum encoder encoders[] = {PLUS, CLASSIC, ENCODER_BENCODE};

	for (unsigned i = 0; i < 2 * ARRAY_SIZE(encoders); i++) {
		struct cipher_params p = {.mode = CIPHER_GCM,
		                          .hash = CIPHER_SHA256,
		                          .key_size = 24,
		                          .iterations = 4321,
		                          .padding = CIPHER_PKCS7,
		                          .stream = i % 2,
		                          .salt_len = 3},
				     q;
		struct token_writer w;
		struct hello h;
		size_t len;

		memcpy(p.iv, "abcdefghijklmnop", 16);
		memcpy(p.salt, "xyz", 3);
		packet_begin(&w, encoders[i / 2], out, sizeof(out), "hello");
		token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
		cipher_caps_write(&w, &p, CIPHER_MODES_ALL, true);
		token_write_end(&w);
		CHECK_EQ(packet_end(&w, &len), 0);
		CHECK_EQ(hello_parse(out + HEADER_LEN, len - HEADER_LEN, encoders[i / 2], &h, NULL),
		         0);
		CHECK(h.cipher.nested);
		q = params(&h.cipher);
		CHECK_EQ(q.mode, p.mode);
		CHECK_EQ(q.hash, p.hash);
		CHECK_EQ(q.key_size, p.key_size);
		CHECK_EQ(q.iterations, p.iterations);
		CHECK_EQ(q.padding, p.padding);
		CHECK_EQ(q.stream, p.stream);
		CHECK_MEM(q.iv, 16, p.iv, 16);
		CHECK_MEM(q.salt, q.salt_len, p.salt, 3);
	}
}
