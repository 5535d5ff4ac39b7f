/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/token_dump.h - token streams as text, and from one encoder to another, for tests.
 */
#pragma once

#include "tests/unit/test.h"

#define PROPERTY(cond) CHECK(cond)
#include "tests/unit/token_property.h"

#define PLUS ENCODER_RENCODEPLUS
#define CLASSIC ENCODER_RENCODE
#define BENCODE ENCODER_BENCODE

static uint8_t out_buf[100000];
__attribute__((unused)) static char dump_buf[100000];
__attribute__((unused)) static char dump_buf2[100000];

static inline void dump_string(char **at, const struct token *t, bool typed)
{
	if (typed)
		*(*at)++ = t->type == TOKEN_TEXT ? 't' : t->type == TOKEN_BYTES ? 'b' : 's';
	*(*at)++ = '\'';
	for (size_t i = 0; i < t->len; i++)
		*at += sprintf(*at, t->data[i] < 0x20 || t->data[i] > 0x7e ? "\\%02x" : "%c",
		               t->data[i]);
	*(*at)++ = '\'';
}

/* All tokens, each after a space: 1 0.5 true none 't'ext 'b'ytes 's'tring, n[ n{ with the count,
 * [ { without, ] for both ends. NULL on any error. Untyped: without the t, b, s and counts. */
static inline const char *dump(enum encoder encoder, const void *data, size_t len, bool typed,
                               char *buf)
{
	struct token_reader r;
	struct token t;
	char *at = buf;
	int k;

	token_reader_init(&r, encoder, data, len);
	while ((k = token_read(&r, &t)) > 0) {
		*at++ = ' ';
		if (token_is_string(&t))
			dump_string(&at, &t, typed);
		else if (t.type == TOKEN_INT)
			at += sprintf(at, "%lld", (long long)t.integer);
		else if (t.type == TOKEN_BIGINT)
			at += sprintf(at, "%.*s", (int)t.len, (const char *)t.data);
		else if (t.type == TOKEN_FLOAT)
			at += sprintf(at, "%#g", t.real);
		else if (t.type == TOKEN_END)
			*at++ = ']';
		else if (t.type == TOKEN_NONE)
			at += sprintf(at, "none");
		else if (t.type == TOKEN_BOOL)
			at += sprintf(at, t.boolean ? "true" : "false");
		else {
			if (typed && t.count != TOKEN_COUNT_UNKNOWN)
				at += sprintf(at, "%u", t.count);
			*at++ = t.type == TOKEN_LIST ? '[' : '{';
		}
	}
	*at = 0;
	if (k < 0)
		return NULL;
	return buf + (at > buf); /* without the first space */
}

static inline size_t translate(enum encoder from, const void *data, size_t len, enum encoder to,
                               uint8_t *buf /* as large as out_buf */)
{
	int64_t n = property_translate(from, data, len, to, buf, sizeof(out_buf));

	CHECK(n >= 0);
	return (size_t)n;
}

/* Written again in the same encoder it is the same. */
static inline void check_round_trip(enum encoder encoder, const void *data, size_t len)
{
	size_t n = translate(encoder, data, len, encoder, out_buf);

	CHECK_MEM(out_buf, n, data, len);
}
