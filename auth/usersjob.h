/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/usersjob.h - what the actions of `xproxyctl users` work with.
 */
#pragma once

#include "auth/usersdb.h"

/* What an action works with. */
struct job {
	const char *where;
	bool file;
	const struct users_backend *backend;
	void *db;
	const char *hash; /* kind, NULL: in the clear */
	int argc;         /* what follows the action's name */
	char **argv;
	char err[AUTH_ERROR_MAX];
};

/* Of a user's rows: those that this password opens. */
struct match {
	const char *password;
	char *stored; /* of the first, to be wiped and freed */
	long long rows;
	bool hashed;           /* any row of this user's */
	char columns[5][8192]; /* of the first */
};

/* Sets j->backend to that for j->where, and whether it is a file. 0, or a negative errno with
 * j->err. */
int job_find_backend(struct job *j);

/* Says j->err on stderr; returns EXIT_FAILURE. */
int job_failed(const struct job *j);

/* Runs a statement with none, one or two parameters (NULL: there is none) whose rows go to take().
 * 0, what that returned, or a negative errno with j->err. */
int job_query(struct job *j, const char *sql, const char *first, const char *second,
              sqlrow_take *take, void *context, long long *ret_changes);

/* One without parameters or rows. */
int job_run(struct job *j, const char *sql);

/* A sqlrow_take: context is the long long for a row's first column. */
int job_take_number(void *context, const struct sqlrow *row);

/* Looks at all rows of a user's; m->password may be NULL. 0, or a negative errno with j->err. */
int job_find_match(struct job *j, const char *user, struct match *m);

/* What is to be stored for a password: itself, or a hash; to be wiped and freed. NULL: why not has
 * been said. */
char *job_store(struct job *j, const char *password);
