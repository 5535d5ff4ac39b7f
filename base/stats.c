/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/stats.c - the shared page of counters. Made before the split; mprotect() in the guard.
 */
#include "base/stats.h"

#include <sys/mman.h>
#include <unistd.h>

struct stats *stats_map(void)
{
	void *p = mmap(NULL, sizeof(struct stats), PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void stats_seal(struct stats *s)
{
	(void)mprotect(s, sizeof(struct stats), PROT_READ); /* a courtesy, not a boundary */
}
