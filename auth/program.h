/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/program.h - runs a program of the administrator's: for its answer, or for what it prints.
 */
#pragma once

#include "auth/module.h"

#define PROGRAM_OUTPUT_MAX (256u << 10)

/* What program_check() reads, for a module's list of options. */
#define PROGRAM_OPTIONS "command", "timeout", "user"

/* Options: command= (a path and arguments, split at blanks; no shell sees it), timeout= in seconds,
 * user= (default: nobody, if we are root). 0, or a negative errno with err. */
int program_check(const struct auth_options *options, char *err);

/* Runs it with a->options and the environment that xproxy.conf(5) says. It reads `input` (NULL:
 * nothing; less than a pipe holds). ret NULL: what it prints is lost; else *ret, which is to be
 * wiped and freed whatever is returned, has it with a NUL at its end. Its stderr goes to a->warn.
 *
 * Exit code 0 is 1, exit code 1 is 0; anything else is a negative errno with a->error. -ETIMEDOUT
 * and -E2BIG (it prints more than PROGRAM_OUTPUT_MAX): it was ended, with all that it had started,
 * for which the caller may have no other children. */
int program_run(struct auth_attempt *a, const char *input, size_t input_len, char **ret,
                size_t *ret_len);
