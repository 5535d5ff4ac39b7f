/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/rows.c - x2go:// URIs, read in place. In xproxy-x2gobroker, without privilege; pure, no
 * system calls, no allocation.
 */
#include "broker/rows.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wire/utf8.h"

#define SCHEME "x2go://"
#define BLANKS " \t\r\n"

struct row {
	char *name, *user, *host, *port, *command, *query;
};

struct rows {
	ini_take *take;
	void *data;
	struct ini_error *error;
	struct ini_entry entry;
};

static int fail(struct rows *r, const char *what)
{
	snprintf(r->error->text, sizeof(r->error->text), "%s", what);
	return -EBADMSG;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes %XX, and looks at what that gives. */
static int decode(struct rows *r, char *text)
{
	char *out = text;
	const char *start = text;
	int high, low;

	for (; *text; text++, out++) {
		*out = *text;
		if (*text == '%') {
			high = hex(text[1]);
			low = high < 0 ? high : hex(text[2]);
			if (low < 0)
				return fail(r, "a '%' is not followed by two hexadecimal digits");
			*out = (char)(high << 4 | low);
			text += 2;
		}
		if ((unsigned char)*out < ' ' || *out == 0x7f)
			return fail(r, "there is a control character");
	}
	*out = '\0';
	return utf8_valid((const uint8_t *)start, (size_t)(out - start))
	               ? 0
	               : fail(r, "this is not UTF-8");
}

/* Ends the text at the first c; what follows, or NULL. */
static char *cut(char *text, char c)
{
	char *at = strchr(text, c);

	if (at)
		*at++ = '\0';
	return at;
}

/* [USER@]HOST[:PORT][/COMMAND][?QUERY] */
static int split(struct rows *r, char *text, struct row *row)
{
	char *bracket;

	row->query = cut(text, '?');
	row->command = cut(text, '/');
	row->host = strrchr(text, '@');
	if (row->host) {
		*row->host++ = '\0';
		row->user = text;
	} else {
		row->host = text;
	}
	bracket = row->host[0] == '[' ? strchr(row->host, ']') : NULL;
	if (row->host[0] == '[' && (!bracket || (bracket[1] != '\0' && bracket[1] != ':')))
		return fail(r, "there is something wrong with the brackets of the address");
	row->port = cut(bracket ? bracket : row->host, ':');
	if (row->host[strcspn(row->host, " ,(")] != '\0')
		return fail(r, "the host name has a character that none can have");
	if (!row->name)
		row->name = row->host;
	if (strcmp(row->name, "DEFAULT") == 0) /* in a file, that is for all of them */
		return fail(r, "no session can be called DEFAULT");
	return decode(r, row->name);
}

/* An empty value leaves what the key would be anyway. */
static int give(struct rows *r, char *key, char *value)
{
	int result;

	if (!value || *value == '\0')
		return 0;
	result = value == r->entry.section ? 0 : decode(r, value);
	if (result < 0)
		return result;
	r->entry.key = key;
	r->entry.value = value;
	return r->take(r->data, &r->entry, r->error);
}

static int give_query(struct rows *r, char *query)
{
	int result = 0;

	while (query && result == 0) {
		char *next = cut(query, '&'), *value = cut(query, '=');

		if (*query && !value)
			result = fail(r, "an option is KEY=VALUE");
		else
			result = give(r, query, value);
		query = next;
	}
	return result;
}

static int give_row(struct rows *r, struct row *row)
{
	static char keys[][8] = {"user", "host", "sshport", "command"};
	char *const values[] = {row->user, row->host, row->port, row->command};
	int result;

	r->entry.section = row->name;
	r->entry.key = NULL;
	result = r->take(r->data, &r->entry, r->error);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]) && result == 0; i++)
		result = give(r, keys[i], values[i]);
	return result < 0 ? result : give_query(r, row->query);
}

/* Whether it is [NAME=]x2go://..., and where that begins. */
static char *find_scheme(char *text, struct row *row)
{
	char *at = strstr(text, SCHEME);

	for (size_t n = strlen(text); n > 0 && strchr(BLANKS, text[n - 1]); n--)
		text[n - 1] = '\0';
	if (!at || (at != text && at[-1] != '='))
		return NULL;
	if (at != text) {
		at[-1] = '\0';
		row->name = text;
	}
	return at + strlen(SCHEME);
}

int rows_read(char *text, ini_take *take, void *data, struct ini_error *ret)
{
	struct rows r = {.take = take, .data = data, .error = ret};
	int result = 0;

	*ret = (struct ini_error){.line = 0};
	while (text && result == 0) {
		char *next = cut(text, ','), *uri;
		struct row row = {.name = NULL};

		text += strspn(text, BLANKS);
		uri = find_scheme(text, &row);
		if (uri) {
			ret->line = ++r.entry.line;
			result = split(&r, uri, &row);
			if (result == 0)
				result = give_row(&r, &row);
		}
		text = next;
	}
	return result;
}
