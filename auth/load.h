/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/load.h - from `sqlite(filename=/x)` to a module and its options.
 *
 * xpra's spellings: NAME, NAME:opt=v,opt2=v (<= 6.4), NAME,opt=v,opt2=v, NAME(opt=v,opt2=v)
 * (>= 6.5). A value has no commas, as with xpra; between parentheses it may be put in double quotes
 * and then has them: sqlite(filename=/x,sessions_query="SELECT uid, gid, ..."). Nothing is
 * unescaped.
 *
 * Alternatives stand on one line: `peercred || sqlite(filename=/x)`, with blanks around the bars.
 *
 * A module is built in, or auth-NAME.so beside the program (a build tree) or in XPROXY_MODULE_DIR.
 */
#pragma once

#include "auth/module.h"

struct auth_instance {
	const struct auth_module *module;
	struct auth_options options; /* point into storage */
	unsigned flags;              /* the module's, and what options make of it */
	unsigned group;              /* the caller's */
	char *storage;
	size_t storage_len;
};

/* What follows the first of several alternatives; NULL: it is the last. */
const char *auth_alternative(const char *spec);

/* Whether one of the alternatives may take its time (AUTH_WAITS). Loads nothing. */
bool auth_waits(const char *spec);

/* Finds the first alternative's module and checks the names of its options; does not call its
 * open(). 0, or a negative errno with err saying what is wrong and what there is instead: -ENOENT
 * no such module, -EINVAL syntax or options, -ELIBBAD a module that cannot be loaded, -E2BIG,
 * -ENOMEM. */
int auth_load(const char *spec, struct auth_instance *ret, char err[AUTH_ERROR_MAX]);

/* Wipes and frees the options; an instance that is all zeros is fine. A loaded object stays. */
void auth_unload(struct auth_instance *instance);

/* The built-in ones: auth/simple.c, auth/property.c, and a file of its own for each other. */
extern const struct auth_module auth_none, auth_allow, auth_reject, auth_fail, auth_ratelimit;
extern const struct auth_module auth_password, auth_env, auth_file, auth_multifile;
extern const struct auth_module auth_peercred, auth_hosts, auth_exec;
extern const struct auth_module auth_capability, auth_http_header, auth_certificate;

/* Not among those that a configuration can name. */
extern const struct auth_module auth_ssh;
