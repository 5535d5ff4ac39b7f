/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * relay/x2go.h - what an X2Go client asks a session broker for, as it comes by HTTP: a path and a
 * form. Worker; pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/rpc.h"
#include "base/x2go.h"

struct x2go_path {
	enum x2go_frontend frontend;
	bool backend_known; /* there is one, which has the name of x2gobroker's that it replaces */
	char version[8];    /* of UCCS's API; "" */
};

struct x2go_secrets {
	char password[RPC_NAME_MAX], new_password[RPC_NAME_MAX];
};

/* What a path, as http_path() has it, stands for. False: it has none of the broker's names. */
bool x2go_path_read(const char *path, struct x2go_path *ret);

/* The fields of the form into *ret, but for its frontend, and *secrets, all of which has to be
 * zero. 0; -EMSGSIZE one is too long; -EBADMSG one is there twice, has control characters, or is
 * no UTF-8. Wipe *secrets in any case. */
int x2go_form_read(const char *form, size_t len, struct x2go_request *ret,
                   struct x2go_secrets *secrets);
