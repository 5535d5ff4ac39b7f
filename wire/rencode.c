/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/rencode.c - tokens in rencode and rencodeplus, which share one table of first bytes.
 *
 * They differ in strings (classic has one untyped kind; rencodeplus has text with ':' and bytes
 * with '/'), in the float that is emitted, and in leading zeros of a length.
 * Source: python-rencode 1.0.6, xpra/net/rencodeplus/rencodeplus.pyx.
 */
#include "wire/token_private.h"
#include "wire/utf8.h"

#include <errno.h>
#include <string.h>

enum code {
	CODE_FLOAT64 = 44,
	CODE_LIST = 59, /* ended by CODE_END, as CODE_DICT and CODE_BIGINT are */
	CODE_DICT = 60,
	CODE_BIGINT = 61,
	CODE_INT8 = 62,
	CODE_INT16 = 63,
	CODE_INT32 = 64,
	CODE_INT64 = 65,
	CODE_FLOAT32 = 66,
	CODE_TRUE = 67,
	CODE_FALSE = 68,
	CODE_NONE = 69,
	CODE_END = 127,
};

/* Forms that hold their value or length in the first byte: FIXED + n, n from 0 to MAX. A
 * negative integer v is NEG_FIXED - v: -1 is 70. */
#define POS_FIXED_MAX 43
#define NEG_FIXED 69
#define NEG_FIXED_MAX 32
#define DICT_FIXED 102
#define DICT_FIXED_MAX 24
#define STRING_FIXED 128
#define STRING_FIXED_MAX 63
#define LIST_FIXED 192
#define LIST_FIXED_MAX 63

static int token_set_int(struct token *ret, int64_t value)
{
	ret->type = TOKEN_INT;
	ret->integer = value;
	return 0;
}

static int token_set_bool(struct token *ret, bool value)
{
	ret->type = TOKEN_BOOL;
	ret->boolean = value;
	return 0;
}

static int token_set_open(struct token *ret, enum token_type type, uint32_t count)
{
	ret->type = type;
	ret->count = count;
	return 0;
}

static int take_big_endian(struct token_reader *r, unsigned n, uint64_t *ret)
{
	const uint8_t *p = token_take(r, n);
	uint64_t v = 0;

	if (!p)
		return -EBADMSG;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	*ret = v;
	return 0;
}

static int read_int(struct token_reader *r, unsigned n, struct token *ret)
{
	const unsigned unused = 64 - 8 * n;
	uint64_t v;

	if (take_big_endian(r, n, &v) < 0)
		return -EBADMSG;
	return token_set_int(ret, (int64_t)(v << unused) >> unused);
}

static int read_float(struct token_reader *r, unsigned n, struct token *ret)
{
	uint64_t v;
	uint32_t half;
	float single;

	if (take_big_endian(r, n, &v) < 0)
		return -EBADMSG;
	if (n == sizeof(single)) {
		half = (uint32_t)v;
		memcpy(&single, &half, sizeof(single));
		ret->real = single;
	} else {
		memcpy(&ret->real, &v, sizeof(ret->real));
	}
	ret->type = TOKEN_FLOAT;
	return 0;
}

/* r->pos is at the first digit. */
static int read_long_string(struct token_reader *r, bool plus, struct token *ret)
{
	size_t n;
	uint8_t sep;

	if (r->data[r->pos] == '0' && !plus)
		return -EBADMSG;
	if (token_take_len(r, plus, &n, &sep) < 0)
		return -EBADMSG;
	if (sep == ':')
		return token_take_string(r, plus ? TOKEN_TEXT : TOKEN_STRING, n, ret);
	if (sep == '/' && plus)
		return token_take_string(r, TOKEN_BYTES, n, ret);
	return -EBADMSG;
}

static int read_coded(struct token_reader *r, uint8_t code, struct token *ret)
{
	switch (code) {
	case CODE_FLOAT64:
		return read_float(r, 8, ret);
	case CODE_FLOAT32:
		return read_float(r, 4, ret);
	case CODE_LIST:
		return token_set_open(ret, TOKEN_LIST, TOKEN_COUNT_UNKNOWN);
	case CODE_DICT:
		return token_set_open(ret, TOKEN_DICT, TOKEN_COUNT_UNKNOWN);
	case CODE_BIGINT:
		return token_take_decimal(r, CODE_END, ret);
	case CODE_INT8:
		return read_int(r, 1, ret);
	case CODE_INT16:
		return read_int(r, 2, ret);
	case CODE_INT32:
		return read_int(r, 4, ret);
	case CODE_INT64:
		return read_int(r, 8, ret);
	case CODE_TRUE:
		return token_set_bool(ret, true);
	case CODE_FALSE:
		return token_set_bool(ret, false);
	case CODE_NONE:
		ret->type = TOKEN_NONE;
		return 0;
	case CODE_END:
		ret->type = TOKEN_END;
		return 0;
	default:
		return -EBADMSG;
	}
}

int rencode_read(struct token_reader *r, struct token *ret)
{
	const bool plus = r->encoder == ENCODER_RENCODEPLUS;
	const uint8_t *p = token_take(r, 1);

	if (!p)
		return -EBADMSG;
	if (*p >= LIST_FIXED)
		return token_set_open(ret, TOKEN_LIST, *p - LIST_FIXED);
	if (*p >= STRING_FIXED)
		return token_take_string(r, plus ? TOKEN_TEXT : TOKEN_STRING, *p - STRING_FIXED,
		                         ret);
	if (*p >= DICT_FIXED && *p <= DICT_FIXED + DICT_FIXED_MAX)
		return token_set_open(ret, TOKEN_DICT, *p - DICT_FIXED);
	if (*p > NEG_FIXED && *p <= NEG_FIXED + NEG_FIXED_MAX)
		return token_set_int(ret, NEG_FIXED - *p);
	if (*p <= POS_FIXED_MAX)
		return token_set_int(ret, *p);
	if (*p >= '0' && *p <= '9') {
		r->pos--;
		return read_long_string(r, plus, ret);
	}
	return read_coded(r, *p, ret);
}

static void put_big_endian(struct token_writer *w, enum code code, unsigned n, uint64_t value)
{
	uint8_t buf[9] = {(uint8_t)code};

	for (unsigned i = n; i > 0; i--, value >>= 8)
		buf[i] = (uint8_t)value;
	token_put(w, buf, n + 1);
}

static void write_int(struct token_writer *w, int64_t value)
{
	if (value >= 0 && value <= POS_FIXED_MAX)
		token_put_byte(w, (uint8_t)value);
	else if (value < 0 && value >= -NEG_FIXED_MAX)
		token_put_byte(w, (uint8_t)(NEG_FIXED - value));
	else if (value == (int8_t)value)
		put_big_endian(w, CODE_INT8, 1, (uint64_t)value);
	else if (value == (int16_t)value)
		put_big_endian(w, CODE_INT16, 2, (uint64_t)value);
	else if (value == (int32_t)value)
		put_big_endian(w, CODE_INT32, 4, (uint64_t)value);
	else
		put_big_endian(w, CODE_INT64, 8, (uint64_t)value);
}

static void write_float(struct token_writer *w, double value)
{
	const float single = (float)value;
	uint32_t half;
	uint64_t full;

	if (w->encoder == ENCODER_RENCODEPLUS) {
		memcpy(&full, &value, sizeof(full));
		put_big_endian(w, CODE_FLOAT64, 8, full);
	} else {
		memcpy(&half, &single, sizeof(half));
		put_big_endian(w, CODE_FLOAT32, 4, half);
	}
}

static void write_string(struct token_writer *w, const struct token *t)
{
	if (w->encoder == ENCODER_RENCODEPLUS &&
	    (t->type == TOKEN_BYTES || !utf8_valid(t->data, t->len))) {
		token_put_string(w, t, '/');
	} else if (t->len > STRING_FIXED_MAX) {
		token_put_string(w, t, ':');
	} else {
		token_put_byte(w, (uint8_t)(STRING_FIXED + t->len));
		token_put(w, t->data, t->len);
	}
}

static void write_open(struct token_writer *w, const struct token *t)
{
	const bool dict = t->type == TOKEN_DICT;
	const bool marked = t->count > (dict ? DICT_FIXED_MAX : LIST_FIXED_MAX);
	const uint64_t bit = UINT64_C(1) << (w->depth - 1);

	if (marked) {
		w->marked |= bit;
		token_put_byte(w, dict ? CODE_DICT : CODE_LIST);
	} else {
		w->marked &= ~bit;
		token_put_byte(w, (uint8_t)((dict ? DICT_FIXED : LIST_FIXED) + t->count));
	}
}

void rencode_write(struct token_writer *w, const struct token *t)
{
	switch (t->type) {
	case TOKEN_NONE:
		token_put_byte(w, CODE_NONE);
		break;
	case TOKEN_BOOL:
		token_put_byte(w, t->boolean ? CODE_TRUE : CODE_FALSE);
		break;
	case TOKEN_INT:
		write_int(w, t->integer);
		break;
	case TOKEN_BIGINT:
		token_put_byte(w, CODE_BIGINT);
		token_put(w, t->data, t->len);
		token_put_byte(w, CODE_END);
		break;
	case TOKEN_FLOAT:
		write_float(w, t->real);
		break;
	case TOKEN_STRING:
	case TOKEN_TEXT:
	case TOKEN_BYTES:
		write_string(w, t);
		break;
	case TOKEN_LIST:
	case TOKEN_DICT:
		write_open(w, t);
		break;
	case TOKEN_END:
		if (w->marked >> w->depth & 1)
			token_put_byte(w, CODE_END);
		break;
	default:
		w->error = -EINVAL;
	}
}
