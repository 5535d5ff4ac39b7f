/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * splice.c - the floor for a relay: fd 0 to a unix socket and back through two pipes, looking at
 * nothing. Bytes never reach this process, so nothing that inspects them can be cheaper.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIPE_BYTES (256 << 10)

struct direction {
	int from, to, pipe[2];
	size_t held;
	int eof;
};

/* 0, or -1: over. */
static int move(struct direction *d)
{
	ssize_t n;

	if (d->held == 0 && !d->eof) {
		n = splice(d->from, NULL, d->pipe[1], NULL, PIPE_BYTES,
		           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n > 0)
			d->held = (size_t)n;
		else if (n == 0)
			d->eof = 1;
		else if (errno != EAGAIN)
			return -1;
	}
	if (d->held > 0) {
		n = splice(d->pipe[0], NULL, d->to, NULL, d->held,
		           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (n > 0)
			d->held -= (size_t)n;
		else if (n < 0 && errno != EAGAIN)
			return -1;
	}
	return d->eof && d->held == 0 ? -1 : 0;
}

int main(int argc, char *argv[])
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct direction up = {.from = 0}, down = {.to = 0};
	int one = 1;

	if (argc != 2)
		return 2;
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", argv[1]);
	up.to = down.from = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(up.to, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return perror("connect"), 1;
	setsockopt(0, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(0, F_SETFL, O_NONBLOCK);
	fcntl(up.to, F_SETFL, O_NONBLOCK);
	if (pipe2(up.pipe, O_NONBLOCK) < 0 || pipe2(down.pipe, O_NONBLOCK) < 0)
		return perror("pipe"), 1;
	fcntl(up.pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	fcntl(down.pipe[1], F_SETPIPE_SZ, PIPE_BYTES);
	for (;;) {
		struct pollfd p[] = {
			{.fd = 0,
		         .events = (short)((up.held ? 0 : POLLIN) | (down.held ? POLLOUT : 0))},
			{.fd = up.to,
		         .events = (short)((down.held ? 0 : POLLIN) | (up.held ? POLLOUT : 0))},
		};

		if (poll(p, 2, -1) < 0)
			return 1;
		if ((p[0].revents | (up.held ? p[1].revents : 0)) && move(&up) < 0)
			return 0;
		if ((p[1].revents | (down.held ? p[0].revents : 0)) && move(&down) < 0)
			return 0;
	}
}
