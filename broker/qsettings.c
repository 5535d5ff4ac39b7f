/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/qsettings.c - profiles for x2goclient. In xproxy-x2gobroker, without privilege; no system
 * calls but those of the FILE.
 *
 * Numbers and truths are bare. All other text is in double quotes; of what is there, only
 * characters without any meaning stand for themselves. An escape, \xHHHH, takes all hexadecimal
 * digits that follow, so that the character behind it is escaped as well if it could be one.
 */
#include "broker/qsettings.h"

#include <ctype.h>
#include <stdint.h>

#include "base/macros.h"
#include "broker/shown.h"
#include "wire/utf8.h"

/* Not '<': the client makes a new line of each <br> before it looks at anything. */
static bool is_plain(uint32_t c)
{
	return c >= ' ' && c < 0x7f && !strchr("\"\\<", (int)c);
}

/* In units of UTF-16. */
static void put_escaped(FILE *to, uint32_t c)
{
	if (c >= 0x10000) {
		fprintf(to, "\\x%x", 0xd800 + ((c - 0x10000) >> 10));
		c = 0xdc00 + ((c - 0x10000) & 0x3ff);
	}
	fprintf(to, "\\x%x", c);
}

static void put_text(FILE *to, const char *text, size_t len)
{
	bool escaped = false;
	uint32_t c;

	fputc('"', to);
	if (len > 0 && text[0] == '@') /* would be the type of what follows */
		fputc('@', to);
	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_next((const uint8_t *)text + i, len - i, &c);
		if (step ==
		    0) { /* not ours: profiles are UTF-8, the names of users may be anything */
			step = 1;
			c = 0xfffd;
		}
		escaped = !is_plain(c) || (escaped && isxdigit((int)c));
		if (escaped)
			put_escaped(to, c);
		else
			fputc((int)c, to);
	}
	fputc('"', to);
}

static void put_list(FILE *to, const char *list)
{
	const char *p, *separator = "";
	size_t len;

	if (*list == '\0')
		fputs("\"\"", to);
	while ((p = profile_element(&list, &len))) {
		fputs(separator, to);
		put_text(to, p, len);
		separator = ", ";
	}
}

static void put(void *data, const char *key, const char *value)
{
	FILE *to = data;
	const enum profile_type type = profile_type(key);

	fprintf(to, "%s=", key);
	if (type == PROFILE_FLAG || type == PROFILE_NUMBER)
		fputs(value, to);
	else if (type == PROFILE_LIST && strcmp(key, "host") != 0) /* it is read as one text */
		put_list(to, value);
	else
		put_text(to, value, strlen(value));
	fputc('\n', to);
}

void qsettings_write(FILE *to, const struct profile *p, const struct profile_extra *extra)
{
	fprintf(to, "[%s]\n", profile_id(p));
	shown_each(p, extra, put, to);
	fputc('\n', to);
}
