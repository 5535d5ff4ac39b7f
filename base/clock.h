/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/clock.h - time in microseconds.
 */
#pragma once

#include <stdint.h>
#include <time.h>

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_INFINITY UINT64_MAX

/* Monotonic: for deadlines and durations. */
static inline uint64_t now_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* Wall clock, for what a person reads. */
static inline uint64_t wall_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * USEC_PER_SEC + (uint64_t)ts.tv_nsec / 1000;
}

/* Milliseconds until a deadline as poll() wants them: rounded up, 0 when past, -1 for never. */
static inline int poll_timeout_msec(uint64_t deadline_usec)
{
	uint64_t now, ms;

	if (deadline_usec == USEC_INFINITY)
		return -1;
	now = now_usec();
	if (now >= deadline_usec)
		return 0;
	ms = (deadline_usec - now + 999) / 1000;
	return ms > INT32_MAX ? INT32_MAX : (int)ms;
}
