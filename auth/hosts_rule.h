/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/hosts_rule.h - lists of hosts as hosts_access(5) has them, and files of such rules. Of
 * those, what runs programs or asks other services who a user is, is an error and not left out.
 *
 * A pattern is ALL, LOCAL (this machine; or a name without a dot), KNOWN, UNKNOWN, PARANOID, an
 * address, 192.0.2., 192.0.2.0/255.255.255.0, 192.0.2.0/24, [2001:db8::]/32, an address with * and
 * ?; also `unix`. Host names, name. and .example.org, only where names may be looked up. `a EXCEPT
 * b` is what is in a, but not in b.
 */
#pragma once

#include "auth/module.h"

enum hosts_name {
	HOSTS_UNKNOWN,  /* it has no name */
	HOSTS_KNOWN,    /* and the name has its address */
	HOSTS_PARANOID, /* but the name has other addresses */
};

/* Whom the rules are asked about. */
struct hosts_client {
	struct netaddr net;
	const char *address; /* as text */
	/* Looks its name up, once: an enum hosts_name, *ret is the name if it is known; or a
	 * negative errno with err. NULL: names are not looked up. */
	int (*name)(struct hosts_client *c, const char **ret, char *err);
	int looked_up; /* name()'s own, as the next: what it has found + 1 */
	char host[256];
};

enum hosts_answer {
	HOSTS_SILENT, /* no rule is about this client */
	HOSTS_ALLOW,
	HOSTS_DENY,
};

/* Whether the client is in the list. Names are only looked up if that is needed, but all of the
 * list is read, always. 1, 0, or a negative errno with err (AUTH_ERROR_MAX): -EINVAL what is
 * written there. */
int hosts_list(const char *list, struct hosts_client *c, bool needed, char *err);

/* What the rules of a file say for the daemon names xproxy and xpra: match, if they say no more
 * than to whom they apply. name is the file's. An enum hosts_answer, or a negative errno with err,
 * which names the line. */
int hosts_rules(const char *text, size_t len, const char *name, enum hosts_answer match,
                struct hosts_client *c, bool needed, char *err);
