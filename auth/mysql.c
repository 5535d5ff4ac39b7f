/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/mysql.c - users in MariaDB or MySQL (auth-mysql.so), as xpra's `mysql` keeps them. Checker,
 * privileged. System calls: those of libmariadb.
 *
 * User names are parameters, never part of a statement. Each question has a connection of its own,
 * in one read-only transaction.
 */
#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/dburi.h"
#include "auth/hash.h"
#include "auth/module.h"
#include "auth/sqlrows.h"

extern const struct auth_module auth_module;

#define WAIT_SEC 10u
#define CA_FILE "/etc/ssl/certs/ca-certificates.crt"
#define VALUE_MAX 8192 /* as struct auth_row's, with the NUL */
#define QUERY_MAX 8192

/* ---- connecting ---- */

/* mysql://[USER[:PASSWORD]@][HOST[:PORT]][/DATABASE][?NAME=VALUE&...], split in place. */
struct address {
	char text[DBURI_MAX];
	char *user, *password, *host, *port, *database;
	char *socket, *ca, *cert, *key;
	bool unverified;
};

static int failed(char *err, int r, const char *text)
{
	snprintf(err, AUTH_ERROR_MAX, "MySQL: %s", text);
	return r;
}

static bool set_parameter(struct address *a, char *name)
{
	char *value = strchr(name, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (!dburi_decode(value))
		return false;
	if (strcmp(name, "unix_socket") == 0)
		a->socket = value;
	else if (strcmp(name, "ssl_ca") == 0)
		a->ca = value;
	else if (strcmp(name, "ssl_cert") == 0)
		a->cert = value;
	else if (strcmp(name, "ssl_key") == 0)
		a->key = value;
	else if (strcmp(name, "ssl_verify_cert") == 0)
		a->unverified = strcmp(value, "false") == 0;
	else
		return false;
	return true;
}

static bool split_host(struct address *a)
{
	char *colon;

	if (a->host[0] == '[') { /* IPv6 */
		char *end = strchr(a->host, ']');

		if (!end || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] ? end + 1 : NULL;
		*end = '\0';
		a->host++;
	} else {
		colon = strchr(a->host, ':');
	}
	if (colon) {
		*colon = '\0';
		a->port = colon + 1;
	}
	return dburi_decode(a->host) &&
	       (!a->port || (a->port[strspn(a->port, "0123456789")] == '\0' && *a->port &&
	                     strlen(a->port) < 6));
}

static bool split(struct address *a)
{
	static char standard[] = "xpra"; /* as xpra */
	char *p = strstr(a->text, "://"), *query, *slash, *at;

	if (!p || (strncmp(a->text, "mysql:", 6) != 0 && strncmp(a->text, "mariadb:", 8) != 0))
		return false;
	p += 3;
	query = strchr(p, '?');
	if (query)
		*query++ = '\0';
	slash = strchr(p, '/');
	if (slash)
		*slash = '\0';
	at = strrchr(p, '@');
	a->database = slash && slash[1] ? slash + 1 : standard;
	if (at) {
		*at = '\0';
		a->user = p;
		a->password = strchr(p, ':');
		if (a->password)
			*a->password++ = '\0';
	}
	a->host = at ? at + 1 : p;
	while (query && *query) {
		char *parameter = strsep(&query, "&");

		if (!set_parameter(a, parameter))
			return false;
	}
	return split_host(a) && (!a->user || dburi_decode(a->user)) &&
	       (!a->password || dburi_decode(a->password)) && dburi_decode(a->database);
}

static int read_address(const struct auth_options *options, struct address *ret, char *err)
{
	int r;

	*ret = (struct address){0};
	r = dburi_get(options, ret->text, err);
	if (r < 0 || split(ret))
		return r;
	return failed(
		err, -EINVAL,
		"the URI is not mysql://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE, in whose "
		"parts '/', ':', '@' and '%' are written as %XX and whose names are "
		"unix_socket, ssl_ca, ssl_cert, ssl_key and ssl_verify_cert");
}

static bool is_local(const struct address *a)
{
	return a->socket || !*a->host || strcmp(a->host, "localhost") == 0 ||
	       strncmp(a->host, "127.", 4) == 0 || strcmp(a->host, "::1") == 0;
}

/* Beyond this machine, or where the URI says whom to trust, the server must prove who it is. */
static void set_tls(MYSQL *db, const struct address *a)
{
	bool tls = a->ca || a->unverified || !is_local(a), verify = tls && !a->unverified;

	if (!tls)
		return;
	mysql_ssl_set(db, a->key, a->cert, a->ca ? a->ca : CA_FILE, NULL, NULL);
	mysql_options(db, MYSQL_OPT_SSL_ENFORCE, &tls);
	mysql_options(db, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
}

static int db_failed(MYSQL *db, int r, char *err)
{
	unsigned code = mysql_errno(db);

	if (code == 1146) /* ER_NO_SUCH_TABLE */
		return failed(err, -ENODATA,
		              "there is no such table: make users(username, password, uid, gid, "
		              "displays, env_options, session_options)");
	return failed(err, r, mysql_error(db));
}

static int open_database(const struct address *a, MYSQL **ret, char *err)
{
	/* the second part is MariaDB's alone, the reading timeout is for the other */
	static const char init[] = "SET @xproxy=1 /*M! , SESSION max_statement_time=10 */";
	const unsigned wait = WAIT_SEC;
	const size_t most = 1 << 20;
	MYSQL *db = mysql_init(NULL);
	int r = 0;

	if (!db)
		return failed(err, -ENOMEM, "out of memory");
	mysql_options(db, MYSQL_OPT_CONNECT_TIMEOUT, &wait);
	mysql_options(db, MYSQL_OPT_READ_TIMEOUT, &wait);
	mysql_options(db, MYSQL_OPT_WRITE_TIMEOUT, &wait);
	mysql_options(db, MYSQL_OPT_MAX_ALLOWED_PACKET, &most);
	mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options(db, MYSQL_INIT_COMMAND, init);
	set_tls(db, a);
	if (!mysql_real_connect(db, a->socket ? NULL : a->host, a->user, a->password, a->database,
	                        a->port ? (unsigned)strtoul(a->port, NULL, 10) : 0, a->socket, 0))
		r = db_failed(db, -EHOSTUNREACH, err);
	if (r == 0 && mysql_query(db, "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
		r = db_failed(db, -EIO, err);
	*ret = db;
	return r;
}

/* ---- queries ---- */

static int stmt_failed(MYSQL_STMT *stmt, MYSQL *db, char *err)
{
	return mysql_errno(db) ? db_failed(db, -EINVAL, err)
	                       : failed(err, -EINVAL, mysql_stmt_error(stmt));
}

/* With ? for xpra's %s. */
static int set_marks(const char *sql, char ret[QUERY_MAX], char *err)
{
	size_t len = 0;

	if (strlen(sql) >= QUERY_MAX)
		return failed(err, -E2BIG, "a query is too long");
	for (; *sql; sql++) {
		bool mark = sql[0] == '%' && sql[1] == 's';

		ret[len++] = (char)(mark ? '?' : *sql);
		sql += mark;
	}
	ret[len] = '\0';
	return 0;
}

/* Where the columns of a row go. */
struct columns {
	MYSQL_BIND binds[SQLROW_COLUMNS_MAX];
	unsigned long lens[SQLROW_COLUMNS_MAX];
	my_bool nulls[SQLROW_COLUMNS_MAX];
	char values[SQLROW_COLUMNS_MAX][VALUE_MAX];
};

static int bind_columns(MYSQL_STMT *stmt, struct columns *c, struct sqlrow *row)
{
	MYSQL_RES *meta = mysql_stmt_result_metadata(stmt);
	unsigned n = meta ? mysql_num_fields(meta) : 0;

	if (!meta || n > SQLROW_COLUMNS_MAX)
		n = 0;
	for (unsigned i = 0; i < n; i++) {
		row->values[i] = c->values[i];
		c->binds[i].buffer_type = MYSQL_TYPE_STRING;
		c->binds[i].buffer = c->values[i];
		c->binds[i].buffer_length = VALUE_MAX - 1;
		c->binds[i].length = &c->lens[i];
		c->binds[i].is_null = &c->nulls[i];
		row->names[i] = mysql_fetch_field_direct(meta, i)->name;
	}
	row->count = (int)n;
	mysql_free_result(meta); /* the names stay the statement's */
	return n > 0 && mysql_stmt_bind_result(stmt, c->binds) == 0 ? 0 : -EINVAL;
}

static void end_values(struct columns *c, struct sqlrow *row)
{
	for (int i = 0; i < row->count; i++) {
		size_t n = c->nulls[i] ? 0 : c->lens[i];

		row->lens[i] = n;
		c->values[i][n < VALUE_MAX ? n : VALUE_MAX - 1] = '\0';
		if (strlen(c->values[i]) < n && n < VALUE_MAX)
			row->lens[i] = strlen(c->values[i]); /* has a NUL */
	}
}

static int run(struct sqlrows *s, MYSQL_STMT *stmt, const char *const *params, sqlrow_take *take,
               void *context)
{
	static struct columns columns; /* large */
	MYSQL_BIND binds[2] = {0};
	struct sqlrow row;
	int r = 0, rc;

	for (unsigned i = 0; i < mysql_stmt_param_count(stmt); i++) {
		binds[i].buffer_type = MYSQL_TYPE_STRING;
		binds[i].buffer = (void *)(uintptr_t)params[i];
		binds[i].buffer_length = strlen(params[i]);
	}
	columns = (struct columns){0};
	if (mysql_stmt_bind_param(stmt, binds) || mysql_stmt_execute(stmt))
		return stmt_failed(stmt, s->db, s->err);
	if (bind_columns(stmt, &columns, &row) < 0)
		return failed(s->err, -EINVAL, "a query gives no columns, or more than 16");
	while (r == 0) {
		rc = mysql_stmt_fetch(stmt);
		if (rc == MYSQL_NO_DATA)
			break;
		if (rc != 0 && rc != MYSQL_DATA_TRUNCATED) {
			r = stmt_failed(stmt, s->db, s->err);
			break;
		}
		end_values(&columns, &row);
		r = take(context, &row);
	}
	explicit_bzero(&columns, sizeof(columns));
	return r;
}

static int mysql_rows(struct sqlrows *s, const char *option, const char *sql,
                      const char *const *params, int n, sqlrow_take *take, void *context)
{
	MYSQL_STMT *stmt = mysql_stmt_init(s->db);
	char text[QUERY_MAX];
	int r = stmt ? set_marks(sql, text, s->err) : failed(s->err, -ENOMEM, "out of memory");
	unsigned long has;

	if (r == 0 && mysql_stmt_prepare(stmt, text, strlen(text)))
		r = stmt_failed(stmt, s->db, s->err);
	has = r == 0 ? mysql_stmt_param_count(stmt) : 0;
	if (r == 0 && (has < 1 || has > (unsigned long)n)) {
		snprintf(s->err, AUTH_ERROR_MAX,
		         "%s must be one SELECT with ? or %%s for the user name%s", option,
		         n > 1 ? " and then for the password" : " alone");
		r = -EINVAL;
	}
	if (r == 0 && take)
		r = run(s, stmt, params, take, context);
	if (stmt)
		mysql_stmt_close(stmt);
	return r;
}

/* ---- the module ---- */

/* Does not ask the server: if that hangs, it is to be while the log knows of whom. */
static int mysql_open(const struct auth_options *options, char *err)
{
	static struct address a;
	int r = read_address(options, &a, err);

	explicit_bzero(&a, sizeof(a));
	return r < 0 ? r : hash_open(options, err);
}

static int ask(struct auth_attempt *a, struct auth_row *ret_row,
               int (*how)(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret))
{
	static struct address address;
	struct sqlrows s = {
		.name = "MySQL",
		.err = a->error,
		.passwords = SQLROWS_PASSWORDS("?"),
		.sessions = SQLROWS_SESSIONS("?", "?"),
		.lookup = SQLROWS_LOOKUP("?"),
		.query = mysql_rows,
	};
	MYSQL *db = NULL;
	int r = read_address(a->options, &address, a->error);

	if (r == 0)
		r = open_database(&address, &db, a->error);
	explicit_bzero(&address, sizeof(address));
	s.db = db;
	if (r == 0)
		r = how(&s, a, ret_row);
	mysql_close(db);
	return r;
}

static int mysql_verify(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_verify);
}

static int mysql_lookup(struct auth_attempt *a, struct auth_row *ret_row)
{
	return ask(a, ret_row, sqlrows_lookup);
}

static const char *const mysql_module_options[] = {
	"uri", "uri-file", "password_query", "sessions_query", "passwords", NULL,
};

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "mysql",
	.flags = AUTH_CHALLENGE | AUTH_SECRET | AUTH_WAITS,
	.options = mysql_module_options,
	.open = mysql_open,
	.verify = mysql_verify,
	.lookup = mysql_lookup,
};
