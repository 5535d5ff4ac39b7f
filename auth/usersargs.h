/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/usersargs.h - the arguments of `xproxyctl users`: the rules that the proxy has, so that
 * nobody is added who cannot log in. All return an exit code, 0 if it is well, else with a
 * complaint on stderr.
 */
#pragma once

#include <stdbool.h>

enum {
	EXIT_USAGE = 2,
	EXIT_NOTHING = 3,
};

/* Says it on stderr and returns code. */
__attribute__((format(printf, 2, 3))) int users_complain(int code, const char *fmt, ...);

int usersargs_username(const char *name);

/* A number or a name; what: "UID". */
int usersargs_id(const char *what, const char *id);

/* Of a column's length, without control characters; pairs: name=value;name2=value2. */
int usersargs_text(const char *what, const char *text, bool pairs);

/* The password that is argument i, which is wiped, or an answer, if that is missing or "-". *ret is
 * to be wiped and freed. */
int usersargs_password(int argc, char **argv, int i, bool twice, char **ret);
