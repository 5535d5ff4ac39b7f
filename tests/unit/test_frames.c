/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_frames.c - relay/websocket.c: a leg with frames on it, over a socket that takes
 * and gives what it likes.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay/websocket.h"
#include "wire/websocket.h"

static struct rig {
	struct worker w;
	struct config config;
	int peer;
	struct websocket_reader reader;
	size_t pongs;
} rig;

static uint8_t plain[300000], framed[sizeof(plain) * 2], out[sizeof(plain)];

static void setup(int buffer)
{
	int pair[2];

	memset(&rig, 0, sizeof(rig));
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	CHECK_EQ(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer)), 0);
	rig.w.config = &rig.config;
	rig.w.client = (struct leg){.name = "client", .fd = pair[0]};
	rig.w.server = (struct leg){.fd = -1};
	rig.w.guard_fd = -1;
	rig.peer = pair[1];
	CHECK_EQ(flow_init(&rig.w.up, &rig.w.client, &rig.w.server, FLOW_WINDOW), 0);
	for (size_t i = 0; i < sizeof(plain); i++)
		plain[i] = (uint8_t)(i * 31 ^ i >> 8);
}

static void teardown(void)
{
	close(rig.peer);
	close(rig.w.client.fd);
}

static size_t put_frame(size_t at, enum websocket_opcode opcode, const uint8_t *data, size_t len)
{
	static const uint8_t mask[4] = {0x9a, 0, 0xff, 0x51};
	size_t n = websocket_header(framed + at, opcode, len, mask);

	memcpy(framed + at + n, data, len);
	websocket_mask(framed + at + n, len, mask, 0);
	return at + n + len;
}

/* All of plain in frames of that many bytes, with a ping before each. */
static size_t make_frames(size_t len, size_t each)
{
	size_t n = 0;

	for (size_t at = 0; at < len; at += each) {
		n = put_frame(n, WEBSOCKET_PING, plain + at, 3);
		n = put_frame(n, WEBSOCKET_BINARY, plain + at, len - at < each ? len - at : each);
	}
	return n;
}

/* What the peer has got, decoded into out; false: nothing. */
static bool drain(size_t *got, size_t most)
{
	static uint8_t buf[70000];
	uint8_t *in = buf, *to = out + *got;
	const char *why = "";
	ssize_t n = read(rig.peer, buf, most < sizeof(buf) ? most : sizeof(buf));
	size_t left;
	int r;

	if (n <= 0)
		return false;
	left = (size_t)n;
	while ((r = websocket_decode(&rig.reader, &in, &left, &to, &why)) > 0) {
		CHECK_EQ(r, WEBSOCKET_PONG);
		CHECK_EQ(rig.reader.control_len, 3);
		rig.pongs++;
	}
	CHECK_STR(why, "");
	CHECK_EQ(r, 0);
	*got = (size_t)(to - out);
	return true;
}

/* The client's frames arrive `cut` bytes at a time and are read `step` at a time. */
static void check_reading(size_t step, size_t cut)
{
	size_t len = step == 1 ? 5000 : 100000, at = 0, got = 0, unused = 0, n;
	static uint8_t buf[sizeof(plain)];

	setup(200000);
	n = make_frames(len, 777);
	CHECK_EQ(websocket_begin(&rig.w), 0);
	while (got < len) {
		ssize_t r;

		test_note("step %zu, cut %zu, at %zu", step, cut, got);
		r = at < n ? write(rig.peer, framed + at, n - at < cut ? n - at : cut) : 0;
		at += r > 0 ? (size_t)r : 0;
		r = leg_read(&rig.w.client, buf + got, step < len - got ? step : len - got);
		CHECK(r > 0 || r == -EAGAIN);
		got += r > 0 ? (size_t)r : 0;
		while (drain(&unused, 1000))
			;
	}
	CHECK_MEM(buf, got, plain, len);
	CHECK_EQ(unused, 0);
	CHECK(rig.pongs > 0);
	teardown();
}

TEST(read_in_any_steps)
{
	static const size_t steps[] = {1, 3, 100, 4096, 300000}, cuts[] = {1, 13, 1000, 100000};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		for (size_t k = i == 0 || i == 4 ? 0 : 1; k < ARRAY_SIZE(cuts); k++)
			check_reading(steps[i], cuts[k]);
}

/* Through a socket that takes little at once, while pings come in: what is said to be taken is what
 * has left, in order, and pongs are between frames. */
static bool check_writing(size_t piece, size_t most)
{
	size_t len = sizeof(plain), at = 0, got = 0, pings = 0;
	bool refused = false;
	uint8_t sink[10];

	setup(4096);
	CHECK_EQ(websocket_begin(&rig.w), 0);
	while (got < len) {
		size_t want = len - at < piece ? len - at : piece;
		ssize_t n = at < len ? leg_write(&rig.w.client, plain + at, want) : 0;

		test_note("pieces of %zu, %zu at once, at %zu", piece, most, at);
		CHECK(n >= 0 || n == -EAGAIN);
		refused |= n == -EAGAIN;
		at += n > 0 ? (size_t)n : 0;
		if (pings < 50) {
			size_t frame = put_frame(0, WEBSOCKET_PING, (const uint8_t *)"abc", 3);

			CHECK_EQ(write(rig.peer, framed, frame), frame);
			CHECK_EQ(leg_read(&rig.w.client, sink, sizeof(sink)), -EAGAIN);
			pings++;
		}
		(void)drain(&got, most);
		CHECK(got <= len);
	}
	CHECK_EQ(at, len);
	CHECK_MEM(out, got, plain, len);
	CHECK(rig.pongs > 0 && rig.pongs <= pings);
	CHECK(!leg_blocked(&rig.w.client));
	teardown();
	return refused;
}

TEST(write_to_a_slow_peer)
{
	CHECK(check_writing(sizeof(plain), 1000));
	CHECK(check_writing(5000, 500));
	check_writing(sizeof(plain), 70000);
	check_writing(4086, 70000);
	check_writing(100, 300);
}

/* What came with the request is there already, cut in the middle of a frame. */
TEST(bytes_behind_the_request)
{
	struct flow *f = &rig.w.up;
	size_t n;

	setup(200000);
	n = put_frame(0, WEBSOCKET_BINARY, plain, 100);
	n = put_frame(n, WEBSOCKET_BINARY, plain + 100, 100);
	memcpy(f->buf, "head", 4);
	memcpy(f->buf + 4, framed, 150);
	f->end = f->high = 154;
	flow_drop(f, 4);
	CHECK_EQ(websocket_begin(&rig.w), 0);
	CHECK(flow_available(f) > 100 && flow_available(f) < 150);
	CHECK_EQ(write(rig.peer, framed + 150, n - 150), n - 150);
	while (flow_available(f) < 200)
		CHECK(flow_read(f) > 0);
	CHECK_MEM(flow_at(f), flow_available(f), plain, 200);
	teardown();
}

TEST(end_of_messages)
{
	size_t n;

	setup(200000);
	CHECK_EQ(websocket_begin(&rig.w), 0);
	n = put_frame(0, WEBSOCKET_BINARY, plain, 10);
	n = put_frame(n, WEBSOCKET_CLOSE, (const uint8_t *)"\x03\xe9 why", 6);
	n = put_frame(n, WEBSOCKET_BINARY, plain, 10);
	CHECK_EQ(write(rig.peer, framed, n), n);
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), 10);
	CHECK(leg_unread(&rig.w.client));
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), 0);
	CHECK(!leg_unread(&rig.w.client));
	CHECK_EQ(leg_write(&rig.w.client, plain, 10), -EPIPE);
	leg_shutdown(&rig.w.client);
	CHECK_EQ(read(rig.peer, out, 1000), 4);
	CHECK_MEM(out, 4, "\x88\x02\x03\xe9", 4);
	CHECK_EQ(read(rig.peer, out, 1000), 0);
	teardown();
}

/* What was good before a fault is delivered, then the fault; there may be last words, and after
 * them a close frame that names the kind of it. */
TEST(fault)
{
	size_t n;

	setup(200000);
	CHECK_EQ(websocket_begin(&rig.w), 0);
	n = put_frame(0, WEBSOCKET_BINARY, plain, 10);
	n = put_frame(n, (enum websocket_opcode)3, plain, 10);
	CHECK_EQ(write(rig.peer, framed, n), n);
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), 10);
	CHECK(leg_unread(&rig.w.client));
	CHECK_EQ(leg_read(&rig.w.client, out, 1000), -EBADMSG);
	CHECK_STR(rig.w.client.fault, "a WebSocket frame of an unknown kind");
	CHECK(!leg_unread(&rig.w.client));
	CHECK_EQ(leg_write(&rig.w.client, (const uint8_t *)"bye", 3), 3);
	leg_shutdown(&rig.w.client);
	CHECK_EQ(read(rig.peer, out, 1000), 9);
	CHECK_MEM(out, 9,
	          "\x82\x03"
	          "bye"
	          "\x88\x02\x03\xea",
	          9);
	teardown();
}
