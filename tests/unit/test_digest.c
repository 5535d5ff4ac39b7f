/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/digest.h"

#include "tests/unit/test.h"

#include <errno.h>

/* Protocol 5.5: SS = 00..3f, CS = 80..9f (80..bf for xor), password "secret". */
static uint8_t ss[64], cs[64];
#define PASSWORD "secret"

static void setup(void)
{
	for (unsigned i = 0; i < 64; i++) {
		ss[i] = (uint8_t)i;
		cs[i] = (uint8_t)(0x80 + i);
	}
}

#define C_SHA512                                                           \
	"2be0d17157e42999bab176fd86ff0363ba285c64ff87739cfe0c0056d0b5178c" \
	"445e1cfcd1f600abe03414eef0c74f3526a617b11fc5697cc4036d011fe0a983"
#define C_SHA256 "d1f3cb386d7262c6e664be780eddbdd194d1acbbcd36293cb30d8a1c1a02ffbe"

static const struct {
	enum digest digest;
	const char *salt, *response; /* the response to C_SHA512 */
} golden[] = {
	{DIGEST_HMAC_SHA512, C_SHA512,
         "40c70458276cec8c66b5157568c09f4bc98b31bb180152260c9cad796b0dddb1"
         "a567651143c4c0d858d4cf8d09c3560a7ef2ff725395840c11b04c2c8e466672"},
	{DIGEST_HMAC_SHA384,
         "315216e1ae8c8b387f102dc5bd717cc1550f2b443f12963b"
         "510c4e63d0229494c3afe23a7fa063fc6afb590524a5eddd",
         "0a91d27907dbfeea2c2bc5e72df703e23ec618e61e85ee52"
         "10c26816d3fd5eef9789bc0e06e254ab530b1b5a221be2f3"},
	{DIGEST_HMAC_SHA256, C_SHA256,
         "2b0433e37cd6b4fbabec8b2afdeb201751c0ec8e909d1ac8238270b5bdf30904"},
	{DIGEST_HMAC_SHA224, "30d140c3c70b21a737479c4a967858d60b62bd39e8db32d4fd711946",
         "55c52e0224afe50de6f380a74d0ca7a3ea42ee6e5ecaaf824c1bf570"},
	{DIGEST_HMAC_SHA1, "2a15ded5779431a9c54be8d911fd59be54b65ceb",
         "89233f5a117a5add0f7318ae8dc1e5a4f753ba6e"},
	{DIGEST_HMAC_MD5, "ead4622579701b02415af9da581a1a68", "4bf0829843e1914f9ae033932b519880"},
	{DIGEST_HMAC, "ead4622579701b02415af9da581a1a68", "4bf0829843e1914f9ae033932b519880"},
};

/* Runs digest_response() and digest_verify() of "secret" against what is expected. */
static void respond(enum digest d, const void *salt, size_t salt_len, const void *expected,
                    size_t expected_len)
{
	uint8_t out[DIGEST_RESPONSE_MAX];
	size_t len = 0;

	test_note("%s", digest_name(d));
	CHECK_EQ(digest_response(d, PASSWORD, 6, salt, salt_len, out, &len), 0);
	CHECK_MEM(out, len, expected, expected_len);
	CHECK(digest_verify(d, PASSWORD, 6, salt, salt_len, out, len));
	CHECK(!digest_verify(d, "Secret", 6, salt, salt_len, out, len));
	CHECK(!digest_verify(d, PASSWORD, 5, salt, salt_len, out, len));
	CHECK(!digest_verify(d, PASSWORD, 6, salt, salt_len, out, len - 1));
	CHECK(!digest_verify(d, PASSWORD, 6, salt, salt_len, out, 0));
	out[len - 1] ^= 1;
	CHECK(!digest_verify(d, PASSWORD, 6, salt, salt_len, out, len));
	out[len - 1] ^= 1;
	out[0] ^= 0x80;
	CHECK(!digest_verify(d, PASSWORD, 6, salt, salt_len, out, len));
}

TEST(combined_salts)
{
	uint8_t out[DIGEST_SALT_MAX], expected[64];
	size_t len;

	setup();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		test_note("%s", digest_name(golden[i].digest));
		CHECK_EQ(digest_combine_salts(golden[i].digest, ss, 64, cs, 32, out, &len), 0);
		CHECK_MEM(out, len, golden[i].salt, strlen(golden[i].salt));
	}
	memset(expected, 0x80, sizeof(expected));
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, ss, 64, cs, 64, out, &len), 0);
	CHECK_MEM(out, len, expected, 64);
}

TEST(combined_salt_xor_lengths)
{
	uint8_t out[DIGEST_SALT_MAX];
	size_t len;

	setup();
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, ss, 64, cs, 3, out, &len), 0); /* cut */
	CHECK_MEM(out, len, "\x80\x80\x80", 3);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, ss, 2, cs, 4, out, &len), 0); /* padded */
	CHECK_MEM(out, len, "\x80\x80\x82\x83", 4);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, NULL, 0, cs, 2, out, &len), 0);
	CHECK_MEM(out, len, "\x80\x81", 2);
}

TEST(combined_salt_limits)
{
	static const uint8_t big[DIGEST_SALT_MAX + 1];
	uint8_t out[DIGEST_SALT_MAX];
	size_t len = 77;

	setup();
	CHECK_EQ(digest_combine_salts(DIGEST_HMAC_SHA512, ss, 64, cs, 0, out, &len), -EINVAL);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, ss, 64, NULL, 0, out, &len), -EINVAL);
	CHECK_EQ(digest_combine_salts(DIGEST_NONE, ss, 64, cs, 32, out, &len), -EINVAL);
	CHECK_EQ(digest_combine_salts(DIGEST_MAX_, ss, 64, cs, 32, out, &len), -EINVAL);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, ss, 64, big, sizeof(big), out, &len), -EMSGSIZE);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, big, sizeof(big), cs, 32, out, &len), -EMSGSIZE);
	CHECK_EQ(len, 77);
	CHECK_EQ(digest_combine_salts(DIGEST_XOR, big, DIGEST_SALT_MAX, big, DIGEST_SALT_MAX, out,
	                              &len),
	         0);
	CHECK_EQ(len, DIGEST_SALT_MAX);
}

TEST(responses)
{
	setup();
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++)
		respond(golden[i].digest, C_SHA512, 128, golden[i].response,
		        strlen(golden[i].response));
	respond(DIGEST_XOR, C_SHA512, 128, "\x41\x07\x06\x42\x01\x45", 6);
	respond(DIGEST_HMAC_SHA256, C_SHA256, 64,
	        "37eed4b3e4e9d7d78e0b4a89e0e9442699e46760932ecb668847e4eca59a0f9a", 64);
}

TEST(responses_to_xor_salt)
{
	uint8_t salt[64];

	memset(salt, 0x80, sizeof(salt));
	respond(DIGEST_HMAC_SHA256, salt, 64,
	        "2c2fcf52b3707b672e8aae7166522ac6ff80dc3ca12a4b1557c14cfb21693ca0", 64);
	respond(DIGEST_XOR, salt, 64, "\xf3\xe5\xe3\xf2\xe5\xf4", 6);
}

/* xpra 3.1.3: without a client salt, the server salt is C. */
TEST(response_without_client_salt)
{
	setup();
	respond(DIGEST_HMAC_SHA512, ss, 64,
	        "3039e54293ae18185fb7133b1474c9ffe000e0caee96e77d7e100903927e8a9c"
	        "4800f6909fee37b07766d15c7c711e7f212baadb07bf5a5e2e2eafa9d67490d2",
	        128);
}

/* RFC 4231 test case 6: a key longer than the block is hashed. */
TEST(response_long_password)
{
	static const char text[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	uint8_t out[DIGEST_RESPONSE_MAX], key[131];
	size_t len;

	memset(key, 0xaa, sizeof(key));
	CHECK_EQ(digest_response(DIGEST_HMAC_SHA256, key, sizeof(key), (const uint8_t *)text,
	                         sizeof(text) - 1, out, &len),
	         0);
	CHECK_MEM(out, len, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", 64);
}

TEST(response_limits)
{
	static const uint8_t big[DIGEST_RESPONSE_MAX + 1];
	uint8_t out[DIGEST_RESPONSE_MAX];
	size_t len = 77;

	setup();
	CHECK_EQ(digest_response(DIGEST_NONE, "x", 1, ss, 64, out, &len), -EINVAL);
	CHECK_EQ(digest_response(DIGEST_MAX_, "x", 1, ss, 64, out, &len), -EINVAL);
	CHECK_EQ(digest_response(DIGEST_XOR, big, sizeof(big), ss, 64, out, &len), -EMSGSIZE);
	CHECK_EQ(digest_response(DIGEST_HMAC, big, sizeof(big), ss, 64, out, &len), -EMSGSIZE);
	CHECK_EQ(digest_response(DIGEST_XOR, "x", 1, big, sizeof(big), out, &len), -EMSGSIZE);
	CHECK(!digest_verify(DIGEST_NONE, "x", 1, ss, 64, big, 1));
	CHECK(!digest_verify(DIGEST_XOR, big, sizeof(big), ss, 64, big, sizeof(big)));
	CHECK_EQ(len, 77);
	CHECK_EQ(digest_response(DIGEST_XOR, big, DIGEST_RESPONSE_MAX, ss, 64, out, &len), 0);
	CHECK_EQ(len, DIGEST_RESPONSE_MAX);
}

TEST(response_empty_password)
{
	uint8_t out[DIGEST_RESPONSE_MAX];
	size_t len;

	setup();
	CHECK_EQ(digest_response(DIGEST_XOR, NULL, 0, ss, 64, out, &len), 0);
	CHECK_EQ(len, 0);
	CHECK(!digest_verify(DIGEST_XOR, NULL, 0, ss, 64, out, 0)); /* silence is no answer */
	CHECK_EQ(digest_response(DIGEST_HMAC_SHA256, NULL, 0, ss, 64, out, &len), 0);
	CHECK_EQ(len, 64);
	CHECK(digest_verify(DIGEST_HMAC_SHA256, NULL, 0, ss, 64, out, 64));
}

TEST(unxor)
{
	static const uint8_t big[DIGEST_RESPONSE_MAX + 1];
	uint8_t out[DIGEST_RESPONSE_MAX], response[DIGEST_RESPONSE_MAX];
	const uint8_t *c = (const uint8_t *)C_SHA512;
	char longer[200];
	size_t len, n;

	CHECK_EQ(digest_unxor((const uint8_t *)"\x41\x07\x06\x42\x01\x45", 6, c, 128, out, &len),
	         0);
	CHECK_MEM(out, len, PASSWORD, 6);
	memset(longer, 'x', sizeof(longer)); /* beyond the salt it is in clear */
	CHECK_EQ(digest_response(DIGEST_XOR, longer, sizeof(longer), c, 128, response, &n), 0);
	CHECK_MEM(response + 128, n - 128, longer + 128, 72);
	CHECK_EQ(digest_unxor(response, n, c, 128, out, &len), 0);
	CHECK_MEM(out, len, longer, sizeof(longer));
	CHECK_EQ(digest_unxor(big, sizeof(big), c, 128, out, &len), -EMSGSIZE);
	CHECK_EQ(digest_unxor(big, 1, big, sizeof(big), out, &len), -EMSGSIZE);
}

static void name_is(const char *text, enum digest d)
{
	size_t n = strlen(text);
	char *copy = malloc(n ? n : 1); /* not terminated */

	memcpy(copy, text, n);
	test_note("%s", text);
	CHECK_EQ(digest_from_name(copy, n), d);
	free(copy);
}

TEST(names)
{
	for (unsigned d = DIGEST_HMAC_SHA512; d < DIGEST_MAX_; d++)
		name_is(digest_name((enum digest)d), (enum digest)d);
	name_is("xor:extra", DIGEST_XOR);
	name_is("hmac+sha512:", DIGEST_HMAC_SHA512);
	name_is("hmac", DIGEST_HMAC);
	name_is("", DIGEST_NONE);
	name_is(":", DIGEST_NONE);
	name_is(":xor", DIGEST_NONE);
	name_is("xo", DIGEST_NONE);
	name_is("xorx", DIGEST_NONE);
	name_is("none", DIGEST_NONE);
	name_is("HMAC+SHA512", DIGEST_NONE);
	name_is("hmac+sha51", DIGEST_NONE);
	name_is("hmac+sha5122", DIGEST_NONE);
	name_is("des", DIGEST_NONE);
	name_is("u2f:xor", DIGEST_U2F);
	name_is("kerberos:host", DIGEST_KERBEROS);
	for (unsigned d = DIGEST_NONE; d < DIGEST_MAX_; d++)
		CHECK_EQ(digest_is_xor((enum digest)d), d == DIGEST_XOR || d == DIGEST_KERBEROS ||
		                                                d == DIGEST_GSS ||
		                                                d == DIGEST_KEYCLOAK);
	CHECK_EQ(digest_from_name(NULL, 0), DIGEST_NONE);
	CHECK_STR(digest_name(DIGEST_NONE), "none");
	CHECK_STR(digest_name(DIGEST_MAX_), "unknown");
}

TEST(best)
{
	CHECK_EQ(digest_best(0), DIGEST_NONE);
	CHECK_EQ(digest_best(DIGEST_BIT(DIGEST_NONE)), DIGEST_NONE);
	CHECK_EQ(digest_best(DIGEST_BIT(DIGEST_MAX_)), DIGEST_NONE);
	CHECK_EQ(digest_best(DIGEST_BIT(DIGEST_XOR)), DIGEST_XOR);
	CHECK_EQ(digest_best(~0u), DIGEST_HMAC_SHA512);
	CHECK_EQ(digest_best(DIGEST_HMAC_ALL & ~DIGEST_BIT(DIGEST_HMAC_SHA512)),
	         DIGEST_HMAC_SHA384);
	CHECK_EQ(digest_best(DIGEST_BIT(DIGEST_XOR) | DIGEST_BIT(DIGEST_HMAC)), DIGEST_HMAC);
	CHECK(!(DIGEST_HMAC_ALL & DIGEST_BIT(DIGEST_XOR)));
	CHECK(!(DIGEST_HMAC_ALL & DIGEST_BIT(DIGEST_NONE)));
}

/* No response but the right one is taken. */
static void check_response(const uint8_t *data, size_t len)
{
	bool right = len == 6 && memcmp(data, "\x41\x07\x06\x42\x01\x45", 6) == 0;

	CHECK_EQ(digest_verify(DIGEST_XOR, PASSWORD, 6, (const uint8_t *)C_SHA512, 128, data, len),
	         right);
}

static void check_hmac_response(const uint8_t *data, size_t len)
{
	const char *want = golden[2].response;

	CHECK_EQ(digest_verify(DIGEST_HMAC_SHA256, PASSWORD, 6, (const uint8_t *)C_SHA512, 128,
	                       data, len),
	         len == 64 && memcmp(data, want, 64) == 0);
}

TEST(response_mutations)
{
	test_mutate("\x41\x07\x06\x42\x01\x45", 6, check_response);
	test_mutate(golden[2].response, 64, check_hmac_response);
}
