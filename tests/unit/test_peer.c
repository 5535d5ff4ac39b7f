/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/unit/test_peer.c - the other end of real sockets.
 */
#include "base/peer.h"
#include "tests/unit/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Not every kernel can connect to itself by vsock: what getpeername() would say then. */
static const struct sockaddr_vm *vsock_peer;

int getpeername(int fd, __SOCKADDR_ARG address, socklen_t *restrict len)
{
	if (!vsock_peer)
		return (int)syscall(SYS_getpeername, fd, address.__sockaddr__, len);
	memcpy(address.__sockaddr__, vsock_peer, sizeof(*vsock_peer));
	*len = sizeof(*vsock_peer);
	return 0;
}

union any {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* A loopback connection to a listener at listen_ip (family's), from family_from; the accepted fd,
 * or -1 if this machine has no such family. *ret_port is the client's. */
static int tcp_pair(int family, const char *listen_ip, int from, const char *ip, int *ret_client,
                    unsigned *ret_port)
{
	union any a = {0}, to = {0};
	socklen_t len = sizeof(a);
	const int zero = 0;
	int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	a.sa.sa_family = to.sa.sa_family = (sa_family_t)family;
	if (listener < 0)
		return -1;
	if (family == AF_INET)
		inet_pton(AF_INET, listen_ip, &a.v4.sin_addr);
	else
		inet_pton(AF_INET6, listen_ip, &a.v6.sin6_addr);
	if (family == AF_INET6)
		setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(listener, &a.sa, family == AF_INET ? sizeof(a.v4) : sizeof(a.v6)) < 0) {
		close(listener);
		return -1;
	}
	CHECK_EQ(listen(listener, 1), 0);
	CHECK_EQ(getsockname(listener, &a.sa, &len), 0);

	to.sa.sa_family = (sa_family_t)from;
	if (from == AF_INET) {
		to.v4.sin_port = family == AF_INET ? a.v4.sin_port : a.v6.sin6_port;
		inet_pton(AF_INET, ip, &to.v4.sin_addr);
	} else {
		to.v6.sin6_port = a.v6.sin6_port;
		inet_pton(AF_INET6, ip, &to.v6.sin6_addr);
	}
	*ret_client = socket(from, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(connect(*ret_client, &to.sa, from == AF_INET ? sizeof(to.v4) : sizeof(to.v6)), 0);
	len = sizeof(a);
	CHECK_EQ(getsockname(*ret_client, &a.sa, &len), 0);
	*ret_port = ntohs(from == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CHECK(fd >= 0);
	struct peer p;
	CHECK_EQ(peer_from_fd(&p, listener), -ENOTSOCK);
	close(listener);
	return fd;
}

static void check_tcp(int family, const char *listen_ip, int from, const char *ip,
                      const char *format)
{
	struct peer p;
	char expected[64];
	unsigned port;
	int client, fd = tcp_pair(family, listen_ip, from, ip, &client, &port);

	if (fd < 0) {
		printf("# skipped: cannot listen on %s\n", listen_ip);
		return;
	}
	CHECK_EQ(peer_from_fd(&p, fd), 0);
	snprintf(expected, sizeof(expected), "%s:%u", format, port);
	CHECK_STR(p.text, expected);
	CHECK_STR(p.address, ip);
	CHECK_EQ(p.net.family, from);
	CHECK(!p.local_unix && p.uid == (uid_t)-1 && p.gid == (gid_t)-1 && p.pid == 0);

	/* a peer that resets before we look */
	setsockopt(client, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
	           sizeof(struct linger));
	close(client);
	usleep(1000);
	memset(&p, 'x', sizeof(p));
	CHECK_EQ(peer_from_fd(&p, fd), -ENOTCONN);
	CHECK(p.text[0] == 'x'); /* written only on success */
	close(fd);
}

TEST(tcp_v4)
{
	check_tcp(AF_INET, "127.0.0.1", AF_INET, "127.0.0.1", "127.0.0.1");
}

TEST(tcp_v6)
{
	check_tcp(AF_INET6, "::1", AF_INET6, "::1", "[::1]");
}

TEST(tcp_v4_mapped)
{
	check_tcp(AF_INET6, "::", AF_INET, "127.0.0.1", "127.0.0.1");
}

TEST(unix_pair)
{
	gid_t groups[PEER_GROUPS_MAX];
	char expected[128];
	struct peer p;
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(peer_from_fd(&p, fds[0]), 0);
	CHECK_EQ(p.net.family, AF_UNIX);
	CHECK(p.local_unix);
	CHECK_EQ(p.uid, getuid());
	CHECK_EQ(p.gid, getgid());
	CHECK_EQ(p.pid, getpid());
	CHECK_STR(p.address, "");
	CHECK_EQ(p.group_count, getgroups(PEER_GROUPS_MAX, groups));
	for (int i = 0; i < p.group_count; i++)
		CHECK_EQ(p.groups[i], groups[i]);
	snprintf(expected, sizeof(expected), "unix uid %u pid %d", getuid(), getpid());
	CHECK_STR(p.text, expected);
	close(fds[0]);
	close(fds[1]);
}

TEST(vsock)
{
	const struct sockaddr_vm sa = {
		.svm_family = AF_VSOCK, .svm_cid = 3, .svm_port = 4294967294u};
	struct peer p;
	int fds[2];

	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	vsock_peer = &sa;
	CHECK_EQ(peer_from_fd(&p, fds[0]), 0);
	vsock_peer = NULL;
	CHECK_STR(p.text, "vsock:3:4294967294");
	CHECK_STR(p.address, "3");
	CHECK_EQ(p.net.family, AF_VSOCK);
	CHECK(!p.local_unix && p.uid == (uid_t)-1);
	close(fds[0]);
	close(fds[1]);
}

TEST(not_a_connection)
{
	struct peer p;
	int fds[2], fd;

	CHECK_EQ(peer_from_fd(&p, -1), -ENOTSOCK);
	CHECK_EQ(pipe(fds), 0);
	CHECK_EQ(peer_from_fd(&p, fds[0]), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
	CHECK_EQ(peer_from_fd(&p, fds[0]), -ENOTSOCK);
	close(fds[0]);
	close(fds[1]);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQ(peer_from_fd(&p, fd), -ENOTCONN);
	close(fd);
}

TEST(from_a_front_end)
{
	struct netaddr a = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
	struct peer p;

	peer_from_address(&p, &a, 5000);
	CHECK_STR(p.text, "192.0.2.1:5000");
	CHECK_STR(p.address, "192.0.2.1");
	CHECK(!p.local_unix && p.uid == (uid_t)-1 && p.gid == (gid_t)-1 && p.pid == 0);
	CHECK_EQ(p.net.family, AF_INET);
	CHECK_MEM(p.net.bytes, 16, a.bytes, 16);
	a.family = AF_INET6;
	CHECK_EQ(inet_pton(AF_INET6, "2001:db8::1", a.bytes), 1);
	peer_from_address(&p, &a, 1);
	CHECK_STR(p.text, "[2001:db8::1]:1");
	CHECK_STR(p.address, "2001:db8::1");
	CHECK_EQ(inet_pton(AF_INET6, "::ffff:192.0.2.1", a.bytes), 1);
	peer_from_address(&p, &a, 65535);
	CHECK_STR(p.text, "192.0.2.1:65535");
	CHECK_EQ(p.net.family, AF_INET);
}
