/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * session/since.h - since when sessions are there. Guard, by a child that has become their user.
 */
#pragma once

#include <stdint.h>

#include "base/config.h"
#include "session/record.h"

/* When each of count (at most RECORD_SESSIONS_MAX) sessions began, in seconds of the wall clock:
 * the time at which its socket was made. 0: not known, as of all that are on other machines. */
void since_sessions(const struct config *c, const struct identity *id, const struct uri *sessions,
                    size_t count, uint64_t *ret_sec);
