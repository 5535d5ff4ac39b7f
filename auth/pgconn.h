/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pgconn.h - a connection to PostgreSQL that waits no longer than ten seconds for anything.
 */
#pragma once

#include <libpq-fe.h>

#include "auth/sqlrows.h"

/* Beyond this machine, the server must be who it says (sslmode=verify-full), unless the URI says
 * otherwise. 0 and *ret for PQfinish(), or a negative errno with err (AUTH_ERROR_MAX bytes),
 * without secrets. */
int pgconn_open(const char *uri, PGconn **ret, char *err);

/* Whether that is a URI of PostgreSQL's: 0 or -EINVAL with err. Asks nobody. */
int pgconn_check(const char *uri, char *err);

/* Runs one statement or several without parameters. 0, or a negative errno with err. */
int pgconn_exec(PGconn *conn, const char *sql, char *err);

/* Runs one statement. mark ("?" or "%s") stands for the next parameter, as $1 does for the first;
 * it has at most max, of which it gets as many as it has. Returns how many, a negative errno with
 * err, or what take() returned. take == NULL: only sees whether it can be run, unless run. */
struct pgconn_query {
	const char *sql, *mark;
	const char *const *params;
	int max;
	bool run;
	sqlrow_take *take;
	void *context;
	int used;          /* result: parameters that it has */
	long long changes; /* result: rows changed */
};
int pgconn_query(PGconn *conn, struct pgconn_query *q, char *err);
