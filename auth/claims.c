/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/claims.c - see auth/claims.h. Checker, with its privilege. No system calls.
 */
#include "auth/claims.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool claims_word(const char *words, const char *word, size_t len)
{
	while (*words) {
		size_t n = strcspn(words, " ");

		if (n == len && memcmp(words, word, len) == 0)
			return true;
		words += n;
		words += strspn(words, " ");
	}
	return false;
}

int claims_owner(struct auth_attempt *a, const json_t *answer, const char *claim,
                 struct auth_row *row)
{
	const json_t *value = json_object_get(answer, claim);
	size_t len = json_string_length(value);

	if (!len || len >= sizeof(row->username) || strlen(json_string_value(value)) != len) {
		snprintf(a->error, sizeof(a->error),
		         "the server's answer has no usable '%.64s' (username-claim=)", claim);
		return -EPROTO;
	}
	memcpy(row->username, json_string_value(value), len + 1);
	return AUTH_YES;
}
