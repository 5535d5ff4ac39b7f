/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * base/netaddr.h - network addresses, and lists of networks that an address may be in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h> /* the families */

struct netaddr {
	int family;        /* AF_INET, AF_INET6, AF_UNIX, AF_VSOCK; 0: none */
	uint8_t bytes[16]; /* network byte order; AF_INET: the first four; the last two families:
	                      none */
};

/* "192.0.2.0/24", "2001:db8::/32", an address alone, or "unix" for every unix socket. */
struct netaddr_range {
	struct netaddr first;
	uint8_t bits;
};

#define NETADDR_RANGES_MAX 64 /* the list that a content network publishes has two dozen */

struct netaddr_list {
	size_t count;
	struct netaddr_range ranges[NETADDR_RANGES_MAX];
};

/* An IPv4-mapped IPv6 address becomes the IPv4 address that it is. */
void netaddr_unmap(struct netaddr *a);

/* Reads one of the words above. 0; -EINVAL: none of them, or an address with bits set behind the
 * prefix, which cannot be what was meant. */
int netaddr_parse_range(const char *text, struct netaddr_range *ret);

/* Whether it never leaves this machine. */
bool netaddr_loopback(const struct netaddr *a);

/* Whether a is in one of the list's networks. IPv4 addresses are in IPv4 networks only. */
bool netaddr_listed(const struct netaddr_list *l, const struct netaddr *a);
