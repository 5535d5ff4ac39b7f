/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/sqlite.c - users in an sqlite database, as xpra's sqlite module keeps them (auth-sqlite.so).
 * Guard; with its privileges, read only. System calls: those of auth/userdb.c.
 *
 * A name may have several rows with different passwords: each is tried, and the one that made the
 * response chooses the row with the sessions. An unknown name costs one check, as a known one does.
 */
#include "auth/module.h"
#include "auth/userdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 1024

/* xpra's own, so that its documentation holds for ours */
#define PASSWORD_QUERY "SELECT password FROM users WHERE username=(?)"
#define SESSIONS_QUERY                                             \
	"SELECT uid, gid, displays, env_options, session_options " \
	"FROM users WHERE username=(?) AND password=(?)"
/* Registry=: others have seen to the password */
#define LOOKUP_QUERY                                               \
	"SELECT uid, gid, displays, env_options, session_options " \
	"FROM users WHERE username=(?)"

extern const struct auth_module auth_module;

/* Everything one call needs; closed by database_close(). */
struct database {
	const char *file;
	sqlite3 *db;
	sqlite3_stmt *passwords, *sessions;
	char *err;
};

static void database_close(struct database *d)
{
	sqlite3_finalize(d->passwords);
	sqlite3_finalize(d->sessions);
	sqlite3_close(d->db);
}

static int prepare(struct database *d, const char *option, const char *sql, int params,
                   sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(d->db, sql, -1, ret, NULL), n;

	if (rc != SQLITE_OK) {
		const char *text = sqlite3_errmsg(d->db);

		if ((rc & 0xff) != SQLITE_ERROR)
			return userdb_error(d->db, rc, d->file, d->err);
		if (strcmp(text, "no such table: users") == 0)
			return userdb_no_users(d->file, d->err);
		snprintf(d->err, AUTH_ERROR_MAX, "%s: %s: %s", auth_path_tail(d->file), option,
		         text);
		return -EINVAL;
	}
	n = sqlite3_bind_parameter_count(*ret);
	if (!*ret || n < 1 || n > params || !sqlite3_stmt_readonly(*ret)) {
		snprintf(d->err, AUTH_ERROR_MAX,
		         "%s must be one SELECT with '?' for the user name%s", option,
		         params > 1 ? " and then for the password" : " alone");
		return -EINVAL;
	}
	return 0;
}

static int open_file(struct database *d)
{
	if (!*d->file) {
		snprintf(d->err, AUTH_ERROR_MAX, "module 'sqlite' needs filename=");
		return -EINVAL;
	}
	return userdb_open(d->file, USERDB_READ, &d->db, d->err);
}

/* A directory of sessions alone may have no passwords: password_query=none says so. */
static int database_open(struct database *d, const struct auth_options *options)
{
	const char *passwords = auth_option(options, "password_query", PASSWORD_QUERY);
	bool secret = strcmp(passwords, "none") != 0;
	int r = open_file(d);

	if (r == 0 && secret)
		r = prepare(d, "password_query", passwords, 1, &d->passwords);
	if (r == 0)
		r = prepare(d, "sessions_query",
		            auth_option(options, "sessions_query",
		                        secret ? SESSIONS_QUERY : LOOKUP_QUERY),
		            secret ? 2 : 1, &d->sessions);
	return r;
}

static int bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
	if (i > sqlite3_bind_parameter_count(stmt))
		return SQLITE_OK;
	return sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC);
}

/* Tries every row. 1 with *ret_password, to be wiped and freed; 0; negative errno. */
static int find_password(struct database *d, struct auth_attempt *a, char **ret_password)
{
	int rows = 0, found = 0, rc = bind_text(d->passwords, 1, a->username);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		const char *password;
		size_t len;
		bool right;

		rc = sqlite3_step(d->passwords);
		if (rc != SQLITE_ROW)
			break;
		if (++rows > ROWS_MAX) {
			snprintf(d->err, AUTH_ERROR_MAX, "%s: one user has more than %d rows",
			         auth_path_tail(d->file), ROWS_MAX);
			return -E2BIG;
		}
		/* NULL is empty, and an empty password lets nobody in */
		password = (const char *)sqlite3_column_text(d->passwords, 0);
		len = password ? strlen(password) : 0;
		right = a->check(a, password ? password : "", len);
		if (!right || len == 0 || found)
			continue;
		*ret_password = strdup(password);
		if (!*ret_password) {
			rc = SQLITE_NOMEM;
			break;
		}
		found = 1;
	}
	if (rc != SQLITE_DONE)
		return userdb_error(d->db, rc, d->file, d->err);
	if (rows == 0)
		(void)a->check(a, "no such user", 12);
	return found;
}

static int copy_column(struct database *d, const char *name, char *ret, size_t size)
{
	for (int i = 0; i < sqlite3_column_count(d->sessions); i++) {
		const char *text;
		size_t len;

		if (sqlite3_stricmp(sqlite3_column_name(d->sessions, i), name) != 0)
			continue;
		text = (const char *)sqlite3_column_text(d->sessions, i);
		len = text ? strlen(text) : 0;
		if (len >= size) {
			snprintf(d->err, AUTH_ERROR_MAX, "%s: a user's %s is longer than %zu bytes",
			         auth_path_tail(d->file), name, size - 1);
			return -E2BIG;
		}
		memcpy(ret, len ? text : "", len + 1);
		return 0;
	}
	snprintf(d->err, AUTH_ERROR_MAX, "%s: sessions_query has no column %s",
	         auth_path_tail(d->file), name);
	return -EINVAL;
}

/* The first row: 1, or 0 if there is none; negative errno. */
static int read_sessions(struct database *d, const char *username, const char *password,
                         struct auth_row *row)
{
	const struct {
		const char *name;
		char *ret;
		size_t size;
	} columns[] = {
		{"uid", row->uid, sizeof(row->uid)},
		{"gid", row->gid, sizeof(row->gid)},
		{"displays", row->displays, sizeof(row->displays)},
		{"env_options", row->env_options, sizeof(row->env_options)},
		{"session_options", row->session_options, sizeof(row->session_options)},
	};
	int rc = bind_text(d->sessions, 1, username);

	if (rc == SQLITE_OK)
		rc = bind_text(d->sessions, 2, password);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(d->sessions);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return userdb_error(d->db, rc, d->file, d->err);
	for (size_t i = 0; rc == SQLITE_ROW && i < sizeof(columns) / sizeof(columns[0]); i++) {
		int r = copy_column(d, columns[i].name, columns[i].ret, columns[i].size);

		if (r < 0)
			return r;
	}
	row->has_sessions = true; /* no row at all: none that this user may reach */
	return rc == SQLITE_ROW;
}

static int sqlite_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct database d = {
		.file = auth_option(a->options, "filename", ""),
		.err = a->error,
	};
	char *password = NULL;
	int r = database_open(&d, a->options), rc;

	if (r == 0 && !d.passwords) {
		snprintf(a->error, sizeof(a->error), "password_query=none is for Registry= only");
		r = -EINVAL;
	}
	if (r == 0) {
		/* one view of the data for both queries */
		rc = sqlite3_exec(d.db, "BEGIN", NULL, NULL, NULL);
		r = rc == SQLITE_OK ? find_password(&d, a, &password)
		                    : userdb_error(d.db, rc, d.file, d.err);
	}
	if (r > 0) {
		struct auth_row row = {0};

		r = read_sessions(&d, a->username, password, &row);
		if (r >= 0) {
			*ret_row = row;
			r = 1;
		}
	}
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
	database_close(&d);
	return r;
}

static int sqlite_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	struct database d = {
		.file = auth_option(a->options, "filename", ""),
		.err = a->error,
	};
	int r = open_file(&d);

	if (r == 0)
		r = prepare(&d, "sessions_query of a Registry=",
		            auth_option(a->options, "sessions_query", LOOKUP_QUERY), 1,
		            &d.sessions);
	if (r == 0) {
		struct auth_row row = {0};

		r = read_sessions(&d, a->username, NULL, &row);
		if (r > 0)
			*ret_row = row;
	}
	database_close(&d);
	return r;
}

static int sqlite_open(const struct auth_options *options, char *err)
{
	struct database d = {.file = auth_option(options, "filename", ""), .err = err};
	int r = database_open(&d, options);

	database_close(&d);
	return r;
}

static const char *const sqlite_options[] = {"filename", "password_query", "sessions_query", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "sqlite",
	.flags = AUTH_CHALLENGE,
	.options = sqlite_options,
	.open = sqlite_open,
	.verify = sqlite_verify,
	.lookup = sqlite_lookup,
};
