/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/sqlrows.c - from rows to who may log in and what to. Guard or checker, privileged. System
 * calls: those of the database's library.
 */
#include "auth/sqlrows.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "auth/hash.h"

#define ROWS_MAX 1024
#define HASHED_ROWS_MAX 16 /* each costs some 50 ms */

__attribute__((format(printf, 3, 4))) static int fail(struct sqlrows *s, int r, const char *fmt,
                                                      ...)
{
	char text[AUTH_ERROR_MAX - 104]; /* beside a name as auth_path_tail() makes them */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	snprintf(s->err, AUTH_ERROR_MAX, "%.100s: %s", s->name, text);
	return r;
}

/* ---- passwords ---- */

struct tries {
	struct sqlrows *s;
	struct auth_attempt *a;
	size_t rows, max;
	char *right; /* as stored */
};

static int try_password(void *context, const struct sqlrow *row)
{
	struct tries *t = context;

	if (++t->rows > t->max)
		return fail(t->s, -E2BIG, "one user has more than %zu rows", t->max);
	if (row->lens[0] > strlen(row->values[0]))
		return fail(t->s, -E2BIG, "a user's password is longer than %zu bytes",
		            strlen(row->values[0]));
	if (!hash_check(t->a, row->values[0], row->lens[0]) || t->right)
		return 0;
	t->right = strdup(row->values[0]);
	return t->right ? 0 : -ENOMEM;
}

/* 1 with *ret, to be wiped and freed; 0; negative errno. */
static int find_password(struct sqlrows *s, struct auth_attempt *a, const char *sql, char **ret)
{
	struct tries t = {
		.s = s, .a = a, .max = hash_stored(a->options) ? HASHED_ROWS_MAX : ROWS_MAX};
	int r = s->query(s, "password_query", sql, &a->username, 1, try_password, &t);

	*ret = t.right;
	if (r < 0)
		return r;
	if (t.rows == 0)
		hash_nobody(a);
	return t.right != NULL;
}

/* ---- sessions ---- */

struct reading {
	struct sqlrows *s;
	struct auth_row *row;
};

static int copy_column(struct sqlrows *s, const struct sqlrow *row, const char *name, char *ret,
                       size_t size)
{
	for (int i = 0; i < row->count; i++) {
		if (strcasecmp(row->names[i], name) != 0)
			continue;
		if (row->lens[i] >= size)
			return fail(s, -E2BIG, "a user's %s is longer than %zu bytes", name,
			            size - 1);
		memcpy(ret, row->values[i], row->lens[i] + 1);
		return 0;
	}
	return fail(s, -EINVAL, "sessions_query has no column %s", name);
}

static int read_row(void *context, const struct sqlrow *row)
{
	struct reading *t = context;
	const struct {
		const char *name;
		char *ret;
		size_t size;
	} columns[] = {
		{"uid", t->row->uid, sizeof(t->row->uid)},
		{"gid", t->row->gid, sizeof(t->row->gid)},
		{"displays", t->row->displays, sizeof(t->row->displays)},
		{"env_options", t->row->env_options, sizeof(t->row->env_options)},
		{"session_options", t->row->session_options, sizeof(t->row->session_options)},
	};

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		int r = copy_column(t->s, row, columns[i].name, columns[i].ret, columns[i].size);

		if (r < 0)
			return r;
	}
	return 1; /* the first counts */
}

/* 1 with *ret, 0 there is no row, negative errno. */
static int read_sessions(struct sqlrows *s, const char *option, const char *sql,
                         const char *const *params, int n, struct auth_row *ret)
{
	struct auth_row row = {.has_sessions = true};
	struct reading t = {.s = s, .row = &row};
	int r = s->query(s, option, sql, params, n, read_row, &t);

	if (r > 0)
		*ret = row;
	explicit_bzero(&row, sizeof(row)); /* URIs may have passwords */
	return r;
}

/* A directory of sessions alone may have no passwords: password_query=none says so. */
static const char *password_query(const struct sqlrows *s, const struct auth_options *options)
{
	const char *sql = auth_option(options, "password_query", s->passwords);

	return strcmp(sql, "none") == 0 ? NULL : sql;
}

int sqlrows_open(struct sqlrows *s, const struct auth_options *options)
{
	const char *sql = password_query(s, options);
	int r = hash_open(options, s->err);

	if (r == 0 && sql)
		r = s->query(s, "password_query", sql, NULL, 1, NULL, NULL);
	if (r == 0)
		r = s->query(s, "sessions_query",
		             auth_option(options, "sessions_query", sql ? s->sessions : s->lookup),
		             NULL, sql ? 2 : 1, NULL, NULL);
	return r;
}

int sqlrows_verify(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret)
{
	const char *sql = password_query(s, a->options), *params[2] = {a->username};
	char *password = NULL;
	int r;

	if (!sql)
		return fail(s, -EINVAL, "password_query=none is for Registry= only");
	r = find_password(s, a, sql, &password);
	params[1] = password;
	if (r > 0)
		r = read_sessions(s, "sessions_query",
		                  auth_option(a->options, "sessions_query", s->sessions), params, 2,
		                  ret);
	if (r == 0 && password) { /* no row at all: none that this user may reach */
		ret->has_sessions = true;
		r = 1;
	}
	if (password)
		explicit_bzero(password, strlen(password));
	free(password);
	return r;
}

int sqlrows_lookup(struct sqlrows *s, struct auth_attempt *a, struct auth_row *ret)
{
	return read_sessions(s, "sessions_query of a Registry=",
	                     auth_option(a->options, "sessions_query", s->lookup), &a->username, 1,
	                     ret);
}
