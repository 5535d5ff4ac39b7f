/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * ctl/check.h - the parts of `xproxyctl check`. Each says a line for each thing that it looks at.
 */
#pragma once

#include "ctl/ctl.h"

enum check_level {
	CHECK_OK,
	CHECK_SKIPPED, /* cannot be told here; nothing is wrong */
	CHECK_WARNING, /* works, but see to it */
	CHECK_ERROR,   /* no client can connect, or some cannot */
};

struct check {
	unsigned count[CHECK_ERROR + 1];
};

/* What was looked at, and then how it is; for a warning or an error also what to do. */
void check_say(struct check *k, enum check_level level, const char *what, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether certificate and key can be used, and how long. ctl/checktls.c */
void check_tls(struct check *k, const struct config *c);

/* Whether X2Go clients get an answer, if they are to get any. ctl/checkx2go.c */
void check_x2go(struct check *k, const struct config *c);

/* Whether the units are installed, enabled, and listen. ctl/checkunits.c */
void check_units(struct check *k);
