/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/users.h - `xproxyctl users`: makes and edits the sqlite database of auth/sqlite.c.
 *
 * The words, their order and the table are those of xpra's own tool (python3 -m
 * xpra.server.auth.sqlite_auth FILE ...), and either edits what the other made. Two departures:
 * `list` shows **** for each password, as a list ends up in terminals, logs and screen shots, where
 * nobody needs the passwords of others; and removing nobody is exit code 3, not success.
 */
#pragma once

/* argv[0] is "users", argv[1] the database, then the action. A password among the arguments is
 * wiped there, so that `ps` stops showing it. Prints results on stdout, the rest on stderr. Returns
 * the exit code: 0, 1 failure or a wrong password, 2 usage, 3 nothing matched. */
int users_main(int argc, char *argv[]);

/* The version of a database's schema, as `users DB migrate` knows it, 0 being xpra's, and in
 * *ret_newest what it can be. A negative errno: it cannot be told; nothing is said. */
int users_version(const char *where, int *ret_newest);
