/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/username.c - whose login it is. Guard or checker, privileged.
 * System calls: those of getpwuid() and of base/readfile.c.
 */
#include "auth/username.h"

#include "base/readfile.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAP_FILE_MAX (1u << 20)

const char *const username_options[] = {"username", "client-username", "verify-username",
                                        "map-user", NULL};

static bool is_set(const struct auth_options *o, const char *name, int value)
{
	const char *text = auth_option(o, name, NULL);

	return text && auth_truth(text) == value;
}

int username_check(const struct auth_options *o, char err[AUTH_ERROR_MAX])
{
	const char *map = auth_option(o, "map-user", "lowercase");

	for (int i = 1; i <= 2; i++) {
		const char *value = auth_option(o, username_options[i], "no");

		if (auth_truth(value) < 0) {
			snprintf(err, AUTH_ERROR_MAX, "%s= is yes or no", username_options[i]);
			return -EINVAL;
		}
	}
	if (map[0] == '/' || strcmp(map, "strip-domain") == 0 || strcmp(map, "lowercase") == 0)
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "map-user= is strip-domain, lowercase, or the path of a file with \"FROM TO\" on "
	         "each line");
	return -EINVAL;
}

int username_before(const struct auth_options *o, const char *claimed, char ret[AUTH_USERNAME_MAX])
{
	const char *name = auth_option(o, "username", claimed);

	if (name == claimed && is_set(o, "client-username", 0)) {
		const struct passwd *pw = getpwuid(geteuid());

		if (!pw)
			return -ENOENT;
		name = pw->pw_name;
	}
	snprintf(ret, AUTH_USERNAME_MAX, "%s", name);
	return 0;
}

static void strip_domain(char *name)
{
	char *at = strrchr(name, '@'), *backslash = strrchr(name, '\\');

	if (at && at != name)
		*at = '\0';
	else if (backslash && backslash[1])
		memmove(name, backslash + 1, strlen(backslash + 1) + 1);
}

/* The second word of the line whose first is name. 1, 0 there is none, or a negative errno. */
static int look_up(const char *file, char name[AUTH_USERNAME_MAX], char *why)
{
	char *data, *state = NULL;
	size_t len;
	int r = readfile_secret(file, MAP_FILE_MAX, &data, &len, why);

	if (r < 0)
		return r;
	for (char *line = strtok_r(data, "\r\n", &state); line && r == 0;
	     line = strtok_r(NULL, "\r\n", &state)) {
		char *words = NULL, *from = strtok_r(line, " \t", &words),
		     *to = strtok_r(NULL, " \t", &words);

		if (!from || from[0] == '#' || !to || strcmp(from, name) != 0)
			continue;
		r = 1;
		if (snprintf(name, AUTH_USERNAME_MAX, "%s", to) >= AUTH_USERNAME_MAX) {
			snprintf(why, AUTH_ERROR_MAX,
			         "%s: the name that this user is given is too long",
			         auth_path_tail(file));
			r = -EMSGSIZE;
		}
	}
	readfile_free(data, len);
	if (r == 0)
		snprintf(why, AUTH_ERROR_MAX, "this user is not in %s", auth_path_tail(file));
	return r;
}

static int map_user(const char *how, char name[AUTH_USERNAME_MAX], char *why)
{
	if (!how)
		return 1;
	if (how[0] == '/')
		return look_up(how, name, why);
	if (strcmp(how, "strip-domain") == 0)
		strip_domain(name);
	else
		for (char *c = name; *c; c++)
			*c = (char)tolower((unsigned char)*c);
	return 1;
}

int username_after(const struct auth_options *o, const char *asked, const char *known,
                   char ret[AUTH_USERNAME_MAX], char why[AUTH_ERROR_MAX])
{
	bool keep = known[0] == '\0' || is_set(o, "client-username", 1);

	if (known[0] && asked[0] && is_set(o, "verify-username", 1) && strcmp(known, asked) != 0) {
		snprintf(why, AUTH_ERROR_MAX, "the client has named another user than this one");
		return 0;
	}
	snprintf(ret, AUTH_USERNAME_MAX, "%s", keep ? asked : known);
	return map_user(auth_option(o, "map-user", NULL), ret, why);
}
