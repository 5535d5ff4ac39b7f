/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/users_sqlite.c - `xproxyctl users FILE`. Runs as its caller, with no privilege. System
 * calls: those of auth/userdb.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/userdb.h"
#include "auth/usersdb.h"

struct file {
	sqlite3 *db;
	const char *name; /* the caller's */
};

static int open_database(const char *where, enum usersdb_mode mode, void **ret, char *err)
{
	enum userdb_mode how = mode == USERSDB_CREATE  ? USERDB_CREATE
	                       : mode == USERSDB_WRITE ? USERDB_WRITE
	                                               : USERDB_READ;
	struct file *f = calloc(1, sizeof(*f));
	int r;

	if (!f) {
		snprintf(err, AUTH_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	f->name = where;
	r = userdb_open(where, how, &f->db, err);
	if (r < 0)
		free(f);
	else
		*ret = f;
	return r;
}

static void close_database(void *db)
{
	struct file *f = db;

	sqlite3_close(f->db); /* and undoes what was not committed */
	free(f);
}

static int give_row(sqlite3_stmt *stmt, sqlrow_take *take, void *context)
{
	struct sqlrow row = {.count = sqlite3_column_count(stmt)};

	for (int i = 0; i < row.count && i < SQLROW_COLUMNS_MAX; i++) {
		const char *text = (const char *)sqlite3_column_text(stmt, i);

		row.names[i] = sqlite3_column_name(stmt, i);
		row.values[i] = text ? text : "";
		row.lens[i] = strlen(row.values[i]);
	}
	return take(context, &row);
}

static int run(void *db, const char *sql, const char *const *params, int n, sqlrow_take *take,
               void *context, long long *ret_changes, char *err)
{
	struct file *f = db;
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(f->db, sql, -1, &stmt, NULL), r = 0;

	for (int i = 0; rc == SQLITE_OK && i < n; i++)
		rc = sqlite3_bind_text(stmt, i + 1, params[i], -1, SQLITE_STATIC);
	while (r == 0 && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
		rc = sqlite3_step(stmt);
		if (rc == SQLITE_ROW && take)
			r = give_row(stmt, take, context);
	}
	if (r == 0 && rc != SQLITE_DONE)
		r = userdb_error(f->db, rc, f->name, err);
	sqlite3_finalize(stmt);
	if (ret_changes)
		*ret_changes = sqlite3_changes(f->db);
	return r;
}

static int has_users(void *db, char *err)
{
	struct file *f = db;

	return userdb_has_users(f->db, f->name, err);
}

const struct users_backend users_sqlite = {
	.abi = USERSDB_ABI,
	.open = open_database,
	.close = close_database,
	.run = run,
	.has_users = has_users,
	.begin = "BEGIN IMMEDIATE",
	.order = "rowid",
	.version = "PRAGMA user_version",
	.set_version = "PRAGMA user_version=1",
};
