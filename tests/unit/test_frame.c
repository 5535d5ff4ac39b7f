/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/frame.c: the ring, the shared memory, and messages between worker and encoder.
 */
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/frame.h"

static struct frame_ring ring;

static uint64_t take(uint64_t number, uint64_t len)
{
	uint64_t offset = UINT64_MAX;

	CHECK(frame_ring_fits(&ring, len));
	CHECK_EQ(frame_ring_take(&ring, number, len, &offset), 0);
	CHECK(offset >= ring.base && offset + len <= ring.base + ring.size);
	CHECK_EQ(offset % FRAME_ALIGN, 0);
	return offset;
}

static void refuse(uint64_t len, int error)
{
	struct frame_ring before = ring;
	uint64_t offset = 7;

	CHECK(!frame_ring_fits(&ring, len));
	CHECK_EQ(frame_ring_take(&ring, 99, len, &offset), error);
	CHECK_EQ(offset, 7);
	CHECK_MEM(&ring, sizeof(ring), &before, sizeof(before));
}

TEST(ring_in_order)
{
	frame_ring_init(&ring, 4096, 1024);
	CHECK_EQ(take(1, 100), 4096);
	CHECK_EQ(take(2, 1), 4096 + 128);
	CHECK_EQ(take(3, 64), 4096 + 192);
	CHECK_EQ(ring.count, 3);
	frame_ring_give(&ring, 0);
	CHECK_EQ(ring.count, 3);
	frame_ring_give(&ring, 2);
	CHECK_EQ(ring.count, 1);
	CHECK_EQ(ring.tail, 192);
	frame_ring_give(&ring, 2); /* it has been */
	CHECK_EQ(ring.count, 1);
	frame_ring_give(&ring, UINT64_MAX);
	CHECK_EQ(ring.count, 0);
	CHECK_EQ(take(4, 64), 4096); /* the same pages again */
}

TEST(ring_exact_fit_and_full)
{
	frame_ring_init(&ring, 0, 1024);
	refuse(1025, -EMSGSIZE);
	refuse(UINT64_MAX, -EMSGSIZE);
	CHECK_EQ(take(1, 1024), 0);
	refuse(1, -EAGAIN);
	frame_ring_give(&ring, 1);
	CHECK_EQ(take(2, 512), 0);
	CHECK_EQ(take(3, 512), 512); /* up to the last byte */
	refuse(1, -EAGAIN);
	frame_ring_give(&ring, 2);
	CHECK_EQ(take(4, 512), 0);
	refuse(1, -EAGAIN);
	frame_ring_give(&ring, 3);
	refuse(513, -EAGAIN);
	CHECK_EQ(take(5, 511), 512);
}

/* A piece is never cut in two: what is left at the end stays empty, and is given back with it. */
TEST(ring_wrap)
{
	frame_ring_init(&ring, 64, 1024);
	CHECK_EQ(take(1, 384), 64);
	CHECK_EQ(take(2, 384), 64 + 384);
	refuse(384, -EAGAIN); /* 256 at the end, none at the beginning */
	frame_ring_give(&ring, 1);
	CHECK_EQ(take(3, 384), 64);
	refuse(1, -EAGAIN); /* the end is spent */
	frame_ring_give(&ring, 2);
	refuse(385, -EAGAIN);
	CHECK_EQ(take(4, 384), 64 + 384);
	refuse(1, -EAGAIN);
	frame_ring_give(&ring, 4);
	CHECK_EQ(ring.count, 0);
}

TEST(ring_of_many_pieces)
{
	frame_ring_init(&ring, 0, FRAME_IN_BYTES);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < FRAME_PIECES_MAX; i++)
			(void)take(1 + round * FRAME_PIECES_MAX + i, 64);
		refuse(64, -EAGAIN);
		frame_ring_give(&ring, 1 + round * FRAME_PIECES_MAX);
		(void)take((round + 1) * FRAME_PIECES_MAX, 0);
		refuse(0, -EAGAIN);
		frame_ring_give(&ring, (round + 1) * FRAME_PIECES_MAX);
		CHECK_EQ(ring.count, 0);
	}
}

/* What was taken last and is not needed after all: the ring is as it was. */
TEST(ring_return)
{
	struct frame_ring before;

	frame_ring_init(&ring, 0, 1024);
	(void)take(1, 10);
	frame_ring_return(&ring);
	CHECK_EQ(ring.count, 0);
	(void)take(1, 640);
	before = ring;
	(void)take(2, 384);
	frame_ring_return(&ring);
	CHECK_EQ(ring.head, before.head);
	CHECK_EQ(ring.count, 1);
	(void)take(2, 64);
	frame_ring_give(&ring, 1);
	before = ring;
	CHECK_EQ(take(3, 512), 0); /* with the end skipped */
	frame_ring_return(&ring);
	CHECK_EQ(ring.head, before.head);
	CHECK_EQ(ring.tail, before.tail);
	CHECK_EQ(take(3, 320), 704);
	frame_ring_give(&ring, 3);
	CHECK_EQ(ring.count, 0);
	frame_ring_return(&ring); /* of none: nothing */
	CHECK_EQ(ring.count, 0);
}

/* Any order of taking and giving: no piece touches another that is still in use. */
TEST(ring_never_overlaps)
{
	uint64_t at[64], len[64], first = 1, next = 1, offset;
	uint32_t seed = 1;

	frame_ring_init(&ring, 0, 8192);
	for (unsigned step = 0; step < 20000; step++) {
		seed = seed * 1664525 + 1013904223;
		if (seed >> 31 && next - first < 64 &&
		    frame_ring_take(&ring, next, seed >> 8 & 2047, &offset) == 0) {
			at[next % 64] = offset;
			len[next % 64] = seed >> 8 & 2047;
			CHECK(offset + len[next % 64] <= 8192);
			for (uint64_t i = first; i < next; i++)
				CHECK(at[i % 64] + len[i % 64] <= offset ||
				      offset + len[next % 64] <= at[i % 64]);
			next++;
		} else if (next > first) {
			first += 1 + (seed >> 4) % (next - first);
			frame_ring_give(&ring, first - 1);
		}
	}
	CHECK(next > 1000);
}

TEST(memory_is_sealed)
{
	int fd = frame_memory_new();
	uint8_t *a, *b;

	CHECK(fd >= 0);
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK(ftruncate(fd, 4096) < 0 && errno == EPERM);
	CHECK(ftruncate(fd, (off_t)FRAME_MEMORY + 4096) < 0 && errno == EPERM);
	CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0);
	a = frame_memory_map(fd);
	b = frame_memory_map(fd);
	CHECK(a && b);
	a[FRAME_MEMORY - 1] = 42;
	CHECK_EQ(b[FRAME_MEMORY - 1], 42);
	munmap(a, FRAME_MEMORY);
	munmap(b, FRAME_MEMORY);
	close(fd);
}

/* Anything that its sender could still cut off under the reader is refused. */
TEST(memory_of_another_kind)
{
	static const int seals[] = {0, F_SEAL_GROW | F_SEAL_SEAL, F_SEAL_SHRINK | F_SEAL_GROW};
	int fd;

	CHECK(!frame_memory_map(-1));
	for (size_t i = 0; i < ARRAY_SIZE(seals); i++) {
		fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		CHECK(fd >= 0 && ftruncate(fd, (off_t)FRAME_MEMORY) == 0);
		CHECK(seals[i] == 0 || fcntl(fd, F_ADD_SEALS, seals[i]) == 0);
		CHECK(!frame_memory_map(fd));
		close(fd);
	}
	fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	CHECK(ftruncate(fd, (off_t)FRAME_MEMORY - 1) == 0);
	CHECK_EQ(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
	CHECK(!frame_memory_map(fd));
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	CHECK(!frame_memory_map(fd));
	close(fd);
}

TEST(messages)
{
	struct frame f = {.type = FRAME_DRAW, .wid = 3, .number = 7}, got;
	char large[sizeof(f) + 1] = {0};
	int fds[2], sent = 0;

	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(frame_receive(fds[1], &got), -EAGAIN);
	CHECK_EQ(frame_send(fds[0], &f), 0);
	CHECK_EQ(frame_receive(fds[1], &got), 0);
	CHECK_MEM(&got, sizeof(got), &f, sizeof(f));
	/* Of another size */
	CHECK_EQ(send(fds[0], large, sizeof(f) - 1, 0), sizeof(f) - 1);
	CHECK_EQ(frame_receive(fds[1], &got), -EBADMSG);
	CHECK_EQ(send(fds[0], large, sizeof(large), 0), sizeof(large));
	CHECK_EQ(frame_receive(fds[1], &got), -EBADMSG);
	CHECK_EQ(send(fds[0], large, 1, 0), 1);
	CHECK_EQ(frame_receive(fds[1], &got), -EBADMSG);
	/* Nobody reads */
	while (frame_send(fds[0], &f) == 0)
		CHECK(++sent < 100000);
	CHECK(sent >= 128); /* the draws of a worker that is ahead by as many as it may be */
	CHECK_EQ(frame_send(fds[0], &f), -EAGAIN);
	while (frame_receive(fds[1], &got) == 0)
		sent--;
	CHECK_EQ(sent, 0);
	close(fds[0]);
	CHECK_EQ(frame_receive(fds[1], &got), -EPIPE);
	CHECK_EQ(frame_send(fds[1], &f), -EPIPE);
	CHECK_EQ(frame_receive(-1, &got), -EPIPE);
	CHECK_EQ(frame_send(-1, &f), -EPIPE);
	close(fds[1]);
}

TEST(names)
{
	enum coding c;
	enum pixel_format p;

	for (int i = 0; i < CODING_MAX_; i++) {
		const char *name = coding_name((enum coding)i);

		CHECK_EQ(coding_parse(name, strlen(name), &c), 0);
		CHECK_EQ(c, i);
		CHECK_EQ(coding_parse(name, strlen(name) - 1, &c), -EINVAL);
	}
	for (int i = 0; i < PIXEL_MAX_; i++) {
		const char *name = pixel_format_name((enum pixel_format)i);

		CHECK_EQ(pixel_format_parse(name, strlen(name), &p), 0);
		CHECK_EQ(p, i);
		CHECK_EQ(pixel_format_bytes(p), strlen(name));
	}
	CHECK_EQ(coding_parse("", 0, &c), -EINVAL);
	CHECK_EQ(coding_parse("h264x", 5, &c), -EINVAL);
	CHECK_EQ(pixel_format_parse("bgrx", 4, &p), -EINVAL);
	CHECK_EQ(pixel_format_parse("r210", 4, &p), -EINVAL);
}
