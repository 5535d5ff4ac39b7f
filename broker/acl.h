/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/acl.h - who may see and select a profile: its acl-* keys.
 *
 *   1. If there is a list of clients, theirs must be allowed.
 *   2. Without lists of users and groups, everybody may.
 *   3. A user who is allowed may, whatever the groups.
 *   4. A user who is not denied may, if one of the groups is allowed.
 *
 * Allowed is what is in the allow list and, unless the order is allow-deny, not in the deny list.
 * The order is that of acl-users-order, acl-groups-order or acl-clients-order, else acl-any-order,
 * which x2gobroker knows but overrides. ALL is everyone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/netaddr.h"

struct profile;

struct visitor {
	const char *user;       /* the caller's */
	struct netaddr address; /* no family: not known */
	char **groups;
	size_t groups_count;
};

/* Looks up the user's groups, which nsswitch.conf(5) says where. Someone whom the system does not
 * know has those that name the user all the same. ignore_primary: without the group of the account
 * itself, unless it lists the user. 0, with *ret to be given to acl_leave(); -ENOMEM; -E2BIG too
 * many groups. */
int acl_visitor(const char *user, const char *address, bool ignore_primary, struct visitor *ret);
void acl_leave(struct visitor *v);

bool acl_allows(const struct profile *p, const struct visitor *v);

/* Whether it can be in a list of clients: ALL, an address, ADDRESS/BITS or, IPv4 only,
 * ADDRESS/MASK. */
bool acl_is_client(const char *text, size_t len);
