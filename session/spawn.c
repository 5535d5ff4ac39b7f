/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/spawn.c - starts our own small programs. Guard, as root when the service is: socketpair,
 * pipe2, fork; the child dup2, setuid and the like, close_range, execveat.
 */
#include "session/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/macros.h"
#include "base/module.h"
#include "base/sandbox.h"
#include "session/asuser.h"

/* In the child. Never returns. */
static void become(const struct spawn *s, int program_fd, uid_t uid, gid_t gid)
{
	char *const argv[] = {(char *)(uintptr_t)s->name, (char *)(uintptr_t)s->arg, NULL};
	char home[sizeof(s->identity->home) + 8], path[] = "PATH=/usr/bin:/bin";
	char *const envp[] = {s->identity ? home : NULL, path, NULL};
	int moved[SPAWN_FDS_MAX];
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (s->identity)
		snprintf(home, sizeof(home), "HOME=%s", s->identity->home);
	/* Out of the way of the numbers that they get. */
	program_fd = fcntl(program_fd, F_DUPFD_CLOEXEC, 10);
	for (size_t i = 0; i < s->count; i++)
		moved[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, 10);
	for (size_t i = 0; i < s->count; i++)
		if (program_fd < 0 || moved[i] < 0 || dup2(moved[i], (int)i) < 0)
			_exit(1);
	if ((s->identity ? asuser_become(s->identity) : sandbox_drop(uid, gid)) < 0)
		_exit(1);
	_exit((int)syscall(SYS_execveat, program_fd, "", argv, envp, AT_EMPTY_PATH));
}

/* Opened now, as the folder may be closed to others. */
static int open_program(const char *name)
{
	struct module_folders f;
	char path[PATH_MAX + 64];
	int fd;

	module_folders_get(&f);
	snprintf(path, sizeof(path), "%s/%s", f.items[0], name);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int spawn_channels(int type, int *ret_ours, int *ret_its, int *ret_err_read, int *ret_err_write)
{
	int pair[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*ret_ours = pair[0];
	*ret_its = pair[1];
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	*ret_err_read = pair[0];
	*ret_err_write = pair[1];
	return fcntl(*ret_err_read, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

int spawn_program(const struct config *config, const struct spawn *s, pid_t *ret_pid)
{
	_cleanup_close_ int program = open_program(s->name);
	uid_t uid;
	gid_t gid;
	pid_t pid;

	if (program < 0)
		return program;
	if (s->count > SPAWN_FDS_MAX || sandbox_user(config->listen_user, &uid, &gid) < 0)
		return -EPERM;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(s, program, uid, gid);
	*ret_pid = pid;
	return 0;
}
