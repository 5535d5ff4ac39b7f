/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/bencode.c - tokens in bencode, the encoder of xpra before 6.0 that every peer had.
 *
 * Integers, strings, lists and dictionaries only; what it lacks is converted as token.h says.
 * Dictionary keys need not be sorted, and are not here. `u` strings (UTF-8 text) are read but,
 * as in xpra, never written. Source: xpra/net/bencode/cython_bencode.pyx.
 */
#include "wire/token_private.h"

#include <errno.h>
#include <math.h>

static int read_string(struct token_reader *r, enum token_type type, struct token *ret)
{
	size_t n;
	uint8_t sep;

	if (token_take_len(r, false, &n, &sep) < 0 || sep != ':')
		return -EBADMSG;
	return token_take_string(r, type, n, ret);
}

int bencode_read(struct token_reader *r, struct token *ret)
{
	const uint8_t *p = token_take(r, 1);

	if (!p)
		return -EBADMSG;
	ret->count = TOKEN_COUNT_UNKNOWN;
	switch (*p) {
	case 'i':
		return token_take_decimal(r, 'e', ret);
	case 'l':
		ret->type = TOKEN_LIST;
		return 0;
	case 'd':
		ret->type = TOKEN_DICT;
		return 0;
	case 'e':
		ret->type = TOKEN_END;
		return 0;
	case 'u':
		return read_string(r, TOKEN_TEXT, ret);
	default:
		r->pos--;
		return read_string(r, TOKEN_STRING, ret);
	}
}

static void write_int(struct token_writer *w, int64_t value)
{
	token_put_byte(w, 'i');
	token_put_decimal(w, value);
	token_put_byte(w, 'e');
}

/* Towards zero; beyond int64 the nearest there is. */
static int64_t float_to_int(double value)
{
	if (!isfinite(value))
		return 0;
	if (value >= 0x1p63)
		return INT64_MAX;
	if (value < -0x1p63)
		return INT64_MIN;
	return (int64_t)value;
}

void bencode_write(struct token_writer *w, const struct token *t)
{
	switch (t->type) {
	case TOKEN_NONE:
		token_put(w, "0:", 2);
		break;
	case TOKEN_BOOL:
		write_int(w, t->boolean);
		break;
	case TOKEN_INT:
		write_int(w, t->integer);
		break;
	case TOKEN_BIGINT:
		token_put_byte(w, 'i');
		token_put(w, t->data, t->len);
		token_put_byte(w, 'e');
		break;
	case TOKEN_FLOAT:
		write_int(w, float_to_int(t->real));
		break;
	case TOKEN_STRING:
	case TOKEN_TEXT:
	case TOKEN_BYTES:
		token_put_string(w, t, ':');
		break;
	case TOKEN_LIST:
		token_put_byte(w, 'l');
		break;
	case TOKEN_DICT:
		token_put_byte(w, 'd');
		break;
	case TOKEN_END:
		token_put_byte(w, 'e');
		break;
	default:
		w->error = -EINVAL;
	}
}
