/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/program.h - runs a program of the administrator's and reads what it prints.
 */
#pragma once

#include "auth/module.h"

#define PROGRAM_OUTPUT_MAX (256u << 10)

/* Options: command= (a path and arguments, split at blanks; no shell sees it), timeout= in seconds,
 * user= (default: nobody, if we are root). 0, or a negative errno with err. */
int program_check(const struct auth_options *options, char *err);

/* Runs it with the environment that is made here: PATH, LANG, XPROXY_USER and XPROXY_ADDRESS. What
 * it prints is in *ret, which is to be wiped and freed and has a NUL at its end. Returns its exit
 * code, or a negative errno with a->error: -ETIMEDOUT it was ended. */
int program_run(struct auth_attempt *a, char **ret, size_t *ret_len);
