/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/wipe.c - see base/wipe.h. Any process, the guard only before it is locked. System calls:
 * madvise.
 */
#include "base/wipe.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/macros.h"

#define PAGE ((uintptr_t)4096) /* if pages are larger, the kernel says no and nothing is lost */
#define STACK_DEEP ((uintptr_t)256 << 10) /* more than any login has used */

static void give_back(uintptr_t from, uintptr_t to)
{
	int saved = errno;

	from = (from + PAGE - 1) & ~(PAGE - 1);
	to &= ~(PAGE - 1);
	if (from < to)
		(void)madvise((void *)from, to - from, MADV_DONTNEED);
	errno = saved;
}

void wipe_pages(void *p, size_t len)
{
	explicit_bzero(p, len);
	give_back((uintptr_t)p, (uintptr_t)p + len);
}

__attribute__((noinline)) void wipe_stack(void)
{
	/* One page below this frame is for the call itself. What has never been touched is not
	 * mapped, which the kernel remarks when it has done the rest. */
	uintptr_t here = (uintptr_t)__builtin_frame_address(0) - PAGE;

	give_back(here - STACK_DEEP, here);
}
