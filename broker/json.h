/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/json.h - a profile as python-x2go reads it: values with types, and no key that it does not
 * know.
 */
#pragma once

#include <jansson.h>

#include "broker/profile.h"

/* The object that "profiles" has under the profile's id. extra may be
 * NULL. NULL: no memory, or a name that is not UTF-8. */
json_t *profile_json(const struct profile *p, const struct profile_extra *extra);
