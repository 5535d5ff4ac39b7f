/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/users_pgsql.c - `xproxyctl users postgresql://...` (in auth-pgsql.so). Runs as its caller,
 * with no privilege. System calls: those of auth/pgconn.c.
 */
#include <stdlib.h>

#include "auth/pgconn.h"
#include "auth/usersdb.h"

extern const struct users_backend users_backend;

static int open_database(const char *where, enum usersdb_mode mode, void **ret, char *err)
{
	PGconn *conn = NULL;
	int r = pgconn_open(where, &conn, err);

	(void)mode;
	if (r == 0)
		r = pgconn_exec(conn, "SET statement_timeout = '10s'", err);
	if (r < 0) {
		PQfinish(conn);
		return r;
	}
	*ret = conn;
	return 0;
}

static void close_database(void *db)
{
	PQfinish(db);
}

static int run(void *db, const char *sql, const char *const *params, int n, sqlrow_take *take,
               void *context, long long *ret_changes, char *err)
{
	struct pgconn_query q = {
		.sql = sql,
		.mark = "?",
		.params = params,
		.max = n,
		.run = true,
		.take = take,
		.context = context,
	};
	int r = pgconn_query(db, &q, err);

	if (ret_changes)
		*ret_changes = q.changes;
	return r;
}

static int see(void *context, const struct sqlrow *row)
{
	*(bool *)context = row->lens[0] > 0; /* NULL: no such table */
	return 0;
}

static int has_users(void *db, char *err)
{
	bool there = false;
	int r = run(db, "SELECT to_regclass('users')", NULL, 0, see, &there, NULL, err);

	return r < 0 ? r : there;
}

const struct users_backend users_backend = {
	.abi = USERSDB_ABI,
	.open = open_database,
	.close = close_database,
	.run = run,
	.has_users = has_users,
	.begin = "BEGIN ISOLATION LEVEL SERIALIZABLE",
	.order = "username, ctid",
	.version = "SELECT coalesce(substring(obj_description(to_regclass('users'), 'pg_class') "
		   "from '^xproxy ([0-9]+)$'), '0')",
	.set_version = "COMMENT ON TABLE users IS 'xproxy 1'",
};
