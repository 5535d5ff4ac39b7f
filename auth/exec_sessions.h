/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec_sessions.h - what auth/exec.c loads to read a record: exec-sessions.so, symbol
 * `exec_sessions`. An object of its own, as nobody else needs its library.
 */
#pragma once

#include "auth/module.h"

struct exec_sessions {
	unsigned abi; /* AUTH_MODULE_ABI */
	/* What a program has printed. 1 with *ret_row; 0: there is no such user; a negative errno
	 * with a->error, which quotes nothing of it. */
	int (*read)(struct auth_attempt *a, const char *text, size_t len, struct auth_row *ret_row);
};
