/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/penalty-bucket.h - what auth/penalty-table.c needs of the rules; nobody else includes it but
 * tests.
 */
#pragma once

#include "auth/penalty-table.h"

struct penalty_bucket {
	struct penalty_entry entries[PENALTY_WAYS];
};

bool penalty_key_same(const struct penalty_key *a, const struct penalty_key *b);

/* Drops what is over, and what cannot have been written by us: all zero if nothing is left. */
void penalty_entry_expire(struct penalty_entry *e, uint64_t now);

/* See penalty_table_apply(). A new source takes the place of the one that matters least. */
void penalty_bucket_apply(struct penalty_bucket *b, const struct penalty_key *key,
                          enum penalty_event event, const struct penalty_rules *rules, uint64_t now,
                          struct penalty_answer *ret);
