/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/scan.h - which of some servers answer at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_USEC UINT64_C(2000000) /* for all of them together */
#define SCAN_MAX 256

struct scan_target {
	const char *host; /* a name or an address */
	unsigned port;
	unsigned group; /* one that is up will do: the others of it are not waited for */
	bool up;        /* somebody takes connections there */
	bool known;     /* false: it was not waited for */
};

/* Looks at n of them at once (SCAN_MAX at most: others are not up), at the first few addresses of a
 * name, until all have answered, SCAN_USEC are over, or the deadline comes. */
void scan_run(struct scan_target *targets, size_t n, uint64_t deadline_usec);
