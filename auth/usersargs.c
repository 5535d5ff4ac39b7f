/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/usersargs.c - the arguments of `xproxyctl users`. Runs as its caller, with no privilege.
 * System calls: those of auth/prompt.c.
 */
#include "auth/usersargs.h"

#include <stdarg.h>
#include <stdio.h>

#include "auth/module.h"
#include "auth/prompt.h"
#include "base/macros.h"

#define COLUMNS_MAX 8192 /* as struct auth_row, and one more than xpra's VARCHAR(8191) */

int users_complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("xproxyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* The rules that the proxy has for names, so that nobody is added who cannot log in. */
int usersargs_username(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= AUTH_USERNAME_MAX)
		return users_complain(EXIT_USAGE, "a user name has 1 to %d bytes",
		                      AUTH_USERNAME_MAX - 1);
	if (!printable(name) || strchr(name, '|') || name[0] == '/' || name[0] == ' ' ||
	    name[len - 1] == ' ')
		return users_complain(EXIT_USAGE,
		                      "a user name has no control characters, no '|', no '/' "
		                      "as its first character, and no space at either end");
	return EXIT_SUCCESS;
}

int usersargs_id(const char *what, const char *id)
{
	size_t digits = strspn(id, "0123456789"), len = strlen(id);
	bool number = digits == len;

	if (len > 63 || !printable(id) || strpbrk(id, " ,;|:/") ||
	    (number && len > 0 && (len > 10 || strtoull(id, NULL, 10) >= UINT32_MAX)))
		return users_complain(EXIT_USAGE, "%s is a number below 4294967295 or a name",
		                      what);
	return EXIT_SUCCESS;
}

int usersargs_text(const char *what, const char *text, bool pairs)
{
	if (strlen(text) >= COLUMNS_MAX || !printable(text))
		return users_complain(EXIT_USAGE,
		                      "%s has at most %d bytes and no control characters", what,
		                      COLUMNS_MAX - 1);
	while (pairs && *text) {
		size_t n = strcspn(text, ";");

		if (n > 0 && (text[0] == '=' || !memchr(text, '=', n)))
			return users_complain(EXIT_USAGE, "%s is like 'name=value;name2=value2'",
			                      what);
		text += n + (text[n] == ';');
	}
	return EXIT_SUCCESS;
}

/* The password of argument i, or an answer. Wipes the argument. */
int usersargs_password(int argc, char **argv, int i, bool twice, char **ret)
{
	char err[AUTH_ERROR_MAX];

	if (i >= argc || strcmp(argv[i], "-") == 0) {
		if (prompt_password("Password", twice, ret, err) < 0)
			return users_complain(EXIT_FAILURE, "%s", err);
		return EXIT_SUCCESS;
	}
	*ret = strdup(argv[i]);
	explicit_bzero(argv[i], strlen(argv[i]));
	if (!*ret)
		return users_complain(EXIT_FAILURE, "out of memory");
	if (**ret == '\0')
		return users_complain(EXIT_USAGE, "an empty password lets nobody in");
	if (strlen(*ret) > PROMPT_PASSWORD_MAX)
		return users_complain(EXIT_USAGE, "a password has at most %d bytes",
		                      PROMPT_PASSWORD_MAX);
	return EXIT_SUCCESS;
}
