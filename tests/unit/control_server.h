/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/control_server.h - a control socket to talk to; include it once in each test binary.
 */
#pragma once

#include "session/control.h"

#include "base/clock.h"
#include "tests/unit/test.h"
#include "wire/packet.h"
#include "wire/yaml.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/* The clock, which tests move. */
static time_t skipped_sec;

int clock_gettime(clockid_t id, struct timespec *ts)
{
	long r = syscall(SYS_clock_gettime, id, ts);

	ts->tv_sec += skipped_sec;
	return (int)r;
}

__attribute__((unused)) static const enum encoder encoders[] = {ENCODER_BENCODE, ENCODER_RENCODE,
                                                                ENCODER_RENCODEPLUS, ENCODER_YAML};

static struct stats stats = {
	.from_client = {.bytes = 12345, .packets = 12},
	.from_server = {.bytes = 99999, .packets = 34, .reencoded = 3, .injected = 4},
	.client_latency_usec = 1600,
	.client_encoder = ENCODER_RENCODE,
	.server_encoder = ENCODER_RENCODEPLUS,
	.client_compressor = COMPRESSOR_LZ4,
	.established = 1,
};
static const struct control_facts facts = {
	.stats = &stats,
	.since_wall_usec = 1700000000 * USEC_PER_SEC,
	.guard_pid = 4711,
	.worker_pid = 4712,
	.user = "bob",
	.peer = "192.0.2.1:5",
	.client = "Python/GTK3 \xff",
	.transport = "tcp",
	.upstream = "tcp://h:1",
	.display = ":10",
	.module = "sqlite",
	.unit = "xproxy@1.service",
};
static struct control *control;
static struct sockaddr_un address;
static socklen_t address_len;
static struct rpc_stop stop;
static int stopped;

/* A new server, on an address that the kernel chooses. */
static void start(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	control_free(control);
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)), 0);
	address_len = sizeof(address);
	CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &address_len), 0);
	CHECK_EQ(listen(fd, 64), 0);
	control = control_new(fd, &facts);
	CHECK(control != NULL);
	stopped = 0;
}

__attribute__((destructor)) static void tear_down(void)
{
	control = control_free(control);
}

/* Serves until there is nothing more to do at once. */
static void serve(void)
{
	struct pollfd fds[CONTROL_FDS_MAX];

	for (;;) {
		uint64_t deadline = USEC_INFINITY;
		size_t n = control_poll(control, fds, &deadline);

		CHECK(n >= 1 && n <= CONTROL_FDS_MAX);
		CHECK(n == 1 || deadline <= now_usec() + 20 * USEC_PER_SEC);
		if (poll(fds, n, 0) <= 0)
			return;
		stopped += control_serve(control, fds, n, &stop);
	}
}

__attribute__((unused)) static int join(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	CHECK_EQ(connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

/* ---- what is sent ---- */

static uint8_t request[16384], answer[1 << 20];
static size_t answer_len;

/* caps: "key", "key=text", "key:0"... separated by spaces; bare keys are true. */
__attribute__((unused)) static size_t hello(enum encoder encoder, const char *name,
                                            const char *caps)
{
	char copy[400], *rest = copy, *cap;
	struct token_writer w;
	size_t len = 0;

	snprintf(copy, sizeof(copy), "%s", caps);
	packet_begin(&w, encoder, request, sizeof(request), name);
	token_write_dict(&w, TOKEN_COUNT_UNKNOWN);
	while ((cap = strsep(&rest, " ")) != NULL) {
		char *value = strchr(cap, '=');

		if (!*cap)
			continue;
		if (value)
			*value++ = '\0';
		token_write_text(&w, cap);
		if (value)
			token_write_text(&w, value);
		else
			token_write_bool(&w, true);
		token_write_text(&w, "more");
		token_write_list(&w, TOKEN_COUNT_UNKNOWN);
		token_write_dict(&w, 1);
		token_write_text(&w, "request");
		token_write_text(&w, "stop"); /* not at the top: means nothing */
		token_write_end(&w);
		token_write_end(&w);
	}
	token_write_end(&w);
	CHECK_EQ(packet_end(&w, &len), 0);
	return len;
}

/* Everything the server says to data, and whether it closed: 1. */
__attribute__((unused)) static int talk(const void *data, size_t len)
{
	int fd = join(), closed;
	ssize_t n;

	serve();
	CHECK_EQ(send(fd, data, len, MSG_NOSIGNAL), len);
	serve();
	answer_len = 0;
	while ((n = recv(fd, answer + answer_len, sizeof(answer) - answer_len, 0)) > 0)
		answer_len += (size_t)n;
	closed = n == 0 || errno != EAGAIN;
	close(fd);
	serve();
	return closed;
}

/* ---- what comes back ---- */

/* The answer's items as text: "disconnect|reason|text"; dicts as {k=v,...}. */
__attribute__((unused)) static const char *answer_text(enum encoder encoder)
{
	static char text[65536];
	static uint8_t unfolded[65536];
	struct token_reader r;
	struct header h;
	struct token t;
	size_t n = 0;

	CHECK_EQ(header_parse(answer, answer_len, &h, NULL), 0);
	CHECK_EQ(h.flags, encoder);
	CHECK_EQ(h.compression, 0);
	CHECK_EQ(h.size + HEADER_LEN, answer_len);
	token_reader_init(&r, encoder, answer + HEADER_LEN, h.size);
	if (encoder == ENCODER_YAML) {
		CHECK_EQ(yaml_unfold(answer + HEADER_LEN, h.size, unfolded, sizeof(unfolded), &n),
		         0);
		token_reader_init(&r, ENCODER_RENCODEPLUS, unfolded, n);
		n = 0;
	}
	text[0] = '\0';
	while (token_read(&r, &t) == 1) {
		if (t.type == TOKEN_INT)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%lld|",
			                      (long long)t.integer);
		else if (token_is_string(&t))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%.*s|", (int)t.len,
			                      (const char *)t.data);
		else
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s",
			                      t.type == TOKEN_DICT  ? "{"
			                      : t.type == TOKEN_END ? "}"
			                                            : "");
	}
	CHECK(r.done);
	return text;
}
