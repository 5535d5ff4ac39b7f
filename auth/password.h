/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/password.h - a user's new password, by PAM: in a process of its own that can be ended, as
 * auth/checker.h's is. Guard, for whoever has just logged in.
 */
#pragma once

#include <stdint.h>

#define PASSWORD_WHY_MAX 256

struct password_change {
	const char *service; /* of PAM */
	const char *user;
	const char *old_password, *new_password; /* the caller's to wipe */
	const char *address;                     /* of the client; "" not known */
};

/* Changes it. 0; or a negative errno with why, for the log: -EACCES PAM says no, -EPERM whose
 * password is not changed like this, -ETIMEDOUT it took longer than timeout_usec and was ended:
 * nobody knows; else something is broken. */
int password_change(const struct password_change *c, uint64_t timeout_usec,
                    char why[PASSWORD_WHY_MAX]);

/* What auth-pam.so has for it, under the name of auth_password_pam: does it here and now, as above.
 */
struct password_module {
	int (*change)(const struct password_change *c, char why[PASSWORD_WHY_MAX]);
};
