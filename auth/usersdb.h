/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/usersdb.h - what `xproxyctl users` needs of a kind of database: auth/users_sqlite.c, and
 * auth/users_pgsql.c in auth-pgsql.so, symbol `users_backend`, since few need libpq.
 */
#pragma once

#include "auth/sqlrows.h"

#define USERSDB_ABI 1
#define USERSDB_VERSION 1 /* of the schema; 1: an index */

enum usersdb_mode {
	USERSDB_READ,
	USERSDB_WRITE,
	USERSDB_CREATE, /* makes the file, if that is what it is */
};

struct users_backend {
	unsigned abi;
	/* 0 and *ret for close(), or a negative errno with err (AUTH_ERROR_MAX bytes). */
	int (*open)(const char *where, enum usersdb_mode mode, void **ret, char *err);
	void (*close)(void *db);
	/* Runs one statement, in which each '?' is the next of n parameters. Rows go to take(), as
	 * auth/sqlrows.h says. *ret_changes (may be NULL): how many rows it changed. */
	int (*run)(void *db, const char *sql, const char *const *params, int n, sqlrow_take *take,
	           void *context, long long *ret_changes, char *err);
	/* Whether there is a table `users`, which may be a view: 1, 0, negative errno. */
	int (*has_users)(void *db, char *err);
	const char *begin; /* a transaction that other writers wait for */
	const char *order; /* of the table's rows: that in which they were added, if it is known */
	/* The version of the schema, as one number: 0 is xpra's, which has no place for it. */
	const char *version;
	const char *set_version; /* to USERSDB_VERSION */
};

extern const struct users_backend users_sqlite;
