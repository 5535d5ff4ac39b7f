/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Security keys: answers recorded from python3-cryptography, which signs what xpra's clients have a
 * device sign; those that are not right in one place; counters; files of keys. Links
 * auth/securitykey.c, auth/counter.c, base/readfile.c, libcrypto.
 */
#include "tests/unit/test.h"

#include "auth/securitykey.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY                                                                  \
	"04471c3e758c4904285bba7e53118ed0f524adeb0757d25bd2f8e7b0d76dfa714c" \
	"dd520f7aca8a8b917acc37f51de8f0c9bbe3ad858382e702dc25a12d09f7a858"
#define OTHER                                                                \
	"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" \
	"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
#define PREFIX "3059301306072a8648ce3d020106082a8648ce3d030107034200"
/* Answers to the salt below. The origin is "desk", the device was touched, its counter is: 7 */
#define PLAIN                                                                              \
	"01000000073045022100bc6dfbea4227dd975d156b0d0f911664bf0a0edce9344f2218fc0ce9ec60" \
	"aa8b02206dee27b7eae53bf97641f0082e07ef7920f886eaf3b9ff717f502d3706e94e1d"
/* the same with another random number */
#define AGAIN                                                                              \
	"01000000073046022100a4a77a2be84335886903e4cf97bdf937ba2929ba78df357fa6369c5f6eb1" \
	"ae7402210095f7aaedc2818f2974c8d72fd8a98e80065ff55d914cb6ba56be54173f83aadb"
/* 0x01000000 */
#define NEXT                                                                               \
	"0101000000304502206a0a785706136b679f7fcdd283aa9da01bd587505ef78c88b1257fe1eeaa6a" \
	"670221008584171ff629add4f6d4b67a5e64ef3ea4b007eaba504b211e1f41a19a167cca"
/* 0xffffffff */
#define TOP                                                                                \
	"01ffffffff30460221008b5390f34f332800f27679136726dddcd5942489959b21d366266d2a5d9f" \
	"bd180221009ce53ab1570be5cb94ab3ea2bc2aa520e7d66c3b327c6e8905fa37fe0f77d930"
/* 0x20000000, not touched */
#define UNTOUCHED                                                                          \
	"00200000003046022100c68d847469d7555ec6d051d54fcdece3718aaeb20eae9997667804b1da2e" \
	"c162022100eb36f7a46b3cb636569f3bab5411ae7a55e9f48605cbc9f60929adf6e139b00d"
/* 8; the origin is a"b\c */
#define QUOTED                                                                             \
	"01000000083046022100cc3b97af2f3425224abe677ac132f76fe6ac7b69ff4abc03986daf90f835" \
	"68ae022100a83c8c13a1bdfa9e4f2eb94222f37b81da80cf443cbdf8c93a0dbb5bcde2def8"
/* 9; there is no origin */
#define EMPTY                                                                              \
	"01000000093044022077473179fd85772962dbb415418a39f1d7ecb137520580202d388bfe280e98" \
	"0c02205178a6b2cdddb65d8395b3abedfffbbccbaa42a0824fa2752f3383bbf5f4baf7"

static char folder[64], state[96], file[96], warned[256], err[AUTH_ERROR_MAX];
static struct auth_options options;
static struct auth_attempt attempt;
static struct auth_row row;
static uint64_t memory[AUTH_STATE_MAX / 8];

static void warn(const struct auth_attempt *a, const char *text)
{
	(void)a;
	snprintf(warned, sizeof(warned), "%s", text);
}

static void option(const char *name, const char *value)
{
	options.items[options.count].name = name;
	options.items[options.count].value = value;
	options.count++;
}

static void setup(const char *name, const char *value)
{
	if (!folder[0]) {
		snprintf(folder, sizeof(folder), "/tmp/xproxy-test.XXXXXX");
		CHECK(mkdtemp(folder));
		snprintf(file, sizeof(file), "%s/keys", folder);
	}
	static unsigned serial;
	snprintf(state, sizeof(state), "%s/%u", folder, serial++);
	options.count = 0;
	option("state", state);
	option(name, value);
	err[0] = '\0';
}

static void write_keys(const char *text)
{
	FILE *f = fopen(file, "w");

	CHECK(f && fputs(text, f) >= 0);
	fclose(f);
	CHECK_EQ(chmod(file, 0600), 0);
}

/* An answer in hex, with its byte at changed unless that is -1. */
static int try_changed(const char *user, const char *hex, const char *origin, int at)
{
	uint8_t response[256];
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		CHECK_EQ(sscanf(hex + 2 * i, "%2x", &byte), 1);
		response[i] = (uint8_t)(byte ^ ((int)i == at ? 1 : 0));
	}
	attempt = (struct auth_attempt){
		.username = user,
		.options = &options,
		.warn = warn,
		.state = memory,
		.response = response,
		.response_len = n,
		.client_salt = (const uint8_t *)origin,
		.client_salt_len = strlen(origin),
	};
	for (int i = 0; i < 64; i++)
		((uint8_t *)memory)[i] = (uint8_t)(200 + i);
	warned[0] = '\0';
	return securitykey_verify(&attempt, &row);
}

static int try(const char *user, const char *hex, const char *origin)
{
	return try_changed(user, hex, origin, -1);
}

TEST(answers)
{
	setup("public_key", KEY);
	CHECK_EQ(securitykey_open(&options, err), 0);
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_YES);
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_NO);
	CHECK(strstr(warned, "counter has not grown"));
	CHECK_EQ(try("alice", AGAIN, "desk"), AUTH_NO);
	CHECK(strstr(warned, "counter has not grown"));
	CHECK_EQ(try("alice", NEXT, "desk"), AUTH_YES);
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_NO);
	CHECK_EQ(try("alice", UNTOUCHED, "desk"), AUTH_NO);
	CHECK(strstr(warned, "touched"));
	CHECK_EQ(try("alice", TOP, "desk"), AUTH_YES);
	CHECK_EQ(try("bob", NEXT, "desk"), AUTH_NO); /* the device's, not the user's */
}

TEST(origins)
{
	setup("public_key", PREFIX KEY);
	CHECK_EQ(try("alice", PLAIN, "desk2"), AUTH_NO);
	CHECK_EQ(try("alice", PLAIN, ""), AUTH_NO);
	CHECK_EQ(try("alice", PLAIN, "de\nsk"), AUTH_NO);
	CHECK_EQ(try("alice", PLAIN, "d\xc3\xa9sk"), AUTH_NO);
	CHECK_EQ(warned[0], 0);
	CHECK_EQ(try("alice", QUOTED, "a\"b\\c"), AUTH_YES);
	CHECK_EQ(try("alice", EMPTY, ""), AUTH_YES);
}

TEST(applications)
{
	setup("public_key", KEY);
	option("app_id", "Xpra2");
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_NO);
	options.items[2].value = "Xpra";
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_YES);
}

/* No bit of it can be another one, and none can be left out. */
TEST(every_byte)
{
	size_t n = strlen(PLAIN) / 2;
	char part[400];

	setup("public_key", KEY);
	for (size_t i = 0; i < n; i++) {
		test_note("byte %zu", i);
		CHECK_EQ(try_changed("alice", PLAIN, "desk", (int)i), AUTH_NO);
	}
	for (size_t i = 0; i < n; i++) {
		test_note("%zu bytes", i);
		snprintf(part, sizeof(part), "%.*s", (int)(2 * i), PLAIN);
		CHECK_EQ(try("alice", part, "desk"), AUTH_NO);
	}
	snprintf(part, sizeof(part), "%s00", PLAIN);
	CHECK_EQ(try("alice", part, "desk"), AUTH_NO);
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_YES);
}

TEST(files)
{
	setup("public-keys", file);
	CHECK(securitykey_open(&options, err) < 0);
	write_keys("# who\n\nbob " OTHER "\nalice\t" OTHER "\n  alice " PREFIX KEY "  \r\n");
	CHECK_EQ(securitykey_open(&options, err), 0);
	CHECK_EQ(try("bob", PLAIN, "desk"), AUTH_NO);
	CHECK_EQ(try("carol", PLAIN, "desk"), AUTH_NO);
	CHECK_EQ(try("alic", PLAIN, "desk"), AUTH_NO);
	CHECK_EQ(try("", PLAIN, "desk"), AUTH_NO);
	CHECK_EQ(try("alice", PLAIN, "desk"), AUTH_YES);
	write_keys("carol " KEY); /* the same device in the other spelling */
	CHECK_EQ(try("carol", AGAIN, "desk"), AUTH_NO);
	CHECK(strstr(warned, "counter has not grown"));
	CHECK_EQ(chmod(file, 0620), 0);
	CHECK(securitykey_open(&options, err) < 0);
	CHECK(strstr(err, "writable by nobody else"));
	CHECK(try("carol", NEXT, "desk") < 0);
	write_keys("");
	CHECK_EQ(securitykey_open(&options, err), 0);
	CHECK_EQ(try("carol", NEXT, "desk"), AUTH_NO);
}

TEST(keys_that_are_none)
{
	static const char *const keys[] = {
		"",
		"04",
		KEY "00",
		"x" KEY,
		PREFIX,
		"0" KEY "0",
		/* not on the curve; compressed; another prefix */
		"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
		"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f6",
		"036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
		"3059301306072a8648ce3d020106082a8648ce3d030108034200" KEY,
	};
	char line[512];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		test_note("%s", keys[i]);
		setup("public_key", keys[i]);
		CHECK_EQ(securitykey_open(&options, err), -EINVAL);
		CHECK(strstr(err, "not a P-256 public key"));
		CHECK(try("alice", PLAIN, "desk") < 0);
		setup("public-keys", file);
		snprintf(line, sizeof(line), "bob " KEY "\nalice %s\n", keys[i]);
		write_keys(line);
		CHECK_EQ(securitykey_open(&options, err), -EINVAL);
		CHECK(strstr(err, "line 2 is not"));
		CHECK(try("alice", PLAIN, "desk") < 0);
	}
	setup("app_id", "x");
	CHECK(securitykey_open(&options, err) < 0);
	CHECK(strstr(err, "either public_key="));
}

TEST(challenges)
{
	struct auth_challenge a = {0}, b = {0};

	setup("public_key", KEY);
	try("alice", PLAIN, "desk");
	CHECK_EQ(securitykey_challenge(&attempt, "u2f:xor", &a), 0);
	CHECK_STR(a.digest, "u2f:xor");
	CHECK_EQ(a.salt_len, 64);
	CHECK_EQ(memcmp(a.salt, memory, 64), 0);
	CHECK_EQ(securitykey_challenge(&attempt, "u2f:xor", &b), 0);
	CHECK(memcmp(a.salt, b.salt, 64) != 0);
}
