/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/flow.c and relay/leg.c: the buffer of one direction, over real sockets.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "relay/flow.h"

static struct leg from, to;
static struct flow flow;
static int in_fd = -1, out_fd = -1; /* the peers' ends */

static void pair(int *ret_ours, int *ret_peers)
{
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	*ret_ours = fds[0];
	*ret_peers = fds[1];
}

static void start(void)
{
	static bool mapped;
	int *fds[] = {&from.fd, &to.fd, &in_fd, &out_fd};

	(void)signal(SIGPIPE, SIG_IGN);
	if (!mapped) {
		from.fd = to.fd = -1;
		CHECK_EQ(flow_init(&flow, &from, &to, FLOW_WINDOW), 0);
		CHECK_EQ(flow.window, FLOW_WINDOW);
		mapped = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (*fds[i] >= 0)
			close(*fds[i]);
	from = to = (struct leg){0};
	pair(&from.fd, &in_fd);
	pair(&to.fd, &out_fd);
	flow = (struct flow){.from = &from,
	                     .to = &to,
	                     .buf = flow.buf,
	                     .inject = flow.inject,
	                     .batch = FLOW_WINDOW,
	                     .window = FLOW_WINDOW};
}

static void say(const char *text)
{
	CHECK_EQ(write(in_fd, text, strlen(text)), strlen(text));
	CHECK_EQ(flow_read(&flow), strlen(text));
}

static void hear(const char *text)
{
	char buf[4096];
	ssize_t n = read(out_fd, buf, sizeof(buf));

	if (n < 0 && errno == EAGAIN)
		n = 0;
	CHECK_MEM(buf, (size_t)n, text, strlen(text));
}

static void inject(const char *text)
{
	size_t size;
	uint8_t *p = flow_inject_at(&flow, &size);

	CHECK(size >= strlen(text));
	memcpy(p, text, strlen(text));
	flow_injected(&flow, strlen(text));
}

TEST(read)
{
	start();
	CHECK_EQ(flow_read(&flow), -EAGAIN);
	CHECK_EQ(from.heard_usec, 0);
	say("abc");
	say("de");
	CHECK_EQ(flow_available(&flow), 5);
	CHECK(memcmp(flow_at(&flow), "abcde", 5) == 0);
	close(in_fd);
	in_fd = -1;
	CHECK_EQ(flow_read(&flow), 0);
	CHECK(flow.eof);
	start();
	close(from.fd);
	from.fd = -1;
	CHECK_EQ(flow_read(&flow), -EBADF);
}

TEST(pass_drop_inject)
{
	start();
	CHECK_EQ(flow_write(&flow), 1); /* nothing to do */
	say("aaabbbcccddd");
	CHECK(!flow_has_output(&flow));
	flow_pass(&flow, 3);
	CHECK(flow_has_output(&flow));
	CHECK_EQ(flow_write(&flow), 1);
	hear("aaa");
	inject("[own]");
	flow_drop(&flow, 3);
	CHECK_EQ(flow_available(&flow), 6);
	inject("[two]");
	CHECK(flow_has_output(&flow));
	CHECK_EQ(flow_write(&flow), 1);
	hear("[own][two]");
	CHECK_EQ(flow.inject_len, 0);
	flow_pass(&flow, 3);
	flow_pass(&flow, 3);
	CHECK_EQ(flow_write(&flow), 1);
	hear("cccddd");
	CHECK(flow.sent == 0 && flow.ready == 0 && flow.end == 0); /* from the front again */
	say("x");
	flow_drop(&flow, 1);
	CHECK(flow.end == 0 && !flow_has_output(&flow));
}

/* While anything is in inject it goes first: nothing is marked before it is out. */
TEST(inject_first)
{
	start();
	say("abc");
	inject("[own]");
	flow_pass(&flow, 3);
	CHECK_EQ(flow_write(&flow), 1);
	hear("[own]");
	CHECK_EQ(flow_write(&flow), 1);
	hear("abc");
}

TEST(gap)
{
	start();
	CHECK(flow_at_gap(&flow));
	flow.record_left = 1;
	CHECK(!flow_at_gap(&flow));
	flow.record_left = 0;
	flow.chunks = 2;
	CHECK(!flow_at_gap(&flow));
}

/* Fills the window with a known pattern. */
static void fill(void)
{
	uint8_t piece[4096];

	while (flow.end < flow.window) {
		size_t n = flow.window - flow.end < sizeof(piece) ? flow.window - flow.end
		                                                  : sizeof(piece);

		for (size_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((flow.end + i) * 7 >> 3);
		CHECK_EQ(write(in_fd, piece, n), n);
		CHECK_EQ(flow_read(&flow), n);
	}
}

TEST(full)
{
	start();
	fill();
	CHECK_EQ(flow.end, FLOW_WINDOW);
	CHECK_EQ(flow_read(&flow), -ENOBUFS);
	flow_pass(&flow, 1000); /* not written yet: no room either */
	CHECK_EQ(flow_read(&flow), -ENOBUFS);
	CHECK_EQ(flow_write(&flow), 1);
	CHECK_EQ(write(in_fd, "new", 3), 3);
	CHECK_EQ(flow_read(&flow), 3); /* made by moving the rest to the front */
	CHECK_EQ(flow.sent, 0);
	CHECK_EQ(flow.end, FLOW_WINDOW - 1000 + 3);
	for (size_t i = 0; i < FLOW_WINDOW - 1000; i++)
		CHECK(flow_at(&flow)[i] == (uint8_t)((1000 + i) * 7 >> 3));
	CHECK(memcmp(flow_at(&flow) + FLOW_WINDOW - 1000, "new", 3) == 0);
}

TEST(want)
{
	start();
	CHECK_EQ(flow_want(&flow, 1000), 0);
	CHECK_EQ(flow.window, FLOW_WINDOW);
	CHECK_EQ(flow_want(&flow, FLOW_WINDOW), 0);
	CHECK_EQ(flow.window, FLOW_WINDOW);
	CHECK_EQ(flow_want(&flow, FLOW_WINDOW + 1), 0);
	CHECK_EQ(flow.window, FLOW_WINDOW + 1);
	CHECK_EQ(flow_want(&flow, FLOW_RECORD_MAX + HEADER_LEN), 0);
	CHECK_EQ(flow.window, FLOW_RECORD_MAX + HEADER_LEN);
	CHECK_EQ(flow_want(&flow, FLOW_RECORD_MAX + HEADER_LEN + 1), -EMSGSIZE);
	CHECK_EQ(flow_want(&flow, SIZE_MAX - 4), -EMSGSIZE);
	CHECK_EQ(flow.window, FLOW_RECORD_MAX + HEADER_LEN);
}

TEST(want_moves)
{
	start();
	fill();
	flow_pass(&flow, 5000);
	CHECK_EQ(flow_write(&flow), 1);
	CHECK_EQ(flow_want(&flow, FLOW_WINDOW), 0); /* 5000 too few behind it, but not in all */
	CHECK_EQ(flow.window, FLOW_WINDOW);
	CHECK_EQ(flow.ready, 0);
	CHECK(flow_at(&flow)[0] == (uint8_t)(5000 * 7 >> 3));
}

/* With something marked that has not been written, nothing can move: never beyond what is mapped.
 */
TEST(want_unwritten)
{
	start();
	flow.window = flow.end = FLOW_SIZE;
	flow.sent = 100000;
	flow.ready = 100001;
	CHECK_EQ(flow_want(&flow, FLOW_RECORD_MAX + HEADER_LEN), 0); /* 100001 + 16 MiB + 8: fits */
	flow.sent = FLOW_SIZE - 2000;
	flow.ready = flow.sent + 1;
	CHECK_EQ(flow_want(&flow, 1999), 0);
	CHECK_EQ(flow_want(&flow, 2000), -EMSGSIZE);
	CHECK_EQ(flow.window, FLOW_SIZE);
	flow.sent = 0;
	CHECK_EQ(flow_want(&flow, 2000), -EMSGSIZE);
}

TEST(partial_writes)
{
	const int small = 4096;
	uint8_t *got = malloc(FLOW_WINDOW);
	size_t n = 0;
	unsigned turns = 0;

	start();
	CHECK(setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	fill();
	flow_pass(&flow, flow.end);
	while (flow_has_output(&flow)) {
		int r = flow_write(&flow);
		ssize_t k;

		CHECK(r >= 0);
		CHECK_EQ(r == 1, !flow_has_output(&flow));
		if (r == 0)
			CHECK_EQ(flow_write(&flow), 0); /* it takes no more */
		while ((k = read(out_fd, got + n, FLOW_WINDOW - n)) > 0)
			n += (size_t)k;
		turns++;
	}
	CHECK_EQ(n, FLOW_WINDOW);
	CHECK(turns > 5);
	for (size_t i = 0; i < n; i++)
		CHECK(got[i] == (uint8_t)(i * 7 >> 3));
	free(got);
}

TEST(partial_injection)
{
	const int small = 4096;
	static uint8_t got[100000];
	size_t n = 0, size;
	uint8_t *p;

	start();
	CHECK(setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	p = flow_inject_at(&flow, &size);
	CHECK_EQ(size, FLOW_INJECT_SIZE);
	for (size_t i = 0; i < sizeof(got); i++)
		p[i] = (uint8_t)(i * 5 >> 2);
	flow_injected(&flow, sizeof(got));
	(void)flow_inject_at(&flow, &size);
	CHECK_EQ(size, FLOW_INJECT_SIZE - sizeof(got));
	while (flow_has_output(&flow)) {
		ssize_t k;

		CHECK(flow_write(&flow) >= 0);
		while ((k = read(out_fd, got + n, sizeof(got) - n)) > 0)
			n += (size_t)k;
	}
	CHECK_EQ(n, sizeof(got));
	for (size_t i = 0; i < n; i++)
		CHECK(got[i] == (uint8_t)(i * 5 >> 2));
}

TEST(broken)
{
	start();
	say("abc");
	flow_pass(&flow, 3);
	close(out_fd);
	out_fd = -1;
	CHECK_EQ(flow_write(&flow), -EPIPE);
	CHECK(flow_has_output(&flow));
	inject("x");
	CHECK_EQ(flow_write(&flow), -EPIPE);
}

TEST(trim)
{
	size_t size;

	start();
	flow_trim(&flow);
	CHECK_EQ(flow.window, FLOW_WINDOW);
	CHECK_EQ(flow_want(&flow, 2 * FLOW_WINDOW), 0);
	fill();
	flow_trim(&flow); /* in use */
	CHECK_EQ(flow.window, 2 * FLOW_WINDOW);
	flow_drop(&flow, flow.end);
	memset(flow_inject_at(&flow, &size), 1, FLOW_WINDOW + 1);
	flow_injected(&flow, FLOW_WINDOW + 1);
	flow_trim(&flow);
	CHECK_EQ(flow.window, FLOW_WINDOW);
	CHECK_EQ(flow.inject[5], 1); /* in use */
	flow.inject_len = 0;
	flow_trim(&flow);
	CHECK_EQ(flow.inject[5], 0); /* given back */
	CHECK_EQ(flow.inject_high, 0);
	say("still works");
	flow_pass(&flow, 11);
	CHECK_EQ(flow_write(&flow), 1);
	hear("still works");
}

/* leg.c */

TEST(encoders)
{
	CHECK_EQ(encoders_bit(ENCODER_BENCODE), ENCODERS_BENCODE);
	CHECK_EQ(encoders_bit(ENCODER_RENCODE), ENCODERS_RENCODE);
	CHECK_EQ(encoders_bit(ENCODER_RENCODEPLUS), ENCODERS_RENCODEPLUS);
	CHECK_EQ(encoders_bit(ENCODER_YAML), ENCODERS_YAML);
	CHECK_EQ(encoders_bit((enum encoder)0x15), 0);
	CHECK_EQ(encoders_best(ENCODERS_ALL), ENCODER_RENCODEPLUS);
	CHECK_EQ(encoders_best(ENCODERS_BENCODE | ENCODERS_RENCODE), ENCODER_RENCODE);
	CHECK_EQ(encoders_best(ENCODERS_BENCODE), ENCODER_BENCODE);
	CHECK_EQ(encoders_best(0), ENCODER_BENCODE);
	CHECK_EQ(encoders_best(ENCODERS_YAML), ENCODER_YAML);
	CHECK_EQ(encoders_best(ENCODERS_YAML | ENCODERS_BENCODE), ENCODER_BENCODE);
}

TEST(generations)
{
	struct leg old = {.encoders = ENCODERS_YAML, .major = 3},
		   new = {.encoders = ENCODERS_YAML, .major = 6};

	CHECK(leg_is_flat(&old) && !leg_is_flat(&new));
	CHECK(leg_reads(&old, &new, ENCODER_YAML) && !leg_reads(&new, &old, ENCODER_YAML));
	CHECK(!leg_reads(&new, &new, ENCODER_RENCODE));
	old.major = 5;
	CHECK(!leg_is_flat(&old) && !leg_reads(&new, &old, ENCODER_YAML));
	old.encoders = ENCODERS_RENCODE | ENCODERS_BENCODE;
	new.encoders = ENCODERS_RENCODEPLUS;
	CHECK(leg_is_flat(&old) && !leg_is_flat(&new));
	CHECK(leg_reads(&old, &new, ENCODER_BENCODE) && !leg_reads(&new, &old, ENCODER_RENCODE));
}

TEST(compressors)
{
	const unsigned lz4 = COMPRESSOR_BIT(COMPRESSOR_LZ4), lzo = COMPRESSOR_BIT(COMPRESSOR_LZO),
		       zlib = COMPRESSOR_BIT(COMPRESSOR_ZLIB);

	CHECK_EQ(compressors_offered(lz4 | lzo | zlib), lz4 | zlib);
	CHECK_EQ(compressors_offered(lzo | zlib), lzo | zlib);
	CHECK_EQ(compressors_offered(0), 0);
}

static void *read_all(void *arg)
{
	size_t *n = arg;
	char buf[1000];
	ssize_t k;

	while ((k = read(out_fd, buf, sizeof(buf))) != 0) {
		struct pollfd pfd = {.fd = out_fd, .events = POLLIN};

		if (k > 0)
			*n += (size_t)k;
		else if (errno != EAGAIN)
			break;
		else
			(void)poll(&pfd, 1, 1000);
	}
	return NULL;
}

TEST(send)
{
	static uint8_t data[500000];
	const int small = 4096;
	pthread_t thread;
	size_t n = 0;

	start();
	CHECK(setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	CHECK_EQ(leg_send(&to, data, 0, 0), 0);
	CHECK_EQ(leg_send(&to, data, sizeof(data), now_usec() + 20000), -ETIMEDOUT);
	start();
	CHECK(setsockopt(to.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)) == 0);
	CHECK(pthread_create(&thread, NULL, read_all, &n) == 0);
	CHECK_EQ(leg_send(&to, data, sizeof(data), now_usec() + 10 * USEC_PER_SEC), 0);
	close(to.fd);
	to.fd = -1;
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK_EQ(n, sizeof(data));
	start();
	close(out_fd);
	out_fd = -1;
	CHECK_EQ(leg_send(&to, "x", 1, now_usec() + USEC_PER_SEC), -EPIPE);
}

TEST(wait)
{
	int guard[2];

	start();
	pair(&guard[0], &guard[1]);
	CHECK_EQ(leg_wait(&from, to.fd, guard[0], 0), 0);
	CHECK_EQ(leg_wait(&from, -1, -1, now_usec() + 2000), 0);
	CHECK_EQ(write(out_fd, "x", 1), 1); /* data on the other leg is not what is waited for */
	CHECK_EQ(leg_wait(&from, to.fd, guard[0], now_usec() + 2000), 0);
	CHECK_EQ(shutdown(out_fd, SHUT_WR), 0);
	CHECK_EQ(leg_wait(&from, to.fd, guard[0], now_usec() + USEC_PER_SEC), -EPIPE);
	CHECK_EQ(write(in_fd, "x", 1), 1);
	CHECK_EQ(leg_wait(&from, to.fd, guard[0], now_usec() + USEC_PER_SEC), 1); /* data first */
	CHECK_EQ(write(guard[1], "x", 1), 1);
	CHECK_EQ(leg_wait(&from, to.fd, guard[0], now_usec() + USEC_PER_SEC), -ECANCELED);
	close(guard[0]);
	close(guard[1]);
}
