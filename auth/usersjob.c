/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/usersjob.c - statements and passwords for auth/users.c. Runs as its caller, with no
 * privilege. System calls: those of auth/userdb.c or auth/pgconn.c.
 */
#include "auth/usersjob.h"

#include <errno.h>
#include <stdio.h>

#include "auth/hash.h"
#include "auth/usersargs.h"
#include "base/macros.h"
#include "base/module.h"

int job_find_backend(struct job *j)
{
	const char *why = "";
	const void *symbol;
	int r;

	j->file = strncmp(j->where, "postgresql://", 13) != 0 &&
	          strncmp(j->where, "postgres://", 11) != 0;
	if (j->file) {
		j->backend = &users_sqlite;
		return 0;
	}
	r = module_load("auth-pgsql.so", "users_backend", &symbol, NULL, &why);
	if (r == 0) {
		j->backend = symbol;
		if (j->backend->abi != USERSDB_ABI) {
			r = -ELIBBAD;
			why = "it was built for another version of xproxy";
		}
	}
	if (r < 0)
		snprintf(j->err, sizeof(j->err), "auth-pgsql.so, which PostgreSQL needs, %s%.150s",
		         r == -ENOENT ? "is not installed" : "cannot be loaded: ", why);
	return r;
}

int job_failed(const struct job *j)
{
	return users_complain(EXIT_FAILURE, "%s", j->err);
}

/* Runs a statement whose rows go to take(). 0, or a negative errno with j->err. */
int job_query(struct job *j, const char *sql, const char *user, const char *password,
              sqlrow_take *take, void *context, long long *ret_changes)
{
	const char *const params[] = {user, password};

	return j->backend->run(j->db, sql, params,
	                       password ? 2
	                       : user   ? 1
	                                : 0,
	                       take, context, ret_changes, j->err);
}

int job_run(struct job *j, const char *sql)
{
	return job_query(j, sql, NULL, NULL, NULL, NULL, NULL);
}

int job_take_number(void *context, const struct sqlrow *row)
{
	*(long long *)context = strtoll(row->values[0], NULL, 10);
	return 0;
}

/* ---- passwords ---- */

/* As the proxy would, whichever way it is configured. */
static bool opens(const char *password, const char *stored)
{
	static const struct auth_options hashed = {1, {{"passwords", "hashed"}}};
	const struct auth_attempt a = {
		.options = &hashed, .password = password, .password_len = strlen(password)};
	char err[AUTH_ERROR_MAX];

	if (!hash_is_one(stored))
		return strcmp(password, stored) == 0 && *stored;
	return hash_open(&hashed, err) == 0 && hash_check(&a, stored, strlen(stored));
}

static int take_match(void *context, const struct sqlrow *row)
{
	struct match *m = context;

	m->hashed = m->hashed || hash_is_one(row->values[0]);
	if (!m->password || !opens(m->password, row->values[0]) || m->rows++ > 0)
		return 0;
	m->stored = strdup(row->values[0]);
	for (int i = 0; i < 5; i++)
		snprintf(m->columns[i], sizeof(m->columns[i]), "%s", row->values[i + 1]);
	return m->stored ? 0 : -ENOMEM;
}

int job_find_match(struct job *j, const char *user, struct match *m)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	         "SELECT password, uid, gid, displays, env_options, session_options FROM users"
	         " WHERE username=? ORDER BY %s",
	         j->backend->order);
	return job_query(j, sql, user, NULL, take_match, m, NULL);
}

/* What is to be stored for a password: itself, or a hash. NULL: said why not. */
char *job_store(struct job *j, const char *password)
{
	char hash[HASH_MAX], *copy;

	if (j->hash) {
		int r = hash_make(j->hash, password, hash, j->err);

		if (r < 0) {
			users_complain(0, "%s", j->err);
			return NULL;
		}
	} else if (hash_is_one(password)) {
		users_complain(0, "a password cannot look like a hash");
		return NULL;
	}
	copy = strdup(j->hash ? hash : password);
	if (!copy)
		users_complain(0, "out of memory");
	return copy;
}
