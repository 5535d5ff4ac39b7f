/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/yaml_write.c - tokens in yaml, written: flow style, on one line, in ASCII.
 *
 * Pure functions, for either process; no system calls. All strings are quoted, so that none can be
 * taken for anything else; tuples are lists, since only 6.3 and later write them so that the others
 * can read them.
 */
#include "wire/token_private.h"
#include "wire/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* PyYAML looks for the `:` after a key in as many characters, escaped ones counted, 1024; behind
 * a `?` anywhere. */
#define SIMPLE_KEY_MAX 100

static void put_text(struct token_writer *w, const char *text)
{
	token_put(w, text, strlen(text));
}

/* A comma, a colon, or nothing: what stands between the last token and this one. */
static void write_separator(struct token_writer *w, const struct token *t)
{
	const bool opens = t->type == TOKEN_LIST || t->type == TOKEN_DICT;
	const unsigned depth = w->depth - opens;
	const bool dict = depth > 0 && w->dicts >> (depth - 1) & 1;
	const bool key = dict && w->odd >> (depth - 1) & 1;

	if (depth == 0)
		return;
	if (dict && !key)
		put_text(w, ": ");
	else if (w->data[w->len - 1] != '[' && w->data[w->len - 1] != '{')
		put_text(w, ", "); /* strings end with a quote */
	if (key && (opens || t->len > SIMPLE_KEY_MAX))
		put_text(w, "? ");
}

static void write_float(struct token_writer *w, double value)
{
	char buf[40];
	size_t n;

	if (!isfinite(value)) {
		put_text(w, isnan(value) ? ".nan" : value < 0 ? "-.inf" : ".inf");
		return;
	}
	n = (size_t)snprintf(buf, sizeof(buf), "%.17g", value);
	if (memchr(buf, '.', n)) {
		token_put(w, buf, n);
		return;
	}
	/* Without a point it is an integer, or, with an exponent, text. */
	n = strcspn(buf, "e");
	token_put(w, buf, n);
	put_text(w, ".0");
	put_text(w, buf + n);
}

static void put_escaped(struct token_writer *w, uint32_t c)
{
	char buf[16];

	if (c == '"' || c == '\\') {
		token_put_byte(w, '\\');
		token_put_byte(w, (uint8_t)c);
		return;
	}
	if (c < 0x100)
		snprintf(buf, sizeof(buf), "\\x%02X", c);
	else
		snprintf(buf, sizeof(buf), c < 0x10000 ? "\\u%04X" : "\\U%08X", c);
	put_text(w, buf);
}

static void write_text(struct token_writer *w, const struct token *t)
{
	size_t step, plain = 0, i;
	uint32_t c;

	token_put_byte(w, '"');
	for (i = 0; i < t->len; i += step) {
		step = utf8_next(t->data + i, t->len - i, &c);
		if (c >= ' ' && c < 0x7f && c != '"' && c != '\\')
			continue;
		token_put(w, t->data + plain, i - plain);
		put_escaped(w, c);
		plain = i + step;
	}
	if (i > plain)
		token_put(w, t->data + plain, i - plain);
	token_put_byte(w, '"');
}

static void write_bytes(struct token_writer *w, const struct token *t)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	put_text(w, "!!binary \"");
	for (size_t i = 0; i < t->len; i += 3) {
		uint32_t bits = (uint32_t)t->data[i] << 16;
		char four[4];

		if (i + 1 < t->len)
			bits |= (uint32_t)t->data[i + 1] << 8;
		if (i + 2 < t->len)
			bits |= t->data[i + 2];
		for (size_t j = 0; j < 4; j++)
			four[j] = letters[bits >> (18 - 6 * j) & 63];
		if (i + 1 >= t->len)
			four[2] = '=';
		if (i + 2 >= t->len)
			four[3] = '=';
		token_put(w, four, sizeof(four));
	}
	token_put_byte(w, '"');
}

void yaml_write(struct token_writer *w, const struct token *t)
{
	if (t->type != TOKEN_END)
		write_separator(w, t);
	switch (t->type) {
	case TOKEN_NONE:
		put_text(w, "null");
		break;
	case TOKEN_BOOL:
		put_text(w, t->boolean ? "true" : "false");
		break;
	case TOKEN_INT:
		token_put_decimal(w, t->integer);
		break;
	case TOKEN_BIGINT:
		token_put(w, t->data, t->len);
		break;
	case TOKEN_FLOAT:
		write_float(w, t->real);
		break;
	case TOKEN_STRING:
	case TOKEN_TEXT:
	case TOKEN_BYTES:
		if (t->type == TOKEN_BYTES || !utf8_valid(t->data, t->len))
			write_bytes(w, t);
		else
			write_text(w, t);
		break;
	case TOKEN_LIST:
		token_put_byte(w, '[');
		break;
	case TOKEN_DICT:
		token_put_byte(w, '{');
		break;
	case TOKEN_END:
		token_put_byte(w, w->dicts >> w->depth & 1 ? '}' : ']');
		break;
	default:
		w->error = -EINVAL;
	}
}
