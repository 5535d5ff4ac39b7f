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

static void take_ip(const void *address, int family, struct netaddr *ret)
{
	ret->family = family;
	memcpy(ret->bytes, address, family == AF_INET ? 4 : 16);
	netaddr_unmap(ret);
}

/* Which address of ours it has found. */
static void find_local(struct peer *p, int fd)
{
	union address sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(fd, &sa.any, &len) < 0)
		return;
	if (sa.any.sa_family == AF_INET)
		take_ip(&sa.v4.sin_addr, AF_INET, &p->local);
	else
		take_ip(&sa.v6.sin6_addr, AF_INET6, &p->local);
	p->local_port = ntohs(sa.any.sa_family == AF_INET ? sa.v4.sin_port : sa.v6.sin6_port);
}

static void from_ip(struct peer *p, int family, const void *address, in_port_t port, unsigned scope)
{
	char scope_text[16] = "";

	take_ip(address, family, &p->net);
	p->port = ntohs(port);
	inet_ntop(p->net.family, p->net.bytes, p->address, sizeof(p->address));
	if (scope != 0)
		snprintf(scope_text, sizeof(scope_text), "%%%u", scope);
	snprintf(p->text, sizeof(p->text), p->net.family == AF_INET ? "%s%s:%u" : "[%s%s]:%u",
	         p->address, scope_text, ntohs(port));
}

/* Not all kernels and socket types know: then gid alone counts. */
static void take_groups(struct peer *p, int fd)
{
	socklen_t len = sizeof(p->groups);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, p->groups, &len) == 0)
		p->group_count = (int)(len / sizeof(p->groups[0]));
	else
		p->group_count = -1;
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
	take_groups(p, fd);
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
	p.net.family = sa.any.sa_family;
	switch (p.net.family) {
	case AF_INET:
		from_ip(&p, AF_INET, &sa.v4.sin_addr, sa.v4.sin_port, 0);
		break;
	case AF_INET6:
		from_ip(&p, AF_INET6, &sa.v6.sin6_addr, sa.v6.sin6_port, sa.v6.sin6_scope_id);
		break;
	case AF_UNIX:
		r = from_unix(&p, fd);
		break;
	case AF_VSOCK:
		snprintf(p.address, sizeof(p.address), "%u", sa.vm.svm_cid);
		snprintf(p.text, sizeof(p.text), "vsock:%u:%u", sa.vm.svm_cid, sa.vm.svm_port);
		break;
	default:
		r = -EAFNOSUPPORT;
	}
	if (p.net.family == AF_INET || p.net.family == AF_INET6)
		find_local(&p, fd);
	if (r == 0)
		*ret = p;
	return r;
}

void peer_from_address(struct peer *ret, const struct netaddr *a, uint16_t port)
{
	struct peer p = {.uid = (uid_t)-1, .gid = (gid_t)-1};

	from_ip(&p, a->family, a->bytes, htons(port), 0);
	*ret = p;
}
