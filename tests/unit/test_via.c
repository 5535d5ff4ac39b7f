/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_via.c - the answers of SOCKS5 and HTTP proxies, and the bytes that they are asked
 * with. Links session/via.c, wire/http.c.
 */
#include "session/via.h"

#include "base/clock.h"
#include "base/macros.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

#define PROPERTY CHECK
#include "tests/unit/via_property.h"

static char err[RPC_TEXT_MAX];

#define REPLY(kind, text) (err[0] = '\0', kind((const uint8_t *)(text), sizeof(text) - 1, err))

TEST(socks_replies)
{
	CHECK_EQ(REPLY(via_socks_reply, ""), -EAGAIN);
	CHECK_EQ(REPLY(via_socks_reply, "\5\0\0\1"), -EAGAIN);
	CHECK_EQ(REPLY(via_socks_reply, "\5\0\0\1\x7f"), 10);
	CHECK_EQ(REPLY(via_socks_reply, "\5\0\0\4\0"), 22);
	CHECK_EQ(REPLY(via_socks_reply, "\5\0\0\3\7"), 14);
	CHECK_EQ(REPLY(via_socks_reply, "\5\0\0\2\7"), -EPROTO);
	CHECK_EQ(REPLY(via_socks_reply, "\4"), -EPROTO);
	CHECK_STR(err, "it does not speak SOCKS5");
	CHECK_EQ(REPLY(via_socks_reply, "\5\5"), -ECONNREFUSED);
	CHECK_STR(err, "connection refused");
	CHECK_EQ(REPLY(via_socks_reply, "\5\x63"), -ECONNREFUSED);
	CHECK_STR(err, "error 99");
}

TEST(http_replies)
{
	CHECK_EQ(REPLY(via_http_reply, ""), -EAGAIN);
	CHECK_EQ(REPLY(via_http_reply, "HTTP/1.1 200 Connection established\r\nA: b\r\n"), -EAGAIN);
	CHECK_EQ(REPLY(via_http_reply, "HTTP/1.1 200 OK\r\n\r\nmore"), 19);
	CHECK_EQ(REPLY(via_http_reply, "HTTP/1.0 407 Authenticate\r\n\r\n"), -ECONNREFUSED);
	CHECK(strstr(err, "407"));
	CHECK_EQ(REPLY(via_http_reply, "HTTP/1.1 101 Switching\r\n\r\n"), -ECONNREFUSED);
	CHECK_EQ(REPLY(via_http_reply, "SSH-2.0-x\r\n"), -EPROTO);
}

TEST(properties)
{
	static const char seeds[][40] = {"HTTP/1.1 200 OK\r\nA: b\r\n\r\nrest",
	                                 "\5\0\0\1\x7f\0\0\1\0\1rest", "\5\0\0\3\3abc\0\1"};
	uint8_t data[40];

	for (size_t i = 0; i < ARRAY_SIZE(seeds); i++)
		for (size_t at = 0; at < sizeof(data); at++)
			for (unsigned byte = 0; byte < 256; byte += 5) {
				memcpy(data, seeds[i], sizeof(data));
				data[at] = (uint8_t)byte;
				property_check(data, sizeof(data));
			}
}

static struct session_options options;

/* What is asked, when the answers are these. */
static size_t ask(const char *host, const void *answer, size_t len, int expected, uint8_t *buf,
                  size_t size)
{
	int pair[2];
	ssize_t n;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	CHECK_EQ(write(pair[1], answer, len), (ssize_t)len);
	err[0] = '\0';
	CHECK_EQ(via_connect(pair[0], &options, host, "14500", now_usec() + 200 * USEC_PER_MSEC,
	                     err),
	         expected);
	CHECK_EQ(err[0] != '\0', expected != 0);
	close(pair[0]);
	n = read(pair[1], buf, size);
	close(pair[1]);
	return n > 0 ? (size_t)n : 0;
}

#define ASK(host, answer, expected) \
	ask(host, answer, sizeof(answer) - 1, expected, buf, sizeof(buf) - 1)

TEST(socks_requests)
{
	uint8_t buf[1000];

	session_options_clear(&options);
	options.via = VIA_SOCKS5;
	CHECK_EQ(ASK("far", "\5\0\5\0\0\1\0\0\0\0\0\0", 0), 3 + 10);
	CHECK(memcmp(buf, "\5\1\0\5\1\0\3\3far\x38\xa4", 13) == 0);
	CHECK_EQ(ASK("10.0.0.7", "\5\0\5\0\0\3\0\0\0", 0), 3 + 10);
	CHECK(memcmp(buf + 3, "\5\1\0\1\xa\0\0\7\x38\xa4", 10) == 0);
	CHECK_EQ(ASK("::1", "\5\0\5\0\0\1\0\0\0\0\0\0", 0), 3 + 22);
	CHECK_EQ(buf[6], 4);
	CHECK_EQ(ASK("far", "\5\2", -EACCES), 3);
	CHECK_EQ(ASK("far", "\5", -ETIMEDOUT), 3);
	snprintf(options.via_username, sizeof(options.via_username), "me");
	snprintf(options.via_password, sizeof(options.via_password), "pw");
	CHECK_EQ(ASK("far", "\5\2\1\0\5\0\0\1\0\0\0\0\0\0", 0), 4 + 7 + 10);
	CHECK(memcmp(buf, "\5\2\0\2\1\2me\2pw\5\1\0\3", 15) == 0);
	CHECK_EQ(ASK("far", "\5\2\1\1", -EACCES), 4 + 7);
	CHECK_EQ(ASK("far", "\5\0\5\0\0\1\0\0\0\0\0\0", 0), 4 + 10);
}

TEST(http_requests)
{
	uint8_t buf[1000];

	session_options_clear(&options);
	options.via = VIA_HTTP;
	buf[ASK("::1", "HTTP/1.1 200 OK\r\n\r\n", 0)] = '\0';
	CHECK_STR((char *)buf, "CONNECT [::1]:14500 HTTP/1.1\r\nHost: [::1]:14500\r\n\r\n");
	snprintf(options.via_username, sizeof(options.via_username), "me");
	snprintf(options.via_password, sizeof(options.via_password), "pw");
	buf[ASK("far", "HTTP/1.1 200 OK\r\n\r\n", 0)] = '\0';
	CHECK(strstr((char *)buf, "\r\nProxy-Authorization: Basic bWU6cHc=\r\n\r\n"));
	memset(options.via_username, 'u', 255);
	memset(options.via_password, 'p', 255);
	(void)ASK("far", "HTTP/1.1 200 OK\r\n\r\n", 0);
}
