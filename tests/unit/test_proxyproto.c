/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_proxyproto.c - wire/proxyproto.c: whom a front end speaks for.
 */
#include "tests/unit/test.h"

#define PROPERTY CHECK
#include "tests/unit/proxyproto_property.h"

#define SIGNATURE "0d0a0d0a000d0a515549540a"
#define V4 SIGNATURE "2111000c c0000201 c0000202 1388 01bb"
#define V6                                                                                     \
	SIGNATURE "21210024 20010db8000000000000000000000001 20010db8000000000000000000000002" \
		  "1388 01bb"

static struct proxyproto got;
static const char *why;

static int parse(const uint8_t *data, size_t n)
{
	why = NULL;
	got = (struct proxyproto){.len = 0xaaaa};
	return proxyproto_parse(data, n, &got, &why);
}

static int parse_line(const char *line)
{
	test_note("%s", line);
	return parse((const uint8_t *)line, strlen(line));
}

static int parse_hex(const char *hex)
{
	uint8_t buf[PROXYPROTO_MAX];

	test_note("%.150s", hex);
	return parse(buf, test_unhex(hex, buf, sizeof(buf)));
}

static void is(enum proxyproto_client client, const char *address, unsigned port, size_t len)
{
	uint8_t bytes[16];
	size_t n = test_unhex(address, bytes, sizeof(bytes));

	CHECK_EQ(got.client, client);
	CHECK_MEM(got.address, n, bytes, n);
	CHECK_EQ(got.port, port);
	CHECK_EQ(got.len, len);
}

static void bad(int r, int expected, const char *reason)
{
	CHECK_EQ(r, expected);
	CHECK_STR(why, reason);
	CHECK_EQ(got.len, 0xaaaa); /* written only on success */
}

static void bad_line(const char *line, const char *reason)
{
	bad(parse_line(line), -EBADMSG, reason);
}

static void bad_hex(const char *hex, const char *reason)
{
	bad(parse_hex(hex), -EBADMSG, reason);
}

TEST(v1)
{
	CHECK_EQ(parse_line("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\nrest"), 0);
	is(PROXYPROTO_INET, "c0000201", 5000, 41);
	CHECK_EQ(parse_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), 0);
	is(PROXYPROTO_INET, "ffffffff", 65535, 56);
	CHECK_EQ(parse_line("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), 0);
	is(PROXYPROTO_INET, "00000000", 0, 32);
	CHECK_EQ(parse_line("PROXY TCP6 2001:db8::1 ::1 1 2\r\n"), 0);
	is(PROXYPROTO_INET6, "20010db8000000000000000000000001", 1, 32);
	CHECK_EQ(parse_line("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	                    "FFFF:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	         0);
	is(PROXYPROTO_INET6, "ffffffffffffffffffffffffffffffff", 65535, 104);
	CHECK_EQ(parse_line("PROXY UNKNOWN\r\n"), 0);
	is(PROXYPROTO_UNKNOWN, "", 0, 15);
	CHECK_EQ(parse_line("PROXY UNKNOWN 192.0.2.1 what ever\r\nP"), 0);
	is(PROXYPROTO_UNKNOWN, "00000000", 0, 35);
	CHECK_EQ(parse_line("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	                    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	         0);
	is(PROXYPROTO_UNKNOWN, "", 0, PROXYPROTO_V1_MAX);
}

TEST(v1_to_the_letter)
{
	static const char *const addresses[] = {
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 \r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443 1\r\n",
		"PROXY TCP4  192.0.2.1 192.0.2.2 5000 443\r\n",
		"PROXY TCP4 192.0.2.1\t192.0.2.2 5000 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000  443\r\n",
		"PROXY TCP4 192.0.2.01 192.0.2.2 5000 443\r\n",
		"PROXY TCP4 192.0.2.256 192.0.2.2 5000 443\r\n",
		"PROXY TCP4 192.0.2 192.0.2.2 5000 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.x 5000 443\r\n",
		"PROXY TCP4 ::1 ::1 5000 443\r\n",
		"PROXY TCP6 192.0.2.1 192.0.2.2 5000 443\r\n",
		"PROXY TCP6 2001:db8::1%1 ::1 1 2\r\n",
		"PROXY TCP6 2001::db8::1 ::1 1 2\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 05000 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 00\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 100000\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 -1 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n",
		"PROXY TCP4 192.0.2.1 192.0.2.2 1 0x1\r\n",
		"PROXY TCP4 \r\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		bad_line(addresses[i], "malformed addresses");
	bad_line("PROXY TCP4\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	bad_line("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	bad_line("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	bad_line("PROXY UNKNOWNS\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	bad_line("PROXY unknown\r\n", "neither TCP4, TCP6 nor UNKNOWN");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "a line that does not end with CR LF");
	bad_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\rX", "a line that does not end with CR LF");
	bad_line("PROXY UNKNOWN a\rb\r\n", "a line that does not end with CR LF");
	bad(parse((const uint8_t *)"PROXY UNKNOWN\0\r\n", 16), -EBADMSG,
	    "a line that does not end with CR LF");
	bad_line("PROXYTCP4", "something else");
	bad_line("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "something else");
	bad_line("GET / HTTP/1.1\r\n", "something else");
	bad_line("P\x10", "something else");
}

TEST(v1_length)
{
	char line[200];

	memset(line, 'x', sizeof(line));
	memcpy(line, "PROXY UNKNOWN ", 14);
	for (size_t n = 1; n < PROXYPROTO_V1_MAX; n++)
		CHECK_EQ(parse((uint8_t *)line, n), -EAGAIN);
	for (size_t n = PROXYPROTO_V1_MAX; n < sizeof(line); n++)
		bad(parse((uint8_t *)line, n), -EMSGSIZE, "a line of more than 107 bytes");
	memcpy(line + 105, "\r\n", 2);
	CHECK_EQ(parse((uint8_t *)line, 106), -EAGAIN);
	CHECK_EQ(parse((uint8_t *)line, sizeof(line)), 0);
	CHECK_EQ(got.len, 107);
	memcpy(line + 105, "x\r\n", 3);
	bad(parse((uint8_t *)line, sizeof(line)), -EMSGSIZE, "a line of more than 107 bytes");
}

TEST(v2)
{
	CHECK_EQ(parse_hex(V4 "5018"), 0);
	is(PROXYPROTO_INET, "c0000201", 5000, 28);
	CHECK_EQ(parse_hex(V6), 0);
	is(PROXYPROTO_INET6, "20010db8000000000000000000000001", 5000, 52);
	CHECK_EQ(parse_hex(SIGNATURE "20000000"), 0);
	is(PROXYPROTO_LOCAL, "", 0, 16);
	/* a local connection's addresses are skipped, whatever they are */
	CHECK_EQ(parse_hex(SIGNATURE "20ff0003 010203 50"), 0);
	is(PROXYPROTO_LOCAL, "00000000", 0, 19);
	CHECK_EQ(parse_hex(SIGNATURE "2111000c c0000201 c0000202 1388 01bb"), 0);
	CHECK_EQ(parse_hex(SIGNATURE "2011000c c0000201 c0000202 1388 01bb"), 0);
	is(PROXYPROTO_LOCAL, "00000000", 0, 28);
	/* no family, or no protocol, or UDP */
	CHECK_EQ(parse_hex(SIGNATURE "21000001 ff"), 0);
	is(PROXYPROTO_UNKNOWN, "00000000", 0, 17);
	CHECK_EQ(parse_hex(SIGNATURE "2110000c c0000201 c0000202 1388 01bb"), 0);
	is(PROXYPROTO_UNKNOWN, "00000000", 0, 28);
	CHECK_EQ(parse_hex(SIGNATURE "2112000c c0000201 c0000202 1388 01bb"), 0);
	is(PROXYPROTO_UNKNOWN, "00000000", 0, 28);
}

TEST(v2_unix)
{
	uint8_t buf[16 + 216];

	memset(buf, 0, sizeof(buf));
	test_unhex(SIGNATURE "213100d8", buf, sizeof(buf));
	memcpy(buf + 16, "/run/client", 11);
	CHECK_EQ(parse(buf, sizeof(buf)), 0);
	is(PROXYPROTO_UNKNOWN, "00000000", 0, sizeof(buf));
	buf[15]--;
	bad(parse(buf, sizeof(buf) - 1), -EBADMSG, "too short for its addresses");
}

TEST(v2_fields)
{
	/* an authority and padding */
	CHECK_EQ(
		parse_hex(SIGNATURE "21110016 c0000201 c0000202 1388 01bb 020004 676174 65 040000"),
		0);
	is(PROXYPROTO_INET, "c0000201", 5000, 38);
	bad_hex(SIGNATURE "2111000e c0000201 c0000202 1388 01bb 0400", "a field that is cut off");
	bad_hex(SIGNATURE "2111000f c0000201 c0000202 1388 01bb 040001",
	        "a field that is longer than the header");
	bad_hex(SIGNATURE "21110010 c0000201 c0000202 1388 01bb 04ffff00",
	        "a field that is longer than the header");
	bad_hex(SIGNATURE "2111000b c0000201 c0000202 1388 01", "too short for its addresses");
	bad_hex(SIGNATURE "2121000c c0000201 c0000202 1388 01bb", "too short for its addresses");
}

#define V4_WITH(len) SIGNATURE "211100" len "c0000201 c0000202 1388 01bb"

TEST(v2_tls)
{
	static const struct {
		const char *header;
		bool tls;
	} good[] = {
		{V4, false},
		{V4_WITH("14") "200005 01 00000000", true},
		{V4_WITH("14") "200005 00 00000000", false}, /* only says that there is none */
		{V4_WITH("14") "200005 06 00000001", false}, /* of a certificate, not of TLS */
		{V4_WITH("1e") "200005 07 00000000 020007 67617465776179", true},
		{V4_WITH("23") "200014 01 00000000 210007 544c5376312e33 220002 434e", true},
		{SIGNATURE "20000008 200005 01 00000000", false}, /* its own connection */
		{SIGNATURE "21000008 200005 01 00000000", false}, /* of no family: not read */
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		CHECK_EQ(parse_hex(good[i].header), 0);
		CHECK_EQ(got.tls, good[i].tls);
	}
	bad_hex(V4_WITH("13") "200004 01 000000", "a field on TLS that is too short");
	bad_hex(V4_WITH("0f") "200000", "a field on TLS that is too short");
	bad_hex(V4_WITH("16") "200007 01 00000000 2100", "a field that is cut off");
	bad_hex(V4_WITH("17") "200008 01 00000000 210001",
	        "a field that is longer than the header");
	/* its own fields end with it, whatever comes after */
	bad_hex(V4_WITH("1b") "200008 01 00000000 210004 040001 00",
	        "a field that is longer than the header");
}

TEST(v2_checksum)
{
	/* made by an independent implementation; the field need not be the last */
	CHECK_EQ(parse_hex(SIGNATURE "21110013 c0000201 c0000202 1388 01bb 030004 1bcc8e95"), 0);
	is(PROXYPROTO_INET, "c0000201", 5000, 35);
	CHECK_EQ(parse_hex(SIGNATURE "21110016 c0000201 c0000202 1388 01bb 030004 1806fc98 040000"),
	         0);
	bad_hex(SIGNATURE "21110013 c0000201 c0000202 1388 01bb 030004 00000000",
	        "a wrong checksum");
	bad_hex(SIGNATURE "21110013 c0000203 c0000202 1388 01bb 030004 1bcc8e95",
	        "a wrong checksum");
	bad_hex(SIGNATURE "21110012 c0000201 c0000202 1388 01bb 030003 000000", "a wrong checksum");
}

TEST(v2_fixed_part)
{
	bad_hex(SIGNATURE "11", "a version that is not 2");
	bad_hex(SIGNATURE "31", "a version that is not 2");
	bad_hex(SIGNATURE "22", "an unknown command");
	bad_hex(SIGNATURE "2141", "an unknown address family or protocol");
	bad_hex(SIGNATURE "2113", "an unknown address family or protocol");
	bad_hex("0d0a0d0a000d0a515549540b", "something else");
	bad(parse_hex(SIGNATURE "2111 0ff1"), -EMSGSIZE, "more than 4096 bytes");
	bad(parse_hex(SIGNATURE "2000 ffff"), -EMSGSIZE, "more than 4096 bytes");
	CHECK_EQ(parse_hex(SIGNATURE "2111 0ff0"), -EAGAIN);
}

/* Cut anywhere, the next byte is waited for; read as it is missing, no byte too many is read. */
static void check_cuts(const uint8_t *data, size_t len)
{
	for (size_t n = 0; n < len; n++) {
		test_note("%zu of %zu bytes", n, len);
		CHECK_EQ(parse(data, n), -EAGAIN);
		CHECK(n + proxyproto_missing(data, n) <= len);
	}
	CHECK_EQ(parse(data, len), 0);
	CHECK_EQ(got.len, len);
	test_mutate(data, len, property_check);
}

TEST(cuts_and_flipped_bits)
{
	static const char *const lines[] = {
		"PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\n",
		"PROXY TCP6 2001:db8::1 2001:db8::2 5000 443\r\n",
		"PROXY UNKNOWN\r\n",
		"PROXY UNKNOWN and more\r\n",
	};
	static const char *const headers[] = {
		V4, V6, SIGNATURE "20000000",
		SIGNATURE "21110013 c0000201 c0000202 1388 01bb 030004 1bcc8e95"};
	uint8_t buf[64];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		check_cuts((const uint8_t *)lines[i], strlen(lines[i]));
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		check_cuts(buf, test_unhex(headers[i], buf, sizeof(buf)));
}

TEST(followed_by_a_client)
{
	static const char *const headers[] = {V4, SIGNATURE "20000000"};
	uint8_t buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
		size_t n = test_unhex(headers[i], buf, sizeof(buf));

		n += test_unhex("50100000 00000040 c28568656c6c6f", buf + n, sizeof(buf) - n);
		test_mutate(buf, n, property_check);
	}
	test_mutate("PROXY TCP4 192.0.2.1 192.0.2.2 5000 443\r\nP\x10\0\0\0", 46, property_check);
}
