/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * broker/reply.h - what an answer says, and how each kind of client reads it.
 *
 * x2goclient looks for words in a text: "Access granted" anywhere, else it asks for the password
 * again; "AUTHID:" to the end of the line; the list between its marks; "SERVER:", which may not
 * come first and has to be there; a key; and "SESSION_INFO:", which must be last.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "base/x2go.h"
#include "broker/profile.h"
#include "broker/select.h"

struct reply {
	const struct x2go_start *start;
	const char *user;            /* who it is; "" nobody has said */
	const char *authid;          /* the next one; "" none */
	bool denied;                 /* nothing else of this counts */
	FILE *list;                  /* X2GO_PLAIN: profiles go there */
	json_t *profiles;            /* X2GO_JSON, X2GO_UCCS: likewise */
	const struct choice *choice; /* SELECT */
	const char *pem;             /* SELECT: "" no key */
	bool key_taken;              /* SELECT: the client's key has been put there */
	const char *order;           /* EVENT: "" none */
	bool password_changed;       /* SETPASS */
	const char *pubkeys;         /* PUBKEYS */
};

/* Writes all of the answer, HTTP's head and what follows it. `list` is the text of what went to
 * reply.list. 0 or -ENOMEM. */
int reply_write(const struct reply *r, const char *list, FILE *to);
