/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/json.c - JSON into a buffer. Worker. No privilege, no system calls, no allocation.
 */
#include "wire/json.h"

#include <stdio.h>
#include <string.h>

#include "wire/token.h"
#include "wire/token_private.h"
#include "wire/utf8.h"

static void put(struct json *j, const char *p, size_t n)
{
	j->full |= n > j->size - j->len;
	if (j->full)
		return;
	memcpy(j->data + j->len, p, n);
	j->len += n;
}

void json_raw(struct json *j, const char *text)
{
	put(j, text, strlen(text));
}

/* How many bytes the character at p has; 0: it is none. */
static size_t character(const char *p, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++)
		if (utf8_valid((const uint8_t *)p, n))
			return n;
	return 0;
}

void json_text(struct json *j, const char *text)
{
	size_t left = strlen(text);

	put(j, "\"", 1);
	while (left > 0) {
		size_t n = character(text, left);
		char escaped[8];

		if (n == 0) {
			put(j, "\\ufffd", 6);
		} else if ((unsigned char)*text < ' ' || strchr("\"\\\x7f", *text)) {
			snprintf(escaped, sizeof(escaped), "\\u%04x", (unsigned char)*text);
			put(j, escaped, 6);
		} else {
			put(j, text, n);
		}
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	put(j, "\"", 1);
}

void json_number(struct json *j, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	json_raw(j, text);
}
