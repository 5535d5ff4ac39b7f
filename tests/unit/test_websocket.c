/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_websocket.c - wire/websocket.c: the handshake and frames of both roles.
 */
#include "tests/unit/test.h"

#define PROPERTY CHECK
#include "tests/unit/websocket_property.h"

#define PACKET "5010000000000007c28470696e6701" /* an xpra ping */
#define REQUEST                                                                              \
	"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade" \
	"\r\n"
#define KEY "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define BINARY "Sec-WebSocket-Protocol: foo, binary\r\n"

static const char *why;

/* ---- the handshake ---- */

TEST(accept)
{
	static const char *const pairs[][2] = {
		{"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, /* RFC 6455 1.3 */
		{"MDEyMzQ1Njc4OWFiY2RlZg==", "BACScCJPNqyz+UBoqMH89VmURoA="}, /* an xpra server */
	};
	char out[WEBSOCKET_ACCEPT_LEN + 1], key[WEBSOCKET_KEY_LEN + 1];

	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		websocket_accept((struct http_text){pairs[i][0], strlen(pairs[i][0])}, out);
		CHECK_STR(out, pairs[i][1]);
	}
	websocket_key((const uint8_t *)"0123456789abcdef", key);
	CHECK_STR(key, pairs[1][0]);
}

static int request(const char *text)
{
	struct http_head h;

	test_note("%s", text);
	why = NULL;
	CHECK_EQ(http_parse_request((const uint8_t *)text, strlen(text), &h, &why), 0);
	CHECK(websocket_requested(&h));
	return websocket_check_request(&h, &why);
}

TEST(requests)
{
	struct http_head h;
	const char *post = "POST / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n";

	CHECK_EQ(request(REQUEST KEY VERSION BINARY "\r\n"), 0);
	CHECK_EQ(request(REQUEST KEY "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Protocol: a\r\n"
	                             "Sec-WebSocket-Protocol: binary\r\n\r\n"),
	         0);
	CHECK(why == NULL);
	CHECK_EQ(request(REQUEST KEY VERSION "\r\n"), -EOPNOTSUPP);
	CHECK_EQ(request(REQUEST KEY VERSION "Sec-WebSocket-Protocol: binaryx\r\n\r\n"),
	         -EOPNOTSUPP);
	CHECK_EQ(request(REQUEST KEY BINARY "\r\n"), -EPROTO);
	CHECK_EQ(request(REQUEST KEY BINARY "Sec-WebSocket-Version: 14\r\n\r\n"), -EPROTO);
	CHECK_EQ(request(REQUEST VERSION BINARY "\r\n"), -EBADMSG);
	CHECK_EQ(request(REQUEST KEY KEY VERSION BINARY "\r\n"), -EBADMSG);
	CHECK_EQ(request(REQUEST VERSION BINARY "Sec-WebSocket-Key: MDEyMzQ1\r\n\r\n"), -EBADMSG);
	CHECK_EQ(request(REQUEST VERSION BINARY
	                 "Sec-WebSocket-Key: MDEyMzQ1!jc4OWFiY2RlZg==\r\n\r\n"),
	         -EBADMSG);
	CHECK_EQ(request("GET / HTTP/1.1\r\nUpgrade: websocket\r\n" KEY VERSION BINARY "\r\n"),
	         -EBADMSG);
	CHECK_EQ(request("GET / HTTP/1.0\r\nUpgrade: websocket\r\nConnection: "
	                 "upgrade\r\n" KEY VERSION BINARY "\r\n"),
	         -EBADMSG);
	CHECK_EQ(http_parse_request((const uint8_t *)post, strlen(post), &h, &why), 0);
	CHECK(!websocket_requested(&h));
}

static int response(const char *text)
{
	struct http_head h;

	test_note("%s", text);
	CHECK_EQ(http_parse_response((const uint8_t *)text, strlen(text), &h, &why), 0);
	return websocket_check_response(&h, "MDEyMzQ1Njc4OWFiY2RlZg==", &why);
}

TEST(responses)
{
#define SWITCH "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define ACCEPT "Sec-WebSocket-Accept: BACScCJPNqyz+UBoqMH89VmURoA=\r\n"
	CHECK_EQ(response(SWITCH ACCEPT "Sec-WebSocket-Protocol: binary\r\n\r\n"), 0);
	CHECK_EQ(response(SWITCH ACCEPT "\r\n"), -EBADMSG);
	CHECK_EQ(response(SWITCH "Sec-WebSocket-Protocol: binary\r\n\r\n"), -EBADMSG);
	CHECK_EQ(response(SWITCH "Sec-WebSocket-Accept: bACScCJPNqyz+UBoqMH89VmURoA=\r\n"
	                         "Sec-WebSocket-Protocol: binary\r\n\r\n"),
	         -EBADMSG);
	CHECK_EQ(response("HTTP/1.1 101 x\r\n" ACCEPT "Sec-WebSocket-Protocol: binary\r\n\r\n"),
	         -EBADMSG);
	CHECK_EQ(response("HTTP/1.1 403\r\n\r\n"), -ECONNREFUSED);
}

/* ---- frames ---- */

static struct property_stream got;

static int frames(const char *hex)
{
	uint8_t buf[4096];
	size_t n = test_unhex(hex, buf, sizeof(buf));

	test_note("%.100s", hex);
	property_check(buf, n);
	property_free(&got);
	got = property_read(buf, n, n);
	return got.result;
}

static void carries(const char *hex)
{
	uint8_t buf[4096];
	size_t n = test_unhex(hex, buf, sizeof(buf));

	CHECK_MEM(got.messages, got.messages_len, buf, n);
}

TEST(frames_of_every_kind)
{
	CHECK_EQ(frames("820f" PACKET), 0); /* the native client, and any server */
	carries(PACKET);
	CHECK_EQ(frames("828f37fa213d67ea213d37fa213af57e5154599d20"), 0); /* a browser */
	carries(PACKET);
	CHECK_EQ(frames("827e000f" PACKET), 0);
	carries(PACKET);
	CHECK_EQ(frames("82ff000000000000000f00000000" PACKET), 0);
	carries(PACKET);
	CHECK_EQ(frames("810161 820162 8200 8100"), 0); /* text, binary, empty */
	carries("6162");
	CHECK_EQ(frames("020161 000162 8901ff 000163 800164 820165"), 0); /* with a ping inside */
	carries("6162636465");
	CHECK_MEM(got.controls, got.controls_len, "\x09\x01\xff", 3);
	CHECK_EQ(frames("8902 6869 8a00 8882 01020304 02ea"), 0);
	carries("");
	CHECK_MEM(got.controls, got.controls_len, "\x09\x02hi\x0a\x00\x08\x02\x03\xe8", 10);
}

TEST(broken_frames)
{
	static const char *const broken[] = {
		"c200",                          /* a reserved bit: compression was not agreed on */
		"a200", "9200",                  /* the others */
		"8300", "8700",          "8b00", /* unknown */
		"8f00", "8001",                  /* nothing to continue */
		"0000", "020161 820162", "020161 810162", /* something else has to be continued */
		"0900",                                   /* a control frame in pieces */
		"897e", "88ff",                           /* and one that is too long */
	};

	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		CHECK_EQ(frames(broken[i]), -EBADMSG);
	}
	CHECK_EQ(frames("827f0000000040000001"), -EMSGSIZE);
	CHECK_EQ(frames("827f8000000000000000"), -EMSGSIZE);
	CHECK_EQ(frames("827f0000000040000000"), 0);
	CHECK_EQ(frames("8201618300"), -EBADMSG);
	carries("61"); /* what was good before the fault */
}

static void check(const uint8_t *data, size_t n)
{
	property_check(data, n);
}

TEST(mutations)
{
	uint8_t buf[256];
	size_t n = test_unhex("828f37fa213d67ea213d37fa213af57e5154599d20 020161 8901ff 807e000162",
	                      buf, sizeof(buf));

	test_mutate(buf, n, check);
}

/* What is written, of every length that matters and with either role, is read again. */
TEST(headers)
{
	static const size_t lens[] = {0, 1, 125, 126, 127, 1000, 65535, 65536, 70000};
	static uint8_t buf[80000], plain[80000];
	static const uint8_t mask[4] = {0x37, 0xfa, 0x21, 0x3d};

	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < ARRAY_SIZE(lens) * 2; i++) {
		size_t len = lens[i / 2], n;
		struct property_stream s;

		test_note("%zu bytes, role %zu", len, i % 2);
		n = websocket_header(buf, WEBSOCKET_BINARY, len, i % 2 ? mask : NULL);
		CHECK(n <= WEBSOCKET_HEADER_MAX);
		memcpy(buf + n, plain, len);
		if (i % 2) { /* in two pieces, as a writer may have to */
			websocket_mask(buf + n, len / 3, mask, 0);
			websocket_mask(buf + n + len / 3, len - len / 3, mask, len / 3);
		}
		s = property_read(buf, n + len, 1009);
		CHECK_EQ(s.result, 0);
		CHECK_EQ(s.r.header_len, 0);
		CHECK_MEM(s.messages, s.messages_len, plain, len);
		property_free(&s);
	}
	CHECK_EQ(websocket_header(buf, WEBSOCKET_BINARY, 200, NULL), 4);
	CHECK_MEM(buf, 4, "\x82\x7e\x00\xc8", 4);
}
