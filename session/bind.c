/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/bind.c - the control socket's file. Runs in a child of the guard, as the session's user
 * and without any capability; it ends as a process that only sleeps in read().
 */
#include "session/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/macros.h"

#define BACKLOG 8
#define PROBE_USEC (USEC_PER_SEC / 2)

static int bind_fd(int fd, const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t mask;
	int r;

	memcpy(sa.sun_path, path, strlen(path) + 1); /* it fits: LOCATE_PATH_MAX */
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 ? -errno : 0;
	umask(mask);
	return r;
}

/* A file left by a process that was killed, whose pid is now ours. */
static int remove_stale(const char *path)
{
	struct stat st;
	int fd;

	if (lstat(path, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = locate_connect_path(path, (uid_t)-1, PROBE_USEC);
	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(path) < 0 ? -errno : 0;
}

/* Gives the listening socket its name, which nobody else may have. */
static int publish(const char *temporary, const char *path)
{
	int r = renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0 ? -errno : 0;

	if (r == -EEXIST) {
		r = remove_stale(path);
		if (r == 0 && renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
			r = -errno;
	}
	return r;
}

/* Under another name until it listens: `xpra list` and others take a socket file that refuses for
 * dead. */
static int try_path(const char *dir, const char *path, pid_t proxy_pid, struct bind_socket *ret)
{
	_cleanup_close_ int fd = -1;
	char temporary[LOCATE_PATH_MAX];
	struct stat st = {0};
	int r;

	if (snprintf(temporary, sizeof(temporary), "%s/.xproxy-%d", dir, proxy_pid) >=
	    LOCATE_PATH_MAX)
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* Of a process that was killed just here, and whose pid is now ours. */
	(void)unlink(temporary);
	r = bind_fd(fd, temporary);
	if (r < 0)
		return r;
	if (listen(fd, BACKLOG) == 0 && lstat(temporary, &st) == 0)
		r = publish(temporary, path);
	else
		r = -errno;
	if (r < 0) {
		(void)unlink(temporary);
		return r;
	}
	snprintf(ret->path, sizeof(ret->path), "%s", path);
	ret->dev = st.st_dev;
	ret->ino = st.st_ino;
	ret->fd = take_fd(&fd);
	return 0;
}

static int try_dir(const char *dir, pid_t proxy_pid, struct bind_socket *ret)
{
	char path[LOCATE_PATH_MAX], host[128];

	locate_hostname(host, sizeof(host));
	if (snprintf(path, sizeof(path), "%s/%s-proxy-%d", dir, host, proxy_pid) >= LOCATE_PATH_MAX)
		return -ENAMETOOLONG;
	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	return try_path(dir, path, proxy_pid, ret);
}

/* Before there is a file: a signal for the whole unit must not end the process that will remove it.
 */
static void ignore_signals(void)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
}

int bind_control(const struct config *c, const struct identity *id, pid_t proxy_pid,
                 struct bind_socket *ret, char err[RPC_TEXT_MAX])
{
	struct locate_dirs dirs;
	int r = -ENOENT, n;
	size_t len = 0;

	ignore_signals();
	locate_dirs(c, id, &dirs);
	snprintf(err, RPC_TEXT_MAX, "none of SocketDirs= is known for this user");
	for (size_t i = 0; i < dirs.count; i++) {
		r = try_dir(dirs.items[i], proxy_pid, ret);
		if (r == 0) {
			err[0] = '\0';
			return 0;
		}
		n = snprintf(err + len, RPC_TEXT_MAX - len, "%s%s: %s", len ? "; " : "",
		             dirs.items[i], strerror(-r));
		if (n > 0 && (size_t)n < RPC_TEXT_MAX - len)
			len += (size_t)n;
	}
	return r;
}

void bind_keep(struct bind_socket *s, int wait_fd)
{
	struct stat st;
	ssize_t n;
	char byte;

	(void)prctl(PR_SET_NAME, "xproxy-socket");
	if (wait_fd > 0)
		(void)close_range(0, (unsigned)wait_fd - 1, 0);
	(void)close_range((unsigned)wait_fd + 1, ~0U, 0);
	(void)!chdir("/");
	do
		n = read(wait_fd, &byte, 1);
	while (n > 0 || (n < 0 && errno == EINTR));
	/* Somebody else may have made a file of the same name since. */
	if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->path);
	_exit(0);
}
