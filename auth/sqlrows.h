/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/sqlrows.h - users in a table of a database: what auth-sqlite.so, auth-pgsql.so and
 * auth-mysql.so have in common, which is all but how a query is sent.
 *
 * A name may have several rows with different passwords: each is tried, and the one that is right
 * chooses the row with the sessions. An unknown name costs one check, as a known one does.
 */
#pragma once

#include "auth/module.h"

#define SQLROW_COLUMNS_MAX 16

/* xpra's own queries, so that its documentation holds for ours; P1 and P2 are the parameters. The
 * last is for Registry=, where others have seen to the password. */
#define SQLROWS_PASSWORDS(P1) "SELECT password FROM users WHERE username=(" P1 ")"
#define SQLROWS_LOOKUP(P1)                                         \
	"SELECT uid, gid, displays, env_options, session_options " \
	"FROM users WHERE username=(" P1 ")"
#define SQLROWS_SESSIONS(P1, P2) SQLROWS_LOOKUP(P1) " AND password=(" P2 ")"

struct sqlrow {
	int count;
	const char *names[SQLROW_COLUMNS_MAX];
	const char *values[SQLROW_COLUMNS_MAX]; /* never NULL */
	size_t lens[SQLROW_COLUMNS_MAX];        /* may be more than there is of a value: then
	                                         * it is too long for anything */
};

/* Takes one row, which is gone afterwards. Not 0: no more. */
typedef int sqlrow_take(void *context, const struct sqlrow *row);

/* A database that is open. */
struct sqlrows {
	void *db;
	const char *name;                          /* for errors; no secret in it */
	char *err;                                 /* AUTH_ERROR_MAX bytes */
	const char *passwords, *sessions, *lookup; /* the default queries */
	/* Runs sql, that option's value, with as many of n parameters as it has, at least one.
	 * take == NULL: sees whether it could be run. 0, what take() returned, or a negative errno
	 * with err. */
	int (*query)(struct sqlrows *s, const char *option, const char *sql,
	             const char *const *params, int n, sqlrow_take *take, void *context);
};

/* struct auth_module's functions of those names. Options: password_query, sessions_query, passwords
 * (auth/hash.h). */
int sqlrows_open(struct sqlrows *s, const struct auth_options *options);
int sqlrows_verify(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret);
int sqlrows_lookup(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret);
