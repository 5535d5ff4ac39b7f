/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sqlite module against databases made here with xpra's own statement. That xpra's tool and
 * ours understand each other is tests/system/test_users.py. Links auth/sqlite.c, auth/userdb.c,
 * sqlite3.
 */
#include "tests/unit/test.h"

#include "auth/module.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct auth_module auth_module;

#define CREATE                                                                        \
	"CREATE TABLE users (username VARCHAR(255) NOT NULL, password VARCHAR(255), " \
	"uid VARCHAR(63), gid VARCHAR(63), displays VARCHAR(8191), "                  \
	"env_options VARCHAR(8191), session_options VARCHAR(8191));"

static char path[] = "/tmp/xproxy-test.XXXXXX", err[AUTH_ERROR_MAX];
static struct auth_options options;

static void option(const char *name, const char *value)
{
	options.items[options.count].name = name;
	options.items[options.count].value = value;
	options.count++;
}

static sqlite3 *edit(const char *sql)
{
	sqlite3 *db;

	CHECK_EQ(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_EQ(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	return db;
}

/* A new database, made with these statements; NULL: an empty file. */
static void fresh(const char *sql)
{
	static bool named;

	if (!named) {
		close(mkstemp(path));
		named = true;
	}
	close(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600));
	options.count = 0;
	option("filename", path);
	if (sql)
		sqlite3_close(edit(sql));
	memset(err, 0, sizeof(err));
}

static const char *right;
static char tried[256];
static int checks;

static bool check(const struct auth_attempt *a, const void *password, size_t len)
{
	(void)a;
	checks++;
	snprintf(tried + strlen(tried), sizeof(tried) - strlen(tried), "[%.*s]", (int)len,
	         (const char *)password);
	return len == strlen(right) && memcmp(password, right, len) == 0;
}

static int verify(const char *user, const char *password, struct auth_row *row)
{
	struct auth_attempt a = {.username = user, .options = &options, .check = check};
	int r;

	right = password;
	checks = 0;
	tried[0] = '\0';
	memset(row, 0, sizeof(*row));
	r = auth_module.verify(&a, row);
	CHECK_EQ(r < 0, a.error[0] != '\0');
	CHECK_EQ(row->has_sessions, r == 1);
	memcpy(err, a.error, sizeof(err));
	return r;
}

TEST(sessions_of_the_matching_row)
{
	struct auth_row row;

	fresh(CREATE "INSERT INTO users VALUES('alice','one','1000','100',':1','A=B','c=d');"
	             "INSERT INTO users VALUES('bob','three','3','3',':3','','');"
	             "INSERT INTO users VALUES('alice','two','staff','users',':2, :4',NULL,NULL);");
	CHECK_EQ(auth_module.open(&options, err), 0);
	CHECK_EQ(verify("alice", "one", &row), 1);
	CHECK_STR(row.uid, "1000");
	CHECK_STR(row.gid, "100");
	CHECK_STR(row.displays, ":1");
	CHECK_STR(row.env_options, "A=B");
	CHECK_STR(row.session_options, "c=d");
	CHECK_EQ(verify("alice", "two", &row), 1);
	CHECK_STR(tried, "[one][two]");
	CHECK_STR(row.uid, "staff");
	CHECK_STR(row.gid, "users");
	CHECK_STR(row.displays, ":2, :4");
	CHECK_STR(row.env_options, "");
	CHECK_STR(row.session_options, "");
	CHECK_EQ(verify("alice", "three", &row), 0);
	CHECK_EQ(verify("ALICE", "one", &row), 0);
	CHECK_EQ(verify("a' OR '1'='1", "one", &row), 0);
	CHECK_EQ(checks, 1);
	CHECK_EQ(verify("nobody", "no such user", &row), 0);
	CHECK_EQ(verify("", "one", &row), 0);
}

TEST(null_and_empty)
{
	struct auth_row row;

	fresh(CREATE "INSERT INTO users(username) VALUES('n');"
	             "INSERT INTO users(username, password) VALUES('e', '');"
	             "INSERT INTO users(username, password) VALUES('p', 'x');");
	CHECK_EQ(verify("n", "", &row), 0);
	CHECK_EQ(verify("n", "None", &row), 0);
	CHECK_EQ(verify("e", "", &row), 0);
	CHECK_EQ(verify("p", "x", &row), 1);
	CHECK_STR(row.uid, "");
	CHECK_STR(row.displays, "");
}

TEST(too_long_a_column)
{
	struct auth_row row;

	fresh(CREATE "INSERT INTO users VALUES('a','x',printf('%063d',1),'','','','');"
	             "INSERT INTO users VALUES('b','x',printf('%064d',1),'','','','');"
	             "INSERT INTO users VALUES('c','x','','',printf('%08191d',1),'','');"
	             "INSERT INTO users VALUES('d','x','','',printf('%08192d',1),'','');");
	CHECK_EQ(verify("a", "x", &row), 1);
	CHECK_EQ(strlen(row.uid), 63);
	CHECK_EQ(verify("b", "x", &row), -E2BIG);
	CHECK(strstr(err, "uid is longer than 63 bytes"));
	CHECK_EQ(verify("c", "x", &row), 1);
	CHECK_EQ(verify("d", "x", &row), -E2BIG);
	CHECK_STR(row.uid, "");
}

TEST(too_many_rows)
{
	struct auth_row row;

	fresh(CREATE "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 1025) "
	             "INSERT INTO users(username, password) SELECT 'u', i FROM n;");
	CHECK_EQ(verify("u", "1", &row), -E2BIG);
	sqlite3_close(edit("DELETE FROM users WHERE password='1025'"));
	CHECK_EQ(verify("u", "1024", &row), 1);
}

TEST(queries)
{
	struct auth_row row;

	fresh("CREATE TABLE p(n, secret); CREATE TABLE s(n, uid, gid, displays, env_options,"
	      " session_options); INSERT INTO p VALUES('a', 42); INSERT INTO s VALUES('a', 7, 8,"
	      " ':9', 'e', 'o')");
	option("password_query", "SELECT secret FROM p WHERE n=?");
	CHECK_EQ(auth_module.open(&options, err), -ENODATA);
	option("sessions_query", "SELECT session_options, DISPLAYS, uid, gid, env_options FROM s "
	                         "WHERE n=?");
	CHECK_EQ(auth_module.open(&options, err), 0);
	CHECK_EQ(verify("a", "42", &row), 1);
	CHECK_STR(row.uid, "7");
	CHECK_STR(row.gid, "8");
	CHECK_STR(row.displays, ":9");
	CHECK_STR(row.session_options, "o");
	options.items[2].value = "SELECT uid, gid FROM s WHERE n=? AND 'x'=?";
	CHECK_EQ(verify("a", "42", &row), 1); /* no such row: no sessions */
	CHECK_STR(row.uid, "");
	options.items[2].value = "SELECT uid, gid FROM s WHERE n=?";
	CHECK_EQ(verify("a", "42", &row), -EINVAL);
	CHECK(strstr(err, "no column displays"));
}

TEST(bad_queries)
{
	static const char *const bad[] = {
		"",
		"SELECT",
		"SELECT password FROM users",
		"SELECT password FROM users WHERE username=%s",
		"SELECT password FROM users WHERE username=? AND uid=?",
		"DELETE FROM users WHERE username=?",
		"SELECT nothing FROM users WHERE username=?",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fresh(CREATE);
		option("password_query", bad[i]);
		test_note("%s", bad[i]);
		CHECK_EQ(auth_module.open(&options, err), -EINVAL);
		CHECK(strstr(err, "password_query"));
	}
	test_note("%s", "");
}

/* open() and verify() say the same. */
static void refused(int code, const char *part)
{
	struct auth_row row;
	char first[AUTH_ERROR_MAX];

	CHECK_EQ(auth_module.open(&options, err), code);
	memcpy(first, err, sizeof(first));
	if (!strstr(err, part))
		CHECK_STR(err, part);
	CHECK_EQ(verify("alice", "x", &row), code);
	CHECK_STR(err, first);
}

TEST(missing)
{
	fresh(NULL);
	unlink(path);
	refused(-ENOENT, "does not exist; create it with: xproxyctl users FILE create");
	CHECK(access(path, F_OK) < 0);
	options.items[0].value = ":memory:";
	refused(-ENOENT, ":memory: does not exist");
	options.items[0].value = "file:/tmp/x?mode=rwc";
	refused(-ENOENT, "does not exist");
	options.items[0].value = "/tmp";
	refused(-EINVAL, "/tmp is not a regular file");
	options.items[0].value = "";
	refused(-EINVAL, "needs filename=");
}

TEST(empty)
{
	fresh(NULL);
	refused(-ENODATA, "has no table of users; create it with: xproxyctl users FILE create");
	fresh("CREATE TABLE other(x)");
	refused(-ENODATA, "has no table of users");
}

TEST(not_a_database)
{
	FILE *f;

	fresh(NULL);
	f = fopen(path, "w");
	for (int i = 0; i < 1000; i++)
		fputs("alice|password|\n", f);
	fclose(f);
	refused(-EBADF, "is not an sqlite database");
	CHECK(!strstr(err, "password"));
}

TEST(corrupt)
{
	FILE *f;

	fresh(CREATE "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 999) "
	             "INSERT INTO users(username, password) SELECT 'u' || i, i FROM n;");
	CHECK_EQ(auth_module.open(&options, err), 0);
	f = fopen(path, "r+");
	fseek(f, 4096, SEEK_SET);
	for (int i = 0; i < 9000; i++)
		fputc(0x55, f);
	fclose(f);
	CHECK_EQ(verify("u1", "1", &(struct auth_row){0}), -EUCLEAN);
	CHECK(strstr(err, "is damaged"));
}

TEST(locked)
{
	struct auth_row row;
	sqlite3 *db;

	fresh(CREATE "INSERT INTO users VALUES('alice','one','1','1','','','');");
	db = edit("BEGIN IMMEDIATE; DELETE FROM users");
	CHECK_EQ(verify("alice", "one", &row), 1); /* a writer who has not committed */
	sqlite3_close(db);
	db = edit("BEGIN EXCLUSIVE");
	CHECK_EQ(verify("alice", "one", &row), -EBUSY);
	CHECK(strstr(err, "is locked by another program"));
	sqlite3_close(db);
	CHECK_EQ(verify("alice", "one", &row), 1);
}

static int look_up(const char *user, struct auth_row *row)
{
	struct auth_attempt a = {.username = user, .options = &options};
	int r;

	memset(row, 0, sizeof(*row));
	r = auth_module.lookup(&a, row);
	CHECK_EQ(r < 0, a.error[0] != '\0');
	CHECK_EQ(row->has_sessions, r == 1);
	memcpy(err, a.error, sizeof(err));
	return r;
}

TEST(registry)
{
	struct auth_row row;

	fresh(CREATE "INSERT INTO users VALUES('alice','one','1000','100',':1','A=B','c=d');"
	             "INSERT INTO users VALUES('alice','two','2','2',':2','','');"
	             "INSERT INTO users(username) VALUES('bob');");
	CHECK_EQ(look_up("alice", &row), 1);
	CHECK_STR(row.uid, "1000");
	CHECK_STR(row.gid, "100");
	CHECK_STR(row.displays, ":1");
	CHECK_STR(row.env_options, "A=B");
	CHECK_STR(row.session_options, "c=d");
	CHECK_EQ(look_up("bob", &row), 1);
	CHECK_STR(row.displays, "");
	CHECK_EQ(look_up("carol", &row), 0);
	CHECK_EQ(look_up("a' OR '1'='1", &row), 0);
	option("sessions_query", "SELECT uid, gid, displays, env_options, session_options FROM "
	                         "users WHERE username=? AND password=?");
	CHECK_EQ(look_up("alice", &row), -EINVAL);
	CHECK_STR(err, "sessions_query of a Registry= must be one SELECT with '?' for the user "
	               "name alone");
}

TEST(registry_without_passwords)
{
	struct auth_row row;

	fresh("CREATE TABLE users (username, uid, gid, displays, env_options, session_options);"
	      "INSERT INTO users VALUES('alice','1000','100',':1','','');");
	CHECK(auth_module.open(&options, err) < 0);
	CHECK(strstr(err, "no such column: password"));
	option("password_query", "none");
	CHECK_EQ(auth_module.open(&options, err), 0);
	CHECK_EQ(look_up("alice", &row), 1);
	CHECK_STR(row.displays, ":1");
	CHECK_EQ(verify("alice", "", &row), -EINVAL);
	CHECK(strstr(err, "password_query=none is for Registry= only"));
	unlink(path);
	CHECK_EQ(look_up("alice", &row), -ENOENT);
}

TEST(interrupted_change)
{
	struct auth_row row;
	char journal[PATH_MAX];
	pid_t pid;

	fresh(CREATE "INSERT INTO users VALUES('alice','one','1','1','','','');");
	snprintf(journal, sizeof(journal), "%s-journal", path);
	pid = fork();
	if (pid == 0) {
		(void)edit("PRAGMA cache_size=1; BEGIN; WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
		           "SELECT i+1 FROM n LIMIT 5000) INSERT INTO users(username) SELECT i "
		           "FROM n;");
		_exit(0);
	}
	CHECK(pid > 0 && waitpid(pid, NULL, 0) == pid && access(journal, F_OK) == 0);
	CHECK_EQ(verify("alice", "one", &row), -EROFS);
	CHECK(strstr(err, "to undo it: xproxyctl users FILE list"));
	sqlite3_close(edit("SELECT count(*) FROM users"));
	CHECK_EQ(verify("alice", "one", &row), 1);
}

TEST(never_writes)
{
	struct auth_row row;
	char wal[PATH_MAX];

	fresh("PRAGMA journal_mode=WAL; " CREATE
	      "INSERT INTO users VALUES('a','b','','','','','')");
	CHECK_EQ(verify("a", "b", &row), 1);
	fresh(CREATE "INSERT INTO users VALUES('a','b','','','','','')");
	CHECK_EQ(chmod(path, 0400), 0);
	CHECK_EQ(verify("a", "b", &row), 1);
	snprintf(wal, sizeof(wal), "%s-journal", path);
	CHECK(access(wal, F_OK) < 0);
	unlink(path);
	snprintf(wal, sizeof(wal), "%s-wal", path);
	unlink(wal);
	snprintf(wal, sizeof(wal), "%s-shm", path);
	unlink(wal);
}
