/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/dial.c - TCP and vsock upstreams. Runs in a child of the guard, as the session's user,
 * which may be killed at any time; resolves, opens sockets, polls.
 */
#include "session/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h> /* after the address families */

#include "base/clock.h"
#include "base/macros.h"
#include "base/socket.h"

#define SHARE_MIN_USEC (250 * USEC_PER_MSEC)

/* Connecting to an unused local port in the ephemeral range may meet itself (simultaneous open). */
static bool is_self(int fd)
{
	struct sockaddr_storage a = {0}, b = {0};
	socklen_t a_len = sizeof(a), b_len = sizeof(b);

	return getsockname(fd, (struct sockaddr *)&a, &a_len) == 0 &&
	       getpeername(fd, (struct sockaddr *)&b, &b_len) == 0 && a_len == b_len &&
	       memcmp(&a, &b, a_len) == 0;
}

static int wait_connected(int fd, uint64_t deadline_usec)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int error = 0, r;
	socklen_t len = sizeof(error);

	do
		r = poll(&p, 1, poll_timeout_msec(deadline_usec));
	while (r < 0 && errno == EINTR);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int connect_within(int fd, const struct sockaddr *sa, socklen_t len, uint64_t deadline_usec)
{
	if (connect(fd, sa, len) == 0)
		return 0;
	return errno == EINPROGRESS ? wait_connected(fd, deadline_usec) : -errno;
}

static int try_address(const struct addrinfo *a, uint64_t deadline_usec)
{
	_cleanup_close_ int fd = -1;
	int r;

	fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (fd < 0)
		return -errno;
	r = connect_within(fd, a->ai_addr, a->ai_addrlen, deadline_usec);
	if (r < 0)
		return r;
	if (is_self(fd))
		return -ECONNREFUSED;
	r = socket_tune(fd);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return take_fd(&fd);
}

int dial_tcp(const char *host, const char *port, uint64_t timeout_usec, const char **ret_why)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	uint64_t deadline = now_usec() + timeout_usec;
	struct addrinfo *list, *a;
	unsigned left = 0;
	int r;

	*ret_why = NULL;
	r = getaddrinfo(host, port, &hints, &list);
	if (r != 0) {
		if (r == EAI_SYSTEM)
			return -errno;
		*ret_why = gai_strerror(r);
		return -EHOSTUNREACH;
	}
	for (a = list; a; a = a->ai_next)
		left++;
	r = -EHOSTUNREACH;
	for (a = list; a; a = a->ai_next, left--) {
		uint64_t now = now_usec(), share;

		if (now >= deadline) {
			r = -ETIMEDOUT;
			break;
		}
		share = (deadline - now) / left;
		r = try_address(a, now + (share < SHARE_MIN_USEC ? SHARE_MIN_USEC : share));
		if (r >= 0)
			break;
	}
	freeaddrinfo(list);
	return r;
}

int dial_vsock(const char *cid, const char *port, uint64_t timeout_usec)
{
	struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK,
		.svm_cid = strcmp(cid, "hypervisor") == 0 ? VMADDR_CID_HYPERVISOR
	                   : strcmp(cid, "local") == 0    ? 1 /* VMADDR_CID_LOCAL, Linux 5.6 */
	                   : strcmp(cid, "host") == 0     ? VMADDR_CID_HOST
	                                                  : (unsigned)strtoul(cid, NULL, 10),
		.svm_port = (unsigned)strtoul(port, NULL, 10),
	};
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = connect_within(fd, (const struct sockaddr *)&sa, sizeof(sa), now_usec() + timeout_usec);
	if (r < 0)
		return r;
	if (fcntl(fd, F_SETFL, 0) < 0)
		return -errno;
	return take_fd(&fd);
}
