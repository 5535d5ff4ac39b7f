/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/exec_lookup.h - lookup() of the built-in module `exec`: that of auth-exec-sessions.so, which
 * is loaded for it, since few need a reader of JSON.
 */
#pragma once

#include "auth/module.h"

int exec_lookup(struct auth_attempt *a, struct auth_row *ret_row);
