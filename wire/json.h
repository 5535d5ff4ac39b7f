/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/json.h - JSON, RFC 8259, written into a buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json {
	char *data;
	size_t len, size;
	bool full; /* something did not fit: what is there is not whole */
};

/* As it stands: punctuation. */
void json_raw(struct json *j, const char *text);

/* A string with its quotes. What is not UTF-8 becomes U+FFFD, byte by byte. */
void json_text(struct json *j, const char *text);

void json_number(struct json *j, uint64_t n);
