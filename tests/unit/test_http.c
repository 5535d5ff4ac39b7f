/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_http.c - wire/http.c: the head of an HTTP/1 message.
 */
#include "tests/unit/test.h"

#define PROPERTY CHECK
#include "tests/unit/http_property.h"

static struct http_head head;
static const char *why;

static int request(const char *text)
{
	test_note("%.60s", text);
	why = NULL;
	property_check((const uint8_t *)text, strlen(text));
	return http_parse_request((const uint8_t *)text, strlen(text), &head, &why);
}

static bool is(struct http_text t, const char *text)
{
	return t.data && t.len == strlen(text) && memcmp(t.data, text, t.len) == 0;
}

TEST(request)
{
	CHECK_EQ(
		request("GET /a?b HTTP/1.1\r\nHost:  x \t\r\nEmpty:\r\nhost: y\r\nAccept-Encoding: "
	                "gzip;q=1, BR\r\n\r\nrest"),
		0);
	CHECK(is(head.method, "GET") && is(head.target, "/a?b"));
	CHECK_EQ(head.minor, 1);
	CHECK_EQ(head.count, 4);
	CHECK(is(http_field(&head, "HOST"), "x"));
	CHECK(is(http_field(&head, "empty"), ""));
	CHECK(!http_field(&head, "none").data);
	CHECK_EQ(http_field_count(&head, "host"), 2);
	CHECK(http_list_has(&head, "accept-encoding", "gzip"));
	CHECK(http_list_has(&head, "accept-encoding", "br"));
	CHECK(http_list_has(&head, "host", "y"));
	CHECK(!http_list_has(&head, "accept-encoding", "b"));
	CHECK(!http_list_has(&head, "empty", "b"));
	CHECK_EQ(request("HEAD * HTTP/1.0\r\n\r\n"), 0);
	CHECK_EQ(head.minor, 0);
	CHECK_EQ(head.len, 19);
}

TEST(not_whole)
{
	static const char *const parts[] = {"",
	                                    "G",
	                                    "GET / HTTP/1.1",
	                                    "GET / HTTP/1.1\r",
	                                    "GET / HTTP/1.1\r\n",
	                                    "GET / HTTP/1.1\r\nA: b\r\n",
	                                    "GET / HTTP/1.1\r\nA: b\r\n\r"};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		CHECK_EQ(request(parts[i]), -EAGAIN);
}

TEST(malformed)
{
	static const char *const lines[] = {
		"GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\r \r\n",
		"GET  / HTTP/1.1\r\n",
		"GET / HTTP/1.1 \r\n",
		" GET / HTTP/1.1\r\n",
		"GET /\r\n",
		"GET\r\n",
		"\r\n",
		"G(T / HTTP/1.1\r\n",
		"GET /\x7f HTTP/1.1\r\n",
		"GET / HTTP/1,1\r\n",
		"GET / http/1.1\r\n",
		"GET /\tx HTTP/1.1\r\n",
	};
	static const char *const fields[] = {
		"A b: c\r\n", "A : b\r\n", " folded: x\r\n", "\tA: x\r\n", "A\r\n",
		": x\r\n",    "A: \x01",   "A: b\nB: c\r\n", "A: \x1b[2J", "A: b\rB: c",
	};
	char text[200];

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		CHECK_EQ(request(lines[i]), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s", fields[i]);
		CHECK_EQ(request(text), -EBADMSG);
	}
	CHECK_EQ(request("PRI * HTTP/2.0\r\n\r\n"), -EPROTO);
	CHECK_EQ(http_parse_request((const uint8_t *)"GET /\0 HTTP/1.1\r\n", 17, &head, &why),
	         -EBADMSG);
}

TEST(limits)
{
	static char text[2 * HTTP_HEAD_MAX];
	size_t n;

	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET /", 5);
	CHECK_EQ(request(text), -ENAMETOOLONG);
	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nA: ");
	text[n] = 'b';
	CHECK_EQ(request(text), -EMSGSIZE);
	memcpy(text + HTTP_HEAD_MAX - 4, "\r\n\r\n", 4);
	CHECK_EQ(request(text), 0);
	CHECK_EQ(head.len, HTTP_HEAD_MAX);
	memcpy(text + HTTP_HEAD_MAX - 4, "bb\r\n\r\n", 6);
	CHECK_EQ(request(text), -EMSGSIZE);
	n = (size_t)snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n");
	for (size_t i = 0; i < HTTP_FIELDS_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "A: b\r\n");
	snprintf(text + n, sizeof(text) - n, "\r\n");
	CHECK_EQ(request(text), 0);
	snprintf(text + n, sizeof(text) - n, "C: d\r\n\r\n");
	CHECK_EQ(request(text), -EMSGSIZE);
}

static int response(const char *text)
{
	test_note("%s", text);
	return http_parse_response((const uint8_t *)text, strlen(text), &head, &why);
}

TEST(response)
{
	CHECK_EQ(response("HTTP/1.1 101 Switching Protocols\r\nA: b\r\n\r\n"), 0);
	CHECK_EQ(head.status, 101);
	CHECK_EQ(response("HTTP/1.0 200\r\n\r\n"), 0);
	CHECK_EQ(response("HTTP/1.1 200 \r\n\r\n"), 0);
	CHECK_EQ(response("HTTP/2.0 200 OK\r\n\r\n"), -EPROTO);
	CHECK_EQ(response("HTTP/1.1 20 OK\r\n\r\n"), -EBADMSG);
	CHECK_EQ(response("HTTP/1.1 2000 OK\r\n\r\n"), -EBADMSG);
	CHECK_EQ(response("HTTP/1.1 099 OK\r\n\r\n"), -EBADMSG);
	CHECK_EQ(response("GET / HTTP/1.1\r\n\r\n"), -EBADMSG);
}

static const char *path(const char *target)
{
	static char buf[32];
	int r;

	test_note("%s", target);
	r = http_path((struct http_text){target, strlen(target)}, buf, sizeof(buf));
	return r == 0 ? buf : r == -EBADMSG ? "bad" : "long";
}

TEST(paths)
{
	CHECK_STR(path("/"), "/");
	CHECK_STR(path("/a/b.js?c=/../"), "/a/b.js");
	CHECK_STR(path("/a#b"), "/a");
	CHECK_STR(path("/%61%2F%2e%2E%2f"), "/a/../"); /* decoded before anything looks at it */
	CHECK_STR(path("/%2561"), "/%61");             /* once */
	CHECK_STR(path("http://example.org/a"), "/a");
	CHECK_STR(path("HTTPS://example.org:1/a"), "/a");
	CHECK_STR(path("http://example.org"), "bad");
	CHECK_STR(path("*"), "bad");
	CHECK_STR(path("a"), "bad");
	CHECK_STR(path("/%00"), "bad");
	CHECK_STR(path("/%"), "bad");
	CHECK_STR(path("/%6"), "bad");
	CHECK_STR(path("/%6g"), "bad");
	CHECK_STR(path("/%g6"), "bad");
	CHECK_STR(path("/123456789012345678901234567890"), "/123456789012345678901234567890");
	CHECK_STR(path("/1234567890123456789012345678901"), "long");
}

TEST(mutations)
{
	static const char golden[] = "GET /%61 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
				     "Connection: Upgrade\r\n\r\n";

	test_mutate(golden, sizeof(golden) - 1, property_check);
}
