/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/record.c - from stored text to a record. Guard, as root when the service does: it looks
 * up users and groups (NSS), nothing else.
 */
#include "session/record.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <strings.h>

#include "base/macros.h"

__attribute__((format(printf, 2, 3))) static void warning(record_warn warn, const char *fmt, ...)
{
	char text[RPC_TEXT_MAX];
	va_list ap;

	if (!warn)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	warn(text);
}

/* Who. */

/* 1 and *ret if text is a number that can be a uid or gid, 0 if it is no number. */
static int parse_id(const char *text, uint32_t *ret)
{
	char *end;
	unsigned long long v;

	if (!isdigit((unsigned char)text[0]))
		return 0;
	v = strtoull(text, &end, 10);
	if (*end || v >= UINT32_MAX) /* (uid_t)-1 means "no change" to the kernel */
		return 0;
	*ret = (uint32_t)v;
	return 1;
}

static void set_user(struct identity *id, const struct passwd *pw)
{
	id->uid = pw->pw_uid;
	id->name[0] = id->home[0] = '\0';
	if (strlen(pw->pw_name) < sizeof(id->name))
		snprintf(id->name, sizeof(id->name), "%s", pw->pw_name);
	if (pw->pw_dir && pw->pw_dir[0] == '/' && strlen(pw->pw_dir) < sizeof(id->home))
		snprintf(id->home, sizeof(id->home), "%s", pw->pw_dir);
}

static int resolve_group(const char *gid, gid_t *ret, char err[RPC_TEXT_MAX])
{
	const struct group *gr;
	uint32_t n;

	if (parse_id(gid, &n)) {
		*ret = n;
		return 0;
	}
	gr = getgrnam(gid);
	if (!gr && strcmp(gid, "nobody") == 0) /* Debian's is called nogroup */
		gr = getgrnam("nogroup");
	if (!gr) {
		snprintf(err, RPC_TEXT_MAX, "there is no group '%s' on this system", gid);
		return -ENOENT;
	}
	*ret = gr->gr_gid;
	return 0;
}

/* Fills uid, name, home. 1: *ret_gid is the passwd entry's group; 0: there is none to use. */
static int resolve_user(const struct config *c, const char *username, const char *uid,
                        struct identity *id, gid_t *ret_gid, char err[RPC_TEXT_MAX])
{
	const char *who = uid[0] ? uid : username;
	const struct passwd *pw;
	uint32_t n;

	if (uid[0] && parse_id(uid, &n)) {
		id->uid = n;
		pw = getpwuid(n);
	} else {
		pw = who[0] ? getpwnam(who) : NULL;
		if (!pw && uid[0]) {
			snprintf(err, RPC_TEXT_MAX, "there is no user '%s' on this system", uid);
			return -ENOENT;
		}
	}
	if (pw) {
		set_user(id, pw);
		*ret_gid = pw->pw_gid;
		return 1;
	}
	if (uid[0]) /* a number that nobody has: allowed */
		return 0;
	pw = parse_id(c->sessions_default_user, &n) ? getpwuid(n)
	                                            : getpwnam(c->sessions_default_user);
	if (!pw) {
		snprintf(err, RPC_TEXT_MAX, "there is no user '%s' (DefaultUser=) on this system",
		         c->sessions_default_user);
		return -ENOENT;
	}
	set_user(id, pw);
	return 0;
}

static void set_runtime_dir(struct identity *id)
{
	const char *xdg = getenv("XDG_RUNTIME_DIR");

	if (id->uid == getuid() && xdg && xdg[0] == '/' && strlen(xdg) < sizeof(id->runtime_dir))
		snprintf(id->runtime_dir, sizeof(id->runtime_dir), "%s", xdg);
	else
		snprintf(id->runtime_dir, sizeof(id->runtime_dir), "/run/user/%u", id->uid);
}

void identity_of_uid(uid_t uid, struct identity *ret)
{
	const struct passwd *pw = getpwuid(uid);

	*ret = (struct identity){.uid = uid, .gid = pw ? pw->pw_gid : (gid_t)-1};
	if (pw)
		set_user(ret, pw);
	set_runtime_dir(ret);
}

/* Looking them up in each child again would load NSS modules each time. */
static void set_groups(struct identity *id)
{
	id->group_count = id->name[0] ? IDENTITY_GROUPS_MAX : 0;
	if (id->name[0] && getgrouplist(id->name, id->gid, id->groups, &id->group_count) < 0)
		id->group_count = -1;
}

int identity_resolve(const struct config *c, const char *username, const char *uid, const char *gid,
                     struct identity *ret, char err[RPC_TEXT_MAX])
{
	struct identity id = {0};
	int r;

	err[0] = '\0';
	if (geteuid() != 0) {
		identity_of_uid(getuid(), ret);
		ret->gid = getgid();
		return 0;
	}
	r = resolve_user(c, username, uid, &id, &id.gid, err);
	if (r >= 0 && (gid[0] || r == 0))
		r = resolve_group(gid[0] ? gid : c->sessions_default_group, &id.gid, err);
	if (r < 0)
		return r;
	if (id.uid == 0 || id.gid == 0) {
		snprintf(err, RPC_TEXT_MAX,
		         "sessions of %s 0 (root) cannot be reached through a proxy",
		         id.uid == 0 ? "uid" : "gid");
		return -EPERM;
	}
	set_runtime_dir(&id);
	set_groups(&id);
	*ret = id;
	return 0;
}

/* What. */

/* The next piece of *rest up to `separator`, blanks before it (and after a URI) trimmed, copied to
 * buf. False at the end; *ret_fits is false if the piece is longer than buf. */
static bool next_piece(const char **rest, char separator, char *buf, size_t size, bool *ret_fits)
{
	const char *p = *rest, *end;

	if (!p || !*p)
		return false;
	end = strchrnul(p, separator);
	*rest = *end ? end + 1 : end;
	while (p < end && isspace((unsigned char)*p))
		p++;
	while (separator == ',' && end > p && isspace((unsigned char)end[-1]))
		end--; /* in an option the end may be a password's */
	*ret_fits = (size_t)(end - p) < size;
	if (!*ret_fits)
		end = p;
	memcpy(buf, p, (size_t)(end - p));
	buf[end - p] = '\0';
	return true;
}

/* A profile of X2Go clients, which broker/rows.c reads: NAME=x2go://... It is nobody's session
 * here, and no mistake. */
static bool is_x2go(const char *piece)
{
	piece += strspn(piece, " \t\r\n");
	return strncmp(piece, "x2go://", 7) == 0 ||
	       strncmp(piece + strcspn(piece, ",="), "=x2go://", 8) == 0;
}

/* Only those that were ever written, as touching the others would cost their pages: the parser
 * writes one beyond count when it meets a bad one. */
static void wipe_sessions(struct record *r)
{
	size_t used = r->count < RECORD_SESSIONS_MAX ? r->count + 1 : r->count;

	if (r->listed || r->count > 0)
		explicit_bzero(r->sessions, used * sizeof(r->sessions[0]));
	r->count = 0;
}

void record_set_sessions(struct record *r, const char *displays, record_warn warn)
{
	char piece[sizeof(r->sessions[0].username) + sizeof(r->sessions[0].password) + 1024];
	char err[URI_TEXT_MAX];
	unsigned number = 0;
	bool fits, x2go = displays && is_x2go(displays);

	wipe_sessions(r);
	r->listed = true;
	for (; next_piece(&displays, ',', piece, sizeof(piece), &fits); x2go = is_x2go(displays)) {
		number++;
		if (x2go || (fits && piece[0] == '\0'))
			continue;
		if (r->count == RECORD_SESSIONS_MAX) {
			warning(warn, "more than %d sessions: the rest is left out",
			        RECORD_SESSIONS_MAX);
			break;
		}
		if (!fits)
			warning(warn, "session %u of the list is left out: it is too long", number);
		else if (uri_parse(piece, &r->sessions[r->count], err) < 0)
			warning(warn, "session %u of the list is left out: %s", number, err);
		else
			r->count++;
	}
	explicit_bzero(piece, sizeof(piece));
}

void record_set_options(struct record *r, const char *session_options, record_warn warn)
{
	char piece[1024];
	bool fits;

	session_options_clear(&r->options);
	while (next_piece(&session_options, ';', piece, sizeof(piece), &fits)) {
		char *eq = strchr(piece, '=');

		if (fits && piece[0] == '\0')
			continue;
		if (!eq || eq == piece) { /* not quoted: it may be a part of a password */
			warning(warn, "a session option is left out: NAME=VALUE is expected");
			continue;
		}
		*eq = '\0';
		session_option_set(&r->options, piece, eq + 1, warn);
	}
	explicit_bzero(piece, sizeof(piece));
}

static bool env_allowed(const char *name)
{
	return strcmp(name, "LANG") == 0 || strcmp(name, "LANGUAGE") == 0 ||
	       strcmp(name, "TZ") == 0 ||
	       (strncmp(name, "LC_", 3) == 0 && name[3] &&
	        name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")] == '\0');
}

static bool env_value_good(const char *value)
{
	/* glibc opens files that TZ and locale names point to. */
	if (strchr(value, '/') && (value[0] == '/' || value[0] == ':' || strstr(value, "..")))
		return false;
	for (; *value; value++)
		if ((unsigned char)*value < 0x20 || *value == 0x7f)
			return false;
	return true;
}

void record_set_env(struct record *r, const char *env_options, record_warn warn)
{
	char piece[512];
	size_t n = 0, len;
	bool fits;

	memset(r->env, 0, sizeof(r->env));
	while (next_piece(&env_options, ';', piece, sizeof(piece), &fits)) {
		char *eq = strchr(piece, '=');

		if (fits && piece[0] == '\0')
			continue;
		if (!eq || eq == piece) {
			warning(warn, "an environment option is left out: NAME=VALUE is expected");
			continue;
		}
		*eq = '\0';
		len = strlen(piece) + 1 + strlen(eq + 1);
		if (!env_allowed(piece)) {
			warning(warn, "the environment option '%.64s' is not allowed", piece);
		} else if (!env_value_good(eq + 1)) {
			warning(warn, "bad value of the environment option '%s'", piece);
		} else if (n + len + 2 > sizeof(r->env)) {
			warning(warn, "the environment options are too long, '%s' is left out",
			        piece);
		} else {
			*eq = '=';
			memcpy(r->env + n, piece, len + 1);
			n += len + 1;
		}
	}
}

void record_wipe(struct record *r)
{
	wipe_sessions(r);
	explicit_bzero(&r->options, sizeof(r->options));
	explicit_bzero(r->env, sizeof(r->env));
}
