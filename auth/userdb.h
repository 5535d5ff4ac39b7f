/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/userdb.h - opens an sqlite user database, and says in clear words why it cannot.
 *
 * For auth-sqlite.so (read only, in the guard) and `xproxyctl users`. Both use the table that
 * xpra's sqlite_auth.py makes: users(username, password, uid, gid, displays, env_options,
 * session_options), all text, no keys, several rows per name allowed.
 */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>

enum userdb_mode {
	USERDB_READ,
	USERDB_WRITE,  /* the file must exist */
	USERDB_CREATE, /* makes it, mode 0600, if it does not exist */
};

/* Waits up to 2 s for other writers, here and in every later call. 0 and *ret, which is given back
 * to sqlite3_close(), or a negative errno with err (AUTH_ERROR_MAX bytes): what is wrong with which
 * file and what to do. */
int userdb_open(const char *file, enum userdb_mode mode, sqlite3 **ret, char *err);

/* What sqlite's rc (not OK, ROW or DONE) means for this database: fills err, returns a negative
 * errno: -EBUSY locked, -EUCLEAN damaged, -EBADF not a database, -ENOSPC full, -EROFS, -EIO,
 * -EINVAL sqlite does not like the statement. */
int userdb_error(sqlite3 *db, int rc, const char *file, char *err);

/* Whether there is a table or view `users`: 1, 0, or a negative errno and err. */
int userdb_has_users(sqlite3 *db, const char *file, char *err);

/* Says that there is none, and what to do. Returns -ENODATA. */
int userdb_no_users(const char *file, char *err);
