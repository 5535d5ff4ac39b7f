/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/shown.h - what a client is told of a profile, whatever the form.
 */
#pragma once

#include "broker/profile.h"

typedef void shown_put(void *data, const char *key, const char *value);

/* Calls `put` for each key, once: those of the profile with the extra (which may be NULL) over
 * them, and status, suspended, running, autologin and key as the extra says. */
void shown_each(const struct profile *p, const struct profile_extra *extra, shown_put *put,
                void *data);
