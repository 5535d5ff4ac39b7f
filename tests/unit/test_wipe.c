/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_wipe.c - what base/wipe.c forgets, what it gives back, and what it leaves alone.
 */
#include "base/wipe.h"

#include "test.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define MARK "what nobody may find 4711"
#define SHALLOW 2048 /* bytes next to this frame that may belong to calls of ours */
#define DEEP (64 << 10)

static bool resident(const void *page)
{
	unsigned char there = 0;

	CHECK_EQ(mincore((void *)(uintptr_t)page, PAGE, &there), 0);
	return there & 1;
}

TEST(pages)
{
	static uint8_t room[8 * PAGE] __attribute__((aligned(PAGE)));
	uint8_t *from = room + PAGE / 2, *to = room + sizeof(room) - PAGE / 2;

	memset(room, 'x', sizeof(room));
	errno = EBADF;
	wipe_pages(from, (size_t)(to - from));
	CHECK_EQ(errno, EBADF);
	CHECK(resident(room) && resident(room + 7 * PAGE));
	for (int i = 1; i < 7; i++)
		CHECK(!resident(room + i * PAGE));
	for (uint8_t *p = room; p < room + sizeof(room); p++)
		CHECK_EQ(*p, p < from || p >= to ? 'x' : 0);
	memset(room, 'y', sizeof(room)); /* still ours */
	wipe_pages(room + 100, 10);
	for (size_t i = 0; i < sizeof(room); i++)
		CHECK_EQ(room[i], i < 100 || i >= 110 ? 'y' : 0);
	wipe_pages(room, 0);
}

__attribute__((noinline)) static void leave_on_the_stack(void)
{
	volatile char frame[DEEP];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = MARK[i % sizeof(MARK)];
}

/* The kernel reads: what is below a frame is nothing that a program may look at. */
static size_t found_below(const uint8_t *frame)
{
	static uint8_t copy[DEEP];
	struct iovec here = {copy, sizeof(copy)};
	struct iovec there = {(void *)(uintptr_t)(frame - SHALLOW - sizeof(copy)), sizeof(copy)};
	size_t n = 0;

	CHECK_EQ(process_vm_readv(getpid(), &here, 1, &there, 1, 0), (ssize_t)sizeof(copy));
	for (size_t i = 0; i + sizeof(MARK) <= sizeof(copy); i++)
		n += memcmp(copy + i, MARK, sizeof(MARK)) == 0;
	return n;
}

TEST(stack)
{
	const uint8_t *frame = __builtin_frame_address(0);
	volatile char kept[PAGE];

	for (size_t i = 0; i < sizeof(kept); i++)
		kept[i] = 'k';
	leave_on_the_stack();
	CHECK(found_below(frame) > DEEP / sizeof(MARK) / 2);
	wipe_stack();
	/* Two pages are this frame's and the call's. */
	CHECK(found_below(frame) < 4 * PAGE / sizeof(MARK));
	for (size_t i = 0; i < sizeof(kept); i++)
		CHECK_EQ(kept[i], 'k');
}
