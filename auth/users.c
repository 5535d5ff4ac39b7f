/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/users.c - `xproxyctl users`. Runs as its caller, with no privilege.
 * System calls: those of auth/userdb.c and auth/prompt.c.
 *
 * Every change is one transaction: it is in the file whole, or not at all.
 */
#include "auth/users.h"

#include "auth/module.h"
#include "auth/prompt.h"
#include "auth/userdb.h"
#include "base/macros.h"
#include "base/table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

enum {
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,
};

#define COLUMNS_MAX 8192 /* as struct auth_row, and one more than xpra's VARCHAR(8191) */

static const char usage_text[] =
	"usage: xproxyctl users DB create\n"
	"       xproxyctl users DB add USER [PASSWORD [UID [GID [DISPLAYS [ENV [OPTIONS]]]]]]\n"
	"       xproxyctl users DB list\n"
	"       xproxyctl users DB remove USER [PASSWORD]\n"
	"       xproxyctl users DB passwd USER\n"
	"       xproxyctl users DB authenticate USER [PASSWORD]\n"
	"\n"
	"DB is an sqlite file. A PASSWORD that is missing or '-' is asked for, or read from "
	"stdin.\n"
	"UID and GID (yours if missing) are numbers or names, DISPLAYS is like "
	"':10,tcp://host:10000/',\n"
	"ENV and OPTIONS are like 'name=value;name2=value2'.\n";

/* What an action works with. */
struct job {
	const char *file;
	sqlite3 *db;
	sqlite3_stmt *stmt; /* the one in use, ended by finish() */
	int argc;           /* what follows the action's name */
	char **argv;
};

__attribute__((format(printf, 2, 3))) static int complain(int code, const char *fmt, ...)
{
	va_list ap;

	fputs("xproxyctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return code;
}

static int db_failed(struct job *j, int rc)
{
	char err[AUTH_ERROR_MAX];

	userdb_error(j->db, rc, j->file, err);
	return complain(EXIT_FAILURE, "%s", err);
}

/* Starts a statement with its '?' set to the strings that follow, NULL-terminated. */
__attribute__((sentinel)) static int start(struct job *j, const char *sql, ...)
{
	int rc = sqlite3_prepare_v2(j->db, sql, -1, &j->stmt, NULL);
	const char *text;
	va_list ap;

	va_start(ap, sql);
	for (int i = 1; rc == SQLITE_OK && (text = va_arg(ap, const char *)); i++)
		rc = sqlite3_bind_text(j->stmt, i, text, -1, SQLITE_STATIC);
	va_end(ap);
	return rc;
}

/* Runs it to its end; the first column of its only row, if any, into *ret (may be NULL). */
static int finish(struct job *j, int rc, long long *ret)
{
	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(j->stmt);
		if (rc == SQLITE_ROW && ret)
			*ret = sqlite3_column_int64(j->stmt, 0);
	}
	sqlite3_finalize(j->stmt);
	j->stmt = NULL;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run(struct job *j, const char *sql)
{
	return sqlite3_exec(j->db, sql, NULL, NULL, NULL);
}

static bool printable(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	return true;
}

/* The rules that the proxy has for names, so that nobody is added who cannot log in. */
static int check_username(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len >= AUTH_USERNAME_MAX)
		return complain(EXIT_USAGE, "a user name has 1 to %d bytes", AUTH_USERNAME_MAX - 1);
	if (!printable(name) || strchr(name, '|') || name[0] == '/' || name[0] == ' ' ||
	    name[len - 1] == ' ')
		return complain(EXIT_USAGE, "a user name has no control characters, no '|', no '/' "
		                            "as its first character, and no space at either end");
	return EXIT_SUCCESS;
}

static int check_id(const char *what, const char *id)
{
	size_t digits = strspn(id, "0123456789"), len = strlen(id);
	bool number = digits == len;

	if (len > 63 || !printable(id) || strpbrk(id, " ,;|:/") ||
	    (number && len > 0 && (len > 10 || strtoull(id, NULL, 10) >= UINT32_MAX)))
		return complain(EXIT_USAGE, "%s is a number below 4294967295 or a name", what);
	return EXIT_SUCCESS;
}

static int check_text(const char *what, const char *text, bool pairs)
{
	if (strlen(text) >= COLUMNS_MAX || !printable(text))
		return complain(EXIT_USAGE, "%s has at most %d bytes and no control characters",
		                what, COLUMNS_MAX - 1);
	while (pairs && *text) {
		size_t n = strcspn(text, ";");

		if (n > 0 && (text[0] == '=' || !memchr(text, '=', n)))
			return complain(EXIT_USAGE, "%s is like 'name=value;name2=value2'", what);
		text += n + (text[n] == ';');
	}
	return EXIT_SUCCESS;
}

/* The password of argument i, or an answer. Wipes the argument. */
static int get_password(struct job *j, int i, bool twice, char **ret)
{
	char err[AUTH_ERROR_MAX];

	if (i >= j->argc || strcmp(j->argv[i], "-") == 0) {
		if (prompt_password("Password", twice, ret, err) < 0)
			return complain(EXIT_FAILURE, "%s", err);
		return EXIT_SUCCESS;
	}
	*ret = strdup(j->argv[i]);
	explicit_bzero(j->argv[i], strlen(j->argv[i]));
	if (!*ret)
		return complain(EXIT_FAILURE, "out of memory");
	if (**ret == '\0')
		return complain(EXIT_USAGE, "an empty password lets nobody in");
	if (strlen(*ret) > PROMPT_PASSWORD_MAX)
		return complain(EXIT_USAGE, "a password has at most %d bytes", PROMPT_PASSWORD_MAX);
	return EXIT_SUCCESS;
}

static int do_create(struct job *j)
{
	char err[AUTH_ERROR_MAX];
	int rc, has;

	rc = run(j, "BEGIN IMMEDIATE");
	if (rc != SQLITE_OK)
		return db_failed(j, rc);
	has = userdb_has_users(j->db, j->file, err);
	if (has < 0)
		return complain(EXIT_FAILURE, "%s", err);
	if (has)
		return complain(EXIT_FAILURE,
		                "%s has a table of users already, nothing was changed", j->file);
	rc = run(j, "CREATE TABLE users (username VARCHAR(255) NOT NULL, password VARCHAR(255),"
	            " uid VARCHAR(63), gid VARCHAR(63), displays VARCHAR(8191),"
	            " env_options VARCHAR(8191), session_options VARCHAR(8191)); COMMIT");
	return rc == SQLITE_OK ? EXIT_SUCCESS : db_failed(j, rc);
}

static void remark_row(struct job *j, const char *user, const char *password, const char *uid)
{
	long long n = 0;
	int rc = start(j, "SELECT count(*) FROM users WHERE username=? AND password=?", user,
	               password, NULL);

	if (finish(j, rc, &n) == SQLITE_OK && n > 0)
		complain(0, "note: %s already has a row with this password; the first one counts",
		         user);
	if (strcmp(uid, "0") == 0 || strcmp(uid, "root") == 0)
		complain(0, "note: the owner of these sessions is root, whom a proxy refuses; "
		            "give UID and GID to name another");
}

static int do_add(struct job *j)
{
	char uid[16], gid[16];
	const char *v[7] = {"", "", uid, gid, "", "", ""};
	_cleanup_wipe_ char *password = NULL;
	int r, rc;

	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	snprintf(gid, sizeof(gid), "%u", (unsigned)getgid());
	for (int i = 0; i < j->argc; i++)
		v[i] = j->argv[i];
	r = check_username(v[0]);
	r = r ? r : check_id("UID", v[2]);
	r = r ? r : check_id("GID", v[3]);
	r = r ? r : check_text("DISPLAYS", v[4], false);
	r = r ? r : check_text("ENV", v[5], true);
	r = r ? r : check_text("OPTIONS", v[6], true);
	r = r ? r : get_password(j, 1, true, &password);
	if (r)
		return r;
	remark_row(j, v[0], password, v[2]);
	rc = start(j,
	           "INSERT INTO users(username, password, uid, gid, displays, env_options,"
	           " session_options) VALUES(?, ?, ?, ?, ?, ?, ?)",
	           v[0], password, v[2], v[3], v[4], v[5], v[6], NULL);
	rc = finish(j, rc, NULL);
	return rc == SQLITE_OK ? EXIT_SUCCESS : db_failed(j, rc);
}

static int do_remove(struct job *j)
{
	_cleanup_wipe_ char *password = NULL;
	int rc, n;

	if (j->argc > 1) {
		int r = get_password(j, 1, false, &password);

		if (r)
			return r;
	}
	if (password)
		rc = start(j, "DELETE FROM users WHERE username=? AND password=?", j->argv[0],
		           password, NULL);
	else
		rc = start(j, "DELETE FROM users WHERE username=?", j->argv[0], NULL);
	rc = finish(j, rc, NULL);
	if (rc != SQLITE_OK)
		return db_failed(j, rc);
	n = sqlite3_changes(j->db);
	if (n == 0)
		return complain(EXIT_NOTHING, "no such user%s",
		                password ? " with this password" : "");
	printf("%d row%s removed\n", n, n == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

/* The password chooses among a user's rows: to make several of them the same would hide all but
 * one set of sessions. */
static int do_passwd(struct job *j)
{
	static const char count_rows[] =
		"SELECT count(DISTINCT coalesce(password, '')) FROM users WHERE username=?";
	_cleanup_wipe_ char *password = NULL;
	const char *user = j->argv[0];
	long long different = 0;
	int r, rc;

	rc = finish(j, start(j, count_rows, user, NULL), &different);
	if (rc == SQLITE_OK && different == 0)
		return complain(EXIT_NOTHING, "no such user");
	r = rc == SQLITE_OK && different == 1 ? get_password(j, 1, true, &password) : EXIT_SUCCESS;
	if (r)
		return r;
	if (rc == SQLITE_OK)
		rc = run(j, "BEGIN IMMEDIATE"); /* not while waiting for a person; so count again */
	if (rc == SQLITE_OK)
		rc = finish(j, start(j, count_rows, user, NULL), &different);
	if (rc == SQLITE_OK && different != 1)
		return complain(EXIT_FAILURE,
		                "this user has %lld rows with different passwords; use remove with "
		                "the old password, then add",
		                different);
	if (rc == SQLITE_OK)
		rc = start(j, "UPDATE users SET password=? WHERE username=?", password, user, NULL);
	rc = finish(j, rc, NULL);
	if (rc == SQLITE_OK)
		rc = run(j, "COMMIT");
	return rc == SQLITE_OK ? EXIT_SUCCESS : db_failed(j, rc);
}

#define LIST_COLUMNS 7

static int do_list(struct job *j)
{
	static const char *const heads[LIST_COLUMNS] = {
		"username", "password", "uid", "gid", "displays", "env", "options",
	};
	int width[LIST_COLUMNS], rc;
	long long rows = 0;

	for (int i = 0; i < LIST_COLUMNS; i++)
		width[i] = table_width(heads[i]);
	/* the second column: whether there is a password */
	rc = start(j,
	           "SELECT username, CASE WHEN password<>'' THEN '****' ELSE '(none)' END, uid,"
	           " gid, displays, env_options, session_options FROM users ORDER BY rowid",
	           NULL);
	if (rc == SQLITE_OK)
		rc = run(j, "BEGIN"); /* both passes see the same rows */
	while (rc == SQLITE_OK && (rc = sqlite3_step(j->stmt)) == SQLITE_ROW) {
		for (int i = 0; i < LIST_COLUMNS; i++) {
			int n = table_width((const char *)sqlite3_column_text(j->stmt, i));

			width[i] = n > width[i] ? n : width[i];
		}
		rc = SQLITE_OK;
		rows++;
	}
	if (rc != SQLITE_DONE)
		return db_failed(j, rc);
	if (rows == 0)
		return complain(EXIT_SUCCESS, "no users");
	table_row(heads, width, LIST_COLUMNS);
	table_rule(width, LIST_COLUMNS);
	sqlite3_reset(j->stmt);
	while ((rc = sqlite3_step(j->stmt)) == SQLITE_ROW) {
		const char *cells[LIST_COLUMNS];

		for (int i = 0; i < LIST_COLUMNS; i++)
			cells[i] = (const char *)sqlite3_column_text(j->stmt, i);
		table_row(cells, width, LIST_COLUMNS);
	}
	return rc == SQLITE_DONE ? EXIT_SUCCESS : db_failed(j, rc);
}

static int do_authenticate(struct job *j)
{
	_cleanup_wipe_ char *password = NULL;
	int r = get_password(j, 1, false, &password), rc;

	if (r)
		return r;
	rc = start(j,
	           "SELECT uid, gid, displays, env_options, session_options FROM users"
	           " WHERE username=? AND password=?",
	           j->argv[0], password, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(j->stmt);
	if (rc == SQLITE_ROW) {
		static const char *const names[] = {"uid", "gid", "displays", "env", "options"};

		printf("success\n");
		for (int i = 0; i < 5; i++) {
			printf("  %s: ", names[i]);
			table_cell((const char *)sqlite3_column_text(j->stmt, i), 0);
			putchar('\n');
		}
		return EXIT_SUCCESS;
	}
	if (rc != SQLITE_DONE)
		return db_failed(j, rc);
	return complain(EXIT_FAILURE, "authentication failed");
}

static const struct action {
	const char *name;
	int min, max; /* arguments */
	enum userdb_mode mode;
	int (*run)(struct job *j);
} actions[] = {
	{"create", 0, 0, USERDB_CREATE, do_create},
	{"add", 1, 7, USERDB_WRITE, do_add},
	{"list", 0, 0, USERDB_WRITE, do_list}, /* to undo what was interrupted, if it can */
	{"remove", 1, 2, USERDB_WRITE, do_remove},
	{"passwd", 1, 1, USERDB_WRITE, do_passwd},
	{"authenticate", 1, 2, USERDB_WRITE, do_authenticate},
};

static int run_action(struct job *j, const struct action *a)
{
	char err[AUTH_ERROR_MAX];
	struct stat st;
	int r = userdb_open(j->file, a->mode, &j->db, err);

	if (r < 0)
		return complain(EXIT_FAILURE, "%s", err);
	if (a->mode != USERDB_CREATE) {
		r = userdb_has_users(j->db, j->file, err);
		if (r == 0)
			r = userdb_no_users(j->file, err);
	}
	if (r < 0)
		r = complain(EXIT_FAILURE, "%s", err);
	else
		r = a->run(j);
	sqlite3_finalize(j->stmt);
	sqlite3_close(j->db); /* and undoes what was not committed */
	if (r == EXIT_SUCCESS && stat(j->file, &st) == 0 && (st.st_mode & 7))
		complain(0, "note: %s holds passwords and is open to everyone; better: chmod 600",
		         j->file);
	if ((fflush(stdout) == EOF || ferror(stdout)) && r == EXIT_SUCCESS)
		r = complain(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
	return r;
}

int users_main(int argc, char *argv[])
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage_text, stdout);
		return EXIT_SUCCESS;
	}
	if (argc >= 2 && (strncmp(argv[1], "postgresql://", 13) == 0 ||
	                  strncmp(argv[1], "postgres://", 11) == 0))
		return complain(EXIT_FAILURE, "PostgreSQL is not available in this version");
	for (size_t i = 0; argc >= 3 && *argv[1] && i < ARRAY_SIZE(actions); i++) {
		struct job j = {.file = argv[1], .argc = argc - 3, .argv = argv + 3};

		if (strcmp(argv[2], actions[i].name) == 0 && j.argc >= actions[i].min &&
		    j.argc <= actions[i].max)
			return run_action(&j, &actions[i]);
	}
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}
