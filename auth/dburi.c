/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/dburi.c - a database's address and password. Checker, privileged. System calls: those of
 * base/readfile.c.
 */
#include "auth/dburi.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/readfile.h"

static int fail(char *err, const char *text)
{
	snprintf(err, AUTH_ERROR_MAX, "%s", text);
	return -EINVAL;
}

static int read_uri(const char *file, char ret[DBURI_MAX], char *err)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_MAX], *data;
	size_t len;
	int r;

	if (!strchr(file, '/') && !dir)
		return fail(err, "uri-file= is a path, or the name of a credential, of which this "
		                 "service has none");
	snprintf(path, sizeof(path), "%s%s%s", strchr(file, '/') ? "" : dir,
	         strchr(file, '/') ? "" : "/", file);
	r = readfile_secret(path, DBURI_MAX - 1, &data, &len, err);
	if (r < 0)
		return r;
	snprintf(ret, DBURI_MAX, "%.*s", (int)strcspn(data, "\r\n"), data);
	readfile_free(data, len);
	return 0;
}

int dburi_get(const struct auth_options *options, char ret[DBURI_MAX], char *err)
{
	const char *uri = auth_option(options, "uri", "");
	const char *file = auth_option(options, "uri-file", "");
	char *plus, *colon;
	int r = 0;

	if (!*uri == !*file)
		return fail(err, "needs uri= or uri-file=, such as uri=postgresql://USER:PASSWORD@"
		                 "HOST/DATABASE");
	if (strlen(uri) >= DBURI_MAX)
		return fail(err, "uri= is too long");
	if (*uri)
		snprintf(ret, DBURI_MAX, "%s", uri);
	else
		r = read_uri(file, ret, err);
	if (r < 0)
		return r;
	colon = strstr(ret, "://");
	if (!colon)
		return fail(err, "the URI of the database has no '://'");
	plus = memchr(ret, '+', (size_t)(colon - ret));
	if (plus)
		memmove(plus, colon, strlen(colon) + 1);
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

bool dburi_decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		int high, low;

		if (*p != '%') {
			*to++ = *p;
			continue;
		}
		high = digit(p[1]);
		low = high < 0 ? -1 : digit(p[2]);
		if (low < 0 || high + low == 0)
			return false;
		*to++ = (char)(high << 4 | low);
		p += 2;
	}
	*to = '\0';
	return true;
}
