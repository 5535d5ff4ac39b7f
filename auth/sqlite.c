/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/sqlite.c - users in an sqlite database, as xpra's sqlite module keeps them (auth-sqlite.so).
 * Guard; with its privileges, read only. System calls: those of auth/userdb.c.
 */
#include "auth/module.h"
#include "auth/sqlrows.h"
#include "auth/userdb.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

extern const struct auth_module auth_module;

static int prepare(struct sqlrows *s, const char *option, const char *sql, int params,
                   sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(s->db, sql, -1, ret, NULL), n;

	if (rc != SQLITE_OK) {
		const char *text = sqlite3_errmsg(s->db);

		if ((rc & 0xff) != SQLITE_ERROR)
			return userdb_error(s->db, rc, s->name, s->err);
		if (strcmp(text, "no such table: users") == 0)
			return userdb_no_users(s->name, s->err);
		snprintf(s->err, AUTH_ERROR_MAX, "%s: %s: %s", s->name, option, text);
		return -EINVAL;
	}
	n = sqlite3_bind_parameter_count(*ret);
	if (!*ret || n < 1 || n > params || !sqlite3_stmt_readonly(*ret)) {
		snprintf(s->err, AUTH_ERROR_MAX,
		         "%s must be one SELECT with '?' for the user name%s", option,
		         params > 1 ? " and then for the password" : " alone");
		return -EINVAL;
	}
	return 0;
}

static void fill_row(sqlite3_stmt *stmt, struct sqlrow *row)
{
	row->count = sqlite3_column_count(stmt);
	if (row->count > SQLROW_COLUMNS_MAX)
		row->count = SQLROW_COLUMNS_MAX;
	for (int i = 0; i < row->count; i++) {
		/* NULL is empty */
		const char *text = (const char *)sqlite3_column_text(stmt, i);

		row->names[i] = sqlite3_column_name(stmt, i);
		row->values[i] = text ? text : "";
		row->lens[i] = strlen(row->values[i]);
	}
}

static int sqlite_query(struct sqlrows *s, const char *option, const char *sql,
                        const char *const *params, int n, sqlrow_take *take, void *context)
{
	sqlite3_stmt *stmt = NULL;
	struct sqlrow row;
	int r = prepare(s, option, sql, n, &stmt), rc = SQLITE_OK;

	for (int i = 0; r == 0 && take && rc == SQLITE_OK && i < n; i++)
		if (i < sqlite3_bind_parameter_count(stmt))
			rc = sqlite3_bind_text(stmt, i + 1, params[i], -1, SQLITE_STATIC);
	while (r == 0 && take && (rc == SQLITE_OK || rc == SQLITE_ROW)) {
		rc = sqlite3_step(stmt);
		if (rc != SQLITE_ROW)
			break;
		fill_row(stmt, &row);
		r = take(context, &row);
	}
	if (r == 0 && rc != SQLITE_OK && rc != SQLITE_DONE)
		r = userdb_error(s->db, rc, s->name, s->err);
	sqlite3_finalize(stmt);
	return r;
}

/* Filled as far as needed to close it, whatever is returned. */
static int database_open(struct sqlrows *s, const struct auth_options *options, char *err)
{
	const char *file = auth_option(options, "filename", "");
	sqlite3 *db = NULL;
	int r;

	*s = (struct sqlrows){
		.name = auth_path_tail(file),
		.err = err,
		.passwords = SQLROWS_PASSWORDS("?"),
		.sessions = SQLROWS_SESSIONS("?", "?"),
		.lookup = SQLROWS_LOOKUP("?"),
		.query = sqlite_query,
	};
	if (!*file) {
		snprintf(err, AUTH_ERROR_MAX, "module 'sqlite' needs filename=");
		return -EINVAL;
	}
	r = userdb_open(file, USERDB_READ, &db, err);
	s->db = db;
	return r;
}

static int sqlite_open(const struct auth_options *options, char *err)
{
	struct sqlrows s;
	int r = database_open(&s, options, err);

	if (r == 0)
		r = sqlrows_open(&s, options);
	sqlite3_close(s.db);
	return r;
}

static int ask(struct auth_attempt *a, struct auth_row *ret_row,
               int (*how)(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret))
{
	struct sqlrows s;
	int r = database_open(&s, a->options, a->error);

	if (r == 0) {
		/* one view of the data for both queries */
		int rc = sqlite3_exec(s.db, "BEGIN", NULL, NULL, NULL);

		r = rc == SQLITE_OK ? how(&s, a, ret_row)
		                    : userdb_error(s.db, rc, s.name, a->error);
	}
	sqlite3_close(s.db);
	return r;
}

static int sqlite_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_verify);
}

static int sqlite_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_lookup);
}

static const char *const sqlite_options[] = {"filename", "password_query", "sessions_query",
                                             "passwords", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "sqlite",
	.flags = AUTH_CHALLENGE,
	.options = sqlite_options,
	.open = sqlite_open,
	.verify = sqlite_verify,
	.lookup = sqlite_lookup,
};
