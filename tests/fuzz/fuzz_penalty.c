/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Any bytes as a bucket of the table of failed logins, then events in it: each byte is one, for one
 * of nine sources, perhaps some time later. Whatever was there, nobody is refused for longer than a
 * day, what is forgotten leaves nothing behind, and at one moment no more passwords are let through
 * than may be wrong. Links auth/penalty-bucket.c.
 */
#include "auth/penalty-bucket.h"
#include "base/clock.h"

#include <string.h>

#include "tests/fuzz/ensure.h"

#define SOURCES 9 /* one more than there is room for */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct penalty_bucket *b, uint64_t now)
{
	static const struct penalty_entry nothing;

	for (size_t i = 0; i < PENALTY_WAYS; i++) {
		const struct penalty_entry *e = &b->entries[i];

		if (e->key.family == 0)
			ENSURE(memcmp(e, &nothing, sizeof(nothing)) == 0);
		ENSURE(e->refused_usec <= now + 86410 * USEC_PER_SEC);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct penalty_rules rules = {3, 60 * USEC_PER_SEC, 3600 * USEC_PER_SEC};
	unsigned asked[SOURCES] = {0}, let_in = 0;
	uint64_t now = 1000000 * USEC_PER_SEC;
	struct penalty_bucket b = {0};

	if (size < 1)
		return 0;
	size_t n = size - 1 < sizeof(b) ? size - 1 : sizeof(b);

	memcpy(&b, data + 1, n);
	for (size_t i = n + 1; i < size; i++) {
		enum penalty_event event = (enum penalty_event)(data[i] % 6);
		unsigned who = data[i] / 6 % SOURCES;
		struct penalty_key key = {.family = 2, .prefix = {192, 0, 2, (uint8_t)who}};
		struct penalty_answer a;

		if (data[i] >= 6 * SOURCES * 4) {
			now += (uint64_t)(data[i] - 6 * SOURCES * 4 + 1) * 7 * USEC_PER_SEC;
			let_in = 0;
			memset(asked, 0, sizeof(asked)); /* their guards are dead, or will be */
			continue;
		}
		if (event == PENALTY_RIGHT && asked[who] == 0)
			continue;
		penalty_bucket_apply(&b, &key, event, &rules, now, &a);
		ENSURE(a.verdict <= PENALTY_REFUSED && a.left_usec <= 86410 * USEC_PER_SEC);
		ENSURE((a.verdict == PENALTY_WAIT) <= (event == PENALTY_ASK));
		check(&b, now);
		if (event == PENALTY_RIGHT || event == PENALTY_WRONG)
			asked[who] -= asked[who] > 0;
		if (event == PENALTY_RIGHT && who == 0)
			let_in--;
		/* With all its rivals the first one may be pushed out; alone it is not. */
		if (event == PENALTY_ASK && a.verdict == PENALTY_PASS) {
			asked[who]++;
			let_in += who == 0;
		}
		if (data[0] == 0 && who != 0)
			break;
		ENSURE(data[0] != 0 || let_in <= rules.failures);
	}
	return 0;
}
