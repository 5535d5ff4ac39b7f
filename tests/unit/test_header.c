/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/header.h"

#include "tests/unit/test.h"

#include <errno.h>

static const char *why;
static struct header header;

/* Hex of a header, or of its first bytes. */
static int parse(const char *hex)
{
	uint8_t buf[16], *p;
	size_t n = test_unhex(hex, buf, sizeof(buf));
	int r;

	test_note("%s", hex);
	p = malloc(n);
	memcpy(p, buf, n);
	why = NULL;
	header = (struct header){0xaa, 0xaa, 0xaa, 0xaaaaaaaa};
	r = header_parse(p, n, &header, &why);
	free(p);
	CHECK((r == -EBADMSG || r == -EMSGSIZE) == (why != NULL));
	CHECK(r == 0 || header.size == 0xaaaaaaaa); /* outputs only on success */
	return r;
}

static void good(const char *hex, uint8_t flags, uint8_t compression, uint8_t index, uint32_t size)
{
	uint8_t buf[HEADER_LEN], back[HEADER_LEN];

	CHECK_EQ(parse(hex), 0);
	CHECK_EQ(header.flags, flags);
	CHECK_EQ(header.compression, compression);
	CHECK_EQ(header.index, index);
	CHECK_EQ(header.size, size);
	test_unhex(hex, buf, sizeof(buf));
	header_build(back, &header);
	CHECK_MEM(back, sizeof(back), buf, sizeof(buf));
}

static void bad(const char *hex, const char *reason)
{
	CHECK_EQ(parse(hex), -EBADMSG);
	CHECK_STR(why, reason);
}

TEST(parse_examples)
{
	good("5010110000000026", 0x10, 0x11, 0, 0x26); /* protocol 1.4 */
	good("5010010000000021", 0x10, 0x01, 0, 0x21);
	good("501041000000003a", 0x10, 0x41, 0, 0x3a);
	good("500000070000000c", 0x00, 0x00, 7, 12); /* 1.5 */
	good("5010000000000025", 0x10, 0x00, 0, 0x25);
	good("5010000000000032", 0x10, 0x00, 0, 0x32);
	good("501000000000011e", 0x10, 0x00, 0, 0x11e); /* 5.5 */
}

TEST(parse_what_peers_send)
{
	good("5000000000000001", 0x00, 0x00, 0, 1); /* bencode */
	good("5001010000000001", 0x01, 0x01, 0, 1); /* rencode */
	good("5001090000000001", 0x01, 0x09, 0, 1);
	good("50011a0000000001", 0x01, 0x1a, 0, 1);
	good("5001100000000001", 0x01, 0x10, 0, 1); /* level 0 */
	good("5001210000000001", 0x01, 0x21, 0, 1); /* lzo */
	good("5010810000000001", 0x10, 0x81, 0, 1); /* zstd */
	good("5004000000000001", 0x04, 0x00, 0, 1); /* yaml */
	good("5018110000000001", 0x18, 0x11, 0, 1); /* flush */
	good("501a110000000001", 0x1a, 0x11, 0, 1); /* cipher too */
	good("5002110f00000001", 0x02, 0x11, 15, 1);
	good("5010000010000000", 0x10, 0x00, 0, HEADER_SIZE_MAX);
}

TEST(parse_rules)
{
	bad("5110000000000001", "does not start with 'P'");
	bad("0010000000000001", "does not start with 'P'");
	bad("5030000000000001", "unknown protocol flags");
	bad("5050000000000001", "unknown protocol flags");
	bad("5090000000000001", "unknown protocol flags");
	bad("5011000000000001", "more than one encoder");
	bad("5005000000000001", "more than one encoder");
	bad("5014000000000001", "more than one encoder");
	bad("5010310000000001", "more than one compressor");
	bad("5010900000000001", "more than one compressor");
	bad("5010f10000000001", "more than one compressor");
	bad("5000001000000001", "invalid chunk index");
	bad("500000ff00000001", "invalid chunk index");
	bad("5010000100000001", "a chunk cannot specify an encoder");
	bad("5001000100000001", "a chunk cannot specify an encoder");
	bad("5004000100000001", "a chunk cannot specify an encoder");
	bad("5008000100000001", "a chunk cannot set the flush flag");
	bad("5010000000000000", "payload size 0");
	bad("5000000700000000", "payload size 0");
}

TEST(parse_size)
{
	CHECK_EQ(parse("5010000010000001"), -EMSGSIZE);
	CHECK_EQ(parse("50100000ffffffff"), -EMSGSIZE);
	CHECK_EQ(parse("5010000011"), -EMSGSIZE); /* as early as can be known */
	CHECK_EQ(parse("501000001001"), -EMSGSIZE);
	CHECK_EQ(parse("5010000010"), -EAGAIN);
	CHECK_STR((parse("5010000010000001"), why), "payload size over 256 MiB");
	CHECK_EQ(header_parse((const uint8_t *)"P\0\0\0\0\0\0\0", 8, &header, NULL), -EBADMSG);
	CHECK_EQ(header_parse((const uint8_t *)"P\0\0\0\xff\0\0\0", 8, &header, NULL), -EMSGSIZE);
}

TEST(parse_more_input)
{
	const char *hex = "5010110000000026";
	char cut[17];

	CHECK_EQ(header_parse(NULL, 0, &header, &why), -EAGAIN);
	for (int n = 2; n < 16; n += 2) {
		snprintf(cut, sizeof(cut), "%.*s", n, hex);
		CHECK_EQ(parse(cut), -EAGAIN);
	}
	bad("51", "does not start with 'P'");
	bad("5020", "unknown protocol flags");
	bad("5011", "more than one encoder");
	bad("501030", "more than one compressor");
	bad("50000010", "invalid chunk index");
	bad("50100001", "a chunk cannot specify an encoder");
	CHECK_EQ(parse("501011000000002600ff"), 0); /* what follows is not looked at */
}

static void check_parse(const uint8_t *data, size_t len)
{
	struct header h = {0};
	const char *reason = NULL;
	uint8_t back[HEADER_LEN];
	int r = header_parse(data, len, &h, &reason);

	CHECK(r == 0 || r == -EAGAIN || reason);
	CHECK(r != -EAGAIN || len < HEADER_LEN);
	if (r)
		return;
	header_build(back, &h);
	CHECK_MEM(back, sizeof(back), data, HEADER_LEN);
}

TEST(parse_mutations)
{
	test_mutate("\x50\x10\x11\0\0\0\0\x26", 8, check_parse);
	test_mutate("\x50\x02\x00\x07\0\1\0\x26", 8, check_parse);
}

/* The guess of every prefix: MORE until `at` bytes, from there on `kind`. */
static void guess(const void *text, size_t len, enum first_bytes kind, size_t at)
{
	for (size_t n = 0; n <= len; n++) {
		uint8_t *p = malloc(n ? n : 1);
		enum first_bytes got;

		memcpy(p, text, n);
		test_note("'%.*s', %zu bytes", (int)len, (const char *)text, n);
		got = header_guess(p, n);
		free(p);
		CHECK_EQ(got, n < at ? FIRST_MORE : kind);
	}
}
#define GUESS(text, kind, at) guess(text, sizeof(text) - 1, kind, at)

TEST(find)
{
	static const struct {
		const char *text;
		size_t len, skipped;
		bool whole;
	} cases[] = {
		{"", 0, 0, false},
		{"P\1\0\0\0\0\0\5", 8, 0, true},
		{"P\1\0\0\0\0\0", 7, 0, false},
		{"Welcome\n", 8, 8, false},
		{"Password: P\1\0\0\0\0\0\5hello", 24, 10, true},
		{"PPPP", 4, 3, false},
		{"PP\1\0\0\0\0\0\5", 9, 1, true},
		{"P\1\0\1\0\0\0\5P\1\0\0\0\0\0\5", 16, 8, true},   /* a chunk */
		{"P\1\0\0\0\0\0\0P\1\0\0\0\0\0\5", 16, 8, true},   /* size 0 */
		{"P\1\0\0\0\x40\0\0P\1\0\0\0\0\0\5", 16, 8, true}, /* 4 MiB */
		{"P\x20\0\0\0\0\0\5P\1\0\0\0\0\0\5", 16, 8, true}, /* flags */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool whole = !cases[i].whole;

		test_note("case %zu", i);
		CHECK_EQ(header_find((const uint8_t *)cases[i].text, cases[i].len, &whole),
		         cases[i].skipped);
		CHECK_EQ(whole, cases[i].whole);
	}
}

TEST(guess_xpra)
{
	GUESS("P\x10\x11\0\0\0\0\x26zzzz", FIRST_XPRA, 8);
	GUESS("P\x00\x00\0\0\0\x30\0d5:he", FIRST_XPRA, 8);
	GUESS("P\x01\x01\0\0\0\x04\0x", FIRST_XPRA, 8);
	GUESS("P\x18\x11\0\0\0\0\x08", FIRST_XPRA, 8);
	GUESS("P\x02\x00\0\x0f\xff\xff\xff", FIRST_XPRA, 8);
	GUESS("P\x20\x00\0\0\0\1\0", FIRST_XPRA, 8); /* header_parse() says what is wrong */
	GUESS("P\x10\x11\0\0\0\0\x07", FIRST_UNKNOWN, 8);
	GUESS("P\x10\x11\0\0\0\0\0", FIRST_UNKNOWN, 8);
	GUESS("P\x10\x11\0\x10\0\0\0", FIRST_UNKNOWN, 5);
	GUESS("P\x10\x11\1\0\0\0\x40", FIRST_UNKNOWN, 4);
	GUESS("P\x10\x51\0\0\0\0\x40", FIRST_UNKNOWN, 3);
	GUESS("P\x05\x00\0\0\0\0\x40", FIRST_UNKNOWN, 2);
	CHECK_EQ(header_guess(NULL, 0), FIRST_MORE);
}

TEST(guess_others)
{
	GUESS("\x16", FIRST_TLS, 1);
	GUESS("\x16\x03\x01\x02\x00\x01\x00\x01", FIRST_TLS, 1);
	GUESS("SSH-2.0-OpenSSH_9.2\r\n", FIRST_SSH, 4);
	GUESS("RFB 003.008\n", FIRST_RFB, 4);
	GUESS("\x03\x00\x00\x13\x0e\xe0\0\0", FIRST_RDP, 4);
	GUESS("\x03\x00\x01\x00", FIRST_RDP, 4);
	GUESS("\x03\x00\x00\x06\0\0\0\0", FIRST_UNKNOWN, 4);
	GUESS("\x03\x01\x00\x13", FIRST_UNKNOWN, 2);
	GUESS("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", FIRST_PROXY, 6);
	GUESS("PROXY UNKNOWN\r\n", FIRST_PROXY, 6);
	GUESS("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", FIRST_PROXY, 12);
	GUESS("\r\n\r\nGET / HTTP/1.1", FIRST_UNKNOWN, 5);
}

TEST(guess_http)
{
	GUESS("GET / HTTP/1.1\r\n", FIRST_HTTP, 4);
	GUESS("POST /x HTTP/1.1\r\n", FIRST_HTTP, 5);
	GUESS("HEAD / HTTP/1.0\r\n", FIRST_HTTP, 5);
	GUESS("PUT / HTTP/1.0\r\n", FIRST_HTTP, 4);
	GUESS("PATCH / HTTP/1.0\r\n", FIRST_HTTP, 6);
	GUESS("TRACE / HTTP/1.0\r\n", FIRST_HTTP, 6);
	GUESS("DELETE / HTTP/1.0\r\n", FIRST_HTTP, 7);
	GUESS("OPTIONS * HTTP/1.1\r\n", FIRST_HTTP, 8);
	GUESS("CONNECT h:1 HTTP/1.1\r\n", FIRST_HTTP, 8);
	GUESS("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FIRST_HTTP, 4);
	GUESS("<html><head>", FIRST_HTTP, 5);
	GUESS("<HTML>", FIRST_HTTP, 5);
	GUESS("<!DOCTYPE html>", FIRST_HTTP, 14);
	GUESS("<!doctype xml>", FIRST_UNKNOWN, 11);
}

TEST(guess_garbage)
{
	GUESS("hello\n", FIRST_UNKNOWN, 1);
	GUESS("get / http/1.1\r\n", FIRST_UNKNOWN, 1);
	GUESS("\0\0\0\0", FIRST_UNKNOWN, 1);
	GUESS("PASS secret\r\n", FIRST_UNKNOWN, 3);
	GUESS("PROXX TCP4", FIRST_UNKNOWN, 5);
	GUESS("POSTER", FIRST_UNKNOWN, 5);
	GUESS("Pxxxxxxx", FIRST_UNKNOWN, 3);
	GUESS("RFC 1", FIRST_UNKNOWN, 3);
	GUESS("GETX", FIRST_UNKNOWN, 4);
	GUESS("SSL", FIRST_UNKNOWN, 3);
}

/* A verdict never changes with more bytes. */
static void check_guess(const uint8_t *data, size_t len)
{
	enum first_bytes last = FIRST_MORE, g;

	for (size_t n = 0; n <= len; n++) {
		g = header_guess(data, n);
		CHECK(last == FIRST_MORE || g == last);
		last = g;
	}
}

TEST(guess_mutations)
{
	test_mutate("P\x10\x11\0\0\0\0\x26z", 9, check_guess);
	test_mutate("PROXY TCP", 9, check_guess);
	test_mutate("\r\n\r\n\0\r\nQUIT\n\x21", 13, check_guess);
	test_mutate("OPTIONS * HTTP", 14, check_guess);
	test_mutate("\x03\x00\x00\x13\x0e", 5, check_guess);
}
