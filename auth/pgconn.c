/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/pgconn.c - libpq, with an end to each wait. Checker, privileged, or xproxyctl. System calls:
 * those of libpq, and poll.
 */
#include "auth/pgconn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define WAIT_SEC 10
#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define QUERY_MAX 8192

/* What the server or libpq says, on one line: they name hosts, users and tables, never a
 * password. */
static int failed(char *err, int r, const char *text)
{
	size_t n = (size_t)snprintf(err, AUTH_ERROR_MAX, "PostgreSQL: ");

	for (; *text && n + 1 < AUTH_ERROR_MAX; text++) {
		if ((unsigned char)*text > ' ' && *text != 0x7f)
			err[n++] = *text;
		else if (err[n - 1] != ' ')
			err[n++] = ' ';
	}
	while (n > 0 && err[n - 1] == ' ')
		n--;
	err[n] = '\0';
	return r;
}

/* ---- connecting ---- */

static bool is_local(const char *host)
{
	return *host == '\0' || *host == '/' || *host == '@' || strcmp(host, "localhost") == 0 ||
	       strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static bool all_local(const char *hosts)
{
	char *copy = strdup(hosts), *rest = copy, *one;
	bool local = copy != NULL;

	while (local && (one = strsep(&rest, ",")))
		local = is_local(one);
	free(copy);
	return local;
}

/* libpq's own default would speak to whoever answers. */
static bool goes_out(const PQconninfoOption *o)
{
	for (; o->keyword; o++)
		if ((strcmp(o->keyword, "host") == 0 || strcmp(o->keyword, "hostaddr") == 0) &&
		    o->val && !all_local(o->val))
			return true;
	return false;
}

/* One '@' at most before the path: of a password with one libpq would take the rest for a host, and
 * say so in its errors. */
static bool is_plain(const char *uri)
{
	const char *host = strstr(uri, "://"), *at;
	size_t n = host ? strcspn(host + 3, "/?") : 0;

	if (!host ||
	    (strncmp(uri, "postgresql://", 13) != 0 && strncmp(uri, "postgres://", 11) != 0))
		return false;
	at = memchr(host + 3, '@', n);
	return !at || !memchr(at + 1, '@', n - (size_t)(at + 1 - (host + 3)));
}

static int parse(const char *uri, PQconninfoOption **ret, char *err)
{
	char *why = NULL;

	*ret = is_plain(uri) ? PQconninfoParse(uri, &why) : NULL;
	PQfreemem(why); /* quotes what libpq cannot read, which may be a password */
	if (*ret)
		return 0;
	snprintf(err, AUTH_ERROR_MAX,
	         "the URI is none of PostgreSQL's: postgresql://USER:PASSWORD@HOST/DATABASE, in "
	         "whose parts '/', ':', '@' and '%%' are written as %%XX");
	return -EINVAL;
}

int pgconn_check(const char *uri, char *err)
{
	PQconninfoOption *o;
	int r = parse(uri, &o, err);

	PQconninfoFree(o);
	return r;
}

int pgconn_open(const char *uri, PGconn **ret, char *err)
{
	/* What the URI says overrides what comes before it. */
	const char *names[] = {"connect_timeout", "tcp_user_timeout", "application_name",
	                       "gssencmode",      "client_encoding",  "sslmode",
	                       "sslrootcert",     "dbname",           NULL};
	const char *values[] = {"10", "10000", "xproxy", "disable", "UTF8", NULL, NULL, uri, NULL};
	PQconninfoOption *o;
	PGconn *conn;
	int r = parse(uri, &o, err);

	if (r < 0)
		return r;
	if (goes_out(o)) {
		values[5] = "verify-full";
		values[6] = CA_FILE;
	}
	PQconninfoFree(o);
	conn = PQconnectdbParams(names, values, 1);
	if (conn && PQstatus(conn) == CONNECTION_OK) {
		*ret = conn;
		return 0;
	}
	r = failed(err, -EHOSTUNREACH, conn ? PQerrorMessage(conn) : "out of memory");
	PQfinish(conn);
	return r;
}

/* ---- results ---- */

/* The next of a command's results; NULL: that was all. After a failure the connection is of no more
 * use. 0 or a negative errno with err. */
static int next_result(PGconn *conn, PGresult **ret, char *err)
{
	uint64_t until = now_usec() + WAIT_SEC * USEC_PER_SEC;

	while (PQisBusy(conn)) {
		struct pollfd pfd = {.fd = PQsocket(conn), .events = POLLIN};

		if (poll(&pfd, 1, poll_timeout_msec(until)) == 0)
			return failed(err, -ETIMEDOUT, "no answer for 10 s");
		if (!PQconsumeInput(conn))
			return failed(err, -EIO, PQerrorMessage(conn));
	}
	*ret = PQgetResult(conn);
	return 0;
}

static int explain(const PGresult *res, char *err)
{
	const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);

	if (state && strcmp(state, "42P01") == 0 &&
	    strstr(PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY), "\"users\"")) {
		snprintf(err, AUTH_ERROR_MAX,
		         "PostgreSQL: there is no table users; create it with: xproxyctl users URI "
		         "create");
		return -ENODATA;
	}
	return failed(err, -EINVAL, PQresultErrorMessage(res));
}

static int give_row(const PGresult *res, int i, struct pgconn_query *q)
{
	struct sqlrow row = {.count = PQnfields(res)};

	if (row.count > SQLROW_COLUMNS_MAX)
		row.count = SQLROW_COLUMNS_MAX;
	for (int k = 0; k < row.count; k++) {
		row.names[k] = PQfname(res, k);
		row.values[k] = PQgetvalue(res, i, k); /* NULL is empty */
		row.lens[k] = strlen(row.values[k]);
	}
	return row.count > 0 && q->take ? q->take(q->context, &row) : 0;
}

/* libpq frees what it was sent without wiping it. */
static void wipe_row(PGresult *res, int i)
{
	for (int k = 0; k < PQnfields(res); k++)
		explicit_bzero(PQgetvalue(res, i, k), (size_t)PQgetlength(res, i, k));
}

/* Takes all results of a command, so that the next one can be sent. q may be NULL. */
static int take_results(PGconn *conn, struct pgconn_query *q, char *err)
{
	int r = 0;

	for (;;) {
		PGresult *res = NULL;
		int failure = next_result(conn, &res, err);

		if (failure < 0)
			return failure;
		if (!res)
			return r;
		if (PQresultStatus(res) == PGRES_FATAL_ERROR && r == 0)
			r = explain(res, err);
		if (q && q->used < 0 && PQresultStatus(res) == PGRES_COMMAND_OK)
			q->used = PQnparams(res);
		if (q && *PQcmdTuples(res))
			q->changes = strtoll(PQcmdTuples(res), NULL, 10);
		for (int i = 0; i < PQntuples(res); i++) {
			if (q && r == 0)
				r = give_row(res, i, q);
			wipe_row(res, i);
		}
		PQclear(res);
	}
}

int pgconn_exec(PGconn *conn, const char *sql, char *err)
{
	if (!PQsendQuery(conn, sql))
		return failed(err, -EIO, PQerrorMessage(conn));
	return take_results(conn, NULL, err);
}

/* ---- statements ---- */

/* With $1, $2 for the marks. */
static int number_params(const struct pgconn_query *q, char ret[QUERY_MAX], char *err)
{
	size_t len = 0, mark = strlen(q->mark);
	int n = 0;

	for (const char *p = q->sql; *p; p++) {
		if (len + 16 > QUERY_MAX) {
			snprintf(err, AUTH_ERROR_MAX, "a query is longer than %d bytes", QUERY_MAX);
			return -E2BIG;
		}
		if (strncmp(p, q->mark, mark) != 0) {
			ret[len++] = *p;
			continue;
		}
		len += (size_t)snprintf(ret + len, 16, "$%d", ++n);
		p += mark - 1;
	}
	ret[len] = '\0';
	return 0;
}

int pgconn_query(PGconn *conn, struct pgconn_query *q, char *err)
{
	char sql[QUERY_MAX];
	int r = number_params(q, sql, err);

	if (r < 0)
		return r;
	q->used = 0;
	q->changes = 0;
	if (!PQsendPrepare(conn, "", sql, 0, NULL))
		return failed(err, -EIO, PQerrorMessage(conn));
	r = take_results(conn, NULL, err);
	if (r < 0)
		return r;
	q->used = -1;
	if (!PQsendDescribePrepared(conn, ""))
		return failed(err, -EIO, PQerrorMessage(conn));
	r = take_results(conn, q, err);
	if (r < 0 || !q->run || q->used > q->max)
		return r;
	if (!PQsendQueryPrepared(conn, "", q->used, q->params, NULL, NULL, 0) ||
	    !PQsetSingleRowMode(conn))
		return failed(err, -EIO, PQerrorMessage(conn));
	return take_results(conn, q, err);
}
