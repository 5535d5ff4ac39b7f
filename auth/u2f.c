/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * auth/u2f.c - security keys by U2F, for clients from 3.1 to 6.4 (auth-u2f.so).
 * Checker, with its privilege. System calls: those of auth/securitykey.c.
 */
#include "auth/securitykey.h"

extern const struct auth_module auth_module;

static int u2f_challenge(struct auth_attempt *a, unsigned n, struct auth_challenge *ret)
{
	(void)n;
	return securitykey_challenge(a, "u2f:xor", ret);
}

const struct auth_module auth_module = {
	.abi = AUTH_MODULE_ABI,
	.name = "u2f",
	.flags = AUTH_CHALLENGE | AUTH_OWN,
	.options = securitykey_options,
	.open = securitykey_open,
	.challenge = u2f_challenge,
	.verify = securitykey_verify,
};
