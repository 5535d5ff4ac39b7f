/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/module.h - an authentication module: one const struct, one file, one line in the table.
 *
 * Runs in the guard, as root when the service does. A module looks up and compares; it never sees
 * the network, never makes a salt and never chooses a digest: auth/chain.c does. This header is
 * all that a loadable module (auth-NAME.so, symbol `auth_module`) may use of the program.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define AUTH_MODULE_ABI 1
#define AUTH_OPTIONS_MAX 8
#define AUTH_USERNAME_MAX 256
#define AUTH_ERROR_MAX 256

/* `sqlite(filename=/x,password_query=...)`, split. Strings live as long as the configuration. */
struct auth_options {
	size_t count;
	struct {
		const char *name;
		const char *value;
	} items[AUTH_OPTIONS_MAX];
};

static inline const char *auth_option(const struct auth_options *o, const char *name,
                                      const char *fallback)
{
	for (size_t i = 0; i < o->count; i++)
		if (__builtin_strcmp(o->items[i].name, name) == 0)
			return o->items[i].value;
	return fallback;
}

/* The end of a path, short enough to leave room in an error text. */
static inline const char *auth_path_tail(const char *path)
{
	size_t n = __builtin_strlen(path);

	return n > 100 ? path + n - 100 : path;
}

/* One attempt to log in, as a module sees it. */
struct auth_attempt {
	const char *username; /* "" if the client sent none; no control characters, no '/' first */
	const struct auth_options *options;
	/* Whether this password makes the response that the client sent. Constant time for a given
	 * length. A module without AUTH_CHALLENGE must not call it. An empty password makes no
	 * response right: modules see to that themselves, as a hidden rule is easily lost. */
	bool (*check)(const struct auth_attempt *a, const void *password, size_t len);
	/* For the log: something to put right that does not decide this attempt. The rules of
	 * `error` below hold for its text too. May be NULL. */
	void (*warn)(const struct auth_attempt *a, const char *text);
	char error[AUTH_ERROR_MAX]; /* for the log, when verify() returns a negative errno: what
	                             * failed and what to do; never a secret, never a line's
	                             * contents */
};

/* What a module knows about the user besides "yes". Empty fields are unknown. */
struct auth_row {
	/* The fields below are this user's answer: an empty uid is the default user, empty displays
	 * are no session at all. If not set, the module keeps no sessions. */
	bool has_sessions;
	char uid[64], gid[64];  /* number or name, as stored */
	char displays[8192];    /* URIs, comma separated */
	char env_options[8192]; /* k=v;k=v */
	char session_options[8192];
};

enum auth_flags {
	AUTH_CHALLENGE = 1 << 0, /* the client must answer a challenge before verify() */
	AUTH_SECRET = 1 << 1, /* a secret is among the options: no error quotes any part of them */
};

struct auth_module {
	unsigned abi; /* AUTH_MODULE_ABI */
	const char *name;
	unsigned flags;
	const char *const *options; /* names it takes, NULL-terminated; `prompt` is taken by all */
	/* Checks options and that what they name can be opened, when the connection starts. 0, or a
	 * negative errno with err (AUTH_ERROR_MAX bytes) saying what is wrong and what to do. May
	 * be NULL. */
	int (*open)(const struct auth_options *options, char *err);
	/* 1 yes (ret_row may be filled), 0 no, negative errno: could not tell (a->error says why).
	 * `xproxyctl sessions` looks records up with it, by a check() that says yes to one password
	 * after the other: with AUTH_CHALLENGE it must change nothing. */
	int (*verify)(struct auth_attempt *a, struct auth_row *ret_row);
};
