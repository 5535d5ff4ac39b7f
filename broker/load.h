/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/load.h - how much servers can take, as it was when somebody last asked them: a file in
 * State=, as each request is a process of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load {
	const char *address;
	unsigned port;
	bool known;
	uint64_t factor; /* 0: it could not be asked, which counts for half a minute at most */
};

/* Sets known and factor of those that are not older than age_usec. */
void load_recall(const char *state, uint64_t age_usec, struct load *list, size_t n);

/* Adds those that are known; what others have added meanwhile may be lost, and is asked again. 0 or
 * a negative errno. */
int load_remember(const char *state, uint64_t age_usec, const struct load *list, size_t n);
