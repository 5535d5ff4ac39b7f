/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_netaddr.c - base/netaddr.c: networks, and which addresses are in them.
 */
#include "base/netaddr.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>

static struct netaddr address(const char *text)
{
	struct netaddr a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	CHECK_EQ(inet_pton(a.family, text, a.bytes), 1);
	return a;
}

/* networks: blanks between */
static bool is_in(const char *text, const char *networks)
{
	struct netaddr_list l = {0};
	struct netaddr a = address(text);
	char word[64];
	int n;

	test_note("%s in %s", text, networks);
	for (; sscanf(networks, " %63s%n", word, &n) == 1; networks += n)
		CHECK_EQ(netaddr_parse_range(word, &l.ranges[l.count++]), 0);
	return netaddr_listed(&l, &a);
}

TEST(in)
{
	CHECK(is_in("127.0.0.1", "127.0.0.0/8 ::1/128"));
	CHECK(is_in("127.255.255.255", "127.0.0.0/8"));
	CHECK(is_in("::1", "127.0.0.0/8 ::1/128"));
	CHECK(is_in("192.0.2.1", "192.0.2.1"));
	CHECK(is_in("192.0.2.1", "192.0.2.1/32"));
	CHECK(is_in("192.0.2.129", "192.0.2.128/25"));
	CHECK(is_in("192.0.2.131", "192.0.2.130/31"));
	CHECK(is_in("255.255.255.255", "0.0.0.0/0"));
	CHECK(is_in("128.0.0.0", "128.0.0.0/1"));
	CHECK(is_in("2001:db8:ffff::1", "2001:db8::/32"));
	CHECK(is_in("2001:db8:8::", "2001:db8:8::/45"));
	CHECK(is_in("2001:db8:f::", "2001:db8:8::/45"));
	CHECK(is_in("2001:db8::", "::/0"));
	CHECK(is_in("10.1.2.3", "192.0.2.0/24 2001:db8::/32 10.0.0.0/8"));
}

TEST(not_in)
{
	CHECK(!is_in("127.0.0.1", ""));
	CHECK(!is_in("128.0.0.1", "127.0.0.0/8"));
	CHECK(!is_in("126.255.255.255", "127.0.0.0/8"));
	CHECK(!is_in("192.0.2.127", "192.0.2.128/25"));
	CHECK(!is_in("192.0.2.132", "192.0.2.130/31"));
	CHECK(!is_in("192.0.2.2", "192.0.2.1"));
	CHECK(!is_in("127.255.255.255", "128.0.0.0/1"));
	CHECK(!is_in("::2", "::1"));
	CHECK(!is_in("2001:db9::1", "2001:db8::/32"));
	CHECK(!is_in("2001:db8:10::", "2001:db8:8::/45"));
	CHECK(!is_in("2001:db8::1", "0.0.0.0/0 unix"));
}

TEST(mapped)
{
	struct netaddr a = address("::ffff:192.0.2.1"), b = address("::fffe:192.0.2.1");
	const uint8_t plain[16] = {192, 0, 2, 1};

	/* what comes as IPv6 and is IPv4 is in IPv4 networks, and only there */
	CHECK(is_in("::ffff:192.0.2.1", "192.0.2.0/24"));
	CHECK(!is_in("::ffff:192.0.2.1", "::/0"));
	CHECK(!is_in("192.0.2.1", "::/0"));
	/* as is a network that is written so */
	CHECK(is_in("192.0.2.1", "::ffff:192.0.2.0/120"));
	CHECK(is_in("::ffff:192.0.2.1", "::ffff:0.0.0.0/96"));
	CHECK(!is_in("192.0.3.1", "::ffff:192.0.2.0/120"));
	netaddr_unmap(&a);
	CHECK_EQ(a.family, AF_INET);
	CHECK_MEM(a.bytes, 16, plain, 16);
	netaddr_unmap(&a);
	CHECK_MEM(a.bytes, 16, plain, 16);
	netaddr_unmap(&b);
	CHECK_EQ(b.family, AF_INET6);
}

TEST(other_families)
{
	struct netaddr_list l = {.count = 1};
	const struct netaddr local = {.family = AF_UNIX}, machine = {.family = AF_VSOCK},
			     none = {0};

	CHECK_EQ(netaddr_parse_range("unix", &l.ranges[0]), 0);
	CHECK(netaddr_listed(&l, &local));
	CHECK(!netaddr_listed(&l, &machine));
	CHECK(!netaddr_listed(&l, &none));
	CHECK_EQ(netaddr_parse_range("0.0.0.0/0", &l.ranges[0]), 0);
	CHECK(!netaddr_listed(&l, &local));
	CHECK(!netaddr_listed(&l, &machine));
}

TEST(malformed)
{
	static const char *const words[] = {
		"",
		"/",
		"/8",
		"10",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/8x",
		"10.0.0.0/+8",
		"10.0.0.0/ 8",
		"10.0.0.0/0008",
		"10.0.0.0/256",
		"10.0.0/8",
		"10.0.0.1/8",
		"10.0.0.0/6",
		"010.0.0.0/8",
		"::1/129",
		"::1/127",
		"::1/",
		"2001:db8::/12",
		"1.2.3.4.5",
		"localhost",
		"example.org",
		"unix:",
		"Unix",
		"unix:/run/x",
		"fe80::1%lo",
		"10.0.0.0/255.0.0.0",
		":",
		"1234567890123456789012345678901234567890123456789012345678901234:"};
	struct netaddr_range n;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		test_note("%s", words[i]);
		memset(&n, 'x', sizeof(n));
		CHECK_EQ(netaddr_parse_range(words[i], &n), -EINVAL);
		CHECK_EQ(n.bits, 'x'); /* written only on success */
	}
}

TEST(loopback)
{
	static const struct {
		struct netaddr a;
		bool yes;
	} cases[] = {
		{{AF_INET, {127, 0, 0, 1}}, true},
		{{AF_INET, {127, 255, 0, 9}}, true},
		{{AF_INET, {10, 0, 0, 1}}, false},
		{{AF_INET6, {[15] = 1}}, true},
		{{AF_INET6, {[14] = 1}}, false},
		{{AF_INET6, {127, 0, 0, 1}}, false},
		{{AF_INET6, {[15] = 2}}, false},
		{{AF_UNIX, {127, 0, 0, 1}}, false},
		{{0, {0}}, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		test_note("case %zu", i);
		CHECK_EQ(netaddr_loopback(&cases[i].a), cases[i].yes);
	}
}
