/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/users.c - `xproxyctl users`. Runs as its caller, with no privilege.
 * System calls: those of auth/userdb.c or auth/pgconn.c, and of auth/prompt.c.
 *
 * Every change is one transaction: it is in the database whole, or not at all.
 */
#include "auth/users.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "auth/hash.h"
#include "auth/usersargs.h"
#include "auth/usersjob.h"
#include "base/macros.h"
#include "base/table.h"

static const char usage_text[] =
	"usage: xproxyctl users DB create\n"
	"       xproxyctl users DB add [--hash[=KIND]] USER [PASSWORD [UID [GID [DISPLAYS\n"
	"                              [ENV [OPTIONS]]]]]]\n"
	"       xproxyctl users DB list\n"
	"       xproxyctl users DB remove USER [PASSWORD]\n"
	"       xproxyctl users DB passwd [--hash[=KIND]] USER\n"
	"       xproxyctl users DB authenticate USER [PASSWORD]\n"
	"       xproxyctl users DB migrate\n"
	"\n"
	"DB is an sqlite file or a URI, postgresql://HOST/DATABASE. A PASSWORD that is missing\n"
	"or '-' is asked for, or read from stdin. KIND is yescrypt, which is meant if there is\n"
	"none, or scram: such passwords need passwords=hashed where the proxy is configured.\n"
	"UID and GID (yours if missing) are numbers or names, DISPLAYS is like "
	"':10,tcp://host:10000/',\n"
	"ENV and OPTIONS are like 'name=value;name2=value2'.\n";

/* ---- the schema ---- */

/* Adds what xpra's table lacks; its own tool does not mind. 0 or a negative errno with j->err. */
static int upgrade(struct job *j)
{
	int r = job_run(j, "CREATE INDEX users_username ON users(username)");

	return r < 0 ? r : job_run(j, j->backend->set_version);
}

static int do_create(struct job *j)
{
	int r = job_run(j, j->backend->begin), has;

	has = r < 0 ? r : j->backend->has_users(j->db, j->err);
	if (has < 0)
		return job_failed(j);
	if (has)
		return users_complain(EXIT_FAILURE,
		                      "%s has a table of users already, nothing was changed",
		                      j->file ? j->where : "the database");
	r = job_run(j, "CREATE TABLE users (username VARCHAR(255) NOT NULL, password VARCHAR(255),"
	               " uid VARCHAR(63), gid VARCHAR(63), displays VARCHAR(8191),"
	               " env_options VARCHAR(8191), session_options VARCHAR(8191))");
	if (r == 0)
		r = upgrade(j);
	if (r == 0)
		r = job_run(j, "COMMIT");
	return r < 0 ? job_failed(j) : EXIT_SUCCESS;
}

static int do_migrate(struct job *j)
{
	long long version = 0;
	int r = job_run(j, j->backend->begin);

	if (r == 0)
		r = job_query(j, j->backend->version, NULL, NULL, job_take_number, &version, NULL);
	if (r == 0 && version >= USERSDB_VERSION) {
		printf("version %lld, nothing to do\n", version);
		return EXIT_SUCCESS;
	}
	if (r == 0)
		r = upgrade(j);
	if (r == 0)
		r = job_run(j, "COMMIT");
	if (r < 0)
		return job_failed(j);
	printf("version %lld, now %d\n", version, USERSDB_VERSION);
	return EXIT_SUCCESS;
}

static int take_hashed(void *context, const struct sqlrow *row)
{
	*(bool *)context = hash_is_one(row->values[0]);
	return *(bool *)context;
}

/* ---- rows ---- */

static int remark_row(struct job *j, const char *user, const char *password, const char *uid)
{
	static struct match m; /* large */
	bool hashed = false;
	int r;

	m = (struct match){.password = password};
	r = job_find_match(j, user, &m);
	cleanup_wipe_str(&m.stored);
	if (r < 0)
		return r;
	if (m.rows > 0)
		users_complain(
			0, "note: %s already has a row with this password; the first one counts",
			user);
	if (strcmp(uid, "0") == 0 || strcmp(uid, "root") == 0)
		users_complain(0, "note: the owner of these sessions is root, whom a proxy "
		                  "refuses; give UID and GID to name another");
	r = job_query(j, "SELECT password FROM users WHERE password<>''", NULL, NULL, take_hashed,
	              &hashed, NULL);
	if (r >= 0 && hashed && !j->hash)
		users_complain(0, "note: other passwords here are hashed and this one is not: with "
		                  "passwords=hashed it lets nobody in; see --hash");
	return r < 0 ? r : 0;
}

static int do_add(struct job *j)
{
	char uid[16], gid[16];
	const char *v[7] = {"", "", uid, gid, "", "", ""};
	_cleanup_wipe_ char *password = NULL, *stored = NULL;
	int r;

	snprintf(uid, sizeof(uid), "%u", (unsigned)getuid());
	snprintf(gid, sizeof(gid), "%u", (unsigned)getgid());
	for (int i = 0; i < j->argc; i++)
		v[i] = j->argv[i];
	r = usersargs_username(v[0]);
	r = r ? r : usersargs_id("UID", v[2]);
	r = r ? r : usersargs_id("GID", v[3]);
	r = r ? r : usersargs_text("DISPLAYS", v[4], false);
	r = r ? r : usersargs_text("ENV", v[5], true);
	r = r ? r : usersargs_text("OPTIONS", v[6], true);
	r = r ? r : usersargs_password(j->argc, j->argv, 1, true, &password);
	if (r)
		return r;
	stored = job_store(j, password);
	if (!stored)
		return EXIT_FAILURE;
	v[1] = stored;
	r = remark_row(j, v[0], password, v[2]);
	if (r == 0)
		r = j->backend->run(
			j->db,
			"INSERT INTO users(username, password, uid, gid, displays, env_options,"
			" session_options) VALUES(?, ?, ?, ?, ?, ?, ?)",
			v, 7, NULL, NULL, NULL, j->err);
	return r < 0 ? job_failed(j) : EXIT_SUCCESS;
}

/* Rows of the same password may differ in how they are stored: one after the other. */
static int remove_matches(struct job *j, const char *user, const char *password,
                          long long *ret_count)
{
	static struct match m;
	int r = job_run(j, j->backend->begin);

	while (r == 0) {
		long long n = 0;

		m = (struct match){.password = password};
		r = job_find_match(j, user, &m);
		if (r == 0 && m.rows == 0)
			break;
		if (r == 0)
			r = job_query(j, "DELETE FROM users WHERE username=? AND password=?", user,
			              m.stored, NULL, NULL, &n);
		cleanup_wipe_str(&m.stored);
		*ret_count += n;
		if (n == 0)
			break;
	}
	return r < 0 ? r : job_run(j, "COMMIT");
}

static int do_remove(struct job *j)
{
	_cleanup_wipe_ char *password = NULL;
	long long n = 0;
	int r;

	if (j->argc > 1) {
		r = usersargs_password(j->argc, j->argv, 1, false, &password);
		if (r)
			return r;
	}
	if (password)
		r = remove_matches(j, j->argv[0], password, &n);
	else
		r = job_query(j, "DELETE FROM users WHERE username=?", j->argv[0], NULL, NULL, NULL,
		              &n);
	if (r < 0)
		return job_failed(j);
	if (n == 0)
		return users_complain(EXIT_NOTHING, "no such user%s",
		                      password ? " with this password" : "");
	printf("%lld row%s removed\n", n, n == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

/* The password chooses among a user's rows: to make several of them the same would hide all but
 * one set of sessions. A user whose password was hashed keeps it so. */
static int do_passwd(struct job *j)
{
	static const char count_rows[] =
		"SELECT count(DISTINCT coalesce(password, '')) FROM users WHERE username=?";
	_cleanup_wipe_ char *password = NULL, *stored = NULL;
	const char *user = j->argv[0];
	static struct match m;
	long long different = 0;
	int r = job_query(j, count_rows, user, NULL, job_take_number, &different, NULL), code;

	m = (struct match){0};
	if (r == 0)
		r = job_find_match(j, user, &m);
	if (r == 0 && different == 0)
		return users_complain(EXIT_NOTHING, "no such user");
	code = r == 0 && different == 1 ? usersargs_password(j->argc, j->argv, 1, true, &password)
	                                : EXIT_SUCCESS;
	if (code)
		return code;
	if (m.hashed && !j->hash)
		j->hash = "yescrypt";
	stored = password ? job_store(j, password) : NULL;
	if (password && !stored)
		return EXIT_FAILURE;
	if (r == 0)
		r = job_run(j,
		            j->backend->begin); /* not while waiting for a person; so count again */
	if (r == 0)
		r = job_query(j, count_rows, user, NULL, job_take_number, &different, NULL);
	if (r == 0 && (different != 1 || !stored))
		return users_complain(EXIT_FAILURE,
		                      "this user has %lld rows with different passwords; use "
		                      "remove with the old password, then add",
		                      different);
	if (r == 0)
		r = job_query(j, "UPDATE users SET password=? WHERE username=?", stored, user, NULL,
		              NULL, NULL);
	if (r == 0)
		r = job_run(j, "COMMIT");
	return r < 0 ? job_failed(j) : EXIT_SUCCESS;
}

#define LIST_COLUMNS 7

struct listing {
	int width[LIST_COLUMNS];
	long long rows;
	bool print;
};

static int take_listed(void *context, const struct sqlrow *row)
{
	struct listing *l = context;
	const char *cells[LIST_COLUMNS];

	for (int i = 0; i < LIST_COLUMNS; i++) {
		const char *value = row->values[i];

		cells[i] = i != 1               ? value
		           : *value == '\0'     ? "(none)"
		           : hash_is_one(value) ? "(hash)"
		                                : "****";
		if (table_width(cells[i]) > l->width[i])
			l->width[i] = table_width(cells[i]);
	}
	l->rows++;
	if (l->print)
		table_row(cells, l->width, LIST_COLUMNS);
	return 0;
}

static int do_list(struct job *j)
{
	static const char *const heads[LIST_COLUMNS] = {
		"username", "password", "uid", "gid", "displays", "env", "options",
	};
	struct listing l = {0};
	char sql[256];
	int r = job_run(j, "BEGIN"); /* both passes see the same rows, if nobody is in a hurry */

	for (int i = 0; i < LIST_COLUMNS; i++)
		l.width[i] = table_width(heads[i]);
	snprintf(sql, sizeof(sql),
	         "SELECT username, password, uid, gid, displays, env_options, session_options"
	         " FROM users ORDER BY %s",
	         j->backend->order);
	if (r == 0)
		r = job_query(j, sql, NULL, NULL, take_listed, &l, NULL);
	if (r < 0)
		return job_failed(j);
	if (l.rows == 0)
		return users_complain(EXIT_SUCCESS, "no users");
	table_row(heads, l.width, LIST_COLUMNS);
	table_rule(l.width, LIST_COLUMNS);
	l.print = true;
	return job_query(j, sql, NULL, NULL, take_listed, &l, NULL) < 0 ? job_failed(j)
	                                                                : EXIT_SUCCESS;
}

static int do_authenticate(struct job *j)
{
	static const char *const names[] = {"uid", "gid", "displays", "env", "options"};
	_cleanup_wipe_ char *password = NULL;
	static struct match m;
	int r = usersargs_password(j->argc, j->argv, 1, false, &password);

	if (r)
		return r;
	m = (struct match){.password = password};
	r = job_find_match(j, j->argv[0], &m);
	cleanup_wipe_str(&m.stored);
	if (r < 0)
		return job_failed(j);
	if (m.rows == 0)
		return users_complain(EXIT_FAILURE, "authentication failed");
	printf("success\n");
	for (int i = 0; i < 5; i++) {
		printf("  %s: ", names[i]);
		table_cell(m.columns[i], 0);
		putchar('\n');
	}
	return EXIT_SUCCESS;
}

/* ---- the command ---- */

static const struct action {
	const char *name;
	int min, max; /* arguments */
	bool hash;    /* takes --hash */
	enum usersdb_mode mode;
	int (*run)(struct job *j);
} actions[] = {
	{"create", 0, 0, false, USERSDB_CREATE, do_create},
	{"add", 1, 7, true, USERSDB_WRITE, do_add},
	{"list", 0, 0, false, USERSDB_WRITE, do_list}, /* to undo what was interrupted, if it can */
	{"remove", 1, 2, false, USERSDB_WRITE, do_remove},
	{"passwd", 1, 1, true, USERSDB_WRITE, do_passwd},
	{"authenticate", 1, 2, false, USERSDB_WRITE, do_authenticate},
	{"migrate", 0, 0, false, USERSDB_WRITE, do_migrate},
};

int users_version(const char *where, int *ret_newest)
{
	struct job j = {.where = where};
	long long version = 0;
	int r = job_find_backend(&j);

	*ret_newest = USERSDB_VERSION;
	if (r == 0)
		r = j.backend->open(where, USERSDB_READ, &j.db, j.err);
	if (r < 0)
		return r;
	r = job_query(&j, j.backend->version, NULL, NULL, job_take_number, &version, NULL);
	j.backend->close(j.db);
	return r < 0 ? r : version < INT32_MAX ? (int)version : INT32_MAX;
}

static int run_action(struct job *j, const struct action *a, char *where)
{
	_cleanup_wipe_ char *copy = strdup(where);
	struct stat st;
	int r;

	if (!copy)
		return users_complain(EXIT_FAILURE, "out of memory");
	j->where = copy;
	if (job_find_backend(j) < 0)
		return job_failed(j);
	if (!j->file) /* its password would stay among the arguments that others see */
		explicit_bzero(where, strlen(where));
	if (j->backend->open(j->where, a->mode, &j->db, j->err) < 0)
		return job_failed(j);
	r = a->mode == USERSDB_CREATE ? 1 : j->backend->has_users(j->db, j->err);
	if (r < 0)
		r = job_failed(j);
	else if (r == 0)
		r = users_complain(EXIT_FAILURE,
		                   "%s has no table of users; create it with: xproxyctl users %s "
		                   "create",
		                   j->file ? j->where : "the database", j->file ? "FILE" : "URI");
	else
		r = a->run(j);
	j->backend->close(j->db);
	if (r == EXIT_SUCCESS && j->file && stat(j->where, &st) == 0 && (st.st_mode & 7))
		users_complain(
			0, "note: %s holds passwords and is open to everyone; better: chmod 600",
			j->where);
	if ((fflush(stdout) == EOF || ferror(stdout)) && r == EXIT_SUCCESS)
		r = users_complain(EXIT_FAILURE, "cannot write to stdout: %s", strerror(errno));
	return r;
}

/* --hash or --hash=KIND, before the user. False: of an unknown kind. */
static bool take_hash(struct job *j, const struct action *a)
{
	if (!a->hash || j->argc == 0 || strncmp(j->argv[0], "--hash", 6) != 0)
		return true;
	if (strcmp(j->argv[0], "--hash") == 0 || strcmp(j->argv[0], "--hash=yescrypt") == 0)
		j->hash = "yescrypt";
	else if (strcmp(j->argv[0], "--hash=scram") == 0)
		j->hash = "scram";
	j->argc--;
	j->argv++;
	return j->hash != NULL;
}

int users_main(int argc, char *argv[])
{
	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		fputs(usage_text, stdout);
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; argc >= 3 && *argv[1] && i < ARRAY_SIZE(actions); i++) {
		struct job j = {.argc = argc - 3, .argv = argv + 3};

		if (strcmp(argv[2], actions[i].name) == 0 && take_hash(&j, &actions[i]) &&
		    j.argc >= actions[i].min && j.argc <= actions[i].max)
			return run_action(&j, &actions[i], argv[1]);
	}
	fputs(usage_text, stderr);
	return EXIT_USAGE;
}
