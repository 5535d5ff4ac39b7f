/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/prompt.h - asks a person for a password. For xproxyctl only.
 */
#pragma once

#include <stdbool.h>

#define PROMPT_PASSWORD_MAX 1024

/* If stdin is a terminal: asks there without echo, with `twice` until two answers are the same, at
 * most three times. Else: one line of stdin. 0 with a password that is not empty, to be wiped and
 * freed (_cleanup_wipe_), or a negative errno with err (AUTH_ERROR_MAX bytes). A signal that ends
 * the program first gives the terminal its echo back. */
int prompt_password(const char *question, bool twice, char **ret, char *err);
