/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/answer.h - what a client gets that may ask.
 */
#pragma once

#include <stdio.h>

#include "base/x2go.h"
#include "broker/access.h"

/* Does what the request asks for, as login.user, and writes the whole answer. 0, or a negative
 * errno: nothing has been written, the log says why. */
int answer_write(const struct x2go_start *start, const struct x2go_login *login,
                 const struct access *access, FILE *to);

/* Removes the keys that are due, tokens and sessions that are nobody's any more; a line on stderr
 * if something fails. 0 or 1, an exit code. */
int answer_sweep(const char *state);
