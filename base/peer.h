/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/peer.h - who is at the other end of a socket, as the kernel knows it; or whom a front end
 * speaks for, as it says.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/netaddr.h"

#define PEER_GROUPS_MAX 256

struct peer {
	char text[128]; /* "192.0.2.1:5000", "[::1]:5000", "unix uid 1000 pid 12", "vsock:3:1234" */
	char address[64];     /* the address alone; the CID of a vsock peer; "" for unix */
	struct netaddr net;   /* AF_INET also for an IPv4 peer of an IPv6 socket */
	uint16_t port;        /* of an IP address */
	struct netaddr local; /* what it has connected to; of no family: not known */
	uint16_t local_port;
	bool local_unix; /* uid, gid and pid below are the kernel's word (SO_PEERCRED) */
	uid_t uid;       /* else -1, -1 and 0 */
	gid_t gid;
	gid_t groups[PEER_GROUPS_MAX]; /* supplementary ones, as when it called connect() */
	int group_count;               /* -1: not known, or more than that */
	pid_t pid;      /* of whoever called connect(); 0 if it is not in our pid namespace */
	char wish[256]; /* the session that it asks for by ssh's command, as a hello would; "" */
};

/* 0; -ENOTSOCK: not a socket, or one that can have no peer (a listener, datagrams); -ENOTCONN: the
 * peer is gone already; -EAFNOSUPPORT: some other family. */
int peer_from_fd(struct peer *ret, int fd);

/* The client of a front end that has sent its address and port: nobody of this machine. */
void peer_from_address(struct peer *ret, const struct netaddr *a, uint16_t port);
