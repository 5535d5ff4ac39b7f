/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/userdb.c - opening an sqlite user database. In the guard (read only) and in xproxyctl.
 * System calls: stat, open, and sqlite's own (pread, pwrite, fcntl locks, fsync, unlink).
 */
#include "auth/userdb.h"

#include "auth/module.h"
#include "base/macros.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#define BUSY_READ_MSEC 400   /* a login: refused within 2 s, the delay of a denial included */
#define BUSY_WRITE_MSEC 2000 /* xproxyctl users */

/* sqlite's pages and statements hold passwords: its allocator wipes what it frees. */
static sqlite3_mem_methods plain;

static void wiping_free(void *p)
{
	if (p)
		explicit_bzero(p, (size_t)plain.xSize(p));
	plain.xFree(p);
}

static void *wiping_realloc(void *p, int size)
{
	void *q = plain.xMalloc(size);
	int old = p ? plain.xSize(p) : 0;

	if (q && p) {
		memcpy(q, p, (size_t)(old < size ? old : size));
		wiping_free(p);
	}
	return q;
}

/* Once, before sqlite is used; if something else in the process used it already, that has to do. */
static void wipe_freed_memory(void)
{
	static bool done;
	sqlite3_mem_methods wiping;

	if (done || sqlite3_config(SQLITE_CONFIG_GETMALLOC, &plain) != SQLITE_OK)
		return;
	done = true;
	wiping = plain;
	wiping.xFree = wiping_free;
	wiping.xRealloc = wiping_realloc;
	(void)sqlite3_config(SQLITE_CONFIG_MALLOC, &wiping);
}

int userdb_error(sqlite3 *db, int rc, const char *file, char *err)
{
	const char *f = auth_path_tail(file), *text = sqlite3_errmsg(db);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		snprintf(err, AUTH_ERROR_MAX,
		         "%s is locked by another program; let it finish and try again", f);
		return -EBUSY;
	case SQLITE_CORRUPT:
		snprintf(err, AUTH_ERROR_MAX,
		         "%s is damaged; restore a copy, or see: sqlite3 FILE .recover", f);
		return -EUCLEAN;
	case SQLITE_NOTADB:
		snprintf(err, AUTH_ERROR_MAX,
		         "%s is not an sqlite database; make a new one with: "
		         "xproxyctl users FILE create",
		         f);
		return -EBADF;
	case SQLITE_FULL:
		snprintf(err, AUTH_ERROR_MAX, "%s: no space left, nothing was changed", f);
		return -ENOSPC;
	case SQLITE_READONLY:
		snprintf(err, AUTH_ERROR_MAX, "%s cannot be written to: %s", f,
		         rc == SQLITE_READONLY_ROLLBACK
		                 ? "a change was interrupted; to undo it: xproxyctl users FILE list"
		                 : text);
		return -EROFS;
	case SQLITE_CANTOPEN:
		snprintf(err, AUTH_ERROR_MAX,
		         "cannot open %s or the -journal or -wal file beside it: %s", f,
		         strerror(sqlite3_system_errno(db)));
		return -EACCES;
	case SQLITE_ERROR:
		snprintf(err, AUTH_ERROR_MAX, "%s: %s", f, text);
		return -EINVAL;
	default:
		snprintf(err, AUTH_ERROR_MAX, "%s: %s (sqlite error %d), nothing was changed", f,
		         text, rc);
		return -EIO;
	}
}

/* What sqlite would say in too few words. It would also make the file, for all to read. */
static int look_at(const char *path, enum userdb_mode mode, const char *f, char *err)
{
	struct stat st;
	int r = 0;

	if (stat(path, &st) < 0)
		r = -errno;
	if (r == -ENOENT && mode == USERDB_CREATE) {
		_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd >= 0)
			return 0;
		r = -errno;
		snprintf(err, AUTH_ERROR_MAX, "cannot create %s: %s", f, strerror(-r));
	} else if (r == -ENOENT) {
		snprintf(err, AUTH_ERROR_MAX,
		         "%s does not exist; create it with: xproxyctl users FILE create", f);
	} else if (r < 0) {
		snprintf(err, AUTH_ERROR_MAX, "cannot open %s: %s", f, strerror(-r));
	} else if (!S_ISREG(st.st_mode)) {
		r = -EINVAL;
		snprintf(err, AUTH_ERROR_MAX, "%s is not a regular file", f);
	}
	return r;
}

/* A database is data: nothing in its schema may do more than hold it. */
static int restrain(sqlite3 *db, bool writes)
{
	int rc = sqlite3_busy_timeout(db, writes ? BUSY_WRITE_MSEC : BUSY_READ_MSEC);

	sqlite3_extended_result_codes(db, 1);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY", NULL,
		                  NULL, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 16 << 20);
	return rc;
}

int userdb_open(const char *file, enum userdb_mode mode, sqlite3 **ret, char *err)
{
	int flags = (mode == USERDB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE);
	char path[PATH_MAX];
	sqlite3 *db = NULL;
	int rc, r;

	/* so that no name means something else to sqlite, as ":memory:" and "file:..." do */
	r = snprintf(path, sizeof(path), "%s%s", file[0] == '/' ? "" : "./", file);
	if (r < 0 || (size_t)r >= sizeof(path)) {
		snprintf(err, AUTH_ERROR_MAX, "the name of the database is too long");
		return -ENAMETOOLONG;
	}
	r = look_at(path, mode, auth_path_tail(file), err);
	if (r < 0)
		return r;
	wipe_freed_memory();
	rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, NULL);
	if (!db) {
		snprintf(err, AUTH_ERROR_MAX, "out of memory");
		return -ENOMEM;
	}
	if (rc == SQLITE_OK)
		rc = restrain(db, mode != USERDB_READ);
	if (rc != SQLITE_OK) {
		r = userdb_error(db, rc, file, err);
		sqlite3_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

int userdb_has_users(sqlite3 *db, const char *file, char *err)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(db,
	                            "SELECT 1 FROM sqlite_master WHERE type IN ('table', 'view')"
	                            " AND name = 'users' COLLATE NOCASE",
	                            -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		return rc == SQLITE_ROW;
	return userdb_error(db, rc, file, err);
}

int userdb_no_users(const char *file, char *err)
{
	snprintf(err, AUTH_ERROR_MAX,
	         "%s has no table of users; create it with: xproxyctl users FILE create",
	         auth_path_tail(file));
	return -ENODATA;
}
