/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/listing.c - the sessions of a user as x2golistsessions prints them. Pure;
 * xproxy-x2gobroker, without privilege.
 *
 * A line comes from the database of an X2Go server and goes into an answer in which x2goclient
 * looks for a few words wherever they are: one that holds such a word is not passed on.
 */
#include "broker/listing.h"

#include <stdbool.h>
#include <strings.h>

#include "base/macros.h"

#define LINE_MAX_ 1024
#define FIELDS_MIN 10 /* a client does not look at shorter ones */
#define ID_SIGNS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+-"

/* ---- one line ---- */

static bool is_harmless(const char *line, size_t len)
{
	static const char *const words[] = {
		"SERVER:",        "AUTHID:",  "SESSION_INFO:", "-----BEGIN",
		"Access granted", "SUSPEND ", "TERMINATE "};

	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || (unsigned char)line[i] > '~')
			return false;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (memmem(line, len, words[i], strlen(words[i])))
			return false;
	return true;
}

/* The field after this one, within the line; NULL: that was the last. */
static const char *next_field(const char *field, const char *end)
{
	const char *bar = memchr(field, '|', (size_t)(end - field));

	return bar ? bar + 1 : NULL;
}

static bool read_id(const char *id, size_t len, struct listing_session *ret)
{
	if (len == 0 || len >= sizeof(ret->id))
		return false;
	memcpy(ret->id, id, len);
	ret->id[len] = '\0';
	return ret->id[0] != '-' && ret->id[strspn(ret->id, ID_SIGNS)] == '\0';
}

static bool read_line(const char *line, size_t len, struct listing_session *ret)
{
	const char *fields[FIELDS_MIN], *end = line + len;

	if (len > LINE_MAX_ || !is_harmless(line, len))
		return false;
	fields[0] = line;
	for (size_t i = 1; i < FIELDS_MIN; i++) {
		fields[i] = next_field(fields[i - 1], end);
		if (!fields[i])
			return false;
	}
	*ret = (struct listing_session){
		.line = line,
		.len = len,
		.server = fields[3],
		.server_len = (size_t)(fields[4] - fields[3]) - 1,
		.status = fields[4],
		.state = fields[4][0],
	};
	return fields[5] - fields[4] == 2 && (ret->state == 'S' || ret->state == 'R') &&
	       ret->server_len > 0 && read_id(fields[1], (size_t)(fields[2] - fields[1]) - 1, ret);
}

/* ---- all of them ---- */

static bool is_known(const struct listing *l, const char *id)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->sessions[i].id, id) == 0)
			return true;
	return false;
}

/* Behind those of its kind; there is room. */
static void insert(struct listing *l, const struct listing_session *s)
{
	size_t at = l->count;

	while (s->state == 'S' && at > 0 && l->sessions[at - 1].state == 'R')
		at--;
	memmove(l->sessions + at + 1, l->sessions + at, (l->count - at) * sizeof(*s));
	l->sessions[at] = *s;
	l->count++;
}

void listing_read(const char *text, struct listing *ret)
{
	struct listing_session s;

	ret->count = 0;
	while (*text && ret->count < LISTING_MAX) {
		size_t len = strcspn(text, "\n");

		if (read_line(text, len, &s) && !is_known(ret, s.id))
			insert(ret, &s);
		text += len + (text[len] == '\n');
	}
}

/* ---- servers ---- */

static bool is_same(const char *a, size_t a_len, const char *b, size_t b_len)
{
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

/* Of a name, up to its domain; all of an address, whose dots mean something else. */
static size_t short_len(const char *name, size_t len)
{
	const char *dot = memchr(name, '.', len);
	bool number = true;

	for (size_t i = 0; i < len; i++)
		number &= strchr("0123456789.", name[i]) != NULL;
	return dot && !number ? (size_t)(dot - name) : len;
}

int listing_match(const char *server, size_t len, const char *const *names, size_t n,
                  const char *self)
{
	size_t server_short = short_len(server, len), found = 0;
	int r = -1;

	for (size_t i = 0; i < n; i++)
		if (is_same(server, len, names[i], strlen(names[i])))
			return (int)i;
	for (size_t i = 0; i < n; i++) {
		bool here = strcasecmp(names[i], "localhost") == 0;
		const char *name = here ? self : names[i];
		size_t name_len = strlen(name), name_short = short_len(name, name_len);
		bool equal = is_same(server, len, name, name_len);

		if (!is_same(server, server_short, name, name_short))
			continue;
		/* One of them has no domain. */
		if (equal || server_short == len || name_short == name_len) {
			r = (int)i;
			found++;
		}
	}
	return found == 1 ? r : -1;
}

void listing_write(FILE *f, const struct listing_session *s, const char *address, char state)
{
	const char *rest = s->status + 1;

	(void)fwrite(s->line, 1, (size_t)(s->server - s->line), f);
	(void)fprintf(f, "%s|%c", address, state);
	(void)fwrite(rest, 1, s->len - (size_t)(rest - s->line), f);
	(void)fputc('\n', f);
}
