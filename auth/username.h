/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/username.h - whose login it is: what the client says, what a module knows, what the
 * configuration makes of it. Options that every module takes:
 *
 *   username=NAME         that one, whatever the client says
 *   client-username=no    the user that this process runs as, whatever the client says; yes (what
 *                         there is without it) also keeps the client's word where the module
 *                         knows better
 *   verify-username=yes   a module that knows who it is says no to a client that has named another
 *   map-user=HOW          what the name becomes once the module has said yes: strip-domain takes
 *                         the domain off "DOMAIN\alice" and "alice@domain", lowercase, or the path
 *                         of a file with "FROM TO" on each line, which lets nobody else in
 */
#pragma once

#include "auth/module.h"

extern const char *const username_options[]; /* NULL-terminated */

/* Whether the values of the options can be used. 0, or -EINVAL with err. */
int username_check(const struct auth_options *o, char err[AUTH_ERROR_MAX]);

/* The name that a module is asked about. 0, or a negative errno: the process has none. */
int username_before(const struct auth_options *o, const char *claimed, char ret[AUTH_USERNAME_MAX]);

/* The name after its yes: asked is the above, known is what it knows ("": nothing). 1, or 0 with
 * why: it is a no after all; or a negative errno with why. */
int username_after(const struct auth_options *o, const char *asked, const char *known,
                   char ret[AUTH_USERNAME_MAX], char why[AUTH_ERROR_MAX]);
