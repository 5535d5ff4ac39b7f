/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/checkx2go.c - the session broker for X2Go clients, for `xproxyctl check`. As its caller; what
 * the broker's user may read is tried in a child that has become that user.
 */
#include "ctl/check.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/macros.h"
#include "base/x2go.h"
#include "broker/profile.h"

#define SSH "/usr/bin/ssh" /* as broker/agent.c */
#define PATH_SIZE 1200

static const char profiles_what[] = "X2Go profiles", state_what[] = "X2Go state",
		  agent_what[] = "X2Go agent", authid_what[] = "X2Go auth-id";

/* Who the broker runs as: of an ordinary user's own proxy, that user. NULL: it has been said. */
static const struct passwd *check_broker_user(struct check *k, const struct config *c)
{
	const struct passwd *pw = geteuid() == 0 ? getpwnam(c->x2go_user) : getpwuid(geteuid());

	if (!pw)
		check_say(k, CHECK_ERROR, "X2Go user",
		          "'%s' does not exist, so no X2Go client gets an answer: "
		          "systemd-sysusers, or "
		          "useradd --system --home-dir %s --shell /usr/sbin/nologin %s",
		          c->x2go_user, c->x2go_state, c->x2go_user);
	else if (geteuid() == 0 && pw->pw_uid == 0)
		check_say(k, CHECK_ERROR, "X2Go user",
		          "'%s' is root: set another in [X2Go] User=", c->x2go_user);
	else
		check_say(k, CHECK_OK, "X2Go user", "'%s', uid %u", pw->pw_name, pw->pw_uid);
	return pw && (geteuid() != 0 || pw->pw_uid != 0) ? pw : NULL;
}

/* 0, or the negative errno of that user's trying. */
static int try_as(const struct passwd *pw, const char *path, int mode)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		return access(path, mode) < 0 ? -errno : 0;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
		    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
		    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
			_exit(EPERM);
		_exit(access(path, mode) < 0 ? errno : 0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* Without root it is only what the caller may that can be told. */
static bool check_readable(struct check *k, const char *what, const struct passwd *pw,
                           const char *path)
{
	int r = try_as(pw, path, R_OK);

	if (r == -EACCES && geteuid() == 0)
		check_say(k, CHECK_ERROR, what,
		          "%s: user '%s' may not read it: chgrp %s %s, and chmod g+r; and its "
		          "folders "
		          "must let that user in",
		          path, pw->pw_name, pw->pw_name, path);
	else if (r == -EACCES)
		check_say(k, CHECK_SKIPPED, what, "%s may not be read by you; root may", path);
	else if (r < 0)
		check_say(k, CHECK_ERROR, what, "%s: %s", path, strerror(-r));
	return r == 0;
}

/* ---- what it remembers ---- */

static void check_state(struct check *k, const char *state, const struct passwd *pw)
{
	struct stat st;

	if (stat(state, &st) < 0)
		check_say(k, CHECK_ERROR, state_what,
		          "%s: %s: systemd-tmpfiles --create, or install -d -m 700 -o %s %s", state,
		          strerror(errno), pw->pw_name, state);
	else if (!S_ISDIR(st.st_mode))
		check_say(k, CHECK_ERROR, state_what, "%s is no folder", state);
	else if (st.st_uid != pw->pw_uid && geteuid() != 0)
		check_say(k, CHECK_SKIPPED, state_what, "%s is another user's; root can check it",
		          state);
	else if (st.st_uid != pw->pw_uid)
		check_say(k, CHECK_ERROR, state_what,
		          "%s belongs to uid %u, and the broker refuses it: chown -R %s: %s", state,
		          st.st_uid, pw->pw_name, state);
	else if (st.st_mode & 077)
		check_say(k, CHECK_ERROR, state_what,
		          "%s has mode %04o, and the broker refuses it: chmod 700 %s", state,
		          st.st_mode & 07777, state);
	else
		check_say(k, CHECK_OK, state_what, "%s", state);
}

static void check_authid_file(struct check *k, const struct config *c, const struct passwd *pw)
{
	const char *file = c->x2go_authid_file;
	struct stat st;

	if (!file[0] && c->x2go_require_authid && c->x2go_authid != X2GO_AUTHID_NONE)
		check_say(k, CHECK_ERROR, authid_what,
		          "RequireAuthID=yes, and no client can have one: set AuthIDFile=");
	if (!file[0] || !check_readable(k, authid_what, pw, file))
		return;
	if (stat(file, &st) == 0 && (st.st_mode & S_IROTH))
		check_say(k, CHECK_WARNING, authid_what,
		          "%s can be read by everybody: chmod o-rwx %s", file, file);
	else
		check_say(k, CHECK_OK, authid_what, "%s", file);
}

/* ---- how servers are asked ---- */

static void check_local(struct check *k, const struct config *c, const struct passwd *pw)
{
	const char *command = c->x2go_agent_command;
	int r = try_as(pw, command, X_OK);

	if (r == -EACCES && geteuid() == 0)
		check_say(k, CHECK_ERROR, agent_what,
		          "%s: user '%s' may not run it: usermod -a -G x2gobroker %s", command,
		          pw->pw_name, pw->pw_name);
	else if (r < 0)
		check_say(k, r == -EACCES ? CHECK_SKIPPED : CHECK_ERROR, agent_what, "%s: %s",
		          command, strerror(-r));
	else
		check_say(k, CHECK_OK, agent_what, "%s, on this machine", command);
}

static void check_key(struct check *k, const char *state, const struct passwd *pw)
{
	char pattern[PATH_SIZE];
	glob_t g = {0};
	size_t keys = 0;

	snprintf(pattern, sizeof(pattern), "%s/.ssh/id_*.pub", state);
	if (glob(pattern, GLOB_NOSORT, NULL, &g) == 0)
		for (size_t i = 0; i < g.gl_pathc; i++) {
			char *end = strrchr(g.gl_pathv[i], '.');

			*end = '\0';
			keys += try_as(pw, g.gl_pathv[i], R_OK) == 0;
		}
	globfree(&g);
	if (keys == 0)
		check_say(k, CHECK_ERROR, agent_what,
		          "%s/.ssh has no key that '%s' can read: runuser -u %s -- ssh-keygen -t "
		          "ed25519 "
		          "-N '' -f %s/.ssh/id_ed25519",
		          state, pw->pw_name, pw->pw_name, state);
	else
		check_say(k, CHECK_OK, agent_what, "by ssh, with %zu key%s of %s/.ssh", keys,
		          keys == 1 ? "" : "s", state);
}

static void check_ssh(struct check *k, const struct config *c, const struct passwd *pw)
{
	char path[PATH_SIZE];
	int r;

	if (access(SSH, X_OK) < 0)
		check_say(k, CHECK_ERROR, agent_what, SSH ": %s", strerror(errno));
	if (access(c->x2go_state, X_OK) < 0) {
		check_say(k, CHECK_SKIPPED, agent_what, "%s: its keys may not be seen by you",
		          c->x2go_state);
		return;
	}
	check_key(k, c->x2go_state, pw);
	snprintf(path, sizeof(path), "%s/.ssh/known_hosts", c->x2go_state);
	r = c->x2go_agent_hostkeys == X2GO_HOSTKEYS_KNOWN ? try_as(pw, path, R_OK) : 0;
	if (r < 0)
		check_say(k, CHECK_ERROR, agent_what,
		          "%s: %s, so no server is believed: ssh-keyscan HOST >> %s, or "
		          "AgentHostKeys=",
		          path, strerror(-r), path);
}

static bool any_asks(const struct profiles *p, const char *mode)
{
	for (size_t i = 0; p && i < profiles_count(p); i++) {
		const char *s = profile_get(profiles_at(p, i), "broker-agent-query-mode");

		if (s && strcasecmp(s, mode) == 0)
			return true;
	}
	return false;
}

/* ---- what is offered ---- */

/* To be freed; NULL: there are none, or it has been said why. */
static struct profiles *check_profiles(struct check *k, const char *path, const struct passwd *pw)
{
	struct profiles *p = NULL;
	char err[512];
	const char *why;

	if (strcmp(path, "auth") == 0) {
		check_say(k, CHECK_OK, profiles_what, "those of the users' own records");
		return NULL;
	}
	if (!check_readable(k, profiles_what, pw, path))
		return NULL;
	if (profiles_load(path, NULL, &p, err, sizeof(err)) < 0) {
		check_say(k, CHECK_ERROR, profiles_what, "%s: nobody gets a list", err);
		return NULL;
	}
	for (size_t i = 0; (why = profiles_left_out(p, i)) != NULL; i++)
		check_say(k, CHECK_WARNING, profiles_what, "%s: this profile is left out", why);
	check_say(k, profiles_count(p) ? CHECK_OK : CHECK_WARNING, profiles_what,
	          "%s: %zu profile%s", path, profiles_count(p), profiles_count(p) == 1 ? "" : "s");
	return p;
}

void check_x2go(struct check *k, const struct config *c)
{
	const struct passwd *pw;
	struct profiles *p;

	if (!c->x2go_profiles[0])
		return;
	if (!(c->listen_transports & TRANSPORT_HTTP))
		check_say(k, CHECK_ERROR, profiles_what, "X2Go clients need http in Transports=");
	pw = check_broker_user(k, c);
	if (!pw)
		return;
	check_state(k, c->x2go_state, pw);
	check_authid_file(k, c, pw);
	p = check_profiles(k, c->x2go_profiles, pw);
	if (c->x2go_agent == X2GO_AGENT_LOCAL || any_asks(p, "LOCAL"))
		check_local(k, c, pw);
	if (c->x2go_agent == X2GO_AGENT_SSH || any_asks(p, "SSH"))
		check_ssh(k, c, pw);
	profiles_free(p);
}
