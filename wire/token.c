/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/token.c - the token stream: nesting, and everything else that all encoders share.
 *
 * Pure functions on the caller's buffers, for either process; no system calls. What one token
 * looks like is in rencode.c and bencode.c, what a value means in token_value.c. The input is an
 * attacker's: every byte is bounds checked in token_take() or next to it, and nesting is counted,
 * never recursed into.
 */
#include "wire/token_private.h"
#include "wire/utf8.h"

#include <errno.h>
#include <string.h>

#define DECIMAL_LEN_MAX 63 /* xpra refuses a big integer of 64 characters */

const char *encoder_name(enum encoder encoder)
{
	switch (encoder) {
	case ENCODER_BENCODE:
		return "bencode";
	case ENCODER_RENCODE:
		return "rencode";
	case ENCODER_YAML:
		return "yaml";
	case ENCODER_RENCODEPLUS:
		return "rencodeplus";
	default:
		return "unknown";
	}
}

/* 1: *ret is the value. 0: well formed, but outside int64. -EBADMSG: not a number. */
static int decimal_parse(const uint8_t *s, size_t n, int64_t *ret)
{
	const bool negative = n > 0 && s[0] == '-';
	bool fits = true;
	int64_t v = 0;

	if (negative) {
		s++;
		n--;
	}
	if (n == 0 || (s[0] == '0' && (n > 1 || negative)))
		return -EBADMSG;
	for (size_t i = 0; i < n; i++) {
		const int digit = s[i] - '0';

		if (digit < 0 || digit > 9)
			return -EBADMSG;
		fits = fits && !__builtin_mul_overflow(v, 10, &v) &&
		       !__builtin_add_overflow(v, negative ? -digit : digit, &v);
	}
	if (!fits)
		return 0;
	*ret = v;
	return 1;
}

/* Reading */

void token_reader_init(struct token_reader *r, enum encoder encoder, const void *data, size_t len)
{
	*r = (struct token_reader){.data = data, .len = len, .encoder = encoder};
}

const uint8_t *token_take(struct token_reader *r, size_t n)
{
	const uint8_t *p;

	if (n > r->len - r->pos)
		return NULL;
	p = r->data + r->pos;
	r->pos += n;
	return p;
}

int token_take_len(struct token_reader *r, bool zeros_allowed, size_t *ret_len, uint8_t *ret_sep)
{
	const size_t start = r->pos;
	size_t n = 0;

	for (; r->pos < r->len; r->pos++) {
		const uint8_t c = r->data[r->pos];

		if (c < '0' || c > '9')
			break;
		n = n * 10 + (c - '0');
		if (n > r->len) /* also keeps the sum from overflowing */
			return -EBADMSG;
	}
	if (r->pos == start || r->pos == r->len)
		return -EBADMSG;
	if (!zeros_allowed && r->data[start] == '0' && r->pos - start > 1)
		return -EBADMSG;
	*ret_sep = r->data[r->pos++];
	*ret_len = n;
	return 0;
}

int token_take_decimal(struct token_reader *r, uint8_t end, struct token *ret)
{
	const uint8_t *s = r->data + r->pos;
	const size_t n_max = r->len - r->pos;
	size_t n = 0;
	int k;

	while (n < n_max && n <= DECIMAL_LEN_MAX && s[n] != end)
		n++;
	if (n == n_max || n > DECIMAL_LEN_MAX)
		return -EBADMSG;
	k = decimal_parse(s, n, &ret->integer);
	if (k < 0)
		return k;
	r->pos += n + 1;
	ret->type = TOKEN_INT;
	if (k == 0) {
		ret->type = TOKEN_BIGINT;
		ret->data = s;
		ret->len = n;
	}
	return 0;
}

int token_take_string(struct token_reader *r, enum token_type type, size_t n, struct token *ret)
{
	const uint8_t *p = token_take(r, n);

	if (!p || (type == TOKEN_TEXT && !utf8_valid(p, n)))
		return -EBADMSG;
	ret->type = type;
	ret->data = p;
	ret->len = n;
	return 0;
}

static bool token_is_open(const struct token *t)
{
	return t->type == TOKEN_LIST || t->type == TOKEN_DICT;
}

static void reader_pop(struct token_reader *r)
{
	r->depth--;
	r->done = r->depth == 0;
}

/* Counts a value in the level it is in, and enters the level it opens, if it does. */
static int reader_push(struct token_reader *r, const struct token *t)
{
	const bool dict = t->type == TOKEN_DICT;
	uint64_t bit;

	if (token_is_open(t) && r->depth == TOKEN_DEPTH_MAX)
		return -EMSGSIZE;
	if (r->depth > 0) {
		bit = UINT64_C(1) << (r->depth - 1);
		if (r->left[r->depth - 1] != TOKEN_COUNT_UNKNOWN)
			r->left[r->depth - 1]--;
		r->odd ^= r->dicts & bit;
	}
	if (!token_is_open(t)) {
		r->done = r->depth == 0;
		return 0;
	}
	bit = UINT64_C(1) << r->depth;
	r->left[r->depth] = dict && t->count != TOKEN_COUNT_UNKNOWN ? 2 * t->count : t->count;
	r->dicts = dict ? r->dicts | bit : r->dicts & ~bit;
	r->odd &= ~bit;
	r->depth++;
	return 0;
}

/* A marker was read. */
static int reader_end(struct token_reader *r)
{
	if (r->depth == 0 || r->left[r->depth - 1] != TOKEN_COUNT_UNKNOWN ||
	    (r->odd >> (r->depth - 1) & 1))
		return -EBADMSG;
	reader_pop(r);
	return 0;
}

int token_read(struct token_reader *r, struct token *ret)
{
	struct token t = {.type = TOKEN_END};
	const size_t start = r->pos;
	int k;

	if (r->done)
		return r->encoder == ENCODER_BENCODE && r->pos < r->len ? -EBADMSG : 0;
	if (r->depth > 0 && r->left[r->depth - 1] == 0) {
		reader_pop(r);
		*ret = t;
		return 1;
	}
	if (r->encoder == ENCODER_RENCODE || r->encoder == ENCODER_RENCODEPLUS)
		k = rencode_read(r, &t);
	else if (r->encoder == ENCODER_BENCODE)
		k = bencode_read(r, &t);
	else
		k = -EOPNOTSUPP;
	if (k == 0)
		k = t.type == TOKEN_END ? reader_end(r) : reader_push(r, &t);
	if (k < 0) {
		r->pos = start; /* the next call fails the same way */
		return k;
	}
	*ret = t;
	return 1;
}

/* Reads until no more than `depth` levels are open. */
static int reader_leave(struct token_reader *r, unsigned depth)
{
	struct token t;
	int k;

	while (r->depth > depth) {
		k = token_read(r, &t);
		if (k < 0)
			return k;
	}
	return 0;
}

/* The depth at which the value that starts with `first`, just read, is over. */
static int value_depth(const struct token_reader *r, const struct token *first, unsigned *ret)
{
	const unsigned opened = token_is_open(first);

	if (first->type == TOKEN_END || opened > r->depth)
		return -EINVAL;
	*ret = r->depth - opened;
	return 0;
}

int token_skip(struct token_reader *r, const struct token *first)
{
	unsigned depth;
	int k = value_depth(r, first, &depth);

	return k < 0 ? k : reader_leave(r, depth);
}

/* Writing */

void token_writer_init(struct token_writer *w, enum encoder encoder, void *data, size_t size)
{
	*w = (struct token_writer){.data = data, .size = size, .encoder = encoder};
}

void token_put(struct token_writer *w, const void *data, size_t n)
{
	if (n > w->size - w->len) {
		w->error = -ENOBUFS;
		return;
	}
	if (n == 0) /* data may be NULL */
		return;
	memmove(w->data + w->len, data, n); /* wire/yaml.c has its text further back in there */
	w->len += n;
}

void token_put_byte(struct token_writer *w, uint8_t byte)
{
	token_put(w, &byte, 1);
}

void token_put_decimal(struct token_writer *w, int64_t value)
{
	uint64_t v = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char buf[20];
	size_t at = sizeof(buf);

	do {
		buf[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	if (value < 0)
		token_put_byte(w, '-');
	token_put(w, buf + at, sizeof(buf) - at);
}

void token_put_string(struct token_writer *w, const struct token *t, uint8_t sep)
{
	token_put_decimal(w, (int64_t)t->len);
	token_put_byte(w, sep);
	token_put(w, t->data, t->len);
}

static int writer_end(struct token_writer *w)
{
	uint32_t left;

	if (w->depth == 0)
		return -EINVAL;
	left = w->left[w->depth - 1];
	if ((left != 0 && left != TOKEN_COUNT_UNKNOWN) || (w->odd >> (w->depth - 1) & 1))
		return -EINVAL;
	w->depth--;
	return 0;
}

static int writer_push(struct token_writer *w, const struct token *t)
{
	const bool dict = t->type == TOKEN_DICT;
	uint32_t count = t->count;
	uint64_t bit;

	if (w->depth > 0) {
		bit = UINT64_C(1) << (w->depth - 1);
		if (w->left[w->depth - 1] == 0)
			return -EINVAL;
		if (w->left[w->depth - 1] != TOKEN_COUNT_UNKNOWN)
			w->left[w->depth - 1]--;
		w->odd ^= w->dicts & bit;
	}
	if (!token_is_open(t))
		return 0;
	if (w->depth == TOKEN_DEPTH_MAX)
		return -EMSGSIZE;
	if (dict && count != TOKEN_COUNT_UNKNOWN && __builtin_mul_overflow(count, 2, &count))
		return -EINVAL;
	bit = UINT64_C(1) << w->depth;
	w->left[w->depth] = count;
	w->dicts = dict ? w->dicts | bit : w->dicts & ~bit;
	w->odd &= ~bit;
	w->depth++;
	return 0;
}

int token_write(struct token_writer *w, const struct token *token)
{
	const size_t start = w->len;
	struct token t = *token;
	int k;

	if (w->error)
		return w->error;
	if (t.type == TOKEN_BIGINT) { /* in its smallest form, which may be INT */
		k = t.len > DECIMAL_LEN_MAX ? -EBADMSG : decimal_parse(t.data, t.len, &t.integer);
		if (k < 0)
			return w->error = -EINVAL;
		if (k > 0)
			t.type = TOKEN_INT;
	}
	w->error = t.type == TOKEN_END ? writer_end(w) : writer_push(w, &t);
	if (w->error)
		return w->error;
	if (w->encoder == ENCODER_RENCODE || w->encoder == ENCODER_RENCODEPLUS)
		rencode_write(w, &t);
	else if (w->encoder == ENCODER_BENCODE)
		bencode_write(w, &t);
	else if (w->encoder == ENCODER_YAML)
		yaml_write(w, &t);
	else
		w->error = -EOPNOTSUPP;
	if (w->error)
		w->len = start; /* no part of a token */
	return w->error;
}

int token_write_text(struct token_writer *w, const char *text)
{
	return token_write_text_n(w, text, strlen(text));
}

int token_write_text_n(struct token_writer *w, const char *text, size_t len)
{
	return token_write(
		w, &(struct token){.type = TOKEN_TEXT, .data = (const uint8_t *)text, .len = len});
}

int token_write_bytes(struct token_writer *w, const void *data, size_t len)
{
	return token_write(w, &(struct token){.type = TOKEN_BYTES, .data = data, .len = len});
}

int token_write_int(struct token_writer *w, int64_t value)
{
	return token_write(w, &(struct token){.type = TOKEN_INT, .integer = value});
}

int token_write_bool(struct token_writer *w, bool value)
{
	return token_write(w, &(struct token){.type = TOKEN_BOOL, .boolean = value});
}

int token_write_list(struct token_writer *w, uint32_t count)
{
	return token_write(w, &(struct token){.type = TOKEN_LIST, .count = count});
}

int token_write_dict(struct token_writer *w, uint32_t count)
{
	return token_write(w, &(struct token){.type = TOKEN_DICT, .count = count});
}

int token_write_end(struct token_writer *w)
{
	return token_write(w, &(struct token){.type = TOKEN_END});
}

int token_copy(struct token_reader *r, const struct token *first, struct token_writer *w)
{
	struct token t = *first;
	unsigned depth;
	int k = value_depth(r, first, &depth);

	if (k < 0)
		return k;
	k = token_write(w, &t);
	while (k == 0 && r->depth > depth) {
		k = token_read(r, &t);
		if (k > 0)
			k = token_write(w, &t);
	}
	return k;
}
