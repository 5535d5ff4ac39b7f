/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * wire/yaml_scalar.c - one scalar in yaml: plain, 'single', "double" or, for !!binary, | literal.
 *
 * Pure functions, for the worker; no system calls. A scalar's text is unfolded into the free part
 * of the output, a little behind what has been written, and moved there when its length is known.
 */
#include "wire/utf8.h"
#include "wire/yaml_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GAP                                                                                   \
	16 /* more than what is written before a string: a dict's mark, a length, a separator \
	    */

static void put(struct yaml *y, uint8_t c)
{
	if (y->text_len == y->text_size)
		y->text_cut = true;
	else
		y->text[y->text_len++] = c;
}

static void put_utf8(struct yaml *y, uint32_t c)
{
	const unsigned more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
	static const uint8_t lead[] = {0, 0xc0, 0xe0, 0xf0};

	put(y, (uint8_t)(lead[more] | c >> 6 * more));
	for (unsigned i = more; i > 0; i--)
		put(y, (uint8_t)(0x80 | (c >> 6 * (i - 1) & 0x3f)));
}

static bool is_control(int c)
{
	return c < ' ' || c == 0x7f; /* YAML_END too */
}

/* A plain scalar is over at `: `, and in flow style at the list's own signs. */
static bool plain_ends(const struct yaml *y, bool flow)
{
	return yaml_look(y, 0) == YAML_END || yaml_indicator(y, ':') ||
	       (flow && yaml_is_flow_indicator(yaml_look(y, 0)));
}

/* From the blank after a word of a plain scalar to the next. 1; 0: that was the last one; a comment
 * is an error. */
static int plain_gap(struct yaml *y, bool flow)
{
	const uint8_t *const at = y->at, *const line = y->line;
	yaml_skip_spaces(y);
	if (yaml_look(y, 0) != '\n') {
		if (plain_ends(y, flow))
			return 0;
		for (const uint8_t *p = at; p < y->at; p++)
			put(y, ' ');
		return yaml_look(y, 0) == '#' ? -EBADMSG : 1;
	}
	yaml_next_line(y);
	if ((!flow && !yaml_is_inside(y)) || plain_ends(y, flow) || yaml_look(y, 0) == '\n') {
		y->at = at;
		y->line = line;
		return 0;
	}
	put(y, ' ');
	return yaml_look(y, 0) == '#' ? -EBADMSG : 1;
}

static int read_plain(struct yaml *y, bool flow)
{
	const int first = yaml_look(y, 0), second = yaml_look(y, 1);
	int k = 1;

	if (is_control(first) || strchr(" ,[]{}#&*!|>'\"%@`", first) ||
	    (strchr("-?:", first) &&
	     (yaml_is_blank(second) || (flow && yaml_is_flow_indicator(second)))))
		return -EBADMSG;
	while (k > 0) {
		while (!yaml_is_blank(yaml_look(y, 0)) && !plain_ends(y, flow)) {
			if (is_control(*y->at))
				return -EBADMSG;
			put(y, *y->at++);
		}
		k = plain_ends(y, flow) ? 0 : plain_gap(y, flow);
	}
	return k;
}

/* Blanks in quotes: at a line's end one break is a space, more are one break less. */
static void quoted_gap(struct yaml *y)
{
	const uint8_t *const at = y->at;
	size_t breaks = 0;

	yaml_skip_spaces(y);
	for (; yaml_look(y, 0) == '\n'; breaks++)
		yaml_next_line(y);
	if (breaks == 1)
		put(y, ' ');
	for (size_t i = 1; i < breaks; i++)
		put(y, '\n');
	for (const uint8_t *p = at; breaks == 0 && p < y->at; p++)
		put(y, ' ');
}

static int read_hex(struct yaml *y, unsigned digits)
{
	uint32_t c = 0;

	for (; digits > 0; digits--, y->at++) {
		const int d = yaml_look(y, 0);

		if (d >= '0' && d <= '9')
			c = c << 4 | (uint32_t)(d - '0');
		else if (d >= 'A' && d <= 'F')
			c = c << 4 | (uint32_t)(d - 'A' + 10);
		else
			return -EBADMSG;
	}
	/* A surrogate is a byte that Python could not decode, and no other encoder can say. */
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return -EBADMSG;
	put_utf8(y, c);
	return 0;
}

/* After a backslash. */
static int read_escape(struct yaml *y)
{
	static const struct {
		uint8_t letter;
		uint16_t meaning;
	} escapes[] = {{'0', 0},    {'a', 7},    {'b', 8},      {'t', 9},
	               {'n', 10},   {'v', 11},   {'f', 12},     {'r', 13},
	               {'e', 27},   {' ', ' '},  {'"', '"'},    {'\\', '\\'},
	               {'N', 0x85}, {'_', 0xa0}, {'L', 0x2028}, {'P', 0x2029}};
	const int c = yaml_look(y, 0);

	if (c == '\n') { /* the line goes on where the next one's text begins */
		yaml_next_line(y);
		return yaml_look(y, 0) == '\n' ? -EBADMSG : 0;
	}
	if (c == YAML_END)
		return -EBADMSG;
	y->at++;
	if (c == 'x' || c == 'u' || c == 'U')
		return read_hex(y, c == 'x' ? 2 : c == 'u' ? 4 : 8);
	for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
		if (c == escapes[i].letter) {
			put_utf8(y, escapes[i].meaning);
			return 0;
		}
	return -EBADMSG;
}

static int read_quoted(struct yaml *y)
{
	const uint8_t quote = *y->at++;
	int k = 0;

	while (k == 0) {
		const int c = yaml_look(y, 0);

		if (c == ' ' || c == '\n') {
			quoted_gap(y);
			continue;
		}
		if (is_control(c))
			return -EBADMSG;
		y->at++;
		if (c == '\\' && quote == '"')
			k = read_escape(y);
		else if (c != quote)
			put(y, (uint8_t)c);
		else if (quote == '\'' && yaml_look(y, 0) == '\'')
			put(y, *y->at++);
		else
			return 0;
	}
	return k;
}

/* `|` and the lines below, further right than the level they are in; without their ends. */
static int read_literal(struct yaml *y)
{
	y->at++;
	if (yaml_look(y, 0) != '\n')
		return -EBADMSG;
	for (;;) {
		const uint8_t *const at = y->at, *const line = y->line;

		if (yaml_look(y, 0) == '\n')
			yaml_next_line(y);
		if (!yaml_is_inside(y) || yaml_is_blank(yaml_look(y, 0))) {
			y->at = at;
			y->line = line;
			return 0;
		}
		while (yaml_look(y, 0) != '\n' && y->at < y->end)
			put(y, *y->at++);
	}
}

static int base64_value(uint8_t c)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *p = c ? strchr(letters, c) : NULL;

	return p ? (int)(p - letters) : -1;
}

/* The text from base64, in place: it only gets shorter. */
static int decode_base64(struct yaml *y)
{
	size_t n = 0, letters = 0, pads = 0;
	uint32_t bits = 0;

	for (size_t i = 0; i < y->text_len; i++) {
		const uint8_t c = y->text[i];
		const int v = base64_value(c);

		if (c == '\n' || c == ' ')
			continue;
		if (c != '=' && (v < 0 || pads > 0))
			return -EBADMSG;
		pads += c == '=';
		bits = bits << 6 | (uint32_t)(v < 0 ? 0 : v);
		if (++letters % 4 > 0)
			continue;
		for (size_t j = 0; j + pads < 3; j++)
			y->text[n++] = (uint8_t)(bits >> (16 - 8 * j));
	}
	y->text_len = n;
	return letters % 4 == 0 && pads < 3 ? 0 : -EBADMSG;
}

static bool text_is(const struct yaml *y, const char *s)
{
	return y->text_len == strlen(s) && memcmp(y->text, s, y->text_len) == 0;
}

static size_t skip_digits(const struct yaml *y, size_t i)
{
	while (i < y->text_len && y->text[i] >= '0' && y->text[i] <= '9')
		i++;
	return i;
}

/* digits `.` digits, and then perhaps `e`, a sign and digits: the only floats with digits. */
static bool is_float(const struct yaml *y, size_t i)
{
	size_t n = skip_digits(y, i);

	if (n == i || n == y->text_len || y->text[n] != '.')
		return false;
	n = skip_digits(y, n + 1);
	if (n == y->text_len)
		return true;
	if (y->text_len - n < 3 || y->text[n] != 'e' ||
	    (y->text[n + 1] != '-' && y->text[n + 1] != '+'))
		return false;
	return skip_digits(y, n + 2) == y->text_len;
}

static int set_float(const struct yaml *y, struct token *ret)
{
	char buf[64];

	if (y->text_len >= sizeof(buf))
		return -EBADMSG;
	memcpy(buf, y->text, y->text_len);
	buf[y->text_len] = '\0';
	ret->type = TOKEN_FLOAT;
	ret->real = strtod(buf, NULL);
	return 0;
}

/* What a plain scalar is. */
static int resolve(const struct yaml *y, struct token *ret)
{
	const size_t sign = y->text_len > 0 && y->text[0] == '-';
	const bool zero = y->text_len > sign && y->text[sign] == '0';

	if (text_is(y, "null")) {
		ret->type = TOKEN_NONE;
	} else if (text_is(y, "true") || text_is(y, "false")) {
		ret->type = TOKEN_BOOL;
		ret->boolean = text_is(y, "true");
	} else if (text_is(y, ".inf") || text_is(y, "-.inf")) {
		ret->type = TOKEN_FLOAT;
		ret->real = sign ? -__builtin_inf() : __builtin_inf();
	} else if (text_is(y, ".nan")) {
		ret->type = TOKEN_FLOAT;
		ret->real = __builtin_nan("");
	} else if (is_float(y, sign)) {
		return set_float(y, ret);
	} else if (y->text_len > sign && skip_digits(y, sign) == y->text_len &&
	           (!zero || y->text_len == 1)) { /* 08 is text to PyYAML */
		ret->type = TOKEN_BIGINT;         /* written as INT if it is one */
	}
	return 0;
}

int yaml_read_scalar(struct yaml *y, const struct yaml_node *n, bool flow, struct token *ret)
{
	const int first = yaml_look(y, 0);
	const bool quoted = first == '"' || first == '\'';
	int k;

	y->text_len = 0;
	y->text_cut = y->w.size - y->w.len <= GAP;
	y->text = y->text_cut ? NULL : y->w.data + y->w.len + GAP;
	y->text_size = y->text_cut ? 0 : y->w.size - y->w.len - GAP;
	if (first == '|' && n->tag == YAML_BINARY && !flow)
		k = read_literal(y);
	else
		k = quoted ? read_quoted(y) : read_plain(y, flow);
	if (k < 0 || n->tag == YAML_TUPLE)
		return -EBADMSG;
	if (y->text_cut)
		return -EMSGSIZE;
	*ret = (struct token){.type = TOKEN_TEXT, .data = y->text};
	if (n->tag == YAML_BINARY) {
		ret->type = TOKEN_BYTES;
		k = decode_base64(y);
	} else if (!quoted) {
		k = resolve(y, ret);
	}
	ret->len = y->text_len;
	if (k == 0 && ret->type == TOKEN_TEXT && !utf8_valid(y->text, y->text_len))
		return -EBADMSG;
	return k;
}
