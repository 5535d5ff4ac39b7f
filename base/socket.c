/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/socket.c - TCP options. Before the worker is locked, and in the guard's connecting child.
 */
#include "base/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/macros.h"

int socket_tune(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
		{IPPROTO_TCP, TCP_KEEPIDLE, 10}, {IPPROTO_TCP, TCP_KEEPINTVL, 3},
		{IPPROTO_TCP, TCP_KEEPCNT, 5},   {IPPROTO_TCP, TCP_USER_TIMEOUT, 90000},
	};
	socklen_t len = sizeof(int);
	int protocol;

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0)
		return -errno;
	if (protocol != IPPROTO_TCP)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(options); i++)
		if (setsockopt(fd, options[i].level, options[i].name, &options[i].value,
		               sizeof(int)) < 0)
			return -errno;
	return 0;
}
