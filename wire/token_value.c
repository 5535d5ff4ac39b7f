/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/token_value.c - what a token means: strings compared and converted, and truth.
 *
 * Pure functions, for either process; no system calls. Here because peers differ in what they
 * send for one thing: text or bytes, a flag as bool, number, word or dictionary.
 */
#include "wire/token_private.h"
#include "wire/utf8.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

bool token_equals(const struct token *t, const char *text)
{
	const size_t len = strlen(text);

	if (!token_is_string(t) || t->len != len)
		return false;
	return len == 0 || memcmp(t->data, text, len) == 0;
}

int token_to_cstr(const struct token *t, char *buf, size_t size)
{
	if (!token_is_string(t))
		return -EINVAL;
	for (size_t i = 0; i < t->len; i++)
		if (t->data[i] < ' ' || t->data[i] == 0x7f)
			return -EINVAL;
	if (t->len >= size)
		return -EMSGSIZE;
	if (t->len > 0) /* data may be NULL */
		memcpy(buf, t->data, t->len);
	buf[t->len] = 0;
	return 0;
}

static int text_to_latin1(const struct token *t, uint8_t *buf, size_t size, size_t *ret_len)
{
	size_t n = 0, step;
	uint32_t c;

	for (size_t i = 0; i < t->len; i += step) {
		step = utf8_next(t->data + i, t->len - i, &c);
		if (step == 0 || c > 0xff)
			return -EINVAL;
		if (n == size)
			return -EMSGSIZE;
		buf[n++] = (uint8_t)c;
	}
	*ret_len = n;
	return 0;
}

int token_to_bytes(const struct token *t, uint8_t *buf, size_t size, size_t *ret_len)
{
	if (!token_is_string(t))
		return -EINVAL;
	if (t->type == TOKEN_TEXT)
		return text_to_latin1(t, buf, size, ret_len);
	if (t->len > size)
		return -EMSGSIZE;
	if (t->len > 0)
		memcpy(buf, t->data, t->len);
	*ret_len = t->len;
	return 0;
}

static bool string_truth(const struct token *t)
{
	static const char *const no[] = {"", "0", "false", "no", "off"};

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (strlen(no[i]) == t->len &&
		    (t->len == 0 || strncasecmp((const char *)t->data, no[i], t->len) == 0))
			return false;
	return true;
}

/* Like token_truth(), but of a dictionary asks only whether it is empty. */
static int plain_truth(struct token_reader *r, const struct token *first, bool *ret)
{
	struct token t;
	bool truth = false;
	int k;

	switch (first->type) {
	case TOKEN_NONE:
		break;
	case TOKEN_BOOL:
		truth = first->boolean;
		break;
	case TOKEN_INT:
		truth = first->integer != 0;
		break;
	case TOKEN_BIGINT:
		truth = true;
		break;
	case TOKEN_FLOAT:
		truth = first->real != 0;
		break;
	case TOKEN_STRING:
	case TOKEN_TEXT:
	case TOKEN_BYTES:
		truth = string_truth(first);
		break;
	case TOKEN_LIST:
	case TOKEN_DICT:
		k = token_read(r, &t);
		if (k > 0 && t.type != TOKEN_END) {
			truth = true;
			k = token_skip(r, &t);
			k = k < 0 ? k : token_skip(r, first);
		}
		if (k < 0)
			return k;
		break;
	case TOKEN_END:
	default:
		return -EINVAL;
	}
	*ret = truth;
	return 0;
}

int token_read_pair(struct token_reader *r, struct token *ret_key, struct token *ret_value)
{
	int k = token_read(r, ret_key);

	if (k <= 0 || ret_key->type == TOKEN_END)
		return k < 0 ? k : 0;
	k = token_skip(r, ret_key);
	if (k == 0)
		k = token_read(r, ret_value);
	return k == 0 ? -EBADMSG : k;
}

int token_truth(struct token_reader *r, const struct token *first, bool *ret)
{
	struct token key, value;
	bool truth = false;
	int k;

	if (first->type != TOKEN_DICT)
		return plain_truth(r, first, ret);
	while ((k = token_read_pair(r, &key, &value)) > 0) {
		if (token_equals(&key, "")) {
			k = plain_truth(r, &value, &truth);
			k = k < 0 ? k : token_skip(r, first);
			break;
		}
		truth = true;
		k = token_skip(r, &value);
		if (k < 0)
			break;
	}
	if (k < 0)
		return k;
	*ret = truth;
	return 0;
}
