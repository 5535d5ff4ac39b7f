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

#include "base/peer.h"

#define AUTH_MODULE_ABI 3
#define AUTH_OPTIONS_MAX 24
#define AUTH_USERNAME_MAX 256
#define AUTH_ERROR_MAX 256
#define AUTH_FACTS_MAX 2       /* that one module may ask for */
#define AUTH_FACT_NAME_MAX 256 /* bytes, with the NUL: these four */
#define AUTH_FACT_MAX 8192
#define AUTH_DIGEST_MAX 256
#define AUTH_SALT_MAX 1024
#define AUTH_STATE_MAX 1024 /* bytes */
#define AUTH_SERVICE_MAX 65

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

/* 1 for yes, true, on and 1; 0 for their opposites; -1 for anything else. */
static inline int auth_truth(const char *value)
{
	static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};

	for (int i = 0; i < (int)(sizeof(words) / sizeof(words[0])); i++)
		if (__builtin_strcasecmp(value, words[i]) == 0)
			return i % 2;
	return -1;
}

/* The end of a path, short enough to leave room in an error text. */
static inline const char *auth_path_tail(const char *path)
{
	size_t n = __builtin_strlen(path);

	return n > 100 ? path + n - 100 : path;
}

/* One attempt to log in, as a module sees it. Strings are the network's word, checked for length
 * only, unless it says otherwise. */
struct auth_attempt {
	const char *username; /* "" if nobody has named one; no control characters, no '/' first */
	const struct auth_options *options;
	const struct peer *peer; /* the client; behind a trusted front end, whom that speaks for */
	bool secure;             /* nobody else reads what the client sends */
	bool forwarded;          /* facts of HTTP are a trusted front end's */
	/* Whether this password makes the response that the client sent. Constant time for a given
	 * length. Only with AUTH_CHALLENGE. An empty password makes no response right: modules see
	 * to that themselves, as a hidden rule is easily lost. */
	bool (*check)(const struct auth_attempt *a, const void *password, size_t len);
	/* AUTH_CLEAR, and of an own challenge whose digest is xor's: what the user typed. Never
	 * empty, has no NUL inside unless the digest is gss; wiped after verify(). NULL else. */
	const char *password;
	size_t password_len;
	/* AUTH_OWN: the answer to the challenge, and the client's salt, as they came. */
	const uint8_t *response, *client_salt;
	size_t response_len, client_salt_len;
	const char *facts[AUTH_FACTS_MAX]; /* in the order of fact(); NULL: the client has no such
	                                    */
	void *state; /* AUTH_STATE_MAX bytes of the module's, aligned, zero when its first
	              * challenge is made */
	/* For the log: something to put right that does not decide this attempt. The rules of
	 * `error` below hold for its text too. May be NULL. */
	void (*warn)(const struct auth_attempt *a, const char *text);
	char error[AUTH_ERROR_MAX]; /* for the log, when a call returns a negative errno: what
	                             * failed and what to do; or with a no that is not just a wrong
	                             * password; never a secret, never a line's contents */
};

/* What a module knows about the user besides "yes". Empty fields are unknown. */
struct auth_row {
	/* The fields below are this user's answer: an empty uid is the default user, empty displays
	 * are no session at all. If not set, the module keeps no sessions. */
	bool has_sessions;
	/* Who this is, if the module does not take the client's word for it: a certificate's owner,
	 * the other end of a unix socket. "": whom the client named. */
	char username[AUTH_USERNAME_MAX];
	char uid[64], gid[64];  /* number or name, as stored */
	char displays[8192];    /* URIs, comma separated */
	char env_options[8192]; /* k=v;k=v */
	char session_options[8192];
	char service[AUTH_SERVICE_MAX]; /* of PAM, which knows the password and can change it */
};

enum auth_flags {
	AUTH_CHALLENGE = 1 << 0, /* the client must answer a challenge before verify() */
	AUTH_SECRET = 1 << 1, /* a secret is among the options: no error quotes any part of them */
	AUTH_CLEAR = 1 << 2,  /* with AUTH_CHALLENGE: check() is of no use, it needs the password
	                       * itself, which is only asked for where nobody else can read it */
	AUTH_OWN = 1 << 3,    /* with AUTH_CHALLENGE: makes the challenge itself */
	AUTH_WAITS = 1 << 4,  /* may take its time: runs in a process that can be ended. What is
	                       * loaded does so anyway, but for sqlite */
};

/* A challenge of a module's own. */
struct auth_challenge {
	char digest[AUTH_DIGEST_MAX]; /* "u2f:xor": the part before ':' must be one that the client
	                               * offers and wire/digest.h knows */
	uint8_t salt[AUTH_SALT_MAX];  /* what goes where the server's salt does */
	size_t salt_len;              /* 0: a fresh salt */
	char prompt[256];             /* "": the usual one */
};

/* What verify() returns, besides negative errnos. */
enum auth_verdict {
	AUTH_NO,
	AUTH_YES,
	AUTH_MORE, /* AUTH_OWN: another challenge */
};

struct auth_module {
	unsigned abi; /* AUTH_MODULE_ABI */
	const char *name;
	unsigned flags;
	/* Names it takes, NULL-terminated; `prompt` and those of auth/username.h are taken by all.
	 * Some options make flags: `passwords=hashed` AUTH_CLEAR, `require-challenge=yes`
	 * AUTH_CHALLENGE and AUTH_CLEAR, `dns=yes` AUTH_WAITS. */
	const char *const *options;
	/* Checks options and that what they name can be opened, when the connection starts. 0, or a
	 * negative errno with err (AUTH_ERROR_MAX bytes) saying what is wrong and what to do. May
	 * be NULL. */
	int (*open)(const struct auth_options *options, char *err);
	/* The n-th (from 0) fact that it needs of the client, before all else: "capability:NAME",
	 * "header:NAME", "certificate:FIELD" (relay/fact.h), in ret (AUTH_FACT_NAME_MAX bytes).
	 * False: that was all. May be NULL. */
	bool (*fact)(const struct auth_options *options, unsigned n, char *ret);
	/* AUTH_OWN only: makes the n-th (from 0) challenge; *ret is zero. 0, or a negative errno
	 * with a->error: it cannot, which is a no. */
	int (*challenge)(struct auth_attempt *a, unsigned n, struct auth_challenge *ret);
	/* ret_row, which is zero, may be filled for a yes. Negative errno: could not tell (a->error
	 * says why). `xproxyctl sessions` looks records up with it, by a check() that says yes to
	 * one password after the other: without AUTH_CLEAR and AUTH_OWN it must change nothing. */
	int (*verify)(struct auth_attempt *a, struct auth_row *ret_row);
	/* Registry=: the sessions of a->username, whom others have let in; the rest of *a is not
	 * set but for options, peer, secure and warn. 1 with ret_row, 0 there is no such user,
	 * negative errno as above. NULL: it is no directory of sessions. */
	int (*lookup)(struct auth_attempt *a, struct auth_row *ret_row);
};
