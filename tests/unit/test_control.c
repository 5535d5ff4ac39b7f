/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control socket: every request in every encoder, and what no client should send. Links
 * session/control.c, info.c, wire/.
 */
#include "tests/unit/control_server.h"

#include <fcntl.h>
#include <sys/wait.h>

static void asks(const char *caps, const char *expected)
{
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		size_t len = hello(encoders[i], "hello", caps);

		test_note("%s: %s", encoder_name(encoders[i]), caps);
		CHECK_EQ(talk(request, len), 0);
		CHECK_STR(answer_text(encoders[i]), expected);
	}
}

#define UNSUPPORTED                                                                               \
	"disconnect|control command error|this socket only handles 'info', 'version' and 'stop' " \
	"requests|}"

TEST(requests)
{
	start();
	asks("request=version", "hello|{version|" XPROXY_VERSION "|}}");
	asks("version_request", "hello|{version|" XPROXY_VERSION "|}}");
	asks("request=version full-version-request", "hello|{version|" XPROXY_VERSION "|}}");
	asks("request=id info_request",
	     "hello|{pid|4711|platform|linux|session-type|proxy-instance|uuid|"
	     "00060a24181e40000000000000001267|}}");
	asks("", UNSUPPORTED);
	asks("request=screenshot", UNSUPPORTED);
	asks("request=inf", UNSUPPORTED);
	asks("info_request=no", UNSUPPORTED);
	asks("request=info challenge",
	     "disconnect|authentication error|this socket does not use authentication|}");
	CHECK_EQ(stopped, 0);
}

TEST(stops)
{
	start();
	asks("request=stop", "disconnect|server shutdown|socket request|}");
	CHECK_EQ(stopped, ARRAY_SIZE(encoders));
	CHECK_STR(stop.reason, "server shutdown");
	CHECK_STR(stop.text, "socket request");
	asks("stop_request", "disconnect|server shutdown|socket request|}");
	CHECK_EQ(stopped, 2 * ARRAY_SIZE(encoders));
	asks("request=stop challenge",
	     "disconnect|authentication error|this socket does not use authentication|}");
	CHECK_EQ(stopped, 2 * ARRAY_SIZE(encoders));
}

TEST(other_packets)
{
	start();
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		CHECK_EQ(talk(request, hello(encoders[i], "ping", "request=stop")), 0);
		CHECK_STR(answer_text(encoders[i]), UNSUPPORTED);
	}
	CHECK_EQ(stopped, 0);
}

TEST(info)
{
	static const char *const flat[] = {"|proxy.version|" XPROXY_VERSION "|",
	                                   "|proxy.latency.client|2|",
	                                   "|proxy.worker-pid|4712|",
	                                   "|proxy.unit|xproxy@1.service|",
	                                   "|connection.client.input.bytecount|12345|",
	                                   "|connection.client.output.reencoded|3|",
	                                   "|connection.server.output.bytecount|12345|",
	                                   "|connection.server.encoder|rencodeplus|",
	                                   "{connection.client.compressor|lz4|",
	                                   "|session.user|bob|",
	                                   "|session.since|1700000000|",
	                                   "|session.upstream|tcp://h:1|"};
	start();
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		const char *text;

		CHECK_EQ(talk(request, hello(encoders[i], "hello", "request=info")), 0);
		text = answer_text(encoders[i]);
		for (size_t k = 0; k < ARRAY_SIZE(flat); k++) {
			test_note("%s", flat[k]);
			CHECK(strstr(text, flat[k]));
		}
		CHECK(!strstr(text, "session.server")); /* not known */
		CHECK(!strstr(text, "latency.server"));
		CHECK_EQ(talk(request, hello(encoders[i], "hello", "info_request info-namespace")),
		         0);
		text = answer_text(encoders[i]);
		CHECK(strstr(text, "}proxy|{latency|{client|2|}pid|4711|"));
		CHECK(strstr(text, "}session|{client|"));
		CHECK(strstr(text, "user|bob|}}"));
	}
}

TEST(byte_by_byte)
{
	size_t len;
	int fd;

	start();
	len = hello(ENCODER_RENCODE, "hello", "request=version");
	fd = join();
	for (size_t i = 0; i < len; i++) {
		CHECK_EQ(recv(fd, answer, sizeof(answer), 0), -1);
		CHECK_EQ(send(fd, request + i, 1, MSG_NOSIGNAL), 1);
		serve();
	}
	answer_len = (size_t)recv(fd, answer, sizeof(answer), 0);
	CHECK_STR(answer_text(ENCODER_RENCODE), "hello|{version|" XPROXY_VERSION "|}}");
	CHECK_EQ(send(fd, request, len, MSG_NOSIGNAL), len); /* one answer is all there is */
	serve();
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), -1);
	CHECK_EQ(errno, EAGAIN);
	close(fd);
	serve();
}

TEST(compressed)
{
	static uint8_t packed[sizeof(request)];
	struct header h = {.flags = ENCODER_RENCODE, .compression = COMPRESSION_LZ4};
	size_t len, n;

	start();
	len = hello(ENCODER_RENCODE, "hello",
	            "request=version a=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	CHECK_EQ(compress_lz4(request + HEADER_LEN, len - HEADER_LEN, packed + HEADER_LEN,
	                      sizeof(packed) - HEADER_LEN, &n),
	         0);
	h.size = (uint32_t)n;
	header_build(packed, &h);
	CHECK_EQ(talk(packed, HEADER_LEN + n), 0);
	CHECK_STR(answer_text(ENCODER_RENCODE), "hello|{version|" XPROXY_VERSION "|}}");
	memset(packed + HEADER_LEN, 0xff, 4); /* says it is 4 GiB */
	CHECK_EQ(talk(packed, HEADER_LEN + n), 0);
	CHECK_STR(answer_text(ENCODER_RENCODE), "disconnect|protocol error|malformed packet|}");
}

/* One header alone. */
static int talk_header(uint8_t flags, uint8_t index, uint32_t size)
{
	struct header h = {.flags = flags, .index = index, .size = size};
	uint8_t raw[HEADER_LEN];

	header_build(raw, &h);
	return talk(raw, sizeof(raw));
}

TEST(bad_records)
{
	start();
	CHECK_EQ(talk("GET / HTTP/1.0\r\n\r\n", 18), 1);
	CHECK_EQ(answer_len, 0);
	CHECK_EQ(talk_header(ENCODER_RENCODE, 0, 0), 1);
	CHECK_EQ(talk_header(ENCODER_YAML, 0, 1u << 20), 0);
	CHECK_STR(answer_text(ENCODER_YAML), "disconnect|protocol error|the request is too big|}");
	CHECK_EQ(talk_header(ENCODER_RENCODE, 0, 1u << 20), 0);
	CHECK_STR(answer_text(ENCODER_RENCODE),
	          "disconnect|protocol error|the request is too big|}");
	CHECK_EQ(talk_header(ENCODER_RENCODEPLUS, 0, UINT32_MAX), 0);
	CHECK_STR(answer_text(ENCODER_RENCODEPLUS),
	          "disconnect|protocol error|the request is too big|}");
	CHECK_EQ(talk_header(ENCODER_RENCODE | HEADER_CIPHER, 0, 100), 0);
	CHECK(strstr(answer_text(ENCODER_RENCODE), "protocol error"));
	CHECK_EQ(talk_header(0, 1, 100), 0);
	CHECK(strstr(answer_text(ENCODER_BENCODE), "protocol error"));
	CHECK_EQ(talk("P\0\0\0\0\0\0\5lx:ee", 13), 0);
	CHECK_STR(answer_text(ENCODER_BENCODE), "disconnect|protocol error|malformed packet|}");
}

/* Serves as after a poll() that timed out. */
static void skip(time_t seconds)
{
	struct pollfd fds[CONTROL_FDS_MAX];
	uint64_t deadline = USEC_INFINITY;
	size_t n = control_poll(control, fds, &deadline);

	skipped_sec += seconds;
	(void)poll(fds, n, 0);
	(void)control_serve(control, fds, n, &stop);
}

static void hears(int fd, const char *expected)
{
	ssize_t n = recv(fd, answer, sizeof(answer), 0);

	CHECK(n > 0);
	answer_len = (size_t)n;
	CHECK_STR(answer_text(ENCODER_RENCODE), expected);
}

TEST(silent_client)
{
	int fd;

	start();
	fd = join();
	serve();
	skip(19);
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), -1);
	skip(2);
	hears(fd, "disconnect|login timeout|}");
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), -1);
	skip(2);
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), 0);
	close(fd);
}

TEST(client_that_stays)
{
	int fd;

	start();
	fd = join();
	serve();
	CHECK(send(fd, request, hello(ENCODER_RENCODE, "hello", "request=version"), 0) > 0);
	serve();
	hears(fd, "hello|{version|" XPROXY_VERSION "|}}");
	skip(4);
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), -1);
	skip(2);
	hears(fd, "disconnect|client exit timeout|version sent|}");
	skip(2);
	CHECK_EQ(recv(fd, answer, sizeof(answer), 0), 0);
	close(fd);
}

TEST(too_many_clients)
{
	int fds[CONTROL_CLIENTS_MAX + 5];
	unsigned closed = 0;

	start();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = join();
	serve();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		closed += recv(fds[i], answer, 1, 0) == 0;
	CHECK_EQ(closed, 5);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	serve();
	CHECK_EQ(talk(request, hello(ENCODER_RENCODE, "hello", "request=version")), 0);
}

TEST(foreign_users)
{
	int status, fd;
	pid_t child;

	if (getuid() != 0)
		return;
	start(); /* the listener is root's: nobody else may talk */
	child = fork();
	if (child == 0) {
		if (setuid(12345) < 0)
			_exit(2);
		fd = join();
		(void)fcntl(fd, F_SETFL, 0);
		_exit(recv(fd, answer, 1, 0) == 0 ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		serve();
	CHECK_EQ(status, 0);
}

static void check_mutant(const uint8_t *data, size_t len)
{
	int closed = talk(data, len);

	if (closed || answer_len == 0)
		return;
	CHECK(answer_len > HEADER_LEN && answer[0] == 'P');
}

TEST(mutations)
{
	static uint8_t golden[4096];

	start();
	for (size_t i = 0; i < ARRAY_SIZE(encoders); i++) {
		size_t len = hello(encoders[i], "hello", "request=info info-namespace x=y");

		memcpy(golden, request, len);
		test_mutate(golden, len, check_mutant);
	}
}
