/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/profile_private.h - what broker/profile.c, profile_keys.c and profiles.c share.
 */
#pragma once

#include "broker/profile.h"

struct profile_pair {
	const char *key, *value; /* in the buffers of the profiles, or constant */
};

struct profile {
	char id[PROFILE_ID_MAX];
	struct profile_pair *pairs; /* sorted by key */
	size_t count;
};

struct profile_key {
	const char *name;
	enum profile_type type;
	const char *fallback; /* NULL: not set */
	bool python;
};

/* Sorted by name. */
extern const struct profile_key profile_keys[];
extern const size_t profile_keys_count;

/* Brings a value into the form that profile.h speaks of, in place. NULL, or what is wrong with it.
 */
const char *profile_check(const char *key, char *value);

/* Whether the key is as good as absent: not-set, or nothing where a number or a truth would be. */
bool profile_is_unset(const char *key, const char *value);

/* One of host=: NAME, NAME (ADDRESS), NAME (ADDRESS:PORT). 0 or -EINVAL. */
int profile_parse_host(const char *text, size_t len, unsigned port, struct profile_host *ret);
