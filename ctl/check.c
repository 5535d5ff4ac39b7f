/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/check.c - `xproxyctl check`: whether a client can connect, and what to do if it cannot. As
 * its caller: what only root may read only root can have checked.
 */
#include "ctl/check.h"

#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "auth/dburi.h"
#include "auth/load.h"
#include "auth/users.h"
#include "base/macros.h"
#include "base/readfile.h"
#include "base/table.h"
#include "session/locate.h"

#define KEY_FILE_MAX 4096 /* of Encryption=, as relay/encryption.h */

void check_say(struct check *k, enum check_level level, const char *what, const char *fmt, ...)
{
	static const char *const names[] = {
		[CHECK_OK] = "ok",
		[CHECK_SKIPPED] = "skipped",
		[CHECK_WARNING] = "warning",
		[CHECK_ERROR] = "error",
	};
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->count[level]++;
	table_cell(names[level], 9);
	table_cell(what, 0);
	fputs(": ", stdout);
	table_cell(text, 0);
	putchar('\n');
}

static void check_configuration(struct check *k, const struct ctl *ctl)
{
	const char *file = ctl->config_file ? ctl->config_file : CONFIG_FILE;

	if (ctl->config_error[0])
		check_say(k, CHECK_ERROR, "configuration", "%s", ctl->config_error);
	else if (ctl->config_unread)
		check_say(k, CHECK_SKIPPED, "configuration",
		          "%s may not be read by you: what depends on it is not checked; run this "
		          "as root",
		          file);
	else if (access(file, F_OK) < 0)
		check_say(k, CHECK_OK, "configuration", "%s does not exist: the defaults", file);
	else
		check_say(k, CHECK_OK, "configuration", "%s", file);
}

/* ---- modules ---- */

/* Files with passwords in them. */
static void check_secret(struct check *k, const char *what, const char *file)
{
	struct stat st;

	if (stat(file, &st) == 0 && (st.st_mode & S_IROTH))
		check_say(k, CHECK_WARNING, what, "%s can be read by everybody: chmod o-rwx %s",
		          file, file);
}

/* A file that is missing is no error to PAM: then the service `other` decides, and says no. */
static void check_pam(struct check *k, const struct auth_options *options)
{
	const char *service = auth_option(options, "service", "xproxy");
	char path[256];

	snprintf(path, sizeof(path), "/etc/pam.d/%.200s", service);
	if (access(path, F_OK) < 0)
		check_say(k, CHECK_ERROR, "PAM service",
		          "%s: %s: make it, or name another with "
		          "pam(service=NAME)",
		          path, strerror(errno));
	else
		check_say(k, CHECK_OK, "PAM service", "%s", path);
}

static bool check_password(const struct auth_attempt *a, const void *password, size_t len)
{
	(void)a;
	(void)password;
	(void)len;
	return false;
}

struct inquiry {
	struct auth_attempt a; /* first, so that warn() finds the rest */
	struct check *k;
	const char *what;
};

static void warn(const struct auth_attempt *a, const char *text)
{
	const struct inquiry *q = (const struct inquiry *)(const void *)a;

	check_say(q->k, CHECK_WARNING, q->what, "%s", text);
}

/* Whether a directory answers: about somebody whom it need not know. registry: only its sessions
 * are of use. Modules that have lookup() change nothing by being asked. */
static int ask_directory(struct check *k, const char *what, const struct auth_instance *in,
                         bool registry, char err[AUTH_ERROR_MAX])
{
	static struct auth_row row; /* large */
	struct inquiry q = {
		.a = {.username = "xproxyctl-check",
	              .options = &in->options,
	              .check = check_password,
	              .password = "-",
	              .password_len = 1,
	              .warn = warn},
		.k = k,
		.what = what,
	};
	int r = registry ? in->module->lookup(&q.a, &row) : in->module->verify(&q.a, &row);

	if (r < 0)
		memcpy(err, q.a.error, sizeof(q.a.error));
	explicit_bzero(&row, sizeof(row));
	return r < 0 ? r : 0;
}

/* Where the table is ours to know: with queries of one's own it may be anything. */
static void check_schema(struct check *k, const char *what, const struct auth_options *options)
{
	const char *file = auth_option(options, "filename", NULL);
	char uri[DBURI_MAX] = "", err[AUTH_ERROR_MAX];
	int version, newest;

	if (auth_option(options, "password_query", NULL) ||
	    auth_option(options, "sessions_query", NULL))
		return;
	if (!file && dburi_get(options, uri, err) < 0)
		return;
	version = users_version(file ? file : uri, &newest);
	explicit_bzero(uri, sizeof(uri));
	if (version >= newest)
		check_say(k, CHECK_OK, what, "schema version %d", version);
	else if (version >= 0)
		check_say(k, CHECK_OK, what,
		          "schema version %d%s; %d has an index on the names: xproxyctl users %s "
		          "migrate",
		          version, version == 0 ? ", xpra's" : "", newest, file ? file : "URI");
}

static void check_module(struct check *k, const char *spec, const char *origin, bool registry)
{
	static const char *const secrets[] = {"filename", "keytab", "bind-password-file"};
	struct auth_instance in = {0};
	char err[AUTH_ERROR_MAX] = "", what[64] = "module";
	const char *file;
	int r = auth_load(spec, &in, err);

	if (!origin)
		origin = "-";
	if (r == 0) {
		snprintf(what, sizeof(what), "%s %.50s", registry ? "registry" : "module",
		         in.module->name);
		if (in.module->open)
			r = in.module->open(&in.options, err);
	}
	if (r == 0 && registry && !in.module->lookup) {
		snprintf(err, sizeof(err), "this module keeps no sessions");
		r = -EINVAL;
	}
	/* A program that decides may well do more: it is not asked about nobody. */
	if (r == 0 && in.module->lookup &&
	    (registry || (in.flags & AUTH_CHALLENGE && in.module != &auth_exec)))
		r = ask_directory(k, what, &in, registry, err);
	if (r < 0)
		check_say(k, CHECK_ERROR, what, "%s: %s", origin, err);
	else
		check_say(k, CHECK_OK, what, "%s", origin);
	if (in.module) {
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(secrets); i++) {
			file = auth_option(&in.options, secrets[i], NULL);
			if (file && *file == '/') /* else it is a credential of the unit */
				check_secret(k, what, file);
		}
		if (r == 0 && (strcmp(in.module->name, "sqlite") == 0 ||
		               strcmp(in.module->name, "pgsql") == 0))
			check_schema(k, what, &in.options);
		if (strcmp(in.module->name, "pam") == 0)
			check_pam(k, &in.options);
		if (strcmp(in.module->name, "ratelimit") == 0)
			check_say(k, CHECK_WARNING, what,
			          "does nothing here and can be left out: [Limits] says how those "
			          "who fail to log in are slowed down");
	}
	auth_unload(&in);
}

static void check_alternatives(struct check *k, const char *spec, const char *origin)
{
	for (; spec; spec = auth_alternative(spec))
		check_module(k, spec, origin, false);
}

static void check_registry(struct check *k, const char *spec)
{
	const char *origin = "[Sessions] Registry=";

	if (auth_alternative(spec))
		check_say(k, CHECK_ERROR, "registry", "%s: there can be only one", origin);
	else
		check_module(k, spec, origin, true);
}

static void check_modules(struct check *k, const struct config *c)
{
	if (c->sessions_registry == REGISTRY_MODULE)
		check_registry(k, c->sessions_registry_module);
	if (c->auth_modules.count == 0)
		check_say(k, CHECK_ERROR, "module",
		          "none is configured, so every login is refused: set [Auth] Module=, see "
		          "xproxy.conf(5)");
	for (size_t i = 0; i < c->auth_modules.count; i++)
		check_alternatives(k, c->auth_modules.items[i], c->auth_modules.origins[i]);
}

static void check_encryption(struct check *k, const struct config *c)
{
	const char *what = "encryption key", *file = c->listen_encryption_key_file;
	char err[READFILE_ERROR_MAX], *data;
	size_t len;
	int r;

	if (c->listen_encryption == 0)
		return;
	if (!file[0]) {
		check_say(k, CHECK_WARNING, what,
		          "EncryptionKeyFile= is not set: right only if the unit has a credential "
		          "encryption-key");
		return;
	}
	r = readfile_secret(file, KEY_FILE_MAX, &data, &len, err);
	if (r == -EACCES && geteuid() != 0) {
		check_say(k, CHECK_SKIPPED, what, "%s may not be read by you; root may", file);
	} else if (r < 0) {
		check_say(k, CHECK_ERROR, what, "%s", err);
	} else if (strspn(data, "\r\n") == len) {
		check_say(k, CHECK_ERROR, what, "%s is empty: it must hold the key", file);
	} else {
		check_say(k, CHECK_OK, what, "%s", file);
		check_secret(k, what, file);
	}
	if (r == 0)
		readfile_free(data, len);
}

/* ---- the machine ---- */

static void check_user(struct check *k, const struct config *c)
{
	const struct passwd *pw = getpwnam(c->listen_user);

	if (!pw)
		check_say(k, CHECK_WARNING, "user",
		          "'%s' does not exist, so what reads the network runs as 'nobody': "
		          "useradd --system --no-create-home --shell /usr/sbin/nologin %s",
		          c->listen_user, c->listen_user);
	else if (pw->pw_uid == 0)
		check_say(k, CHECK_ERROR, "user",
		          "'%s' is root: set another in [Listen] User=", c->listen_user);
	else
		check_say(k, CHECK_OK, "user", "'%s', uid %u", c->listen_user, pw->pw_uid);
}

/* The last part of a path is made if it is missing. */
static bool can_be_made(const char *path)
{
	char parent[LOCATE_PATH_MAX];
	const char *slash = strrchr(path, '/');

	snprintf(parent, sizeof(parent), "%.*s", slash > path ? (int)(slash - path) : 1, path);
	return geteuid() != 0 && access(parent, W_OK) == 0;
}

/* Whether control sockets can be made in a directory and whether it can be trusted. */
static bool check_dir(struct check *k, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		bool made = can_be_made(path);

		check_say(k, made ? CHECK_OK : CHECK_SKIPPED, "socket directory",
		          "%s is not there%s", path, made ? " yet" : "");
		return made;
	}
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX)) {
		check_say(k, CHECK_WARNING, "socket directory",
		          "in %s everybody may remove anybody's sockets: chmod +t %s", path, path);
		return true;
	}
	if (geteuid() != 0 && access(path, W_OK) < 0) {
		check_say(k, CHECK_SKIPPED, "socket directory", "%s is not yours to write to",
		          path);
		return false;
	}
	check_say(k, CHECK_OK, "socket directory", "%s", path);
	return true;
}

/* Those of each user are another: for root, what they have in common. */
static void check_dirs(struct check *k, const struct config *c)
{
	const struct config_list *list = &c->sessions_socket_dirs;
	struct locate_dirs dirs = {0};
	struct identity id;
	bool any = false;

	identity_of_uid(getuid(), &id);
	if (geteuid() != 0)
		locate_dirs(c, &id, &dirs);
	for (size_t i = 0; i < dirs.count; i++)
		any = check_dir(k, dirs.items[i]) || any;
	for (size_t i = 0; i < list->count && geteuid() == 0; i++) {
		if (strncmp(list->items[i], "$XDG_RUNTIME_DIR", 16) == 0)
			any = check_dir(k, "/run/user") || any;
		else if (list->items[i][0] == '/' && !strchr(list->items[i], '$'))
			any = check_dir(k, list->items[i]) || any;
		else
			any = true;
	}
	if (!any)
		check_say(k, CHECK_WARNING, "socket directory",
		          "there is none, so connections have no control socket and `list` shows "
		          "little: see SocketDirs= in xproxy.conf(5)");
}

int command_check(const struct ctl *ctl)
{
	struct check k = {0};

	if (ctl->args[0])
		return usage_error("check takes no argument");
	check_configuration(&k, ctl);
	if (!ctl->config_error[0] && !ctl->config_unread) {
		check_modules(&k, &ctl->config);
		check_tls(&k, &ctl->config);
		check_encryption(&k, &ctl->config);
		check_x2go(&k, &ctl->config);
	}
	check_user(&k, &ctl->config);
	check_dirs(&k, &ctl->config);
	check_units(&k);
	printf("errors: %u, warnings: %u\n", k.count[CHECK_ERROR], k.count[CHECK_WARNING]);
	return k.count[CHECK_ERROR] ? EXIT_FAILURE : EXIT_SUCCESS;
}
