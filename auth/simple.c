/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/simple.c - the modules that need no table: one answer, or one password, for every name.
 * Guard; with its privileges. System calls: those of base/readfile.c, for `file` alone.
 *
 * None of them knows sessions: the caller finds those of the system's user of that name.
 */
#include "auth/load.h"
#include "base/readfile.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PASSWORD_FILE_MAX (1u << 20)

static const char *const no_options[] = {NULL};

static int always_yes(struct auth_attempt *a, struct auth_row *ret_row)
{
	(void)a;
	(void)ret_row;
	return 1;
}

static int always_no(struct auth_attempt *a, struct auth_row *ret_row)
{
	(void)a;
	(void)ret_row;
	return 0;
}

/* No challenge: whoever can connect is in. */
const struct auth_module auth_none = {
	.abi = AUTH_MODULE_ABI,
	.name = "none",
	.options = no_options,
	.verify = always_yes,
};

static int ssh_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const struct passwd *pw = getpwuid(getuid());

	(void)ret_row;
	return pw && strcmp(pw->pw_name, a->username) == 0;
}

/* sshd has logged in the user that this process runs as. In no table of modules: auth/chain.c uses
 * it with --ssh, and no configuration can name it, since on a socket it would let everybody in. */
const struct auth_module auth_ssh = {
	.abi = AUTH_MODULE_ABI,
	.name = "ssh",
	.options = no_options,
	.verify = ssh_verify,
};

/* For tests: the client is asked, and any answer will do. */
const struct auth_module auth_allow = {
	.abi = AUTH_MODULE_ABI,
	.name = "allow",
	.flags = AUTH_CHALLENGE,
	.options = no_options,
	.verify = always_yes,
};

/* For tests: the client is asked, and no answer will do. */
const struct auth_module auth_reject = {
	.abi = AUTH_MODULE_ABI,
	.name = "reject",
	.flags = AUTH_CHALLENGE,
	.options = no_options,
	.verify = always_no,
};

static int ratelimit_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	(void)ret_row;
	if (a->warn)
		a->warn(a, "module 'ratelimit' and its options do nothing here: [Limits] says how "
		           "those who fail to log in are slowed down");
	return 1;
}

static const char *const ratelimit_options[] = {
	"max-failures", "window",      "delay",       "max-delay",
	"ipv4-prefix",  "ipv6-prefix", "max-tracked", NULL,
};

/* For configurations that name it: what it does for xpra is done without it. */
const struct auth_module auth_ratelimit = {
	.abi = AUTH_MODULE_ABI,
	.name = "ratelimit",
	.options = ratelimit_options,
	.verify = ratelimit_verify,
};

static int fail_open(const struct auth_options *options, char *err)
{
	(void)options;
	snprintf(err, AUTH_ERROR_MAX, "the 'fail' module always fails");
	return -EPERM;
}

/* For tests: a module that cannot even start. */
const struct auth_module auth_fail = {
	.abi = AUTH_MODULE_ABI,
	.name = "fail",
	.options = no_options,
	.open = fail_open,
	.verify = always_no,
};

/* An empty password lets nobody in, as with xpra. */
static int check_one(struct auth_attempt *a, const char *password, size_t len)
{
	bool right = a->check(a, password, len);

	return right && len > 0;
}

static int password_open(const struct auth_options *options, char *err)
{
	if (auth_option(options, "value", "")[0])
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "module 'password' needs value=");
	return -EINVAL;
}

static int password_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *password = auth_option(a->options, "value", "");

	(void)ret_row;
	return check_one(a, password, strlen(password));
}

static const char *const password_options[] = {"value", NULL};

/* The password stands in the configuration itself. */
const struct auth_module auth_password = {
	.abi = AUTH_MODULE_ABI,
	.name = "password",
	.flags = AUTH_CHALLENGE | AUTH_SECRET,
	.options = password_options,
	.open = password_open,
	.verify = password_verify,
};

static const char *env_name(const struct auth_options *options)
{
	return auth_option(options, "name", "XPRA_PASSWORD");
}

static int env_open(const struct auth_options *options, char *err)
{
	const char *password = getenv(env_name(options));

	if (password && *password)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "module 'env': the environment variable %.64s is %s",
	         env_name(options), password ? "empty" : "not set");
	return -ENOENT;
}

static int env_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *password = getenv(env_name(a->options));

	(void)ret_row;
	return check_one(a, password ? password : "", password ? strlen(password) : 0);
}

static const char *const env_options[] = {"name", NULL};

/* The password is in the environment of the service. */
const struct auth_module auth_env = {
	.abi = AUTH_MODULE_ABI,
	.name = "env",
	.flags = AUTH_CHALLENGE,
	.options = env_options,
	.open = env_open,
	.verify = env_verify,
};

static int file_open(const struct auth_options *options, char *err)
{
	const char *file = auth_option(options, "filename", "");
	char *data;
	size_t len;
	int r;

	if (!*file) {
		snprintf(err, AUTH_ERROR_MAX, "module 'file' needs filename=");
		return -EINVAL;
	}
	r = readfile_secret(file, PASSWORD_FILE_MAX, &data, &len, err);
	if (r < 0)
		return r;
	readfile_free(data, len);
	if (len > 0)
		return 0;
	snprintf(err, AUTH_ERROR_MAX, "%s is empty: it must hold the password",
	         auth_path_tail(file));
	return -ENODATA;
}

static int file_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	const char *file = auth_option(a->options, "filename", "");
	char *data;
	size_t len;
	int r;

	(void)ret_row;
	r = readfile_secret(file, PASSWORD_FILE_MAX, &data, &len, a->error);
	if (r < 0)
		return r;
	r = check_one(a, data, len);
	if (r == 0 && a->warn && len > 0 && data[len - 1] == '\n') {
		char text[AUTH_ERROR_MAX];

		snprintf(text, sizeof(text),
		         "%s ends with a newline, which is part of the password",
		         auth_path_tail(file));
		a->warn(a, text);
	}
	readfile_free(data, len);
	return r;
}

static const char *const file_options[] = {"filename", NULL};

/* The whole file is the password, a newline at its end included. */
const struct auth_module auth_file = {
	.abi = AUTH_MODULE_ABI,
	.name = "file",
	.flags = AUTH_CHALLENGE,
	.options = file_options,
	.open = file_open,
	.verify = file_verify,
};
