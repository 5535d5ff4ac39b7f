/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/peer.c - who is at the other end: getsockopt() and getpeername() on the connection.
 *
 * Runs before the split. Names are never looked up: that would let a peer's DNS delay us.
 */
#include "base/peer.h"
#include "base/macros.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sys/socket.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_vm vm;
	struct sockaddr_storage room;
};

static int get_option(int fd, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) < 0 ? -errno : value;
}

static void from_v4(struct peer *p, const void *address, in_port_t port)
{
	p->family = AF_INET;
	inet_ntop(AF_INET, address, p->address, sizeof(p->address));
	snprintf(p->text, sizeof(p->text), "%s:%u", p->address, ntohs(port));
}

static void from_v6(struct peer *p, const struct sockaddr_in6 *sa)
{
	char scope[16] = "";

	if (IN6_IS_ADDR_V4MAPPED(&sa->sin6_addr)) {
		from_v4(p, &sa->sin6_addr.s6_addr[12], sa->sin6_port);
		return;
	}
	if (sa->sin6_scope_id != 0)
		snprintf(scope, sizeof(scope), "%%%u", sa->sin6_scope_id);
	inet_ntop(AF_INET6, &sa->sin6_addr, p->address, sizeof(p->address));
	snprintf(p->text, sizeof(p->text), "[%s%s]:%u", p->address, scope, ntohs(sa->sin6_port));
}

static int from_unix(struct peer *p, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	p->local_unix = true;
	p->uid = cred.uid;
	p->gid = cred.gid;
	p->pid = cred.pid;
	snprintf(p->text, sizeof(p->text), "unix uid %u pid %d", cred.uid, cred.pid);
	return 0;
}

int peer_from_fd(struct peer *ret, int fd)
{
	struct peer p = {.uid = (uid_t)-1, .gid = (gid_t)-1};
	union address sa = {0};
	socklen_t len = sizeof(sa);
	int r = 0;

	if (get_option(fd, SO_TYPE) != SOCK_STREAM || get_option(fd, SO_ACCEPTCONN) != 0)
		return -ENOTSOCK;
	if (getpeername(fd, &sa.any, &len) < 0)
		return -errno;
	p.family = sa.any.sa_family;
	switch (p.family) {
	case AF_INET:
		from_v4(&p, &sa.v4.sin_addr, sa.v4.sin_port);
		break;
	case AF_INET6:
		from_v6(&p, &sa.v6);
		break;
	case AF_UNIX:
		r = from_unix(&p, fd);
		break;
	case AF_VSOCK:
		snprintf(p.address, sizeof(p.address), "%u", sa.vm.svm_cid);
		snprintf(p.text, sizeof(p.text), "vsock %u:%u", sa.vm.svm_cid, sa.vm.svm_port);
		break;
	default:
		r = -EAFNOSUPPORT;
	}
	if (r == 0)
		*ret = p;
	return r;
}
