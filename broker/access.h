/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/access.h - whether a request needs a login, by the token that comes with it.
 */
#pragma once

#include "base/x2go.h"
#include "broker/authid.h"

struct access {
	struct authid authid; /* what the next token inherits */
	bool by_token;        /* authid is set: there was no login */
	bool nobody;          /* this is answered to anybody, and names nobody */
};

/* *ret is VERDICT, and *ret_access what follows from it if that is granted, or once somebody has
 * logged in. now: wall_usec(). */
void access_judge(const struct x2go_start *s, uint64_t now, struct x2go_verdict *ret,
                  struct access *ret_access);
