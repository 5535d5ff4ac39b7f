/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pgsql.c - users in PostgreSQL (auth-pgsql.so), as xpra's `sql` keeps them. Checker,
 * privileged. System calls: those of auth/pgconn.c.
 *
 * User names are parameters, never part of a statement. Each question has a connection of its own,
 * in one read-only transaction.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "auth/dburi.h"
#include "auth/hash.h"
#include "auth/module.h"
#include "auth/pgconn.h"
#include "auth/sqlrows.h"

extern const struct auth_module auth_module;

static int pgsql_query(struct sqlrows *s, const char *option, const char *sql,
                       const char *const *params, int n, sqlrow_take *take, void *context)
{
	struct pgconn_query q = {
		.sql = sql,
		.mark = "%s", /* as for xpra's */
		.params = params,
		.max = n,
		.run = take != NULL,
		.take = take,
		.context = context,
	};
	int r = pgconn_query(s->db, &q, s->err);

	if (r < 0 || (q.used >= 1 && q.used <= n))
		return r;
	snprintf(s->err, AUTH_ERROR_MAX, "%s must be one SELECT with $1 or %%s for the user name%s",
	         option, n > 1 ? " and $2 or %s for the password" : " alone");
	return -EINVAL;
}

/* Does not ask the server: if that hangs, it is to be while the log knows of whom. */
static int pgsql_open(const struct auth_options *options, char *err)
{
	char uri[DBURI_MAX];
	int r = dburi_get(options, uri, err);

	if (r == 0)
		r = pgconn_check(uri, err);
	explicit_bzero(uri, sizeof(uri));
	return r < 0 ? r : hash_open(options, err);
}

static int ask(struct auth_attempt *a, struct auth_row *ret_row,
               int (*how)(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret))
{
	struct sqlrows s = {
		.name = "PostgreSQL",
		.err = a->error,
		.passwords = SQLROWS_PASSWORDS("$1"),
		.sessions = SQLROWS_SESSIONS("$1", "$2"),
		.lookup = SQLROWS_LOOKUP("$1"),
		.query = pgsql_query,
	};
	char uri[DBURI_MAX];
	PGconn *conn = NULL;
	int r = dburi_get(a->options, uri, a->error);

	if (r == 0)
		r = pgconn_open(uri, &conn, a->error);
	explicit_bzero(uri, sizeof(uri));
	if (r == 0)
		r = pgconn_exec(conn,
		                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
		                "SET LOCAL statement_timeout = '10s'",
		                a->error);
	s.db = conn;
	if (r == 0)
		r = how(&s, a, ret_row);
	PQfinish(conn);
	return r;
}

static int pgsql_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_verify);
}

static int pgsql_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_lookup);
}

static const char *const pgsql_options[] = {
	"uri", "uri-file", "password_query", "sessions_query", "passwords", NULL};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "pgsql",
	.flags = AUTH_CHALLENGE | AUTH_SECRET | AUTH_WAITS,
	.options = pgsql_options,
	.open = pgsql_open,
	.verify = pgsql_verify,
	.lookup = pgsql_lookup,
};
