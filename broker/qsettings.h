/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/qsettings.h - a profile as x2goclient reads it from a list: a section of an INI file, but
 * of QSettings', where a comma makes a list of a value, a semicolon ends it, and what is not
 * Latin-1 becomes something else.
 */
#pragma once

#include <stdio.h>

#include "broker/profile.h"

/* [ID], its keys, an empty line. ASCII, without what the client looks for in the whole answer.
 * extra may be NULL. Errors are those of `to`. */
void qsettings_write(FILE *to, const struct profile *p, const struct profile_extra *extra);
