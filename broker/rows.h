/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/rows.h - the profiles in a user's record, which broker/profile.h says the form of. A pure
 * function.
 */
#pragma once

#include "broker/ini.h"

/* Gives the taker each x2go:// URI of the text, which is cut up, as a section would be: the line is
 * which of them it is, from 1. 0; what `take` said; -EBADMSG one of them is malformed, with *ret
 * filled. */
int rows_read(char *text, ini_take *take, void *data, struct ini_error *ret);
