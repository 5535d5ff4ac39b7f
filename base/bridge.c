/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/bridge.c - two pipes of sshd's on one side, the worker's socket on the other. A child of its
 * own, as the user who has logged in.
 *
 * System calls: poll and splice, which moves bytes in the kernel: none of them reaches this
 * process.
 */
#include "base/bridge.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/macros.h"

#define BATCH ((size_t)256 << 10) /* bytes; a pipe's own size is less */
#define SOCKET_FD STDERR_FILENO   /* in the child, which has nothing to say */

struct direction {
	int from, to;
	bool full; /* the reader has no room; else there was nothing to read */
	bool over;
};

static void move(struct direction *d)
{
	ssize_t n = splice(d->from, NULL, d->to, NULL, BATCH, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);

	if (n > 0)
		d->full = false;
	else if (n < 0 && errno == EAGAIN)
		d->full = !d->full; /* not what has been waited for, so the other */
	else if (n == 0 || errno != EINTR)
		d->over = true;
}

static struct pollfd awaited(const struct direction *d)
{
	return (struct pollfd){.fd = d->over   ? -1
	                             : d->full ? d->to
	                                       : d->from,
	                       .events = d->full ? POLLOUT : POLLIN};
}

static _Noreturn void run(void)
{
	struct direction up = {.from = STDIN_FILENO, .to = SOCKET_FD};
	struct direction down = {.from = SOCKET_FD, .to = STDOUT_FILENO};

	while (!down.over) { /* what the worker still has to say is passed on to the last byte */
		struct pollfd fds[] = {awaited(&up), awaited(&down), {.fd = STDOUT_FILENO}};

		if (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno != EINTR)
			break;
		if (fds[2].revents & POLLERR) /* nobody reads it any more */
			break;
		if (fds[0].revents)
			move(&up);
		if (fds[0].revents && up.over)
			(void)shutdown(SOCKET_FD, SHUT_WR);
		if (fds[1].revents)
			move(&down);
	}
	_exit(0);
}

/* Only the pipes and the socket stay; what ends the others comes by them. */
static _Noreturn void begin(int fd)
{
	static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};

	for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_NAME, "xproxy-bridge");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (dup2(fd, SOCKET_FD) < 0 || fcntl(SOCKET_FD, F_SETFL, O_RDWR | O_NONBLOCK) < 0 ||
	    syscall(SYS_close_range, SOCKET_FD + 1, ~0U, 0) < 0)
		_exit(1);
	run();
}

int bridge_pipes(void)
{
	_cleanup_close_ int ours = -1, theirs = -1;
	int pair[2];
	pid_t child;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0)
		begin(theirs);
	return dup2(ours, STDIN_FILENO) < 0 || dup2(ours, STDOUT_FILENO) < 0 ? -errno : 0;
}
