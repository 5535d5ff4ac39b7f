/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/password.c - the process that changes a password, see auth/password.h. Guard, privileged;
 * the process is what passwd(1) is, effectively root for a user: so modules ask for the old
 * password, and what the user may not choose for a new one they refuse. System calls: fork,
 * setpgid, prctl, pipe2, poll, read, kill, wait4; in the process stat, setgroups, setresuid,
 * close_range, and all that modules need.
 */
#include "auth/password.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/macros.h"
#include "base/module.h"

/* What comes back. */
struct outcome {
	int result;
	char why[PASSWORD_WHY_MAX];
};

/* ---- in the process ---- */

/* It has the guard's memory: nothing of it may be told to anybody, and only stderr stays open. */
static int separate(int fd, pid_t guard)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)setpgid(0, 0);
	for (int sig = SIGHUP; sig <= SIGTERM; sig++)
		(void)signal(sig, SIG_DFL); /* the guard's handlers speak for the guard */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setrlimit(RLIMIT_CORE, &(struct rlimit){0});
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || (fd != 3 && dup2(fd, 3) < 0) ||
	    fcntl(3, F_SETFD, FD_CLOEXEC) < 0 || close_range(4, ~0U, 0) < 0)
		return -errno;
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != guard ? -ESRCH : 0;
}

/* Group: the new file of hashes gets the old one's, which takes a capability from whoever is not in
 * it. */
static int become(const struct password_change *c, pid_t guard, char why[PASSWORD_WHY_MAX])
{
	const struct passwd *pw = getpwnam(c->user);
	struct stat st = {0};

	if (geteuid() != 0) {
		snprintf(why, PASSWORD_WHY_MAX, "only root can change passwords");
		return -EPERM;
	}
	if (!pw || pw->pw_uid == 0) {
		snprintf(why, PASSWORD_WHY_MAX, "%s",
		         pw ? "root's password is not changed from afar"
		            : "there is no such user on this machine");
		return -EPERM;
	}
	if ((stat("/etc/shadow", &st) == 0 && setgroups(1, &st.st_gid) < 0) ||
	    setresuid(pw->pw_uid, 0, 0) < 0 ||
	    /* After the change of users, which takes it back. */
	    prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != guard) {
		snprintf(why, PASSWORD_WHY_MAX, "cannot become that user: %m");
		return -EIO;
	}
	return 0;
}

static int load(const struct password_module **ret, char why[PASSWORD_WHY_MAX])
{
	const char *error = "";
	const void *symbol = NULL;
	int r = module_load("auth-pam.so", "auth_password_pam", &symbol, NULL, &error);

	*ret = symbol;
	if (r == -ENOENT)
		snprintf(why, PASSWORD_WHY_MAX, "auth-pam.so is not installed");
	else if (r < 0)
		snprintf(why, PASSWORD_WHY_MAX, "auth-pam.so: %s", error);
	return r;
}

static _Noreturn void run(const struct password_change *c, int fd, pid_t guard)
{
	const struct password_module *module = NULL;
	struct outcome out = {0};

	if (separate(fd, guard) < 0)
		_exit(1);
	out.result = load(&module, out.why);
	if (out.result == 0)
		out.result = become(c, guard, out.why);
	if (out.result == 0)
		out.result = module->change(c, out.why);
	_exit(write(3, &out, sizeof(out)) != sizeof(out));
}

/* ---- in the guard ---- */

static int wait_for(int fd, uint64_t deadline, char why[PASSWORD_WHY_MAX])
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	struct outcome out;
	int r;

	do
		r = poll(&pfd, 1, poll_timeout_msec(deadline));
	while (r < 0 && errno == EINTR);
	if (r == 0) {
		snprintf(why, PASSWORD_WHY_MAX, "PAM has not answered in time, and was ended");
		return -ETIMEDOUT;
	}
	if (r < 0 || read(fd, &out, sizeof(out)) != sizeof(out)) {
		snprintf(why, PASSWORD_WHY_MAX, "the process that changes passwords has crashed");
		return -ECHILD;
	}
	snprintf(why, PASSWORD_WHY_MAX, "%.*s", PASSWORD_WHY_MAX - 1, out.why);
	return out.result > 0 ? -EBADMSG : out.result;
}

int password_change(const struct password_change *c, uint64_t timeout_usec,
                    char why[PASSWORD_WHY_MAX])
{
	uint64_t deadline = now_usec() + timeout_usec;
	pid_t self = getpid(), pid;
	int pipes[2], r;

	why[0] = '\0';
	if (!*c->user || !*c->old_password || !*c->new_password) {
		snprintf(why, PASSWORD_WHY_MAX, "an empty name or password");
		return -EACCES;
	}
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		run(c, pipes[1], self);
	close(pipes[1]);
	if (pid > 0) {
		(void)setpgid(pid, pid); /* whichever of us is first */
		r = wait_for(pipes[0], deadline, why);
		(void)kill(-pid, SIGKILL); /* and what modules have started */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	} else {
		snprintf(why, PASSWORD_WHY_MAX, "cannot start a process");
		r = -EAGAIN;
	}
	close(pipes[0]);
	return r;
}
