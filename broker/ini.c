/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/ini.c - INI files, read in place. In xproxy-x2gobroker, without privilege; pure, no system
 * calls, no allocation.
 *
 * A value of several lines is put together where it stands: what separates two lines is never
 * shorter in the file than the \n that it becomes.
 */
#include "broker/ini.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

struct line {
	char *text; /* without the blanks around it */
	size_t len, indent;
};

struct reader {
	char *at, *end;
	unsigned number;
	size_t indent;   /* of the last header or key */
	char *value_end; /* of the entry's, to which a line may be added */
	size_t empty;    /* lines since then */
	struct ini_entry entry;
	ini_take *take;
	void *data;
	struct ini_error *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct reader *r, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(r->error->text, sizeof(r->error->text), format, ap);
	va_end(ap);
	r->error->line = r->number;
	return -EBADMSG;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t without_blanks(const char *text, size_t len)
{
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	return len;
}

static int check_text(struct reader *r, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return fail(r, "there is a control character");
	return utf8_valid((const uint8_t *)text, len) ? 0 : fail(r, "this is not UTF-8");
}

/* The next line, which ends with \n, \r\n or \r. */
static int next_line(struct reader *r, struct line *ret)
{
	char *start = r->at, *end = start;

	while (end < r->end && *end != '\n' && *end != '\r')
		end++;
	r->at = end + (end < r->end);
	if (r->at < r->end && *end == '\r' && *r->at == '\n')
		r->at++;
	r->number++;
	*ret = (struct line){.text = start, .len = without_blanks(start, (size_t)(end - start))};
	while (ret->indent < ret->len && is_blank(ret->text[ret->indent]))
		ret->indent++;
	ret->text += ret->indent;
	ret->len -= ret->indent;
	return check_text(r, ret->text, ret->len);
}

static void add_line(struct reader *r, const struct line *l)
{
	memset(r->value_end, '\n', r->empty + 1);
	r->value_end += r->empty + 1;
	memmove(r->value_end, l->text, l->len);
	r->value_end += l->len;
	r->empty = 0;
}

/* Gives away the entry that is now known to be whole. */
static int flush(struct reader *r)
{
	int result = 0;

	if (r->value_end) {
		*r->value_end = '\0';
		r->error->line = r->entry.line;
		result = r->take(r->data, &r->entry, r->error);
	}
	r->value_end = NULL;
	r->empty = 0;
	return result;
}

/* Up to the last bracket; what is behind it does not count. */
static bool is_header(const struct line *l, size_t *ret_len)
{
	const char *close = memrchr(l->text, ']', l->len);

	*ret_len = close ? (size_t)(close - l->text) : 0;
	return l->text[0] == '[' && *ret_len > 1;
}

static int read_header(struct reader *r, const struct line *l, size_t len)
{
	r->entry = (struct ini_entry){.section = l->text + 1, .line = r->number};
	l->text[len] = '\0';
	r->error->line = r->number;
	return r->take(r->data, &r->entry, r->error);
}

static int read_key(struct reader *r, const struct line *l)
{
	size_t n = 0, value;

	while (n < l->len && l->text[n] != '=' && l->text[n] != ':')
		n++;
	if (n == l->len)
		return fail(r, "neither a [section] nor an assignment, KEY=VALUE");
	value = n + 1;
	while (value < l->len && is_blank(l->text[value]))
		value++;
	n = without_blanks(l->text, n);
	if (n == 0)
		return fail(r, "there is no key before the '='");
	l->text[n] = '\0';
	r->entry.key = l->text;
	r->entry.value = l->text + value;
	r->entry.line = r->number;
	r->value_end = l->text + l->len;
	return 0;
}

static int read_line(struct reader *r, const struct line *l)
{
	size_t header_len;
	int result;

	if (l->len == 0) {
		r->empty += r->value_end != NULL;
		return 0;
	}
	if (l->text[0] == '#' || l->text[0] == ';')
		return 0;
	if (r->value_end && l->indent > r->indent) {
		add_line(r, l);
		return 0;
	}
	result = flush(r);
	if (result < 0)
		return result;
	r->indent = l->indent;
	if (is_header(l, &header_len))
		return read_header(r, l, header_len);
	if (!r->entry.section)
		return fail(r, "this is before the first [section]");
	return read_key(r, l);
}

int ini_read(char *text, size_t len, ini_take *take, void *data, struct ini_error *ret)
{
	struct reader r = {.at = text, .end = text + len, .take = take, .data = data, .error = ret};
	struct line l;
	int result = 0;

	*ret = (struct ini_error){.line = 0};
	while (result == 0 && r.at < r.end) {
		result = next_line(&r, &l);
		if (result == 0)
			result = read_line(&r, &l);
	}
	return result < 0 ? result : flush(&r);
}
